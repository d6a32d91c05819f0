/*
 * lmdb.c - the embedded store: one file, many processes
 *
 * Files: PATH.lmdb and PATH.lmdb-lock.  Three trees: "tokens" (key -> counts), "seen" (message id
 * -> flag, id), "state" (one record of variables).  LMDB gives readers a snapshot that writers do
 * not disturb, and a writer that is killed leaves what was committed before.
 *
 * What LMDB does not give is here: a bound for waiting (writers take a lock of the file first,
 * which the kernel gives back when they die), and files that are damaged (checked when opened for
 * writing, and guarded whenever they are read).
 */
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/guard.h"
#include "store/lmdb_check.h"
#include "store/store.h"
#include "util/clock.h"

/* Room in the address space, not on disk: a million tokens take 60 MB. */
#define MAP_BYTES ((size_t)16 << 30)

enum {
	READERS_MAX = 2048,
	ID_KEY_BYTES = 480, /* of a message id; longer ones end in a digest */
	DIGEST_BYTES = 20,
	ID_BYTES_MAX = 16384,
	PATH_BYTES = 4096,
	CHECK_WAIT_MS = 2000,
	COUNTS_BYTES = 12,
	STATE_FORMAT = 1
};

struct lmdb_store {
	struct store base;
	MDB_env *env;
	MDB_dbi tokens, seen, state;
	MDB_txn *reader; /* kept, reset between calls */
	MDB_txn *writer;
	int fd; /* of the data file, for its lock */
	dev_t device;
	ino_t inode;
	bool is_broken;                   /* it faulted: nothing is read of it any more */
	struct store_variables variables; /* of the writer */
	bool has_variables;
	char path[PATH_BYTES];
};

struct record { /* of "state" */
	uint64_t format;
	struct store_variables variables;
};

static struct lmdb_store *
lmdb_of(struct store *store)
{
	return (struct lmdb_store *)(void *)store;
}

/* ---- errors ---- */

static enum status
damaged(const char *path, const char *what, struct error *error)
{
	return error_set(error, STATUS_BAD,
	                 "%s is damaged (%s): repair it with sa-learn --restore of a backup, or "
	                 "start anew with sa-learn --clear",
	                 path, what);
}

static enum status
failed(const char *path, int rc, struct error *error)
{
	switch (rc) {
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_PANIC:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_CURSOR_FULL:
	case MDB_PAGE_FULL:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
	case MDB_BAD_DBI:
		return damaged(path, mdb_strerror(rc), error);
	case MDB_MAP_FULL:
		return error_set(error, STATUS_LIMIT, "%s has reached its largest size", path);
	case ENOSPC:
	case EDQUOT:
		return error_set(error, STATUS_IO, "%s: %s: nothing was written", path,
		                 strerror(rc));
	default:
		return error_set(error, STATUS_IO, "%s: %s", path, mdb_strerror(rc));
	}
}

/* ---- calls of the library, guarded ---- */

struct call {
	struct lmdb_store *s;
	int (*fn)(struct lmdb_store *s, void *data);
	void *data;
	int rc;
};

static void
run_call(void *data)
{
	struct call *call = data;

	call->rc = call->fn(call->s, call->data);
}

static void
on_assert(MDB_env *env, const char *text)
{
	(void)env, (void)text;
	guard_leave();
}

/* Where the library mapped the file it does not say: any fault in it counts. */
static enum status
guarded(struct lmdb_store *s, int (*fn)(struct lmdb_store *s, void *data), void *data,
        struct error *error)
{
	struct call call = {.s = s, .fn = fn, .data = data};

	if (s->is_broken)
		return damaged(s->path, "it could not be read", error);
	if (!guard_run(NULL, SIZE_MAX, run_call, &call)) {
		s->is_broken = true;
		return damaged(s->path, "it could not be read", error);
	}
	if (call.rc == MDB_NOTFOUND)
		return STATUS_NONE;
	return call.rc == 0 ? STATUS_OK : failed(s->path, call.rc, error);
}

/* The transaction to read in: the writer's, or a snapshot of now. */
static int
begin_read(struct lmdb_store *s, MDB_txn **txn_r)
{
	int rc;

	if (s->writer != NULL) {
		*txn_r = s->writer;
		return 0;
	}
	rc = s->reader == NULL ? mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->reader)
	                       : mdb_txn_renew(s->reader);
	*txn_r = s->reader;
	return rc;
}

static void
end_read(struct lmdb_store *s, const MDB_txn *txn)
{
	if (txn != NULL && txn == s->reader)
		mdb_txn_reset(s->reader);
}

/* ---- opening ---- */

static bool
make_path(char *out, const char *path, const char *end)
{
	int n = snprintf(out, PATH_BYTES, "%s%s", path, end);

	return n > 0 && n < PATH_BYTES;
}

static void
make_directories(const char *path, unsigned mode)
{
	char part[PATH_BYTES];

	if (!make_path(part, path, ""))
		return;
	for (char *slash = part + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		(void)mkdir(part, mode & 0777);
		*slash = '/';
	}
}

static enum status
lock_file(int fd, const char *path, int64_t wait_ms, struct error *error)
{
	int64_t until = clock_monotonic_ms() + wait_ms;
	long pause_us = 200;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		struct timespec pause = {0, pause_us * 1000};

		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return error_set(error, STATUS_IO, "%s: lock: %s", path, strerror(errno));
		if (clock_monotonic_ms() >= until)
			return error_set(
				error, STATUS_AGAIN,
				"%s is being written by another process for more than %lld ms",
				path, (long long)wait_ms);
		nanosleep(&pause, NULL);
		pause_us = pause_us < 5000 ? pause_us * 2 : 5000;
	}
	return STATUS_OK;
}

struct check_call {
	struct slice file;
	enum status status;
	struct error error;
};

static void
run_check(void *data)
{
	struct check_call *call = data;

	call->status = lmdb_check(call->file, &call->error);
}

/* Every page, while nobody writes. */
static enum status
check_file(const char *path, int fd, struct error *error)
{
	struct check_call call = {.status = STATUS_OK};
	struct stat st;
	void *map;
	bool good;

	if (lock_file(fd, path, CHECK_WAIT_MS, NULL) != STATUS_OK)
		return STATUS_OK; /* in use, so it works for somebody */
	if (fstat(fd, &st) != 0 || st.st_size == 0) {
		(void)flock(fd, LOCK_UN);
		return STATUS_OK;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		(void)flock(fd, LOCK_UN);
		return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
	}
	call.file = slice_of(map, (size_t)st.st_size);
	good = guard_run(map, (size_t)st.st_size, run_check, &call);
	munmap(map, (size_t)st.st_size);
	(void)flock(fd, LOCK_UN);
	if (!good)
		return damaged(path, "it could not be read", error);
	return call.status == STATUS_BAD ? damaged(path, call.error.text, error) : STATUS_OK;
}

static int
open_trees(struct lmdb_store *s, void *data)
{
	const bool *create = data;
	unsigned flags = *create ? MDB_CREATE : 0;
	MDB_txn *txn;
	int rc = mdb_txn_begin(s->env, NULL, *create ? 0 : MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, "tokens", flags, &s->tokens);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "seen", flags, &s->seen);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "state", flags, &s->state);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

static void
close_store(struct store *store)
{
	struct lmdb_store *s = lmdb_of(store);

	/* What faulted may hold anything: it is left to the end of the process. */
	if (!s->is_broken) {
		if (s->reader != NULL)
			mdb_txn_abort(s->reader);
		if (s->env != NULL)
			mdb_env_close(s->env);
	}
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

static enum status
open_env(struct lmdb_store *s, unsigned mode, bool create, struct error *error)
{
	int rc = mdb_env_create(&s->env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(s->env, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(s->env, 4);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(s->env, READERS_MAX);
	if (rc == 0)
		rc = mdb_env_set_assert(s->env, on_assert);
	if (rc == 0)
		rc = mdb_env_open(s->env, s->path,
		                  MDB_NOSUBDIR | MDB_NOTLS | MDB_NOMETASYNC | MDB_NORDAHEAD, mode);
	if (rc == ENOENT && !create)
		return STATUS_NONE;
	return rc == 0 ? STATUS_OK : failed(s->path, rc, error);
}

static enum status
open_files(struct lmdb_store *s, const struct store_config *config, bool create,
           struct error *error)
{
	unsigned mode = config->file_mode & 0666;
	struct stat st;
	enum status status;

	s->fd = open(s->path, O_RDONLY | O_CLOEXEC | (create ? O_CREAT : 0), mode);
	if (s->fd < 0 && errno == ENOENT && !create)
		return STATUS_NONE;
	if (s->fd < 0 || fstat(s->fd, &st) != 0)
		return error_set(error, STATUS_IO, "%s: %s", s->path, strerror(errno));
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (st.st_size == 0 && !create)
		return STATUS_NONE;
	status = check_file(s->path, s->fd, error);
	if (status == STATUS_OK)
		status = open_env(s, mode, create, error);
	if (status != STATUS_OK)
		return status;
	/* Two that begin at once make the trees one after the other. */
	if (create && (status = lock_file(s->fd, s->path, CHECK_WAIT_MS, error)) != STATUS_OK)
		return status;
	status = guarded(s, open_trees, &create, error);
	if (create)
		(void)flock(s->fd, LOCK_UN);
	return status;
}

static enum status
open_store(const struct store_config *config, bool create, struct store **store_r,
           struct error *error)
{
	struct lmdb_store *s = calloc(1, sizeof(*s));
	enum status status;
	mode_t old;

	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	s->fd = -1;
	if (!make_path(s->path, config->path, ".lmdb")) {
		free(s);
		return error_set(error, STATUS_BAD, "bayes_path is too long");
	}
	if (create)
		make_directories(config->path, config->file_mode);
	old = umask(0);
	status = open_files(s, config, create, error);
	umask(old);
	if (status == STATUS_OK)
		*store_r = &s->base;
	else
		close_store(&s->base);
	return status;
}

static bool
is_current(const struct store *store)
{
	const struct lmdb_store *s = (const struct lmdb_store *)(const void *)store;
	struct stat st;

	return !s->is_broken && stat(s->path, &st) == 0 && st.st_dev == s->device &&
	       st.st_ino == s->inode;
}

/* ---- reading ---- */

static void
counts_read(const MDB_val *value, struct store_counts *counts_r)
{
	*counts_r = (struct store_counts){0};
	if (value->mv_size == COUNTS_BYTES)
		memcpy(counts_r, value->mv_data, COUNTS_BYTES);
}

static int
read_variables(struct lmdb_store *s, void *data)
{
	struct store_variables *variables = data;
	MDB_val key = {5, (void *)(uintptr_t) "state"}, value;
	struct record record;
	MDB_txn *txn = NULL;
	int rc;

	if (s->writer != NULL && s->has_variables) {
		*variables = s->variables;
		return 0;
	}
	rc = begin_read(s, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_get(txn, s->state, &key, &value);
	if (rc == 0 && value.mv_size == sizeof(record)) {
		memcpy(&record, value.mv_data, sizeof(record));
		*variables = record.variables;
	}
	end_read(s, txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
get_variables(struct store *store, struct store_variables *variables_r, struct error *error)
{
	return guarded(lmdb_of(store), read_variables, variables_r, error);
}

struct lookup_call {
	const struct store_key *keys;
	size_t count;
	struct store_counts *counts;
};

static int
read_tokens(struct lmdb_store *s, void *data)
{
	const struct lookup_call *call = data;
	MDB_txn *txn = NULL;
	int rc = begin_read(s, &txn);

	for (size_t i = 0; rc == 0 && i < call->count; i++) {
		MDB_val key = {STORE_KEY_BYTES, (void *)(uintptr_t)call->keys[i].bytes}, value;

		rc = mdb_get(txn, s->tokens, &key, &value);
		call->counts[i] = (struct store_counts){0};
		if (rc == 0)
			counts_read(&value, &call->counts[i]);
		else if (rc == MDB_NOTFOUND)
			rc = 0;
	}
	end_read(s, txn);
	return rc;
}

static enum status
lookup(struct store *store, const struct store_key *keys, size_t count,
       struct store_counts *counts_r, struct error *error)
{
	struct lookup_call call = {keys, count, counts_r};

	return guarded(lmdb_of(store), read_tokens, &call, error);
}

/* ---- message ids ---- */

struct id_key {
	unsigned char bytes[ID_KEY_BYTES + DIGEST_BYTES];
	size_t len;
};

static void
id_key_make(struct id_key *key, struct slice id)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	key->len = id.len <= ID_KEY_BYTES ? id.len : ID_KEY_BYTES;
	memcpy(key->bytes, id.data, key->len);
	if (id.len <= ID_KEY_BYTES)
		return;
	(void)EVP_Digest(id.data, id.len, digest, NULL, EVP_sha1(), NULL);
	memcpy(key->bytes + ID_KEY_BYTES, digest, DIGEST_BYTES);
	key->len += DIGEST_BYTES;
}

struct seen_call {
	struct slice id;
	char flag;
};

static int
read_seen(struct lmdb_store *s, void *data)
{
	struct seen_call *call = data;
	struct id_key id;
	MDB_val key, value;
	MDB_txn *txn = NULL;
	int rc = begin_read(s, &txn);

	if (rc != 0)
		return rc;
	id_key_make(&id, call->id);
	key = (MDB_val){id.len, id.bytes};
	rc = mdb_get(txn, s->seen, &key, &value);
	if (rc == 0 && value.mv_size >= 1)
		call->flag = *(const char *)value.mv_data;
	end_read(s, txn);
	return rc;
}

static enum status
seen(struct store *store, struct slice message_id, char *flag_r, struct error *error)
{
	struct seen_call call = {slice_sub(message_id, 0, ID_BYTES_MAX), 0};
	enum status status = guarded(lmdb_of(store), read_seen, &call, error);

	*flag_r = call.flag;
	return status;
}

/* The value: the flag, and the id itself where the key does not hold all of it. */
static int
write_seen(struct lmdb_store *s, void *data)
{
	const struct seen_call *call = data;
	unsigned char text[1 + ID_BYTES_MAX];
	struct id_key id;
	MDB_val key, value = {1, text};

	id_key_make(&id, call->id);
	key = (MDB_val){id.len, id.bytes};
	if (call->flag == 0) {
		int rc = mdb_del(s->writer, s->seen, &key, NULL);

		return rc == MDB_NOTFOUND ? 0 : rc;
	}
	text[0] = (unsigned char)call->flag;
	if (call->id.len > ID_KEY_BYTES) {
		memcpy(text + 1, call->id.data, call->id.len);
		value.mv_size = 1 + call->id.len;
	}
	return mdb_put(s->writer, s->seen, &key, &value, 0);
}

static enum status
put_seen(struct store *store, struct slice message_id, char flag, struct error *error)
{
	struct seen_call call = {slice_sub(message_id, 0, ID_BYTES_MAX), flag};

	return guarded(lmdb_of(store), write_seen, &call, error);
}

/* ---- writing ---- */

static int
begin_write(struct lmdb_store *s, void *data)
{
	int dead;

	(void)data;
	/* Places of readers that were killed, so that old pages can be used again. */
	(void)mdb_reader_check(s->env, &dead);
	return mdb_txn_begin(s->env, NULL, 0, &s->writer);
}

static enum status
begin(struct store *store, int64_t wait_ms, struct error *error)
{
	struct lmdb_store *s = lmdb_of(store);
	enum status status = lock_file(s->fd, s->path, wait_ms, error);

	if (status != STATUS_OK)
		return status;
	s->has_variables = false;
	s->writer = NULL;
	status = guarded(s, begin_write, NULL, error);
	if (status == STATUS_OK)
		status = guarded(s, read_variables, &s->variables, error);
	if (status == STATUS_OK)
		s->has_variables = true;
	else
		store->backend->abort(store);
	return status;
}

static int
abort_write(struct lmdb_store *s, void *data)
{
	(void)data;
	mdb_txn_abort(s->writer);
	return 0;
}

static void
abort_store(struct store *store)
{
	struct lmdb_store *s = lmdb_of(store);
	bool was_broken = s->is_broken;

	/* Also after a fault: others wait for the library's own lock. */
	s->is_broken = false;
	if (s->writer != NULL)
		(void)!guarded(s, abort_write, NULL, NULL);
	s->is_broken |= was_broken;
	s->writer = NULL;
	s->has_variables = false;
	(void)flock(s->fd, LOCK_UN);
}

static int
commit_write(struct lmdb_store *s, void *data)
{
	struct record record = {STATE_FORMAT, s->variables};
	MDB_val key = {5, (void *)(uintptr_t) "state"}, value = {sizeof(record), &record};
	MDB_txn *txn = s->writer;
	int rc = mdb_put(txn, s->state, &key, &value, 0);

	(void)data;
	s->writer = NULL;
	if (rc != 0)
		mdb_txn_abort(txn);
	return rc != 0 ? rc : mdb_txn_commit(txn);
}

static enum status
commit(struct store *store, struct error *error)
{
	struct lmdb_store *s = lmdb_of(store);
	enum status status = guarded(s, commit_write, NULL, error);

	s->writer = NULL;
	s->has_variables = false;
	(void)flock(s->fd, LOCK_UN);
	return status;
}

static enum status
set_variables(struct store *store, const struct store_variables *variables, struct error *error)
{
	(void)error;
	lmdb_of(store)->variables = *variables;
	return STATUS_OK;
}

static void
note_atime(struct lmdb_store *s, uint32_t atime)
{
	struct store_variables *v = &s->variables;

	if (v->newest_atime == 0 || atime > v->newest_atime)
		v->newest_atime = atime;
	if (v->oldest_atime == 0 || atime < v->oldest_atime)
		v->oldest_atime = atime;
}

static uint32_t
moved_count(uint32_t count, int by)
{
	int64_t sum = (int64_t)count + by;

	return sum < 0 ? 0 : sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
}

struct add_call {
	const struct store_key *keys; /* in order: neighbours share pages */
	size_t count;
	int spam, ham;
	uint32_t atime;
	bool touch;
};

static int
add_one(struct lmdb_store *s, MDB_cursor *cursor, const struct add_call *call,
        const struct store_key *token)
{
	MDB_val key = {STORE_KEY_BYTES, (void *)(uintptr_t)token->bytes}, value;
	struct store_counts counts = {0}, old;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET);
	bool exists = rc == 0;

	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	if (exists)
		counts_read(&value, &counts);
	old = counts;
	if (call->touch && (!exists || counts.atime >= call->atime))
		return 0;
	counts.spam = moved_count(counts.spam, call->spam);
	counts.ham = moved_count(counts.ham, call->ham);
	counts.atime = counts.atime > call->atime ? counts.atime : call->atime;
	if (counts.spam == 0 && counts.ham == 0) {
		if (!exists)
			return 0;
		s->variables.tokens -= s->variables.tokens > 0;
		return mdb_cursor_del(cursor, 0);
	}
	if (memcmp(&old, &counts, sizeof(old)) == 0 && exists)
		return 0;
	s->variables.tokens += !exists;
	note_atime(s, counts.atime);
	key = (MDB_val){STORE_KEY_BYTES, (void *)(uintptr_t)token->bytes};
	value = (MDB_val){COUNTS_BYTES, &counts};
	return mdb_cursor_put(cursor, &key, &value, exists ? MDB_CURRENT : 0);
}

static int
add_all(struct lmdb_store *s, void *data)
{
	const struct add_call *call = data;
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(s->writer, s->tokens, &cursor);

	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < call->count; i++)
		if (i == 0 || memcmp(&call->keys[i], &call->keys[i - 1], STORE_KEY_BYTES) != 0)
			rc = add_one(s, cursor, call, &call->keys[i]);
	mdb_cursor_close(cursor);
	return rc;
}

static int
by_key(const void *a, const void *b)
{
	return memcmp(a, b, STORE_KEY_BYTES);
}

static enum status
add_sorted(struct lmdb_store *s, struct add_call *call, struct error *error)
{
	struct store_key *keys;
	enum status status;

	if (call->count == 0)
		return STATUS_OK;
	keys = malloc(call->count * sizeof(*keys));
	if (keys == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the tokens");
	memcpy(keys, call->keys, call->count * sizeof(*keys));
	qsort(keys, call->count, sizeof(*keys), by_key);
	call->keys = keys;
	status = guarded(s, add_all, call, error);
	free(keys);
	return status;
}

static enum status
add(struct store *store, const struct store_key *keys, size_t count, int spam, int ham,
    uint32_t atime, struct error *error)
{
	struct add_call call = {keys, count, spam, ham, atime, false};

	return add_sorted(lmdb_of(store), &call, error);
}

static enum status
touch(struct store *store, const struct store_key *keys, size_t count, uint32_t atime,
      struct error *error)
{
	struct add_call call = {keys, count, 0, 0, atime, true};

	return add_sorted(lmdb_of(store), &call, error);
}

static int
write_token(struct lmdb_store *s, void *data)
{
	const struct store_token *token = data;
	MDB_val key = {STORE_KEY_BYTES, (void *)(uintptr_t)token->key.bytes},
		value = {COUNTS_BYTES, (void *)(uintptr_t)&token->counts};

	return mdb_put(s->writer, s->tokens, &key, &value, 0);
}

static enum status
put(struct store *store, const struct store_token *token, struct error *error)
{
	return guarded(lmdb_of(store), write_token, (void *)(uintptr_t)token, error);
}

/* ---- all of them ---- */

struct walk_call {
	store_token_fn token_fn;
	store_seen_fn seen_fn;
	void *data;
};

static bool
walk_one(const struct walk_call *call, const MDB_val *key, const MDB_val *value)
{
	struct store_token token;

	if (call->token_fn != NULL) {
		if (key->mv_size != STORE_KEY_BYTES)
			return true;
		memcpy(token.key.bytes, key->mv_data, STORE_KEY_BYTES);
		counts_read(value, &token.counts);
		return call->token_fn(call->data, &token);
	}
	if (value->mv_size > 1)
		return call->seen_fn(
			call->data,
			slice_of((const unsigned char *)value->mv_data + 1, value->mv_size - 1),
			*(const char *)value->mv_data);
	return value->mv_size == 0 ||
	       call->seen_fn(call->data, slice_of(key->mv_data, key->mv_size),
	                     *(const char *)value->mv_data);
}

static int
walk(struct lmdb_store *s, void *data)
{
	const struct walk_call *call = data;
	MDB_cursor *cursor;
	MDB_txn *txn = NULL;
	MDB_val key, value;
	int rc = begin_read(s, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, call->token_fn != NULL ? s->tokens : s->seen, &cursor);
	if (rc == 0) {
		while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
			if (!walk_one(call, &key, &value))
				break;
		mdb_cursor_close(cursor);
	}
	end_read(s, txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
each_token(struct store *store, store_token_fn fn, void *data, struct error *error)
{
	struct walk_call call = {.token_fn = fn, .data = data};

	return guarded(lmdb_of(store), walk, &call, error);
}

static enum status
each_seen(struct store *store, store_seen_fn fn, void *data, struct error *error)
{
	struct walk_call call = {.seen_fn = fn, .data = data};

	return guarded(lmdb_of(store), walk, &call, error);
}

struct expire_call {
	uint32_t before, newest;
};

static int
expire_all(struct lmdb_store *s, void *data)
{
	const struct expire_call *call = data;
	uint32_t oldest = 0;
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(s->writer, s->tokens, &cursor);

	if (rc != 0)
		return rc;
	s->variables.tokens = 0;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct store_counts counts;

		counts_read(&value, &counts);
		if (counts.atime < call->before) {
			rc = mdb_cursor_del(cursor, 0);
			if (rc != 0)
				break;
			continue;
		}
		if (counts.atime > call->newest) {
			counts.atime = call->newest;
			value = (MDB_val){COUNTS_BYTES, &counts};
			if ((rc = mdb_cursor_put(cursor, &key, &value, MDB_CURRENT)) != 0)
				break;
		}
		if (s->variables.tokens++ == 0 || counts.atime < oldest)
			oldest = counts.atime;
	}
	mdb_cursor_close(cursor);
	s->variables.oldest_atime = oldest;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
expire(struct store *store, uint32_t before, uint32_t newest, struct error *error)
{
	struct expire_call call = {before, newest};

	return guarded(lmdb_of(store), expire_all, &call, error);
}

static int
empty_all(struct lmdb_store *s, void *data)
{
	int rc = mdb_drop(s->writer, s->tokens, 0);

	(void)data;
	s->variables = (struct store_variables){0};
	return rc != 0 ? rc : mdb_drop(s->writer, s->seen, 0);
}

static enum status
empty(struct store *store, struct error *error)
{
	return guarded(lmdb_of(store), empty_all, NULL, error);
}

static enum status
remove_files(const struct store_config *config, struct error *error)
{
	char path[PATH_BYTES];

	/* The lock first: who opens in between finds the old file and makes a new lock for it,
	 * which it keeps for itself when the file is gone. */
	if (!make_path(path, config->path, ".lmdb-lock"))
		return error_set(error, STATUS_BAD, "bayes_path is too long");
	if (unlink(path) != 0 && errno != ENOENT)
		return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
	if (!make_path(path, config->path, ".lmdb"))
		return error_set(error, STATUS_BAD, "bayes_path is too long");
	if (unlink(path) != 0 && errno != ENOENT)
		return error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
	return STATUS_OK;
}

static const char *const modules[] = {"", "BayesStore::DBM", "BayesStore::SDBM", "BayesStore::BDB",
                                      NULL};

const struct store_backend store_lmdb = {
	.name = "embedded",
	.modules = modules,
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
	.remove = remove_files,
};
