/*
 * conf.h - the configuration: settings blocks, directive tables, the reader's view of both
 *
 * Owns: struct conf (all settings of one configuration), struct directive and struct conf_module
 * (how a room above describes its settings), struct conf_reader (one run over configuration text).
 * Data: files (paths.h) -> reader.c (lines, conditionals, include) -> directive -> settings of its
 * module. The core's own settings are in core.h; rules/ and plugins/ hand their tables in as
 * modules, so that nothing here knows of them.  Errors carry file and line; a bad line never stops
 * the rest (SpamAssassin 4.0.1 Conf/Parser.pm).
 *
 * Layers: the site configuration is read once into an arena that then is read-only.  conf_overlay()
 * makes a cheap copy whose lists and tables are copied when they are first written, for one user's
 * preferences.
 */
#ifndef WINNOW_CONF_CONF_H
#define WINNOW_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/hashmap.h"
#include "util/log.h"
#include "util/slice.h"
#include "util/vec.h"

/* The version that rules see: `version`, require_version, the update directory. */
#define CONF_SA_VERSION "4.000001"
#define CONF_SA_VERSION_TEXT "4.0.1"

enum conf_scope {
	CONF_USER, /* allowed everywhere */
	CONF_PRIV, /* in user preferences read by spamd only with allow_user_rules */
	CONF_ADMIN /* never there */
};

enum conf_type {
	CONF_BOOL,     /* bool */
	CONF_NUMERIC,  /* double */
	CONF_DURATION, /* double, seconds */
	CONF_STRING,   /* struct slice; data NULL = not set */
	CONF_WORDS,    /* struct conf_words: appends */
	CONF_TABLE,    /* struct conf_table: KEY TEXT, same key replaced */
	CONF_ADDRLIST, /* struct addrlist */
	CONF_TEMPLATE, /* struct slice: text lines, each ended by LF */
	CONF_NOARGS,   /* calls parse; a value is an error */
	CONF_CUSTOM    /* calls parse */
};

enum conf_result {
	CONF_OK,
	CONF_MISSING,        /* "config: missing 'KEY' value" */
	CONF_INVALID,        /* "config: invalid 'KEY' value" */
	CONF_INVALID_HEADER, /* "config: invalid header field name" */
	CONF_FAILED,         /* "config: failed to parse line" */
	CONF_MIGRATED        /* its plugin is not loaded: said, but no error */
};

struct conf_reader;
struct directive;

typedef enum conf_result (*conf_parse_fn)(struct conf_reader *reader, void *settings,
                                          const struct directive *directive, struct slice value);

struct directive {
	const char *name;  /* lower case, with _ */
	const char *alias; /* a second name, or NULL */
	enum conf_type type;
	enum conf_scope scope;
	size_t offset;        /* of the value in the module's settings (not for CUSTOM, NOARGS) */
	const char *standard; /* default as configuration text, NULL = zeroed */
	conf_parse_fn parse;  /* CUSTOM and NOARGS; other types: checks after parsing, or NULL */
};

struct conf_module {
	const char *name;
	size_t settings_size;
	const struct directive *directives;
	size_t directive_count;
	/* A directive that no table has; CONF_FAILED: not mine.  NULL allowed. */
	enum conf_result (*unknown)(struct conf_reader *reader, void *settings, struct slice key,
	                            struct slice value);
};

/* Lists remember the arena they live in: writing into an overlay copies them first. */
struct conf_words {
	struct arena *arena;
	struct slice *items;
	size_t count;
	size_t size;
};

struct conf_table {
	struct hashmap map; /* key -> struct slice * */
};

struct conf_block {
	const struct conf_module *module;
	void *settings;
};

struct conf {
	struct arena *arena;
	VEC(struct conf_block) blocks; /* [0] is the core's */
	struct hashmap directives;     /* name -> struct conf_entry * */
	struct hashmap compat;         /* enable_compat names */
};

struct conf_entry {
	const struct directive *directive;
	size_t block;
};

/* NULL: no memory.  The core module is there already. */
struct conf *conf_create(struct arena *arena);
/* The same settings, to be written by one user's preferences; costs a copy of the blocks. */
struct conf *conf_overlay(const struct conf *conf, struct arena *arena);
/* Registers a module, sets its defaults; returns its block index, or SIZE_MAX without memory. */
size_t conf_add_module(struct conf *conf, const struct conf_module *module);
/* Settings of a registered module, NULL when it is not registered. */
void *conf_settings(const struct conf *conf, const struct conf_module *module);

/* Questions that conditionals ask of the rooms above. */
struct conf_env {
	void *data;
	bool (*is_plugin_loaded)(void *data, struct slice class_name);
	/* can() or has() of a full name "Mail::SpamAssassin::Plugin::X::feature_y". */
	bool (*has_feature)(void *data, struct slice full_name, bool call_it);
};

struct regex_memory; /* rules/regex.h */
struct conf_sources; /* sources.h */

struct conf_reader {
	struct conf *conf;
	struct arena *arena; /* results live here: the conf's own */
	const struct log *log;
	const struct conf_env *env;
	struct slice locale;          /* "en_US" */
	struct regex_memory *regexes; /* patterns known to be good, NULL: none */
	struct conf_sources *sources; /* notes what is read; NULL: nobody wants to know */
	const char *languages_path;   /* TextCat's file, NULL: none; known before plugins finish */
	bool local_tests_only;
	bool lint;       /* problems are warnings, else info */
	bool user_scope; /* preferences read by a server: scopes are enforced */
	unsigned owner;  /* user_scope: only this user's files are included */
	bool user_file;  /* the file in hand is a user_prefs */
	/* where we are */
	struct slice file; /* data NULL: (no file) */
	unsigned line_number;
	struct slice line;              /* without comment and outer blanks */
	unsigned errors;                /* bad lines, what --lint counts */
	struct hashmap update_versions; /* file -> struct slice *, "# UPDATE version N" */
	struct conf_condition_stack *stack;
	/* name of directive as written (lower case, _ for -) */
	struct slice key;
	/* scratch for nested reading */
	unsigned include_depth;
};

void conf_reader_init(struct conf_reader *reader, struct conf *conf, const struct conf_env *env,
                      const struct log *log);
/* Sets the locale from LANGUAGE, LC_ALL, LC_MESSAGES, LANG as the reference does. */
void conf_reader_set_locale(struct conf_reader *reader, const char *language, const char *lc_all,
                            const char *lc_messages, const char *lang);
/* Reads text as the contents of `file`.  Errors are counted and logged; the rest goes on. */
void conf_read_text(struct conf_reader *reader, struct slice file, struct slice text);
/* Reads a file, or all *SUFFIX files of a directory in byte order.  A path that does not exist is
 * no error. */
void conf_read_path(struct conf_reader *reader, const char *path, const char *suffix);

/*
 * Reports a problem of the line in hand: " in FILE (line N): LINE" is added by conf_problem_here
 * only.  Counts one error unless `count` is false.  Level info, or warn under lint.
 */
void conf_problem(struct conf_reader *reader, bool count, const char *fmt, ...) PRINTF_LIKE(3, 4);
void conf_problem_here(struct conf_reader *reader, bool count, const char *what);

/* Value parsers, for CUSTOM directives too. */
enum conf_result conf_parse_bool(struct slice value, bool *value_r);
enum conf_result conf_parse_numeric(struct slice value, double *value_r);
enum conf_result conf_parse_duration(struct slice value, double *value_r);
/* First word and rest ("" when none). */
struct slice conf_split(struct slice value, struct slice *rest_r);

bool conf_words_add(struct conf_reader *reader, struct conf_words *words, struct slice word);
bool conf_words_has(const struct conf_words *words, struct slice word, bool ignore_case);
void conf_words_clear(struct conf_words *words);
bool conf_table_set(struct conf_reader *reader, struct conf_table *table, struct slice key,
                    struct slice value);
/* data NULL when the key is not there. */
struct slice conf_table_get(const struct conf_table *table, struct slice key);
void conf_table_remove(struct conf_reader *reader, struct conf_table *table, struct slice key);
void conf_table_clear(struct conf_table *table);

#endif
