/*
 * archive.h - messages out of files, directories and mailboxes
 *
 * Owns: struct archive (the list of messages and the reading of each).  Source: behaviour of
 * ArchiveIterator.pm 4.0.1: format "detect" takes a directory (Maildir, Cyrus, MH, sub-directories
 * too), a name with ".mbox" as a mailbox, else one message a file; files compressed by gzip, bzip2,
 * xz, lz4, lzip or lzop are unpacked.  Names come in byte order, messages in the order of the
 * mailbox (the reference: readdir and hash order).
 */
#ifndef WINNOW_CMD_ARCHIVE_H
#define WINNOW_CMD_ARCHIVE_H

#include <stdint.h>

#include "util/log.h"
#include "util/vec.h"

enum archive_format { ARCHIVE_DETECT, ARCHIVE_FILE, ARCHIVE_DIR, ARCHIVE_MBOX, ARCHIVE_MBX };

struct archive_entry {
	struct slice path;
	bool is_part; /* from offset, size bytes; else the whole file */
	uint64_t offset, size;
	unsigned class_mark; /* as given to archive_add */
};

struct archive {
	struct arena *arena;
	const struct log *log;
	VEC(struct archive_entry) entries;
	/* The beginning of a mailbox's message: NULL: the shape that the reference knows. */
	bool (*is_from_line)(void *data, struct slice line);
	void *from_data;
	bool failed; /* a mailbox was not of its format; said so */
};

void archive_init(struct archive *archive, struct arena *arena, const struct log *log);
/* Lists the messages of one target; wildcards are expanded.  What cannot be read is said. */
void archive_add(struct archive *archive, enum archive_format format, const char *target,
                 unsigned class_mark);
/* "mbox" -> ARCHIVE_MBOX; false: no such format. */
bool archive_format_find(struct slice name, enum archive_format *format_r);
/* Bytes of one message into the arena; false: cannot be read; said so. */
bool archive_read(const struct archive *archive, const struct archive_entry *entry,
                  struct arena *arena, struct slice *message_r);
/* Is that the first line of a message in a mailbox? */
bool archive_is_from_line(struct slice line);

#endif
