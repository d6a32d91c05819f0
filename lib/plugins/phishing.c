/*
 * phishing.c - Mail::SpamAssassin::Plugin::Phishing: links that a feed file names
 *
 * The files are read once, when the configuration is complete.
 */
#include "plugins/args.h"

#include "util/file.h"

enum { FEED_BYTES_MAX = 256 * 1024 * 1024 };

struct phish {
	const struct phish *next; /* of the same stripped URI, in order */
	struct slice uri;         /* as written in the feed */
	const char *feed;
};

struct phishing_settings {
	struct slice openphish, phishtank, phishstats;
	double min_score;
	bool no_params;
	struct hashmap phishes; /* stripped URI -> struct phish * */
};

#define AT(field) offsetof(struct phishing_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "phishing_openphish_feed", NULL, CONF_STRING, CONF_ADMIN, AT(openphish), NULL, NULL },
	{ "phishing_phishstats_feed", NULL, CONF_STRING, CONF_ADMIN, AT(phishstats), NULL, NULL },
	{ "phishing_phishstats_minscore", NULL, CONF_NUMERIC, CONF_ADMIN, AT(min_score), "6", NULL },
	{ "phishing_phishtank_feed", NULL, CONF_STRING, CONF_ADMIN, AT(phishtank), NULL, NULL },
	{ "phishing_uri_noparam", NULL, CONF_BOOL, CONF_ADMIN, AT(no_params), "0", NULL },
};
/* clang-format on */

/* ---- feeds ---- */

static void
add_phish(struct conf_reader *reader, struct phishing_settings *settings, struct slice uri,
          const char *feed)
{
	struct phish *phish = arena_new(reader->arena, struct phish);
	struct slice key =
		settings->no_params ? slice_sub(uri, 0, slice_find_byte(uri, '?', 0)) : uri;
	struct hashmap_entry *entry = hashmap_put(&settings->phishes, key, NULL);

	if (phish == NULL || entry == NULL)
		return;
	*phish = (struct phish){entry->value, uri, feed};
	entry->value = phish;
}

/* Column `index` of a comma separated line, without its quotes; false: there is none. */
static bool
column(struct arena *arena, struct slice line, size_t index, struct slice *value_r)
{
	struct slice piece = SLICE_NULL;
	unsigned char *out;
	size_t n = 0;

	for (size_t i = 0; i <= index; i++)
		if (!slice_next(&line, ',', &piece))
			return false;
	*value_r = piece;
	if (!slice_has_byte(piece, '"') || (out = arena_bytes(arena, piece.len)) == NULL)
		return true;
	for (size_t i = 0; i < piece.len; i++)
		if (piece.data[i] != '"')
			out[n++] = piece.data[i];
	*value_r = slice_of(out, n);
	return true;
}

static void
add_openphish(struct conf_reader *reader, struct phishing_settings *settings, struct slice line)
{
	add_phish(reader, settings, line, "OpenPhish");
}

static void
add_phishtank(struct conf_reader *reader, struct phishing_settings *settings, struct slice line)
{
	struct slice uri;

	if (column(reader->arena, line, 1, &uri))
		add_phish(reader, settings, uri, "PhishTank");
}

static void
add_phishstats(struct conf_reader *reader, struct phishing_settings *settings, struct slice line)
{
	struct slice score, uri;

	if (column(reader->arena, line, 1, &score) && column(reader->arena, line, 2, &uri) &&
	    settings->min_score < perl_number(score))
		add_phish(reader, settings, uri, "PhishStats");
}

static void
read_feed(struct conf_reader *reader, struct phishing_settings *settings, struct slice path,
          bool has_title,
          void (*add)(struct conf_reader *reader, struct phishing_settings *settings,
                      struct slice line))
{
	struct slice text, line;
	struct error error;
	bool first = has_title;

	if (path.len == 0)
		return;
	if (file_read(reader->arena, arena_cstr(reader->arena, path), FEED_BYTES_MAX, &text,
	              &error) != STATUS_OK) {
		log_debug(reader->log, "Phishing", "%s", error.text);
		return;
	}
	while (slice_next(&text, '\n', &line)) {
		if (!first && line.len > 0 && !slice_starts(slice_ltrim(line), SLICE("#")))
			add(reader, settings, line);
		first = false;
	}
}

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct phishing_settings *settings = data;

	hashmap_init(&settings->phishes, reader->arena);
	read_feed(reader, settings, settings->openphish, false, add_openphish);
	read_feed(reader, settings, settings->phishtank, true, add_phishtank);
	read_feed(reader, settings, settings->phishstats, true, add_phishstats);
}

/* ---- eval ---- */

/* The first entry, as the feeds are read, whose domain is this one; NULL: none has a domain. */
static const char *
find_feed(struct scan *scan, const struct phish *phish, struct slice domain)
{
	const char *feed = NULL;

	/* The list is latest first. */
	for (; phish != NULL; phish = phish->next) {
		struct slice own, host;

		if (!registry_uri_domain(&scan->env->registry, scan->arena, phish->uri, &own,
		                         &host))
			continue;
		if (slice_eq(own, domain))
			feed = phish->feed;
		else if (feed == NULL)
			feed = "";
	}
	return feed;
}

static bool
is_phish(struct scan *scan, const struct eval_call *call, struct slice uri)
{
	const struct phishing_settings *settings = call->settings;
	struct slice key = uri, domain = SLICE(""), host;
	const char *feed;
	const struct phish *phish;

	if (settings->no_params) {
		size_t slashes = 0;

		key = slice_sub(uri, 0, slice_find_byte(uri, '?', 0));
		for (size_t i = 0; i < key.len; i++)
			slashes += key.data[i] == '/';
		if (slashes <= 3)
			return false;
	}
	phish = hashmap_get(&settings->phishes, key);
	if (phish == NULL)
		return false;
	if (!registry_uri_domain(&scan->env->registry, scan->arena, uri, &domain, &host))
		domain = SLICE("");
	feed = find_feed(scan, phish, domain);
	if (feed == NULL)
		return false;
	scan_test_log(scan, call->rule,
	              arena_printf(scan->arena, "%s (%.*s)", feed, SLICE_FMT(domain)));
	return true;
}

static int
check_phishing(struct scan *scan, const struct eval_call *call)
{
	const struct uri_list *uris = scan_uris(scan);

	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		const struct uri_info *uri = uris->uris.items[i];

		if (slice_istarts(uri->raw, SLICE("mailto:")) || uri->hosts.count == 0 ||
		    !(uri->types & (1U << HTML_URI_A | URI_TYPE_PARSED)))
			continue;
		for (size_t k = 0; k < uri->cleaned.count; k++)
			if (is_phish(scan, call, uri->cleaned.items[k]))
				return 1;
	}
	return 0;
}

static const struct plugin_eval evals[] = {
	{"check_phishing", EVAL_BODY, check_phishing, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_phishing = {
	.id = PLUGIN_ID_phishing,
	.class_name = "Mail::SpamAssassin::Plugin::Phishing",
	.module = {.name = "phishing",
                   .settings_size = sizeof(struct phishing_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
	.finish_end = finish_end,
};
