/*
 * shortcircuit.c - Mail::SpamAssassin::Plugin::Shortcircuit: some hits end the scan
 */
#include "plugins/shortcircuit.h"

#include "plugins/args.h"

struct shortcircuit_settings {
	struct conf_table rules; /* name -> "ham", "spam", "on" */
	double spam_score, ham_score, min_ham_score, max_spam_score;
	bool has_min_ham, has_max_spam;
};

struct shortcircuit_state {
	bool stopped;
	struct slice rule; /* data NULL: none, the limits did it */
	struct slice type; /* data NULL: none */
};

/* ---- configuration ---- */

static bool
is_word(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!byte_is_word(s.data[i]))
			return false;
	return s.len > 0;
}

static void
mark_rule(struct conf_reader *reader, struct slice name, bool ham)
{
	struct rule *rule = ruleset_own(reader, name);

	if (rule == NULL)
		return;
	if (rule->priority == 0)
		rule->priority = -200;
	rule->has_priority = true;
	rule_set_tflags(rule,
	                arena_printf(reader->arena, "%.*s%s%snoautolearn",
	                             SLICE_FMT(rule->tflags_text),
	                             rule->tflags_text.len > 0 ? " " : "", ham ? "nice " : ""));
}

static enum conf_result
parse_shortcircuit(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct shortcircuit_settings *settings = data;
	struct slice type, name = conf_split(value, &type);

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (!is_word(name) || !is_word(type))
		return CONF_INVALID;
	if (slice_eq(type, SLICE("off"))) {
		conf_table_remove(reader, &settings->rules, name);
		return CONF_OK;
	}
	if (slice_eq(type, SLICE("ham")) || slice_eq(type, SLICE("spam")))
		mark_rule(reader, name, slice_eq(type, SLICE("ham")));
	else if (!slice_eq(type, SLICE("on")))
		return CONF_INVALID;
	return conf_table_set(reader, &settings->rules, name, type) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
parse_limit(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct shortcircuit_settings *settings = data;
	bool ham = d->offset == offsetof(struct shortcircuit_settings, min_ham_score);
	enum conf_result result = conf_parse_numeric(value, ham ? &settings->min_ham_score
	                                                        : &settings->max_spam_score);

	(void)reader;
	if (result == CONF_OK)
		*(ham ? &settings->has_min_ham : &settings->has_max_spam) = true;
	return result;
}

#define AT(field) offsetof(struct shortcircuit_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "shortcircuit", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_shortcircuit },
	{ "shortcircuit_ham_score", NULL, CONF_NUMERIC, CONF_USER, AT(ham_score), "-100", NULL },
	{ "shortcircuit_max_spam_score", NULL, CONF_CUSTOM, CONF_USER, AT(max_spam_score), NULL, parse_limit },
	{ "shortcircuit_min_ham_score", NULL, CONF_CUSTOM, CONF_USER, AT(min_ham_score), NULL, parse_limit },
	{ "shortcircuit_spam_score", NULL, CONF_NUMERIC, CONF_USER, AT(spam_score), "100", NULL },
};
/* clang-format on */

/* The rule that says that a scan was cut short is there even when nobody wrote it. */
static void
finish_start(struct conf_reader *reader, void *settings)
{
	struct rule *rule = ruleset_own(reader, SLICE("SHORTCIRCUIT"));

	(void)settings;
	if (rule != NULL && rule->kind == RULE_NONE)
		rule->kind = RULE_EMPTY;
}

/* ---- scan ---- */

static void
stop(struct scan *scan, struct shortcircuit_state *state, const char *type, double score)
{
	const struct rule *rule = ruleset_find(scan->rules, SLICE("SHORTCIRCUIT"));

	state->stopped = true;
	state->type = slice_from_cstr(type);
	scan->autolearn_disabled = true;
	if (rule != NULL)
		scan_hit_score(scan, rule, "", score);
}

static void
check_limits(struct scan *scan, struct shortcircuit_state *state,
             const struct shortcircuit_settings *settings)
{
	bool ham = scan->score < 0;

	if ((settings->has_min_ham && scan->score < settings->min_ham_score) ||
	    (settings->has_max_spam && scan->score > settings->max_spam_score))
		stop(scan, state, ham ? "ham" : "spam", ham ? -0.001 : 0.001);
}

static void
hit(struct scan *scan, const struct rule *rule, double score)
{
	const struct shortcircuit_settings *settings =
		plugin_settings(scan->conf, &plugin_shortcircuit);
	struct shortcircuit_state *state = scan_state(scan, &plugin_shortcircuit);
	struct slice type;

	if (state == NULL || state->stopped)
		return;
	check_limits(scan, state, settings);
	type = conf_table_get(&settings->rules, rule->name);
	if (type.data == NULL)
		return;
	state->rule = rule->name;
	if (slice_eq(type, SLICE("on")))
		stop(scan, state, score < 0 ? "ham" : "spam", score < 0 ? -0.0001 : 0.0001);
	else if (slice_eq(type, SLICE("ham")))
		stop(scan, state, "ham", settings->ham_score);
	else
		stop(scan, state, "spam", settings->spam_score);
}

static bool
is_finished(struct scan *scan)
{
	const struct shortcircuit_state *state = scan_state(scan, &plugin_shortcircuit);

	return state != NULL && state->stopped;
}

static bool
tag(struct scan *scan, struct slice name, struct slice args, struct slice *value_r)
{
	const struct shortcircuit_state *state = scan_state(scan, &plugin_shortcircuit);
	struct slice rule = state == NULL ? SLICE_NULL : state->rule,
		     type = state == NULL ? SLICE_NULL : state->type;

	(void)args;
	if (slice_eq(name, SLICE("SC")))
		*value_r = rule.data == NULL ? SLICE("no")
		                             : arena_printf(scan->arena, "%.*s (%.*s)",
		                                            SLICE_FMT(rule), SLICE_FMT(type));
	else if (slice_eq(name, SLICE("SCRULE")))
		*value_r = rule.data == NULL ? SLICE("none") : rule;
	else if (slice_eq(name, SLICE("SCTYPE")))
		*value_r = type.data == NULL ? SLICE("no") : type;
	else
		return false;
	return true;
}

bool
shortcircuit_is_used(const struct conf *conf)
{
	const struct shortcircuit_settings *settings = plugin_settings(conf, &plugin_shortcircuit);

	return settings != NULL &&
	       (settings->rules.map.count > 0 || settings->has_min_ham || settings->has_max_spam);
}

bool
shortcircuit_has(const struct conf *conf, const struct rule *rule)
{
	const struct shortcircuit_settings *settings = plugin_settings(conf, &plugin_shortcircuit);

	return settings != NULL && (settings->has_min_ham || settings->has_max_spam ||
	                            conf_table_get(&settings->rules, rule->name).data != NULL);
}

static int
check_shortcircuit(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return 0;
}

static const struct plugin_eval evals[] = {
	{"check_shortcircuit", EVAL_ANY, check_shortcircuit, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_shortcircuit = {
	.id = PLUGIN_ID_shortcircuit,
	.class_name = "Mail::SpamAssassin::Plugin::Shortcircuit",
	.module = {.name = "shortcircuit",
                   .settings_size = sizeof(struct shortcircuit_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
	.state_size = sizeof(struct shortcircuit_state),
	.finish_start = finish_start,
	.is_finished = is_finished,
	.hit = hit,
	.tag = tag,
};
