/*
 * decode.c - transfer encodings
 *
 * The reference chooses between two base64 decoders by the look of the text; they differ in what a
 * "=" inside means, so both ways are kept here.
 */
#include "mail/decode.h"

#define SEXTET_EQUALS 64
#define SEXTET_SPACE 65
#define SEXTET_JUNK 66

static unsigned
sextet_of(unsigned char c)
{
	if (byte_is_upper(c))
		return (unsigned)(c - 'A');
	if (byte_is_lower(c))
		return (unsigned)(c - 'a') + 26;
	if (byte_is_digit(c))
		return (unsigned)(c - '0') + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	if (c == '=')
		return SEXTET_EQUALS;
	return byte_is_space(c) ? SEXTET_SPACE : SEXTET_JUNK;
}

static void
sextet_table(unsigned char table[256])
{
	for (unsigned i = 0; i < 256; i++)
		table[i] = (unsigned char)sextet_of((unsigned char)i);
}

/* Characters of the alphabet ("=" included) packed to the front of `out`; *junk_r: others seen. */
static size_t
base64_pack(struct slice text, const unsigned char table[256], unsigned char *out, bool *junk_r)
{
	size_t n = 0;

	*junk_r = false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned v = table[text.data[i]];

		if (v <= SEXTET_EQUALS)
			out[n++] = (unsigned char)v;
		else if (v == SEXTET_JUNK)
			*junk_r = true;
	}
	return n;
}

static size_t
base64_join(unsigned char *out, size_t count)
{
	size_t n = 0, i = 0;

	for (; i + 4 <= count; i += 4) {
		unsigned v = (unsigned)out[i] << 18 | (unsigned)out[i + 1] << 12 |
		             (unsigned)out[i + 2] << 6 | out[i + 3];

		out[n++] = (unsigned char)(v >> 16);
		out[n++] = (unsigned char)(v >> 8);
		out[n++] = (unsigned char)v;
	}
	if (count - i >= 2) {
		unsigned char third = count - i > 2 ? out[i + 2] : 0;
		unsigned char first = (unsigned char)(out[i] << 2 | out[i + 1] >> 4);
		unsigned char second = (unsigned char)(out[i + 1] << 4 | third >> 2);

		out[n++] = first;
		if (count - i > 2)
			out[n++] = second;
	}
	return n;
}

struct slice
base64_decode(struct arena *arena, struct slice text)
{
	unsigned char table[256];
	unsigned char *out = arena_bytes(arena, text.len + 1);
	unsigned inner;
	size_t n, end;
	bool junk;

	if (out == NULL)
		return SLICE_NULL;
	sextet_table(table);
	n = base64_pack(text, table, out, &junk);
	end = n;
	while (end > 0 && out[end - 1] == SEXTET_EQUALS)
		end--;
	/* Whole and clean text: "=" inside stands for zero bits, one or two at the end for
	 * padding. Else "=" inside counts as the last letter of the alphabet. */
	if (!junk && n >= 2 && n % 4 == 0) {
		inner = 0;
		if (n - end > 2) /* groups that begin with padding give nothing */
			end = end % 4 < 2 ? end - end % 4 : end;
	} else {
		inner = 63;
		if (end % 4 == 1)
			end--;
	}
	for (size_t i = 0; i < end; i++)
		if (out[i] == SEXTET_EQUALS)
			out[i] = (unsigned char)inner;
	n = base64_join(out, end);
	return slice_of(out, n);
}

/* Blanks before a line end go, then soft line breaks. Returns the new length. */
static size_t
qp_join_lines(struct slice text, unsigned char *out)
{
	size_t n = 0, i = 0;

	while (i < text.len) {
		unsigned char c = text.data[i];
		size_t j, eol;

		if (c != '=' && c != ' ' && c != '\t') {
			out[n++] = c;
			i++;
			continue;
		}
		j = c == '=' ? i + 1 : i;
		while (j < text.len && (text.data[j] == ' ' || text.data[j] == '\t'))
			j++;
		eol = j < text.len && text.data[j] == '\r' ? j + 1 : j;
		if (eol < text.len && text.data[eol] == '\n') {
			i = c == '=' ? eol + 1 : j; /* blanks dropped, the line end stays */
			continue;
		}
		while (i < j)
			out[n++] = text.data[i++];
	}
	return n;
}

struct slice
qp_decode(struct arena *arena, struct slice text, bool underscore_is_space)
{
	unsigned char *out = arena_bytes(arena, text.len + 1);
	size_t n, w = 0;

	if (out == NULL)
		return SLICE_NULL;
	n = qp_join_lines(text, out);
	for (size_t i = 0; i < n; i++) {
		unsigned char c = out[i];

		if (c == '=' && n - i > 2 && byte_is_xdigit(out[i + 1]) &&
		    byte_is_xdigit(out[i + 2])) {
			c = (unsigned char)(byte_hex_value(out[i + 1]) * 16 +
			                    byte_hex_value(out[i + 2]));
			i += 2;
		} else if (c == '_' && underscore_is_space) {
			c = ' ';
		}
		out[w++] = c;
	}
	return slice_of(out, w);
}

struct slice
crlf_to_lf(struct arena *arena, struct slice text)
{
	size_t at = slice_find(text, SLICE("\r\n"), 0);
	unsigned char *out;
	size_t n = 0;

	if (at == SLICE_NPOS)
		return text;
	out = arena_bytes(arena, text.len);
	if (out == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '\r' || i + 1 >= text.len || text.data[i + 1] != '\n')
			out[n++] = text.data[i];
	return slice_of(out, n);
}
