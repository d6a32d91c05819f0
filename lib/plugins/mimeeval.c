/*
 * mimeeval.c - Mail::SpamAssassin::Plugin::MIMEEval: statistics of MIME parts
 */
#include <stdlib.h>

#include "plugins/locales.h"
#include "plugins/args.h"

enum { P_CAPS, P_ISO, P_ISO_GOOD, P_BASE64_LINE, P_ASCII_NAME, P_COUNT };

static const char *const patterns[P_COUNT] = {
	[P_CAPS] = "(?i)^[-_a-z0-9]*(?:koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|"
		   "pt154|tis)"
		   "[-_a-z0-9]*$",
	[P_ISO] = "(?i)iso-\\S+-\\S+\\b",
	[P_ISO_GOOD] = "iso-(?:8859-\\d{1,2}|2022-(?:jp|kr))\\b",
	[P_BASE64_LINE] = "^(?:[A-Za-z0-9+/=]{60,76} ){2}",
	[P_ASCII_NAME] = "(?:us-ascii|ansi_x3\\.4-1968|iso-ir-6|ansi_x3\\.4-1986|iso_646\\.irv:"
			 "1991|ascii|iso646-us|us|"
			 "ibm367|cp367|csascii)",
};

struct mime_state {
	bool done;
	double base64_count, base64_encoded_text, body_html_count, body_text_count, faraway_charset;
	double missing_boundary, multipart_alternative, multipart_ratio, qp_count, qp_long_line,
		qp_ratio, qp_bytes;
	double ascii_text_illegal, text_unicode_ratio, attachment, bad_iso_charset;
	slice_vec charsets;
	bool uppercase_done;
	double uppercase;
	bool base64_length_done;
	double base64_length;
};

/* ---- one part ---- */

struct part_facts {
	struct slice type, charset, cte, disposition; /* lower case, "" when missing */
	bool has_charset;
};

static struct slice
lower_header(struct scan *scan, struct part *part, const char *name)
{
	struct slice value = header_list_last(&part->headers, slice_from_cstr(name));

	return value.data == NULL ? SLICE("") : arena_dup_lower(scan->arena, value);
}

static void
part_facts(struct scan *scan, struct part *part, struct part_facts *facts_r)
{
	struct content_type type;

	content_type_parse(scan->arena, header_list_last(&part->headers, SLICE("content-type")),
	                   &type);
	facts_r->type = type.type;
	facts_r->has_charset = type.charset.data != NULL;
	facts_r->charset =
		type.charset.data == NULL ? SLICE("") : arena_dup_lower(scan->arena, type.charset);
	facts_r->cte = lower_header(scan, part, "content-transfer-encoding");
	facts_r->disposition = lower_header(scan, part, "content-disposition");
	/* one line end at the end goes */
	if (slice_ends(facts_r->cte, SLICE("\n")))
		facts_r->cte.len--;
	if (slice_ends(facts_r->disposition, SLICE("\n")))
		facts_r->disposition.len--;
}

static bool
has(struct slice text, const char *word)
{
	return slice_find(text, slice_from_cstr(word), 0) != SLICE_NPOS;
}

static void
count_header(struct scan *scan, struct mime_state *m, const struct part_facts *f)
{
	bool ascii = f->charset.len == 0 ||
	             scan_pattern(scan, &plugin_mimeeval, P_ASCII_NAME, f->charset);
	bool alpha = false;

	if (slice_eq(f->type, SLICE("text/html")))
		m->body_html_count++;
	else if (slice_istarts(f->type, SLICE("text")))
		m->body_text_count++;
	if (has(f->cte, "base64"))
		m->base64_count++;
	else if (has(f->cte, "quoted-printable"))
		m->qp_count++;
	if (has(f->disposition, "attachment"))
		m->attachment++;
	if (slice_starts(f->type, SLICE("text")) && has(f->cte, "base64") && ascii &&
	    !slice_starts(f->disposition, SLICE("attachment")) &&
	    !slice_starts(f->disposition, SLICE("inline")))
		m->base64_encoded_text = 1;
	if (scan_pattern(scan, &plugin_mimeeval, P_ISO, f->charset) &&
	    !scan_pattern(scan, &plugin_mimeeval, P_ISO_GOOD, f->charset))
		m->bad_iso_charset = 1;
	for (size_t i = 0; i < f->charset.len; i++)
		alpha |= byte_is_alpha(f->charset.data[i]);
	if (!alpha)
		return;
	(void)vec_push(scan->arena, &m->charsets, f->charset);
	if (m->faraway_charset == 0 && !locales_are_all(scan->core) &&
	    !locales_charset_is_ok(scan->core, scan->arena, f->charset))
		m->faraway_charset = 1;
}

/* ---- lines of a leaf ---- */

struct totals {
	double qp_bytes, qp_count, normal, unicode;
	/* of the last text/plain and text/html leaves that are no attachments */
	double text_bytes, html_bytes;
	bool has_text, has_html;
};

/* =XX codes of bytes that needed none. */
static size_t
needless_codes(struct slice line)
{
	size_t count = 0;

	for (size_t i = 0; i + 2 < line.len; i++) {
		unsigned char a, b;

		if (line.data[i] != '=')
			continue;
		a = line.data[i + 1];
		b = line.data[i + 2];
		if ((a == '0' && b == '9') ||
		    (a == '3' && b != 0 && strchr("0123456789ABCEF", b) != NULL) ||
		    (strchr("2456", a) != NULL && a != 0 &&
		     (byte_is_digit(b) || (b >= 'A' && b <= 'F'))) ||
		    (a == '7' && (byte_is_digit(b) || (b >= 'A' && b <= 'E')))) {
			count++;
			i += 2;
		}
	}
	return count;
}

/* Coded blanks at the end of the line, which are needed there. */
static size_t
trailing_codes(struct slice line)
{
	size_t count = 0;

	line = slice_rtrim(line);
	while (slice_ends(line, SLICE("=09")) || slice_ends(line, SLICE("=20"))) {
		count++;
		line.len -= 3;
	}
	return count;
}

static void
count_qp_line(struct mime_state *m, struct totals *t, struct slice line)
{
	size_t codes;

	if (slice_starts(line, SLICE("SPAM: ")))
		return;
	if (line.len > 79)
		m->qp_long_line = 1;
	t->qp_bytes += (double)line.len;
	codes = needless_codes(line);
	if (codes > 0)
		t->qp_count += (double)codes - (double)trailing_codes(line);
}

static void
count_entities(struct totals *t, struct slice line)
{
	size_t entities = 0, bytes = 0;

	for (size_t i = 0; i < line.len;) {
		struct slice rest = slice_from(line, i);
		size_t plain = slice_find_byte(rest, '&', 0);

		if (plain == SLICE_NPOS)
			plain = rest.len;
		bytes += plain;
		i += plain;
		if (i == line.len)
			break;
		rest = slice_from(line, i);
		if (rest.len >= 8 && rest.data[0] == '&' && rest.data[1] == '#' &&
		    rest.data[2] == 'x' && rest.data[7] == ';') {
			bool hex = true;

			for (int k = 3; k < 7; k++)
				hex &= byte_is_digit(rest.data[k]) ||
				       (rest.data[k] >= 'A' && rest.data[k] <= 'F');
			if (hex) {
				entities++;
				i += 8;
				continue;
			}
		}
		bytes++;
		i++;
	}
	t->normal += (double)bytes;
	t->unicode += (double)entities;
}

static bool
is_illegal_ascii(struct slice line)
{
	unsigned char high = 0;

	for (size_t i = 0; i < line.len; i++)
		high |= line.data[i];
	return high >= 0x80 || slice_has_byte(line, '\0') || slice_has_byte(line, '\r');
}

static void
count_leaf(struct mime_state *m, struct totals *t, const struct part_facts *f, struct slice raw)
{
	bool plain = slice_eq(f->type, SLICE("text/plain")),
	     html = slice_eq(f->type, SLICE("text/html"));
	bool qp = slice_eq(f->cte, SLICE("quoted-printable")),
	     attachment = has(f->disposition, "attachment");
	bool ascii = plain && (!f->has_charset || slice_eq(f->charset, SLICE("us-ascii")));
	bool bare = plain && (f->cte.len == 0 || slice_eq(f->cte, SLICE("7bit")) ||
	                      slice_eq(f->cte, SLICE("8bit")));
	double bytes = 0;

	while (raw.len > 0) {
		size_t end = slice_find_byte(raw, '\n', 0);
		struct slice line = slice_sub(raw, 0, end == SLICE_NPOS ? raw.len : end + 1);

		raw = slice_from(raw, line.len);
		bytes += (double)line.len;
		if (qp)
			count_qp_line(m, t, line);
		if (ascii && is_illegal_ascii(line))
			m->ascii_text_illegal++;
		if (bare)
			count_entities(t, line);
	}
	if (m->multipart_alternative == 0)
		bytes = 0;
	if (plain && !attachment) {
		t->has_text = true;
		t->text_bytes = bytes;
	} else if (html && !attachment) {
		t->has_html = true;
		t->html_bytes = bytes;
	}
}

static struct mime_state *
mime(struct scan *scan)
{
	struct mime_state *m = scan_state(scan, &plugin_mimeeval);
	struct totals t = {0};

	if (m == NULL || m->done)
		return m;
	m->done = true;
	m->multipart_ratio = 1;
	for (struct part *part = message_part_next(scan->message, NULL); part != NULL;
	     part = message_part_next(scan->message, part)) {
		struct part_facts facts;

		part_facts(scan, part, &facts);
		if (slice_eq(facts.type, SLICE("multipart/alternative")))
			m->multipart_alternative = 1;
		count_header(scan, m, &facts);
		if (part->is_leaf)
			count_leaf(m, &t, &facts, part->raw);
	}
	if (t.qp_bytes > 0) {
		m->qp_ratio = t.qp_count / t.qp_bytes;
		m->qp_count = t.qp_count;
		m->qp_bytes = t.qp_bytes;
	}
	if (t.normal > 0)
		m->text_unicode_ratio = t.unicode / t.normal;
	if (m->multipart_alternative != 0 && t.has_text && t.has_html && t.html_bytes > 0)
		m->multipart_ratio = t.text_bytes / t.html_bytes;
	for (size_t i = 0; i < scan->message->boundaries.count; i++)
		if (scan->message->boundaries.items[i].count != 0)
			m->missing_boundary = 1;
	return m;
}

/* ---- evals ---- */

#define AT(field) offsetof(struct mime_state, field)
/* clang-format off */
static const struct {
	const char *name;
	size_t offset;
} keys[] = {
	{ "mime_ascii_text_illegal", AT(ascii_text_illegal) },
	{ "mime_attachment", AT(attachment) },
	{ "mime_bad_iso_charset", AT(bad_iso_charset) },
	{ "mime_base64_count", AT(base64_count) },
	{ "mime_base64_encoded_text", AT(base64_encoded_text) },
	{ "mime_body_html_count", AT(body_html_count) },
	{ "mime_body_text_count", AT(body_text_count) },
	{ "mime_faraway_charset", AT(faraway_charset) },
	{ "mime_missing_boundary", AT(missing_boundary) },
	{ "mime_multipart_alternative", AT(multipart_alternative) },
	{ "mime_multipart_ratio", AT(multipart_ratio) },
	{ "mime_qp_bytes", AT(qp_bytes) },
	{ "mime_qp_count", AT(qp_count) },
	{ "mime_qp_long_line", AT(qp_long_line) },
	{ "mime_qp_ratio", AT(qp_ratio) },
	{ "mime_text_unicode_ratio", AT(text_unicode_ratio) },
};
/* clang-format on */

static bool
message_flag(const struct message *message, struct slice name)
{
	if (slice_eq(name, SLICE("missing_head_body_separator")))
		return message->missing_head_body_separator;
	if (slice_eq(name, SLICE("truncated_header")))
		return message->truncated_header;
	if (slice_eq(name, SLICE("missing_mime_headers")))
		return message->missing_mime_headers;
	if (slice_eq(name, SLICE("missing_mime_head_body_separator")))
		return message->missing_mime_head_body_separator;
	if (slice_eq(name, SLICE("mime_epilogue_exists")))
		return message->mime_epilogue_exists;
	return slice_eq(name, SLICE("mimepart_limit_exceeded")) && message->mimepart_limit_exceeded;
}

/* data: where in struct mime_state; NULL: another name. */
static enum status
prepare_key(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	(void)reader, (void)error;
	for (size_t i = 0; rule->args.count > 0 && i < sizeof(keys) / sizeof(keys[0]); i++)
		if (slice_eq(rule->args.items[0], slice_from_cstr(keys[i].name)))
			rule->data = (void *)(uintptr_t)&keys[i].offset;
	return STATUS_OK;
}

static int
check_for_mime(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);
	const size_t *offset = call->data;

	if (m != NULL && offset != NULL)
		return *(const double *)(const void *)((const char *)m + *offset) != 0;
	return slice_eq(eval_arg(call, 0), SLICE("mimepart_limit_exceeded")) &&
	       scan->message->mimepart_limit_exceeded;
}

static int
msg_parse_flags(struct scan *scan, const struct eval_call *call)
{
	return message_flag(scan->message, eval_arg(call, 0));
}

static int
ascii_text_illegal(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);

	(void)call;
	return m != NULL && m->ascii_text_illegal > 0;
}

/* \d{0,3}.\d{1,3} */
static bool
is_ratio(struct slice text)
{
	size_t dot = slice_find_byte(text, '.', 0);
	unsigned long long n;

	return dot != SLICE_NPOS && dot <= 3 && text.len - dot >= 2 && text.len - dot <= 4 &&
	       (dot == 0 || slice_to_u64(slice_sub(text, 0, dot), 999, &n)) &&
	       slice_to_u64(slice_from(text, dot + 1), 999, &n);
}

static int
abundant_unicode_ratio(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);

	return m != NULL && is_ratio(eval_arg(call, 0)) &&
	       m->text_unicode_ratio >= eval_number(call, 0);
}

static int
qp_ratio(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);

	return m != NULL && m->qp_ratio >= eval_number(call, 0);
}

static int
multipart_ratio(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);

	return m != NULL && m->multipart_ratio >= eval_number(call, 0) &&
	       m->multipart_ratio < eval_number(call, 1);
}

static bool
is_html_mail(struct scan *scan)
{
	return slice_istarts(scan_header(scan, SLICE("Content-Type")), SLICE("text/html"));
}

static int
mime_html(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);

	(void)call;
	return is_html_mail(scan) || (m != NULL && m->body_html_count > 0);
}

static int
mime_html_only(struct scan *scan, const struct eval_call *call)
{
	const struct mime_state *m = mime(scan);

	(void)call;
	return is_html_mail(scan) ||
	       (m != NULL && m->body_html_count > 0 && m->body_text_count == 0);
}

/* charset="x", charset='x' or charset=x of a Content-Type line; data NULL: none. */
static struct slice
line_charset(struct slice line)
{
	for (int kind = 0; kind < 3; kind++) {
		struct slice key = kind == 0   ? SLICE("charset=\"")
		                   : kind == 1 ? SLICE("charset='")
		                               : SLICE("charset=");

		for (size_t at = slice_ifind(line, key, 0); at != SLICE_NPOS;
		     at = slice_ifind(line, key, at + 1)) {
			struct slice rest = slice_from(line, at + key.len);
			size_t end = 0;

			if (kind < 2) {
				end = slice_find_byte(rest, kind == 0 ? '"' : '\'', 0);
				if (end == SLICE_NPOS || end == 0)
					continue;
			} else {
				while (end < rest.len && !byte_is_space(rest.data[end]))
					end++;
				if (end == 0)
					continue;
			}
			return slice_sub(rest, 0, end);
		}
	}
	return SLICE_NULL;
}

static int
faraway_charset(struct scan *scan, const struct eval_call *call)
{
	struct slice charset = line_charset(scan_header(scan, SLICE("Content-Type")));
	size_t high = 0, total = 0;

	if (locales_are_all(scan->core) || charset.data == NULL ||
	    locales_charset_is_ok(scan->core, scan->arena, charset))
		return 0;
	for (size_t i = 0; i < call->line_count; i++) {
		total += call->lines[i].len + (i > 0);
		for (size_t k = 0; k < call->lines[i].len; k++)
			high += call->lines[i].data[k] >= 0x80;
	}
	return high > 3 && high >= total - high;
}

static bool
charset_shouts(struct scan *scan)
{
	const struct mime_state *m = mime(scan);
	struct slice charset = line_charset(scan_header(scan, SLICE("Content-Type")));

	if (charset.data != NULL && scan_pattern(scan, &plugin_mimeeval, P_CAPS, charset))
		return true;
	for (size_t i = 0; m != NULL && i < m->charsets.count; i++)
		if (scan_pattern(scan, &plugin_mimeeval, P_CAPS, m->charsets.items[i]))
			return true;
	return false;
}

/* Two words with white space between. */
static bool
has_two_words(struct slice line)
{
	struct slice word;

	return slice_next_word(&line, &word) && slice_next_word(&line, &word);
}

/* The line without ISO-2022-JP runs: ESC $B to the last ESC (B. */
static void
count_case(struct slice line, size_t *len, size_t *lower, size_t *upper)
{
	size_t from = slice_find(line, SLICE("\x1b$B"), 0), to = SLICE_NPOS;

	for (size_t at = from == SLICE_NPOS ? SLICE_NPOS : slice_find(line, SLICE("\x1b(B"), from);
	     at != SLICE_NPOS; at = slice_find(line, SLICE("\x1b(B"), at + 1))
		to = at;
	for (size_t i = 0; i < line.len; i++) {
		if (to != SLICE_NPOS && i >= from && i < to + 3)
			continue;
		(*len)++;
		*lower += byte_is_lower(line.data[i]) || byte_is_digit(line.data[i]);
		*upper += byte_is_upper(line.data[i]);
	}
}

static double
uppercase(struct scan *scan, const struct eval_call *call)
{
	struct mime_state *m = mime(scan);
	size_t len = 0, lower = 0, upper = 0;

	if (m == NULL || m->uppercase_done)
		return m == NULL ? 0 : m->uppercase;
	m->uppercase_done = true;
	if (charset_shouts(scan))
		return 0;
	for (size_t i = 0; i < call->line_count; i++)
		if (has_two_words(call->lines[i]) &&
		    !scan_pattern(scan, &plugin_mimeeval, P_BASE64_LINE, call->lines[i]))
			count_case(call->lines[i], &len, &lower, &upper);
	if (len >= 200 && upper + lower > 0)
		m->uppercase = (double)upper / (double)(upper + lower) * 100;
	return m->uppercase;
}

static int
check_uppercase(struct scan *scan, const struct eval_call *call)
{
	double percent = uppercase(scan, call);

	return percent > eval_number(call, 0) && percent <= eval_number(call, 1);
}

static int
ma_non_text(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	for (struct part *part = message_part_next(scan->message, NULL); part != NULL;
	     part = message_part_next(scan->message, part)) {
		if (!slice_eq(part->type, SLICE("multipart/alternative")))
			continue;
		for (const struct part *child = part->first_child; child != NULL;
		     child = child->next)
			if (child->is_leaf && !slice_eq(child->type, SLICE("multipart/related")) &&
			    !slice_eq(child->type, SLICE("application/rtf")) &&
			    !slice_istarts(child->type, SLICE("text/")))
				return 1;
	}
	return 0;
}

static double
longest_line(struct slice raw)
{
	size_t longest = 0;

	while (raw.len > 0) {
		size_t end = slice_find_byte(raw, '\n', 0),
		       len = end == SLICE_NPOS ? raw.len : end + 1;

		if (len > longest)
			longest = len;
		raw = slice_from(raw, len);
	}
	return (double)longest;
}

static int
base64_length(struct scan *scan, const struct eval_call *call)
{
	struct mime_state *m = scan_state(scan, &plugin_mimeeval);

	if (m == NULL)
		return 0;
	for (struct part *part = m->base64_length_done ? NULL
	                                               : message_part_next(scan->message, NULL);
	     part != NULL; part = message_part_next(scan->message, part)) {
		struct part_facts facts;

		if (!part->is_leaf)
			continue;
		part_facts(scan, part, &facts);
		if (slice_eq(facts.type, SLICE("application/ics")) ||
		    !slice_eq(facts.cte, SLICE("base64")))
			continue;
		if (longest_line(part->raw) > m->base64_length)
			m->base64_length = longest_line(part->raw);
	}
	m->base64_length_done = true;
	if (call->arg_count > 1 && m->base64_length > eval_number(call, 1))
		return 0;
	return m->base64_length >= eval_number(call, 0);
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_abundant_unicode_ratio", EVAL_BODY, abundant_unicode_ratio, NULL },
	{ "check_base64_length", EVAL_BODY, base64_length, NULL },
	{ "check_for_ascii_text_illegal", EVAL_BODY, ascii_text_illegal, NULL },
	{ "check_for_faraway_charset", EVAL_BODY, faraway_charset, NULL },
	{ "check_for_mime", EVAL_BODY, check_for_mime, prepare_key },
	{ "check_for_mime_html", EVAL_BODY, mime_html, NULL },
	{ "check_for_mime_html_only", EVAL_BODY, mime_html_only, NULL },
	{ "check_for_uppercase", EVAL_BODY, check_uppercase, NULL },
	{ "check_ma_non_text", EVAL_BODY, ma_non_text, NULL },
	{ "check_mime_multipart_ratio", EVAL_BODY, multipart_ratio, NULL },
	{ "check_msg_parse_flags", EVAL_ANY, msg_parse_flags, NULL },
	{ "check_qp_ratio", EVAL_BODY, qp_ratio, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_check_abundant_unicode_ratio",
	"has_check_for_ascii_text_illegal",
	"has_check_qp_ratio",
	NULL,
};

const struct plugin plugin_mimeeval = {
	.id = PLUGIN_ID_mimeeval,
	.class_name = "Mail::SpamAssassin::Plugin::MIMEEval",
	.module = {.name = "mimeeval"},
	.evals = evals,
	.features = features,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct mime_state),
};
