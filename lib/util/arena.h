/*
 * arena.h - one region of memory for everything that dies together
 *
 * Owns: struct arena.  One per message (freed after the reply), one per configuration.  A first
 * parameter `struct arena *` means "the result lives there"; nothing in it is freed by itself.  An
 * arena is born with a budget; past it, or when the host has no memory, allocation returns NULL and
 * the arena remembers (arena_is_spent). Descriptors and foreign objects register a cleanup, run in
 * reverse order by arena_reset and arena_destroy.
 */
#ifndef WINNOW_UTIL_ARENA_H
#define WINNOW_UTIL_ARENA_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/slice.h"
#include "util/status.h"

struct arena;

/* max_bytes 0 = no budget.  NULL when there is no memory. */
struct arena *arena_create(size_t max_bytes);
void arena_destroy(struct arena **arena);
/* Forgets everything; keeps one block of moderate size, gives the rest back to the host. */
void arena_reset(struct arena *arena);
void arena_set_budget(struct arena *arena, size_t max_bytes);

/* Zeroed memory. */
void *arena_alloc(struct arena *arena, size_t size, size_t align);
/* Not zeroed, byte alignment: for text. */
void *arena_bytes(struct arena *arena, size_t size);
/*
 * Makes `old` (old_size bytes, from arena_bytes) new_size bytes long: in place when it is the
 * latest allocation, else by copying.  NULL leaves `old` as it is.
 */
void *arena_regrow(struct arena *arena, void *old, size_t old_size, size_t new_size);
/* The same with alignment, for memory from arena_alloc; what is new is not zeroed. */
void *arena_regrow_aligned(struct arena *arena, void *old, size_t old_size, size_t new_size,
                           size_t align);

#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type), alignof(type)))
/* An array; NULL on overflow too. */
#define arena_new_array(arena, type, count)                                                        \
	((type *)arena_array((arena), (count), sizeof(type), alignof(type)))
void *arena_array(struct arena *arena, size_t count, size_t size, size_t align);

/* Copies end in a NUL that is not counted.  data == NULL: no memory. */
struct slice arena_dup(struct arena *arena, struct slice s);
struct slice arena_dup_lower(struct arena *arena, struct slice s);
struct slice arena_concat(struct arena *arena, struct slice a, struct slice b);
char *arena_cstr(struct arena *arena, struct slice s);
struct slice arena_printf(struct arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Runs fn(data) when the arena is reset or destroyed.  false: no memory, fn was not registered. */
bool arena_on_reset(struct arena *arena, void (*fn)(void *data), void *data);

size_t arena_used(const struct arena *arena);
bool arena_is_spent(const struct arena *arena);

#endif
