/*
 * child.h - an outside program that reads a file and writes text
 *
 * Owns: struct child, one running program with its input file.  Data: bytes -> temporary file ->
 * program -> what it writes.  Nothing here blocks: child_step() moves on as far as it can, and
 * child_wait_fd() and child_wait_until() say when to call it again.
 *
 * The program gets a process group of its own, no descriptors but the three standard ones (input is
 * /dev/null, or the file), and limits: time until the deadline (then SIGTERM, half a second later
 * SIGKILL), CPU time, size of files it writes, output (the rest is not read).  It ends with the
 * arena at the latest, and so does the file.
 */
#ifndef WINNOW_UTIL_CHILD_H
#define WINNOW_UTIL_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "util/arena.h"

struct child_options {
	/* The first "{}" of each argument becomes the name of the file; ends with NULL. */
	const char *const *argv;
	const char *const *env; /* "NAME=VALUE" besides the environment; ends with NULL; or NULL */
	struct slice input;
	bool input_is_stdin; /* the file is its standard input too, else /dev/null */
	int64_t deadline_ms; /* monotonic */
	unsigned cpu_s;
	size_t output_max;
};

struct child;

/* NULL: it could not be started. */
struct child *child_start(struct arena *arena, const struct child_options *options,
                          struct error *error);
/* true: it has ended. */
bool child_step(struct child *child);
int child_wait_fd(const struct child *child); /* -1: none, wait for the time alone */
int64_t child_wait_until(const struct child *child);

/* Ends it now, with all it started; there is no result. */
void child_end(struct child *child);

struct child_result {
	bool timed_out;
	int status; /* as waitpid() gives it */
	struct slice output;
	struct slice error_line; /* first line of what it wrote to standard error */
};
/* When it has ended. */
void child_result(const struct child *child, struct child_result *result_r);

#endif
