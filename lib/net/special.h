/*
 * special.h - addresses that only mean something here
 *
 * Source: the registries of special-purpose addresses (RFC 6890) of IPv4 and IPv6.
 */
#ifndef WINNOW_NET_SPECIAL_H
#define WINNOW_NET_SPECIAL_H

#include "net/addr.h"

/*
 * A host of the internet at large: not of this host, a private or local network, a document, a
 * group, nor IPv6 that carries such an IPv4 address (6to4, NAT64).
 */
bool net_addr_is_global(const struct net_addr *addr);

#endif
