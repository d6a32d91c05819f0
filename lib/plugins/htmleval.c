/*
 * htmleval.c - Mail::SpamAssassin::Plugin::HTMLEval: facts of HTML parts
 */
#include <stdlib.h>

#include "plugins/args.h"

/* "VALUE expr" such as "!= 0", "> 3"; false for anything the reference refuses. */
static bool
compare(double value, struct slice expression)
{
	static const char *const operators[] = {"<=", ">=", "==", "!=", "<", ">"};
	double other;

	expression = slice_trim(expression);
	if (slice_span(expression, "<>=!-+ 0123456789", 0) != SLICE_NPOS)
		return false;
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		struct slice op = slice_from_cstr(operators[i]);

		if (!slice_starts(expression, op))
			continue;
		other = perl_number(slice_trim(slice_from(expression, op.len)));
		switch (i) {
		case 0:
			return value <= other;
		case 1:
			return value >= other;
		case 2:
			return value == other;
		case 3:
			return value != other;
		case 4:
			return value < other;
		default:
			return value > other;
		}
	}
	/* "+ 1", "- 1" and plain juxtaposition: only sums are Perl. */
	if (expression.len > 1 && (expression.data[0] == '+' || expression.data[0] == '-'))
		return value + perl_number(expression) != 0;
	return false;
}

static int
tag_balance(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	struct slice tag = eval_arg(call, 0);

	for (size_t i = 0; i < tag.len; i++)
		if (!byte_is_alnum(tag.data[i]))
			return 0;
	for (size_t i = 0; i < count; i++) {
		long inside;

		if (tag.len > 0 && html_result_inside(html[i], tag, &inside) &&
		    compare((double)inside, eval_arg(call, 1)))
			return 1;
	}
	return 0;
}

static int
image_only(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	double min, max;

	if (count == 0)
		return 0;
	min = eval_number(call, 0);
	max = eval_number(call, 1);
	for (size_t i = 0; i < count; i++) {
		long inside;
		double length;

		if (html_result_inside(html[i], SLICE("img"), &inside) &&
		    html_result_number(html[i], SLICE("length"), &length) && length > min &&
		    length <= max)
			return 1;
	}
	return 0;
}

static int
image_ratio(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	double min, max;

	if (count == 0)
		return 0;
	min = eval_number(call, 0);
	max = eval_number(call, 1);
	for (size_t i = 0; i < count; i++) {
		double ratio;

		if (!(html[i]->image_area > 0))
			continue;
		ratio = html[i]->non_space_len / html[i]->image_area;
		if (ratio > min && ratio <= max)
			return 1;
	}
	return 0;
}

/* 4.0.1 never stores the character sets it would look at, so its answer is always no. */
static int
charset_faraway(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return 0;
}

static int
tag_exists(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	long inside;

	for (size_t i = 0; i < count; i++)
		if (html_result_inside(html[i], eval_arg(call, 0), &inside))
			return 1;
	return 0;
}

static bool
list_is_set(const struct html_result *html, struct slice name)
{
	const html_strings *list = html_result_list(html, name);

	return list != NULL && list->count > 0;
}

static int
test(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	double value;

	for (size_t i = 0; i < count; i++)
		if ((html_result_number(html[i], eval_arg(call, 0), &value) && value != 0) ||
		    list_is_set(html[i], eval_arg(call, 0)))
			return 1;
	return 0;
}

static int
eval(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	double value;

	for (size_t i = 0; i < count; i++)
		if (html_result_number(html[i], eval_arg(call, 0), &value) &&
		    compare(value, eval_arg(call, 1)))
			return 1;
	return 0;
}

/* The second argument is a bare pattern. */
static enum status
prepare_text(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	if (rule->args.count < 2)
		return error_set(error, STATUS_BAD, "%.*s wants a list name and a pattern",
		                 SLICE_FMT(rule->function));
	rule->data = regex_create(reader->arena, rule->args.items[1], REGEX_CHARACTERS, error);
	return rule->data == NULL ? STATUS_BAD : STATUS_OK;
}

static bool
string_matches(struct scan *scan, const struct regex *regex, const struct html_string *string)
{
	struct regex_scratch *scratch = scan_regex_scratch(scan);

	return string->wide ? regex_is_match_characters(regex, scratch, string->text)
	                    : regex_is_match(regex, scratch, string->text);
}

static int
match_texts(struct scan *scan, const struct eval_call *call, bool wanted)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);

	for (size_t i = 0; i < count; i++) {
		const html_strings *list = html_result_list(html[i], eval_arg(call, 0));

		for (size_t k = 0; list != NULL && k < list->count; k++)
			if (string_matches(scan, call->data, &list->items[k]) == wanted)
				return 1;
	}
	return 0;
}

static int
text_match(struct scan *scan, const struct eval_call *call)
{
	return match_texts(scan, call, true);
}

static int
text_not_match(struct scan *scan, const struct eval_call *call)
{
	return match_texts(scan, call, false);
}

static int
title_subject_ratio(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	struct slice subject = scan_header(scan, SLICE("Subject"));
	double limit = eval_number(call, 0);

	if (subject.len == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < html[i]->titles.count; k++) {
			const struct html_string *title = &html[i]->titles.items[k];

			/* "0" is false in Perl and skipped there */
			if (title->text.len > 0 && !slice_eq(title->text, SLICE("0")) &&
			    (double)scan_string_length(title) / (double)subject.len > limit)
				return 1;
		}
	return 0;
}

static int
range(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	double min, max, value;
	bool no_max = call->arg_count < 3 || slice_eq(eval_arg(call, 2), SLICE("inf"));

	if (count == 0)
		return 0;
	min = eval_number(call, 1);
	max = eval_number(call, 2);
	for (size_t i = 0; i < count; i++)
		if (html_result_number(html[i], eval_arg(call, 0), &value) && value > min &&
		    (no_max || value <= max))
			return 1;
	return 0;
}

static int
iframe_src(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);

	(void)call;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < html[i]->uris.count; k++)
			if (html[i]->uris.items[k]->types & 1U << HTML_URI_IFRAME)
				return 1;
	return 0;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_iframe_src", EVAL_BODY, iframe_src, NULL },
	{ "html_charset_faraway", EVAL_BODY, charset_faraway, NULL },
	{ "html_eval", EVAL_BODY, eval, NULL },
	{ "html_image_only", EVAL_BODY, image_only, NULL },
	{ "html_image_ratio", EVAL_BODY, image_ratio, NULL },
	{ "html_range", EVAL_BODY, range, NULL },
	{ "html_tag_balance", EVAL_BODY, tag_balance, NULL },
	{ "html_tag_exists", EVAL_BODY, tag_exists, NULL },
	{ "html_test", EVAL_BODY, test, NULL },
	{ "html_text_match", EVAL_BODY, text_match, prepare_text },
	{ "html_text_not_match", EVAL_BODY, text_not_match, prepare_text },
	{ "html_title_subject_ratio", EVAL_BODY, title_subject_ratio, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_htmleval = {
	.id = PLUGIN_ID_htmleval,
	.class_name = "Mail::SpamAssassin::Plugin::HTMLEval",
	.module = {.name = "htmleval"},
	.evals = evals,
};
