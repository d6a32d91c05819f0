/*
 * relaycountry.c - Mail::SpamAssassin::Plugin::RelayCountry: countries of relays
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

static const char *const tags[] = {"RELAYCOUNTRY", "RELAYCOUNTRYEXT", "RELAYCOUNTRYAUTH",
                                   "RELAYCOUNTRYALL", NULL};

const struct plugin plugin_relaycountry = {
	.id = PLUGIN_ID_relaycountry,
	.class_name = "Mail::SpamAssassin::Plugin::RelayCountry",
	.module =
		{
			.name = "relaycountry",
		},
	.tags = tags,
	.needs_network = true,
};
