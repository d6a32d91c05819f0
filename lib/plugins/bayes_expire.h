/*
 * bayes_expire.h - old tokens go
 *
 * Source: BayesStore.pm of 4.0.1: which age makes the store as large as it should be.
 */
#ifndef WINNOW_PLUGINS_BAYES_EXPIRE_H
#define WINNOW_PLUGINS_BAYES_EXPIRE_H

#include "conf/core.h"
#include "store/store.h"

struct bayes_expiry {
	bool ran; /* tokens went, or none needed to: the numbers below are set */
	uint64_t kept, deleted, hapaxes, rare;
	int64_t seconds;
};

/* Large, and twelve hours since the last time? */
bool bayes_expiry_is_due(const struct core_settings *core, const struct store_variables *variables,
                         int64_t now_s);
/* Its own transaction.  force: whether due or not. */
enum status bayes_expire(struct store *store, const struct core_settings *core, bool force,
                         int64_t now_s, int64_t wait_ms, const struct log *log,
                         struct bayes_expiry *expiry_r, struct error *error) WARN_UNUSED;

#endif
