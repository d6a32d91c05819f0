/*
 * tls.c - spamc-tls.so: TLS to the server
 *
 * Source: options.tsv (spamc, --ssl*).  Versions and ciphers are OpenSSL's defaults (TLS 1.2 at
 * least).  The server is verified when a CA is given, and then its name too; or by DANE, when it is
 * asked for and the server's names have secure TLSA records.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spamc/dane.h"
#include "spamc/helper.h"

struct session {
	SSL_CTX *context;
	SSL *ssl;
	bool has_dane; /* it says which certificate is right */
	unsigned dane_records;
};

static void
close_session(void *opaque)
{
	struct session *s = opaque;

	SSL_free(s->ssl);
	SSL_CTX_free(s->context);
	free(s);
}

/* "what (a name): OpenSSL's reason" */
static bool
give_error(const struct spamc_tls_options *o, const char *what, const char *name)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	snprintf(o->error, o->error_size, "%s%s%s%s: %s", what, name != NULL ? " (" : "",
	         name != NULL ? name : "", name != NULL ? ")" : "",
	         reason != NULL ? reason : "no reason given");
	return false;
}

static bool
use_files(SSL_CTX *context, const struct spamc_tls_options *o)
{
	if (o->ca_file != NULL || o->ca_path != NULL) {
		if (SSL_CTX_load_verify_locations(context, o->ca_file, o->ca_path) != 1)
			return give_error(o, "cannot load the CA",
			                  o->ca_file != NULL ? o->ca_file : o->ca_path);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}
	if (o->cert_file == NULL)
		return true;
	if (SSL_CTX_use_certificate_chain_file(context, o->cert_file) != 1)
		return give_error(o, "unable to load certificate file", o->cert_file);
	if (SSL_CTX_use_PrivateKey_file(context, o->key_file, SSL_FILETYPE_PEM) != 1)
		return give_error(o, "unable to load key file", o->key_file);
	if (SSL_CTX_check_private_key(context) != 1)
		return give_error(o, "key and certificate do not match", o->key_file);
	return true;
}

/* The first of the names in SNI, when it is a name and not a number. */
static void
name_server(SSL *ssl, const char *names)
{
	char name[256];
	size_t len = strcspn(names, ",");
	unsigned char address[16];

	if (len == 0 || len >= sizeof(name))
		return;
	memcpy(name, names, len);
	name[len] = '\0';
	if (inet_pton(AF_INET, name, address) != 1 && inet_pton(AF_INET6, name, address) != 1)
		SSL_set_tlsext_host_name(ssl, name);
}

static void
take_record(void *data, const struct dane_record *r)
{
	struct session *s = data;

	if (SSL_dane_tlsa_add(s->ssl, r->usage, r->selector, r->matching_type, r->data, r->len) > 0)
		s->dane_records++;
}

/* false: the server cannot be verified, as was asked. */
static bool
use_dane(struct session *s, const struct spamc_tls_options *o)
{
	char name[256];
	size_t len = strcspn(o->names, ",");
	int known;

	if (o->dane_port == 0)
		return true;
	snprintf(name, sizeof(name), "%.*s", (int)len, o->names);
	if (SSL_CTX_dane_enable(s->context) <= 0 || SSL_dane_enable(s->ssl, name) <= 0)
		return give_error(o, "cannot set up DANE", NULL);
	known = dane_find(o->names, o->dane_port, take_record, s, o->error, o->error_size);
	if (known <= 0)
		return known == 0;
	if (s->dane_records == 0) {
		snprintf(o->error, o->error_size, "no TLSA record of %s can be used", o->names);
		return false;
	}
	/* RFC 7671 5.1: the record itself names the server. */
	SSL_dane_set_flags(s->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (const char *more = o->names + len; *more == ','; more += len) {
		len = strcspn(++more, ",");
		snprintf(name, sizeof(name), "%.*s", (int)len, more);
		(void)SSL_add1_host(s->ssl, name);
	}
	if (o->ca_file == NULL && o->ca_path == NULL)
		(void)SSL_CTX_set_default_verify_paths(s->context);
	SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
	s->has_dane = true;
	return true;
}

static void *
open_session(int fd, const struct spamc_tls_options *o)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	ERR_clear_error();
	s->context = SSL_CTX_new(TLS_client_method());
	if (s->context == NULL) {
		give_error(o, "cannot set up TLS", NULL);
	} else if (use_files(s->context, o)) {
		SSL_CTX_set_mode(s->context, SSL_MODE_ENABLE_PARTIAL_WRITE |
		                                     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		                                     SSL_MODE_AUTO_RETRY);
		s->ssl = SSL_new(s->context);
		if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1) {
			give_error(o, "cannot set up TLS", NULL);
		} else if (use_dane(s, o)) {
			name_server(s->ssl, o->names);
			return s;
		}
	}
	close_session(s);
	return NULL;
}

/* Whether the certificate is for any of the servers that were named. */
static bool
has_name(X509 *certificate, const char *names)
{
	while (*names != '\0') {
		char name[256];
		size_t len = strcspn(names, ",");

		if (len > 0 && len < sizeof(name)) {
			memcpy(name, names, len);
			name[len] = '\0';
			if (X509_check_host(certificate, name, len, 0, NULL) == 1 ||
			    X509_check_ip_asc(certificate, name, 0) == 1)
				return true;
		}
		names += len + (names[len] == ',');
	}
	return false;
}

static bool
is_wanted_server(struct session *s, const struct spamc_tls_options *o)
{
	X509 *certificate;
	bool fits;

	if (s->has_dane || (o->ca_file == NULL && o->ca_path == NULL))
		return true;
	certificate = SSL_get1_peer_certificate(s->ssl);
	fits = certificate != NULL && has_name(certificate, o->names);
	X509_free(certificate);
	if (!fits)
		snprintf(o->error, o->error_size, "the server's certificate is not for %s",
		         o->names);
	return fits;
}

static int
code_of(struct session *s, int rc)
{
	switch (SSL_get_error(s->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return SPAMC_TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return SPAMC_TLS_WANT_WRITE;
	default:
		return SPAMC_TLS_FAILED;
	}
}

static int
connect_session(void *opaque, const struct spamc_tls_options *o)
{
	struct session *s = opaque;
	long verified;
	int rc;

	ERR_clear_error();
	rc = SSL_connect(s->ssl);
	if (rc == 1)
		return is_wanted_server(s, o) ? 0 : SPAMC_TLS_FAILED;
	rc = code_of(s, rc);
	verified = SSL_get_verify_result(s->ssl);
	if (rc == SPAMC_TLS_FAILED)
		give_error(o, "SSL_connect error",
		           verified != X509_V_OK ? X509_verify_cert_error_string(verified) : NULL);
	return rc;
}

static ssize_t
read_session(void *opaque, void *bytes, size_t size)
{
	struct session *s = opaque;
	size_t n;
	int rc;

	ERR_clear_error();
	rc = SSL_read_ex(s->ssl, bytes, size, &n);
	if (rc == 1)
		return (ssize_t)n;
	if (SSL_get_error(s->ssl, rc) == SSL_ERROR_ZERO_RETURN)
		return 0;
	/* without close_notify: what has come is judged by its length */
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return 0;
	return code_of(s, rc);
}

static ssize_t
write_session(void *opaque, const void *bytes, size_t len)
{
	struct session *s = opaque;
	size_t n;
	int rc;

	ERR_clear_error();
	rc = SSL_write_ex(s->ssl, bytes, len, &n);
	return rc == 1 ? (ssize_t)n : code_of(s, rc);
}

static void
end_writing(void *opaque)
{
	struct session *s = opaque;

	ERR_clear_error();
	SSL_shutdown(s->ssl);
}

extern const struct spamc_tls spamc_tls_table;
const struct spamc_tls spamc_tls_table = {
	.version = SPAMC_HELPER_VERSION,
	.open = open_session,
	.connect = connect_session,
	.read = read_session,
	.write = write_session,
	.end_writing = end_writing,
	.close = close_session,
};
