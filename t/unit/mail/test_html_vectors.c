/*
 * test_html_vectors.c - every row of t/vectors/html.jsonl.gz: rendered texts, lines, HTML facts
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/text.h"
#include "t/vectors/jsonl.h"

struct tally {
	int bad;
};

static void
report(struct tally *t, const struct json *row, const char *what)
{
	struct slice id = json_string(row, "id"), note = json_string(row, "note");

	t->bad++;
	print_message("# row %.*s (%.*s): %s\n", SLICE_FMT(id), SLICE_FMT(note), what);
}

static bool
lines_are(const struct text_lines *lines, const struct json *want)
{
	size_t i = 0;

	if (lines->count != json_count(want))
		return false;
	for (const struct json *l = want->child; l != NULL; l = l->next)
		if (!slice_eq(lines->items[i++], l->string))
			return false;
	return true;
}

static bool
strings_are(const html_strings *list, const struct json *want)
{
	size_t i = 0;

	if (want == NULL || want->type == JSON_NULL)
		return list->count == 0;
	if (list->count != json_count(want))
		return false;
	for (const struct json *s = want->child; s != NULL; s = s->next)
		if (!slice_eq(list->items[i++].text, s->string))
			return false;
	return true;
}

static bool
is_number(const struct html_result *html, const struct json *fact)
{
	double value = 0, diff;
	bool is_set = html_result_number(html, fact->key, &value);

	if (fact->type == JSON_NULL)
		return !is_set;
	diff = fabs(value - fact->number);
	return is_set && diff <= 1e-8 * (fabs(value) + 1);
}

static bool
inside_is(const struct html_result *html, const struct json *want)
{
	long count;

	if (json_count(want) != html->inside.count)
		return false;
	for (const struct json *tag = want->child; tag != NULL; tag = tag->next)
		if (!html_result_inside(html, tag->key, &count) || count != (long)tag->number)
			return false;
	return true;
}

static bool
uris_are(const struct html_result *html, const struct json *want)
{
	if (want->type == JSON_NULL)
		return html->uris.count == 0;
	if (json_count(want) != html->uris.count)
		return false;
	for (size_t i = 0; i < html->uris.count; i++) {
		const struct html_uri *uri = html->uris.items[i];
		const struct json *one = want->child;
		unsigned types = 0;

		while (one != NULL && !slice_eq(one->key, uri->raw.text))
			one = one->next;
		if (one == NULL || !strings_are(&uri->anchor_texts, json_get(one, "anchor_text")))
			return false;
		for (unsigned bit = 0; bit < HTML_URI_TYPES; bit++) {
			const struct json *list = json_get(one, "types");

			for (const struct json *t = list == NULL ? NULL : list->child; t != NULL;
			     t = t->next)
				if (slice_eq(t->string, slice_from_cstr(html_uri_type_name(
								(enum html_uri_type)bit))))
					types |= 1u << bit;
		}
		if (types != uri->types)
			return false;
	}
	return true;
}

static void
check_facts(struct tally *t, const struct json *row, const struct html_result *html,
            const struct json *want)
{
	char what[64];

	for (const struct json *fact = want->child; fact != NULL; fact = fact->next) {
		const html_strings *list = html_result_list(html, fact->key);
		bool ok;

		if (slice_eq(fact->key, SLICE("uri")))
			continue; /* the keys of uri_detail */
		if (slice_eq(fact->key, SLICE("inside")))
			ok = inside_is(html, fact);
		else if (slice_eq(fact->key, SLICE("uri_detail")))
			ok = uris_are(html, fact);
		else if (list != NULL)
			ok = strings_are(list, fact);
		else
			ok = is_number(html, fact);
		if (!ok) {
			(void)snprintf(what, sizeof(what), "fact %.*s", SLICE_FMT(fact->key));
			report(t, row, what);
		}
	}
}

static void
check_render(struct tally *t, struct message *m, const struct json *row)
{
	const struct json *want = json_get(row, "render")->child;

	for (struct part *p = message_leaf_next(m, NULL); p != NULL; p = message_leaf_next(m, p)) {
		const struct part_text *text = part_rendered(p);

		if (text->type.data == NULL)
			continue;
		if (want == NULL) {
			report(t, row, "a part too much");
			return;
		}
		if (!slice_eq(text->rendered.text, json_string(want, "rendered")))
			report(t, row, "rendered");
		if (!slice_eq(text->visible.text, json_string(want, "visible")))
			report(t, row, "visible");
		if (!slice_eq(text->invisible.text, json_string(want, "invisible")))
			report(t, row, "invisible");
		want = want->next;
	}
	if (want != NULL)
		report(t, row, "a part missing");
}

static void
check_row(struct arena *arena, const struct json *row, void *ctx)
{
	struct message_options options = MESSAGE_OPTIONS_DEFAULT;
	const struct json *cf = json_get(row, "cf"), *html = json_get(row, "html");
	struct message *m;

	if (cf != NULL && json_count(cf) > 0)
		options.normalize_charset = false; /* the only line there is */
	m = message_parse(arena, json_string(row, "message"), &options);
	check_render(ctx, m, row);
	if (!lines_are(text_body(m), json_get(row, "body")))
		report(ctx, row, "body lines");
	if (!lines_are(text_visible(m), json_get(row, "visible")))
		report(ctx, row, "visible lines");
	if (!lines_are(text_invisible(m), json_get(row, "invisible")))
		report(ctx, row, "invisible lines");
	html = json_get(html, "html");
	if ((html != NULL && html->type == JSON_OBJECT) != (text_html(m) != NULL))
		report(ctx, row, "HTML or not");
	else if (text_html(m) != NULL)
		check_facts(ctx, row, text_html(m), html);
}

static void
test_vectors(void **state)
{
	struct tally t = {.bad = 0};
	int rows = jsonl_each(VECTORS "/html.jsonl.gz", check_row, &t);

	(void)state;
	assert_true(rows > 0);
	print_message("# %d rows, %d bad members\n", rows, t.bad);
	assert_int_equal(t.bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
