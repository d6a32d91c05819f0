/*
 * dmarc.h - does the domain in From stand behind a message (DMARC)
 *
 * Owns: struct dmarc, one message's policy search.  Source: RFC 7489, as Mail::DMARC 1.20211209
 * does it for 4.0.1: a policy counts only for a domain that has MX, NS or address records, a record
 * that cannot be read is a failure without consequences, words are compared as they are written.
 * Data: From address -> questions (dns/ask.h), at once for the domain and its organisation ->
 * policy; results of SPF and DKIM -> dmarc_evaluate() -> struct dmarc_outcome.
 *
 *   POLICIES --answers, a record--> EXISTS (domain, then organisation) -> READY
 *            --none-------------------------------------------------> READY
 */
#ifndef WINNOW_AUTH_DMARC_H
#define WINNOW_AUTH_DMARC_H

#include "auth/public_suffix.h"
#include "auth/result.h"
#include "dns/ask.h"

struct dmarc_policy {
	struct slice p, sp, adkim, aspf, pct, rua; /* as written; data NULL: none */
};

/*
 * A record as Mail::DMARC::Policy takes it.  STATUS_BAD: not valid.  A record without p= but with a
 * rua= that makes sense gets p=none.
 */
enum status dmarc_policy_parse(struct arena *arena, struct slice text,
                               struct dmarc_policy *policy_r) WARN_UNUSED;

struct dmarc;

/*
 * Begins the search.  NULL: no memory, or the address has no domain to speak of (no result at all).
 * Nothing is called back: dmarc_is_ready() tells.
 */
struct dmarc *dmarc_start(struct arena *arena, struct dns_client *client,
                          const struct public_suffixes *suffixes, struct slice from_address);
bool dmarc_is_ready(const struct dmarc *dmarc);
/* The domain in From, lower case. */
struct slice dmarc_from_domain(const struct dmarc *dmarc);

/* What was authenticated: only passes count. */
struct dmarc_input {
	struct slice spf_domain; /* the one identity that passed, mfrom before helo; len 0: none */
	const struct slice *dkim_domains; /* of signatures that pass */
	size_t dkim_count;
	unsigned sample; /* 0-99: is it below pct? */
};

struct dmarc_outcome {
	enum auth_result result; /* AUTH_PASS, AUTH_FAIL; AUTH_NONE: no policy, or no such domain */
	bool has_many;           /* several records: AUTH_FAIL without a policy */
	bool is_unpublished;     /* the record could not be read */
	struct slice disposition; /* "none", "quarantine", "reject", as written */
	struct slice published;   /* p=, of a pass */
	bool is_spf_aligned, is_dkim_aligned;
	bool is_sampled_out;
	bool is_authenticated; /* the policy's answers came with AD */
	bool is_temporary;     /* the policy could not be had */
};

/* STATUS_BAD: the reference dies of it and has no result. */
enum status dmarc_evaluate(struct dmarc *dmarc, const struct dmarc_input *input,
                           struct dmarc_outcome *outcome_r) WARN_UNUSED;

#endif
