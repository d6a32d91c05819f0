/*
 * arena.c - one region of memory for everything that dies together
 *
 * Blocks grow by doubling from 16 KiB to 1 MiB; an allocation larger than the next block gets a
 * block of its own. Under AddressSanitizer the unused rest of a block is poisoned, so that one byte
 * too far is seen.
 */
#include "util/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include "util/format.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define REDZONE 8
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define REDZONE 0
#endif

enum {
	BLOCK_FIRST = 16 * 1024,
	BLOCK_LARGEST = 1024 * 1024,
	BLOCK_KEPT = 256 * 1024 /* a block up to this size survives arena_reset */
};

struct block {
	struct block *next; /* older block */
	size_t size;        /* bytes of data */
	size_t used;
	max_align_t data[];
};

struct cleanup {
	struct cleanup *next;
	void (*fn)(void *data);
	void *data;
};

struct arena {
	struct block *top;
	struct cleanup *cleanups;
	size_t next_size;
	size_t total; /* bytes of all blocks */
	size_t max_bytes;
	bool spent;
};

static unsigned char *
block_bytes(struct block *block)
{
	return (unsigned char *)block->data;
}

struct arena *
arena_create(size_t max_bytes)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena != NULL) {
		arena->next_size = BLOCK_FIRST;
		arena->max_bytes = max_bytes;
	}
	return arena;
}

void
arena_set_budget(struct arena *arena, size_t max_bytes)
{
	arena->max_bytes = max_bytes;
}

static void
run_cleanups(struct arena *arena)
{
	while (arena->cleanups != NULL) {
		struct cleanup *c = arena->cleanups;

		arena->cleanups = c->next;
		c->fn(c->data);
	}
}

static void
free_blocks(struct arena *arena, bool keep_one)
{
	struct block *kept = NULL;

	while (arena->top != NULL) {
		struct block *block = arena->top;

		arena->top = block->next;
		if (keep_one && block->size <= BLOCK_KEPT &&
		    (kept == NULL || block->size > kept->size)) {
			struct block *swap = kept;

			kept = block;
			block = swap;
		}
		if (block != NULL)
			UNPOISON(block_bytes(block), block->size);
		free(block);
	}
	arena->total = 0;
	arena->next_size = BLOCK_FIRST;
	if (kept != NULL) {
		kept->next = NULL;
		kept->used = 0;
		POISON(block_bytes(kept), kept->size);
		arena->top = kept;
		arena->total = kept->size;
		arena->next_size = kept->size;
	}
}

void
arena_reset(struct arena *arena)
{
	run_cleanups(arena);
	free_blocks(arena, true);
	arena->spent = false;
}

void
arena_destroy(struct arena **arena)
{
	if (*arena == NULL)
		return;
	run_cleanups(*arena);
	free_blocks(*arena, false);
	free(*arena);
	*arena = NULL;
}

static struct block *
add_block(struct arena *arena, size_t need)
{
	size_t size = arena->next_size;
	struct block *block;

	if (need > SIZE_MAX / 2)
		return NULL;
	if (size < need)
		size = need;
	if (arena->max_bytes != 0 &&
	    (arena->total > arena->max_bytes || need > arena->max_bytes - arena->total))
		return NULL;
	block = malloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	block->size = size;
	block->used = 0;
	block->next = arena->top;
	POISON(block_bytes(block), size);
	arena->top = block;
	arena->total += size;
	if (arena->next_size < BLOCK_LARGEST)
		arena->next_size *= 2;
	return block;
}

static void *
take(struct arena *arena, size_t size, size_t align)
{
	struct block *block = arena->top;
	size_t at;

	if (size > SIZE_MAX / 2)
		goto spent;
	if (block != NULL) {
		at = (block->used + align - 1) & ~(align - 1);
		if (at <= block->size && size + REDZONE <= block->size - at)
			goto found;
	}
	block = add_block(arena, size + REDZONE);
	if (block == NULL)
		goto spent;
	at = 0;
found:
	block->used = at + size + REDZONE;
	UNPOISON(block_bytes(block) + at, size);
	return block_bytes(block) + at;
spent:
	arena->spent = true;
	return NULL;
}

void *
arena_alloc(struct arena *arena, size_t size, size_t align)
{
	void *p = take(arena, size, align);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

void *
arena_bytes(struct arena *arena, size_t size)
{
	return take(arena, size, 1);
}

void *
arena_array(struct arena *arena, size_t count, size_t size, size_t align)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		arena->spent = true;
		return NULL;
	}
	return arena_alloc(arena, bytes, align);
}

void *
arena_regrow(struct arena *arena, void *old, size_t old_size, size_t new_size)
{
	return arena_regrow_aligned(arena, old, old_size, new_size, 1);
}

void *
arena_regrow_aligned(struct arena *arena, void *old, size_t old_size, size_t new_size, size_t align)
{
	struct block *block = arena->top;
	void *p;

	if (old != NULL && block != NULL && new_size >= old_size &&
	    block_bytes(block) + block->used - REDZONE - old_size == (unsigned char *)old &&
	    new_size - old_size <= block->size - block->used) {
		block->used += new_size - old_size;
		UNPOISON(old, new_size);
		return old;
	}
	p = take(arena, new_size, align);
	if (p != NULL && old != NULL)
		memcpy(p, old, old_size < new_size ? old_size : new_size);
	return p;
}

struct slice
arena_dup(struct arena *arena, struct slice s)
{
	return arena_concat(arena, s, SLICE_NULL);
}

struct slice
arena_concat(struct arena *arena, struct slice a, struct slice b)
{
	unsigned char *p = arena_bytes(arena, a.len + b.len + 1);

	if (p == NULL)
		return SLICE_NULL;
	if (a.len > 0)
		memcpy(p, a.data, a.len);
	if (b.len > 0)
		memcpy(p + a.len, b.data, b.len);
	p[a.len + b.len] = '\0';
	return slice_of(p, a.len + b.len);
}

struct slice
arena_dup_lower(struct arena *arena, struct slice s)
{
	unsigned char *p = arena_bytes(arena, s.len + 1);

	if (p == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < s.len; i++)
		p[i] = byte_lower(s.data[i]);
	p[s.len] = '\0';
	return slice_of(p, s.len);
}

char *
arena_cstr(struct arena *arena, struct slice s)
{
	char *p = arena_bytes(arena, s.len + 1);

	if (p == NULL)
		return NULL;
	if (s.len > 0)
		memcpy(p, s.data, s.len);
	p[s.len] = '\0';
	return p;
}

struct slice
arena_printf(struct arena *arena, const char *fmt, ...)
{
	unsigned char small[256]; /* most texts fit: formatted once */
	va_list ap;
	unsigned char *p;
	size_t len;

	va_start(ap, fmt);
	len = format_bytes(small, sizeof(small), fmt, ap);
	va_end(ap);
	p = arena_bytes(arena, len + 1);
	if (p == NULL)
		return SLICE_NULL;
	if (len <= sizeof(small)) {
		memcpy(p, small, len);
	} else {
		va_start(ap, fmt);
		(void)format_bytes(p, len, fmt, ap);
		va_end(ap);
	}
	p[len] = '\0';
	return slice_of(p, len);
}

bool
arena_on_reset(struct arena *arena, void (*fn)(void *data), void *data)
{
	struct cleanup *c = arena_new(arena, struct cleanup);

	if (c == NULL)
		return false;
	c->fn = fn;
	c->data = data;
	c->next = arena->cleanups;
	arena->cleanups = c;
	return true;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->total;
}

bool
arena_is_spent(const struct arena *arena)
{
	return arena->spent;
}
