/*
 * vec.h - typed arrays that grow, in an arena
 *
 * VEC(type) declares the struct; vec_push copies one element in and yields a pointer to it, or NULL
 * when the arena is spent.  Pointers into a vec move when it grows.
 */
#ifndef WINNOW_UTIL_VEC_H
#define WINNOW_UTIL_VEC_H

#include "util/arena.h"

#define VEC(type)                                                                                  \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t count;                                                                      \
		size_t size;                                                                       \
	}

/* true when there is room for one more. */
#define vec_reserve(arena, vec)                                                                    \
	((vec)->count < (vec)->size ||                                                             \
	 vec_grow((arena), (void **)&(vec)->items, &(vec)->size, sizeof(*(vec)->items)))
#define vec_push(arena, vec, ...)                                                                  \
	(vec_reserve((arena), (vec))                                                               \
	         ? ((vec)->items[(vec)->count] = (__VA_ARGS__), &(vec)->items[(vec)->count++])     \
	         : NULL)

bool vec_grow(struct arena *arena, void **items, size_t *size, size_t item_size);

typedef VEC(struct slice) slice_vec;

#endif
