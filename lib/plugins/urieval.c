/*
 * urieval.c - Mail::SpamAssassin::Plugin::URIEval
 */
#include "plugins/scan.h"

enum { PATTERN_REDIRECT, PATTERN_IP_LINK, PATTERN_IP_TEXT, PATTERN_HTTPS };

static const char *const patterns[] = {
	[PATTERN_REDIRECT] = "(?i)^https?://([^/:?]+).+?(https?:/{0,2}?([^/:?]+).*)$",
	[PATTERN_IP_LINK] = "(?i)^https?:/*(?:[^@/]+@)?\\d+\\.\\d+\\.\\d+\\.\\d+",
	[PATTERN_IP_TEXT] = "(?i)^https:/*(?:[^@/]+@)?\\d+\\.\\d+\\.\\d+\\.\\d+",
	[PATTERN_HTTPS] = "(?i)https:",
};

static struct slice
domain_or_self(struct scan *scan, struct slice host)
{
	struct slice domain, unused;

	if (registry_uri_domain(&scan->env->registry, scan->arena, host, &domain, &unused) &&
	    domain.len > 0)
		return domain;
	return host;
}

static bool
redirects(struct scan *scan, struct slice uri)
{
	const struct regex *regex = scan_pattern_regex(scan, &plugin_urieval, PATTERN_REDIRECT);

	/* Each turn looks at a shorter URI: at most URI_MAX_BYTES / 7 of them. */
	while (regex_match(regex, scan_regex_scratch(scan), uri, 0, 0) == REGEX_HIT) {
		struct regex_span from = regex_span(scan_regex_scratch(scan), 1);
		struct regex_span rest = regex_span(scan_regex_scratch(scan), 2);
		struct regex_span to = regex_span(scan_regex_scratch(scan), 3);
		struct slice a =
			domain_or_self(scan, slice_sub(uri, from.start, from.end - from.start));
		struct slice b = domain_or_self(scan, slice_sub(uri, to.start, to.end - to.start));

		if (!slice_eq(a, b))
			return true;
		uri = slice_sub(uri, rest.start, rest.end - rest.start);
	}
	return false;
}

static int
http_redirector(struct scan *scan, const struct eval_call *call)
{
	const struct uri_list *uris = scan_uris(scan);

	(void)call;
	for (size_t i = 0; uris != NULL && i < uris->cleaned.count; i++)
		if (redirects(scan, uris->cleaned.entries[i].key))
			return 1;
	return 0;
}

static int
https_ip_mismatch(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);

	(void)call;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < html[i]->uris.count; k++) {
			const struct html_uri *uri = html[i]->uris.items[k];

			if (!scan_pattern(scan, &plugin_urieval, PATTERN_IP_LINK, uri->raw.text))
				continue;
			for (size_t t = 0; t < uri->anchor_texts.count; t++) {
				struct slice text = uri->anchor_texts.items[t].text;

				if (!scan_pattern(scan, &plugin_urieval, PATTERN_IP_TEXT, text) &&
				    scan_pattern(scan, &plugin_urieval, PATTERN_HTTPS, text))
					return 1;
			}
		}
	return 0;
}

static int
uri_truncated(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);

	(void)call;
	for (size_t i = 0; i < count; i++)
		if (html[i]->uri_truncated)
			return 1;
	return scan_uris(scan) != NULL && scan->uris->truncated;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_for_http_redirector", EVAL_ANY, http_redirector, NULL },
	{ "check_https_ip_mismatch", EVAL_ANY, https_ip_mismatch, NULL },
	{ "check_uri_truncated", EVAL_ANY, uri_truncated, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_urieval = {
	.id = PLUGIN_ID_urieval,
	.class_name = "Mail::SpamAssassin::Plugin::URIEval",
	.module = {.name = "urieval"},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
};
