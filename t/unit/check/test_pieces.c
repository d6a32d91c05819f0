/*
 * test_pieces.c - a large message is scanned in many short steps, and nothing comes out otherwise
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "check/tags.h"
#include "fixture.h"
#include "util/strbuf.h"

#define RULES                                                                                      \
	"loadplugin Mail::SpamAssassin::Plugin::BodyEval\n"                                        \
	"body ONE /fortune \\d+ of part 39/\nscore ONE 1\n"                                        \
	"body __MANY /fortune/\ntflags __MANY multiple\n"                                          \
	"meta MANY __MANY > 10000\nscore MANY 1\n"                                                 \
	"body NEVER /unlikely|improbable/\nscore NEVER 1\n"                                        \
	"rawbody RAW /^z+$/m\nscore RAW 1\n"                                                       \
	"body ANY /[a-z]{3} [0-9]{2}/\nscore ANY 1\n"                                              \
	"full END /q1w2--$/\nscore END 1\n"                                                        \
	"body EVALS eval:check_body_length('100000000')\nscore EVALS 1\n"

enum { PARTS = 40, PART_BYTES = 45000 };

/* `odd`: something that a rule of its own finds. */
static struct slice
large_message(struct arena *arena, const char *odd)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	strbuf_printf(&out, "From: a@example.com\nTo: b@example.org\nSubject: parts\n"
	                    "MIME-Version: 1.0\n"
	                    "Content-Type: multipart/mixed; boundary=\"q1w2\"\n\n");
	for (int i = 0; i < PARTS; i++) {
		size_t end = strbuf_slice(&out).len + PART_BYTES;

		strbuf_printf(&out, "--q1w2\nContent-Type: text/plain\n\n");
		for (int k = 0; strbuf_slice(&out).len < end; k++)
			strbuf_printf(&out, "a fortune %d of part %d\n\n%s\n", k, i, odd);
	}
	strbuf_printf(&out, "--q1w2--\n");
	assert_false(strbuf_is_bad(&out));
	return strbuf_slice(&out);
}

static void
expect(struct check *check, const char *tests)
{
	struct slice found = tags_tests(check, false, SLICE(","));

	if (!slice_eq(found, slice_from_cstr(tests)))
		fail_msg("tests %.*s, not %s", SLICE_FMT(found), tests);
}

/* Step about, each of another message, with the scratch of one worker. */
static void
test_two_at_once(void **state)
{
	struct fixture f;
	struct check *a, *b;
	unsigned steps_a = 0, steps_b = 0;

	(void)state;
	assert_true(fixture_open(&f, RULES));
	a = check_create(f.filter, f.arena, f.match, large_message(f.arena, "x"), NULL);
	b = check_create(f.filter, f.arena, f.match, large_message(f.arena, "zzz"), NULL);
	assert_non_null(a);
	assert_non_null(b);
	for (bool more_a = true, more_b = true; more_a || more_b;) {
		if (more_a) {
			more_a = check_run(a) != CHECK_DONE;
			steps_a++;
		}
		if (more_b) {
			more_b = check_run(b) != CHECK_DONE;
			steps_b++;
		}
	}
	expect(a, "ANY,END,EVALS,MANY,ONE");
	expect(b, "ANY,END,EVALS,MANY,ONE,RAW");
	/* Rendering, looking and deciding: each in pieces. */
	print_message("# %u and %u steps\n", steps_a, steps_b);
	assert_true(steps_a > PARTS && steps_b > PARTS);
	assert_true(a->score >= 5 && b->score > a->score);
	fixture_close(&f);
}

/* What pieces cost is for large messages alone. */
static void
test_small(void **state)
{
	struct fixture f;
	struct check *check;
	unsigned steps = 0;

	(void)state;
	assert_true(fixture_open(&f, RULES));
	check = check_create(f.filter, f.arena, f.match,
	                     SLICE("From: a@example.com\nSubject: x\n\na fortune 77 \n"), NULL);
	assert_non_null(check);
	while (check_run(check) != CHECK_DONE)
		steps++;
	expect(check, "ANY,EVALS");
	print_message("# %u steps\n", steps);
	assert_true(steps < 40);
	fixture_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_two_at_once),
	                                   cmocka_unit_test(test_small)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
