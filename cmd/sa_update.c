/*
 * sa_update.c - the sa-update command: rule updates by channels
 *
 * Source: options, texts and exit codes of sa-update 4.0.1 (options.tsv).  The work is done in
 * update_channel.h; here are the options, the lists of channels and keys, and the summary.
 */
#include <config.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "check/paths.h"
#include "cmd/option.h"
#include "cmd/stderr_log.h"
#include "cmd/update_channel.h"
#include "conf/conf.h"
#include "util/file.h"

enum {
	CODE_UPDATED,
	CODE_NO_UPDATE,
	CODE_SITE_IS_BAD,
	CODE_SOME_FAILED,
	CODE_ALL_FAILED,
	CODE_USAGE = 64,
	CODE_FATAL = 255
};
enum { LIST_BYTES_MAX = 16 * 1024 * 1024 };

enum option_id {
	OPT_DEBUG,
	OPT_VERSION,
	OPT_HELP,
	OPT_VERBOSE,
	OPT_CHECK_ONLY,
	OPT_ALLOW_PLUGINS,
	OPT_REALLY_ALLOW_PLUGINS,
	OPT_REFRESH_MIRRORS,
	OPT_FORCE_MIRROR,
	OPT_HTTP_UTIL,
	OPT_SCORE_MULTIPLIER,
	OPT_SCORE_LIMIT,
	OPT_GPG_KEY,
	OPT_GPG_HOME,
	OPT_CHANNEL,
	OPT_INSTALL,
	OPT_IMPORT,
	OPT_GPG_KEY_FILE,
	OPT_CHANNEL_FILE,
	OPT_UPDATE_DIR,
	OPT_GPG,
	OPT_USE_GPG,
	OPT_4,
	OPT_6
};

/* clang-format off */
static const struct cmd_option rows[] = {
	{ "debug|D", CMD_MAYBE_TEXT, OPT_DEBUG, 0 },
	{ "version|V", CMD_NONE, OPT_VERSION, 0 },
	{ "help|h|?", CMD_NONE, OPT_HELP, 0 },
	{ "verbose|v", CMD_NONE, OPT_VERBOSE, 0 },
	{ "checkonly", CMD_NONE, OPT_CHECK_ONLY, 0 },
	{ "allowplugins", CMD_NONE, OPT_ALLOW_PLUGINS, 0 },
	{ "reallyallowplugins", CMD_NONE, OPT_REALLY_ALLOW_PLUGINS, 0 },
	{ "refreshmirrors", CMD_NONE, OPT_REFRESH_MIRRORS, 0 },
	{ "forcemirror", CMD_TEXT, OPT_FORCE_MIRROR, 0 },
	{ "httputil", CMD_TEXT, OPT_HTTP_UTIL, 0 },
	{ "score-multiplier", CMD_TEXT, OPT_SCORE_MULTIPLIER, 0 },
	{ "score-limit", CMD_TEXT, OPT_SCORE_LIMIT, 0 },
	{ "gpgkey", CMD_TEXT, OPT_GPG_KEY, 0 },
	{ "gpghomedir", CMD_TEXT, OPT_GPG_HOME, 0 },
	{ "channel", CMD_TEXT, OPT_CHANNEL, 0 },
	{ "install", CMD_TEXT, OPT_INSTALL, 0 },
	{ "import", CMD_TEXT, OPT_IMPORT, 0 },
	{ "gpgkeyfile", CMD_TEXT, OPT_GPG_KEY_FILE, 0 },
	{ "channelfile", CMD_TEXT, OPT_CHANNEL_FILE, 0 },
	{ "updatedir", CMD_TEXT, OPT_UPDATE_DIR, 0 },
	{ "gpg", CMD_NEGATABLE, OPT_GPG, 0 },
	{ "usegpg", CMD_NONE, OPT_USE_GPG, 0 },
	{ "4", CMD_NONE, OPT_4, 0 },
	{ "6", CMD_NONE, OPT_6, 0 },
};
/* clang-format on */

struct program {
	struct arena *arena;
	struct stderr_log stderr_log;
	struct update update;
	const char *debug, *http_util, *multiplier, *limit, *gpg_home, *gpg_key_file, *channel_file,
		*update_dir;
	slice_vec keys, channels, imports;
	bool no_gpg, allow_plugins, really_allow_plugins, help, version;
};

static const char usage_text[] =
	"Usage:\n"
	"    sa-update [options]\n"
	"\n"
	"Options:\n"
	"  --channel name          Update this channel; repeatable\n"
	"                          (default: updates.spamassassin.org)\n"
	"  --channelfile file      Update the channels in the file, one a line\n"
	"  --checkonly             Only tell whether there is an update\n"
	"  --install file          Install from this .tar.gz; file.asc, file.sha512 or\n"
	"                          file.sha256 lies beside it\n"
	"  --allowplugins          Keep lines that load or run code (DANGEROUS)\n"
	"  --reallyallowplugins    Yes, really\n"
	"  --gpgkey key            A key that may sign: 8 or 40 hexadecimal digits; repeatable\n"
	"  --gpgkeyfile file       Such keys, one a line\n"
	"  --gpghomedir dir        Directory of the keyring\n"
	"  --gpg, --nogpg          Check signatures, or only sums (--gpgkey checks signatures)\n"
	"  --usegpg                The same as --gpg\n"
	"  --import file           Import keys from the file into the keyring; repeatable\n"
	"  --updatedir dir         Where channels are installed\n"
	"                          (default: /var/lib/spamassassin/" CONF_SA_VERSION ")\n"
	"  --refreshmirrors        Fetch MIRRORED.BY anew\n"
	"  --forcemirror url       Use this mirror\n"
	"  --httputil util         Accepted, without effect\n"
	"  --score-multiplier x.x  Multiply the scores of the channel\n"
	"  --score-limit x.x       Limit the scores of the channel, after multiplying\n"
	"  -D, --debug [area,...]  Print debugging messages of these areas, or of all\n"
	"  -v, --verbose           Say more; repeatable\n"
	"  -V, --version           Print the version\n"
	"  -h, --help              Print this text\n"
	"  -4                      Use IPv4 only\n"
	"  -6                      Use IPv6 only\n";

/* ---- options ---- */

static void
push(struct program *p, slice_vec *list, const char *value)
{
	(void)vec_push(p->arena, list, slice_from_cstr(value));
}

/* Those that are more than a text to keep; false: not one of them. */
static bool
take_flag(struct program *p, enum option_id id, bool on)
{
	struct update *u = &p->update;

	if (id == OPT_VERSION)
		p->version = true;
	else if (id == OPT_HELP)
		p->help = true;
	else if (id == OPT_VERBOSE)
		u->verbose++;
	else if (id == OPT_CHECK_ONLY)
		u->check_only = true;
	else if (id == OPT_ALLOW_PLUGINS)
		p->allow_plugins = true;
	else if (id == OPT_REALLY_ALLOW_PLUGINS)
		p->really_allow_plugins = true;
	else if (id == OPT_REFRESH_MIRRORS)
		u->refresh_mirrors = true;
	else if (id == OPT_GPG || id == OPT_USE_GPG)
		p->no_gpg = !on;
	else if (id == OPT_4 || id == OPT_6)
		u->family = id == OPT_4 ? AF_INET : AF_INET6;
	else
		return false;
	return true;
}

static void
take_option(void *data, const struct cmd_option *row, const char *value, bool on)
{
	struct program *p = data;
	enum option_id id = (enum option_id)row->id;

	if (take_flag(p, id, on))
		return;
	if (id == OPT_DEBUG)
		p->debug = *value == '\0' || strcmp(value, "0") == 0 ? "all" : value;
	else if (id == OPT_FORCE_MIRROR)
		p->update.force_mirror = value;
	else if (id == OPT_HTTP_UTIL)
		p->http_util = value;
	else if (id == OPT_SCORE_MULTIPLIER)
		p->multiplier = value;
	else if (id == OPT_SCORE_LIMIT)
		p->limit = value;
	else if (id == OPT_GPG_KEY)
		push(p, &p->keys, value);
	else if (id == OPT_GPG_HOME)
		p->gpg_home = value;
	else if (id == OPT_CHANNEL)
		push(p, &p->channels, value);
	else if (id == OPT_INSTALL)
		p->update.install = value;
	else if (id == OPT_IMPORT)
		push(p, &p->imports, value);
	else if (id == OPT_GPG_KEY_FILE)
		p->gpg_key_file = value;
	else if (id == OPT_CHANNEL_FILE)
		p->channel_file = value;
	else if (id == OPT_UPDATE_DIR)
		p->update_dir = value;
}

static void
tell_problem(void *data, const char *text)
{
	(void)data;
	fprintf(stderr, "%s\n", text);
}

/* digits[.digits] */
static bool
to_factor(const char *text, double *value_r)
{
	size_t n = strspn(text, "0123456789");

	if (n == 0)
		return false;
	if (text[n] == '.') {
		size_t more = strspn(text + n + 1, "0123456789");

		if (more == 0)
			return false;
		n += 1 + more;
	}
	*value_r = strtod(text, NULL);
	return text[n] == '\0';
}

/* CODE_UPDATED: go on. */
static int
check_options(struct program *p)
{
	struct update *u = &p->update;

	if (p->allow_plugins && !p->really_allow_plugins) {
		fputs("Security warning: dangerous option --allowplugins used:\n"
		      "- no channel should need it, see sa-update(1)\n"
		      "- specify --reallyallowplugins to allow activating plugins\n",
		      stderr);
		return CODE_SITE_IS_BAD;
	}
	if (p->http_util != NULL && strcmp(p->http_util, "curl") != 0 &&
	    strcmp(p->http_util, "wget") != 0 && strcmp(p->http_util, "fetch") != 0 &&
	    strcmp(p->http_util, "lwp") != 0)
		fputs("Invalid parameter for --httputil, curl|wget|fetch|lwp wanted\n", stderr);
	if (p->multiplier != NULL && !to_factor(p->multiplier, &u->rewrite.multiplier)) {
		fputs("Invalid parameter for --score-multiplier, integer or float expected.\n",
		      stderr);
		return CODE_FATAL;
	}
	if (p->limit != NULL && !to_factor(p->limit, &u->rewrite.limit)) {
		fputs("Invalid parameter for --score-limit, integer or float expected.\n", stderr);
		return CODE_FATAL;
	}
	u->rewrite.allow_plugins = p->allow_plugins;
	return CODE_UPDATED;
}

/* ---- lists in files ---- */

/* The words of a file, a line each, comments and blanks cut off. */
static bool
read_list(struct program *p, const char *path, slice_vec *list_r)
{
	struct error error;
	struct slice text, line;

	if (file_read(p->arena, path, LIST_BYTES_MAX, &text, &error) != STATUS_OK) {
		log_error(p->update.log, NULL, "cannot open %s for reading: %s", path, error.text);
		return false;
	}
	while (slice_next_line(&text, &line)) {
		line = slice_trim(slice_sub(line, 0, slice_find_byte(line, '#', 0)));
		if (line.len > 0)
			(void)vec_push(p->arena, list_r, line);
	}
	return true;
}

static bool
is_channel_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_word(name.data[i]) && name.data[i] != '.' && name.data[i] != '-')
			return false;
	return name.len > 0;
}

static bool
find_channels(struct program *p)
{
	slice_vec named = p->channels;

	p->channels = (slice_vec){0};
	if (p->channel_file != NULL) {
		named.count = 0;
		if (!read_list(p, p->channel_file, &named))
			return false;
		for (size_t i = 0; i < named.count; i++)
			named.items[i] = arena_dup_lower(p->arena, named.items[i]);
	} else if (named.count == 0) {
		push(p, &named, "updates.spamassassin.org");
	}
	for (size_t i = 0; i < named.count; i++)
		if (is_channel_name(named.items[i]))
			(void)vec_push(p->arena, &p->channels, named.items[i]);
		else
			log_debug(p->update.log, "channel", "skipping invalid channel: %.*s",
			          SLICE_FMT(log_quote(p->arena, named.items[i], 200)));
	return true;
}

/* ---- keys ---- */

static bool
prepare_gpg(struct program *p)
{
	struct update *u = &p->update;
	const char *site = paths_find_site();
	const char *home = p->gpg_home;
	slice_vec listed = {0};

	if (home == NULL)
		home = (const char *)arena_printf(p->arena, "%s/sa-update-keys",
		                                  site == NULL ? "/etc/spamassassin" : site)
		               .data;
	u->use_gpg = p->keys.count > 0 || p->gpg_key_file != NULL || !p->no_gpg;
	if (u->check_only && p->keys.count == 0 && p->gpg_key_file == NULL)
		u->use_gpg = false;
	update_gpg_init(&u->gpg, p->arena, u->log, home);
	for (size_t i = 0; i < p->keys.count; i++)
		update_gpg_trust(&u->gpg, p->keys.items[i]);
	if (p->gpg_key_file != NULL && !read_list(p, p->gpg_key_file, &listed))
		return false;
	for (size_t i = 0; i < listed.count; i++)
		update_gpg_trust(&u->gpg, listed.items[i]);
	if ((u->use_gpg || p->imports.count > 0) && !update_gpg_is_there()) {
		log_error(u->log, NULL,
		          "error: gpg required but not found!  It is not recommended, but you can "
		          "use \"sa-update\" with the --no-gpg to skip the verification.");
		return false;
	}
	return true;
}

static int
import_keys(struct program *p)
{
	int code = 0;

	for (size_t i = 0; i < p->imports.count; i++) {
		int one = update_gpg_import(&p->update.gpg, (const char *)p->imports.items[i].data);

		code = code != 0 ? code : one;
	}
	return code;
}

/* ---- the whole ---- */

static int
summary(const struct update *u)
{
	int code = u->site_is_bad   ? CODE_SITE_IS_BAD
	           : u->failed == 0 ? (u->updated > 0 ? CODE_UPDATED : CODE_NO_UPDATE)
	           : u->updated > 0 ? CODE_SOME_FAILED
	                            : CODE_ALL_FAILED;

	log_debug(u->log, "diag", "updates complete, exiting with code %d", code);
	if (u->verbose == 0)
		return code;
	if (code == CODE_UPDATED)
		puts(u->check_only ? "Update was available, but not installed in checkonly mode"
		                   : "Update was available, and was downloaded and installed "
		                     "successfully");
	else if (code == CODE_NO_UPDATE)
		puts("Update finished, no fresh updates were available");
	else if (code == CODE_SOME_FAILED)
		puts("Update of at least one channel finished, other updates failed");
	else
		printf("Update failed, exiting with code %d\n", code);
	return code;
}

static int
update_all(struct program *p)
{
	struct update *u = &p->update;
	bool going_on = true;

	if (!find_channels(p))
		return CODE_FATAL;
	if (u->install != NULL && p->channels.count > 1) {
		log_error(u->log, NULL,
		          "fatal: --install cannot be used with multiple --channel switches.");
		return CODE_FATAL;
	}
	if (u->use_gpg)
		update_gpg_prepare(&u->gpg,
		                   paths_support_file(p->arena, NULL, "sa-update-pubkey.txt"));
	update_store_init(&u->store, p->arena, u->log, p->update_dir);
	for (size_t i = 0; i < p->channels.count && going_on; i++)
		going_on = update_channel(u, arena_cstr(p->arena, p->channels.items[i]));
	update_store_deinit(&u->store);
	update_clean(u);
	return going_on || u->site_is_bad ? summary(u) : CODE_FATAL;
}

static int
run(struct program *p)
{
	static const struct update_macro macros[] = {
		{"VERSION", CONF_SA_VERSION},
		{"CONTACT_ADDRESS", "the administrator of that system"},
		{"PREFIX", "/usr"},
		{"DEF_RULES_DIR", "/usr/share/spamassassin"},
		{"LOCAL_RULES_DIR", "/etc/spamassassin"},
		{"LOCAL_STATE_DIR", "/var/lib/spamassassin"},
		{"INSTALLSITELIB", "/usr/share/perl5"},
		{NULL, NULL},
	};
	struct update *u = &p->update;
	int code;

	stderr_log_init(&p->stderr_log, p->debug);
	u->arena = p->arena;
	u->log = &p->stderr_log.log;
	u->rewrite.macros = macros;
	code = check_options(p);
	if (code != CODE_UPDATED)
		return code;
	if (p->update_dir == NULL)
		p->update_dir = "/var/lib/spamassassin/" CONF_SA_VERSION;
	log_debug(u->log, "generic", "sa-update version %s / Winnow %s", CONF_SA_VERSION_TEXT,
	          VERSION);
	log_debug(u->log, "generic", "using update directory: %s", p->update_dir);
	if (!prepare_gpg(p))
		return CODE_FATAL;
	code = p->imports.count > 0 ? import_keys(p) : update_all(p);
	stderr_log_flush(&p->stderr_log);
	return code;
}

int
main(int argc, char **argv)
{
	static struct program p;
	const struct cmd_options options = {.rows = rows,
	                                    .count = sizeof(rows) / sizeof(rows[0]),
	                                    .take = take_option,
	                                    .problem = tell_problem,
	                                    .data = &p};
	int count, code = CODE_UPDATED;
	bool good;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	p.arena = arena_create(0);
	if (p.arena == NULL)
		return CODE_FATAL;
	good = cmd_options_parse(&options, argc, argv, &count);
	if (!good) {
		fputs(usage_text, stderr);
		code = CODE_USAGE;
	} else if (p.help || p.version) {
		printf("sa-update version %s\n  running on Winnow version %s\n",
		       CONF_SA_VERSION_TEXT, VERSION);
		if (p.help)
			printf("\nFor more information read the sa-update man page.\n%s",
			       usage_text);
	} else {
		code = run(&p);
	}
	arena_destroy(&p.arena);
	return fflush(stdout) != 0 ? CODE_FATAL : code;
}
