/*
 * helper.h - what is only loaded when it is asked for
 *
 * A plain request needs neither OpenSSL nor zlib, and relocating the former costs ten times what
 * all the rest of spamc does.  So each sits in a shared object of its own (spamc-tls.so,
 * spamc-deflate.so in PKGLIBDIR, or in $WINNOW_SPAMC_HELPERS for tests of a build tree), which
 * exports one table.
 */
#ifndef WINNOW_SPAMC_HELPER_H
#define WINNOW_SPAMC_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { SPAMC_HELPER_VERSION = 2 };

struct spamc_tls_options {
	const char *cert_file, *key_file; /* NULL: no certificate of our own */
	const char *ca_file, *ca_path;    /* both NULL: the server is not verified */
	const char *names; /* any of these the certificate may be for, commas between */
	/* The port whose TLSA records count (DANE) where there are some; 0: it is not asked for. */
	unsigned dane_port;
	char *error; /* why open or connect failed */
	size_t error_size;
};

enum { SPAMC_TLS_WANT_READ = -1, SPAMC_TLS_WANT_WRITE = -2, SPAMC_TLS_FAILED = -3 };

struct spamc_tls {
	int version;
	/* NULL: files cannot be used */
	void *(*open)(int fd, const struct spamc_tls_options *options);
	/* 0: done */
	int (*connect)(void *session, const struct spamc_tls_options *options);
	ssize_t (*read)(void *session, void *bytes, size_t size); /* 0: the end */
	ssize_t (*write)(void *session, const void *bytes, size_t len);
	void (*end_writing)(void *session);
	void (*close)(void *session);
};

struct spamc_deflate {
	int version;
	/* malloc; NULL: no memory */
	char *(*deflate)(const char *bytes, size_t len, size_t *len_r);
};

/* NULL: not there, and the log knows why. */
const struct spamc_tls *spamc_load_tls(int flags);
const struct spamc_deflate *spamc_load_deflate(int flags);

#endif
