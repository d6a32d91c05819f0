/*
 * url_cache.c - where URLs led, remembered for a while
 */
#include "store/url_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/lmdb_env.h"
#include "store/sql_dsn.h"

enum {
	WAIT_MS = 500, /* for another writer: it is only a cache */
	SQL_MS = 2000,
	STATEMENT_BYTES = 512,
	MODE = 0600
};

struct url_cache {
	struct url_cache_config config;
	struct sql *sql; /* NULL: LMDB */
	struct lmdb_env env;
	MDB_dbi urls;
};

static bool
is_lmdb(const struct url_cache_config *config)
{
	return slice_ieq(config->type, SLICE("lmdb"));
}

static int64_t
oldest(const struct url_cache *c, int64_t now_s)
{
	return now_s - (int64_t)c->config.ttl_s;
}

/* ---- the file ---- */

/* A record: seconds when it was made, target. */
struct call {
	struct url_cache *cache;
	struct arena *arena;
	struct slice url, target;
	int64_t now_s;
};

static MDB_val
key_of(struct slice url)
{
	return (MDB_val){url.len, (void *)(uintptr_t)url.data};
}

static bool
is_current(const struct call *call, const MDB_val *value)
{
	int64_t made_s;

	if (value->mv_size < sizeof(made_s))
		return false;
	memcpy(&made_s, value->mv_data, sizeof(made_s));
	return made_s >= oldest(call->cache, call->now_s);
}

static int
read_record(void *data)
{
	struct call *call = data;
	struct lmdb_env *env = &call->cache->env;
	MDB_val key = key_of(call->url), value;
	MDB_txn *txn;
	int rc = lmdb_env_begin_read(env, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_get(txn, call->cache->urls, &key, &value);
	if (rc == 0 && !is_current(call, &value))
		rc = MDB_NOTFOUND;
	if (rc == 0)
		call->target =
			arena_dup(call->arena, slice_from(slice_of(value.mv_data, value.mv_size),
		                                          sizeof(int64_t)));
	lmdb_env_end_read(env, txn);
	return rc;
}

static int
write_record(void *data)
{
	struct call *call = data;
	unsigned char bytes[sizeof(int64_t) + URL_CACHE_TARGET_MAX];
	MDB_val key = key_of(call->url), value;
	int rc = mdb_get(call->cache->env.writer, call->cache->urls, &key, &value);

	/* When it was made stays, as in the reference. */
	if (rc == 0 && is_current(call, &value))
		memcpy(bytes, value.mv_data, sizeof(int64_t));
	else
		memcpy(bytes, &call->now_s, sizeof(int64_t));
	memcpy(bytes + sizeof(int64_t), call->target.data, call->target.len);
	value = (MDB_val){sizeof(int64_t) + call->target.len, bytes};
	return mdb_put(call->cache->env.writer, call->cache->urls, &key, &value, 0);
}

static int
drop_old(void *data)
{
	struct call *call = data;
	MDB_val key, value;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(call->cache->env.writer, call->cache->urls, &cursor);

	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		if (!is_current(call, &value) && (rc = mdb_cursor_del(cursor, 0)) != 0)
			break;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
change_file(struct call *call, int (*fn)(void *data), struct error *error)
{
	struct lmdb_env *env = &call->cache->env;
	enum status status = lmdb_env_begin(env, WAIT_MS, error);

	if (status != STATUS_OK)
		return status;
	status = lmdb_env_guarded(env, fn, call, error);
	if (status == STATUS_OK)
		return lmdb_env_commit(env, error);
	lmdb_env_abort(env);
	return status;
}

static enum status
open_file(struct url_cache *c, struct error *error)
{
	const struct lmdb_tree trees[] = {{"urls", &c->urls}};
	char path[LMDB_PATH_BYTES];

	if (c->config.dsn.len >= sizeof(path) - 1)
		return error_set(error, STATUS_BAD, "the path of the cache is too long");
	memcpy(path, c->config.dsn.data, c->config.dsn.len);
	path[c->config.dsn.len] = '\0';
	if (!lmdb_env_init(&c->env, path, "", "remove it, it is a cache"))
		return error_set(error, STATUS_BAD, "the path of the cache is too long");
	return lmdb_env_open(&c->env, MODE, true, trees, 1, error);
}

/* ---- the table ---- */

static bool
take_target(void *data, const struct slice *fields, size_t count)
{
	struct call *call = data;

	if (count > 0 && fields[0].data != NULL)
		call->target = arena_dup(call->arena, fields[0]);
	return false;
}

static enum status
make_table(struct url_cache *c, struct error *error)
{
	char text[STATEMENT_BYTES];

	if (sql_dialect(c->sql) != SQL_SQLITE)
		return STATUS_OK;
	snprintf(text, sizeof(text),
	         "CREATE TABLE IF NOT EXISTS %s (%s TEXT PRIMARY KEY NOT NULL, %s TEXT NOT NULL, "
	         "hits "
	         "INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL, modified INTEGER NOT NULL)",
	         c->config.table, c->config.url_column, c->config.target_column);
	return sql_run(c->sql, text, NULL, 0, NULL, NULL, NULL, error);
}

/* The driver opens what there is. */
static void
make_database(const struct sql_config *config)
{
	struct arena *arena = arena_create(0);
	struct sql_target target;
	struct error error;

	if (arena != NULL && sql_dsn_parse(arena, config, &target, &error) == STATUS_OK &&
	    target.dialect == SQL_SQLITE && target.database != NULL) {
		int fd = open(target.database, O_WRONLY | O_CREAT | O_CLOEXEC, MODE);

		if (fd >= 0)
			close(fd);
	}
	arena_destroy(&arena);
}

static enum status
open_table(struct url_cache *c, struct error *error)
{
	const struct sql_config config = {
		.dsn = c->config.dsn,
		.user = c->config.user,
		.password = c->config.password,
		.connect_ms = SQL_MS,
		.statement_ms = SQL_MS,
	};
	enum status status;

	make_database(&config);
	status = sql_open(&config, &c->sql, error);
	return status == STATUS_OK ? make_table(c, error) : status;
}

static enum status
get_row(struct url_cache *c, struct call *call, struct error *error)
{
	char text[STATEMENT_BYTES];
	const struct sql_value values[] = {sql_text(call->url),
	                                   sql_integer(oldest(c, call->now_s))};
	enum status status;

	snprintf(text, sizeof(text), "SELECT %s FROM %s WHERE %s = ? AND created >= ?",
	         c->config.target_column, c->config.table, c->config.url_column);
	status = sql_run(c->sql, text, values, 2, take_target, call, NULL, error);
	return status == STATUS_OK && call->target.data == NULL ? STATUS_NONE : status;
}

static enum status
add_row(struct url_cache *c, const struct call *call, struct error *error)
{
	const struct url_cache_config *o = &c->config;
	bool is_mysql = sql_dialect(c->sql) == SQL_MYSQL;
	char text[STATEMENT_BYTES], old[STATEMENT_BYTES];
	enum status status;

	/* What is too old is not made young by the upsert. */
	snprintf(old, sizeof(old), "DELETE FROM %s WHERE %s = ? AND created < ?", o->table,
	         o->url_column);
	status = sql_do(c->sql, old, NULL, error, sql_text(call->url),
	                sql_integer(oldest(c, call->now_s)));
	if (status != STATUS_OK)
		return status;
	if (is_mysql)
		snprintf(text, sizeof(text),
		         "INSERT INTO %s (%s, %s, created, modified) VALUES (?, ?, ?, ?) "
		         "ON DUPLICATE KEY UPDATE %s = VALUES(%s), modified = VALUES(modified), "
		         "hits = hits + 1",
		         o->table, o->url_column, o->target_column, o->target_column,
		         o->target_column);
	else
		snprintf(text, sizeof(text),
		         "INSERT INTO %s (%s, %s, created, modified) VALUES (?, ?, ?, ?) "
		         "ON CONFLICT (%s) DO UPDATE SET %s = EXCLUDED.%s, "
		         "modified = EXCLUDED.modified, hits = %s.hits + 1",
		         o->table, o->url_column, o->target_column, o->url_column, o->target_column,
		         o->target_column, o->table);
	return sql_do(c->sql, text, NULL, error, sql_text(call->url), sql_text(call->target),
	              sql_integer(call->now_s), sql_integer(call->now_s));
}

static enum status
clean_table(struct url_cache *c, int64_t now_s, struct error *error)
{
	char text[STATEMENT_BYTES];

	snprintf(text, sizeof(text), "DELETE FROM %s WHERE created < ?", c->config.table);
	return sql_do(c->sql, text, NULL, error, sql_integer(oldest(c, now_s)));
}

/* ---- both ---- */

enum status
url_cache_check(const struct url_cache_config *config, struct error *error)
{
	bool is_sqlite = slice_istarts(config->dsn, SLICE("dbi:SQLite"));

	if (!is_lmdb(config) && !slice_ieq(config->type, SLICE("dbi")) &&
	    !(slice_ieq(config->type, SLICE("sqlite")) && is_sqlite))
		return error_set(error, STATUS_BAD, "%.*s: it is lmdb, or dbi for a database",
		                 SLICE_FMT(config->type));
	if (config->dsn.len == 0)
		return error_set(error, STATUS_BAD, "%s",
		                 is_lmdb(config) ? "no DSN: the path of a file for lmdb"
		                                 : "no DSN, such as dbi:SQLite:dbname=PATH");
	if (is_lmdb(config) && config->dsn.data[0] != '/')
		return error_set(error, STATUS_BAD, "the DSN for lmdb is the full path of a file");
	return STATUS_OK;
}

enum status
url_cache_open(const struct url_cache_config *config, struct url_cache **cache_r,
               struct error *error)
{
	struct url_cache *c;
	enum status status = url_cache_check(config, error);

	if (status != STATUS_OK)
		return status;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	c->config = *config;
	status = is_lmdb(config) ? open_file(c, error) : open_table(c, error);
	if (status != STATUS_OK)
		url_cache_close(&c);
	else
		*cache_r = c;
	return status;
}

void
url_cache_close(struct url_cache **cache)
{
	struct url_cache *c = *cache;

	*cache = NULL;
	if (c == NULL)
		return;
	if (is_lmdb(&c->config))
		lmdb_env_close(&c->env);
	else if (c->sql != NULL)
		sql_close(&c->sql);
	free(c);
}

enum status
url_cache_get(struct url_cache *cache, struct arena *arena, struct slice url, int64_t now_s,
              struct slice *target_r, struct error *error)
{
	struct call call = {.cache = cache, .arena = arena, .url = url, .now_s = now_s};
	enum status status;

	if (url.len == 0 || url.len > URL_CACHE_URL_MAX)
		return STATUS_NONE;
	status = cache->sql != NULL ? get_row(cache, &call, error)
	                            : lmdb_env_guarded(&cache->env, read_record, &call, error);
	if (status == STATUS_OK)
		*target_r = call.target;
	return status;
}

enum status
url_cache_add(struct url_cache *cache, struct slice url, struct slice target, int64_t now_s,
              struct error *error)
{
	struct call call = {.cache = cache, .url = url, .target = target, .now_s = now_s};

	if (url.len == 0 || url.len > URL_CACHE_URL_MAX || target.len > URL_CACHE_TARGET_MAX)
		return STATUS_OK;
	return cache->sql != NULL ? add_row(cache, &call, error)
	                          : change_file(&call, write_record, error);
}

enum status
url_cache_clean(struct url_cache *cache, int64_t now_s, struct error *error)
{
	struct call call = {.cache = cache, .now_s = now_s};

	return cache->sql != NULL ? clean_table(cache, now_s, error)
	                          : change_file(&call, drop_old, error);
}
