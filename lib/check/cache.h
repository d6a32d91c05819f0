/*
 * cache.h - the table cache: what sa-compile writes and the programs map
 *
 * Owns: struct cache.  One file (paths_cache: /var/lib/spamassassin/winnow/tables, or
 * $WINNOW_CACHE; empty: none) with, for each set of patterns, its match tables and automata, under
 * a key over the patterns themselves in their order; and which patterns are good.  So nothing in it
 * can be stale: a set whose rules changed is simply not found and built as without a cache, the
 * others still are, and a configuration that was replaced while we read it gets what fits what was
 * read.  The file as a whole belongs to one build (see cache_identity) and is ignored with a debug
 * line when it is of another, cut, damaged, or may be written by others (util/blob.h).  PCRE2 code
 * is not in it: JIT code cannot be saved, and commands compile a few dozen patterns only.
 */
#ifndef WINNOW_CHECK_CACHE_H
#define WINNOW_CHECK_CACHE_H

#include "check/plan.h"

struct cache {
	struct arena *arena;
	const char *path;
	const struct blob_file *file; /* NULL: without */
	struct regex_memory *regexes;
	const struct log *log;
};

/* path NULL or "": none.  NULL: no memory; a cache that is not to be used is no error. */
struct cache *cache_open(struct arena *arena, const char *path, const struct log *log);
/* Tells match sets where their tables are, before they are built; then says how many have some. */
void cache_use(const struct cache *cache, struct plan *plan);
struct cache_source {
	const struct cache *cache;
	const struct plan *plan; /* tables built, not lazily */
};

/*
 * Writes what these plans and the patterns they came from make (with and without network tests,
 * other rules have scores); directories of path are made.  *sets_r: of the first.
 */
enum status cache_save(const struct cache_source *sources, size_t count, const char *path,
                       size_t *sets_r, struct error *error) WARN_UNUSED;

#endif
