/*
 * bdb_hash.c - look-ups in a Berkeley DB hash file
 */
#include "store/bdb_hash.h"

#include <stdlib.h>

enum {
	MAGIC = 0x061561,
	PAGE_HEAD = 26,
	TYPE_UNSORTED = 2,
	TYPE_HASH = 13,
	TYPE_OVERFLOW = 7,
	ITEM_KEYDATA = 1,
	ITEM_OFFPAGE = 3,
	OFFPAGE_LEN = 12,
	OUTSIDE_MAX = 65536, /* bytes of a value outside its page */
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

/* ---- all of it ---- */

struct walk {
	const struct bdb_hash *db;
	unsigned char *outside[2]; /* key, value */
	size_t outside_left;       /* no file makes us copy more than its own size */
};

/* The page of that number; SLICE_NULL: outside the file. */
static struct slice
page_of(const struct bdb_hash *db, uint32_t number)
{
	size_t at = (size_t)number * db->page_bytes;

	if (at > db->data.len || db->data.len - at < db->page_bytes)
		return SLICE_NULL;
	return slice_sub(db->data, at, db->page_bytes);
}

/* Puts together what a chain of overflow pages holds. */
static struct slice
outside_value(struct walk *w, size_t at, unsigned which)
{
	const struct bdb_hash *db = w->db;
	uint32_t number = u32(db, at + 4), left = u32(db, at + 8), done = 0;

	if (left > OUTSIDE_MAX || left > w->outside_left)
		return SLICE_NULL;
	w->outside_left -= left;
	while (left > 0) {
		struct slice page = page_of(db, number);
		size_t begin = (size_t)number * db->page_bytes;
		uint32_t len;

		if (page.data == NULL || page.data[25] != TYPE_OVERFLOW)
			return SLICE_NULL;
		len = u16(db, begin + 22);
		if (len == 0 || len > left || len > db->page_bytes - PAGE_HEAD)
			return SLICE_NULL;
		memcpy(w->outside[which] + done, page.data + PAGE_HEAD, len);
		done += len;
		left -= len;
		number = u32(db, begin + 16);
	}
	return slice_of(w->outside[which], done);
}

static struct slice
any_item(struct walk *w, size_t page, uint32_t index, uint32_t count, unsigned which)
{
	const struct bdb_hash *db = w->db;
	struct slice plain = item(db, page, index, count);
	uint32_t start, end;

	if (plain.data != NULL || PAGE_HEAD + 2 * (size_t)(index + 1) > db->page_bytes)
		return plain;
	start = u16(db, page + PAGE_HEAD + 2 * (size_t)index);
	end = index == 0 ? db->page_bytes : u16(db, page + PAGE_HEAD + 2 * (size_t)(index - 1));
	if (end > db->page_bytes || start > end || end - start < OFFPAGE_LEN ||
	    db->data.data[page + start] != ITEM_OFFPAGE)
		return SLICE_NULL;
	return outside_value(w, page + start, which);
}

static bool
walk_page(struct walk *w, size_t page, bdb_hash_fn fn, void *data)
{
	uint32_t count = u16(w->db, page + 20);
	uint32_t most = (w->db->page_bytes - PAGE_HEAD) / 2;

	for (uint32_t i = 0; i + 1 < count && i + 1 < most; i += 2) {
		struct slice key = any_item(w, page, i, count, 0),
			     value = any_item(w, page, i + 1, count, 1);

		if (key.data != NULL && value.data != NULL && !fn(data, key, value))
			return false;
	}
	return true;
}

bool
bdb_hash_each(const struct bdb_hash *db, bdb_hash_fn fn, void *data)
{
	struct walk w = {.db = db, .outside_left = db->data.len};
	unsigned char *room = malloc(2 * (size_t)OUTSIDE_MAX);

	if (room == NULL)
		return false;
	w.outside[0] = room;
	w.outside[1] = room + OUTSIDE_MAX;
	for (size_t at = db->page_bytes; at + db->page_bytes <= db->data.len;
	     at += db->page_bytes) {
		unsigned char type = db->data.data[at + 25];

		if ((type == TYPE_HASH || type == TYPE_UNSORTED) && !walk_page(&w, at, fn, data))
			break;
	}
	free(room);
	return true;
}
