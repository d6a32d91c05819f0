/*
 * fuzz_charset.c - first byte picks the name, the rest is text; what comes out strictly is UTF-8
 */
#include <assert.h>

#include "mail/charset.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"utf-8",  "gbk",      "big5",        "shift_jis",
	                                    "euc-jp", "euc-kr",   "iso-2022-jp", "iso-2022-kr",
	                                    "utf-7",  "utf-16",   "utf-32le",    "koi8-r",
	                                    "johab",  "us-ascii", "big5-hkscs"};
	struct arena *arena = arena_create((size_t)64 << 20);
	struct slice text, out;
	const char *name;
	bool decoded;

	if (size > 0) {
		name = names[data[0] % (sizeof(names) / sizeof(names[0]))];
		text = slice_of(data + 1, size - 1);
		(void)charset_decode(arena, charset_find(slice_from_cstr(name)), text, true, &out);
		(void)charset_decode(arena, charset_find(slice_from_cstr(name)), text, false, &out);
		(void)charset_normalize(arena, text, slice_from_cstr(name), false, &decoded);
		(void)charset_normalize(arena, text, slice_sub(text, 0, 20), true, NULL);
	}
	arena_destroy(&arena);
	return 0;
}
