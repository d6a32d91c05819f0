/*
 * begin.c - the beginning of a scan: relays, metadata, hooks, whether DNS works
 */
#include "check/steps.h"

#include "dns/probe.h"
#include "mail/route.h"
#include "plugins/lookup.h"
#include "util/clock.h"

void
check_find_route(struct scan *scan)
{
	const struct core_settings *core = scan->core;
	const struct route_config config = {
		.relay =
			{
				.trusted = &scan->env->trusted,
				.internal = &scan->env->internal,
				.msa = &scan->env->msa,
				.trusted_configured = core->trusted_networks.configured,
				.internal_configured = core->internal_networks.configured,
			},
		.originating_ip_headers = core->originating_ip_headers.items,
		.originating_ip_header_count = core->originating_ip_headers.count,
		.envelope_sender_header = core->envelope_sender_header,
	};
	struct header_context context;
	struct route route;

	scan_header_context(scan, &context);
	(void)!route_find(scan->message, &config, &context, &route);
	scan->relays = route.relays;
	scan->envelope_from = route.envelope_sender;
}

static struct slice
first_value(struct scan *scan, struct slice name)
{
	slice_vec values = scan_header_values(scan, name);

	return values.count == 0 ? SLICE_NULL : values.items[0];
}

static void
set_revip_tag(struct scan *scan, const char *tag, const relay_vec *relays)
{
	for (size_t i = 0; i < relays->count; i++) {
		const struct relay *relay = relays->items[i];
		struct slice reversed;

		if (relay->ip_private || relay->ip.len == 0)
			continue;
		reversed = net_addr_reverse(scan->arena, relay->ip);
		if (reversed.len > 0)
			scan_add_tag_value(scan, slice_from_cstr(tag), reversed);
	}
}

static void
set_domains(struct scan *scan)
{
	struct slice host = first_value(scan, SLICE("EnvelopeFrom:first:addr:host")),
		     joined = SLICE("");
	slice_vec hosts = scan_header_values(scan, SLICE("From:addr:host"));
	size_t count = 0;

	if (host.data != NULL) {
		host = idn_to_ascii(scan->arena, host);
		scan_set_tag(scan, SLICE("SENDERDOMAIN"), host);
		scan_set_metadata(scan, SLICE("X-SenderDomain"), host);
	}
	for (size_t i = 0; i < hosts.count; i++) {
		struct slice domain = idn_to_ascii(scan->arena, hosts.items[i]);
		bool seen = false;

		for (size_t k = 0; k < i && k < 100 && !seen; k++)
			seen = slice_eq(hosts.items[k], hosts.items[i]);
		if (seen || count >= 100)
			continue;
		scan_add_tag_value(scan, SLICE("AUTHORDOMAIN"), domain);
		joined = arena_printf(scan->arena, "%.*s%s%.*s", SLICE_FMT(joined),
		                      count++ == 0 ? "" : " ", SLICE_FMT(domain));
	}
	if (count > 0)
		scan_set_metadata(scan, SLICE("X-AuthorDomain"), joined);
}

static void
set_relay_tags(struct scan *scan)
{
	const struct relay_list *relays = &scan->relays;

	set_revip_tag(scan, "RELAYSTRUSTEDREVIP", &relays->trusted);
	set_revip_tag(scan, "RELAYSUNTRUSTEDREVIP", &relays->untrusted);
	set_revip_tag(scan, "RELAYSINTERNALREVIP", &relays->internal);
	set_revip_tag(scan, "RELAYSEXTERNALREVIP", &relays->external);
	scan_set_tag(scan, SLICE("RELAYSTRUSTED"), relays->trusted_string);
	scan_set_tag(scan, SLICE("RELAYSUNTRUSTED"), relays->untrusted_string);
	scan_set_tag(scan, SLICE("RELAYSINTERNAL"), relays->internal_string);
	scan_set_tag(scan, SLICE("RELAYSEXTERNAL"), relays->external_string);
}

void
check_begin(struct check *check)
{
	struct scan *scan = &check->scan;
	size_t words = (check->plan->meta_count + 63) / 64 + 1;

	if (scan->env->may_learn && bayes_is_ready(scan))
		scan->score_set |= 2;
	log_debug(scan->log, "check", "using scoreset %u", scan->score_set);
	memcpy(check->meta_bits, check->plan->meta_always[scan->score_set >> 1],
	       words * sizeof(uint64_t));
	check_find_route(scan);
	set_relay_tags(scan);
	set_domains(scan);
	scan_set_tag(scan, SLICE("LANGUAGES"), SLICE_NULL);
	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		for (const char *const *tag = plugin->tags; tag != NULL && *tag != NULL; tag++)
			if (hashmap_find(&scan->tags, slice_from_cstr(*tag)) == NULL)
				scan_set_tag(scan, slice_from_cstr(*tag), SLICE_NULL);
		if (plugin->parsed != NULL)
			plugin->parsed(scan);
	}
}

enum { PROBE_LOOK_MS = 20 };

static bool
is_option_off(const struct core_settings *core, struct slice name)
{
	return slice_eq(conf_table_get(&core->dns_options, name), SLICE("0"));
}

/* dns_available test[: NAMES].  false: not known yet. */
bool
check_is_dns_tested(struct check *check)
{
	struct scan *scan = &check->scan;
	const struct core_settings *core = scan->core;
	struct slice rest = core->dns_available, word;
	slice_vec names = {0};
	struct dns_probe_options options;
	int64_t now_ms;
	enum status status;

	if (check->probe == NULL || !scan_dns_available(scan) || !slice_starts(rest, SLICE("test")))
		return true;
	rest = slice_from(rest, sizeof("test:") - 1);
	while (slice_next_word(&rest, &word))
		(void)vec_push(scan->arena, &names, word);
	options = (struct dns_probe_options){
		.names = names.items,
		.name_count = names.count,
		.v4 = !is_option_off(core, SLICE("v4")),
		.v6 = !is_option_off(core, SLICE("v6")),
		.interval_ms = (int64_t)(core->dns_test_interval * 1000),
	};
	now_ms = clock_monotonic_ms();
	status = dns_probe_run(check->probe, scan->resolver, &options, now_ms);
	scan->wait = (struct scan_wait){
		.fd = -1, .until_ms = now_ms + PROBE_LOOK_MS, .for_answers = true};
	if (status == STATUS_AGAIN)
		return false;
	log_debug(scan->log, "dns", "is DNS available? %d", status == STATUS_OK);
	if (status != STATUS_OK)
		scan->resolver = NULL;
	return true;
}

/* false: one of them waits. */
bool
check_message_hooks(struct check *check)
{
	const struct plugin_set *set = check->scan.plugins;

	for (; check->message_hooks < set->count; check->message_hooks++) {
		const struct plugin *plugin = set->loaded[set->order[check->message_hooks]];

		if (plugin->message != NULL && !plugin->message(&check->scan))
			return false;
	}
	return true;
}
