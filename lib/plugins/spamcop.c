/*
 * spamcop.c - Mail::SpamAssassin::Plugin::SpamCop: reports to SpamCop
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct spamcop_settings {
	struct slice spamcop_from_address;
	double spamcop_max_report_size;
	struct slice spamcop_relayhost;
	struct slice spamcop_to_address;
};

#define AT(field) offsetof(struct spamcop_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "spamcop_from_address", NULL, CONF_STRING, CONF_USER, AT(spamcop_from_address), NULL, NULL },
	{ "spamcop_max_report_size", NULL, CONF_NUMERIC, CONF_USER, AT(spamcop_max_report_size), "50", NULL },
	{ "spamcop_relayhost", NULL, CONF_STRING, CONF_USER, AT(spamcop_relayhost), NULL, NULL },
	{ "spamcop_to_address", NULL, CONF_STRING, CONF_USER, AT(spamcop_to_address), "spamassassin-submit@spam.spamcop.net", NULL },
};
/* clang-format on */

const struct plugin plugin_spamcop = {
	.id = PLUGIN_ID_spamcop,
	.class_name = "Mail::SpamAssassin::Plugin::SpamCop",
	.module =
		{
			.name = "spamcop",
			.settings_size = sizeof(struct spamcop_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.needs_network = true,
};
