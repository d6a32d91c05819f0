/*
 * uridetail.c - Mail::SpamAssassin::Plugin::URIDetail: rules over one URI's forms
 *
 * uri_detail RULE key =~ /re/ key !~ /re/ ...: all criteria must hold for one URI of the message.
 */
#include "plugins/scan.h"

enum key { KEY_RAW, KEY_TYPE, KEY_CLEANED, KEY_TEXT, KEY_DOMAIN, KEY_HOST, KEY_COUNT };

static const char *const key_names[KEY_COUNT] = {"raw",  "type",   "cleaned",
                                                 "text", "domain", "host"};

struct criterion {
	const struct regex *regex; /* NULL: none for this key */
	bool negated;
};

/* All criteria of one rule: rule->eval.data. */
struct detail {
	struct criterion by_key[KEY_COUNT];
};

/* Offset after the pattern at the start of s ("/re/mods", "m!re!mods"), 0 when there is none. */
static size_t
pattern_len(struct slice s)
{
	size_t open = s.len > 1 && s.data[0] == 'm' && !byte_is_word(s.data[1]) ? 1 : 0;
	unsigned char delimiter;

	if (open == 0 && (s.len == 0 || s.data[0] != '/'))
		return 0;
	delimiter = s.data[open];
	/* the first closing delimiter that a blank or the end can follow */
	for (size_t at = slice_find_byte(s, delimiter, open + 1); at != SLICE_NPOS;
	     at = slice_find_byte(s, delimiter, at + 1)) {
		size_t end = slice_span(s, "imsx", at + 1);

		if (end == SLICE_NPOS || byte_is_space(s.data[end]))
			return end == SLICE_NPOS ? s.len : end;
	}
	return 0;
}

/* One "key =~ /re/" off *rest; STATUS_NONE at the end, STATUS_BAD when it is wrong. */
static enum status
next_criterion(struct conf_reader *reader, struct slice *rest, struct detail *detail)
{
	size_t name_end = 0, len;
	struct slice s = slice_ltrim(*rest), name;
	struct criterion criterion = {0};
	struct error error;

	while (name_end < s.len && byte_is_word(s.data[name_end]))
		name_end++;
	if (name_end == 0)
		return STATUS_NONE;
	name = slice_sub(s, 0, name_end);
	s = slice_ltrim(slice_from(s, name_end));
	criterion.negated = slice_starts(s, SLICE("!~"));
	if (!criterion.negated && !slice_starts(s, SLICE("=~")))
		return STATUS_NONE;
	s = slice_ltrim(slice_from(s, 2));
	len = pattern_len(s);
	if (len == 0)
		return STATUS_NONE;
	criterion.regex = regex_create_rule_known(reader->regexes, reader->arena,
	                                          slice_sub(s, 0, len), 0, &error);
	if (criterion.regex == NULL)
		return STATUS_BAD;
	for (int k = 0; k < KEY_COUNT; k++)
		if (slice_eq(name, slice_from_cstr(key_names[k]))) {
			detail->by_key[k] = criterion;
			*rest = slice_from(s, len);
			return STATUS_OK;
		}
	return STATUS_BAD;
}

static int check_uri_detail(struct scan *scan, const struct eval_call *call);

static const struct plugin_eval evals[] = {
	{"check_uri_detail", EVAL_ANY, check_uri_detail, NULL},
	{NULL, 0, NULL, NULL},
};

static enum conf_result
parse_uri_detail(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct slice rest, name = conf_split(value, &rest);
	struct detail *detail = arena_new(reader->arena, struct detail);
	struct rule *rule = ruleset_find(conf_rules(reader->conf), name);
	enum status status;
	bool added = false;

	(void)settings, (void)d;
	if (rest.len == 0)
		return CONF_INVALID;
	if (detail == NULL)
		return CONF_FAILED;
	/* A later line for the same rule adds to its criteria. */
	if (rule != NULL && rule->kind == RULE_BODY_EVAL && rule->eval.data != NULL &&
	    slice_eq(rule->eval.function, SLICE("check_uri_detail")))
		*detail = *(const struct detail *)rule->eval.data;
	while ((status = next_criterion(reader, &rest, detail)) == STATUS_OK)
		added = true;
	if (status == STATUS_BAD)
		return CONF_INVALID;
	if (!added) {
		log_warn(reader->log, "config", "failed to add invalid rule %.*s", SLICE_FMT(name));
		return CONF_INVALID;
	}
	rule = ruleset_define(reader, name, RULE_BODY_EVAL, SLICE("check_uri_detail()"));
	if (rule == NULL)
		return CONF_OK;
	(void)rule_eval_parse(reader->arena, rule->text, &rule->eval);
	rule->eval.data = detail;
	return CONF_OK;
}

static bool
holds(struct scan *scan, const struct criterion *c, struct slice text)
{
	return regex_is_match(c->regex, scan_regex_scratch(scan), text) != c->negated;
}

static bool
any_slice(struct scan *scan, const struct criterion *c, const slice_vec *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (holds(scan, c, list->items[i]))
			return true;
	return false;
}

static bool
any_type(struct scan *scan, const struct criterion *c, unsigned types)
{
	for (unsigned bit = 0; bit < URI_TYPE_COUNT; bit++)
		if (types & 1U << bit && holds(scan, c, slice_from_cstr(uri_type_name(bit))))
			return true;
	return false;
}

static bool
criterion_holds(struct scan *scan, const struct uri_info *uri, enum key key,
                const struct criterion *c)
{
	switch (key) {
	case KEY_RAW:
		return holds(scan, c, uri->raw);
	case KEY_TYPE:
		return any_type(scan, c, uri->types);
	case KEY_CLEANED:
		return any_slice(scan, c, &uri->cleaned);
	case KEY_DOMAIN:
		return any_slice(scan, c, &uri->domains);
	case KEY_TEXT:
		for (size_t i = 0; i < uri->anchor_texts.count; i++)
			if (holds(scan, c, uri->anchor_texts.items[i].text))
				return true;
		return false;
	case KEY_HOST:
		for (size_t i = 0; i < uri->hosts.count; i++)
			if (holds(scan, c, uri->hosts.items[i].host))
				return true;
		return false;
	case KEY_COUNT:
		break;
	}
	return false;
}

static int
check_uri_detail(struct scan *scan, const struct eval_call *call)
{
	const struct uri_list *uris = scan_uris(scan);
	const struct detail *detail = call->data;

	for (size_t i = 0; detail != NULL && uris != NULL && i < uris->uris.count; i++) {
		bool all = true;

		for (int k = 0; k < KEY_COUNT && all; k++)
			if (detail->by_key[k].regex != NULL)
				all = criterion_holds(scan, uris->uris.items[i], (enum key)k,
				                      &detail->by_key[k]);
		if (all)
			return 1;
	}
	return 0;
}

static const struct directive directives[] = {
	{"uri_detail", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_uri_detail},
};

static const char *const features[] = {"has_host_key", NULL};

const struct plugin plugin_uridetail = {
	.id = PLUGIN_ID_uridetail,
	.class_name = "Mail::SpamAssassin::Plugin::URIDetail",
	.module = {.name = "uridetail", .directives = directives, .directive_count = 1},
	.evals = evals,
	.features = features,
};
