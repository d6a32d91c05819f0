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
	} else if (!paths_create_prefs(
			   arena, AT_FDCWD, prefs_path, 0666,
			   paths_prefs_template(arena, paths_find_site(), paths_find_rules()),
			   prefs_path, log)) {
		log_warn(log, "config", "failed to create default user preference file %s",
		         prefs_path);
	}
	return prefs_path;
}
