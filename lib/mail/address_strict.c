/*
 * address_strict.c - addresses by the grammar of RFC 5322
 *
 * Every scan function leaves the cursor behind what it read and the blanks and comments after that.
 */
#include "mail/address_strict.h"

#include "mail/registry.h"
#include "util/strbuf.h"

/* How a piece ended. */
enum scan {
	SCAN_MORE, /* fine, there is more text */
	SCAN_END,  /* fine, nothing follows */
	SCAN_ODD,  /* readable, but against the grammar */
	SCAN_BAD
};

struct scanner {
	struct arena *arena;
	struct slice text;
	size_t at;
	struct strbuf comment; /* the last one */
	/* the address being read */
	struct slice name, mailbox, domain, last_comment;
	bool invalid;
	address_vec *addresses;
	bool spent;
};

static bool
at_end(const struct scanner *s)
{
	return s->at >= s->text.len;
}

/* 0 at the end: never a byte that the callers look for. */
static unsigned char
peek(const struct scanner *s)
{
	return at_end(s) ? 0 : s->text.data[s->at];
}

static bool
peek_is(const struct scanner *s, unsigned char c)
{
	return !at_end(s) && s->text.data[s->at] == c;
}

static bool
is_atext(unsigned char c)
{
	return c >= 0x80 || byte_is_alnum(c) ||
	       (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_good(enum scan scan)
{
	return scan == SCAN_MORE || scan == SCAN_ODD;
}

static enum scan
comment_skip(struct scanner *s)
{
	unsigned level = 1;
	size_t sure = 0; /* what stays when no ")" comes */

	s->comment.len = 0;
	for (s->at++; !at_end(s); s->at++) {
		unsigned char c = s->text.data[s->at];

		if (c == '\0')
			break;
		if (c == '(')
			level++;
		if (c == ')' && --level == 0) {
			s->at++;
			return at_end(s) ? SCAN_END : SCAN_MORE;
		}
		if (c == '\\') {
			if (++s->at >= s->text.len)
				break;
			c = s->text.data[s->at];
			sure = s->comment.len;
		} else if (c == '\n') {
			if (s->comment.len > 0 && s->comment.data[s->comment.len - 1] == '\r')
				s->comment.len--;
			sure = s->comment.len;
			continue;
		}
		strbuf_add_byte(&s->comment, c);
	}
	s->comment.len = sure;
	return SCAN_BAD;
}

static enum scan
blanks_skip(struct scanner *s)
{
	while (!at_end(s)) {
		unsigned char c = s->text.data[s->at];

		if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
			s->at++;
		else if (c != '(')
			return SCAN_MORE;
		else if (comment_skip(s) == SCAN_BAD)
			return SCAN_BAD;
	}
	return SCAN_END;
}

static size_t
atext_skip(struct scanner *s, bool dots)
{
	size_t start = s->at;

	while (!at_end(s) && (is_atext(peek(s)) || (dots && peek(s) == '.')))
		s->at++;
	return start;
}

/* Atoms and dots with blanks around the dots; stop_at_dot: a trailing dot is left unread. */
static enum scan
dot_atom_scan(struct scanner *s, struct strbuf *out, bool stop_at_dot)
{
	size_t last_dot = s->at, start;
	bool after_dot = false, odd = false;
	enum scan scan;

	if (!is_atext(peek(s)))
		return SCAN_BAD;
	for (;;) {
		start = atext_skip(s, false);
		strbuf_add(out, slice_sub(s->text, start, s->at - start));
		if (s->at > start)
			after_dot = false;
		if (at_end(s))
			return odd ? SCAN_ODD : SCAN_END;
		scan = blanks_skip(s);
		if (scan != SCAN_MORE)
			return odd && scan != SCAN_BAD ? SCAN_ODD : scan;
		if (!peek_is(s, '.')) {
			if (after_dot && stop_at_dot) {
				s->at = last_dot;
				return odd ? SCAN_ODD : SCAN_MORE;
			}
			return after_dot || odd ? SCAN_ODD : SCAN_MORE;
		}
		odd |= after_dot;
		last_dot = s->at++;
		strbuf_add_byte(out, '.');
		after_dot = true;
		if (blanks_skip(s) != SCAN_MORE)
			return odd ? SCAN_ODD : SCAN_MORE;
	}
}

static enum scan
quoted_scan(struct scanner *s, struct strbuf *out)
{
	bool odd = false;
	enum scan scan;

	for (s->at++; !at_end(s); s->at++) {
		unsigned char c = s->text.data[s->at];

		if (c == '"') {
			s->at++;
			scan = blanks_skip(s);
			return odd && scan != SCAN_BAD ? SCAN_ODD : scan;
		}
		if (c == '\\') {
			if (++s->at >= s->text.len)
				return SCAN_BAD;
			c = s->text.data[s->at];
		} else if (c == '\0' ||
		           (c == '\r' && s->at + 1 < s->text.len &&
		            s->text.data[s->at + 1] != '\n') ||
		           (c == '\n' && s->text.data[s->at - 1] != '\r')) {
			odd = true;
		}
		strbuf_add_byte(out, c);
	}
	return SCAN_BAD;
}

static enum scan
phrase_scan(struct scanner *s, struct strbuf *out)
{
	bool odd = false;
	enum scan scan;

	if (at_end(s))
		return SCAN_END;
	if (peek(s) == '.')
		return SCAN_BAD;
	for (;;) {
		if (peek_is(s, '"')) {
			scan = quoted_scan(s, out);
		} else {
			size_t start = atext_skip(s, true);

			strbuf_add(out, slice_sub(s->text, start, s->at - start));
			scan = at_end(s) ? SCAN_END : blanks_skip(s);
		}
		if (!is_good(scan))
			return odd && scan == SCAN_END ? SCAN_ODD : scan;
		if (scan == SCAN_ODD) {
			odd = true;
			if (at_end(s))
				return SCAN_ODD;
		}
		if (!is_atext(peek(s)) && peek(s) != '"' && peek(s) != '.')
			break;
		strbuf_add_byte(out, ' ');
	}
	scan = blanks_skip(s);
	return odd && scan != SCAN_BAD ? SCAN_ODD : scan;
}

static enum scan
domain_literal_scan(struct scanner *s, struct strbuf *out)
{
	strbuf_add_byte(out, '[');
	for (s->at++; !at_end(s); s->at++) {
		unsigned char c = s->text.data[s->at];

		if (c == '\0' || c == '[')
			return SCAN_BAD;
		if (c == '\n') {
			if (out->len > 0 && out->data[out->len - 1] == '\r')
				out->len--;
			continue;
		}
		strbuf_add_byte(out, c);
		if (c == ']') {
			s->at++;
			return blanks_skip(s);
		}
		if (c == '\\') {
			if (++s->at >= s->text.len)
				return SCAN_BAD;
			strbuf_add_byte(out, s->text.data[s->at]);
		}
	}
	return SCAN_BAD;
}

/* From the "@". */
static enum scan
domain_scan(struct scanner *s, struct strbuf *out)
{
	s->at++;
	if (blanks_skip(s) != SCAN_MORE)
		return SCAN_BAD;
	return peek(s) == '[' ? domain_literal_scan(s, out) : dot_atom_scan(s, out, false);
}

static struct slice
taken(struct strbuf *out)
{
	return out->len == 0 ? SLICE("") : strbuf_slice(out);
}

static enum scan
local_part_read(struct scanner *s)
{
	struct strbuf out;
	enum scan scan = SCAN_BAD;
	bool odd = false;

	strbuf_init(&out, s->arena, 0);
	while (!at_end(s)) {
		scan = peek(s) == '"' ? quoted_scan(s, &out) : dot_atom_scan(s, &out, true);
		if (scan == SCAN_BAD)
			return SCAN_BAD;
		odd |= scan == SCAN_ODD;
		if (at_end(s) || (scan = blanks_skip(s)) != SCAN_MORE || peek(s) != '.')
			break;
		s->at++;
		if (at_end(s)) {
			odd = true;
			break;
		}
		if ((scan = blanks_skip(s)) != SCAN_MORE)
			break;
		if (peek(s) == '@') {
			odd = true;
			break;
		}
	}
	if (odd || scan == SCAN_BAD || scan == SCAN_ODD)
		s->invalid = true;
	s->mailbox = taken(&out);
	return scan;
}

static enum scan
domain_read(struct scanner *s)
{
	struct strbuf out;
	enum scan scan;

	strbuf_init(&out, s->arena, 0);
	scan = domain_scan(s, &out);
	if (scan != SCAN_BAD)
		s->domain = taken(&out);
	return scan;
}

/* "@a,@b:" before an address: read and dropped. */
static enum scan
route_read(struct scanner *s)
{
	struct strbuf out;
	bool odd = false;
	enum scan scan;

	strbuf_init(&out, s->arena, 0);
	for (;;) {
		if (at_end(s))
			return odd ? SCAN_ODD : SCAN_END;
		if (peek(s) != '@')
			return odd ? SCAN_ODD : SCAN_MORE;
		scan = domain_scan(s, &out);
		if (!is_good(scan))
			return scan;
		odd |= scan == SCAN_ODD;
		while (blanks_skip(s) == SCAN_MORE && peek(s) == ',')
			s->at++;
	}
}

static enum scan
angle_read(struct scanner *s)
{
	enum scan scan;

	s->at++;
	if (blanks_skip(s) != SCAN_MORE)
		return SCAN_BAD;
	if (peek(s) == '@') {
		scan = route_read(s);
		if (scan == SCAN_MORE && peek_is(s, ':')) {
			s->at++;
		} else {
			s->invalid = true;
			if (at_end(s))
				return SCAN_BAD;
			if (scan == SCAN_ODD)
				s->at++;
		}
		if (blanks_skip(s) != SCAN_MORE)
			return SCAN_BAD;
	}
	if (peek(s) != '>') {
		scan = local_part_read(s);
		if (!is_good(scan))
			return SCAN_BAD;
		if (at_end(s))
			return SCAN_END;
		if (peek(s) == '@') {
			scan = domain_read(s);
			if (!is_good(scan))
				return SCAN_BAD;
			s->invalid |= scan == SCAN_ODD;
			if (at_end(s))
				return SCAN_END;
		}
	}
	if (peek(s) != '>')
		return SCAN_BAD;
	s->at++;
	return blanks_skip(s);
}

static void
comment_take(struct scanner *s)
{
	if (s->comment.len > 0)
		s->last_comment = arena_dup(s->arena, strbuf_slice(&s->comment));
}

static enum scan
name_addr_read(struct scanner *s)
{
	struct strbuf name;
	enum scan scan;

	strbuf_init(&name, s->arena, 0);
	scan = phrase_scan(s, &name);
	if (!is_good(scan) || !peek_is(s, '<'))
		return SCAN_BAD;
	s->invalid |= scan == SCAN_ODD;
	s->name = name.len == 0 ? SLICE_NULL : strbuf_slice(&name);
	s->comment.len = 0;
	if (angle_read(s) == SCAN_BAD)
		s->invalid = true;
	comment_take(s);
	return at_end(s) ? SCAN_END : SCAN_MORE;
}

static enum scan
addr_spec_read(struct scanner *s)
{
	enum scan scan, domain;

	s->comment.len = 0;
	scan = local_part_read(s);
	if (scan != SCAN_MORE)
		s->invalid = true;
	if (scan != SCAN_END && peek_is(s, '@')) {
		domain = domain_read(s);
		if (domain != SCAN_MORE && scan != SCAN_ODD)
			scan = domain;
		if (domain == SCAN_ODD) {
			s->invalid = true;
			if (at_end(s))
				scan = SCAN_END;
		}
	}
	comment_take(s);
	return scan;
}

/* Turns what was read into an address as the reference reports it. */
static void
address_finish(struct scanner *s)
{
	struct address a = {.phrase = s->name, .comment = s->last_comment};

	if (s->mailbox.data == NULL || s->domain.len == 0)
		s->invalid = true;
	if (s->mailbox.len > 0)
		a.user = s->mailbox;
	if (s->domain.len > 0)
		a.host = s->domain;
	a.invalid = s->invalid || a.user.data == NULL || a.host.data == NULL;
	if (vec_push(s->arena, s->addresses, a) == NULL)
		s->spent = true;
	s->name = s->mailbox = s->domain = s->last_comment = SLICE_NULL;
	s->invalid = false;
}

static enum scan
mailbox_read(struct scanner *s)
{
	size_t start = s->at;
	enum scan scan = name_addr_read(s);

	if (scan == SCAN_BAD) {
		s->name = s->mailbox = s->domain = s->last_comment = SLICE_NULL;
		s->at = start;
		scan = addr_spec_read(s);
		if (s->invalid && s->mailbox.data != NULL && s->domain.data == NULL) {
			s->name = s->mailbox;
			s->mailbox = SLICE_NULL;
		}
	}
	s->invalid |= scan == SCAN_BAD || scan == SCAN_ODD;
	address_finish(s);
	return scan;
}

/* SCAN_BAD: no group begins here. */
static enum scan
group_read(struct scanner *s)
{
	struct strbuf name;
	enum scan scan;

	strbuf_init(&name, s->arena, 0);
	scan = phrase_scan(s, &name);
	if (!is_good(scan) || !peek_is(s, ':'))
		return SCAN_BAD;
	s->at++;
	scan = blanks_skip(s);
	if (scan == SCAN_MORE && peek(s) != ';') {
		for (;;) {
			(void)mailbox_read(s);
			if (!peek_is(s, ',') || s->spent)
				break;
			s->at++;
			if (blanks_skip(s) != SCAN_MORE) {
				scan = SCAN_BAD;
				break;
			}
		}
	}
	if (scan != SCAN_BAD) {
		if (!peek_is(s, ';'))
			return SCAN_MORE;
		s->at++;
		scan = blanks_skip(s);
	}
	s->invalid = false;
	return scan == SCAN_END ? SCAN_END : SCAN_MORE;
}

static void
list_read(struct scanner *s)
{
	while (s->addresses->count < ADDRESS_MAX && !s->spent) {
		size_t start = s->at;
		enum scan scan = group_read(s);
		bool is_group = scan != SCAN_BAD;

		if (!is_group) {
			s->at = start;
			scan = mailbox_read(s);
		}
		if (scan == SCAN_END)
			return;
		if (!peek_is(s, ',')) {
			if (s->addresses->count > 0 && !is_group)
				s->addresses->items[s->addresses->count - 1].invalid = true;
			return;
		}
		s->at++;
		scan = blanks_skip(s);
		if (scan == SCAN_BAD)
			address_finish(s);
		if (scan != SCAN_MORE)
			return;
	}
}

/* The user part in quotes where it is no dot-atom. */
static void
add_user(struct strbuf *out, struct slice user)
{
	bool bare = user.data[0] != '.' && user.data[user.len - 1] != '.';

	for (size_t i = 0; i < user.len; i++)
		if (!is_atext(user.data[i]) && (!bare || user.data[i] != '.')) {
			strbuf_add_byte(out, '"');
			for (i = 0; i < user.len; i++) {
				if (user.data[i] == 0 || strchr("\"\\\t\n\r", user.data[i]) != NULL)
					strbuf_add_byte(out, '\\');
				strbuf_add_byte(out, user.data[i]);
			}
			strbuf_add_byte(out, '"');
			return;
		}
	strbuf_add(out, user);
}

/* "user@host" in quotes and nothing else is an address after all. */
static bool
phrase_is_address(struct scanner *s, const struct address *a)
{
	struct slice p = a->phrase;
	size_t at = slice_find_byte(p, '@', 0);
	size_t quotes = 0;

	if (p.data == NULL || a->user.data != NULL || a->comment.data != NULL || at == SLICE_NPOS ||
	    at == 0 || at + 1 == p.len || slice_find_byte(p, '@', at + 1) != SLICE_NPOS)
		return false;
	for (size_t i = 0; i < p.len; i++) {
		quotes += p.data[i] == '"';
		if (byte_is_space(p.data[i]))
			return false;
	}
	return quotes != 1 && !slice_starts(p, SLICE("\"\"@")) &&
	       fqdn_is_valid(s->arena, idn_to_ascii(s->arena, slice_from(p, at + 1)), true);
}

static void
address_complete(struct scanner *s, struct address *a)
{
	if (phrase_is_address(s, a)) {
		size_t at = slice_find_byte(a->phrase, '@', 0);

		a->address = a->phrase;
		a->user = slice_sub(a->phrase, 0, at);
		a->host = slice_from(a->phrase, at + 1);
		a->phrase = SLICE_NULL;
		a->invalid = false;
	} else if (a->user.data != NULL && a->host.data != NULL) {
		struct strbuf out;

		strbuf_init(&out, s->arena, 0);
		add_user(&out, a->user);
		strbuf_add_byte(&out, '@');
		strbuf_add(&out, a->host);
		a->address = strbuf_slice(&out);
	}
	if (a->phrase.data == NULL)
		a->phrase = a->comment;
	if (a->phrase.data == NULL && a->address.data == NULL)
		a->phrase = s->text;
}

bool
address_strict_parse(struct arena *arena, struct slice text, address_vec *addresses_r)
{
	struct scanner s = {.arena = arena, .text = text, .addresses = addresses_r};

	*addresses_r = (address_vec){0};
	strbuf_init(&s.comment, arena, 0);
	if (blanks_skip(&s) == SCAN_MORE)
		list_read(&s);
	for (size_t i = 0; i < addresses_r->count; i++)
		address_complete(&s, &addresses_r->items[i]);
	return !s.spent;
}
