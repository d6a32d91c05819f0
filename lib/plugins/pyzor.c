/*
 * pyzor.c - Mail::SpamAssassin::Plugin::Pyzor: Pyzor digests
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct pyzor_settings {
	double pyzor_count_min;
	double pyzor_fork;
	double pyzor_max;
	struct slice pyzor_options;
	struct slice pyzor_path;
	double pyzor_perl;
	struct slice pyzor_server_file;
	double pyzor_timeout;
	double pyzor_welcomelist_factor;
	double pyzor_welcomelist_min;
	bool use_pyzor;
};

#define AT(field) offsetof(struct pyzor_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "pyzor_count_min", NULL, CONF_NUMERIC, CONF_USER, AT(pyzor_count_min), "5", NULL },
	{ "pyzor_fork", NULL, CONF_NUMERIC, CONF_ADMIN, AT(pyzor_fork), "1", NULL },
	{ "pyzor_max", NULL, CONF_NUMERIC, CONF_USER, AT(pyzor_max), NULL, NULL },
	{ "pyzor_options", NULL, CONF_STRING, CONF_ADMIN, AT(pyzor_options), NULL, NULL },
	{ "pyzor_path", NULL, CONF_STRING, CONF_ADMIN, AT(pyzor_path), NULL, NULL },
	{ "pyzor_perl", NULL, CONF_NUMERIC, CONF_ADMIN, AT(pyzor_perl), "0", NULL },
	{ "pyzor_server_file", NULL, CONF_STRING, CONF_ADMIN, AT(pyzor_server_file), NULL, NULL },
	{ "pyzor_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(pyzor_timeout), "5", NULL },
	{ "pyzor_welcomelist_factor", "pyzor_whitelist_factor", CONF_NUMERIC, CONF_USER, AT(pyzor_welcomelist_factor), "0.2", NULL },
	{ "pyzor_welcomelist_min", "pyzor_whitelist_min", CONF_NUMERIC, CONF_USER, AT(pyzor_welcomelist_min), "10", NULL },
	{ "use_pyzor", NULL, CONF_BOOL, CONF_USER, AT(use_pyzor), "1", NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_pyzor", EVAL_FULL, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_fork",
	"has_perl",
	NULL,
};

static const char *const tags[] = {"PYZOR", NULL};

const struct plugin plugin_pyzor = {
	.id = PLUGIN_ID_pyzor,
	.class_name = "Mail::SpamAssassin::Plugin::Pyzor",
	.module =
		{
			.name = "pyzor",
			.settings_size = sizeof(struct pyzor_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.needs_network = true,
};
