/*
 * format.c - printf for bytes
 */
#include "util/format.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct sink {
	unsigned char *out;
	size_t size, len;
};

struct spec {
	char text[32]; /* "%-08.3lu", stars filled in: for vsnprintf */
	size_t text_len;
	bool left, is_slice;  /* is_slice: the precision was a star */
	int width, precision; /* -1: none */
	char length;          /* 0, 'l', 'L' for ll, 'z' */
	char conversion;
};

struct args {
	va_list ap;
};

static void
put(struct sink *sink, const char *bytes, size_t count)
{
	if (count > 0 && sink->len < sink->size) {
		size_t room = sink->size - sink->len;

		memcpy(sink->out + sink->len, bytes, count < room ? count : room);
	}
	sink->len += count;
}

static void
pad(struct sink *sink, size_t count)
{
	while (count-- > 0)
		put(sink, " ", 1);
}

/* ---- specifications ---- */

static void
spec_add(struct spec *spec, char c)
{
	if (spec->text_len + 2 < sizeof(spec->text))
		spec->text[spec->text_len++] = c;
	spec->text[spec->text_len] = '\0';
}

static void
spec_add_number(struct spec *spec, int n)
{
	char digits[16];
	int len = snprintf(digits, sizeof(digits), "%d", n);

	for (int i = 0; i < len; i++)
		spec_add(spec, digits[i]);
}

static const char *
read_number(const char *fmt, struct args *args, int *n_r)
{
	int n = 0;

	if (*fmt == '*') {
		n = va_arg(args->ap, int);
		*n_r = n < 0 ? 0 : n;
		return fmt + 1;
	}
	for (; *fmt >= '0' && *fmt <= '9'; fmt++)
		n = n < 100000 ? n * 10 + (*fmt - '0') : n;
	*n_r = n;
	return fmt;
}

/* fmt stands behind the "%"; returns what comes behind the conversion. */
static const char *
read_spec(const char *fmt, struct args *args, struct spec *spec)
{
	*spec = (struct spec){.width = -1, .precision = -1};
	spec_add(spec, '%');
	for (; *fmt != '\0' && strchr("-+ #0", *fmt) != NULL; fmt++) {
		spec->left |= *fmt == '-';
		spec_add(spec, *fmt);
	}
	if (*fmt == '*' || (*fmt >= '1' && *fmt <= '9')) {
		fmt = read_number(fmt, args, &spec->width);
		spec_add_number(spec, spec->width);
	}
	if (*fmt == '.') {
		spec->is_slice = *++fmt == '*';
		fmt = read_number(fmt, args, &spec->precision);
		spec_add(spec, '.');
		spec_add_number(spec, spec->precision);
	}
	for (; *fmt == 'l' || *fmt == 'z'; fmt++) {
		spec->length = *fmt == 'z' ? 'z' : spec->length == 'l' ? 'L' : 'l';
		spec_add(spec, *fmt);
	}
	spec->conversion = *fmt;
	spec_add(spec, *fmt);
	return *fmt == '\0' ? fmt : fmt + 1;
}

/* ---- arguments ---- */

static void
put_string(struct sink *sink, const struct spec *spec, const char *s)
{
	size_t len, fill;

	if (s == NULL && !spec->is_slice)
		s = "(null)";
	len = spec->is_slice         ? (size_t)spec->precision
	      : spec->precision >= 0 ? strnlen(s, (size_t)spec->precision)
	                             : strlen(s);
	fill = spec->width > 0 && (size_t)spec->width > len ? (size_t)spec->width - len : 0;
	if (!spec->left)
		pad(sink, fill);
	put(sink, s, len);
	if (spec->left)
		pad(sink, fill);
}

/* Numbers are vsnprintf's work. */
static void
put_number(struct sink *sink, const struct spec *spec, ...)
{
	char text[400];
	va_list ap;
	int len;

	va_start(ap, spec);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	len = vsnprintf(text, sizeof(text), spec->text, ap);
#pragma GCC diagnostic pop
	va_end(ap);
	if (len > 0)
		put(sink, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

static void
put_integer(struct sink *sink, const struct spec *spec, struct args *args)
{
	switch (spec->length) {
	case 'L':
		put_number(sink, spec, va_arg(args->ap, long long));
		break;
	case 'l':
		put_number(sink, spec, va_arg(args->ap, long));
		break;
	case 'z':
		put_number(sink, spec, va_arg(args->ap, size_t));
		break;
	default:
		put_number(sink, spec, va_arg(args->ap, int));
		break;
	}
}

static void
put_argument(struct sink *sink, const struct spec *spec, struct args *args)
{
	switch (spec->conversion) {
	case '%':
		put(sink, "%", 1);
		break;
	case 's':
		put_string(sink, spec, va_arg(args->ap, const char *));
		break;
	case 'g':
	case 'f':
	case 'e':
		put_number(sink, spec, va_arg(args->ap, double));
		break;
	case 'p':
		put_number(sink, spec, va_arg(args->ap, void *));
		break;
	default:
		put_integer(sink, spec, args);
		break;
	}
}

size_t
format_bytes(unsigned char *out, size_t size, const char *fmt, va_list ap)
{
	struct sink sink = {out, size, 0};
	struct args args;

	va_copy(args.ap, ap);
	for (;;) {
		size_t plain = strcspn(fmt, "%");
		struct spec spec;

		put(&sink, fmt, plain);
		fmt += plain;
		if (*fmt == '\0')
			break;
		fmt = read_spec(fmt + 1, &args, &spec);
		put_argument(&sink, &spec, &args);
	}
	va_end(args.ap);
	return sink.len;
}
