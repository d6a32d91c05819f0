-- Senders and their scores, of AWL, in PostgreSQL 9.5 or later: psql -d DATABASE -f awl_pg.sql
-- The user of user_awl_sql_username needs SELECT, INSERT, UPDATE, DELETE.  SpamAssassin uses the same table.
-- Old rows: DELETE FROM awl WHERE last_hit < CURRENT_TIMESTAMP - INTERVAL '120 days'

CREATE TABLE awl (
  username varchar(100) NOT NULL DEFAULT '',
  email    varchar(255) NOT NULL DEFAULT '',
  ip       varchar(40)  NOT NULL DEFAULT '',
  msgcount bigint       NOT NULL DEFAULT 0,
  totscore float        NOT NULL DEFAULT 0,
  signedby varchar(255) NOT NULL DEFAULT '',
  last_hit timestamp    NOT NULL DEFAULT CURRENT_TIMESTAMP,
  PRIMARY KEY (username, email, signedby, ip)
) WITH (fillfactor = 90);
CREATE INDEX awl_last_hit ON awl (last_hit);

CREATE FUNCTION awl_was_hit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.last_hit := CURRENT_TIMESTAMP;
  RETURN NEW;
END $$;
CREATE TRIGGER awl_was_hit BEFORE UPDATE ON awl FOR EACH ROW EXECUTE PROCEDURE awl_was_hit();
