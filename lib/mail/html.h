/*
 * html.h - HTML to text and facts
 *
 * Owns: struct html_result and all that hangs on it.  Source: what HTML::Parser 3.81 reports as
 * SpamAssassin 4.0.1 sets it up, and what its renderer makes of that (observed, t/vectors/html).
 * Data: text.h (decoded part) -> html_result -> text.h (rendered text), uri.h (URIs), evals.
 * Never fails on mail: broken markup becomes text or comments.  STATUS_LIMIT only when the arena is
 * spent; the result then holds what was rendered so far.
 *
 * Bytes and characters.  The reference holds a part either as octets or as characters, and the two
 * differ in what is a blank and in how long a text is.  `wide` says that a slice is UTF-8 that perl
 * would hold as characters; without it the slice is octets as they are (entities below 256 may have
 * left single Latin-1 bytes).
 */
#ifndef WINNOW_MAIL_HTML_H
#define WINNOW_MAIL_HTML_H

#include "util/hashmap.h"
#include "util/vec.h"

struct html_options {
	/* The text was decoded to characters (charset conversion asked for or succeeded): entities
	 * become characters.  Otherwise octets, in which entities become UTF-8. */
	bool characters;
	/* The text is UTF-8 that the reference holds as characters (needs `characters`). */
	bool wide;
	/* Bytes of the part before charset conversion, for the ratio; 0 = text.len. */
	size_t original_len;
};

struct html_string {
	struct slice text;
	bool wide;
};
typedef VEC(struct html_string) html_strings;

/* Elements that give URIs, as bits of html_uri.types. */
enum html_uri_type {
	HTML_URI_BODY,
	HTML_URI_TABLE,
	HTML_URI_TR,
	HTML_URI_TD,
	HTML_URI_A,
	HTML_URI_AREA,
	HTML_URI_LINK,
	HTML_URI_IMG,
	HTML_URI_FRAME,
	HTML_URI_IFRAME,
	HTML_URI_EMBED,
	HTML_URI_SCRIPT,
	HTML_URI_FORM,
	HTML_URI_BASE,
	HTML_URI_BGSOUND,
	HTML_URI_META,
	HTML_URI_TYPES
};
const char *html_uri_type_name(enum html_uri_type type);

struct html_uri {
	struct html_string raw; /* as resolved against <base>; may be "" for an anchor's text */
	unsigned types;         /* 1 << enum html_uri_type; 0 = only anchor text hangs on it */
	html_strings anchor_texts;
};

/* A number that may be missing. */
struct html_number {
	double value;
	bool is_set;
};

struct html_result {
	/* Rendered text, all of it and split by visibility. */
	struct html_string rendered, visible, invisible;

	/* A style value made the reference give up the part: facts are missing, lists are empty. */
	bool is_broken;
	/* What html_test and html_range ask for. */
	bool html, font_low_contrast, font_invalid_color, font_face_bad, form_action_mailto, embeds;
	bool uri_truncated;
	double length, image_area, min_size, max_size, html_length, non_space_len;
	struct html_number ratio, closed_extra_ratio, bad_tag_ratio, non_element_ratio;
	struct html_number obfuscation_ratio, backhair_count;

	html_strings anchors, titles, scripts, comments;
	VEC(struct html_uri *) uris; /* in order of appearance, each raw once */
	/* Tag name (lower case) -> long *: opened minus closed, never below 0. */
	struct hashmap inside;
	/* Charsets of <meta http-equiv=content-type>, blank separated.  (The reference collects
	 * them too but its evals never see them.) */
	struct html_string charsets;
};

enum status html_render(struct arena *arena, struct slice text, const struct html_options *options,
                        struct html_result *result_r);

/* A fact by the name that rules use ("length", "image_area", "font_face_bad"...); false when it is
 * not set. Flags give 1. */
bool html_result_number(const struct html_result *result, struct slice name, double *value_r);
/* A list by name: anchor, title, script, comment; NULL for other names. */
const html_strings *html_result_list(const struct html_result *result, struct slice name);
/* Was the tag seen; its count of open elements. */
bool html_result_inside(const struct html_result *result, struct slice tag, long *count_r);

#endif
