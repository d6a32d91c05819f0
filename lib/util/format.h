/*
 * format.h - printf for bytes
 *
 * As vsnprintf(), but "%.*s" gives exactly so many bytes, NULs among them: a NUL in mail must not
 * cut what is written about it.  Under arena_printf(), strbuf_printf() and the log.
 * Conversions: d i u x X c s g f e p, with flags, width, precision, l, ll and z.
 */
#ifndef WINNOW_UTIL_FORMAT_H
#define WINNOW_UTIL_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* Returns the length of the whole text; at most `size` bytes of it are written, and no NUL. */
size_t format_bytes(unsigned char *out, size_t size, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

#endif
