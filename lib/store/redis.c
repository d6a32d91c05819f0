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
#include "store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/module.h"

enum { NUMBER_MAX = 2000000000 };

/* Keeps in mind that the server is not to be asked any more. */
enum status
redis_lost(struct redis_store *s, enum status status, const struct error *error)
{
	if (status == STATUS_IO) {
		s->is_lost = true;
		s->failure = *error;
	}
	return status;
}

/* ---- replies ---- */

void
redis_complaint_note(struct redis_complaint *complaint, const struct redis_value *value)
{
	if (value->type == REDIS_ERROR && complaint->text[0] == '\0')
		(void)snprintf(complaint->text, sizeof(complaint->text), "%.*s",
		               SLICE_FMT(slice_sub(value->text, 0, 190)));
}

void
redis_complaint_take(void *complaint, const struct redis_value *value)
{
	redis_complaint_note(complaint, value);
}

enum status
redis_complain(struct redis_store *s, const struct redis_link *link,
               const struct redis_complaint *complaint, struct error *error)
{
	bool is_loading = strncmp(complaint->text, "LOADING", 7) == 0;

	if (complaint->text[0] == '\0')
		return STATUS_OK;
	return redis_lost(s,
	                  error_set(error, is_loading ? STATUS_IO : STATUS_BAD,
	                            "Redis server %s: %s", link->targets[link->current].name,
	                            complaint->text),
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
	struct redis_complaint complaint;
	uint64_t values[4];
	size_t count;
};

static void
take_number(void *data, const struct redis_value *value)
{
	struct numbers *n = data;

	redis_complaint_note(&n->complaint, value);
	if (value->depth != 1 || n->count >= 4)
		return;
	n->values[n->count++] = number_of(value);
}

/* ---- commands ---- */

void
redis_add_name(struct redis_store *s, struct redis_commands *c, const char *variable)
{
	redis_commands_key(c, s->prefix, SLICE("v:"), slice_from_cstr(variable));
}

void
redis_add_token(struct redis_store *s, struct redis_commands *c, const struct store_key *key)
{
	redis_commands_key(c, s->prefix, SLICE("w:"), slice_of(key->bytes, STORE_KEY_BYTES));
}

void
redis_begin_command(struct redis_commands *c, const char *name, size_t arguments)
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
enum status
redis_run(struct redis_store *s, struct redis_link *link, redis_value_fn fn, void *data, int64_t ms,
          struct error *error)
{
	int64_t deadline_ms = redis_soon(ms);
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
	return redis_lost(s, status, error);
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

	redis_begin_command(&s->out, "MGET", 2);
	redis_add_name(s, &s->out, "DB_VERSION");
	redis_add_name(s, &s->out, "TOKEN_FORMAT");
	status = redis_run(s, &s->reader, take_number, &n, REDIS_ANSWER_MS, error);
	if (status == STATUS_OK)
		status = redis_complain(s, &s->reader, &n.complaint, error);
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

void
redis_close_store(struct store *store)
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
	redis_close_store(&s->store);
	return status;
}

/* Tokens and counters are made by the first who learns; until then there are none. */
enum status
redis_open_store(const struct store_config *config, bool create, struct store **store_r,
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
		redis_close_store(&s->store);
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
	redis_begin_command(&s->out, "MGET", 2);
	redis_add_name(s, &s->out, "NSPAM");
	redis_add_name(s, &s->out, "NHAM");
	status = redis_run(s, link, take_number, &n, REDIS_ANSWER_MS, error);
	if (status == STATUS_OK)
		status = redis_complain(s, link, &n.complaint, error);
	variables_r->spam_messages = n.values[0];
	variables_r->ham_messages = n.values[1];
	return status;
}

enum status
redis_load_base(struct redis_store *s, struct error *error)
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
	status = redis_load_base(s, error);
	*variables_r = s->base;
	variables_r->spam_messages += (uint64_t)s->spam;
	variables_r->ham_messages += (uint64_t)s->ham;
	return status;
}

struct lookup {
	struct redis_complaint complaint;
	struct store_counts *counts;
	size_t count, items; /* items: of this reply, so far */
};

static void
take_counts(void *data, const struct redis_value *value)
{
	struct lookup *l = data;
	uint64_t number = number_of(value);

	redis_complaint_note(&l->complaint, value);
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

enum status
redis_lookup(struct store *store, const struct store_key *keys, size_t count,
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
		redis_begin_command(&s->out, "HMGET", 3);
		redis_add_token(s, &s->out, &keys[i]);
		redis_commands_argument(&s->out, SLICE("s"));
		redis_commands_argument(&s->out, SLICE("h"));
	}
	status = redis_run(s, link, take_counts, &l, REDIS_ANSWER_MS, error);
	return status == STATUS_OK ? redis_complain(s, link, &l.complaint, error) : status;
}

struct flag {
	struct redis_complaint complaint;
	char value;
};

static void
take_flag(void *data, const struct redis_value *value)
{
	struct flag *flag = data;

	redis_complaint_note(&flag->complaint, value);
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
	redis_begin_command(&s->out, "GET", 1);
	redis_commands_key(&s->out, s->prefix, SLICE("s:"), message_id);
	status = redis_run(s, link, take_flag, &flag, REDIS_ANSWER_MS, error);
	if (status == STATUS_OK)
		status = redis_complain(s, link, &flag.complaint, error);
	*flag_r = flag.value;
	return status == STATUS_OK && flag.value == 0 ? STATUS_NONE : status;
}
/* The server does it. */
static enum status
expire(struct store *store, uint32_t before, uint32_t newest, struct error *error)
{
	(void)store, (void)before, (void)newest, (void)error;
	return STATUS_OK;
}
static const char *const modules[] = {"BayesStore::Redis", NULL};

const struct store_backend store_redis = {
	.name = "Redis",
	.modules = modules,
	.prepare = prepare,
	.open = redis_open_store,
	.close = redis_close_store,
	.is_current = is_current,
	.variables = variables,
	.lookup = redis_lookup,
	.seen = seen,
	.begin = redis_begin,
	.commit = redis_commit,
	.abort = redis_abort,
	.set_variables = redis_set_variables,
	.add = redis_add,
	.touch = redis_touch,
	.put = redis_put,
	.put_seen = redis_put_seen,
	.each_token = redis_each_token,
	.each_seen = redis_each_seen,
	.expire = expire,
	.empty = redis_empty,
	.remove = redis_remove,
	.is_common = true,
	.is_remote = true,
	.counts_itself = true,
	.expires_itself = true,
};
