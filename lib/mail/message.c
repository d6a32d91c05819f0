/*
 * message.c - one message: pristine bytes, header fields, MIME tree
 *
 * The tree is built breadth first from a queue, so nesting costs no stack. Each queue entry holds a
 * body as one slice; a body is copied only where the reference changes its bytes (CRLF, long runs
 * of blank lines, overlong lines).
 */
#include "mail/message.h"

#include <stdint.h>
#include <time.h>

#include "mail/decode.h"
#include "mail/encoded_word.h"
#include "util/strbuf.h"

#define BLANK_RUN_MAX 20
#define HEADER_ERRORS_MAX 3

struct job {
	struct part *part;
	struct slice boundary; /* data NULL = none */
	struct slice body;
	unsigned levels_left;
	bool blank_first; /* the reference puts an empty line before this multipart */
};

struct parser {
	struct message *message;
	VEC(struct job) queue;
	size_t done;
};

static bool
line_is_blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (!byte_is_space(line.data[i]))
			return false;
	return true;
}

/* Printable ASCII but ":" up to a ":", with blanks before it when `wsp`. */
static bool
line_is_field(struct slice line, bool wsp)
{
	size_t i = 0;

	while (i < line.len && line.data[i] > ' ' && line.data[i] < 0x7f && line.data[i] != ':')
		i++;
	if (i == 0)
		return false;
	while (wsp && i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'))
		i++;
	return i < line.len && line.data[i] == ':';
}

void
header_list_init(struct header_list *list, struct arena *arena)
{
	*list = (struct header_list){.arena = arena};
	hashmap_init_nocase(&list->names, arena);
}

bool
header_list_add(struct header_list *list, struct slice name, struct slice raw)
{
	struct hashmap_entry *entry = hashmap_put(&list->names, name, NULL);
	struct header_name *known;
	size_t index = list->fields.count;

	if (entry == NULL || vec_push(list->arena, &list->fields,
	                              (struct header_field){.name = name, .raw = raw}) == NULL)
		return false;
	known = entry->value;
	if (known == NULL) {
		known = arena_new(list->arena, struct header_name);
		if (known == NULL)
			return false;
		*known = (struct header_name){name, index, index, 1};
		entry->value = known;
		return true;
	}
	list->fields.items[known->last].next = index + 1;
	known->last = index;
	known->count++;
	return true;
}

const struct header_name *
header_list_find(const struct header_list *list, struct slice name)
{
	return list->names.count == 0 ? NULL : hashmap_get(&list->names, name);
}

/* LF with the blanks after it becomes one blank; blanks at both ends go. */
static struct slice
unfold_and_trim(struct arena *arena, struct slice raw)
{
	unsigned char *out;
	size_t n = 0;
	struct slice trimmed = slice_trim(raw);

	if (!slice_has_byte(trimmed, '\n'))
		return trimmed;
	out = arena_bytes(arena, raw.len);
	if (out == NULL)
		return trimmed;
	for (size_t i = 0; i < raw.len; i++) {
		out[n++] = raw.data[i];
		if (raw.data[i] != '\n' || i + 1 >= raw.len ||
		    (raw.data[i + 1] != ' ' && raw.data[i + 1] != '\t'))
			continue;
		out[n - 1] = ' ';
		while (i + 1 < raw.len && (raw.data[i + 1] == ' ' || raw.data[i + 1] == '\t'))
			i++;
	}
	return slice_trim(slice_of(out, n));
}

struct slice
header_field_decoded(struct header_list *list, size_t index)
{
	struct header_field *field = &list->fields.items[index];

	if (!field->is_decoded) {
		field->is_decoded = true;
		field->decoded = encoded_word_decode(
			list->arena, unfold_and_trim(list->arena, field->raw), field->name);
	}
	return field->decoded;
}

struct slice
header_list_last(struct header_list *list, struct slice name)
{
	const struct header_name *known = header_list_find(list, name);

	return known == NULL ? SLICE_NULL : header_field_decoded(list, known->last);
}

struct slice
header_list_first(struct header_list *list, struct slice name)
{
	const struct header_name *known = header_list_find(list, name);

	return known == NULL ? SLICE_NULL : header_field_decoded(list, known->first);
}

/* "From " line or a line of the MBX format at the top. */
static bool
is_from_line(struct slice line)
{
	struct slice rest;

	if (!slice_starts(line, SLICE("From")) || line.len < 5 || !byte_is_space(line.data[4]))
		return false;
	rest = slice_from(line, 5);
	/* The reference refuses "From :" but its pattern gives way after two blanks. */
	return rest.len == 0 || rest.data[0] != ':';
}

/* Matches `shape` at the start of text: 9 digit, A letter, s blank or digit, _ blank, else itself.
 */
static bool
has_shape(struct slice text, const char *shape)
{
	size_t i = 0;

	for (; shape[i] != '\0'; i++) {
		unsigned char c = i < text.len ? text.data[i] : 0;

		if (i >= text.len)
			return false;
		if ((shape[i] == '9' && !byte_is_digit(c)) ||
		    (shape[i] == 'A' && !byte_is_alpha(c)) ||
		    (shape[i] == 's' && !byte_is_digit(c) && !byte_is_space(c)) ||
		    (shape[i] == '_' && !byte_is_space(c)))
			return false;
		if (strchr("9As_", shape[i]) == NULL && c != (unsigned char)shape[i])
			return false;
	}
	return true;
}

#define MBX_DATE "s9-AAA-9999_99:99:99"

/* " 2-Jan-2001 10:11:12 +0000,1234;00000000000a-00000001" */
static bool
is_mbx_line(struct slice line)
{
	struct slice tail;
	size_t semicolon, comma;

	if (!has_shape(line, MBX_DATE))
		return false;
	if (line.len > 0 && line.data[line.len - 1] == '\n')
		line.len--;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	semicolon = slice_rfind_byte(line, ';');
	if (semicolon == SLICE_NPOS || line.len - semicolon != 22)
		return false;
	tail = slice_from(line, semicolon + 1);
	for (size_t i = 0; i < 21; i++) {
		unsigned char c = tail.data[i];

		if (i == 12  ? c != '-'
		    : i < 12 ? !byte_is_digit(c) && (c < 'a' || c > 'f')
		             : !byte_is_word(c))
			return false;
	}
	for (comma = semicolon; comma > 0 && byte_is_digit(line.data[comma - 1]); comma--)
		;
	return comma < semicolon && comma > 0 && line.data[comma - 1] == ',';
}

/* Address of the first From: line below an MBX line. */
static struct slice
mbx_address(struct slice rest)
{
	struct slice line;

	while (slice_next_line(&rest, &line)) {
		size_t open, close, end;

		if (!slice_starts(line, SLICE("From:")))
			continue;
		line = slice_from(line, 5);
		open = slice_find_byte(line, '<', 0);
		close = open == SLICE_NPOS ? SLICE_NPOS : slice_find_byte(line, '>', open);
		if (close != SLICE_NPOS && close > open + 1)
			return slice_sub(line, open + 1, close - open - 1);
		line = slice_ltrim(line);
		end = slice_find_any(line, "<> ", 0);
		if (end != 0 && line.len > 0)
			return slice_sub(line, 0, end);
	}
	return SLICE("");
}

/* The From_ line that the reference makes of an MBX line. */
static struct slice
mbx_separator(struct arena *arena, struct slice line, struct slice rest)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";
	struct slice address = mbx_address(rest);
	struct tm tm = {0};
	char month[4] = {0};
	const char *at;

	for (size_t i = 0; i < 3; i++)
		month[i] = (char)byte_lower(line.data[3 + i]);
	at = strstr(months, month);
	tm.tm_mday = (line.data[0] >= '0' && line.data[0] <= '9' ? (line.data[0] - '0') * 10 : 0) +
	             line.data[1] - '0';
	tm.tm_mon = at == NULL ? 0 : (int)(at - months) / 3;
	tm.tm_year = (line.data[7] - '0') * 1000 + (line.data[8] - '0') * 100 +
	             (line.data[9] - '0') * 10 + line.data[10] - '0' - 1900;
	tm.tm_hour = 12;
	(void)timegm(&tm);
	return arena_printf(arena, "From %.*s %s %.3s %.2s %.8s %.4s\n", SLICE_FMT(address),
	                    days[tm.tm_wday], (const char *)line.data + 3, (const char *)line.data,
	                    (const char *)line.data + 12, (const char *)line.data + 7);
}

/* Stores one complete header (all its lines). */
static void
header_store(struct message *m, struct part *part, struct slice text, bool is_crlf)
{
	size_t colon = slice_find_byte(text, ':', 0);
	struct slice name, raw;

	if (colon == SLICE_NPOS)
		return;
	name = slice_sub(text, 0, colon);
	raw = slice_from(text, colon + 1);
	if (is_crlf)
		raw = crlf_to_lf(m->arena, raw);
	while (name.len > 0 && (name.data[name.len - 1] == ' ' || name.data[name.len - 1] == '\t'))
		name.len--;
	if (name.len > MESSAGE_MAX_HEADER_NAME || raw.len > MESSAGE_MAX_HEADER_VALUE) {
		if (part == m->root)
			m->truncated_header = true;
		name = slice_sub(name, 0, MESSAGE_MAX_HEADER_NAME);
		raw = slice_sub(raw, 0, MESSAGE_MAX_HEADER_VALUE);
	}
	if (raw.data == NULL || !header_list_add(&part->headers, name, raw))
		m->spent = true;
}

/* Where the header section ends. */
struct section_end {
	size_t headers_len; /* bytes of the input that are header, separator line included */
	bool missing_separator;
	bool has_bare_lf;      /* CRLF message with a bare LF among its header lines */
	bool body_has_bare_lf; /* the first body line was looked at and has one */
};

static bool
line_ends_bare(struct slice line)
{
	return line.len > 0 && line.data[line.len - 1] == '\n' &&
	       (line.len < 2 || line.data[line.len - 2] != '\r');
}

static struct section_end
headers_parse(struct message *m, struct part *part, struct slice text, bool is_crlf)
{
	struct section_end end = {0};
	struct slice rest = text, line, header = SLICE_NULL;
	unsigned errors = 0;

	for (;;) {
		size_t at = text.len - rest.len;
		bool eof = !slice_next_line(&rest, &line),
		     bare = !eof && is_crlf && line_ends_bare(line);

		if (!eof && (line.data[0] == ' ' || line.data[0] == '\t')) {
			if (header.data == NULL)
				header = slice_of(line.data, 0);
			header.len += line.len;
			end.has_bare_lf |= bare;
			continue;
		}
		if (header.data != NULL)
			header_store(m, part, header, is_crlf);
		end.headers_len = at;
		if (eof) {
			end.missing_separator = true;
			return end;
		}
		if (slice_eq(line, SLICE("\n")) || (is_crlf && slice_eq(line, SLICE("\r\n")))) {
			end.headers_len += line.len;
			end.has_bare_lf |= bare;
			return end;
		}
		if (slice_starts(line, SLICE("--")) ||
		    (!line_is_field(line, true) && ++errors > HEADER_ERRORS_MAX)) {
			end.missing_separator = true;
			end.body_has_bare_lf = bare;
			return end;
		}
		end.has_bare_lf |= bare;
		header = line;
	}
}

/* LF without CR becomes CRLF. */
static struct slice
lf_to_crlf(struct arena *arena, struct slice text)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '\n' && (i == 0 || text.data[i - 1] != '\r'))
			strbuf_add_byte(&out, '\r');
		strbuf_add_byte(&out, text.data[i]);
	}
	return strbuf_is_bad(&out) ? text : strbuf_slice(&out);
}

/* Must the body be copied? CRLF to be made LF, or a run of blank lines to be cut. */
static bool
body_needs_copy(struct slice body, bool is_crlf)
{
	struct slice line;
	size_t blanks = 0;

	if (is_crlf && slice_find(body, SLICE("\r\n"), 0) != SLICE_NPOS)
		return true;
	while (slice_next_line(&body, &line)) {
		if (line.len > 1 && !byte_is_space(line.data[0]))
			blanks = 0;
		else
			blanks = line_is_blank(line) ? blanks + 1 : 0;
		if (blanks > BLANK_RUN_MAX)
			return true;
	}
	return false;
}

static void
body_add_line(struct strbuf *out, struct slice line, bool is_crlf)
{
	if (is_crlf && line.len >= 2 && line.data[line.len - 2] == '\r' &&
	    line.data[line.len - 1] == '\n') {
		strbuf_add(out, slice_sub(line, 0, line.len - 2));
		strbuf_add_byte(out, '\n');
		return;
	}
	strbuf_add(out, line);
}

/* Runs of more than 20 blank lines lose their middle: the first stays, and the last 19. */
static struct slice
body_squeeze(struct arena *arena, struct slice body, bool is_crlf)
{
	struct slice rest = body, line;
	struct strbuf out;
	bool top = true;

	if (!body_needs_copy(body, is_crlf))
		return body;
	strbuf_init(&out, arena, 0);
	strbuf_reserve(&out, body.len);
	while (slice_next_line(&rest, &line)) {
		struct slice ahead = rest, next;
		size_t run = 0, keep;

		body_add_line(&out, line, is_crlf);
		if (line_is_blank(line)) {
			for (run = 1; slice_next_line(&ahead, &next) && line_is_blank(next); run++)
				;
			/* A run at the very top may be one line longer. */
			keep = top ? BLANK_RUN_MAX + 1 : BLANK_RUN_MAX;
			if (top && run > keep && slice_next_line(&rest, &line))
				body_add_line(&out, line, is_crlf);
			for (size_t drop = run > keep ? run - keep : 0; drop > 0; drop--)
				(void)slice_next_line(&rest, &line);
			for (size_t i = 0; i < (run > keep ? BLANK_RUN_MAX - 1 : run - 1); i++)
				if (slice_next_line(&rest, &line))
					body_add_line(&out, line, is_crlf);
		}
		top = false;
	}
	return strbuf_is_bad(&out) ? body : strbuf_slice(&out);
}

static struct part *
part_create(struct parser *parser, struct part *parent)
{
	struct message *m = parser->message;
	struct part *part;

	if (m->part_count >= MESSAGE_MAX_NODES ||
	    (part = arena_new(m->arena, struct part)) == NULL) {
		m->spent = true;
		return NULL;
	}
	m->part_count++;
	part->message = m;
	part->is_leaf = true;
	header_list_init(&part->headers, m->arena);
	if (parent != NULL)
		part->level = parent->level + 1;
	part->parent = parent;
	return part;
}

static void
part_append(struct part *parent, struct part *part)
{
	if (parent->last_child == NULL)
		parent->first_child = part;
	else
		parent->last_child->next = part;
	parent->last_child = part;
	parent->is_leaf = false;
}

/* Last Content-Type value, data NULL when there is none. */
static struct slice
part_content_type(struct part *part)
{
	return header_list_last(&part->headers, SLICE("content-type"));
}

static void
queue_push(struct parser *parser, struct job job)
{
	if (vec_push(parser->message->arena, &parser->queue, job) == NULL)
		parser->message->spent = true;
}

/* Splits header and body of a message (the outermost or an inner one), queues its body. */
static void
message_split(struct parser *parser, struct part *part, struct slice input, unsigned levels_left)
{
	struct message *m = parser->message;
	struct slice rest = input, line, first, headers, body;
	struct content_type type;
	struct section_end end;
	bool is_root = part == m->root, is_crlf, blank_first = false;

	if (input.len == 0)
		input = rest = SLICE("\n");
	(void)slice_next_line(&rest, &line);
	if (is_from_line(line) || is_mbx_line(line)) {
		if (is_root)
			m->mbox_separator =
				is_from_line(line) ? line : mbx_separator(m->arena, line, rest);
		input = rest;
	}
	rest = input;
	first = slice_next_line(&rest, &line) ? line : SLICE("");
	is_crlf = slice_ends(first, SLICE("\r\n")) || slice_ends(input, SLICE("\r\n"));
	end = headers_parse(m, part, input, is_crlf);
	headers = slice_sub(input, 0, end.headers_len);
	body = slice_from(input, end.headers_len);
	if (end.body_has_bare_lf) {
		rest = body;
		(void)slice_next_line(&rest, &line);
		body = arena_concat(m->arena, lf_to_crlf(m->arena, line), rest);
	}
	if (is_root) {
		m->is_crlf = is_crlf;
		m->missing_head_body_separator = end.missing_separator;
		m->original = input;
		m->original_headers = slice_sub(input, 0, end.headers_len);
		m->original_body = slice_from(input, end.headers_len);
		m->pristine_body = body;
		m->pristine = input;
		if (end.has_bare_lf)
			headers = lf_to_crlf(m->arena, headers);
		m->pristine_headers = headers;
		if (end.has_bare_lf || end.body_has_bare_lf)
			m->pristine = arena_concat(m->arena, headers, body);
	}
	body = body_squeeze(m->arena, body, is_crlf);
	content_type_parse(m->arena, part_content_type(part), &type);
	part->type = type.type;
	rest = body;
	if (slice_starts(type.type, SLICE("multipart/")) && slice_next_line(&rest, &line) &&
	    rest.len > 0 && !line_is_blank(line))
		blank_first = type.boundary.data == NULL || !slice_starts(line, SLICE("--")) ||
		              !slice_starts(slice_from(line, 2), type.boundary);
	queue_push(parser, (struct job){part, type.boundary, body, levels_left, blank_first});
}

static struct boundary_state *
boundary_state(struct message *m, struct slice boundary)
{
	struct hashmap_entry *entry = hashmap_put(&m->boundary_index, boundary, NULL);
	uintptr_t index;

	if (entry == NULL)
		return NULL;
	index = (uintptr_t)entry->value;
	if (index == 0) {
		if (vec_push(m->arena, &m->boundaries, (struct boundary_state){boundary, 0}) ==
		    NULL)
			return NULL;
		index = m->boundaries.count;
		entry->value = (void *)index;
	}
	return &m->boundaries.items[index - 1];
}

long
message_boundary_count(const struct message *message, struct slice boundary)
{
	uintptr_t index = (uintptr_t)hashmap_get(&message->boundary_index, boundary);

	return index == 0 ? 0 : message->boundaries.items[index - 1].count;
}

enum boundary_match { BOUNDARY_NO, BOUNDARY_OPEN, BOUNDARY_CLOSE };

static enum boundary_match
boundary_match(struct slice line, struct slice boundary)
{
	struct slice rest;

	if (boundary.data == NULL || line.len < 2 || line.data[0] != '-' || line.data[1] != '-')
		return BOUNDARY_NO;
	rest = slice_from(line, 2);
	if (!slice_starts(rest, boundary))
		return BOUNDARY_NO;
	rest = slice_from(rest, boundary.len);
	if (line_is_blank(rest))
		return BOUNDARY_OPEN;
	if (slice_starts(rest, SLICE("--")) && line_is_blank(slice_from(rest, 2)))
		return BOUNDARY_CLOSE;
	return BOUNDARY_NO;
}

/* Lines of more than 2048 bytes are cut, each piece an LF longer. */
static struct slice
lines_cut(struct arena *arena, struct slice body)
{
	struct strbuf out;
	struct slice line;

	strbuf_init(&out, arena, 0);
	strbuf_reserve(&out, body.len + body.len / MESSAGE_MAX_LINE + 1);
	while (slice_next_line(&body, &line)) {
		while (line.len > MESSAGE_MAX_LINE) {
			strbuf_add(&out, slice_sub(line, 0, MESSAGE_MAX_LINE));
			strbuf_add_byte(&out, '\n');
			line = slice_from(line, MESSAGE_MAX_LINE);
		}
		strbuf_add(&out, line);
	}
	return strbuf_slice(&out);
}

/* What is known of the part being read. */
struct reading {
	struct part *part;
	bool in_body, has_long_line, nested;
	struct slice header; /* lines of the field being read, data NULL = none */
	struct slice body;   /* data NULL = no line yet */
};

static void
reading_reset(struct parser *parser, struct reading *r)
{
	bool nested = r->nested;

	*r = (struct reading){.part = part_create(parser, NULL), .nested = nested};
}

static void
reading_add_body(struct reading *r, struct slice line)
{
	if (r->body.data == NULL)
		r->body = slice_of(line.data, 0);
	r->body.len += line.len;
	r->has_long_line |= line.len > MESSAGE_MAX_LINE;
}

static void
reading_end_header(struct parser *parser, struct reading *r, struct slice boundary, bool last)
{
	size_t colon = slice_find_byte(r->header, ':', 0);
	struct slice name = slice_sub(r->header, 0, colon);
	struct content_type type;

	if (r->header.data == NULL)
		return;
	if (!header_list_add(&r->part->headers, name,
	                     slice_ltrim(slice_from(r->header, colon + 1))))
		parser->message->spent = true;
	if (!last || boundary.data == NULL || !slice_ieq(name, SLICE("content-type")))
		return;
	/* An inner multipart with the same boundary: its lines are not ours. */
	content_type_parse(parser->message->arena, part_content_type(r->part), &type);
	if (type.boundary.data != NULL && slice_eq(type.boundary, boundary))
		r->nested = true;
}

/* One line that is no boundary and not the last. */
static void
reading_line(struct parser *parser, struct reading *r, struct slice line, struct slice boundary)
{
	struct slice plain = line;

	if (!r->in_body) {
		if (line_is_field(line, true)) {
			reading_end_header(parser, r, boundary, false);
			r->header = line;
			return;
		}
		if ((line.data[0] == ' ' || line.data[0] == '\t') && r->header.data != NULL) {
			r->header.len += line.len;
			return;
		}
		reading_end_header(parser, r, boundary, true);
		r->in_body = true;
		if (plain.data[plain.len - 1] == '\n')
			plain.len--;
		if (plain.len == 0 || (plain.len == 1 && plain.data[0] == '\r'))
			return;
		parser->message->missing_mime_head_body_separator = true;
	}
	reading_add_body(r, line);
}

/* Hands the finished part to the queue. */
static void
reading_finish(struct parser *parser, struct reading *r, const struct job *job, bool at_boundary)
{
	struct part *parent = job->part, *part = r->part;
	struct content_type type;

	if (at_boundary && r->body.len > 0 && r->body.data[r->body.len - 1] == '\n') {
		/* The line end before a boundary belongs to it. */
		if (r->has_long_line)
			r->body = lines_cut(parser->message->arena, r->body);
		r->has_long_line = false;
		if (r->body.len > 0)
			r->body.len--;
	}
	if (r->has_long_line)
		r->body = lines_cut(parser->message->arena, r->body);
	if (r->body.data == NULL)
		r->body = SLICE("");
	content_type_parse(parser->message->arena, part_content_type(part), &type);
	part->type = type.type;
	if (type.missing && slice_eq(parent->type, SLICE("multipart/digest")))
		part->type = SLICE("message/rfc822");
	if (type.boundary.data == NULL || type.boundary.len == 0 ||
	    slice_eq(type.boundary, SLICE("0")))
		type.boundary = job->boundary;
	part->parent = parent;
	part->level = parent->level + 1;
	part_append(parent, part);
	queue_push(parser, (struct job){part, type.boundary, r->body, job->levels_left - 1, false});
}

/* Skips the preamble; false when no opening boundary is there. */
static bool
preamble_skip(struct message *m, struct slice boundary, struct slice *rest)
{
	struct slice scan = *rest, line;

	while (slice_next_line(&scan, &line)) {
		struct boundary_state *state;
		struct slice after = scan;

		if (boundary_match(line, boundary) != BOUNDARY_OPEN)
			continue;
		state = boundary_state(m, boundary);
		if (state != NULL)
			state->count = 1;
		if (slice_next_line(&after, &line) && !line_is_field(line, false))
			m->missing_mime_headers = true;
		*rest = scan;
		return true;
	}
	return false;
}

static void
epilogue_check(struct message *m, struct slice rest)
{
	for (size_t i = 0; i < rest.len; i++)
		if (!byte_is_space(rest.data[i]) && rest.data[i] != '.')
			m->mime_epilogue_exists = true;
}

/* After a boundary that opens the next part: is a field next? */
static void
check_next_field(struct message *m, struct slice rest)
{
	struct slice line;

	if (slice_next_line(&rest, &line) && !line_is_field(line, false))
		m->missing_mime_headers = true;
}

static void
multipart_parse(struct parser *parser, const struct job *job)
{
	struct message *m = parser->message;
	struct slice rest = job->body, line;
	struct reading r = {0};
	size_t count = 0;

	job->part->is_leaf = false;
	if (!preamble_skip(m, job->boundary, &rest) && job->blank_first) {
		rest = arena_concat(m->arena, SLICE("\n"), rest);
		if (rest.data == NULL)
			return;
	}
	reading_reset(parser, &r);
	while (r.part != NULL && slice_next_line(&rest, &line)) {
		enum boundary_match match = boundary_match(line, job->boundary);
		bool closes = match == BOUNDARY_CLOSE;
		struct boundary_state *state;

		if (match != BOUNDARY_NO && r.nested) {
			if (match == BOUNDARY_CLOSE)
				r.nested = false;
			match = BOUNDARY_NO;
		}
		if (rest.len > 0 && match == BOUNDARY_NO) {
			reading_line(parser, &r, line, job->boundary);
			continue;
		}
		if (match == BOUNDARY_NO)
			reading_add_body(&r, line);
		reading_finish(parser, &r, job, match != BOUNDARY_NO);
		/* On the very last line an inner close counts as ours too. */
		if (closes) {
			state = boundary_state(m, job->boundary);
			if (state != NULL)
				state->count--;
			epilogue_check(m, rest);
			return;
		}
		check_next_field(m, rest);
		if (++count == MESSAGE_MAX_PARTS) {
			m->mimepart_limit_exceeded = true;
			return;
		}
		if (rest.len == 0)
			return;
		reading_reset(parser, &r);
	}
}

/* filename or name of a Content-Disposition value, data NULL = none. */
static struct slice
disposition_name(struct slice value)
{
	size_t from = 0, at;

	while ((at = slice_ifind(value, SLICE("name="), from)) != SLICE_NPOS) {
		size_t start = at + 5, end;

		while (start < value.len && byte_is_space(value.data[start]))
			start++;
		if (start < value.len && value.data[start] == '"')
			start++;
		end = slice_find_any(value, "\";", start);
		if (end == SLICE_NPOS)
			end = value.len;
		if (end > start)
			return slice_sub(value, start, end - start);
		/* Nothing there: the blanks themselves may be the name. */
		while (end > at + 5 && (value.data[end - 1] == '"'))
			end--;
		if (end > at + 5 && byte_is_space(value.data[end - 1]))
			return slice_sub(value, end - 1, 1);
		from = at + 5;
	}
	return SLICE_NULL;
}

static bool
name_is_html(struct slice name)
{
	return slice_iends(name, SLICE(".htm")) || slice_iends(name, SLICE(".html")) ||
	       slice_iends(name, SLICE(".shtm")) || slice_iends(name, SLICE(".shtml"));
}

static void
leaf_parse(struct parser *parser, const struct job *job)
{
	struct message *m = parser->message;
	struct part *part = job->part;
	struct slice value = part_content_type(part), cte;
	struct content_type type;

	content_type_parse(m->arena, value, &type);
	if (!type.missing)
		part->type =
			!slice_starts(type.type, SLICE("multipart/")) || job->boundary.data != NULL
				? type.type
				: SLICE("text/plain");
	part->charset = type.charset;
	part->name =
		disposition_name(header_list_last(&part->headers, SLICE("content-disposition")));
	if (part->name.data == NULL && type.name.len > 0 && !slice_eq(type.name, SLICE("0")))
		part->name = type.name;
	part->boundary = job->boundary;
	part->raw = job->blank_first ? arena_concat(m->arena, SLICE("\n"), job->body) : job->body;
	if (part->raw.data == NULL)
		part->raw = SLICE("");
	cte = header_list_last(&part->headers, SLICE("content-transfer-encoding"));
	part->cte = cte.len == 0 ? SLICE("") : arena_dup_lower(m->arena, cte);
	part->effective_type = name_is_html(part->name) ? SLICE("text/html") : part->type;
}

/* A message inside a message: parsed as one of its own below this part. */
static void
inner_message(struct parser *parser, const struct job *job)
{
	struct part *part = job->part, *inner;
	struct slice decoded;

	if (!slice_eq(part->type, SLICE("message/rfc822")) &&
	    !slice_eq(part->type, SLICE("message/global")))
		return;
	decoded = part_decoded(part);
	if (decoded.len == 0 || (inner = part_create(parser, part)) == NULL)
		return;
	inner->is_message = true;
	message_split(parser, inner, decoded, job->levels_left - 1);
	part_append(part, inner);
	part->raw = part->decoded = SLICE_NULL;
}

static void
queue_run(struct parser *parser)
{
	while (parser->done < parser->queue.count) {
		struct job job = parser->queue.items[parser->done++];

		if (slice_starts(job.part->type, SLICE("multipart/")) &&
		    job.boundary.data != NULL && job.levels_left > 0) {
			multipart_parse(parser, &job);
			continue;
		}
		leaf_parse(parser, &job);
		if (job.levels_left > 0)
			inner_message(parser, &job);
	}
}

struct message *
message_parse(struct arena *arena, struct slice input, const struct message_options *options)
{
	struct message *m = arena_new(arena, struct message);
	struct parser parser = {.message = m};

	if (m == NULL)
		return NULL;
	m->arena = arena;
	m->options = *options;
	m->input = input;
	hashmap_init(&m->boundary_index, arena);
	m->root = part_create(&parser, NULL);
	if (m->root == NULL)
		return NULL;
	m->root->is_message = true;
	message_split(&parser, m->root, input, MESSAGE_MAX_LEVEL);
	queue_run(&parser);
	return m;
}

struct part *
message_part_next(const struct message *message, const struct part *part)
{
	if (part == NULL)
		return message->root;
	if (part->first_child != NULL)
		return part->first_child;
	while (part != NULL && part->next == NULL)
		part = part->parent;
	return part == NULL ? NULL : part->next;
}

struct part *
message_leaf_next(const struct message *message, const struct part *part)
{
	struct part *next = message_part_next(message, part);

	while (next != NULL && (!next->is_leaf || next->type.len == 0))
		next = message_part_next(message, next);
	return next;
}

static bool
type_is_text_or_message(struct slice type)
{
	return slice_starts(type, SLICE("text/")) || slice_starts(type, SLICE("message/"));
}

struct slice
part_decoded(struct part *part)
{
	struct arena *arena = part->message->arena;

	if (part->is_decoded)
		return part->decoded;
	part->is_decoded = true;
	part->decoded = part->raw;
	if (slice_eq(part->cte, SLICE("quoted-printable")))
		part->decoded = crlf_to_lf(arena, qp_decode(arena, part->raw, false));
	else if (slice_eq(part->cte, SLICE("base64"))) {
		part->decoded = base64_decode(arena, part->raw);
		if (type_is_text_or_message(part->type))
			part->decoded = crlf_to_lf(arena, part->decoded);
	}
	if (part->decoded.data == NULL) {
		part->message->spent |= part->raw.data != NULL;
		part->decoded = SLICE("");
	}
	return part->decoded;
}

bool
part_type_is(const struct part *part, struct slice type)
{
	return slice_eq(part->effective_type, type);
}

struct slice
message_id(struct message *message)
{
	struct slice value = header_list_last(&message->root->headers, SLICE("message-id"));

	value = slice_trim(value);
	if (value.len < 3 || value.data[0] != '<' || value.data[value.len - 1] != '>')
		return SLICE_NULL;
	return slice_sub(value, 1, value.len - 2);
}

bool
message_content_summary(struct message *message, slice_vec *summary_r)
{
	struct part *root = message->root, *part = NULL;

	*summary_r = (slice_vec){0};
	if (vec_push(message->arena, summary_r, root->type) == NULL)
		return false;
	for (struct part *top = root->first_child; top != NULL; top = top->next) {
		struct strbuf types;

		strbuf_init(&types, message->arena, 0);
		for (part = top; part != NULL; part = message_part_next(message, part)) {
			if (part != top && part->level <= top->level)
				break;
			if (part != top)
				strbuf_add_byte(&types, ',');
			strbuf_add(&types, part->type);
		}
		if (strbuf_is_bad(&types) ||
		    vec_push(message->arena, summary_r, strbuf_slice(&types)) == NULL)
			return false;
	}
	return true;
}

struct slice
message_body_lf(struct message *message)
{
	return message->is_crlf ? crlf_to_lf(message->arena, message->pristine_body)
	                        : message->pristine_body;
}
