/*
 * address.c - addresses, the relaxed way
 *
 * The reference does this with one large pattern that is applied to the front of the text again and
 * again. What that pattern prefers when it may choose (the last ">" that something sensible
 * follows, phrases in pieces) is kept; its backtracking is bounded by a budget of steps, past which
 * the rest of the text counts as unparsable.
 */
#include "mail/address.h"

#include "mail/address_strict.h"
#include "mail/registry.h"
#include "util/strbuf.h"

#define STEPS_PER_BYTE 16
#define STEPS_MORE 4096
#define ENCLOSURES_MAX 16

struct cursor {
	struct arena *arena;
	struct slice text;
	size_t at;
	size_t steps; /* left */
};

/* What one match gave; data NULL = group not set. */
struct match {
	struct slice phrase, enclosed, plain, words, comment;
	size_t end;
};

static bool
spend(struct cursor *c, size_t steps)
{
	if (c->steps < steps) {
		c->steps = 0;
		return false;
	}
	c->steps -= steps;
	return true;
}

static size_t
skip_space(struct cursor *c, size_t at)
{
	size_t start = at;

	while (at < c->text.len && byte_is_space(c->text.data[at]))
		at++;
	(void)spend(c, at - start);
	return at;
}

/* End of the quoted string that opens at `at`, behind its closing quote; 0 = it has none. */
static size_t
quoted_end(struct slice text, size_t at)
{
	for (size_t i = at + 1; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == '"')
			return i + 1;
	}
	return 0;
}

/* The same for "(...)" without nesting. */
static size_t
comment_end(struct slice text, size_t at)
{
	for (size_t i = at + 1; i < text.len; i++) {
		if (text.data[i] == '\\')
			i++;
		else if (text.data[i] == ')')
			return i + 1;
		else if (text.data[i] == '(')
			return 0;
	}
	return 0;
}

static bool
is_one_of(unsigned char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* user@host at `at`: its end, or 0. */
static size_t
mailbox_end(struct cursor *c, struct slice text, size_t at)
{
	size_t i = 0, start, digits;

	if (at < text.len && text.data[at] == '"') {
		i = quoted_end(text, at);
		(void)spend(c, i == 0 ? text.len - at : i - at);
		if (i != 0 && (i >= text.len || text.data[i] != '@'))
			i = 0;
	}
	if (i == 0) {
		i = at;
		while (i < text.len && !byte_is_space(text.data[i]) &&
		       !is_one_of(text.data[i], "@<>()[],:;"))
			i++;
		(void)spend(c, i - at);
		if (i == at || i >= text.len || text.data[i] != '@')
			return 0;
	}
	start = ++i;
	while (i < text.len && !byte_is_space(text.data[i]) &&
	       !is_one_of(text.data[i], "\"<>()[],:;"))
		i++;
	(void)spend(c, i - start);
	if (i > start)
		return i;
	if (i >= text.len || text.data[i] != '[')
		return 0;
	digits = ++i;
	while (i < text.len &&
	       (byte_is_digit(text.data[i]) || text.data[i] == ':' || text.data[i] == '.'))
		i++;
	(void)spend(c, i - digits);
	return i > digits && i < text.len && text.data[i] == ']' ? i + 1 : 0;
}

/* Optional comment, then a comma, semicolon or the end. */
static bool
tail_match(struct cursor *c, size_t at, struct match *match)
{
	struct slice text = c->text;

	match->comment = SLICE_NULL;
	if (!spend(c, 1))
		return false;
	at = skip_space(c, at);
	if (at < text.len && text.data[at] == '(') {
		size_t end = comment_end(text, at);

		(void)spend(c, end == 0 ? 8 : end - at);
		if (end == 0)
			return false;
		match->comment = slice_sub(text, at + 1, end - at - 2);
		at = skip_space(c, end);
	}
	if (at < text.len && text.data[at] != ',' && text.data[at] != ';')
		return false;
	match->end = at < text.len ? at + 1 : at;
	return true;
}

static bool angle_tail(struct cursor *c, size_t at, unsigned depth, struct match *match);

/*
 * From `from` on (non-blank bytes): tries the ends that a greedy \S+ and then blanks and ">" allow,
 * longest first.  *stop_r: the ">" that was taken.
 */
static bool
run_close(struct cursor *c, size_t from, unsigned depth, struct match *match, size_t *stop_r)
{
	struct slice text = c->text;
	size_t end = from, after;

	while (end < text.len && !byte_is_space(text.data[end]))
		end++;
	if (end == from || !spend(c, end - from))
		return false;
	after = skip_space(c, end);
	if (after < text.len && text.data[after] == '>' && angle_tail(c, after + 1, depth, match)) {
		*stop_r = end;
		return true;
	}
	for (size_t i = end; i-- > from + 1;)
		if (text.data[i] == '>' && angle_tail(c, i + 1, depth, match)) {
			*stop_r = i;
			return true;
		}
	return false;
}

/* After "<...>": more of them are skipped. */
static bool
angle_tail(struct cursor *c, size_t at, unsigned depth, struct match *match)
{
	struct slice text = c->text;
	size_t next = skip_space(c, at), stop, quoted;

	if (next >= text.len || text.data[next] != '<')
		return tail_match(c, at, match);
	if (depth >= ENCLOSURES_MAX || !spend(c, 1))
		return false;
	next = skip_space(c, next + 1);
	if (next < text.len && text.data[next] == '"') {
		quoted = quoted_end(text, next);
		(void)spend(c, quoted == 0 ? text.len - next : quoted - next);
		if (quoted != 0 && run_close(c, quoted, depth + 1, match, &stop))
			return true;
	}
	if (run_close(c, next, depth + 1, match, &stop))
		return true;
	return next < text.len && text.data[next] == '>' &&
	       angle_tail(c, next + 1, depth + 1, match);
}

/* "<...>" whose "<" is at `at`. */
static bool
enclosed_match(struct cursor *c, size_t at, struct match *match)
{
	struct slice text = c->text;
	size_t begin = skip_space(c, at + 1), mark, stop, last;

	mark = slice_find_any(text, ">@", begin);
	if (mark == SLICE_NPOS) {
		(void)spend(c, text.len - begin);
		return false;
	}
	(void)spend(c, mark - begin);
	if (run_close(c, mark, 0, match, &stop)) {
		match->enclosed = slice_sub(text, begin, stop - begin);
		return true;
	}
	if (text.data[mark] != '>')
		return false;
	last = mark;
	while (last > begin && byte_is_space(text.data[last - 1]))
		last--;
	if (!angle_tail(c, mark + 1, 0, match))
		return false;
	match->enclosed = slice_sub(text, begin, last - begin);
	return true;
}

/* One piece of a phrase at `at`: a quoted string or a run without quotes and separators; 0 = none.
 */
static size_t
piece_end(struct cursor *c, size_t at)
{
	struct slice text = c->text;
	size_t end;

	if (at >= text.len)
		return 0;
	if (text.data[at] == '"') {
		end = quoted_end(text, at);
		(void)spend(c, end == 0 ? text.len - at : end - at);
		return end;
	}
	end = slice_find_any(text, "\",;<", at);
	if (end == SLICE_NPOS)
		end = text.len;
	(void)spend(c, end - at);
	return end == at ? 0 : end;
}

/* Words that end in a separator: the longest that do. */
static bool
words_match(struct cursor *c, size_t at, size_t end, struct match *match)
{
	size_t piece, before = at;

	if (end > at && tail_match(c, end, match)) {
		match->words = slice_sub(c->text, at, end - at);
		return true;
	}
	/* Shorter: only the start of a piece can be followed by a comment and a separator. */
	for (size_t i = at; i < end && (piece = piece_end(c, i)) != 0 && piece <= end; i = piece) {
		struct match tried = *match;

		if (i > at && tail_match(c, i, &tried)) {
			before = i;
			*match = tried;
			break;
		}
	}
	if (before == at)
		return false;
	match->words = slice_sub(c->text, at, before - at);
	return true;
}

static bool
address_match(struct cursor *c, struct match *match)
{
	struct slice text = c->text;
	size_t at = skip_space(c, c->at), end = at, piece, next;

	*match = (struct match){0};
	while ((piece = piece_end(c, end)) != 0)
		end = piece;
	next = skip_space(c, end);
	if (next < text.len && text.data[next] == '<' && enclosed_match(c, next, match)) {
		if (end > at)
			match->phrase = slice_sub(text, at, end - at);
		return true;
	}
	next = mailbox_end(c, text, at);
	if (next != 0 && tail_match(c, next, match)) {
		match->plain = slice_sub(text, at, next - at);
		return true;
	}
	if (words_match(c, at, end, match))
		return true;
	/* A lone blank before a separator is a phrase too. */
	if (at > c->at && at <= text.len && tail_match(c, at, match)) {
		match->words = slice_sub(text, at - 1, 1);
		return true;
	}
	return false;
}

static bool
mailbox_is_whole(struct cursor *c, struct slice text)
{
	size_t end = mailbox_end(c, text, 0);

	return end != 0 && (end == text.len || (end + 1 == text.len && text.data[end] == '\n'));
}

/* Small parsing mistakes that make an address none. */
static bool
quotes_are_sane(struct slice text)
{
	size_t quotes = 0;

	for (size_t i = 0; i < text.len; i++)
		quotes += text.data[i] == '"';
	return !slice_starts(text, SLICE("\"\"@")) && quotes != 1;
}

/* Appends text without its comments. */
static void
add_without_comments(struct strbuf *out, struct slice text)
{
	bool open = true; /* a "(" without ")" behind it is looked for once */

	for (size_t i = 0; i < text.len; i++) {
		size_t end = 0;

		if (text.data[i] == '(' && open) {
			end = comment_end(text, i);
			if (end == 0 && slice_find_any(text, "()", i + 1) == SLICE_NPOS)
				open = false;
		}
		if (end != 0)
			i = end - 1;
		else
			strbuf_add_byte(out, text.data[i]);
	}
}

static struct slice
without_comments(struct arena *arena, struct slice text)
{
	struct strbuf out;

	if (!slice_has_byte(text, '('))
		return text;
	strbuf_init(&out, arena, 0);
	add_without_comments(&out, text);
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* Quotes and comments removed. */
static struct slice
phrase_clean(struct arena *arena, struct slice phrase)
{
	struct strbuf out;
	size_t i = 0;

	strbuf_init(&out, arena, 0);
	while (i < phrase.len) {
		size_t end;

		if (phrase.data[i] == '"') {
			end = quoted_end(phrase, i);
			for (size_t k = i + 1; end != 0 && k + 1 < end; k++)
				if (phrase.data[k] != '\\')
					strbuf_add_byte(&out, phrase.data[k]);
			i = end == 0 ? i + 1 : end;
			continue;
		}
		end = slice_find_byte(phrase, '"', i);
		if (end == SLICE_NPOS)
			end = phrase.len;
		add_without_comments(&out, slice_sub(phrase, i, end - i));
		i = end;
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

static bool
host_is_valid(struct arena *arena, struct slice host)
{
	return fqdn_is_valid(arena, idn_to_ascii(arena, host), true);
}

/* user@host without what a second "@" adds. */
static void
address_split(struct arena *arena, struct address *address)
{
	struct slice text = address->address;
	size_t at = slice_find_byte(text, '@', 0), second;

	if (at == SLICE_NPOS)
		return;
	second = slice_find_byte(text, '@', at + 1);
	if (second != SLICE_NPOS)
		text.len = second;
	address->address = text;
	address->user = slice_sub(text, 0, at);
	address->host = slice_from(text, at + 1);
	(void)arena;
}

static struct slice
host_part(struct slice text)
{
	size_t at = slice_find_byte(text, '@', 0);
	struct slice host = slice_from(text, at == SLICE_NPOS ? text.len : at + 1);

	return slice_sub(host, 0, slice_find_byte(host, '@', 0));
}

static struct address
address_of_match(struct cursor *c, const struct match *match)
{
	struct address a = {.comment = match->comment};
	struct slice phrase = match->phrase.data != NULL ? match->phrase : match->words;

	a.address = match->plain;
	if (match->enclosed.data != NULL) {
		a.address = without_comments(c->arena, match->enclosed);
		if (!mailbox_is_whole(c, a.address))
			a.address = SLICE_NULL;
	}
	if (a.address.data != NULL && !quotes_are_sane(a.address))
		a.address = SLICE_NULL;
	if (phrase.data != NULL) {
		phrase = phrase_clean(c->arena, phrase);
		if (a.address.data == NULL && mailbox_is_whole(c, phrase) &&
		    quotes_are_sane(phrase) && host_is_valid(c->arena, host_part(phrase))) {
			a.address = phrase;
			phrase = SLICE_NULL;
		} else if (phrase.len == 0 ||
		           (a.address.data != NULL && slice_eq(phrase, a.address))) {
			phrase = SLICE_NULL;
		}
	}
	a.phrase = phrase.data != NULL ? phrase : a.comment;
	if (a.address.data != NULL)
		address_split(c->arena, &a);
	a.invalid = a.host.data == NULL || !host_is_valid(c->arena, a.host);
	return a;
}

/* Last resort: anything that looks like <user@host>. */
static bool
leftovers(struct cursor *c, address_vec *addresses)
{
	struct slice text = slice_from(c->text, c->at);
	size_t at = 0;

	if (!slice_has_byte(text, '@'))
		return true;
	c->steps = text.len * STEPS_PER_BYTE + STEPS_MORE;
	while ((at = slice_find_byte(text, '<', at)) != SLICE_NPOS) {
		size_t end = c->steps == 0 ? 0 : mailbox_end(c, text, at + 1);
		struct address a = {0};

		if (end == 0 || end >= text.len || text.data[end] != '>') {
			at++;
			continue;
		}
		a.address = slice_sub(text, at + 1, end - at - 1);
		at = end + 1;
		if (!quotes_are_sane(a.address))
			continue;
		address_split(c->arena, &a);
		a.invalid = !host_is_valid(c->arena, a.host);
		if (vec_push(c->arena, addresses, a) == NULL)
			return false;
	}
	return true;
}

/* "Group: a, b;" loses its name. */
static struct slice
group_strip(struct slice text)
{
	size_t end = slice_find_any(text, "\"()<>", 0), colon;

	colon = slice_rfind_byte(slice_sub(text, 0, end), ':');
	if (colon == SLICE_NPOS || colon == 0)
		return text;
	text = slice_ltrim(slice_from(text, colon + 1));
	return text.len > 0 && text.data[0] == ';' ? slice_sub(text, 0, 0) : text;
}

static bool
relaxed_parse(struct arena *arena, struct slice text, address_vec *addresses)
{
	struct cursor c = {.arena = arena};
	struct match match;

	text = group_strip(text);
	if (slice_trim(text).len == 0)
		return true;
	c.text = text;
	c.steps = text.len * STEPS_PER_BYTE + STEPS_MORE;
	while (c.at < text.len && c.steps > 0 && addresses->count < ADDRESS_MAX &&
	       address_match(&c, &match)) {
		if (vec_push(arena, addresses, address_of_match(&c, &match)) == NULL)
			return false;
		c.at = match.end;
	}
	return leftovers(&c, addresses);
}

/* Escaped backslashes go: both parsers are asked without them. */
static struct slice
drop_double_backslashes(struct arena *arena, struct slice text)
{
	struct strbuf out;

	if (slice_find(text, SLICE("\\\\"), 0) == SLICE_NPOS)
		return text;
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\\' && i + 1 < text.len && text.data[i + 1] == '\\')
			i++;
		else
			strbuf_add_byte(&out, text.data[i]);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

enum status
address_parse(struct arena *arena, struct slice value, enum address_parser parser,
              address_vec *addresses_r)
{
	address_vec strict = {0};
	size_t commas = 0;
	struct slice text;

	*addresses_r = (address_vec){0};
	if (slice_trim(value).len == 0)
		return STATUS_OK;
	/* Blanks that only the dropping lays bare stay. */
	text = drop_double_backslashes(arena, slice_rtrim(value));
	if (parser != ADDRESS_PARSER_STRICT && !relaxed_parse(arena, text, addresses_r))
		return STATUS_LIMIT;
	if (parser == ADDRESS_PARSER_INTERNAL)
		return STATUS_OK;
	for (size_t i = 0; i < value.len; i++)
		commas += value.data[i] == ',';
	if (addresses_r->count > commas)
		return STATUS_OK;
	text = drop_double_backslashes(arena, value);
	if (!address_strict_parse(arena, text, &strict))
		return STATUS_LIMIT;
	if (strict.count > addresses_r->count)
		*addresses_r = strict;
	return STATUS_OK;
}
