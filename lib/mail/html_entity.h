/*
 * html_entity.h - character references (inside of html.c)
 *
 * Owns: the names HTML::Entities 3.81 knows.  Source: its decoder, observed.
 */
#ifndef WINNOW_MAIL_HTML_ENTITY_H
#define WINNOW_MAIL_HTML_ENTITY_H

#include "mail/html.h"

/*
 * Decodes the references in text.  prefixes: "&ampx" counts as "&amp" (text, not attributes).
 * Returns the text itself when there is nothing to do.
 */
struct html_string html_entities_decode(struct arena *arena, struct slice text,
                                        const struct html_options *options, bool prefixes);
/* UTF-8 of Latin-1 octets; the slice itself when it is ASCII. */
struct slice html_latin1_to_utf8(struct arena *arena, struct slice text);

#endif
