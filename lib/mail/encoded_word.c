/*
 * encoded_word.c - RFC 2047 in header fields
 */
#include "mail/encoded_word.h"

#include "mail/charset.h"
#include "mail/decode.h"
#include "util/strbuf.h"
#include "util/vec.h"

struct word {
	struct slice charset; /* with its language suffix */
	unsigned char kind;
	struct slice data;
	size_t len; /* from "=?" to "?=" */
};

/* Is there an encoded word at `at`? */
static bool
word_at(struct slice text, size_t at, struct word *word_r)
{
	size_t i = at + 2, question;

	if (text.len - at < 8 || text.data[at] != '=' || text.data[at + 1] != '?')
		return false;
	while (i < text.len && (byte_is_alnum(text.data[i]) || text.data[i] == '*' ||
	                        text.data[i] == '_' || text.data[i] == '-'))
		i++;
	if (i == at + 2 || text.len - i < 4 || text.data[i] != '?' || text.data[i + 2] != '?')
		return false;
	word_r->charset = slice_sub(text, at + 2, i - at - 2);
	word_r->kind = byte_lower(text.data[i + 1]);
	if (word_r->kind != 'b' && word_r->kind != 'q')
		return false;
	question = slice_find_byte(text, '?', i + 3);
	if (question == SLICE_NPOS || question + 1 >= text.len || text.data[question + 1] != '=')
		return false;
	word_r->data = slice_sub(text, i + 3, question - i - 3);
	word_r->len = question + 2 - at;
	return true;
}

static bool
field_has_no_words(struct slice name)
{
	static const struct slice names[] = {
		SLICE("received"),   SLICE("message-id"),  SLICE("resent-message-id"),
		SLICE("date"),       SLICE("resent-date"), SLICE("mime-version"),
		SLICE("references"), SLICE("in-reply-to"),
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_ieq(name, names[i]))
			return true;
	return slice_istarts(name, SLICE("list-"));
}

/* Drops LF and CRLF; a tab after LF becomes a blank. */
static struct slice
unfold(struct arena *arena, struct slice value)
{
	unsigned char *out;
	size_t n = 0;

	if (!slice_has_byte(value, '\n'))
		return value;
	out = arena_bytes(arena, value.len);
	if (out == NULL)
		return value;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		if (c == '\n' || (c == '\r' && i + 1 < value.len && value.data[i + 1] == '\n'))
			continue;
		if (c == '\t' && i > 0 && value.data[i - 1] == '\n')
			c = ' ';
		out[n++] = c;
	}
	return slice_of(out, n);
}

/* A run of words in one charset, or plain text: decoded bytes wait for their end, because
 * characters may be split between words. */
struct section {
	struct slice charset;
	struct slice bytes;
};
typedef VEC(struct section) section_vec;

static void
sections_add(struct arena *arena, section_vec *sections, struct slice charset, struct slice bytes)
{
	(void)vec_push(arena, sections, (struct section){charset, bytes});
}

/* Merging is by the charset of the word before, so bytes are collected in one buffer a section. */
static void
sections_read(struct arena *arena, struct slice value, section_vec *sections)
{
	struct slice charset = SLICE_NULL;
	struct strbuf bytes;
	size_t i = 0;
	bool after_word = false, has_section = false;

	strbuf_init(&bytes, arena, 0);
	while (i < value.len) {
		struct word word;
		struct slice piece, piece_charset;
		size_t next;

		if (value.data[i] == '=' && word_at(value, i, &word)) {
			piece = word.kind == 'b' ? base64_decode(arena, word.data)
			                         : qp_decode(arena, word.data, true);
			piece_charset = word.charset;
			next = i + word.len;
			after_word = true;
		} else {
			/* Blanks between two words vanish. */
			size_t j = i;

			while (j < value.len && byte_is_space(value.data[j]))
				j++;
			if (after_word && j > i && j < value.len && value.data[j] == '=' &&
			    word_at(value, j, &word)) {
				i = j;
				continue;
			}
			next = slice_find_byte(value, '=', value.data[i] == '=' ? i + 1 : i);
			if (value.data[i] == '=')
				next = i + 1;
			else if (next == SLICE_NPOS)
				next = value.len;
			piece = slice_sub(value, i, next - i);
			piece_charset = SLICE_NULL;
			after_word = false;
		}
		i = next;
		if (has_section && !slice_ieq(charset, piece_charset)) {
			sections_add(arena, sections, charset, strbuf_slice(&bytes));
			strbuf_init(&bytes, arena, 0);
		}
		charset = piece_charset;
		has_section = true;
		strbuf_add(&bytes, piece);
	}
	if (has_section)
		sections_add(arena, sections, charset, strbuf_slice(&bytes));
}

static struct slice
words_decode(struct arena *arena, struct slice value)
{
	section_vec sections = {0};
	struct strbuf out;

	sections_read(arena, value, &sections);
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < sections.count; i++) {
		const struct section *section = &sections.items[i];
		size_t star = slice_find_byte(section->charset, '*', 0);
		struct slice charset = slice_sub(section->charset, 0, star);

		strbuf_add(&out, charset.len == 0 ? section->bytes
		                                  : charset_normalize(arena, section->bytes,
		                                                      charset, true, NULL));
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

struct slice
encoded_word_decode(struct arena *arena, struct slice value, struct slice name)
{
	if (value.len == 0)
		return SLICE("");
	value = unfold(arena, value);
	if (!bytes_are_ascii(value))
		value = charset_normalize(arena, value, SLICE("UTF-8"), false, NULL);
	if (slice_find(value, SLICE("=?"), 0) == SLICE_NPOS || field_has_no_words(name))
		return value;
	return words_decode(arena, value);
}
