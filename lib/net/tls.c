/*
 * tls.c - server side of TLS on sockets that do not block
 */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tls_server {
	SSL_CTX *context;
};

struct tls {
	SSL *ssl;
	short events;
};

/* ---- keys and policy ---- */

/* The oldest entry of OpenSSL's queue is the cause, later ones are echoes. */
static const char *
reason(void)
{
	unsigned long code = ERR_get_error();
	const char *text = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return text == NULL ? "unknown reason" : text;
}

static enum status
load_identity(SSL_CTX *context, const struct tls_server_options *options, struct error *error)
{
	if (access(options->key, F_OK) != 0)
		return error_set(error, STATUS_BAD, "server key file %s does not exist",
		                 options->key);
	if (access(options->cert, F_OK) != 0)
		return error_set(error, STATUS_BAD, "server certificate file %s does not exist",
		                 options->cert);
	if (SSL_CTX_use_certificate_chain_file(context, options->cert) != 1)
		return error_set(error, STATUS_BAD, "cannot use certificate %s: %s", options->cert,
		                 reason());
	if (SSL_CTX_use_PrivateKey_file(context, options->key, SSL_FILETYPE_PEM) != 1)
		return error_set(error, STATUS_BAD, "cannot use key %s: %s", options->key,
		                 reason());
	if (SSL_CTX_check_private_key(context) != 1)
		return error_set(error, STATUS_BAD, "key %s does not belong to certificate %s",
		                 options->key, options->cert);
	return STATUS_OK;
}

static enum status
load_authorities(SSL_CTX *context, const struct tls_server_options *options, struct error *error)
{
	STACK_OF(X509_NAME) * names;

	if (!options->verify)
		return STATUS_OK;
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	if (options->ca_file == NULL && options->ca_path == NULL) {
		SSL_CTX_set_default_verify_paths(context);
		return STATUS_OK;
	}
	if (options->ca_file != NULL) {
		if (SSL_CTX_load_verify_file(context, options->ca_file) != 1)
			return error_set(error, STATUS_BAD, "cannot use CA file %s: %s",
			                 options->ca_file, reason());
		names = SSL_load_client_CA_file(options->ca_file);
		if (names != NULL)
			SSL_CTX_set_client_CA_list(context, names);
	}
	if (options->ca_path != NULL && SSL_CTX_load_verify_dir(context, options->ca_path) != 1)
		return error_set(error, STATUS_BAD, "cannot use CA directory %s: %s",
		                 options->ca_path, reason());
	return STATUS_OK;
}

static void
set_policy(SSL_CTX *context)
{
	static const unsigned char session_context[] = "winnow";

	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                  SSL_MODE_RELEASE_BUFFERS);
	/* Workers share no cache; tickets serve clients that come again. */
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, session_context, sizeof(session_context) - 1);
}

struct tls_server *
tls_server_create(const struct tls_server_options *options, struct error *error)
{
	struct tls_server *server = calloc(1, sizeof(*server));
	enum status status;

	if (server == NULL || (server->context = SSL_CTX_new(TLS_server_method())) == NULL) {
		(void)error_set(error, STATUS_LIMIT, "TLS: no memory");
		free(server);
		return NULL;
	}
	set_policy(server->context);
	status = load_identity(server->context, options, error);
	if (status == STATUS_OK)
		status = load_authorities(server->context, options, error);
	if (status != STATUS_OK)
		tls_server_destroy(&server);
	return server;
}

void
tls_server_destroy(struct tls_server **server)
{
	if (*server == NULL)
		return;
	SSL_CTX_free((*server)->context);
	free(*server);
	*server = NULL;
}

/* ---- one connection ---- */

struct tls *
tls_accept(const struct tls_server *server, int fd)
{
	struct tls *tls = calloc(1, sizeof(*tls));

	if (tls == NULL || (tls->ssl = SSL_new(server->context)) == NULL ||
	    SSL_set_fd(tls->ssl, fd) != 1) {
		ERR_clear_error();
		tls_destroy(&tls);
		return NULL;
	}
	SSL_set_accept_state(tls->ssl);
	tls->events = POLLIN;
	return tls;
}

void
tls_destroy(struct tls **tls)
{
	if (*tls == NULL)
		return;
	SSL_free((*tls)->ssl);
	free(*tls);
	*tls = NULL;
}

/* What a call that moved nothing means, as errno; 0: the peer ended the stream. */
static int
cause(struct tls *tls, int rc)
{
	switch (SSL_get_error(tls->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		tls->events = POLLIN;
		return EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->events = POLLOUT;
		return EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	case SSL_ERROR_SYSCALL:
		return ECONNABORTED;
	default:
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
		               ? ECONNABORTED
		               : EPROTO;
	}
}

enum status
tls_handshake(struct tls *tls, struct error *error)
{
	int rc, why;
	long verified;

	ERR_clear_error();
	rc = SSL_do_handshake(tls->ssl);
	if (rc == 1) {
		tls->events = POLLIN;
		return STATUS_OK;
	}
	why = cause(tls, rc);
	if (why == EAGAIN)
		return STATUS_AGAIN;
	if (why == 0 || why == ECONNABORTED)
		return error_set(error, STATUS_BAD,
		                 "SSL accept failed: peer closed the connection");
	verified = SSL_get_verify_result(tls->ssl);
	if (verified != X509_V_OK)
		return error_set(error, STATUS_BAD, "SSL accept failed: client certificate: %s",
		                 X509_verify_cert_error_string(verified));
	return error_set(error, STATUS_BAD, "SSL accept failed: %s", reason());
}

void
tls_describe(const struct tls *tls, char *text, size_t size)
{
	snprintf(text, size, "%s/%s", SSL_get_version(tls->ssl), SSL_get_cipher_name(tls->ssl));
}

static ssize_t
moved(struct tls *tls, int rc, size_t count)
{
	int why;

	if (rc == 1)
		return (ssize_t)count;
	why = cause(tls, rc);
	ERR_clear_error();
	errno = why;
	return why == 0 ? 0 : -1;
}

ssize_t
tls_recv(struct tls *tls, void *data, size_t size)
{
	size_t count = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(tls->ssl, data, size, &count);
	return moved(tls, rc, count);
}

ssize_t
tls_send(struct tls *tls, const void *data, size_t size)
{
	size_t count = 0;
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(tls->ssl, data, size, &count);
	return moved(tls, rc, count);
}

void
tls_end(struct tls *tls)
{
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

bool
tls_has_pending(const struct tls *tls)
{
	return SSL_has_pending(tls->ssl) != 0;
}

short
tls_events(const struct tls *tls)
{
	return tls->events;
}
