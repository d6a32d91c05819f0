/*
 * html_link.h - relative references (inside of html.c)
 *
 * Source: RFC 3986 5.2 as the reference has it: same-scheme references count as relative, and
 * "//www.x" without a scheme gets one.
 */
#ifndef WINNOW_MAIL_HTML_LINK_H
#define WINNOW_MAIL_HTML_LINK_H

#include "util/arena.h"

struct slice html_link_resolve(struct arena *arena, struct slice base, struct slice link);
/* What <base href> says as a prefix: without a trailing file name, with a final slash. */
struct slice html_link_base(struct arena *arena, struct slice href);

#endif
