/*
 * update_dns.c - TXT records, for a program that has nothing else to do
 */
#include "cmd/update_dns.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "util/clock.h"
#include "util/strbuf.h"

enum { WAIT_MS = 60 * 1000, TRY_MS = 5000, TRIES = 4 };

struct question {
	struct arena *arena;
	slice_vec *texts;
	bool done;
	int status;
};

static void
take_texts(struct question *q, struct ares_txt_ext *list)
{
	struct strbuf text;

	strbuf_init(&text, q->arena, 0);
	for (struct ares_txt_ext *t = list; t != NULL; t = t->next) {
		if (text.len > 0)
			strbuf_add_byte(&text, ' ');
		strbuf_add(&text, slice_of(t->txt, t->length));
		if (t->next != NULL && !t->next->record_start)
			continue;
		if (text.len > 0)
			(void)vec_push(q->arena, q->texts, strbuf_slice(&text));
		strbuf_init(&text, q->arena, 0);
	}
}

static void
answered(void *data, int status, int timeouts, unsigned char *answer, int len)
{
	struct question *q = data;
	struct ares_txt_ext *list = NULL;

	(void)timeouts;
	q->done = true;
	if (status == ARES_SUCCESS)
		status = ares_parse_txt_reply_ext(answer, len, &list);
	if (status == ARES_SUCCESS)
		take_texts(q, list);
	q->status = status;
	if (list != NULL)
		ares_free_data(list);
}

/* ---- whom to ask ---- */

static unsigned
port_of_environment(void)
{
	const char *options = getenv("RES_OPTIONS");
	struct slice rest = options == NULL ? SLICE("") : slice_from_cstr(options), word;
	unsigned long long port = 53;

	while (slice_next_word(&rest, &word))
		if (slice_starts(word, SLICE("port:")))
			(void)slice_to_u64(slice_from(word, 5), 65535, &port);
	return (unsigned)port;
}

static bool
use_servers_of_environment(ares_channel channel, struct arena *arena)
{
	const char *servers = getenv("RES_NAMESERVERS");
	unsigned port = port_of_environment();
	struct slice rest, word;
	struct strbuf csv;

	if (servers == NULL || servers[0] == '\0')
		return true;
	rest = slice_from_cstr(servers);
	strbuf_init(&csv, arena, 0);
	while (slice_next_word(&rest, &word))
		strbuf_printf(&csv, "%s%s%.*s%s:%u", csv.len > 0 ? "," : "",
		              slice_has_byte(word, ':') ? "[" : "", SLICE_FMT(word),
		              slice_has_byte(word, ':') ? "]" : "", port);
	return ares_set_servers_ports_csv(channel, arena_cstr(arena, strbuf_slice(&csv))) ==
	       ARES_SUCCESS;
}

static void
keep_ipv4_servers(ares_channel channel)
{
	struct ares_addr_port_node *list = NULL, *kept = NULL, *next;

	if (ares_get_servers_ports(channel, &list) != ARES_SUCCESS)
		return;
	for (struct ares_addr_port_node *node = list, **end = &kept; node != NULL; node = next) {
		next = node->next;
		if (node->family != AF_INET)
			continue;
		*end = node;
		end = &node->next;
		*end = NULL;
	}
	if (kept != NULL)
		(void)ares_set_servers_ports(channel, kept);
	/* those left out of the list go with the program */
	ares_free_data(kept != NULL ? kept : list);
}

/* ---- asking ---- */

static void
wait_for(ares_channel channel, const struct question *q)
{
	int64_t deadline_ms = clock_monotonic_ms() + WAIT_MS;

	while (!q->done && clock_monotonic_ms() < deadline_ms) {
		ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
		struct pollfd fds[ARES_GETSOCK_MAXNUM];
		int mask = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM);
		struct timeval most = {1, 0}, tv, *wait = ares_timeout(channel, &most, &tv);
		nfds_t count = 0;

		for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
			short events = (short)((ARES_GETSOCK_READABLE(mask, i) ? POLLIN : 0) |
			                       (ARES_GETSOCK_WRITABLE(mask, i) ? POLLOUT : 0));

			if (events != 0)
				fds[count++] = (struct pollfd){sockets[i], events, 0};
		}
		(void)poll(fds, count, (int)(wait->tv_sec * 1000 + wait->tv_usec / 1000) + 1);
		ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
		for (nfds_t i = 0; i < count; i++)
			ares_process_fd(channel,
			                fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
			                fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
	}
}

enum status
update_dns_txt(struct arena *arena, const char *name, int family, slice_vec *texts_r,
               struct error *error)
{
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH, .timeout = TRY_MS, .tries = TRIES};
	struct question q = {.arena = arena, .texts = texts_r, .status = ARES_ETIMEOUT};
	ares_channel channel;
	int rc = ares_init_options(&channel, &options,
	                           ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);

	*texts_r = (slice_vec){0};
	if (rc != ARES_SUCCESS)
		return error_set(error, STATUS_IO, "%s", ares_strerror(rc));
	if (!use_servers_of_environment(channel, arena)) {
		ares_destroy(channel);
		return error_set(error, STATUS_BAD, "RES_NAMESERVERS has no good addresses");
	}
	if (family == AF_INET)
		keep_ipv4_servers(channel);
	ares_query(channel, name, ns_c_in, ns_t_txt, answered, &q);
	wait_for(channel, &q);
	rc = q.done ? q.status : ARES_ETIMEOUT;
	ares_destroy(channel);
	if (rc != ARES_SUCCESS)
		return error_set(
			error, rc == ARES_ENOTFOUND || rc == ARES_ENODATA ? STATUS_NONE : STATUS_IO,
			"%s", ares_strerror(rc));
	return texts_r->count > 0 ? STATUS_OK : error_set(error, STATUS_NONE, "no TXT records");
}
