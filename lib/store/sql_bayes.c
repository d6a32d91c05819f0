/*
 * sql_bayes.c - what was learned, in a database that many machines share
 *
 * Source: the tables of 4.0.1 (pkg/sql/bayes_*.sql): bayes_vars has one row for each user, whose id
 * the rows of bayes_token and bayes_seen carry.  Both programs may use one database at a time.
 *
 * A writer locks its row of bayes_vars first, so that writers of one user wait for each other
 * there and the counts in it are always those of the tokens.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/sql_tokens.h"

enum {
	NO_TOKEN_ATIME = INT32_MAX, /* oldest_token_age of who has none */
	VARIABLES = 8,
	ID_BYTES = 200, /* columns are varchar(200) */
	USER_BYTES = 256,
	PUT_ROWS = 1000
};

struct sql_bayes {
	struct store base;
	struct sql_tokens tokens;
	struct store_keep *keep;          /* gets the connection back; NULL: nobody */
	struct store_variables variables; /* of the writer */
	struct store_token *put;          /* not written yet */
	size_t put_count;
	char user[USER_BYTES];
	bool is_gone; /* the user's row was removed by somebody */
};

static struct sql_bayes *
bayes_of(struct store *store)
{
	return (struct sql_bayes *)(void *)store;
}

/* ---- the connection, kept from one user to the next ---- */

static void
destroy_connection(void *data)
{
	struct sql *sql = data;

	sql_close(&sql);
}

static enum status
take_connection(const struct store_config *config, struct sql **sql_r, bool *is_new_r,
                struct error *error)
{
	struct sql_config c = {.dsn = config->dsn,
	                       .user = config->sql_user,
	                       .password = config->sql_password,
	                       .statement_ms = config->wait_ms > SQL_STATEMENT_MS
	                                               ? config->wait_ms
	                                               : SQL_STATEMENT_MS};
	struct store_keep *keep = config->keep;

	*is_new_r = false;
	if (keep != NULL && keep->destroy == destroy_connection && sql_is_of(keep->data, &c)) {
		*sql_r = keep->data;
		*keep = (struct store_keep){0};
		return STATUS_OK;
	}
	if (config->dsn.len == 0)
		return error_set(error, STATUS_BAD, "bayes_store_module %.*s needs a bayes_sql_dsn",
		                 SLICE_FMT(config->module));
	*is_new_r = true;
	return sql_open(&c, sql_r, error);
}

static void
give_back(struct store_keep *keep, struct sql *sql)
{
	if (keep == NULL) {
		sql_close(&sql);
		return;
	}
	store_keep_drop(keep);
	*keep = (struct store_keep){sql, destroy_connection};
}

/* ---- whose rows ---- */

static bool
take_text(void *data, const struct slice *fields, size_t count)
{
	char *text = data;
	size_t len = count == 0 ? 0 : fields[0].len < 31 ? fields[0].len : 31;

	if (len > 0)
		memcpy(text, fields[0].data, len);
	text[len] = '\0';
	return true;
}

static enum status
check_version(struct sql *sql, struct error *error)
{
	static const char *const files[] = {[SQL_POSTGRESQL] = "bayes_pg.sql",
	                                    [SQL_MYSQL] = "bayes_mysql.sql",
	                                    [SQL_SQLITE] = "bayes_sqlite.sql"};
	char version[32] = "";
	struct error why;
	enum status status =
		sql_run(sql, "SELECT value FROM bayes_global_vars WHERE variable = 'VERSION'", NULL,
	                0, take_text, version, NULL, &why);

	if (status == STATUS_BAD)
		return error_set(error, status, "%s; the tables are made by %s/sql/%s", why.text,
		                 PKGDATADIR, files[sql_dialect(sql)]);
	if (status != STATUS_OK)
		return error_set(error, status, "%s", why.text);
	if (atoi(version) != STORE_VERSION)
		return error_set(error, STATUS_BAD,
		                 "%s: bayes_global_vars says VERSION '%s' where 3 is needed",
		                 sql_name(sql), version);
	return STATUS_OK;
}

static bool
take_id(void *data, const struct slice *fields, size_t count)
{
	*(int64_t *)data = count > 0 ? sql_field_integer(fields[0]) : 0;
	return true;
}

static enum status
find_user(struct sql_bayes *s, struct error *error)
{
	struct sql_value name = sql_text(slice_from_cstr(s->user));

	s->tokens.user = 0;
	return sql_run(s->tokens.sql, "SELECT id FROM bayes_vars WHERE username = ?", &name, 1,
	               take_id, &s->tokens.user, NULL, error);
}

/* Somebody else may make the same one at the same time. */
static enum status
make_user(struct sql_bayes *s, struct error *error)
{
	static const char *const texts[] = {
		[SQL_POSTGRESQL] = "INSERT INTO bayes_vars (username) VALUES (?) "
				   "ON CONFLICT DO NOTHING",
		[SQL_MYSQL] = "INSERT IGNORE INTO bayes_vars (username) VALUES (?)",
		[SQL_SQLITE] = "INSERT OR IGNORE INTO bayes_vars (username) VALUES (?)",
	};
	enum status status = sql_do(s->tokens.sql, texts[sql_dialect(s->tokens.sql)], NULL, error,
	                            sql_text(slice_from_cstr(s->user)));

	if (status == STATUS_OK)
		status = find_user(s, error);
	if (status == STATUS_OK && s->tokens.user == 0)
		return error_set(error, STATUS_BAD, "%s: bayes_vars does not take user %s",
		                 sql_name(s->tokens.sql), s->user);
	return status;
}

static enum status
find_rows(struct sql_bayes *s, bool is_new, bool create, struct error *error)
{
	enum status status = is_new ? check_version(s->tokens.sql, error) : STATUS_OK;

	if (status == STATUS_OK)
		status = find_user(s, error);
	if (status == STATUS_OK && s->tokens.user == 0)
		status = create ? make_user(s, error) : STATUS_NONE;
	return status;
}

/* ---- opening ---- */

static void
close_store(struct store *store)
{
	struct sql_bayes *s = bayes_of(store);

	if (s->tokens.sql != NULL)
		give_back(s->keep, s->tokens.sql);
	free(s->put);
	free(s);
}

static enum status
prepare(const struct store_config *config, struct error *error)
{
	struct sql *sql = NULL;
	bool is_new;
	enum status status = take_connection(config, &sql, &is_new, error);

	sql_close(&sql);
	return status;
}

static enum status
open_store(const struct store_config *config, bool create, struct store **store_r,
           struct error *error)
{
	struct slice user = config->user.len > 0 ? config->user : SLICE("GLOBALBAYES");
	struct sql_bayes *s;
	enum status status;
	bool is_new;

	/* The reference asks a plugin that the site has written. */
	if (config->has_authorized_users)
		return error_set(error, STATUS_BAD,
		                 "bayes_sql_username_authorized is set and no plugin can authorize "
		                 "user %.*s: set it to 0",
		                 SLICE_FMT(user));
	if (user.len >= USER_BYTES || slice_has_byte(user, '\0'))
		return error_set(error, STATUS_BAD, "the user's name is too long for bayes_vars");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	memcpy(s->user, user.data, user.len);
	s->keep = config->keep;
	status = take_connection(config, &s->tokens.sql, &is_new, error);
	if (status == STATUS_OK)
		status = find_rows(s, is_new, create, error);
	if (status == STATUS_BAD)
		s->keep = NULL; /* the tables may be made any time: looked at again */
	if (status == STATUS_OK)
		*store_r = &s->base;
	else
		close_store(&s->base);
	return status;
}

static bool
is_current(const struct store *store)
{
	return !((const struct sql_bayes *)(const void *)store)->is_gone;
}

/* ---- variables ---- */

#define VARIABLE_NAMES                                                                             \
	"spam_count, ham_count, token_count, last_expire, last_atime_delta, "                      \
	"last_expire_reduce, oldest_token_age, newest_token_age"

struct variables_row {
	struct store_variables variables;
	bool is_there;
};

static bool
take_variables(void *data, const struct slice *fields, size_t count)
{
	struct variables_row *row = data;
	int64_t v[VARIABLES] = {0};

	for (size_t i = 0; i < VARIABLES && i < count; i++) {
		v[i] = sql_field_integer(fields[i]);
		if (v[i] < 0)
			v[i] = 0;
	}
	row->is_there = true;
	row->variables = (struct store_variables){
		.spam_messages = (uint64_t)v[0],
		.ham_messages = (uint64_t)v[1],
		.tokens = (uint64_t)v[2],
		.last_expire = v[3],
		.last_expire_delta = v[4],
		.last_expire_reduction = v[5],
		.oldest_atime = v[6] == NO_TOKEN_ATIME ? 0 : v[6],
		.newest_atime = v[7],
	};
	return true;
}

/* lock: what the text ends in. */
static enum status
read_variables(struct sql_bayes *s, const char *lock, struct variables_row *row_r,
               struct error *error)
{
	struct sql_value user = sql_integer(s->tokens.user);
	char text[300];

	*row_r = (struct variables_row){.is_there = false};
	snprintf(text, sizeof(text), "SELECT %s FROM bayes_vars WHERE id = ?%s", VARIABLE_NAMES,
	         lock);
	return sql_run(s->tokens.sql, text, &user, 1, take_variables, row_r, NULL, error);
}

static enum status
get_variables(struct store *store, struct store_variables *variables_r, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	struct variables_row row;
	enum status status;

	if (store->writing) {
		*variables_r = s->variables;
		return STATUS_OK;
	}
	status = read_variables(s, "", &row, error);
	if (status == STATUS_OK)
		*variables_r = row.variables;
	s->is_gone = status == STATUS_OK && !row.is_there;
	return status;
}

/* Tokens and their ages are counted here. */
static enum status
set_variables(struct store *store, const struct store_variables *variables, struct error *error)
{
	struct store_variables *v = &bayes_of(store)->variables;

	(void)error;
	v->spam_messages = variables->spam_messages;
	v->ham_messages = variables->ham_messages;
	v->last_expire = variables->last_expire;
	v->last_expire_delta = variables->last_expire_delta;
	v->last_expire_reduction = variables->last_expire_reduction;
	return STATUS_OK;
}

static struct sql_value
limited(int64_t value)
{
	return sql_integer(value > INT32_MAX ? INT32_MAX : value);
}

static enum status
write_variables(struct sql_bayes *s, struct error *error)
{
	const struct store_variables *v = &s->variables;

	return sql_do(s->tokens.sql,
	              "UPDATE bayes_vars SET spam_count = ?, ham_count = ?, token_count = ?, "
	              "last_expire = ?, last_atime_delta = ?, last_expire_reduce = ?, "
	              "oldest_token_age = ?, newest_token_age = ? WHERE id = ?",
	              NULL, error, limited((int64_t)v->spam_messages),
	              limited((int64_t)v->ham_messages), limited((int64_t)v->tokens),
	              limited(v->last_expire), limited(v->last_expire_delta),
	              limited(v->last_expire_reduction),
	              limited(v->oldest_atime == 0 ? NO_TOKEN_ATIME : v->oldest_atime),
	              limited(v->newest_atime), sql_integer(s->tokens.user));
}

/* ---- transactions ---- */

static const char *
lock_text(const struct sql_bayes *s, int64_t wait_ms)
{
	switch (sql_dialect(s->tokens.sql)) {
	case SQL_POSTGRESQL:
		return " FOR UPDATE";
	case SQL_MYSQL: /* waits in whole seconds */
		return wait_ms < 1000 ? " FOR UPDATE NOWAIT" : " FOR UPDATE";
	case SQL_SQLITE: /* has one writer anyway */
		break;
	}
	return "";
}

static enum status
lock_variables(struct sql_bayes *s, int64_t wait_ms, struct error *error)
{
	struct variables_row row;
	enum status status = read_variables(s, lock_text(s, wait_ms), &row, error);

	/* Cleared since it was opened: begun anew. */
	if (status == STATUS_OK && !row.is_there) {
		status = find_user(s, error);
		if (status == STATUS_OK && s->tokens.user == 0)
			status = make_user(s, error);
		if (status == STATUS_OK)
			status = read_variables(s, lock_text(s, wait_ms), &row, error);
	}
	s->variables = row.variables;
	return status;
}

static enum status
begin(struct store *store, int64_t wait_ms, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	enum status status = sql_begin(s->tokens.sql, wait_ms, error);

	s->put_count = 0;
	if (status == STATUS_OK)
		status = lock_variables(s, wait_ms, error);
	if (status != STATUS_OK)
		sql_rollback(s->tokens.sql);
	return status;
}

static enum status
flush_put(struct sql_bayes *s, struct error *error)
{
	uint64_t made = 0;
	enum status status = STATUS_OK;

	if (s->put_count > 0)
		status = sql_tokens_add(&s->tokens, s->put, s->put_count, &made, error);
	s->put_count = 0;
	s->variables.tokens += made;
	return status;
}

static void
abort_store(struct store *store)
{
	sql_rollback(bayes_of(store)->tokens.sql);
}

static enum status
commit(struct store *store, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	enum status status = flush_put(s, error);

	if (status == STATUS_OK)
		status = write_variables(s, error);
	if (status == STATUS_OK)
		return sql_commit(s->tokens.sql, error);
	sql_rollback(s->tokens.sql);
	return status;
}

/* ---- tokens ---- */

static enum status
lookup(struct store *store, const struct store_key *keys, size_t count,
       struct store_counts *counts_r, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	enum status status = store->writing ? flush_put(s, error) : STATUS_OK;

	return status == STATUS_OK ? sql_tokens_lookup(&s->tokens, keys, count, counts_r, error)
	                           : status;
}

/* As in SQL.pm and its children: the two others take any token's time for the oldest. */
static void
note_atime(struct sql_bayes *s, uint32_t atime, bool has_made)
{
	struct store_variables *v = &s->variables;

	if (atime == 0)
		return;
	if (atime > v->newest_atime)
		v->newest_atime = atime;
	if ((has_made || sql_dialect(s->tokens.sql) != SQL_SQLITE) &&
	    (v->oldest_atime == 0 || atime < v->oldest_atime))
		v->oldest_atime = atime;
}

static enum status
add_rows(struct sql_bayes *s, const struct store_key *keys, size_t count,
         struct store_counts counts, struct error *error)
{
	struct store_token *rows = calloc(count, sizeof(*rows));
	uint64_t made = 0;
	enum status status;

	if (rows == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the tokens");
	for (size_t i = 0; i < count; i++)
		rows[i] = (struct store_token){keys[i], counts};
	status = sql_tokens_add(&s->tokens, rows, count, &made, error);
	free(rows);
	s->variables.tokens += made;
	if (status == STATUS_OK)
		note_atime(s, counts.atime, made > 0);
	return status;
}

static enum status
add(struct store *store, const struct store_key *keys, size_t count, int spam, int ham,
    uint32_t atime, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	struct store_counts more = {(uint32_t)(spam > 0 ? spam : 0), (uint32_t)(ham > 0 ? ham : 0),
	                            atime};
	enum status status = flush_put(s, error);
	uint64_t gone = 0;

	if (status == STATUS_OK && count > 0 && (spam < 0 || ham < 0)) {
		status = sql_tokens_subtract(&s->tokens, keys, count, spam < 0 ? -(int64_t)spam : 0,
		                             ham < 0 ? -(int64_t)ham : 0, &gone, error);
		s->variables.tokens -= gone < s->variables.tokens ? gone : s->variables.tokens;
	}
	if (status == STATUS_OK && count > 0 && (spam > 0 || ham > 0))
		status = add_rows(s, keys, count, more, error);
	return status;
}

static enum status
touch(struct store *store, const struct store_key *keys, size_t count, uint32_t atime,
      struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	uint64_t touched = 0;
	enum status status = flush_put(s, error);

	if (status == STATUS_OK)
		status = sql_tokens_touch(&s->tokens, keys, count, atime, &touched, error);
	if (status == STATUS_OK && touched > 0 && atime > s->variables.newest_atime)
		s->variables.newest_atime = atime;
	return status;
}

static enum status
put(struct store *store, const struct store_token *token, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);

	if (s->put == NULL && (s->put = calloc(PUT_ROWS, sizeof(*s->put))) == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the tokens");
	s->put[s->put_count++] = *token;
	note_atime(s, token->counts.atime, true);
	return s->put_count < PUT_ROWS ? STATUS_OK : flush_put(s, error);
}

static enum status
each_token(struct store *store, store_token_fn fn, void *data, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	enum status status = store->writing ? flush_put(s, error) : STATUS_OK;

	return status == STATUS_OK ? sql_tokens_each(&s->tokens, fn, data, error) : status;
}

/* ---- messages ---- */

/* false: the column does not take it; the reference, too, forgets such ones. */
static bool
id_value(const struct sql_bayes *s, struct slice id, char *text, struct sql_value *value_r)
{
	enum sql_dialect dialect = sql_dialect(s->tokens.sql);

	*value_r = sql_text(id);
	if (dialect == SQL_SQLITE)
		return true;
	if (id.len > ID_BYTES || slice_has_byte(id, '\0'))
		return false;
	*value_r = sql_text(sql_text_of_bytes(dialect, id, ID_BYTES, text));
	return dialect != SQL_MYSQL || slice_eq(value_r->bytes, id);
}

static enum status
seen(struct store *store, struct slice message_id, char *flag_r, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	struct sql_value values[] = {sql_integer(s->tokens.user), {.type = SQL_NULL}};
	char flag[32] = "", text[2 * ID_BYTES];
	enum status status;

	if (!id_value(s, message_id, text, &values[1]))
		return STATUS_NONE;
	status = sql_run(s->tokens.sql, "SELECT flag FROM bayes_seen WHERE id = ? AND msgid = ?",
	                 values, 2, take_text, flag, NULL, error);
	if (status != STATUS_OK)
		return status;
	*flag_r = flag[0];
	return flag[0] == '\0' ? STATUS_NONE : STATUS_OK;
}

static enum status
put_seen(struct store *store, struct slice message_id, char flag, struct error *error)
{
	static const char on_conflict[] =
		"INSERT INTO bayes_seen (id, msgid, flag) VALUES (?, ?, ?) "
		"ON CONFLICT (id, msgid) DO UPDATE SET flag = excluded.flag";
	static const char *const texts[] = {
		[SQL_POSTGRESQL] = on_conflict,
		[SQL_MYSQL] = "INSERT INTO bayes_seen (id, msgid, flag) VALUES (?, ?, ?) "
			      "ON DUPLICATE KEY UPDATE flag = VALUES(flag)",
		[SQL_SQLITE] = on_conflict,
	};
	struct sql_bayes *s = bayes_of(store);
	struct sql_value user = sql_integer(s->tokens.user), id;
	char text[2 * ID_BYTES];

	if (!id_value(s, message_id, text, &id))
		return STATUS_OK;
	if (flag == 0)
		return sql_do(s->tokens.sql, "DELETE FROM bayes_seen WHERE id = ? AND msgid = ?",
		              NULL, error, user, id);
	return sql_do(s->tokens.sql, texts[sql_dialect(s->tokens.sql)], NULL, error, user, id,
	              sql_text(slice_of(&flag, 1)));
}

struct seen_walk {
	enum sql_dialect dialect;
	store_seen_fn fn;
	void *data;
};

static bool
take_seen(void *data, const struct slice *fields, size_t count)
{
	const struct seen_walk *walk = data;
	char text[4 * ID_BYTES];

	if (count < 2 || fields[0].len == 0 || fields[1].data == NULL ||
	    (walk->dialect == SQL_POSTGRESQL && fields[1].len > sizeof(text)))
		return true;
	return walk->fn(walk->data, sql_bytes_of_text(walk->dialect, fields[1], text),
	                (char)fields[0].data[0]);
}

static enum status
each_seen(struct store *store, store_seen_fn fn, void *data, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	struct sql_value user = sql_integer(s->tokens.user);
	struct seen_walk walk = {sql_dialect(s->tokens.sql), fn, data};

	return sql_run(s->tokens.sql, "SELECT flag, msgid FROM bayes_seen WHERE id = ?", &user, 1,
	               take_seen, &walk, NULL, error);
}

/* ---- many at once ---- */

static bool
take_totals(void *data, const struct slice *fields, size_t count)
{
	struct store_variables *v = data;

	if (count < 2)
		return true;
	v->tokens = (uint64_t)sql_field_integer(fields[0]);
	v->oldest_atime = sql_field_integer(fields[1]);
	return true;
}

static enum status
expire(struct store *store, uint32_t before, uint32_t newest, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	struct sql_value user = sql_integer(s->tokens.user), latest = limited(newest);
	enum status status = flush_put(s, error);

	if (status == STATUS_OK)
		status = sql_do(s->tokens.sql,
		                "UPDATE bayes_token SET atime = ? WHERE id = ? AND atime > ?", NULL,
		                error, latest, user, latest);
	if (status == STATUS_OK)
		status = sql_do(s->tokens.sql, "DELETE FROM bayes_token WHERE id = ? AND atime < ?",
		                NULL, error, user, limited(before));
	if (status == STATUS_OK)
		status = sql_run(s->tokens.sql,
		                 "SELECT count(*), min(atime) FROM bayes_token WHERE id = ?", &user,
		                 1, take_totals, &s->variables, NULL, error);
	if (status == STATUS_OK && s->variables.newest_atime > newest)
		s->variables.newest_atime = newest;
	return status;
}

static enum status
delete_rows(struct sql *sql, const char *table, int64_t user, struct error *error)
{
	char text[80];

	snprintf(text, sizeof(text), "DELETE FROM %s WHERE id = ?", table);
	return sql_do(sql, text, NULL, error, sql_integer(user));
}

static enum status
empty(struct store *store, struct error *error)
{
	struct sql_bayes *s = bayes_of(store);
	enum status status = delete_rows(s->tokens.sql, "bayes_token", s->tokens.user, error);

	s->put_count = 0;
	s->variables = (struct store_variables){0};
	return status == STATUS_OK ? delete_rows(s->tokens.sql, "bayes_seen", s->tokens.user, error)
	                           : status;
}

static enum status
remove_user(const struct store_config *config, struct error *error)
{
	static const char *const tables[] = {"bayes_vars", "bayes_seen", "bayes_token",
	                                     "bayes_expire"};
	struct store *store = NULL;
	enum status status = open_store(config, false, &store, error);
	struct sql_bayes *s;

	if (status != STATUS_OK)
		return status == STATUS_NONE ? STATUS_OK : status;
	s = bayes_of(store);
	status = sql_begin(s->tokens.sql, config->wait_ms, error);
	for (size_t i = 0; status == STATUS_OK && i < sizeof(tables) / sizeof(tables[0]); i++)
		status = delete_rows(s->tokens.sql, tables[i], s->tokens.user, error);
	if (status == STATUS_OK)
		status = sql_commit(s->tokens.sql, error);
	else
		sql_rollback(s->tokens.sql);
	close_store(store);
	return status;
}

static const char *const modules[] = {"BayesStore::SQL", "BayesStore::PgSQL", "BayesStore::MySQL",
                                      NULL};

const struct store_backend store_sql = {
	.name = "SQL",
	.modules = modules,
	.prepare = prepare,
	.open = open_store,
	.close = close_store,
	.is_current = is_current,
	.variables = get_variables,
	.lookup = lookup,
	.seen = seen,
	.begin = begin,
	.commit = commit,
	.abort = abort_store,
	.set_variables = set_variables,
	.add = add,
	.touch = touch,
	.put = put,
	.put_seen = put_seen,
	.each_token = each_token,
	.each_seen = each_seen,
	.expire = expire,
	.empty = empty,
	.remove = remove_user,
	.is_remote = true,
	.counts_itself = true,
};
