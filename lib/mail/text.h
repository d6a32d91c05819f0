/*
 * text.h - the texts that body and rawbody rules see
 *
 * Owns: struct message_text.  Source: behaviour of SpamAssassin 4.0.1 (body array, visible and
 * invisible text, rawbody chunks).
 * Data: message.h (decoded parts) -> charset.h, html.h -> message_text -> rules/ (body, rawbody),
 * plugins/ (Bayes, evals), uri.h.
 * Everything is made on first use and kept.  Never fails on mail; what does not fit in the arena is
 * missing and message->spent is set.
 */
#ifndef WINNOW_MAIL_TEXT_H
#define WINNOW_MAIL_TEXT_H

#include "mail/message.h"

struct text_lines {
	struct slice *items; /* bytes; UTF-8 where the reference would encode it so */
	size_t count;
	bool done;
};

struct message_text {
	struct text_lines body, visible, invisible, rawbody;
	/* Facts of HTML parts in order (what html evals read: the last); NULL entries: empty part.
	 */
	VEC(struct html_result *) html;
	struct html_result *last_html; /* of the last text/html part; NULL when it is empty */
	bool html_done;
	struct part *last_rendered; /* by text_render_some */
};

/* Lines of body rules: Subject and paragraphs. */
const struct text_lines *text_body(struct message *message);
const struct text_lines *text_visible(struct message *message);
const struct text_lines *text_invisible(struct message *message);
const struct text_lines *text_rawbody(struct message *message);

/* Renders one leaf (kept in part->text); type data NULL: it gives no text. */
const struct part_text *part_rendered(struct part *part);
/*
 * Renders leaves in order ahead of their use, about `bytes` of decoded text a call; true: all are
 * done.  For messages so large that one call would hold up others.
 */
bool text_render_some(struct message *message, size_t bytes);
/* A plugin's text for a part (set_rendered); data NULL text = nothing. Before any text_* call. */
void part_set_rendered(struct part *part, struct slice text, struct slice type);

/* html facts of the last HTML part, NULL = none. */
const struct html_result *text_html(struct message *message);

#endif
