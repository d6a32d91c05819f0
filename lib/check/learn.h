/*
 * learn.h - a message is learned from
 *
 * Data: check.h (a message, scanned or only parsed) -> plugins/bayes.h.
 */
#ifndef WINNOW_CHECK_LEARN_H
#define WINNOW_CHECK_LEARN_H

#include "check/check.h"

enum learn_action { LEARN_HAM, LEARN_SPAM, LEARN_FORGET };

/* Of a message that was not scanned: check_create() made it, check_run() was not called.
 * use_ignores: bayes_ignore_from and bayes_ignore_to count. */
enum bayes_result learn_message(struct check *check, enum learn_action action, bool use_ignores);
/* At the end of a scan, if its score is clear enough; sets check->autolearn and what follows. */
void learn_automatically(struct check *check);
/* Makes what tokens need of a message that is not scanned; learn_message() does it. */
void learn_prepare(struct check *check);

#endif
