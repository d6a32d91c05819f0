/*
 * netset.h - sets of networks
 *
 * Owns: struct netset.  Source: trusted_networks, internal_networks, msa_networks and the like.
 * Of two networks that overlap the one declared first decides, as in the reference.  Filled while
 * the configuration is read, only looked up afterwards.
 */
#ifndef WINNOW_NET_NETSET_H
#define WINNOW_NET_NETSET_H

#include "net/addr.h"
#include "util/hashmap.h"
#include "util/vec.h"

struct netset_net {
	struct net_addr addr;
	unsigned bits;
	bool exclude;
};

struct netset {
	struct arena *arena;
	VEC(struct netset_net) nets; /* in order of declaration */
	struct hashmap by_prefix;
	unsigned char lengths[129]; /* distinct prefix lengths, longest first */
	size_t length_count;
};

void netset_init(struct netset *set, struct arena *arena);
/*
 * Adds "1.2.3.4", "10/8", "1.2.3", "10.0.0.0/255.0.0.0", "[::1]", "fe80::/10", "1.2.3.4-1.2.3.9",
 * each with an optional "!" (not in the set).  STATUS_NONE: lies in a network declared before, so
 * nothing changes; STATUS_BAD: no network; STATUS_LIMIT: no memory.
 */
enum status netset_add(struct netset *set, struct slice text, struct error *error) WARN_UNUSED;
bool netset_has(const struct netset *set, const struct net_addr *addr);
/* False for a text that is no address. */
bool netset_has_text(const struct netset *set, struct slice text);
static inline size_t
netset_count(const struct netset *set)
{
	return set->nets.count;
}

#endif
