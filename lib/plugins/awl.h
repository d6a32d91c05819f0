/*
 * awl.h - Mail::SpamAssassin::Plugin::AWL, AutoWelcomelist: mean score of a sender
 *
 * Data: scan.h, senders.h -> store/reputation.h -> the rule AWL with a score of its own, tags;
 * cmd/spamassassin (-W, --add-addr-to-welcomelist ...) -> sender_operation().
 */
#ifndef WINNOW_PLUGINS_AWL_H
#define WINNOW_PLUGINS_AWL_H

#include "plugins/senders.h"

/* Is AWL in force for this message?  TxRep then is not. */
bool awl_is_used(const struct scan *scan);
/* What spamassassin's options do to one address; says on `out` what was done. */
void awl_operate(struct scan *scan, enum sender_operation operation, struct slice address,
                 FILE *out);

#endif
