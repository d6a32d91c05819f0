/*
 * dkim.h - DKIM, DomainKeys and ARC signatures of one message
 *
 * Owns: struct dkim_signature, struct dkim_verifier.  Source: RFC 6376, 8301, 8463, 4870, 8617;
 * what counts as pass, fail and invalid is what Mail::DKIM 1.20230212 was observed to say, as the
 * DKIM plugin of 4.0.1 uses it; the RFC's own result stands beside it (rfc).
 * Data: the bytes of the message -> header fields, signatures -> key questions (dns/ask.h), all at
 * once -> keys -> hashes -> results -> plugins/dkim.c, plugins/dmarc.c, arc.h.
 * Untrusted input: linear in the size of the message for each of at most DKIM_SIGNATURES_MAX
 * signatures of a sort; each distinct body hash is made once.
 *
 *   dkim_verify() --asks all keys--> WAITING --last answer, dkim_finish()--> DONE (done() called)
 */
#ifndef WINNOW_AUTH_DKIM_H
#define WINNOW_AUTH_DKIM_H

#include "auth/dkim_tags.h"
#include "auth/result.h"
#include "dns/ask.h"
#include "util/hashmap.h"

/* As the reference: later ones are not looked at.  DKIM and DomainKeys together. */
#define DKIM_SIGNATURES_MAX 51
/* Two for each of the 50 sets of RFC 8617 and one more; the reference takes any number. */
#define ARC_SIGNATURES_MAX 102

enum dkim_kind { DKIM_SIGNATURE, DKIM_DOMAINKEY, DKIM_ARC_MESSAGE, DKIM_ARC_SEAL };

enum dkim_result {
	DKIM_UNDEFINED, /* not looked at: the selector is empty, or the ARC chain was broken before
	                 */
	DKIM_PASS,
	DKIM_FAIL,
	DKIM_INVALID
};

struct dkim_key;

struct dkim_signature {
	enum dkim_kind kind;
	struct dkim_tags tags;
	size_t field;          /* index of its header field */
	struct slice prefix;   /* "DKIM-Signature:" as written */
	struct slice domain;   /* d= in lower case; data NULL: none */
	struct slice selector; /* s=; data NULL: none */
	struct slice identity; /* i=, else "@" d=; DomainKeys: address of Sender or From, or NULL */
	struct slice algorithm; /* lower case; data NULL: none */
	struct slice header_canon, body_canon;
	enum dkim_result result;
	const char *detail; /* why it is not pass; NULL: nothing to say */
	/* What the RFC says: PASS, FAIL, PERMERROR, TEMPERROR, POLICY (weak); NONE while undefined.
	 */
	enum auth_result rfc;
	const char *rfc_detail;
	struct dkim_key *key;  /* NULL: never asked for */
	unsigned key_bits;     /* 0: no usable key */
	bool is_ed25519;       /* key_bits says little then */
	bool is_expired;       /* x= was before now */
	bool is_temporary;     /* the key could not be had in time */
	bool is_testing;       /* t=y in the key record */
	bool is_authenticated; /* the key's answer was vouched for by a validating resolver */
	bool covers_from;      /* From is among h= */
	unsigned instance;     /* ARC: i=, 0: none that counts */
	bool is_sha1;
};

typedef VEC(struct dkim_signature) dkim_signature_vec;

struct dkim_field {
	struct slice text; /* CRLF folds kept, no CRLF at the end */
	struct slice name; /* lower case, up to white space before the colon; len 0: no field */
	struct slice relaxed;
	bool is_plain_name; /* no white space inside */
	size_t above;       /* index + 1 of the next field up of that name; 0: none */
};

struct arc_chain;

struct dkim_verifier {
	struct arena *arena;
	dkim_signature_vec signatures;     /* DKIM and DomainKeys, in order */
	dkim_signature_vec arc_signatures; /* AMS and AS, in order */
	struct arc_chain *arc;             /* see arc.h */
	bool is_done;
	bool has_unparsed, has_unparsed_arc; /* a signature field was no tag list */

	/* the message */
	VEC(struct dkim_field) fields;
	struct hashmap by_name; /* lower case -> index + 1 of the lowest such field */
	struct slice body;
	bool is_crlf; /* else LF ends lines, as if it were CRLF */

	struct hashmap keys; /* name -> struct dkim_key * */
	size_t open;         /* questions that are out */
	int64_t now_s;
	void (*done)(struct dkim_verifier *verifier, void *context);
	void *context;
};

struct dkim_request {
	struct slice message; /* without an mbox separator */
	bool is_crlf;         /* its line ends are CRLF throughout */
	int64_t now_s;
	struct dns_client *client; /* NULL: no key can be had */
	/* Called once when the last key has come; not when it was done at once. */
	void (*done)(struct dkim_verifier *verifier, void *context);
	void *context;
};

/*
 * Reads the message and asks for all keys.  NULL: no memory.  is_done says whether there is
 * anything to wait for.  The message must live as long as the arena.
 */
struct dkim_verifier *dkim_verify(struct arena *arena, const struct dkim_request *request);

/* "pass", "fail", "invalid", "" */
const char *dkim_result_name(enum dkim_result result);
/* "fail (body has been altered)" */
struct slice dkim_result_text(struct arena *arena, const struct dkim_signature *signature);
/* The domain a signature speaks for: after the first @ of the identity, else d=; lower case; data
 * NULL: none. */
struct slice dkim_signer(struct arena *arena, const struct dkim_signature *signature);

#endif
