/*
 * fuzz_update_tar.c - archives of rule channels, and what is changed in their files
 *
 * The first byte says whether the rest is packed already; if not it is packed here, so that a
 * fuzzer gets behind gzip's checksum.
 */
#include "cmd/update_rewrite.h"
#include "cmd/update_tar.h"
#include "t/fuzz/fuzz.h"

#include <stdlib.h>
#include <zlib.h>

static struct slice
pack(struct arena *arena, const uint8_t *data, size_t size)
{
	z_stream z = {0};
	size_t room = size + size / 100 + 64;
	unsigned char *out = arena_bytes(arena, room);
	uint8_t *copy = arena_bytes(arena, size + 1);

	if (out == NULL || copy == NULL ||
	    deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return SLICE_NULL;
	memcpy(copy, data, size);
	z.next_in = copy;
	z.avail_in = (uInt)size;
	z.next_out = out;
	z.avail_out = (uInt)room;
	(void)deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return slice_of(out, z.total_out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct update_macro macros[] = {{"VERSION", "1"}, {NULL, NULL}};
	const struct update_rewrite how = {.macros = macros, .multiplier = 2, .limit = 3};
	struct arena *arena = arena_create(64 * 1024 * 1024);
	update_file_vec files = {0};
	struct error error;
	struct slice packed;

	if (size > 0 && size < 1024 * 1024) {
		packed = data[0] == 'z' ? slice_of(data + 1, size - 1)
		                        : pack(arena, data + 1, size - 1);
		if (update_tar_read(arena, packed, &files, &error) != STATUS_OK && files.count != 0)
			abort();
		for (size_t i = 0; i < files.count; i++) {
			if (slice_has_byte(files.items[i].name, '/') ||
			    files.items[i].name.len == 0)
				abort();
			(void)update_rewrite(arena, &how, files.items[i].text);
		}
		(void)update_rewrite(arena, &how, slice_of(data, size));
	}
	arena_destroy(&arena);
	return 0;
}
