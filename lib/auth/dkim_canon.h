/*
 * dkim_canon.h - canonical forms that signatures are made over
 *
 * Owns: struct dkim_body_hash.  Source: RFC 6376 3.4, RFC 4870 3.4.2; "nowsp" of the DKIM drafts,
 * which the reference still takes.
 * Data: header fields and body lines of dkim.h -> canonical bytes -> digests.  Streaming; linear;
 * all lengths (l=) of one form and hash come from one pass.
 */
#ifndef WINNOW_AUTH_DKIM_CANON_H
#define WINNOW_AUTH_DKIM_CANON_H

#include <openssl/evp.h>

#include "util/arena.h"
#include "util/slice.h"

enum dkim_canon {
	DKIM_CANON_SIMPLE,
	DKIM_CANON_RELAXED,
	DKIM_CANON_NOWSP,
	DKIM_CANON_DK_SIMPLE,
	DKIM_CANON_DK_NOFWS,
	DKIM_CANON_SEAL, /* headers as relaxed; no body */
	/* "simple" as the RFC has it: a last line without CRLF gets one. */
	DKIM_CANON_SIMPLE_ENDED
};

enum { DKIM_DIGEST_MAX = 32 };

/* One wanted body hash. */
struct dkim_body_hash {
	enum dkim_canon canon;
	bool is_sha1;
	size_t limit; /* SIZE_MAX: all of it */
	unsigned char digest[DKIM_DIGEST_MAX];
	size_t digest_bytes; /* 0: not made (yet) */
	bool is_short;       /* the canonical body has fewer bytes than limit */
};

/* A body as bytes and how its lines end. */
struct dkim_body {
	struct slice bytes;
	bool is_crlf;
};

/* A header field (folds are CRLF, no CRLF at the end) in canonical form; data NULL: no memory. */
struct slice dkim_canon_header(struct arena *arena, enum dkim_canon canon, struct slice field);
/* Fills those that have the form and hash of hashes[0]; they must be sorted by limit. */
void dkim_hash_body(const struct dkim_body *body, struct dkim_body_hash *hashes, size_t count);
/* DomainKeys: the body joins a digest that has the header already. */
void dkim_digest_body(const struct dkim_body *body, enum dkim_canon canon, EVP_MD_CTX *digest);
/* Makes all: sorts them, one pass for each form and hash. */
void dkim_hash_bodies(const struct dkim_body *body, struct dkim_body_hash *hashes, size_t count);

#endif
