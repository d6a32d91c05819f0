-- Senders and their scores, of TxRep, in a file of SQLite 3.24 or later: sqlite3 FILE < txrep_sqlite.sql
-- The file and its directory have to be writable for whoever scans.  SpamAssassin uses the same table.
-- Old rows: DELETE FROM txrep WHERE last_hit < datetime('now', '-120 days')
-- user_awl_sql_table txrep

PRAGMA journal_mode = WAL;

CREATE TABLE txrep (
  username text    NOT NULL DEFAULT '',
  email    text    NOT NULL DEFAULT '',
  ip       text    NOT NULL DEFAULT '',
  msgcount integer NOT NULL DEFAULT 0,
  totscore real    NOT NULL DEFAULT 0,
  signedby text    NOT NULL DEFAULT '',
  last_hit text    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (username, email, signedby, ip)
);
CREATE INDEX txrep_last_hit ON txrep (last_hit);

CREATE TRIGGER txrep_was_hit AFTER UPDATE OF totscore ON txrep FOR EACH ROW
BEGIN
  UPDATE txrep SET last_hit = CURRENT_TIMESTAMP
   WHERE username = NEW.username AND email = NEW.email AND signedby = NEW.signedby AND ip = NEW.ip;
END;
