/*
 * dnseval_answers.c - answers of lists: texts, hits of the rule and of its set
 */
#include "plugins/dnseval.h"

/* Text of a record as a zone file has it, for _RBL_. */
static void
remember(struct scan *scan, const struct dns_answer *answer, struct slice text)
{
	struct dnseval_state *state = rbl_state_of(scan);
	struct slice key;
	slice_vec *values;

	if (state == NULL)
		return;
	key = answer->type == DNS_A
	              ? answer->name
	              : arena_printf(scan->arena, "%.*s?type=%.*s", SLICE_FMT(answer->name),
	                             SLICE_FMT(dns_type_name(scan->arena, answer->type)));
	values = hashmap_get(&state->seen, key);
	if (values == NULL) {
		values = arena_new(scan->arena, slice_vec);
		if (values == NULL || !hashmap_set(&state->seen, key, values))
			return;
	}
	for (size_t i = 0; i < values->count; i++)
		if (slice_eq(values->items[i], text))
			return;
	(void)vec_push(scan->arena, values, text);
	log_debug(scan->log, "dns", "hit <dns:%.*s> %.*s", SLICE_FMT(key),
	          SLICE_FMT(log_quote(scan->arena, text, 500)));
}

/* http(s) addresses in angle brackets, so that a reader can follow them. */
static struct slice
bracket_links(struct arena *arena, struct slice text)
{
	struct strbuf buf;
	size_t at = 0;

	strbuf_init(&buf, arena, 0);
	while (at < text.len) {
		struct slice rest = slice_from(text, at);
		size_t scheme = slice_istarts(rest, SLICE("http://"))    ? 7
		                : slice_istarts(rest, SLICE("https://")) ? 8
		                                                         : 0;
		size_t len = scheme;
		bool opened = at > 0 && strchr("<([", text.data[at - 1]) != NULL &&
		              text.data[at - 1] != 0;

		while (scheme > 0 && len < rest.len && !byte_is_space(rest.data[len]))
			len++;
		if (scheme == 0 || len == scheme || opened) {
			strbuf_add_byte(&buf, text.data[at++]);
			continue;
		}
		strbuf_add_byte(&buf, '<');
		strbuf_add(&buf, slice_sub(rest, 0, len));
		strbuf_add_byte(&buf, '>');
		at += len;
	}
	return strbuf_slice(&buf);
}

/* "5.4.3.2." of "5.4.3.2.list" or the 32 nibbles of an IPv6 address: length, else 0. */
static size_t
reversed_v4(struct slice name)
{
	size_t at = 0;

	for (int part = 0; part < 4; part++) {
		size_t begin = at;

		while (at < name.len && byte_is_digit(name.data[at]))
			at++;
		if (at == begin || at == name.len || name.data[at] != '.')
			return 0;
		at++;
	}
	return at;
}

static size_t
reversed_v6(struct slice name)
{
	if (name.len < 64)
		return 0;
	for (size_t i = 0; i < 64; i += 2)
		if (!byte_is_xdigit(name.data[i]) || name.data[i + 1] != '.')
			return 0;
	return 64;
}

/* Groups of four, without up to three leading zeros but in the first group. */
static struct slice
v6_text(struct arena *arena, struct slice reversed)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t group = 0; group < 8; group++) {
		size_t digit = 0;

		if (group > 0)
			strbuf_add_byte(&buf, ':');
		while (group > 0 && digit < 3 && reversed.data[62 - 8 * group - 2 * digit] == '0')
			digit++;
		for (; digit < 4; digit++)
			strbuf_add_byte(&buf,
			                byte_lower(reversed.data[62 - 8 * group - 2 * digit]));
	}
	return strbuf_slice(&buf);
}

static struct slice
v4_text(struct arena *arena, struct slice reversed)
{
	struct slice parts[4] = {{0}};
	struct slice rest = reversed;

	for (int i = 3; i >= 0; i--)
		(void)slice_next(&rest, '.', &parts[i]);
	return arena_printf(arena, "%.*s.%.*s.%.*s.%.*s", SLICE_FMT(parts[0]), SLICE_FMT(parts[1]),
	                    SLICE_FMT(parts[2]), SLICE_FMT(parts[3]));
}

static struct slice
listed_text(struct arena *arena, struct slice name)
{
	struct slice lower = arena_dup_lower(arena, name);
	size_t v6 = reversed_v6(lower), v4 = reversed_v4(lower);

	if (v6 > 0 && lower.len > v6 + 1)
		return arena_printf(arena, "%.*s listed in %.*s", SLICE_FMT(v6_text(arena, lower)),
		                    SLICE_FMT(slice_from(lower, v6)));
	if (v4 > 0 && lower.len > v4 + 1)
		return arena_printf(arena, "%.*s listed in %.*s", SLICE_FMT(v4_text(arena, lower)),
		                    SLICE_FMT(slice_from(lower, v4)));
	return arena_printf(arena, "listed in %.*s", SLICE_FMT(lower));
}

static void
hit(struct scan *scan, const struct rule *rule, const struct dns_answer *answer,
    const struct dns_record *record, struct slice text)
{
	if (!slice_starts(rule->name, SLICE("__"))) {
		struct slice line = record->type == DNS_TXT
		                            ? bracket_links(scan->arena, text)
		                            : listed_text(scan->arena, answer->name);

		if (line.len > 0)
			scan_test_log(scan, rule, line);
	}
	if (scan_has_hit(scan, rule))
		return;
	log_debug(scan->log, "dns", "rbl rule %.*s hit", SLICE_FMT(rule->name));
	scan_hit(scan, rule, "RBL: ", 1);
}

static void
hit_subs(struct scan *scan, struct slice set, const struct dns_answer *answer,
         const struct dns_record *record, struct slice text)
{
	const struct dnseval_settings *settings = plugin_settings(scan->conf, &plugin_dnseval);
	const rule_vec *subs = hashmap_get(&settings->subs, set);

	for (size_t i = 0; subs != NULL && i < subs->count; i++) {
		const struct rule *rule = scan->rules->rules[subs->items[i]->number];
		const struct rbl_rule *data = rule->eval.data;

		if (data != NULL && scan_rule_score(scan, rule) != 0 && !scan_has_hit(scan, rule) &&
		    rbl_filter_matches(scan, data->filter, text))
			hit(scan, rule, answer, record, text);
	}
}

void
rbl_take_answer(struct scan *scan, void *context, const struct dns_answer *answer)
{
	const struct rule *rule = context;
	const struct rbl_rule *data = rule->eval.data;

	for (size_t i = 0; i < answer->record_count; i++) {
		const struct dns_record *record = &answer->records[i];
		struct slice text = dnslist_text(record);

		if (answer->outcome != DNS_ANSWERED)
			return;
		remember(scan, answer, text.data == NULL ? record->text : text);
		if ((record->type != DNS_A && record->type != DNS_TXT) ||
		    (record->type == DNS_A && !dnslist_is_loopback(text)))
			continue;
		if (rbl_filter_matches(scan, data->filter, text))
			hit(scan, rule, answer, record, text);
		hit_subs(scan, data->set, answer, record, text);
	}
}
