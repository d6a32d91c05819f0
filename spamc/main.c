/*
 * main.c - spamc: hands a message to spamd and gives it back
 *
 * Whatever fails, the original message goes to standard output byte for byte (unless -x says
 * otherwise); an answer is written only when it is whole.
 */
#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "spamc/client.h"

enum mode {
	MODE_PROCESS,
	MODE_HEADERS,
	MODE_CHECK,
	MODE_SYMBOLS,
	MODE_REPORT,
	MODE_REPORT_IFSPAM,
	MODE_PING
};

enum { MESSAGE_BYTES_MAX = 256 * 1024 * 1024, ARGUMENTS_MAX = 24, LINE_MAX_BYTES = 8192 };

struct spamc {
	struct spamc_target target;
	struct spamc_request request;
	enum mode mode;
	bool exit_code, no_fallback, tempfail, log_to_stderr;
	size_t max_size;
	long filter_retries, filter_retry_sleep_s;
	char **pipe_to;
	char user[256];
};

static const char *const verbs[] = {"PROCESS", "HEADERS",       "CHECK", "SYMBOLS",
                                    "REPORT",  "REPORT_IFSPAM", "PING"};

/* ---- log ---- */

static void say(void *data, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(void *data, const char *fmt, ...)
{
	const struct spamc *c = data;
	va_list ap;

	va_start(ap, fmt);
	if (c->log_to_stderr) {
		fprintf(stderr, "spamc: ");
		vfprintf(stderr, fmt, ap);
		fprintf(stderr, "\n");
	} else {
		vsyslog(LOG_ERR, fmt, ap);
	}
	va_end(ap);
}

/* ---- output ---- */

static bool
write_all(int fd, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n > 0)
			bytes = slice_from(bytes, (size_t)n);
		else if (n < 0 && errno != EINTR)
			return false;
	}
	return true;
}

/* What is left of standard input goes through too: a message above -s was not read to its end. */
static bool
copy_rest(int out)
{
	static unsigned char buffer[65536];

	for (;;) {
		ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		if (!write_all(out, slice_of(buffer, (size_t)n)))
			return false;
	}
}

/* The original, or what stands for "no verdict" in the modes that print one. */
static bool
write_fallback(const struct spamc *c, struct slice message, bool has_more)
{
	switch (c->mode) {
	case MODE_CHECK:
	case MODE_REPORT:
	case MODE_REPORT_IFSPAM:
		return write_all(STDOUT_FILENO, SLICE("0/0\n"));
	case MODE_SYMBOLS:
		return write_all(STDOUT_FILENO, SLICE("\n"));
	case MODE_PROCESS:
	case MODE_HEADERS:
		return write_all(STDOUT_FILENO, message) && (!has_more || copy_rest(STDOUT_FILENO));
	case MODE_PING:
		break;
	}
	return true;
}

/* ---- input ---- */

enum input { INPUT_WHOLE, INPUT_TOO_BIG, INPUT_FAILED };

static enum input
read_message(const struct spamc *c, struct slice *message_r)
{
	size_t size = 0, len = 0;
	unsigned char *bytes = NULL;

	for (;;) {
		ssize_t n;

		if (len == size) {
			size_t bigger = size == 0 ? 65536 : size * 2;
			unsigned char *grown = realloc(bytes, bigger);

			if (grown == NULL)
				break;
			bytes = grown;
			size = bigger;
		}
		n = read(STDIN_FILENO, bytes + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		len += (size_t)n;
		*message_r = slice_of(bytes, len);
		if (n == 0)
			return INPUT_WHOLE;
		if (len > c->max_size)
			return INPUT_TOO_BIG;
	}
	*message_r = slice_of(bytes, len);
	return INPUT_FAILED;
}

/* ---- verdicts ---- */

static bool
has_end_of_headers(struct slice message, size_t *at_r)
{
	for (size_t i = 0; (i = slice_find_byte(message, '\n', i)) != SLICE_NPOS; i++) {
		size_t next = i + 1;

		if (next < message.len && message.data[next] == '\r')
			next++;
		if (next < message.len && message.data[next] == '\n') {
			*at_r = next + 1;
			return true;
		}
	}
	return false;
}

/* SPAMC_OK when the answer fits what was asked. */
static int
check_answer(const struct spamc *c, const struct spamc_answer *a)
{
	if (c->mode == MODE_PING)
		return a->code == 0 ? SPAMC_OK : SPAMC_PROTOCOL;
	if (a->code != 0 || !a->has_spam)
		return SPAMC_PROTOCOL;
	if (c->mode != MODE_CHECK && (!a->has_length || a->length != a->body.len))
		return SPAMC_PROTOCOL;
	return SPAMC_OK;
}

static bool
write_verdict(const struct spamc *c, const struct spamc_answer *a, struct slice message)
{
	char line[128];
	int len = 0;
	size_t body;

	switch (c->mode) {
	case MODE_PING:
		len = snprintf(line, sizeof(line), "SPAMD/%.*s %d\n", SLICE_FMT(a->version),
		               a->code);
		return write_all(STDOUT_FILENO, slice_of(line, (size_t)len));
	case MODE_CHECK:
		len = snprintf(line, sizeof(line), "%.1f/%.1f\n", strtod(a->score, NULL),
		               strtod(a->threshold, NULL));
		return write_all(STDOUT_FILENO, slice_of(line, (size_t)len));
	case MODE_REPORT:
	case MODE_REPORT_IFSPAM:
		if (c->mode == MODE_REPORT || a->body.len > 0)
			len = snprintf(line, sizeof(line), "%.1f/%.1f\n", strtod(a->score, NULL),
			               strtod(a->threshold, NULL));
		return write_all(STDOUT_FILENO, slice_of(line, (size_t)len)) &&
		       write_all(STDOUT_FILENO, a->body);
	case MODE_SYMBOLS:
		return write_all(STDOUT_FILENO, a->body) &&
		       (slice_ends(a->body, SLICE("\n")) || write_all(STDOUT_FILENO, SLICE("\n")));
	case MODE_HEADERS:
		return write_all(STDOUT_FILENO, a->body) &&
		       write_all(STDOUT_FILENO, has_end_of_headers(message, &body)
		                                        ? slice_from(message, body)
		                                        : SLICE(""));
	case MODE_PROCESS:
		return write_all(STDOUT_FILENO, a->body);
	}
	return false;
}

/* ---- options ---- */

enum option_kind {
	KIND_FLAG,   /* bool at offset becomes true */
	KIND_NUMBER, /* long at offset, 0 or more */
	KIND_SIZE,   /* -s */
	KIND_TEXT,   /* const char * at offset */
	KIND_USER,
	KIND_HOSTS,
	KIND_MODE,     /* what to ask; `mode` */
	KIND_FALLBACK, /* -x */
	KIND_TEMPFAIL, /* -X, behind -x */
	KIND_FAMILY,   /* -4 and -6: bool at offset, and the other one not */
	KIND_PIPE,     /* the rest of the command line is a command */
	KIND_HELP,
	KIND_VERSION,
	KIND_NOTHING, /* read before the command line, or without effect */
	KIND_LATER    /* not there yet: an error */
};

struct option_row {
	const char *name; /* NULL: a letter only */
	char letter;      /* 0: none */
	enum option_kind kind;
	const char *argument; /* NULL: none */
	size_t offset;
	enum mode mode;
	const char *help; /* NULL: not in --help */
};

#define AT(field) offsetof(struct spamc, field)

/* clang-format off */
static const struct option_row rows[] = {
	{ "dest", 'd', KIND_HOSTS, "host[,host2]", 0, 0, "hosts of spamd (localhost)" },
	{ "randomize", 'H', KIND_FLAG, NULL, AT(target.randomize), 0, "begin at a random host of the list" },
	{ "port", 'p', KIND_TEXT, "port", AT(target.port), 0, "port of spamd (783)" },
	{ "socket", 'U', KIND_TEXT, "path", AT(target.unix_path), 0, "Unix socket of spamd" },
	{ "config", 'F', KIND_NOTHING, "path", 0, 0, "options from this file" },
	{ "timeout", 't', KIND_NUMBER, "seconds", AT(target.timeout_s), 0, "time for the answer (600, 0 none)" },
	{ "connect-timeout", 'n', KIND_NUMBER, "s", AT(target.connect_timeout_s), 0, "time for connecting" },
	{ "connect-retries", 0, KIND_NUMBER, "n", AT(target.connect_retries), 0, "attempts to connect (3)" },
	{ "retry-sleep", 0, KIND_NUMBER, "s", AT(target.retry_sleep_s), 0, "pause between them (1)" },
	{ "filter-retries", 0, KIND_NUMBER, "n", AT(filter_retries), 0, "attempts for the whole request (1)" },
	{ "filter-retry-sleep", 0, KIND_NUMBER, "s", AT(filter_retry_sleep_s), 0, "pause between them (1)" },
	{ "max-size", 's', KIND_SIZE, "bytes", AT(max_size), 0, "larger messages are not sent (512000)" },
	{ "username", 'u', KIND_USER, "user", 0, 0, "user whose preferences count" },
	{ "check", 'c', KIND_MODE, NULL, 0, MODE_CHECK, "print the score, exit 1 for spam" },
	{ "tests", 'y', KIND_MODE, NULL, 0, MODE_SYMBOLS, "print the names of the rules hit" },
	{ "full-spam", 'r', KIND_MODE, NULL, 0, MODE_REPORT_IFSPAM, "print score and report for spam" },
	{ "full", 'R', KIND_MODE, NULL, 0, MODE_REPORT, "print score and report" },
	{ "headers", 0, KIND_MODE, NULL, 0, MODE_HEADERS, "only headers are rewritten" },
	{ "exitcode", 'E', KIND_FLAG, NULL, AT(exit_code), 0, "exit 1 for spam" },
	{ "no-safe-fallback", 'x', KIND_FALLBACK, NULL, 0, 0, "on errors print nothing, exit with the error" },
	{ "unavailable-tempfail", 'X', KIND_TEMPFAIL, NULL, 0, 0, "with -x: an unavailable spamd is a temporary failure" },
	{ "log-to-stderr", 'l', KIND_FLAG, NULL, AT(log_to_stderr), 0, "log to standard error" },
	{ "pipe-to", 'e', KIND_PIPE, "command", 0, 0, "hand the output to a command (last option)" },
	{ "compress", 'z', KIND_FLAG, NULL, AT(request.compress), 0, "compress the message" },
	{ NULL, 'K', KIND_MODE, NULL, 0, MODE_PING, "ask whether spamd is alive" },
	{ NULL, '4', KIND_FAMILY, NULL, AT(target.ipv4_only), 0, "IPv4 only" },
	{ NULL, '6', KIND_FAMILY, NULL, AT(target.ipv6_only), 0, "IPv6 only" },
	{ "help", 'h', KIND_HELP, NULL, 0, 0, "print this text" },
	{ "version", 'V', KIND_VERSION, NULL, 0, 0, "print the version" },
	{ NULL, 'f', KIND_NOTHING, NULL, 0, 0, NULL }, /* once meant what is now standard */
	{ "ssl", 'S', KIND_LATER, NULL, 0, 0, NULL },
	{ "learntype", 'L', KIND_LATER, "type", 0, 0, NULL },
	{ "reporttype", 'C', KIND_LATER, "type", 0, 0, NULL },
	{ "bsmtp", 'B', KIND_LATER, NULL, 0, 0, NULL },
	{ "ssl-cert", 0, KIND_LATER, "path", 0, 0, NULL },
	{ "ssl-key", 0, KIND_LATER, "path", 0, 0, NULL },
	{ "ssl-ca-file", 0, KIND_LATER, "path", 0, 0, NULL },
	{ "ssl-ca-path", 0, KIND_LATER, "path", 0, 0, NULL },
};
/* clang-format on */
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]), OPTION_BASE = 1000 };

static void
print_usage(void)
{
	printf("SpamAssassin Client version %s (Winnow)\n\n"
	       "Usage: spamc [options] [-e command [args]] < message\n\n",
	       "4.0.1");
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &rows[i];
		char names[48];

		if (row->help == NULL)
			continue;
		snprintf(names, sizeof(names), "%s%s%s%s", row->name != NULL ? "--" : "",
		         row->name != NULL ? row->name : "", row->argument != NULL ? " " : "",
		         row->argument != NULL ? row->argument : "");
		printf("  %c%c%c %-26s %s\n", row->letter != 0 ? '-' : ' ',
		       row->letter != 0 ? row->letter : ' ',
		       row->letter != 0 && row->name != NULL ? ',' : ' ', names, row->help);
	}
}

static bool
take_number(const char *text, long least, long *out)
{
	char *end;

	*out = strtol(text, &end, 10);
	if (*end == '\0' && end != text && *out >= least)
		return true;
	fprintf(stderr, "spamc: \"%s\" is not a number that fits here\n", text);
	return false;
}

static void
take_hosts(struct spamc *c, char *text)
{
	char *save = NULL;

	c->target.host_count = 0;
	for (char *host = strtok_r(text, ",", &save);
	     host != NULL && c->target.host_count < SPAMC_HOSTS_MAX;
	     host = strtok_r(NULL, ",", &save))
		c->target.hosts[c->target.host_count++] = host;
}

static bool
set_mode(struct spamc *c, enum mode mode)
{
	if (c->mode != MODE_PROCESS && c->mode != mode) {
		fprintf(stderr, "spamc: -c, -y, -r, -R, -K and --headers exclude each other\n");
		return false;
	}
	c->mode = mode;
	return true;
}

static int
take_size(const char *text, size_t *size_r)
{
	long n;

	if (!take_number(text, 0, &n))
		return SPAMC_USAGE;
	if (n > MESSAGE_BYTES_MAX) {
		fprintf(stderr, "spamc: -s may be 256 MiB at most\n");
		return SPAMC_USAGE;
	}
	*size_r = (size_t)n;
	return SPAMC_OK;
}

/* SPAMC_OK to go on, -1 to end with 0, else the exit code. */
static int
take_option(struct spamc *c, const struct option_row *row, char **argv)
{
	void *at = (unsigned char *)c + row->offset;

	switch (row->kind) {
	case KIND_FLAG:
		*(bool *)at = true;
		break;
	case KIND_NUMBER:
		return take_number(optarg, 0, at) ? SPAMC_OK : SPAMC_USAGE;
	case KIND_SIZE:
		return take_size(optarg, at);
	case KIND_TEXT:
		*(const char **)at = optarg;
		break;
	case KIND_USER:
		snprintf(c->user, sizeof(c->user), "%s", optarg);
		break;
	case KIND_HOSTS:
		take_hosts(c, optarg);
		break;
	case KIND_MODE:
		return set_mode(c, row->mode) ? SPAMC_OK : SPAMC_USAGE;
	case KIND_FALLBACK:
		c->no_fallback = c->target.one_host = true;
		break;
	case KIND_TEMPFAIL:
		if (!c->no_fallback)
			fprintf(stderr, "spamc: -X has an effect only after -x\n");
		c->tempfail = c->no_fallback;
		break;
	case KIND_FAMILY:
		c->target.ipv4_only = c->target.ipv6_only = false;
		*(bool *)at = true;
		break;
	case KIND_PIPE:
		c->pipe_to = &argv[optind - 1];
		break;
	case KIND_HELP:
		print_usage();
		return -1;
	case KIND_VERSION:
		printf("SpamAssassin Client version 4.0.1 (Winnow %s)\n", PACKAGE_VERSION);
		return -1;
	case KIND_NOTHING:
		break;
	case KIND_LATER:
		fprintf(stderr, "spamc: TLS, learning, reporting and BSMTP are not there yet in "
		                "Winnow's spamc\n");
		return SPAMC_USAGE;
	}
	return SPAMC_OK;
}

/* The table as getopt_long() wants it. */
static void
make_getopt(struct option *longs, char *shorts)
{
	*shorts++ = '+';
	for (size_t i = 0; i < ROW_COUNT; i++) {
		const struct option_row *row = &rows[i];

		if (row->name != NULL)
			*longs++ = (struct option){
				row->name, row->argument != NULL ? required_argument : no_argument,
				NULL, OPTION_BASE + (int)i};
		if (row->letter == 0)
			continue;
		*shorts++ = row->letter;
		if (row->argument != NULL)
			*shorts++ = ':';
	}
	*shorts = '\0';
	*longs = (struct option){0};
}

static const struct option_row *
find_row(int option)
{
	if (option >= OPTION_BASE)
		return &rows[option - OPTION_BASE];
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (rows[i].letter != 0 && rows[i].letter == option)
			return &rows[i];
	return NULL;
}

static int
parse_options(struct spamc *c, int argc, char **argv)
{
	struct option longs[ROW_COUNT + 1];
	char shorts[2 * ROW_COUNT + 2];
	int option;

	make_getopt(longs, shorts);
	optind = 1;
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row = find_row(option);
		int code;

		if (row == NULL) {
			print_usage();
			return SPAMC_USAGE;
		}
		code = take_option(c, row, argv);
		if (code != SPAMC_OK)
			return code;
		if (row->kind == KIND_PIPE)
			break;
	}
	if (c->pipe_to == NULL && optind < argc) {
		fprintf(stderr, "spamc: unexpected argument \"%s\"\n", argv[optind]);
		return SPAMC_USAGE;
	}
	return SPAMC_OK;
}

/* Lines of words; # in the first column is a comment. */
static int
parse_config(struct spamc *c, const char *path, bool must_exist)
{
	FILE *file = fopen(path, "re");
	static char text[LINE_MAX_BYTES];
	char *args[ARGUMENTS_MAX + 1];
	int count = 0, code = SPAMC_OK;

	if (file == NULL)
		return must_exist ? SPAMC_CONFIG : SPAMC_OK;
	args[count++] = strdup("spamc");
	while (code == SPAMC_OK && fgets(text, sizeof(text), file) != NULL) {
		char *save = NULL;

		if (strchr(text, '\n') == NULL)
			code = SPAMC_CONFIG;
		if (text[0] == '#' || text[0] == '\n')
			continue;
		for (char *word = strtok_r(text, " \t\n", &save); word != NULL;
		     word = strtok_r(NULL, " \t\n", &save))
			if (count == ARGUMENTS_MAX || (args[count++] = strdup(word)) == NULL)
				code = SPAMC_CONFIG;
	}
	fclose(file);
	args[count < ARGUMENTS_MAX ? count : ARGUMENTS_MAX] = NULL;
	/* the words live on: options point into them */
	return code == SPAMC_OK && count > 1 ? parse_options(c, count, args) : code;
}

static const char *
config_path(int argc, char **argv, bool *given_r)
{
	*given_r = false;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], "-F", 2) != 0)
			continue;
		*given_r = true;
		return argv[i][2] != '\0' ? argv[i] + 2 : i + 1 < argc ? argv[i + 1] : "";
	}
	return access("/etc/mail/spamassassin/spamc.conf", R_OK) == 0
	               ? "/etc/mail/spamassassin/spamc.conf"
	               : "/etc/spamassassin/spamc.conf";
}

static int
set_up(struct spamc *c, int argc, char **argv)
{
	const struct passwd *pw;
	bool given;
	const char *path = config_path(argc, argv, &given);
	int code;

	*c = (struct spamc){.max_size = 500 * 1024, .filter_retries = 1, .filter_retry_sleep_s = 1};
	c->target = (struct spamc_target){.port = "783",
	                                  .timeout_s = -1,
	                                  .connect_timeout_s = -1,
	                                  .connect_retries = 3,
	                                  .retry_sleep_s = 1};
	code = parse_config(c, path, given);
	if (code != SPAMC_OK) {
		if (code == SPAMC_CONFIG)
			fprintf(stderr, "spamc: configuration file %s is missing or malformed\n",
			        path);
		return code;
	}
	code = parse_options(c, argc, argv);
	if (code != SPAMC_OK)
		return code;
	/* -t alone is the time for connecting too. */
	if (c->target.connect_timeout_s < 0)
		c->target.connect_timeout_s = c->target.timeout_s < 0 ? 0 : c->target.timeout_s;
	if (c->target.timeout_s < 0)
		c->target.timeout_s = 600;
	if (c->user[0] == '\0') {
		pw = getpwuid(geteuid());
		if (pw == NULL) {
			fprintf(stderr, "spamc: no user of id %lu, use -u\n",
			        (unsigned long)geteuid());
			return SPAMC_OSERR;
		}
		snprintf(c->user, sizeof(c->user), "%s", pw->pw_name);
	}
	c->request.user = c->user;
	c->request.verb = verbs[c->mode];
	return SPAMC_OK;
}

/* ---- the way of a message ---- */

/* The command becomes this process; a child goes on and writes into its standard input. */
static int
start_pipe(const struct spamc *c)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) != 0 || (pid = fork()) < 0)
		return SPAMC_OSERR;
	if (pid > 0) {
		dup2(fds[0], STDIN_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp(c->pipe_to[0], c->pipe_to);
		fprintf(stderr, "spamc: cannot run %s: %s\n", c->pipe_to[0], strerror(errno));
		_exit(SPAMC_OSERR);
	}
	dup2(fds[1], STDOUT_FILENO);
	close(fds[0]);
	close(fds[1]);
	return SPAMC_OK;
}

static int
ask(struct spamc *c, struct spamc_answer *answer)
{
	int code = SPAMC_OK;
	size_t unused;

	if (c->mode == MODE_HEADERS && !has_end_of_headers(c->request.message, &unused))
		return SPAMC_SOFTWARE;
	for (long i = 0; i < (c->filter_retries < 1 ? 1 : c->filter_retries); i++) {
		if (i > 0 && c->filter_retry_sleep_s > 0)
			sleep((unsigned)c->filter_retry_sleep_s);
		code = spamc_ask(&c->target, &c->request, answer, say, c);
		if (code != SPAMC_IOERR)
			break;
	}
	if (code == SPAMC_OK)
		code = check_answer(c, answer);
	return code;
}

static int
failed(struct spamc *c, int code, bool has_more)
{
	if (c->mode == MODE_PING)
		return code;
	if (code == SPAMC_TOOBIG || !c->no_fallback)
		return write_fallback(c, c->request.message, has_more) ? 0 : SPAMC_IOERR;
	return code == SPAMC_UNAVAILABLE && c->tempfail ? SPAMC_TEMPFAIL : code;
}

static int
run_request(struct spamc *c, struct spamc_answer *answer)
{
	enum input input = INPUT_WHOLE;
	int code;

	if (c->mode != MODE_PING)
		input = read_message(c, &c->request.message);
	if (input == INPUT_TOO_BIG) {
		say(c, "skipped message, greater than max message size (%zu bytes)", c->max_size);
		return failed(c, SPAMC_TOOBIG, true);
	}
	if (input == INPUT_FAILED || (c->mode != MODE_PING && c->request.message.len == 0))
		return failed(c, SPAMC_IOERR, input == INPUT_FAILED);
	code = ask(c, answer);
	if (code != SPAMC_OK)
		return failed(c, code, false);
	if (!write_verdict(c, answer, c->request.message))
		return SPAMC_IOERR;
	return (c->exit_code || c->mode == MODE_CHECK) && answer->is_spam ? 1 : 0;
}

static int
run(struct spamc *c)
{
	struct spamc_answer answer = {0};
	int code = run_request(c, &answer);

	free(answer.bytes);
	free((void *)(uintptr_t)c->request.message.data);
	return code;
}

int
main(int argc, char **argv)
{
	struct spamc c;
	int code = set_up(&c, argc, argv);

	if (code != SPAMC_OK)
		return code < 0 ? 0 : code;
	openlog("spamc", LOG_CONS | LOG_PID, LOG_MAIL);
	signal(SIGPIPE, SIG_IGN);
	if (c.pipe_to != NULL && (code = start_pipe(&c)) != SPAMC_OK)
		return code;
	return run(&c);
}
