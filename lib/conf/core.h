/*
 * core.h - settings of the core (owner `core` in the reference's directive list)
 *
 * Owns: struct core_settings, filled by the reader through conf_core_module.  Units and defaults
 * stand beside the rows of the table in core.c.  Rules (header, body, meta, score ...) are not
 * here: rules/directives.h.
 */
#ifndef WINNOW_CONF_CORE_H
#define WINNOW_CONF_CORE_H

#include "conf/addrlist.h"
#include "conf/conf.h"

struct core_header {
	struct slice name; /* without X-Spam- */
	struct slice text; /* template */
};

struct core_header_list {
	struct arena *arena;
	struct core_header *items;
	size_t count;
	size_t size;
};

/* A set of networks as written; check/ makes a netset of it once all is read. */
struct core_networks {
	struct conf_words nets;
	bool configured;
};

struct core_settings {
	/* scoring */
	double required_score;
	bool use_bayes, use_bayes_rules, use_learner;
	/* lists of addresses */
	struct addrlist welcomelist_from, blocklist_from, welcomelist_to, more_spam_to, all_spam_to;
	struct addrlist blocklist_to, welcomelist_allows_relays, welcomelist_auth,
		def_welcomelist_auth;
	struct addrlist welcomelist_from_rcvd,
		def_welcomelist_from_rcvd; /* entry->data: struct conf_words * */
	struct hashmap addrlists;          /* enlist_addrlist: name -> struct addrlist * */
	struct conf_table uri_hosts;       /* "LIST host" -> "1" or "0" */
	struct conf_table uri_host_lists;  /* names seen */
	/* output */
	struct core_header_list headers_ham, headers_spam;
	struct slice rewrite_subject, rewrite_from, rewrite_to;
	double report_safe, report_wrap_width;
	struct conf_words report_safe_copy_headers;
	bool fold_headers;
	struct slice report_charset, report, report_contact, report_hostname, unsafe_report;
	struct slice version_tag;
	/* text */
	bool normalize_charset, parse_dkim_uris;
	struct slice ok_locales;
	double body_part_scan_size, rawbody_part_scan_size;
	/* relays */
	struct core_networks trusted_networks, internal_networks, msa_networks;
	struct conf_words originating_ip_headers;
	bool always_trust_envelope_sender;
	struct slice envelope_sender_header;
	/* registry */
	struct conf_table util_rb_tld, util_rb_2tld, util_rb_3tld;
	struct conf_words redirector_patterns; /* delimited regexes */
	/* limits and modes */
	double time_limit;
	bool ignore_always_matching_regexps, allow_user_rules;
	struct slice lock_method, mbox_format_from_regex;
	/* DNS */
	bool skip_rbl_checks;
	struct slice dns_available;
	struct conf_words dns_servers, rbl_timeouts;
	struct conf_table dns_query_restriction, dns_options, dns_block_rule;
	double dns_test_interval, dns_block_time, dns_cache_megabytes;
	struct conf_words dns_local_ports; /* "permit TEXT", "avoid TEXT", "none" in order */
	/* learning */
	bool bayes_auto_learn, bayes_auto_expire, bayes_learn_during_report, bayes_learn_to_journal;
	bool bayes_use_hapaxes, bayes_sql_username_authorized, user_scores_fallback_to_global;
	double bayes_min_ham_num, bayes_min_spam_num, bayes_expiry_max_db_size,
		bayes_journal_max_size;
	double bayes_token_ttl, bayes_seen_ttl;
	struct addrlist bayes_ignore_from, bayes_ignore_to;
	struct conf_words bayes_ignore_header;
	struct conf_words bayes_token_sources; /* words in order */
	struct slice bayes_path, bayes_file_mode, bayes_store_module, bayes_sql_dsn;
	struct slice bayes_redis_read_servers, bayes_redis_write_server, bayes_redis_database;
	struct slice bayes_redis_password, bayes_redis_prefix;
	struct slice bayes_sql_username, bayes_sql_password, bayes_sql_override_username;
	/* preferences */
	struct slice user_scores_dsn, user_scores_sql_username, user_scores_sql_password;
	struct slice user_scores_sql_custom_query, user_scores_ldap_username,
		user_scores_ldap_password;
	/* geography */
	struct slice geodb_module;
	struct conf_table geodb_options;
	struct conf_words geodb_search_path;
};

extern const struct conf_module conf_core_module;

static inline const struct core_settings *
conf_core(const struct conf *conf)
{
	return conf->blocks.items[0].settings;
}

/* A named list: a setting's (welcomelist_from ...) or one of enlist_addrlist; NULL when there is
 * none. */
const struct addrlist *conf_addrlist(const struct core_settings *core, struct slice name);

enum { CORE_PORTS_BYTES = 65536 / 8 };
/* What dns_local_ports_* leave, a bit a port, into CORE_PORTS_BYTES bytes; returns how many. */
size_t core_local_ports(const struct core_settings *core, unsigned char *bits);

#endif
