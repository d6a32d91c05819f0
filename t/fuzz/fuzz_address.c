/*
 * fuzz_address.c - address lists, both parsers
 */
#include "mail/address.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)64 << 20);
	address_vec addresses;

	for (unsigned parser = ADDRESS_PARSER_BOTH; parser <= ADDRESS_PARSER_STRICT; parser++)
		(void)!address_parse(arena, slice_of(data, size), (enum address_parser)parser,
		                     &addresses);
	arena_destroy(&arena);
	return 0;
}
