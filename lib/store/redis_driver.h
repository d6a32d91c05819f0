/*
 * redis_driver.h - what the module for Redis exports
 *
 * Owns: struct redis_driver, struct redis_target, struct redis_value.  Data: redis_client.c ->
 * redis_hiredis.c (redis.so: hiredis, OpenSSL) -> a server.  The module uses nothing
 * of the program's but copies of clock.c and status.c.  It knows one connection; when it is made,
 * and made again, is redis_client.c's.
 */
#ifndef WINNOW_STORE_REDIS_DRIVER_H
#define WINNOW_STORE_REDIS_DRIVER_H

#include <stdint.h>

#include "util/slice.h"
#include "util/status.h"

enum { REDIS_DRIVER_VERSION = 1 };

struct redis_tls {
	bool is_on, no_verify;
	const char *ca, *cert, *key; /* files, ca also a directory; NULL: the system's, none */
};

/* One server. */
struct redis_target {
	const char *name; /* as configured, for messages */
	const char *path; /* of a Unix socket, or */
	const char *host, *port;
	const char *user, *password; /* NULL: none */
	const char *database;        /* NULL: 0 */
	struct redis_tls tls;
};

enum redis_type { REDIS_NIL, REDIS_INTEGER, REDIS_TEXT, REDIS_ERROR, REDIS_ARRAY };

/* A part of a reply.  An array comes first, then its items, one by one. */
struct redis_value {
	enum redis_type type;
	unsigned depth;    /* 0: the reply itself */
	size_t reply;      /* number of the reply in this exchange, from 0 */
	int64_t integer;   /* of an array: how many items */
	struct slice text; /* lives until the function returns */
};

typedef void (*redis_value_fn)(void *data, const struct redis_value *value);

struct redis_driver {
	int version;
	/* deadline_ms: of CLOCK_MONOTONIC; names of hosts are asked for without: dns/name.h first.
	 * Only the socket: nothing is said to the server. STATUS_IO: not there; STATUS_BAD: a file
	 * of TLS cannot be used. */
	enum status (*connect)(const struct redis_target *target, int64_t deadline_ms,
	                       void **connection_r, struct error *error);
	void (*disconnect)(void *connection);
	/* false: the server has closed it, or (is_owed false: there is no reply to come) says what
	 * nobody asked for. */
	bool (*is_open)(void *connection, bool is_owed);
	/*
	 * Sends all commands and reads `replies` replies (those that come meanwhile are read while
	 * it sends).  STATUS_IO: lost, too late or garbled: the connection is of no use any more.
	 */
	enum status (*exchange)(void *connection, struct slice commands, size_t replies,
	                        redis_value_fn fn, void *data, int64_t deadline_ms,
	                        struct error *error);
};

#endif
