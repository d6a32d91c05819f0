#include "rules/byte_set.h"

/*
 * General categories of Latin-1, one letter pair each; runs of equal category keep it short.
 * Source: Unicode 14 (Perl 5.36), code points 0-255.
 */
struct category_run {
	unsigned char first;
	unsigned char last;
	char name[3];
};
/* clang-format off */
static const struct category_run categories[] = {
	{ 0x00, 0x1f, "Cc" }, { 0x20, 0x20, "Zs" }, { 0x21, 0x23, "Po" }, { 0x24, 0x24, "Sc" },
	{ 0x25, 0x27, "Po" }, { 0x28, 0x28, "Ps" }, { 0x29, 0x29, "Pe" }, { 0x2a, 0x2a, "Po" },
	{ 0x2b, 0x2b, "Sm" }, { 0x2c, 0x2c, "Po" }, { 0x2d, 0x2d, "Pd" }, { 0x2e, 0x2f, "Po" },
	{ 0x30, 0x39, "Nd" }, { 0x3a, 0x3b, "Po" }, { 0x3c, 0x3e, "Sm" }, { 0x3f, 0x40, "Po" },
	{ 0x41, 0x5a, "Lu" }, { 0x5b, 0x5b, "Ps" }, { 0x5c, 0x5c, "Po" }, { 0x5d, 0x5d, "Pe" },
	{ 0x5e, 0x5e, "Sk" }, { 0x5f, 0x5f, "Pc" }, { 0x60, 0x60, "Sk" }, { 0x61, 0x7a, "Ll" },
	{ 0x7b, 0x7b, "Ps" }, { 0x7c, 0x7c, "Sm" }, { 0x7d, 0x7d, "Pe" }, { 0x7e, 0x7e, "Sm" },
	{ 0x7f, 0x9f, "Cc" }, { 0xa0, 0xa0, "Zs" }, { 0xa1, 0xa1, "Po" }, { 0xa2, 0xa5, "Sc" },
	{ 0xa6, 0xa6, "So" }, { 0xa7, 0xa7, "Po" }, { 0xa8, 0xa8, "Sk" }, { 0xa9, 0xa9, "So" },
	{ 0xaa, 0xaa, "Lo" }, { 0xab, 0xab, "Pi" }, { 0xac, 0xac, "Sm" }, { 0xad, 0xad, "Cf" },
	{ 0xae, 0xae, "So" }, { 0xaf, 0xaf, "Sk" }, { 0xb0, 0xb0, "So" }, { 0xb1, 0xb1, "Sm" },
	{ 0xb2, 0xb3, "No" }, { 0xb4, 0xb4, "Sk" }, { 0xb5, 0xb5, "Ll" }, { 0xb6, 0xb7, "Po" },
	{ 0xb8, 0xb8, "Sk" }, { 0xb9, 0xb9, "No" }, { 0xba, 0xba, "Lo" }, { 0xbb, 0xbb, "Pf" },
	{ 0xbc, 0xbe, "No" }, { 0xbf, 0xbf, "Po" }, { 0xc0, 0xd6, "Lu" }, { 0xd7, 0xd7, "Sm" },
	{ 0xd8, 0xde, "Lu" }, { 0xdf, 0xf6, "Ll" }, { 0xf7, 0xf7, "Sm" }, { 0xf8, 0xff, "Ll" },
};
/* Names that mean a general category, or several (first letters, comma separated). */
static const struct { const char *name; const char *of; } long_categories[] = {
	{ "letter", "L" }, { "uppercaseletter", "Lu" }, { "lowercaseletter", "Ll" },
	{ "titlecaseletter", "Lt" }, { "casedletter", "Lu,Ll,Lt" }, { "lc", "Lu,Ll,Lt" },
	{ "l&", "Lu,Ll,Lt" }, { "l_", "Lu,Ll,Lt" }, { "modifierletter", "Lm" },
	{ "otherletter", "Lo" }, { "mark", "M" }, { "nonspacingmark", "Mn" },
	{ "spacingmark", "Mc" }, { "enclosingmark", "Me" }, { "number", "N" },
	{ "decimalnumber", "Nd" }, { "digit", "Nd" }, { "letternumber", "Nl" },
	{ "othernumber", "No" }, { "punctuation", "P" }, { "punct", "P" },
	{ "connectorpunctuation", "Pc" }, { "dashpunctuation", "Pd" }, { "openpunctuation", "Ps" },
	{ "closepunctuation", "Pe" }, { "initialpunctuation", "Pi" }, { "finalpunctuation", "Pf" },
	{ "otherpunctuation", "Po" }, { "symbol", "S" }, { "mathsymbol", "Sm" },
	{ "currencysymbol", "Sc" }, { "modifiersymbol", "Sk" }, { "othersymbol", "So" },
	{ "separator", "Z" }, { "spaceseparator", "Zs" }, { "lineseparator", "Zl" },
	{ "paragraphseparator", "Zp" }, { "other", "C" }, { "control", "Cc" }, { "cntrl", "Cc" },
	{ "format", "Cf" }, { "surrogate", "Cs" }, { "privateuse", "Co" }, { "unassigned", "Cn" },
};
/* Scripts and blocks with no character below 0x100. */
static const char *const empty_scripts[] = {
	"arabic", "armenian", "bengali", "bopomofo", "braille", "cherokee", "coptic", "cyrillic",
	"devanagari", "ethiopic", "georgian", "greek", "gujarati", "gurmukhi", "han", "hangul",
	"hebrew", "hiragana", "inherited", "kannada", "katakana", "khmer", "lao", "malayalam",
	"mongolian", "myanmar", "oriya", "sinhala", "syriac", "tamil", "telugu", "thaana", "thai",
	"tibetan", "yi", "emojipresentation",
};
static const struct { const char *name; struct { unsigned char first, last; } run[6]; } sets[] = {
	{ "alpha", { { 'A', 'Z' }, { 'a', 'z' } } },
	{ "digit", { { '0', '9' } } },
	{ "alnum", { { 'A', 'Z' }, { 'a', 'z' }, { '0', '9' } } },
	{ "upper", { { 'A', 'Z' } } },
	{ "lower", { { 'a', 'z' } } },
	{ "space", { { ' ', ' ' }, { 9, 13 } } },
	{ "punct", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } } },
	{ "cntrl", { { 0, 31 }, { 127, 127 } } },
	{ "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } } },
	{ "word", { { 'A', 'Z' }, { 'a', 'z' }, { '0', '9' }, { '_', '_' } } },
	{ "print", { { ' ', '~' } } },
	{ "graph", { { '!', '~' } } },
	{ "blank", { { ' ', ' ' }, { 9, 9 } } },
	{ "ascii", { { 0, 127 } } },
};
/* clang-format on */

unsigned char
byte_other_case(unsigned char c, enum byte_charset charset)
{
	if (byte_is_alpha(c))
		return c ^ 0x20;
	if (charset != BYTE_D && c >= 0xc0 && (c & 0x1f) != 0x1f && (c & 0x1f) != 0x17)
		return c ^ 0x20;
	return c;
}

/* Upper-case letters are 32 bits below their partners, in one word each. */
static uint64_t
fold_word(uint64_t word, uint64_t upper)
{
	return word | (word & upper) << 32 | (word >> 32 & upper);
}

void
byte_set_fold(struct byte_set *set, enum byte_charset charset)
{
	set->bits[1] = fold_word(set->bits[1], 0x07fffffe);
	if (charset != BYTE_D) /* C0-DE without D7 */
		set->bits[3] = fold_word(set->bits[3], 0x7f7fffff);
}

static bool
category_is(unsigned c, const char *of)
{
	for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++) {
		if (c < categories[i].first || c > categories[i].last)
			continue;
		for (const char *p = of; *p != '\0'; p++) {
			if (p[0] == categories[i].name[0] &&
			    (p[1] == '\0' || p[1] == ',' || p[1] == categories[i].name[1]))
				return true;
			while (*p != '\0' && *p != ',')
				p++;
			if (*p == '\0')
				break;
		}
	}
	return false;
}

static void
unite_maybe_inverted(struct byte_set *set, struct byte_set *more, bool negated)
{
	if (negated)
		byte_set_invert(more);
	byte_set_unite(set, more);
}

static void
add_categories(struct byte_set *set, const char *of)
{
	for (unsigned c = 0; c < 256; c++)
		if (category_is(c, of))
			byte_set_add(set, c);
}

/* What the Latin-1 half adds to a POSIX class in Unicode. */
static void
add_unicode(struct byte_set *set, struct slice name)
{
	static const struct {
		const char *name;
		const char *of;
	} table[] = {
		{"alpha", "L"},          {"alnum", "L,Nd"}, {"upper", "Lu"},
		{"lower", "Ll,Lo"},      {"punct", "P"},    {"cntrl", "Cc"},
		{"word", "L,Nd,Pc"},     {"blank", "Zs"},   {"print", "L,N,P,S,Zs,Cf"},
		{"graph", "L,N,P,S,Cf"}, {"digit", "Nd"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (slice_eq(name, slice_from_cstr(table[i].name)))
			add_categories(set, table[i].of);
	if (slice_eq(name, SLICE("space"))) {
		byte_set_add(set, 0x85);
		byte_set_add(set, 0xa0);
	}
}

bool
byte_set_add_posix(struct byte_set *set, struct slice name, bool negated, bool fold,
                   enum byte_charset charset)
{
	struct byte_set more = {{0}};
	bool found = false;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]) && !found; i++) {
		if (!slice_eq(name, slice_from_cstr(sets[i].name)))
			continue;
		found = true;
		for (size_t k = 0; k < 6; k++)
			if (k == 0 || sets[i].run[k].last != 0)
				for (unsigned c = sets[i].run[k].first; c <= sets[i].run[k].last;
				     c++)
					byte_set_add(&more, c);
	}
	if (!found)
		return false;
	if (charset == BYTE_U)
		add_unicode(&more, name);
	if (fold)
		byte_set_fold(&more, charset);
	unite_maybe_inverted(set, &more, negated);
	return true;
}

bool
byte_set_add_escape(struct byte_set *set, unsigned char escape, enum byte_charset charset)
{
	struct byte_set more = {{0}};
	bool negated = byte_is_upper(escape);

	switch (byte_lower(escape)) {
	case 'd':
		return byte_set_add_posix(set, SLICE("digit"), negated, false, charset);
	case 'w':
		return byte_set_add_posix(set, SLICE("word"), negated, false, charset);
	case 's':
		return byte_set_add_posix(set, SLICE("space"), negated, false, charset);
	case 'h':
		byte_set_add(&more, ' ');
		byte_set_add(&more, '\t');
		byte_set_add(&more, 0xa0);
		break;
	case 'v':
		for (unsigned c = 10; c <= 13; c++)
			byte_set_add(&more, c);
		byte_set_add(&more, 0x85);
		break;
	case 'n':
		if (!negated)
			return false;
		byte_set_add(&more, '\n');
		break;
	default:
		return false;
	}
	unite_maybe_inverted(set, &more, negated);
	return true;
}

/* Lower case, without blanks, hyphens, underscores and a leading "is". */
static struct slice
loose_name(struct slice name, unsigned char *buf, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < name.len && n < size; i++)
		if (name.data[i] != ' ' && name.data[i] != '-' &&
		    (name.data[i] != '_' || name.len == 2))
			buf[n++] = byte_lower(name.data[i]);
	if (n > 2 && buf[0] == 'i' && buf[1] == 's')
		return slice_of(buf + 2, n - 2);
	return slice_of(buf, n);
}

static bool
property_category(struct byte_set *set, struct slice name, bool fold)
{
	char of[16];

	if (name.len <= 2 && name.len > 0 && strchr("lmnpszc", name.data[0]) != NULL) {
		static const char *const second[] = {"lultlmlo",       "mnmcme",   "ndnlno",
		                                     "pcpdpspepipfpo", "smscskso", "zszlzp",
		                                     "cccfcscocn"};
		bool ok = name.len == 1;
		for (size_t i = 0; i < 7 && !ok; i++)
			for (const char *p = second[i]; *p != '\0' && !ok; p += 2)
				ok = p[0] == name.data[0] && p[1] == name.data[1];
		ok = ok || (name.len == 2 && memcmp(name.data, "ll", 2) == 0);
		if (ok) {
			of[0] = (char)byte_upper(name.data[0]);
			of[1] = name.len == 2 ? (char)name.data[1] : '\0';
			of[2] = '\0';
			bool cased = fold && of[0] == 'L' && of[1] != '\0' &&
			             strchr("ult", of[1]) != NULL;
			add_categories(set, cased ? "Lu,Ll,Lt" : of);
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(long_categories) / sizeof(long_categories[0]); i++) {
		if (!slice_eq(name, slice_from_cstr(long_categories[i].name)))
			continue;
		const char *cat = long_categories[i].of;
		bool cased = fold && (strcmp(cat, "Lu") == 0 || strcmp(cat, "Ll") == 0 ||
		                      strcmp(cat, "Lt") == 0);
		add_categories(set, cased ? "Lu,Ll,Lt" : cat);
		return true;
	}
	return false;
}

static bool
property_set(struct byte_set *set, struct slice name, bool fold)
{
	if (property_category(set, name, fold))
		return true;
	if (slice_starts(name, SLICE("posix")) &&
	    byte_set_add_posix(set, slice_from(name, 5), false, fold, BYTE_AA))
		return true;
	if (slice_starts(name, SLICE("xposix")))
		return property_set(set, slice_from(name, 6), fold);
	if (slice_eq(name, SLICE("any")) || slice_eq(name, SLICE("assigned")) ||
	    slice_eq(name, SLICE("all")) || slice_eq(name, SLICE("latin1")) ||
	    slice_eq(name, SLICE("l1"))) {
		memset(set, 0xff, sizeof(*set));
		return true;
	}
	if (slice_eq(name, SLICE("latin"))) {
		add_categories(set, "L");
		set->bits[2] &= ~((uint64_t)1 << (0xb5 & 63));
		return true;
	}
	if (slice_eq(name, SLICE("common"))) {
		add_categories(set, "L");
		set->bits[2] &= ~((uint64_t)1 << (0xb5 & 63));
		byte_set_invert(set);
		return true;
	}
	if (slice_eq(name, SLICE("alphabetic")))
		name = SLICE("alpha");
	if (slice_eq(name, SLICE("whitespace")) || slice_eq(name, SLICE("spaceperl")) ||
	    slice_eq(name, SLICE("perlspace")))
		name = SLICE("space");
	if (slice_eq(name, SLICE("uppercase")))
		name = fold ? SLICE("cased") : SLICE("upper");
	if (slice_eq(name, SLICE("lowercase")))
		name = fold ? SLICE("cased") : SLICE("lower");
	if (slice_eq(name, SLICE("cased"))) {
		add_categories(set, "Lu,Ll,Lo");
		return true;
	}
	if (byte_set_add_posix(set, name, false, fold, BYTE_U))
		return true;
	for (size_t i = 0; i < sizeof(empty_scripts) / sizeof(empty_scripts[0]); i++)
		if (slice_eq(name, slice_from_cstr(empty_scripts[i])))
			return true;
	return false;
}

bool
byte_set_add_property(struct byte_set *set, struct slice name, bool negated, bool fold)
{
	unsigned char buf[64];
	struct byte_set more = {{0}};
	static const char *const prefixes[] = {"script=", "sc=", "scx=", "generalcategory=", "gc=",
	                                       "script:", "sc:", "gc:",  "category="};

	name = slice_trim(name);
	if (name.len == 0 || name.len >= sizeof(buf))
		return false;
	name = loose_name(name, buf, sizeof(buf));
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (slice_starts(name, slice_from_cstr(prefixes[i])))
			name = slice_from(name, strlen(prefixes[i]));
	if (!property_set(&more, name, fold))
		return false;
	unite_maybe_inverted(set, &more, negated);
	return true;
}

int
byte_char_name(struct slice name)
{
	/* clang-format off */
	static const struct { const char *name; unsigned char c; } names[] = {
		{ "SPACE", ' ' }, { "NO-BREAK SPACE", 0xa0 }, { "SOFT HYPHEN", 0xad },
		{ "HYPHEN-MINUS", '-' }, { "FULL STOP", '.' }, { "COMMA", ',' }, { "COLON", ':' },
		{ "SEMICOLON", ';' }, { "SOLIDUS", '/' }, { "REVERSE SOLIDUS", '\\' },
		{ "COMMERCIAL AT", '@' }, { "NUMBER SIGN", '#' }, { "DOLLAR SIGN", '$' },
		{ "PERCENT SIGN", '%' }, { "AMPERSAND", '&' }, { "APOSTROPHE", '\'' },
		{ "QUOTATION MARK", '"' }, { "EXCLAMATION MARK", '!' }, { "QUESTION MARK", '?' },
		{ "ASTERISK", '*' }, { "PLUS SIGN", '+' }, { "EQUALS SIGN", '=' },
		{ "LOW LINE", '_' }, { "TILDE", '~' }, { "VERTICAL LINE", '|' },
		{ "POUND SIGN", 0xa3 }, { "YEN SIGN", 0xa5 }, { "CENT SIGN", 0xa2 },
		{ "COPYRIGHT SIGN", 0xa9 }, { "REGISTERED SIGN", 0xae }, { "DEGREE SIGN", 0xb0 },
		{ "DIGIT ZERO", '0' }, { "DIGIT ONE", '1' }, { "DIGIT TWO", '2' },
		{ "DIGIT THREE", '3' }, { "DIGIT FOUR", '4' }, { "DIGIT FIVE", '5' },
		{ "DIGIT SIX", '6' }, { "DIGIT SEVEN", '7' }, { "DIGIT EIGHT", '8' },
		{ "DIGIT NINE", '9' },
	};
	/* clang-format on */

	if (name.len == 22 && slice_starts(name, SLICE("LATIN CAPITAL LETTER ")))
		return name.data[21];
	if (name.len == 20 && slice_starts(name, SLICE("LATIN SMALL LETTER ")))
		return byte_lower(name.data[19]);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(name, slice_from_cstr(names[i].name)))
			return names[i].c;
	return -1;
}
