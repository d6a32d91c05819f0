/*
 * update_rewrite.c - what sa-update changes in the rule files of a channel
 *
 * Where the reference's patterns reach over line ends, so does this: blank lines before a line that
 * is commented out go with it, and the one byte of white space behind its first word.
 */
#include "cmd/update_rewrite.h"

#include "util/strbuf.h"

#include <stdio.h>

bool
update_is_config(struct slice name)
{
	return slice_ends(name, SLICE(".cf")) || slice_ends(name, SLICE(".pre"));
}

/* ---- @@MACRO@@ ---- */

static const char *
macro_value(const struct update_macro *macros, struct slice name)
{
	for (; macros->name != NULL; macros++)
		if (slice_eq(name, slice_from_cstr(macros->name)))
			return macros->value;
	return NULL;
}

static void
add_macros(struct strbuf *out, const struct update_macro *macros, struct slice text)
{
	size_t done = 0, at;

	while ((at = slice_find(text, SLICE("@@"), done)) != SLICE_NPOS) {
		size_t end = slice_find_byte(text, '@', at + 2);
		struct slice name;
		const char *value;

		if (end == at + 2 || end == SLICE_NPOS || end + 1 >= text.len ||
		    text.data[end + 1] != '@') {
			/* what follows may begin at the second of them */
			strbuf_add(out, slice_sub(text, done, at + 1 - done));
			done = at + 1;
			if (end == SLICE_NPOS)
				break;
			continue;
		}
		name = slice_sub(text, at + 2, end - at - 2);
		value = macro_value(macros, name);
		strbuf_add(out, slice_sub(text, done, at - done));
		if (value != NULL)
			strbuf_add_cstr(out, value);
		else
			strbuf_add(out, slice_sub(text, at, end + 2 - at));
		done = end + 2;
	}
	strbuf_add(out, slice_from(text, done));
}

/* ---- lines ---- */

static bool
runs_code(struct slice word)
{
	static const char *const words[] = {"loadplugin",          "tryplugin",  "dcc_path",
	                                    "dcc_options",         "pyzor_path", "pyzor_options",
	                                    "extracttext_external"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_eq(word, slice_from_cstr(words[i])))
			return true;
	return (slice_ends(word, SLICE("_module")) && word.len > 7) ||
	       (slice_ends(word, SLICE("_modules")) && word.len > 8) ||
	       (slice_ends(word, SLICE("_factory")) && word.len > 8);
}

static size_t
skip_space(struct slice text, size_t at)
{
	while (at < text.len && byte_is_space(text.data[at]))
		at++;
	return at;
}

static size_t
skip_word(struct slice text, size_t at)
{
	while (at < text.len && !byte_is_space(text.data[at]))
		at++;
	return at;
}

static size_t
after_line(struct slice text, size_t at)
{
	size_t end = slice_find_byte(text, '\n', at);

	return end == SLICE_NPOS ? text.len : end + 1;
}

/* A change of the line whose first word begins at `word`; returns what is done with, 0: nothing. */
typedef size_t change_fn(struct strbuf *out, const struct update_rewrite *how, struct slice text,
                         size_t line, size_t word);

static size_t
comment_code(struct strbuf *out, const struct update_rewrite *how, struct slice text, size_t line,
             size_t word)
{
	size_t end = skip_word(text, word);
	struct slice name = slice_sub(text, word, end - word);

	(void)line;
	if (how->allow_plugins || end == text.len || !runs_code(name))
		return 0;
	strbuf_add_cstr(out, "#(commented by sa-update, no --allowplugins switch specified)# ");
	strbuf_add(out, name);
	return end + 1;
}

static size_t
comment_dns(struct strbuf *out, const struct update_rewrite *how, struct slice text, size_t line,
            size_t word)
{
	struct slice name = SLICE("dns_server");

	(void)how, (void)line;
	if (!slice_starts(slice_from(text, word), name))
		return 0;
	strbuf_add_cstr(out, "#(commented by sa-update, not allowed)# ");
	strbuf_add(out, name);
	return word + name.len;
}

/* -digits[.digits]; the position behind it, or `at`. */
static size_t
skip_number(struct slice text, size_t at)
{
	size_t i = at + (at < text.len && text.data[at] == '-'), digits = i;

	while (i < text.len && byte_is_digit(text.data[i]))
		i++;
	if (i == digits)
		return at;
	if (i + 1 < text.len && text.data[i] == '.' && byte_is_digit(text.data[i + 1])) {
		i += 2;
		while (i < text.len && byte_is_digit(text.data[i]))
			i++;
	}
	return i;
}

/* Adds the score to `out`; true: it is another. */
static bool
add_score(struct strbuf *out, const struct update_rewrite *how, struct slice text)
{
	double old = 0, score, rounded;
	char shown[64];

	(void)slice_to_decimal(slice_sub(text, 0, 20), &old);
	score = old;
	if (old != 0 && how->multiplier != 0)
		score *= how->multiplier;
	if (old != 0 && how->limit != 0 && score > how->limit)
		score = how->limit;
	if (score == old) {
		strbuf_add(out, text);
		return false;
	}
	if (score == 0)
		snprintf(shown, sizeof(shown), "%s", old < 0 ? "-0.001" : "0.001");
	else
		snprintf(shown, sizeof(shown), "%.3f", score);
	strbuf_add_cstr(out, shown);
	return !slice_to_decimal(slice_from_cstr(shown), &rounded) || rounded != old;
}

/* "score NAME 1.2 ...": the numbers are at numbers_r, their end is returned; 0: it is none. */
static size_t
find_scores(struct slice text, size_t word, size_t *numbers_r)
{
	size_t at = word + 5, next, name;

	if (!slice_istarts(slice_from(text, word), SLICE("score")))
		return 0;
	name = skip_space(text, at);
	for (next = name; next < text.len && byte_is_word(text.data[next]); next++)
		;
	at = skip_space(text, next);
	if (name == word + 5 || next == name || at == next)
		return 0;
	*numbers_r = at;
	if ((next = skip_number(text, at)) == at)
		return 0;
	do {
		at = next;
		next = skip_number(text, skip_space(text, at));
	} while (skip_space(text, at) > at && next > skip_space(text, at));
	return at;
}

static size_t
adjust_scores(struct strbuf *out, const struct update_rewrite *how, struct slice text, size_t line,
              size_t word)
{
	size_t begin, end = find_scores(text, word, &begin), rest_end;
	struct slice numbers, all, number;
	struct strbuf changed;
	bool touched = false;

	if ((how->multiplier == 0 && how->limit == 0) || end == 0)
		return 0;
	strbuf_init(&changed, out->arena, 0);
	all = numbers = slice_sub(text, begin, end - begin);
	while (slice_next_word(&numbers, &number)) {
		if (changed.len > 0)
			strbuf_add_byte(&changed, ' ');
		touched |= add_score(&changed, how, number);
	}
	if (!touched)
		return 0;
	strbuf_add(out, slice_sub(text, line, begin - line));
	strbuf_add(out, strbuf_slice(&changed));
	strbuf_printf(out, " #(score adjusted by sa-update, %.*s)#", SLICE_FMT(all));
	rest_end = slice_find_byte(text, '\n', end);
	strbuf_add(out, slice_sub(text, end, rest_end - end));
	return rest_end == SLICE_NPOS ? text.len : rest_end;
}

/* Every line begins where the one before, or what was changed in it, ends. */
static struct slice
change_lines(struct arena *arena, const struct update_rewrite *how, struct slice text,
             change_fn *change)
{
	struct strbuf out;
	size_t line = 0;

	strbuf_init(&out, arena, 0);
	while (line < text.len) {
		size_t word = skip_space(text, line);
		size_t done = word < text.len ? change(&out, how, text, line, word) : 0;
		size_t next = done > 0 && text.data[done - 1] == '\n'
		                      ? done
		                      : after_line(text, done > 0 ? done : word);

		strbuf_add(&out, slice_sub(text, done > 0 ? done : line,
		                           next - (done > 0 ? done : line)));
		line = next;
	}
	return strbuf_is_bad(&out) ? SLICE_NULL : out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

struct slice
update_rewrite(struct arena *arena, const struct update_rewrite *how, struct slice text)
{
	static change_fn *const changes[] = {comment_code, comment_dns, adjust_scores};
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	add_macros(&out, how->macros, text);
	text = out.len == 0 ? SLICE("") : strbuf_slice(&out);
	if (strbuf_is_bad(&out))
		return SLICE_NULL;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]) && text.data != NULL; i++)
		text = change_lines(arena, how, text, changes[i]);
	return text;
}
