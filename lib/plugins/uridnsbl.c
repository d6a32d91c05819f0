/*
 * uridnsbl.c - Mail::SpamAssassin::Plugin::URIDNSBL: lists of linked domains in DNS
 *
 * Hosts of the message's links are chosen (at most uridnsbl_max_domains, the likeliest first), then
 * asked about: the domain or the whole name in name lists (urirhsbl), the address of the host or of
 * its name servers in address lists (uridnsbl), the names of its name servers (urinsrhsbl,
 * urifullnsrhsbl).  Rules over the same list share one question.  Source: URIDNSBL.pm of 4.0.1, its
 * oddities included: addresses of name servers are asked about under the rules with tflags "a".
 */
#include <stdlib.h>

#include "mail/registry.h"
#include "net/addr.h"
#include "plugins/dnslist.h"
#include "plugins/pending.h"

enum uribl_kind { URIBL_ADDRESS, URIBL_NAME, URIBL_SERVER, URIBL_FULL_SERVER };

struct uribl_rule {
	struct slice name, zone;
	enum uribl_kind kind;
	unsigned type;
	bool has_filter;
	struct dnslist_filter filter;
	const struct rule *rule; /* when all is read; NULL: nobody defines it */
};

/* Which hosts a list is asked about. */
enum uribl_class {
	CLASS_NAME,        /* any */
	CLASS_NAME_IP,     /* IP addresses only */
	CLASS_NAME_DOMAIN, /* names only */
	CLASS_SERVER,
	CLASS_FULL_SERVER,
	CLASS_ADDRESS,
	CLASS_COUNT
};

/* Rules over one list that ask alike: one question answers all of them. */
struct uribl_group {
	struct slice zone;
	unsigned type;
	bool notrim; /* the whole host name instead of the domain */
	VEC(const struct uribl_rule *) rules;
};

typedef VEC(struct uribl_group *) group_vec;

struct uridnsbl_settings {
	VEC(struct uribl_rule *) lookups; /* in order */
	struct hashmap by_name;
	group_vec groups[CLASS_COUNT];
	VEC(const struct rule *) server_rules, address_rules;
	bool has_servers; /* a rule needs name servers */
	bool skip_uribl_checks;
	double uridnsbl_max_domains;
	struct conf_table uridnsbl_skip_domain;
	bool uridnsbl_skip_mailto;
};

struct uridnsbl_state {
	/* what was asked about already, by class of question */
	struct hashmap servers, hosts, asked[CLASS_COUNT];
};

/* ---- directives ---- */

static const struct {
	const char *word;
	enum uribl_kind kind;
} kinds[] = {
	{"urirhs", URIBL_NAME},
	{"uridns", URIBL_ADDRESS},
	{"urinsrhs", URIBL_SERVER},
	{"urifullnsrhs", URIBL_FULL_SERVER},
};

static enum uribl_kind
kind_of(struct slice directive)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_starts(directive, slice_from_cstr(kinds[i].word)))
			return kinds[i].kind;
	return URIBL_ADDRESS;
}

static bool
is_word(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is_word(text.data[i]))
			return false;
	return text.len > 0;
}

/* The settings of an overlay start as a copy: what they point to belongs to the site. */
static bool
keep_lookup(struct conf_reader *reader, struct uridnsbl_settings *settings,
            const struct uribl_rule *lookup)
{
	struct uribl_rule *copy;

	if (settings->by_name.arena == NULL)
		hashmap_init(&settings->by_name, reader->arena);
	if (settings->by_name.arena != reader->arena)
		return true;
	copy = hashmap_get(&settings->by_name, lookup->name);
	if (copy != NULL) {
		*copy = *lookup;
		return true;
	}
	copy = arena_new(reader->arena, struct uribl_rule);
	if (copy == NULL)
		return false;
	*copy = *lookup;
	return vec_push(reader->arena, &settings->lookups, copy) != NULL &&
	       hashmap_set(&settings->by_name, copy->name, copy);
}

/* RULE ZONE TYPE [SUBTEST]: the rule itself is a body eval check_uridnsbl. */
static enum conf_result
parse_lookup(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct uridnsbl_settings *settings = data;
	struct uribl_rule lookup = {0};
	struct slice rest = value, word = SLICE("");

	if (value.len == 0)
		return CONF_MISSING;
	lookup.has_filter = slice_ends(slice_from_cstr(d->name), SLICE("sub"));
	lookup.kind = kind_of(slice_from_cstr(d->name));
	(void)slice_next_word(&rest, &lookup.name);
	if (!is_word(lookup.name) || !slice_next_word(&rest, &lookup.zone) ||
	    !slice_next_word(&rest, &word))
		return CONF_INVALID;
	if (lookup.zone.data[lookup.zone.len - 1] == '.')
		lookup.zone.len--;
	lookup.type = slice_ieq(word, SLICE("A"))     ? DNS_A
	              : slice_ieq(word, SLICE("TXT")) ? DNS_TXT
	                                              : 0;
	rest = slice_trim(rest);
	if (lookup.type == 0 || lookup.has_filter != (rest.len > 0) ||
	    (lookup.has_filter && !dnslist_filter_parse(reader->arena, rest, &lookup.filter)))
		return CONF_INVALID;
	return keep_lookup(reader, settings, &lookup) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
parse_clear_skip(struct conf_reader *reader, void *data, const struct directive *d,
                 struct slice value)
{
	struct uridnsbl_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		conf_table_clear(&settings->uridnsbl_skip_domain);
	while (slice_next_word(&value, &word))
		conf_table_remove(reader, &settings->uridnsbl_skip_domain,
		                  arena_dup_lower(reader->arena, word));
	return CONF_OK;
}

static enum conf_result
parse_timeout(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	(void)data, (void)d, (void)value;
	log_warn(reader->log, "config", "uridnsbl_timeout is obsolete, use rbl_timeout instead");
	return CONF_OK;
}

bool
dnslist_is_skipped(const struct scan *scan, struct slice domain)
{
	const struct uridnsbl_settings *settings = plugin_settings(scan->conf, &plugin_uridnsbl);

	return settings != NULL &&
	       conf_table_get(&settings->uridnsbl_skip_domain, domain).data != NULL;
}

/* ---- the configuration is read ---- */

static void
add_to_class(struct arena *arena, struct uridnsbl_settings *settings, enum uribl_class class,
             const struct uribl_rule *lookup)
{
	bool notrim = (lookup->rule->tflags & TFLAG_NOTRIM) != 0;
	group_vec *groups = &settings->groups[class];
	struct uribl_group *group = NULL;

	for (size_t i = 0; i < groups->count && group == NULL; i++)
		if (slice_ieq(groups->items[i]->zone, lookup->zone) &&
		    groups->items[i]->type == lookup->type && groups->items[i]->notrim == notrim)
			group = groups->items[i];
	if (group == NULL) {
		group = arena_new(arena, struct uribl_group);
		if (group == NULL || vec_push(arena, groups, group) == NULL)
			return;
		group->zone = lookup->zone;
		group->type = lookup->type;
		group->notrim = notrim;
	}
	(void)vec_push(arena, &group->rules, lookup);
}

static void
classify(struct arena *arena, struct uridnsbl_settings *settings, const struct uribl_rule *lookup)
{
	unsigned tflags = lookup->rule->tflags;

	switch (lookup->kind) {
	case URIBL_NAME:
		add_to_class(arena, settings,
		             tflags & TFLAG_IPS_ONLY       ? CLASS_NAME_IP
		             : tflags & TFLAG_DOMAINS_ONLY ? CLASS_NAME_DOMAIN
		                                           : CLASS_NAME,
		             lookup);
		return;
	case URIBL_SERVER:
	case URIBL_FULL_SERVER:
		add_to_class(arena, settings,
		             lookup->kind == URIBL_SERVER ? CLASS_SERVER : CLASS_FULL_SERVER,
		             lookup);
		(void)vec_push(arena, &settings->server_rules, lookup->rule);
		return;
	case URIBL_ADDRESS:
		if (tflags & TFLAG_A) {
			add_to_class(arena, settings, CLASS_ADDRESS, lookup);
			(void)vec_push(arena, &settings->address_rules, lookup->rule);
		}
		if ((tflags & TFLAG_NS) || !(tflags & TFLAG_A))
			(void)vec_push(arena, &settings->server_rules, lookup->rule);
		return;
	}
}

static void
find_rules(struct conf_reader *reader, void *data)
{
	struct uridnsbl_settings *settings = data;
	const struct ruleset *rules = conf_rules(reader->conf);

	for (size_t i = 0; i < CLASS_COUNT; i++)
		settings->groups[i].count = 0;
	settings->server_rules.count = settings->address_rules.count = 0;
	for (size_t i = 0; i < settings->lookups.count; i++) {
		struct uribl_rule *lookup = settings->lookups.items[i];

		lookup->rule = ruleset_find(rules, lookup->name);
		if (lookup->rule != NULL && lookup->rule->kind != RULE_NONE)
			classify(reader->arena, settings, lookup);
	}
}

/* ---- answers ---- */

struct uribl_question {
	const struct uribl_group *group;
	struct slice domain;   /* what is listed or not */
	struct slice original; /* the host it came from; data NULL: itself */
};

static const struct rule *
rule_here(const struct scan *scan, const struct uribl_rule *lookup)
{
	return scan->rules->rules[lookup->rule->number];
}

static void
hit(struct scan *scan, const struct uribl_question *question, const struct rule *rule,
    struct slice text)
{
	log_debug(scan->log, "uridnsbl", "domain \"%.*s\" listed (%.*s): %.*s",
	          SLICE_FMT(question->domain), SLICE_FMT(rule->name),
	          SLICE_FMT(log_quote(scan->arena, text, 500)));
	scan_test_log(
		scan, rule,
		question->original.data != NULL
			? arena_printf(scan->arena, "URI: %.*s/%.*s", SLICE_FMT(question->original),
	                               SLICE_FMT(question->domain))
			: arena_printf(scan->arena, "URI: %.*s", SLICE_FMT(question->domain)));
	scan_hit(scan, rule, "", 1);
}

static bool
matches(struct scan *scan, const struct uribl_question *question, const struct uribl_rule *lookup,
        const struct dns_record *record, struct slice text)
{
	unsigned long long number = 0;

	if (lookup->has_filter) {
		if (record->type == DNS_A)
			(void)dnslist_number(text, &number);
		return dnslist_filter_matches(&lookup->filter, text, number);
	}
	if (record->type != DNS_A || dnslist_is_loopback(text))
		return true;
	log_warn(scan->log, "uridnsbl", "bogus rr for domain=%.*s, rule=%.*s rr=%.*s",
	         SLICE_FMT(question->domain), SLICE_FMT(lookup->name), SLICE_FMT(text));
	return false;
}

static void
take_listing(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct uribl_question *question = context;

	if (answer->outcome != DNS_ANSWERED)
		return;
	for (size_t i = 0; i < answer->record_count; i++) {
		const struct dns_record *record = &answer->records[i];
		struct slice text;

		if (record->type != DNS_A && record->type != DNS_TXT)
			continue;
		text = dnslist_text(record);
		for (size_t k = 0; k < question->group->rules.count; k++) {
			const struct uribl_rule *lookup = question->group->rules.items[k];
			const struct rule *rule = rule_here(scan, lookup);

			if (scan_rule_score(scan, rule) != 0 &&
			    matches(scan, question, lookup, record, text))
				hit(scan, question, rule, text);
		}
	}
}

/* ---- questions ---- */

static const struct rule *
first_active(const struct scan *scan, const struct uribl_group *group)
{
	for (size_t i = 0; i < group->rules.count; i++) {
		const struct rule *rule = rule_here(scan, group->rules.items[i]);

		if (scan_rule_score(scan, rule) != 0)
			return rule;
	}
	return NULL;
}

static void
ask_group(struct scan *scan, const struct uribl_group *group, struct slice domain,
          struct slice original)
{
	struct uribl_question *question;
	struct lookup_request request = {
		.type = group->type,
		.rule = first_active(scan, group),
		.done = take_listing,
	};
	struct slice asked = domain;

	if (request.rule == NULL ||
	    (question = arena_new(scan->arena, struct uribl_question)) == NULL)
		return;
	*question = (struct uribl_question){group, domain, original};
	if (net_addr_is_text_v4(domain))
		asked = net_addr_reverse(scan->arena, domain);
	request.name =
		arena_printf(scan->arena, "%.*s.%.*s", SLICE_FMT(asked), SLICE_FMT(group->zone));
	request.context = question;
	if (request.name.data != NULL)
		(void)scan_lookup(scan, &request);
}

/* Each thing once a class; whole: the name where rules do not want the domain. */
static void
ask_class(struct scan *scan, struct uridnsbl_state *state, enum uribl_class class,
          struct slice domain, struct slice whole, struct slice original)
{
	const struct uridnsbl_settings *settings = plugin_settings(scan->conf, &plugin_uridnsbl);
	const group_vec *groups = &settings->groups[class];
	bool is_new, is_new_whole = true;

	if (groups->count == 0)
		return;
	domain = idn_to_ascii(scan->arena, domain);
	whole = idn_to_ascii(scan->arena, whole);
	if (hashmap_put(&state->asked[class], arena_concat(scan->arena, SLICE("/"), domain),
	                &is_new) == NULL ||
	    hashmap_put(&state->asked[class], arena_concat(scan->arena, SLICE("."), whole),
	                &is_new_whole) == NULL)
		return;
	for (size_t i = 0; i < groups->count; i++) {
		const struct uribl_group *group = groups->items[i];

		if (group->notrim && is_new_whole)
			ask_group(scan, group, whole, original);
		else if (!group->notrim && is_new)
			ask_group(scan, group, domain, original);
	}
}

static void
take_addresses(struct scan *scan, void *context, const struct dns_answer *answer)
{
	struct uridnsbl_state *state = scan_state(scan, &plugin_uridnsbl);
	const struct slice *host = context;

	for (size_t i = 0; answer->outcome == DNS_ANSWERED && i < answer->record_count; i++)
		if (answer->records[i].type == DNS_A && state != NULL)
			ask_class(scan, state, CLASS_ADDRESS, answer->records[i].text,
			          answer->records[i].text, *host);
}

static bool
any_active(const struct scan *scan, const struct rule *const *rules, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (scan_rule_score(scan, scan->rules->rules[rules[i]->number]) != 0)
			return true;
	return false;
}

static void
ask_addresses(struct scan *scan, struct uridnsbl_state *state, struct slice host)
{
	const struct uridnsbl_settings *settings = plugin_settings(scan->conf, &plugin_uridnsbl);
	struct slice *context = arena_new(scan->arena, struct slice);
	struct lookup_request request = {.type = DNS_A, .done = take_addresses};
	bool added;

	if (context == NULL ||
	    !any_active(scan, settings->address_rules.items, settings->address_rules.count) ||
	    hashmap_put(&state->hosts, host, &added) == NULL || !added)
		return;
	*context = idn_to_ascii(scan->arena, host);
	request.name = *context;
	request.context = context;
	(void)dnslist_lookup_rules(scan, &request, settings->address_rules.items,
	                           settings->address_rules.count);
}

static void
take_server(struct scan *scan, struct uridnsbl_state *state, struct slice name)
{
	struct slice server = arena_dup_lower(scan->arena, name);
	struct slice domain = server;

	if (net_addr_is_text_v4(server)) {
		if (net_addr_is_private(server))
			return;
	} else if (slice_has_byte(server, ':')) {
		return;
	} else {
		ask_addresses(scan, state, server);
		domain = registry_domain(&scan->env->registry, scan->arena, server, false);
	}
	ask_class(scan, state, CLASS_SERVER, domain, domain, SLICE_NULL);
	ask_class(scan, state, CLASS_FULL_SERVER, server, server, SLICE_NULL);
}

static void
take_servers(struct scan *scan, void *context, const struct dns_answer *answer)
{
	struct uridnsbl_state *state = scan_state(scan, &plugin_uridnsbl);

	(void)context;
	for (size_t i = 0; answer->outcome == DNS_ANSWERED && i < answer->record_count; i++)
		if (answer->records[i].type == DNS_NS && state != NULL)
			take_server(scan, state, answer->records[i].target);
}

static void
ask_servers(struct scan *scan, struct uridnsbl_state *state, struct slice domain)
{
	const struct uridnsbl_settings *settings = plugin_settings(scan->conf, &plugin_uridnsbl);
	struct lookup_request request = {.type = DNS_NS, .done = take_servers};
	bool added;

	if (!any_active(scan, settings->server_rules.items, settings->server_rules.count) ||
	    hashmap_put(&state->servers, domain, &added) == NULL || !added)
		return;
	request.name = idn_to_ascii(scan->arena, domain);
	(void)dnslist_lookup_rules(scan, &request, settings->server_rules.items,
	                           settings->server_rules.count);
}

/* Four groups of digits, or a bracket: an address, or meant as one. */
static bool
looks_like_address(struct slice host)
{
	struct slice rest = host, piece;
	unsigned pieces = 0;

	if (host.len > 0 && host.data[0] == '[')
		return true;
	while (slice_next(&rest, '.', &piece)) {
		if (piece.len == 0 || slice_span(piece, "0123456789", 0) != SLICE_NPOS)
			return false;
		pieces++;
	}
	return pieces == 4;
}

static void
ask_about(struct scan *scan, struct uridnsbl_state *state, struct slice host, struct slice domain)
{
	host = arena_dup_lower(scan->arena, host);
	domain = arena_dup_lower(scan->arena, domain);
	log_debug(scan->log, "uridnsbl", "considering host=%.*s, domain=%.*s", SLICE_FMT(host),
	          SLICE_FMT(domain));
	if (looks_like_address(host)) {
		if (!net_addr_is_text_v4(host) || net_addr_is_private(host))
			return;
		domain = host;
		ask_class(scan, state, CLASS_NAME_IP, domain, host, SLICE_NULL);
	} else {
		ask_servers(scan, state, domain);
		ask_addresses(scan, state, host);
		ask_class(scan, state, CLASS_NAME_DOMAIN, domain, host, SLICE_NULL);
	}
	ask_class(scan, state, CLASS_NAME, domain, host, SLICE_NULL);
}

/* ---- which hosts ---- */

enum { RANK_COUNT = 6 };

/* 0 a link with text, 1 a form, 2 an image, 3 other, 4 from the text, 5 a link without text. */
static unsigned
rank_of(const struct uri_info *info)
{
	if (info->types & (1U << HTML_URI_A)) {
		for (size_t i = 0; i < info->anchor_texts.count; i++)
			if (info->anchor_texts.items[i].text.len > 0)
				return 0;
		return 5;
	}
	if (info->types & (1U << HTML_URI_FORM))
		return 1;
	if (info->types & (1U << HTML_URI_IMG))
		return 2;
	return info->types == URI_TYPE_PARSED ? 4 : 3;
}

/* host -> struct slice * domain, by rank */
static bool
rank_hosts(struct scan *scan, const struct uridnsbl_settings *settings,
           struct hashmap ranks[RANK_COUNT])
{
	const struct uri_list *uris = scan_uris(scan);

	for (size_t i = 0; i < RANK_COUNT; i++)
		hashmap_init(&ranks[i], scan->arena);
	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		struct uri_info *info = uris->uris.items[i];
		unsigned rank = rank_of(info);

		if (settings->uridnsbl_skip_mailto && slice_istarts(info->raw, SLICE("mailto:")))
			continue;
		for (size_t k = 0; k < info->hosts.count; k++) {
			struct uri_host *host = &info->hosts.items[k];

			if (dnslist_is_skipped(scan, host->domain) ||
			    dnslist_is_skipped(scan, host->host)) {
				log_debug(scan->log, "uridnsbl", "host %.*s in skip list",
				          SLICE_FMT(host->host));
				continue;
			}
			if (!hashmap_set(&ranks[rank], host->host, &host->domain))
				return false;
		}
	}
	return true;
}

static int
by_text(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	return slice_cmp(*x, *y);
}

/* Sorted, each once. */
static void
set_list_tag(struct scan *scan, struct slice tag, const slice_vec *from)
{
	slice_vec list = {0};

	if (from->count > 0)
		qsort(from->items, from->count, sizeof(from->items[0]), by_text);
	for (size_t i = 0; i < from->count; i++)
		if (i == 0 || !slice_eq(from->items[i - 1], from->items[i]))
			(void)vec_push(scan->arena, &list, from->items[i]);
	scan_set_tag_values(scan, tag, &list);
}

static void
launch(struct scan *scan)
{
	const struct uridnsbl_settings *settings = plugin_settings(scan->conf, &plugin_uridnsbl);
	struct uridnsbl_state *state = scan_state(scan, &plugin_uridnsbl);
	struct hashmap ranks[RANK_COUNT], chosen;
	slice_vec hosts = {0}, domains = {0};

	if (settings->skip_uribl_checks || state == NULL)
		return;
	hashmap_init(&state->servers, scan->arena);
	hashmap_init(&state->hosts, scan->arena);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		hashmap_init(&state->asked[i], scan->arena);
	hashmap_init(&chosen, scan->arena);
	if (!rank_hosts(scan, settings, ranks))
		return;
	for (size_t rank = 0; rank < RANK_COUNT; rank++)
		for (size_t i = 0;
		     i < ranks[rank].count && (double)chosen.count < settings->uridnsbl_max_domains;
		     i++)
			(void)hashmap_set(&chosen, ranks[rank].entries[i].key,
			                  ranks[rank].entries[i].value);
	for (size_t i = 0; i < chosen.count; i++) {
		(void)vec_push(scan->arena, &hosts, chosen.entries[i].key);
		(void)vec_push(scan->arena, &domains, *(struct slice *)chosen.entries[i].value);
	}
	set_list_tag(scan, SLICE("URIHOSTS"), &hosts);
	set_list_tag(scan, SLICE("URIDOMAINS"), &domains);
	for (size_t i = 0; i < chosen.count; i++)
		ask_about(scan, state, chosen.entries[i].key,
		          *(struct slice *)chosen.entries[i].value);
}

#define AT(field) offsetof(struct uridnsbl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "clear_uridnsbl_skip_domain", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_clear_skip },
	{ "skip_uribl_checks", NULL, CONF_BOOL, CONF_USER, AT(skip_uribl_checks), "0", NULL },
	{ "uridnsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "uridnsbl_max_domains", NULL, CONF_NUMERIC, CONF_ADMIN, AT(uridnsbl_max_domains), "20", NULL },
	{ "uridnsbl_skip_domain", NULL, CONF_CUSTOM, CONF_USER, AT(uridnsbl_skip_domain), NULL, plugin_parse_words },
	{ "uridnsbl_skip_mailto", NULL, CONF_BOOL, CONF_ADMIN, AT(uridnsbl_skip_mailto), "1", NULL },
	{ "uridnsbl_timeout", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_timeout },
	{ "uridnssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urifullnsrhsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urifullnsrhssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urinsrhsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urinsrhssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urirhsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urirhssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
};

static const struct plugin_eval evals[] = {
	{ "check_uridnsbl", EVAL_ANY, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_subtest_for_ranges",
	"has_tflags_domains_only",
	"has_tflags_notrim",
	"has_uridnsbl_a_ns",
	"has_uridnsbl_for_a",
	"has_uridnsbl_skip_mailto",
	NULL,
};

static const char *const tags[] = {"URIHOSTS", "URIDOMAINS", NULL};

static void
name_lists(const void *data, void (*take)(void *data, const struct rule *rule, struct slice zone),
           void *taker)
{
	const struct uridnsbl_settings *settings = data;

	for (size_t i = 0; i < settings->lookups.count; i++)
		if (settings->lookups.items[i]->rule != NULL)
			take(taker, settings->lookups.items[i]->rule,
			     settings->lookups.items[i]->zone);
}

const struct plugin plugin_uridnsbl = {
	.id = PLUGIN_ID_uridnsbl,
	.class_name = "Mail::SpamAssassin::Plugin::URIDNSBL",
	.module =
		{
			.name = "uridnsbl",
			.settings_size = sizeof(struct uridnsbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.state_size = sizeof(struct uridnsbl_state),
	.needs_network = true,
	.lists = name_lists,
	.finish_end = find_rules,
	.launch = launch,
};
