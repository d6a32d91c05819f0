/*
 * pattern_rule.c - what surrounds a pattern in a rule line: delimiters, modifiers, templates
 */
#include "rules/pattern.h"
#include "util/strbuf.h"

/* Is byte `at` escaped by a backslash right before it? */
static bool
has_backslash(struct slice s, size_t at)
{
	return at > 0 && s.data[at - 1] == '\\';
}

static const char *
always_matching(struct slice re)
{
	if (re.len == 0)
		return "empty";
	for (size_t i = 0; i + 1 < re.len; i++)
		if (re.data[i] == '|' && re.data[i + 1] == '|' && !has_backslash(re, i))
			return "contains '||'";
	if (re.data[0] == '|' || (re.data[re.len - 1] == '|' && !has_backslash(re, re.len - 1)))
		return "starts or ends with '|'";
	return NULL;
}

/* The closing delimiter, 0 when there is none; *re_r is what follows the opening one. */
static int
open_delimiter(struct slice rule, struct slice *re_r)
{
	size_t skip;
	unsigned char c;

	*re_r = rule;
	if (rule.len > 0 && rule.data[0] == '/') {
		*re_r = slice_from(rule, 1);
		return '/';
	}
	if (slice_starts(rule, SLICE("m")))
		skip = 1;
	else if (slice_starts(rule, SLICE("qr")))
		skip = 2;
	else
		return 0;
	if (rule.len <= skip || byte_is_word(rule.data[skip]))
		return 0;
	c = rule.data[skip];
	*re_r = slice_from(rule, skip + 1);
	return c == '{' ? '}' : c == '(' ? ')' : c == '<' ? '>' : c == '[' ? ']' : c;
}

/* An unescaped delimiter inside; pairs of backslashes do not escape. */
static bool
has_bare_delimiter(struct slice re, unsigned char delim)
{
	unsigned char before = 0;

	for (size_t i = 0; i < re.len; i++) {
		if (re.data[i] == '\\' && i + 1 < re.len && re.data[i + 1] == '\\') {
			i++;
			continue;
		}
		if (re.data[i] == delim && before != '\\')
			return true;
		before = re.data[i];
	}
	return false;
}

static bool
has_code_block(struct slice re)
{
	size_t at = 0;

	while ((at = slice_find(re, SLICE("?{"), at)) != SLICE_NPOS) {
		if (at > 0 && re.data[at - 1] == '(')
			return true;
		if (at > 1 && re.data[at - 1] == '?' && re.data[at - 2] == '(')
			return true;
		at++;
	}
	return false;
}

static enum status
split_delimiters(struct slice rule, bool bare_allowed, struct slice *re_r, struct slice *mods_r,
                 struct error *error)
{
	int delim = open_delimiter(rule, re_r);
	size_t last;

	*mods_r = SLICE_NULL;
	if (delim == 0 && bare_allowed)
		return STATUS_OK;
	if (delim == 0)
		return error_set(error, STATUS_BAD, "missing regexp delimiters");
	if (delim == '\\')
		return error_set(error, STATUS_BAD, "backslash delimiter not allowed");
	last = slice_rfind_byte(*re_r, (unsigned char)delim);
	if (last == SLICE_NPOS)
		return error_set(error, STATUS_BAD, "invalid end delimiter/mods");
	*mods_r = slice_from(*re_r, last + 1);
	*re_r = slice_sub(*re_r, 0, last);
	for (size_t i = 0; i < mods_r->len; i++)
		if (!byte_is_lower(mods_r->data[i]) || mods_r->data[i] == 'e')
			return error_set(error, STATUS_BAD, "invalid end delimiter/mods");
	if (delim != '}' && delim != ')' && delim != ']' &&
	    has_bare_delimiter(*re_r, (unsigned char)delim)) {
		if (has_code_block(*re_r))
			return error_set(error, STATUS_BAD, "eval (?{}) found");
		return error_set(error, STATUS_BAD, "unquoted delimiter '%c' found", delim);
	}
	return STATUS_OK;
}

enum status
pattern_split_rule(struct arena *arena, struct slice rule, bool bare_allowed, bool refuse_always,
                   struct slice *text_r, struct error *error)
{
	struct slice re, mods;
	struct strbuf buf;
	enum status status = split_delimiters(rule, bare_allowed, &re, &mods, error);
	const char *always;

	if (status != STATUS_OK)
		return status;
	if (has_code_block(re))
		return error_set(error, STATUS_BAD, "eval (?{}) found");
	if (refuse_always && (always = always_matching(re)) != NULL)
		return error_set(error, STATUS_BAD, "always matching regexp: %s", always);
	strbuf_init(&buf, arena, 0);
	if (mods.len > 0) {
		strbuf_add(&buf, SLICE("(?"));
		strbuf_add(&buf, mods);
		strbuf_add_byte(&buf, ')');
	}
	strbuf_add(&buf, re);
	if (strbuf_is_bad(&buf))
		return error_set(error, STATUS_LIMIT, "no memory for regexp");
	*text_r = strbuf_slice(&buf);
	return STATUS_OK;
}

static bool
is_template_upper(unsigned char c)
{
	return byte_is_upper(c) || byte_is_digit(c);
}

/* Length of NAME or NAME(arg) at s, 0 when there is none. */
static size_t
template_name_length(struct slice s)
{
	size_t n = 0;

	if (s.len == 0 || !byte_is_upper(s.data[0]))
		return 0;
	while (n < s.len && is_template_upper(s.data[n]))
		n++;
	while (n + 1 < s.len && s.data[n] == '_' && is_template_upper(s.data[n + 1]))
		for (n++; n < s.len && is_template_upper(s.data[n]);)
			n++;
	if (n < s.len && s.data[n] == '(') {
		size_t close = slice_find_any(s, ")}", n);
		if (close != SLICE_NPOS && s.data[close] == ')')
			n = close + 1;
	}
	return n;
}

bool
pattern_mark_templates(struct arena *arena, struct slice text, struct slice *text_r,
                       slice_vec *names)
{
	struct strbuf buf;
	size_t done = 0, at = 0;

	strbuf_init(&buf, arena, 0);
	while ((at = slice_find(text, SLICE("%{"), at)) != SLICE_NPOS) {
		struct slice name = slice_from(text, at + 2);
		bool known = false;

		name.len = template_name_length(name);
		if (name.len == 0 || has_backslash(text, at) || at + 2 + name.len >= text.len ||
		    text.data[at + 2 + name.len] != '}') {
			at++;
			continue;
		}
		strbuf_add(&buf, slice_sub(text, done, at - done));
		strbuf_add(&buf, SLICE("%\\{"));
		strbuf_add(&buf, name);
		strbuf_add(&buf, SLICE("\\}"));
		done = at = at + 2 + name.len + 1;
		for (size_t i = 0; i < names->count; i++)
			known |= slice_eq(names->items[i], name);
		if (!known && vec_push(arena, names, name) == NULL)
			return false;
	}
	if (done == 0) {
		*text_r = text;
		return true;
	}
	strbuf_add(&buf, slice_from(text, done));
	*text_r = strbuf_slice(&buf);
	return !strbuf_is_bad(&buf);
}
