/*
 * bayes_tokens.c - what the classifier sees of a message
 */
#include "plugins/bayes_tokens.h"

#include <openssl/evp.h>

#include "mail/address.h"
#include "util/strbuf.h"

enum { BODY_TOKENS_MAX = 50000, OTHER_TOKENS_MAX = 10000, TOKEN_BYTES_MIN = 3 };

/* Where a text comes from decides what becomes of its words. */
enum region { REGION_HEADER, REGION_TEXT, REGION_URI };

enum source {
	SOURCE_HEADER = 1U << 0,
	SOURCE_VISIBLE = 1U << 1,
	SOURCE_INVISIBLE = 1U << 2,
	SOURCE_URI = 1U << 3,
	SOURCE_PARTS = 1U << 4,
	SOURCE_ALL = (1U << 5) - 1
};

struct tokenizer {
	struct scan *scan;
	const struct bayes_token_options *options;
	struct hashmap seen;       /* the tokens; keys in order */
	struct strbuf line, other; /* of the line in hand */
	struct strbuf token;
	size_t made;  /* of the source in hand, equal ones too */
	bool is_wide; /* the line in hand is characters to the reference: its words have others */
	bool spent;
};

/* ---- patterns ---- */

enum pattern {
	PATTERN_ID_OUTLOOK,
	PATTERN_ID_EXIM,
	PATTERN_ID_SENDMAIL,
	PATTERN_RECEIVED_SMTP,
	PATTERN_RECEIVED_ESMTP,
	PATTERN_RECEIVED_ID,
	PATTERN_RECEIVED_EXIM,
	PATTERN_RECEIVED_DATE,
	PATTERN_RECEIVED_IP,
	PATTERN_RECEIVED_WORDS,
	PATTERN_BOUNDARY,
	PATTERN_TYPE_WORDS
};

#define HEX4 "[0-9a-f]{4}"
/* clang-format off */
const char *const bayes_patterns[BAYES_PATTERN_COUNT] = {
	"<(" HEX4 ")" HEX4 HEX4 "\\$(" HEX4 ")" HEX4 "\\$(" HEX4 HEX4 ")@(\\S+)>",
	"<[A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]@",
	"<20[0-9]{2}[01][0-9][0-3][0-9][0-2][0-9][0-5][0-9][0-5][0-9]\\.[A-F0-9]{10,12}@",
	"\\swith\\sSMTP\\sid\\sg[0-9A-Z]{10,12}\\s",
	"\\swith\\sESMTP\\sid\\s[0-9A-F]{10,12}\\s",
	"\\bid\\s[a-zA-Z0-9]{7,20}\\b",
	"\\bid\\s[A-Za-z0-9]{7}-[A-Za-z0-9]{6}-0[A-Za-z0-9]",
	"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),\\s)?[0-3\\s]?[0-9]\\s"
	"(?:Jan|Feb|Mar|May|Apr|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\\s(?:19|20)?[0-9]{2}\\s"
	"[0-2][0-9](?::[0-5][0-9]){1,2}\\s(?:\\s*\\(|\\)|\\s*(?:[+-][0-9]{4})|\\s*(?:UT|[A-Z]{2,3}T))*",
	"\\b([0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3})(\\.[0-9]{1,3})\\b",
	"\\b(?:with|from|for|SMTP|ESMTP)\\b",
	"(?i)boundary=[\"'](.*?)[\"']",
	"\\b(?:text|charset)\\b",
};
/* clang-format on */

typedef void (*replace_fn)(struct tokenizer *t, struct slice text, struct strbuf *out);

static struct slice
group_of(const struct tokenizer *t, struct slice text, unsigned group)
{
	struct regex_span span = regex_span(scan_regex_scratch(t->scan), group);

	return span.start == SLICE_NPOS ? SLICE("")
	                                : slice_sub(text, span.start, span.end - span.start);
}

/* Every match (at most `most`) becomes `with`, or what `fn` writes. */
static struct slice
replace(struct tokenizer *t, enum pattern pattern, struct slice text, size_t most, const char *with,
        replace_fn fn)
{
	const struct regex *regex = scan_pattern_regex(t->scan, &plugin_bayes, pattern);
	struct regex_iter iter;
	struct strbuf out;
	size_t done = 0;

	if (regex == NULL)
		return text;
	strbuf_init(&out, t->scan->arena, 0);
	regex_iter_init(&iter, regex, scan_regex_scratch(t->scan), text);
	while (most-- > 0 && regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(t->scan), 0);

		strbuf_add(&out, slice_sub(text, done, span.start - done));
		if (fn != NULL)
			fn(t, text, &out);
		else
			strbuf_add_cstr(&out, with);
		done = span.end;
	}
	if (done == 0 && out.len == 0)
		return text;
	strbuf_add(&out, slice_from(text, done));
	t->spent |= strbuf_is_bad(&out);
	return out.data == NULL ? SLICE("") : strbuf_slice(&out);
}

/* ---- tokens ---- */

static void
add_token(struct tokenizer *t, struct slice a, struct slice b, struct slice c)
{
	struct hashmap_entry *entry;
	bool added;

	t->made++;
	if (a.len + b.len + c.len == 0)
		return;
	t->token.len = 0;
	strbuf_add(&t->token, a);
	strbuf_add(&t->token, b);
	strbuf_add(&t->token, c);
	if (hashmap_find(&t->seen, strbuf_slice(&t->token)) != NULL)
		return;
	entry = hashmap_put(&t->seen, arena_dup(t->scan->arena, strbuf_slice(&t->token)), &added);
	t->spent |= entry == NULL || entry->key.data == NULL || strbuf_is_bad(&t->token);
}

/* After the first label, when there is something behind its dot. */
static bool
next_domain(struct slice *domain)
{
	size_t dot = slice_find_byte(*domain, '.', 0);

	if (dot == 0 || dot == SLICE_NPOS || dot + 1 == domain->len)
		return false;
	*domain = slice_from(*domain, dot + 1);
	return true;
}

/* The last @ with something on both sides. */
static bool
split_address(struct slice address, struct slice *user_r, struct slice *domain_r)
{
	for (size_t i = address.len; i-- > 1;)
		if (address.data[i] == '@' && i + 1 < address.len) {
			*user_r = slice_sub(address, 0, i);
			*domain_r = slice_from(address, i + 1);
			return true;
		}
	return false;
}

static void
add_address(struct tokenizer *t, struct slice address)
{
	struct slice user, domain;

	if (!split_address(address, &user, &domain))
		return;
	add_token(t, SLICE("U*"), user, SLICE(""));
	for (int i = 0; i < BAYES_LABELS_MAX; i++) {
		add_token(t, SLICE("D*"), domain, SLICE(""));
		if (!next_domain(&domain))
			return;
	}
}

static void
add_domains(struct tokenizer *t, struct slice token)
{
	for (int i = 0; i < BAYES_LABELS_MAX; i++) {
		add_token(t, SLICE("UD:"), token, SLICE(""));
		if (!next_domain(&token))
			return;
	}
}

static bool
is_continuation(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at i; 1 where there is none. */
static size_t
character_len(struct slice s, size_t i)
{
	unsigned char c = s.data[i];
	size_t len = c >= 0xf0 && c <= 0xf4   ? 4
	             : c >= 0xe0 && c <= 0xef ? 3
	             : c >= 0xc0 && c <= 0xdf ? 2
	                                      : 1;

	if (i + len > s.len)
		return 1;
	for (size_t k = 1; k < len; k++)
		if (!is_continuation(s.data[i + k]))
			return 1;
	return len;
}

/* Characters of three and four bytes are tokens when a long word is made of them; false: none. */
static bool
add_characters(struct tokenizer *t, struct slice prefix, struct slice token)
{
	bool has_pair = false, found = false;

	for (size_t i = 0; i + 1 < token.len && !has_pair; i++)
		has_pair = is_continuation(token.data[i]) && is_continuation(token.data[i + 1]);
	if (!has_pair)
		return false;
	for (size_t i = 0; i < token.len;) {
		size_t len = character_len(token, i);

		if (len >= 3) {
			add_token(t, prefix, SLICE("u8:"), slice_sub(token, i, len));
			found = true;
		}
		i += len >= 3 ? len : 1;
	}
	return found;
}

/* Of a long word seven characters stay, when two bytes or more follow. */
static size_t
skip_len(struct slice token)
{
	size_t at = 0;

	for (int i = 0; i < 7 && at < token.len; i++)
		at += character_len(token, at);
	return at + 2 <= token.len ? at : 0;
}

/* Letters of Latin-1 are parts of words in texts that the reference holds as characters. */
static bool
is_word(const struct tokenizer *t, unsigned char c)
{
	if (byte_is_word(c))
		return true;
	return t->is_wide &&
	       (c == 0xaa || c == 0xb5 || c == 0xba || (c >= 0xc0 && c != 0xd7 && c != 0xf7));
}

static bool
is_plain(const struct tokenizer *t, unsigned char c)
{
	return is_word(t, c) || c == ':' || c == '*';
}

static void
make_lower(const struct tokenizer *t, unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = text[i];

		text[i] = t->is_wide && c >= 0xc0 && c <= 0xde && c != 0xd7
		                  ? (unsigned char)(c | 0x20)
		                  : byte_lower(c);
	}
}

/* The word without its punctuation, in lower case, and both. */
static void
add_decomposed(struct tokenizer *t, struct slice prefix, struct slice mark, struct slice token)
{
	struct arena *arena = t->scan->arena;
	struct slice whole = mark.len == 0 ? token : arena_concat(arena, mark, token);
	bool has_upper = false, has_odd = false;
	unsigned char *plain, *lower;
	size_t n = 0;

	for (size_t i = 0; i < whole.len; i++) {
		has_upper |= byte_is_upper(whole.data[i]);
		has_odd |= !is_plain(t, whole.data[i]);
	}
	plain = has_odd ? arena_bytes(arena, whole.len + 1) : NULL;
	for (size_t i = 0; plain != NULL && i < whole.len; i++)
		if (is_plain(t, whole.data[i]))
			plain[n++] = whole.data[i];
	if (plain != NULL)
		add_token(t, prefix, slice_of(plain, n), SLICE(""));
	if (!has_upper)
		return;
	lower = arena_bytes(arena, whole.len + 1);
	if (lower == NULL)
		return;
	memcpy(lower, whole.data, whole.len);
	make_lower(t, lower, whole.len);
	add_token(t, prefix, slice_of(lower, whole.len), SLICE(""));
	if (plain == NULL)
		return;
	make_lower(t, plain, n);
	add_token(t, prefix, slice_of(plain, n), SLICE(""));
}

static bool
is_edge(unsigned char c)
{
	return c == '-' || c == '\'' || c == '"' || c == '.' || c == ',';
}

static bool
is_stopword(const struct tokenizer *t, struct slice token)
{
	for (size_t i = 0; i < t->options->stopword_count; i++)
		if (regex_is_match(t->options->stopwords[i], scan_regex_scratch(t->scan), token))
			return true;
	return false;
}

/* An @ inside is an address, a dot before a letter a host. */
static void
add_breakouts(struct tokenizer *t, struct slice token)
{
	for (size_t i = 1; i + 1 < token.len; i++)
		if (token.data[i] == '@') {
			add_address(t, token);
			return;
		}
	for (size_t i = 1; i + 1 < token.len; i++)
		if (token.data[i] == '.' && byte_is_alpha(token.data[i + 1])) {
			add_domains(t, token);
			return;
		}
}

static void
take_word(struct tokenizer *t, struct slice token, struct slice prefix, enum region region)
{
	struct slice mark = SLICE("");

	while (token.len > 0 && is_edge(token.data[0]))
		token = slice_from(token, 1);
	while (token.len > 0 && is_edge(token.data[token.len - 1]))
		token.len--;
	if (token.len < TOKEN_BYTES_MIN || is_stopword(t, token))
		return;
	if (region != REGION_HEADER)
		add_breakouts(t, token);
	if (token.len > t->options->max_length && !slice_has_byte(token, '*')) {
		size_t kept;

		if (add_characters(t, prefix, token))
			return;
		kept = region == REGION_URI ? 0 : skip_len(token);
		if (kept > 0) {
			token.len = kept;
			mark = SLICE("sk:");
		}
	}
	if (region != REGION_HEADER)
		add_decomposed(t, prefix, mark, token);
	add_token(t, prefix, mark, token);
}

/* ---- lines ---- */

/* What may be part of a word stays, the rest is a blank. */
static void
keep_words(struct strbuf *out, struct slice text)
{
	static const char odd[] = ",@*!_'\"$. -";

	for (size_t i = 0; i < text.len;) {
		unsigned char c = text.data[i];
		size_t len = character_len(text, i);

		if (len > 1)
			strbuf_add(out, slice_sub(text, i, len));
		else if (byte_is_alnum(c) || c >= 0xa1 || (c != 0 && strchr(odd, c) != NULL))
			strbuf_add_byte(out, c);
		else
			strbuf_add_byte(out, ' ');
		i += len;
	}
}

/* Runs of `sign` (least to 6) between two words stand alone. */
static void
part_runs(const struct tokenizer *t, struct strbuf *out, struct slice text, unsigned char sign,
          size_t least)
{
	for (size_t i = 0; i < text.len;) {
		size_t end = i + 1, run;

		if (is_word(t, text.data[i]) && end < text.len && text.data[end] == sign) {
			while (end < text.len && text.data[end] == sign)
				end++;
			run = end - i - 1;
			if (run >= least && run <= 6 && end < text.len &&
			    is_word(t, text.data[end])) {
				strbuf_add_byte(out, text.data[i]);
				strbuf_add_byte(out, ' ');
				strbuf_add(out, slice_sub(text, i + 1, run));
				strbuf_add_byte(out, ' ');
				strbuf_add_byte(out, text.data[end]);
				i = end + 1;
				continue;
			}
		}
		strbuf_add(out, slice_sub(text, i, end - i == 1 ? 1 : end - i));
		i = end;
	}
}

/* A capital at i and no other up to the last blank of the run, or the end: its length, blank
 * included; 0: not so. */
static size_t
title_len(struct slice text, size_t i)
{
	size_t end = i + 1, blank;

	if (i >= text.len || !byte_is_upper(text.data[i]))
		return 0;
	while (end < text.len && !byte_is_upper(text.data[end]))
		end++;
	if (end == i + 1)
		return 0;
	if (end == text.len)
		return end - i;
	for (blank = end - 1; blank > i + 1; blank--)
		if (byte_is_space(text.data[blank]))
			return blank + 1 - i;
	return 0;
}

/* Title case at the beginning of a sentence says nothing. */
static void
lower_titles(struct strbuf *out, struct slice text)
{
	for (size_t i = 0; i < text.len;) {
		size_t at = i, len, end;

		if (text.data[i] == '.') {
			at = i + 1;
			while (at < text.len && byte_is_space(text.data[at]))
				at++;
			len = at > i + 1 ? title_len(text, at) : 0;
		} else {
			len = i == 0 ? title_len(text, 0) : 0;
		}
		if (len == 0) {
			strbuf_add_byte(out, text.data[i++]);
			continue;
		}
		end = at + len;
		strbuf_add_byte(out, ' ');
		strbuf_add_byte(out, byte_lower(text.data[at]));
		/* The blank at its end is the match's. */
		strbuf_add(out, slice_sub(text, at + 1, end == text.len ? len - 1 : len - 2));
		strbuf_add_byte(out, ' ');
		i = end;
	}
}

static void
take_line(struct tokenizer *t, struct slice text, struct slice prefix, enum region region)
{
	struct slice word, rest;

	t->line.len = t->other.len = 0;
	keep_words(&t->line, text);
	part_runs(t, &t->other, strbuf_slice(&t->line), '.', 3);
	t->line.len = 0;
	part_runs(t, &t->line, strbuf_slice(&t->other), '-', 2);
	rest = strbuf_slice(&t->line);
	if (region != REGION_HEADER) {
		t->other.len = 0;
		lower_titles(&t->other, rest);
		rest = strbuf_slice(&t->other);
	}
	while (slice_next_word(&rest, &word) && !t->spent)
		take_word(t, word, prefix, region);
	t->spent |= strbuf_is_bad(&t->line) || strbuf_is_bad(&t->other);
}

static void
take_text(struct tokenizer *t, const struct text_lines *lines, const char *prefix)
{
	t->made = 0;
	for (size_t i = 0; lines != NULL && i < lines->count && t->made < BODY_TOKENS_MAX; i++)
		take_line(t, lines->items[i], slice_from_cstr(prefix), REGION_TEXT);
}

/* Characters that are no bytes end words there. */
static struct slice
latin1(struct arena *arena, struct slice text)
{
	unsigned char *out = arena_bytes(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < text.len;) {
		size_t len = character_len(text, i);
		unsigned char c = text.data[i];

		if (len == 2 && c <= 0xc3)
			out[n++] = (unsigned char)((c & 0x03) << 6 | (text.data[i + 1] & 0x3f));
		else
			out[n++] = len > 1 ? ' ' : c;
		i += len;
	}
	return out == NULL ? SLICE("") : slice_of(out, n);
}

static bool
is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 0x80)
			return false;
	return true;
}

static void
take_uri(struct tokenizer *t, const struct uri_info *info)
{
	for (size_t i = 0; i < info->cleaned.count; i++) {
		struct slice uri = info->cleaned.items[i];

		t->is_wide = info->wide && !is_ascii(uri);
		take_line(t, t->is_wide ? latin1(t->scan->arena, uri) : uri, SLICE(""), REGION_URI);
	}
	t->is_wide = false;
}

static void
take_uris(struct tokenizer *t)
{
	const struct uri_list *uris = scan_uris(t->scan);

	t->made = 0;
	for (size_t i = 0; uris != NULL && i < uris->uris.count && t->made < OTHER_TOKENS_MAX; i++)
		take_uri(t, uris->uris.items[i]);
}

/* ---- parts ---- */

static struct slice
part_digest(struct tokenizer *t, struct part *part)
{
	/* clang-format off */
	static const struct {
		const char *digest, *name;
	} known[] = {
		{ "da39a3ee5e6b4b0d3255bfef95601890afd80709:text/plain", "Empty-Plaintext" },
		{ "da39a3ee5e6b4b0d3255bfef95601890afd80709:text/html", "Empty-HTML" },
		{ "da39a3ee5e6b4b0d3255bfef95601890afd80709:text/xml", "Empty-XML" },
		{ "adc83b19e793491b1c6ea0fd8b46cd9f32e592fc:text/plain", "OneNL-Plaintext" },
		{ "adc83b19e793491b1c6ea0fd8b46cd9f32e592fc:text/html", "OneNL-HTML" },
		{ "71853c6197a6a7f222db0f1978c7cb232b87c5ee:text/plain", "TwoNL-Plaintext" },
		{ "71853c6197a6a7f222db0f1978c7cb232b87c5ee:text/html", "TwoNL-HTML" },
	};
	/* clang-format on */
	struct slice body = part_decoded(part), text;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	struct strbuf out;

	(void)EVP_Digest(body.len == 0 ? "" : (const char *)body.data, body.len, digest, &len,
	                 EVP_sha1(), NULL);
	strbuf_init(&out, t->scan->arena, 0);
	for (unsigned i = 0; i < len; i++)
		strbuf_printf(&out, "%02x", digest[i]);
	strbuf_add_byte(&out, ':');
	strbuf_add(&out, part->type);
	text = strbuf_slice(&out);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_eq(text, slice_from_cstr(known[i].digest)))
			return slice_from_cstr(known[i].name);
	return text;
}

static void
take_parts(struct tokenizer *t)
{
	for (struct part *part = message_leaf_next(t->scan->message, NULL); part != NULL;
	     part = message_leaf_next(t->scan->message, part))
		add_token(t, SLICE("MIME:"), part_digest(t, part), SLICE(""));
}

/* ---- header fields ---- */

/* Fields that say nothing, or what a filter said before: lower case; * at the end: anything, and at
 * least one byte. */
static const char *const ignored_fields[] = {
	"sender",
	"x-sender",
	"delivered-to",
	"delivery-date",
	"envelope-to",
	"x-envelope-to",
	"x-mime-autoconverted",
	"x-converted-to-plain-text",
	"subject",
	"date",
	"x-list",
	"mailing-list",
	"x-mailing-list",
	"list-archive",
	"list-help",
	"list-id",
	"list-owner",
	"list-post",
	"list-subscribe",
	"list-unsubscribe",
	"list-host",
	"list-manager",
	"list-admin",
	"list-comment",
	"list-name",
	"list-url",
	"x-list-archive",
	"x-list-help",
	"x-list-id",
	"x-list-owner",
	"x-list-post",
	"x-list-subscribe",
	"x-list-unsubscribe",
	"x-list-host",
	"x-list-manager",
	"x-list-admin",
	"x-list-comment",
	"x-list-name",
	"x-list-url",
	"x-unsub",
	"x-unsubscribe",
	"x-mailman-version",
	"x-beenthere",
	"x-loop",
	"mail-followup-to",
	"x-egroups-return",
	"x-egroups-from",
	"x-mdmailing-list",
	"x-xemacs-list",
	"x-sympa-to",
	"resent-from",
	"resent-to",
	"resent-date",
	"x-resent-from",
	"x-resent-to",
	"x-resent-date",
	"original-from",
	"original-to",
	"original-date",
	"x-original-from",
	"x-original-to",
	"x-original-date",
	"x-mailscanner",
	"x-mailscanner-spamcheck",
	"x-spam",
	"x-spam-status",
	"x-spam-level",
	"x-spam-flag",
	"x-spam-report",
	"x-spam-hits",
	"x-spam-score",
	"x-spam-checker-version",
	"x-antispam",
	"x-rbl-warning",
	"x-mdaemon-deliver-to",
	"x-virus-scanned",
	"x-mass-check-id",
	"x-pyzor",
	"x-filtered-by",
	"x-scanned-by",
	"x-scanner",
	"x-ap-spam-score",
	"x-ap-spam-status",
	"x-ripe-spam-status",
	"x-spamcop-*",
	"x-smtpd",
	"spam-apparently-to",
	"x-spam-apparently-to",
	"spam",
	"x-perlmx-spam",
	"x-bogosity",
	"content-class",
	"thread-index",
	"thread-topic",
	"x-originalarrivaltime",
	"status",
	"x-status",
	"x-flags",
	"x-keywords",
	"replied",
	"forwarded",
	"lines",
	"content-length",
	"x-uid",
	"x-uidl",
	"x-imapbase",
	"x-bugzilla-*",
	"x-vm-bookmark",
	"x-vm-pop-retrieved",
	"x-vm-imap-retrieved",
	"x-vm-labels",
	"x-vm-last-modified",
	"x-vm-summary-format",
	"x-vm-vheader",
	"x-vm-message-order",
	"x-gnus-mail-source",
	"xref",
};

/* Only that they are there is noted: as a token too short to count. */
static const char *const presence_fields[] = {
	"x-face",
	"x-gnupg-fingerprint",
	"x-gnu-pg-fingerprint",
	"x-pgp-fingerprint",
	"x-gpg-fingerprint",
	"x-gnupg-key-fingerprint",
	"x-gnu-pg-key-fingerprint",
	"x-pgp-key-fingerprint",
	"x-gpg-key-fingerprint",
	"dkim-signature",
	"domainkey-signature",
	"x-google-dkim-signature",
	"arc-message-signature",
	"arc-seal",
	"autocrypt",
};

static const char *const address_fields[] = {
	"return-path", "from", "to", "cc", "reply-to", "errors-to", "sender", "mail-followup-to",
};

/* Names as they stand in tokens; upper and lower case count. */
/* clang-format off */
static const struct {
	const char *name, *mark;
} short_names[] = {
	{ "Message-Id", "*m" },
	{ "Message-ID", "*M" },
	{ "Received", "*r" },
	{ "User-Agent", "*u" },
	{ "References", "*f" },
	{ "In-Reply-To", "*i" },
	{ "From", "*F" },
	{ "Reply-To", "*R" },
	{ "Return-Path", "*p" },
	{ "Return-path", "*rp" },
	{ "X-Mailer", "*x" },
	{ "X-Authentication-Warning", "*a" },
	{ "Organization", "*o" },
	{ "Organisation", "*o" },
	{ "Content-Type", "*ct" },
	{ "Content-Disposition", "*cd" },
	{ "Content-Transfer-Encoding", "*ce" },
	{ "x-spam-relays-trusted", "*RT" },
	{ "x-spam-relays-untrusted", "*RU" },
};
/* clang-format on */

static bool
is_listed(const char *const *names, size_t count, struct slice name)
{
	for (size_t i = 0; i < count; i++) {
		struct slice listed = slice_from_cstr(names[i]);

		if (listed.data[listed.len - 1] == '*'
		            ? name.len >= listed.len &&
		                      slice_istarts(name, slice_sub(listed, 0, listed.len - 1))
		            : slice_ieq(name, listed))
			return true;
	}
	return false;
}
#define IS_LISTED(names, name) is_listed((names), sizeof(names) / sizeof((names)[0]), (name))

/* "X-DCC-SERVER-Metrics", "X-VM-v5-Data" */
static bool
is_odd_ignored(struct slice name)
{
	struct slice middle;

	if (name.len == 12 && slice_istarts(name, SLICE("X-VM-v")) && byte_is_digit(name.data[6]))
		return slice_ieq(slice_from(name, 7), SLICE("-Data"));
	if (!slice_istarts(name, SLICE("X-DCC-")) || !slice_iends(name, SLICE("-Metrics")) ||
	    name.len < 6 + 8)
		return false;
	middle = slice_sub(name, 6, name.len - 14);
	for (size_t i = 0; i < middle.len; i++)
		if (byte_is_space(middle.data[i]))
			return false;
	return middle.len >= 2 && middle.len <= 25;
}

static void
write_outlook_id(struct tokenizer *t, struct slice text, struct strbuf *out)
{
	strbuf_printf(out, " OEA%.*s OEB%.*s OEC%.*s %.*s ", SLICE_FMT(group_of(t, text, 1)),
	              SLICE_FMT(group_of(t, text, 2)), SLICE_FMT(group_of(t, text, 3)),
	              SLICE_FMT(group_of(t, text, 4)));
}

static struct slice
chew_message_id(struct tokenizer *t, struct slice value)
{
	unsigned char *out;

	value = replace(t, PATTERN_ID_OUTLOOK, value, SIZE_MAX, NULL, write_outlook_id);
	value = replace(t, PATTERN_ID_EXIM, value, 1, "", NULL);
	value = replace(t, PATTERN_ID_SENDMAIL, value, SIZE_MAX, "", NULL);
	out = arena_bytes(t->scan->arena, value.len + 1);
	if (out == NULL)
		return SLICE("");
	for (size_t i = 0; i < value.len; i++)
		out[i] = byte_is_word(value.data[i]) ? value.data[i] : ' ';
	return slice_of(out, value.len);
}

/* The network of an address is a token, and the address too. */
static void
write_ip(struct tokenizer *t, struct slice text, struct strbuf *out)
{
	struct slice network = group_of(t, text, 1);

	strbuf_printf(out, "%.*s ip*%.*s%.*s ", SLICE_FMT(network), SLICE_FMT(network),
	              SLICE_FMT(group_of(t, text, 2)));
}

static struct slice
chew_received(struct tokenizer *t, struct slice value)
{
	value = replace(t, PATTERN_RECEIVED_SMTP, value, SIZE_MAX, " ", NULL);
	value = replace(t, PATTERN_RECEIVED_ESMTP, value, SIZE_MAX, " ", NULL);
	value = replace(t, PATTERN_RECEIVED_ID, value, SIZE_MAX, " ", NULL);
	value = replace(t, PATTERN_RECEIVED_EXIM, value, SIZE_MAX, " ", NULL);
	value = replace(t, PATTERN_RECEIVED_DATE, value, SIZE_MAX, "", NULL);
	value = replace(t, PATTERN_RECEIVED_IP, value, SIZE_MAX, NULL, write_ip);
	return replace(t, PATTERN_RECEIVED_WORDS, value, SIZE_MAX, " ", NULL);
}

static bool
is_separator(unsigned char c)
{
	return c == '-' || c == '_' || c == '.' || c == '=';
}

/* Which hexadecimal digits a boundary has is chance; how it is built is not. */
static struct slice
chew_content_type(struct tokenizer *t, struct slice value)
{
	const struct regex *regex = scan_pattern_regex(t->scan, &plugin_bayes, PATTERN_BOUNDARY);
	struct slice boundary = SLICE_NULL;
	struct regex_iter iter;
	struct strbuf out;

	if (regex == NULL)
		return value;
	regex_iter_init(&iter, regex, scan_regex_scratch(t->scan), value);
	while (regex_iter_next(&iter) == REGEX_HIT)
		boundary = group_of(t, value, 1);
	if (boundary.data != NULL) {
		struct slice kept = replace(t, PATTERN_BOUNDARY, value, SIZE_MAX, " ", NULL);

		strbuf_init(&out, t->scan->arena, 0);
		strbuf_add(&out, kept);
		for (size_t i = 0; i < boundary.len; i++) {
			unsigned char c = boundary.data[i];

			if (is_separator(c) && (i == 0 || !is_separator(boundary.data[i - 1])))
				strbuf_add_byte(&out, ' ');
			strbuf_add_byte(&out, byte_is_xdigit(c) ? 'H' : c);
			if (is_separator(c) &&
			    (i + 1 == boundary.len || !is_separator(boundary.data[i + 1])))
				strbuf_add_byte(&out, ' ');
		}
		t->spent |= strbuf_is_bad(&out);
		value = strbuf_slice(&out);
	}
	return replace(t, PATTERN_TYPE_WORDS, value, SIZE_MAX, " ", NULL);
}

static void
write_address(struct strbuf *out, struct slice address)
{
	struct slice user, domain;

	if (!split_address(address, &user, &domain))
		return;
	strbuf_printf(out, "%sU*%.*s", out->len == 0 ? "" : " ", SLICE_FMT(user));
	for (int i = 0; i < BAYES_LABELS_MAX; i++) {
		strbuf_printf(out, " D*%.*s", SLICE_FMT(domain));
		if (!next_domain(&domain))
			return;
	}
}

static struct slice
chew_addresses(struct tokenizer *t, struct slice value)
{
	address_vec addresses = {0};
	struct strbuf out;

	(void)!address_parse(t->scan->arena, value,
	                     (enum address_parser)t->scan->env->address_parser, &addresses);
	strbuf_init(&out, t->scan->arena, 0);
	for (size_t i = 0; i < addresses.count; i++) {
		struct slice phrase = addresses.items[i].phrase, word;

		while (slice_next_word(&phrase, &word))
			strbuf_printf(&out, "%sN*%.*s", out.len == 0 ? "" : " ", SLICE_FMT(word));
		if (addresses.items[i].address.data != NULL)
			write_address(&out, addresses.items[i].address);
	}
	t->spent |= strbuf_is_bad(&out);
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* " rdns=", " helo=" ... are the same in every message. */
static struct slice
chew_relays(struct tokenizer *t, struct slice value)
{
	struct strbuf out;

	strbuf_init(&out, t->scan->arena, 0);
	for (size_t i = 0; i < value.len;) {
		size_t end = i + 1;

		while (value.data[i] == ' ' && end < value.len && byte_is_lower(value.data[end]))
			end++;
		if (value.data[i] == ' ' && end > i + 1 && end < value.len &&
		    value.data[end] == '=') {
			strbuf_add_byte(&out, ' ');
			i = end + 1;
			continue;
		}
		strbuf_add_byte(&out, value.data[i++]);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* The name without X- or Resent-. */
static struct slice
bare_name(struct slice name)
{
	if (slice_istarts(name, SLICE("X-")))
		return slice_from(name, 2);
	return slice_istarts(name, SLICE("Resent-")) ? slice_from(name, 7) : name;
}

static bool
is_relays(struct slice name)
{
	struct slice prefix = SLICE("x-spam-relays-"), kind = slice_from(name, prefix.len);

	return slice_starts(name, prefix) &&
	       (slice_eq(kind, SLICE("external")) || slice_eq(kind, SLICE("internal")) ||
	        slice_eq(kind, SLICE("trusted")) || slice_eq(kind, SLICE("untrusted")));
}

static struct slice
chew(struct tokenizer *t, struct slice name, struct slice value)
{
	struct slice bare = bare_name(name);
	size_t at;

	if (slice_ieq(bare, SLICE("Message-Id")))
		return chew_message_id(t, value);
	if (IS_LISTED(address_fields, bare))
		return chew_addresses(t, value);
	if (slice_eq(name, SLICE("Received")))
		return chew_received(t, value);
	if (slice_eq(name, SLICE("Content-Type")))
		return chew_content_type(t, value);
	if (slice_eq(name, SLICE("MIME-Version"))) {
		at = slice_find(value, SLICE("1.0"), 0);
		return at == SLICE_NPOS ? value
		                        : arena_concat(t->scan->arena, slice_sub(value, 0, at),
		                                       slice_from(value, at + 3));
	}
	if (IS_LISTED(presence_fields, name))
		return SLICE("1");
	return is_relays(name) ? chew_relays(t, value) : value;
}

static void
add_value(struct tokenizer *t, struct hashmap *fields, struct slice name, struct slice value)
{
	struct hashmap_entry *entry = hashmap_put(fields, name, NULL);
	struct strbuf *text = entry == NULL ? NULL : entry->value;

	if (entry != NULL && text == NULL) {
		entry->value = text = arena_new(t->scan->arena, struct strbuf);
		if (text != NULL)
			strbuf_init(text, t->scan->arena, 0);
	} else if (text != NULL) {
		strbuf_add_byte(text, ' ');
	}
	if (text != NULL)
		strbuf_add(text, value);
}

static void
add_field(struct tokenizer *t, struct hashmap *fields, struct slice name, struct slice value)
{
	const struct core_settings *core = t->scan->core;

	if (conf_words_has(&core->bayes_ignore_header, name, true))
		return;
	value = chew(t, name, value);
	if (slice_ieq(name, SLICE("In-Reply-To")) || slice_ieq(name, SLICE("References")) ||
	    slice_ieq(name, SLICE("Message-ID")))
		add_value(t, fields, SLICE("*MI"), value);
	if (slice_ieq(name, SLICE("From")) || slice_ieq(name, SLICE("To")) ||
	    slice_ieq(name, SLICE("Cc")))
		add_value(t, fields, SLICE("*Ad"), value);
	if (slice_ieq(name, SLICE("X-Mailer")) || slice_ieq(name, SLICE("User-Agent")))
		add_value(t, fields, SLICE("*UA"), value);
	for (size_t i = 0; i < sizeof(short_names) / sizeof(short_names[0]); i++)
		if (slice_eq(name, slice_from_cstr(short_names[i].name))) {
			name = slice_from_cstr(short_names[i].mark);
			break;
		}
	add_value(t, fields, name, value);
}

static void
add_line(struct tokenizer *t, struct hashmap *fields, struct slice line)
{
	size_t colon = slice_find_byte(line, ':', 0);
	struct slice value = colon == SLICE_NPOS ? SLICE("") : slice_from(line, colon + 1);

	if (value.len > 0 && value.data[value.len - 1] == '\n')
		value.len--;
	add_field(t, fields, slice_sub(line, 0, colon), value);
}

static void
add_metadata(struct tokenizer *t, struct hashmap *fields)
{
	struct scan *scan = t->scan;

	add_field(t, fields, SLICE("x-spam-relays-external"), scan->relays.external_string);
	add_field(t, fields, SLICE("x-spam-relays-internal"), scan->relays.internal_string);
	add_field(t, fields, SLICE("x-spam-relays-trusted"), scan->relays.trusted_string);
	add_field(t, fields, SLICE("x-spam-relays-untrusted"), scan->relays.untrusted_string);
	for (size_t i = 0; i < scan->metadata.count; i++) {
		const struct hashmap_entry *entry = &scan->metadata.entries[i];
		const struct slice *value = entry->value;

		if (value != NULL)
			add_field(t, fields, entry->key, value->data == NULL ? SLICE("") : *value);
	}
}

/* All fields but the ignored ones; of Received the two that were there first. */
static void
take_fields(struct tokenizer *t)
{
	struct hashmap fields;
	slice_vec lines;
	size_t received[2] = {SIZE_MAX, SIZE_MAX};

	hashmap_init(&fields, t->scan->arena);
	(void)header_all(t->scan->message, false, false, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		struct slice line = lines.items[i],
			     name = slice_sub(line, 0, slice_find_byte(line, ':', 0));

		if (slice_ieq(name, SLICE("Received"))) {
			received[1] = received[0];
			received[0] = i;
		} else if (!IS_LISTED(ignored_fields, name) && !is_odd_ignored(name) &&
		           !(t->options->is_scanned && slice_istarts(name, SLICE("X-Spam-")))) {
			add_line(t, &fields, line);
		}
	}
	add_metadata(t, &fields);
	for (int i = 0; i < 2; i++)
		if (received[i] != SIZE_MAX)
			add_line(t, &fields, lines.items[received[i]]);
	t->made = 0;
	for (size_t i = 0; i < fields.count && t->made < OTHER_TOKENS_MAX; i++) {
		const struct strbuf *text = fields.entries[i].value;
		struct slice prefix =
			arena_printf(t->scan->arena, "H%.*s:", SLICE_FMT(fields.entries[i].key));

		if (text != NULL)
			take_line(t, strbuf_slice(text), prefix, REGION_HEADER);
	}
}

/* ---- all of it ---- */

static unsigned
sources_of(const struct core_settings *core)
{
	/* clang-format off */
	static const struct {
		const char *name;
		unsigned bits;
	} names[] = {
		{ "header", SOURCE_HEADER }, { "visible", SOURCE_VISIBLE }, { "invisible", SOURCE_INVISIBLE },
		{ "uri", SOURCE_URI }, { "mimepart", SOURCE_PARTS }, { "all", SOURCE_ALL },
	};
	/* clang-format on */
	unsigned sources = 0;

	for (size_t i = 0; i < core->bayes_token_sources.count; i++) {
		struct slice word = core->bayes_token_sources.items[i];
		bool on = !slice_starts(word, SLICE("no"));

		if (slice_eq(word, SLICE("none")))
			sources = 0;
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (slice_eq(on ? word : slice_from(word, 2),
			             slice_from_cstr(names[k].name)))
				sources = on ? sources | names[k].bits : sources & ~names[k].bits;
	}
	return sources;
}

static bool
make_keys(struct tokenizer *t, struct bayes_tokens *tokens)
{
	size_t count = t->seen.count;
	EVP_MD *sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good = sha1 != NULL && context != NULL;

	tokens->keys = arena_new_array(t->scan->arena, struct store_key, count + 1);
	tokens->texts = arena_new_array(t->scan->arena, struct slice, count + 1);
	good = good && tokens->keys != NULL && tokens->texts != NULL;
	for (size_t i = 0; good && i < count; i++) {
		struct slice text = t->seen.entries[i].key;
		unsigned char digest[EVP_MAX_MD_SIZE];
		struct store_key *key = &tokens->keys[tokens->count];

		good = EVP_DigestInit_ex2(context, sha1, NULL) == 1 &&
		       EVP_DigestUpdate(context, text.data, text.len) == 1 &&
		       EVP_DigestFinal_ex(context, digest, NULL) == 1;
		memcpy(key->bytes, digest + 20 - STORE_KEY_BYTES, STORE_KEY_BYTES);
		tokens->texts[tokens->count] = text;
		tokens->count += good;
	}
	EVP_MD_CTX_free(context);
	EVP_MD_free(sha1);
	return good;
}

bool
bayes_tokenize(struct scan *scan, const struct bayes_token_options *options,
               struct bayes_tokens *tokens_r)
{
	struct tokenizer t = {.scan = scan, .options = options};
	unsigned sources = sources_of(scan->core);

	*tokens_r = (struct bayes_tokens){0};
	hashmap_init(&t.seen, scan->arena);
	strbuf_init(&t.line, scan->arena, 0);
	strbuf_init(&t.other, scan->arena, 0);
	strbuf_init(&t.token, scan->arena, 0);
	if (sources & SOURCE_VISIBLE)
		take_text(&t, text_visible(scan->message), "");
	if (sources & SOURCE_URI)
		take_uris(&t);
	if (sources & SOURCE_INVISIBLE)
		take_text(&t, text_invisible(scan->message), "I*:");
	if (sources & SOURCE_PARTS)
		take_parts(&t);
	if (sources & SOURCE_HEADER)
		take_fields(&t);
	return make_keys(&t, tokens_r) && !t.spent;
}
