/*
 * allowed.h - who may connect
 *
 * Owns: --allowed-ips.  Each family has its own networks: ::/0 lets no IPv4 client in and 0.0.0.0/0
 * no IPv6 client, where the networks of the configuration (net/netset.h) keep the reference's
 * looser ways.  A mapped address (::ffff:10.0.0.1) is the IPv4 one, written by client or option.
 */
#ifndef WINNOW_SPAMD_ALLOWED_H
#define WINNOW_SPAMD_ALLOWED_H

#include "net/netset.h"

struct allowed {
	struct netset v4, v6;
};

/* networks: as written; none: loopback of both families. */
enum status allowed_init(struct allowed *allowed, struct arena *arena, const slice_vec *networks,
                         struct error *error) WARN_UNUSED;
/* addr: as getnameinfo() writes it, with or without a scope. */
bool allowed_has(const struct allowed *allowed, struct slice addr);

#endif
