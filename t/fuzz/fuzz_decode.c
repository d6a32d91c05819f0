/*
 * fuzz_decode.c - base64, quoted-printable, CRLF: never longer than the input
 */
#include <assert.h>

#include "mail/decode.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)64 << 20);
	struct slice in = slice_of(data, size);

	assert(base64_decode(arena, in).len <= size);
	assert(qp_decode(arena, in, size % 2 == 0).len <= size);
	assert(crlf_to_lf(arena, in).len <= size);
	arena_destroy(&arena);
	return 0;
}
