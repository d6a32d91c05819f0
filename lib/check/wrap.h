/*
 * wrap.h - lines of a given width
 *
 * Source: behaviour of Util.pm wrap(): greedy, break characters stay at the end of a piece,
 * trailing white space of a finished line is dropped, a tab counts eight.
 */
#ifndef WINNOW_CHECK_WRAP_H
#define WINNOW_CHECK_WRAP_H

#include "util/arena.h"
#include "util/slice.h"

enum wrap_break {
	WRAP_AT_SPACE,         /* white space is a piece of its own */
	WRAP_AFTER_SPACE_COMMA /* a line may end after white space or a comma */
};

struct wrap_options {
	struct slice prefix; /* of every line but the first */
	struct slice first;  /* before the text, part of the first line's width */
	size_t width;
	bool overflow; /* a line may be longer by its last piece */
	enum wrap_break at;
};

struct slice wrap_text(struct arena *arena, struct slice text, const struct wrap_options *options);

#endif
