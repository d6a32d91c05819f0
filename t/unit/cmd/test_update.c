/*
 * test_update.c - mirrors by weight, rule files changed line by line
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cmd/update_mirrors.h"
#include "cmd/update_rewrite.h"

static const char list[] = "# comment\n"
			   "http://a.example/x/ weight=5 # more\n"
			   "  HTTPS://b.example weight=3 other=1\n"
			   "ftp://c.example\n"
			   "http://d.example\n"
			   "http://e.example weight=nothing\n"
			   "http://a.example/x// weight=1";

static void
test_parse(void **state)
{
	static const struct log quiet = {.least = LOG_LEVEL_NONE};
	struct arena *arena = arena_create(0);
	update_mirror_vec mirrors;

	(void)state;
	update_mirrors_parse(arena, SLICE(""), &quiet, &mirrors);
	assert_int_equal(mirrors.count, 0);
	update_mirrors_parse(arena, slice_from_cstr(list), &quiet, &mirrors);
	assert_int_equal(mirrors.count, 4);
	assert_string_equal(mirrors.items[0].url, "http://a.example/x");
	assert_true(mirrors.items[0].weight == 1);
	assert_string_equal(mirrors.items[1].url, "HTTPS://b.example");
	assert_true(mirrors.items[1].weight == 3);
	assert_true(mirrors.items[2].weight == 1);
	assert_true(mirrors.items[3].weight == 0);
	arena_destroy(&arena);
}

/* Of evenly spread chances each mirror gets its share; in the end all were taken. */
static void
test_take(void **state)
{
	unsigned taken[4] = {0};

	(void)state;
	for (unsigned i = 0; i < 900; i++) {
		struct update_mirror items[] = {{"a", 5}, {"b", 3}, {"c", 1}, {"d", 0}};
		update_mirror_vec mirrors = {items, 4, 4};
		const char *first = update_mirrors_take(&mirrors, i / 900.0);

		taken[first[0] - 'a']++;
		assert_int_equal(mirrors.count, 3);
		for (unsigned n = 0; n < 3; n++)
			assert_non_null(update_mirrors_take(&mirrors, 0.999));
		assert_null(update_mirrors_take(&mirrors, 0.5));
	}
	assert_int_equal(taken[0], 500);
	assert_int_equal(taken[1], 300);
	assert_int_equal(taken[2], 100);
	assert_int_equal(taken[3], 0);
}

/* Results are the reference's. */
static void
test_rewrite(void **state)
{
	static const struct update_macro macros[] = {{"A", "b"}, {NULL, NULL}};
	static const struct {
		struct update_rewrite how;
		const char *text, *want;
	} rows[] = {
#define CODE "#(commented by sa-update, no --allowplugins switch specified)# "
#define DNS "#(commented by sa-update, not allowed)# "
		{{.macros = macros}, "", ""},
		{{.macros = macros}, "@@A@@ @@B@@ @@@@A@@ @@A@ @@", "b @@B@@ @@b @@A@ @@"},
		{{.macros = macros},
	         "loadplugin X y\nbody A /x/\n",
	         CODE "loadpluginX y\nbody A /x/\n"},
		{{.macros = macros}, "a\n\n \tloadplugin X", "a\n" CODE "loadpluginX"},
		{{.macros = macros}, "loadplugin", "loadplugin"},
		{{.macros = macros}, "loadplugin\nbody A\n", CODE "loadpluginbody A\n"},
		{{.macros = macros},
	         "x loadplugin X\nloadplugins x\n",
	         "x loadplugin X\nloadplugins x\n"},
		{{.macros = macros}, "_module x\nx_modules y\n", "_module x\n" CODE "x_modulesy\n"},
		{{.macros = macros, .allow_plugins = true}, "loadplugin X\n", "loadplugin X\n"},
		{{.macros = macros, .allow_plugins = true},
	         " dns_servers X\n",
	         DNS "dns_servers X\n"},
		{{.macros = macros, .multiplier = 2},
	         "score A 1 -2 0 # x\nscore B 0\n",
	         "score A 2.000 -4.000 0 #(score adjusted by sa-update, 1 -2 0)# # x\nscore B 0\n"},
		{{.macros = macros, .limit = 1.5},
	         "SCORE A 1 2x\n",
	         "SCORE A 1 1.500 #(score adjusted by sa-update, 1 2)#x\n"},
		{{.macros = macros, .limit = 1.5},
	         "score A (2)\nscores A 2\n",
	         "score A (2)\nscores A 2\n"},
	};
	struct arena *arena = arena_create(0);
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice got =
			update_rewrite(arena, &rows[i].how, slice_from_cstr(rows[i].text));

		if (slice_eq(got, slice_from_cstr(rows[i].want)))
			continue;
		print_message("row %zu: got \"%.*s\"\n", i, SLICE_FMT(got));
		bad++;
	}
	assert_int_equal(bad, 0);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_rewrite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
