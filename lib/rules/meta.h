/*
 * meta.h - meta rules: expressions over other rules
 *
 * Owns: struct meta, a postfix program over rule numbers.  Source: the `meta` section of the
 * reference's documentation and the behaviour of 4.0.1 (compat/ruletypes.tsv, group meta).
 * Data: text of a meta line -> program; hit values of all rules -> value of the meta.
 * Perl arithmetic: numbers are doubles, ! and comparisons give 1 or 0, && and || give an operand,
 * ^ is exclusive or of integers.  Text that the lexer does not know is skipped silently.
 */
#ifndef WINNOW_RULES_META_H
#define WINNOW_RULES_META_H

#include <stdbool.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"

struct meta;

struct meta_env {
	void *ctx;
	/* Rule number of a name; names that no rule has get a number too (value always 0). */
	unsigned (*resolve)(void *ctx, struct slice name);
	/* rules_matching(GLOB): calls add(add_ctx, rule) for every rule whose name matches, the
	 * meta itself excluded.  May be NULL: nothing matches. */
	void (*expand)(void *ctx, struct slice glob, void (*add)(void *add_ctx, unsigned rule),
	               void *add_ctx);
	bool local_tests_only;
};

/* Would the reference take this line?  Needs no other rule.  STATUS_BAD: refused, with its words.
 */
enum status meta_check(struct slice name, struct slice text, struct error *error) WARN_UNUSED;

/* After all rules are known.  NULL with error set when meta_check would refuse. */
struct meta *meta_compile(struct arena *arena, struct slice name, struct slice text,
                          const struct meta_env *env, struct error *error);

/* Rules that it names, each once, in order of appearance. */
const unsigned *meta_dependencies(const struct meta *meta, size_t *count_r);
/* `meta X ()`: a declaration; 0 unless hit by code, evaluated only at the very end. */
bool meta_is_empty(const struct meta *meta);

/* values[rule]: 0 when not hit, else its hit value.  Division by zero gives 0. */
double meta_eval(const struct meta *meta, const double *values);
/* The same by a function (tests, debugging). */
double meta_eval_fn(const struct meta *meta, double (*value)(void *ctx, unsigned rule), void *ctx);

/*
 * The programs of many metas, one behind the other: hundreds are run for a message, in this order,
 * and memory is read as it comes.
 */
struct meta_programs;
struct meta_programs *meta_programs_create(struct arena *arena, const struct meta *const *metas,
                                           size_t count);
double meta_programs_eval(const struct meta_programs *programs, size_t index, const double *values);

/* Readable program for -D. */
struct slice meta_dump(struct arena *arena, const struct meta *meta);

/* Does name match the glob (* and ?) of rules_matching? */
bool meta_glob_match(struct slice glob, struct slice name);

#endif
