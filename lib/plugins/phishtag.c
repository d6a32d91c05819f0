/*
 * phishtag.c - Mail::SpamAssassin::Plugin::PhishTag: some phishing mail is let through with its
 * links pointing to a warning
 */
#include <sys/random.h>

#include "plugins/args.h"
#include "util/file.h"
#include "util/strbuf.h"

enum { CONFIG_BYTES_MAX = 16 * 1024 * 1024, URIS_MAX = 200 };

struct target {
	struct slice uri;
	slice_vec rules; /* that must all hit */
};

struct phishtag_settings {
	struct conf_table target; /* rule -> URI */
	struct slice config;      /* a file */
	double ratio;             /* percent */
	VEC(struct target) targets;
};

#define AT(field) offsetof(struct phishtag_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "trigger_config", NULL, CONF_STRING, CONF_ADMIN, AT(config), NULL, NULL },
	{ "trigger_ratio", NULL, CONF_NUMERIC, CONF_ADMIN, AT(ratio), "0", NULL },
	{ "trigger_target", NULL, CONF_TABLE, CONF_ADMIN, AT(target), NULL, NULL },
};
/* clang-format on */

/* ---- configuration ---- */

static struct slice
without_space(struct arena *arena, struct slice line)
{
	unsigned char *out = arena_bytes(arena, line.len + 1);
	size_t n = 0;

	for (size_t i = 0; out != NULL && i < line.len; i++)
		if (!byte_is_space(line.data[i]))
			out[n++] = line.data[i];
	return slice_of(out, n);
}

/* "target URI", then a rule a line up to an empty line. */
static void
read_config(struct conf_reader *reader, struct phishtag_settings *settings, struct slice text)
{
	struct target *target = NULL;
	struct slice line;

	while (slice_next(&text, '\n', &line)) {
		struct slice rest, word = conf_split(line, &rest);

		if (slice_trim(line).len == 0) {
			target = NULL;
		} else if (slice_starts(slice_ltrim(line), SLICE("#"))) {
			continue;
		} else if (slice_starts(line, SLICE("target")) && slice_eq(word, SLICE("target")) &&
		           slice_next_word(&rest, &word)) {
			target = vec_push(reader->arena, &settings->targets,
			                  (struct target){word, {0}});
		} else if (target != NULL) {
			(void)vec_push(reader->arena, &target->rules,
			               without_space(reader->arena, line));
		}
	}
}

static void
finish_start(struct conf_reader *reader, void *data)
{
	struct phishtag_settings *settings = data;
	struct rule *rule = ruleset_own(reader, SLICE("PHISHTAG_TOSS"));
	struct slice text;
	struct error error;

	if (rule != NULL && rule->kind == RULE_NONE)
		rule->kind = RULE_EMPTY;
	if (slice_trim(settings->config).len > 0) {
		if (file_read(reader->arena, arena_cstr(reader->arena, settings->config),
		              CONFIG_BYTES_MAX, &text, &error) == STATUS_OK)
			read_config(reader, settings, text);
		else
			log_warn(reader->log, "config", "trigger_config: %s", error.text);
	}
	for (size_t i = 0; i < settings->target.map.count; i++) {
		const struct hashmap_entry *entry = &settings->target.map.entries[i];
		struct target *target;

		if (entry->value == NULL)
			continue;
		target = vec_push(reader->arena, &settings->targets,
		                  (struct target){*(const struct slice *)entry->value, {0}});
		if (target != NULL)
			(void)vec_push(reader->arena, &target->rules, entry->key);
	}
}

/* ---- after the verdict ---- */

static double
chance(double below)
{
	unsigned number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != (ssize_t)sizeof(number))
		number = 0;
	return (double)number / 4294967296.0 * below;
}

static bool
is_fulfilled(const struct scan *scan, const struct target *target)
{
	for (size_t i = 0; i < target->rules.count; i++) {
		const struct rule *rule = ruleset_find(scan->rules, target->rules.items[i]);

		if (rule == NULL || !scan_has_hit(scan, rule))
			return false;
	}
	return true;
}

/* The URI is taken for a pattern, as the reference does. */
static void
replace_uri(struct scan *scan, struct slice uri, struct slice with)
{
	struct error error;
	const struct regex *regex = regex_create(scan->arena, uri, 0, &error);
	struct slice body = scan->message->pristine_body;
	struct regex_iter iter;
	struct strbuf out;
	size_t done = 0;

	if (uri.len == 0 || regex == NULL)
		return;
	strbuf_init(&out, scan->arena, 0);
	regex_iter_init(&iter, regex, scan_regex_scratch(scan), body);
	while (regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 0);

		strbuf_add(&out, slice_sub(body, done, span.start - done));
		strbuf_add(&out, with);
		done = span.end;
	}
	strbuf_add(&out, slice_from(body, done));
	if (done > 0 && !strbuf_is_bad(&out))
		scan->message->pristine_body = strbuf_slice(&out);
}

static void
after_learn(struct scan *scan)
{
	const struct phishtag_settings *settings = plugin_settings(scan->conf, &plugin_phishtag);
	const struct rule *rule = ruleset_find(scan->rules, SLICE("PHISHTAG_TOSS"));
	const struct uri_list *uris;
	VEC(const struct target *) filled = {0};
	struct slice with;

	for (size_t i = 0; i < settings->targets.count; i++)
		if (is_fulfilled(scan, &settings->targets.items[i]))
			(void)vec_push(scan->arena, &filled, &settings->targets.items[i]);
	if (filled.count == 0 || rule == NULL || !(settings->ratio > chance(100)))
		return;
	with = filled.items[(size_t)chance((double)filled.count)]->uri;
	scan_hit_score(scan, rule, "BODY: ", -100);
	uris = scan_uris(scan);
	for (size_t i = 0; uris != NULL && i < uris->uris.count && i < URIS_MAX; i++)
		if (uris->uris.items[i]->types & 1U << HTML_URI_A)
			replace_uri(scan, uris->uris.items[i]->raw, with);
}

const struct plugin plugin_phishtag = {
	.id = PLUGIN_ID_phishtag,
	.class_name = "Mail::SpamAssassin::Plugin::PhishTag",
	.module = {.name = "phishtag",
                   .settings_size = sizeof(struct phishtag_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.finish_start = finish_start,
	.after_learn = after_learn,
};
