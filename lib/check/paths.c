/*
 * paths.c - where configuration is looked for
 */
#include "check/paths.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

enum { TEMPLATE_BYTES_MAX = 1024 * 1024 };

static const char *const rules_paths[] = {
	"/var/lib/spamassassin/4.000001",
	"/usr/local/share/spamassassin",
	"/usr/share/spamassassin",
	PKGDATADIR "/rules",
};

static const char *const site_paths[] = {
	SYSCONFDIR "/mail/spamassassin",
	SYSCONFDIR "/spamassassin",
	"/usr/local/etc/spamassassin",
	"/usr/pkg/etc/spamassassin",
	"/usr/etc/spamassassin",
	"/etc/mail/spamassassin",
	"/etc/spamassassin",
};

static const char *
first_existing(const char *const *paths, size_t count)
{
	struct stat st;

	for (size_t i = 0; i < count; i++)
		if (stat(paths[i], &st) == 0)
			return paths[i];
	return NULL;
}

const char *
paths_find_rules(void)
{
	return first_existing(rules_paths, sizeof(rules_paths) / sizeof(rules_paths[0]));
}

const char *
paths_find_site(void)
{
	return first_existing(site_paths, sizeof(site_paths) / sizeof(site_paths[0]));
}

const char *
paths_cache(void)
{
	const char *path = getenv("WINNOW_CACHE");

	return path != NULL ? path : "/var/lib/spamassassin/winnow/tables";
}

const char *
paths_user_prefs(struct arena *arena, const char *home)
{
	return (const char *)arena_printf(arena, "%s/.spamassassin/user_prefs", home).data;
}

static const char *
file_in(struct arena *arena, const char *dir, const char *name)
{
	const char *path;

	if (dir == NULL)
		return NULL;
	path = (const char *)arena_printf(arena, "%s/%s", dir, name).data;
	return path != NULL && access(path, R_OK) == 0 ? path : NULL;
}

const char *
paths_prefs_template(struct arena *arena, const char *site_dir, const char *rules_dir)
{
	const char *path = file_in(arena, site_dir, "user_prefs.template");

	return path != NULL ? path : file_in(arena, rules_dir, "user_prefs.template");
}

const char *
paths_support_file(struct arena *arena, const char *rules_dir, const char *name)
{
	const char *path =
		file_in(arena, "/var/lib/spamassassin/4.000001/updates_spamassassin_org", name);

	if (path == NULL)
		path = file_in(arena, rules_dir, name);
	for (size_t i = 0; path == NULL && i < sizeof(rules_paths) / sizeof(rules_paths[0]); i++)
		path = file_in(arena, rules_paths[i], name);
	return path;
}

bool
paths_create_prefs(struct arena *arena, int directory, const char *name, unsigned mode,
                   const char *from, const char *path, const struct log *log)
{
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
	fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		log_warn(log, "config", "cannot create user preferences file %s: %s", path,
		         strerror(errno));
		return false;
	}
	good = file_write_all(fd, text);
	if (close(fd) != 0 || !good) {
		log_warn(log, "config", "cannot write to %s: %s", path, strerror(errno));
		return false;
	}
	log_warn(log, "config", "created user preferences file: %s", path);
	return true;
}
