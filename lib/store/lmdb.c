/*
 * lmdb.c - the embedded store of what was learned: one file, many processes
 *
 * Files: PATH.lmdb and PATH.lmdb-lock.  Three trees: "tokens" (key -> counts), "seen" (message id
 * -> flag, id), "state" (one record of variables).  See lmdb_env.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/lmdb_env.h"
#include "store/store.h"

enum { COUNTS_BYTES = 12, STATE_FORMAT = 1 };

struct lmdb_store {
	struct store base;
	struct lmdb_env e;
	MDB_dbi tokens, seen, state;
	struct store_variables variables; /* of the writer */
	bool has_variables;
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

/* ---- calls of the library, guarded ---- */

struct call {
	struct lmdb_store *s;
	int (*fn)(struct lmdb_store *s, void *data);
	void *data;
};

static int
run_call(void *data)
{
	const struct call *call = data;

	return call->fn(call->s, call->data);
}

static enum status
guarded(struct lmdb_store *s, int (*fn)(struct lmdb_store *s, void *data), void *data,
        struct error *error)
{
	struct call call = {s, fn, data};

	return lmdb_env_guarded(&s->e, run_call, &call, error);
}

/* ---- opening ---- */

static void
close_store(struct store *store)
{
	struct lmdb_store *s = lmdb_of(store);

	lmdb_env_close(&s->e);
	free(s);
}

static enum status
open_store(const struct store_config *config, bool create, struct store **store_r,
           struct error *error)
{
	struct lmdb_store *s = calloc(1, sizeof(*s));
	enum status status;

	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	const struct lmdb_tree trees[] = {
		{"tokens", &s->tokens}, {"seen", &s->seen}, {"state", &s->state}};
	if (!lmdb_env_init(&s->e, config->path, ".lmdb",
	                   "repair it with sa-learn --restore of a backup, or start anew with "
	                   "sa-learn --clear")) {
		free(s);
		return error_set(error, STATUS_BAD, "bayes_path is too long");
	}
	status = lmdb_env_open(&s->e, config->file_mode, create, trees,
	                       sizeof(trees) / sizeof(trees[0]), error);
	if (status == STATUS_OK)
		*store_r = &s->base;
	else
		close_store(&s->base);
	return status;
}

static bool
is_current(const struct store *store)
{
	return lmdb_env_is_current(&((const struct lmdb_store *)(const void *)store)->e);
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

	if (s->e.writer != NULL && s->has_variables) {
		*variables = s->variables;
		return 0;
	}
	rc = lmdb_env_begin_read(&s->e, &txn);
	if (rc != 0)
		return rc;
	rc = mdb_get(txn, s->state, &key, &value);
	if (rc == 0 && value.mv_size == sizeof(record)) {
		memcpy(&record, value.mv_data, sizeof(record));
		*variables = record.variables;
	}
	lmdb_env_end_read(&s->e, txn);
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
	int rc = lmdb_env_begin_read(&s->e, &txn);

	for (size_t i = 0; rc == 0 && i < call->count; i++) {
		MDB_val key = {STORE_KEY_BYTES, (void *)(uintptr_t)call->keys[i].bytes}, value;

		rc = mdb_get(txn, s->tokens, &key, &value);
		call->counts[i] = (struct store_counts){0};
		if (rc == 0)
			counts_read(&value, &call->counts[i]);
		else if (rc == MDB_NOTFOUND)
			rc = 0;
	}
	lmdb_env_end_read(&s->e, txn);
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

struct seen_call {
	struct slice id;
	char flag;
};

static int
read_seen(struct lmdb_store *s, void *data)
{
	struct seen_call *call = data;
	struct lmdb_key id;
	MDB_val key, value;
	MDB_txn *txn = NULL;
	int rc = lmdb_env_begin_read(&s->e, &txn);

	if (rc != 0)
		return rc;
	lmdb_key_make(&id, call->id);
	key = (MDB_val){id.len, id.bytes};
	rc = mdb_get(txn, s->seen, &key, &value);
	if (rc == 0 && value.mv_size >= 1)
		call->flag = *(const char *)value.mv_data;
	lmdb_env_end_read(&s->e, txn);
	return rc;
}

static enum status
seen(struct store *store, struct slice message_id, char *flag_r, struct error *error)
{
	struct seen_call call = {slice_sub(message_id, 0, LMDB_TEXT_BYTES_MAX), 0};
	enum status status = guarded(lmdb_of(store), read_seen, &call, error);

	*flag_r = call.flag;
	return status;
}

/* The value: the flag, and the id itself where the key does not hold all of it. */
static int
write_seen(struct lmdb_store *s, void *data)
{
	const struct seen_call *call = data;
	unsigned char text[1 + LMDB_TEXT_BYTES_MAX];
	struct lmdb_key id;
	MDB_val key, value = {1, text};

	lmdb_key_make(&id, call->id);
	key = (MDB_val){id.len, id.bytes};
	if (call->flag == 0) {
		int rc = mdb_del(s->e.writer, s->seen, &key, NULL);

		return rc == MDB_NOTFOUND ? 0 : rc;
	}
	text[0] = (unsigned char)call->flag;
	if (call->id.len > LMDB_KEY_BYTES) {
		memcpy(text + 1, call->id.data, call->id.len);
		value.mv_size = 1 + call->id.len;
	}
	return mdb_put(s->e.writer, s->seen, &key, &value, 0);
}

static enum status
put_seen(struct store *store, struct slice message_id, char flag, struct error *error)
{
	struct seen_call call = {slice_sub(message_id, 0, LMDB_TEXT_BYTES_MAX), flag};

	return guarded(lmdb_of(store), write_seen, &call, error);
}

/* ---- writing ---- */

static enum status
begin(struct store *store, int64_t wait_ms, struct error *error)
{
	struct lmdb_store *s = lmdb_of(store);
	enum status status = lmdb_env_begin(&s->e, wait_ms, error);

	s->has_variables = false;
	if (status != STATUS_OK)
		return status;
	status = guarded(s, read_variables, &s->variables, error);
	if (status == STATUS_OK)
		s->has_variables = true;
	else
		store->backend->abort(store);
	return status;
}

static void
abort_store(struct store *store)
{
	struct lmdb_store *s = lmdb_of(store);

	lmdb_env_abort(&s->e);
	s->has_variables = false;
}

static int
write_variables(struct lmdb_store *s, void *data)
{
	struct record record = {STATE_FORMAT, s->variables};
	MDB_val key = {5, (void *)(uintptr_t) "state"}, value = {sizeof(record), &record};

	(void)data;
	return mdb_put(s->e.writer, s->state, &key, &value, 0);
}

static enum status
commit(struct store *store, struct error *error)
{
	struct lmdb_store *s = lmdb_of(store);
	enum status status = guarded(s, write_variables, NULL, error);

	if (status == STATUS_OK)
		status = lmdb_env_commit(&s->e, error);
	else
		lmdb_env_abort(&s->e);
	s->has_variables = false;
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
	int rc = mdb_cursor_open(s->e.writer, s->tokens, &cursor);

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

	return mdb_put(s->e.writer, s->tokens, &key, &value, 0);
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
	int rc = lmdb_env_begin_read(&s->e, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_cursor_open(txn, call->token_fn != NULL ? s->tokens : s->seen, &cursor);
	if (rc == 0) {
		while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
			if (!walk_one(call, &key, &value))
				break;
		mdb_cursor_close(cursor);
	}
	lmdb_env_end_read(&s->e, txn);
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
	int rc = mdb_cursor_open(s->e.writer, s->tokens, &cursor);

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
	int rc = mdb_drop(s->e.writer, s->tokens, 0);

	(void)data;
	s->variables = (struct store_variables){0};
	return rc != 0 ? rc : mdb_drop(s->e.writer, s->seen, 0);
}

static enum status
empty(struct store *store, struct error *error)
{
	return guarded(lmdb_of(store), empty_all, NULL, error);
}

static bool
make_path(char *out, const char *path, const char *end)
{
	int n = snprintf(out, LMDB_PATH_BYTES, "%s%s", path, end);

	return n > 0 && n < LMDB_PATH_BYTES;
}

static enum status
remove_files(const struct store_config *config, struct error *error)
{
	char path[LMDB_PATH_BYTES];

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
