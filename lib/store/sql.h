/*
 * sql.h - one connection to a database: PostgreSQL, MySQL or MariaDB, SQLite
 *
 * Owns: struct sql.  The drivers (sql_pg.c, sql_mysql.c, sql_sqlite.c: sql_driver.h) are modules,
 * loaded when a DSN names them.  Source: DSNs as DBI, DBD::Pg, DBD::mysql and DBD::SQLite read
 * them.
 *
 *	sql_open -> sql_run ... or sql_begin, sql_run ..., sql_commit (sql_rollback) -> sql_close
 *
 * Values are parameters, `?` in the text, never parts of it.  The connection is made by the first
 * call that needs it, kept, and made anew when it was lost.  All calls end in bounded time.  A
 * server that does not answer is not asked again for SQL_RETRY_MS: until then calls fail at once
 * with STATUS_AGAIN and the first failure's text, so that who logs STATUS_IO and is silent about
 * STATUS_AGAIN writes one line.  Texts of errors name the server and never the password.
 *
 * A struct sql belongs to the process that opened it: not to be used over fork(), nor by two
 * threads.
 */
#ifndef WINNOW_STORE_SQL_H
#define WINNOW_STORE_SQL_H

#include <stdint.h>

#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"

enum {
	SQL_CONNECT_MS = 3000,
	SQL_STATEMENT_MS = 5000,
	SQL_RETRY_MS = 30000,
	SQL_FIELDS_MAX = 32 /* of one row */
};

/* Where texts of statements have to differ. */
enum sql_dialect { SQL_POSTGRESQL, SQL_MYSQL, SQL_SQLITE };

struct sql_config {
	/*
	 * DBI:Pg:dbname=mail;host=db.example;port=5432	any parameter of libpq
	 * DBI:mysql:mail:db.example:3306			also DBI:MariaDB:
	 * DBI:mysql:database=mail;host=[2001:db8::1];port=3306;mysql_socket=/run/mysqld.sock
	 * DBI:SQLite:dbname=/var/lib/spamassassin/bayes.sqlite	or DBI:SQLite:PATH
	 */
	struct slice dsn;
	struct slice user, password;      /* len 0: as the DSN or the driver has it */
	int64_t connect_ms, statement_ms; /* of one connect, one statement; 0: as above */
	bool is_read_only;                /* a file is not written, nor opened for it */
};

enum sql_type { SQL_NULL, SQL_INTEGER, SQL_REAL, SQL_TEXT, SQL_BYTES };

/* One parameter.  SQL_BYTES is for columns of bytes (bytea, binary, blob), SQL_TEXT for others. */
struct sql_value {
	enum sql_type type;
	int64_t integer;
	double real;
	struct slice bytes;
};

static inline struct sql_value
sql_integer(int64_t value)
{
	return (struct sql_value){.type = SQL_INTEGER, .integer = value};
}

static inline struct sql_value
sql_real(double value)
{
	return (struct sql_value){.type = SQL_REAL, .real = value};
}

static inline struct sql_value
sql_text(struct slice text)
{
	return (struct sql_value){.type = SQL_TEXT, .bytes = text};
}

static inline struct sql_value
sql_bytes(struct slice bytes)
{
	return (struct sql_value){.type = SQL_BYTES, .bytes = bytes};
}

/*
 * Takes one row: each field as the database prints it (columns of bytes: as they are), data NULL:
 * SQL's NULL.  The fields live until it returns.  false ends the reading.  It may not use the same
 * struct sql.
 */
typedef bool (*sql_row_fn)(void *data, const struct slice *fields, size_t count);

/* 0 when it is no number (NULL, text). */
int64_t sql_field_integer(struct slice field);
double sql_field_real(struct slice field);

/* The file of SQLite that the DSN names; len 0: a server's, a temporary one, or no DSN. */
struct slice sql_dsn_file(struct arena *arena, struct slice dsn);

/*
 * Bytes of mail in a column of text.  PostgreSQL's text is characters, and the reference's driver
 * takes each byte for one of Latin-1: so do these, and nothing is refused but NUL.  MySQL compares
 * texts of its own character set alone: what is not ASCII becomes '?'.  The result has at most max
 * characters, and lives in `out` (2 * max bytes).
 */
struct slice sql_text_of_bytes(enum sql_dialect dialect, struct slice bytes, size_t max, char *out);
/* The way back, in place or with a copy in `out` (text.len bytes). */
struct slice sql_bytes_of_text(enum sql_dialect dialect, struct slice text, char *out);

struct sql;

/*
 * Reads the DSN and loads the driver; connects to nothing.  STATUS_BAD: the DSN names no database
 * or no driver of ours, has a part that nobody knows, or the driver is not installed; the text says
 * what to do.
 */
enum status sql_open(const struct sql_config *config, struct sql **sql_r,
                     struct error *error) WARN_UNUSED;
void sql_close(struct sql **sql);
/* Was it opened with the same? */
bool sql_is_of(const struct sql *sql, const struct sql_config *config);
enum sql_dialect sql_dialect(const struct sql *sql);
/* "PostgreSQL database mail at db.example:5432", for messages. */
const char *sql_name(const struct sql *sql);

/*
 * One statement with its parameters, a `?` in the text for each (not those in quotes; PostgreSQL
 * may need CAST(? AS type)).  fn NULL: rows are dropped; affected_r NULL: not asked.
 *
 * STATUS_IO: the server is not there, or went away (outside of a transaction the statement was
 * tried once more over a new connection); STATUS_AGAIN: it was not there a moment ago and is not
 * asked, or another one holds what is needed (busy, deadlock): later it may work; STATUS_LIMIT: it
 * took longer than statement_ms; STATUS_BAD: the database refuses the statement (a table is
 * missing, no permission...).  After any of these a transaction can only be rolled back.
 */
enum status sql_run(struct sql *sql, const char *text, const struct sql_value *parameters,
                    size_t count, sql_row_fn fn, void *data, uint64_t *affected_r,
                    struct error *error) WARN_UNUSED;
/* What gives no rows, with its parameters (one or more) in the call. */
#define sql_do(sql, text, affected_r, error, ...)                                                  \
	sql_run((sql), (text), (const struct sql_value[]){__VA_ARGS__},                            \
	        sizeof((const struct sql_value[]){__VA_ARGS__}) / sizeof(struct sql_value), NULL,  \
	        NULL, (affected_r), (error))

/* lock_ms: waiting for other writers; 0: as statement_ms.  Servers count in seconds, some of them.
 */
enum status sql_begin(struct sql *sql, int64_t lock_ms, struct error *error) WARN_UNUSED;
/* Not STATUS_OK: nothing was written (or, STATUS_IO, nobody knows). */
enum status sql_commit(struct sql *sql, struct error *error) WARN_UNUSED;
void sql_rollback(struct sql *sql);

#endif
