/*
 * hashbl.c - Mail::SpamAssassin::Plugin::HashBL: lists of hashed values in DNS
 *
 * Addresses, links, pieces of text, tags and attachments are hashed and asked about:
 * "<hash>.<list>".  Source: HashBL.pm of 4.0.1; its options are words between slashes.  maxsize is
 * compared with maxsize (the reference takes minsize).
 */
#include <openssl/evp.h>

#include "conf/addrlist.h"
#include "conf/core.h"
#include "mail/registry.h"
#include "net/addr.h"
#include "plugins/args.h"
#include "plugins/dnslist.h"
#include "plugins/pending.h"
#include "util/strbuf.h"

struct hashbl_settings {
	struct conf_table acls; /* "NAME domain" -> "1" or "0" */
	struct conf_table acl_names;
	struct conf_table hashbl_email_domain_alias;
	struct slice hashbl_email_regex;
	struct slice hashbl_email_welcomelist;
	struct conf_table hashbl_ignore;
	/* with the top level domains filled in, when a rule wants addresses */
	const struct regex *email, *quoted_email, *welcome;
};

enum hash_kind { HASH_NONE, HASH_MD5, HASH_SHA1, HASH_SHA256 };

/* What prepare makes of the arguments. */
struct hashbl_rule {
	struct slice list;
	unsigned type;
	enum hash_kind hash;
	bool keep_case, shuffle, notag, nodot, host, domain, user, nouri, noquote, num, raw;
	bool ip, ipv4, ipv6, revip, fqdn, tld, trim;
	size_t max, min_bytes, max_bytes;
	const struct regex *subtest; /* NULL: 127. */
	const struct regex *pattern; /* bodyre */
	struct slice source;         /* emails: fields; tag: its name */
	struct slice acl;            /* data NULL: none */
};

struct hashbl_state {
	struct hashmap found; /* source -> slice_vec * of addresses */
	slice_vec recipients; /* of the message itself: not asked about */
	bool has_recipients;
};

/* ---- directives ---- */

/* DOMAIN ALIAS...: addresses of an alias are looked up under DOMAIN. */
static enum conf_result
parse_domain_alias(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct hashbl_settings *settings = data;
	struct slice rest, domain = conf_split(arena_dup_lower(reader->arena, value), &rest), word;

	(void)d;
	if (domain.len == 0)
		return CONF_MISSING;
	if (rest.len == 0 || slice_has_byte(value, '@'))
		return CONF_INVALID;
	while (slice_next_word(&rest, &word))
		if (!conf_table_set(reader, &settings->hashbl_email_domain_alias, word, domain))
			return CONF_FAILED;
	return CONF_OK;
}

static struct slice
acl_key(struct arena *arena, struct slice name, struct slice domain)
{
	return arena_printf(arena, "%.*s %.*s", SLICE_FMT(name), SLICE_FMT(domain));
}

/* hashbl_acl_NAME domain !domain ...: what is excluded once stays so. */
static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct hashbl_settings *settings = data;
	struct slice prefix = SLICE("hashbl_acl_"), name, word;

	if (!slice_starts(key, prefix))
		return CONF_FAILED;
	name = arena_dup_lower(reader->arena, slice_from(key, prefix.len));
	if (name.len == 0 || name.len > 32 || value.len == 0)
		return CONF_FAILED;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_alnum(name.data[i]))
			return CONF_FAILED;
	if (!conf_table_set(reader, &settings->acl_names, name, SLICE("1")))
		return CONF_FAILED;
	while (slice_next_word(&value, &word)) {
		bool listed = word.data[0] != '!';
		struct slice domain =
			arena_dup_lower(reader->arena, listed ? word : slice_from(word, 1));
		struct slice entry = acl_key(reader->arena, name, domain);

		if (listed && conf_table_get(&settings->acls, entry).data != NULL)
			continue;
		if (!conf_table_set(reader, &settings->acls, entry,
		                    listed ? SLICE("1") : SLICE("0")))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
check_regex(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct error error;

	(void)data, (void)d;
	return regex_create(reader->arena, value, 0, &error) == NULL ? CONF_INVALID : CONF_OK;
}

/* ---- arguments ---- */

static const struct {
	const char *word;
	size_t offset;
} switches[] = {
	{"case", offsetof(struct hashbl_rule, keep_case)},
	{"shuffle", offsetof(struct hashbl_rule, shuffle)},
	{"notag", offsetof(struct hashbl_rule, notag)},
	{"nodot", offsetof(struct hashbl_rule, nodot)},
	{"host", offsetof(struct hashbl_rule, host)},
	{"domain", offsetof(struct hashbl_rule, domain)},
	{"user", offsetof(struct hashbl_rule, user)},
	{"nouri", offsetof(struct hashbl_rule, nouri)},
	{"noquote", offsetof(struct hashbl_rule, noquote)},
	{"num", offsetof(struct hashbl_rule, num)},
	{"raw", offsetof(struct hashbl_rule, raw)},
	{"ip", offsetof(struct hashbl_rule, ip)},
	{"ipv4", offsetof(struct hashbl_rule, ipv4)},
	{"ipv6", offsetof(struct hashbl_rule, ipv6)},
	{"revip", offsetof(struct hashbl_rule, revip)},
	{"fqdn", offsetof(struct hashbl_rule, fqdn)},
	{"tld", offsetof(struct hashbl_rule, tld)},
	{"trim", offsetof(struct hashbl_rule, trim)},
};

static void
set_hash(struct hashbl_rule *rule, enum hash_kind kind, bool on)
{
	/* The strongest named counts. */
	if (on && kind > rule->hash)
		rule->hash = kind;
}

static void
set_option(struct hashbl_rule *rule, struct slice word)
{
	size_t at = slice_find_byte(word, '=', 0);
	struct slice key = slice_sub(word, 0, at == SLICE_NPOS ? word.len : at);
	struct slice value = at == SLICE_NPOS ? SLICE("1") : slice_from(word, at + 1);
	double number = perl_number(value);
	size_t count = number > 0 && number < 1e15 ? (size_t)number : 0;
	bool on = !perl_is_false(value);

	set_hash(rule, HASH_MD5, on && slice_eq(key, SLICE("md5")));
	set_hash(rule, HASH_SHA1, on && slice_eq(key, SLICE("sha1")));
	set_hash(rule, HASH_SHA256, on && slice_eq(key, SLICE("sha256")));
	if (slice_eq(key, SLICE("max")))
		rule->max = count;
	else if (slice_eq(key, SLICE("minsize")))
		rule->min_bytes = count;
	else if (slice_eq(key, SLICE("maxsize")))
		rule->max_bytes = count;
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (slice_eq(key, slice_from_cstr(switches[i].word)))
			*(bool *)((unsigned char *)rule + switches[i].offset) = on;
}

static void
set_options(struct arena *arena, struct hashbl_rule *rule, struct slice text, struct slice standard)
{
	struct slice rest = arena_dup_lower(arena, text.len == 0 ? standard : text), word;

	while (slice_next(&rest, '/', &word))
		set_option(rule, slice_trim(word));
	if (rule->max == 0)
		rule->max = 10;
	if (rule->trim)
		rule->fqdn = rule->tld = true;
}

/* "list/A", "list/TXT" or "list". */
static void
set_list(struct hashbl_rule *rule, struct slice text)
{
	rule->type = DNS_A;
	rule->list = text;
	if (slice_iends(text, SLICE("/TXT"))) {
		rule->type = DNS_TXT;
		rule->list = slice_sub(text, 0, text.len - 4);
	} else if (slice_iends(text, SLICE("/A"))) {
		rule->list = slice_sub(text, 0, text.len - 2);
	}
}

static struct slice
arg_of(const struct rule_eval *eval, size_t index)
{
	return index < eval->args.count ? eval->args.items[index] : SLICE("");
}

static struct hashbl_rule *
prepare(struct conf_reader *reader, struct rule_eval *eval, struct slice standard, size_t subtest,
        struct error *error)
{
	struct hashbl_rule *rule = arena_new(reader->arena, struct hashbl_rule);
	struct slice filter = arg_of(eval, subtest);

	if (rule == NULL)
		return NULL;
	if (eval->args.count == 0) {
		error_set(error, STATUS_BAD, "blocklist argument missing");
		return NULL;
	}
	set_list(rule, eval->args.items[0]);
	set_options(reader->arena, rule, arg_of(eval, 1), standard);
	if (!perl_is_false(filter)) {
		rule->subtest = regex_create(reader->arena, filter, 0, error);
		if (rule->subtest == NULL)
			return NULL;
	}
	eval->data = rule;
	return rule;
}

#define STANDARD_OPTIONS SLICE("sha1/max=10/shuffle")

static enum status
prepare_emails(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule =
		prepare(reader, eval, SLICE("sha1/notag/noquote/max=10/shuffle"), 3, error);

	if (rule == NULL)
		return STATUS_BAD;
	rule->source = arg_of(eval, 2);
	if (perl_is_false(rule->source))
		rule->source = SLICE("ALLFROM/Reply-To/body");
	if (eval->args.count > 4)
		rule->acl = eval->args.items[4];
	return STATUS_OK;
}

static enum status
prepare_values(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule = prepare(reader, eval, STANDARD_OPTIONS, 2, error);

	if (rule == NULL)
		return STATUS_BAD;
	return rule->raw ? error_set(error, STATUS_BAD, "raw option invalid") : STATUS_OK;
}

static enum status
prepare_bodyre(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule = prepare(reader, eval, STANDARD_OPTIONS, 3, error);

	if (rule == NULL)
		return STATUS_BAD;
	if (perl_is_false(arg_of(eval, 2)))
		return error_set(error, STATUS_BAD, "missing body regex");
	rule->pattern = regex_create(reader->arena, eval->args.items[2], 0, error);
	return rule->pattern == NULL ? STATUS_BAD : STATUS_OK;
}

static enum status
prepare_tag(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule = prepare(reader, eval, STANDARD_OPTIONS, 3, error);
	struct slice tag = arg_of(eval, 2);
	unsigned char *upper;

	if (rule == NULL)
		return STATUS_BAD;
	if (tag.len > 2 && tag.data[0] == '_' && tag.data[tag.len - 1] == '_')
		tag = slice_sub(tag, 1, tag.len - 2);
	if (tag.len == 0)
		return error_set(error, STATUS_BAD, "tag argument missing");
	upper = arena_bytes(reader->arena, tag.len);
	if (upper == NULL)
		return error_set(error, STATUS_BAD, "no memory");
	for (size_t i = 0; i < tag.len; i++)
		upper[i] = byte_is_lower(tag.data[i]) ? (unsigned char)(tag.data[i] - 'a' + 'A')
		                                      : tag.data[i];
	rule->source = slice_of(upper, tag.len);
	return STATUS_OK;
}

/* ---- hashes ---- */

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
static struct slice
hash_of(struct arena *arena, enum hash_kind kind, struct slice value)
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

static bool
is_ignored(struct scan *scan, struct slice value)
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

	if (question == NULL || hash.data == NULL || is_ignored(scan, hash))
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
static void
shuffle(slice_vec *values)
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
static int
ask_all(struct scan *scan, const struct rule *rule, const struct hashbl_rule *data,
        slice_vec *values, bool are_hashes)
{
	bool asked = false;

	if (data->shuffle)
		shuffle(values);
	for (size_t i = 0; i < values->count && i < data->max; i++) {
		struct slice value = values->items[i];

		if (!are_hashes && is_ignored(scan, value))
			continue;
		if (ask_hash(scan, rule, data, value,
		             are_hashes ? value : hash_of(scan->arena, data->hash, value)))
			asked = true;
	}
	return asked ? EVAL_PENDING : 0;
}

static void
add_distinct(struct scan *scan, slice_vec *values, struct hashmap *seen, struct slice value)
{
	bool added;

	if (value.data != NULL && hashmap_put(seen, value, &added) != NULL && added)
		(void)vec_push(scan->arena, values, value);
}

/* ---- addresses ---- */

static void
find_matches(struct scan *scan, const struct regex *regex, struct slice text, slice_vec *found)
{
	struct regex_iter iter;
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	regex_iter_init(&iter, regex, scan_regex_scratch(scan), text);
	while (regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 0);

		add_distinct(scan, found, &seen,
		             slice_sub(text, span.start, span.end - span.start));
	}
}

/* Length of a link of up to 255 bytes before and after an @ (or %40) in it; 0: none here. */
static size_t
link_with_address(struct slice text, size_t at)
{
	struct slice rest = slice_from(text, at);
	size_t begin = rest.len > 0 && rest.data[0] == '<' ? 1 : 0, scheme, run, last = 0;

	scheme = slice_istarts(slice_from(rest, begin), SLICE("http://"))    ? 7
	         : slice_istarts(slice_from(rest, begin), SLICE("https://")) ? 8
	                                                                     : 0;
	if (scheme == 0)
		return 0;
	begin += scheme;
	for (run = 0; begin + run < rest.len && run <= 255 + 3; run++) {
		if (byte_is_space(rest.data[begin + run]))
			break;
		if (run <= 255 && rest.data[begin + run] == '@')
			last = begin + run + 1;
		else if (run <= 255 && slice_starts(slice_from(rest, begin + run), SLICE("%40")))
			last = begin + run + 3;
	}
	if (last == 0)
		return 0;
	for (run = 0; run < 255 && last < rest.len && !byte_is_space(rest.data[last]); run++)
		last++;
	return last;
}

static struct slice
without_links(struct scan *scan, struct slice text)
{
	struct strbuf buf;
	size_t at = 0;

	strbuf_init(&buf, scan->arena, 0);
	while (at < text.len) {
		unsigned char c = text.data[at];
		size_t len = c == '<' || c == 'h' || c == 'H' ? link_with_address(text, at) : 0;

		strbuf_add_byte(&buf, len > 0 ? ' ' : c);
		at += len > 0 ? len : 1;
	}
	return strbuf_slice(&buf);
}

static struct slice
without_matches(struct scan *scan, const struct regex *regex, struct slice text)
{
	struct regex_iter iter;
	struct strbuf buf;
	size_t at = 0;

	if (regex == NULL)
		return text;
	strbuf_init(&buf, scan->arena, 0);
	regex_iter_init(&iter, regex, scan_regex_scratch(scan), text);
	while (regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 0);

		strbuf_add(&buf, slice_sub(text, at, span.start - at));
		strbuf_add_byte(&buf, ' ');
		at = span.end;
	}
	strbuf_add(&buf, slice_from(text, at));
	return strbuf_slice(&buf);
}

/* Addresses of links that the text does not show, then the text. */
static struct slice
body_text(struct scan *scan, const struct hashbl_settings *settings, const struct hashbl_rule *data)
{
	const struct text_lines *lines = scan_body(scan);
	const struct uri_list *uris = scan_uris(scan);
	struct strbuf links, text;
	struct slice body;

	strbuf_init(&links, scan->arena, 0);
	strbuf_init(&text, scan->arena, 0);
	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		const struct uri_info *info = uris->uris.items[i];

		if (!(info->types & (1U << HTML_URI_A)) || (info->types & URI_TYPE_PARSED) ||
		    !slice_istarts(info->raw, SLICE("mailto:")) || info->raw.len == 7)
			continue;
		strbuf_add(&links, slice_from(info->raw, 7));
		strbuf_add_byte(&links, '\n');
	}
	for (size_t i = 0; i < lines->count; i++)
		strbuf_add(&text, lines->items[i]);
	body = strbuf_slice(&text);
	if (data->nouri)
		body = without_links(scan, body);
	if (data->noquote)
		body = without_matches(scan, settings->quoted_email, body);
	return arena_concat(scan->arena, strbuf_slice(&links), body);
}

static struct slice
joined_values(struct scan *scan, struct slice name)
{
	slice_vec values = scan_header_values(scan, name);
	struct strbuf buf;

	strbuf_init(&buf, scan->arena, 0);
	for (size_t i = 0; i < values.count; i++) {
		if (i > 0)
			strbuf_add_byte(&buf, '\n');
		strbuf_add(&buf, values.items[i]);
	}
	return strbuf_slice(&buf);
}

static void
find_recipients(struct scan *scan, struct hashbl_state *state)
{
	static const char *const fields[] = {"X-Original-To:addr", "Apparently-To:addr",
	                                     "Delivered-To:addr", "Envelope-To:addr"};

	state->has_recipients = true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		slice_vec values = scan_header_values(scan, slice_from_cstr(fields[i]));

		for (size_t k = 0; k < values.count; k++)
			if (values.items[k].len > 0)
				(void)vec_push(scan->arena, &state->recipients,
				               arena_dup_lower(scan->arena, values.items[k]));
	}
}

/* Of one source, found once a message: the options of who comes first count, as in the reference.
 */
static const slice_vec *
addresses_of(struct scan *scan, struct hashbl_state *state, const struct hashbl_rule *data,
             struct slice source)
{
	const struct hashbl_settings *settings = plugin_settings(scan->conf, &plugin_hashbl);
	slice_vec *found = hashmap_get(&state->found, source);

	if (found != NULL)
		return found;
	found = arena_new(scan->arena, slice_vec);
	if (found == NULL || !hashmap_set(&state->found, source, found))
		return NULL;
	if (slice_eq(source, SLICE("ALLFROM"))) {
		*found = scan_from_addrs(scan);
		return found;
	}
	if (!state->has_recipients)
		find_recipients(scan, state);
	if (settings->email != NULL)
		find_matches(scan, settings->email,
		             slice_eq(source, SLICE("body")) ? body_text(scan, settings, data)
		                                             : joined_values(scan, source),
		             found);
	return found;
}

static bool
split_address(struct slice address, struct slice *user_r, struct slice *domain_r)
{
	size_t at = slice_rfind_byte(address, '@');

	if (at == SLICE_NPOS || at + 1 == address.len)
		return false;
	*user_r = slice_sub(address, 0, at);
	*domain_r = slice_from(address, at + 1);
	return true;
}

static bool
is_listed(const struct hashbl_settings *settings, struct arena *arena, struct slice acl,
          struct slice domain)
{
	if (acl.data == NULL || slice_eq(acl, SLICE("all")))
		return true;
	return slice_eq(conf_table_get(&settings->acls, acl_key(arena, acl, domain)), SLICE("1"));
}

/* All sources of a rule; aliases of domains resolved, those outside the acl left out. */
static slice_vec
find_addresses(struct scan *scan, struct hashbl_state *state, const struct hashbl_rule *data)
{
	const struct hashbl_settings *settings = plugin_settings(scan->conf, &plugin_hashbl);
	struct slice rest = data->source, source, user, domain;
	slice_vec list = {0};
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	while (slice_next(&rest, '/', &source)) {
		const slice_vec *found = addresses_of(scan, state, data, slice_trim(source));

		for (size_t i = 0; found != NULL && i < found->count; i++) {
			struct slice address = found->items[i], alias;

			if (!split_address(address, &user, &domain))
				continue;
			alias = conf_table_get(&settings->hashbl_email_domain_alias,
			                       arena_dup_lower(scan->arena, domain));
			if (alias.data != NULL) {
				domain = alias;
				address = arena_printf(scan->arena, "%.*s@%.*s", SLICE_FMT(user),
				                       SLICE_FMT(domain));
			}
			if (is_listed(settings, scan->arena, data->acl, domain))
				add_distinct(scan, &list, &seen, address);
		}
	}
	return list;
}

static bool
is_welcome(struct scan *scan, const struct hashbl_settings *settings,
           const struct hashbl_state *state, struct slice address)
{
	for (size_t i = 0; i < state->recipients.count; i++)
		if (slice_eq(state->recipients.items[i], address))
			return true;
	return settings->welcome != NULL &&
	       regex_is_match(settings->welcome, scan_regex_scratch(scan), address);
}

static struct slice
trimmed(struct scan *scan, struct slice domain)
{
	return registry_domain(&scan->env->registry, scan->arena, domain, false);
}

/* What is asked about of an address. */
static struct slice
address_value(struct scan *scan, const struct hashbl_rule *data, struct slice user,
              struct slice domain)
{
	struct strbuf buf;
	struct slice value;

	strbuf_init(&buf, scan->arena, 0);
	for (size_t i = 0; i < user.len && !(data->notag && user.data[i] == '+'); i++)
		if (!data->nodot || user.data[i] != '.')
			strbuf_add_byte(&buf, user.data[i]);
	if (data->host || data->domain)
		value = data->domain ? trimmed(scan, domain) : domain;
	else if (data->user)
		value = strbuf_slice(&buf);
	else
		value = arena_printf(scan->arena, "%.*s@%.*s", SLICE_FMT(strbuf_slice(&buf)),
		                     SLICE_FMT(domain));
	return data->keep_case ? value : arena_dup_lower(scan->arena, value);
}

static bool
is_domain_skipped(struct scan *scan, struct slice domain)
{
	return dnslist_is_skipped(scan, arena_dup_lower(scan->arena, domain)) ||
	       dnslist_is_skipped(scan, arena_dup_lower(scan->arena, trimmed(scan, domain)));
}

static struct hashbl_state *
state_of(struct scan *scan)
{
	struct hashbl_state *state = scan_state(scan, &plugin_hashbl);

	if (state != NULL && state->found.arena == NULL)
		hashmap_init(&state->found, scan->arena);
	return state;
}

static int
check_hashbl_emails(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_settings *settings = call->settings;
	const struct hashbl_rule *data = call->data;
	struct hashbl_state *state = state_of(scan);
	slice_vec addresses, values = {0};
	struct slice user, domain;
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL || state == NULL)
		return 0;
	if (data->acl.data != NULL && !slice_eq(data->acl, SLICE("all")) &&
	    conf_table_get(&settings->acl_names, data->acl).data == NULL) {
		log_warn(scan->log, "HashBL", "%.*s acl '%.*s' not defined",
		         SLICE_FMT(call->rule->name), SLICE_FMT(data->acl));
		return 0;
	}
	addresses = find_addresses(scan, state, data);
	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < addresses.count; i++) {
		if (is_welcome(scan, settings, state, addresses.items[i]) ||
		    !split_address(addresses.items[i], &user, &domain) ||
		    (data->acl.data == NULL && is_domain_skipped(scan, domain)))
			continue;
		add_distinct(scan, &values, &seen, address_value(scan, data, user, domain));
	}
	return ask_all(scan, call->rule, data, &values, false);
}

/* ---- links, text, tags, attachments ---- */

static bool
is_uri_skipped(struct scan *scan, const struct uri_info *info)
{
	for (size_t i = 0; i < info->hosts.count; i++)
		if (dnslist_is_skipped(scan, info->hosts.items[i].host) ||
		    dnslist_is_skipped(scan, info->hosts.items[i].domain))
			return true;
	return info->hosts.count == 0;
}

static int
check_hashbl_uris(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;
	const struct uri_list *uris;
	slice_vec values = {0};
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	hashmap_init(&seen, scan->arena);
	uris = scan_uris(scan);
	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		const struct uri_info *info = uris->uris.items[i];

		if (slice_istarts(info->raw, SLICE("mailto:")) ||
		    !(info->types & ((1U << HTML_URI_A) | URI_TYPE_PARSED)) ||
		    is_uri_skipped(scan, info))
			continue;
		for (size_t k = 0; k < info->cleaned.count; k++)
			add_distinct(scan, &values, &seen,
			             data->keep_case ? info->cleaned.items[k]
			                             : arena_dup_lower(scan->arena,
			                                               info->cleaned.items[k]));
	}
	return ask_all(scan, call->rule, data, &values, false);
}

static struct slice
digits_of(struct arena *arena, struct slice text)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < text.len; i++)
		if (byte_is_digit(text.data[i]))
			strbuf_add_byte(&buf, text.data[i]);
	return strbuf_slice(&buf);
}

static void
find_pieces(struct scan *scan, const struct hashbl_rule *data, struct slice line, slice_vec *values,
            struct hashmap *seen)
{
	struct regex_iter iter;

	regex_iter_init(&iter, data->pattern, scan_regex_scratch(scan), line);
	while (regex_group_count(data->pattern) > 0 && regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 1);
		struct slice piece;

		if (span.start == SLICE_NPOS)
			continue;
		piece = slice_sub(line, span.start, span.end - span.start);
		if (!data->keep_case)
			piece = arena_dup_lower(scan->arena, piece);
		if (data->num)
			piece = digits_of(scan->arena, piece);
		if (piece.len > 0)
			add_distinct(scan, values, seen, piece);
	}
}

static int
check_hashbl_bodyre(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;
	slice_vec values = {0};
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < call->line_count; i++)
		find_pieces(scan, data, call->lines[i], &values, &seen);
	return ask_all(scan, call->rule, data, &values, false);
}

/* What is asked about of a tag's value; data NULL: nothing. */
static struct slice
tag_value(struct scan *scan, const struct hashbl_rule *data, struct slice value)
{
	bool is_v4 = net_addr_is_text_v4(value), is_ip = net_addr_is_text(value);
	struct slice domain = SLICE_NULL;

	if (!data->keep_case)
		value = arena_dup_lower(scan->arena, value);
	if ((data->ip && !is_ip) || (data->ipv4 && !is_v4) || (data->ipv6 && (!is_ip || is_v4)))
		return SLICE_NULL;
	if (is_ip)
		return data->revip ? net_addr_reverse(scan->arena, value) : value;
	if (fqdn_is_valid(scan->arena, value, false)) {
		domain = trimmed(scan, value);
		if (is_domain_skipped(scan, value))
			return SLICE_NULL;
	} else if (data->fqdn) {
		return SLICE_NULL;
	}
	if (data->tld && !registry_is_valid(&scan->env->registry, scan->arena, value, false))
		return SLICE_NULL;
	return data->trim && domain.len > 0 ? domain : value;
}

static void
ask_about_tag(struct scan *scan, void *context)
{
	const struct rule *rule = context;
	const struct hashbl_rule *data = rule->eval.data;
	slice_vec from = dnslist_tag_values(scan, data->source), values = {0};
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < from.count; i++)
		if (from.items[i].len > 0)
			add_distinct(scan, &values, &seen, tag_value(scan, data, from.items[i]));
	(void)ask_all(scan, rule, data, &values, false);
}

static int
check_hashbl_tag(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	dnslist_await_tags(scan, &data->source, 1, ask_about_tag, (void *)(uintptr_t)call->rule);
	return EVAL_PENDING;
}

static bool
is_attachment_wanted(struct scan *scan, const struct hashbl_rule *data, const struct part *part,
                     size_t bytes)
{
	return bytes > 0 && !is_ignored(scan, part->type) && !is_ignored(scan, part->name) &&
	       (data->min_bytes == 0 || bytes >= data->min_bytes) &&
	       (data->max_bytes == 0 || bytes <= data->max_bytes);
}

static int
check_hashbl_attachments(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;
	slice_vec hashes = {0};
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	hashmap_init(&seen, scan->arena);
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part)) {
		struct slice bytes = part_decoded(part);

		if (is_attachment_wanted(scan, data, part, bytes.len))
			add_distinct(scan, &hashes, &seen, hash_of(scan->arena, data->hash, bytes));
	}
	return ask_all(scan, call->rule, data, &hashes, true);
}

/* ---- the configuration is read ---- */

#define WORD "[a-z0-9!#\\$%&'*+\\/=?^_`{|}~-]"

static const char email_pattern[] = "(?i)(?=.{0,64}\\@)(?<!" WORD ")(" WORD "+(?:\\." WORD
				    "+)*\\@(?:[a-z0-9](?:[a-z0-9-]{0,59}[a-z0-9])?\\.){1,4}_TLDS_)";

static const char welcome_pattern[] =
	"(?i)^(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master"
	"|undisclosed.*|request-[a-f0-9]{16}|bounced?-"
	"|[a-f0-9]{8}(?:\\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})"
	"|.+=.+=.+)\\@";

/* All top level domains as one pattern. */
static struct slice
tlds_pattern(struct conf_reader *reader)
{
	const struct hashmap *tlds = &conf_core(reader->conf)->util_rb_tld.map;
	struct strbuf buf;
	bool first = true;

	strbuf_init(&buf, reader->arena, 0);
	strbuf_add_cstr(&buf, "(?i:(?<![a-zA-Z0-9-])(?:");
	for (size_t i = 0; i < tlds->count; i++) {
		if (tlds->entries[i].value == NULL)
			continue;
		if (!first)
			strbuf_add_byte(&buf, '|');
		strbuf_add(&buf, regex_quote(reader->arena, tlds->entries[i].key));
		first = false;
	}
	strbuf_add_cstr(&buf, ")(?!(?:[a-zA-Z0-9-]|\\.[a-zA-Z0-9])))");
	return first ? SLICE("no_tlds_defined") : strbuf_slice(&buf);
}

static const struct regex *
with_tlds(struct conf_reader *reader, struct slice pattern, struct slice tlds, const char *before,
          const char *after)
{
	struct strbuf buf;
	struct error error;
	size_t at = 0, found;
	const struct regex *regex;

	strbuf_init(&buf, reader->arena, 0);
	strbuf_add_cstr(&buf, before);
	while ((found = slice_find(pattern, SLICE("_TLDS_"), at)) != SLICE_NPOS) {
		strbuf_add(&buf, slice_sub(pattern, at, found - at));
		strbuf_add(&buf, tlds);
		at = found + 6;
	}
	strbuf_add(&buf, slice_from(pattern, at));
	strbuf_add_cstr(&buf, after);
	regex = regex_create(reader->arena, strbuf_slice(&buf), 0, &error);
	if (regex == NULL)
		log_warn(reader->log, "HashBL", "a pattern for addresses is not usable: %s",
		         error.text);
	return regex;
}

static bool
wants_addresses(const struct ruleset *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->rules[i]->kind == RULE_HEADER_EVAL &&
		    slice_eq(rules->rules[i]->eval.function, SLICE("check_hashbl_emails")))
			return true;
	return false;
}

static void
make_patterns(struct conf_reader *reader, void *data)
{
	struct hashbl_settings *settings = data;
	struct slice email = settings->hashbl_email_regex;
	struct slice welcome = settings->hashbl_email_welcomelist, tlds;

	if (reader->local_tests_only || !wants_addresses(conf_rules(reader->conf)))
		return;
	if (email.len == 0)
		email = slice_from_cstr(email_pattern);
	if (welcome.len == 0)
		welcome = slice_from_cstr(welcome_pattern);
	tlds = tlds_pattern(reader);
	settings->email = with_tlds(reader, email, tlds, "", "");
	settings->quoted_email = with_tlds(reader, email, tlds, "(?i)<?(?<!mailto:)(?:",
	                                   ")(?:>|\\s{1,10}(?!(?:fa(?:x|csi)|tel|phone|e?-?mail))"
	                                   "[a-z]{2,11}:)");
	settings->welcome = with_tlds(reader, welcome, tlds, "", "");
}

#define AT(field) offsetof(struct hashbl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "hashbl_email_domain_alias", NULL, CONF_CUSTOM, CONF_USER, AT(hashbl_email_domain_alias), NULL, parse_domain_alias },
	{ "hashbl_email_regex", NULL, CONF_STRING, CONF_USER, AT(hashbl_email_regex), NULL, check_regex },
	{ "hashbl_email_welcomelist", "hashbl_email_whitelist", CONF_STRING, CONF_USER, AT(hashbl_email_welcomelist), NULL, check_regex },
	{ "hashbl_ignore", NULL, CONF_CUSTOM, CONF_USER, AT(hashbl_ignore), NULL, plugin_parse_words },
};

static const struct plugin_eval evals[] = {
	{ "check_hashbl_attachments", EVAL_BODY, check_hashbl_attachments, prepare_values },
	{ "check_hashbl_bodyre", EVAL_BODY, check_hashbl_bodyre, prepare_bodyre },
	{ "check_hashbl_emails", EVAL_HEADER, check_hashbl_emails, prepare_emails },
	{ "check_hashbl_tag", EVAL_HEADER, check_hashbl_tag, prepare_tag },
	{ "check_hashbl_uris", EVAL_HEADER, check_hashbl_uris, prepare_values },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_hashbl_attachments",
	"has_hashbl_bodyre",
	"has_hashbl_bodyre_num",
	"has_hashbl_email_domain",
	"has_hashbl_email_domain_alias",
	"has_hashbl_email_regex",
	"has_hashbl_email_welcomelist",
	"has_hashbl_email_whitelist",
	"has_hashbl_emails",
	"has_hashbl_ignore",
	"has_hashbl_sha256",
	"has_hashbl_tag",
	"has_hashbl_uris",
	NULL,
};

const struct plugin plugin_hashbl = {
	.id = PLUGIN_ID_hashbl,
	.class_name = "Mail::SpamAssassin::Plugin::HashBL",
	.module =
		{
			.name = "hashbl",
			.settings_size = sizeof(struct hashbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.evals = evals,
	.features = features,
	.state_size = sizeof(struct hashbl_state),
	.needs_network = true,
	.finish_end = make_patterns,
};
