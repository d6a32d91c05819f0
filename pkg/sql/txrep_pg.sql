-- Senders and their scores, of TxRep, in PostgreSQL 9.5 or later: psql -d DATABASE -f txrep_pg.sql
-- The user of user_awl_sql_username needs SELECT, INSERT, UPDATE, DELETE.  SpamAssassin uses the same table.
-- Old rows: DELETE FROM txrep WHERE last_hit < CURRENT_TIMESTAMP - INTERVAL '120 days'
-- user_awl_sql_table txrep

CREATE TABLE txrep (
  username varchar(100) NOT NULL DEFAULT '',
  email    varchar(255) NOT NULL DEFAULT '',
  ip       varchar(40)  NOT NULL DEFAULT '',
  msgcount bigint       NOT NULL DEFAULT 0,
  totscore float        NOT NULL DEFAULT 0,
  signedby varchar(255) NOT NULL DEFAULT '',
  last_hit timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (username, email, signedby, ip)
) WITH (fillfactor = 90);
CREATE INDEX txrep_last_hit ON txrep (last_hit);

CREATE FUNCTION txrep_was_hit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.last_hit := CURRENT_TIMESTAMP;
  RETURN NEW;
END $$;
CREATE TRIGGER txrep_was_hit BEFORE UPDATE ON txrep FOR EACH ROW EXECUTE PROCEDURE txrep_was_hit();
