/*
 * sockets.h - the sockets of a c-ares channel, with few system calls
 *
 * Owns: struct dns_sockets: datagrams that wait to be sent together, datagrams that were received
 * together, the epoll set of all sockets.  Data: c-ares -> dns_sockets_flush() -> sendmmsg(2);
 * recvmmsg(2) -> c-ares.  Streams (TCP) pass through.  One per resolver; never shared across
 * fork().
 */
#ifndef WINNOW_DNS_SOCKETS_H
#define WINNOW_DNS_SOCKETS_H

#include <ares.h>
#include <stdbool.h>

#include "dns/random.h"
#include "util/log.h"
#include "util/status.h"

struct dns_sockets;

struct dns_sockets_options {
	/* 65536 bits: local ports that may be used; NULL: the host chooses. */
	const unsigned char *ports;
	struct dns_random *random;
	const struct log *log;
};

struct dns_sockets *dns_sockets_create(const struct dns_sockets_options *options,
                                       struct error *error);
/* When the channel is gone. */
void dns_sockets_destroy(struct dns_sockets **sockets);

/* From now on the channel's sockets are these; before its first question. */
void dns_sockets_serve(struct dns_sockets *sockets, ares_channel channel);
/* For ares_options: sock_state_cb, with the sockets as its data. */
void dns_sockets_state(void *data, ares_socket_t fd, int readable, int writable);

/* Readable when a socket has something. */
int dns_sockets_fd(const struct dns_sockets *sockets);
/* What c-ares wrote leaves now; sockets that failed are told so to the channel. */
void dns_sockets_flush(struct dns_sockets *sockets);
/* The network does not take more at the moment: flush again soon. */
bool dns_sockets_are_full(const struct dns_sockets *sockets);
/* Hands what came to the channel. */
void dns_sockets_process(struct dns_sockets *sockets);

#endif
