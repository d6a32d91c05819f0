/*
 * user_scores.c - users' preferences from a database or a directory
 */
#include "conf/user_scores.h"

#include <stdlib.h>

#include "dns/name.h"
#include "store/ldap_driver.h"
#include "store/sql.h"
#include "util/clock.h"
#include "util/module.h"
#include "util/strbuf.h"

enum { PARAMETERS_MAX = 16, RETRY_MS = 30000, SAY_AGAIN_MS = 60000 };

struct user_scores {
	struct arena *arena;
	const struct log *log;
	enum user_scores_source source;
	struct slice query; /* user_scores_sql_custom_query, or ours */
	struct sql *sql;
	const struct ldap_driver *ldap;
	struct slice ldap_url;
	struct ldap_query ldap_query;
	void *ldap_connection;
	int64_t ldap_asleep_until_ms; /* 0: awake */
	struct error ldap_failure;
	struct error problem; /* of opening; "": none */
	struct error said;    /* the last reason given, and when */
	int64_t said_ms;
};

static const char standard_query[] = "select preference, value from userpref where username = "
				     "_USERNAME_ or username = '@GLOBAL' order by username asc";

/* ---- opening ---- */

static enum status
open_sql(struct user_scores *u, const struct core_settings *core, struct error *error)
{
	const struct sql_config config = {
		.dsn = core->user_scores_dsn,
		.user = core->user_scores_sql_username,
		.password = core->user_scores_sql_password,
		.connect_ms = USER_SCORES_WAIT_MS,
		.statement_ms = USER_SCORES_WAIT_MS,
		.is_read_only = true,
	};

	u->query = core->user_scores_sql_custom_query.len > 0
	                   ? arena_dup(u->arena, core->user_scores_sql_custom_query)
	                   : slice_from_cstr(standard_query);
	return sql_open(&config, &u->sql, error);
}

static enum status
open_ldap(struct user_scores *u, const struct core_settings *core, struct error *error)
{
	const char *dsn = arena_cstr(u->arena, core->user_scores_dsn);

	u->ldap = module_load("ldap.so", "ldap_driver_table", LDAP_DRIVER_VERSION, error);
	if (u->ldap == NULL)
		return STATUS_BAD;
	u->ldap_url = arena_dup(u->arena, core->user_scores_dsn);
	u->ldap_query.wait_ms = USER_SCORES_WAIT_MS;
	u->ldap_query.is_answered = dns_name_is_answered;
	if (core->user_scores_ldap_username.len > 0)
		u->ldap_query.user = arena_cstr(u->arena, core->user_scores_ldap_username);
	if (core->user_scores_ldap_password.len > 0)
		u->ldap_query.password = arena_cstr(u->arena, core->user_scores_ldap_password);
	return dsn == NULL ? error_set(error, STATUS_LIMIT, "no memory")
	                   : u->ldap->check(dsn, error);
}

void
user_scores_close(struct user_scores **scores)
{
	struct user_scores *u = *scores;

	if (u == NULL)
		return;
	sql_close(&u->sql);
	if (u->ldap != NULL)
		u->ldap->disconnect(&u->ldap_connection);
	arena_destroy(&u->arena);
	free(u);
	*scores = NULL;
}

struct user_scores *
user_scores_open(const struct core_settings *core, enum user_scores_source source,
                 const struct log *log, struct error *problem_r)
{
	struct user_scores *u = calloc(1, sizeof(*u));
	struct error why = {""};
	enum status status;

	*problem_r = (struct error){""};
	if (u == NULL || (u->arena = arena_create(0)) == NULL) {
		free(u);
		return NULL;
	}
	u->log = log;
	u->source = source;
	if (core->user_scores_dsn.len == 0)
		status = error_set(&why, STATUS_NONE, "not set: there are no preferences from %s",
		                   source == USER_SCORES_SQL ? "SQL" : "LDAP");
	else
		status = source == USER_SCORES_SQL ? open_sql(u, core, &why)
		                                   : open_ldap(u, core, &why);
	if (status != STATUS_OK)
		(void)error_set(&u->problem, status, "user_scores_dsn: %s", why.text);
	*problem_r = u->problem;
	return u;
}

/* ---- lines ---- */

struct lines {
	struct strbuf text;
	const struct log *log;
	struct slice user; /* as logs may have it */
	bool is_full;
};

static bool
add_row(void *data, const struct slice *fields, size_t count)
{
	struct lines *lines = data;

	if (count > 0)
		strbuf_add(&lines->text, fields[0]);
	strbuf_add_byte(&lines->text, '\t');
	if (count > 1)
		strbuf_add(&lines->text, fields[1]);
	strbuf_add_byte(&lines->text, '\n');
	lines->is_full = strbuf_is_bad(&lines->text);
	return !lines->is_full;
}

static bool
add_value(void *data, struct slice value)
{
	struct lines *lines = data;

	strbuf_add(&lines->text, value);
	strbuf_add_byte(&lines->text, '\n');
	lines->is_full = strbuf_is_bad(&lines->text);
	return !lines->is_full;
}

/* ---- SQL ---- */

struct query {
	struct strbuf text;
	struct sql_value values[PARAMETERS_MAX];
	size_t count;
};

/* What stands before and behind the first @, as Perl's split gives it: type SQL_NULL, none. */
static struct sql_value
part_of_name(struct slice name, bool is_domain)
{
	size_t at = slice_find_byte(name, '@', 0);
	struct slice domain = at == SLICE_NPOS ? SLICE_NULL : slice_from(name, at + 1);

	domain = slice_sub(domain, 0, slice_find_byte(domain, '@', 0));
	if (is_domain)
		return domain.len == 0 ? (struct sql_value){.type = SQL_NULL} : sql_text(domain);
	return name.len == 0 ? (struct sql_value){.type = SQL_NULL}
	                     : sql_text(slice_sub(name, 0, at));
}

/* "_USERNAME_" and its like become parameters.  false: it is none of them. */
static bool
take_variable(struct query *q, struct slice *rest, struct slice user, enum sql_dialect dialect)
{
	static const char *const names[] = {"_USERNAME_", "_MAILBOX_", "_DOMAIN_"};
	size_t i = 0;

	if (slice_starts(*rest, SLICE("_TABLE_"))) {
		strbuf_add(&q->text, SLICE("userpref"));
		*rest = slice_from(*rest, 7);
		return true;
	}
	while (i < 3 && !slice_starts(*rest, slice_from_cstr(names[i])))
		i++;
	if (i == 3 || q->count == PARAMETERS_MAX)
		return false;
	*rest = slice_from(*rest, strlen(names[i]));
	/* It has to know a parameter's type before it sees the value. */
	strbuf_add(&q->text, dialect == SQL_POSTGRESQL ? SLICE("CAST(? AS text)") : SLICE("?"));
	q->values[q->count++] = i == 0 ? sql_text(user) : part_of_name(user, i == 2);
	return true;
}

static void
make_query(struct query *q, struct arena *arena, struct slice text, struct slice user,
           enum sql_dialect dialect)
{
	strbuf_init(&q->text, arena, 0);
	while (text.len > 0) {
		if (text.data[0] == '_' && take_variable(q, &text, user, dialect))
			continue;
		strbuf_add_byte(&q->text, text.data[0]);
		text = slice_from(text, 1);
	}
	strbuf_add_byte(&q->text, '\0');
}

static enum status
read_sql(struct user_scores *u, struct arena *arena, struct slice user, struct lines *lines,
         struct error *error)
{
	struct query q = {.count = 0};

	make_query(&q, arena, u->query, user, sql_dialect(u->sql));
	if (strbuf_is_bad(&q.text))
		return error_set(error, STATUS_LIMIT, "no memory for the query");
	log_debug(u->log, "config", "retrieving prefs for %.*s from SQL server",
	          SLICE_FMT(lines->user));
	return sql_run(u->sql, (const char *)q.text.data, q.values, q.count, add_row, lines, NULL,
	               error);
}

/* ---- LDAP ---- */

/* A byte of a name inside a filter inside a URL: RFC 4515's \xx, its backslash as RFC 4516's %5c.
 */
static void
add_escaped(struct strbuf *out, unsigned char c)
{
	if (byte_is_alnum(c))
		strbuf_add_byte(out, c);
	else if (c > ' ' && c < 0x7f && c != '*' && c != '(' && c != ')' && c != '\\')
		strbuf_printf(out, "%%%02x", c);
	else
		strbuf_printf(out, "%%5c%02x", c);
}

struct slice
user_scores_url(struct arena *arena, struct slice dsn, struct slice user)
{
	static const struct slice variable = {(const unsigned char *)"__USERNAME__", 12};
	struct strbuf out;
	int fields = 0;

	strbuf_init(&out, arena, 0);
	while (dsn.len > 0) {
		/* Only in the filter: a base would want another way of escaping. */
		if (fields >= 3 && slice_starts(dsn, variable)) {
			for (size_t i = 0; i < user.len; i++)
				add_escaped(&out, user.data[i]);
			dsn = slice_from(dsn, variable.len);
			continue;
		}
		fields += dsn.data[0] == '?';
		strbuf_add_byte(&out, dsn.data[0]);
		dsn = slice_from(dsn, 1);
	}
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

static enum status
read_ldap(struct user_scores *u, struct arena *arena, struct slice user, struct lines *lines,
          struct error *error)
{
	struct slice url = user_scores_url(arena, u->ldap_url, user);
	struct ldap_query query = u->ldap_query;
	enum status status;

	if (u->ldap_asleep_until_ms != 0 && clock_monotonic_ms() < u->ldap_asleep_until_ms)
		return error_set(error, STATUS_AGAIN, "%s", u->ldap_failure.text);
	u->ldap_asleep_until_ms = 0;
	query.url = url.data == NULL ? NULL : arena_cstr(arena, url);
	if (query.url == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the search");
	log_debug(u->log, "ldap", "retrieving prefs for %.*s", SLICE_FMT(lines->user));
	status = u->ldap->search(&u->ldap_connection, &query, add_value, lines, error);
	if (status == STATUS_IO) {
		u->ldap_asleep_until_ms = clock_monotonic_ms() + RETRY_MS;
		u->ldap_failure = *error;
	}
	return status;
}

/* ---- both ---- */

static enum status
read_lines(struct user_scores *u, struct arena *arena, struct slice user, struct slice *text_r,
           struct error *error)
{
	struct lines lines = {.log = u->log, .user = log_quote(arena, user, 256)};
	enum status status;

	strbuf_init(&lines.text, arena, USER_SCORES_BYTES_MAX);
	status = u->source == USER_SCORES_SQL ? read_sql(u, arena, user, &lines, error)
	                                      : read_ldap(u, arena, user, &lines, error);
	if (status != STATUS_OK)
		return status;
	if (lines.is_full)
		return error_set(error, STATUS_LIMIT, "more than %d bytes of preferences",
		                 (int)USER_SCORES_BYTES_MAX);
	*text_r = strbuf_slice(&lines.text);
	return text_r->len == 0 ? STATUS_NONE : STATUS_OK;
}

enum status
user_scores_read(struct user_scores *u, struct arena *arena, struct slice user,
                 struct slice *text_r, struct error *error)
{
	int64_t now_ms = clock_monotonic_ms();
	enum status status = u->problem.text[0] != '\0'
	                             ? error_set(error, STATUS_BAD, "%s", u->problem.text)
	                             : read_lines(u, arena, user, text_r, error);

	if (status == STATUS_OK || status == STATUS_NONE || status == STATUS_AGAIN)
		return status;
	if (u->said_ms != 0 && now_ms - u->said_ms < SAY_AGAIN_MS &&
	    strcmp(u->said.text, error->text) == 0)
		return STATUS_AGAIN;
	u->said_ms = now_ms;
	u->said = *error;
	return status;
}
