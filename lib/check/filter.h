/*
 * filter.h - a configuration ready to scan
 *
 * Owns: struct filter: settings, rules, plugins, tables; read-only after filter_create, shared by
 * all workers. Data: options (paths, -L ...) -> conf/ reader -> rules/, plugins/ finishing ->
 * plan.h tables -> check.h.
 */
#ifndef WINNOW_CHECK_FILTER_H
#define WINNOW_CHECK_FILTER_H

#include "check/gates.h"
#include "plugins/scan.h"

struct plan;

struct filter_options {
	/* NULL: the search paths of the reference (paths.c). */
	const char *rules_path; /* -C: distributed rules, a directory or a file */
	const char *site_path;  /* --siteconfigpath */
	const char
		*prefs_path; /* -p: user preferences read with the site's full rights; NULL: none */
	const char *pre_text;  /* --pre lines, before all files */
	const char *post_text; /* --cf lines, after all files */
	bool ignore_site;      /* read no site .cf files */
	bool local_tests_only;
	bool lint;
	int dns_family;   /* AF_INET, AF_INET6: only such name servers are asked; AF_UNSPEC: all */
	bool learn_only;  /* nothing is scanned: no tables, no rules compiled */
	bool no_learning; /* test mode: bayes_auto_learn is 0, unless it is configured */
	bool for_server;  /* build and compile everything now; else what a message needs, when it
	                     does */
	bool tables_only; /* build all tables now, no PCRE2 code: for filter_save_tables */
	const char *cache_path; /* of tables that sa-compile wrote; NULL, "": none.  Not for lint */
	bool no_prefilter;      /* every rule by PCRE2 alone: for the test of equality */
	const struct log *log;
};

struct filter {
	struct arena *arena;
	struct filter_options options;
	struct conf *conf;
	struct scan_env env;
	struct cache *cache;
	struct plan *plan;
	struct gates gates;
	struct dns_cache *dns_cache; /* shared over fork(); NULL: none */
	const struct log *log;
	unsigned errors;            /* bad lines and rules: what --lint counts */
	struct slice rules_version; /* _RULESVERSION_ */
	struct slice hostname;
	struct slice rules_dir, site_dir; /* what was read; data NULL: none found */
};

/*
 * Reads, checks and compiles.  A configuration with errors still gives a filter (errors > 0): bad
 * lines are left out, as in the reference.  NULL with error set: no rules at all, or no memory.
 */
struct filter *filter_create(const struct filter_options *options, struct error *error);
enum { FILTER_TABLES_MAX = 2 };

/* Writes the table cache of filters made with tables_only; see cache.h. */
enum status filter_save_tables(const struct filter *const *filters, size_t count, const char *path,
                               size_t *sets_r, struct error *error) WARN_UNUSED;
void filter_destroy(struct filter **filter);

#endif
