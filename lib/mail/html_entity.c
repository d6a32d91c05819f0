/*
 * html_entity.c - character references
 */
#include "mail/html_entity.h"

#include "util/strbuf.h"
#include "util/utf8.h"

/* Sorted; a name that ends in ";" needs it, the others go without. */
static const struct entity {
	const char *name;
	unsigned code;
} entities[] = {
	/* clang-format off */
	{ "AElig", 0xc6 },
	{ "Aacute", 0xc1 },
	{ "Acirc", 0xc2 },
	{ "Agrave", 0xc0 },
	{ "Alpha;", 0x391 },
	{ "Aring", 0xc5 },
	{ "Atilde", 0xc3 },
	{ "Auml", 0xc4 },
	{ "Beta;", 0x392 },
	{ "Ccedil", 0xc7 },
	{ "Chi;", 0x3a7 },
	{ "Dagger;", 0x2021 },
	{ "Delta;", 0x394 },
	{ "ETH", 0xd0 },
	{ "Eacute", 0xc9 },
	{ "Ecirc", 0xca },
	{ "Egrave", 0xc8 },
	{ "Epsilon;", 0x395 },
	{ "Eta;", 0x397 },
	{ "Euml", 0xcb },
	{ "Gamma;", 0x393 },
	{ "Iacute", 0xcd },
	{ "Icirc", 0xce },
	{ "Igrave", 0xcc },
	{ "Iota;", 0x399 },
	{ "Iuml", 0xcf },
	{ "Kappa;", 0x39a },
	{ "Lambda;", 0x39b },
	{ "Mu;", 0x39c },
	{ "Ntilde", 0xd1 },
	{ "Nu;", 0x39d },
	{ "OElig;", 0x152 },
	{ "Oacute", 0xd3 },
	{ "Ocirc", 0xd4 },
	{ "Ograve", 0xd2 },
	{ "Omega;", 0x3a9 },
	{ "Omicron;", 0x39f },
	{ "Oslash", 0xd8 },
	{ "Otilde", 0xd5 },
	{ "Ouml", 0xd6 },
	{ "Phi;", 0x3a6 },
	{ "Pi;", 0x3a0 },
	{ "Prime;", 0x2033 },
	{ "Psi;", 0x3a8 },
	{ "Rho;", 0x3a1 },
	{ "Scaron;", 0x160 },
	{ "Sigma;", 0x3a3 },
	{ "THORN", 0xde },
	{ "Tau;", 0x3a4 },
	{ "Theta;", 0x398 },
	{ "Uacute", 0xda },
	{ "Ucirc", 0xdb },
	{ "Ugrave", 0xd9 },
	{ "Upsilon;", 0x3a5 },
	{ "Uuml", 0xdc },
	{ "Xi;", 0x39e },
	{ "Yacute", 0xdd },
	{ "Yuml;", 0x178 },
	{ "Zeta;", 0x396 },
	{ "aacute", 0xe1 },
	{ "acirc", 0xe2 },
	{ "acute", 0xb4 },
	{ "aelig", 0xe6 },
	{ "agrave", 0xe0 },
	{ "alefsym;", 0x2135 },
	{ "alpha;", 0x3b1 },
	{ "amp", 0x26 },
	{ "and;", 0x2227 },
	{ "ang;", 0x2220 },
	{ "apos", 0x27 },
	{ "aring", 0xe5 },
	{ "asymp;", 0x2248 },
	{ "atilde", 0xe3 },
	{ "auml", 0xe4 },
	{ "bdquo;", 0x201e },
	{ "beta;", 0x3b2 },
	{ "brvbar", 0xa6 },
	{ "bull;", 0x2022 },
	{ "cap;", 0x2229 },
	{ "ccedil", 0xe7 },
	{ "cedil", 0xb8 },
	{ "cent", 0xa2 },
	{ "chi;", 0x3c7 },
	{ "circ;", 0x2c6 },
	{ "clubs;", 0x2663 },
	{ "cong;", 0x2245 },
	{ "copy", 0xa9 },
	{ "crarr;", 0x21b5 },
	{ "cup;", 0x222a },
	{ "curren", 0xa4 },
	{ "dArr;", 0x21d3 },
	{ "dagger;", 0x2020 },
	{ "darr;", 0x2193 },
	{ "deg", 0xb0 },
	{ "delta;", 0x3b4 },
	{ "diams;", 0x2666 },
	{ "divide", 0xf7 },
	{ "eacute", 0xe9 },
	{ "ecirc", 0xea },
	{ "egrave", 0xe8 },
	{ "empty;", 0x2205 },
	{ "emsp;", 0x2003 },
	{ "ensp;", 0x2002 },
	{ "epsilon;", 0x3b5 },
	{ "equiv;", 0x2261 },
	{ "eta;", 0x3b7 },
	{ "eth", 0xf0 },
	{ "euml", 0xeb },
	{ "euro;", 0x20ac },
	{ "exist;", 0x2203 },
	{ "fnof;", 0x192 },
	{ "forall;", 0x2200 },
	{ "frac12", 0xbd },
	{ "frac14", 0xbc },
	{ "frac34", 0xbe },
	{ "frasl;", 0x2044 },
	{ "gamma;", 0x3b3 },
	{ "ge;", 0x2265 },
	{ "gt", 0x3e },
	{ "hArr;", 0x21d4 },
	{ "harr;", 0x2194 },
	{ "hearts;", 0x2665 },
	{ "hellip;", 0x2026 },
	{ "iacute", 0xed },
	{ "icirc", 0xee },
	{ "iexcl", 0xa1 },
	{ "igrave", 0xec },
	{ "image;", 0x2111 },
	{ "infin;", 0x221e },
	{ "int;", 0x222b },
	{ "iota;", 0x3b9 },
	{ "iquest", 0xbf },
	{ "isin;", 0x2208 },
	{ "iuml", 0xef },
	{ "kappa;", 0x3ba },
	{ "lArr;", 0x21d0 },
	{ "lambda;", 0x3bb },
	{ "lang;", 0x2329 },
	{ "laquo", 0xab },
	{ "larr;", 0x2190 },
	{ "lceil;", 0x2308 },
	{ "ldquo;", 0x201c },
	{ "le;", 0x2264 },
	{ "lfloor;", 0x230a },
	{ "lowast;", 0x2217 },
	{ "loz;", 0x25ca },
	{ "lrm;", 0x200e },
	{ "lsaquo;", 0x2039 },
	{ "lsquo;", 0x2018 },
	{ "lt", 0x3c },
	{ "macr", 0xaf },
	{ "mdash;", 0x2014 },
	{ "micro", 0xb5 },
	{ "middot", 0xb7 },
	{ "minus;", 0x2212 },
	{ "mu;", 0x3bc },
	{ "nabla;", 0x2207 },
	{ "nbsp", 0xa0 },
	{ "ndash;", 0x2013 },
	{ "ne;", 0x2260 },
	{ "ni;", 0x220b },
	{ "not", 0xac },
	{ "notin;", 0x2209 },
	{ "nsub;", 0x2284 },
	{ "ntilde", 0xf1 },
	{ "nu;", 0x3bd },
	{ "oacute", 0xf3 },
	{ "ocirc", 0xf4 },
	{ "oelig;", 0x153 },
	{ "ograve", 0xf2 },
	{ "oline;", 0x203e },
	{ "omega;", 0x3c9 },
	{ "omicron;", 0x3bf },
	{ "oplus;", 0x2295 },
	{ "or;", 0x2228 },
	{ "ordf", 0xaa },
	{ "ordm", 0xba },
	{ "oslash", 0xf8 },
	{ "otilde", 0xf5 },
	{ "otimes;", 0x2297 },
	{ "ouml", 0xf6 },
	{ "para", 0xb6 },
	{ "part;", 0x2202 },
	{ "permil;", 0x2030 },
	{ "perp;", 0x22a5 },
	{ "phi;", 0x3c6 },
	{ "pi;", 0x3c0 },
	{ "piv;", 0x3d6 },
	{ "plusmn", 0xb1 },
	{ "pound", 0xa3 },
	{ "prime;", 0x2032 },
	{ "prod;", 0x220f },
	{ "prop;", 0x221d },
	{ "psi;", 0x3c8 },
	{ "quot", 0x22 },
	{ "rArr;", 0x21d2 },
	{ "radic;", 0x221a },
	{ "rang;", 0x232a },
	{ "raquo", 0xbb },
	{ "rarr;", 0x2192 },
	{ "rceil;", 0x2309 },
	{ "rdquo;", 0x201d },
	{ "real;", 0x211c },
	{ "reg", 0xae },
	{ "rfloor;", 0x230b },
	{ "rho;", 0x3c1 },
	{ "rlm;", 0x200f },
	{ "rsaquo;", 0x203a },
	{ "rsquo;", 0x2019 },
	{ "sbquo;", 0x201a },
	{ "scaron;", 0x161 },
	{ "sdot;", 0x22c5 },
	{ "sect", 0xa7 },
	{ "shy", 0xad },
	{ "sigma;", 0x3c3 },
	{ "sigmaf;", 0x3c2 },
	{ "sim;", 0x223c },
	{ "spades;", 0x2660 },
	{ "sub;", 0x2282 },
	{ "sube;", 0x2286 },
	{ "sum;", 0x2211 },
	{ "sup1", 0xb9 },
	{ "sup2", 0xb2 },
	{ "sup3", 0xb3 },
	{ "sup;", 0x2283 },
	{ "supe;", 0x2287 },
	{ "szlig", 0xdf },
	{ "tau;", 0x3c4 },
	{ "there4;", 0x2234 },
	{ "theta;", 0x3b8 },
	{ "thetasym;", 0x3d1 },
	{ "thinsp;", 0x2009 },
	{ "thorn", 0xfe },
	{ "tilde;", 0x2dc },
	{ "times", 0xd7 },
	{ "trade;", 0x2122 },
	{ "uArr;", 0x21d1 },
	{ "uacute", 0xfa },
	{ "uarr;", 0x2191 },
	{ "ucirc", 0xfb },
	{ "ugrave", 0xf9 },
	{ "uml", 0xa8 },
	{ "upsih;", 0x3d2 },
	{ "upsilon;", 0x3c5 },
	{ "uuml", 0xfc },
	{ "weierp;", 0x2118 },
	{ "xi;", 0x3be },
	{ "yacute", 0xfd },
	{ "yen", 0xa5 },
	{ "yuml", 0xff },
	{ "zeta;", 0x3b6 },
	{ "zwj;", 0x200d },
	{ "zwnj;", 0x200c },
	/* clang-format on */
};

#define ENTITY_NAME_MAX 9

struct decoder {
	struct slice text;
	size_t at;
	struct strbuf out;
	bool utf8;
	bool prefixes;
	unsigned long high_surrogate;
};

static unsigned
entity_find(struct slice name)
{
	size_t low = 0, high = sizeof(entities) / sizeof(*entities);

	if (name.len == 0 || name.len > ENTITY_NAME_MAX)
		return 0;
	while (low < high) {
		size_t mid = (low + high) / 2;
		int r = slice_cmp(name, slice_from_cstr(entities[mid].name));

		if (r == 0)
			return entities[mid].code;
		if (r < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return 0;
}

/* From here on the output is UTF-8: what was written as octets is converted. */
static void
decoder_widen(struct decoder *d, struct arena *arena)
{
	struct slice done = strbuf_slice(&d->out), rest = slice_from(d->text, d->at), wide;

	d->utf8 = true;
	wide = html_latin1_to_utf8(arena, done);
	if (wide.data != done.data) {
		d->out.len = 0;
		strbuf_add(&d->out, wide);
	}
	d->text = html_latin1_to_utf8(arena, rest);
	d->at = 0;
}

/* "#123" or "#x1f"; 0 when it is no number in range.  Surrogates are paired here. */
static bool
decode_number(struct decoder *d, unsigned long *code_r)
{
	struct slice s = d->text;
	unsigned long num = 0;
	bool ok = false;
	bool hex = ++d->at < s.len && (s.data[d->at] == 'x' || s.data[d->at] == 'X');

	d->at += hex;
	while (d->at < s.len) {
		int digit = byte_hex_value(s.data[d->at]);

		/* strchr() on the digits finds the final NUL too: a NUL byte counts as 0. */
		if (hex && s.data[d->at] == '\0')
			digit = 0;
		if (digit < 0 || (!hex && digit > 9))
			break;
		num = hex ? num << 4 | (unsigned long)digit : num * 10 + (unsigned long)digit;
		ok = num <= 0x10ffff;
		if (!ok)
			break;
		d->at++;
	}
	*code_r = num;
	return ok && num != 0;
}

/* Replaces what stands for no character; false = leave the text alone. */
static bool
fix_number(struct decoder *d, unsigned long *code)
{
	unsigned long num = *code;

	if (!d->utf8 && num <= 255)
		return true;
	if (num == 0xfffe || num == 0xffff)
		return false;
	if ((num & 0x1ffc00) == 0xdc00) {
		if (d->high_surrogate != 0) {
			if (d->out.len >= 3)
				d->out.len -= 3;
			num = ((d->high_surrogate - 0xd800) << 10) + (num - 0xdc00) + 0x10000;
			d->high_surrogate = 0;
		} else {
			num = 0xfffd;
		}
	} else if ((num & 0x1ffc00) == 0xd800) {
		d->high_surrogate = num;
		num = 0xfffd;
	} else {
		d->high_surrogate = 0;
		if ((num >= 0xfdd0 && num <= 0xfdef) || (num & 0xfffe) == 0xfffe)
			num = 0xfffd;
	}
	*code = num;
	return true;
}

static bool
decode_name(struct decoder *d, unsigned long *code_r)
{
	size_t begin = d->at, len;
	struct slice name;
	unsigned code;

	while (d->at < d->text.len && byte_is_alnum(d->text.data[d->at]))
		d->at++;
	d->high_surrogate = 0;
	name = slice_sub(d->text, begin, d->at - begin);
	code = entity_find(name);
	if (code == 0 && d->at < d->text.len && d->text.data[d->at] == ';' && name.len > 0)
		code = entity_find(slice_sub(d->text, begin, name.len + 1));
	if (code == 0 && d->prefixes && name.len > 1) {
		len = name.len - 1 < ENTITY_NAME_MAX ? name.len - 1 : ENTITY_NAME_MAX;
		for (; len > 1 && code == 0; len--) {
			code = entity_find(slice_sub(name, 0, len));
			if (code != 0)
				d->at = begin + len;
		}
	}
	*code_r = code;
	return code != 0;
}

static void
decode_one(struct decoder *d, struct arena *arena)
{
	size_t begin = d->at++; /* at "&" */
	unsigned long code = 0;
	bool found;

	if (d->at < d->text.len && d->text.data[d->at] == '#')
		found = decode_number(d, &code) && fix_number(d, &code);
	else
		found = decode_name(d, &code);
	if (!found) {
		strbuf_add(&d->out, slice_sub(d->text, begin, d->at - begin));
		return;
	}
	if (d->at < d->text.len && d->text.data[d->at] == ';')
		d->at++;
	if (d->at >= d->text.len || d->text.data[d->at] != '&')
		d->high_surrogate = 0;
	if (!d->utf8 && code > 255)
		decoder_widen(d, arena);
	if (d->utf8)
		strbuf_add_utf8(&d->out, code);
	else
		strbuf_add_byte(&d->out, (unsigned char)code);
}

struct slice
html_latin1_to_utf8(struct arena *arena, struct slice text)
{
	struct strbuf out;
	size_t high = 0;

	for (size_t i = 0; i < text.len; i++)
		high += text.data[i] >> 7;
	if (high == 0)
		return text;
	strbuf_init(&out, arena, 0);
	(void)strbuf_reserve(&out, text.len + high);
	for (size_t i = 0; i < text.len; i++)
		strbuf_add_utf8(&out, text.data[i]);
	return strbuf_slice(&out);
}

struct html_string
html_entities_decode(struct arena *arena, struct slice text, const struct html_options *options,
                     bool prefixes)
{
	struct decoder d = {.text = text, .prefixes = prefixes};
	struct html_string result;

	/* Octets are taken for UTF-8; where they are none, for Latin-1. */
	d.utf8 = options->wide || !options->characters;
	if (!options->characters && !utf8_is_lax(text))
		d.text = html_latin1_to_utf8(arena, text);
	if (!slice_has_byte(d.text, '&'))
		return (struct html_string){d.text, options->wide};
	strbuf_init(&d.out, arena, 0);
	(void)strbuf_reserve(&d.out, d.text.len + 8);
	while (d.at < d.text.len) {
		size_t amp = slice_find_byte(d.text, '&', d.at);

		if (amp == SLICE_NPOS)
			amp = d.text.len;
		strbuf_add(&d.out, slice_sub(d.text, d.at, amp - d.at));
		d.at = amp;
		if (amp < d.text.len)
			decode_one(&d, arena);
	}
	result.text = strbuf_slice(&d.out);
	result.wide = options->characters && d.utf8;
	return result;
}
