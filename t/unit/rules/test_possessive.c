/* Repeats that PCRE2 is told not to take from again: where the rest cannot begin with their bytes.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "rules/pattern.h"

static void
test_texts(void **state)
{
	static const struct {
		const char *pattern, *emitted;
	} rows[] = {
		{"[^\\n]+\\n", "\\N++\\x0a"},
		{"(?:[^\\n]+\\n+)*Subject:", "(?:\\N++\\x0a++)*Subject\\:"},
		{"(?:[^\\n]+\\n+)*", "(?:\\N++\\x0a+)*"},
		{"([a-z]+)>?;", "([a-z]++)\\>?+\\;"},
		{"([a-z]+)>?[;x]", "([a-z]+)\\>?+[\\;x]"},
		{"a+b*", "a+b*"},
		{"a+b*c", "a++b*+c"},
		{"a+b*a", "a+b*+a"},
		{"(?i)a+A", "(?i)a+A"},
		{"(?i)a+b", "(?i)a++b"},
		{"a+?b", "a++b"},
		{"a+?.", "a+?\\N"},
		{"(?:a+|b)c", "(?:a++|b)c"},
		{"(?:a+|b)*c", "(?:a+|b)*c"},
		{"(?:a+b|c)*d", "(?:a++b|c)*d"},
		{"(?:a+b|ca)*d", "(?:a++b|ca)*d"},
		{"a+$", "a+\\Z"},
		{"a+\\bb", "a++\\bb"},
		{"(?=a+)b", "(?=a+)b"},
		{"(?=a+b)b", "(?=a++b)b"},
		{"(?>a+)b", "(?>a+)b"},
		{"(b)a+\\1", "(b)a+\\g{1}"},
		{"(b)a+c\\1", "(b)a++c\\g{1}"},
		{"a{2}b", "a{2}b"},
		{"a{2,5}b", "a{2,5}+b"},
		{"(?<=a+b)c", NULL},
	};
	struct arena *arena = arena_create(0);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error error;
		struct slice text = SLICE_NULL;
		struct pattern *p = pattern_parse(arena, slice_from_cstr(rows[i].pattern), &error);

		if (p == NULL && rows[i].emitted == NULL)
			continue;
		assert_non_null(p);
		assert_int_equal(pattern_emit(p, arena, &text, &error), STATUS_OK);
		if (!slice_eq(text, slice_from_cstr(rows[i].emitted)))
			fail_msg("%s: %.*s instead of %s", rows[i].pattern, (int)text.len,
			         (const char *)text.data, rows[i].emitted);
	}
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
