/*
 * reuse.c - Mail::SpamAssassin::Plugin::Reuse: re-used results of mass checks
 *
 * The `reuse` lines themselves belong to rules/directives.c: they make sure that a name exists.
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct reuse_settings {
	bool run_reuse_tests_only;
};

#define AT(field) offsetof(struct reuse_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "run_reuse_tests_only", NULL, CONF_BOOL, CONF_USER, AT(run_reuse_tests_only), "0", NULL },
};
/* clang-format on */

const struct plugin plugin_reuse = {
	.id = PLUGIN_ID_reuse,
	.class_name = "Mail::SpamAssassin::Plugin::Reuse",
	.module =
		{
			.name = "reuse",
			.settings_size = sizeof(struct reuse_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.needs_network = true,
};
