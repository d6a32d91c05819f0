/*
 * prefs.c - one user's preferences over the site's configuration, for one message
 */
#include "check/prefs.h"

#include <stdlib.h>

#include "check/environment.h"
#include "check/paths.h"
#include "check/plan.h"
#include "util/file.h"

enum status
prefs_read_home(struct arena *arena, const char *home, unsigned owner, struct slice *path_r,
                struct slice *text_r, struct error *error)
{
	const char *path = paths_user_prefs(arena, home);

	if (path == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	*path_r = slice_from_cstr(path);
	return file_read_owned(arena, path, owner, PREFS_BYTES_MAX, text_r, error);
}

/* ---- what scans share, where the user changed it ---- */

static bool
same_words(const struct conf_words *a, const struct conf_words *b)
{
	return a->items == b->items && a->count == b->count;
}

static bool
same_table(const struct conf_table *a, const struct conf_table *b)
{
	return a->map.entries == b->map.entries && a->map.count == b->map.count;
}

static const struct scan_env *
own_env(const struct filter *filter, struct conf_reader *reader)
{
	const struct core_settings *site = conf_core(filter->conf), *own = conf_core(reader->conf);
	bool networks = !same_words(&site->trusted_networks.nets, &own->trusted_networks.nets) ||
	                !same_words(&site->internal_networks.nets, &own->internal_networks.nets) ||
	                !same_words(&site->msa_networks.nets, &own->msa_networks.nets);
	bool registry = !same_table(&site->util_rb_tld, &own->util_rb_tld) ||
	                !same_table(&site->util_rb_2tld, &own->util_rb_2tld) ||
	                !same_table(&site->util_rb_3tld, &own->util_rb_3tld);
	bool redirectors = !same_words(&site->redirector_patterns, &own->redirector_patterns);
	struct scan_env *env;

	if (!networks && !registry && !redirectors)
		return &filter->env;
	env = arena_new(reader->arena, struct scan_env);
	if (env == NULL)
		return &filter->env;
	*env = filter->env;
	if (networks)
		environment_networks(env, reader);
	if (registry)
		environment_registry(env, reader);
	if (redirectors)
		environment_redirectors(env, reader);
	return env;
}

/* ---- rules ---- */

/* A user's line may give a site's rule another score or text, never another test. */
static void
keep_site_test(struct rule *rule, const struct rule *site)
{
	struct rule kept = *site;

	kept.arena = rule->arena;
	memcpy(kept.score, rule->score, sizeof(kept.score));
	kept.has_score = rule->has_score;
	kept.describe = rule->describe;
	*rule = kept;
}

static bool
settle_rules(struct conf_reader *reader, const struct ruleset *site, struct ruleset *own)
{
	bool any = false;

	for (size_t i = 0; i < own->count; i++) {
		struct rule *rule = own->rules[i];

		if (rule->arena != reader->arena || !rule->user_defined)
			continue;
		if (i < site->count && site->rules[i]->kind != RULE_NONE)
			keep_site_test(rule, site->rules[i]);
		else
			any = true;
	}
	return any;
}

/* Those that run with the user's scores and are not in the plan. */
static bool
collect_extra(struct prefs *prefs, struct conf_reader *reader, const struct filter *filter)
{
	const struct ruleset *site = conf_rules(filter->conf), *own = conf_rules(reader->conf);
	VEC(const struct rule *) extra = {0};

	for (size_t i = 0; i < own->count; i++) {
		const struct rule *rule = own->rules[i];

		if (rule->arena != reader->arena || !plan_rule_runs(rule, &filter->env) ||
		    rule->kind == RULE_EMPTY ||
		    (i < site->count && plan_rule_runs(site->rules[i], &filter->env)))
			continue;
		if (vec_push(reader->arena, &extra, rule) == NULL)
			return false;
	}
	prefs->extra = extra.items;
	prefs->extra_count = extra.count;
	return true;
}

const struct prefs *
prefs_create(const struct filter *filter, struct arena *arena, const struct prefs_text *texts,
             size_t count)
{
	struct prefs *prefs = arena_new(arena, struct prefs);
	struct conf *conf = conf_overlay(filter->conf, arena);
	const struct ruleset *site = conf_rules(filter->conf);
	struct conf_reader reader;
	struct conf_env env;

	if (prefs == NULL || conf == NULL)
		return NULL;
	plugins_env_init(&env, conf);
	conf_reader_init(&reader, conf, &env, filter->log);
	conf_reader_set_locale(&reader, getenv("LANGUAGE"), getenv("LC_ALL"), getenv("LC_MESSAGES"),
	                       getenv("LANG"));
	reader.local_tests_only = filter->options.local_tests_only;
	reader.user_scope = true;
	for (size_t i = 0; i < count; i++) {
		reader.owner = texts[i].owner;
		conf_read_text(&reader, texts[i].file, texts[i].text);
	}
	if (conf_rules(conf)->arena == arena) {
		if (settle_rules(&reader, site, conf_rules(conf))) {
			ruleset_finish_user(&reader, conf_rules(conf));
			plugins_bind_evals(&reader);
		}
		if (!collect_extra(prefs, &reader, filter))
			return NULL;
	}
	prefs->env = own_env(filter, &reader);
	prefs->conf = conf;
	prefs->errors = reader.errors;
	return prefs;
}
