/*
 * libspamc_user.c - a program as people write them for libspamc
 *
 * Compiled against our header and, where there is one, against the reference's; what it prints must
 * not depend on which, nor on how it is linked.  Usage: libspamc_user PORT FILE
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "libspamc.h"

#define OFFSET(type, member)                                                                       \
	printf("%s.%s %d\n", #type, #member, (int)offsetof(struct type, member))

static void
print_layout(void)
{
	printf("message %d transport %d\n", (int)sizeof(struct message),
	       (int)sizeof(struct transport));
	OFFSET(message, max_len);
	OFFSET(message, timeout);
	OFFSET(message, connect_timeout);
	OFFSET(message, type);
	OFFSET(message, raw);
	OFFSET(message, pre_len);
	OFFSET(message, msg_len);
	OFFSET(message, post);
	OFFSET(message, content_length);
	OFFSET(message, is_spam);
	OFFSET(message, threshold);
	OFFSET(message, out_len);
	OFFSET(message, priv);
	OFFSET(transport, type);
	OFFSET(transport, socketpath);
	OFFSET(transport, hostname);
	OFFSET(transport, port);
	OFFSET(transport, hosts);
	OFFSET(transport, nhosts);
	OFFSET(transport, flags);
	OFFSET(transport, connect_retries);
	OFFSET(transport, filter_retry_sleep);
	OFFSET(transport, ssl_cert_file);
	OFFSET(transport, ssl_ca_path);
}

static void
print_numbers(void)
{
	static const int numbers[] = {SPAMC_MODE_MASK,
	                              SPAMC_RAW_MODE,
	                              SPAMC_BSMTP_MODE,
	                              SPAMC_USE_INET6,
	                              SPAMC_USE_INET4,
	                              SPAMC_CHECK_ONLY,
	                              SPAMC_SAFE_FALLBACK,
	                              SPAMC_USE_SSL,
	                              SPAMC_REPORT,
	                              SPAMC_REPORT_IFSPAM,
	                              SPAMC_SYMBOLS,
	                              SPAMC_RANDOMIZE_HOSTS,
	                              SPAMC_LOG_TO_STDERR,
	                              SPAMC_LEARN,
	                              SPAMC_REPORT_MSG,
	                              SPAMC_PING,
	                              SPAMC_TLSV1,
	                              SPAMC_SSLV3,
	                              SPAMC_USE_ZLIB,
	                              SPAMC_HEADERS,
	                              SPAMC_LOG_TO_CALLBACK,
	                              SPAMC_UNAVAIL_TEMPFAIL,
	                              SPAMC_CLIENT_SSL_CERT,
	                              SPAMC_MESSAGE_CLASS_SPAM,
	                              SPAMC_MESSAGE_CLASS_HAM,
	                              SPAMC_SET_LOCAL,
	                              SPAMC_SET_REMOTE,
	                              SPAMC_REMOVE_LOCAL,
	                              SPAMC_REMOVE_REMOTE,
	                              SPAMC_MAX_MESSAGE_LEN,
	                              TRANSPORT_LOCALHOST,
	                              TRANSPORT_TCP,
	                              TRANSPORT_UNIX,
	                              TRANSPORT_MAX_HOSTS,
	                              EX_NOTSPAM,
	                              EX_ISSPAM,
	                              EX_TOOBIG,
	                              MESSAGE_NONE,
	                              MESSAGE_ERROR,
	                              MESSAGE_RAW,
	                              MESSAGE_BSMTP,
	                              MAX_MESSAGE_TYPE};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		printf("%d ", numbers[i]);
	printf("\n");
}

static void
on_log(int flags, int level, char *msg, va_list args)
{
	char line[1000];

	vsnprintf(line, sizeof(line), msg, args);
	printf("log %d %d: %s\n", flags & SPAMC_LOG_TO_CALLBACK ? 1 : 0, level, line);
}

static void
on_answer_header(struct message *m, int flags, const char *buf, int len)
{
	printf("header of the answer (%d, %d): %.*s\n", m->type, flags & SPAMC_CHECK_ONLY ? 1 : 0,
	       len, buf);
}

static void
set_up(struct transport *tp, int port)
{
	transport_init(tp);
	printf("defaults %d %d %d %d\n", tp->type, tp->port, tp->retry_sleep, tp->connect_retries);
	tp->type = TRANSPORT_TCP;
	tp->hostname = "127.0.0.1";
	tp->port = (unsigned short)port;
	printf("setup %d", transport_setup(tp, SPAMC_RAW_MODE | SPAMC_SAFE_FALLBACK));
	printf(" hosts %d\n", tp->nhosts);
}

static void
filter(struct transport *tp, const char *file, int flags)
{
	struct message m;
	int fd = open(file, O_RDONLY), code;

	m.max_len = 512000;
	m.timeout = 10;
	m.connect_timeout = 10;
	code = message_read(fd, flags, &m);
	printf("read %d type %d len %d\n", code, m.type, m.msg_len);
	register_spamd_header_callback(&m, on_answer_header);
	code = message_filter(tp, "me", flags, &m);
	printf("filter %d spam %d score %.1f/%.1f length %d out %d\n", code, m.is_spam,
	       (double)m.score, (double)m.threshold, m.content_length, m.out_len);
	fflush(stdout);
	printf("wrote %ld\n", message_write(STDOUT_FILENO, &m));
	message_cleanup(&m);
	printf("clean %d\n", m.type);
	close(fd);
}

static void
tell(struct transport *tp, const char *file)
{
	struct message m = {.max_len = 512000, .timeout = 10};
	unsigned did = 0;
	int fd = open(file, O_RDONLY);

	message_read(fd, SPAMC_RAW_MODE, &m);
	printf("tell %d", message_tell(tp, "me", SPAMC_LEARN, &m, SPAMC_MESSAGE_CLASS_SPAM,
	                               SPAMC_SET_LOCAL | SPAMC_SET_REMOTE, &did));
	printf(" did %u\n", did);
	message_cleanup(&m);
	close(fd);
}

static void
process(struct transport *tp, const char *file, int max_size)
{
	char user[] = "me";
	int fd = open(file, O_RDONLY), code;

	fflush(stdout);
	code = message_process(tp, user, max_size, fd, STDOUT_FILENO,
	                       SPAMC_RAW_MODE | SPAMC_SAFE_FALLBACK);
	printf("processed %d\n", code);
	close(fd);
	fd = open(file, O_RDONLY);
	fflush(stdout);
	code = process_message(tp, user, max_size, fd, STDOUT_FILENO, 1, 1);
	printf("processed %d\n", code);
	close(fd);
}

int
main(int argc, char **argv)
{
	struct transport tp;
	int flags = SPAMC_RAW_MODE | SPAMC_SAFE_FALLBACK | SPAMC_LOG_TO_CALLBACK;

	if (argc != 3)
		return 2;
	print_layout();
	print_numbers();
	register_libspamc_log_callback(on_log);
	libspamc_log(SPAMC_LOG_TO_CALLBACK, LOG_INFO, (char *)"%s %d", "a line", 5);
	set_up(&tp, atoi(argv[1]));
	filter(&tp, argv[2], flags);
	filter(&tp, argv[2], flags | SPAMC_CHECK_ONLY);
	filter(&tp, argv[2], flags | SPAMC_REPORT);
	filter(&tp, argv[2], flags | SPAMC_SYMBOLS);
	filter(&tp, argv[2], flags | SPAMC_PING);
	filter(&tp, argv[2], flags | SPAMC_BSMTP_MODE);
	tell(&tp, argv[2]);
	process(&tp, argv[2], 512000);
	process(&tp, argv[2], 100);
	transport_cleanup(&tp);
	return 0;
}
