/*
 * steps.h - the steps of a scan, for check.c, which has their order
 *
 * Private to check/.  Owns: what begin.c, metas.c, match.c and single.c do for check_run(); each
 * step goes on where it stopped when it is called again.
 */
#ifndef WINNOW_CHECK_STEPS_H
#define WINNOW_CHECK_STEPS_H

#include "check/check.h"
#include "check/plan.h"

/* ---- begin.c ---- */

void check_begin(struct check *check);
/* dns_available test[: NAMES].  false: not known yet. */
bool check_is_dns_tested(struct check *check);
/* false: one of them waits. */
bool check_message_hooks(struct check *check);

/* ---- metas.c ---- */

/* Metas [from, to): a hit may wake others, which always stand further on. */
void check_run_metas(struct check *check, size_t from, size_t to);
/* Metas over gates, which are decided by now. */
void check_run_gate_metas(struct check *check, int priority);

/* ---- match.c ---- */

/* What a group of rules looks at: lines of the body, URIs, the message. */
struct check_items {
	const struct slice *items;
	size_t count;
};

/* Which rules of a pass: all, or only those that FreeMail's edit of the body came before or after.
 */
enum pass_part { PASS_ALL, PASS_EARLY, PASS_LATE };

/* What debug lines show for a rule that hit because nothing matched. */
extern const struct slice check_negative_match;

struct check_items check_items_of(struct scan *scan, enum plan_group_kind kind);
/* Of debug lines. */
const char *check_area_of(enum rule_kind kind);
/* It is not to be gone through in one call. */
bool check_is_large(const struct check *check);
void check_log_limit(struct check *check, const struct rule *rule);
void check_add_hits(struct check *check, const struct rule *rule, unsigned count,
                    struct slice text);
/* match_captures of a check: a named group of a rule that hit. */
void check_capture(void *data, struct slice name, struct slice value);
/* false: the rest comes in the next call. */
bool check_run_pass(struct check *check, const struct plan_pass *pass, enum pass_part part);
/* The body pass of priority 0 once FreeMail has edited the text: two texts, each rule its own. */
bool check_run_body_twice(struct check *check, const struct plan_pass *pass);
void check_run_exists(struct check *check, const struct plan_priority *p);

/* ---- single.c ---- */

/* A template may use what another template of the same priority captured: round and round. */
void check_run_templates(struct check *check, const struct plan_rules *list);
/* false: the rest comes in the next call. */
bool check_run_evals(struct check *check, const plan_evals *list, struct check_items items);
/* Those of the user's rules up to this priority that have not run, and the user's metas. */
void check_run_extra(struct check *check, int priority);
void check_run_extra_metas(struct check *check);

#endif
