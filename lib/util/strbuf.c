/*
 * strbuf.c - bytes that grow, in an arena, with a maximum
 */
#include "util/strbuf.h"

#include <stdarg.h>
#include <stdio.h>

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
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	/* vsnprintf writes a NUL, which is not counted in len. */
	if (len < 0 || !strbuf_reserve(buf, (size_t)len + 1))
		return;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
}
