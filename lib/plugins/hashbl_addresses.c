/*
 * hashbl_addresses.c - addresses of mail that HashBL asks about
 */
#include "plugins/hashbl.h"

static void
find_matches(struct scan *scan, const struct regex *regex, struct slice text, slice_vec *found)
{
	struct regex_iter iter;
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	regex_iter_init(&iter, regex, scan_regex_scratch(scan), text);
	while (regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 0);

		hashbl_add_distinct(scan, found, &seen,
		                    slice_sub(text, span.start, span.end - span.start));
	}
}

/* Length of a link of up to 255 bytes before and after an @ (or %40) in it; 0: none here. */
static size_t
link_with_address(struct slice text, size_t at)
{
	struct slice rest = slice_from(text, at);
	size_t begin = rest.len > 0 && rest.data[0] == '<' ? 1 : 0, scheme, run, last = 0;

	scheme = slice_istarts(slice_from(rest, begin), SLICE("http://"))    ? 7
	         : slice_istarts(slice_from(rest, begin), SLICE("https://")) ? 8
	                                                                     : 0;
	if (scheme == 0)
		return 0;
	begin += scheme;
	for (run = 0; begin + run < rest.len && run <= 255 + 3; run++) {
		if (byte_is_space(rest.data[begin + run]))
			break;
		if (run <= 255 && rest.data[begin + run] == '@')
			last = begin + run + 1;
		else if (run <= 255 && slice_starts(slice_from(rest, begin + run), SLICE("%40")))
			last = begin + run + 3;
	}
	if (last == 0)
		return 0;
	for (run = 0; run < 255 && last < rest.len && !byte_is_space(rest.data[last]); run++)
		last++;
	return last;
}

static struct slice
without_links(struct scan *scan, struct slice text)
{
	struct strbuf buf;
	size_t at = 0;

	strbuf_init(&buf, scan->arena, 0);
	while (at < text.len) {
		unsigned char c = text.data[at];
		size_t len = c == '<' || c == 'h' || c == 'H' ? link_with_address(text, at) : 0;

		strbuf_add_byte(&buf, len > 0 ? ' ' : c);
		at += len > 0 ? len : 1;
	}
	return strbuf_slice(&buf);
}

static struct slice
without_matches(struct scan *scan, const struct regex *regex, struct slice text)
{
	struct regex_iter iter;
	struct strbuf buf;
	size_t at = 0;

	if (regex == NULL)
		return text;
	strbuf_init(&buf, scan->arena, 0);
	regex_iter_init(&iter, regex, scan_regex_scratch(scan), text);
	while (regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 0);

		strbuf_add(&buf, slice_sub(text, at, span.start - at));
		strbuf_add_byte(&buf, ' ');
		at = span.end;
	}
	strbuf_add(&buf, slice_from(text, at));
	return strbuf_slice(&buf);
}

/* Addresses of links that the text does not show, then the text. */
static struct slice
body_text(struct scan *scan, const struct hashbl_settings *settings, const struct hashbl_rule *data)
{
	const struct text_lines *lines = scan_body(scan);
	const struct uri_list *uris = scan_uris(scan);
	struct strbuf links, text;
	struct slice body;

	strbuf_init(&links, scan->arena, 0);
	strbuf_init(&text, scan->arena, 0);
	for (size_t i = 0; uris != NULL && i < uris->uris.count; i++) {
		const struct uri_info *info = uris->uris.items[i];

		if (!(info->types & (1U << HTML_URI_A)) || (info->types & URI_TYPE_PARSED) ||
		    !slice_istarts(info->raw, SLICE("mailto:")) || info->raw.len == 7)
			continue;
		strbuf_add(&links, slice_from(info->raw, 7));
		strbuf_add_byte(&links, '\n');
	}
	for (size_t i = 0; i < lines->count; i++)
		strbuf_add(&text, lines->items[i]);
	body = strbuf_slice(&text);
	if (data->nouri)
		body = without_links(scan, body);
	if (data->noquote)
		body = without_matches(scan, settings->quoted_email, body);
	return arena_concat(scan->arena, strbuf_slice(&links), body);
}

static struct slice
joined_values(struct scan *scan, struct slice name)
{
	slice_vec values = scan_header_values(scan, name);
	struct strbuf buf;

	strbuf_init(&buf, scan->arena, 0);
	for (size_t i = 0; i < values.count; i++) {
		if (i > 0)
			strbuf_add_byte(&buf, '\n');
		strbuf_add(&buf, values.items[i]);
	}
	return strbuf_slice(&buf);
}

static void
find_recipients(struct scan *scan, struct hashbl_state *state)
{
	static const char *const fields[] = {"X-Original-To:addr", "Apparently-To:addr",
	                                     "Delivered-To:addr", "Envelope-To:addr"};

	state->has_recipients = true;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		slice_vec values = scan_header_values(scan, slice_from_cstr(fields[i]));

		for (size_t k = 0; k < values.count; k++)
			if (values.items[k].len > 0)
				(void)vec_push(scan->arena, &state->recipients,
				               arena_dup_lower(scan->arena, values.items[k]));
	}
}

/* Of one source, found once a message: the options of who comes first count, as in the reference.
 */
static const slice_vec *
addresses_of(struct scan *scan, struct hashbl_state *state, const struct hashbl_rule *data,
             struct slice source)
{
	const struct hashbl_settings *settings = plugin_settings(scan->conf, &plugin_hashbl);
	slice_vec *found = hashmap_get(&state->found, source);

	if (found != NULL)
		return found;
	found = arena_new(scan->arena, slice_vec);
	if (found == NULL || !hashmap_set(&state->found, source, found))
		return NULL;
	if (slice_eq(source, SLICE("ALLFROM"))) {
		*found = scan_from_addrs(scan);
		return found;
	}
	if (!state->has_recipients)
		find_recipients(scan, state);
	if (settings->email != NULL)
		find_matches(scan, settings->email,
		             slice_eq(source, SLICE("body")) ? body_text(scan, settings, data)
		                                             : joined_values(scan, source),
		             found);
	return found;
}

static bool
split_address(struct slice address, struct slice *user_r, struct slice *domain_r)
{
	size_t at = slice_rfind_byte(address, '@');

	if (at == SLICE_NPOS || at + 1 == address.len)
		return false;
	*user_r = slice_sub(address, 0, at);
	*domain_r = slice_from(address, at + 1);
	return true;
}

static bool
is_listed(const struct hashbl_settings *settings, struct arena *arena, struct slice acl,
          struct slice domain)
{
	if (acl.data == NULL || slice_eq(acl, SLICE("all")))
		return true;
	return slice_eq(conf_table_get(&settings->acls, hashbl_acl_key(arena, acl, domain)),
	                SLICE("1"));
}

/* All sources of a rule; aliases of domains resolved, those outside the acl left out. */
static slice_vec
find_addresses(struct scan *scan, struct hashbl_state *state, const struct hashbl_rule *data)
{
	const struct hashbl_settings *settings = plugin_settings(scan->conf, &plugin_hashbl);
	struct slice rest = data->source, source, user, domain;
	slice_vec list = {0};
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	while (slice_next(&rest, '/', &source)) {
		const slice_vec *found = addresses_of(scan, state, data, slice_trim(source));

		for (size_t i = 0; found != NULL && i < found->count; i++) {
			struct slice address = found->items[i], alias;

			if (!split_address(address, &user, &domain))
				continue;
			alias = conf_table_get(&settings->hashbl_email_domain_alias,
			                       arena_dup_lower(scan->arena, domain));
			if (alias.data != NULL) {
				domain = alias;
				address = arena_printf(scan->arena, "%.*s@%.*s", SLICE_FMT(user),
				                       SLICE_FMT(domain));
			}
			if (is_listed(settings, scan->arena, data->acl, domain))
				hashbl_add_distinct(scan, &list, &seen, address);
		}
	}
	return list;
}

static bool
is_welcome(struct scan *scan, const struct hashbl_settings *settings,
           const struct hashbl_state *state, struct slice address)
{
	for (size_t i = 0; i < state->recipients.count; i++)
		if (slice_eq(state->recipients.items[i], address))
			return true;
	return settings->welcome != NULL &&
	       regex_is_match(settings->welcome, scan_regex_scratch(scan), address);
}

struct slice
hashbl_trimmed(struct scan *scan, struct slice domain)
{
	return registry_domain(&scan->env->registry, scan->arena, domain, false);
}

/* What is asked about of an address. */
static struct slice
address_value(struct scan *scan, const struct hashbl_rule *data, struct slice user,
              struct slice domain)
{
	struct strbuf buf;
	struct slice value;

	strbuf_init(&buf, scan->arena, 0);
	for (size_t i = 0; i < user.len && !(data->notag && user.data[i] == '+'); i++)
		if (!data->nodot || user.data[i] != '.')
			strbuf_add_byte(&buf, user.data[i]);
	if (data->host || data->domain)
		value = data->domain ? hashbl_trimmed(scan, domain) : domain;
	else if (data->user)
		value = strbuf_slice(&buf);
	else
		value = arena_printf(scan->arena, "%.*s@%.*s", SLICE_FMT(strbuf_slice(&buf)),
		                     SLICE_FMT(domain));
	return data->keep_case ? value : arena_dup_lower(scan->arena, value);
}

bool
hashbl_is_domain_skipped(struct scan *scan, struct slice domain)
{
	return dnslist_is_skipped(scan, arena_dup_lower(scan->arena, domain)) ||
	       dnslist_is_skipped(scan, arena_dup_lower(scan->arena, hashbl_trimmed(scan, domain)));
}

static struct hashbl_state *
state_of(struct scan *scan)
{
	struct hashbl_state *state = scan_state(scan, &plugin_hashbl);

	if (state != NULL && state->found.arena == NULL)
		hashmap_init(&state->found, scan->arena);
	return state;
}

int
hashbl_check_emails(struct scan *scan, const struct eval_call *call)
{
	const struct hashbl_settings *settings = call->settings;
	const struct hashbl_rule *data = call->data;
	struct hashbl_state *state = state_of(scan);
	slice_vec addresses, values = {0};
	struct slice user, domain;
	struct hashmap seen;

	if (!scan_dns_available(scan) || data == NULL || state == NULL)
		return 0;
	if (data->acl.data != NULL && !slice_eq(data->acl, SLICE("all")) &&
	    conf_table_get(&settings->acl_names, data->acl).data == NULL) {
		log_warn(scan->log, "HashBL", "%.*s acl '%.*s' not defined",
		         SLICE_FMT(call->rule->name), SLICE_FMT(data->acl));
		return 0;
	}
	addresses = find_addresses(scan, state, data);
	hashmap_init(&seen, scan->arena);
	for (size_t i = 0; i < addresses.count; i++) {
		if (is_welcome(scan, settings, state, addresses.items[i]) ||
		    !split_address(addresses.items[i], &user, &domain) ||
		    (data->acl.data == NULL && hashbl_is_domain_skipped(scan, domain)))
			continue;
		hashbl_add_distinct(scan, &values, &seen, address_value(scan, data, user, domain));
	}
	return hashbl_ask_all(scan, call->rule, data, &values, false);
}
