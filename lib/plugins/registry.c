/*
 * registry.c - loadplugin, conditionals, and binding rules to evals
 *
 * Source: Conf.pm loadplugin/tryplugin; Conf/Parser.pm finish_parsing (type check of evals).
 */
#include "plugins/plugin.h"

#include "conf/core.h"

static const struct plugin *const all_plugins[PLUGIN_COUNT] = {
#define PLUGIN_ROW(name) [PLUGIN_ID_##name] = &plugin_##name,
	PLUGIN_LIST(PLUGIN_ROW)
#undef PLUGIN_ROW
};

/* Answered for core names "Mail::SpamAssassin::Conf::X". */
static const char *const core_features[] = {
	"feature_originating_ip_headers",
	"feature_dns_local_ports_permit_avoid",
	"feature_bayes_auto_learn_on_error",
	"feature_uri_host_listed",
	"feature_yesno_takes_args",
	"feature_bug6558_free",
	"feature_edns",
	"feature_dns_query_restriction",
	"feature_registryboundaries",
	"feature_geodb",
	"feature_dns_block_rule",
	"feature_compile_regexp",
	"feature_meta_rules_matching",
	"feature_subjprefix",
	"feature_bayes_stopwords",
	"feature_get_host",
	"feature_blocklist_welcomelist",
	"feature_welcomelist_blocklist",
	"feature_header_address_parser",
	"feature_local_tests_only",
	"feature_header_first_last",
	"feature_header_match_many",
	"feature_capture_rules",
	"has_tflags_nosubject",
	"has_tflags_nolog",
	"perl_min_version_5010000",
};

/* Perl classes of the reference whose work is done by the core here, or that do nothing at scan
 * time. */
static const char *const builtin_classes[] = {
	"Mail::SpamAssassin::Plugin::Check",
	"Mail::SpamAssassin::Plugin::Rule2XSBody",
	"Mail::SpamAssassin::Plugin::OneLineBodyRuleType",
	"Mail::SpamAssassin::Plugin::BodyRuleBaseExtractor",
	"Mail::SpamAssassin::Plugin::P595Body",
};

const struct plugin *
plugin_by_id(enum plugin_id id)
{
	return all_plugins[id];
}

const struct plugin *
plugin_by_class(struct slice class_name)
{
	for (size_t i = 0; i < PLUGIN_COUNT; i++)
		if (slice_eq(class_name, slice_from_cstr(all_plugins[i]->class_name)))
			return all_plugins[i];
	return NULL;
}

static bool
is_builtin(struct slice name)
{
	for (size_t i = 0; i < sizeof(builtin_classes) / sizeof(builtin_classes[0]); i++)
		if (slice_eq(name, slice_from_cstr(builtin_classes[i])))
			return true;
	return false;
}

static void
compile_patterns(struct conf_reader *reader, struct plugin_set *set, const struct plugin *plugin)
{
	const struct regex **list;

	if (plugin->pattern_count == 0)
		return;
	list = arena_new_array(reader->arena, const struct regex *, plugin->pattern_count);
	if (list == NULL)
		return;
	for (size_t i = 0; i < plugin->pattern_count; i++) {
		struct error error;

		list[i] = regex_create(reader->arena, slice_from_cstr(plugin->patterns[i]), 0,
		                       &error);
		if (list[i] == NULL)
			log_error(reader->log, "plugin", "%s: own pattern %zu: %s",
			          plugin->class_name, i, error.text);
	}
	set->patterns[plugin->id] = list;
}

static void
add_hook(struct plugin_hooks *hooks, const struct plugin *plugin, bool has)
{
	if (has)
		hooks->items[hooks->count++] = plugin;
}

static void
load(struct conf_reader *reader, struct plugin_set *set, const struct plugin *plugin)
{
	if (set->loaded[plugin->id] != NULL)
		return;
	if (conf_add_module(reader->conf, &plugin->module) == (size_t)-1)
		return;
	set->loaded[plugin->id] = plugin;
	set->order[set->count++] = plugin->id;
	add_hook(&set->with_before_priority, plugin, plugin->before_priority != NULL);
	add_hook(&set->with_is_finished, plugin, plugin->is_finished != NULL);
	add_hook(&set->with_hit, plugin, plugin->hit != NULL);
	add_hook(&set->with_tag, plugin, plugin->tag != NULL);
	compile_patterns(reader, set, plugin);
	log_debug(reader->log, "plugin", "loading %s", plugin->class_name);
}

static bool
is_class_text(struct slice name)
{
	if (name.len == 0)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_word(name.data[i]) && name.data[i] != ':')
			return false;
	return true;
}

static enum conf_result
parse_loadplugin(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	bool quiet = d->name[0] == 't';
	struct slice path, name = conf_split(value, &path);
	const struct plugin *plugin;

	(void)settings;
	if (value.len == 0)
		return CONF_MISSING;
	if (!is_class_text(name) ||
	    (path.len > 0 &&
	     (slice_find_any(path, " \t", 0) != SLICE_NPOS || !slice_iends(path, SLICE(".pm")))))
		return CONF_INVALID;
	if (!quiet && slice_eq(name, SLICE("Mail::SpamAssassin::Plugin::Dmarc")))
		name = SLICE("Mail::SpamAssassin::Plugin::DMARC");
	if (!quiet && slice_eq(name, SLICE("Mail::SpamAssassin::Plugin::WhiteListSubject")))
		name = SLICE("Mail::SpamAssassin::Plugin::WelcomeListSubject");
	plugin = plugin_by_class(name);
	/* Modules were added behind our back: the settings may have moved with the block table. */
	if (plugin != NULL)
		load(reader, conf_settings(reader->conf, &plugins_module), plugin);
	else if (!is_builtin(name) && !quiet)
		log_warn(reader->log, "plugin",
		         "%.*s is not one of Winnow's plugins (Perl modules cannot be loaded); "
		         "rules inside its "
		         "ifplugin are skipped (%.*s line %u)",
		         SLICE_FMT(name), SLICE_FMT(reader->file), reader->line_number);
	return CONF_OK;
}

/* clang-format off */
static const struct directive directives[] = {
	{ "loadplugin", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_loadplugin },
	{ "tryplugin", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_loadplugin },
};
/* clang-format on */

const struct conf_module plugins_module = {
	.name = "plugins",
	.settings_size = sizeof(struct plugin_set),
	.directives = directives,
	.directive_count = sizeof(directives) / sizeof(directives[0]),
};

/* ---- conditionals ---- */

static bool
is_plugin_loaded(void *data, struct slice class_name)
{
	const struct plugin_set *set = conf_plugins(data);
	const struct plugin *plugin = plugin_by_class(class_name);

	if (plugin != NULL)
		return set->loaded[plugin->id] != NULL;
	return is_builtin(class_name) && !slice_ends(class_name, SLICE("BodyRuleBaseExtractor"));
}

static bool
list_has(const char *const *names, struct slice name)
{
	for (; names != NULL && *names != NULL; names++)
		if (slice_eq(name, slice_from_cstr(*names)))
			return true;
	return false;
}

/* A feature "!name" is there for has(), and says no when can() asks it. */
static bool
plugin_has(const struct plugin *plugin, struct slice name, bool call_it)
{
	if (list_has(plugin->features, name))
		return true;
	for (const char *const *f = plugin->features; !call_it && f != NULL && *f != NULL; f++)
		if ((*f)[0] == '!' && slice_eq(name, slice_from_cstr(*f + 1)))
			return true;
	for (const struct plugin_eval *e = plugin->evals; e != NULL && e->name != NULL; e++)
		if (slice_eq(name, slice_from_cstr(e->name)))
			return true;
	return false;
}

static bool
has_feature(void *data, struct slice full_name, bool call_it)
{
	const struct conf *conf = data;
	size_t at = slice_rfind_byte(full_name, ':');
	struct slice class_name = slice_sub(full_name, 0, at - 1),
		     name = slice_from(full_name, at + 1);
	const struct plugin *plugin;

	if (slice_eq(class_name, SLICE("Mail::SpamAssassin::Conf"))) {
		if (slice_starts(name, SLICE("compat_")))
			return hashmap_get(&conf->compat, slice_from(name, 7)) != NULL;
		for (size_t i = 0; i < sizeof(core_features) / sizeof(core_features[0]); i++)
			if (slice_eq(name, slice_from_cstr(core_features[i])))
				return true;
		return false;
	}
	plugin = plugin_by_class(class_name);
	return plugin != NULL && conf_plugins(conf)->loaded[plugin->id] != NULL &&
	       plugin_has(plugin, name, call_it);
}

void
plugins_env_init(struct conf_env *env, struct conf *conf)
{
	*env = (struct conf_env){conf, is_plugin_loaded, has_feature};
}

/* ---- after the last line ---- */

const struct plugin_eval *
plugins_find_eval(const struct plugin_set *set, struct slice name, const struct plugin **plugin_r)
{
	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		for (const struct plugin_eval *e = plugin->evals; e != NULL && e->name != NULL; e++)
			if (slice_eq(name, slice_from_cstr(e->name))) {
				*plugin_r = plugin;
				return e;
			}
	}
	return NULL;
}

static bool
kind_fits(enum rule_kind kind, unsigned kinds)
{
	switch (kind) {
	case RULE_HEADER_EVAL:
		return kinds & EVAL_HEADER;
	case RULE_RBL_EVAL:
		return kinds & (EVAL_RBL | EVAL_HEADER);
	case RULE_BODY_EVAL:
	case RULE_RAWBODY_EVAL:
		return kinds & EVAL_BODY;
	case RULE_FULL_EVAL:
		return kinds & EVAL_FULL;
	case RULE_NONE:
	case RULE_HEADER:
	case RULE_BODY:
	case RULE_RAWBODY:
	case RULE_FULL:
	case RULE_URI:
	case RULE_META:
	case RULE_EMPTY:
		break;
	}
	return false;
}

static const char *
kinds_text(unsigned kinds)
{
	return kinds & EVAL_RBL      ? "rbl_evals"
	       : kinds & EVAL_BODY   ? "body_evals"
	       : kinds & EVAL_HEADER ? "head_evals"
	                             : "full_evals";
}

static void
bind_eval(struct conf_reader *reader, const struct plugin_set *set, struct rule *rule)
{
	const struct plugin *plugin;
	const struct plugin_eval *eval = plugins_find_eval(set, rule->eval.function, &plugin);
	struct error error;

	if (eval == NULL)
		return; /* reported when the rule would run */
	if (!kind_fits(rule->kind, eval->kinds)) {
		conf_problem(reader, true, "wrong rule type defined for %.*s, expected '%s'",
		             SLICE_FMT(rule->name), kinds_text(eval->kinds));
		rule->kind = RULE_EMPTY;
		return;
	}
	if (eval->prepare != NULL && eval->prepare(reader, &rule->eval, &error) != STATUS_OK) {
		conf_problem(reader, true, "config: rule %.*s: %s in %.*s (line %u)",
		             SLICE_FMT(rule->name), error.text, SLICE_FMT(rule->file),
		             rule->line_number);
		return;
	}
	rule->eval.eval = eval;
	for (size_t i = 0; i < reader->conf->blocks.count; i++)
		if (reader->conf->blocks.items[i].module == &plugin->module)
			rule->eval.block = i;
}

void
plugins_bind_evals(struct conf_reader *reader)
{
	const struct plugin_set *set = conf_plugins(reader->conf);
	struct ruleset *rules = conf_rules(reader->conf);

	for (size_t i = 0; i < rules->count; i++)
		if (rule_is_eval(rules->rules[i]->kind) && rules->rules[i]->eval.eval == NULL)
			bind_eval(reader, set, rules->rules[i]);
}

void
plugins_finish_start(struct conf_reader *reader)
{
	const struct plugin_set *set = conf_plugins(reader->conf);

	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->finish_start != NULL)
			plugin->finish_start(reader, plugin_settings(reader->conf, plugin));
	}
}

void
plugins_finish_end(struct conf_reader *reader)
{
	const struct plugin_set *set = conf_plugins(reader->conf);

	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->finish_end != NULL)
			plugin->finish_end(reader, plugin_settings(reader->conf, plugin));
	}
}

const char *
plugins_running_programs(const struct conf *conf)
{
	const struct plugin_set *set = conf_plugins(conf);

	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->runs_programs != NULL &&
		    plugin->runs_programs(plugin_settings(conf, plugin)))
			return plugin->class_name;
	}
	return NULL;
}

bool
plugins_write_files(const struct conf *conf)
{
	const struct plugin_set *set = conf_plugins(conf);

	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->writes_files != NULL &&
		    plugin->writes_files(plugin_settings(conf, plugin)))
			return true;
	}
	return false;
}
