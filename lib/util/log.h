/*
 * log.h - where programs say what happened
 *
 * Owns: struct log, the sink that a program makes and passes down (in struct filter and struct
 * scan).  Library code returns errors and only writes debug lines of an area (`-D area`); programs
 * write info, warnings and errors. Text from outside goes through log_quote().  One event is one
 * line.
 */
#ifndef WINNOW_UTIL_LOG_H
#define WINNOW_UTIL_LOG_H

#include <stdbool.h>

#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"

/* NONE, as the least that is wanted: nothing is. */
enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_NONE };

struct log {
	/* Takes one line without line end.  area: the part before ": " in SpamAssassin's debug
	 * output ("config"). */
	void (*write)(void *data, enum log_level level, const char *area, struct slice text);
	void *data;
	/* Areas that -D asked for, comma separated ("all", "config,rules", "all,norules"); NULL: no
	 * debug lines. */
	const char *areas;
	enum log_level least;
};

/* Writes "level: area: text" lines to standard error, as the command line does: a ready-made sink.
 */
void log_to_stderr(void *data, enum log_level level, const char *area, struct slice text);

bool log_wants(const struct log *log, enum log_level level, const char *area);
void log_write(const struct log *log, enum log_level level, const char *area, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

#define log_debug(log, area, ...)                                                                  \
	do {                                                                                       \
		if (log_wants((log), LOG_LEVEL_DEBUG, (area)))                                     \
			log_write((log), LOG_LEVEL_DEBUG, (area), __VA_ARGS__);                    \
	} while (0)
#define log_info(log, area, ...) log_write((log), LOG_LEVEL_INFO, (area), __VA_ARGS__)
#define log_warn(log, area, ...) log_write((log), LOG_LEVEL_WARN, (area), __VA_ARGS__)
#define log_error(log, area, ...) log_write((log), LOG_LEVEL_ERROR, (area), __VA_ARGS__)

/*
 * Makes outside text safe for one log line: bytes outside printable ASCII become \x{hh} as the
 * reference writes them; cut at max bytes of result.  The result lives in the arena; when that is
 * spent, an empty slice.
 */
struct slice log_quote(struct arena *arena, struct slice text, size_t max);

#endif
