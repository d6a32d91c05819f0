/*
 * matchbench.c - cost of matching: PCRE2 alone against the prefilter, and that both agree
 *
 *	matchbench [-r ROUNDS] [-b] [-f] [-l] [-z] [-v] RULES.tsv ITEMS.bin
 *
 * The files are those of dump-rules.pl.  -b: only build; -f: only the prefilter; -l: tables are not
 *built (direct mode); -z: when first needed; -v: what each rule costs with the prefilter, dearest
 *first.  Exits 1 when a rule's hits differ.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "rules/match_set.h"
#include "util/strbuf.h"
#include "util/vec.h"

enum { BODY, RAWBODY, URI, FULL, HEADER, GROUPS_MAX = 400, KINDS = 5 };

static const char *const kind_names[KINDS] = {"body", "rawbody", "uri", "full", "header"};

struct bench_rule {
	struct slice name;
	unsigned group;
	size_t slot;
	struct slice unset;
	double seconds;
	unsigned long runs;
	unsigned long hits;
};

struct items {
	struct slice *list;
	size_t count;
	bool absent;
};

struct bench {
	struct arena *arena;
	struct match_set *sets[GROUPS_MAX];
	unsigned groups;
	VEC(struct bench_rule) rules;
	VEC(unsigned) in_group[GROUPS_MAX]; /* rule of each slot */
	VEC(struct items *) messages;
	struct match_scratch *scratch;
	bool verbose;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct slice
read_file(struct arena *arena, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct strbuf buf;
	unsigned char block[65536];
	size_t n;

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	strbuf_init(&buf, arena, 0);
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		strbuf_add(&buf, slice_of(block, n));
	fclose(f);
	return strbuf_slice(&buf);
}

static struct slice
unhex(struct arena *arena, struct slice text)
{
	struct strbuf buf;

	if (text.len == 1)
		return SLICE_NULL;
	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i + 1 < text.len; i += 2)
		strbuf_add_byte(&buf, (unsigned char)(byte_hex_value(text.data[i]) * 16 +
		                                      byte_hex_value(text.data[i + 1])));
	return buf.len == 0 ? SLICE("") : strbuf_slice(&buf);
}

static unsigned
kind_of(unsigned group)
{
	return group < HEADER ? group : HEADER;
}

static void
add_rule(struct bench *b, struct slice line)
{
	struct slice f[8];
	struct bench_rule rule = {0};
	struct error error;
	struct regex *regex;
	unsigned long long group, maxhits = 0;
	unsigned flags = 0;
	size_t at;

	for (int i = 0; i < 8; i++)
		if (!slice_next(&line, '\t', &f[i]))
			return;
	(void)slice_to_u64(f[0], GROUPS_MAX - 1, &group);
	rule.group = (unsigned)group;
	rule.name = f[2];
	rule.unset = unhex(b->arena, f[7]);
	if (slice_find(f[5], SLICE("multiple"), 0) != SLICE_NPOS)
		flags |= MATCH_MULTIPLE;
	if (slice_find(f[5], SLICE("nosubject"), 0) != SLICE_NPOS)
		flags |= MATCH_NOSUBJECT;
	at = slice_find(f[5], SLICE("maxhits="), 0);
	if (at != SLICE_NPOS) {
		struct slice digits = slice_from(f[5], at + 8);
		digits.len = slice_span(digits, "0123456789", 0);
		(void)slice_to_u64(digits, 1000000, &maxhits);
	}
	regex = regex_create(b->arena, unhex(b->arena, f[6]), 0, &error);
	if (regex == NULL) {
		printf("refused %.*s: %s\n", SLICE_FMT(rule.name), error.text);
		return;
	}
	if (rule.group >= b->groups)
		b->groups = rule.group + 1;
	if (b->sets[rule.group] == NULL) {
		static const enum match_model models[KINDS] = {MATCH_MODEL_TEXT, MATCH_MODEL_RAW,
		                                               MATCH_MODEL_URI, MATCH_MODEL_RAW,
		                                               MATCH_MODEL_HEADER};
		b->sets[rule.group] = match_set_create(b->arena);
		match_set_model(b->sets[rule.group], models[kind_of(rule.group)]);
	}
	rule.slot = match_set_add(b->sets[rule.group], (unsigned)b->rules.count, regex, flags,
	                          (unsigned)maxhits);
	vec_push(b->arena, &b->in_group[rule.group], (unsigned)b->rules.count);
	vec_push(b->arena, &b->rules, rule);
}

static uint32_t
take_u32(struct slice *s)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++)
		v |= (uint32_t)s->data[i] << (8 * i);
	*s = slice_from(*s, 4);
	return v;
}

static void
load_messages(struct bench *b, struct slice data)
{
	while (data.len >= 4) {
		struct items *m = arena_new_array(b->arena, struct items, b->groups);

		for (unsigned g = 0; g < b->groups; g++) {
			m[g].count = take_u32(&data);
			m[g].list = arena_new_array(b->arena, struct slice, m[g].count + 1);
			for (size_t i = 0; i < m[g].count; i++) {
				uint32_t n = take_u32(&data);
				m[g].absent = n == 0xffffffff;
				n = m[g].absent ? 0 : n;
				m[g].list[i] = slice_sub(data, 0, n);
				data = slice_from(data, n);
			}
		}
		vec_push(b->arena, &b->messages, m);
	}
}

/* One group of one message; hits may be NULL. */
static void
run_group(struct bench *b, struct arena *arena, const struct items *m, unsigned g, unsigned flags,
          unsigned *hits)
{
	struct match_run *run;
	struct match_hit hit;
	bool measure = b->verbose && flags == 0;

	if (b->sets[g] == NULL)
		return;
	run = match_run_create(arena, b->sets[g], b->scratch, m[g].list, m[g].count, flags);
	if (run == NULL)
		exit(2);
	for (size_t s = 0; (s = match_run_next(run, NULL, s)) != MATCH_NONE; s++) {
		double t = measure ? now() : 0;
		unsigned n = match_run_rule(run, s, &hit);
		struct bench_rule *rule = &b->rules.items[b->in_group[g].items[s]];

		if (measure) {
			rule->seconds += now() - t;
			rule->runs++;
			rule->hits += n > 0;
		}
		if (hits != NULL)
			hits[b->in_group[g].items[s]] = n;
	}
}

static unsigned long
verify(struct bench *b)
{
	unsigned *with = calloc(b->rules.count, sizeof(*with));
	unsigned *without = calloc(b->rules.count, sizeof(*without));
	unsigned long bad = 0, total = 0;
	struct arena *arena = arena_create(0);

	for (size_t i = 0; i < b->messages.count; i++) {
		memset(with, 0, b->rules.count * sizeof(*with));
		memset(without, 0, b->rules.count * sizeof(*without));
		for (unsigned g = 0; g < b->groups; g++) {
			run_group(b, arena, b->messages.items[i], g, 0, with);
			run_group(b, arena, b->messages.items[i], g, MATCH_RUN_ALL, without);
		}
		for (size_t r = 0; r < b->rules.count; r++) {
			total += without[r] > 0;
			if (with[r] == without[r])
				continue;
			if (bad++ < 20)
				printf("DIFFERS message %zu %.*s: prefilter %u, PCRE2 %u\n", i,
				       SLICE_FMT(b->rules.items[r].name), with[r], without[r]);
		}
		arena_reset(arena);
	}
	printf("verified: %zu messages x %zu rules, %lu hits, %lu differences\n", b->messages.count,
	       b->rules.count, total, bad);
	arena_destroy(&arena);
	free(with);
	free(without);
	return bad;
}

/* Seconds of one pass, by kind. */
static void
measure(struct bench *b, unsigned flags, double seconds[KINDS])
{
	struct arena *arena = arena_create(0);

	memset(seconds, 0, sizeof(double) * KINDS);
	for (size_t i = 0; i < b->messages.count; i++) {
		for (unsigned k = 0; k < KINDS; k++) {
			unsigned last = k == HEADER ? b->groups : k + 1;
			double t = now();
			for (unsigned g = k; g < last; g++)
				run_group(b, arena, b->messages.items[i], g, flags, NULL);
			seconds[k] += now() - t;
		}
		arena_reset(arena);
	}
	arena_destroy(&arena);
}

static double
best_of(struct bench *b, unsigned flags, int rounds, const char *name)
{
	double best[KINDS] = {0}, total = 1e9;

	for (int r = 0; r < rounds; r++) {
		double s[KINDS], sum = 0;
		measure(b, flags, s);
		for (unsigned k = 0; k < KINDS; k++)
			sum += s[k];
		if (sum < total) {
			total = sum;
			memcpy(best, s, sizeof(best));
		}
	}
	printf("%-18s %8.1f us/message:", name, total / (double)b->messages.count * 1e6);
	for (unsigned k = 0; k < KINDS; k++)
		printf(" %s %.1f", kind_names[k], best[k] / (double)b->messages.count * 1e6);
	printf("\n");
	return total;
}

static int
dearer(const void *a, const void *b)
{
	const struct bench_rule *x = a, *y = b;

	return x->seconds < y->seconds ? 1 : x->seconds > y->seconds ? -1 : 0;
}

static void
show_rules(struct bench *b)
{
	double n = (double)b->messages.count;

	qsort(b->rules.items, b->rules.count, sizeof(*b->rules.items), dearer);
	for (size_t i = 0; i < b->rules.count && i < 60; i++) {
		const struct bench_rule *r = &b->rules.items[i];
		struct slice d = match_set_describe(b->sets[r->group], r->slot, b->arena);
		printf("%7.2f us %6.2f runs %6.3f hits %-8s %-28.*s %.*s\n", r->seconds / n * 1e6,
		       (double)r->runs / n, (double)r->hits / n, kind_names[kind_of(r->group)],
		       SLICE_FMT(r->name), SLICE_FMT(d));
	}
}

static void
build(struct bench *b, unsigned flags)
{
	struct error error;
	double t = now();
	size_t bytes = 0;

	for (unsigned g = 0; g < b->groups; g++) {
		if (b->sets[g] == NULL)
			continue;
		if (match_set_build(b->sets[g], flags, &error) != STATUS_OK) {
			printf("build: %s\n", error.text);
			exit(2);
		}
		bytes += match_set_bytes(b->sets[g]);
		if (g < HEADER || b->verbose) {
			struct slice d = match_set_describe_tables(b->sets[g], b->arena);
			printf("  %u: %zu rules, %.*s\n", g, match_set_count(b->sets[g]),
			       SLICE_FMT(d));
		}
	}
	printf("tables: %.1f ms, %.1f MB\n", (now() - t) * 1e3, (double)bytes / 1e6);
}

int
main(int argc, char **argv)
{
	struct bench b = {.arena = arena_create(0), .scratch = match_scratch_create()};
	unsigned flags = MATCH_BUILD_TABLES | MATCH_BUILD_OTHER;
	int rounds = 3, o;
	struct slice lines, line;
	struct rusage usage;
	double t, base, fast;
	unsigned long bad;
	bool show, only_build = false, only_fast = false;

	while ((o = getopt(argc, argv, "r:lvbfz")) != -1) {
		if (o == 'r')
			rounds = atoi(optarg);
		else if (o == 'l')
			flags = 0;
		else if (o == 'z')
			flags |= MATCH_BUILD_LAZY;
		else if (o == 'f')
			only_fast = true;
		else if (o == 'b')
			only_build = true;
		else if (o == 'v')
			b.verbose = true;
		else
			return 2;
	}
	if (argc - optind != 2)
		return 2;
	lines = read_file(b.arena, argv[optind]);
	t = now();
	while (slice_next(&lines, '\n', &line))
		add_rule(&b, line);
	printf("%zu rules in %u groups parsed in %.1f ms\n", b.rules.count, b.groups,
	       (now() - t) * 1e3);
	load_messages(&b, read_file(b.arena, argv[optind + 1]));
	build(&b, flags);
	if (only_build)
		return 0;
	bad = only_fast ? 0 : verify(&b);
	getrusage(RUSAGE_SELF, &usage);
	show = b.verbose;
	b.verbose = false;
	base = only_fast ? 0 : best_of(&b, MATCH_RUN_ALL, rounds, "PCRE2 alone");
	fast = best_of(&b, 0, rounds, "with prefilter");
	printf("ratio %.2f; resident %.1f MB (texts included)\n", base / fast,
	       (double)usage.ru_maxrss / 1024);
	if (show)
		show_rules(&b);
	match_scratch_destroy(&b.scratch);
	arena_destroy(&b.arena);
	return bad > 0;
}
