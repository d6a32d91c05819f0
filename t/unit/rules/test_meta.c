/*
 * test_meta.c - meta expressions: what is refused, what they are worth
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rules/meta.h"

struct row {
	const char *text;
	const char *refused; /* part of the words; NULL: accepted */
	double value;        /* with A=1 B=2 C=0 D=5, others 0 */
};

/* clang-format off */
static const struct row rows[] = {
	{ "A", NULL, 1 },
	{ "!C", NULL, 1 },
	{ "!A", NULL, 0 },
	{ "A && B", NULL, 2 },
	{ "B && A", NULL, 1 },
	{ "C || D", NULL, 5 },
	{ "A + B * D", NULL, 11 },
	{ "(A + B) * D", NULL, 15 },
	{ "A + B > 2", NULL, 1 },
	{ "A + B > 3", NULL, 0 },
	{ "(A + B + C + D) >= 8", NULL, 1 },
	{ "B ^ A", NULL, 3 },
	{ "A == 1 && B != 1", NULL, 2 - 1 },
	{ "C ? A : B", NULL, 2 },
	{ "A ? C ? 7 : 8 : 9", NULL, 8 },
	{ "D / 2", NULL, 2.5 },
	{ "D / (C + 0.5)", NULL, 10 },
	{ "A < B < D", NULL, 1 },
	{ "D > B > A > C", NULL, 1 },
	{ "D > B > A > B", NULL, 0 },
	{ "- A", NULL, -1 },
	{ "A - - B", NULL, 3 },
	{ "!!B", NULL, 1 },
	{ "!B == 0", NULL, 1 },
	{ "UNKNOWN || A", NULL, 1 },
	{ "A , ~ \" && B", NULL, 2 },
	{ "1.5 * B", NULL, 3 },
	{ "local_tests_only && A", NULL, 1 },
	{ "rules_matching(A*)", NULL, 3 },
	{ "rules_matching( X? ) + 1", NULL, 1 },
	{ "()", NULL, 0 },
	{ "( A && !C ) || 0", NULL, 1 },
	{ "A B", "invalid expression", 0 },
	{ "A & B", "invalid expression", 0 },
	{ "A | B", "invalid expression", 0 },
	{ "A &&", "invalid expression", 0 },
	{ "(A", "invalid expression", 0 },
	{ "A)", "invalid expression", 0 },
	{ "", "invalid expression", 0 },
	{ "A ** B", "invalid expression", 0 },
	{ "A -1", "token: -1", 0 },
	{ "1+2", "token: 1+2", 0 },
	{ "A ? B:C", "token: B:C", 0 },
	{ "A::B", "invalid meta", 0 },
	{ "A -> B", "invalid meta", 0 },
	{ "$A", "invalid meta", 0 },
	{ "A % B", "invalid meta", 0 },
	{ "A; B", "invalid meta", 0 },
	{ "A / B", "division by zero possible", 0 },
	{ "A / (B + 1)", NULL, 1.0 / 3 },
};
/* clang-format on */

static unsigned
resolve(void *ctx, struct slice name)
{
	(void)ctx;
	return name.len == 1 && name.data[0] >= 'A' && name.data[0] <= 'D'
	               ? (unsigned)(name.data[0] - 'A')
	               : 4;
}

static void
expand(void *ctx, struct slice glob, void (*add)(void *add_ctx, unsigned rule), void *add_ctx)
{
	(void)ctx;
	if (meta_glob_match(glob, SLICE("AB"))) {
		add(add_ctx, 0);
		add(add_ctx, 1);
	}
}

static void
test_rows(void **state)
{
	static const double values[] = {1, 2, 0, 5, 0};
	const struct meta_env env = {NULL, resolve, expand, true};
	struct arena *arena = arena_create(0);
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct error error = {""};
		struct meta *meta = meta_compile(arena, SLICE("M"), slice_from_cstr(rows[i].text),
		                                 &env, &error);
		bool ok = rows[i].refused == NULL
		                  ? meta != NULL && meta_eval(meta, values) == rows[i].value
		                  : meta == NULL && strstr(error.text, rows[i].refused) != NULL;

		if (ok)
			continue;
		bad++;
		print_message("# %s: %s %g\n", rows[i].text, error.text,
		              meta != NULL ? meta_eval(meta, values) : -1);
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

static void
test_glob(void **state)
{
	(void)state;
	assert_true(meta_glob_match(SLICE("__FOO_*"), SLICE("__FOO_1")));
	assert_true(meta_glob_match(SLICE("*A?C*"), SLICE("xxABCyy")));
	assert_false(meta_glob_match(SLICE("A?"), SLICE("A")));
	assert_true(meta_glob_match(SLICE("*"), SLICE("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows),
	                                   cmocka_unit_test(test_glob)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
