-- What Bayes learned, in MySQL 8.0 or MariaDB 10.3 or later: mariadb DATABASE < bayes_mysql.sql
-- The user of bayes_sql_username needs SELECT, INSERT, UPDATE, DELETE.  SpamAssassin uses the same tables.

CREATE TABLE bayes_global_vars (
  variable varchar(30)  NOT NULL,
  value    varchar(200) NOT NULL DEFAULT '',
  PRIMARY KEY (variable)
) ENGINE=InnoDB;
INSERT INTO bayes_global_vars (variable, value) VALUES ('VERSION', '3');

-- One row for each user; ages are seconds since 1970.
CREATE TABLE bayes_vars (
  id                 int          NOT NULL AUTO_INCREMENT,
  username           varchar(200) NOT NULL DEFAULT '',
  spam_count         int          NOT NULL DEFAULT 0,
  ham_count          int          NOT NULL DEFAULT 0,
  token_count        int          NOT NULL DEFAULT 0,
  last_expire        int          NOT NULL DEFAULT 0,
  last_atime_delta   int          NOT NULL DEFAULT 0,
  last_expire_reduce int          NOT NULL DEFAULT 0,
  oldest_token_age   int          NOT NULL DEFAULT 2147483647,
  newest_token_age   int          NOT NULL DEFAULT 0,
  PRIMARY KEY (id),
  UNIQUE KEY bayes_vars_username (username)
) ENGINE=InnoDB;

-- Five bytes of each token's SHA-1.
CREATE TABLE bayes_token (
  id         int       NOT NULL DEFAULT 0,
  token      binary(5) NOT NULL DEFAULT '',
  spam_count int       NOT NULL DEFAULT 0,
  ham_count  int       NOT NULL DEFAULT 0,
  atime      int       NOT NULL DEFAULT 0,
  PRIMARY KEY (id, token),
  KEY bayes_token_atime (id, atime)
) ENGINE=InnoDB;

-- Messages that were learned: flag s (spam) or h (ham).
CREATE TABLE bayes_seen (
  id    int                 NOT NULL DEFAULT 0,
  msgid varchar(200) BINARY NOT NULL DEFAULT '',
  flag  char(1)             NOT NULL DEFAULT '',
  PRIMARY KEY (id, msgid)
) ENGINE=InnoDB;

-- SpamAssassin only: expiries that run.
CREATE TABLE bayes_expire (
  id      int NOT NULL DEFAULT 0,
  runtime int NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=InnoDB;
