/*
 * libspamc.h - ask a spamd about a message, from a program of one's own
 *
 * The programming interface of SpamAssassin's client library: names, numbers, layouts and the order
 * of calls are those of its libspamc 4.0.1, so that what was written for it compiles and runs
 * unchanged.  See libspamc(3).
 */
#ifndef LIBSPAMC_H
#define LIBSPAMC_H 1

#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SPAMC_HAS_ADDRINFO 1
#ifndef SPAMC_SSL
#define SPAMC_SSL 1 /* struct transport always has its last four members */
#endif

/* Results are numbers of <sysexits.h>; a program that has not included it finds them here. */
#ifndef _SYSEXITS_H
#define EX_OK 0
#define EX_USAGE 64
#define EX_DATAERR 65
#define EX_NOINPUT 66
#define EX_NOUSER 67
#define EX_NOHOST 68
#define EX_UNAVAILABLE 69
#define EX_SOFTWARE 70
#define EX_OSERR 71
#define EX_OSFILE 72
#define EX_CANTCREAT 73
#define EX_IOERR 74
#define EX_TEMPFAIL 75
#define EX_PROTOCOL 76
#define EX_NOPERM 77
#define EX_CONFIG 78

/* The interface gives these too in that case. */
#ifndef STDIN_FILENO
#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#endif
#ifndef LOG_EMERG
#define LOG_EMERG 0
#define LOG_ALERT 1
#define LOG_CRIT 2
#define LOG_ERR 3
#define LOG_WARNING 4
#define LOG_NOTICE 5
#define LOG_INFO 6
#define LOG_DEBUG 7
#endif
#endif

#define EX_NOTSPAM 0
#define EX_ISSPAM 1
#define EX_TOOBIG 866 /* not sent: above max_len; also "no verdict" in is_spam */

/* Flags: form of the input ... */
#define SPAMC_MODE_MASK 1
#define SPAMC_RAW_MODE 0
#define SPAMC_BSMTP_MODE 1
/* ... way to the server ... */
#define SPAMC_USE_INET6 (1 << 31)
#define SPAMC_USE_INET4 (1 << 30)
#define SPAMC_USE_SSL (1 << 27)
#define SPAMC_RANDOMIZE_HOSTS (1 << 23)
#define SPAMC_TLSV1 (1 << 18) /* these two: no effect, the TLS library decides */
#define SPAMC_SSLV3 (1 << 17)
#define SPAMC_USE_ZLIB (1 << 16)
#define SPAMC_CLIENT_SSL_CERT (1 << 12)
#define SPAMC_USE_DANE (1 << 11) /* Winnow's: where it has TLSA records, they verify the server */
/* ... what is asked; none of them: the whole message with the verdict in it ... */
#define SPAMC_CHECK_ONLY (1 << 29)
#define SPAMC_REPORT (1 << 26)
#define SPAMC_REPORT_IFSPAM (1 << 25)
#define SPAMC_SYMBOLS (1 << 24)
#define SPAMC_LEARN (1 << 21)
#define SPAMC_REPORT_MSG (1 << 20)
#define SPAMC_PING (1 << 19)
#define SPAMC_HEADERS (1 << 15)
/* ... failures and log. */
#define SPAMC_SAFE_FALLBACK (1 << 28)
#define SPAMC_LOG_TO_STDERR (1 << 22)
#define SPAMC_LOG_TO_CALLBACK (1 << 14)
#define SPAMC_UNAVAIL_TEMPFAIL (1 << 13)

/* message_tell() */
#define SPAMC_MESSAGE_CLASS_SPAM 1
#define SPAMC_MESSAGE_CLASS_HAM 2
#define SPAMC_SET_LOCAL 1
#define SPAMC_SET_REMOTE 2
#define SPAMC_REMOVE_LOCAL 4
#define SPAMC_REMOVE_REMOTE 8

#define SPAMC_MAX_MESSAGE_LEN (256 * 1024 * 1024)

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
	MESSAGE_NONE,
	MESSAGE_ERROR, /* raw is what was read */
	MESSAGE_RAW,
	MESSAGE_BSMTP,
	MAX_MESSAGE_TYPE
} message_type_t;

struct libspamc_private_message;

struct message {
	/* set by the caller before message_read() */
	unsigned int max_len;
	int timeout;         /* seconds for the answer, 0 none */
	int connect_timeout; /* seconds for connecting, 0 none */

	/* set by message_read() */
	message_type_t type;
	char *raw; /* all that was read */
	int raw_len;
	char *pre; /* BSMTP: up to and with DATA */
	int pre_len;
	char *msg; /* the message */
	int msg_len;
	char *post; /* BSMTP: from the lone dot on */
	int post_len;
	int content_length;

	/* set by message_filter() and message_tell() */
	int is_spam; /* EX_ISSPAM, EX_NOTSPAM, or EX_TOOBIG: no verdict */
	float score, threshold;
	char *outbuf; /* what is allocated for the answer */
	char *out;    /* what message_write() writes: the answer, or msg where there is none */
	int out_len;

	struct libspamc_private_message *priv;
};

#define TRANSPORT_LOCALHOST 0x01
#define TRANSPORT_TCP 0x02
#define TRANSPORT_UNIX 0x03
#define TRANSPORT_MAX_HOSTS 256

struct transport {
	int type;
	const char *socketpath; /* TRANSPORT_UNIX */
	const char *hostname;   /* TRANSPORT_TCP: names with commas between them */
	unsigned short port;
	struct addrinfo *hosts[TRANSPORT_MAX_HOSTS]; /* an entry for each name */
	int nhosts;
	int flags;
	int connect_retries; /* 0: 3 */
	int retry_sleep;     /* seconds, below 0: 1 */
	int filter_retries;  /* 0: 1 */
	int filter_retry_sleep;
	const char *ssl_cert_file, *ssl_key_file;
	const char *ssl_ca_file, *ssl_ca_path; /* one of them: the server is verified */
};

/* Where the server is. */
void transport_init(struct transport *tp);
int transport_setup(struct transport *tp, int flags);
void transport_cleanup(struct transport *tp);
#define SPAMC_HAS_TRANSPORT_CLEANUP

/* A message: read, ask, write what came back, free.  EX_OK or why not. */
int message_read(int in_fd, int flags, struct message *m);
int message_filter(struct transport *tp, const char *username, int flags, struct message *m);
int message_tell(struct transport *tp, const char *username, int flags, struct message *m,
                 int msg_class, unsigned int tellflags, unsigned int *didtellflags);
long message_write(int out_fd, struct message *m); /* bytes, below 0: failed */
void message_cleanup(struct message *m);

/* Writes what has been read of a message, then copies in_fd to its end. */
void message_dump(int in_fd, int out_fd, struct message *m, int flags);

/* All of it in one call; the older form takes two of the flags. */
int message_process(struct transport *trans, char *username, int max_size, int in_fd, int out_fd,
                    const int flags);
int process_message(struct transport *tp, char *username, int max_size, int in_fd, int out_fd,
                    const int check_only, const int safe_fallback);

/* After message_read(): further headers of a request; headers of an answer that are not known. */
void register_spamc_header_callback(const struct message *m,
                                    void (*func)(struct message *m, int flags, char *buf, int len));
void register_spamd_header_callback(const struct message *m,
                                    void (*func)(struct message *m, int flags, const char *buf,
                                                 int len));

/* SPAMC_LOG_TO_CALLBACK: who gets the lines that otherwise go to syslog. */
void register_libspamc_log_callback(void (*function)(int flags, int level, char *msg,
                                                     va_list args));
void libspamc_log(int flags, int level, char *msg, ...);

#ifdef __cplusplus
}
#endif

#endif
