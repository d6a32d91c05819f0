/*
 * arc.h - chains of ARC sets
 *
 * Owns: struct arc_chain.  Source: RFC 8617 5.2; Mail::DKIM::ARC::Verifier as observed.
 * Data: ARC-* fields, checked signatures of dkim.h -> arc_finish() -> two results: the reference's,
 * which decides which signatures were looked at at all (rules see that), and the RFC's (tag, JSON,
 * DMARC).
 */
#ifndef WINNOW_AUTH_ARC_H
#define WINNOW_AUTH_ARC_H

#include "auth/dkim.h"

#define ARC_INSTANCES_MAX 1024   /* the reference's limit */
#define ARC_RFC_INSTANCES_MAX 50 /* RFC 8617 4.2.1 */

/* Fields of one instance: index + 1, 0: none. */
struct arc_set {
	size_t seal, message;            /* into arc_signatures */
	size_t aar_field, message_field; /* first field that says so, for the seal's hash */
	size_t seal_field;
	unsigned results, messages, seals; /* how often each field is there, for the RFC */
};

struct arc_chain {
	/* "none", "pass", "fail", "invalid" as the reference's verifier says; NULL: undecided */
	const char *result;
	const char *detail;
	bool is_broken;       /* the reference gave up before any signature was checked */
	enum auth_result rfc; /* NONE, PASS, FAIL or TEMPERROR */
	const char *rfc_detail;
	unsigned last;        /* highest instance */
	struct arc_set *sets; /* [1] ... [ARC_INSTANCES_MAX]; NULL: no ARC field */
	bool is_malformed;    /* for the RFC */
};

/* All fields are known: instances of ARC fields. */
void arc_begin(struct dkim_verifier *v);
/* The latest of arc_signatures was read and its key was asked for. */
void arc_add(struct dkim_verifier *v);
/* The header is over. */
void arc_finish_header(struct dkim_verifier *v);
/* Calls add() for each field that a seal's hash covers, in order. */
void arc_each_sealed(const struct dkim_verifier *v, const struct dkim_signature *seal,
                     void (*add)(void *data, size_t field), void *data);
/* All signatures are checked. */
void arc_finish(struct dkim_verifier *v);

#endif
