/*
 * dump.h - a store as text, and back
 *
 * Owns: struct dump_line, dump_write, dump_restore.  Source: the format of sa-learn --backup of
 * 4.0.1, which both programs read:
 *
 *	v	3	db_version # this must be the first line!!!
 *	v	20	num_spam
 *	v	31	num_nonspam
 *	t	1	0	1034007247	0f3c9f9cd1
 *	s	h	message-id
 *
 * A file to be restored may be anything: lines that are odd are left out, as in the reference; what
 * was there stays when it is no dump at all.
 */
#ifndef WINNOW_STORE_DUMP_H
#define WINNOW_STORE_DUMP_H

#include <stdio.h>

#include "store/store.h"

enum dump_kind { DUMP_OTHER, DUMP_VERSION, DUMP_SPAM, DUMP_HAM, DUMP_TOKEN, DUMP_SEEN };

struct dump_line {
	enum dump_kind kind;
	uint64_t value;           /* of variables */
	struct store_token token; /* counts 0 and 0: says nothing */
	struct slice message_id;  /* a part of the line */
	char flag;
};

/* line: with or without its end.  version: of the file, 2 or 3: tokens of 2 are words. */
void dump_line_parse(struct slice line, unsigned version, int64_t now_s, struct dump_line *line_r);

enum status dump_write(struct store *store, FILE *out, struct error *error) WARN_UNUSED;

struct dump_result {
	uint64_t lines, tokens, skipped;
};

/* All or nothing.  dots: one on standard error for a thousand lines. */
enum status dump_restore(struct store *store, FILE *in, int64_t now_s, int64_t wait_ms, bool dots,
                         struct dump_result *result_r, struct error *error) WARN_UNUSED;

#endif
