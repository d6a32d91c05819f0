/*
 * options.h - what spamc is asked to do
 *
 * Owns: struct spamc_options.  Source: options.tsv (spamc).  Words come from the command line and,
 * in front of them, from spamc.conf; they live as long as the program.
 */
#ifndef WINNOW_SPAMC_OPTIONS_H
#define WINNOW_SPAMC_OPTIONS_H

#include <stdbool.h>

#include "spamc/libspamc.h"

enum spamc_tell { TELL_SPAM, TELL_HAM, TELL_FORGET, TELL_REPORT, TELL_REVOKE };

struct spamc_options {
	struct transport transport;
	int flags; /* SPAMC_* */
	bool exit_code, has_timeout;
	enum spamc_tell tell; /* with SPAMC_LEARN or SPAMC_REPORT_MSG */
	int max_size, timeout, connect_timeout;
	const char *user; /* NULL: whoever runs it */
	char **pipe_to;   /* NULL: standard output */
};

/* EX_OK to go on, -1 to end with 0 (help was printed), else the exit code. */
int spamc_options_read(struct spamc_options *o, int argc, char **argv);

#endif
