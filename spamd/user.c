/*
 * user.c - whose message it is: privileges, home directories, preferences
 */
#include "spamd/user.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/paths.h"
#include "spamd/vpopmail.h"
#include "util/file.h"
#include "util/strbuf.h"

enum { NAME_BYTES_MAX = 256 };

/* ---- privileges ---- */

bool
user_changes(const struct spamd_options *options)
{
	bool asks = options->setuid_with_sql || options->setuid_with_ldap;

	return geteuid() == 0 && options->username == NULL && !options->vpopmail &&
	       options->virtual_config_dir == NULL &&
	       (options->user_config || options->paranoid || asks);
}

bool
user_asks_database(const struct spamd_options *options, enum user_scores_source *source_r)
{
	bool is_sql = options->sql_config || options->setuid_with_sql;

	*source_r = is_sql ? USER_SCORES_SQL : USER_SCORES_LDAP;
	return is_sql || options->ldap_config || options->setuid_with_ldap;
}

bool
user_needs_process(const struct spamd_options *options)
{
	return user_changes(options) || (options->vpopmail && options->user_config);
}

enum status
user_check(const struct spamd_options *options, struct error *error)
{
	const char *name = options->username;
	const struct passwd *pw;

	if (options->groupname != NULL && getgrnam(options->groupname) == NULL)
		return error_set(error, STATUS_BAD, "no group %s", options->groupname);
	if (name == NULL)
		return STATUS_OK;
	pw = getpwnam(name);
	if (pw == NULL)
		return error_set(error, STATUS_BAD,
		                 "unable to determine home directory for user '%s'", name);
	if (pw->pw_uid == 0)
		return error_set(error, STATUS_BAD,
		                 "cannot run as nonexistent user or root with -u option");
	if (geteuid() != 0 && geteuid() != pw->pw_uid)
		return error_set(error, STATUS_BAD,
		                 "setuid to uid %lu failed, not started as root?",
		                 (unsigned long)pw->pw_uid);
	return STATUS_OK;
}

/* All ids, checked. */
static enum status
become(const struct passwd *pw, gid_t gid, struct error *error)
{
	if (pw->pw_uid == 0)
		return error_set(error, STATUS_BAD, "refusing to run as root");
	if (initgroups(pw->pw_name, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		return error_set(error, STATUS_IO, "setuid to %s failed: %s", pw->pw_name,
		                 strerror(errno));
	if (setuid(0) == 0 || geteuid() != pw->pw_uid || getuid() != pw->pw_uid)
		return error_set(error, STATUS_IO, "root could be regained: refusing to run");
	return STATUS_OK;
}

enum status
user_drop(const struct spamd_options *options, const struct log *log, struct error *error)
{
	const char *name = options->username;
	const struct passwd *pw;
	const struct group *gr;

	if (geteuid() != 0 || user_changes(options))
		return STATUS_OK;
	if (name == NULL) {
		name = options->default_user;
		log_warn(log, "spamd",
		         "still running as root: user not specified with -u, not found, or set to "
		         "root, falling back to %s",
		         name);
	}
	pw = getpwnam(name);
	if (pw == NULL)
		return error_set(error, STATUS_BAD, "unable to find user: '%s'", name);
	if (options->groupname == NULL)
		return become(pw, pw->pw_gid, error);
	gr = getgrnam(options->groupname);
	if (gr == NULL)
		return error_set(error, STATUS_BAD, "no group %s", options->groupname);
	return become(pw, gr->gr_gid, error);
}

void
user_set_home(const struct spamd_options *options)
{
	const struct passwd *pw = options->username == NULL ? NULL : getpwnam(options->username);

	if (options->helper_home != NULL && options->helper_home[0] != '\0')
		setenv("HOME", options->helper_home, 1);
	else if (pw != NULL)
		setenv("HOME", pw->pw_dir, 1);
}

/* ---- names ---- */

/* NULL: no name that a password file could hold. */
static const char *
name_cstr(const struct user_request *r)
{
	if (!r->has_name || r->name.len == 0 || r->name.len > NAME_BYTES_MAX ||
	    slice_find_byte(r->name, '\0', 0) != SLICE_NPOS ||
	    slice_find_byte(r->name, '/', 0) != SLICE_NPOS)
		return NULL;
	return arena_cstr(r->arena, r->name);
}

static struct slice
quoted(const struct user_request *r, struct slice text)
{
	return log_quote(r->arena, text, 256);
}

/* Nobody known: closed under --paranoid, else a line. */
static enum status
unknown(const struct user_request *r, const char *how, struct slice name)
{
	bool paranoid = r->options->paranoid;

	log_write(r->log, paranoid ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "spamd",
	          "%shandle_user (%s) unable to find user: '%.*s'", paranoid ? "spamd: " : "", how,
	          SLICE_FMT(quoted(r, name)));
	return paranoid ? STATUS_BAD : STATUS_NONE;
}

static enum status
fall_back(const struct user_request *r, struct error *error)
{
	const char *name = r->options->default_user;
	const struct passwd *pw;

	if (r->options->paranoid)
		return error_set(
			error, STATUS_BAD,
			"spamd: in paranoid mode, still running as root: closing connection");
	log_warn(r->log, "spamd",
	         "still running as root: user not specified with -u, not found, or set to root, "
	         "falling back to %s",
	         name);
	pw = getpwnam(name);
	if (pw == NULL)
		return error_set(error, STATUS_BAD, "setuid to %s failed: no such user", name);
	return become(pw, pw->pw_gid, error);
}

enum status
user_become(struct user_request *r)
{
	const char *name = name_cstr(r);
	const struct passwd *pw = name == NULL ? NULL : getpwnam(name);
	enum status status = STATUS_OK;
	struct error error = {""};

	if (!user_changes(r->options))
		return STATUS_OK;
	if (r->has_name && pw == NULL && unknown(r, "getpwnam", r->name) == STATUS_BAD)
		return STATUS_BAD;
	if (pw == NULL || pw->pw_uid == 0) {
		status = fall_back(r, &error);
		r->has_name = false;
	} else {
		if (r->options->helper_home != NULL && r->options->helper_home[0] == '\0')
			setenv("HOME", pw->pw_dir, 1);
		status = become(pw, pw->pw_gid, &error);
		if (status == STATUS_OK)
			log_info(r->log, "spamd", "setuid to %.*s succeeded",
			         SLICE_FMT(quoted(r, r->name)));
	}
	if (status == STATUS_OK)
		return STATUS_OK;
	log_warn(r->log, "spamd", "%s", error.text);
	return STATUS_BAD;
}

/* ---- a new preferences file ---- */

/* HOME/.spamassassin, made when it is not there; no links.  -1: no. */
static int
open_state_directory(const char *home)
{
	int home_fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (home_fd < 0)
		return -1;
	(void)mkdirat(home_fd, ".spamassassin", 0700);
	fd = openat(home_fd, ".spamassassin", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	close(home_fd);
	return fd;
}

static void
copy_template(const struct user_request *r, const char *path, const char *home)
{
	const char *site = r->options->site_path, *rules = r->options->config_path;
	const char *from = paths_prefs_template(r->arena, site != NULL ? site : paths_find_site(),
	                                        rules != NULL ? rules : paths_find_rules());
	int directory = open_state_directory(home);

	if (directory < 0) {
		log_warn(r->log, "config", "cannot create user preferences file %s: %s", path,
		         strerror(errno));
		return;
	}
	(void)paths_create_prefs(r->arena, directory, "user_prefs", 0600, from, path, r->log);
	close(directory);
}

static void
create_when_missing(const struct user_request *r, const char *home)
{
	const char *path = paths_user_prefs(r->arena, home);

	if (!r->options->create_prefs || path == NULL || access(path, R_OK) == 0)
		return;
	log_info(r->log, "spamd", "creating default_prefs: %s", path);
	if (access(path, F_OK) != 0)
		copy_template(r, path, home);
	if (access(path, R_OK) != 0)
		log_info(r->log, "spamd", "failed to create readable default_prefs: %s", path);
}

/* ---- virtual users ---- */

/* Anything that could be more than a name becomes _, as in the reference. */
static struct slice
safe_name(struct arena *arena, struct slice name)
{
	static const struct slice good = {(const unsigned char *)"-+_.,@=", 7};
	struct slice copy = arena_dup(arena, slice_sub(name, 0, NAME_BYTES_MAX));
	unsigned char *at = (unsigned char *)(uintptr_t)copy.data;

	for (size_t i = 0; i < copy.len; i++)
		if (!byte_is_alnum(at[i]) && slice_find_byte(good, at[i], 0) == SLICE_NPOS)
			at[i] = '_';
	return copy;
}

/* %u, %l, %d, %%; or %x alone.  Other letters stay as they are. */
static struct slice
fill_pattern(struct arena *arena, struct slice pattern, struct slice name, struct slice x)
{
	size_t at = slice_rfind_byte(name, '@');
	struct slice local = at == SLICE_NPOS ? SLICE("") : slice_sub(name, 0, at);
	struct slice domain = at == SLICE_NPOS ? SLICE("") : slice_from(name, at + 1);
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < pattern.len; i++) {
		unsigned char c = i + 1 < pattern.len ? pattern.data[i + 1] : 0;

		if (pattern.data[i] != '%' || (x.data != NULL && c != 'x') ||
		    (c != 'u' && c != 'l' && c != 'd' && c != 'x' && c != '%')) {
			strbuf_add(&out, slice_sub(pattern, i, 1));
			continue;
		}
		i++;
		strbuf_add(&out, c == 'u'   ? name
		                 : c == 'l' ? local
		                 : c == 'd' ? domain
		                 : c == 'x' ? x
		                            : SLICE("%"));
	}
	strbuf_add(&out, SLICE("/user_prefs"));
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

/* A name such as "..@.." must not lead out of the directory. */
static bool
climbs(struct slice path)
{
	struct slice part;

	while (slice_next(&path, '/', &part))
		if (slice_eq(part, SLICE("..")) || slice_eq(part, SLICE(".")))
			return true;
	return false;
}

static bool
is_file(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* NULL: none that may be read. */
static const char *
virtual_path(const struct user_request *r)
{
	struct slice pattern = slice_from_cstr(r->options->virtual_config_dir);
	struct slice name = safe_name(r->arena, r->name), path;
	size_t at = slice_rfind_byte(name, '@');
	struct slice domain = at == SLICE_NPOS ? SLICE("") : slice_from(name, at + 1);
	const char *text;

	if (slice_find(pattern, SLICE("%x"), 0) == SLICE_NPOS) {
		path = fill_pattern(r->arena, pattern, name, SLICE_NULL);
		text = climbs(path) ? NULL : arena_cstr(r->arena, path);
	} else {
		path = fill_pattern(r->arena, pattern, name, name);
		text = climbs(path) ? NULL : arena_cstr(r->arena, path);
		if (text == NULL || !is_file(text)) {
			path = fill_pattern(r->arena, pattern, name, domain);
			text = climbs(path) ? NULL : arena_cstr(r->arena, path);
		}
	}
	if (text == NULL)
		log_warn(r->log, "spamd", "user name '%.*s' leads out of %s: not used",
		         SLICE_FMT(quoted(r, r->name)), r->options->virtual_config_dir);
	else
		log_info(r->log, "spamd", "using default config for %.*s: %s",
		         SLICE_FMT(quoted(r, r->name)), text);
	return text;
}

/* ---- preferences ---- */

/* What one user says, in one or two places. */
struct texts {
	struct prefs_text items[2];
	size_t count;
};

static void
read_file(const struct user_request *r, const char *path, unsigned owner, struct texts *texts)
{
	struct prefs_text *text = &texts->items[texts->count];
	struct error error;

	*text = (struct prefs_text){.file = slice_from_cstr(path), .owner = owner};
	switch (file_read_owned(r->arena, path, owner, PREFS_BYTES_MAX, &text->text, &error)) {
	case STATUS_OK:
		texts->count++;
		break;
	case STATUS_NONE:
		break;
	case STATUS_AGAIN:
	case STATUS_BAD:
	case STATUS_LIMIT:
	case STATUS_IO:
		log_warn(r->log, "spamd", "preferences of %.*s not read: %s",
		         SLICE_FMT(quoted(r, r->name)), error.text);
		break;
	}
}

/* What is learned lies beside the preferences, or in the directory where they would be. */
static void
learn_beside(struct user_request *r, const char *path)
{
	struct slice file = slice_from_cstr(path);

	r->learner.state_dir =
		arena_cstr(r->arena, slice_sub(file, 0, slice_rfind_byte(file, '/')));
	r->learner.home = r->learner.state_dir;
}

static void
read_virtual(struct user_request *r, struct texts *texts)
{
	const char *path = virtual_path(r);
	struct stat st;

	if (path != NULL)
		learn_beside(r, path);

	/* The directory is the administrator's; its files may be anybody's. */
	if (path != NULL && lstat(path, &st) == 0)
		read_file(r, path, st.st_uid, texts);
}

/* Home and owner of the user's files.  STATUS_NONE: no such user, go on without. */
static enum status
find_home(const struct user_request *r, const char **home_r, unsigned *owner_r)
{
	const char *name = name_cstr(r);
	const struct passwd *pw;

	if (r->options->vpopmail && name != NULL && strcmp(name, r->options->username) != 0) {
		pw = getpwnam(r->options->username);
		*home_r = pw == NULL ? NULL : vpopmail_home(r->arena, pw->pw_dir, name);
		*owner_r = geteuid();
		return *home_r == NULL ? unknown(r, "userdir", r->name) : STATUS_OK;
	}
	pw = name == NULL ? NULL : getpwnam(name);
	if (pw == NULL)
		return unknown(r, r->options->username != NULL ? "userdir" : "getpwnam", r->name);
	*home_r = arena_cstr(r->arena, slice_from_cstr(pw->pw_dir));
	*owner_r = pw->pw_uid;
	/* Root's own file is nobody's to use. */
	return *home_r == NULL || pw->pw_uid == 0 ? STATUS_NONE : STATUS_OK;
}

static enum status
read_home(struct user_request *r, struct texts *texts)
{
	const char *home = NULL, *path;
	unsigned owner = 0;
	enum status status = find_home(r, &home, &owner);

	if (status != STATUS_OK)
		return status == STATUS_BAD ? STATUS_BAD : STATUS_OK;
	r->learner.home = home;
	create_when_missing(r, home);
	path = paths_user_prefs(r->arena, home);
	if (path != NULL)
		read_file(r, path, owner, texts);
	return STATUS_OK;
}

/* STATUS_IO: not to be had, and nothing takes their place. */
static enum status
read_database(struct user_request *r, enum user_scores_source source, struct texts *texts)
{
	bool falls_back = conf_core(r->filter->conf)->user_scores_fallback_to_global;
	bool is_sql = source == USER_SCORES_SQL;
	struct prefs_text *text = &texts->items[texts->count];
	struct slice name = r->has_name ? r->name : SLICE("nobody");
	struct error error = {"no memory"};
	enum status status = r->scores == NULL ? STATUS_LIMIT
	                                       : user_scores_read(r->scores, r->arena, name,
	                                                          &text->text, &error);

	text->file = is_sql ? SLICE("(sql config)") : SLICE("(ldap config)");
	text->owner = (unsigned)PREFS_NO_OWNER;
	texts->count += status == STATUS_OK;
	if (status == STATUS_OK || status == STATUS_NONE)
		return STATUS_OK;
	if (status != STATUS_AGAIN)
		log_write(r->log, falls_back ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
		          is_sql ? "config" : "ldap",
		          "failed to load user (%.*s) scores from %s%s: %s",
		          SLICE_FMT(quoted(r, name)), is_sql ? "SQL database" : "LDAP server",
		          falls_back ? ", using a global default" : "", error.text);
	return falls_back ? STATUS_OK : STATUS_IO;
}

/* Until a name says otherwise: the user whom the process is. */
static void
learn_own(struct user_request *r)
{
	const struct passwd *pw = user_changes(r->options) ? getpwuid(geteuid()) : NULL;

	r->learner = (struct learner_user){.name = r->has_name ? r->name : SLICE("")};
	if (pw != NULL)
		r->learner.home = arena_cstr(r->arena, slice_from_cstr(pw->pw_dir));
}

/* Also of who names nobody: "nobody", unless the message runs as its user. */
static enum status
read_all(struct user_request *r, struct texts *texts)
{
	const struct spamd_options *o = r->options;
	enum user_scores_source source;
	bool asks = user_asks_database(o, &source) && (r->has_name || !user_changes(o));
	enum status status = STATUS_OK;

	if (r->has_name && o->user_config)
		status = read_home(r, texts);
	else if (r->has_name && !asks && o->virtual_config_dir != NULL)
		read_virtual(r, texts);
	else if (r->has_name && !asks && o->paranoid && o->username == NULL &&
	         name_cstr(r) != NULL && getpwnam(name_cstr(r)) == NULL)
		status = unknown(r, "getpwnam", r->name);
	if (status == STATUS_OK && asks) {
		if (!r->has_name)
			r->learner.name = SLICE("nobody");
		status = read_database(r, source, texts);
	}
	return status;
}

enum status
user_prefs(struct user_request *r, const struct prefs **prefs_r)
{
	struct texts texts = {.count = 0};
	enum status status;

	*prefs_r = NULL;
	learn_own(r);
	status = read_all(r, &texts);
	if (status == STATUS_OK && texts.count > 0)
		*prefs_r = prefs_create(r->filter, r->arena, texts.items, texts.count);
	return status;
}
