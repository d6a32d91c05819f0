/*
 * fuzz_encoded_word.c - header values with encoded words
 */
#include "mail/encoded_word.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)64 << 20);

	(void)encoded_word_decode(arena, slice_of(data, size), SLICE("subject"));
	arena_destroy(&arena);
	return 0;
}
