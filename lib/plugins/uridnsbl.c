/*
 * uridnsbl.c - Mail::SpamAssassin::Plugin::URIDNSBL: lists of linked domains in DNS
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct uridnsbl_settings {
	struct conf_words lookups; /* "KIND RULE ZONE TYPE [SUBTEST]" in order */
	bool skip_uribl_checks;
	double uridnsbl_max_domains;
	struct conf_table uridnsbl_skip_domain;
	bool uridnsbl_skip_mailto;
};

static bool
is_subtest(struct slice s)
{
	/* n, n1-n2, n/mask; decimal, 0x hexadecimal or dotted quad */
	return s.len > 0 && slice_span(s, "0123456789abcdefABCDEFx./-", 0) == SLICE_NPOS &&
	       byte_is_digit(s.data[0]);
}

/* RULE ZONE TYPE [SUBTEST]: the rule itself is a body eval check_uridnsbl. */
static enum conf_result
parse_lookup(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct uridnsbl_settings *settings = data;
	bool has_subtest = slice_ends(slice_from_cstr(d->name), SLICE("sub"));
	struct slice rest = value, word;

	if (plugin_word_count(value) != (has_subtest ? 4U : 3U))
		return value.len == 0 ? CONF_MISSING : CONF_INVALID;
	for (int i = 0; i < 3; i++)
		(void)slice_next_word(&rest, &word);
	if (!slice_ieq(word, SLICE("A")) && !slice_ieq(word, SLICE("TXT")))
		return CONF_INVALID;
	if (has_subtest && !is_subtest(slice_trim(rest)))
		return CONF_INVALID;
	return conf_words_add(reader, &settings->lookups,
	                      arena_printf(reader->arena, "%s %.*s", d->name, SLICE_FMT(value)))
	               ? CONF_OK
	               : CONF_FAILED;
}

static enum conf_result
parse_clear_skip(struct conf_reader *reader, void *data, const struct directive *d,
                 struct slice value)
{
	struct uridnsbl_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		conf_table_clear(&settings->uridnsbl_skip_domain);
	while (slice_next_word(&value, &word))
		conf_table_remove(reader, &settings->uridnsbl_skip_domain,
		                  arena_dup_lower(reader->arena, word));
	return CONF_OK;
}

static enum conf_result
parse_timeout(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	(void)data, (void)d, (void)value;
	log_warn(reader->log, "config", "uridnsbl_timeout is obsolete, use rbl_timeout instead");
	return CONF_OK;
}

#define AT(field) offsetof(struct uridnsbl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "clear_uridnsbl_skip_domain", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_clear_skip },
	{ "skip_uribl_checks", NULL, CONF_BOOL, CONF_USER, AT(skip_uribl_checks), "0", NULL },
	{ "uridnsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "uridnsbl_max_domains", NULL, CONF_NUMERIC, CONF_ADMIN, AT(uridnsbl_max_domains), "20", NULL },
	{ "uridnsbl_skip_domain", NULL, CONF_CUSTOM, CONF_USER, AT(uridnsbl_skip_domain), NULL, plugin_parse_words },
	{ "uridnsbl_skip_mailto", NULL, CONF_BOOL, CONF_ADMIN, AT(uridnsbl_skip_mailto), "1", NULL },
	{ "uridnsbl_timeout", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_timeout },
	{ "uridnssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urifullnsrhsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urifullnsrhssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urinsrhsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urinsrhssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urirhsbl", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
	{ "urirhssub", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_lookup },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_uridnsbl", EVAL_ANY, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_subtest_for_ranges",
	"has_tflags_domains_only",
	"has_tflags_notrim",
	"has_uridnsbl_a_ns",
	"has_uridnsbl_for_a",
	"has_uridnsbl_skip_mailto",
	NULL,
};

static const char *const tags[] = {"URIHOSTS", "URIDOMAINS", NULL};

const struct plugin plugin_uridnsbl = {
	.id = PLUGIN_ID_uridnsbl,
	.class_name = "Mail::SpamAssassin::Plugin::URIDNSBL",
	.module =
		{
			.name = "uridnsbl",
			.settings_size = sizeof(struct uridnsbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.needs_network = true,
};
