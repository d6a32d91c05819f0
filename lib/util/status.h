/*
 * status.h - how a function of lib/ ends
 *
 * Owns: enum status, struct error.  Mail is never an error (a flag is set and parsing goes on);
 * configuration errors carry file, line and what to do; our own bugs are assertions.
 */
#ifndef WINNOW_UTIL_STATUS_H
#define WINNOW_UTIL_STATUS_H

#include <stdarg.h>

enum status {
	STATUS_OK,
	STATUS_AGAIN, /* needs more input or an answer; call again */
	STATUS_NONE,  /* nothing there: not found, end of list */
	STATUS_BAD,   /* input is malformed */
	STATUS_LIMIT, /* a budget or a cap is spent, memory included */
	STATUS_IO     /* the environment failed: errno is in the text */
};

/* Filled only on failure.  The text says what is wrong and what to do, without a final full stop.
 */
struct error {
	char text[512];
};

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

const char *status_name(enum status status);

/* Writes the text (NULL error is allowed) and returns `status`, so that callers can `return
 * error_set(...)`. */
enum status error_set(struct error *error, enum status status, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

#endif
