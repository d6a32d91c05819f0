/*
 * urilocalbl.c - Mail::SpamAssassin::Plugin::URILocalBL: country, provider and network of linked
 * hosts
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct urilocalbl_settings {
	struct conf_words lines; /* "KIND RULE WHAT..." in order */
};

/* RULE WHAT...: makes the rule a body eval. */
static enum conf_result
parse_block(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct urilocalbl_settings *settings = data;
	struct slice rest, name = conf_split(value, &rest);
	struct rule *rule;

	if (name.len == 0 || rest.len == 0)
		return CONF_MISSING;
	if (!rule_name_is_valid(name))
		return CONF_INVALID;
	rule = ruleset_define(reader, name, RULE_BODY_EVAL, SLICE("check_uri_local_bl()"));
	if (rule == NULL)
		return CONF_OK;
	(void)rule_eval_parse(reader->arena, rule->text, &rule->eval);
	rule->priority = -100;
	return conf_words_add(reader, &settings->lines,
	                      arena_printf(reader->arena, "%s %.*s", d->name, SLICE_FMT(value)))
	               ? CONF_OK
	               : CONF_FAILED;
}

/* clang-format off */
static const struct directive directives[] = {
	{ "uri_block_cc", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_cidr", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_cont", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_exclude", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
	{ "uri_block_isp", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_block },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_uri_local_bl", EVAL_ANY, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_urilocalbl = {
	.id = PLUGIN_ID_urilocalbl,
	.class_name = "Mail::SpamAssassin::Plugin::URILocalBL",
	.module =
		{
			.name = "urilocalbl",
			.settings_size = sizeof(struct urilocalbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.needs_network = true,
};
