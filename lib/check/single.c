/*
 * single.c - rules that run one at a time: templates, evals, those of a user's preferences
 */
#include "check/steps.h"

#include "check/tags.h"
#include "util/clock.h"

/* ---- templates ---- */

/* Values of a tag: captures and what plugins set, or a computed tag such as HEADER(...). */
static size_t
tag_values(void *data, struct slice name, const struct slice **values_r)
{
	struct check *check = data;
	size_t paren = slice_find_byte(name, '(', 0), count = 0;
	bool has_args = paren != SLICE_NPOS && name.data[name.len - 1] == ')';
	struct slice args =
		has_args ? slice_sub(name, paren + 1, name.len - paren - 2) : SLICE_NULL;
	struct slice *value;

	name = slice_sub(name, 0, paren);
	if (scan_tag_values(&check->scan, name, values_r, &count))
		return count;
	value = arena_new(check->scan.arena, struct slice);
	if (value == NULL || !tags_value(check, name, args, has_args, value))
		return 0;
	*values_r = value;
	return value->len > 0;
}

/* What a rule that runs by itself looks at; `item` holds a header's text. */
static struct check_items
items_alone(struct check *check, const struct rule *rule, struct slice *item)
{
	struct scan *scan = &check->scan;

	*item = SLICE("");
	if (rule->kind == RULE_HEADER) {
		if (!scan_header_joined(scan, rule->header, item))
			*item = rule->if_unset.data != NULL ? rule->if_unset : SLICE("");
		return (struct check_items){item, 1};
	}
	return check_items_of(scan, rule->kind == RULE_BODY      ? PLAN_BODY
	                            : rule->kind == RULE_URI     ? PLAN_URI
	                            : rule->kind == RULE_RAWBODY ? PLAN_RAWBODY
	                                                         : PLAN_FULL);
}

/* One rule by itself, without tables. */
static void
run_alone(struct check *check, const struct rule *rule, const struct regex *regex)
{
	struct scan *scan = &check->scan;
	struct match_hit hit;
	struct slice item;
	struct check_items items = items_alone(check, rule, &item);
	unsigned count;

	count = match_items(regex, scan->match, items.items, items.count,
	                    (rule->tflags & TFLAG_MULTIPLE ? MATCH_MULTIPLE : 0) |
	                            (rule->tflags & TFLAG_NOSUBJECT && rule->kind == RULE_BODY
	                                     ? MATCH_NOSUBJECT
	                                     : 0),
	                    rule->maxhits, check_capture, check, &hit);
	if (hit.limit)
		check_log_limit(check, rule);
	if (rule->negated)
		count = count == 0;
	if (count > 0)
		check_add_hits(check, rule, count,
		               rule->negated  ? check_negative_match
		               : hit.has_span ? slice_sub(items.items[hit.item], hit.at.start,
		                                          hit.at.end - hit.at.start)
		                              : SLICE(""));
}

/* No value that the templates may have would match: nothing is to be compiled for this message. */
static bool
is_refused(struct check *check, const struct rule *rule)
{
	const struct automaton *guard = regex_guard(rule->regex);
	struct slice item;
	struct check_items items;

	if (guard == NULL || rule->negated)
		return false;
	items = items_alone(check, rule, &item);
	return !match_may_hit(guard, check->scan.match, items.items, items.count);
}

static bool
run_template(struct check *check, const struct rule *rule)
{
	struct regex *regex;
	struct error error;

	if (!regex_has_values(rule->regex, tag_values, check))
		return false;
	if (is_refused(check, rule))
		return true;

	if (regex_instantiate(rule->regex, check->scan.arena, tag_values, check, &regex, &error) !=
	    STATUS_OK)
		return false;
	run_alone(check, rule, regex);
	return true;
}

/* A template may use what another template of the same priority captured: go round until nothing
 * moves. */
void
check_run_templates(struct check *check, const struct plan_rules *list)
{
	bool *done, moved = true;

	if (list->count == 0 ||
	    (done = arena_new_array(check->scan.arena, bool, list->count)) == NULL)
		return;
	while (moved) {
		moved = false;
		for (size_t i = 0; i < list->count; i++) {
			const struct rule *rule = check->scan.rules->rules[list->items[i]->number];

			if (done[i] || scan_rule_score(&check->scan, rule) == 0 ||
			    !run_template(check, rule))
				continue;
			done[i] = moved = true;
		}
	}
}

/* ---- evals ---- */

static void
take_result(struct check *check, const struct rule *rule, int value)
{
	if (value == EVAL_PENDING && check->gates->is_gate != NULL &&
	    check->gates->is_gate[rule->number])
		(void)vec_push(check->scan.arena, &check->at_gate, rule);
	if (value == 0 || value == EVAL_PENDING)
		return;
	scan_hit(&check->scan, rule, check_area_of(rule->kind), value);
	log_debug(check->scan.log, "rules", "ran eval rule %.*s ======> got hit (%d)",
	          SLICE_FMT(rule->name), value);
}

static void
run_eval(struct check *check, const struct rule *rule, struct check_items items)
{
	const struct plugin_eval *eval = rule->eval.eval;
	struct eval_call call = {
		.rule = rule,
		.args = rule->eval.args.items,
		.arg_count = rule->eval.args.count,
		.data = rule->eval.data,
		.lines = items.items,
		.line_count = items.count,
	};

	if (eval == NULL || scan_rule_score(&check->scan, rule) == 0)
		return;
	call.settings = check->scan.conf->blocks.items[rule->eval.block].settings;
	take_result(check, rule, eval->run(&check->scan, &call));
}

enum { EVALS_BETWEEN_CLOCKS = 8 };

/* false: the rest comes in the next call; a large message costs each eval some milliseconds. */
bool
check_run_evals(struct check *check, const plan_evals *list, struct check_items items)
{
	size_t *i = &check->pass.eval;

	while (*i < list->count) {
		const struct plan_eval *eval = &list->items[(*i)++];
		struct eval_call call = eval->call;

		/* The clock costs as much as a small eval. */
		if ((*i - 1) % EVALS_BETWEEN_CLOCKS == 0 && scan_is_over(&check->scan))
			break;
		if (check->prefs != NULL) {
			/* another score, other settings */
			run_eval(check, check->scan.rules->rules[eval->rule->number], items);
		} else {
			call.lines = items.items;
			call.line_count = items.count;
			take_result(check, eval->rule, eval->run(&check->scan, &call));
		}
		if (check_is_large(check))
			return false;
	}
	*i = 0;
	return true;
}

/* ---- rules of the user's preferences ---- */

static struct check_items
eval_items(struct check *check, enum rule_kind kind)
{
	return kind == RULE_BODY_EVAL      ? check_items_of(&check->scan, PLAN_BODY)
	       : kind == RULE_RAWBODY_EVAL ? check_items_of(&check->scan, PLAN_RAWBODY)
	       : kind == RULE_FULL_EVAL    ? check_items_of(&check->scan, PLAN_FULL)
	                                   : (struct check_items){NULL, 0};
}

static void
run_one_extra(struct check *check, const struct rule *rule)
{
	if (rule_is_eval(rule->kind)) {
		run_eval(check, rule, eval_items(check, rule->kind));
	} else if (rule->exists) {
		if (scan_header_exists(&check->scan, rule->header))
			check_add_hits(check, rule, 1, SLICE("exists"));
	} else if (rule->regex != NULL) {
		if (regex_template_count(rule->regex) > 0)
			(void)run_template(check, rule);
		else
			run_alone(check, rule, rule->regex);
	}
}

/* Those up to this priority that have not run. */
void
check_run_extra(struct check *check, int priority)
{
	for (size_t i = 0; check->prefs != NULL && i < check->prefs->extra_count; i++) {
		const struct rule *rule = check->prefs->extra[i];

		if (check->extra_done[i] || rule->kind == RULE_META ||
		    rule->effective_priority > priority || scan_is_over(&check->scan))
			continue;
		check->extra_done[i] = true;
		run_one_extra(check, rule);
	}
}

/* The user's metas: few, so round and round until nothing changes, each at most once. */
void
check_run_extra_metas(struct check *check)
{
	bool moved = check->prefs != NULL;

	while (moved && !check->scan.time_limit_exceeded && !check->shortcircuited) {
		moved = false;
		for (size_t i = 0; i < check->prefs->extra_count; i++) {
			const struct rule *rule = check->prefs->extra[i];
			double value;

			if (check->extra_done[i] || rule->kind != RULE_META || rule->meta == NULL ||
			    rule->meta_is_broken)
				continue;
			value = meta_eval(rule->meta, check->scan.values);
			if (value == 0)
				continue;
			check->extra_done[i] = moved = true;
			scan_hit(&check->scan, rule, "", value);
		}
	}
}
