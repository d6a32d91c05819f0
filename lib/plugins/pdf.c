/*
 * pdf.c - what the lines of a PDF file say
 */
#include "plugins/pdf.h"

#include <stdlib.h>

#include "util/strbuf.h"

enum { MAGIC_WITHIN = 1024, HEAD_LINES = 70, VALUE_MAX = 256, URI_MIN = 8, URI_MAX = 256 };

struct reader {
	struct arena *arena;
	struct pdf_facts *facts;
	struct strbuf head, names;
	unsigned line_count;
	bool head_done, got_image;
};

/* ---- pieces of a line ---- */

static size_t
skip_digits(struct slice s, size_t at)
{
	while (at < s.len && byte_is_digit(s.data[at]))
		at++;
	return at;
}

static size_t
skip_space(struct slice s, size_t at, size_t most)
{
	for (size_t n = 0; n < most && at < s.len && byte_is_space(s.data[at]); n++)
		at++;
	return at;
}

/* "W n n H n n cm" and nothing else. */
static bool
is_matrix(struct slice line, struct pdf_image *image_r)
{
	size_t at = 0;

	for (int i = 0; i < 6; i++) {
		size_t end = skip_digits(line, at), next = skip_space(line, end, SLICE_NPOS);

		if (end == at || next == end)
			return false;
		if (i == 0)
			image_r->width = slice_sub(line, at, end - at);
		if (i == 3)
			image_r->height = slice_sub(line, at, end - at);
		at = next;
	}
	return slice_eq(slice_from(line, at), SLICE("cm"));
}

/* Digits after `key` and one white space byte at `at`; their end, or 0. */
static size_t
number_after(struct slice line, size_t at, struct slice key, struct slice *digits_r)
{
	size_t start = at + key.len + 1, end;

	if (!slice_eq(slice_sub(line, at, key.len), key) || start > line.len ||
	    !byte_is_space(line.data[start - 1]))
		return 0;
	end = skip_digits(line, start);
	*digits_r = slice_sub(line, start, end - start);
	return end > start ? end : 0;
}

/* "/Width n/Height n" anywhere, unless the line begins with one of them alone. */
static bool
find_size(struct slice line, struct pdf_image *image_r)
{
	struct slice digits;

	if (number_after(line, 0, SLICE("/Width"), &digits) != 0 ||
	    number_after(line, 0, SLICE("/Height"), &digits) != 0)
		return false;
	for (size_t at = slice_find(line, SLICE("/Width"), 0); at != SLICE_NPOS;
	     at = slice_find(line, SLICE("/Width"), at + 1)) {
		size_t end = number_after(line, at, SLICE("/Width"), &image_r->width);

		if (end != 0 && number_after(line, end, SLICE("/Height"), &image_r->height) != 0)
			return true;
	}
	return false;
}

/* End of the "(...)" or "<...>" at `at`, 0 when it does not end; *open: such may still end. */
static size_t
value_end(struct slice line, size_t at, bool open[2])
{
	if (at >= line.len)
		return 0;
	if (line.data[at] == '<' && open[0]) {
		size_t end = slice_find_byte(line, '>', at + 1);

		open[0] = end != SLICE_NPOS;
		return open[0] ? end + 1 : 0;
	}
	if (line.data[at] == '(' && open[1]) {
		for (size_t end = slice_find_byte(line, ')', at + 1); end != SLICE_NPOS;
		     end = slice_find_byte(line, ')', end + 1))
			if (line.data[end - 1] != '\\')
				return end + 1;
		open[1] = false;
	}
	return 0;
}

/* ---- strings ---- */

static struct slice
without_nul(unsigned char *data, size_t len)
{
	size_t n = 0;

	if (len < 2 ||
	    !((data[0] == 0xfe && data[1] == 0xff) || (data[0] == 0xff && data[1] == 0xfe)))
		return slice_of(data, len);
	for (size_t i = 2; i < len; i++)
		if (data[i] != 0)
			data[n++] = data[i];
	return slice_of(data, n);
}

static struct slice
hex_string(struct arena *arena, struct slice text)
{
	unsigned char *out = arena_bytes(arena, text.len + 1);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i + 1 < text.len;) {
		int high = byte_hex_value(text.data[i]), low = byte_hex_value(text.data[i + 1]);

		if (high < 0 || low < 0) {
			i++;
			continue;
		}
		out[n++] = (unsigned char)(high << 4 | low);
		i += 2;
	}
	return out == NULL ? SLICE("") : without_nul(out, n);
}

static bool
is_octal(struct slice s, size_t at)
{
	if (at + 3 >= s.len || s.data[at] != '\\' || (at > 0 && s.data[at - 1] == '\\') ||
	    s.data[at + 1] < '0' || s.data[at + 1] > '3')
		return false;
	return s.data[at + 2] >= '0' && s.data[at + 2] <= '7' && s.data[at + 3] >= '0' &&
	       s.data[at + 3] <= '7';
}

static struct slice
plain_string(struct arena *arena, struct slice text)
{
	unsigned char *out = arena_bytes(arena, text.len + 1);
	struct slice raw;
	size_t n = 0;

	if (out == NULL)
		return SLICE("");
	if (slice_starts(text, SLICE("(")))
		text = slice_from(text, 1);
	if (slice_ends(text, SLICE(")")))
		text.len--;
	for (size_t i = 0; i < text.len; i++) {
		if (is_octal(text, i)) {
			out[n++] = (unsigned char)((text.data[i + 1] - '0') << 6 |
			                           (text.data[i + 2] - '0') << 3 |
			                           (text.data[i + 3] - '0'));
			i += 3;
		} else {
			out[n++] = text.data[i];
		}
	}
	raw = without_nul(out, n);
	n = 0;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] == '\\' && i + 1 < raw.len && raw.data[i + 1] != 0 &&
		    strchr("()\\", raw.data[i + 1]) != NULL)
			i++;
		out[n++] = raw.data[i];
	}
	return slice_of(out, n);
}

static struct slice
parse_string(struct arena *arena, struct slice text)
{
	return slice_sub(slice_starts(text, SLICE("<")) ? hex_string(arena, text)
	                                                : plain_string(arena, text),
	                 0, VALUE_MAX);
}

/* ---- links ---- */

/* "/URI" and a value at `at`. */
static bool
uri_at(struct slice line, size_t at, bool open[2], struct slice *value_r)
{
	size_t start, end;

	if (!slice_eq(slice_sub(line, at, 4), SLICE("/URI")))
		return false;
	start = skip_space(line, at + 4, 2);
	end = value_end(line, start, open);
	*value_r = slice_sub(line, start, end == 0 ? 0 : end - start);
	return end != 0;
}

/* "/S/URI/URI(...)" at `at`. */
static bool
action_at(struct slice line, size_t at, bool open[2], struct slice *value_r)
{
	size_t next = skip_space(line, at + 2, 2);

	return slice_eq(slice_sub(line, next, 4), SLICE("/URI")) &&
	       uri_at(line, skip_space(line, next + 4, 2), open, value_r);
}

/* "(http://...)>>" at `at`; the longest that is not too long. */
static bool
bare_at(struct slice line, size_t at, struct slice *value_r)
{
	struct slice rest = slice_from(line, at + 1);
	size_t scheme = slice_starts(rest, SLICE("http://"))    ? 7
	                : slice_starts(rest, SLICE("https://")) ? 8
	                                                        : 0;

	for (size_t len = URI_MAX; scheme != 0 && len >= URI_MIN; len--)
		if (slice_eq(slice_sub(rest, scheme + len, 3), SLICE(")>>"))) {
			*value_r = slice_sub(rest, 0, scheme + len);
			return true;
		}
	return false;
}

/* The first link of the line; *bare_r: it is the third sort. */
static bool
find_link(struct slice line, struct slice *value_r, bool *bare_r)
{
	bool open[2] = {true, true};
	size_t action = slice_find(line, SLICE("/S"), 0),
	       bare = slice_find(line, SLICE("(http"), 0);

	*bare_r = false;
	if (uri_at(line, skip_space(line, 0, SLICE_NPOS), open, value_r))
		return true;
	while (action != SLICE_NPOS || bare != SLICE_NPOS) {
		if (action < bare) {
			if (action_at(line, action, open, value_r))
				return true;
			action = slice_find(line, SLICE("/S"), action + 1);
		} else {
			*bare_r = bare_at(line, bare, value_r);
			if (*bare_r)
				return true;
			bare = slice_find(line, SLICE("(http"), bare + 1);
		}
	}
	return false;
}

static void
add_uri(struct reader *r, struct slice uri)
{
	for (size_t i = 0; i < r->facts->uris.count; i++)
		if (slice_eq(r->facts->uris.items[i], uri))
			return;
	(void)vec_push(r->arena, &r->facts->uris, uri);
}

/* false: the rest of the line is not looked at. */
static bool
read_link(struct reader *r, struct slice line)
{
	struct slice value, uri;
	bool bare;
	size_t dot;

	if (r->facts->uris.count >= PDF_URIS_MAX || !find_link(line, &value, &bare))
		return true;
	if (!bare && (slice_find_byte(value, '.', 1) == SLICE_NPOS))
		return false;
	uri = parse_string(r->arena, value);
	dot = slice_find_byte(uri, '.', 0);
	if (dot == SLICE_NPOS || dot == 0 || slice_has_byte(uri, 0))
		return false;
	add_uri(r, uri);
	return true;
}

/* ---- properties ---- */

static const struct {
	const char *key;
	bool is_date;
} properties[PDF_PROPERTIES] = {
	[PDF_AUTHOR] = {"/Author", false},       [PDF_CREATOR] = {"/Creator", false},
	[PDF_CREATED] = {"/CreationDate", true}, [PDF_MODIFIED] = {"/ModDate", true},
	[PDF_PRODUCER] = {"/Producer", false},   [PDF_TITLE] = {"/Title", false},
};

static bool
find_property(struct slice line, struct slice key, bool is_date, struct slice *value_r)
{
	bool open[2] = {true, true};

	for (size_t at = slice_find(line, key, 0); at != SLICE_NPOS;
	     at = slice_find(line, key, at + 1)) {
		size_t start = skip_space(line, at + key.len, 2), end;

		if (is_date) {
			if (!slice_eq(slice_sub(line, start, 3), SLICE("(D:")))
				continue;
			start += 3;
			end = skip_digits(line, start);
			end = end == start ? 0 : end;
		} else {
			end = value_end(line, start, open);
		}
		*value_r = slice_sub(line, start, end == 0 ? 0 : end - start);
		if (end != 0)
			return true;
	}
	return false;
}

static void
read_properties(struct reader *r, struct slice line)
{
	for (size_t p = 0; p < PDF_PROPERTIES; p++) {
		struct slice value;

		if (r->facts->properties[p].count < PDF_VALUES_MAX &&
		    find_property(line, slice_from_cstr(properties[p].key), properties[p].is_date,
		                  &value))
			(void)vec_push(r->arena, &r->facts->properties[p],
			               parse_string(r->arena, value));
	}
}

/* ---- lines ---- */

static bool
is_layout(struct slice line)
{
	static const char *const names[] = {"/Height", "/Width", "/MediaBox", "/CropBox"};
	struct pdf_image image;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_starts(line, slice_from_cstr(names[i])))
			return true;
	return slice_starts(line, SLICE("%")) || is_matrix(line, &image);
}

static bool
is_true(struct slice digits)
{
	return digits.len > 0 && !slice_eq(digits, SLICE("0"));
}

static double
number(struct slice digits)
{
	double value = 0;

	for (size_t i = 0; i < digits.len; i++)
		value = value * 10 + (digits.data[i] - '0');
	return value;
}

static void
read_image(struct reader *r, struct slice line)
{
	struct pdf_image image = {SLICE_NULL, SLICE_NULL};

	if (!is_matrix(line, &image) && !find_size(line, &image))
		return;
	if (!is_true(image.width) || !is_true(image.height))
		return;
	r->head_done = true;
	r->facts->total_height += number(image.height);
	r->facts->total_width += number(image.width);
	r->facts->total_area += number(image.width) * number(image.height);
	if (r->facts->images.count < PDF_IMAGES_MAX)
		(void)vec_push(r->arena, &r->facts->images, image);
	r->got_image = false;
}

static void
read_line(struct reader *r, struct slice line)
{
	size_t end = 1;

	if (!r->head_done && ++r->line_count < HEAD_LINES) {
		if (!is_layout(line)) {
			line = slice_rtrim(line);
			strbuf_add(&r->head, line);
		}
		if (slice_find(line, SLICE("stream"), 0) != SLICE_NPOS)
			r->head_done = true;
	}
	if (slice_find_byte(line, '/', 0) == SLICE_NPOS && !r->got_image)
		return;
	if (slice_find(line, SLICE("/Image"), 0) != SLICE_NPOS)
		r->got_image = true;
	if (slice_starts(line, SLICE("/Encrypt")))
		r->facts->encrypted = true;
	if (r->got_image)
		read_image(r, line);
	if (slice_find_byte(line, '/', 0) == SLICE_NPOS)
		return;
	while (line.data[0] == '/' && end < line.len && byte_is_alpha(line.data[end]))
		end++;
	strbuf_add(&r->names, slice_sub(line, 1, end - 1));
	if (read_link(r, line))
		read_properties(r, line);
}

/* The last "%PDF-N.N" that begins within the first bytes. */
static bool
find_version(struct slice data, struct slice *version_r)
{
	struct slice front = slice_sub(data, 0, MAGIC_WITHIN + 8);
	bool found = false;

	for (size_t at = slice_find(front, SLICE("%PDF-"), 0); at != SLICE_NPOS;
	     at = slice_find(front, SLICE("%PDF-"), at + 1)) {
		struct slice v = slice_sub(front, at + 5, 3);

		if (v.len == 3 && byte_is_digit(v.data[0]) && v.data[1] == '.' &&
		    byte_is_digit(v.data[2])) {
			*version_r = v;
			found = true;
		}
	}
	return found;
}

bool
pdf_read(struct arena *arena, struct slice data, struct pdf_facts *facts_r)
{
	struct reader r = {.arena = arena, .facts = facts_r};
	struct slice line;

	*facts_r = (struct pdf_facts){0};
	if (!find_version(data, &facts_r->version))
		return false;
	strbuf_init(&r.head, arena, 0);
	strbuf_init(&r.names, arena, 0);
	while (slice_next(&data, '\n', &line))
		if (line.len > 0)
			read_line(&r, line);
	facts_r->head = strbuf_slice(&r.head);
	facts_r->names = strbuf_slice(&r.names);
	return true;
}
