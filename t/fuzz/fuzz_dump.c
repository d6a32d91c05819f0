/*
 * fuzz_dump.c - lines of a file that sa-learn --restore reads
 */
#include "store/dump.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice rest = slice_of(data, size), line;
	struct dump_line parsed;

	for (unsigned n = 0; slice_next_line(&rest, &line); n++)
		dump_line_parse(line, 2 + n % 2, 1000, &parsed);
	return 0;
}
