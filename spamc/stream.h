/*
 * stream.h - bytes to and from the server, with or without TLS, until a deadline
 */
#ifndef WINNOW_SPAMC_STREAM_H
#define WINNOW_SPAMC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spamc/libspamc.h"

struct spamc_tls;

struct spamc_stream {
	int fd;
	int64_t deadline_ms;
	const struct spamc_tls *tls; /* NULL: plain */
	void *session;
	char last; /* byte written */
};

/* Connects, and shakes hands where flags ask for TLS: EX_OK or why not. */
int spamc_stream_open(struct spamc_stream *s, const struct transport *tp, int flags,
                      const struct message *m);

/* A server that closes early may have sent its reason: failing to write is only told. */
bool spamc_stream_write(struct spamc_stream *s, const char *bytes, size_t len, bool more);
void spamc_stream_end_writing(struct spamc_stream *s);

ssize_t spamc_stream_read(struct spamc_stream *s, char *bytes, size_t size); /* 0: the end */
void spamc_stream_close(struct spamc_stream *s);

#endif
