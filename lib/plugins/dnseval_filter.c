/*
 * dnseval_filter.c - what an answer of a list must be
 */
#include "plugins/dnseval.h"

/* Digits, or a dotted quad without a check of its numbers. */
static bool
is_number_or_quad(struct slice text, bool *is_quad_r)
{
	unsigned dots = 0;
	bool digit = false;

	for (size_t i = 0; i < text.len; i++) {
		if (byte_is_digit(text.data[i])) {
			digit = true;
		} else if (text.data[i] == '.' && digit && i + 1 < text.len) {
			dots++;
			digit = false;
		} else {
			return false;
		}
	}
	*is_quad_r = dots == 3;
	return digit && (dots == 0 || dots == 3);
}

static const struct rbl_filter *
parse_filter(struct conf_reader *reader, struct slice text, struct error *error)
{
	struct rbl_filter *filter = arena_new(reader->arena, struct rbl_filter);
	bool is_quad;

	if (filter == NULL) {
		error_set(error, STATUS_LIMIT, "no memory");
		return NULL;
	}
	filter->text = text;
	if (slice_starts(text, SLICE("sb:"))) {
		filter->is_ignored = true;
	} else if (is_number_or_quad(text, &is_quad)) {
		filter->is_mask = !is_quad && slice_to_u64(text, ~0ULL, &filter->mask);
	} else {
		filter->regex = regex_create(reader->arena, text, 0, error);
		if (filter->regex == NULL)
			return NULL;
	}
	return filter;
}

static enum status
prepare(struct conf_reader *reader, struct rule_eval *eval, size_t filter_index,
        struct error *error)
{
	struct rbl_rule *data = arena_new(reader->arena, struct rbl_rule);
	const slice_vec *args = &eval->args;

	if (data == NULL)
		return error_set(error, STATUS_BAD, "no memory");
	if (args->count > 0)
		data->set = args->items[0];
	if (args->count > 1 && filter_index > 1)
		data->zone = args->items[1];
	while (data->zone.len > 0 && data->zone.data[data->zone.len - 1] == '.')
		data->zone.len--;
	if (args->count > filter_index) {
		data->filter = parse_filter(reader, args->items[filter_index], error);
		if (data->filter == NULL)
			return STATUS_BAD;
		if (data->filter->is_ignored)
			log_warn(reader->log, "dnseval",
			         "ignored %.*s, SenderBase rules are deprecated",
			         SLICE_FMT(eval->function));
	}
	eval->data = data;
	return STATUS_OK;
}

enum status
rbl_prepare_list(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	return prepare(reader, eval, 2, error);
}

enum status
rbl_prepare_sub(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	if (eval->args.count < 2)
		return error_set(error, STATUS_BAD, "missing subtest");
	return prepare(reader, eval, 1, error);
}

bool
rbl_filter_matches(struct scan *scan, const struct rbl_filter *filter, struct slice text)
{
	unsigned long long number;

	if (filter == NULL)
		return true;
	if (filter->is_ignored)
		return false;
	if (filter->regex != NULL)
		return regex_is_match(filter->regex, scan_regex_scratch(scan), text);
	if (filter->is_mask)
		return dnslist_is_loopback(text) && dnslist_number(text, &number) &&
		       (number & filter->mask) != 0;
	return slice_eq(filter->text, text);
}
