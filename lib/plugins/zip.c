/*
 * zip.c - members of a ZIP archive
 */
#include "plugins/zip.h"

#include <zlib.h>

enum { END_LEN = 22, COMMENT_MAX = 65535, CENTRAL_LEN = 46, LOCAL_LEN = 30 };

static uint32_t
le16(struct slice s, size_t at)
{
	return (uint32_t)s.data[at] | (uint32_t)s.data[at + 1] << 8;
}

static uint32_t
le32(struct slice s, size_t at)
{
	return le16(s, at) | le16(s, at + 2) << 16;
}

/* The end record: the last one in the last bytes. */
static bool
find_end(struct slice data, size_t *end_r)
{
	size_t at, least;

	if (data.len < END_LEN)
		return false;
	at = data.len - END_LEN;
	least = at > COMMENT_MAX ? at - COMMENT_MAX : 0;
	for (;; at--) {
		if (slice_starts(slice_from(data, at), SLICE("PK\x05\x06"))) {
			*end_r = at;
			return true;
		}
		if (at == least)
			return false;
	}
}

bool
zip_open(struct arena *arena, struct slice data, struct zip *zip_r)
{
	size_t end, at, size;
	uint32_t count;

	*zip_r = (struct zip){.data = data};
	if (!find_end(data, &end))
		return false;
	count = le16(data, end + 10);
	size = le32(data, end + 12);
	at = le32(data, end + 16);
	/* Bytes before the archive move everything. */
	if (at > end || size > end - at || end - size < at)
		return false;
	zip_r->data = slice_from(data, end - size - at);
	data = zip_r->data;
	for (uint32_t i = 0; i < count && i < ZIP_MEMBERS_MAX; i++) {
		struct zip_member member;
		size_t name_len;

		if (at > data.len || data.len - at < CENTRAL_LEN ||
		    !slice_starts(slice_from(data, at), SLICE("PK\x01\x02")))
			return false;
		name_len = le16(data, at + 28);
		member = (struct zip_member){
			.name = slice_sub(data, at + CENTRAL_LEN, name_len),
			.encrypted = le16(data, at + 8) & 1,
			.method = le16(data, at + 10),
			.packed = le32(data, at + 20),
			.unpacked = le32(data, at + 24),
			.offset = le32(data, at + 42),
		};
		if (member.name.len != name_len || vec_push(arena, &zip_r->members, member) == NULL)
			return false;
		at += CENTRAL_LEN + name_len + le16(data, at + 30) + le16(data, at + 32);
	}
	return true;
}

static bool
inflate_raw(struct arena *arena, struct slice packed, size_t max, struct slice *out_r)
{
	z_stream z = {0};
	unsigned char *out;
	int result;

	if (max > ZIP_UNPACKED_MAX || packed.len > UINT32_MAX)
		return false;
	out = arena_bytes(arena, max + 1);
	if (out == NULL || inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return false;
	z.next_in = (z_const Bytef *)(uintptr_t)packed.data;
	z.avail_in = (uInt)packed.len;
	z.next_out = out;
	z.avail_out = (uInt)max + 1;
	result = inflate(&z, Z_FINISH);
	*out_r = slice_of(out, max + 1 - z.avail_out);
	(void)inflateEnd(&z);
	return result == Z_STREAM_END;
}

bool
zip_contents(struct arena *arena, const struct zip *zip, const struct zip_member *member,
             size_t *budget, struct slice *contents_r)
{
	struct slice data = slice_from(zip->data, member->offset), packed;
	size_t start;

	*contents_r = SLICE("");
	if (member->encrypted || member->unpacked > *budget || data.len < LOCAL_LEN ||
	    !slice_starts(data, SLICE("PK\x03\x04")))
		return false;
	start = LOCAL_LEN + le16(data, 26) + le16(data, 28);
	packed = slice_sub(data, start, member->packed);
	if (packed.len != member->packed)
		return false;
	*budget -= member->unpacked;
	if (member->method == 0) {
		*contents_r = packed;
		return true;
	}
	return member->method == 8 && inflate_raw(arena, packed, member->unpacked, contents_r);
}
