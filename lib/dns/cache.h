/*
 * cache.h - answers that the processes of a server share for as long as they are good
 *
 * Owns: struct dns_cache, a table in memory that is shared over fork(): made before, used by all
 * after.  Data: resolver.c's answers -> dns_cache_put() -> dns_cache_get() of any process.  Source:
 * RFC 1035 (TTL), RFC 2308 (answers that say no, for as long as their SOA says, three hours at
 * most).
 *
 * Nobody waits: a place that another process is writing counts as empty, and one that a process
 * died over is taken again.  What does not fit into a place is not kept.
 */
#ifndef WINNOW_DNS_CACHE_H
#define WINNOW_DNS_CACHE_H

#include <stdint.h>

#include "util/arena.h"

struct dns_cache;

enum { DNS_CACHE_ANSWER_MAX = 900 };

/* Lives as long as the arena.  NULL: no memory. */
struct dns_cache *dns_cache_create(struct arena *arena, size_t bytes);

/*
 * now_ms: clock_monotonic_ms(), one for all processes.  out: DNS_CACHE_ANSWER_MAX bytes.  Length of
 * the answer, as it came; 0: none that is still good.
 */
size_t dns_cache_get(struct dns_cache *cache, struct slice name, unsigned type, int64_t now_ms,
                     unsigned char *out);
/* An answer, good for ttl_s from now on; negative: it says that there is nothing. */
void dns_cache_put(struct dns_cache *cache, struct slice name, unsigned type, struct slice answer,
                   uint32_t ttl_s, bool is_negative, int64_t now_ms);

#endif
