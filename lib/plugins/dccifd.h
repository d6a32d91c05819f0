/*
 * dccifd.h - one question to DCC's daemon
 *
 * Owns: struct dccifd_place (where it listens), struct dccifd_talk (one connection).  Source:
 * ASCII protocol of dccifd(8): options, client, HELO, sender, recipients, empty line, message; then
 * two lines of status and the X-DCC header.  Nothing here blocks.
 */
#ifndef WINNOW_PLUGINS_DCCIFD_H
#define WINNOW_PLUGINS_DCCIFD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/strbuf.h"

struct dccifd_place {
	struct sockaddr_storage address;
	socklen_t length; /* 0: none */
};

/* A Unix socket; false: the path is too long. */
bool dccifd_place_unix(struct dccifd_place *place, const char *path);
/* HOST:PORT or [HOST]:PORT; asks for the host's address.  false: it has none. */
bool dccifd_place_tcp(struct dccifd_place *place, const char *host, const char *port);

struct dccifd_talk {
	int fd; /* -1: none */
	struct slice request;
	size_t sent;
	int64_t deadline_ms;
	struct strbuf response;
};

/* The request must live on.  false: no connection, errno says why. */
bool dccifd_begin(struct dccifd_talk *talk, struct arena *arena, const struct dccifd_place *place,
                  struct slice request, int64_t deadline_ms);
/* true: it is over, talk->response has what came, nothing after a failure or too late. */
bool dccifd_step(struct dccifd_talk *talk);
void dccifd_end(struct dccifd_talk *talk);

#endif
