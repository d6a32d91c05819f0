/*
 * log.c - where programs say what happened
 */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>

#include "util/strbuf.h"

void
log_to_stderr(void *data, enum log_level level, const char *area, struct slice text)
{
	static const char *const names[] = {"dbg: ", "info: ", "warn: ", "error: "};

	(void)data;
	fprintf(stderr, "%s%s%s%.*s\n", level == LOG_LEVEL_DEBUG ? names[level] : "",
	        area == NULL ? "" : area, area == NULL ? "" : ": ", SLICE_FMT(text));
}

static bool
area_is_on(const char *areas, const char *area)
{
	struct slice rest = slice_from_cstr(areas), word;
	struct slice want = slice_from_cstr(area == NULL ? "" : area);
	bool on = false;

	while (slice_next(&rest, ',', &word)) {
		if (slice_eq(word, SLICE("all")))
			on = true;
		else if (slice_eq(word, want))
			return true;
		else if (slice_starts(word, SLICE("no")) && slice_eq(slice_from(word, 2), want))
			return false;
	}
	return on;
}

bool
log_wants(const struct log *log, enum log_level level, const char *area)
{
	if (log == NULL || level < log->least)
		return false;
	return level > LOG_LEVEL_DEBUG || (log->areas != NULL && area_is_on(log->areas, area));
}

void
log_write(const struct log *log, enum log_level level, const char *area, const char *fmt, ...)
{
	char line[4096];
	va_list ap;
	int len;

	if (!log_wants(log, level, area))
		return;
	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	log->write(log->data, level, area,
	           slice_of(line, (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1));
}

struct slice
log_quote(struct arena *arena, struct slice text, size_t max)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < text.len && buf.len < max; i++) {
		unsigned char c = text.data[i];

		if (c >= 0x20 && c < 0x7f)
			strbuf_add_byte(&buf, c);
		else
			strbuf_printf(&buf, "\\x{%x}", c);
	}
	return strbuf_is_bad(&buf) ? SLICE("") : strbuf_slice(&buf);
}
