/*
 * filter.c - a configuration ready to scan
 */
#include "check/filter.h"

#include <stdlib.h>
#include <unistd.h>

#include "check/paths.h"
#include "check/plan.h"

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

/* ---- what scans share ---- */

static void
add_networks(struct conf_reader *reader, struct netset *set, const struct core_networks *nets,
             bool loopback)
{
	struct error error;

	netset_init(set, reader->arena);
	if (loopback) {
		(void)!netset_add(set, SLICE("127.0.0.0/8"), &error);
		(void)!netset_add(set, SLICE("::1"), &error);
	}
	for (size_t i = 0; i < nets->nets.count; i++)
		if (netset_add(set, nets->nets.items[i], &error) == STATUS_BAD)
			log_warn(reader->log, "netset", "%s", error.text);
}

/* Every internal net must lie in the trusted ones, every msa net too: others are said and dropped.
 */
static void
check_inside(struct conf_reader *reader, struct netset *set, bool configured,
             const struct netset *outer, const char *outer_name, const char *name)
{
	struct netset kept;
	struct error error;

	if (!configured || set == outer)
		return;
	netset_init(&kept, reader->arena);
	for (size_t i = 0; i < set->nets.count; i++) {
		const struct netset_net *net = &set->nets.items[i];
		struct slice text = net_addr_format(reader->arena, &net->addr);
		bool v4 = net_addr_is_v4(&net->addr);
		struct slice with_bits =
			arena_printf(reader->arena, "%s%.*s/%u", net->exclude ? "!" : "",
		                     SLICE_FMT(text), v4 ? net->bits - 96 : net->bits);

		if (!net->exclude && !netset_has(outer, &net->addr)) {
			conf_problem(reader, true, "%s doesn't contain %s entry '%.*s'", outer_name,
			             name, SLICE_FMT(with_bits));
			continue;
		}
		(void)!netset_add(&kept, with_bits, &error);
	}
	*set = kept;
}

static void
make_networks(struct filter *filter, struct conf_reader *reader)
{
	const struct core_settings *core = conf_core(filter->conf);
	struct scan_env *env = &filter->env;
	const struct netset *outer;
	const char *outer_name;

	add_networks(reader, &env->trusted, &core->trusted_networks, true);
	add_networks(reader, &env->internal, &core->internal_networks, true);
	add_networks(reader, &env->msa, &core->msa_networks, false);
	if (core->trusted_networks.configured) {
		outer = &env->trusted;
		outer_name = "trusted_networks";
	} else if (core->internal_networks.configured) {
		outer = &env->internal;
		outer_name = "internal_networks";
	} else {
		return;
	}
	check_inside(reader, &env->internal, core->internal_networks.configured, outer, outer_name,
	             "internal_networks");
	check_inside(reader, &env->msa, core->msa_networks.configured, outer, outer_name,
	             "msa_networks");
}

static void
make_registry(struct filter *filter)
{
	const struct core_settings *core = conf_core(filter->conf);
	const struct conf_table *tables[] = {&core->util_rb_tld, &core->util_rb_2tld,
	                                     &core->util_rb_3tld};

	registry_init(&filter->env.registry, filter->arena);
	for (int level = 0; level < 3; level++)
		for (size_t i = 0; i < tables[level]->map.count; i++)
			(void)registry_add(&filter->env.registry, level + 1,
			                   tables[level]->map.entries[i].key);
}

struct redirectors {
	const struct regex **patterns;
	struct regex_scratch *scratch;
};

static bool
redirector_match(void *data, size_t index, struct slice uri, struct slice *target_r)
{
	const struct redirectors *r = data;
	struct regex_span span;

	*target_r = SLICE_NULL;
	if (regex_match(r->patterns[index], r->scratch, uri, 0, 0) != REGEX_HIT)
		return false;
	span = regex_group_count(r->patterns[index]) == 0
	               ? (struct regex_span){SLICE_NPOS, SLICE_NPOS}
	               : regex_span(r->scratch, 1);
	if (span.start != SLICE_NPOS)
		*target_r = slice_sub(uri, span.start, span.end - span.start);
	return true;
}

static void
free_scratch(void *data)
{
	struct redirectors *r = data;

	regex_scratch_destroy(&r->scratch);
}

static void
make_redirectors(struct filter *filter, struct conf_reader *reader)
{
	const struct conf_words *words = &conf_core(filter->conf)->redirector_patterns;
	struct redirectors *r = arena_new(filter->arena, struct redirectors);
	size_t count = 0;

	filter->env.uri_config.registry = &filter->env.registry;
	if (r == NULL || (r->patterns = arena_new_array(filter->arena, const struct regex *,
	                                                words->count + 1)) == NULL)
		return;
	r->scratch = regex_scratch_create();
	if (r->scratch == NULL || !arena_on_reset(filter->arena, free_scratch, r))
		return;
	for (size_t i = 0; i < words->count; i++) {
		struct error error;
		const struct regex *regex =
			regex_create_rule(filter->arena, words->items[i], 0, &error);

		if (regex == NULL)
			conf_problem(reader, true,
			             "config: invalid 'redirector_pattern' value '%.*s': %s",
			             SLICE_FMT(words->items[i]), error.text);
		else
			r->patterns[count++] = regex;
	}
	filter->env.uri_config.redirectors =
		(struct uri_redirectors){.count = count, .match = redirector_match, .context = r};
}

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

static void
warn_about_network(struct filter *filter)
{
	if (filter->options.local_tests_only)
		return;
	log_info(filter->log, "config",
	         "network tests (DNS lists, SPF, DKIM, DMARC) are not there yet: running as with "
	         "-L");
	filter->options.local_tests_only = true;
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

static enum status
finish(struct filter *filter, struct conf_reader *reader, struct error *error)
{
	const struct filter_options *o = &filter->options;
	unsigned flags = o->no_prefilter ? (o->for_server ? MATCH_BUILD_CODE : 0)
	                 : o->for_server ? MATCH_BUILD_TABLES | MATCH_BUILD_OTHER | MATCH_BUILD_CODE
	                                 : MATCH_BUILD_TABLES | MATCH_BUILD_LAZY;
	const char *languages;

	define_time_limit_rule(reader);
	plugins_finish_start(reader);
	ruleset_finish(reader, conf_rules(filter->conf));
	plugins_bind_evals(reader);
	make_networks(filter, reader);
	make_registry(filter);
	make_redirectors(filter, reader);
	plugins_finish_end(reader);
	make_rules_version(filter, reader);
	languages = paths_support_file(
		filter->arena,
		filter->rules_dir.data == NULL ? NULL : (const char *)filter->rules_dir.data,
		"languages");
	if (languages != NULL)
		filter->env.languages_path = slice_from_cstr(languages);
	filter->plan =
		plan_build(filter->arena, filter->conf, &filter->env, flags, filter->log, error);
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
}

struct filter *
filter_create(const struct filter_options *options, struct error *error)
{
	struct arena *arena = arena_create(0);
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
	set_hostname(filter);
	warn_about_network(filter);
	filter->env.local_tests_only = filter->options.local_tests_only;
	plugins_env_init(&env, filter->conf);
	conf_reader_init(&reader, filter->conf, &env, options->log);
	conf_reader_set_locale(&reader, getenv("LANGUAGE"), getenv("LC_ALL"), getenv("LC_MESSAGES"),
	                       getenv("LANG"));
	reader.local_tests_only = filter->options.local_tests_only;
	reader.lint = options->lint;
	read_files(filter, &reader);
	if (!has_rules(conf_rules(filter->conf))) {
		(void)error_set(error, STATUS_NONE,
		                "no rules were found; run sa-update, or name them with -C");
		arena_destroy(&arena);
		return NULL;
	}
	if (finish(filter, &reader, error) == STATUS_OK)
		return filter;
	arena_destroy(&arena);
	return NULL;
no_memory:
	(void)error_set(error, STATUS_LIMIT, "no memory for the configuration");
	arena_destroy(&arena);
	return NULL;
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
