/*
 * test_wire.c - questions as bytes, answers from bytes
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/wire.h"

#define HEAD "\x12\x34\x81\x80\0\1\0\1\0\0\0\0"
#define QUESTION "\1x\4test\0\0\1\0\1"
#define OWNER "\xc0\x0c"

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		size_t len; /* in wire form; 0: none */
	} rows[] = {
		{"x.test", 8},
		{"x.test.", 8},
		{"x.test...", 8},
		{"X.Test", 8},
		{"", 0},
		{".", 0},
		{"a..b", 0},
		{".a", 0},
		{"a b.c\\d", 9},
		{"123456789012345678901234567890123456789012345678901234567890123.a", 67},
		{"1234567890123456789012345678901234567890123456789012345678901234.a", 0},
	};
	const struct dns_question_options options = {.id = 7, .edns_bytes = 1232};
	struct dns_question question;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum status status = dns_question_write(slice_from_cstr(rows[i].name), DNS_A,
		                                        &options, &question);

		if ((status == STATUS_OK ? question.name_len : 0) != rows[i].len)
			fail_msg("%s: %zu, not %zu", rows[i].name, question.name_len, rows[i].len);
	}
}

/* 63 * 3 + 61 and their lengths make 255; one more does not fit. */
static void
test_longest_name(void **state)
{
	unsigned char name[300];
	const struct dns_question_options options = {.edns_bytes = 0};
	struct dns_question question;

	(void)state;
	memset(name, 'a', sizeof(name));
	name[63] = name[127] = name[191] = '.';
	assert_int_equal(dns_question_write(slice_of(name, 253), DNS_A, &options, &question),
	                 STATUS_OK);
	assert_int_equal(question.name_len, 255);
	assert_int_equal(dns_question_write(slice_of(name, 254), DNS_A, &options, &question),
	                 STATUS_BAD);
}

static void
test_question_bytes(void **state)
{
	static const unsigned char case_bits[32] = {0x05};
	struct dns_question_options options = {
		.id = 0x1234, .edns_bytes = 1232, .wants_signatures = true};
	struct dns_question question;

	(void)state;
	assert_int_equal(dns_question_write(SLICE("x.test"), DNS_TXT, &options, &question),
	                 STATUS_OK);
	assert_int_equal(question.len, 12 + 8 + 4 + 11);
	assert_memory_equal(question.bytes,
	                    "\x12\x34\1\x20\0\1\0\0\0\0\0\1\1x\4test\0\0\x10\0\1"
	                    "\0\0\x29\x04\xd0\0\0\x80\0\0\0",
	                    question.len);
	options = (struct dns_question_options){.id = 1, .case_bits = case_bits};
	assert_int_equal(dns_question_write(SLICE("x.test"), DNS_A, &options, &question),
	                 STATUS_OK);
	assert_memory_equal(question.bytes + 12, "\1X\4tEst\0", 8);
}

static void
test_is_for(void **state)
{
	static const struct {
		struct slice bytes;
		bool loose, exact;
	} rows[] = {
		{SLICE(HEAD QUESTION), true, true},
		{SLICE(HEAD "\1X\4test\0\0\1\0\1"), true, false},
		{SLICE(HEAD "\1y\4test\0\0\1\0\1"), false, false},
		{SLICE(HEAD "\1x\4test\0\0\x10\0\1"), false, false},
		{SLICE(HEAD "\1x\4test\0\0\1\0\3"), false, false},
		{SLICE("\x12\x35\x81\x80\0\1\0\0\0\0\0\0" QUESTION), false, false},
		{SLICE("\x12\x34\x01\x80\0\1\0\0\0\0\0\0" QUESTION), false, false},
		{SLICE("\x12\x34\x81\x80\0\0\0\0\0\0\0\0" QUESTION), false, false},
		{SLICE(HEAD "\1x"), false, false},
		{SLICE(""), false, false},
	};
	const struct dns_question_options options = {.id = 0x1234};
	struct dns_question question;

	(void)state;
	assert_int_equal(dns_question_write(SLICE("x.test"), DNS_A, &options, &question),
	                 STATUS_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dns_answer_is_for(rows[i].bytes, &question, false) != rows[i].loose ||
		    dns_answer_is_for(rows[i].bytes, &question, true) != rows[i].exact)
			fail_msg("row %zu", i);
}

/* One record's type and data behind the fixed rest. */
static void
test_records(void **state)
{
	static const struct {
		struct slice tail; /* type, class, TTL, length, data */
		const char *text;  /* NULL: left out */
	} rows[] = {
		{SLICE("\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\2"), "127.0.0.2"},
		{SLICE("\0\1\0\1\0\0\0\x3c\0\3\x7f\0\0"), NULL},
		{SLICE("\0\1\0\3\0\0\0\x3c\0\4\x7f\0\0\2"), NULL},
		{SLICE("\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
	         "2001:db8::1"},
		{SLICE("\0\x10\0\1\0\0\0\x3c\0\4\3abc"), "abc"},
		{SLICE("\0\x10\0\1\0\0\0\x3c\0\6\3abc\1d"), "abcd"},
		{SLICE("\0\x10\0\1\0\0\0\x3c\0\1\0"), ""},
		{SLICE("\0\x10\0\1\0\0\0\x3c\0\0"), ""},
		{SLICE("\0\x10\0\1\0\0\0\x3c\0\3\3ab"), NULL},
		{SLICE("\0\x10\0\1\0\0\0\x3c\0\5\4\xc3\xa4\xff."), "\xc3\xa4\xef\xbf\xbd."},
		{SLICE("\0\2\0\1\0\0\0\x3c\0\2\xc0\x0c"), "x.test"},
		{SLICE("\0\2\0\1\0\0\0\x3c\0\1\0"), "."},
		{SLICE("\0\2\0\1\0\0\0\x3c\0\6\4a.\"\\\0"), "a\\.\\034\\092"},
		{SLICE("\0\2\0\1\0\0\0\x3c\0\2\xc0\x24"), NULL},
		{SLICE("\0\2\0\1\0\0\0\x3c\0\2\xff\xff"), NULL},
		{SLICE("\0\x0f\0\1\0\0\0\x3c\0\5\0\x0a\1m\0"), "10 m"},
		{SLICE("\0\x0f\0\1\0\0\0\x3c\0\1\0"), NULL},
		{SLICE("\0\x41\0\1\0\0\0\x3c\0\3\0\1\2"), "\\# 3 000102"},
		{SLICE("\0\x41\0\1\0\0\0\x3c\0\0"), "\\# 0"},
		{SLICE("\0\x29\0\1\0\0\0\0\0\0"), NULL},
		{SLICE("\0\1\0\1\0\0\0\x3c\0\4\x7f"), NULL},
		{SLICE("\0\1"), NULL},
	};
	struct arena *arena = arena_create(0);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice bytes = arena_concat(arena, SLICE(HEAD QUESTION OWNER), rows[i].tail);
		struct dns_answer answer;

		assert_int_equal(dns_answer_read(arena, bytes, SLICE("x.test"), DNS_A, &answer),
		                 STATUS_OK);
		if (answer.record_count != (rows[i].text != NULL) ||
		    (rows[i].text != NULL &&
		     !slice_eq(answer.records[0].text, slice_from_cstr(rows[i].text))))
			fail_msg("row %zu: %zu records, %.*s", i, answer.record_count,
			         SLICE_FMT(answer.record_count == 0 ? SLICE("")
			                                            : answer.records[0].text));
	}
	arena_destroy(&arena);
}

static void
test_heads(void **state)
{
	static const struct {
		struct slice bytes;
		enum status status;
		unsigned rcode;
		bool ad, tc;
		uint32_t ttl;
	} rows[] = {
		{SLICE("\x12\x34\x81\x80\0\1\0\0\0\0\0\0" QUESTION), STATUS_OK, 0, false, false, 0},
		{SLICE("\x12\x34\x83\xa2\0\1\0\0\0\0\0\0" QUESTION), STATUS_OK, 2, true, true, 0},
		{SLICE("\x12\x34\x81\x83\0\1\0\0\0\1\0\0" QUESTION OWNER
	               "\0\6\0\1\0\0\0\x63\0\x16\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\x4d"),
	         STATUS_OK, 3, false, false, 0x4d},
		{SLICE("\x12\x34\x01\x80\0\1\0\0\0\0\0\0" QUESTION), STATUS_BAD, 0, false, false,
	         0},
		{SLICE("\x12\x34\x81\x80\0\2\0\0\0\0\0\0" QUESTION QUESTION), STATUS_BAD, 0, false,
	         false, 0},
		{SLICE("\x12\x34\x81\x80\0\1\0\0\0\0\0\0\1x"), STATUS_BAD, 0, false, false, 0},
		{SLICE("\x12\x34\x81"), STATUS_BAD, 0, false, false, 0},
		{SLICE(""), STATUS_BAD, 0, false, false, 0},
	};
	struct arena *arena = arena_create(0);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_answer answer = {.ttl_s = 0};
		enum status status =
			dns_answer_read(arena, rows[i].bytes, SLICE("x.test"), DNS_A, &answer);

		if (status != rows[i].status || answer.rcode != rows[i].rcode ||
		    answer.is_authenticated != rows[i].ad || answer.is_truncated != rows[i].tc ||
		    answer.ttl_s != rows[i].ttl)
			fail_msg("row %zu: %s %u %u", i, status_name(status), answer.rcode,
			         answer.ttl_s);
	}
	arena_destroy(&arena);
}

static void
test_types(void **state)
{
	struct arena *arena = arena_create(0);

	(void)state;
	assert_int_equal(dns_type_parse(SLICE("AAAA")), DNS_AAAA);
	assert_int_equal(dns_type_parse(SLICE("TYPE65")), 65);
	assert_int_equal(dns_type_parse(SLICE("TYPE65536")), 0);
	assert_int_equal(dns_type_parse(SLICE("aaaa")), 0);
	assert_true(slice_eq(dns_type_name(arena, 65), SLICE("TYPE65")));
	assert_true(slice_eq(dns_type_name(arena, 16), SLICE("TXT")));
	assert_string_equal(dns_rcode_name(3), "NXDOMAIN");
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),          cmocka_unit_test(test_longest_name),
		cmocka_unit_test(test_question_bytes), cmocka_unit_test(test_is_for),
		cmocka_unit_test(test_records),        cmocka_unit_test(test_heads),
		cmocka_unit_test(test_types),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
