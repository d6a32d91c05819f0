/*
 * spf_macro.c - macro strings of SPF
 */
#include "auth/spf_record.h"

enum {
	/* Includes may hand an expansion to the next macro, doubling it each time. */
	EXPANDED_MAX = 16384,
	LABEL_MAX = 63,
	NAME_MAX_BYTES = 253
};

struct macro {
	unsigned char letter; /* lower case; 0: _scope */
	bool is_escaped;      /* upper case in the text */
	bool has_parts, is_reversed;
	unsigned parts;
	struct slice delimiters;
	size_t len; /* of the whole, "%{" and "}" too */
};

void
spf_expansion_init(struct spf_expansion *expansion, struct arena *arena,
                   const struct spf_macros *macros, struct slice text)
{
	*expansion = (struct spf_expansion){.macros = macros, .text = text};
	strbuf_init(&expansion->out, arena, EXPANDED_MAX);
}

static bool
is_delimiter(unsigned char c)
{
	return c == '.' || c == '-' || c == '+' || c == ',' || c == '/' || c == '_' || c == '=';
}

/* Digits, "r", delimiters and the brace from text[i] on. */
static bool
parse_transformers(struct spf_expansion *e, size_t i, struct macro *macro)
{
	struct slice text = e->text;
	size_t begin;

	for (; i < text.len && byte_is_digit(text.data[i]); i++) {
		macro->has_parts = true;
		if (macro->parts < 1000000)
			macro->parts = macro->parts * 10 + (unsigned)(text.data[i] - '0');
	}
	if (i < text.len && text.data[i] == 'R')
		e->departs = true;
	if (i < text.len &&
	    (text.data[i] == 'r' || (text.data[i] == 'R' && e->macros->is_strict))) {
		macro->is_reversed = true;
		i++;
	}
	for (begin = i; i < text.len && is_delimiter(text.data[i]);)
		i++;
	macro->delimiters = slice_sub(text, begin, i - begin);
	if (i >= text.len || text.data[i] != '}')
		return false;
	macro->len = i + 1 - e->at;
	return true;
}

/* The macro at "%{". */
static bool
parse_macro(struct spf_expansion *e, struct macro *macro)
{
	struct slice rest = slice_from(e->text, e->at + 2);

	*macro = (struct macro){0};
	if (rest.len == 0)
		return false;
	if (slice_istarts(rest, SLICE("_scope")) && parse_transformers(e, e->at + 8, macro)) {
		macro->is_escaped = !slice_starts(rest, SLICE("_scope"));
		return true;
	}
	*macro = (struct macro){0};
	macro->letter = byte_lower(rest.data[0]);
	macro->is_escaped = byte_is_upper(rest.data[0]);
	return byte_is_alpha(rest.data[0]) && parse_transformers(e, e->at + 3, macro);
}

static struct slice
nibbles(struct arena *arena, const struct net_addr *ip)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char *out = arena_bytes(arena, 63);

	if (out == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < 32; i++) {
		unsigned char byte = ip->bytes[i / 2];

		out[2 * i] = (unsigned char)hex[i % 2 == 0 ? byte >> 4 : byte & 15];
		if (i < 31)
			out[2 * i + 1] = '.';
	}
	return slice_of(out, 63);
}

/* Value of a macro that needs no DNS; STATUS_BAD: there is none, or not here. */
static enum status
macro_value(const struct spf_expansion *e, const struct macro *macro, struct slice *value_r)
{
	const struct spf_macros *m = e->macros;
	struct arena *arena = e->out.arena;
	bool is_v4 = net_addr_is_v4(&m->ip);

	switch (macro->letter) {
	case 0:
		*value_r = m->scope == SPF_SCOPE_HELO ? SLICE("helo") : SLICE("mfrom");
		return STATUS_OK;
	case 's':
		*value_r = m->sender;
		return STATUS_OK;
	case 'l':
		*value_r = m->local_part;
		return STATUS_OK;
	case 'o':
		*value_r = m->sender_domain;
		return STATUS_OK;
	case 'd':
		*value_r = m->domain;
		return STATUS_OK;
	case 'i':
		*value_r = is_v4 ? net_addr_format(arena, &m->ip) : nibbles(arena, &m->ip);
		return STATUS_OK;
	case 'v':
		*value_r = is_v4 ? SLICE("in-addr") : SLICE("ip6");
		return STATUS_OK;
	case 'h':
		*value_r = m->helo.len != 0 ? m->helo : SLICE("unknown");
		return STATUS_OK;
	case 'p':
		return STATUS_AGAIN;
	default:
		break;
	}
	if (!e->is_explanation)
		return STATUS_BAD;
	switch (macro->letter) {
	case 'c':
		*value_r = net_addr_format(arena, &m->ip);
		return STATUS_OK;
	case 'r':
		*value_r = m->hostname.len != 0 ? m->hostname : SLICE("unknown");
		return STATUS_OK;
	case 't':
		*value_r = arena_printf(arena, "%lld", (long long)m->now_s);
		return STATUS_OK;
	default:
		return STATUS_BAD;
	}
}

/* Splits, reverses, keeps the right-hand parts, joins with full stops. */
static enum status
transform(const struct spf_expansion *e, const struct macro *macro, struct slice *value)
{
	struct slice delimiters = macro->delimiters.len != 0 ? macro->delimiters : SLICE(".");
	slice_vec parts = {0};
	struct strbuf out;
	size_t begin = 0, first = 0, end;

	strbuf_init(&out, e->out.arena, EXPANDED_MAX);
	for (size_t i = 0; i <= value->len; i++)
		if (i == value->len || slice_has_byte(delimiters, value->data[i])) {
			if (vec_push(e->out.arena, &parts, slice_sub(*value, begin, i - begin)) ==
			    NULL)
				return STATUS_LIMIT;
			begin = i + 1;
		}
	/* Empty parts at the end are none. */
	for (end = parts.count; end > 0 && parts.items[end - 1].len == 0;)
		end--;
	if (macro->has_parts && macro->parts < end)
		first = end - macro->parts;
	for (size_t i = first; i < end; i++) {
		if (i > first)
			strbuf_add_byte(&out, '.');
		strbuf_add(&out, parts.items[macro->is_reversed ? end - 1 - i : i]);
	}
	*value = strbuf_slice(&out);
	return strbuf_is_bad(&out) ? STATUS_LIMIT : STATUS_OK;
}

static void
add_escaped(struct strbuf *out, struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		if (byte_is_alnum(c) || c == '-' || c == '.' || c == '_' || c == '~')
			strbuf_add_byte(out, c);
		else
			strbuf_printf(out, "%%%02X", c);
	}
}

static enum status
add_macro(struct spf_expansion *e, const struct macro *macro, struct slice value)
{
	bool has_transformer = macro->has_parts || macro->is_reversed;
	enum status status;

	if (macro->has_parts && macro->parts == 0)
		return STATUS_BAD;
	if (!has_transformer && macro->delimiters.len != 0) {
		e->departs = true;
		has_transformer = e->macros->is_strict;
	}
	if (has_transformer && (status = transform(e, macro, &value)) != STATUS_OK)
		return status;
	if (macro->is_escaped)
		add_escaped(&e->out, value);
	else
		strbuf_add(&e->out, value);
	e->at += macro->len;
	return STATUS_OK;
}

/* What stands at the percent sign. */
static enum status
expand_one(struct spf_expansion *e, const struct slice *validated)
{
	struct slice value = SLICE_NULL;
	struct macro macro;
	enum status status;

	switch (e->text.data[e->at + 1]) {
	case '%':
		strbuf_add_byte(&e->out, '%');
		break;
	case '_':
		strbuf_add_byte(&e->out, ' ');
		break;
	case '-':
		strbuf_add(&e->out, SLICE("%20"));
		break;
	case '{':
		if (!parse_macro(e, &macro))
			return STATUS_BAD;
		status = macro_value(e, &macro, &value);
		if (status == STATUS_AGAIN && validated != NULL) {
			value = *validated;
			status = STATUS_OK;
		}
		return status == STATUS_OK ? add_macro(e, &macro, value) : status;
	default:
		return STATUS_BAD;
	}
	e->at += 2;
	return STATUS_OK;
}

enum status
spf_expand(struct spf_expansion *e, const struct slice *validated)
{
	size_t percent;
	enum status status;

	for (;;) {
		percent = slice_find_byte(e->text, '%', e->at);
		if (percent == SLICE_NPOS || percent + 1 >= e->text.len)
			break;
		strbuf_add(&e->out, slice_sub(e->text, e->at, percent - e->at));
		e->at = percent;
		status = expand_one(e, validated);
		if (status != STATUS_OK)
			return status;
		validated = NULL;
		if (strbuf_is_bad(&e->out))
			return STATUS_LIMIT;
	}
	strbuf_add(&e->out, slice_from(e->text, e->at));
	e->at = e->text.len;
	return strbuf_is_bad(&e->out) ? STATUS_LIMIT : STATUS_OK;
}

struct slice
spf_fit_name(struct arena *arena, struct slice name)
{
	struct strbuf out;
	struct slice fitted;
	size_t label = 0, dot;

	strbuf_init(&out, arena, EXPANDED_MAX);
	for (size_t i = 0; i < name.len; i++) {
		label = name.data[i] == '.' ? 0 : label + 1;
		if (label <= LABEL_MAX)
			strbuf_add_byte(&out, name.data[i]);
	}
	if (strbuf_is_bad(&out))
		return SLICE_NULL;
	fitted = strbuf_slice(&out);
	while (fitted.len > NAME_MAX_BYTES) {
		dot = slice_find_byte(fitted, '.', 0);
		/* The expression of the reference needs a byte before the full stop. */
		if (dot == SLICE_NPOS || dot == 0)
			break;
		fitted = slice_from(fitted, dot + 1);
	}
	return fitted;
}
