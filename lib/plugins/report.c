/*
 * report.c - a message reported as spam to other hosts, or taken back
 */
#include "plugins/report.h"

void
report_result(struct scan *scan, struct report *report, const char *name, bool taken)
{
	const char *verb = report->is_revoke ? "revoke" : "report";
	const char *past = report->is_revoke ? "revoked" : "reported";
	const char *way = report->is_revoke ? "from" : "to";

	if (taken)
		log_info(scan->log, "reporter", "spam %s %s %s", past, way, name);
	else
		log_info(scan->log, "reporter", "could not %s spam %s %s", verb, way, name);
	report->done |= taken;
}

void
report_by_program(struct scan *scan, struct report *report, const char *name,
                  const char *const *argv, double timeout_s)
{
	struct program program = {.area = "reporter"};
	struct child_result result = {.timed_out = true};
	bool ended = program_run(scan, &program, argv, report->text, timeout_s, &result);
	char ending[64];

	if (ended && (result.timed_out || result.status != 0))
		log_info(scan->log, "reporter", "%s %s: %.*s", argv[0],
		         program_ending(&result, ending, sizeof(ending)),
		         SLICE_FMT(log_quote(scan->arena, result.error_line, 300)));
	report_result(scan, report, name, ended && !result.timed_out && result.status == 0);
}

bool
report_message(struct scan *scan, struct slice text, bool is_revoke)
{
	struct report report = {.text = text, .is_revoke = is_revoke};
	const struct plugin_set *set = scan->plugins;

	for (size_t i = 0; i < set->count && !scan->env->local_tests_only; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->report != NULL)
			plugin->report(scan, &report);
	}
	if (!report.done)
		log_warn(scan->log, "reporter", "no %s methods available, so couldn't %s",
		         is_revoke ? "revoke" : "reporting", is_revoke ? "revoke" : "report");
	return report.done;
}
