/*
 * locales.c - character sets that a reader's languages use
 */
#include "plugins/locales.h"

#include <stdlib.h>

#define CYRILLIC "KOI8R KOI8U KOI8T ISOIR111 CP1251 GEORGIANPS PT154 CP866"

static const struct {
	const char *language, *charsets;
} used[] = {
	{"ja", "EUCJP JISX020119760 JISX020819830 JISX020819900 JISX020819970 JISX021219900 "
               "JISX021320001 "
               "JISX021320002 SHIFT_JIS SHIFTJIS ISO2022JP SJIS JIS7 JISX0201 JISX0208 JISX0212"},
	{"ko", "EUCKR KSC56011987"},
	{"ru", CYRILLIC},
	{"ka", CYRILLIC},
	{"tg", CYRILLIC},
	{"be", CYRILLIC},
	{"uk", CYRILLIC},
	{"bg", CYRILLIC},
	{"th", "TIS620"},
	{"zh", "GB1988 GB2312 GB231219800 GB18030 GBK BIG5HKSCS BIG5 EUCTW ISO2022CN"},
};

bool
locales_are_all(const struct core_settings *core)
{
	struct slice rest = core->ok_locales, word;

	while (slice_next_word(&rest, &word))
		if (slice_eq(word, SLICE("all")))
			return true;
	return false;
}

/* Capitals and digits alone; "3D" in front is left from quoted-printable. */
static struct slice
normal_name(struct arena *arena, struct slice charset)
{
	unsigned char *name = arena_bytes(arena, charset.len + 1);
	struct slice s;
	size_t n = 0;

	if (name == NULL)
		return SLICE("");
	for (size_t i = 0; i < charset.len; i++)
		if (byte_is_alnum(charset.data[i]))
			name[n++] = byte_upper(charset.data[i]);
	s = slice_of(name, n);
	return slice_starts(s, SLICE("3D")) ? slice_from(s, 2) : s;
}

static bool
is_western(struct slice name)
{
	static const char *const prefixes[] = {"ISO8859",       "ISO10646",     "UTF",
	                                       "UCS",           "CP125",        "WINDOWS",
	                                       "UNICODE11UTF7", "UNICODE11UTF8"};
	static const char *const names[] = {"USASCII", "ASCII", "IBM852", "XUNKNOWN", "ISO"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (slice_starts(name, slice_from_cstr(prefixes[i])))
			return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(name, slice_from_cstr(names[i])))
			return true;
	return false;
}

static bool
language_uses(struct slice locale, struct slice name)
{
	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++) {
		struct slice rest = slice_from_cstr(used[i].charsets), word;

		if (!slice_eq(slice_sub(locale, 0, 2), slice_from_cstr(used[i].language)))
			continue;
		while (slice_next_word(&rest, &word))
			if (slice_eq(word, name))
				return true;
	}
	return false;
}

bool
locales_charset_is_ok(const struct core_settings *core, struct arena *arena, struct slice charset)
{
	static const char *const variables[] = {"LC_ALL", "LANGUAGE", "LC_MESSAGES", "LANG"};
	struct slice name = normal_name(arena, charset), rest = core->ok_locales, word;

	if (is_western(name))
		return true;
	while (slice_next_word(&rest, &word))
		if (language_uses(word, name))
			return true;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const char *value = getenv(variables[i]);

		if (value != NULL && *value != '\0')
			return language_uses(slice_from_cstr(value), name);
	}
	return false;
}
