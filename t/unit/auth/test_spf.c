/*
 * test_spf.c - the SPF suites (t/vectors/spf), as the reference answers and as the RFC wants it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "auth/spf.h"
#include "t/unit/auth/zone_client.h"
#include "util/file.h"

enum column {
	SUITE,
	SCENARIO,
	TEST,
	HOST,
	HELO,
	MAIL_FROM,
	RESULTS,
	EXPLANATION,
	MAIL_SPF,
	MAIL_SPF_EXPLANATION,
	SPEC,
	COLUMNS
};

struct capture {
	bool is_done;
	struct spf_outcome outcome;
};

static void
done(void *context, const struct spf_outcome *outcome)
{
	struct capture *capture = context;

	assert_false(capture->is_done);
	capture->is_done = true;
	capture->outcome = *outcome;
}

static struct slice
load(struct arena *arena, const char *path)
{
	struct slice text;
	struct error error;

	if (file_read(arena, path, (size_t)16 << 20, &text, &error) != STATUS_OK)
		fail_msg("%s: %s", path, error.text);
	return text;
}

/* \xHH -> byte */
static struct slice
unescape(struct arena *arena, struct slice text)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] == '\\' && i + 3 < text.len && text.data[i + 1] == 'x') {
			strbuf_add_byte(&out,
			                (unsigned char)(byte_hex_value(text.data[i + 2]) * 16 +
			                                byte_hex_value(text.data[i + 3])));
			i += 3;
		} else {
			strbuf_add_byte(&out, text.data[i]);
		}
	return strbuf_slice(&out);
}

static size_t
split(struct arena *arena, struct slice line, struct slice *columns, size_t max)
{
	struct slice column;
	size_t count = 0;

	if (line.len > 0 && line.data[line.len - 1] == '\n')
		line.len--;
	while (count < max && slice_next(&line, '\t', &column))
		columns[count++] = unescape(arena, column);
	return count;
}

static void
load_zone(struct zone_client *zone, struct slice text, struct slice suite, struct slice scenario)
{
	struct slice line, columns[12];

	while (slice_next_line(&text, &line)) {
		size_t count = split(zone->arena, line, columns, 12);
		struct zone_row row = {0};

		if (count < 5 || !slice_eq(columns[0], suite) || !slice_eq(columns[1], scenario))
			continue;
		row.name = columns[2];
		row.type = columns[3];
		for (size_t i = 4; i < count && row.value_count < 8; i++)
			row.values[row.value_count++] = columns[i];
		assert_non_null(vec_push(zone->arena, &zone->rows, row));
	}
}

static struct spf_outcome
check(struct arena *arena, struct slice zone_text, const struct slice *test, bool is_strict)
{
	struct zone_client zone;
	struct capture capture = {0};
	struct spf_request request = {
		.scope = test[MAIL_FROM].len != 0 ? SPF_SCOPE_MFROM : SPF_SCOPE_HELO,
		.identity = test[MAIL_FROM].len != 0 ? test[MAIL_FROM] : test[HELO],
		.helo = test[HELO],
		.hostname = SLICE("mx.example.org"),
		.is_strict = is_strict,
	};

	assert_true(net_addr_parse(test[HOST], &request.ip));
	zone_client_init(&zone, arena);
	load_zone(&zone, zone_text, test[SUITE], test[SCENARIO]);
	assert_non_null(spf_start(arena, &zone.client, &request, done, &capture));
	zone_run(&zone);
	assert_true(capture.is_done);
	return capture.outcome;
}

static bool
is_one_of(struct slice list, struct slice word)
{
	struct slice item;

	while (slice_next(&list, '|', &item))
		if (slice_eq(item, word))
			return true;
	return false;
}

/* Bad rows of one kind of answer. */
static unsigned
run_suite(bool is_strict)
{
	struct arena *arena = arena_create(0), *scratch = arena_create(0);
	struct slice tests = load(arena, VECTORS "/spf/tests.tsv");
	struct slice zone = load(arena, VECTORS "/spf/zone.tsv"), line, test[COLUMNS];
	unsigned bad = 0, count = 0, departed = 0;

	while (slice_next_line(&tests, &line)) {
		struct spf_outcome outcome;
		struct slice result;
		bool is_good;

		arena_reset(scratch);
		if (line.data[0] == '#' || split(scratch, line, test, COLUMNS) != COLUMNS)
			continue;
		count++;
		outcome = check(scratch, zone, test, is_strict);
		result = slice_from_cstr(auth_result_name(outcome.result));
		if (is_strict)
			is_good = is_one_of(test[RESULTS], result);
		else
			is_good = slice_eq(test[MAIL_SPF], result) &&
			          (slice_eq(test[MAIL_SPF_EXPLANATION], SLICE("-")) ||
			           slice_eq(test[MAIL_SPF_EXPLANATION], outcome.explanation));
		departed += outcome.departs;
		/* Where the two differ, the reference's run has to say so. */
		if (!is_strict && !is_one_of(test[RESULTS], result))
			is_good = is_good && outcome.departs;
		if (!is_good) {
			bad++;
			print_message("# %.*s %.*s: %.*s (%.*s)\n", SLICE_FMT(test[SUITE]),
			              SLICE_FMT(test[TEST]), SLICE_FMT(result),
			              SLICE_FMT(outcome.explanation));
		}
	}
	print_message("# %u of %u rows equal, %u marked as departing\n", count - bad, count,
	              departed);
	assert_int_equal(count, 394);
	arena_destroy(&scratch);
	arena_destroy(&arena);
	return bad;
}

static void
suites_as_the_reference_answers(void **state)
{
	(void)state;
	assert_int_equal(run_suite(false), 0);
}

static void
suites_as_the_rfc_wants(void **state)
{
	(void)state;
	assert_int_equal(run_suite(true), 0);
}

struct parse_row {
	const char *text;
	enum status status;
	size_t terms;
};

static void
records_are_parsed(void **state)
{
	static const struct parse_row rows[] = {
		{"v=spf1", STATUS_OK, 0},
		{"V=SPF1  -all ", STATUS_OK, 1},
		{"v=spf10 -all", STATUS_NONE, 0},
		{"v=spf1 a:", STATUS_BAD, 0},
		{"v=spf1 a/24//64 mx//128 ?ptr", STATUS_OK, 3},
		{"v=spf1 a/33", STATUS_BAD, 0},
		{"v=spf1 a/024", STATUS_BAD, 0},
		{"v=spf1 a:foo.example/24", STATUS_OK, 1},
		{"v=spf1 a:foo.example.123", STATUS_BAD, 0},
		{"v=spf1 a:foo.example.1-a", STATUS_OK, 1},
		{"v=spf1 include:%{d2}.example", STATUS_OK, 1},
		{"v=spf1 include:%{d2}", STATUS_OK, 1},
		{"v=spf1 include:%{2}", STATUS_BAD, 0},
		{"v=spf1 include/foo.example", STATUS_OK, 1},
		{"v=spf1 all:foo", STATUS_BAD, 0},
		{"v=spf1 ip4:1.2.3.4/32 ip6:::1/128", STATUS_OK, 2},
		{"v=spf1 ip4:1.2.3.456", STATUS_BAD, 0},
		{"v=spf1 ip4:1.2.3", STATUS_BAD, 0},
		{"v=spf1 ip6:1.2.3.4", STATUS_BAD, 0},
		{"v=spf1 moo=cow%%", STATUS_OK, 0},
		{"v=spf1 moo=cow%", STATUS_BAD, 0},
		{"v=spf1 exp=a.b exp=a.b", STATUS_BAD, 0},
		{"v=spf1 redirect=", STATUS_BAD, 0},
		{"spf2.0/pra,mfrom -all", STATUS_OK, 1},
		{"spf2.0/MFROM -all", STATUS_BAD, 0},
		{"spf2.0/other -all", STATUS_NONE, 0},
		{"hello", STATUS_NONE, 0},
		{"", STATUS_NONE, 0},
	};
	struct arena *arena = arena_create(0);
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spf_record record = {0};
		enum status status =
			spf_record_parse(arena, slice_from_cstr(rows[i].text), true, &record);

		if (status != rows[i].status || record.terms.count != rows[i].terms) {
			print_message("# %s: %s, %zu terms\n", rows[i].text, status_name(status),
			              record.terms.count);
			bad++;
		}
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

struct macro_row {
	const char *text, *expected;
};

static void
macros_of_rfc_7208_7_4(void **state)
{
	static const struct macro_row rows[] = {
		{"%{s}", "strong-bad@email.example.com"},
		{"%{o}", "email.example.com"},
		{"%{d}", "email.example.com"},
		{"%{d4}", "email.example.com"},
		{"%{d3}", "email.example.com"},
		{"%{d2}", "example.com"},
		{"%{d1}", "com"},
		{"%{dr}", "com.example.email"},
		{"%{d2r}", "example.email"},
		{"%{l}", "strong-bad"},
		{"%{l-}", "strong-bad"},
		{"%{lr}", "strong-bad"},
		{"%{lr-}", "bad.strong"},
		{"%{l1r-}", "strong"},
		{"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
		{"%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"},
		{"%{S}%_%-%%", "strong-bad%40email.example.com %20%"},
		{"%{_scope}", "mfrom"},
		{"%{d0}", NULL},
		{"%{x}", NULL},
		{"%{c}", NULL},
		{"%x", NULL},
		{"100%", "100%"},
	};
	struct arena *arena = arena_create(0);
	struct spf_macros macros = {.scope = SPF_SCOPE_MFROM,
	                            .sender = SLICE("strong-bad@email.example.com"),
	                            .local_part = SLICE("strong-bad"),
	                            .sender_domain = SLICE("email.example.com"),
	                            .domain = SLICE("email.example.com")};
	unsigned bad = 0;

	(void)state;
	assert_true(net_addr_parse(SLICE("192.0.2.3"), &macros.ip));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spf_expansion e;
		bool is_ok;

		spf_expansion_init(&e, arena, &macros, slice_from_cstr(rows[i].text));
		is_ok = spf_expand(&e, NULL) == STATUS_OK;
		if (is_ok != (rows[i].expected != NULL) ||
		    (is_ok && !slice_eq(strbuf_slice(&e.out), slice_from_cstr(rows[i].expected)))) {
			print_message("# %s: %.*s\n", rows[i].text,
			              SLICE_FMT(strbuf_slice(&e.out)));
			bad++;
		}
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

static struct spf_outcome
ask_one(struct zone_client *zone, const char *from)
{
	struct spf_request request = {.scope = SPF_SCOPE_MFROM, .identity = slice_from_cstr(from)};
	struct capture capture = {0};

	assert_true(net_addr_parse(SLICE("192.0.2.3"), &request.ip));
	assert_non_null(spf_start(zone->arena, &zone->client, &request, done, &capture));
	zone_run(zone);
	assert_true(capture.is_done);
	return capture.outcome;
}

/* Includes that double what they hand on, themselves included, and a flood of %{p}. */
static void
hostile_records_end(void **state)
{
	struct arena *arena = arena_create((size_t)64 << 20);
	struct zone_client zone;
	struct strbuf flood;
	struct spf_outcome outcome;

	(void)state;
	zone_client_init(&zone, arena);
	zone_add(&zone, "loop.example", "TXT", "v=spf1 include:loop.example -all");
	zone_add(&zone, "redirect.example", "TXT", "v=spf1 redirect=redirect.example");
	zone_add(&zone, "double.example", "TXT", "v=spf1 include:%{d}.%{d}.example");
	strbuf_init(&flood, arena, 0);
	strbuf_add_cstr(&flood, "v=spf1 exists:");
	for (unsigned i = 0; i < 2000; i++)
		strbuf_add_cstr(&flood, "%{p}.");
	strbuf_add_cstr(&flood, "example -all");
	strbuf_add_byte(&flood, 0);
	zone_add(&zone, "flood.example", "TXT", (const char *)flood.data);
	zone_add(&zone, "3.2.0.192.in-addr.arpa", "PTR", "name.example");
	zone_add(&zone, "name.example", "A", "192.0.2.3");
	assert_int_equal(ask_one(&zone, "a@loop.example").result, AUTH_PERMERROR);
	assert_int_equal(ask_one(&zone, "a@redirect.example").result, AUTH_PERMERROR);
	assert_int_equal(ask_one(&zone, "a@double.example").result, AUTH_PERMERROR);
	outcome = ask_one(&zone, "a@flood.example");
	assert_true(outcome.questions <= 300);
	arena_destroy(&arena);
}

static void
authenticated_only_when_all_answers_are(void **state)
{
	struct arena *arena = arena_create(0);
	struct zone_client zone;

	(void)state;
	zone_client_init(&zone, arena);
	zone_add(&zone, "a.example", "TXT", "v=spf1 a -all");
	zone_add(&zone, "a.example", "A", "192.0.2.3");
	assert_false(ask_one(&zone, "x@a.example").is_authenticated);
	zone.is_authenticated = true;
	assert_true(ask_one(&zone, "x@a.example").is_authenticated);
	assert_int_equal(ask_one(&zone, "x@a.example").result, AUTH_PASS);
	assert_false(ask_one(&zone, "x@a..example").is_authenticated);
	arena_destroy(&arena);
}

static void
nothing_comes_after_cancel(void **state)
{
	struct arena *arena = arena_create(0);
	struct zone_client zone;
	struct spf_request request = {.scope = SPF_SCOPE_MFROM, .identity = SLICE("x@a.example")};
	struct capture capture = {0};
	struct spf *spf;

	(void)state;
	zone_client_init(&zone, arena);
	zone_add(&zone, "a.example", "TXT", "v=spf1 a -all");
	spf = spf_start(arena, &zone.client, &request, done, &capture);
	assert_non_null(spf);
	spf_cancel(spf);
	zone_run(&zone);
	assert_false(capture.is_done);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(suites_as_the_reference_answers),
		cmocka_unit_test(suites_as_the_rfc_wants),
		cmocka_unit_test(records_are_parsed),
		cmocka_unit_test(macros_of_rfc_7208_7_4),
		cmocka_unit_test(hostile_records_end),
		cmocka_unit_test(authenticated_only_when_all_answers_are),
		cmocka_unit_test(nothing_comes_after_cancel),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
