/*
 * worker.h - one poll loop over many clients
 *
 * Owns: the loop of a worker process.  It accepts by itself, reads and writes whoever is ready, and
 * in between does one step of one scan, so that a PING never waits behind a message.
 */
#ifndef WINNOW_SPAMD_WORKER_H
#define WINNOW_SPAMD_WORKER_H

#include <stdatomic.h>

#include "spamd/sandbox.h"
#include "spamd/allowed.h"
#include "spamd/session.h"

/* One worker's line of the scoreboard: shared memory, written by the worker alone. */
struct worker_slot {
	atomic_int pid;         /* 0: free */
	atomic_int scans;       /* messages in hand */
	atomic_int connections; /* open */
	atomic_int was_busy;    /* had messages since the parent looked last */
	atomic_int draining;    /* accepts no more: does not count as a worker */
	char message_id[256];   /* being scanned, for the log if the worker dies */
};

struct worker_config {
	const struct spamd_options *options;
	const struct filter *filter;
	struct match_scratch *match; /* filled by the parent; the worker's copy */
	const struct log *log;
	struct listener_set *listeners; /* this process's copy */
	const struct tls_server *tls;   /* NULL: no listener wants it */
	const struct allowed *allowed;
	struct worker_slot *slot;
	struct metrics_writer metrics;
	const struct sandbox_needs *sandbox; /* NULL: none */
	int parent_pipe;                     /* readable (end of file) when the parent is gone */
};

/* Until told to stop, or max-conn-per-child is reached; returns the exit code. */
int worker_run(const struct worker_config *config);

#endif
