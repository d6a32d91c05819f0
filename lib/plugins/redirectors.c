/*
 * redirectors.c - Mail::SpamAssassin::Plugin::Redirectors: where redirecting URLs lead
 *
 * Source: Redirectors.pm of 4.0.2.  A host that is listed, or a URL that holds another one, is
 * asked. See url_follow.h.
 */
#include "plugins/args.h"
#include "plugins/url_follow.h"
#include "util/strbuf.h"

struct redirectors_settings {
	struct follow_settings follow; /* first */
	const struct regex *params;    /* NULL: the built-in one */
};

enum { FRAGMENT_MAX = 32 };
enum { PATTERN_PARAMS, PATTERN_URL };
static const char *const patterns[] = {
	[PATTERN_PARAMS] =
		"(?:adurl|af_web_dp|cm_destination|destination|destURL|l|login|location|p1|"
		"pval|r|redir|redirect|redirectTo|ret_url|return|returnUrl|referer|service|"
		"target|tid|u|url)=(.*)",
	[PATTERN_URL] = "\\/https?:\\/\\/(.*)",
};

/* ---- configuration ---- */

static enum conf_result
parse_params(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct redirectors_settings *settings = data;
	struct error error;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	settings->params = regex_create_rule(reader->arena, value, REGEX_BARE_ALLOWED, &error);
	if (settings->params == NULL)
		log_info(reader->log, "config", "invalid url_redirector_params '%.*s': %s",
		         SLICE_FMT(value), error.text);
	return settings->params == NULL ? CONF_INVALID : CONF_OK;
}

#define AT(field) offsetof(struct redirectors_settings, follow.field)
/* clang-format off */
static const struct directive directives[] = {
	{ "clear_url_redirector", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, follow_parse_clear },
	{ "max_redir_url_redirections", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_redirections), "10", NULL },
	{ "max_redir_urls", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_urls), "10", NULL },
	{ "url_redirector", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, follow_parse_head },
	{ "url_redirector_allow_private", NULL, CONF_BOOL, CONF_ADMIN, AT(allow_private), "0", NULL },
	{ "url_redirector_cache_autoclean", NULL, CONF_NUMERIC, CONF_ADMIN, AT(cache_autoclean), "1000", NULL },
	{ "url_redirector_cache_dsn", NULL, CONF_STRING, CONF_PRIV, AT(cache_dsn), NULL, NULL },
	{ "url_redirector_cache_password", NULL, CONF_STRING, CONF_PRIV, AT(cache_password), NULL, NULL },
	{ "url_redirector_cache_ttl", NULL, CONF_NUMERIC, CONF_ADMIN, AT(cache_ttl_s), "86400", NULL },
	{ "url_redirector_cache_type", NULL, CONF_STRING, CONF_PRIV, AT(cache_type), NULL, NULL },
	{ "url_redirector_cache_username", NULL, CONF_STRING, CONF_PRIV, AT(cache_user), NULL, NULL },
	{ "url_redirector_get", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, follow_parse_get },
	{ "url_redirector_loginfo", NULL, CONF_BOOL, CONF_ADMIN, AT(loginfo), "0", NULL },
	{ "url_redirector_params", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_params },
	{ "url_redirector_timeout", NULL, CONF_NUMERIC, CONF_ADMIN, AT(timeout_s), "5", NULL },
	{ "url_redirector_user_agent", NULL, CONF_STRING, CONF_ADMIN, AT(user_agent), "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/101.0.4951.67 Safari/537.36", NULL },
};
/* clang-format on */

/* ---- which URLs ---- */

static const struct redirectors_settings *
settings_of(const struct scan *scan)
{
	return plugin_settings(scan->conf, &plugin_redirectors);
}

static const struct follow_settings *
settings_follow(const struct scan *scan)
{
	return &settings_of(scan)->follow;
}

static unsigned
hex_value(unsigned char c)
{
	return byte_is_digit(c)       ? (unsigned)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
	       : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
	                              : 16;
}

/* %XX is a byte; fragments of up to 32 characters go. */
static struct slice
normalize(struct arena *arena, struct slice uri)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < uri.len; i++) {
		unsigned char c = uri.data[i];

		if (c == '%' && i + 2 < uri.len && hex_value(uri.data[i + 1]) < 16 &&
		    hex_value(uri.data[i + 2]) < 16) {
			c = (unsigned char)(hex_value(uri.data[i + 1]) << 4 |
			                    hex_value(uri.data[i + 2]));
			i += 2;
		}
		strbuf_add_byte(&out, c);
	}
	return strbuf_slice(&out);
}

static struct slice
drop_fragments(struct arena *arena, struct slice uri)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < uri.len; i++) {
		if (uri.data[i] == '#' && i + 1 < uri.len && uri.data[i + 1] != '\n') {
			size_t end = i + 1;

			while (end < uri.len && end <= i + FRAGMENT_MAX && uri.data[end] != '\n')
				end++;
			i = end - 1;
			continue;
		}
		strbuf_add_byte(&out, uri.data[i]);
	}
	return strbuf_slice(&out);
}

/* The first group of what the configured pattern finds; false: it finds nothing. */
static bool
match_params(struct scan *scan, struct slice rest, struct slice *inner_r)
{
	const struct regex *params = settings_of(scan)->params;
	struct regex_scratch *scratch = scan_regex_scratch(scan);
	struct regex_span span = {SLICE_NPOS, 0};

	if (params == NULL)
		return scan_pattern_group(scan, &plugin_redirectors, PATTERN_PARAMS, rest, 1,
		                          inner_r);
	if (regex_match(params, scratch, rest, 0, 0) != REGEX_HIT)
		return false;
	if (regex_group_count(params) > 0)
		span = regex_span(scratch, 1);
	*inner_r = span.start == SLICE_NPOS ? SLICE("")
	                                    : slice_sub(rest, span.start, span.end - span.start);
	return true;
}

/* The URL that the query or the path holds; data NULL: none. */
static struct slice
find_inner(struct scan *scan, struct slice rest)
{
	struct slice inner = SLICE_NULL;

	if (!match_params(scan, rest, &inner) &&
	    !scan_pattern_group(scan, &plugin_redirectors, PATTERN_URL, rest, 1, &inner))
		return SLICE_NULL;
	if (!slice_starts(inner, SLICE("http")))
		inner = arena_concat(scan->arena, SLICE("http://"), inner);
	return inner;
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
is_label(struct slice label, bool is_last)
{
	for (size_t i = 0; i < label.len; i++)
		if (!(is_last ? byte_is_alpha(label.data[i]) : byte_is_word(label.data[i])))
			return false;
	return label.len > 0;
}

/* ".b.c.d" or ".c.d", the last labels of a.b.c.d, the longer before the shorter; data NULL: none.
 */
static struct slice
ending_of(struct slice host)
{
	struct slice found = SLICE_NULL;
	size_t end = host.len;

	for (unsigned labels = 1; labels <= 3; labels++) {
		size_t dot = slice_rfind_byte(slice_sub(host, 0, end), '.');

		if (dot == SLICE_NPOS ||
		    !is_label(slice_sub(host, dot + 1, end - dot - 1), labels == 1))
			break;
		if (labels > 1)
			found = slice_from(host, dot);
		end = dot;
	}
	return found;
}

/* ".y.z" of x.y.z; data NULL: the host is not of that shape. */
static struct slice
parent_of(struct slice host)
{
	size_t dot = slice_find_byte(host, '.', 0);

	if (count_dots(host) != 2 || dot == 0 || host.data[host.len - 1] == '.' ||
	    slice_find(host, SLICE(".."), 0) != SLICE_NPOS)
		return SLICE_NULL;
	return slice_from(host, dot);
}

/* 0: the host is not listed. */
static unsigned
method_of(const struct follow_settings *settings, struct slice host)
{
	struct slice parent = parent_of(host), ending = ending_of(host);
	unsigned method = follow_listed(settings, host);

	if (method != 0)
		return method;
	if (parent.data != NULL && slice_starts(host, SLICE("www.")))
		return follow_listed(settings, slice_from(parent, 1));
	if (parent.data != NULL && !slice_starts(host, SLICE("www")))
		method = follow_listed(settings, parent);
	return method != 0 || ending.data == NULL ? method : follow_listed(settings, ending);
}

/* Something with a full stop inside, and no address of mail. */
static bool
is_sound(struct slice uri)
{
	size_t n = 0;
	bool found = false;

	for (size_t i = 1; i + 1 < uri.len; i++)
		found |= uri.data[i] == '.' && uri.data[i - 1] != '.' && uri.data[i + 1] != '.';
	while (n < uri.len && (byte_is_digit(uri.data[n]) || byte_is_lower(uri.data[n])))
		n++;
	return found && !(n > 0 && n < uri.len && uri.data[n] == '@');
}

static struct follow_target
find(struct scan *scan, struct slice uri)
{
	struct follow_target target = {SLICE_NULL, false};
	struct slice host, rest;
	unsigned method;

	uri = drop_fragments(scan->arena, normalize(scan->arena, uri));
	if (!follow_split(uri, &host, &rest) || !is_sound(uri))
		return target;
	method = method_of(settings_follow(scan), arena_dup_lower(scan->arena, host));
	target.url = method != 0 ? uri : find_inner(scan, rest);
	target.is_head = method != 2;
	return target;
}

static const struct follow_kind kind = {
	.area = "Redirectors",
	.find = find,
	.keeps_answered = true,
	.loops_to_itself = true,
	.table = "redir_url_cache",
	.url_column = "redir_url",
	.target_column = "target_url",
};

/* ---- evals ---- */

static struct follow *
redirectors_of(struct scan *scan)
{
	return follow_of(scan, &plugin_redirectors, settings_follow(scan), &kind);
}

#define FACT_EVAL(name, fact)                                                                      \
	static int name(struct scan *scan, const struct eval_call *call)                           \
	{                                                                                          \
		const struct follow *follow = redirectors_of(scan);                                \
                                                                                                   \
		(void)call;                                                                        \
		return follow != NULL && (fact);                                                   \
	}

FACT_EVAL(redir_url, follow->is_found)
FACT_EVAL(redir_url_chained, follow->is_chained)
FACT_EVAL(redir_url_maxchain, follow->is_too_long)
FACT_EVAL(redir_url_loop, follow->is_loop)
FACT_EVAL(redir_url_404, follow_has_code(follow, 404))

static int
redir_url_code(struct scan *scan, const struct eval_call *call)
{
	const struct follow *follow = redirectors_of(scan);

	return follow != NULL && follow_has_code(follow, follow_code(eval_arg(call, 0)));
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "redir_url", EVAL_BODY, redir_url, NULL },
	{ "redir_url_404", EVAL_BODY, redir_url_404, NULL },
	{ "redir_url_chained", EVAL_BODY, redir_url_chained, NULL },
	{ "redir_url_code", EVAL_BODY, redir_url_code, NULL },
	{ "redir_url_loop", EVAL_BODY, redir_url_loop, NULL },
	{ "redir_url_maxchain", EVAL_BODY, redir_url_maxchain, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

/* ---- the plugin ---- */

static bool
before_launch(struct scan *scan, bool give_up)
{
	struct follow *follow = redirectors_of(scan);

	return follow == NULL || follow_step(scan, follow, give_up);
}

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct redirectors_settings *settings = data;

	follow_finish(reader, &settings->follow, &kind, true);
}

static bool
writes_files(const void *data)
{
	const struct redirectors_settings *settings = data;

	return settings->follow.cache_type.len > 0;
}

const struct plugin plugin_redirectors = {
	.id = PLUGIN_ID_redirectors,
	.class_name = "Mail::SpamAssassin::Plugin::Redirectors",
	.module =
		{
			.name = "redirectors",
			.settings_size = sizeof(struct redirectors_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.state_size = sizeof(struct follow),
	.finish_end = finish_end,
	.before_launch = before_launch,
	.writes_files = writes_files,
};
