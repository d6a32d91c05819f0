/*
 * askdns.c - Mail::SpamAssassin::Plugin::AskDNS: DNS queries built from tags, as rules
 *
 * A rule asks when all tags of its template have values: each combination of them is one question.
 * Answers hit it by type, by what a filter says, or by the response code alone.  Source: AskDNS.pm
 * of 4.0.1.
 */
#include "conf/addrlist.h"
#include "mail/registry.h"
#include "net/addr.h"
#include "plugins/dnslist.h"
#include "plugins/pending.h"
#include "util/strbuf.h"

enum {
	RCODE_MAX = 64,
	QUERIES_MAX = 100, /* of one rule: what the values of tags multiply to */
	TYPES_MAX = 32
};

enum filter_kind { FILTER_NONE, FILTER_REGEX, FILTER_TEXT, FILTER_RCODE, FILTER_NUMBER };

struct askdns_rule {
	struct slice name, query;
	const struct rule *rule; /* when all is read */
	slice_vec tags;          /* of the template, sorted, each once */
	unsigned type;           /* asked for */
	bool any_type;
	unsigned types[TYPES_MAX]; /* of answers that count */
	size_t type_count;
	enum filter_kind filter;
	const struct regex *regex;
	struct slice text;
	unsigned long long rcodes; /* bits */
	struct dnslist_filter number;
};

/* RULE TEMPLATE [TYPE[,TYPE...] [FILTER]]: hit by answers only. */
struct askdns_settings {
	VEC(struct askdns_rule *) rules;
	struct hashmap by_name;
};

/* ---- directive ---- */

static const struct {
	const char *name;
	unsigned type;
} types[] = {
	{"A", 1},      {"NS", 2},     {"CNAME", 5},  {"SOA", 6},         {"PTR", 12},
	{"HINFO", 13}, {"MINFO", 14}, {"MX", 15},    {"TXT", 16},        {"RP", 17},
	{"GPOS", 27},  {"AAAA", 28},  {"LOC", 29},   {"SRV", 33},        {"NAPTR", 35},
	{"KX", 36},    {"CERT", 37},  {"DNAME", 39}, {"SSHFP", 44},      {"IPSECKEY", 45},
	{"DHCID", 49}, {"TLSA", 52},  {"HIP", 55},   {"CSYNC", 62},      {"SPF", 99},
	{"URI", 256},  {"CAA", 257},  {"ANY", 255},  {"OPENPGPKEY", 61},
};

static const struct {
	const char *name;
	unsigned code;
} rcodes[] = {
	{"NOERROR", 0},  {"FORMERR", 1},  {"SERVFAIL", 2}, {"NXDOMAIN", 3},  {"NOTIMP", 4},
	{"REFUSED", 5},  {"YXDOMAIN", 6}, {"YXRRSET", 7},  {"NXRRSET", 8},   {"NOTAUTH", 9},
	{"NOTZONE", 10}, {"BADVERS", 16}, {"BADSIG", 16},  {"BADKEY", 17},   {"BADTIME", 18},
	{"BADMODE", 19}, {"BADNAME", 20}, {"BADALG", 21},  {"BADTRUNC", 22},
};

static unsigned
type_of(struct slice word)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_ieq(word, slice_from_cstr(types[i].name)))
			return types[i].type;
	return 0;
}

static bool
parse_types(struct askdns_rule *rule, struct slice text)
{
	struct slice word;

	while (slice_next(&text, ',', &word)) {
		unsigned type = type_of(word);

		if (type == 0 || rule->type_count == TYPES_MAX)
			return false;
		rule->any_type = rule->any_type || type == DNS_ANY;
		rule->types[rule->type_count++] = type;
	}
	if (rule->type_count == 0)
		return false;
	rule->type = rule->type_count > 1 ? DNS_ANY : rule->types[0];
	return true;
}

static bool
parse_rcode(struct slice word, unsigned long long *bits)
{
	unsigned long long code;

	for (size_t i = 0; i < sizeof(rcodes) / sizeof(rcodes[0]); i++)
		if (slice_ieq(word, slice_from_cstr(rcodes[i].name))) {
			*bits |= 1ULL << rcodes[i].code;
			return true;
		}
	if (!slice_to_u64(word, 65535, &code))
		return false;
	if (code < RCODE_MAX)
		*bits |= 1ULL << code;
	return true;
}

static bool
is_regex(struct slice text)
{
	size_t end = text.len;

	while (end > 0 && byte_is_lower(text.data[end - 1]))
		end--;
	if (end >= 3 && text.data[0] == '/' && text.data[end - 1] == '/')
		return true;
	return end >= 4 && text.data[0] == 'm' && !byte_is_word(text.data[1]) &&
	       !byte_is_word(text.data[end - 1]);
}

/* [NXDOMAIN, 5]; false: it is no such list. */
static bool
parse_rcodes(struct askdns_rule *rule, struct slice text, bool *is_bad_r)
{
	struct slice rest = slice_sub(text, 1, text.len - 2), word;

	*is_bad_r = false;
	if (text.len < 3 || text.data[0] != '[' || text.data[text.len - 1] != ']')
		return false;
	while (slice_next(&rest, ',', &word))
		if (!parse_rcode(slice_trim(word), &rule->rcodes))
			*is_bad_r = true;
	rule->filter = FILTER_RCODE;
	return true;
}

static bool
parse_filter(struct conf_reader *reader, struct askdns_rule *rule, struct slice text)
{
	bool is_quoted = text.len >= 2 && (text.data[0] == '"' || text.data[0] == '\'') &&
	                 text.data[text.len - 1] == text.data[0];
	struct error error;
	bool is_bad;

	if (text.len == 0)
		return true;
	if (is_regex(text)) {
		rule->filter = FILTER_REGEX;
		rule->regex = regex_create_rule(reader->arena, text, 0, &error);
		if (rule->regex == NULL)
			log_warn(reader->log, "askdns", "subtest compile failed: '%.*s': %s",
			         SLICE_FMT(text), error.text);
		return rule->regex != NULL;
	}
	if (is_quoted) {
		rule->filter = FILTER_TEXT;
		rule->text = slice_sub(text, 1, text.len - 2);
		return true;
	}
	if (parse_rcodes(rule, text, &is_bad))
		return !is_bad;
	rule->filter = FILTER_NUMBER;
	return dnslist_filter_parse(reader->arena, text, &rule->number);
}

/* Length of "NAME_" or "NAME(args)_" at text[at], capitals and digits in words, without the
 * final underscore; 0: no tag. */
static size_t
tag_length(struct slice text, size_t at)
{
	size_t end = at, close;

	if (at >= text.len || !byte_is_upper(text.data[at]))
		return 0;
	/* the longest name that an underscore or arguments end */
	while (end < text.len &&
	       (byte_is_upper(text.data[end]) || byte_is_digit(text.data[end]) ||
	        (text.data[end] == '_' && end + 1 < text.len &&
	         (byte_is_upper(text.data[end + 1]) || byte_is_digit(text.data[end + 1])))))
		end++;
	for (; end > at; end--) {
		if (text.data[end - 1] == '_')
			continue;
		if (end < text.len && text.data[end] == '_')
			return end - at;
		if (end < text.len && text.data[end] == '(' &&
		    (close = slice_find(text, SLICE(")_"), end)) != SLICE_NPOS)
			return close + 1 - at;
	}
	return 0;
}

static bool
find_tags(struct conf_reader *reader, struct askdns_rule *rule)
{
	size_t at = 0;

	while ((at = slice_find_byte(rule->query, '_', at)) != SLICE_NPOS) {
		size_t len = tag_length(rule->query, at + 1), place = 0;
		struct slice tag = slice_sub(rule->query, at + 1, len);

		at += len == 0 ? 1 : len + 2;
		if (len == 0)
			continue;
		while (place < rule->tags.count && slice_cmp(rule->tags.items[place], tag) < 0)
			place++;
		if (place < rule->tags.count && slice_eq(rule->tags.items[place], tag))
			continue;
		if (vec_push(reader->arena, &rule->tags, tag) == NULL)
			return false;
		memmove(rule->tags.items + place + 1, rule->tags.items + place,
		        (rule->tags.count - 1 - place) * sizeof(tag));
		rule->tags.items[place] = tag;
	}
	return true;
}

/* A later line of the same name takes the place of the earlier one. */
static bool
keep_rule(struct conf_reader *reader, struct askdns_settings *settings,
          const struct askdns_rule *rule)
{
	struct askdns_rule *kept;

	if (settings->by_name.arena == NULL)
		hashmap_init(&settings->by_name, reader->arena);
	if (settings->by_name.arena != reader->arena)
		return true;
	kept = hashmap_get(&settings->by_name, rule->name);
	if (kept == NULL) {
		kept = arena_new(reader->arena, struct askdns_rule);
		if (kept == NULL || !hashmap_set(&settings->by_name, rule->name, kept) ||
		    vec_push(reader->arena, &settings->rules, kept) == NULL)
			return false;
	}
	*kept = *rule;
	return true;
}

static enum conf_result
parse_askdns(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct askdns_settings *settings = data;
	struct askdns_rule rule = {0};
	struct slice rest = value, word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (!slice_next_word(&rest, &rule.name) || !slice_next_word(&rest, &rule.query))
		return CONF_INVALID;
	if (!slice_next_word(&rest, &word))
		word = SLICE("A");
	if (!parse_types(&rule, word) || !parse_filter(reader, &rule, slice_trim(rest)))
		return CONF_INVALID;
	if (ruleset_define(reader, rule.name, RULE_EMPTY, value) == NULL)
		return CONF_OK;
	return find_tags(reader, &rule) && keep_rule(reader, settings, &rule) ? CONF_OK
	                                                                      : CONF_FAILED;
}

static void
find_rules(struct conf_reader *reader, void *data)
{
	struct askdns_settings *settings = data;

	for (size_t i = 0; i < settings->rules.count; i++)
		settings->rules.items[i]->rule =
			ruleset_find(conf_rules(reader->conf), settings->rules.items[i]->name);
}

/* ---- answers ---- */

static bool
type_counts(const struct askdns_rule *rule, unsigned type)
{
	if (rule->any_type)
		return true;
	for (size_t i = 0; i < rule->type_count; i++)
		if (rule->types[i] == type)
			return true;
	return false;
}

/* Names end in a full stop, as a zone file has them. */
static struct slice
record_text(struct scan *scan, const struct dns_record *record)
{
	struct slice text = dnslist_text(record);

	if (text.data != NULL)
		return text;
	switch (record->type) {
	case DNS_NS:
	case DNS_CNAME:
	case DNS_PTR:
	case DNS_MX:
		return arena_concat(scan->arena, record->text, SLICE("."));
	default:
		return record->text;
	}
}

static bool
record_matches(struct scan *scan, const struct askdns_rule *rule, const struct dns_record *record,
               struct slice text)
{
	unsigned long long number;

	if (!type_counts(rule, record->type))
		return false;
	switch (rule->filter) {
	case FILTER_NONE:
		return true;
	case FILTER_REGEX:
		return regex_is_match(rule->regex, scan_regex_scratch(scan), text);
	case FILTER_TEXT:
		return slice_eq(rule->text, text);
	case FILTER_NUMBER:
		if (record->type == DNS_A && dnslist_number(text, &number))
			return dnslist_filter_matches(&rule->number, text, number);
		return slice_eq(rule->number.text, text);
	case FILTER_RCODE:
		break;
	}
	return false;
}

static void
hit(struct scan *scan, const struct askdns_rule *rule, const struct dns_answer *answer,
    struct slice text)
{
	log_debug(scan->log, "askdns", "domain \"%.*s\" listed (%.*s): %.*s",
	          SLICE_FMT(answer->name), SLICE_FMT(rule->name),
	          SLICE_FMT(log_quote(scan->arena, text, 500)));
	scan_test_log(scan, scan->rules->rules[rule->rule->number],
	              arena_printf(scan->arena, "%.*s %.*s:%.*s", SLICE_FMT(answer->name),
	                           SLICE_FMT(dns_type_name(scan->arena, answer->type)),
	                           SLICE_FMT(text)));
	scan_hit(scan, scan->rules->rules[rule->rule->number], "ASKDNS: ", 1);
}

static void
take_answer(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct askdns_rule *rule = context;
	size_t count = answer->record_count;

	if (answer->outcome != DNS_ANSWERED)
		return;
	if (rule->filter == FILTER_RCODE) {
		if (answer->rcode >= RCODE_MAX || !(rule->rcodes >> answer->rcode & 1))
			return;
		for (size_t i = 0; i == 0 || i < count; i++)
			hit(scan, rule, answer,
			    i < count ? record_text(scan, &answer->records[i]) : SLICE(""));
		return;
	}
	for (size_t i = 0; i < count && answer->rcode == DNS_NOERROR; i++) {
		struct slice text = record_text(scan, &answer->records[i]);

		if (record_matches(scan, rule, &answer->records[i], text))
			hit(scan, rule, answer, text);
	}
}

/* ---- questions ---- */

static void
add_query(struct scan *scan, slice_vec *queries, struct slice query)
{
	for (size_t i = 0; i < queries->count; i++)
		if (slice_eq(queries->items[i], query))
			return;
	if (query.data != NULL && queries->count < QUERIES_MAX)
		(void)vec_push(scan->arena, queries, query);
}

static struct slice
fill_in(struct scan *scan, struct slice query, struct slice tag, struct slice value)
{
	struct slice wanted = arena_printf(scan->arena, "_%.*s_", SLICE_FMT(tag));
	struct strbuf buf;
	size_t at = 0, found;

	strbuf_init(&buf, scan->arena, 0);
	while ((found = slice_find(query, wanted, at)) != SLICE_NPOS) {
		strbuf_add(&buf, slice_sub(query, at, found - at));
		strbuf_add(&buf, value);
		at = found + wanted.len;
	}
	strbuf_add(&buf, slice_from(query, at));
	return strbuf_slice(&buf);
}

/* Every query of every value of the tag; false: it has none. */
static bool
multiply(struct scan *scan, slice_vec *queries, struct slice tag)
{
	slice_vec values = dnslist_tag_values(scan, tag), more = {0};
	bool any = false;

	for (size_t i = 0; i < queries->count; i++)
		for (size_t k = 0; k < values.count; k++) {
			if (values.items[k].len == 0)
				continue;
			any = true;
			add_query(scan, &more,
			          fill_in(scan, queries->items[i], tag, values.items[k]));
		}
	*queries = more;
	return any;
}

static void
ask(struct scan *scan, const struct askdns_rule *rule, struct slice query)
{
	struct lookup_request request = {
		.name = idn_to_ascii(scan->arena, query),
		.type = rule->type,
		.rule = rule->rule,
		.done = take_answer,
		.context = (void *)(uintptr_t)rule,
	};

	if (!fqdn_is_valid(scan->arena, request.name, true)) {
		log_debug(scan->log, "askdns", "skipping invalid query (%.*s): %.*s",
		          SLICE_FMT(rule->name), SLICE_FMT(log_quote(scan->arena, query, 300)));
		return;
	}
	log_debug(scan->log, "askdns", "launching query (%.*s): %.*s", SLICE_FMT(rule->name),
	          SLICE_FMT(request.name));
	(void)scan_lookup(scan, &request);
}

static void
ask_all(struct scan *scan, void *context)
{
	const struct askdns_rule *rule = context;
	slice_vec queries = {0};

	(void)vec_push(scan->arena, &queries, rule->query);
	for (size_t i = 0; i < rule->tags.count; i++)
		if (!multiply(scan, &queries, rule->tags.items[i])) {
			log_debug(scan->log, "askdns",
			          "skipping rule %.*s, no value found for tag: %.*s",
			          SLICE_FMT(rule->name), SLICE_FMT(rule->tags.items[i]));
			return;
		}
	for (size_t i = 0; i < queries.count; i++)
		ask(scan, rule, queries.items[i]);
}

static void
launch(struct scan *scan)
{
	const struct askdns_settings *settings = plugin_settings(scan->conf, &plugin_askdns);

	for (size_t i = 0; i < settings->rules.count; i++) {
		struct askdns_rule *rule = settings->rules.items[i];

		if (rule->rule == NULL ||
		    scan_rule_score(scan, scan->rules->rules[rule->rule->number]) == 0)
			continue;
		dnslist_await_tags(scan, rule->tags.items, rule->tags.count, ask_all, rule);
	}
}

/* clang-format off */
static const struct directive directives[] = {
	{ "askdns", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_askdns },
};
/* clang-format on */

static const char *const features[] = {
	"has_tag_header",
	NULL,
};

const struct plugin plugin_askdns = {
	.id = PLUGIN_ID_askdns,
	.class_name = "Mail::SpamAssassin::Plugin::AskDNS",
	.module =
		{
			.name = "askdns",
			.settings_size = sizeof(struct askdns_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.features = features,
	.needs_network = true,
	.finish_end = find_rules,
	.launch = launch,
};
