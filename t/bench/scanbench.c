/*
 * scanbench.c - what a message costs, stage by stage, in one process
 *
 *	scanbench [-r ROUNDS] [-n] [-m] [--site DIR] [-C RULES] FILE...
 *
 * -n: without the prefilter (PCRE2 alone); -m: machine-readable.  Prints CPU microseconds a message
 *(the best of the rounds), the share of each stage, and memory.  Compared with the reference by
 *t/bench/run.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "check/check.h"
#include "check/rewrite.h"
#include "util/file.h"

enum {
	STAGE_PARSE,
	STAGE_BEGIN,
	STAGE_RENDER,
	STAGE_FIRST_STEP,
	STAGE_FINISH = STAGE_FIRST_STEP + 10,
	STAGE_REWRITE,
	STAGE_COUNT
};

static const char *const stage_names[STAGE_COUNT] = {
	"parse",
	"relays, metadata",
	"render ahead (large)",
	"header rules",
	"header evals",
	"body rules (render)",
	"uri rules",
	"body evals",
	"rawbody rules",
	"rawbody evals",
	"full rules",
	"full evals",
	"metas, templates",
	"last metas",
	"rewrite, report",
};

static double
cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

struct bench {
	struct filter *filter;
	struct match_scratch *match;
	struct arena *arena;
	double stages[STAGE_COUNT];
	double longest[STAGE_COUNT]; /* one call of check_run: so long other clients wait */
	size_t spam;
};

static int
stage_of(const struct check *check)
{
	switch (check->state) {
	case CHECK_STATE_BEGIN:
		return STAGE_BEGIN;
	case CHECK_STATE_RENDER:
		return STAGE_RENDER;
	case CHECK_STATE_PRIORITY:
		return STAGE_FIRST_STEP + (int)check->step;
	case CHECK_STATE_ANSWERS:
	case CHECK_STATE_HARVEST:
	case CHECK_STATE_FINISH:
	case CHECK_STATE_DONE:
		break;
	}
	return STAGE_FINISH;
}

/* Without a look at the clock in between, which costs more than most steps.  A function of its own
 * for callgrind: --toggle-collect=scan_plain counts the instructions of messages alone. */
static bool __attribute__((noinline)) scan_plain(struct bench *bench, struct slice message)
{
	struct check *check =
		check_create(bench->filter, bench->arena, bench->match, message, NULL);

	if (check == NULL)
		return false;
	check_run_all(check);
	(void)rewrite_message(check);
	bench->spam += check->is_spam;
	arena_reset(bench->arena);
	return true;
}

static bool
scan_stages(struct bench *bench, struct slice message)
{
	double at = cpu_us(), now;
	struct check *check =
		check_create(bench->filter, bench->arena, bench->match, message, NULL);
	enum check_status status = CHECK_AGAIN;

	if (check == NULL)
		return false;
	now = cpu_us();
	bench->stages[STAGE_PARSE] += now - at;
	while (status != CHECK_DONE) {
		int stage = stage_of(check);

		at = now;
		status = check_run(check);
		now = cpu_us();
		bench->stages[stage] += now - at;
		if (now - at > bench->longest[stage])
			bench->longest[stage] = now - at;
	}
	at = now;
	(void)rewrite_message(check);
	bench->stages[STAGE_REWRITE] += cpu_us() - at;
	bench->spam += check->is_spam;
	arena_reset(bench->arena);
	return true;
}

static void
print_stages(const struct bench *bench, size_t messages, bool machine)
{
	double total = 0;

	for (int i = 0; i < STAGE_COUNT; i++)
		total += bench->stages[i];
	for (int i = 0; i < STAGE_COUNT; i++)
		if (!machine)
			printf("  %-20s %8.1f us  %5.1f %%   longest step %8.1f us\n",
			       stage_names[i], bench->stages[i] / (double)messages,
			       100 * bench->stages[i] / total, bench->longest[i]);
}

static void
quiet(void *data, enum log_level level, const char *area, struct slice text)
{
	(void)data, (void)area;
	if (level >= LOG_LEVEL_WARN)
		fprintf(stderr, "%.*s\n", SLICE_FMT(text));
}

int
main(int argc, char **argv)
{
	struct log log = {.write = quiet, .least = LOG_LEVEL_WARN};
	struct filter_options options = {.local_tests_only = true, .for_server = true, .log = &log};
	struct arena *files = arena_create(0);
	struct bench bench = {.arena = arena_create(0), .match = match_scratch_create()};
	slice_vec messages = {0};
	struct error error;
	struct rusage usage;
	size_t bytes = 0, rounds = 3;
	double best = 0, loaded = cpu_us();
	bool machine = false;

	for (int i = 1; i < argc; i++) {
		struct slice text;

		if (strcmp(argv[i], "-n") == 0)
			options.no_prefilter = true;
		else if (strcmp(argv[i], "-m") == 0)
			machine = true;
		else if (strcmp(argv[i], "-r") == 0 && i + 1 < argc)
			rounds = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--site") == 0 && i + 1 < argc)
			options.site_path = argv[++i];
		else if (strcmp(argv[i], "-C") == 0 && i + 1 < argc)
			options.rules_path = argv[++i];
		else if (file_read(files, argv[i], 1 << 28, &text, &error) == STATUS_OK)
			(void)vec_push(files, &messages, text);
	}
	loaded = cpu_us();
	bench.filter = filter_create(&options, &error);
	loaded = cpu_us() - loaded;
	if (bench.filter == NULL || messages.count == 0) {
		fprintf(stderr, "scanbench: %s\n",
		        bench.filter == NULL ? error.text : "no messages");
		return 1;
	}
	mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
	mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
	for (size_t r = 0; r < rounds; r++) {
		double at;

		bench.spam = bytes = 0;
		at = cpu_us();
		for (size_t i = 0; i < messages.count; i++) {
			bytes += messages.items[i].len;
			if (!scan_plain(&bench, messages.items[i]))
				return 1;
		}
		at = (cpu_us() - at) / (double)messages.count;
		if (best == 0 || at < best)
			best = at;
	}
	getrusage(RUSAGE_SELF, &usage);
	for (size_t i = 0; !machine && i < messages.count; i++)
		if (!scan_stages(&bench, messages.items[i]))
			return 1;
	if (machine)
		printf("us_per_message\t%.2f\nmessages\t%zu\nbytes\t%zu\nspam\t%zu\nload_ms\t%."
		       "1f\nmax_rss_kb\t%ld\n",
		       best, messages.count, bytes, bench.spam, loaded / 1000, usage.ru_maxrss);
	else
		printf("%zu messages, %zu bytes each, %zu spam: %.1f us CPU a message (best of %zu "
		       "rounds); load %.0f ms, "
		       "max RSS %ld KB\n",
		       messages.count, bytes / messages.count, bench.spam, best, rounds,
		       loaded / 1000, usage.ru_maxrss);
	print_stages(&bench, messages.count, machine);
	match_scratch_destroy(&bench.match);
	arena_destroy(&bench.arena);
	filter_destroy(&bench.filter);
	arena_destroy(&files);
	return 0;
}
