/*
 * test_network_times.c - how long a scan waits for DNS, played from scripts with a clock of its own
 *
 * Clock and resolver are those below: the linker takes them instead of lib/util/clock.c and
 * lib/dns/resolver.c.  A scene says when which question is answered; the clock stands still while
 * the scan works and jumps when it waits.  Times are those of the reference's rules (AsyncLoop.pm,
 * SPF.pm, DKIM.pm, DMARC.pm of 4.0.1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns/resolver.h"
#include "dns/wire.h"
#include "fixture.h"
#include "plugins/lookup.h"
#include "util/clock.h"

/* ---- the clock ---- */

static int64_t now_ms;

int64_t
clock_monotonic_ms(void)
{
	return now_ms;
}

int64_t
clock_monotonic_us(void)
{
	return now_ms * 1000;
}

int64_t
clock_coarse_ms(void)
{
	return now_ms;
}

int64_t
clock_wall_s(void)
{
	return 1700000000 + now_ms / 1000;
}

int64_t
clock_cpu_us(void)
{
	return 0;
}

/* ---- the name server ---- */

enum { NEVER = -1, ANSWERS_MAX = 16, OPEN_MAX = 256 };

struct answer {
	const char *name;
	unsigned type;
	int after_ms; /* its question; NEVER */
	unsigned rcode;
	const char *text; /* A: "127.0.0.2"; TXT; NULL: no record */
};

struct scene {
	const char *name, *rules;
	struct answer answers[ANSWERS_MAX]; /* ends with name NULL; others do not exist, at once */
	const char *hits;                   /* in order of their names */
	int64_t lasts_ms;
};

struct open_question {
	struct resolver_query *query;
	const struct answer *answer; /* NULL: no such name */
	char name[DNS_NAME_BYTES_MAX + 1];
	unsigned type;
	int64_t due_ms; /* INT64_MAX: never */
};

static const struct scene *scene;
static struct open_question open_questions[OPEN_MAX];
static size_t open_count;

bool
resolver_ask(struct resolver *resolver, struct resolver_query *query, struct slice name,
             unsigned type)
{
	struct open_question *q = &open_questions[open_count++];
	const struct answer *a = scene->answers;

	(void)resolver;
	assert_true(open_count < OPEN_MAX);
	*q = (struct open_question){.query = query, .type = type, .due_ms = now_ms};
	memcpy(q->name, name.data, name.len);
	query->question = NULL;
	for (; a->name != NULL; a++) {
		if (a->type != type || !slice_ieq(slice_from_cstr(a->name), name))
			continue;
		q->answer = a;
		q->due_ms = a->after_ms == NEVER ? INT64_MAX : now_ms + a->after_ms;
		break;
	}
	return true;
}

void
resolver_forget(struct resolver_query *query)
{
	for (size_t i = 0; i < open_count; i++)
		if (open_questions[i].query == query)
			open_questions[i--] = open_questions[--open_count];
}

/* An answer as bytes. */
static size_t
write_answer(const struct open_question *q, unsigned char *bytes)
{
	const struct dns_question_options options = {.id = 1};
	const struct answer *a = q->answer;
	const char *text = a == NULL ? NULL : a->text;
	unsigned rcode = a == NULL ? DNS_NXDOMAIN : a->rcode, octets[4];
	struct dns_question question;
	size_t len, n = text == NULL ? 0 : strlen(text);
	unsigned char *record;

	assert_int_equal(dns_question_write(slice_from_cstr(q->name), q->type, &options, &question),
	                 STATUS_OK);
	memcpy(bytes, question.bytes, question.len);
	len = question.len;
	bytes[2] = 0x81;
	bytes[3] = (unsigned char)(0x80 | rcode);
	if (text == NULL)
		return len;
	bytes[7] = 1;
	record = bytes + len;
	memcpy(record, "\xc0\x0c\0\0\0\1\0\0\0\x3c\0", 11);
	record[3] = (unsigned char)q->type;
	if (q->type == DNS_TXT) {
		record[11] = (unsigned char)(n + 1);
		record[12] = (unsigned char)n;
		memcpy(record + 13, text, n);
		return len + 13 + n;
	}
	assert_int_equal(
		sscanf(text, "%u.%u.%u.%u", &octets[0], &octets[1], &octets[2], &octets[3]), 4);
	record[11] = 4;
	for (int i = 0; i < 4; i++)
		record[12 + i] = (unsigned char)octets[i];
	return len + 16;
}

void
resolver_step(struct resolver *resolver)
{
	(void)resolver;
	for (size_t i = 0; i < open_count; i++) {
		struct open_question q = open_questions[i];
		unsigned char bytes[1024];

		if (q.due_ms > now_ms)
			continue;
		open_questions[i] = open_questions[--open_count];
		q.query->answered(q.query, DNS_ANSWERED, slice_of(bytes, write_answer(&q, bytes)));
		i = (size_t)-1; /* the list may be another one now */
	}
}

/* What is left of resolver.h. */

struct resolver {
	struct resolver_counts counts;
};

static struct resolver the_resolver;

struct resolver *
resolver_create(const struct resolver_options *options, struct error *error)
{
	(void)options, (void)error;
	return &the_resolver;
}

void
resolver_destroy(struct resolver **resolver)
{
	*resolver = NULL;
}

int
resolver_fd(const struct resolver *resolver)
{
	(void)resolver;
	return -1;
}

int
resolver_wait_ms(struct resolver *resolver, int most_ms)
{
	(void)resolver;
	return most_ms;
}

size_t
resolver_server_count(const struct resolver *resolver)
{
	(void)resolver;
	return 1;
}

struct slice
resolver_servers(const struct resolver *resolver, struct arena *arena)
{
	(void)resolver, (void)arena;
	return SLICE("[192.0.2.53]:53");
}

const struct resolver_counts *
resolver_counts(const struct resolver *resolver)
{
	return &resolver->counts;
}

/* ---- scenes ---- */

#define PLUGIN(name) "loadplugin Mail::SpamAssassin::Plugin::" name "\n"
#define LISTS                                                                                      \
	PLUGIN("DNSEval")                                                                          \
	"header ONE eval:check_rbl('one', 'one.list.test.')\ntflags ONE net\n"                     \
	"header TWO eval:check_rbl('two', 'two.list.test.')\ntflags TWO net\n"                     \
	"meta NOT_ONE !ONE\n"
#define SPF_RULES                                                                                  \
	PLUGIN("SPF")                                                                              \
	"header SPF_PASS eval:check_for_spf_pass()\n"                                              \
	"header SPF_FAIL eval:check_for_spf_fail()\n"                                              \
	"header SPF_TEMP eval:check_for_spf_temperror()\n"
#define Q1 "9.2.0.192.one.list.test"
#define Q2 "9.2.0.192.two.list.test"
#define HIT "127.0.0.2"

static const struct scene scenes[] = {
	{"all answers are there at once", LISTS, {{Q1, DNS_A, 0, 0, HIT}}, "ONE", 0},
	{"the last answer ends the wait",
         LISTS,
         {{Q1, DNS_A, 700, 0, HIT}, {Q2, DNS_A, 1200, 0, HIT}},
         "ONE TWO",
         1200},
	/* 15 s, a fifth of it at least: none of two answered, then one of two. */
	{"rbl_timeout is 15 s",
         LISTS,
         {{Q1, DNS_A, NEVER, 0, NULL}, {Q2, DNS_A, NEVER, 0, NULL}},
         "NOT_ONE",
         15001},
	{"the more have come, the shorter the wait: 15 - (15 - 3) / 4",
         LISTS,
         {{Q1, DNS_A, NEVER, 0, NULL}},
         "NOT_ONE",
         12001},
	{"an answer just before the end counts", LISTS, {{Q1, DNS_A, 12000, 0, HIT}}, "ONE", 12000},
	{"one just behind it does not", LISTS, {{Q1, DNS_A, 12002, 0, HIT}}, "NOT_ONE", 12001},
	{"rbl_timeout 10 2: 10 - (10 - 2) / 4",
         LISTS "rbl_timeout 10 2\n",
         {{Q1, DNS_A, NEVER, 0, NULL}, {Q2, DNS_A, 100, 0, HIT}},
         "NOT_ONE TWO",
         8001},
	{"a zone's own time, for all below it",
         LISTS "rbl_timeout 10\nrbl_timeout 4 1 list.test\n",
         {{Q1, DNS_A, NEVER, 0, NULL}, {Q2, DNS_A, NEVER, 0, NULL}},
         "NOT_ONE",
         4001},
	{"of two zones the nearer",
         LISTS "rbl_timeout 10\nrbl_timeout 4 list.test\nrbl_timeout 2 2 one.list.test\n",
         {{Q1, DNS_A, NEVER, 0, NULL}},
         "NOT_ONE",
         2001},
	{"the longest of the open ones counts",
         LISTS "rbl_timeout 8 8\nrbl_timeout 2 2 one.list.test\n",
         {{Q1, DNS_A, NEVER, 0, NULL}, {Q2, DNS_A, NEVER, 0, NULL}},
         "NOT_ONE",
         8001},
	{"a minimum above the time is the time",
         LISTS "rbl_timeout 3 5\n",
         {{Q1, DNS_A, NEVER, 0, NULL}},
         "NOT_ONE",
         5001},
	{"time_limit cuts it",
         LISTS "time_limit 2\n",
         {{Q1, DNS_A, NEVER, 0, NULL}},
         "TIME_LIMIT_EXCEEDED",
         2000},

	{"SPF passes when its answer comes",
         SPF_RULES,
         {{"sender.test", DNS_TXT, 800, 0, "v=spf1 ip4:192.0.2.9 -all"}},
         "SPF_PASS",
         800},
	{"SPF: 3 s for an answer, then a temporary error",
         SPF_RULES,
         {{"sender.test", DNS_TXT, NEVER, 0, NULL}},
         "SPF_TEMP",
         3001},
	{"SPF: SERVFAIL is one at once",
         SPF_RULES,
         {{"sender.test", DNS_TXT, 50, DNS_SERVFAIL, NULL}},
         "SPF_TEMP",
         50},
	{"SPF: answers one after another until spf_timeout: no result",
         SPF_RULES,
         {{"sender.test", DNS_TXT, 2900, 0, "v=spf1 include:a.test -all"},
          {"a.test", DNS_TXT, 2900, 0, "v=spf1 -all"}},
         "",
         5001},
	{"SPF: spf_timeout 2 is less than 3 s",
         SPF_RULES "spf_timeout 2\n",
         {{"sender.test", DNS_TXT, NEVER, 0, NULL}},
         "",
         2001},
	{"SPF: within spf_timeout",
         SPF_RULES "spf_timeout 10\n",
         {{"sender.test", DNS_TXT, 2900, 0, "v=spf1 include:a.test -all"},
          {"a.test", DNS_TXT, 2900, 0, "v=spf1 ip4:192.0.2.9 -all"}},
         "SPF_PASS",
         5800},

	{"DKIM: 3 s for a key",
         PLUGIN("DKIM") "full SIGNED eval:check_dkim_signed()\nfull VALID "
                        "eval:check_dkim_valid()\n",
         {{"s._domainkey.sender.test", DNS_TXT, NEVER, 0, NULL}},
         "SIGNED",
         3001},
	{"DKIM: dkim_timeout 1",
         PLUGIN("DKIM") "full SIGNED eval:check_dkim_signed()\ndkim_timeout 1\n",
         {{"s._domainkey.sender.test", DNS_TXT, NEVER, 0, NULL}},
         "SIGNED",
         1001},
	{"lists and keys wait together",
         LISTS PLUGIN("DKIM") "full SIGNED eval:check_dkim_signed()\n",
         {{Q1, DNS_A, 2500, 0, HIT}, {"s._domainkey.sender.test", DNS_TXT, 2000, 0, "p="}},
         "ONE SIGNED",
         2500},
};

static const char message[] =
	"Return-Path: <a@sender.test>\n"
	"Received: from h.sender.test (h.sender.test [192.0.2.9]) by mx.example.org (Postfix) with "
	"ESMTP id A1; Mon, 1 Jan 2024 00:00:00 +0000\n"
	"DKIM-Signature: v=1; a=rsa-sha256; d=sender.test; s=s; h=from; "
	"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\n"
	"From: a@sender.test\nTo: b@example.org\nSubject: x\n"
	"Date: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <m@sender.test>\n\nhello\n";

static int
by_name(const void *a, const void *b)
{
	const struct scan_hit *x = a, *y = b;

	return slice_cmp(x->rule->name, y->rule->name);
}

static struct slice
hits_of(struct check *check)
{
	struct slice text = SLICE("");
	size_t count = check->scan.hits.count;

	if (count > 0)
		qsort(check->scan.hits.items, count, sizeof(struct scan_hit), by_name);
	for (size_t i = 0; i < count; i++)
		text = arena_printf(check->scan.arena, "%.*s%s%.*s", SLICE_FMT(text),
		                    i > 0 ? " " : "",
		                    SLICE_FMT(check->scan.hits.items[i].rule->name));
	return text;
}

/* Until the scan wants to run again, or an answer is due. */
static void
sleep_until_due(const struct check *check)
{
	int64_t until_ms = check->scan.wait.until_ms;

	for (size_t i = 0; i < open_count; i++)
		if (open_questions[i].due_ms < until_ms)
			until_ms = open_questions[i].due_ms;
	if (until_ms > now_ms)
		now_ms = until_ms;
}

static bool
play(const struct scene *played)
{
	struct fixture fixture;
	struct check_options options = {.resolver = &the_resolver};
	struct check *check;
	enum check_status status;
	int64_t begun_ms = now_ms;
	struct slice hits;
	bool good;

	scene = played;
	assert_true(fixture_open_network(&fixture, played->rules));
	check = check_create(fixture.filter, fixture.arena, fixture.match, slice_from_cstr(message),
	                     &options);
	assert_non_null(check);
	while ((status = check_run(check)) != CHECK_DONE) {
		if (status == CHECK_WAIT)
			sleep_until_due(check);
		resolver_step(&the_resolver);
	}
	hits = hits_of(check);
	good = slice_eq(hits, slice_from_cstr(played->hits)) &&
	       now_ms - begun_ms == played->lasts_ms;
	if (!good)
		print_error("%s: %.*s after %lld ms, not %s after %lld\n", played->name,
		            SLICE_FMT(hits), (long long)(now_ms - begun_ms), played->hits,
		            (long long)played->lasts_ms);
	fixture_close(&fixture);
	assert_int_equal(open_count, 0);
	return good;
}

static void
test_scenes(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		now_ms += 1000000;
		bad += !play(&scenes[i]);
	}
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_scenes)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
