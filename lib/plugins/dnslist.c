/*
 * dnslist.c - what plugins over DNS lists share
 */
#include "plugins/dnslist.h"

#include "net/addr.h"

/* ---- filters ---- */

bool
dnslist_number(struct slice text, unsigned long long *number_r)
{
	struct net_addr addr;

	if (!net_addr_parse_v4(text, &addr))
		return false;
	*number_r = 0;
	for (int i = 12; i < 16; i++)
		*number_r = *number_r << 8 | addr.bytes[i];
	return true;
}

/* 0x and one to eight letters or digits; what is no hexadecimal digit ends the number. */
static bool
parse_hex(struct slice text, unsigned long long *number_r)
{
	unsigned long long number = 0;

	if (!slice_starts(text, SLICE("0x")) || text.len < 3 || text.len > 10)
		return false;
	for (size_t i = 2; i < text.len; i++)
		if (!byte_is_alnum(text.data[i]))
			return false;
	for (size_t i = 2; i < text.len && byte_is_xdigit(text.data[i]); i++) {
		unsigned char c = byte_lower(text.data[i]);

		number = number * 16 + (unsigned long long)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*number_r = number;
	return true;
}

static bool
parse_number(struct slice text, unsigned long long *number_r, bool *is_quad)
{
	if (text.len >= 1 && text.len <= 10 && slice_to_u64(text, 9999999999ULL, number_r))
		return true;
	if (parse_hex(text, number_r))
		return true;
	if (!dnslist_number(text, number_r))
		return false;
	*is_quad = true;
	return true;
}

bool
dnslist_filter_parse(struct arena *arena, struct slice text, struct dnslist_filter *filter_r)
{
	size_t at = slice_find_any(text, "-/", 0);
	struct dnslist_filter filter = {0};
	bool is_quad = false;

	if (!parse_number(slice_sub(text, 0, at == SLICE_NPOS ? text.len : at), &filter.first,
	                  &is_quad))
		return false;
	if (at != SLICE_NPOS) {
		filter.delimiter = text.data[at];
		if (!parse_number(slice_from(text, at + 1), &filter.second, &is_quad))
			return false;
	} else if (is_quad) {
		filter.delimiter = '-';
		filter.second = filter.first;
	}
	filter.text = filter.delimiter == 0 ? arena_printf(arena, "%llu", filter.first)
	                                    : arena_printf(arena, "%llu%c%llu", filter.first,
	                                                   filter.delimiter, filter.second);
	*filter_r = filter;
	return true;
}

bool
dnslist_filter_matches(const struct dnslist_filter *filter, struct slice text,
                       unsigned long long number)
{
	if (slice_eq(filter->text, text))
		return true;
	if (filter->delimiter == '-')
		return number >= filter->first && number <= filter->second;
	if (filter->delimiter == '/')
		return (number & filter->second) == (filter->first & filter->second);
	return (number & filter->first) != 0 && (number & 0xff000000) == 0x7f000000;
}

struct slice
dnslist_text(const struct dns_record *record)
{
	if (record->type != DNS_A && record->type != DNS_TXT && record->type != DNS_SPF)
		return SLICE_NULL;
	return record->text.data == NULL ? SLICE("") : record->text;
}

/* ---- questions ---- */

static void
nothing_to_do(struct scan *scan, void *context, const struct dns_answer *answer)
{
	(void)scan, (void)context, (void)answer;
}

bool
dnslist_lookup_rules(struct scan *scan, const struct lookup_request *request,
                     const struct rule *const *rules, size_t count)
{
	struct lookup_request one = *request;

	one.rule = count == 0 ? NULL : rules[0];
	if (!scan_lookup(scan, &one))
		return false;
	/* The others only have to know that something is open. */
	one.done = nothing_to_do;
	for (size_t i = 1; i < count; i++) {
		one.rule = rules[i];
		(void)scan_lookup(scan, &one);
	}
	return true;
}

/* ---- tags ---- */

struct tag_action {
	size_t open; /* tags that are still to come */
	void (*run)(struct scan *scan, void *context);
	void *context;
};

struct tag_wait {
	struct slice name;
	struct tag_action *action;
	struct tag_wait *next;
};

static slice_vec
one_value(struct scan *scan, struct slice value)
{
	slice_vec values = {0};

	(void)vec_push(scan->arena, &values, value);
	return values;
}

static slice_vec
computed_values(struct scan *scan, struct slice name)
{
	size_t at = slice_find_byte(name, '(', 0);
	bool has_args = at != SLICE_NPOS && name.data[name.len - 1] == ')';
	struct slice base = has_args ? slice_sub(name, 0, at) : name, value;
	struct slice args = has_args ? slice_sub(name, at + 1, name.len - at - 2) : SLICE("");

	if (scan->computed_tag == NULL || !scan->computed_tag(scan, base, args, has_args, &value) ||
	    value.data == NULL)
		return (slice_vec){0};
	return one_value(scan, value);
}

slice_vec
dnslist_tag_values(struct scan *scan, struct slice name)
{
	const struct slice *items;
	slice_vec values = {0};
	size_t count;

	if (!scan_tag_values(scan, name, &items, &count))
		return computed_values(scan, name);
	for (size_t i = 0; i < count; i++)
		(void)vec_push(scan->arena, &values, items[i]);
	return values;
}

static bool
has_value(struct scan *scan, struct slice name)
{
	slice_vec values = dnslist_tag_values(scan, name);

	for (size_t i = 0; i < values.count; i++)
		if (values.items[i].len > 0)
			return true;
	/* Two empty values are a blank when joined. */
	return values.count > 1;
}

void
dnslist_await_tags(struct scan *scan, const struct slice *names, size_t count,
                   void (*run)(struct scan *scan, void *context), void *context)
{
	struct tag_action *action = arena_new(scan->arena, struct tag_action);

	if (action == NULL)
		return;
	*action = (struct tag_action){0, run, context};
	for (size_t i = 0; i < count; i++) {
		struct tag_wait *wait;

		if (has_value(scan, names[i]))
			continue;
		wait = arena_new(scan->arena, struct tag_wait);
		if (wait == NULL)
			return;
		*wait = (struct tag_wait){names[i], action, scan->tag_waits};
		scan->tag_waits = wait;
		action->open++;
	}
	if (action->open == 0)
		run(scan, context);
}

void
scan_tag_is_set(struct scan *scan, struct slice name)
{
	struct tag_wait *wait = scan->tag_waits;

	for (; wait != NULL; wait = wait->next) {
		if (wait->action == NULL || !slice_eq(wait->name, name))
			continue;
		struct tag_action *action = wait->action;

		wait->action = NULL;
		if (--action->open == 0)
			action->run(scan, action->context);
	}
}
