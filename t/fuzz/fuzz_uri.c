/*
 * fuzz_uri.c - URIs in text and what they may mean
 */
#include <assert.h>

#include "mail/uri.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const tlds[] = {"com", "net", "de", "uk", "jp", "us", "xn--p1ai"};
	struct arena *arena = arena_create((size_t)256 << 20);
	struct registry registry;
	struct uri_config config = {.registry = &registry};
	struct slice text = slice_of(data, size), rest = text, line;
	struct uri_list list;
	slice_vec uris;

	if (arena == NULL)
		return 0;
	registry_init(&registry, arena);
	for (size_t i = 0; i < sizeof(tlds) / sizeof(*tlds); i++)
		(void)registry_add(&registry, 1, slice_from_cstr(tlds[i]));
	(void)registry_add(&registry, 2, SLICE("co.uk"));
	uri_list_init(&list, arena, &config);
	while (slice_next(&rest, '\n', &line))
		uri_list_add_line(&list, line);
	for (size_t i = 0; i < list.uris.count; i++)
		for (size_t k = 0; k < list.uris.items[i]->cleaned.count; k++)
			assert(list.uris.items[i]->cleaned.items[k].len <= URI_MAX_BYTES);
	if (size <= URI_MAX_BYTES) {
		(void)!uri_canonicalize(arena, &config, text, false, &uris);
		(void)!uri_canonicalize(arena, &config, text, true, &uris);
		(void)uri_list_add(&list, text, false, URI_TYPE_PARSED, false);
	}
	uri_list_add_dkim(&list, text);
	arena_destroy(&arena);
	return 0;
}
