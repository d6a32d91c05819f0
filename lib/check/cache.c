#include "check/cache.h"

#include <config.h>
#include <errno.h>
#include <sys/stat.h>

#include "check/tables-id.h"

/* What a file must agree with: this build of lib/rules and lib/util, PCRE2, sizes, byte order. */
static struct blob_key
cache_identity(void)
{
	static const uint64_t order = 0x0102030405060708U;
	struct blob_hash hash;

	blob_hash_init(&hash);
	blob_hash_add(&hash, SLICE(PACKAGE_VERSION " " TABLES_ID));
	blob_hash_add(&hash, slice_of(&order, sizeof(order)));
	blob_hash_number(&hash, sizeof(void *));
	regex_identity(&hash);
	match_set_identity(&hash);
	return blob_hash_finish(&hash);
}

struct cache *
cache_open(struct arena *arena, const char *path, const struct log *log)
{
	struct cache *cache = arena_new(arena, struct cache);
	struct error error = {""};
	enum status status = STATUS_NONE;

	if (cache == NULL)
		return NULL;
	cache->arena = arena;
	cache->path = path;
	cache->log = log;
	if (path != NULL && path[0] != '\0')
		status = blob_file_open(arena, path, cache_identity(), &cache->file, &error);
	if (status == STATUS_NONE && path != NULL && path[0] != '\0')
		log_debug(log, "cache", "no table cache %s: tables are made when needed", path);
	else if (status != STATUS_OK && status != STATUS_NONE)
		log_debug(log, "cache", "table cache %s ignored: %s; tables are made when needed",
		          path, error.text);
	cache->regexes = regex_memory_create(arena, cache->file);
	return cache;
}

void
cache_use(const struct cache *cache, struct plan *plan)
{
	size_t found = 0, all = 0;

	if (cache->file == NULL)
		return;
	for (size_t g = 0; g < plan->groups.count; g++) {
		struct match_set *set = plan->groups.items[g].set;

		if (match_set_count(set) == 0)
			continue;
		all++;
		found += match_set_use(set, cache->file);
	}
	log_debug(cache->log, "cache",
	          "table cache %s: %zu of %zu sets of rules, %zu patterns known%s", cache->path,
	          found, all, regex_memory_count(cache->regexes),
	          found < all ? "; the rest is stale, run sa-compile again" : "");
}

/* As mkdir -p for what leads to the file. */
static bool
make_directories(struct arena *arena, const char *path)
{
	char *name = (char *)(uintptr_t)arena_printf(arena, "%s", path).data;

	if (name == NULL)
		return false;
	for (char *slash = strchr(name + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(name, S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH) != 0 &&
		    errno != EEXIST)
			return false;
		*slash = '/';
	}
	return true;
}

static bool
add_sets(const struct plan *plan, struct blob_writer *writer, struct arena *arena, size_t *sets)
{
	*sets = 0;
	for (size_t g = 0; g < plan->groups.count; g++) {
		const struct match_set *set = plan->groups.items[g].set;

		if (!match_set_save(set, writer, arena))
			return false;
		*sets += match_set_count(set) > 0;
	}
	return true;
}

enum status
cache_save(const struct cache_source *sources, size_t count, const char *path, size_t *sets_r,
           struct error *error)
{
	struct arena *arena = arena_create(0);
	struct blob_writer *writer = arena == NULL ? NULL : blob_writer_create(arena);
	bool ok = writer != NULL;
	enum status status = STATUS_LIMIT;
	size_t sets = 0;

	for (size_t i = 0; i < count && ok; i++)
		ok = regex_memory_save(sources[i].cache->regexes, writer) &&
		     add_sets(sources[i].plan, writer, arena, i == 0 ? sets_r : &sets);
	if (!ok)
		(void)error_set(error, STATUS_LIMIT, "no memory for the table cache");
	else if (!make_directories(arena, path))
		status = error_set(error, STATUS_IO, "cannot make the directory of %s: %s", path,
		                   strerror(errno));
	else
		status = blob_writer_finish(writer, path, cache_identity(), error);
	arena_destroy(&arena);
	return status;
}
