/*
 * addr.h - one type for IPv4 and IPv6 addresses
 *
 * Owns: struct net_addr.  An IPv4 address is held as its IPv4-mapped form (::ffff:a.b.c.d), so that
 * 10.0.0.1 and ::ffff:10.0.0.1 are the same address everywhere.  Text is never NUL-terminated.
 * The private ranges are those that SpamAssassin 4.0.1 takes for "inside".
 */
#ifndef WINNOW_NET_ADDR_H
#define WINNOW_NET_ADDR_H

#include "util/arena.h"
#include "util/slice.h"

struct net_addr {
	unsigned char bytes[16];
};

/* Text of one address: dotted quad, IPv6, "[..]", optional "IPv6:" prefix and "%scope". */
bool net_addr_parse(struct slice text, struct net_addr *addr_r);
/* Dotted quad only: four numbers of 0-255, one to three digits each. */
bool net_addr_parse_v4(struct slice text, struct net_addr *addr_r);
/* RFC 4291 text only, an embedded dotted quad included. */
bool net_addr_parse_v6(struct slice text, struct net_addr *addr_r);

bool net_addr_is_v4(const struct net_addr *addr);
bool net_addr_eq(const struct net_addr *a, const struct net_addr *b);
/* True when the first `bits` (0-128) bits are equal. */
bool net_addr_has_prefix(const struct net_addr *addr, const struct net_addr *net, unsigned bits);
void net_addr_mask(struct net_addr *addr, unsigned bits);

/* Canonical text: dotted quad for IPv4, RFC 5952 for IPv6. */
struct slice net_addr_format(struct arena *arena, const struct net_addr *addr);

/*
 * The text as DNS lists ask for it: "4.3.2.1" or 32 nibbles, last first (RFC 5782 2.4).  Takes the
 * same texts as the reference (four groups of up to three digits are turned round unchecked).
 * STATUS_NONE when it is no address; data == NULL when the arena is spent.
 */
struct slice net_addr_reverse(struct arena *arena, struct slice text);

/* Length of the IP address that starts at text[at] as SpamAssassin finds one inside running text
 * (word boundaries are checked on both sides), or 0. */
size_t net_addr_scan(struct slice text, size_t at);
/* The whole text is one address in that sense / an IPv4 one. */
bool net_addr_is_text(struct slice text);
bool net_addr_is_text_v4(struct slice text);
/* The text begins like an address of a private, local, link-local or carrier-NAT range. */
bool net_addr_is_private(struct slice text);
/* Length of a way to say localhost that starts at text[at], or 0. */
size_t net_addr_scan_localhost(struct slice text, size_t at);

#endif
