/*
 * hashbl_ask.c - hashes, and what lists say of them
 */
#include "plugins/hashbl.h"

#include <openssl/evp.h>

static struct slice
hex_text(struct arena *arena, const unsigned char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char *text = arena_bytes(arena, count * 2);

	for (size_t i = 0; text != NULL && i < count; i++) {
		text[2 * i] = (unsigned char)digits[bytes[i] >> 4];
		text[2 * i + 1] = (unsigned char)digits[bytes[i] & 15];
	}
	return text == NULL ? SLICE_NULL : slice_of(text, count * 2);
}

/* RFC 4648 base 32, lower case, not padded. */
static struct slice
base32_text(struct arena *arena, const unsigned char *bytes, size_t count)
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	struct strbuf buf;
	unsigned bits = 0, have = 0;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < count; i++) {
		bits = (bits << 8 | bytes[i]) & 0xfff;
		for (have += 8; have >= 5; have -= 5)
			strbuf_add_byte(&buf, (unsigned char)digits[bits >> (have - 5) & 31]);
	}
	if (have > 0)
		strbuf_add_byte(&buf, (unsigned char)digits[bits << (5 - have) & 31]);
	return strbuf_slice(&buf);
}

/* data NULL: it cannot be computed. */
struct slice
hashbl_hash_of(struct arena *arena, enum hash_kind kind, struct slice value)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	const EVP_MD *md = kind == HASH_MD5    ? EVP_md5()
	                   : kind == HASH_SHA1 ? EVP_sha1()
	                                       : EVP_sha256();
	unsigned len;

	if (kind == HASH_NONE)
		return value;
	if (EVP_Digest(value.data, value.len, digest, &len, md, NULL) != 1)
		return SLICE_NULL;
	return kind == HASH_SHA256 ? base32_text(arena, digest, len) : hex_text(arena, digest, len);
}

/* ---- questions and answers ---- */

struct hashbl_question {
	const struct rule *rule;
	const struct hashbl_rule *data;
	struct slice value;
};

static struct slice
without_at(struct arena *arena, struct slice value)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] == '@')
			strbuf_add_cstr(&buf, "[at]");
		else
			strbuf_add_byte(&buf, value.data[i]);
	}
	return strbuf_slice(&buf);
}

static void
take_answer(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct hashbl_question *question = context;

	for (size_t i = 0; answer->outcome == DNS_ANSWERED && i < answer->record_count; i++) {
		const struct dns_record *record = &answer->records[i];
		struct slice text = record->text;

		/* As in the reference a record without an address ends it. */
		if (record->type != DNS_A && record->type != DNS_AAAA)
			return;
		if (question->data->subtest != NULL
		            ? !regex_is_match(question->data->subtest, scan_regex_scratch(scan),
		                              text)
		            : !dnslist_is_loopback(text))
			continue;
		log_debug(scan->log, "HashBL", "%.*s: %.*s hit '%.*s'",
		          SLICE_FMT(question->rule->name), SLICE_FMT(answer->name),
		          SLICE_FMT(log_quote(scan->arena, question->value, 300)));
		scan_test_log(scan, question->rule, without_at(scan->arena, question->value));
		scan_hit(scan, question->rule, "", 1);
		return;
	}
}

bool
hashbl_is_ignored(struct scan *scan, struct slice value)
{
	const struct hashbl_settings *settings = plugin_settings(scan->conf, &plugin_hashbl);

	if (settings->hashbl_ignore.map.count == 0)
		return false;
	return conf_table_get(&settings->hashbl_ignore, arena_dup_lower(scan->arena, value)).data !=
	       NULL;
}

static bool
ask_hash(struct scan *scan, const struct rule *rule, const struct hashbl_rule *data,
         struct slice value, struct slice hash)
{
	struct hashbl_question *question = arena_new(scan->arena, struct hashbl_question);
	struct lookup_request request = {
		.type = data->type, .rule = rule, .done = take_answer, .context = question};

	if (question == NULL || hash.data == NULL || hashbl_is_ignored(scan, hash))
		return false;
	*question = (struct hashbl_question){rule, data, value};
	log_debug(scan->log, "HashBL", "querying %.*s (%.*s) from %.*s",
	          SLICE_FMT(log_quote(scan->arena, value, 300)), SLICE_FMT(hash),
	          SLICE_FMT(data->list));
	request.name =
		arena_printf(scan->arena, "%.*s.%.*s", SLICE_FMT(hash), SLICE_FMT(data->list));
	return request.name.data != NULL && scan_lookup(scan, &request);
}

/* So that nobody can put ten harmless values in front of the one that is listed. */
void
hashbl_shuffle(slice_vec *values)
{
	unsigned random;

	if (values->count < 2)
		return;
	random = hash_bytes(values->items[0]) ^ hash_bytes(values->items[values->count - 1]);
	for (size_t i = values->count - 1; i > 0; i--) {
		struct slice other = values->items[i];
		size_t k;

		random = random * 1664525U + 1013904223U;
		k = (random >> 8) % (i + 1);
		values->items[i] = values->items[k];
		values->items[k] = other;
	}
}

/* Values are distinct. */
int
hashbl_ask_all(struct scan *scan, const struct rule *rule, const struct hashbl_rule *data,
               slice_vec *values, bool are_hashes)
{
	bool asked = false;

	if (data->shuffle)
		hashbl_shuffle(values);
	for (size_t i = 0; i < values->count && i < data->max; i++) {
		struct slice value = values->items[i];

		if (!are_hashes && hashbl_is_ignored(scan, value))
			continue;
		if (ask_hash(scan, rule, data, value,
		             are_hashes ? value : hashbl_hash_of(scan->arena, data->hash, value)))
			asked = true;
	}
	return asked ? EVAL_PENDING : 0;
}

void
hashbl_add_distinct(struct scan *scan, slice_vec *values, struct hashmap *seen, struct slice value)
{
	bool added;

	if (value.data != NULL && hashmap_put(seen, value, &added) != NULL && added)
		(void)vec_push(scan->arena, values, value);
}
