/*
 * spf.h - is a host allowed to send for a domain (SPF)
 *
 * Owns: struct spf, one check.  Source: RFC 7208; rules follow what 4.0.1 gets from Mail::SPF 2.9.0
 * (20 terms, lists of departures in doc/differences.md), is_strict asks for the RFC's result.
 * Data: relay and envelope -> struct spf_request -> questions through dns/ask.h -> struct
 * spf_outcome.  Bounded: terms, void lookups, names of MX and PTR, questions, sizes.
 *
 *   SELECT -> SELECTED -> TERM -> TARGET -> ADDRESS | MX_LIST | PTR | EXISTS -> TERM ...
 *   include: a frame is pushed, SELECT; at its end the outer TERM goes on
 *   match, or no term left: MODIFIERS -> EXP -> REDIRECT -> end of the frame, or another in its
 *   place; the last frame: EXPLAIN -> done()
 */
#ifndef WINNOW_AUTH_SPF_H
#define WINNOW_AUTH_SPF_H

#include "auth/spf_record.h"
#include "dns/ask.h"

enum {
	SPF_TERMS_MAX_REFERENCE = 20, /* the plugin of the reference asks for it */
	SPF_TERMS_MAX_RFC = 10
};

struct spf_request {
	enum spf_scope scope;
	struct slice
		identity;  /* address or domain; with a domain only, the local part is postmaster */
	struct slice helo; /* for macros */
	struct net_addr ip;
	struct slice hostname; /* of this host, for macros */
	int64_t now_s;
	bool is_strict; /* as the RFC has it, with its limits */
};

struct spf_outcome {
	enum auth_result result;
	bool is_broken; /* an explanation could not be made: the reference has no result at all */
	struct slice explanation; /* of AUTH_FAIL, never empty */
	struct slice text;        /* why, for debug output */
	bool is_authenticated;    /* every answer that counted came with AD */
	bool departs;             /* the RFC may say otherwise: ask again with is_strict */
	unsigned questions;
};

struct spf;

/*
 * done() is called once, possibly before spf_start() returns, unless spf_cancel() comes first.
 * NULL: no memory, done() is not called.  All of it lives in the arena; request is copied, its
 * text is not.
 */
struct spf *spf_start(struct arena *arena, struct dns_client *client,
                      const struct spf_request *request,
                      void (*done)(void *context, const struct spf_outcome *outcome),
                      void *context);
/* Answers that still come change nothing; done() is not called any more. */
void spf_cancel(struct spf *spf);

#endif
