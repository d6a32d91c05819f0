/*
 * header.c - what header rules see
 */
#include "mail/header.h"

#include "mail/address.h"
#include "mail/encoded_word.h"
#include "net/addr.h"
#include "util/strbuf.h"

#define HOST_MAX 251 /* bytes before the last dot */

/* clang-format off */
static const struct { struct slice name; unsigned bits; } modifiers[] = {
	{ SLICE("raw"),    HEADER_RAW },
	{ SLICE("addr"),   HEADER_ADDR },
	{ SLICE("name"),   HEADER_NAME },
	{ SLICE("host"),   HEADER_HOST },
	{ SLICE("domain"), HEADER_HOST | HEADER_DOMAIN },
	{ SLICE("ip"),     HEADER_IP },
	{ SLICE("revip"),  HEADER_IP | HEADER_REVIP },
	{ SLICE("first"),  HEADER_FIRST },
	{ SLICE("last"),   HEADER_LAST },
};

/* Names that are no field; exact: upper case only. */
static const struct { struct slice name; bool exact; enum header_kind kind; } pseudo[] = {
	{ SLICE("ALL"),                     true,  HEADER_ALL },
	{ SLICE("ALL-TRUSTED"),             true,  HEADER_ALL_TRUSTED },
	{ SLICE("ALL-INTERNAL"),            true,  HEADER_ALL_INTERNAL },
	{ SLICE("ALL-UNTRUSTED"),           true,  HEADER_ALL_UNTRUSTED },
	{ SLICE("ALL-EXTERNAL"),            true,  HEADER_ALL_EXTERNAL },
	{ SLICE("MESSAGEID"),               true,  HEADER_MESSAGEID },
	{ SLICE("ToCc"),                    false, HEADER_TOCC },
	{ SLICE("EnvelopeFrom"),            false, HEADER_METADATA },
	{ SLICE("X-Spam-Relays-Untrusted"), false, HEADER_METADATA },
	{ SLICE("X-Spam-Relays-Trusted"),   false, HEADER_METADATA },
	{ SLICE("X-Spam-Relays-External"),  false, HEADER_METADATA },
	{ SLICE("X-Spam-Relays-Internal"),  false, HEADER_METADATA },
};
/* clang-format on */

void
header_request_parse(struct slice text, struct header_request *request_r, bool *unknown_r)
{
	struct slice rest = text, piece;

	*request_r = (struct header_request){.kind = HEADER_NAMED};
	if (unknown_r != NULL)
		*unknown_r = false;
	if (!slice_next(&rest, ':', &request_r->name))
		return;
	while (slice_next(&rest, ':', &piece)) {
		bool known = false;

		for (size_t i = 0; i < sizeof(modifiers) / sizeof(modifiers[0]); i++)
			if (slice_eq(piece, modifiers[i].name)) {
				request_r->modifiers |= modifiers[i].bits;
				known = true;
			}
		if (!known && unknown_r != NULL)
			*unknown_r = true;
	}
	for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++)
		if (pseudo[i].exact ? slice_eq(request_r->name, pseudo[i].name)
		                    : slice_ieq(request_r->name, pseudo[i].name))
			request_r->kind = pseudo[i].kind;
}

static bool
value_push(struct message *m, slice_vec *values, struct slice value)
{
	if (value.data != NULL && vec_push(m->arena, values, value) != NULL)
		return true;
	m->spent = true;
	return false;
}

/* Value of field `index` with an LF at its end. */
static bool
push_decoded(struct message *m, slice_vec *values, size_t index)
{
	struct slice value = header_field_decoded(&m->root->headers, index);

	return value_push(m, values, arena_concat(m->arena, value, SLICE("\n")));
}

/* (CR)LF and the blanks after it become one blank. */
static struct slice
raw_unfold(struct message *m, struct slice raw)
{
	struct strbuf out;

	strbuf_init(&out, m->arena, raw.len + 1);
	for (size_t i = 0; i < raw.len; i++) {
		size_t lf = raw.data[i] == '\r' ? i + 1 : i;

		if (lf + 1 < raw.len && raw.data[lf] == '\n' && byte_is_space(raw.data[lf + 1])) {
			for (i = lf; i + 1 < raw.len && byte_is_space(raw.data[i + 1]);)
				i++;
			strbuf_add_byte(&out, ' ');
			continue;
		}
		strbuf_add_byte(&out, raw.data[i]);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

enum field_form { FORM_DECODED, FORM_RAW, FORM_RAW_UNFOLDED };

static void
push_fields(struct message *m, struct slice name, enum field_form form, slice_vec *values)
{
	const struct header_list *list = &m->root->headers;
	const struct header_name *known = header_list_find(list, name);

	for (size_t i = known == NULL ? 0 : known->first + 1; i != 0;
	     i = list->fields.items[i - 1].next) {
		struct slice raw = list->fields.items[i - 1].raw;

		if (form == FORM_DECODED)
			push_decoded(m, values, i - 1);
		else
			value_push(m, values, form == FORM_RAW ? raw : raw_unfold(m, raw));
	}
}

static void
push_messageid(struct message *m, bool raw, slice_vec *values)
{
	static const struct slice names[] = {SLICE("X-Message-Id"), SLICE("Resent-Message-Id"),
	                                     SLICE("X-Original-Message-ID"), SLICE("Message-Id")};
	size_t kept = 0;

	for (size_t i = 0; i < 4; i++)
		push_fields(m, names[i], raw ? FORM_RAW_UNFOLDED : FORM_DECODED, values);
	for (size_t i = 0; i < values->count; i++)
		if (values->items[i].len > 0)
			values->items[kept++] = values->items[i];
	values->count = kept;
}

/* The pristine header block, field by field with folds. */
static void
push_pristine(struct message *m, slice_vec *values)
{
	struct slice text = m->pristine_headers;
	size_t at = 0;

	while (at < text.len) {
		size_t lf = text.data[at] == ' ' || text.data[at] == '\t'
		                    ? SLICE_NPOS
		                    : slice_find_byte(text, '\n', at + 1);

		while (lf != SLICE_NPOS && lf + 1 < text.len &&
		       (text.data[lf + 1] == ' ' || text.data[lf + 1] == '\t'))
			lf = slice_find_byte(text, '\n', lf + 1);
		if (lf != SLICE_NPOS) {
			value_push(m, values, slice_sub(text, at, lf + 1 - at));
			at = lf + 1;
			continue;
		}
		lf = slice_find_byte(text, '\n', at);
		at = lf == SLICE_NPOS ? text.len : lf + 1;
	}
}

/* Which fields fit under the cap: the reference counts name by name, in order of first appearance.
 */
static void
mark_fitting(struct message *m, bool *fits)
{
	const struct header_list *list = &m->root->headers;
	size_t size = 0;

	for (size_t n = 0; n < list->names.count; n++) {
		const struct header_name *known = list->names.entries[n].value;

		for (size_t i = known == NULL ? 0 : known->first + 1; i != 0;
		     i = list->fields.items[i - 1].next) {
			struct slice value = header_field_decoded(&m->root->headers, i - 1);

			size += known->name.len + value.len + 1 + 2;
			if (size > MESSAGE_MAX_HEADER_ALL) {
				m->truncated_header = true;
				return;
			}
			fits[i - 1] = true;
		}
	}
}

bool
header_all(struct message *m, bool raw, bool with_mbox, slice_vec *lines_r)
{
	struct header_list *list = &m->root->headers;
	bool *fits = arena_new_array(m->arena, bool, list->fields.count + 1);

	*lines_r = (slice_vec){0};
	if (with_mbox && m->mbox_separator.data != NULL)
		value_push(m, lines_r, m->mbox_separator);
	if (raw) {
		push_pristine(m, lines_r);
		return !arena_is_spent(m->arena);
	}
	if (fits == NULL)
		return false;
	mark_fitting(m, fits);
	for (size_t i = 0; i < list->fields.count; i++) {
		struct strbuf line;

		if (!fits[i])
			continue;
		strbuf_init(&line, m->arena, 0);
		strbuf_reserve(&line, list->fields.items[i].name.len + 3 +
		                              list->fields.items[i].decoded.len);
		strbuf_add(&line, list->fields.items[i].name);
		strbuf_add(&line, SLICE(": "));
		strbuf_add(&line, header_field_decoded(list, i));
		strbuf_add_byte(&line, '\n');
		value_push(m, lines_r, strbuf_slice(&line));
	}
	return !arena_is_spent(m->arena);
}

/* Fields from Received `from` (when has_from) up to and with Received `to` (when has_to). */
static void
push_range(struct message *m, bool raw, bool has_from, long from, bool has_to, long to,
           slice_vec *values)
{
	slice_vec lines;
	long received = -1;

	if (has_to && to < 0)
		return;
	(void)header_all(m, raw, false, &lines);
	for (size_t i = 0; i < lines.count; i++) {
		if (slice_istarts(lines.items[i], SLICE("Received:")))
			received++;
		if (has_to && received == to && (!has_from || from <= received)) {
			value_push(m, values, lines.items[i]);
			return;
		}
		if (has_from ? from <= received : true)
			value_push(m, values, lines.items[i]);
	}
}

static bool
push_metadata(struct message *m, struct slice name, const struct header_context *context,
              slice_vec *values)
{
	struct slice lower = arena_dup_lower(m->arena, name), value;

	return context->metadata != NULL && lower.data != NULL &&
	       context->metadata(context->data, lower, &value) && value_push(m, values, value);
}

/* Values before addr, name, host... ; false: nothing of those is to be done. */
static bool
values_find(struct message *m, const struct header_request *request,
            const struct header_context *context, slice_vec *values)
{
	bool raw = request->modifiers & HEADER_RAW;

	switch (request->kind) {
	case HEADER_ALL:
		(void)header_all(m, raw, false, values);
		return false;
	case HEADER_ALL_TRUSTED:
		push_range(m, raw, false, 0, true, context->last_trusted + 1, values);
		return false;
	case HEADER_ALL_INTERNAL:
		push_range(m, raw, false, 0, true, context->last_internal + 1, values);
		return false;
	case HEADER_ALL_UNTRUSTED:
		push_range(m, raw, true, context->last_trusted + 1, false, 0, values);
		return false;
	case HEADER_ALL_EXTERNAL:
		push_range(m, raw, true, context->last_internal + 1, false, 0, values);
		return false;
	case HEADER_TOCC:
		push_fields(m, SLICE("To"), raw ? FORM_RAW_UNFOLDED : FORM_DECODED, values);
		push_fields(m, SLICE("Cc"), raw ? FORM_RAW_UNFOLDED : FORM_DECODED, values);
		return true;
	case HEADER_MESSAGEID:
		push_messageid(m, raw, values);
		return true;
	case HEADER_METADATA:
		push_metadata(m, request->name, context, values);
		return true;
	case HEADER_NAMED:
		raw = request->modifiers & (HEADER_RAW | HEADER_ADDR | HEADER_NAME);
		push_fields(m, raw ? slice_trim(request->name) : request->name,
		            raw ? FORM_RAW : FORM_DECODED, values);
		if (values->count == 0)
			push_metadata(m, request->name, context, values);
		return true;
	}
	return false;
}

/* Display name: words decoded, blanks collapsed, one pair of single quotes removed. */
static struct slice
name_clean(struct arena *arena, struct slice phrase)
{
	struct slice decoded = encoded_word_decode(arena, phrase, SLICE("")), rest, word;
	struct strbuf out;

	rest = slice_trim(decoded);
	if (rest.len == 0)
		return decoded;
	strbuf_init(&out, arena, 0);
	while (slice_next_word(&rest, &word)) {
		if (out.len > 0)
			strbuf_add_byte(&out, ' ');
		strbuf_add(&out, word);
	}
	word = strbuf_slice(&out);
	if (word.len >= 2 && word.data[0] == '\'' && word.data[word.len - 1] == '\'')
		word = slice_sub(word, 1, word.len - 2);
	return word;
}

struct parsed_addresses {
	bool done;
	unsigned parser;
	address_vec list;
};

/* Rules ask for From:addr, From:name, From:addr:host...: one field is parsed once. */
static address_vec
field_addresses(struct message *m, struct slice text, unsigned parser)
{
	struct hashmap_entry *entry;
	struct parsed_addresses *parsed;
	address_vec list = {0};

	if (m->addresses.arena == NULL)
		hashmap_init(&m->addresses, m->arena);
	entry = hashmap_put(&m->addresses, text, NULL);
	if (entry != NULL && entry->value == NULL)
		entry->value = arena_new(m->arena, struct parsed_addresses);
	parsed = entry == NULL ? NULL : entry->value;
	if (parsed != NULL && parsed->done && parsed->parser == parser)
		return parsed->list;
	(void)!address_parse(m->arena, text, (enum address_parser)parser, &list);
	if (parsed != NULL)
		*parsed = (struct parsed_addresses){true, parser, list};
	return list;
}

static void
values_addresses(struct message *m, unsigned bits, unsigned parser, slice_vec *values)
{
	slice_vec found = {0};

	for (size_t i = 0; i < values->count; i++) {
		address_vec addresses = field_addresses(m, values->items[i], parser);

		for (size_t a = 0; a < addresses.count; a++) {
			const struct address *address = &addresses.items[a];

			if (bits & HEADER_ADDR) {
				if (address->address.data != NULL)
					value_push(m, &found, address->address);
			} else if (address->phrase.data != NULL) {
				value_push(m, &found,
				           bits & HEADER_RAW
				                   ? address->phrase
				                   : name_clean(m->arena, address->phrase));
			}
		}
	}
	*values = found;
}

/* End of a known top level domain whose dot is at `dot`, or 0. */
static size_t
tld_end(const struct registry *registry, struct slice text, size_t dot)
{
	unsigned char lower[64];
	size_t end = dot + 1;

	while (end < text.len && end - dot <= sizeof(lower) + 1 &&
	       (byte_is_alnum(text.data[end]) || text.data[end] == '-'))
		end++;
	if (end == dot + 1 || end - dot - 1 > sizeof(lower) ||
	    (end < text.len && (text.data[end] == '.' || text.data[end] == '_')))
		return 0;
	for (size_t i = dot + 1; i < end; i++)
		lower[i - dot - 1] = byte_lower(text.data[i]);
	return hashmap_get(&registry->tlds, slice_of(lower, end - dot - 1)) == NULL ? 0 : end;
}

/* Longest host-like text that starts at `at`: up to the last known top level domain in reach. */
static struct slice
host_at(const struct registry *registry, struct slice text, size_t at)
{
	size_t run = at, end;

	while (run < text.len && run - at <= HOST_MAX && !byte_is_space(text.data[run]))
		run++;
	for (size_t dot = run; dot-- > at + 1;)
		if (text.data[dot] == '.' && (end = tld_end(registry, text, dot)) != 0)
			return slice_sub(text, at, end - at);
	return SLICE_NULL;
}

static bool
host_is_valid(struct arena *arena, struct slice host)
{
	return fqdn_is_valid(arena, idn_to_ascii(arena, host), true);
}

/* Host behind the last "@" of the first line that has one. */
static struct slice
host_after_at(const struct registry *registry, struct slice text)
{
	struct slice line;

	while (slice_next(&text, '\n', &line)) {
		struct slice left = line, host;
		size_t at;

		while ((at = slice_rfind_byte(left, '@')) != SLICE_NPOS) {
			host = host_at(registry, line, at + 1);
			if (host.data != NULL)
				return host;
			left.len = at;
		}
	}
	return SLICE_NULL;
}

/* First valid host anywhere. */
static struct slice
host_anywhere(struct arena *arena, const struct registry *registry, struct slice text)
{
	size_t i = 0, dot = SLICE_NPOS, end = 0;

	while (i < text.len) {
		struct slice host;

		/* The next dot that has a known top level domain behind it. */
		while (dot == SLICE_NPOS || dot <= i) {
			dot = slice_find_byte(text, '.', i + 1);
			while (dot != SLICE_NPOS && (end = tld_end(registry, text, dot)) == 0)
				dot = slice_find_byte(text, '.', dot + 1);
			if (dot == SLICE_NPOS)
				return SLICE_NULL;
		}
		if (byte_is_space(text.data[i]) || dot - i > HOST_MAX ||
		    (i > 0 && strchr("._-", text.data[i - 1]) != NULL && text.data[i - 1] != 0)) {
			i++;
			continue;
		}
		host = host_at(registry, text, i);
		if (host.data == NULL) {
			i++;
			continue;
		}
		if (host_is_valid(arena, host))
			return host;
		i += host.len;
	}
	return SLICE_NULL;
}

/* What stands after the last "@" of an address. */
static struct slice
host_of_address(struct slice text)
{
	struct slice line;

	while (slice_next(&text, '\n', &line)) {
		struct slice left = line, rest, word;
		size_t at;

		while ((at = slice_rfind_byte(left, '@')) != SLICE_NPOS) {
			rest = slice_from(line, at + 1);
			if (rest.len > 0 && !byte_is_space(rest.data[0]) &&
			    slice_next_word(&rest, &word))
				return word;
			left.len = at;
		}
	}
	return SLICE_NULL;
}

static void
values_hosts(struct message *m, unsigned bits, const struct registry *registry, slice_vec *values)
{
	slice_vec found = {0};

	for (size_t i = 0; i < values->count; i++) {
		struct slice text = values->items[i], host = SLICE_NULL;

		if (bits & HEADER_ADDR) {
			host = host_of_address(text);
		} else if (registry != NULL) {
			host = host_after_at(registry, text);
			if (host.data != NULL && !host_is_valid(m->arena, host))
				host = SLICE_NULL;
			if (host.data == NULL)
				host = host_anywhere(m->arena, registry, text);
		}
		if (host.data == NULL || slice_eq(host, SLICE("0")))
			continue;
		if ((bits & HEADER_DOMAIN) && registry != NULL)
			host = registry_domain(registry, m->arena, host, true);
		value_push(m, &found, host);
	}
	*values = found;
}

static bool
is_word_edge(struct slice text, size_t at)
{
	bool before = at > 0 && byte_is_word(text.data[at - 1]);
	bool after = at < text.len && byte_is_word(text.data[at]);

	return before != after;
}

static void
values_ips(struct message *m, unsigned bits, slice_vec *values)
{
	slice_vec found = {0};

	for (size_t i = 0; i < values->count; i++) {
		struct slice text = values->items[i];

		for (size_t at = 0; at < text.len; at++) {
			size_t len;
			struct slice ip;

			if ((at > 0 && text.data[at - 1] == '.') || !is_word_edge(text, at))
				continue;
			len = net_addr_scan(text, at);
			if (len == 0 || !is_word_edge(text, at + len) ||
			    (at + len < text.len && text.data[at + len] == '.'))
				continue;
			ip = slice_sub(text, at, len);
			if (bits & HEADER_REVIP)
				ip = net_addr_reverse(m->arena, ip);
			if (ip.data != NULL)
				value_push(m, &found, ip);
			break;
		}
	}
	*values = found;
}

enum status
header_get(struct message *m, const struct header_request *request,
           const struct header_context *context, struct header_values *values_r)
{
	slice_vec *values = &values_r->values;
	unsigned bits = request->modifiers;

	*values = (slice_vec){0};
	if (!values_find(m, request, context, values) || values->count == 0)
		return arena_is_spent(m->arena) ? STATUS_LIMIT : STATUS_OK;
	if (bits & HEADER_FIRST)
		values->count = 1;
	else if (bits & HEADER_LAST) {
		values->items[0] = values->items[values->count - 1];
		values->count = 1;
	}
	if (bits & (HEADER_ADDR | HEADER_NAME))
		values_addresses(m, bits, context->address_parser, values);
	if (bits & HEADER_HOST)
		values_hosts(m, bits, context->registry, values);
	else if (bits & HEADER_IP)
		values_ips(m, bits, values);
	return arena_is_spent(m->arena) ? STATUS_LIMIT : STATUS_OK;
}

bool
header_joined(struct arena *arena, const struct header_values *values, struct slice *text_r)
{
	const slice_vec *v = &values->values;
	struct strbuf out;
	bool has_lf;

	if (v->count == 0)
		return false;
	if (v->count == 1) {
		*text_r = v->items[0];
		return true;
	}
	has_lf = v->items[0].len > 0 && v->items[0].data[v->items[0].len - 1] == '\n';
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < v->count; i++) {
		if (i > 0 && !has_lf)
			strbuf_add_byte(&out, '\n');
		strbuf_add(&out, v->items[i]);
	}
	*text_r = out.len == 0 ? SLICE("") : strbuf_slice(&out);
	return true;
}

struct slice
header_scalar(struct arena *arena, const struct header_request *request,
              const struct header_values *values)
{
	const slice_vec *v = &values->values;
	struct strbuf out;
	struct slice first;

	if (v->count == 0)
		return SLICE_NULL;
	first = v->items[0];
	if ((request->modifiers & (HEADER_ADDR | HEADER_NAME | HEADER_HOST | HEADER_DOMAIN |
	                           HEADER_IP | HEADER_REVIP)) ||
	    slice_eq(request->name, SLICE("EnvelopeFrom"))) {
		if (first.len > 0 && first.data[first.len - 1] == '\n')
			first.len--;
		return first;
	}
	if (v->count == 1)
		return first;
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < v->count; i++)
		strbuf_add(&out, v->items[i]);
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

struct slice
header_value_decode(struct arena *arena, struct slice raw, struct slice name)
{
	return encoded_word_decode(arena, raw, name);
}
