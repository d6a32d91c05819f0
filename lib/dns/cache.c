/*
 * cache.c - answers that the processes of a server share for as long as they are good
 *
 * Each place has a counter: odd while somebody writes there.  Who reads copies, and takes the copy
 * only if the counter was even and is the same afterwards.
 */
#include "dns/cache.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "dns/wire.h"
#include "util/hashmap.h"

enum {
	WAYS = 4, /* places that a name may be in */
	TTL_MAX_S = 86400,
	NEGATIVE_MAX_S = 3 * 3600,
	STUCK_MS = 1000 /* so long nobody writes: he died */
};

struct place {
	_Atomic uint32_t turn;
	_Atomic uint32_t hash;
	_Atomic int64_t until_ms; /* 0: never used */
	_Atomic int64_t writing_ms;
	uint32_t sum; /* of name and answer: two may have written, when one was held up for long */
	uint16_t type, name_len, answer_len;
	unsigned char bytes[DNS_NAME_BYTES_MAX + DNS_CACHE_ANSWER_MAX]; /* name, answer */
};

struct dns_cache {
	struct place *places;
	size_t bytes;
	uint32_t groups;
};

static void
unmap(void *data)
{
	struct dns_cache *cache = data;

	(void)munmap(cache->places, cache->bytes);
}

struct dns_cache *
dns_cache_create(struct arena *arena, size_t bytes)
{
	struct dns_cache *cache = arena_new(arena, struct dns_cache);
	size_t groups = bytes / (WAYS * sizeof(struct place));

	if (cache == NULL)
		return NULL;
	if (groups == 0)
		groups = 1;
	if (groups > UINT32_MAX)
		groups = UINT32_MAX;
	cache->groups = (uint32_t)groups;
	cache->bytes = groups * WAYS * sizeof(struct place);
	cache->places =
		mmap(NULL, cache->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (cache->places == MAP_FAILED)
		return NULL;
	if (arena_on_reset(arena, unmap, cache))
		return cache;
	unmap(cache);
	return NULL;
}

static uint32_t
hash_of(struct slice name, unsigned type)
{
	return (uint32_t)hash_bytes_nocase(name) ^ type * 2654435761U;
}

static struct place *
group_of(struct dns_cache *cache, uint32_t hash)
{
	return &cache->places[(size_t)(hash % cache->groups) * WAYS];
}

/* Nobody may be writing to it meanwhile; who reads looks at the counter afterwards. */
static bool
is_of(const struct place *p, struct slice name, unsigned type)
{
	return p->type == type && p->name_len == name.len &&
	       slice_ieq(slice_of(p->bytes, p->name_len), name);
}

/* Length, 0: it is another one's, too old or being written. */
static size_t
read_place(struct place *p, struct slice name, unsigned type, int64_t now_ms, unsigned char *out)
{
	uint32_t turn = atomic_load_explicit(&p->turn, memory_order_acquire);
	size_t len = 0, name_len = p->name_len;

	if (turn & 1 || atomic_load_explicit(&p->until_ms, memory_order_relaxed) <= now_ms ||
	    name_len > DNS_NAME_BYTES_MAX || !is_of(p, name, type))
		return 0;
	len = p->answer_len;
	if (len > DNS_CACHE_ANSWER_MAX)
		return 0;
	memcpy(out, p->bytes + name_len, len);
	if (p->sum != (hash_bytes(slice_of(out, len)) ^ hash_of(name, type)))
		return 0;
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&p->turn, memory_order_relaxed) == turn ? len : 0;
}

size_t
dns_cache_get(struct dns_cache *cache, struct slice name, unsigned type, int64_t now_ms,
              unsigned char *out)
{
	uint32_t hash = hash_of(name, type);
	struct place *p = group_of(cache, hash);

	for (unsigned i = 0; i < WAYS; i++) {
		size_t len;

		if (atomic_load_explicit(&p[i].hash, memory_order_relaxed) != hash)
			continue;
		len = read_place(&p[i], name, type, now_ms, out);
		if (len > 0)
			return len;
	}
	return 0;
}

/* The name's own place, else one that is empty or too old, else the one that ends first. */
static struct place *
choose(struct dns_cache *cache, uint32_t hash, struct slice name, unsigned type)
{
	struct place *group = group_of(cache, hash), *best = group;

	for (unsigned i = 0; i < WAYS; i++) {
		if (atomic_load_explicit(&group[i].hash, memory_order_relaxed) == hash &&
		    is_of(&group[i], name, type))
			return &group[i];
		if (atomic_load_explicit(&group[i].until_ms, memory_order_relaxed) <
		    atomic_load_explicit(&best->until_ms, memory_order_relaxed))
			best = &group[i];
	}
	return best;
}

/* Makes the counter odd; false: somebody else writes there. */
static bool
take(struct place *p, int64_t now_ms)
{
	uint32_t turn = atomic_load_explicit(&p->turn, memory_order_relaxed);
	uint32_t mine = turn + 1;

	if (turn & 1) {
		int64_t since = atomic_load_explicit(&p->writing_ms, memory_order_relaxed);

		if (now_ms - since < STUCK_MS)
			return false;
		mine = turn + 2;
	}
	if (!atomic_compare_exchange_strong_explicit(&p->turn, &turn, mine, memory_order_acquire,
	                                             memory_order_relaxed))
		return false;
	atomic_store_explicit(&p->writing_ms, now_ms, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	return true;
}

void
dns_cache_put(struct dns_cache *cache, struct slice name, unsigned type, struct slice answer,
              uint32_t ttl_s, bool is_negative, int64_t now_ms)
{
	uint32_t hash = hash_of(name, type), most_s = is_negative ? NEGATIVE_MAX_S : TTL_MAX_S;
	struct place *p;

	if (ttl_s == 0 || answer.len == 0 || answer.len > DNS_CACHE_ANSWER_MAX ||
	    name.len > DNS_NAME_BYTES_MAX || type > UINT16_MAX)
		return;
	p = choose(cache, hash, name, type);
	if (!take(p, now_ms))
		return;
	atomic_store_explicit(&p->hash, hash, memory_order_relaxed);
	atomic_store_explicit(&p->until_ms,
	                      now_ms + (int64_t)(ttl_s < most_s ? ttl_s : most_s) * 1000,
	                      memory_order_relaxed);
	p->type = (uint16_t)type;
	p->name_len = (uint16_t)name.len;
	p->answer_len = (uint16_t)answer.len;
	p->sum = hash_bytes(answer) ^ hash;
	memcpy(p->bytes, name.data, name.len);
	memcpy(p->bytes + name.len, answer.data, answer.len);
	atomic_fetch_add_explicit(&p->turn, 1, memory_order_release);
}
