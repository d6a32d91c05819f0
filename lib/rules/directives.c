/*
 * directives.c - the configuration lines that make rules
 *
 * header, body, rawbody, full, uri, meta, score, describe, tflags, priority, subjprefix, reuse,
 * test.
 */
#include <stdlib.h>

#include "rules/rule.h"

/* ---- tests ---- */

static unsigned
regex_flags(const struct conf_reader *reader)
{
	return REGEX_TEMPLATES | (reader->lint ? REGEX_REFUSE_ALWAYS : 0);
}

/* What a pattern does to its rule: named captures run before everything else. */
static void
attach_regex(struct rule *rule, const struct regex *regex)
{
	rule->regex = regex;
	if (regex_sets_tags(regex))
		rule->priority = -10000;
}

static const struct regex *
compile(struct conf_reader *reader, struct slice name, struct slice pattern)
{
	struct error error;
	const struct regex *regex = regex_create_rule_known(reader->regexes, reader->arena, pattern,
	                                                    regex_flags(reader), &error);

	if (regex == NULL)
		conf_problem(reader, true,
		             "config: invalid regexp for %.*s '%.*s': %s in %.*s (line %u)",
		             SLICE_FMT(name), SLICE_FMT(log_quote(reader->arena, pattern, 500)),
		             error.text, SLICE_FMT(reader->file), reader->line_number);
	return regex;
}

/* Splits "RULE TEXT"; false: one is missing. */
static bool
split_rule(struct slice value, struct slice *name_r, struct slice *text_r)
{
	*name_r = conf_split(value, text_r);
	return name_r->len > 0 && text_r->len > 0;
}

/* "eval:function(args)" or "rbleval:...": the call, or data NULL. */
static struct slice
eval_text(struct slice text)
{
	if (slice_starts(text, SLICE("rbleval:")))
		return slice_trim(slice_from(text, 8));
	if (slice_starts(text, SLICE("eval:")))
		return slice_trim(slice_from(text, 5));
	return SLICE_NULL;
}

static bool
looks_like_call(struct slice call)
{
	size_t open = slice_find_byte(call, '(', 0);

	if (open == SLICE_NPOS || open == 0 || call.data[call.len - 1] != ')')
		return false;
	for (size_t i = 0; i < open; i++)
		if (!byte_is_word(call.data[i]))
			return false;
	return true;
}

static enum conf_result
define_eval(struct conf_reader *reader, struct slice name, enum rule_kind kind, struct slice call)
{
	struct rule *rule;

	if (!looks_like_call(call))
		return CONF_INVALID;
	if (kind == RULE_HEADER_EVAL &&
	    (slice_starts(call, SLICE("check_rbl")) || slice_starts(call, SLICE("check_dns"))))
		kind = RULE_RBL_EVAL;
	rule = ruleset_define(reader, name, kind, call);
	if (rule == NULL)
		return CONF_OK;
	if (!rule_eval_parse(reader->arena, call, &rule->eval)) {
		conf_problem(reader, true,
		             "syntax error for eval function %.*s: %.*s in %.*s (line %u)",
		             SLICE_FMT(name), SLICE_FMT(call), SLICE_FMT(reader->file),
		             reader->line_number);
		rule->kind = RULE_NONE;
	}
	return CONF_OK;
}

static enum conf_result
define_pattern(struct conf_reader *reader, struct slice name, enum rule_kind kind,
               struct slice text)
{
	const struct regex *regex = compile(reader, name, text);
	struct rule *rule;

	if (regex == NULL)
		return CONF_OK;
	rule = ruleset_define(reader, name, kind, text);
	if (rule != NULL)
		attach_regex(rule, regex);
	return CONF_OK;
}

static const struct {
	const char *name;
	enum rule_kind regex, eval;
} text_kinds[] = {
	{"body", RULE_BODY, RULE_BODY_EVAL},
	{"rawbody", RULE_RAWBODY, RULE_RAWBODY_EVAL},
	{"full", RULE_FULL, RULE_FULL_EVAL},
	{"uri", RULE_URI, RULE_NONE},
};

static enum conf_result
parse_text_rule(struct conf_reader *reader, void *settings, const struct directive *d,
                struct slice value)
{
	struct slice name, text, call;
	size_t k = d->offset;

	(void)settings;
	if (!split_rule(value, &name, &text))
		return CONF_INVALID;
	call = eval_text(text);
	if (call.data != NULL && text_kinds[k].eval != RULE_NONE)
		return define_eval(reader, name, text_kinds[k].eval, call);
	return define_pattern(reader, name, text_kinds[k].regex, text);
}

static bool
is_header_name_byte(unsigned char c)
{
	return byte_is_word(c) || c == '.' || c == '-';
}

static bool
is_known_modifier(struct slice word)
{
	static const char *const words[] = {"raw", "addr",  "name",  "host", "domain",
	                                    "ip",  "revip", "first", "last"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_ieq(word, slice_from_cstr(words[i])))
			return true;
	return false;
}

/*
 * "Header[:mod[:mod]]" at the start of text; its length, 0 when there is none.  A single final
 * colon is allowed and not counted in *name_len_r.
 */
static size_t
header_len(struct slice text, size_t *name_len_r)
{
	size_t i = 0, modifiers = 0;

	while (i < text.len && is_header_name_byte(text.data[i]))
		i++;
	if (i == 0)
		return 0;
	*name_len_r = i;
	while (modifiers < 2 && i < text.len && text.data[i] == ':') {
		size_t word = i + 1;

		while (word < text.len && byte_is_lower(text.data[word]))
			word++;
		if (word == i + 1)
			return modifiers == 0 ? i + 1 : i;
		i = word;
		modifiers++;
		*name_len_r = i;
	}
	return i;
}

static enum conf_result
define_exists(struct conf_reader *reader, struct slice name, struct slice text)
{
	struct slice header = slice_from(text, sizeof("exists:") - 1);
	struct rule *rule;
	size_t n = 0;

	if (header.len > 1 && header.data[header.len - 1] == ':')
		header.len--;
	while (n < header.len && is_header_name_byte(header.data[n]))
		n++;
	if (header.len == 0 || n < header.len) {
		conf_problem(reader, true, "config: invalid head test %.*s header: %.*s",
		             SLICE_FMT(name), SLICE_FMT(header));
		return CONF_OK;
	}
	rule = ruleset_define(reader, name, RULE_HEADER, text);
	if (rule != NULL) {
		rule->header = header;
		rule->exists = true;
	}
	return CONF_OK;
}

/* Cuts " [if-unset: TEXT]" off the end of *pattern. */
static struct slice
cut_if_unset(struct slice *pattern)
{
	struct slice mark = SLICE("[if-unset:");
	size_t at = slice_find(*pattern, mark, 0);
	struct slice text;

	if (at == SLICE_NPOS || at == 0 || !byte_is_space(pattern->data[at - 1]) ||
	    pattern->data[pattern->len - 1] != ']')
		return SLICE_NULL;
	text = slice_ltrim(slice_sub(*pattern, at + mark.len, pattern->len - at - mark.len - 1));
	if (text.len == 0)
		return SLICE_NULL;
	*pattern = slice_rtrim(slice_sub(*pattern, 0, at));
	return text;
}

static bool
modifiers_are_known(struct slice header)
{
	struct slice word;

	if (!slice_has_byte(header, ':'))
		return true;
	(void)slice_next(&header, ':', &word);
	while (slice_next(&header, ':', &word))
		if (!is_known_modifier(word))
			return false;
	return true;
}

static enum conf_result
define_header_regex(struct conf_reader *reader, struct slice name, struct slice text)
{
	size_t name_len = 0, len = header_len(text, &name_len);
	struct slice header = slice_sub(text, 0, name_len),
		     rest = slice_ltrim(slice_from(text, len)), unset;
	const struct regex *regex;
	struct rule *rule;
	bool negated;

	negated = slice_starts(rest, SLICE("!~"));
	if (len == 0 || (!negated && !slice_starts(rest, SLICE("=~"))) ||
	    slice_trim(slice_from(rest, 2)).len == 0) {
		conf_problem(reader, true, "config: invalid head test %.*s: %.*s", SLICE_FMT(name),
		             SLICE_FMT(log_quote(reader->arena, text, 500)));
		return CONF_OK;
	}
	if (!modifiers_are_known(header)) {
		conf_problem(reader, true, "config: invalid header modifier for %.*s: %.*s",
		             SLICE_FMT(name), SLICE_FMT(header));
		return CONF_OK;
	}
	rest = slice_ltrim(slice_from(rest, 2));
	unset = cut_if_unset(&rest);
	regex = compile(reader, name, rest);
	if (regex == NULL)
		return CONF_OK;
	rule = ruleset_define(reader, name, RULE_HEADER, text);
	if (rule == NULL)
		return CONF_OK;
	rule->header = header;
	rule->if_unset = unset;
	rule->negated = negated;
	attach_regex(rule, regex);
	return CONF_OK;
}

static enum conf_result
parse_header(struct conf_reader *reader, void *settings, const struct directive *d,
             struct slice value)
{
	struct slice name, text, call;

	(void)settings, (void)d;
	if (!split_rule(value, &name, &text))
		return CONF_INVALID;
	call = eval_text(text);
	if (call.data != NULL)
		return define_eval(
			reader, name,
			slice_starts(text, SLICE("rbl")) ? RULE_RBL_EVAL : RULE_HEADER_EVAL, call);
	if (slice_starts(text, SLICE("exists:")))
		return define_exists(reader, name, text);
	return define_header_regex(reader, name, text);
}

static enum conf_result
parse_meta(struct conf_reader *reader, void *settings, const struct directive *d,
           struct slice value)
{
	struct slice name, text;
	struct error error;

	(void)settings, (void)d;
	if (!split_rule(value, &name, &text))
		return CONF_INVALID;
	if (slice_find(text, SLICE("**"), 0) != SLICE_NPOS ||
	    slice_find(text, SLICE("* *"), 0) != SLICE_NPOS)
		return CONF_INVALID;
	if (meta_check(name, text, &error) != STATUS_OK) {
		conf_problem(reader, true, "config: %s in %.*s (line %u)", error.text,
		             SLICE_FMT(reader->file), reader->line_number);
		return CONF_OK;
	}
	(void)ruleset_define(reader, name, RULE_META, text);
	return CONF_OK;
}

/* reuse: only mass-check re-uses; elsewhere the line makes sure that the name exists. */
static enum conf_result
parse_reuse(struct conf_reader *reader, void *settings, const struct directive *d,
            struct slice value)
{
	struct slice rest, name = conf_split(value, &rest);
	const struct rule *rule;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (!rule_name_is_valid(name))
		return CONF_INVALID;
	rule = ruleset_find(settings, name);
	if (rule == NULL || rule->kind == RULE_NONE)
		(void)ruleset_define(reader, name, RULE_EMPTY, SLICE(""));
	return CONF_OK;
}

/* ---- attributes ---- */

/* -?digits[.digits], the whole word. */
static bool
parse_score_number(struct slice word, double *value_r)
{
	char text[64];
	size_t i = 0, digits = 0;

	if (word.len == 0 || word.len >= sizeof(text))
		return false;
	if (word.data[0] == '-')
		i++;
	for (; i < word.len && byte_is_digit(word.data[i]); i++)
		digits++;
	if (digits == 0)
		return false;
	if (i < word.len && word.data[i] == '.') {
		size_t start = ++i;

		while (i < word.len && byte_is_digit(word.data[i]))
			i++;
		if (i == start)
			return false;
	}
	if (i != word.len)
		return false;
	memcpy(text, word.data, word.len);
	text[word.len] = '\0';
	*value_r = strtod(text, NULL);
	return true;
}

static enum conf_result
parse_score(struct conf_reader *reader, void *settings, const struct directive *d,
            struct slice value)
{
	struct slice rest, name = conf_split(value, &rest), word;
	double values[RULE_SCORE_SETS];
	bool relative = false;
	size_t count = 0;
	struct rule *rule;

	(void)settings, (void)d;
	if (name.len == 0 || rest.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&rest, &word)) {
		bool paren = word.len > 2 && word.data[0] == '(' && word.data[word.len - 1] == ')';

		if (count == RULE_SCORE_SETS)
			return CONF_MISSING;
		if (!parse_score_number(paren ? slice_sub(word, 1, word.len - 2) : word,
		                        &values[count]))
			return CONF_INVALID;
		relative |= paren;
		count++;
	}
	if (count != 1 && count != RULE_SCORE_SETS)
		return CONF_MISSING;
	rule = ruleset_own(reader, name);
	if (rule == NULL)
		return CONF_FAILED;
	if (relative && !rule->has_score)
		return CONF_INVALID;
	for (size_t i = 0; i < RULE_SCORE_SETS; i++)
		rule->score[i] = values[count == 1 ? 0 : i] + (relative ? rule->score[i] : 0);
	rule->has_score = true;
	return CONF_OK;
}

static enum conf_result
parse_attribute(struct conf_reader *reader, void *settings, const struct directive *d,
                struct slice value)
{
	struct slice name, text;
	struct rule *rule;

	(void)settings;
	if (!split_rule(value, &name, &text))
		return CONF_MISSING;
	rule = ruleset_own(reader, name);
	if (rule == NULL)
		return CONF_FAILED;
	if (slice_eq(slice_from_cstr(d->name), SLICE("describe")))
		rule->describe = text;
	else if (slice_eq(slice_from_cstr(d->name), SLICE("subjprefix")))
		rule->subjprefix = text;
	else
		rule_set_tflags(rule, text);
	return CONF_OK;
}

static enum conf_result
parse_priority(struct conf_reader *reader, void *settings, const struct directive *d,
               struct slice value)
{
	struct slice name, text;
	unsigned long long number;
	struct rule *rule;
	bool minus;

	(void)settings, (void)d;
	if (!split_rule(value, &name, &text))
		return CONF_MISSING;
	minus = text.data[0] == '-';
	if (!slice_to_u64(minus ? slice_from(text, 1) : text, 1000000, &number) ||
	    !rule_name_is_valid(name))
		return CONF_INVALID;
	rule = ruleset_own(reader, name);
	if (rule == NULL)
		return CONF_FAILED;
	rule->priority = minus ? -(int)number : (int)number;
	rule->has_priority = true;
	return CONF_OK;
}

/* Regression strings: checked for their shape here, run by nobody at scan time. */
static enum conf_result
parse_test(struct conf_reader *reader, void *settings, const struct directive *d,
           struct slice value)
{
	struct slice rest, name = conf_split(value, &rest), word, text;

	(void)reader, (void)settings, (void)d;
	word = conf_split(rest, &text);
	if (name.len == 0 || word.len == 0)
		return CONF_INVALID;
	return slice_eq(word, SLICE("ok")) || slice_eq(word, SLICE("fail")) ? CONF_OK
	                                                                    : CONF_INVALID;
}

/* clang-format off */
static const struct {
	const char *word;
	unsigned bit;
} tflag_words[] = {
	{ "a", TFLAG_A },
	{ "autolearn_body", TFLAG_AUTOLEARN_BODY },
	{ "autolearn_force", TFLAG_AUTOLEARN_FORCE },
	{ "autolearn_header", TFLAG_AUTOLEARN_HEADER },
	{ "concat", TFLAG_CONCAT },
	{ "domains_only", TFLAG_DOMAINS_ONLY },
	{ "ips_only", TFLAG_IPS_ONLY },
	{ "learn", TFLAG_LEARN },
	{ "multiple", TFLAG_MULTIPLE },
	{ "net", TFLAG_NET },
	{ "nice", TFLAG_NICE },
	{ "noautolearn", TFLAG_NOAUTOLEARN },
	{ "noawl", TFLAG_NOAWL },
	{ "nolog", TFLAG_NOLOG },
	{ "nosubject", TFLAG_NOSUBJECT },
	{ "notrim", TFLAG_NOTRIM },
	{ "ns", TFLAG_NS },
	{ "userconf", TFLAG_USERCONF },
};
/* clang-format on */

void
rule_set_tflags(struct rule *rule, struct slice text)
{
	struct slice rest = text, word;

	rule->tflags_text = text;
	rule->tflags = 0;
	rule->maxhits = 0;
	while (slice_next_word(&rest, &word)) {
		unsigned long long n;

		for (size_t i = 0; i < sizeof(tflag_words) / sizeof(tflag_words[0]); i++)
			if (slice_eq(word, slice_from_cstr(tflag_words[i].word)))
				rule->tflags |= tflag_words[i].bit;
		if (slice_starts(word, SLICE("maxhits=")) &&
		    slice_to_u64(slice_from(word, 8), 1000000000, &n))
			rule->maxhits = (unsigned)n;
	}
}

/* clang-format off */
static const struct directive directives[] = {
	/* name, alias, type, scope, offset (row of text_kinds), default, parser */
	{ "body", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_text_rule },
	{ "describe", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_attribute },
	{ "full", NULL, CONF_CUSTOM, CONF_PRIV, 2, NULL, parse_text_rule },
	{ "header", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_header },
	{ "meta", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_meta },
	{ "priority", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_priority },
	{ "rawbody", NULL, CONF_CUSTOM, CONF_PRIV, 1, NULL, parse_text_rule },
	{ "reuse", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_reuse },
	{ "score", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_score },
	{ "subjprefix", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_attribute },
	{ "test", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_test },
	{ "tflags", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_attribute },
	{ "uri", NULL, CONF_CUSTOM, CONF_PRIV, 3, NULL, parse_text_rule },
};
/* clang-format on */

const struct conf_module rules_module = {
	.name = "rules",
	.settings_size = sizeof(struct ruleset),
	.directives = directives,
	.directive_count = sizeof(directives) / sizeof(directives[0]),
};
