/*
 * file.c - whole files
 */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/strbuf.h"

enum status
file_read_fd(struct arena *arena, int fd, size_t max_bytes, struct slice *text_r,
             struct error *error)
{
	struct strbuf buf;
	struct stat st;

	strbuf_init(&buf, arena, 0);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (size_t)st.st_size <= max_bytes && !strbuf_reserve(&buf, (size_t)st.st_size + 1))
		return error_set(error, STATUS_LIMIT, "no memory for a file of %lld bytes",
		                 (long long)st.st_size);
	for (;;) {
		ssize_t n;

		if (buf.size - buf.len < 4096 && !strbuf_reserve(&buf, buf.size - buf.len + 1))
			return error_set(error, STATUS_LIMIT, "no memory");
		n = read(fd, buf.data + buf.len, buf.size - buf.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(error, STATUS_IO, "read: %s", strerror(errno));
		if (n == 0)
			break;
		buf.len += (size_t)n;
		if (buf.len > max_bytes)
			return error_set(error, STATUS_LIMIT, "longer than %zu bytes", max_bytes);
	}
	*text_r = strbuf_slice(&buf);
	return STATUS_OK;
}

static enum status
read_path(struct arena *arena, const char *path, int flags, const unsigned *owner, size_t max_bytes,
          struct slice *text_r, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
	enum status status;
	struct stat st;

	if (fd < 0)
		return error_set(error,
		                 errno == ENOENT || errno == ENOTDIR ? STATUS_NONE : STATUS_IO,
		                 "%s: %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		status = error_set(error, STATUS_IO, "%s: not a regular file", path);
	else if (owner != NULL && st.st_uid != *owner)
		status = error_set(error, STATUS_IO, "%s: not owned by the user", path);
	else
		status = file_read_fd(arena, fd, max_bytes, text_r, error);
	close(fd);
	return status;
}

enum status
file_read(struct arena *arena, const char *path, size_t max_bytes, struct slice *text_r,
          struct error *error)
{
	return read_path(arena, path, 0, NULL, max_bytes, text_r, error);
}

enum status
file_read_owned(struct arena *arena, const char *path, unsigned owner, size_t max_bytes,
                struct slice *text_r, struct error *error)
{
	return read_path(arena, path, O_NOFOLLOW, &owner, max_bytes, text_r, error);
}

bool
file_write_all(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text = slice_from(text, (size_t)n);
	}
	return true;
}
