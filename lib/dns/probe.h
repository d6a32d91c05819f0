/*
 * probe.h - does DNS work at all? (dns_available test)
 *
 * Owns: struct dns_probe: asks for a few well-known names, remembers the result for an interval.
 * Belongs to a process, as the resolver does.  now_ms is the caller's clock.
 */
#ifndef WINNOW_DNS_PROBE_H
#define WINNOW_DNS_PROBE_H

#include "dns/resolver.h"

enum { DNS_PROBE_NAMES = 3 };

struct dns_probe_query {
	struct resolver_query query; /* first */
	struct dns_probe *probe;
};

struct dns_probe {
	struct resolver *resolver;
	struct dns_probe_query queries[DNS_PROBE_NAMES * 2];
	size_t asked, answered;
	bool is_running, is_good, is_known;
	int64_t begun_ms;
};

struct dns_probe_options {
	const struct slice *names; /* count 0: built-in ones */
	size_t name_count;
	bool v4, v6; /* asks for A, AAAA */
	int64_t interval_ms;
};

/*
 * STATUS_OK: DNS works; STATUS_NONE: it does not; STATUS_AGAIN: being tried, ask again when the
 * resolver was stepped.
 */
enum status dns_probe_run(struct dns_probe *probe, struct resolver *resolver,
                          const struct dns_probe_options *options, int64_t now_ms);

#endif
