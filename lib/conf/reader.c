/*
 * reader.c - configuration text, line by line
 *
 * Source: Conf/Parser.pm parse(): comments, lang, if/ifplugin/else/endif, include, require_version,
 * scopes; observed quirks are kept (compat/SURPRISES.md): an include inside an `if` closes all open
 * ifs and ends skipping.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "conf/condition.h"
#include "conf/conf.h"
#include "conf/core.h"
#include "conf/value.h"
#include "conf/sources.h"
#include "util/file.h"

enum { INCLUDE_DEPTH_MAX = 32, FILE_BYTES_MAX = 256 * 1024 * 1024, USER_BYTES_MAX = 1024 * 1024 };

struct open_if {
	struct open_if *next;
	struct slice keyword;
	unsigned line_number;
	bool skip_before; /* what to go back to at endif */
};

/* Of one file; `skip` is the parser's state for the lines that follow. */
struct conf_condition_stack {
	struct open_if *top;
	bool skip;
};

/* Once the core's, now a plugin's: without the plugin the line is said, but is no error. */
static const char *const migrated[] = {"ok_languages"};

void
conf_reader_init(struct conf_reader *reader, struct conf *conf, const struct conf_env *env,
                 const struct log *log)
{
	*reader = (struct conf_reader){.conf = conf,
	                               .arena = conf->arena,
	                               .log = log,
	                               .env = env,
	                               .locale = SLICE("en_US")};
	hashmap_init(&reader->update_versions, conf->arena);
}

void
conf_reader_set_locale(struct conf_reader *reader, const char *language, const char *lc_all,
                       const char *lc_messages, const char *lang)
{
	const char *const choices[] = {lc_all, lc_messages, lang};
	struct slice name = SLICE_NULL;

	if (language != NULL) {
		name = slice_from_cstr(language);
		name = slice_sub(name, 0, slice_find_byte(name, ':', 0));
	}
	for (size_t i = 0; i < 3 && name.len == 0; i++)
		if (choices[i] != NULL)
			name = slice_from_cstr(choices[i]);
	if (name.len == 0 || slice_eq(name, SLICE("C")) || slice_eq(name, SLICE("POSIX")))
		reader->locale = SLICE("en_US");
	else
		reader->locale = arena_dup(reader->arena,
		                           slice_sub(name, 0, slice_find_any(name, "@.+,", 0)));
}

void
conf_problem(struct conf_reader *reader, bool count, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	if (count)
		reader->errors++;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (reader->lint)
		log_warn(reader->log, NULL, "%s", text);
	else
		log_info(reader->log, NULL, "%s", text);
}

void
conf_problem_here(struct conf_reader *reader, bool count, const char *what)
{
	struct slice line = log_quote(reader->arena, reader->line, 1000);

	if (reader->file.data == NULL)
		conf_problem(reader, count, "%s in (no file): %.*s", what, SLICE_FMT(line));
	else
		conf_problem(reader, count, "%s in %.*s (line %u): %.*s", what,
		             SLICE_FMT(reader->file), reader->line_number, SLICE_FMT(line));
}

static void
problem_with_key(struct conf_reader *reader, const char *before, const char *after)
{
	char text[256];

	snprintf(text, sizeof(text), "config: %s'%.*s'%s", before,
	         SLICE_FMT(slice_sub(reader->key, 0, 100)), after);
	conf_problem_here(reader, true, text);
}

/* Cuts from the first # that no backslash precedes, and unescapes \#. */
static struct slice
without_comment(struct conf_reader *reader, struct slice line)
{
	unsigned char *out;
	size_t n = 0;

	if (!slice_has_byte(line, '#'))
		return line;
	out = arena_bytes(reader->arena, line.len);
	if (out == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < line.len; i++) {
		if (line.data[i] == '#') {
			if (n == 0 || out[n - 1] != '\\')
				break;
			n--;
		}
		out[n++] = line.data[i];
	}
	return slice_of(out, n);
}

static void
note_update_version(struct conf_reader *reader, struct slice line)
{
	struct slice number = line, *value;
	unsigned long long n;

	if (reader->file.data == NULL || !slice_starts(line, SLICE("# UPDATE version ")))
		return;
	number = slice_from(line, sizeof("# UPDATE version ") - 1);
	if (!slice_to_u64(number, ~0ULL, &n) ||
	    (value = arena_new(reader->arena, struct slice)) == NULL)
		return;
	*value = number;
	hashmap_set(&reader->update_versions, reader->file, value);
}

/* "lang XX rest": false when the line is for another locale. */
static bool
strip_lang(struct conf_reader *reader, struct slice *line)
{
	struct slice rest, lang;

	if (!slice_starts(*line, SLICE("lang")) || line->len < 5 || !byte_is_space(line->data[4]))
		return true;
	lang = conf_split(slice_from(*line, 4), &rest);
	if (rest.len == 0)
		return true;
	if (!slice_istarts(reader->locale, lang))
		return false;
	*line = rest;
	return true;
}

static void
push_if(struct conf_reader *reader, struct slice keyword)
{
	struct open_if *open = arena_new(reader->arena, struct open_if);

	if (open == NULL)
		return;
	*open = (struct open_if){reader->stack->top, keyword, reader->line_number,
	                         reader->stack->skip};
	reader->stack->top = open;
}

static void
handle_if(struct conf_reader *reader, struct slice value, bool is_plugin)
{
	enum condition_result result;

	if (value.len == 0) {
		problem_with_key(reader, "missing ", " condition");
		return;
	}
	if (is_plugin)
		value = arena_printf(reader->arena, "plugin (%.*s)", SLICE_FMT(value));
	result = condition_evaluate(reader, value);
	if (result == CONDITION_BAD)
		return;
	push_if(reader, is_plugin ? SLICE("ifplugin") : SLICE("if"));
	if (result == CONDITION_FALSE)
		reader->stack->skip = true;
}

static void
handle_else(struct conf_reader *reader, struct slice value)
{
	bool outer_skips = false;

	if (value.len > 0) {
		problem_with_key(reader, "", " must be standalone");
		return;
	}
	if (reader->stack->top == NULL) {
		problem_with_key(reader, "", " missing starting if");
		return;
	}
	for (const struct open_if *o = reader->stack->top; o != NULL; o = o->next)
		outer_skips |= o->skip_before;
	reader->stack->skip = outer_skips || !reader->stack->skip;
}

static void
handle_endif(struct conf_reader *reader, struct slice value)
{
	if (value.len > 0) {
		problem_with_key(reader, "", " must be standalone");
	} else if (reader->stack->top == NULL) {
		problem_with_key(reader, "missing starting 'if' for ", "");
	} else {
		reader->stack->skip = reader->stack->top->skip_before;
		reader->stack->top = reader->stack->top->next;
	}
}

/* End of a file, or the splice point of an include. */
static void
close_ifs(struct conf_reader *reader)
{
	for (const struct open_if *o = reader->stack->top; o != NULL; o = o->next)
		conf_problem(reader, true, "config: unclosed '%.*s' found in %.*s (line %u)",
		             SLICE_FMT(o->keyword), SLICE_FMT(reader->file), o->line_number);
	*reader->stack = (struct conf_condition_stack){0};
}

/* A user's preferences include files of the same directory, of the same owner, and no others. */
static void
include_of_user(struct conf_reader *reader, struct slice path)
{
	size_t slash = slice_rfind_byte(reader->file, '/');
	struct slice dir = slice_sub(reader->file, 0, slash + 1), text;
	char *path_cstr = arena_cstr(reader->arena, path);
	struct error error;

	if (reader->file.data == NULL || slash == SLICE_NPOS || !slice_starts(path, dir) ||
	    slice_has_byte(slice_from(path, dir.len), '/')) {
		conf_problem_here(reader, true,
		                  "config: only files beside the preferences can be included");
		return;
	}
	if (path_cstr == NULL)
		return;
	if (file_read_owned(reader->arena, path_cstr, reader->owner, USER_BYTES_MAX, &text,
	                    &error) == STATUS_OK)
		conf_read_text(reader, path, text);
	else
		conf_problem(reader, true, "config: cannot read: %s", error.text);
}

static void
handle_include(struct conf_reader *reader, struct slice value)
{
	struct slice path = value;
	char *path_cstr;
	size_t slash;

	if (value.len == 0) {
		problem_with_key(reader, "missing ", " value");
		return;
	}
	if (reader->include_depth >= INCLUDE_DEPTH_MAX) {
		conf_problem_here(reader, true, "config: includes nested too deep, not read");
		return;
	}
	if (path.data[0] == '~' && path.len > 1 && path.data[1] == '/' && getenv("HOME") != NULL) {
		path = arena_concat(reader->arena, slice_from_cstr(getenv("HOME")),
		                    slice_from(path, 1));
	} else if (path.data[0] != '/' && reader->file.data != NULL) {
		slash = slice_rfind_byte(reader->file, '/');
		if (slash != SLICE_NPOS)
			path = arena_concat(reader->arena, slice_sub(reader->file, 0, slash + 1),
			                    path);
	}
	path_cstr = arena_cstr(reader->arena, path);
	close_ifs(reader);
	if (reader->user_scope)
		include_of_user(reader, path);
	else if (path_cstr != NULL)
		conf_read_path(reader, path_cstr, ".cf");
}

static void
handle_require_version(struct conf_reader *reader, struct slice value)
{
	if (value.len == 0) {
		problem_with_key(reader, "missing ", " value");
		return;
	}
	if (slice_eq(value, SLICE("@@VERSION@@")) || slice_eq(value, SLICE(CONF_SA_VERSION)))
		return;
	reader->errors++;
	log_warn(reader->log, "config",
	         "configuration file '%.*s' requires version %.*s of SpamAssassin, but this is "
	         "code version %s. Maybe you need to use the -C switch, or remove the old config "
	         "files? Skipping this file.",
	         SLICE_FMT(reader->file), SLICE_FMT(value), CONF_SA_VERSION);
	reader->stack->skip = true;
}

static bool
scope_allows(struct conf_reader *reader, const struct directive *d)
{
	if (!reader->user_scope)
		return true;
	if (d->scope == CONF_PRIV && !conf_core(reader->conf)->allow_user_rules) {
		log_info(reader->log, "config", "not parsing, 'allow_user_rules' is 0: %.*s",
		         SLICE_FMT(log_quote(reader->arena, reader->line, 500)));
		return false;
	}
	if (d->scope == CONF_ADMIN) {
		log_info(reader->log, "config", "not parsing, administrator setting: %.*s",
		         SLICE_FMT(log_quote(reader->arena, reader->line, 500)));
		return false;
	}
	return true;
}

static enum conf_result
parse_unknown(struct conf_reader *reader, struct slice value)
{
	for (size_t i = 0; i < reader->conf->blocks.count; i++) {
		const struct conf_block *block = &reader->conf->blocks.items[i];
		enum conf_result result;

		if (block->module->unknown == NULL)
			continue;
		result = block->module->unknown(reader, block->settings, reader->key, value);
		if (result != CONF_FAILED)
			return result;
	}
	for (size_t i = 0; i < sizeof(migrated) / sizeof(migrated[0]); i++)
		if (slice_eq(reader->key, slice_from_cstr(migrated[i])))
			return CONF_MIGRATED;
	return CONF_FAILED;
}

static void
report_result(struct conf_reader *reader, enum conf_result result)
{
	switch (result) {
	case CONF_OK:
		break;
	case CONF_MISSING:
		problem_with_key(reader, "missing ", " value");
		break;
	case CONF_INVALID:
		problem_with_key(reader, "invalid ", " value");
		break;
	case CONF_INVALID_HEADER:
		conf_problem_here(reader, true, "config: invalid header field name");
		break;
	case CONF_FAILED:
		conf_problem_here(reader, true, "config: failed to parse line");
		break;
	case CONF_MIGRATED:
		conf_problem_here(reader, false, "config: failed to parse line, now a plugin");
		break;
	}
}

static void
handle_directive(struct conf_reader *reader, struct slice value)
{
	const struct conf_entry *entry = hashmap_get(&reader->conf->directives, reader->key);
	enum conf_result result;

	if (entry == NULL)
		result = parse_unknown(reader, value);
	else if (!scope_allows(reader, entry->directive))
		result = CONF_FAILED;
	else
		result = conf_value_parse(reader, reader->conf->blocks.items[entry->block].settings,
		                          entry->directive, value);
	report_result(reader, result);
}

static struct slice
normal_key(struct arena *arena, struct slice word)
{
	unsigned char *key = arena_bytes(arena, word.len + 1);

	if (key == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < word.len; i++)
		key[i] = word.data[i] == '-' ? '_' : byte_lower(word.data[i]);
	return slice_of(key, word.len);
}

static void
handle_line(struct conf_reader *reader, struct slice line)
{
	struct slice value;

	note_update_version(reader, line);
	line = slice_trim(without_comment(reader, line));
	if (line.len == 0 || slice_eq(line, SLICE("0")))
		return;
	if (!strip_lang(reader, &line))
		return;
	reader->line = line;
	reader->key = normal_key(reader->arena, conf_split(line, &value));
	if (slice_eq(reader->key, SLICE("endif")))
		handle_endif(reader, value);
	else if (slice_eq(reader->key, SLICE("ifplugin")))
		handle_if(reader, value, true);
	else if (slice_eq(reader->key, SLICE("if")))
		handle_if(reader, value, false);
	else if (slice_eq(reader->key, SLICE("include")))
		handle_include(reader, value);
	else if (slice_eq(reader->key, SLICE("else")))
		handle_else(reader, value);
	else if (reader->stack->skip)
		return;
	else if (slice_eq(reader->key, SLICE("require_version")))
		handle_require_version(reader, value);
	else
		handle_directive(reader, value);
}

void
conf_read_text(struct conf_reader *reader, struct slice file, struct slice text)
{
	struct conf_reader saved = *reader;
	struct conf_condition_stack stack = {0};
	struct slice line, kept = arena_dup(reader->arena, text);

	reader->file = file.data == NULL ? SLICE_NULL : arena_dup(reader->arena, file);
	reader->user_file = slice_ends(file, SLICE("user_prefs"));
	reader->line_number = 0;
	reader->stack = &stack;
	reader->include_depth++;
	log_debug(reader->log, "config", "parsing file %.*s", SLICE_FMT(file));
	while (kept.len > 0 && slice_next(&kept, '\n', &line)) {
		reader->line_number++;
		handle_line(reader, line);
	}
	close_ifs(reader);
	reader->file = saved.file;
	reader->user_file = saved.user_file;
	reader->line_number = saved.line_number;
	reader->line = saved.line;
	reader->key = saved.key;
	reader->stack = saved.stack;
	reader->include_depth--;
}

static void
read_one_file(struct conf_reader *reader, const char *path)
{
	struct slice text = SLICE_NULL;
	struct error error;
	/* The text is copied by conf_read_text: this copy dies here. */
	struct arena *scratch = arena_create(0);
	struct stat st;

	if (scratch == NULL)
		return;
	conf_sources_note(reader->sources, path, stat(path, &st) == 0 ? &st : NULL);
	switch (file_read(scratch, path, FILE_BYTES_MAX, &text, &error)) {
	case STATUS_OK:
		log_debug(reader->log, "config", "read file %s", path);
		conf_read_text(reader, slice_from_cstr(path), text);
		break;
	case STATUS_NONE:
		break;
	case STATUS_AGAIN:
	case STATUS_BAD:
	case STATUS_LIMIT:
	case STATUS_IO:
		conf_problem(reader, true, "config: cannot read: %s", error.text);
		break;
	}
	arena_destroy(&scratch);
}

static int
by_name(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void
read_directory(struct conf_reader *reader, const char *path, const char *suffix)
{
	slice_vec names = {0};
	DIR *dir = opendir(path);
	const struct dirent *entry;

	if (dir == NULL) {
		conf_problem(reader, true, "config: cannot opendir %s: %s", path, strerror(errno));
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		struct slice name = slice_from_cstr(entry->d_name);

		if (name.data[0] == '.' || !slice_iends(name, slice_from_cstr(suffix)))
			continue;
		(void)vec_push(reader->arena, &names, arena_dup(reader->arena, name));
	}
	closedir(dir);
	if (names.count > 0)
		qsort(names.items, names.count, sizeof(*names.items), by_name);
	for (size_t i = 0; i < names.count; i++) {
		struct slice full =
			arena_printf(reader->arena, "%s/%.*s", path, SLICE_FMT(names.items[i]));

		if (full.data != NULL)
			read_one_file(reader, (const char *)full.data);
	}
}

void
conf_read_path(struct conf_reader *reader, const char *path, const char *suffix)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		log_debug(reader->log, "config", "%s: %s", path, strerror(errno));
		return;
	}
	if (S_ISDIR(st.st_mode))
		conf_sources_note(reader->sources, path, &st);
	if (S_ISDIR(st.st_mode))
		read_directory(reader, path, suffix);
	else if (S_ISREG(st.st_mode))
		read_one_file(reader, path);
	else
		conf_problem(reader, true, "config: %s is neither a file nor a directory, not read",
		             path);
}
