/*
 * spamassassin.c - the filter as a command
 *
 * Messages from standard input, files, directories and mailboxes; each is scanned and printed with
 * the verdict in it.  Options and exit codes: compat/options.tsv, spamassassin(1).
 */
#include <config.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "check/check.h"
#include "check/learn.h"
#include "check/markup.h"
#include "check/paths.h"
#include "check/report.h"
#include "check/rewrite.h"
#include "check/tags.h"
#include "cmd/archive.h"
#include "cmd/dns_check.h"
#include "cmd/home.h"
#include "cmd/option.h"
#include "cmd/sender_list.h"
#include "cmd/stderr_log.h"
#include "dns/probe.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/heap.h"
#include "util/strbuf.h"

enum exit_code {
	CODE_OK = 0,
	CODE_PROBLEM = 1,
	CODE_REMOVED_OPTION = 2,
	CODE_SPAM = 5,
	CODE_KILLED = 15,
	CODE_USAGE = 64,
	CODE_OS_ERROR = 71,
	CODE_IO_ERROR = 74
};

/* Budget of a message: this and so many times its size. */
enum {
	ARENA_BYTES_BASE = 64 * 1024 * 1024,
	ARENA_TIMES = 40,
	LOCK_WAIT_MS = 10 * 1000,
	HEAP_BYTES = 64 * 1024 * 1024 /* what rules and one message take, at most */
};

/* What becomes of an option's value. */
enum action {
	ACTION_SET,    /* bool: true */
	ACTION_UNSET,  /* bool: false */
	ACTION_SWITCH, /* bool: true, false for the negated form */
	ACTION_TEXT,   /* const char * */
	ACTION_LINE,   /* struct strbuf: one more line */
	ACTION_DEBUG,  /* const char *, "all" without areas */
	ACTION_CODE,
	ACTION_MBOX,
	ACTION_MBX,
	ACTION_FAMILY
};

struct options {
	const char *config_path, *site_path, *prefs_path, *debug, *username;
	struct strbuf pre, cf;
	enum archive_format format;
	bool create_prefs, has_error_code, help, version, lint, net, local;
	bool remove_markup, test_mode, progress, report, revoke;
	bool list_message[SENDER_OPERATIONS];
	const char *list_address[SENDER_OPERATIONS];
	bool removed_option, ignored_option, dns_check, dns_check_json;
	int error_code;
	int family; /* AF_INET, AF_INET6 */
};

#define AT(field) offsetof(struct options, field)
/* clang-format off */
static const struct cmd_option rows[] = {
	{ "add-addr-to-blocklist|add-addr-to-blacklist", CMD_TEXT, ACTION_TEXT, AT(list_address[SENDER_BLOCKLIST]) },
	{ "add-addr-to-welcomelist|add-addr-to-whitelist", CMD_TEXT, ACTION_TEXT, AT(list_address[SENDER_WELCOMELIST]) },
	{ "remove-addr-from-welcomelist|remove-addr-from-whitelist", CMD_TEXT, ACTION_TEXT, AT(list_address[SENDER_REMOVE]) },
	{ "add-to-blocklist|add-to-blacklist", CMD_NONE, ACTION_SET, AT(list_message[SENDER_BLOCKLIST]) },
	{ "add-to-welcomelist|add-to-whitelist|W", CMD_NONE, ACTION_SET, AT(list_message[SENDER_WELCOMELIST]) },
	{ "remove-from-welcomelist|remove-from-whitelist|R", CMD_NONE, ACTION_SET, AT(list_message[SENDER_REMOVE]) },
	{ "username|u", CMD_TEXT, ACTION_TEXT, AT(username) },
	{ "configpath|config-file|config-dir|c|C", CMD_TEXT, ACTION_TEXT, AT(config_path) },
	{ "siteconfigpath", CMD_TEXT, ACTION_TEXT, AT(site_path) },
	{ "prefspath|prefs-file|p", CMD_TEXT, ACTION_TEXT, AT(prefs_path) },
	{ "create-prefs", CMD_NEGATABLE, ACTION_SWITCH, AT(create_prefs) },
	{ "x", CMD_NONE, ACTION_UNSET, AT(create_prefs) },
	{ "pre", CMD_TEXT, ACTION_LINE, AT(pre) },
	{ "cf", CMD_TEXT, ACTION_LINE, AT(cf) },
	{ "debug|D", CMD_MAYBE_TEXT, ACTION_DEBUG, AT(debug) },
	{ "dns-check", CMD_NONE, ACTION_SET, AT(dns_check) },
	{ "dns-check-json", CMD_NONE, ACTION_SET, AT(dns_check_json) },
	{ "error-code|exit-code|e", CMD_MAYBE_NUMBER, ACTION_CODE, 0 },
	{ "help|h|?", CMD_NONE, ACTION_SET, AT(help) },
	{ "version|V", CMD_NONE, ACTION_SET, AT(version) },
	{ "4|ipv4only|ipv4-only|ipv4", CMD_NONE, ACTION_FAMILY, 0 },
	{ "6", CMD_NONE, ACTION_FAMILY, 0 },
	{ "lint", CMD_NONE, ACTION_SET, AT(lint) },
	{ "net", CMD_NONE, ACTION_SET, AT(net) },
	{ "local-only|local|L", CMD_NONE, ACTION_SET, AT(local) },
	{ "mbox", CMD_NONE, ACTION_MBOX, 0 },
	{ "mbx", CMD_NONE, ACTION_MBX, 0 },
	{ "remove-markup|despamassassinify|d", CMD_NONE, ACTION_SET, AT(remove_markup) },
	{ "test-mode|test|t", CMD_NONE, ACTION_SET, AT(test_mode) },
	{ "progress", CMD_NONE, ACTION_SET, AT(progress) },
	{ "report|r", CMD_NONE, ACTION_SET, AT(report) },
	{ "revoke|k", CMD_NONE, ACTION_SET, AT(revoke) },
	{ "pipe|P", CMD_NONE, ACTION_SET, AT(ignored_option) },
	{ "stop-at-threshold|S", CMD_NONE, ACTION_SET, AT(ignored_option) },
	{ "log-to-mbox|l", CMD_MAYBE_TEXT, ACTION_SET, AT(ignored_option) },
	{ "F", CMD_MAYBE_NUMBER, ACTION_SET, AT(removed_option) },
	{ "add-from", CMD_NEGATABLE, ACTION_SET, AT(removed_option) },
	{ "warning-from|w", CMD_MAYBE_TEXT, ACTION_SET, AT(removed_option) },
	{ "whitelist-factory|M", CMD_MAYBE_TEXT, ACTION_SET, AT(removed_option) },
};
/* clang-format on */

struct program {
	struct arena *arena;
	struct stderr_log stderr_log;
	const struct log *log;
	struct options options;
	struct filter *filter;
	struct match_scratch *match;
	struct resolver *resolver; /* NULL: local tests only */
	struct dns_probe probe;
	struct learner *learner;
	struct arena *message_arena;
	size_t count;
	int exit_code;
	bool write_failed;
};

/* ---- command line ---- */

static void
take_option(void *data, const struct cmd_option *row, const char *value, bool on)
{
	struct options *o = data;
	void *at = (unsigned char *)data + row->offset;

	switch ((enum action)row->id) {
	case ACTION_SET:
		*(bool *)at = true;
		break;
	case ACTION_UNSET:
		*(bool *)at = false;
		break;
	case ACTION_SWITCH:
		*(bool *)at = on;
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
	case ACTION_CODE:
		o->has_error_code = true;
		o->error_code = atoi(value);
		break;
	case ACTION_MBOX:
		o->format = ARCHIVE_MBOX;
		break;
	case ACTION_MBX:
		o->format = ARCHIVE_MBX;
		break;
	case ACTION_FAMILY:
		o->family = row->names[0] == '6' ? AF_INET6 : AF_INET;
		break;
	}
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
	"    spamassassin [options] [ < message | path ... ]\n"
	"    spamassassin -d [ < message | path ... ]\n"
	"    spamassassin --lint\n"
	"\n"
	"Options:\n"
	"  -L, --local                 Use local tests only (no DNS)\n"
	"  -r, --report                Report the message as spam (Razor, Pyzor, DCC, SpamCop)\n"
	"  -k, --revoke                Take a report back (Razor)\n"
	"  -t, --test-mode             Print the message and a report of all rules behind it\n"
	"  -d, --remove-markup         Print the message as it was before it was marked\n"
	"  -e, --exit-code [n]         Exit with n (5) when a message is spam\n"
	"  -x, --nocreate-prefs        Do not create a user preferences file\n"
	"  -p, --prefspath=file        User preferences file\n"
	"  -C, --configpath=path       Distributed rules: a directory or a file\n"
	"  --siteconfigpath=path       Configuration of the site: a directory or a file\n"
	"  --cf='line'                 A line of configuration behind all files; repeatable\n"
	"  --pre='line'                A line of configuration before all files; repeatable\n"
	"  --lint                      Check the configuration; exit with 1 when it has errors\n"
	"  --net                       With --lint: network tests too\n"
	"  --dns-check                 Do name servers and the lists that rules ask work?\n"
	"  --dns-check-json            The same as JSON\n"
	"  --mbox, --mbx               The input is a mailbox of this format\n"
	"  -u, --username=user         Act for this user in databases\n"
	"  -D, --debug [area,...]      Print debugging messages of these areas, or of all\n"
	"  --progress                  Print how far it is\n"
	"  -4, --ipv4only; -6          Ask name servers of one IP version only\n"
	"  -V, --version               Print the version\n"
	"  -h, --help                  Print this text\n"
	"\n"
	"Lists of senders (plugins AWL and TxRep):\n"
	"  -W, --add-to-welcomelist    Enter all addresses of the message as good ones\n"
	"  --add-to-blocklist          Enter the authors of the message as bad ones\n"
	"  -R, --remove-from-welcomelist  Remove all addresses of the message\n"
	"  --add-addr-to-welcomelist=addr, --add-addr-to-blocklist=addr,\n"
	"  --remove-addr-from-welcomelist=addr  The same for one address\n";

static void
print_version(void)
{
	printf("SpamAssassin version %s\n  running on Winnow version %s\n", CONF_SA_VERSION_TEXT,
	       VERSION);
}

/* -1: go on; else the exit code. */
static int
read_command_line(struct program *p, int argc, char **argv, int *count_r)
{
	struct stderr_log early;
	struct problems problems = {.options = {.create_prefs = true}};
	const struct cmd_options options = {.rows = rows,
	                                    .count = sizeof(rows) / sizeof(rows[0]),
	                                    .take = take_option,
	                                    .problem = tell_problem,
	                                    .data = &problems};
	bool good;

	stderr_log_init(&early, NULL);
	problems.log = &early.log;
	strbuf_init(&problems.options.pre, p->arena, 0);
	strbuf_init(&problems.options.cf, p->arena, 0);
	good = cmd_options_parse(&options, argc, argv, count_r);
	p->options = problems.options;
	if (p->options.ignored_option)
		log_warn(&early.log, NULL,
		         "an option is deprecated and no longer supported, ignoring");
	if (p->options.removed_option) {
		log_warn(&early.log, NULL,
		         "an option (-F, --add-from, -w or -M) has been removed from "
		         "spamassassin, please remove it from your command line and re-run");
		return CODE_REMOVED_OPTION;
	}
	if (!good) {
		fputs(usage_text, stderr);
		return CODE_USAGE;
	}
	if (p->options.help) {
		print_version();
		printf("\nFor more information read the spamassassin man page.\n\n%s", usage_text);
		return CODE_OK;
	}
	if (p->options.version) {
		print_version();
		return CODE_OK;
	}
	return -1;
}

/* ---- output ---- */

static void
write_out(struct program *p, struct slice text)
{
	while (text.len > 0 && !p->write_failed) {
		ssize_t n = write(STDOUT_FILENO, text.data, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			log_error(p->log, NULL, "error writing: %s", strerror(errno));
			p->write_failed = true;
			return;
		}
		text = slice_from(text, (size_t)n);
	}
}

/* ---- one message ---- */

static void
fail(struct program *p, int code)
{
	if (p->exit_code == 0 || p->exit_code == p->options.error_code)
		p->exit_code = code;
}

/* Whatever breaks: the message goes on as it came. */
static void
pass_on(struct program *p, struct slice message, const char *why)
{
	log_error(p->log, NULL, "%s: message passed on unchanged", why);
	write_out(p, message);
	fail(p, CODE_OS_ERROR);
}

static struct message *
parse_plain(struct program *p, struct slice input)
{
	const struct core_settings *core = conf_core(p->filter->conf);
	const struct message_options options = {
		.normalize_charset = core->normalize_charset,
		.body_part_scan_size = (size_t)core->body_part_scan_size,
		.rawbody_part_scan_size = (size_t)core->rawbody_part_scan_size,
	};

	return message_parse(p->message_arena, input, &options);
}

static struct slice
without_markup(struct program *p, struct slice input)
{
	struct message *message = parse_plain(p, input);

	return message == NULL
	               ? SLICE_NULL
	               : markup_remove(p->message_arena, conf_core(p->filter->conf), message);
}

static void
log_verdict(struct program *p, struct check *check)
{
	struct slice tests, subtests;

	if (!log_wants(p->log, LOG_LEVEL_DEBUG, "check"))
		return;
	tests = tags_tests(check, false, SLICE(","));
	(void)tags_value(check, SLICE("SUBTESTSCOLLAPSED"), SLICE_NULL, false, &subtests);
	log_debug(p->log, "check", "is spam? score=%.15g required=%.15g", check->score,
	          check->required_score);
	log_debug(p->log, "check", "tests=%.*s",
	          SLICE_FMT(slice_eq(tests, SLICE("none")) ? SLICE("") : tests));
	log_debug(p->log, "check", "subtests=%.*s",
	          SLICE_FMT(slice_eq(subtests, SLICE("none")) ? SLICE("") : subtests));
}

static struct check *
make_check(struct program *p, struct slice input)
{
	struct check_options options = {
		.learner = p->learner, .resolver = p->resolver, .probe = &p->probe};

	if (p->options.username != NULL)
		options.learner_user.name = slice_from_cstr(p->options.username);
	return check_create(p->filter, p->message_arena, p->match, input, &options);
}

static void
scan_message(struct program *p, struct slice input)
{
	struct check *check = make_check(p, input);
	struct slice output;

	if (check == NULL) {
		pass_on(p, input, "no memory for the message");
		return;
	}
	check_run_all(check);
	log_verdict(p, check);
	log_debug(p->log, "timing", "total %lld ms - ",
	          (long long)(clock_monotonic_ms() - check->begun_ms));
	output = rewrite_message(check);
	if (output.data == NULL) {
		pass_on(p, input, "no memory for the answer");
		return;
	}
	write_out(p, output);
	if (p->options.test_mode)
		write_out(p, report_text(check));
	if (p->options.has_error_code && check->is_spam && p->exit_code == 0)
		p->exit_code = p->options.error_code != 0 ? p->options.error_code : CODE_SPAM;
}

/* What is reported is spam, what is revoked is not. */
static void
learn_reported(struct program *p, struct slice clean)
{
	bool is_spam = p->options.report;
	struct check *check;

	if (is_spam && !conf_core(p->filter->conf)->bayes_learn_during_report)
		return;
	check = clean.data == NULL ? NULL : make_check(p, clean);
	if (check != NULL)
		(void)learn_message(check, is_spam ? LEARN_SPAM : LEARN_HAM, true);
}

/* To what was learned, and to the services of the plugins. */
static void
report_message_of(struct program *p, struct slice input)
{
	struct slice clean = without_markup(p, input);
	struct check *check;

	if (clean.data != NULL)
		learn_reported(p, clean);
	check = clean.data == NULL ? NULL : make_check(p, clean);

	if (check != NULL && check_report(check, clean, p->options.revoke))
		return;
	log_warn(p->log, NULL, "spamassassin: warning, unable to %s message",
	         p->options.revoke ? "revoke" : "report");
	log_warn(p->log, NULL,
	         "spamassassin: for more information, re-run with -D option to see debug output");
}

/* The operation on lists of senders that was asked for, SENDER_OPERATIONS: none.  The reference
 * does one of them, in this order. */
static enum sender_operation
list_operation(const struct options *o, bool of_message)
{
	static const enum sender_operation order[] = {SENDER_WELCOMELIST, SENDER_REMOVE,
	                                              SENDER_BLOCKLIST};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (of_message ? o->list_message[order[i]]
		               : o->list_address[order[i]] != NULL &&
		                         *o->list_address[order[i]] != '\0' &&
		                         strcmp(o->list_address[order[i]], "0") != 0)
			return order[i];
	return SENDER_OPERATIONS;
}

static void
run_message(struct program *p, struct slice input)
{
	enum sender_operation operation = list_operation(&p->options, true);

	p->count++;
	arena_set_budget(p->message_arena, ARENA_BYTES_BASE + input.len * ARENA_TIMES);
	if (operation != SENDER_OPERATIONS) {
		struct check *check = make_check(p, input);

		if (check != NULL)
			sender_list_message(check, operation);
		return;
	}
	if (p->options.report || p->options.revoke) {
		report_message_of(p, input);
		return;
	}
	if (p->options.remove_markup) {
		struct slice clean = without_markup(p, input);

		if (clean.data == NULL) {
			pass_on(p, input, "no memory for the message");
			return;
		}
		if (!p->options.test_mode) {
			write_out(p, clean);
			return;
		}
		input = clean;
	}
	scan_message(p, input);
}

/* ---- configuration ---- */

static const char *
text_of(struct program *p, struct strbuf *buf)
{
	return buf->len == 0 ? NULL : arena_cstr(p->arena, strbuf_slice(buf));
}

static bool
load_filter(struct program *p, struct error *error)
{
	struct options *o = &p->options;
	struct filter_options options = {
		.rules_path = o->config_path,
		.site_path = o->site_path,
		.prefs_path =
			home_prefs(p->arena, o->prefs_path, o->create_prefs && !o->lint, p->log),
		.pre_text = text_of(p, &o->pre),
		.post_text = text_of(p, &o->cf),
		.local_tests_only = o->local || (o->lint && !o->net),
		.lint = o->lint,
		.dns_family = o->family,
		.no_learning = o->test_mode || o->lint,
		.cache_path = paths_cache(),
		.no_prefilter = getenv("WINNOW_NO_PREFILTER") != NULL,
		.log = p->log,
	};

	p->filter = filter_create(&options, error);
	p->match = match_scratch_create();
	if (p->filter != NULL)
		p->resolver = check_resolver(p->filter);
	p->learner = o->lint ? NULL : learner_create(LOCK_WAIT_MS, p->log);
	return p->filter != NULL && p->match != NULL;
}

/* The rules see one message, so that what only shows when they run is found. */
static int
run_lint(struct program *p)
{
	static const char body_line[] =
		"I need to make this message body somewhat long so TextCat preloads\n";
	const struct check_options options = {.resolver = p->resolver, .probe = &p->probe};
	struct strbuf message;
	struct check *check;
	unsigned errors;

	strbuf_init(&message, p->arena, 0);
	strbuf_printf(&message,
	              "From: ignore@compiling.spamassassin.taint.org\nSubject: \n"
	              "Message-Id:  <%lld@lint_rules>\n\n",
	              (long long)time(NULL));
	for (int i = 0; i < 20; i++)
		strbuf_add_cstr(&message, body_line);
	check = check_create(p->filter, p->message_arena, p->match, strbuf_slice(&message),
	                     &options);
	if (check != NULL)
		check_run_all(check);
	if (check != NULL)
		log_verdict(p, check);
	errors = p->filter->errors + (check == NULL);
	if (errors > 0 && p->options.debug == NULL)
		log_warn(p->log, "lint",
		         "%u issues detected, please rerun with debug enabled for more information",
		         errors);
	return errors > 0 ? CODE_PROBLEM : CODE_OK;
}

/* ---- targets ---- */

/* "class:format:path", or a path alone. */
static void
add_target(struct program *p, struct archive *archive, const char *target)
{
	struct slice text = slice_from_cstr(target);
	size_t first = slice_find_byte(text, ':', 0),
	       second = first == SLICE_NPOS ? first : slice_find_byte(text, ':', first + 1);
	enum archive_format format;

	if (second != SLICE_NPOS &&
	    archive_format_find(slice_sub(text, first + 1, second - first - 1), &format))
		archive_add(archive, format, target + second + 1, 0);
	else
		archive_add(archive, p->options.format, target, 0);
}

static bool
read_stdin(struct program *p, struct arena *arena, struct slice *text_r)
{
	struct error error;

	if (file_read_fd(arena, STDIN_FILENO, SIZE_MAX / 4, text_r, &error) == STATUS_OK) {
		if (text_r->data == NULL)
			*text_r = SLICE("");
		return true;
	}
	log_error(p->log, NULL, "error reading from STDIN: %s", error.text);
	p->exit_code = CODE_IO_ERROR;
	return false;
}

/* Standard input as a mailbox goes through a file, so that messages need not all be in memory. */
static bool
spool_stdin(struct program *p, char *path)
{
	unsigned char block[65536];
	int fd = mkstemp(path);
	ssize_t n;

	if (fd < 0)
		return false;
	while ((n = read(STDIN_FILENO, block, sizeof(block))) > 0 || (n < 0 && errno == EINTR)) {
		ssize_t done = 0;

		while (n > 0 && done < n) {
			ssize_t written = write(fd, block + done, (size_t)(n - done));

			if (written < 0 && errno != EINTR) {
				log_error(p->log, NULL, "error writing to %s: %s", path,
				          strerror(errno));
				close(fd);
				return false;
			}
			done += written > 0 ? written : 0;
		}
	}
	return close(fd) == 0 && n == 0;
}

static void
run_archive(struct program *p, const struct archive *archive)
{
	for (size_t i = 0; i < archive->entries.count && !p->write_failed; i++) {
		struct slice message;

		arena_reset(p->message_arena);
		arena_set_budget(p->message_arena, 0);
		if (archive_read(archive, &archive->entries.items[i], p->message_arena, &message))
			run_message(p, message);
		if (p->options.progress)
			fputc('.', stderr);
	}
}

static void
run_stdin(struct program *p)
{
	struct slice message;

	arena_set_budget(p->message_arena, 0);
	if (read_stdin(p, p->message_arena, &message))
		run_message(p, message);
}

static void
run_targets(struct program *p, char **targets, int count)
{
	static const char *const standard[] = {"-"};
	char spool[] = "/tmp/.spamassassinXXXXXX";
	bool spooled = false, seen_stdin = false;
	struct archive archive;

	archive_init(&archive, p->arena, p->log);
	for (int i = 0; i < (count == 0 ? 1 : count); i++) {
		const char *target = count == 0 ? standard[0] : targets[i];

		if (strcmp(target, "-") != 0) {
			add_target(p, &archive, target);
		} else if (seen_stdin) {
			log_warn(p->log, NULL, "skipping extra stdin target (-)");
		} else if (p->options.format == ARCHIVE_DETECT) {
			seen_stdin = true;
			run_archive(p, &archive);
			archive.entries.count = 0;
			run_stdin(p);
		} else {
			seen_stdin = true;
			spooled = spool_stdin(p, spool);
			if (spooled)
				archive_add(&archive, p->options.format, spool, 0);
		}
	}
	run_archive(p, &archive);
	if (spooled)
		unlink(spool);
	if (p->options.progress)
		fprintf(stderr, "\n100%% Completed %zu msgs\n", p->count);
	if (archive.failed)
		fail(p, 255);
	if (p->count == 0)
		fail(p, CODE_PROBLEM);
}

/* ---- signals ---- */

static void
on_kill(int number)
{
	static const char before[] = "warn: spamassassin: killed by SIG", after[] = "\n";
	const char *name = number == SIGHUP ? "HUP" : number == SIGINT ? "INT" : "TERM";
	ssize_t n = write(STDERR_FILENO, before, sizeof(before) - 1);

	n = write(STDERR_FILENO, name, strlen(name));
	n = write(STDERR_FILENO, after, 1);
	(void)n;
	_exit(CODE_KILLED);
}

static void
install_signals(void)
{
	static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
	struct sigaction action = {.sa_handler = on_kill};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* ---- all of it ---- */

static int
list_one_address(struct program *p, enum sender_operation operation)
{
	struct check *check = make_check(p, SLICE("\n"));

	if (check == NULL)
		return CODE_OS_ERROR;
	sender_list_address(check, operation, slice_from_cstr(p->options.list_address[operation]));
	return CODE_OK;
}

/* Does a message go in and come out again? */
static bool
is_filter(const struct options *o, int count)
{
	return count == 0 && !o->lint && !o->report && !o->revoke &&
	       list_operation(o, true) == SENDER_OPERATIONS &&
	       list_operation(o, false) == SENDER_OPERATIONS;
}

static int
run(struct program *p, char **targets, int count)
{
	struct error error = {""};

	if (!load_filter(p, &error)) {
		log_error(p->log, "config", "%s", error.text);
		/* as a filter: the mail goes on, the exit code says that it was not looked at */
		if (is_filter(&p->options, count)) {
			struct slice message;

			if (read_stdin(p, p->message_arena, &message))
				write_out(p, message);
		}
		return 255;
	}
	if (p->options.lint)
		return run_lint(p);
	if (p->options.dns_check || p->options.dns_check_json)
		return dns_check_run(p->filter, p->options.dns_check_json);
	install_signals();
	if (list_operation(&p->options, false) != SENDER_OPERATIONS)
		return list_one_address(p, list_operation(&p->options, false));
	run_targets(p, targets, count);
	if (p->options.report || p->options.revoke ||
	    list_operation(&p->options, true) != SENDER_OPERATIONS)
		printf("%zu message(s) examined.\n", p->count);
	return p->write_failed ? CODE_IO_ERROR : p->exit_code;
}

int
main(int argc, char **argv)
{
	struct program p = {0};
	int count, code;

	heap_prefer_large_pages(HEAP_BYTES);
	p.arena = arena_create(0);
	p.message_arena = arena_create(0);
	if (p.arena == NULL || p.message_arena == NULL)
		return CODE_OS_ERROR;
	code = read_command_line(&p, argc, argv, &count);
	if (code >= 0)
		return fflush(stdout) == 0 ? code : CODE_IO_ERROR;
	stderr_log_init(&p.stderr_log, p.options.debug);
	p.log = &p.stderr_log.log;
	code = run(&p, argv, count);
	learner_destroy(&p.learner);
	stderr_log_flush(&p.stderr_log);
	if (fflush(stdout) != 0 && code == 0)
		code = CODE_IO_ERROR;
	/* The host takes memory back faster than we could. */
	_exit(code);
}
