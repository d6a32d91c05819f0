/*
 * dkim_check.c - is a signature well formed, and is it good?
 *
 * Key and header hash decide first; the bodies of those that are left are hashed then, each
 * distinct way once.
 */
#include "auth/dkim_check.h"

#include <stdlib.h>

#include "auth/arc.h"
#include "auth/dkim_fields.h"
#include "auth/dkim_key.h"
#include "mail/address.h"
#include "mail/decode.h"
#include "util/strbuf.h"

/* ---- form ---- */

static size_t
skip_digits(struct slice s, size_t at)
{
	while (at < s.len && byte_is_digit(s.data[at]))
		at++;
	return at;
}

static size_t
skip_sign(struct slice s, size_t at)
{
	return at < s.len && (s.data[at] == '+' || s.data[at] == '-') ? at + 1 : at;
}

/* What Perl makes of text that is used as a number. */
static double
perl_number(struct slice text)
{
	char buffer[64];
	size_t at, end;

	text = slice_ltrim(text);
	at = skip_digits(text, skip_sign(text, 0));
	if (at < text.len && text.data[at] == '.')
		at = skip_digits(text, at + 1);
	if (at < text.len && byte_lower(text.data[at]) == 'e') {
		end = skip_digits(text, skip_sign(text, at + 1));
		if (byte_is_digit(text.data[end - 1]))
			at = end;
	}
	if (at >= sizeof(buffer))
		at = sizeof(buffer) - 1;
	if (at > 0)
		memcpy(buffer, text.data, at);
	buffer[at] = 0;
	return strtod(buffer, NULL);
}

static bool
is_known_canon(struct slice name)
{
	return slice_eq(name, SLICE("simple")) || slice_eq(name, SLICE("relaxed")) ||
	       slice_eq(name, SLICE("nowsp")) || slice_eq(name, SLICE("seal"));
}

static bool
is_canon_known(const struct dkim_signature *s)
{
	switch (s->kind) {
	case DKIM_DOMAINKEY:
		return slice_eq(s->header_canon, SLICE("simple")) ||
		       slice_eq(s->header_canon, SLICE("nofws"));
	case DKIM_ARC_SEAL:
		return true;
	case DKIM_SIGNATURE:
	case DKIM_ARC_MESSAGE:
		break;
	}
	return is_known_canon(s->header_canon) && is_known_canon(s->body_canon);
}

static bool
is_algorithm_known(const struct dkim_signature *s)
{
	if (s->is_sha1)
		return true;
	return s->kind != DKIM_DOMAINKEY &&
	       (slice_eq(s->algorithm, SLICE("rsa-sha256")) || s->is_ed25519);
}

static bool
is_protocol_known(const struct dkim_signature *s)
{
	struct slice q = dkim_tags_get(&s->tags, SLICE("q")), item;
	bool has_version = dkim_is_true(dkim_tags_get(&s->tags, SLICE("v")));

	if (q.data == NULL)
		return true;
	if (s->kind == DKIM_DOMAINKEY)
		return slice_ieq(q, SLICE("dns"));
	while (slice_next(&q, ':', &item))
		if (slice_eq(item, SLICE("dns/txt")) ||
		    (!has_version && slice_eq(item, SLICE("dns"))))
			return true;
	return false;
}

/* l= is there and no number: the reference hashes some part or nothing of the body. */
static bool
is_length_bad(const struct dkim_signature *s)
{
	struct slice l = dkim_tags_get(&s->tags, SLICE("l"));

	return l.len > 0 && skip_digits(l, 0) != l.len;
}

const char *
dkim_signature_problem(const struct dkim_signature *s, int64_t now_s, bool *is_expired_r)
{
	struct slice v = dkim_tags_get(&s->tags, SLICE("v"));
	struct slice x = dkim_tags_get(&s->tags, SLICE("x"));
	bool is_domainkey = s->kind == DKIM_DOMAINKEY;

	if (!is_domainkey && dkim_is_true(v) && !slice_eq(v, SLICE("1")) &&
	    !slice_eq(v, SLICE("0.5")))
		return "unsupported version";
	if (!is_algorithm_known(s))
		return "unsupported algorithm";
	if (!is_canon_known(s))
		return "unsupported canonicalization";
	if (!is_protocol_known(s))
		return "unsupported query protocol";
	*is_expired_r = !is_domainkey && x.data != NULL && (double)now_s > perl_number(x);
	if (*is_expired_r)
		return "signature is expired";
	if (s->domain.data == NULL)
		return "missing d tag";
	if (s->domain.len == 0)
		return "invalid domain in d tag";
	if (s->selector.data == NULL)
		return "missing s tag";
	return NULL;
}

/* ---- what is left for the bodies ---- */

struct wanted {
	struct dkim_signature *signature;
	size_t hash, rfc_hash; /* index into hashes + 1; rfc_hash 0: the same */
	const char *rfc_problem;
};

struct check {
	struct dkim_verifier *v;
	struct dkim_walk walk;
	VEC(struct wanted) wanted;
	VEC(struct dkim_body_hash) hashes;
};

static void
settle(struct dkim_signature *s, enum dkim_result result, const char *detail)
{
	s->result = result;
	s->detail = detail;
}

static enum dkim_canon
canon_of(struct slice name)
{
	return slice_eq(name, SLICE("relaxed")) ? DKIM_CANON_RELAXED
	       : slice_eq(name, SLICE("nowsp")) ? DKIM_CANON_NOWSP
	       : slice_eq(name, SLICE("seal"))  ? DKIM_CANON_SEAL
	                                        : DKIM_CANON_SIMPLE;
}

static size_t
want_hash(struct check *c, enum dkim_canon canon, bool is_sha1, size_t limit)
{
	for (size_t i = 0; i < c->hashes.count; i++)
		if (c->hashes.items[i].canon == canon && c->hashes.items[i].is_sha1 == is_sha1 &&
		    c->hashes.items[i].limit == limit)
			return i + 1;
	if (vec_push(c->v->arena, &c->hashes,
	             (struct dkim_body_hash){.canon = canon, .is_sha1 = is_sha1, .limit = limit}) ==
	    NULL)
		return 0;
	return c->hashes.count;
}

static size_t
body_limit(struct slice l)
{
	unsigned long long limit;

	if (l.len == 0)
		return SIZE_MAX;
	return !slice_to_u64(l, SIZE_MAX - 1, &limit) ? SIZE_MAX - 1 : (size_t)limit;
}

/* The field that is checked, with b= emptied. */
static struct slice
signature_line(struct arena *arena, const struct dkim_signature *s)
{
	const struct dkim_tag *b = dkim_tags_find(&s->tags, SLICE("b"));
	struct strbuf line;

	strbuf_init(&line, arena, 0);
	strbuf_add(&line, s->prefix);
	for (size_t i = 0; i < s->tags.items.count; i++) {
		const struct dkim_tag *tag = &s->tags.items.items[i];

		if (i > 0)
			strbuf_add_byte(&line, ';');
		strbuf_add(&line,
		           tag == b ? slice_sub(tag->raw, 0, slice_find_byte(tag->raw, '=', 0) + 1)
		                    : tag->raw);
	}
	return strbuf_is_bad(&line) ? SLICE("") : strbuf_slice(&line);
}

static struct slice
signature_bytes(struct arena *arena, const struct dkim_signature *s)
{
	struct slice b = dkim_tags_get(&s->tags, SLICE("b"));

	return b.len == 0 ? SLICE("") : base64_decode(arena, b);
}

/* ---- header hashes ---- */

struct sealing {
	struct dkim_verifier *v;
	EVP_MD_CTX *digest;
};

static void
add_sealed(void *data, size_t field)
{
	struct sealing *sealing = data;

	dkim_digest_field(sealing->v, field, DKIM_CANON_SEAL, sealing->digest);
}

static struct slice
final_digest(struct arena *arena, EVP_MD_CTX *digest)
{
	unsigned char *out = arena_bytes(arena, EVP_MAX_MD_SIZE);
	unsigned len = 0;

	if (out == NULL || EVP_DigestFinal_ex(digest, out, &len) != 1)
		return SLICE_NULL;
	return slice_of(out, len);
}

static EVP_MD_CTX *
new_digest(bool is_sha1)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	if (digest != NULL &&
	    EVP_DigestInit_ex(digest, is_sha1 ? EVP_sha1() : EVP_sha256(), NULL) == 1)
		return digest;
	EVP_MD_CTX_free(digest);
	return NULL;
}

static struct slice
header_digest(struct check *c, const struct dkim_signature *s, enum dkim_canon canon)
{
	struct dkim_verifier *v = c->v;
	struct slice line = signature_line(v->arena, s), sum;
	struct slice list = dkim_header_list(v->arena, dkim_tags_get(&s->tags, SLICE("h")));
	EVP_MD_CTX *digest = new_digest(s->is_sha1);

	if (digest == NULL)
		return SLICE_NULL;
	if (s->kind == DKIM_ARC_SEAL) {
		struct sealing sealing = {v, digest};

		arc_each_sealed(v, s, add_sealed, &sealing);
	} else {
		dkim_digest_listed(&c->walk, list, canon, digest);
	}
	line = dkim_canon_header(v->arena, canon, line);
	(void)EVP_DigestUpdate(digest, line.data, line.len);
	sum = final_digest(v->arena, digest);
	EVP_MD_CTX_free(digest);
	return sum;
}

/* ---- one signature ---- */

static bool
lists_name(struct slice list, struct slice wanted)
{
	struct slice name;

	while (slice_next(&list, ':', &name))
		if (slice_eq(slice_trim(name), wanted))
			return true;
	return false;
}

static bool
is_identity_below(const struct dkim_signature *s)
{
	size_t at = slice_rfind_byte(s->identity, '@');
	struct slice host = slice_from(s->identity, at + 1);

	if (s->identity.data == NULL || at == SLICE_NPOS)
		return false;
	if (slice_ieq(host, s->domain))
		return true;
	return host.len > s->domain.len && slice_iends(host, s->domain) &&
	       host.data[host.len - s->domain.len - 1] == '.';
}

/* Holes of the reference that are closed: what nobody signed is not valid. */
static const char *
hole(const struct dkim_signature *s)
{
	if (s->kind != DKIM_SIGNATURE)
		return NULL;
	if (slice_eq(s->header_canon, SLICE("seal")) || slice_eq(s->body_canon, SLICE("seal")))
		return "unsupported canonicalization";
	if (dkim_tags_get(&s->tags, SLICE("bh")).len == 0)
		return "missing body hash";
	return s->covers_from ? NULL : "From is not signed";
}

static const char *
arc_form_problem(const struct dkim_signature *s)
{
	if (s->kind != DKIM_ARC_MESSAGE && s->kind != DKIM_ARC_SEAL)
		return NULL;
	if (!dkim_is_true(s->domain))
		return "missing D tag";
	if (!dkim_is_true(dkim_tags_get(&s->tags, SLICE("b"))))
		return "missing B tag";
	if (s->kind == DKIM_ARC_SEAL)
		return NULL;
	if (!dkim_is_true(dkim_tags_get(&s->tags, SLICE("bh"))))
		return "missing BH tag";
	return slice_ifind(dkim_tags_get(&s->tags, SLICE("h")), SLICE("arc-seal"), 0) != SLICE_NPOS
	               ? "Arc-Message-Signature covers Arc-Seal"
	               : NULL;
}

/* Takes what the key says; NULL: it may be used. */
static const char *
key_problem(struct dkim_signature *s)
{
	const struct dkim_key *key = s->key;
	bool is_arc = s->kind == DKIM_ARC_MESSAGE || s->kind == DKIM_ARC_SEAL;

	s->is_temporary = key->is_timeout;
	s->is_authenticated = key->is_authenticated;
	if (key->problem != NULL)
		return key->problem;
	s->is_testing = dkim_key_is_testing(key);
	if (s->is_ed25519 != key->is_ed25519)
		return "public key: unsupported key type";
	return dkim_key_refuses(key, s->is_sha1 ? SLICE("sha1") : SLICE("sha256"),
	                        is_arc ? s->domain : s->identity, s->domain,
	                        s->kind == DKIM_DOMAINKEY);
}

static void
want_body(struct check *c, struct dkim_signature *s)
{
	struct slice l = dkim_tags_get(&s->tags, SLICE("l"));
	enum dkim_canon canon = canon_of(s->body_canon);
	size_t limit = body_limit(l);
	struct wanted wanted = {.signature = s};

	/* The reference takes l=0 for no limit. */
	wanted.hash = want_hash(c, canon, s->is_sha1, limit == 0 ? SIZE_MAX : limit);
	if (limit == 0 || canon == DKIM_CANON_SIMPLE)
		wanted.rfc_hash =
			want_hash(c, canon == DKIM_CANON_SIMPLE ? DKIM_CANON_SIMPLE_ENDED : canon,
		                  s->is_sha1, limit);
	if (wanted.hash > 0)
		(void)vec_push(c->v->arena, &c->wanted, wanted);
}

static const char *
verify_header(struct check *c, const struct dkim_signature *s, enum dkim_canon canon)
{
	struct slice digest = header_digest(c, s, canon);

	if (digest.data == NULL)
		return "no memory";
	return dkim_key_verify(c->v->arena, s->key, s->is_sha1, digest,
	                       signature_bytes(c->v->arena, s));
}

/* The suite of RFC 8617 takes relaxed/relaxed for the default of ARC-Message-Signature. */
static void
retry_relaxed(struct check *c, struct dkim_signature *s)
{
	struct wanted wanted = {.signature = s};

	if (s->kind != DKIM_ARC_MESSAGE || dkim_tags_find(&s->tags, SLICE("c")) != NULL ||
	    verify_header(c, s, DKIM_CANON_RELAXED) != NULL)
		return;
	wanted.rfc_hash = want_hash(c, DKIM_CANON_RELAXED, s->is_sha1,
	                            body_limit(dkim_tags_get(&s->tags, SLICE("l"))));
	(void)vec_push(c->v->arena, &c->wanted, wanted);
}

static void
check_dkim(struct check *c, struct dkim_signature *s)
{
	struct slice list = dkim_header_list(c->v->arena, dkim_tags_get(&s->tags, SLICE("h")));
	const char *problem = arc_form_problem(s);

	s->covers_from = lists_name(list, SLICE("from"));
	if (problem != NULL) {
		settle(s, DKIM_FAIL, problem);
		return;
	}
	if (s->kind == DKIM_SIGNATURE && !is_identity_below(s)) {
		settle(s, DKIM_INVALID, "bad identity");
		return;
	}
	problem = key_problem(s);
	if (problem != NULL) {
		settle(s, DKIM_INVALID, problem);
		return;
	}
	problem = verify_header(c, s, canon_of(s->header_canon));
	if (problem == NULL && is_length_bad(s))
		problem = "invalid l tag";
	if (problem != NULL) {
		settle(s, DKIM_FAIL, problem);
		retry_relaxed(c, s);
		return;
	}
	problem = hole(s);
	if (problem != NULL) {
		settle(s, DKIM_INVALID, problem);
		return;
	}
	if (s->kind == DKIM_ARC_SEAL)
		settle(s, DKIM_PASS, NULL);
	else
		want_body(c, s);
}

/* ---- DomainKeys ---- */

static struct slice
first_address(struct arena *arena, struct slice value)
{
	address_vec addresses = {.count = 0};

	if (value.data == NULL ||
	    address_parse(arena, value, ADDRESS_PARSER_BOTH, &addresses) != STATUS_OK ||
	    addresses.count == 0)
		return SLICE_NULL;
	return addresses.items[0].address;
}

/* Header and body share one hash; who signed is whoever wrote it. */
static struct slice
domainkey_digest(struct check *c, struct dkim_signature *s)
{
	struct dkim_verifier *v = c->v;
	enum dkim_canon canon = slice_eq(s->header_canon, SLICE("nofws")) ? DKIM_CANON_DK_NOFWS
	                                                                  : DKIM_CANON_DK_SIMPLE;
	struct slice list = dkim_header_list(v->arena, dkim_tags_get(&s->tags, SLICE("h")));
	struct slice sender, from, sum;
	EVP_MD_CTX *digest = new_digest(true);

	if (digest == NULL)
		return SLICE_NULL;
	dkim_digest_below(&c->walk, list, s->field, canon, digest, &sender, &from);
	dkim_digest_body(&(struct dkim_body){v->body, v->is_crlf}, canon, digest);
	sum = final_digest(v->arena, digest);
	EVP_MD_CTX_free(digest);
	s->identity = first_address(v->arena, sender);
	if (s->identity.data == NULL)
		s->identity = first_address(v->arena, from);
	s->covers_from = list.len == 0 || lists_name(list, SLICE("from")) ||
	                 lists_name(list, SLICE("sender"));
	return sum;
}

static void
check_domainkey(struct check *c, struct dkim_signature *s)
{
	struct slice digest = domainkey_digest(c, s);
	const char *problem;

	if (!is_identity_below(s)) {
		settle(s, DKIM_INVALID, "bad identity");
		return;
	}
	problem = key_problem(s);
	if (problem != NULL) {
		settle(s, DKIM_INVALID, problem);
		return;
	}
	problem = digest.data == NULL ? "no memory"
	                              : dkim_key_verify(c->v->arena, s->key, true, digest,
	                                                signature_bytes(c->v->arena, s));
	settle(s, problem == NULL ? DKIM_PASS : DKIM_FAIL, problem);
}

/* ---- what the RFC says ---- */

static const char *
rfc_form_problem(const struct dkim_signature *s)
{
	struct slice v = dkim_tags_get(&s->tags, SLICE("v"));
	struct slice l = dkim_tags_get(&s->tags, SLICE("l"));

	if (s->kind == DKIM_DOMAINKEY || s->kind == DKIM_ARC_SEAL)
		return NULL;
	if (s->tags.has_duplicate)
		return "duplicate tag";
	if (s->kind == DKIM_SIGNATURE && !slice_eq(v, SLICE("1")))
		return "no v=1";
	if (s->kind == DKIM_SIGNATURE && dkim_tags_get(&s->tags, SLICE("h")).len == 0)
		return "missing h tag";
	if (dkim_tags_get(&s->tags, SLICE("bh")).len == 0)
		return "missing bh tag";
	if (s->kind == DKIM_SIGNATURE && !s->covers_from)
		return "From is not signed";
	if (slice_has_byte(s->domain, ' ') || slice_ends(s->domain, SLICE(".")))
		return "invalid domain in d tag";
	return l.data != NULL && (l.len == 0 || is_length_bad(s)) ? "invalid l tag" : NULL;
}

static void
decide_rfc(struct dkim_signature *s, bool is_good)
{
	const char *problem = rfc_form_problem(s);

	s->rfc = s->result == DKIM_INVALID ? AUTH_PERMERROR : is_good ? AUTH_PASS : AUTH_FAIL;
	s->rfc_detail = s->detail;
	if (s->key != NULL && s->key->is_temporary && s->result == DKIM_INVALID)
		s->rfc = AUTH_TEMPERROR;
	else if (problem != NULL)
		s->rfc = AUTH_PERMERROR, s->rfc_detail = problem;
	else if (is_good && s->is_sha1)
		s->rfc = AUTH_POLICY, s->rfc_detail = "rsa-sha1 (RFC 8301)";
	else if (is_good && !s->is_ed25519 && s->key_bits < 1024)
		s->rfc = AUTH_POLICY, s->rfc_detail = "weak key (RFC 8301)";
	else if (is_good)
		s->rfc_detail = NULL;
}

/* ---- all of them ---- */

static const struct dkim_body_hash *
hash_of(const struct dkim_body_hash *made, size_t count, const struct dkim_body_hash *wanted)
{
	for (size_t i = 0; i < count; i++)
		if (made[i].canon == wanted->canon && made[i].is_sha1 == wanted->is_sha1 &&
		    made[i].limit == wanted->limit)
			return &made[i];
	return NULL;
}

static bool
hash_matches(const struct dkim_body_hash *hash, struct slice expected)
{
	return hash != NULL && hash->digest_bytes > 0 &&
	       slice_eq(slice_of(hash->digest, hash->digest_bytes), expected);
}

static void
compare_body(struct check *c, const struct wanted *wanted, const struct dkim_body_hash *made)
{
	struct dkim_signature *s = wanted->signature;
	struct slice expected = base64_decode(c->v->arena, dkim_tags_get(&s->tags, SLICE("bh")));
	const struct dkim_body_hash *hash = NULL, *rfc;
	bool is_good;

	if (wanted->hash > 0) {
		hash = hash_of(made, c->hashes.count, &c->hashes.items[wanted->hash - 1]);
		if (hash_matches(hash, expected))
			settle(s, DKIM_PASS, NULL);
		else
			settle(s, DKIM_FAIL, "body has been altered");
	}
	rfc = wanted->rfc_hash == 0
	              ? hash
	              : hash_of(made, c->hashes.count, &c->hashes.items[wanted->rfc_hash - 1]);
	is_good = hash_matches(rfc, expected);
	decide_rfc(s, is_good);
	if (is_good && rfc->is_short && s->rfc != AUTH_PERMERROR)
		s->rfc = AUTH_PERMERROR, s->rfc_detail = "l tag beyond the body";
}

static void
check_list(struct check *c, dkim_signature_vec *list)
{
	for (size_t i = 0; i < list->count; i++) {
		struct dkim_signature *s = &list->items[i];

		if (s->result == DKIM_UNDEFINED && s->key != NULL) {
			s->key_bits = s->key->bits;
			if (s->kind == DKIM_DOMAINKEY)
				check_domainkey(c, s);
			else
				check_dkim(c, s);
		}
		decide_rfc(s, s->result == DKIM_PASS);
	}
}

void
dkim_check(struct dkim_verifier *v)
{
	struct check c = {.v = v};
	struct dkim_body_hash *made;

	if (!dkim_walk_init(&c.walk, v))
		return;
	check_list(&c, &v->signatures);
	if (!v->arc->is_broken)
		check_list(&c, &v->arc_signatures);
	if (c.hashes.count == 0)
		return;
	made = arena_new_array(v->arena, struct dkim_body_hash, c.hashes.count);
	if (made == NULL)
		return;
	memcpy(made, c.hashes.items, c.hashes.count * sizeof(made[0]));
	dkim_hash_bodies(&(struct dkim_body){v->body, v->is_crlf}, made, c.hashes.count);
	for (size_t i = 0; i < c.wanted.count; i++)
		compare_body(&c, &c.wanted.items[i], made);
}
