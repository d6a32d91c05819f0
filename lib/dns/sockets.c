/*
 * sockets.c - the sockets of a c-ares channel, with few system calls
 *
 * A message asks some forty questions within a millisecond and the answers come nearly as close
 * together.  c-ares writes and reads each with a system call; here it writes into `sending` and
 * reads from `received`.
 */
#include "dns/sockets.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	SEND_MAX = 64,
	SEND_BYTES = 512, /* a question has 281 at most; c-ares may add a cookie */
	RECEIVE_MAX = 32,
	RECEIVE_BYTES = 4096 + 1, /* as much as c-ares asks for */
	BUFFER_BYTES = 1024 * 1024,
	EVENTS = 64,
	PORT_TRIES = 50
};

struct open_socket {
	int fd;
	bool is_stream;
	int error; /* of the last flush, for c-ares to see when it reads; 0: none */
};

struct datagram {
	int fd;
	size_t len;
	unsigned char bytes[SEND_BYTES];
};

/* Datagrams of one socket, in the order in which they came. */
struct batch {
	int fd; /* -1: of none */
	unsigned count, next;
	bool is_last; /* nothing more was there */
	struct sockaddr_storage from[RECEIVE_MAX];
	struct iovec parts[RECEIVE_MAX];
	struct mmsghdr heads[RECEIVE_MAX];
	unsigned char bytes[RECEIVE_MAX][RECEIVE_BYTES];
};

struct dns_sockets {
	struct dns_sockets_options options;
	ares_channel channel;
	int epoll;
	struct open_socket *open;
	size_t open_count, open_space;
	struct datagram sending[SEND_MAX];
	size_t sending_count;
	bool is_full;
	struct batch received;
};

/* ---- which are open ---- */

static struct open_socket *
find(struct dns_sockets *s, int fd)
{
	for (size_t i = 0; i < s->open_count; i++)
		if (s->open[i].fd == fd)
			return &s->open[i];
	return NULL;
}

static bool
add(struct dns_sockets *s, int fd, bool is_stream)
{
	if (s->open_count == s->open_space) {
		size_t space = s->open_space == 0 ? 8 : s->open_space * 2;
		struct open_socket *more = realloc(s->open, space * sizeof(*more));

		if (more == NULL)
			return false;
		s->open = more;
		s->open_space = space;
	}
	s->open[s->open_count++] = (struct open_socket){.fd = fd, .is_stream = is_stream};
	return true;
}

/* What it had to send is nobody's question any more. */
static void
drop(struct dns_sockets *s, int fd)
{
	struct open_socket *socket = find(s, fd);
	size_t kept = 0;

	if (socket != NULL)
		*socket = s->open[--s->open_count];
	for (size_t i = 0; i < s->sending_count; i++) {
		if (s->sending[i].fd == fd)
			continue;
		if (kept != i)
			s->sending[kept] = s->sending[i];
		kept++;
	}
	s->sending_count = kept;
	if (s->received.fd == fd)
		s->received.fd = -1;
}

/* ---- opening ---- */

static unsigned
pick_port(struct dns_sockets *s)
{
	const unsigned char *ports = s->options.ports;
	unsigned short start;

	dns_random_take(s->options.random, &start, sizeof(start));
	for (unsigned i = 0; i < 65536; i++) {
		unsigned port = (start + i) & 0xffff;

		if (ports[port / 8] >> (port % 8) & 1)
			return port;
	}
	return 0;
}

static int
bind_port(int fd, int family, unsigned port)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	return family == AF_INET6 ? bind(fd, (const struct sockaddr *)&v6, sizeof(v6))
	                          : bind(fd, (const struct sockaddr *)&v4, sizeof(v4));
}

/* A local port among those that configuration permits; the host's choice when all are taken. */
static void
choose_port(struct dns_sockets *s, int fd, int family)
{
	if (s->options.ports == NULL)
		return;
	for (int i = 0; i < PORT_TRIES; i++)
		if (bind_port(fd, family, pick_port(s)) == 0)
			return;
	log_info(s->options.log, "dns", "no configured local port could be used: %s",
	         strerror(errno));
}

static ares_socket_t
on_open(int family, int type, int protocol, void *data)
{
	struct dns_sockets *s = data;
	int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
	const int bytes = BUFFER_BYTES, yes = 1;

	if (fd < 0)
		return ARES_SOCKET_BAD;
	if (!add(s, fd, type == SOCK_STREAM)) {
		close(fd);
		errno = ENOMEM;
		return ARES_SOCKET_BAD;
	}
	if (type == SOCK_STREAM) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
		return fd;
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	choose_port(s, fd, family);
	return fd;
}

static int
on_close(ares_socket_t fd, void *data)
{
	drop(data, fd);
	return close(fd);
}

static int
on_connect(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t len, void *data)
{
	(void)data;
	return connect(fd, address, len);
}

/* ---- sending ---- */

/* How many of the first have the socket of the very first. */
static unsigned
run_length(const struct dns_sockets *s)
{
	unsigned n = 1;

	while (n < s->sending_count && s->sending[n].fd == s->sending[0].fd)
		n++;
	return n;
}

static void
take_away(struct dns_sockets *s, size_t count)
{
	s->sending_count -= count;
	memmove(s->sending, s->sending + count, s->sending_count * sizeof(s->sending[0]));
}

/* false: the network takes no more now. */
static bool
send_run(struct dns_sockets *s)
{
	struct iovec parts[SEND_MAX];
	struct mmsghdr heads[SEND_MAX];
	unsigned count = run_length(s);
	int fd = s->sending[0].fd, sent;
	struct open_socket *socket;

	for (unsigned i = 0; i < count; i++) {
		parts[i] = (struct iovec){s->sending[i].bytes, s->sending[i].len};
		heads[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
	}
	sent = sendmmsg(fd, heads, count, MSG_NOSIGNAL);
	if (sent > 0) {
		take_away(s, (size_t)sent);
		return true;
	}
	if (errno == EINTR)
		return true;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
		return false;
	socket = find(s, fd);
	if (socket != NULL && socket->error == 0)
		socket->error = errno;
	take_away(s, count);
	return true;
}

static void
send_all(struct dns_sockets *s)
{
	s->is_full = false;
	while (s->sending_count > 0 && !s->is_full)
		s->is_full = !send_run(s);
}

/* c-ares gives the socket's questions to the next server, which may write again. */
static bool
tell_failed(struct dns_sockets *s)
{
	for (size_t i = 0; i < s->open_count; i++) {
		int fd = s->open[i].fd;
		struct open_socket *socket;

		if (s->open[i].error == 0)
			continue;
		ares_process_fd(s->channel, fd, ARES_SOCKET_BAD);
		socket = find(s, fd);
		if (socket != NULL)
			socket->error = 0;
		return true;
	}
	return false;
}

void
dns_sockets_flush(struct dns_sockets *s)
{
	do
		send_all(s);
	while (tell_failed(s));
}

bool
dns_sockets_are_full(const struct dns_sockets *s)
{
	return s->is_full;
}

static ares_ssize_t
on_send(ares_socket_t fd, const struct iovec *parts, int count, void *data)
{
	struct dns_sockets *s = data;
	const struct open_socket *socket = find(s, fd);
	struct datagram *datagram;
	size_t len = 0;

	for (int i = 0; i < count; i++)
		len += parts[i].iov_len;
	if (socket == NULL || socket->is_stream || len > SEND_BYTES)
		return writev(fd, parts, count);
	if (s->sending_count == SEND_MAX)
		send_all(s); /* failures are told later: c-ares is in the middle of something */
	if (s->sending_count == SEND_MAX) {
		errno = ENOBUFS;
		return -1;
	}
	datagram = &s->sending[s->sending_count++];
	datagram->fd = fd;
	datagram->len = 0;
	for (int i = 0; i < count; i++) {
		memcpy(datagram->bytes + datagram->len, parts[i].iov_base, parts[i].iov_len);
		datagram->len += parts[i].iov_len;
	}
	return (ares_ssize_t)len;
}

/* ---- receiving ---- */

/* false: errno says why there are none. */
static bool
receive(struct batch *b, int fd)
{
	int n;

	if (b->fd == fd && b->next < b->count)
		return true;
	if (b->fd == fd && b->is_last) {
		b->fd = -1;
		errno = EAGAIN;
		return false;
	}
	for (unsigned i = 0; i < RECEIVE_MAX; i++) {
		b->parts[i] = (struct iovec){b->bytes[i], RECEIVE_BYTES};
		b->heads[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &b->from[i],
		                                           .msg_namelen = sizeof(b->from[i]),
		                                           .msg_iov = &b->parts[i],
		                                           .msg_iovlen = 1}};
	}
	b->fd = -1;
	n = recvmmsg(fd, b->heads, RECEIVE_MAX, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return false;
	b->fd = fd;
	b->next = 0;
	b->count = (unsigned)n;
	b->is_last = b->count < RECEIVE_MAX;
	return true;
}

static ares_ssize_t
on_receive(ares_socket_t fd, void *out, size_t size, int flags, struct sockaddr *from,
           ares_socklen_t *from_len, void *data)
{
	struct dns_sockets *s = data;
	struct open_socket *socket = find(s, fd);
	struct batch *b = &s->received;
	const struct mmsghdr *head;
	size_t len;

	if (socket != NULL && socket->error != 0) {
		errno = socket->error;
		socket->error = 0;
		return -1;
	}
	if (socket == NULL || socket->is_stream)
		return recvfrom(fd, out, size, flags, from, from_len);
	if (!receive(b, fd))
		return -1;
	head = &b->heads[b->next];
	len = head->msg_len < size ? head->msg_len : size;
	memcpy(out, b->bytes[b->next], len);
	if (from != NULL && from_len != NULL) {
		if (*from_len > head->msg_hdr.msg_namelen)
			*from_len = head->msg_hdr.msg_namelen;
		memcpy(from, &b->from[b->next], *from_len);
	}
	b->next++;
	return (ares_ssize_t)len;
}

/* ---- waiting ---- */

void
dns_sockets_state(void *data, ares_socket_t fd, int readable, int writable)
{
	struct dns_sockets *s = data;
	struct epoll_event event = {.events = (readable ? (uint32_t)EPOLLIN : 0) |
	                                      (writable ? (uint32_t)EPOLLOUT : 0),
	                            .data = {.fd = fd}};

	if (!readable && !writable)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, &event);
	else if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST)
		(void)epoll_ctl(s->epoll, EPOLL_CTL_MOD, fd, &event);
}

int
dns_sockets_fd(const struct dns_sockets *s)
{
	return s->epoll;
}

void
dns_sockets_process(struct dns_sockets *s)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(s->epoll, events, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		s->received.fd = -1; /* what was the last then need not be now */
		ares_process_fd(s->channel,
		                events[i].events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
		                events[i].events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
	}
}

/* ---- making them ---- */

void
dns_sockets_serve(struct dns_sockets *s, ares_channel channel)
{
	static const struct ares_socket_functions functions = {
		.asocket = on_open,
		.aclose = on_close,
		.aconnect = on_connect,
		.arecvfrom = on_receive,
		.asendv = on_send,
	};

	s->channel = channel;
	ares_set_socket_functions(channel, &functions, s);
}

struct dns_sockets *
dns_sockets_create(const struct dns_sockets_options *options, struct error *error)
{
	struct dns_sockets *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		(void)error_set(error, STATUS_LIMIT, "no memory for the resolver's sockets");
		return NULL;
	}
	s->options = *options;
	s->received.fd = -1;
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll < 0) {
		(void)error_set(error, STATUS_IO, "epoll: %s", strerror(errno));
		dns_sockets_destroy(&s);
	}
	return s;
}

void
dns_sockets_destroy(struct dns_sockets **sockets)
{
	struct dns_sockets *s = *sockets;

	*sockets = NULL;
	if (s == NULL)
		return;
	if (s->epoll >= 0)
		close(s->epoll);
	free(s->open);
	free(s);
}
