/*
 * sql_driver.h - what a module for one kind of database exports
 *
 * Owns: struct sql_driver, struct sql_target.  Data: sql.c -> a driver -> a client library.  Each
 * module is a shared object with one table, sql_driver_table, that uses nothing of the program's
 * but copies of clock.c and status.c.
 * A driver knows one connection; when it is to be made, and made again, is sql.c's.
 */
#ifndef WINNOW_STORE_SQL_DRIVER_H
#define WINNOW_STORE_SQL_DRIVER_H

#include "store/sql.h"

enum { SQL_DRIVER_VERSION = 1, SQL_OPTIONS_MAX = 24 };

struct sql_option {
	const char *name, *value;
};

/* A DSN, taken apart. */
struct sql_target {
	enum sql_dialect dialect;
	const char *name; /* for messages */
	/* NULL: not given.  The database of SQLite is a path. */
	const char *database, *host, *port, *socket, *user, *password;
	/* What else it says.  Names of MySQL and MariaDB are without mysql_ or mariadb_. */
	struct sql_option options[SQL_OPTIONS_MAX];
	size_t option_count;
	int64_t connect_ms, statement_ms;
	bool is_read_only;
};

struct sql_call {
	const char *text;
	const struct sql_value *parameters;
	size_t count;
	sql_row_fn fn;
	void *data;
	uint64_t affected;
	bool is_lost;  /* out: the connection is of no use any more */
	bool has_rows; /* out: fn was called */
};

struct sql_driver {
	int version;
	/* STATUS_IO: not there (refused, timed out, wrong password...).  STATUS_BAD: an option that
	 * this driver does not know. */
	enum status (*connect)(const struct sql_target *target, void **connection_r,
	                       struct error *error);
	void (*disconnect)(void *connection);
	enum status (*run)(void *connection, struct sql_call *call, struct error *error);
	enum status (*begin)(void *connection, int64_t lock_ms, struct sql_call *call,
	                     struct error *error);
	enum status (*end)(void *connection, bool commit, struct sql_call *call,
	                   struct error *error);
};

#endif
