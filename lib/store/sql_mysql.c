/*
 * sql_mysql.c - MySQL and MariaDB through libmariadb, as a module
 *
 * Statements are prepared on the server once for each connection.  The library looks host names up
 * by itself and waits as long as the resolver does.
 */
#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/sql_driver.h"

enum {
	STATEMENTS_MAX = 24,
	PARAMETERS_MAX = 512,
	FIELD_BYTES = 256,       /* at first; longer ones are asked for again */
	STATEMENT_TIMEOUT = 1969 /* ER_STATEMENT_TIMEOUT of MariaDB */
};

struct statement {
	char *text;
	MYSQL_STMT *handle;
};

struct field {
	char *bytes;
	unsigned long size, len;
	char is_null;
};

struct mysql {
	MYSQL *conn;
	int64_t statement_ms;
	unsigned lock_s; /* as the server was told */
	struct statement statements[STATEMENTS_MAX];
	size_t count, next; /* the next to be replaced */
	struct field fields[SQL_FIELDS_MAX];
	MYSQL_BIND results[SQL_FIELDS_MAX];
	MYSQL_BIND parameters[PARAMETERS_MAX];
};

static enum status
failed(unsigned code, const char *text, struct sql_call *call, struct error *error)
{
	switch (code) {
	case CR_SERVER_GONE_ERROR:
	case CR_SERVER_LOST:
	case CR_CONNECTION_ERROR:
	case CR_CONN_HOST_ERROR:
	case CR_MALFORMED_PACKET:
	case CR_COMMANDS_OUT_OF_SYNC:
	case ER_SERVER_SHUTDOWN:
	case ER_NORMAL_SHUTDOWN:
	case ER_CONNECTION_KILLED:
	case ER_UNKNOWN_STMT_HANDLER: /* a proxy gave us another connection */
		call->is_lost = true;
		return error_set(error, STATUS_IO, "%s", text);
	case ER_LOCK_WAIT_TIMEOUT:
	case ER_LOCK_DEADLOCK:
		return error_set(error, STATUS_AGAIN, "%s", text);
	case ER_QUERY_INTERRUPTED:
	case STATEMENT_TIMEOUT:
		return error_set(error, STATUS_LIMIT, "%s", text);
	case CR_OUT_OF_MEMORY:
		return error_set(error, STATUS_LIMIT, "%s", text);
	default:
		return error_set(error, STATUS_BAD, "%s", text);
	}
}

static enum status
statement_failed(MYSQL_STMT *statement, struct sql_call *call, struct error *error)
{
	return failed(mysql_stmt_errno(statement), mysql_stmt_error(statement), call, error);
}

/* ---- statements ---- */

static void
forget(struct statement *statement)
{
	if (statement->handle != NULL)
		(void)mysql_stmt_close(statement->handle);
	free(statement->text);
	*statement = (struct statement){0};
}

/* The one with this text, from last time or prepared now. */
static enum status
find_statement(struct mysql *m, struct sql_call *call, MYSQL_STMT **handle_r, struct error *error)
{
	struct statement new = {0}, *place;
	enum status status;

	for (size_t i = 0; i < m->count; i++)
		if (strcmp(m->statements[i].text, call->text) == 0) {
			*handle_r = m->statements[i].handle;
			return STATUS_OK;
		}
	new.handle = mysql_stmt_init(m->conn);
	new.text = strdup(call->text);
	if (new.handle == NULL || new.text == NULL) {
		forget(&new);
		return error_set(error, STATUS_LIMIT, "no memory for a statement");
	}
	if (mysql_stmt_prepare(new.handle, new.text, strlen(new.text)) != 0) {
		status = statement_failed(new.handle, call, error);
		forget(&new);
		return status;
	}
	if (m->count < STATEMENTS_MAX) {
		place = &m->statements[m->count++];
	} else {
		place = &m->statements[m->next];
		forget(place);
		m->next = (m->next + 1) % STATEMENTS_MAX;
	}
	*place = new;
	*handle_r = new.handle;
	return STATUS_OK;
}

static void
bind_one(MYSQL_BIND *bind, const struct sql_value *value)
{
	*bind = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_NULL};
	switch (value->type) {
	case SQL_NULL:
		break;
	case SQL_INTEGER:
		bind->buffer_type = MYSQL_TYPE_LONGLONG;
		bind->buffer = (void *)(uintptr_t)&value->integer;
		break;
	case SQL_REAL:
		bind->buffer_type = MYSQL_TYPE_DOUBLE;
		bind->buffer = (void *)(uintptr_t)&value->real;
		break;
	case SQL_TEXT:
	case SQL_BYTES:
		bind->buffer_type = value->type == SQL_TEXT ? MYSQL_TYPE_STRING : MYSQL_TYPE_BLOB;
		bind->buffer = value->bytes.len > 0 ? (void *)(uintptr_t)value->bytes.data
		                                    : (void *)(uintptr_t) "";
		bind->buffer_length = (unsigned long)value->bytes.len;
		break;
	}
}

static enum status
execute(struct mysql *m, MYSQL_STMT *statement, struct sql_call *call, struct error *error)
{
	if (call->count > PARAMETERS_MAX || call->count != mysql_stmt_param_count(statement))
		return error_set(error, STATUS_BAD,
		                 "a statement has %zu parameters where it takes %lu", call->count,
		                 mysql_stmt_param_count(statement));
	for (size_t i = 0; i < call->count; i++)
		bind_one(&m->parameters[i], &call->parameters[i]);
	if ((call->count > 0 && mysql_stmt_bind_param(statement, m->parameters) != 0) ||
	    mysql_stmt_execute(statement) != 0)
		return statement_failed(statement, call, error);
	return STATUS_OK;
}

/* ---- rows ---- */

static bool
make_room(struct field *field, unsigned long size)
{
	char *bytes;

	if (size <= field->size)
		return true;
	bytes = realloc(field->bytes, size);
	if (bytes == NULL)
		return false;
	field->bytes = bytes;
	field->size = size;
	return true;
}

static bool
bind_fields(struct mysql *m, MYSQL_STMT *statement, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct field *field = &m->fields[i];

		if (!make_room(field, FIELD_BYTES))
			return false;
		m->results[i] = (MYSQL_BIND){
			.buffer_type = MYSQL_TYPE_STRING,
			.buffer = field->bytes,
			.buffer_length = field->size,
			.length = &field->len,
			.is_null = &field->is_null,
		};
	}
	return mysql_stmt_bind_result(statement, m->results) == 0;
}

/* Fields that did not fit are fetched again. */
static bool
fetch_long(struct mysql *m, MYSQL_STMT *statement, unsigned count, bool *moved)
{
	for (unsigned i = 0; i < count; i++) {
		struct field *field = &m->fields[i];

		if (field->is_null || field->len <= m->results[i].buffer_length)
			continue;
		if (!make_room(field, field->len))
			return false;
		m->results[i].buffer = field->bytes;
		m->results[i].buffer_length = field->size;
		if (mysql_stmt_fetch_column(statement, &m->results[i], i, 0) != 0)
			return false;
		*moved = true;
	}
	return true;
}

static bool
give_row(struct mysql *m, unsigned count, struct sql_call *call)
{
	struct slice fields[SQL_FIELDS_MAX];

	for (unsigned i = 0; i < count; i++)
		fields[i] = m->fields[i].is_null ? SLICE_NULL
		                                 : slice_of(m->fields[i].bytes, m->fields[i].len);
	call->has_rows = true;
	return call->fn(call->data, fields, count);
}

static enum status
fetch_rows(struct mysql *m, MYSQL_STMT *statement, struct sql_call *call, struct error *error)
{
	unsigned count = mysql_stmt_field_count(statement);
	int rc;

	if (count == 0 || call->fn == NULL)
		return STATUS_OK;
	if (count > SQL_FIELDS_MAX)
		return error_set(error, STATUS_BAD, "rows have more than %d fields",
		                 SQL_FIELDS_MAX);
	if (!bind_fields(m, statement, count))
		return statement_failed(statement, call, error);
	while ((rc = mysql_stmt_fetch(statement)) == 0 || rc == MYSQL_DATA_TRUNCATED) {
		bool moved = false;

		if (rc == MYSQL_DATA_TRUNCATED && !fetch_long(m, statement, count, &moved))
			return error_set(error, STATUS_LIMIT, "no memory for a row");
		if (!give_row(m, count, call))
			return STATUS_OK;
		if (moved && !bind_fields(m, statement, count))
			return statement_failed(statement, call, error);
	}
	return rc == MYSQL_NO_DATA ? STATUS_OK : statement_failed(statement, call, error);
}

static enum status
run(void *connection, struct sql_call *call, struct error *error)
{
	struct mysql *m = connection;
	MYSQL_STMT *statement = NULL;
	enum status status = find_statement(m, call, &statement, error);

	if (status == STATUS_OK)
		status = execute(m, statement, call, error);
	if (status != STATUS_OK)
		return status;
	call->affected = (uint64_t)mysql_stmt_affected_rows(statement);
	status = fetch_rows(m, statement, call, error);
	(void)mysql_stmt_free_result(statement); /* also what was not read */
	return status;
}

static enum status
command(struct mysql *m, const char *text, struct sql_call *call, struct error *error)
{
	if (mysql_real_query(m->conn, text, strlen(text)) == 0)
		return STATUS_OK;
	return failed(mysql_errno(m->conn), mysql_error(m->conn), call, error);
}

static unsigned
whole_seconds(int64_t ms)
{
	return ms <= 1000 ? 1 : (unsigned)((ms + 999) / 1000);
}

static enum status
begin(void *connection, int64_t lock_ms, struct sql_call *call, struct error *error)
{
	struct mysql *m = connection;
	struct sql_call plain = {0};
	enum status status = STATUS_OK;
	char text[80];

	if (m->lock_s != whole_seconds(lock_ms)) {
		m->lock_s = whole_seconds(lock_ms);
		snprintf(text, sizeof(text), "SET SESSION innodb_lock_wait_timeout = %u",
		         m->lock_s);
		status = command(m, text, &plain, error);
	}
	if (status == STATUS_OK)
		status = command(m, "START TRANSACTION", &plain, error);
	call->is_lost = plain.is_lost;
	return status;
}

static enum status
end(void *connection, bool commit, struct sql_call *call, struct error *error)
{
	return command(connection, commit ? "COMMIT" : "ROLLBACK", call, error);
}

/* ---- connecting ---- */

struct ssl {
	const char *key, *cert, *ca, *ca_path, *cipher;
	bool on, verify;
};

static bool
is_yes(const char *value)
{
	return *value != '\0' && strcmp(value, "0") != 0;
}

/* Of DBD::mysql's: what concerns the Perl side alone has no meaning here. */
static bool
is_of_perl(const char *name)
{
	static const char *const names[] = {
		"enable_utf8",       "enable_utf8mb4",    "auto_reconnect",     "use_result",
		"server_prepare",    "emulated_prepare",  "bind_type_guessing", "multi_statements",
		"client_found_rows", "no_autocommit_cmd", "embedded_options",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static enum status
take_option(MYSQL *conn, const struct sql_option *option, struct ssl *ssl, struct error *error)
{
	const struct {
		const char *name;
		const char **text;
		bool *yes;
	} of_ssl[] = {
		{"ssl", NULL, &ssl->on},
		{"ssl_client_key", &ssl->key, NULL},
		{"ssl_client_cert", &ssl->cert, NULL},
		{"ssl_ca_file", &ssl->ca, NULL},
		{"ssl_ca_path", &ssl->ca_path, NULL},
		{"ssl_cipher", &ssl->cipher, NULL},
		{"ssl_verify_server_cert", NULL, &ssl->verify},
	};
	const char *name = option->name, *value = option->value;

	for (size_t i = 0; i < sizeof(of_ssl) / sizeof(of_ssl[0]); i++) {
		if (strcmp(name, of_ssl[i].name) != 0)
			continue;
		if (of_ssl[i].text != NULL)
			*of_ssl[i].text = value;
		else
			*of_ssl[i].yes = is_yes(value);
		return STATUS_OK;
	}
	if (strcmp(name, "read_default_file") == 0)
		(void)mysql_options(conn, MYSQL_READ_DEFAULT_FILE, value);
	else if (strcmp(name, "read_default_group") == 0)
		(void)mysql_options(conn, MYSQL_READ_DEFAULT_GROUP, value);
	else if (strcmp(name, "compression") == 0 && is_yes(value))
		(void)mysql_options(conn, MYSQL_OPT_COMPRESS, NULL);
	else if (strcmp(name, "connect_timeout") == 0 || strcmp(name, "read_timeout") == 0 ||
	         strcmp(name, "write_timeout") == 0 || strcmp(name, "compression") == 0)
		return STATUS_OK; /* times are ours */
	else if (!is_of_perl(name))
		return error_set(error, STATUS_BAD, "the DSN's '%s' is unknown: take it out", name);
	return STATUS_OK;
}

static enum status
set_options(MYSQL *conn, const struct sql_target *target, struct error *error)
{
	unsigned connect_s = whole_seconds(target->connect_ms),
		 statement_s = whole_seconds(target->statement_ms);
	struct ssl ssl = {0};
	char yes = 1;

	(void)mysql_options(conn, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	(void)mysql_options(conn, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
	(void)mysql_options(conn, MYSQL_OPT_READ_TIMEOUT, &statement_s);
	(void)mysql_options(conn, MYSQL_OPT_WRITE_TIMEOUT, &statement_s);
	for (size_t i = 0; i < target->option_count; i++) {
		enum status status = take_option(conn, &target->options[i], &ssl, error);

		if (status != STATUS_OK)
			return status;
	}
	if (ssl.on || ssl.key != NULL || ssl.ca != NULL || ssl.ca_path != NULL) {
		(void)mysql_ssl_set(conn, ssl.key, ssl.cert, ssl.ca, ssl.ca_path, ssl.cipher);
		(void)mysql_options(conn, MYSQL_OPT_SSL_ENFORCE, &yes);
	}
	if (ssl.verify)
		(void)mysql_options(conn, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
	return STATUS_OK;
}

static void
disconnect_mysql(void *connection)
{
	struct mysql *m = connection;

	for (size_t i = 0; i < m->count; i++)
		forget(&m->statements[i]);
	for (size_t i = 0; i < SQL_FIELDS_MAX; i++)
		free(m->fields[i].bytes);
	if (m->conn != NULL)
		mysql_close(m->conn);
	free(m);
}

static enum status
connect_with(MYSQL *conn, const struct sql_target *target, struct error *error)
{
	unsigned port = target->port == NULL ? 0 : (unsigned)strtoul(target->port, NULL, 10);
	enum status status = set_options(conn, target, error);

	if (status != STATUS_OK)
		return status;
	if (mysql_real_connect(conn, target->host, target->user, target->password, target->database,
	                       port, target->socket, 0) == NULL)
		return error_set(error, STATUS_IO, "%s", mysql_error(conn));
	return STATUS_OK;
}

static enum status
connect_mysql(const struct sql_target *target, void **connection_r, struct error *error)
{
	struct mysql *m = calloc(1, sizeof(*m));
	enum status status;

	if (m == NULL || (m->conn = mysql_init(NULL)) == NULL) {
		free(m);
		return error_set(error, STATUS_LIMIT, "no memory for a connection");
	}
	m->statement_ms = target->statement_ms;
	status = connect_with(m->conn, target, error);
	if (status == STATUS_OK)
		*connection_r = m;
	else
		disconnect_mysql(m);
	return status;
}

extern const struct sql_driver sql_driver_table;

const struct sql_driver sql_driver_table = {
	.version = SQL_DRIVER_VERSION,
	.connect = connect_mysql,
	.disconnect = disconnect_mysql,
	.run = run,
	.begin = begin,
	.end = end,
};
