/*
 * fuzz_zip.c - archives
 */
#include "plugins/zip.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create(64 * 1024 * 1024);
	size_t budget = 1024 * 1024;
	struct zip zip;

	if (zip_open(arena, slice_of(data, size), &zip))
		for (size_t i = 0; i < zip.members.count; i++) {
			struct slice text;

			(void)zip_contents(arena, &zip, &zip.members.items[i], &budget, &text);
		}
	arena_destroy(&arena);
	return 0;
}
