/*
 * smtp_send.h - one message to one mail server
 *
 * A client of RFC 5321 as small as a report needs it: no TLS, no authentication, as the reference's
 * Net::SMTP.  Blocks, at most ten seconds for each answer; for commands, never for a server's scan.
 */
#ifndef WINNOW_PLUGINS_SMTP_SEND_H
#define WINNOW_PLUGINS_SMTP_SEND_H

#include "util/arena.h"

struct smtp_send {
	const char *host, *port;
	const char *hello; /* our name */
	struct slice from, to;
	struct slice text; /* lines end in LF or CRLF */
};

/* STATUS_IO: no connection; STATUS_BAD: the server refused; error has its words. */
enum status smtp_send(struct arena *arena, const struct smtp_send *send,
                      struct error *error) WARN_UNUSED;

#endif
