/*
 * charset.h - bytes of a declared character set to UTF-8
 *
 * Owns: the table of names.  Source: which names and byte sequences perl's Encode 3.17 takes; the
 * order of guesses of SpamAssassin 4.0.1 (strict UTF-8, declared, Windows-1252).
 * Names only select rows of the table: nothing from mail reaches the host's iconv.
 */
#ifndef WINNOW_MAIL_CHARSET_H
#define WINNOW_MAIL_CHARSET_H

#include "util/arena.h"
#include "util/slice.h"

struct charset;

/* NULL: unknown. */
const struct charset *charset_find(struct slice name);
const char *charset_name(const struct charset *charset);

/* Strict UTF-8 as the reference takes it: no surrogates, at most U+10FFFF. */
bool charset_is_utf8(struct slice text);
bool bytes_are_ascii(struct slice text);

/*
 * Decodes to UTF-8.  strict: false at the first byte that does not fit; else U+FFFD in its place.
 * *text_r may be the input itself.
 */
bool charset_decode(struct arena *arena, const struct charset *charset, struct slice text,
                    bool strict, struct slice *text_r);

/*
 * The reference's "normalize": tries strict UTF-8, the declared name, Windows-1252.  insist: the
 * declared name with substitution, as encoded words do.  *decoded_r (may be NULL): the result is
 * UTF-8 that perl would hold as characters, false: bytes as they were.
 */
struct slice charset_normalize(struct arena *arena, struct slice text, struct slice declared,
                               bool insist, bool *decoded_r);
/* Latin-1 bytes as UTF-8. */
struct slice latin1_to_utf8(struct arena *arena, struct slice text);

#endif
