/*
 * test.c - Mail::SpamAssassin::Plugin::Test: an eval that always hits
 *
 * For trying whether plugins load: as in the reference, a line on standard output at load and at
 * each call.
 */
#include <stdio.h>

#include "plugins/scan.h"

#define CLASS "Mail::SpamAssassin::Plugin::Test"

static void
say(const char *text)
{
	printf("%s: built in\n", text);
	(void)fflush(stdout);
}

static void
finish_start(struct conf_reader *reader, void *settings)
{
	(void)reader, (void)settings;
	say("registered " CLASS);
}

static int
check_test_plugin(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	say(CLASS " eval test called");
	return 1;
}

static const struct plugin_eval evals[] = {
	{"check_test_plugin", EVAL_ANY, check_test_plugin, NULL},
	{NULL, 0, NULL, NULL},
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
