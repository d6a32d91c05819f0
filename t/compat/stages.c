/*
 * stages.c - what each stage makes of a message, as JSON, one object a message
 *
 *   winnow-stages [--only STAGE,...] [--normalize 0|1] MESSAGE ...
 *
 * The same shape as the reference's stages.pl prints; t/compat/stages-diff compares the two. A new
 * stage is a row of the table at the end. Strings are bytes as code points \u0000 - \u00ff.
 */
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#include "mail/header.h"
#include "mail/text.h"
#include "util/arena.h"
#include "util/file.h"
#include "util/strbuf.h"

static void
print_string(struct slice s)
{
	if (s.data == NULL) {
		fputs("null", stdout);
		return;
	}
	putchar('"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < ' ' || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_key(const char *key)
{
	printf("\"%s\":", key);
}

static void
print_member(const char *key, struct slice value)
{
	print_key(key);
	print_string(value);
	putchar(',');
}

static void
print_list(const struct slice *items, size_t count)
{
	putchar('[');
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			putchar(',');
		print_string(items[i]);
	}
	putchar(']');
}

static void
print_sha1(const char *key, struct slice data)
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	SHA1(data.data, data.len, digest);
	printf("\"%s\":\"", key);
	for (size_t i = 0; i < sizeof(digest); i++)
		printf("%02x", digest[i]);
	fputs("\"", stdout);
}

static const char *const address_fields[] = {"From",        "To",        "Cc",
                                             "Reply-To",    "Sender",    "Return-Path",
                                             "Resent-From", "Errors-To", "X-Sender"};
static const char *const address_modifiers[] = {"addr",   "name",  "raw", "host",
                                                "domain", "first", "last"};
static const char *const other_requests[] = {"ALL",
                                             "ALL:raw",
                                             "ToCc",
                                             "MESSAGEID",
                                             "MESSAGEID:host",
                                             "MESSAGEID:domain",
                                             "ToCc:addr",
                                             "ToCc:name",
                                             "X-Originating-IP:ip",
                                             "X-Originating-IP:revip",
                                             "Subject:raw",
                                             "Message-ID:raw",
                                             "Received:first",
                                             "Received:last"};

static void
print_get(struct message *m, const struct header_context *context, struct slice text, bool *first)
{
	struct header_request request;
	struct header_values values;

	header_request_parse(text, &request, NULL);
	(void)!header_get(m, &request, context, &values);
	if (values.values.count == 0)
		return;
	if (!*first)
		putchar(',');
	*first = false;
	print_string(text);
	putchar(':');
	print_list(values.values.items, values.values.count);
}

static void
stage_headers(struct message *m, const struct header_context *context)
{
	struct header_list *list = &m->root->headers;
	bool first = true;
	char text[64];

	fputs("\"list\":[", stdout);
	for (size_t i = 0; i < list->fields.count; i++) {
		struct slice triple[3] = {list->fields.items[i].name, list->fields.items[i].raw,
		                          header_field_decoded(list, i)};

		if (i > 0)
			putchar(',');
		print_list(triple, 3);
	}
	fputs("],\"get\":{", stdout);
	for (size_t i = 0; i < sizeof(other_requests) / sizeof(other_requests[0]); i++)
		print_get(m, context, slice_from_cstr(other_requests[i]), &first);
	for (size_t i = 0; i < sizeof(address_fields) / sizeof(address_fields[0]); i++)
		for (size_t k = 0; k < sizeof(address_modifiers) / sizeof(address_modifiers[0]);
		     k++) {
			snprintf(text, sizeof(text), "%s:%s", address_fields[i],
			         address_modifiers[k]);
			print_get(m, context, slice_from_cstr(text), &first);
		}
	for (size_t i = 0; i < list->names.count; i++) {
		const struct header_name *name = list->names.entries[i].value;

		print_get(m, context, name->name, &first);
	}
	fputs("},", stdout);
	print_member("mbox_sep", m->mbox_separator);
	print_member("msgid", message_id(m));
	printf("\"truncated\":%d", m->truncated_header);
}

static void
print_content_type(struct part *part)
{
	struct content_type type;

	content_type_parse(part->message->arena,
	                   header_list_last(&part->headers, SLICE("content-type")), &type);
	fputs("\"content_type\":{", stdout);
	print_member("type", type.type);
	print_member("boundary", type.boundary);
	print_member("charset", type.charset);
	print_member("name", type.name);
	printf("\"missing\":%d},", type.missing);
}

static void
print_part_open(struct part *part)
{
	struct slice cte = header_list_last(&part->headers, SLICE("content-transfer-encoding"));

	putchar('{');
	print_member("type", part->type);
	print_member("cte", cte.data == NULL ? SLICE("") : cte);
	print_content_type(part);
	fputs("\"headers\":[", stdout);
	for (size_t i = 0; i < part->headers.fields.count; i++) {
		if (i > 0)
			putchar(',');
		print_string(part->headers.fields.items[i].name);
	}
	fputs("],", stdout);
	print_member("charset", part->charset);
	print_member("name", part->name);
	print_member("boundary", part->boundary);
	if (part->is_leaf) {
		struct slice decoded = part_decoded(part);

		print_member("effective_type", part->effective_type);
		printf("\"raw_length\":%zu,\"decoded_length\":%zu,", part->raw.len, decoded.len);
		print_sha1("sha1", decoded);
		putchar('}');
	} else {
		fputs("\"parts\":[", stdout);
		if (part->first_child == NULL)
			fputs("]}", stdout);
	}
}

static void
print_tree(struct message *m)
{
	struct part *part = NULL;

	while ((part = message_part_next(m, part)) != NULL) {
		struct part *up = part;

		if (part->parent != NULL && part->parent->first_child != part)
			putchar(',');
		print_part_open(part);
		if (part->first_child != NULL)
			continue;
		for (; up->parent != NULL && up->next == NULL; up = up->parent)
			fputs("]}", stdout);
	}
}

static void
print_digests(struct message *m)
{
	bool first = true;

	fputs("\"digests\":[", stdout);
	for (struct part *p = message_part_next(m, NULL); p != NULL; p = message_part_next(m, p)) {
		unsigned char digest[SHA_DIGEST_LENGTH];
		struct slice decoded;

		if (!p->is_leaf)
			continue;
		decoded = part_decoded(p);
		SHA1(decoded.data, decoded.len, digest);
		fputs(first ? "\"" : ",\"", stdout);
		first = false;
		for (size_t i = 0; i < sizeof(digest); i++)
			printf("%02x", digest[i]);
		putchar(':');
		for (size_t i = 0; i < p->type.len; i++) {
			unsigned char c = p->type.data[i];

			printf(c == '"' || c == '\\' ? "\\%c" : "%c", c);
		}
		putchar('"');
	}
	fputs("],", stdout);
}

static void
stage_mime(struct message *m, const struct header_context *context)
{
	slice_vec summary;

	(void)context;
	fputs("\"tree\":", stdout);
	print_tree(m);
	printf(",\"crlf\":%d,\"boundary_state\":{", m->is_crlf);
	for (size_t i = 0; i < m->boundaries.count; i++) {
		if (i > 0)
			putchar(',');
		print_string(m->boundaries.items[i].boundary);
		printf(":%ld", m->boundaries.items[i].count);
	}
	fputs("},\"summary\":", stdout);
	(void)message_content_summary(m, &summary);
	print_list(summary.items, summary.count);
	putchar(',');
	print_digests(m);
	printf("\"missing_head_body_separator\":%d,\"missing_mime_headers\":%d,"
	       "\"missing_mime_head_body_separator\":%d,\"mime_epilogue_exists\":%d,"
	       "\"mimepart_limit_exceeded\":%d,\"truncated_header\":%d",
	       m->missing_head_body_separator, m->missing_mime_headers,
	       m->missing_mime_head_body_separator, m->mime_epilogue_exists,
	       m->mimepart_limit_exceeded, m->truncated_header);
}

static bool
is_wide(struct html_string s)
{
	for (size_t i = 0; s.wide && i < s.text.len; i++)
		if (s.text.data[i] >= 0x80)
			return true;
	return false;
}

static void
stage_render(struct message *m, const struct header_context *context)
{
	bool first = true;

	(void)context;
	putchar('[');
	for (struct part *p = message_leaf_next(m, NULL); p != NULL; p = message_leaf_next(m, p)) {
		const struct part_text *text = part_rendered(p);

		if (text->type.data == NULL)
			continue;
		fputs(first ? "{" : ",{", stdout);
		first = false;
		print_member("type", p->type);
		print_member("rendered_type", text->type);
		print_member("charset", p->charset);
		printf("\"wide\":%d,", is_wide(text->rendered));
		print_member("rendered", text->rendered.text);
		print_member("visible", text->visible.text);
		print_key("invisible");
		print_string(text->invisible.text);
		putchar('}');
	}
	putchar(']');
}

static void
print_lines(const struct text_lines *lines)
{
	print_list(lines->items, lines->count);
}

static void
stage_body(struct message *m, const struct header_context *context)
{
	(void)context;
	print_lines(text_body(m));
}

static void
stage_visible(struct message *m, const struct header_context *context)
{
	(void)context;
	print_lines(text_visible(m));
}

static void
stage_invisible(struct message *m, const struct header_context *context)
{
	(void)context;
	print_lines(text_invisible(m));
}

static void
stage_rawbody(struct message *m, const struct header_context *context)
{
	(void)context;
	print_lines(text_rawbody(m));
}

static void
stage_full(struct message *m, const struct header_context *context)
{
	(void)context;
	printf("\"length\":%zu,", m->pristine.len);
	print_sha1("sha1", m->pristine);
	printf(",\"header_length\":%zu,", m->pristine_headers.len);
	print_sha1("header_sha1", m->pristine_headers);
	printf(",\"body_length\":%zu,", m->pristine_body.len);
	print_sha1("body_sha1", m->pristine_body);
	putchar(',');
	print_sha1("body_digest", message_body_lf(m));
}

struct stage {
	const char *name;
	bool is_object;
	void (*print)(struct message *m, const struct header_context *context);
};

static const struct stage stages[] = {
	{"headers", true, stage_headers},  {"mime", true, stage_mime},
	{"render", false, stage_render},   {"body", false, stage_body},
	{"visible", false, stage_visible}, {"invisible", false, stage_invisible},
	{"rawbody", false, stage_rawbody}, {"full", true, stage_full},
};

static bool
is_wanted(const char *only, const char *name)
{
	struct slice rest = only == NULL ? SLICE_NULL : slice_from_cstr(only), piece;

	while (slice_next(&rest, ',', &piece))
		if (slice_eq(piece, slice_from_cstr(name)))
			return true;
	return only == NULL;
}

/* Top level domains of the installed rules, as far as they are there. */
static void
registry_load(struct arena *arena, struct registry *registry)
{
	static const char *const names[] = {"util_rb_tld", "util_rb_2tld", "util_rb_3tld"};
	struct slice text, line, word;

	registry_init(registry, arena);
	if (file_read(arena, "/usr/share/spamassassin/20_aux_tlds.cf", 10 << 20, &text, NULL) !=
	    STATUS_OK)
		return;
	while (slice_next(&text, '\n', &line)) {
		if (!slice_next_word(&line, &word))
			continue;
		for (int level = 0; level < 3; level++) {
			if (!slice_eq(word, slice_from_cstr(names[level])))
				continue;
			while (slice_next_word(&line, &word))
				(void)registry_add(registry, level + 1, word);
		}
	}
}

static int
one_message(const char *path, const char *only, const struct message_options *options,
            const struct registry *registry)
{
	struct arena *arena = arena_create(0);
	struct header_context context = {
		.registry = registry, .last_trusted = -1, .last_internal = -1};
	struct error error;
	struct message *m;
	struct slice input;

	if (file_read(arena, path, (size_t)1 << 30, &input, &error) != STATUS_OK) {
		fprintf(stderr, "%s\n", error.text);
		arena_destroy(&arena);
		return 1;
	}
	m = message_parse(arena, input, options);
	printf("{\"file\":\"%s\"", path);
	for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
		if (!is_wanted(only, stages[i].name))
			continue;
		printf(",\"%s\":%s", stages[i].name, stages[i].is_object ? "{" : "");
		stages[i].print(m, &context);
		if (stages[i].is_object)
			putchar('}');
	}
	puts("}");
	arena_destroy(&arena);
	return 0;
}

int
main(int argc, char **argv)
{
	struct message_options options = MESSAGE_OPTIONS_DEFAULT;
	struct arena *arena = arena_create(0);
	struct registry registry;
	const char *only = NULL;
	int bad = 0, i = 1;

	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--only") == 0)
			only = argv[i + 1];
		else if (strcmp(argv[i], "--normalize") == 0)
			options.normalize_charset = argv[i + 1][0] != '0';
		else
			break;
	}
	registry_load(arena, &registry);
	for (; i < argc; i++)
		bad |= one_message(argv[i], only, &options, &registry);
	arena_destroy(&arena);
	return bad;
}
