/*
 * fuzz_dmarc.c - DMARC records; the last line a domain
 */
#include "auth/dmarc.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)16 << 20);
	struct slice text = slice_of(data, size);
	struct public_suffixes *list = public_suffixes_create(arena, SLICE("com\n*.ck\nco.uk\n"));
	size_t lf = slice_rfind_byte(text, '\n');
	struct dmarc_policy policy;
	struct slice domain;

	(void)!dmarc_policy_parse(arena, slice_sub(text, 0, lf), &policy);
	if (lf != SLICE_NPOS && list != NULL) {
		domain = slice_from(text, lf + 1);
		(void)public_suffixes_is_domain(list, arena, domain);
		(void)public_suffixes_organization(list, arena, domain);
	}
	arena_destroy(&arena);
	return 0;
}
