/*
 * template.c - patterns for header shapes
 *
 * Recursion is as deep as a template has repeating items (at most ten), whatever the text.  What
 * repeats gives back only to places where the byte that must follow stands, so that a match costs
 * little more than the text is long.
 */
#include "mail/template.h"

#include "net/addr.h"

struct matcher {
	struct slice text;
	struct template_match match;
};

static bool match_from(struct matcher *m, const char *t, size_t at);

static bool
is_word_at(struct slice s, size_t at)
{
	return at < s.len && byte_is_word(s.data[at]);
}

static bool
is_boundary(struct slice s, size_t at)
{
	return (at > 0 && is_word_at(s, at - 1)) != is_word_at(s, at);
}

/* May byte c be part of what %CODE takes? */
static bool
takes(char code, unsigned char c)
{
	switch (code) {
	case '#':
	case '9':
		return byte_is_digit(c);
	case '4':
	case ')':
	case 'N':
	case 'a':
	case 'x':
	case 't':
		return c != ')';
	case 'X':
		return c != ' ' && c != '(' && c != ')';
	case 'u':
		return !byte_is_space(c) && c != '@';
	case 'k':
		return c != '.';
	case ';':
		return !byte_is_space(c) && c != ';';
	case '*':
	case '?':
	case 's':
	case '5':
		return c != '\n';
	default:
		return !byte_is_space(c);
	}
}

static size_t
least(char code)
{
	return code != '\0' && strchr("H09DXx*?s45", code) != NULL ? 0 : code == 'a' ? 2 : 1;
}

static size_t
most(char code)
{
	return code == '4' ? 40 : code == '5' ? 100 : SLICE_NPOS;
}

static struct slice *
slot_of(struct matcher *m, char code)
{
	switch (code) {
	case 'h':
	case 'H':
	case 'x':
	case 'X':
		return &m->match.helo;
	case 'r':
	case 'q':
		return &m->match.rdns;
	case 'b':
	case 'y':
	case 'm':
		return &m->match.by;
	case 'd':
	case 'D':
		return &m->match.ident;
	case 'n':
	case 'N':
	case 'g':
		return &m->match.name;
	case 's':
	case 't':
	case 'M':
		return &m->match.sub;
	case 'i':
		return &m->match.ip;
	default:
		return NULL;
	}
}

/* Further demands on the whole of what was taken. */
static bool
accepts(char code, struct slice taken)
{
	size_t dot;

	switch (code) {
	case 'a':
		return byte_is_alpha(taken.data[0]);
	case 'q':
		dot = slice_find_byte(taken, '.', 1);
		return dot != SLICE_NPOS && dot + 1 < taken.len;
	case 'y':
		return taken.len > 10 && slice_ends(taken, SLICE(".yahoo.com"));
	case 'm':
		return taken.len > 16 && slice_ends(taken, SLICE(".hotmail.msn.com"));
	case 'g':
		return slice_eq(taken, SLICE("mail.gmx.net")) ||
		       slice_eq(taken, SLICE("mail.gmx.com"));
	default:
		return true;
	}
}

static bool
try_length(struct matcher *m, const char *rest, char code, size_t at, size_t len)
{
	struct slice taken = slice_sub(m->text, at, len), *slot = slot_of(m, code), old;

	if (!accepts(code, taken))
		return false;
	if (slot == NULL)
		return match_from(m, rest, at + len);
	old = *slot;
	*slot = taken;
	if (match_from(m, rest, at + len))
		return true;
	*slot = old;
	return false;
}

/* The byte that must follow a repetition, or -1 when it is no fixed one. */
static int
fixed_byte(const char *rest)
{
	return *rest == '\0' || *rest == '%' ? -1 : (unsigned char)*rest;
}

static bool
match_repeat(struct matcher *m, const char *rest, char code, size_t at)
{
	size_t min = least(code), limit = most(code), len = 0;
	int next = fixed_byte(rest);
	bool lazy = code == '?' || code == 's';

	while (at + len < m->text.len && len < limit && takes(code, m->text.data[at + len]))
		len++;
	if (len < min)
		return false;
	if (lazy) {
		for (size_t n = min; n <= len; n++) {
			if (next >= 0) {
				n = slice_find_byte(m->text, (unsigned char)next, at + n);
				if (n == SLICE_NPOS)
					return false;
				n -= at;
			}
			if (n <= len && try_length(m, rest, code, at, n))
				return true;
		}
		return false;
	}
	for (size_t n = len;; n--) {
		if ((next < 0 ||
		     (at + n < m->text.len && m->text.data[at + n] == (unsigned char)next)) &&
		    try_length(m, rest, code, at, n))
			return true;
		if (n == min)
			return false;
	}
}

static bool
match_address(struct matcher *m, const char *rest, char code, size_t at)
{
	size_t len =
		code == 'L' ? net_addr_scan_localhost(m->text, at) : net_addr_scan(m->text, at);

	return len > 0 && try_length(m, rest, code, at, len);
}

static bool
match_words(struct matcher *m, const char *rest, char code, size_t at)
{
	struct slice s = slice_from(m->text, at);

	if (code == 'E')
		return (slice_starts(s, SLICE("HELO")) || slice_starts(s, SLICE("EHLO"))) &&
		       match_from(m, rest, at + 4);
	if (slice_starts(s, SLICE("ESMTP")))
		return try_length(m, rest, code, at, 5);
	return slice_starts(s, SLICE("SMTP")) && try_length(m, rest, code, at, 4);
}

static bool
is_zone_byte(unsigned char c)
{
	return byte_is_upper(c) || byte_is_digit(c) || c == '.' || c == '_' || c == '~' || c == '-';
}

static bool
match_optional(struct matcher *m, const char *rest, char code, size_t at)
{
	const struct slice text = m->text;
	size_t end = at;

	if (code == 'z' && end < text.len && text.data[end] == '%') {
		end++;
		while (end < text.len && is_zone_byte(text.data[end]))
			end++;
	} else if (code == 'p' && end + 1 < text.len &&
	           (text.data[end] == '.' || text.data[end] == ':') &&
	           byte_is_digit(text.data[end + 1])) {
		end++;
		while (end < text.len && byte_is_digit(text.data[end]))
			end++;
	}
	return (end > at && match_from(m, rest, end)) || match_from(m, rest, at);
}

/* One "%" item; t points behind its letter. */
static bool
match_item(struct matcher *m, const char *t, char code, size_t at)
{
	switch (code) {
	case 'i':
	case 'I':
	case 'L':
		return match_address(m, t, code, at);
	case 'E':
	case 'M':
		return match_words(m, t, code, at);
	case 'z':
	case 'p':
		return match_optional(m, t, code, at);
	case 'w':
		return is_boundary(m->text, at) && match_from(m, t, at);
	case '$':
		return at == m->text.len && match_from(m, t, at);
	default:
		return match_repeat(m, t, code, at);
	}
}

static bool
match_from(struct matcher *m, const char *t, size_t at)
{
	for (; *t != '\0'; t++) {
		unsigned char c = (unsigned char)*t;

		if (c == '%' && t[1] == 'o') {
			t += 2;
			if (at < m->text.len && m->text.data[at] == (unsigned char)*t)
				at++;
			continue;
		}
		if (c == '%' && t[1] != '%')
			return match_item(m, t + 2, t[1], at);
		t += c == '%';
		if (at >= m->text.len || m->text.data[at] != (unsigned char)*t)
			return false;
		at++;
	}
	m->match.end = at;
	return true;
}

bool
template_match_at(const char *template, struct slice text, size_t at,
                  struct template_match *match_r)
{
	struct matcher m = {.text = text, .match = *match_r};

	if (!match_from(&m, template, at))
		return false;
	*match_r = m.match;
	return true;
}

bool
template_search(const char *template, struct slice text, size_t at, struct template_match *match_r)
{
	int first = fixed_byte(template);

	for (; at <= text.len; at++) {
		if (first >= 0) {
			at = slice_find_byte(text, (unsigned char)first, at);
			if (at == SLICE_NPOS)
				return false;
		}
		if (template_match_at(template, text, at, match_r))
			return true;
	}
	return false;
}
