/*
 * load.c - many clients of a spamd at once: messages a second and how long each took
 *
 *	load ADDRESS VERB CLIENTS COUNT FILE...
 *
 * ADDRESS: a path, or a port of 127.0.0.1.  COUNT requests in all, never more than CLIENTS at a
 *time, each on a connection of its own as spamc does it; the files in turn.  Prints one line:
 *seconds, requests a second, microseconds from connect() to the end of the answer (p50, p99, most),
 *answers that were none.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/vec.h"

enum { CLIENTS_MAX = 1000, MESSAGE_BYTES_MAX = 64 * 1024 * 1024 };

struct client {
	int fd; /* -1: none */
	struct slice request;
	size_t sent;
	int64_t begun_us;
	char head[64];
	size_t head_len;
};

struct load {
	struct arena *arena;
	struct sockaddr_storage addr;
	socklen_t addr_len;
	slice_vec requests;
	struct client clients[CLIENTS_MAX];
	size_t client_count, count, begun, ended, bad;
	int64_t *took_us;
};

static void
set_address(struct load *load, const char *text)
{
	struct sockaddr_un *local = (struct sockaddr_un *)&load->addr;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&load->addr;

	if (text[0] == '/') {
		local->sun_family = AF_UNIX;
		snprintf(local->sun_path, sizeof(local->sun_path), "%s", text);
		load->addr_len = sizeof(*local);
		return;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons((in_port_t)strtoul(text, NULL, 10));
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	load->addr_len = sizeof(*v4);
}

static bool
add_request(struct load *load, const char *verb, const char *path)
{
	struct slice text, request;
	struct error error;

	if (file_read(load->arena, path, MESSAGE_BYTES_MAX, &text, &error) != STATUS_OK) {
		fprintf(stderr, "load: %s\n", error.text);
		return false;
	}
	request = arena_printf(load->arena, "%s SPAMC/1.5\r\nContent-length: %zu\r\n\r\n", verb,
	                       text.len);
	request = arena_concat(load->arena, request, text);
	return request.data != NULL && vec_push(load->arena, &load->requests, request) != NULL;
}

static void
begin(struct load *load, struct client *c)
{
	*c = (struct client){.fd = -1};
	if (load->begun == load->count)
		return;
	c->request = load->requests.items[load->begun++ % load->requests.count];
	c->begun_us = clock_monotonic_us();
	c->fd = socket(load->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&load->addr, load->addr_len) != 0) {
		perror("load: connect");
		exit(1);
	}
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

static void
end(struct load *load, struct client *c)
{
	const char *word = memchr(c->head, ' ', c->head_len);

	load->bad += word == NULL || c->head_len < 10 || strncmp(word, " 0 ", 3) != 0;
	load->took_us[load->ended++] = clock_monotonic_us() - c->begun_us;
	close(c->fd);
	begin(load, c);
}

static void
move(struct load *load, struct client *c)
{
	char block[65536];
	ssize_t n;

	if (c->sent < c->request.len) {
		n = send(c->fd, c->request.data + c->sent, c->request.len - c->sent, MSG_NOSIGNAL);
		if (n > 0)
			c->sent += (size_t)n;
		if (n < 0 && errno != EAGAIN)
			c->sent = c->request.len;
		if (c->sent == c->request.len)
			shutdown(c->fd, SHUT_WR);
		return;
	}
	n = recv(c->fd, block, sizeof(block), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		end(load, c);
		return;
	}
	for (ssize_t i = 0; i < n && c->head_len < sizeof(c->head) - 1; i++)
		c->head[c->head_len++] = block[i];
}

static void
run(struct load *load)
{
	static struct pollfd fds[CLIENTS_MAX];

	for (size_t i = 0; i < load->client_count; i++)
		begin(load, &load->clients[i]);
	while (load->ended < load->count) {
		for (size_t i = 0; i < load->client_count; i++) {
			const struct client *c = &load->clients[i];

			fds[i] = (struct pollfd){
				.fd = c->fd, .events = c->sent < c->request.len ? POLLOUT : POLLIN};
		}
		if (poll(fds, load->client_count, 600000) <= 0) {
			fprintf(stderr, "load: no answer for ten minutes\n");
			exit(1);
		}
		for (size_t i = 0; i < load->client_count; i++)
			if (fds[i].revents != 0)
				move(load, &load->clients[i]);
	}
}

static int
by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	static struct load load;
	int64_t begun_us;
	double seconds;

	if (argc < 6) {
		fprintf(stderr, "usage: load ADDRESS VERB CLIENTS COUNT FILE...\n");
		return 64;
	}
	load.arena = arena_create(0);
	load.client_count = strtoul(argv[3], NULL, 10);
	load.count = strtoul(argv[4], NULL, 10);
	load.took_us = calloc(load.count + 1, sizeof(*load.took_us));
	if (load.arena == NULL || load.took_us == NULL || load.count == 0 ||
	    load.client_count == 0 || load.client_count > CLIENTS_MAX)
		return 64;
	set_address(&load, argv[1]);
	for (int i = 5; i < argc; i++)
		if (!add_request(&load, argv[2], argv[i]))
			return 1;
	begun_us = clock_monotonic_us();
	run(&load);
	seconds = (double)(clock_monotonic_us() - begun_us) / 1e6;
	qsort(load.took_us, load.ended, sizeof(*load.took_us), by_value);
	printf("%.3f %.1f %lld %lld %lld %zu\n", seconds, (double)load.ended / seconds,
	       (long long)load.took_us[load.ended / 2],
	       (long long)load.took_us[load.ended * 99 / 100],
	       (long long)load.took_us[load.ended - 1], load.bad);
	arena_destroy(&load.arena);
	free(load.took_us);
	return load.bad > 0;
}
