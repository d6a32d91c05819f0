/*
 * decode.h - transfer encodings
 *
 * Owns: nothing.  Source: RFC 2045 6.7 and 6.8; malformed input as SpamAssassin 4.0.1 treats it.
 * Output is never longer than input.  data NULL: the arena is spent.
 */
#ifndef WINNOW_MAIL_DECODE_H
#define WINNOW_MAIL_DECODE_H

#include "util/arena.h"
#include "util/slice.h"

struct slice base64_decode(struct arena *arena, struct slice text);
/* underscore_is_space: as in encoded words. */
struct slice qp_decode(struct arena *arena, struct slice text, bool underscore_is_space);
/* CRLF to LF; the slice itself when there is none. */
struct slice crlf_to_lf(struct arena *arena, struct slice text);

#endif
