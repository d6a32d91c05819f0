/*
 * encoded_word.h - RFC 2047 in header fields
 *
 * Owns: nothing.  Source: RFC 2047, 2231 5; adjacent words, broken words and raw 8-bit text as
 * SpamAssassin 4.0.1 treats them.
 */
#ifndef WINNOW_MAIL_ENCODED_WORD_H
#define WINNOW_MAIL_ENCODED_WORD_H

#include "util/arena.h"
#include "util/slice.h"

/*
 * Removes fold LFs, makes raw 8-bit text UTF-8, decodes encoded words unless `name` is a field that
 * holds none (Received, Message-ID, Date...).  The value itself when nothing is to do.
 */
struct slice encoded_word_decode(struct arena *arena, struct slice value, struct slice name);

#endif
