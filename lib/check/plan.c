/*
 * plan.c - in which order and by which tables the rules run
 */
#include "check/plan.h"

#include <stdlib.h>

#include "check/cache.h"

struct builder {
	struct arena *arena;
	struct conf *conf;
	const struct scan_env *env;
	const struct ruleset *rules;
	struct plan *plan;
	struct hashmap header_groups; /* accessor + NUL + if-unset -> group index + 1 */
	int *priorities;
	size_t priority_count;
	bool answers_are_in; /* of decided_stage() */
};

bool
plan_rule_runs(const struct rule *rule, const struct scan_env *env)
{
	if (rule->kind == RULE_NONE || (rule->score[env->score_set] == 0 &&
	                                (!env->may_learn || rule->score[env->score_set | 2] == 0)))
		return false;
	if (!rule_is_eval(rule->kind))
		return true;
	if ((rule->tflags & TFLAG_NET) && !(env->score_set & 1))
		return false;
	if ((rule->tflags & TFLAG_LEARN) && !env->may_learn)
		return false;
	return rule->kind != RULE_RBL_EVAL || !env->local_tests_only;
}

static bool
push_rule(struct arena *arena, struct plan_rules *list, const struct rule *rule)
{
	return vec_push(arena, list, rule) != NULL;
}

/* ---- priorities ---- */

static int
by_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static bool
collect_priorities(struct builder *b)
{
	size_t count = 0, kept = 0;
	int *list = arena_new_array(b->arena, int, b->rules->count + 1);

	if (list == NULL)
		return false;
	for (size_t i = 0; i < b->rules->count; i++)
		if (b->rules->rules[i]->kind != RULE_NONE)
			list[count++] = b->rules->rules[i]->effective_priority;
	qsort(list, count, sizeof(*list), by_int);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || list[kept - 1] != list[i])
			list[kept++] = list[i];
	b->priorities = list;
	b->priority_count = kept;
	b->plan->priorities = arena_new_array(b->arena, struct plan_priority, kept + 1);
	b->plan->priority_count = kept;
	for (size_t i = 0; b->plan->priorities != NULL && i < kept; i++)
		b->plan->priorities[i].priority = list[i];
	return b->plan->priorities != NULL;
}

static size_t
priority_index(const struct builder *b, const struct rule *rule)
{
	const int *at = bsearch(&rule->effective_priority, b->priorities, b->priority_count,
	                        sizeof(int), by_int);

	return at == NULL ? 0 : (size_t)(at - b->priorities);
}

/* ---- groups ---- */

static struct plan_group *
add_group(struct builder *b, enum plan_group_kind kind)
{
	struct plan_group group = {.kind = kind, .set = match_set_create(b->arena)};

	if (group.set == NULL)
		return NULL;
	match_set_model(group.set, kind == PLAN_TEXT_GROUPS ? MATCH_MODEL_HEADER
	                           : kind == PLAN_URI       ? MATCH_MODEL_URI
	                           : kind == PLAN_BODY      ? MATCH_MODEL_TEXT
	                                                    : MATCH_MODEL_RAW);
	return vec_push(b->arena, &b->plan->groups, group);
}

static struct plan_group *
header_group(struct builder *b, const struct rule *rule)
{
	struct slice key =
		arena_printf(b->arena, "%.*s\n%s%.*s", SLICE_FMT(rule->header),
	                     rule->if_unset.data == NULL ? "" : "=", SLICE_FMT(rule->if_unset));
	size_t at = (size_t)(uintptr_t)hashmap_get(&b->header_groups, key);
	struct plan_group *group;

	if (at != 0)
		return &b->plan->groups.items[at - 1];
	group = add_group(b, PLAN_TEXT_GROUPS);
	if (group == NULL)
		return NULL;
	group->header = rule->header;
	group->header_number = header_table_add(&b->plan->headers, rule->header);
	if (group->header_number == HEADER_NONE)
		return NULL;
	group->if_unset = rule->if_unset;
	hashmap_set(&b->header_groups, key, (void *)(uintptr_t)b->plan->groups.count);
	return group;
}

static unsigned
match_flags_of(const struct rule *rule)
{
	return (rule->tflags & TFLAG_MULTIPLE && !rule->negated ? MATCH_MULTIPLE : 0) |
	       (rule->tflags & TFLAG_NOSUBJECT && rule->kind == RULE_BODY ? MATCH_NOSUBJECT : 0) |
	       (regex_sets_tags(rule->regex) ? MATCH_CAPTURES : 0);
}

static struct plan_group *
group_of(struct builder *b, const struct rule *rule)
{
	switch (rule->kind) {
	case RULE_HEADER:
		return header_group(b, rule);
	case RULE_BODY:
		return &b->plan->groups.items[PLAN_BODY];
	case RULE_URI:
		return &b->plan->groups.items[PLAN_URI];
	case RULE_RAWBODY:
		return &b->plan->groups.items[PLAN_RAWBODY];
	case RULE_FULL:
		return &b->plan->groups.items[PLAN_FULL];
	case RULE_NONE:
	case RULE_HEADER_EVAL:
	case RULE_RBL_EVAL:
	case RULE_BODY_EVAL:
	case RULE_RAWBODY_EVAL:
	case RULE_FULL_EVAL:
	case RULE_META:
	case RULE_EMPTY:
		break;
	}
	return NULL;
}

/* A rule without a place in a set: exists, templates. */
static bool
place_special(struct builder *b, const struct rule *rule)
{
	struct plan_priority *p = &b->plan->priorities[priority_index(b, rule)];

	if (rule->exists) {
		struct plan_exists exists = {rule,
		                             header_table_add(&b->plan->headers, rule->header)};

		return exists.header_number != HEADER_NONE &&
		       vec_push(b->arena, &p->exists, exists) != NULL;
	}
	return push_rule(b->arena, &p->templates, rule);
}

static bool
is_special(const struct rule *rule)
{
	return rule->exists || (rule->regex != NULL && regex_template_count(rule->regex) > 0);
}

static bool
place_regex(struct builder *b, const struct rule *rule)
{
	struct plan_group *group;

	if (is_special(rule))
		return place_special(b, rule);
	group = group_of(b, rule);
	if (group == NULL)
		return false;
	group->has_negated |= rule->negated;
	return match_set_add(group->set, rule->number, rule->regex, match_flags_of(rule),
	                     rule->maxhits) != MATCH_NONE;
}

static plan_evals *
eval_list(struct plan_priority *p, enum rule_kind kind)
{
	return kind == RULE_BODY_EVAL      ? &p->body_evals
	       : kind == RULE_RAWBODY_EVAL ? &p->rawbody_evals
	       : kind == RULE_FULL_EVAL    ? &p->full_evals
	                                   : &p->header_evals;
}

static bool
place_eval(struct builder *b, const struct rule *rule)
{
	plan_evals *list =
		rule->kind == RULE_RBL_EVAL
			? &b->plan->rbl_evals
			: eval_list(&b->plan->priorities[priority_index(b, rule)], rule->kind);
	struct plan_eval eval = {.rule = rule};

	if (rule->eval.eval == NULL)
		return true; /* said when the configuration was read */
	if (rule->kind == RULE_HEADER_EVAL && (rule->eval.eval->kinds & EVAL_AFTER_ANSWERS))
		b->plan->priorities[priority_index(b, rule)].needs_answers = true;
	eval.run = rule->eval.eval->run;
	eval.call = (struct eval_call){
		.rule = rule,
		.args = rule->eval.args.items,
		.arg_count = rule->eval.args.count,
		.data = rule->eval.data,
		.settings = b->conf->blocks.items[rule->eval.block].settings,
	};
	return vec_push(b->arena, list, eval) != NULL;
}

static bool
place_rules(struct builder *b)
{
	for (size_t i = 0; i < b->rules->count; i++) {
		const struct rule *rule = b->rules->rules[i];

		if (!plan_rule_runs(rule, b->env) || rule->kind == RULE_META ||
		    rule->kind == RULE_EMPTY)
			continue;
		if (rule->regex != NULL || rule->exists) {
			if (!place_regex(b, rule))
				return false;
			continue;
		}
		if (rule_is_eval(rule->kind) && !place_eval(b, rule))
			return false;
	}
	return true;
}

/* ---- passes: which slots at which priority ---- */

static bool
add_pass(struct builder *b, size_t group_index, size_t priority, size_t first_slot)
{
	const struct plan_group *group = &b->plan->groups.items[group_index];
	struct plan_priority *p = &b->plan->priorities[priority];
	size_t count = match_set_count(group->set), words = match_set_words(group->set);
	uint64_t *mask = arena_new_array(b->arena, uint64_t, words + 1);
	unsigned *negated = arena_new_array(b->arena, unsigned, count + 1);
	struct plan_pass pass = {.group = (unsigned)group_index, .negated = negated};

	if (mask == NULL || negated == NULL)
		return false;
	for (size_t s = first_slot; s < count; s++) {
		if (priority_index(b, group->rules[s]) != priority)
			continue;
		if (group->rules[s]->negated)
			negated[pass.negated_count++] = (unsigned)s;
		else
			mask[s / 64] |= (uint64_t)1 << (s % 64);
	}
	pass.mask = mask;
	if (group->kind == PLAN_TEXT_GROUPS)
		return vec_push(b->arena, &p->headers, pass) != NULL;
	p->text[group->kind] = pass;
	p->has_text[group->kind] = true;
	return true;
}

static bool
group_passes(struct builder *b, size_t group_index)
{
	struct plan_group *group = &b->plan->groups.items[group_index];
	size_t count = match_set_count(group->set);
	bool *seen = arena_new_array(b->arena, bool, b->priority_count + 1);

	group->rules = arena_new_array(b->arena, const struct rule *, count + 1);
	if (group->rules == NULL || seen == NULL)
		return false;
	for (size_t s = 0; s < count; s++)
		group->rules[s] = b->rules->rules[match_set_rule(group->set, s)];
	for (size_t s = 0; s < count; s++) {
		size_t p = priority_index(b, group->rules[s]);

		if (seen[p])
			continue;
		seen[p] = true;
		if (!add_pass(b, group_index, p, s))
			return false;
	}
	return true;
}

enum { EARLY_LITERAL = 5 };

/*
 * Body rules that sa-compile takes run before FreeMail edits the body, the others after it.  Which
 * it takes is the affair of its extractor; the nearest simple rule: five plain characters in a
 * row, no anchor in front, no address.
 */
static bool
is_early_body_rule(const struct rule *rule)
{
	struct slice text = rule->regex == NULL ? SLICE("") : regex_text(rule->regex);
	size_t run = 0, best = 0, i = 0;

	/* with <TAG>s of replace_rules it has few */
	for (size_t k = 0; (k = slice_find_byte(rule->text, '<', k)) != SLICE_NPOS; k++)
		if (k + 1 < rule->text.len && byte_is_upper(rule->text.data[k + 1]))
			return false;
	while (slice_starts(slice_from(text, i), SLICE("(?")) && i + 2 < text.len) {
		size_t end = i + 2;

		while (end < text.len && (byte_is_alpha(text.data[end]) || text.data[end] == '^'))
			end++;
		if (end == text.len || (text.data[end] != ')' && text.data[end] != ':'))
			break;
		i = end + 1;
	}
	if (i < text.len && text.data[i] == '^')
		return false;
	for (; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c == '@')
			return false;
		if (byte_is_alnum(c) || c == ' ') {
			run++;
			continue;
		}
		/* what may be missing does not count */
		if ((c == '?' || c == '*' || c == '{') && run > 0)
			run--;
		best = run > best ? run : best;
		run = 0;
		if (c == '\\')
			i++;
		else if (c == '[' || c == '{')
			while (i + 1 < text.len && text.data[i + 1] != (c == '[' ? ']' : '}'))
				i++;
	}
	return (run > best ? run : best) >= EARLY_LITERAL;
}

static bool
mark_early(struct builder *b, struct plan_group *group)
{
	size_t count = match_set_count(group->set);

	group->early = arena_new_array(b->arena, uint64_t, match_set_words(group->set) + 1);
	if (group->early == NULL)
		return false;
	for (size_t s = 0; s < count; s++)
		if (is_early_body_rule(group->rules[s]))
			group->early[s / 64] |= (uint64_t)1 << (s % 64);
	return true;
}

/* Which rules of a header group match a header that is not there: asked once, here. */
static bool
find_empty_hits(struct builder *b, struct plan_group *group, struct match_scratch *scratch)
{
	static const struct slice empty = {(const unsigned char *)"", 0};
	size_t count = match_set_count(group->set);
	struct slice item = group->if_unset.data != NULL ? group->if_unset : empty;

	group->empty_hits = arena_new_array(b->arena, uint64_t, match_set_words(group->set) + 1);
	if (group->empty_hits == NULL)
		return false;
	for (size_t s = 0; s < count; s++)
		if (regex_is_match(match_set_regex(group->set, s), match_scratch_regex(scratch),
		                   item))
			group->empty_hits[s / 64] |= (uint64_t)1 << (s % 64);
	return true;
}

static enum status
build_groups(struct builder *b, unsigned match_flags, struct error *error)
{
	struct match_scratch *scratch = match_scratch_create();
	enum status status = STATUS_OK;

	if (scratch == NULL)
		return STATUS_LIMIT;
	for (size_t g = 0; g < b->plan->groups.count && status == STATUS_OK; g++) {
		struct plan_group *group = &b->plan->groups.items[g];

		status = match_set_build(group->set, match_flags, error);
		if (status == STATUS_OK && !group_passes(b, g))
			status = STATUS_LIMIT;
		if (status == STATUS_OK && group->kind == PLAN_BODY && !mark_early(b, group))
			status = STATUS_LIMIT;
		if (status == STATUS_OK && group->kind == PLAN_TEXT_GROUPS &&
		    (match_flags & MATCH_BUILD_CODE) && !find_empty_hits(b, group, scratch))
			status = STATUS_LIMIT;
	}
	match_scratch_destroy(&scratch);
	return status;
}

/* ---- metas ---- */

struct meta_order {
	const struct rule *rule;
	size_t stage;   /* priority index, or priority_count: the last pass */
	unsigned depth; /* longest chain of metas below it */
};

/* Its plugin asks other hosts: the answer comes later than the rule's turn. */
static bool
is_asked_outside(const struct builder *b, const struct rule *rule)
{
	const struct plugin *plugin = NULL;

	return plugins_find_eval(conf_plugins(b->conf), rule->eval.function, &plugin) != NULL &&
	       plugin->needs_network && !b->env->local_tests_only;
}

/* After which priority is a rule decided whatever the message? priority_count: only at the end. */
static size_t
decided_stage(const struct builder *b, const struct rule *rule)
{
	if (!plan_rule_runs(rule, b->env) || rule->kind == RULE_EMPTY ||
	    (rule_is_eval(rule->kind) && rule->eval.eval == NULL))
		return b->priority_count;
	/* Templates may not run at all. */
	if (is_special(rule) && !rule->exists)
		return b->priority_count;
	/* What needs answers is pending. */
	if (!b->answers_are_in && (rule->kind == RULE_RBL_EVAL ||
	                           (rule_is_eval(rule->kind) && is_asked_outside(b, rule)) ||
	                           ((rule->tflags & TFLAG_NET) && !rule->exists)))
		return b->priority_count;
	return priority_index(b, rule);
}

static int
by_stage(const void *a, const void *b)
{
	const struct meta_order *x = a, *y = b;

	if (x->stage != y->stage)
		return x->stage < y->stage ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->rule->number < y->rule->number ? -1 : x->rule->number > y->rule->number;
}

/*
 * Stage and depth of every meta by passes until nothing changes: chains are short, circles are
 * marked broken already and name nothing.
 */
static void
order_metas(struct builder *b, struct meta_order *order, size_t count, const unsigned *index_of)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < count; i++) {
			size_t n;
			const unsigned *deps = meta_dependencies(order[i].rule->meta, &n);

			for (size_t k = 0; k < n && !order[i].rule->meta_is_broken; k++) {
				const struct rule *dep = b->rules->rules[deps[k]];
				size_t stage;

				if (dep->kind == RULE_META && index_of[deps[k]] != 0) {
					const struct meta_order *d = &order[index_of[deps[k]] - 1];

					stage = d->stage;
					if (order[i].depth <= d->depth) {
						order[i].depth = d->depth + 1;
						changed = true;
					}
				} else {
					stage = decided_stage(b, dep);
				}
				if (order[i].stage < stage) {
					order[i].stage = stage;
					changed = true;
				}
			}
			if (meta_is_empty(order[i].rule->meta))
				order[i].stage = b->priority_count;
		}
	}
}

static bool
link_dependents(struct builder *b)
{
	struct plan *plan = b->plan;
	unsigned *filled = arena_new_array(b->arena, unsigned, b->rules->count + 1);

	plan->rule_count = b->rules->count;
	plan->score_set = b->env->score_set;
	plan->dependents = arena_new_array(b->arena, const unsigned *, b->rules->count + 1);
	plan->dependent_count = arena_new_array(b->arena, unsigned, b->rules->count + 1);
	if (filled == NULL || plan->dependents == NULL || plan->dependent_count == NULL)
		return false;
	for (int fill = 0; fill < 2; fill++)
		for (size_t i = 0; i < plan->meta_count; i++) {
			size_t n;
			const unsigned *deps = meta_dependencies(plan->metas[i]->meta, &n);

			for (size_t k = 0; k < n; k++) {
				unsigned rule = deps[k];

				if (fill == 0) {
					plan->dependent_count[rule]++;
					continue;
				}
				if (plan->dependents[rule] == NULL &&
				    (plan->dependents[rule] =
				             arena_new_array(b->arena, unsigned,
				                             plan->dependent_count[rule])) == NULL)
					return false;
				/* The list is ours until the plan is built. */
				((unsigned *)(uintptr_t)plan->dependents[rule])[filled[rule]++] =
					(unsigned)i;
			}
		}
	return true;
}

static double
no_hits(void *data, unsigned rule)
{
	(void)data, (void)rule;
	return 0;
}

/*
 * Metas that are true when nothing hits, and metas that can never be decided; in the score sets
 * with what was learned, and in those without.
 */
static bool
mark_metas(struct builder *b, bool is_learned)
{
	struct plan *plan = b->plan;
	size_t words = (plan->meta_count + 63) / 64 + 1;
	unsigned set = is_learned ? b->env->score_set | 2 : b->env->score_set;
	bool *never = arena_new_array(b->arena, bool, b->rules->count + 1);
	uint64_t *meta_never = arena_new_array(b->arena, uint64_t, words);

	plan->meta_never[is_learned] = meta_never;
	plan->meta_always[is_learned] = arena_new_array(b->arena, uint64_t, words);
	if (never == NULL || plan->meta_always[is_learned] == NULL || meta_never == NULL)
		return false;
	for (size_t i = 0; i < b->rules->count; i++)
		never[i] = b->rules->rules[i]->kind == RULE_META &&
		           (!plan_rule_runs(b->rules->rules[i], b->env) ||
		            b->rules->rules[i]->score[set] == 0);
	for (size_t i = 0; i < plan->meta_count; i++) {
		const struct rule *rule = plan->metas[i];
		size_t n;
		const unsigned *deps = meta_dependencies(rule->meta, &n);

		for (size_t k = 0; k < n; k++)
			never[rule->number] |= never[deps[k]];
		if (rule->meta_is_broken || never[rule->number])
			meta_never[i / 64] |= (uint64_t)1 << (i % 64);
		else if (meta_eval_fn(rule->meta, no_hits, NULL) != 0)
			plan->meta_always[is_learned][i / 64] |= (uint64_t)1 << (i % 64);
	}
	return true;
}

static bool
join_programs(struct builder *b)
{
	struct plan *plan = b->plan;
	const struct meta **metas =
		arena_new_array(b->arena, const struct meta *, plan->meta_count + 1);

	if (metas == NULL)
		return false;
	for (size_t i = 0; i < plan->meta_count; i++)
		metas[i] = plan->metas[i]->meta;
	plan->meta_programs = meta_programs_create(b->arena, metas, plan->meta_count);
	return plan->meta_programs != NULL;
}

/* The last pass again, as if answers were in when their rules had their turn. */
static bool
find_answered_stages(struct builder *b, const struct meta_order *order, size_t count,
                     unsigned *index_of)
{
	struct plan *plan = b->plan;
	struct meta_order *again = arena_new_array(b->arena, struct meta_order, count + 1);

	plan->answered_stage = arena_new_array(b->arena, size_t, count + 1);
	if (again == NULL || plan->answered_stage == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		again[i].rule = order[i].rule;
		index_of[order[i].rule->number] = (unsigned)i + 1;
	}
	b->answers_are_in = true;
	order_metas(b, again, count, index_of);
	b->answers_are_in = false;
	for (size_t i = 0; i < count; i++)
		plan->answered_stage[i] = again[i].stage;
	return true;
}

static bool
place_metas(struct builder *b)
{
	struct plan *plan = b->plan;
	struct meta_order *order =
		arena_new_array(b->arena, struct meta_order, b->rules->count + 1);
	unsigned *index_of = arena_new_array(b->arena, unsigned, b->rules->count + 1);
	size_t count = 0, at = 0;

	if (order == NULL || index_of == NULL)
		return false;
	for (size_t i = 0; i < b->rules->count; i++) {
		const struct rule *rule = b->rules->rules[i];

		if (rule->kind != RULE_META || rule->meta == NULL || !plan_rule_runs(rule, b->env))
			continue;
		order[count++].rule = rule;
		index_of[i] = (unsigned)count;
	}
	order_metas(b, order, count, index_of);
	qsort(order, count, sizeof(*order), by_stage);
	plan->metas = arena_new_array(b->arena, const struct rule *, count + 1);
	if (plan->metas == NULL)
		return false;
	plan->meta_count = count;
	for (size_t i = 0; i < count; i++)
		plan->metas[i] = order[i].rule;
	if (!join_programs(b))
		return false;
	for (size_t p = 0; p < b->priority_count; p++) {
		plan->priorities[p].meta_begin = at;
		while (at < count && order[at].stage == p)
			at++;
		plan->priorities[p].meta_end = at;
	}
	plan->last_meta_begin = at;
	return find_answered_stages(b, order, count, index_of) && link_dependents(b) &&
	       mark_metas(b, false) && mark_metas(b, true);
}

struct plan *
plan_build(struct arena *arena, struct conf *conf, const struct scan_env *env,
           const struct cache *cache, unsigned match_flags, const struct log *log,
           struct error *error)
{
	struct builder b = {.arena = arena, .conf = conf, .env = env, .rules = conf_rules(conf)};

	b.plan = arena_new(arena, struct plan);
	if (b.plan == NULL)
		return NULL;
	hashmap_init(&b.header_groups, arena);
	header_table_init(&b.plan->headers, arena);
	if (!scan_headers_register(&b.plan->headers))
		return NULL;
	for (int k = 0; k < PLAN_TEXT_GROUPS; k++)
		if (add_group(&b, (enum plan_group_kind)k) == NULL)
			return NULL;
	if (!collect_priorities(&b) || !place_rules(&b))
		return NULL;
	if (cache != NULL && (match_flags & MATCH_BUILD_TABLES) != 0)
		cache_use(cache, b.plan);
	if (build_groups(&b, match_flags, error) != STATUS_OK || !place_metas(&b))
		return NULL;
	b.plan->time_limit_rule = ruleset_find(b.rules, SLICE("TIME_LIMIT_EXCEEDED"));
	log_debug(log, "rules", "%zu rules, %zu groups, %zu priorities, %zu metas", b.rules->count,
	          b.plan->groups.count, b.priority_count, b.plan->meta_count);
	return b.plan;
}
