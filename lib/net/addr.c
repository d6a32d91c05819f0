/*
 * addr.c - one type for IPv4 and IPv6 addresses
 */
#include "net/addr.h"

#include <stdio.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static bool
is_hex_colon(unsigned char c)
{
	return byte_is_xdigit(c) || c == ':';
}

/* Four numbers with dots at s[at]; strict: as running text has them, without leading zeros. */
static size_t
scan_quad(struct slice s, size_t at, bool strict, unsigned char out[4])
{
	size_t begin = at;

	for (int i = 0; i < 4; i++) {
		unsigned value = 0;
		size_t digits = 0;

		if (i > 0 && (at >= s.len || s.data[at++] != '.'))
			return 0;
		while (at < s.len && byte_is_digit(s.data[at]) && digits < 4) {
			value = value * 10 + (s.data[at++] - (unsigned)'0');
			digits++;
		}
		if (digits == 0 || digits > 3 || value > 255)
			return 0;
		if (strict && digits > 1 && s.data[at - digits] == '0')
			return 0;
		out[i] = (unsigned char)value;
	}
	return at - begin;
}

static void
set_v4(struct net_addr *addr, const unsigned char quad[4])
{
	memcpy(addr->bytes, mapped, 12);
	memcpy(addr->bytes + 12, quad, 4);
}

bool
net_addr_parse_v4(struct slice text, struct net_addr *addr_r)
{
	unsigned char quad[4];
	size_t len = scan_quad(text, 0, false, quad);

	if (len == 0 || len != text.len)
		return false;
	set_v4(addr_r, quad);
	return true;
}

/* Groups of RFC 4291 text up to (not including) an embedded quad. */
struct v6_scan {
	unsigned groups[8];
	unsigned count; /* groups read */
	unsigned gap;   /* groups before "::", if any */
	bool has_gap;
	size_t end;  /* behind the last group or colon */
	size_t last; /* where the last group begins, for a quad in its place */
	bool ends_in_colon;
};

static bool
scan_groups(struct slice s, size_t at, struct v6_scan *scan)
{
	*scan = (struct v6_scan){.end = at, .last = at};
	if (at + 1 < s.len && s.data[at] == ':' && s.data[at + 1] == ':') {
		scan->has_gap = true;
		at += 2;
		scan->ends_in_colon = true;
	}
	for (;;) {
		unsigned value = 0;
		size_t digits = 0;

		scan->last = scan->end = at;
		while (at < s.len && byte_is_xdigit(s.data[at]) && digits < 5) {
			value = value * 16 + (unsigned)byte_hex_value(s.data[at++]);
			digits++;
		}
		if (digits == 0)
			return scan->count > 0 || scan->has_gap;
		if (digits > 4 || scan->count == 8)
			return false;
		scan->groups[scan->count++] = value;
		scan->ends_in_colon = false;
		scan->end = at;
		if (at >= s.len || s.data[at] != ':')
			return true;
		if (at + 1 < s.len && s.data[at + 1] == ':') {
			if (scan->has_gap)
				return false;
			scan->has_gap = true;
			scan->gap = scan->count;
			at += 2;
			scan->ends_in_colon = true;
			continue;
		}
		at++;
		scan->ends_in_colon = true;
	}
}

/* Length of IPv6 text at s[at], up to where no hexadecimal digit or colon follows; 0 = none. */
static size_t
scan_v6(struct slice s, size_t at, struct net_addr *addr_r)
{
	struct v6_scan scan;
	unsigned char quad[4] = {0};
	size_t end, quad_len;
	unsigned total, fill;

	if (!scan_groups(s, at, &scan))
		return 0;
	end = scan.end;
	quad_len = end < s.len && s.data[end] == '.' ? scan_quad(s, scan.last, true, quad) : 0;
	if (quad_len > 0 && scan.count > 0 &&
	    !(scan.last + quad_len < s.len && is_hex_colon(s.data[scan.last + quad_len])) &&
	    (scan.has_gap ? scan.count - 1 <= 5 : scan.count == 7)) {
		end = scan.last + quad_len;
		scan.groups[scan.count - 1] = (unsigned)quad[0] << 8 | quad[1];
		if (scan.count < 8)
			scan.groups[scan.count] = (unsigned)quad[2] << 8 | quad[3];
		scan.count++;
		scan.ends_in_colon = false;
	} else if (scan.has_gap ? scan.count > 7 : scan.count != 8) {
		return 0;
	}
	if (scan.ends_in_colon && !(scan.has_gap && scan.gap == scan.count))
		return 0;
	if (end < s.len && is_hex_colon(s.data[end]))
		return 0;
	total = scan.count;
	fill = 8 - total;
	for (unsigned i = 0, o = 0; o < 8; o++) {
		unsigned value = 0;

		if (!scan.has_gap || o < scan.gap || o >= scan.gap + fill)
			value = scan.groups[i++];
		addr_r->bytes[2 * o] = (unsigned char)(value >> 8);
		addr_r->bytes[2 * o + 1] = (unsigned char)value;
	}
	return end - at;
}

bool
net_addr_parse_v6(struct slice text, struct net_addr *addr_r)
{
	struct net_addr addr;

	if (text.len == 0 || scan_v6(text, 0, &addr) != text.len)
		return false;
	*addr_r = addr;
	return true;
}

bool
net_addr_parse(struct slice text, struct net_addr *addr_r)
{
	size_t scope;

	if (text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']')
		text = slice_sub(text, 1, text.len - 2);
	if (net_addr_parse_v4(text, addr_r))
		return true;
	if (slice_istarts(text, SLICE("IPv6:")))
		text = slice_from(text, 5);
	scope = slice_find_byte(text, '%', 0);
	return net_addr_parse_v6(slice_sub(text, 0, scope), addr_r);
}

bool
net_addr_is_v4(const struct net_addr *addr)
{
	return memcmp(addr->bytes, mapped, 12) == 0;
}

bool
net_addr_eq(const struct net_addr *a, const struct net_addr *b)
{
	return memcmp(a->bytes, b->bytes, 16) == 0;
}

bool
net_addr_has_prefix(const struct net_addr *addr, const struct net_addr *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(addr->bytes, net->bytes, whole) != 0)
		return false;
	return rest == 0 || ((addr->bytes[whole] ^ net->bytes[whole]) >> (8 - rest)) == 0;
}

void
net_addr_mask(struct net_addr *addr, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;

		if (keep < 8)
			addr->bytes[i] &= (unsigned char)(0xff00u >> keep);
	}
}

/* First and length of the longest run of two or more zero groups. */
static void
find_zeros(const unsigned groups[8], unsigned *begin_r, unsigned *len_r)
{
	*begin_r = *len_r = 0;
	for (unsigned i = 0; i < 8; i++) {
		unsigned len = 0;

		while (i + len < 8 && groups[i + len] == 0)
			len++;
		if (len > 1 && len > *len_r) {
			*begin_r = i;
			*len_r = len;
		}
	}
}

struct slice
net_addr_format(struct arena *arena, const struct net_addr *addr)
{
	const unsigned char *b = addr->bytes;
	unsigned groups[8], zeros, zero_len;
	char text[64];
	size_t len = 0;

	if (net_addr_is_v4(addr))
		return arena_printf(arena, "%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
	for (unsigned i = 0; i < 8; i++)
		groups[i] = (unsigned)b[2 * i] << 8 | b[2 * i + 1];
	find_zeros(groups, &zeros, &zero_len);
	for (unsigned i = 0; i < 8; i++) {
		if (zero_len > 0 && i == zeros) {
			text[len++] = ':';
			if (i + zero_len == 8)
				text[len++] = ':';
			i += zero_len - 1;
			continue;
		}
		len += (size_t)snprintf(text + len, sizeof(text) - len, i > 0 ? ":%x" : "%x",
		                        groups[i]);
	}
	return arena_dup(arena, slice_of(text, len));
}

/* Four groups of one to three digits, of whatever value. */
static bool
split_quad(struct slice text, struct slice parts[4])
{
	for (int i = 0; i < 4; i++) {
		size_t dot = slice_find_byte(text, '.', 0), n = dot == SLICE_NPOS ? text.len : dot;

		if ((dot == SLICE_NPOS) != (i == 3) || n == 0 || n > 3)
			return false;
		parts[i] = slice_sub(text, 0, n);
		for (size_t k = 0; k < n; k++)
			if (!byte_is_digit(parts[i].data[k]))
				return false;
		text = slice_from(text, n + 1);
	}
	return true;
}

struct slice
net_addr_reverse(struct arena *arena, struct slice text)
{
	static const char hex[] = "0123456789abcdef";
	struct slice p[4];
	struct net_addr addr;
	char out[64];
	size_t len = 0;

	if (split_quad(text, p))
		return arena_printf(arena, "%.*s.%.*s.%.*s.%.*s", SLICE_FMT(p[3]), SLICE_FMT(p[2]),
		                    SLICE_FMT(p[1]), SLICE_FMT(p[0]));
	if (!net_addr_parse_v6(text, &addr))
		return SLICE_NULL;
	for (int i = 15; i >= 0; i--) {
		out[len++] = hex[addr.bytes[i] & 15];
		out[len++] = '.';
		out[len++] = hex[addr.bytes[i] >> 4];
		out[len++] = '.';
	}
	return arena_dup(arena, slice_of(out, len - 1));
}

static bool
is_boundary(struct slice s, size_t at)
{
	bool before = at > 0 && byte_is_word(s.data[at - 1]);
	bool behind = at < s.len && byte_is_word(s.data[at]);

	return before != behind;
}

size_t
net_addr_scan(struct slice text, size_t at)
{
	unsigned char quad[4];
	struct net_addr addr;
	size_t len;

	if (at >= text.len)
		return 0;
	if (byte_is_digit(text.data[at]) && is_boundary(text, at) &&
	    !(at > 0 && text.data[at - 1] == ':')) {
		len = scan_quad(text, at, true, quad);
		if (len > 0 && is_boundary(text, at + len))
			return len;
	}
	if (slice_istarts(slice_from(text, at), SLICE("IPv6:"))) {
		len = scan_v6(text, at + 5, &addr);
		return len == 0 ? 0 : len + 5;
	}
	if (!is_hex_colon(text.data[at]) || (at > 0 && is_hex_colon(text.data[at - 1])))
		return 0;
	return scan_v6(text, at, &addr);
}

bool
net_addr_is_text(struct slice text)
{
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	return text.len > 0 && net_addr_scan(text, 0) == text.len;
}

bool
net_addr_is_text_v4(struct slice text)
{
	unsigned char quad[4];

	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	return text.len > 0 && scan_quad(text, 0, true, quad) == text.len;
}

static bool
is_private_v4_text(struct slice s)
{
	static const struct slice whole[] = {
		{(const unsigned char *)"10.", 3},
		{(const unsigned char *)"127.", 4},
		{(const unsigned char *)"169.254.", 8},
		{(const unsigned char *)"192.168.", 8},
	};
	size_t at, digits = 0;
	unsigned second = 0;
	bool b172 = slice_starts(s, SLICE("172.")), b100 = slice_starts(s, SLICE("100."));

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		if (slice_starts(s, whole[i]))
			return true;
	if (!b172 && !b100)
		return false;
	for (at = 4; at < s.len && byte_is_digit(s.data[at]) && digits < 4; at++, digits++)
		second = second * 10 + (s.data[at] - (unsigned)'0');
	if (at >= s.len || s.data[at] != '.' || digits < 2 || s.data[4] == '0')
		return false;
	return b172 ? second >= 16 && second <= 31 : second >= 64 && second <= 127;
}

bool
net_addr_is_private(struct slice text)
{
	static const struct net_addr local = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	struct net_addr addr;
	size_t len;

	if (is_private_v4_text(text))
		return true;
	if (slice_istarts(text, SLICE("IPv6:")))
		text = slice_from(text, 5);
	if (text.len >= 5 && slice_istarts(text, SLICE("fe")) &&
	    strchr("89abAB", text.data[2]) != NULL && text.data[2] != '\0' &&
	    byte_is_xdigit(text.data[3]) && text.data[4] == ':')
		return true;
	len = text.len == 0 ? 0 : scan_v6(text, 0, &addr);
	if (len == 0)
		return false;
	if (net_addr_eq(&addr, &local))
		return !slice_has_byte(slice_sub(text, 0, len), '.');
	if (net_addr_is_v4(&addr) && slice_has_byte(slice_sub(text, 0, len), '.'))
		return is_private_v4_text(
			slice_from(text, slice_rfind_byte(slice_sub(text, 0, len), ':') + 1));
	return false;
}

size_t
net_addr_scan_localhost(struct slice text, size_t at)
{
	static const struct net_addr local = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
	static const struct net_addr local4 = {
		{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}};
	struct slice s = slice_from(text, at);
	size_t len, prefix = 0;
	struct net_addr addr;

	if (slice_istarts(s, SLICE("localhost.localdomain")))
		return 21;
	if (slice_istarts(s, SLICE("localhost")))
		return 9;
	len = net_addr_scan(text, at);
	if (len == 0)
		return 0;
	s = slice_sub(s, 0, len);
	if (slice_istarts(s, SLICE("IPv6:")))
		prefix = 5;
	if (slice_eq(s, SLICE("127.0.0.1")))
		return len;
	if (!net_addr_parse_v6(slice_from(s, prefix), &addr))
		return 0;
	if (net_addr_eq(&addr, &local))
		return slice_has_byte(s, '.') ? 0 : len;
	return net_addr_eq(&addr, &local4) && slice_has_byte(s, '.') ? len : 0;
}
