/*
 * autolearnthreshold.h - is a message to be learned from?
 *
 * Source: Plugin/AutoLearnThreshold.pm and PerMsgStatus.pm (points of auto-learning) of 4.0.1.
 */
#ifndef WINNOW_PLUGINS_AUTOLEARNTHRESHOLD_H
#define WINNOW_PLUGINS_AUTOLEARNTHRESHOLD_H

#include "plugins/scan.h"

struct autolearn_points {
	double all;  /* 3 decimals: what the thresholds are compared with */
	double head; /* of header rules */
	double body;
	double learned;           /* of rules that say what was learned before */
	struct slice force_names; /* rules with autolearn_force, comma separated; "" = none */
};

enum autolearn {
	AUTOLEARN_DISABLED,
	AUTOLEARN_UNTRIED, /* the time limit was exceeded */
	AUTOLEARN_NO,
	AUTOLEARN_HAM,
	AUTOLEARN_SPAM
};

/* Points in the score set that has no learning in it. */
void autolearn_points(struct scan *scan, struct autolearn_points *points_r);
/* The same, of the hits that were there when somebody first asked for it (the reference: TxRep asks
 * before the last metas are settled). */
const struct autolearn_points *autolearn_points_kept(struct scan *scan);
/*
 * What is to be learned.  Call when all rules have run; is_spam is the verdict.  points_r is
 * filled but for AUTOLEARN_DISABLED and _UNTRIED.
 */
enum autolearn autolearn_decide(struct scan *scan, bool is_spam, struct autolearn_points *points_r);

#endif
