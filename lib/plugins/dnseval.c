/*
 * dnseval.c - Mail::SpamAssassin::Plugin::DNSEval: lists of addresses in DNS
 *
 * The evals only ask; answers hit the rule that asked and the check_rbl_sub rules of the same set.
 * Which relays a set asks about
 * is in the end of its name (-lastexternal, -firsttrusted ...).  Source: DNSEval.pm, Dns.pm of
 * 4.0.1.
 */
#include "plugins/dnseval.h"

/* ---- questions ---- */

/* true: asked. */
static bool
ask(struct scan *scan, const struct rule *rule, struct slice what, struct slice zone, unsigned type)
{
	const struct rbl_rule *data = rule->eval.data;
	struct lookup_request request = {
		.type = type,
		.rule = rule,
		.done = rbl_take_answer,
		.context = (void *)(uintptr_t)rule,
	};

	if (data == NULL || (data->filter != NULL && data->filter->is_ignored))
		return false;
	request.name = arena_printf(scan->arena, "%.*s.%.*s", SLICE_FMT(what), SLICE_FMT(zone));
	return request.name.data != NULL && scan_lookup(scan, &request);
}

static bool
is_off(const struct scan *scan)
{
	return scan->core->skip_rbl_checks || !scan_dns_available(scan);
}

static int
ask_about_relays(struct scan *scan, const struct eval_call *call, unsigned type)
{
	const struct rbl_rule *data = call->data;
	struct dnseval_state *state;
	const struct rbl_addresses *addresses;
	bool asked = false;
	size_t i = 0;

	if (is_off(scan) || data == NULL || (state = rbl_state_of(scan)) == NULL ||
	    !state->has_relays ||
	    (addresses = rbl_addresses_of_set(scan, state, data->set)) == NULL)
		return 0;
	/* Those we trust are asked about in lists of the good only. */
	while (!(call->rule->tflags & TFLAG_NICE) && i < addresses->ips.count &&
	       netset_has_text(&scan->env->trusted, addresses->ips.items[i]))
		i++;
	for (; i < addresses->ips.count; i++)
		if (addresses->reversed[i].len > 0 &&
		    ask(scan, call->rule, addresses->reversed[i], data->zone, type))
			asked = true;
	return asked ? EVAL_PENDING : 0;
}

static int
check_rbl(struct scan *scan, const struct eval_call *call)
{
	return ask_about_relays(scan, call, DNS_A);
}

static int
check_rbl_txt(struct scan *scan, const struct eval_call *call)
{
	return ask_about_relays(scan, call, DNS_TXT);
}

/* Asks about a host name or an address; what the tflags exclude or is malformed is not asked. */
static bool
ask_about_host(struct scan *scan, const struct eval_call *call, struct slice host)
{
	const struct rbl_rule *data = call->data;

	if (net_addr_is_text(host)) {
		if (call->rule->tflags & TFLAG_DOMAINS_ONLY)
			return false;
		host = net_addr_reverse(scan->arena, host);
		if (host.len == 0)
			return false;
	} else if ((call->rule->tflags & TFLAG_IPS_ONLY) ||
	           !fqdn_is_valid(scan->arena, host, false) ||
	           !registry_is_valid(&scan->env->registry, scan->arena, host, false)) {
		return false;
	}
	return ask(scan, call->rule, host, data->zone, DNS_A);
}

/* The domain of an address, trimmed of stray dots; data NULL when it has no dot inside. */
static struct slice
domain_of(struct scan *scan, struct slice address)
{
	size_t at = 0, end;
	struct slice domain = SLICE_NULL;
	struct strbuf buf;
	bool has_dot = false;

	while ((at = slice_find_byte(address, '@', at)) != SLICE_NPOS) {
		end = ++at;
		while (end < address.len && address.data[end] != '@' &&
		       !byte_is_space(address.data[end]))
			end++;
		domain = slice_sub(address, at, end - at);
		if (domain.len > 0)
			break;
	}
	while (domain.len > 0 && domain.data[0] == '.')
		domain = slice_from(domain, 1);
	while (domain.len > 0 && domain.data[domain.len - 1] == '.')
		domain.len--;
	strbuf_init(&buf, scan->arena, 0);
	for (size_t i = 0; i < domain.len; i++) {
		bool is_dot = domain.data[i] == '.';

		if (!is_dot || domain.data[i - 1] != '.')
			strbuf_add_byte(&buf, byte_lower(domain.data[i]));
		has_dot = has_dot || is_dot;
	}
	return has_dot ? strbuf_slice(&buf) : SLICE_NULL;
}

static int
ask_about_addresses(struct scan *scan, const struct eval_call *call, const slice_vec *addresses)
{
	struct hashmap seen;
	bool asked = false, added;

	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < addresses->count; i++) {
		struct slice domain = domain_of(scan, addresses->items[i]);

		if (domain.data != NULL && hashmap_put(&seen, domain, &added) != NULL && added &&
		    ask_about_host(scan, call, domain))
			asked = true;
	}
	return asked ? EVAL_PENDING : 0;
}

static int
check_rbl_from_host(struct scan *scan, const struct eval_call *call)
{
	slice_vec addresses;

	if (is_off(scan) || call->data == NULL)
		return 0;
	addresses = scan_from_addrs(scan);
	return ask_about_addresses(scan, call, &addresses);
}

static int
check_rbl_from_domain(struct scan *scan, const struct eval_call *call)
{
	slice_vec addresses, domains = {0};
	struct slice domain, host;

	if (is_off(scan) || call->data == NULL)
		return 0;
	addresses = scan_from_addrs(scan);
	for (size_t i = 0; i < addresses.count; i++)
		if (registry_uri_domain(&scan->env->registry, scan->arena, addresses.items[i],
		                        &domain, &host))
			(void)vec_push(scan->arena, &domains,
			               arena_concat(scan->arena, SLICE("dummy@"), domain));
	return ask_about_addresses(scan, call, &domains);
}

static int
check_rbl_envfrom(struct scan *scan, const struct eval_call *call)
{
	slice_vec addresses;

	if (is_off(scan) || call->data == NULL)
		return 0;
	addresses = scan_header_values(scan, SLICE("EnvelopeFrom:addr"));
	return ask_about_addresses(scan, call, &addresses);
}

static bool
ask_about_header(struct scan *scan, const struct eval_call *call, struct slice header)
{
	struct slice address = scan_header(scan, arena_concat(scan->arena, header, SLICE(":addr")));
	struct slice text, line;
	size_t at = slice_find_byte(address, '@', 0);
	bool asked = false;

	if (at != SLICE_NPOS && at + 1 < address.len) {
		slice_vec one = {0};

		(void)vec_push(scan->arena, &one, address);
		return ask_about_addresses(scan, call, &one) == EVAL_PENDING;
	}
	text = scan_header(scan, header);
	while (slice_next_line(&text, &line)) {
		if (line.len > 0 && line.data[line.len - 1] == '\n')
			line.len--;
		if (ask_about_host(scan, call, line))
			asked = true;
	}
	return asked;
}

static int
check_rbl_headers(struct scan *scan, const struct eval_call *call)
{
	const struct dnseval_settings *settings = call->settings;
	struct slice headers = call->arg_count > 3 ? call->args[3] : settings->rbl_headers, header;
	bool asked = false;

	if (is_off(scan) || call->data == NULL)
		return 0;
	while (slice_next(&headers, ',', &header))
		if (ask_about_header(scan, call, header))
			asked = true;
	return asked ? EVAL_PENDING : 0;
}

/* The relay nearest to the sender: address, who received it, HELO, reverse name. */
static int
check_rbl_rcvd(struct scan *scan, const struct eval_call *call)
{
	const relay_vec *relays = &scan->relays.untrusted;
	struct slice values[4];
	bool asked = false;

	if (is_off(scan) || call->data == NULL || relays->count == 0)
		return 0;
	values[0] = relays->items[relays->count - 1]->ip;
	values[1] = relays->items[relays->count - 1]->by;
	values[2] = relays->items[relays->count - 1]->helo;
	values[3] = relays->items[relays->count - 1]->rdns;
	for (size_t i = 0; i < 4; i++) {
		struct slice host = values[i];
		bool seen = host.len == 0;

		for (size_t k = 0; k < i && !seen; k++)
			seen = slice_eq(values[k], values[i]);
		if (seen)
			continue;
		if (!net_addr_is_text(host) && host.data[host.len - 1] == '.')
			host.len--;
		if (ask_about_host(scan, call, host))
			asked = true;
	}
	return asked ? EVAL_PENDING : 0;
}

/* ---- accreditors ---- */

/* "list@a--NAME.mail.example.com": a third party vouches for the sender. */
static struct slice
accreditor_in_address(struct scan *scan, struct slice address)
{
	for (size_t i = 0; i + 4 < address.len; i++) {
		size_t end = i + 4;

		if ((address.data[i] != '@' && address.data[i] != '.') ||
		    !slice_istarts(slice_from(address, i + 1), SLICE("a--")))
			continue;
		while (end < address.len && byte_is_alnum(address.data[end]))
			end++;
		if (end - i - 4 >= 3 && end < address.len && address.data[end] == '.')
			return arena_dup_lower(scan->arena, slice_sub(address, i + 4, end - i - 4));
	}
	return SLICE_NULL;
}

static void
find_accreditors(struct scan *scan, struct dnseval_state *state)
{
	struct slice found =
		accreditor_in_address(scan, scan_header(scan, SLICE("EnvelopeFrom:addr")));
	struct slice field = scan_header(scan, SLICE("Accreditor")), piece, word;

	state->has_accreditors = true;
	if (found.data != NULL)
		(void)vec_push(scan->arena, &state->accreditors, found);
	while (slice_next(&field, ',', &piece))
		if (slice_next_word(&piece, &word))
			(void)vec_push(scan->arena, &state->accreditors,
			               arena_dup_lower(scan->arena, word));
}

static int
check_rbl_accreditor(struct scan *scan, const struct eval_call *call)
{
	struct dnseval_state *state = rbl_state_of(scan);

	if (is_off(scan) || state == NULL)
		return 0;
	if (!state->has_accreditors)
		find_accreditors(scan, state);
	for (size_t i = 0; i < state->accreditors.count; i++)
		if (slice_eq(state->accreditors.items[i], eval_arg(call, 3)))
			return ask_about_relays(scan, call, DNS_A);
	return 0;
}

/* ---- name servers and mail hosts of the sender ---- */

/* The first envelope sender's domain that has two labels; data NULL: none. */
static struct slice
sender_domain(struct scan *scan)
{
	slice_vec values = scan_header_values(scan, SLICE("EnvelopeFrom:addr"));

	for (size_t i = 0; i < values.count; i++) {
		struct slice domain = domain_of(scan, values.items[i]);

		if (domain.data != NULL)
			return domain;
	}
	return SLICE_NULL;
}

/* The reference looks at the primary server that a zone above the name tells of. */
static void
take_name_server(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct rule *rule = context;
	const struct rbl_rule *data = rule->eval.data;

	if (answer->outcome == DNS_ANSWERED && answer->zone_server.len > 0 &&
	    fqdn_is_valid(scan->arena, answer->zone_server, false))
		(void)ask(scan, rule, answer->zone_server, data->zone, DNS_A);
}

static int
check_rbl_ns_from(struct scan *scan, const struct eval_call *call)
{
	struct lookup_request request = {
		.type = DNS_NS,
		.rule = call->rule,
		.done = take_name_server,
		.context = (void *)(uintptr_t)call->rule,
	};

	if (is_off(scan) || call->data == NULL)
		return 0;
	request.name = sender_domain(scan);
	return request.name.data != NULL && scan_lookup(scan, &request) ? EVAL_PENDING : 0;
}

/* As in the reference only an answer that fails and yet has records counts. */
static void
take_sender(struct scan *scan, void *context, const struct dns_answer *answer)
{
	struct dnseval_state *state = rbl_state_of(scan);

	if (state == NULL || answer->outcome != DNS_ANSWERED ||
	    (answer->rcode != DNS_NXDOMAIN && answer->rcode != DNS_SERVFAIL))
		return;
	for (size_t i = 0; i < answer->record_count; i++)
		if ((answer->records[i].type == DNS_A || answer->records[i].type == DNS_MX) &&
		    ++state->sender_failures == 2)
			scan_hit(scan, context, "DNS: ", 1);
}

static int
check_dns_sender(struct scan *scan, const struct eval_call *call)
{
	struct lookup_request request = {
		.type = DNS_A,
		.rule = call->rule,
		.done = take_sender,
		.context = (void *)(uintptr_t)call->rule,
	};
	struct slice domain;
	bool asked;

	if (is_off(scan))
		return 0;
	domain = sender_domain(scan);
	if (domain.data == NULL)
		return 0;
	request.name = idn_to_ascii(scan->arena, domain);
	asked = scan_lookup(scan, &request);
	request.type = DNS_MX;
	asked = scan_lookup(scan, &request) || asked;
	return asked ? EVAL_PENDING : 0;
}

/* ---- a message ---- */

static void
set_rbl_tag(struct scan *scan)
{
	struct dnseval_state *state = scan_state(scan, &plugin_dnseval);
	struct strbuf buf;

	if (state == NULL || state->seen.count == 0)
		return;
	strbuf_init(&buf, scan->arena, 0);
	for (size_t i = 0; i < state->seen.count; i++) {
		const struct hashmap_entry *entry = &state->seen.entries[i];
		const slice_vec *values = entry->value;

		strbuf_printf(&buf, "%s<dns:%.*s> [", i == 0 ? "" : "\n", SLICE_FMT(entry->key));
		for (size_t k = 0; values != NULL && k < values->count; k++) {
			if (k > 0)
				strbuf_add_cstr(&buf, ", ");
			strbuf_add(&buf, values->items[k]);
		}
		strbuf_add_byte(&buf, ']');
	}
	scan_set_tag(scan, SLICE("RBL"), strbuf_slice(&buf));
}

/* ---- the configuration is read ---- */

static int check_rbl_sub(struct scan *scan, const struct eval_call *call);

static void
add_sub(struct conf_reader *reader, struct dnseval_settings *settings, const struct rule *rule)
{
	const struct rbl_rule *data = rule->eval.data;
	rule_vec *list = hashmap_get(&settings->subs, data->set);

	if (list == NULL) {
		list = arena_new(reader->arena, rule_vec);
		if (list == NULL || !hashmap_set(&settings->subs, data->set, list))
			return;
	}
	(void)vec_push(reader->arena, list, rule);
}

static void
collect_subs(struct conf_reader *reader, void *data)
{
	struct dnseval_settings *settings = data;
	const struct ruleset *rules = conf_rules(reader->conf);

	hashmap_init(&settings->subs, reader->arena);
	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = rules->rules[i];

		if (rule->kind == RULE_RBL_EVAL && rule->eval.eval != NULL &&
		    rule->eval.eval->run == check_rbl_sub && rule->eval.data != NULL)
			add_sub(reader, settings, rule);
	}
}

/* The answers to other rules' questions decide. */
static int
check_rbl_sub(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return EVAL_PENDING;
}

#define AT(field) offsetof(struct dnseval_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "rbl_headers", NULL, CONF_STRING, CONF_PRIV, AT(rbl_headers), "EnvelopeFrom,Reply-To,Disposition-Notification-To,X-WebmailclientIP,X-Source-IP", NULL },
};

static const struct plugin_eval evals[] = {
	{ "check_dns_sender", EVAL_RBL | EVAL_HEADER, check_dns_sender, NULL },
	{ "check_rbl", EVAL_RBL | EVAL_HEADER, check_rbl, rbl_prepare_list },
	{ "check_rbl_accreditor", EVAL_RBL | EVAL_HEADER, check_rbl_accreditor, rbl_prepare_list },
	{ "check_rbl_envfrom", EVAL_RBL | EVAL_HEADER, check_rbl_envfrom, rbl_prepare_list },
	{ "check_rbl_from_domain", EVAL_RBL | EVAL_HEADER, check_rbl_from_domain, rbl_prepare_list },
	{ "check_rbl_from_host", EVAL_RBL | EVAL_HEADER, check_rbl_from_host, rbl_prepare_list },
	{ "check_rbl_headers", EVAL_RBL | EVAL_HEADER, check_rbl_headers, rbl_prepare_list },
	{ "check_rbl_ns_from", EVAL_RBL | EVAL_HEADER, check_rbl_ns_from, rbl_prepare_list },
	{ "check_rbl_rcvd", EVAL_RBL | EVAL_HEADER, check_rbl_rcvd, rbl_prepare_list },
	{ "check_rbl_sub", EVAL_RBL | EVAL_HEADER, check_rbl_sub, rbl_prepare_sub },
	{ "check_rbl_txt", EVAL_RBL | EVAL_HEADER, check_rbl_txt, rbl_prepare_list },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_tflags_domains_only",
	"has_tflags_ips_only",
	NULL,
};

const struct plugin plugin_dnseval = {
	.id = PLUGIN_ID_dnseval,
	.class_name = "Mail::SpamAssassin::Plugin::DNSEval",
	.module =
		{
			.name = "dnseval",
			.settings_size = sizeof(struct dnseval_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.state_size = sizeof(struct dnseval_state),
	.needs_network = true,
	.finish_end = collect_subs,
	.harvested = set_rbl_tag,
};
