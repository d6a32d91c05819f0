/*
 * bayes.h - Mail::SpamAssassin::Plugin::Bayes: scoring by what was learned, and learning
 *
 * Source: Plugin/Bayes.pm, BayesStore.pm of 4.0.1.
 * Data: scan.h -> bayes_tokens.h -> store/ -> BAYES_* rules, tags; check/learn.h and cmd/sa-learn
 * call bayes_learn() and bayes_forget().
 */
#ifndef WINNOW_PLUGINS_BAYES_H
#define WINNOW_PLUGINS_BAYES_H

#include "plugins/learner.h"
#include "plugins/scan.h"

/* May this configuration score by what was learned?  Then plans hold the rules of both kinds of
 * score sets. */
bool bayes_is_wanted(const struct conf *conf);
/* Is there a store with enough messages in it?  Then the message is scored in sets 2 and 3. */
bool bayes_is_ready(struct scan *scan);
/* sprintf("%3.4f") of the message's probability; data NULL: there is none. */
struct slice bayes_score_text(struct scan *scan);

enum bayes_result {
	BAYES_FAILED,  /* no store, or it could not be written: said */
	BAYES_NOTHING, /* it was learned so before, or (forgetting) never */
	BAYES_DONE
};

enum bayes_flag {
	BAYES_NO_RELEARN = 1U << 0,  /* what was learned as the opposite stays */
	BAYES_USE_IGNORES = 1U << 1, /* bayes_ignore_from, bayes_ignore_to */
	BAYES_SCANNED = 1U << 2      /* the message was scanned before in this struct scan */
};

/* Do bayes_ignore_from and bayes_ignore_to say that nobody learns of this message? */
bool bayes_ignores(struct scan *scan);
enum bayes_result bayes_learn(struct scan *scan, bool is_spam, unsigned flags);
enum bayes_result bayes_forget(struct scan *scan);

struct bayes_tokens;
/* For tests: the tokens, and the names the message is remembered by (data NULL: none). */
bool bayes_tokens_of(struct scan *scan, bool is_scanned, struct bayes_tokens *tokens_r);
void bayes_message_ids(struct scan *scan, struct slice ids_r[2]);

#endif
