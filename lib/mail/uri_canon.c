/*
 * uri_canon.c - what mail readers might make of a URI
 *
 * A list that grows while it is walked: the target inside a redirector's URI is appended and
 * treated like the others.  Each target is shorter than the URI it stands in.
 */
#include <stdio.h>
#include <stdlib.h>

#include "mail/html_entity.h"
#include "mail/uri.h"
#include "util/strbuf.h"
#include "util/utf8.h"

struct canon {
	struct arena *arena;
	const struct uri_config *config;
	bool wide;
	slice_vec uris;  /* to be walked */
	slice_vec nuris; /* found on the way */
};

static void
push(struct canon *c, struct slice uri)
{
	if (uri.data != NULL)
		(void)vec_push(c->arena, &c->nuris, uri);
}

static struct slice
join3(struct arena *arena, struct slice a, struct slice b, struct slice d)
{
	return arena_concat(arena, arena_concat(arena, a, b), d);
}

static bool
is_escape(struct slice s, size_t at)
{
	return at + 2 < s.len && s.data[at] == '%' && byte_is_xdigit(s.data[at + 1]) &&
	       byte_is_xdigit(s.data[at + 2]);
}

static bool
has_escape(struct slice s)
{
	for (size_t at = 0; (at = slice_find_byte(s, '%', at)) != SLICE_NPOS; at++)
		if (is_escape(s, at))
			return true;
	return false;
}

struct slice
uri_decode(struct arena *arena, struct slice uri, bool wide)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t at = 0; at < uri.len;) {
		unsigned long code = uri.data[at];
		size_t len = 1;

		if (is_escape(uri, at)) {
			int high = byte_hex_value(uri.data[at + 1]);
			int value = high * 16 + byte_hex_value(uri.data[at + 2]);

			if (high >= 2 && high <= 7 && value != 0x20 && value != 0x7f)
				strbuf_add_byte(&out, (unsigned char)value);
			else
				strbuf_add(&out, slice_sub(uri, at, 3));
			at += 3;
			continue;
		}
		if (wide)
			len = utf8_decode(uri, at, &code);
		if (code <= 0x20 || (code >= 0x7f && code <= 0xff) || code == '"' || code == '%' ||
		    code == '<' || code == '>')
			strbuf_printf(&out, "%%%02x", (unsigned)code);
		else
			strbuf_add(&out, slice_sub(uri, at, len));
		at += len;
	}
	return strbuf_slice(&out);
}

static struct slice
without(struct arena *arena, struct slice s, unsigned char drop)
{
	unsigned char *out;
	size_t len = 0;

	if (!slice_has_byte(s, drop))
		return s;
	out = arena_bytes(arena, s.len + 1);
	if (out == NULL)
		return SLICE("");
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != drop)
			out[len++] = s.data[i];
	return slice_of(out, len);
}

static struct slice
trim(struct slice s, bool wide)
{
	unsigned long code;
	size_t len;

	if (!wide)
		return slice_trim(s);
	while (s.len > 0 && (len = utf8_decode(s, 0, &code), utf8_is_space(code)))
		s = slice_from(s, len);
	while (s.len > 0 && (len = utf8_before(s, s.len, &code), utf8_is_space(code)))
		s.len = len;
	return s;
}

/* "mailto:%20%20user@host?..." trimmed: the address between the blanks, or nothing. */
static struct slice
trimmed_address(struct slice s)
{
	for (int with_scheme = 1; with_scheme >= 0; with_scheme--) {
		size_t begin = 0, blanks = 0;

		if (with_scheme != 0 && !slice_starts(s, SLICE("mailto:")))
			continue;
		begin = with_scheme != 0 ? 7 : 0;
		while (slice_starts(slice_from(s, begin + 3 * blanks), SLICE("%20")))
			blanks++;
		for (size_t n = blanks + 1; n > 0; n--) {
			struct slice rest = slice_from(s, begin + 3 * (n - 1));
			size_t at = slice_find_byte(rest, '@', 0), end;

			if (at == SLICE_NPOS || at == 0)
				continue;
			end = slice_find_any(rest, "?&%", at + 1);
			if (end == SLICE_NPOS)
				end = rest.len;
			if (end > at + 1)
				return slice_sub(rest, 0, end);
		}
	}
	return SLICE_NULL;
}

/* The last "<user@host>" before any "?" or "&". */
static struct slice
bracketed_address(struct slice s)
{
	size_t limit = slice_find_any(s, "?&", 0), lt = limit == SLICE_NPOS ? s.len : limit + 1;

	while ((lt = slice_rfind_byte(slice_sub(s, 0, lt), '<')) != SLICE_NPOS) {
		struct slice rest = slice_from(s, lt + 1);
		size_t at = slice_find_any(rest, "@>", 0), end;

		if (at != SLICE_NPOS && at > 0 && rest.data[at] == '@') {
			end = slice_find_byte(rest, '>', at + 1);
			if (end != SLICE_NPOS && end > at + 1)
				return slice_sub(rest, 0, end);
		}
	}
	return SLICE_NULL;
}

static void
canon_mail(struct canon *c, struct slice s)
{
	size_t at = slice_find_byte(s, '@', 0), end;
	struct slice found;

	if (at != SLICE_NPOS && at > 0) {
		end = slice_find_byte(s, '?', at + 1);
		if (end != SLICE_NPOS && end > at + 1)
			push(c, slice_sub(s, 0, end));
		end = slice_find_any(s, "?&", at + 1);
		if (end != SLICE_NPOS && end > at + 1 && s.data[end] == '&')
			push(c, slice_sub(s, 0, end));
	}
	if (slice_find(s, SLICE("%20"), 0) != SLICE_NPOS) {
		found = trimmed_address(s);
		if (found.data != NULL)
			push(c, arena_concat(c->arena, SLICE("mailto:"), found));
	}
	found = bracketed_address(s);
	if (found.data != NULL)
		push(c, arena_concat(c->arena, SLICE("mailto:"), found));
}

static bool
is_mail(struct slice s)
{
	size_t stop = slice_find_any(s, ":@", 0);

	return slice_istarts(s, SLICE("mailto:")) || (stop != SLICE_NPOS && s.data[stop] == '@');
}

/* Length of "http:" or "https:" at the beginning, or 0. */
static size_t
http_len(struct slice s)
{
	return slice_istarts(s, SLICE("http:")) ? 5 : slice_istarts(s, SLICE("https:")) ? 6 : 0;
}

static bool
has_scheme(struct slice s)
{
	size_t len = 0;

	while (len < s.len &&
	       (byte_is_alnum(s.data[len]) || s.data[len] == '-' || s.data[len] == '_'))
		len++;
	return len > 0 && len < s.len && s.data[len] == ':';
}

/* Value of a numeric entity at s[at] that stands for printable ASCII or a full stop; 0 = none. */
static unsigned
entity_at(struct slice s, size_t at, size_t *len_r)
{
	static const struct {
		const char *text;
	} dots[] = {{"x2e;"},   {"12290;"}, {"x3002;"}, {"65294;"},
	            {"xff0e;"}, {"65377;"}, {"xff61;"}};
	struct slice rest = slice_from(s, at + 2), digits;
	bool hex = rest.len > 0 && rest.data[0] == 'x';
	unsigned value = 0;
	size_t n = hex, end;

	for (size_t i = 0; i < sizeof(dots) / sizeof(*dots); i++) {
		if (slice_istarts(rest, slice_from_cstr(dots[i].text))) {
			*len_r = 2 + strlen(dots[i].text);
			return '.';
		}
	}
	while (n < rest.len && rest.data[n] == '0')
		n++;
	for (end = n; end < rest.len && end - n < 4; end++) {
		int digit = byte_hex_value(rest.data[end]);

		if (digit < 0 || (!hex && digit > 9))
			break;
		value = value * (hex ? 16 : 10) + (unsigned)digit;
	}
	digits = slice_sub(rest, n, end - n);
	if (end >= rest.len || rest.data[end] != ';' || digits.len < 2 || value < 33 ||
	    value > 126 || (hex && digits.len != 2))
		return 0;
	*len_r = 2 + end + 1;
	return value;
}

static struct slice
decode_entities(struct arena *arena, struct slice s)
{
	struct strbuf out;

	if (slice_find(s, SLICE("&#"), 0) == SLICE_NPOS)
		return s;
	strbuf_init(&out, arena, 0);
	for (size_t at = 0; at < s.len;) {
		size_t len = 1;
		unsigned value =
			slice_starts(slice_from(s, at), SLICE("&#")) ? entity_at(s, at, &len) : 0;

		strbuf_add_byte(&out, value != 0 ? (unsigned char)value : s.data[at]);
		at += value != 0 ? len : 1;
	}
	return strbuf_slice(&out);
}

/* Slashes, scheme, percent-encoding, entities brought into order. */
static struct slice
normalize(struct canon *c, struct slice uri)
{
	struct arena *arena = c->arena;
	struct slice s = uri, dup;
	size_t len;

	if (slice_has_byte(s, '\\')) {
		unsigned char *out = arena_bytes(arena, s.len);

		if (out == NULL)
			return uri;
		for (size_t i = 0; i < s.len; i++)
			out[i] = s.data[i] == '\\' ? '/' : s.data[i];
		s = slice_of(out, s.len);
	}
	len = http_len(s);
	if (len > 0 && !slice_starts(slice_from(s, len), SLICE("//"))) {
		struct slice rest = slice_from(s, len);

		if (rest.len > 0 && rest.data[0] == '/')
			rest = slice_from(rest, 1);
		s = join3(arena, slice_sub(s, 0, len), SLICE("//"), rest);
	}
	if (has_escape(s))
		s = uri_decode(arena, s, c->wide);
	if (!has_scheme(s))
		s = arena_concat(
			arena, slice_starts(s, SLICE("ftp.")) ? SLICE("ftp://") : SLICE("http://"),
			s);
	len = http_len(s);
	if (len > 0 && slice_starts(slice_from(s, len), SLICE("//"))) {
		size_t end = slice_find_any(s, "/?#", len + 2);

		if (end != SLICE_NPOS && end > len + 2 && s.data[end] != '/')
			s = join3(arena, slice_sub(s, 0, end), SLICE("/"), slice_from(s, end));
	}
	dup = decode_entities(arena, s);
	return dup;
}

struct parts {
	struct slice proto, host, rest;
	struct slice rest_noport; /* data NULL: no port given */
	bool has_auth, port_is_80, has_port;
};

static bool
split(struct slice s, struct parts *p)
{
	size_t len = http_len(s), at, end;

	if (len == 0 || !slice_starts(slice_from(s, len), SLICE("//")))
		return false;
	*p = (struct parts){.proto = slice_sub(s, 0, len + 2)};
	s = slice_from(s, len + 2);
	at = slice_find_any(s, "@/?#", 0);
	if (at != SLICE_NPOS && s.data[at] == '@' && at + 1 < s.len &&
	    strchr("/?#:", s.data[at + 1]) == NULL) {
		p->has_auth = true;
		s = slice_from(s, at + 1);
	} else if (at != SLICE_NPOS && s.data[at] == '@' && at + 1 < s.len &&
	           s.data[at + 1] == '\0') {
		p->has_auth = true;
		s = slice_from(s, at + 1);
	}
	end = slice_find_any(s, "/?#:", 0);
	if (end == SLICE_NPOS)
		end = s.len;
	if (end == 0)
		return false;
	p->host = slice_sub(s, 0, end);
	p->rest = slice_from(s, end);
	if (p->rest.len > 0 && p->rest.data[0] == ':') {
		end = 1;
		while (end < p->rest.len && byte_is_digit(p->rest.data[end]))
			end++;
		p->has_port = end > 1;
		p->port_is_80 = slice_eq(slice_sub(p->rest, 1, end - 1), SLICE("80"));
	}
	return true;
}

static void
push_host(struct canon *c, const struct parts *p, struct slice host, struct slice rest)
{
	push(c, join3(c->arena, p->proto, host, rest));
}

/* The default port may be left out. */
static void
canon_port(struct canon *c, struct parts *p)
{
	bool is_http = slice_eq(p->proto, SLICE("http://"));
	struct slice port = is_http ? SLICE(":80") : SLICE(":443");

	if (!p->has_port) {
		p->port_is_80 = is_http;
		return;
	}
	p->rest_noport = p->rest;
	if (slice_starts(p->rest, port) &&
	    (p->rest.len == port.len || !byte_is_word(p->rest.data[port.len]))) {
		p->rest_noport = slice_from(p->rest, port.len);
		push_host(c, p, p->host, p->rest_noport);
	}
}

static struct slice
canon_idn(struct canon *c, struct parts *p)
{
	struct slice nhost = idn_to_ascii(c->arena, p->host);

	/* The reference compares the octets of nhost with characters of the host. */
	struct slice octets = nhost;

	if (c->wide)
		nhost = html_latin1_to_utf8(c->arena, nhost);
	if (slice_eq(octets, nhost) && slice_eq(nhost, arena_dup_lower(c->arena, p->host)))
		return nhost;
	push_host(c, p, nhost, p->rest);
	if (p->rest_noport.len > 0 && !slice_eq(p->rest_noport, SLICE("0")))
		push_host(c, p, nhost, p->rest_noport);
	p->host = nhost;
	return nhost;
}

static void
canon_controls(struct canon *c, struct parts *p)
{
	unsigned char *out;
	size_t len = 0;

	for (size_t i = 0; i < p->host.len; i++)
		len += p->host.data[i] > 0x20;
	if (len == p->host.len)
		return;
	out = arena_bytes(c->arena, len + 1);
	if (out == NULL)
		return;
	len = 0;
	for (size_t i = 0; i < p->host.len; i++)
		if (p->host.data[i] > 0x20)
			out[len++] = p->host.data[i];
	p->host = slice_of(out, len);
	push_host(c, p, p->host, p->rest);
}

/* The target in the URI of a redirector: by pattern, else any "http:" behind the host. */
static void
canon_redirect(struct canon *c, const struct parts *p)
{
	const struct uri_redirectors *redirectors = &c->config->redirectors;
	struct slice whole = SLICE_NULL, target;

	if (redirectors->count > 0)
		whole = join3(c->arena, p->proto, p->host, p->rest);
	for (size_t i = 0; i < redirectors->count; i++) {
		target = SLICE_NULL;
		if (redirectors->match(redirectors->context, i, whole, &target) &&
		    target.data != NULL && slice_has_byte(target, '.')) {
			(void)vec_push(c->arena, &c->uris, target);
			return;
		}
	}
	for (size_t at = 0; (at = slice_ifind(p->rest, SLICE("http"), at)) != SLICE_NPOS; at++) {
		size_t len = http_len(slice_from(p->rest, at)), end;

		if (len == 0)
			continue;
		end = slice_find_any(p->rest, "&#", at + len);
		if (end == SLICE_NPOS)
			end = p->rest.len;
		if (end == at + len)
			continue;
		target = slice_sub(p->rest, at, end - at);
		if (slice_has_byte(target, '.'))
			(void)vec_push(c->arena, &c->uris, target);
		return;
	}
}

static bool
is_all(struct slice s, bool (*test)(unsigned char))
{
	for (size_t i = 0; i < s.len; i++)
		if (!test(s.data[i]))
			return false;
	return s.len > 0;
}

static bool
is_hex_number(struct slice s)
{
	return slice_istarts(s, SLICE("0x")) && is_all(slice_from(s, 2), byte_is_xdigit);
}

/* A number as printf("%d") shows what perl reads; too large ones stick at the end of the scale. */
static struct slice
to_decimal(struct arena *arena, struct slice digits, unsigned base)
{
	unsigned long long value = 0;

	for (size_t i = 0; i < digits.len; i++) {
		unsigned digit = (unsigned)byte_hex_value(digits.data[i]);

		if (value > (~0ull - digit) / base)
			return SLICE("-1");
		value = value * base + digit;
	}
	return arena_printf(arena, "%lld", (long long)value);
}

static bool
is_octal(unsigned char c)
{
	return c >= '0' && c <= '7';
}

/* One part of a dotted quad, decimal, hexadecimal or octal; zeros in front go, all of them. */
static struct slice
octet_value(struct arena *arena, struct slice s)
{
	size_t zeros = 0;
	struct slice rest;

	if (is_hex_number(s))
		s = to_decimal(arena, slice_from(s, 2), 16);
	while (zeros < s.len && s.data[zeros] == '0')
		zeros++;
	rest = slice_from(s, zeros);
	if (zeros > 0 && is_all(rest, is_octal) && rest.len <= (rest.data[0] <= '3' ? 3u : 2u))
		return to_decimal(arena, rest, 8);
	return rest;
}

static bool
canon_quad(struct canon *c, const struct parts *p)
{
	struct slice s = p->host, part[4];
	struct strbuf out;

	for (int i = 0; i < 4; i++) {
		size_t dot = slice_find_byte(s, '.', 0);

		if ((dot == SLICE_NPOS) != (i == 3))
			return false;
		part[i] = slice_sub(s, 0, dot);
		s = slice_from(s, dot == SLICE_NPOS ? s.len : dot + 1);
		if (!is_hex_number(part[i]) && !is_all(part[i], byte_is_digit))
			return false;
	}
	strbuf_init(&out, c->arena, 0);
	for (int i = 0; i < 4; i++) {
		if (i > 0)
			strbuf_add_byte(&out, '.');
		strbuf_add(&out, octet_value(c->arena, part[i]));
	}
	push_host(c, p, strbuf_slice(&out), p->rest);
	return true;
}

/* A host that is one number: its first eight hexadecimal digits. */
static void
push_number(struct canon *c, const struct parts *p, unsigned long long value)
{
	char hex[24];
	unsigned b[4];
	struct slice ip;

	(void)snprintf(hex, sizeof(hex), "%08llx", value);
	for (int i = 0; i < 4; i++)
		b[i] = (unsigned)(byte_hex_value((unsigned char)hex[2 * i]) * 16 +
		                  byte_hex_value((unsigned char)hex[2 * i + 1]));
	ip = arena_printf(c->arena, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
	push_host(c, p, ip, p->rest);
}

static bool
canon_number(struct canon *c, const struct parts *p)
{
	struct slice s = p->host;
	unsigned long long value = 0;

	if (is_hex_number(s)) {
		s = slice_from(s, 2);
		if (s.len > 8)
			s = slice_from(s, s.len - 8);
		for (size_t i = 0; i < s.len; i++)
			value = value << 4 | (unsigned)byte_hex_value(s.data[i]);
	} else if (is_all(s, byte_is_digit)) {
		for (size_t i = 0; i < s.len; i++) {
			unsigned digit = s.data[i] - (unsigned)'0';

			if (value > (~0ull - digit) / 10) {
				value = ~0ull;
				break;
			}
			value = value * 10 + digit;
		}
	} else {
		return false;
	}
	push_number(c, p, value);
	return true;
}

/* http://foo is www.foo.com to some browsers. */
static void
canon_short(struct canon *c, const struct parts *p, struct slice nhost)
{
	const struct registry *registry = c->config->registry;
	struct slice name = nhost;

	if (!slice_eq(p->proto, SLICE("http://")) || p->has_auth || !p->port_is_80 ||
	    slice_eq(nhost, SLICE("localhost")))
		return;
	if (slice_starts(name, SLICE("www.")) && name.len > 4)
		name = slice_from(name, 4);
	if (name.len == 0 || slice_has_byte(name, '.') ||
	    (registry != NULL && registry_is_valid(registry, c->arena, nhost, false)))
		return;
	push_host(c, p, arena_concat(c->arena, SLICE("www."), name),
	          arena_concat(c->arena, SLICE(".com"), p->rest));
}

static void
canon_host(struct canon *c, struct slice uri)
{
	struct parts p;
	struct slice nhost;
	size_t at;

	if (!split(uri, &p))
		return;
	canon_port(c, &p);
	nhost = canon_idn(c, &p);
	canon_controls(c, &p);
	canon_redirect(c, &p);
	at = slice_find_byte(p.host, '@', 0);
	if (at != SLICE_NPOS && at > 0) {
		p.host = slice_from(p.host, at + 1);
		push_host(c, &p, p.host, p.rest);
	}
	at = p.host.len;
	while (at > 0 && !byte_is_alnum(p.host.data[at - 1]))
		at--;
	if (at < p.host.len) {
		p.host.len = at;
		push_host(c, &p, p.host, p.rest);
	}
	if (!canon_quad(c, &p) && !canon_number(c, &p))
		canon_short(c, &p, nhost);
}

static void
canon_one(struct canon *c, size_t index)
{
	struct slice uri = without(c->arena, c->uris.items[index], '\n'), nuri;

	uri = without(c->arena, trim(uri, c->wide), '\r');
	c->uris.items[index] = uri;
	if (uri.len <= 1 || (c->wide && utf8_count(uri) <= 1) || uri.data[0] == '#' ||
	    uri.data[0] == '?' || uri.data[0] == '&' || (uri.data[0] == '/' && uri.data[1] != '/'))
		return;
	if (is_mail(uri)) {
		canon_mail(c, uri);
		return;
	}
	nuri = normalize(c, uri);
	if (!slice_eq(nuri, uri))
		push(c, nuri);
	canon_host(c, nuri);
}

enum status
uri_canonicalize(struct arena *arena, const struct uri_config *config, struct slice uri, bool wide,
                 slice_vec *uris_r)
{
	struct canon c = {.arena = arena, .config = config, .wide = wide};
	struct hashmap unique;

	*uris_r = (slice_vec){.count = 0};
	hashmap_init(&unique, arena);
	(void)vec_push(arena, &c.uris, uri);
	for (size_t i = 0; i < c.uris.count; i++)
		canon_one(&c, i);
	for (size_t i = 0; i < c.uris.count + c.nuris.count; i++) {
		struct slice s =
			i < c.uris.count ? c.uris.items[i] : c.nuris.items[i - c.uris.count];
		bool added;

		if (hashmap_put(&unique, s.data == NULL ? SLICE("") : s, &added) != NULL && added)
			(void)vec_push(arena, uris_r, s);
	}
	return arena_is_spent(arena) ? STATUS_LIMIT : STATUS_OK;
}
