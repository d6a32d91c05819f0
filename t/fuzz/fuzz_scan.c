/*
 * fuzz_scan.c - a whole message through our own rules: with the prefilter and without, the same
 * rules hit, as often, with the same score
 *
 * WINNOW_FUZZ_RULES: directory of other rules to use (the stock ones).
 */
#include <stdio.h>
#include <stdlib.h>

#include "check/check.h"
#include "check/filter.h"
#include "check/tags.h"
#include "t/fuzz/fuzz.h"

enum { MESSAGE_MAX = 20000 };

struct side {
	struct filter *filter;
	struct match_scratch *match;
};

static void
open_side(struct side *side, bool no_prefilter)
{
	const char *srcdir = getenv("srcdir"), *named = getenv("WINNOW_FUZZ_RULES");
	char path[4096];
	struct error error = {""};
	struct filter_options options = {
		.site_path = named != NULL ? "/etc/spamassassin" : "/nonexistent",
		.local_tests_only = true,
		.for_server = true,
		.no_prefilter = no_prefilter,
		.post_text = "time_limit 0\n",
	};

	snprintf(path, sizeof(path), "%s/rules", srcdir == NULL ? "." : srcdir);
	options.rules_path = named != NULL ? named : path;
	side->filter = filter_create(&options, &error);
	side->match = match_scratch_create();
	if (side->filter == NULL || side->match == NULL) {
		fprintf(stderr, "%s: %s\n", options.rules_path, error.text);
		abort();
	}
}

static struct check *
scan(struct side *side, struct arena *arena, struct slice message)
{
	struct check *check = check_create(side->filter, arena, side->match, message, NULL);

	if (check == NULL)
		abort();
	check_run_all(check);
	return check;
}

static void
compare(struct check *a, struct check *b)
{
	struct slice hits_a = tags_tests(a, true, SLICE(",")),
		     hits_b = tags_tests(b, true, SLICE(","));
	struct slice sub_a = SLICE(""), sub_b = SLICE("");

	(void)tags_value(a, SLICE("SUBTESTS"), SLICE_NULL, false, &sub_a);
	(void)tags_value(b, SLICE("SUBTESTS"), SLICE_NULL, false, &sub_b);
	if (a->score == b->score && slice_eq(hits_a, hits_b) && slice_eq(sub_a, sub_b))
		return;
	fprintf(stderr, "with:    %g %.*s\n         %.*s\nwithout: %g %.*s\n         %.*s\n",
	        a->score, SLICE_FMT(hits_a), SLICE_FMT(sub_a), b->score, SLICE_FMT(hits_b),
	        SLICE_FMT(sub_b));
	abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct side with, without;
	struct arena *arena = arena_create(0);
	struct slice message = slice_of(data, size < MESSAGE_MAX ? size : MESSAGE_MAX);

	if (with.filter == NULL) {
		open_side(&with, false);
		open_side(&without, true);
	}
	compare(scan(&with, arena, message), scan(&without, arena, message));
	arena_destroy(&arena);
	return 0;
}
