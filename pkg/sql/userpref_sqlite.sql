-- Preferences of users in SQLite: spamd -q, user_scores_dsn DBI:SQLite:dbname=/path
-- A row is a line of a user_prefs file; those of @GLOBAL are for everybody, and come first.
CREATE TABLE userpref (
	prefid INTEGER PRIMARY KEY,
	username TEXT NOT NULL,
	preference TEXT NOT NULL,
	value TEXT NOT NULL
);
CREATE INDEX userpref_username ON userpref (username);
