/*
 * header_table.h - header names become numbers at load
 *
 * Owns: struct header_table: what the rules and evals of a configuration ask for ("From:addr",
 * "ALL", "X-Mailer"), parsed once.  Data: rule texts -> header_table_add (load) -> numbers; a scan
 * keeps one slot for each number and one bit for each field name, so that most look-ups (of fields
 * that the message does not have) are two loads.  Read-only once the configuration is read.
 */
#ifndef WINNOW_MAIL_HEADER_TABLE_H
#define WINNOW_MAIL_HEADER_TABLE_H

#include "mail/header.h"
#include "util/vec.h"

#define HEADER_NONE ((unsigned)-1)

struct header_entry {
	struct header_request request;
	struct slice lower; /* name as metadata are looked up, and its hash */
	unsigned lower_hash;
	unsigned field; /* number of the field name; HEADER_NONE: not one field's values */
};

struct header_table {
	struct arena *arena;
	struct hashmap by_text; /* as written -> number + 1 */
	struct hashmap fields;  /* field name, any case -> field number + 1 */
	VEC(struct header_entry) entries;
};

void header_table_init(struct header_table *table, struct arena *arena);
/* The number of that text, new or known; HEADER_NONE: no memory.  text must live as long. */
unsigned header_table_add(struct header_table *table, struct slice text);
/* HEADER_NONE: not in the table. */
unsigned header_table_find(const struct header_table *table, struct slice text);

/* there[field number]: does the message have that field?  `there` holds fields.count zeros. */
void header_table_mark(const struct header_table *table, const struct header_list *list,
                       bool *there);

#endif
