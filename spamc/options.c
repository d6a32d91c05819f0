/*
 * options.c - what spamc is asked to do
 */
#include "spamc/options.h"

#include <config.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	ARGUMENTS_MAX = 24,
	LINE_BYTES = 8192,
	DEFAULT_MAX_SIZE = 500 * 1024,
	DEFAULT_TIMEOUT_S = 600
};

enum option_kind {
	KIND_FLAG,   /* bits into flags */
	KIND_NUMBER, /* int at offset */
	KIND_TEXT,   /* const char * at offset */
	KIND_BSMTP,
	KIND_HOSTS,
	KIND_PORT,
	KIND_SOCKET,
	KIND_SSL,
	KIND_CERT,    /* KIND_TEXT of a client certificate */
	KIND_TIMEOUT, /* -t: for connecting too, unless that has a time of its own */
	KIND_LEARN,
	KIND_REPORT,
	KIND_EXITCODE,
	KIND_FALLBACK, /* -x */
	KIND_TEMPFAIL, /* -X, behind -x */
	KIND_FAMILY,   /* bits: this family and not the other */
	KIND_PIPE,     /* the rest of the command line is a command */
	KIND_HELP,
	KIND_VERSION,
	KIND_CONFIG, /* read before the others */
	KIND_NOTHING
};

struct option_row {
	const char *name; /* NULL: a letter only */
	char letter;      /* 0: none */
	enum option_kind kind;
	const char *argument; /* NULL: none */
	size_t offset;
	int bits;
	const char *help; /* NULL: not in --help */
};

#define AT(field) offsetof(struct spamc_options, field)

/* clang-format off */
static const struct option_row rows[] = {
	{ "dest", 'd', KIND_HOSTS, "host[,host2]", 0, 0, "hosts of spamd (localhost)" },
	{ "randomize", 'H', KIND_FLAG, NULL, 0, SPAMC_RANDOMIZE_HOSTS, "begin at a random host of the list" },
	{ "port", 'p', KIND_PORT, "port", 0, 0, "port of spamd (783)" },
	{ "socket", 'U', KIND_SOCKET, "path", 0, 0, "Unix socket of spamd" },
	{ "ssl", 'S', KIND_SSL, NULL, 0, SPAMC_USE_SSL, "talk TLS with spamd" },
	{ "ssl-cert", 0, KIND_CERT, "file", AT(transport.ssl_cert_file), 0, "certificate to show to spamd" },
	{ "ssl-key", 0, KIND_CERT, "file", AT(transport.ssl_key_file), 0, "its key" },
	{ "ssl-ca-file", 0, KIND_TEXT, "file", AT(transport.ssl_ca_file), 0, "spamd's certificate must be signed by one of these" },
	{ "ssl-ca-path", 0, KIND_TEXT, "dir", AT(transport.ssl_ca_path), 0, "or one of this directory" },
	{ "dane", 0, KIND_FLAG, NULL, 0, SPAMC_USE_SSL | SPAMC_USE_DANE, "talk TLS, TLSA records say with whom" },
	{ "config", 'F', KIND_CONFIG, "path", 0, 0, "options from this file" },
	{ "timeout", 't', KIND_TIMEOUT, "seconds", AT(timeout), 0, "time for the answer (600, 0 none)" },
	{ "connect-timeout", 'n', KIND_NUMBER, "seconds", AT(connect_timeout), 0, "time for connecting" },
	{ "connect-retries", 0, KIND_NUMBER, "n", AT(transport.connect_retries), 0, "attempts to connect (3)" },
	{ "retry-sleep", 0, KIND_NUMBER, "s", AT(transport.retry_sleep), 0, "pause between them (1)" },
	{ "filter-retries", 0, KIND_NUMBER, "n", AT(transport.filter_retries), 0, "attempts for the whole request (1)" },
	{ "filter-retry-sleep", 0, KIND_NUMBER, "s", AT(transport.filter_retry_sleep), 0, "pause between them (1)" },
	{ "max-size", 's', KIND_NUMBER, "bytes", AT(max_size), 0, "larger messages are not sent (512000)" },
	{ "username", 'u', KIND_TEXT, "user", AT(user), 0, "user whose preferences count" },
	{ "learntype", 'L', KIND_LEARN, "type", 0, SPAMC_LEARN, "learn as spam or ham, or forget" },
	{ "reporttype", 'C', KIND_REPORT, "type", 0, SPAMC_REPORT_MSG, "report spam, or revoke that" },
	{ "bsmtp", 'B', KIND_BSMTP, NULL, 0, 0, "the message is in a BSMTP envelope" },
	{ "check", 'c', KIND_FLAG, NULL, 0, SPAMC_CHECK_ONLY, "print the score, exit 1 for spam" },
	{ "tests", 'y', KIND_FLAG, NULL, 0, SPAMC_SYMBOLS, "print the names of the rules hit" },
	{ "full-spam", 'r', KIND_FLAG, NULL, 0, SPAMC_REPORT_IFSPAM, "print score and report for spam" },
	{ "full", 'R', KIND_FLAG, NULL, 0, SPAMC_REPORT, "print score and report" },
	{ "headers", 0, KIND_FLAG, NULL, 0, SPAMC_HEADERS, "only headers are rewritten" },
	{ "exitcode", 'E', KIND_EXITCODE, NULL, 0, 0, "exit 1 for spam" },
	{ "no-safe-fallback", 'x', KIND_FALLBACK, NULL, 0, 0, "on errors print nothing, exit with the error" },
	{ "unavailable-tempfail", 'X', KIND_TEMPFAIL, NULL, 0, 0, "with -x: an unavailable spamd is a temporary failure" },
	{ "log-to-stderr", 'l', KIND_FLAG, NULL, 0, SPAMC_LOG_TO_STDERR, "log to standard error" },
	{ "pipe-to", 'e', KIND_PIPE, "command", 0, 0, "hand the output to a command (last option)" },
	{ "compress", 'z', KIND_FLAG, NULL, 0, SPAMC_USE_ZLIB, "compress the message" },
	{ NULL, 'K', KIND_FLAG, NULL, 0, SPAMC_PING, "ask whether spamd is alive" },
	{ NULL, '4', KIND_FAMILY, NULL, 0, SPAMC_USE_INET4, "IPv4 only" },
	{ NULL, '6', KIND_FAMILY, NULL, 0, SPAMC_USE_INET6, "IPv6 only" },
	{ "help", 'h', KIND_HELP, NULL, 0, 0, "print this text" },
	{ "version", 'V', KIND_VERSION, NULL, 0, 0, "print the version" },
	{ NULL, 'f', KIND_NOTHING, NULL, 0, 0, NULL }, /* once meant what is now standard */
};
/* clang-format on */
enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

/* ---- help ---- */

static void
print_version(void)
{
	printf("SpamAssassin Client version 4.0.1 (Winnow %s)\n"
	       "  compiled with SSL support (OpenSSL, loaded when asked for)\n",
	       PACKAGE_VERSION);
}

static void
print_usage(void)
{
	print_version();
	printf("\nUsage: spamc [options] [-e command [args]] < message\n\nOptions:\n");
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
	printf("\n");
}

/* ---- words ---- */

/* Where reading is: options end at the first word that is none. */
struct cursor {
	int argc, at;
	char **argv;
	char *letters; /* what is left of "-cE" */
};

enum step { STEP_END, STEP_OPTION, STEP_BAD };

static bool
complain(const char *what, const char *word)
{
	fprintf(stderr, "spamc: %s%s\n", what, word);
	return false;
}

/* The value of an option: glued to it, or the next word, which may not look like an option. */
static bool
take_value(struct cursor *c, const struct option_row *row, char *glued, char **value_r)
{
	*value_r = glued;
	if (row->kind == KIND_SSL && glued != NULL)
		return complain("a TLS version can no longer be chosen: --ssl=", glued);
	if (row->argument == NULL)
		return glued == NULL || complain("this option takes no value: --", row->name);
	if (glued == NULL && c->at < c->argc && c->argv[c->at][0] != '-')
		*value_r = c->argv[c->at++];
	else if (glued != NULL)
		c->argv[c->at - 1] = glued; /* for -e: the words of the command in a row */
	if (*value_r == NULL)
		return complain("a value is missing behind ", c->argv[c->at - 1]);
	return true;
}

static enum step
next_long(struct cursor *c, char *word, const struct option_row **row_r, char **value_r)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < ROW_COUNT; i++) {
		if (rows[i].name == NULL || strlen(rows[i].name) != len ||
		    memcmp(rows[i].name, word, len) != 0)
			continue;
		*row_r = &rows[i];
		return take_value(c, *row_r, word[len] == '=' ? word + len + 1 : NULL, value_r)
		               ? STEP_OPTION
		               : STEP_BAD;
	}
	complain("no such option: --", word);
	return STEP_BAD;
}

static enum step
next_letter(struct cursor *c, const struct option_row **row_r, char **value_r)
{
	char letter = *c->letters++, *glued = NULL;
	size_t i = 0;

	while (i < ROW_COUNT && rows[i].letter != letter)
		i++;
	if (i == ROW_COUNT) {
		fprintf(stderr, "spamc: no such option: -%c\n", letter);
		return STEP_BAD;
	}
	*row_r = &rows[i];
	if (rows[i].argument != NULL) {
		glued = *c->letters != '\0' ? c->letters : NULL;
		c->letters = NULL;
	} else if (*c->letters == '\0') {
		c->letters = NULL;
	}
	return take_value(c, *row_r, glued, value_r) ? STEP_OPTION : STEP_BAD;
}

static enum step
next_option(struct cursor *c, const struct option_row **row_r, char **value_r)
{
	char *word;

	if (c->letters != NULL)
		return next_letter(c, row_r, value_r);
	if (c->at >= c->argc)
		return STEP_END;
	word = c->argv[c->at];
	if (word[0] != '-' || word[1] == '\0' || strcmp(word, "--") == 0)
		return STEP_END;
	c->at++;
	if (word[1] == '-')
		return next_long(c, word + 2, row_r, value_r);
	c->letters = word + 1;
	return next_letter(c, row_r, value_r);
}

/* ---- options ---- */

static int
take_tell(struct spamc_options *o, const struct option_row *row, const char *value)
{
	static const char *const names[] = {"spam", "ham", "forget", "report", "revoke"};
	size_t from = row->kind == KIND_LEARN ? TELL_SPAM : TELL_REPORT;
	size_t to = row->kind == KIND_LEARN ? TELL_FORGET : TELL_REVOKE;

	o->flags |= row->bits;
	for (size_t i = from; i <= to; i++) {
		if (strcmp(value, names[i]) != 0)
			continue;
		o->tell = (enum spamc_tell)i;
		return EX_OK;
	}
	complain(row->kind == KIND_LEARN ? "-L is spam, ham or forget, not "
	                                 : "-C is report or revoke, not ",
	         value);
	return EX_USAGE;
}

static void
take_way(struct spamc_options *o, const struct option_row *row, const char *value)
{
	if (row->kind == KIND_PORT) {
		o->transport.port = (unsigned short)atoi(value);
	} else if (row->kind == KIND_SOCKET) {
		o->transport.type = TRANSPORT_UNIX;
		o->transport.socketpath = value;
	} else {
		o->transport.type = TRANSPORT_TCP;
		o->transport.hostname = value;
	}
}

static void
take_fallback(struct spamc_options *o, const struct option_row *row)
{
	if (row->kind == KIND_FALLBACK)
		o->flags &= ~SPAMC_SAFE_FALLBACK;
	else if ((o->flags & SPAMC_SAFE_FALLBACK) == 0)
		o->flags |= SPAMC_UNAVAIL_TEMPFAIL;
	else
		complain("-X has an effect only after -x", "");
}

/* EX_OK, -1 (help was printed) or an exit code. */
static int
take_option(struct spamc_options *o, const struct option_row *row, char *value)
{
	void *at = (unsigned char *)o + row->offset;

	switch (row->kind) {
	case KIND_FLAG:
	case KIND_SSL:
		o->flags |= row->bits;
		break;
	case KIND_CERT:
		o->flags |= SPAMC_CLIENT_SSL_CERT;
		*(const char **)at = value;
		break;
	case KIND_TEXT:
		*(const char **)at = value;
		break;
	case KIND_TIMEOUT:
		if (o->connect_timeout == 0)
			o->connect_timeout = atoi(value);
		*(int *)at = atoi(value);
		break;
	case KIND_NUMBER:
		*(int *)at = atoi(value);
		break;
	case KIND_BSMTP:
		o->flags = (o->flags & ~SPAMC_MODE_MASK) | SPAMC_BSMTP_MODE;
		break;
	case KIND_HOSTS:
	case KIND_PORT:
	case KIND_SOCKET:
		take_way(o, row, value);
		break;
	case KIND_LEARN:
	case KIND_REPORT:
		return take_tell(o, row, value);
	case KIND_EXITCODE:
		o->exit_code = true;
		break;
	case KIND_FALLBACK:
	case KIND_TEMPFAIL:
		take_fallback(o, row);
		break;
	case KIND_FAMILY:
		o->flags &= ~(SPAMC_USE_INET4 | SPAMC_USE_INET6);
		o->flags |= row->bits;
		break;
	case KIND_HELP:
		print_usage();
		return -1;
	case KIND_VERSION:
		print_version();
		return -1;
	case KIND_PIPE: /* the caller's */
	case KIND_CONFIG:
	case KIND_NOTHING:
		break;
	}
	return EX_OK;
}

/* What does not go together. */
static int
check_options(struct spamc_options *o)
{
	static const struct {
		int bits;
		const char *text;
	} excluded[] = {
		{SPAMC_CHECK_ONLY, "-c"}, {SPAMC_PING, "-K"},    {SPAMC_REPORT_IFSPAM, "-r"},
		{SPAMC_REPORT, "-R"},     {SPAMC_SYMBOLS, "-y"}, {SPAMC_REPORT_MSG, "-C"},
	};
	bool good = true;

	if ((o->flags & SPAMC_CLIENT_SSL_CERT) != 0 &&
	    (o->transport.ssl_cert_file == NULL || o->transport.ssl_key_file == NULL))
		good = complain("--ssl-cert and --ssl-key must be used together", "");
	if (o->max_size > SPAMC_MAX_MESSAGE_LEN || o->max_size < 0)
		good = complain("-s is a number of bytes, 256 MiB at most", "");
	for (size_t i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++)
		if ((o->flags & SPAMC_LEARN) != 0 && (o->flags & excluded[i].bits) != 0)
			good = complain("-L does not go together with ", excluded[i].text);
	if ((o->flags & (SPAMC_USE_INET4 | SPAMC_USE_INET6)) == 0)
		o->flags |= SPAMC_USE_INET4 | SPAMC_USE_INET6;
	return good ? EX_OK : EX_USAGE;
}

static int
parse(struct spamc_options *o, int argc, char **argv)
{
	struct cursor c = {.argc = argc, .argv = argv, .at = 1};
	const struct option_row *row;
	char *value;
	int code = EX_OK;
	enum step step;

	while ((step = next_option(&c, &row, &value)) == STEP_OPTION) {
		int rc = take_option(o, row, value);

		if (rc < 0)
			return code == EX_OK ? rc : code;
		if (rc != EX_OK)
			code = rc;
		if (row->kind != KIND_PIPE)
			continue;
		o->pipe_to = &argv[c.at - 1];
		return code;
	}
	if (step == STEP_BAD) {
		print_usage();
		return EX_USAGE;
	}
	if (check_options(o) != EX_OK)
		return EX_USAGE;
	return code;
}

/* ---- spamc.conf ---- */

static int
bad_config(const char *path, const char *what)
{
	fprintf(stderr, "spamc: %s: %s\n", path, what);
	return EX_CONFIG;
}

/* Words of a file behind those that are there: lines of words, # in the first column a comment. */
static int
read_words(FILE *file, const char *path, char **words, int *count)
{
	char line[LINE_BYTES];

	while (fgets(line, sizeof(line), file) != NULL) {
		char *save = NULL;

		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (strchr(line, '\n') == NULL)
			return bad_config(path, strlen(line) + 1 < sizeof(line)
			                                ? "the last line has no line end"
			                                : "a line is too long");
		for (char *word = strtok_r(line, " \t\n", &save); word != NULL;
		     word = strtok_r(NULL, " \t\n", &save)) {
			if (*count == ARGUMENTS_MAX)
				return bad_config(path, "too many words");
			words[*count] = strdup(word);
			if (words[(*count)++] == NULL)
				return EX_OSERR;
		}
	}
	return EX_OK;
}

/* The file that -F names; a value that looks like it, behind another option, is none. */
static const char *
config_path(int argc, char **argv, bool *given_r)
{
	static const char first[] = "/etc/mail/spamassassin/spamc.conf",
			  second[] = "/etc/spamassassin/spamc.conf";
	const char *path = NULL;

	for (int i = 1; i < argc && path == NULL; i++) {
		if (strcmp(argv[i], "-e") == 0 || strncmp(argv[i], "--pipe-to", 9) == 0)
			break;
		if (strncmp(argv[i], "--config=", 9) == 0)
			path = argv[i] + 9;
		else if (strcmp(argv[i], "-F") == 0 || strcmp(argv[i], "--config") == 0)
			path = i + 1 < argc ? argv[i + 1] : NULL;
		else if (strncmp(argv[i], "-F", 2) == 0)
			path = argv[i] + 2;
	}
	*given_r = path != NULL;
	return path != NULL ? path : access(first, R_OK) == 0 ? first : second;
}

int
spamc_options_read(struct spamc_options *o, int argc, char **argv)
{
	/* the words live on: options point to them */
	static char *words[ARGUMENTS_MAX + 1];
	bool given;
	const char *path = config_path(argc, argv, &given);
	FILE *file = fopen(path, "re");
	int count = 1, code;

	*o = (struct spamc_options){.flags = SPAMC_RAW_MODE | SPAMC_SAFE_FALLBACK | SPAMC_TLSV1,
	                            .max_size = DEFAULT_MAX_SIZE,
	                            .timeout = DEFAULT_TIMEOUT_S};
	transport_init(&o->transport);
	if (file == NULL)
		return given ? bad_config(path, strerror(errno)) : parse(o, argc, argv);
	words[0] = argv[0];
	code = read_words(file, path, words, &count);
	fclose(file);
	for (int i = 1; i < argc && code == EX_OK; i++) {
		if (count == ARGUMENTS_MAX)
			return bad_config(path, "too many words, with those of the command line");
		words[count++] = argv[i];
	}
	return code == EX_OK ? parse(o, count, words) : code;
}
