/*
 * registry.c - where registries end and owners begin
 */
#include "mail/registry.h"

#include <idn2.h>
#include <stdlib.h>

#include "net/addr.h"
#include "util/strbuf.h"
#include "util/utf8.h"

static char present; /* the value of every entry */

void
registry_init(struct registry *registry, struct arena *arena)
{
	*registry = (struct registry){.arena = arena};
	hashmap_init(&registry->tlds, arena);
	hashmap_init(&registry->two_level, arena);
	hashmap_init(&registry->three_level, arena);
}

void
registry_clear(struct registry *registry)
{
	registry_init(registry, registry->arena);
}

bool
registry_add(struct registry *registry, int level, struct slice name)
{
	struct slice key = arena_dup_lower(registry->arena, name);
	struct hashmap *map = level == 1   ? &registry->tlds
	                      : level == 2 ? &registry->two_level
	                                   : &registry->three_level;

	if (level == 1 && key.len > registry->tld_max_len)
		registry->tld_max_len = key.len;
	return key.data != NULL && hashmap_set(map, key, &present);
}

static bool
is_us_state(struct slice s)
{
	static const char states[] =
		"akalarazcactdcdeflgaguhiiaidilinkskylamamdmemimnmomsmtncndnenhnjnmnvnyohokor"
		"paprriscsdtntxutvavivtwawiwvwy";

	for (size_t i = 0; s.len == 2 && i + 1 < sizeof(states); i += 2)
		if (memcmp(s.data, states + i, 2) == 0)
			return true;
	return false;
}

/* The last `count` labels of name, and what is before them. */
static bool
labels_from_end(struct slice name, size_t count, struct slice labels[4], size_t *begin_r)
{
	size_t end = name.len;

	for (size_t i = count; i > 0; i--) {
		size_t dot = slice_rfind_byte(slice_sub(name, 0, end), '.');
		size_t begin = dot == SLICE_NPOS ? 0 : dot + 1;

		labels[i - 1] = slice_sub(name, begin, end - begin);
		*begin_r = begin;
		if (i > 1) {
			if (dot == SLICE_NPOS)
				return false;
			end = dot;
		}
	}
	return true;
}

/* Do the last `count` labels, the first of them included, form a registry's name? */
static bool
is_registry(const struct registry *r, struct slice name, size_t count, size_t *begin_r)
{
	struct slice l[4];

	if (!labels_from_end(name, count, l, begin_r))
		return false;
	name = slice_from(name, *begin_r);
	if (count == 2)
		return hashmap_get(&r->two_level, name) != NULL;
	if (count == 3)
		return slice_eq(l[2], SLICE("us")) ? is_us_state(l[1])
		                                   : hashmap_get(&r->three_level, name) != NULL;
	return slice_eq(l[3], SLICE("us")) &&
	       ((slice_eq(l[0], SLICE("pvt")) && slice_eq(l[1], SLICE("k12"))) ||
	        slice_eq(l[0], SLICE("ci")) || slice_eq(l[0], SLICE("co"))) &&
	       is_us_state(l[2]);
}

/* Runs of dots become one, none at the ends. */
static struct slice
squeeze_dots(struct arena *arena, struct slice name)
{
	struct strbuf out;

	while (name.len > 0 && name.data[0] == '.')
		name = slice_from(name, 1);
	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	if (slice_find(name, SLICE(".."), 0) == SLICE_NPOS)
		return name;
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] != '.' || name.data[i - 1] != '.')
			strbuf_add_byte(&out, name.data[i]);
	return strbuf_slice(&out);
}

void
registry_split(const struct registry *registry, struct arena *arena, struct slice name,
               bool is_ascii, struct slice *host_r, struct slice *domain_r)
{
	size_t begin = 0, domain;

	name = is_ascii ? arena_dup_lower(arena, name) : idn_to_ascii(arena, name);
	name = squeeze_dots(arena, name);
	for (size_t count = 4; count >= 2; count--) {
		if (!is_registry(registry, name, count, &begin))
			continue;
		if (begin == 0) {
			*host_r = slice_sub(name, 0, 0);
			*domain_r = name;
			return;
		}
		goto found;
	}
	begin = slice_rfind_byte(name, '.') + 1; /* NPOS + 1 is 0 */
found:
	/* One label more than the registry's is the owner's. */
	domain = begin < 2 ? 0 : slice_rfind_byte(slice_sub(name, 0, begin - 1), '.') + 1;
	*domain_r = slice_from(name, domain);
	*host_r = slice_sub(name, 0, domain == 0 ? 0 : domain - 1);
}

struct slice
registry_domain(const struct registry *registry, struct arena *arena, struct slice name,
                bool is_ascii)
{
	struct slice host, domain;

	registry_split(registry, arena, name, is_ascii, &host, &domain);
	return domain;
}

bool
registry_is_valid(const struct registry *registry, struct arena *arena, struct slice name,
                  bool is_ascii)
{
	size_t dot;

	name = is_ascii ? arena_dup_lower(arena, name) : idn_to_ascii(arena, name);
	for (size_t i = 0; i < name.len; i++)
		if (byte_is_space(name.data[i]))
			return false;
	dot = slice_rfind_byte(name, '.');
	return dot != SLICE_NPOS && hashmap_get(&registry->tlds, slice_from(name, dot + 1)) != NULL;
}

static bool
is_label_byte(unsigned char c)
{
	return byte_is_lower(c) || byte_is_digit(c) || c == '_';
}

static bool
is_label(struct slice s)
{
	if (s.len < 1 || s.len > 63 || !is_label_byte(s.data[0]) ||
	    !is_label_byte(s.data[s.len - 1]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_label_byte(s.data[i]) && s.data[i] != '-')
			return false;
	return true;
}

bool
fqdn_is_valid(struct arena *arena, struct slice name, bool is_ascii)
{
	struct slice label;
	size_t count = 1;

	name = is_ascii ? arena_dup_lower(arena, name) : idn_to_ascii(arena, name);
	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > 253)
		return false;
	for (size_t i = 0; i < name.len; i++)
		count += name.data[i] == '.';
	if (count < 2)
		return false;
	while (slice_next(&name, '.', &label)) {
		if (!is_label(label) || (count <= 2 && slice_has_byte(label, '_')))
			return false;
		count--;
	}
	return true;
}

/* A host name's usual bytes, address literals included. */
static bool
is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		if (!byte_is_alnum(c) && c != '_' && c != '.' && c != ':' && c != '[' && c != ']' &&
		    c != '-')
			return false;
	}
	return true;
}

/* Letters of ISO 8859-1 and those of host names. */
static bool
is_latin1_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		if (!byte_is_alnum(c) && c != '_' && c != '.' && c != '-' &&
		    (c < 0xc0 || c == 0xd7 || c == 0xdf || c == 0xf7 || c == 0xff))
			return false;
	}
	return true;
}

/* Full stops of other scripts. */
static struct slice
normalize_dots(struct arena *arena, struct slice s)
{
	static const unsigned long dots[] = {0x2024, 0x3002, 0xff0e, 0xff61, 0xfe52};
	struct strbuf out;
	unsigned long code;

	strbuf_init(&out, arena, 0);
	for (size_t at = 0; at < s.len;) {
		size_t len = utf8_decode(s, at, &code);
		bool is_dot = false;

		for (size_t i = 0; i < sizeof(dots) / sizeof(*dots); i++)
			is_dot = is_dot || code == dots[i];
		if (is_dot)
			strbuf_add_byte(&out, '.');
		else
			strbuf_add(&out, slice_sub(s, at, len));
		at += len;
	}
	return strbuf_slice(&out);
}

struct slice
idn_to_ascii(struct arena *arena, struct slice name)
{
	struct slice input = name, result;
	struct strbuf out;
	char *ascii = NULL, *text;

	if (is_plain(name))
		return arena_dup_lower(arena, name);
	if (utf8_is_valid(name)) {
		input = name = normalize_dots(arena, name);
	} else if (is_latin1_name(name)) {
		strbuf_init(&out, arena, 0);
		for (size_t i = 0; i < name.len; i++)
			strbuf_add_utf8(&out, name.data[i]);
		input = strbuf_slice(&out);
	} else {
		return arena_dup_lower(arena, name);
	}
	/* A C string to libidn2: what is behind a NUL is lost, as in the reference.  Beyond what a
	 * name may be long nothing can come out. */
	input = slice_sub(input, 0, slice_find_byte(input, '\0', 0));
	text = input.len > 4096 ? NULL : arena_cstr(arena, input);
	if (text == NULL ||
	    idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return name;
	result = arena_dup(arena, slice_from_cstr(ascii));
	idn2_free(ascii);
	return result;
}

/* Percent-encoded bytes that should have been plain: the decoded twin of the URI counts. */
static bool
has_needless_escape(struct slice s)
{
	for (size_t at = 0; (at = slice_find_byte(s, '%', at)) != SLICE_NPOS; at++) {
		int high, low;

		if (at + 2 >= s.len)
			return false;
		high = byte_hex_value(s.data[at + 1]);
		low = byte_hex_value(s.data[at + 2]);
		if (low >= 0 && ((high == 2 && low >= 1) || (high >= 3 && high <= 6) ||
		                 (high == 7 && low <= 14)))
			return true;
	}
	return false;
}

/* The host part of a lower-case URI; false when it has none. */
static bool
uri_host(struct slice uri, struct slice *host_r)
{
	size_t at, len = 0;

	if (slice_starts(uri, SLICE("mailto:"))) {
		uri = slice_from(uri, 7);
		uri = slice_sub(uri, 0, slice_find_byte(uri, '?', 0));
		at = slice_find_byte(uri, '@', 0);
		if (at == SLICE_NPOS || slice_find_byte(uri, '@', at + 1) != SLICE_NPOS)
			return false;
		*host_r = slice_from(uri, at + 1);
		return true;
	}
	while (len < uri.len && byte_is_lower(uri.data[len]))
		len++;
	if (len > 0 && len < uri.len && uri.data[len] == ':') {
		uri = slice_from(uri, len + 1);
		for (int i = 0; i < 2 && uri.len > 0 && uri.data[0] == '/'; i++)
			uri = slice_from(uri, 1);
	}
	uri = slice_sub(uri, 0, slice_find_any(uri, "/?#", 0));
	at = slice_rfind_byte(uri, '@');
	if (at != SLICE_NPOS)
		uri = slice_from(uri, at + 1);
	at = slice_rfind_byte(uri, ':');
	if (at != SLICE_NPOS && slice_span(uri, "0123456789", at + 1) == SLICE_NPOS)
		uri = slice_sub(uri, 0, at);
	*host_r = uri;
	return true;
}

bool
registry_uri_domain(const struct registry *registry, struct arena *arena, struct slice uri,
                    struct slice *domain_r, struct slice *host_r)
{
	struct slice host;

	uri = arena_dup_lower(arena, uri);
	if (slice_starts(uri, SLICE("javascript:")) || slice_starts(uri, SLICE("cid:")) ||
	    slice_starts(uri, SLICE("file:")) || !uri_host(uri, &host) || has_needless_escape(host))
		return false;
	host = idn_to_ascii(arena, host);
	if (net_addr_is_text(host)) {
		*domain_r = *host_r = host;
		return true;
	}
	if (!fqdn_is_valid(arena, host, true) || !registry_is_valid(registry, arena, host, true))
		return false;
	*host_r = host;
	*domain_r = registry_domain(registry, arena, host, true);
	return true;
}
