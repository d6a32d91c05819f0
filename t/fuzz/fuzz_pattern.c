/*
 * fuzz_pattern.c - any pattern over any text: no crash, what is parsed compiles, the prefilter and
 * PCRE2 alone agree
 *
 * Input: pattern, a zero byte, texts separated by zero bytes.
 */
#include <stdlib.h>

#include "rules/match_set.h"
#include "t/fuzz/fuzz.h"

static void
compare(struct arena *arena, const struct regex *regex, unsigned flags, const struct slice *items,
        size_t count)
{
	struct match_set *set = match_set_create(arena);
	struct match_scratch *scratch = match_scratch_create();
	struct match_run *fast, *plain;
	struct match_hit a, b;
	struct error error;

	match_set_add(set, 0, regex, flags, 0);
	regex_scratch_set_limits(match_scratch_regex(scratch), 20000, 0, 0);
	if (match_set_build(set, MATCH_BUILD_TABLES | MATCH_BUILD_OTHER, &error) != STATUS_OK)
		abort();
	fast = match_run_create(arena, set, scratch, items, count, 0);
	plain = match_run_create(arena, set, scratch, items, count, MATCH_RUN_ALL);
	match_run_rule(fast, 0, &a);
	match_run_rule(plain, 0, &b);
	if (a.count != b.count && !a.limit && !b.limit)
		abort();
	match_scratch_destroy(&scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), text, items[16];
	struct arena *arena = arena_create(256 * 1024 * 1024);
	struct regex *regex = NULL;
	struct error error;
	size_t count = 0;

	if (size < 2000 && slice_next(&rest, '\0', &text))
		regex = regex_create(arena, text, REGEX_TEMPLATES, &error);
	if (regex != NULL && regex_compile(regex, &error) == STATUS_OK) {
		while (count < 16 && slice_next(&rest, '\0', &items[count]))
			count++;
		compare(arena, regex, 0, items, count);
		compare(arena, regex, MATCH_MULTIPLE, items, count);
	}
	arena_destroy(&arena);
	return 0;
}
