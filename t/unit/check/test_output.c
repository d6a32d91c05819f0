/*
 * test_output.c - tags, reports, rewritten messages, and back
 *
 * Expected texts are what the reference prints for the same rules and messages (t/compat/output).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "check/markup.h"
#include "check/report.h"
#include "check/rewrite.h"
#include "check/tags.h"
#include "fixture.h"

#define RULES                                                                                      \
	"report_safe 0\nreport_contact me@example.org\nreport_hostname host.example.org\n"         \
	"clear_headers\nremove_header all Report\nadd_header all Status _YESNO_, score=_SCORE_\n"  \
	"clear_report_template\nreport R _SCORE_/_REQD_\nreport _SUMMARY_\n"                       \
	"body ONE /money/\nscore ONE 3.3\ndescribe ONE Speaks of money\n"                          \
	"header TWO Subject =~ /win/\nscore TWO 2\nbody __SUB /./\n"                               \
	"body MANY /x/\ntflags MANY multiple\nscore MANY 0.5\n"

#define HEAD "From: a@example.com\nSubject: you win\n"
#define MESSAGE HEAD "\nmoney\n"

static struct fixture fixture;

static int
setup(void **state)
{
	(void)state;
	return fixture_open(&fixture, RULES) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_close(&fixture);
	return 0;
}

static unsigned
differs(const char *name, struct slice got, const char *expected)
{
	if (slice_eq(got, slice_from_cstr(expected)))
		return 0;
	print_error("%s:\ngot:      \"%.*s\"\nexpected: \"%s\"\n", name, SLICE_FMT(got), expected);
	return 1;
}

static void
test_tags(void **state)
{
	/* clang-format off */
	static const struct {
		const char *text, *expected;
	} rows[] = {
		{ "", "" },
		{ "plain", "plain" },
		{ "_SCORE_", "5.3" },
		{ "_SCORE(0)_", "05.3" },
		{ "_SCORE(00)_", "005.3" },
		{ "_SCORE( )_", " 5.3" },
		{ "_HITS_ _REQD_", "5.3 5.0" },
		{ "_YESNO_ _YESNO(ja,nein)_ _YESNOCAPS_", "Yes ja YES" },
		{ "_STARS(*)_", "*****" },
		{ "_STARS_", "*****" },
		{ "_STARS()_", "*****" },
		{ "_TESTS_", "ONE,TWO" },
		{ "_TESTS( )_", "ONE TWO" },
		{ "_TESTSSCORES(;)_", "ONE=3.3;TWO=2" },
		{ "_SUBTESTS(,)_", "__SUB" },
		{ "_HEADER(Subject)_", "you win\n" },
		{ "_HEADER(Nothing)_", "" },
		{ "_HOSTNAME_ _CONTACTADDRESS_", "host.example.org me@example.org" },
		{ "_VERSION_ (_SUBVERSION_)", "4.0.1 (2024-03-25)" },
		{ "_NOSUCH_ _nosuch_ __ _", "_NOSUCH_ _nosuch_ __ _" },
		{ "a_SCORE_b", "a5.3b" },
		{ "_SCORE__SCORE_", "5.35.3" },
		{ "_SCORE", "_SCORE" },
		{ "_PREVIEW_", "money " },
		{ "_RBL_|_DCCR_", "|" },
	};
	/* clang-format on */
	struct check *check = fixture_scan(&fixture, MESSAGE, NULL);
	unsigned bad = 0;

	(void)state;
	assert_non_null(check);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bad += differs(rows[i].text, tags_replace(check, slice_from_cstr(rows[i].text)),
		               rows[i].expected);
	assert_int_equal(bad, 0);
}

static void
test_report(void **state)
{
	struct check *check = fixture_scan(&fixture, HEAD "\nmoney x x\n", NULL);
	unsigned bad = 0;

	(void)state;
	assert_non_null(check);
	bad += differs("report", report_text(check),
	               "R 6.3/5.0\n"
	               " 2.0 TWO                    No description available.\n"
	               " 3.3 ONE                    BODY: Speaks of money\n"
	               " 0.5 MANY                   BODY: No description available.\n"
	               " 0.5 MANY                   BODY: No description available.\n\n");
	bad += differs("hits", report_hits(check),
	               "*  2.0 TWO No description available.\n"
	               "*  3.3 ONE BODY: Speaks of money\n"
	               "*  0.5 MANY BODY: No description available.\n"
	               "*  0.5 MANY BODY: No description available.\n");
	assert_int_equal(bad, 0);
}

#define CHECKER "X-Spam-Checker-Version: SpamAssassin 4.0.1 (2024-03-25) on host.example.org"
#define STATUS CHECKER "\nX-Spam-Status: Yes, score=5.3\n"

/* clang-format off */
static const struct rewrite_row {
	const char *name, *prefs, *message, *expected;
} rewrite_rows[] = {
	{ "spam", "", MESSAGE, STATUS MESSAGE },
	{ "ham", "", "From: b\n\nhello\n", CHECKER "\nX-Spam-Status: No, score=0.0\nFrom: b\n\nhello\n" },
	{ "no header", "", "\nmoney\n", CHECKER "\nX-Spam-Status: No, score=3.3\n\nmoney\n" },
	{ "no body", "", "From: b\n\n", CHECKER "\nX-Spam-Status: No, score=0.0\nFrom: b\n\n" },
	{ "crlf", "", "From: b\r\n\r\nhi\r\n", CHECKER "\r\nX-Spam-Status: No, score=0.0\r\nFrom: b\r\n\r\nhi\r\n" },
	{ "mbox", "", "From b Tue Nov 24 12:00:00 2026\nFrom: b\n\nhi\n", "From b Tue Nov 24 12:00:00 2026\n" CHECKER "\nX-Spam-Status: No, score=0.0\nFrom: b\n\nhi\n" },
	{ "return-path", "", "Return-Path: <b>\nFrom: b\n\nhi\n", "Return-Path: <b>\n" CHECKER "\nX-Spam-Status: No, score=0.0\nFrom: b\n\nhi\n" },
	{ "own headers go", "", "X-Spam-Flag: YES\nX-Spam-Status: Yes,\n\tscore=9\nFrom: b\n\nhi\n", CHECKER "\nX-Spam-Status: No, score=0.0\nFrom: b\n\nhi\n" },
	{ "subject", "rewrite_header Subject [SPAM _SCORE_]\n", MESSAGE,
	  STATUS "From: a@example.com\nSubject: [SPAM 5.3] you win\nX-Spam-Prev-Subject: you win\n\nmoney\n" },
	{ "subject, once", "rewrite_header Subject [SPAM]\n", "From: a\nSubject: [SPAM] win\n\nmoney\n",
	  STATUS "From: a\nSubject: [SPAM] win\nX-Spam-Prev-Subject: [SPAM] win\n\nmoney\n" },
	{ "from", "rewrite_header From SPAM\n", MESSAGE,
	  STATUS "From: (SPAM) a@example.com\nSubject: you win\nX-Spam-Prev-From: a@example.com\n\nmoney\n" },
	{ "8 bit", "add_header all Foo gr\xc3\xbc\xc3\x9f you\n", "From: b\n\nhi\n",
	  CHECKER "\nX-Spam-Status: No, score=0.0\nX-Spam-Foo: =?UTF-8?B?Z3LDvMOf?= you\nFrom: b\n\nhi\n" },
};
/* clang-format on */

static void
test_rewrite(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rewrite_rows) / sizeof(rewrite_rows[0]); i++) {
		const struct rewrite_row *row = &rewrite_rows[i];
		struct check *check = fixture_scan(&fixture, row->message, row->prefs);

		assert_non_null(check);
		bad += differs(row->name, rewrite_message(check), row->expected);
	}
	assert_int_equal(bad, 0);
}

static struct slice
unmark(struct slice text, const struct core_settings *core)
{
	static const struct message_options options = {true, 50000, 500000};
	struct message *message = message_parse(fixture.arena, text, &options);

	assert_non_null(message);
	return markup_remove(fixture.arena, core, message);
}

/* What was marked comes back byte for byte, whatever kind of marking. */
static void
test_round_trip(void **state)
{
	static const char *const messages[] = {
		MESSAGE,
		"From: a\r\nSubject: win\r\n\r\nmoney\r\n\r\nmore\r\n",
		"From x Tue Nov 24 12:00:00 2026\nFrom: a\nSubject: win\n\nmoney\n",
		"From: a\nSubject: win\n\n",
		"Subject: win\n folded\n\tmore\nTo: b\n\nmoney\n\n\n",
		"From: a\nTo: b\n\nmoney money win\n",
		"Return-Path: <x>\nFrom: a\nSubject: win\n\nmoney\n",
	};
	static const char *const prefs[] = {
		"report_safe 0\nrequired_score 1\n",
		"report_safe 1\nrequired_score 1\n",
		"report_safe 2\nrequired_score 1\n",
		"report_safe 0\nrequired_score 1\nrewrite_header Subject *SPAM*\n"
		"rewrite_header From SPAM\nrewrite_header To SPAM\n",
		"report_safe 1\nrequired_score 1\nrewrite_header Subject *SPAM*\n",
	};
	unsigned bad = 0;

	(void)state;
	for (size_t m = 0; m < sizeof(messages) / sizeof(messages[0]); m++)
		for (size_t p = 0; p < sizeof(prefs) / sizeof(prefs[0]); p++) {
			struct check *check = fixture_scan(&fixture, messages[m], prefs[p]);
			struct slice marked;

			/* As in the reference, folds of a rewritten field and a made Subject
			 * beside other rewritten fields do not come back. */
			if (p == 3 && (m == 4 || m == 5))
				continue;
			assert_non_null(check);
			marked = rewrite_message(check);
			bad += differs(prefs[p], unmark(marked, check->scan.core), messages[m]);
		}
	assert_int_equal(bad, 0);
}

/* clang-format off */
static const struct {
	const char *name, *marked, *expected;
} markup_rows[] = {
	{ "nothing to do", "From: a\n\nbody\n", "From: a\n\nbody\n" },
	{ "own headers", "X-Spam-Flag: YES\nFrom: a\nX-Spam-Status: Yes,\n\tscore=1\n\nbody\n", "From: a\n\nbody\n" },
	{ "previous", "From: (SPAM) a\nX-Spam-Prev-From: a\n\nb\n", "From: a\n\nb\n" },
	{ "previous without one", "To: b\nX-Spam-Prev-From: a\n\nb\n", "To: b\nFrom: a\n\nb\n" },
	{ "previous, folded", "Subject: x\nX-Spam-Prev-Subject: long\n\tand more\n\nb\n", "Subject: long\n\tand more\n\nb\n" },
	{ "made subject", "From: a\nSubject: SPAM \nX-Spam-Prev-Subject: (nonexistent)\n\nb\n", "From: a\n\nb\n" },
	{ "old report in the body", "From: a\n\nSPAM: -------- x --------\nSPAM: text\nSPAM: -------- y --------\n\nbody\n", "From: a\n\nbody\n" },
	{ "half a report", "From: a\n\nSPAM: -------- x --------\nSPAM: text\nbody\n", "From: a\n\nSPAM: -------- x --------\nSPAM: text\nbody\n" },
	{ "another multipart", "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\na\n--x--\n", "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\n\na\n--x--\n" },
	{ "report", "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\nContent-Type: text/plain\n\nreport\n\n--x\nContent-Type: message/rfc822; x-spam-type=original\n\nFrom: a\n\nb\n\n--x--\n", "From: a\n\nb\n" },
	{ "report, cut", "Content-Type: multipart/mixed; boundary=\"x\"\n\n--x\nContent-Type: message/rfc822; x-spam-type=original\n\nFrom: a\n\nb\n", "From: a\n\nb\n" },
};
/* clang-format on */

static void
test_markup(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(markup_rows) / sizeof(markup_rows[0]); i++)
		bad += differs(markup_rows[i].name,
		               unmark(slice_from_cstr(markup_rows[i].marked),
		                      conf_core(fixture.filter->conf)),
		               markup_rows[i].expected);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),    cmocka_unit_test(test_report),
		cmocka_unit_test(test_rewrite), cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_markup),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
