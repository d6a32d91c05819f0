/*
 * slice.c - bytes by pointer and length
 */
#include "util/slice.h"

#include <stdint.h>

int
byte_hex_value(unsigned char c)
{
	if (byte_is_digit(c))
		return c - '0';
	c = byte_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
slice_ieq(struct slice a, struct slice b)
{
	return a.len == b.len && slice_istarts(a, b);
}

int
slice_cmp(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int r = len == 0 ? 0 : memcmp(a.data, b.data, len);

	if (r != 0)
		return r;
	return (a.len > b.len) - (a.len < b.len);
}

int
slice_icmp(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < len; i++) {
		int r = byte_lower(a.data[i]) - byte_lower(b.data[i]);

		if (r != 0)
			return r;
	}
	return (a.len > b.len) - (a.len < b.len);
}

bool
slice_ends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && slice_eq(slice_from(s, s.len - suffix.len), suffix);
}

bool
slice_istarts(struct slice s, struct slice prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (byte_lower(s.data[i]) != byte_lower(prefix.data[i]))
			return false;
	return true;
}

bool
slice_iends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len && slice_istarts(slice_from(s, s.len - suffix.len), suffix);
}

size_t
slice_find_byte(struct slice s, unsigned char c, size_t from)
{
	const unsigned char *p;

	if (from >= s.len)
		return SLICE_NPOS;
	p = memchr(s.data + from, c, s.len - from);
	return p == NULL ? SLICE_NPOS : (size_t)(p - s.data);
}

size_t
slice_rfind_byte(struct slice s, unsigned char c)
{
	const unsigned char *p;

	if (s.len == 0)
		return SLICE_NPOS;
	p = memrchr(s.data, c, s.len);
	return p == NULL ? SLICE_NPOS : (size_t)(p - s.data);
}

/* Tries of slice_find by first byte, before memmem, which is slow to begin but always linear. */
enum { FIND_TRIES = 32 };

size_t
slice_find(struct slice s, struct slice needle, size_t from)
{
	const unsigned char *p;

	if (from > s.len)
		return SLICE_NPOS;
	if (needle.len == 0)
		return from;
	for (int i = 0; i < FIND_TRIES; i++) {
		if (needle.len > s.len - from)
			return SLICE_NPOS;
		p = memchr(s.data + from, needle.data[0], s.len - from - needle.len + 1);
		if (p == NULL)
			return SLICE_NPOS;
		if (memcmp(p, needle.data, needle.len) == 0)
			return (size_t)(p - s.data);
		from = (size_t)(p - s.data) + 1;
	}
	p = memmem(s.data + from, s.len - from, needle.data, needle.len);
	return p == NULL ? SLICE_NPOS : (size_t)(p - s.data);
}

size_t
slice_ifind(struct slice s, struct slice needle, size_t from)
{
	unsigned char lower, upper;

	if (needle.len == 0)
		return from <= s.len ? from : SLICE_NPOS;
	lower = byte_lower(needle.data[0]);
	upper = byte_upper(lower);
	for (size_t i = from; i + needle.len <= s.len; i++)
		if ((s.data[i] == lower || s.data[i] == upper) &&
		    slice_istarts(slice_from(s, i), needle))
			return i;
	return SLICE_NPOS;
}

struct byte_bits {
	uint64_t words[4];
};

static struct byte_bits
bits_of(const char *set)
{
	struct byte_bits bits = {{0}};

	for (; *set != '\0'; set++) {
		unsigned char c = (unsigned char)*set;

		bits.words[c / 64] |= (uint64_t)1 << (c % 64);
	}
	return bits;
}

/* First byte that is in the set, or is not. */
static size_t
find_member(struct slice s, const char *set, size_t from, bool member)
{
	const struct byte_bits bits = bits_of(set);

	for (size_t i = from; i < s.len; i++)
		if ((bits.words[s.data[i] / 64] >> (s.data[i] % 64) & 1) == member)
			return i;
	return SLICE_NPOS;
}

size_t
slice_find_any(struct slice s, const char *set, size_t from)
{
	return find_member(s, set, from, true);
}

size_t
slice_span(struct slice s, const char *set, size_t from)
{
	return find_member(s, set, from, false);
}

struct slice
slice_ltrim(struct slice s)
{
	size_t i = 0;

	while (i < s.len && byte_is_space(s.data[i]))
		i++;
	return slice_from(s, i);
}

struct slice
slice_rtrim(struct slice s)
{
	while (s.len > 0 && byte_is_space(s.data[s.len - 1]))
		s.len--;
	return s;
}

struct slice
slice_trim(struct slice s)
{
	return slice_rtrim(slice_ltrim(s));
}

bool
slice_next(struct slice *rest, unsigned char sep, struct slice *piece)
{
	size_t at;

	if (rest->data == NULL)
		return false;
	at = slice_find_byte(*rest, sep, 0);
	if (at == SLICE_NPOS) {
		*piece = *rest;
		*rest = SLICE_NULL;
	} else {
		*piece = slice_sub(*rest, 0, at);
		*rest = slice_from(*rest, at + 1);
	}
	return true;
}

bool
slice_next_word(struct slice *rest, struct slice *word)
{
	struct slice s = slice_ltrim(*rest);
	size_t i = 0;

	while (i < s.len && !byte_is_space(s.data[i]))
		i++;
	*word = slice_sub(s, 0, i);
	*rest = slice_from(s, i);
	return i > 0;
}

bool
slice_to_u64(struct slice s, unsigned long long max, unsigned long long *value_r)
{
	unsigned long long v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit;

		if (!byte_is_digit(s.data[i]))
			return false;
		digit = (unsigned)(s.data[i] - '0');
		if (v > (max - digit) / 10 &&
		    (v * 10 > max || digit > max - v * 10 || v > max / 10))
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*value_r = v;
	return true;
}

bool
slice_to_decimal(struct slice s, double *value_r)
{
	static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
	                                1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	bool negative = s.len > 0 && s.data[0] == '-', dot = false;
	size_t digits = 0, decimals = 0;
	long long n = 0;

	for (size_t i = negative; i < s.len; i++) {
		if (s.data[i] == '.' && !dot && digits > 0) {
			dot = true;
			continue;
		}
		if (!byte_is_digit(s.data[i]) || ++digits > 15)
			return false;
		n = n * 10 + (s.data[i] - '0');
		decimals += dot;
	}
	if (digits == 0 || (dot && decimals == 0))
		return false;
	/* Both are exact, so the one division rounds as strtod does. */
	*value_r = (double)n / powers[decimals];
	if (negative)
		*value_r = -*value_r;
	return true;
}
