/*
 * route.h - relays and envelope sender of a parsed message
 *
 * Owns: struct route.  Data: message.h -> relay.h -> route -> header.h (context), rules/, plugins/.
 * Puts together what relay.h and received.h know with the fields of one message.
 */
#ifndef WINNOW_MAIL_ROUTE_H
#define WINNOW_MAIL_ROUTE_H

#include "mail/header.h"
#include "mail/relay.h"

struct route_config {
	struct relay_config relay;
	const struct slice *originating_ip_headers; /* field names in order */
	size_t originating_ip_header_count;
	struct slice envelope_sender_header; /* data NULL = not configured */
};

struct route {
	struct relay_list relays;
	struct slice envelope_sender; /* data NULL = unknown */
};

/* header: for the address parser; its last_* members are not read. */
enum status route_find(struct message *message, const struct route_config *config,
                       const struct header_context *header, struct route *route_r);

#endif
