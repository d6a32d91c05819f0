/*
 * hashbl.c - Mail::SpamAssassin::Plugin::HashBL: lists of hashed values in DNS
 *
 * Addresses, links, pieces of text, tags and attachments are hashed and asked about:
 * "<hash>.<list>".  Source: HashBL.pm of 4.0.1; its options are words between slashes.  maxsize is
 * compared with maxsize (the reference takes minsize).
 */
#include "plugins/hashbl.h"

/* ---- links, text, tags, attachments ---- */

static bool
is_uri_skipped(struct scan *scan, const struct uri_info *info)
{
	for (size_t i = 0; i < info->hosts.count; i++)
		if (dnslist_is_skipped(scan, info->hosts.items[i].host) ||
		    dnslist_is_skipped(scan, info->hosts.items[i].domain))
			return true;
	return info->hosts.count == 0;
}

int
hashbl_check_uris(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;
	const struct uri_list *uris;
	slice_vec values = {0};
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	hashmap_init(&seen, scan->arena);
	uris = scan_uris(scan);
	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		const struct uri_info *info = uris->uris.items[i];

		if (slice_istarts(info->raw, SLICE("mailto:")) ||
		    !(info->types & ((1U << HTML_URI_A) | URI_TYPE_PARSED)) ||
		    is_uri_skipped(scan, info))
			continue;
		for (size_t k = 0; k < info->cleaned.count; k++)
			hashbl_add_distinct(
				scan, &values, &seen,
				data->keep_case
					? info->cleaned.items[k]
					: arena_dup_lower(scan->arena, info->cleaned.items[k]));
	}
	return hashbl_ask_all(scan, call->rule, data, &values, false);
}

static struct slice
digits_of(struct arena *arena, struct slice text)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < text.len; i++)
		if (byte_is_digit(text.data[i]))
			strbuf_add_byte(&buf, text.data[i]);
	return strbuf_slice(&buf);
}

static void
find_pieces(struct scan *scan, const struct hashbl_rule *data, struct slice line, slice_vec *values,
            struct hashmap *seen)
{
	struct regex_iter iter;

	regex_iter_init(&iter, data->pattern, scan_regex_scratch(scan), line);
	while (regex_group_count(data->pattern) > 0 && regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 1);
		struct slice piece;

		if (span.start == SLICE_NPOS)
			continue;
		piece = slice_sub(line, span.start, span.end - span.start);
		if (!data->keep_case)
			piece = arena_dup_lower(scan->arena, piece);
		if (data->num)
			piece = digits_of(scan->arena, piece);
		if (piece.len > 0)
			hashbl_add_distinct(scan, values, seen, piece);
	}
}

int
hashbl_check_bodyre(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;
	slice_vec values = {0};
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < call->line_count; i++)
		find_pieces(scan, data, call->lines[i], &values, &seen);
	return hashbl_ask_all(scan, call->rule, data, &values, false);
}

/* What is asked about of a tag's value; data NULL: nothing. */
static struct slice
tag_value(struct scan *scan, const struct hashbl_rule *data, struct slice value)
{
	bool is_v4 = net_addr_is_text_v4(value), is_ip = net_addr_is_text(value);
	struct slice domain = SLICE_NULL;

	if (!data->keep_case)
		value = arena_dup_lower(scan->arena, value);
	if ((data->ip && !is_ip) || (data->ipv4 && !is_v4) || (data->ipv6 && (!is_ip || is_v4)))
		return SLICE_NULL;
	if (is_ip)
		return data->revip ? net_addr_reverse(scan->arena, value) : value;
	if (fqdn_is_valid(scan->arena, value, false)) {
		domain = hashbl_trimmed(scan, value);
		if (hashbl_is_domain_skipped(scan, value))
			return SLICE_NULL;
	} else if (data->fqdn) {
		return SLICE_NULL;
	}
	if (data->tld && !registry_is_valid(&scan->env->registry, scan->arena, value, false))
		return SLICE_NULL;
	return data->trim && domain.len > 0 ? domain : value;
}

static void
ask_about_tag(struct scan *scan, void *context)
{
	const struct rule *rule = context;
	const struct hashbl_rule *data = rule->eval.data;
	slice_vec from = dnslist_tag_values(scan, data->source), values = {0};
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < from.count; i++)
		if (from.items[i].len > 0)
			hashbl_add_distinct(scan, &values, &seen,
			                    tag_value(scan, data, from.items[i]));
	(void)hashbl_ask_all(scan, rule, data, &values, false);
}

int
hashbl_check_tag(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	dnslist_await_tags(scan, &data->source, 1, ask_about_tag, (void *)(uintptr_t)call->rule);
	return EVAL_PENDING;
}

static bool
is_attachment_wanted(struct scan *scan, const struct hashbl_rule *data, const struct part *part,
                     size_t bytes)
{
	return bytes > 0 && !hashbl_is_ignored(scan, part->type) &&
	       !hashbl_is_ignored(scan, part->name) &&
	       (data->min_bytes == 0 || bytes >= data->min_bytes) &&
	       (data->max_bytes == 0 || bytes <= data->max_bytes);
}

int
hashbl_check_attachments(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_rule *data = call->data;
	slice_vec hashes = {0};
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL)
		return 0;
	hashmap_init(&seen, scan->arena);
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part)) {
		struct slice bytes = part_decoded(part);

		if (is_attachment_wanted(scan, data, part, bytes.len))
			hashbl_add_distinct(scan, &hashes, &seen,
			                    hashbl_hash_of(scan->arena, data->hash, bytes));
	}
	return hashbl_ask_all(scan, call->rule, data, &hashes, true);
}
