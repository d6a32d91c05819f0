/*
 * match.c - regex rules, pass by pass
 */
#include "check/steps.h"

const char *
check_area_of(enum rule_kind kind)
{
	switch (kind) {
	case RULE_BODY:
	case RULE_BODY_EVAL:
		return "BODY: ";
	case RULE_URI:
		return "URI: ";
	case RULE_RAWBODY:
	case RULE_RAWBODY_EVAL:
		return "RAW: ";
	case RULE_FULL:
		return "FULL: ";
	case RULE_NONE:
	case RULE_HEADER:
	case RULE_HEADER_EVAL:
	case RULE_RBL_EVAL:
	case RULE_FULL_EVAL:
	case RULE_META:
	case RULE_EMPTY:
		break;
	}
	return "";
}

static struct check_items
uri_items(struct scan *scan)
{
	const struct uri_list *uris = scan_uris(scan);
	size_t count = uris == NULL ? 0 : uris->cleaned.count;
	struct slice *items = arena_new_array(scan->arena, struct slice, count + 1);

	if (items == NULL)
		return (struct check_items){NULL, 0};
	for (size_t i = 0; i < count; i++)
		items[i] = uris->cleaned.entries[i].key;
	return (struct check_items){items, count};
}

struct check_items
check_items_of(struct scan *scan, enum plan_group_kind kind)
{
	const struct text_lines *lines;

	switch (kind) {
	case PLAN_BODY:
		lines = scan_body(scan);
		return (struct check_items){lines->items, lines->count};
	case PLAN_RAWBODY:
		lines = scan_rawbody(scan);
		return (struct check_items){lines->items, lines->count};
	case PLAN_URI:
		return uri_items(scan);
	case PLAN_FULL:
		return (struct check_items){&scan->message->pristine, 1};
	case PLAN_TEXT_GROUPS:
		break;
	}
	return (struct check_items){NULL, 0};
}

void
check_log_limit(struct check *check, const struct rule *rule)
{
	check->scan.match_limit_exceeded = true;
	if (!match_scratch_first_limit(check->scan.match, rule->number))
		return;
	log_warn(check->scan.log, "rules",
	         "rule %.*s (%.*s line %u) reached its match limit and counts as not hit: simplify "
	         "its pattern",
	         SLICE_FMT(rule->name), SLICE_FMT(rule->file), rule->line_number);
}

static const char *
word_of(enum rule_kind kind)
{
	switch (kind) {
	case RULE_BODY:
		return "body";
	case RULE_URI:
		return "uri";
	case RULE_RAWBODY:
		return "rawbody";
	case RULE_FULL:
		return "full";
	case RULE_NONE:
	case RULE_HEADER:
	case RULE_HEADER_EVAL:
	case RULE_RBL_EVAL:
	case RULE_BODY_EVAL:
	case RULE_RAWBODY_EVAL:
	case RULE_FULL_EVAL:
	case RULE_META:
	case RULE_EMPTY:
		break;
	}
	return "header";
}

/* Readers of logs look for this line: its shape is the reference's. */
static void
log_hit(struct check *check, const struct rule *rule, struct slice text)
{
	log_debug(check->scan.log, "rules", "ran %s rule %.*s ======> got hit: \"%.*s\"",
	          word_of(rule->kind), SLICE_FMT(rule->name),
	          SLICE_FMT(log_quote(check->scan.arena, text, 1000)));
}

void
check_add_hits(struct check *check, const struct rule *rule, unsigned count, struct slice text)
{
	for (unsigned i = 0; i < count; i++)
		scan_hit(&check->scan, rule, check_area_of(rule->kind), 1);
	if (log_wants(check->scan.log, LOG_LEVEL_DEBUG, "rules"))
		log_hit(check, rule, text);
}

/* What a rule matched, for the log; costs a match of its own where tables alone decided. */
static struct slice
matched_text(struct check *check, struct match_run *run, unsigned group, size_t slot,
             struct match_hit *hit)
{
	if (!log_wants(check->scan.log, LOG_LEVEL_DEBUG, "rules"))
		return SLICE("");
	if (!hit->has_span)
		match_run_locate(run, slot, hit);
	if (!hit->has_span || check->run_items[group] == NULL)
		return SLICE("");
	return slice_sub(check->run_items[group][hit->item], hit->at.start,
	                 hit->at.end - hit->at.start);
}

const struct slice check_negative_match = {(const unsigned char *)"negative match", 14};

void
check_capture(void *data, struct slice name, struct slice value)
{
	struct check *check = data;

	if (name.len > 0 && byte_is_upper(name.data[0]))
		scan_add_tag_value(&check->scan, name, arena_dup(check->scan.arena, value));
}

/* Rules of the plan have scores; only preferences take them away. */
static bool
is_scored(const struct check *check, const struct plan_group *group, size_t slot)
{
	if (check->prefs == NULL && check->scan.env->score_set == check->plan->score_set)
		return true;
	return scan_rule_score(&check->scan,
	                       check->scan.rules->rules[group->rules[slot]->number]) != 0;
}

/*
 * A large message is looked at in pieces, so that other clients of the worker do not wait for it:
 * what a pass has done stands in check->pass, and false says that it goes on in the next call.
 * Pieces of so many bytes take some milliseconds.
 */
enum { LOOK_BYTES = 128 << 10, DECIDE_BYTES = 1 << 20, LARGE_BYTES = 1 << 20 };

bool
check_is_large(const struct check *check)
{
	return check->scan.message->pristine.len >= LARGE_BYTES;
}

static bool
decide_some(struct check *check, struct match_run *run, size_t slot, match_capture_fn fn)
{
	struct check_pass *pass = &check->pass;

	if (!match_run_some(run, slot, fn, check, &pass->progress, &pass->bytes, &pass->hit))
		return false;
	pass->progress.is_begun = false;
	return true;
}

static bool
run_slot(struct check *check, struct match_run *run, unsigned index, size_t slot)
{
	const struct plan_group *group = &check->plan->groups.items[index];
	const struct match_hit *hit = &check->pass.hit;
	const struct rule *rule;

	if (!is_scored(check, group, slot))
		return true;
	if (!decide_some(check, run, slot,
	                 match_run_has_captures(run, slot) ? check_capture : NULL))
		return false;
	if (hit->count == 0 && !hit->limit)
		return true;
	rule = check->scan.rules->rules[group->rules[slot]->number];
	if (hit->limit)
		check_log_limit(check, rule);
	if (hit->count > 0)
		check_add_hits(check, rule, hit->count,
		               matched_text(check, run, index, slot, &check->pass.hit));
	return true;
}

static bool
run_negated(struct check *check, struct match_run *run, const struct plan_group *group, size_t slot)
{
	const struct rule *rule = check->scan.rules->rules[group->rules[slot]->number];

	if (!is_scored(check, group, slot))
		return true;
	if (!decide_some(check, run, slot, NULL))
		return false;
	if (check->pass.hit.count == 0 && !check->pass.hit.limit)
		check_add_hits(check, rule, 1, check_negative_match);
	return true;
}

/* A header that is not there: what matches an empty text was found when the plan was made. */
static void
run_missing(struct check *check, const struct plan_pass *pass, const struct plan_group *group)
{
	size_t words = match_set_words(group->set);

	for (size_t w = 0; w < words; w++) {
		uint64_t bits = group->empty_hits[w] & pass->mask[w];

		for (; bits != 0; bits &= bits - 1) {
			const struct rule *rule =
				group->rules[w * 64 + (size_t)__builtin_ctzll(bits)];

			check_add_hits(check, check->scan.rules->rules[rule->number], 1, SLICE(""));
		}
	}
	for (size_t i = 0; i < pass->negated_count; i++) {
		size_t slot = pass->negated[i];

		if (!(group->empty_hits[slot / 64] >> (slot % 64) & 1))
			check_add_hits(check, check->scan.rules->rules[group->rules[slot]->number],
			               1, check_negative_match);
	}
}

/* The text of a header group; false: there is none, and none to take its place. */
static bool
header_item(struct check *check, const struct plan_group *group, struct slice *item_r)
{
	static const struct slice empty = {(const unsigned char *)"", 0};

	if (scan_header_number_joined(&check->scan, group->header_number, item_r))
		return true;
	*item_r = group->if_unset.data != NULL ? group->if_unset : empty;
	return group->empty_hits == NULL;
}

static struct match_run *
run_of(struct check *check, unsigned index, bool *missing_r)
{
	const struct plan_group *group = &check->plan->groups.items[index];
	struct match_run **run = &check->runs[index];
	struct scan *scan = &check->scan;
	struct check_items items;

	*missing_r = false;
	if (group->kind == PLAN_TEXT_GROUPS) {
		struct slice text, *item;

		if (*run != NULL)
			return *run;
		*missing_r = !header_item(check, group, &text);
		item = *missing_r ? NULL : arena_new(scan->arena, struct slice);
		if (item == NULL)
			return NULL;
		*item = text;
		items = (struct check_items){item, 1};
	} else {
		items = check_items_of(scan, group->kind);
		/* FreeMail edits the body array: what was looked at before is another text. */
		if (index == PLAN_BODY && *run != NULL && check->body_of_run != items.items)
			*run = NULL;
		if (*run != NULL)
			return *run;
	}
	check->run_items[index] = items.items;
	if (index == PLAN_BODY)
		check->body_of_run = items.items;
	*run = match_run_begin(scan->arena, group->set, scan->match, items.items, items.count,
	                       check->filter->options.no_prefilter ? MATCH_RUN_ALL : 0);
	return *run;
}

/* false: the rest comes in the next call.  *run becomes NULL when there is no memory for it. */
static bool
look_on(struct match_run **run)
{
	enum status status = match_run_look(*run, LOOK_BYTES);

	if (status == STATUS_LIMIT)
		*run = NULL;
	return status != STATUS_AGAIN;
}

static bool
run_slots(struct check *check, const struct plan_pass *pass, struct match_run *run,
          enum pass_part part)
{
	const struct plan_group *group = &check->plan->groups.items[pass->group];
	size_t *s = &check->pass.slot, *n = &check->pass.negated;

	for (; (*s = match_run_next(run, pass->mask, *s)) != MATCH_NONE; ++*s) {
		if (part != PASS_ALL &&
		    (group->early[*s / 64] >> (*s % 64) & 1) != (part == PASS_EARLY))
			continue;
		if (!run_slot(check, run, pass->group, *s))
			return false;
	}
	for (; *n < pass->negated_count && part != PASS_EARLY; ++*n)
		if (!run_negated(check, run, group, pass->negated[*n]))
			return false;
	*s = *n = 0;
	return true;
}

bool
check_run_pass(struct check *check, const struct plan_pass *pass, enum pass_part part)
{
	bool missing;
	struct match_run *run = run_of(check, pass->group, &missing);

	check->pass.bytes = DECIDE_BYTES;
	if (missing)
		run_missing(check, pass, &check->plan->groups.items[pass->group]);
	if (run == NULL)
		return true;
	if (!look_on(&check->runs[pass->group]))
		return false;
	run = check->runs[pass->group];
	return run == NULL || run_slots(check, pass, run, part);
}

/* The body pass of priority 0 once FreeMail has edited the text: two texts, each rule its own. */
bool
check_run_body_twice(struct check *check, const struct plan_pass *pass)
{
	const struct text_lines *lines = text_body(check->scan.message);
	struct match_run **run = &check->pass.unedited;

	if (check->pass.is_late)
		return check_run_pass(check, pass, PASS_LATE);
	if (*run == NULL)
		*run = match_run_begin(check->scan.arena,
		                       check->plan->groups.items[pass->group].set,
		                       check->scan.match, lines->items, lines->count,
		                       check->filter->options.no_prefilter ? MATCH_RUN_ALL : 0);
	check->run_items[pass->group] = lines->items;
	check->pass.bytes = DECIDE_BYTES;
	if (*run != NULL && !look_on(run))
		return false;
	if (*run != NULL && !run_slots(check, pass, *run, PASS_EARLY))
		return false;
	check->runs[pass->group] = NULL;
	check->pass.is_late = true;
	return false;
}

void
check_run_exists(struct check *check, const struct plan_priority *p)
{
	for (size_t i = 0; i < p->exists.count; i++)
		if (scan_header_number_exists(&check->scan, p->exists.items[i].header_number))
			check_add_hits(check,
			               check->scan.rules->rules[p->exists.items[i].rule->number], 1,
			               SLICE("exists"));
}
