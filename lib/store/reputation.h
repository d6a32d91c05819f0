/*
 * reputation.h - what senders scored so far: messages and sum of scores of each
 *
 * Owns: struct reputation, the one interface of all backends.  Source: PersistentAddrList,
 * DBBasedAddrList and SQLBasedAddrList of 4.0.1, whose keys these are ("ADDRESS|ip=IP").
 * Data: plugins/awl.c, plugins/txrep.c, cmd/sa-awl -> reputation_* -> a backend.
 *
 * Backends: struct reputation_backend, one file each, one list in reputation.c.
 *	reputation_lmdb.c	embedded, the default (Mail::SpamAssassin::DBBasedAddrList)
 *	reputation_sql.c	PostgreSQL, MySQL, SQLite (Mail::SpamAssassin::SQLBasedAddrList)
 *
 * A message is reputation_begin(), any number of the others, reputation_commit(): all of it or
 * nothing, and nobody else writes in between.  Reading alone needs no begin.  No call waits longer
 * than reputation_begin() was told.  What is damaged gives STATUS_BAD with a text that says what to
 * do.  A list belongs to the process that opened it: not to be used over fork().
 */
#ifndef WINNOW_STORE_REPUTATION_H
#define WINNOW_STORE_REPUTATION_H

#include <stdint.h>

#include "util/arena.h"
#include "util/log.h"

struct store_keep; /* store.h */

struct reputation_config {
	struct slice factory; /* auto_welcomelist_factory, txrep_factory; len 0: the embedded one */
	const char *path;     /* auto_welcomelist_path, ~ and __userstate__ replaced */
	unsigned file_mode;   /* auto_welcomelist_file_mode: of files; of directories with x bits */
	bool has_mutex;       /* lock_method flock: writers lock PATH.mutex, as the reference */
	struct slice user;    /* whose data: user_awl_sql_override_username, else the user's name */
	struct slice dsn, sql_user, sql_password, table; /* user_awl_* */
	bool distinguishes_signed;                       /* auto_welcomelist_distinguish_signed */
	bool welcomes_recipients;                        /* txrep_welcomelist_out is not 0 */
	struct store_keep *keep;                         /* NULL: no connection is kept */
	const struct log *log;
};

struct reputation_key {
	struct slice address; /* lower case, or another identity of TxRep; no NUL ; ' " ! | in it */
	struct slice ip;      /* "192.0", "2001:0DB8:0001::", "none", "WELCOMELIST_OUT" */
	struct slice signed_by; /* domains, blanks between; data NULL: nobody.  SQL only */
};

struct reputation_entry {
	int64_t count; /* of messages; 0 and total 0: there is no such entry */
	double total;  /* sum of their scores */
};

struct reputation;

/* false ends the walk. */
typedef bool (*reputation_fn)(void *data, const struct reputation_key *key,
                              const struct reputation_entry *entry);

struct reputation_backend {
	const char *name;             /* for messages */
	const char *const *factories; /* values of auto_welcomelist_factory; ends with NULL */
	/* The path alone says which list: one for all users, never open twice in a process. */
	bool is_file;
	/* create false: STATUS_NONE when there is none yet. */
	enum status (*open)(const struct reputation_config *config, bool create,
	                    struct reputation **list_r, struct error *error);
	void (*close)(struct reputation *list);
	/* Is what was opened still what has that name? */
	bool (*is_current)(const struct reputation *list);
	enum status (*begin)(struct reputation *list, int64_t wait_ms, struct error *error);
	enum status (*commit)(struct reputation *list, struct error *error);
	void (*abort)(struct reputation *list);
	enum status (*get)(struct reputation *list, const struct reputation_key *key,
	                   struct reputation_entry *entry_r, struct error *error);
	enum status (*add)(struct reputation *list, const struct reputation_key *key,
	                   struct reputation_entry *entry, double score, struct error *error);
	/* all_of_address: every entry of key->address, whatever its ip */
	enum status (*remove)(struct reputation *list, const struct reputation_key *key,
	                      bool all_of_address, struct error *error);
	enum status (*each)(struct reputation *list, reputation_fn fn, void *data,
	                    struct error *error);
};

/* Each backend's struct begins with this. */
struct reputation {
	const struct reputation_backend *backend;
	bool writing;
};

/*
 * STATUS_NONE: there is no such list, and it was not to be created.  STATUS_BAD: damaged, or no
 * backend serves that factory.
 */
enum status reputation_open(const struct reputation_config *config, bool create,
                            struct reputation **list_r, struct error *error) WARN_UNUSED;
void reputation_close(struct reputation **list);
/* false: it was replaced or removed since: close and open again. */
bool reputation_is_current(const struct reputation *list);

/* STATUS_AGAIN: somebody else has been writing for so long. */
enum status reputation_begin(struct reputation *list, int64_t wait_ms,
                             struct error *error) WARN_UNUSED;
enum status reputation_commit(struct reputation *list, struct error *error) WARN_UNUSED;
void reputation_abort(struct reputation *list);

/* count 0: no such entry.  Numbers that make no sense (NaN, a negative count) are set to 0. */
enum status reputation_get(struct reputation *list, const struct reputation_key *key,
                           struct reputation_entry *entry_r, struct error *error) WARN_UNUSED;
/*
 * Between begin and commit: one message more.  *entry is what reputation_get() gave, or what the
 * caller wants to stand there before; count + 1 and total + score are written and left in it.
 */
enum status reputation_add(struct reputation *list, const struct reputation_key *key,
                           struct reputation_entry *entry, double score,
                           struct error *error) WARN_UNUSED;
/* Between begin and commit.  ip "none": all entries of the address. */
enum status reputation_remove(struct reputation *list, const struct reputation_key *key,
                              struct error *error) WARN_UNUSED;
/* The same, for "none" too the one entry alone. */
enum status reputation_remove_one(struct reputation *list, const struct reputation_key *key,
                                  struct error *error) WARN_UNUSED;
/* Each entry, of the config's user where a list holds many users'. */
enum status reputation_each(struct reputation *list, reputation_fn fn, void *data,
                            struct error *error) WARN_UNUSED;

/* Perl hands numbers on as text: 15 digits are left of them. */
double reputation_as_written(double value);

/* The backend that serves this value of auto_welcomelist_factory; NULL: none. */
const struct reputation_backend *reputation_backend_find(struct slice factory);

extern const struct reputation_backend reputation_lmdb;
extern const struct reputation_backend reputation_sql;

#endif
