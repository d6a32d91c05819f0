/*
 * redis_write.c - transactions with Redis
 *
 * Commands are held until the commit, and then sent between MULTI and EXEC; times of use alone are
 * sent without, and nobody waits for an answer.
 */
#include "store/redis_store.h"

#include <stdlib.h>

enum { STREAM_BYTES = 1 << 20 };

/* ---- transactions ---- */

void
redis_reset_transaction(struct redis_store *s)
{
	redis_commands_clear(&s->changes);
	s->is_multi = s->is_emptied = s->has_base = false;
	s->spam = s->ham = 0;
	arena_reset(s->seen_arena);
	hashmap_init(&s->seen, s->seen_arena);
}

/* A server to write to, apart from those to read from, is not asked all the time either. */
static enum status
lost_writer(struct redis_store *s, enum status status, const struct error *error)
{
	if (s->servers.is_one || status == STATUS_OK)
		return redis_lost(s, status, error);
	s->writer_failed_ms = clock_monotonic_ms();
	s->writer_failure = *error;
	return status;
}

static enum status
open_writer(struct redis_store *s, struct error *error)
{
	if (s->is_lost) {
		*error = s->failure;
		return STATUS_AGAIN;
	}
	if (s->writer_failed_ms != 0 &&
	    clock_monotonic_ms() - s->writer_failed_ms < REDIS_RETRY_MS) {
		*error = s->writer_failure;
		return STATUS_AGAIN;
	}
	s->writer_failed_ms = 0;
	return lost_writer(s, redis_link_open(s->writer, redis_soon(REDIS_ANSWER_MS), error),
	                   error);
}

/* Nobody waits for anybody: wait_ms says nothing. */
enum status
redis_begin(struct store *store, int64_t wait_ms, struct error *error)
{
	struct redis_store *s = redis_of(store);

	(void)wait_ms;
	redis_reset_transaction(s);
	return open_writer(s, error);
}

void
redis_abort(struct store *store)
{
	struct redis_store *s = redis_of(store);

	/* What was sent already is dropped by the server with the connection. */
	if (s->is_emptied)
		redis_link_close(s->writer);
	redis_reset_transaction(s);
}

/* A database that is new. */
void
redis_add_variables(struct redis_store *s)
{
	struct redis_commands *c = &s->changes;

	redis_begin_command(c, "MSETNX", 8);
	redis_add_name(s, c, "DB_VERSION");
	redis_commands_number(c, STORE_VERSION);
	redis_add_name(s, c, "NSPAM");
	redis_commands_number(c, 0);
	redis_add_name(s, c, "NHAM");
	redis_commands_number(c, 0);
	redis_add_name(s, c, "TOKEN_FORMAT");
	redis_commands_number(c, 2);
}

/* Before the first change: from here on it is all or nothing. */
static void
begin_multi(struct redis_store *s)
{
	if (s->is_multi)
		return;
	s->is_multi = true;
	redis_begin_command(&s->changes, "MULTI", 0);
	redis_add_variables(s);
}

/* What takes the place of all there was is too much to be held here. */
enum status
redis_send_when_large(struct redis_store *s, struct error *error)
{
	if (!s->is_emptied || s->changes.len < STREAM_BYTES)
		return STATUS_OK;
	return lost_writer(
		s, redis_link_send(s->writer, &s->changes, redis_soon(REDIS_WALK_MS), error),
		error);
}

static void
add_counter(struct redis_store *s, const char *name, int64_t by)
{
	if (by == 0)
		return;
	redis_begin_command(&s->changes, "INCRBY", 2);
	redis_add_name(s, &s->changes, name);
	redis_commands_number(&s->changes, by);
}

enum status
redis_commit(struct store *store, struct error *error)
{
	struct redis_store *s = redis_of(store);
	struct redis_complaint complaint = {""};
	enum status status;

	if (s->spam != 0 || s->ham != 0)
		begin_multi(s);
	if (!s->is_multi) {
		status = s->changes.count == 0
		                 ? STATUS_OK
		                 : redis_link_send(s->writer, &s->changes,
		                                   redis_soon(REDIS_ANSWER_MS), error);
		redis_reset_transaction(s);
		return lost_writer(s, status, error);
	}
	add_counter(s, "NSPAM", s->spam);
	add_counter(s, "NHAM", s->ham);
	redis_begin_command(&s->changes, "EXEC", 0);
	status = redis_link_run(s->writer, &s->changes, redis_complaint_take, &complaint,
	                        redis_soon(s->is_emptied ? REDIS_WALK_MS : REDIS_ANSWER_MS), error);
	redis_reset_transaction(s);
	return status == STATUS_OK ? redis_complain(s, s->writer, &complaint, error)
	                           : lost_writer(s, status, error);
}

enum status
redis_set_variables(struct store *store, const struct store_variables *v, struct error *error)
{
	struct redis_store *s = redis_of(store);
	enum status status = redis_load_base(s, error);

	if (status != STATUS_OK)
		return status;
	s->spam = (int64_t)(v->spam_messages - s->base.spam_messages);
	s->ham = (int64_t)(v->ham_messages - s->base.ham_messages);
	return STATUS_OK;
}

/* ---- writing ---- */

static void
add_expire(struct redis_store *s, const struct store_key *key, int64_t seconds)
{
	if (seconds == 0)
		return;
	redis_begin_command(&s->changes, "EXPIRE", 2);
	redis_add_token(s, &s->changes, key);
	redis_commands_number(&s->changes, seconds);
}

static void
add_increment(struct redis_store *s, const struct store_key *key, const char *field, int64_t by)
{
	if (by <= 0)
		return;
	redis_begin_command(&s->changes, "HINCRBY", 3);
	redis_add_token(s, &s->changes, key);
	redis_commands_argument(&s->changes, slice_from_cstr(field));
	redis_commands_number(&s->changes, by);
}

/*
 * Not below 0, and what is 0 is not there: only the server knows, so it decides.  One call for a
 * message, as a script: an eighth of the bytes, and one reply.
 */
static void
add_changes(struct redis_store *s, const struct store_key *keys, size_t count, const char *field,
            int by)
{
	static const char script[] = "local ttl = tonumber(ARGV[3]) "
				     "for _, key in ipairs(KEYS) do "
				     "if redis.call('HINCRBY', key, ARGV[1], ARGV[2]) <= 0 then "
				     "redis.call('HDEL', key, ARGV[1]) "
				     "elseif ttl > 0 then redis.call('EXPIRE', key, ttl) end end";

	for (size_t at = 0; by != 0 && at < count; at += REDIS_PIECE) {
		size_t n = count - at < REDIS_PIECE ? count - at : REDIS_PIECE;

		redis_begin_command(&s->changes, "EVAL", 2 + n + 3);
		redis_commands_argument(&s->changes, slice_from_cstr(script));
		redis_commands_number(&s->changes, (int64_t)n);
		for (size_t i = at; i < at + n; i++)
			redis_add_token(s, &s->changes, &keys[i]);
		redis_commands_argument(&s->changes, slice_from_cstr(field));
		redis_commands_number(&s->changes, by);
		redis_commands_number(&s->changes, s->token_ttl_s);
	}
}

static int
by_key(const void *a, const void *b)
{
	return memcmp(a, b, STORE_KEY_BYTES);
}

/* Each once. */
static struct store_key *
sorted_keys(const struct store_key *keys, size_t *count)
{
	struct store_key *list = malloc((*count + 1) * sizeof(*list));
	size_t kept = 0;

	if (list == NULL)
		return NULL;
	memcpy(list, keys, *count * sizeof(*list));
	qsort(list, *count, sizeof(*list), by_key);
	for (size_t i = 0; i < *count; i++)
		if (i == 0 || by_key(&list[i], &list[kept - 1]) != 0)
			list[kept++] = list[i];
	*count = kept;
	return list;
}

enum status
redis_add(struct store *store, const struct store_key *keys, size_t count, int spam, int ham,
          uint32_t atime, struct error *error)
{
	struct redis_store *s = redis_of(store);
	struct store_key *list = sorted_keys(keys, &count);

	(void)atime;
	if (list == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the tokens");
	begin_multi(s);
	add_changes(s, list, count, "s", spam);
	add_changes(s, list, count, "h", ham);
	free(list);
	return STATUS_OK;
}

enum status
redis_touch(struct store *store, const struct store_key *keys, size_t count, uint32_t atime,
            struct error *error)
{
	struct redis_store *s = redis_of(store);

	(void)atime, (void)error;
	for (size_t i = 0; i < count; i++)
		add_expire(s, &keys[i], s->token_ttl_s);
	return STATUS_OK;
}

/* Many that came at once shall not go at once: 0.7 to 1.7 of the time. */
static int64_t
spread(int64_t seconds)
{
	return seconds * (700 + (int64_t)(drand48() * 1000)) / 1000;
}

enum status
redis_put(struct store *store, const struct store_token *token, struct error *error)
{
	struct redis_store *s = redis_of(store);

	begin_multi(s);
	if (!s->is_emptied) {
		redis_begin_command(&s->changes, "DEL", 1);
		redis_add_token(s, &s->changes, &token->key);
	}
	add_increment(s, &token->key, "s", token->counts.spam);
	add_increment(s, &token->key, "h", token->counts.ham);
	add_expire(s, &token->key, spread(s->token_ttl_s));
	return redis_send_when_large(s, error);
}

/* false: no memory. */
static bool
remember_seen(struct redis_store *s, struct slice message_id, char flag)
{
	char *value = arena_new(s->seen_arena, char);
	struct slice id = arena_dup(s->seen_arena, message_id);

	if (value == NULL || id.data == NULL)
		return false;
	*value = flag;
	return hashmap_set(&s->seen, id, value);
}

enum status
redis_put_seen(struct store *store, struct slice message_id, char flag, struct error *error)
{
	struct redis_store *s = redis_of(store);
	int64_t seconds = s->is_emptied ? spread(s->seen_ttl_s) : s->seen_ttl_s;

	if (!s->is_emptied && !remember_seen(s, message_id, flag))
		return error_set(error, STATUS_LIMIT, "no memory for message ids");
	begin_multi(s);
	redis_begin_command(&s->changes,
	                    flag == 0      ? "DEL"
	                    : seconds != 0 ? "SETEX"
	                                   : "SET",
	                    flag == 0      ? 1
	                    : seconds != 0 ? 3
	                                   : 2);
	redis_commands_key(&s->changes, s->prefix, SLICE("s:"), message_id);
	if (flag != 0 && seconds != 0)
		redis_commands_number(&s->changes, seconds);
	if (flag != 0)
		redis_commands_argument(&s->changes, slice_of(&flag, 1));
	return redis_send_when_large(s, error);
}
