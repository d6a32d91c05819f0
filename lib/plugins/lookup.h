/*
 * lookup.h - DNS questions of one message
 *
 * Owns: struct lookup_request and the list of a scan's open questions.  Data: plugins (parsed hook,
 * evals) -> scan_lookup() -> the resolver; answers -> done() -> scan_hit(), scan_lookup().
 * Equal questions of a message are asked once; each asker gets its call.  Time limits are those of
 * the reference's AsyncLoop (rbl_timeout with its zones and minimum).
 */
#ifndef WINNOW_PLUGINS_LOOKUP_H
#define WINNOW_PLUGINS_LOOKUP_H

#include "dns/ask.h"
#include "plugins/scan.h"

struct lookup_request {
	struct slice name;
	unsigned type;
	/* Whose rbl_timeout and dns_query_restriction count; len 0: the name's own. */
	struct slice zone;
	double timeout_s;     /* 0: what rbl_timeout says for the zone */
	double timeout_min_s; /* 0: the same */
	/* Asked at once; else not before priority -100 is reached (the launch hook). */
	bool at_once;
	/*
	 * The rule that waits for it (several requests may name one rule): metas over it are not
	 * settled before the last of them has come.  NULL: none.
	 */
	const struct rule *rule;
	/* Called once, with a time-out or a failure too; never from inside scan_lookup(). */
	void (*done)(struct scan *scan, void *context, const struct dns_answer *answer);
	void *context;
};

/* Network tests are on, and DNS is to be used (dns_available, a server exists). */
bool scan_dns_available(const struct scan *scan);
/* false: it is not asked, and done() will not be called (no DNS, restricted, budget spent). */
bool scan_lookup(struct scan *scan, const struct lookup_request *request);
/*
 * The same as a dns_client for state machines: name, type, done and context of the template are
 * ignored; the rest of it counts for each of their questions.  NULL without memory.
 */
struct dns_client *scan_dns_client(struct scan *scan, const struct lookup_request *template_);

/* ---- for check/ ---- */

/* rbl_timeout lines, sorted by zone; NULL without memory. */
struct lookup_policy *lookup_policy_create(struct arena *arena, const struct core_settings *core);

/* Priority -100 is reached: what was asked so far leaves. */
void scan_lookups_launch(struct scan *scan);
bool scan_lookups_launched(const struct scan *scan);
/* There are done()s to call. */
bool scan_lookups_have_answers(const struct scan *scan);
/* Calls them. */
void scan_lookups_deliver(struct scan *scan);
/* How many questions are in flight. */
size_t scan_lookups_open(const struct scan *scan);
/* When nothing more is to be hoped for (clock_monotonic_ms); INT64_MIN: nothing is open. */
int64_t scan_lookups_deadline(const struct scan *scan);
/* Gives up what is open, calls all done()s; nothing new is asked any more. */
void scan_lookups_end(struct scan *scan);

#endif
