/*
 * logger.c - where spamd's lines go
 */
#include "spamd/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/time.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *name;
	int facility;
} facilities[] = {
	{"auth", LOG_AUTH},     {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
	{"kern", LOG_KERN},     {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},
	{"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3}, {"local4", LOG_LOCAL4},
	{"local5", LOG_LOCAL5}, {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
	{"lpr", LOG_LPR},       {"mail", LOG_MAIL},     {"news", LOG_NEWS},
	{"user", LOG_USER},     {"uucp", LOG_UUCP},
};

static const char *
level_name(enum log_level level)
{
	static const char *const names[] = {"dbg", "info", "warn", "error"};

	return names[level];
}

static void
write_line(int fd, const char *line, size_t len)
{
	/* One write: lines of several processes do not mix.  A log that fails must never stop mail.
	 */
	ssize_t n = write(fd, line, len);

	(void)n;
}

static void
write_fd(const struct logger *logger, enum log_level level, const char *area, struct slice text)
{
	char line[4700], stamp[64];
	struct timeval now;
	struct tm tm;
	int len;

	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &tm);
	if (logger->kind == LOGGER_FILE) {
		strftime(stamp, sizeof(stamp), "%a %b %e %H:%M:%S %Y", &tm);
	} else {
		size_t n = strftime(stamp, sizeof(stamp), "%b %d %H:%M:%S", &tm);

		snprintf(stamp + n, sizeof(stamp) - n, ".%03d", (int)(now.tv_usec / 1000));
	}
	len = snprintf(line, sizeof(line), "%s [%ld] %s: %s%s%.*s\n", stamp, (long)getpid(),
	               level_name(level), area == NULL ? "" : area, area == NULL ? "" : ": ",
	               SLICE_FMT(text));
	if (len > 0)
		write_line(logger->fd, line,
		           (size_t)len < sizeof(line) ? (size_t)len : sizeof(line) - 1);
}

static void
write_log(void *data, enum log_level level, const char *area, struct slice text)
{
	static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
	const struct logger *logger = data;

	switch (logger->kind) {
	case LOGGER_NULL:
		break;
	case LOGGER_SYSLOG:
		syslog(priorities[level], "%s%s%.*s", area == NULL ? "" : area,
		       area == NULL ? "" : ": ", SLICE_FMT(text));
		break;
	case LOGGER_STDERR:
	case LOGGER_FILE:
		write_fd(logger, level, area, text);
		break;
	}
}

static bool
open_syslog(struct logger *logger, const char *target)
{
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcmp(target, facilities[i].name) == 0) {
			openlog("spamd", LOG_PID | LOG_NDELAY, facilities[i].facility);
			logger->kind = LOGGER_SYSLOG;
			return true;
		}
	return false;
}

bool
logger_open(struct logger *logger, const char *target, const char *debug_areas)
{
	*logger = (struct logger){.kind = LOGGER_STDERR, .fd = STDERR_FILENO};
	logger->log = (struct log){.write = write_log,
	                           .data = logger,
	                           .areas = debug_areas,
	                           .least = debug_areas == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG};
	if (strcmp(target, "stderr") == 0)
		return true;
	if (strcmp(target, "null") == 0) {
		logger->kind = LOGGER_NULL;
		logger->log.least = LOG_LEVEL_NONE;
		return true;
	}
	if (open_syslog(logger, target))
		return true;
	if (strcmp(target, "file") == 0)
		target = "./spamd.log";
	else if (strspn(target, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(target)) {
		fprintf(stderr, "spamd: unknown syslog facility \"%s\"\n", target);
		return false;
	}
	logger->fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	if (logger->fd < 0) {
		fprintf(stderr, "spamd: cannot open log file %s: %s\n", target, strerror(errno));
		return false;
	}
	logger->kind = LOGGER_FILE;
	return true;
}

void
logger_close(struct logger *logger)
{
	if (logger->kind == LOGGER_FILE)
		close(logger->fd);
	else if (logger->kind == LOGGER_SYSLOG)
		closelog();
}
