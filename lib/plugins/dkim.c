/*
 * dkim.c - Mail::SpamAssassin::Plugin::DKIM: DKIM and ARC signatures
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/auth.h"
#include "plugins/pending.h"

struct dkim_settings {
	struct conf_table adsp_override;
	struct conf_table def_welcomelist_from_dkim;
	double dkim_minimum_key_bits;
	double dkim_timeout;
	struct conf_table welcomelist_from_dkim;
};

/* ADDRGLOB [SDID]: kept as "glob" or "glob sdid", the domain of the glob in lower case. */
static enum conf_result
parse_from_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                struct slice value)
{
	struct conf_table *table = (void *)((unsigned char *)data + d->offset);
	struct slice lower;

	if (value.len == 0)
		return CONF_MISSING;
	if (plugin_word_count(value) > 2)
		return CONF_INVALID;
	lower = arena_dup_lower(reader->arena, value);
	return conf_table_set(reader, table, lower, lower) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
parse_unwelcomelist_from_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                              struct slice value)
{
	struct dkim_settings *settings = data;
	struct slice lower;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (plugin_word_count(value) > 2)
		return CONF_INVALID;
	lower = arena_dup_lower(reader->arena, value);
	conf_table_remove(reader, &settings->welcomelist_from_dkim, lower);
	conf_table_remove(reader, &settings->def_welcomelist_from_dkim, lower);
	return CONF_OK;
}

/* [@]domain [what] */
static enum conf_result
parse_adsp_override(struct conf_reader *reader, void *data, const struct directive *d,
                    struct slice value)
{
	static const char *const words[] = {"nxdomain",   "unknown",    "all",        "discardable",
	                                    "custom_low", "custom_med", "custom_high"};
	struct dkim_settings *settings = data;
	struct slice rest, domain = conf_split(arena_dup_lower(reader->arena, value), &rest);
	bool known = rest.len == 0;

	(void)d;
	if (domain.len == 0)
		return CONF_MISSING;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		known |= slice_eq(rest, slice_from_cstr(words[i]));
	if (!known)
		return CONF_INVALID;
	if (domain.data[0] == '@')
		domain = slice_from(domain, 1);
	return conf_table_set(reader, &settings->adsp_override, domain,
	                      rest.len == 0 ? SLICE("discardable") : rest)
	               ? CONF_OK
	               : CONF_FAILED;
}

#define AT(field) offsetof(struct dkim_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "adsp_override", NULL, CONF_CUSTOM, CONF_USER, AT(adsp_override), NULL, parse_adsp_override },
	{ "def_welcomelist_from_dkim", "def_whitelist_from_dkim", CONF_CUSTOM, CONF_USER, AT(def_welcomelist_from_dkim), NULL, parse_from_dkim },
	{ "dkim_minimum_key_bits", NULL, CONF_NUMERIC, CONF_USER, AT(dkim_minimum_key_bits), "1024", NULL },
	{ "dkim_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(dkim_timeout), "5", NULL },
	{ "unwelcomelist_from_dkim", "unwhitelist_from_dkim", CONF_CUSTOM, CONF_USER, 0, NULL, parse_unwelcomelist_from_dkim },
	{ "welcomelist_from_dkim", "whitelist_from_dkim", CONF_CUSTOM, CONF_USER, AT(welcomelist_from_dkim), NULL, parse_from_dkim },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_arc_signed", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_arc_valid", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dkim_adsp", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_dkim_dependable", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dkim_signall", EVAL_ANY, plugin_eval_pending, NULL },
	{ "check_dkim_signed", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dkim_signsome", EVAL_ANY, plugin_eval_pending, NULL },
	{ "check_dkim_testing", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_dkim_valid", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dkim_valid_author_sig", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dkim_valid_envelopefrom", EVAL_FULL, plugin_eval_pending, NULL },
	{ "check_dkim_verified", EVAL_ANY, plugin_eval_pending, NULL },
	{ "check_for_def_dkim_welcomelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_def_dkim_whitelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_dkim_welcomelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_for_dkim_whitelist_from", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_arc",
	NULL,
};

static const char *const tags[] = {"DKIMIDENTITY", "DKIMDOMAIN", "DKIMSELECTOR", NULL};

const struct plugin plugin_dkim = {
	.id = PLUGIN_ID_dkim,
	.class_name = "Mail::SpamAssassin::Plugin::DKIM",
	.module =
		{
			.name = "dkim",
			.settings_size = sizeof(struct dkim_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.needs_network = true,
};

const struct dkim_verifier *
scan_dkim_verifier(struct scan *scan)
{
	(void)scan;
	return NULL;
}
