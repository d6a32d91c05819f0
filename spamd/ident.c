/*
 * ident.c - who the client is, by word of the host it comes from
 */
#include "spamd/ident.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IDENT_PORT = 113, USER_BYTES_MAX = 512 };

/* Sets another port, tells the one that was there. */
static unsigned
swap_port(struct sockaddr_storage *addr, unsigned port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)addr;
	in_port_t *at = addr->ss_family == AF_INET6 ? &v6->sin6_port : &v4->sin_port;
	unsigned was = ntohs(*at);

	*at = htons((in_port_t)port);
	return was;
}

enum status
ident_open(struct ident *ident, int client)
{
	struct sockaddr_storage peer, own;
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);

	*ident = (struct ident){.fd = -1};
	if (getpeername(client, (struct sockaddr *)&peer, &peer_len) != 0 ||
	    getsockname(client, (struct sockaddr *)&own, &own_len) != 0)
		return STATUS_IO;
	ident->fd = socket(peer.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (ident->fd < 0)
		return STATUS_IO;
	ident->peer_port = swap_port(&peer, IDENT_PORT);
	ident->own_port = swap_port(&own, 0);
	/* No bind() to the address that the client spoke to: a worker's sandbox does not have it.
	 */
	if (connect(ident->fd, (struct sockaddr *)&peer, peer_len) == 0 || errno == EINPROGRESS)
		return STATUS_AGAIN;
	ident_close(ident);
	return STATUS_IO;
}

void
ident_close(struct ident *ident)
{
	if (ident->fd >= 0)
		close(ident->fd);
	ident->fd = -1;
}

short
ident_events(const struct ident *ident)
{
	return ident->asked ? POLLIN : POLLOUT;
}

enum status
ident_step(struct ident *ident, struct slice *name_r)
{
	ssize_t n;

	if (!ident->asked) {
		char question[32];
		int len = snprintf(question, sizeof(question), "%u , %u\r\n", ident->peer_port,
		                   ident->own_port);

		n = send(ident->fd, question, (size_t)len, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
			return STATUS_AGAIN;
		ident->asked = n == len;
		return ident->asked ? STATUS_AGAIN : STATUS_IO;
	}
	n = recv(ident->fd, ident->answer + ident->len, sizeof(ident->answer) - ident->len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return STATUS_AGAIN;
	if (n < 0)
		return STATUS_IO;
	ident->len += (size_t)n;
	if (n > 0 && ident->len < sizeof(ident->answer) &&
	    memchr(ident->answer, '\n', ident->len) == NULL)
		return STATUS_AGAIN;
	return ident_parse(slice_of((const unsigned char *)ident->answer, ident->len),
	                   ident->peer_port, ident->own_port, name_r);
}

/* Digits up to `end`, blanks around them. */
static bool
take_port(struct slice *rest, unsigned char end, unsigned port)
{
	size_t at = slice_find_byte(*rest, end, 0);
	struct slice digits;
	unsigned value = 0;

	if (at == SLICE_NPOS)
		return false;
	digits = slice_trim(slice_sub(*rest, 0, at));
	*rest = slice_from(*rest, at + 1);
	if (digits.len == 0 || digits.len > 5)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		value = value * 10 + (unsigned)(digits.data[i] - '0');
	}
	return value == port;
}

/* "6193, 23 : USERID : UNIX : name" */
enum status
ident_parse(struct slice answer, unsigned peer_port, unsigned own_port, struct slice *name_r)
{
	struct slice rest = slice_sub(answer, 0, slice_find_byte(answer, '\n', 0)), word;
	size_t at;

	*name_r = SLICE_NULL;
	if (slice_ends(rest, SLICE("\r")))
		rest.len--;
	if (!take_port(&rest, ',', peer_port) || !take_port(&rest, ':', own_port))
		return STATUS_BAD;
	at = slice_find_byte(rest, ':', 0);
	if (at == SLICE_NPOS)
		return STATUS_BAD;
	word = slice_trim(slice_sub(rest, 0, at));
	rest = slice_from(rest, at + 1);
	if (slice_ieq(word, SLICE("ERROR")))
		return STATUS_NONE;
	at = slice_find_byte(rest, ':', 0);
	if (!slice_ieq(word, SLICE("USERID")) || at == SLICE_NPOS)
		return STATUS_BAD;
	word = slice_trim(slice_sub(rest, 0, at));
	rest = slice_trim(slice_from(rest, at + 1));
	/* OTHER: not a name that means anything here */
	if (slice_eq(word, SLICE("OTHER")) || rest.len == 0 || rest.len > USER_BYTES_MAX)
		return STATUS_NONE;
	*name_r = rest;
	return STATUS_OK;
}

bool
ident_unix_owner(int client, uid_t *uid_r)
{
	struct ucred owner;
	socklen_t len = sizeof(owner);

	if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &owner, &len) != 0 ||
	    owner.uid == (uid_t)-1)
		return false;
	*uid_r = owner.uid;
	return true;
}
