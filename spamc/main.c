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
	bool exit_code, no_fallback, tempfail, log_to_stderr, has_timeout, has_connect_timeout;
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

static void
print_usage(void)
{
	printf("SpamAssassin Client version %s (Winnow)\n\n"
	       "Usage: spamc [options] [-e command [args]] < message\n\n"
	       "  -d, --dest host[,host2]    hosts of spamd (localhost)\n"
	       "  -H, --randomize            begin at a random host of the list\n"
	       "  -p, --port port            port of spamd (783)\n"
	       "  -U, --socket path          Unix socket of spamd\n"
	       "  -F, --config path          options from this file\n"
	       "  -t, --timeout seconds      time for the answer (600, 0 none)\n"
	       "  -n, --connect-timeout s    time for connecting\n"
	       "      --connect-retries n    attempts to connect (3)\n"
	       "      --retry-sleep s        pause between them (1)\n"
	       "      --filter-retries n     attempts for the whole request (1)\n"
	       "      --filter-retry-sleep s pause between them (1)\n"
	       "  -s, --max-size bytes       larger messages are not sent (512000)\n"
	       "  -u, --username user        user whose preferences count\n"
	       "  -c, --check                print the score, exit 1 for spam\n"
	       "  -y, --tests                print the names of the rules hit\n"
	       "  -r, --full-spam            print score and report for spam\n"
	       "  -R, --full                 print score and report\n"
	       "      --headers              only headers are rewritten\n"
	       "  -E, --exitcode             exit 1 for spam\n"
	       "  -x, --no-safe-fallback     on errors print nothing, exit with the error\n"
	       "  -X, --unavailable-tempfail with -x: an unavailable spamd is a temporary failure\n"
	       "  -l, --log-to-stderr        log to standard error\n"
	       "  -e, --pipe-to command      hand the output to a command (last option)\n"
	       "  -z, --compress             compress the message\n"
	       "  -K                         ask whether spamd is alive\n"
	       "  -4, -6                     IPv4 or IPv6 only\n"
	       "  -h, --help, -V, --version\n",
	       "4.0.1");
}

enum {
	OPT_CONNECT_RETRIES = 1000,
	OPT_RETRY_SLEEP,
	OPT_FILTER_RETRIES,
	OPT_FILTER_SLEEP,
	OPT_HEADERS,
	OPT_LATER
};

/* clang-format off */
static const struct option longs[] = {
	{ "dest", required_argument, NULL, 'd' }, { "randomize", no_argument, NULL, 'H' },
	{ "port", required_argument, NULL, 'p' }, { "socket", required_argument, NULL, 'U' },
	{ "config", required_argument, NULL, 'F' }, { "timeout", required_argument, NULL, 't' },
	{ "connect-timeout", required_argument, NULL, 'n' },
	{ "connect-retries", required_argument, NULL, OPT_CONNECT_RETRIES },
	{ "retry-sleep", required_argument, NULL, OPT_RETRY_SLEEP },
	{ "filter-retries", required_argument, NULL, OPT_FILTER_RETRIES },
	{ "filter-retry-sleep", required_argument, NULL, OPT_FILTER_SLEEP },
	{ "max-size", required_argument, NULL, 's' }, { "username", required_argument, NULL, 'u' },
	{ "check", no_argument, NULL, 'c' }, { "tests", no_argument, NULL, 'y' },
	{ "full-spam", no_argument, NULL, 'r' }, { "full", no_argument, NULL, 'R' },
	{ "headers", no_argument, NULL, OPT_HEADERS }, { "exitcode", no_argument, NULL, 'E' },
	{ "no-safe-fallback", no_argument, NULL, 'x' }, { "unavailable-tempfail", no_argument, NULL, 'X' },
	{ "log-to-stderr", no_argument, NULL, 'l' }, { "pipe-to", required_argument, NULL, 'e' },
	{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' },
	{ "compress", no_argument, NULL, 'z' },
	{ "ssl", no_argument, NULL, 'S' }, { "learntype", required_argument, NULL, 'L' },
	{ "reporttype", required_argument, NULL, 'C' }, { "bsmtp", no_argument, NULL, 'B' },
	{ "ssl-cert", required_argument, NULL, OPT_LATER }, { "ssl-key", required_argument, NULL, OPT_LATER },
	{ "ssl-ca-file", required_argument, NULL, OPT_LATER }, { "ssl-ca-path", required_argument, NULL, OPT_LATER },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */
static const char shorts[] = "+d:Hp:U:F:t:n:s:u:cyrRExXle:hVKzf46SL:C:B";

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

/* SPAMC_OK to go on, -1 to end with 0, else the exit code. */
static int
take_option(struct spamc *c, int option, char **argv)
{
	long n = 0;

	switch (option) {
	case 'd':
		take_hosts(c, optarg);
		break;
	case 'H':
		c->target.randomize = true;
		break;
	case 'p':
		c->target.port = optarg;
		break;
	case 'U':
		c->target.unix_path = optarg;
		break;
	case 'F':
		break; /* read before the command line */
	case 't':
		if (!take_number(optarg, 0, &c->target.timeout_s))
			return SPAMC_USAGE;
		c->has_timeout = true;
		break;
	case 'n':
		if (!take_number(optarg, 0, &c->target.connect_timeout_s))
			return SPAMC_USAGE;
		c->has_connect_timeout = true;
		break;
	case OPT_CONNECT_RETRIES:
		return take_number(optarg, 0, &c->target.connect_retries) ? SPAMC_OK : SPAMC_USAGE;
	case OPT_RETRY_SLEEP:
		return take_number(optarg, 0, &c->target.retry_sleep_s) ? SPAMC_OK : SPAMC_USAGE;
	case OPT_FILTER_RETRIES:
		return take_number(optarg, 0, &c->filter_retries) ? SPAMC_OK : SPAMC_USAGE;
	case OPT_FILTER_SLEEP:
		return take_number(optarg, 0, &c->filter_retry_sleep_s) ? SPAMC_OK : SPAMC_USAGE;
	case 's':
		if (!take_number(optarg, 0, &n))
			return SPAMC_USAGE;
		if (n > MESSAGE_BYTES_MAX) {
			fprintf(stderr, "spamc: -s may be 256 MiB at most\n");
			return SPAMC_USAGE;
		}
		c->max_size = (size_t)n;
		break;
	case 'u':
		snprintf(c->user, sizeof(c->user), "%s", optarg);
		break;
	case 'c':
		return set_mode(c, MODE_CHECK) ? SPAMC_OK : SPAMC_USAGE;
	case 'y':
		return set_mode(c, MODE_SYMBOLS) ? SPAMC_OK : SPAMC_USAGE;
	case 'r':
		return set_mode(c, MODE_REPORT_IFSPAM) ? SPAMC_OK : SPAMC_USAGE;
	case 'R':
		return set_mode(c, MODE_REPORT) ? SPAMC_OK : SPAMC_USAGE;
	case 'K':
		return set_mode(c, MODE_PING) ? SPAMC_OK : SPAMC_USAGE;
	case OPT_HEADERS:
		return set_mode(c, MODE_HEADERS) ? SPAMC_OK : SPAMC_USAGE;
	case 'E':
		c->exit_code = true;
		break;
	case 'x':
		c->no_fallback = c->target.one_host = true;
		break;
	case 'X':
		if (!c->no_fallback)
			fprintf(stderr, "spamc: -X has an effect only after -x\n");
		c->tempfail = c->no_fallback;
		break;
	case 'l':
		c->log_to_stderr = true;
		break;
	case 'e':
		c->pipe_to = &argv[optind - 1];
		break;
	case 'z':
		c->request.compress = true;
		break;
	case 'f':
		break; /* once meant what is now standard */
	case '4':
		c->target.ipv4_only = true;
		c->target.ipv6_only = false;
		break;
	case '6':
		c->target.ipv6_only = true;
		c->target.ipv4_only = false;
		break;
	case 'h':
		print_usage();
		return -1;
	case 'V':
		printf("SpamAssassin Client version 4.0.1 (Winnow %s)\n", PACKAGE_VERSION);
		return -1;
	case 'S':
	case 'L':
	case 'C':
	case 'B':
	case OPT_LATER:
		fprintf(stderr, "spamc: TLS, learning, reporting and BSMTP are not there yet in "
		                "Winnow's spamc\n");
		return SPAMC_USAGE;
	default:
		print_usage();
		return SPAMC_USAGE;
	}
	return SPAMC_OK;
}

static int
parse_options(struct spamc *c, int argc, char **argv)
{
	int option;

	optind = 1;
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		int code = take_option(c, option, argv);

		if (code != SPAMC_OK)
			return code;
		if (option == 'e')
			break;
	}
	if (c->pipe_to == NULL && optind < argc) {
		fprintf(stderr, "spamc: unexpected argument \"%s\"\n", argv[optind]);
		return SPAMC_USAGE;
	}
	if (c->has_timeout && !c->has_connect_timeout)
		c->target.connect_timeout_s = c->target.timeout_s;
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
	c->target = (struct spamc_target){
		.port = "783", .timeout_s = 600, .connect_retries = 3, .retry_sleep_s = 1};
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
