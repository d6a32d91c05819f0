/*
 * sql_dsn.c - DBI's data source names
 */
#include "store/sql_dsn.h"

#include "util/strbuf.h"

/* DBI:Driver:rest, also DBI:Driver(attributes):rest. */
struct dialect {
	const char *driver; /* as DBI spells it; we take any case */
	const char *title;
	enum sql_dialect dialect;
	enum status (*parse)(struct arena *arena, struct slice rest, struct sql_target *target,
	                     struct error *error);
};

static const char *
cstr(struct arena *arena, struct slice text)
{
	return arena_cstr(arena, text);
}

static enum status
bad_nul(struct error *error)
{
	return error_set(error, STATUS_BAD, "the DSN has a NUL in it");
}

/* Addresses of IPv6 may stand in brackets. */
static struct slice
without_brackets(struct slice host)
{
	if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']')
		return slice_sub(host, 1, host.len - 2);
	return host;
}

static enum status
set_option(struct arena *arena, struct sql_target *target, struct slice name, struct slice value,
           struct error *error)
{
	/* clang-format off */
	const struct {
		const char *name;
		const char **field;
	} fields[] = {
		{ "dbname",   &target->database },
		{ "database", &target->database },
		{ "db",       &target->database },
		{ "host",     &target->host     },
		{ "hostname", &target->host     },
		{ "port",     &target->port     },
		{ "socket",   &target->socket   },
		{ "user",     &target->user     },
		{ "password", &target->password },
	};
	/* clang-format on */
	bool is_host = slice_eq(name, SLICE("host")) || slice_eq(name, SLICE("hostname"));
	const char *text = cstr(arena, is_host ? without_brackets(value) : value);

	if (text == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the DSN");
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (slice_eq(name, slice_from_cstr(fields[i].name))) {
			*fields[i].field = text;
			return STATUS_OK;
		}
	if (target->option_count == SQL_OPTIONS_MAX)
		return error_set(error, STATUS_BAD, "the DSN has more than %d options",
		                 SQL_OPTIONS_MAX);
	target->options[target->option_count++] =
		(struct sql_option){.name = cstr(arena, name), .value = text};
	return STATUS_OK;
}

/* ---- PostgreSQL: libpq's name=value, with ; or space between ---- */

static struct slice
pg_value(struct arena *arena, struct slice *rest)
{
	struct strbuf value;
	bool is_quoted = rest->len > 0 && rest->data[0] == '\'';
	size_t i = is_quoted;

	strbuf_init(&value, arena, 0);
	for (; i < rest->len; i++) {
		unsigned char c = rest->data[i];

		if (c == '\\' && i + 1 < rest->len)
			c = rest->data[++i];
		else if (is_quoted ? c == '\'' : c == ';' || byte_is_space(c))
			break;
		strbuf_add_byte(&value, c);
	}
	*rest = slice_from(*rest, i + is_quoted);
	return strbuf_slice(&value);
}

static enum status
parse_pg(struct arena *arena, struct slice rest, struct sql_target *target, struct error *error)
{
	for (;;) {
		struct slice name, value;
		enum status status;
		size_t equals;

		rest = slice_from(rest, slice_span(rest, "; \t\r\n", 0));
		if (rest.len == 0)
			return STATUS_OK;
		equals = slice_find_any(rest, "=;", 0);
		if (equals == SLICE_NPOS || rest.data[equals] != '=')
			return error_set(
				error, STATUS_BAD, "the DSN has no = after '%.*s'",
				SLICE_FMT(slice_sub(rest, 0, slice_find_byte(rest, ';', 0))));
		name = slice_trim(slice_sub(rest, 0, equals));
		rest = slice_ltrim(slice_from(rest, equals + 1));
		value = pg_value(arena, &rest);
		status = set_option(arena, target, name, value, error);
		if (status != STATUS_OK)
			return status;
	}
}

/* ---- MySQL, MariaDB: pieces with : or ; between; what has no name is database, host, port ---- */

/* Up to the next : or ; that is not in brackets. */
static struct slice
mysql_piece(struct slice *rest)
{
	size_t i = 0;
	bool in_brackets = false;
	struct slice piece;

	for (; i < rest->len; i++) {
		unsigned char c = rest->data[i];

		if (c == '[' || c == ']')
			in_brackets = c == '[' && slice_has_byte(slice_from(*rest, i), ']');
		else if (!in_brackets && (c == ':' || c == ';'))
			break;
	}
	piece = slice_sub(*rest, 0, i);
	*rest = slice_from(*rest, i + 1);
	return piece;
}

static struct slice
without_prefix(struct slice name)
{
	if (slice_starts(name, SLICE("mysql_")))
		return slice_from(name, 6);
	return slice_starts(name, SLICE("mariadb_")) ? slice_from(name, 8) : name;
}

static enum status
parse_mysql(struct arena *arena, struct slice rest, struct sql_target *target, struct error *error)
{
	static const char *const order[] = {"database", "host", "port"};
	size_t at = 0;

	while (rest.len > 0) {
		struct slice piece = mysql_piece(&rest), name, value = piece;
		size_t equals = slice_find_byte(piece, '=', 0);
		enum status status;

		if (equals != SLICE_NPOS) {
			name = without_prefix(slice_sub(piece, 0, equals));
			value = slice_from(piece, equals + 1);
		} else if (at < sizeof(order) / sizeof(order[0])) {
			name = slice_from_cstr(order[at++]);
		} else {
			return error_set(error, STATUS_BAD, "the DSN says nothing of '%.*s'",
			                 SLICE_FMT(piece));
		}
		if (value.len == 0)
			continue;
		status = set_option(arena, target, name, value, error);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* ---- SQLite: a path, or name=value with ; between ---- */

static enum status
parse_sqlite(struct arena *arena, struct slice rest, struct sql_target *target, struct error *error)
{
	struct slice piece;

	if (!slice_has_byte(rest, '='))
		return set_option(arena, target, SLICE("dbname"), rest, error);
	while (slice_next(&rest, ';', &piece)) {
		size_t equals = slice_find_byte(piece, '=', 0);
		enum status status;

		if (piece.len == 0)
			continue;
		if (equals == SLICE_NPOS)
			return error_set(error, STATUS_BAD, "the DSN has no = after '%.*s'",
			                 SLICE_FMT(piece));
		status = set_option(arena, target, slice_sub(piece, 0, equals),
		                    slice_from(piece, equals + 1), error);
		if (status != STATUS_OK)
			return status;
	}
	return STATUS_OK;
}

/* ---- all ---- */

/* clang-format off */
static const struct dialect dialects[] = {
	{ "Pg",      "PostgreSQL", SQL_POSTGRESQL, parse_pg     },
	{ "mysql",   "MySQL",      SQL_MYSQL,      parse_mysql  },
	{ "MariaDB", "MariaDB",    SQL_MYSQL,      parse_mysql  },
	{ "SQLite",  "SQLite",     SQL_SQLITE,     parse_sqlite },
};
/* clang-format on */

static const struct dialect *
find_dialect(struct slice dsn, struct slice *rest_r, struct error *error)
{
	struct slice rest = dsn, scheme, driver;

	if (!slice_next(&rest, ':', &scheme) || !slice_ieq(scheme, SLICE("DBI")) ||
	    !slice_next(&rest, ':', &driver)) {
		(void)error_set(error, STATUS_BAD,
		                "it has to begin with DBI:Pg:, DBI:mysql:, DBI:MariaDB: or "
		                "DBI:SQLite:");
		return NULL;
	}
	driver = slice_sub(driver, 0, slice_find_byte(driver, '(', 0));
	for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++)
		if (slice_ieq(driver, slice_from_cstr(dialects[i].driver))) {
			*rest_r = rest;
			return &dialects[i];
		}
	(void)error_set(error, STATUS_BAD,
	                "'%.*s' is no database of ours (Pg, mysql, MariaDB, SQLite)",
	                SLICE_FMT(slice_sub(driver, 0, 40)));
	return NULL;
}

static const char *
describe(struct arena *arena, const char *title, const struct sql_target *target)
{
	const char *database = target->database != NULL ? target->database : "";
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	strbuf_printf(&out, "%s database %s", title, database);
	if (target->socket != NULL)
		strbuf_printf(&out, " at %s", target->socket);
	else if (target->host != NULL && strchr(target->host, ':') != NULL)
		strbuf_printf(&out, " at [%s]", target->host);
	else if (target->host != NULL)
		strbuf_printf(&out, " at %s", target->host);
	if (target->host != NULL && target->socket == NULL && target->port != NULL)
		strbuf_printf(&out, ":%s", target->port);
	strbuf_add_byte(&out, '\0');
	return strbuf_is_bad(&out) ? title : (const char *)out.data;
}

struct slice
sql_dsn_file(struct arena *arena, struct slice dsn)
{
	struct sql_config config = {.dsn = dsn};
	struct sql_target target;
	struct error error;

	if (sql_dsn_parse(arena, &config, &target, &error) != STATUS_OK ||
	    target.dialect != SQL_SQLITE || target.database == NULL)
		return SLICE("");
	return slice_from_cstr(target.database);
}

enum status
sql_dsn_parse(struct arena *arena, const struct sql_config *config, struct sql_target *target_r,
              struct error *error)
{
	const struct dialect *dialect;
	struct slice rest = SLICE_NULL;
	enum status status;

	*target_r = (struct sql_target){0};
	if (slice_has_byte(config->dsn, '\0') || slice_has_byte(config->user, '\0') ||
	    slice_has_byte(config->password, '\0'))
		return bad_nul(error);
	dialect = find_dialect(slice_trim(config->dsn), &rest, error);
	if (dialect == NULL)
		return STATUS_BAD;
	target_r->dialect = dialect->dialect;
	status = dialect->parse(arena, rest, target_r, error);
	if (status != STATUS_OK)
		return status;
	if (config->user.len > 0)
		target_r->user = cstr(arena, config->user);
	if (config->password.len > 0)
		target_r->password = cstr(arena, config->password);
	target_r->name = describe(arena, dialect->title, target_r);
	return STATUS_OK;
}
