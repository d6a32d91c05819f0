/*
 * check.c - one message through the filter
 */
#include "check/check.h"

#include <math.h>
#include <poll.h>

#include "check/learn.h"
#include "check/plan.h"
#include "check/tags.h"
#include "dns/probe.h"
#include "dns/resolver.h"
#include "mail/route.h"
#include "plugins/dns_block.h"
#include "plugins/lookup.h"
#include "plugins/bayes.h"
#include "plugins/report.h"
#include "util/clock.h"

/* ---- begin: message, relays, metadata ---- */

void
check_find_route(struct scan *scan)
{
	const struct core_settings *core = scan->core;
	const struct route_config config = {
		.relay =
			{
				.trusted = &scan->env->trusted,
				.internal = &scan->env->internal,
				.msa = &scan->env->msa,
				.trusted_configured = core->trusted_networks.configured,
				.internal_configured = core->internal_networks.configured,
			},
		.originating_ip_headers = core->originating_ip_headers.items,
		.originating_ip_header_count = core->originating_ip_headers.count,
		.envelope_sender_header = core->envelope_sender_header,
	};
	struct header_context context;
	struct route route;

	scan_header_context(scan, &context);
	(void)!route_find(scan->message, &config, &context, &route);
	scan->relays = route.relays;
	scan->envelope_from = route.envelope_sender;
}

static struct slice
first_value(struct scan *scan, struct slice name)
{
	slice_vec values = scan_header_values(scan, name);

	return values.count == 0 ? SLICE_NULL : values.items[0];
}

static void
set_revip_tag(struct scan *scan, const char *tag, const relay_vec *relays)
{
	for (size_t i = 0; i < relays->count; i++) {
		const struct relay *relay = relays->items[i];
		struct slice reversed;

		if (relay->ip_private || relay->ip.len == 0)
			continue;
		reversed = net_addr_reverse(scan->arena, relay->ip);
		if (reversed.len > 0)
			scan_add_tag_value(scan, slice_from_cstr(tag), reversed);
	}
}

static void
set_domains(struct scan *scan)
{
	struct slice host = first_value(scan, SLICE("EnvelopeFrom:first:addr:host")),
		     joined = SLICE("");
	slice_vec hosts = scan_header_values(scan, SLICE("From:addr:host"));
	size_t count = 0;

	if (host.data != NULL) {
		host = idn_to_ascii(scan->arena, host);
		scan_set_tag(scan, SLICE("SENDERDOMAIN"), host);
		scan_set_metadata(scan, SLICE("X-SenderDomain"), host);
	}
	for (size_t i = 0; i < hosts.count; i++) {
		struct slice domain = idn_to_ascii(scan->arena, hosts.items[i]);
		bool seen = false;

		for (size_t k = 0; k < i && k < 100 && !seen; k++)
			seen = slice_eq(hosts.items[k], hosts.items[i]);
		if (seen || count >= 100)
			continue;
		scan_add_tag_value(scan, SLICE("AUTHORDOMAIN"), domain);
		joined = arena_printf(scan->arena, "%.*s%s%.*s", SLICE_FMT(joined),
		                      count++ == 0 ? "" : " ", SLICE_FMT(domain));
	}
	if (count > 0)
		scan_set_metadata(scan, SLICE("X-AuthorDomain"), joined);
}

static void
set_relay_tags(struct scan *scan)
{
	const struct relay_list *relays = &scan->relays;

	set_revip_tag(scan, "RELAYSTRUSTEDREVIP", &relays->trusted);
	set_revip_tag(scan, "RELAYSUNTRUSTEDREVIP", &relays->untrusted);
	set_revip_tag(scan, "RELAYSINTERNALREVIP", &relays->internal);
	set_revip_tag(scan, "RELAYSEXTERNALREVIP", &relays->external);
	scan_set_tag(scan, SLICE("RELAYSTRUSTED"), relays->trusted_string);
	scan_set_tag(scan, SLICE("RELAYSUNTRUSTED"), relays->untrusted_string);
	scan_set_tag(scan, SLICE("RELAYSINTERNAL"), relays->internal_string);
	scan_set_tag(scan, SLICE("RELAYSEXTERNAL"), relays->external_string);
}

static void
begin(struct check *check)
{
	struct scan *scan = &check->scan;
	size_t words = (check->plan->meta_count + 63) / 64 + 1;

	if (scan->env->may_learn && bayes_is_ready(scan))
		scan->score_set |= 2;
	log_debug(scan->log, "check", "using scoreset %u", scan->score_set);
	memcpy(check->meta_bits, check->plan->meta_always[scan->score_set >> 1],
	       words * sizeof(uint64_t));
	check_find_route(scan);
	set_relay_tags(scan);
	set_domains(scan);
	scan_set_tag(scan, SLICE("LANGUAGES"), SLICE_NULL);
	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		for (const char *const *tag = plugin->tags; tag != NULL && *tag != NULL; tag++)
			if (hashmap_find(&scan->tags, slice_from_cstr(*tag)) == NULL)
				scan_set_tag(scan, slice_from_cstr(*tag), SLICE_NULL);
		if (plugin->parsed != NULL)
			plugin->parsed(scan);
	}
}

enum { PROBE_LOOK_MS = 20 };

static bool
is_option_off(const struct core_settings *core, struct slice name)
{
	return slice_eq(conf_table_get(&core->dns_options, name), SLICE("0"));
}

/* dns_available test[: NAMES].  false: not known yet. */
static bool
is_dns_tested(struct check *check)
{
	struct scan *scan = &check->scan;
	const struct core_settings *core = scan->core;
	struct slice rest = core->dns_available, word;
	slice_vec names = {0};
	struct dns_probe_options options;
	int64_t now_ms;
	enum status status;

	if (check->probe == NULL || !scan_dns_available(scan) || !slice_starts(rest, SLICE("test")))
		return true;
	rest = slice_from(rest, sizeof("test:") - 1);
	while (slice_next_word(&rest, &word))
		(void)vec_push(scan->arena, &names, word);
	options = (struct dns_probe_options){
		.names = names.items,
		.name_count = names.count,
		.v4 = !is_option_off(core, SLICE("v4")),
		.v6 = !is_option_off(core, SLICE("v6")),
		.interval_ms = (int64_t)(core->dns_test_interval * 1000),
	};
	now_ms = clock_monotonic_ms();
	status = dns_probe_run(check->probe, scan->resolver, &options, now_ms);
	scan->wait = (struct scan_wait){
		.fd = -1, .until_ms = now_ms + PROBE_LOOK_MS, .for_answers = true};
	if (status == STATUS_AGAIN)
		return false;
	log_debug(scan->log, "dns", "is DNS available? %d", status == STATUS_OK);
	if (status != STATUS_OK)
		scan->resolver = NULL;
	return true;
}

/* false: one of them waits. */
static bool
run_message_hooks(struct check *check)
{
	const struct plugin_set *set = check->scan.plugins;

	for (; check->message_hooks < set->count; check->message_hooks++) {
		const struct plugin *plugin = set->loaded[set->order[check->message_hooks]];

		if (plugin->message != NULL && !plugin->message(&check->scan))
			return false;
	}
	return true;
}

/* ---- metas ---- */

static void
mark_dependents(struct check *check)
{
	const struct plan *plan = check->plan;

	for (; check->fresh_done < check->scan.fresh_hits.count; check->fresh_done++) {
		unsigned rule = check->scan.fresh_hits.items[check->fresh_done];

		if (rule >= plan->rule_count)
			continue;
		for (size_t i = 0; i < plan->dependent_count[rule]; i++) {
			unsigned meta = plan->dependents[rule][i];

			check->meta_bits[meta / 64] |= (uint64_t)1 << (meta % 64);
		}
	}
}

static void
evaluate_meta(struct check *check, size_t index)
{
	const struct plan *plan = check->plan;
	double value = meta_programs_eval(plan->meta_programs, index, check->scan.values);
	const struct rule *rule;

	if (value == 0)
		return;
	rule = check->scan.rules->rules[plan->metas[index]->number];
	if (scan_rule_score(&check->scan, rule) == 0 || check->scan.values[rule->number] != 0)
		return;
	log_debug(check->scan.log, "rules", "ran meta rule %.*s ======> got hit (%.15g)",
	          SLICE_FMT(rule->name), value);
	scan_hit(&check->scan, rule, "", value);
	mark_dependents(check);
}

/* Metas [from, to): a hit may wake others, which always stand further on. */
static void
run_metas(struct check *check, size_t from, size_t to)
{
	const uint64_t *never = check->plan->meta_never[check->scan.score_set >> 1];

	if (check->scan.time_limit_exceeded || check->shortcircuited)
		return;
	mark_dependents(check);
	for (size_t i = from; i < to;) {
		uint64_t word = (check->meta_bits[i / 64] & ~never[i / 64]) >> (i % 64);

		if (word == 0) {
			i = (i / 64 + 1) * 64;
			continue;
		}
		i += (size_t)__builtin_ctzll(word);
		if (i < to)
			evaluate_meta(check, i);
		i++;
	}
}

/* Metas over gates, which are decided by now. */
static void
run_gate_metas(struct check *check, int priority)
{
	const struct gates *gates = check->gates;

	if (gates->metas.count == 0 || check->scan.time_limit_exceeded || check->shortcircuited)
		return;
	for (size_t i = 0; i < gates->metas.count; i++) {
		unsigned index = gates->metas.items[i].index;
		const uint64_t *never = check->plan->meta_never[check->scan.score_set >> 1];

		if (gates->metas.items[i].turn <= priority &&
		    !(never[index / 64] >> (index % 64) & 1))
			evaluate_meta(check, index);
	}
}

/* ---- regex rules ---- */

static const char *
area_of(enum rule_kind kind)
{
	switch (kind) {
	case RULE_BODY:
	case RULE_BODY_EVAL:
		return "BODY: ";
	case RULE_URI:
		return "URI: ";
	case RULE_RAWBODY:
	case RULE_RAWBODY_EVAL:
		return "RAW: ";
	case RULE_FULL:
		return "FULL: ";
	case RULE_NONE:
	case RULE_HEADER:
	case RULE_HEADER_EVAL:
	case RULE_RBL_EVAL:
	case RULE_FULL_EVAL:
	case RULE_META:
	case RULE_EMPTY:
		break;
	}
	return "";
}

struct items {
	const struct slice *items;
	size_t count;
};

static struct items
uri_items(struct scan *scan)
{
	const struct uri_list *uris = scan_uris(scan);
	size_t count = uris == NULL ? 0 : uris->cleaned.count;
	struct slice *items = arena_new_array(scan->arena, struct slice, count + 1);

	if (items == NULL)
		return (struct items){NULL, 0};
	for (size_t i = 0; i < count; i++)
		items[i] = uris->cleaned.entries[i].key;
	return (struct items){items, count};
}

static struct items
items_of(struct scan *scan, enum plan_group_kind kind)
{
	const struct text_lines *lines;

	switch (kind) {
	case PLAN_BODY:
		lines = scan_body(scan);
		return (struct items){lines->items, lines->count};
	case PLAN_RAWBODY:
		lines = scan_rawbody(scan);
		return (struct items){lines->items, lines->count};
	case PLAN_URI:
		return uri_items(scan);
	case PLAN_FULL:
		return (struct items){&scan->message->pristine, 1};
	case PLAN_TEXT_GROUPS:
		break;
	}
	return (struct items){NULL, 0};
}

static void
log_limit(struct check *check, const struct rule *rule)
{
	check->scan.match_limit_exceeded = true;
	if (!match_scratch_first_limit(check->scan.match, rule->number))
		return;
	log_warn(check->scan.log, "rules",
	         "rule %.*s (%.*s line %u) reached its match limit and counts as not hit: simplify "
	         "its pattern",
	         SLICE_FMT(rule->name), SLICE_FMT(rule->file), rule->line_number);
}

static const char *
word_of(enum rule_kind kind)
{
	switch (kind) {
	case RULE_BODY:
		return "body";
	case RULE_URI:
		return "uri";
	case RULE_RAWBODY:
		return "rawbody";
	case RULE_FULL:
		return "full";
	case RULE_NONE:
	case RULE_HEADER:
	case RULE_HEADER_EVAL:
	case RULE_RBL_EVAL:
	case RULE_BODY_EVAL:
	case RULE_RAWBODY_EVAL:
	case RULE_FULL_EVAL:
	case RULE_META:
	case RULE_EMPTY:
		break;
	}
	return "header";
}

/* Readers of logs look for this line: its shape is the reference's. */
static void
log_hit(struct check *check, const struct rule *rule, struct slice text)
{
	log_debug(check->scan.log, "rules", "ran %s rule %.*s ======> got hit: \"%.*s\"",
	          word_of(rule->kind), SLICE_FMT(rule->name),
	          SLICE_FMT(log_quote(check->scan.arena, text, 1000)));
}

static void
add_hits(struct check *check, const struct rule *rule, unsigned count, struct slice text)
{
	for (unsigned i = 0; i < count; i++)
		scan_hit(&check->scan, rule, area_of(rule->kind), 1);
	if (log_wants(check->scan.log, LOG_LEVEL_DEBUG, "rules"))
		log_hit(check, rule, text);
}

/* What a rule matched, for the log; costs a match of its own where tables alone decided. */
static struct slice
matched_text(struct check *check, struct match_run *run, unsigned group, size_t slot,
             struct match_hit *hit)
{
	if (!log_wants(check->scan.log, LOG_LEVEL_DEBUG, "rules"))
		return SLICE("");
	if (!hit->has_span)
		match_run_locate(run, slot, hit);
	if (!hit->has_span || check->run_items[group] == NULL)
		return SLICE("");
	return slice_sub(check->run_items[group][hit->item], hit->at.start,
	                 hit->at.end - hit->at.start);
}

static const struct slice negative_match = {(const unsigned char *)"negative match", 14};

static void
capture(void *data, struct slice name, struct slice value)
{
	struct check *check = data;

	if (name.len > 0 && byte_is_upper(name.data[0]))
		scan_add_tag_value(&check->scan, name, arena_dup(check->scan.arena, value));
}

/* Rules of the plan have scores; only preferences take them away. */
static bool
is_scored(const struct check *check, const struct plan_group *group, size_t slot)
{
	if (check->prefs == NULL && check->scan.env->score_set == check->plan->score_set)
		return true;
	return scan_rule_score(&check->scan,
	                       check->scan.rules->rules[group->rules[slot]->number]) != 0;
}

/*
 * A large message is looked at in pieces, so that other clients of the worker do not wait for it:
 * what a pass has done stands in check->pass, and false says that it goes on in the next call.
 * Pieces of so many bytes take some milliseconds.
 */
enum {
	RENDER_BYTES = 512 << 10,
	LOOK_BYTES = 128 << 10,
	DECIDE_BYTES = 1 << 20,
	LARGE_BYTES = 1 << 20
};

static bool
is_large(const struct check *check)
{
	return check->scan.message->pristine.len >= LARGE_BYTES;
}

static bool
decide_some(struct check *check, struct match_run *run, size_t slot, match_capture_fn fn)
{
	struct check_pass *pass = &check->pass;

	if (!match_run_some(run, slot, fn, check, &pass->progress, &pass->bytes, &pass->hit))
		return false;
	pass->progress.is_begun = false;
	return true;
}

static bool
run_slot(struct check *check, struct match_run *run, unsigned index, size_t slot)
{
	const struct plan_group *group = &check->plan->groups.items[index];
	const struct match_hit *hit = &check->pass.hit;
	const struct rule *rule;

	if (!is_scored(check, group, slot))
		return true;
	if (!decide_some(check, run, slot, match_run_has_captures(run, slot) ? capture : NULL))
		return false;
	if (hit->count == 0 && !hit->limit)
		return true;
	rule = check->scan.rules->rules[group->rules[slot]->number];
	if (hit->limit)
		log_limit(check, rule);
	if (hit->count > 0)
		add_hits(check, rule, hit->count,
		         matched_text(check, run, index, slot, &check->pass.hit));
	return true;
}

static bool
run_negated(struct check *check, struct match_run *run, const struct plan_group *group, size_t slot)
{
	const struct rule *rule = check->scan.rules->rules[group->rules[slot]->number];

	if (!is_scored(check, group, slot))
		return true;
	if (!decide_some(check, run, slot, NULL))
		return false;
	if (check->pass.hit.count == 0 && !check->pass.hit.limit)
		add_hits(check, rule, 1, negative_match);
	return true;
}

/* A header that is not there: what matches an empty text was found when the plan was made. */
static void
run_missing(struct check *check, const struct plan_pass *pass, const struct plan_group *group)
{
	size_t words = match_set_words(group->set);

	for (size_t w = 0; w < words; w++) {
		uint64_t bits = group->empty_hits[w] & pass->mask[w];

		for (; bits != 0; bits &= bits - 1) {
			const struct rule *rule =
				group->rules[w * 64 + (size_t)__builtin_ctzll(bits)];

			add_hits(check, check->scan.rules->rules[rule->number], 1, SLICE(""));
		}
	}
	for (size_t i = 0; i < pass->negated_count; i++) {
		size_t slot = pass->negated[i];

		if (!(group->empty_hits[slot / 64] >> (slot % 64) & 1))
			add_hits(check, check->scan.rules->rules[group->rules[slot]->number], 1,
			         negative_match);
	}
}

/* The text of a header group; false: there is none, and none to take its place. */
static bool
header_item(struct check *check, const struct plan_group *group, struct slice *item_r)
{
	static const struct slice empty = {(const unsigned char *)"", 0};

	if (scan_header_number_joined(&check->scan, group->header_number, item_r))
		return true;
	*item_r = group->if_unset.data != NULL ? group->if_unset : empty;
	return group->empty_hits == NULL;
}

static struct match_run *
run_of(struct check *check, unsigned index, bool *missing_r)
{
	const struct plan_group *group = &check->plan->groups.items[index];
	struct match_run **run = &check->runs[index];
	struct scan *scan = &check->scan;
	struct items items;

	*missing_r = false;
	if (group->kind == PLAN_TEXT_GROUPS) {
		struct slice text, *item;

		if (*run != NULL)
			return *run;
		*missing_r = !header_item(check, group, &text);
		item = *missing_r ? NULL : arena_new(scan->arena, struct slice);
		if (item == NULL)
			return NULL;
		*item = text;
		items = (struct items){item, 1};
	} else {
		items = items_of(scan, group->kind);
		/* FreeMail edits the body array: what was looked at before is another text. */
		if (index == PLAN_BODY && *run != NULL && check->body_of_run != items.items)
			*run = NULL;
		if (*run != NULL)
			return *run;
	}
	check->run_items[index] = items.items;
	if (index == PLAN_BODY)
		check->body_of_run = items.items;
	*run = match_run_begin(scan->arena, group->set, scan->match, items.items, items.count,
	                       check->filter->options.no_prefilter ? MATCH_RUN_ALL : 0);
	return *run;
}

/* false: the rest comes in the next call.  *run becomes NULL when there is no memory for it. */
static bool
look_on(struct match_run **run)
{
	enum status status = match_run_look(*run, LOOK_BYTES);

	if (status == STATUS_LIMIT)
		*run = NULL;
	return status != STATUS_AGAIN;
}

/* Which rules of a pass: all, or only those that FreeMail's edit of the body came before or after.
 */
enum pass_part { PASS_ALL, PASS_EARLY, PASS_LATE };

static bool
run_slots(struct check *check, const struct plan_pass *pass, struct match_run *run,
          enum pass_part part)
{
	const struct plan_group *group = &check->plan->groups.items[pass->group];
	size_t *s = &check->pass.slot, *n = &check->pass.negated;

	for (; (*s = match_run_next(run, pass->mask, *s)) != MATCH_NONE; ++*s) {
		if (part != PASS_ALL &&
		    (group->early[*s / 64] >> (*s % 64) & 1) != (part == PASS_EARLY))
			continue;
		if (!run_slot(check, run, pass->group, *s))
			return false;
	}
	for (; *n < pass->negated_count && part != PASS_EARLY; ++*n)
		if (!run_negated(check, run, group, pass->negated[*n]))
			return false;
	*s = *n = 0;
	return true;
}

static bool
run_pass(struct check *check, const struct plan_pass *pass, enum pass_part part)
{
	bool missing;
	struct match_run *run = run_of(check, pass->group, &missing);

	check->pass.bytes = DECIDE_BYTES;
	if (missing)
		run_missing(check, pass, &check->plan->groups.items[pass->group]);
	if (run == NULL)
		return true;
	if (!look_on(&check->runs[pass->group]))
		return false;
	run = check->runs[pass->group];
	return run == NULL || run_slots(check, pass, run, part);
}

/* The body pass of priority 0 once FreeMail has edited the text: two texts, each rule its own. */
static bool
run_body_twice(struct check *check, const struct plan_pass *pass)
{
	const struct text_lines *lines = text_body(check->scan.message);
	struct match_run **run = &check->pass.unedited;

	if (check->pass.is_late)
		return run_pass(check, pass, PASS_LATE);
	if (*run == NULL)
		*run = match_run_begin(check->scan.arena,
		                       check->plan->groups.items[pass->group].set,
		                       check->scan.match, lines->items, lines->count,
		                       check->filter->options.no_prefilter ? MATCH_RUN_ALL : 0);
	check->run_items[pass->group] = lines->items;
	check->pass.bytes = DECIDE_BYTES;
	if (*run != NULL && !look_on(run))
		return false;
	if (*run != NULL && !run_slots(check, pass, *run, PASS_EARLY))
		return false;
	check->runs[pass->group] = NULL;
	check->pass.is_late = true;
	return false;
}

static void
run_exists(struct check *check, const struct plan_priority *p)
{
	for (size_t i = 0; i < p->exists.count; i++)
		if (scan_header_number_exists(&check->scan, p->exists.items[i].header_number))
			add_hits(check, check->scan.rules->rules[p->exists.items[i].rule->number],
			         1, SLICE("exists"));
}

/* ---- templates ---- */

/* Values of a tag: captures and what plugins set, or a computed tag such as HEADER(...). */
static size_t
tag_values(void *data, struct slice name, const struct slice **values_r)
{
	struct check *check = data;
	size_t paren = slice_find_byte(name, '(', 0), count = 0;
	bool has_args = paren != SLICE_NPOS && name.data[name.len - 1] == ')';
	struct slice args =
		has_args ? slice_sub(name, paren + 1, name.len - paren - 2) : SLICE_NULL;
	struct slice *value;

	name = slice_sub(name, 0, paren);
	if (scan_tag_values(&check->scan, name, values_r, &count))
		return count;
	value = arena_new(check->scan.arena, struct slice);
	if (value == NULL || !tags_value(check, name, args, has_args, value))
		return 0;
	*values_r = value;
	return value->len > 0;
}

/* What a rule that runs by itself looks at; `item` holds a header's text. */
static struct items
items_alone(struct check *check, const struct rule *rule, struct slice *item)
{
	struct scan *scan = &check->scan;

	*item = SLICE("");
	if (rule->kind == RULE_HEADER) {
		if (!scan_header_joined(scan, rule->header, item))
			*item = rule->if_unset.data != NULL ? rule->if_unset : SLICE("");
		return (struct items){item, 1};
	}
	return items_of(scan, rule->kind == RULE_BODY      ? PLAN_BODY
	                      : rule->kind == RULE_URI     ? PLAN_URI
	                      : rule->kind == RULE_RAWBODY ? PLAN_RAWBODY
	                                                   : PLAN_FULL);
}

/* One rule by itself, without tables. */
static void
run_alone(struct check *check, const struct rule *rule, const struct regex *regex)
{
	struct scan *scan = &check->scan;
	struct match_hit hit;
	struct slice item;
	struct items items = items_alone(check, rule, &item);
	unsigned count;

	count = match_items(regex, scan->match, items.items, items.count,
	                    (rule->tflags & TFLAG_MULTIPLE ? MATCH_MULTIPLE : 0) |
	                            (rule->tflags & TFLAG_NOSUBJECT && rule->kind == RULE_BODY
	                                     ? MATCH_NOSUBJECT
	                                     : 0),
	                    rule->maxhits, capture, check, &hit);
	if (hit.limit)
		log_limit(check, rule);
	if (rule->negated)
		count = count == 0;
	if (count > 0)
		add_hits(check, rule, count,
		         rule->negated  ? negative_match
		         : hit.has_span ? slice_sub(items.items[hit.item], hit.at.start,
		                                    hit.at.end - hit.at.start)
		                        : SLICE(""));
}

/* No value that the templates may have would match: nothing is to be compiled for this message. */
static bool
is_refused(struct check *check, const struct rule *rule)
{
	const struct automaton *guard = regex_guard(rule->regex);
	struct slice item;
	struct items items;

	if (guard == NULL || rule->negated)
		return false;
	items = items_alone(check, rule, &item);
	return !match_may_hit(guard, check->scan.match, items.items, items.count);
}

static bool
run_template(struct check *check, const struct rule *rule)
{
	struct regex *regex;
	struct error error;

	if (!regex_has_values(rule->regex, tag_values, check))
		return false;
	if (is_refused(check, rule))
		return true;

	if (regex_instantiate(rule->regex, check->scan.arena, tag_values, check, &regex, &error) !=
	    STATUS_OK)
		return false;
	run_alone(check, rule, regex);
	return true;
}

/* A template may use what another template of the same priority captured: go round until nothing
 * moves. */
static void
run_templates(struct check *check, const struct plan_rules *list)
{
	bool *done, moved = true;

	if (list->count == 0 ||
	    (done = arena_new_array(check->scan.arena, bool, list->count)) == NULL)
		return;
	while (moved) {
		moved = false;
		for (size_t i = 0; i < list->count; i++) {
			const struct rule *rule = check->scan.rules->rules[list->items[i]->number];

			if (done[i] || scan_rule_score(&check->scan, rule) == 0 ||
			    !run_template(check, rule))
				continue;
			done[i] = moved = true;
		}
	}
}

/* ---- evals ---- */

static void
take_result(struct check *check, const struct rule *rule, int value)
{
	if (value == EVAL_PENDING && check->gates->is_gate != NULL &&
	    check->gates->is_gate[rule->number])
		(void)vec_push(check->scan.arena, &check->at_gate, rule);
	if (value == 0 || value == EVAL_PENDING)
		return;
	scan_hit(&check->scan, rule, area_of(rule->kind), value);
	log_debug(check->scan.log, "rules", "ran eval rule %.*s ======> got hit (%d)",
	          SLICE_FMT(rule->name), value);
}

static void
run_eval(struct check *check, const struct rule *rule, struct items items)
{
	const struct plugin_eval *eval = rule->eval.eval;
	struct eval_call call = {
		.rule = rule,
		.args = rule->eval.args.items,
		.arg_count = rule->eval.args.count,
		.data = rule->eval.data,
		.lines = items.items,
		.line_count = items.count,
	};

	if (eval == NULL || scan_rule_score(&check->scan, rule) == 0)
		return;
	call.settings = check->scan.conf->blocks.items[rule->eval.block].settings;
	take_result(check, rule, eval->run(&check->scan, &call));
}

enum { EVALS_BETWEEN_CLOCKS = 8 };

/* false: the rest comes in the next call; a large message costs each eval some milliseconds. */
static bool
run_evals(struct check *check, const plan_evals *list, struct items items)
{
	size_t *i = &check->pass.eval;

	while (*i < list->count) {
		const struct plan_eval *eval = &list->items[(*i)++];
		struct eval_call call = eval->call;

		/* The clock costs as much as a small eval. */
		if ((*i - 1) % EVALS_BETWEEN_CLOCKS == 0 && scan_is_over(&check->scan))
			break;
		if (check->prefs != NULL) {
			/* another score, other settings */
			run_eval(check, check->scan.rules->rules[eval->rule->number], items);
		} else {
			call.lines = items.items;
			call.line_count = items.count;
			take_result(check, eval->rule, eval->run(&check->scan, &call));
		}
		if (is_large(check))
			return false;
	}
	*i = 0;
	return true;
}

/* ---- rules of the user's preferences ---- */

static struct items
eval_items(struct check *check, enum rule_kind kind)
{
	return kind == RULE_BODY_EVAL      ? items_of(&check->scan, PLAN_BODY)
	       : kind == RULE_RAWBODY_EVAL ? items_of(&check->scan, PLAN_RAWBODY)
	       : kind == RULE_FULL_EVAL    ? items_of(&check->scan, PLAN_FULL)
	                                   : (struct items){NULL, 0};
}

static void
run_one_extra(struct check *check, const struct rule *rule)
{
	if (rule_is_eval(rule->kind)) {
		run_eval(check, rule, eval_items(check, rule->kind));
	} else if (rule->exists) {
		if (scan_header_exists(&check->scan, rule->header))
			add_hits(check, rule, 1, SLICE("exists"));
	} else if (rule->regex != NULL) {
		if (regex_template_count(rule->regex) > 0)
			(void)run_template(check, rule);
		else
			run_alone(check, rule, rule->regex);
	}
}

/* Those up to this priority that have not run. */
static void
run_extra(struct check *check, int priority)
{
	for (size_t i = 0; check->prefs != NULL && i < check->prefs->extra_count; i++) {
		const struct rule *rule = check->prefs->extra[i];

		if (check->extra_done[i] || rule->kind == RULE_META ||
		    rule->effective_priority > priority || scan_is_over(&check->scan))
			continue;
		check->extra_done[i] = true;
		run_one_extra(check, rule);
	}
}

/* The user's metas: few, so round and round until nothing changes, each at most once. */
static void
run_extra_metas(struct check *check)
{
	bool moved = check->prefs != NULL;

	while (moved && !check->scan.time_limit_exceeded && !check->shortcircuited) {
		moved = false;
		for (size_t i = 0; i < check->prefs->extra_count; i++) {
			const struct rule *rule = check->prefs->extra[i];
			double value;

			if (check->extra_done[i] || rule->kind != RULE_META || rule->meta == NULL ||
			    rule->meta_is_broken)
				continue;
			value = meta_eval(rule->meta, check->scan.values);
			if (value == 0)
				continue;
			check->extra_done[i] = moved = true;
			scan_hit(&check->scan, rule, "", value);
		}
	}
}

/* ---- the loop ---- */

static bool
is_finished_by_plugin(struct check *check)
{
	const struct plugin_hooks *hooks = &check->scan.plugins->with_is_finished;

	for (size_t i = 0; i < hooks->count; i++)
		if (hooks->items[i]->is_finished(&check->scan))
			return true;
	return false;
}

static void
begin_priority(struct check *check, const struct plan_priority *p)
{
	const struct plugin_hooks *hooks = &check->scan.plugins->with_before_priority;

	for (size_t i = 0; i < hooks->count; i++)
		hooks->items[i]->before_priority(&check->scan, p->priority);
	for (size_t i = 0; i < p->headers.count; i++)
		while (!run_pass(check, &p->headers.items[i], PASS_ALL))
			;
	run_exists(check, p);
}

enum priority_step {
	STEP_HEADERS,
	STEP_HEADER_EVALS,
	STEP_BODY,
	STEP_URI,
	STEP_BODY_EVALS,
	STEP_RAWBODY,
	STEP_RAWBODY_EVALS,
	STEP_FULL,
	STEP_FULL_EVALS,
	STEP_METAS,
	STEP_COUNT
};

static bool
run_body_rules(struct check *check, const struct plan_priority *p)
{
	const struct plan_pass *pass = &p->text[PLAN_BODY];

	if (!p->has_text[PLAN_BODY])
		return true;
	if (p->priority == 0 && check->scan.body_edited.items != NULL)
		return run_body_twice(check, pass);
	return run_pass(check, pass, PASS_ALL);
}

/* One step of a priority, in the reference's order; false: it goes on in the next call. */
static bool
run_step(struct check *check, const struct plan_priority *p, enum priority_step step)
{
	struct scan *scan = &check->scan;

	switch (step) {
	case STEP_HEADERS:
		begin_priority(check, p);
		break;
	case STEP_HEADER_EVALS:
		return run_evals(check, &p->header_evals, (struct items){NULL, 0});
	case STEP_BODY:
		return run_body_rules(check, p);
	case STEP_URI:
		return !p->has_text[PLAN_URI] || run_pass(check, &p->text[PLAN_URI], PASS_ALL);
	case STEP_BODY_EVALS:
		return p->body_evals.count == 0 ||
		       run_evals(check, &p->body_evals, items_of(scan, PLAN_BODY));
	case STEP_RAWBODY:
		return !p->has_text[PLAN_RAWBODY] ||
		       run_pass(check, &p->text[PLAN_RAWBODY], PASS_ALL);
	case STEP_RAWBODY_EVALS:
		return p->rawbody_evals.count == 0 ||
		       run_evals(check, &p->rawbody_evals, items_of(scan, PLAN_RAWBODY));
	case STEP_FULL:
		return !p->has_text[PLAN_FULL] || run_pass(check, &p->text[PLAN_FULL], PASS_ALL);
	case STEP_FULL_EVALS:
		return run_evals(check, &p->full_evals, items_of(scan, PLAN_FULL));
	case STEP_METAS:
		run_templates(check, &p->templates);
		run_extra(check, p->priority);
		run_metas(check, p->meta_begin, p->meta_end);
		run_gate_metas(check, p->priority);
		break;
	case STEP_COUNT:
		break;
	}
	return true;
}

/* Metas that only answers kept from being settled before this priority. */
static void
run_answered_metas(struct check *check)
{
	const struct plan *plan = check->plan;

	for (size_t i = plan->last_meta_begin; i < plan->meta_count; i++)
		if (plan->answered_stage[i] < check->priority)
			run_metas(check, i, i + 1);
}

enum { LAUNCH_PRIORITY = -100 };

/* Rules that ask lists, and plugins that ask by hooks; once, when it is time for it. */
static void
launch(struct check *check)
{
	struct scan *scan = &check->scan;
	const struct plugin_set *set = scan->plugins;

	if (scan_lookups_launched(scan) || !scan_dns_available(scan))
		return;
	scan_lookups_launch(scan);
	while (!run_evals(check, &check->plan->rbl_evals, (struct items){NULL, 0}))
		;
	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->launch != NULL)
			plugin->launch(scan);
	}
}

/* true: an answer is awaited without which the scan does not go on; scan->wait says how long. */
static bool
is_at_gate(struct check *check)
{
	struct scan *scan = &check->scan;

	while (check->at_gate.count > 0) {
		const struct rule *rule = check->at_gate.items[check->at_gate.count - 1];
		const struct plugin *plugin = NULL;
		int64_t until_ms = scan_lookups_deadline(scan);

		if (plugins_find_eval(scan->plugins, rule->eval.function, &plugin) == NULL ||
		    !plugin->is_pending(scan, rule)) {
			check->at_gate.count--;
			continue;
		}
		if (until_ms == INT64_MIN || clock_monotonic_ms() > until_ms ||
		    scan_is_over(scan)) {
			check->at_gate.count = 0;
			break;
		}
		scan->wait = (struct scan_wait){
			.fd = -1,
			.until_ms = until_ms < scan->deadline_ms ? until_ms + 1 : scan->deadline_ms,
			.for_answers = true};
		return true;
	}
	return false;
}

/* false: a plugin waits for other hosts before questions leave. */
static bool
run_before_launch(struct check *check)
{
	struct scan *scan = &check->scan;
	const struct plugin_set *set = scan->plugins;

	for (; check->launch_hooks < set->count; check->launch_hooks++) {
		const struct plugin *plugin = set->loaded[set->order[check->launch_hooks]];

		if (plugin->before_launch != NULL && !scan->env->local_tests_only &&
		    !plugin->before_launch(scan, scan_is_over(scan)))
			return false;
	}
	return true;
}

/* false: it waits. */
static bool
run_priority(struct check *check)
{
	const struct plan_priority *p = &check->plan->priorities[check->priority];
	bool at_end = check->priority == check->plan->priority_count;

	/* What a plugin finds in a step ends the scan after it, wherever the step is cut. */
	if (!check->is_in_step && is_finished_by_plugin(check))
		check->shortcircuited = true;
	if (!check->shortcircuited && !check->is_in_step &&
	    (at_end || p->priority >= LAUNCH_PRIORITY)) {
		if (!run_before_launch(check))
			return false;
		if (!scan_is_over(&check->scan))
			launch(check);
	}
	if (check->shortcircuited || scan_is_over(&check->scan) || at_end) {
		check->state = CHECK_STATE_HARVEST;
		return true;
	}
	if (check->step == STEP_HEADER_EVALS && p->needs_answers && !check->answers_are_in) {
		check->state = CHECK_STATE_ANSWERS;
		return true;
	}
	check->is_in_step = !run_step(check, &check->plan->priorities[check->priority],
	                              (enum priority_step)check->step);
	if (!check->is_in_step && ++check->step == STEP_COUNT) {
		check->step = 0;
		check->answers_are_in = false;
		check->priority++;
	}
	return true;
}

enum { LOOK_AGAIN_MS = 10 };

/* One more thing to wait for; only one descriptor is waited for, the others are looked at often. */
static void
wait_also(struct scan_wait *all, const struct scan_wait *one)
{
	int64_t soon = clock_monotonic_ms() + LOOK_AGAIN_MS;

	if (one->until_ms < all->until_ms)
		all->until_ms = one->until_ms;
	if (all->fd < 0)
		all->fd = one->fd;
	else if (one->fd >= 0 && soon < all->until_ms)
		all->until_ms = soon;
	all->for_answers |= one->for_answers;
}

/* false: a program or a connection of a plugin is under way. */
static bool
harvest_outside(struct check *check, struct scan_wait *wait)
{
	struct scan *scan = &check->scan;
	const struct plugin_set *set = scan->plugins;
	bool give_up = check->shortcircuited || scan_is_over(scan), done = true;

	for (size_t i = 0; i < set->count; i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->outside == NULL || plugin->outside(scan, give_up))
			continue;
		wait_also(wait, &scan->wait);
		done = false;
	}
	return done;
}

/* false: answers are on the way; scan->wait says when to look again. */
static bool
have_answers(struct check *check)
{
	struct scan *scan = &check->scan;
	int64_t deadline = scan_lookups_deadline(scan);
	struct scan_wait wait = {.fd = -1, .until_ms = scan->deadline_ms};
	bool done;

	check->shortcircuited |= is_finished_by_plugin(check); /* by an answer */
	done = harvest_outside(check, &wait);

	if (deadline != INT64_MIN && !check->shortcircuited && !scan_is_over(scan) &&
	    clock_monotonic_ms() <= deadline) {
		const struct scan_wait answers = {
			.fd = -1, .until_ms = deadline + 1, .for_answers = true};

		wait_also(&wait, &answers);
		done = false;
	}
	if (!done)
		scan->wait = wait;
	return done;
}

static void
call_harvested(struct scan *scan)
{
	const struct plugin_set *set = scan->plugins;

	for (size_t i = 0; i < set->count && scan_lookups_launched(scan); i++) {
		const struct plugin *plugin = set->loaded[set->order[i]];

		if (plugin->harvested != NULL)
			plugin->harvested(scan);
	}
}

/* Back to the rules, when all is in that they wait for; or when time is over. */
static bool
await_answers(struct check *check)
{
	if (!have_answers(check))
		return false;
	if (scan_lookups_deadline(&check->scan) == INT64_MIN)
		call_harvested(&check->scan);
	run_answered_metas(check);
	check->answers_are_in = true;
	check->state = CHECK_STATE_PRIORITY;
	return true;
}

/* false: answers are on the way. */
static bool
harvest(struct check *check)
{
	struct scan *scan = &check->scan;

	if (!have_answers(check))
		return false;
	scan_lookups_end(scan);
	call_harvested(scan);
	check->shortcircuited |= is_finished_by_plugin(check);
	check->state = CHECK_STATE_FINISH;
	return true;
}

static void
finish(struct check *check)
{
	struct scan *scan = &check->scan;

	if (scan->time_limit_exceeded) {
		log_info(scan->log, "check", "exceeded time limit, skipping further tests");
		if (check->plan->time_limit_rule != NULL)
			scan_hit(scan, check->plan->time_limit_rule, "", 1);
	}
	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		if (plugin->cleanup != NULL)
			plugin->cleanup(scan);
	}
	if (!check->shortcircuited)
		run_extra(check, INT_MAX);
	run_metas(check, check->plan->last_meta_begin, check->plan->meta_count);
	run_extra_metas(check);
	if (scan_dns_available(scan))
		check->lists_blocked = dns_blocks_note(scan->env->blocks, scan);
	learn_automatically(check);
	for (size_t i = 0; i < scan->plugins->count; i++) {
		const struct plugin *plugin = scan->plugins->loaded[scan->plugins->order[i]];

		if (plugin->after_learn != NULL && !scan->time_limit_exceeded)
			plugin->after_learn(scan);
	}
	if (arena_is_spent(scan->arena))
		log_warn(scan->log, "check",
		         "message reached its memory budget: parts of it were not looked at");
	check->score = round(scan->score * 1000) / 1000;
	if (check->score == 0)
		check->score = 0; /* no negative zero */
	check->required_score = scan->core->required_score;
	check->is_spam = check->score >= check->required_score;
	check->state = CHECK_STATE_DONE;
}

enum check_status
check_run(struct check *check)
{
	if (check->state == CHECK_STATE_PRIORITY || check->state == CHECK_STATE_ANSWERS ||
	    check->state == CHECK_STATE_HARVEST)
		scan_lookups_deliver(&check->scan);
	switch (check->state) {
	case CHECK_STATE_BEGIN:
		if (!run_message_hooks(check) || !is_dns_tested(check))
			return CHECK_WAIT;
		begin(check);
		check->state = is_large(check) ? CHECK_STATE_RENDER : CHECK_STATE_PRIORITY;
		break;
	case CHECK_STATE_RENDER:
		if (scan_is_over(&check->scan) ||
		    text_render_some(check->scan.message, RENDER_BYTES))
			check->state = CHECK_STATE_PRIORITY;
		break;
	case CHECK_STATE_PRIORITY:
		if (!check->is_in_step && is_at_gate(check))
			return CHECK_WAIT;
		if (!run_priority(check))
			return CHECK_WAIT;
		break;
	case CHECK_STATE_ANSWERS:
		if (!await_answers(check))
			return CHECK_WAIT;
		break;
	case CHECK_STATE_HARVEST:
		if (!harvest(check))
			return CHECK_WAIT;
		break;
	case CHECK_STATE_FINISH:
		finish(check);
		break;
	case CHECK_STATE_DONE:
		break;
	}
	return check->state == CHECK_STATE_DONE ? CHECK_DONE : CHECK_AGAIN;
}

enum { SLEEP_MOST_MS = 1000 };

void
check_sleep(struct check *check)
{
	const struct scan_wait *wait = &check->scan.wait;
	struct resolver *resolver = check->scan.resolver;
	struct pollfd fds[2] = {{.fd = wait->fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
	int64_t left = wait->until_ms - clock_monotonic_ms();
	int most = left <= 0 ? 0 : left > SLEEP_MOST_MS ? SLEEP_MOST_MS : (int)left;

	if (resolver != NULL) {
		fds[1].fd = resolver_fd(resolver);
		most = resolver_wait_ms(resolver, most);
	}
	if (!scan_lookups_have_answers(&check->scan))
		(void)poll(fds, 2, most);
	if (resolver != NULL)
		resolver_step(resolver);
}

void
check_run_all(struct check *check)
{
	enum check_status status;

	while ((status = check_run(check)) != CHECK_DONE) {
		if (status == CHECK_WAIT)
			check_sleep(check);
		else if (scan_lookups_open(&check->scan) > 0)
			resolver_step(check->scan.resolver);
	}
}

bool
check_report(struct check *check, struct slice text, bool is_revoke)
{
	check_find_route(&check->scan);
	return report_message(&check->scan, text, is_revoke);
}

/* ---- the resolver that configuration asks for ---- */

static const unsigned char *
local_ports(const struct filter *filter, const struct core_settings *core)
{
	unsigned char *bits;

	if (core->dns_local_ports.count == 0)
		return NULL;
	bits = arena_new_array(filter->arena, unsigned char, 65536 / 8);
	if (bits != NULL && core_local_ports(core, bits) == 0)
		return NULL; /* none: the host chooses */
	return bits;
}

static struct resolver *
make_resolver(const struct filter *filter, const struct slice *server, bool no_checking)
{
	const struct core_settings *core = conf_core(filter->conf);
	struct slice edns = conf_table_get(&core->dns_options, SLICE("edns"));
	struct resolver_options options = {
		.servers = core->dns_servers.items,
		.server_count = core->dns_servers.count,
		.family = filter->options.dns_family,
		.rotates =
			slice_eq(conf_table_get(&core->dns_options, SLICE("rotate")), SLICE("1")),
		.mixes_case =
			slice_eq(conf_table_get(&core->dns_options, SLICE("dns0x20")), SLICE("1")),
		.ports = local_ports(filter, core),
		.log = filter->log,
	};
	unsigned long long bytes = 4096;
	struct resolver *resolver;
	struct error error;

	if (filter->env.local_tests_only)
		return NULL;
	if (server != NULL) {
		options.servers = server;
		options.server_count = 1;
	}
	if (server == NULL)
		options.cache = filter->dns_cache;
	options.no_checking = no_checking;
	if (edns.data != NULL && !slice_to_u64(edns, 65535, &bytes))
		bytes = 0;
	options.edns_bytes = (unsigned)bytes;
	resolver = resolver_create(&options, &error);
	if (resolver == NULL)
		log_warn(filter->log, "dns", "resolver create failed: %s", error.text);
	return resolver;
}

struct resolver *
check_resolver(const struct filter *filter)
{
	return make_resolver(filter, NULL, false);
}

struct resolver *
check_resolver_of(const struct filter *filter, struct slice server, bool no_checking)
{
	return make_resolver(filter, &server, no_checking);
}

/* ---- making one ---- */

static void
set_deadline(struct check *check, const struct check_options *options)
{
	double limit = check->scan.core->time_limit * 1000;

	check->scan.deadline_ms = INT64_MAX;
	if (limit > 0 && limit < 1e12)
		check->scan.deadline_ms = check->begun_ms + (int64_t)limit;
	if (options != NULL && options->limit_ms > 0 &&
	    check->begun_ms + options->limit_ms < check->scan.deadline_ms)
		check->scan.deadline_ms = check->begun_ms + options->limit_ms;
}

static bool
computed_tag(struct scan *scan, struct slice name, struct slice args, bool has_args,
             struct slice *value_r)
{
	return tags_value((struct check *)(void *)scan, name, args, has_args, value_r);
}

static bool
init_scan(struct check *check, struct arena *arena, struct match_scratch *match)
{
	struct scan *scan = &check->scan;
	const struct plan *plan = check->plan;
	size_t words = (plan->meta_count + 63) / 64 + 1;

	scan->arena = arena;
	scan->match = match;
	scan->log = check->filter->log;
	scan->env = check->prefs != NULL ? check->prefs->env : &check->filter->env;
	scan->score_set = scan->env->score_set;
	scan->core = conf_core(scan->conf);
	scan->rules = conf_rules(scan->conf);
	scan->plugins = conf_plugins(scan->conf);
	scan->now_s = clock_wall_s();
	scan->subjprefix = SLICE("");
	scan->computed_tag = computed_tag;
	hashmap_init(&scan->tags, arena);
	hashmap_init(&scan->metadata, arena);
	scan->header_table = &plan->headers;
	scan->values = arena_new_array(arena, double, scan->rules->count + 1);
	scan->hit_index = arena_new_array(arena, unsigned, scan->rules->count + 1);
	check->runs = arena_new_array(arena, struct match_run *, plan->groups.count);
	check->run_items = arena_new_array(arena, const struct slice *, plan->groups.count);
	check->meta_bits = arena_new_array(arena, uint64_t, words);
	if (check->prefs != NULL)
		check->extra_done = arena_new_array(arena, bool, check->prefs->extra_count + 1);
	if (scan->values == NULL || (check->prefs != NULL && check->extra_done == NULL) ||
	    scan->hit_index == NULL || check->runs == NULL || check->run_items == NULL ||
	    check->meta_bits == NULL)
		return false;
	return true;
}

/* Preferences may name other rules that end the scan. */
static bool
set_gates(struct check *check, struct arena *arena)
{
	struct gates *gates;

	check->gates = &check->filter->gates;
	if (check->prefs == NULL ||
	    plugin_settings(check->scan.conf, &plugin_shortcircuit) ==
	            plugin_settings(check->filter->conf, &plugin_shortcircuit))
		return true;
	gates = arena_new(arena, struct gates);
	if (gates == NULL)
		return false;
	gates_build(gates, arena, check->scan.conf, check->plan);
	check->gates = gates;
	return true;
}

struct check *
check_create(const struct filter *filter, struct arena *arena, struct match_scratch *match,
             struct slice input, const struct check_options *options)
{
	struct check *check = arena_new(arena, struct check);
	struct message_options message_options;

	if (check == NULL)
		return NULL;
	check->filter = filter;
	check->plan = filter->plan;
	check->begun_ms = clock_monotonic_ms();
	check->prefs = options == NULL ? NULL : options->prefs;
	check->scan.learner = options == NULL ? NULL : options->learner;
	if (options != NULL)
		check->scan.learner_user = options->learner_user;
	check->scan.conf = check->prefs != NULL ? check->prefs->conf : filter->conf;
	if (!set_gates(check, arena) || !init_scan(check, arena, match))
		return NULL;
	check->scan.resolver = options == NULL ? NULL : options->resolver;
	check->probe = options == NULL ? NULL : options->probe;
	set_deadline(check, options);
	message_options = (struct message_options){
		.normalize_charset = check->scan.core->normalize_charset,
		.body_part_scan_size = (size_t)check->scan.core->body_part_scan_size,
		.rawbody_part_scan_size = (size_t)check->scan.core->rawbody_part_scan_size,
	};
	check->scan.message = message_parse(arena, input, &message_options);
	if (check->scan.message == NULL || !scan_headers_begin(&check->scan))
		return NULL;
	return check;
}
