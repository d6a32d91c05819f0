/*
 * dns_check_ask.h - questions of --dns-check, many at once
 *
 * Owns: struct asked, struct run.  Data: name, type -> resolver -> struct asked with answer and
 * time.
 */
#ifndef WINNOW_CMD_DNS_CHECK_ASK_H
#define WINNOW_CMD_DNS_CHECK_ASK_H

#include "dns/resolver.h"

/* Questions that are waited for together. */
struct run {
	struct arena *arena;
	int64_t begun_ms;
	size_t open;
};

struct asked {
	struct resolver_query query; /* first */
	struct run *run;
	struct slice name;
	unsigned type;
	bool done;
	int64_t ms;
	struct dns_answer answer;
};

/* resolver NULL: it failed. */
void asked_start(struct run *run, struct resolver *resolver, struct asked *a, struct slice name,
                 unsigned type);
/* Until all have ended, limit_ms at most; those of several resolvers. */
void run_wait(struct run *run, struct resolver *const *resolvers, size_t count, int64_t limit_ms);
/* Nobody waits any more. */
void asked_end(struct asked *a);

/* A server said what there is, or that there is nothing. */
bool asked_is_good(const struct asked *a);
/* "ok", "timeout", "failed", "REFUSED"... */
const char *asked_state(const struct asked *a);

#endif
