/*
 * txrep.h - Mail::SpamAssassin::Plugin::TxRep: reputation of several identities
 *
 * Data: scan.h, senders.h -> store/reputation.h -> the rule TXREP with a score of its own, tags;
 * check/learn.h -> txrep_learn(), txrep_forget(); cmd/spamassassin -> txrep_operate().
 */
#ifndef WINNOW_PLUGINS_TXREP_H
#define WINNOW_PLUGINS_TXREP_H

#include "plugins/senders.h"

enum txrep_flag {
	TXREP_AUTOLEARN = 1U << 0 /* the verdict wants it, nobody else: txrep_autolearn decides */
};

/* true: counts as learned, which the reference says where there is nothing to add. */
bool txrep_learn(struct scan *scan, bool is_spam, unsigned flags);
void txrep_forget(struct scan *scan);
/* txrep_user2global_ratio: a list of the user's and one of all. */
bool txrep_has_two_lists(const struct conf *conf);
/* As awl_operate(). */
void txrep_operate(struct scan *scan, enum sender_operation operation, struct slice address,
                   FILE *out);

#endif
