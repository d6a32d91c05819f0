/*
 * test_cache.c - answers that processes share: times as a script, no clock
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dns/cache.h"

static struct arena *arena;

static int
make_arena(void **state)
{
	(void)state;
	arena = arena_create(0);
	return arena == NULL;
}

static int
end_arena(void **state)
{
	(void)state;
	arena_destroy(&arena);
	return 0;
}

/* What is there for a name at a time, as text. */
static const char *
get(struct dns_cache *cache, const char *name, unsigned type, int64_t now_ms)
{
	static unsigned char out[DNS_CACHE_ANSWER_MAX + 1];
	size_t len = dns_cache_get(cache, slice_from_cstr(name), type, now_ms, out);

	out[len] = '\0';
	return (const char *)out;
}

static void
put(struct dns_cache *cache, const char *name, unsigned type, const char *answer, uint32_t ttl_s,
    bool is_negative, int64_t now_ms)
{
	dns_cache_put(cache, slice_from_cstr(name), type, slice_from_cstr(answer), ttl_s,
	              is_negative, now_ms);
}

static void
test_times(void **state)
{
	struct dns_cache *cache = dns_cache_create(arena, 1 << 20);

	(void)state;
	assert_non_null(cache);
	assert_string_equal(get(cache, "a.test", 1, 0), "");
	put(cache, "a.test", 1, "first", 10, false, 1000);
	assert_string_equal(get(cache, "A.Test", 1, 1000), "first");
	assert_string_equal(get(cache, "a.test", 1, 10999), "first");
	assert_string_equal(get(cache, "a.test", 1, 11000), "");
	assert_string_equal(get(cache, "a.test", 16, 1000), "");
	assert_string_equal(get(cache, "b.test", 1, 1000), "");
	put(cache, "a.test", 1, "second", 10, false, 5000);
	assert_string_equal(get(cache, "a.test", 1, 14999), "second");
	put(cache, "zero.test", 1, "x", 0, false, 1000);
	assert_string_equal(get(cache, "zero.test", 1, 1000), "");
	/* A day at most; three hours for what is not there. */
	put(cache, "long.test", 1, "x", 10000000, false, 0);
	assert_string_equal(get(cache, "long.test", 1, 86399999), "x");
	assert_string_equal(get(cache, "long.test", 1, 86400000), "");
	put(cache, "no.test", 1, "x", 86400, true, 0);
	assert_string_equal(get(cache, "no.test", 1, 10799999), "x");
	assert_string_equal(get(cache, "no.test", 1, 10800000), "");
}

static void
test_room(void **state)
{
	struct dns_cache *cache = dns_cache_create(arena, 1);
	char answer[DNS_CACHE_ANSWER_MAX + 2], name[300];

	(void)state;
	memset(answer, 'x', sizeof(answer));
	answer[DNS_CACHE_ANSWER_MAX + 1] = '\0';
	put(cache, "big.test", 1, answer, 60, false, 0);
	assert_string_equal(get(cache, "big.test", 1, 0), "");
	answer[DNS_CACHE_ANSWER_MAX] = '\0';
	put(cache, "big.test", 1, answer, 60, false, 0);
	assert_string_equal(get(cache, "big.test", 1, 0), answer);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	put(cache, name, 1, "x", 60, false, 0);
	assert_string_equal(get(cache, name, 1, 0), "");
	name[255] = '\0';
	put(cache, name, 1, "x", 60, false, 0);
	assert_string_equal(get(cache, name, 1, 0), "x");
	/* Four places: what ends first makes room. */
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%d.test", i);
		put(cache, name, 1, "y", (uint32_t)(100 + i), false, 0);
	}
	assert_string_equal(get(cache, "big.test", 1, 0), "");
	assert_string_equal(get(cache, "n19.test", 1, 0), "y");
	assert_string_equal(get(cache, "n16.test", 1, 0), "y");
	assert_string_equal(get(cache, "n15.test", 1, 0), "");
}

/* Writers in other processes, one of which is killed: what is read is whole. */
static void
test_shared(void **state)
{
	struct dns_cache *cache = dns_cache_create(arena, 1);
	static const char *const answers[] = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbb"};
	pid_t writers[2];
	unsigned seen = 0;

	(void)state;
	for (int w = 0; w < 2; w++) {
		writers[w] = fork();
		assert_true(writers[w] >= 0);
		while (writers[w] == 0)
			put(cache, "x.test", 1, answers[w], 60, false, 1);
	}
	for (unsigned long i = 0; i < 100000000UL && seen != 3; i++) {
		const char *found = get(cache, "x.test", 1, 2);

		for (int w = 0; w < 2; w++)
			if (strcmp(found, answers[w]) == 0)
				seen |= 1U << w;
		assert_true(found[0] == '\0' || strcmp(found, answers[0]) == 0 ||
		            strcmp(found, answers[1]) == 0);
	}
	for (int w = 0; w < 2; w++) {
		kill(writers[w], SIGKILL);
		assert_int_equal(waitpid(writers[w], NULL, 0), writers[w]);
	}
	assert_int_equal(seen, 3);
	/* Whatever they died over, it is taken again. */
	put(cache, "x.test", 1, "after", 60, false, 5000);
	assert_string_equal(get(cache, "x.test", 1, 5000), "after");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_times, make_arena, end_arena),
		cmocka_unit_test_setup_teardown(test_room, make_arena, end_arena),
		cmocka_unit_test_setup_teardown(test_shared, make_arena, end_arena),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
