/*
 * fuzz_links.c - links that DecodeShortURLs and Redirectors look at, as a message's body
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"
#include "check/filter.h"
#include "t/fuzz/fuzz.h"

enum { BODY_MAX = 8000 };

static const char rules[] = "loadplugin Mail::SpamAssassin::Plugin::DecodeShortURLs\n"
			    "loadplugin Mail::SpamAssassin::Plugin::Redirectors\n"
			    "util_rb_tld test\n"
			    "url_shortener s.test .p.test\nurl_shortener_get g.test\n"
			    "url_redirector r.test .q.test .x.y.test\n"
			    "body SHORT eval:short_url()\nbody REDIR eval:redir_url()\n"
			    "body CODE eval:short_url_code('404')\n";
static const char head[] = "From: a@b.test\nSubject: x\n\n";

static struct filter *
open_filter(void)
{
	char path[] = "/tmp/winnow-fuzz-XXXXXX";
	int fd = mkstemp(path);
	struct filter_options options = {.rules_path = path,
	                                 .site_path = "/nonexistent",
	                                 .local_tests_only = true,
	                                 .post_text = "time_limit 0\n"};
	struct error error = {""};
	struct filter *filter;

	if (fd < 0 || write(fd, rules, sizeof(rules) - 1) != (ssize_t)sizeof(rules) - 1)
		abort();
	close(fd);
	filter = filter_create(&options, &error);
	unlink(path);
	if (filter == NULL || filter->errors > 0) {
		fprintf(stderr, "%s\n", error.text);
		abort();
	}
	return filter;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct filter *filter;
	static struct match_scratch *match;
	struct arena *arena = arena_create(0);
	size_t body = size < BODY_MAX ? size : BODY_MAX, len = sizeof(head) - 1 + body;
	unsigned char *message = malloc(len); /* of the exact size, for ASan */
	struct check *check;

	if (filter == NULL) {
		filter = open_filter();
		match = match_scratch_create();
	}
	if (arena == NULL || match == NULL || message == NULL)
		abort();
	memcpy(message, head, sizeof(head) - 1);
	memcpy(message + sizeof(head) - 1, data, body);
	check = check_create(filter, arena, match, slice_of(message, len), NULL);
	if (check == NULL)
		abort();
	check_run_all(check);
	arena_destroy(&arena);
	free(message);
	return 0;
}
