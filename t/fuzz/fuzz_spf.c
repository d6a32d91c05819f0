/*
 * fuzz_spf.c - SPF records and macro strings: first line the record, the rest the sender
 */
#include "auth/spf_record.h"
#include "t/fuzz/fuzz.h"

static void
expand(struct arena *arena, const struct spf_macros *macros, struct slice text)
{
	struct slice validated = SLICE("mail.example.net");
	struct spf_expansion expansion;
	enum status status;

	for (unsigned is_explanation = 0; is_explanation < 2; is_explanation++) {
		spf_expansion_init(&expansion, arena, macros, text);
		expansion.is_explanation = is_explanation != 0;
		status = spf_expand(&expansion, NULL);
		for (unsigned i = 0; i < 100 && status == STATUS_AGAIN; i++)
			status = spf_expand(&expansion, &validated);
		if (status == STATUS_OK)
			(void)spf_fit_name(arena, strbuf_slice(&expansion.out));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create((size_t)16 << 20);
	struct slice rest = slice_of(data, size), text = SLICE_NULL;
	struct spf_record record;
	struct spf_macros macros = {.domain = SLICE("example.org"), .helo = SLICE("helo.example")};

	(void)slice_next(&rest, '\n', &text);
	macros.sender = macros.local_part = macros.sender_domain = rest;
	macros.is_strict = size % 2 != 0;
	if (spf_record_parse(arena, text, true, &record) == STATUS_OK) {
		for (size_t i = 0; i < record.terms.count; i++)
			expand(arena, &macros, record.terms.items[i].domain);
		expand(arena, &macros, record.exp);
		expand(arena, &macros, record.redirect);
	}
	expand(arena, &macros, rest);
	arena_destroy(&arena);
	return 0;
}
