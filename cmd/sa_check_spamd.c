/*
 * sa_check_spamd.c - the sa-check_spamd command: is spamd there, and how quick
 *
 * Source: options, texts and exit codes of sa-check_spamd 4.0.1 (options.tsv), which are those of a
 * Nagios plugin: one line on standard output, 0 good, 1 warning, 2 critical, 3 unknown.
 * One PING over a blocking socket; a timer ends it whatever it waits for, a name server included.
 */
#include <config.h>
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/option.h"
#include "conf/conf.h"
#include "util/clock.h"

enum { CODE_OK, CODE_WARNING, CODE_CRITICAL, CODE_UNKNOWN };

enum option_id {
	OPT_CRITICAL,
	OPT_HELP,
	OPT_HOSTNAME,
	OPT_PORT,
	OPT_SOCKET_PATH,
	OPT_TIMEOUT,
	OPT_VERBOSE,
	OPT_VERSION,
	OPT_WARNING
};

struct program {
	const char *critical, *hostname, *port, *socket_path, *timeout, *warning;
	double critical_s, timeout_s, warning_s; /* < 0: not given */
	bool verbose, help, version;
};

#define AT(field) offsetof(struct program, field)
/* clang-format off */
static const struct cmd_option rows[] = {
	{ "critical|c", CMD_TEXT, OPT_CRITICAL, AT(critical) },
	{ "help|h|?", CMD_NONE, OPT_HELP, 0 },
	{ "hostname|H", CMD_TEXT, OPT_HOSTNAME, AT(hostname) },
	{ "port|p", CMD_TEXT, OPT_PORT, AT(port) },
	{ "socketpath", CMD_TEXT, OPT_SOCKET_PATH, AT(socket_path) },
	{ "timeout|t", CMD_TEXT, OPT_TIMEOUT, AT(timeout) },
	{ "verbose|v", CMD_NONE, OPT_VERBOSE, 0 },
	{ "version|V", CMD_NONE, OPT_VERSION, 0 },
	{ "warning|w", CMD_TEXT, OPT_WARNING, AT(warning) },
};
/* clang-format on */

static const char usage_text[] =
	"\n"
	"For more details, read the manual page sa-check_spamd(1).\n"
	"\n"
	"Usage:\n"
	"   sa-check_spamd [options]\n"
	"\n"
	"    Options:\n"
	"\n"
	"     -c secs, --critical=secs          An answer slower than this is critical\n"
	"     -h, -?, --help                    Print this text\n"
	"     -H hostname, --hostname=hostname  Host of the server\n"
	"     -p port, --port=port              Port of the server\n"
	"     --socketpath=path                 UNIX domain socket of the server\n"
	"     -t secs, --timeout=secs           Longest wait for an answer\n"
	"     -v, --verbose                     Say more\n"
	"     -V, --version                     Print the version\n"
	"     -w secs, --warning=secs           An answer slower than this is a warning\n"
	"\n";

static void
take_option(void *data, const struct cmd_option *row, const char *value, bool on)
{
	struct program *p = data;

	(void)on;
	switch ((enum option_id)row->id) {
	case OPT_HELP:
		p->help = true;
		break;
	case OPT_VERBOSE:
		p->verbose = true;
		break;
	case OPT_VERSION:
		p->version = true;
		break;
	case OPT_CRITICAL:
	case OPT_HOSTNAME:
	case OPT_PORT:
	case OPT_SOCKET_PATH:
	case OPT_TIMEOUT:
	case OPT_WARNING:
		memcpy((char *)p + row->offset, &value, sizeof(value));
		break;
	}
}

static void
tell_problem(void *data, const char *text)
{
	(void)data;
	fprintf(stderr, "%s\n", text);
}

/* This program's long options may be cut short where that is no riddle ("--host"). */
static char *
in_full(char *word)
{
	static char full[4096];
	size_t len = strcspn(word + 2, "=");
	const char *name = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strncmp(rows[i].names, word + 2, len) != 0)
			continue;
		if (name != NULL || strcspn(rows[i].names, "|") == len)
			return word;
		name = rows[i].names;
	}
	if (len == 0 || name == NULL)
		return word;
	snprintf(full, sizeof(full), "--%.*s%s", (int)strcspn(name, "|"), name, word + 2 + len);
	return strdup(full);
}

/* ---- checks of the options ---- */

/* Digits, with a dot and digits or without. */
static bool
to_seconds(const char *text, double *seconds_r)
{
	size_t digits = strspn(text, "0123456789"), all = digits;

	if (text[digits] == '.')
		all += 1 + strspn(text + digits + 1, "0123456789");
	if (digits == 0 || text[all] != '\0' || all > 300)
		return false;
	*seconds_r = strtod(text, NULL);
	return true;
}

static const char *
check_values(struct program *p)
{
	static const char host_bytes[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";

	if (p->critical != NULL && !to_seconds(p->critical, &p->critical_s))
		return "invalid critical config value provided";
	if (p->hostname != NULL &&
	    (p->hostname[0] == '\0' || p->hostname[strspn(p->hostname, host_bytes)] != '\0'))
		return "invalid hostname config value provided";
	if (p->port != NULL &&
	    (p->port[0] == '\0' || p->port[strspn(p->port, "0123456789")] != '\0'))
		return "invalid port config value provided";
	if (p->timeout != NULL && (!to_seconds(p->timeout, &p->timeout_s) || p->timeout_s < 1))
		return "invalid timeout config value provided";
	if (p->warning != NULL && !to_seconds(p->warning, &p->warning_s))
		return "invalid warning config value provided";
	if (p->critical != NULL && p->warning != NULL && p->critical_s < p->warning_s)
		return "critical value is less than warning value, config not valid";
	if (p->critical_s > p->timeout_s)
		return "critical value is greater than timeout value, config not valid";
	if (p->warning_s > p->timeout_s)
		return "warning value is greater than timeout value, config not valid";
	if ((p->hostname != NULL || p->port != NULL) && p->socket_path != NULL)
		return "both TCP and UNIX domain socket info provided, only one can be used";
	return NULL;
}

/* ---- one ping ---- */

static int64_t begun_ms;

/* Only what a signal handler may call. */
static void
time_is_up(int number)
{
	int64_t ms = clock_monotonic_ms() - begun_ms;
	char text[] = "SPAMD CRITICAL: ping timed out in 000000000.000 seconds\n";
	char *digit = strchr(text, '.') + 3, *first = strchr(text, '0');

	(void)number;
	for (; digit >= first; digit--) {
		if (*digit == '.')
			continue;
		*digit = (char)('0' + ms % 10);
		ms /= 10;
	}
	while (first[0] == '0' && first[1] != '.')
		memmove(first, first + 1, strlen(first));
	_exit(write(STDOUT_FILENO, text, strlen(text)) < 0 ? CODE_UNKNOWN : CODE_CRITICAL);
}

static void
start_timer(double seconds)
{
	struct sigaction action = {.sa_handler = time_is_up};
	struct itimerval timer = {0};

	seconds = seconds < 1e8 ? seconds : 1e8;
	timer.it_value.tv_sec = (time_t)seconds;
	timer.it_value.tv_usec = (suseconds_t)((seconds - (double)timer.it_value.tv_sec) * 1e6);
	(void)sigaction(SIGALRM, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path); /* checked above */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Every address of the host in turn. */
static int
connect_host(const char *host, const char *port, const char **problem_r)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int fd = -1, rc = getaddrinfo(host, port, &hints, &list), saved = 0;

	if (rc != 0) {
		*problem_r = gai_strerror(rc);
		return -1;
	}
	for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
			saved = errno;
			(void)close(fd);
			fd = -1;
		} else if (fd < 0) {
			saved = errno;
		}
	}
	freeaddrinfo(list);
	*problem_r = strerror(saved);
	return fd;
}

/* "SPAMD/1.5 0 PONG" */
static bool
is_pong(const char *line)
{
	size_t n;

	if (strncmp(line, "SPAMD/", 6) != 0)
		return false;
	line += 6;
	n = strspn(line, "0123456789.");
	line += n;
	if (n == 0 || *line != ' ')
		return false;
	line += strspn(line, " ");
	n = strspn(line, "0123456789");
	line += n;
	if (n == 0 || *line != ' ')
		return false;
	line += strspn(line, " ");
	return strcmp(line, "PONG\r\n") == 0 || strcmp(line, "PONG\n") == 0;
}

static bool
exchange(int fd)
{
	static const char request[] = "PING SPAMC/1.5\r\n\r\n";
	char line[256];
	size_t len = 0;

	if (write(fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1)
		return false;
	while (len < sizeof(line) - 1) {
		ssize_t n = read(fd, line + len, sizeof(line) - 1 - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (memchr(line, '\n', len) != NULL)
			break;
	}
	line[len] = '\0';
	return is_pong(line);
}

static bool
ping(const struct program *p)
{
	const char *problem = NULL;
	bool good;
	int fd;

	if (p->socket_path != NULL) {
		fd = connect_unix(p->socket_path);
		problem = strerror(errno);
	} else {
		fd = connect_host(p->hostname != NULL ? p->hostname : "localhost",
		                  p->port != NULL ? p->port : "783", &problem);
	}
	if (fd < 0) {
		fprintf(stderr, "Failed to create connection to spamd daemon: %s\n", problem);
		return false;
	}
	good = exchange(fd);
	(void)close(fd);
	return good;
}

static int
run(const struct program *p)
{
	double elapsed;
	bool good;

	if (p->verbose)
		puts("connecting to spamd for ping");
	(void)fflush(stdout);
	begun_ms = clock_monotonic_ms();
	start_timer(p->timeout_s);
	good = ping(p);
	start_timer(0);
	elapsed = (double)(clock_monotonic_ms() - begun_ms) / 1000;
	if (!good) {
		printf("SPAMD CRITICAL: ping failed in %.3f seconds\n", elapsed);
		return CODE_CRITICAL;
	}
	if (p->critical != NULL && elapsed > p->critical_s) {
		printf("SPAMD CRITICAL: %.3f second ping response time\n", elapsed);
		return CODE_CRITICAL;
	}
	if (p->warning != NULL && elapsed > p->warning_s) {
		printf("SPAMD WARNING: %.3f second ping response time\n", elapsed);
		return CODE_WARNING;
	}
	printf("SPAMD OK: %.3f second ping response time\n", elapsed);
	return CODE_OK;
}

int
main(int argc, char **argv)
{
	struct program p = {.critical_s = -1, .timeout_s = 45, .warning_s = -1};
	const struct cmd_options options = {.rows = rows,
	                                    .count = sizeof(rows) / sizeof(rows[0]),
	                                    .take = take_option,
	                                    .problem = tell_problem,
	                                    .data = &p};
	const char *problem;
	int count, code = CODE_UNKNOWN;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strncmp(argv[i], "--", 2) == 0)
			argv[i] = in_full(argv[i]);
	if (!cmd_options_parse(&options, argc, argv, &count) || p.help)
		printf("sa-check_spamd version %s (Winnow %s)\n%s", CONF_SA_VERSION_TEXT, VERSION,
		       usage_text);
	else if (p.version)
		printf("sa-check_spamd version %s\n  running on Winnow version %s\n",
		       CONF_SA_VERSION_TEXT, VERSION);
	else if ((problem = check_values(&p)) != NULL)
		printf("SPAMD UNKNOWN: %s\n", problem);
	else
		code = run(&p);
	return fflush(stdout) != 0 ? CODE_UNKNOWN : code;
}
