/*
 * decodeshorturls.c - Mail::SpamAssassin::Plugin::DecodeShortURLs: redirections of short links
 *
 * The work needs the network or outside programs, which come with the resolver.  Until then its
 * directives are checked and kept, its rules are known, and its evals decide nothing, which is what
 * the reference does with -L.
 */

#include "conf/addrlist.h"
#include "plugins/pending.h"

struct decodeshorturls_settings {
	double max_short_url_redirections;
	double max_short_urls;
	struct conf_table url_shortener;
	double url_shortener_cache_autoclean;
	struct slice url_shortener_cache_dsn;
	struct slice url_shortener_cache_password;
	double url_shortener_cache_ttl;
	struct slice url_shortener_cache_type;
	struct slice url_shortener_cache_username;
	struct conf_table url_shortener_get;
	bool url_shortener_loginfo;
	double url_shortener_timeout;
	struct slice url_shortener_user_agent;
};

static enum conf_result
parse_clear(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct decodeshorturls_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0) {
		conf_table_clear(&settings->url_shortener);
		conf_table_clear(&settings->url_shortener_get);
	}
	while (slice_next_word(&value, &word)) {
		struct slice lower = arena_dup_lower(reader->arena, word);

		conf_table_remove(reader, &settings->url_shortener, lower);
		conf_table_remove(reader, &settings->url_shortener_get, lower);
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct decodeshorturls_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "clear_url_shortener", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_clear },
	{ "max_short_url_redirections", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_short_url_redirections), "10", NULL },
	{ "max_short_urls", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_short_urls), "10", NULL },
	{ "url_shortener", NULL, CONF_CUSTOM, CONF_USER, AT(url_shortener), NULL, plugin_parse_words },
	{ "url_shortener_cache_autoclean", NULL, CONF_NUMERIC, CONF_ADMIN, AT(url_shortener_cache_autoclean), "1000", NULL },
	{ "url_shortener_cache_dsn", NULL, CONF_STRING, CONF_PRIV, AT(url_shortener_cache_dsn), NULL, NULL },
	{ "url_shortener_cache_password", NULL, CONF_STRING, CONF_PRIV, AT(url_shortener_cache_password), NULL, NULL },
	{ "url_shortener_cache_ttl", NULL, CONF_NUMERIC, CONF_ADMIN, AT(url_shortener_cache_ttl), "86400", NULL },
	{ "url_shortener_cache_type", NULL, CONF_STRING, CONF_PRIV, AT(url_shortener_cache_type), NULL, NULL },
	{ "url_shortener_cache_username", NULL, CONF_STRING, CONF_PRIV, AT(url_shortener_cache_username), NULL, NULL },
	{ "url_shortener_get", NULL, CONF_CUSTOM, CONF_USER, AT(url_shortener_get), NULL, plugin_parse_words },
	{ "url_shortener_loginfo", NULL, CONF_BOOL, CONF_ADMIN, AT(url_shortener_loginfo), "0", NULL },
	{ "url_shortener_timeout", NULL, CONF_NUMERIC, CONF_ADMIN, AT(url_shortener_timeout), "5", NULL },
	{ "url_shortener_user_agent", NULL, CONF_STRING, CONF_ADMIN, AT(url_shortener_user_agent), "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/101.0.4951.67 Safari/537.36", NULL },
};
/* clang-format on */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "short_url", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_200", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_404", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_chained", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_code", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_loop", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_maxchain", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_redir", EVAL_BODY, plugin_eval_pending, NULL },
	{ "short_url_tests", EVAL_ANY, plugin_eval_pending, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_autoclean",
	"has_clear",
	"has_get",
	"has_max_redirections",
	"has_short_url",
	"has_short_url_code",
	"has_short_url_redir",
	"has_timeout",
	"has_user_agent",
	NULL,
};

const struct plugin plugin_decodeshorturls = {
	.id = PLUGIN_ID_decodeshorturls,
	.class_name = "Mail::SpamAssassin::Plugin::DecodeShortURLs",
	.module =
		{
			.name = "decodeshorturls",
			.settings_size = sizeof(struct decodeshorturls_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.needs_network = true,
};
