/*
 * relayeval.c - Mail::SpamAssassin::Plugin::RelayEval: facts of the relays
 */
#include "plugins/scan.h"
#include "util/strbuf.h"

enum { PATTERN_IP_HELO, PATTERN_DOMAIN, PATTERN_DOTCOM };

static const char *const patterns[] = {
	[PATTERN_IP_HELO] = "(?i)\\bhelo=((?:1\\d\\d|2[0-4]\\d|25[0-5]|\\d\\d|\\d)(?:\\.(?:1\\d\\d|"
			    "2[0-4]\\d|25[0-5]|"
			    "\\d\\d|\\d)){3})(?=[\\x00-\\x20,;\\[()<>]|\\z)",
	[PATTERN_DOMAIN] = "^\\w+(?:[\\w.-]+\\.)+\\w+$",
	[PATTERN_DOTCOM] =
		"(?i)(?:\\.|^)(lycos\\.com|lycos\\.co\\.uk|hotmail\\.com|localhost\\.com|excite\\."
		"com|"
		"caramail\\.com|cs\\.com|aol\\.com|msn\\.com|yahoo\\.com|drizzle\\.com)$",
};

struct relay_state {
	bool forged_done;
	unsigned mismatch_from, mismatch_ip_helo;
};

static int
numeric_helo(struct scan *scan, const struct eval_call *call)
{
	struct slice ip;

	(void)call;
	/* the first one decides, as in the reference */
	return scan_pattern_group(scan, &plugin_relayeval, PATTERN_IP_HELO,
	                          scan->relays.untrusted_string, 1, &ip) &&
	       !net_addr_is_private(ip);
}

static int
illegal_ip(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	log_debug(scan->log, "eval",
	          "check_for_illegal_ip is no longer available, update your rules");
	return 0;
}

/* Length of "a.b.c." at the start. */
static size_t
class_c_len(struct slice ip)
{
	size_t at = 0;

	for (int i = 0; i < 3; i++) {
		at = slice_find_byte(ip, '.', at);
		if (at == SLICE_NPOS)
			return 0;
		at++;
	}
	return at;
}

static int
helo_ip_mismatch(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	for (size_t i = 0; i < scan->relays.untrusted.count; i++) {
		const struct relay *r = scan->relays.untrusted.items[i];

		if (!net_addr_is_text_v4(r->helo) || net_addr_is_private(r->helo) ||
		    !net_addr_is_text_v4(r->ip) || net_addr_is_private(r->ip) ||
		    slice_eq(r->helo, r->ip))
			continue;
		if (!slice_starts(r->ip, slice_sub(r->helo, 0, class_c_len(r->helo))))
			return 1;
	}
	return 0;
}

static int
all_trusted(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return scan->relays.trusted.count > 0 && scan->relays.untrusted.count == 0 &&
	       scan->relays.unparseable == 0;
}

static int
no_relays(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return scan->relays.trusted.count == 0 && scan->relays.untrusted.count == 0 &&
	       scan->relays.unparseable == 0;
}

static int
relays_unparseable(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return scan->relays.unparseable > 0;
}

static int
sender_no_reverse(struct scan *scan, const struct eval_call *call)
{
	const relay_vec *untrusted = &scan->relays.untrusted;
	const struct relay *last;

	(void)call;
	if (untrusted->count == 0)
		return 0;
	last = untrusted->items[untrusted->count - 1];
	return slice_has_byte(last->rdns, '.') && !last->ip_private;
}

/* The domain at `at`, ASCII case ignored when `nocase`; its dots match any byte unless `literal`.
 */
static bool
domain_is_at(struct slice text, size_t at, struct slice domain, bool literal, bool nocase)
{
	if (at + domain.len > text.len ||
	    (at > 0 ? byte_is_word(text.data[at - 1]) : 0) == byte_is_word(domain.data[0]))
		return false;
	for (size_t k = 0; k < domain.len; k++) {
		unsigned char a = text.data[at + k], b = domain.data[k];

		if (nocase)
			a = byte_lower(a), b = byte_lower(b);
		if (a != b && (literal || b != '.'))
			return false;
	}
	return true;
}

static bool
has_domain(struct slice text, struct slice domain)
{
	for (size_t i = 0; i + domain.len <= text.len; i++)
		if (domain_is_at(text, i, domain, true, true))
			return true;
	return false;
}

/* A field "NAME=word" of a relay record whose word ends in the domain, from `from` on; offset after
 * it. */
static size_t
find_field(struct slice text, const char *name, struct slice domain, size_t from)
{
	struct slice key = slice_from_cstr(name);

	for (size_t at = slice_find(text, key, from); at != SLICE_NPOS;
	     at = slice_find(text, key, at + 1)) {
		size_t start = at + key.len, end = start;

		while (end < text.len && !byte_is_space(text.data[end]))
			end++;
		if (end < text.len && text.data[end] == ' ' && end - start >= domain.len &&
		    domain_is_at(slice_sub(text, start, end - start), end - start - domain.len,
		                 domain, false, false))
			return end;
	}
	return SLICE_NPOS;
}

/* " rdns=...DOMAIN ... by=...DOMAIN " within one record */
static bool
passes_through(struct slice record, struct slice domain)
{
	size_t at = find_field(record, " rdns=", domain, 0);

	return at != SLICE_NPOS && find_field(record, "by=", domain, at) != SLICE_NPOS;
}

static int
from_domain_in_received(struct scan *scan, const struct eval_call *call)
{
	struct slice from = scan_header(scan, SLICE("From:addr")), domain, desired;
	const relay_vec *lists[] = {&scan->relays.trusted, &scan->relays.untrusted};
	bool passes = false;

	if (call->arg_count < 2)
		return 0;
	domain = call->args[0];
	desired = call->args[1];
	if (domain.len == 0 || !has_domain(from, domain))
		return 0;
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l]->count; i++)
			passes |= passes_through(lists[l]->items[i]->as_string, domain);
	return passes == slice_eq(desired, SLICE("true"));
}

/* The part after which a host belongs to somebody, by rule of thumb; addresses stay. */
static struct slice
host_domain(struct slice host)
{
	size_t dots = 0, keep, last;
	bool has_alpha = false, long_tail;

	for (size_t i = 0; i < host.len; i++) {
		dots += host.data[i] == '.';
		has_alpha |= byte_is_alpha(host.data[i]);
	}
	if (!has_alpha)
		return host;
	/* empty parts at the end do not count */
	while (host.len > 0 && host.data[host.len - 1] == '.') {
		host.len--;
		dots--;
	}
	last = slice_rfind_byte(host, '.');
	if (last == SLICE_NPOS)
		return host;
	long_tail = host.len - last - 1 >= 3 || slice_ends(host, SLICE("ie")) ||
	            slice_ends(host, SLICE("fr")) || slice_ends(host, SLICE("de"));
	if (!long_tail && dots < 2)
		return host;
	keep = long_tail ? 2 : 3;
	for (size_t i = host.len; i-- > 0;)
		if (host.data[i] == '.' && --keep == 0)
			return slice_from(host, i + 1);
	return host;
}

static bool
is_quad(struct slice s)
{
	unsigned dots = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] == '.') {
			if (i == 0 || s.data[i - 1] == '.')
				return false;
			dots++;
		} else if (!byte_is_digit(s.data[i])) {
			return false;
		}
	}
	return dots == 3 && s.data[s.len - 1] != '.';
}

static struct slice
class_b(struct slice ip)
{
	size_t at = slice_find_byte(ip, '.', 0);

	return slice_sub(ip, 0, slice_find_byte(ip, '.', at + 1));
}

static void
look_for_forgery(struct scan *scan, struct relay_state *state)
{
	const relay_vec *relays = &scan->relays.untrusted;
	struct slice previous = SLICE_NULL;

	state->forged_done = true;
	for (size_t i = 0; i < relays->count; i++) {
		const struct relay *r = relays->items[i];
		struct slice by = host_domain(r->lc_by), from = host_domain(r->lc_rdns),
			     helo = host_domain(r->lc_helo);
		bool local = (slice_eq(from, SLICE("localhost")) ||
		              slice_eq(from, SLICE("localhost.localdomain"))) &&
		             slice_eq(r->ip, SLICE("127.0.0.1"));
		struct slice before = previous;

		previous = from;
		if (!scan_pattern(scan, &plugin_relayeval, PATTERN_DOMAIN, by))
			continue;
		if (local)
			previous = SLICE_NULL;
		if (is_quad(helo) && is_quad(r->ip) && !slice_eq(r->ip, helo) &&
		    !slice_eq(class_b(helo), class_b(r->ip)) && !net_addr_is_private(helo))
			state->mismatch_ip_helo++;
		if (i > 0 && before.data != NULL &&
		    scan_pattern(scan, &plugin_relayeval, PATTERN_DOMAIN, before) &&
		    !slice_eq(by, before) &&
		    !(slice_eq(by, SLICE("msn.com")) && slice_eq(before, SLICE("hotmail.com"))))
			state->mismatch_from++;
	}
}

static struct relay_state *
forgery(struct scan *scan)
{
	struct relay_state *state = scan_state(scan, &plugin_relayeval);

	if (state != NULL && !state->forged_done)
		look_for_forgery(scan, state);
	return state;
}

static int
forged_trail(struct scan *scan, const struct eval_call *call)
{
	const struct relay_state *state = forgery(scan);

	(void)call;
	return state != NULL && state->mismatch_from > 1;
}

static int
forged_ip_helo(struct scan *scan, const struct eval_call *call)
{
	const struct relay_state *state = forgery(scan);

	(void)call;
	return state != NULL && state->mismatch_ip_helo > 0;
}

static int
no_rdns_dotcom_helo(struct scan *scan, const struct eval_call *call)
{
	int hit = 0;

	(void)call;
	/* the last relay that counts decides */
	for (size_t i = 0; i < scan->relays.untrusted.count; i++) {
		const struct relay *r = scan->relays.untrusted.items[i];

		if (!r->ip_private)
			hit = r->no_reverse_dns &&
			      scan_pattern(scan, &plugin_relayeval, PATTERN_DOTCOM, r->helo);
	}
	return hit;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_all_trusted", EVAL_ANY, all_trusted, NULL },
	{ "check_for_forged_received_ip_helo", EVAL_ANY, forged_ip_helo, NULL },
	{ "check_for_forged_received_trail", EVAL_ANY, forged_trail, NULL },
	{ "check_for_from_domain_in_received_headers", EVAL_HEADER, from_domain_in_received, NULL },
	{ "check_for_illegal_ip", EVAL_ANY, illegal_ip, NULL },
	{ "check_for_no_rdns_dotcom_helo", EVAL_ANY, no_rdns_dotcom_helo, NULL },
	{ "check_for_numeric_helo", EVAL_ANY, numeric_helo, NULL },
	{ "check_for_sender_no_reverse", EVAL_ANY, sender_no_reverse, NULL },
	{ "check_no_relays", EVAL_ANY, no_relays, NULL },
	{ "check_relays_unparseable", EVAL_ANY, relays_unparseable, NULL },
	{ "helo_ip_mismatch", EVAL_ANY, helo_ip_mismatch, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_relayeval = {
	.id = PLUGIN_ID_relayeval,
	.class_name = "Mail::SpamAssassin::Plugin::RelayEval",
	.module = {.name = "relayeval"},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.state_size = sizeof(struct relay_state),
};
