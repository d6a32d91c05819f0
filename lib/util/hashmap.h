/*
 * hashmap.h - byte strings to pointers, in an arena, in order of insertion
 *
 * Owns: struct hashmap.  Keys are not copied: they must live as long as the map.  Entries are kept
 * in one array in order of insertion (`entries`, `count`), so walking is deterministic; there is no
 * removal, a caller sets the value to NULL.  Hashes are seeded per process start, so that mail
 * cannot choose collisions.
 */
#ifndef WINNOW_UTIL_HASHMAP_H
#define WINNOW_UTIL_HASHMAP_H

#include "util/arena.h"
#include "util/slice.h"

struct hashmap_entry {
	struct slice key;
	void *value;
	unsigned hash;
};

struct hashmap {
	struct arena *arena;
	struct hashmap_entry *entries;
	size_t count;
	size_t size;
	unsigned *slots; /* index + 1 into entries, 0 = free */
	size_t slot_count;
	bool ignore_case;
};

void hashmap_init(struct hashmap *map, struct arena *arena);
/* Keys equal but for ASCII case are one. */
void hashmap_init_nocase(struct hashmap *map, struct arena *arena);
/* NULL when the key is not there (or its value is NULL: use hashmap_find). */
void *hashmap_get(const struct hashmap *map, struct slice key);
struct hashmap_entry *hashmap_find(const struct hashmap *map, struct slice key);
/* The same where the key's hash is known (an entry of another map of the same sort, hash_bytes). */
struct hashmap_entry *hashmap_find_hashed(const struct hashmap *map, struct slice key,
                                          unsigned hash);
/* Finds or adds (with value NULL); added_r may be NULL.  NULL: the arena is spent. */
struct hashmap_entry *hashmap_put(struct hashmap *map, struct slice key, bool *added_r);
/* Replaces the value of an equal key.  false: the arena is spent. */
bool hashmap_set(struct hashmap *map, struct slice key, void *value);

unsigned hash_bytes(struct slice s);
unsigned hash_bytes_nocase(struct slice s);

#endif
