/*
 * route.c - relays and envelope sender of a parsed message
 */
#include "mail/route.h"

/* Address part of the first field of that name; data NULL = there is none. */
static struct slice
first_address(struct message *m, const struct header_context *context, struct slice name)
{
	struct header_request request;
	struct header_values values;

	header_request_parse(arena_concat(m->arena, name, SLICE(":first:addr")), &request, NULL);
	if (header_get(m, &request, context, &values) != STATUS_OK || values.values.count == 0)
		return SLICE_NULL;
	return values.values.items[0];
}

/* Does any Received field stand above any field of that name? */
static bool
is_below_received(const struct header_list *headers, struct slice name)
{
	const struct header_name *received = header_list_find(headers, SLICE("received"));
	const struct header_name *field = header_list_find(headers, name);

	return received != NULL && field != NULL && received->first < field->last;
}

static bool
has_fetchmail(const slice_vec *received)
{
	for (size_t i = 0; i < received->count; i++)
		if (slice_find(received->items[i], SLICE("(fetchmail"), 0) != SLICE_NPOS)
			return true;
	return false;
}

static struct slice
find_envelope_sender(struct message *m, const struct route_config *config,
                     const struct header_context *context, const struct relay_list *relays,
                     const slice_vec *received)
{
	struct header_list *headers = &m->root->headers;
	struct slice x_envelope = SLICE("x-envelope-from"), envelope = SLICE("envelope-sender"),
		     return_path = SLICE("return-path");
	struct envelope_source source = {
		.is_configured = config->envelope_sender_header.data != NULL,
		.relays = relays,
	};

	if (source.is_configured) {
		source.configured = first_address(m, context, config->envelope_sender_header);
		return envelope_sender_find(&source);
	}
	source.x_sender = first_address(m, context, SLICE("X-Sender"));
	source.has_fetchmail = source.x_sender.data != NULL && has_fetchmail(received);
	source.x_envelope_from = first_address(m, context, x_envelope);
	source.envelope_sender = first_address(m, context, envelope);
	source.return_path = first_address(m, context, return_path);
	source.received_above_x_envelope_from = is_below_received(headers, x_envelope);
	source.received_above_envelope_sender = is_below_received(headers, envelope);
	source.received_above_return_path = is_below_received(headers, return_path);
	return envelope_sender_find(&source);
}

static void
collect_received(struct message *m, slice_vec *values_r)
{
	struct header_list *headers = &m->root->headers;
	const struct header_name *name = header_list_find(headers, SLICE("received"));

	for (size_t i = name == NULL ? 0 : name->first + 1; i != 0;
	     i = headers->fields.items[i - 1].next)
		(void)vec_push(m->arena, values_r, header_field_decoded(headers, i - 1));
}

enum status
route_find(struct message *message, const struct route_config *config,
           const struct header_context *header, struct route *route_r)
{
	slice_vec received = {.count = 0}, originating = {.count = 0};
	enum status status;

	collect_received(message, &received);
	for (size_t i = 0; i < config->originating_ip_header_count; i++) {
		struct slice value = header_list_last(&message->root->headers,
		                                      config->originating_ip_headers[i]);

		if (value.data != NULL)
			(void)vec_push(message->arena, &originating, value);
	}
	status = relay_list_build(message->arena, &config->relay, received.items, received.count,
	                          originating.items, originating.count, &route_r->relays);
	route_r->envelope_sender =
		find_envelope_sender(message, config, header, &route_r->relays, &received);
	return status;
}
