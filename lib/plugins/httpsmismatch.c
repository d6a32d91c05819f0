/*
 * httpsmismatch.c - Mail::SpamAssassin::Plugin::HTTPSMismatch: an https:// text over a link to
 * another domain
 */
#include "plugins/scan.h"

enum { PATTERN_LINK, PATTERN_TEXT };

static const char *const patterns[] = {
	[PATTERN_LINK] = "(?i)^https?://([^/:?#]+)",
	[PATTERN_TEXT] = "(?i)https://([^\\s/:?#]+)",
};

/* Registered domain of a link's host, or data NULL when the link does not count. */
static struct slice
link_domain(struct scan *scan, struct slice uri)
{
	const struct registry *registry = &scan->env->registry;
	struct slice host, domain, unused;

	if (!scan_pattern_group(scan, &plugin_httpsmismatch, PATTERN_LINK, uri, 1, &host) ||
	    net_addr_is_text(host))
		return SLICE_NULL;
	host = registry_domain(registry, scan->arena, host, false);
	if (!registry_uri_domain(registry, scan->arena, host, &domain, &unused) ||
	    !registry_is_valid(registry, scan->arena, domain, false))
		return SLICE_NULL;
	return host;
}

static bool
text_differs(struct scan *scan, struct slice text, struct slice domain)
{
	const struct registry *registry = &scan->env->registry;
	struct slice host;

	if (!scan_pattern_group(scan, &plugin_httpsmismatch, PATTERN_TEXT, text, 1, &host))
		return false;
	if (!net_addr_is_text(host)) {
		host = registry_domain(registry, scan->arena, host, false);
		if (!registry_is_valid(registry, scan->arena, host, false))
			return false;
	}
	return !slice_eq(host, domain);
}

static unsigned long long
count_arg(const struct eval_call *call, size_t index, unsigned long long standard)
{
	unsigned long long value;

	if (index < call->arg_count && slice_to_u64(call->args[index], 1000000000, &value) &&
	    (value > 0 || index > 0))
		return value;
	return standard;
}

static bool
part_hits(struct scan *scan, const struct html_result *html, unsigned long long min,
          unsigned long long max)
{
	unsigned long long anchors = 0;
	bool hit = false;

	for (size_t k = 0; k < html->uris.count; k++) {
		const struct html_uri *uri = html->uris.items[k];
		struct slice domain;

		if (uri->anchor_texts.count == 0)
			continue;
		domain = link_domain(scan, uri->raw.text);
		if (domain.len == 0)
			continue;
		anchors++;
		for (size_t t = 0; t < uri->anchor_texts.count && !hit; t++)
			hit = text_differs(scan, uri->anchor_texts.items[t].text, domain);
	}
	return hit && anchors >= min && anchors < max;
}

static int
https_http_mismatch(struct scan *scan, const struct eval_call *call)
{
	size_t count;
	const struct html_result *const *html = scan_html(scan, &count);
	unsigned long long min = count_arg(call, 0, 1), max = count_arg(call, 1, ~0ULL);

	for (size_t i = 0; i < count; i++)
		if (part_hits(scan, html[i], min, max))
			return 1;
	return 0;
}

static const struct plugin_eval evals[] = {
	{"check_https_http_mismatch", EVAL_BODY, https_http_mismatch, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_httpsmismatch = {
	.id = PLUGIN_ID_httpsmismatch,
	.class_name = "Mail::SpamAssassin::Plugin::HTTPSMismatch",
	.module = {.name = "httpsmismatch"},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
};
