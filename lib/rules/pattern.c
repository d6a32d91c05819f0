#include <stdio.h>

#include "rules/pattern.h"

enum { FLAG_I = 1, FLAG_S = 2, FLAG_M = 4, FLAG_X = 8, FLAG_XX = 16, FLAG_N = 32 };

struct parser {
	struct pattern *pattern;
	const unsigned char *start;
	const unsigned char *p;
	const unsigned char *end;
	unsigned flags;
	enum byte_charset charset;
	unsigned depth;
	unsigned behind; /* inside so many look-arounds: no \K */
	bool failed;
	struct error *error;
};

/* A node and whether it may match more than nothing (Perl's HASWIDTH). */
struct piece {
	uint32_t node;
	bool has_width;
};

static struct piece parse_alternatives(struct parser *ps, bool reset);

static const struct piece no_piece = {0, false};

/* Perl's words, with the place where it stood. */
static void
fail_at(struct parser *ps, const unsigned char *where, const char *text)
{
	int head, tail;

	if (ps->failed)
		return;
	ps->failed = true;
	if (where > ps->end)
		where = ps->end;
	head = (int)(where - ps->start > 150 ? 150 : where - ps->start);
	tail = (int)(ps->end - where > 100 ? 100 : ps->end - where);
	error_set(ps->error, STATUS_BAD, "%s in regex; marked by <-- HERE in m/%.*s <-- HERE %.*s/",
	          text, head, (const char *)(where - head), tail, (const char *)where);
}

static void
fail_plain(struct parser *ps, const char *text)
{
	if (ps->failed)
		return;
	ps->failed = true;
	error_set(ps->error, STATUS_BAD, "%s in regex m/%.*s/", text,
	          (int)(ps->end - ps->start > 300 ? 300 : ps->end - ps->start),
	          (const char *)ps->start);
}

static void
fail_memory(struct parser *ps)
{
	if (!ps->failed)
		error_set(ps->error, STATUS_LIMIT, "regex too large: memory budget spent");
	ps->failed = true;
}

static bool
at_end(const struct parser *ps)
{
	return ps->p >= ps->end;
}

static int
peek(const struct parser *ps, size_t ahead)
{
	return (size_t)(ps->end - ps->p) > ahead ? ps->p[ahead] : -1;
}

static uint32_t
add_node(struct parser *ps, enum pattern_kind kind)
{
	struct pattern *pattern = ps->pattern;
	struct pattern_node *node = vec_push(pattern->arena, &pattern->nodes,
	                                     (struct pattern_node){.kind = (uint8_t)kind});

	if (node == NULL) {
		fail_memory(ps);
		return 0;
	}
	return (uint32_t)(pattern->nodes.count - 1);
}

static struct pattern_node *
node_of(struct parser *ps, uint32_t node)
{
	return &ps->pattern->nodes.items[node];
}

static struct piece
make_char(struct parser *ps, unsigned c)
{
	uint32_t n = add_node(ps, PATTERN_CHAR);
	struct pattern_node *node = node_of(ps, n);

	node->value = (uint16_t)c;
	node->fold = (ps->flags & FLAG_I) != 0 &&
	             byte_other_case((unsigned char)c, ps->charset) != (unsigned char)c;
	return (struct piece){n, true};
}

/* Equal sets share an index: most classes of a rule set are the same few. */
static struct piece
make_class(struct parser *ps, const struct byte_set *set)
{
	struct pattern *pattern = ps->pattern;
	uint32_t n = add_node(ps, PATTERN_CLASS);
	uint64_t h = set->bits[0] * 0x9e3779b97f4a7c15U ^ set->bits[1] * 0xc2b2ae3d27d4eb4fU ^
	             set->bits[2] * 0x165667b19e3779f9U ^ set->bits[3] * 0xd6e8feb86659fd93U;
	uint32_t *slot = &pattern->class_slots[h >> 56];
	uint32_t index = *slot;

	if (index == 0 || !byte_set_eq(&pattern->classes.items[index - 1], set)) {
		if (pattern->classes.count >= 65535 ||
		    vec_push(pattern->arena, &pattern->classes, *set) == NULL) {
			fail_memory(ps);
			return no_piece;
		}
		index = *slot = (uint32_t)pattern->classes.count;
	}
	node_of(ps, n)->value = (uint16_t)(index - 1);
	return (struct piece){n, true};
}

static struct piece
make_assert(struct parser *ps, enum pattern_assert what)
{
	uint32_t n = add_node(ps, PATTERN_ASSERT);

	node_of(ps, n)->value = (uint16_t)what;
	if (what == PATTERN_START || what == PATTERN_KEEP)
		ps->pattern->needs_pcre2 = true;
	return (struct piece){n, false};
}

static struct piece
make_group(struct parser *ps, enum pattern_group what, struct piece inside)
{
	uint32_t n = add_node(ps, PATTERN_GROUP);

	node_of(ps, n)->value = (uint16_t)what;
	node_of(ps, n)->child = inside.node;
	return (struct piece){n, inside.has_width && what < PATTERN_AHEAD};
}

/* A code point that a byte may or may not be. */
static struct piece
make_codepoint(struct parser *ps, unsigned long c)
{
	struct byte_set set = {{0}};

	if (c <= 0xff)
		return make_char(ps, (unsigned)c);
	if ((ps->flags & FLAG_I) != 0 && c == 0x178)
		byte_set_add(&set, 0xff);
	if ((ps->flags & FLAG_I) != 0 && (c == 0x39c || c == 0x3bc))
		byte_set_add(&set, 0xb5);
	return make_class(ps, &set);
}

static bool
is_pattern_space(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85;
}

/* Under /x: white space and comments; (?#..) always. */
static void
skip_ignored(struct parser *ps)
{
	for (;;) {
		if (peek(ps, 0) == '(' && peek(ps, 1) == '?' && peek(ps, 2) == '#') {
			const unsigned char *open = ps->p;
			while (!at_end(ps) && *ps->p != ')')
				ps->p++;
			if (at_end(ps)) {
				fail_at(ps, open + 3, "Sequence (?#... not terminated");
				return;
			}
			ps->p++;
		} else if ((ps->flags & FLAG_X) != 0 && is_pattern_space(peek(ps, 0))) {
			ps->p++;
		} else if ((ps->flags & FLAG_X) != 0 && peek(ps, 0) == '#') {
			while (!at_end(ps) && *ps->p != '\n')
				ps->p++;
		} else {
			return;
		}
	}
}

/* ---- escapes ---- */

static struct slice
trim_blanks(struct slice s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = slice_from(s, 1);
	while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* {text} at p: false when there is no closing brace. */
static bool
take_braces(struct parser *ps, struct slice *text_r)
{
	const unsigned char *close =
		at_end(ps) ? NULL : memchr(ps->p, '}', (size_t)(ps->end - ps->p));

	if (peek(ps, 0) != '{' || close == NULL)
		return false;
	*text_r = trim_blanks(slice_between(ps->p + 1, close));
	ps->p = close + 1;
	return true;
}

static long
take_hex(struct parser *ps)
{
	unsigned long value = 0;
	struct slice text;
	int digits = 0;

	if (peek(ps, 0) == '{') {
		if (!take_braces(ps, &text)) {
			fail_at(ps, ps->p + 1, "Missing right brace on \\x{}");
			return 0;
		}
		for (size_t i = 0; i < text.len; i++) {
			int v = byte_hex_value(text.data[i]);
			if (v < 0 && text.data[i] == '_' && i > 0)
				continue;
			if (v < 0) {
				fail_at(ps, ps->p, "Non-hex character terminates \\x early.");
				return 0;
			}
			if (value < 0x10000000)
				value = value * 16 + (unsigned long)v;
		}
		return (long)value;
	}
	for (; digits < 2 && !at_end(ps) && byte_hex_value(*ps->p) >= 0; digits++)
		value = value * 16 + (unsigned long)byte_hex_value(*ps->p++);
	if (digits < 2 && !at_end(ps)) {
		char text_buf[100];
		snprintf(text_buf, sizeof(text_buf),
		         "Non-hex character '%c' terminates \\x early.  Resolved as \"\\x%02lx%s\"",
		         byte_is_alnum(*ps->p) ? *ps->p : '?', value,
		         digits == 0 ? (char[]){(char)*ps->p, '\0'} : "");
		fail_at(ps, ps->p, text_buf);
	}
	return (long)value;
}

static long
take_octal_braces(struct parser *ps)
{
	struct slice text;
	long value = 0;

	if (!take_braces(ps, &text)) {
		fail_at(ps, ps->p, "Missing braces on \\o{}");
		return 0;
	}
	if (text.len == 0) {
		fail_at(ps, ps->p, "Empty \\o{}");
		return 0;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '7') {
			char buf[100];
			snprintf(buf, sizeof(buf),
			         "Non-octal character '%c' terminates \\o early.  Resolved as "
			         "\"\\o{%03lo}\"",
			         text.data[i], (unsigned long)value);
			fail_at(ps, ps->p, buf);
			return 0;
		}
		if (value < 0x1000000)
			value = value * 8 + (text.data[i] - '0');
	}
	return value;
}

/* Up to `max` octal digits; a digit 8 or 9 right behind fewer than three is a warning in Perl. */
static long
take_octal(struct parser *ps, int max)
{
	long value = 0;
	int n = 0;

	for (; n < max && peek(ps, 0) >= '0' && peek(ps, 0) <= '7'; n++)
		value = value * 8 + (*ps->p++ - '0');
	if (n < max && !at_end(ps) && byte_is_digit(*ps->p)) {
		char buf[100];
		snprintf(
			buf, sizeof(buf),
			"Non-octal character '%c' terminates \\0 early.  Resolved as \"\\%03lo%c\"",
			*ps->p, (unsigned long)value, *ps->p);
		fail_at(ps, ps->p + 1, buf);
	}
	return value;
}

static long
take_control(struct parser *ps)
{
	int c = peek(ps, 0);
	unsigned char value;

	if (c < ' ' || c > '~') {
		fail_at(ps, ps->p, "Character following \"\\c\" must be printable ASCII");
		return 0;
	}
	ps->p++;
	value = (unsigned char)(byte_upper((unsigned char)c) ^ 64);
	if (c == '{')
		fail_at(ps, ps->p, "Use \";\" instead of \"\\c{\"");
	else if (value >= ' ' && value <= '~')
		fail_at(ps, ps->p, "\"\\c\" is more clearly written simply as the character");
	return value;
}

/* \N{U+hex} and \N{NAME}; -2: it is \N without braces or \N{3,4}, a repeated non-newline. */
static long
take_named_char(struct parser *ps)
{
	const unsigned char *open = ps->p;
	struct slice text;
	long value = 0;

	if (peek(ps, 0) != '{')
		return -2;
	if (byte_is_digit((unsigned char)peek(ps, 1)) || peek(ps, 1) == ',')
		return -2;
	if (!take_braces(ps, &text)) {
		fail_at(ps, ps->p + 1, "Missing right brace on \\N{}");
		return 0;
	}
	if (slice_starts(text, SLICE("U+"))) {
		for (size_t i = 2; i < text.len; i++) {
			int v = byte_hex_value(text.data[i]);
			if (v < 0 && text.data[i] == '_')
				continue;
			if (v < 0)
				fail_at(ps, ps->p, "Invalid hexadecimal number in \\N{U+...}");
			if (value < 0x1000000)
				value = value * 16 + (v < 0 ? 0 : v);
		}
		return value;
	}
	value = byte_char_name(text);
	if (value < 0) {
		char buf[120];
		snprintf(buf, sizeof(buf), "Unknown charname '%.*s'",
		         (int)(text.len > 80 ? 80 : text.len), (const char *)text.data);
		fail_at(ps, open + 1 + text.len, buf);
		return 0;
	}
	return value;
}

/*
 * The escapes that are one character, at the letter behind the backslash.  -1: not one of them
 * (nothing is taken).
 */
static long
take_char_escape(struct parser *ps)
{
	unsigned char c = *ps->p;

	ps->p++;
	switch (c) {
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'f':
		return '\f';
	case 'e':
		return 27;
	case 'a':
		return 7;
	case 'x':
		return take_hex(ps);
	case 'o':
		return take_octal_braces(ps);
	case 'c':
		return take_control(ps);
	default:
		break;
	}
	if (!byte_is_alnum(c))
		return c;
	ps->p--;
	return -1;
}

static void
fail_escape(struct parser *ps, const char *where)
{
	char buf[80];

	snprintf(buf, sizeof(buf), "Unrecognized escape \\%c%s passed through", *ps->p, where);
	fail_at(ps, ps->p + 1, buf);
}

/* \p{..}, \pL, \P..: at the p. */
static void
take_property(struct parser *ps, struct byte_set *set)
{
	bool negated = *ps->p++ == 'P';
	struct slice name;

	if (peek(ps, 0) == '{') {
		if (!take_braces(ps, &name)) {
			fail_at(ps, ps->p + 1, "Missing right brace on \\p{}");
			return;
		}
	} else if (at_end(ps)) {
		fail_at(ps, ps->p, "Empty \\p{}");
		return;
	} else {
		name = slice_of(ps->p++, 1);
	}
	if (name.len > 0 && name.data[0] == '^') {
		negated = !negated;
		name = slice_from(name, 1);
	}
	if (!byte_set_add_property(set, name, negated, (ps->flags & FLAG_I) != 0)) {
		char buf[150];
		snprintf(buf, sizeof(buf), "Can't find Unicode property definition \"%.*s\"",
		         (int)(name.len > 90 ? 90 : name.len), (const char *)name.data);
		fail_at(ps, ps->p, buf);
	}
}

/* ---- bracketed classes ---- */

/* [:name:] at p (the bracket); false: no such thing there. */
static bool
take_posix(struct parser *ps, struct byte_set *set)
{
	const unsigned char *q = ps->p + 2, *begin;
	bool negated = false;

	if (q < ps->end && *q == '^') {
		negated = true;
		q++;
	}
	begin = q;
	while (q < ps->end && byte_is_alpha(*q))
		q++;
	if (ps->end - q < 2 || q[0] != ':' || q[1] != ']')
		return false;
	if (!byte_set_add_posix(set, slice_between(begin, q), negated, (ps->flags & FLAG_I) != 0,
	                        ps->charset)) {
		char buf[80];
		snprintf(buf, sizeof(buf), "POSIX class [:%.*s:] unknown",
		         (int)(q - begin > 40 ? 40 : q - begin), (const char *)begin);
		fail_at(ps, q + 2, buf);
	}
	ps->p = q + 2;
	return true;
}

/* One element of a class; -1: it was a set and is in *set already. */
static long
take_class_item(struct parser *ps, struct byte_set *set)
{
	unsigned char c = *ps->p;
	long value;

	if (c == '[' && peek(ps, 1) == ':' && take_posix(ps, set))
		return -1;
	ps->p++;
	if (c != '\\')
		return c;
	if (at_end(ps)) {
		fail_at(ps, ps->p, "Unmatched [");
		return 0;
	}
	c = *ps->p;
	if (c == 'N') {
		ps->p++;
		value = take_named_char(ps);
		if (value == -2)
			fail_at(ps, ps->p,
			        "\\N in a character class must be a named character: \\N{...}");
		return value;
	}
	if (c == 'p' || c == 'P') {
		take_property(ps, set);
		return -1;
	}
	if (strchr("dDwWsShHvV", c) != NULL && c != '\0') {
		byte_set_add_escape(set, c, ps->charset);
		ps->p++;
		return -1;
	}
	if (c == 'b') {
		ps->p++;
		return 8;
	}
	if (c >= '0' && c <= '7')
		return take_octal(ps, 3);
	value = take_char_escape(ps);
	if (value < 0)
		fail_escape(ps, " in character class");
	return value;
}

static void
add_range(struct parser *ps, struct byte_set *set, long from, long to)
{
	for (long c = from; c <= to && c <= 0xff; c++)
		byte_set_add(set, (unsigned)c);
	if ((ps->flags & FLAG_I) == 0)
		return;
	if (from <= 0x178 && to >= 0x178)
		byte_set_add(set, 0xff);
	if ((from <= 0x39c && to >= 0x39c) || (from <= 0x3bc && to >= 0x3bc))
		byte_set_add(set, 0xb5);
}

static void
skip_class_blanks(struct parser *ps)
{
	while ((ps->flags & FLAG_XX) != 0 && (peek(ps, 0) == ' ' || peek(ps, 0) == '\t'))
		ps->p++;
}

static struct piece
parse_class(struct parser *ps)
{
	const unsigned char *open = ps->p - 1;
	struct byte_set set = {{0}};
	bool negated = false, first = true;

	skip_class_blanks(ps);
	if (peek(ps, 0) == '^') {
		negated = true;
		ps->p++;
		skip_class_blanks(ps);
	}
	for (;; first = false) {
		const unsigned char *item = ps->p;
		long from, to;
		char buf[100];

		if (ps->failed)
			return no_piece;
		if (at_end(ps)) {
			fail_at(ps, open + 1, "Unmatched [");
			return no_piece;
		}
		if (*ps->p == ']' && !first)
			break;
		from = take_class_item(ps, &set);
		skip_class_blanks(ps);
		if (peek(ps, 0) != '-' || peek(ps, 1) == ']' || peek(ps, 1) < 0) {
			if (from >= 0)
				add_range(ps, &set, from, from);
			continue;
		}
		ps->p++;
		skip_class_blanks(ps);
		if (at_end(ps))
			continue;
		to = from < 0 ? -1 : take_class_item(ps, &set);
		if (ps->failed)
			return no_piece;
		if (from < 0 || to < 0) {
			snprintf(buf, sizeof(buf), "False [] range \"%.*s\"",
			         (int)(ps->p - item > 60 ? 60 : ps->p - item), (const char *)item);
			fail_at(ps, ps->p, buf);
			return no_piece;
		}
		if (from > to) {
			snprintf(buf, sizeof(buf), "Invalid [] range \"%.*s\"",
			         (int)(ps->p - item > 60 ? 60 : ps->p - item), (const char *)item);
			fail_at(ps, ps->p, buf);
			return no_piece;
		}
		add_range(ps, &set, from, to);
	}
	ps->p++;
	if ((ps->flags & FLAG_I) != 0)
		byte_set_fold(&set, ps->charset);
	if (negated)
		byte_set_invert(&set);
	return make_class(ps, &set);
}

/* [: :] outside a class is a mistake that Perl warns of. */
static bool
looks_like_posix(const struct parser *ps)
{
	const unsigned char *q = ps->p + 1;

	if (ps->end - ps->p < 4 || ps->p[0] != ':')
		return false;
	while (q < ps->end && (byte_is_alpha(*q) || *q == '^'))
		q++;
	return ps->end - q >= 2 && q[0] == ':' && q[1] == ']' && q > ps->p + 1;
}

/* ---- groups ---- */

static bool
take_name(struct parser *ps, unsigned char close, struct slice *name_r)
{
	const unsigned char *begin = ps->p;

	if (!at_end(ps) && byte_is_digit(*ps->p)) {
		fail_at(ps, ps->p + 1, "Group name must start with a non-digit word character");
		return false;
	}
	while (!at_end(ps) && byte_is_word(*ps->p))
		ps->p++;
	*name_r = slice_between(begin, ps->p);
	if (name_r->len == 0) {
		fail_at(ps, ps->p, "Group name must start with a non-digit word character");
		return false;
	}
	if (peek(ps, 0) != close) {
		fail_at(ps, ps->p, "Sequence (?<... not terminated");
		return false;
	}
	ps->p++;
	return true;
}

static struct piece
make_reference(struct parser *ps, enum pattern_kind kind, struct slice name, long number)
{
	struct pattern *pattern = ps->pattern;
	uint32_t n = add_node(ps, kind);
	struct pattern_node *node = node_of(ps, n);

	node->fold = (ps->flags & FLAG_I) != 0;
	if (kind == PATTERN_RECURSE)
		pattern->needs_pcre2 = true;
	if (name.data != NULL) {
		node->value = 1;
		node->min = (uint32_t)pattern->referred.count;
		if (vec_push(pattern->arena, &pattern->referred, name) == NULL)
			fail_memory(ps);
	} else {
		node->min = (uint32_t)number;
	}
	node->max = (uint32_t)(ps->p - ps->start);
	return (struct piece){n, true};
}

static struct piece
parse_capture(struct parser *ps, struct slice name)
{
	struct pattern *pattern = ps->pattern;
	unsigned group = ++pattern->groups;
	struct piece inside, out;

	if (name.data != NULL &&
	    vec_push(pattern->arena, &pattern->names, (struct pattern_name){name, group}) == NULL)
		fail_memory(ps);
	inside = parse_alternatives(ps, false);
	out = make_group(ps, PATTERN_CAPTURE, inside);
	node_of(ps, out.node)->min = group;
	return out;
}

static struct piece
parse_look(struct parser *ps, enum pattern_group what)
{
	const unsigned char *begin = ps->p;
	struct piece inside, out;
	unsigned min, max;

	ps->behind++;
	inside = parse_alternatives(ps, false);
	ps->behind--;
	if (ps->failed)
		return no_piece;
	if (what == PATTERN_BEHIND || what == PATTERN_NOT_BEHIND) {
		pattern_width(ps->pattern, inside.node, &min, &max);
		if (max > PATTERN_MAX_LOOKBEHIND)
			fail_plain(ps, "Lookbehind longer than 255 not implemented");
	}
	(void)begin;
	out = make_group(ps, what, inside);
	return out;
}

/* (?(condition)yes|no): at the second parenthesis. */
static struct piece
parse_condition(struct parser *ps)
{
	uint32_t cond = add_node(ps, PATTERN_COND), look = 0, yes;
	struct piece inside = no_piece;
	struct slice name;
	enum pattern_cond what = PATTERN_COND_GROUP;
	unsigned number = 0;

	if (peek(ps, 1) == '?' || peek(ps, 1) == '*') {
		static const struct {
			const char *text;
			enum pattern_group group;
		} looks[] = {{"(?=", PATTERN_AHEAD},
		             {"(?!", PATTERN_NOT_AHEAD},
		             {"(?<=", PATTERN_BEHIND},
		             {"(?<!", PATTERN_NOT_BEHIND}};
		for (size_t i = 0; i < 4 && inside.node == 0; i++) {
			struct slice text = slice_from_cstr(looks[i].text);
			if (!slice_starts(slice_between(ps->p, ps->end), text))
				continue;
			ps->p += text.len;
			inside = parse_look(ps, looks[i].group);
		}
		what = PATTERN_COND_LOOK;
		look = inside.node;
	} else if (peek(ps, 1) == '<' || peek(ps, 1) == '\'') {
		unsigned char close = peek(ps, 1) == '<' ? '>' : '\'';
		ps->p += 2;
		if (!take_name(ps, close, &name))
			return no_piece;
		what = PATTERN_COND_NAME;
		number = (unsigned)ps->pattern->referred.count;
		if (vec_push(ps->pattern->arena, &ps->pattern->referred, name) == NULL)
			fail_memory(ps);
	} else if (slice_starts(slice_between(ps->p, ps->end), SLICE("(DEFINE"))) {
		ps->p += 7;
		what = PATTERN_COND_DEFINE;
	} else {
		ps->p++;
		if (peek(ps, 0) == 'R') {
			what = PATTERN_COND_RECURSION;
			ps->p++;
		}
		while (!at_end(ps) && byte_is_digit(*ps->p) && number < 100000)
			number = number * 10 + (unsigned)(*ps->p++ - '0');
		if (what == PATTERN_COND_GROUP && number == 0)
			fail_at(ps, ps->p, "Unknown switch condition (?(...))");
	}
	if (peek(ps, 0) != ')') {
		fail_at(ps, ps->p, "Switch (?(condition)... not terminated");
		return no_piece;
	}
	ps->p++;
	ps->pattern->needs_pcre2 = true;
	yes = parse_alternatives(ps, false).node;
	if (ps->failed)
		return no_piece;
	if (node_of(ps, yes)->kind == PATTERN_ALT) {
		uint32_t first = node_of(ps, yes)->child;
		if (node_of(ps, node_of(ps, first)->next)->next != 0)
			fail_at(ps, ps->p, "Switch (?(condition)... contains too many branches");
		yes = first;
	}
	if (look != 0)
		node_of(ps, look)->next = yes;
	node_of(ps, cond)->value = (uint16_t)what;
	node_of(ps, cond)->min = number;
	node_of(ps, cond)->child = look != 0 ? look : yes;
	return (struct piece){cond, true};
}

static unsigned
flag_of(int c)
{
	switch (c) {
	case 'i':
		return FLAG_I;
	case 's':
		return FLAG_S;
	case 'm':
		return FLAG_M;
	case 'n':
		return FLAG_N;
	default:
		return 0;
	}
}

/* The letters of (?letters) and (?letters:..), up to the ) or :. */
static void
parse_flags(struct parser *ps)
{
	bool on = true;
	int charset = 0;
	char buf[80];

	if (peek(ps, 0) == '^') {
		ps->p++;
		ps->flags = 0;
		ps->charset = BYTE_D;
	}
	for (;; ps->p++) {
		int c = peek(ps, 0);
		unsigned flag = flag_of(c);

		if (c < 0) {
			fail_at(ps, ps->p, "Sequence (?... not terminated");
			return;
		}
		if (c == ':' || c == ')')
			return;
		if (flag != 0) {
			ps->flags = on ? ps->flags | flag : ps->flags & ~flag;
		} else if (c == 'x') {
			ps->flags &= ~(unsigned)(FLAG_X | FLAG_XX);
			if (on)
				ps->flags |= peek(ps, 1) == 'x' ? FLAG_X | FLAG_XX : FLAG_X;
			while (peek(ps, 1) == 'x')
				ps->p++;
		} else if (c == '-' && on) {
			on = false;
		} else if ((c == 'a' || c == 'u' || c == 'l' || c == 'd') && on) {
			if (charset != 0 && (charset != 'a' || c != 'a'))
				fail_at(ps, ps->p + 1, "Regexp modifiers are mutually exclusive");
			charset = c;
			ps->charset = c == 'a' ? BYTE_AA : c == 'd' ? BYTE_D : BYTE_U;
		} else if (c == 'p' && on) {
			continue;
		} else if (c == 'o' || c == 'g' || c == 'c') {
			snprintf(buf, sizeof(buf), "Useless (?%c) - use /%s modifier", c,
			         c == 'o'   ? "o"
			         : c == 'g' ? "g"
			                    : "gc");
			fail_at(ps, ps->p + 1, buf);
			return;
		} else {
			const unsigned char *q = ps->p;
			while (q > ps->start && *q != '?')
				q--;
			snprintf(buf, sizeof(buf), "Sequence (%.*s...) not recognized",
			         (int)(ps->p + 1 - q > 40 ? 40 : ps->p + 1 - q), (const char *)q);
			fail_at(ps, ps->p + 1, buf);
			return;
		}
	}
}

/* (?N) (?+N) (?-N) (?R) (?&name) (?P>name): p behind the question mark. */
static struct piece
parse_recursion(struct parser *ps)
{
	int sign = peek(ps, 0);
	long number = 0;
	struct piece out;

	if (sign == 'R' || sign == '+' || sign == '-')
		ps->p++;
	while (!at_end(ps) && byte_is_digit(*ps->p) && number < 100000)
		number = number * 10 + (*ps->p++ - '0');
	if (sign == '+')
		number += (long)ps->pattern->groups;
	if (sign == '-')
		number = (long)ps->pattern->groups + 1 - number;
	if (number < 0 || peek(ps, 0) != ')') {
		fail_at(ps, ps->p,
		        number < 0 ? "Reference to nonexistent group"
		                   : "Sequence (?... not terminated");
		return no_piece;
	}
	out = make_reference(ps, PATTERN_RECURSE, SLICE_NULL, number);
	ps->p++;
	return out;
}

static struct piece
close_group(struct parser *ps, const unsigned char *open, struct piece inside)
{
	if (ps->failed)
		return no_piece;
	if (peek(ps, 0) != ')') {
		fail_at(ps, open + 1, "Unmatched (");
		return no_piece;
	}
	ps->p++;
	return inside;
}

/* (*VERB) and (*name:..): p behind the star. */
static struct piece
parse_verb(struct parser *ps, const unsigned char *open)
{
	static const struct {
		const char *name;
		const char *longer;
		enum pattern_group group;
	} groups[] = {
		{"pla", "positive_lookahead", PATTERN_AHEAD},
		{"nla", "negative_lookahead", PATTERN_NOT_AHEAD},
		{"plb", "positive_lookbehind", PATTERN_BEHIND},
		{"nlb", "negative_lookbehind", PATTERN_NOT_BEHIND},
		{"atomic", "atomic", PATTERN_ATOMIC},
	};
	static const char *const verbs[] = {"FAIL",  "F",      "ACCEPT", "SKIP",
	                                    "PRUNE", "COMMIT", "THEN",   "MARK"};
	const unsigned char *begin = ps->p, *q = ps->p;
	struct slice name;
	uint32_t n;
	char buf[100];

	while (q < ps->end && (byte_is_word(*q)))
		q++;
	name = slice_between(begin, q);
	if (q < ps->end && *q == ':') {
		for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
			if (!slice_eq(name, slice_from_cstr(groups[i].name)) &&
			    !slice_eq(name, slice_from_cstr(groups[i].longer)))
				continue;
			ps->p = q + 1;
			if (groups[i].group == PATTERN_ATOMIC)
				return close_group(ps, open,
				                   make_group(ps, PATTERN_ATOMIC,
				                              parse_alternatives(ps, false)));
			return close_group(ps, open, parse_look(ps, groups[i].group));
		}
	}
	while (q < ps->end && *q != ')')
		q++;
	ps->p = q < ps->end ? q + 1 : q;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && q < ps->end; i++) {
		if (!slice_eq(name, slice_from_cstr(verbs[i])))
			continue;
		n = add_node(ps, PATTERN_VERB);
		node_of(ps, n)->min = (uint32_t)(open - ps->start);
		node_of(ps, n)->max = (uint32_t)(ps->p - open);
		/* Observed: (*THEN) outside any group acts as (*PRUNE). */
		node_of(ps, n)->value = slice_eq(name, SLICE("THEN")) && ps->depth <= 1;
		ps->pattern->needs_pcre2 = true;
		return (struct piece){n, false};
	}
	snprintf(buf, sizeof(buf), "Unknown verb pattern '%.*s'",
	         (int)(name.len > 60 ? 60 : name.len), (const char *)name.data);
	fail_at(ps, ps->p, buf);
	return no_piece;
}

/* At the parenthesis' content; `open` is the parenthesis. *inline_r: it only changed flags. */
static struct piece
parse_group(struct parser *ps, const unsigned char *open, bool *inline_r)
{
	unsigned flags = ps->flags;
	enum byte_charset charset = ps->charset;
	struct piece out = no_piece;
	struct slice name = SLICE_NULL;
	int c, d;

	if (++ps->depth > PATTERN_MAX_DEPTH) {
		fail_plain(ps, "Too many nested open parens");
		return no_piece;
	}
	if (peek(ps, 0) == '*') {
		ps->p++;
		out = parse_verb(ps, open);
		goto done;
	}
	if (peek(ps, 0) != '?') {
		out = (flags & FLAG_N) != 0
		              ? make_group(ps, PATTERN_PLAIN, parse_alternatives(ps, false))
		              : parse_capture(ps, SLICE_NULL);
		out = close_group(ps, open, out);
		goto done;
	}
	ps->p++;
	c = peek(ps, 0);
	d = peek(ps, 1);
	if (c == ':' || c == '|' || c == '>') {
		ps->p++;
		out = parse_alternatives(ps, c == '|');
		out = make_group(ps,
		                 c == ':'   ? PATTERN_PLAIN
		                 : c == '|' ? PATTERN_RESET
		                            : PATTERN_ATOMIC,
		                 out);
	} else if (c == '=' || c == '!') {
		ps->p++;
		out = parse_look(ps, c == '=' ? PATTERN_AHEAD : PATTERN_NOT_AHEAD);
	} else if (c == '<' && (d == '=' || d == '!')) {
		ps->p += 2;
		out = parse_look(ps, d == '=' ? PATTERN_BEHIND : PATTERN_NOT_BEHIND);
	} else if (c == '<' || c == '\'' || (c == 'P' && d == '<')) {
		ps->p += c == 'P' ? 2 : 1;
		if (take_name(ps, c == '\'' ? '\'' : '>', &name))
			out = parse_capture(ps, name);
	} else if (c == 'P' && (d == '=' || d == '>')) {
		ps->p += 2;
		if (take_name(ps, ')', &name))
			out = make_reference(ps, d == '=' ? PATTERN_BACKREF : PATTERN_RECURSE, name,
			                     0);
		goto done;
	} else if (c == '&') {
		ps->p++;
		if (take_name(ps, ')', &name))
			out = make_reference(ps, PATTERN_RECURSE, name, 0);
		goto done;
	} else if (c == '(') {
		out = parse_condition(ps);
	} else if (c == 'R' || (c >= '0' && c <= '9') ||
	           ((c == '+' || c == '-') && d >= '0' && d <= '9')) {
		out = parse_recursion(ps);
		goto done;
	} else {
		parse_flags(ps);
		if (ps->failed)
			goto done;
		if (*ps->p++ == ')') {
			/* The rest of the enclosing group has these flags. */
			*inline_r = true;
			ps->depth--;
			return no_piece;
		}
		out = make_group(ps, PATTERN_PLAIN, parse_alternatives(ps, false));
	}
	out = close_group(ps, open, out);
done:
	ps->flags = flags;
	ps->charset = charset;
	ps->depth--;
	return out;
}

/* ---- atoms ---- */

static struct piece
parse_g_reference(struct parser *ps)
{
	bool braces = peek(ps, 0) == '{', minus;
	long number = 0;
	struct slice name;

	if (braces) {
		ps->p++;
		while (peek(ps, 0) == ' ')
			ps->p++;
		if (!at_end(ps) && !byte_is_digit(*ps->p) && *ps->p != '-') {
			const unsigned char *begin = ps->p;
			while (!at_end(ps) && byte_is_word(*ps->p))
				ps->p++;
			name = slice_between(begin, ps->p);
			while (peek(ps, 0) == ' ')
				ps->p++;
			if (peek(ps, 0) != '}' || name.len == 0) {
				fail_at(ps, ps->p, "Unterminated \\g{...} pattern");
				return no_piece;
			}
			ps->p++;
			return make_reference(ps, PATTERN_BACKREF, name, 0);
		}
	}
	minus = peek(ps, 0) == '-';
	if (minus)
		ps->p++;
	if (at_end(ps) || !byte_is_digit(*ps->p)) {
		fail_at(ps, ps->p, "Unterminated \\g... pattern");
		return no_piece;
	}
	while (!at_end(ps) && byte_is_digit(*ps->p) && number < 100000)
		number = number * 10 + (*ps->p++ - '0');
	while (braces && peek(ps, 0) == ' ')
		ps->p++;
	if (braces && peek(ps, 0) != '}') {
		fail_at(ps, ps->p, "Unterminated \\g{...} pattern");
		return no_piece;
	}
	if (braces)
		ps->p++;
	if (minus)
		number = (long)ps->pattern->groups + 1 - number;
	if (number <= 0) {
		fail_at(ps, ps->p, "Reference to nonexistent or unclosed group");
		return no_piece;
	}
	return make_reference(ps, PATTERN_BACKREF, SLICE_NULL, number);
}

/* \1 .. : a reference, or an octal number when there are not so many groups yet. */
static struct piece
parse_numbered(struct parser *ps)
{
	const unsigned char *q = ps->p;
	long number = 0;

	if (*q == '0')
		return make_codepoint(ps, (unsigned long)take_octal(ps, 3));
	while (q < ps->end && byte_is_digit(*q) && number < 100000)
		number = number * 10 + (*q++ - '0');
	if (number > 9 && number > (long)ps->pattern->groups && *ps->p < '8')
		return make_codepoint(ps, (unsigned long)take_octal(ps, 3));
	ps->p = q;
	return make_reference(ps, PATTERN_BACKREF, SLICE_NULL, number);
}

/* \R: CRLF as one, never given back; \X likewise, any other single byte. */
static struct piece
make_newline(struct parser *ps, bool any)
{
	struct piece cr = make_char(ps, '\r'), lf = make_char(ps, '\n'), one;
	struct byte_set set = {{0}};
	uint32_t cat = add_node(ps, PATTERN_CAT), alt = add_node(ps, PATTERN_ALT);

	byte_set_add_escape(&set, 'v', BYTE_D);
	if (any)
		memset(&set, 0xff, sizeof(set));
	one = make_class(ps, &set);
	if (ps->failed)
		return no_piece;
	node_of(ps, cr.node)->next = lf.node;
	node_of(ps, cat)->child = cr.node;
	node_of(ps, cat)->next = one.node;
	node_of(ps, alt)->child = cat;
	return make_group(ps, PATTERN_ATOMIC, (struct piece){alt, true});
}

static struct piece
parse_edge(struct parser *ps, bool negated)
{
	char buf[60];

	ps->p++;
	if (peek(ps, 0) == '{') {
		struct slice name = SLICE("");
		if (take_braces(ps, &name)) {
			snprintf(buf, sizeof(buf), "Using /u for '\\%c{%.*s}' instead of /aa",
			         negated ? 'B' : 'b', (int)(name.len > 20 ? 20 : name.len),
			         (const char *)name.data);
			fail_at(ps, ps->p, buf);
			return no_piece;
		}
	}
	if (ps->charset == BYTE_U)
		return make_assert(ps, negated ? PATTERN_NO_WORD_EDGE_U : PATTERN_WORD_EDGE_U);
	return make_assert(ps, negated ? PATTERN_NO_WORD_EDGE : PATTERN_WORD_EDGE);
}

static struct piece
parse_name_reference(struct parser *ps)
{
	int open = peek(ps, 0);
	struct slice name;

	if (open != '<' && open != '{' && open != '\'') {
		fail_at(ps, ps->p, "Sequence \\k... not terminated");
		return no_piece;
	}
	ps->p++;
	while (open == '{' && peek(ps, 0) == ' ')
		ps->p++;
	const unsigned char *begin = ps->p;
	while (!at_end(ps) && byte_is_word(*ps->p))
		ps->p++;
	name = slice_between(begin, ps->p);
	while (open == '{' && peek(ps, 0) == ' ')
		ps->p++;
	if (name.len == 0 || peek(ps, 0) != (open == '<' ? '>' : open == '{' ? '}' : '\'')) {
		fail_at(ps, ps->p, "Sequence \\k<... not terminated");
		return no_piece;
	}
	struct piece out = make_reference(ps, PATTERN_BACKREF, name, 0);
	ps->p++;
	return out;
}

static struct piece
parse_escape(struct parser *ps)
{
	struct byte_set set = {{0}};
	unsigned char c;
	long value;

	if (at_end(ps)) {
		fail_plain(ps, "Trailing \\");
		return no_piece;
	}
	c = *ps->p;
	switch (c) {
	case 'b':
	case 'B':
		return parse_edge(ps, c == 'B');
	case 'A':
		ps->p++;
		return make_assert(ps, PATTERN_BOL);
	case 'Z':
		ps->p++;
		return make_assert(ps, PATTERN_EOL);
	case 'z':
		ps->p++;
		return make_assert(ps, PATTERN_EOS);
	case 'G':
		ps->p++;
		return make_assert(ps, PATTERN_START);
	case 'K':
		ps->p++;
		if (ps->behind > 0)
			fail_at(ps, ps->p, "\\K not permitted in lookahead/lookbehind");
		return make_assert(ps, PATTERN_KEEP);
	case 'R':
	case 'X':
		ps->p++;
		return make_newline(ps, c == 'X');
	case 'k':
		ps->p++;
		return parse_name_reference(ps);
	case 'g':
		ps->p++;
		return parse_g_reference(ps);
	case 'p':
	case 'P':
		take_property(ps, &set);
		return make_class(ps, &set);
	case 'N':
		ps->p++;
		value = take_named_char(ps);
		if (value >= 0)
			return make_codepoint(ps, (unsigned long)value);
		byte_set_add_escape(&set, 'N', ps->charset);
		return make_class(ps, &set);
	default:
		break;
	}
	if (byte_is_digit(c))
		return parse_numbered(ps);
	if (c != '\0' && strchr("dDwWsShHvV", c) != NULL) {
		ps->p++;
		byte_set_add_escape(&set, c, ps->charset);
		return make_class(ps, &set);
	}
	value = take_char_escape(ps);
	if (value < 0) {
		fail_escape(ps, "");
		return no_piece;
	}
	return make_codepoint(ps, (unsigned long)value);
}

/* A count in braces at p, if it is one: {n} {n,} {n,m} {,m}, blanks allowed. */
static const unsigned char *
parse_counts(const struct parser *ps, unsigned long *min_r, unsigned long *max_r)
{
	const unsigned char *q = ps->p + 1;
	unsigned long n[2] = {0, 0};
	bool have[2] = {false, false}, comma = false;

	for (int i = 0; i < 2; i++) {
		while (q < ps->end && (*q == ' ' || *q == '\t'))
			q++;
		for (; q < ps->end && byte_is_digit(*q); q++) {
			have[i] = true;
			if (n[i] < 10000000)
				n[i] = n[i] * 10 + (unsigned long)(*q - '0');
		}
		while (q < ps->end && (*q == ' ' || *q == '\t'))
			q++;
		if (i == 0) {
			if (q >= ps->end || *q != ',')
				break;
			comma = true;
			q++;
		}
	}
	if (q >= ps->end || *q != '}' || (!have[0] && !have[1]))
		return NULL;
	*min_r = n[0];
	*max_r = !comma ? n[0] : have[1] ? n[1] : PATTERN_INFINITE;
	if ((have[1] && n[1] >= PATTERN_INFINITE) || n[0] >= PATTERN_INFINITE)
		*max_r = *min_r = PATTERN_INFINITE + 1UL;
	return q + 1;
}

/* The quantifier at p; false: none. */
static bool
take_quantifier(struct parser *ps, unsigned *min_r, unsigned *max_r, enum pattern_greed *greed_r)
{
	int c = peek(ps, 0);
	unsigned long min = 0, max = PATTERN_INFINITE;

	if (c == '{') {
		const unsigned char *after = parse_counts(ps, &min, &max);
		if (after == NULL)
			return false;
		if (max > PATTERN_INFINITE) {
			while (!at_end(ps) && *ps->p != '}')
				ps->p++;
			fail_at(ps, ps->p, "Quantifier in {,} bigger than 65534");
			return false;
		}
		ps->p = after;
		if (min > max) {
			fail_at(ps, ps->p, "Quantifier {n,m} with n > m can't match");
			return false;
		}
	} else if (c == '*' || c == '+' || c == '?') {
		ps->p++;
		min = c == '+';
		max = c == '?' ? 1 : PATTERN_INFINITE;
	} else {
		return false;
	}
	*min_r = (unsigned)min;
	*max_r = (unsigned)max;
	*greed_r = PATTERN_GREEDY;
	if (peek(ps, 0) == '?' || peek(ps, 0) == '+')
		*greed_r = *ps->p++ == '?' ? PATTERN_LAZY : PATTERN_POSSESSIVE;
	return true;
}

static struct piece
parse_quantified(struct parser *ps, struct piece atom, const unsigned char *atom_begin,
                 bool *quantified_r)
{
	const unsigned char *begin;
	enum pattern_greed greed;
	unsigned min, max;
	unsigned long n, m;
	uint32_t r;

	skip_ignored(ps);
	begin = ps->p;
	if (ps->failed || !take_quantifier(ps, &min, &max, &greed))
		return atom;
	*quantified_r = true;
	if (!atom.has_width && max == PATTERN_INFINITE) {
		char buf[120];
		snprintf(buf, sizeof(buf), "%.*s matches null string many times",
		         (int)(ps->p - atom_begin > 80 ? 80 : ps->p - atom_begin),
		         (const char *)atom_begin);
		fail_at(ps, ps->p, buf);
		return no_piece;
	}
	skip_ignored(ps);
	if (peek(ps, 0) == '*' || peek(ps, 0) == '+' || peek(ps, 0) == '?' ||
	    (peek(ps, 0) == '{' && parse_counts(ps, &n, &m) != NULL)) {
		fail_at(ps, ps->p + 1, "Nested quantifiers");
		return no_piece;
	}
	r = add_node(ps, PATTERN_REPEAT);
	node_of(ps, r)->value = (uint16_t)greed;
	node_of(ps, r)->min = min;
	node_of(ps, r)->max = max;
	node_of(ps, r)->child = atom.node;
	return (struct piece){r, atom.has_width || (begin < ps->end && *begin == '*')};
}

static struct piece
parse_atom(struct parser *ps, bool in_run, bool *inline_r)
{
	struct byte_set set = {{0}};
	unsigned char c = *ps->p;
	unsigned long n, m;

	switch (c) {
	case '(':
		ps->p++;
		return parse_group(ps, ps->p - 1, inline_r);
	case '[':
		ps->p++;
		if (looks_like_posix(ps)) {
			while (!at_end(ps) && *ps->p != ']')
				ps->p++;
			fail_at(ps, ps->p + 1,
			        "POSIX syntax [: :] belongs inside character classes");
			return no_piece;
		}
		return parse_class(ps);
	case '.':
		ps->p++;
		if ((ps->flags & FLAG_S) != 0)
			memset(&set, 0xff, sizeof(set));
		else
			byte_set_add_escape(&set, 'N', ps->charset);
		return make_class(ps, &set);
	case '^':
		ps->p++;
		return make_assert(ps, (ps->flags & FLAG_M) != 0 ? PATTERN_BOL_LINES : PATTERN_BOL);
	case '$':
		ps->p++;
		return make_assert(ps, (ps->flags & FLAG_M) != 0 ? PATTERN_EOL_LINES : PATTERN_EOL);
	case '\\':
		ps->p++;
		return parse_escape(ps);
	case '*':
	case '+':
	case '?':
		fail_at(ps, ps->p + 1, "Quantifier follows nothing");
		return no_piece;
	case '{':
		if (in_run || (ps->p > ps->start && byte_is_alpha(ps->p[-1]) &&
		               parse_counts(ps, &n, &m) == NULL)) {
			fail_at(ps, ps->p + 1, "Unescaped left brace in regex is passed through");
			return no_piece;
		}
		break;
	default:
		break;
	}
	ps->p++;
	return make_char(ps, c);
}

static struct piece
parse_sequence(struct parser *ps)
{
	uint32_t first = 0, last = 0, cat;
	bool has_width = false, run = false;

	for (;;) {
		bool is_inline = false, quantified = false;
		const unsigned char *begin;
		struct piece piece;

		skip_ignored(ps);
		if (ps->failed || at_end(ps) || *ps->p == '|' || *ps->p == ')')
			break;
		begin = ps->p;
		piece = parse_atom(ps, run, &is_inline);
		if (ps->failed)
			return no_piece;
		if (is_inline) {
			run = false;
			continue;
		}
		run = node_of(ps, piece.node)->kind == PATTERN_CHAR;
		piece = parse_quantified(ps, piece, begin, &quantified);
		if (ps->failed)
			return no_piece;
		run = run && !quantified && begin < ps->p;
		has_width |= piece.has_width;
		if (last != 0)
			node_of(ps, last)->next = piece.node;
		else
			first = piece.node;
		last = piece.node;
	}
	if (ps->failed)
		return no_piece;
	if (first == 0)
		return (struct piece){add_node(ps, PATTERN_EMPTY), false};
	if (first == last)
		return (struct piece){first, has_width};
	cat = add_node(ps, PATTERN_CAT);
	node_of(ps, cat)->child = first;
	return (struct piece){cat, has_width};
}

static struct piece
parse_alternatives(struct parser *ps, bool reset)
{
	unsigned groups = ps->pattern->groups, most = groups;
	struct piece out = parse_sequence(ps);
	uint32_t alt, last = out.node;

	if (ps->failed || peek(ps, 0) != '|')
		return out;
	alt = add_node(ps, PATTERN_ALT);
	node_of(ps, alt)->child = out.node;
	while (!ps->failed && peek(ps, 0) == '|') {
		struct piece branch;

		ps->p++;
		if (reset) {
			most = ps->pattern->groups > most ? ps->pattern->groups : most;
			ps->pattern->groups = groups;
		}
		branch = parse_sequence(ps);
		if (ps->failed)
			return no_piece;
		out.has_width |= branch.has_width;
		node_of(ps, last)->next = branch.node;
		last = branch.node;
	}
	if (reset && most > ps->pattern->groups)
		ps->pattern->groups = most;
	out.node = alt;
	return out;
}

/* Numbers and names that are referred to must be there. */
static void
check_references(struct parser *ps)
{
	const struct pattern *pattern = ps->pattern;

	for (size_t i = 1; i < pattern->nodes.count && !ps->failed; i++) {
		const struct pattern_node *node = &pattern->nodes.items[i];
		bool named = node->value == 1, found = false;

		if (node->kind == PATTERN_COND) {
			named = node->value == PATTERN_COND_NAME;
			if (node->value != PATTERN_COND_NAME)
				continue;
		} else if (node->kind != PATTERN_BACKREF && node->kind != PATTERN_RECURSE) {
			continue;
		}
		if (!named) {
			if (node->min > pattern->groups)
				fail_at(ps, ps->start + node->max,
				        "Reference to nonexistent group");
			continue;
		}
		for (size_t k = 0; k < pattern->names.count && !found; k++)
			found = slice_eq(pattern->names.items[k].name,
			                 pattern->referred.items[node->min]);
		if (!found)
			fail_at(ps, ps->start + node->max, "Reference to nonexistent named group");
	}
}

struct pattern *
pattern_parse(struct arena *arena, struct slice text, struct error *error)
{
	struct parser ps = {.start = text.data, .p = text.data, .error = error};
	struct pattern *pattern = arena_new(arena, struct pattern);

	if (text.data == NULL)
		ps.start = ps.p = (const unsigned char *)"";
	ps.end = ps.start + text.len;
	if (pattern == NULL) {
		fail_memory(&ps);
		return NULL;
	}
	pattern->arena = arena;
	pattern->text = text;
	ps.pattern = pattern;
	ps.charset = BYTE_AA;
	add_node(&ps, PATTERN_EMPTY); /* index 0 means none */
	if (!ps.failed)
		pattern->root = parse_alternatives(&ps, false).node;
	if (!ps.failed && !at_end(&ps))
		fail_at(&ps, ps.p + 1, "Unmatched )");
	if (!ps.failed)
		check_references(&ps);
	return ps.failed ? NULL : pattern;
}
