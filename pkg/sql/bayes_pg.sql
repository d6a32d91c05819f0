-- What Bayes learned, in PostgreSQL 9.5 or later: psql -d DATABASE -f bayes_pg.sql
-- The user of bayes_sql_username needs SELECT, INSERT, UPDATE, DELETE on the tables and USAGE on bayes_vars_id_seq:
-- simplest is to run this as that user.  SpamAssassin uses the same tables, and the functions at the end.

CREATE TABLE bayes_global_vars (
  variable varchar(30)  NOT NULL PRIMARY KEY,
  value    varchar(200) NOT NULL DEFAULT ''
);
INSERT INTO bayes_global_vars (variable, value) VALUES ('VERSION', '3');

-- One row for each user; ages are seconds since 1970.
CREATE TABLE bayes_vars (
  id                 serial       NOT NULL PRIMARY KEY,
  username           varchar(200) NOT NULL DEFAULT '',
  spam_count         integer      NOT NULL DEFAULT 0,
  ham_count          integer      NOT NULL DEFAULT 0,
  token_count        integer      NOT NULL DEFAULT 0,
  last_expire        integer      NOT NULL DEFAULT 0,
  last_atime_delta   integer      NOT NULL DEFAULT 0,
  last_expire_reduce integer      NOT NULL DEFAULT 0,
  oldest_token_age   integer      NOT NULL DEFAULT 2147483647,
  newest_token_age   integer      NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX bayes_vars_username ON bayes_vars (username);

-- Five bytes of each token's SHA-1.
CREATE TABLE bayes_token (
  id         integer NOT NULL DEFAULT 0,
  token      bytea   NOT NULL DEFAULT '',
  spam_count integer NOT NULL DEFAULT 0,
  ham_count  integer NOT NULL DEFAULT 0,
  atime      integer NOT NULL DEFAULT 0,
  PRIMARY KEY (id, token)
) WITH (fillfactor = 90);

-- Messages that were learned: flag s (spam) or h (ham).
CREATE TABLE bayes_seen (
  id    integer      NOT NULL DEFAULT 0,
  msgid varchar(200) NOT NULL DEFAULT '',
  flag  character(1) NOT NULL DEFAULT '',
  PRIMARY KEY (id, msgid)
);

-- SpamAssassin only: expiries that run.
CREATE TABLE bayes_expire (
  id      integer NOT NULL DEFAULT 0,
  runtime integer NOT NULL DEFAULT 0
);
CREATE INDEX bayes_expire_id ON bayes_expire (id);

-- SpamAssassin only: it learns through these.
CREATE FUNCTION greatest_int(integer, integer) RETURNS integer
  LANGUAGE sql IMMUTABLE STRICT AS 'SELECT GREATEST($1, $2)';
CREATE FUNCTION least_int(integer, integer) RETURNS integer
  LANGUAGE sql IMMUTABLE STRICT AS 'SELECT LEAST($1, $2)';

CREATE FUNCTION put_tokens(of_user integer, tokens bytea[], more_spam integer, more_ham integer, used_at integer)
  RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  made bigint := 0;
BEGIN
  IF more_spam < 0 OR more_ham < 0 THEN
    UPDATE bayes_token SET spam_count = GREATEST(spam_count + more_spam, 0),
                           ham_count  = GREATEST(ham_count + more_ham, 0),
                           atime      = GREATEST(atime, used_at)
     WHERE id = of_user AND token = ANY (tokens);
  ELSE
    WITH added AS (
      INSERT INTO bayes_token (id, token, spam_count, ham_count, atime)
      SELECT DISTINCT of_user, t, more_spam, more_ham, used_at FROM unnest(tokens) AS t ORDER BY t
      ON CONFLICT (id, token) DO UPDATE SET spam_count = bayes_token.spam_count + EXCLUDED.spam_count,
                                            ham_count  = bayes_token.ham_count + EXCLUDED.ham_count,
                                            atime      = GREATEST(bayes_token.atime, EXCLUDED.atime)
      RETURNING xmax = 0 AS is_new)
    SELECT count(*) INTO made FROM added WHERE is_new;
  END IF;
  UPDATE bayes_vars SET token_count = token_count + made,
                        newest_token_age = GREATEST(newest_token_age, used_at),
                        oldest_token_age = CASE WHEN used_at > 0 THEN LEAST(oldest_token_age, used_at)
                                                ELSE oldest_token_age END
   WHERE id = of_user;
END $$;
