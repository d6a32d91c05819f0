/*
 * html_style.h - colours, sizes and visibility of text (inside of html.c)
 *
 * Owns: struct html_styles, the stack of text styles.  Source: CSS colour names; SpamAssassin 4.0.1
 * decides by it which text a reader cannot see.  Open elements are counted by kind, so that an end
 * tag costs what it closes.
 */
#ifndef WINNOW_MAIL_HTML_STYLE_H
#define WINNOW_MAIL_HTML_STYLE_H

#include "util/vec.h"

enum style_tag {
	STYLE_NONE,
	STYLE_BODY,
	STYLE_FONT,
	STYLE_TABLE,
	STYLE_TR,
	STYLE_TD, /* th too */
	STYLE_BIG,
	STYLE_SMALL,
	STYLE_BASEFONT,
	STYLE_MARQUEE,
	STYLE_SPAN,
	STYLE_P,
	STYLE_DIV,
	STYLE_A,
	STYLE_TAGS
};

#define STYLE_COLOR_MAX 12

/* "#rrggbb", or what the reference has in its place: "invalid", "#", a longer "#..." */
struct style_color {
	char text[STYLE_COLOR_MAX];
	unsigned char len;
};

struct text_style {
	enum style_tag tag;
	struct style_color fg, bg;
	double size;
	bool display_none, visibility_hidden;
};

/* Attributes that styles come from; data NULL = not there. */
struct style_attrs {
	struct slice color, text, size, style;
	bool wide;      /* characters: digits of any script count as such (with value 0) */
	bool has_other; /* any other attribute permitted for the tag */
};

struct html_styles {
	struct arena *arena;
	VEC(struct text_style) stack;
	size_t open[STYLE_TAGS];
	double basefont, min_size, max_size;
};

void html_styles_init(struct html_styles *styles, struct arena *arena);
/* false: a style value that makes the reference give up the whole part. */
bool html_styles_open(struct html_styles *styles, enum style_tag tag,
                      const struct style_attrs *attrs);
void html_styles_close(struct html_styles *styles, enum style_tag tag);

enum style_visibility { STYLE_VISIBLE, STYLE_LOW_CONTRAST, STYLE_INVALID_COLOR, STYLE_HIDDEN };
enum style_visibility html_styles_visibility(const struct html_styles *styles);

#endif
