/*
 * logger.h - where spamd's lines go
 *
 * Owns: struct logger, the sink behind struct log.  Formats are those that log readers know: syslog
 * (ident spamd), stderr ("%b %e %H:%M:%S.mmm [pid] level: text"), file ("%a %b %e %H:%M:%S %Y [pid]
 * level: text"); --log-timestamp-fmt replaces the time.  A log that is full, gone or slow costs its
 * lines, never a message: nothing here waits, and nothing fails.
 */
#ifndef WINNOW_SPAMD_LOGGER_H
#define WINNOW_SPAMD_LOGGER_H

#include <stdint.h>

#include "spamd/options.h"
#include "util/log.h"

enum logger_kind { LOGGER_STDERR, LOGGER_NULL, LOGGER_FILE, LOGGER_SYSLOG };

struct logger {
	enum logger_kind kind;
	int fd;         /* of the file or the syslog socket; -1: not open */
	bool may_block; /* a pipe: asked before each line */
	bool stderr_may_block;
	bool is_detached; /* standard error is gone */
	int facility;
	int64_t open_again_ms; /* syslog */
	const char *path;
	const char *timestamp_fmt; /* NULL: as the kind has it */
	struct log log;
};

/* false: said on stderr why. */
bool logger_open(struct logger *logger, const struct spamd_options *options);
/* Opens a file anew: somebody renamed it. */
void logger_reopen(struct logger *logger);
/* In the background: nothing goes to standard error any more. */
void logger_detach(struct logger *logger);
void logger_close(struct logger *logger);

#endif
