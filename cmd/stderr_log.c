/*
 * stderr_log.c - log lines on standard error in the reference's shape
 */
#include "cmd/stderr_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { REPEATS_SHOWN = 10 };

static const char *const level_names[] = {"dbg", "info", "warn", "error"};

static void
write_line(enum log_level level, const char *text, size_t len)
{
	char line[STDERR_LOG_LINE * 4 + 128], stamp[32];
	struct timeval now;
	struct tm tm;
	size_t n;
	ssize_t written;

	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	n = (size_t)snprintf(line, sizeof(line), "%s.%03d [%ld] %s: ", stamp,
	                     (int)(now.tv_usec / 1000), (long)getpid(), level_names[level]);
	for (size_t i = 0; i < len && n + 8 < sizeof(line); i++) {
		unsigned char c = (unsigned char)text[i];

		/* control characters never reach a terminal */
		if (c == '\t' || c == ' ') {
			if (i == 0 || (text[i - 1] != '\t' && text[i - 1] != ' '))
				line[n++] = ' ';
		} else {
			line[n++] = c < 0x20 ? '_' : (char)c;
		}
	}
	line[n++] = '\n';
	written = write(STDERR_FILENO, line, n);
	(void)written;
}

static void
write_log(void *data, enum log_level level, const char *area, struct slice text)
{
	struct stderr_log *log = data;
	char line[STDERR_LOG_LINE];
	int len = snprintf(line, sizeof(line), "%s%s%.*s", area == NULL ? "" : area,
	                   area == NULL ? "" : ": ", SLICE_FMT(text));
	size_t n = len < 0 ? 0 : (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1;

	if (n == log->last_len && memcmp(line, log->last, n) == 0) {
		if (++log->repeated >= REPEATS_SHOWN)
			return;
	} else {
		stderr_log_flush(log);
		memcpy(log->last, line, n);
		log->last_len = n;
		log->last_level = level;
	}
	write_line(level, line, n);
}

void
stderr_log_flush(struct stderr_log *log)
{
	char line[STDERR_LOG_LINE + 64];
	int len;

	if (log->repeated >= REPEATS_SHOWN) {
		len = snprintf(line, sizeof(line), "%.*s [... logline repeated %u times]",
		               (int)log->last_len, log->last, log->repeated - (REPEATS_SHOWN - 1));
		write_line(log->last_level, line, (size_t)len);
	}
	log->repeated = 0;
	log->last_len = 0;
}

/* "info" and "noXXX" alone ask for no debug lines. */
static bool
wants_debug(const char *areas)
{
	struct slice rest = slice_from_cstr(areas), word;

	while (slice_next(&rest, ',', &word))
		if (word.len > 0 && !slice_eq(word, SLICE("info")) &&
		    !(slice_istarts(word, SLICE("no")) && word.len > 2))
			return true;
	return false;
}

void
stderr_log_init(struct stderr_log *log, const char *areas)
{
	bool debug = areas != NULL && wants_debug(areas);

	*log = (struct stderr_log){.log = {.write = write_log,
	                                   .areas = debug ? areas : NULL,
	                                   .least = debug           ? LOG_LEVEL_DEBUG
	                                            : areas != NULL ? LOG_LEVEL_INFO
	                                                            : LOG_LEVEL_WARN}};
	log->log.data = log;
}
