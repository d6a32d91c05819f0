/*
 * metas.c - metas, driven by hits
 */
#include "check/steps.h"

static void
mark_dependents(struct check *check)
{
	const struct plan *plan = check->plan;

	for (; check->fresh_done < check->scan.fresh_hits.count; check->fresh_done++) {
		unsigned rule = check->scan.fresh_hits.items[check->fresh_done];

		if (rule >= plan->rule_count)
			continue;
		for (size_t i = 0; i < plan->dependent_count[rule]; i++) {
			unsigned meta = plan->dependents[rule][i];

			check->meta_bits[meta / 64] |= (uint64_t)1 << (meta % 64);
		}
	}
}

static void
evaluate_meta(struct check *check, size_t index)
{
	const struct plan *plan = check->plan;
	double value = meta_programs_eval(plan->meta_programs, index, check->scan.values);
	const struct rule *rule;

	if (value == 0)
		return;
	rule = check->scan.rules->rules[plan->metas[index]->number];
	if (scan_rule_score(&check->scan, rule) == 0 || check->scan.values[rule->number] != 0)
		return;
	log_debug(check->scan.log, "rules", "ran meta rule %.*s ======> got hit (%.15g)",
	          SLICE_FMT(rule->name), value);
	scan_hit(&check->scan, rule, "", value);
	mark_dependents(check);
}

/* Metas [from, to): a hit may wake others, which always stand further on. */
void
check_run_metas(struct check *check, size_t from, size_t to)
{
	const uint64_t *never = check->plan->meta_never[check->scan.score_set >> 1];

	if (check->scan.time_limit_exceeded || check->shortcircuited)
		return;
	mark_dependents(check);
	for (size_t i = from; i < to;) {
		uint64_t word = (check->meta_bits[i / 64] & ~never[i / 64]) >> (i % 64);

		if (word == 0) {
			i = (i / 64 + 1) * 64;
			continue;
		}
		i += (size_t)__builtin_ctzll(word);
		if (i < to)
			evaluate_meta(check, i);
		i++;
	}
}

/* Metas over gates, which are decided by now. */
void
check_run_gate_metas(struct check *check, int priority)
{
	const struct gates *gates = check->gates;

	if (gates->metas.count == 0 || check->scan.time_limit_exceeded || check->shortcircuited)
		return;
	for (size_t i = 0; i < gates->metas.count; i++) {
		unsigned index = gates->metas.items[i].index;
		const uint64_t *never = check->plan->meta_never[check->scan.score_set >> 1];

		if (gates->metas.items[i].turn <= priority &&
		    !(never[index / 64] >> (index % 64) & 1))
			evaluate_meta(check, index);
	}
}
