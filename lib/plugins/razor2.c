/*
 * razor2.c - Mail::SpamAssassin::Plugin::Razor2: Razor signatures
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct razor2_settings {
	struct slice razor_config;
	double razor_fork;
	double razor_timeout;
	double use_razor2;
};

#define AT(field) offsetof(struct razor2_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "razor_config", NULL, CONF_STRING, CONF_ADMIN, AT(razor_config), NULL, NULL },
	{ "razor_fork", NULL, CONF_NUMERIC, CONF_ADMIN, AT(razor_fork), "1", NULL },
	{ "razor_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(razor_timeout), "5", NULL },
	{ "use_razor2", NULL, CONF_NUMERIC, CONF_USER, AT(use_razor2), "1", NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_razor2", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_razor2_range", EVAL_FULL, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_fork",
	NULL,
};

const struct plugin plugin_razor2 = {
	.id = PLUGIN_ID_razor2,
	.class_name = "Mail::SpamAssassin::Plugin::Razor2",
	.module =
		{
			.name = "razor2",
			.settings_size = sizeof(struct razor2_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.needs_network = true,
};
