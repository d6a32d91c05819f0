/*
 * match_table.h - which factors of many rules occur in a text, in one pass
 *
 * Owns: struct match_table (read-only once made; indices, no pointers between its parts, so that it
 * can be written to a file) and struct match_seen (working memory of a worker).
 * Data: factor.h sets -> keys of 2 to 4 symbols -> scan of a text -> slots of rules whose sets are
 * all there.
 * The scan maps bytes to 64 symbols, keeps the last four as a rolling key, asks a bitmap, then a
 * hash, then compares the factors of that key with the bytes.
 */
#ifndef WINNOW_RULES_MATCH_TABLE_H
#define WINNOW_RULES_MATCH_TABLE_H

#include "rules/factor.h"
#include "util/blob.h"

struct match_table;
struct match_builder;

/* A slot found in a text; `decided`: it surely matches. */
struct match_found {
	uint32_t slot;
	bool decided;
};

struct match_seen {
	struct match_slot_state *slots;
	size_t slot_count;
	uint32_t epoch; /* of the text */
	uint32_t run;   /* of the message and kind */
	struct match_found *found;
	size_t found_count;
	size_t found_size;
};

bool match_seen_prepare(struct match_seen *seen, size_t slots);
void match_seen_free(struct match_seen *seen);

/* The builder lives in a temporary arena. */
struct match_builder *match_builder_create(struct arena *temporary, size_t slots, bool ascii,
                                           enum factor_model model);
struct factor_classes *match_builder_classes(struct match_builder *builder);
/* Copies what it needs; done_after_first: nothing more is asked of a decided rule. */
bool match_builder_add(struct match_builder *builder, uint32_t slot, const struct factor_need *need,
                       bool done_after_first);
struct match_table *match_builder_finish(struct match_builder *builder, struct arena *arena);

/*
 * Finds rules in `text`: seen->found[0..found_count-1].  seen->run must be new for every message.
 */
void match_table_scan(const struct match_table *table, struct match_seen *seen, struct slice text);
const struct byte_set *match_table_class(const struct match_table *table, unsigned cls);
size_t match_table_bytes(const struct match_table *table);
struct slice match_table_describe(const struct match_table *table, struct arena *arena);

/*
 * A table in a blob.  match_table_load uses it where it is (the blob must outlive the table); NULL:
 * it is not whole, some index points outside, it is for another number of slots, or no memory.
 */
uint64_t match_table_save(const struct match_table *table, struct blob_out *out);
struct match_table *match_table_load(struct arena *arena, struct slice blob, uint64_t at,
                                     size_t slots);
size_t match_table_classes(const struct match_table *table);
/* Sizes of what is in a file: another layout is another identity. */
void match_table_identity(struct blob_hash *hash);

#endif
