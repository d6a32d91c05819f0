/*
 * replacetags.c - Mail::SpamAssassin::Plugin::ReplaceTags
 *
 * <NAME> in the patterns of rules named by replace_rules becomes the text of replace_tag NAME; <pre
 * N>, <inter N> and <post N> in a pattern put text before, between adjacent, and after tags.  Up to
 * six passes, so that tags may hold tags (reference: Plugin/ReplaceTags.pm finish_parsing_end).
 */
#include "plugins/plugin.h"

#include "util/strbuf.h"

enum { PASSES = 6, PATTERN_BYTES_MAX = 8 * 1024 * 1024 };

struct replacetags_settings {
	struct conf_table tag, pre, inter, post, rules;
	struct slice start, end;
};

static enum conf_result
parse_rules(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct replacetags_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_table_set(reader, &settings->rules, word, word))
			return CONF_FAILED;
	return CONF_OK;
}

#define AT(field) offsetof(struct replacetags_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "replace_end", NULL, CONF_STRING, CONF_PRIV, AT(end), ">", NULL },
	{ "replace_inter", NULL, CONF_TABLE, CONF_PRIV, AT(inter), NULL, NULL },
	{ "replace_post", NULL, CONF_TABLE, CONF_PRIV, AT(post), NULL, NULL },
	{ "replace_pre", NULL, CONF_TABLE, CONF_PRIV, AT(pre), NULL, NULL },
	{ "replace_rules", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_rules },
	{ "replace_start", NULL, CONF_STRING, CONF_PRIV, AT(start), "<", NULL },
	{ "replace_tag", NULL, CONF_TABLE, CONF_PRIV, AT(tag), NULL, NULL },
};
/* clang-format on */

/*
 * Takes the first "<WORD NAME>" (pre, inter, post) out of *text and gives what the table has for
 * NAME, "" when there is neither.
 */
static struct slice
take_modifier(struct arena *arena, const struct replacetags_settings *settings,
              const struct conf_table *table, const char *word, struct slice *text)
{
	struct slice open = arena_printf(arena, "%.*s%s ", SLICE_FMT(settings->start), word);
	size_t at = slice_find(*text, open, 0), end;
	struct slice name, value;

	if (open.data == NULL || at == SLICE_NPOS)
		return SLICE("");
	end = slice_find(*text, settings->end, at + open.len + 1);
	if (end == SLICE_NPOS)
		return SLICE("");
	name = slice_sub(*text, at + open.len, end - at - open.len);
	value = conf_table_get(table, name);
	*text = arena_concat(arena, slice_sub(*text, 0, at),
	                     slice_from(*text, end + settings->end.len));
	return value;
}

struct modifiers {
	struct slice pre, inter, post;
};

/* Next "<...>" without < or > inside, at or after `from`. */
static bool
next_tag(struct slice text, size_t from, size_t *at_r, size_t *len_r)
{
	for (size_t at = slice_find_byte(text, '<', from); at != SLICE_NPOS;
	     at = slice_find_byte(text, '<', at + 1)) {
		size_t end = slice_find_any(text, "<>", at + 1);

		if (end == SLICE_NPOS)
			return false;
		if (text.data[end] == '>' && end > at + 1) {
			*at_r = at;
			*len_r = end + 1 - at;
			return true;
		}
	}
	return false;
}

static struct slice
tag_value(const struct replacetags_settings *settings, struct slice tag)
{
	if (!slice_starts(tag, settings->start) || !slice_ends(tag, settings->end) ||
	    tag.len <= settings->start.len + settings->end.len)
		return SLICE_NULL;
	return conf_table_get(&settings->tag,
	                      slice_sub(tag, settings->start.len,
	                                tag.len - settings->start.len - settings->end.len));
}

/* One pass over text: every known tag is replaced; *again_r: a replacement holds tags itself. */
static struct slice
replace_once(struct arena *arena, const struct replacetags_settings *settings, struct slice text,
             const struct modifiers *mods, bool *again_r)
{
	struct strbuf out;
	size_t from = 0, at, len, nested_at, nested_len;
	bool after_tag = false;

	strbuf_init(&out, arena, PATTERN_BYTES_MAX);
	*again_r = false;
	while (next_tag(text, from, &at, &len)) {
		struct slice tag = slice_sub(text, at, len), value = tag_value(settings, tag);

		if (after_tag && at == from)
			strbuf_add(&out, mods->inter);
		strbuf_add(&out, slice_sub(text, from, at - from));
		strbuf_add(&out, mods->pre);
		strbuf_add(&out, value.data != NULL ? value : tag);
		strbuf_add(&out, mods->post);
		*again_r |= value.data != NULL && next_tag(value, 0, &nested_at, &nested_len);
		from = at + len;
		after_tag = true;
	}
	strbuf_add(&out, slice_from(text, from));
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

static struct slice
expand(struct arena *arena, const struct replacetags_settings *settings, struct slice text)
{
	bool again = true;

	for (unsigned pass = 0; pass < PASSES && again && text.data != NULL; pass++) {
		struct modifiers mods;

		mods.pre = take_modifier(arena, settings, &settings->pre, "pre", &text);
		mods.post = take_modifier(arena, settings, &settings->post, "post", &text);
		mods.inter = take_modifier(arena, settings, &settings->inter, "inter", &text);
		text = replace_once(arena, settings, text, &mods, &again);
	}
	return text;
}

static void
finish_start(struct conf_reader *reader, void *data)
{
	const struct replacetags_settings *settings = data;
	const struct ruleset *rules = conf_rules(reader->conf);

	for (size_t i = 0; i < settings->rules.map.count; i++) {
		struct rule *rule = ruleset_find(rules, settings->rules.map.entries[i].key);
		struct slice text;
		struct error error;
		const struct regex *regex;

		if (rule == NULL || rule->regex == NULL)
			continue;
		text = expand(reader->arena, settings, regex_text(rule->regex));
		regex = text.data == NULL ? NULL
		                          : regex_create_known(reader->regexes, reader->arena, text,
		                                               REGEX_TEMPLATES, &error);
		if (regex != NULL)
			rule->regex = regex;
		else
			conf_problem(reader, true, "replacetags: rule %.*s: %s, left as it is",
			             SLICE_FMT(rule->name),
			             text.data == NULL ? "too long" : error.text);
	}
}

const struct plugin plugin_replacetags = {
	.id = PLUGIN_ID_replacetags,
	.class_name = "Mail::SpamAssassin::Plugin::ReplaceTags",
	.module = {.name = "replacetags",
                   .settings_size = sizeof(struct replacetags_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.finish_start = finish_start,
};
