/*
 * dkim_fields.h - header fields as signatures are made over them
 *
 * Owns: struct dkim_walk.  Source: RFC 6376 5.4.2, RFC 4870 3.2.2 as Mail::DKIM does it.
 * Data: bytes of the message -> struct dkim_field -> digests.  A signature costs its list and the
 * fields that it names.
 */
#ifndef WINNOW_AUTH_DKIM_FIELDS_H
#define WINNOW_AUTH_DKIM_FIELDS_H

#include "auth/dkim.h"
#include "auth/dkim_canon.h"

/* Which field of a name comes next: lowest first; by number in by_name. */
struct dkim_walk {
	struct dkim_verifier *v;
	size_t *next;          /* index + 1; 0: none is left */
	unsigned *turn, *left; /* whose walk next is of; mentions to come */
	unsigned now;
};

/* Splits the message into fields and body; false: no memory. */
bool dkim_fields_read(struct dkim_verifier *v, struct slice message);

bool dkim_walk_init(struct dkim_walk *walk, struct dkim_verifier *v);
void dkim_digest_field(struct dkim_verifier *v, size_t index, enum dkim_canon canon,
                       EVP_MD_CTX *digest);
/* h= in lower case; "" when there is none. */
struct slice dkim_header_list(struct arena *arena, struct slice h);
/* DKIM: each name takes the lowest field that is left. */
void dkim_digest_listed(struct dkim_walk *walk, struct slice list, enum dkim_canon canon,
                        EVP_MD_CTX *digest);
/* DomainKeys: fields after the signature, in their order; list "": all.  Values of the last Sender
 * and From among them, data NULL: none (or folded). */
void dkim_digest_below(struct dkim_walk *walk, struct slice list, size_t below,
                       enum dkim_canon canon, EVP_MD_CTX *digest, struct slice *sender_r,
                       struct slice *from_r);

#endif
