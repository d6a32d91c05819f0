/*
 * pattern.h - Perl pattern text into a syntax tree
 *
 * Owns: struct pattern.  Source: perlre as Perl 5.36 behaves where the reference compiles rules
 * (qr//aa with every warning but deprecations fatal), observed by t/vectors/regex.jsonl.
 * Data: rule text -> pattern_split_rule -> pattern_parse -> tree -> pattern_emit (text for PCRE2)
 * and factor.h (necessary conditions).
 * The tree is an array of nodes that refer to one another by index, made in one pass; depth is
 * capped (PATTERN_MAX_DEPTH), so recursion over it is bounded.
 */
#ifndef WINNOW_RULES_PATTERN_H
#define WINNOW_RULES_PATTERN_H

#include "rules/byte_set.h"
#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"
#include "util/vec.h"

enum {
	PATTERN_MAX_DEPTH = 240,  /* PCRE2 allows 250 nested parentheses */
	PATTERN_INFINITE = 65535, /* REPEAT without upper bound; Perl allows at most 65534 */
	PATTERN_MAX_LOOKBEHIND = 255
};

enum pattern_kind {
	PATTERN_EMPTY,
	PATTERN_CHAR,    /* value: byte; fold: matches the other letter of its pair too */
	PATTERN_CLASS,   /* value: index into classes (already folded) */
	PATTERN_ASSERT,  /* value: enum pattern_assert */
	PATTERN_CAT,     /* child: list */
	PATTERN_ALT,     /* child: list of branches */
	PATTERN_GROUP,   /* value: enum pattern_group; min: capture number; child: one */
	PATTERN_REPEAT,  /* min, max, value: enum pattern_greed; child: one */
	PATTERN_BACKREF, /* min: group number, or name index with value 1; fold */
	PATTERN_RECURSE, /* min: group number, 0 the whole; name index with value 1 */
	PATTERN_COND,    /* value: enum pattern_cond; min: number; child: [assertion,] yes [, no] */
	PATTERN_VERB     /* min, max: offset and length in the text */
};

enum pattern_assert {
	PATTERN_BOL,       /* \A, ^ without /m */
	PATTERN_BOL_LINES, /* ^ with /m */
	PATTERN_EOL,       /* \Z, $ without /m */
	PATTERN_EOL_LINES, /* $ with /m */
	PATTERN_EOS,       /* \z */
	PATTERN_WORD_EDGE,
	PATTERN_NO_WORD_EDGE,
	PATTERN_WORD_EDGE_U, /* \b under /u: Latin-1 letters are word characters */
	PATTERN_NO_WORD_EDGE_U,
	PATTERN_START, /* \G */
	PATTERN_KEEP   /* \K */
};

enum pattern_group {
	PATTERN_PLAIN,
	PATTERN_CAPTURE,
	PATTERN_ATOMIC,
	PATTERN_RESET, /* (?|..) */
	PATTERN_AHEAD,
	PATTERN_NOT_AHEAD,
	PATTERN_BEHIND,
	PATTERN_NOT_BEHIND
};

enum pattern_greed { PATTERN_GREEDY, PATTERN_LAZY, PATTERN_POSSESSIVE };

enum pattern_cond {
	PATTERN_COND_GROUP,
	PATTERN_COND_NAME,
	PATTERN_COND_RECURSION, /* (R), (Rn) */
	PATTERN_COND_DEFINE,
	PATTERN_COND_LOOK
};

struct pattern_node {
	uint8_t kind;
	uint8_t fold;
	uint16_t value;
	uint32_t child; /* 0: none; node 0 is never a child */
	uint32_t next;
	uint32_t min;
	uint32_t max;
};

struct pattern_name {
	struct slice name;
	unsigned group;
};

struct pattern {
	struct arena *arena;
	struct slice text;
	VEC(struct pattern_node) nodes;
	VEC(struct byte_set) classes;
	VEC(struct pattern_name) names;
	slice_vec referred; /* names of \k<..> and (?&..) */
	uint32_t class_slots[256];
	uint32_t root;
	unsigned groups;
	bool needs_pcre2; /* verbs, recursion, \G, \K: nothing else may decide it */
};

/*
 * Parses text (with modifiers in front as (?mods)) for qr/text/aa.  NULL with the reference's words
 * where Perl refuses or warns; also when `arena` is spent.
 */
struct pattern *pattern_parse(struct arena *arena, struct slice text, struct error *error);

/*
 * Takes delimiters and modifiers off a rule's regex: *text_r is "(?mods)re" in arena.
 * bare_allowed: no delimiters is no error.  refuse_always: see is_always_matching.
 */
enum status pattern_split_rule(struct arena *arena, struct slice rule, bool bare_allowed,
                               bool refuse_always, struct slice *text_r,
                               struct error *error) WARN_UNUSED;

/* Rewrites %{NAME} to %\{NAME\} and lists the names.  false: no memory. */
bool pattern_mark_templates(struct arena *arena, struct slice text, struct slice *text_r,
                            slice_vec *names);

/* Text for PCRE2 (see regex.c for the options that it is written for). STATUS_BAD: PCRE2 has no
 * way to say this. */
enum status pattern_emit(const struct pattern *pattern, struct arena *arena, struct slice *text_r,
                         struct error *error) WARN_UNUSED;

/*
 * By node: repeats of one byte that a match never takes from again, so that they may as well be
 * possessive.  NULL: none (or no memory).  In arena.
 */
const bool *pattern_find_possessive(const struct pattern *pattern, struct arena *arena);

/* Least and greatest number of bytes a node matches; *max_r PATTERN_INFINITE or more: no bound. */
void pattern_width(const struct pattern *pattern, uint32_t node, unsigned *min_r, unsigned *max_r);

static inline const struct pattern_node *
pattern_node(const struct pattern *pattern, uint32_t node)
{
	return &pattern->nodes.items[node];
}

#endif
