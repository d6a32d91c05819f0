/*
 * askdns.c - Mail::SpamAssassin::Plugin::AskDNS: DNS queries built from tags, as rules
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

/* RULE TEMPLATE [TYPE[,TYPE...] [FILTER]]: hit by answers only. */
struct askdns_settings {
	struct conf_words lookups;
};

static enum conf_result
parse_askdns(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct askdns_settings *settings = data;
	struct slice rest, name = conf_split(value, &rest);
	struct rule *rule;

	(void)d;
	if (name.len == 0 || rest.len == 0)
		return CONF_MISSING;
	rule = ruleset_define(reader, name, RULE_EMPTY, value);
	if (rule == NULL)
		return CONF_OK;
	return conf_words_add(reader, &settings->lookups, value) ? CONF_OK : CONF_FAILED;
}

/* clang-format off */
static const struct directive directives[] = {
	{ "askdns", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_askdns },
};
/* clang-format on */

static const char *const features[] = {
	"has_tag_header",
	NULL,
};

const struct plugin plugin_askdns = {
	.id = PLUGIN_ID_askdns,
	.class_name = "Mail::SpamAssassin::Plugin::AskDNS",
	.module =
		{
			.name = "askdns",
			.settings_size = sizeof(struct askdns_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.features = features,
	.needs_network = true,
};
