/*
 * fuzz_lmdb_check.c - files that say they are stores
 */
#include "store/lmdb_check.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error;

	(void)!lmdb_check(slice_of(data, size), &error);
	return 0;
}
