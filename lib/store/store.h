/*
 * store.h - what was learned: tokens, messages, counters
 *
 * Owns: struct store, the one interface of all backends (as Postfix's DICT: few functions, one file
 * a backend, one list in store.c).  Source: BayesStore of 4.0.1, whose variables and dump format
 * these are.
 * Data: plugins/bayes.c, cmd/sa-learn -> store_* -> a backend (lmdb.c: embedded, the default).
 *
 * Reading needs nothing first: each call sees what was committed last.  Writing is
 * store_begin() ... store_commit(): all of it or nothing, even when the process is killed; between
 * the two the caller's own changes are seen.  No call waits longer than store_begin() was told.
 * A store that is damaged gives STATUS_BAD with a text that says what to do, and never ends the
 * process.
 *
 * A store belongs to the process that opened it: not to be used over fork().
 */
#ifndef WINNOW_STORE_STORE_H
#define WINNOW_STORE_STORE_H

#include <stdint.h>

#include "util/arena.h"
#include "util/log.h"

enum { STORE_KEY_BYTES = 5, STORE_VERSION = 3 /* of tokens, as dumps name it */ };

struct store_key {
	unsigned char bytes[STORE_KEY_BYTES];
};

/* spam and ham 0: there is no such token. */
struct store_counts {
	uint32_t spam, ham;
	uint32_t atime; /* seconds since 1970 */
};

struct store_token {
	struct store_key key;
	struct store_counts counts;
};

struct store_variables {
	uint64_t spam_messages, ham_messages, tokens;
	int64_t oldest_atime, newest_atime; /* 0: no token yet */
	int64_t last_expire, last_expire_delta, last_expire_reduction, last_sync;
	int64_t expire_running; /* since when; 0: none runs */
};

/* Where a backend leaves what costs to make anew, a connection, between two stores. */
struct store_keep {
	void *data; /* NULL: nothing */
	void (*destroy)(void *data);
};

struct store_config {
	struct slice module; /* bayes_store_module; len 0: the embedded one */
	const char *path;    /* bayes_path, ~ and __userstate__ replaced */
	unsigned file_mode;  /* bayes_file_mode: of files; of directories with the x bits in it */
	struct slice user;   /* whose data, where one server holds many users' */
	struct slice dsn, sql_user, sql_password; /* bayes_sql_* */
	double token_ttl_s,
		seen_ttl_s; /* bayes_token_ttl, bayes_seen_ttl; 0: bayes_auto_expire is off */
	struct {
		struct slice read_servers, write_server, database, password, prefix;
	} redis;                   /* bayes_redis_* */
	bool has_authorized_users; /* bayes_sql_username_authorized */
	int64_t wait_ms;         /* the longest a server may take for one thing; 0: some seconds */
	struct store_keep *keep; /* NULL: nothing is kept */
	const struct log *log;
};

struct store;

/* Walkers: false ends the walk. */
typedef bool (*store_token_fn)(void *data, const struct store_token *token);
typedef bool (*store_seen_fn)(void *data, struct slice message_id, char flag);

struct store_backend {
	const char *name;           /* for messages */
	const char *const *modules; /* values of bayes_store_module it serves; ends with NULL */
	/* Loads its module and reads its directives; asks nobody.  NULL: there is nothing to do. */
	enum status (*prepare)(const struct store_config *config, struct error *error);
	/* create false: STATUS_NONE when there is none yet. */
	enum status (*open)(const struct store_config *config, bool create, struct store **store_r,
	                    struct error *error);
	void (*close)(struct store *store);
	/* Is what was opened still what has that name? */
	bool (*is_current)(const struct store *store);
	enum status (*variables)(struct store *store, struct store_variables *variables_r,
	                         struct error *error);
	enum status (*lookup)(struct store *store, const struct store_key *keys, size_t count,
	                      struct store_counts *counts_r, struct error *error);
	enum status (*seen)(struct store *store, struct slice message_id, char *flag_r,
	                    struct error *error);
	enum status (*begin)(struct store *store, int64_t wait_ms, struct error *error);
	enum status (*commit)(struct store *store, struct error *error);
	void (*abort)(struct store *store);
	enum status (*set_variables)(struct store *store, const struct store_variables *variables,
	                             struct error *error);
	enum status (*add)(struct store *store, const struct store_key *keys, size_t count,
	                   int spam, int ham, uint32_t atime, struct error *error);
	enum status (*touch)(struct store *store, const struct store_key *keys, size_t count,
	                     uint32_t atime, struct error *error);
	enum status (*put)(struct store *store, const struct store_token *token,
	                   struct error *error);
	enum status (*put_seen)(struct store *store, struct slice message_id, char flag,
	                        struct error *error);
	enum status (*each_token)(struct store *store, store_token_fn fn, void *data,
	                          struct error *error);
	enum status (*each_seen)(struct store *store, store_seen_fn fn, void *data,
	                         struct error *error);
	enum status (*expire)(struct store *store, uint32_t before, uint32_t newest,
	                      struct error *error);
	enum status (*empty)(struct store *store, struct error *error);
	/* Without opening it: also what is damaged goes. */
	enum status (*remove)(const struct store_config *config, struct error *error);
	bool is_common;     /* one for all users: neither path nor user matters */
	bool is_remote;     /* needs the network, or a Unix socket */
	bool counts_itself; /* tokens, atimes: `variables` finds them */
	bool expires_itself;
};

/* Each backend's struct begins with this. */
struct store {
	const struct store_backend *backend;
	bool writing;
};

/*
 * STATUS_NONE: there is no such store, and it was not to be created.  STATUS_BAD: damaged, or no
 * backend serves that module.
 */
enum status store_open(const struct store_config *config, bool create, struct store **store_r,
                       struct error *error) WARN_UNUSED;
void store_close(struct store **store);
/* What a server does before it forks: could it be opened, as far as one can say without? */
enum status store_prepare(const struct store_config *config, struct error *error) WARN_UNUSED;
/* false: it was replaced or removed since: close and open again. */
bool store_is_current(const struct store *store);
/* The files or rows of it go, also when they are damaged. */
enum status store_remove(const struct store_config *config, struct error *error) WARN_UNUSED;

enum status store_variables(struct store *store, struct store_variables *variables_r,
                            struct error *error) WARN_UNUSED;
enum status store_lookup(struct store *store, const struct store_key *keys, size_t count,
                         struct store_counts *counts_r, struct error *error) WARN_UNUSED;
/* 's' or 'h'; STATUS_NONE: not seen. */
enum status store_seen(struct store *store, struct slice message_id, char *flag_r,
                       struct error *error) WARN_UNUSED;

/* STATUS_AGAIN: somebody else has been writing for so long. */
enum status store_begin(struct store *store, int64_t wait_ms, struct error *error) WARN_UNUSED;
enum status store_commit(struct store *store, struct error *error) WARN_UNUSED;
void store_abort(struct store *store);
/* Between begin and commit: */
enum status store_set_variables(struct store *store, const struct store_variables *variables,
                                struct error *error) WARN_UNUSED;
/* Messages learned (or forgotten: negative); neither count goes below 0. */
enum status store_add_messages(struct store *store, int spam, int ham,
                               struct error *error) WARN_UNUSED;
/* Adds to the counts of each key (not below 0; a token with none is gone); atime only grows. */
enum status store_add(struct store *store, const struct store_key *keys, size_t count, int spam,
                      int ham, uint32_t atime, struct error *error) WARN_UNUSED;
/* Tokens that are there were of use at that time. */
enum status store_touch(struct store *store, const struct store_key *keys, size_t count,
                        uint32_t atime, struct error *error) WARN_UNUSED;
/* As it is, for restoring; variables are the caller's. */
enum status store_put(struct store *store, const struct store_token *token,
                      struct error *error) WARN_UNUSED;
/* flag 's', 'h', or 0: forget it. */
enum status store_put_seen(struct store *store, struct slice message_id, char flag,
                           struct error *error) WARN_UNUSED;
/* Tokens with an atime before that go; later ones than `newest` are set back to it. */
enum status store_expire(struct store *store, uint32_t before, uint32_t newest,
                         struct error *error) WARN_UNUSED;
/* Nothing is left, but the store. */
enum status store_empty(struct store *store, struct error *error) WARN_UNUSED;

enum status store_each_token(struct store *store, store_token_fn fn, void *data,
                             struct error *error) WARN_UNUSED;
enum status store_each_seen(struct store *store, store_seen_fn fn, void *data,
                            struct error *error) WARN_UNUSED;

/* The backend that serves this value of bayes_store_module; NULL: none. */
const struct store_backend *store_backend_find(struct slice module);

void store_keep_drop(struct store_keep *keep);

extern const struct store_backend store_lmdb;
extern const struct store_backend store_redis;
extern const struct store_backend store_sql;

#endif
