/*
 * test_regex_vectors.c - t/vectors/regex.jsonl: what the reference's Perl makes of patterns
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "rules/regex.h"
#include "t/vectors/jsonl.h"

struct tally {
	struct regex_scratch *scratch;
	unsigned rows;
	unsigned bad;
	unsigned same_words;
	unsigned errors;
};

static void
report(struct tally *t, const struct json *json, const char *what, struct slice detail)
{
	struct slice pattern = json_string(json, "pattern");

	if (pattern.data == NULL)
		pattern = json_string(json, "rule");
	t->bad++;
	print_message("# %.*s (%.*s): %s: %.*s\n", SLICE_FMT(pattern),
	              SLICE_FMT(json_string(json, "feature")), what, SLICE_FMT(detail));
}

static bool
groups_equal(const struct tally *t, const struct regex *regex, const struct json *groups)
{
	if (json_count(groups) != regex_group_count(regex) + 1)
		return false;
	for (unsigned g = 0; g <= regex_group_count(regex); g++) {
		const struct json *want = json_at(groups, g);
		struct regex_span is = regex_span(t->scratch, g);

		if (want->type == JSON_NULL && is.start == SLICE_NPOS)
			continue;
		if (want->type == JSON_NULL || is.start != (size_t)json_at(want, 0)->number ||
		    is.end != (size_t)json_at(want, 1)->number)
			return false;
	}
	return true;
}

static bool
names_equal(const struct tally *t, const struct regex *regex, const struct json *named,
            struct slice subject)
{
	for (const struct json *n = named == NULL ? NULL : named->child; n != NULL; n = n->next) {
		struct slice is = SLICE_NULL;

		for (size_t i = 0; i < regex_name_count(regex) && is.data == NULL; i++) {
			unsigned group;
			struct regex_span span;

			if (!slice_eq(regex_name(regex, i, &group), n->key))
				continue;
			span = regex_span(t->scratch, group);
			if (span.start != SLICE_NPOS)
				is = slice_sub(subject, span.start, span.end - span.start);
		}
		if (!slice_eq(is, n->string))
			return false;
	}
	return true;
}

static unsigned
count_matches(const struct tally *t, const struct regex *regex, struct slice subject)
{
	struct regex_iter iter;
	unsigned n = 0;

	regex_iter_init(&iter, regex, t->scratch, subject);
	while (n < 1000 && regex_iter_next(&iter) == REGEX_HIT)
		n++;
	return n;
}

static void
check_subject(struct tally *t, const struct json *json, const struct regex *regex,
              const struct json *s)
{
	struct slice text = json_string(s, "text");
	bool want = json_number(s, "match", json_get(s, "groups") != NULL) != 0;
	enum regex_result is = regex_match(regex, t->scratch, text, 0, 0);
	double count = json_number(s, "count", -1);

	if (is == REGEX_LIMIT)
		report(t, json, "limit", text);
	else if ((is == REGEX_HIT) != want)
		report(t, json, want ? "should match" : "should not match", text);
	else if (want && !groups_equal(t, regex, json_get(s, "groups")))
		report(t, json, "groups differ", text);
	else if (want && !names_equal(t, regex, json_get(s, "named"), text))
		report(t, json, "names differ", text);
	else if (want && count >= 0 && count_matches(t, regex, text) != (unsigned)count)
		report(t, json, "count differs", text);
}

static struct regex *
create(struct arena *arena, const struct json *json, bool stock, struct error *error)
{
	char text[128];
	struct slice mods = json_string(json, "modifiers");
	struct slice compiled = json_string(json, "compiled");

	if (!stock)
		return regex_create_rule(arena, json_string(json, "pattern"), REGEX_REFUSE_ALWAYS,
		                         error);
	/* The text is what was compiled; its modifiers are already in front. */
	(void)mods;
	(void)text;
	return regex_create(arena, compiled, 0, error);
}

static void
check_row(struct arena *arena, const struct json *json, void *ctx)
{
	struct tally *t = ctx;
	struct slice kind = json_string(json, "kind");
	struct slice refused = json_string(json, "error");
	struct error error = {""};
	struct regex *regex;

	if (slice_eq(kind, SLICE("feature")))
		return;
	t->rows++;
	regex = create(arena, json, slice_eq(kind, SLICE("stock")), &error);
	if (refused.data != NULL) {
		t->errors++;
		if (regex != NULL)
			report(t, json, "should be refused", refused);
		if (slice_eq(refused, slice_from_cstr(error.text)))
			t->same_words++;
		else if (regex == NULL)
			print_message("# words: %.*s\n#    ours: %s\n", SLICE_FMT(refused),
			              error.text);
		return;
	}
	if (regex == NULL || regex_compile(regex, &error) != STATUS_OK) {
		report(t, json, "refused", slice_from_cstr(error.text));
		return;
	}
	if (slice_eq(kind, SLICE("example")) &&
	    !slice_eq(regex_text(regex), json_string(json, "compiled")))
		report(t, json, "compiled text differs", regex_text(regex));
	for (const struct json *s = json_get(json, "subjects")->child; s != NULL; s = s->next)
		check_subject(t, json, regex, s);
}

static void
test_vectors(void **state)
{
	struct tally t = {.scratch = regex_scratch_create()};
	int rows = jsonl_each(VECTORS "/regex.jsonl", check_row, &t);

	(void)state;
	print_message("# %d rows, %u with subjects or errors, %u bad; %u of %u refusals in the "
	              "reference's words\n",
	              rows, t.rows, t.bad, t.same_words, t.errors);
	regex_scratch_destroy(&t.scratch);
	assert_int_equal(rows, 834);
	assert_int_equal(t.bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
