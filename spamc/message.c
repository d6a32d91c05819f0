/*
 * message.c - a message: read, written, passed on
 *
 * What was read stays in raw as it came until message_cleanup(), so that it can be given back byte
 * for byte.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <syslog.h>

#include "spamc/private.h"

enum { COPY_BYTES = 65536, TIMEOUT_S = 600 };

static void
clear(struct message *m)
{
	m->type = MESSAGE_NONE;
	m->raw = m->pre = m->msg = m->post = NULL;
	m->raw_len = m->pre_len = m->msg_len = m->post_len = 0;
	m->content_length = -1;
	m->is_spam = EX_TOOBIG;
	m->score = m->threshold = 0;
	m->outbuf = m->out = NULL;
	m->out_len = 0;
}

void
message_cleanup(struct message *m)
{
	free(m->outbuf);
	free(m->raw);
	if (m->priv != NULL)
		free(m->priv->plain);
	free(m->priv);
	m->priv = NULL;
	clear(m);
}

void
register_spamc_header_callback(const struct message *m,
                               void (*func)(struct message *m, int flags, char *buf, int len))
{
	m->priv->spamc_header_callback = func;
}

void
register_spamd_header_callback(const struct message *m,
                               void (*func)(struct message *m, int flags, const char *buf, int len))
{
	m->priv->spamd_header_callback = func;
}

/* ---- BSMTP ---- */

/* Begin of the message: behind a line DATA. */
static const char *
find_data(const char *raw, const char *end)
{
	const char *line = raw;

	while ((line = memchr(line, '\n', (size_t)(end - line))) != NULL) {
		const char *rest = ++line + 4;

		if (end - line < 5 || strncasecmp(line, "DATA", 4) != 0)
			continue;
		if (*rest == '\r' && end - rest > 1)
			rest++;
		if (*rest == '\n')
			return rest + 1;
	}
	return NULL;
}

static bool
is_lone_dot(const char *p, const char *end)
{
	return p + 1 == end || p[1] == '\n' || (p + 2 < end && p[1] == '\r' && p[2] == '\n');
}

/* Takes doubled dots out up to the lone one; its place, or NULL: there is none. */
static const char *
take_dots_out(const char *p, const char *end, char *out, int *len_r)
{
	bool at_begin = true;
	char *to = out;

	for (; p < end; p++) {
		if (at_begin && *p == '.') {
			if (is_lone_dot(p, end)) {
				*len_r = (int)(to - out);
				return p;
			}
			if (p[1] == '.')
				p++;
		}
		at_begin = *p == '\n';
		*to++ = *p;
	}
	return NULL;
}

static int
take_bsmtp(struct message *m)
{
	const char *end = m->raw + m->raw_len, *begin = find_data(m->raw, end), *post;

	if (begin == NULL)
		return EX_DATAERR;
	m->priv->plain = malloc((size_t)(end - begin) + 1);
	if (m->priv->plain == NULL)
		return EX_OSERR;
	post = take_dots_out(begin, end, m->priv->plain, &m->msg_len);
	if (post == NULL) {
		m->msg_len = 0;
		return EX_DATAERR;
	}
	m->pre = m->raw;
	m->pre_len = (int)(begin - m->raw);
	m->msg = m->priv->plain;
	m->post = m->raw + (post - m->raw);
	m->post_len = (int)(end - post);
	m->type = MESSAGE_BSMTP;
	return EX_OK;
}

/* A dot at the begin of a line becomes two. */
static long
write_dots(int fd, const char *p, size_t len)
{
	const char *end = p + len;
	long total = 0;

	while (p < end) {
		const char *stop = p;

		if (*p == '.' && !spamc_write_all(fd, ".", 1))
			return -1;
		total += *p == '.';
		/* up to the next line that begins with a dot */
		while ((stop = memchr(stop, '\n', (size_t)(end - stop))) != NULL)
			if (++stop == end || *stop == '.')
				break;
		if (stop == NULL)
			stop = end;
		if (!spamc_write_all(fd, p, (size_t)(stop - p)))
			return -1;
		total += stop - p;
		p = stop;
	}
	return total;
}

static long
write_bsmtp(int fd, const struct message *m)
{
	long body;

	if (!spamc_write_all(fd, m->pre, (size_t)m->pre_len))
		return -1;
	body = write_dots(fd, m->out, (size_t)m->out_len);
	if (body < 0 || !spamc_write_all(fd, m->post, (size_t)m->post_len))
		return -1;
	return m->pre_len + body + m->post_len;
}

/* ---- reading ---- */

/* What has been read is kept whatever happens: message_dump() gives it back. */
static int
read_raw(int fd, struct message *m)
{
	size_t room = m->max_len < INT_MAX ? m->max_len : INT_MAX - 1, got;
	int rc;

	m->raw = malloc(room + 1);
	if (m->raw == NULL)
		return EX_OSERR;
	rc = spamc_read_all(fd, m->raw, room + 1, &got);
	m->raw_len = (int)got;
	if (got == 0) {
		free(m->raw);
		m->raw = NULL;
		return EX_IOERR;
	}
	m->type = MESSAGE_ERROR;
	if (rc < 0) {
		spamc_say(m->priv->flags, LOG_ERR, "cannot read the message: %s", strerror(errno));
		return EX_IOERR;
	}
	if (got <= room)
		return EX_OK;
	spamc_say(m->priv->flags, LOG_NOTICE,
	          "skipped message, greater than max message size (%u bytes)", m->max_len);
	return EX_TOOBIG;
}

int
message_read(int fd, int flags, struct message *m)
{
	int code;

	clear(m);
	m->priv = calloc(1, sizeof(*m->priv));
	if (m->priv == NULL) {
		spamc_say(flags, LOG_ERR, "message_read: malloc failed");
		return EX_OSERR;
	}
	m->priv->flags = flags;
	if ((flags & SPAMC_PING) != 0)
		return EX_OK;
	code = read_raw(fd, m);
	if (code != EX_OK)
		return code;
	if ((flags & SPAMC_MODE_MASK) == SPAMC_BSMTP_MODE) {
		code = take_bsmtp(m);
	} else {
		m->type = MESSAGE_RAW;
		m->msg = m->raw;
		m->msg_len = m->raw_len;
	}
	m->out = m->msg;
	m->out_len = m->msg_len;
	return code;
}

/* ---- writing ---- */

static long
write_counted(int fd, const char *bytes, int len)
{
	return spamc_write_all(fd, bytes, (size_t)len) ? len : -1;
}

long
message_write(int fd, struct message *m)
{
	int flags = m->priv != NULL ? m->priv->flags : 0;

	if ((flags & (SPAMC_CHECK_ONLY | SPAMC_PING)) != 0) {
		if (m->is_spam == EX_ISSPAM || m->is_spam == EX_NOTSPAM)
			return write_counted(fd, m->out, m->out_len);
		spamc_say(flags, LOG_ERR, "there is no verdict to write (%d)", m->is_spam);
		return -1;
	}
	switch (m->type) {
	case MESSAGE_ERROR:
		return write_counted(fd, m->raw, m->raw_len);
	case MESSAGE_RAW:
		return write_counted(fd, m->out, m->out_len);
	case MESSAGE_BSMTP:
		/* no answer: as it came */
		return m->out == m->msg ? write_counted(fd, m->raw, m->raw_len)
		                        : write_bsmtp(fd, m);
	case MESSAGE_NONE:
	case MAX_MESSAGE_TYPE:
		break;
	}
	spamc_say(flags, LOG_ERR, "there is no message to write (type %d)", (int)m->type);
	return -1;
}

void
message_dump(int in_fd, int out_fd, struct message *m, int flags)
{
	char bytes[COPY_BYTES];
	size_t got;
	int rc;

	if (m == NULL) {
		spamc_say(flags, LOG_ERR, "message_dump: no message");
		return;
	}
	/* more than the verdict: -c has none here */
	if (m->type != MESSAGE_NONE && message_write(out_fd, m) < 0)
		return;
	do {
		rc = spamc_read_all(in_fd, bytes, sizeof(bytes), &got);
		if (!spamc_write_all(out_fd, bytes, got)) {
			spamc_say(flags, LOG_ERR, "cannot write the message: %s", strerror(errno));
			return;
		}
	} while (rc == 0 && got > 0);
}

/* ---- all in one ---- */

int
message_process(struct transport *tp, char *username, int max_size, int in_fd, int out_fd,
                const int flags)
{
	struct message m = {.timeout = TIMEOUT_S};
	int code = EX_SOFTWARE;

	if (max_size >= 0) {
		m.max_len = (unsigned)max_size;
		code = message_read(in_fd, flags, &m);
		if (code == EX_OK)
			code = message_filter(tp, username, flags, &m);
		if (code == EX_OK && message_write(out_fd, &m) >= 0) {
			code = m.is_spam != EX_TOOBIG ? m.is_spam : code;
			message_cleanup(&m);
			return code;
		}
	}
	if ((flags & SPAMC_CHECK_ONLY) != 0) {
		spamc_write_all(out_fd, "0/0\n", 4);
		code = EX_NOTSPAM;
	} else {
		message_dump(in_fd, out_fd, &m, flags);
	}
	message_cleanup(&m);
	return code;
}

int
process_message(struct transport *tp, char *username, int max_size, int in_fd, int out_fd,
                const int check_only, const int safe_fallback)
{
	return message_process(tp, username, max_size, in_fd, out_fd,
	                       SPAMC_RAW_MODE | (check_only ? SPAMC_CHECK_ONLY : 0) |
	                               (safe_fallback ? SPAMC_SAFE_FALLBACK : 0));
}
