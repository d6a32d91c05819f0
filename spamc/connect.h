/*
 * connect.h - a connection to one of several addresses
 *
 * Source: RFC 8305 (Happy Eyeballs) in short: the families of a host take turns, a silent address
 * is left after a quarter of a second for the next one while its attempt goes on.  Another host of
 * the list gets its turn when the addresses before it have failed or said nothing for two seconds.
 */
#ifndef WINNOW_SPAMC_CONNECT_H
#define WINNOW_SPAMC_CONNECT_H

#include "spamc/libspamc.h"

/* Non-blocking socket in *fd_r, or why not (EX_*). */
int spamc_connect(const struct transport *tp, int timeout_s, int *fd_r);

#endif
