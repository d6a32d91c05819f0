/*
 * filter.c - a configuration ready to scan
 */
#include "check/filter.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check/cache.h"
#include "check/environment.h"
#include "check/paths.h"
#include "check/plan.h"
#include "conf/sources.h"
#include "dns/cache.h"
#include "plugins/dns_block.h"
#include "plugins/lookup.h"
#include "plugins/bayes.h"

/* Rules that are replaced while they are read are read again, so often, once all was quiet. */
enum { READS_MOST = 20, QUIET_MS = 100 };

/* ---- reading ---- */

static void
read_text_option(struct conf_reader *reader, const char *name, const char *text)
{
	if (text != NULL)
		conf_read_text(reader, slice_from_cstr(name), slice_from_cstr(text));
}

static void
read_files(struct filter *filter, struct conf_reader *reader)
{
	const struct filter_options *o = &filter->options;
	const char *rules = o->rules_path != NULL ? o->rules_path : paths_find_rules();
	const char *site = o->site_path != NULL ? o->site_path : paths_find_site();

	if (site == NULL)
		log_warn(filter->log, "config", "could not find site rules directory");
	if (rules == NULL)
		log_warn(filter->log, "config", "could not find sys rules directory");
	read_text_option(reader, "(pre_config_text)", o->pre_text);
	if (site != NULL)
		conf_read_path(reader, site, ".pre");
	if (rules != NULL)
		conf_read_path(reader, rules, ".pre");
	if (rules != NULL)
		conf_read_path(reader, rules, ".cf");
	if (site != NULL && !o->ignore_site)
		conf_read_path(reader, site, ".cf");
	if (o->prefs_path != NULL)
		conf_read_path(reader, o->prefs_path, ".cf");
	read_text_option(reader, "(post_config_text)", o->post_text);
	if (rules != NULL)
		filter->rules_dir = arena_dup(filter->arena, slice_from_cstr(rules));
	if (site != NULL)
		filter->site_dir = arena_dup(filter->arena, slice_from_cstr(site));
}

/* ---- what is known when all is read ---- */

static void
make_rules_version(struct filter *filter, const struct conf_reader *reader)
{
	const struct hashmap *map = &reader->update_versions;
	struct slice text = SLICE("");

	for (size_t i = 0; i < map->count; i++) {
		const struct slice *version = map->entries[i].value;

		text = arena_printf(filter->arena, "%.*s%s%.*s", SLICE_FMT(text), i == 0 ? "" : ",",
		                    SLICE_FMT(*version));
	}
	filter->rules_version = text;
}

static bool
has_rules(const struct ruleset *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->rules[i]->kind != RULE_NONE)
			return true;
	return false;
}

/* Hit by the engine itself when the deadline strikes; 0.001 unless configuration scores it. */
static void
define_time_limit_rule(struct conf_reader *reader)
{
	struct rule *rule = ruleset_own(reader, SLICE("TIME_LIMIT_EXCEEDED"));

	if (rule == NULL || rule->kind != RULE_NONE)
		return;
	rule->kind = RULE_EMPTY;
	if (rule->describe.data == NULL)
		rule->describe = SLICE("Exceeded time limit / deadline");
	for (size_t i = 0; i < RULE_SCORE_SETS && !rule->has_score; i++)
		rule->score[i] = 0.001;
	rule->has_score = true;
}

/* A rule that calls what no loaded plugin has: said once, here, and it never hits. */
static void
find_unknown_evals(struct filter *filter, struct conf_reader *reader)
{
	const struct ruleset *rules = conf_rules(filter->conf);

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = rules->rules[i];
		const struct plugin *plugin;

		if (!rule_is_eval(rule->kind) || rule->eval.eval != NULL ||
		    plugins_find_eval(conf_plugins(filter->conf), rule->eval.function, &plugin) !=
		            NULL ||
		    !plan_rule_runs(rule, &filter->env))
			continue;
		reader->errors++;
		log_warn(filter->log, "rules", "unknown eval '%.*s' for %.*s",
		         SLICE_FMT(rule->eval.function), SLICE_FMT(rule->name));
	}
}

enum { DNS_CACHE_MEGABYTES_MAX = 4096 };

/* Of a server: what one worker asked, the others know. */
static void
make_dns_cache(struct filter *filter)
{
	double megabytes = conf_core(filter->conf)->dns_cache_megabytes;

	if (!filter->options.for_server || filter->env.local_tests_only || megabytes <= 0)
		return;
	if (megabytes > DNS_CACHE_MEGABYTES_MAX)
		megabytes = DNS_CACHE_MEGABYTES_MAX;
	filter->dns_cache = dns_cache_create(filter->arena, (size_t)(megabytes * 1048576));
	if (filter->dns_cache == NULL)
		log_warn(filter->log, "dns", "no memory for dns_cache_megabytes %.0f: no cache",
		         megabytes);
}

static enum status
finish(struct filter *filter, struct conf_reader *reader, struct error *error)
{
	const struct filter_options *o = &filter->options;
	unsigned flags = o->learn_only     ? 0
	                 : o->tables_only  ? MATCH_BUILD_TABLES | MATCH_BUILD_OTHER
	                 : o->no_prefilter ? (o->for_server ? MATCH_BUILD_CODE : 0)
	                 : o->for_server ? MATCH_BUILD_TABLES | MATCH_BUILD_OTHER | MATCH_BUILD_CODE
	                                 : MATCH_BUILD_TABLES | MATCH_BUILD_LAZY;
	const char *languages;

	define_time_limit_rule(reader);
	plugins_finish_start(reader);
	ruleset_finish(reader, conf_rules(filter->conf));
	plugins_bind_evals(reader);
	environment_networks(&filter->env, reader);
	environment_registry(&filter->env, reader);
	environment_redirectors(&filter->env, reader);
	languages = paths_support_file(
		filter->arena,
		filter->rules_dir.data == NULL ? NULL : (const char *)filter->rules_dir.data,
		"languages");
	if (languages != NULL)
		filter->env.languages_path = slice_from_cstr(languages);
	reader->languages_path = languages;
	filter->env.lookups = lookup_policy_create(filter->arena, conf_core(filter->conf));
	filter->env.blocks =
		dns_blocks_create(filter->arena, conf_core(filter->conf), !o->for_server);
	plugins_finish_end(reader);
	make_rules_version(filter, reader);
	filter->env.may_learn = bayes_is_wanted(filter->conf);
	find_unknown_evals(filter, reader);
	filter->plan = plan_build(filter->arena, filter->conf, &filter->env, filter->cache, flags,
	                          filter->log, error);
	make_dns_cache(filter);
	if (filter->plan != NULL)
		gates_build(&filter->gates, filter->arena, filter->conf, filter->plan);
	filter->errors = reader->errors;
	return filter->plan == NULL ? STATUS_LIMIT : STATUS_OK;
}

static void
set_hostname(struct filter *filter)
{
	char name[256] = "localhost";

	if (gethostname(name, sizeof(name) - 1) != 0)
		memcpy(name, "localhost", sizeof("localhost"));
	filter->hostname = arena_dup(filter->arena, slice_from_cstr(name));
	filter->env.hostname = filter->hostname;
}

static void
sleep_ms(int64_t ms)
{
	const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&pause, NULL);
}

/* What changed meanwhile, NULL: nothing, and nothing just before either. */
static const char *
find_changed(const struct conf_sources *sources)
{
	int64_t age = conf_sources_age_ms(sources);

	if (age < QUIET_MS)
		sleep_ms(QUIET_MS - age);
	return conf_sources_changed(sources);
}

/* NULL with STATUS_AGAIN: files were replaced while they were read. */
static struct filter *
create_once(const struct filter_options *options, enum status *status_r, struct error *error)
{
	struct arena *arena = arena_create(0);
	struct conf_sources sources = {.arena = arena};
	const char *changed;
	struct filter *filter = arena == NULL ? NULL : arena_new(arena, struct filter);
	struct conf_reader reader;
	struct conf_env env;

	if (filter == NULL)
		goto no_memory;
	*filter = (struct filter){.arena = arena, .options = *options, .log = options->log};
	filter->conf = conf_create(arena);
	if (filter->conf == NULL || conf_add_module(filter->conf, &rules_module) == SIZE_MAX ||
	    conf_add_module(filter->conf, &plugins_module) == SIZE_MAX)
		goto no_memory;
	/* A default only, which configuration may change: so it is in the reference. */
	if (options->no_learning)
		((struct core_settings *)conf_settings(filter->conf, &conf_core_module))
			->bayes_auto_learn = false;
	set_hostname(filter);
	filter->env.local_tests_only = filter->options.local_tests_only;
	filter->env.score_set = filter->options.local_tests_only ? 0 : 1;
	plugins_env_init(&env, filter->conf);
	conf_reader_init(&reader, filter->conf, &env, options->log);
	conf_reader_set_locale(&reader, getenv("LANGUAGE"), getenv("LC_ALL"), getenv("LC_MESSAGES"),
	                       getenv("LANG"));
	reader.local_tests_only = filter->options.local_tests_only;
	reader.lint = options->lint;
	filter->cache = cache_open(arena, options->lint ? NULL : options->cache_path, options->log);
	if (filter->cache == NULL)
		goto no_memory;
	reader.regexes = options->lint ? NULL : filter->cache->regexes;
	reader.sources = &sources;
	read_files(filter, &reader);
	if (!has_rules(conf_rules(filter->conf)))
		*status_r = error_set(error, STATUS_NONE,
		                      "no rules were found; run sa-update, or name them with -C");
	else
		*status_r = finish(filter, &reader, error);
	/* at the very end: whoever replaces many files is seen, if he was slow too */
	changed = find_changed(&sources);
	if (changed != NULL)
		*status_r = error_set(error, STATUS_AGAIN, "%s changes while it is read", changed);
	if (*status_r == STATUS_OK)
		return filter;
	arena_destroy(&arena);
	return NULL;
no_memory:
	*status_r = error_set(error, STATUS_LIMIT, "no memory for the configuration");
	arena_destroy(&arena);
	return NULL;
}

struct filter *
filter_create(const struct filter_options *options, struct error *error)
{
	enum status status = STATUS_AGAIN;
	struct filter *filter = NULL;

	for (int i = 0; i < READS_MOST && status == STATUS_AGAIN; i++) {
		if (i > 0)
			sleep_ms(QUIET_MS);
		filter = create_once(options, &status, error);
	}
	return filter;
}

enum status
filter_save_tables(const struct filter *const *filters, size_t count, const char *path,
                   size_t *sets_r, struct error *error)
{
	struct cache_source sources[FILTER_TABLES_MAX];

	count = count < FILTER_TABLES_MAX ? count : FILTER_TABLES_MAX;
	for (size_t i = 0; i < count; i++)
		sources[i] = (struct cache_source){filters[i]->cache, filters[i]->plan};
	return cache_save(sources, count, path, sets_r, error);
}

void
filter_destroy(struct filter **filter)
{
	if (*filter != NULL) {
		struct arena *arena = (*filter)->arena;

		arena_destroy(&arena);
	}
	*filter = NULL;
}
