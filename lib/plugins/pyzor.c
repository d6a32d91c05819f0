/*
 * pyzor.c - Mail::SpamAssassin::Plugin::Pyzor: Pyzor digests
 *
 * The program pyzor is asked about the message; it answers a line for each server: its name, a
 * status, how often the message was reported and how often welcomed.
 * pyzor_perl and pyzor_server_file (for a client in Perl inside the reference) are read and have no
 * effect, which a line of the log says: the program is
 * asked.
 */
#include "plugins/args.h"
#include "plugins/program.h"
#include "plugins/report.h"

/* Empty bodies and the like, which all have one digest. */
enum { COUNT_IGNORED = 1000000, WELCOME_IGNORED = 10000 };

struct pyzor_settings {
	double pyzor_count_min;
	double pyzor_fork;
	double pyzor_max;
	struct slice pyzor_options;
	struct slice pyzor_path;
	double pyzor_perl;
	struct slice pyzor_server_file;
	double pyzor_timeout;
	double pyzor_welcomelist_factor;
	double pyzor_welcomelist_min;
	bool use_pyzor;
	const char *program; /* found when all is read; NULL: none, or no network tests */
};

struct pyzor_state {
	bool begun;
	const struct rule *rule; /* that waits */
	struct program program;
};

/* ---- configuration ---- */

static enum conf_result
parse_options(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct pyzor_settings *settings = data;

	(void)d;
	for (size_t i = 0; i < value.len; i++)
		if (!byte_is_alnum(value.data[i]) && strchr(" =,._/-", value.data[i]) == NULL)
			return CONF_INVALID;
	if (value.len == 0)
		return CONF_INVALID;
	settings->pyzor_options = arena_dup(reader->arena, value);
	return CONF_OK;
}

/* The old name of pyzor_count_min. */
static enum conf_result
parse_max(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct pyzor_settings *settings = data;
	unsigned long long number;

	(void)d;
	log_warn(reader->log, "config",
	         "deprecated setting used, change pyzor_max to pyzor_count_min");
	if (!slice_to_u64(value, 1ULL << 53, &number))
		return CONF_INVALID;
	settings->pyzor_count_min = (double)number;
	return CONF_OK;
}

static void
rules_first(struct conf_reader *reader, void *data)
{
	static const char *const names[] = {"check_pyzor", NULL};
	const struct pyzor_settings *settings = data;

	if (settings->pyzor_fork != 0)
		program_rules_first(reader, names);
}

static void
find_program(struct conf_reader *reader, void *data)
{
	struct pyzor_settings *settings = data;

	if (reader->local_tests_only || !settings->use_pyzor)
		return;
	if (settings->pyzor_perl != 0)
		log_info(reader->log, "pyzor",
		         "pyzor_perl has no effect: the program pyzor is asked");
	if (settings->pyzor_server_file.len > 0)
		log_info(reader->log, "pyzor",
		         "pyzor_server_file has no effect: the program pyzor reads the servers of "
		         "its own home; name it with pyzor_options --homedir");
	settings->program = settings->pyzor_path.len > 0
	                            ? arena_cstr(reader->arena, settings->pyzor_path)
	                            : program_find(reader->arena, "pyzor", NULL);
	if (settings->program == NULL)
		log_info(reader->log, "pyzor",
		         "no pyzor executable found: Pyzor is not asked; install it or set "
		         "pyzor_path");
	else
		log_debug(reader->log, "pyzor", "pyzor is available: %s", settings->program);
}

static bool
runs_programs(const void *data)
{
	const struct pyzor_settings *settings = data;

	return settings->program != NULL && settings->use_pyzor;
}

/* ---- answers ---- */

/* SERVER, TAB, anything, TAB, count, TAB, welcome count. */
static bool
parse_line(struct slice line, double *count_r, double *welcome_r)
{
	size_t last, middle;
	unsigned long long count, welcome;

	line = slice_rtrim(line);
	last = slice_rfind_byte(line, '\t');
	middle = last == SLICE_NPOS ? SLICE_NPOS : slice_rfind_byte(slice_sub(line, 0, last), '\t');
	if (middle == SLICE_NPOS || slice_find_any(line, " \t\r\n\f\v", 0) == 0 ||
	    slice_find_any(line, " \t\r\n\f\v", 0) != slice_find_byte(line, '\t', 0) ||
	    slice_find_byte(line, '\t', 0) == middle ||
	    !slice_to_u64(slice_from(line, last + 1), 1ULL << 53, &welcome) ||
	    !slice_to_u64(slice_sub(line, middle + 1, last - middle - 1), 1ULL << 53, &count))
		return false;
	*count_r += (double)count;
	*welcome_r += (double)welcome;
	return true;
}

/* Servers do not agree, so their counts are added. */
static bool
sum_up(struct scan *scan, struct slice output, double *count_r, double *welcome_r)
{
	struct slice line, shown;

	*count_r = *welcome_r = 0;
	if (output.len == 0) {
		log_debug(scan->log, "pyzor", "no response from server");
		return false;
	}
	while (slice_next_line(&output, &line)) {
		shown = log_quote(scan->arena, slice_rtrim(line), 500);
		if (slice_starts(line, SLICE("Traceback"))) {
			log_info(scan->log, "pyzor",
			         "internal error, python traceback seen in response: %.*s",
			         SLICE_FMT(shown));
			return false;
		}
		log_debug(scan->log, "pyzor", "got response: %.*s", SLICE_FMT(shown));
		if (!parse_line(line, count_r, welcome_r))
			log_info(scan->log, "pyzor", "failure to parse response \"%.*s\"",
			         SLICE_FMT(shown));
	}
	return true;
}

static bool
is_listed(struct scan *scan, const struct pyzor_settings *settings, struct slice output)
{
	double count, welcome, limit;

	if (!sum_up(scan, output, &count, &welcome))
		return false;
	limit = welcome >= settings->pyzor_welcomelist_min
	                ? count * settings->pyzor_welcomelist_factor
	                : 0;
	log_debug(scan->log, "pyzor", "result: COUNT=%.0f/%.15g WELCOMELIST=%.0f/%.15g/%.1f", count,
	          settings->pyzor_count_min, welcome, settings->pyzor_welcomelist_min, limit);
	scan_set_tag(scan, SLICE("PYZOR"),
	             arena_printf(scan->arena, "Reported %.0f times, welcomelisted %.0f times.",
	                          count, welcome));
	if (count >= COUNT_IGNORED || welcome >= WELCOME_IGNORED) {
		log_debug(scan->log, "pyzor", "result exceeded hardcoded limits, ignoring");
		return false;
	}
	if (limit != 0 && welcome >= limit) {
		log_debug(scan->log, "pyzor", "message welcomelisted");
		return false;
	}
	return count >= settings->pyzor_count_min;
}

/* ---- the scan ---- */

static int
check_pyzor(struct scan *scan, const struct eval_call *call)
{
	const struct pyzor_settings *settings = call->settings;
	struct pyzor_state *state;
	const char *argv[] = {settings->program, NULL};

	if (settings->program == NULL || !settings->use_pyzor || scan->env->local_tests_only ||
	    (state = scan_state(scan, &plugin_pyzor)) == NULL || state->begun)
		return 0;
	state->begun = true;
	state->rule = call->rule;
	state->program.area = "pyzor";
	scan_set_tag(scan, SLICE("PYZOR"), SLICE(""));
	return program_start(scan, &state->program,
	                     program_argv(scan->arena, argv, settings->pyzor_options, "check"),
	                     scan->message->pristine, settings->pyzor_timeout)
	               ? EVAL_PENDING
	               : 0;
}

static bool
outside(struct scan *scan, bool give_up)
{
	struct pyzor_state *state = scan_state(scan, &plugin_pyzor);
	struct child_result result;
	char ending[64];

	if (state == NULL || state->program.child == NULL)
		return true;
	if (give_up) {
		log_debug(scan->log, "pyzor", "bailing out due to deadline/shortcircuit");
		program_end(&state->program);
		return true;
	}
	if (!program_step(scan, &state->program, &result))
		return false;
	if (result.timed_out) {
		log_info(scan->log, "pyzor", "check timed out");
		return true;
	}
	/* it ends with 1 when it knows nothing of the message */
	if (result.status != 0 && result.status != 1 << 8)
		log_info(scan->log, "pyzor", "%s %s: %.*s", state->program.path,
		         program_ending(&result, ending, sizeof(ending)),
		         SLICE_FMT(log_quote(scan->arena, result.error_line, 300)));
	if (is_listed(scan, plugin_settings(scan->conf, &plugin_pyzor), result.output))
		scan_hit(scan, state->rule, "", 1);
	return true;
}

static void
report(struct scan *scan, struct report *report)
{
	const struct pyzor_settings *settings = plugin_settings(scan->conf, &plugin_pyzor);
	const char *argv[] = {settings->program, NULL};

	if (settings->program != NULL && settings->use_pyzor && !report->is_revoke)
		report_by_program(
			scan, report, "Pyzor",
			program_argv(scan->arena, argv, settings->pyzor_options, "report"),
			settings->pyzor_timeout);
}

#define AT(field) offsetof(struct pyzor_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "pyzor_count_min", NULL, CONF_NUMERIC, CONF_USER, AT(pyzor_count_min), "5", NULL },
	{ "pyzor_fork", NULL, CONF_NUMERIC, CONF_ADMIN, AT(pyzor_fork), "1", NULL },
	{ "pyzor_max", NULL, CONF_CUSTOM, CONF_USER, AT(pyzor_max), NULL, parse_max },
	{ "pyzor_options", NULL, CONF_CUSTOM, CONF_ADMIN, AT(pyzor_options), NULL, parse_options },
	{ "pyzor_path", NULL, CONF_CUSTOM, CONF_ADMIN, AT(pyzor_path), NULL, program_parse_path },
	{ "pyzor_perl", NULL, CONF_NUMERIC, CONF_ADMIN, AT(pyzor_perl), "0", NULL },
	{ "pyzor_server_file", NULL, CONF_STRING, CONF_ADMIN, AT(pyzor_server_file), NULL, NULL },
	{ "pyzor_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(pyzor_timeout), "5", NULL },
	{ "pyzor_welcomelist_factor", "pyzor_whitelist_factor", CONF_NUMERIC, CONF_USER, AT(pyzor_welcomelist_factor), "0.2", NULL },
	{ "pyzor_welcomelist_min", "pyzor_whitelist_min", CONF_NUMERIC, CONF_USER, AT(pyzor_welcomelist_min), "10", NULL },
	{ "use_pyzor", NULL, CONF_BOOL, CONF_USER, AT(use_pyzor), "1", NULL },
};
static const struct plugin_eval evals[] = {
	{ "check_pyzor", EVAL_FULL, check_pyzor, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_fork",
	"has_perl",
	NULL,
};

static const char *const tags[] = {"PYZOR", NULL};

const struct plugin plugin_pyzor = {
	.id = PLUGIN_ID_pyzor,
	.class_name = "Mail::SpamAssassin::Plugin::Pyzor",
	.module =
		{
			.name = "pyzor",
			.settings_size = sizeof(struct pyzor_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.state_size = sizeof(struct pyzor_state),
	.needs_network = true,
	.finish_start = rules_first,
	.finish_end = find_program,
	.outside = outside,
	.report = report,
	.runs_programs = runs_programs,
};
