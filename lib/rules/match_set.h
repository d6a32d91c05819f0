/*
 * match_set.h - all patterns over one kind of input
 *
 * Owns: struct match_set (the rules of one kind: body, rawbody, uri, full, mimeheader, or one
 * header accessor; read-only after match_set_build, shared by all workers), struct match_scratch
 * (one per worker), struct match_run (one set over one message).
 * Data: regex.h + factor.h -> tables; items (paragraphs, chunks, URIs, header value) -> hits.
 * One pass over the items finds the rules whose necessary condition holds; only those run in
 * PCRE2, which alone decides (or the condition, where it is the whole pattern).  Results never
 * depend on the prefilter: MATCH_RUN_ALL is the same without it.
 *
 * A rule of a set has a slot: 0, 1, 2... in the order of match_set_add.  Bit sets over slots
 * (uint64_t words, match_set_words of them) select rules, for instance those of one priority.
 *
 *	for (size_t s = 0; (s = match_run_next(run, mask, s)) != MATCH_NONE; s++)
 *		if (match_run_rule(run, s, &hit) > 0) ...
 */
#ifndef WINNOW_RULES_MATCH_SET_H
#define WINNOW_RULES_MATCH_SET_H

#include "rules/regex.h"
#include "util/blob.h"

struct match_set;
struct match_scratch;
struct match_run;

#define MATCH_NONE ((size_t)-1)

enum match_rule_flag {
	MATCH_MULTIPLE = 1U << 0,  /* count all matches of all items (tflags multiple) */
	MATCH_NOSUBJECT = 1U << 1, /* skip item 0 (tflags nosubject) */
	MATCH_CAPTURES = 1U << 2   /* the caller wants captures: never decided without PCRE2 */
};

enum match_build_flag {
	MATCH_BUILD_TABLES = 1U << 0, /* else: every rule is a candidate, PCRE2 compiled lazily */
	MATCH_BUILD_OTHER = 1U << 1,  /* the table for items with bytes above 0x7f too, now */
	MATCH_BUILD_CODE = 1U << 2,   /* compile PCRE2 code now (server, before it forks) */
	/* With MATCH_BUILD_TABLES: each table when the first text of its sort comes (commands: a
	 * table costs less than compiling every pattern). */
	MATCH_BUILD_LAZY = 1U << 3
};

/* What the texts look like: steers the choice of conditions, never a result. */
enum match_model { MATCH_MODEL_TEXT, MATCH_MODEL_RAW, MATCH_MODEL_HEADER, MATCH_MODEL_URI };

struct automaton;

struct match_set *match_set_create(struct arena *arena);
/* Before match_set_build; a new set has MATCH_MODEL_TEXT. */
void match_set_model(struct match_set *set, enum match_model model);
/* maxhits: 0 = no limit (only with MATCH_MULTIPLE).  Returns the slot; MATCH_NONE: no memory. */
size_t match_set_add(struct match_set *set, unsigned rule, const struct regex *regex,
                     unsigned flags, unsigned maxhits);
/*
 * Before match_set_build, after all rules: tables that fit these very patterns are taken from the
 * file instead of being made.  false: it has none.  The file must outlive the set.
 */
bool match_set_use(struct match_set *set, const struct blob_file *file);
enum status match_set_build(struct match_set *set, unsigned flags, struct error *error) WARN_UNUSED;
/* Adds what match_set_use looks for; of a set built with both tables, not lazily. */
bool match_set_save(const struct match_set *set, struct blob_writer *writer, struct arena *arena);
/* What the format of saved sets depends on. */
void match_set_identity(struct blob_hash *hash);

size_t match_set_count(const struct match_set *set);
size_t match_set_words(const struct match_set *set); /* uint64_t words of a mask */
unsigned match_set_rule(const struct match_set *set, size_t slot);
const struct regex *match_set_regex(const struct match_set *set, size_t slot);
size_t match_set_bytes(const struct match_set *set); /* of its tables */
/* For -D and benchmarks. */
struct slice match_set_describe(const struct match_set *set, size_t slot, struct arena *arena);
struct slice match_set_describe_tables(const struct match_set *set, struct arena *arena);

struct match_scratch *match_scratch_create(void);
void match_scratch_destroy(struct match_scratch **scratch);
/* As automaton_cache_settle. */
void match_scratch_settle(struct match_scratch *scratch);
struct regex_scratch *match_scratch_regex(struct match_scratch *scratch);
/* True once for each rule number: a limit is worth a line in the log once a process. */
bool match_scratch_first_limit(struct match_scratch *scratch, unsigned rule);

enum match_run_flag {
	MATCH_RUN_ALL = 1U << 0 /* no prefilter: every rule is a candidate */
};

/*
 * Looks at the items once; everything lives in `arena` (the message's), items must live as long.
 * A header that is not there: one empty item, if the rule is to see it so.  NULL: budget spent.
 *
 * The same in pieces, so that one large message does not hold up others: begin, then look until it
 * no longer says STATUS_AGAIN (STATUS_LIMIT: budget spent, the run is of no use); each look takes
 * whole items, about `bytes` of text.  Between looks the scratch may serve other runs.
 */
struct match_run *match_run_begin(struct arena *arena, const struct match_set *set,
                                  struct match_scratch *scratch, const struct slice *items,
                                  size_t item_count, unsigned flags);
enum status match_run_look(struct match_run *run, size_t bytes) WARN_UNUSED;
struct match_run *match_run_create(struct arena *arena, const struct match_set *set,
                                   struct match_scratch *scratch, const struct slice *items,
                                   size_t item_count, unsigned flags);

/* Next slot >= from that may match and is in `mask` (NULL: any), or MATCH_NONE. */
size_t match_run_next(const struct match_run *run, const uint64_t *mask, size_t from);

struct match_capture {
	struct slice name;
	struct slice value;
};

struct match_hit {
	unsigned count;       /* 0, 1, or all matches with MATCH_MULTIPLE, at most maxhits */
	size_t item;          /* of the first match */
	struct regex_span at; /* of the first match in that item; see has_span */
	bool has_span;        /* false: decided without PCRE2; match_run_locate finds it */
	bool limit;           /* a match limit was hit on some item */
};

/* Decides one rule (candidate or not); returns hit_r->count. */
unsigned match_run_rule(struct match_run *run, size_t slot, struct match_hit *hit_r);
/* Fills item and span of a hit without them (for reports). */
void match_run_locate(struct match_run *run, size_t slot, struct match_hit *hit);
/* The rule was added with MATCH_CAPTURES: match_run_captures is to be asked. */
bool match_run_has_captures(const struct match_run *run, size_t slot);
/*
 * Decides one rule as match_run_rule and hands every non-empty named capture of every counted
 * match, in order, to fn.
 */
typedef void (*match_capture_fn)(void *ctx, struct slice name, struct slice value);
unsigned match_run_captures(struct match_run *run, size_t slot, match_capture_fn fn, void *ctx,
                            struct match_hit *hit_r);

/* How far a rule is decided; all zero: not begun. */
struct match_progress {
	size_t item;
	size_t candidate;
	bool is_begun;
};

/*
 * Decides one rule, at most about *bytes of text in this call; *bytes becomes what is left of them.
 * false: call again with the same progress and hit.  fn as in match_run_captures, or NULL.
 */
bool match_run_some(struct match_run *run, size_t slot, match_capture_fn fn, void *ctx,
                    struct match_progress *progress, size_t *bytes, struct match_hit *hit_r);

/* false: the guard of a template (regex_guard) refuses every item. */
bool match_may_hit(const struct automaton *guard, struct match_scratch *scratch,
                   const struct slice *items, size_t item_count);

/*
 * The same for a regex that is in no set (an instantiated template): flags and maxhits as in
 * match_set_add.  fn may be NULL.
 */
unsigned match_items(const struct regex *regex, struct match_scratch *scratch,
                     const struct slice *items, size_t item_count, unsigned flags, unsigned maxhits,
                     match_capture_fn fn, void *ctx, struct match_hit *hit_r);

#endif
