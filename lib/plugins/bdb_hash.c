/*
 * bdb_hash.c - look-ups in a Berkeley DB hash file
 */
#include "plugins/bdb_hash.h"

enum {
	MAGIC = 0x061561,
	PAGE_HEAD = 26,
	TYPE_UNSORTED = 2,
	TYPE_HASH = 13,
	ITEM_KEYDATA = 1,
	CHAIN_MAX = 1000,
	META_LEN = 244
};

static uint32_t
u32(const struct bdb_hash *db, size_t at)
{
	const unsigned char *p = db->data.data + at;

	return db->swapped
	               ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
	               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint32_t
u16(const struct bdb_hash *db, size_t at)
{
	const unsigned char *p = db->data.data + at;

	return db->swapped ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

/* Fowler, Noll and Vo, as versions after 5 use. */
static uint32_t
hash(struct slice key)
{
	uint32_t h = 0;

	for (size_t i = 0; i < key.len; i++)
		h = h * 16777619U ^ key.data[i];
	return h;
}

enum status
bdb_hash_open(struct slice data, struct bdb_hash *db_r, struct error *error)
{
	struct bdb_hash db = {.data = data};
	uint32_t version;

	if (data.len < META_LEN)
		return error_set(error, STATUS_BAD, "too short for a Berkeley DB file");
	if (u32(&db, 12) != MAGIC) {
		db.swapped = true;
		if (u32(&db, 12) != MAGIC)
			return error_set(error, STATUS_BAD, "no Berkeley DB hash file");
	}
	version = u32(&db, 16);
	db.page_bytes = u32(&db, 20);
	db.max_bucket = u32(&db, 72);
	db.high_mask = u32(&db, 76);
	db.low_mask = u32(&db, 80);
	for (size_t i = 0; i < 32; i++)
		db.spares[i] = u32(&db, 96 + 4 * i);
	if (version < 6 || version > 10 || db.page_bytes < 512 || db.page_bytes > 65536 ||
	    data.data[24] != 0 || u32(&db, 92) != hash(SLICE("%$sniglet^&\0")))
		return error_set(error, STATUS_BAD,
		                 "Berkeley DB hash file of a version or with an encryption or hash "
		                 "function that is not supported");
	*db_r = db;
	return STATUS_OK;
}

/* Item `index` of the page at `page`: its bytes without the type; data NULL: not plain. */
static struct slice
item(const struct bdb_hash *db, size_t page, uint32_t index, uint32_t count)
{
	uint32_t start, end;

	if (PAGE_HEAD + 2 * (size_t)(index + 1) > db->page_bytes || index >= count)
		return SLICE_NULL;
	start = u16(db, page + PAGE_HEAD + 2 * (size_t)index);
	end = index == 0 ? db->page_bytes : u16(db, page + PAGE_HEAD + 2 * (size_t)(index - 1));
	if (start >= end || end > db->page_bytes || db->data.data[page + start] != ITEM_KEYDATA)
		return SLICE_NULL;
	return slice_sub(db->data, page + start + 1, end - start - 1);
}

static bool
search_page(const struct bdb_hash *db, size_t page, struct slice key, struct slice *value_r)
{
	uint32_t count = u16(db, page + 20);

	for (uint32_t i = 0; i + 1 < count; i += 2) {
		struct slice here = item(db, page, i, count);

		if (here.data == NULL || !slice_eq(here, key))
			continue;
		*value_r = item(db, page, i + 1, count);
		return true;
	}
	return false;
}

struct slice
bdb_hash_get(const struct bdb_hash *db, struct slice key)
{
	uint32_t bucket = hash(key) & db->high_mask, number, power = 0;
	struct slice value = SLICE_NULL;

	if (bucket > db->max_bucket)
		bucket &= db->low_mask;
	while (power < 31 && ((uint64_t)1 << power) < (uint64_t)bucket + 1)
		power++;
	number = bucket + db->spares[power];
	for (unsigned n = 0; n < CHAIN_MAX && number != 0; n++) {
		size_t page = (size_t)number * db->page_bytes;
		unsigned char type;

		if (page > db->data.len || db->data.len - page < db->page_bytes)
			return SLICE_NULL;
		type = db->data.data[page + 25];
		if ((type != TYPE_HASH && type != TYPE_UNSORTED) ||
		    search_page(db, page, key, &value))
			return value;
		number = u32(db, page + 16);
	}
	return value;
}
