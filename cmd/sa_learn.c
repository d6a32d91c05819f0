/*
 * sa_learn.c - what is spam and what is not
 *
 * Messages of files, directories and mailboxes are learned or forgotten; the store is shown, saved,
 * restored, cleared, expired.  Options, output and exit codes: compat/options.tsv, sa-learn(1).
 */
#include <config.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "check/learn.h"
#include "check/markup.h"
#include "check/paths.h"
#include "cmd/archive.h"
#include "cmd/home.h"
#include "cmd/option.h"
#include "cmd/stderr_log.h"
#include "plugins/bayes_combine.h"
#include "plugins/bayes_expire.h"
#include "store/dump.h"
#include "store/old_bayes.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/heap.h"
#include "util/strbuf.h"

enum exit_code { CODE_OK = 0, CODE_NOTHING = 1, CODE_USAGE = 64, CODE_FAILED = 255 };

enum {
	ARENA_BYTES_BASE = 64 * 1024 * 1024,
	ARENA_TIMES = 40,
	HEAP_BYTES = 64 * 1024 * 1024,
	LOCK_WAIT_MS = 300 * 1000,
	MAX_SIZE = 500 * 1024
};

enum action {
	ACTION_SET,
	ACTION_TEXT,
	ACTION_LINE,
	ACTION_DEBUG,
	ACTION_HAM,
	ACTION_SPAM,
	ACTION_REBUILD,
	ACTION_NO_REBUILD,
	ACTION_MBOX,
	ACTION_MBX,
	ACTION_STDIN,
	ACTION_NUMBER,
	ACTION_SHARE,
	ACTION_EXPIRE
};

/* Marks of targets. */
enum mark { MARK_HAM, MARK_SPAM };

struct target {
	enum mark mark;
	enum archive_format format;
	const char *path;
};

struct number {
	bool is_set;
	long value;
};

struct options {
	const char *config_path, *site_path, *prefs_path, *debug, *username, *db_path, *regexp;
	const char *dump, *restore, *folders;
	struct strbuf cf;
	bool has_class, is_spam, forget, sync, force_expire, quiet, help, version, local;
	bool no_sync, showdots, progress, use_ignores, import, backup, clear, ignored, from_stdin;
	bool has_share, early_target, warn_rebuild, warn_no_rebuild;
	enum archive_format format;
	double share; /* --learnprob */
	struct number seed, stop_after, max_size;
	const char *bad_number;
	VEC(struct target) targets;
	struct arena *arena;
};

#define AT(field) offsetof(struct options, field)
/* clang-format off */
static const struct cmd_option rows[] = {
	{ "forget", CMD_NONE, ACTION_SET, AT(forget) },
	{ "ham|nonspam", CMD_NONE, ACTION_HAM, 0 },
	{ "spam", CMD_NONE, ACTION_SPAM, 0 },
	{ "sync", CMD_NONE, ACTION_SET, AT(sync) },
	{ "rebuild", CMD_NONE, ACTION_REBUILD, 0 },
	{ "q|quiet", CMD_NONE, ACTION_SET, AT(quiet) },
	{ "username|u", CMD_TEXT, ACTION_TEXT, AT(username) },
	{ "configpath|config-file|config-dir|c|C", CMD_TEXT, ACTION_TEXT, AT(config_path) },
	{ "prefspath|prefs-file|p", CMD_TEXT, ACTION_TEXT, AT(prefs_path) },
	{ "siteconfigpath", CMD_TEXT, ACTION_TEXT, AT(site_path) },
	{ "cf", CMD_TEXT, ACTION_LINE, AT(cf) },
	{ "folders|f", CMD_TEXT, ACTION_TEXT, AT(folders) },
	{ "force-expire|expire", CMD_NONE, ACTION_EXPIRE, 0 },
	{ "local|L", CMD_NONE, ACTION_SET, AT(local) },
	{ "no-sync|nosync", CMD_NONE, ACTION_SET, AT(no_sync) },
	{ "showdots", CMD_NONE, ACTION_SET, AT(showdots) },
	{ "progress", CMD_NONE, ACTION_SET, AT(progress) },
	{ "use-ignores", CMD_NONE, ACTION_SET, AT(use_ignores) },
	{ "no-rebuild|norebuild", CMD_NONE, ACTION_NO_REBUILD, 0 },
	{ "learnprob", CMD_TEXT, ACTION_SHARE, AT(share) },
	{ "randseed", CMD_TEXT, ACTION_NUMBER, AT(seed) },
	{ "stopafter", CMD_TEXT, ACTION_NUMBER, AT(stop_after) },
	{ "max-size", CMD_TEXT, ACTION_NUMBER, AT(max_size) },
	{ "debug|debug-level|D", CMD_MAYBE_TEXT, ACTION_DEBUG, AT(debug) },
	{ "help|h|?", CMD_NONE, ACTION_SET, AT(help) },
	{ "version|V", CMD_NONE, ACTION_SET, AT(version) },
	{ "dump", CMD_MAYBE_TEXT, ACTION_TEXT, AT(dump) },
	{ "import", CMD_NONE, ACTION_SET, AT(import) },
	{ "backup", CMD_NONE, ACTION_SET, AT(backup) },
	{ "clear", CMD_NONE, ACTION_SET, AT(clear) },
	{ "restore", CMD_TEXT, ACTION_TEXT, AT(restore) },
	{ "dir", CMD_NONE, ACTION_SET, AT(ignored) },
	{ "file", CMD_NONE, ACTION_SET, AT(ignored) },
	{ "mbox", CMD_NONE, ACTION_MBOX, 0 },
	{ "mbx", CMD_NONE, ACTION_MBX, 0 },
	{ "single", CMD_NONE, ACTION_STDIN, 0 },
	{ "db|dbpath", CMD_TEXT, ACTION_TEXT, AT(db_path) },
	{ "re|regexp", CMD_TEXT, ACTION_TEXT, AT(regexp) },
};
/* clang-format on */

struct program {
	struct arena *arena, *message_arena;
	struct stderr_log stderr_log;
	const struct log *log;
	struct options options;
	struct filter *filter;
	struct match_scratch *match;
	struct learner *learner;
	struct learner_user user;
	struct archive archive;
	size_t examined, learned, dots;
	int64_t begun_s;
};

static volatile sig_atomic_t interrupted;

/* ---- command line ---- */

static bool
read_number(const char *text, long *value_r)
{
	char *end;

	errno = 0;
	*value_r = strtol(text, &end, 10);
	return end != text && *end == '\0' && errno == 0;
}

static void
take_number(struct options *o, const char *text, struct number *number)
{
	number->is_set = read_number(text, &number->value);
	if (!number->is_set)
		o->bad_number = text;
}

static void
take_share(struct options *o, const char *text)
{
	char *end;

	o->share = strtod(text, &end);
	o->has_share = end != text && *end == '\0';
	if (!o->has_share)
		o->bad_number = text;
}

static void
take_option(void *data, const struct cmd_option *row, const char *value, bool on)
{
	struct options *o = data;
	void *at = (unsigned char *)data + row->offset;

	(void)on;
	switch ((enum action)row->id) {
	case ACTION_SET:
		*(bool *)at = true;
		break;
	case ACTION_TEXT:
		*(const char **)at = value;
		break;
	case ACTION_LINE:
		strbuf_printf(at, "%s\n", value);
		break;
	case ACTION_DEBUG:
		*(const char **)at = *value == '\0' || strcmp(value, "0") == 0 ? "all" : value;
		break;
	case ACTION_HAM:
	case ACTION_SPAM:
		o->has_class = true;
		o->is_spam = row->id == ACTION_SPAM;
		break;
	case ACTION_REBUILD:
		o->sync = o->warn_rebuild = true;
		break;
	case ACTION_NO_REBUILD:
		o->no_sync = o->warn_no_rebuild = true;
		break;
	case ACTION_MBOX:
		o->format = ARCHIVE_MBOX;
		break;
	case ACTION_MBX:
		o->format = ARCHIVE_MBX;
		break;
	case ACTION_STDIN:
		o->from_stdin = true;
		break;
	case ACTION_NUMBER:
		take_number(o, value, at);
		break;
	case ACTION_SHARE:
		take_share(o, value);
		break;
	case ACTION_EXPIRE:
		o->force_expire = o->sync = true;
		break;
	}
}

/* "ham:mbox:path", or a path of the class and format that the options before it named. */
static void
add_target(struct options *o, const char *text)
{
	struct slice s = slice_from_cstr(text);
	size_t first = slice_find_byte(s, ':', 0),
	       second = first == SLICE_NPOS ? first : slice_find_byte(s, ':', first + 1);
	struct target target = {
		.mark = o->is_spam ? MARK_SPAM : MARK_HAM, .format = o->format, .path = text};
	struct slice class = slice_sub(s, 0, first);

	if (second != SLICE_NPOS &&
	    (slice_eq(class, SLICE("ham")) || slice_eq(class, SLICE("spam")))) {
		struct slice format = slice_sub(s, first + 1, second - first - 1);

		if (format.len == 0 || archive_format_find(format, &target.format)) {
			target.mark = slice_eq(class, SLICE("spam")) ? MARK_SPAM : MARK_HAM;
			target.format = format.len == 0 ? ARCHIVE_DETECT : target.format;
			target.path = text + second + 1;
			(void)vec_push(o->arena, &o->targets, target);
			return;
		}
	}
	if (!o->has_class && !o->forget)
		o->early_target = true;
	(void)vec_push(o->arena, &o->targets, target);
}

static void
take_word(void *data, const char *word)
{
	add_target(data, word);
}

struct problems {
	struct options options; /* first: take_option gets this address */
	const struct log *log;
};

static void
tell_problem(void *data, const char *text)
{
	const struct problems *problems = data;

	log_warn(problems->log, NULL, "%s", text);
}

static const char usage_text[] =
	"Usage:\n"
	"    sa-learn [options] [file]...\n"
	"\n"
	"    sa-learn [options] --dump [ all | data | magic ]\n"
	"\n"
	"    Options:\n"
	"\n"
	"     --ham                 Learn the messages that follow as ham\n"
	"     --spam                Learn the messages that follow as spam\n"
	"     --forget              Forget the messages that follow\n"
	"     --use-ignores         Heed bayes_ignore_from and bayes_ignore_to\n"
	"     --sync                Expire old tokens when that is due\n"
	"     --force-expire        Expire old tokens now\n"
	"     --dbpath <path>       Use this store (as bayes_path names one)\n"
	"     --dump [all|data|magic]  Print what is in the store\n"
	"      --regexp <re>        With --dump: only tokens that match\n"
	"     -f file, --folders=file  Read the list of files and directories from file\n"
	"     --dir, --file, --single  Of old versions; accepted\n"
	"     --mbox, --mbx         The input is a mailbox of this format\n"
	"     --max-size <b>        Skip messages of more bytes (512000; 0: no limit)\n"
	"     --showdots            Print a dot for each message\n"
	"     --progress            Print how far it is\n"
	"     --no-sync             Accepted: this store has no journal\n"
	"     --learnprob <p>       Learn each message with this probability\n"
	"     --randseed <n>        Of that probability\n"
	"     --stopafter <n>       Stop when more than n messages were learned\n"
	"     -L, --local           No network tests\n"
	"     --import              Take over what SpamAssassin learned into DB_File\n"
	"     --clear               Remove the store\n"
	"     --backup              Print the store as text\n"
	"     --restore <file>      Fill the store from such a text\n"
	"     -u user, --username=user  Whose data, in databases of many users\n"
	"     -C path, --configpath=path, --config-file=path  Distributed rules\n"
	"     -p file, --prefspath=file, --prefs-file=file    User preferences\n"
	"     --siteconfigpath=path Configuration of the site\n"
	"     --cf='config line'    A line of configuration; repeatable\n"
	"     -q, --quiet           No line at the end\n"
	"     -D, --debug [area,...]  Print debugging messages\n"
	"     -V, --version         Print the version\n"
	"     -h, --help            Print this text\n"
	"\n";

static int
usage(const char *message)
{
	printf("SpamAssassin version %s\n", CONF_SA_VERSION_TEXT);
	fflush(stdout);
	fprintf(stderr, "%s\n%s", message, usage_text);
	return CODE_USAGE;
}

static bool
has_something_to_do(const struct options *o)
{
	return o->has_class || o->sync || o->forget || o->dump != NULL || o->import || o->clear ||
	       o->backup || o->restore != NULL || o->folders != NULL;
}

/* -1: go on; else the exit code. */
static int
check_options(struct options *o, const struct log *log)
{
	if (o->early_target)
		return usage("Please select either --spam or --ham or --forget before the first "
		             "target");
	if (o->help)
		return usage("For more information read the manual page");
	if (o->version) {
		printf("SpamAssassin version %s\n", CONF_SA_VERSION_TEXT);
		return CODE_OK;
	}
	if (o->warn_rebuild)
		log_warn(log, NULL,
		         "The --rebuild option has been deprecated.  Please use --sync instead.");
	if (o->warn_no_rebuild)
		log_warn(log, NULL,
		         "The --no-rebuild option has been deprecated.  Please use --no-sync "
		         "instead.");
	if (o->showdots && o->progress) {
		puts("--showdots and --progress may not be used together, please select just one");
		return CODE_OK;
	}
	if (!has_something_to_do(o))
		return usage("Please select either --spam, --ham, --folders, --forget, --sync, "
		             "--import,\n"
		             "--dump, --clear, --backup or --restore");
	if (o->forget && o->no_sync)
		log_warn(log, NULL,
		         "sa-learn warning: --forget requires read/write access to the database, "
		         "and is incompatible with --no-sync");
	return -1;
}

static int
read_command_line(struct program *p, int argc, char **argv)
{
	struct stderr_log early;
	struct problems problems = {.options = {.arena = p->arena}};
	const struct cmd_options options = {.rows = rows,
	                                    .count = sizeof(rows) / sizeof(rows[0]),
	                                    .take = take_option,
	                                    .problem = tell_problem,
	                                    .word = take_word,
	                                    .data = &problems};
	int count;
	bool good;

	stderr_log_init(&early, NULL);
	problems.log = &early.log;
	strbuf_init(&problems.options.cf, p->arena, 0);
	good = cmd_options_parse(&options, argc, argv, &count);
	for (int i = 0; i < count; i++)
		add_target(&problems.options, argv[i]);
	p->options = problems.options;
	if (good && p->options.bad_number != NULL) {
		log_warn(&early.log, NULL, "Value \"%s\" invalid for option (number expected)",
		         p->options.bad_number);
		good = false;
	}
	return good ? check_options(&p->options, &early.log) : usage("Unknown option!");
}

/* ---- configuration ---- */

/* What is said on the command line counts after all files. */
static const char *
last_lines(struct program *p)
{
	const struct options *o = &p->options;
	struct strbuf text;
	struct stat st;

	strbuf_init(&text, p->arena, 0);
	if (o->db_path != NULL) {
		bool is_directory = stat(o->db_path, &st) == 0 && S_ISDIR(st.st_mode);

		strbuf_printf(&text, "bayes_path %s%s\n", o->db_path, is_directory ? "/bayes" : "");
	}
	if (o->dump != NULL || o->import || o->clear || o->backup || o->restore != NULL)
		strbuf_add(&text, SLICE("use_bayes 1\n"));
	strbuf_add(&text, strbuf_slice(&o->cf));
	return text.len == 0 ? NULL : arena_cstr(p->arena, strbuf_slice(&text));
}

static bool
load(struct program *p)
{
	const struct options *o = &p->options;
	struct error error = {""};
	struct filter_options options = {
		.rules_path = o->config_path,
		.site_path = o->site_path,
		.prefs_path = home_prefs(p->arena, o->prefs_path, false, p->log),
		.post_text = last_lines(p),
		.local_tests_only = true,
		.learn_only = true,
		.log = p->log,
	};

	p->filter = filter_create(&options, &error);
	p->match = match_scratch_create();
	p->learner = learner_create(LOCK_WAIT_MS, p->log);
	if (p->filter == NULL)
		log_error(p->log, "config", "%s", error.text);
	if (o->username != NULL)
		p->user.name = slice_from_cstr(o->username);
	return p->filter != NULL && p->match != NULL && p->learner != NULL;
}

static const struct core_settings *
core_of(const struct program *p)
{
	return conf_core(p->filter->conf);
}

/* ---- the store as a whole ---- */

static int
failed(struct program *p, const char *what, const struct error *error)
{
	if (error->text[0] != '\0')
		log_error(p->log, "bayes", "%s", error->text);
	fprintf(stderr,
	        "ERROR: Bayes %s returned an error, please re-run with -D for more information\n",
	        what);
	return CODE_FAILED;
}

static enum status
open_store(struct program *p, bool create, struct store **store_r, struct error *error)
{
	enum status status =
		learner_store(p->learner, core_of(p), &p->user, create, store_r, error);

	if (status == STATUS_NONE)
		(void)error_set(error, status, "there is no Bayes database yet");
	return status;
}

struct dumper {
	struct bayes_corpus corpus;
	const struct regex *regex; /* NULL: all */
	struct regex_scratch *scratch;
};

static bool
dump_token(void *data, const struct store_token *token)
{
	const struct dumper *d = data;
	const unsigned char *k = token->key.bytes;
	double probability = 0.5;

	if (d->regex != NULL && !regex_is_match(d->regex, d->scratch, slice_of(k, STORE_KEY_BYTES)))
		return true;
	(void)bayes_token_probability(&d->corpus, token->counts.spam, token->counts.ham,
	                              &probability);
	printf("%3.3f %10" PRIu32 " %10" PRIu32 " %10" PRIu32 "  %02x%02x%02x%02x%02x\n",
	       probability, token->counts.spam, token->counts.ham, token->counts.atime, k[0], k[1],
	       k[2], k[3], k[4]);
	return true;
}

static void
dump_variables(const struct store_variables *v)
{
	const struct {
		const char *name;
		int64_t value;
	} lines[] = {
		{"bayes db version", STORE_VERSION},
		{"nspam", (int64_t)v->spam_messages},
		{"nham", (int64_t)v->ham_messages},
		{"ntokens", (int64_t)v->tokens},
		{"oldest atime", v->oldest_atime},
		{"newest atime", v->newest_atime},
		{"last journal sync atime", v->last_sync},
		{"last expiry atime", v->last_expire},
		{"last expire atime delta", v->last_expire_delta},
		{"last expire reduction count", v->last_expire_reduction},
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		printf("%3.3f %10u %10" PRId64 " %10u  non-token data: %s\n", 0.0, 0U,
		       lines[i].value, 0U, lines[i].name);
}

static enum status
dump_tokens(struct program *p, struct store *store, const struct store_variables *v,
            struct error *error)
{
	struct dumper d = {
		.corpus = {(double)v->spam_messages, (double)v->ham_messages,
	                   core_of(p)->bayes_use_hapaxes},
		.scratch = match_scratch_regex(p->match),
	};

	if (p->options.regexp != NULL) {
		struct error why;

		d.regex = regex_create(p->arena, slice_from_cstr(p->options.regexp), 0, &why);
		if (d.regex == NULL)
			return error_set(error, STATUS_BAD, "Invalid dump_tokens regex '%s': %s",
			                 p->options.regexp, why.text);
	}
	return store_each_token(store, dump_token, &d, error);
}

static int
run_dump(struct program *p)
{
	const char *what = p->options.dump;
	bool all = *what == '\0' || strcmp(what, "all") == 0;
	bool magic = all || strcmp(what, "magic") == 0, data = all || strcmp(what, "data") == 0;
	struct store_variables v;
	struct error error = {""};
	struct store *store;
	enum status status;

	if (!magic && !data) {
		fprintf(stderr, "Unknown dump option '%s'\n", what);
		return CODE_NOTHING;
	}
	status = open_store(p, false, &store, &error);
	if (status == STATUS_OK)
		status = store_variables(store, &v, &error);
	if (status == STATUS_OK && magic)
		dump_variables(&v);
	if (status == STATUS_OK && data)
		status = dump_tokens(p, store, &v, &error);
	return status == STATUS_OK ? CODE_OK : failed(p, "dump", &error);
}

static int
run_backup(struct program *p)
{
	struct error error = {""};
	struct store *store;
	enum status status = open_store(p, true, &store, &error);

	if (status == STATUS_OK)
		status = dump_write(store, stdout, &error);
	return status == STATUS_OK ? CODE_OK : failed(p, "backup", &error);
}

static enum status
remove_store(struct program *p, struct error *error)
{
	struct store_config config;
	enum status status = learner_config(p->arena, core_of(p), &p->user, p->log, &config, error);

	learner_close(p->learner);
	return status == STATUS_OK ? store_remove(&config, error) : status;
}

static int
run_clear(struct program *p)
{
	struct error error = {""};

	return remove_store(p, &error) == STATUS_OK ? CODE_OK : failed(p, "clear", &error);
}

/* A store that is damaged makes way. */
static int
run_restore(struct program *p)
{
	struct dump_result result;
	struct error error = {""};
	struct store *store;
	enum status status;
	FILE *in;

	if (p->options.restore[0] == '\0') {
		fputs("ERROR: You must specify a filename to restore.\n", stderr);
		return CODE_FAILED;
	}
	in = fopen(p->options.restore, "re");
	if (in == NULL) {
		(void)error_set(&error, STATUS_IO, "unable to open backup file %s: %s",
		                p->options.restore, strerror(errno));
		return failed(p, "restore", &error);
	}
	status = open_store(p, true, &store, &error);
	if (status == STATUS_BAD && remove_store(p, &error) == STATUS_OK)
		status = open_store(p, true, &store, &error);
	if (status == STATUS_OK)
		status = dump_restore(store, in, clock_wall_s(), LOCK_WAIT_MS, p->options.showdots,
		                      &result, &error);
	fclose(in);
	if (p->options.showdots)
		fputc('\n', stderr);
	if (status != STATUS_OK)
		return failed(p, "restore", &error);
	log_debug(p->log, "bayes",
	          "created database with %" PRIu64 " tokens, parsed %" PRIu64 " lines",
	          result.tokens, result.lines);
	return CODE_OK;
}

/* ---- the reference's files of DB_File ---- */

enum { OLD_BYTES_MAX = 1 << 30 };

static enum status
read_old(struct program *p, const char *path, const char *end, struct slice *text_r,
         struct error *error)
{
	struct slice name = arena_printf(p->arena, "%s%s", path, end);

	if (name.data == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for %s", path);
	return file_read(p->arena, (const char *)name.data, OLD_BYTES_MAX, text_r, error);
}

/* A store that holds something stays as it is. */
static enum status
open_empty(struct program *p, struct store **store_r, struct error *error)
{
	struct store_variables v;
	enum status status = open_store(p, true, store_r, error);

	if (status == STATUS_OK)
		status = store_variables(*store_r, &v, error);
	if (status == STATUS_OK && (v.spam_messages > 0 || v.ham_messages > 0 || v.tokens > 0))
		return error_set(error, STATUS_BAD,
		                 "something was learned already: remove it with --clear, or use "
		                 "--backup and --restore");
	return status;
}

/* bayes_toks and bayes_seen into `out`, as a dump. */
static enum status
write_old(struct program *p, const char *path, FILE *out, struct error *error)
{
	struct slice tokens, seen = SLICE_NULL;
	struct error none;
	struct stat st;
	enum status status = read_old(p, path, "_toks", &tokens, error);

	if (status == STATUS_NONE)
		return error_set(error, STATUS_NONE, "there is no %s_toks", path);
	if (status == STATUS_OK && read_old(p, path, "_seen", &seen, &none) != STATUS_OK)
		seen = SLICE_NULL;
	if (status == STATUS_OK)
		status = old_bayes_dump(tokens, seen, out, error);
	if (status == STATUS_OK &&
	    stat(arena_cstr(p->arena, arena_printf(p->arena, "%s_journal", path)), &st) == 0 &&
	    st.st_size > 0)
		log_warn(p->log, "bayes",
		         "%s_journal is not read: SpamAssassin's sa-learn --sync would have merged "
		         "it before",
		         path);
	return status;
}

static enum status
import_old(struct program *p, struct dump_result *result_r, struct error *error)
{
	struct store_config config;
	struct store *store;
	FILE *text = tmpfile();
	enum status status;

	if (text == NULL)
		return error_set(error, STATUS_IO, "no temporary file: %s", strerror(errno));
	status = learner_config(p->arena, core_of(p), &p->user, p->log, &config, error);
	if (status == STATUS_OK)
		status = write_old(p, config.path, text, error);
	if (status == STATUS_OK)
		status = open_empty(p, &store, error);
	if (status == STATUS_OK) {
		rewind(text);
		status = dump_restore(store, text, clock_wall_s(), LOCK_WAIT_MS, false, result_r,
		                      error);
	}
	fclose(text);
	return status;
}

static int
run_import(struct program *p)
{
	struct dump_result result;
	struct error error = {""};

	if (import_old(p, &result, &error) != STATUS_OK) {
		log_error(p->log, "bayes", "%s", error.text);
		puts("import failed, original files were not touched");
		return CODE_NOTHING;
	}
	printf("import successful, %" PRIu64 " tokens; original files were not touched\n",
	       result.tokens);
	return CODE_OK;
}

static enum status
expire(struct program *p, bool is_verbose, struct error *error)
{
	struct bayes_expiry e;
	struct store_variables v;
	struct store *store;
	enum status status = open_store(p, true, &store, error);

	if (status == STATUS_OK)
		status = store_variables(store, &v, error);
	if (status != STATUS_OK ||
	    (!p->options.force_expire && !bayes_expiry_is_due(core_of(p), &v, clock_wall_s())))
		return status;
	status = bayes_expire(store, core_of(p), p->options.force_expire, clock_wall_s(),
	                      LOCK_WAIT_MS, p->log, &e, error);
	if (status != STATUS_OK || !e.ran || !is_verbose || e.kept == 0)
		return status;
	printf("expired old bayes database entries in %lld seconds\n"
	       "%" PRIu64 " entries kept, %" PRIu64 " deleted\n"
	       "token frequency: 1-occurrence tokens: %3.2f%%\n"
	       "token frequency: less than 8 occurrences: %3.2f%%\n",
	       (long long)e.seconds, e.kept, e.deleted, (double)e.hapaxes * 100 / (double)e.kept,
	       (double)e.rare * 100 / (double)e.kept);
	return status;
}

static int
run_sync(struct program *p)
{
	struct error error = {""};

	if (expire(p, !p->options.quiet, &error) == STATUS_OK)
		return CODE_OK;
	log_error(p->log, "bayes", "%s", error.text);
	return CODE_OK; /* as the reference: said, no more */
}

/* ---- messages ---- */

/* What a filter wrote into it goes: it was learned without. */
static struct slice
without_markup(struct program *p, struct slice text)
{
	const struct core_settings *core = core_of(p);
	const struct message_options options = {
		.normalize_charset = core->normalize_charset,
		.body_part_scan_size = (size_t)core->body_part_scan_size,
		.rawbody_part_scan_size = (size_t)core->rawbody_part_scan_size,
	};
	struct message *message;
	struct slice clean;

	if (slice_ifind(text, SLICE("X-Spam-Checker-Version"), 0) == SLICE_NPOS)
		return text;
	message = message_parse(p->message_arena, text, &options);
	if (message == NULL ||
	    header_list_find(&message->root->headers, SLICE("x-spam-checker-version")) == NULL)
		return text;
	clean = markup_remove(p->message_arena, core, message);
	return clean.data == NULL ? text : clean;
}

static bool
is_too_large(const struct program *p, uint64_t bytes)
{
	uint64_t max = p->options.max_size.is_set ? (uint64_t)p->options.max_size.value : MAX_SIZE;

	if (max == 0 || bytes <= max)
		return false;
	log_info(p->log, "archive-iterator",
	         "skipping large message: %" PRIu64 " bytes, limit %" PRIu64 " bytes", bytes, max);
	return true;
}

static bool
is_drawn(struct program *p)
{
	if (!p->options.has_share || (int)(drand48() / p->options.share) == 0)
		return true;
	if (p->options.showdots)
		fputc('_', stderr);
	return false;
}

/* false: learning is not possible. */
static bool
learn_one(struct program *p, const struct archive_entry *entry, struct slice text)
{
	struct check_options options = {.learner = p->learner, .learner_user = p->user};
	enum learn_action action = p->options.forget                ? LEARN_FORGET
	                           : entry->class_mark == MARK_SPAM ? LEARN_SPAM
	                                                            : LEARN_HAM;
	struct check *check;

	arena_set_budget(p->message_arena, ARENA_BYTES_BASE + text.len * ARENA_TIMES);
	check = check_create(p->filter, p->message_arena, p->match, without_markup(p, text),
	                     &options);
	if (check == NULL) {
		log_error(p->log, NULL, "no memory for the message");
		return false;
	}
	switch (learn_message(check, action, p->options.use_ignores)) {
	case BAYES_FAILED:
		return false;
	case BAYES_DONE:
		p->learned++;
		break;
	case BAYES_NOTHING:
		break;
	}
	return true;
}

/* false: stop, something is wrong. */
static bool
run_entry(struct program *p, const struct archive_entry *entry)
{
	struct slice text;
	struct stat st;

	if (!entry->is_part) {
		const char *path = arena_cstr(p->message_arena, entry->path);

		if (path != NULL && stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
		    is_too_large(p, (uint64_t)st.st_size))
			return true;
	} else if (is_too_large(p, entry->size)) {
		return true;
	}
	if (!is_drawn(p) || !archive_read(&p->archive, entry, p->message_arena, &text) ||
	    is_too_large(p, text.len))
		return true;
	p->examined++;
	if (!learn_one(p, entry, text)) {
		fputs("ERROR: the Bayes learn function returned an error, please re-run with -D "
		      "for "
		      "more information\n",
		      stderr);
		return false;
	}
	if (p->options.showdots)
		fputc('.', stderr);
	return true;
}

static void
show_progress(struct program *p)
{
	if (!p->options.progress || p->examined <= p->dots)
		return;
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%3zu%% %zu of %zu msgs",
		        p->examined * 100 / p->archive.entries.count, p->examined,
		        p->archive.entries.count);
	else
		fputc('.', stderr);
	p->dots = p->examined;
}

static void
finish_progress(const struct program *p)
{
	int64_t seconds = clock_wall_s() - p->begun_s;

	if (p->options.showdots)
		fputc('\n', stderr);
	if (!p->options.progress || p->archive.entries.count == 0)
		return;
	seconds = seconds < 1 ? 1 : seconds;
	fprintf(stderr, "\n%3zu%% Completed %6.2f msgs/sec in %2dm%2ds\n",
	        p->examined * 100 / p->archive.entries.count, (double)p->examined / (double)seconds,
	        (int)(seconds / 60), (int)(seconds % 60));
}

/* ---- targets ---- */

static bool
spool_stdin(struct program *p, char *path)
{
	unsigned char block[65536];
	int fd = mkstemp(path);
	ssize_t n = 0;
	bool good = fd >= 0;

	while (good &&
	       ((n = read(STDIN_FILENO, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR)))
		for (ssize_t done = 0; good && n > 0 && done < n;) {
			ssize_t written = write(fd, block + done, (size_t)(n - done));

			good = written >= 0 || errno == EINTR;
			done += written > 0 ? written : 0;
		}
	good = fd >= 0 && close(fd) == 0 && good && n == 0;
	if (!good)
		log_error(p->log, NULL, "error reading from STDIN: %s", strerror(errno));
	return good;
}

static bool
read_folders(struct program *p)
{
	const char *path = p->options.folders;
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (in == NULL) {
		fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
		return false;
	}
	while ((len = getline(&line, &size, in)) > 0) {
		struct slice text = slice_of(line, (size_t)len);

		if (text.data[text.len - 1] == '\n')
			text.len--;
		if (slice_trim(text).len > 0)
			add_target(&p->options, arena_cstr(p->arena, text));
	}
	free(line);
	fclose(in);
	return true;
}

/* The list of messages; *spool_r: a file to be removed, "": none. */
static bool
collect_messages(struct program *p, char *spool)
{
	struct options *o = &p->options;
	struct target standard = {o->is_spam ? MARK_SPAM : MARK_HAM, o->format, "-"};
	bool has_spool = false;

	if (o->from_stdin || (o->targets.count == 0 && o->folders == NULL))
		(void)vec_push(p->arena, &o->targets, standard);
	for (size_t i = 0; i < o->targets.count; i++) {
		const struct target *t = &o->targets.items[i];

		if (strcmp(t->path, "-") != 0) {
			archive_add(&p->archive, t->format, t->path, t->mark);
		} else if (has_spool) {
			log_warn(p->log, NULL, "skipping extra stdin target (%s)", t->path);
		} else {
			if (!spool_stdin(p, spool))
				return false;
			has_spool = true;
			archive_add(&p->archive, t->format, spool, t->mark);
		}
	}
	if (!has_spool)
		spool[0] = '\0';
	return true;
}

static int
learn_all(struct program *p)
{
	const struct options *o = &p->options;
	struct error error = {""};
	int code = CODE_OK;

	p->begun_s = clock_wall_s();
	(void)!learner_batch(p->learner, true, &error);
	for (size_t i = 0; i < p->archive.entries.count && code == CODE_OK && !interrupted; i++) {
		if (o->stop_after.is_set && (long)p->learned > o->stop_after.value)
			break;
		arena_reset(p->message_arena);
		arena_set_budget(p->message_arena, 0);
		if (!run_entry(p, &p->archive.entries.items[i]))
			code = CODE_FAILED;
		show_progress(p);
	}
	if (learner_batch(p->learner, false, &error) != STATUS_OK) {
		log_error(p->log, "bayes", "%s", error.text);
		code = CODE_FAILED;
		p->learned = 0;
	}
	finish_progress(p);
	if (interrupted) {
		fputs("interrupted\n", stderr);
		return CODE_FAILED;
	}
	if (!o->quiet)
		printf("%s tokens from %zu message(s) (%zu message(s) examined)\n",
		       o->forget ? "Forgot" : "Learned", p->learned, p->examined);
	return code == CODE_OK && p->archive.entries.count == 0 ? CODE_NOTHING : code;
}

static int
run_learn(struct program *p)
{
	char spool[] = "/tmp/.sa-learnXXXXXX";
	struct error error = {""};
	int code;

	if (p->options.seed.is_set)
		srand48(p->options.seed.value);
	else
		srand48((long)time(NULL) ^ (long)getpid());
	if (!p->options.no_sync && expire(p, false, &error) != STATUS_OK)
		learner_warn(p->learner, &error); /* once, if learning says the same */
	archive_init(&p->archive, p->arena, p->log);
	if (p->options.folders != NULL && !read_folders(p))
		return CODE_FAILED;
	if (p->options.early_target)
		return usage("Please select either --spam or --ham or --forget before the first "
		             "target");
	code = collect_messages(p, spool) ? learn_all(p) : CODE_FAILED;
	if (spool[0] != '\0')
		unlink(spool);
	return code;
}

/* ---- all ---- */

static void
on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static void
install_signals(void)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = on_signal};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int
run(struct program *p)
{
	const struct options *o = &p->options;

	if (!load(p))
		return CODE_FAILED;
	install_signals();
	if (o->dump != NULL)
		return run_dump(p);
	if (o->import)
		return run_import(p);
	if (o->clear)
		return run_clear(p);
	if (o->backup)
		return run_backup(p);
	if (o->restore != NULL)
		return run_restore(p);
	if (!core_of(p)->use_bayes) {
		fputs("ERROR: configuration specifies 'use_bayes 0', sa-learn disabled\n", stderr);
		return CODE_NOTHING;
	}
	return o->sync ? run_sync(p) : run_learn(p);
}

int
main(int argc, char **argv)
{
	struct program p = {0};
	int code;

	heap_prefer_large_pages(HEAP_BYTES);
	p.arena = arena_create(0);
	p.message_arena = arena_create(0);
	if (p.arena == NULL || p.message_arena == NULL)
		return CODE_FAILED;
	code = read_command_line(&p, argc, argv);
	if (code < 0) {
		stderr_log_init(&p.stderr_log, p.options.debug);
		p.log = &p.stderr_log.log;
		code = run(&p);
		stderr_log_flush(&p.stderr_log);
	}
	learner_destroy(&p.learner);
	if (fflush(stdout) != 0 && code == CODE_OK)
		code = CODE_FAILED;
	_exit(code);
}
