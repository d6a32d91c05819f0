/*
 * dccifd.c - one question to DCC's daemon
 */
#include "plugins/dccifd.h"

#include <errno.h>
#include <netdb.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"

enum { RESPONSE_MAX = 64 * 1024 };

bool
dccifd_place_unix(struct dccifd_place *place, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, len + 1);
	memcpy(&place->address, &address, sizeof(address));
	place->length = sizeof(address);
	return true;
}

bool
dccifd_place_tcp(struct dccifd_place *place, const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;

	if (getaddrinfo(host, port, &hints, &list) != 0)
		return false;
	memcpy(&place->address, list->ai_addr, list->ai_addrlen);
	place->length = list->ai_addrlen;
	freeaddrinfo(list);
	return true;
}

void
dccifd_end(struct dccifd_talk *talk)
{
	if (talk->fd >= 0)
		(void)close(talk->fd);
	talk->fd = -1;
}

static void
end_talk(void *data)
{
	dccifd_end(data);
}

bool
dccifd_begin(struct dccifd_talk *talk, struct arena *arena, const struct dccifd_place *place,
             struct slice request, int64_t deadline_ms)
{
	talk->fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	talk->request = request;
	talk->sent = 0;
	talk->deadline_ms = deadline_ms;
	strbuf_init(&talk->response, arena, RESPONSE_MAX);
	if (talk->fd < 0)
		return false;
	if ((connect(talk->fd, (const struct sockaddr *)&place->address, place->length) == 0 ||
	     errno == EINPROGRESS) &&
	    arena_on_reset(arena, end_talk, talk))
		return true;
	dccifd_end(talk);
	return false;
}

/* false: not yet, or it failed. */
static bool
send_all(struct dccifd_talk *talk)
{
	while (talk->sent < talk->request.len) {
		ssize_t n = send(talk->fd, talk->request.data + talk->sent,
		                 talk->request.len - talk->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && errno != ENOTCONN)
			dccifd_end(talk);
		if (n < 0)
			return false;
		talk->sent += (size_t)n;
		if (talk->sent == talk->request.len)
			(void)shutdown(talk->fd, SHUT_WR);
	}
	return true;
}

static void
receive(struct dccifd_talk *talk)
{
	char block[4096];

	while (talk->fd >= 0) {
		ssize_t n = recv(talk->fd, block, sizeof(block), 0);

		if (n > 0) {
			strbuf_add(&talk->response, slice_of(block, (size_t)n));
			if (!strbuf_is_bad(&talk->response))
				continue;
		} else if (n < 0 && errno == EINTR) {
			continue;
		} else if (n < 0 && (errno == EAGAIN || errno == ENOTCONN)) {
			return;
		}
		dccifd_end(talk);
	}
}

bool
dccifd_step(struct dccifd_talk *talk)
{
	if (talk->fd >= 0 && send_all(talk))
		receive(talk);
	if (talk->fd < 0)
		return true;
	if (clock_monotonic_ms() < talk->deadline_ms)
		return false;
	talk->response.len = 0;
	dccifd_end(talk);
	return true;
}
