/*
 * plugin.h - what a plugin is
 *
 * Owns: struct plugin (one const object in each plugin's file), struct plugin_eval, struct
 * plugin_set (which are loaded; the settings of plugins_module). Data: `loadplugin` lines ->
 * plugin_set; the plugin's directive table joins the reader's from then on, as in the reference;
 * rules name evals; can()/has()/ifplugin answer from these tables.
 */
#ifndef WINNOW_PLUGINS_PLUGIN_H
#define WINNOW_PLUGINS_PLUGIN_H

#include <limits.h>

#include "conf/conf.h"
#include "plugins/list.h"
#include "rules/rule.h"

struct scan;
struct report;

enum plugin_id {
#define PLUGIN_ENUM(name) PLUGIN_ID_##name,
	PLUGIN_LIST(PLUGIN_ENUM)
#undef PLUGIN_ENUM
		PLUGIN_COUNT
};

/* Rule kinds that may call an eval. */
enum eval_kind {
	EVAL_HEADER = 1U << 0,
	EVAL_BODY = 1U << 1, /* rawbody rules may call it too */
	EVAL_FULL = 1U << 2,
	EVAL_RBL = 1U << 3,
	/* Besides its kind: it wants all that other rules find, DNS answers included, first. */
	EVAL_AFTER_ANSWERS = 1U << 4,
	EVAL_ANY = EVAL_HEADER | EVAL_BODY | EVAL_FULL
};

/* Result of an eval: 0 no hit, > 0 the hit value, or: decided later, by scan_hit or never. */
#define EVAL_PENDING INT_MIN

struct eval_call {
	const struct rule *rule;
	const struct slice *args;
	size_t arg_count;
	void *data;           /* what prepare made of the arguments */
	const void *settings; /* of the plugin */
	/* body rules: rendered lines; rawbody rules: chunks; full rules: one item; header rules:
	 * none */
	const struct slice *lines;
	size_t line_count;
};

struct plugin_eval {
	const char *name;
	unsigned kinds;
	int (*run)(struct scan *scan, const struct eval_call *call);
	/*
	 * Checks or compiles the arguments when all lines are read; STATUS_BAD with an error text:
	 * the rule is reported and never hits.  May be NULL.
	 */
	enum status (*prepare)(struct conf_reader *reader, struct rule_eval *eval,
	                       struct error *error);
};

struct plugin {
	enum plugin_id id;
	const char *class_name;          /* "Mail::SpamAssassin::Plugin::BodyEval" */
	struct conf_module module;       /* settings and directives; settings_size may be 0 */
	const struct plugin_eval *evals; /* ends with name NULL; or NULL */
	const char *const *features; /* names that can() and has() know ("!name": has() only); ends
	                              with NULL; or NULL */
	const char *const
		*tags; /* tags that exist, empty, from the start; ends with NULL; or NULL */
	/* Own patterns, bare Perl text, compiled at load: see scan_pattern(). */
	const char *const *patterns;
	size_t pattern_count;
	size_t state_size;  /* of the per-message state, zeroed on first use */
	bool needs_network; /* its work is DNS or other hosts: without network tests it does nothing
	                     */

	/* All lines are read, rules are not compiled to tables yet: rules may still be changed. */
	void (*finish_start)(struct conf_reader *reader, void *settings);
	/* Rules are final. */
	void (*finish_end)(struct conf_reader *reader, void *settings);
	/*
	 * The message is parsed, its relays are not: texts of parts may be set, headers
	 * may not be looked up yet (they are kept, and some need the relays).  false: not done,
	 * call again when scan->wait says so.
	 */
	bool (*message)(struct scan *scan);
	/* Message and relays are parsed, before any rule. */
	void (*parsed)(struct scan *scan);
	/* Before a priority's rules run. */
	void (*before_priority)(struct scan *scan, int priority);
	/*
	 * Before DNS questions leave: what other hosts are asked first, so that what they say is
	 * asked about too.  false: not done, scan->wait says when to call again; give_up: end it.
	 */
	bool (*before_launch)(struct scan *scan, bool give_up);
	/*
	 * DNS questions leave now: once, when priority -100 is reached, after the rbl evals, and
	 * only when scan_dns_available().  What was asked before (parsed hook) left just before.
	 */
	void (*launch)(struct scan *scan);
	/*
	 * An eval of it said EVAL_PENDING for this rule: is that still so?  For plugins whose evals
	 * wait for the answer in the reference, so that its next rule knows it; NULL: it has none.
	 */
	bool (*is_pending)(const struct scan *scan, const struct rule *rule);
	/* All answers are in or given up; before cleanup.  Only when launch was called.  Called
	 * again at the end where an eval wanted all answers before (EVAL_AFTER_ANSWERS). */
	void (*harvested)(struct scan *scan);
	/* Last chance to hit, before the last metas. */
	void (*cleanup)(struct scan *scan);
	/* The verdict was learned from, if it was: what hits here changes score and tests only. */
	void (*after_learn)(struct scan *scan);
	/* true: stop the scan here (Shortcircuit). */
	bool (*is_finished)(struct scan *scan);
	/*
	 * Looks after what runs beside the scan (a program, a connection); called when all rules
	 * have had their turn, until true: none is under way any more.  false: scan->wait says when
	 * to call again.  give_up: the verdict waits for nothing, end it.
	 */
	bool (*outside)(struct scan *scan, bool give_up);
	/* Reports the message to other hosts, or takes that back; may block. */
	void (*report)(struct scan *scan, struct report *report);
	/* Names every DNS list that its rules ask, beyond those in evals' arguments and rules'
	 * texts. */
	void (*lists)(const void *settings,
	              void (*take)(void *data, const struct rule *rule, struct slice zone),
	              void *data);
	/* It starts outside programs: a process that scans must be allowed to. */
	bool (*runs_programs)(const void *settings);
	/* It writes files of its own: a process that scans must be allowed to. */
	bool (*writes_files)(const void *settings);
	/* A rule hit. */
	void (*hit)(struct scan *scan, const struct rule *rule, double score);
	/* Value of a computed tag; false: not mine. */
	bool (*tag)(struct scan *scan, struct slice name, struct slice args, struct slice *value_r);
};

#define PLUGIN_DECLARE(name) extern const struct plugin plugin_##name;
PLUGIN_LIST(PLUGIN_DECLARE)
#undef PLUGIN_DECLARE

/* The loaded plugins that have one hook, in order of loading: most have none of them. */
struct plugin_hooks {
	const struct plugin *items[PLUGIN_COUNT];
	size_t count;
};

struct plugin_set {
	const struct plugin *loaded[PLUGIN_COUNT]; /* by id; NULL: not loaded */
	enum plugin_id order[PLUGIN_COUNT];
	size_t count;
	struct plugin_hooks with_before_priority, with_is_finished, with_hit, with_tag;
	void *settings[PLUGIN_COUNT]; /* of an overlay: look through plugin_settings() */
	const struct regex *const *patterns[PLUGIN_COUNT];
	bool warned_unknown;
};

extern const struct conf_module plugins_module;

/* Environment for conf_reader: conditionals answered from the tables.  `data` is the struct conf.
 */
void plugins_env_init(struct conf_env *env, struct conf *conf);

static inline const struct plugin_set *
conf_plugins(const struct conf *conf)
{
	return conf_settings(conf, &plugins_module);
}

/* Every plugin there is, in the order of the list. */
const struct plugin *plugin_by_id(enum plugin_id id);
const struct plugin *plugin_by_class(struct slice class_name);
/* Its settings in this configuration, NULL when it is not loaded. */
static inline void *
plugin_settings(const struct conf *conf, const struct plugin *plugin)
{
	return conf_settings(conf, &plugin->module);
}

/* The class of a plugin that starts outside programs in this configuration; NULL: none does. */
const char *plugins_running_programs(const struct conf *conf);
/* Some plugin writes files of its own in this configuration. */
bool plugins_write_files(const struct conf *conf);

/* Finds the eval of that name among the loaded plugins; *plugin_r says whose it is. */
const struct plugin_eval *plugins_find_eval(const struct plugin_set *set, struct slice name,
                                            const struct plugin **plugin_r);
/* Calls finish_start hooks; binds evals of all rules, checks their types and arguments; finish_end.
 */
void plugins_finish_start(struct conf_reader *reader);
void plugins_bind_evals(struct conf_reader *reader);
void plugins_finish_end(struct conf_reader *reader);

#endif
