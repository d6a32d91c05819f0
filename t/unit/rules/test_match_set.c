/*
 * test_match_set.c - the prefilter never changes a result
 *
 * All patterns of t/vectors/regex.jsonl over all its subjects, one by one and all together, with
 * tables and without; and the flags of rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "rules/match_set.h"
#include "t/vectors/jsonl.h"
#include "util/vec.h"

struct world {
	struct arena *arena;
	struct match_set *set;
	slice_vec subjects;
	size_t rules;
};

static void
collect(struct arena *row_arena, const struct json *json, void *ctx)
{
	static const unsigned flags[] = {0, MATCH_MULTIPLE, 0, MATCH_NOSUBJECT,
	                                 MATCH_MULTIPLE | MATCH_NOSUBJECT};
	struct world *w = ctx;
	struct slice compiled = json_string(json, "compiled");
	const struct json *list = json_get(json, "subjects");
	struct error error;
	struct regex *regex;

	(void)row_arena;
	if (compiled.data == NULL)
		return;
	regex = regex_create(w->arena, compiled, 0, &error);
	assert_non_null(regex);
	match_set_add(w->set, (unsigned)w->rules, regex, flags[w->rules % 5],
	              w->rules % 3 == 0 ? 4 : 0);
	w->rules++;
	for (const struct json *s = list == NULL ? NULL : list->child; s != NULL; s = s->next) {
		struct slice text = arena_dup(w->arena, json_string(s, "text"));
		assert_non_null(text.data);
		vec_push(w->arena, &w->subjects, text);
	}
}

static unsigned
compare(const struct world *w, struct match_scratch *scratch, const struct slice *items,
        size_t count)
{
	struct arena *arena = arena_create(0);
	struct match_run *fast = match_run_create(arena, w->set, scratch, items, count, 0);
	struct match_run *plain =
		match_run_create(arena, w->set, scratch, items, count, MATCH_RUN_ALL);
	unsigned bad = 0;

	for (size_t s = 0; s < match_set_count(w->set); s++) {
		struct match_hit a, b;
		match_run_rule(fast, s, &a);
		match_run_rule(plain, s, &b);
		match_run_locate(fast, s, &a);
		match_run_locate(plain, s, &b);
		if (a.count == b.count &&
		    (a.count == 0 ||
		     (a.item == b.item && a.at.start == b.at.start && a.at.end == b.at.end)))
			continue;
		if (bad++ < 10)
			print_message("# %.*s: %u with the prefilter, %u without\n",
			              SLICE_FMT(regex_text(match_set_regex(w->set, s))), a.count,
			              b.count);
	}
	arena_destroy(&arena);
	return bad;
}

static void
test_vectors(void **state)
{
	struct world w = {.arena = arena_create(0)};
	struct match_scratch *scratch = match_scratch_create();
	struct error error;
	unsigned bad = 0;

	(void)state;
	w.set = match_set_create(w.arena);
	assert_int_equal(jsonl_each(VECTORS "/regex.jsonl", collect, &w), 834);
	assert_int_equal(match_set_build(w.set, MATCH_BUILD_TABLES | MATCH_BUILD_OTHER, &error),
	                 STATUS_OK);
	for (size_t i = 0; i < w.subjects.count; i += 3)
		bad += compare(&w, scratch, &w.subjects.items[i], 1);
	for (size_t i = 0; i + 40 < w.subjects.count; i += 40)
		bad += compare(&w, scratch, &w.subjects.items[i], 40);
	print_message("# %zu patterns, %zu texts, %u differ\n", w.rules, w.subjects.count, bad);
	match_scratch_destroy(&scratch);
	arena_destroy(&w.arena);
	assert_int_equal(bad, 0);
}

/* All patterns again, with the tables of a file: as if they had been made here. */
static void
test_saved_tables(void **state)
{
	static const struct blob_key identity = {3, 4}, other = {3, 5};
	struct world w = {.arena = arena_create(0)}, r = {.arena = arena_create(0)};
	struct match_scratch *scratch = match_scratch_create();
	struct blob_writer *writer = blob_writer_create(w.arena);
	const struct blob_file *file;
	struct error error;
	char path[] = "/tmp/winnow-tables-XXXXXX";
	unsigned bad = 0;

	(void)state;
	close(mkstemp(path));
	w.set = match_set_create(w.arena);
	r.set = match_set_create(r.arena);
	jsonl_each(VECTORS "/regex.jsonl", collect, &w);
	jsonl_each(VECTORS "/regex.jsonl", collect, &r);
	assert_int_equal(match_set_build(w.set, MATCH_BUILD_TABLES | MATCH_BUILD_OTHER, &error),
	                 STATUS_OK);
	assert_true(match_set_save(w.set, writer, w.arena));
	assert_int_equal(blob_writer_finish(writer, path, identity, &error), STATUS_OK);
	assert_int_equal(blob_file_open(r.arena, path, other, &file, &error), STATUS_BAD);
	assert_int_equal(blob_file_open(r.arena, path, identity, &file, &error), STATUS_OK);
	unlink(path);
	assert_true(match_set_use(r.set, file));
	assert_int_equal(match_set_build(r.set, MATCH_BUILD_TABLES | MATCH_BUILD_LAZY, &error),
	                 STATUS_OK);
	for (size_t i = 1; i < r.subjects.count; i += 3)
		bad += compare(&r, scratch, &r.subjects.items[i], 1);
	assert_int_equal(match_set_bytes(r.set), match_set_bytes(w.set));
	/* Another rule: another set. */
	match_set_add(r.set, 9999, match_set_regex(r.set, 0), 0, 0);
	assert_false(match_set_use(r.set, file));
	match_scratch_destroy(&scratch);
	arena_destroy(&w.arena);
	arena_destroy(&r.arena);
	assert_int_equal(bad, 0);
}

struct seen {
	struct slice value[8];
	size_t count;
};

static void
take_capture(void *ctx, struct slice name, struct slice value)
{
	struct seen *seen = ctx;

	assert_true(slice_eq(name, SLICE("WHO")));
	seen->value[seen->count++] = value;
}

static size_t
give_values(void *ctx, struct slice name, const struct slice **values_r)
{
	static const struct slice values[] = {{(const unsigned char *)"a.b", 3},
	                                      {(const unsigned char *)"c", 1}};

	*values_r = values;
	return ctx != NULL && slice_eq(name, SLICE("WHO")) ? 2 : 0;
}

static void
test_captures_and_templates(void **state)
{
	struct arena *arena = arena_create(0);
	struct match_scratch *scratch = match_scratch_create();
	struct match_set *set = match_set_create(arena);
	struct error error;
	struct slice items[] = {SLICE("to joe@x and ann@x"), SLICE("to bob@x")};
	struct regex *who = regex_create_rule(arena, SLICE("/(?<WHO>\\w+)@/"), 0, &error), *made;
	struct regex *mold =
		regex_create_rule(arena, SLICE("/^x%{WHO}$/i"), REGEX_TEMPLATES, &error);
	struct match_run *run;
	struct match_hit hit;
	struct seen seen = {.count = 0};

	(void)state;
	assert_true(regex_sets_tags(who));
	assert_int_equal(regex_template_count(mold), 1);
	assert_int_equal(match_set_add(set, 7, who, MATCH_MULTIPLE | MATCH_CAPTURES, 2), 0);
	assert_int_equal(match_set_build(set, MATCH_BUILD_TABLES, &error), STATUS_OK);
	assert_int_equal(match_set_rule(set, 0), 7);
	run = match_run_create(arena, set, scratch, items, 2, 0);
	assert_int_equal(match_run_next(run, NULL, 0), 0);
	assert_int_equal(match_run_captures(run, 0, take_capture, &seen, &hit), 2);
	assert_int_equal(seen.count, 2);
	assert_true(slice_eq(seen.value[1], SLICE("ann")));
	assert_int_equal(regex_instantiate(mold, arena, give_values, NULL, &made, &error),
	                 STATUS_NONE);
	assert_int_equal(regex_instantiate(mold, arena, give_values, &seen, &made, &error),
	                 STATUS_OK);
	assert_true(regex_is_match(made, match_scratch_regex(scratch), SLICE("XA.B")));
	assert_true(regex_is_match(made, match_scratch_regex(scratch), SLICE("xc")));
	assert_false(regex_is_match(made, match_scratch_regex(scratch), SLICE("xaxb")));
	match_scratch_destroy(&scratch);
	arena_destroy(&arena);
}

/* Piece by piece, with another run in between at the same scratch. */
static unsigned
compare_pieces(const struct world *w, struct match_scratch *scratch, const struct slice *items,
               size_t count)
{
	struct arena *arena = arena_create(0);
	struct match_run *whole = match_run_create(arena, w->set, scratch, items, count, 0);
	struct match_run *piece = match_run_begin(arena, w->set, scratch, items, count, 0);
	enum status status;
	unsigned bad = 0, looks = 0;

	assert_non_null(whole);
	assert_non_null(piece);
	while ((status = match_run_look(piece, 100)) == STATUS_AGAIN) {
		looks++;
		assert_non_null(match_run_create(arena, w->set, scratch, items + looks % 7, 1, 0));
	}
	assert_int_equal(status, STATUS_OK);
	assert_true(looks > 10);
	for (size_t s = 0; s < match_set_count(w->set); s++) {
		struct match_progress at = {0};
		struct match_hit a, b;
		size_t bytes = 50;

		assert_int_equal(match_run_next(whole, NULL, s), match_run_next(piece, NULL, s));
		match_run_rule(whole, s, &a);
		while (!match_run_some(piece, s, NULL, NULL, &at, &bytes, &b))
			bytes = 50;
		bad += a.count != b.count || a.limit != b.limit ||
		       (a.count > 0 && (a.item != b.item || a.at.start != b.at.start));
	}
	arena_destroy(&arena);
	return bad;
}

static void
test_pieces(void **state)
{
	struct match_scratch *scratch = match_scratch_create();
	struct arena *arena = arena_create(0);
	struct world w = {.arena = arena, .set = match_set_create(arena)};
	struct error error;

	(void)state;
	jsonl_each(VECTORS "/regex.jsonl", collect, &w);
	assert_int_equal(match_set_build(w.set, MATCH_BUILD_TABLES, &error), STATUS_OK);
	assert_int_equal(compare_pieces(&w, scratch, w.subjects.items, w.subjects.count), 0);
	match_scratch_destroy(&scratch);
	arena_destroy(&arena);
}

static void
test_limit(void **state)
{
	struct arena *arena = arena_create(0);
	struct regex_scratch *scratch = regex_scratch_create();
	struct error error;
	struct regex *regex = regex_create_rule(arena, SLICE("/^(?:a+)+(?<!x)$/"), 0, &error);

	(void)state;
	regex_scratch_set_limits(scratch, 10000, 0, 0);
	assert_int_equal(
		regex_match(regex, scratch, SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), 0, 0),
		REGEX_LIMIT);
	regex_scratch_destroy(&scratch);
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_saved_tables),
		cmocka_unit_test(test_captures_and_templates), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_limit)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
