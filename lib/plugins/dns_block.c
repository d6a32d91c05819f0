/*
 * dns_block.c - lists that said "you ask too much" and are left alone for a while
 */
#include "plugins/dns_block.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_DIR "/var/lib/spamassassin"

struct dns_block {
	struct slice domain, rules; /* names, blank between */
	_Atomic int64_t *until_s;   /* wall clock; 0: not blocked */
};

struct dns_blocks {
	struct dns_block *items;
	size_t count;
	int64_t time_s;
	bool with_files;
	void *shared;
	size_t shared_bytes;
};

static void
unmap(void *data)
{
	struct dns_blocks *blocks = data;

	munmap(blocks->shared, blocks->shared_bytes);
}

/* Where the reference would look, in that order; NULL: no such place. */
static const char *
state_path(struct arena *arena, size_t which, struct slice domain)
{
	const char *home = getenv("HOME");

	if (which == 0 && home != NULL)
		return (const char *)arena_printf(arena, "%s/.spamassassin/dnsblock_%.*s", home,
		                                  SLICE_FMT(domain))
		        .data;
	if (which == 1)
		return (const char *)arena_printf(arena, STATE_DIR "/dnsblock_%.*s",
		                                  SLICE_FMT(domain))
		        .data;
	return NULL;
}

static void
read_files(struct dns_blocks *blocks, struct arena *arena)
{
	struct stat st;

	for (size_t i = 0; i < blocks->count; i++)
		for (size_t which = 0; which < 2; which++) {
			const char *path = state_path(arena, which, blocks->items[i].domain);

			if (path != NULL && stat(path, &st) == 0)
				atomic_store(blocks->items[i].until_s,
				             st.st_mtime + blocks->time_s);
		}
}

static void
write_file(struct scan *scan, struct slice domain)
{
	for (size_t which = 0; which < 2; which++) {
		const char *path = state_path(scan->arena, which, domain);
		int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			continue;
		(void)futimens(fd, NULL);
		close(fd);
		return;
	}
}

struct dns_blocks *
dns_blocks_create(struct arena *arena, const struct core_settings *core, bool with_files)
{
	struct dns_blocks *blocks = arena_new(arena, struct dns_blocks);
	const struct hashmap *map = &core->dns_block_rule.map;
	_Atomic int64_t *until;

	if (blocks == NULL || map->count == 0)
		return blocks;
	blocks->shared_bytes = map->count * sizeof(*until);
	blocks->items = arena_new_array(arena, struct dns_block, map->count);
	blocks->shared = mmap(NULL, blocks->shared_bytes, PROT_READ | PROT_WRITE,
	                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (blocks->shared == MAP_FAILED)
		return NULL;
	until = blocks->shared;
	if (blocks->items == NULL || !arena_on_reset(arena, unmap, blocks)) {
		unmap(blocks);
		return NULL;
	}
	blocks->time_s = core->dns_block_time > 0 && core->dns_block_time < 1e9
	                         ? (int64_t)core->dns_block_time
	                         : 0;
	blocks->with_files = with_files;
	for (size_t i = 0; i < map->count; i++)
		if (map->entries[i].value != NULL)
			blocks->items[blocks->count++] =
				(struct dns_block){.domain = map->entries[i].key,
			                           .rules = *(struct slice *)map->entries[i].value,
			                           .until_s = &until[i]};
	if (with_files)
		read_files(blocks, arena);
	return blocks;
}

static bool
is_under(struct slice name, struct slice domain)
{
	return slice_ends(name, domain) &&
	       (name.len == domain.len || name.data[name.len - domain.len - 1] == '.');
}

bool
dns_blocks_has(const struct dns_blocks *blocks, struct slice name, int64_t now_s)
{
	for (size_t i = 0; blocks != NULL && i < blocks->count; i++)
		if (atomic_load_explicit(blocks->items[i].until_s, memory_order_relaxed) >= now_s &&
		    is_under(name, blocks->items[i].domain))
			return true;
	return false;
}

static const struct rule *
rule_that_hit(struct scan *scan, struct slice names)
{
	struct slice name;

	while (slice_next_word(&names, &name)) {
		const struct rule *rule = ruleset_find(scan->rules, name);

		if (rule != NULL && scan_has_hit(scan, rule))
			return rule;
	}
	return NULL;
}

unsigned
dns_blocks_note(struct dns_blocks *blocks, struct scan *scan)
{
	unsigned count = 0;

	for (size_t i = 0; blocks != NULL && i < blocks->count; i++) {
		struct dns_block *block = &blocks->items[i];
		const struct rule *rule = rule_that_hit(scan, block->rules);
		int64_t before, until = scan->now_s + blocks->time_s;

		if (rule == NULL)
			continue;
		count++;
		before = atomic_load(block->until_s);
		if (before >= scan->now_s ||
		    !atomic_compare_exchange_strong(block->until_s, &before, until))
			continue; /* somebody said so already */
		if (blocks->with_files)
			write_file(scan, block->domain);
		log_warn(scan->log, "check",
		         "dns_block_rule %.*s hit: %.*s blocks this resolver for asking too much, "
		         "and is not asked for %lld s (use a resolver of your own, set the scores "
		         "of its rules to 0, or \"dns_query_restriction deny %.*s\")",
		         SLICE_FMT(rule->name), SLICE_FMT(block->domain), (long long)blocks->time_s,
		         SLICE_FMT(block->domain));
	}
	return count;
}
