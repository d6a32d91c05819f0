/*
 * dkim_key.c - public keys of signers
 *
 * RSA signatures are opened without padding and compared with the one encoding that is right, as
 * the reference does: nothing is parsed that a forger could bend.
 */
#include "auth/dkim_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "mail/decode.h"
#include "util/strbuf.h"

enum {
	EXPONENT_BITS_MAX = 64, /* more only costs time */
	RSA_BITS_MAX = 16384    /* OpenSSL's own limit */
};

static void
free_key(void *data)
{
	EVP_PKEY_free(data);
}

/* As PEM, because that is what decides in the reference which base64 is good. */
static EVP_PKEY *
read_rsa(struct arena *arena, struct slice p, const char **problem_r)
{
	struct strbuf pem;
	char *name = NULL, *header = NULL;
	unsigned char *bytes = NULL;
	const unsigned char *at;
	long len = 0;
	EVP_PKEY *pkey = NULL;
	BIO *bio;

	strbuf_init(&pem, arena, 0);
	strbuf_add_cstr(&pem, "-----BEGIN PUBLIC KEY-----\n");
	for (size_t i = 0; i < p.len; i += 64) {
		strbuf_add(&pem, slice_sub(p, i, 64));
		strbuf_add_byte(&pem, '\n');
	}
	strbuf_add_cstr(&pem, "-----END PUBLIC KEY-----\n");
	*problem_r = "public key: OpenSSL error: bad base64 decode";
	if (strbuf_is_bad(&pem) || pem.len > INT_MAX)
		return NULL;
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (bio != NULL && PEM_read_bio(bio, &name, &header, &bytes, &len) == 1) {
		*problem_r = "public key: OpenSSL error: wrong tag";
		at = bytes;
		pkey = d2i_PUBKEY(NULL, &at, len);
	}
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(bytes);
	BIO_free(bio);
	if (pkey != NULL && EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return pkey;
}

static bool
is_exponent_bearable(const EVP_PKEY *pkey)
{
	BIGNUM *e = NULL;
	bool ok = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
	          BN_num_bits(e) <= EXPONENT_BITS_MAX;

	BN_free(e);
	return ok;
}

static const char *
read_key(struct arena *arena, struct dkim_key *key, struct slice p)
{
	const char *problem = "public key: OpenSSL error: wrong tag";

	if (key->is_ed25519) {
		struct slice raw = base64_decode(arena, p);

		if (raw.len == 32)
			key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw.data,
			                                        raw.len);
	} else {
		key->pkey = read_rsa(arena, p, &problem);
	}
	if (key->pkey == NULL)
		return problem;
	if (!arena_on_reset(arena, free_key, key->pkey)) {
		EVP_PKEY_free(key->pkey);
		key->pkey = NULL;
		return "public key: no memory";
	}
	if (!key->is_ed25519 &&
	    (!is_exponent_bearable(key->pkey) || EVP_PKEY_get_bits(key->pkey) > RSA_BITS_MAX)) {
		key->pkey = NULL;
		return "public key: too large";
	}
	key->bits = key->is_ed25519 ? 256 : (unsigned)EVP_PKEY_get_size(key->pkey) * 8;
	return NULL;
}

/* p= without blanks and quotes. */
static struct slice
key_data(struct arena *arena, struct slice p)
{
	unsigned char *out = arena_bytes(arena, p.len + 1);
	size_t len = 0;

	for (size_t i = 0; out != NULL && i < p.len; i++)
		if (p.data[i] != '\r' && p.data[i] != '\n' && p.data[i] != ' ' &&
		    p.data[i] != '\t' && p.data[i] != '"')
			out[len++] = p.data[i];
	return slice_of(out, len);
}

static bool
is_base64(struct slice p)
{
	for (size_t i = 0; i < p.len; i++)
		if (!byte_is_alnum(p.data[i]) && p.data[i] != '+' && p.data[i] != '/' &&
		    p.data[i] != '=')
			return false;
	return true;
}

static const char *
read_record(struct arena *arena, struct dkim_key *key, struct slice record)
{
	struct slice value;
	const char *problem;

	if (dkim_tags_parse(arena, record, &key->tags) != STATUS_OK)
		return "public key: syntax error";
	value = dkim_tags_get(&key->tags, SLICE("v"));
	if (dkim_is_true(value) && !slice_eq(value, SLICE("DKIM1")))
		return "public key: unsupported version";
	value = dkim_tags_get(&key->tags, SLICE("k"));
	key->is_ed25519 = slice_eq(value, SLICE("ed25519"));
	if (dkim_is_true(value) && !slice_eq(value, SLICE("rsa")) && !key->is_ed25519)
		return "public key: unsupported key type";
	value = dkim_tags_get(&key->tags, SLICE("p"));
	if (value.data == NULL)
		return "public key: missing p= tag";
	value = key_data(arena, value);
	if (value.len == 0)
		return "public key: revoked";
	if (!is_base64(value))
		return "public key: invalid data";
	problem = read_key(arena, key, value);
	if (problem != NULL)
		return problem;
	value = dkim_tags_get(&key->tags, SLICE("s"));
	if (dkim_is_true(value) && !dkim_list_has(value, SLICE("*")) &&
	    !dkim_list_has(value, SLICE("email")))
		return "public key: does not support email";
	return NULL;
}

void
dkim_key_read(struct arena *arena, struct dkim_key *key, const struct dns_answer *answer)
{
	key->is_answered = true;
	key->problem = "public key: not available";
	if (answer == NULL)
		return;
	if (answer->outcome == DNS_TIMEOUT) {
		key->is_timeout = key->is_temporary = true;
		key->problem = "public key: DNS error: query timed out";
		return;
	}
	if (answer->outcome != DNS_ANSWERED || answer->rcode != DNS_NOERROR) {
		/* The reference takes SERVFAIL for "no key"; the RFC for a temporary error. */
		key->is_temporary =
			answer->outcome != DNS_ANSWERED || (answer->rcode != DNS_NXDOMAIN);
		return;
	}
	key->is_authenticated = answer->is_authenticated;
	for (size_t i = 0; i < answer->record_count; i++)
		if (answer->records[i].type == DNS_TXT) {
			if (dkim_is_true(answer->records[i].text))
				key->problem = read_record(arena, key, answer->records[i].text);
			return;
		}
}

/* ---- what a key may sign ---- */

static bool
granularity_matches(struct slice g, struct slice local)
{
	size_t star = slice_find_byte(g, '*', 0);
	struct slice begins = slice_sub(g, 0, star), ends;

	if (star == SLICE_NPOS)
		return slice_eq(local, g);
	ends = slice_from(g, star + 1);
	return local.len >= begins.len + ends.len && slice_starts(local, begins) &&
	       slice_ends(local, ends);
}

const char *
dkim_key_refuses(const struct dkim_key *key, struct slice hash, struct slice identity,
                 struct slice domain, bool empty_granularity_is_any)
{
	struct slice h = dkim_tags_get(&key->tags, SLICE("h"));
	struct slice g = dkim_tags_get(&key->tags, SLICE("g"));
	struct slice t = dkim_tags_get(&key->tags, SLICE("t"));
	size_t at = slice_rfind_byte(identity, '@');
	struct slice local = slice_sub(identity, 0, at == SLICE_NPOS ? 0 : at);
	struct slice host = at == SLICE_NPOS ? identity : slice_from(identity, at + 1);

	if (slice_has_byte(local, '\n'))
		local = SLICE(""), host = identity;
	if (dkim_is_true(h) && !dkim_list_has(h, hash))
		return "public key: does not support this hash algorithm";
	if (g.data != NULL && g.len == 0 && !empty_granularity_is_any)
		return "public key: granularity is empty";
	if (g.len > 0 && !granularity_matches(g, local))
		return "public key: granularity mismatch";
	if (dkim_is_true(t) && dkim_list_has(t, SLICE("s")) && !slice_ieq(host, domain))
		return "public key: does not support signing subdomains";
	return NULL;
}

bool
dkim_key_is_testing(const struct dkim_key *key)
{
	struct slice t = dkim_tags_get(&key->tags, SLICE("t"));

	return dkim_is_true(t) && dkim_list_has(t, SLICE("y"));
}

/* ---- signatures ---- */

static struct slice
rsa_open(struct arena *arena, EVP_PKEY *pkey, struct slice signature)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	size_t len = (size_t)EVP_PKEY_get_size(pkey);
	unsigned char *out = arena_bytes(arena, len + 1);
	struct slice opened = SLICE_NULL;

	if (ctx != NULL && out != NULL && EVP_PKEY_encrypt_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
	    EVP_PKEY_encrypt(ctx, out, &len, signature.data, signature.len) == 1)
		opened = slice_of(out, len);
	EVP_PKEY_CTX_free(ctx);
	return opened;
}

static const char *
rsa_verify(struct arena *arena, EVP_PKEY *pkey, bool is_sha1, struct slice digest,
           struct slice signature)
{
	static const unsigned char sha1[] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e,
	                                     0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
	static const unsigned char sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
	                                       0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
	                                       0x01, 0x05, 0x00, 0x04, 0x20};
	struct slice info =
		is_sha1 ? slice_of(sha1, sizeof(sha1)) : slice_of(sha256, sizeof(sha256));
	size_t size = (size_t)EVP_PKEY_get_size(pkey), info_at;
	unsigned char *expected;
	struct slice opened;

	if (signature.len != size)
		return signature.len < size ? "OpenSSL error: data too small for key size"
		                            : "OpenSSL error: data too large for key size";
	if (size < info.len + digest.len + 11)
		return "Intended encoded message length too short.";
	opened = rsa_open(arena, pkey, signature);
	expected = arena_bytes(arena, size);
	if (expected == NULL || opened.len != size)
		return "OpenSSL error: data too large for modulus";
	info_at = size - info.len - digest.len;
	memset(expected, 0xff, info_at);
	expected[0] = 0, expected[1] = 1, expected[info_at - 1] = 0;
	memcpy(expected + info_at, info.data, info.len);
	memcpy(expected + info_at + info.len, digest.data, digest.len);
	if (memcmp(opened.data, expected, size) == 0)
		return NULL;
	return memcmp(opened.data, expected, size - digest.len) == 0 ? "message has been altered"
	                                                             : "bad RSA signature";
}

const char *
dkim_key_verify(struct arena *arena, const struct dkim_key *key, bool is_sha1, struct slice digest,
                struct slice signature)
{
	EVP_MD_CTX *ctx;
	bool ok;

	if (!key->is_ed25519)
		return rsa_verify(arena, key->pkey, is_sha1, digest, signature);
	ctx = EVP_MD_CTX_new();
	ok = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	     EVP_DigestVerify(ctx, signature.data, signature.len, digest.data, digest.len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? NULL : "message has been altered";
}
