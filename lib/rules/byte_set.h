/*
 * byte_set.h - sets of bytes, as patterns use them
 *
 * Owns: struct byte_set and what Perl's class names mean on bytes.  Under /aa: \w \d \s and POSIX
 * classes are ASCII, \h \v and \p{..} are Latin-1, and case folding joins the ASCII letters and the
 * 30 Latin-1 pairs (C0-DE with E0-FE, without D7 and F7), never one with the other.
 */
#ifndef WINNOW_RULES_BYTE_SET_H
#define WINNOW_RULES_BYTE_SET_H

#include <stdbool.h>
#include <stdint.h>

#include "util/slice.h"

struct byte_set {
	uint64_t bits[4];
};

/* Which characters \w, \s, POSIX classes and /i know. */
enum byte_charset {
	BYTE_AA, /* ASCII classes, Latin-1 folding */
	BYTE_U,  /* Latin-1 classes and folding: /u, /l */
	BYTE_D   /* ASCII classes and folding: (?^..) */
};

static inline void
byte_set_add(struct byte_set *set, unsigned c)
{
	set->bits[(c >> 6) & 3] |= (uint64_t)1 << (c & 63);
}

static inline bool
byte_set_has(const struct byte_set *set, unsigned c)
{
	return (set->bits[(c >> 6) & 3] >> (c & 63) & 1) != 0;
}

static inline bool
byte_set_eq(const struct byte_set *a, const struct byte_set *b)
{
	return a->bits[0] == b->bits[0] && a->bits[1] == b->bits[1] && a->bits[2] == b->bits[2] &&
	       a->bits[3] == b->bits[3];
}

static inline bool
byte_set_is_empty(const struct byte_set *a)
{
	return (a->bits[0] | a->bits[1] | a->bits[2] | a->bits[3]) == 0;
}

static inline void
byte_set_invert(struct byte_set *set)
{
	for (int i = 0; i < 4; i++)
		set->bits[i] = ~set->bits[i];
}

static inline void
byte_set_unite(struct byte_set *set, const struct byte_set *other)
{
	for (int i = 0; i < 4; i++)
		set->bits[i] |= other->bits[i];
}

static inline unsigned
byte_set_count(const struct byte_set *set)
{
	unsigned n = 0;
	for (int i = 0; i < 4; i++)
		n += (unsigned)__builtin_popcountll(set->bits[i]);
	return n;
}

/* The other letter of a pair, or c itself. */
unsigned char byte_other_case(unsigned char c, enum byte_charset charset);
void byte_set_fold(struct byte_set *set, enum byte_charset charset);

/* \d \D \w \W \s \S \h \H \v \V \N: true when `escape` is one of them; unites it into the set. */
bool byte_set_add_escape(struct byte_set *set, unsigned char escape, enum byte_charset charset);
/* Name of [:name:] without colons and ^; false: unknown. */
bool byte_set_add_posix(struct byte_set *set, struct slice name, bool negated, bool fold,
                        enum byte_charset charset);
/* Name inside \p{..}, without ^; false: not a property we know. */
bool byte_set_add_property(struct byte_set *set, struct slice name, bool negated, bool fold);
/* Code point of \N{NAME}; -1: unknown. */
int byte_char_name(struct slice name);

#endif
