-- Senders and their scores, of TxRep, in MySQL 8.0 or MariaDB 10.3 or later: mariadb DATABASE < txrep_mysql.sql
-- The user of user_awl_sql_username needs SELECT, INSERT, UPDATE, DELETE.  SpamAssassin uses the same table.
-- Old rows: DELETE FROM txrep WHERE last_hit < CURRENT_TIMESTAMP - INTERVAL 120 DAY
-- user_awl_sql_table txrep

CREATE TABLE txrep (
  username varchar(100)   NOT NULL DEFAULT '',
  email    varchar(255)   NOT NULL DEFAULT '',
  ip       varchar(40)    NOT NULL DEFAULT '',
  msgcount int            NOT NULL DEFAULT 0,
  totscore float          NOT NULL DEFAULT 0,
  signedby varchar(255)   NOT NULL DEFAULT '',
  last_hit timestamp      NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (username, email, signedby, ip),
  KEY txrep_last_hit (last_hit)
) ENGINE=InnoDB;
