/*
 * sql.c - one connection to a database: when it is made, lost, and made again
 *
 *	CLOSED --connect--> OPEN --begin--> IN TRANSACTION --end--> OPEN
 *	any --lost--> CLOSED; in a transaction: FAILED, until its end
 *	CLOSED --connect fails, or a statement got no answer in time--> asleep for SQL_RETRY_MS
 */
#include "store/sql.h"

#include <stdlib.h>

#include "dns/name.h"
#include "store/sql_dsn.h"
#include "util/clock.h"
#include "util/module.h"

struct sql {
	struct arena *arena;
	struct sql_config config; /* in the arena */
	struct sql_target target;
	const struct sql_driver *driver;
	void *connection;     /* NULL: none */
	bool in_transaction;  /* the caller's view */
	bool is_failed;       /* the transaction can only be rolled back */
	int64_t asleep_until; /* monotonic ms; 0: awake */
	struct error failure; /* why it is asleep */
};

/* clang-format off */
static const char *const modules[] = {
	[SQL_POSTGRESQL] = "sql-pg.so",
	[SQL_MYSQL]      = "sql-mysql.so",
	[SQL_SQLITE]     = "sql-sqlite.so",
};
/* clang-format on */

static enum status
open_sql(struct sql *sql, const struct sql_config *config, struct error *error)
{
	struct error why;
	enum status status = sql_dsn_parse(sql->arena, config, &sql->target, &why);

	sql->config = *config;
	sql->config.dsn = arena_dup(sql->arena, config->dsn);
	sql->config.user = arena_dup(sql->arena, config->user);
	sql->config.password = arena_dup(sql->arena, config->password);
	if (status != STATUS_OK)
		return error_set(error, status, "DSN: %s", why.text);
	sql->target.connect_ms = config->connect_ms > 0 ? config->connect_ms : SQL_CONNECT_MS;
	sql->target.statement_ms =
		config->statement_ms > 0 ? config->statement_ms : SQL_STATEMENT_MS;
	sql->target.is_read_only = config->is_read_only;
	sql->driver = module_load(modules[sql->target.dialect], "sql_driver_table",
	                          SQL_DRIVER_VERSION, &why);
	if (sql->driver == NULL)
		return error_set(error, STATUS_BAD, "%s: %s; install it, or use another DSN",
		                 sql->target.name, why.text);
	return STATUS_OK;
}

enum status
sql_open(const struct sql_config *config, struct sql **sql_r, struct error *error)
{
	struct sql *sql = calloc(1, sizeof(*sql));
	enum status status;

	*sql_r = NULL;
	if (sql == NULL || (sql->arena = arena_create(0)) == NULL) {
		free(sql);
		return error_set(error, STATUS_LIMIT, "no memory for a database");
	}
	status = open_sql(sql, config, error);
	if (status != STATUS_OK)
		sql_close(&sql);
	*sql_r = sql;
	return status;
}

static void
disconnect(struct sql *sql)
{
	if (sql->connection != NULL)
		sql->driver->disconnect(sql->connection);
	sql->connection = NULL;
}

void
sql_close(struct sql **sql)
{
	if (*sql == NULL)
		return;
	disconnect(*sql);
	arena_destroy(&(*sql)->arena);
	free(*sql);
	*sql = NULL;
}

bool
sql_is_of(const struct sql *sql, const struct sql_config *config)
{
	const struct sql_config *c = &sql->config;

	return slice_eq(c->dsn, config->dsn) && slice_eq(c->user, config->user) &&
	       slice_eq(c->password, config->password) && c->connect_ms == config->connect_ms &&
	       c->statement_ms == config->statement_ms;
}

enum sql_dialect
sql_dialect(const struct sql *sql)
{
	return sql->target.dialect;
}

const char *
sql_name(const struct sql *sql)
{
	return sql->target.name;
}

static void
sleep_now(struct sql *sql, const struct error *why)
{
	sql->asleep_until = clock_monotonic_ms() + SQL_RETRY_MS;
	sql->failure = *why;
}

static enum status
connect_now(struct sql *sql, struct error *error)
{
	struct error why = {""}, whole;
	enum status status;

	if (sql->connection != NULL)
		return STATUS_OK;
	if (sql->asleep_until != 0 && clock_monotonic_ms() < sql->asleep_until)
		return error_set(error, STATUS_AGAIN, "%s", sql->failure.text);
	sql->asleep_until = 0;
	if (dns_name_is_answered(sql->target.host, sql->target.connect_ms))
		status = sql->driver->connect(&sql->target, &sql->connection, &why);
	else
		status = error_set(&why, STATUS_IO, "no name server answers in time");
	if (status == STATUS_OK)
		return STATUS_OK;
	sql->connection = NULL;
	(void)error_set(&whole, status, "%s: %s", sql->target.name, why.text);
	sleep_now(sql, &whole);
	return error_set(error, status, "%s", whole.text);
}

typedef enum status (*driver_fn)(struct sql *sql, struct sql_call *call, struct error *why);

static enum status
call_run(struct sql *sql, struct sql_call *call, struct error *why)
{
	return sql->driver->run(sql->connection, call, why);
}

/* Calls the driver, over a new connection when the old one turns out to be gone and nothing that
 * depends on it was done. */
static enum status
call_driver(struct sql *sql, driver_fn fn, struct sql_call *call, struct error *error)
{
	bool may_repeat = sql->connection != NULL && !sql->in_transaction;
	struct error why = {""};
	enum status status;

	for (;;) {
		int64_t began_ms = clock_monotonic_ms();
		bool was_slow;

		status = connect_now(sql, error);
		if (status != STATUS_OK)
			return status;
		call->is_lost = false;
		status = fn(sql, call, &why);
		if (status == STATUS_OK)
			return STATUS_OK;
		(void)error_set(error, status, "%s: %s", sql->target.name, why.text);
		if (!call->is_lost)
			return status;
		disconnect(sql);
		was_slow = clock_monotonic_ms() - began_ms >= sql->target.statement_ms;
		if (was_slow || !may_repeat || call->has_rows) {
			if (was_slow)
				sleep_now(sql, error);
			return status;
		}
		may_repeat = false;
	}
}

enum status
sql_run(struct sql *sql, const char *text, const struct sql_value *parameters, size_t count,
        sql_row_fn fn, void *data, uint64_t *affected_r, struct error *error)
{
	struct sql_call call = {
		.text = text, .parameters = parameters, .count = count, .fn = fn, .data = data};
	enum status status;

	if (sql->is_failed)
		return error_set(error, STATUS_IO, "%s: the transaction has failed before",
		                 sql->target.name);
	status = call_driver(sql, call_run, &call, error);
	if (status != STATUS_OK && sql->in_transaction)
		sql->is_failed = true;
	if (status == STATUS_OK && affected_r != NULL)
		*affected_r = call.affected;
	return status;
}

/* call->data: how long to wait for locks. */
static enum status
call_begin(struct sql *sql, struct sql_call *call, struct error *why)
{
	return sql->driver->begin(sql->connection, *(const int64_t *)call->data, call, why);
}

enum status
sql_begin(struct sql *sql, int64_t lock_ms, struct error *error)
{
	int64_t wait_ms = lock_ms > 0 ? lock_ms : sql->target.statement_ms;
	struct sql_call call = {.data = &wait_ms};
	enum status status;

	sql_rollback(sql);
	status = call_driver(sql, call_begin, &call, error);
	sql->in_transaction = status == STATUS_OK;
	return status;
}

static enum status
end_transaction(struct sql *sql, bool commit, struct error *error)
{
	struct sql_call call = {0};
	struct error why = {""};
	enum status status = STATUS_OK;

	if (sql->connection != NULL)
		status = sql->driver->end(sql->connection, commit && !sql->is_failed, &call, &why);
	if (call.is_lost)
		disconnect(sql);
	if (status != STATUS_OK)
		(void)error_set(error, status, "%s: %s", sql->target.name, why.text);
	else if (commit && (sql->is_failed || sql->connection == NULL))
		status = error_set(error, STATUS_IO, "%s: the transaction has failed before",
		                   sql->target.name);
	sql->in_transaction = sql->is_failed = false;
	return status;
}

enum status
sql_commit(struct sql *sql, struct error *error)
{
	return end_transaction(sql, true, error);
}

void
sql_rollback(struct sql *sql)
{
	struct error error;

	if (sql->in_transaction)
		(void)!end_transaction(sql, false, &error);
}

int64_t
sql_field_integer(struct slice field)
{
	char text[32];

	if (field.data == NULL || field.len >= sizeof(text))
		return 0;
	memcpy(text, field.data, field.len);
	text[field.len] = '\0';
	return strtoll(text, NULL, 10);
}

double
sql_field_real(struct slice field)
{
	char text[400]; /* the longest a double is printed as, without an exponent */

	if (field.data == NULL || field.len >= sizeof(text))
		return 0;
	memcpy(text, field.data, field.len);
	text[field.len] = '\0';
	return strtod(text, NULL);
}

struct slice
sql_text_of_bytes(enum sql_dialect dialect, struct slice bytes, size_t max, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < bytes.len && i < max; i++) {
		unsigned char c = bytes.data[i];

		if (c == '\0' || (c >= 0x80 && dialect == SQL_MYSQL))
			c = '?';
		if (c >= 0x80 && dialect == SQL_POSTGRESQL) {
			out[len++] = (char)(0xc0 | c >> 6);
			c = (unsigned char)(0x80 | (c & 0x3f));
		}
		out[len++] = (char)c;
	}
	return slice_of(out, len);
}

struct slice
sql_bytes_of_text(enum sql_dialect dialect, struct slice text, char *out)
{
	size_t len = 0;

	if (dialect != SQL_POSTGRESQL)
		return text;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if ((c == 0xc2 || c == 0xc3) && i + 1 < text.len)
			c = (unsigned char)(c << 6 | (text.data[++i] & 0x3f));
		out[len++] = (char)c;
	}
	return slice_of(out, len);
}
