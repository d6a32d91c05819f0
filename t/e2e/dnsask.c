/*
 * dnsask.c - the resolver by itself, for the end to end tests
 *
 *	dnsask [-s SERVER]... [-x] [-e BYTES] [-t MS] [-p PORT] NAME/TYPE...
 *
 * Asks all at once; one line for each answer as it comes: NAME/TYPE OUTCOME RCODE [AD] [TC]
 *RECORDS, and one with the time and the resolver's counts at the end.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dns/resolver.h"
#include "dns/wire.h"
#include "util/clock.h"

enum { ASKED_MAX = 20000, SERVERS_MAX = 8 };

struct asked {
	struct resolver_query query; /* first */
	struct slice name;
	unsigned type;
};

static struct asked asked[ASKED_MAX];
static size_t asked_count, answered_count;
static struct arena *arena;

static void
on_answer(struct resolver_query *query, enum dns_outcome outcome, struct slice bytes)
{
	static const char *const outcomes[] = {"answered", "timeout", "failed"};
	struct asked *a = (struct asked *)(void *)query;
	struct dns_answer answer = {.outcome = outcome};

	answered_count++;
	if (outcome == DNS_ANSWERED &&
	    dns_answer_read(arena, bytes, a->name, a->type, &answer) != STATUS_OK)
		answer.outcome = DNS_FAILED;
	printf("%.*s/%.*s %s %s%s%s", SLICE_FMT(a->name), SLICE_FMT(dns_type_name(arena, a->type)),
	       outcomes[answer.outcome], dns_rcode_name(answer.rcode),
	       answer.is_authenticated ? " AD" : "", answer.is_truncated ? " TC" : "");
	for (size_t i = 0; i < answer.record_count; i++)
		printf(" [%.*s %u %.*s %.*s]", SLICE_FMT(answer.records[i].name),
		       answer.records[i].ttl_s,
		       SLICE_FMT(dns_type_name(arena, answer.records[i].type)),
		       SLICE_FMT(answer.records[i].text));
	putchar('\n');
}

static bool
ask(struct resolver *resolver, struct slice text)
{
	struct asked *a = &asked[asked_count];
	size_t slash = slice_rfind_byte(text, '/');

	if (asked_count == ASKED_MAX || slash == SLICE_NPOS)
		return false;
	a->name = slice_sub(text, 0, slash);
	a->type = dns_type_parse(slice_from(text, slash + 1));
	a->query.answered = on_answer;
	asked_count++;
	return resolver_ask(resolver, &a->query, a->name, a->type);
}

static void
run(struct resolver *resolver, int64_t limit_ms)
{
	int64_t begun_ms = clock_monotonic_ms(), now_ms = begun_ms;
	const struct resolver_counts *c = resolver_counts(resolver);

	while (answered_count < asked_count && now_ms - begun_ms < limit_ms) {
		struct pollfd fd = {.fd = resolver_fd(resolver), .events = POLLIN};

		(void)poll(&fd, 1, resolver_wait_ms(resolver, (int)(limit_ms - now_ms + begun_ms)));
		resolver_step(resolver);
		now_ms = clock_monotonic_ms();
	}
	printf("-- %zu of %zu in %lld ms: asked %lu answered %lu failed %lu shared %lu lied %lu\n",
	       answered_count, asked_count, (long long)(now_ms - begun_ms), c->asked, c->answered,
	       c->failed, c->shared, c->lied);
}

int
main(int argc, char **argv)
{
	static unsigned char ports[65536 / 8];
	struct slice servers[SERVERS_MAX];
	struct resolver_options options = {.servers = servers, .edns_bytes = 4096};
	static const struct log quiet = {.least = LOG_LEVEL_NONE};
	struct resolver *resolver;
	struct error error;
	long limit_ms = 15000;
	int option;

	options.log = &quiet;
	while ((option = getopt(argc, argv, "s:xre:t:p:")) != -1) {
		if (option == 's' && options.server_count < SERVERS_MAX) {
			servers[options.server_count++] = slice_from_cstr(optarg);
		} else if (option == 'p') {
			unsigned port = (unsigned)atoi(optarg) & 0xffff;

			ports[port / 8] |= (unsigned char)(1U << (port % 8));
			options.ports = ports;
		}
		options.mixes_case |= option == 'x';
		options.rotates |= option == 'r';
		if (option == 'e')
			options.edns_bytes = (unsigned)atoi(optarg);
		if (option == 't')
			limit_ms = atol(optarg);
	}
	arena = arena_create(0);
	resolver = resolver_create(&options, &error);
	if (arena == NULL || resolver == NULL) {
		fprintf(stderr, "dnsask: %s\n", error.text);
		return 1;
	}
	for (int i = optind; i < argc; i++)
		if (!ask(resolver, slice_from_cstr(argv[i])))
			printf("%s not asked\n", argv[i]);
	run(resolver, limit_ms);
	resolver_destroy(&resolver);
	arena_destroy(&arena);
	return 0;
}
