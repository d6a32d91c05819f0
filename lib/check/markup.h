/*
 * markup.h - a message as it was before the filter wrote into it
 *
 * Source: behaviour of remove_spamassassin_markup (4.0.1): the original out of a report
 * (x-spam-type=original), else X-Spam-Prev-* fields put back, rewritten Subject/From/To cleaned,
 * X-Spam-* fields dropped, line ends those of the message.
 */
#ifndef WINNOW_CHECK_MARKUP_H
#define WINNOW_CHECK_MARKUP_H

#include "conf/core.h"
#include "mail/message.h"

/* data NULL: no memory. */
struct slice markup_remove(struct arena *arena, const struct core_settings *core,
                           struct message *message);

#endif
