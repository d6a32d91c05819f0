/*
 * daemon.h - running in the background, and the pid file
 *
 * Source: daemonize() of 4.0.1: the process that was started waits, up to 180 s, until the server
 * is ready; then it ends with 0.  Otherwise it says why not and ends with 255.
 */
#ifndef WINNOW_SPAMD_DAEMON_H
#define WINNOW_SPAMD_DAEMON_H

#include "util/status.h"

/* Returns in the server only; ready_r: for daemon_ready(). */
enum status daemon_start(int *ready_r, struct error *error) WARN_UNUSED;
void daemon_ready(int ready);

/* Never through a link; whole or not at all. */
enum status daemon_write_pid(const char *path, struct error *error) WARN_UNUSED;
/* Removes it, if it is ours. */
void daemon_remove_pid(const char *path);

#endif
