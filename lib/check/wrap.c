/*
 * wrap.c - lines of a given width
 */
#include "check/wrap.h"

#include "util/strbuf.h"

static size_t
width_of(struct slice s)
{
	size_t width = s.len;

	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] == '\t')
			width += 7;
	return width;
}

/* Length of the next piece of text, which is not empty. */
static size_t
piece_len(struct slice text, enum wrap_break at)
{
	size_t i = 0;

	if (at == WRAP_AT_SPACE) {
		if (byte_is_space(text.data[0]))
			return 1;
		while (i < text.len && !byte_is_space(text.data[i]))
			i++;
		return i;
	}
	while (i < text.len) {
		unsigned char c = text.data[i++];

		if (byte_is_space(c) || c == ',')
			break;
	}
	return i;
}

struct slice
wrap_text(struct arena *arena, struct slice text, const struct wrap_options *options)
{
	struct strbuf out;
	size_t line_start = 0, width = width_of(options->first);
	bool has_piece = false; /* the line holds more than its prefix */

	strbuf_init(&out, arena, 0);
	strbuf_add(&out, options->first);
	/* Without a first prefix the first piece begins the line. */
	if (options->first.len == 0 && text.len > 0) {
		struct slice piece = slice_sub(text, 0, piece_len(text, options->at));

		strbuf_add(&out, piece);
		width = width_of(piece);
		text = slice_from(text, piece.len);
	}
	while (text.len > 0 && !strbuf_is_bad(&out)) {
		struct slice piece = slice_sub(text, 0, piece_len(text, options->at));
		size_t piece_width = width_of(piece);

		if (width + (has_piece && !options->overflow ? piece_width : 0) <= options->width ||
		    (!has_piece && line_start > 0)) {
			strbuf_add(&out, piece);
			width += piece_width;
			has_piece = true;
			text = slice_from(text, piece.len);
			continue;
		}
		while (out.len > line_start && byte_is_space(out.data[out.len - 1]))
			out.len--;
		strbuf_add_byte(&out, '\n');
		line_start = out.len;
		strbuf_add(&out, options->prefix);
		width = width_of(options->prefix);
		has_piece = false;
	}
	return strbuf_is_bad(&out) ? text : strbuf_slice(&out);
}
