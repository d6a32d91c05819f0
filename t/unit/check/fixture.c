/*
 * fixture.c - a filter of a few lines of configuration, and messages through it
 */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool
open_filter(struct fixture *fixture, const char *rules, bool is_local)
{
	char path[] = "/tmp/winnow-test-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	struct filter_options options = {
		.rules_path = path, .site_path = "/nonexistent", .local_tests_only = is_local};
	struct error error = {""};

	*fixture = (struct fixture){0};
	if (file == NULL)
		return false;
	fputs(rules, file);
	if (fclose(file) != 0)
		return false;
	fixture->filter = filter_create(&options, &error);
	fixture->arena = arena_create(0);
	fixture->match = match_scratch_create();
	unlink(path);
	if (fixture->filter == NULL)
		fprintf(stderr, "filter: %s\n", error.text);
	return fixture->filter != NULL && fixture->arena != NULL && fixture->match != NULL;
}

bool
fixture_open(struct fixture *fixture, const char *rules)
{
	return open_filter(fixture, rules, true);
}

bool
fixture_open_network(struct fixture *fixture, const char *rules)
{
	return open_filter(fixture, rules, false);
}

void
fixture_close(struct fixture *fixture)
{
	match_scratch_destroy(&fixture->match);
	arena_destroy(&fixture->arena);
	filter_destroy(&fixture->filter);
}

struct check *
fixture_scan(struct fixture *fixture, const char *message, const char *prefs)
{
	struct prefs_text text = {.file = SLICE("/home/u/.spamassassin/user_prefs"), .owner = 1000};
	struct check_options options = {0};
	struct check *check;

	if (prefs != NULL) {
		text.text = slice_from_cstr(prefs);
		options.prefs = prefs_create(fixture->filter, fixture->arena, &text, 1);
	}
	check = check_create(fixture->filter, fixture->arena, fixture->match,
	                     slice_from_cstr(message), &options);
	if (check != NULL)
		check_run_all(check);
	return check;
}
