/*
 * tls.h - server side of TLS on sockets that do not block
 *
 * Owns: struct tls_server (keys and policy, shared) and struct tls (one connection).  Source:
 * OpenSSL 3; TLS 1.2 and 1.3, no renegotiation, no compression; client certificates where a CA is
 * given, refused in the handshake, before a byte of the protocol is read.
 * Data: spamd/listener -> tls_accept -> spamd/session.  Nothing here waits: STATUS_AGAIN says to
 * come back when the descriptor has the events that tls_events() names.
 */
#ifndef WINNOW_NET_TLS_H
#define WINNOW_NET_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/status.h"

struct tls_server;
struct tls;

struct tls_server_options {
	const char *key, *cert;        /* PEM files */
	const char *ca_file, *ca_path; /* of clients; NULL: the system's */
	bool verify;                   /* clients must show a certificate */
};

/* Reads all files: call while they may be read.  NULL: error says which and why. */
struct tls_server *tls_server_create(const struct tls_server_options *options, struct error *error);
void tls_server_destroy(struct tls_server **server);

/* fd stays the caller's.  NULL: no memory. */
struct tls *tls_accept(const struct tls_server *server, int fd);
void tls_destroy(struct tls **tls);

/* STATUS_OK: the peer is in; STATUS_AGAIN; STATUS_BAD: error->text says why not. */
enum status tls_handshake(struct tls *tls, struct error *error) WARN_UNUSED;
/* "TLSv1.3/TLS_AES_256_GCM_SHA384"; after the handshake. */
void tls_describe(const struct tls *tls, char *text, size_t size);

/*
 * As recv() and send(): -1 with errno EAGAIN (tls_events() says what for), ECONNABORTED when the
 * stream ended without the peer saying so, EPROTO for anything else; 0 from tls_recv: an ordered
 * end.
 */
ssize_t tls_recv(struct tls *tls, void *data, size_t size);
ssize_t tls_send(struct tls *tls, const void *data, size_t size);
/* Says that nothing more will be sent. */
void tls_end(struct tls *tls);
/* Bytes are decrypted already: poll() would not tell. */
bool tls_has_pending(const struct tls *tls);
/* poll() events that the last STATUS_AGAIN or EAGAIN waits for. */
short tls_events(const struct tls *tls);

#endif
