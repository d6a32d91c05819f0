/*
 * learner.h - a process's way to the stores of what was learned
 *
 * Owns: struct learner: the store in hand, opened on first use and kept.  One a process (workers
 * make theirs after they forked).  Data: configuration (bayes_path, bayes_store_module...) and
 * whose message it is -> path -> store/.
 * A store that is damaged or cannot be reached is said once a minute, and mail goes on without.
 */
#ifndef WINNOW_PLUGINS_LEARNER_H
#define WINNOW_PLUGINS_LEARNER_H

#include "conf/core.h"
#include "store/store.h"

struct learner;
struct senders;

/* Whose data.  NULL and len 0: the process's own. */
struct learner_user {
	const char *home;      /* what ~ and __userstate__ are of */
	const char *state_dir; /* what __userstate__ is; NULL: .spamassassin of home */
	struct slice name;     /* as databases know it */
};

/* wait_ms: at most so long for another writer. */
struct learner *learner_create(int64_t wait_ms, const struct log *log);
void learner_destroy(struct learner **learner);
int64_t learner_wait_ms(const struct learner *learner);

/*
 * The store that this configuration names.  STATUS_NONE: there is none yet (and create was false).
 * The store stays the learner's; it is good until the next call.
 */
enum status learner_store(struct learner *learner, const struct core_settings *core,
                          const struct learner_user *user, bool create, struct store **store_r,
                          struct error *error) WARN_UNUSED;
/* What store_* calls need, for those that handle stores whole (sa-learn); lives in the arena. */
enum status learner_config(struct arena *arena, const struct core_settings *core,
                           const struct learner_user *user, const struct log *log,
                           struct store_config *config_r, struct error *error) WARN_UNUSED;
/*
 * Many messages in one transaction: learner_batch(true), then each learning asks whether it goes
 * on; what is open at the end is committed by learner_batch(false).  A batch is short: others wait.
 */
enum status learner_batch(struct learner *learner, bool on, struct error *error) WARN_UNUSED;
bool learner_is_batch(const struct learner *learner);
bool learner_batch_goes_on(struct learner *learner);
/* Says what went wrong, but not all the time. */
void learner_warn(struct learner *learner, const struct error *error);
/* The lists of senders that this process has open (senders.h), made on first use; NULL: no memory.
 */
struct senders *learner_senders(struct learner *learner);
/* __userstate__ and __local_state_dir__ anywhere, ~ at the beginning.  Ends in a NUL that is not
 * counted; data NULL: no memory. */
struct slice learner_expand(struct arena *arena, struct slice path,
                            const struct learner_user *user);
/* Gives back what is open: another process, or another user, comes. */
void learner_close(struct learner *learner);

#endif
