/*
 * bayes.c - Mail::SpamAssassin::Plugin::Bayes: naive Bayes classifier
 *
 * The work needs a store, which is not there yet.  Until then its directives are checked and kept,
 * its rules are known, and its evals decide nothing, which is what the reference does with
 * use_bayes 0 and no list.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct bayes_settings {
	struct conf_table stopwords; /* language -> pattern */
	double bayes_max_token_length;
	struct conf_words bayes_stopword_languages;
};

/* bayes_stopword_xx REGEX [REGEX...]: the last one counts. */
static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct bayes_settings *settings = data;
	struct slice prefix = SLICE("bayes_stopword_"), language, word;
	struct error error;

	if (!slice_starts(key, prefix))
		return CONF_FAILED;
	language = slice_from(key, prefix.len);
	if (language.len != 2 || value.len == 0)
		return CONF_FAILED;
	while (slice_next_word(&value, &word)) {
		if (regex_create(reader->arena, word, 0, &error) == NULL) {
			log_warn(reader->log, "bayes", "invalid regex for bayes_stopword_%.*s: %s",
			         SLICE_FMT(language), error.text);
			return CONF_FAILED;
		}
		if (!conf_table_set(reader, &settings->stopwords,
		                    arena_dup(reader->arena, language), word))
			return CONF_FAILED;
	}
	return CONF_OK;
}

/* xx[,xx...] or "disable"; replaces the list. */
static enum conf_result
parse_languages(struct conf_reader *reader, void *data, const struct directive *d,
                struct slice value)
{
	struct bayes_settings *settings = data;
	struct slice rest = value;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	conf_words_clear(&settings->bayes_stopword_languages);
	while (rest.len > 0) {
		size_t end = slice_find_any(rest, " \t,", 0);
		struct slice word = arena_dup_lower(reader->arena, slice_sub(rest, 0, end));

		rest = end == SLICE_NPOS ? SLICE_NULL : slice_from(rest, end + 1);
		if (word.len == 0)
			continue;
		if (slice_eq(word, SLICE("disable")))
			return CONF_OK;
		if (word.len != 2 || !byte_is_alpha(word.data[0]) || !byte_is_alpha(word.data[1]))
			return CONF_INVALID;
		if (!conf_words_add(reader, &settings->bayes_stopword_languages, word))
			return CONF_FAILED;
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct bayes_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "bayes_max_token_length", NULL, CONF_NUMERIC, CONF_USER, AT(bayes_max_token_length), "15", NULL },
	{ "bayes_stopword_languages", NULL, CONF_CUSTOM, CONF_USER, 0, "en", parse_languages },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_bayes", EVAL_BODY, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"BAYESTC",     "BAYESTCLEARNED", "BAYESTCSPAMMY", "BAYESTCHAMMY",
                                   "HAMMYTOKENS", "SPAMMYTOKENS",   "TOKENSUMMARY",  NULL};

const struct plugin plugin_bayes = {
	.id = PLUGIN_ID_bayes,
	.class_name = "Mail::SpamAssassin::Plugin::Bayes",
	.module =
		{
			.name = "bayes",
			.settings_size = sizeof(struct bayes_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.evals = evals,
	.tags = tags,
};
