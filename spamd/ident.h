/*
 * ident.h - who the client is, by word of the host it comes from
 *
 * Owns: struct ident: one question to the ident service of the peer's host (RFC 1413), in steps
 * that never block; and the owner of the other end of a Unix socket, of whom the kernel tells. What
 * the peer's host says is worth as much as that host: --auth-ident is for hosts of one's own.
 */
#ifndef WINNOW_SPAMD_IDENT_H
#define WINNOW_SPAMD_IDENT_H

#include <sys/types.h>

#include "util/slice.h"
#include "util/status.h"

struct ident {
	int fd; /* -1: none */
	bool asked;
	unsigned peer_port, own_port;
	char answer[1024];
	size_t len;
};

/* Begins to ask about a connected TCP client. */
enum status ident_open(struct ident *ident, int client) WARN_UNUSED;
/* poll() events of ident->fd. */
short ident_events(const struct ident *ident);
/* After such an event.  STATUS_OK: *name_r is the user, in *ident; STATUS_AGAIN; else no answer. */
enum status ident_step(struct ident *ident, struct slice *name_r) WARN_UNUSED;
void ident_close(struct ident *ident);
/* The user in an answer about these ports; STATUS_NONE: it says that there is none. */
enum status ident_parse(struct slice answer, unsigned peer_port, unsigned own_port,
                        struct slice *name_r) WARN_UNUSED;

/* The owner of the other end of a Unix socket; false: not known. */
bool ident_unix_owner(int client, uid_t *uid_r);

#endif
