/*
 * wlbleval.c - Mail::SpamAssassin::Plugin::WLBLEval: lists of addresses and of hosts
 */
#include "plugins/scan.h"

enum { HOST_LEVELS_MAX = 11 };

/* ---- addresses ---- */

static bool
any_listed(struct scan *scan, const struct addrlist *list, slice_vec addrs)
{
	for (size_t i = 0; !addrlist_is_empty(list) && i < addrs.count; i++)
		if (addrlist_match(list, arena_dup_lower(scan->arena, addrs.items[i])))
			return true;
	return false;
}

static int
from_in_blocklist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return any_listed(scan, &scan->core->blocklist_from, scan_from_addrs(scan));
}

static int
to_in_blocklist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return any_listed(scan, &scan->core->blocklist_to, scan_to_addrs(scan));
}

static int
to_in_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return any_listed(scan, &scan->core->welcomelist_to, scan_to_addrs(scan));
}

static int
to_in_more_spam(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return any_listed(scan, &scan->core->more_spam_to, scan_to_addrs(scan));
}

static int
to_in_all_spam(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return any_listed(scan, &scan->core->all_spam_to, scan_to_addrs(scan));
}

static const struct addrlist *
named_list(struct scan *scan, const struct eval_call *call)
{
	const struct addrlist *list =
		call->arg_count == 0 ? NULL : conf_addrlist(scan->core, call->args[0]);

	if (list == NULL)
		log_warn(scan->log, "eval", "could not find list %.*s",
		         SLICE_FMT(call->arg_count == 0 ? SLICE("") : call->args[0]));
	return list;
}

static int
from_in_list(struct scan *scan, const struct eval_call *call)
{
	const struct addrlist *list = named_list(scan, call);

	return list != NULL && any_listed(scan, list, scan_from_addrs(scan));
}

static int
to_in_list(struct scan *scan, const struct eval_call *call)
{
	const struct addrlist *list = named_list(scan, call);

	return list != NULL && any_listed(scan, list, scan_to_addrs(scan));
}

static int
replyto_in_list(struct scan *scan, const struct eval_call *call)
{
	const struct addrlist *list = named_list(scan, call);
	struct slice addr;

	if (list == NULL)
		return 0;
	addr = scan_header(scan, SLICE("Reply-To:addr"));
	return addr.len > 0 && addrlist_match(list, arena_dup_lower(scan->arena, addr));
}

/* ---- addresses bound to relays ---- */

enum verdict { FORGED = -1, NOT_LISTED = 0, LISTED = 1 };

/* "[IP]", "[1.2.3]", "[net/len]", "[net]/len" against one relay. */
static bool
relay_has_ip(const struct relay *relay, struct slice text, struct arena *arena)
{
	struct netset set;
	struct error error;

	if (relay->ip.len == 0)
		return false;
	if (net_addr_is_text_v4(text))
		return slice_eq(text, relay->ip);
	if (text.len > 0 && slice_span(text, "0123456789.", 0) == SLICE_NPOS) {
		while (text.len > 0 && text.data[text.len - 1] == '.')
			text.len--;
		return slice_starts(relay->ip, text) && relay->ip.len > text.len &&
		       relay->ip.data[text.len] == '.';
	}
	netset_init(&set, arena);
	return netset_add(&set, text, &error) == STATUS_OK && netset_has_text(&set, relay->ip);
}

static bool
relay_matches(const struct relay *relay, struct slice domain, struct arena *arena)
{
	size_t close = domain.len > 0 && domain.data[0] == '[' ? slice_rfind_byte(domain, ']')
	                                                       : SLICE_NPOS;
	struct slice rdns = relay->lc_rdns;

	if (close != SLICE_NPOS)
		return relay_has_ip(relay,
		                    arena_concat(arena, slice_sub(domain, 1, close - 1),
		                                 slice_from(domain, close + 1)),
		                    arena);
	if (!slice_iends(rdns, domain))
		return false;
	return rdns.len == domain.len || rdns.data[rdns.len - domain.len - 1] == '.';
}

struct rcvd_search {
	struct scan *scan;
	enum verdict verdict;
};

/* First untrusted relay; without one all the trusted. */
static bool
any_relay_matches(struct scan *scan, struct slice domain)
{
	const struct relay_list *relays = &scan->relays;

	if (relays->untrusted.count > 0)
		return relay_matches(relays->untrusted.items[0], domain, scan->arena);
	for (size_t i = 0; i < relays->trusted.count; i++)
		if (relay_matches(relays->trusted.items[i], domain, scan->arena))
			return true;
	return false;
}

static bool
try_entry(void *data, const struct addrlist_entry *entry)
{
	struct rcvd_search *search = data;
	const struct conf_words *domains = entry->data;

	for (size_t i = 0; domains != NULL && i < domains->count; i++) {
		if (any_relay_matches(search->scan, domains->items[i])) {
			search->verdict = LISTED;
			return true;
		}
		search->verdict = FORGED;
	}
	return false;
}

static enum verdict
check_rcvd(struct scan *scan, const struct addrlist *list, struct slice addr)
{
	struct rcvd_search search = {scan, NOT_LISTED};

	if (addrlist_is_empty(list) ||
	    scan->relays.untrusted.count + scan->relays.trusted.count == 0)
		return NOT_LISTED;
	addr = arena_dup_lower(scan->arena, addr);
	(void)addrlist_each_match(list, addr, try_entry, &search);
	if (search.verdict == FORGED &&
	    addrlist_match(&scan->core->welcomelist_allows_relays, addr))
		search.verdict = NOT_LISTED;
	return search.verdict;
}

static enum verdict
from_verdict(struct scan *scan, const struct addrlist *plain, const struct addrlist *rcvd)
{
	slice_vec addrs = scan_from_addrs(scan);
	enum verdict found = NOT_LISTED;

	for (size_t i = 0; i < addrs.count; i++) {
		enum verdict verdict;

		if (plain != NULL &&
		    addrlist_match(plain, arena_dup_lower(scan->arena, addrs.items[i])))
			return LISTED;
		verdict = check_rcvd(scan, rcvd, addrs.items[i]);
		if (verdict == LISTED)
			return LISTED;
		if (verdict == FORGED)
			found = FORGED;
	}
	return found;
}

static enum verdict
user_verdict(struct scan *scan)
{
	return from_verdict(scan, &scan->core->welcomelist_from,
	                    &scan->core->welcomelist_from_rcvd);
}

static enum verdict
default_verdict(struct scan *scan)
{
	return from_verdict(scan, NULL, &scan->core->def_welcomelist_from_rcvd);
}

static int
from_in_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return user_verdict(scan) == LISTED;
}

static int
from_in_default(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return default_verdict(scan) == LISTED;
}

static int
forged_in_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return user_verdict(scan) == FORGED && default_verdict(scan) == NOT_LISTED;
}

static int
forged_in_default(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return default_verdict(scan) == FORGED && user_verdict(scan) == NOT_LISTED;
}

static int
mailfrom_matches_rcvd(struct scan *scan, const struct eval_call *call)
{
	struct slice sender = scan_header(scan, SLICE("EnvelopeFrom:addr")), host, unused, domain;
	const struct relay_list *relays = &scan->relays;
	const relay_vec *list = relays->untrusted.count > 0 ? &relays->untrusted : &relays->trusted;
	size_t at = slice_rfind_byte(sender, '@'),
	       count = relays->untrusted.count > 0 ? 1 : list->count;

	(void)call;
	if (at == SLICE_NPOS)
		return 0;
	host = arena_dup_lower(scan->arena, slice_from(sender, at + 1));
	at = slice_find_byte(host, '.', 1);
	if (at == SLICE_NPOS || at + 1 == host.len)
		return 0;
	registry_split(&scan->env->registry, scan->arena, host, false, &unused, &domain);
	for (size_t i = 0; i < count; i++) {
		struct slice rdns = list->items[i]->lc_rdns, other;

		if (rdns.len == 0)
			continue;
		registry_split(&scan->env->registry, scan->arena, rdns, false, &unused, &other);
		if (slice_eq(domain, other))
			return 1;
	}
	return 0;
}

/* ---- hosts of URIs ---- */

/* What the list says of a host or the nearest parent it knows, *match_r: "1", "0", data NULL:
 * nothing. */
static struct slice
host_entry(struct scan *scan, struct slice list, struct slice host, struct slice *match_r)
{
	size_t dots = 0, prefix = list.len + 1;
	bool literal = false;
	unsigned char *key; /* the list's name in front of the host, then of its parents */

	if (host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']') {
		host = slice_sub(host, 1, host.len - 2);
		literal = true;
	}
	literal |= net_addr_is_text_v4(host);
	for (size_t i = 0; i < host.len; i++)
		dots += host.data[i] == '.';
	key = arena_bytes(scan->arena, prefix + host.len);
	if (key == NULL)
		return SLICE_NULL;
	memcpy(key + prefix, host.data, host.len);
	for (;;) {
		struct slice value = SLICE_NULL;
		size_t dot = slice_find_byte(host, '.', 0);

		memcpy(key, list.data, list.len);
		key[list.len] = ' ';
		if (dots < HOST_LEVELS_MAX || literal)
			value = conf_table_get(&scan->core->uri_hosts,
			                       slice_of(key, prefix + host.len));
		*match_r = host;
		if (value.data != NULL || literal || dot == SLICE_NPOS)
			return value;
		host = slice_from(host, dot + 1);
		key += dot + 1;
		dots--;
	}
}

static int
uri_host_in(struct scan *scan, const struct rule *rule, struct slice list)
{
	const struct uri_list *uris;

	if (conf_table_get(&scan->core->uri_host_lists, list).data == NULL ||
	    (uris = scan_uris(scan)) == NULL)
		return 0;
	for (size_t i = 0; i < uris->uris.count; i++) {
		const struct uri_info *uri = uris->uris.items[i];

		if (slice_istarts(uri->raw, SLICE("mailto:")))
			continue;
		for (size_t h = 0; h < uri->hosts.count; h++) {
			struct slice host = uri->hosts.items[h].host, match;

			if (host.len == 0 ||
			    !slice_eq(host_entry(scan, list, host, &match), SLICE("1")))
				continue;
			scan_test_log(scan, rule,
			              slice_eq(match, host)
			                      ? arena_concat(scan->arena, SLICE("URI: "), host)
			                      : arena_printf(scan->arena, "URI: %.*s (%.*s)",
			                                     SLICE_FMT(host), SLICE_FMT(match)));
			return 1;
		}
	}
	return 0;
}

static int
uri_host_listed(struct scan *scan, const struct eval_call *call)
{
	return call->arg_count > 0 && uri_host_in(scan, call->rule, call->args[0]);
}

static int
uri_host_in_blocklist(struct scan *scan, const struct eval_call *call)
{
	return uri_host_in(scan, call->rule, SLICE("BLOCK"));
}

static int
uri_host_in_welcomelist(struct scan *scan, const struct eval_call *call)
{
	return uri_host_in(scan, call->rule, SLICE("WELCOME"));
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_forged_in_default_welcomelist", EVAL_HEADER, forged_in_default, NULL },
	{ "check_forged_in_default_whitelist", EVAL_HEADER, forged_in_default, NULL },
	{ "check_forged_in_welcomelist", EVAL_HEADER, forged_in_welcomelist, NULL },
	{ "check_forged_in_whitelist", EVAL_HEADER, forged_in_welcomelist, NULL },
	{ "check_from_in_blacklist", EVAL_HEADER, from_in_blocklist, NULL },
	{ "check_from_in_blocklist", EVAL_HEADER, from_in_blocklist, NULL },
	{ "check_from_in_default_welcomelist", EVAL_HEADER, from_in_default, NULL },
	{ "check_from_in_default_whitelist", EVAL_HEADER, from_in_default, NULL },
	{ "check_from_in_list", EVAL_HEADER, from_in_list, NULL },
	{ "check_from_in_welcomelist", EVAL_HEADER, from_in_welcomelist, NULL },
	{ "check_from_in_whitelist", EVAL_HEADER, from_in_welcomelist, NULL },
	{ "check_mailfrom_matches_rcvd", EVAL_HEADER, mailfrom_matches_rcvd, NULL },
	{ "check_replyto_in_list", EVAL_HEADER, replyto_in_list, NULL },
	{ "check_to_in_all_spam", EVAL_HEADER, to_in_all_spam, NULL },
	{ "check_to_in_blacklist", EVAL_HEADER, to_in_blocklist, NULL },
	{ "check_to_in_blocklist", EVAL_HEADER, to_in_blocklist, NULL },
	{ "check_to_in_list", EVAL_HEADER, to_in_list, NULL },
	{ "check_to_in_more_spam", EVAL_HEADER, to_in_more_spam, NULL },
	{ "check_to_in_welcomelist", EVAL_HEADER, to_in_welcomelist, NULL },
	{ "check_to_in_whitelist", EVAL_HEADER, to_in_welcomelist, NULL },
	{ "check_uri_host_in_blacklist", EVAL_ANY, uri_host_in_blocklist, NULL },
	{ "check_uri_host_in_blocklist", EVAL_ANY, uri_host_in_blocklist, NULL },
	{ "check_uri_host_in_welcomelist", EVAL_ANY, uri_host_in_welcomelist, NULL },
	{ "check_uri_host_in_whitelist", EVAL_ANY, uri_host_in_welcomelist, NULL },
	{ "check_uri_host_listed", EVAL_HEADER, uri_host_listed, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_wlbleval = {
	.id = PLUGIN_ID_wlbleval,
	.class_name = "Mail::SpamAssassin::Plugin::WLBLEval",
	.module = {.name = "wlbleval"},
	.evals = evals,
};
