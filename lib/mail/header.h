/*
 * header.h - what header rules see
 *
 * Owns: struct header_request, struct header_values.  Source: behaviour of SpamAssassin 4.0.1
 * ("get" of a scan): ordinary names, ALL and its relay-bound kin, ToCc, MESSAGEID, metadata;
 * modifiers :raw :addr :name :host :domain :ip :revip :first :last. Data: rule text ->
 * header_request (once, at configuration) -> header_get (per message) -> rules/, plugins/,
 * templates. Never fails on mail; STATUS_LIMIT when the arena is spent.
 */
#ifndef WINNOW_MAIL_HEADER_H
#define WINNOW_MAIL_HEADER_H

#include "mail/message.h"
#include "mail/registry.h"

enum header_kind {
	HEADER_NAMED,
	HEADER_ALL,
	HEADER_ALL_TRUSTED,
	HEADER_ALL_INTERNAL,
	HEADER_ALL_UNTRUSTED,
	HEADER_ALL_EXTERNAL,
	HEADER_TOCC,
	HEADER_MESSAGEID,
	/* EnvelopeFrom, X-Spam-Relays-*: only through the lookup of header_context */
	HEADER_METADATA
};

#define HEADER_RAW (1u << 0)
#define HEADER_ADDR (1u << 1)
#define HEADER_NAME (1u << 2)
#define HEADER_HOST (1u << 3)
#define HEADER_DOMAIN (1u << 4)
#define HEADER_IP (1u << 5)
#define HEADER_REVIP (1u << 6)
#define HEADER_FIRST (1u << 7)
#define HEADER_LAST (1u << 8)

struct header_request {
	enum header_kind kind;
	struct slice name; /* without modifiers, as written */
	unsigned modifiers;
};

/* What the layers above know of the message. */
struct header_context {
	const struct registry *registry;
	/* Index of the last Received field of the trusted (internal) part, -1 = none. */
	long last_trusted, last_internal;
	/* Metadata string by lower-case name ("envelopefrom", "x-spam-relays-trusted",
	 * "x-languages",
	 * ...); false: there is none. NULL: no metadata at all. */
	bool (*metadata)(void *data, struct slice name, struct slice *value_r);
	void *data;
	/* Address parser by configuration: 0 both, 1 internal only, 2 the strict one only. */
	unsigned address_parser;
};

struct header_values {
	slice_vec values;
};

/*
 * "From:addr:first".  Unknown modifiers are ignored as the reference does at run time; *unknown_r
 * (may be NULL) says that there was one, for lint.  name points into text unless a modifier stood
 * inside.
 */
void header_request_parse(struct slice text, struct header_request *request_r, bool *unknown_r);

/* Values in order; none: the header is undefined.  Values live in message->arena or the message. */
enum status header_get(struct message *message, const struct header_request *request,
                       const struct header_context *context, struct header_values *values_r);

/*
 * The one text a header rule is matched against: all values one after the other when the first ends
 * in LF, else with LF between.  false: undefined.
 */
bool header_joined(struct arena *arena, const struct header_values *values, struct slice *text_r);

/*
 * What get() gives an eval function in scalar context: the first value without its final LF for
 * :addr :name :host :domain :ip :revip and EnvelopeFrom, else all values one after the other.  ""
 * when undefined (data NULL).
 */
struct slice header_scalar(struct arena *arena, const struct header_request *request,
                           const struct header_values *values);

/* Decodes a field value as the reference does when it stores it (see encoded_word.h). */
struct slice header_value_decode(struct arena *arena, struct slice raw, struct slice name);

/* All fields as "Name: decoded\n", as ALL gives them, capped; with_mbox: the From_ line first. */
bool header_all(struct message *message, bool raw, bool with_mbox, slice_vec *lines_r);

#endif
