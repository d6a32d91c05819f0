/*
 * redis_store.h - the Redis store, between its files
 *
 * Owns: struct redis_store.  redis.c opens and reads, redis_write.c has transactions, redis_walk.c
 * all keys at once.  What is where in the server: redis.c.
 */
#ifndef WINNOW_STORE_REDIS_STORE_H
#define WINNOW_STORE_REDIS_STORE_H

#include "store/redis_client.h"
#include "store/redis_config.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/hashmap.h"

enum {
	REDIS_ANSWER_MS = 1000, /* one call, of a server that hangs */
	REDIS_WALK_MS = 30000,  /* one piece of a walk through all keys, or of a restored file */
	REDIS_RETRY_MS = 10000, /* a server to write to that is not there */
	REDIS_PIECE = 1000,     /* keys */
};

struct redis_store {
	struct store store;  /* first */
	struct arena *arena; /* of the configuration */
	struct redis_servers servers;
	struct slice prefix;
	int64_t token_ttl_s, seen_ttl_s; /* 0: forever */
	const struct log *log;
	struct redis_link reader, own_writer, *writer;
	struct redis_commands out; /* of reading */
	bool is_lost;
	struct error failure;
	int64_t writer_failed_ms; /* 0: no */
	struct error writer_failure;
	/* transaction */
	struct redis_commands changes;
	bool is_multi, is_emptied, has_base;
	struct store_variables base; /* counters as they were */
	int64_t spam, ham;           /* to be added to them */
	struct arena *seen_arena;
	struct hashmap seen; /* message id -> flag */
};

static inline struct redis_store *
redis_of(struct store *store)
{
	return (struct redis_store *)(void *)store;
}

static inline int64_t
redis_soon(int64_t ms)
{
	return clock_monotonic_ms() + ms;
}

/* What a batch of replies said, when it was an error. */
struct redis_complaint {
	char text[200];
};

void redis_complaint_note(struct redis_complaint *complaint, const struct redis_value *value);
/* The same as redis_value_fn. */
void redis_complaint_take(void *complaint, const struct redis_value *value);
enum status redis_complain(struct redis_store *s, const struct redis_link *link,
                           const struct redis_complaint *complaint,
                           struct error *error) WARN_UNUSED;

/* STATUS_IO: keeps in mind that the server is not to be asked any more.  Returns the status. */
enum status redis_lost(struct redis_store *s, enum status status, const struct error *error);

void redis_begin_command(struct redis_commands *c, const char *name, size_t arguments);
void redis_add_name(struct redis_store *s, struct redis_commands *c, const char *variable);
void redis_add_token(struct redis_store *s, struct redis_commands *c, const struct store_key *key);
/* s->out over that link, within ms. */
enum status redis_run(struct redis_store *s, struct redis_link *link, redis_value_fn fn, void *data,
                      int64_t ms, struct error *error) WARN_UNUSED;

/* The store_backend's functions, where they are not of redis.c. */
enum status redis_open_store(const struct store_config *config, bool create, struct store **store_r,
                             struct error *error) WARN_UNUSED;
void redis_close_store(struct store *store);
enum status redis_lookup(struct store *store, const struct store_key *keys, size_t count,
                         struct store_counts *counts_r, struct error *error) WARN_UNUSED;
enum status redis_begin(struct store *store, int64_t wait_ms, struct error *error) WARN_UNUSED;
enum status redis_commit(struct store *store, struct error *error) WARN_UNUSED;
void redis_abort(struct store *store);
enum status redis_set_variables(struct store *store, const struct store_variables *variables,
                                struct error *error) WARN_UNUSED;
enum status redis_add(struct store *store, const struct store_key *keys, size_t count, int spam,
                      int ham, uint32_t atime, struct error *error) WARN_UNUSED;
enum status redis_touch(struct store *store, const struct store_key *keys, size_t count,
                        uint32_t atime, struct error *error) WARN_UNUSED;
enum status redis_put(struct store *store, const struct store_token *token,
                      struct error *error) WARN_UNUSED;
enum status redis_put_seen(struct store *store, struct slice message_id, char flag,
                           struct error *error) WARN_UNUSED;
enum status redis_each_token(struct store *store, store_token_fn fn, void *data,
                             struct error *error) WARN_UNUSED;
enum status redis_each_seen(struct store *store, store_seen_fn fn, void *data,
                            struct error *error) WARN_UNUSED;
enum status redis_empty(struct store *store, struct error *error) WARN_UNUSED;
enum status redis_remove(const struct store_config *config, struct error *error) WARN_UNUSED;

/* The counters as they were when the transaction began. */
enum status redis_load_base(struct redis_store *s, struct error *error) WARN_UNUSED;
/* Forgets what the transaction was. */
void redis_reset_transaction(struct redis_store *s);
/* A database that is new has its variables. */
void redis_add_variables(struct redis_store *s);
/* What takes the place of all there was is too much to be held here. */
enum status redis_send_when_large(struct redis_store *s, struct error *error) WARN_UNUSED;

#endif
