/*
 * spamd_request.h - what a client of spamd asks
 *
 * Owns: struct spamd_request.  Source: compat/protocol.tsv (SPAMC 1.0 to 1.5 as 4.0.1 reads them).
 * Data: bytes as they arrive -> request line and headers -> spamd/session.c.  Does no I/O: the
 * caller hands in all bytes received so far, as often as it likes; each byte is looked at once,
 * however the stream is cut.
 */
#ifndef WINNOW_NET_SPAMD_REQUEST_H
#define WINNOW_NET_SPAMD_REQUEST_H

#include "util/slice.h"
#include "util/status.h"

enum spamd_verb {
	SPAMD_NONE,
	SPAMD_CHECK,
	SPAMD_SYMBOLS,
	SPAMD_REPORT,
	SPAMD_REPORT_IFSPAM,
	SPAMD_PROCESS,
	SPAMD_HEADERS,
	SPAMD_TELL,
	SPAMD_SKIP,
	SPAMD_PING
};

enum {
	SPAMD_LINE_MAX = 8192,  /* request line and header lines */
	SPAMD_HEADERS_MAX = 256 /* header lines */
};

struct spamd_request {
	enum spamd_verb verb;
	double version; /* 1.5; the leading number of the text */
	bool has_line;  /* the request line is read */
	bool is_complete;
	size_t parsed; /* bytes consumed: the body begins here when is_complete */
	unsigned header_count;

	bool has_user;
	size_t user_at, user_len; /* in the buffer: it may move between calls */
	bool has_length, length_is_empty;
	unsigned long long length;
	size_t length_at, length_len; /* as written, in the buffer */
	bool compressed;
	bool wants_json; /* Verdict: json (doc/json.md) */
	bool class_is_spam, class_given;
	bool set_local, set_remote, remove_local, remove_remote;
};

const char *spamd_verb_name(enum spamd_verb verb);

/*
 * received: all bytes so far, from the first on.  STATUS_OK: is_complete; STATUS_AGAIN: more is
 * needed; STATUS_BAD: error->text is what goes after "Bad header line: ".  eof: nothing more will
 * come.
 */
enum status spamd_request_parse(struct spamd_request *request, struct slice received, bool eof,
                                struct error *error) WARN_UNUSED;

/*
 * Where the body ends, given all bytes received: STATUS_OK sets *end_r (offset after the last byte
 * that counts; a body of another length than announced ends at its line's end, as the reference
 * reads lines), STATUS_AGAIN.
 */
enum status spamd_request_body(const struct spamd_request *request, struct slice received, bool eof,
                               size_t *end_r) WARN_UNUSED;

#endif
