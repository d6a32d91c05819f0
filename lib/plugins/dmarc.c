/*
 * dmarc.c - Mail::SpamAssassin::Plugin::DMARC: DMARC policies
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct dmarc_settings {
	bool dmarc_save_reports;
};

#define AT(field) offsetof(struct dmarc_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "dmarc_save_reports", NULL, CONF_BOOL, CONF_ADMIN, AT(dmarc_save_reports), "0", NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_dmarc_missing", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_dmarc_none", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_dmarc_pass", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_dmarc_quarantine", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_dmarc_reject", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_dmarc = {
	.id = PLUGIN_ID_dmarc,
	.class_name = "Mail::SpamAssassin::Plugin::DMARC",
	.module =
		{
			.name = "dmarc",
			.settings_size = sizeof(struct dmarc_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.needs_network = true,
};
