-- What Bayes learned, in a file of SQLite 3.24 or later: sqlite3 FILE < bayes_sqlite.sql
-- The file and its directory have to be writable for whoever scans.  SpamAssassin uses the same tables.

-- Readers go on while somebody writes.  (";synchronous=NORMAL" at the end of the DSN saves the wait for the disk.)
PRAGMA journal_mode = WAL;

CREATE TABLE bayes_global_vars (
  variable text NOT NULL PRIMARY KEY,
  value    text NOT NULL DEFAULT ''
);
INSERT INTO bayes_global_vars (variable, value) VALUES ('VERSION', '3');

-- One row for each user; ages are seconds since 1970.
CREATE TABLE bayes_vars (
  id                 integer PRIMARY KEY AUTOINCREMENT,
  username           text    NOT NULL DEFAULT '' UNIQUE,
  spam_count         integer NOT NULL DEFAULT 0,
  ham_count          integer NOT NULL DEFAULT 0,
  token_count        integer NOT NULL DEFAULT 0,
  last_expire        integer NOT NULL DEFAULT 0,
  last_atime_delta   integer NOT NULL DEFAULT 0,
  last_expire_reduce integer NOT NULL DEFAULT 0,
  oldest_token_age   integer NOT NULL DEFAULT 2147483647,
  newest_token_age   integer NOT NULL DEFAULT 0
);

-- Five bytes of each token's SHA-1, which SpamAssassin stores as text.
CREATE TABLE bayes_token (
  id         integer NOT NULL DEFAULT 0,
  token      text    NOT NULL DEFAULT '' COLLATE binary,
  spam_count integer NOT NULL DEFAULT 0,
  ham_count  integer NOT NULL DEFAULT 0,
  atime      integer NOT NULL DEFAULT 0,
  PRIMARY KEY (id, token)
) WITHOUT ROWID;

-- Messages that were learned: flag s (spam) or h (ham).
CREATE TABLE bayes_seen (
  id    integer NOT NULL DEFAULT 0,
  msgid text    NOT NULL DEFAULT '' COLLATE binary,
  flag  text    NOT NULL DEFAULT '',
  PRIMARY KEY (id, msgid)
) WITHOUT ROWID;

-- SpamAssassin only: expiries that run.
CREATE TABLE bayes_expire (
  id      integer NOT NULL PRIMARY KEY,
  runtime integer NOT NULL DEFAULT 0
);
