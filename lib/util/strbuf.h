/*
 * strbuf.h - bytes that grow, in an arena, with a maximum
 *
 * Owns: struct strbuf.  The error is sticky: after a failed append nothing is added any more and
 * strbuf_is_bad() says so, so that a writer tests once at the end.
 */
#ifndef WINNOW_UTIL_STRBUF_H
#define WINNOW_UTIL_STRBUF_H

#include "util/arena.h"
#include "util/slice.h"

struct strbuf {
	struct arena *arena;
	unsigned char *data;
	size_t len;
	size_t size;
	size_t max;
	bool bad;
};

/* max 0: as the arena allows. */
void strbuf_init(struct strbuf *buf, struct arena *arena, size_t max);
/* Slow path of the appenders: room for `more` bytes after len, or false. */
bool strbuf_reserve(struct strbuf *buf, size_t more);

static inline void
strbuf_add_byte(struct strbuf *buf, unsigned char c)
{
	if (buf->len < buf->size || strbuf_reserve(buf, 1))
		buf->data[buf->len++] = c;
}

static inline void
strbuf_add(struct strbuf *buf, struct slice s)
{
	if (s.len == 0 || (s.len > buf->size - buf->len && !strbuf_reserve(buf, s.len)))
		return;
	memcpy(buf->data + buf->len, s.data, s.len);
	buf->len += s.len;
}

void strbuf_add_cstr(struct strbuf *buf, const char *s);
void strbuf_add_utf8(struct strbuf *buf, unsigned long codepoint);
void strbuf_printf(struct strbuf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As printf's %.15g gives it; quick for what has three decimals, as scores do. */
void strbuf_add_double(struct strbuf *buf, double value);

static inline bool
strbuf_is_bad(const struct strbuf *buf)
{
	return buf->bad;
}

static inline struct slice
strbuf_slice(const struct strbuf *buf)
{
	return slice_of(buf->data, buf->len);
}

#endif
