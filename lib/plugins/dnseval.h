/*
 * dnseval.h - what the parts of the DNSEval plugin share
 *
 * Owns: its settings, its state of a message.  dnseval_filter.c: arguments; dnseval_relays.c:
 * relays by the end of a set's name; dnseval_answers.c: hits; dnseval.c: evals and the plugin.
 */
#ifndef WINNOW_PLUGINS_DNSEVAL_H
#define WINNOW_PLUGINS_DNSEVAL_H

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

enum status rbl_prepare_list(struct conf_reader *reader, struct rule_eval *eval,
                             struct error *error);
enum status rbl_prepare_sub(struct conf_reader *reader, struct rule_eval *eval,
                            struct error *error);
bool rbl_filter_matches(struct scan *scan, const struct rbl_filter *filter, struct slice text);
const struct rbl_addresses *rbl_addresses_of_set(struct scan *scan, struct dnseval_state *state,
                                                 struct slice set);
struct dnseval_state *rbl_state_of(struct scan *scan);
void rbl_take_answer(struct scan *scan, void *context, const struct dns_answer *answer);

#endif
