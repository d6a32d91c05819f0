/*
 * charset.c - bytes of a declared character set to UTF-8
 *
 * Single-byte sets come from charset_tables.c; UTF-16 and its kin, and UTF-8, are decoded here;
 * East Asian sets go through the host's iconv, under names of our own only.
 */
#include "mail/charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdint.h>

#include "mail/charset_pairs.h"
#include "mail/charset_tables.h"
#include "mail/decode.h"
#include "util/strbuf.h"

enum charset_kind {
	KIND_ASCII,
	KIND_UTF8,
	KIND_SINGLE,
	KIND_UTF16,
	KIND_UTF32,
	KIND_UTF7,
	KIND_DOUBLE, /* lead and trail byte */
	KIND_JIS,    /* escapes between ASCII and sets of EUC-JP */
	KIND_KR,     /* shifts between ASCII and EUC-KR */
	KIND_HZ      /* the same with GB 2312, in plain ASCII */
};

struct charset {
	const char *name;
	enum charset_kind kind;
	/* KIND_DOUBLE */
	const char *iconv_name;
	const char *iconv_second; /* asked for pairs that the first does not know */
	/* KIND_DOUBLE: lead bytes as pairs first, last; bytes that stand alone as first, last, and
	 * what is added to them. */
	const char *leads;
	struct {
		unsigned char first, last;
		uint16_t code;
	} alone[4];
	const struct charset_pairs *pairs;
	/* KIND_UTF16, KIND_UTF32: 'B', 'L', or 0 = by byte order mark */
	char order;
	bool is_ucs2;
	const struct charset_table *table;
};

/* Canonical names, lower case, sorted. */
/* clang-format off */
static const struct charset charsets[] = {
	{ .name = "7bit-jis", .kind = KIND_JIS },
	{ .name = "ascii",        .kind = KIND_ASCII },
	{ .name = "big5-eten", .kind = KIND_DOUBLE, .iconv_name = "BIG5", .leads = "\xa1\xf9",
	  .pairs = charset_pairs_big5_eten },
	{ .name = "big5-hkscs", .kind = KIND_DOUBLE, .iconv_name = "BIG5-HKSCS", .leads = "\x88\xfe" },
	{ .name = "cp932", .kind = KIND_DOUBLE, .iconv_name = "CP932",
	  .leads = "\x81\x84\x87\x9f\xe0\xea\xed\xee\xf0\xfc",
	  .alone = { { 0x80, 0x80, 0x80 }, { 0xa0, 0xa0, 0xf8f0 }, { 0xa1, 0xdf, 0xff61 }, { 0xfd, 0xff, 0xf8f1 } } },
	{ .name = "cp936", .kind = KIND_DOUBLE, .iconv_name = "CP936", .leads = "\x81\xfe",
	  .alone = { { 0x80, 0x80, 0x20ac }, { 0xff, 0xff, 0xf8f5 } }, .pairs = charset_pairs_cp936 },
	{ .name = "cp949", .kind = KIND_DOUBLE, .iconv_name = "CP949", .leads = "\x81\xfe",
	  .alone = { { 0x80, 0x80, 0x80 }, { 0xff, 0xff, 0xf8f7 } }, .pairs = charset_pairs_cp949 },
	{ .name = "cp950", .kind = KIND_DOUBLE, .iconv_name = "CP950", .leads = "\x81\xfe",
	  .alone = { { 0x80, 0x80, 0x80 }, { 0xff, 0xff, 0xf8f8 } }, .pairs = charset_pairs_cp950 },
	{ .name = "euc-cn", .kind = KIND_DOUBLE, .iconv_name = "EUC-CN", .leads = "\xa1\xa9\xb0\xf7" },
	{ .name = "euc-jp", .kind = KIND_DOUBLE, .iconv_name = "EUC-JP", .iconv_second = "EUC-JP-MS",
	  .leads = "\x8e\x8f\xa1\xfe" },
	{ .name = "euc-kr", .kind = KIND_DOUBLE, .iconv_name = "EUC-KR", .leads = "\xa1\xac\xb0\xc8\xca\xfd" },
	{ .name = "hz", .kind = KIND_HZ },
	{ .name = "iso-2022-jp", .kind = KIND_JIS },
	{ .name = "iso-2022-jp-1", .kind = KIND_JIS },
	{ .name = "iso-2022-kr",  .kind = KIND_KR },
	{ .name = "johab", .kind = KIND_DOUBLE, .iconv_name = "JOHAB", .leads = "\x84\xd3\xd9\xde\xe0\xf9" },
	{ .name = "shiftjis", .kind = KIND_DOUBLE, .iconv_name = "SJIS",
	  .leads = "\x81\x84\x88\x9f\xe0\xea", .alone = { { 0xa1, 0xdf, 0xff61 } } },
	{ .name = "ucs-2be",      .kind = KIND_UTF16, .order = 'B', .is_ucs2 = true },
	{ .name = "ucs-2le",      .kind = KIND_UTF16, .order = 'L', .is_ucs2 = true },
	{ .name = "utf-16",       .kind = KIND_UTF16 },
	{ .name = "utf-16be",     .kind = KIND_UTF16, .order = 'B' },
	{ .name = "utf-16le",     .kind = KIND_UTF16, .order = 'L' },
	{ .name = "utf-32",       .kind = KIND_UTF32 },
	{ .name = "utf-32be",     .kind = KIND_UTF32, .order = 'B' },
	{ .name = "utf-32le",     .kind = KIND_UTF32, .order = 'L' },
	{ .name = "utf-7", .kind = KIND_UTF7 },
	{ .name = "utf-8-strict", .kind = KIND_UTF8 },
	{ .name = "utf8",         .kind = KIND_UTF8 },
};

/* Whole names that stand for another. */
static const struct { const char *alias, *name; } aliases[] = {
	{ "unicode-1-1-utf7", "utf-7" },  { "unicode-1-1-utf-7", "utf-7" }, { "utf7", "utf-7" },
	{ "ucs2le", "ucs-2le" },          { "ucs-2-le", "ucs-2le" },        { "ucs2-le", "ucs-2le" },
	{ "ucs2be", "ucs-2be" },          { "ucs-2-be", "ucs-2be" },        { "ucs2-be", "ucs-2be" },
	{ "ucs2", "ucs-2be" },            { "ucs-2", "ucs-2be" },           { "iso-10646-1", "ucs-2be" },
	{ "ucs4", "utf-32" },             { "ucs-4", "utf-32" },            { "ucs4be", "utf-32be" },
	{ "ucs-4be", "utf-32be" },        { "ucs-4-be", "utf-32be" },       { "ucs4le", "utf-32le" },
	{ "ucs-4le", "utf-32le" },        { "ucs-4-le", "utf-32le" },
	{ "utf16", "utf-16" },            { "utf16be", "utf-16be" },        { "utf16le", "utf-16le" },
	{ "utf-16-be", "utf-16be" },      { "utf-16-le", "utf-16le" },      { "utf16-be", "utf-16be" },
	{ "utf16-le", "utf-16le" },       { "utf32", "utf-32" },            { "utf32be", "utf-32be" },
	{ "utf32le", "utf-32le" },        { "utf-32-be", "utf-32be" },      { "utf-32-le", "utf-32le" },
	{ "us-ascii", "ascii" },          { "c", "ascii" },
	{ "cyrillic", "iso-8859-5" },     { "arabic", "iso-8859-6" },       { "greek", "iso-8859-7" },
	{ "hebrew", "iso-8859-8" },       { "thai", "iso-8859-11" },        { "gbk", "cp936" },
	{ "utf-8", "utf-8-strict" },      { "macintosh", "macroman" },      { "macce", "maccentraleurroman" },
};

/* Name ends that begin at a word boundary. */
static const struct { const char *end, *name; } endings[] = {
	{ "646", "ascii" },          { "646us", "ascii" },           { "646-us", "ascii" },
	{ "646_us", "ascii" },       { "iso646", "ascii" },          { "iso646-us", "ascii" },
	{ "iso646us", "ascii" },     { "iso_646", "ascii" },
	{ "ansi_x3.4-1968", "ascii" }, { "ansi-x3.4-1968", "ascii" }, { "ansix3.4-1968", "ascii" },
	{ "ansi_x3.4_1968", "ascii" }, { "ansi_x3.41968", "ascii" },
	{ "winlatin1", "cp1252" },   { "winlatin2", "cp1250" },      { "wincyrillic", "cp1251" },
	{ "winbaltic", "cp1257" },   { "wingreek", "cp1253" },       { "winturkish", "cp1254" },
	{ "winhebrew", "cp1255" },   { "winarabic", "cp1256" },      { "winvietnamese", "cp1258" },
	{ "koi8r", "koi8-r" },       { "koi8-r", "koi8-r" },         { "koi8_r", "koi8-r" },
	{ "koi8 r", "koi8-r" },      { "koi8u", "koi8-u" },          { "koi8-u", "koi8-u" },
	{ "koi8_u", "koi8-u" },      { "koi8 u", "koi8-u" },
	{ "jis", "7bit-jis" },       { "ujis", "euc-jp" },           { "sjis", "shiftjis" },
	{ "windows-31j", "cp932" },  { "ks_c_5601-1987", "cp949" },
	{ "big5", "big5-eten" },     { "big-5", "big5-eten" },       { "big5et", "big5-eten" },
	{ "big5-et", "big5-eten" },  { "big5eten", "big5-eten" },    { "big5-eten", "big5-eten" },
	{ "big5hk", "big5-hkscs" },  { "big5-hk", "big5-hkscs" },    { "big5hkscs", "big5-hkscs" },
	{ "big5-hkscs", "big5-hkscs" }, { "tcabig5", "big5-eten" },  { "tca-big5", "big5-eten" },
	{ "tca_big5", "big5-eten" }, { "hkbig5", "big5-hkscs" },     { "hkscs-big5", "big5-hkscs" },
	{ "utf-8", "utf-8-strict" },
};
/* clang-format on */

const char *
charset_name(const struct charset *charset)
{
	return charset->name;
}

/* Canonical name as written in the tables; a table row stands for the charset itself. */
static const struct charset *
charset_canonical(struct slice name)
{
	/* One struct per single-byte table would be state; the index is enough. */
	static const struct charset single[] = {
#define ROW(n) {.kind = KIND_SINGLE, .table = &charset_tables[n]}
#define ROW4(n) ROW(n), ROW((n) + 1), ROW((n) + 2), ROW((n) + 3)
#define ROW16(n) ROW4(n), ROW4((n) + 4), ROW4((n) + 8), ROW4((n) + 12)
		ROW16(0),
		ROW16(16),
		ROW16(32),
		ROW16(48),
	};

	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++)
		if (slice_ieq(name, slice_from_cstr(charsets[i].name)))
			return &charsets[i];
	for (size_t i = 0; i < charset_table_count && i < sizeof(single) / sizeof(single[0]); i++)
		if (slice_ieq(name, slice_from_cstr(charset_tables[i].name)))
			return &single[i];
	return NULL;
}

static bool
ends_word(struct slice name, struct slice end)
{
	return slice_iends(name, end) &&
	       (name.len == end.len || !byte_is_word(name.data[name.len - end.len - 1]) ||
	        !byte_is_word(end.data[0]));
}

/* Digits at the end of name; *before_r: what stands before them. */
static struct slice
trailing_digits(struct slice name, struct slice *before_r)
{
	size_t i = name.len;

	while (i > 0 && byte_is_digit(name.data[i - 1]))
		i--;
	*before_r = slice_sub(name, 0, i);
	return slice_from(name, i);
}

static struct slice
strip_end(struct slice name, const char *set)
{
	if (name.len > 0 && strchr(set, name.data[name.len - 1]) != NULL &&
	    name.data[name.len - 1] != '\0')
		name.len--;
	return name;
}

static const struct charset *
charset_numbered(const char *prefix, struct slice digits)
{
	char text[32];
	size_t n = strlen(prefix);

	if (digits.len == 0 || digits.len > 6)
		return NULL;
	memcpy(text, prefix, n);
	memcpy(text + n, digits.data, digits.len);
	return charset_canonical(slice_of(text, n + digits.len));
}

/* iso-8859-N, latinN, cpN in all their spellings. */
static const struct charset *
charset_by_number(struct slice name)
{
	static const unsigned char latin_to_iso[] = {0, 1, 2, 3, 4, 9, 10, 13, 14, 15, 16};
	static const struct slice pages[] = {SLICE("cp"), SLICE("ibm"), SLICE("ms"),
	                                     SLICE("windows")};
	struct slice before, digits = trailing_digits(name, &before), part, middle;
	const struct charset *found;

	if (digits.len == 0)
		return NULL;
	/* iso8859N, iso8859-N, iso-8859-N, iso_8859_N */
	if (before.len > 0 && strchr("-_", before.data[before.len - 1]) != NULL) {
		middle = trailing_digits(strip_end(before, "-_"), &part);
		if (slice_eq(middle, SLICE("8859")) &&
		    (ends_word(part, SLICE("iso")) || ends_word(part, SLICE("iso-")) ||
		     ends_word(part, SLICE("iso_"))) &&
		    (found = charset_numbered("iso-8859-", digits)) != NULL)
			return found;
	}
	if (digits.len > 4 && memcmp(digits.data, "8859", 4) == 0 &&
	    ends_word(before, SLICE("iso")) &&
	    (found = charset_numbered("iso-8859-", slice_from(digits, 4))) != NULL)
		return found;
	part = strip_end(before, "-_");
	if (digits.len <= 2 && slice_iends(part, SLICE("latin"))) {
		unsigned long long n;

		if (slice_to_u64(digits, 10, &n)) {
			char number[4];
			unsigned iso = latin_to_iso[n];
			size_t len = 0;

			if (iso >= 10)
				number[len++] = (char)('0' + iso / 10);
			number[len++] = (char)('0' + iso % 10);
			return charset_numbered("iso-8859-", slice_of(number, len));
		}
	}
	part = strip_end(before, "-_ ");
	if (digits.len >= 2 && digits.len <= 4)
		for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
			if (ends_word(part, pages[i]) &&
			    (found = charset_numbered("cp", digits)) != NULL)
				return found;
	return NULL;
}

static const struct charset *
charset_east_asian(struct slice name)
{
	static const struct {
		const char *region, *name;
	} eucs[] = {{"cn", "euc-cn"}, {"jp", "euc-jp"}, {"kr", "euc-kr"}};
	size_t at;

	for (size_t i = 0; i < 3; i++) {
		struct slice region = slice_from_cstr(eucs[i].region);

		if ((slice_iends(name, region) &&
		     slice_ifind(name, SLICE("euc"), 0) != SLICE_NPOS) ||
		    (slice_iends(name, SLICE("euc")) && slice_ifind(name, region, 0) != SLICE_NPOS))
			return charset_canonical(slice_from_cstr(eucs[i].name));
	}
	at = slice_ifind(name, SLICE("gb"), 0);
	if (at != SLICE_NPOS) {
		struct slice rest = slice_from(name, at + 2);

		if (rest.len > 0 && strchr("-_ ", rest.data[0]) != NULL)
			rest = slice_from(rest, 1);
		if (slice_starts(rest, SLICE("2312")))
			return charset_canonical(SLICE("euc-cn"));
	}
	if (slice_iends(name, SLICE("jis")) && slice_ifind(name, SLICE("shift"), 0) != SLICE_NPOS)
		return charset_canonical(SLICE("shiftjis"));
	if (slice_iends(name, SLICE("uhc")) || slice_iends(name, SLICE("windows-949")))
		return charset_canonical(SLICE("cp949"));
	if (slice_ifind(name, SLICE("tis-620"), 0) != SLICE_NPOS ||
	    slice_ifind(name, SLICE("tis620"), 0) != SLICE_NPOS)
		return charset_canonical(SLICE("iso-8859-11"));
	if (slice_ifind(name, SLICE("cp65001"), 0) != SLICE_NPOS)
		return charset_canonical(SLICE("utf-8-strict"));
	if (slice_ifind(name, SLICE("cp65000"), 0) != SLICE_NPOS)
		return charset_canonical(SLICE("utf-7"));
	return NULL;
}

/* "x-mac-cyrillic", "mac_greek" */
static const struct charset *
charset_macintosh(struct slice name)
{
	unsigned char joined[64] = "mac";
	struct slice rest = name;

	if (slice_istarts(rest, SLICE("x-")) || slice_istarts(rest, SLICE("x_")))
		rest = slice_from(rest, 2);
	if (!slice_istarts(rest, SLICE("mac-")) && !slice_istarts(rest, SLICE("mac_")))
		return NULL;
	rest = slice_from(rest, 4);
	if (rest.len > sizeof(joined) - 3)
		return NULL;
	memcpy(joined + 3, rest.data, rest.len);
	return charset_canonical(slice_of(joined, rest.len + 3));
}

static const struct charset *
charset_find_once(struct slice name)
{
	const struct charset *found = charset_canonical(name);

	if (found != NULL)
		return found;
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (slice_ieq(name, slice_from_cstr(aliases[i].alias)))
			return charset_canonical(slice_from_cstr(aliases[i].name));
	found = charset_by_number(name);
	if (found != NULL)
		return found;
	found = charset_macintosh(name);
	if (found != NULL)
		return found;
	if (slice_iends(name, SLICE("shiftjis")) || slice_iends(name, SLICE("shift_jis")) ||
	    slice_iends(name, SLICE("shift-jis")))
		return charset_canonical(SLICE("shiftjis"));
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (ends_word(name, slice_from_cstr(endings[i].end)))
			return charset_canonical(slice_from_cstr(endings[i].name));
	return charset_east_asian(name);
}

const struct charset *
charset_find(struct slice name)
{
	const struct charset *found;
	unsigned char joined[64];
	size_t gap, end;

	if (name.len == 0 || name.len > 60)
		return NULL;
	found = charset_find_once(name);
	if (found != NULL)
		return found;
	/* "windows 1252", "ks c_5601": one blank or underscore run stands for "-". */
	gap = slice_find_any(name, "_ \t", 0);
	if (gap == SLICE_NPOS || gap == 0)
		return NULL;
	end = slice_span(name, "_ \t", gap);
	if (end == SLICE_NPOS || slice_find_any(name, "_ \t", end) != SLICE_NPOS)
		return NULL;
	memcpy(joined, name.data, gap);
	joined[gap] = '-';
	memcpy(joined + gap + 1, name.data + end, name.len - end);
	return charset_find_once(slice_of(joined, gap + 1 + name.len - end));
}

bool
bytes_are_ascii(struct slice text)
{
	size_t i = 0;

	for (; i + 8 <= text.len; i += 8) {
		unsigned long long word;

		memcpy(&word, text.data + i, 8);
		if (word & 0x8080808080808080ull)
			return false;
	}
	for (; i < text.len; i++)
		if (text.data[i] >= 0x80)
			return false;
	return true;
}

/* Bytes that a lead byte promises, whether UTF-8 allows it or not. */
static size_t
utf8_promise(unsigned char c)
{
	return c < 0xc0 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf8 ? 4 : c < 0xfc ? 5 : 6;
}

/*
 * Length of the well-formed sequence at `p`; 0: malformed, *bad_r bytes of it are one error (the
 * lead byte with as many of the promised continuation bytes as are there).  Noncharacters are
 * malformed too: the reference's decoder refuses them.
 */
static size_t
utf8_step(const unsigned char *p, size_t len, size_t *bad_r)
{
	size_t need = utf8_promise(p[0]), i;
	unsigned long u;

	*bad_r = 1;
	if (p[0] < 0x80)
		return 1;
	for (i = 1; i < need && i < len && (p[i] & 0xc0) == 0x80; i++)
		;
	*bad_r = i;
	/* A byte that begins nothing takes a three-byte character with it. */
	if (i == 1 && (need == 1 || need > 4) && len >= 4 && utf8_promise(p[1]) == 3 &&
	    (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80)
		*bad_r = 4;
	if (i < need || need == 1 || need > 4)
		return 0;
	u = p[0] & (0xffu >> (need + 1));
	for (i = 1; i < need; i++)
		u = u << 6 | (p[i] & 0x3f);
	if (u < (need == 2   ? 0x80u
	         : need == 3 ? 0x800u
	                     : 0x10000u) ||
	    u > 0x10ffff || (u >= 0xd800 && u < 0xe000) || (u & 0xfffe) == 0xfffe ||
	    (u >= 0xfdd0 && u <= 0xfdef))
		return 0;
	return need;
}

bool
charset_is_utf8(struct slice text)
{
	size_t i = 0, bad;

	while (i < text.len) {
		size_t step;

		if (text.data[i] < 0x80) {
			i++;
			continue;
		}
		step = utf8_step(text.data + i, text.len - i, &bad);
		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

static bool
utf8_convert(struct arena *arena, struct slice text, bool strict, struct slice *text_r)
{
	struct strbuf out;
	size_t i = 0, bad;

	if (charset_is_utf8(text)) {
		*text_r = text;
		return true;
	}
	if (strict)
		return false;
	strbuf_init(&out, arena, 0);
	while (i < text.len) {
		size_t step = utf8_step(text.data + i, text.len - i, &bad);

		if (step == 0)
			strbuf_add_utf8(&out, 0xfffd);
		else
			strbuf_add(&out, slice_sub(text, i, step));
		i += step == 0 ? bad : step;
	}
	*text_r = strbuf_slice(&out);
	return !strbuf_is_bad(&out);
}

static bool
single_decode(struct arena *arena, const struct charset *charset, struct slice text, bool strict,
              struct slice *text_r)
{
	struct strbuf out;

	if (bytes_are_ascii(text)) {
		*text_r = text;
		return true;
	}
	strbuf_init(&out, arena, 0);
	strbuf_reserve(&out, text.len + text.len / 2 + 16);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];
		unsigned u = c;

		if (c >= 0x80)
			u = charset->kind == KIND_ASCII ? 0xfffd : charset->table->upper[c - 0x80];
		if (u < 0x80) {
			strbuf_add_byte(&out, (unsigned char)u);
			continue;
		}
		if (u == 0xfffd && strict)
			return false;
		strbuf_add_utf8(&out, u);
	}
	*text_r = strbuf_slice(&out);
	return !strbuf_is_bad(&out);
}

static unsigned long
read_unit(const unsigned char *p, size_t width, char order)
{
	unsigned long v = 0;

	for (size_t i = 0; i < width; i++)
		v = v << 8 | p[order == 'B' ? i : width - 1 - i];
	return v;
}

/* UTF-16, UTF-32 and UCS-2. */
static bool
wide_decode(struct arena *arena, const struct charset *charset, struct slice text, bool strict,
            struct slice *text_r)
{
	size_t width = charset->kind == KIND_UTF16 ? 2 : 4;
	char order = charset->order;
	struct strbuf out;
	size_t i = 0;

	strbuf_init(&out, arena, 0);
	if (order == 0 && text.len >= width) {
		order = read_unit(text.data, width, 'L') == 0xfeff ? 'L' : 'B';
		if (order == 'L' || read_unit(text.data, width, 'B') == 0xfeff)
			i = width;
	}
	while (i + width <= text.len) {
		unsigned long u = read_unit(text.data + i, width, order);

		i += width;
		if (width == 2 && u >= 0xd800 && u < 0xdc00 && !charset->is_ucs2 &&
		    i + 2 <= text.len) {
			unsigned long low = read_unit(text.data + i, 2, order);

			if (low >= 0xdc00 && low < 0xe000) {
				u = 0x10000 + ((u - 0xd800) << 10) + (low - 0xdc00);
				i += 2;
			}
		}
		if ((u >= 0xd800 && u < 0xe000) || u > 0x10ffff || (u & 0xfffe) == 0xfffe ||
		    (u >= 0xfdd0 && u <= 0xfdef)) {
			if (strict)
				return false;
			u = 0xfffd;
		}
		strbuf_add_utf8(&out, u);
	}
	if (i < text.len && strict)
		return false;
	*text_r = strbuf_slice(&out);
	return !strbuf_is_bad(&out);
}

static bool
is_base64(unsigned char c)
{
	return byte_is_alnum(c) || c == '+' || c == '/';
}

/* What is not in "+...-" is taken as Latin-1. */
static bool
utf7_decode(struct arena *arena, struct slice text, struct slice *text_r)
{
	static const struct charset utf16 = {.kind = KIND_UTF16, .order = 'B'};
	struct strbuf out;
	size_t i = 0;

	strbuf_init(&out, arena, 0);
	while (i < text.len) {
		struct slice run, wide;
		size_t end = i + 1;

		if (text.data[i] != '+') {
			strbuf_add_utf8(&out, text.data[i++]);
			continue;
		}
		while (end < text.len && is_base64(text.data[end]))
			end++;
		run = slice_sub(text, i + 1, end - i - 1);
		if (run.len == 0)
			strbuf_add_byte(&out, '+');
		else if (run.len > 1) {
			run = base64_decode(arena, run);
			if (wide_decode(arena, &utf16, run, false, &wide))
				strbuf_add(&out, wide);
		}
		i = end < text.len && text.data[end] == '-' ? end + 1 : end;
	}
	*text_r = strbuf_slice(&out);
	return !strbuf_is_bad(&out);
}

static bool
utf7_has_runs(struct slice text)
{
	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.data[i] == '+' && is_base64(text.data[i + 1]))
			return true;
	return false;
}

static bool
is_lead(const struct charset *charset, unsigned char c)
{
	for (const char *p = charset->leads; *p != '\0'; p += 2)
		if (c >= (unsigned char)p[0] && c <= (unsigned char)p[1])
			return true;
	return false;
}

/* Code point of a byte that stands alone, 0 = none. */
static unsigned
alone_code(const struct charset *charset, unsigned char c)
{
	for (size_t i = 0; i < 4 && charset->alone[i].first != 0; i++)
		if (c >= charset->alone[i].first && c <= charset->alone[i].last)
			return charset->alone[i].code + (unsigned)(c - charset->alone[i].first);
	return 0;
}

static unsigned
pair_code(const struct charset_pairs *pairs, unsigned pair)
{
	for (; pairs != NULL && pairs->first != 0; pairs++)
		if (pair >= pairs->first && pair <= pairs->last)
			return (unsigned)pairs->code + (pair - pairs->first);
	return 0;
}

/* One character through iconv. */
static bool
iconv_one(iconv_t handle, struct slice character, struct strbuf *out)
{
	char buf[32], *to = buf, *in = (char *)(uintptr_t)character.data;
	size_t in_left = character.len, room = sizeof(buf);

	if (handle == (iconv_t)-1)
		return false;
	(void)iconv(handle, NULL, NULL, NULL, NULL);
	if (iconv(handle, &in, &in_left, &to, &room) == (size_t)-1 || in_left > 0)
		return false;
	(void)iconv(handle, NULL, NULL, &to, &room); /* what it holds back */
	strbuf_add(out, slice_of(buf, sizeof(buf) - room));
	return true;
}

enum on_error { ERROR_STRICT, ERROR_REPLACE, ERROR_SPELL /* \\xHH */ };

/*
 * Characters of one or two bytes (three after 0x8f in EUC-JP). A lead byte whose pair is none is
 * one error by itself; one at the very end is dropped without a word, even when strict.
 */
static bool
double_decode(struct arena *arena, const struct charset *charset, struct slice text,
              enum on_error on_error, struct slice *text_r)
{
	iconv_t handle = iconv_open("UTF-8", charset->iconv_name), second = (iconv_t)-1;
	bool is_euc_jp = charset->iconv_second != NULL, good = true;
	struct strbuf out;
	size_t i = 0;

	if (is_euc_jp)
		second = iconv_open("UTF-8", charset->iconv_second);
	strbuf_init(&out, arena, 0);
	strbuf_reserve(&out, text.len + text.len / 2 + 16);
	while (good && i < text.len) {
		unsigned char c = text.data[i];
		size_t len = is_euc_jp && c == 0x8f ? 3 : 2;
		unsigned code;

		if (c < 0x80) {
			strbuf_add_byte(&out, c);
			i++;
			continue;
		}
		code = alone_code(charset, c);
		if (code == 0 && is_lead(charset, c)) {
			struct slice character = slice_sub(text, i, len);

			if (character.len < len && (character.len < 2 || character.data[1] >= 0xa1))
				break;
			code = pair_code(charset->pairs,
			                 (unsigned)c << 8 |
			                         (character.len > 1 ? character.data[1] : 0));
			if (code != 0) {
				strbuf_add_utf8(&out, code);
				i += 2;
				continue;
			}
			if (character.len == len && (iconv_one(handle, character, &out) ||
			                             iconv_one(second, character, &out))) {
				i += len;
				continue;
			}
		}
		i++;
		if (code != 0)
			strbuf_add_utf8(&out, code);
		else if (on_error == ERROR_SPELL)
			strbuf_printf(&out, "\\x%02X", c);
		else
			strbuf_add_utf8(&out, 0xfffd);
		good = code != 0 || on_error != ERROR_STRICT;
	}
	if (handle != (iconv_t)-1)
		iconv_close(handle);
	if (second != (iconv_t)-1)
		iconv_close(second);
	*text_r = strbuf_slice(&out);
	return good && !strbuf_is_bad(&out);
}

enum jis_set { JIS_ASCII, JIS_0208, JIS_0212, JIS_KANA, JIS_NONE };

/* Set that the escape sequence at text[at] calls; *len_r its length. */
static enum jis_set
jis_escape(struct slice text, size_t at, size_t *len_r)
{
	static const struct {
		struct slice escape;
		enum jis_set set;
	} escapes[] = {
		{SLICE("\x1b&@\x1b$B"), JIS_0208}, {SLICE("\x1b$@"), JIS_0208},
		{SLICE("\x1b$B"), JIS_0208},       {SLICE("\x1b$(D"), JIS_0212},
		{SLICE("\x1b(B"), JIS_ASCII},      {SLICE("\x1b(J"), JIS_ASCII},
		{SLICE("\x1b(I"), JIS_KANA},
	};
	struct slice rest = slice_from(text, at);

	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		if (slice_starts(rest, escapes[i].escape)) {
			*len_r = escapes[i].escape.len;
			return escapes[i].set;
		}
	return JIS_NONE;
}

/*
 * As EUC-JP without escapes. The text ends at the first 8-bit byte and at an escape sequence that
 * is none of these.
 */
static bool
jis_decode(struct arena *arena, struct slice text, struct slice *text_r)
{
	enum jis_set set = JIS_ASCII;
	struct strbuf euc;
	size_t len, in_set = 0;

	strbuf_init(&euc, arena, 0);
	for (size_t i = 0; i < text.len && text.data[i] < 0x80; i++) {
		unsigned char c = text.data[i];
		unsigned char next = i + 1 < text.len ? text.data[i + 1] : 0;

		if (c == 0x1b) {
			set = jis_escape(text, i, &len);
			if (set == JIS_NONE)
				break;
			i += len - 1;
			in_set = 0;
			continue;
		}
		if (set == JIS_ASCII || c < 0x21 || c == 0x7f) {
			strbuf_add_byte(&euc, c);
			in_set = 0;
			continue;
		}
		if (set == JIS_KANA && c <= 0x5f)
			strbuf_add_byte(&euc, 0x8e);
		else if (set == JIS_0212 && in_set++ % 2 == 0 && next >= 0x21 && next < 0x7f)
			strbuf_add_byte(&euc, 0x8f);
		strbuf_add_byte(&euc, c | 0x80);
	}
	return double_decode(arena, charset_canonical(SLICE("euc-jp")), strbuf_slice(&euc),
	                     ERROR_SPELL, text_r);
}

/* Runs between SO and SI are EUC-KR without its eighth bits, bytes outside stay what they are: as
 * Perl's Encode takes it, which also drops all from the first escape that is no designator. */
static bool
kr_decode(struct arena *arena, struct slice text, struct slice *text_r)
{
	static const char designator[] = "\x1b$)C";
	struct strbuf plain, euc;
	struct slice rest;
	size_t end = 0;

	strbuf_init(&plain, arena, text.len);
	for (size_t i = 0; i < text.len; i++)
		if (slice_starts(slice_from(text, i), slice_from_cstr(designator)))
			i += sizeof(designator) - 2;
		else
			strbuf_add_byte(&plain, text.data[i]);
	rest = strbuf_slice(&plain);
	strbuf_init(&euc, arena, rest.len);
	for (size_t i = 0; i < rest.len && rest.data[i] != 0x1b; i++) {
		if (rest.data[i] == 0x0e && end != SLICE_NPOS &&
		    (end = slice_find_byte(rest, 0x0f, i)) != SLICE_NPOS) {
			while (++i < end && rest.data[i] != 0x1b)
				strbuf_add_byte(&euc, rest.data[i] > ' ' && rest.data[i] < 0x7f
				                              ? rest.data[i] | 0x80
				                              : rest.data[i]);
			if (i < end)
				break;
			continue;
		}
		strbuf_add_byte(&euc, rest.data[i]);
	}
	if (strbuf_is_bad(&plain) || strbuf_is_bad(&euc))
		return false;
	return double_decode(arena, charset_canonical(SLICE("euc-kr")), strbuf_slice(&euc),
	                     ERROR_SPELL, text_r);
}

/*
 * RFC 1843, as Perl's Encode takes it: the text ends at the first byte that does not fit.  (What
 * mail calls "hz-gb-2312" is EUC-CN there.)
 */
static bool
hz_decode(struct arena *arena, struct slice text, bool strict, struct slice *text_r)
{
	struct strbuf euc;
	bool gb = false;

	strbuf_init(&euc, arena, 0);
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i], next = i + 1 < text.len ? text.data[i + 1] : 0;

		if (!gb && c < 0x80 && c != '~') {
			strbuf_add_byte(&euc, c);
		} else if (gb && c >= 0x21 && c <= 0x77 && next >= 0x21 && next <= 0x7e) {
			strbuf_add_byte(&euc, c | 0x80);
			strbuf_add_byte(&euc, next | 0x80);
			i++;
		} else if (c == '~' && gb && next == '}') {
			gb = false;
			i++;
		} else if (c == '~' && !gb && (next == '~' || next == '\n' || next == '{')) {
			if (next == '~')
				strbuf_add_byte(&euc, '~');
			gb = next == '{';
			i++;
		} else {
			break;
		}
	}
	if (strbuf_is_bad(&euc))
		return false;
	return double_decode(arena, charset_canonical(SLICE("euc-cn")), strbuf_slice(&euc),
	                     strict ? ERROR_STRICT : ERROR_REPLACE, text_r);
}

static bool
decode_kind(struct arena *arena, const struct charset *charset, struct slice text, bool strict,
            struct slice *text_r)
{
	switch (charset->kind) {
	case KIND_UTF8:
		return utf8_convert(arena, text, strict, text_r);
	case KIND_ASCII:
	case KIND_SINGLE:
		return single_decode(arena, charset, text, strict, text_r);
	case KIND_UTF16:
	case KIND_UTF32:
		return wide_decode(arena, charset, text, strict, text_r);
	case KIND_UTF7:
		return utf7_decode(arena, text, text_r);
	case KIND_DOUBLE:
		return double_decode(arena, charset, text, strict ? ERROR_STRICT : ERROR_REPLACE,
		                     text_r);
	case KIND_JIS:
		return jis_decode(arena, text, text_r);
	case KIND_KR:
		return kr_decode(arena, text, text_r);
	case KIND_HZ:
		return hz_decode(arena, text, strict, text_r);
	}
	return false;
}

bool
charset_decode(struct arena *arena, const struct charset *charset, struct slice text, bool strict,
               struct slice *text_r)
{
	struct slice result = SLICE_NULL;

	if (!decode_kind(arena, charset, text, strict, &result))
		return false;
	*text_r = result.data == NULL ? SLICE("") : result;
	return true;
}

struct slice
latin1_to_utf8(struct arena *arena, struct slice text)
{
	struct strbuf out;

	if (bytes_are_ascii(text))
		return text;
	strbuf_init(&out, arena, 0);
	strbuf_reserve(&out, text.len + text.len / 2 + 16);
	for (size_t i = 0; i < text.len; i++)
		strbuf_add_utf8(&out, text.data[i]);
	return strbuf_is_bad(&out) ? text : strbuf_slice(&out);
}

/* A name of an extended ASCII whose text without 8-bit bytes needs no work. */
static bool
declares_extended_ascii(struct slice name)
{
	static const struct slice whole[] = {
		SLICE("us-ascii"), SLICE("ascii"),    SLICE("iso646-us"), SLICE("utf-8"),
		SLICE("utf8"),     SLICE("big5"),     SLICE("gbk"),       SLICE("gb18030"),
		SLICE("gb 18030"), SLICE("gb-18030"), SLICE("iso8859"),   SLICE("iso-8859"),
		SLICE("iso 8859"),
	};
	struct slice rest;

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (slice_ieq(name, whole[i]))
			return true;
	if (name.len == 12 && slice_istarts(name, SLICE("windows-"))) {
		rest = slice_from(name, 8);
		return slice_span(rest, "0123456789", 0) == SLICE_NPOS ||
		       slice_span(rest, "0123456789", 0) >= rest.len;
	}
	if ((slice_istarts(name, SLICE("koi8-")) && name.len <= 7 && name.len > 5) ||
	    (slice_istarts(name, SLICE("euc-")) && name.len <= 6 && name.len > 4))
		return byte_is_alpha(name.data[name.len - 1]);
	for (size_t i = 10; i < 13; i++) { /* iso8859-N, iso-8859-NN */
		if (!slice_istarts(name, whole[i]))
			continue;
		rest = slice_from(name, whole[i].len);
		if (rest.len >= 2 && rest.len <= 3 && rest.data[0] == '-' &&
		    byte_is_digit(rest.data[1]) && byte_is_digit(rest.data[rest.len - 1]))
			return true;
	}
	return false;
}

/* UTF-16 without a byte order mark: which bytes are zero more often, and where blanks stand. */
static const struct charset *
utf16_guess(struct slice text)
{
	unsigned long le = 0, be = 0, high_even = 0, high_odd = 0, low_even = 0, low_odd = 0;

	if (text.len >= 2 && ((text.data[0] == 0xff && text.data[1] == 0xfe) ||
	                      (text.data[0] == 0xfe && text.data[1] == 0xff)))
		return NULL;
	for (size_t i = 0; i < text.len; i += 2) {
		unsigned char a = text.data[i], b = i + 1 < text.len ? text.data[i + 1] : 0;

		high_even += a >> 4;
		high_odd += b >> 4;
		low_even += a & 15;
		low_odd += b & 15;
		le += a == 0x20 && b == 0;
		be += a == 0 && b == 0x20;
	}
	le += high_even + low_even > (high_odd + low_odd) * 4;
	be += (high_odd + low_odd) * 4 > high_even + low_even;
	if (le > be)
		return charset_find(SLICE("utf-16le"));
	return be > le ? charset_find(SLICE("utf-16be")) : NULL;
}

static const struct charset *
declared_charset(struct slice name)
{
	const struct charset *found;

	if (slice_ieq(name, SLICE("iso-8859-1")) || slice_ieq(name, SLICE("iso8859-1")) ||
	    slice_ieq(name, SLICE("windows-1252")) || slice_ieq(name, SLICE("cp1252")))
		return charset_find(SLICE("cp1252"));
	if (slice_ieq(name, SLICE("utf-8")) || slice_ieq(name, SLICE("utf8")))
		return charset_find(SLICE("utf-8-strict"));
	found = charset_find(name);
	if (found == NULL && slice_istarts(name, SLICE("gb"))) {
		struct slice rest = slice_from(name, 2);

		if (rest.len > 0 && (rest.data[0] == ' ' || rest.data[0] == '-'))
			rest = slice_from(rest, 1);
		if (slice_starts(rest, SLICE("18030")))
			return charset_find(SLICE("cp936"));
	}
	return found;
}

struct slice
charset_normalize(struct arena *arena, struct slice text, struct slice declared, bool insist,
                  bool *decoded_r)
{
	bool ascii = bytes_are_ascii(text), is_utf8_name, decoded, wants_bytes = decoded_r == NULL;
	const struct charset *charset = NULL;
	struct slice result;

	if (wants_bytes)
		decoded_r = &decoded;
	*decoded_r = false;
	if (ascii && declares_extended_ascii(declared))
		return text;
	if (!ascii && !insist && charset_is_utf8(text)) {
		*decoded_r = true;
		return text;
	}
	is_utf8_name = slice_ieq(declared, SLICE("utf-8")) || slice_ieq(declared, SLICE("utf8"));
	*decoded_r = true;
	if (!insist &&
	    (slice_ieq(declared, SLICE("us-ascii")) || slice_ieq(declared, SLICE("ascii"))))
		charset = NULL; /* known not to fit */
	else if (slice_istarts(declared, SLICE("utf16")) ||
	         slice_istarts(declared, SLICE("utf-16")) ||
	         slice_istarts(declared, SLICE("utf 16"))) {
		charset = utf16_guess(text);
		/* The reference hands the bytes back as they were when it wants bytes. */
		if (charset != NULL && charset_decode(arena, charset, text, true, &result))
			return wants_bytes ? text : result;
		charset = NULL;
	} else if (!(is_utf8_name && !ascii && !insist)) {
		charset = declared_charset(declared);
	}
	if (charset != NULL && charset->kind == KIND_UTF7 && !wants_bytes && !utf7_has_runs(text)) {
		*decoded_r = false; /* perl leaves such text as octets */
		return text;
	}
	if (charset != NULL && charset_decode(arena, charset, text, !insist, &result))
		return result;
	if (ascii) {
		*decoded_r = false;
		return text;
	}
	if (charset_decode(arena, charset_find(SLICE("cp1252")), text, false, &result))
		return result;
	*decoded_r = false;
	return text;
}
