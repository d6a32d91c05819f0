/*
 * bdb_hash.h - a Berkeley DB hash file, read-only
 *
 * Owns: struct bdb_hash.  Source: the file format of Berkeley DB 4 and 5 (hash version 9, either
 * byte order), as sendmail's makemap and Perl's DB_File write.  The whole file is in memory; a
 * look-up reads one bucket.  Other formats (btree) are refused, as DB_File's hash does.  Every
 * offset is checked.
 */
#ifndef WINNOW_STORE_BDB_HASH_H
#define WINNOW_STORE_BDB_HASH_H

#include <stdint.h>

#include "util/slice.h"
#include "util/status.h"

struct bdb_hash {
	struct slice data;
	uint32_t page_bytes, max_bucket, high_mask, low_mask;
	uint32_t spares[32];
	bool swapped;
};

/* STATUS_BAD: no hash file of a version we know. */
enum status bdb_hash_open(struct slice data, struct bdb_hash *db_r,
                          struct error *error) WARN_UNUSED;
/* data NULL: not there, or kept outside its page (values of a page's size and more). */
struct slice bdb_hash_get(const struct bdb_hash *db, struct slice key);
/*
 * Every entry, in no order; keys and values live until fn returns.  fn gives false to end the walk.
 * Values kept outside their page are put together up to 64 KiB; longer ones are left out.  false:
 * no memory.
 */
typedef bool (*bdb_hash_fn)(void *data, struct slice key, struct slice value);
bool bdb_hash_each(const struct bdb_hash *db, bdb_hash_fn fn, void *data) WARN_UNUSED;

#endif
