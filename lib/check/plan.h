/*
 * plan.h - in which order and by which tables the rules run
 *
 * Owns: struct plan: one match_set for each kind of input, the priorities, the evals of each, the
 * metas in order. Built once from the finished ruleset; nothing at scan time touches a rule that
 * cannot hit.
 */
#ifndef WINNOW_CHECK_PLAN_H
#define WINNOW_CHECK_PLAN_H

#include "plugins/scan.h"

/* Kinds of input; every header accessor is a group of its own after these. */
enum plan_group_kind { PLAN_BODY, PLAN_URI, PLAN_RAWBODY, PLAN_FULL, PLAN_TEXT_GROUPS };

struct plan_group {
	enum plan_group_kind kind; /* PLAN_TEXT_GROUPS: a header */
	struct slice header;       /* accessor as written, lower and upper case kept */
	unsigned header_number;    /* in plan->headers */
	struct slice if_unset;     /* data NULL: none */
	struct match_set *set;
	const struct rule **rules; /* by slot */
	uint64_t *empty_hits;      /* slots that match an empty item (missing header) */
	uint64_t *early;           /* body: slots that see the text before FreeMail edits it */
	bool has_negated;
};

/* One group's rules of one priority. */
struct plan_pass {
	unsigned group;
	const uint64_t *mask;    /* slots of this priority; NULL: all of the set */
	const unsigned *negated; /* slots of !~ rules */
	size_t negated_count;
};

struct plan_rules {
	const struct rule **items;
	size_t count;
	size_t size;
};

struct plan_eval {
	const struct rule *rule;
	int (*run)(struct scan *scan, const struct eval_call *call);
	struct eval_call call; /* all but the lines; settings are the site's */
};

typedef VEC(struct plan_eval) plan_evals;

struct plan_exists {
	const struct rule *rule;
	unsigned header_number;
};

struct plan_priority {
	int priority;
	VEC(struct plan_pass) headers;
	struct plan_pass text[PLAN_TEXT_GROUPS]; /* group SIZE_MAX as unsigned: none */
	bool has_text[PLAN_TEXT_GROUPS];
	VEC(struct plan_exists) exists; /* header NAME exists: */
	struct plan_rules templates;    /* rules with %{NAME}: compiled for the message */
	plan_evals header_evals, body_evals, rawbody_evals, full_evals;
	bool needs_answers; /* one of the header evals comes after all answers (EVAL_AFTER_ANSWERS)
	                     */
	size_t meta_begin, meta_end; /* metas settled after this priority */
};

struct plan {
	VEC(struct plan_group) groups; /* [0..PLAN_TEXT_GROUPS-1] are the text groups */
	struct plan_priority *priorities;
	size_t priority_count;
	struct header_table headers; /* what rules and evals look at */

	/* Metas in order of evaluation: (stage, dependency). */
	const struct rule **metas;
	struct meta_programs *meta_programs;
	size_t meta_count;
	size_t last_meta_begin; /* those of the last pass */
	/* By meta, from last_meta_begin on: after which priority (index) it is settled if all
	 * answers are in by then; priority_count: not before the last pass. */
	size_t *answered_stage;
	/* For score sets 0 and 1, and for 2 and 3. */
	uint64_t *meta_always[2]; /* bits: true of no hits at all, or unknown: evaluated for every
	                             message */
	uint64_t *meta_never[2];  /* bits: names a meta that never runs */
	/* rule number -> metas that name it */
	const unsigned **dependents;
	unsigned *dependent_count;
	size_t rule_count;
	plan_evals rbl_evals; /* run when DNS questions leave, whatever their priority */
	unsigned score_set;   /* every rule here has a score in it */
	const struct rule *time_limit_rule;
};

struct cache;

/* cache: where tables may be found, NULL: nowhere.  NULL: no memory. */
struct plan *plan_build(struct arena *arena, struct conf *conf, const struct scan_env *env,
                        const struct cache *cache, unsigned match_flags, const struct log *log,
                        struct error *error);

/* Does this rule run in that score set, or once Bayes is ready? */
bool plan_rule_runs(const struct rule *rule, const struct scan_env *env);

#endif
