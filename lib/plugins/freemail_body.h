/*
 * freemail_body.h - addresses in the text of a message
 *
 * Source: Plugin/FreeMail.pm _parse_body: links that hold an address and addresses in <> or before
 * "wrote:" are taken out of the body array itself, which body rules of the same priority then see
 * (SURPRISES.md).  Linear.
 */
#ifndef WINNOW_PLUGINS_FREEMAIL_BODY_H
#define WINNOW_PLUGINS_FREEMAIL_BODY_H

#include "plugins/scan.h"

/* Lower-cased, distinct, in order of finding; edits scan->body_edited. */
void freemail_body_find(struct scan *scan, slice_vec *found);

#endif
