/*
 * finish.c - what can only be said of rules when all lines are read
 *
 * Source: Conf/Parser.pm fix_tests, compile_meta_rules, fix_priorities, fix_tflags.
 */
#include <stdlib.h>

#include "rules/rule.h"

static void
default_scores(struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = set->rules[i];
		double score = slice_starts(rule->name, SLICE("T_")) ? 0.01 : 1.0;

		if (rule->has_score || rule->kind == RULE_NONE)
			continue;
		if (rule->tflags & TFLAG_NICE)
			score = -score;
		for (size_t s = 0; s < RULE_SCORE_SETS; s++)
			rule->score[s] = score;
	}
}

struct resolver {
	struct conf_reader *reader;
	struct ruleset *set;
	struct slice self;
};

static unsigned
resolve(void *data, struct slice name)
{
	const struct resolver *r = data;
	const struct rule *rule = ruleset_find(r->set, name);

	if (rule == NULL)
		rule = ruleset_own(r->reader, name);
	return rule == NULL ? 0 : rule->number;
}

static int
by_name(const void *a, const void *b)
{
	return slice_cmp((*(const struct rule *const *)a)->name,
	                 (*(const struct rule *const *)b)->name);
}

/* Every scored rule that the glob names, sorted, the meta itself left out. */
static void
expand(void *data, struct slice glob, void (*add)(void *add_data, unsigned rule), void *add_data)
{
	const struct resolver *r = data;
	VEC(const struct rule *) found = {0};

	for (size_t i = 0; i < r->set->count; i++) {
		const struct rule *rule = r->set->rules[i];

		if ((rule->kind != RULE_NONE || rule->has_score) &&
		    !slice_eq(rule->name, r->self) && meta_glob_match(glob, rule->name))
			(void)vec_push(r->reader->arena, &found, rule);
	}
	if (found.count > 0)
		qsort(found.items, found.count, sizeof(*found.items), by_name);
	for (size_t i = 0; i < found.count; i++)
		add(add_data, found.items[i]->number);
}

static void
compile_metas(struct conf_reader *reader, struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = set->rules[i];
		struct resolver resolver = {reader, set, rule->name};
		struct meta_env env = {&resolver, resolve, expand, reader->local_tests_only};
		struct error error;

		if (rule->kind != RULE_META || rule->meta != NULL)
			continue;
		rule->meta = meta_compile(reader->arena, rule->name, rule->text, &env, &error);
		if (rule->meta == NULL)
			conf_problem(reader, true, "config: %s in %.*s (line %u)", error.text,
			             SLICE_FMT(rule->file), rule->line_number);
	}
}

/*
 * Marks metas that no order of evaluation can settle.  Kahn's algorithm over metas only: what is
 * left over names itself in a circle, or hangs on one that does.
 */
static void
find_circles(struct conf_reader *reader, struct ruleset *set)
{
	unsigned *waiting = arena_new_array(reader->arena, unsigned, set->count + 1);
	bool changed = true;

	if (waiting == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		waiting[i] = set->rules[i]->kind == RULE_META && set->rules[i]->meta != NULL;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < set->count; i++) {
			size_t count, open = 0;
			const unsigned *deps;

			if (!waiting[i])
				continue;
			deps = meta_dependencies(set->rules[i]->meta, &count);
			for (size_t k = 0; k < count; k++)
				open += waiting[deps[k]];
			if (open == 0) {
				waiting[i] = 0;
				changed = true;
			}
		}
	}
	for (size_t i = 0; i < set->count; i++) {
		if (!waiting[i])
			continue;
		set->rules[i]->meta_is_broken = true;
		conf_problem(reader, true,
		             "rules: excluding meta test %.*s, unsolved meta dependencies",
		             SLICE_FMT(set->rules[i]->name));
	}
}

static int
by_priority(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a, *y = *(const struct rule *const *)b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* A meta of low priority pulls what it names down to its own. */
static void
pull_priorities(struct conf_reader *reader, struct ruleset *set)
{
	VEC(struct rule *) metas = {0};

	for (size_t i = 0; i < set->count; i++)
		if (set->rules[i]->meta != NULL && !set->rules[i]->meta_is_broken &&
		    set->rules[i]->has_priority)
			(void)vec_push(reader->arena, &metas, set->rules[i]);
	if (metas.count > 0)
		qsort(metas.items, metas.count, sizeof(*metas.items), by_priority);
	for (size_t i = 0; i < metas.count; i++) {
		const struct rule *rule = metas.items[i];
		size_t count;
		const unsigned *deps = meta_dependencies(rule->meta, &count);

		for (size_t k = 0; k < count; k++) {
			struct rule *dep = set->rules[deps[k]];

			if (!dep->has_priority || dep->priority <= rule->priority)
				continue;
			dep->priority = rule->priority < -100 && (dep->tflags & TFLAG_NET)
			                        ? -100
			                        : rule->priority;
		}
	}
}

/* A meta over a net rule is one; through one level each pass, as far as it goes. */
static void
inherit_net(struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = set->rules[i];
		size_t count;
		const unsigned *deps;

		if (rule->meta == NULL || (rule->tflags & TFLAG_NET))
			continue;
		deps = meta_dependencies(rule->meta, &count);
		for (size_t k = 0; k < count; k++)
			if (set->rules[deps[k]]->tflags & TFLAG_NET)
				rule->tflags |= TFLAG_NET;
	}
}

void
ruleset_finish(struct conf_reader *reader, struct ruleset *set)
{
	default_scores(set);
	compile_metas(reader, set);
	find_circles(reader, set);
	pull_priorities(reader, set);
	inherit_net(set);
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = set->rules[i];

		rule->effective_priority = rule->priority != 0        ? rule->priority
		                           : rule->tflags & TFLAG_NET ? -100
		                                                      : 0;
	}
}

void
ruleset_finish_user(struct conf_reader *reader, struct ruleset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		struct rule *rule = set->rules[i];
		double score = slice_starts(rule->name, SLICE("T_")) ? 0.01 : 1.0;

		if (rule->arena != reader->arena || rule->kind == RULE_NONE || !rule->user_defined)
			continue;
		for (size_t s = 0; s < RULE_SCORE_SETS && !rule->has_score; s++)
			rule->score[s] = rule->tflags & TFLAG_NICE ? -score : score;
		rule->effective_priority = rule->priority != 0        ? rule->priority
		                           : rule->tflags & TFLAG_NET ? -100
		                                                      : 0;
	}
	compile_metas(reader, set);
	find_circles(reader, set);
}
