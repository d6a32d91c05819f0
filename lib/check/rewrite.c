/*
 * rewrite.c - the message with the verdict in it
 */
#include "check/rewrite.h"

#include <stdio.h>
#include <sys/random.h>

#include "check/report.h"
#include "check/tags.h"
#include "check/wrap.h"
#include "util/strbuf.h"

/* ---- encoding ---- */

static bool
is_plain(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c <= 0x7e);
}

static void
add_base64(struct strbuf *out, struct slice s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.len; i += 3) {
		unsigned n = (unsigned)(s.len - i < 3 ? s.len - i : 3);
		unsigned v = (unsigned)s.data[i] << 16 |
		             (n > 1 ? (unsigned)s.data[i + 1] << 8 : 0) |
		             (n > 2 ? s.data[i + 2] : 0U);

		strbuf_add_byte(out, (unsigned char)digits[v >> 18 & 63]);
		strbuf_add_byte(out, (unsigned char)digits[v >> 12 & 63]);
		strbuf_add_byte(out, n > 1 ? (unsigned char)digits[v >> 6 & 63] : '=');
		strbuf_add_byte(out, n > 2 ? (unsigned char)digits[v & 63] : '=');
	}
}

static bool
needs_q(unsigned char c)
{
	return c == '=' || c == '?' || c == '_' || c < 0x20 || c > 0x7e;
}

static void
add_encoded_word(struct strbuf *out, struct slice s)
{
	size_t special = 0;

	for (size_t i = 0; i < s.len; i++)
		special += needs_q(s.data[i]);
	if (s.len + special * 2 > 4 * (s.len + 2) / 3) {
		strbuf_add(out, SLICE("=?UTF-8?B?"));
		add_base64(out, s);
	} else {
		strbuf_add(out, SLICE("=?UTF-8?Q?"));
		for (size_t i = 0; i < s.len; i++)
			if (s.data[i] == ' ')
				strbuf_add_byte(out, '_');
			else if (needs_q(s.data[i]))
				strbuf_printf(out, "=%02X", s.data[i]);
			else
				strbuf_add_byte(out, s.data[i]);
	}
	strbuf_add(out, SLICE("?="));
}

/* One line with its end: the plain words before and after what needs encoding stay plain. */
static void
add_encoded_line(struct strbuf *out, struct slice line, struct slice end)
{
	size_t first = 0, last = line.len, from, to;

	while (first < line.len && is_plain(line.data[first]))
		first++;
	if (first == line.len) {
		strbuf_add(out, line);
		strbuf_add(out, end);
		return;
	}
	while (last > first && is_plain(line.data[last - 1]))
		last--;
	/* the suffix begins with white space, the prefix ends in it */
	to = last;
	while (to < line.len && line.data[to] != ' ' && line.data[to] != '\t')
		to++;
	from = first;
	while (from > 0 && line.data[from - 1] != ' ' && line.data[from - 1] != '\t')
		from--;
	strbuf_add(out, slice_sub(line, 0, from));
	add_encoded_word(out, slice_sub(line, from, to - from));
	strbuf_add(out, slice_from(line, to));
	strbuf_add(out, end);
}

/* Nothing but plain lines?  Eight bytes at a time where there are eight printable ones. */
static bool
needs_no_encoding(struct slice text)
{
	const uint64_t all = 0x0101010101010101ULL, top = 0x80 * all;
	size_t i = 0;

	while (i < text.len) {
		uint64_t w = 0;

		if (i + 8 <= text.len)
			memcpy(&w, text.data + i, 8);
		/* all of them in 0x20-0x7e */
		if (((w | (w + all) | (w - 0x20 * all)) & top) == 0) {
			i += 8;
			continue;
		}
		if (!is_plain(text.data[i]) && text.data[i] != '\n')
			return false;
		i++;
	}
	return true;
}

struct slice
rewrite_encode_header(struct arena *arena, struct slice text)
{
	struct strbuf out;

	if (needs_no_encoding(text))
		return text;
	strbuf_init(&out, arena, 0);
	while (text.len > 0) {
		size_t at = slice_find_byte(text, '\n', 0);
		struct slice line = slice_sub(text, 0, at),
			     end = at == SLICE_NPOS ? SLICE("") : SLICE("\n");

		text = at == SLICE_NPOS ? SLICE_NULL : slice_from(text, at + 1);
		if (line.len > 0 && line.data[line.len - 1] == '\r') {
			line.len--;
			end = at == SLICE_NPOS ? SLICE("\r") : SLICE("\r\n");
		}
		add_encoded_line(&out, line, end);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* ---- added headers ---- */

/* Lines of a value that has its own: white space around each line end becomes LF TAB. */
static struct slice
fold_lines(struct arena *arena, struct slice text)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len;) {
		size_t end = i;
		bool has_lf = false;

		while (end < text.len && byte_is_space(text.data[end]))
			has_lf |= text.data[end++] == '\n';
		if (has_lf) {
			strbuf_add(&out, SLICE("\n\t"));
			i = end;
		} else {
			size_t from = i;

			i = end > i ? end : i + 1;
			strbuf_add(&out, slice_sub(text, from, i - from));
		}
	}
	return strbuf_slice(&out);
}

static struct slice
wrap_header(struct arena *arena, struct slice name, struct slice text)
{
	struct wrap_options options = {.prefix = SLICE("\t"),
	                               .width = 79,
	                               .at = WRAP_AFTER_SPACE_COMMA,
	                               .first = SLICE("")};
	struct slice whole =
		arena_printf(arena, "X-Spam-%.*s!!%.*s", SLICE_FMT(name), SLICE_FMT(text));
	struct slice wrapped = wrap_text(arena, whole, &options), line;
	struct strbuf out;

	/* Lines of white space alone would end the header. */
	strbuf_init(&out, arena, 0);
	while (wrapped.len > 0 && slice_next(&wrapped, '\n', &line)) {
		if (slice_trim(line).len == 0)
			continue;
		if (out.len > 0)
			strbuf_add_byte(&out, '\n');
		strbuf_add(&out, line);
	}
	return slice_from(strbuf_slice(&out), sizeof("X-Spam-") - 1 + name.len + 2);
}

static struct slice
header_text(struct check *check, const struct core_header *header)
{
	struct arena *arena = check->scan.arena;
	struct slice text = tags_replace(check, header->text);
	unsigned char *copy;

	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len -= text.len > 1 && text.data[text.len - 2] == '\r' ? 2 : 1;
	if (check->scan.core->fold_headers)
		return slice_has_byte(text, '\n') ? fold_lines(arena, text)
		                                  : wrap_header(arena, header->name, text);
	copy = arena_bytes(arena, text.len + 1);
	if (copy == NULL)
		return SLICE("");
	for (size_t i = 0; i < text.len; i++)
		copy[i] = text.data[i] == '\n' ? ' ' : text.data[i];
	return slice_of(copy, text.len);
}

struct slice
rewrite_added_headers(struct check *check, bool spam)
{
	const struct core_header_list *list =
		spam ? &check->scan.core->headers_spam : &check->scan.core->headers_ham;
	struct strbuf out;

	strbuf_init(&out, check->scan.arena, 0);
	for (size_t i = 0; i < list->count; i++) {
		struct slice text = rewrite_encode_header(check->scan.arena,
		                                          header_text(check, &list->items[i]));

		strbuf_add(&out, SLICE("X-Spam-"));
		strbuf_add(&out, list->items[i].name);
		strbuf_add(&out, SLICE(": "));
		strbuf_add(&out, text);
		strbuf_add_byte(&out, '\n');
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* ---- lines of the pristine header ---- */

static bool
is_continuation(struct slice line)
{
	return line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t');
}

static bool
is_own_header(struct slice line)
{
	return slice_istarts(line, SLICE("X-Spam-")) && !slice_istarts(line, SLICE("X-Spam-Prev-"));
}

/* The original header lines without ours, split from the empty line that ends them. */
static bool
collect_lines(struct check *check, slice_vec *lines, struct slice *separator_r)
{
	struct slice rest = check->scan.message->original_headers, line;
	bool skipping = false;

	*separator_r = SLICE("");
	while (slice_next_line(&rest, &line)) {
		if (skipping && is_continuation(line))
			continue;
		skipping = is_own_header(line);
		if (!skipping && vec_push(check->scan.arena, lines, line) == NULL)
			return false;
	}
	if (lines->count > 0 && slice_trim(lines->items[lines->count - 1]).len == 0)
		*separator_r = lines->items[--lines->count];
	return true;
}

/*
 * Raw value (first line to last fold, with line ends) of the last field of that name, white space
 * after the colon dropped; the decoded one when the raw header has none in this shape; data NULL:
 * none.
 */
static struct slice
pristine_value(struct check *check, struct slice name)
{
	struct slice rest = check->scan.message->pristine_headers, line, value = SLICE_NULL;

	while (slice_next_line(&rest, &line)) {
		struct slice after = slice_from(line, name.len);
		size_t at = slice_span(after, " \t", 0);

		if (!slice_istarts(line, name) || at == SLICE_NPOS || after.data[at] != ':')
			continue;
		at = slice_span(after, " \t", at + 1);
		value = at == SLICE_NPOS ? SLICE("") : slice_from(after, at);
		while (is_continuation(rest) && slice_next_line(&rest, &line))
			value.len += line.len;
	}
	return value.data != NULL ? value
	                          : header_list_last(&check->scan.message->root->headers, name);
}

/* ---- rewriting in place ---- */

static struct slice
one_line(struct arena *arena, struct slice text)
{
	unsigned char *copy = arena_bytes(arena, text.len + 1);

	if (copy == NULL)
		return SLICE("");
	for (size_t i = 0; i < text.len; i++)
		copy[i] = text.data[i] == '\n' ? ' ' : text.data[i];
	return slice_of(copy, text.len);
}

/* "Name: text" -> "Name: tag text", once. */
static struct slice
put_tag(struct arena *arena, struct slice line, struct slice tag)
{
	size_t colon = slice_find_byte(line, ':', 0), at;
	struct slice value;

	if (colon == SLICE_NPOS)
		return line;
	at = slice_span(line, " \t", colon + 1);
	value = at == SLICE_NPOS ? SLICE("") : slice_from(line, at);
	if (slice_istarts(value, tag) && value.len > tag.len && value.data[tag.len] == ' ')
		value = slice_from(value, tag.len + 1);
	/* not by printf, which stops at a NUL */
	line = arena_concat(arena, slice_sub(line, 0, colon + 1), SLICE(" "));
	tag = arena_concat(arena, tag, SLICE(" "));
	return arena_concat(arena, arena_concat(arena, line, tag), value);
}

static struct slice
rewrite_template(const struct core_settings *core, struct slice line, bool *comment_r)
{
	*comment_r = true;
	if (slice_istarts(line, SLICE("From:")))
		return core->rewrite_from;
	if (slice_istarts(line, SLICE("To:")))
		return core->rewrite_to;
	*comment_r = false;
	return slice_istarts(line, SLICE("Subject:")) ? core->rewrite_subject : SLICE_NULL;
}

static struct slice
with_subjprefix(struct check *check, struct slice line)
{
	struct slice tag;

	if (check->scan.subjprefix.len == 0)
		return line;
	tag = slice_rtrim(one_line(check->scan.arena, tags_replace(check, check->scan.subjprefix)));
	return put_tag(check->scan.arena, line, tag);
}

static void
rewrite_lines(struct check *check, slice_vec *lines)
{
	const struct core_settings *core = check->scan.core;
	struct arena *arena = check->scan.arena;
	bool created = false;
	size_t count;

	if (core->rewrite_subject.len > 0 && pristine_value(check, SLICE("Subject")).data == NULL)
		created = vec_push(arena, lines, SLICE("Subject: \n")) != NULL;
	count = lines->count;
	for (size_t i = 0; i < count; i++) {
		bool comment;
		struct slice line = lines->items[i], text = rewrite_template(core, line, &comment),
			     tag;

		if (text.len == 0 || (!check->is_spam && comment))
			continue;
		if (!check->is_spam) {
			lines->items[i] = with_subjprefix(check, line);
			continue;
		}
		(void)vec_push(arena, lines,
		               created ? SLICE("X-Spam-Prev-Subject: (nonexistent)\n")
		                       : arena_concat(arena, SLICE("X-Spam-Prev-"), line));
		tag = one_line(arena, tags_replace(check, text));
		if (comment)
			tag = arena_printf(arena, "(%.*s)", SLICE_FMT(tag));
		lines->items[i] = put_tag(arena, with_subjprefix(check, line), tag);
	}
}

/* LF to the message's own line end, for what we add. */
static void
add_fixed(struct strbuf *out, struct slice text, bool crlf)
{
	for (size_t i = 0; crlf && i < text.len; i++) {
		if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
			strbuf_add_byte(out, '\r');
		strbuf_add_byte(out, text.data[i]);
	}
	if (!crlf)
		strbuf_add(out, text);
}

/* A line that came in goes out as it is, whatever it ends with; one that we made fits the others.
 */
static void
add_line(struct strbuf *out, const struct message *message, struct slice line)
{
	const struct slice in = message->original_headers;
	bool is_original = line.data >= in.data && line.data < in.data + in.len;

	add_fixed(out, line, message->is_crlf && !is_original);
}

static struct slice
rewrite_headers(struct check *check)
{
	const struct message *message = check->scan.message;
	bool crlf = message->is_crlf;
	struct slice separator;
	struct strbuf out;
	slice_vec lines = {0};
	size_t i = 0;

	if (!collect_lines(check, &lines, &separator))
		return SLICE_NULL;
	rewrite_lines(check, &lines);
	strbuf_init(&out, check->scan.arena, 0);
	strbuf_add(&out, message->mbox_separator);
	if (lines.count > 0 && slice_istarts(lines.items[0], SLICE("Return-Path:")))
		do
			add_line(&out, message, lines.items[i++]);
		while (i < lines.count && is_continuation(lines.items[i]));
	add_fixed(&out, rewrite_added_headers(check, check->is_spam), crlf);
	for (; i < lines.count; i++)
		add_line(&out, message, lines.items[i]);
	strbuf_add(&out, separator);
	strbuf_add(&out, message->original_body);
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

/* ---- report_safe ---- */

static unsigned
random_number(void)
{
	unsigned n;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (unsigned)hash_bytes(SLICE("boundary"));
	return n;
}

/* A boundary that no line of the message is. */
static struct slice
make_boundary(struct check *check)
{
	struct arena *arena = check->scan.arena;
	struct slice boundary = arena_printf(arena, "----------=_%08X.%08X",
	                                     (unsigned)check->scan.now_s, random_number());

	while (boundary.data != NULL &&
	       slice_find(check->scan.message->pristine, boundary, 0) != SLICE_NPOS)
		boundary = arena_printf(arena, "%.*s/%08X", SLICE_FMT(boundary), random_number());
	return boundary;
}

static struct slice
without_line_end(struct slice s)
{
	if (s.len > 0 && s.data[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.data[s.len - 1] == '\r')
		s.len--;
	return s;
}

/* "value\t(tag)\n", once. */
static struct slice
with_comment(struct check *check, struct slice value, struct slice template_text)
{
	struct arena *arena = check->scan.arena;
	struct slice tag, text;

	if (template_text.len == 0)
		return value;
	tag = one_line(arena, tags_replace(check, template_text));
	tag = arena_printf(arena, "\t(%.*s)", SLICE_FMT(tag));
	text = without_line_end(value);
	if (slice_ends(text, tag))
		text.len -= tag.len;
	return arena_concat(arena, arena_concat(arena, text, tag), SLICE("\n"));
}

static struct slice
tagged_subject(struct check *check, struct slice subject)
{
	struct arena *arena = check->scan.arena;
	struct slice template_text = check->scan.core->rewrite_subject, tag;

	if (template_text.len == 0)
		return subject;
	if (subject.data == NULL)
		subject = SLICE("\n");
	if (check->scan.subjprefix.len > 0)
		subject = arena_concat(arena,
		                       one_line(arena, tags_replace(check, check->scan.subjprefix)),
		                       subject);
	tag = arena_concat(arena, one_line(arena, tags_replace(check, template_text)), SLICE(" "));
	return slice_starts(subject, tag) ? subject : arena_concat(arena, tag, subject);
}

static void
add_field(struct strbuf *out, const char *name, struct slice value)
{
	if (value.data == NULL)
		return;
	strbuf_printf(out, "%s: ", name);
	strbuf_add(out, value);
	if (value.len == 0 || value.data[value.len - 1] != '\n')
		strbuf_add_byte(out, '\n');
}

/* All raw values of a field, each with "Name: " before it. */
static void
add_copies(struct check *check, struct strbuf *out, struct slice name)
{
	struct slice rest = check->scan.message->pristine_headers, line;

	while (slice_next_line(&rest, &line)) {
		struct slice after = slice_from(line, name.len);
		size_t at = slice_span(after, " \t", 0);

		if (!slice_istarts(line, name) || at == SLICE_NPOS || after.data[at] != ':')
			continue;
		at = slice_span(after, " \t", at + 1);
		strbuf_printf(out, "%.*s: ", SLICE_FMT(name));
		strbuf_add(out, at == SLICE_NPOS ? SLICE("\n") : slice_from(after, at));
		while (is_continuation(rest) && slice_next_line(&rest, &line))
			strbuf_add(out, line);
	}
}

static bool
is_always_copied(struct slice name)
{
	static const char *const names[] = {"from", "to", "cc", "subject", "date", "message-id"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_ieq(name, slice_from_cstr(names[i])))
			return true;
	return false;
}

static bool
seen_before(const struct conf_words *words, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (slice_ieq(words->items[i], words->items[index]))
			return true;
	return false;
}

static void
add_outer_headers(struct check *check, struct strbuf *out)
{
	const struct core_settings *core = check->scan.core;
	const struct conf_words *copies = &core->report_safe_copy_headers;
	struct slice from = pristine_value(check, SLICE("From")),
		     to = pristine_value(check, SLICE("To"));

	strbuf_printf(
		out,
		"Received: from localhost by %.*s\n\twith SpamAssassin (version %s);\n\t%.*s\n",
		SLICE_FMT(check->filter->hostname), CONF_SA_VERSION_TEXT,
		SLICE_FMT(tags_date(check->scan.arena, check->scan.now_s)));
	for (size_t i = 0; i < copies->count; i++)
		if (slice_ieq(copies->items[i], SLICE("received")) && !seen_before(copies, i))
			add_copies(check, out, copies->items[i]);
	if (core->rewrite_from.len > 0)
		from = with_comment(check, from.data == NULL ? SLICE("\n") : from,
		                    core->rewrite_from);
	if (core->rewrite_to.len > 0)
		to = with_comment(check, to.data == NULL ? SLICE("\n") : to, core->rewrite_to);
	add_field(out, "From", from);
	add_field(out, "To", to);
	add_field(out, "Cc", pristine_value(check, SLICE("Cc")));
	add_field(out, "Subject", tagged_subject(check, pristine_value(check, SLICE("Subject"))));
	add_field(out, "Date", pristine_value(check, SLICE("Date")));
	add_field(out, "Message-Id", pristine_value(check, SLICE("Message-Id")));
	strbuf_add(out, rewrite_added_headers(check, true));
	for (size_t i = 0; i < copies->count; i++)
		if (!is_always_copied(copies->items[i]) &&
		    !slice_ieq(copies->items[i], SLICE("received")) && !seen_before(copies, i))
			add_copies(check, out, copies->items[i]);
}

/* One whose header does not end properly is kept with its "From " line: it has no other frame. */
static struct slice
wrapped_original(const struct message *message)
{
	bool has_frame = message->original_body.len > 0 && !message->missing_head_body_separator;

	return has_frame ? message->original : message->input;
}

static struct slice
rewrite_wrapped(struct check *check)
{
	const struct message *message = check->scan.message;
	const struct core_settings *core = check->scan.core;
	struct slice report = report_text(check), boundary = make_boundary(check);
	struct slice type = header_list_last(&message->root->headers, SLICE("content-type"));
	bool attachment = type.len > 0 && slice_ifind(type, SLICE("text/plain"), 0) == SLICE_NPOS;
	struct strbuf head, out;

	strbuf_init(&head, check->scan.arena, 0);
	strbuf_init(&out, check->scan.arena, 0);
	if (attachment)
		report = arena_concat(check->scan.arena, report,
		                      tags_replace(check, core->unsafe_report));
	add_outer_headers(check, &head);
	strbuf_printf(&head,
	              "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"%.*s\"\n\n"
	              "This is a multi-part message in MIME format.\n\n--%.*s\n"
	              "Content-Type: text/plain; charset=%.*s\nContent-Disposition: inline\n"
	              "Content-Transfer-Encoding: 8bit\n\n",
	              SLICE_FMT(boundary), SLICE_FMT(boundary), SLICE_FMT(core->report_charset));
	strbuf_add(&head, report);
	strbuf_printf(&head,
	              "\n\n--%.*s\nContent-Type: %s; x-spam-type=original\n"
	              "Content-Description: original message before "
	              "SpamAssassin\nContent-Disposition: %s\n"
	              "Content-Transfer-Encoding: 8bit\n\n",
	              SLICE_FMT(boundary), core->report_safe > 1 ? "text/plain" : "message/rfc822",
	              attachment ? "attachment" : "inline");
	strbuf_add(&out, message->mbox_separator);
	add_fixed(&out, strbuf_slice(&head), message->is_crlf);
	strbuf_add(&out, wrapped_original(message));
	add_fixed(&out, arena_printf(check->scan.arena, "\n--%.*s--\n\n", SLICE_FMT(boundary)),
	          message->is_crlf);
	return strbuf_is_bad(&out) || strbuf_is_bad(&head) ? SLICE_NULL : strbuf_slice(&out);
}

struct slice
rewrite_message(struct check *check)
{
	if (check->is_spam && check->scan.core->report_safe != 0)
		return rewrite_wrapped(check);
	return rewrite_headers(check);
}
