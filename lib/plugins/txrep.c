/*
 * txrep.c - Mail::SpamAssassin::Plugin::TxRep: reputation of several identities
 *
 * The work needs a store, which is not there yet.  Until then its directives are checked and kept,
 * its rules are known, and its evals decide nothing, which is what the reference does with
 * use_bayes 0 and no list.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct txrep_settings {
	struct slice auto_welcomelist_db_modules;
	bool auto_welcomelist_distinguish_signed;
	double auto_welcomelist_file_mode;
	struct slice auto_welcomelist_path;
	double txrep_autolearn;
	double txrep_dilution_factor;
	double txrep_expiry_days;
	double txrep_factor;
	struct slice txrep_factory;
	double txrep_ipv4_mask_len;
	double txrep_ipv6_mask_len;
	double txrep_learn_bonus;
	double txrep_learn_penalty;
	double txrep_report_details;
	bool txrep_spf;
	bool txrep_track_messages;
	struct slice txrep_user2global_ratio;
	double txrep_weight_domain;
	double txrep_weight_email;
	double txrep_weight_email_ip;
	double txrep_weight_helo;
	double txrep_weight_ip;
	double txrep_welcomelist_out;
	bool use_txrep;
	struct slice user_awl_dsn;
	struct slice user_awl_sql_override_username;
	struct slice user_awl_sql_password;
	struct slice user_awl_sql_table;
	struct slice user_awl_sql_username;
};

#define AT(field) offsetof(struct txrep_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "auto_welcomelist_db_modules", "auto_whitelist_db_modules", CONF_STRING, CONF_ADMIN, AT(auto_welcomelist_db_modules), "DB_File GDBM_File SDBM_File", NULL },
	{ "auto_welcomelist_distinguish_signed", "auto_whitelist_distinguish_signed", CONF_BOOL, CONF_USER, AT(auto_welcomelist_distinguish_signed), "1", NULL },
	{ "auto_welcomelist_file_mode", "auto_whitelist_file_mode", CONF_NUMERIC, CONF_ADMIN, AT(auto_welcomelist_file_mode), "0700", NULL },
	{ "auto_welcomelist_path", "auto_whitelist_path", CONF_STRING, CONF_ADMIN, AT(auto_welcomelist_path), "__userstate__/tx-reputation", NULL },
	{ "txrep_autolearn", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_autolearn), "0", NULL },
	{ "txrep_dilution_factor", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_dilution_factor), "0.98", NULL },
	{ "txrep_expiry_days", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_expiry_days), "365", NULL },
	{ "txrep_factor", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_factor), "0.5", NULL },
	{ "txrep_factory", NULL, CONF_STRING, CONF_ADMIN, AT(txrep_factory), "Mail::SpamAssassin::DBBasedAddrList", NULL },
	{ "txrep_ipv4_mask_len", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_ipv4_mask_len), "16", NULL },
	{ "txrep_ipv6_mask_len", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_ipv6_mask_len), "48", NULL },
	{ "txrep_learn_bonus", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_learn_bonus), "20", NULL },
	{ "txrep_learn_penalty", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_learn_penalty), "20", NULL },
	{ "txrep_report_details", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_report_details), "0", NULL },
	{ "txrep_spf", NULL, CONF_BOOL, CONF_USER, AT(txrep_spf), "1", NULL },
	{ "txrep_track_messages", NULL, CONF_BOOL, CONF_USER, AT(txrep_track_messages), "1", NULL },
	{ "txrep_user2global_ratio", NULL, CONF_STRING, CONF_USER, AT(txrep_user2global_ratio), "0", NULL },
	{ "txrep_weight_domain", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_weight_domain), "2", NULL },
	{ "txrep_weight_email", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_weight_email), "3", NULL },
	{ "txrep_weight_email_ip", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_weight_email_ip), "10", NULL },
	{ "txrep_weight_helo", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_weight_helo), "0.5", NULL },
	{ "txrep_weight_ip", NULL, CONF_NUMERIC, CONF_USER, AT(txrep_weight_ip), "4", NULL },
	{ "txrep_welcomelist_out", "txrep_whitelist_out", CONF_NUMERIC, CONF_USER, AT(txrep_welcomelist_out), "10", NULL },
	{ "use_txrep", NULL, CONF_BOOL, CONF_USER, AT(use_txrep), "0", NULL },
	{ "user_awl_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_dsn), NULL, NULL },
	{ "user_awl_sql_override_username", NULL, CONF_STRING, CONF_USER, AT(user_awl_sql_override_username), NULL, NULL },
	{ "user_awl_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_sql_password), NULL, NULL },
	{ "user_awl_sql_table", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_sql_table), "txrep", NULL },
	{ "user_awl_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(user_awl_sql_username), NULL, NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_senders_reputation", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_txrep = {
	.id = PLUGIN_ID_txrep,
	.class_name = "Mail::SpamAssassin::Plugin::TxRep",
	.module =
		{
			.name = "txrep",
			.settings_size = sizeof(struct txrep_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
};
