/*
 * log.c - lines for syslog, standard error or the program
 */
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "spamc/private.h"

enum { LOG_LINE_MAX = 1023 };

/* One for the process, as the interface has it. */
static void (*log_callback)(int flags, int level, char *msg, va_list args);

void
register_libspamc_log_callback(void (*function)(int flags, int level, char *msg, va_list args))
{
	log_callback = function;
}

/* The format is the caller's: that is what the interface is for. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void
log_line(int flags, int level, char *msg, va_list args)
{
	static const char prefix[] = "spamc: ";
	char line[LOG_LINE_MAX + 1];
	size_t at = 0;

	if ((flags & SPAMC_LOG_TO_CALLBACK) != 0 && log_callback != NULL) {
		log_callback(flags, level, msg, args);
		return;
	}
	if ((flags & SPAMC_LOG_TO_STDERR) == 0) {
		vsyslog(level, msg, args);
		return;
	}
	memcpy(line, prefix, sizeof(prefix));
	at = sizeof(prefix) - 1;
	vsnprintf(line + at, sizeof(line) - at - 1, msg, args);
	at = strlen(line);
	line[at++] = '\n';
	spamc_write_all(STDERR_FILENO, line, at);
}
#pragma GCC diagnostic pop

void
libspamc_log(int flags, int level, char *msg, ...)
{
	va_list args;

	va_start(args, msg);
	log_line(flags, level, msg, args);
	va_end(args);
}

void
spamc_say(int flags, int level, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	/* callbacks are declared with char *, nobody writes there */
	log_line(flags, level, (char *)(uintptr_t)fmt, args);
	va_end(args);
}
