/*
 * dcc.c - Mail::SpamAssassin::Plugin::DCC: bulk mail checksums
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct dcc_settings {
	double dcc_body_max;
	struct slice dcc_dccifd_path;
	double dcc_fuz1_max;
	double dcc_fuz2_max;
	struct slice dcc_home;
	double dcc_learn_score;
	struct slice dcc_options;
	struct slice dcc_path;
	double dcc_rep_percent;
	double dcc_timeout;
	struct slice dccifd_options;
	bool use_dcc;
	bool use_dcc_rep;
};

#define AT(field) offsetof(struct dcc_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "dcc_body_max", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_body_max), "999999", NULL },
	{ "dcc_dccifd_path", NULL, CONF_STRING, CONF_ADMIN, AT(dcc_dccifd_path), NULL, NULL },
	{ "dcc_fuz1_max", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_fuz1_max), "999999", NULL },
	{ "dcc_fuz2_max", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_fuz2_max), "999999", NULL },
	{ "dcc_home", NULL, CONF_STRING, CONF_ADMIN, AT(dcc_home), NULL, NULL },
	{ "dcc_learn_score", NULL, CONF_NUMERIC, CONF_ADMIN, AT(dcc_learn_score), NULL, NULL },
	{ "dcc_options", NULL, CONF_STRING, CONF_ADMIN, AT(dcc_options), NULL, NULL },
	{ "dcc_path", NULL, CONF_STRING, CONF_ADMIN, AT(dcc_path), NULL, NULL },
	{ "dcc_rep_percent", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_rep_percent), "90", NULL },
	{ "dcc_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(dcc_timeout), "5", NULL },
	{ "dccifd_options", NULL, CONF_STRING, CONF_ADMIN, AT(dccifd_options), NULL, NULL },
	{ "use_dcc", NULL, CONF_BOOL, CONF_USER, AT(use_dcc), "1", NULL },
	{ "use_dcc_rep", NULL, CONF_BOOL, CONF_USER, AT(use_dcc_rep), "1", NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_dcc", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dcc_reputation_range", EVAL_FULL, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"DCCB", "DCCR", "DCCREP", NULL};

const struct plugin plugin_dcc = {
	.id = PLUGIN_ID_dcc,
	.class_name = "Mail::SpamAssassin::Plugin::DCC",
	.module =
		{
			.name = "dcc",
			.settings_size = sizeof(struct dcc_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.tags = tags,
	.needs_network = true,
};
