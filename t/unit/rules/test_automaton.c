/*
 * test_automaton.c - what automata remember has a limit, and forgetting changes no answer
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "rules/automaton.h"

enum { AUTOMATA = 16, TEXTS = 24, TEXT_BYTES = 3000, LIMIT = 4 << 20 };

/* Alternations of many words, so that texts lead to many states; no two are alike. */
static struct automaton *
make_one(struct arena *arena, unsigned number)
{
	char text[4000];
	size_t len = 0;
	struct pattern *pattern;

	for (unsigned i = 0; i < 40; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c.{0,%u}[%c-z]+%u%c",
		                        i == 0 ? "(?:" : "|", 'a' + (int)(i % 26), 3 + i % 5,
		                        'a' + (int)((i + number) % 20), number % 10,
		                        'a' + (int)(i % 7));
	snprintf(text + len, sizeof(text) - len, ")q%u", number);
	pattern = pattern_parse(arena, slice_from_cstr(text), NULL);
	assert_non_null(pattern);
	return automaton_create(arena, pattern);
}

static struct slice
make_text(struct arena *arena, unsigned *seed)
{
	unsigned char *p = arena_alloc(arena, TEXT_BYTES, 1);

	assert_non_null(p);
	for (size_t i = 0; i < TEXT_BYTES; i++) {
		*seed = *seed * 1103515245U + 12345U;
		p[i] = (unsigned char)("abcdefghijklmnopqrstuvwxyz 0123456789"[*seed >> 16 & 31]);
	}
	return (struct slice){p, TEXT_BYTES};
}

static void
test_limit(void **state)
{
	struct arena *arena = arena_create(0);
	struct automaton_cache *cache = automaton_cache_create();
	struct automaton *list[AUTOMATA];
	unsigned seed = 7, differ = 0;
	size_t most = 0;

	(void)state;
	for (unsigned k = 0; k < AUTOMATA; k++) {
		list[k] = make_one(arena, k);
		assert_non_null(list[k]);
	}
	for (unsigned t = 0; t < TEXTS; t++) {
		struct slice text = make_text(arena, &seed);

		/* Some are asked often, some now and then. */
		for (unsigned k = t % 3 == 0 ? 0 : AUTOMATA / 2; k < AUTOMATA; k++) {
			bool answer = automaton_may_match(list[k], cache, text);

			if (t % 37 == 0) {
				struct automaton_cache *fresh = automaton_cache_create();

				/* "Maybe" is always right; "no" is not forgotten. */
				differ += !answer && automaton_may_match(list[k], fresh, text);
				automaton_cache_destroy(&fresh);
			}
		}
		if (automaton_cache_own_bytes(cache) > most)
			most = automaton_cache_own_bytes(cache);
		if (t == 1)
			automaton_cache_settle(cache);
	}
	print_message("# at most %zu bytes\n", most);
	assert_int_equal(differ, 0);
	assert_true(most > LIMIT / 4);
	assert_true(most < LIMIT);
	automaton_cache_settle(cache);
	assert_int_equal(automaton_cache_own_bytes(cache), 0);
	automaton_cache_destroy(&cache);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_limit)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
