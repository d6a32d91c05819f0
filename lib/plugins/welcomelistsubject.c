/*
 * welcomelistsubject.c - Mail::SpamAssassin::Plugin::WelcomeListSubject
 *
 * Each line is one glob over the lower-cased subject, not anchored at either end.
 */
#include "plugins/scan.h"

#include "conf/addrlist.h"

struct subject_settings {
	struct conf_words welcome, block;
};

static enum conf_result
parse_subject(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct conf_words *words = (void *)((unsigned char *)data + d->offset);
	struct slice glob = arena_printf(reader->arena, "*%.*s*",
	                                 SLICE_FMT(arena_dup_lower(reader->arena, value)));

	return conf_words_add(reader, words, glob) ? CONF_OK : CONF_FAILED;
}

static const struct directive directives[] = {
	{"blocklist_subject", "blacklist_subject", CONF_CUSTOM, CONF_USER,
         offsetof(struct subject_settings, block), NULL, parse_subject},
	{"welcomelist_subject", "whitelist_subject", CONF_CUSTOM, CONF_USER,
         offsetof(struct subject_settings, welcome), NULL, parse_subject},
};

static int
check(struct scan *scan, const struct conf_words *globs)
{
	struct slice subject = arena_dup_lower(scan->arena, scan_header(scan, SLICE("Subject")));

	for (size_t i = 0; subject.len > 0 && i < globs->count; i++)
		if (glob_match(globs->items[i], subject))
			return 1;
	return 0;
}

static int
subject_in_welcomelist(struct scan *scan, const struct eval_call *call)
{
	return check(scan, &((const struct subject_settings *)call->settings)->welcome);
}

static int
subject_in_blocklist(struct scan *scan, const struct eval_call *call)
{
	return check(scan, &((const struct subject_settings *)call->settings)->block);
}

static const struct plugin_eval evals[] = {
	{"check_subject_in_blacklist", EVAL_HEADER, subject_in_blocklist, NULL},
	{"check_subject_in_blocklist", EVAL_HEADER, subject_in_blocklist, NULL},
	{"check_subject_in_welcomelist", EVAL_HEADER, subject_in_welcomelist, NULL},
	{"check_subject_in_whitelist", EVAL_HEADER, subject_in_welcomelist, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_welcomelistsubject = {
	.id = PLUGIN_ID_welcomelistsubject,
	.class_name = "Mail::SpamAssassin::Plugin::WelcomeListSubject",
	.module = {.name = "welcomelistsubject",
                   .settings_size = sizeof(struct subject_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
};
