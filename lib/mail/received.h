/*
 * received.h - Received header fields into relays
 *
 * Owns: struct relay.  Source: RFC 5321 4.4 and the shapes that mail servers write in the field
 * (t/vectors/received).  Data: a field value -> struct relay -> relay.h.
 * The shapes are a table of templates matched by a small scanner; no regular expressions.
 */
#ifndef WINNOW_MAIL_RECEIVED_H
#define WINNOW_MAIL_RECEIVED_H

#include "util/arena.h"
#include "util/slice.h"

struct relay {
	struct slice ip, rdns, helo, by, id, ident, auth;
	struct slice envfrom; /* "" when the field has none */
	bool has_envfrom;
	struct slice lc_by, lc_helo, lc_rdns;
	bool no_reverse_dns;      /* the server looked for a name and found none */
	bool rdns_not_in_headers; /* it did not look */
	bool ip_private;
	bool trusted, internal, msa; /* set by relay.h */
	struct slice as_string;      /* "[ ip=... rdns=... ... msa=0 ]" */
};

enum received_status {
	RECEIVED_RELAY,
	RECEIVED_IGNORED, /* no hand-over between hosts */
	RECEIVED_FETCHER, /* the same: a fetchmail-like POP/IMAP pick-up */
	RECEIVED_UNPARSEABLE
};

/*
 * qmail_envfrom_r: set (data != NULL) when the field is a qmail-scanner line whose envelope sender
 * belongs to the next field; may be NULL.
 */
enum received_status received_parse(struct arena *arena, struct slice value, struct relay *relay_r,
                                    struct slice *qmail_envfrom_r);
/* Writes as_string anew after a change of the fields. */
void relay_make_string(struct arena *arena, struct relay *relay);

#endif
