/*
 * smtp_send.c - one message to one mail server
 */
#include "plugins/smtp_send.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"
#include "util/strbuf.h"

enum { ANSWER_MS = 10 * 1000, LINE_MAX = 4096 };

struct session {
	struct arena *arena;
	int fd;
	char line[LINE_MAX];
	size_t len;
};

/* ---- connection ---- */

static bool
connect_in_time(int fd, const struct addrinfo *a)
{
	struct pollfd ready = {fd, POLLOUT, 0};
	int error = 0;
	socklen_t len = sizeof(error);

	if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
		return true;
	if (errno != EINPROGRESS)
		return false;
	if (poll(&ready, 1, ANSWER_MS) != 1) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return false;
	errno = error;
	return error == 0;
}

/* Every address in turn. */
static enum status
open_session(struct session *s, const struct smtp_send *send, struct error *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	int rc = getaddrinfo(send->host, send->port, &hints, &list), saved = 0;

	if (rc != 0)
		return error_set(error, STATUS_IO, "%s", gai_strerror(rc));
	for (struct addrinfo *a = list; a != NULL && s->fd < 0; a = a->ai_next) {
		s->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (s->fd >= 0 && !connect_in_time(s->fd, a)) {
			saved = errno;
			(void)close(s->fd);
			s->fd = -1;
		}
	}
	freeaddrinfo(list);
	return s->fd >= 0 ? STATUS_OK : error_set(error, STATUS_IO, "%s", strerror(saved));
}

static bool
write_all(struct session *s, struct slice data)
{
	while (data.len > 0) {
		ssize_t n = send(s->fd, data.data, data.len, MSG_NOSIGNAL);
		struct pollfd ready = {s->fd, POLLOUT, 0};

		if (n >= 0)
			data = slice_from(data, (size_t)n);
		else if (errno == EAGAIN && poll(&ready, 1, ANSWER_MS) == 1)
			continue;
		else if (errno != EINTR)
			return false;
	}
	return true;
}

/* ---- answers ---- */

/* One line into *line_r, without its end. */
static bool
read_line(struct session *s, struct slice *line_r)
{
	static const char none[] = "";

	*line_r = slice_of(none, 0);
	for (;;) {
		char *lf = memchr(s->line, '\n', s->len);
		struct pollfd ready = {s->fd, POLLIN, 0};
		ssize_t n;

		if (lf != NULL) {
			size_t len = (size_t)(lf - s->line) + 1;

			*line_r = slice_rtrim(arena_dup(s->arena, slice_of(s->line, len)));
			s->len -= len;
			memmove(s->line, lf + 1, s->len);
			return true;
		}
		if (s->len == sizeof(s->line) || poll(&ready, 1, ANSWER_MS) != 1)
			return false;
		n = recv(s->fd, s->line + s->len, sizeof(s->line) - s->len, 0);
		if (n <= 0)
			return false;
		s->len += (size_t)n;
	}
}

/* The last line of an answer counts; its first digit must be `wanted`. */
static enum status
expect(struct session *s, char wanted, struct error *error)
{
	struct slice line;

	do {
		if (!read_line(s, &line))
			return error_set(error, STATUS_IO, "the server does not answer");
	} while (line.len > 3 && line.data[3] == '-');
	if (line.len > 0 && line.data[0] == (unsigned char)wanted)
		return STATUS_OK;
	return error_set(error, STATUS_BAD, "%.*s", SLICE_FMT(log_quote(s->arena, line, 200)));
}

static enum status
command(struct session *s, struct slice text, char wanted, struct error *error)
{
	if (text.data == NULL || !write_all(s, text))
		return error_set(error, STATUS_IO, "the connection broke");
	return expect(s, wanted, error);
}

/* Lines end in CRLF, full stops at their beginnings are doubled, a line of one ends it. */
static struct slice
as_data(struct arena *arena, struct slice text)
{
	struct strbuf out;
	struct slice line;

	strbuf_init(&out, arena, 0);
	while (slice_next_line(&text, &line)) {
		while (line.len > 0 &&
		       (line.data[line.len - 1] == '\n' || line.data[line.len - 1] == '\r'))
			line.len--;
		if (slice_starts(line, SLICE(".")))
			strbuf_add_byte(&out, '.');
		strbuf_add(&out, line);
		strbuf_add_cstr(&out, "\r\n");
	}
	strbuf_add_cstr(&out, ".\r\n");
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

static enum status
talk(struct session *s, const struct smtp_send *send, struct error *error)
{
	struct arena *a = s->arena;
	enum status status = expect(s, '2', error);

	if (status == STATUS_OK)
		status = command(s, arena_printf(a, "EHLO %s\r\n", send->hello), '2', error);
	if (status == STATUS_BAD)
		status = command(s, arena_printf(a, "HELO %s\r\n", send->hello), '2', error);
	if (status == STATUS_OK)
		status = command(s, arena_printf(a, "MAIL FROM:<%.*s>\r\n", SLICE_FMT(send->from)),
		                 '2', error);
	if (status == STATUS_OK)
		status = command(s, arena_printf(a, "RCPT TO:<%.*s>\r\n", SLICE_FMT(send->to)), '2',
		                 error);
	if (status == STATUS_OK)
		status = command(s, SLICE("DATA\r\n"), '3', error);
	if (status == STATUS_OK)
		status = command(s, as_data(a, send->text), '2', error);
	if (status == STATUS_OK)
		(void)!write_all(s, SLICE("QUIT\r\n"));
	return status;
}

enum status
smtp_send(struct arena *arena, const struct smtp_send *send, struct error *error)
{
	struct session *s = arena_new(arena, struct session);
	enum status status;

	if (s == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	s->arena = arena;
	s->fd = -1;
	status = open_session(s, send, error);
	if (status == STATUS_OK)
		status = talk(s, send, error);
	if (s->fd >= 0)
		(void)close(s->fd);
	return status;
}
