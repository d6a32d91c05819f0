/*
 * logger.c - where spamd's lines go
 */
#include "spamd/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"

enum {
	OPEN_AGAIN_MS = 1000,
	LINE_MAX_BYTES = 4096 /* a pipe takes so much at once or nothing */
};

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

/* The time as the options or the kind of log want it, with a blank behind it. */
static void
make_stamp(const struct logger *logger, char *stamp, size_t size)
{
	const char *format = logger->timestamp_fmt;
	struct timeval now;
	struct tm tm;
	size_t n;

	stamp[0] = '\0';
	if (format != NULL && format[0] == '\0')
		return;
	gettimeofday(&now, NULL);
	localtime_r(&now.tv_sec, &tm);
	if (format == NULL)
		format = logger->kind == LOGGER_FILE ? "%a %b %e %H:%M:%S %Y" : "%b %e %H:%M:%S";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	n = strftime(stamp, size - 8, format, &tm);
#pragma GCC diagnostic pop
	if (logger->timestamp_fmt == NULL && logger->kind == LOGGER_STDERR)
		n += (size_t)snprintf(stamp + n, size - n, ".%03d", (int)(now.tv_usec / 1000));
	if (n > 0)
		memcpy(stamp + n, " ", 2);
	else
		stamp[0] = '\0';
}

/* One write a line: lines of several processes do not mix. */
static void
write_fd(const struct logger *logger, enum log_level level, const char *area, struct slice text)
{
	char line[LINE_MAX_BYTES], stamp[256];
	struct pollfd fd = {.fd = logger->fd, .events = POLLOUT};
	size_t len;
	ssize_t written;
	int n;

	make_stamp(logger, stamp, sizeof(stamp));
	n = snprintf(line, sizeof(line), "%s[%ld] %s: %s%s%.*s\n", stamp, (long)getpid(),
	             level_name(level), area == NULL ? "" : area, area == NULL ? "" : ": ",
	             SLICE_FMT(text));
	if (n <= 0)
		return;
	len = (size_t)n;
	if (len >= sizeof(line)) {
		len = sizeof(line);
		line[len - 1] = '\n';
	}
	if (logger->may_block && (poll(&fd, 1, 0) != 1 || (fd.revents & POLLOUT) == 0))
		return;
	written = write(logger->fd, line, len);
	(void)written;
}

/* ---- syslog ---- */

static void
open_socket(struct logger *logger)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		close(fd);
		fd = -1;
	}
	logger->fd = fd;
	logger->open_again_ms = clock_monotonic_ms() + OPEN_AGAIN_MS;
}

/* false: nobody took it. */
static bool
send_syslog(struct logger *logger, enum log_level level, const char *area, struct slice text)
{
	static const int priorities[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERR};
	char line[LINE_MAX_BYTES], stamp[256] = "", when[32];
	time_t now = time(NULL);
	struct tm tm;
	int n;

	if (logger->fd < 0 && clock_monotonic_ms() >= logger->open_again_ms)
		open_socket(logger);
	if (logger->fd < 0)
		return false;
	strftime(when, sizeof(when), "%b %e %H:%M:%S", localtime_r(&now, &tm));
	if (logger->timestamp_fmt != NULL)
		make_stamp(logger, stamp, sizeof(stamp));
	n = snprintf(line, sizeof(line), "<%d>%s spamd[%ld]: %s%s%s%.*s",
	             logger->facility | priorities[level], when, (long)getpid(), stamp,
	             area == NULL ? "" : area, area == NULL ? "" : ": ", SLICE_FMT(text));
	if (n <= 0)
		return true;
	if (send(logger->fd, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1,
	         MSG_NOSIGNAL) >= 0 ||
	    errno == EAGAIN || errno == ENOBUFS)
		return true; /* a full queue costs the line */
	close(logger->fd);
	logger->fd = -1;
	return false;
}

static void
write_stderr(const struct logger *logger, enum log_level level, const char *area, struct slice text)
{
	struct logger standard = *logger;

	standard.kind = LOGGER_STDERR;
	standard.fd = STDERR_FILENO;
	standard.may_block = logger->stderr_may_block;
	if (!logger->is_detached)
		write_fd(&standard, level, area, text);
}

static void
write_log(void *data, enum log_level level, const char *area, struct slice text)
{
	struct logger *logger = data;

	switch (logger->kind) {
	case LOGGER_NULL:
		break;
	case LOGGER_SYSLOG:
		if (!send_syslog(logger, level, area, text) || logger->log.areas != NULL)
			write_stderr(logger, level, area, text);
		break;
	case LOGGER_FILE:
		/* Who debugs in the foreground looks at both, as in the reference. */
		if (logger->log.areas != NULL)
			write_stderr(logger, level, area, text);
		write_fd(logger, level, area, text);
		break;
	case LOGGER_STDERR:
		if (logger->fd >= 0)
			write_fd(logger, level, area, text);
		break;
	}
}

/* ---- opening ---- */

static bool
find_facility(struct logger *logger, const char *target)
{
	for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]); i++)
		if (strcasecmp(target, facilities[i].name) == 0) {
			logger->kind = LOGGER_SYSLOG;
			logger->facility = facilities[i].facility;
			open_socket(logger);
			return true;
		}
	return false;
}

static int
open_file(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
}

static bool
could_block(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

static bool
open_path(struct logger *logger, const char *path)
{
	char *absolute = NULL;
	int fd = open_file(path);

	if (fd >= 0)
		absolute = realpath(path, NULL);
	if (absolute == NULL) {
		fprintf(stderr, "spamd: cannot open log file %s: %s\n", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return false;
	}
	logger->kind = LOGGER_FILE;
	logger->fd = fd;
	logger->path = absolute;
	logger->may_block = could_block(fd);
	return true;
}

static bool
is_word(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(text);
}

bool
logger_open(struct logger *logger, const struct spamd_options *o)
{
	const char *target = o->syslog, *socket_kind = o->syslog_socket;
	bool is_path = !is_word(target);

	*logger = (struct logger){
		.kind = LOGGER_STDERR,
		.fd = STDERR_FILENO,
		.may_block = could_block(STDERR_FILENO),
		.stderr_may_block = could_block(STDERR_FILENO),
		.timestamp_fmt =
			o->timestamp_fmt != NULL && strcasecmp(o->timestamp_fmt, "default") == 0
				? NULL
				: o->timestamp_fmt};
	logger->log =
		(struct log){.write = write_log,
	                     .data = logger,
	                     .areas = o->debug_areas,
	                     .least = o->debug_areas == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG};
	if (strcasecmp(target, "null") == 0) {
		logger->kind = LOGGER_NULL;
		logger->log.least = LOG_LEVEL_NONE;
		return true;
	}
	if (is_path && !find_facility(logger, target))
		return open_path(logger, target);
	if (logger->kind == LOGGER_SYSLOG)
		return true;
	if (strcmp(target, "file") == 0 ||
	    (socket_kind != NULL && strcasecmp(socket_kind, "file") == 0))
		return open_path(logger, "spamd.log");
	if (strcmp(target, "stderr") == 0 ||
	    (socket_kind != NULL && strcasecmp(socket_kind, "none") == 0))
		return true;
	if (!find_facility(logger, target))
		fprintf(stderr, "spamd: unknown syslog facility \"%s\", logging to stderr\n",
		        target);
	return true;
}

void
logger_reopen(struct logger *logger)
{
	int fd = logger->path == NULL ? -1 : open_file(logger->path);

	/* When it cannot be opened, the old one is better than none. */
	if (fd < 0)
		return;
	close(logger->fd);
	logger->fd = fd;
	logger->may_block = could_block(fd);
}

void
logger_detach(struct logger *logger)
{
	logger->is_detached = true;
	if (logger->kind == LOGGER_STDERR)
		logger->fd = -1;
}

void
logger_close(struct logger *logger)
{
	if ((logger->kind == LOGGER_FILE || logger->kind == LOGGER_SYSLOG) && logger->fd >= 0)
		close(logger->fd);
	free((char *)(uintptr_t)logger->path);
}
