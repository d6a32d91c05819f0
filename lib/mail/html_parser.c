/*
 * html_parser.c - HTML into tags, text and comments
 *
 * Every scan either consumes what it looked at or ends the run ("needs more"), so the cost is
 * linear; at the end of the document each of these is tried once more in a laxer mode.
 */
#include "mail/html_parser.h"

static const struct {
	struct slice name;
	bool cdata;
} literals[] = {
	[LITERAL_SCRIPT] = {{(const unsigned char *)"script", 6}, true},
	[LITERAL_STYLE] = {{(const unsigned char *)"style", 5}, true},
	[LITERAL_XMP] = {{(const unsigned char *)"xmp", 3}, true},
	[LITERAL_IFRAME] = {{(const unsigned char *)"iframe", 6}, true},
	[LITERAL_PLAINTEXT] = {{(const unsigned char *)"plaintext", 9}, true},
	[LITERAL_TITLE] = {{(const unsigned char *)"title", 5}, false},
	[LITERAL_TEXTAREA] = {{(const unsigned char *)"textarea", 8}, false},
};

/* What became of a "<": consumed up to `next`, plain text (next NULL), or cut off (next == begin).
 */

static bool
is_name_first(unsigned char c)
{
	return byte_is_alpha(c) || c == '_' || c == ':';
}

static bool
is_name(unsigned char c)
{
	return byte_is_alnum(c) || c == '_' || c == ':' || c == '-' || c == '.';
}

static bool
is_word(unsigned char c)
{
	return !byte_is_space(c) && c != '>';
}

static unsigned char *
skip_space(unsigned char *s)
{
	while (byte_is_space(*s))
		s++;
	return s;
}

static unsigned char *
find_byte(unsigned char *s, unsigned char *end, unsigned char c)
{
	unsigned char *p = s < end ? memchr(s, c, (size_t)(end - s)) : NULL;

	return p == NULL ? end : p;
}

static void
emit_pending_end(struct html_parser *p)
{
	enum html_literal name = p->pending_end;

	if (name == LITERAL_NONE)
		return;
	p->pending_end = LITERAL_NONE;
	if (p->section != SECTION_IGNORE)
		p->handlers->end(p->context, literals[name].name);
}

static void
emit_text(struct html_parser *p, unsigned char *begin, unsigned char *end)
{
	if (p->section != SECTION_IGNORE)
		p->handlers->text(p->context, slice_between(begin, end), p->cdata);
}

static void
emit_comment(struct html_parser *p, unsigned char *begin, unsigned char *end)
{
	if (p->section != SECTION_IGNORE)
		p->handlers->comment(p->context, slice_between(begin, end));
}

static struct slice
lower_in_place(unsigned char *begin, unsigned char *end)
{
	for (unsigned char *s = begin; s < end; s++)
		*s = byte_lower(*s);
	return slice_between(begin, end);
}

static void
emit_end(struct html_parser *p, unsigned char *begin, unsigned char *end)
{
	emit_pending_end(p);
	if (p->section != SECTION_IGNORE)
		p->handlers->end(p->context, lower_in_place(begin, end));
}

/* A comment ends at "--", blanks, ">"; s is behind "<!--". */
static unsigned char *
parse_comment(struct html_parser *p, unsigned char *begin, unsigned char *s)
{
	if (p->comment_ends_at_gt) {
		s = find_byte(s, p->end, '>');
		if (s == p->end)
			return begin;
		emit_comment(p, begin, s + 1);
		return s + 1;
	}
	for (;;) {
		unsigned char *dash = find_byte(s, p->end, '-');

		if (dash == p->end)
			return begin;
		s = dash + 1;
		if (*s != '-')
			continue;
		s = skip_space(s + 1);
		if (*s == '>' && s < p->end) {
			emit_comment(p, begin, s + 1);
			return s + 1;
		}
		s = dash + 1;
	}
}

static enum html_section
section_of(struct slice name)
{
	if (slice_ieq(name, SLICE("include")))
		return SECTION_INCLUDE;
	if (slice_ieq(name, SLICE("rcdata")))
		return SECTION_RCDATA;
	if (slice_ieq(name, SLICE("cdata")))
		return SECTION_CDATA;
	return slice_ieq(name, SLICE("ignore")) ? SECTION_IGNORE : SECTION_NONE;
}

static void
section_set(struct html_parser *p, enum html_section section)
{
	p->section = section;
	p->cdata = section == SECTION_CDATA;
}

static void
section_pop(struct html_parser *p)
{
	emit_pending_end(p);
	if (p->sections.count > 0)
		p->sections.count--;
	section_set(p, p->sections.count == 0 ? SECTION_NONE
	                                      : p->sections.items[p->sections.count - 1]);
}

/* "<![names[": the strongest keyword counts, none at all means include.  Each entry of the stack
 * holds the strength of all sections up to it. */
static unsigned char *
parse_section(struct html_parser *p, unsigned char *begin)
{
	unsigned char *s = begin + 3;
	enum html_section strongest = p->section;
	bool named = false;

	for (;;) {
		s = skip_space(s);
		while (is_name_first(*s)) {
			unsigned char *name = s++;
			enum html_section section;

			while (is_name(*s))
				s++;
			section = section_of(slice_between(name, s));
			s = skip_space(s);
			if (s == p->end)
				return begin;
			named = true;
			if (section > strongest)
				strongest = section;
		}
		if (*s != '-')
			break;
		if (*++s != '-')
			return NULL;
		for (s++;;) {
			s = find_byte(s, p->end, '-');
			if (s == p->end)
				return begin;
			if (*++s == '-')
				break;
		}
		s++;
	}
	if (*s != '[')
		return NULL;
	if (!named && strongest < SECTION_INCLUDE)
		strongest = SECTION_INCLUDE;
	/* The event of the section itself flushes what is pending. */
	(void)vec_push(p->arena, &p->sections, strongest);
	section_set(p, strongest);
	emit_pending_end(p);
	return s + 1;
}

/* Behind the closing "--"; NULL = cut off. */
static unsigned char *
declaration_comment(unsigned char *s, unsigned char *end)
{
	for (;;) {
		s = find_byte(s, end, '-');
		if (s == end || ++s == end)
			return NULL;
		if (*s == '-')
			return s + 1;
	}
}

/* Body of <!DOCTYPE or <!ENTITY: words, strings, comments; NULL = malformed at *bad_r. */
static unsigned char *
parse_declaration(struct html_parser *p, unsigned char *begin, unsigned char **bad_r)
{
	unsigned char *s = begin + 2, *end = p->end;
	struct slice name;

	while (s < end && is_name(*s))
		s++;
	name = slice_between(begin + 2, s);
	if (s == end)
		return begin;
	*bad_r = s;
	if (!slice_ieq(name, SLICE("doctype")) && !slice_ieq(name, SLICE("entity")))
		return NULL;
	for (;;) {
		while (s < end && byte_is_space(*s))
			s++;
		if (s == end)
			return begin;
		if (*s == '>')
			break;
		if (*s == '"' || *s == '\'') {
			s = find_byte(s + 1, end, *s);
			if (s == end)
				return begin;
			s++;
		} else if (*s == '-') {
			if (++s == end)
				return begin;
			*bad_r = s;
			if (*s != '-')
				return NULL;
			s = declaration_comment(s + 1, end);
			if (s == NULL)
				return begin;
		} else {
			while (s < end && is_word(*s))
				s++;
			if (s == end)
				return begin;
		}
	}
	emit_pending_end(p);
	if (p->section != SECTION_IGNORE)
		p->handlers->declaration(p->context, slice_between(begin, s + 1));
	return s + 1;
}

static unsigned char *
parse_bang(struct html_parser *p, unsigned char *begin)
{
	unsigned char *s = begin + 2, *next = NULL;

	if (*s == '-') {
		if (s + 1 == p->end)
			return begin;
		if (s[1] == '-')
			return parse_comment(p, begin, s + 2);
		s++;
	} else if (*s == '[') {
		next = parse_section(p, begin);
		if (next != NULL)
			return next;
	} else if (*s == '>') {
		emit_comment(p, begin, s + 1);
		return s + 1;
	} else if (byte_is_alpha(*s)) {
		next = parse_declaration(p, begin, &s);
		if (next != NULL)
			return next;
	}
	/* Anything else up to the next ">" is a comment. */
	s = find_byte(s, p->end, '>');
	if (s == p->end)
		return begin;
	emit_comment(p, begin, s + 1);
	return s + 1;
}

/* One attribute's value behind "="; NULL = cut off.  *done_r: the tag ends right behind. */
static unsigned char *
parse_value(struct html_parser *p, unsigned char *s, struct slice *value_r, bool *done_r)
{
	unsigned char *begin;

	s = skip_space(s);
	if (s == p->end)
		return NULL;
	if (*s == '>') {
		*value_r = slice_of(s, 0);
		*done_r = true;
		return s;
	}
	begin = s;
	if (*s == '"' || *s == '\'') {
		s = find_byte(s + 1, p->end, *begin);
		if (s == p->end)
			return NULL;
		*value_r = slice_between(begin + 1, s);
		s++;
	} else {
		while (s < p->end && is_word(*s))
			s++;
		if (s == p->end)
			return NULL;
		*value_r = slice_between(begin, s);
	}
	s = skip_space(s);
	return s == p->end ? NULL : s;
}

static unsigned char *
parse_attrs(struct html_parser *p, unsigned char *s)
{
	while (is_word(*s)) {
		struct html_attr attr = {slice_of(s, 0), SLICE_NULL};
		unsigned char *begin = s++;
		bool done = false;

		while (s < p->end && is_word(*s) && *s != '=')
			s++;
		if (s == p->end)
			return NULL;
		attr.name = slice_between(begin, s);
		s = skip_space(s);
		if (s == p->end)
			return NULL;
		if (*s == '=') {
			s = parse_value(p, s + 1, &attr.value, &done);
			if (s == NULL)
				return NULL;
		}
		(void)vec_push(p->arena, &p->attrs, attr);
		if (done)
			break;
	}
	return s;
}

static void
enter_literal(struct html_parser *p, struct slice tag)
{
	for (enum html_literal i = LITERAL_SCRIPT; i <= LITERAL_TEXTAREA; i++) {
		if (slice_ieq(tag, literals[i].name)) {
			p->literal = i;
			p->cdata = literals[i].cdata;
		}
	}
}

static unsigned char *
parse_start(struct html_parser *p, unsigned char *begin)
{
	unsigned char *s = begin + 2, *name_end;
	struct slice tag;

	while (s < p->end && is_word(*s))
		s++;
	name_end = s;
	s = skip_space(s);
	if (s == p->end)
		return begin;
	p->attrs.count = 0;
	s = parse_attrs(p, s);
	if (s == NULL)
		return begin;
	tag = slice_between(begin + 1, name_end);
	emit_pending_end(p);
	if (p->section != SECTION_IGNORE)
		p->handlers->start(p->context, lower_in_place(begin + 1, name_end), p->attrs.items,
		                   p->attrs.count);
	enter_literal(p, tag);
	return s + 1;
}

/* The next ">" outside quotes that follow a blank or "=". */
static unsigned char *
skip_until_gt(unsigned char *s, unsigned char *end)
{
	unsigned char quote = 0, previous = ' ';

	for (; s < end; previous = *s++) {
		if (quote == 0 && *s == '>')
			return s;
		if (*s != '"' && *s != '\'')
			continue;
		if (*s == quote)
			quote = 0;
		else if (quote == 0 && (previous == ' ' || previous == '='))
			quote = *s;
	}
	return end;
}

static unsigned char *
parse_end(struct html_parser *p, unsigned char *begin)
{
	unsigned char *s = begin + 2, *name_end = s;

	while (name_end < p->end && is_word(*name_end))
		name_end++;
	s = skip_until_gt(name_end, p->end);
	if (s == p->end)
		return begin;
	if (name_end == begin + 2)
		emit_comment(p, begin, s + 1);
	else
		emit_end(p, begin + 2, name_end);
	return s + 1;
}

static unsigned char *
parse_markup(struct html_parser *p, unsigned char *begin)
{
	unsigned char c = begin[1];

	if (is_name_first(c))
		return parse_start(p, begin);
	if (c == '/')
		return parse_end(p, begin);
	if (c == '!')
		return parse_bang(p, begin);
	if (c == '?') {
		unsigned char *s = find_byte(begin + 2, p->end, '>');

		if (s == p->end)
			return begin;
		emit_pending_end(p);
		return s + 1;
	}
	return NULL;
}

/* Inside <script> and the like: text up to the matching end tag; false = it does not come. */
static bool
run_literal(struct html_parser *p, unsigned char **position)
{
	struct slice name = literals[p->literal].name;
	unsigned char *begin = *position, *s = begin;

	for (;;) {
		unsigned char *lt = find_byte(s, p->end, '<');
		size_t matched = 0;

		if (lt == p->end)
			return false;
		s = lt + 1;
		if (*s != '/')
			continue;
		s++;
		while (matched < name.len && byte_lower(*s) == name.data[matched]) {
			s++;
			matched++;
		}
		if (matched < name.len || p->literal == LITERAL_PLAINTEXT)
			continue;
		{
			unsigned char *name_end = s;

			s = skip_space(s);
			if (*s != '>')
				continue;
			if (lt != begin)
				emit_text(p, begin, lt);
			emit_end(p, lt + 2, name_end);
		}
		p->literal = LITERAL_NONE;
		p->cdata = false;
		*position = s + 1;
		return true;
	}
}

/* Inside a CDATA or RCDATA section; false = its end does not come. */
static bool
run_section(struct html_parser *p, unsigned char **position)
{
	unsigned char *begin = *position, *s = begin;

	for (;;) {
		s = find_byte(s, p->end, ']');
		if (s == p->end)
			return false;
		if (s[1] == ']' && s[2] == '>') {
			if (begin != s)
				emit_text(p, begin, s);
			section_pop(p);
			*position = s + 3;
			return true;
		}
		s++;
	}
}

/*
 * Plain text from *text to the next "<" (from `s` on, which may be behind *text when a "<" was no
 * markup).  In a marked section "]]>" ends it; a "]]" that does not end it hides the byte behind
 * it, "<" included.
 */
static unsigned char *
run_text(struct html_parser *p, unsigned char **text, unsigned char *s)
{
	if (p->section == SECTION_NONE)
		return find_byte(s, p->end, '<');
	while (s < p->end && *s != '<') {
		if (p->section != SECTION_NONE && *s == ']') {
			unsigned char *bracket = s++;

			if (*s == ']') {
				s++;
				if (*s == '>') {
					s++;
					emit_text(p, *text, bracket);
					section_pop(p);
					*text = s;
					continue;
				}
			}
		}
		s++;
	}
	return s;
}

/* Text at the end of the input: its last word may go on, so it is kept back. */
static unsigned char *
split_tail(unsigned char *text, unsigned char *end)
{
	unsigned char *s = end;

	if (s > text && !byte_is_space(s[-1]))
		while (s > text && !byte_is_space(s[-1]))
			s--;
	while (s > text && byte_is_space(s[-1]))
		s--;
	return s;
}

/* Parses from `s`; returns where what needs more input begins. */
static unsigned char *
run(struct html_parser *p, unsigned char *s)
{
	unsigned char *text = s;

	for (;;) {
		unsigned char *next;

		while (p->literal != LITERAL_NONE) {
			if (!run_literal(p, &text))
				return text;
			s = text;
		}
		while (p->section == SECTION_CDATA || p->section == SECTION_RCDATA) {
			if (!run_section(p, &text))
				return text;
			s = text;
		}
		s = run_text(p, &text, s);
		if (s >= p->end && s != text) {
			next = split_tail(text, p->end);
			if (next != text)
				emit_text(p, text, next);
			return next;
		}
		if (s != text) {
			emit_text(p, text, s);
			text = s;
		}
		if (p->end - s < 3)
			return s;
		next = parse_markup(p, s);
		if (next == s)
			return s;
		if (next != NULL)
			text = s = next;
		else
			s++; /* no markup: "<" is text */
	}
}

void
html_parser_init(struct html_parser *parser, struct arena *arena,
                 const struct html_handlers *handlers, void *context, unsigned char *text,
                 size_t len)
{
	*parser = (struct html_parser){.arena = arena, .handlers = handlers, .context = context};
	parser->rest = text;
	parser->end = text + len;
	parser->spare = HTML_PARSER_SPARE - 2;
}

void
html_parser_run(struct html_parser *parser)
{
	if (parser->rest < parser->end)
		parser->rest = run(parser, parser->rest);
}

void
html_parser_append(struct html_parser *parser, struct slice more)
{
	if (more.len > parser->spare)
		return;
	memcpy(parser->end, more.data, more.len);
	parser->end += more.len;
	parser->spare -= more.len;
	html_parser_run(parser);
}

/* The document ends inside <script> and the like; false: the rest is text. */
static bool
finish_literal(struct html_parser *p)
{
	enum html_literal literal = p->literal;

	if (literal != LITERAL_SCRIPT && literal != LITERAL_STYLE && literal != LITERAL_TITLE)
		return false;
	if (literal == LITERAL_TITLE) {
		p->pending_end = literal;
	} else {
		emit_pending_end(p);
		if (p->section != SECTION_IGNORE)
			p->handlers->end(p->context, literals[literal].name);
	}
	p->literal = LITERAL_NONE;
	return true;
}

void
html_parser_finish(struct html_parser *parser)
{
	unsigned char *s = parser->rest, *end = parser->end;

	while (s < end) {
		if (parser->literal != LITERAL_NONE) {
			if (!finish_literal(parser))
				break;
		} else if (!parser->comment_ends_at_gt && *s == '<') {
			parser->comment_ends_at_gt = true;
		} else {
			if (*s == '<' && (s + 1 == end || is_name_first(s[1]) || s[1] == '/' ||
			                  s[1] == '!' || s[1] == '?')) {
				emit_comment(parser, s, end);
				s = end;
			}
			break;
		}
		s = run(parser, s);
	}
	if (s < end)
		emit_text(parser, s, end);
	parser->rest = end;
	emit_pending_end(parser);
}
