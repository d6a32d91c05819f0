/*
 * mimeheader.c - Mail::SpamAssassin::Plugin::MIMEHeader: patterns over the header fields of MIME
 * parts
 *
 * mimeheader RULE Header[:raw] =~|!~ /re/ [if-unset: TEXT], with tflags range=x-y, concat,
 * multiple, maxhits=N.  A plain rule hits by itself and its eval decides 0, as in the reference,
 * where the !~ form always hits.
 */
#include "plugins/scan.h"
#include "util/strbuf.h"

enum { PARTS_MAX = 1000, HITS_MAX = 1000 };

/* What a test looks at: rules of the same key share the values of the message's parts. */
struct mimeheader_key {
	struct slice header; /* lower case */
	bool raw;
	struct slice if_unset;
};

struct mimeheader_settings {
	VEC(struct mimeheader_key) keys;
};

struct range {
	unsigned long long min, max;
};

struct mimeheader_test {
	struct mimeheader_key key;
	size_t key_number; /* + 1, into the settings; 0: the parts are to be walked */
	bool all, negated, has_range;
	struct range range; /* valid when has_range */
	const struct regex *regex;
};

struct mimeheader_values {
	bool done;
	slice_vec distinct; /* of all parts, in order of first appearance */
};

struct mimeheader_state {
	struct mimeheader_values *by_key;
};

/* Offset of the operator after "Header[:[raw]]", or SLICE_NPOS. */
static size_t
header_end(struct slice text)
{
	size_t i = 0;

	while (i < text.len && text.data[i] != ':' && !byte_is_space(text.data[i]) &&
	       !(i > 0 && (text.data[i] == '=' || text.data[i] == '!') && i + 1 < text.len &&
	         text.data[i + 1] == '~'))
		i++;
	if (i == 0)
		return SLICE_NPOS;
	if (i < text.len && text.data[i] == ':') {
		i++;
		if (slice_starts(slice_from(text, i), SLICE("raw")))
			i += 3;
	}
	return i;
}

/* Cuts " [if-unset: TEXT]" off the end. */
static struct slice
cut_if_unset(struct slice *pattern)
{
	struct slice mark = SLICE("[if-unset:"), text;
	size_t at = slice_find(*pattern, mark, 0);

	if (at == SLICE_NPOS || at == 0 || !byte_is_space(pattern->data[at - 1]) ||
	    pattern->data[pattern->len - 1] != ']')
		return SLICE("");
	text = slice_ltrim(slice_sub(*pattern, at + mark.len, pattern->len - at - mark.len - 1));
	*pattern = slice_rtrim(slice_sub(*pattern, 0, at));
	return text;
}

static bool
parse_test(struct conf_reader *reader, struct slice text, struct mimeheader_test *test)
{
	size_t end = header_end(text);
	struct slice rest, header;
	struct error error;

	if (end == SLICE_NPOS)
		return false;
	header = slice_sub(text, 0, end);
	rest = slice_ltrim(slice_from(text, end));
	test->negated = slice_starts(rest, SLICE("!~"));
	if (!test->negated && !slice_starts(rest, SLICE("=~")))
		return false;
	rest = slice_ltrim(slice_from(rest, 2));
	if (rest.len == 0)
		return false;
	if (slice_ends(header, SLICE(":raw"))) {
		test->key.raw = true;
		header.len -= 4;
	} else if (slice_ends(header, SLICE(":"))) {
		header.len--;
	}
	test->all = slice_eq(header, SLICE("ALL"));
	test->key.header = arena_dup_lower(reader->arena, header);
	test->key.if_unset = cut_if_unset(&rest);
	test->regex = regex_create_rule_known(reader->regexes, reader->arena, rest, 0, &error);
	if (test->regex == NULL)
		log_info(reader->log, "mimeheader", "invalid regexp '%.*s': %s", SLICE_FMT(rest),
		         error.text);
	return test->regex != NULL;
}

static enum conf_result
parse_mimeheader(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct slice text, name = conf_split(value, &text);
	struct mimeheader_test *test = arena_new(reader->arena, struct mimeheader_test);
	struct rule *rule;

	(void)settings, (void)d;
	if (!rule_name_is_valid(name))
		return CONF_INVALID;
	if (text.len == 0)
		return CONF_INVALID;
	if (test == NULL)
		return CONF_FAILED;
	if (!parse_test(reader, text, test))
		return CONF_INVALID;
	rule = ruleset_define(reader, name, RULE_BODY_EVAL, SLICE("_mimeheader_eval()"));
	if (rule == NULL)
		return CONF_OK;
	(void)rule_eval_parse(reader->arena, rule->text, &rule->eval);
	rule->eval.data = test;
	if (regex_sets_tags(test->regex))
		rule->priority = -10000;
	return CONF_OK;
}

/* ---- scanning ---- */

/* range=x, range=x-, range=-y, range=x-y */
static struct range
parse_range(struct slice tflags)
{
	struct range range = {0, PARTS_MAX};
	struct slice word, low, high;
	unsigned long long n;

	while (slice_next_word(&tflags, &word)) {
		size_t dash;

		if (!slice_starts(word, SLICE("range=")))
			continue;
		word = slice_from(word, 6);
		dash = slice_find_byte(word, '-', 0);
		low = slice_sub(word, 0, dash);
		high = dash == SLICE_NPOS ? low : slice_from(word, dash + 1);
		if (slice_to_u64(low, 1000000, &n))
			range.min = n;
		if (slice_to_u64(high, 1000000, &n))
			range.max = n;
		break;
	}
	return range;
}

/* A line end and the white space after it become one blank. */
static void
add_unfolded(struct strbuf *out, struct slice raw)
{
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] != '\n' || i + 1 == raw.len || !byte_is_space(raw.data[i + 1])) {
			strbuf_add_byte(out, raw.data[i]);
			continue;
		}
		while (i + 1 < raw.len && byte_is_space(raw.data[i + 1]))
			i++;
		strbuf_add_byte(out, ' ');
	}
}

static struct slice
all_headers(struct scan *scan, struct part *part, bool raw)
{
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	for (size_t i = 0; i < part->headers.fields.count && out.len < MESSAGE_MAX_HEADER_ALL;
	     i++) {
		const struct header_field *field = &part->headers.fields.items[i];

		strbuf_add(&out, field->name);
		strbuf_add(&out, SLICE(": "));
		if (raw) {
			add_unfolded(&out, field->raw);
		} else {
			strbuf_add(&out, header_field_decoded(&part->headers, i));
			strbuf_add_byte(&out, '\n');
		}
	}
	return strbuf_slice(&out);
}

static struct slice
part_value(struct scan *scan, struct part *part, const struct mimeheader_key *key)
{
	const struct header_name *name = header_list_find(&part->headers, key->header);

	if (name == NULL)
		return key->raw ? SLICE("") : key->if_unset;
	if (key->raw)
		return part->headers.fields.items[name->last].raw;
	return arena_concat(scan->arena, header_field_decoded(&part->headers, name->last),
	                    SLICE("\n"));
}

static void
capture(void *data, struct slice name, struct slice value)
{
	struct scan *scan = data;

	if (name.len > 0 && byte_is_upper(name.data[0]))
		scan_add_tag_value(scan, name, arena_dup(scan->arena, value));
}

static bool
check_value(struct scan *scan, const struct rule *rule, const struct mimeheader_test *test,
            struct slice value)
{
	unsigned max = rule->maxhits > 0               ? rule->maxhits
	               : rule->tflags & TFLAG_MULTIPLE ? HITS_MAX
	                                               : 1;
	struct match_hit hit;
	unsigned count;

	count = match_items(test->regex, scan->match, &value, 1, MATCH_MULTIPLE, max, capture, scan,
	                    &hit);
	for (unsigned i = 0; i < count; i++)
		scan_hit(scan, rule, "", 1);
	return count > 0;
}

/* Part by part: range and concat count parts. */
static bool
check_parts(struct scan *scan, const struct rule *rule, const struct mimeheader_test *test)
{
	struct range range = test->has_range ? test->range : parse_range(rule->tflags_text);
	bool concat = rule->tflags & TFLAG_CONCAT;
	struct strbuf joined;
	unsigned long long index = 0;

	strbuf_init(&joined, scan->arena, 0);
	for (struct part *part = message_part_next(scan->message, NULL); part != NULL;
	     part = message_part_next(scan->message, part)) {
		struct slice value;

		if (++index > range.max)
			break;
		if (index < range.min)
			continue;
		value = test->all ? all_headers(scan, part, test->key.raw)
		                  : part_value(scan, part, &test->key);
		if (!concat) {
			if (check_value(scan, rule, test, value))
				return true;
			continue;
		}
		strbuf_add(&joined, value);
		if (!slice_ends(value, SLICE("\n")))
			strbuf_add_byte(&joined, '\n');
	}
	return concat &&
	       check_value(scan, rule, test, joined.len == 0 ? SLICE("") : strbuf_slice(&joined));
}

/* Values of the first PARTS_MAX parts, each once: of many parts most have the same. */
static const slice_vec *
distinct_values(struct scan *scan, const struct mimeheader_settings *settings, size_t number)
{
	struct mimeheader_state *state = scan_state(scan, &plugin_mimeheader);
	struct mimeheader_values *values;
	struct hashmap seen;
	size_t index = 0;

	if (state != NULL && state->by_key == NULL)
		state->by_key = arena_new_array(scan->arena, struct mimeheader_values,
		                                settings->keys.count);
	if (state == NULL || state->by_key == NULL)
		return NULL;
	values = &state->by_key[number];
	if (values->done)
		return &values->distinct;
	values->done = true;
	hashmap_init(&seen, scan->arena);
	for (struct part *part = message_part_next(scan->message, NULL);
	     part != NULL && index < PARTS_MAX;
	     part = message_part_next(scan->message, part), index++) {
		struct slice value = part_value(scan, part, &settings->keys.items[number]);
		bool added;

		if (hashmap_put(&seen, value, &added) != NULL && added)
			(void)vec_push(scan->arena, &values->distinct, value);
	}
	return &values->distinct;
}

static int
eval_mimeheader(struct scan *scan, const struct eval_call *call)
{
	const struct mimeheader_test *test = call->data;
	const slice_vec *values;

	if (test->negated)
		return 1;
	if (test->key_number == 0) {
		(void)check_parts(scan, call->rule, test);
		return 0;
	}
	values = distinct_values(scan, call->settings, test->key_number - 1);
	for (size_t i = 0; values != NULL && i < values->count; i++)
		if (check_value(scan, call->rule, test, values->items[i]))
			break;
	return 0;
}

/* ---- at load ---- */

static size_t
key_number(struct conf_reader *reader, struct mimeheader_settings *settings,
           const struct mimeheader_key *key)
{
	for (size_t i = 0; i < settings->keys.count; i++) {
		const struct mimeheader_key *known = &settings->keys.items[i];

		if (slice_eq(known->header, key->header) && known->raw == key->raw &&
		    slice_eq(known->if_unset, key->if_unset))
			return i + 1;
	}
	return vec_push(reader->arena, &settings->keys, *key) == NULL ? 0 : settings->keys.count;
}

static void
finish_end(struct conf_reader *reader, void *data)
{
	const struct ruleset *rules = conf_rules(reader->conf);

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = rules->rules[i];
		struct mimeheader_test *test = rule->eval.data;

		if (rule->eval.eval == NULL || rule->eval.eval->run != eval_mimeheader)
			continue;
		test->range = parse_range(rule->tflags_text);
		test->has_range = true;
		if (!test->all && !(rule->tflags & TFLAG_CONCAT) && test->range.min <= 1 &&
		    test->range.max >= PARTS_MAX)
			test->key_number = key_number(reader, data, &test->key);
	}
}

static const struct directive directives[] = {
	{"mimeheader", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_mimeheader},
};

static const struct plugin_eval evals[] = {
	{"_mimeheader_eval", EVAL_BODY, eval_mimeheader, NULL},
	{NULL, 0, NULL, NULL},
};

static const char *const features[] = {"has_all_header",    "has_capture_rules",
                                       "has_tflags_concat", "has_tflags_multiple",
                                       "has_tflags_range",  NULL};

const struct plugin plugin_mimeheader = {
	.id = PLUGIN_ID_mimeheader,
	.class_name = "Mail::SpamAssassin::Plugin::MIMEHeader",
	.module = {.name = "mimeheader",
                   .settings_size = sizeof(struct mimeheader_settings),
                   .directives = directives,
                   .directive_count = 1},
	.evals = evals,
	.features = features,
	.state_size = sizeof(struct mimeheader_state),
	.finish_end = finish_end,
};
