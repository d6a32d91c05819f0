/*
 * sources.h - the files that a configuration was read from
 *
 * Owns: struct conf_sources: every file and directory as it was just before it was read. When all
 * is read, those that are not any more what they were tell that somebody replaced files meanwhile,
 * so that half of what was read is old. (sa-update, and administrators, replace file by file.)  Who
 * reads faster than they are replaced sees no change: so the last one must also be some time ago.
 */
#ifndef WINNOW_CONF_SOURCES_H
#define WINNOW_CONF_SOURCES_H

#include <stdint.h>
#include <sys/stat.h>

#include "util/arena.h"
#include "util/vec.h"

struct conf_source {
	const char *path;
	dev_t dev;
	ino_t ino; /* 0: not there */
	off_t size;
	struct timespec mtime, ctime;
};

struct conf_sources {
	struct arena *arena;
	VEC(struct conf_source) items;
};

/* st NULL: it is not there. sources NULL: does nothing. */
void conf_sources_note(struct conf_sources *sources, const char *path, const struct stat *st);
/* The first that is not what it was, NULL: none. */
const char *conf_sources_changed(const struct conf_sources *sources);
/* Milliseconds since the last change of any; INT64_MAX when it is said to be in the future. */
int64_t conf_sources_age_ms(const struct conf_sources *sources);

#endif
