/*
 * asn.c - Mail::SpamAssassin::Plugin::ASN: AS number and route of the last external relay
 *
 * From a GeoIP2 database, or from DNS zones that answer with TXT records of several shapes:
 *	"1103" "192.88.99.0" "24"
 *	"559 1103 | 192.88.99.0/24 | US | iana | 2001-06-01"
 *	"192.88.99.0/24 | AS1103 | SURFnet | 2002-10-15 | EU"
 * Source: ASN.pm of 4.0.1.
 */
#include "conf/addrlist.h"
#include "net/addr.h"
#include "net/geodb.h"
#include "plugins/args.h"
#include "plugins/dnslist.h"
#include "plugins/pending.h"
#include "util/strbuf.h"

struct asn_settings {
	struct conf_words asn_lookup;
	struct conf_words asn_lookup_ipv6;
	bool asn_prefer_geodb;
	struct slice asn_prefix;
	bool asn_use_dns;
	bool asn_use_geodb;
	struct geodb *db; /* NULL: none */
};

/* One asn_lookup line. */
struct asn_zone {
	struct slice zone, asn_tag, route_tag;
};

/* ---- directives ---- */

static bool
tag_of_word(struct slice word, struct slice *tag_r)
{
	if (word.len < 3 || word.data[0] != '_' || word.data[word.len - 1] != '_')
		return false;
	*tag_r = slice_sub(word, 1, word.len - 2);
	return true;
}

/* ZONE [_TAG1_ _TAG2_] */
static bool
parse_zone(struct slice value, struct asn_zone *zone_r)
{
	struct slice first = SLICE_NULL, second = SLICE_NULL, more;

	if (!slice_next_word(&value, &zone_r->zone))
		return false;
	if (zone_r->zone.len > 1 && zone_r->zone.data[zone_r->zone.len - 1] == '.')
		zone_r->zone.len--;
	zone_r->asn_tag = SLICE("ASN");
	zone_r->route_tag = SLICE("ASNCIDR");
	if (!slice_next_word(&value, &first))
		return true;
	return slice_next_word(&value, &second) && !slice_next_word(&value, &more) &&
	       tag_of_word(first, &zone_r->asn_tag) && tag_of_word(second, &zone_r->route_tag);
}

static enum conf_result
parse_lookup(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct asn_zone zone;

	if (value.len == 0)
		return CONF_MISSING;
	if (!parse_zone(value, &zone))
		return CONF_INVALID;
	return plugin_keep_line(reader, data, d, value);
}

/* Text, or a pair of quotes around it or nothing: no prefix. */
static enum conf_result
parse_prefix(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct asn_settings *settings = data;

	(void)reader, (void)d;
	if (value.len >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
	    value.data[value.len - 1] == value.data[0])
		value = slice_sub(value, 1, value.len - 2);
	settings->asn_prefix = value;
	return CONF_OK;
}

static enum conf_result
parse_clear_asn_lookups(struct conf_reader *reader, void *data, const struct directive *d,
                        struct slice value)
{
	struct asn_settings *settings = data;

	(void)reader, (void)d, (void)value;
	conf_words_clear(&settings->asn_lookup);
	conf_words_clear(&settings->asn_lookup_ipv6);
	return CONF_OK;
}

static void
open_database(struct conf_reader *reader, void *data)
{
	struct asn_settings *settings = data;
	const struct core_settings *core = conf_core(reader->conf);
	const struct geodb_options options = {
		.wants = GEODB_NETWORKS,
		.isp = conf_table_get(&core->geodb_options, SLICE("isp")),
		.asn = conf_table_get(&core->geodb_options, SLICE("asn")),
		.directories = core->geodb_search_path.items,
		.directory_count = core->geodb_search_path.count,
	};

	if (settings->asn_use_geodb &&
	    (core->geodb_module.len == 0 || slice_eq(core->geodb_module, SLICE("geoip2"))))
		settings->db = geodb_open(reader->arena, &options, reader->log);
}

/* ---- answers ---- */

/* The words of a tag's value so far; a prefix before a number is taken off. */
static slice_vec
words_of_tag(struct scan *scan, struct slice tag, struct slice prefix)
{
	slice_vec values = dnslist_tag_values(scan, tag), words = {0};

	for (size_t i = 0; i < values.count; i++) {
		struct slice rest = values.items[i], word;

		while (slice_next(&rest, ' ', &word)) {
			if (prefix.len > 0 && slice_starts(word, prefix) && word.len > prefix.len &&
			    byte_is_digit(word.data[prefix.len]))
				word = slice_from(word, prefix.len);
			if (word.len > 0)
				(void)vec_push(scan->arena, &words, word);
		}
	}
	return words;
}

static bool
add_word(struct scan *scan, slice_vec *words, struct slice word)
{
	for (size_t i = 0; i < words->count; i++)
		if (slice_eq(words->items[i], word))
			return false;
	return vec_push(scan->arena, words, word) != NULL;
}

/* Strings of a record as fields. */
static slice_vec
fields_of(struct scan *scan, const struct dns_record *record)
{
	struct strbuf joined;
	slice_vec fields = {0};
	struct slice rest, field;
	bool has_bar = false;

	for (size_t i = 0; i < record->string_count; i++)
		has_bar = has_bar || slice_has_byte(record->strings[i], '|');
	if (record->string_count > 1 && !has_bar) {
		for (size_t i = 0; i < record->string_count; i++)
			(void)vec_push(scan->arena, &fields, record->strings[i]);
		if (fields.count >= 3 && !slice_has_byte(fields.items[1], '/') &&
		    fields.items[2].len > 0 &&
		    slice_span(fields.items[2], "0123456789", 0) == SLICE_NPOS)
			fields.items[1] =
				arena_printf(scan->arena, "%.*s/%.*s", SLICE_FMT(fields.items[1]),
			                     SLICE_FMT(fields.items[2]));
		return fields;
	}
	strbuf_init(&joined, scan->arena, 0);
	for (size_t i = 0; i < record->string_count; i++) {
		if (i > 0)
			strbuf_add_byte(&joined, ' ');
		strbuf_add(&joined, record->strings[i]);
	}
	rest = strbuf_slice(&joined);
	while (slice_next(&rest, '|', &field))
		(void)vec_push(scan->arena, &fields, slice_trim(field));
	return fields;
}

/* "559 AS1103"; false: something else is in it. */
static bool
is_asn_list(struct slice field)
{
	struct slice word;
	bool any = false;

	while (slice_next_word(&field, &word)) {
		if (slice_istarts(word, SLICE("AS")))
			word = slice_from(word, 2);
		if (word.len == 0 || slice_span(word, "0123456789", 0) != SLICE_NPOS)
			return false;
		any = true;
	}
	return any;
}

/* "10.0.0.0/0": unassigned space. */
static bool
is_route(struct slice route)
{
	size_t slash = slice_rfind_byte(route, '/');

	return slash == SLICE_NPOS || slash + 1 == route.len ||
	       slice_span(route, "0", slash + 1) != SLICE_NPOS;
}

struct asn_update {
	slice_vec asns, routes;
	bool new_asn, new_route;
};

static void
take_fields(struct scan *scan, struct slice asns, struct slice routes, struct asn_update *update)
{
	struct slice word;

	while (slice_next_word(&routes, &word))
		if (is_route(word) && add_word(scan, &update->routes, word))
			update->new_route = true;
	while (slice_next_word(&asns, &word)) {
		if (slice_istarts(word, SLICE("AS")))
			word = slice_from(word, 2);
		if (!perl_is_false(word) && !slice_eq(word, SLICE("4294967295")) &&
		    add_word(scan, &update->asns, word))
			update->new_asn = true;
	}
}

static void
take_record(struct scan *scan, const struct dns_record *record, struct asn_update *update)
{
	slice_vec fields = fields_of(scan, record);
	struct slice first = fields.count > 0 ? fields.items[0] : SLICE("");
	struct slice second = fields.count > 1 ? fields.items[1] : SLICE("");

	if (is_asn_list(first))
		take_fields(scan, first, second, update);
	else if (is_asn_list(second))
		take_fields(scan, second, first, update);
	else
		log_debug(scan->log, "asn", "unparseable response: %.*s",
		          SLICE_FMT(log_quote(scan->arena, record->text, 300)));
}

static struct slice
joined(struct arena *arena, const slice_vec *words)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			strbuf_add_byte(&buf, ' ');
		strbuf_add(&buf, words->items[i]);
	}
	return strbuf_slice(&buf);
}

static void
take_answer(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct asn_settings *settings = plugin_settings(scan->conf, &plugin_asn);
	const struct asn_zone *zone = context;
	struct asn_update update = {0};

	if (answer->outcome != DNS_ANSWERED)
		return;
	update.asns = words_of_tag(scan, zone->asn_tag, settings->asn_prefix);
	update.routes = words_of_tag(scan, zone->route_tag, SLICE(""));
	for (size_t i = 0; i < answer->record_count; i++)
		if (answer->records[i].type == DNS_TXT && answer->records[i].string_count > 0)
			take_record(scan, &answer->records[i], &update);
	if (update.new_asn) {
		scan_set_metadata(scan, SLICE("X-ASN"), joined(scan->arena, &update.asns));
		for (size_t i = 0; i < update.asns.count; i++)
			update.asns.items[i] = arena_concat(scan->arena, settings->asn_prefix,
			                                    update.asns.items[i]);
		scan_set_tag_values(scan, zone->asn_tag, &update.asns);
	}
	if (update.new_route)
		scan_set_tag_values(scan, zone->route_tag, &update.routes);
}

/* ---- a message ---- */

static void
ask(struct scan *scan, const struct conf_words *lines, struct slice reversed)
{
	for (size_t i = 0; i < lines->count; i++) {
		struct asn_zone *zone = arena_new(scan->arena, struct asn_zone);
		struct lookup_request request = {
			.type = DNS_TXT, .done = take_answer, .context = zone};

		if (zone == NULL || !parse_zone(lines->items[i], zone))
			continue;
		request.name = arena_printf(scan->arena, "%.*s.%.*s", SLICE_FMT(reversed),
		                            SLICE_FMT(zone->zone));
		if (request.name.data != NULL)
			(void)scan_lookup(scan, &request);
	}
}

static void
preset_tags(struct scan *scan, const struct conf_words *lines)
{
	struct asn_zone zone;

	for (size_t i = 0; i < lines->count; i++) {
		const struct slice *values;
		size_t count;

		if (!parse_zone(lines->items[i], &zone))
			continue;
		if (!scan_tag_values(scan, zone.asn_tag, &values, &count) || count == 0)
			scan_set_tag(scan, zone.asn_tag, SLICE(""));
		if (!scan_tag_values(scan, zone.route_tag, &values, &count) || count == 0)
			scan_set_tag(scan, zone.route_tag, SLICE(""));
	}
}

/* true: the database knows it. */
static bool
ask_database(struct scan *scan, const struct asn_settings *settings, struct slice ip)
{
	struct slice number, owner, text;

	if (settings->db == NULL || !settings->asn_use_geodb ||
	    !geodb_asn(settings->db, scan->arena, ip, &number, &owner))
		return false;
	text = settings->asn_prefix.len > 0 && !slice_starts(number, settings->asn_prefix)
	               ? arena_concat(scan->arena, settings->asn_prefix, number)
	               : number;
	if (owner.len > 0)
		text = arena_printf(scan->arena, "%.*s %.*s", SLICE_FMT(text), SLICE_FMT(owner));
	scan_set_tag(scan, SLICE("ASN"), text);
	scan_set_metadata(scan, SLICE("X-ASN"), number);
	return true;
}

static void
find_network(struct scan *scan)
{
	const struct asn_settings *settings = plugin_settings(scan->conf, &plugin_asn);
	const relay_vec *relays = &scan->relays.external;
	bool has_database = settings->asn_use_geodb && settings->db != NULL;
	bool has_dns = settings->asn_use_dns && scan_dns_available(scan);
	struct slice ip, reversed;

	if (!has_database && !has_dns)
		return;
	preset_tags(scan, &settings->asn_lookup);
	preset_tags(scan, &settings->asn_lookup_ipv6);
	if (relays->count == 0 || relays->items[0]->ip_private)
		return;
	ip = relays->items[0]->ip;
	log_debug(scan->log, "asn", "using first external relay IP for lookups: %.*s",
	          SLICE_FMT(ip));
	if ((ask_database(scan, settings, ip) && settings->asn_prefer_geodb) || !has_dns)
		return;
	reversed = net_addr_reverse(scan->arena, ip);
	if (reversed.len > 0)
		ask(scan,
		    net_addr_is_text_v4(ip) ? &settings->asn_lookup : &settings->asn_lookup_ipv6,
		    reversed);
}

/* ---- check_asn ---- */

/* What prepare makes of the arguments. */
struct asn_rule {
	const struct regex *regex;
	struct slice tag;
};

static enum status
prepare_asn(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct asn_rule *rule = arena_new(reader->arena, struct asn_rule);

	if (rule == NULL)
		return error_set(error, STATUS_BAD, "no memory");
	if (eval->args.count == 0)
		return error_set(error, STATUS_BAD, "eval argument missing");
	rule->regex =
		regex_create_rule(reader->arena, eval->args.items[0], REGEX_BARE_ALLOWED, error);
	rule->tag = eval->args.count > 1 ? eval->args.items[1] : SLICE("ASN");
	eval->data = rule;
	return rule->regex == NULL ? STATUS_BAD : STATUS_OK;
}

static void
check_tag(struct scan *scan, void *context)
{
	const struct rule *rule = context;
	const struct asn_rule *data = rule->eval.data;
	slice_vec values = dnslist_tag_values(scan, data->tag);
	struct slice text = joined(scan->arena, &values);

	if (!regex_is_match(data->regex, scan_regex_scratch(scan), text))
		return;
	scan_test_log(
		scan, rule,
		arena_printf(scan->arena, "%.*s: %.*s", SLICE_FMT(data->tag), SLICE_FMT(text)));
	scan_hit(scan, rule, "", 1);
}

static int
check_asn(struct scan *scan, const struct eval_call *call)
{
	const struct asn_rule *data = call->data;

	if (data == NULL)
		return 0;
	dnslist_await_tags(scan, &data->tag, 1, check_tag, (void *)(uintptr_t)call->rule);
	return EVAL_PENDING;
}

#define AT(field) offsetof(struct asn_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "asn_lookup", NULL, CONF_CUSTOM, CONF_PRIV, AT(asn_lookup), NULL, parse_lookup },
	{ "asn_lookup_ipv6", NULL, CONF_CUSTOM, CONF_PRIV, AT(asn_lookup_ipv6), NULL, parse_lookup },
	{ "asn_prefer_geodb", NULL, CONF_BOOL, CONF_ADMIN, AT(asn_prefer_geodb), "1", NULL },
	{ "asn_prefix", NULL, CONF_CUSTOM, CONF_USER, 0, "AS", parse_prefix },
	{ "asn_use_dns", NULL, CONF_BOOL, CONF_ADMIN, AT(asn_use_dns), "1", NULL },
	{ "asn_use_geodb", NULL, CONF_BOOL, CONF_ADMIN, AT(asn_use_geodb), "1", NULL },
	{ "clear_asn_lookups", NULL, CONF_NOARGS, CONF_USER, 0, NULL, parse_clear_asn_lookups },
};

static const struct plugin_eval evals[] = {
	{ "check_asn", EVAL_HEADER, check_asn, prepare_asn },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_asn_geodb", "has_asn_lookup_ipv6", "has_check_asn", "has_check_asn_tag", NULL,
};

static const char *const tags[] = {"ASN", "ASNCIDR", NULL};

const struct plugin plugin_asn = {
	.id = PLUGIN_ID_asn,
	.class_name = "Mail::SpamAssassin::Plugin::ASN",
	.module =
		{
			.name = "asn",
			.settings_size = sizeof(struct asn_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.needs_network = true,
	.finish_end = open_database,
	.parsed = find_network,
};
