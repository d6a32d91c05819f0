/*
 * spf.c - Mail::SpamAssassin::Plugin::SPF: sender policy framework
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct spf_settings {
	struct addrlist def_welcomelist_from_spf;
	bool do_not_use_mail_spf;
	bool do_not_use_mail_spf_query;
	bool ignore_received_spf_header;
	double spf_timeout;
	bool use_newest_received_spf_header;
	struct addrlist welcomelist_from_spf;
};

static enum conf_result
parse_unwelcomelist_from_spf(struct conf_reader *reader, void *data, const struct directive *d,
                             struct slice value)
{
	struct spf_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		(void)addrlist_remove(&settings->welcomelist_from_spf, reader->arena, word);
		(void)addrlist_remove(&settings->def_welcomelist_from_spf, reader->arena, word);
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct spf_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "def_welcomelist_from_spf", "def_whitelist_from_spf", CONF_ADDRLIST, CONF_USER, AT(def_welcomelist_from_spf), NULL, NULL },
	{ "do_not_use_mail_spf", NULL, CONF_BOOL, CONF_ADMIN, AT(do_not_use_mail_spf), "0", NULL },
	{ "do_not_use_mail_spf_query", NULL, CONF_BOOL, CONF_ADMIN, AT(do_not_use_mail_spf_query), "1", NULL },
	{ "ignore_received_spf_header", NULL, CONF_BOOL, CONF_ADMIN, AT(ignore_received_spf_header), "0", NULL },
	{ "spf_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(spf_timeout), "5", NULL },
	{ "unwelcomelist_from_spf", "unwhitelist_from_spf", CONF_CUSTOM, CONF_USER, 0, NULL, parse_unwelcomelist_from_spf },
	{ "use_newest_received_spf_header", NULL, CONF_BOOL, CONF_ADMIN, AT(use_newest_received_spf_header), "0", NULL },
	{ "welcomelist_from_spf", "whitelist_from_spf", CONF_ADDRLIST, CONF_USER, AT(welcomelist_from_spf), NULL, NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_for_def_spf_welcomelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_def_spf_whitelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_fail", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_fail", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_neutral", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_none", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_pass", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_permerror", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_softfail", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_helo_temperror", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_neutral", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_none", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_pass", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_permerror", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_softfail", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_temperror", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_welcomelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_spf_whitelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_spf_skipped_noenvfrom", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_check_for_spf_errors",
	"has_check_spf_skipped_noenvfrom",
	NULL,
};

const struct plugin plugin_spf = {
	.id = PLUGIN_ID_spf,
	.class_name = "Mail::SpamAssassin::Plugin::SPF",
	.module =
		{
			.name = "spf",
			.settings_size = sizeof(struct spf_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.needs_network = true,
};
