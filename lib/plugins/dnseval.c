/*
 * dnseval.c - Mail::SpamAssassin::Plugin::DNSEval: lists of addresses in DNS
 *
 * The evals only ask; answers hit the rule that asked and the check_rbl_sub rules of the same set.
 * Which relays a set asks about
 * is in the end of its name (-lastexternal, -firsttrusted ...).  Source: DNSEval.pm, Dns.pm of
 * 4.0.1.
 */
#include "mail/registry.h"
#include "net/addr.h"
#include "net/netset.h"
#include "plugins/args.h"
#include "plugins/dnslist.h"
#include "util/strbuf.h"

enum { MAX_RELAYS_ASKED = 9 };

struct rbl_filter {
	bool is_ignored;           /* SenderBase rules */
	const struct regex *regex; /* NULL: by number or text */
	bool is_mask;
	unsigned long long mask;
	struct slice text;
};

/* What prepare makes of the arguments: set, zone, filter. */
struct rbl_rule {
	struct slice set, zone;
	const struct rbl_filter *filter; /* NULL: any address of 127/8 */
};

typedef VEC(const struct rule *) rule_vec;

struct dnseval_settings {
	struct slice rbl_headers;
	struct hashmap subs; /* set -> rule_vec * of check_rbl_sub */
};

struct rbl_addresses {
	slice_vec ips;
	struct slice *reversed; /* of each, on first use */
};

struct dnseval_state {
	bool has_relays, has_accreditors;
	slice_vec external;    /* not internal */
	slice_vec untrusted;   /* public ones, each once */
	slice_vec originating; /* of headers that name the client */
	struct hashmap sets;   /* set -> struct rbl_addresses * */
	slice_vec accreditors;
	unsigned sender_failures;
	/* for _RBL_: "dns:name?type=TXT" -> slice_vec * */
	struct hashmap seen;
};

/* ---- arguments ---- */

/* Digits, or a dotted quad without a check of its numbers. */
static bool
is_number_or_quad(struct slice text, bool *is_quad_r)
{
	unsigned dots = 0;
	bool digit = false;

	for (size_t i = 0; i < text.len; i++) {
		if (byte_is_digit(text.data[i])) {
			digit = true;
		} else if (text.data[i] == '.' && digit && i + 1 < text.len) {
			dots++;
			digit = false;
		} else {
			return false;
		}
	}
	*is_quad_r = dots == 3;
	return digit && (dots == 0 || dots == 3);
}

static const struct rbl_filter *
parse_filter(struct conf_reader *reader, struct slice text, struct error *error)
{
	struct rbl_filter *filter = arena_new(reader->arena, struct rbl_filter);
	bool is_quad;

	if (filter == NULL) {
		error_set(error, STATUS_LIMIT, "no memory");
		return NULL;
	}
	filter->text = text;
	if (slice_starts(text, SLICE("sb:"))) {
		filter->is_ignored = true;
	} else if (is_number_or_quad(text, &is_quad)) {
		filter->is_mask = !is_quad && slice_to_u64(text, ~0ULL, &filter->mask);
	} else {
		filter->regex = regex_create(reader->arena, text, 0, error);
		if (filter->regex == NULL)
			return NULL;
	}
	return filter;
}

static enum status
prepare(struct conf_reader *reader, struct rule_eval *eval, size_t filter_index,
        struct error *error)
{
	struct rbl_rule *data = arena_new(reader->arena, struct rbl_rule);
	const slice_vec *args = &eval->args;

	if (data == NULL)
		return error_set(error, STATUS_BAD, "no memory");
	if (args->count > 0)
		data->set = args->items[0];
	if (args->count > 1 && filter_index > 1)
		data->zone = args->items[1];
	while (data->zone.len > 0 && data->zone.data[data->zone.len - 1] == '.')
		data->zone.len--;
	if (args->count > filter_index) {
		data->filter = parse_filter(reader, args->items[filter_index], error);
		if (data->filter == NULL)
			return STATUS_BAD;
		if (data->filter->is_ignored)
			log_warn(reader->log, "dnseval",
			         "ignored %.*s, SenderBase rules are deprecated",
			         SLICE_FMT(eval->function));
	}
	eval->data = data;
	return STATUS_OK;
}

static enum status
prepare_list(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	return prepare(reader, eval, 2, error);
}

static enum status
prepare_sub(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	if (eval->args.count < 2)
		return error_set(error, STATUS_BAD, "missing subtest");
	return prepare(reader, eval, 1, error);
}

static bool
filter_matches(struct scan *scan, const struct rbl_filter *filter, struct slice text)
{
	unsigned long long number;

	if (filter == NULL)
		return true;
	if (filter->is_ignored)
		return false;
	if (filter->regex != NULL)
		return regex_is_match(filter->regex, scan_regex_scratch(scan), text);
	if (filter->is_mask)
		return dnslist_is_loopback(text) && dnslist_number(text, &number) &&
		       (number & filter->mask) != 0;
	return slice_eq(filter->text, text);
}

/* ---- which relays ---- */

static void
add_public(struct scan *scan, slice_vec *list, struct hashmap *seen, const slice_vec *from)
{
	bool added;

	for (size_t i = 0; i < from->count; i++) {
		if (perl_is_false(from->items[i]) ||
		    hashmap_put(seen, from->items[i], &added) == NULL || !added ||
		    net_addr_is_private(from->items[i]))
			continue;
		(void)vec_push(scan->arena, list, from->items[i]);
	}
}

/* Public addresses of one or two lists, each once. */
static slice_vec
public_of(struct scan *scan, const slice_vec *first, const slice_vec *second)
{
	slice_vec list = {0};
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	add_public(scan, &list, &seen, first);
	if (second != NULL)
		add_public(scan, &list, &seen, second);
	return list;
}

static void
find_originating(struct scan *scan, struct dnseval_state *state)
{
	const struct conf_words *headers = &scan->core->originating_ip_headers;

	for (size_t i = 0; i < headers->count; i++) {
		struct slice text = scan_header(scan, headers->items[i]);
		size_t at = 0, len;

		while (at < text.len) {
			len = net_addr_scan(text, at);
			if (len > 0)
				(void)vec_push(scan->arena, &state->originating,
				               slice_sub(text, at, len));
			at += len > 0 ? len : 1;
		}
	}
}

static void
find_relays(struct scan *scan, struct dnseval_state *state)
{
	const struct relay_list *relays = &scan->relays;
	slice_vec untrusted = {0};

	for (size_t i = 0; i < relays->trusted.count; i++)
		if (!relays->trusted.items[i]->internal)
			(void)vec_push(scan->arena, &state->external, relays->trusted.items[i]->ip);
	for (size_t i = 0; i < relays->untrusted.count; i++) {
		(void)vec_push(scan->arena, &untrusted, relays->untrusted.items[i]->ip);
		(void)vec_push(scan->arena, &state->external, relays->untrusted.items[i]->ip);
	}
	find_originating(scan, state);
	state->untrusted = public_of(scan, &untrusted, NULL);
	state->has_relays = state->untrusted.count + state->originating.count > 0;
}

static slice_vec
with_originating(struct scan *scan, const struct dnseval_state *state)
{
	slice_vec others = {0};

	for (size_t i = 0; i < state->originating.count; i++)
		if (!perl_is_false(state->originating.items[i]) &&
		    !netset_has_text(&scan->env->trusted, state->originating.items[i]))
			(void)vec_push(scan->arena, &others, state->originating.items[i]);
	return public_of(scan, &state->untrusted, &others);
}

static void
keep_first(slice_vec *list)
{
	if (list->count > 1)
		list->count = 1;
}

static slice_vec
relays_of_set(struct scan *scan, const struct dnseval_state *state, struct slice set)
{
	slice_vec list;

	if (slice_ends(set, SLICE("-lastexternal"))) {
		list = public_of(scan, &state->external, NULL);
		keep_first(&list);
	} else if (slice_ends(set, SLICE("-notfirsthop"))) {
		list = public_of(scan, &state->external, NULL);
		if (list.count > 1)
			list.count--;
	} else if (slice_ends(set, SLICE("-firsttrusted"))) {
		list = with_originating(scan, state);
		keep_first(&list);
	} else if (slice_ends(set, SLICE("-untrusted"))) {
		list = with_originating(scan, state);
		if (list.count > 0) {
			list.items++;
			list.count--;
		}
	} else {
		list = with_originating(scan, state);
		for (size_t i = 0; i < list.count / 2; i++) {
			struct slice other = list.items[list.count - 1 - i];

			list.items[list.count - 1 - i] = list.items[i];
			list.items[i] = other;
		}
	}
	if (list.count > MAX_RELAYS_ASKED)
		list.count = MAX_RELAYS_ASKED;
	return list;
}

static const struct rbl_addresses *
addresses_of_set(struct scan *scan, struct dnseval_state *state, struct slice set)
{
	struct rbl_addresses *addresses = hashmap_get(&state->sets, set);

	if (addresses != NULL)
		return addresses;
	addresses = arena_new(scan->arena, struct rbl_addresses);
	if (addresses == NULL)
		return NULL;
	addresses->ips = relays_of_set(scan, state, set);
	addresses->reversed = arena_new_array(scan->arena, struct slice, addresses->ips.count + 1);
	if (addresses->reversed == NULL)
		return NULL;
	for (size_t i = 0; i < addresses->ips.count; i++)
		addresses->reversed[i] = net_addr_reverse(scan->arena, addresses->ips.items[i]);
	(void)hashmap_set(&state->sets, set, addresses);
	return addresses;
}

static struct dnseval_state *
state_of(struct scan *scan)
{
	struct dnseval_state *state = scan_state(scan, &plugin_dnseval);

	if (state != NULL && state->sets.arena == NULL) {
		hashmap_init(&state->sets, scan->arena);
		hashmap_init(&state->seen, scan->arena);
		find_relays(scan, state);
	}
	return state;
}

/* ---- answers ---- */

/* Text of a record as a zone file has it, for _RBL_. */
static void
remember(struct scan *scan, const struct dns_answer *answer, struct slice text)
{
	struct dnseval_state *state = state_of(scan);
	struct slice key;
	slice_vec *values;

	if (state == NULL)
		return;
	key = answer->type == DNS_A
	              ? answer->name
	              : arena_printf(scan->arena, "%.*s?type=%.*s", SLICE_FMT(answer->name),
	                             SLICE_FMT(dns_type_name(scan->arena, answer->type)));
	values = hashmap_get(&state->seen, key);
	if (values == NULL) {
		values = arena_new(scan->arena, slice_vec);
		if (values == NULL || !hashmap_set(&state->seen, key, values))
			return;
	}
	for (size_t i = 0; i < values->count; i++)
		if (slice_eq(values->items[i], text))
			return;
	(void)vec_push(scan->arena, values, text);
	log_debug(scan->log, "dns", "hit <dns:%.*s> %.*s", SLICE_FMT(key),
	          SLICE_FMT(log_quote(scan->arena, text, 500)));
}

/* http(s) addresses in angle brackets, so that a reader can follow them. */
static struct slice
bracket_links(struct arena *arena, struct slice text)
{
	struct strbuf buf;
	size_t at = 0;

	strbuf_init(&buf, arena, 0);
	while (at < text.len) {
		struct slice rest = slice_from(text, at);
		size_t scheme = slice_istarts(rest, SLICE("http://"))    ? 7
		                : slice_istarts(rest, SLICE("https://")) ? 8
		                                                         : 0;
		size_t len = scheme;
		bool opened = at > 0 && strchr("<([", text.data[at - 1]) != NULL &&
		              text.data[at - 1] != 0;

		while (scheme > 0 && len < rest.len && !byte_is_space(rest.data[len]))
			len++;
		if (scheme == 0 || len == scheme || opened) {
			strbuf_add_byte(&buf, text.data[at++]);
			continue;
		}
		strbuf_add_byte(&buf, '<');
		strbuf_add(&buf, slice_sub(rest, 0, len));
		strbuf_add_byte(&buf, '>');
		at += len;
	}
	return strbuf_slice(&buf);
}

/* "5.4.3.2." of "5.4.3.2.list" or the 32 nibbles of an IPv6 address: length, else 0. */
static size_t
reversed_v4(struct slice name)
{
	size_t at = 0;

	for (int part = 0; part < 4; part++) {
		size_t begin = at;

		while (at < name.len && byte_is_digit(name.data[at]))
			at++;
		if (at == begin || at == name.len || name.data[at] != '.')
			return 0;
		at++;
	}
	return at;
}

static size_t
reversed_v6(struct slice name)
{
	if (name.len < 64)
		return 0;
	for (size_t i = 0; i < 64; i += 2)
		if (!byte_is_xdigit(name.data[i]) || name.data[i + 1] != '.')
			return 0;
	return 64;
}

/* Groups of four, without up to three leading zeros but in the first group. */
static struct slice
v6_text(struct arena *arena, struct slice reversed)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t group = 0; group < 8; group++) {
		size_t digit = 0;

		if (group > 0)
			strbuf_add_byte(&buf, ':');
		while (group > 0 && digit < 3 && reversed.data[62 - 8 * group - 2 * digit] == '0')
			digit++;
		for (; digit < 4; digit++)
			strbuf_add_byte(&buf,
			                byte_lower(reversed.data[62 - 8 * group - 2 * digit]));
	}
	return strbuf_slice(&buf);
}

static struct slice
v4_text(struct arena *arena, struct slice reversed)
{
	struct slice parts[4] = {{0}};
	struct slice rest = reversed;

	for (int i = 3; i >= 0; i--)
		(void)slice_next(&rest, '.', &parts[i]);
	return arena_printf(arena, "%.*s.%.*s.%.*s.%.*s", SLICE_FMT(parts[0]), SLICE_FMT(parts[1]),
	                    SLICE_FMT(parts[2]), SLICE_FMT(parts[3]));
}

static struct slice
listed_text(struct arena *arena, struct slice name)
{
	struct slice lower = arena_dup_lower(arena, name);
	size_t v6 = reversed_v6(lower), v4 = reversed_v4(lower);

	if (v6 > 0 && lower.len > v6 + 1)
		return arena_printf(arena, "%.*s listed in %.*s", SLICE_FMT(v6_text(arena, lower)),
		                    SLICE_FMT(slice_from(lower, v6)));
	if (v4 > 0 && lower.len > v4 + 1)
		return arena_printf(arena, "%.*s listed in %.*s", SLICE_FMT(v4_text(arena, lower)),
		                    SLICE_FMT(slice_from(lower, v4)));
	return arena_printf(arena, "listed in %.*s", SLICE_FMT(lower));
}

static void
hit(struct scan *scan, const struct rule *rule, const struct dns_answer *answer,
    const struct dns_record *record, struct slice text)
{
	if (!slice_starts(rule->name, SLICE("__"))) {
		struct slice line = record->type == DNS_TXT
		                            ? bracket_links(scan->arena, text)
		                            : listed_text(scan->arena, answer->name);

		if (line.len > 0)
			scan_test_log(scan, rule, line);
	}
	if (scan_has_hit(scan, rule))
		return;
	log_debug(scan->log, "dns", "rbl rule %.*s hit", SLICE_FMT(rule->name));
	scan_hit(scan, rule, "RBL: ", 1);
}

static void
hit_subs(struct scan *scan, struct slice set, const struct dns_answer *answer,
         const struct dns_record *record, struct slice text)
{
	const struct dnseval_settings *settings = plugin_settings(scan->conf, &plugin_dnseval);
	const rule_vec *subs = hashmap_get(&settings->subs, set);

	for (size_t i = 0; subs != NULL && i < subs->count; i++) {
		const struct rule *rule = scan->rules->rules[subs->items[i]->number];
		const struct rbl_rule *data = rule->eval.data;

		if (data != NULL && scan_rule_score(scan, rule) != 0 && !scan_has_hit(scan, rule) &&
		    filter_matches(scan, data->filter, text))
			hit(scan, rule, answer, record, text);
	}
}

static void
take_answer(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct rule *rule = context;
	const struct rbl_rule *data = rule->eval.data;

	for (size_t i = 0; i < answer->record_count; i++) {
		const struct dns_record *record = &answer->records[i];
		struct slice text = dnslist_text(record);

		if (answer->outcome != DNS_ANSWERED)
			return;
		remember(scan, answer, text.data == NULL ? record->text : text);
		if ((record->type != DNS_A && record->type != DNS_TXT) ||
		    (record->type == DNS_A && !dnslist_is_loopback(text)))
			continue;
		if (filter_matches(scan, data->filter, text))
			hit(scan, rule, answer, record, text);
		hit_subs(scan, data->set, answer, record, text);
	}
}

/* ---- questions ---- */

/* true: asked. */
static bool
ask(struct scan *scan, const struct rule *rule, struct slice what, struct slice zone, unsigned type)
{
	const struct rbl_rule *data = rule->eval.data;
	struct lookup_request request = {
		.type = type,
		.rule = rule,
		.done = take_answer,
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

	if (is_off(scan) || data == NULL || (state = state_of(scan)) == NULL ||
	    !state->has_relays || (addresses = addresses_of_set(scan, state, data->set)) == NULL)
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
	struct dnseval_state *state = state_of(scan);

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
	struct dnseval_state *state = state_of(scan);

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
	{ "check_rbl", EVAL_RBL | EVAL_HEADER, check_rbl, prepare_list },
	{ "check_rbl_accreditor", EVAL_RBL | EVAL_HEADER, check_rbl_accreditor, prepare_list },
	{ "check_rbl_envfrom", EVAL_RBL | EVAL_HEADER, check_rbl_envfrom, prepare_list },
	{ "check_rbl_from_domain", EVAL_RBL | EVAL_HEADER, check_rbl_from_domain, prepare_list },
	{ "check_rbl_from_host", EVAL_RBL | EVAL_HEADER, check_rbl_from_host, prepare_list },
	{ "check_rbl_headers", EVAL_RBL | EVAL_HEADER, check_rbl_headers, prepare_list },
	{ "check_rbl_ns_from", EVAL_RBL | EVAL_HEADER, check_rbl_ns_from, prepare_list },
	{ "check_rbl_rcvd", EVAL_RBL | EVAL_HEADER, check_rbl_rcvd, prepare_list },
	{ "check_rbl_sub", EVAL_RBL | EVAL_HEADER, check_rbl_sub, prepare_sub },
	{ "check_rbl_txt", EVAL_RBL | EVAL_HEADER, check_rbl_txt, prepare_list },
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
