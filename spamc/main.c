/*
 * main.c - spamc: hands a message to spamd and gives it back
 *
 * A thin client over libspamc.  Whatever fails, the original message goes to standard output byte
 * for byte (unless -x says otherwise); an answer is written only when it is whole.
 */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "spamc/options.h"
#include "spamc/private.h"

struct spamc {
	struct spamc_options o;
	struct message m;
	int out;        /* -1: not opened yet */
	bool done;      /* -L, -C: the server did it */
	char *own_user; /* to be freed */
};

static const int PRINTS_SCORE = SPAMC_CHECK_ONLY | SPAMC_REPORT | SPAMC_REPORT_IFSPAM;

/* ---- output ---- */

/* The command becomes this process; a child goes on and writes into its standard input. */
static void
open_output(struct spamc *c)
{
	int fds[2];
	pid_t pid;

	if (c->out >= 0)
		return;
	c->out = STDOUT_FILENO;
	if (c->o.pipe_to == NULL)
		return;
	if (pipe(fds) != 0 || (pid = fork()) < 0) {
		spamc_say(c->o.flags, LOG_ERR, "cannot run %s: %s", c->o.pipe_to[0],
		          strerror(errno));
		exit(EX_OSERR);
	}
	if (pid == 0) {
		close(fds[0]);
		c->out = fds[1];
		return;
	}
	close(fds[1]);
	dup2(fds[0], STDIN_FILENO);
	close(fds[0]);
	signal(SIGPIPE, SIG_DFL);
	execvp(c->o.pipe_to[0], c->o.pipe_to);
	spamc_say(c->o.flags, LOG_ERR, "cannot run %s: %s", c->o.pipe_to[0], strerror(errno));
	_exit(EX_OSERR);
}

static bool
print(struct spamc *c, const char *text)
{
	open_output(c);
	return spamc_write_all(c->out, text, strlen(text));
}

/* ---- requests ---- */

static int
tell(struct spamc *c)
{
	static const struct {
		int class;
		unsigned what, done;
	} tells[] = {
		[TELL_SPAM] = {SPAMC_MESSAGE_CLASS_SPAM, SPAMC_SET_LOCAL, SPAMC_SET_LOCAL},
		[TELL_HAM] = {SPAMC_MESSAGE_CLASS_HAM, SPAMC_SET_LOCAL, SPAMC_SET_LOCAL},
		[TELL_FORGET] = {0, SPAMC_REMOVE_LOCAL, SPAMC_REMOVE_LOCAL},
		[TELL_REPORT] = {SPAMC_MESSAGE_CLASS_SPAM, SPAMC_SET_REMOTE | SPAMC_SET_LOCAL,
	                         SPAMC_SET_REMOTE},
		[TELL_REVOKE] = {SPAMC_MESSAGE_CLASS_HAM, SPAMC_SET_LOCAL | SPAMC_REMOVE_REMOTE,
	                         SPAMC_REMOVE_REMOTE},
	};
	unsigned did = 0;
	int code = message_tell(&c->o.transport, c->o.user, c->o.flags, &c->m,
	                        tells[c->o.tell].class, tells[c->o.tell].what, &did);

	c->done = (did & tells[c->o.tell].done) != 0;
	return code;
}

static int
ask(struct spamc *c)
{
	int code = transport_setup(&c->o.transport, c->o.flags);

	if (code == EX_OK)
		code = message_read(STDIN_FILENO, c->o.flags, &c->m);
	if (code != EX_OK)
		return code;
	if ((c->o.flags & (SPAMC_LEARN | SPAMC_REPORT_MSG)) != 0)
		return tell(c);
	return message_filter(&c->o.transport, c->o.user, c->o.flags, &c->m);
}

/* ---- endings ---- */

static int
succeed(struct spamc *c)
{
	bool written;

	open_output(c);
	if ((c->o.flags & SPAMC_LEARN) != 0)
		written = spamc_write_all(STDOUT_FILENO,
		                          c->done ? "Message successfully un/learned\n"
		                                  : "Message was already un/learned\n",
		                          c->done ? 32 : 31);
	else if ((c->o.flags & SPAMC_REPORT_MSG) != 0)
		written = spamc_write_all(STDOUT_FILENO,
		                          c->done ? "Message successfully reported/revoked\n"
		                                  : "Unable to report/revoke message\n",
		                          c->done ? 38 : 32);
	else
		written = message_write(c->out, &c->m) >= 0;
	if (!written) {
		spamc_say(c->o.flags, LOG_ERR, "cannot write: %s", strerror(errno));
		return EX_IOERR;
	}
	if ((c->o.flags & (SPAMC_LEARN | SPAMC_REPORT_MSG)) != 0 || c->m.is_spam == EX_TOOBIG)
		return EX_OK;
	return c->o.exit_code || (c->o.flags & SPAMC_CHECK_ONLY) != 0 ? c->m.is_spam : EX_OK;
}

/* The message as it came: what was read, then the rest of standard input. */
static bool
pass_on(struct spamc *c)
{
	char bytes[65536];
	size_t got;
	int rc;

	open_output(c);
	if (c->m.raw_len > 0 && !spamc_write_all(c->out, c->m.raw, (size_t)c->m.raw_len))
		return false;
	do {
		rc = spamc_read_all(STDIN_FILENO, bytes, sizeof(bytes), &got);
		if (!spamc_write_all(c->out, bytes, got))
			return false;
	} while (rc == 0 && got > 0);
	return true;
}

/* The exit code when there is no verdict. */
static int
fail(struct spamc *c, int code)
{
	bool fallback = (c->o.flags & SPAMC_SAFE_FALLBACK) != 0, written = true;

	if ((c->o.flags & (SPAMC_LEARN | SPAMC_PING)) != 0) {
		open_output(c);
		return code & 0xff;
	}
	if ((c->o.flags & PRINTS_SCORE) != 0)
		written = print(c, "0/0\n");
	else if ((c->o.flags & SPAMC_SYMBOLS) != 0)
		written = print(c, "\n");
	else if (fallback || code == EX_TOOBIG)
		written = pass_on(c);
	if (!written) {
		spamc_say(c->o.flags, LOG_ERR, "cannot write: %s", strerror(errno));
		return EX_IOERR;
	}
	if (fallback || code == EX_TOOBIG)
		return EX_OK;
	return code == EX_UNAVAILABLE && (c->o.flags & SPAMC_UNAVAIL_TEMPFAIL) != 0 ? EX_TEMPFAIL
	                                                                            : code;
}

/* ---- begin ---- */

static int
name_user(struct spamc *c)
{
	const struct passwd *pw = NULL;

	if (c->o.user == NULL) {
		pw = getpwuid(geteuid());
		c->own_user = pw != NULL ? strdup(pw->pw_name) : NULL;
		c->o.user = c->own_user;
	}
	if (c->o.user != NULL)
		return EX_OK;
	fprintf(stderr, "spamc: no user of id %lu, use -u\n", (unsigned long)geteuid());
	if ((c->o.flags & SPAMC_CHECK_ONLY) == 0)
		return EX_OSERR;
	print(c, "0/0\n");
	return -1;
}

/* Sockets must not land on a standard stream that the caller has closed. */
static void
fill_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct spamc c = {.out = -1};
	int code;

	fill_descriptors();
	code = spamc_options_read(&c.o, argc, argv);
	if (code == EX_OK)
		code = name_user(&c);
	if (code != EX_OK)
		return code < 0 ? EX_OK : code;
	openlog("spamc", LOG_CONS | LOG_PID, LOG_MAIL);
	signal(SIGPIPE, SIG_IGN);
	c.m.max_len = (unsigned)c.o.max_size;
	c.m.timeout = c.o.timeout;
	c.m.connect_timeout = c.o.connect_timeout;
	code = ask(&c);
	code = code == EX_OK ? succeed(&c) : fail(&c, code);
	message_cleanup(&c.m);
	transport_cleanup(&c.o.transport);
	free(c.own_user);
	return code;
}
