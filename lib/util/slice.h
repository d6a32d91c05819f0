/*
 * slice.h - bytes by pointer and length
 *
 * Owns: struct slice, a view of bytes that somebody else keeps alive (a message buffer, an arena, a
 * literal). Mail is bytes: NUL is data, nothing here is a C string unless the name says cstr.
 */
#ifndef WINNOW_UTIL_SLICE_H
#define WINNOW_UTIL_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
	const unsigned char *data;
	size_t len;
};

#define SLICE(lit) ((struct slice){(const unsigned char *)("" lit), sizeof(lit) - 1})
#define SLICE_NULL ((struct slice){NULL, 0})
#define SLICE_NPOS ((size_t)-1)
/* For printf("%.*s"). */
#define SLICE_FMT(s) (int)(s).len, (const char *)(s).data

/* Byte classes of the C locale; no table of the host's locale is ever asked. */
static inline bool
byte_is_upper(unsigned char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
byte_is_lower(unsigned char c)
{
	return c >= 'a' && c <= 'z';
}

static inline bool
byte_is_alpha(unsigned char c)
{
	return byte_is_upper(c) || byte_is_lower(c);
}

static inline bool
byte_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
byte_is_alnum(unsigned char c)
{
	return byte_is_alpha(c) || byte_is_digit(c);
}

/* Perl's \w under /aa. */
static inline bool
byte_is_word(unsigned char c)
{
	return byte_is_alnum(c) || c == '_';
}

/* Perl's \s under /aa: blank, tab, LF, VT, FF, CR. */
static inline bool
byte_is_space(unsigned char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static inline bool
byte_is_xdigit(unsigned char c)
{
	return byte_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline unsigned char
byte_lower(unsigned char c)
{
	return byte_is_upper(c) ? (unsigned char)(c | 0x20) : c;
}

static inline unsigned char
byte_upper(unsigned char c)
{
	return byte_is_lower(c) ? (unsigned char)(c & ~0x20) : c;
}

/* 0-15, or -1 when c is no hexadecimal digit. */
int byte_hex_value(unsigned char c);

static inline struct slice
slice_of(const void *data, size_t len)
{
	return (struct slice){(const unsigned char *)data, len};
}

static inline struct slice
slice_from_cstr(const char *s)
{
	return slice_of(s, strlen(s));
}

/* The bytes between two pointers into one buffer. */
static inline struct slice
slice_between(const unsigned char *begin, const unsigned char *end)
{
	return (struct slice){begin, (size_t)(end - begin)};
}

/* Clamped: never reaches outside s. */
static inline struct slice
slice_sub(struct slice s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return slice_of(s.data == NULL ? NULL : s.data + from, len);
}

static inline struct slice
slice_from(struct slice s, size_t from)
{
	return slice_sub(s, from, SLICE_NPOS);
}

static inline bool
slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ASCII case is ignored in everything named _ieq, _istarts, _ifind... */
bool slice_ieq(struct slice a, struct slice b);
int slice_cmp(struct slice a, struct slice b); /* memcmp order, shorter first */
int slice_icmp(struct slice a, struct slice b);
static inline bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       (prefix.len == 0 ||
	        (s.data[0] == prefix.data[0] && memcmp(s.data, prefix.data, prefix.len) == 0));
}
bool slice_ends(struct slice s, struct slice suffix);
bool slice_istarts(struct slice s, struct slice prefix);
bool slice_iends(struct slice s, struct slice suffix);

/* First position at or after `from`, or SLICE_NPOS. */
size_t slice_find_byte(struct slice s, unsigned char c, size_t from);
size_t slice_rfind_byte(struct slice s, unsigned char c);
size_t slice_find(struct slice s, struct slice needle, size_t from);
size_t slice_ifind(struct slice s, struct slice needle, size_t from);
/* First byte that is (not) in `set`. */
size_t slice_find_any(struct slice s, const char *set, size_t from);
size_t slice_span(struct slice s, const char *set, size_t from);

static inline bool
slice_has_byte(struct slice s, unsigned char c)
{
	return slice_find_byte(s, c, 0) != SLICE_NPOS;
}

struct slice slice_trim(struct slice s); /* Perl's \s at both ends */
struct slice slice_ltrim(struct slice s);
struct slice slice_rtrim(struct slice s);

/*
 * Cuts the next piece that ends in `sep` off *rest (the separator is dropped) into *piece; false
 * when *rest was exhausted before.  "a,,b" gives a, (empty), b; an empty *rest with data == NULL
 * gives nothing.
 */
bool slice_next(struct slice *rest, unsigned char sep, struct slice *piece);
/* Cuts the next line, its LF included, off *rest; false at the end. */
static inline bool
slice_next_line(struct slice *rest, struct slice *line)
{
	const unsigned char *lf;
	size_t len;

	if (rest->len == 0)
		return false;
	lf = (const unsigned char *)memchr(rest->data, '\n', rest->len);
	len = lf == NULL ? rest->len : (size_t)(lf - rest->data) + 1;
	*line = slice_of(rest->data, len);
	rest->data += len;
	rest->len -= len;
	return true;
}

/* Next run of non-space bytes; false at the end. */
bool slice_next_word(struct slice *rest, struct slice *word);

/* Decimal digits only, whole slice; false on anything else or when > max. */
bool slice_to_u64(struct slice s, unsigned long long max, unsigned long long *value_r);
/* [-]digits[.digits], up to 15 digits and nothing else: the nearest double, as strtod's, without
 * its price. */
bool slice_to_decimal(struct slice s, double *value_r);

#endif
