/*
 * resourcelimits.c - Mail::SpamAssassin::Plugin::ResourceLimits: limits of server children
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct resourcelimits_settings {
	double resource_limit_cpu;
	double resource_limit_mem;
};

#define AT(field) offsetof(struct resourcelimits_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "resource_limit_cpu", NULL, CONF_NUMERIC, CONF_ADMIN, AT(resource_limit_cpu), "0", NULL },
	{ "resource_limit_mem", NULL, CONF_NUMERIC, CONF_ADMIN, AT(resource_limit_mem), "0", NULL },
};
/* clang-format on */

const struct plugin plugin_resourcelimits = {
	.id = PLUGIN_ID_resourcelimits,
	.class_name = "Mail::SpamAssassin::Plugin::ResourceLimits",
	.module =
		{
			.name = "resourcelimits",
			.settings_size = sizeof(struct resourcelimits_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.needs_network = true,
};
