/*
 * update_fetch_none.c - in a build without libcurl
 */
#include "cmd/update_fetch.h"

enum status
update_fetch(struct arena *arena, const struct update_fetch *fetch, struct slice *body_r,
             struct error *error)
{
	(void)arena, (void)fetch, (void)body_r;
	return error_set(error, STATUS_IO,
	                 "this sa-update was built without libcurl: it can only --install");
}
