/*
 * logger.h - where spamd's lines go
 *
 * Owns: struct logger, the sink behind struct log.  Formats are those that log readers know: syslog
 * (ident spamd), stderr ("%b %d %H:%M:%S.mmm [pid] level: text"), file ("%a %b %e %H:%M:%S %Y [pid]
 * level: text").
 */
#ifndef WINNOW_SPAMD_LOGGER_H
#define WINNOW_SPAMD_LOGGER_H

#include "util/log.h"

enum logger_kind { LOGGER_STDERR, LOGGER_NULL, LOGGER_FILE, LOGGER_SYSLOG };

struct logger {
	enum logger_kind kind;
	int fd; /* file */
	struct log log;
};

/* target: a facility, "stderr", "null", "file", or a path.  false: said on stderr why. */
bool logger_open(struct logger *logger, const char *target, const char *debug_areas);
void logger_close(struct logger *logger);

#endif
