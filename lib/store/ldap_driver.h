/*
 * ldap_driver.h - what the module for LDAP exports
 *
 * Owns: struct ldap_driver, struct ldap_query.  Data: conf/user_scores.c -> ldap_openldap.c
 * (ldap.so: libldap) -> a directory server.  The module uses nothing of the program's but copies of
 * clock.c and status.c.
 */
#ifndef WINNOW_STORE_LDAP_DRIVER_H
#define WINNOW_STORE_LDAP_DRIVER_H

#include <stdint.h>

#include "util/slice.h"
#include "util/status.h"

enum { LDAP_DRIVER_VERSION = 1 };

struct ldap_query {
	/* RFC 4516: ldap://host:port/base?attribute?scope?filter; also ldaps:, ldapi: */
	const char *url;
	const char *user, *password; /* both NULL: nobody */
	int64_t wait_ms;             /* for each: the connection, the bind, the search */
	/* Before the library asks for the addresses of a server, for as long as it takes. */
	bool (*is_answered)(const char *host, int64_t wait_ms);
};

/* One value of the attribute; false ends the search. */
typedef bool (*ldap_value_fn)(void *data, struct slice value);

struct ldap_driver {
	int version;
	/* STATUS_BAD: the URL cannot be used; the text says what is wrong with it. */
	enum status (*check)(const char *url, struct error *error);
	/*
	 * *connection: NULL, or what the last call with the same server and user left there; it is
	 * made, and made again when the server closed it.  STATUS_IO: not there, no answer in time;
	 * STATUS_BAD: it refuses the bind or the search.
	 */
	enum status (*search)(void **connection, const struct ldap_query *query, ldap_value_fn fn,
	                      void *data, struct error *error);
	void (*disconnect)(void **connection);
};

#endif
