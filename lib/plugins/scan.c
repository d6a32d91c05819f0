/*
 * scan.c - what plugins read of a message and report back
 */
#include "plugins/scan.h"

#include "util/clock.h"

/* ---- headers ---- */

struct cached_header {
	struct header_request request;
	struct header_values values;
	struct slice scalar, joined;
	bool has_scalar, has_joined, is_defined;
};

static bool
metadata(void *data, struct slice name, struct slice *value_r)
{
	struct scan *scan = data;
	static const struct {
		const char *name;
		size_t offset;
	} strings[] = {
		{"x-spam-relays-trusted", offsetof(struct scan, relays.trusted_string)},
		{"x-spam-relays-untrusted", offsetof(struct scan, relays.untrusted_string)},
		{"x-spam-relays-internal", offsetof(struct scan, relays.internal_string)},
		{"x-spam-relays-external", offsetof(struct scan, relays.external_string)},
	};
	const struct slice *value;

	if (slice_eq(name, SLICE("envelopefrom"))) {
		*value_r = scan->envelope_from;
		return scan->envelope_from.data != NULL;
	}
	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (slice_eq(name, slice_from_cstr(strings[i].name))) {
			*value_r = *(const struct slice *)(const void *)((const char *)scan +
			                                                 strings[i].offset);
			if (value_r->data == NULL)
				*value_r = SLICE("");
			return true;
		}
	value = hashmap_get(&scan->metadata, name);
	if (value == NULL)
		return false;
	*value_r = *value;
	return true;
}

void
scan_header_context(struct scan *scan, struct header_context *context_r)
{
	*context_r = (struct header_context){
		.registry = &scan->env->registry,
		.last_trusted = scan->relays.last_trusted,
		.last_internal = scan->relays.last_internal,
		.metadata = metadata,
		.data = scan,
		.address_parser = scan->env->address_parser,
	};
}

/* Names in evals; what is not here is found by its text, which costs a little more. */
static const char *const eval_headers[] = {
	"Apparently-Resent-To:addr",
	"Apparently-To",
	"Apparently-To:addr",
	"Cc:addr",
	"Content-Type",
	"Date",
	"Delivered-To",
	"Delivered-To:addr",
	"EnvelopeFrom",
	"EnvelopeFrom:addr",
	"EnvelopeFrom:first:addr:host",
	"Envelope-Recipients:addr",
	"Envelope-Sender:addr",
	"Envelope-Sender:first:addr",
	"Envelope-To:addr",
	"From",
	"From:addr",
	"From:addr:host",
	"From:name",
	"List-Unsubscribe",
	"MESSAGEID",
	"Mailing-List",
	"Message-Id",
	"Received",
	"Reply-To:addr",
	"Resent-Cc:first:addr",
	"Resent-From:first:addr",
	"Resent-Sender:addr",
	"Resent-To:first:addr",
	"Return-Path:first:addr",
	"Subject",
	"Subject:raw",
	"To",
	"To:addr",
	"X-Delivered-To:addr",
	"X-Envelope-From:addr",
	"X-Envelope-From:first:addr",
	"X-Envelope-To:addr",
	"X-Original-To:addr",
	"X-Originating-Ip",
	"X-OriginatorOrg",
	"X-Rcpt-To:addr",
	"X-Real-To:addr",
	"X-Received",
	"X-Sender:first:addr",
};

bool
scan_headers_register(struct header_table *table)
{
	for (size_t i = 0; i < sizeof(eval_headers) / sizeof(eval_headers[0]); i++)
		if (header_table_add(table, slice_from_cstr(eval_headers[i])) == HEADER_NONE)
			return false;
	return true;
}

bool
scan_headers_begin(struct scan *scan)
{
	const struct header_table *table = scan->header_table;

	hashmap_init(&scan->header_cache, scan->arena);
	scan->headers =
		arena_new_array(scan->arena, struct cached_header *, table->entries.count + 1);
	scan->has_field = arena_new_array(scan->arena, bool, table->fields.count + 1);
	scan->absent_header = arena_new(scan->arena, struct cached_header);
	if (scan->headers == NULL || scan->has_field == NULL || scan->absent_header == NULL)
		return false;
	header_table_mark(table, &scan->message->root->headers, scan->has_field);
	return true;
}

static struct cached_header *
get_header(struct scan *scan, const struct header_request *request)
{
	struct cached_header *header = arena_new(scan->arena, struct cached_header);
	struct header_context context;

	if (header == NULL)
		return NULL;
	header->request = *request;
	scan_header_context(scan, &context);
	(void)!header_get(scan->message, &header->request, &context, &header->values);
	return header;
}

static struct cached_header *
numbered_header(struct scan *scan, unsigned number)
{
	const struct header_entry *entry;

	if (scan->headers[number] != NULL)
		return scan->headers[number];
	entry = &scan->header_table->entries.items[number];
	if (entry->field != HEADER_NONE && !scan->has_field[entry->field] &&
	    hashmap_find_hashed(&scan->metadata, entry->lower, entry->lower_hash) == NULL)
		scan->headers[number] = scan->absent_header;
	else
		scan->headers[number] = get_header(scan, &entry->request);
	return scan->headers[number];
}

static struct cached_header *
find_header(struct scan *scan, struct slice name)
{
	unsigned number = header_table_find(scan->header_table, name);
	struct hashmap_entry *entry;
	struct header_request request;

	if (number != HEADER_NONE)
		return numbered_header(scan, number);
	/* The key must live as long as the map: names of evals are literals, others live in the
	 * arenas. */
	entry = hashmap_put(&scan->header_cache, name, NULL);
	if (entry == NULL)
		return NULL;
	if (entry->value == NULL) {
		header_request_parse(name, &request, NULL);
		entry->value = get_header(scan, &request);
	}
	return entry->value;
}

struct slice
scan_header(struct scan *scan, struct slice name)
{
	struct cached_header *header = find_header(scan, name);

	if (header == NULL)
		return SLICE("");
	if (!header->has_scalar) {
		header->scalar = header_scalar(scan->arena, &header->request, &header->values);
		if (header->scalar.data == NULL)
			header->scalar = SLICE("");
		header->has_scalar = true;
	}
	return header->scalar;
}

bool
scan_header_exists(struct scan *scan, struct slice name)
{
	const struct cached_header *header = find_header(scan, name);

	return header != NULL && header->values.values.count > 0;
}

slice_vec
scan_header_values(struct scan *scan, struct slice name)
{
	const struct cached_header *header = find_header(scan, name);

	return header == NULL ? (slice_vec){0} : header->values.values;
}

static bool
joined_text(struct scan *scan, struct cached_header *header, struct slice *text_r)
{
	if (header == NULL)
		return false;
	if (!header->has_joined) {
		header->is_defined = header_joined(scan->arena, &header->values, &header->joined);
		header->has_joined = true;
	}
	*text_r = header->joined;
	return header->is_defined;
}

bool
scan_header_joined(struct scan *scan, struct slice name, struct slice *text_r)
{
	return joined_text(scan, find_header(scan, name), text_r);
}

bool
scan_header_number_joined(struct scan *scan, unsigned number, struct slice *text_r)
{
	return joined_text(scan, numbered_header(scan, number), text_r);
}

bool
scan_header_number_exists(struct scan *scan, unsigned number)
{
	const struct cached_header *header = numbered_header(scan, number);

	return header != NULL && header->values.values.count > 0;
}

static void
add_distinct(struct scan *scan, slice_vec *list, struct slice value)
{
	for (size_t i = 0; i < list->count; i++)
		if (slice_eq(list->items[i], value))
			return;
	(void)vec_push(scan->arena, list, value);
}

static struct slice
squeeze_dots(struct arena *arena, struct slice addr)
{
	unsigned char *out;
	size_t n = 0;

	if (slice_find(addr, SLICE(".."), 0) == SLICE_NPOS)
		return addr;
	out = arena_bytes(arena, addr.len);
	if (out == NULL)
		return addr;
	for (size_t i = 0; i < addr.len; i++)
		if (addr.data[i] != '.' || n == 0 || out[n - 1] != '.')
			out[n++] = addr.data[i];
	return slice_of(out, n);
}

/* Addresses of many thousand recipients are compared with each other below: enough is enough. */
enum { ADDRS_MAX = 2000 };

static slice_vec
find_from_addrs(struct scan *scan)
{
	static const char *const names[] = {"From:addr", "Envelope-Sender:addr",
	                                    "Resent-Sender:addr", "X-Envelope-From:addr",
	                                    "EnvelopeFrom:addr"};
	slice_vec found = scan_header_values(scan, SLICE("Resent-From:first:addr")), list = {0};

	for (size_t i = 0; i < found.count; i++)
		add_distinct(scan, &list, found.items[i]);
	for (size_t n = 0; found.count == 0 && n < sizeof(names) / sizeof(names[0]); n++) {
		slice_vec values = scan_header_values(scan, slice_from_cstr(names[n]));

		for (size_t i = 0; i < values.count && list.count < ADDRS_MAX; i++)
			if (values.items[i].len > 0)
				add_distinct(scan, &list,
				             squeeze_dots(scan->arena, values.items[i]));
	}
	return list;
}

slice_vec
scan_from_addrs(struct scan *scan)
{
	if (!scan->has_from_addrs) {
		scan->from_addrs = find_from_addrs(scan);
		scan->has_from_addrs = true;
	}
	return scan->from_addrs;
}

/* " for <user@host>;" in a Received value. */
static struct slice
received_for(struct scan *scan, struct slice value)
{
	for (size_t at = slice_find(value, SLICE(" for "), 0); at != SLICE_NPOS;
	     at = slice_find(value, SLICE(" for "), at + 1)) {
		struct slice addr = slice_from(value, at + 5), host;
		size_t end = 0, sign;

		if (addr.len > 0 && addr.data[0] == '<')
			addr = slice_from(addr, 1);
		while (end < addr.len && !byte_is_space(addr.data[end]))
			end++;
		addr = slice_sub(addr, 0, end);
		/* \S+ is greedy: up to the last ";" with an optional ">" before it. */
		end = slice_rfind_byte(addr, ';');
		if (end == SLICE_NPOS)
			continue;
		addr = slice_sub(addr, 0, end);
		sign = slice_rfind_byte(addr, '@');
		if (sign == SLICE_NPOS || sign == 0 || sign + 1 >= addr.len)
			continue;
		if (addr.data[addr.len - 1] == '>' && addr.len > sign + 2)
			addr.len--;
		host = idn_to_ascii(scan->arena, slice_from(addr, sign + 1));
		return fqdn_is_valid(scan->arena, host, true) ? addr : SLICE_NULL;
	}
	return SLICE_NULL;
}

static slice_vec
find_to_addrs(struct scan *scan)
{
	static const char *const names[] = {"To:addr",
	                                    "Apparently-To:addr",
	                                    "Delivered-To:addr",
	                                    "Envelope-Recipients:addr",
	                                    "Apparently-Resent-To:addr",
	                                    "X-Envelope-To:addr",
	                                    "Envelope-To:addr",
	                                    "X-Delivered-To:addr",
	                                    "X-Original-To:addr",
	                                    "X-Rcpt-To:addr",
	                                    "X-Real-To:addr",
	                                    "Cc:addr"};
	slice_vec to = scan_header_values(scan, SLICE("Resent-To:first:addr"));
	slice_vec cc = scan_header_values(scan, SLICE("Resent-Cc:first:addr")), received,
		  list = {0};

	for (size_t i = 0; i < to.count; i++)
		add_distinct(scan, &list, to.items[i]);
	for (size_t i = 0; i < cc.count; i++)
		add_distinct(scan, &list, cc.items[i]);
	if (list.count > 0)
		return list;
	received = scan_header_values(scan, SLICE("Received"));
	for (size_t i = 0; i < received.count && i < 3; i++) {
		struct slice addr = received_for(scan, received.items[i]);

		if (addr.data != NULL)
			add_distinct(scan, &list, addr);
	}
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
		slice_vec values = scan_header_values(scan, slice_from_cstr(names[n]));

		for (size_t i = 0; i < values.count && list.count < ADDRS_MAX; i++)
			add_distinct(scan, &list, values.items[i]);
	}
	return list;
}

slice_vec
scan_to_addrs(struct scan *scan)
{
	if (!scan->has_to_addrs) {
		scan->to_addrs = find_to_addrs(scan);
		scan->has_to_addrs = true;
	}
	return scan->to_addrs;
}

/* ---- text ---- */

const struct text_lines *
scan_body(struct scan *scan)
{
	if (scan->body_edited.items != NULL)
		return &scan->body_edited;
	return text_body(scan->message);
}

const struct text_lines *
scan_rawbody(struct scan *scan)
{
	return text_rawbody(scan->message);
}

static void
collect_uris(struct scan *scan)
{
	const struct text_lines *lines = text_body(scan->message);

	uri_list_init(scan->uris, scan->arena, &scan->env->uri_config);
	uri_list_add_text(scan->uris, lines->items, lines->count);
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part)) {
		const struct part_text *text = part_rendered(part);

		if (text->html != NULL)
			uri_list_add_html(scan->uris, text->html);
	}
	if (scan->core->parse_dkim_uris) {
		slice_vec values = scan_header_values(scan, SLICE("DKIM-Signature"));

		for (size_t i = 0; i < values.count; i++)
			uri_list_add_dkim(scan->uris, values.items[i]);
	}
}

const struct uri_list *
scan_uris(struct scan *scan)
{
	if (scan->uris == NULL) {
		scan->uris = arena_new(scan->arena, struct uri_list);
		if (scan->uris != NULL)
			collect_uris(scan);
	}
	return scan->uris;
}

const struct html_result *const *
scan_html(struct scan *scan, size_t *count_r)
{
	(void)text_html(scan->message);
	*count_r = scan->message->text == NULL ? 0 : scan->message->text->html.count;
	/* The results are read by evals only. */
	return *count_r == 0 ? NULL
	                     : (const struct html_result *const *)(const void *)
	                               scan->message->text->html.items;
}

size_t
scan_string_length(const struct html_string *string)
{
	size_t length = 0;

	if (!string->wide)
		return string->text.len;
	for (size_t i = 0; i < string->text.len; i++)
		length += (string->text.data[i] & 0xc0) != 0x80;
	return length;
}

void
scan_add_uri(struct scan *scan, struct slice uri, unsigned types)
{
	if (scan_uris(scan) != NULL)
		(void)uri_list_add(scan->uris, uri, false, types, false);
}

/* ---- hits, tags ---- */

static void
collect_subjprefix(struct scan *scan, const struct rule *rule)
{
	if (rule->subjprefix.data == NULL || scan->core->rewrite_subject.len == 0 ||
	    slice_find(scan->subjprefix, rule->subjprefix, 0) != SLICE_NPOS)
		return;
	scan->subjprefix = arena_printf(scan->arena, "%.*s%.*s ", SLICE_FMT(scan->subjprefix),
	                                SLICE_FMT(rule->subjprefix));
}

static void
record_hit(struct scan *scan, const struct rule *rule, const char *area, double value, double score)
{
	unsigned *index = &scan->hit_index[rule->number];
	bool first = scan->values[rule->number] == 0;

	if (!first && !(rule->tflags & TFLAG_MULTIPLE))
		return;
	scan->values[rule->number] += value > 0 ? value : 1;
	if (first)
		(void)vec_push(scan->arena, &scan->fresh_hits, rule->number);
	collect_subjprefix(scan, rule);
	/* Plugins see score and hits as they were before; what they hit themselves comes first. */
	for (size_t i = 0; i < scan->plugins->with_hit.count; i++)
		scan->plugins->with_hit.items[i]->hit(scan, rule, score);
	if (!slice_starts(rule->name, SLICE("__")))
		scan->score += score;
	if (*index == 0) {
		if (vec_push(scan->arena, &scan->hits,
		             (struct scan_hit){rule, score, 0, area, false}) == NULL)
			return;
		*index = (unsigned)scan->hits.count;
	}
	scan->hits.items[*index - 1].count++;
}

void
scan_hit(struct scan *scan, const struct rule *rule, const char *area, double value)
{
	if (scan_rule_score(scan, rule) != 0)
		record_hit(scan, rule, area, value, scan_rule_score(scan, rule));
}

void
scan_hit_name(struct scan *scan, struct slice rule_name, const char *area, double value)
{
	const struct rule *rule = ruleset_find(scan->rules, rule_name);

	if (rule != NULL)
		scan_hit(scan, rule, area, value);
}

void
scan_hit_score(struct scan *scan, const struct rule *rule, const char *area, double score)
{
	if (score != 0)
		record_hit(scan, rule, area, 1, score);
}

void
scan_hit_rounded(struct scan *scan, const struct rule *rule, const char *area, double score)
{
	record_hit(scan, rule, area, 1, score);
	if (scan->hit_index[rule->number] != 0)
		scan->hits.items[scan->hit_index[rule->number] - 1].is_rounded = true;
}

void
scan_test_log(struct scan *scan, const struct rule *rule, struct slice text)
{
	(void)vec_push(scan->arena, &scan->logs, (struct scan_log){rule, text});
}

static struct scan_tag *
own_tag(struct scan *scan, struct slice name)
{
	struct hashmap_entry *entry = hashmap_put(&scan->tags, name, NULL);

	if (entry == NULL)
		return NULL;
	if (entry->value == NULL)
		entry->value = arena_new(scan->arena, struct scan_tag);
	return entry->value;
}

static void
log_tag(const struct scan *scan, struct slice name, const struct scan_tag *tag)
{
	struct slice value = tag->values.count == 0 ? SLICE("<UNDEF>") : tag->values.items[0];

	if (tag->values.count <= 1)
		log_debug(scan->log, "check", "tagrun - tag %.*s is now ready, value: %.*s",
		          SLICE_FMT(name), SLICE_FMT(value));
	else
		log_debug(scan->log, "check",
		          "tagrun - tag %.*s is now ready, value: ARY:[%.*s,...%zu values]",
		          SLICE_FMT(name), SLICE_FMT(value), tag->values.count);
}

static void
tag_is_ready(struct scan *scan, struct slice name, const struct scan_tag *tag)
{
	log_tag(scan, name, tag);
	if (scan->tag_waits != NULL)
		scan_tag_is_set(scan, name);
}

void
scan_set_tag(struct scan *scan, struct slice name, struct slice value)
{
	struct scan_tag *tag = own_tag(scan, name);

	if (tag == NULL)
		return;
	tag->values.count = 0;
	if (value.data != NULL)
		(void)vec_push(scan->arena, &tag->values, value);
	tag_is_ready(scan, name, tag);
}

void
scan_add_tag_value(struct scan *scan, struct slice name, struct slice value)
{
	struct scan_tag *tag = own_tag(scan, name);

	if (tag == NULL || value.data == NULL)
		return;
	add_distinct(scan, &tag->values, value);
	tag_is_ready(scan, name, tag);
}

void
scan_set_tag_values(struct scan *scan, struct slice name, const slice_vec *values)
{
	struct scan_tag *tag = own_tag(scan, name);

	if (tag == NULL)
		return;
	tag->values = *values;
	tag_is_ready(scan, name, tag);
}

bool
scan_tag_values(struct scan *scan, struct slice name, const struct slice **values_r,
                size_t *count_r)
{
	const struct scan_tag *tag = hashmap_get(&scan->tags, name);

	if (tag == NULL)
		return false;
	*values_r = tag->values.items;
	*count_r = tag->values.count;
	return true;
}

void
scan_set_metadata(struct scan *scan, struct slice name, struct slice value)
{
	struct slice *copy = arena_new(scan->arena, struct slice);

	if (copy == NULL)
		return;
	*copy = value;
	hashmap_set(&scan->metadata, arena_dup_lower(scan->arena, name), copy);
}

/* ---- plugins ---- */

void *
scan_state(struct scan *scan, const struct plugin *plugin)
{
	void **state = &scan->plugin_state[plugin->id];

	if (*state == NULL)
		*state = arena_alloc(scan->arena, plugin->state_size + 1, alignof(max_align_t));
	return *state;
}

const struct regex *
scan_pattern_regex(const struct scan *scan, const struct plugin *plugin, size_t index)
{
	const struct regex *const *list = scan->plugins->patterns[plugin->id];

	return list == NULL || index >= plugin->pattern_count ? NULL : list[index];
}

bool
scan_pattern(struct scan *scan, const struct plugin *plugin, size_t index, struct slice text)
{
	const struct regex *regex = scan_pattern_regex(scan, plugin, index);

	return regex != NULL && regex_is_match(regex, scan_regex_scratch(scan), text);
}

bool
scan_pattern_group(struct scan *scan, const struct plugin *plugin, size_t index, struct slice text,
                   unsigned group, struct slice *value_r)
{
	const struct regex *regex = scan_pattern_regex(scan, plugin, index);
	struct regex_span span;

	*value_r = SLICE_NULL;
	if (regex == NULL || regex_match(regex, scan_regex_scratch(scan), text, 0, 0) != REGEX_HIT)
		return false;
	span = regex_span(scan_regex_scratch(scan), group);
	if (span.start != SLICE_NPOS)
		*value_r = slice_sub(text, span.start, span.end - span.start);
	return true;
}

struct regex_scratch *
scan_regex_scratch(struct scan *scan)
{
	return match_scratch_regex(scan->match);
}

bool
scan_is_over(struct scan *scan)
{
	if (!scan->time_limit_exceeded && scan->deadline_ms != INT64_MAX &&
	    clock_coarse_ms() >= scan->deadline_ms)
		scan->time_limit_exceeded = true;
	return scan->time_limit_exceeded;
}
