/*
 * dkim_tags.h - tag=value lists
 *
 * Owns: struct dkim_tags.  Source: RFC 6376 3.2, as Mail::DKIM reads it: blanks around names and
 * values go, a later tag of the same name wins, an entry without "=" spoils the list.
 * Data: header field or key record -> dkim.h, dkim_key.h, arc.h, auth/dmarc.
 */
#ifndef WINNOW_AUTH_DKIM_TAGS_H
#define WINNOW_AUTH_DKIM_TAGS_H

#include "util/vec.h"

struct dkim_tag {
	struct slice raw; /* between the semicolons */
	struct slice name, value;
	bool is_empty; /* nothing but blanks: no tag */
};

struct dkim_tags {
	VEC(struct dkim_tag) items;
	size_t distinct; /* different names */
	bool has_duplicate;
};

/* STATUS_BAD: an entry without "="; STATUS_LIMIT: no memory. */
enum status dkim_tags_parse(struct arena *arena, struct slice text, struct dkim_tags *tags_r);
/* The last tag of that name; NULL: none. */
const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, struct slice name);
/* Its value; data NULL: none. */
struct slice dkim_tags_get(const struct dkim_tags *tags, struct slice name);
/* Perl's idea of true: there, and neither empty nor "0". */
static inline bool
dkim_is_true(struct slice value)
{
	return value.len > 0 && !(value.len == 1 && value.data[0] == '0');
}
/* Is the word one of a colon-separated list (exact, no blanks taken off)? */
bool dkim_list_has(struct slice list, struct slice word);

#endif
