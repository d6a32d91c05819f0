-- Senders and their scores, of AWL, in MySQL 8.0 or MariaDB 10.3 or later: mariadb DATABASE < awl_mysql.sql
-- The user of user_awl_sql_username needs SELECT, INSERT, UPDATE, DELETE.  SpamAssassin uses the same table.
-- Old rows: DELETE FROM awl WHERE last_hit < CURRENT_TIMESTAMP - INTERVAL 120 DAY

CREATE TABLE awl (
  username varchar(100)   NOT NULL DEFAULT '',
  email    varbinary(255) NOT NULL DEFAULT '',
  ip       varchar(40)    NOT NULL DEFAULT '',
  msgcount int            NOT NULL DEFAULT 0,
  totscore float          NOT NULL DEFAULT 0,
  signedby varchar(255)   NOT NULL DEFAULT '',
  last_hit timestamp      NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  PRIMARY KEY (username, email, signedby, ip),
  KEY awl_last_hit (last_hit)
) ENGINE=InnoDB;
