/*
 * message.h - one message: pristine bytes, header fields, MIME tree
 *
 * Owns: struct message, struct part, struct header_list.  Source: RFC 5322, 2045, 2046, and where
 * mail breaks them, what SpamAssassin 4.0.1 was observed to do.
 * Data: the bytes of a client or file (kept alive by the caller) -> message -> header.h, text.h,
 * received/relays, rules/, plugins/.
 * Never fails on mail: what is odd sets a flag that rules can see.  message_parse gives NULL only
 * when the arena cannot hold even an empty message; later shortage sets `spent`.
 *
 * The tree is complete after message_parse (no lazy step); decoding, charset conversion and
 * rendering happen on first use and are kept.
 */
#ifndef WINNOW_MAIL_MESSAGE_H
#define WINNOW_MAIL_MESSAGE_H

#include "mail/html.h"
#include "util/hashmap.h"
#include "util/vec.h"

/* Limits of the reference: they decide what rules see. */
#define MESSAGE_MAX_LEVEL 20   /* nested multiparts and messages */
#define MESSAGE_MAX_PARTS 1000 /* children of one multipart */
#define MESSAGE_MAX_LINE 2048  /* longer lines inside multiparts are cut */
#define MESSAGE_MAX_HEADER_NAME 256
#define MESSAGE_MAX_HEADER_VALUE 8192
#define MESSAGE_MAX_HEADER_ALL 65536 /* what ALL may hold */
/* Ours: all nodes of the tree together. */
#define MESSAGE_MAX_NODES 20000

struct header_field {
	struct slice name; /* as written */
	struct slice raw;  /* folds kept, LF line ends */
	struct slice decoded;
	bool is_decoded;
	size_t next; /* index + 1 of the next field of that name, 0 = none */
};

struct header_list {
	struct arena *arena;
	VEC(struct header_field) fields;
	struct hashmap names; /* lower-case name -> struct header_name */
};

struct header_name {
	struct slice name;  /* lower case */
	size_t first, last; /* indices into fields */
	size_t count;
};

/* What text.h made of a part. */
struct part_text {
	bool done;
	struct slice type; /* data NULL: the part gives no text */
	struct html_string rendered, visible,
		invisible;        /* wide: UTF-8 that perl holds as characters */
	struct html_result *html; /* NULL unless rendered from HTML */
};

struct part {
	struct message *message; /* the outermost one */
	struct part *parent, *first_child, *last_child, *next;
	struct header_list headers;
	struct slice type; /* lower case "text/plain"; the reference's corrections applied */
	struct slice effective_type;
	/* data NULL = not given */
	struct slice charset, name, boundary;
	struct slice cte; /* lower case */
	struct slice raw; /* body as the parent holds it, before transfer decoding */
	struct slice decoded;
	unsigned level;  /* 0 = the message itself */
	bool is_leaf;    /* no children and not a multipart whose children are none */
	bool is_message; /* the message itself or one inside message/rfc822 */
	bool is_decoded;
	struct part_text text;
};

/* How often a boundary was opened minus closed, in order of appearance. */
struct boundary_state {
	struct slice boundary;
	long count;
};

struct message_options {
	/* normalize_charset; body_part_scan_size and rawbody_part_scan_size, 0 = no limit. */
	bool normalize_charset;
	size_t body_part_scan_size;
	size_t rawbody_part_scan_size;
};
/* What a configuration that says nothing gives. */
#define MESSAGE_OPTIONS_DEFAULT ((struct message_options){true, 50000, 500000})

struct message {
	struct arena *arena;
	struct message_options options;
	struct slice input;
	struct slice mbox_separator; /* "From ..." line, with its LF; data NULL = none */
	/* As `full` rules see them: without the mbox line. */
	struct slice pristine, pristine_headers, pristine_body;
	/* What came in after the mbox separator, byte for byte: what is given back.  pristine is
	 * what `full` rules see, where the reference has put CR before bare LF. */
	struct slice original, original_headers, original_body;
	bool is_crlf;

	bool missing_head_body_separator;
	bool truncated_header;
	bool missing_mime_headers;
	bool missing_mime_head_body_separator;
	bool mime_epilogue_exists;
	bool mimepart_limit_exceeded;
	bool spent; /* the arena or MESSAGE_MAX_NODES was spent: something was dropped */

	VEC(struct boundary_state) boundaries;
	struct hashmap boundary_index;
	struct part *root;
	size_t part_count;
	struct hashmap addresses;  /* of header.c: what fields parse to */
	struct message_text *text; /* of text.h */
};

/* The input must outlive the arena.  Never NULL but for want of memory. */
struct message *message_parse(struct arena *arena, struct slice input,
                              const struct message_options *options);

/* Depth first, the message itself included: pass NULL to begin; NULL at the end. */
struct part *message_part_next(const struct message *message, const struct part *part);
/* The same, leaves that have a type only: parts of body, rawbody, attachments. */
struct part *message_leaf_next(const struct message *message, const struct part *part);
/* Body after transfer decoding (base64, quoted-printable); for a part with children empty. */
struct slice part_decoded(struct part *part);
/* name= of Content-Disposition or Content-Type ends in .htm, .html, .shtml: text/html. */
bool part_type_is(const struct part *part, struct slice type);
/* Value of Message-Id between < and >, NULL when it has another shape. */
struct slice message_id(struct message *message);
/* Types of the message and of each top-level part ("multipart/mixed", "text/plain,..."). */
bool message_content_summary(struct message *message, slice_vec *summary_r);
/* mime_boundary_state of a boundary, 0 when unknown. */
long message_boundary_count(const struct message *message, struct slice boundary);
/* Pristine body with LF line ends, as the digest that identifies a message is made of. */
struct slice message_body_lf(struct message *message);

/* Fields by name, case ignored.  NULL: there is none. */
const struct header_name *header_list_find(const struct header_list *list, struct slice name);
/* Decoded (unfolded, encoded words and charsets to UTF-8, trimmed) value of a field. */
struct slice header_field_decoded(struct header_list *list, size_t index);
/* Decoded value of the last (or first) field of that name; data NULL = none. */
struct slice header_list_last(struct header_list *list, struct slice name);
struct slice header_list_first(struct header_list *list, struct slice name);
void header_list_init(struct header_list *list, struct arena *arena);
bool header_list_add(struct header_list *list, struct slice name, struct slice raw);

struct content_type {
	struct slice type;
	struct slice boundary, charset, name; /* data NULL = none */
	bool missing;
};
/* value: decoded Content-Type value; data NULL or "" = missing. */
void content_type_parse(struct arena *arena, struct slice value, struct content_type *type_r);

/* Attachment names as get_part_details gives them; false when CTE is neither base64 nor qp. */
struct part_details {
	struct slice content_type, content_disposition, cte, name;
};
bool part_details(struct part *part, bool prefer_disposition, struct part_details *details_r);

#endif
