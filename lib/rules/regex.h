/*
 * regex.h - one compiled rule pattern
 *
 * Owns: struct regex (immutable for its users; lives in the configuration's arena) and struct
 * regex_scratch (one per worker or scan).  Perl's syntax as the reference compiles it: bytes, under
 * `use re '/aa'`, /i folds ASCII and the 30 Latin-1 letter pairs (SURPRISES.md "Regular
 * expressions").  PCRE2 does the matching: pattern.h parses the text and writes what PCRE2 reads.
 * Data: rule text from conf/ -> regex -> match_set.h, plugins/, check/.
 * PCRE2 code is made at first use and kept; a server calls regex_compile() before it forks, so
 * that workers share it (a worker that compiles lazily only has its own copy: no locks, no
 * threads).  Patterns too large for libpcre2-8 go to libpcre2-32 with a widened subject.
 */
#ifndef WINNOW_RULES_REGEX_H
#define WINNOW_RULES_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/blob.h"
#include "util/slice.h"
#include "util/status.h"

struct automaton;
struct regex;
struct regex_scratch;

enum regex_flag {
	/* Refuse what matches always: empty, "||", a leading or trailing "|" (lint,
	 * ignore_always_matching_regexps). */
	REGEX_REFUSE_ALWAYS = 1U << 0,
	/* %{NAME} in the text is a template, see regex_instantiate. */
	REGEX_TEMPLATES = 1U << 1,
	/* Compile now instead of at first use. */
	REGEX_EAGER = 1U << 2,
	/* Text without delimiters (address lists, conf globs): regex_create_rule only, delimiters
	 * are taken off when they are there, their absence is no error. */
	REGEX_BARE_ALLOWED = 1U << 3,
	/* For regex_is_match_characters(). */
	REGEX_CHARACTERS = 1U << 4
};

enum regex_result {
	REGEX_MISS,
	REGEX_HIT,
	REGEX_LIMIT /* match, depth or heap limit: counts as no match, to be logged once */
};

/* A group that took no part has start == SLICE_NPOS. */
struct regex_span {
	size_t start;
	size_t end;
};

/*
 * From a rule line: /re/mods, m{re}mods, m!re!mods, qr(re)mods.  NULL with error text (the
 * reference's wording) when the reference refuses it, or when PCRE2 cannot express it.
 */
struct regex *regex_create_rule(struct arena *arena, struct slice text, unsigned flags,
                                struct error *error);
/* From bare Perl text, modifiers in front as (?mods). */
struct regex *regex_create(struct arena *arena, struct slice text, unsigned flags,
                           struct error *error);

/*
 * Patterns found good before, so that a command need not parse those again that it will never run.
 * Only plain ones are remembered: no names, no templates.
 */
struct regex_memory;
/* file: what was remembered, NULL: nothing. */
struct regex_memory *regex_memory_create(struct arena *arena, const struct blob_file *file);
size_t regex_memory_count(const struct regex_memory *memory); /* patterns in the file */
/* Adds what this process has found good, with the memory that its readers had. */
bool regex_memory_save(const struct regex_memory *memory, struct blob_writer *writer);
/* The same as above; memory may be NULL. */
struct regex *regex_create_rule_known(struct regex_memory *memory, struct arena *arena,
                                      struct slice text, unsigned flags, struct error *error);
struct regex *regex_create_known(struct regex_memory *memory, struct arena *arena,
                                 struct slice text, unsigned flags, struct error *error);
/* What the format and the patterns for PCRE2 depend on. */
void regex_identity(struct blob_hash *hash);

/* Makes the PCRE2 code now.  Fails where PCRE2 refuses (never for what regex_create accepted, if
 * our translation is right). */
enum status regex_compile(const struct regex *regex, struct error *error) WARN_UNUSED;

/* "(?mods)re": what the reference shows as the compiled pattern. */
struct slice regex_text(const struct regex *regex);
unsigned regex_group_count(const struct regex *regex); /* without group 0 */
size_t regex_name_count(const struct regex *regex);    /* one name may come several times */
struct slice regex_name(const struct regex *regex, size_t index, unsigned *group_r);
/* Has a (?<NAME>..) that begins with a capital: its captures become tags, priority -10000. */
bool regex_sets_tags(const struct regex *regex);

/* %{NAME} or %{NAME(arg)}: the text between the braces, each name once. */
size_t regex_template_count(const struct regex *regex);
struct slice regex_template(const struct regex *regex, size_t index);
/*
 * For one message: every %{NAME} becomes (?:a|b|..) of the values that `values` gives, quoted.
 * values() returns the count and sets *values_r; 0 = tag not set: STATUS_NONE, the rule is not run.
 * The result lives in the message's arena and dies with it.
 */
typedef size_t (*regex_values_fn)(void *ctx, struct slice name, const struct slice **values_r);
enum status regex_instantiate(const struct regex *regex, struct arena *arena,
                              regex_values_fn values, void *ctx, struct regex **regex_r,
                              struct error *error) WARN_UNUSED;
/* Would it be STATUS_NONE? */
bool regex_has_values(const struct regex *regex, regex_values_fn values, void *ctx);
/* What no value of the templates makes match, it refuses; NULL: none (see automaton.h). */
const struct automaton *regex_guard(const struct regex *regex);

/* NULL: no memory. */
struct regex_scratch *regex_scratch_create(void);
void regex_scratch_destroy(struct regex_scratch **scratch);
/* 0 = default (10 million steps, depth 10 million, heap 20 MB). */
void regex_scratch_set_limits(struct regex_scratch *scratch, uint32_t match, uint32_t depth,
                              uint32_t heap_kib);

enum regex_match_flag {
	/* An empty match at `start` does not count (Perl's //g after an empty match). */
	REGEX_NOT_EMPTY_AT_START = 1U << 0
};

/* Searches subject from byte `start` on; what lies before it is seen by look-behind, \b and ^. */
enum regex_result regex_match(const struct regex *regex, struct regex_scratch *scratch,
                              struct slice subject, size_t start, unsigned flags);
/* Of the last REGEX_HIT in this scratch; groups up to regex_group_count. */
struct regex_span regex_span(const struct regex_scratch *scratch, unsigned group);
/* Plain yes or no. */
bool regex_is_match(const struct regex *regex, struct regex_scratch *scratch, struct slice subject);

/* The same for text that Perl holds as characters: a dot is one of them (REGEX_CHARACTERS). */
bool regex_is_match_characters(const struct regex *regex, struct regex_scratch *scratch,
                               struct slice utf8);

/* All matches as while (subject =~ /re/g) finds them. */
struct regex_iter {
	const struct regex *regex;
	struct regex_scratch *scratch;
	struct slice subject;
	size_t at;
	bool was_empty;
};
void regex_iter_init(struct regex_iter *iter, const struct regex *regex,
                     struct regex_scratch *scratch, struct slice subject);
/* REGEX_HIT: the spans are in the scratch. */
enum regex_result regex_iter_next(struct regex_iter *iter);

/* perl's quotemeta for bytes. */
struct slice regex_quote(struct arena *arena, struct slice text);

#endif
