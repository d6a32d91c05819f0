/*
 * connect.h - a connection to one of several addresses
 *
 * Source: RFC 8305 (Happy Eyeballs) in short: families take turns, a silent address is left after a
 * quarter of a second for the next one while its attempt goes on.
 */
#ifndef WINNOW_SPAMC_CONNECT_H
#define WINNOW_SPAMC_CONNECT_H

#include "spamc/client.h"

/* Non-blocking socket in *fd_r, or the code. */
int spamc_connect(const struct spamc_target *target, int *fd_r, spamc_log_fn log, void *log_data);

int64_t spamc_now_ms(void);

#endif
