/*
 * dns_check_reach.c - can the servers of a list be reached over IPv4, over IPv6?
 */
#include "cmd/dns_check_reach.h"

#include "check/check.h"

enum {
	SERVERS_MAX = 4, /* of one list that are looked at */
	PARENTS_MAX = 3, /* labels that a zone may have above its cut */
	FIND_MS = 5000,
	DIRECT_MS = 3000
};

static const unsigned types[REACH_FAMILIES] = {DNS_A, DNS_AAAA};

/* ---- who serves it ---- */

struct search {
	struct reach *reach;
	struct asked servers[PARENTS_MAX]; /* NS of the zone, of its parent... */
	struct asked addresses[SERVERS_MAX][REACH_FAMILIES];
	size_t server_count;
	struct resolver *direct[REACH_FAMILIES];
	struct asked answer[REACH_FAMILIES];
};

static void
ask_for_servers(struct run *run, struct resolver *resolver, struct search *s)
{
	struct slice zone = s->reach->zone;

	for (size_t i = 0; i < PARENTS_MAX; i++) {
		size_t dot = slice_find_byte(zone, '.', 0);

		s->servers[i] = (struct asked){.run = run};
		if (dot == SLICE_NPOS)
			continue;
		asked_start(run, resolver, &s->servers[i], zone, DNS_NS);
		zone = slice_from(zone, dot + 1);
	}
}

/* The name servers of the nearest zone that has some. */
static void
ask_for_addresses(struct run *run, struct resolver *resolver, struct search *s)
{
	for (size_t i = 0; i < PARENTS_MAX && s->server_count == 0; i++) {
		const struct dns_answer *answer = &s->servers[i].answer;

		for (size_t k = 0; k < answer->record_count && s->server_count < SERVERS_MAX; k++) {
			const struct dns_record *record = &answer->records[k];

			if (record->type != DNS_NS || record->target.len == 0)
				continue;
			for (unsigned f = 0; f < REACH_FAMILIES; f++)
				asked_start(run, resolver, &s->addresses[s->server_count][f],
				            record->target, types[f]);
			s->server_count++;
		}
	}
}

static struct slice
first_address(const struct search *s, enum reach_family family)
{
	for (size_t i = 0; i < s->server_count; i++) {
		const struct dns_answer *answer = &s->addresses[i][family].answer;

		for (size_t k = 0; k < answer->record_count; k++)
			if (answer->records[k].type == types[family])
				return answer->records[k].text;
	}
	return SLICE_NULL;
}

/* ---- does it answer ---- */

static void
ask_directly(struct run *run, const struct filter *filter, struct search *s)
{
	for (unsigned f = 0; f < REACH_FAMILIES; f++) {
		struct slice address = first_address(s, (enum reach_family)f);

		if (address.len == 0)
			continue;
		s->reach->by[f].address = address;
		s->direct[f] = check_resolver_of(
			filter, arena_printf(run->arena, "[%.*s]:53", SLICE_FMT(address)), false);
		asked_start(run, s->direct[f], &s->answer[f], s->reach->zone, DNS_SOA);
	}
}

static void
take_answers(struct search *s)
{
	for (unsigned f = 0; f < REACH_FAMILIES; f++) {
		s->reach->by[f].is_reachable =
			s->answer[f].done && s->answer[f].answer.outcome == DNS_ANSWERED;
		s->reach->by[f].ms = s->answer[f].ms;
		resolver_destroy(&s->direct[f]);
	}
}

static void
forget(struct search *s)
{
	for (size_t i = 0; i < PARENTS_MAX; i++)
		asked_end(&s->servers[i]);
	for (size_t i = 0; i < s->server_count; i++)
		for (unsigned f = 0; f < REACH_FAMILIES; f++)
			asked_end(&s->addresses[i][f]);
}

void
dns_check_reach(struct arena *arena, const struct filter *filter, struct resolver *resolver,
                struct reach *reaches, size_t count)
{
	struct search *searches = arena_new_array(arena, struct search, count + 1);
	struct resolver **direct =
		arena_new_array(arena, struct resolver *, count * REACH_FAMILIES + 1);
	struct run run = {.arena = arena}, second = {.arena = arena}, third = {.arena = arena};

	if (searches == NULL || direct == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		searches[i].reach = &reaches[i];
		ask_for_servers(&run, resolver, &searches[i]);
	}
	run_wait(&run, &resolver, 1, FIND_MS);
	for (size_t i = 0; i < count; i++)
		ask_for_addresses(&second, resolver, &searches[i]);
	run_wait(&second, &resolver, 1, FIND_MS);
	for (size_t i = 0; i < count; i++) {
		ask_directly(&third, filter, &searches[i]);
		for (unsigned f = 0; f < REACH_FAMILIES; f++)
			direct[i * REACH_FAMILIES + f] = searches[i].direct[f];
	}
	run_wait(&third, direct, count * REACH_FAMILIES, DIRECT_MS);
	for (size_t i = 0; i < count; i++) {
		take_answers(&searches[i]);
		forget(&searches[i]);
	}
}
