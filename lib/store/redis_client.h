/*
 * redis_client.h - commands to one of several Redis servers, and what they answer
 *
 * Owns: struct redis_link (a connection that is made when it is first needed, and made anew when
 * the server closed it), struct redis_commands (a batch of them as bytes).  Source: the RESP2
 * protocol; authentication and database as Conf of BayesStore::Redis wants them.
 *
 *	redis_commands_add ... -> redis_link_run (waits for all replies) or redis_link_send (none)
 */
#ifndef WINNOW_STORE_REDIS_CLIENT_H
#define WINNOW_STORE_REDIS_CLIENT_H

#include "store/redis_driver.h"
#include "util/log.h"

/* Bytes that grow; grown and freed with the C library: a batch may be large, and goes at once. */
struct redis_commands {
	unsigned char *data;
	size_t len, size, count;
	bool is_bad; /* no memory: sticky */
};

/* Then `arguments` arguments follow. */
void redis_commands_begin(struct redis_commands *commands, size_t arguments);
void redis_commands_argument(struct redis_commands *commands, struct slice text);
/* An argument in two pieces, as keys are. */
void redis_commands_key(struct redis_commands *commands, struct slice prefix, struct slice kind,
                        struct slice name);
void redis_commands_number(struct redis_commands *commands, int64_t number);
void redis_commands_clear(struct redis_commands *commands);
void redis_commands_free(struct redis_commands *commands);

struct redis_link {
	const struct redis_driver *driver;
	const struct redis_target *targets; /* one after the other, until one is there */
	size_t count, current;
	const struct log *log;
	void *connection; /* NULL: none now */
	size_t owed;      /* replies that nobody waits for */
};

/*
 * Connected, authenticated, the database chosen, by then.  An open connection is looked at first.
 * STATUS_IO: no server is there; STATUS_BAD: it does not want us (password, database).
 */
enum status redis_link_open(struct redis_link *link, int64_t deadline_ms,
                            struct error *error) WARN_UNUSED;
void redis_link_close(struct redis_link *link);
/* Over an open link; clears the commands.  A failure closes the link. */
enum status redis_link_run(struct redis_link *link, struct redis_commands *commands,
                           redis_value_fn fn, void *data, int64_t deadline_ms,
                           struct error *error) WARN_UNUSED;
enum status redis_link_send(struct redis_link *link, struct redis_commands *commands,
                            int64_t deadline_ms, struct error *error) WARN_UNUSED;

#endif
