/*
 * dkim_key.h - public keys of signers
 *
 * Owns: struct dkim_key.  Source: RFC 6376 3.6.1, RFC 8463; errors are those of Mail::DKIM.
 * Data: TXT answer -> dkim_key_read() -> dkim.h.  Untrusted: the record comes from the signer.
 */
#ifndef WINNOW_AUTH_DKIM_KEY_H
#define WINNOW_AUTH_DKIM_KEY_H

#include <openssl/evp.h>

#include "auth/dkim_tags.h"
#include "dns/answer.h"

struct dkim_verifier;

struct dkim_key {
	struct dkim_verifier *verifier;
	struct slice name;
	bool is_answered;
	bool is_timeout;       /* no answer in time */
	bool is_temporary;     /* that, SERVFAIL and the like: the RFC says to try again */
	bool is_authenticated; /* AD */
	const char *problem;   /* why there is no key; NULL: there is */
	struct dkim_tags tags;
	EVP_PKEY *pkey; /* freed with the arena */
	bool is_ed25519;
	unsigned bits;
};

/* answer NULL: it could not be asked.  Only the first TXT record counts, as in the reference. */
void dkim_key_read(struct arena *arena, struct dkim_key *key, const struct dns_answer *answer);
/* May it sign so: hash by name, local part and domain of the identity, d=?  NULL: it may. */
const char *dkim_key_refuses(const struct dkim_key *key, struct slice hash, struct slice identity,
                             struct slice domain, bool empty_granularity_is_any);
/* Is t=y set? */
bool dkim_key_is_testing(const struct dkim_key *key);
/* NULL: the signature over the digest is good; else why not. */
const char *dkim_key_verify(struct arena *arena, const struct dkim_key *key, bool is_sha1,
                            struct slice digest, struct slice signature);

#endif
