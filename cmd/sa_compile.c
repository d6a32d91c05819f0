/*
 * sa_compile.c - the sa-compile command: match tables of all rules into a file
 *
 * Source: options, texts and exit codes of sa-compile 4.0.1 (options.tsv).  Where the reference
 * makes a shared object of the body rules with re2c and a C compiler, this writes the table cache
 * of check/cache.h, for every kind of rule, and needs neither.
 */
#include <config.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check/filter.h"
#include "check/paths.h"
#include "check/plan.h"
#include "cmd/option.h"
#include "cmd/stderr_log.h"
#include "util/heap.h"
#include "util/strbuf.h"

enum { CODE_OK = 0, CODE_USAGE = 64, CODE_IO_ERROR = 74, CODE_FAILED = 255 };

/* Both tables, automata and what it takes to make them. */
enum { HEAP_BYTES = 192 * 1024 * 1024 };

enum option_id {
	OPT_LIST,
	OPT_SUDO,
	OPT_QUIET,
	OPT_KEEP_TMPS,
	OPT_CONFIG_PATH,
	OPT_PREFS_PATH,
	OPT_SITE_PATH,
	OPT_UPDATE_DIR,
	OPT_CF,
	OPT_DEBUG,
	OPT_HELP,
	OPT_VERSION
};

/* clang-format off */
static const struct cmd_option rows[] = {
	{ "list", CMD_NONE, OPT_LIST, 0 },
	{ "sudo", CMD_NONE, OPT_SUDO, 0 },
	{ "quiet", CMD_NONE, OPT_QUIET, 0 },
	{ "keep-tmps", CMD_NONE, OPT_KEEP_TMPS, 0 },
	{ "configpath|config-file|config-dir|c|C", CMD_TEXT, OPT_CONFIG_PATH, 0 },
	{ "prefspath|prefs-file|p", CMD_TEXT, OPT_PREFS_PATH, 0 },
	{ "siteconfigpath", CMD_TEXT, OPT_SITE_PATH, 0 },
	{ "updatedir", CMD_TEXT, OPT_UPDATE_DIR, 0 },
	{ "cf", CMD_TEXT, OPT_CF, 0 },
	{ "debug|D", CMD_MAYBE_TEXT, OPT_DEBUG, 0 },
	{ "help|h|?", CMD_NONE, OPT_HELP, 0 },
	{ "version|V", CMD_NONE, OPT_VERSION, 0 },
};
/* clang-format on */

struct program {
	struct arena *arena;
	struct stderr_log stderr_log;
	const struct log *log;
	const char *config_path, *prefs_path, *site_path, *update_dir, *debug;
	struct strbuf cf;
	bool list, sudo, quiet, keep_tmps, help, version;
};

static const char usage_text[] =
	"Usage:\n"
	"    sa-compile [options]\n"
	"\n"
	"Options:\n"
	"  --list                      Print the rules and what is looked for; write nothing\n"
	"  --updatedir=dir             Write dir/tables\n"
	"                              (default: /var/lib/spamassassin/winnow)\n"
	"  -C, --configpath=path       Distributed rules: a directory or a file\n"
	"  --siteconfigpath=path       Configuration of the site: a directory or a file\n"
	"  -p, --prefspath=file        User preferences file\n"
	"  --cf='line'                 A line of configuration behind all files; repeatable\n"
	"  --quiet                     Print nothing but errors\n"
	"  -D, --debug [area,...]      Print debugging messages of these areas, or of all\n"
	"  -V, --version               Print the version\n"
	"  -h, --help                  Print this text\n"
	"  --sudo, --keep-tmps         Accepted, without effect\n";

static void
take_option(void *data, const struct cmd_option *row, const char *value, bool on)
{
	struct program *p = data;

	(void)on;
	switch ((enum option_id)row->id) {
	case OPT_LIST:
		p->list = true;
		break;
	case OPT_SUDO:
		p->sudo = true;
		break;
	case OPT_QUIET:
		p->quiet = true;
		break;
	case OPT_KEEP_TMPS:
		p->keep_tmps = true;
		break;
	case OPT_CONFIG_PATH:
		p->config_path = value;
		break;
	case OPT_PREFS_PATH:
		p->prefs_path = value;
		break;
	case OPT_SITE_PATH:
		p->site_path = value;
		break;
	case OPT_UPDATE_DIR:
		p->update_dir = value;
		break;
	case OPT_CF:
		strbuf_printf(&p->cf, "%s\n", value);
		break;
	case OPT_DEBUG:
		p->debug = *value == '\0' || strcmp(value, "0") == 0 ? "all" : value;
		break;
	case OPT_HELP:
		p->help = true;
		break;
	case OPT_VERSION:
		p->version = true;
		break;
	}
}

static void
tell_problem(void *data, const char *text)
{
	(void)data;
	fprintf(stderr, "%s\n", text);
}

static void
tell_without_effect(const struct program *p)
{
	if (p->sudo)
		fputs("sa-compile: --sudo has no effect: run it as a user who may write to the "
		      "directory\n",
		      stderr);
	if (p->keep_tmps)
		fputs("sa-compile: --keep-tmps has no effect: there are no temporary files\n",
		      stderr);
}

static struct filter *
load(const struct program *p, bool lint, bool local, struct error *error)
{
	struct filter_options options = {
		.rules_path = p->config_path,
		.site_path = p->site_path,
		.prefs_path = p->prefs_path,
		.post_text = p->cf.len == 0 ? NULL : arena_cstr(p->arena, strbuf_slice(&p->cf)),
		.local_tests_only = local,
		.lint = lint,
		.no_learning = true,
		.tables_only = !lint,
		.log = p->log,
	};

	return filter_create(&options, error);
}

/* ---- --list ---- */

static struct slice
group_name(const struct plan_group *group)
{
	switch (group->kind) {
	case PLAN_BODY:
		return SLICE("body");
	case PLAN_URI:
		return SLICE("uri");
	case PLAN_RAWBODY:
		return SLICE("rawbody");
	case PLAN_FULL:
		return SLICE("full");
	case PLAN_TEXT_GROUPS:
		break;
	}
	return group->header;
}

static void
print_slice(struct slice text)
{
	(void)fwrite(text.data, 1, text.len, stdout);
}

static void
list_group(const struct program *p, const struct plan_group *group)
{
	size_t count = match_set_count(group->set);

	if (count == 0)
		return;
	printf("name ");
	print_slice(group_name(group));
	for (size_t s = 0; s < count; s++) {
		printf("\norig ");
		print_slice(group->rules[s]->name);
		printf(" ");
		print_slice(regex_text(match_set_regex(group->set, s)));
	}
	for (size_t s = 0; s < count; s++) {
		printf("\nr ");
		print_slice(group->rules[s]->name);
		printf(":");
		print_slice(match_set_describe(group->set, s, p->arena));
	}
	printf("\n");
}

/* ---- writing ---- */

/* The reference looks before it works. */
static int
check_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[4096] = ".";
	struct stat st;

	if (slash != NULL)
		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode) || access(dir, W_OK) == 0)
		return CODE_OK;
	fprintf(stderr, "sa-compile: cannot write to %s, aborting\n", dir);
	return EACCES;
}

static int
write_tables(const struct program *p, const struct filter *const *filters, size_t count,
             const char *path)
{
	struct error error = {""};
	struct stat st = {0};
	const struct plan *plan = filters[0]->plan;
	size_t sets = 0, patterns = 0;

	if (filter_save_tables(filters, count, path, &sets, &error) != STATUS_OK) {
		fprintf(stderr, "sa-compile: %s\n", error.text);
		return CODE_FAILED;
	}
	for (size_t g = 0; g < plan->groups.count; g++)
		patterns += match_set_count(plan->groups.items[g].set);
	(void)stat(path, &st);
	if (!p->quiet)
		printf("sa-compile: %zu patterns of %zu kinds of text compiled into %s, %lld KB\n",
		       patterns, sets, path, (long long)st.st_size / 1024);
	return CODE_OK;
}

/* With network tests other rules have a score, so some tables are others. */
static int
compile_all(const struct program *p, const char *path)
{
	struct error error = {""};
	struct filter *filters[FILTER_TABLES_MAX] = {load(p, false, true, &error)};
	size_t count = 1;
	int code = CODE_OK;

	if (filters[0] == NULL) {
		fprintf(stderr, "sa-compile: %s\n", error.text);
		return CODE_FAILED;
	}
	if (p->list) {
		for (size_t g = 0; g < filters[0]->plan->groups.count; g++)
			list_group(p, &filters[0]->plan->groups.items[g]);
	} else {
		filters[1] = load(p, false, false, &error);
		count += filters[1] != NULL && !filters[1]->options.local_tests_only;
		code = write_tables(p, (const struct filter *const *)filters, count, path);
	}
	filter_destroy(&filters[0]);
	filter_destroy(&filters[1]);
	return code;
}

static int
run(const struct program *p)
{
	struct error error = {""};
	const char *path =
		p->update_dir == NULL
			? paths_cache()
			: (const char *)arena_printf(p->arena, "%s/tables", p->update_dir).data;
	struct filter *filter;
	unsigned errors;
	int code = p->list ? CODE_OK : check_directory(path);

	if (code != CODE_OK)
		return code;
	tell_without_effect(p);
	filter = load(p, true, true, &error);
	errors = filter == NULL ? 0 : filter->errors;
	filter_destroy(&filter);
	if (errors > 0) {
		fputs("sa-compile: not compiling; 'spamassassin --lint' check failed!\n", stderr);
		return CODE_FAILED;
	}
	return compile_all(p, path);
}

int
main(int argc, char **argv)
{
	struct program p = {0};
	const struct cmd_options options = {.rows = rows,
	                                    .count = sizeof(rows) / sizeof(rows[0]),
	                                    .take = take_option,
	                                    .problem = tell_problem,
	                                    .data = &p};
	int count, code = CODE_OK;
	bool good;

	heap_prefer_large_pages(HEAP_BYTES);
	p.arena = arena_create(0);
	if (p.arena == NULL)
		return CODE_FAILED;
	strbuf_init(&p.cf, p.arena, 0);
	good = cmd_options_parse(&options, argc, argv, &count);
	if (!good || p.help) {
		fprintf(stderr, "%s\n%s",
		        good ? "For more information read the manual page" : "Unknown option!",
		        usage_text);
		code = CODE_USAGE;
	} else if (p.version) {
		printf("SpamAssassin version %s\n  running on Winnow version %s\n",
		       CONF_SA_VERSION_TEXT, VERSION);
	} else {
		stderr_log_init(&p.stderr_log, p.debug);
		p.log = &p.stderr_log.log;
		code = run(&p);
		stderr_log_flush(&p.stderr_log);
	}
	arena_destroy(&p.arena);
	if (fflush(stdout) != 0)
		code = CODE_IO_ERROR;
	return code;
}
