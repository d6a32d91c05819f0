/*
 * file.h - whole files
 */
#ifndef WINNOW_UTIL_FILE_H
#define WINNOW_UTIL_FILE_H

#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"

/*
 * Reads a regular file (STATUS_IO, or STATUS_NONE when it does not exist; STATUS_LIMIT when longer
 * than max_bytes). The bytes live in the arena.
 */
enum status file_read(struct arena *arena, const char *path, size_t max_bytes, struct slice *text_r,
                      struct error *error) WARN_UNUSED;
/* The same for a file that somebody else may have put there: no link, nothing that blocks, owned by
 * `owner`. */
enum status file_read_owned(struct arena *arena, const char *path, unsigned owner, size_t max_bytes,
                            struct slice *text_r, struct error *error) WARN_UNUSED;
/* Reads until end of file. */
enum status file_read_fd(struct arena *arena, int fd, size_t max_bytes, struct slice *text_r,
                         struct error *error) WARN_UNUSED;
/* All of it, however often it takes; false with errno. */
bool file_write_all(int fd, struct slice text) WARN_UNUSED;

#endif
