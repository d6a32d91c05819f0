/*
 * probe.c - does DNS work at all? (dns_available test)
 */
#include "dns/probe.h"

#include "dns/wire.h"

enum { PROBE_MS = 3000 };

/* Well connected, with A and AAAA. */
static const char *const known_names[] = {"akamai.com",    "bing.com",         "cloudflare.com",
                                          "facebook.com",  "google.com",       "linkedin.com",
                                          "netflix.com",   "digitalpoint.com", "php.net",
                                          "wikipedia.org", "yahoo.com"};

static bool
has_address(struct slice bytes)
{
	struct arena *arena = arena_create(256 * 1024);
	struct dns_answer answer;
	bool found = false;

	if (arena != NULL && dns_answer_read(arena, bytes, SLICE(""), DNS_A, &answer) == STATUS_OK)
		for (size_t i = 0; i < answer.record_count; i++)
			found |= answer.records[i].type == DNS_A ||
			         answer.records[i].type == DNS_AAAA;
	arena_destroy(&arena);
	return found;
}

static void
on_answer(struct resolver_query *query, enum dns_outcome outcome, struct slice bytes)
{
	struct dns_probe *probe = ((struct dns_probe_query *)(void *)query)->probe;

	probe->answered++;
	if (outcome == DNS_ANSWERED && has_address(bytes))
		probe->is_good = true;
}

static void
ask(struct dns_probe *probe, struct slice name, unsigned type)
{
	struct dns_probe_query *query = &probe->queries[probe->asked];

	query->probe = probe;
	query->query.answered = on_answer;
	probe->asked++;
	if (!resolver_ask(probe->resolver, &query->query, name, type))
		probe->answered++;
}

static void
begin(struct dns_probe *probe, const struct dns_probe_options *o, int64_t now_ms)
{
	size_t known = sizeof(known_names) / sizeof(known_names[0]);
	size_t count = o->name_count > 0 ? o->name_count : known;
	size_t start = (size_t)now_ms % count; /* not always the same */

	probe->asked = probe->answered = 0;
	probe->is_running = true;
	probe->is_good = false;
	probe->begun_ms = now_ms;
	for (size_t i = 0; i < DNS_PROBE_NAMES && i < count; i++) {
		size_t at = (start + i) % count;
		struct slice name =
			o->name_count > 0 ? o->names[at] : slice_from_cstr(known_names[at]);

		if (o->v4)
			ask(probe, name, DNS_A);
		if (o->v6)
			ask(probe, name, DNS_AAAA);
	}
}

static void
end(struct dns_probe *probe)
{
	for (size_t i = 0; i < probe->asked; i++)
		resolver_forget(&probe->queries[i].query);
	probe->asked = 0;
	probe->is_running = false;
	probe->is_known = true;
}

enum status
dns_probe_run(struct dns_probe *probe, struct resolver *resolver,
              const struct dns_probe_options *options, int64_t now_ms)
{
	probe->resolver = resolver;
	if (!probe->is_running &&
	    !(probe->is_known && now_ms - probe->begun_ms <= options->interval_ms))
		begin(probe, options, now_ms);
	if (probe->is_running && !probe->is_good && probe->answered < probe->asked &&
	    now_ms - probe->begun_ms < PROBE_MS)
		return STATUS_AGAIN;
	if (probe->is_running)
		end(probe);
	return probe->is_good ? STATUS_OK : STATUS_NONE;
}
