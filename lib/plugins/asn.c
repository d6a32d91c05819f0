/*
 * asn.c - Mail::SpamAssassin::Plugin::ASN: AS number of the last external relay
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct asn_settings {
	struct conf_words asn_lookup;
	struct conf_words asn_lookup_ipv6;
	bool asn_prefer_geodb;
	struct slice asn_prefix;
	bool asn_use_dns;
	bool asn_use_geodb;
};

/* ZONE [_TAG1_ _TAG2_] */
static enum conf_result
parse_lookup(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	size_t words = plugin_word_count(value);

	if (words == 0)
		return CONF_MISSING;
	if (words != 1 && words != 3)
		return CONF_INVALID;
	return plugin_keep_line(reader, data, d, value);
}

/* Text, or a pair of quotes around it or nothing: no prefix. */
static enum conf_result
parse_prefix(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct asn_settings *settings = data;

	(void)reader, (void)d;
	if (value.len >= 2 && (value.data[0] == '"' || value.data[0] == '\'') &&
	    value.data[value.len - 1] == value.data[0])
		value = slice_sub(value, 1, value.len - 2);
	settings->asn_prefix = value;
	return CONF_OK;
}

static enum conf_result
parse_clear_asn_lookups(struct conf_reader *reader, void *data, const struct directive *d,
                        struct slice value)
{
	struct asn_settings *settings = data;

	(void)reader, (void)d, (void)value;
	conf_words_clear(&settings->asn_lookup);
	conf_words_clear(&settings->asn_lookup_ipv6);
	return CONF_OK;
}

#define AT(field) offsetof(struct asn_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "asn_lookup", NULL, CONF_CUSTOM, CONF_PRIV, AT(asn_lookup), NULL, parse_lookup },
	{ "asn_lookup_ipv6", NULL, CONF_CUSTOM, CONF_PRIV, AT(asn_lookup_ipv6), NULL, parse_lookup },
	{ "asn_prefer_geodb", NULL, CONF_BOOL, CONF_ADMIN, AT(asn_prefer_geodb), "1", NULL },
	{ "asn_prefix", NULL, CONF_CUSTOM, CONF_USER, 0, "AS", parse_prefix },
	{ "asn_use_dns", NULL, CONF_BOOL, CONF_ADMIN, AT(asn_use_dns), "1", NULL },
	{ "asn_use_geodb", NULL, CONF_BOOL, CONF_ADMIN, AT(asn_use_geodb), "1", NULL },
	{ "clear_asn_lookups", NULL, CONF_NOARGS, CONF_USER, 0, NULL, parse_clear_asn_lookups },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_asn", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_asn_geodb", "has_asn_lookup_ipv6", "has_check_asn", "has_check_asn_tag", NULL,
};

static const char *const tags[] = {"ASN", "ASNCIDR", NULL};

const struct plugin plugin_asn = {
	.id = PLUGIN_ID_asn,
	.class_name = "Mail::SpamAssassin::Plugin::ASN",
	.module =
		{
			.name = "asn",
			.settings_size = sizeof(struct asn_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.needs_network = true,
};
