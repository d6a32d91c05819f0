/*
 * dns_check.c - spamassassin --dns-check: do the name servers and the lists that rules ask work?
 */
#include "cmd/dns_check.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "check/check.h"
#include "check/plan.h"
#include "dns/resolver.h"
#include "dns/wire.h"
#include "util/clock.h"

enum { LIMIT_MS = 10000 };

/* What is asked of a list. */
enum question {
	QUESTION_SELF,     /* does it exist, is it signed */
	QUESTION_V4,       /* 127.0.0.2: listed */
	QUESTION_V6,       /* ::ffff:7f00:2: listed, where IPv6 is */
	QUESTION_DOMAIN,   /* TEST: listed, in lists of domains */
	QUESTION_DBL,      /* what Spamhaus has instead */
	QUESTION_NEGATIVE, /* 127.0.0.1: never listed */
	QUESTION_COUNT
};

static const struct {
	const char *prefix;
	unsigned type;
} questions[QUESTION_COUNT] = {
	[QUESTION_SELF] = {"", DNS_SOA},
	[QUESTION_V4] = {"2.0.0.127.", DNS_A},
	[QUESTION_V6] = {"2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.", DNS_A},
	[QUESTION_DOMAIN] = {"test.", DNS_A},
	[QUESTION_DBL] = {"dbltest.com.", DNS_A},
	[QUESTION_NEGATIVE] = {"1.0.0.127.", DNS_A},
};

struct list {
	struct slice zone;
	const struct rule *rule; /* the first that asks it */
	size_t rule_count;
};

struct run;

struct asked {
	struct resolver_query query; /* first */
	struct run *run;
	struct slice name;
	unsigned type;
	bool done;
	int64_t ms;
	struct dns_answer answer;
};

/* All questions through one server. */
struct run {
	struct arena *arena;
	int64_t begun_ms;
	size_t open;
};

struct checker {
	struct arena *arena;
	const struct filter *filter;
	struct hashmap by_zone;
	VEC(struct list *) lists;
	bool as_json;
	bool has_trouble;
};

/* ---- which lists ---- */

static void
add_list(void *data, const struct rule *rule, struct slice zone)
{
	struct checker *c = data;
	struct hashmap_entry *entry;
	struct list *list;

	if (!plan_rule_runs(rule, &c->filter->env))
		return;
	while (zone.len > 0 && zone.data[zone.len - 1] == '.')
		zone.len--;
	zone = arena_dup_lower(c->arena, zone);
	if (!fqdn_is_valid(c->arena, zone, true) ||
	    slice_find_any(zone, "abcdefghijklmnopqrstuvwxyz", 0) == SLICE_NPOS)
		return;
	entry = hashmap_put(&c->by_zone, zone, NULL);
	if (entry == NULL)
		return;
	list = entry->value;
	if (list == NULL) {
		list = arena_new(c->arena, struct list);
		if (list == NULL || vec_push(c->arena, &c->lists, list) == NULL)
			return;
		*list = (struct list){.zone = zone, .rule = rule};
		entry->value = list;
	}
	list->rule_count++;
}

/* "ebl.msbl.org/A", "zen.spamhaus.org.", "_SENDERDOMAIN_._vouch.dwl.spamhaus.org" */
static void
add_word(struct checker *c, const struct rule *rule, struct slice word)
{
	size_t slash = slice_find_byte(word, '/', 0), at;

	word = slice_sub(word, 0, slash);
	while (word.len > 0 && word.data[word.len - 1] == '.')
		word.len--;
	while ((at = slice_find(word, SLICE("_."), 0)) != SLICE_NPOS)
		word = slice_from(word, at + 2);
	if (slice_starts(word, SLICE("_")))
		word = slice_from(word, slice_find_byte(word, '.', 0) == SLICE_NPOS
		                                ? word.len
		                                : slice_find_byte(word, '.', 0) + 1);
	if (slice_find_byte(word, '.', 0) != SLICE_NPOS &&
	    registry_is_valid(&c->filter->env.registry, c->arena, word, true))
		add_list(c, rule, word);
}

static void
find_in_rule(struct checker *c, const struct rule *rule)
{
	const struct plugin *plugin = NULL;
	struct slice rest = rule->text, word;

	if (rule_is_eval(rule->kind)) {
		if (plugins_find_eval(conf_plugins(c->filter->conf), rule->eval.function,
		                      &plugin) == NULL ||
		    (plugin->id != PLUGIN_ID_dnseval && plugin->id != PLUGIN_ID_hashbl))
			return;
		for (size_t i = 0; i < rule->eval.args.count; i++)
			add_word(c, rule, rule->eval.args.items[i]);
	} else if (rule->kind == RULE_EMPTY && slice_find(rest, SLICE("_."), 0) != SLICE_NPOS) {
		while (slice_next_word(&rest, &word))
			if (slice_find(word, SLICE("_."), 0) != SLICE_NPOS)
				add_word(c, rule, word); /* a template of askdns */
	}
}

static void
find_lists(struct checker *c)
{
	const struct ruleset *rules = conf_rules(c->filter->conf);
	const struct plugin_set *set = conf_plugins(c->filter->conf);

	for (size_t i = 0; i < rules->count; i++)
		find_in_rule(c, rules->rules[i]);
	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->lists != NULL)
			plugin->lists(plugin_settings(c->filter->conf, plugin), add_list, c);
	}
}

/* ---- asking ---- */

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

static void
ask(struct run *run, struct resolver *resolver, struct asked *a, struct slice name, unsigned type)
{
	*a = (struct asked){.run = run, .name = name, .type = type};
	a->query.answered = on_answer;
	a->answer.outcome = DNS_FAILED;
	run->open++;
	if (!resolver_ask(resolver, &a->query, name, type))
		run->open--;
}

static void
wait_for_all(struct run *run, struct resolver *resolver)
{
	int64_t left;

	while (run->open > 0 && (left = run->begun_ms + LIMIT_MS - clock_monotonic_ms()) > 0) {
		struct pollfd fd = {.fd = resolver_fd(resolver), .events = POLLIN};

		(void)poll(&fd, 1, resolver_wait_ms(resolver, (int)left));
		resolver_step(resolver);
	}
}

static bool
is_good(const struct asked *a)
{
	return a->answer.outcome == DNS_ANSWERED &&
	       (a->answer.rcode == DNS_NOERROR || a->answer.rcode == DNS_NXDOMAIN);
}

static const char *
state_of(const struct asked *a)
{
	if (!a->done || a->answer.outcome == DNS_TIMEOUT)
		return "timeout";
	if (a->answer.outcome == DNS_FAILED)
		return "failed";
	return is_good(a) ? "ok" : dns_rcode_name(a->answer.rcode);
}

/* An answer of 127.0.0.0/8 that is meant as a listing. */
static bool
is_blocked_code(struct slice text)
{
	return slice_starts(text, SLICE("127.255.255.")) || slice_eq(text, SLICE("127.0.0.255")) ||
	       slice_eq(text, SLICE("127.0.0.1"));
}

static bool
has_record(const struct asked *a, bool blocked)
{
	for (size_t i = 0; i < a->answer.record_count; i++) {
		const struct dns_record *record = &a->answer.records[i];

		if (record->type == DNS_A && slice_starts(record->text, SLICE("127.")) &&
		    is_blocked_code(record->text) == blocked)
			return true;
	}
	return false;
}

/* ---- what it says ---- */

struct finding {
	const char *state, *dnssec;
	int64_t ms;
	bool v4, v6, domain, negative, blocked;
};

static struct finding
judge(const struct asked *a, const struct asked *unchecked)
{
	struct finding f = {
		.state = state_of(&a[QUESTION_V4]), .dnssec = "insecure", .ms = a[QUESTION_V4].ms};

	f.v4 = has_record(&a[QUESTION_V4], false);
	f.v6 = has_record(&a[QUESTION_V6], false);
	f.domain = has_record(&a[QUESTION_DOMAIN], false) || has_record(&a[QUESTION_DBL], false);
	f.negative = has_record(&a[QUESTION_NEGATIVE], false);
	for (size_t i = QUESTION_V4; i < QUESTION_COUNT; i++)
		f.blocked |=
			has_record(&a[i], true) || (a[i].done && a[i].answer.rcode == DNS_REFUSED);
	if (a[QUESTION_SELF].answer.is_authenticated || a[QUESTION_V4].answer.is_authenticated)
		f.dnssec = "secure";
	else if (a[QUESTION_SELF].done && a[QUESTION_SELF].answer.rcode == DNS_SERVFAIL)
		f.dnssec = is_good(unchecked) ? "bogus" : "unknown";
	else if (!is_good(&a[QUESTION_SELF]))
		f.dnssec = "unknown";
	return f;
}

static void
print_json_row(const struct list *list, const struct finding *f, bool is_first)
{
	static const char *const words[] = {"false", "true"};

	printf("%s{\"list\":\"%.*s\",\"state\":\"%s\",\"ms\":%lld,\"dnssec\":\"%s\","
	       "\"test_point\":{\"v4\":%s,\"v6\":%s,\"domain\":%s,\"negative\":%s},"
	       "\"blocked\":%s,\"rule\":\"%.*s\",\"rules\":%zu}",
	       is_first ? "" : ",", SLICE_FMT(list->zone), f->state, (long long)f->ms, f->dnssec,
	       words[f->v4], words[f->v6], words[f->domain], words[f->negative], words[f->blocked],
	       SLICE_FMT(list->rule->name), list->rule_count);
}

static void
print_row(const struct list *list, const struct finding *f)
{
	const char *listed = f->negative          ? "all!"
	                     : f->v4 && f->domain ? "ip,name"
	                     : f->v4              ? "ip"
	                     : f->domain          ? "name"
	                                          : "no";

	printf("%-38.*s %-8s %5lld  %-8s  %-7s  %-3s  %-7s  %.*s", SLICE_FMT(list->zone), f->state,
	       (long long)f->ms, f->dnssec, listed, f->v6 ? "yes" : "no",
	       f->blocked ? "BLOCKED" : "no", SLICE_FMT(list->rule->name));
	if (list->rule_count > 1)
		printf(" +%zu", list->rule_count - 1);
	putchar('\n');
}

/* ---- one server ---- */

static void
ask_lists(struct checker *c, struct run *run, struct resolver *resolver, struct asked *asked)
{
	for (size_t i = 0; i < c->lists.count; i++)
		for (size_t q = 0; q < QUESTION_COUNT; q++)
			ask(run, resolver, &asked[i * QUESTION_COUNT + q],
			    arena_concat(c->arena, slice_from_cstr(questions[q].prefix),
			                 c->lists.items[i]->zone),
			    questions[q].type);
}

static void
print_server(const struct checker *c, struct slice server, const struct asked *top,
             const struct asked *bogus, const struct asked *bogus_unchecked)
{
	const char *validates = bogus->answer.rcode == DNS_SERVFAIL && is_good(bogus_unchecked)
	                                ? "validates"
	                        : top->answer.is_authenticated ? "says AD"
	                                                       : "does not validate";

	if (c->as_json)
		printf("{\"server\":\"%.*s\",\"state\":\"%s\",\"ms\":%lld,\"dnssec\":\"%s\","
		       "\"lists\":[",
		       SLICE_FMT(server), state_of(top), (long long)top->ms, validates);
	else
		printf("server %.*s: %s, %lld ms, %s\n\n%-38s %-8s %5s  %-8s  %-7s  %-3s  %-7s  "
		       "%s\n",
		       SLICE_FMT(server), state_of(top), (long long)top->ms, validates, "LIST",
		       "STATE", "MS", "DNSSEC", "LISTED", "V6", "BLOCKED", "RULE");
}

static void
check_server(struct checker *c, struct slice server)
{
	struct resolver *resolver = check_resolver_of(c->filter, server, false),
			*other = check_resolver_of(c->filter, server, true);
	size_t count = c->lists.count;
	struct asked *asked = arena_new_array(c->arena, struct asked, count * QUESTION_COUNT + 1);
	struct asked *unchecked = arena_new_array(c->arena, struct asked, count + 1), top, bogus,
		     bogus_unchecked;
	struct run run = {.arena = c->arena}, second = {.arena = c->arena};

	if (resolver == NULL || other == NULL || asked == NULL || unchecked == NULL) {
		c->has_trouble = true;
		goto out;
	}
	run.begun_ms = clock_monotonic_ms();
	ask(&run, resolver, &top, SLICE("org"), DNS_SOA);
	ask(&run, resolver, &bogus, SLICE("dnssec-failed.org"), DNS_A);
	ask_lists(c, &run, resolver, asked);
	wait_for_all(&run, resolver);
	second.begun_ms = clock_monotonic_ms();
	ask(&second, other, &bogus_unchecked, SLICE("dnssec-failed.org"), DNS_A);
	for (size_t i = 0; i < count; i++)
		if (asked[i * QUESTION_COUNT].answer.rcode == DNS_SERVFAIL)
			ask(&second, other, &unchecked[i], c->lists.items[i]->zone, DNS_SOA);
	wait_for_all(&second, other);
	print_server(c, server, &top, &bogus, &bogus_unchecked);
	for (size_t i = 0; i < count; i++) {
		struct finding f = judge(&asked[i * QUESTION_COUNT], &unchecked[i]);

		c->has_trouble |=
			f.blocked || f.negative || !is_good(&asked[i * QUESTION_COUNT + 1]);
		if (c->as_json)
			print_json_row(c->lists.items[i], &f, i == 0);
		else
			print_row(c->lists.items[i], &f);
	}
	if (c->as_json)
		printf("]}");
	else
		putchar('\n');
out:
	resolver_destroy(&resolver);
	resolver_destroy(&other);
}

static int
by_zone(const void *a, const void *b)
{
	const struct list *const *x = a, *const *y = b;

	return slice_cmp((*x)->zone, (*y)->zone);
}

int
dns_check_run(const struct filter *filter, bool as_json)
{
	struct checker c = {.filter = filter, .as_json = as_json, .arena = arena_create(0)};
	struct resolver *resolver = check_resolver(filter);
	struct slice rest, server;
	bool is_first = true;

	if (c.arena == NULL || resolver == NULL) {
		fprintf(stderr, "spamassassin: --dns-check: no resolver: network tests are off, or "
		                "it cannot be made\n");
		arena_destroy(&c.arena);
		return 1;
	}
	hashmap_init(&c.by_zone, c.arena);
	find_lists(&c);
	if (c.lists.count > 0)
		qsort(c.lists.items, c.lists.count, sizeof(struct list *), by_zone);
	rest = resolver_servers(resolver, c.arena);
	resolver_destroy(&resolver);
	if (as_json)
		putchar('[');
	while (slice_next(&rest, ',', &server)) {
		if (as_json && !is_first)
			putchar(',');
		is_first = false;
		check_server(&c, slice_trim(server));
	}
	if (as_json)
		puts("]");
	arena_destroy(&c.arena);
	return c.has_trouble ? 1 : 0;
}
