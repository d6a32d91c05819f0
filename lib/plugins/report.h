/*
 * report.h - a message reported as spam to other hosts, or taken back
 *
 * Owns: struct report.  Data: message without SpamAssassin's markup -> the report hook of each
 * plugin, one after the other; each waits for its program or server, with its own time limit.
 * Source: Reporter.pm and the plugin_report, plugin_revoke hooks of 4.0.1.
 */
#ifndef WINNOW_PLUGINS_REPORT_H
#define WINNOW_PLUGINS_REPORT_H

#include "plugins/program.h"

struct report {
	struct slice text;
	bool is_revoke;
	/* results */
	bool done; /* one of them took it */
};

/* Says how it went ("reporter: spam reported to Pyzor"). */
void report_result(struct scan *scan, struct report *report, const char *name, bool taken);
/* By a program that takes the message on standard input and ends with 0. */
void report_by_program(struct scan *scan, struct report *report, const char *name,
                       const char *const *argv, double timeout_s);
/*
 * To all loaded plugins; scan has its message and its relays.  true: one of them took it.  Logs a
 * warning when there is no plugin that could.
 */
bool report_message(struct scan *scan, struct slice text, bool is_revoke);

#endif
