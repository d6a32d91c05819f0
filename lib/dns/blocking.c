/*
 * blocking.c - one question, for who has nothing else to do
 */
#include "dns/blocking.h"

#include <poll.h>

#include "dns/wire.h"
#include "util/clock.h"

enum { LOOK_MS = 1000 };

struct question {
	struct resolver_query query; /* first */
	struct arena *arena;
	struct slice name;
	unsigned type;
	bool is_over;
	struct dns_answer answer;
};

static void
answered(struct resolver_query *query, enum dns_outcome outcome, struct slice bytes)
{
	struct question *q = (struct question *)query;

	q->is_over = true;
	q->answer.outcome = outcome;
	if (outcome == DNS_ANSWERED &&
	    dns_answer_read(q->arena, bytes, q->name, q->type, &q->answer) != STATUS_OK)
		q->answer = (struct dns_answer){.outcome = DNS_FAILED};
}

struct dns_answer
dns_ask_blocking(struct resolver *resolver, struct arena *arena, struct slice name, unsigned type,
                 int64_t wait_ms)
{
	struct question q = {
		.query.answered = answered, .arena = arena, .name = name, .type = type};
	int64_t deadline_ms = clock_monotonic_ms() + wait_ms;

	if (!resolver_ask(resolver, &q.query, name, type))
		return (struct dns_answer){.outcome = DNS_FAILED};
	while (!q.is_over && clock_monotonic_ms() < deadline_ms) {
		struct pollfd fd = {resolver_fd(resolver), POLLIN, 0};

		(void)poll(&fd, 1, resolver_wait_ms(resolver, LOOK_MS));
		resolver_step(resolver);
	}
	if (!q.is_over) {
		resolver_forget(&q.query);
		q.answer.outcome = DNS_TIMEOUT;
	}
	return q.answer;
}
