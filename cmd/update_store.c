/*
 * update_store.c - channels as they lie in the update directory
 */
#include "cmd/update_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/strbuf.h"

enum { MIRRORS_BYTES_MAX = 1024 * 1024, FILE_BYTES_MAX = 64 * 1024 * 1024 };

/* In a version's directory: what NAME.cf and NAME.pre point to. */
#define INCLUDE_CF ".channel.cf"
#define INCLUDE_PRE ".channel.pre"
#define MIRRORED_BY "MIRRORED.BY"

struct path {
	char text[PATH_MAX];
};

static struct path PRINTF_LIKE(1, 2) path_of(const char *fmt, ...)
{
	struct path path;
	va_list args;

	va_start(args, fmt);
	if (vsnprintf(path.text, sizeof(path.text), fmt, args) >= (int)sizeof(path.text))
		path.text[0] = '\0'; /* no such file, then */
	va_end(args);
	return path;
}

static enum status
io_error(struct error *error, const char *what, const char *path)
{
	return error_set(error, STATUS_IO, "%s %s: %s", what, path, strerror(errno));
}

/* ---- files and directories ---- */

static enum status
write_new(const char *path, struct slice text, struct error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	bool ok;

	if (fd < 0)
		return io_error(error, "cannot create", path);
	ok = file_write_all(fd, text) && fsync(fd) == 0;
	if (close(fd) != 0 || !ok)
		return io_error(error, "cannot write", path);
	return STATUS_OK;
}

static void
sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		(void)fsync(fd);
		(void)close(fd);
	}
}

enum status
update_files_write(const char *dir, const update_file_vec *files, struct error *error)
{
	enum status status = STATUS_OK;

	for (size_t i = 0; i < files->count && status == STATUS_OK; i++)
		status = write_new(path_of("%s/%.*s", dir, SLICE_FMT(files->items[i].name)).text,
		                   files->items[i].text, error);
	return status;
}

void
update_dir_remove(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			(void)unlinkat(fd, entry->d_name, 0);
	if (d != NULL)
		(void)closedir(d);
	else if (fd >= 0)
		(void)close(fd);
	else
		(void)unlink(dir); /* a link */
	(void)rmdir(dir);
}

static bool
is_type(const char *path, mode_t type)
{
	struct stat st;

	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type;
}

/* mkdir -p */
static bool
make_dirs(const char *dir)
{
	struct path path = path_of("%s", dir);

	for (char *slash = strchr(path.text + 1, '/'); slash != NULL;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path.text, 0777) != 0 && errno != EEXIST)
			return false;
		*slash = '/';
	}
	return mkdir(path.text, 0777) == 0 || errno == EEXIST;
}

/* DIR/.NAME.PID for DIR/NAME: remove_leftovers() finds what a program that was ended leaves. */
static struct path
hidden_beside(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;

	return path_of("%.*s.%s.%ld", (int)len, path, path + len, (long)getpid());
}

/* A link at `path`, whatever is there now. */
static enum status
put_link(const char *target, const char *path, struct error *error)
{
	struct path temporary = hidden_beside(path);

	(void)unlink(temporary.text);
	if (symlink(target, temporary.text) != 0)
		return io_error(error, "cannot create", temporary.text);
	if (rename(temporary.text, path) == 0)
		return STATUS_OK;
	(void)io_error(error, "cannot replace", path);
	(void)unlink(temporary.text);
	return STATUS_IO;
}

/* ---- reading what is there ---- */

void
update_store_init(struct update_store *store, struct arena *arena, const struct log *log,
                  const char *dir)
{
	*store = (struct update_store){arena, log, dir, -1};
	store->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->lock >= 0 && flock(store->lock, LOCK_EX | LOCK_NB) != 0) {
		log_info(log, "generic", "waiting for another sa-update that works in %s", dir);
		while (flock(store->lock, LOCK_EX) != 0 && errno == EINTR)
			;
	}
}

void
update_store_deinit(struct update_store *store)
{
	if (store->lock >= 0)
		(void)close(store->lock);
	store->lock = -1;
}

/* "# UPDATE version 1900000" among the first lines, which all begin so. */
long long
update_store_version(const struct update_store *store, const char *name)
{
	struct path path = path_of("%s/%s.cf", store->dir, name);
	long long version = -1;
	struct slice text, line, word, type;
	struct error error;
	enum status status = file_read(store->arena, path.text, FILE_BYTES_MAX, &text, &error);

	if (status != STATUS_OK) {
		if (status != STATUS_NONE)
			log_debug(store->log, "channel", "error opening file %s: %s", path.text,
			          error.text);
		return -1;
	}
	while (slice_next_line(&text, &line) && slice_starts(line, SLICE("# UPDATE"))) {
		unsigned long long number;

		line = slice_from(line, 8);
		if (line.len == 0 || !byte_is_space(line.data[0]) ||
		    !slice_next_word(&line, &type) || !slice_next_word(&line, &word))
			break;
		log_debug(store->log, "channel", "metadata %.*s = %.*s, from file %s",
		          SLICE_FMT(type), SLICE_FMT(word), path.text);
		word = slice_sub(word, 0, slice_span(word, "0123456789", 0));
		if (slice_ieq(type, SLICE("version")) && slice_to_u64(word, LLONG_MAX, &number))
			version = (long long)number;
	}
	return version;
}

enum status
update_store_mirrors(const struct update_store *store, const char *name, struct slice *text_r,
                     time_t *time_r, struct error *error)
{
	struct path path = path_of("%s/%s/" MIRRORED_BY, store->dir, name);
	enum status status = file_read(store->arena, path.text, MIRRORS_BYTES_MAX, text_r, error);
	struct stat st;

	if (status == STATUS_OK && (text_r->len == 0 || stat(path.text, &st) != 0))
		return STATUS_NONE;
	if (status == STATUS_OK)
		*time_r = st.st_mtime;
	return status;
}

enum status
update_store_set_mirrors(const struct update_store *store, const char *name, struct slice text,
                         struct error *error)
{
	struct path path = path_of("%s/%s/" MIRRORED_BY, store->dir, name);
	struct path temporary = hidden_beside(path.text);
	struct path dir = path_of("%s/%s", store->dir, name);
	struct stat st;

	if (stat(dir.text, &st) != 0)
		return STATUS_OK;
	(void)unlink(temporary.text);
	if (write_new(temporary.text, text, error) != STATUS_OK)
		return STATUS_IO;
	if (rename(temporary.text, path.text) == 0)
		return STATUS_OK;
	(void)io_error(error, "cannot replace", path.text);
	(void)unlink(temporary.text);
	return STATUS_IO;
}

/* ---- a version's directory ---- */

static int
compare_names(const void *a, const void *b)
{
	return slice_cmp(((const struct update_file *)a)->name,
	                 ((const struct update_file *)b)->name);
}

static bool
is_reserved(struct slice name)
{
	return slice_eq(name, SLICE(INCLUDE_CF)) || slice_eq(name, SLICE(INCLUDE_PRE)) ||
	       slice_eq(name, SLICE(MIRRORED_BY));
}

static struct slice
includes(struct update_store *store, const struct update_install *install, struct slice suffix)
{
	struct strbuf out;

	strbuf_init(&out, store->arena, 0);
	if (slice_eq(suffix, SLICE(".cf")))
		strbuf_printf(&out, "# UPDATE version %lld\n", install->version);
	for (size_t i = 0; i < install->files->count; i++) {
		struct slice name = install->files->items[i].name;

		if (!slice_ends(name, suffix) || is_reserved(name))
			continue;
		strbuf_printf(&out, "include %s/%.*s\n", install->name, SLICE_FMT(name));
		log_debug(store->log, "channel", "adding %.*s", SLICE_FMT(name));
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

/* MIRRORED.BY as it is, with its time: its age says when it is fetched again. */
static enum status
keep_mirrors(struct update_store *store, const struct update_install *install, const char *dir,
             struct error *error)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
	struct path path = path_of("%s/" MIRRORED_BY, dir);
	struct slice text = install->mirrors;
	struct error ignored;
	time_t modified;
	enum status status;

	if (text.data == NULL) {
		if (update_store_mirrors(store, install->name, &text, &modified, &ignored) !=
		    STATUS_OK)
			return STATUS_OK;
		times[1] = (struct timespec){.tv_sec = modified};
	}
	status = write_new(path.text, text, error);
	if (status == STATUS_OK)
		(void)utimensat(AT_FDCWD, path.text, times, 0);
	return status;
}

static enum status
fill_version(struct update_store *store, const struct update_install *install, const char *dir,
             bool *has_pre_r, struct error *error)
{
	struct slice cf = includes(store, install, SLICE(".cf")),
		     pre = includes(store, install, SLICE(".pre"));
	enum status status;

	for (size_t i = 0; i < install->files->count; i++)
		if (is_reserved(install->files->items[i].name))
			return error_set(error, STATUS_BAD, "the archive has a file named %.*s",
			                 SLICE_FMT(install->files->items[i].name));
	*has_pre_r = pre.len > 0;
	status = update_files_write(dir, install->files, error);
	if (status == STATUS_OK)
		status = write_new(path_of("%s/" INCLUDE_CF, dir).text, cf, error);
	if (status == STATUS_OK)
		status = write_new(path_of("%s/" INCLUDE_PRE, dir).text, pre, error);
	if (status == STATUS_OK)
		status = keep_mirrors(store, install, dir, error);
	sync_dir(dir);
	return status;
}

/* ---- the reference's layout into ours ---- */

/* Also with a name beyond the directory's: NAME.cf -> .channel.cf. */
static enum status
copy_file(struct update_store *store, const char *from, const char *to, struct error *error)
{
	struct slice text;
	enum status status;

	if (link(from, to) == 0)
		return STATUS_OK;
	status = file_read(store->arena, from, FILE_BYTES_MAX, &text, error);
	return status == STATUS_OK ? write_new(to, text, error) : status;
}

static enum status
copy_dir(struct update_store *store, const char *from, const char *to, struct error *error)
{
	DIR *d = opendir(from);
	struct dirent *entry;
	enum status status = STATUS_OK;

	if (d == NULL)
		return io_error(error, "cannot read", from);
	while (status == STATUS_OK && (entry = readdir(d)) != NULL) {
		struct path source = path_of("%s/%s", from, entry->d_name);

		if (is_type(source.text, S_IFREG))
			status = copy_file(store, source.text,
			                   path_of("%s/%s", to, entry->d_name).text, error);
	}
	(void)closedir(d);
	return status;
}

/* The directory NAME gives way to a link to its copy. */
static enum status
exchange_dir(const char *dir, const char *target, struct error *error)
{
	struct path temporary = hidden_beside(dir);

	(void)unlink(temporary.text);
	if (symlink(target, temporary.text) != 0)
		return io_error(error, "cannot create", temporary.text);
	if (renameat2(AT_FDCWD, temporary.text, AT_FDCWD, dir, RENAME_EXCHANGE) == 0) {
		update_dir_remove(temporary.text);
		return STATUS_OK;
	}
	(void)io_error(error, "cannot replace", dir);
	(void)unlink(temporary.text);
	return STATUS_IO;
}

static enum status
convert_dir(struct update_store *store, const char *name, const char *dir, struct error *error)
{
	struct path hidden = path_of(".%s.0.%ld", name, (long)getpid());
	struct path copy = path_of("%s/%s", store->dir, hidden.text);
	enum status status;

	log_debug(store->log, "channel", "making a link of %s", dir);
	update_dir_remove(copy.text);
	if (mkdir(copy.text, 0777) != 0)
		return io_error(error, "cannot create", copy.text);
	status = copy_dir(store, dir, copy.text, error);
	if (status == STATUS_OK)
		status = exchange_dir(dir, hidden.text, error);
	if (status != STATUS_OK)
		update_dir_remove(copy.text);
	return status;
}

/* NAME.cf becomes a link to its copy in NAME/. */
static enum status
convert_file(struct update_store *store, const char *name, const char *suffix, const char *inside,
             struct error *error)
{
	struct path file = path_of("%s/%s%s", store->dir, name, suffix);
	struct path copy = path_of("%s/%s/%s", store->dir, name, inside);

	if (!is_type(file.text, S_IFREG))
		return STATUS_OK;
	(void)unlink(copy.text);
	if (copy_file(store, file.text, copy.text, error) != STATUS_OK)
		return STATUS_IO;
	return put_link(path_of("%s/%s", name, inside).text, file.text, error);
}

static enum status
convert(struct update_store *store, const char *name, struct error *error)
{
	struct path dir = path_of("%s/%s", store->dir, name);
	enum status status = STATUS_OK;

	if (is_type(dir.text, S_IFDIR))
		status = convert_dir(store, name, dir.text, error);
	if (status == STATUS_OK && is_type(dir.text, S_IFLNK)) {
		status = convert_file(store, name, ".pre", INCLUDE_PRE, error);
		if (status == STATUS_OK)
			status = convert_file(store, name, ".cf", INCLUDE_CF, error);
	}
	return status;
}

/* ---- the switch ---- */

/* Hidden directories of the channel that nothing points to: of runs that were ended. */
static void
remove_leftovers(struct update_store *store, const char *name)
{
	struct path prefix = path_of(".%s.", name), target = {""};
	DIR *d = opendir(store->dir);
	struct dirent *entry;

	if (readlink(path_of("%s/%s", store->dir, name).text, target.text,
	             sizeof(target.text) - 1) < 0)
		target.text[0] = '\0'; /* no link yet */
	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strncmp(entry->d_name, prefix.text, strlen(prefix.text)) == 0 &&
		    strcmp(entry->d_name, target.text) != 0)
			update_dir_remove(path_of("%s/%s", store->dir, entry->d_name).text);
	if (d != NULL)
		(void)closedir(d);
}

/* The version that is there gets a NAME.pre, an empty one, when the next one has one. */
static enum status
prepare_pre(const char *root, const char *name, struct error *error)
{
	struct path old = path_of("%s/%s/" INCLUDE_PRE, root, name),
		    link = path_of("%s/%s.pre", root, name);

	if (is_type(link.text, S_IFLNK))
		return STATUS_OK;
	if (!is_type(old.text, S_IFREG) && write_new(old.text, SLICE(""), error) != STATUS_OK)
		return STATUS_IO;
	return put_link(path_of("%s/" INCLUDE_PRE, name).text, link.text, error);
}

static enum status
switch_to(const char *root, const char *name, const char *hidden, bool has_pre, struct error *error)
{
	struct path link = path_of("%s/%s", root, name);
	struct path cf = path_of("%s/%s.cf", root, name), pre = path_of("%s/%s.pre", root, name);
	bool is_update = is_type(link.text, S_IFLNK) && is_type(cf.text, S_IFLNK);

	if (is_update && has_pre && prepare_pre(root, name, error) != STATUS_OK)
		return STATUS_IO;
	if (put_link(hidden, link.text, error) != STATUS_OK)
		return STATUS_IO;
	if (!has_pre)
		(void)unlink(pre.text);
	else if (!is_update &&
	         put_link(path_of("%s/" INCLUDE_PRE, name).text, pre.text, error) != STATUS_OK)
		return STATUS_IO;
	if (is_update)
		return STATUS_OK;
	/* The first time, the channel is not there before this. */
	return put_link(path_of("%s/" INCLUDE_CF, name).text, cf.text, error);
}

/* A new directory; what is there under the first name may be in use (containers count from 1). */
static enum status
make_hidden(const struct update_install *install, const char *root, struct path *hidden_r,
            struct error *error)
{
	struct path dir;

	for (unsigned n = 0; n < 100; n++) {
		*hidden_r = path_of(".%s.%lld.%ld.%u", install->name, install->version,
		                    (long)getpid(), n);
		dir = path_of("%s/%s", root, hidden_r->text);
		if (mkdir(dir.text, 0777) == 0)
			return STATUS_OK;
		if (errno != EEXIST)
			break;
	}
	return io_error(error, "cannot create", dir.text);
}

/* Into a directory that exists; all, or nothing. */
static enum status
install_into(struct update_store *store, const struct update_install *install, const char *root,
             struct error *error)
{
	struct path hidden, dir;
	bool has_pre = false;
	enum status status = make_hidden(install, root, &hidden, error);

	if (status != STATUS_OK)
		return status;
	dir = path_of("%s/%s", root, hidden.text);
	status = fill_version(store, install, dir.text, &has_pre, error);
	if (status == STATUS_OK)
		status = convert(store, install->name, error);
	if (status == STATUS_OK)
		status = switch_to(root, install->name, hidden.text, has_pre, error);
	sync_dir(root);
	if (status != STATUS_OK)
		remove_leftovers(store, install->name);
	return status;
}

/* The first channel: programs must not see an update directory without rules in it. */
static enum status
install_first(struct update_store *store, const struct update_install *install, struct error *error)
{
	const char *slash = strrchr(store->dir, '/');
	size_t parent_len = slash == NULL ? 0 : (size_t)(slash - store->dir) + 1;
	struct path root;
	unsigned n = 0;
	enum status status;

	if (parent_len > 1 && !make_dirs(path_of("%.*s", (int)parent_len - 1, store->dir).text))
		return io_error(error, "cannot create channel directory", store->dir);
	do
		root = path_of("%.*s.%s.%ld.%u", (int)parent_len, store->dir,
		               store->dir + parent_len, (long)getpid(), n);
	while (mkdir(root.text, 0777) != 0 && errno == EEXIST && ++n < 100);
	if (!is_type(root.text, S_IFDIR) || n == 100)
		return io_error(error, "cannot create channel directory", root.text);
	status = install_into(store, install, root.text, error);
	if (status == STATUS_OK && rename(root.text, store->dir) != 0)
		status = io_error(error, "cannot create channel directory", store->dir);
	if (status == STATUS_OK)
		return STATUS_OK;
	update_dir_remove(path_of("%s/.%s.%lld.%ld.0", root.text, install->name, install->version,
	                          (long)getpid())
	                          .text);
	update_dir_remove(root.text);
	return status;
}

enum status
update_store_install(struct update_store *store, const struct update_install *install,
                     struct error *error)
{
	struct stat st;
	enum status status;

	qsort(install->files->items, install->files->count, sizeof(install->files->items[0]),
	      compare_names);
	if (stat(store->dir, &st) != 0 && errno == ENOENT)
		return install_first(store, install, error);
	remove_leftovers(store, install->name);
	status = install_into(store, install, store->dir, error);
	if (status == STATUS_OK)
		remove_leftovers(store, install->name);
	return status;
}
