/*
 * relay.h - the way of a message: relays, trust boundaries, envelope sender
 *
 * Owns: struct relay_list.  Source: behaviour of SpamAssassin 4.0.1 (trusted_networks and friends).
 * Data: message.h (Received fields, newest first, unfolded or not) -> relay_list -> rules/
 * (X-Spam-Relays-* pseudo headers), plugins/ (DNS lists, SPF, evals).
 * Never fails: a field that is no hand-over counts as unparseable or is skipped.
 */
#ifndef WINNOW_MAIL_RELAY_H
#define WINNOW_MAIL_RELAY_H

#include "mail/received.h"
#include "net/netset.h"

struct relay_config {
	const struct netset *trusted;  /* NULL = empty */
	const struct netset *internal; /* NULL = empty */
	const struct netset *msa;      /* NULL = empty */
	bool trusted_configured;       /* the user wrote trusted_networks */
	bool internal_configured;
	/* suppl_attrib "originating" of the caller (submitted from inside or authenticated) */
	bool originating;
};

typedef VEC(struct relay *) relay_vec;

struct relay_list {
	relay_vec trusted, untrusted; /* newest first */
	relay_vec internal, external;
	struct slice trusted_string, untrusted_string; /* X-Spam-Relays-Trusted ... */
	struct slice internal_string, external_string;
	size_t unparseable;
	/* Index of the last (oldest) Received field of the trusted part, -1 = none; counts skipped
	 * fields too. */
	long last_trusted, last_internal;
};

/*
 * received: values of the Received fields, newest first; originating: values (last instance) of
 * originating_ip_headers that the message has, in configuration order.
 */
enum status relay_list_build(struct arena *arena, const struct relay_config *config,
                             const struct slice *received, size_t received_count,
                             const struct slice *originating, size_t originating_count,
                             struct relay_list *list_r);

/* What envelope sender search needs of the message. */
struct envelope_source {
	/* Value of envelope_sender_header's first instance; has_configured: the directive is set
	 * and the message has the field. `configured` is its address part (":addr"). */
	bool is_configured;
	struct slice configured; /* data NULL = the field is missing */
	const struct relay_list *relays;
	/* first instance of each, address part; data NULL = missing */
	struct slice x_sender, x_envelope_from, envelope_sender, return_path;
	bool has_fetchmail; /* any Received field has "(fetchmail" */
	/* Does any Received field stand above any field of that name? */
	bool received_above_x_envelope_from, received_above_envelope_sender;
	bool received_above_return_path;
};
/* data NULL: unknown. */
struct slice envelope_sender_find(const struct envelope_source *source);

#endif
