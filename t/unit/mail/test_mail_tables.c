/*
 * test_mail_tables.c - decoding, charsets, encoded words, addresses, dates, content types: one row
 * each
 *
 * Expected values are what the reference gives for the same input.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "mail/address.h"
#include "mail/charset.h"
#include "mail/date.h"
#include "mail/decode.h"
#include "mail/encoded_word.h"
#include "mail/header_table.h"
#include "mail/text.h"

static int bad_rows;

static void
check(const char *name, struct slice want, struct slice got)
{
	if (slice_eq(want, got))
		return;
	bad_rows++;
	print_message("%s: want \"%.*s\", got \"%.*s\"\n", name, SLICE_FMT(want), SLICE_FMT(got));
}

struct row {
	const char *name;
	struct slice in, out;
};

/* clang-format off */
static const struct row base64_rows[] = {
	{ "whole", SLICE("SGVsbG8="), SLICE("Hello") },
	{ "two pads", SLICE("SGk+IQ=="), SLICE("Hi>!") },
	{ "folded", SLICE("SGVs\r\n bG8=\n"), SLICE("Hello") },
	{ "junk", SLICE("SG!Vs*bG8"), SLICE("Hello") },
	{ "inner pad, whole", SLICE("SGk=SGVs"), SLICE("Hi\0Hel") },
	{ "one letter", SLICE("S"), SLICE("") },
	{ "empty", SLICE(""), SLICE("") },
	{ "only pads", SLICE("===="), SLICE("") },
};
static const struct row qp_rows[] = {
	{ "soft break", SLICE("a=\nb=\r\nc"), SLICE("abc") },
	{ "trailing blanks", SLICE("a \t\nb  \r\n"), SLICE("a\nb\r\n") },
	{ "soft break with blanks", SLICE("a= \t\nb"), SLICE("ab") },
	{ "hex", SLICE("=41=6a=4Z=4"), SLICE("Aj=4Z=4") },
	{ "hex over a soft break", SLICE("=4=\n1"), SLICE("A") },
	{ "double equals", SLICE("==\n\n"), SLICE("=\n") },
	{ "NUL", SLICE("=00\0"), SLICE("\0\0") },
};
static const struct row word_rows[] = {
	{ "q", SLICE("=?utf-8?q?J=C3=B6rg_X?= <j@k>"), SLICE("J\xc3\xb6rg X <j@k>") },
	{ "b", SLICE("=?ISO-8859-1?B?4Q==?="), SLICE("\xc3\xa1") },
	{ "adjacent", SLICE("=?utf-8?q?a?=  =?utf-8?q?b?= c"), SLICE("ab c") },
	{ "character split between words", SLICE("=?utf-8?q?=C3?= =?utf-8?q?=B6?="), SLICE("\xc3\xb6") },
	{ "broken", SLICE("=?utf-8?q?a =?x?="), SLICE("=?utf-8?q?a =?x?=") },
	{ "language", SLICE("=?us-ascii*en?q?x?="), SLICE("x") },
	{ "raw latin-1", SLICE("Caf\xe9"), SLICE("Caf\xc3\xa9") },
	{ "raw utf-8", SLICE("Caf\xc3\xa9"), SLICE("Caf\xc3\xa9") },
	{ "unknown charset", SLICE("=?x-foo?q?=E9?="), SLICE("\xc3\xa9") },
};
/* text is normalized as the charset that stands before the "|" */
static const struct row charset_rows[] = {
	{ "cp1252 quotes", SLICE("iso-8859-1|\x93x\x94"), SLICE("\xe2\x80\x9cx\xe2\x80\x9d") },
	{ "utf-8 under any label", SLICE("koi8-r|\xc3\xa9"), SLICE("\xc3\xa9") },
	{ "koi8-r", SLICE("KOI8-R|\xf0\xd2\xc9"), SLICE("\xd0\x9f\xd1\x80\xd0\xb8") },
	{ "gbk", SLICE("GB18030|\xd6\xd0"), SLICE("\xe4\xb8\xad") },
	{ "sjis", SLICE("x-sjis|\x93\xfa"), SLICE("\xe6\x97\xa5") },
	{ "iso-2022-jp", SLICE("iso-2022-jp|\x1b$BF|\x1b(B!"), SLICE("\xe6\x97\xa5!") },
	{ "noncharacter is no utf-8", SLICE("us-ascii|\xef\xbf\xbf"), SLICE("\xc3\xaf\xc2\xbf\xc2\xbf") },
	{ "utf-7", SLICE("utf-7|a+AOk-b"), SLICE("a\xc3\xa9" "b") },
	{ "utf-16 guessed", SLICE("utf-16|a\0 \0b\0"), SLICE("a b") },
};
/* value -> name|address of each, newline between */
static const struct row address_rows[] = {
	{ "plain", SLICE("a@b.com"), SLICE("|a@b.com\n") },
	{ "name", SLICE("Foo Bar <a@b.com>"), SLICE("Foo Bar |a@b.com\n") },
	{ "quoted", SLICE("\"Foo, Bar\" <a@b.com>, c@d.com (See)"), SLICE("Foo, Bar |a@b.com\nSee|c@d.com\n") },
	{ "comma in bare name", SLICE("Foo, Bar <a@b.com>"), SLICE("Foo|\nBar |a@b.com\n") },
	{ "group", SLICE("undisclosed-recipients:;"), SLICE("") },
	{ "no blank between", SLICE("<a@b.com>,<c@d.com>"), SLICE("|a@b.com\n|c@d.com\n") },
	{ "empty", SLICE(" \t\n"), SLICE("") },
	{ "NUL", SLICE("\0"), SLICE("\0|\n") },
};
static const struct { const char *name; struct slice in; int64_t seconds; } date_rows[] = {
	{ "RFC 5322", SLICE("Mon, 02 Dec 2002 10:11:12 +0100"), 1038820272 },
	{ "two digit year", SLICE("2 Dec 02 10:11:12 GMT"), 1038823872 },
	{ "From line", SLICE("x Mon Dec  2 10:11:12 2002"), 1038787200 },
	{ "EST", SLICE("Mon, 2 Dec 2002 10:11 EST"), 1038841860 },
	{ "none", SLICE("yesterday"), -1 },
	{ "day too high", SLICE("31 Feb 2003 00:00:00 +0000"), 1046476800 },
	{ "empty", SLICE(""), -1 },
};
/* clang-format on */

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
test_decode(void **state)
{
	struct arena *arena = arena_create(0);

	(void)state;
	bad_rows = 0;
	for (size_t i = 0; i < ROWS(base64_rows); i++)
		check(base64_rows[i].name, base64_rows[i].out,
		      base64_decode(arena, base64_rows[i].in));
	for (size_t i = 0; i < ROWS(qp_rows); i++)
		check(qp_rows[i].name, qp_rows[i].out, qp_decode(arena, qp_rows[i].in, false));
	arena_destroy(&arena);
	assert_int_equal(bad_rows, 0);
}

static void
test_encoded_words(void **state)
{
	struct arena *arena = arena_create(0);

	(void)state;
	bad_rows = 0;
	for (size_t i = 0; i < ROWS(word_rows); i++)
		check(word_rows[i].name, word_rows[i].out,
		      encoded_word_decode(arena, word_rows[i].in, SLICE("subject")));
	check("received holds none", SLICE("=?utf-8?q?a?="),
	      encoded_word_decode(arena, SLICE("=?utf-8?q?a?="), SLICE("Received")));
	arena_destroy(&arena);
	assert_int_equal(bad_rows, 0);
}

static void
test_charsets(void **state)
{
	struct arena *arena = arena_create(0);

	(void)state;
	bad_rows = 0;
	for (size_t i = 0; i < ROWS(charset_rows); i++) {
		struct slice in = charset_rows[i].in;
		size_t bar = slice_find_byte(in, '|', 0);
		bool decoded;

		check(charset_rows[i].name, charset_rows[i].out,
		      charset_normalize(arena, slice_from(in, bar + 1), slice_sub(in, 0, bar),
		                        false, &decoded));
	}
	arena_destroy(&arena);
	assert_int_equal(bad_rows, 0);
}

static void
test_addresses(void **state)
{
	struct arena *arena = arena_create(0);

	(void)state;
	bad_rows = 0;
	for (size_t i = 0; i < ROWS(address_rows); i++) {
		char text[256];
		size_t n = 0;
		address_vec found;

		assert_int_equal(
			address_parse(arena, address_rows[i].in, ADDRESS_PARSER_BOTH, &found),
			STATUS_OK);
		for (size_t a = 0; a < found.count; a++) {
			struct slice parts[2] = {found.items[a].phrase, found.items[a].address};

			for (size_t p = 0; p < 2; p++) {
				memcpy(text + n,
				       parts[p].data == NULL ? SLICE("").data : parts[p].data,
				       parts[p].len);
				n += parts[p].len;
				text[n++] = p == 0 ? '|' : '\n';
			}
		}
		check(address_rows[i].name, address_rows[i].out, slice_of(text, n));
	}
	arena_destroy(&arena);
	assert_int_equal(bad_rows, 0);
}

static void
test_dates(void **state)
{
	(void)state;
	bad_rows = 0;
	for (size_t i = 0; i < ROWS(date_rows); i++) {
		int64_t seconds;

		if (!date_parse(date_rows[i].in, &seconds))
			seconds = -1;
		if (seconds != date_rows[i].seconds) {
			bad_rows++;
			print_message("%s: %lld\n", date_rows[i].name, (long long)seconds);
		}
	}
	assert_int_equal(bad_rows, 0);
}

static const char sample[] = "From x@y Mon Jan  1 00:00:00 2001\n"
			     "From: A <a@b.com>\n"
			     "Subject: one\n\ttwo\n"
			     "Content-Type: multipart/mixed; boundary=B\n"
			     "\n"
			     "--B\n"
			     "Content-Transfer-Encoding: quoted-printable\n"
			     "\n"
			     "Hello=20world\n"
			     "\n\n"
			     "Second\n"
			     "--B\n"
			     "Content-Type: message/rfc822\n"
			     "\n"
			     "Subject: inner\n"
			     "\n"
			     "Inner text\n"
			     "--B--\n";

static void
test_message(void **state)
{
	struct arena *arena = arena_create(0);
	struct message_options options = MESSAGE_OPTIONS_DEFAULT;
	struct message *m = message_parse(arena, slice_from_cstr(sample), &options);
	const struct text_lines *body = text_body(m);

	(void)state;
	bad_rows = 0;
	assert_int_equal(m->part_count, 4);
	assert_int_equal(body->count, 3);
	check("subject", SLICE("one two\n"), body->items[0]);
	check("first", SLICE("Hello world\n"), body->items[1]);
	check("rest", SLICE("Second Inner text"), slice_trim(body->items[2]));
	assert_int_equal(text_rawbody(m)->count, 2);
	assert_true(m->mbox_separator.data != NULL);
	assert_true(slice_starts(m->pristine, SLICE("From: A")));
	assert_int_equal(message_boundary_count(m, SLICE("B")), 0);
	arena_destroy(&arena);
	assert_int_equal(bad_rows, 0);
}

/* A field that is marked absent must be one that header_get finds nothing for. */
static void
test_header_table(void **state)
{
	static const char *const names[] = {"Subject", "subject:raw",  "X-None",    "To:addr",
	                                    "ALL",     "x-none:first", "From:addr", "ToCc"};
	struct message_options options = MESSAGE_OPTIONS_DEFAULT;
	struct arena *arena = arena_create(0);
	struct message *m = message_parse(arena, slice_from_cstr(sample), &options);
	struct header_table table;
	bool there[16] = {false};

	(void)state;
	header_table_init(&table, arena);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(header_table_add(&table, slice_from_cstr(names[i])), i);
	assert_int_equal(header_table_add(&table, SLICE("ALL")), 4);
	assert_int_equal(header_table_find(&table, SLICE("From:addr")), 6);
	assert_int_equal(header_table_find(&table, SLICE("from:addr")), HEADER_NONE);
	assert_int_equal(table.entries.items[4].field, HEADER_NONE);
	assert_int_equal(table.entries.items[0].field, table.entries.items[1].field);
	header_table_mark(&table, &m->root->headers, there);
	for (unsigned i = 0; i < 8; i++) {
		const struct header_entry *entry = &table.entries.items[i];
		struct header_context context = {NULL};
		struct header_values values;

		if (entry->field == HEADER_NONE)
			continue;
		assert_int_equal(header_get(m, &entry->request, &context, &values), STATUS_OK);
		assert_int_equal(there[entry->field], values.values.count > 0);
	}
	arena_destroy(&arena);
}

/* Any budget: no crash, and what is there stays consistent. */
static void
test_budget(void **state)
{
	struct message_options options = MESSAGE_OPTIONS_DEFAULT;

	(void)state;
	for (size_t budget = 64; budget < 60000; budget = budget * 5 / 4) {
		struct arena *arena = arena_create(budget);
		struct message *m =
			arena == NULL ? NULL
				      : message_parse(arena, slice_from_cstr(sample), &options);

		if (m != NULL) {
			slice_vec lines;

			(void)text_body(m);
			(void)text_rawbody(m);
			(void)header_all(m, false, true, &lines);
			(void)message_receive_date(m, 0);
		}
		arena_destroy(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),   cmocka_unit_test(test_encoded_words),
		cmocka_unit_test(test_charsets), cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_dates),    cmocka_unit_test(test_message),
		cmocka_unit_test(test_budget),   cmocka_unit_test(test_header_table),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
