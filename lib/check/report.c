/*
 * report.c - what the verdict says in words
 */
#include "check/report.h"

#include <stdio.h>

#include "check/tags.h"
#include "check/wrap.h"
#include "util/strbuf.h"

/* ---- one hit ---- */

struct hit_text {
	char score[32];
	size_t score_len;
	struct slice area, description;
};

static void
describe_hit(const struct scan_hit *hit, struct hit_text *text_r)
{
	int len = snprintf(text_r->score, sizeof(text_r->score),
	                   hit->score >= 10 || hit->score <= -10 ? "%4.0f" : "%4.1f", hit->score);

	text_r->score_len = len < 0 ? 0 : (size_t)len;
	text_r->area = slice_from_cstr(hit->area);
	text_r->description = hit->rule->describe.len > 0 ? hit->rule->describe
	                                                  : SLICE("No description available.");
}

static struct slice
wrap_description(struct check *check, struct slice description, size_t first_len,
                 struct slice prefix)
{
	struct arena *arena = check->scan.arena;
	unsigned char *blanks = arena_bytes(arena, first_len + 1);
	struct wrap_options options = {.prefix = prefix,
	                               .width = (size_t)check->scan.core->report_wrap_width,
	                               .at = WRAP_AT_SPACE};

	if (blanks == NULL)
		return description;
	memset(blanks, ' ', first_len);
	options.first = slice_of(blanks, first_len);
	return slice_ltrim(wrap_text(arena, description, &options));
}

/* Cuts up to 48 bytes that a white space byte ends off *text; false when it fits. */
static bool
next_log_line(struct slice *text, struct slice *line_r)
{
	for (size_t i = 48; i >= 30; i--)
		if (i < text->len && byte_is_space(text->data[i])) {
			*line_r = slice_sub(*text, 0, i);
			*text = slice_from(*text, i + 1);
			return true;
		}
	return false;
}

static void
add_log_lines(struct strbuf *out, struct slice text, bool summary)
{
	for (;;) {
		struct slice line;
		bool more = next_log_line(&text, &line);

		if (!more)
			line = text;
		if (!summary)
			strbuf_printf(out, "[%.*s]\n", SLICE_FMT(line));
		else if (line.len > 47)
			strbuf_printf(out, "%*s[%.*s]\n",
			              line.len + 2 < 78 ? (int)(76 - line.len) : 0, "",
			              SLICE_FMT(line));
		else
			strbuf_printf(out, "%27s [%.*s]\n", "", SLICE_FMT(line));
		if (!more)
			return;
	}
}

static void
add_logs(struct check *check, struct strbuf *out, const struct rule *rule, bool summary)
{
	const struct scan *scan = &check->scan;
	bool first = true;

	for (size_t i = 0; i < scan->logs.count; i++) {
		if (scan->logs.items[i].rule->number != rule->number)
			continue;
		if (first && !summary)
			strbuf_add(out, SLICE("*      "));
		first = false;
		if (rule->tflags & TFLAG_NOLOG) {
			add_log_lines(out, SLICE("*REDACTED*"), summary);
			return;
		}
		add_log_lines(out, scan->logs.items[i].text, summary);
	}
}

static struct slice
hit_lines(struct check *check, bool summary)
{
	const struct scan *scan = &check->scan;
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	for (size_t i = 0; i < scan->hits.count; i++) {
		const struct scan_hit *hit = &scan->hits.items[i];
		struct hit_text text;
		struct slice description;

		if (slice_starts(hit->rule->name, SLICE("__")))
			continue;
		describe_hit(hit, &text);
		description = wrap_description(
			check, text.description,
			(summary ? 3 : 4) + hit->rule->name.len + text.score_len + text.area.len,
			summary ? SLICE("                            ") : SLICE("*      "));
		for (unsigned n = 0; n < hit->count; n++) {
			if (summary)
				strbuf_printf(&out, "%s %-22.*s %.*s%.*s\n", text.score,
				              SLICE_FMT(hit->rule->name), SLICE_FMT(text.area),
				              SLICE_FMT(description));
			else
				strbuf_printf(&out, "* %s %.*s %.*s%.*s\n", text.score,
				              SLICE_FMT(hit->rule->name), SLICE_FMT(text.area),
				              SLICE_FMT(description));
			add_logs(check, &out, hit->rule, summary);
		}
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

struct slice
report_hits(struct check *check)
{
	return hit_lines(check, false);
}

struct slice
report_summary(struct check *check)
{
	return hit_lines(check, true);
}

/* ---- preview ---- */

/* Lines longer than 200 are cut there and marked. */
static void
cut_lines(struct strbuf *out, struct slice text)
{
	struct slice line;

	while (text.len > 0 && slice_next(&text, '\n', &line)) {
		strbuf_add(out, slice_sub(line, 0, 200));
		if (line.len > 200)
			strbuf_add(out, SLICE(" [...]"));
		strbuf_add_byte(out, '\n');
	}
}

static bool
is_rule_byte(unsigned char c)
{
	return c == '-' || c == '_' || c == '*' || c == '.';
}

static size_t
rule_len(struct slice s)
{
	size_t i = 0;

	while (i < s.len && is_rule_byte(s.data[i]))
		i++;
	return i;
}

/* Drops quoting marks and ornaments, joins white space. */
static struct slice
tidy(struct arena *arena, struct slice text)
{
	static const struct slice original = {(const unsigned char *)"-----Original Message-----",
	                                      26};
	static const struct slice multipart = {
		(const unsigned char *)"This is a multi-part message in MIME format.", 44};
	struct strbuf out;
	bool blank = false;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len;) {
		struct slice rest = slice_from(text, i);
		size_t ornament = rule_len(rest);

		if (slice_starts(rest, original)) {
			size_t end = slice_find_byte(rest, '\n', 0);

			i += end == SLICE_NPOS ? rest.len : end;
		} else if (slice_starts(rest, multipart)) {
			i += multipart.len;
		} else if (ornament >= 10) {
			i += ornament;
		} else if (byte_is_space(text.data[i])) {
			blank = true;
			i++;
		} else {
			if (blank)
				strbuf_add_byte(&out, ' ');
			blank = false;
			/* a short run of ornament bytes is kept whole, else its tail would be
			 * looked at again */
			ornament = ornament == 0 ? 1 : ornament;
			strbuf_add(&out, slice_sub(text, i, ornament));
			i += ornament;
		}
	}
	if (blank)
		strbuf_add_byte(&out, ' ');
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

struct slice
report_preview(struct check *check)
{
	static const struct wrap_options options = {
		.prefix = {(const unsigned char *)"  ", 2},
		.first = {(const unsigned char *)"Content preview:  ", 18},
		.width = 75,
		.overflow = true,
		.at = WRAP_AT_SPACE};
	const struct text_lines *lines = text_body(check->scan.message);
	struct arena *arena = check->scan.arena;
	struct strbuf joined, cut;
	struct slice text;

	strbuf_init(&joined, arena, 0);
	strbuf_init(&cut, arena, 0);
	for (size_t i = 1; i < lines->count && i <= 3 && joined.len < 200; i++)
		strbuf_add(&joined, lines->items[i]);
	cut_lines(&cut, strbuf_slice(&joined));
	if (cut.len == 0)
		strbuf_add_byte(&cut, '\n');
	text = wrap_text(arena, tidy(arena, strbuf_slice(&cut)), &options);
	if (slice_starts(text, SLICE("Content preview:")))
		text = slice_ltrim(slice_from(text, 16));
	return text;
}

/* ---- the report ---- */

struct slice
report_text(struct check *check)
{
	struct slice text = check->scan.core->report;

	if (text.len == 0)
		text = SLICE("(no report template found)");
	text = tags_replace(check, text);
	while (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	return arena_concat(check->scan.arena, text, SLICE("\n\n"));
}
