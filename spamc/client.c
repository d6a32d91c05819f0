/*
 * client.c - one request to a spamd
 */
#include "spamc/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "spamc/connect.h"

enum { ANSWER_BYTES_MAX = 512 * 1024 * 1024, ZLIB_LEVEL = 3 };

/* ---- answers ---- */

static bool
copy_word(char *out, size_t size, struct slice word)
{
	if (word.len == 0 || word.len >= size)
		return false;
	memcpy(out, word.data, word.len);
	out[word.len] = '\0';
	return true;
}

/* "Spam: True ; 5.1 / 5.0" */
static bool
parse_spam(struct spamc_answer *answer, struct slice value)
{
	struct slice word, semicolon, score, slash, threshold;

	if (!slice_next_word(&value, &word) || !slice_next_word(&value, &semicolon) ||
	    !slice_next_word(&value, &score) || !slice_next_word(&value, &slash) ||
	    !slice_next_word(&value, &threshold))
		return false;
	if (!slice_eq(semicolon, SLICE(";")) || !slice_eq(slash, SLICE("/")) ||
	    !copy_word(answer->score, sizeof(answer->score), score) ||
	    !copy_word(answer->threshold, sizeof(answer->threshold), threshold))
		return false;
	answer->has_spam = true;
	answer->is_spam = slice_ieq(word, SLICE("true"));
	return true;
}

static bool
parse_header(struct spamc_answer *answer, struct slice line)
{
	unsigned long long length;

	if (slice_starts(line, SLICE("Spam: ")))
		return parse_spam(answer, slice_from(line, 6));
	if (slice_starts(line, SLICE("Content-length: "))) {
		if (!slice_to_u64(slice_trim(slice_from(line, 16)), ANSWER_BYTES_MAX, &length))
			return false;
		answer->has_length = true;
		answer->length = (size_t)length;
	}
	return true; /* what is not known is for somebody else */
}

/* "SPAMD/1.1 0 EX_OK" */
static bool
parse_status(struct spamc_answer *answer, struct slice line)
{
	struct slice word;
	unsigned long long code;

	if (!slice_starts(line, SLICE("SPAMD/")))
		return false;
	line = slice_from(line, 6);
	if (!slice_next_word(&line, &answer->version) || !byte_is_digit(answer->version.data[0]) ||
	    answer->version.data[0] == '0' || answer->version.len > 18 ||
	    !slice_next_word(&line, &word) || !slice_to_u64(word, 1000, &code))
		return false;
	answer->code = (int)code;
	return true;
}

int
spamc_answer_parse(struct spamc_answer *answer)
{
	struct slice rest = slice_of(answer->bytes, answer->len), line;

	if (slice_find_byte(rest, '\n', 0) == SLICE_NPOS || !slice_next(&rest, '\n', &line) ||
	    !parse_status(answer, slice_rtrim(line)))
		return SPAMC_PROTOCOL;
	/* a PONG and an error are one line */
	for (;;) {
		size_t end = slice_find_byte(rest, '\n', 0);

		if (rest.len == 0)
			return SPAMC_OK;
		if (end == SLICE_NPOS)
			return SPAMC_PROTOCOL;
		line = slice_rtrim(slice_sub(rest, 0, end));
		rest = slice_from(rest, end + 1);
		if (line.len == 0)
			break;
		if (!parse_header(answer, line))
			return SPAMC_PROTOCOL;
	}
	answer->body = rest;
	return SPAMC_OK;
}

/* ---- bytes ---- */

struct exchange {
	int fd;
	int64_t deadline_ms;
	int code; /* what ended it */
};

static bool
wait_for(struct exchange *x, short events)
{
	struct pollfd p = {.fd = x->fd, .events = events};

	for (;;) {
		int64_t left =
			x->deadline_ms == INT64_MAX ? 60000 : x->deadline_ms - spamc_now_ms();
		int rc;

		if (left <= 0) {
			x->code = SPAMC_IOERR;
			return false;
		}
		rc = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (rc > 0)
			return true;
		if (rc < 0 && errno != EINTR) {
			x->code = SPAMC_OSERR;
			return false;
		}
	}
}

/* A server that closes early may have sent its reason: reading goes on after a failed write. */
static void
send_all(struct exchange *x, struct slice bytes)
{
	while (bytes.len > 0) {
		ssize_t n = send(x->fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (n > 0) {
			bytes = slice_from(bytes, (size_t)n);
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && wait_for(x, POLLOUT))
			continue;
		return;
	}
}

static bool
receive_all(struct exchange *x, struct spamc_answer *answer)
{
	size_t size = 0;

	for (;;) {
		ssize_t n;

		if (size - answer->len < 4096) {
			size_t bigger = size == 0 ? 16384 : size * 2;
			unsigned char *grown =
				bigger > ANSWER_BYTES_MAX ? NULL : realloc(answer->bytes, bigger);

			if (grown == NULL) {
				x->code = bigger > ANSWER_BYTES_MAX ? SPAMC_PROTOCOL : SPAMC_OSERR;
				return false;
			}
			answer->bytes = grown;
			size = bigger;
		}
		n = recv(x->fd, answer->bytes + answer->len, size - answer->len, 0);
		if (n == 0)
			return true;
		if (n > 0) {
			answer->len += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN && wait_for(x, POLLIN))
			continue;
		if (errno != EAGAIN)
			x->code = SPAMC_IOERR;
		return false;
	}
}

/* ---- request ---- */

static unsigned char *
deflate_message(struct slice message, size_t *len_r)
{
	uLongf len = compressBound(message.len);
	unsigned char *out = malloc(len);

	if (out != NULL && compress2(out, &len, message.data, message.len, ZLIB_LEVEL) != Z_OK) {
		free(out);
		out = NULL;
	}
	*len_r = len;
	return out;
}

static int
write_head(char *head, size_t size, const struct spamc_request *request, size_t body_len,
           bool has_body)
{
	int len = snprintf(head, size, "%s SPAMC/1.5\r\n", request->verb);

	if (has_body && request->user != NULL && len >= 0 && (size_t)len < size)
		len += snprintf(head + len, size - (size_t)len, "User: %s\r\n", request->user);
	if (has_body && request->compress && len >= 0 && (size_t)len < size)
		len += snprintf(head + len, size - (size_t)len, "Compress: zlib\r\n");
	if (has_body && len >= 0 && (size_t)len < size)
		len += snprintf(head + len, size - (size_t)len, "Content-length: %zu\r\n",
		                body_len);
	if (len >= 0 && (size_t)len < size)
		len += snprintf(head + len, size - (size_t)len, "\r\n");
	return len >= 0 && (size_t)len < size ? len : -1;
}

int
spamc_ask(const struct spamc_target *target, const struct spamc_request *request,
          struct spamc_answer *answer_r, spamc_log_fn log, void *log_data)
{
	struct exchange x = {.fd = -1, .code = SPAMC_IOERR};
	bool has_body = strcmp(request->verb, "PING") != 0;
	struct slice body = request->message;
	unsigned char *deflated = NULL;
	char head[8192];
	int code, len;

	*answer_r = (struct spamc_answer){0};
	if (has_body && request->compress) {
		size_t n;

		deflated = deflate_message(request->message, &n);
		if (deflated == NULL)
			return SPAMC_OSERR;
		body = slice_of(deflated, n);
	}
	len = write_head(head, sizeof(head), request, body.len, has_body);
	code = len < 0 ? SPAMC_DATAERR : spamc_connect(target, &x.fd, log, log_data);
	if (code == SPAMC_OK) {
		x.deadline_ms = target->timeout_s > 0 ? spamc_now_ms() + target->timeout_s * 1000
		                                      : INT64_MAX;
		send_all(&x, slice_of(head, (size_t)len));
		if (has_body)
			send_all(&x, body);
		shutdown(x.fd, SHUT_WR);
		code = !receive_all(&x, answer_r) ? x.code
		       : answer_r->len == 0       ? SPAMC_IOERR
		                                  : spamc_answer_parse(answer_r);
		close(x.fd);
	}
	free(deflated);
	if (code != SPAMC_OK) {
		free(answer_r->bytes);
		*answer_r = (struct spamc_answer){0};
	}
	return code;
}
