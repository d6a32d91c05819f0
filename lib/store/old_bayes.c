/*
 * old_bayes.c - what the reference learned into DB_File, as a dump
 */
#include "store/old_bayes.h"

#include <stdint.h>

#include "store/bdb_hash.h"
#include "store/store.h"

/* What begins the keys of variables; tokens are STORE_KEY_BYTES long. */
#define MAGIC "\015\001\007\011\003"

enum { KIND_BITS = 0xc0, SMALL = 0xc0, LARGE = 0, SMALL_LEN = 5, LARGE_LEN = 13 };

static uint32_t
le32(const unsigned char *p)
{
	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* One byte for both counts below 8, or nine; then the time. */
static bool
unpack(struct slice value, struct store_counts *counts_r)
{
	const unsigned char *p = value.data;

	if (value.len == SMALL_LEN && (p[0] & KIND_BITS) == SMALL)
		*counts_r = (struct store_counts){(p[0] >> 3) & 7U, p[0] & 7U, le32(p + 1)};
	else if (value.len == LARGE_LEN && (p[0] & KIND_BITS) == LARGE)
		*counts_r = (struct store_counts){le32(p + 1), le32(p + 5), le32(p + 9)};
	else
		return false;
	return true;
}

static bool
write_token(void *data, struct slice key, struct slice value)
{
	struct store_counts counts;
	FILE *out = data;

	if (key.len != STORE_KEY_BYTES || !unpack(value, &counts))
		return true;
	return fprintf(out, "t\t%lu\t%lu\t%lu\t%02x%02x%02x%02x%02x\n", (unsigned long)counts.spam,
	               (unsigned long)counts.ham, (unsigned long)counts.atime, key.data[0],
	               key.data[1], key.data[2], key.data[3], key.data[4]) > 0;
}

static bool
write_seen(void *data, struct slice key, struct slice value)
{
	FILE *out = data;

	if (value.len != 1 || (value.data[0] != 's' && value.data[0] != 'h') || key.len == 0 ||
	    slice_has_byte(key, '\n') || slice_has_byte(key, '\0'))
		return true;
	return fprintf(out, "s\t%c\t%.*s\n", value.data[0], SLICE_FMT(key)) > 0;
}

static unsigned long long
variable(const struct bdb_hash *db, struct slice key)
{
	unsigned long long value = 0;

	return slice_to_u64(bdb_hash_get(db, key), INT32_MAX, &value) ? value : 0;
}

enum status
old_bayes_dump(struct slice tokens, struct slice seen, FILE *out, struct error *error)
{
	struct bdb_hash db, seen_db;
	enum status status = bdb_hash_open(tokens, &db, error);
	unsigned long long version;

	if (status == STATUS_OK && seen.data != NULL)
		status = bdb_hash_open(seen, &seen_db, error);
	if (status != STATUS_OK)
		return status;
	version = variable(&db, SLICE(MAGIC "DBVERSION"));
	if (version != STORE_VERSION)
		return error_set(error, STATUS_BAD,
		                 "version %llu, not %d: bring it up to date with SpamAssassin's "
		                 "sa-learn --sync",
		                 version, STORE_VERSION);
	(void)fprintf(out,
	              "v\t%d\tdb_version # this must be the first line!!!\n"
	              "v\t%llu\tnum_spam\nv\t%llu\tnum_nonspam\n",
	              STORE_VERSION, variable(&db, SLICE(MAGIC "NSPAM")),
	              variable(&db, SLICE(MAGIC "NHAM")));
	if (!bdb_hash_each(&db, write_token, out) ||
	    (seen.data != NULL && !bdb_hash_each(&seen_db, write_seen, out)))
		return error_set(error, STATUS_LIMIT, "no memory for the old database");
	return fflush(out) == 0 && !ferror(out)
	               ? STATUS_OK
	               : error_set(error, STATUS_IO, "a temporary file could not be written");
}
