/*
 * dnseval_relays.c - which relays a set of DNSEval asks about
 */
#include "plugins/dnseval.h"

static void
add_public(struct scan *scan, slice_vec *list, struct hashmap *seen, const slice_vec *from)
{
	bool added;

	for (size_t i = 0; i < from->count; i++) {
		if (perl_is_false(from->items[i]) ||
		    hashmap_put(seen, from->items[i], &added) == NULL || !added ||
		    net_addr_is_private(from->items[i]))
			continue;
		(void)vec_push(scan->arena, list, from->items[i]);
	}
}

/* Public addresses of one or two lists, each once. */
static slice_vec
public_of(struct scan *scan, const slice_vec *first, const slice_vec *second)
{
	slice_vec list = {0};
	struct hashmap seen;

	hashmap_init(&seen, scan->arena);
	add_public(scan, &list, &seen, first);
	if (second != NULL)
		add_public(scan, &list, &seen, second);
	return list;
}

static void
find_originating(struct scan *scan, struct dnseval_state *state)
{
	const struct conf_words *headers = &scan->core->originating_ip_headers;

	for (size_t i = 0; i < headers->count; i++) {
		struct slice text = scan_header(scan, headers->items[i]);
		size_t at = 0, len;

		while (at < text.len) {
			len = net_addr_scan(text, at);
			if (len > 0)
				(void)vec_push(scan->arena, &state->originating,
				               slice_sub(text, at, len));
			at += len > 0 ? len : 1;
		}
	}
}

static void
find_relays(struct scan *scan, struct dnseval_state *state)
{
	const struct relay_list *relays = &scan->relays;
	slice_vec untrusted = {0};

	for (size_t i = 0; i < relays->trusted.count; i++)
		if (!relays->trusted.items[i]->internal)
			(void)vec_push(scan->arena, &state->external, relays->trusted.items[i]->ip);
	for (size_t i = 0; i < relays->untrusted.count; i++) {
		(void)vec_push(scan->arena, &untrusted, relays->untrusted.items[i]->ip);
		(void)vec_push(scan->arena, &state->external, relays->untrusted.items[i]->ip);
	}
	find_originating(scan, state);
	state->untrusted = public_of(scan, &untrusted, NULL);
	state->has_relays = state->untrusted.count + state->originating.count > 0;
}

static slice_vec
with_originating(struct scan *scan, const struct dnseval_state *state)
{
	slice_vec others = {0};

	for (size_t i = 0; i < state->originating.count; i++)
		if (!perl_is_false(state->originating.items[i]) &&
		    !netset_has_text(&scan->env->trusted, state->originating.items[i]))
			(void)vec_push(scan->arena, &others, state->originating.items[i]);
	return public_of(scan, &state->untrusted, &others);
}

static void
keep_first(slice_vec *list)
{
	if (list->count > 1)
		list->count = 1;
}

static slice_vec
relays_of_set(struct scan *scan, const struct dnseval_state *state, struct slice set)
{
	slice_vec list;

	if (slice_ends(set, SLICE("-lastexternal"))) {
		list = public_of(scan, &state->external, NULL);
		keep_first(&list);
	} else if (slice_ends(set, SLICE("-notfirsthop"))) {
		list = public_of(scan, &state->external, NULL);
		if (list.count > 1)
			list.count--;
	} else if (slice_ends(set, SLICE("-firsttrusted"))) {
		list = with_originating(scan, state);
		keep_first(&list);
	} else if (slice_ends(set, SLICE("-untrusted"))) {
		list = with_originating(scan, state);
		if (list.count > 0) {
			list.items++;
			list.count--;
		}
	} else {
		list = with_originating(scan, state);
		for (size_t i = 0; i < list.count / 2; i++) {
			struct slice other = list.items[list.count - 1 - i];

			list.items[list.count - 1 - i] = list.items[i];
			list.items[i] = other;
		}
	}
	if (list.count > MAX_RELAYS_ASKED)
		list.count = MAX_RELAYS_ASKED;
	return list;
}

const struct rbl_addresses *
rbl_addresses_of_set(struct scan *scan, struct dnseval_state *state, struct slice set)
{
	struct rbl_addresses *addresses = hashmap_get(&state->sets, set);

	if (addresses != NULL)
		return addresses;
	addresses = arena_new(scan->arena, struct rbl_addresses);
	if (addresses == NULL)
		return NULL;
	addresses->ips = relays_of_set(scan, state, set);
	addresses->reversed = arena_new_array(scan->arena, struct slice, addresses->ips.count + 1);
	if (addresses->reversed == NULL)
		return NULL;
	for (size_t i = 0; i < addresses->ips.count; i++)
		addresses->reversed[i] = net_addr_reverse(scan->arena, addresses->ips.items[i]);
	(void)hashmap_set(&state->sets, set, addresses);
	return addresses;
}

struct dnseval_state *
rbl_state_of(struct scan *scan)
{
	struct dnseval_state *state = scan_state(scan, &plugin_dnseval);

	if (state != NULL && state->sets.arena == NULL) {
		hashmap_init(&state->sets, scan->arena);
		hashmap_init(&state->seen, scan->arena);
		find_relays(scan, state);
	}
	return state;
}
