/*
 * lmdb_env.c - one LMDB file that many processes use
 */
#include "store/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "store/guard.h"
#include "store/lmdb_check.h"
#include "util/clock.h"

/* Room in the address space, not on disk: a million tokens take 60 MB. */
#define MAP_BYTES ((size_t)16 << 30)

enum { READERS_MAX = 2048, CHECK_WAIT_MS = 2000, TREES_MAX = 4, DISK_FULL_BYTES = 1 << 18 };

/* ---- errors ---- */

static enum status
damaged(const struct lmdb_env *e, const char *what, struct error *error)
{
	return error_set(error, STATUS_BAD, "%s is damaged (%s): %s", e->path, what, e->remedy);
}

static bool
is_disk_full(const struct lmdb_env *e)
{
	struct statvfs fs;

	return fstatvfs(e->fd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < DISK_FULL_BYTES;
}

static enum status
failed(const struct lmdb_env *e, int rc, struct error *error)
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
		return damaged(e, mdb_strerror(rc), error);
	case MDB_MAP_FULL:
		return error_set(error, STATUS_LIMIT, "%s has reached its largest size", e->path);
	case EIO:
		/* So the library says that it could write a part only. */
		if (is_disk_full(e))
			return failed(e, ENOSPC, error);
		break;
	case ENOSPC:
	case EDQUOT:
		return error_set(error, STATUS_IO, "%s: %s: nothing was written", e->path,
		                 strerror(rc));
	default:
		break;
	}
	return error_set(error, STATUS_IO, "%s: %s", e->path, mdb_strerror(rc));
}

/* ---- calls of the library, guarded ---- */

struct call {
	int (*fn)(void *data);
	void *data;
	int rc;
};

static void
run_call(void *data)
{
	struct call *call = data;

	call->rc = call->fn(call->data);
}

static void
on_assert(MDB_env *env, const char *text)
{
	(void)env, (void)text;
	guard_leave();
}

/* Where the library mapped the file it does not say: any fault in it counts. */
enum status
lmdb_env_guarded(struct lmdb_env *e, int (*fn)(void *data), void *data, struct error *error)
{
	struct call call = {.fn = fn, .data = data};

	if (e->is_broken)
		return damaged(e, "it could not be read", error);
	if (!guard_run(NULL, SIZE_MAX, run_call, &call)) {
		e->is_broken = true;
		return damaged(e, "it could not be read", error);
	}
	if (call.rc == MDB_NOTFOUND)
		return STATUS_NONE;
	return call.rc == 0 ? STATUS_OK : failed(e, call.rc, error);
}

int
lmdb_env_begin_read(struct lmdb_env *e, MDB_txn **txn_r)
{
	int rc;

	if (e->writer != NULL) {
		*txn_r = e->writer;
		return 0;
	}
	rc = e->reader == NULL ? mdb_txn_begin(e->env, NULL, MDB_RDONLY, &e->reader)
	                       : mdb_txn_renew(e->reader);
	*txn_r = e->reader;
	return rc;
}

void
lmdb_env_end_read(struct lmdb_env *e, const MDB_txn *txn)
{
	if (txn != NULL && txn == e->reader)
		mdb_txn_reset(e->reader);
}

/* ---- opening ---- */

bool
lmdb_env_init(struct lmdb_env *e, const char *path, const char *end, const char *remedy)
{
	int n;

	*e = (struct lmdb_env){.remedy = remedy, .fd = -1, .lock_fd = -1};
	n = snprintf(e->path, sizeof(e->path), "%s%s", path, end);
	return n > 0 && (size_t)n < sizeof(e->path);
}

static void
make_directories(const char *path, unsigned mode)
{
	char part[LMDB_PATH_BYTES];

	(void)snprintf(part, sizeof(part), "%s", path);
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
check_file(const struct lmdb_env *e, struct error *error)
{
	struct check_call call = {.status = STATUS_OK};
	int fd = e->fd;
	struct stat st;
	void *map;
	bool good;

	if (lock_file(fd, e->path, CHECK_WAIT_MS, NULL) != STATUS_OK)
		return STATUS_OK; /* in use, so it works for somebody */
	if (fstat(fd, &st) != 0 || st.st_size == 0) {
		(void)flock(fd, LOCK_UN);
		return STATUS_OK;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		(void)flock(fd, LOCK_UN);
		return error_set(error, STATUS_IO, "%s: %s", e->path, strerror(errno));
	}
	call.file = slice_of(map, (size_t)st.st_size);
	good = guard_run(map, (size_t)st.st_size, run_check, &call);
	munmap(map, (size_t)st.st_size);
	(void)flock(fd, LOCK_UN);
	if (!good)
		return damaged(e, "it could not be read", error);
	return call.status == STATUS_BAD ? damaged(e, call.error.text, error) : STATUS_OK;
}

struct trees_call {
	struct lmdb_env *e;
	const struct lmdb_tree *trees;
	size_t count;
	bool create;
};

static int
open_trees(void *data)
{
	const struct trees_call *call = data;
	unsigned flags = call->create ? MDB_CREATE : 0;
	MDB_txn *txn;
	int rc = mdb_txn_begin(call->e->env, NULL, call->create ? 0 : MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < call->count; i++)
		rc = mdb_dbi_open(txn, call->trees[i].name, flags, call->trees[i].dbi);
	if (rc == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return rc;
}

void
lmdb_env_close(struct lmdb_env *e)
{
	/* What faulted may hold anything: it is left to the end of the process. */
	if (!e->is_broken) {
		if (e->reader != NULL)
			mdb_txn_abort(e->reader);
		if (e->env != NULL)
			mdb_env_close(e->env);
	}
	if (e->fd >= 0)
		close(e->fd);
	if (e->lock_fd >= 0)
		close(e->lock_fd);
}

static enum status
open_env(struct lmdb_env *e, unsigned mode, bool create, struct error *error)
{
	int rc = mdb_env_create(&e->env);

	if (rc == 0)
		rc = mdb_env_set_mapsize(e->env, MAP_BYTES);
	if (rc == 0)
		rc = mdb_env_set_maxdbs(e->env, TREES_MAX);
	if (rc == 0)
		rc = mdb_env_set_maxreaders(e->env, READERS_MAX);
	if (rc == 0)
		rc = mdb_env_set_assert(e->env, on_assert);
	if (rc == 0)
		rc = mdb_env_open(e->env, e->path,
		                  MDB_NOSUBDIR | MDB_NOTLS | MDB_NOMETASYNC | MDB_NORDAHEAD, mode);
	if (rc == ENOENT && !create)
		return STATUS_NONE;
	return rc == 0 ? STATUS_OK : failed(e, rc, error);
}

static enum status
open_files(struct lmdb_env *e, unsigned mode, bool create, const struct lmdb_tree *trees,
           size_t count, struct error *error)
{
	struct trees_call call = {e, trees, count, create};
	struct stat st;
	enum status status;

	e->fd = open(e->path, O_RDONLY | O_CLOEXEC | (create ? O_CREAT : 0), mode);
	if (e->fd < 0 && errno == ENOENT && !create)
		return STATUS_NONE;
	if (e->fd < 0 || fstat(e->fd, &st) != 0)
		return error_set(error, STATUS_IO, "%s: %s", e->path, strerror(errno));
	e->device = st.st_dev;
	e->inode = st.st_ino;
	if (st.st_size == 0 && !create)
		return STATUS_NONE;
	status = check_file(e, error);
	if (status == STATUS_OK)
		status = open_env(e, mode, create, error);
	if (status != STATUS_OK)
		return status;
	/* Two that begin at once make the trees one after the other. */
	if (create && (status = lock_file(e->fd, e->path, CHECK_WAIT_MS, error)) != STATUS_OK)
		return status;
	status = lmdb_env_guarded(e, open_trees, &call, error);
	if (create)
		(void)flock(e->fd, LOCK_UN);
	return status;
}

enum status
lmdb_env_open(struct lmdb_env *e, unsigned mode, bool create, const struct lmdb_tree *trees,
              size_t count, struct error *error)
{
	enum status status;
	mode_t old;

	if (create)
		make_directories(e->path, mode);
	old = umask(0);
	status = open_files(e, mode & 0666, create, trees, count, error);
	umask(old);
	return status;
}

bool
lmdb_env_is_current(const struct lmdb_env *e)
{
	struct stat st;

	return !e->is_broken && stat(e->path, &st) == 0 && st.st_dev == e->device &&
	       st.st_ino == e->inode;
}

/* ---- writing ---- */

static int
lock_of(const struct lmdb_env *e)
{
	return e->lock_fd >= 0 ? e->lock_fd : e->fd;
}

static int
begin_write(void *data)
{
	struct lmdb_env *e = data;
	int dead;

	/* Places of readers that were killed, so that old pages can be used again. */
	(void)mdb_reader_check(e->env, &dead);
	return mdb_txn_begin(e->env, NULL, 0, &e->writer);
}

enum status
lmdb_env_begin(struct lmdb_env *e, int64_t wait_ms, struct error *error)
{
	enum status status = lock_file(lock_of(e), e->path, wait_ms, error);

	if (status != STATUS_OK)
		return status;
	e->writer = NULL;
	status = lmdb_env_guarded(e, begin_write, e, error);
	if (status != STATUS_OK)
		lmdb_env_abort(e);
	return status;
}

static int
abort_write(void *data)
{
	mdb_txn_abort(((struct lmdb_env *)data)->writer);
	return 0;
}

void
lmdb_env_abort(struct lmdb_env *e)
{
	bool was_broken = e->is_broken;

	/* Also after a fault: others wait for the library's own lock. */
	e->is_broken = false;
	if (e->writer != NULL)
		(void)!lmdb_env_guarded(e, abort_write, e, NULL);
	e->is_broken |= was_broken;
	e->writer = NULL;
	(void)flock(lock_of(e), LOCK_UN);
}

static int
commit_write(void *data)
{
	struct lmdb_env *e = data;
	MDB_txn *txn = e->writer;

	e->writer = NULL;
	return mdb_txn_commit(txn);
}

enum status
lmdb_env_commit(struct lmdb_env *e, struct error *error)
{
	enum status status = lmdb_env_guarded(e, commit_write, e, error);

	e->writer = NULL;
	(void)flock(lock_of(e), LOCK_UN);
	return status;
}

/* ---- keys ---- */

void
lmdb_key_make(struct lmdb_key *key, struct slice text)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	key->len = text.len <= LMDB_KEY_BYTES ? text.len : LMDB_KEY_BYTES;
	memcpy(key->bytes, text.data, key->len);
	if (text.len <= LMDB_KEY_BYTES)
		return;
	(void)EVP_Digest(text.data, text.len, digest, NULL, EVP_sha1(), NULL);
	memcpy(key->bytes + LMDB_KEY_BYTES, digest, LMDB_DIGEST_BYTES);
	key->len += LMDB_DIGEST_BYTES;
}
