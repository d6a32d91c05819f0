/*
 * status.c - names of results, error texts
 */
#include "util/status.h"

#include <stdio.h>

const char *
status_name(enum status status)
{
	static const char *const names[] = {"ok", "again", "none", "bad", "limit", "io"};

	return names[status];
}

enum status
error_set(struct error *error, enum status status, const char *fmt, ...)
{
	va_list ap;

	if (error == NULL)
		return status;
	va_start(ap, fmt);
	vsnprintf(error->text, sizeof(error->text), fmt, ap);
	va_end(ap);
	return status;
}
