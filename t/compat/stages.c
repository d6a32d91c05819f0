/*
 * stages.c - what each stage makes of a message, as JSON, one object a message
 *
 *   winnow-stages [--only STAGE,...] [--normalize 0|1] MESSAGE ...
 *
 * The same shape as the reference's stages.pl prints; t/compat/stages-diff compares the two. A new
 * stage is a row of the table at the end. Strings are bytes as code points \u0000 - \u00ff.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <openssl/sha.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mail/header.h"
#include "mail/date.h"
#include "mail/route.h"
#include "mail/text.h"
#include "mail/uri.h"
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

static void
print_number(const struct html_result *html, const char *name)
{
	double value;

	if (!html_result_number(html, slice_from_cstr(name), &value))
		return;
	print_key(name);
	printf("%.10g,", value);
}

static void
print_strings(const char *key, const html_strings *list)
{
	print_key(key);
	if (list->count == 0) {
		fputs("null,", stdout);
		return;
	}
	for (size_t i = 0; i < list->count; i++) {
		putchar(i == 0 ? '[' : ',');
		print_string(list->items[i].text.data == NULL ? SLICE("") : list->items[i].text);
	}
	fputs("],", stdout);
}

static int
compare_slices(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void
print_sorted(struct arena *arena, slice_vec list)
{
	slice_vec copy = {.count = 0};

	for (size_t i = 0; i < list.count; i++)
		(void)vec_push(arena, &copy, list.items[i]);
	if (copy.count > 0)
		qsort(copy.items, copy.count, sizeof(*copy.items), compare_slices);
	print_list(copy.items, copy.count);
}

static void
print_types(struct arena *arena, unsigned types)
{
	slice_vec names = {.count = 0};

	for (unsigned bit = 0; bit < URI_TYPE_COUNT; bit++)
		if ((types >> bit & 1) != 0)
			(void)vec_push(arena, &names, slice_from_cstr(uri_type_name(bit)));
	print_sorted(arena, names);
}

static void
print_html_uris(struct arena *arena, const struct html_result *html)
{
	print_key("uri_detail");
	if (html->uris.count == 0) {
		fputs("null,", stdout);
		return;
	}
	for (size_t i = 0; i < html->uris.count; i++) {
		const struct html_uri *uri = html->uris.items[i];

		putchar(i == 0 ? '{' : ',');
		print_string(uri->raw.text);
		fputs(":{", stdout);
		if (uri->types != 0) {
			print_key("types");
			print_types(arena, uri->types);
		}
		if (uri->anchor_texts.count > 0) {
			fputs(uri->types != 0 ? ",\"anchor_text\":[" : "\"anchor_text\":[", stdout);
			for (size_t k = 0; k < uri->anchor_texts.count; k++) {
				struct slice text = uri->anchor_texts.items[k].text;

				if (k > 0)
					putchar(',');
				print_string(text.data == NULL ? SLICE("") : text);
			}
			putchar(']');
		}
		putchar('}');
	}
	fputs("},", stdout);
}

static void
print_html(struct arena *arena, const struct html_result *html)
{
	static const char *const numbers[] = {"backhair_count",
	                                      "bad_tag_ratio",
	                                      "closed_extra_ratio",
	                                      "embeds",
	                                      "font_face_bad",
	                                      "font_invalid_color",
	                                      "font_low_contrast",
	                                      "form_action_mailto",
	                                      "html",
	                                      "html_length",
	                                      "image_area",
	                                      "length",
	                                      "max_size",
	                                      "min_size",
	                                      "non_element_ratio",
	                                      "non_space_len",
	                                      "obfuscation_ratio",
	                                      "ratio",
	                                      "uri_truncated"};

	putchar('{');
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		print_number(html, numbers[i]);
	if (!html->is_broken) {
		print_strings("anchor", &html->anchors);
		print_strings("comment", &html->comments);
		print_strings("script", &html->scripts);
		print_strings("title", &html->titles);
		print_html_uris(arena, html);
		print_key("inside");
		putchar('{');
		for (size_t i = 0; i < html->inside.count; i++) {
			long count = 0;

			if (i > 0)
				putchar(',');
			print_string(html->inside.entries[i].key);
			(void)html_result_inside(html, html->inside.entries[i].key, &count);
			printf(":%ld", count);
		}
		fputs("},", stdout);
	}
	fputs("\"html\":1}", stdout);
}

static void
stage_html(struct message *m, const struct header_context *context)
{
	(void)context;
	(void)text_body(m);
	fputs("\"parts\":[", stdout);
	for (size_t i = 0; m->text != NULL && i < m->text->html.count; i++) {
		if (i > 0)
			putchar(',');
		if (m->text->html.items[i] == NULL)
			fputs("null", stdout);
		else
			print_html(m->arena, m->text->html.items[i]);
	}
	putchar(']');
	if (text_html(m) != NULL) {
		fputs(",\"html\":", stdout);
		print_html(m->arena, text_html(m));
	}
}

/* redirector_pattern lines of the installed rules. */
static struct {
	pcre2_code *code[64];
	size_t count;
} patterns;

static bool
match_redirector(void *context, size_t index, struct slice uri, struct slice *target_r)
{
	pcre2_match_data *data = pcre2_match_data_create(16, NULL);
	int rc = pcre2_match(patterns.code[index], uri.data, uri.len, 0, 0, data, NULL);

	(void)context;
	if (rc > 1) {
		PCRE2_SIZE *o = pcre2_get_ovector_pointer(data);

		if (o[2] != PCRE2_UNSET)
			*target_r = slice_sub(uri, o[2], o[3] - o[2]);
	}
	pcre2_match_data_free(data);
	return rc > 0;
}

static void
redirectors_load(struct arena *arena, const char *path)
{
	struct slice text, line, word;
	PCRE2_SIZE offset;
	int error;

	if (file_read(arena, path, 10 << 20, &text, NULL) != STATUS_OK)
		return;
	while (slice_next(&text, '\n', &line)) {
		if (!slice_next_word(&line, &word) ||
		    !slice_eq(word, SLICE("redirector_pattern")) || patterns.count == 64)
			continue;
		line = slice_trim(line);
		if (line.data[0] == 'm')
			line = slice_from(line, 1);
		line = slice_sub(line, 1, slice_rfind_byte(line, line.data[0]) - 1);
		patterns.code[patterns.count] =
			pcre2_compile(line.data, line.len, PCRE2_CASELESS, &error, &offset, NULL);
		patterns.count += patterns.code[patterns.count] != NULL;
	}
}

static void
print_uri(struct arena *arena, const struct uri_info *info)
{
	print_string(info->raw);
	fputs(":{\"types\":", stdout);
	print_types(arena, info->types);
	fputs(",\"cleaned\":", stdout);
	print_sorted(arena, info->cleaned);
	fputs(",\"domains\":", stdout);
	print_sorted(arena, info->domains);
	fputs(",\"hosts\":{", stdout);
	for (size_t i = 0; i < info->hosts.count; i++) {
		if (i > 0)
			putchar(',');
		print_string(info->hosts.items[i].host);
		putchar(':');
		print_string(info->hosts.items[i].domain);
	}
	putchar('}');
	if (info->anchor_texts.count > 0) {
		fputs(",\"anchor_text\":[", stdout);
		for (size_t i = 0; i < info->anchor_texts.count; i++) {
			struct slice text = info->anchor_texts.items[i].text;

			if (i > 0)
				putchar(',');
			print_string(text.data == NULL ? SLICE("") : text);
		}
		putchar(']');
	}
	putchar('}');
}

static void
stage_uris(struct message *m, const struct header_context *context)
{
	struct uri_config config = {.registry = context->registry};
	const struct text_lines *body = text_body(m);
	slice_vec cleaned = {.count = 0}, wide = {.count = 0};
	struct uri_list list;

	config.redirectors.count = patterns.count;
	config.redirectors.match = match_redirector;
	uri_list_init(&list, m->arena, &config);
	uri_list_add_text(&list, body->items, body->count);
	for (size_t i = 0; m->text != NULL && i < m->text->html.count; i++)
		if (m->text->html.items[i] != NULL)
			uri_list_add_html(&list, m->text->html.items[i]);
	fputs("\"detail\":{", stdout);
	for (size_t i = 0; i < list.uris.count; i++) {
		if (i > 0)
			putchar(',');
		print_uri(m->arena, list.uris.items[i]);
		if (is_wide((struct html_string){list.uris.items[i]->raw,
		                                 list.uris.items[i]->wide}))
			(void)vec_push(m->arena, &wide, list.uris.items[i]->raw);
	}
	for (size_t i = 0; i < list.cleaned.count; i++)
		(void)vec_push(m->arena, &cleaned, list.cleaned.entries[i].key);
	fputs("},\"list\":", stdout);
	print_sorted(m->arena, cleaned);
	fputs(",\"wide\":", stdout);
	print_sorted(m->arena, wide);
	printf(",\"truncated\":%d", list.truncated);
}

static void
print_relay(const struct relay *r)
{
	putchar('{');
	print_member("ip", r->ip);
	print_member("rdns", r->rdns);
	print_member("helo", r->helo);
	print_member("by", r->by);
	print_member("ident", r->ident);
	print_member("envfrom", r->envfrom);
	print_member("id", r->id);
	print_member("auth", r->auth);
	printf("\"intl\":%d,\"msa\":%d,\"ip_private\":%d,\"no_reverse_dns\":%d,\"trusted\":%d}",
	       r->internal, r->msa, r->ip_private, r->no_reverse_dns, r->trusted);
}

static void
stage_relays(struct message *m, const struct header_context *context)
{
	struct route_config config = {.originating_ip_header_count = 0};
	struct route route;
	const relay_vec *sets[2] = {&route.relays.trusted, &route.relays.untrusted};
	bool first = true;

	(void)!route_find(m, &config, context, &route);
	print_member("X-Spam-Relays-Trusted", route.relays.trusted_string);
	print_member("X-Spam-Relays-Untrusted", route.relays.untrusted_string);
	print_member("X-Spam-Relays-Internal", route.relays.internal_string);
	print_member("X-Spam-Relays-External", route.relays.external_string);
	printf("\"unparseable\":%zu,\"last_trusted\":%ld,\"last_internal\":%ld,\"relays\":[",
	       route.relays.unparseable, route.relays.last_trusted, route.relays.last_internal);
	for (size_t s = 0; s < 2; s++) {
		for (size_t i = 0; i < sets[s]->count; i++) {
			if (!first)
				putchar(',');
			first = false;
			print_relay(sets[s]->items[i]);
		}
	}
	putchar(']');
}

static bool
envelope_metadata(void *data, struct slice name, struct slice *value_r)
{
	const struct route *route = data;

	*value_r = route->envelope_sender;
	return slice_ieq(name, SLICE("envelopefrom")) && route->envelope_sender.data != NULL;
}

/* The first value, or all of them as domains with blanks between. */
static void
print_domains(struct message *m, const struct header_context *context, const char *key,
              const char *request_text, bool all)
{
	struct header_request request;
	struct header_values values;
	struct strbuf buf;
	struct hashmap seen;
	bool added;

	hashmap_init(&seen, m->arena);
	strbuf_init(&buf, m->arena, 0);
	header_request_parse(slice_from_cstr(request_text), &request, NULL);
	(void)!header_get(m, &request, context, &values);
	for (size_t i = 0; i < values.values.count && (all || i == 0); i++) {
		struct slice value = values.values.items[i];

		if (value.len > 0 && value.data[value.len - 1] == '\n')
			value.len--;
		if (hashmap_put(&seen, value, &added) == NULL || !added)
			continue;
		if (i > 0)
			strbuf_add_byte(&buf, ' ');
		strbuf_add(&buf, idn_to_ascii(m->arena, value));
	}
	print_member(key, values.values.count == 0 ? SLICE_NULL
	                  : buf.data == NULL       ? SLICE("")
	                                           : strbuf_slice(&buf));
}

static void
stage_envelope(struct message *m, const struct header_context *context)
{
	struct header_context with_route = *context;
	struct route_config config = {.originating_ip_header_count = 0};
	struct header_request request;
	struct header_values values;
	struct route route;
	int64_t now = time(NULL), date = message_receive_date(m, now);

	(void)!route_find(m, &config, context, &route);
	with_route.metadata = envelope_metadata;
	with_route.data = &route;
	header_request_parse(SLICE("EnvelopeFrom:addr"), &request, NULL);
	(void)!header_get(m, &request, &with_route, &values);
	print_member("envelopefrom", header_scalar(m->arena, &request, &values));
	print_domains(m, &with_route, "senderdomain", "EnvelopeFrom:first:addr:host", false);
	print_domains(m, &with_route, "authordomain", "From:addr:host", true);
	if (date > now - 3600 && date < now + 3600)
		fputs("\"receive_date\":\"now\"", stdout);
	else
		printf("\"receive_date\":%lld", (long long)date);
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
	{"html", true, stage_html},        {"uris", true, stage_uris},
	{"relays", true, stage_relays},    {"envelope", true, stage_envelope},
	{"html", true, stage_html},        {"uris", true, stage_uris},
	{"relays", true, stage_relays},    {"envelope", true, stage_envelope},
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
	redirectors_load(arena, "/usr/share/spamassassin/20_uri_tests.cf");
	redirectors_load(arena, "/usr/share/spamassassin/72_active.cf");
	for (; i < argc; i++)
		bad |= one_message(argv[i], only, &options, &registry);
	arena_destroy(&arena);
	return bad;
}
