/*
 * test_addr.c - addresses and sets of networks
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/netset.h"
#include "net/special.h"

static void
test_global(void **state)
{
	static const struct {
		const char *text;
		bool is_global;
	} rows[] = {
		{"8.8.8.8", true},
		{"0.0.0.0", false},
		{"10.255.255.255", false},
		{"11.0.0.0", true},
		{"100.63.255.255", true},
		{"100.127.255.255", false},
		{"127.1.2.3", false},
		{"169.254.169.254", false},
		{"172.15.0.1", true},
		{"172.31.0.1", false},
		{"192.0.1.0", true},
		{"192.0.2.1", false},
		{"192.168.1.1", false},
		{"198.19.255.255", false},
		{"198.20.0.0", true},
		{"224.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::ffff:10.0.0.1", false},
		{"::ffff:8.8.8.8", true},
		{"::8.8.8.8", false},
		{"64:ff9b::808:808", true},
		{"64:ff9b::a00:1", false},
		{"64:ff9b:1::808:808", false},
		{"2000::1", true},
		{"2001:1ff::1", false},
		{"2001:200::1", true},
		{"2001:db8::1", false},
		{"2002:808:808::1", true},
		{"2002:7f00:1::1", false},
		{"2a00:1450::1", true},
		{"3fff:fff::1", false},
		{"4000::1", false},
		{"fc00::1", false},
		{"fe80::1", false},
		{"ff02::1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct net_addr addr;

		if (!net_addr_parse(slice_from_cstr(rows[i].text), &addr) ||
		    net_addr_is_global(&addr) != rows[i].is_global)
			fail_msg("%s", rows[i].text);
	}
}

static void
test_scan(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} rows[] = {
		{"1.2.3.4", 7},
		{"1.2.3.4]", 7},
		{"1.2.3.256", 0},
		{"01.2.3.4", 0},
		{"1.2.3.4x", 0},
		{"1.2.3.4.5", 7},
		{"::1", 3},
		{"::", 2},
		{"2001:db8::1]", 11},
		{"IPv6:::1]", 8},
		{"1:2:3:4:5:6:7:8", 15},
		{"1:2:3:4:5:6:7", 0},
		{"::ffff:1.2.3.4", 14},
		{"1:2:3:4:5:6:1.2.3.4", 19},
		{"1::2::3", 0},
		{"1:2:3:4:5:6:7::", 15},
		{"12345::", 0},
		{"::1.2.3.400", 3},
		{"fe80::1%eth0", 7},
		{"::1:", 0},
		{"", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		size_t len = net_addr_scan(slice_from_cstr(rows[i].text), 0);

		if (len != rows[i].len)
			fail_msg("%s: %zu, not %zu", rows[i].text, len, rows[i].len);
	}
}

static void
test_private(void **state)
{
	static const char *const inside[] = {"10.1.2.3",   "127.0.0.1",  "172.16.0.1",
	                                     "172.31.9.9", "100.64.0.1", "100.127.1.1",
	                                     "::1",        "fe80::1",    "::ffff:10.0.0.1",
	                                     "IPv6:::1",   "192.168.1.1"};
	static const char *const outside[] = {"11.0.0.1",    "172.32.0.1",     "100.128.0.1", "::2",
	                                      "2001:db8::1", "::ffff:8.8.8.8", "172.15.1.1",  ""};

	(void)state;
	for (size_t i = 0; i < sizeof(inside) / sizeof(*inside); i++)
		if (!net_addr_is_private(slice_from_cstr(inside[i])))
			fail_msg("%s is inside", inside[i]);
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++)
		if (net_addr_is_private(slice_from_cstr(outside[i])))
			fail_msg("%s is outside", outside[i]);
}

static void
test_text(void **state)
{
	static const struct {
		const char *text, *canonical, *reverse;
	} rows[] = {
		{"1.2.3.4", "1.2.3.4", "4.3.2.1"},
		{"2001:DB8:0:0::1", "2001:db8::1",
	         "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"},
		{"::ffff:1.2.3.4", "1.2.3.4",
	         "4.0.3.0.2.0.1.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"},
		{"::", "::", "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0"},
	};
	struct arena *arena = arena_create(0);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct slice text = slice_from_cstr(rows[i].text);
		struct net_addr addr;

		assert_true(net_addr_parse(text, &addr));
		assert_string_equal(arena_cstr(arena, net_addr_format(arena, &addr)),
		                    rows[i].canonical);
		assert_string_equal(arena_cstr(arena, net_addr_reverse(arena, text)),
		                    rows[i].reverse);
	}
	arena_destroy(&arena);
}

static void
test_netset(void **state)
{
	struct arena *arena = arena_create(0);
	struct netset set;
	static const struct {
		const char *text;
		enum status status;
	} nets[] = {
		{"!10.1.1.0/24", STATUS_OK},        {"10/8", STATUS_OK},
		{"10.2.3.4", STATUS_NONE},          {"1.2.3", STATUS_OK},
		{"[2001:db8::]/32", STATUS_OK},     {"foo", STATUS_BAD},
		{"1.2.3.4/33", STATUS_BAD},         {"192.0.2.4-192.0.2.9", STATUS_OK},
		{"127.0.0.0/255.0.0.0", STATUS_OK},
	};
	static const struct {
		const char *text;
		bool in;
	} rows[] = {
		{"10.1.1.5", false},
		{"10.9.9.9", true},
		{"1.2.3.255", true},
		{"1.2.4.0", false},
		{"2001:db8:1::1", true},
		{"192.0.2.3", false},
		{"192.0.2.4", true},
		{"192.0.2.9", true},
		{"192.0.2.10", false},
		{"::ffff:127.1.1.1", true},
		{"x", false},
	};

	(void)state;
	netset_init(&set, arena);
	for (size_t i = 0; i < sizeof(nets) / sizeof(*nets); i++)
		assert_int_equal(netset_add(&set, slice_from_cstr(nets[i].text), NULL),
		                 nets[i].status);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (netset_has_text(&set, slice_from_cstr(rows[i].text)) != rows[i].in)
			fail_msg("%s", rows[i].text);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_global),  cmocka_unit_test(test_scan),
		cmocka_unit_test(test_private), cmocka_unit_test(test_text),
		cmocka_unit_test(test_netset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
