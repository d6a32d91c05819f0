/*
 * fuzz_html.c - the HTML renderer
 *
 * The first byte chooses how the text is held.  Rendering twice gives the same.
 */
#include <assert.h>

#include "mail/html.h"
#include "util/utf8.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct html_options options = {.characters = false};
	struct html_result first, second;
	struct arena *arena = arena_create((size_t)256 << 20);
	struct slice text;

	if (size == 0 || arena == NULL) {
		arena_destroy(&arena);
		return 0;
	}
	text = slice_of(data + 1, size - 1);
	options.characters = (data[0] & 1) != 0;
	options.wide = options.characters && (data[0] & 2) != 0 && utf8_is_valid(text);
	if (html_render(arena, text, &options, &first) == STATUS_OK &&
	    html_render(arena, text, &options, &second) == STATUS_OK) {
		assert(slice_eq(first.rendered.text, second.rendered.text));
		assert(first.uris.count == second.uris.count);
		assert(!options.wide || utf8_is_lax(first.rendered.text));
	}
	arena_destroy(&arena);
	return 0;
}
