/*
 * vec.c - typed arrays that grow, in an arena
 */
#include "util/vec.h"

bool
vec_grow(struct arena *arena, void **items, size_t *size, size_t item_size)
{
	size_t count = *size == 0 ? 8 : *size * 2;
	void *p = arena_array(arena, count, item_size, alignof(max_align_t));

	if (p == NULL)
		return false;
	if (*size > 0)
		memcpy(p, *items, *size * item_size);
	*items = p;
	*size = count;
	return true;
}
