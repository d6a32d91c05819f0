-- Preferences of users in PostgreSQL: spamd -q, user_scores_dsn DBI:Pg:dbname=...
-- A row is a line of a user_prefs file; those of @GLOBAL are for everybody, and come first.
CREATE TABLE userpref (
	prefid bigserial PRIMARY KEY,
	username varchar(255) NOT NULL,
	preference varchar(64) NOT NULL,
	value text NOT NULL
);
CREATE INDEX userpref_username ON userpref (username);
