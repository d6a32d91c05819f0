/*
 * check.h - one message through the filter
 *
 * Owns: struct check.  Data: bytes of a message -> message, relays -> rules by priority -> metas ->
 *score; read by verdict (tags.h, report.h, rewrite.h).
 *
 * check_run() does one step and says what comes next, so that a server can look after other clients
 *in between:
 *
 *	BEGIN --parse, relays, plugins' parsed hooks--> PRIORITY --one group of rules of one
 *priority each--> HARVEST --all answers in, or given up--> FINISH --cleanup hooks, last metas-->
 *DONE
 *
 * CHECK_AGAIN: call again, any time; a call looks at some hundred KB of text at most.  CHECK_WAIT:
 *nothing to do before scan.wait says so (an outside program runs, DNS answers are on the way). A
 *spent budget (time, memory, match limits) is a result, never an abort: what was found so far
 *counts.
 */
#ifndef WINNOW_CHECK_CHECK_H
#define WINNOW_CHECK_CHECK_H

#include "check/gates.h"
#include "check/prefs.h"
#include "plugins/autolearnthreshold.h"
#include "plugins/bayes.h"

enum check_status { CHECK_AGAIN, CHECK_WAIT, CHECK_DONE };

enum check_state {
	CHECK_STATE_BEGIN,
	CHECK_STATE_RENDER, /* large messages only */
	CHECK_STATE_PRIORITY,
	CHECK_STATE_ANSWERS, /* between two steps of a priority: an eval wants all answers first */
	CHECK_STATE_HARVEST,
	CHECK_STATE_FINISH,
	CHECK_STATE_DONE
};

/* What a pass over the text of a large message has done so far. */
struct check_pass {
	size_t slot;
	size_t negated; /* index */
	size_t eval;    /* index */
	struct match_progress progress;
	struct match_hit hit;
	size_t bytes; /* of text that this call may still look at */
	struct match_run *unedited;
	bool is_late; /* the rules that see the unedited body are done */
};

struct check {
	struct scan scan;
	const struct filter *filter;
	const struct plan *plan;
	const struct prefs *prefs; /* NULL: none */
	bool *extra_done;          /* by index into prefs->extra */
	enum check_state state;
	size_t message_hooks; /* plugins whose message hook is done */
	size_t launch_hooks;  /* plugins whose before_launch hook is done */
	size_t priority;      /* index */
	unsigned step;        /* of the priority */
	bool is_in_step;      /* it goes on in the next call */
	bool answers_are_in;  /* of the priority in hand: waited for */
	struct check_pass pass;
	const struct gates *gates;
	VEC(const struct rule *) at_gate; /* gates that have no answer yet */
	bool shortcircuited;
	struct match_run **runs;         /* by group, made on first use */
	const struct slice **run_items;  /* by group: what runs looked at */
	const struct slice *body_of_run; /* body array that runs[PLAN_BODY] looked at */
	uint64_t *meta_bits;             /* metas worth evaluating */
	size_t fresh_done;               /* scan.fresh_hits looked at */
	int64_t begun_ms;
	unsigned lists_blocked;  /* that say we ask too much */
	struct dns_probe *probe; /* NULL: DNS works, says configuration */

	/* the verdict, when DONE */
	double score; /* rounded to 3 decimals */
	double required_score;
	bool is_spam;
	enum autolearn autolearn;      /* what was to be learned of it */
	enum bayes_result did_learn;   /* of _HAM and _SPAM */
	struct slice autolearn_forced; /* names of rules; "" none */
	struct slice score_text;       /* as reports print it, once somebody asked */
};

struct check_options {
	/* One user's settings over the filter's; NULL: none. */
	const struct prefs *prefs;
	/* At most so long, in ms, besides time_limit; 0 = no other limit. */
	int64_t limit_ms;
	/* Who asks name servers; the caller steps it.  NULL: nobody, no DNS. */
	struct resolver *resolver;
	/* What dns_available test found out, zeroed at first; of the process, as the resolver.
	 * NULL: no test. */
	struct dns_probe *probe;
	/* The process's way to what was learned, and whose that is; NULL: nothing is. */
	struct learner *learner;
	struct learner_user learner_user;
};

/*
 * input must live as long as the arena.  match is the worker's; it is not used between calls of
 * check_run, so several checks may share it.  NULL: the arena cannot even hold the beginnings.
 */
struct check *check_create(const struct filter *filter, struct arena *arena,
                           struct match_scratch *match, struct slice input,
                           const struct check_options *options);
enum check_status check_run(struct check *check);
/* Sleeps until check_run() has something to do after CHECK_WAIT, at most a second; steps the
 * resolver.  For a process that has nothing else to look after. */
void check_sleep(struct check *check);
/*
 * Instead of a scan: tells the plugins' services that the message is spam, or was not (is_revoke).
 * text: the message without markup.  true: one of them took it.
 */
bool check_report(struct check *check, struct slice text, bool is_revoke);
/* Runs to the end. */
void check_run_all(struct check *check);
/* Relays and envelope of the message: the beginning of a scan, and of learning without one. */
void check_find_route(struct scan *scan);

/* As configuration says (dns_server, dns_options, dns_local_ports_*): for check_options. NULL: no
 * network tests, or it cannot be had, which is logged. */
struct resolver *check_resolver(const struct filter *filter);
/* The same for one server alone; no_checking: the CD bit. */
struct resolver *check_resolver_of(const struct filter *filter, struct slice server,
                                   bool no_checking);

#endif
