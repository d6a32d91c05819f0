/*
 * test_util.c - slices, arenas, buffers, maps
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "util/hashmap.h"
#include "util/log.h"
#include "util/slice.h"
#include "util/strbuf.h"
#include "util/vec.h"

static void
test_slice_find(void **state)
{
	static const struct {
		const char *text, *needle;
		size_t from, at, iat;
	} rows[] = {
		{"", "", 0, 0, 0},       {"", "a", 0, SLICE_NPOS, SLICE_NPOS},
		{"abc", "c", 0, 2, 2},   {"abC", "c", 0, SLICE_NPOS, 2},
		{"aXax", "ax", 0, 2, 0}, {"abc", "b", 2, SLICE_NPOS, SLICE_NPOS},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice s = slice_from_cstr(rows[i].text), n = slice_from_cstr(rows[i].needle);

		assert_int_equal(slice_find(s, n, rows[i].from), rows[i].at);
		assert_int_equal(slice_ifind(s, n, rows[i].from), rows[i].iat);
	}
}

/* As printf where printf can, and bytes where it cannot. */
static void
test_printf(void **state)
{
	struct arena *arena = arena_create(0);
	char wanted[600];
	struct slice got;

#define SAME(...)                                                                                  \
	do {                                                                                       \
		snprintf(wanted, sizeof(wanted), __VA_ARGS__);                                     \
		got = arena_printf(arena, __VA_ARGS__);                                            \
		if (!slice_eq(got, slice_from_cstr(wanted)))                                       \
			fail_msg("'%s' is '%.*s'", wanted, SLICE_FMT(got));                        \
	} while (0)

	(void)state;
	SAME("%d %ld %lld %zu %u %lu %x %X %c%%", -1, -2L, -3LL, (size_t)4, 5U, 6UL, 255U, 255U,
	     'q');
	SAME("%02d|%-5d|%5d|%08X|%02x|%+d|%.02f|%2.1f", 3, 4, 5, 0xabcU, 6U, 7, 1.5, 2.25);
	SAME("%g %.15g %.3g %e %.*f", 0.1, 1.0 / 3, 1e10, 5.5, 2, 1.005);
	SAME("%s|%10s|%-10s|%.3s|%.20s|%*s|%-22.*s|%27s", "a", "b", "c", "defg", "hi", 8, "j", 2,
	     "klm", "n");
	SAME("%-*s|%300s|%s", 6, "x", "wide", "");
	got = arena_printf(arena, "<%.*s|%5.*s|%.*s>", 3, "a\0b", 2, "\0c", 0, "");
	assert_true(slice_eq(got, slice_of("<a\0b|   \0c|>", 12)));
	arena_destroy(&arena);
}

static void
test_slice_next(void **state)
{
	struct slice rest = SLICE("a,,b"), piece;

	(void)state;
	assert_true(slice_next(&rest, ',', &piece));
	assert_true(slice_eq(piece, SLICE("a")));
	assert_true(slice_next(&rest, ',', &piece));
	assert_int_equal(piece.len, 0);
	assert_true(slice_next(&rest, ',', &piece));
	assert_true(slice_eq(piece, SLICE("b")));
	assert_false(slice_next(&rest, ',', &piece));
}

static void
test_slice_to_u64(void **state)
{
	unsigned long long v = 7;

	(void)state;
	assert_true(slice_to_u64(SLICE("65535"), 65535, &v));
	assert_int_equal(v, 65535);
	assert_false(slice_to_u64(SLICE("65536"), 65535, &v));
	assert_false(slice_to_u64(SLICE(""), 9, &v));
	assert_false(slice_to_u64(SLICE("1x"), 9, &v));
	assert_true(slice_to_u64(SLICE("18446744073709551615"), ~0ULL, &v));
	assert_false(slice_to_u64(SLICE("18446744073709551616"), ~0ULL, &v));
}

static void
count_up(void *data)
{
	++*(int *)data;
}

static void
test_arena(void **state)
{
	struct arena *arena = arena_create(1 << 20);
	int cleaned = 0;

	(void)state;
	assert_non_null(arena);
	assert_true(arena_on_reset(arena, count_up, &cleaned));
	for (size_t n = 1; n < 3000; n++) {
		unsigned char *p = arena_alloc(arena, n % 97 + 1, 8);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 8, 0);
		assert_int_equal(p[0], 0);
		memset(p, 0xff, n % 97 + 1);
	}
	assert_false(arena_is_spent(arena));
	assert_null(arena_bytes(arena, 2 << 20));
	assert_true(arena_is_spent(arena));
	assert_null(arena_array(arena, (size_t)-1, 16, 8));
	arena_reset(arena);
	assert_int_equal(cleaned, 1);
	assert_false(arena_is_spent(arena));
	arena_destroy(&arena);
	assert_null(arena);
}

static void
test_strbuf(void **state)
{
	struct arena *arena = arena_create(0);
	struct strbuf buf;

	(void)state;
	strbuf_init(&buf, arena, 1000);
	for (int i = 0; i < 100; i++)
		strbuf_printf(&buf, "%d,", i);
	assert_int_equal(buf.len, 290);
	strbuf_add_utf8(&buf, 0x20ac);
	assert_true(slice_ends(strbuf_slice(&buf), SLICE("99,\xe2\x82\xac")));
	for (int i = 0; i < 1000; i++)
		strbuf_add_byte(&buf, 'x');
	assert_true(strbuf_is_bad(&buf));
	assert_int_equal(buf.len, 1000);
	arena_destroy(&arena);
}

static void
test_hashmap(void **state)
{
	struct arena *arena = arena_create(0);
	struct hashmap map, nocase;

	(void)state;
	hashmap_init(&map, arena);
	hashmap_init_nocase(&nocase, arena);
	assert_null(hashmap_get(&map, SLICE("x")));
	for (int i = 0; i < 2000; i++) {
		struct slice key = arena_printf(arena, "Key%d", i);

		assert_true(hashmap_set(&map, key, arena_bytes(arena, 1)));
		assert_true(hashmap_set(&nocase, key, arena_bytes(arena, 1)));
	}
	assert_int_equal(map.count, 2000);
	assert_true(slice_eq(map.entries[1234].key, SLICE("Key1234")));
	assert_non_null(hashmap_get(&map, SLICE("Key1999")));
	assert_null(hashmap_get(&map, SLICE("key1999")));
	assert_non_null(hashmap_get(&nocase, SLICE("kEY1999")));
	arena_destroy(&arena);
}

static void
test_log_quote(void **state)
{
	struct arena *arena = arena_create(0);

	(void)state;
	assert_true(slice_eq(log_quote(arena, SLICE("a\x1b[\n\xff"), 100),
	                     SLICE("a\\x{1b}[\\x{a}\\x{ff}")));
	arena_destroy(&arena);
}

/* The quick ways beside the slow ones. */
static void
test_numbers(void **state)
{
	struct arena *arena = arena_create(0);
	char text[64];
	double value;

	(void)state;
	for (int n = -20000; n < 20000; n += 7) {
		for (int digits = 0; digits <= 3; digits++) {
			struct strbuf buf;

			snprintf(text, sizeof(text), "%.*f", digits, n / 1000.0);
			assert_true(slice_to_decimal(slice_from_cstr(text), &value));
			assert_true(value == strtod(text, NULL));
			strbuf_init(&buf, arena, 0);
			strbuf_add_double(&buf, value);
			strbuf_add_double(&buf, n / 7.0);
			snprintf(text, sizeof(text), "%.15g%.15g", value, n / 7.0);
			assert_true(slice_eq(strbuf_slice(&buf), slice_from_cstr(text)));
		}
	}
	assert_true(slice_to_decimal(SLICE("123456789012.345"), &value));
	assert_true(value == strtod("123456789012.345", NULL));
	assert_false(slice_to_decimal(SLICE(""), &value));
	assert_false(slice_to_decimal(SLICE("-"), &value));
	assert_false(slice_to_decimal(SLICE("1."), &value));
	assert_false(slice_to_decimal(SLICE(".5"), &value));
	assert_false(slice_to_decimal(SLICE("1e5"), &value));
	assert_false(slice_to_decimal(SLICE("1.2.3"), &value));
	assert_false(slice_to_decimal(SLICE("1234567890123456"), &value));
	arena_destroy(&arena);
}

/* Many false beginnings: behind so many the search goes on in another way. */
static void
test_find_far(void **state)
{
	unsigned char text[400];
	struct slice s = slice_of(text, sizeof(text));

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t at = 0; at + 2 <= sizeof(text); at += 13) {
		text[at + 1] = 'b';
		assert_int_equal(slice_find(s, SLICE("ab"), 0), at);
		assert_int_equal(slice_ifind(s, SLICE("AB"), 0), at);
		assert_int_equal(slice_find(s, SLICE("ab"), at + 1), SLICE_NPOS);
		text[at + 1] = 'a';
	}
	assert_int_equal(slice_find(s, SLICE("ab"), 0), SLICE_NPOS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slice_find), cmocka_unit_test(test_printf),
		cmocka_unit_test(test_slice_next), cmocka_unit_test(test_slice_to_u64),
		cmocka_unit_test(test_arena),      cmocka_unit_test(test_strbuf),
		cmocka_unit_test(test_hashmap),    cmocka_unit_test(test_log_quote),
		cmocka_unit_test(test_numbers),    cmocka_unit_test(test_find_far),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
