/*
 * text.c - the texts that body and rawbody rules see
 */
#include "mail/text.h"

#include "mail/charset.h"
#include "util/strbuf.h"

#define LINE_MAX_BYTES 2048
#define CUT_SEARCH 1024

static struct message_text *
message_text_get(struct message *m)
{
	if (m->text == NULL)
		m->text = arena_new(m->arena, struct message_text);
	if (m->text == NULL)
		m->spent = true;
	return m->text;
}

void
part_set_rendered(struct part *part, struct slice text, struct slice type)
{
	part->text.done = true;
	part->text.type = text.data != NULL && type.data == NULL ? SLICE("text/plain") : type;
	part->text.rendered = part->text.visible = (struct html_string){text, false};
	part->text.invisible = (struct html_string){SLICE(""), false};
	part->text.html = NULL;
}

static void
render_html(struct part *part, struct slice text, bool characters, bool wide, size_t original_len)
{
	struct message *m = part->message;
	struct html_options options = {characters, wide, original_len};
	struct html_result *html = arena_new(m->arena, struct html_result);

	if (html == NULL || html_render(m->arena, text, &options, html) != STATUS_OK)
		m->spent = true;
	if (html == NULL)
		return;
	part->text.html = html;
	part->text.rendered = html->rendered;
	part->text.visible = html->visible;
	part->text.invisible = html->invisible;
}

const struct part_text *
part_rendered(struct part *part)
{
	struct message *m = part->message;
	struct part_text *text = &part->text;
	bool is_html, wide = false;
	struct slice decoded, charset, converted;

	if (text->done)
		return text;
	text->done = true;
	is_html = part_type_is(part, SLICE("text/html"));
	if (!part->is_leaf || (!is_html && !part_type_is(part, SLICE("text/plain"))))
		return text;
	text->type = part->effective_type;
	decoded = converted = part_decoded(part);
	charset = part->charset.data == NULL ? SLICE("us-ascii") : part->charset;
	if (m->options.normalize_charset)
		converted = charset_normalize(m->arena, decoded, charset, false, &wide);
	else if (slice_ieq(charset, SLICE("us-ascii")) || slice_ieq(charset, SLICE("utf-8")))
		wide = !bytes_are_ascii(decoded) && charset_is_utf8(decoded);
	if (is_html && decoded.len > 0) {
		render_html(part, converted, m->options.normalize_charset || wide, wide,
		            decoded.len);
		return text;
	}
	text->rendered = text->visible = (struct html_string){converted, wide};
	text->invisible = (struct html_string){SLICE(""), false};
	return text;
}

bool
text_render_some(struct message *message, size_t bytes)
{
	struct message_text *texts = message_text_get(message);
	size_t seen = 0;

	if (texts == NULL)
		return true;
	while (seen < bytes) {
		struct part *part = message_leaf_next(message, texts->last_rendered);

		if (part == NULL)
			return true;
		(void)part_rendered(part);
		seen += part_decoded(part).len + 1;
		texts->last_rendered = part;
	}
	return false;
}

/* Byte offset of character `count` (UTF-8), at most len. */
static size_t
utf8_offset(struct slice text, size_t from, size_t count)
{
	size_t i = from;

	while (i < text.len && count > 0) {
		i++;
		while (i < text.len && (text.data[i] & 0xc0) == 0x80)
			i++;
		count--;
	}
	return i;
}

/*
 * Cuts after `max` units (characters when wide): behind the first of the `stops` bytes that is
 * found within the next 1024, else right there.
 */
static struct slice
text_limit(struct slice text, bool wide, size_t max, const char *stops)
{
	size_t at, window;

	if (max == 0 || text.len <= max)
		return text;
	at = wide ? utf8_offset(text, 0, max) : max;
	if (at >= text.len)
		return text;
	window = wide ? utf8_offset(text, at, CUT_SEARCH + 1) : at + CUT_SEARCH + 1;
	if (window > text.len)
		window = text.len;
	for (; *stops != '\0'; stops++) {
		size_t stop =
			slice_find_byte(slice_sub(text, 0, window), (unsigned char)*stops, at);

		if (stop != SLICE_NPOS)
			return slice_sub(text, 0, stop + 1);
	}
	return slice_sub(text, 0, at);
}

/* Length of the blank at p: ASCII, or Unicode when wide; 0 = none. */
static size_t
blank_len(const unsigned char *p, size_t left, bool wide)
{
	if (byte_is_space(p[0]))
		return 1;
	if (!wide || p[0] < 0xc2)
		return 0;
	if (p[0] == 0xc2)
		return left >= 2 && (p[1] == 0x85 || p[1] == 0xa0) ? 2 : 0;
	if (left < 3)
		return 0;
	if ((p[0] == 0xe1 && p[1] == 0x9a && p[2] == 0x80) ||
	    (p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x80) ||
	    (p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0x9f))
		return 3;
	if (p[0] == 0xe2 && p[1] == 0x80 &&
	    ((p[2] >= 0x80 && p[2] <= 0x8a) || p[2] == 0xa8 || p[2] == 0xa9 || p[2] == 0xaf))
		return 3;
	return 0;
}

/*
 * Blank runs become one blank, runs with two or more LFs a paragraph end (LF) with what stands
 * outside of its first and last LF as blanks. A NUL is a paragraph end too.
 */
static void
paragraphs_make(struct strbuf *out, struct slice text, bool wide)
{
	size_t i = 0, n;

	if (!strbuf_reserve(out, text.len))
		return;
	while (i < text.len) {
		unsigned char c = text.data[i];
		size_t start = i, first = SLICE_NPOS, last = 0;

		if (c > ' ' && c < 0x80) {
			out->data[out->len++] = c;
			i++;
			continue;
		}
		while (i < text.len && (n = blank_len(text.data + i, text.len - i, wide)) > 0) {
			if (text.data[i] == '\n') {
				first = first == SLICE_NPOS ? i : first;
				last = i;
			}
			i += n;
		}
		if (i == start) {
			out->data[out->len++] = c == 0 ? '\n' : c;
			i++;
		} else if (first == SLICE_NPOS || first == last) {
			out->data[out->len++] = ' ';
		} else {
			if (first > start)
				out->data[out->len++] = ' ';
			out->data[out->len++] = '\n';
			if (i > last + 1)
				out->data[out->len++] = ' ';
		}
	}
}

static void
line_push(struct message *m, slice_vec *lines, struct slice line)
{
	if (vec_push(m->arena, lines, line) == NULL)
		m->spent = true;
}

/* Lines at their LF; longer than 2048 bytes: behind the last blank before that. */
static void
lines_split(struct message *m, struct slice text, slice_vec *lines)
{
	while (text.len > 0) {
		const unsigned char *lf = memchr(text.data, '\n', text.len);
		size_t len = lf == NULL ? text.len : (size_t)(lf - text.data) + 1;
		struct slice line = slice_sub(text, 0, len);

		text = slice_from(text, len);
		while (line.len > LINE_MAX_BYTES) {
			size_t blank =
				slice_rfind_byte(slice_sub(line, 0, LINE_MAX_BYTES + 1), ' ');
			size_t cut = blank == SLICE_NPOS ? LINE_MAX_BYTES : blank + 1;

			line_push(m, lines, slice_sub(line, 0, cut));
			line = slice_from(line, cut);
		}
		if (line.len > 0)
			line_push(m, lines, line);
	}
}

enum text_kind { TEXT_RENDERED, TEXT_VISIBLE, TEXT_INVISIBLE };

static struct html_string
part_text_of(struct part *part, enum text_kind kind)
{
	const struct part_text *text = part_rendered(part);

	if (text->type.data == NULL)
		return (struct html_string){SLICE_NULL, false};
	return kind == TEXT_RENDERED  ? text->rendered
	       : kind == TEXT_VISIBLE ? text->visible
	                              : text->invisible;
}

/* All parts one after the other, in one encoding. */
static bool
parts_join(struct message *m, enum text_kind kind, struct strbuf *out)
{
	bool wide = false;
	size_t total = 0;

	for (struct part *p = message_leaf_next(m, NULL); p != NULL; p = message_leaf_next(m, p)) {
		struct html_string text = part_text_of(p, kind);

		wide |= text.wide;
		total += text.text.len + 1;
	}
	strbuf_reserve(out, total);
	for (struct part *p = message_leaf_next(m, NULL); p != NULL; p = message_leaf_next(m, p)) {
		struct html_string text = part_text_of(p, kind);

		if (out->len > 0)
			strbuf_add_byte(out, '\n');
		if (text.text.data == NULL)
			continue;
		text.text = text_limit(text.text, text.wide, m->options.body_part_scan_size, "\n ");
		/* Octets beside characters are taken as Latin-1. */
		if (wide && !text.wide)
			text.text = latin1_to_utf8(m->arena, text.text);
		strbuf_add(out, text.text);
	}
	return wide;
}

static void
html_collect(struct message *m, struct message_text *texts)
{
	if (texts->html_done)
		return;
	texts->html_done = true;
	for (struct part *p = message_leaf_next(m, NULL); p != NULL; p = message_leaf_next(m, p)) {
		const struct part_text *text = part_rendered(p);

		if (!slice_eq(text->type, SLICE("text/html")))
			continue;
		texts->last_html = text->html;
		/* An empty part has no facts. */
		if (text->html != NULL && vec_push(m->arena, &texts->html, text->html) == NULL)
			m->spent = true;
	}
}

static void
body_make(struct message *m, enum text_kind kind, struct text_lines *lines_r)
{
	struct strbuf joined, text;
	slice_vec lines = {0};
	struct slice subject;
	bool wide;

	lines_r->done = true;
	if (message_leaf_next(m, NULL) == NULL)
		return;
	strbuf_init(&joined, m->arena, 0);
	wide = parts_join(m, kind, &joined);
	strbuf_init(&text, m->arena, 0);
	subject = header_list_last(&m->root->headers, SLICE("subject"));
	if (kind != TEXT_INVISIBLE) {
		strbuf_reserve(&text, subject.len + 1 + joined.len);
		strbuf_add(&text, subject);
		strbuf_add_byte(&text, '\n');
	}
	paragraphs_make(&text, strbuf_slice(&joined), wide);
	m->spent |= strbuf_is_bad(&joined) || strbuf_is_bad(&text);
	lines_split(m, strbuf_slice(&text), &lines);
	lines_r->items = lines.items;
	lines_r->count = lines.count;
}

static const struct text_lines text_none = {.done = true};

const struct text_lines *
text_body(struct message *m)
{
	struct message_text *texts = message_text_get(m);

	if (texts == NULL)
		return &text_none;
	if (!texts->body.done)
		body_make(m, TEXT_RENDERED, &texts->body);
	return &texts->body;
}

const struct text_lines *
text_visible(struct message *m)
{
	struct message_text *texts = message_text_get(m);

	if (texts == NULL)
		return &text_none;
	if (!texts->visible.done)
		body_make(m, TEXT_VISIBLE, &texts->visible);
	return &texts->visible;
}

const struct text_lines *
text_invisible(struct message *m)
{
	struct message_text *texts = message_text_get(m);

	if (texts == NULL)
		return &text_none;
	if (!texts->invisible.done)
		body_make(m, TEXT_INVISIBLE, &texts->invisible);
	return &texts->invisible;
}

const struct html_result *
text_html(struct message *m)
{
	struct message_text *texts = message_text_get(m);

	if (texts == NULL)
		return NULL;
	html_collect(m, texts);
	return texts->last_html;
}

/* Pieces of 2048 to 4096 bytes, behind an LF, else ">", else a blank. */
static void
chunks_split(struct message *m, struct slice text, slice_vec *chunks)
{
	if (text.len <= LINE_MAX_BYTES) {
		line_push(m, chunks, text);
		return;
	}
	while (text.len > 2 * LINE_MAX_BYTES) {
		struct slice window = slice_sub(text, 0, 2 * LINE_MAX_BYTES);
		size_t at = SLICE_NPOS;

		for (const char *stop = "\n> "; *stop != '\0' && at == SLICE_NPOS; stop++)
			at = slice_find_byte(window, (unsigned char)*stop, LINE_MAX_BYTES);
		if (at == SLICE_NPOS)
			at = LINE_MAX_BYTES;
		line_push(m, chunks, slice_sub(text, 0, at + 1));
		text = slice_from(text, at + 1);
	}
	if (text.len > 0)
		line_push(m, chunks, text);
}

static bool
part_is_rawbody(const struct part *part)
{
	struct slice type = part->effective_type;
	size_t word = slice_istarts(type, SLICE("text"))      ? 4
	              : slice_istarts(type, SLICE("message")) ? 7
	                                                      : 0;

	return word > 0 && (type.len == word || !byte_is_word(type.data[word])) &&
	       !slice_eq(part->type, SLICE("text/calendar"));
}

const struct text_lines *
text_rawbody(struct message *m)
{
	struct message_text *texts = message_text_get(m);
	slice_vec chunks = {0};

	if (texts == NULL)
		return &text_none;
	if (texts->rawbody.done)
		return &texts->rawbody;
	texts->rawbody.done = true;
	for (struct part *p = message_leaf_next(m, NULL); p != NULL; p = message_leaf_next(m, p))
		if (part_is_rawbody(p))
			chunks_split(m,
			             text_limit(part_decoded(p), false,
			                        m->options.rawbody_part_scan_size, "\n> "),
			             &chunks);
	texts->rawbody.items = chunks.items;
	texts->rawbody.count = chunks.count;
	return &texts->rawbody;
}
