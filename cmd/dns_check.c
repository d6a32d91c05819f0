/*
 * dns_check.c - spamassassin --dns-check: do the name servers and the lists that rules ask work?
 */
#include "cmd/dns_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "check/check.h"
#include "check/plan.h"
#include "cmd/dns_check_reach.h"

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

/* What a plugin asks about somebody's domain. */
struct policy {
	const char *name, *prefix; /* "SPF", what its record begins with */
	struct slice question;
};

struct checker {
	struct arena *arena;
	const struct filter *filter;
	struct hashmap by_zone;
	VEC(struct list *) lists;
	VEC(struct policy) policies;
	struct reach *reaches; /* of lists */
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

/* ---- which policies ---- */

/* A domain that has them all, so that what fails is the way to it. */
#define KNOWN_DOMAIN "gmail.com"
#define KNOWN_SELECTOR "20230601"

static void
add_policies(struct checker *c, struct slice domain, bool has_selector)
{
	const struct plugin_set *set = conf_plugins(c->filter->conf);
	const struct {
		enum plugin_id plugin;
		struct policy policy;
		const char *below;
	} rows[] = {
		{PLUGIN_ID_spf, {"SPF", "v=spf1", SLICE_NULL}, ""},
		{PLUGIN_ID_dmarc, {"DMARC", "v=DMARC1", SLICE_NULL}, "_dmarc."},
		{PLUGIN_ID_dkim, {"DKIM", "", SLICE_NULL}, KNOWN_SELECTOR "._domainkey."},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) - !has_selector; i++) {
		struct policy policy = rows[i].policy;

		if (set->loaded[rows[i].plugin] == NULL)
			continue;
		policy.question = arena_concat(c->arena, slice_from_cstr(rows[i].below), domain);
		(void)vec_push(c->arena, &c->policies, policy);
	}
}

/* The domain of this host, where it has one. */
static void
find_policies(struct checker *c)
{
	struct slice own =
		registry_domain(&c->filter->env.registry, c->arena, c->filter->hostname, true);

	add_policies(c, SLICE(KNOWN_DOMAIN), true);
	if (own.len > 0 && registry_is_valid(&c->filter->env.registry, c->arena, own, true))
		add_policies(c, own, false);
}

/* ---- what answers mean ---- */

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

/* What a validating server says of bogus answers; of dead lists too.  NULL: it does not. */
static const struct asked *
find_failed(const struct asked *a)
{
	static const enum question looked_at[] = {QUESTION_SELF, QUESTION_V4};

	for (size_t i = 0; i < sizeof(looked_at) / sizeof(looked_at[0]); i++)
		if (a[looked_at[i]].done && a[looked_at[i]].answer.rcode == DNS_SERVFAIL)
			return &a[looked_at[i]];
	return NULL;
}

static struct finding
judge(const struct asked *a, const struct asked *unchecked)
{
	const struct asked *failed = find_failed(a);
	struct finding f = {.state = asked_state(&a[QUESTION_V4]),
	                    .dnssec = "insecure",
	                    .ms = a[QUESTION_V4].ms};

	f.v4 = has_record(&a[QUESTION_V4], false);
	f.v6 = has_record(&a[QUESTION_V6], false);
	f.domain = has_record(&a[QUESTION_DOMAIN], false) || has_record(&a[QUESTION_DBL], false);
	f.negative = has_record(&a[QUESTION_NEGATIVE], false);
	for (size_t i = QUESTION_V4; i < QUESTION_COUNT; i++)
		f.blocked |=
			has_record(&a[i], true) || (a[i].done && a[i].answer.rcode == DNS_REFUSED);
	if (failed != NULL)
		f.dnssec = asked_is_good(unchecked) ? "bogus" : "unknown";
	else if (a[QUESTION_SELF].answer.is_authenticated || a[QUESTION_V4].answer.is_authenticated)
		f.dnssec = "secure";
	else if (!asked_is_good(&a[QUESTION_SELF]))
		f.dnssec = "unknown";
	return f;
}

static const char *const words[] = {"false", "true"};

static void
print_json_reach(const struct reach *r)
{
	static const char *const names[] = {"v4", "v6"};

	for (unsigned f = 0; f < REACH_FAMILIES; f++)
		printf("%s\"%s\":{\"address\":\"%.*s\",\"reachable\":%s,\"ms\":%lld}",
		       f > 0 ? "," : "", names[f], SLICE_FMT(r->by[f].address),
		       words[r->by[f].is_reachable], (long long)r->by[f].ms);
}

static void
print_json_row(const struct list *list, const struct reach *reach, const struct finding *f,
               bool is_first)
{

	printf("%s{\"list\":\"%.*s\",\"state\":\"%s\",\"ms\":%lld,\"dnssec\":\"%s\","
	       "\"test_point\":{\"v4\":%s,\"v6\":%s,\"domain\":%s,\"negative\":%s},"
	       "\"blocked\":%s,\"rule\":\"%.*s\",\"rules\":%zu,\"servers\":{",
	       is_first ? "" : ",", SLICE_FMT(list->zone), f->state, (long long)f->ms, f->dnssec,
	       words[f->v4], words[f->v6], words[f->domain], words[f->negative], words[f->blocked],
	       SLICE_FMT(list->rule->name), list->rule_count);
	print_json_reach(reach);
	printf("}}");
}

/* "12" ms, "-": no server of this family, "no": it does not answer. */
static const char *
reach_text(const struct reach *r, enum reach_family family, char *text, size_t size)
{
	if (r->by[family].address.len == 0)
		return "-";
	if (!r->by[family].is_reachable)
		return "no";
	snprintf(text, size, "%lld", (long long)r->by[family].ms);
	return text;
}

static void
print_row(const struct list *list, const struct reach *reach, const struct finding *f)
{
	char v4[24], v6[24];
	const char *listed = f->negative          ? "all!"
	                     : f->v4 && f->domain ? "ip,name"
	                     : f->v4              ? "ip"
	                     : f->domain          ? "name"
	                                          : "no";

	printf("%-38.*s %-8s %5lld %5s %5s  %-8s  %-7s  %-3s  %-7s  %.*s", SLICE_FMT(list->zone),
	       f->state, (long long)f->ms, reach_text(reach, REACH_V4, v4, sizeof(v4)),
	       reach_text(reach, REACH_V6, v6, sizeof(v6)), f->dnssec, listed, f->v6 ? "yes" : "no",
	       f->blocked ? "BLOCKED" : "no", SLICE_FMT(list->rule->name));
	if (list->rule_count > 1)
		printf(" +%zu", list->rule_count - 1);
	putchar('\n');
}

/* ---- policies ---- */

static bool
has_policy(const struct asked *a, const struct policy *policy)
{
	for (size_t i = 0; i < a->answer.record_count; i++)
		if (a->answer.records[i].type == DNS_TXT &&
		    slice_istarts(a->answer.records[i].text, slice_from_cstr(policy->prefix)))
			return true;
	return false;
}

static const char *
policy_dnssec(const struct asked *a, const struct asked *unchecked)
{
	if (a->answer.is_authenticated)
		return "secure";
	if (a->done && a->answer.rcode == DNS_SERVFAIL)
		return asked_is_good(unchecked) ? "bogus" : "unknown";
	return asked_is_good(a) ? "insecure" : "unknown";
}

static void
print_policies(const struct checker *c, const struct asked *asked, const struct asked *unchecked)
{
	if (c->as_json)
		printf("],\"policies\":[");
	else if (c->policies.count > 0)
		printf("\n%-38s %-8s %5s %5s %5s  %-8s  %-7s\n", "POLICY", "STATE", "MS", "", "",
		       "DNSSEC", "FOUND");
	for (size_t i = 0; i < c->policies.count; i++) {
		const struct policy *p = &c->policies.items[i];
		const char *dnssec = policy_dnssec(&asked[i], &unchecked[i]);
		bool found = has_policy(&asked[i], p);

		if (c->as_json)
			printf("%s{\"policy\":\"%s\",\"name\":\"%.*s\",\"state\":\"%s\",\"ms\":"
			       "%lld,\"dnssec\":\"%s\",\"found\":%s}",
			       i > 0 ? "," : "", p->name, SLICE_FMT(p->question),
			       asked_state(&asked[i]), (long long)asked[i].ms, dnssec,
			       words[found]);
		else
			printf("%-5s %-32.*s %-8s %5lld %5s %5s  %-8s  %-7s\n", p->name,
			       SLICE_FMT(p->question), asked_state(&asked[i]),
			       (long long)asked[i].ms, "", "", dnssec, found ? "yes" : "no");
	}
}

/* ---- one server ---- */

static void
ask_lists(struct checker *c, struct run *run, struct resolver *resolver, struct asked *asked)
{
	for (size_t i = 0; i < c->lists.count; i++)
		for (size_t q = 0; q < QUESTION_COUNT; q++)
			asked_start(run, resolver, &asked[i * QUESTION_COUNT + q],
			            arena_concat(c->arena, slice_from_cstr(questions[q].prefix),
			                         c->lists.items[i]->zone),
			            questions[q].type);
}

static void
print_server(const struct checker *c, struct slice server, const struct asked *top,
             const struct asked *bogus, const struct asked *bogus_unchecked)
{
	const char *validates =
		bogus->answer.rcode == DNS_SERVFAIL && asked_is_good(bogus_unchecked) ? "validates"
		: top->answer.is_authenticated                                        ? "says AD"
					       : "does not validate";

	if (c->as_json)
		printf("{\"server\":\"%.*s\",\"state\":\"%s\",\"ms\":%lld,\"dnssec\":\"%s\","
		       "\"lists\":[",
		       SLICE_FMT(server), asked_state(top), (long long)top->ms, validates);
	else
		printf("server %.*s: %s, %lld ms, %s\n\n%-38s %-8s %5s %5s %5s  %-8s  %-7s  %-3s  "
		       "%-7s  %s\n",
		       SLICE_FMT(server), asked_state(top), (long long)top->ms, validates, "LIST",
		       "STATE", "MS", "MS4", "MS6", "DNSSEC", "LISTED", "V6", "BLOCKED", "RULE");
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
	struct asked *policies = arena_new_array(c->arena, struct asked, c->policies.count + 1);
	struct asked *policies_unchecked =
		arena_new_array(c->arena, struct asked, c->policies.count + 1);
	struct run run = {.arena = c->arena}, second = {.arena = c->arena};

	if (resolver == NULL || other == NULL || asked == NULL || unchecked == NULL ||
	    policies == NULL || policies_unchecked == NULL) {
		c->has_trouble = true;
		goto out;
	}
	asked_start(&run, resolver, &top, SLICE("org"), DNS_SOA);
	asked_start(&run, resolver, &bogus, SLICE("dnssec-failed.org"), DNS_A);
	ask_lists(c, &run, resolver, asked);
	for (size_t i = 0; i < c->policies.count; i++)
		asked_start(&run, resolver, &policies[i], c->policies.items[i].question, DNS_TXT);
	run_wait(&run, &resolver, 1, LIMIT_MS);
	asked_start(&second, other, &bogus_unchecked, SLICE("dnssec-failed.org"), DNS_A);
	for (size_t i = 0; i < count; i++) {
		const struct asked *failed = find_failed(&asked[i * QUESTION_COUNT]);

		if (failed != NULL)
			asked_start(&second, other, &unchecked[i], failed->name, failed->type);
	}
	for (size_t i = 0; i < c->policies.count; i++)
		if (policies[i].answer.rcode == DNS_SERVFAIL)
			asked_start(&second, other, &policies_unchecked[i],
			            c->policies.items[i].question, DNS_TXT);
	run_wait(&second, &other, 1, LIMIT_MS);
	print_server(c, server, &top, &bogus, &bogus_unchecked);
	for (size_t i = 0; i < count; i++) {
		struct finding f = judge(&asked[i * QUESTION_COUNT], &unchecked[i]);

		c->has_trouble |=
			f.blocked || f.negative || !asked_is_good(&asked[i * QUESTION_COUNT + 1]);
		if (c->as_json)
			print_json_row(c->lists.items[i], &c->reaches[i], &f, i == 0);
		else
			print_row(c->lists.items[i], &c->reaches[i], &f);
	}
	print_policies(c, policies, policies_unchecked);
	if (c->as_json)
		printf("]}");
	else
		putchar('\n');
out:
	resolver_destroy(&resolver);
	resolver_destroy(&other);
}

static bool
find_reaches(struct checker *c, struct resolver *resolver)
{
	c->reaches = arena_new_array(c->arena, struct reach, c->lists.count + 1);
	for (size_t i = 0; i < c->lists.count && c->reaches != NULL; i++)
		c->reaches[i].zone = c->lists.items[i]->zone;
	if (c->reaches != NULL)
		dns_check_reach(c->arena, c->filter, resolver, c->reaches, c->lists.count);
	return c->reaches != NULL;
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
	find_policies(&c);
	rest = resolver_servers(resolver, c.arena);
	if (!find_reaches(&c, resolver))
		rest = SLICE("");
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
