/*
 * update_store.h - channels as they lie in the update directory
 *
 * Layout, as programs that read rules see it (and as sa-update 4.0.1 makes it):
 *
 *     DIR/NAME.cf, DIR/NAME.pre   "include NAME/file" lines; the .cf begins with "# UPDATE version
 * N" DIR/NAME/                   the files of the channel, and MIRRORED.BY
 *
 * Here NAME is a symbolic link to the hidden directory .NAME.N.PID.0, and NAME.cf and NAME.pre are
 * links to files in NAME/.  So one rename() of one link takes every reader from the old rules to
 * the new ones, and whatever ends the program in the middle leaves the one or the other.  What the
 * reference has installed is put into this shape first, with the same contents at each step; the
 * reference's sa-update goes on from this shape without knowing.
 */
#ifndef WINNOW_CMD_UPDATE_STORE_H
#define WINNOW_CMD_UPDATE_STORE_H

#include <time.h>

#include "cmd/update_tar.h"
#include "util/log.h"

struct update_store {
	struct arena *arena;
	const struct log *log;
	const char *dir;
	int lock; /* -1: none */
};

/* Waits for another sa-update that works in the directory.  It need not exist. */
void update_store_init(struct update_store *store, struct arena *arena, const struct log *log,
                       const char *dir);
void update_store_deinit(struct update_store *store);

/* Of what is installed; -1: nothing is. */
long long update_store_version(const struct update_store *store, const char *name);
/* The list of mirrors that lies there; STATUS_NONE: none, or it is empty. */
enum status update_store_mirrors(const struct update_store *store, const char *name,
                                 struct slice *text_r, time_t *time_r,
                                 struct error *error) WARN_UNUSED;
/* Keeps a fresh one; nothing when the channel has no directory yet. */
enum status update_store_set_mirrors(const struct update_store *store, const char *name,
                                     struct slice text, struct error *error) WARN_UNUSED;

struct update_install {
	const char *name; /* of the channel, as a file name */
	long long version;
	const update_file_vec *files;
	struct slice mirrors; /* MIRRORED.BY; data NULL: as it is */
};
/* Either all of it is installed, or all is as it was. */
enum status update_store_install(struct update_store *store, const struct update_install *install,
                                 struct error *error) WARN_UNUSED;

/* Writes files into a directory that exists; for the check before they are used. */
enum status update_files_write(const char *dir, const update_file_vec *files,
                               struct error *error) WARN_UNUSED;
/* A directory with plain files in it, and itself. */
void update_dir_remove(const char *dir);

#endif
