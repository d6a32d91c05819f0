/*
 * test.c - Mail::SpamAssassin::Plugin::Test: says on standard output that it is there
 *
 * Nothing for production: an example of an eval and of can()/has(), which installations use to try
 * whether plugins load.  Source: behaviour of Plugin/Test.pm 4.0.1.
 */
#include <stdio.h>

#include "plugins/scan.h"

#define CLASS "Mail::SpamAssassin::Plugin::Test"

static void
say(const char *text)
{
	printf("%s\n", text);
	(void)fflush(stdout);
}

static void
finish_start(struct conf_reader *reader, void *settings)
{
	(void)reader, (void)settings;
	say("registered " CLASS ": built in");
}

static int
check_test_plugin(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	say(CLASS " eval test called: built in");
	return 1;
}

static const struct plugin_eval evals[] = {
	{.name = "check_test_plugin", .kinds = EVAL_ANY, .run = check_test_plugin},
	{.name = NULL},
};

static const char *const features[] = {"test_feature_xxxx_true", "!test_feature_xxxx_false", NULL};

const struct plugin plugin_test = {
	.id = PLUGIN_ID_test,
	.class_name = CLASS,
	.module = {.name = "test"},
	.evals = evals,
	.features = features,
	.finish_start = finish_start,
};
