/*
 * strbuf.c - bytes that grow, in an arena, with a maximum
 */
#include "util/strbuf.h"

#include <math.h>
#include <stdarg.h>

#include "util/format.h"

void
strbuf_init(struct strbuf *buf, struct arena *arena, size_t max)
{
	*buf = (struct strbuf){.arena = arena, .max = max == 0 ? (size_t)-1 / 4 : max};
}

bool
strbuf_reserve(struct strbuf *buf, size_t more)
{
	size_t need, size;
	unsigned char *data;

	if (buf->bad)
		return false;
	if (more > buf->max - buf->len) {
		buf->bad = true;
		return false;
	}
	need = buf->len + more;
	if (need <= buf->size)
		return true;
	size = buf->size < 128 ? 256 : buf->size * 2;
	if (size < need)
		size = need;
	if (size > buf->max)
		size = buf->max;
	data = arena_regrow(buf->arena, buf->data, buf->size, size);
	if (data == NULL) {
		buf->bad = true;
		return false;
	}
	buf->data = data;
	buf->size = size;
	return true;
}

void
strbuf_add_cstr(struct strbuf *buf, const char *s)
{
	strbuf_add(buf, slice_from_cstr(s));
}

void
strbuf_add_utf8(struct strbuf *buf, unsigned long c)
{
	if (c < 0x80) {
		strbuf_add_byte(buf, (unsigned char)c);
	} else if (c < 0x800) {
		strbuf_add_byte(buf, (unsigned char)(0xc0 | (c >> 6)));
		strbuf_add_byte(buf, (unsigned char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		strbuf_add_byte(buf, (unsigned char)(0xe0 | (c >> 12)));
		strbuf_add_byte(buf, (unsigned char)(0x80 | ((c >> 6) & 0x3f)));
		strbuf_add_byte(buf, (unsigned char)(0x80 | (c & 0x3f)));
	} else {
		strbuf_add_byte(buf, (unsigned char)(0xf0 | ((c >> 18) & 7)));
		strbuf_add_byte(buf, (unsigned char)(0x80 | ((c >> 12) & 0x3f)));
		strbuf_add_byte(buf, (unsigned char)(0x80 | ((c >> 6) & 0x3f)));
		strbuf_add_byte(buf, (unsigned char)(0x80 | (c & 0x3f)));
	}
}

void
strbuf_printf(struct strbuf *buf, const char *fmt, ...)
{
	unsigned char small[256]; /* most texts fit: formatted once */
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	len = format_bytes(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (len <= sizeof(small)) {
		strbuf_add(buf, slice_of(small, len));
		return;
	}
	if (!strbuf_reserve(buf, len))
		return;
	va_start(ap, fmt);
	buf->len += format_bytes(buf->data + buf->len, len, fmt, ap);
	va_end(ap);
}

/* Is it n / 1000, and n no more than twelve digits?  Then these digits are what %.15g prints. */
static bool
in_thousandths(double value, long long *n_r)
{
	double scaled = value * 1000 + (value < 0 ? -0.5 : 0.5);

	if (!(scaled > -1e12 && scaled < 1e12))
		return false;
	*n_r = (long long)scaled;
	return (double)*n_r / 1000 == value && (*n_r != 0 || !signbit(value));
}

void
strbuf_add_double(struct strbuf *buf, double value)
{
	unsigned char text[24];
	size_t at = sizeof(text), decimals = 3;
	unsigned long long left;
	long long n;

	if (!in_thousandths(value, &n)) {
		strbuf_printf(buf, "%.15g", value);
		return;
	}
	left = (unsigned long long)(n < 0 ? -n : n);
	for (; decimals > 0 && left % 10 == 0; decimals--)
		left /= 10;
	for (size_t i = 0; left > 0 || i <= decimals; i++, left /= 10) {
		if (i == decimals && decimals > 0)
			text[--at] = '.';
		text[--at] = (unsigned char)('0' + left % 10);
	}
	if (n < 0)
		text[--at] = '-';
	strbuf_add(buf, slice_of(text + at, sizeof(text) - at));
}
