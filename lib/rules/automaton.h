/*
 * automaton.h - a pattern made weaker, run as a lazy automaton
 *
 * Owns: struct automaton (a program of byte classes and jumps; read-only, shared) and struct
 * automaton_cache (states met so far; one set a worker).
 * Data: pattern.h tree -> program -> match_set.c, between the factors and PCRE2.
 * The program accepts every text that the pattern matches and some more: look-around, \b and $
 * count as true, recursion as anything, long counted repeats as unbounded.  "No" is therefore sure,
 * "maybe" goes to PCRE2.  One table step a byte, whatever the pattern: what the large alternations
 * of replace_tags cost PCRE2 at every position of a paragraph is gone.
 */
#ifndef WINNOW_RULES_AUTOMATON_H
#define WINNOW_RULES_AUTOMATON_H

#include "rules/pattern.h"
#include "util/blob.h"

struct automaton;
struct automaton_cache;

/* NULL: not worth it (small, matches the empty text, back references, verbs) or no memory. */
struct automaton *automaton_create(struct arena *arena, const struct pattern *pattern);
size_t automaton_size(const struct automaton *automaton); /* steps of its program */
size_t automaton_bytes(const struct automaton *automaton);
/* As match_table_save and _load. */
uint64_t automaton_save(const struct automaton *automaton, struct blob_out *out);
struct automaton *automaton_load(struct arena *arena, struct slice blob, uint64_t at);
void automaton_identity(struct blob_hash *hash);

/* NULL: no memory. */
struct automaton_cache *automaton_cache_create(void);
void automaton_cache_destroy(struct automaton_cache **cache);
/*
 * What it holds now is there to stay (a parent that is about to fork: the pages are shared).  What
 * comes later has a limit: what was not used for longest goes.
 */
void automaton_cache_settle(struct automaton_cache *cache);
size_t automaton_cache_own_bytes(const struct automaton_cache *cache); /* come since then */

/* One automaton over one text. */
struct automaton_job {
	const struct automaton *automaton;
	struct slice text;
	bool may_match; /* the answer */
};

/*
 * Answers all jobs.  Several run side by side: each step of one waits for memory, so four take
 * little longer than one.  The cache must not outlive the automata it was used with.
 */
void automata_run(struct automaton_cache *cache, struct automaton_job *jobs, size_t count);
bool automaton_may_match(const struct automaton *automaton, struct automaton_cache *cache,
                         struct slice text);

#endif
