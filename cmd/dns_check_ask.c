/*
 * dns_check_ask.c - questions of --dns-check, many at once
 */
#include "cmd/dns_check_ask.h"

#include <poll.h>

#include "dns/wire.h"
#include "util/clock.h"
#include "util/vec.h"

enum { LOOK_MS = 100 };

static void
on_answer(struct resolver_query *query, enum dns_outcome outcome, struct slice bytes)
{
	struct asked *a = (struct asked *)(void *)query;

	a->done = true;
	a->run->open--;
	a->ms = clock_monotonic_ms() - a->run->begun_ms;
	a->answer.outcome = outcome;
	if (outcome == DNS_ANSWERED &&
	    dns_answer_read(a->run->arena, bytes, a->name, a->type, &a->answer) != STATUS_OK)
		a->answer.outcome = DNS_FAILED;
}

void
asked_start(struct run *run, struct resolver *resolver, struct asked *a, struct slice name,
            unsigned type)
{
	*a = (struct asked){.run = run, .name = name, .type = type};
	a->query.answered = on_answer;
	a->answer.outcome = DNS_FAILED;
	if (run->begun_ms == 0)
		run->begun_ms = clock_monotonic_ms();
	run->open++;
	if (resolver == NULL || !resolver_ask(resolver, &a->query, name, type))
		run->open--;
}

void
run_wait(struct run *run, struct resolver *const *resolvers, size_t count, int64_t limit_ms)
{
	struct pollfd *fds = arena_new_array(run->arena, struct pollfd, count + 1);
	int64_t left;

	while (fds != NULL && run->open > 0 &&
	       (left = run->begun_ms + limit_ms - clock_monotonic_ms()) > 0) {
		int wait_ms = left > LOOK_MS && count > 1 ? LOOK_MS : (int)left;
		nfds_t used = 0;

		for (size_t i = 0; i < count; i++) {
			if (resolvers[i] == NULL)
				continue;
			fds[used++] = (struct pollfd){resolver_fd(resolvers[i]), POLLIN, 0};
			wait_ms = resolver_wait_ms(resolvers[i], wait_ms);
		}
		(void)poll(fds, used, wait_ms);
		for (size_t i = 0; i < count; i++)
			if (resolvers[i] != NULL)
				resolver_step(resolvers[i]);
	}
}

void
asked_end(struct asked *a)
{
	resolver_forget(&a->query);
}

bool
asked_is_good(const struct asked *a)
{
	return a->answer.outcome == DNS_ANSWERED &&
	       (a->answer.rcode == DNS_NOERROR || a->answer.rcode == DNS_NXDOMAIN);
}

const char *
asked_state(const struct asked *a)
{
	if (!a->done || a->answer.outcome == DNS_TIMEOUT)
		return "timeout";
	if (a->answer.outcome == DNS_FAILED)
		return "failed";
	return asked_is_good(a) ? "ok" : dns_rcode_name(a->answer.rcode);
}
