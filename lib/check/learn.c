/*
 * learn.c - a message is learned from
 */
#include "check/learn.h"

#include "plugins/txrep.h"

/* Plugins that say more about a message, which is learned too. */
static void
add_metadata(struct scan *scan)
{
	static const enum plugin_id ids[] = {PLUGIN_ID_textcat, PLUGIN_ID_relaycountry};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		const struct plugin *plugin = scan->plugins->loaded[ids[i]];

		if (plugin != NULL && plugin->parsed != NULL)
			plugin->parsed(scan);
	}
}

void
learn_prepare(struct check *check)
{
	struct scan *scan = &check->scan;

	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		while (plugin->message != NULL && !plugin->message(scan))
			check_sleep(check);
	}
	check_find_route(scan);
	add_metadata(scan);
}

/* All plugins that learn; what one of them took was learned. */
static enum bayes_result
teach(struct check *check, bool is_spam, unsigned flags, unsigned txrep_flags)
{
	struct scan *scan = &check->scan;
	enum bayes_result result;

	if ((flags & BAYES_USE_IGNORES) && scan->core->use_learner && bayes_ignores(scan))
		return BAYES_NOTHING;
	result = bayes_learn(scan, is_spam, flags & ~(unsigned)BAYES_USE_IGNORES);
	if (scan->core->use_learner && txrep_learn(scan, is_spam, txrep_flags))
		result = BAYES_DONE;
	return result;
}

enum bayes_result
learn_message(struct check *check, enum learn_action action, bool use_ignores)
{
	learn_prepare(check);
	if (action == LEARN_FORGET) {
		if (check->scan.core->use_learner)
			txrep_forget(&check->scan);
		return bayes_forget(&check->scan);
	}
	return teach(check, action == LEARN_SPAM, use_ignores ? BAYES_USE_IGNORES : 0, 0);
}

void
learn_automatically(struct check *check)
{
	struct scan *scan = &check->scan;
	struct autolearn_points points = {.force_names = SLICE("")};

	check->autolearn =
		autolearn_decide(scan, scan->score >= scan->core->required_score, &points);
	check->autolearn_forced = points.force_names;
	check->did_learn = BAYES_FAILED;
	if (check->autolearn == AUTOLEARN_SPAM || check->autolearn == AUTOLEARN_HAM)
		check->did_learn = teach(check, check->autolearn == AUTOLEARN_SPAM,
		                         BAYES_NO_RELEARN | BAYES_USE_IGNORES | BAYES_SCANNED,
		                         TXREP_AUTOLEARN);
}
