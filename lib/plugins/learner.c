/*
 * learner.c - a process's way to the stores of what was learned
 */
#include "plugins/learner.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "plugins/senders.h"
#include "util/clock.h"
#include "util/strbuf.h"

/* __local_state_dir__ */
#define LOCAL_STATE_DIR "/var/lib/spamassassin"

enum { SAY_AGAIN_MS = 60000, RETRY_MS = 10000, BATCH_MESSAGES = 64, BATCH_MS = 25 };

struct learner {
	const struct log *log;
	int64_t wait_ms;
	struct arena *arena; /* of the config in hand */
	struct store_config config;
	struct store *store;
	struct store_keep keep;
	int64_t said_ms, failed_ms; /* when it was last said, or could not be opened; 0: never */
	struct error said, failure;
	enum status failed;
	bool is_batch;
	unsigned batch_messages;
	int64_t batch_until_ms;
	struct senders *senders;
};

struct learner *
learner_create(int64_t wait_ms, const struct log *log)
{
	struct learner *learner = calloc(1, sizeof(*learner));

	if (learner == NULL)
		return NULL;
	learner->log = log;
	learner->wait_ms = wait_ms;
	learner->arena = arena_create(0);
	if (learner->arena == NULL) {
		free(learner);
		return NULL;
	}
	return learner;
}

void
learner_close(struct learner *learner)
{
	store_close(&learner->store);
	store_keep_drop(&learner->keep);
	learner->failed_ms = 0;
	if (learner->senders != NULL)
		senders_close(learner->senders);
}

void
learner_destroy(struct learner **learner)
{
	if (*learner == NULL)
		return;
	learner_close(*learner);
	senders_destroy(&(*learner)->senders);
	arena_destroy(&(*learner)->arena);
	free(*learner);
	*learner = NULL;
}

int64_t
learner_wait_ms(const struct learner *learner)
{
	return learner->wait_ms;
}

struct senders *
learner_senders(struct learner *learner)
{
	if (learner->senders == NULL)
		learner->senders = senders_create(learner->log);
	return learner->senders;
}

enum status
learner_batch(struct learner *learner, bool on, struct error *error)
{
	learner->is_batch = on;
	learner->batch_messages = 0;
	return !on && learner->store != NULL && learner->store->writing
	               ? store_commit(learner->store, error)
	               : STATUS_OK;
}

bool
learner_is_batch(const struct learner *learner)
{
	return learner->is_batch;
}

bool
learner_batch_goes_on(struct learner *learner)
{
	int64_t now_ms = clock_coarse_ms();

	if (!learner->is_batch)
		return false;
	if (learner->batch_messages++ == 0)
		learner->batch_until_ms = now_ms + BATCH_MS;
	if (learner->batch_messages < BATCH_MESSAGES && now_ms < learner->batch_until_ms)
		return true;
	learner->batch_messages = 0;
	return false;
}

void
learner_warn(struct learner *learner, const struct error *error)
{
	int64_t now_ms = clock_monotonic_ms();

	/* A server that went away is as one that was not there. */
	if (learner->store != NULL && learner->store->backend->is_remote &&
	    !store_is_current(learner->store)) {
		learner->failed_ms = now_ms;
		learner->failed = STATUS_IO;
		learner->failure = *error;
	}
	if (learner->said_ms != 0 && now_ms - learner->said_ms < SAY_AGAIN_MS &&
	    strcmp(learner->said.text, error->text) == 0)
		return;
	learner->said_ms = now_ms;
	learner->said = *error;
	log_warn(learner->log, "bayes", "%s", error->text);
}

/* ---- paths ---- */

static const char *
home_of(const struct learner_user *user)
{
	const char *home = user->home != NULL ? user->home : getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && strchr(home, '/') != NULL)
		return home;
	pw = getpwuid(geteuid());
	return pw == NULL ? "" : pw->pw_dir;
}

static void
add_directory(struct strbuf *out, const struct learner_user *user, bool is_state)
{
	if (!is_state)
		strbuf_add_cstr(out, LOCAL_STATE_DIR);
	else if (user->state_dir != NULL)
		strbuf_add_cstr(out, user->state_dir);
	else
		strbuf_printf(out, "%s/.spamassassin", home_of(user));
}

struct slice
learner_expand(struct arena *arena, struct slice path, const struct learner_user *user)
{
	static const struct slice state = {(const unsigned char *)"__userstate__", 13},
				  local = {(const unsigned char *)"__local_state_dir__", 19};
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	if (path.len > 0 && path.data[0] == '~') {
		strbuf_add_cstr(&out, home_of(user));
		path = slice_from(path, slice_find_byte(path, '/', 0));
	}
	for (;;) {
		size_t at = slice_find(path, state, 0), other = slice_find(path, local, 0);
		bool is_state = at < other;

		if (!is_state)
			at = other;
		if (at == SLICE_NPOS)
			break;
		strbuf_add(&out, slice_sub(path, 0, at));
		add_directory(&out, user, is_state);
		path = slice_from(path, at + (is_state ? state.len : local.len));
	}
	strbuf_add(&out, path);
	strbuf_add_byte(&out, '\0');
	return strbuf_is_bad(&out) ? SLICE_NULL : slice_sub(strbuf_slice(&out), 0, out.len - 1);
}

static unsigned
octal(struct slice text)
{
	unsigned value = 0;

	for (size_t i = 0; i < text.len; i++)
		value = value * 8 + (unsigned)(text.data[i] - '0');
	return value;
}

static struct slice
user_name(struct arena *arena, const struct core_settings *core, const struct learner_user *user)
{
	const struct passwd *pw;

	if (core->bayes_sql_override_username.len > 0)
		return core->bayes_sql_override_username;
	if (user->name.len > 0)
		return user->name;
	pw = getpwuid(geteuid());
	return pw == NULL ? SLICE("") : arena_dup(arena, slice_from_cstr(pw->pw_name));
}

enum status
learner_config(struct arena *arena, const struct core_settings *core,
               const struct learner_user *user, const struct log *log,
               struct store_config *config_r, struct error *error)
{
	struct slice path = learner_expand(arena, core->bayes_path, user);

	if (path.data == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for bayes_path");
	*config_r = (struct store_config){
		.module = core->bayes_store_module,
		.path = (const char *)path.data,
		.file_mode = octal(core->bayes_file_mode),
		.user = user_name(arena, core, user),
		.dsn = core->bayes_sql_dsn,
		.sql_user = core->bayes_sql_username,
		.sql_password = core->bayes_sql_password,
		.token_ttl_s = core->bayes_auto_expire ? core->bayes_token_ttl : 0,
		.seen_ttl_s = core->bayes_auto_expire ? core->bayes_seen_ttl : 0,
		.redis = {.read_servers = core->bayes_redis_read_servers,
	                  .write_server = core->bayes_redis_write_server,
	                  .database = core->bayes_redis_database,
	                  .password = core->bayes_redis_password,
	                  .prefix = core->bayes_redis_prefix},
		.has_authorized_users = core->bayes_sql_username_authorized,
		.log = log,
	};
	return STATUS_OK;
}

/* ---- the store in hand ---- */

static bool
is_same(const struct store_config *a, const struct store_config *b)
{
	const struct store_backend *backend = store_backend_find(a->module);
	bool is_common = backend != NULL && backend->is_common;

	return a->path != NULL && b->path != NULL &&
	       (is_common || (strcmp(a->path, b->path) == 0 && slice_eq(a->user, b->user))) &&
	       slice_eq(a->module, b->module) && slice_eq(a->dsn, b->dsn) &&
	       slice_eq(a->sql_user, b->sql_user) && slice_eq(a->sql_password, b->sql_password) &&
	       a->has_authorized_users == b->has_authorized_users &&
	       a->token_ttl_s == b->token_ttl_s && a->seen_ttl_s == b->seen_ttl_s &&
	       slice_eq(a->redis.read_servers, b->redis.read_servers) &&
	       slice_eq(a->redis.write_server, b->redis.write_server) &&
	       slice_eq(a->redis.database, b->redis.database) &&
	       slice_eq(a->redis.prefix, b->redis.prefix);
}

/* A copy that lives as long as the learner keeps it. */
static bool
keep_config(struct learner *l, const struct store_config *config)
{
	struct slice path = arena_dup(l->arena, slice_from_cstr(config->path));

	l->config = *config;
	l->config.path = (const char *)path.data;
	l->config.module = arena_dup(l->arena, config->module);
	l->config.user = arena_dup(l->arena, config->user);
	l->config.dsn = arena_dup(l->arena, config->dsn);
	l->config.sql_user = arena_dup(l->arena, config->sql_user);
	l->config.sql_password = arena_dup(l->arena, config->sql_password);
	l->config.redis.read_servers = arena_dup(l->arena, config->redis.read_servers);
	l->config.redis.write_server = arena_dup(l->arena, config->redis.write_server);
	l->config.redis.database = arena_dup(l->arena, config->redis.database);
	l->config.redis.password = arena_dup(l->arena, config->redis.password);
	l->config.redis.prefix = arena_dup(l->arena, config->redis.prefix);
	return path.data != NULL;
}

static enum status
open_store(struct learner *l, bool create, struct error *error)
{
	enum status status;

	/* What cannot be opened costs no message more than one look in ten seconds. */
	if (l->failed_ms != 0 && clock_monotonic_ms() - l->failed_ms < RETRY_MS) {
		*error = l->failure;
		return l->failed;
	}
	status = store_open(&l->config, create, &l->store, error);
	if (status == STATUS_OK && l->failed_ms != 0)
		log_info(l->log, "bayes", "the store is there again");
	if (status == STATUS_OK)
		l->failed_ms = 0;
	if (status != STATUS_OK && status != STATUS_NONE) {
		l->failed_ms = clock_monotonic_ms();
		l->failed = status;
		l->failure = *error;
	}
	return status;
}

enum status
learner_store(struct learner *l, const struct core_settings *core, const struct learner_user *user,
              bool create, struct store **store_r, struct error *error)
{
	struct arena *arena = arena_create(0);
	struct store_config config;
	enum status status;

	*store_r = NULL;
	if (arena == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for the store");
	status = learner_config(arena, core, user, l->log, &config, error);
	config.wait_ms = l->wait_ms;
	config.keep = &l->keep;
	if (status == STATUS_OK && !is_same(&l->config, &config)) {
		store_close(&l->store);
		l->failed_ms = 0;
		arena_reset(l->arena);
		if (!keep_config(l, &config))
			status = error_set(error, STATUS_LIMIT, "no memory for the store");
	}
	arena_destroy(&arena);
	if (status != STATUS_OK)
		return status;
	if (l->store != NULL && !store_is_current(l->store))
		store_close(&l->store);
	if (l->store == NULL)
		status = open_store(l, create, error);
	*store_r = l->store;
	return status;
}
