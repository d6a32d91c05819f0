/*
 * url_cache.h - where URLs led, remembered for a while
 *
 * Owns: struct url_cache, in a file of its own (LMDB) or in a table of the reference's shape (SQL).
 * Data: URL -> what it led to (another URL, or the status of its answer).  Entries end so many
 * seconds after they were made.  Only short ones are kept, as in the reference.
 */
#ifndef WINNOW_STORE_URL_CACHE_H
#define WINNOW_STORE_URL_CACHE_H

#include "store/sql.h"
#include "util/arena.h"

enum { URL_CACHE_URL_MAX = 256, URL_CACHE_TARGET_MAX = 512 };

struct url_cache_config {
	struct slice type; /* "lmdb", "dbi" or "sqlite"; len 0: no cache */
	struct slice dsn;  /* lmdb: the path of the file */
	struct slice user, password;
	double ttl_s;
	/* Of the table: fixed texts. */
	const char *table, *url_column, *target_column;
};

struct url_cache;

/* Checks without opening anything; STATUS_BAD: what is wrong with it. */
enum status url_cache_check(const struct url_cache_config *config, struct error *error) WARN_UNUSED;
/* Opens it, makes file or table (SQLite) where there is none. */
enum status url_cache_open(const struct url_cache_config *config, struct url_cache **cache_r,
                           struct error *error) WARN_UNUSED;
void url_cache_close(struct url_cache **cache);
/* STATUS_NONE: not there, or too old.  The target lives in the arena. */
enum status url_cache_get(struct url_cache *cache, struct arena *arena, struct slice url,
                          int64_t now_s, struct slice *target_r, struct error *error) WARN_UNUSED;
enum status url_cache_add(struct url_cache *cache, struct slice url, struct slice target,
                          int64_t now_s, struct error *error) WARN_UNUSED;
/* Forgets what is too old. */
enum status url_cache_clean(struct url_cache *cache, int64_t now_s,
                            struct error *error) WARN_UNUSED;

#endif
