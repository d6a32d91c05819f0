/*
 * redis.c - what was learned, in Redis, as Mail::SpamAssassin::BayesStore::Redis of 4.0.1 keeps it
 *
 *	v:DB_VERSION 3, v:TOKEN_FORMAT 2, v:NSPAM, v:NHAM	numbers
 *	w:<5 bytes>	hash: s (spam), h (ham); expires bayes_token_ttl after its last use
 *	s:<message id>	s or h; expires after bayes_seen_ttl
 *
 * so that both programs can share a server.  The server forgets by itself; there are no times of
 * use and no number of tokens.  One database is for all users.
 *
 * A transaction is a batch of commands between MULTI and EXEC, held here until the commit: other
 * writers never see half of it, and what this process reads meanwhile are committed data and its
 * own message ids and counters (tokens: after the commit).  Counts are only ever added to, so that
 * writers need not wait for each other.  Setting a token's time of use waits for no answer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "store/redis_client.h"
#include "store/redis_config.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/hashmap.h"
#include "util/module.h"
#include "util/strbuf.h"
#include "util/vec.h"

enum {
	ANSWER_MS = 1000, /* one call, of a server that hangs */
	WALK_MS = 30000,  /* one piece of a walk through all keys, or of a restored file */
	RETRY_MS = 10000, /* a server to write to that is not there */
	STREAM_BYTES = 1 << 20,
	PIECE = 1000, /* keys */
	NUMBER_MAX = 2000000000
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

static struct redis_store *
redis_of(struct store *store)
{
	return (struct redis_store *)(void *)store;
}

static int64_t
soon(int64_t ms)
{
	return clock_monotonic_ms() + ms;
}

/* Keeps in mind that the server is not to be asked any more. */
static enum status
lost(struct redis_store *s, enum status status, const struct error *error)
{
	if (status == STATUS_IO) {
		s->is_lost = true;
		s->failure = *error;
	}
	return status;
}

/* ---- replies ---- */

/* What a batch of replies said, when it was an error. */
struct complaint {
	char text[200];
};

static void
note_complaint(struct complaint *complaint, const struct redis_value *value)
{
	if (value->type == REDIS_ERROR && complaint->text[0] == '\0')
		(void)snprintf(complaint->text, sizeof(complaint->text), "%.*s",
		               SLICE_FMT(slice_sub(value->text, 0, 190)));
}

static enum status
complain(struct redis_store *s, const struct redis_link *link, const struct complaint *complaint,
         struct error *error)
{
	bool is_loading = strncmp(complaint->text, "LOADING", 7) == 0;

	if (complaint->text[0] == '\0')
		return STATUS_OK;
	return lost(s,
	            error_set(error, is_loading ? STATUS_IO : STATUS_BAD, "Redis server %s: %s",
	                      link->targets[link->current].name, complaint->text),
	            error);
}

/* Digits; anything else, and less than 0: 0. */
static uint64_t
number_of(const struct redis_value *value)
{
	unsigned long long number = 0;

	if (value->type == REDIS_INTEGER)
		return value->integer < 0 ? 0 : (uint64_t)value->integer;
	if (value->type != REDIS_TEXT || !slice_to_u64(value->text, UINT64_MAX / 2, &number))
		return 0;
	return number;
}

/* The texts of one array, as numbers. */
struct numbers {
	struct complaint complaint;
	uint64_t values[4];
	bool is_there[4];
	size_t count;
};

static void
take_number(void *data, const struct redis_value *value)
{
	struct numbers *n = data;

	note_complaint(&n->complaint, value);
	if (value->depth != 1 || n->count >= 4)
		return;
	n->is_there[n->count] = value->type == REDIS_TEXT;
	n->values[n->count++] = number_of(value);
}

/* ---- commands ---- */

static void
add_name(struct redis_store *s, struct redis_commands *c, const char *variable)
{
	redis_commands_key(c, s->prefix, SLICE("v:"), slice_from_cstr(variable));
}

static void
add_token(struct redis_store *s, struct redis_commands *c, const struct store_key *key)
{
	redis_commands_key(c, s->prefix, SLICE("w:"), slice_of(key->bytes, STORE_KEY_BYTES));
}

static void
begin_command(struct redis_commands *c, const char *name, size_t arguments)
{
	redis_commands_begin(c, 1 + arguments);
	redis_commands_argument(c, slice_from_cstr(name));
}

/* Where is read from: a writer reads what it will write to. */
static struct redis_link *
reading(struct redis_store *s)
{
	return s->store.writing ? s->writer : &s->reader;
}

/* An idle connection may have been closed meanwhile: a new one is made before anything is sent. */
static enum status
run(struct redis_store *s, struct redis_link *link, redis_value_fn fn, void *data, int64_t ms,
    struct error *error)
{
	int64_t deadline_ms = soon(ms);
	enum status status;

	if (s->is_lost) {
		redis_commands_clear(&s->out);
		*error = s->failure;
		return STATUS_AGAIN;
	}
	status = redis_link_open(link, deadline_ms, error);
	if (status == STATUS_OK)
		status = redis_link_run(link, &s->out, fn, data, deadline_ms, error);
	else
		redis_commands_clear(&s->out);
	return lost(s, status, error);
}

/* ---- opening ---- */

static int64_t
ttl(double seconds)
{
	return seconds < 1 ? 0 : seconds > NUMBER_MAX ? NUMBER_MAX : (int64_t)seconds;
}

/* Is what is there ours?  Nothing at all is. */
static enum status
check_version(struct redis_store *s, struct error *error)
{
	struct numbers n = {.count = 0};
	enum status status;

	begin_command(&s->out, "MGET", 2);
	add_name(s, &s->out, "DB_VERSION");
	add_name(s, &s->out, "TOKEN_FORMAT");
	status = run(s, &s->reader, take_number, &n, ANSWER_MS, error);
	if (status == STATUS_OK)
		status = complain(s, &s->reader, &n.complaint, error);
	if (status != STATUS_OK || n.values[0] == 0)
		return status;
	if (n.values[0] != STORE_VERSION)
		return error_set(
			error, STATUS_BAD, "Redis server %s: bayes db version %llu not supported",
			s->reader.targets[s->reader.current].name, (unsigned long long)n.values[0]);
	return n.values[1] >= 2
	               ? STATUS_OK
	               : error_set(error, STATUS_BAD,
	                           "Redis server %s: bayes old token format %llu not supported, "
	                           "consider backup/restore or initialize a database",
	                           s->reader.targets[s->reader.current].name,
	                           (unsigned long long)n.values[1]);
}

static void
close_store(struct store *store)
{
	struct redis_store *s = redis_of(store);

	redis_link_close(&s->reader);
	redis_link_close(&s->own_writer);
	redis_commands_free(&s->out);
	redis_commands_free(&s->changes);
	arena_destroy(&s->seen_arena);
	arena_destroy(&s->arena);
	free(s);
}

static enum status
make_store(const struct store_config *config, struct redis_store *s, struct error *error)
{
	const struct redis_driver *driver =
		module_load("redis.so", "redis_driver_table", REDIS_DRIVER_VERSION, error);
	enum status status;

	if (driver == NULL)
		return STATUS_BAD;
	if (s->arena == NULL || s->seen_arena == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	s->log = config->log;
	s->prefix = arena_dup(s->arena, config->redis.prefix);
	s->token_ttl_s = ttl(config->token_ttl_s);
	s->seen_ttl_s = ttl(config->seen_ttl_s);
	status = redis_config_parse(s->arena, config, &s->servers, error);
	s->reader = (struct redis_link){.driver = driver,
	                                .targets = s->servers.readers,
	                                .count = s->servers.reader_count,
	                                .log = s->log};
	s->own_writer = (struct redis_link){
		.driver = driver, .targets = &s->servers.writer, .count = 1, .log = s->log};
	s->writer = s->servers.is_one ? &s->reader : &s->own_writer;
	return status;
}

static enum status
prepare(const struct store_config *config, struct error *error)
{
	struct redis_store *s = calloc(1, sizeof(*s));
	enum status status;

	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	s->arena = arena_create(0);
	s->seen_arena = arena_create(0);
	status = make_store(config, s, error);
	close_store(&s->store);
	return status;
}

/* Tokens and counters are made by the first who learns; until then there are none. */
static enum status
open_store(const struct store_config *config, bool create, struct store **store_r,
           struct error *error)
{
	struct redis_store *s = calloc(1, sizeof(*s));
	enum status status;

	(void)create;
	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	s->arena = arena_create(0);
	s->seen_arena = arena_create(0);
	status = make_store(config, s, error);
	if (status == STATUS_OK)
		status = check_version(s, error);
	if (status != STATUS_OK) {
		close_store(&s->store);
		return status;
	}
	if (s->token_ttl_s == 0)
		log_debug(s->log, "bayes", "tokens do not expire: not recommended with Redis");
	*store_r = &s->store;
	return STATUS_OK;
}

static bool
is_current(const struct store *store)
{
	return !((const struct redis_store *)(const void *)store)->is_lost;
}

/* ---- reading ---- */

static enum status
read_counters(struct redis_store *s, struct store_variables *variables_r, struct error *error)
{
	struct redis_link *link = reading(s);
	struct numbers n = {.count = 0};
	enum status status;

	*variables_r = (struct store_variables){0};
	begin_command(&s->out, "MGET", 2);
	add_name(s, &s->out, "NSPAM");
	add_name(s, &s->out, "NHAM");
	status = run(s, link, take_number, &n, ANSWER_MS, error);
	if (status == STATUS_OK)
		status = complain(s, link, &n.complaint, error);
	variables_r->spam_messages = n.values[0];
	variables_r->ham_messages = n.values[1];
	return status;
}

static enum status
load_base(struct redis_store *s, struct error *error)
{
	enum status status = STATUS_OK;

	if (!s->has_base)
		status = read_counters(s, &s->base, error);
	s->has_base = status == STATUS_OK;
	return status;
}

static enum status
variables(struct store *store, struct store_variables *variables_r, struct error *error)
{
	struct redis_store *s = redis_of(store);
	enum status status;

	if (!store->writing)
		return read_counters(s, variables_r, error);
	status = load_base(s, error);
	*variables_r = s->base;
	variables_r->spam_messages += (uint64_t)s->spam;
	variables_r->ham_messages += (uint64_t)s->ham;
	return status;
}

struct lookup {
	struct complaint complaint;
	struct store_counts *counts;
	size_t count, items; /* items: of this reply, so far */
};

static void
take_counts(void *data, const struct redis_value *value)
{
	struct lookup *l = data;
	uint64_t number = number_of(value);

	note_complaint(&l->complaint, value);
	if (value->depth == 0)
		l->items = 0;
	if (value->depth != 1 || value->reply >= l->count)
		return;
	if (number > UINT32_MAX)
		number = UINT32_MAX;
	if (l->items == 0)
		l->counts[value->reply].spam = (uint32_t)number;
	else if (l->items == 1)
		l->counts[value->reply].ham = (uint32_t)number;
	l->items++;
}

static enum status
lookup(struct store *store, const struct store_key *keys, size_t count,
       struct store_counts *counts_r, struct error *error)
{
	struct redis_store *s = redis_of(store);
	struct redis_link *link = reading(s);
	struct lookup l = {.counts = counts_r, .count = count};
	enum status status;

	memset(counts_r, 0, count * sizeof(*counts_r));
	if (count == 0 || (store->writing && s->is_emptied))
		return STATUS_OK;
	for (size_t i = 0; i < count; i++) {
		begin_command(&s->out, "HMGET", 3);
		add_token(s, &s->out, &keys[i]);
		redis_commands_argument(&s->out, SLICE("s"));
		redis_commands_argument(&s->out, SLICE("h"));
	}
	status = run(s, link, take_counts, &l, ANSWER_MS, error);
	return status == STATUS_OK ? complain(s, link, &l.complaint, error) : status;
}

struct flag {
	struct complaint complaint;
	char value;
};

static void
take_flag(void *data, const struct redis_value *value)
{
	struct flag *flag = data;

	note_complaint(&flag->complaint, value);
	if (value->type == REDIS_TEXT && value->text.len > 0)
		flag->value = (char)value->text.data[0];
}

static enum status
seen(struct store *store, struct slice message_id, char *flag_r, struct error *error)
{
	struct redis_store *s = redis_of(store);
	struct redis_link *link = reading(s);
	const struct hashmap_entry *own =
		store->writing ? hashmap_find(&s->seen, message_id) : NULL;
	struct flag flag = {.value = 0};
	enum status status;

	if (own != NULL || (store->writing && s->is_emptied)) {
		*flag_r = own == NULL || own->value == NULL ? 0 : *(const char *)own->value;
		return *flag_r == 0 ? STATUS_NONE : STATUS_OK;
	}
	begin_command(&s->out, "GET", 1);
	redis_commands_key(&s->out, s->prefix, SLICE("s:"), message_id);
	status = run(s, link, take_flag, &flag, ANSWER_MS, error);
	if (status == STATUS_OK)
		status = complain(s, link, &flag.complaint, error);
	*flag_r = flag.value;
	return status == STATUS_OK && flag.value == 0 ? STATUS_NONE : status;
}

/* ---- transactions ---- */

static void
reset_transaction(struct redis_store *s)
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
		return lost(s, status, error);
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
	if (s->writer_failed_ms != 0 && clock_monotonic_ms() - s->writer_failed_ms < RETRY_MS) {
		*error = s->writer_failure;
		return STATUS_AGAIN;
	}
	s->writer_failed_ms = 0;
	return lost_writer(s, redis_link_open(s->writer, soon(ANSWER_MS), error), error);
}

/* Nobody waits for anybody: wait_ms says nothing. */
static enum status
begin(struct store *store, int64_t wait_ms, struct error *error)
{
	struct redis_store *s = redis_of(store);

	(void)wait_ms;
	reset_transaction(s);
	return open_writer(s, error);
}

static void
abort_store(struct store *store)
{
	struct redis_store *s = redis_of(store);

	/* What was sent already is dropped by the server with the connection. */
	if (s->is_emptied)
		redis_link_close(s->writer);
	reset_transaction(s);
}

/* A database that is new. */
static void
add_variables(struct redis_store *s)
{
	struct redis_commands *c = &s->changes;

	begin_command(c, "MSETNX", 8);
	add_name(s, c, "DB_VERSION");
	redis_commands_number(c, STORE_VERSION);
	add_name(s, c, "NSPAM");
	redis_commands_number(c, 0);
	add_name(s, c, "NHAM");
	redis_commands_number(c, 0);
	add_name(s, c, "TOKEN_FORMAT");
	redis_commands_number(c, 2);
}

/* Before the first change: from here on it is all or nothing. */
static void
begin_multi(struct redis_store *s)
{
	if (s->is_multi)
		return;
	s->is_multi = true;
	begin_command(&s->changes, "MULTI", 0);
	add_variables(s);
}

/* What takes the place of all there was is too much to be held here. */
static enum status
send_when_large(struct redis_store *s, struct error *error)
{
	if (!s->is_emptied || s->changes.len < STREAM_BYTES)
		return STATUS_OK;
	return lost_writer(s, redis_link_send(s->writer, &s->changes, soon(WALK_MS), error), error);
}

static void
add_counter(struct redis_store *s, const char *name, int64_t by)
{
	if (by == 0)
		return;
	begin_command(&s->changes, "INCRBY", 2);
	add_name(s, &s->changes, name);
	redis_commands_number(&s->changes, by);
}

static void
take_result(void *data, const struct redis_value *value)
{
	note_complaint(data, value);
}

static enum status
commit(struct store *store, struct error *error)
{
	struct redis_store *s = redis_of(store);
	struct complaint complaint = {""};
	enum status status;

	if (s->spam != 0 || s->ham != 0)
		begin_multi(s);
	if (!s->is_multi) {
		status = s->changes.count == 0
		                 ? STATUS_OK
		                 : redis_link_send(s->writer, &s->changes, soon(ANSWER_MS), error);
		reset_transaction(s);
		return lost_writer(s, status, error);
	}
	add_counter(s, "NSPAM", s->spam);
	add_counter(s, "NHAM", s->ham);
	begin_command(&s->changes, "EXEC", 0);
	status = redis_link_run(s->writer, &s->changes, take_result, &complaint,
	                        soon(s->is_emptied ? WALK_MS : ANSWER_MS), error);
	reset_transaction(s);
	return status == STATUS_OK ? complain(s, s->writer, &complaint, error)
	                           : lost_writer(s, status, error);
}

static enum status
set_variables(struct store *store, const struct store_variables *v, struct error *error)
{
	struct redis_store *s = redis_of(store);
	enum status status = load_base(s, error);

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
	begin_command(&s->changes, "EXPIRE", 2);
	add_token(s, &s->changes, key);
	redis_commands_number(&s->changes, seconds);
}

static void
add_increment(struct redis_store *s, const struct store_key *key, const char *field, int64_t by)
{
	if (by <= 0)
		return;
	begin_command(&s->changes, "HINCRBY", 3);
	add_token(s, &s->changes, key);
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

	for (size_t at = 0; by != 0 && at < count; at += PIECE) {
		size_t n = count - at < PIECE ? count - at : PIECE;

		begin_command(&s->changes, "EVAL", 2 + n + 3);
		redis_commands_argument(&s->changes, slice_from_cstr(script));
		redis_commands_number(&s->changes, (int64_t)n);
		for (size_t i = at; i < at + n; i++)
			add_token(s, &s->changes, &keys[i]);
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

static enum status
add(struct store *store, const struct store_key *keys, size_t count, int spam, int ham,
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

static enum status
touch(struct store *store, const struct store_key *keys, size_t count, uint32_t atime,
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

static enum status
put(struct store *store, const struct store_token *token, struct error *error)
{
	struct redis_store *s = redis_of(store);

	begin_multi(s);
	if (!s->is_emptied) {
		begin_command(&s->changes, "DEL", 1);
		add_token(s, &s->changes, &token->key);
	}
	add_increment(s, &token->key, "s", token->counts.spam);
	add_increment(s, &token->key, "h", token->counts.ham);
	add_expire(s, &token->key, spread(s->token_ttl_s));
	return send_when_large(s, error);
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

static enum status
put_seen(struct store *store, struct slice message_id, char flag, struct error *error)
{
	struct redis_store *s = redis_of(store);
	int64_t seconds = s->is_emptied ? spread(s->seen_ttl_s) : s->seen_ttl_s;

	if (!s->is_emptied && !remember_seen(s, message_id, flag))
		return error_set(error, STATUS_LIMIT, "no memory for message ids");
	begin_multi(s);
	begin_command(&s->changes,
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
	return send_when_large(s, error);
}

/* ---- all of them ---- */

struct scan {
	struct complaint complaint;
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

	note_complaint(&scan->complaint, value);
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
		begin_command(&s->out, "SCAN", 5);
		redis_commands_argument(&s->out, slice_from_cstr(scan.cursor));
		redis_commands_argument(&s->out, SLICE("MATCH"));
		redis_commands_argument(&s->out, pattern);
		redis_commands_argument(&s->out, SLICE("COUNT"));
		redis_commands_number(&s->out, PIECE);
		status = run(s, link, take_scan, &scan, WALK_MS, error);
		if (status == STATUS_OK)
			status = complain(s, link, &scan.complaint, error);
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
	struct store_counts counts[PIECE];
	struct store_key list[PIECE];
	slice_vec keys;
	enum status status = find_keys(s, &s->reader, arena, SLICE("w:"), &keys, error);
	uint32_t now = (uint32_t)clock_wall_s();

	for (size_t at = 0; status == STATUS_OK && at < keys.count;) {
		size_t n = 0;

		for (; at < keys.count && n < PIECE; at++)
			if (keys.items[at].len == STORE_KEY_BYTES)
				memcpy(list[n++].bytes, keys.items[at].data, STORE_KEY_BYTES);
		status = lookup(&s->store, list, n, counts, error);
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
	struct complaint complaint;
	char values[PIECE];
	size_t count;
};

static void
take_flags(void *data, const struct redis_value *value)
{
	struct flags *flags = data;

	note_complaint(&flags->complaint, value);
	if (value->depth == 1 && flags->count < PIECE)
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

	for (size_t at = 0; status == STATUS_OK && at < keys.count; at += PIECE) {
		size_t n = keys.count - at < PIECE ? keys.count - at : PIECE;
		struct flags flags = {.count = 0};

		begin_command(&s->out, "MGET", n);
		for (size_t i = 0; i < n; i++)
			redis_commands_key(&s->out, s->prefix, SLICE("s:"), keys.items[at + i]);
		status = run(s, &s->reader, take_flags, &flags, WALK_MS, error);
		if (status == STATUS_OK)
			status = complain(s, &s->reader, &flags.complaint, error);
		for (size_t i = 0; status == STATUS_OK && i < flags.count; i++)
			if (flags.values[i] != 0 && !fn(data, keys.items[at + i], flags.values[i]))
				return STATUS_OK;
	}
	return status;
}

static enum status
each_token(struct store *store, store_token_fn fn, void *data, struct error *error)
{
	struct arena *arena = arena_create(0);
	enum status status = arena == NULL
	                             ? error_set(error, STATUS_LIMIT, "no memory for the tokens")
	                             : walk_tokens(redis_of(store), arena, fn, data, error);

	arena_destroy(&arena);
	return status;
}

static enum status
each_seen(struct store *store, store_seen_fn fn, void *data, struct error *error)
{
	struct arena *arena = arena_create(0);
	enum status status = arena == NULL
	                             ? error_set(error, STATUS_LIMIT, "no memory for message ids")
	                             : walk_seen(redis_of(store), arena, fn, data, error);

	arena_destroy(&arena);
	return status;
}

/* The server does it. */
static enum status
expire(struct store *store, uint32_t before, uint32_t newest, struct error *error)
{
	(void)store, (void)before, (void)newest, (void)error;
	return STATUS_OK;
}

/* ---- away with it ---- */

static void
add_deletions(struct redis_store *s, struct slice kind, const slice_vec *keys)
{
	for (size_t at = 0; at < keys->count; at += PIECE) {
		size_t n = keys->count - at < PIECE ? keys->count - at : PIECE;

		begin_command(&s->changes, "DEL", n);
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

static enum status
empty(struct store *store, struct error *error)
{
	struct redis_store *s = redis_of(store);
	enum status status;

	reset_transaction(s);
	begin_command(&s->changes, "MULTI", 0);
	status = delete_kinds(s, "wsv", error);
	if (status != STATUS_OK)
		return status;
	add_variables(s);
	s->is_multi = s->is_emptied = s->has_base = true;
	s->base = (struct store_variables){0};
	return send_when_large(s, error);
}

/* Only what is Bayes', whatever else the database holds. */
static enum status
remove_keys(const struct store_config *config, struct error *error)
{
	struct complaint complaint = {""};
	struct redis_store *s;
	struct store *store;
	enum status status = open_store(config, true, &store, error);

	if (status != STATUS_OK)
		return status;
	s = redis_of(store);
	status = begin(store, 0, error);
	if (status == STATUS_OK)
		status = delete_kinds(s, "wsv", error);
	if (status == STATUS_OK)
		status = redis_link_run(s->writer, &s->changes, take_result, &complaint,
		                        soon(WALK_MS), error);
	if (status == STATUS_OK)
		status = complain(s, s->writer, &complaint, error);
	close_store(store);
	return status;
}

static const char *const modules[] = {"BayesStore::Redis", NULL};

const struct store_backend store_redis = {
	.name = "Redis",
	.modules = modules,
	.prepare = prepare,
	.open = open_store,
	.close = close_store,
	.is_current = is_current,
	.variables = variables,
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
	.remove = remove_keys,
	.is_common = true,
	.is_remote = true,
	.counts_itself = true,
	.expires_itself = true,
};
