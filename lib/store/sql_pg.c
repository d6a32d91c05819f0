/*
 * sql_pg.c - PostgreSQL through libpq, as a module
 *
 * Statements go with their parameters in one round trip and leave nothing prepared behind, so that
 * a pooler between us and the server may hand each transaction to another of its connections.
 * libpq looks host names up by itself and waits as long as the resolver does.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sql_driver.h"
#include "util/clock.h"

enum {
	OID_BYTEA = 17, /* catalog/pg_type.dat: never another */
	PARAMETERS_MAX = 64,
	NUMBER_BYTES = 32,
	TEXT_BYTES = 2048
};

struct pg {
	PGconn *conn;
	int64_t statement_ms;
};

PRINTF_LIKE(3, 4)
static enum status
fail(struct error *error, enum status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	for (char *p = error->text; *p != '\0'; p++)
		if (*p == '\n' || *p == '\r' || *p == '\t')
			*p = ' ';
	for (size_t len = strlen(error->text); len > 0 && error->text[len - 1] == ' ';)
		error->text[--len] = '\0';
	return status;
}

/* false: nothing came in time. */
static bool
wait_for(PGconn *conn, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd fd = {.fd = PQsocket(conn), .events = events};
		int64_t left = deadline - clock_monotonic_ms();
		int n;

		if (left <= 0)
			return false;
		n = poll(&fd, 1, (int)(left > 1000000 ? 1000000 : left));
		if (n > 0 || (n < 0 && errno != EINTR))
			return true;
	}
}

/* ---- connecting ---- */

static void
silence(void *data, const PGresult *result)
{
	(void)data, (void)result;
}

static PGconn *
begin_connect(const struct sql_target *target)
{
	const char *names[SQL_OPTIONS_MAX + 8], *values[SQL_OPTIONS_MAX + 8];
	const struct sql_option basics[] = {
		{"fallback_application_name", "winnow"},
		{"dbname", target->database},
		{"host", target->host},
		{"port", target->port},
		{"user", target->user},
		{"password", target->password},
	};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(basics) / sizeof(basics[0]); i++)
		if (basics[i].value != NULL) {
			names[n] = basics[i].name;
			values[n++] = basics[i].value;
		}
	for (size_t i = 0; i < target->option_count; i++) {
		names[n] = target->options[i].name;
		values[n++] = target->options[i].value;
	}
	names[n] = values[n] = NULL;
	return PQconnectStartParams(names, values, 0);
}

static enum status
finish_connect(PGconn *conn, int64_t connect_ms, struct error *error)
{
	int64_t deadline = clock_monotonic_ms() + connect_ms;
	PostgresPollingStatusType polling = PGRES_POLLING_WRITING;

	if (PQstatus(conn) == CONNECTION_BAD)
		return fail(error, STATUS_IO, "%s", PQerrorMessage(conn));
	while (polling != PGRES_POLLING_OK) {
		short events = polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;

		if (!wait_for(conn, events, deadline))
			return fail(error, STATUS_IO, "no connection within %lld ms",
			            (long long)connect_ms);
		polling = PQconnectPoll(conn);
		if (polling == PGRES_POLLING_FAILED)
			return fail(error, STATUS_IO, "%s", PQerrorMessage(conn));
	}
	return STATUS_OK;
}

/* ---- results ---- */

/* What SQLSTATE says about trying again (PostgreSQL's Appendix A). */
static enum status
failed(struct pg *pg, const PGresult *result, struct sql_call *call, struct error *error)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (state == NULL || PQstatus(pg->conn) == CONNECTION_BAD || strncmp(state, "08", 2) == 0 ||
	    strncmp(state, "57P", 3) == 0) {
		call->is_lost = true;
		return fail(error, STATUS_IO, "%s", text != NULL ? text : PQerrorMessage(pg->conn));
	}
	if (strncmp(state, "40", 2) == 0 || strcmp(state, "55P03") == 0)
		return fail(error, STATUS_AGAIN, "%s", text);
	if (strcmp(state, "57014") == 0)
		return fail(error, STATUS_LIMIT, "%s", text);
	return fail(error, STATUS_BAD, "%s", text);
}

static enum status
timed_out(struct pg *pg, struct sql_call *call, struct error *error)
{
	call->is_lost = true;
	return fail(error, STATUS_LIMIT, "no answer within %lld ms", (long long)pg->statement_ms);
}

/* A column of bytes comes as \x hexadecimal digits; in place. */
static bool
decode_bytes(struct slice *field, unsigned char **memory_r)
{
	size_t len;

	*memory_r = PQunescapeBytea(field->data, &len);
	if (*memory_r == NULL)
		return false;
	*field = slice_of(*memory_r, len);
	return true;
}

static bool
give_row(const PGresult *result, int row, struct sql_call *call)
{
	struct slice fields[SQL_FIELDS_MAX] = {SLICE_NULL};
	unsigned char *memory[SQL_FIELDS_MAX] = {NULL};
	int count = PQnfields(result);
	bool goes_on = true;

	if (count > SQL_FIELDS_MAX)
		count = SQL_FIELDS_MAX;
	for (int i = 0; i < count; i++) {
		if (PQgetisnull(result, row, i))
			continue;
		fields[i] =
			slice_of(PQgetvalue(result, row, i), (size_t)PQgetlength(result, row, i));
		if (PQftype(result, i) == OID_BYTEA && !decode_bytes(&fields[i], &memory[i]))
			fields[i] = SLICE_NULL;
	}
	call->has_rows = true;
	if (call->fn != NULL)
		goes_on = call->fn(call->data, fields, (size_t)count);
	for (int i = 0; i < count; i++)
		PQfreemem(memory[i]);
	return goes_on;
}

static void
take_result(const PGresult *result, struct sql_call *call, bool *wants_rows)
{
	for (int row = 0; *wants_rows && row < PQntuples(result); row++)
		*wants_rows = give_row(result, row, call);
	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		call->affected = strtoull(PQcmdTuples((PGresult *)(uintptr_t)result), NULL, 10);
}

/* The next result; STATUS_NONE: that was all. */
static enum status
next_result(struct pg *pg, PGresult **result_r, struct sql_call *call, struct error *error)
{
	int64_t deadline = clock_monotonic_ms() + pg->statement_ms;

	for (;;) {
		int unsent = PQflush(pg->conn);

		if (unsent == 0 && !PQisBusy(pg->conn))
			break;
		if (!wait_for(pg->conn, unsent > 0 ? POLLIN | POLLOUT : POLLIN, deadline))
			return timed_out(pg, call, error);
		if (unsent < 0 || !PQconsumeInput(pg->conn)) {
			call->is_lost = true;
			return fail(error, STATUS_IO, "%s", PQerrorMessage(pg->conn));
		}
	}
	*result_r = PQgetResult(pg->conn);
	return *result_r == NULL ? STATUS_NONE : STATUS_OK;
}

/* All results of what was sent. */
static enum status
take_results(struct pg *pg, struct sql_call *call, struct error *error)
{
	enum status first = STATUS_OK, status;
	bool wants_rows = call->fn != NULL;
	PGresult *result = NULL;

	while ((status = next_result(pg, &result, call, error)) == STATUS_OK) {
		ExecStatusType kind = PQresultStatus(result);

		if (kind == PGRES_SINGLE_TUPLE || kind == PGRES_TUPLES_OK ||
		    kind == PGRES_COMMAND_OK)
			take_result(result, call, &wants_rows);
		else if (first == STATUS_OK)
			first = failed(pg, result, call, error);
		PQclear(result);
	}
	return status == STATUS_NONE ? first : status;
}

/* ---- statements ---- */

/* `?` to $1, $2... */
static bool
number_parameters(const char *text, char *out, size_t size)
{
	unsigned number = 0;
	size_t len = 0;
	char quote = '\0';

	for (const char *p = text; *p != '\0'; p++) {
		if (len + 12 > size)
			return false;
		if (quote != '\0' ? *p == quote : *p == '\'' || *p == '"')
			quote = quote != '\0' ? '\0' : *p;
		if (*p == '?' && quote == '\0')
			len += (size_t)snprintf(out + len, size - len, "$%u", ++number);
		else
			out[len++] = *p;
	}
	out[len] = '\0';
	return true;
}

struct bound {
	Oid types[PARAMETERS_MAX];
	const char *values[PARAMETERS_MAX];
	int lengths[PARAMETERS_MAX], formats[PARAMETERS_MAX];
	char numbers[PARAMETERS_MAX][NUMBER_BYTES];
	char *texts[PARAMETERS_MAX]; /* to be freed */
};

static bool
bind_one(struct bound *b, size_t i, const struct sql_value *value)
{
	switch (value->type) {
	case SQL_NULL:
		break;
	case SQL_INTEGER:
		snprintf(b->numbers[i], NUMBER_BYTES, "%lld", (long long)value->integer);
		b->values[i] = b->numbers[i];
		break;
	case SQL_REAL:
		snprintf(b->numbers[i], NUMBER_BYTES, "%.17g", value->real);
		b->values[i] = b->numbers[i];
		break;
	case SQL_TEXT: /* ends at a NUL, which PostgreSQL's text cannot have */
		b->texts[i] = strndup(value->bytes.len > 0 ? (const char *)value->bytes.data : "",
		                      value->bytes.len);
		b->values[i] = b->texts[i];
		return b->texts[i] != NULL;
	case SQL_BYTES:
		b->types[i] = OID_BYTEA;
		b->formats[i] = 1;
		b->lengths[i] = (int)value->bytes.len;
		b->values[i] = value->bytes.len > 0 ? (const char *)value->bytes.data : "";
		break;
	}
	return true;
}

static enum status
send_statement(struct pg *pg, const char *text, const struct sql_call *call, struct error *error)
{
	struct bound *bound = calloc(1, sizeof(*bound));
	bool good = bound != NULL;
	int sent = 0;

	for (size_t i = 0; good && i < call->count; i++)
		good = bind_one(bound, i, &call->parameters[i]);
	if (good)
		sent = PQsendQueryParams(pg->conn, text, (int)call->count, bound->types,
		                         bound->values, bound->lengths, bound->formats, 0);
	for (size_t i = 0; bound != NULL && i < call->count; i++)
		free(bound->texts[i]);
	free(bound);
	if (!good)
		return fail(error, STATUS_LIMIT, "no memory for a statement");
	return sent ? STATUS_OK : fail(error, STATUS_IO, "%s", PQerrorMessage(pg->conn));
}

static enum status
run(void *connection, struct sql_call *call, struct error *error)
{
	struct pg *pg = connection;
	char text[TEXT_BYTES];
	enum status status;

	if (call->count > PARAMETERS_MAX || !number_parameters(call->text, text, sizeof(text)))
		return fail(error, STATUS_BAD, "a statement is too long");
	status = send_statement(pg, text, call, error);
	if (status == STATUS_IO)
		call->is_lost = true;
	if (status != STATUS_OK)
		return status;
	if (call->fn != NULL)
		(void)PQsetSingleRowMode(pg->conn);
	return take_results(pg, call, error);
}

/* Statements of ours without parameters, several at once. */
static enum status
command(struct pg *pg, const char *text, struct sql_call *call, struct error *error)
{
	if (!PQsendQuery(pg->conn, text)) {
		call->is_lost = true;
		return fail(error, STATUS_IO, "%s", PQerrorMessage(pg->conn));
	}
	return take_results(pg, call, error);
}

static enum status
begin(void *connection, int64_t lock_ms, struct sql_call *call, struct error *error)
{
	struct sql_call plain = {0};
	char text[80];
	enum status status;

	snprintf(text, sizeof(text), "BEGIN; SET LOCAL lock_timeout = %lld", (long long)lock_ms);
	status = command(connection, text, &plain, error);
	call->is_lost = plain.is_lost;
	return status;
}

static enum status
end(void *connection, bool commit, struct sql_call *call, struct error *error)
{
	return command(connection, commit ? "COMMIT" : "ROLLBACK", call, error);
}

static void
disconnect_pg(void *connection)
{
	struct pg *pg = connection;

	PQfinish(pg->conn);
	free(pg);
}

static enum status
connect_pg(const struct sql_target *target, void **connection_r, struct error *error)
{
	struct pg *pg = calloc(1, sizeof(*pg));
	struct sql_call call = {0};
	enum status status;
	char text[100];

	if (pg == NULL || (pg->conn = begin_connect(target)) == NULL) {
		free(pg);
		return fail(error, STATUS_LIMIT, "no memory for a connection");
	}
	pg->statement_ms = target->statement_ms;
	(void)PQsetNoticeReceiver(pg->conn, silence, NULL);
	status = finish_connect(pg->conn, target->connect_ms, error);
	if (status == STATUS_OK) {
		(void)PQsetnonblocking(pg->conn, 1);
		/* The last half second may be lost when the server's host loses power, as in the
		 * reference. */
		snprintf(text, sizeof(text),
		         "SET statement_timeout = %lld; SET synchronous_commit = off",
		         (long long)target->statement_ms);
		status = command(pg, text, &call, error);
	}
	if (status != STATUS_OK) {
		disconnect_pg(pg);
		return STATUS_IO;
	}
	*connection_r = pg;
	return STATUS_OK;
}

extern const struct sql_driver sql_driver_table;

const struct sql_driver sql_driver_table = {
	.version = SQL_DRIVER_VERSION,
	.connect = connect_pg,
	.disconnect = disconnect_pg,
	.run = run,
	.begin = begin,
	.end = end,
};
