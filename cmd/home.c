/*
 * home.c - the invoking user's directory of preferences
 */
#include "cmd/home.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/paths.h"
#include "util/file.h"

enum { TEMPLATE_BYTES_MAX = 1024 * 1024 };

const char *
home_find(struct arena *arena)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (home != NULL && strchr(home, '/') != NULL)
		return home;
	pw = getpwuid(geteuid());
	return pw == NULL ? NULL : arena_cstr(arena, slice_from_cstr(pw->pw_dir));
}

/* Its parents too, as mkdir -p. */
static void
make_directory(struct arena *arena, const char *path, const struct log *log)
{
	char *copy = arena_cstr(arena, slice_from_cstr(path));
	struct stat st;

	if (copy == NULL)
		return;
	if (stat(path, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			log_debug(log, "config", "%s exists but is not a directory", path);
		return;
	}
	for (char *at = copy + 1;; at++) {
		char c = *at;

		if (c != '/' && c != '\0')
			continue;
		*at = '\0';
		if (mkdir(copy, 0700) != 0 && errno != EEXIST) {
			log_debug(log, "config", "mkdir %s failed: %s", copy, strerror(errno));
			return;
		}
		if (c == '\0')
			return;
		*at = c;
	}
}

static bool
write_all(int fd, struct slice text)
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

static bool
create_prefs(struct arena *arena, const char *path, const struct log *log)
{
	const char *from = paths_prefs_template(arena, paths_find_site(), paths_find_rules());
	struct slice text;
	struct error error;
	bool good;
	int fd;

	if (from == NULL) {
		log_warn(log, "config", "can not determine default prefs path");
		return false;
	}
	if (file_read(arena, from, TEMPLATE_BYTES_MAX, &text, &error) != STATUS_OK) {
		log_warn(log, "config", "cannot open %s", error.text);
		return false;
	}
	/* never through a link that somebody put there meanwhile */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0) {
		log_warn(log, "config", "cannot create user preferences file %s: %s", path,
		         strerror(errno));
		return false;
	}
	good = write_all(fd, text);
	if (close(fd) != 0 || !good) {
		log_warn(log, "config", "cannot write to %s: %s", path, strerror(errno));
		return false;
	}
	log_warn(log, "config", "created user preferences file: %s", path);
	return true;
}

const char *
home_prefs(struct arena *arena, const char *prefs_path, bool create, const struct log *log)
{
	const char *home = home_find(arena);
	struct stat st;

	if (home != NULL) {
		struct slice dir = arena_printf(arena, "%s/.spamassassin", home);

		if (create)
			log_debug(log, "config", "using \"%.*s\" for user state dir",
			          SLICE_FMT(dir));
		if (dir.data != NULL)
			make_directory(arena, (const char *)dir.data, log);
	}
	if (prefs_path == NULL && home != NULL)
		prefs_path = paths_user_prefs(arena, home);
	if (prefs_path == NULL || !create)
		return prefs_path;
	if (stat(prefs_path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			log_warn(log, "config",
			         "default user preference file %s is not a regular file",
			         prefs_path);
	} else if (errno != ENOENT) {
		log_warn(log, "config", "default user preference file %s not accessible: %s",
		         prefs_path, strerror(errno));
	} else if (!create_prefs(arena, prefs_path, log)) {
		log_warn(log, "config", "failed to create default user preference file %s",
		         prefs_path);
	}
	return prefs_path;
}
