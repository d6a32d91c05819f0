/*
 * stream.c - bytes to and from the server
 */
#include "spamc/stream.h"

#include <errno.h>
#include <poll.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "spamc/connect.h"
#include "spamc/helper.h"
#include "spamc/private.h"

/* Whether to try again after a call on a TLS session. */
static bool
may_retry(struct spamc_stream *s, ssize_t rc)
{
	if (rc == SPAMC_TLS_WANT_READ)
		return spamc_wait(s->fd, POLLIN, s->deadline_ms);
	return rc == SPAMC_TLS_WANT_WRITE && spamc_wait(s->fd, POLLOUT, s->deadline_ms);
}

static int
shake_hands(struct spamc_stream *s, const struct transport *tp, int flags)
{
	char error[512] = "time is up";
	struct spamc_tls_options options = {
		.ca_file = tp->ssl_ca_file,
		.ca_path = tp->ssl_ca_path,
		.names = tp->type == TRANSPORT_TCP && tp->hostname != NULL
	                         ? tp->hostname
	                         : "localhost,127.0.0.1,::1",
		.error = error,
		.error_size = sizeof(error),
	};
	int rc;

	if ((flags & SPAMC_USE_DANE) != 0 && tp->type != TRANSPORT_UNIX)
		options.dane_port = tp->port;
	if ((flags & SPAMC_CLIENT_SSL_CERT) != 0) {
		options.cert_file = tp->ssl_cert_file;
		options.key_file = tp->ssl_key_file;
	}
	s->session = s->tls->open(s->fd, &options);
	if (s->session == NULL) {
		spamc_say(flags, LOG_ERR, "%s", error);
		return EX_OSERR;
	}
	do
		rc = s->tls->connect(s->session, &options);
	while (rc != 0 && may_retry(s, rc));
	if (rc == 0)
		return EX_OK;
	spamc_say(flags, LOG_ERR, "no TLS with spamd: %s", error);
	return EX_UNAVAILABLE;
}

int
spamc_stream_open(struct spamc_stream *s, const struct transport *tp, int flags,
                  const struct message *m)
{
	int code;

	*s = (struct spamc_stream){.fd = -1};
	if ((flags & SPAMC_USE_SSL) != 0 && (s->tls = spamc_load_tls(flags)) == NULL)
		return EX_OSERR;
	code = spamc_connect(tp, m->connect_timeout, &s->fd);
	if (code != EX_OK)
		return code;
	s->deadline_ms = m->timeout > 0 ? spamc_now_ms() + (int64_t)m->timeout * 1000 : INT64_MAX;
	if (s->tls != NULL)
		code = shake_hands(s, tp, flags);
	if (code != EX_OK)
		spamc_stream_close(s);
	return code;
}

bool
spamc_stream_write(struct spamc_stream *s, const char *bytes, size_t len, bool more)
{
	if (len > 0)
		s->last = bytes[len - 1];
	while (len > 0) {
		ssize_t n = s->tls != NULL
		                    ? s->tls->write(s->session, bytes, len)
		                    : send(s->fd, bytes, len, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
			continue;
		}
		if (s->tls != NULL ? may_retry(s, n)
		                   : errno == EINTR || (errno == EAGAIN &&
		                                        spamc_wait(s->fd, POLLOUT, s->deadline_ms)))
			continue;
		return false;
	}
	return true;
}

void
spamc_stream_end_writing(struct spamc_stream *s)
{
	/* The reference's spamd gives up on every other TLS connection whose client says goodbye
	 * before the answer.  It has to be said where a last line without its end would make that
	 * server wait. */
	if (s->tls != NULL && s->last == '\n')
		return;
	if (s->tls != NULL)
		s->tls->end_writing(s->session);
	shutdown(s->fd, SHUT_WR);
}

ssize_t
spamc_stream_read(struct spamc_stream *s, char *bytes, size_t size)
{
	for (;;) {
		ssize_t n = s->tls != NULL ? s->tls->read(s->session, bytes, size)
		                           : recv(s->fd, bytes, size, 0);

		if (n >= 0)
			return n;
		if (s->tls != NULL ? !may_retry(s, n)
		                   : errno != EINTR && (errno != EAGAIN ||
		                                        !spamc_wait(s->fd, POLLIN, s->deadline_ms)))
			return -1;
	}
}

void
spamc_stream_close(struct spamc_stream *s)
{
	if (s->session != NULL)
		s->tls->close(s->session);
	if (s->fd >= 0)
		close(s->fd);
	s->session = NULL;
	s->fd = -1;
}
