/*
 * store.c - what was learned: which backend, and what is the same for all
 */
#include "store/store.h"

static const struct store_backend *const backends[] = {&store_lmdb, &store_redis, &store_sql};

const struct store_backend *
store_backend_find(struct slice module)
{
	static const struct slice prefix = {(const unsigned char *)"Mail::SpamAssassin::", 20};

	if (slice_starts(module, prefix))
		module = slice_from(module, prefix.len);
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		for (const char *const *name = backends[i]->modules; *name != NULL; name++)
			if (slice_eq(module, slice_from_cstr(*name)))
				return backends[i];
	return NULL;
}

static const struct store_backend *
backend_of(const struct store_config *config, struct error *error)
{
	const struct store_backend *backend = store_backend_find(config->module);

	if (backend == NULL)
		(void)error_set(error, STATUS_BAD,
		                "bayes_store_module %.*s is not one of this build: leave it out "
		                "for the embedded store",
		                SLICE_FMT(config->module));
	return backend;
}

enum status
store_open(const struct store_config *config, bool create, struct store **store_r,
           struct error *error)
{
	const struct store_backend *backend = backend_of(config, error);
	enum status status;

	*store_r = NULL;
	if (backend == NULL)
		return STATUS_BAD;
	status = backend->open(config, create, store_r, error);
	if (status == STATUS_OK)
		(*store_r)->backend = backend;
	return status;
}

enum status
store_prepare(const struct store_config *config, struct error *error)
{
	const struct store_backend *backend = backend_of(config, error);

	if (backend == NULL)
		return STATUS_BAD;
	return backend->prepare == NULL ? STATUS_OK : backend->prepare(config, error);
}

void
store_close(struct store **store)
{
	if (*store == NULL)
		return;
	if ((*store)->writing)
		store_abort(*store);
	(*store)->backend->close(*store);
	*store = NULL;
}

bool
store_is_current(const struct store *store)
{
	return store->backend->is_current(store);
}

enum status
store_remove(const struct store_config *config, struct error *error)
{
	const struct store_backend *backend = backend_of(config, error);

	return backend == NULL ? STATUS_BAD : backend->remove(config, error);
}

enum status
store_variables(struct store *store, struct store_variables *variables_r, struct error *error)
{
	*variables_r = (struct store_variables){0};
	return store->backend->variables(store, variables_r, error);
}

enum status
store_lookup(struct store *store, const struct store_key *keys, size_t count,
             struct store_counts *counts_r, struct error *error)
{
	return store->backend->lookup(store, keys, count, counts_r, error);
}

enum status
store_seen(struct store *store, struct slice message_id, char *flag_r, struct error *error)
{
	return message_id.len == 0 ? STATUS_NONE
	                           : store->backend->seen(store, message_id, flag_r, error);
}

enum status
store_begin(struct store *store, int64_t wait_ms, struct error *error)
{
	enum status status = store->backend->begin(store, wait_ms, error);

	store->writing = status == STATUS_OK;
	return status;
}

enum status
store_commit(struct store *store, struct error *error)
{
	store->writing = false;
	return store->backend->commit(store, error);
}

void
store_abort(struct store *store)
{
	if (store->writing)
		store->backend->abort(store);
	store->writing = false;
}

enum status
store_set_variables(struct store *store, const struct store_variables *variables,
                    struct error *error)
{
	return store->backend->set_variables(store, variables, error);
}

static uint64_t
moved(uint64_t count, int by)
{
	uint64_t less = by < 0 ? (uint64_t) - (int64_t)by : 0;

	return by >= 0 ? count + (uint64_t)by : count > less ? count - less : 0;
}

enum status
store_add_messages(struct store *store, int spam, int ham, struct error *error)
{
	struct store_variables variables;
	enum status status = store_variables(store, &variables, error);

	if (status != STATUS_OK)
		return status;
	variables.spam_messages = moved(variables.spam_messages, spam);
	variables.ham_messages = moved(variables.ham_messages, ham);
	return store_set_variables(store, &variables, error);
}

enum status
store_add(struct store *store, const struct store_key *keys, size_t count, int spam, int ham,
          uint32_t atime, struct error *error)
{
	return store->backend->add(store, keys, count, spam, ham, atime, error);
}

enum status
store_touch(struct store *store, const struct store_key *keys, size_t count, uint32_t atime,
            struct error *error)
{
	return store->backend->touch(store, keys, count, atime, error);
}

enum status
store_put(struct store *store, const struct store_token *token, struct error *error)
{
	return store->backend->put(store, token, error);
}

enum status
store_put_seen(struct store *store, struct slice message_id, char flag, struct error *error)
{
	return message_id.len == 0 ? STATUS_OK
	                           : store->backend->put_seen(store, message_id, flag, error);
}

enum status
store_expire(struct store *store, uint32_t before, uint32_t newest, struct error *error)
{
	return store->backend->expire(store, before, newest, error);
}

enum status
store_empty(struct store *store, struct error *error)
{
	return store->backend->empty(store, error);
}

enum status
store_each_token(struct store *store, store_token_fn fn, void *data, struct error *error)
{
	return store->backend->each_token(store, fn, data, error);
}

enum status
store_each_seen(struct store *store, store_seen_fn fn, void *data, struct error *error)
{
	return store->backend->each_seen(store, fn, data, error);
}

void
store_keep_drop(struct store_keep *keep)
{
	if (keep->data != NULL)
		keep->destroy(keep->data);
	*keep = (struct store_keep){0};
}
