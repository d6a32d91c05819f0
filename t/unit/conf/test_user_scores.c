/*
 * test_user_scores.c - names of users in the URL of a directory
 *
 * The rest: t/e2e/prefs.py, over real servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/user_scores.h"

struct row {
	const char *dsn, *user, *expected;
};

#define URL "ldap://h/dc=x?spamassassin?sub?"

/* clang-format off */
static const struct row rows[] = {
	{ URL "uid=__USERNAME__", "alice", URL "uid=alice" },
	{ URL "(|(uid=__USERNAME__)(mail=__USERNAME__@x))", "bob", URL "(|(uid=bob)(mail=bob@x))" },
	{ URL "uid=__USERNAME__", "a*(b)\\c", URL "uid=a%5c2a%5c28b%5c29%5c5cc" },
	{ URL "uid=__USERNAME__", "b@x.org", URL "uid=b%40x%2eorg" },
	{ URL "uid=__USERNAME__", "100% ?#&", URL "uid=100%25%5c20%3f%23%26" },
	{ URL "uid=__USERNAME__", "\xc3\xa9\x01\x7f", URL "uid=%5cc3%5ca9%5c01%5c7f" },
	{ URL "uid=__USERNAME__", "__USERNAME__", URL "uid=%5f%5fUSERNAME%5f%5f" },
	{ URL "uid=__USERNAME__", "", URL "uid=" },
	{ URL "uid=x", "alice", URL "uid=x" },
	/* In a base it would have to be escaped otherwise: left as it is, as in the reference. */
	{ "ldap://h/uid=__USERNAME__,dc=x?spamassassin?sub?a=b", "alice", "ldap://h/uid=__USERNAME__,dc=x?spamassassin?sub?a=b" },
	{ "ldap://__USERNAME__", "alice", "ldap://__USERNAME__" },
	{ "", "alice", "" },
};
/* clang-format on */

static void
names_are_escaped(void **state)
{
	struct arena *arena = arena_create(0);
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice url = user_scores_url(arena, slice_from_cstr(rows[i].dsn),
		                                   slice_from_cstr(rows[i].user));

		if (!slice_eq(url, slice_from_cstr(rows[i].expected))) {
			print_message("row %zu: %.*s\n", i, SLICE_FMT(url));
			bad++;
		}
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

static void
a_nul_is_escaped_too(void **state)
{
	struct arena *arena = arena_create(0);
	struct slice url = user_scores_url(arena, SLICE(URL "uid=__USERNAME__"), SLICE("a\0b"));

	(void)state;
	assert_true(slice_eq(url, SLICE(URL "uid=a%5c00b")));
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_escaped),
		cmocka_unit_test(a_nul_is_escaped_too),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
