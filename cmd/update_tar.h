/*
 * update_tar.h - the files of a .tar.gz, in memory
 *
 * Owns: struct update_file.  Source: RFC 1952, POSIX ustar and pax headers, GNU long names.
 * Data: bytes of a download -> update_tar_read -> update_rewrite.h, update_store.h.
 *
 * A rule archive is flat: plain files in one directory.  Whatever else is in it (a path, a link, a
 * device, a name with odd bytes, the same name twice), a size beyond the limits or an end that
 * comes too early makes the whole archive bad: nothing of it is used.  Directory entries and pax
 * comments are skipped.
 */
#ifndef WINNOW_CMD_UPDATE_TAR_H
#define WINNOW_CMD_UPDATE_TAR_H

#include "util/vec.h"

struct update_file {
	struct slice name; /* no slash in it */
	struct slice text;
};
typedef VEC(struct update_file) update_file_vec;

enum {
	UPDATE_FILES_MAX = 10000,
	UPDATE_FILE_BYTES_MAX = 32 * 1024 * 1024,
	UPDATE_TAR_BYTES_MAX = 128 * 1024 * 1024
};

/* STATUS_BAD or STATUS_LIMIT: *files_r is as it was. */
enum status update_tar_read(struct arena *arena, struct slice packed, update_file_vec *files_r,
                            struct error *error) WARN_UNUSED;

#endif
