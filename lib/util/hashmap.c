/*
 * hashmap.c - byte strings to pointers, in an arena, in order of insertion
 */
#include "util/hashmap.h"

#include <stdint.h>

/*
 * The seed is the load address of this object: random under ASLR for each process start, equal in
 * all workers of a server, and no mutable state.
 */
static const unsigned char seed_anchor = 0;

__extension__ typedef unsigned __int128 uint128;

/* Both halves of the product together: every bit of `a` reaches every bit of the result. */
static uint64_t
fold(uint64_t a, uint64_t b)
{
	uint128 product = (uint128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Up to eight bytes (n > 0), zeros behind them; loads that overlap agree where they do. */
static uint64_t
load(const unsigned char *data, size_t n)
{
	uint64_t w;

	if (n >= 8) {
		memcpy(&w, data, 8);
	} else if (n >= 4) {
		uint32_t low, high;

		memcpy(&low, data, 4);
		memcpy(&high, data + n - 4, 4);
		w = low | (uint64_t)high << (8 * (n - 4));
	} else {
		w = data[0] | (uint64_t)data[n / 2] << (8 * (n / 2)) |
		    (uint64_t)data[n - 1] << (8 * (n - 1));
	}
	return w;
}

/* A-Z to a-z in all eight bytes: the top bit of each byte of `upper` says which are A-Z. */
static uint64_t
lower_word(uint64_t w)
{
	const uint64_t all = 0x0101010101010101ULL, top = 0x80 * all, low = w & ~top;
	uint64_t from_a = low + (0x80 - 'A') * all, behind_z = low + (0x7f - 'Z') * all;
	uint64_t upper = (from_a ^ behind_z) & ~w & top;

	return w | upper >> 2;
}

/* The multiplier is secret too: without it equal products cannot be made. */
static unsigned
hash_slice(struct slice s, bool nocase)
{
	uint64_t seed = (uint64_t)(uintptr_t)&seed_anchor, h = seed ^ s.len;
	uint64_t secret = (seed << 20 ^ 0xd6e8feb86659fd93ULL) | 1;

	for (size_t i = 0; i < s.len; i += 8) {
		uint64_t w = load(s.data + i, s.len - i);

		h = fold(h ^ (nocase ? lower_word(w) : w), secret) + 0x9e3779b97f4a7c15ULL;
	}
	h = fold(h, secret);
	return (unsigned)(h ^ h >> 32);
}

unsigned
hash_bytes(struct slice s)
{
	return hash_slice(s, false);
}

unsigned
hash_bytes_nocase(struct slice s)
{
	return hash_slice(s, true);
}

void
hashmap_init(struct hashmap *map, struct arena *arena)
{
	*map = (struct hashmap){.arena = arena};
}

void
hashmap_init_nocase(struct hashmap *map, struct arena *arena)
{
	*map = (struct hashmap){.arena = arena, .ignore_case = true};
}

static unsigned *
slot_of(const struct hashmap *map, struct slice key, unsigned hash)
{
	size_t mask = map->slot_count - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		const struct hashmap_entry *e;

		if (map->slots[i] == 0)
			return &map->slots[i];
		e = &map->entries[map->slots[i] - 1];
		if (e->hash == hash &&
		    (map->ignore_case ? slice_ieq(e->key, key) : slice_eq(e->key, key)))
			return &map->slots[i];
	}
}

static unsigned
hash_key(const struct hashmap *map, struct slice key)
{
	return hash_slice(key, map->ignore_case);
}

struct hashmap_entry *
hashmap_find_hashed(const struct hashmap *map, struct slice key, unsigned hash)
{
	unsigned slot;

	if (map->count == 0)
		return NULL;
	slot = *slot_of(map, key, hash);
	return slot == 0 ? NULL : &map->entries[slot - 1];
}

struct hashmap_entry *
hashmap_find(const struct hashmap *map, struct slice key)
{
	return map->count == 0 ? NULL : hashmap_find_hashed(map, key, hash_key(map, key));
}

void *
hashmap_get(const struct hashmap *map, struct slice key)
{
	struct hashmap_entry *e = hashmap_find(map, key);

	return e == NULL ? NULL : e->value;
}

static bool
grow(struct hashmap *map)
{
	size_t size = map->size == 0 ? 8 : map->size * 2;
	struct hashmap_entry *entries = arena_new_array(map->arena, struct hashmap_entry, size);
	unsigned *slots = arena_new_array(map->arena, unsigned, size * 2);

	if (entries == NULL || slots == NULL)
		return false;
	if (map->count > 0)
		memcpy(entries, map->entries, map->count * sizeof(*entries));
	map->entries = entries;
	map->size = size;
	map->slots = slots;
	map->slot_count = size * 2;
	for (size_t i = 0; i < map->count; i++)
		*slot_of(map, entries[i].key, entries[i].hash) = (unsigned)i + 1;
	return true;
}

struct hashmap_entry *
hashmap_put(struct hashmap *map, struct slice key, bool *added_r)
{
	unsigned hash = hash_key(map, key);
	unsigned *slot;

	if (added_r != NULL)
		*added_r = false;
	if (map->count > 0) {
		slot = slot_of(map, key, hash);
		if (*slot != 0)
			return &map->entries[*slot - 1];
	}
	if (map->count == map->size && !grow(map))
		return NULL;
	slot = slot_of(map, key, hash);
	map->entries[map->count] = (struct hashmap_entry){.key = key, .hash = hash};
	*slot = (unsigned)++map->count;
	if (added_r != NULL)
		*added_r = true;
	return &map->entries[map->count - 1];
}

bool
hashmap_set(struct hashmap *map, struct slice key, void *value)
{
	struct hashmap_entry *e = hashmap_put(map, key, NULL);

	if (e == NULL)
		return false;
	e->value = value;
	return true;
}
