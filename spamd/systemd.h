/*
 * systemd.h - what a service manager wants to know
 *
 * Owns: the protocols of sd_listen_fds(3) and sd_notify(3), without their library.  Without the
 * environment variables of a service manager nothing happens.
 */
#ifndef WINNOW_SPAMD_SYSTEMD_H
#define WINNOW_SPAMD_SYSTEMD_H

#include <stdint.h>

/* Listening sockets that were handed over, from descriptor 3 on. */
unsigned systemd_sockets(void);
/* "READY=1", "STOPPING=1", "WATCHDOG=1". */
void systemd_notify(const char *state);
/* "RELOADING=1" with the time that it wants. */
void systemd_notify_reloading(void);
/* How often a sign of life is due, in ms; 0: never. */
int64_t systemd_watchdog_ms(void);

#endif
