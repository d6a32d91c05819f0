/*
 * stderr_log.h - log lines on standard error in the reference's shape
 *
 * "Nov 24 12:00:00.123 [4711] warn: config: ..."; the same line twice is said once more at most,
 * then counted (Logger.pm of 4.0.1: ten equal lines, then "[... logline repeated N times]").
 */
#ifndef WINNOW_CMD_STDERR_LOG_H
#define WINNOW_CMD_STDERR_LOG_H

#include "util/log.h"

enum { STDERR_LOG_LINE = 4096 };

struct stderr_log {
	struct log log;
	char last[STDERR_LOG_LINE];
	size_t last_len;
	unsigned repeated;
	enum log_level last_level;
};

/* areas: of -D, NULL when it was not given.  The pointer in log.data makes it unmovable. */
void stderr_log_init(struct stderr_log *log, const char *areas);
/* Says what was held back. */
void stderr_log_flush(struct stderr_log *log);

#endif
