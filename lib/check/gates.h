/*
 * gates.h - rules that a scan which may end early waits for
 *
 * Owns: struct gates.  The reference asks about SPF and DKIM in the eval itself, so these rules
 * have hit, and may have ended the scan, before the rules after them run.  Here an eval goes on
 * without the answer; where a rule may still end the scan (`shortcircuit`), it waits behind the
 * step that asked.  Rules that ask lists are no gates: in the reference too they hit whenever their
 * answers come.
 *
 * Data: `shortcircuit` lines, metas -> gates_build() -> check.c.
 */
#ifndef WINNOW_CHECK_GATES_H
#define WINNOW_CHECK_GATES_H

#include "check/plan.h"

struct gate_meta {
	unsigned index; /* into plan->metas */
	int turn;       /* the priority after which all that it names is decided */
};

struct gates {
	bool *is_gate; /* by rule number: an eval to wait for; NULL: there are none */
	/* Metas that the plan has in its last pass, but that gates and their like decide, in its
	 * order. */
	VEC(struct gate_meta) metas;
};

/* conf: the configuration with preferences over it.  Without memory: no gates. */
void gates_build(struct gates *gates, struct arena *arena, const struct conf *conf,
                 const struct plan *plan);

#endif
