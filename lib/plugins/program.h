/*
 * program.h - outside programs that plugins ask about a message
 *
 * Owns: struct program, one of them beside a scan.  The message is its standard input; what it
 * writes is read without blocking.  The eval starts it and returns EVAL_PENDING, the plugin's
 * outside hook looks after it, until it has ended or its time is over.
 */
#ifndef WINNOW_PLUGINS_PROGRAM_H
#define WINNOW_PLUGINS_PROGRAM_H

#include "plugins/scan.h"
#include "util/child.h"

struct program {
	const char *area; /* of log lines: "pyzor" */
	const char *path;
	struct child *child; /* NULL: none under way */
};

/* Of $PATH, then of these directories (ends with NULL; or NULL); NULL: there is none. */
const char *program_find(struct arena *arena, const char *name, const char *const *dirs);
bool program_is_executable(const char *path);
/* Words of `options` behind those of argv, which ends with NULL as the result does. */
const char **program_argv(struct arena *arena, const char *const *argv, struct slice options,
                          const char *last);

/* When to give it up, so that the scan ends in time itself. */
int64_t program_deadline(const struct scan *scan, double timeout_s);
/* false: it could not be started, which was logged. */
bool program_start(struct scan *scan, struct program *program, const char *const *argv,
                   struct slice input, double timeout_s);
/*
 * true: it has ended, its result is there; none is under way any more.  false: scan->wait says when
 * to call again.  A result with timed_out set has no output worth reading.
 */
bool program_step(struct scan *scan, struct program *program, struct child_result *result_r);
/* Ends it now. */
void program_end(struct program *program);
/* Start and wait; for reports. false: no result. */
bool program_run(struct scan *scan, struct program *program, const char *const *argv,
                 struct slice input, double timeout_s, struct child_result *result_r);
/* "exited with 1", "killed by signal 9", "took too long", for a log line. */
const char *program_ending(const struct child_result *result, char *text, size_t size);

/* Rules of these evals run first, so that the program works beside the other rules. */
void program_rules_first(struct conf_reader *reader, const char *const *evals);

/* ---- directives ---- */

/* A path that may be executed, as the reference insists on. */
enum conf_result program_parse_path(struct conf_reader *reader, void *data,
                                    const struct directive *d, struct slice value);

#endif
