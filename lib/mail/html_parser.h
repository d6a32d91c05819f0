/*
 * html_parser.h - HTML into tags, text and comments (inside of html.c)
 *
 * Owns: struct html_parser.  Source: the events that HTML::Parser 3.81 reports with marked sections
 * on and everything else at its defaults, for one document given in one piece.  The text is a
 * private copy that the parser may write to (names are lowered in place); it ends in spare bytes,
 * so that end tags can be appended and a look ahead always finds a NUL.
 */
#ifndef WINNOW_MAIL_HTML_PARSER_H
#define WINNOW_MAIL_HTML_PARSER_H

#include "util/vec.h"

#define HTML_PARSER_SPARE 64

struct html_attr {
	struct slice name;  /* as written */
	struct slice value; /* without quotes, entities not decoded; data NULL = none given */
};

struct html_handlers {
	/* cdata: entities are not to be decoded */
	void (*text)(void *context, struct slice text, bool cdata);
	void (*start)(void *context, struct slice tag, const struct html_attr *attrs, size_t count);
	void (*end)(void *context, struct slice tag);
	void (*comment)(void *context, struct slice text);     /* with its delimiters */
	void (*declaration)(void *context, struct slice text); /* with its delimiters */
};

enum html_literal {
	LITERAL_NONE,
	LITERAL_SCRIPT,
	LITERAL_STYLE,
	LITERAL_XMP,
	LITERAL_IFRAME,
	LITERAL_PLAINTEXT,
	LITERAL_TITLE,
	LITERAL_TEXTAREA
};
/* Sorted by strength: of nested marked sections the strongest counts. */
enum html_section { SECTION_NONE, SECTION_INCLUDE, SECTION_RCDATA, SECTION_CDATA, SECTION_IGNORE };

struct html_parser {
	struct arena *arena;
	const struct html_handlers *handlers;
	void *context;
	unsigned char *rest, *end;
	size_t spare;
	enum html_literal literal, pending_end;
	enum html_section section;
	VEC(enum html_section) sections;
	VEC(struct html_attr) attrs;
	bool cdata;
	bool comment_ends_at_gt; /* last resort at the end of the document */
};

/* text must have HTML_PARSER_SPARE zero bytes behind len. */
void html_parser_init(struct html_parser *parser, struct arena *arena,
                      const struct html_handlers *handlers, void *context, unsigned char *text,
                      size_t len);
void html_parser_run(struct html_parser *parser);
/* Appends to what is left over and goes on; few and short. */
void html_parser_append(struct html_parser *parser, struct slice more);
void html_parser_finish(struct html_parser *parser);

#endif
