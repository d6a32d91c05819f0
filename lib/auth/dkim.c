/*
 * dkim.c - DKIM, DomainKeys and ARC signatures of one message
 */
#include "auth/dkim.h"

#include <stdlib.h>

#include "auth/arc.h"
#include "auth/dkim_check.h"
#include "auth/dkim_fields.h"
#include "auth/dkim_key.h"
#include "mail/registry.h"

/* ---- a signature field ---- */

struct signature_field {
	const char *name; /* lower case */
	const char
		*prefix; /* what as_string begins with when the field has blanks before the colon */
	enum dkim_kind kind;
};

static const struct signature_field signature_fields[] = {
	{"dkim-signature", "DKIM-Signature:", DKIM_SIGNATURE},
	{"domainkey-signature", "DomainKey-Signature:", DKIM_DOMAINKEY},
	{"arc-message-signature", "ARC-Message-Signature:", DKIM_ARC_MESSAGE},
	{"arc-seal", "ARC-Seal:", DKIM_ARC_SEAL},
};

static struct slice
decode_identity(struct arena *arena, struct slice value)
{
	unsigned char *out;
	size_t len = 0;

	if (!slice_has_byte(value, '='))
		return value;
	out = arena_bytes(arena, value.len + 1);
	for (size_t i = 0; out != NULL && i < value.len; i++)
		if (value.data[i] == '=' && i + 2 < value.len &&
		    byte_is_xdigit(value.data[i + 1]) && byte_is_xdigit(value.data[i + 2])) {
			out[len++] = (unsigned char)(byte_hex_value(value.data[i + 1]) * 16 +
			                             byte_hex_value(value.data[i + 2]));
			i += 2;
		} else {
			out[len++] = value.data[i];
		}
	return slice_of(out, len);
}

static struct slice
lower_tag(struct arena *arena, const struct dkim_tags *tags, struct slice name)
{
	struct slice value = dkim_tags_get(tags, name);

	return value.data == NULL ? SLICE_NULL : arena_dup_lower(arena, value);
}

static void
read_canon(struct arena *arena, struct dkim_signature *s)
{
	struct slice c = lower_tag(arena, &s->tags, SLICE("c"));
	size_t slash;

	if (s->kind == DKIM_ARC_SEAL) {
		s->header_canon = s->body_canon = SLICE("seal");
		return;
	}
	if (!dkim_is_true(c))
		c = SLICE("simple");
	slash = s->kind == DKIM_DOMAINKEY ? SLICE_NPOS : slice_find_byte(c, '/', 0);
	s->header_canon = slice_sub(c, 0, slash);
	s->body_canon = slash == SLICE_NPOS ? SLICE("simple") : slice_from(c, slash + 1);
}

/* false: no tag list. */
static bool
read_signature(struct dkim_verifier *v, size_t field, const struct signature_field *known,
               struct dkim_signature *s)
{
	struct slice text = v->fields.items[field].text;

	*s = (struct dkim_signature){.kind = known->kind, .field = field};
	s->prefix = slice_from_cstr(known->prefix);
	if (slice_istarts(text, s->prefix)) {
		s->prefix = slice_sub(text, 0, s->prefix.len);
		text = slice_from(text, s->prefix.len);
	}
	if (dkim_tags_parse(v->arena, text, &s->tags) != STATUS_OK)
		return false;
	s->domain = lower_tag(v->arena, &s->tags, SLICE("d"));
	s->selector = dkim_tags_get(&s->tags, SLICE("s"));
	s->algorithm = lower_tag(v->arena, &s->tags, SLICE("a"));
	if (s->kind == DKIM_DOMAINKEY && s->algorithm.len == 0)
		s->algorithm = SLICE("rsa-sha1");
	s->is_sha1 = slice_eq(s->algorithm, SLICE("rsa-sha1"));
	s->is_ed25519 = slice_eq(s->algorithm, SLICE("ed25519-sha256"));
	read_canon(v->arena, s);
	if (s->kind == DKIM_DOMAINKEY)
		return true;
	s->identity = dkim_tags_get(&s->tags, SLICE("i"));
	s->identity = s->identity.data != NULL ? decode_identity(v->arena, s->identity)
	                                       : arena_concat(v->arena, SLICE("@"), s->domain);
	return true;
}

/* ---- keys ---- */

static void
finish(struct dkim_verifier *v)
{
	if (v->is_done)
		return;
	dkim_check(v);
	arc_finish(v);
	v->is_done = true;
}

static void
key_answered(void *context, const struct dns_answer *answer)
{
	struct dkim_key *key = context;
	struct dkim_verifier *v = key->verifier;

	if (key->is_answered)
		return;
	dkim_key_read(v->arena, key, answer);
	if (--v->open > 0)
		return;
	finish(v);
	if (v->done != NULL)
		v->done(v, v->context);
}

/* What a name server can be asked for: no empty label, none too long. */
static bool
is_askable(struct slice name)
{
	struct slice label;

	if (name.len == 0 || name.len > 254)
		return false;
	while (slice_next(&name, '.', &label))
		if (label.len == 0 || label.len > 63)
			return false;
	return true;
}

/* Notes the name; the questions leave when the header is read. */
static struct dkim_key *
key_of(struct dkim_verifier *v, const struct dkim_signature *s)
{
	struct slice name = arena_printf(v->arena, "%.*s._domainkey.%.*s",
	                                 SLICE_FMT(slice_sub(s->selector, 0, 300)),
	                                 SLICE_FMT(slice_sub(s->domain, 0, 300)));
	struct hashmap_entry *entry;
	struct dkim_key *key;

	name = idn_to_ascii(v->arena, name);
	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	name = arena_dup_lower(v->arena, name);
	entry = name.data == NULL ? NULL : hashmap_put(&v->keys, name, NULL);
	if (entry == NULL)
		return NULL;
	if (entry->value == NULL) {
		key = arena_new(v->arena, struct dkim_key);
		if (key == NULL)
			return NULL;
		*key = (struct dkim_key){.verifier = v, .name = name};
		entry->value = key;
	}
	return entry->value;
}

static void
ask_keys(struct dkim_verifier *v, struct dns_client *client)
{
	for (size_t i = 0; i < v->keys.count; i++) {
		struct dkim_key *key = v->keys.entries[i].value;

		v->open++;
		if (key != NULL && client != NULL && is_askable(key->name) &&
		    dns_ask(client, key->name, DNS_TXT, key_answered, key))
			continue;
		v->open--;
		if (key != NULL)
			dkim_key_read(v->arena, key, NULL);
	}
}

/* ---- the message ---- */

static void
add_signature(struct dkim_verifier *v, size_t field, const struct signature_field *known)
{
	bool is_arc = known->kind == DKIM_ARC_MESSAGE || known->kind == DKIM_ARC_SEAL;
	dkim_signature_vec *list = is_arc ? &v->arc_signatures : &v->signatures;
	struct dkim_signature s, *kept;

	if (!read_signature(v, field, known, &s)) {
		if (is_arc)
			v->has_unparsed_arc = true;
		else
			v->has_unparsed = true;
		return;
	}
	if (is_arc && v->arc->is_broken)
		return;
	kept = vec_push(v->arena, list, s);
	if (kept == NULL)
		return;
	kept->detail = dkim_signature_problem(kept, v->now_s, &kept->is_expired);
	if (kept->detail != NULL) {
		kept->result = DKIM_INVALID;
		return;
	}
	if (kept->selector.len == 0) {
		kept->detail = "invalid/missing Selector";
		return;
	}
	kept->key = key_of(v, kept);
	if (is_arc)
		arc_add(v);
}

static void
read_signatures(struct dkim_verifier *v)
{
	size_t count = sizeof(signature_fields) / sizeof(signature_fields[0]);

	for (size_t i = 0; i < v->fields.count; i++)
		for (size_t k = 0; k < count; k++) {
			dkim_signature_vec *list = k < 2 ? &v->signatures : &v->arc_signatures;
			size_t max = k < 2 ? DKIM_SIGNATURES_MAX : ARC_SIGNATURES_MAX;

			if (!slice_eq(v->fields.items[i].name,
			              slice_from_cstr(signature_fields[k].name)))
				continue;
			if (list->count < max)
				add_signature(v, i, &signature_fields[k]);
		}
}

struct dkim_verifier *
dkim_verify(struct arena *arena, const struct dkim_request *request)
{
	struct dkim_verifier *v = arena_new(arena, struct dkim_verifier);

	if (v == NULL)
		return NULL;
	*v = (struct dkim_verifier){.arena = arena,
	                            .is_crlf = request->is_crlf,
	                            .now_s = request->now_s,
	                            .done = request->done,
	                            .context = request->context};
	v->arc = arena_new(arena, struct arc_chain);
	hashmap_init(&v->keys, arena);
	if (v->arc == NULL || !dkim_fields_read(v, request->message))
		return NULL;
	arc_begin(v);
	read_signatures(v);
	arc_finish_header(v);
	/* One more, so that an answer that comes at once cannot end it too early. */
	v->open++;
	ask_keys(v, request->client);
	if (--v->open == 0)
		finish(v);
	return v;
}

/* ---- results as text ---- */

const char *
dkim_result_name(enum dkim_result result)
{
	switch (result) {
	case DKIM_PASS:
		return "pass";
	case DKIM_FAIL:
		return "fail";
	case DKIM_INVALID:
		return "invalid";
	case DKIM_UNDEFINED:
		break;
	}
	return "";
}

struct slice
dkim_result_text(struct arena *arena, const struct dkim_signature *signature)
{
	if (signature->detail == NULL || signature->result == DKIM_UNDEFINED)
		return slice_from_cstr(dkim_result_name(signature->result));
	return arena_printf(arena, "%s (%s)", dkim_result_name(signature->result),
	                    signature->detail);
}

struct slice
dkim_signer(struct arena *arena, const struct dkim_signature *signature)
{
	struct slice signer;
	size_t at, end;

	if (signature->identity.data == NULL)
		return signature->domain;
	/* The first @ that anything but white space follows. */
	for (at = slice_find_byte(signature->identity, '@', 0); at != SLICE_NPOS;
	     at = slice_find_byte(signature->identity, '@', at + 1)) {
		signer = slice_from(signature->identity, at + 1);
		for (end = 0; end < signer.len && !byte_is_space(signer.data[end]);)
			end++;
		if (end > 0)
			return arena_dup_lower(arena, slice_sub(signer, 0, end));
	}
	return SLICE_NULL;
}
