/*
 * private.h - what the parts of libspamc share
 *
 * Owns: struct libspamc_private_message, the reading and writing of whole buffers.
 */
#ifndef WINNOW_SPAMC_PRIVATE_H
#define WINNOW_SPAMC_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "spamc/libspamc.h"

struct libspamc_private_message {
	int flags;
	char *plain; /* BSMTP: the message without its doubled dots */
	void (*spamc_header_callback)(struct message *m, int flags, char *buf, int len);
	void (*spamd_header_callback)(struct message *m, int flags, const char *buf, int len);
};

/* Bytes that an answer may be longer than max_len. */
enum { SPAMC_EXPANSION = 16384 };

/* libspamc_log() for the library's own lines. */
void spamc_say(int flags, int level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* All of it, through short writes; false: errno says why not. */
bool spamc_write_all(int fd, const char *bytes, size_t len);

/* Up to `size` bytes, through short reads; below 0: failed after *got_r. */
int spamc_read_all(int fd, char *bytes, size_t size, size_t *got_r);

int64_t spamc_now_ms(void);

/* Waits for an event; deadline INT64_MAX: for ever.  false: time is up or errno. */
bool spamc_wait(int fd, short events, int64_t deadline_ms);

#endif
