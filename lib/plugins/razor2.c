/*
 * razor2.c - Mail::SpamAssassin::Plugin::Razor2: Razor signatures
 *
 * The reference calls Razor's Perl library; here the program razor-check of the same package is
 * asked, with the same agents, servers and configuration.  It ends with 0 when the message is spam;
 * with -d it writes what each engine said of each part, from which come the confidence values:
 *
 *	... mail 1.0 e=8 sig=XYZ: Is spam: cf 100 >= min_cf 1
 *	... method 4: mail 1.1: contention part, skipping
 */
#include <sys/wait.h>

#include "plugins/program.h"
#include "plugins/report.h"

enum { ENGINES_MAX = 16 };

struct razor2_settings {
	struct slice razor_config;
	double razor_fork;
	double razor_timeout;
	double use_razor2;
	const char *check, *report, *revoke; /* programs; NULL: none, or no network tests */
};

struct waiting {
	const struct rule *rule;
	bool is_range;
	long engine; /* 0: any */
	double min, max;
};

/* What one engine said of one part. */
struct opinion {
	struct slice part;
	unsigned engine;
	double confidence;
};

struct razor2_state {
	bool begun, ended;
	struct program program;
	VEC(struct waiting) waiting;
	bool is_spam;
	bool has_confidence[ENGINES_MAX];
	double confidence[ENGINES_MAX];
};

/* ---- configuration ---- */

static void
rules_first(struct conf_reader *reader, void *data)
{
	static const char *const names[] = {"check_razor2", "check_razor2_range", NULL};
	const struct razor2_settings *settings = data;

	if (settings->razor_fork != 0)
		program_rules_first(reader, names);
}

static void
find_programs(struct conf_reader *reader, void *data)
{
	struct razor2_settings *settings = data;

	if (reader->local_tests_only || settings->use_razor2 == 0)
		return;
	settings->check = program_find(reader->arena, "razor-check", NULL);
	settings->report = program_find(reader->arena, "razor-report", NULL);
	settings->revoke = program_find(reader->arena, "razor-revoke", NULL);
	if (settings->check == NULL)
		log_info(reader->log, "razor2",
		         "no razor-check executable found: Razor2 is not asked; install Razor's "
		         "agents");
	else
		log_debug(reader->log, "razor2", "razor2 is available: %s", settings->check);
}

static bool
runs_programs(const void *data)
{
	const struct razor2_settings *settings = data;

	return settings->check != NULL && settings->use_razor2 != 0;
}

static const char *const *
make_argv(struct scan *scan, const struct razor2_settings *settings, const char *program,
          const char *option)
{
	const char *plain[] = {program, "-f", option, NULL};
	struct slice config = settings->razor_config.len == 0
	                              ? SLICE_NULL
	                              : arena_printf(scan->arena, "-conf=%.*s",
	                                             SLICE_FMT(settings->razor_config));

	return program_argv(scan->arena, plain, SLICE_NULL,
	                    config.data == NULL ? NULL : (const char *)config.data);
}

/* ---- what the program says ---- */

/* The word behind `label` in the line; false: not there. */
static bool
word_after(struct slice line, struct slice label, struct slice *word_r)
{
	size_t at = slice_find(line, label, 0);

	if (at == SLICE_NPOS)
		return false;
	line = slice_from(line, at + label.len);
	return slice_next_word(&line, word_r);
}

typedef VEC(struct opinion) opinion_vec;

static void
read_line(struct scan *scan, struct slice line, opinion_vec *opinions, slice_vec *contested)
{
	struct slice part, engine, confidence;
	unsigned long long e, cf;

	if (!word_after(line, SLICE(" mail "), &part))
		return;
	if (slice_find(line, SLICE(": contention part"), 0) != SLICE_NPOS) {
		if (slice_ends(part, SLICE(":")))
			part.len--;
		(void)vec_push(scan->arena, contested, part);
		return;
	}
	if (!word_after(line, SLICE(" e="), &engine) ||
	    !slice_to_u64(engine, ENGINES_MAX - 1, &e) ||
	    !word_after(line, SLICE("spam: cf "), &confidence) ||
	    !slice_to_u64(confidence, 1000, &cf))
		return;
	(void)vec_push(scan->arena, opinions, (struct opinion){part, (unsigned)e, (double)cf});
}

static bool
is_among(const slice_vec *list, struct slice text)
{
	for (size_t i = 0; i < list->count; i++)
		if (slice_eq(list->items[i], text))
			return true;
	return false;
}

/* Of each engine the highest confidence in a part that nobody contests. */
static void
read_output(struct scan *scan, struct razor2_state *state, struct slice output)
{
	opinion_vec opinions = {0};
	slice_vec contested = {0};
	struct slice line;

	while (slice_next_line(&output, &line))
		read_line(scan, slice_rtrim(line), &opinions, &contested);
	for (size_t i = 0; i < opinions.count; i++) {
		const struct opinion *o = &opinions.items[i];
		bool is_contested = is_among(&contested, o->part);

		log_debug(scan->log, "razor2", "part=%.*s engine=%u contested=%d confidence=%.15g",
		          SLICE_FMT(o->part), o->engine, is_contested, o->confidence);
		if (is_contested || o->confidence <= state->confidence[o->engine])
			continue;
		state->has_confidence[o->engine] = true;
		state->confidence[o->engine] = o->confidence;
	}
}

static bool
is_in_range(const struct razor2_state *state, const struct waiting *w, double *found_r)
{
	double found = 0;

	if (w->engine > 0 && (w->engine >= ENGINES_MAX || !state->has_confidence[w->engine]))
		return false;
	for (long e = 0; e < ENGINES_MAX; e++)
		if ((w->engine == 0 || w->engine == e) && state->confidence[e] > found)
			found = state->confidence[e];
	*found_r = found;
	return found >= w->min && found <= w->max;
}

static void
settle(struct scan *scan, const struct razor2_state *state, const struct waiting *w)
{
	double found = 0;

	if (!w->is_range) {
		if (state->is_spam)
			scan_hit(scan, w->rule, "", 1);
		return;
	}
	if (!is_in_range(state, w, &found))
		return;
	scan_test_log(scan, w->rule, arena_printf(scan->arena, "cf: %3d", (int)found));
	scan_hit(scan, w->rule, "", 1);
}

/* ---- the scan ---- */

static bool
start(struct scan *scan, const struct razor2_settings *settings, struct razor2_state *state)
{
	state->begun = true;
	state->program.area = "razor2";
	if (program_start(scan, &state->program, make_argv(scan, settings, settings->check, "-d"),
	                  scan->message->pristine, settings->razor_timeout))
		return true;
	state->ended = true;
	return false;
}

static int
wait_for(struct scan *scan, const struct razor2_settings *settings, const struct waiting *waiting)
{
	struct razor2_state *state;

	if (settings->check == NULL || settings->use_razor2 == 0 || scan->env->local_tests_only ||
	    (state = scan_state(scan, &plugin_razor2)) == NULL)
		return 0;
	if (!state->begun)
		(void)start(scan, settings, state);
	if (state->ended)
		settle(scan, state, waiting);
	else
		(void)vec_push(scan->arena, &state->waiting, *waiting);
	return EVAL_PENDING;
}

static int
check_razor2(struct scan *scan, const struct eval_call *call)
{
	const struct waiting waiting = {.rule = call->rule};

	return wait_for(scan, call->settings, &waiting);
}

static double
number_of(const struct eval_call *call, size_t index, double otherwise)
{
	double number;

	return index < call->arg_count && slice_to_decimal(call->args[index], &number) ? number
	                                                                               : otherwise;
}

/* ENGINE, or '' for any; MIN, MAX */
static int
check_razor2_range(struct scan *scan, const struct eval_call *call)
{
	const struct waiting waiting = {call->rule, true, (long)number_of(call, 0, 0),
	                                number_of(call, 1, 0), number_of(call, 2, 0)};

	return wait_for(scan, call->settings, &waiting);
}

static bool
outside(struct scan *scan, bool give_up)
{
	struct razor2_state *state = scan_state(scan, &plugin_razor2);
	struct child_result result;

	if (state == NULL || state->program.child == NULL)
		return true;
	if (give_up) {
		log_debug(scan->log, "razor2", "bailing out due to deadline/shortcircuit");
		program_end(&state->program);
		return true;
	}
	if (!program_step(scan, &state->program, &result))
		return false;
	state->ended = true;
	if (result.timed_out) {
		log_info(scan->log, "razor2", "razor2 check timed out");
		return true;
	}
	if (!WIFEXITED(result.status) || WEXITSTATUS(result.status) > 1) {
		log_info(scan->log, "razor2", "razor2 check failed: %.*s",
		         SLICE_FMT(log_quote(scan->arena, result.error_line, 300)));
		return true;
	}
	state->is_spam = WEXITSTATUS(result.status) == 0;
	read_output(scan, state, result.output);
	log_debug(scan->log, "razor2", "results: spam? %d", state->is_spam);
	for (size_t i = 0; i < state->waiting.count; i++)
		settle(scan, state, &state->waiting.items[i]);
	return true;
}

static void
report(struct scan *scan, struct report *report)
{
	const struct razor2_settings *settings = plugin_settings(scan->conf, &plugin_razor2);
	const char *program = report->is_revoke ? settings->revoke : settings->report;

	if (program != NULL && settings->use_razor2 != 0)
		report_by_program(scan, report, "Razor", make_argv(scan, settings, program, NULL),
		                  settings->razor_timeout);
}

#define AT(field) offsetof(struct razor2_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "razor_config", NULL, CONF_STRING, CONF_ADMIN, AT(razor_config), NULL, NULL },
	{ "razor_fork", NULL, CONF_NUMERIC, CONF_ADMIN, AT(razor_fork), "1", NULL },
	{ "razor_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(razor_timeout), "5", NULL },
	{ "use_razor2", NULL, CONF_NUMERIC, CONF_USER, AT(use_razor2), "1", NULL },
};
static const struct plugin_eval evals[] = {
	{ "check_razor2", EVAL_FULL, check_razor2, NULL },
	{ "check_razor2_range", EVAL_FULL, check_razor2_range, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_fork",
	NULL,
};

const struct plugin plugin_razor2 = {
	.id = PLUGIN_ID_razor2,
	.class_name = "Mail::SpamAssassin::Plugin::Razor2",
	.module =
		{
			.name = "razor2",
			.settings_size = sizeof(struct razor2_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.state_size = sizeof(struct razor2_state),
	.needs_network = true,
	.finish_start = rules_first,
	.finish_end = find_programs,
	.outside = outside,
	.report = report,
	.runs_programs = runs_programs,
};
