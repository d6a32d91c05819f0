/*
 * test_prefs.c - users' preferences change their own messages and nothing else
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "check/tags.h"
#include "fixture.h"

#define RULES                                                                                      \
	"body SITE_ONE /fortune/\nscore SITE_ONE 2\n"                                              \
	"body SITE_OFF /million/\nscore SITE_OFF 0\n"                                              \
	"header __FROM From =~ /example/\n"                                                        \
	"meta SITE_META SITE_ONE && __FROM\nscore SITE_META 1\n"                                   \
	"meta META_OFF SITE_OFF\nscore META_OFF 0.5\n"

#define MESSAGE "From: a@example.com\nTo: b@example.org\nSubject: hello\n\na fortune of a million\n"

struct row {
	const char *name, *rules, *prefs, *tests, *score, *required;
};

/* clang-format off */
static const struct row rows[] = {
	{ "none", RULES, NULL, "SITE_META,SITE_ONE", "3.0", "5.0" },
	{ "empty", RULES, "", "SITE_META,SITE_ONE", "3.0", "5.0" },
	{ "score", RULES, "score SITE_ONE 4\n", "SITE_META,SITE_ONE", "5.0", "5.0" },
	{ "score of a meta", RULES, "score SITE_META 7\n", "SITE_META,SITE_ONE", "9.0", "5.0" },
	{ "score 0", RULES, "score SITE_ONE 0\n", "none", "0.0", "5.0" },
	{ "rule that the site leaves out", RULES, "score SITE_OFF 3\n", "META_OFF,SITE_META,SITE_OFF,SITE_ONE", "6.5", "5.0" },
	{ "required", RULES, "required_score 2.5\n", "SITE_META,SITE_ONE", "3.0", "2.5" },
	{ "user rule, not allowed", RULES, "body MINE /fortune/\n", "SITE_META,SITE_ONE", "3.0", "5.0" },
	{ "user rule", RULES "allow_user_rules 1\n", "body MINE /FORTUNE/i\nscore MINE 0.5\n", "MINE,SITE_META,SITE_ONE", "3.5", "5.0" },
	{ "user header rule", RULES "allow_user_rules 1\n", "header MINE Subject =~ /hello/\n", "MINE,SITE_META,SITE_ONE", "4.0", "5.0" },
	{ "user negated rule", RULES "allow_user_rules 1\n", "header MINE Subject !~ /hello/\n", "SITE_META,SITE_ONE", "3.0", "5.0" },
	{ "user meta", RULES "allow_user_rules 1\n", "meta MINE TWO && SITE_META\nheader TWO exists:Subject\n", "MINE,SITE_META,SITE_ONE,TWO", "5.0", "5.0" },
	{ "site's test stays", RULES "allow_user_rules 1\n", "body SITE_ONE /nothing/\n", "SITE_META,SITE_ONE", "3.0", "5.0" },
	{ "administrator's line", RULES, "time_limit 0\nallow_user_rules 1\nbody MINE /fortune/\n", "SITE_META,SITE_ONE", "3.0", "5.0" },
	{ "bad line", RULES, "nonsense\nscore SITE_ONE 1\n", "SITE_META,SITE_ONE", "2.0", "5.0" },
	{ "include elsewhere", RULES, "include /etc/passwd\ninclude ../x\nscore SITE_ONE 1\n", "SITE_META,SITE_ONE", "2.0", "5.0" },
};
/* clang-format on */

static void
test_rows(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct fixture f;
		struct check *check;
		struct slice tests;
		char score[32], required[32];

		assert_true(fixture_open(&f, row->rules));
		check = fixture_scan(&f, MESSAGE, row->prefs);
		assert_non_null(check);
		tests = tags_tests(check, false, SLICE(","));
		snprintf(score, sizeof(score), "%.1f", check->score);
		snprintf(required, sizeof(required), "%.1f", check->required_score);
		if (!slice_eq(tests, slice_from_cstr(row->tests)) ||
		    strcmp(score, row->score) != 0 || strcmp(required, row->required) != 0) {
			print_error("%s: tests %.*s score %s required %s\n", row->name,
			            SLICE_FMT(tests), score, required);
			bad++;
		}
		/* the next user sees the site's settings */
		check = fixture_scan(&f, MESSAGE, NULL);
		assert_non_null(check);
		if (!slice_eq(tags_tests(check, false, SLICE(",")), SLICE("SITE_META,SITE_ONE")) ||
		    check->score < 2.99 || check->score > 3.01) {
			print_error("%s: leaked to the next message\n", row->name);
			bad++;
		}
		fixture_close(&f);
	}
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
