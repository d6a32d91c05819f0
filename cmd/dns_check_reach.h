/*
 * dns_check_reach.h - can the servers of a list be reached over IPv4, over IPv6?
 *
 * Data: zone -> its name servers and their addresses, through the configured server -> one question
 * to one address of each family.  A host with IPv6 alone, or a resolver of one's own behind a
 * firewall, sees here why a list fails.
 */
#ifndef WINNOW_CMD_DNS_CHECK_REACH_H
#define WINNOW_CMD_DNS_CHECK_REACH_H

#include "check/filter.h"
#include "cmd/dns_check_ask.h"

enum reach_family { REACH_V4, REACH_V6, REACH_FAMILIES };

struct reach {
	struct slice zone;
	struct {
		struct slice address; /* len 0: no name server has one of this family */
		bool is_reachable;
		int64_t ms;
	} by[REACH_FAMILIES];
};

/* Fills in all of reaches; resolver: the configured server. */
void dns_check_reach(struct arena *arena, const struct filter *filter, struct resolver *resolver,
                     struct reach *reaches, size_t count);

#endif
