/*
 * verdict_json.c - a verdict for programs
 */
#include "spamd/verdict_json.h"

#include <stdlib.h>

#include "check/tags.h"
#include "util/strbuf.h"
#include "util/utf8.h"

static void
add_character(struct strbuf *out, struct slice s, size_t *at)
{
	unsigned char c = s.data[*at];
	unsigned long code;
	size_t len;

	if (c == '"' || c == '\\') {
		strbuf_printf(out, "\\%c", c);
	} else if (c < 0x20 || c == 0x7f) {
		strbuf_printf(out, "\\u%04x", c);
	} else if (c < 0x80) {
		strbuf_add_byte(out, c);
	} else {
		len = utf8_decode(s, *at, &code);
		if (len >= 2 && utf8_is_valid(slice_sub(s, *at, len))) {
			strbuf_add(out, slice_sub(s, *at, len));
			*at += len;
			return;
		}
		strbuf_add(out, SLICE("\xef\xbf\xbd"));
	}
	*at += 1;
}

static void
add_string(struct strbuf *out, struct slice s)
{
	strbuf_add_byte(out, '"');
	for (size_t i = 0; i < s.len;)
		add_character(out, s, &i);
	strbuf_add_byte(out, '"');
}

/* "name":"value", */
static void
add_member(struct strbuf *out, const char *name, struct slice value)
{
	strbuf_printf(out, "\"%s\":", name);
	add_string(out, value);
	strbuf_add_byte(out, ',');
}

/* The comma behind the last member or item. */
static void
end_list(struct strbuf *out, const char *end)
{
	if (out->len > 0 && out->data[out->len - 1] == ',')
		out->len--;
	strbuf_add_cstr(out, end);
}

static void
add_hits(struct strbuf *out, const struct check *check)
{
	strbuf_add(out, SLICE("\"hits\":["));
	for (size_t i = 0; i < check->scan.hits.count; i++) {
		const struct scan_hit *hit = &check->scan.hits.items[i];

		if (slice_starts(hit->rule->name, SLICE("__")))
			continue;
		strbuf_add_byte(out, '{');
		add_member(out, "name", hit->rule->name);
		strbuf_printf(out, "\"score\":%.10g,\"count\":%u,", hit->score, hit->count);
		if (hit->rule->describe.len > 0)
			add_member(out, "description", hit->rule->describe);
		end_list(out, "},");
	}
	end_list(out, "],");
}

static int
by_name(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;

	return slice_cmp(*x, *y);
}

static bool
list_tags(const struct check *check, slice_vec *names)
{
	const struct hashmap *tags = &check->scan.tags;

	for (size_t i = 0; i < tags->count; i++)
		if (vec_push(check->scan.arena, names, tags->entries[i].key) == NULL)
			return false;
	if (names->count > 0)
		qsort(names->items, names->count, sizeof(*names->items), by_name);
	return true;
}

static void
add_tags(struct strbuf *out, struct check *check)
{
	slice_vec names = {0};

	strbuf_add(out, SLICE("\"tags\":{"));
	if (!list_tags(check, &names))
		out->bad = true;
	for (size_t i = 0; i < names.count; i++) {
		struct slice value;

		if (!tags_value(check, names.items[i], SLICE_NULL, false, &value) || value.len == 0)
			continue;
		add_string(out, names.items[i]);
		strbuf_add_byte(out, ':');
		add_string(out, value);
		strbuf_add_byte(out, ',');
	}
	end_list(out, "},");
}

static void
add_relays(struct strbuf *out, const relay_vec *relays)
{
	for (size_t i = 0; i < relays->count; i++) {
		const struct relay *relay = relays->items[i];

		strbuf_add_byte(out, '{');
		add_member(out, "ip", relay->ip);
		add_member(out, "rdns", relay->rdns);
		add_member(out, "helo", relay->helo);
		add_member(out, "by", relay->by);
		add_member(out, "ident", relay->ident);
		add_member(out, "envfrom", relay->envfrom);
		add_member(out, "id", relay->id);
		add_member(out, "auth", relay->auth);
		strbuf_printf(out, "\"trusted\":%s,\"internal\":%s,\"msa\":%s},",
		              relay->trusted ? "true" : "false", relay->internal ? "true" : "false",
		              relay->msa ? "true" : "false");
	}
}

/* What was not looked at, or not to its end. */
static void
add_limits(struct strbuf *out, const struct scan *scan)
{
	const struct message *message = scan->message;
	const struct {
		const char *name;
		bool hit;
	} limits[] = {
		{"time", scan->time_limit_exceeded},
		{"memory", message->spent || arena_is_spent(scan->arena)},
		{"parts", message->mimepart_limit_exceeded},
		{"headers", message->truncated_header},
		{"match", scan->match_limit_exceeded},
	};

	strbuf_add(out, SLICE("\"limits\":{"));
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		strbuf_printf(out, "\"%s\":%s,", limits[i].name, limits[i].hit ? "true" : "false");
	end_list(out, "},");
}

struct slice
verdict_json(struct check *check, const struct verdict_facts *facts)
{
	const struct scan *scan = &check->scan;
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	strbuf_printf(&out, "{\"format\":1,\"spam\":%s,\"score\":%.10g,\"required\":%.10g,",
	              check->is_spam ? "true" : "false", check->score, check->required_score);
	add_member(&out, "score_text", facts->score);
	add_member(&out, "required_text", facts->required);
	add_member(&out, "message_id", facts->message_id);
	add_member(&out, "user", facts->user);
	add_hits(&out, check);
	add_member(&out, "subtests", tags_tests(check, true, SLICE(",")));
	add_tags(&out, check);
	strbuf_add(&out, SLICE("\"relays\":["));
	add_relays(&out, &scan->relays.trusted);
	add_relays(&out, &scan->relays.untrusted);
	end_list(&out, "],");
	strbuf_printf(&out, "\"bytes\":%zu,\"seconds\":%.6f,", facts->bytes,
	              (double)facts->us / 1e6);
	add_limits(&out, scan);
	strbuf_printf(&out, "\"shortcircuited\":%s}\n", check->shortcircuited ? "true" : "false");
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}
