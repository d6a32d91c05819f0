/*
 * sql_sqlite.c - SQLite, as a module
 *
 * The file has to be there: who has no tables yet makes both with the sqlite3 command.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/sql_driver.h"
#include "util/clock.h"

enum {
	STATEMENTS_MAX = 24,
	PROGRESS_STEPS = 10000,
	REAL_BYTES = 32,
	/* For others who have the file locked; writers of one statement stand in line. */
	READ_WAIT_MS = 200,
	WRITE_WAIT_MS = 1000
};

struct statement {
	char *text;
	sqlite3_stmt *handle;
};

struct sqlite {
	sqlite3 *db;
	int64_t statement_ms, deadline;
	struct statement statements[STATEMENTS_MAX];
	size_t count, next; /* the next to be replaced */
};

static enum status
failed(struct sqlite *s, struct sql_call *call, struct error *error)
{
	switch (sqlite3_errcode(s->db)) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return error_set(error, STATUS_AGAIN, "%s", sqlite3_errmsg(s->db));
	case SQLITE_INTERRUPT:
		return error_set(error, STATUS_LIMIT, "no answer within %lld ms",
		                 (long long)s->statement_ms);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return error_set(error, STATUS_BAD,
		                 "%s: repair it with sqlite3's .recover, or make it anew",
		                 sqlite3_errmsg(s->db));
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY: /* also when the file was replaced under us */
		call->is_lost = true;
		return error_set(error, STATUS_IO, "%s", sqlite3_errmsg(s->db));
	case SQLITE_FULL:
		return error_set(error, STATUS_IO, "%s: nothing was written",
		                 sqlite3_errmsg(s->db));
	case SQLITE_NOMEM:
		return error_set(error, STATUS_LIMIT, "%s", sqlite3_errmsg(s->db));
	default:
		return error_set(error, STATUS_BAD, "%s", sqlite3_errmsg(s->db));
	}
}

/* ---- statements ---- */

static void
forget(struct statement *statement)
{
	(void)sqlite3_finalize(statement->handle);
	free(statement->text);
	*statement = (struct statement){0};
}

/* The one with this text, from last time or prepared now. */
static sqlite3_stmt *
find_statement(struct sqlite *s, const char *text)
{
	struct statement new = {0}, *place;

	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->statements[i].text, text) == 0)
			return s->statements[i].handle;
	if (sqlite3_prepare_v3(s->db, text, -1, SQLITE_PREPARE_PERSISTENT, &new.handle, NULL) !=
	            SQLITE_OK ||
	    (new.text = strdup(text)) == NULL) {
		forget(&new);
		return NULL;
	}
	if (s->count < STATEMENTS_MAX) {
		place = &s->statements[s->count++];
	} else {
		place = &s->statements[s->next];
		forget(place);
		s->next = (s->next + 1) % STATEMENTS_MAX;
	}
	*place = new;
	return new.handle;
}

static int
bind_one(sqlite3_stmt *statement, int at, const struct sql_value *value)
{
	const char *bytes = value->bytes.len > 0 ? (const char *)value->bytes.data : "";

	switch (value->type) {
	case SQL_INTEGER:
		return sqlite3_bind_int64(statement, at, value->integer);
	case SQL_REAL:
		return sqlite3_bind_double(statement, at, value->real);
	case SQL_TEXT:
		return sqlite3_bind_text64(statement, at, bytes, value->bytes.len, SQLITE_STATIC,
		                           SQLITE_UTF8);
	case SQL_BYTES:
		return sqlite3_bind_blob64(statement, at, bytes, value->bytes.len, SQLITE_STATIC);
	case SQL_NULL:
		break;
	}
	return sqlite3_bind_null(statement, at);
}

/* As short as gives the same number again; SQLite's own text has 15 digits. */
static struct slice
real_text(double value, char *text)
{
	int len = snprintf(text, REAL_BYTES, "%.15g", value);

	if (strtod(text, NULL) != value)
		len = snprintf(text, REAL_BYTES, "%.17g", value);
	return slice_of(text, (size_t)len);
}

static bool
give_row(sqlite3_stmt *statement, struct sql_call *call)
{
	struct slice fields[SQL_FIELDS_MAX] = {SLICE_NULL};
	char reals[SQL_FIELDS_MAX][REAL_BYTES];
	int count = sqlite3_data_count(statement);

	if (count > SQL_FIELDS_MAX)
		count = SQL_FIELDS_MAX;
	for (int i = 0; i < count; i++) {
		const void *bytes;

		if (sqlite3_column_type(statement, i) == SQLITE_NULL)
			continue;
		if (sqlite3_column_type(statement, i) == SQLITE_FLOAT) {
			fields[i] = real_text(sqlite3_column_double(statement, i), reals[i]);
			continue;
		}
		bytes = sqlite3_column_type(statement, i) == SQLITE_BLOB
		                ? sqlite3_column_blob(statement, i)
		                : (const void *)sqlite3_column_text(statement, i);
		fields[i] = slice_of(bytes != NULL ? bytes : "",
		                     (size_t)sqlite3_column_bytes(statement, i));
	}
	call->has_rows = true;
	return call->fn == NULL || call->fn(call->data, fields, (size_t)count);
}

static enum status
run(void *connection, struct sql_call *call, struct error *error)
{
	struct sqlite *s = connection;
	sqlite3_stmt *statement;
	enum status status = STATUS_OK;
	int rc = SQLITE_OK;

	s->deadline = clock_monotonic_ms() + s->statement_ms;
	statement = find_statement(s, call->text);
	if (statement == NULL)
		return failed(s, call, error);
	(void)sqlite3_busy_timeout(s->db,
	                           sqlite3_stmt_readonly(statement) ? READ_WAIT_MS : WRITE_WAIT_MS);
	for (size_t i = 0; rc == SQLITE_OK && i < call->count; i++)
		rc = bind_one(statement, (int)i + 1, &call->parameters[i]);
	if (rc == SQLITE_OK)
		while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
			if (!give_row(statement, call))
				break;
			s->deadline = clock_monotonic_ms() + s->statement_ms;
		}
	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		call->affected = (uint64_t)sqlite3_changes(s->db);
	else
		status = failed(s, call, error);
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	return status;
}

static enum status
command(struct sqlite *s, const char *text, struct sql_call *call, struct error *error)
{
	s->deadline = clock_monotonic_ms() + s->statement_ms;
	if (sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK)
		return STATUS_OK;
	return failed(s, call, error);
}

static enum status
begin(void *connection, int64_t lock_ms, struct sql_call *call, struct error *error)
{
	struct sqlite *s = connection;

	(void)sqlite3_busy_timeout(s->db, (int)lock_ms);
	return command(s, "BEGIN IMMEDIATE", call, error);
}

static enum status
end(void *connection, bool commit, struct sql_call *call, struct error *error)
{
	struct sqlite *s = connection;
	enum status status = STATUS_OK;

	(void)sqlite3_busy_timeout(s->db, (int)s->statement_ms); /* readers have to be done */
	if (commit)
		status = command(s, "COMMIT", call, error);
	/* Also after a COMMIT that was refused; some errors have rolled back by themselves. */
	if (!sqlite3_get_autocommit(s->db))
		(void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

/* ---- connecting ---- */

static int
on_progress(void *data)
{
	const struct sqlite *s = data;

	return clock_monotonic_ms() > s->deadline;
}

/* As the reference's Bayes store: what else the DSN has are pragmas. */
static bool
is_pragma(const struct sql_option *option)
{
	static const char *const names[] = {"synchronous", "journal_mode", "cache_size",
	                                    "mmap_size",   "temp_store",   "wal_autocheckpoint"};

	if (*option->value == '\0' ||
	    strspn(option->value,
	           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789") !=
	            strlen(option->value))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(option->name, names[i]) == 0)
			return true;
	return false;
}

static void
set_pragmas(struct sqlite *s, const struct sql_target *target)
{
	char text[128];

	for (size_t i = 0; i < target->option_count; i++) {
		if (!is_pragma(&target->options[i]))
			continue;
		snprintf(text, sizeof(text), "PRAGMA %s = %s", target->options[i].name,
		         target->options[i].value);
		(void)sqlite3_exec(s->db, text, NULL, NULL, NULL);
	}
}

static void
disconnect_sqlite(void *connection)
{
	struct sqlite *s = connection;

	for (size_t i = 0; i < s->count; i++)
		forget(&s->statements[i]);
	(void)sqlite3_close(s->db);
	free(s);
}

static enum status
connect_sqlite(const struct sql_target *target, void **connection_r, struct error *error)
{
	int flags = SQLITE_OPEN_NOMUTEX |
	            (target->is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	const char *path = target->database;
	struct sqlite *s;

	for (size_t i = 0; i < target->option_count; i++) {
		if (strcmp(target->options[i].name, "uri") == 0) {
			path = target->options[i].value;
			flags |= SQLITE_OPEN_URI;
		} else if (!is_pragma(&target->options[i])) {
			return error_set(error, STATUS_BAD,
			                 "the DSN's '%s=%s' is unknown: take it out",
			                 target->options[i].name, target->options[i].value);
		}
	}
	if (path == NULL || *path == '\0')
		return error_set(error, STATUS_BAD, "the DSN names no file: dbname=PATH");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for a connection");
	s->statement_ms = target->statement_ms;
	if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
		(void)error_set(error, STATUS_IO, "%s%s",
		                s->db != NULL ? sqlite3_errmsg(s->db) : "no memory",
		                access(path, F_OK) != 0 ? ": there is no such file" : "");
		disconnect_sqlite(s);
		return STATUS_IO;
	}
	(void)sqlite3_busy_timeout(s->db, READ_WAIT_MS);
	sqlite3_progress_handler(s->db, PROGRESS_STEPS, on_progress, s);
	s->deadline = clock_monotonic_ms() + s->statement_ms;
	set_pragmas(s, target);
	*connection_r = s;
	return STATUS_OK;
}

extern const struct sql_driver sql_driver_table;

const struct sql_driver sql_driver_table = {
	.version = SQL_DRIVER_VERSION,
	.connect = connect_sqlite,
	.disconnect = disconnect_sqlite,
	.run = run,
	.begin = begin,
	.end = end,
};
