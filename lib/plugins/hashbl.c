/*
 * hashbl.c - Mail::SpamAssassin::Plugin::HashBL: lists of hashed values in DNS
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct hashbl_settings {
	struct conf_table acls; /* "NAME domain" -> "1" or "0" */
	struct conf_table hashbl_email_domain_alias;
	struct slice hashbl_email_regex;
	struct slice hashbl_email_welcomelist;
	struct conf_table hashbl_ignore;
};

/* DOMAIN ALIAS...: addresses of an alias are looked up under DOMAIN. */
static enum conf_result
parse_domain_alias(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct hashbl_settings *settings = data;
	struct slice rest, domain = conf_split(arena_dup_lower(reader->arena, value), &rest), word;

	(void)d;
	if (domain.len == 0)
		return CONF_MISSING;
	if (rest.len == 0 || slice_has_byte(value, '@'))
		return CONF_INVALID;
	while (slice_next_word(&rest, &word))
		if (!conf_table_set(reader, &settings->hashbl_email_domain_alias, word, domain))
			return CONF_FAILED;
	return CONF_OK;
}

/* hashbl_acl_NAME domain !domain ... */
static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct hashbl_settings *settings = data;
	struct slice prefix = SLICE("hashbl_acl_"), name, word;

	if (!slice_starts(key, prefix))
		return CONF_FAILED;
	name = slice_from(key, prefix.len);
	if (name.len == 0 || name.len > 32 || value.len == 0)
		return CONF_FAILED;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_alnum(name.data[i]) && name.data[i] != '_')
			return CONF_FAILED;
	while (slice_next_word(&value, &word)) {
		bool listed = word.data[0] != '!';
		struct slice domain =
			arena_dup_lower(reader->arena, listed ? word : slice_from(word, 1));

		if (!conf_table_set(reader, &settings->acls,
		                    arena_printf(reader->arena, "%.*s %.*s", SLICE_FMT(name),
		                                 SLICE_FMT(domain)),
		                    listed ? SLICE("1") : SLICE("0")))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
check_regex(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct error error;

	(void)data, (void)d;
	return regex_create(reader->arena, value, 0, &error) == NULL ? CONF_INVALID : CONF_OK;
}

#define AT(field) offsetof(struct hashbl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "hashbl_email_domain_alias", NULL, CONF_CUSTOM, CONF_USER, AT(hashbl_email_domain_alias), NULL, parse_domain_alias },
	{ "hashbl_email_regex", NULL, CONF_STRING, CONF_USER, AT(hashbl_email_regex), NULL, check_regex },
	{ "hashbl_email_welcomelist", "hashbl_email_whitelist", CONF_STRING, CONF_USER, AT(hashbl_email_welcomelist), NULL, check_regex },
	{ "hashbl_ignore", NULL, CONF_CUSTOM, CONF_USER, AT(hashbl_ignore), NULL, plugin_parse_words },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_hashbl_attachments", EVAL_BODY, plugin_eval_pending, NULL },
	{ "check_hashbl_bodyre", EVAL_BODY, plugin_eval_pending, NULL },
	{ "check_hashbl_emails", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_hashbl_tag", EVAL_HEADER, plugin_eval_pending, NULL },
	{ "check_hashbl_uris", EVAL_HEADER, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_hashbl_attachments",
	"has_hashbl_bodyre",
	"has_hashbl_bodyre_num",
	"has_hashbl_email_domain",
	"has_hashbl_email_domain_alias",
	"has_hashbl_email_regex",
	"has_hashbl_email_welcomelist",
	"has_hashbl_email_whitelist",
	"has_hashbl_emails",
	"has_hashbl_ignore",
	"has_hashbl_sha256",
	"has_hashbl_tag",
	"has_hashbl_uris",
	NULL,
};

const struct plugin plugin_hashbl = {
	.id = PLUGIN_ID_hashbl,
	.class_name = "Mail::SpamAssassin::Plugin::HashBL",
	.module =
		{
			.name = "hashbl",
			.settings_size = sizeof(struct hashbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.evals = evals,
	.features = features,
	.needs_network = true,
};
