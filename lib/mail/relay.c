/*
 * relay.c - the way of a message: relays, trust boundaries, envelope sender
 */
#include "mail/relay.h"

#include "net/addr.h"
#include "util/strbuf.h"

struct builder {
	struct arena *arena;
	const struct relay_config *config;
	struct relay_list *list;
	const struct netset *trusted, *internal;
	bool in_trusted, in_internal, found_msa;
	bool fetch_markers; /* a fetchmail-like marker still restarts the list */
};

/* Moves the borders: is this relay still on our side? */
static void
judge(struct builder *b, struct relay *relay)
{
	const struct relay_config *config = b->config;

	if (!b->in_trusted || b->found_msa)
		return;
	if (!config->trusted_configured && !config->internal_configured) {
		/* Nothing is known: private addresses and authenticated clients are ours. */
		if (!relay->ip_private && relay->auth.len == 0)
			b->in_trusted = b->in_internal = false;
		return;
	}
	if (relay->auth.len == 0 && !netset_has_text(b->trusted, relay->ip)) {
		if (config->originating)
			b->found_msa = true;
		else
			b->in_trusted = false;
		b->in_internal = false;
		return;
	}
	if (b->in_internal && relay->auth.len == 0 && !netset_has_text(b->internal, relay->ip))
		b->in_internal = false;
	if (netset_has_text(config->msa, relay->ip)) {
		b->found_msa = true;
		relay->msa = true;
	}
}

static void
place(struct builder *b, struct relay *relay)
{
	struct relay_list *list = b->list;

	relay->trusted = b->in_trusted;
	relay->internal = b->in_internal;
	relay_make_string(b->arena, relay);
	(void)vec_push(b->arena, b->in_trusted ? &list->trusted : &list->untrusted, relay);
	(void)vec_push(b->arena, b->in_internal ? &list->internal : &list->external, relay);
	list->last_trusted += b->in_trusted;
	list->last_internal += b->in_internal;
	b->fetch_markers = b->in_trusted;
}

/* *envfrom: sender that a qmail-scanner line above told for this field. */
static void
add_field(struct builder *b, struct slice value, struct slice *envfrom)
{
	struct relay *relay = arena_new(b->arena, struct relay);
	struct slice told = *envfrom;
	enum received_status status;

	if (relay == NULL)
		return;
	status = received_parse(b->arena, value, relay, envfrom);
	if (status == RECEIVED_RELAY) {
		if (told.len > 0 && !slice_eq(told, SLICE("0"))) {
			relay->envfrom = told;
			relay->has_envfrom = true;
		}
		judge(b, relay);
		place(b, relay);
		return;
	}
	if (status == RECEIVED_FETCHER && b->fetch_markers) {
		b->list->trusted.count = 0;
		b->list->internal.count = b->list->external.count = 0;
	}
	b->list->unparseable += status == RECEIVED_UNPARSEABLE;
	b->list->last_trusted += b->in_trusted;
	b->list->last_internal += b->in_internal;
}

/* The first address inside the value of an X-Originating-IP-like field. */
static struct slice
find_address(struct slice value)
{
	for (size_t at = 0; at < value.len; at++) {
		size_t len = net_addr_scan(value, at);

		if (len > 0)
			return slice_sub(value, at, len);
	}
	return SLICE_NULL;
}

static struct slice
join(struct arena *arena, const relay_vec *relays)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < relays->count; i++) {
		if (i > 0)
			strbuf_add_byte(&buf, ' ');
		strbuf_add(&buf, relays->items[i]->as_string);
	}
	return buf.data == NULL ? SLICE("") : strbuf_slice(&buf);
}

enum status
relay_list_build(struct arena *arena, const struct relay_config *config,
                 const struct slice *received, size_t received_count,
                 const struct slice *originating, size_t originating_count,
                 struct relay_list *list_r)
{
	struct builder b = {.arena = arena,
	                    .config = config,
	                    .list = list_r,
	                    .trusted = config->trusted,
	                    .internal = config->internal,
	                    .in_trusted = true,
	                    .in_internal = true,
	                    .fetch_markers = true};
	struct slice envfrom = SLICE_NULL;

	*list_r = (struct relay_list){.last_trusted = -1, .last_internal = -1};
	if (config->trusted_configured && !config->internal_configured)
		b.internal = b.trusted;
	else if (!config->trusted_configured && config->internal_configured)
		b.trusted = b.internal;
	for (size_t i = 0; i < received_count; i++)
		add_field(&b, received[i], &envfrom);
	for (size_t i = 0; i < originating_count; i++) {
		struct slice address = find_address(originating[i]);

		if (address.data != NULL)
			add_field(&b,
			          arena_concat(arena, SLICE("from X-Originating-IP: "), address),
			          &envfrom);
	}
	list_r->trusted_string = join(arena, &list_r->trusted);
	list_r->untrusted_string = join(arena, &list_r->untrusted);
	list_r->internal_string = join(arena, &list_r->internal);
	list_r->external_string = join(arena, &list_r->external);
	return arena_is_spent(arena) ? STATUS_LIMIT : STATUS_OK;
}

/* "" (the null sender) or something with an "@" that is not its first byte. */
static bool
is_sender(struct slice s)
{
	size_t at = slice_find_byte(s, '@', 0);

	return s.data != NULL && (s.len == 0 || (at != SLICE_NPOS && at > 0));
}

struct slice
envelope_sender_find(const struct envelope_source *source)
{
	const struct relay_list *relays = source->relays;
	const struct relay *last = NULL;

	if (source->is_configured)
		return is_sender(source->configured) ? source->configured : SLICE_NULL;
	if (relays != NULL && relays->untrusted.count > 0)
		last = relays->untrusted.items[0];
	else if (relays != NULL && relays->trusted.count > 0)
		last = relays->trusted.items[relays->trusted.count - 1];
	if (last != NULL && last->has_envfrom && is_sender(last->envfrom))
		return last->envfrom;
	if (source->has_fetchmail && slice_has_byte(source->x_sender, '@'))
		return SLICE_NULL;
	if (source->x_envelope_from.data != NULL)
		return source->received_above_x_envelope_from ? SLICE_NULL
		                                              : source->x_envelope_from;
	if (source->envelope_sender.data != NULL && !source->received_above_envelope_sender)
		return source->envelope_sender;
	if (source->return_path.data != NULL && !source->received_above_return_path)
		return source->return_path;
	return SLICE_NULL;
}
