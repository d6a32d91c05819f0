/*
 * utf8.h - characters inside UTF-8
 *
 * Owns: decoding of single characters, the few properties that perl's \s and \w ask for (Unicode
 * 14, as perl 5.36).  Input that is no UTF-8 never stops anybody: a byte then stands for itself.
 */
#ifndef WINNOW_UTIL_UTF8_H
#define WINNOW_UTIL_UTF8_H

#include "util/slice.h"

/* Bytes of the character at s[at] (at < s.len), its number in *code_r; a stray byte is one. */
size_t utf8_decode(struct slice s, size_t at, unsigned long *code_r);
/* Where the character that ends before s[end] (end > 0) begins. */
size_t utf8_before(struct slice s, size_t end, unsigned long *code_r);
/* Writes 1-6 bytes. */
size_t utf8_encode(unsigned long code, unsigned char out[6]);
size_t utf8_count(struct slice s);
/* No bytes but UTF-8 sequences of perl's lax sort (surrogates and planes above 16 included). */
bool utf8_is_lax(struct slice s);
/* RFC 3629 only. */
bool utf8_is_valid(struct slice s);
bool utf8_is_space(unsigned long code);
bool utf8_is_word(unsigned long code);
bool utf8_is_digit(unsigned long code);

#endif
