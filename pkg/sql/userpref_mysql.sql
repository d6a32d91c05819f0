-- Preferences of users in MySQL or MariaDB: spamd -q, user_scores_dsn DBI:mysql:...
-- A row is a line of a user_prefs file; those of @GLOBAL are for everybody, and come first.
CREATE TABLE userpref (
	prefid bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
	username varchar(191) NOT NULL,
	preference varchar(64) NOT NULL,
	value text NOT NULL,
	KEY userpref_username (username)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
