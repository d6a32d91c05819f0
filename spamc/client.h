/*
 * client.h - one request to a spamd
 *
 * Owns: struct spamc_request (what to ask), struct spamc_answer (what came back).  Source:
 * compat/protocol.tsv and options.tsv (spamc).  The client fails open: whatever goes wrong, the
 * caller still has the original message; an answer is whole or it is none.  Links nothing of lib/
 * but util/.
 */
#ifndef WINNOW_SPAMC_CLIENT_H
#define WINNOW_SPAMC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/slice.h"

/* sysexits.h numbers, as spamc ends with them */
enum spamc_code {
	SPAMC_OK = 0,
	SPAMC_USAGE = 64,
	SPAMC_DATAERR = 65,
	SPAMC_NOHOST = 68,
	SPAMC_UNAVAILABLE = 69,
	SPAMC_SOFTWARE = 70,
	SPAMC_OSERR = 71,
	SPAMC_IOERR = 74,
	SPAMC_TEMPFAIL = 75,
	SPAMC_PROTOCOL = 76,
	SPAMC_NOPERM = 77,
	SPAMC_CONFIG = 78,
	SPAMC_TIMEOUT = 79,
	SPAMC_TOOBIG = 866
};

enum { SPAMC_HOSTS_MAX = 256 };

struct spamc_target {
	const char *hosts[SPAMC_HOSTS_MAX];
	size_t host_count; /* 0: localhost */
	const char *port;
	const char *unix_path; /* NULL: TCP */
	bool ipv4_only, ipv6_only, randomize, one_host;
	long connect_timeout_s, timeout_s; /* 0: none */
	long connect_retries, retry_sleep_s;
};

struct spamc_request {
	const char *verb;
	const char *user; /* NULL: no User header */
	bool compress;
	struct slice message;
};

struct spamc_answer {
	unsigned char *bytes; /* whole answer, malloc */
	size_t len;
	struct slice version; /* "1.1" */
	int code;
	bool has_length, has_spam, is_spam;
	size_t length;
	char score[24], threshold[24];
	struct slice body;
};

/* Hands over one line for the log. */
typedef void (*spamc_log_fn)(void *data, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Asks; SPAMC_OK: answer_r is whole and its headers are understood (free bytes). */
int spamc_ask(const struct spamc_target *target, const struct spamc_request *request,
              struct spamc_answer *answer_r, spamc_log_fn log, void *log_data);

/* Parses a whole answer (also the fuzz target's door): SPAMC_OK or SPAMC_PROTOCOL. */
int spamc_answer_parse(struct spamc_answer *answer);

#endif
