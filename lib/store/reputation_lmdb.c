/*
 * reputation_lmdb.c - the embedded list of senders: one file, many processes
 *
 * File: PATH itself.  Where the reference's list (a Berkeley DB hash) has that name, PATH.lmdb, and
 * what the old list holds is taken over once; the old file stays as it is.  Trees: "senders"
 * ("ADDRESS|ip=IP" -> count, total) and "state" ("imported").  See lmdb_env.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb_env.h"
#include "store/reputation.h"
#include "store/reputation_import.h"
#include "util/file.h"

enum {
	MAGIC_AT = 16, /* in the first page of LMDB */
	HEAD_BYTES = 20,
	IMPORT_WAIT_MS = 2000,
	IMPORT_BYTES_MAX = 1 << 30
};
#define LMDB_MAGIC UINT32_C(0xBEEFC0DE)

struct lmdb_list {
	struct reputation base;
	struct lmdb_env e;
	MDB_dbi senders, state;
};

struct record { /* of "senders"; the text of the key follows where the key does not hold it all */
	int64_t count;
	double total;
};

static struct lmdb_list *
list_of(struct reputation *list)
{
	return (struct lmdb_list *)(void *)list;
}

/* ---- calls of the library, guarded ---- */

struct call {
	struct lmdb_list *l;
	int (*fn)(struct lmdb_list *l, void *data);
	void *data;
};

static int
run_call(void *data)
{
	const struct call *call = data;

	return call->fn(call->l, call->data);
}

static enum status
guarded(struct reputation *list, int (*fn)(struct lmdb_list *l, void *data), void *data,
        struct error *error)
{
	struct call call = {list_of(list), fn, data};

	return lmdb_env_guarded(&call.l->e, run_call, &call, error);
}

/* ---- keys ---- */

/* "ADDRESS|ip=IP", in out; cut where no address is that long. */
static struct slice
key_text(const struct reputation_key *key, unsigned char *out)
{
	size_t address = key->address.len, ip = key->ip.len;

	if (ip > 64)
		ip = 64;
	if (address > LMDB_TEXT_BYTES_MAX - 128)
		address = LMDB_TEXT_BYTES_MAX - 128;
	if (address > 0)
		memcpy(out, key->address.data, address);
	memcpy(out + address, "|ip=", 4);
	if (ip > 0)
		memcpy(out + address + 4, key->ip.data, ip);
	return slice_of(out, address + 4 + ip);
}

static bool
key_parse(struct slice text, struct reputation_key *key_r)
{
	size_t at = slice_find(text, SLICE("|ip="), 0);

	if (at == SLICE_NPOS)
		return false;
	*key_r = (struct reputation_key){.address = slice_sub(text, 0, at),
	                                 .ip = slice_from(text, at + 4)};
	return true;
}

/* ---- reading ---- */

struct entry_call {
	struct slice text;
	struct reputation_entry *entry;
};

static int
read_entry(struct lmdb_list *l, void *data)
{
	const struct entry_call *call = data;
	struct lmdb_key id;
	struct record record;
	MDB_val key, value;
	MDB_txn *txn = NULL;
	int rc = lmdb_env_begin_read(&l->e, &txn);

	if (rc != 0)
		return rc;
	lmdb_key_make(&id, call->text);
	key = (MDB_val){id.len, id.bytes};
	rc = mdb_get(txn, l->senders, &key, &value);
	if (rc == 0 && value.mv_size >= sizeof(record)) {
		memcpy(&record, value.mv_data, sizeof(record));
		*call->entry = (struct reputation_entry){record.count, record.total};
	}
	lmdb_env_end_read(&l->e, txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
get(struct reputation *list, const struct reputation_key *key, struct reputation_entry *entry_r,
    struct error *error)
{
	unsigned char text[LMDB_TEXT_BYTES_MAX];
	struct entry_call call = {key_text(key, text), entry_r};

	return guarded(list, read_entry, &call, error);
}

struct walk_call {
	reputation_fn fn;
	void *data;
};

static bool
walk_one(const struct walk_call *call, const MDB_val *key, const MDB_val *value)
{
	struct slice text = slice_of(key->mv_data, key->mv_size);
	struct reputation_entry entry;
	struct reputation_key parts;
	struct record record;

	if (value->mv_size < sizeof(record))
		return true;
	memcpy(&record, value->mv_data, sizeof(record));
	entry = (struct reputation_entry){record.count, record.total};
	if (value->mv_size > sizeof(record))
		text = slice_of((const unsigned char *)value->mv_data + sizeof(record),
		                value->mv_size - sizeof(record));
	return !key_parse(text, &parts) || call->fn(call->data, &parts, &entry);
}

static int
walk(struct lmdb_list *l, void *data)
{
	MDB_cursor *cursor;
	MDB_txn *txn = NULL;
	MDB_val key, value;
	int rc = lmdb_env_begin_read(&l->e, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, l->senders, &cursor);
	if (rc == 0) {
		while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
			if (!walk_one(data, &key, &value))
				break;
		mdb_cursor_close(cursor);
	}
	lmdb_env_end_read(&l->e, txn);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
each(struct reputation *list, reputation_fn fn, void *data, struct error *error)
{
	struct walk_call call = {fn, data};

	return guarded(list, walk, &call, error);
}

/* ---- writing ---- */

static enum status
begin(struct reputation *list, int64_t wait_ms, struct error *error)
{
	return lmdb_env_begin(&list_of(list)->e, wait_ms, error);
}

static enum status
commit(struct reputation *list, struct error *error)
{
	return lmdb_env_commit(&list_of(list)->e, error);
}

static void
abort_list(struct reputation *list)
{
	lmdb_env_abort(&list_of(list)->e);
}

static int
write_entry(struct lmdb_list *l, void *data)
{
	const struct entry_call *call = data;
	unsigned char room[sizeof(struct record) + LMDB_TEXT_BYTES_MAX];
	struct record record = {call->entry->count, call->entry->total};
	struct lmdb_key id;
	MDB_val key, value = {sizeof(record), room};

	lmdb_key_make(&id, call->text);
	key = (MDB_val){id.len, id.bytes};
	memcpy(room, &record, sizeof(record));
	if (call->text.len > LMDB_KEY_BYTES) {
		memcpy(room + sizeof(record), call->text.data, call->text.len);
		value.mv_size += call->text.len;
	}
	return mdb_put(l->e.writer, l->senders, &key, &value, 0);
}

static enum status
put(struct reputation *list, const struct reputation_key *key, struct reputation_entry *entry,
    struct error *error)
{
	unsigned char text[LMDB_TEXT_BYTES_MAX];
	struct entry_call call = {key_text(key, text), entry};

	return guarded(list, write_entry, &call, error);
}

static enum status
add(struct reputation *list, const struct reputation_key *key, struct reputation_entry *entry,
    double score, struct error *error)
{
	struct reputation_entry moved = {entry->count + 1,
	                                 reputation_as_written(entry->total + score)};
	enum status status = put(list, key, &moved, error);

	if (status == STATUS_OK)
		*entry = moved;
	return status;
}

static int
remove_one(struct lmdb_list *l, void *data)
{
	const struct entry_call *call = data;
	struct lmdb_key id;
	MDB_val key;
	int rc;

	lmdb_key_make(&id, call->text);
	key = (MDB_val){id.len, id.bytes};
	rc = mdb_del(l->e.writer, l->senders, &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Does this entry belong to the address that text ("ADDRESS|") begins with? */
static bool
is_of_address(struct slice text, const MDB_val *key, const MDB_val *value)
{
	struct slice whole = slice_of(key->mv_data, key->mv_size);

	if (value->mv_size > sizeof(struct record))
		whole = slice_of((const unsigned char *)value->mv_data + sizeof(struct record),
		                 value->mv_size - sizeof(struct record));
	return slice_starts(whole, text);
}

static int
remove_all(struct lmdb_list *l, void *data)
{
	const struct entry_call *call = data;
	struct slice text = slice_sub(call->text, 0, slice_rfind_byte(call->text, '|') + 1);
	struct slice begin = slice_sub(text, 0, LMDB_KEY_BYTES);
	MDB_cursor *cursor;
	MDB_val key = {begin.len, (void *)(uintptr_t)begin.data}, value;
	int rc = mdb_cursor_open(l->e.writer, l->senders, &cursor);

	if (rc != 0)
		return rc;
	for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
	     rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		if (!slice_starts(slice_of(key.mv_data, key.mv_size), begin))
			break;
		if (is_of_address(text, &key, &value) && (rc = mdb_cursor_del(cursor, 0)) != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static enum status
remove_entry(struct reputation *list, const struct reputation_key *key, bool all_of_address,
             struct error *error)
{
	unsigned char text[LMDB_TEXT_BYTES_MAX];
	struct entry_call call = {key_text(key, text), NULL};

	return guarded(list, all_of_address ? remove_all : remove_one, &call, error);
}

/* ---- what the reference's list holds ---- */

struct import {
	struct reputation *list;
	size_t count;
	enum status status;
	struct error *error;
};

/* Somebody may have scored since: both count. */
static bool
import_one(void *data, const struct reputation_key *key, const struct reputation_entry *entry)
{
	struct import *import = data;
	struct reputation_entry sum = {0};

	import->status = get(import->list, key, &sum, import->error);
	sum.count += entry->count;
	sum.total = reputation_as_written(sum.total + entry->total);
	if (import->status == STATUS_OK)
		import->status = put(import->list, key, &sum, import->error);
	import->count++;
	return import->status == STATUS_OK;
}

static int
read_imported(struct lmdb_list *l, void *data)
{
	MDB_val key = {8, (void *)(uintptr_t) "imported"}, value;
	MDB_txn *txn = NULL;
	int rc = lmdb_env_begin_read(&l->e, &txn);

	(void)data;
	if (rc != 0)
		return rc;
	rc = mdb_get(txn, l->state, &key, &value);
	lmdb_env_end_read(&l->e, txn);
	return rc;
}

static int
write_imported(struct lmdb_list *l, void *data)
{
	MDB_val key = {8, (void *)(uintptr_t) "imported"}, value = {1, (void *)(uintptr_t) "1"};

	(void)data;
	return mdb_put(l->e.writer, l->state, &key, &value, 0);
}

static enum status
import_text(struct reputation *list, struct slice text, struct import *import, struct error *error)
{
	enum status status;

	*import = (struct import){.list = list, .status = STATUS_OK, .error = error};
	status = reputation_import(text, import_one, import, error);
	if (status == STATUS_OK)
		status = import->status;
	if (status == STATUS_OK)
		status = guarded(list, write_imported, NULL, error);
	return status;
}

/* Once: whoever is second finds that it was done. */
static enum status
import_old(struct reputation *list, const char *path, const struct log *log, struct error *error)
{
	struct arena *arena;
	struct import import = {0};
	struct slice text;
	enum status status = guarded(list, read_imported, NULL, error);

	if (status != STATUS_NONE)
		return status;
	status = begin(list, IMPORT_WAIT_MS, error);
	if (status != STATUS_OK)
		return status;
	status = guarded(list, read_imported, NULL, error);
	if (status != STATUS_NONE) {
		abort_list(list);
		return status;
	}
	arena = arena_create(0);
	status = arena == NULL ? error_set(error, STATUS_LIMIT, "no memory for %s", path)
	                       : file_read(arena, path, IMPORT_BYTES_MAX, &text, error);
	if (status == STATUS_OK)
		status = import_text(list, text, &import, error);
	arena_destroy(&arena);
	if (status != STATUS_OK) {
		abort_list(list);
		return status;
	}
	status = commit(list, error);
	if (status == STATUS_OK)
		log_info(log, "auto-welcomelist", "%zu entries of %s taken over", import.count,
		         path);
	return status;
}

/* ---- opening ---- */

enum found { FOUND_NOTHING, FOUND_OURS, FOUND_BERKELEY, FOUND_OTHER, FOUND_ERROR };

static enum found
look_at(const char *path)
{
	unsigned char head[HEAD_BYTES] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint32_t magic;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? FOUND_NOTHING : FOUND_ERROR;
	n = read(fd, head, sizeof(head));
	close(fd);
	if (n < 0)
		return FOUND_ERROR;
	memcpy(&magic, head + MAGIC_AT, sizeof(magic));
	if (n == 0 || (n == HEAD_BYTES && magic == LMDB_MAGIC))
		return FOUND_OURS;
	return n == HEAD_BYTES && reputation_import_knows(slice_of(head, HEAD_BYTES))
	               ? FOUND_BERKELEY
	               : FOUND_OTHER;
}

static enum status
find_path(const struct reputation_config *config, struct lmdb_env *e, bool *import_r,
          struct error *error)
{
	static const char remedy[] = "move it away, and a new one is begun";
	enum found found;
	struct stat st;
	int saved_errno;

	if (!lmdb_env_init(e, config->path, ".lmdb", remedy))
		return error_set(error, STATUS_BAD, "auto_welcomelist_path is too long");
	found = look_at(config->path);
	saved_errno = errno;
	*import_r = found == FOUND_BERKELEY;
	if (*import_r || stat(e->path, &st) == 0)
		return STATUS_OK;
	(void)lmdb_env_init(e, config->path, "", remedy);
	/* The reference's words, which people look for. */
	if (found == FOUND_ERROR)
		return error_set(error, STATUS_IO,
		                 "cannot create tmp lockfile or list of senders %s: %s",
		                 config->path, strerror(saved_errno));
	if (found == FOUND_OTHER)
		return error_set(error, STATUS_BAD,
		                 "%s is damaged, or no list of Winnow's or Berkeley DB's: %s",
		                 config->path, remedy);
	return STATUS_OK;
}

static enum status
open_mutex(struct lmdb_list *l, const struct reputation_config *config, struct error *error)
{
	char path[LMDB_PATH_BYTES + 8];
	mode_t old = umask(0);

	(void)snprintf(path, sizeof(path), "%s.mutex", config->path);
	l->e.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, config->file_mode & 0666);
	umask(old);
	return l->e.lock_fd >= 0 ? STATUS_OK
	                         : error_set(error, STATUS_IO, "%s: %s", path, strerror(errno));
}

static void
close_list(struct reputation *list)
{
	lmdb_env_close(&list_of(list)->e);
	free(list);
}

static enum status
open_list(const struct reputation_config *config, bool create, struct reputation **list_r,
          struct error *error)
{
	struct lmdb_list *l = calloc(1, sizeof(*l));
	bool is_import = false;
	enum status status;

	if (l == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the list of senders");
	const struct lmdb_tree trees[] = {{"senders", &l->senders}, {"state", &l->state}};

	status = find_path(config, &l->e, &is_import, error);
	if (status == STATUS_OK)
		status = lmdb_env_open(&l->e, config->file_mode, create, trees,
		                       sizeof(trees) / sizeof(trees[0]), error);
	if (status == STATUS_OK && config->has_mutex && create)
		status = open_mutex(l, config, error);
	if (status == STATUS_OK && is_import && create)
		status = import_old(&l->base, config->path, config->log, error);
	if (status == STATUS_OK)
		*list_r = &l->base;
	else
		close_list(&l->base);
	return status;
}

static bool
is_current(const struct reputation *list)
{
	return lmdb_env_is_current(&((const struct lmdb_list *)(const void *)list)->e);
}

static const char *const factories[] = {"", "DBBasedAddrList", NULL};

const struct reputation_backend reputation_lmdb = {
	.name = "embedded",
	.factories = factories,
	.is_file = true,
	.open = open_list,
	.close = close_list,
	.is_current = is_current,
	.begin = begin,
	.commit = commit,
	.abort = abort_list,
	.get = get,
	.add = add,
	.remove = remove_entry,
	.each = each,
};
