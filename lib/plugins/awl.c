/*
 * awl.c - Mail::SpamAssassin::Plugin::AWL: mean score of a sender
 *
 * The work needs a store, which is not there yet.  Until then its directives are checked and kept,
 * its rules are known, and its evals decide nothing, which is what the reference does with
 * use_bayes 0 and no list.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct awl_settings {
	struct slice auto_welcomelist_db_modules;
	bool auto_welcomelist_distinguish_signed;
	double auto_welcomelist_factor;
	struct slice auto_welcomelist_factory;
	double auto_welcomelist_file_mode;
	double auto_welcomelist_ipv4_mask_len;
	double auto_welcomelist_ipv6_mask_len;
	struct slice auto_welcomelist_path;
	bool use_auto_welcomelist;
	struct slice user_awl_dsn;
	struct slice user_awl_sql_override_username;
	struct slice user_awl_sql_password;
	struct slice user_awl_sql_table;
	struct slice user_awl_sql_username;
};

#define AT(field) offsetof(struct awl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "auto_welcomelist_db_modules", "auto_whitelist_db_modules", CONF_STRING, CONF_ADMIN, AT(auto_welcomelist_db_modules), "DB_File GDBM_File SDBM_File", NULL },
	{ "auto_welcomelist_distinguish_signed", "auto_whitelist_distinguish_signed", CONF_BOOL, CONF_USER, AT(auto_welcomelist_distinguish_signed), "0", NULL },
	{ "auto_welcomelist_factor", "auto_whitelist_factor", CONF_NUMERIC, CONF_USER, AT(auto_welcomelist_factor), "0.5", NULL },
	{ "auto_welcomelist_factory", "auto_whitelist_factory", CONF_STRING, CONF_ADMIN, AT(auto_welcomelist_factory), "Mail::SpamAssassin::DBBasedAddrList", NULL },
	{ "auto_welcomelist_file_mode", "auto_whitelist_file_mode", CONF_NUMERIC, CONF_ADMIN, AT(auto_welcomelist_file_mode), "0700", NULL },
	{ "auto_welcomelist_ipv4_mask_len", "auto_whitelist_ipv4_mask_len", CONF_NUMERIC, CONF_USER, AT(auto_welcomelist_ipv4_mask_len), "16", NULL },
	{ "auto_welcomelist_ipv6_mask_len", "auto_whitelist_ipv6_mask_len", CONF_NUMERIC, CONF_USER, AT(auto_welcomelist_ipv6_mask_len), "48", NULL },
	{ "auto_welcomelist_path", "auto_whitelist_path", CONF_STRING, CONF_ADMIN, AT(auto_welcomelist_path), "__userstate__/auto-welcomelist", NULL },
	{ "use_auto_welcomelist", "use_auto_whitelist", CONF_BOOL, CONF_USER, AT(use_auto_welcomelist), "1", NULL },
	{ "user_awl_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_dsn), NULL, NULL },
	{ "user_awl_sql_override_username", NULL, CONF_STRING, CONF_USER, AT(user_awl_sql_override_username), NULL, NULL },
	{ "user_awl_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_sql_password), NULL, NULL },
	{ "user_awl_sql_table", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_sql_table), "awl", NULL },
	{ "user_awl_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_sql_username), NULL, NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_from_in_auto_welcomelist", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_from_in_auto_whitelist", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"AWL", "AWLMEAN", "AWLCOUNT", "AWLPRESCORE", NULL};

const struct plugin plugin_awl = {
	.id = PLUGIN_ID_awl,
	.class_name = "Mail::SpamAssassin::Plugin::AWL",
	.module =
		{
			.name = "awl",
			.settings_size = sizeof(struct awl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.tags = tags,
};
