/*
 * urilocalbl.c - Mail::SpamAssassin::Plugin::URILocalBL: country, provider and network of linked
 * hosts
 *
 * Hosts that are addresses are looked at at once, names when their addresses come.  Without a
 * GeoIP2 database of countries or providers the whole plugin is off, as in the reference.  Source:
 * URILocalBL.pm of 4.0.1.
 */
#include "conf/addrlist.h"
#include "mail/registry.h"
#include "net/addr.h"
#include "net/geodb.h"
#include "net/netset.h"
#include "plugins/dnslist.h"
#include "plugins/pending.h"
#include "util/strbuf.h"

struct code_list {
	struct hashmap codes; /* value: not NULL */
	bool is_set, negated;
};

struct block_rule {
	struct slice name;
	struct code_list countries, continents;
	struct hashmap isps; /* upper case without blanks -> itself */
	struct hashmap exclusions;
	struct netset nets;
	bool has_isps;
};

struct urilocalbl_settings {
	struct hashmap rules; /* name -> struct block_rule * */
	struct geodb *db;     /* NULL: none */
};

struct urilocalbl_state {
	struct hashmap finished; /* rule names that hit or were excluded */
};

/* ---- directives ---- */

/* The rule of that name, made when there is none; NULL: an overlay (rules are the site's) or no
 * memory. */
static struct block_rule *
rule_of(struct conf_reader *reader, struct urilocalbl_settings *settings, struct slice name)
{
	struct block_rule *rule;

	if (settings->rules.arena == NULL)
		hashmap_init(&settings->rules, reader->arena);
	if (settings->rules.arena != reader->arena)
		return NULL;
	rule = hashmap_get(&settings->rules, name);
	if (rule != NULL)
		return rule;
	rule = arena_new(reader->arena, struct block_rule);
	if (rule == NULL)
		return NULL;
	rule->name = name;
	hashmap_init(&rule->countries.codes, reader->arena);
	hashmap_init(&rule->continents.codes, reader->arena);
	hashmap_init(&rule->isps, reader->arena);
	hashmap_init(&rule->exclusions, reader->arena);
	netset_init(&rule->nets, reader->arena);
	return hashmap_set(&settings->rules, name, rule) ? rule : NULL;
}

static struct slice
upper_case(struct arena *arena, struct slice text)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < text.len; i++)
		strbuf_add_byte(&buf, byte_is_lower(text.data[i])
		                              ? (unsigned char)(text.data[i] - 'a' + 'A')
		                              : text.data[i]);
	return strbuf_slice(&buf);
}

/* Two letters (a letter and a digit), all with ! or none. */
static bool
add_codes(struct conf_reader *reader, struct code_list *list, struct slice words, bool digits)
{
	struct slice word;

	while (slice_next_word(&words, &word)) {
		bool negated = word.data[0] == '!';
		struct slice code = negated ? slice_from(word, 1) : word;

		if (code.len != 2 || !byte_is_alpha(code.data[0]) ||
		    !(byte_is_alpha(code.data[1]) || (digits && byte_is_digit(code.data[1]))) ||
		    (list->is_set && list->negated != negated))
			return false;
		list->is_set = true;
		list->negated = negated;
		if (!hashmap_set(&list->codes, upper_case(reader->arena, code), list))
			return false;
	}
	return true;
}

/* Upper case, blanks left out. */
static struct slice
isp_key(struct arena *arena, struct slice name)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	name = upper_case(arena, name);
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_space(name.data[i]))
			strbuf_add_byte(&buf, name.data[i]);
	return strbuf_slice(&buf);
}

/* Words, or names in quotes. */
static bool
add_isps(struct conf_reader *reader, struct block_rule *rule, struct slice text)
{
	text = slice_trim(text);
	while (text.len > 0) {
		bool quoted = text.data[0] == '"';
		size_t end =
			quoted ? slice_find_byte(text, '"', 1) : slice_find_any(text, " \t\"", 0);
		struct slice name =
			slice_sub(text, quoted ? 1 : 0,
		                  (end == SLICE_NPOS ? text.len : end) - (quoted ? 1 : 0));

		if (name.len > 0) {
			rule->has_isps = true;
			if (!hashmap_set(&rule->isps, isp_key(reader->arena, name), rule))
				return false;
		}
		text = slice_ltrim(slice_from(
			text, end == SLICE_NPOS ? text.len : end + (text.data[end] == '"')));
	}
	return rule->has_isps;
}

static bool
add_nets(struct conf_reader *reader, struct block_rule *rule, struct slice text)
{
	struct slice word, number;
	struct error error;

	while (slice_next_word(&text, &word)) {
		size_t slash = slice_find_byte(word, '/', 0);

		number = slash == SLICE_NPOS ? SLICE("0") : slice_from(word, slash + 1);
		if (!net_addr_is_text(slice_sub(word, 0, slash == SLICE_NPOS ? word.len : slash)) ||
		    number.len == 0 || number.len > 3 ||
		    slice_span(number, "0123456789", 0) != SLICE_NPOS)
			return false;
		if (netset_add(&rule->nets, word, &error) == STATUS_BAD)
			log_debug(reader->log, "config", "uri_block_cidr %.*s add failed: %.*s",
			          SLICE_FMT(rule->name), SLICE_FMT(word));
	}
	return true;
}

static bool
add_exclusions(struct conf_reader *reader, struct block_rule *rule, struct slice text)
{
	struct slice word;

	while (slice_next_word(&text, &word))
		if (!hashmap_set(&rule->exclusions, arena_dup_lower(reader->arena, word), rule))
			return false;
	return true;
}

/* RULE WHAT...: makes the rule a body eval. */
static enum conf_result
parse_block(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct urilocalbl_settings *settings = data;
	struct slice kind = slice_from_cstr(d->name);
	struct slice rest, name = conf_split(value, &rest);
	struct block_rule *block;
	struct rule *rule;
	bool ok;

	if (name.len == 0 || rest.len == 0)
		return CONF_MISSING;
	if (!rule_name_is_valid(name))
		return CONF_INVALID;
	block = rule_of(reader, settings, name);
	if (block == NULL)
		return CONF_FAILED;
	ok = slice_eq(kind, SLICE("uri_block_cc"))
	             ? add_codes(reader, &block->countries, rest, true)
	     : slice_eq(kind, SLICE("uri_block_cont"))
	             ? add_codes(reader, &block->continents, rest, false)
	     : slice_eq(kind, SLICE("uri_block_isp"))  ? add_isps(reader, block, rest)
	     : slice_eq(kind, SLICE("uri_block_cidr")) ? add_nets(reader, block, rest)
	                                               : add_exclusions(reader, block, rest);
	if (!ok)
		return CONF_INVALID;
	rule = ruleset_define(reader, name, RULE_BODY_EVAL, SLICE("check_uri_local_bl()"));
	if (rule == NULL)
		return CONF_OK;
	(void)rule_eval_parse(reader->arena, rule->text, &rule->eval);
	rule->priority = -100;
	return CONF_OK;
}

static void
open_database(struct conf_reader *reader, void *data)
{
	struct urilocalbl_settings *settings = data;
	const struct core_settings *core = conf_core(reader->conf);
	const struct geodb_options options = {
		.wants = GEODB_PLACES | GEODB_ISPS,
		.city = conf_table_get(&core->geodb_options, SLICE("city")),
		.country = conf_table_get(&core->geodb_options, SLICE("country")),
		.isp = conf_table_get(&core->geodb_options, SLICE("isp")),
		.directories = core->geodb_search_path.items,
		.directory_count = core->geodb_search_path.count,
	};

	if (settings->rules.count > 0 &&
	    (core->geodb_module.len == 0 || slice_eq(core->geodb_module, SLICE("geoip2"))))
		settings->db = geodb_open(reader->arena, &options, reader->log);
}

/* ---- a host and its addresses ---- */

static bool
is_excluded(const struct block_rule *block, struct slice text)
{
	return hashmap_get(&block->exclusions, text) != NULL;
}

static void
hit(struct scan *scan, const struct rule *rule, struct slice host, const char *where,
    struct slice what)
{
	scan_test_log(scan, rule,
	              arena_printf(scan->arena, "Host: %.*s in %s%s%.*s", SLICE_FMT(host), where,
	                           what.len > 0 ? " " : "", SLICE_FMT(what)));
	scan_hit(scan, rule, "", 1);
}

static bool
code_hits(const struct code_list *list, struct slice code)
{
	return list->is_set && (hashmap_get(&list->codes, code) != NULL) != list->negated;
}

static bool
check_countries(struct scan *scan, const struct geodb *db, const struct block_rule *block,
                const struct rule *rule, struct slice host, const slice_vec *ips)
{
	for (size_t i = 0; block->countries.is_set && i < ips->count; i++) {
		struct slice code = geodb_country(db, scan->arena, ips->items[i]);

		if (code_hits(&block->countries, code)) {
			hit(scan, rule, host, "country", code);
			return true;
		}
	}
	for (size_t i = 0; block->continents.is_set && i < ips->count; i++) {
		struct slice code = geodb_continent(db, scan->arena, ips->items[i]);

		if (code_hits(&block->continents, code)) {
			hit(scan, rule, host, "continent", code);
			return true;
		}
	}
	return false;
}

static bool
check_networks(struct scan *scan, const struct geodb *db, const struct block_rule *block,
               const struct rule *rule, struct slice host, const slice_vec *ips)
{
	for (size_t i = 0; block->has_isps && i < ips->count; i++) {
		struct slice isp = geodb_isp(db, scan->arena, ips->items[i]);

		if (isp.data != NULL &&
		    hashmap_get(&block->isps, isp_key(scan->arena, isp)) != NULL) {
			hit(scan, rule, host, "isp", isp);
			return true;
		}
	}
	for (size_t i = 0; netset_count(&block->nets) > 0 && i < ips->count; i++)
		if (netset_has_text(&block->nets, ips->items[i])) {
			hit(scan, rule, host, "cidr", SLICE(""));
			return true;
		}
	return false;
}

/* true: the rule is done, by a hit or an exclusion. */
static bool
check_host(struct scan *scan, const struct urilocalbl_settings *settings,
           const struct block_rule *block, const struct rule *rule, struct slice host,
           const slice_vec *ips)
{
	for (size_t i = 0; i < ips->count; i++)
		if (is_excluded(block, ips->items[i])) {
			log_debug(scan->log, "URILocalBL", "excluded %.*s, IP %.*s matches",
			          SLICE_FMT(host), SLICE_FMT(ips->items[i]));
			return true;
		}
	return check_countries(scan, settings->db, block, rule, host, ips) ||
	       check_networks(scan, settings->db, block, rule, host, ips);
}

/* ---- a message ---- */

struct host_question {
	const struct block_rule *block;
	const struct rule *rule;
	struct slice host;
};

static struct urilocalbl_state *
state_of(struct scan *scan)
{
	struct urilocalbl_state *state = scan_state(scan, &plugin_urilocalbl);

	if (state != NULL && state->finished.arena == NULL)
		hashmap_init(&state->finished, scan->arena);
	return state;
}

static void
take_addresses(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct urilocalbl_settings *settings =
		plugin_settings(scan->conf, &plugin_urilocalbl);
	struct urilocalbl_state *state = state_of(scan);
	struct host_question *question = context;
	slice_vec ips = {0};

	if (answer->outcome != DNS_ANSWERED || state == NULL ||
	    hashmap_get(&state->finished, question->block->name) != NULL)
		return;
	for (size_t i = 0; i < answer->record_count; i++)
		if (answer->records[i].type == DNS_A || answer->records[i].type == DNS_AAAA)
			(void)vec_push(scan->arena, &ips, answer->records[i].text);
	if (ips.count > 0 &&
	    check_host(scan, settings, question->block, question->rule, question->host, &ips))
		(void)hashmap_set(&state->finished, question->block->name, question);
}

static void
ask(struct scan *scan, const struct urilocalbl_settings *settings, const struct block_rule *block,
    const struct rule *rule, struct slice host)
{
	struct host_question *question = arena_new(scan->arena, struct host_question);
	struct lookup_request request = {
		.type = DNS_A, .rule = rule, .done = take_addresses, .context = question};

	if (question == NULL)
		return;
	request.name = idn_to_ascii(scan->arena, host);
	*question = (struct host_question){block, rule, request.name};
	(void)scan_lookup(scan, &request);
	if (geodb_has(settings->db, GEODB_PLACES)) {
		request.type = DNS_AAAA;
		(void)scan_lookup(scan, &request);
	}
}

/* Links, and what the text has like links. */
static bool
is_link(const struct uri_info *info)
{
	return (info->types & ((1U << HTML_URI_A) | URI_TYPE_PARSED)) != 0;
}

/* Names go to *names; true: an address decided. */
static bool
check_addresses(struct scan *scan, const struct urilocalbl_settings *settings,
                const struct block_rule *block, const struct rule *rule, struct hashmap *names)
{
	const struct uri_list *uris = scan_uris(scan);

	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		const struct uri_info *info = uris->uris.items[i];

		for (size_t k = 0; is_link(info) && k < info->hosts.count; k++) {
			struct slice host = info->hosts.items[k].host;
			slice_vec one = {0};

			if (is_excluded(block,
			                arena_dup_lower(scan->arena, info->hosts.items[k].domain)))
				continue;
			if (!net_addr_is_text(host)) {
				(void)hashmap_put(names, host, NULL);
				continue;
			}
			if (vec_push(scan->arena, &one, host) != NULL &&
			    check_host(scan, settings, block, rule, host, &one))
				return true;
		}
	}
	return false;
}

static int
check_uri_local_bl(struct scan *scan, const struct eval_call *call)
{
	const struct urilocalbl_settings *settings = call->settings;
	const struct block_rule *block;
	struct hashmap names;

	if (settings->db == NULL || settings->rules.arena == NULL) {
		log_debug(scan->log, "URILocalBL",
		          "plugin disabled, GeoDB country/isp not available");
		return 0;
	}
	block = hashmap_get(&settings->rules, call->rule->name);
	hashmap_init(&names, scan->arena);
	if (block == NULL || check_addresses(scan, settings, block, call->rule, &names) ||
	    names.count == 0 || !scan_dns_available(scan))
		return 0;
	for (size_t i = 0; i < names.count; i++)
		ask(scan, settings, block, call->rule, names.entries[i].key);
	return EVAL_PENDING;
}

/* clang-format off */
static const struct directive directives[] = {
	{ "uri_block_cc", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_cidr", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_cont", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_exclude", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_isp", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
};

static const struct plugin_eval evals[] = {
	{ "check_uri_local_bl", EVAL_ANY, check_uri_local_bl, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_urilocalbl = {
	.id = PLUGIN_ID_urilocalbl,
	.class_name = "Mail::SpamAssassin::Plugin::URILocalBL",
	.module =
		{
			.name = "urilocalbl",
			.settings_size = sizeof(struct urilocalbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.state_size = sizeof(struct urilocalbl_state),
	.needs_network = true,
	.finish_end = open_database,
};
