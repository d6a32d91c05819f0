/*
 * fuzz_authres.c - Authentication-Results fields: a message of which the input is one, or its ARC
 * sister
 */
#include <stdlib.h>

#include "check/check.h"
#include "check/filter.h"
#include "t/fuzz/fuzz.h"

static const char rules[] = "authres_networks all\n"
			    "header SPF eval:check_authres_result('spf', 'pass')\n"
			    "header DKIM eval:check_authres_result('dkim', 'fail')\n"
			    "header DMARC eval:check_authres_result('dmarc', 'missing')\n"
			    "header ARC eval:check_authres_result('arc', 'none')\n";

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct filter *filter;
	static struct match_scratch *match;
	struct filter_options options = {
		.rules_path = "/nonexistent",
		.site_path = "/nonexistent",
		.pre_text = "loadplugin Mail::SpamAssassin::Plugin::AuthRes\n",
		.post_text = rules,
		.local_tests_only = true,
	};
	struct arena *arena = arena_create(64 * 1024 * 1024);
	struct slice message;
	struct check *check;
	struct error error;

	if (filter == NULL) {
		filter = filter_create(&options, &error);
		match = match_scratch_create();
	}
	if (filter == NULL || match == NULL)
		abort();
	message = arena_concat(arena,
	                       size > 0 && data[0] & 1 ? SLICE("ARC-Authentication-Results: i=1; ")
	                                               : SLICE("Authentication-Results: "),
	                       slice_of(data, size));
	check = check_create(filter, arena, match, message, NULL);
	if (check != NULL)
		check_run_all(check);
	arena_destroy(&arena);
	return 0;
}
