/*
 * dnslist.h - what plugins over DNS lists share
 *
 * Owns: filters over answers, waiting for tags.  Source: observed
 * behaviour of 4.0.1 (URIDNSBL, AskDNS, Dns.pm).  Data: plugins -> lookup.h; dns_record -> text,
 * number -> filter -> scan_hit().
 */
#ifndef WINNOW_PLUGINS_DNSLIST_H
#define WINNOW_PLUGINS_DNSLIST_H

#include "plugins/lookup.h"

/* n (mask within 127/8), n1-n2 (range), n/m (masked value); a dotted quad alone is a range of one.
 */
struct dnslist_filter {
	unsigned char delimiter; /* 0, '-' or '/' */
	unsigned long long first, second;
	struct slice text; /* both as decimal numbers: equal to an answer's text, it hits too */
};

bool dnslist_filter_parse(struct arena *arena, struct slice text, struct dnslist_filter *filter_r);
/* number: what the answer is as an IPv4 address, 0 when it is none. */
bool dnslist_filter_matches(const struct dnslist_filter *filter, struct slice text,
                            unsigned long long number);

/* "127.0.0.2" -> 0x7f000002; false: no dotted quad. */
bool dnslist_number(struct slice text, unsigned long long *number_r);
/* The text of an A record or the joined strings of a TXT or SPF record; data NULL: another type. */
struct slice dnslist_text(const struct dns_record *record);
/* "127." */
static inline bool
dnslist_is_loopback(struct slice text)
{
	return slice_starts(text, SLICE("127."));
}

/* One question in the name of several rules; true: it is asked. */
bool dnslist_lookup_rules(struct scan *scan, const struct lookup_request *request,
                          const struct rule *const *rules, size_t count);

/* Is it in uridnsbl_skip_domain? */
bool dnslist_is_skipped(const struct scan *scan, struct slice domain);

/* Values of a tag, empty ones too: set by a plugin, computed, or HEADER(name). */
slice_vec dnslist_tag_values(struct scan *scan, struct slice name);
/*
 * Runs at once when each tag has a value that is not empty, else as soon as each of the others was
 * set, be it to nothing; never when one is not.
 */
void dnslist_await_tags(struct scan *scan, const struct slice *names, size_t count,
                        void (*run)(struct scan *scan, void *context), void *context);

#endif
