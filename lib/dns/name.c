/*
 * name.c - does the name service answer?
 */
#include "dns/name.h"

#include <ares.h>
#include <arpa/inet.h>
#include <poll.h>
#include <string.h>

#include "util/clock.h"

struct asked {
	bool is_done, is_answered;
};

static void
on_answer(void *data, int status, int timeouts, struct ares_addrinfo *list)
{
	struct asked *asked = data;

	(void)timeouts;
	if (list != NULL)
		ares_freeaddrinfo(list);
	asked->is_done = true;
	asked->is_answered = status != ARES_ETIMEOUT && status != ARES_EDESTRUCTION &&
	                     status != ARES_ECANCELLED && status != ARES_ECONNREFUSED;
}

static void
wait_once(ares_channel channel, int64_t left_ms)
{
	ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
	struct pollfd fds[ARES_GETSOCK_MAXNUM];
	int bits = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
	nfds_t count = 0;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
		int events = (ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
		             (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0);

		if (events != 0)
			fds[count++] = (struct pollfd){sockets[i], (short)events, 0};
	}
	(void)poll(fds, count, left_ms < 50 ? (int)left_ms : 50);
	ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what is overdue */
	for (nfds_t i = 0; i < count; i++)
		ares_process_fd(channel,
		                fds[i].revents & (POLLIN | POLLERR | POLLHUP) ? fds[i].fd
		                                                              : ARES_SOCKET_BAD,
		                fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
}

/* An address, the path of a socket, or a list: no name to ask for. */
static bool
is_no_name(const char *host)
{
	unsigned char bytes[16];

	return host[strcspn(host, "/@,")] != '\0' || inet_pton(AF_INET, host, bytes) == 1 ||
	       inet_pton(AF_INET6, host, bytes) == 1;
}

bool
dns_name_is_answered(const char *host, int64_t wait_ms)
{
	struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC};
	struct ares_options options = {.timeout = (int)(wait_ms / 2) + 1, .tries = 2};
	struct asked asked = {false, false};
	int64_t until_ms = clock_monotonic_ms() + wait_ms;
	ares_channel channel;

	if (host == NULL || *host == '\0' || is_no_name(host))
		return true;
	if (ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES) !=
	    ARES_SUCCESS)
		return true;
	ares_getaddrinfo(channel, host, NULL, &hints, on_answer, &asked);
	while (!asked.is_done && clock_monotonic_ms() < until_ms)
		wait_once(channel, until_ms - clock_monotonic_ms());
	ares_destroy(channel);
	return asked.is_answered;
}
