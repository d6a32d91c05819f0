/*
 * markup.c - a message as it was before the filter wrote into it
 */
#include "check/markup.h"

#include <stdint.h>

#include "util/strbuf.h"

static bool
is_blank(struct slice line)
{
	return slice_trim(line).len == 0;
}

/* ---- a report around the original ---- */

/* boundary= of "multipart/mixed; boundary=..."; data NULL: another type. */
static struct slice
report_boundary(struct slice type)
{
	static const struct slice mixed = {(const unsigned char *)"multipart/mixed;", 16};
	size_t end;

	type = slice_ltrim(type);
	if (!slice_istarts(type, mixed))
		return SLICE_NULL;
	type = slice_from(type, mixed.len);
	if (type.len == 0 || !byte_is_space(type.data[0]))
		return SLICE_NULL;
	type = slice_ltrim(type);
	if (!slice_istarts(type, SLICE("boundary")))
		return SLICE_NULL;
	type = slice_ltrim(slice_from(type, 8));
	if (type.len == 0 || type.data[0] != '=')
		return SLICE_NULL;
	type = slice_ltrim(slice_from(type, 1));
	if (type.len > 0 && (type.data[0] == '"' || type.data[0] == '\''))
		type = slice_from(type, 1);
	/* the shortest that a quote mark or nothing, then ";" or the end, follows */
	for (end = 1; end < type.len; end++) {
		bool quote = type.data[end] == '"' || type.data[end] == '\'';

		if (type.data[end] == ';' ||
		    (quote && (end + 1 == type.len || type.data[end + 1] == ';')))
			break;
	}
	return type.len == 0 ? SLICE_NULL : slice_sub(type, 0, end);
}

static bool
is_boundary(struct slice line, struct slice boundary, bool whole)
{
	if (!slice_starts(line, SLICE("--")) || !slice_starts(slice_from(line, 2), boundary))
		return false;
	line = slice_from(line, 2 + boundary.len);
	return !whole || line.len == 0 || slice_eq(line, SLICE("\n")) ||
	       slice_eq(line, SLICE("\r\n"));
}

/* Text of a line "Name: text", white space around it dropped; data NULL: another field. */
static struct slice
field_text(struct slice line, struct slice name)
{
	struct slice text;

	if (!slice_istarts(line, name) || line.len == name.len ||
	    !byte_is_space(line.data[name.len]))
		return SLICE_NULL;
	text = slice_trim(slice_from(line, name.len));
	return text.len == 0 ? SLICE_NULL : text;
}

static bool
is_original(struct slice type, struct slice description)
{
	struct slice rest = SLICE_NULL;

	if (slice_starts(type, SLICE("message/rfc822;")))
		rest = slice_from(type, 15);
	else if (slice_starts(type, SLICE("text/plain;")))
		rest = slice_from(type, 11);
	if (rest.len > 0 && byte_is_space(rest.data[0]) &&
	    slice_starts(slice_ltrim(rest), SLICE("x-spam-type=original")))
		return true;
	return slice_eq(type, SLICE("message/rfc822")) &&
	       slice_eq(description, SLICE("original message before SpamAssassin"));
}

/* The part's body up to the blank line before the next boundary. */
static struct slice
part_body(struct slice rest, struct slice boundary)
{
	struct slice scan = rest, line, before = SLICE_NULL;

	while (slice_next_line(&scan, &line)) {
		if (is_boundary(line, boundary, false)) {
			size_t end = (size_t)(line.data - rest.data);

			if (before.data != NULL && is_blank(before))
				end -= before.len;
			return slice_sub(rest, 0, end);
		}
		before = line;
	}
	return rest;
}

/* data NULL: there is no original in it. */
static struct slice
unwrap(struct message *message)
{
	struct slice boundary =
		report_boundary(header_list_last(&message->root->headers, SLICE("content-type")));
	struct slice rest = message->pristine_body, line;
	struct slice type = SLICE(""), description = SLICE("");
	bool in_header = false;

	if (boundary.data == NULL)
		return SLICE_NULL;
	while (slice_next_line(&rest, &line)) {
		struct slice text;

		if (!in_header && !is_boundary(line, boundary, true))
			continue;
		if (is_blank(line)) {
			if (is_original(type, description))
				return part_body(rest, boundary);
			in_header = false;
			type = description = SLICE("");
			continue;
		}
		in_header = true;
		if ((text = field_text(line, SLICE("Content-Type:"))).data != NULL)
			type = text;
		else if ((text = field_text(line, SLICE("Content-Description:"))).data != NULL)
			description = text;
	}
	return SLICE_NULL;
}

/* ---- fields ---- */

struct fields {
	struct arena *arena;
	slice_vec items;       /* each with its folds and LF ends; the blank line too */
	struct hashmap places; /* "Subject:" -> index + 1 of the first */
};

static bool
is_fold(struct slice line)
{
	return line.len > 0 && (line.data[0] == ' ' || line.data[0] == '\t') && !is_blank(line);
}

static struct slice
name_of(struct slice field)
{
	size_t colon = slice_find_byte(field, ':', 0), end = slice_find_byte(field, '\n', 0);

	return colon == SLICE_NPOS || colon > end ? SLICE_NULL : slice_sub(field, 0, colon + 1);
}

static void
note_place(struct fields *f, size_t index)
{
	struct slice name = name_of(f->items.items[index]);

	if (name.len > 1 && hashmap_find(&f->places, name) == NULL)
		(void)hashmap_set(&f->places, name, (void *)(uintptr_t)(index + 1));
}

static bool
split_fields(struct fields *f, struct slice header)
{
	struct slice line;

	while (slice_next_line(&header, &line)) {
		struct slice after;

		while (slice_next_line(&header, &after)) {
			if (!is_fold(after)) {
				header = slice_of(after.data, after.len + header.len);
				break;
			}
			line.len += after.len;
		}
		if (vec_push(f->arena, &f->items, line) == NULL)
			return false;
	}
	for (size_t i = 0; i < f->items.count; i++)
		note_place(f, i);
	return true;
}

static const struct slice prev = {(const unsigned char *)"X-Spam-Prev-", 12};

/* "X-Spam-Prev-Subject: (nonexistent)": there was no Subject. */
static bool
drop_made_subject(struct fields *f)
{
	static const struct slice own = {(const unsigned char *)"X-Spam-Prev-Subject:", 20};
	static const struct slice none = {(const unsigned char *)"(nonexistent)", 13};
	size_t at = (size_t)(uintptr_t)hashmap_get(&f->places, own);
	size_t subject = (size_t)(uintptr_t)hashmap_get(&f->places, SLICE("Subject:"));

	if (at == 0 || !slice_eq(slice_trim(slice_from(f->items.items[at - 1], own.len)), none))
		return false;
	if (subject != 0 && slice_find(f->items.items[subject - 1], none, 0) != SLICE_NPOS)
		return false;
	f->items.items[at - 1] = SLICE("");
	/* The made Subject stands at the end of the header, all behind it was made with it. */
	for (size_t i = subject; subject != 0 && i <= f->items.count; i++)
		if (i < f->items.count || !is_blank(f->items.items[i - 1]))
			f->items.items[i - 1] = SLICE("");
	return true;
}

static void
restore_previous(struct fields *f)
{
	size_t count = f->items.count, blank = count;

	if (count > 0 && is_blank(f->items.items[count - 1]))
		blank = count - 1;
	for (size_t i = 0; i < count; i++) {
		struct slice field = f->items.items[i], name;
		size_t at;

		if (!slice_starts(field, prev))
			continue;
		field = slice_from(field, prev.len);
		name = name_of(field);
		if (name.len <= 1)
			continue;
		f->items.items[i] = SLICE("");
		at = (size_t)(uintptr_t)hashmap_get(&f->places, name);
		if (at != 0 && f->items.items[at - 1].len > 0) {
			f->items.items[at - 1] = field;
		} else if (blank < count) {
			/* at the end of the header; what comes there keeps its order */
			f->items.items[blank] =
				arena_concat(f->arena, field, f->items.items[blank]);
		}
	}
}

static void
drop_own(struct fields *f)
{
	for (size_t i = 0; i < f->items.count; i++)
		if (slice_starts(f->items.items[i], SLICE("X-Spam-")))
			f->items.items[i] = SLICE("");
}

/* ---- rewritten fields ---- */

/* Does text begin with the template, _SCORE_ and the like being NN.NN there?  Its length, or 0. */
static size_t
template_len(struct slice template_text, struct slice text)
{
	static const char *const numbers[] = {"_HITS_", "_SCORE_", "_REQD_"};
	size_t i = 0, t = 0;

	while (t < template_text.len) {
		struct slice here = slice_from(template_text, t);
		size_t number = 0;

		for (size_t n = 0; n < 3 && number == 0; n++)
			if (slice_starts(here, slice_from_cstr(numbers[n])))
				number = strlen(numbers[n]);
		if (number == 0) {
			if (i >= text.len || text.data[i] != template_text.data[t])
				return 0;
			i++, t++;
			continue;
		}
		if (i + 5 > text.len || !byte_is_digit(text.data[i]) ||
		    !byte_is_digit(text.data[i + 1]) || text.data[i + 2] != '.' ||
		    !byte_is_digit(text.data[i + 3]) || !byte_is_digit(text.data[i + 4]))
			return 0;
		i += 5, t += number;
	}
	return i < text.len && text.data[i] == ' ' ? i + 1 : 0;
}

static struct slice
clean_subject(struct arena *arena, struct slice template_text, struct slice field)
{
	struct slice text;
	size_t len;

	if (!slice_starts(field, SLICE("Subject: ")))
		return field;
	text = slice_from(field, 9);
	while ((len = template_len(template_text, text)) != 0)
		text = slice_from(text, len);
	return text.len + 9 == field.len ? field : arena_concat(arena, SLICE("Subject: "), text);
}

/* Drops "\t(comment)" at the end of the field's first line. */
static struct slice
clean_comment(struct arena *arena, struct slice field)
{
	size_t end = slice_find_byte(field, '\n', 0), tab;

	if (end == SLICE_NPOS)
		end = field.len;
	tab = slice_find(slice_sub(field, 0, end), SLICE("\t("), 0);
	if (tab == SLICE_NPOS || slice_find_byte(field, ')', tab) != end - 1)
		return field;
	return arena_concat(arena, slice_sub(field, 0, tab), slice_from(field, end));
}

static void
clean_rewritten(struct fields *f, const struct core_settings *core)
{
	bool subject = core->rewrite_subject.len > 0 &&
	               hashmap_find(&f->places, SLICE("X-Spam-Prev-Subject:")) == NULL;
	bool from = core->rewrite_from.len > 0 &&
	            hashmap_find(&f->places, SLICE("X-Spam-Prev-From:")) == NULL;
	bool to = core->rewrite_to.len > 0 &&
	          hashmap_find(&f->places, SLICE("X-Spam-Prev-To:")) == NULL;

	for (size_t i = 0; i < f->items.count; i++) {
		struct slice *field = &f->items.items[i];

		if (subject && slice_starts(*field, SLICE("Subject:")))
			*field = clean_subject(f->arena, core->rewrite_subject, *field);
		else if ((from && slice_starts(*field, SLICE("From:"))) ||
		         (to && slice_starts(*field, SLICE("To:"))))
			*field = clean_comment(f->arena, *field);
	}
}

/* ---- the body ---- */

static bool
is_fence(struct slice line)
{
	return slice_starts(line, SLICE("SPAM: ----")) && line.len > 11;
}

/* Reports of old versions stood at the top of the body. */
static struct slice
drop_old_report(struct slice body)
{
	for (;;) {
		struct slice rest = body, line, last = SLICE_NULL;
		size_t count = 0;

		if (rest.len > 0 && rest.data[0] == '\n')
			rest = slice_from(rest, 1);
		while (slice_starts(rest, SLICE("SPAM:")) && slice_next_line(&rest, &line)) {
			if (count++ == 0 && !is_fence(line))
				return body;
			last = line;
		}
		if (count < 2 || !is_fence(last) || rest.len == 0 || rest.data[0] != '\n')
			return body;
		body = slice_from(rest, 1);
	}
}

static struct slice
with_lf(struct arena *arena, struct slice text)
{
	unsigned char *out;
	size_t n = 0;

	if (!slice_has_byte(text, '\r') || (out = arena_bytes(arena, text.len)) == NULL)
		return text;
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != '\r' || i + 1 >= text.len || text.data[i + 1] != '\n')
			out[n++] = text.data[i];
	return slice_of(out, n);
}

static void
add_with_ends(struct strbuf *out, struct slice text, bool crlf)
{
	struct slice line;

	if (!crlf) {
		strbuf_add(out, text);
		return;
	}
	while (slice_next_line(&text, &line)) {
		bool ended = line.data[line.len - 1] == '\n';

		strbuf_add(out, slice_sub(line, 0, line.len - ended));
		if (ended)
			strbuf_add(out, SLICE("\r\n"));
	}
}

struct slice
markup_remove(struct arena *arena, const struct core_settings *core, struct message *message)
{
	struct slice original = unwrap(message), body;
	struct fields fields = {.arena = arena};
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	/* A message that was cut off within its header was wrapped with its "From " line. */
	if (message->mbox_separator.len == 0 || !slice_starts(original, message->mbox_separator))
		strbuf_add(&out, message->mbox_separator);
	if (original.data != NULL) {
		strbuf_add(&out, original);
		return strbuf_is_bad(&out) ? SLICE_NULL
		       : out.len == 0      ? SLICE("")
		                           : strbuf_slice(&out);
	}
	hashmap_init(&fields.places, arena);
	if (!split_fields(&fields, with_lf(arena, message->pristine_headers)))
		return SLICE_NULL;
	clean_rewritten(&fields, core);
	(void)drop_made_subject(&fields);
	restore_previous(&fields);
	drop_own(&fields);
	body = drop_old_report(with_lf(arena, message->pristine_body));
	for (size_t i = 0; i < fields.items.count; i++)
		add_with_ends(&out, fields.items.items[i], message->is_crlf);
	add_with_ends(&out, body, message->is_crlf);
	return strbuf_is_bad(&out) ? SLICE_NULL : out.len == 0 ? SLICE("") : strbuf_slice(&out);
}
