/*
 * update_fetch.h - a file by HTTP or HTTPS
 *
 * Limits as the reference gives them to curl(1): 30 s to connect, 300 s in all, two redirections,
 * to http and https only; proxies as libcurl takes them from the environment.  Without libcurl at
 * build time (update_fetch_none.c) there is an error that says so.
 */
#ifndef WINNOW_CMD_UPDATE_FETCH_H
#define WINNOW_CMD_UPDATE_FETCH_H

#include <time.h>

#include "util/arena.h"

struct update_fetch {
	const char *url;
	int family;   /* AF_UNSPEC, AF_INET, AF_INET6 */
	time_t since; /* only when it is newer; 0: in any case */
	size_t bytes_max;
};

/* STATUS_NONE: it is not newer. */
enum status update_fetch(struct arena *arena, const struct update_fetch *fetch,
                         struct slice *body_r, struct error *error) WARN_UNUSED;

#endif
