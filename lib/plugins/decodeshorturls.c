/*
 * decodeshorturls.c - Mail::SpamAssassin::Plugin::DecodeShortURLs: where short URLs lead
 *
 * Source: DecodeShortURLs.pm of 4.0.1.  See url_follow.h.
 */
#include "plugins/args.h"
#include "plugins/url_follow.h"

struct decodeshorturls_settings {
	struct follow_settings follow; /* first */
};

/* ---- configuration ---- */

#define AT(field) offsetof(struct decodeshorturls_settings, follow.field)
/* clang-format off */
static const struct directive directives[] = {
	{ "clear_url_shortener", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, follow_parse_clear },
	{ "max_short_url_redirections", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_redirections), "10", NULL },
	{ "max_short_urls", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_urls), "10", NULL },
	{ "url_shortener", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, follow_parse_head },
	{ "url_shortener_allow_private", NULL, CONF_BOOL, CONF_ADMIN, AT(allow_private), "0", NULL },
	{ "url_shortener_cache_autoclean", NULL, CONF_NUMERIC, CONF_ADMIN, AT(cache_autoclean), "1000", NULL },
	{ "url_shortener_cache_dsn", NULL, CONF_STRING, CONF_PRIV, AT(cache_dsn), NULL, NULL },
	{ "url_shortener_cache_password", NULL, CONF_STRING, CONF_PRIV, AT(cache_password), NULL, NULL },
	{ "url_shortener_cache_ttl", NULL, CONF_NUMERIC, CONF_ADMIN, AT(cache_ttl_s), "86400", NULL },
	{ "url_shortener_cache_type", NULL, CONF_STRING, CONF_PRIV, AT(cache_type), NULL, NULL },
	{ "url_shortener_cache_username", NULL, CONF_STRING, CONF_PRIV, AT(cache_user), NULL, NULL },
	{ "url_shortener_get", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, follow_parse_get },
	{ "url_shortener_loginfo", NULL, CONF_BOOL, CONF_ADMIN, AT(loginfo), "0", NULL },
	{ "url_shortener_timeout", NULL, CONF_NUMERIC, CONF_ADMIN, AT(timeout_s), "5", NULL },
	{ "url_shortener_user_agent", NULL, CONF_STRING, CONF_ADMIN, AT(user_agent), "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/101.0.4951.67 Safari/537.36", NULL },
};
/* clang-format on */

/* ---- which URLs ---- */

static const struct follow_settings *
settings_follow(const struct scan *scan)
{
	const struct decodeshorturls_settings *settings =
		plugin_settings(scan->conf, &plugin_decodeshorturls);

	return &settings->follow;
}

static size_t
count_dots(struct slice host)
{
	size_t dots = 0;

	for (size_t i = 0; i < host.len; i++)
		dots += host.data[i] == '.';
	return dots;
}

static bool
has_word(struct slice rest)
{
	for (size_t i = 0; i < rest.len && rest.data[i] != '\n'; i++)
		if (byte_is_word(rest.data[i]))
			return true;
	return false;
}

/* www.NAME.TLD of a listed NAME.TLD, any host below a listed ".NAME.TLD". */
static unsigned
method_of(const struct follow_settings *settings, struct slice host)
{
	unsigned method = follow_listed(settings, host);
	size_t dot = slice_find_byte(host, '.', 0);

	if (method != 0 || count_dots(host) != 2 || dot == 0 || host.data[host.len - 1] == '.' ||
	    slice_find(host, SLICE(".."), 0) != SLICE_NPOS)
		return method;
	if (slice_starts(host, SLICE("www.")))
		return follow_listed(settings, slice_from(host, 4));
	return slice_starts(host, SLICE("www")) ? 0
	                                        : follow_listed(settings, slice_from(host, dot));
}

static struct follow_target
find(struct scan *scan, struct slice uri)
{
	struct slice host, rest;
	unsigned method;

	if (!follow_split(uri, &host, &rest))
		return (struct follow_target){SLICE_NULL, false};
	host = arena_dup_lower(scan->arena, host);
	if (count_dots(host) == 1 && !has_word(rest))
		return (struct follow_target){SLICE_NULL, false};
	method = method_of(settings_follow(scan), host);
	return (struct follow_target){method == 0 ? SLICE_NULL : uri, method == 1};
}

static const struct follow_kind kind = {
	.area = "DecodeShortURLs",
	.find = find,
	.strips_query = true,
	.table = "short_url_cache",
	.url_column = "short_url",
	.target_column = "decoded_url",
};

/* ---- evals ---- */

static struct follow *
decodeshorturls_of(struct scan *scan)
{
	return follow_of(scan, &plugin_decodeshorturls, settings_follow(scan), &kind);
}

#define FACT_EVAL(name, fact)                                                                      \
	static int name(struct scan *scan, const struct eval_call *call)                           \
	{                                                                                          \
		const struct follow *follow = decodeshorturls_of(scan);                            \
                                                                                                   \
		(void)call;                                                                        \
		return follow != NULL && (fact);                                                   \
	}

FACT_EVAL(short_url, follow->is_found)
FACT_EVAL(short_url_redir, follow->is_redirected)
FACT_EVAL(short_url_chained, follow->is_chained)
FACT_EVAL(short_url_maxchain, follow->is_too_long)
FACT_EVAL(short_url_loop, follow->is_loop)
FACT_EVAL(short_url_200, follow_has_code(follow, 200))
FACT_EVAL(short_url_404, follow_has_code(follow, 404))

static int
short_url_code(struct scan *scan, const struct eval_call *call)
{
	const struct follow *follow = decodeshorturls_of(scan);

	return follow != NULL && follow_has_code(follow, follow_code(eval_arg(call, 0)));
}

static int
short_url_tests(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return 0;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "short_url", EVAL_BODY, short_url, NULL },
	{ "short_url_200", EVAL_BODY, short_url_200, NULL },
	{ "short_url_404", EVAL_BODY, short_url_404, NULL },
	{ "short_url_chained", EVAL_BODY, short_url_chained, NULL },
	{ "short_url_code", EVAL_BODY, short_url_code, NULL },
	{ "short_url_loop", EVAL_BODY, short_url_loop, NULL },
	{ "short_url_maxchain", EVAL_BODY, short_url_maxchain, NULL },
	{ "short_url_redir", EVAL_BODY, short_url_redir, NULL },
	{ "short_url_tests", EVAL_ANY, short_url_tests, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

/* ---- the plugin ---- */

static bool
before_launch(struct scan *scan, bool give_up)
{
	struct follow *follow = decodeshorturls_of(scan);

	return follow == NULL || follow_step(scan, follow, give_up);
}

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct decodeshorturls_settings *settings = data;

	follow_finish(reader, &settings->follow, &kind, true);
}

static bool
writes_files(const void *data)
{
	const struct decodeshorturls_settings *settings = data;

	return settings->follow.cache_type.len > 0;
}

/* The old way of asking. */
static void
finish_start(struct conf_reader *reader, void *data)
{
	const struct ruleset *rules = conf_rules(reader->conf);

	(void)data;
	for (size_t i = 0; i < rules->count; i++)
		if (rule_is_eval(rules->rules[i]->kind) &&
		    slice_eq(rules->rules[i]->eval.function, SLICE("short_url_tests"))) {
			log_warn(reader->log, "DecodeShortURLs",
			         "Legacy configuration format detected. Eval function "
			         "short_url_tests() is no longer supported, please see "
			         "documentation "
			         "for the new rule format.");
			return;
		}
}

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
	.state_size = sizeof(struct follow),
	.finish_start = finish_start,
	.finish_end = finish_end,
	.before_launch = before_launch,
	.writes_files = writes_files,
};
