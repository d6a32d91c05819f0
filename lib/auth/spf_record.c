/*
 * spf_record.c - SPF records as text
 */
#include "auth/spf_record.h"

/* A record is read term by term; what of a term is not read yet. */
struct term_parser {
	struct arena *arena;
	struct slice rest;
};

static const char *const mechanism_names[] = {
	[SPF_ALL] = "all", [SPF_INCLUDE] = "include", [SPF_A] = "a",     [SPF_MX] = "mx",
	[SPF_PTR] = "ptr", [SPF_IP4] = "ip4",         [SPF_IP6] = "ip6", [SPF_EXISTS] = "exists",
};

const char *
spf_mechanism_name(enum spf_mechanism mechanism)
{
	return mechanism_names[mechanism];
}

static bool
is_name_byte(unsigned char c)
{
	return byte_is_alnum(c) || c == '-' || c == '_' || c == '.';
}

static bool
is_delimiter(unsigned char c)
{
	return c == '.' || c == '-' || c == '+' || c == ',' || c == '/' || c == '_' || c == '=';
}

/* Length of macro-expand at text[at], or 0. */
static size_t
macro_len(struct slice text, size_t at)
{
	size_t i = at + 1;

	if (at + 1 >= text.len || text.data[at] != '%')
		return 0;
	if (text.data[i] == '%' || text.data[i] == '_' || text.data[i] == '-')
		return 2;
	if (text.data[i] != '{' || ++i >= text.len || !byte_is_alpha(text.data[i]))
		return 0;
	i++;
	while (i < text.len && byte_is_digit(text.data[i]))
		i++;
	if (i < text.len && text.data[i] == 'r')
		i++;
	while (i < text.len && is_delimiter(text.data[i]))
		i++;
	return i < text.len && text.data[i] == '}' ? i + 1 - at : 0;
}

/* Length of one macro-expand or macro-literal, or 0. */
static size_t
unit_len(struct slice text, size_t at)
{
	if (at >= text.len)
		return 0;
	if (text.data[at] == '%')
		return macro_len(text, at);
	return text.data[at] > ' ' && text.data[at] < 0x7f ? 1 : 0;
}

/* Length of toplabel at text[at], or 0: letters, digits and inner hyphens, not digits alone. */
static size_t
toplabel_len(struct slice text, size_t at)
{
	size_t run = at, last = 0;
	bool has_alpha = false;

	for (; run < text.len && byte_is_alnum(text.data[run]); run++)
		has_alpha = has_alpha || byte_is_alpha(text.data[run]);
	if (run > at && run < text.len && text.data[run] == '-')
		for (size_t i = run; i < text.len; i++) {
			if (byte_is_alnum(text.data[i]))
				last = i + 1;
			else if (text.data[i] != '-')
				break;
		}
	if (last != 0)
		return last - at;
	return has_alpha ? run - at : 0;
}

/* Length of domain-end at text[at], or 0. */
static size_t
domain_end_len(struct slice text, size_t at)
{
	size_t len;

	if (at >= text.len)
		return 0;
	if (text.data[at] == '%')
		return macro_len(text, at);
	if (text.data[at] != '.' || (len = toplabel_len(text, at + 1)) == 0)
		return 0;
	len++;
	return at + len < text.len && text.data[at + len] == '.' ? len + 1 : len;
}

/* The longest domain-spec that the rest begins with; false: none. */
static bool
parse_domain_spec(struct term_parser *p, struct slice *domain_r)
{
	size_t at = 0, found = 0, len;
	struct slice domain;

	for (;;) {
		if ((len = domain_end_len(p->rest, at)) != 0)
			found = at + len;
		if ((len = unit_len(p->rest, at)) == 0)
			break;
		at += len;
	}
	if (found == 0)
		return false;
	domain = slice_sub(p->rest, 0, found);
	p->rest = slice_from(p->rest, found);
	if (domain.data[domain.len - 1] == '.')
		domain.len--;
	*domain_r = arena_dup_lower(p->arena, domain);
	return true;
}

/* "/N" with 0 <= N <= max and no leading zero. */
static enum status
parse_prefix(struct term_parser *p, unsigned max, unsigned *bits_r)
{
	struct slice rest = p->rest, digits;
	unsigned long long value;
	size_t len = 1;

	if (rest.len < 2 || rest.data[0] != '/' || !byte_is_digit(rest.data[1]))
		return STATUS_NONE;
	while (len < rest.len && byte_is_digit(rest.data[len]))
		len++;
	digits = slice_sub(rest, 1, len - 1);
	if ((digits.len > 1 && digits.data[0] == '0') || !slice_to_u64(digits, max, &value))
		return STATUS_BAD;
	*bits_r = (unsigned)value;
	p->rest = slice_from(rest, len);
	return STATUS_OK;
}

/* ip4-cidr and ip6-cidr of a and mx. */
static bool
parse_dual_prefix(struct term_parser *p, struct spf_term *term)
{
	if (parse_prefix(p, 32, &term->bits4) == STATUS_BAD)
		return false;
	if (p->rest.len == 0 || p->rest.data[0] != '/')
		return true;
	p->rest = slice_from(p->rest, 1);
	return parse_prefix(p, 128, &term->bits6) == STATUS_OK;
}

/* Length of a number of 0-255 without leading zero at text[at], the longest there is, or 0. */
static size_t
qnum_len(struct slice text, size_t at)
{
	unsigned value = 0;
	size_t len = 0;

	while (len < 3 && at + len < text.len && byte_is_digit(text.data[at + len])) {
		unsigned next = value * 10 + (unsigned)(text.data[at + len] - '0');

		if (next > 255 || (len > 0 && value == 0))
			break;
		value = next;
		len++;
	}
	return len;
}

static bool
parse_ip4(struct term_parser *p, struct spf_term *term)
{
	size_t at = 0, len;

	for (unsigned i = 0; i < 4; i++) {
		if (i > 0 && (at >= p->rest.len || p->rest.data[at++] != '.'))
			return false;
		if ((len = qnum_len(p->rest, at)) == 0)
			return false;
		at += len;
	}
	if (!net_addr_parse_v4(slice_sub(p->rest, 0, at), &term->net))
		return false;
	p->rest = slice_from(p->rest, at);
	return parse_prefix(p, 32, &term->bits4) != STATUS_BAD;
}

static bool
parse_ip6(struct term_parser *p, struct spf_term *term)
{
	size_t slash = slice_find_byte(p->rest, '/', 0);
	struct slice text = slice_sub(p->rest, 0, slash);

	if (!net_addr_parse_v6(text, &term->net))
		return false;
	p->rest = slice_from(p->rest, text.len);
	return parse_prefix(p, 128, &term->bits6) != STATUS_BAD;
}

static bool
parse_params(struct term_parser *p, struct spf_term *term)
{
	switch (term->mechanism) {
	case SPF_ALL:
		return true;
	case SPF_INCLUDE:
	case SPF_EXISTS:
		return parse_domain_spec(p, &term->domain);
	case SPF_A:
	case SPF_MX:
		(void)parse_domain_spec(p, &term->domain);
		return parse_dual_prefix(p, term);
	case SPF_PTR:
		(void)parse_domain_spec(p, &term->domain);
		return true;
	case SPF_IP4:
		return parse_ip4(p, term);
	case SPF_IP6:
		return parse_ip6(p, term);
	}
	return false;
}

static bool
find_mechanism(struct slice name, enum spf_mechanism *mechanism_r)
{
	for (unsigned i = 0; i < sizeof(mechanism_names) / sizeof(mechanism_names[0]); i++)
		if (slice_ieq(name, slice_from_cstr(mechanism_names[i]))) {
			*mechanism_r = (enum spf_mechanism)i;
			return true;
		}
	return false;
}

static enum auth_result
qualifier_result(unsigned char c)
{
	switch (c) {
	case '-':
		return AUTH_FAIL;
	case '~':
		return AUTH_SOFTFAIL;
	case '?':
		return AUTH_NEUTRAL;
	default:
		return AUTH_PASS;
	}
}

/* A name of letters, digits, "-", "_" and "." that begins with a letter: its length, or 0. */
static size_t
name_len(struct slice text)
{
	size_t len = 0;

	if (text.len == 0 || !byte_is_alpha(text.data[0]))
		return 0;
	while (len < text.len && is_name_byte(text.data[len]))
		len++;
	return len;
}

/* STATUS_NONE: it does not look like a mechanism. */
static enum status
parse_mechanism(struct arena *arena, struct spf_record *record, struct slice text)
{
	struct spf_term term = {.text = text, .bits4 = 32, .bits6 = 128, .result = AUTH_PASS};
	struct term_parser p = {arena, text};
	size_t len;

	if (text.len > 0 && slice_find_any(slice_sub(text, 0, 1), "+-~?", 0) == 0) {
		term.result = qualifier_result(text.data[0]);
		p.rest = slice_from(text, 1);
	}
	len = name_len(p.rest);
	if (len == 0 || (len < p.rest.len && p.rest.data[len] != ':' && p.rest.data[len] != '/'))
		return STATUS_NONE;
	if (!find_mechanism(slice_sub(p.rest, 0, len), &term.mechanism))
		return STATUS_BAD;
	p.rest = slice_from(p.rest, len);
	/* A colon with nothing behind it stays, and is too much. */
	if (p.rest.len > 1 && p.rest.data[0] == ':')
		p.rest = slice_from(p.rest, 1);
	if (!parse_params(&p, &term) || p.rest.len != 0)
		return STATUS_BAD;
	return vec_push(arena, &record->terms, term) != NULL ? STATUS_OK : STATUS_LIMIT;
}

static enum status
parse_modifier(struct arena *arena, struct spf_record *record, struct slice text)
{
	size_t len = name_len(text), at = 0, unit;
	struct slice name = slice_sub(text, 0, len), *known;
	struct term_parser p = {arena, slice_from(text, len + 1)};

	if (len == 0 || len >= text.len || text.data[len] != '=')
		return STATUS_BAD;
	if (slice_ieq(name, SLICE("redirect")))
		known = &record->redirect;
	else if (slice_ieq(name, SLICE("exp")))
		known = &record->exp;
	else {
		while ((unit = unit_len(p.rest, at)) != 0)
			at += unit;
		return at == p.rest.len ? STATUS_OK : STATUS_BAD;
	}
	if (known->data != NULL || !parse_domain_spec(&p, known) || p.rest.len != 0)
		return STATUS_BAD;
	return known->data != NULL ? STATUS_OK : STATUS_LIMIT;
}

/* Cuts the version tag off; false: another kind of text. */
static bool
parse_v1(struct slice *rest)
{
	struct slice tag = SLICE("v=spf1");

	if (!slice_istarts(*rest, tag) || (rest->len > tag.len && rest->data[tag.len] != ' '))
		return false;
	*rest = slice_from(*rest, tag.len);
	return true;
}

static enum status
parse_v2(struct slice *rest, struct spf_record *record)
{
	struct slice tag = SLICE("spf2.0/"), scopes, scope;
	bool is_bad = false;

	if (!slice_istarts(*rest, tag))
		return STATUS_NONE;
	scopes = slice_from(*rest, tag.len);
	scopes = slice_sub(scopes, 0, slice_find_byte(scopes, ' ', 0));
	*rest = slice_from(*rest, tag.len + scopes.len);
	if (scopes.len == 0)
		return STATUS_NONE;
	while (slice_next(&scopes, ',', &scope)) {
		if (slice_ieq(scope, SLICE("mfrom")))
			record->covers_mfrom = true;
		else if (!slice_ieq(scope, SLICE("pra")))
			return STATUS_NONE;
		/* The tag is found in any case, and then has to be lower case. */
		is_bad = is_bad || !byte_is_lower(scope.data[0]) ||
		         (!slice_eq(scope, SLICE("mfrom")) && !slice_eq(scope, SLICE("pra")));
	}
	record->is_v2 = true;
	return is_bad ? STATUS_BAD : STATUS_OK;
}

enum status
spf_record_parse(struct arena *arena, struct slice text, bool is_v2_wanted,
                 struct spf_record *record_r)
{
	struct spf_record record = {0};
	struct slice rest = text, term;
	enum status status;

	if (parse_v1(&rest))
		record.covers_mfrom = true;
	else if (!is_v2_wanted)
		return STATUS_NONE;
	else if ((status = parse_v2(&rest, &record)) != STATUS_OK)
		return status;
	while (slice_next(&rest, ' ', &term)) {
		if (term.len == 0)
			continue;
		status = parse_mechanism(arena, &record, term);
		if (status == STATUS_NONE)
			status = parse_modifier(arena, &record, term);
		if (status != STATUS_OK)
			return status;
	}
	*record_r = record;
	return STATUS_OK;
}
