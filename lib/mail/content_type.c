/*
 * content_type.c - Content-Type and Content-Disposition values
 */
#include "mail/message.h"
#include "util/strbuf.h"

static size_t
skip_blanks(struct slice s, size_t i)
{
	while (i < s.len && byte_is_space(s.data[i]))
		i++;
	return i;
}

/* Is there a word boundary before position `at`, where a word begins? */
static bool
is_word_start(struct slice s, size_t at)
{
	return at == 0 || !byte_is_word(s.data[at - 1]);
}

/* Finds `name` at a word start, blanks, "=", blanks; *value_r: the position after. */
static bool
parameter_find(struct slice s, struct slice name, size_t *from, size_t *value_r)
{
	size_t at;

	while ((at = slice_ifind(s, name, *from)) != SLICE_NPOS) {
		size_t i = skip_blanks(s, at + name.len);

		*from = at + 1;
		if (!is_word_start(s, at) || i >= s.len || s.data[i] != '=')
			continue;
		*value_r = skip_blanks(s, i + 1);
		return true;
	}
	return false;
}

/* Text up to ";" or the end, without one quote on either side; *end_r: where it ends. */
static bool
parameter_value(struct slice s, size_t start, struct slice *value_r, size_t *end_r)
{
	size_t end;

	if (start < s.len && (s.data[start] == '"' || s.data[start] == '\''))
		start++;
	end = slice_find_byte(s, ';', start);
	if (end == SLICE_NPOS)
		end = s.len;
	if (slice_find_byte(slice_sub(s, 0, end), '\n', start) != SLICE_NPOS)
		return false;
	*end_r = end < s.len ? end + 1 : end;
	if (end > start && (s.data[end - 1] == '"' || s.data[end - 1] == '\''))
		end--;
	*value_r = slice_sub(s, start, end - start);
	return true;
}

static struct slice
boundary_find(struct slice s)
{
	size_t from = 0, start;

	while (parameter_find(s, SLICE("boundary"), &from, &start)) {
		size_t end = start;

		if (start < s.len && s.data[start] == '"') {
			end = slice_find_byte(s, '"', start + 1);
			if (end == SLICE_NPOS)
				end = s.len;
			if (end == start + 1)
				continue;
			return slice_sub(s, start + 1, end - start - 1);
		}
		while (end < s.len && s.data[end] != ';' && s.data[end] != '"' &&
		       !byte_is_space(s.data[end]))
			end++;
		if (end == start || (end < s.len && s.data[end] == '"'))
			continue;
		return slice_sub(s, start, end - start);
	}
	return SLICE_NULL;
}

/* First of name= and filename=, whichever stands first. */
static bool
name_parameter(struct slice s, size_t *from, size_t *value_r)
{
	size_t at;

	while ((at = slice_ifind(s, SLICE("name"), *from)) != SLICE_NPOS) {
		size_t i = skip_blanks(s, at + 4);
		bool starts = is_word_start(s, at) ||
		              (at >= 4 && slice_ieq(slice_sub(s, at - 4, 4), SLICE("file")) &&
		               is_word_start(s, at - 4));

		*from = at + 1;
		if (starts && i < s.len && s.data[i] == '=') {
			*value_r = skip_blanks(s, i + 1);
			return true;
		}
	}
	return false;
}

struct name_piece {
	unsigned long long index;
	struct slice text;
};

/* RFC 2231 continuations: name*0=... name*1=... joined by index; the later of two equal ones. */
static struct slice
name_continued(struct arena *arena, struct slice s)
{
	VEC(struct name_piece) pieces = {0};
	struct strbuf out;
	size_t from = 0, at, end;

	while ((at = slice_ifind(s, SLICE("name*"), from)) != SLICE_NPOS) {
		struct name_piece piece;
		size_t digits = at + 5, i = digits, slot;
		bool starts = is_word_start(s, at) ||
		              (at >= 4 && slice_ieq(slice_sub(s, at - 4, 4), SLICE("file")) &&
		               is_word_start(s, at - 4));

		from = at + 1;
		while (i < s.len && byte_is_digit(s.data[i]))
			i++;
		if (!starts || !slice_to_u64(slice_sub(s, digits, i - digits), 999, &piece.index))
			continue;
		i = skip_blanks(s, i);
		if (i >= s.len || s.data[i] != '=' ||
		    !parameter_value(s, skip_blanks(s, i + 1), &piece.text, &end))
			continue;
		from = end;
		for (slot = pieces.count; slot > 0 && pieces.items[slot - 1].index > piece.index;)
			slot--;
		if (slot > 0 && pieces.items[slot - 1].index == piece.index) {
			pieces.items[slot - 1] = piece;
			continue;
		}
		if (vec_push(arena, &pieces, piece) == NULL)
			break;
		memmove(&pieces.items[slot + 1], &pieces.items[slot],
		        (pieces.count - 1 - slot) * sizeof(piece));
		pieces.items[slot] = piece;
	}
	if (pieces.count == 0 || pieces.items[0].index != 0)
		return SLICE_NULL;
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < pieces.count; i++)
		strbuf_add(&out, pieces.items[i].text);
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* Bytes that have no place in a type. */
static bool
is_type_byte(unsigned char c)
{
	return c > ' ' && c < 0x7f && strchr("\"(),:;<=>?@[\\]", c) == NULL;
}

static struct slice
type_clean(struct arena *arena, struct slice s, bool *missing_r)
{
	struct slice head = slice_ltrim(s);
	unsigned char *out;
	size_t slash, n = 0;

	head = slice_sub(head, 0, slice_find_byte(head, ';', 0));
	slash = slice_find_byte(head, '/', 0);
	if (slash != SLICE_NPOS && slash > 0) {
		size_t end = slash + 1;

		while (end < head.len && !byte_is_space(head.data[end]) && head.data[end] != '/')
			end++;
		head.len = end;
	}
	if (head.len == 0 || slice_eq(head, SLICE("0"))) {
		*missing_r = true;
		return SLICE("text/plain");
	}
	if (slice_istarts(head, SLICE("text")) && (head.len == 4 || !byte_is_word(head.data[4])) &&
	    !slice_ieq(head, SLICE("text/x-vcard")) && !slice_ieq(head, SLICE("text/calendar")) &&
	    !slice_ieq(head, SLICE("text/html")))
		return SLICE("text/plain");
	out = arena_bytes(arena, head.len);
	if (out == NULL)
		return SLICE("text/plain");
	for (size_t i = 0; i < head.len; i++)
		if (is_type_byte(head.data[i]))
			out[n++] = byte_lower(head.data[i]);
	return slice_of(out, n);
}

void
content_type_parse(struct arena *arena, struct slice value, struct content_type *type_r)
{
	size_t from = 0, start, end;

	*type_r = (struct content_type){0};
	if (value.len == 0 || slice_eq(value, SLICE("0"))) {
		type_r->missing = true;
		value = SLICE("text/plain; charset=us-ascii");
	}
	type_r->boundary = boundary_find(value);
	while (parameter_find(value, SLICE("charset"), &from, &start))
		if (parameter_value(value, start, &type_r->charset, &end))
			break;
	for (from = 0; name_parameter(value, &from, &start);)
		if (parameter_value(value, start, &type_r->name, &end))
			break;
	if (type_r->name.len == 0) {
		struct slice name = name_continued(arena, value);

		if (name.data != NULL)
			type_r->name = name;
	}
	type_r->type = type_clean(arena, value, &type_r->missing);
}
