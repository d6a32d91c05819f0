/*
 * lmdb_env.h - one LMDB file that many processes use, some of which die
 *
 * Owns: struct lmdb_env, what lmdb.c (tokens) and reputation_lmdb.c (senders) share.  LMDB gives
 * readers a snapshot that writers do not disturb, and a writer that is killed leaves what was
 * committed before.  What LMDB does not give is here: a bound for waiting (writers take a lock of
 * a file first, which the kernel gives back when they die), and files that are damaged (checked
 * when they are opened, and guarded whenever they are read).
 */
#ifndef WINNOW_STORE_LMDB_ENV_H
#define WINNOW_STORE_LMDB_ENV_H

#include <lmdb.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/slice.h"
#include "util/status.h"

enum {
	LMDB_PATH_BYTES = 4096,
	LMDB_KEY_BYTES = 480, /* of a text; longer ones end in a digest */
	LMDB_DIGEST_BYTES = 20,
	LMDB_TEXT_BYTES_MAX = 16384 /* what a key stands for, at most */
};

struct lmdb_env {
	const char *remedy; /* "...: repair it with ...", for what is damaged */
	MDB_env *env;
	MDB_txn *reader; /* kept, reset between calls */
	MDB_txn *writer;
	int fd;      /* of the data file */
	int lock_fd; /* what writers lock; -1: the data file */
	dev_t device;
	ino_t inode;
	bool is_broken; /* it faulted: nothing is read of it any more */
	char path[LMDB_PATH_BYTES];
};

struct lmdb_tree {
	const char *name;
	MDB_dbi *dbi;
};

/* Zeroes *e; path is PATH with `end` behind it.  false: too long. */
bool lmdb_env_init(struct lmdb_env *e, const char *path, const char *end, const char *remedy);
/*
 * Opens the file and its trees, makes them and the directories above when `create`.  mode: of the
 * file; its x bits are for directories.  STATUS_NONE: not there.  Close it whatever comes back.
 */
enum status lmdb_env_open(struct lmdb_env *e, unsigned mode, bool create,
                          const struct lmdb_tree *trees, size_t count,
                          struct error *error) WARN_UNUSED;
void lmdb_env_close(struct lmdb_env *e);
/* Is the file still the one of that name? */
bool lmdb_env_is_current(const struct lmdb_env *e);

/*
 * Runs fn, which calls the library and gives back its code, so that a fault in the file is a
 * result.  MDB_NOTFOUND is STATUS_NONE.
 */
enum status lmdb_env_guarded(struct lmdb_env *e, int (*fn)(void *data), void *data,
                             struct error *error) WARN_UNUSED;
/* Inside of it: the transaction to read in, the writer's or a snapshot of now. */
int lmdb_env_begin_read(struct lmdb_env *e, MDB_txn **txn_r);
void lmdb_env_end_read(struct lmdb_env *e, const MDB_txn *txn);

enum status lmdb_env_begin(struct lmdb_env *e, int64_t wait_ms, struct error *error) WARN_UNUSED;
void lmdb_env_abort(struct lmdb_env *e);
enum status lmdb_env_commit(struct lmdb_env *e, struct error *error) WARN_UNUSED;

struct lmdb_key {
	unsigned char bytes[LMDB_KEY_BYTES + LMDB_DIGEST_BYTES];
	size_t len;
};

/* A key for any text. */
void lmdb_key_make(struct lmdb_key *key, struct slice text);

#endif
