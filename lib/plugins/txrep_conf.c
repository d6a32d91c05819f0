/*
 * txrep_conf.c - directives of TxRep
 */
#include "plugins/txrep_run.h"

static enum conf_result
parse_range(void *data, const struct directive *d, struct slice value, double least, double most)
{
	double *number = (double *)(void *)((unsigned char *)data + d->offset), parsed;
	enum conf_result result = conf_parse_numeric(value, &parsed);

	if (result != CONF_OK)
		return result;
	if (parsed < least || parsed > most)
		return CONF_INVALID;
	*number = parsed;
	return CONF_OK;
}

#define RANGE(name, least, most)                                                                   \
	static enum conf_result name(struct conf_reader *reader, void *data,                       \
	                             const struct directive *d, struct slice value)                \
	{                                                                                          \
		(void)reader;                                                                      \
		return parse_range(data, d, value, least, most);                                   \
	}

RANGE(parse_factor, 0, 1)
RANGE(parse_dilution, 0.7, 1)
RANGE(parse_days, 0, 10000)
RANGE(parse_points, 0, 200)
RANGE(parse_autolearn, 0, 5)
RANGE(parse_weight, 0, 10)

static enum conf_result
parse_details(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	(void)reader;
	if (value.len == 0)
		return CONF_MISSING;
	return value.len == 1 ? parse_range(data, d, value, 0, 2) : CONF_INVALID;
}

#define AT(field) offsetof(struct txrep_settings, field)
/* clang-format off */
const struct directive txrep_directives[] = {
	{ "auto_welcomelist_db_modules", "auto_whitelist_db_modules", CONF_STRING, CONF_ADMIN, AT(list.db_modules), "DB_File GDBM_File SDBM_File", NULL },
	{ "auto_welcomelist_distinguish_signed", "auto_whitelist_distinguish_signed", CONF_BOOL, CONF_USER, AT(list.distinguishes_signed), "1", NULL },
	{ "auto_welcomelist_file_mode", "auto_whitelist_file_mode", CONF_CUSTOM, CONF_ADMIN, AT(list.file_mode), "0700", sender_parse_mode },
	{ "auto_welcomelist_path", "auto_whitelist_path", CONF_CUSTOM, CONF_ADMIN, AT(list.path), "__userstate__/tx-reputation", sender_parse_path },
	{ "txrep_autolearn", NULL, CONF_CUSTOM, CONF_USER, AT(autolearn), "0", parse_autolearn },
	{ "txrep_dilution_factor", NULL, CONF_CUSTOM, CONF_USER, AT(dilution_factor), "0.98", parse_dilution },
	{ "txrep_expiry_days", NULL, CONF_CUSTOM, CONF_USER, AT(expiry_days), "365", parse_days },
	{ "txrep_factor", NULL, CONF_CUSTOM, CONF_USER, AT(factor), "0.5", parse_factor },
	{ "txrep_factory", NULL, CONF_STRING, CONF_ADMIN, AT(list.factory), "Mail::SpamAssassin::DBBasedAddrList", NULL },
	{ "txrep_ipv4_mask_len", NULL, CONF_CUSTOM, CONF_USER, AT(list.ipv4_bits), "16", sender_parse_ipv4_bits },
	{ "txrep_ipv6_mask_len", NULL, CONF_CUSTOM, CONF_USER, AT(list.ipv6_bits), "48", sender_parse_ipv6_bits },
	{ "txrep_learn_bonus", NULL, CONF_CUSTOM, CONF_USER, AT(learn_bonus), "20", parse_points },
	{ "txrep_learn_penalty", NULL, CONF_CUSTOM, CONF_USER, AT(learn_penalty), "20", parse_points },
	{ "txrep_report_details", NULL, CONF_CUSTOM, CONF_USER, AT(report_details), "0", parse_details },
	{ "txrep_spf", NULL, CONF_BOOL, CONF_USER, AT(uses_spf), "1", NULL },
	{ "txrep_track_messages", NULL, CONF_BOOL, CONF_USER, AT(tracks_messages), "1", NULL },
	{ "txrep_user2global_ratio", NULL, CONF_CUSTOM, CONF_USER, AT(user2global_ratio), "0", parse_weight },
	{ "txrep_weight_domain", NULL, CONF_CUSTOM, CONF_USER, AT(weight_domain), "2", parse_weight },
	{ "txrep_weight_email", NULL, CONF_CUSTOM, CONF_USER, AT(weight_email), "3", parse_weight },
	{ "txrep_weight_email_ip", NULL, CONF_CUSTOM, CONF_USER, AT(weight_email_ip), "10", parse_weight },
	{ "txrep_weight_helo", NULL, CONF_CUSTOM, CONF_USER, AT(weight_helo), "0.5", parse_weight },
	{ "txrep_weight_ip", NULL, CONF_CUSTOM, CONF_USER, AT(weight_ip), "4", parse_weight },
	{ "txrep_welcomelist_out", "txrep_whitelist_out", CONF_CUSTOM, CONF_USER, AT(welcomelist_out), "10", parse_points },
	{ "use_txrep", NULL, CONF_BOOL, CONF_USER, AT(use_txrep), "0", NULL },
	{ "user_awl_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(list.dsn), NULL, NULL },
	{ "user_awl_sql_override_username", NULL, CONF_STRING, CONF_USER, AT(list.sql_override_user), NULL, NULL },
	{ "user_awl_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_password), NULL, NULL },
	{ "user_awl_sql_table", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_table), "txrep", NULL },
	{ "user_awl_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(list.sql_user), NULL, NULL },
};
/* clang-format on */
