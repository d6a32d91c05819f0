/*
 * reputation.c - what senders scored so far: which backend, and what is the same for all
 */
#include "store/reputation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct reputation_backend *const backends[] = {&reputation_lmdb, &reputation_sql};

const struct reputation_backend *
reputation_backend_find(struct slice factory)
{
	static const struct slice prefix = {(const unsigned char *)"Mail::SpamAssassin::", 20};

	if (slice_starts(factory, prefix))
		factory = slice_from(factory, prefix.len);
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		for (const char *const *name = backends[i]->factories; *name != NULL; name++)
			if (slice_eq(factory, slice_from_cstr(*name)))
				return backends[i];
	return NULL;
}

enum status
reputation_open(const struct reputation_config *config, bool create, struct reputation **list_r,
                struct error *error)
{
	const struct reputation_backend *backend = reputation_backend_find(config->factory);
	enum status status;

	*list_r = NULL;
	if (backend == NULL)
		return error_set(error, STATUS_BAD,
		                 "the factory %.*s is not one of this build: leave it out for the "
		                 "embedded list",
		                 SLICE_FMT(config->factory));
	status = backend->open(config, create, list_r, error);
	if (status == STATUS_OK)
		(*list_r)->backend = backend;
	return status;
}

void
reputation_close(struct reputation **list)
{
	if (*list == NULL)
		return;
	reputation_abort(*list);
	(*list)->backend->close(*list);
	*list = NULL;
}

bool
reputation_is_current(const struct reputation *list)
{
	return list->backend->is_current(list);
}

enum status
reputation_begin(struct reputation *list, int64_t wait_ms, struct error *error)
{
	enum status status = list->backend->begin(list, wait_ms, error);

	list->writing = status == STATUS_OK;
	return status;
}

enum status
reputation_commit(struct reputation *list, struct error *error)
{
	list->writing = false;
	return list->backend->commit(list, error);
}

void
reputation_abort(struct reputation *list)
{
	if (list->writing)
		list->backend->abort(list);
	list->writing = false;
}

enum status
reputation_get(struct reputation *list, const struct reputation_key *key,
               struct reputation_entry *entry_r, struct error *error)
{
	enum status status;

	*entry_r = (struct reputation_entry){0};
	status = list->backend->get(list, key, entry_r, error);
	if (status == STATUS_OK && (entry_r->count < 0 || isnan(entry_r->total)))
		*entry_r = (struct reputation_entry){0};
	return status;
}

enum status
reputation_add(struct reputation *list, const struct reputation_key *key,
               struct reputation_entry *entry, double score, struct error *error)
{
	return list->backend->add(list, key, entry, score, error);
}

enum status
reputation_remove(struct reputation *list, const struct reputation_key *key, struct error *error)
{
	return list->backend->remove(list, key, slice_eq(key->ip, SLICE("none")), error);
}

enum status
reputation_remove_one(struct reputation *list, const struct reputation_key *key,
                      struct error *error)
{
	return list->backend->remove(list, key, false, error);
}

enum status
reputation_each(struct reputation *list, reputation_fn fn, void *data, struct error *error)
{
	return list->backend->each(list, fn, data, error);
}

double
reputation_as_written(double value)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.15g", value);
	return strtod(text, NULL);
}
