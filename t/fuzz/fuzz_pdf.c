/*
 * fuzz_pdf.c - lines of PDF files
 */
#include "plugins/pdf.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create(64 * 1024 * 1024);
	struct pdf_facts facts;

	(void)pdf_read(arena, slice_of(data, size), &facts);
	arena_destroy(&arena);
	return 0;
}
