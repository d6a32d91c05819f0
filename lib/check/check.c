/*
 * check.c - one message through the filter
 */
#include "check/check.h"

#include <math.h>
#include <poll.h>

#include "check/learn.h"
#include "check/steps.h"
#include "check/tags.h"
#include "dns/resolver.h"
#include "plugins/dns_block.h"
#include "plugins/lookup.h"
#include "plugins/report.h"
#include "util/clock.h"

/* ---- the loop ---- */

static bool
is_finished_by_plugin(struct check *check)
{
	const struct plugin_hooks *hooks = &check->scan.plugins->with_is_finished;

	for (size_t i = 0; i < hooks->count; i++)
		if (hooks->items[i]->is_finished(&check->scan))
			return true;
	return false;
}

static void
begin_priority(struct check *check, const struct plan_priority *p)
{
	const struct plugin_hooks *hooks = &check->scan.plugins->with_before_priority;

	for (size_t i = 0; i < hooks->count; i++)
		hooks->items[i]->before_priority(&check->scan, p->priority);
	for (size_t i = 0; i < p->headers.count; i++)
		while (!check_run_pass(check, &p->headers.items[i], PASS_ALL))
			;
	check_run_exists(check, p);
}

/* Of a large message is rendered in one call: some milliseconds (match.c). */
enum { RENDER_BYTES = 512 << 10 };

enum priority_step {
	STEP_HEADERS,
	STEP_HEADER_EVALS,
	STEP_BODY,
	STEP_URI,
	STEP_BODY_EVALS,
	STEP_RAWBODY,
	STEP_RAWBODY_EVALS,
	STEP_FULL,
	STEP_FULL_EVALS,
	STEP_METAS,
	STEP_COUNT
};

static bool
run_body_rules(struct check *check, const struct plan_priority *p)
{
	const struct plan_pass *pass = &p->text[PLAN_BODY];

	if (!p->has_text[PLAN_BODY])
		return true;
	if (p->priority == 0 && check->scan.body_edited.items != NULL)
		return check_run_body_twice(check, pass);
	return check_run_pass(check, pass, PASS_ALL);
}

/* One step of a priority, in the reference's order; false: it goes on in the next call. */
static bool
run_step(struct check *check, const struct plan_priority *p, enum priority_step step)
{
	struct scan *scan = &check->scan;

	switch (step) {
	case STEP_HEADERS:
		begin_priority(check, p);
		break;
	case STEP_HEADER_EVALS:
		return check_run_evals(check, &p->header_evals, (struct check_items){NULL, 0});
	case STEP_BODY:
		return run_body_rules(check, p);
	case STEP_URI:
		return !p->has_text[PLAN_URI] ||
		       check_run_pass(check, &p->text[PLAN_URI], PASS_ALL);
	case STEP_BODY_EVALS:
		return p->body_evals.count == 0 ||
		       check_run_evals(check, &p->body_evals, check_items_of(scan, PLAN_BODY));
	case STEP_RAWBODY:
		return !p->has_text[PLAN_RAWBODY] ||
		       check_run_pass(check, &p->text[PLAN_RAWBODY], PASS_ALL);
	case STEP_RAWBODY_EVALS:
		return p->rawbody_evals.count == 0 ||
		       check_run_evals(check, &p->rawbody_evals,
		                       check_items_of(scan, PLAN_RAWBODY));
	case STEP_FULL:
		return !p->has_text[PLAN_FULL] ||
		       check_run_pass(check, &p->text[PLAN_FULL], PASS_ALL);
	case STEP_FULL_EVALS:
		return check_run_evals(check, &p->full_evals, check_items_of(scan, PLAN_FULL));
	case STEP_METAS:
		check_run_templates(check, &p->templates);
		check_run_extra(check, p->priority);
		check_run_metas(check, p->meta_begin, p->meta_end);
		check_run_gate_metas(check, p->priority);
		break;
	case STEP_COUNT:
		break;
	}
	return true;
}

/* Metas that only answers kept from being settled before this priority. */
static void
run_answered_metas(struct check *check)
{
	const struct plan *plan = check->plan;

	for (size_t i = plan->last_meta_begin; i < plan->meta_count; i++)
		if (plan->answered_stage[i] < check->priority)
			check_run_metas(check, i, i + 1);
}

enum { LAUNCH_PRIORITY = -100 };

/* Rules that ask lists, and plugins that ask by hooks; once, when it is time for it. */
static void
launch(struct check *check)
{
	struct scan *scan = &check->scan;
	const struct plugin_set *set = scan->plugins;

	if (scan_lookups_launched(scan) || !scan_dns_available(scan))
		return;
	scan_lookups_launch(scan);
	while (!check_run_evals(check, &check->plan->rbl_evals, (struct check_items){NULL, 0}))
		;
	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->launch != NULL)
			plugin->launch(scan);
	}
}

/* true: an answer is awaited without which the scan does not go on; scan->wait says how long. */
static bool
is_at_gate(struct check *check)
{
	struct scan *scan = &check->scan;

	while (check->at_gate.count > 0) {
		const struct rule *rule = check->at_gate.items[check->at_gate.count - 1];
		const struct plugin *plugin = NULL;
		int64_t until_ms = scan_lookups_deadline(scan);

		if (plugins_find_eval(scan->plugins, rule->eval.function, &plugin) == NULL ||
		    !plugin->is_pending(scan, rule)) {
			check->at_gate.count--;
			continue;
		}
		if (until_ms == INT64_MIN || clock_monotonic_ms() > until_ms ||
		    scan_is_over(scan)) {
			check->at_gate.count = 0;
			break;
		}
		scan->wait = (struct scan_wait){
			.fd = -1,
			.until_ms = until_ms < scan->deadline_ms ? until_ms + 1 : scan->deadline_ms,
			.for_answers = true};
		return true;
	}
	return false;
}

/* false: a plugin waits for other hosts before questions leave. */
static bool
run_before_launch(struct check *check)
{
	struct scan *scan = &check->scan;
	const struct plugin_set *set = scan->plugins;

	for (; check->launch_hooks < set->count; check->launch_hooks++) {
		const struct plugin *plugin = set->loaded[set->order[check->launch_hooks]];

		if (plugin->before_launch != NULL && !scan->env->local_tests_only &&
		    !plugin->before_launch(scan, scan_is_over(scan)))
			return false;
	}
	return true;
}

/* false: it waits. */
static bool
run_priority(struct check *check)
{
	const struct plan_priority *p = &check->plan->priorities[check->priority];
	bool at_end = check->priority == check->plan->priority_count;

	/* What a plugin finds in a step ends the scan after it, wherever the step is cut. */
	if (!check->is_in_step && is_finished_by_plugin(check))
		check->shortcircuited = true;
	if (!check->shortcircuited && !check->is_in_step &&
	    (at_end || p->priority >= LAUNCH_PRIORITY)) {
		if (!run_before_launch(check))
			return false;
		if (!scan_is_over(&check->scan))
			launch(check);
	}
	if (check->shortcircuited || scan_is_over(&check->scan) || at_end) {
		check->state = CHECK_STATE_HARVEST;
		return true;
	}
	if (check->step == STEP_HEADER_EVALS && p->needs_answers && !check->answers_are_in) {
		check->state = CHECK_STATE_ANSWERS;
		return true;
	}
	check->is_in_step = !run_step(check, &check->plan->priorities[check->priority],
	                              (enum priority_step)check->step);
	if (!check->is_in_step && ++check->step == STEP_COUNT) {
		check->step = 0;
		check->answers_are_in = false;
		check->priority++;
	}
	return true;
}

enum { LOOK_AGAIN_MS = 10 };

/* One more thing to wait for; only one descriptor is waited for, the others are looked at often. */
static void
wait_also(struct scan_wait *all, const struct scan_wait *one)
{
	int64_t soon = clock_monotonic_ms() + LOOK_AGAIN_MS;

	if (one->until_ms < all->until_ms)
		all->until_ms = one->until_ms;
	if (all->fd < 0)
		all->fd = one->fd;
	else if (one->fd >= 0 && soon < all->until_ms)
		all->until_ms = soon;
	all->for_answers |= one->for_answers;
}

/* false: a program or a connection of a plugin is under way. */
static bool
harvest_outside(struct check *check, struct scan_wait *wait)
{
	struct scan *scan = &check->scan;
	const struct plugin_set *set = scan->plugins;
	bool give_up = check->shortcircuited || scan_is_over(scan), done = true;

	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->outside == NULL || plugin->outside(scan, give_up))
			continue;
		wait_also(wait, &scan->wait);
		done = false;
	}
	return done;
}

/* false: answers are on the way; scan->wait says when to look again. */
static bool
have_answers(struct check *check)
{
	struct scan *scan = &check->scan;
	int64_t deadline = scan_lookups_deadline(scan);
	struct scan_wait wait = {.fd = -1, .until_ms = scan->deadline_ms};
	bool done;

	check->shortcircuited |= is_finished_by_plugin(check); /* by an answer */
	done = harvest_outside(check, &wait);

	if (deadline != INT64_MIN && !check->shortcircuited && !scan_is_over(scan) &&
	    clock_monotonic_ms() <= deadline) {
		const struct scan_wait answers = {
			.fd = -1, .until_ms = deadline + 1, .for_answers = true};

		wait_also(&wait, &answers);
		done = false;
	}
	if (!done)
		scan->wait = wait;
	return done;
}

static void
call_harvested(struct scan *scan)
{
	const struct plugin_set *set = scan->plugins;

	for (size_t i = 0; i < set->count && scan_lookups_launched(scan); i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->harvested != NULL)
			plugin->harvested(scan);
	}
}

/* Back to the rules, when all is in that they wait for; or when time is over. */
static bool
await_answers(struct check *check)
{
	if (!have_answers(check))
		return false;
	if (scan_lookups_deadline(&check->scan) == INT64_MIN)
		call_harvested(&check->scan);
	run_answered_metas(check);
	check->answers_are_in = true;
	check->state = CHECK_STATE_PRIORITY;
	return true;
}

/* false: answers are on the way. */
static bool
harvest(struct check *check)
{
	struct scan *scan = &check->scan;

	if (!have_answers(check))
		return false;
	scan_lookups_end(scan);
	call_harvested(scan);
	check->shortcircuited |= is_finished_by_plugin(check);
	check->state = CHECK_STATE_FINISH;
	return true;
}

static void
finish(struct check *check)
{
	struct scan *scan = &check->scan;

	if (scan->time_limit_exceeded) {
		log_info(scan->log, "check", "exceeded time limit, skipping further tests");
		if (check->plan->time_limit_rule != NULL)
			scan_hit(scan, check->plan->time_limit_rule, "", 1);
	}
	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		if (plugin->cleanup != NULL)
			plugin->cleanup(scan);
	}
	if (!check->shortcircuited)
		check_run_extra(check, INT_MAX);
	check_run_metas(check, check->plan->last_meta_begin, check->plan->meta_count);
	check_run_extra_metas(check);
	if (scan_dns_available(scan))
		check->lists_blocked = dns_blocks_note(scan->env->blocks, scan);
	learn_automatically(check);
	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		if (plugin->after_learn != NULL && !scan->time_limit_exceeded)
			plugin->after_learn(scan);
	}
	if (arena_is_spent(scan->arena))
		log_warn(scan->log, "check",
		         "message reached its memory budget: parts of it were not looked at");
	check->score = round(scan->score * 1000) / 1000;
	if (check->score == 0)
		check->score = 0; /* no negative zero */
	check->required_score = scan->core->required_score;
	check->is_spam = check->score >= check->required_score;
	check->state = CHECK_STATE_DONE;
}

enum check_status
check_run(struct check *check)
{
	if (check->state == CHECK_STATE_PRIORITY || check->state == CHECK_STATE_ANSWERS ||
	    check->state == CHECK_STATE_HARVEST)
		scan_lookups_deliver(&check->scan);
	switch (check->state) {
	case CHECK_STATE_BEGIN:
		if (!check_message_hooks(check) || !check_is_dns_tested(check))
			return CHECK_WAIT;
		check_begin(check);
		check->state = check_is_large(check) ? CHECK_STATE_RENDER : CHECK_STATE_PRIORITY;
		break;
	case CHECK_STATE_RENDER:
		if (scan_is_over(&check->scan) ||
		    text_render_some(check->scan.message, RENDER_BYTES))
			check->state = CHECK_STATE_PRIORITY;
		break;
	case CHECK_STATE_PRIORITY:
		if (!check->is_in_step && is_at_gate(check))
			return CHECK_WAIT;
		if (!run_priority(check))
			return CHECK_WAIT;
		break;
	case CHECK_STATE_ANSWERS:
		if (!await_answers(check))
			return CHECK_WAIT;
		break;
	case CHECK_STATE_HARVEST:
		if (!harvest(check))
			return CHECK_WAIT;
		break;
	case CHECK_STATE_FINISH:
		finish(check);
		break;
	case CHECK_STATE_DONE:
		break;
	}
	return check->state == CHECK_STATE_DONE ? CHECK_DONE : CHECK_AGAIN;
}

enum { SLEEP_MOST_MS = 1000 };

void
check_sleep(struct check *check)
{
	const struct scan_wait *wait = &check->scan.wait;
	struct resolver *resolver = check->scan.resolver;
	struct pollfd fds[2] = {{.fd = wait->fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	int64_t left = wait->until_ms - clock_monotonic_ms();
	int most = left <= 0 ? 0 : left > SLEEP_MOST_MS ? SLEEP_MOST_MS : (int)left;

	if (resolver != NULL) {
		fds[1].fd = resolver_fd(resolver);
		most = resolver_wait_ms(resolver, most);
	}
	if (!scan_lookups_have_answers(&check->scan))
		(void)poll(fds, 2, most);
	if (resolver != NULL)
		resolver_step(resolver);
}

void
check_run_all(struct check *check)
{
	enum check_status status;

	while ((status = check_run(check)) != CHECK_DONE) {
		if (status == CHECK_WAIT)
			check_sleep(check);
		else if (scan_lookups_open(&check->scan) > 0)
			resolver_step(check->scan.resolver);
	}
}

bool
check_report(struct check *check, struct slice text, bool is_revoke)
{
	check_find_route(&check->scan);
	return report_message(&check->scan, text, is_revoke);
}

/* ---- making one ---- */

static void
set_deadline(struct check *check, const struct check_options *options)
{
	double limit = check->scan.core->time_limit * 1000;

	check->scan.deadline_ms = INT64_MAX;
	if (limit > 0 && limit < 1e12)
		check->scan.deadline_ms = check->begun_ms + (int64_t)limit;
	if (options != NULL && options->limit_ms > 0 &&
	    check->begun_ms + options->limit_ms < check->scan.deadline_ms)
		check->scan.deadline_ms = check->begun_ms + options->limit_ms;
}

static bool
computed_tag(struct scan *scan, struct slice name, struct slice args, bool has_args,
             struct slice *value_r)
{
	return tags_value((struct check *)(void *)scan, name, args, has_args, value_r);
}

static bool
init_scan(struct check *check, struct arena *arena, struct match_scratch *match)
{
	struct scan *scan = &check->scan;
	const struct plan *plan = check->plan;
	size_t words = (plan->meta_count + 63) / 64 + 1;

	scan->arena = arena;
	scan->match = match;
	scan->log = check->filter->log;
	scan->env = check->prefs != NULL ? check->prefs->env : &check->filter->env;
	scan->score_set = scan->env->score_set;
	scan->core = conf_core(scan->conf);
	scan->rules = conf_rules(scan->conf);
	scan->plugins = conf_plugins(scan->conf);
	scan->now_s = clock_wall_s();
	scan->subjprefix = SLICE("");
	scan->computed_tag = computed_tag;
	hashmap_init(&scan->tags, arena);
	hashmap_init(&scan->metadata, arena);
	scan->header_table = &plan->headers;
	scan->values = arena_new_array(arena, double, scan->rules->count + 1);
	scan->hit_index = arena_new_array(arena, unsigned, scan->rules->count + 1);
	check->runs = arena_new_array(arena, struct match_run *, plan->groups.count);
	check->run_items = arena_new_array(arena, const struct slice *, plan->groups.count);
	check->meta_bits = arena_new_array(arena, uint64_t, words);
	if (check->prefs != NULL)
		check->extra_done = arena_new_array(arena, bool, check->prefs->extra_count + 1);
	if (scan->values == NULL || (check->prefs != NULL && check->extra_done == NULL) ||
	    scan->hit_index == NULL || check->runs == NULL || check->run_items == NULL ||
	    check->meta_bits == NULL)
		return false;
	return true;
}

/* Preferences may name other rules that end the scan. */
static bool
set_gates(struct check *check, struct arena *arena)
{
	struct gates *gates;

	check->gates = &check->filter->gates;
	if (check->prefs == NULL ||
	    plugin_settings(check->scan.conf, &plugin_shortcircuit) ==
	            plugin_settings(check->filter->conf, &plugin_shortcircuit))
		return true;
	gates = arena_new(arena, struct gates);
	if (gates == NULL)
		return false;
	gates_build(gates, arena, check->scan.conf, check->plan);
	check->gates = gates;
	return true;
}

struct check *
check_create(const struct filter *filter, struct arena *arena, struct match_scratch *match,
             struct slice input, const struct check_options *options)
{
	struct check *check = arena_new(arena, struct check);
	struct message_options message_options;

	if (check == NULL)
		return NULL;
	check->filter = filter;
	check->plan = filter->plan;
	check->begun_ms = clock_monotonic_ms();
	check->prefs = options == NULL ? NULL : options->prefs;
	check->scan.learner = options == NULL ? NULL : options->learner;
	if (options != NULL)
		check->scan.learner_user = options->learner_user;
	check->scan.conf = check->prefs != NULL ? check->prefs->conf : filter->conf;
	if (!set_gates(check, arena) || !init_scan(check, arena, match))
		return NULL;
	check->scan.resolver = options == NULL ? NULL : options->resolver;
	check->probe = options == NULL ? NULL : options->probe;
	set_deadline(check, options);
	message_options = (struct message_options){
		.normalize_charset = check->scan.core->normalize_charset,
		.body_part_scan_size = (size_t)check->scan.core->body_part_scan_size,
		.rawbody_part_scan_size = (size_t)check->scan.core->rawbody_part_scan_size,
	};
	check->scan.message = message_parse(arena, input, &message_options);
	if (check->scan.message == NULL || !scan_headers_begin(&check->scan))
		return NULL;
	return check;
}
