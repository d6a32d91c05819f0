/*
 * vbounce.c - Mail::SpamAssassin::Plugin::VBounce: bounces of mail that one did send
 */
#include "conf/addrlist.h"
#include "plugins/scan.h"
#include "util/strbuf.h"

struct vbounce_settings {
	struct addrlist relays;
};

static const struct directive directives[] = {
	{"welcomelist_bounce_relays", "whitelist_bounce_relays", CONF_ADDRLIST, CONF_USER,
         offsetof(struct vbounce_settings, relays), NULL, NULL},
};

static int
have_any_bounce_relays(struct scan *scan, const struct eval_call *call)
{
	const struct vbounce_settings *settings = call->settings;

	(void)scan;
	return !addrlist_is_empty(&settings->relays);
}

/* "[> ]*Received:" */
static bool
is_received_line(struct slice line)
{
	size_t at = slice_span(line, "> ", 0);

	return at != SLICE_NPOS && slice_istarts(slice_from(line, at), SLICE("Received:"));
}

/* A word with an inner dot between blanks (white space when `any_space`) that the list knows. */
static bool
names_relay(struct scan *scan, const struct addrlist *relays, struct slice line, bool any_space)
{
	size_t i = 0;

	while (i < line.len) {
		size_t start, end;
		struct slice word;

		if (any_space ? !byte_is_space(line.data[i]) : line.data[i] != ' ') {
			i++;
			continue;
		}
		start = ++i;
		while (i < line.len && !byte_is_space(line.data[i]))
			i++;
		end = i;
		if (end == line.len || (!any_space && line.data[end] != ' '))
			continue;
		word = slice_sub(line, start, end - start);
		if (word.len < 3 ||
		    slice_find_byte(slice_sub(word, 1, word.len - 2), '.', 0) == SLICE_NPOS)
			continue;
		if (addrlist_match(relays, arena_dup_lower(scan->arena, word)))
			return true;
		/* the blank after a match is used up, as with //g */
		i++;
	}
	return false;
}

static bool
search_pristine(struct scan *scan, const struct addrlist *relays)
{
	struct slice rest = scan->message->pristine_body, line;
	struct strbuf header;
	bool found = false;

	if (slice_ifind(rest, SLICE("Received:"), 0) == SLICE_NPOS)
		return false;
	strbuf_init(&header, scan->arena, 0);
	while (rest.len > 0 && slice_next(&rest, '\n', &line)) {
		if (!found && !is_received_line(line))
			continue;
		found = true;
		if (line.len == 0 || !byte_is_space(line.data[0]))
			header.len = 0;
		/* a header of more lines than any relay writes is cut, else it would be searched
		 * again and again */
		if (header.len < 4096)
			strbuf_add(&header, line);
		if (is_received_line(strbuf_slice(&header)) &&
		    names_relay(scan, relays, strbuf_slice(&header), true))
			return true;
	}
	return false;
}

static int
check_bounce_relays(struct scan *scan, const struct eval_call *call)
{
	const struct vbounce_settings *settings = call->settings;
	const struct text_lines *body = scan_body(scan);

	if (addrlist_is_empty(&settings->relays))
		return 0;
	for (size_t i = 0; i < body->count; i++)
		if (is_received_line(body->items[i]) &&
		    names_relay(scan, &settings->relays, body->items[i], false))
			return 1;
	return search_pristine(scan, &settings->relays);
}

static const struct plugin_eval evals[] = {
	{"check_welcomelist_bounce_relays", EVAL_ANY, check_bounce_relays, NULL},
	{"check_whitelist_bounce_relays", EVAL_ANY, check_bounce_relays, NULL},
	{"have_any_bounce_relays", EVAL_ANY, have_any_bounce_relays, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_vbounce = {
	.id = PLUGIN_ID_vbounce,
	.class_name = "Mail::SpamAssassin::Plugin::VBounce",
	.module = {.name = "vbounce",
                   .settings_size = sizeof(struct vbounce_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
};
