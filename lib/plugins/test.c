/*
 * test.c - Mail::SpamAssassin::Plugin::Test: an eval that always hits
 *
 * The reference prints a line at load and at each call; here that is a debug line.
 */
#include "plugins/scan.h"

static int
check_test_plugin(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	log_debug(scan->log, "plugin", "Mail::SpamAssassin::Plugin::Test eval test called");
	return 1;
}

static const struct plugin_eval evals[] = {
	{"check_test_plugin", EVAL_ANY, check_test_plugin, NULL},
	{NULL, 0, NULL, NULL},
};

static const char *const features[] = {"test_feature_xxxx_true", "!test_feature_xxxx_false", NULL};

const struct plugin plugin_test = {
	.id = PLUGIN_ID_test,
	.class_name = "Mail::SpamAssassin::Plugin::Test",
	.module = {.name = "test"},
	.evals = evals,
	.features = features,
};
