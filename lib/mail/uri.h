/*
 * uri.h - URIs of a message
 *
 * Owns: struct uri_list.  Source: text of the message (links as mail readers make them), HTML
 * attributes (html.h), DKIM domains (added by a caller).
 * Data: text.h lines and html.h results -> uri_list -> rules/ (uri rules), plugins/ (URIBL...).
 * URIs of at most URI_MAX_BYTES; longer ones are cut and `truncated` is set.  The engine that
 * matches redirector_pattern is above this room and comes as a callback.
 */
#ifndef WINNOW_MAIL_URI_H
#define WINNOW_MAIL_URI_H

#include "mail/html.h"
#include "mail/registry.h"

#define URI_MAX_BYTES 8192

struct uri_redirectors {
	size_t count;
	/* Does pattern `index` match `uri`?  *target_r: its first group, data NULL when unset. */
	bool (*match)(void *context, size_t index, struct slice uri, struct slice *target_r);
	void *context;
};

struct uri_config {
	const struct registry *registry;
	struct uri_redirectors redirectors; /* count 0 = none */
};

/* Beyond the HTML types (bits 0..HTML_URI_TYPES-1). */
#define URI_TYPE_PARSED (1u << HTML_URI_TYPES)
#define URI_TYPE_UNLINKED (1u << (HTML_URI_TYPES + 1))
#define URI_TYPE_SCHEMELESS (1u << (HTML_URI_TYPES + 2))
#define URI_TYPE_DOMAINKEYS (1u << (HTML_URI_TYPES + 3))
#define URI_TYPE_NOCANON (1u << (HTML_URI_TYPES + 4))
#define URI_TYPE_NOCLEAN (1u << (HTML_URI_TYPES + 5))
#define URI_TYPE_COUNT (HTML_URI_TYPES + 6)
/* Name of bit `bit` ("a", "img", "parsed", "unlinked"...). */
const char *uri_type_name(unsigned bit);

struct uri_host {
	struct slice host, domain;
};

struct uri_info {
	struct slice raw;
	bool wide; /* the reference holds it as characters */
	unsigned types;
	slice_vec cleaned; /* no two equal; raw included unless NOCLEAN */
	slice_vec domains; /* no two equal */
	VEC(struct uri_host) hosts;
	html_strings anchor_texts; /* no two equal within one HTML part */
};

struct uri_list {
	struct arena *arena;
	const struct uri_config *config;
	VEC(struct uri_info *) uris; /* in order of finding */
	struct hashmap by_raw;
	struct hashmap seen;    /* what text already gave */
	struct hashmap cleaned; /* all cleaned URIs once: what uri rules see; keys in order */
	bool truncated;
};

void uri_list_init(struct uri_list *list, struct arena *arena, const struct uri_config *config);

/* URIs of rendered body lines (the Subject line included, as body rules see them): octets. */
void uri_list_add_text(struct uri_list *list, const struct slice *lines, size_t count);
void uri_list_add_line(struct uri_list *list, struct slice line);
/* URIs of one HTML part. */
void uri_list_add_html(struct uri_list *list, const struct html_result *html);
/* One URI; need_domain: only when it has a valid domain.  NULL: it was not taken. */
struct uri_info *uri_list_add(struct uri_list *list, struct slice uri, bool wide, unsigned types,
                              bool need_domain);
/* Value of a DKIM-Signature field under parse_dkim_uris: each d= is added as "domainkeys:NAME". */
void uri_list_add_dkim(struct uri_list *list, struct slice value);

/* "uri_list_canonicalize": the URI and all that mail readers might make of it, no two equal. */
enum status uri_canonicalize(struct arena *arena, const struct uri_config *config, struct slice uri,
                             bool wide, slice_vec *uris_r);
/* Percent-decodes what may be decoded, encodes what must be ("url_encode"). */
struct slice uri_decode(struct arena *arena, struct slice uri, bool wide);

#endif
