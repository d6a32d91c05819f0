/*
 * fuzz_date.c - dates
 */
#include "mail/date.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t seconds;

	(void)date_parse(slice_of(data, size), &seconds);
	return 0;
}
