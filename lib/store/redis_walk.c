/*
 * redis_walk.c - all keys of Bayes in Redis: to be shown, saved, removed
 */
#include "store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/strbuf.h"
#include "util/vec.h"

/* ---- all of them ---- */

struct scan {
	struct redis_complaint complaint;
	struct arena *arena;
	slice_vec keys;  /* without prefix and kind */
	size_t head_len; /* of these */
	char cursor[32];
	bool is_bad;
};

static void
take_scan(void *data, const struct redis_value *value)
{
	struct scan *scan = data;
	struct slice key;

	redis_complaint_note(&scan->complaint, value);
	if (value->depth == 1 && value->type == REDIS_TEXT)
		(void)snprintf(scan->cursor, sizeof(scan->cursor), "%.*s", SLICE_FMT(value->text));
	if (value->depth != 2 || value->text.len < scan->head_len)
		return;
	key = arena_dup(scan->arena, slice_from(value->text, scan->head_len));
	if (key.data == NULL || vec_push(scan->arena, &scan->keys, key) == NULL)
		scan->is_bad = true;
}

static int
by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* A key can be told twice while the server makes room for more. */
static void
sort_keys(slice_vec *keys)
{
	size_t kept = 0;

	if (keys->count > 0)
		qsort(keys->items, keys->count, sizeof(*keys->items), by_bytes);
	for (size_t i = 0; i < keys->count; i++)
		if (kept == 0 || !slice_eq(keys->items[i], keys->items[kept - 1]))
			keys->items[kept++] = keys->items[i];
	keys->count = kept;
}

/* Prefix and kind of keys as SCAN's pattern: nothing in them is a wildcard. */
static struct slice
scan_pattern(struct arena *arena, struct slice prefix, struct slice kind)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < prefix.len; i++) {
		if (memchr("*?[]\\", prefix.data[i], 5) != NULL)
			strbuf_add_byte(&out, '\\');
		strbuf_add_byte(&out, prefix.data[i]);
	}
	strbuf_add(&out, kind);
	strbuf_add_byte(&out, '*');
	return strbuf_slice(&out);
}

static enum status
find_keys(struct redis_store *s, struct redis_link *link, struct arena *arena, struct slice kind,
          slice_vec *keys_r, struct error *error)
{
	struct scan scan = {.arena = arena, .head_len = s->prefix.len + kind.len, .cursor = "0"};
	struct slice pattern = scan_pattern(arena, s->prefix, kind);
	enum status status;

	do {
		redis_begin_command(&s->out, "SCAN", 5);
		redis_commands_argument(&s->out, slice_from_cstr(scan.cursor));
		redis_commands_argument(&s->out, SLICE("MATCH"));
		redis_commands_argument(&s->out, pattern);
		redis_commands_argument(&s->out, SLICE("COUNT"));
		redis_commands_number(&s->out, REDIS_PIECE);
		status = redis_run(s, link, take_scan, &scan, REDIS_WALK_MS, error);
		if (status == STATUS_OK)
			status = redis_complain(s, link, &scan.complaint, error);
	} while (status == STATUS_OK && strcmp(scan.cursor, "0") != 0);
	if (status == STATUS_OK && scan.is_bad)
		status = error_set(error, STATUS_LIMIT, "no memory for all keys of Redis");
	sort_keys(&scan.keys);
	*keys_r = scan.keys;
	return status;
}

/* There are no times of use: now, as the reference says. */
static enum status
walk_tokens(struct redis_store *s, struct arena *arena, store_token_fn fn, void *data,
            struct error *error)
{
	struct store_counts counts[REDIS_PIECE];
	struct store_key list[REDIS_PIECE];
	slice_vec keys;
	enum status status = find_keys(s, &s->reader, arena, SLICE("w:"), &keys, error);
	uint32_t now = (uint32_t)clock_wall_s();

	for (size_t at = 0; status == STATUS_OK && at < keys.count;) {
		size_t n = 0;

		for (; at < keys.count && n < REDIS_PIECE; at++)
			if (keys.items[at].len == STORE_KEY_BYTES)
				memcpy(list[n++].bytes, keys.items[at].data, STORE_KEY_BYTES);
		status = redis_lookup(&s->store, list, n, counts, error);
		for (size_t i = 0; status == STATUS_OK && i < n; i++) {
			struct store_token token = {list[i], counts[i]};

			token.counts.atime = now;
			if ((counts[i].spam != 0 || counts[i].ham != 0) && !fn(data, &token))
				return STATUS_OK;
		}
	}
	return status;
}

struct flags {
	struct redis_complaint complaint;
	char values[REDIS_PIECE];
	size_t count;
};

static void
take_flags(void *data, const struct redis_value *value)
{
	struct flags *flags = data;

	redis_complaint_note(&flags->complaint, value);
	if (value->depth == 1 && flags->count < REDIS_PIECE)
		flags->values[flags->count++] = value->type == REDIS_TEXT && value->text.len > 0
		                                        ? (char)value->text.data[0]
		                                        : 0;
}

static enum status
walk_seen(struct redis_store *s, struct arena *arena, store_seen_fn fn, void *data,
          struct error *error)
{
	slice_vec keys;
	enum status status = find_keys(s, &s->reader, arena, SLICE("s:"), &keys, error);

	for (size_t at = 0; status == STATUS_OK && at < keys.count; at += REDIS_PIECE) {
		size_t n = keys.count - at < REDIS_PIECE ? keys.count - at : REDIS_PIECE;
		struct flags flags = {.count = 0};

		redis_begin_command(&s->out, "MGET", n);
		for (size_t i = 0; i < n; i++)
			redis_commands_key(&s->out, s->prefix, SLICE("s:"), keys.items[at + i]);
		status = redis_run(s, &s->reader, take_flags, &flags, REDIS_WALK_MS, error);
		if (status == STATUS_OK)
			status = redis_complain(s, &s->reader, &flags.complaint, error);
		for (size_t i = 0; status == STATUS_OK && i < flags.count; i++)
			if (flags.values[i] != 0 && !fn(data, keys.items[at + i], flags.values[i]))
				return STATUS_OK;
	}
	return status;
}

enum status
redis_each_token(struct store *store, store_token_fn fn, void *data, struct error *error)
{
	struct arena *arena = arena_create(0);
	enum status status = arena == NULL
	                             ? error_set(error, STATUS_LIMIT, "no memory for the tokens")
	                             : walk_tokens(redis_of(store), arena, fn, data, error);

	arena_destroy(&arena);
	return status;
}

enum status
redis_each_seen(struct store *store, store_seen_fn fn, void *data, struct error *error)
{
	struct arena *arena = arena_create(0);
	enum status status = arena == NULL
	                             ? error_set(error, STATUS_LIMIT, "no memory for message ids")
	                             : walk_seen(redis_of(store), arena, fn, data, error);

	arena_destroy(&arena);
	return status;
}

/* ---- away with it ---- */

static void
add_deletions(struct redis_store *s, struct slice kind, const slice_vec *keys)
{
	for (size_t at = 0; at < keys->count; at += REDIS_PIECE) {
		size_t n = keys->count - at < REDIS_PIECE ? keys->count - at : REDIS_PIECE;

		redis_begin_command(&s->changes, "DEL", n);
		for (size_t i = at; i < at + n; i++)
			redis_commands_key(&s->changes, s->prefix, kind, keys->items[i]);
	}
}

static enum status
delete_kinds(struct redis_store *s, const char *kinds, struct error *error)
{
	struct arena *arena = arena_create(0);
	enum status status = STATUS_OK;

	if (arena == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for all keys of Redis");
	for (; status == STATUS_OK && *kinds != '\0'; kinds++) {
		unsigned char kind[2] = {(unsigned char)*kinds, ':'};
		slice_vec keys;

		status = find_keys(s, s->writer, arena, slice_of(kind, 2), &keys, error);
		if (status == STATUS_OK)
			add_deletions(s, slice_of(kind, 2), &keys);
	}
	arena_destroy(&arena);
	return status;
}

enum status
redis_empty(struct store *store, struct error *error)
{
	struct redis_store *s = redis_of(store);
	enum status status;

	redis_reset_transaction(s);
	redis_begin_command(&s->changes, "MULTI", 0);
	status = delete_kinds(s, "wsv", error);
	if (status != STATUS_OK)
		return status;
	redis_add_variables(s);
	s->is_multi = s->is_emptied = s->has_base = true;
	s->base = (struct store_variables){0};
	return redis_send_when_large(s, error);
}

/* Only what is Bayes', whatever else the database holds. */
enum status
redis_remove(const struct store_config *config, struct error *error)
{
	struct redis_complaint complaint = {""};
	struct redis_store *s;
	struct store *store;
	enum status status = redis_open_store(config, true, &store, error);

	if (status != STATUS_OK)
		return status;
	s = redis_of(store);
	status = redis_begin(store, 0, error);
	if (status == STATUS_OK)
		status = delete_kinds(s, "wsv", error);
	if (status == STATUS_OK)
		status = redis_link_run(s->writer, &s->changes, redis_complaint_take, &complaint,
		                        redis_soon(REDIS_WALK_MS), error);
	if (status == STATUS_OK)
		status = redis_complain(s, s->writer, &complaint, error);
	redis_close_store(store);
	return status;
}
