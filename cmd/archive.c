/*
 * archive.c - messages out of files, directories and mailboxes
 */
#include "cmd/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "util/file.h"
#include "util/strbuf.h"

extern char **environ;

/* An unpacked message may be so large: a bomb ends there. */
#define UNPACKED_MAX ((size_t)1 << 30)
enum { MBX_HEADER = 2048 };

void
archive_init(struct archive *archive, struct arena *arena, const struct log *log)
{
	*archive = (struct archive){.arena = arena, .log = log};
}

bool
archive_format_find(struct slice name, enum archive_format *format_r)
{
	static const char *const names[] = {"detect", "file", "dir", "mbox", "mbx"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(name, slice_from_cstr(names[i]))) {
			*format_r = (enum archive_format)i;
			return true;
		}
	return false;
}

static void
no_access(const struct archive *archive, const char *path)
{
	log_warn(archive->log, "archive-iterator", "no access to %s: %s", path, strerror(errno));
}

/* ---- From lines ---- */

/* The value's length when one digit stands at i or after any one byte there. */
static size_t
loose_digit(struct slice s, size_t i, bool skip)
{
	size_t at = i + skip;

	return at < s.len && byte_is_digit(s.data[at]) ? at + 1 : 0;
}

static size_t
match_shape(struct slice s, size_t i, const char *shape)
{
	for (; *shape != '\0'; shape++, i++) {
		unsigned char want = (unsigned char)*shape;

		if (i >= s.len)
			return 0;
		if (want == '9'   ? !byte_is_digit(s.data[i])
		    : want == 'S' ? byte_is_space(s.data[i])
		                  : s.data[i] != want)
			return 0;
	}
	return i;
}

/* "Tue Nov 24 12:00:00 2026", day and hour of one or two places; or "24-11-2026_12:00:00_". */
static bool
is_from_date(struct slice s)
{
	size_t i = match_shape(s, 0, "SSS SSS "), day, hour;

	for (int skip = 0; i != 0 && skip < 4; skip++) {
		day = loose_digit(s, i, skip & 1);
		hour = day != 0 && day < s.len && s.data[day] == ' '
		               ? loose_digit(s, day + 1, skip >> 1)
		               : 0;
		if (hour != 0 && match_shape(s, hour, ":99:99 9999") != 0)
			return true;
	}
	for (int skip = 0; skip < 2; skip++) {
		day = loose_digit(s, 0, skip != 0);
		if (day != 0 && match_shape(s, day, "-99-9999_99:99:99_") != 0)
			return true;
	}
	return false;
}

bool
archive_is_from_line(struct slice line)
{
	size_t end;

	if (!slice_starts(line, SLICE("From ")))
		return false;
	line = slice_from(line, 5);
	for (end = 0; end < line.len && !byte_is_space(line.data[end]); end++)
		;
	if (end == 0 || end >= line.len || line.data[end] != ' ')
		return false;
	line = slice_from(line, end + 1);
	return is_from_date(line) ||
	       (line.len > 0 && line.data[0] == ' ' && is_from_date(slice_from(line, 1)));
}

/* ---- reading ---- */

static bool
read_gzip(const struct archive *archive, const char *path, struct arena *arena,
          struct slice *text_r)
{
	gzFile file = gzopen(path, "rb");
	struct strbuf buf;
	int n;

	if (file == NULL)
		return false;
	strbuf_init(&buf, arena, UNPACKED_MAX);
	while (strbuf_reserve(&buf, 65536) && (n = gzread(file, buf.data + buf.len, 65536)) > 0)
		buf.len += (size_t)n;
	gzclose(file);
	if (strbuf_is_bad(&buf)) {
		log_warn(archive->log, "archive-iterator", "%s is too large when unpacked", path);
		return false;
	}
	*text_r = strbuf_slice(&buf);
	return true;
}

static bool
read_through(const struct archive *archive, const char *tool, const char *path, struct arena *arena,
             struct slice *text_r)
{
	char *argv[] = {arena_cstr(arena, slice_from_cstr(tool)), arena_cstr(arena, SLICE("-cd")),
	                arena_cstr(arena, SLICE("--")), arena_cstr(arena, slice_from_cstr(path)),
	                NULL};
	posix_spawn_file_actions_t actions;
	struct error error;
	enum status status;
	int pipe_fd[2], code;
	pid_t pid;

	if (argv[3] == NULL || pipe2(pipe_fd, O_CLOEXEC) != 0)
		return false;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], STDOUT_FILENO);
	code = posix_spawnp(&pid, tool, &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fd[1]);
	if (code != 0) {
		close(pipe_fd[0]);
		log_warn(archive->log, "archive-iterator", "%s executable required for %s", tool,
		         path);
		return false;
	}
	status = file_read_fd(arena, pipe_fd[0], UNPACKED_MAX, text_r, &error);
	close(pipe_fd[0]);
	while (waitpid(pid, &code, 0) < 0 && errno == EINTR)
		;
	if (status != STATUS_OK)
		log_warn(archive->log, "archive-iterator", "%s: %s", path, error.text);
	return status == STATUS_OK;
}

/* clang-format off */
static const struct packer {
	struct slice magic;
	const char *tool;
} packers[] = {
	{ { (const unsigned char *)"\x1f\x8b", 2 }, "gzip" },
	{ { (const unsigned char *)"BZh", 3 }, "bzip2" },
	{ { (const unsigned char *)"BZ0", 3 }, "bzip2" },
	{ { (const unsigned char *)"\xfd" "7zXZ\0", 6 }, "xz" },
	{ { (const unsigned char *)"\x04\x22\x4d\x18", 4 }, "lz4" },
	{ { (const unsigned char *)"LZIP", 4 }, "lzip" },
	{ { (const unsigned char *)"\x89LZO\0\r", 6 }, "lzop" },
};
/* clang-format on */

static bool
read_whole(const struct archive *archive, const char *path, struct arena *arena,
           struct slice *text_r)
{
	struct error error;
	enum status status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		no_access(archive, path);
		return false;
	}
	status = file_read_fd(arena, fd, SIZE_MAX / 4, text_r, &error);
	close(fd);
	if (status != STATUS_OK) {
		log_warn(archive->log, "archive-iterator", "%s: %s", path, error.text);
		return false;
	}
	if (text_r->data == NULL)
		*text_r = SLICE("");
	for (size_t i = 0; i < sizeof(packers) / sizeof(packers[0]); i++)
		if (slice_starts(*text_r, packers[i].magic)) {
			log_debug(archive->log, "archive-iterator",
			          "detected %s file %s, unpacking", packers[i].tool, path);
			return i == 0 ? read_gzip(archive, path, arena, text_r)
			              : read_through(archive, packers[i].tool, path, arena, text_r);
		}
	return true;
}

static bool
read_part(const struct archive *archive, const struct archive_entry *entry, struct arena *arena,
          struct slice *message_r)
{
	const char *path = (const char *)entry->path.data;
	unsigned char *bytes = arena_bytes(arena, (size_t)entry->size + 1);
	int fd = bytes == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;

	if (fd < 0) {
		no_access(archive, path);
		return false;
	}
	while (got < entry->size) {
		ssize_t n = pread(fd, bytes + got, (size_t)entry->size - got,
		                  (off_t)(entry->offset + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	close(fd);
	*message_r = slice_of(bytes, got);
	return true;
}

bool
archive_read(const struct archive *archive, const struct archive_entry *entry, struct arena *arena,
             struct slice *message_r)
{
	return entry->is_part
	               ? read_part(archive, entry, arena, message_r)
	               : read_whole(archive, (const char *)entry->path.data, arena, message_r);
}

/* ---- listing ---- */

static struct archive_entry *
push(struct archive *archive, const char *path, unsigned class_mark)
{
	struct archive_entry entry = {.path = arena_dup(archive->arena, slice_from_cstr(path)),
	                              .class_mark = class_mark};

	return entry.path.data == NULL ? NULL : vec_push(archive->arena, &archive->entries, entry);
}

static void
push_part(struct archive *archive, const char *path, unsigned class_mark, size_t offset,
          size_t size)
{
	struct archive_entry *entry = push(archive, path, class_mark);

	if (entry == NULL)
		return;
	entry->is_part = true;
	entry->offset = offset;
	entry->size = size;
}

static bool
next_line(struct slice text, size_t *at, struct slice *line_r)
{
	struct slice rest = slice_from(text, *at);

	if (!slice_next_line(&rest, line_r))
		return false;
	*at += line_r->len;
	return true;
}

static void
list_mbox_text(struct archive *archive, const char *path, struct slice text, unsigned class_mark)
{
	size_t at = 0, begin = SLICE_NPOS;
	struct slice line;

	while (next_line(text, &at, &line)) {
		bool is_from = slice_starts(line, SLICE("From ")) &&
		               (archive->is_from_line != NULL
		                        ? archive->is_from_line(archive->from_data, line)
		                        : archive_is_from_line(line));

		if (!is_from)
			continue;
		if (begin != SLICE_NPOS)
			push_part(archive, path, class_mark, begin, at - line.len - begin);
		/* a From line with nothing behind it is no message */
		begin = at < text.len ? at - line.len : SLICE_NPOS;
	}
	if (begin != SLICE_NPOS)
		push_part(archive, path, class_mark, begin, text.len - begin);
}

/* "24-Nov-2026 12:00:00 +0000,1234;000000000001-00000001": the size of what follows. */
static bool
mbx_size(struct slice line, size_t *size_r)
{
	size_t comma = slice_rfind_byte(line, ','), semicolon = slice_rfind_byte(line, ';');
	unsigned long long size;

	if (comma == SLICE_NPOS || semicolon == SLICE_NPOS || semicolon < comma || line.len < 24 ||
	    !byte_is_digit(line.data[1]) || line.data[2] != '-' ||
	    !slice_to_u64(slice_sub(line, comma + 1, semicolon - comma - 1), SIZE_MAX / 2, &size))
		return false;
	*size_r = (size_t)size;
	return true;
}

static void
list_mbx_text(struct archive *archive, const char *path, struct slice text, unsigned class_mark)
{
	size_t at = 0, size;
	struct slice line;

	if (!next_line(text, &at, &line) || slice_find(line, SLICE("*mbx*"), 0) == SLICE_NPOS) {
		log_error(archive->log, "archive-iterator",
		          "error: mailbox not in mbx format%s: %s", at == 0 ? " - empty" : "",
		          path);
		archive->failed = true;
		return;
	}
	at = MBX_HEADER;
	while (next_line(text, &at, &line)) {
		if (!mbx_size(line, &size)) {
			log_error(archive->log, "archive-iterator",
			          "error: failure to read message body in %s", path);
			archive->failed = true;
			return;
		}
		if (size > text.len - at)
			size = text.len - at;
		push_part(archive, path, class_mark, at, size);
		at += size;
	}
}

static void
list_mailbox_file(struct archive *archive, const char *path, unsigned class_mark, bool mbx)
{
	struct arena *scratch = arena_create(0);
	struct slice name = slice_from_cstr(path), text;
	static const char *const packed[] = {".gz", ".bz2", ".xz", ".lz", ".lz4", ".lzo"};

	for (size_t i = 0; i < sizeof(packed) / sizeof(packed[0]); i++)
		if (slice_iends(name, slice_from_cstr(packed[i]))) {
			log_warn(archive->log, "archive-iterator",
			         "compressed %s folders are not supported at this time",
			         mbx ? "mbx" : "mbox");
			arena_destroy(&scratch);
			return;
		}
	if (scratch != NULL && read_whole(archive, path, scratch, &text))
		(mbx ? list_mbx_text : list_mbox_text)(archive, path, text, class_mark);
	arena_destroy(&scratch);
}

static int
by_bytes(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

enum name_filter { NAMES_PLAIN, NAMES_MAILDIR, NAMES_CYRUS, NAMES_MAILBOXES };

static bool
is_wanted(struct slice name, enum name_filter filter)
{
	static const char *const cyrus[] = {"cyrus.index", "cyrus.header", "cyrus.cache",
	                                    "cyrus.seen"};
	size_t flags;

	switch (filter) {
	case NAMES_PLAIN:
		return name.data[0] != ',' && name.data[0] != '.';
	case NAMES_MAILDIR:
		flags = slice_find(name, SLICE(":2,"), 0);
		return name.data[0] != '.' &&
		       (flags == SLICE_NPOS || slice_find_byte(name, 'T', flags) == SLICE_NPOS);
	case NAMES_CYRUS:
		for (size_t i = 0; i < sizeof(cyrus) / sizeof(cyrus[0]); i++)
			if (slice_starts(name, slice_from_cstr(cyrus[i])))
				return false;
		return !slice_eq(name, SLICE(".")) && !slice_eq(name, SLICE("..")) &&
		       slice_find_any(name, " \t\n\v\f\r", 0) == SLICE_NPOS;
	case NAMES_MAILBOXES:
		return name.data[0] != '.' && slice_find_any(name, " \t\n\v\f\r", 0) == SLICE_NPOS;
	}
	return false;
}

/* Full names of the wanted entries of a directory, sorted. */
static bool
list_names(const struct archive *archive, const char *path, enum name_filter filter,
           slice_vec *names_r)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	size_t before = names_r->count;

	if (dir == NULL) {
		log_warn(archive->log, "archive-iterator", "can't open '%s' dir: %s", path,
		         strerror(errno));
		return false;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct slice name = slice_from_cstr(entry->d_name);

		if (name.len > 0 && is_wanted(name, filter))
			(void)vec_push(archive->arena, names_r,
			               arena_printf(archive->arena, "%s/%s", path, entry->d_name));
	}
	closedir(dir);
	if (names_r->count > before)
		qsort(names_r->items + before, names_r->count - before, sizeof(struct slice),
		      by_bytes);
	return true;
}

static bool
is_dir(const struct archive *archive, const char *dir, const char *name)
{
	struct slice path = arena_printf(archive->arena, "%s/%s", dir, name);
	struct stat st;

	return path.data != NULL && stat((const char *)path.data, &st) == 0 && S_ISDIR(st.st_mode);
}

static void
list_one_directory(const struct archive *archive, const char *dir, slice_vec *names_r)
{
	struct slice cyrus = arena_printf(archive->arena, "%s/cyrus.header", dir);
	struct stat st;

	if (is_dir(archive, dir, "new") && is_dir(archive, dir, "cur") &&
	    is_dir(archive, dir, "tmp")) {
		struct slice path = arena_printf(archive->arena, "%s/new", dir);

		(void)list_names(archive, (const char *)path.data, NAMES_MAILDIR, names_r);
		path = arena_printf(archive->arena, "%s/cur", dir);
		(void)list_names(archive, (const char *)path.data, NAMES_MAILDIR, names_r);
	} else if (cyrus.data != NULL && stat((const char *)cyrus.data, &st) == 0 &&
	           S_ISREG(st.st_mode)) {
		(void)list_names(archive, dir, NAMES_CYRUS, names_r);
	} else {
		(void)list_names(archive, dir, NAMES_PLAIN, names_r);
	}
}

/* Files of a directory first, then those of its sub-directories; a work list, no recursion. */
static void
list_directory(struct archive *archive, const char *path, unsigned class_mark)
{
	slice_vec todo = {0};

	(void)vec_push(archive->arena, &todo, arena_dup(archive->arena, slice_from_cstr(path)));
	while (todo.count > 0) {
		slice_vec names = {0}, dirs = {0};

		list_one_directory(archive, (const char *)todo.items[--todo.count].data, &names);
		for (size_t i = 0; i < names.count; i++) {
			const char *name = (const char *)names.items[i].data;
			struct stat st;

			if (stat(name, &st) != 0) {
				if (errno != ENOENT)
					no_access(archive, name);
			} else if (S_ISDIR(st.st_mode)) {
				(void)vec_push(archive->arena, &dirs, names.items[i]);
			} else if (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode) ||
			           S_ISFIFO(st.st_mode)) {
				(void)push(archive, name, class_mark);
			} else {
				log_warn(archive->log, "archive-iterator",
				         "%s is not a plain file or directory", name);
			}
		}
		while (dirs.count > 0)
			(void)vec_push(archive->arena, &todo, dirs.items[--dirs.count]);
	}
}

static void
list_mailbox(struct archive *archive, const char *path, unsigned class_mark, bool mbx)
{
	slice_vec names = {0};
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno != ENOENT)
			no_access(archive, path);
		return;
	}
	if (!S_ISDIR(st.st_mode)) {
		list_mailbox_file(archive, path, class_mark, mbx);
		return;
	}
	(void)list_names(archive, path, NAMES_MAILBOXES, &names);
	for (size_t i = 0; i < names.count; i++)
		if (stat((const char *)names.items[i].data, &st) == 0 && S_ISREG(st.st_mode))
			list_mailbox_file(archive, (const char *)names.items[i].data, class_mark,
			                  mbx);
}

static void
add_location(struct archive *archive, enum archive_format format, const char *path,
             unsigned class_mark)
{
	struct stat st;

	if (format == ARCHIVE_DETECT) {
		if (stat(path, &st) != 0) {
			no_access(archive, path);
			return;
		}
		format = S_ISDIR(st.st_mode) ? ARCHIVE_DIR
		         : slice_ifind(slice_from_cstr(path), SLICE(".mbox"), 0) != SLICE_NPOS
		                 ? ARCHIVE_MBOX
		                 : ARCHIVE_FILE;
	}
	switch (format) {
	case ARCHIVE_DETECT:
	case ARCHIVE_FILE:
		(void)push(archive, path, class_mark);
		break;
	case ARCHIVE_DIR:
		list_directory(archive, path, class_mark);
		break;
	case ARCHIVE_MBOX:
	case ARCHIVE_MBX:
		list_mailbox(archive, path, class_mark, format == ARCHIVE_MBX);
		break;
	}
}

void
archive_add(struct archive *archive, enum archive_format format, const char *target,
            unsigned class_mark)
{
	struct slice name = slice_from_cstr(target);
	const char *home = getenv("HOME");
	glob_t found;

	if (slice_starts(name, SLICE("~/")) && home != NULL)
		target = (const char *)arena_printf(archive->arena, "%s%s", home, target + 1).data;
	if (target == NULL)
		return;
	if (slice_find_any(name, "*?[{\\", 0) == SLICE_NPOS) {
		add_location(archive, format, target, class_mark);
		return;
	}
	if (glob(target, GLOB_NOCHECK | GLOB_BRACE, NULL, &found) != 0) {
		add_location(archive, format, target, class_mark);
		return;
	}
	for (size_t i = 0; i < found.gl_pathc; i++)
		add_location(archive, format, found.gl_pathv[i], class_mark);
	globfree(&found);
}
