/*
 * fuzz_received.c - Received fields, one a line
 */
#include <assert.h>

#include "mail/relay.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)64 << 20);
	struct slice rest = slice_of(data, size), line;
	struct relay_config config = {.originating = false};
	struct relay_list list;
	slice_vec lines = {.count = 0};

	if (arena == NULL)
		return 0;
	while (lines.count < 1000 && slice_next(&rest, '\n', &line))
		(void)vec_push(arena, &lines, line);
	if (relay_list_build(arena, &config, lines.items, lines.count, NULL, 0, &list) == STATUS_OK)
		assert(list.trusted.count + list.untrusted.count + list.unparseable <= lines.count);
	arena_destroy(&arena);
	return 0;
}
