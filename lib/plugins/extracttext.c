/*
 * extracttext.c - Mail::SpamAssassin::Plugin::ExtractText: text of attachments by outside programs
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct extracttext_settings {
	struct conf_words lines; /* extracttext_use and extracttext_external, as written */
	double extracttext_maxparts;
	double extracttext_timeout;
};

static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct extracttext_settings *settings = data;
	bool external = slice_eq(key, SLICE("extracttext_external"));

	if (!external && !slice_eq(key, SLICE("extracttext_use")))
		return CONF_FAILED;
	if (reader->user_scope || plugin_word_count(value) < 2)
		return CONF_FAILED;
	return conf_words_add(
		       reader, &settings->lines,
		       arena_printf(reader->arena, "%.*s %.*s", SLICE_FMT(key), SLICE_FMT(value)))
	               ? CONF_OK
	               : CONF_FAILED;
}

/* N [TOTAL], whole seconds */
static enum conf_result
parse_timeout(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct extracttext_settings *settings = data;
	struct slice rest, word = conf_split(value, &rest);
	unsigned long long seconds, total;

	(void)reader, (void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (!slice_to_u64(word, 1000000, &seconds) ||
	    (rest.len > 0 && !slice_to_u64(rest, 1000000, &total)))
		return CONF_INVALID;
	settings->extracttext_timeout = (double)seconds;
	return CONF_OK;
}

#define AT(field) offsetof(struct extracttext_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "extracttext_maxparts", NULL, CONF_NUMERIC, CONF_ADMIN, AT(extracttext_maxparts), "10", NULL },
	{ "extracttext_timeout", NULL, CONF_CUSTOM, CONF_ADMIN, 0, "5", parse_timeout },
};
/* clang-format on */

static const char *const tags[] = {
	"EXTRACTTEXTWORDS",      "EXTRACTTEXTCHARS", "EXTRACTTEXTTOOLS", "EXTRACTTEXTTYPES",
	"EXTRACTTEXTEXTENSIONS", "EXTRACTTEXTFLAGS", "EXTRACTTEXTURIS",  NULL};

const struct plugin plugin_extracttext = {
	.id = PLUGIN_ID_extracttext,
	.class_name = "Mail::SpamAssassin::Plugin::ExtractText",
	.module =
		{
			.name = "extracttext",
			.settings_size = sizeof(struct extracttext_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.tags = tags,
	.needs_network = true,
};
