/*
 * sa_awl.c - lists of senders: print, clean, take over old ones
 *
 * Options, output and exit codes: compat/options.tsv, sa-awl(1).  --import is ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "cmd/stderr_log.h"
#include "store/reputation.h"
#include "store/reputation_import.h"
#include "util/file.h"
#include "util/vec.h"

enum { CODE_ERROR = 255, LOCK_WAIT_MS = 300 * 1000, FILE_MODE = 0700, FILE_BYTES_MAX = 1 << 30 };

struct program {
	struct arena *arena;
	struct stderr_log stderr_log;
	bool clean, dry_run, help;
	long min;
	const char *import, *path;
	struct reputation *list; /* NULL: an old file is read as it is */
	struct slice old;        /* that file */
	VEC(struct reputation_key) doomed;
};

/* ---- command line ---- */

static int
usage(void)
{
	fputs("\nusage: sa-awl [--clean] [--dry-run] [--min n] [dbfile]\n"
	      "       sa-awl --import oldfile [dbfile]\n"
	      "\n"
	      "  --clean           Remove entries with fewer messages than --min says\n"
	      "  --dry-run         With --clean: only print them\n"
	      "  --min n           The least number of messages that keeps an entry (2)\n"
	      "  --import oldfile  Add the entries of SpamAssassin's Berkeley DB file\n"
	      "  --help            Print this text\n",
	      stderr);
	return CODE_ERROR;
}

enum option { OPTION_CLEAN, OPTION_DRY_RUN, OPTION_MIN, OPTION_HELP, OPTION_IMPORT, OPTION_NONE };

/* clang-format off */
static const struct {
	const char *name;
	enum option option;
} rows[] = {
	{ "clean", OPTION_CLEAN },
	{ "dry-run", OPTION_DRY_RUN },
	{ "help", OPTION_HELP },
	{ "import", OPTION_IMPORT },
	{ "min", OPTION_MIN },
};
/* clang-format on */

/* As Getopt::Long finds it: cut short where that is no riddle, in any case. */
static enum option
find_option(const char *word, size_t len)
{
	enum option found = OPTION_NONE;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (len > 0 && strncasecmp(rows[i].name, word, len) == 0) {
			if (found != OPTION_NONE)
				return OPTION_NONE;
			found = rows[i].option;
		}
	return found;
}

static bool
is_number(const char *text)
{
	char *end;

	if (text == NULL || *text == '\0')
		return false;
	(void)strtol(text, &end, 10);
	return *end == '\0';
}

/* One option at argv[i]; gives back how many words it took, 0: it is none. */
static int
take_option(struct program *p, char **argv, int i)
{
	const char *word = argv[i] + 1 + (argv[i][1] == '-'), *equals = strchr(word, '=');
	size_t len = equals == NULL ? strlen(word) : (size_t)(equals - word);
	const char *value = equals == NULL ? argv[i + 1] : equals + 1;

	switch (find_option(word, len)) {
	case OPTION_CLEAN:
		p->clean = true;
		return equals == NULL;
	case OPTION_DRY_RUN:
		p->dry_run = true;
		return equals == NULL;
	case OPTION_HELP:
		p->help = true;
		return equals == NULL;
	case OPTION_MIN:
		p->min = is_number(value) ? strtol(value, NULL, 10) : 0;
		return equals != NULL ? is_number(value) || *value == '\0' : 1 + is_number(value);
	case OPTION_IMPORT:
		if (value == NULL || *value == '\0')
			return 0;
		p->import = value;
		return equals == NULL ? 2 : 1;
	case OPTION_NONE:
		break;
	}
	fprintf(stderr, "Unknown option: %.*s\n", (int)len, word);
	return 0;
}

static bool
read_command_line(struct program *p, int argc, char **argv)
{
	bool is_over = false;

	for (int i = 1; i < argc;) {
		int taken = 1;

		if (!is_over && strcmp(argv[i], "--") == 0)
			is_over = true;
		else if (!is_over && argv[i][0] == '-' && argv[i][1] != '\0')
			taken = take_option(p, argv, i);
		else if (p->path == NULL)
			p->path = argv[i];
		if (taken == 0)
			return false;
		i += taken;
	}
	if (p->min == 0)
		p->min = 2;
	return !p->help;
}

/* The list of whoever runs this; the name before 4.0 where only that is there. */
static const char *
standard_path(struct program *p)
{
	const char *home = getenv("HOME");
	struct slice path = arena_printf(p->arena, "%s/.spamassassin/auto-welcomelist",
	                                 home == NULL ? "" : home),
		     old = arena_printf(p->arena, "%s/.spamassassin/auto-whitelist",
	                                home == NULL ? "" : home);
	struct stat st;

	if (path.data == NULL || old.data == NULL)
		return "";
	return (const char *)(stat((const char *)path.data, &st) != 0 &&
	                                      stat((const char *)old.data, &st) == 0
	                              ? old.data
	                              : path.data);
}

/* ---- the list ---- */

static int
fail(const struct program *p, bool for_writing, const char *text)
{
	fprintf(stderr, "Cannot open %sfile %s: %s\n", for_writing ? "r/w " : "", p->path, text);
	return CODE_ERROR;
}

static int
open_list(struct program *p, bool for_writing, bool create)
{
	const struct reputation_config config = {
		.path = p->path, .file_mode = FILE_MODE, .log = &p->stderr_log.log};
	struct error error;
	enum status status;
	struct stat st;

	if (!create && stat(p->path, &st) == 0)
		create = for_writing; /* an old file is taken over before it is changed */
	status = reputation_open(&config, create, &p->list, &error);
	if (status == STATUS_NONE && stat(p->path, &st) == 0) {
		status = file_read(p->arena, p->path, FILE_BYTES_MAX, &p->old, &error);
		return status == STATUS_OK ? 0 : fail(p, for_writing, error.text);
	}
	if (status == STATUS_NONE) {
		(void)fail(p, for_writing, strerror(ENOENT));
		return ENOENT;
	}
	return status == STATUS_OK ? 0 : fail(p, for_writing, error.text);
}

static enum status
each(struct program *p, reputation_fn fn, struct error *error)
{
	return p->list == NULL && p->old.data != NULL ? reputation_import(p->old, fn, p, error)
	                                              : reputation_each(p->list, fn, p, error);
}

static void
print(const char *before, const struct reputation_key *key, const struct reputation_entry *entry)
{
	char sums[400];

	(void)snprintf(sums, sizeof(sums), "(%.1f/%lld)", entry->total, (long long)entry->count);
	printf("%s%8.1f %15s  --  ", before, entry->total / (double)entry->count, sums);
	fwrite(key->address.data, 1, key->address.len, stdout);
	fputs("|ip=", stdout);
	fwrite(key->ip.data, 1, key->ip.len, stdout);
	putchar('\n');
}

static bool
print_one(void *data, const struct reputation_key *key, const struct reputation_entry *entry)
{
	const struct program *p = data;

	if (p->clean && entry->count >= p->min)
		return true;
	print(p->clean ? "cleaning [dry-run]: " : "", key, entry);
	return true;
}

/* ---- cleaning ---- */

static bool
note_doomed(void *data, const struct reputation_key *key, const struct reputation_entry *entry)
{
	struct program *p = data;
	struct reputation_key copy = {.address = arena_dup(p->arena, key->address),
	                              .ip = arena_dup(p->arena, key->ip)};

	if (entry->count >= p->min)
		return true;
	print("cleaning: ", key, entry);
	return vec_push(p->arena, &p->doomed, copy) != NULL;
}

static enum status
clean(struct program *p, struct error *error)
{
	enum status status = reputation_begin(p->list, LOCK_WAIT_MS, error);

	if (status == STATUS_OK)
		status = reputation_each(p->list, note_doomed, p, error);
	for (size_t i = 0; i < p->doomed.count && status == STATUS_OK; i++)
		status = reputation_remove_one(p->list, &p->doomed.items[i], error);
	return status == STATUS_OK ? reputation_commit(p->list, error) : status;
}

/* ---- old lists ---- */

struct import {
	struct program *p;
	size_t count;
	enum status status;
	struct error *error;
};

static bool
import_one(void *data, const struct reputation_key *key, const struct reputation_entry *entry)
{
	struct import *import = data;
	struct reputation_entry sum;

	import->status = reputation_get(import->p->list, key, &sum, import->error);
	sum.count += entry->count - 1;
	if (import->status == STATUS_OK)
		import->status =
			reputation_add(import->p->list, key, &sum, entry->total, import->error);
	import->count++;
	return import->status == STATUS_OK;
}

static enum status
import_file(struct program *p, struct error *error)
{
	struct import import = {.p = p, .status = STATUS_OK, .error = error};
	struct slice text;
	enum status status = file_read(p->arena, p->import, FILE_BYTES_MAX, &text, error);

	if (status == STATUS_OK)
		status = reputation_begin(p->list, LOCK_WAIT_MS, error);
	if (status == STATUS_OK)
		status = reputation_import(text, import_one, &import, error);
	if (status == STATUS_OK)
		status = import.status;
	if (status == STATUS_OK)
		status = reputation_commit(p->list, error);
	if (status == STATUS_OK)
		printf("%zu entries of %s added\n", import.count, p->import);
	return status;
}

static int
run(struct program *p)
{
	bool for_writing = p->import != NULL || (p->clean && !p->dry_run);
	int code = open_list(p, for_writing, p->import != NULL);
	struct error error;
	enum status status;

	if (code != 0)
		return code;
	/* The reference only pretends with --dry-run, and lists all without --clean. */
	status = p->import != NULL ? import_file(p, &error)
	         : for_writing     ? clean(p, &error)
	                           : each(p, print_one, &error);
	if (status == STATUS_OK)
		return 0;
	fprintf(stderr, "sa-awl: %s: %s\n", p->import != NULL ? p->import : p->path, error.text);
	return CODE_ERROR;
}

int
main(int argc, char **argv)
{
	struct program p = {.arena = arena_create(0)};
	int code;

	if (p.arena == NULL)
		return CODE_ERROR;
	if (!read_command_line(&p, argc, argv)) {
		arena_destroy(&p.arena);
		return usage();
	}
	stderr_log_init(&p.stderr_log, NULL);
	if (p.path == NULL)
		p.path = standard_path(&p);
	code = run(&p);
	reputation_close(&p.list);
	stderr_log_flush(&p.stderr_log);
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == 0) {
		fprintf(stderr, "sa-awl: error writing: %s\n", strerror(errno));
		code = CODE_ERROR;
	}
	arena_destroy(&p.arena);
	return code;
}
