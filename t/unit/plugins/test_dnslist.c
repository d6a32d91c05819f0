/*
 * test_dnslist.c - filters over answers of DNS lists, as rows
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugins/dnslist.h"

struct row {
	const char *filter, *answer;
	bool hits;
};

static const struct row rows[] = {
	/* one number: a mask, and only within 127/8 */
	{"4", "127.0.0.4", true},
	{"4", "127.0.0.6", true},
	{"4", "127.0.0.2", false},
	{"4", "10.0.0.4", false},
	{"0x10", "127.0.0.16", true},
	{"0x10", "127.0.0.8", false},
	{"0xffffffff", "127.0.0.1", true},
	{"4294967295", "127.0.0.1", true},
	{"0", "127.0.0.1", false},
	/* a dotted quad: this and no other */
	{"127.0.0.2", "127.0.0.2", true},
	{"127.0.0.2", "127.0.0.3", false},
	{"10.0.0.1", "10.0.0.1", true},
	/* ranges, ends included, anywhere */
	{"127.0.1.20-127.0.1.39", "127.0.1.20", true},
	{"127.0.1.20-127.0.1.39", "127.0.1.39", true},
	{"127.0.1.20-127.0.1.39", "127.0.1.40", false},
	{"127.0.1.20-127.0.1.39", "127.0.1.19", false},
	{"10.0.0.0-10.255.255.255", "10.1.2.3", true},
	{"1-5", "0.0.0.3", true},
	/* value and mask */
	{"127.0.1.0/255.255.255.0", "127.0.1.77", true},
	{"127.0.1.0/255.255.255.0", "127.0.2.77", false},
	{"0.0.0.16/0.0.0.16", "127.0.0.17", true},
	{"0x10/0x10", "127.0.0.15", false},
	{"16/16", "10.0.0.16", true},
	/* no address: the text of both numbers alone */
	{"4", "4", true},
	{"4", "four", false},
	{"2-2", "2-2", true},
	{"0-5", "text", true}, /* counts as 0 */
};

static const char *const bad[] = {"",          "x",   "-1",           "1-",          "1/",
                                  "1.2.3",     "0x",  "0xg000000001", "12345678901", "1-2-3",
                                  "1.2.3.400", "1 2", "/1",           "127.0.0.2x",  "1-x"};

static void
filters(void **state)
{
	struct arena *arena = arena_create(0);
	size_t wrong = 0;

	(void)state;
	assert_non_null(arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dnslist_filter filter;
		struct slice answer = slice_from_cstr(rows[i].answer);
		unsigned long long number = 0;
		bool good = dnslist_filter_parse(arena, slice_from_cstr(rows[i].filter), &filter);

		(void)dnslist_number(answer, &number);
		if (good && dnslist_filter_matches(&filter, answer, number) == rows[i].hits)
			continue;
		print_error("%s over %s: %s\n", rows[i].filter, rows[i].answer,
		            good ? "wrong" : "not taken");
		wrong++;
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dnslist_filter filter;

		if (!dnslist_filter_parse(arena, slice_from_cstr(bad[i]), &filter))
			continue;
		print_error("%s: taken\n", bad[i]);
		wrong++;
	}
	arena_destroy(&arena);
	assert_int_equal(wrong, 0);
}

static void
numbers(void **state)
{
	unsigned long long number = 1;

	(void)state;
	assert_true(dnslist_number(SLICE("127.0.0.2"), &number));
	assert_true(number == 0x7f000002);
	assert_true(dnslist_number(SLICE("255.255.255.255"), &number));
	assert_true(number == 0xffffffff);
	assert_false(dnslist_number(SLICE("127.0.0"), &number));
	assert_false(dnslist_number(SLICE("::1"), &number));
	assert_false(dnslist_number(slice_of("1.2.3.4\0", 8), &number));
}

int
main(void)
{
	const struct CMUnitTest list[] = {
		cmocka_unit_test(filters),
		cmocka_unit_test(numbers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(list, NULL, NULL);
}
