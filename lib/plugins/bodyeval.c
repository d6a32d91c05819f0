/*
 * bodyeval.c - Mail::SpamAssassin::Plugin::BodyEval: statistics of the text
 */
#include "plugins/args.h"
#include "util/utf8.h"

enum { P_STOCK_FIELD, P_STOCK_NAME, P_COUNT };

static const char *const patterns[P_COUNT] = {
	[P_STOCK_FIELD] = "(?m)^\\s*([^:\\s][^:\\n]{2,29})\\s*:\\s*\\S",
	[P_STOCK_NAME] = "(^trad(?:e|ing)date|company(?:name)?|"
			 "s\\w?(?:t\\w?o\\w?c\\w?k|y\\w?m(?:\\w?b\\w?o\\w?l)?)|t(?:arget|icker)|"
			 "(?:opening|current)p(?:rice)?|p(?:rojected|osition)|expectations|"
			 "weeks?high|marketperformance|"
			 "(?:year|week|month|day|price)(?:target|estimates?)|sector|"
			 "r(?:ecommendation|ating))$",
};

struct body_state {
	bool difference_done, blank_done, vertical_done, stock_done, signature_done;
	double difference, html_words, text_words;
	size_t lines, blank_lines;
	double vertical;
	size_t stock_names;
	bool has_plain;
	size_t body_length, signature_length;
};

static struct body_state *
state_of(struct scan *scan)
{
	return scan_state(scan, &plugin_bodyeval);
}

/* ---- words of multipart/alternative ---- */

static bool
is_typed(const struct part *part, const char *prefix)
{
	struct slice type = part->type, want = slice_from_cstr(prefix);

	return slice_starts(type, want) &&
	       (type.len == want.len || !byte_is_word(type.data[want.len]));
}

static bool
is_inside(const struct part *part, const struct part *outer)
{
	for (; part != NULL; part = part->parent)
		if (part == outer)
			return true;
	return false;
}

/* Bytes stand for the characters of Latin-1 where they are compared with characters. */
static struct slice
latin1_to_utf8(struct arena *arena, struct slice word)
{
	unsigned char *out;
	size_t n = 0, i = 0;

	while (i < word.len && word.data[i] < 0x80)
		i++;
	if (i == word.len || (out = arena_bytes(arena, word.len * 2)) == NULL)
		return word;
	for (i = 0; i < word.len; i++)
		n += utf8_encode(word.data[i], out + n);
	return slice_of(out, n);
}

static void
count_word(struct hashmap *words, struct slice word, bool wide)
{
	struct hashmap_entry *entry =
		hashmap_put(words, wide ? word : latin1_to_utf8(words->arena, word), NULL);

	if (entry != NULL)
		entry->value = (void *)((uintptr_t)entry->value + 1);
}

/* Counts each distinct piece between white space that has a word character. */
static void
count_words(struct hashmap *words, const struct html_string *text)
{
	struct slice s = text->text;
	size_t start = 0, at = 0;
	bool has_word = false;

	while (at <= s.len) {
		unsigned long code = ' ';
		size_t len = 1;

		if (at < s.len) {
			code = s.data[at];
			if (text->wide)
				len = utf8_decode(s, at, &code);
		}
		if (text->wide ? utf8_is_space(code)
		               : code < 0x80 && byte_is_space((unsigned char)code)) {
			if (has_word)
				count_word(words, slice_sub(s, start, at - start), text->wide);
			start = at + len;
			has_word = false;
		} else if (text->wide ? utf8_is_word(code)
		                      : code < 0x80 && byte_is_word((unsigned char)code)) {
			has_word = true;
		}
		at += len;
	}
}

static void
compare_alternative(struct scan *scan, struct body_state *state, struct part *outer)
{
	struct hashmap html, text;
	size_t left = 0;
	double difference;

	hashmap_init(&html, scan->arena);
	hashmap_init(&text, scan->arena);
	for (struct part *part = outer; part != NULL && is_inside(part, outer);
	     part = message_part_next(scan->message, part)) {
		const struct part_text *rendered;
		long inside;

		if (!is_typed(part, "text"))
			continue;
		rendered = part_rendered(part);
		if (rendered->type.data == NULL)
			continue;
		if (!slice_eq(rendered->type, SLICE("text/html"))) {
			count_words(&text, &rendered->rendered);
			continue;
		}
		count_words(&html, &rendered->rendered);
		if (html.count == 0 && rendered->html != NULL &&
		    html_result_inside(rendered->html, SLICE("img"), &inside))
			(void)!hashmap_set(&html, SLICE("\n"), (void *)(uintptr_t)1);
	}
	if (html.count == 0)
		return;
	state->html_words = (double)html.count;
	state->text_words = (double)text.count;
	for (size_t i = 0; i < html.count; i++) {
		uintptr_t in_text = (uintptr_t)hashmap_get(&text, html.entries[i].key);

		left += in_text == 0 || (uintptr_t)html.entries[i].value > in_text;
	}
	difference = (double)left / (double)html.count * 100;
	if (difference > state->difference)
		state->difference = difference;
}

static const struct body_state *
difference(struct scan *scan)
{
	struct body_state *state = state_of(scan);
	slice_vec content;

	if (state == NULL || state->difference_done)
		return state;
	state->difference_done = true;
	if (message_content_summary(scan->message, &content) && content.count == 3 &&
	    slice_eq(content.items[0], SLICE("multipart/alternative")) &&
	    slice_eq(content.items[1], SLICE("text/html")) &&
	    slice_eq(content.items[2], SLICE("text/calendar")))
		return state;
	for (struct part *part = message_part_next(scan->message, NULL); part != NULL;
	     part = message_part_next(scan->message, part))
		if (is_typed(part, "multipart/alternative"))
			compare_alternative(scan, state, part);
	return state;
}

static int
multipart_alternative_difference(struct scan *scan, const struct eval_call *call)
{
	const struct body_state *state = difference(scan);
	double min = eval_number(call, 0);

	return state != NULL && (min == 0 || state->difference > min) &&
	       (slice_eq(eval_arg(call, 1), SLICE("undef")) ||
	        state->difference <= eval_number(call, 1));
}

static int
multipart_alternative_difference_count(struct scan *scan, const struct eval_call *call)
{
	const struct body_state *state = difference(scan);

	if (state == NULL || !(state->html_words > eval_number(call, 1)) || state->html_words == 0)
		return 0;
	return state->text_words / state->html_words > eval_number(call, 0);
}

/* ---- lines ---- */

static void
count_lines(struct body_state *state, struct slice chunk)
{
	while (chunk.len > 0) {
		size_t end = slice_find_byte(chunk, '\n', 0);
		struct slice line = slice_sub(chunk, 0, end == SLICE_NPOS ? chunk.len : end + 1);

		state->lines++;
		state->blank_lines += slice_trim(line).len == 0;
		chunk = slice_from(chunk, line.len);
	}
}

static int
check_blank_line_ratio(struct scan *scan, const struct eval_call *call)
{
	struct body_state *state = state_of(scan);
	double min = eval_number(call, 0), max = eval_number(call, 1), min_lines, ratio;

	if (state == NULL)
		return 0;
	if (!state->blank_done) {
		const struct text_lines *chunks = scan_rawbody(scan);

		state->blank_done = true;
		for (size_t i = 0; i < chunks->count; i++)
			count_lines(state, chunks->items[i]);
	}
	min_lines = eval_has_arg(call, 2) && eval_number(call, 2) >= 1 ? eval_number(call, 2) : 1;
	ratio = (double)state->lines < min_lines
	                ? -1
	                : 100 * (double)state->blank_lines / (double)state->lines;
	return (min == 0 || ratio > min) && ratio <= max;
}

static double
vertical_of(struct slice line)
{
	size_t blanks = 0, others;

	for (size_t i = 0; i < line.len; i++)
		blanks += line.data[i] == ' ';
	others = line.len - blanks;
	return blanks > others || others == 0 ? 100 : (double)(100 * blanks / others);
}

/* The first rule that asks decides which lines are looked at: body or rawbody. */
static int
tvd_vertical_words(struct scan *scan, const struct eval_call *call)
{
	struct body_state *state = state_of(scan);
	double max = eval_number(call, 1);

	if (state == NULL)
		return 0;
	if (!state->vertical_done) {
		state->vertical_done = true;
		state->vertical = -1;
		for (size_t i = 0; i < call->line_count; i++) {
			double value = call->lines[i].len > 5 ? vertical_of(call->lines[i]) : -1;

			if (value > state->vertical)
				state->vertical = value;
		}
	}
	return state->vertical >= eval_number(call, 0) &&
	       state->vertical < (max >= 100 ? 101 : max);
}

/* ---- stock ---- */

static struct part *
first_part(struct scan *scan, struct slice prefix, bool whole)
{
	for (struct part *part = message_part_next(scan->message, NULL); part != NULL;
	     part = message_part_next(scan->message, part))
		if (slice_starts(part->type, prefix) && (!whole || part->type.len == prefix.len))
			return part;
	return NULL;
}

/* Letters of a field name, lower case; "" when longer than any name that counts may be. */
static struct slice
letters(struct slice field, unsigned char buffer[64])
{
	size_t n = 0;

	for (size_t i = 0; i < field.len && n < 64; i++)
		if (byte_is_alpha(field.data[i]))
			buffer[n++] = byte_lower(field.data[i]);
	return slice_of(buffer, n);
}

static void
find_stock(struct scan *scan, struct body_state *state, struct slice text)
{
	const struct regex *name = scan_pattern_regex(scan, &plugin_bodyeval, P_STOCK_NAME);
	struct regex_iter fields;
	struct hashmap seen;

	if (name == NULL)
		return;
	hashmap_init(&seen, scan->arena);
	regex_iter_init(&fields, scan_pattern_regex(scan, &plugin_bodyeval, P_STOCK_FIELD),
	                scan_regex_scratch(scan), text);
	while (regex_iter_next(&fields) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 1);
		unsigned char buffer[64];
		struct slice value;

		value = letters(slice_sub(text, span.start, span.end - span.start), buffer);
		if (!scan_pattern_group(scan, &plugin_bodyeval, P_STOCK_NAME, value, 1, &value))
			continue;
		if (hashmap_find(&seen, value) == NULL)
			(void)!hashmap_set(&seen, arena_dup(scan->arena, value), NULL);
	}
	state->stock_names = seen.count;
}

static int
check_stock_info(struct scan *scan, const struct eval_call *call)
{
	struct body_state *state = state_of(scan);

	if (state == NULL)
		return 0;
	if (!state->stock_done) {
		struct part *part = first_part(scan, SLICE("text/plain"), true);
		const struct part_text *text = part == NULL ? NULL : part_rendered(part);

		state->stock_done = true;
		if (text != NULL && text->type.data != NULL)
			find_stock(scan, state, text->rendered.text);
	}
	return eval_number(call, 0) == 0 || (double)state->stock_names >= eval_number(call, 0);
}

/* ---- lengths ---- */

static int
check_body_length(struct scan *scan, const struct eval_call *call)
{
	return (double)scan->message->pristine_body.len <= eval_number(call, 0);
}

/* "--" with an optional blank and CR, alone on its line: end of the mark, or 0. */
static size_t
mark_end(struct slice text, size_t at)
{
	if (at + 2 > text.len || text.data[at] != '-' || text.data[at + 1] != '-')
		return 0;
	at += 2;
	if (at < text.len && text.data[at] == ' ')
		at++;
	if (at < text.len && text.data[at] == '\r')
		at++;
	return at == text.len || text.data[at] == '\n' ? at : 0;
}

static const struct body_state *
signature(struct scan *scan)
{
	struct body_state *state = state_of(scan);
	struct slice text;
	struct part *part;

	if (state == NULL || state->signature_done)
		return state;
	state->signature_done = true;
	part = first_part(scan, SLICE("text/plain"), false);
	if (part == NULL)
		return state;
	text = part_decoded(part);
	state->has_plain = true;
	state->body_length = text.len;
	for (size_t at = 0; at < text.len;) {
		size_t end = mark_end(text, at), next;

		if (end != 0 && text.len - end > 4) {
			state->body_length = at;
			state->signature_length = text.len - end;
		}
		next = slice_find_byte(text, '\n', at);
		at = next == SLICE_NPOS ? text.len : next + 1;
	}
	return state;
}

static int
in_range(const struct eval_call *call, double value, bool standard_max)
{
	if (value < eval_number(call, 0))
		return 0;
	if (eval_has_arg(call, 1))
		return value <= eval_number(call, 1);
	return !standard_max || value <= 1000000;
}

static int
plaintext_body_length(struct scan *scan, const struct eval_call *call)
{
	const struct body_state *state = signature(scan);

	return state != NULL && state->has_plain &&
	       in_range(call, (double)state->body_length, false);
}

static int
plaintext_sig_length(struct scan *scan, const struct eval_call *call)
{
	const struct body_state *state = signature(scan);

	return state != NULL && state->has_plain &&
	       in_range(call, (double)state->signature_length, false);
}

static int
plaintext_body_sig_ratio(struct scan *scan, const struct eval_call *call)
{
	const struct body_state *state = signature(scan);

	if (state == NULL || !state->has_plain)
		return 0;
	return in_range(call,
	                state->signature_length == 0
	                        ? 1000000
	                        : (double)state->body_length / (double)state->signature_length,
	                true);
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_blank_line_ratio", EVAL_BODY, check_blank_line_ratio, NULL },
	{ "check_body_length", EVAL_BODY, check_body_length, NULL },
	{ "check_stock_info", EVAL_BODY, check_stock_info, NULL },
	{ "multipart_alternative_difference", EVAL_BODY, multipart_alternative_difference, NULL },
	{ "multipart_alternative_difference_count", EVAL_BODY, multipart_alternative_difference_count, NULL },
	{ "plaintext_body_length", EVAL_BODY, plaintext_body_length, NULL },
	{ "plaintext_body_sig_ratio", EVAL_BODY, plaintext_body_sig_ratio, NULL },
	{ "plaintext_sig_length", EVAL_BODY, plaintext_sig_length, NULL },
	{ "tvd_vertical_words", EVAL_BODY, tvd_vertical_words, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {"has_check_body_length", "has_plaintext_body_sig_ratio",
                                       NULL};

const struct plugin plugin_bodyeval = {
	.id = PLUGIN_ID_bodyeval,
	.class_name = "Mail::SpamAssassin::Plugin::BodyEval",
	.module = {.name = "bodyeval"},
	.evals = evals,
	.features = features,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct body_state),
};
