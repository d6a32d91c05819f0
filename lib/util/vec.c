/*
 * vec.c - typed arrays that grow, in an arena
 */
#include "util/vec.h"

bool
vec_grow(struct arena *arena, void **items, size_t *size, size_t item_size)
{
	size_t count = *size == 0 ? 8 : *size * 2;
	size_t bytes;
	void *p;

	/* Nobody looks behind count, so what is new need not be zeroed: most of it is never used.
	 */
	if (__builtin_mul_overflow(count, item_size, &bytes))
		return false;
	p = arena_regrow_aligned(arena, *size == 0 ? NULL : *items, *size * item_size, bytes,
	                         alignof(max_align_t));
	if (p == NULL)
		return false;
	*items = p;
	*size = count;
	return true;
}
