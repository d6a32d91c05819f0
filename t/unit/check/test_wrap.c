/*
 * test_wrap.c - lines of a given width
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check/wrap.h"

#define WORDS "one two three four five six"

/* clang-format off */
static const struct {
	const char *text, *first, *prefix;
	size_t width;
	bool overflow;
	enum wrap_break at;
	const char *expected;
} rows[] = {
	{ "", "", "", 10, false, WRAP_AT_SPACE, "" },
	{ "word", "", "", 10, false, WRAP_AT_SPACE, "word" },
	{ WORDS, "", "", 80, false, WRAP_AT_SPACE, WORDS },
	{ WORDS, "", "", 10, false, WRAP_AT_SPACE, "one two\nthree four\n five six" },
	{ WORDS, "", "  ", 10, false, WRAP_AT_SPACE, "one two\n  three\n  four\n  five six" },
	{ WORDS, "first: ", "  ", 14, false, WRAP_AT_SPACE, "first: one two\n   three four\n  five six" },
	{ WORDS, "first: ", "  ", 12, true, WRAP_AT_SPACE, "first: one two\n   three four\n   five six" },
	{ "a,b,c", "", "\t", 4, false, WRAP_AFTER_SPACE_COMMA, "a,b,\n\tc" },
	{ "A=1,BB=22,CCC=333", "", "\t", 12, false, WRAP_AFTER_SPACE_COMMA, "A=1,BB=22,\n\tCCC=333" },
	{ "averyveryverylongwordindeed", "", "", 5, false, WRAP_AT_SPACE, "averyveryverylongwordindeed" },
	{ "trailing   ", "", "", 80, false, WRAP_AT_SPACE, "trailing   " },
	{ "a\tb", "", "", 8, false, WRAP_AT_SPACE, "a\nb" },
};
/* clang-format on */

static void
test_rows(void **state)
{
	struct arena *arena = arena_create(0);
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wrap_options options = {.prefix = slice_from_cstr(rows[i].prefix),
		                               .first = slice_from_cstr(rows[i].first),
		                               .width = rows[i].width,
		                               .overflow = rows[i].overflow,
		                               .at = rows[i].at};
		struct slice out = wrap_text(arena, slice_from_cstr(rows[i].text), &options);

		if (!slice_eq(out, slice_from_cstr(rows[i].expected))) {
			print_error("row %zu \"%s\": \"%.*s\"\n", i, rows[i].text, SLICE_FMT(out));
			bad++;
		}
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
