/*
 * gates.c - rules that a scan which may end early waits for
 */
#include "check/gates.h"

#include <limits.h>

#include "plugins/shortcircuit.h"
#include "rules/meta.h"

struct builder {
	const struct conf *conf;
	const struct ruleset *rules;
	const struct plan *plan;
};

/* The plugin that waits in the eval, as the reference has it. */
static const struct plugin *
waiting_plugin(const struct builder *b, const struct rule *rule)
{
	const struct plugin *plugin = NULL;

	if (!rule_is_eval(rule->kind) || rule->kind == RULE_RBL_EVAL ||
	    plugins_find_eval(conf_plugins(b->conf), rule->eval.function, &plugin) == NULL)
		return NULL;
	return plugin->is_pending == NULL ? NULL : plugin;
}

/* The last priority at which the scan may end early; what lists answer comes at any time. */
static int
last_end(const struct builder *b)
{
	int last = INT_MIN;

	for (size_t i = 0; i < b->rules->count; i++) {
		const struct rule *rule = b->rules->rules[i];
		bool is_late = rule->kind == RULE_EMPTY || rule->kind == RULE_RBL_EVAL ||
		               ((rule->tflags & TFLAG_NET) && waiting_plugin(b, rule) == NULL);

		if (!shortcircuit_has(b->conf, rule))
			continue;
		if (is_late)
			return INT_MAX;
		if (rule->effective_priority > last)
			last = rule->effective_priority;
	}
	return last;
}

/* What is known of a meta, by rule number. */
struct decision {
	bool is_in_turn; /* nothing that it names comes later than its turn */
	int turn;
};

static struct decision
decide_rule(const struct builder *b, const struct rule *rule, const struct decision *metas)
{
	struct decision d = {true, rule->effective_priority};

	if (rule->kind == RULE_META)
		return metas[rule->number];
	if (rule->kind == RULE_EMPTY || rule->kind == RULE_RBL_EVAL ||
	    ((rule->tflags & TFLAG_NET) && waiting_plugin(b, rule) == NULL))
		d.is_in_turn = false;
	return d;
}

static struct decision
decide_meta(const struct builder *b, const struct rule *meta, const struct decision *metas)
{
	struct decision all = {!meta->meta_is_broken && !meta_is_empty(meta->meta), INT_MIN};
	size_t n;
	const unsigned *names = meta_dependencies(meta->meta, &n);

	for (size_t k = 0; k < n; k++) {
		struct decision one = decide_rule(b, b->rules->rules[names[k]], metas);

		all.is_in_turn &= one.is_in_turn;
		if (all.turn < one.turn)
			all.turn = one.turn;
	}
	return all;
}

static void
find_metas(struct builder *b, struct gates *gates, struct arena *arena)
{
	struct decision *metas = arena_new_array(arena, struct decision, b->rules->count + 1);

	for (size_t i = 0; i < b->plan->meta_count && metas != NULL; i++) {
		const struct rule *meta = b->plan->metas[i];
		struct decision d = decide_meta(b, meta, metas);

		metas[meta->number] = d;
		if (i >= b->plan->last_meta_begin && d.is_in_turn)
			(void)vec_push(arena, &gates->metas,
			               (struct gate_meta){(unsigned)i, d.turn});
	}
}

void
gates_build(struct gates *gates, struct arena *arena, const struct conf *conf,
            const struct plan *plan)
{
	struct builder b = {.conf = conf, .rules = conf_rules(conf), .plan = plan};
	bool *is_gate;
	int last;

	*gates = (struct gates){0};
	if (!shortcircuit_is_used(conf))
		return;
	is_gate = arena_new_array(arena, bool, b.rules->count + 1);
	if (is_gate == NULL)
		return;
	last = last_end(&b);
	for (size_t i = 0; i < b.rules->count; i++)
		if (b.rules->rules[i]->effective_priority <= last &&
		    waiting_plugin(&b, b.rules->rules[i]) != NULL) {
			is_gate[i] = true;
			gates->is_gate = is_gate;
		}
	if (gates->is_gate != NULL)
		find_metas(&b, gates, arena);
}
