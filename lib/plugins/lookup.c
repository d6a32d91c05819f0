/*
 * lookup.c - DNS questions of one message
 */
#include "plugins/lookup.h"

#include "dns/resolver.h"
#include "dns/wire.h"
#include "mail/registry.h"
#include "plugins/dns_block.h"
#include "util/clock.h"

enum {
	LOOKUPS_MAX = 4000, /* of one message */
	TIMEOUT_LEAST_MS = 500,
	SEARCH_MAX = 20 /* parents of a name that are looked at */
};

/* ---- rbl_timeout ---- */

struct zone_times {
	double timeout_s, least_s; /* below 0: not set */
};

struct lookup_policy {
	struct zone_times all;
	struct hashmap zones; /* lower case -> struct zone_times * */
};

/* "T [T_MIN] [ZONE]", checked when it was read. */
static bool
add_times(struct lookup_policy *policy, struct arena *arena, struct slice line)
{
	struct zone_times times = {.least_s = -1}, *kept;
	struct slice word;

	if (!slice_next_word(&line, &word) ||
	    conf_parse_duration(word, &times.timeout_s) != CONF_OK)
		return true;
	word = SLICE("");
	if (slice_next_word(&line, &word) && conf_parse_duration(word, &times.least_s) == CONF_OK &&
	    !slice_next_word(&line, &word))
		word = SLICE("");
	if (word.len == 0) {
		policy->all.timeout_s = times.timeout_s;
		if (times.least_s >= 0)
			policy->all.least_s = times.least_s;
		return true;
	}
	while (word.len > 0 && word.data[0] == '.')
		word = slice_from(word, 1);
	while (word.len > 0 && word.data[word.len - 1] == '.')
		word.len--;
	kept = arena_new(arena, struct zone_times);
	word = arena_dup_lower(arena, word);
	if (kept == NULL || word.data == NULL)
		return false;
	*kept = times;
	return hashmap_set(&policy->zones, word, kept);
}

struct lookup_policy *
lookup_policy_create(struct arena *arena, const struct core_settings *core)
{
	struct lookup_policy *policy = arena_new(arena, struct lookup_policy);

	if (policy == NULL)
		return NULL;
	policy->all = (struct zone_times){15, -1};
	hashmap_init(&policy->zones, arena);
	for (size_t i = 0; i < core->rbl_timeouts.count; i++)
		if (!add_times(policy, arena, core->rbl_timeouts.items[i]))
			return NULL;
	return policy;
}

/* ---- the open questions of a scan ---- */

struct applicant {
	struct lookup_request request;
	struct applicant *next;
};

enum lookup_state { LOOKUP_QUEUED, LOOKUP_OPEN, LOOKUP_ANSWERED };

struct lookup {
	struct resolver_query query; /* first */
	struct lookup_set *set;
	struct slice name; /* lower case */
	unsigned type;
	enum lookup_state state;
	int64_t begun_ms, timeout_ms, least_ms;
	struct applicant *first, **last; /* whose turn has not come */
	const struct dns_answer *answer;
	struct lookup *next_open, **open_link;
	struct lookup *next_ready;
	bool is_ready;
};

struct lookup_set {
	struct scan *scan;
	struct hashmap by_key;
	struct lookup *open;
	struct lookup *ready, **ready_last;
	size_t started, completed, queued, count;
	bool launched, over;
};

static void
end_set(void *data)
{
	struct lookup_set *set = data;

	for (struct lookup *l = set->open; l != NULL; l = l->next_open)
		resolver_forget(&l->query);
	set->open = NULL;
}

static struct lookup_set *
set_of(struct scan *scan)
{
	struct lookup_set *set = scan->lookups;

	if (set != NULL)
		return set;
	set = arena_new(scan->arena, struct lookup_set);
	if (set == NULL || !arena_on_reset(scan->arena, end_set, set))
		return NULL;
	set->scan = scan;
	set->ready_last = &set->ready;
	hashmap_init(&set->by_key, scan->arena);
	scan->lookups = set;
	return set;
}

static void
make_ready(struct lookup *lookup)
{
	struct lookup_set *set = lookup->set;

	if (lookup->is_ready)
		return;
	lookup->is_ready = true;
	lookup->next_ready = NULL;
	*set->ready_last = lookup;
	set->ready_last = &lookup->next_ready;
}

static void
close_lookup(struct lookup *lookup)
{
	if (lookup->open_link == NULL)
		return;
	*lookup->open_link = lookup->next_open;
	if (lookup->next_open != NULL)
		lookup->next_open->open_link = lookup->open_link;
	lookup->open_link = NULL;
}

/* What is said when there is no memory for more. */
static const struct dns_answer no_answer = {.outcome = DNS_FAILED};

static const struct dns_answer *
outcome_answer(const struct lookup *lookup, enum dns_outcome outcome)
{
	struct dns_answer *answer = arena_new(lookup->set->scan->arena, struct dns_answer);

	if (answer == NULL)
		return &no_answer;
	answer->outcome = outcome;
	answer->name = lookup->name;
	answer->type = lookup->type;
	return answer;
}

static void
log_answer(const struct lookup *lookup, const struct dns_answer *answer)
{
	struct scan *scan = lookup->set->scan;

	if (!log_wants(scan->log, LOG_LEVEL_DEBUG, "async"))
		return;
	log_debug(scan->log, "async", "completed in %.3f s: %.*s/%.*s: %s, %zu records%s",
	          (double)(clock_monotonic_ms() - lookup->begun_ms) / 1e3,
	          SLICE_FMT(dns_type_name(scan->arena, lookup->type)), SLICE_FMT(lookup->name),
	          answer->outcome == DNS_ANSWERED  ? dns_rcode_name(answer->rcode)
	          : answer->outcome == DNS_TIMEOUT ? "no answer"
	                                           : "failed",
	          answer->record_count, answer->is_authenticated ? ", authenticated (AD)" : "");
}

static void
on_answer(struct resolver_query *query, enum dns_outcome outcome, struct slice bytes)
{
	struct lookup *lookup = (struct lookup *)(void *)query;
	struct scan *scan = lookup->set->scan;
	struct dns_answer *answer = NULL;

	if (outcome == DNS_ANSWERED) {
		answer = arena_new(scan->arena, struct dns_answer);
		if (answer == NULL || dns_answer_read(scan->arena, bytes, lookup->name,
		                                      lookup->type, answer) != STATUS_OK)
			answer = NULL;
	}
	lookup->answer =
		answer != NULL
			? answer
			: outcome_answer(lookup, outcome == DNS_ANSWERED ? DNS_FAILED : outcome);
	lookup->state = LOOKUP_ANSWERED;
	close_lookup(lookup);
	lookup->set->completed++;
	log_answer(lookup, lookup->answer);
	make_ready(lookup);
}

/* ---- how long ---- */

static int64_t
to_ms(double seconds)
{
	return seconds <= 0 ? 0 : seconds > 1e9 ? (int64_t)1e12 : (int64_t)(seconds * 1000);
}

static const struct zone_times *
times_of(const struct lookup_policy *policy, struct arena *arena, struct slice zone)
{
	if (policy->zones.count == 0)
		return NULL;
	zone = arena_dup_lower(arena, zone);
	if (zone.len > 0 && zone.data[0] == '.')
		zone = slice_from(zone, 1);
	if (zone.len > 0 && zone.data[zone.len - 1] == '.')
		zone.len--;
	while (zone.len > 0) {
		const struct zone_times *times = hashmap_get(&policy->zones, zone);
		size_t dot = slice_find_byte(zone, '.', 0);

		if (times != NULL)
			return times;
		if (dot == SLICE_NPOS)
			break;
		zone = slice_from(zone, dot + 1);
	}
	return hashmap_get(&policy->zones, SLICE(""));
}

/* What the request says, else its zone, else all; then cut by the scan's own deadline. */
static void
set_times(struct lookup *lookup, const struct lookup_request *request)
{
	struct scan *scan = lookup->set->scan;
	const struct lookup_policy *policy = scan->env->lookups;
	struct zone_times all = {15, -1};
	const struct zone_times *zone = NULL;
	double timeout = request->timeout_s, least = request->timeout_min_s;
	int64_t left;

	if (policy != NULL) {
		all = policy->all;
		zone = times_of(policy, scan->arena,
		                request->zone.len > 0 ? request->zone : lookup->name);
	}
	if (timeout <= 0)
		timeout = zone != NULL ? zone->timeout_s : all.timeout_s;
	if (least <= 0)
		least = zone != NULL && zone->least_s >= 0 ? zone->least_s
		        : all.least_s >= 0                 ? all.least_s
		                                           : 0.2 * timeout;
	if (timeout < least)
		timeout = least;
	lookup->timeout_ms = to_ms(timeout);
	lookup->least_ms = to_ms(least);
	if (scan->deadline_ms == INT64_MAX)
		return;
	left = scan->deadline_ms - lookup->begun_ms;
	if (left < TIMEOUT_LEAST_MS)
		left = TIMEOUT_LEAST_MS;
	if (lookup->timeout_ms > left)
		lookup->timeout_ms = left;
	if (lookup->least_ms > left)
		lookup->least_ms = left;
}

/* ---- asking ---- */

static bool
start(struct lookup *lookup)
{
	struct lookup_set *set = lookup->set;
	struct scan *scan = set->scan;

	lookup->begun_ms = clock_monotonic_ms();
	lookup->state = LOOKUP_OPEN;
	set_times(lookup, &lookup->first->request);
	lookup->next_open = set->open;
	lookup->open_link = &set->open;
	if (set->open != NULL)
		set->open->open_link = &lookup->next_open;
	set->open = lookup;
	lookup->query.answered = on_answer;
	set->started++;
	log_debug(scan->log, "async", "launching %.*s/%.*s, rules: %.*s",
	          SLICE_FMT(dns_type_name(scan->arena, lookup->type)), SLICE_FMT(lookup->name),
	          SLICE_FMT(lookup->first->request.rule == NULL
	                            ? SLICE("")
	                            : lookup->first->request.rule->name));
	/* Readers of logs look for this line. */
	if (log_wants(scan->log, LOG_LEVEL_DEBUG, "dns"))
		log_debug(scan->log, "dns", "bgsend, DNS servers: %.*s",
		          SLICE_FMT(resolver_servers(scan->resolver, scan->arena)));
	if (resolver_ask(scan->resolver, &lookup->query, lookup->name, lookup->type))
		return true;
	close_lookup(lookup);
	set->started--;
	lookup->state = LOOKUP_ANSWERED;
	lookup->answer = NULL; /* nobody will be told */
	lookup->first = NULL;
	lookup->last = &lookup->first;
	log_info(scan->log, "dns", "new_dns_packet (domain=%.*s type=%.*s class=IN) failed",
	         SLICE_FMT(log_quote(scan->arena, lookup->name, 300)),
	         SLICE_FMT(dns_type_name(scan->arena, lookup->type)));
	return false;
}

/* dns_query_restriction: the nearest of the name and its parents that is mentioned decides. */
static bool
is_restricted(const struct scan *scan, struct slice name)
{
	const struct conf_table *table = &scan->core->dns_query_restriction;
	struct slice verdict = SLICE_NULL;
	size_t labels = 1;

	if (table->map.count == 0)
		return false;
	for (size_t i = 0; i < name.len; i++)
		labels += name.data[i] == '.';
	for (; verdict.data == NULL && name.len > 0; labels--) {
		size_t dot = slice_find_byte(name, '.', 0);

		if (labels <= SEARCH_MAX)
			verdict = conf_table_get(table, name);
		name = dot == SLICE_NPOS ? SLICE("") : slice_from(name, dot + 1);
	}
	if (verdict.data == NULL)
		verdict = conf_table_get(table, SLICE("*"));
	return slice_eq(verdict, SLICE("0"));
}

static struct slice
question_name(struct scan *scan, const struct lookup_request *request)
{
	struct slice name = request->name;

	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	if (request->type == DNS_PTR && net_addr_is_text_v4(name))
		return arena_concat(scan->arena, net_addr_reverse(scan->arena, name),
		                    SLICE(".in-addr.arpa"));
	return arena_dup_lower(scan->arena, idn_to_ascii(scan->arena, name));
}

/* false: the name cannot be asked for. */
static bool
is_name(struct slice name)
{
	struct dns_question question;
	const struct dns_question_options options = {0};

	return dns_question_write(name, DNS_A, &options, &question) == STATUS_OK;
}

static struct lookup *
find_or_add(struct lookup_set *set, const struct lookup_request *request, bool *added_r)
{
	struct scan *scan = set->scan;
	struct slice name = question_name(scan, request), key;
	struct hashmap_entry *entry;
	struct lookup *lookup;

	*added_r = false;
	if (name.data == NULL || set->count >= LOOKUPS_MAX)
		return NULL;
	key = arena_printf(scan->arena, "%u/%.*s", request->type, SLICE_FMT(name));
	entry = key.data == NULL ? NULL : hashmap_put(&set->by_key, key, NULL);
	if (entry == NULL || entry->value != NULL)
		return entry == NULL ? NULL : entry->value;
	if (!is_name(name)) {
		log_info(scan->log, "dns", "no name to ask for: %.*s",
		         SLICE_FMT(log_quote(scan->arena, name, 300)));
		return NULL;
	}
	if (is_restricted(scan, name)) {
		log_debug(scan->log, "async", "blocked by dns_query_restriction: %.*s",
		          SLICE_FMT(name));
		return NULL;
	}
	if (dns_blocks_has(scan->env->blocks, name, scan->now_s)) {
		log_debug(scan->log, "async", "blocked by dns_block_rule: %.*s", SLICE_FMT(name));
		return NULL;
	}
	lookup = arena_new(scan->arena, struct lookup);
	if (lookup == NULL)
		return NULL;
	lookup->set = set;
	lookup->name = name;
	lookup->type = request->type;
	lookup->last = &lookup->first;
	entry->value = lookup;
	set->count++;
	*added_r = true;
	return lookup;
}

bool
scan_dns_available(const struct scan *scan)
{
	struct slice word = scan->core->dns_available;

	return !scan->env->local_tests_only && scan->resolver != NULL &&
	       !slice_eq(word, SLICE("no")) && !slice_eq(word, SLICE("0"));
}

bool
scan_lookup(struct scan *scan, const struct lookup_request *request)
{
	struct lookup_set *set;
	struct lookup *lookup;
	struct applicant *applicant;
	bool added;

	if (!scan_dns_available(scan) || (set = set_of(scan)) == NULL)
		return false;
	lookup = find_or_add(set, request, &added);
	if (lookup == NULL || (set->over && lookup->state != LOOKUP_ANSWERED) ||
	    (lookup->state == LOOKUP_ANSWERED && lookup->answer == NULL))
		return false;
	applicant = arena_new(scan->arena, struct applicant);
	if (applicant == NULL)
		return false;
	applicant->request = *request;
	*lookup->last = applicant;
	lookup->last = &applicant->next;
	if (lookup->state == LOOKUP_ANSWERED) {
		make_ready(lookup);
		return true;
	}
	if (lookup->state == LOOKUP_QUEUED && (set->launched || request->at_once)) {
		set->queued -= !added;
		return start(lookup);
	}
	set->queued += added;
	return true;
}

/* ---- as a client of state machines ---- */

struct scan_client {
	struct dns_client client; /* first */
	struct scan *scan;
	struct lookup_request request;
};

struct client_question {
	dns_answered *answered;
	void *context;
};

static void
pass_on(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct client_question *question = context;

	(void)scan;
	question->answered(question->context, answer);
}

static bool
client_ask(struct dns_client *client, struct slice name, unsigned type, dns_answered *answered,
           void *context)
{
	struct scan_client *own = client->data;
	struct lookup_request request = own->request;
	struct client_question *question = arena_new(own->scan->arena, struct client_question);

	if (question == NULL)
		return false;
	*question = (struct client_question){answered, context};
	request.name = name;
	request.type = type;
	request.done = pass_on;
	request.context = question;
	return scan_lookup(own->scan, &request);
}

struct dns_client *
scan_dns_client(struct scan *scan, const struct lookup_request *template_)
{
	struct scan_client *client = arena_new(scan->arena, struct scan_client);

	if (client == NULL)
		return NULL;
	client->client = (struct dns_client){client_ask, client};
	client->scan = scan;
	client->request = *template_;
	return &client->client;
}

/* ---- for the engine ---- */

void
scan_lookups_launch(struct scan *scan)
{
	struct lookup_set *set = set_of(scan);

	if (set == NULL || set->launched)
		return;
	set->launched = true;
	for (size_t i = 0; i < set->by_key.count && set->queued > 0; i++) {
		struct lookup *lookup = set->by_key.entries[i].value;

		if (lookup == NULL || lookup->state != LOOKUP_QUEUED)
			continue;
		set->queued--;
		(void)start(lookup);
	}
}

bool
scan_lookups_launched(const struct scan *scan)
{
	return scan->lookups != NULL && scan->lookups->launched;
}

bool
scan_lookups_have_answers(const struct scan *scan)
{
	return scan->lookups != NULL && scan->lookups->ready != NULL;
}

size_t
scan_lookups_open(const struct scan *scan)
{
	return scan->lookups == NULL ? 0 : scan->lookups->started - scan->lookups->completed;
}

void
scan_lookups_deliver(struct scan *scan)
{
	struct lookup_set *set = scan->lookups;
	struct lookup *lookup;

	while (set != NULL && (lookup = set->ready) != NULL) {
		struct applicant *applicant = lookup->first;

		set->ready = lookup->next_ready;
		if (set->ready == NULL)
			set->ready_last = &set->ready;
		lookup->is_ready = false;
		lookup->first = NULL;
		lookup->last = &lookup->first;
		/* One of them may ask the same again: then it is ready again. */
		for (; applicant != NULL; applicant = applicant->next)
			applicant->request.done(scan, applicant->request.context, lookup->answer);
	}
}

int64_t
scan_lookups_deadline(const struct scan *scan)
{
	const struct lookup_set *set = scan->lookups;
	int64_t latest = INT64_MIN;
	double share;

	if (set == NULL || set->open == NULL)
		return latest;
	share = (double)set->completed / (double)set->started;
	for (const struct lookup *l = set->open; l != NULL; l = l->next_open) {
		double shrunk = (double)(l->timeout_ms - l->least_ms) * share * share;
		int64_t until = l->begun_ms + l->timeout_ms - (int64_t)shrunk;

		if (until > latest)
			latest = until;
	}
	return latest;
}

static void
log_abort(const struct lookup *lookup, int64_t now_ms)
{
	struct scan *scan = lookup->set->scan;
	int64_t spent = now_ms - lookup->begun_ms;

	log_write(scan->log, spent > 1000 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG, "async",
	          "aborting after %.3f s, %s: %.*s/%.*s, rules: %.*s", (double)spent / 1e3,
	          spent > lookup->timeout_ms ? "past original deadline" : "deadline shrunk",
	          SLICE_FMT(dns_type_name(scan->arena, lookup->type)), SLICE_FMT(lookup->name),
	          SLICE_FMT(lookup->first == NULL || lookup->first->request.rule == NULL
	                            ? SLICE("")
	                            : lookup->first->request.rule->name));
}

void
scan_lookups_end(struct scan *scan)
{
	struct lookup_set *set = scan->lookups;
	struct lookup *lookup;
	int64_t now_ms;

	if (set == NULL || set->over)
		return;
	set->over = true;
	now_ms = set->open == NULL ? 0 : clock_monotonic_ms();
	while ((lookup = set->open) != NULL) {
		log_abort(lookup, now_ms);
		resolver_forget(&lookup->query);
		close_lookup(lookup);
		lookup->state = LOOKUP_ANSWERED;
		lookup->answer = outcome_answer(lookup, DNS_TIMEOUT);
		set->completed++;
		make_ready(lookup);
	}
	scan_lookups_deliver(scan);
}
