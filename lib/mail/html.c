/*
 * html.c - HTML to text and facts
 */
#include "mail/html.h"

#include "mail/html_entity.h"
#include "mail/html_link.h"
#include "mail/html_parser.h"
#include "mail/html_style.h"
#include "mail/uri.h"
#include "util/strbuf.h"
#include "util/utf8.h"

enum tag_space { SPACE_NONE, SPACE_BREAK, SPACE_BLANK, SPACE_PARAGRAPH };

#define TAG_ELEMENT 1u /* an element of HTML 4 */
#define TAG_TRICK 2u   /* rendered, but not counted as an element */
#define TAG_URI_NONE HTML_URI_TYPES

enum tag_id {
	TAG_OTHER,
	TAG_A,
	TAG_BODY,
	TAG_EMBED,
	TAG_FONT,
	TAG_FORM,
	TAG_HTML,
	TAG_IMG,
	TAG_META,
	TAG_OBJECT,
	TAG_SCRIPT,
	TAG_STYLE,
	TAG_TITLE
};

struct tag {
	const char *name;
	unsigned flags;
	enum tag_id id;
	enum style_tag style;
	enum tag_space space;
	enum html_uri_type uri;
};

#define E(n)                                                                                       \
	{                                                                                          \
#n, TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, TAG_URI_NONE                   \
	}
#define W(n, space)                                                                                \
	{                                                                                          \
#n, TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_##space, TAG_URI_NONE                \
	}
/* Sorted by name. */
static const struct tag tags[] = {
	/* clang-format off */
	{ "a", TAG_ELEMENT, TAG_A, STYLE_A, SPACE_NONE, HTML_URI_A },
	E(abbr), E(acronym), E(address), E(applet),
	{ "area", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, HTML_URI_AREA },
	E(b),
	{ "base", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, HTML_URI_BASE },
	{ "basefont", TAG_ELEMENT, TAG_OTHER, STYLE_BASEFONT, SPACE_NONE, TAG_URI_NONE },
	E(bdo),
	{ "bgsound", TAG_TRICK, TAG_OTHER, STYLE_NONE, SPACE_NONE, HTML_URI_BGSOUND },
	{ "big", TAG_ELEMENT, TAG_OTHER, STYLE_BIG, SPACE_NONE, TAG_URI_NONE },
	W(blockquote, PARAGRAPH),
	{ "body", TAG_ELEMENT, TAG_BODY, STYLE_BODY, SPACE_NONE, HTML_URI_BODY },
	W(br, BREAK),
	E(button), E(caption), E(center), E(cite), E(code), E(col), E(colgroup),
	W(dd, BLANK), E(del), E(dfn), E(dir),
	{ "div", TAG_ELEMENT, TAG_OTHER, STYLE_DIV, SPACE_BREAK, TAG_URI_NONE },
	E(dl), W(dt, BLANK), E(em),
	{ "embed", TAG_TRICK, TAG_EMBED, STYLE_NONE, SPACE_BLANK, HTML_URI_EMBED },
	E(fieldset),
	{ "font", TAG_ELEMENT, TAG_FONT, STYLE_FONT, SPACE_NONE, TAG_URI_NONE },
	{ "form", TAG_ELEMENT, TAG_FORM, STYLE_NONE, SPACE_NONE, HTML_URI_FORM },
	{ "frame", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, HTML_URI_FRAME },
	E(frameset),
	W(h1, BLANK), W(h2, BLANK), W(h3, BLANK), W(h4, BLANK), W(h5, BLANK), W(h6, BLANK),
	E(head), W(hr, PARAGRAPH),
	{ "html", TAG_ELEMENT, TAG_HTML, STYLE_NONE, SPACE_NONE, TAG_URI_NONE },
	E(i),
	{ "iframe", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, HTML_URI_IFRAME },
	{ "img", TAG_ELEMENT, TAG_IMG, STYLE_NONE, SPACE_NONE, HTML_URI_IMG },
	E(input), E(ins), E(isindex), E(kbd), E(label), E(legend), W(li, BLANK),
	{ "link", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, HTML_URI_LINK },
	{ "listing", TAG_TRICK, TAG_OTHER, STYLE_NONE, SPACE_PARAGRAPH, TAG_URI_NONE },
	E(map),
	{ "marquee", 0, TAG_OTHER, STYLE_MARQUEE, SPACE_NONE, TAG_URI_NONE },
	E(menu),
	{ "meta", TAG_ELEMENT, TAG_META, STYLE_NONE, SPACE_NONE, HTML_URI_META },
	E(nobr), E(noframes), E(noscript),
	{ "object", TAG_ELEMENT, TAG_OBJECT, STYLE_NONE, SPACE_NONE, TAG_URI_NONE },
	E(ol), E(optgroup), E(option),
	{ "p", TAG_ELEMENT, TAG_OTHER, STYLE_P, SPACE_PARAGRAPH, TAG_URI_NONE },
	E(param),
	{ "plaintext", TAG_TRICK, TAG_OTHER, STYLE_NONE, SPACE_PARAGRAPH, TAG_URI_NONE },
	W(pre, PARAGRAPH), E(q), E(s), E(samp),
	{ "script", TAG_ELEMENT, TAG_SCRIPT, STYLE_NONE, SPACE_NONE, HTML_URI_SCRIPT },
	E(select),
	{ "small", TAG_ELEMENT, TAG_OTHER, STYLE_SMALL, SPACE_NONE, TAG_URI_NONE },
	{ "span", TAG_ELEMENT, TAG_OTHER, STYLE_SPAN, SPACE_NONE, TAG_URI_NONE },
	E(strike), E(strong),
	{ "style", TAG_ELEMENT, TAG_STYLE, STYLE_NONE, SPACE_NONE, TAG_URI_NONE },
	E(sub), E(sup),
	{ "table", TAG_ELEMENT, TAG_OTHER, STYLE_TABLE, SPACE_NONE, HTML_URI_TABLE },
	E(tbody),
	{ "td", TAG_ELEMENT, TAG_OTHER, STYLE_TD, SPACE_BLANK, HTML_URI_TD },
	E(textarea), E(tfoot),
	{ "th", TAG_ELEMENT, TAG_OTHER, STYLE_TD, SPACE_BLANK, TAG_URI_NONE },
	E(thead),
	{ "title", TAG_ELEMENT, TAG_TITLE, STYLE_NONE, SPACE_PARAGRAPH, TAG_URI_NONE },
	{ "tr", TAG_ELEMENT, TAG_OTHER, STYLE_TR, SPACE_NONE, HTML_URI_TR },
	E(tt), E(u), E(ul), E(var),
	{ "x-sigsep", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, TAG_URI_NONE },
	{ "x-tab", TAG_ELEMENT, TAG_OTHER, STYLE_NONE, SPACE_NONE, TAG_URI_NONE },
	{ "xmp", TAG_TRICK, TAG_OTHER, STYLE_NONE, SPACE_PARAGRAPH, TAG_URI_NONE },
	/* clang-format on */
};
#undef E
#undef W

/* Attributes that anybody reads. */
enum attr_id {
	ATTR_ACTION,
	ATTR_BACKGROUND,
	ATTR_COLOR,
	ATTR_CONTENT,
	ATTR_SAFE_REDIRECT,
	ATTR_FACE,
	ATTR_HEIGHT,
	ATTR_HREF,
	ATTR_HTTP_EQUIV,
	ATTR_SIZE,
	ATTR_SRC,
	ATTR_STYLE,
	ATTR_TEXT,
	ATTR_WIDTH,
	ATTR_COUNT
};

static const char *const attr_names[ATTR_COUNT] = {
	"action", "background", "color", "content",    "data-saferedirecturl",
	"face",   "height",     "href",  "http-equiv", "size",
	"src",    "style",      "text",  "width",
};

/* Text of one tag name over the document; `open` first: html_result.inside points to it. */
struct tag_state {
	long open;
	const struct tag *tag; /* NULL = unknown */
	bool is_namespace;     /* o:p, st1:place */
};

struct piece {
	struct html_string string;
	bool whitespace, invisible;
};

struct anchor {
	struct strbuf text;
	bool wide;
};

struct renderer {
	struct arena *arena;
	const struct html_options *options;
	struct html_result *result;
	struct html_styles styles;
	VEC(struct piece) pieces;
	struct hashmap uris; /* raw -> struct html_uri */
	VEC(struct anchor) anchors;
	VEC(struct html_uri *) anchor_uris; /* of each anchor */
	VEC(struct strbuf) titles;
	VEC(bool) title_wide;
	struct tag_state *a, *script, *style, *title;
	struct slice base;
	double tag_count, element_count, tags_seen, elements_seen, closed_extra, obfuscation;
	bool any_element, any_seen_element;
	unsigned char backhair[8]; /* bit n of [m]: m bytes before, n behind */
	bool limited;
};

static const struct html_string no_string = {{NULL, 0}, false};

const char *
html_uri_type_name(enum html_uri_type type)
{
	static const char *const names[] = {"body", "table", "tr",      "td",     "a",     "area",
	                                    "link", "img",   "frame",   "iframe", "embed", "script",
	                                    "form", "base",  "bgsound", "meta"};

	return type < HTML_URI_TYPES ? names[type] : "";
}

static bool
is_space_code(unsigned long code, bool wide)
{
	return wide ? utf8_is_space(code) : code < 0x80 && byte_is_space((unsigned char)code);
}

static bool
is_word_code(unsigned long code, bool wide)
{
	return wide ? utf8_is_word(code) : code < 0x80 && byte_is_word((unsigned char)code);
}

static size_t
next_char(struct html_string s, size_t at, unsigned long *code_r)
{
	if (s.wide)
		return utf8_decode(s.text, at, code_r);
	*code_r = s.text.data[at];
	return 1;
}

static size_t
char_before(struct html_string s, size_t end, unsigned long *code_r)
{
	if (s.wide)
		return utf8_before(s.text, end, code_r);
	*code_r = s.text.data[end - 1];
	return end - 1;
}

/* Neither a blank nor ASCII punctuation. */
static bool
is_letter_like(unsigned long code, bool wide)
{
	if (code < 0x80)
		return byte_is_alnum((unsigned char)code) ||
		       (code < 0x20 && !byte_is_space((unsigned char)code)) || code == 0x7f;
	return !is_space_code(code, wide);
}

static struct slice
tag_name(const struct tag *tag)
{
	return slice_from_cstr(tag->name);
}

static const struct tag *
tag_find(struct slice name)
{
	size_t low = 0, high = sizeof(tags) / sizeof(*tags);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int r = slice_cmp(name, tag_name(&tags[mid]));

		if (r == 0)
			return &tags[mid];
		if (r < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return NULL;
}

/* "o:" or "st" digit ":", then word characters and "-", then perhaps "/". */
static bool
is_namespace_tag(struct html_string name)
{
	struct slice s = name.text;
	size_t at, begin;

	if (slice_starts(s, SLICE("o:")))
		at = 2;
	else if (slice_starts(s, SLICE("st")) && s.len > 4 && byte_is_digit(s.data[2]) &&
	         s.data[3] == ':')
		at = 4;
	else
		return false;
	begin = at;
	while (at < s.len) {
		unsigned long code;
		size_t len = next_char(name, at, &code);

		if (!is_word_code(code, name.wide) && code != '-')
			break;
		at += len;
	}
	return at > begin && (at == s.len || (at + 1 == s.len && s.data[at] == '/'));
}

static struct tag_state *
tag_state_of(struct renderer *r, struct slice name, bool *added_r)
{
	struct hashmap_entry *entry = hashmap_put(&r->result->inside, name, added_r);
	struct tag_state *state;

	if (entry == NULL)
		return NULL;
	if (!*added_r)
		return entry->value;
	state = arena_new(r->arena, struct tag_state);
	if (state == NULL)
		return NULL;
	entry->value = state;
	state->tag = tag_find(name);
	state->is_namespace = is_namespace_tag((struct html_string){name, r->options->wide});
	if (state->tag != NULL) {
		enum tag_id id = state->tag->id;
		struct tag_state **slot = id == TAG_A        ? &r->a
		                          : id == TAG_SCRIPT ? &r->script
		                          : id == TAG_STYLE  ? &r->style
		                          : id == TAG_TITLE  ? &r->title
		                                             : NULL;

		if (slot != NULL)
			*slot = state;
	}
	return state;
}

static bool
is_inside(const struct tag_state *state)
{
	return state != NULL && state->open > 0;
}

/* Blanks and no-break spaces off both ends; at most URI_MAX_BYTES characters. */
static struct html_string
canonical_uri(struct renderer *r, struct html_string uri)
{
	struct slice *s = &uri.text;
	unsigned long code;
	size_t len;

	while (s->len > 0) {
		len = next_char(uri, 0, &code);
		if (!is_space_code(code, uri.wide) && code != 0xa0)
			break;
		*s = slice_from(*s, len);
	}
	while (s->len > 0) {
		len = char_before(uri, s->len, &code);
		if (!is_space_code(code, uri.wide) && code != 0xa0)
			break;
		s->len = len;
	}
	if (s->len <= URI_MAX_BYTES || (uri.wide && utf8_count(*s) <= URI_MAX_BYTES))
		return uri;
	r->result->uri_truncated = true;
	len = 0;
	for (int i = 0; i < URI_MAX_BYTES && len < s->len; i++)
		len += next_char(uri, len, &code);
	s->len = len;
	return uri;
}

static struct html_uri *
uri_of(struct renderer *r, struct html_string raw)
{
	struct hashmap_entry *entry;
	struct html_uri *uri;
	bool added;

	entry = hashmap_put(&r->uris, raw.text.data == NULL ? SLICE("") : raw.text, &added);
	if (entry == NULL)
		return NULL;
	if (!added)
		return entry->value;
	uri = arena_new(r->arena, struct html_uri);
	if (uri == NULL)
		return NULL;
	uri->raw = (struct html_string){entry->key, raw.wide};
	entry->value = uri;
	(void)vec_push(r->arena, &r->result->uris, uri);
	return uri;
}

static bool
has_scheme(struct slice uri)
{
	return slice_istarts(uri, SLICE("data:")) || slice_istarts(uri, SLICE("mailto:")) ||
	       slice_istarts(uri, SLICE("file:")) || slice_istarts(uri, SLICE("cid:")) ||
	       slice_istarts(uri, SLICE("tel:"));
}

static void
push_uri(struct renderer *r, enum html_uri_type type, struct html_string uri)
{
	struct html_uri *entry;

	uri = canonical_uri(r, uri);
	if (uri.text.len == 0)
		return;
	if (!has_scheme(uri.text)) {
		uri.text = html_link_resolve(r->arena, r->base, uri.text);
		if (uri.text.len == 0)
			return;
	}
	entry = uri_of(r, uri);
	if (entry != NULL)
		entry->types |= 1u << type;
}

static void
push_base(struct renderer *r, struct html_string href)
{
	struct html_string uri = canonical_uri(r, href);
	struct slice s = uri.text;

	if (href.text.len == 0 || slice_eq(href.text, SLICE("0")))
		return;
	push_uri(r, HTML_URI_BASE, uri);
	if (slice_istarts(s, SLICE("http:")) || slice_istarts(s, SLICE("https:")) ||
	    slice_istarts(s, SLICE("ftp:")))
		r->base = html_link_base(r->arena, s);
}

/* "url" at a word's beginning, blanks, "="; behind it, or SLICE_NPOS. */
static size_t
match_url_equals(struct slice s, size_t at)
{
	if (at > 0 && byte_is_word(s.data[at - 1]))
		return SLICE_NPOS;
	at += 3;
	while (at < s.len && byte_is_space(s.data[at]))
		at++;
	return at < s.len && s.data[at] == '=' ? at + 1 : SLICE_NPOS;
}

/* The target of <meta http-equiv=refresh content="5; url=...">. */
static void
push_refresh(struct renderer *r, struct html_string content)
{
	struct slice s = content.text;
	size_t begin = SLICE_NPOS, last = SLICE_NPOS, newline = slice_find_byte(s, '\n', 0), semi;
	bool any = false;

	for (size_t at = 0; (at = slice_ifind(s, SLICE("url"), at)) != SLICE_NPOS; at++) {
		size_t end = match_url_equals(s, at);

		if (end == SLICE_NPOS)
			continue;
		any = true;
		if (newline == SLICE_NPOS || at <= newline)
			last = end;
	}
	if (!any)
		return;
	begin = last;
	if (begin != SLICE_NPOS)
		s = slice_ltrim(slice_from(s, begin));
	semi = slice_find_byte(s, ';', 0);
	if (semi != SLICE_NPOS) {
		struct slice before = slice_rtrim(slice_sub(s, 0, semi));

		newline = slice_find_byte(s, '\n', semi);
		s = newline == SLICE_NPOS ? before
		                          : arena_concat(r->arena, before, slice_from(s, newline));
	}
	push_uri(r, HTML_URI_META, (struct html_string){s, content.wide});
}

/* Attribute values of one tag, decoded on demand. */
struct attrs {
	struct renderer *r;
	const struct html_attr *raw[ATTR_COUNT];
	struct html_string value[ATTR_COUNT];
	bool decoded[ATTR_COUNT];
	bool has_other_style; /* face or background-like attributes of a styled tag */
};

static bool
attr_has(const struct attrs *attrs, enum attr_id id)
{
	return attrs->raw[id] != NULL;
}

static struct html_string
attr_get(struct attrs *attrs, enum attr_id id)
{
	const struct html_attr *raw = attrs->raw[id];

	if (raw == NULL)
		return no_string;
	if (!attrs->decoded[id]) {
		struct renderer *r = attrs->r;

		attrs->decoded[id] = true;
		if (raw->value.data == NULL)
			attrs->value[id] = (struct html_string){raw->name, r->options->wide};
		else
			attrs->value[id] =
				html_entities_decode(r->arena, raw->value, r->options, false);
		if (attrs->value[id].text.data == NULL)
			attrs->value[id].text = SLICE("");
	}
	return attrs->value[id];
}

static enum attr_id
attr_id_of(struct slice name)
{
	for (int i = 0; i < ATTR_COUNT; i++)
		if (slice_ieq(name, slice_from_cstr(attr_names[i])))
			return (enum attr_id)i;
	return ATTR_COUNT;
}

/* Does the name end in word/href (anything may follow)? */
static bool
is_broken_name(struct slice name, struct slice end)
{
	size_t at = 0;

	while ((at = slice_ifind(name, end, at)) != SLICE_NPOS) {
		if (at > 0 && (byte_is_word(name.data[at - 1]) || name.data[at - 1] >= 0x80))
			return true;
		at++;
	}
	return false;
}

static void
attrs_collect(struct attrs *attrs, struct renderer *r, const struct tag *tag,
              const struct html_attr *list, size_t count)
{
	enum html_uri_type uri = tag->uri;
	bool wants_href = uri == HTML_URI_A || uri == HTML_URI_AREA || uri == HTML_URI_LINK;
	bool wants_src = uri == HTML_URI_IMG || uri == HTML_URI_FRAME || uri == HTML_URI_IFRAME ||
	                 uri == HTML_URI_EMBED || uri == HTML_URI_SCRIPT || uri == HTML_URI_BGSOUND;
	const struct html_attr *broken = NULL;

	*attrs = (struct attrs){.r = r};
	for (size_t i = 0; i < count; i++) {
		struct slice name = list[i].name;
		enum attr_id id = attr_id_of(name);

		if (id != ATTR_COUNT && attrs->raw[id] == NULL)
			attrs->raw[id] = &list[i];
		if (wants_href && is_broken_name(name, SLICE("/href")))
			broken = &list[i];
		else if (wants_src && is_broken_name(name, SLICE("/src")))
			broken = &list[i];
		if (slice_ieq(name, SLICE("bgcolor")) || slice_ieq(name, SLICE("face")) ||
		    slice_ieq(name, SLICE("background")) || slice_ieq(name, SLICE("link")) ||
		    slice_ieq(name, SLICE("alink")) || slice_ieq(name, SLICE("vlink")))
			attrs->has_other_style = true;
	}
	if (broken != NULL)
		attrs->raw[wants_href ? ATTR_HREF : ATTR_SRC] = broken;
}

/* Is any of the attributes without a style of its own permitted on the tag? */
static bool
has_permitted(const struct html_attr *list, size_t count, enum style_tag tag)
{
	for (size_t i = 0; i < count; i++) {
		struct slice name = list[i].name;
		bool bg = slice_ieq(name, SLICE("bgcolor"));

		switch (tag) {
		case STYLE_BASEFONT:
		case STYLE_FONT:
			if (slice_ieq(name, SLICE("face")))
				return true;
			break;
		case STYLE_BODY:
			if (bg || slice_ieq(name, SLICE("link")) ||
			    slice_ieq(name, SLICE("alink")) || slice_ieq(name, SLICE("vlink")) ||
			    slice_ieq(name, SLICE("background")))
				return true;
			break;
		case STYLE_MARQUEE:
			if (bg || slice_ieq(name, SLICE("background")))
				return true;
			break;
		case STYLE_TABLE:
		case STYLE_TD:
		case STYLE_TR:
			if (bg)
				return true;
			break;
		case STYLE_NONE:
		case STYLE_BIG:
		case STYLE_SMALL:
		case STYLE_SPAN:
		case STYLE_P:
		case STYLE_DIV:
		case STYLE_A:
		case STYLE_TAGS:
			return false;
		}
	}
	return false;
}

static bool
open_style(struct renderer *r, const struct tag *tag, struct attrs *attrs,
           const struct html_attr *list, size_t count)
{
	struct style_attrs style = {SLICE_NULL, SLICE_NULL, SLICE_NULL, SLICE_NULL, false, false};
	enum style_tag t = tag->style;

	if (attrs->has_other_style)
		style.has_other = has_permitted(list, count, t);
	if (t == STYLE_FONT || t == STYLE_BASEFONT) {
		style.color = attr_get(attrs, ATTR_COLOR).text;
		style.size = attr_get(attrs, ATTR_SIZE).text;
		style.wide = attr_get(attrs, ATTR_SIZE).wide;
	} else if (t == STYLE_BODY) {
		style.text = attr_get(attrs, ATTR_TEXT).text;
	} else if (t == STYLE_TABLE || t == STYLE_TD || t == STYLE_TR || t == STYLE_SPAN ||
	           t == STYLE_P || t == STYLE_DIV || t == STYLE_A) {
		style.style = attr_get(attrs, ATTR_STYLE).text;
	}
	return html_styles_open(&r->styles, t, &style);
}

static void
push_piece(struct renderer *r, struct html_string string, bool whitespace, bool invisible)
{
	struct piece piece = {string, whitespace, invisible};

	if (vec_push(r->arena, &r->pieces, piece) == NULL)
		r->limited = true;
}

static struct piece *
last_piece(struct renderer *r)
{
	return r->pieces.count == 0 ? NULL : &r->pieces.items[r->pieces.count - 1];
}

static void
push_whitespace(struct renderer *r, enum tag_space space)
{
	struct piece *last = last_piece(r);
	struct slice text = space == SPACE_BREAK   ? SLICE("\n")
	                    : space == SPACE_BLANK ? SLICE(" ")
	                                           : SLICE("\n\n");

	if (last != NULL && !last->whitespace && !last->invisible) {
		struct slice *s = &last->string.text;

		if (s->len > 0 && s->data[s->len - 1] == ' ')
			s->len--;
	}
	push_piece(r, (struct html_string){text, false}, true, false);
}

/* Is s[at] a no-break space as two octets C2 A0 (in wide text: as two characters)? */
static size_t
nbsp_len(struct html_string s, size_t at)
{
	struct slice nbsp = s.wide ? SLICE("\xc3\x82\xc2\xa0") : SLICE("\xc2\xa0");

	return slice_starts(slice_from(s.text, at), nbsp) ? nbsp.len : 0;
}

/* Runs of blanks become one blank, no-break spaces one each. */
static struct html_string
collapse(struct renderer *r, struct html_string s)
{
	unsigned char *out;
	size_t len = 0, clean = 0;

	while (clean < s.text.len) {
		unsigned char c = s.text.data[clean];

		if (byte_is_space(c) &&
		    (c != ' ' || (clean + 1 < s.text.len && byte_is_space(s.text.data[clean + 1]))))
			break;
		if (c >= 0xc2 && nbsp_len(s, clean) > 0)
			break;
		clean++;
	}
	if (clean == s.text.len)
		return s;
	out = arena_bytes(r->arena, s.text.len);
	if (out == NULL)
		return s;
	memcpy(out, s.text.data, clean);
	len = clean;
	for (size_t at = clean; at < s.text.len;) {
		unsigned char c = s.text.data[at];
		size_t nbsp = c >= 0xc2 ? nbsp_len(s, at) : 0;

		if (nbsp > 0) {
			out[len++] = ' ';
			at += nbsp;
		} else if (byte_is_space(c)) {
			out[len++] = ' ';
			while (at < s.text.len && byte_is_space(s.text.data[at]))
				at++;
		} else {
			out[len++] = c;
			at++;
		}
	}
	return (struct html_string){slice_of(out, len), s.wide};
}

static bool
is_blank_text(struct html_string s)
{
	for (size_t at = 0; at < s.text.len;) {
		size_t nbsp = nbsp_len(s, at);

		if (nbsp == 0 && !byte_is_space(s.text.data[at]))
			return false;
		at += nbsp > 0 ? nbsp : 1;
	}
	return true;
}

/* Letters of the word fragment that ends `s`: the longest run of at most seven that begins at a
 * word boundary; 0 = none. */
static unsigned
fragment_before(struct html_string s)
{
	unsigned best = 0, count = 0;
	size_t at = s.text.len;
	unsigned long code, outer;

	while (at > 0 && count < 7) {
		size_t begin = char_before(s, at, &code);
		bool before;

		if (!is_letter_like(code, s.wide))
			break;
		at = begin;
		count++;
		before = at > 0 && (char_before(s, at, &outer), is_word_code(outer, s.wide));
		if (before != is_word_code(code, s.wide))
			best = count;
	}
	return best;
}

static unsigned
fragment_behind(struct html_string s)
{
	unsigned best = 0, count = 0;
	size_t at = 0;
	unsigned long code, outer;

	while (at < s.text.len && count < 7) {
		size_t len = next_char(s, at, &code);
		bool behind;

		if (!is_letter_like(code, s.wide))
			break;
		at += len;
		count++;
		behind = at < s.text.len && (next_char(s, at, &outer), is_word_code(outer, s.wide));
		if (behind != is_word_code(code, s.wide))
			best = count;
	}
	return best;
}

/* Words that markup cuts in two. */
static void
note_obfuscation(struct renderer *r, struct html_string text)
{
	const struct piece *last = last_piece(r);
	unsigned long code;
	unsigned before, behind;

	if (last == NULL || text.text.len == 0 || last->string.text.len == 0)
		return;
	next_char(text, 0, &code);
	if (!is_letter_like(code, text.wide))
		return;
	char_before(last->string, last->string.text.len, &code);
	if (!is_letter_like(code, last->string.wide))
		return;
	r->obfuscation++;
	before = fragment_before(last->string);
	if (before == 0)
		return;
	behind = fragment_behind(text);
	if (behind != 0)
		r->backhair[before] |= (unsigned char)(1u << behind);
}

/* Appends with one view of octets for both: mixed strings become UTF-8. */
static void
buffer_add(struct arena *arena, struct strbuf *buf, bool *wide, struct html_string s)
{
	if (s.wide && !*wide) {
		struct slice old = strbuf_slice(buf), new = html_latin1_to_utf8(arena, old);

		if (new.data != old.data) {
			buf->len = 0;
			strbuf_add(buf, new);
		}
		*wide = true;
	}
	strbuf_add(buf, *wide && !s.wide ? html_latin1_to_utf8(arena, s.text) : s.text);
}

static void
anchor_add(struct renderer *r, struct html_string s)
{
	struct anchor *anchor;

	if (r->anchors.count == 0)
		return;
	anchor = &r->anchors.items[r->anchors.count - 1];
	buffer_add(r->arena, &anchor->text, &anchor->wide, s);
}

static void
on_text(void *context, struct slice raw, bool cdata)
{
	struct renderer *r = context;
	struct html_string text = {raw, r->options->wide};
	bool invisible = false;

	if (r->result->is_broken)
		return;
	if (!cdata)
		text = html_entities_decode(r->arena, raw, r->options, true);
	if (is_inside(r->script)) {
		(void)vec_push(r->arena, &r->result->scripts, text);
		return;
	}
	if (is_inside(r->style))
		return;
	if (is_inside(r->a))
		anchor_add(r, text);
	if (is_inside(r->title) && r->titles.count > 0)
		buffer_add(r->arena, &r->titles.items[r->titles.count - 1],
		           &r->title_wide.items[r->titles.count - 1], text);
	if (!is_blank_text(text)) {
		enum style_visibility visibility = html_styles_visibility(&r->styles);

		invisible = visibility != STYLE_VISIBLE;
		r->result->font_low_contrast |= visibility == STYLE_LOW_CONTRAST;
		r->result->font_invalid_color |= visibility == STYLE_INVALID_COLOR;
	}
	note_obfuscation(r, text);
	text = collapse(r, text);
	if (r->pieces.count > 0 && !invisible && last_piece(r)->whitespace && text.text.len > 0 &&
	    text.text.data[0] == ' ')
		text.text = slice_from(text.text, 1);
	push_piece(r, text, false, invisible);
}

static void
on_comment(void *context, struct slice text)
{
	struct renderer *r = context;
	struct html_string comment = {text, r->options->wide};

	if (!r->result->is_broken)
		(void)vec_push(r->arena, &r->result->comments, comment);
}

static void
on_declaration(void *context, struct slice text)
{
	struct renderer *r = context;
	struct tag_state *state;
	bool added;

	if (r->result->is_broken || !slice_istarts(text, SLICE("<!doctype")))
		return;
	r->element_count++;
	r->any_element = true;
	r->tag_count++;
	state = tag_state_of(r, SLICE("!doctype"), &added);
	if (state != NULL)
		state->open = 0;
}

/* A face attribute is well-formed when it is a list of names (letters, blanks, hyphens; the first
 * may be quoted or begin with a dot), each with at most one digit at its end. */
static size_t
face_name(struct slice s, size_t at, bool first)
{
	size_t begin = at;

	if (at < s.len && (byte_is_alpha(s.data[at]) || (first && s.data[at] == ' ')))
		at++;
	else
		return SLICE_NPOS;
	while (at < s.len && (byte_is_alpha(s.data[at]) || s.data[at] == ' ' || s.data[at] == '-'))
		at++;
	if (at - begin < 2 || !byte_is_alpha(s.data[at - 1]))
		return SLICE_NPOS;
	if (at < s.len && byte_is_digit(s.data[at]))
		at++;
	if (at < s.len && (s.data[at] == '"' || s.data[at] == '\''))
		at++;
	return at;
}

static bool
is_face_valid(struct slice s)
{
	size_t at = 0, next;

	while (at < s.len && byte_is_space(s.data[at]))
		at++;
	if (at < s.len && strchr("\"'.", s.data[at]) != NULL && s.data[at] != '\0') {
		next = face_name(s, at + 1, true);
	} else {
		next = face_name(s, at, true);
		if (next == SLICE_NPOS && at > 0 && s.data[at - 1] == ' ')
			next = face_name(s, at - 1, true);
	}
	while (next != SLICE_NPOS && next < s.len && s.data[next] == ',') {
		next++;
		while (next < s.len && byte_is_space(s.data[next]))
			next++;
		if (next < s.len && (s.data[next] == '"' || s.data[next] == '\''))
			next++;
		next = face_name(s, next, false);
	}
	if (next == SLICE_NPOS)
		return false;
	if (next < s.len && s.data[next] == ';')
		next++;
	return next == s.len || (next + 1 == s.len && s.data[next] == '\n');
}

/* "200" or "50%" of a screen of 100 * per_percent; 200 when it is neither. */
static double
image_side(struct slice s, double per_percent)
{
	double value = 0;
	size_t at = 0;

	while (at < s.len && byte_is_digit(s.data[at]))
		value = value * 10 + (s.data[at++] - '0');
	if (at > 0 && at < s.len && s.data[at] == '%') {
		value *= per_percent;
		at++;
	}
	if (at < s.len && !(at + 1 == s.len && s.data[at] == '\n'))
		value = 0;
	return value <= 0 ? 200 : value;
}

/* charset=... of <meta http-equiv=content-type>. */
static void
note_charset(struct renderer *r, struct html_string content)
{
	struct slice s = content.text;

	for (size_t at = 0; (at = slice_ifind(s, SLICE("charset"), at)) != SLICE_NPOS; at++) {
		struct slice rest = slice_ltrim(slice_from(s, at + 7)),
			     *all = &r->result->charsets.text;

		if ((at > 0 && byte_is_word(s.data[at - 1])) || rest.len == 0 ||
		    rest.data[0] != '=')
			continue;
		rest = slice_ltrim(slice_from(rest, 1));
		if (rest.len > 0 && (rest.data[0] == '"' || rest.data[0] == '\''))
			rest = slice_from(rest, 1);
		rest = slice_sub(rest, 0, slice_find_any(rest, "\"'", 0));
		if (rest.len == 0)
			continue;
		rest = arena_concat(r->arena, SLICE(" "), rest);
		*all = arena_concat(r->arena, *all, rest);
		r->result->charsets.wide |= content.wide;
		return;
	}
}

static void
open_anchor(struct renderer *r, struct attrs *attrs)
{
	struct html_string uri = {SLICE(""), false};
	struct anchor anchor = {.wide = false};
	struct html_uri *entry;

	if (attr_has(attrs, ATTR_HREF))
		uri = canonical_uri(r, attr_get(attrs, ATTR_HREF));
	entry = uri_of(r, uri);
	strbuf_init(&anchor.text, r->arena, 0);
	if (entry != NULL && vec_push(r->arena, &r->anchor_uris, entry) != NULL &&
	    vec_push(r->arena, &r->anchors, anchor) == NULL)
		r->anchor_uris.count--;
}

static void
open_title(struct renderer *r)
{
	struct strbuf title;

	strbuf_init(&title, r->arena, 0);
	if (vec_push(r->arena, &r->titles, title) != NULL &&
	    vec_push(r->arena, &r->title_wide, false) == NULL)
		r->titles.count--;
}

/* The byte order mark, in the middle of a link too, is dropped. */
static void
strip_marks(struct renderer *r, struct attrs *attrs)
{
	struct html_string href = attr_get(attrs, ATTR_HREF);
	struct slice mark = SLICE("\xef\xbb\xbf");
	struct strbuf out;
	size_t at = 0, next;

	if (slice_find(href.text, mark, 0) == SLICE_NPOS)
		return;
	strbuf_init(&out, r->arena, 0);
	while ((next = slice_find(href.text, mark, at)) != SLICE_NPOS) {
		strbuf_add(&out, slice_sub(href.text, at, next - at));
		at = next + mark.len;
	}
	strbuf_add(&out, slice_from(href.text, at));
	attrs->value[ATTR_HREF].text = out.data == NULL ? SLICE("") : strbuf_slice(&out);
}

static void
push_uris(struct renderer *r, const struct tag *tag, struct attrs *attrs)
{
	enum attr_id id = ATTR_COUNT;

	switch (tag->uri) {
	case HTML_URI_BODY:
	case HTML_URI_TABLE:
	case HTML_URI_TR:
	case HTML_URI_TD:
		id = ATTR_BACKGROUND;
		break;
	case HTML_URI_A:
	case HTML_URI_AREA:
	case HTML_URI_LINK:
		if (attr_has(attrs, ATTR_HREF)) {
			strip_marks(r, attrs);
			push_uri(r, tag->uri, attr_get(attrs, ATTR_HREF));
		}
		id = ATTR_SAFE_REDIRECT;
		break;
	case HTML_URI_IMG:
	case HTML_URI_FRAME:
	case HTML_URI_IFRAME:
	case HTML_URI_EMBED:
	case HTML_URI_SCRIPT:
	case HTML_URI_BGSOUND:
		id = ATTR_SRC;
		break;
	case HTML_URI_FORM:
		id = ATTR_ACTION;
		break;
	case HTML_URI_BASE:
		if (attr_has(attrs, ATTR_HREF))
			push_base(r, attr_get(attrs, ATTR_HREF));
		return;
	case HTML_URI_META:
		if (attr_has(attrs, ATTR_HTTP_EQUIV) && attr_has(attrs, ATTR_CONTENT) &&
		    slice_ifind(attr_get(attrs, ATTR_HTTP_EQUIV).text, SLICE("refresh"), 0) !=
		            SLICE_NPOS)
			push_refresh(r, attr_get(attrs, ATTR_CONTENT));
		return;
	case HTML_URI_TYPES:
		return;
	}
	if (attr_has(attrs, id))
		push_uri(r, tag->uri, attr_get(attrs, id));
}

static void
note_start(struct renderer *r, const struct tag *tag, struct attrs *attrs)
{
	switch (tag->id) {
	case TAG_FONT:
		if (attr_has(attrs, ATTR_FACE) && !is_face_valid(attr_get(attrs, ATTR_FACE).text))
			r->result->font_face_bad = true;
		break;
	case TAG_IMG:
		if (is_inside(r->a))
			anchor_add(r, (struct html_string){SLICE("<img>\n"), false});
		if (attr_has(attrs, ATTR_WIDTH) && attr_has(attrs, ATTR_HEIGHT))
			r->result->image_area += image_side(attr_get(attrs, ATTR_WIDTH).text, 8) *
			                         image_side(attr_get(attrs, ATTR_HEIGHT).text, 6);
		break;
	case TAG_FORM:
		if (slice_ifind(attr_get(attrs, ATTR_ACTION).text, SLICE("mailto:"), 0) !=
		    SLICE_NPOS)
			r->result->form_action_mailto = true;
		break;
	case TAG_OBJECT:
	case TAG_EMBED:
		r->result->embeds = true;
		break;
	case TAG_A:
		open_anchor(r, attrs);
		break;
	case TAG_TITLE:
		open_title(r);
		break;
	case TAG_META:
		if (attr_has(attrs, ATTR_HTTP_EQUIV) && attr_has(attrs, ATTR_CONTENT) &&
		    slice_ifind(attr_get(attrs, ATTR_HTTP_EQUIV).text, SLICE("content-type"), 0) !=
		            SLICE_NPOS)
			note_charset(r, attr_get(attrs, ATTR_CONTENT));
		break;
	case TAG_OTHER:
	case TAG_BODY:
	case TAG_HTML:
	case TAG_SCRIPT:
	case TAG_STYLE:
		break;
	}
}

static struct tag_state *
count_tag(struct renderer *r, struct slice name, int change)
{
	bool added = false;
	struct tag_state *state = tag_state_of(r, name, &added);

	if (state == NULL)
		return NULL;
	if (state->is_namespace || (state->tag != NULL && (state->tag->flags & TAG_ELEMENT) != 0)) {
		r->element_count++;
		r->any_element = true;
		if (added) {
			r->elements_seen++;
			r->any_seen_element = true;
		}
	}
	r->tag_count++;
	r->tags_seen += added;
	state->open += change;
	if (state->open < 0) {
		state->open = 0;
		r->closed_extra++;
	}
	if (state->is_namespace || state->tag == NULL ||
	    (state->tag->flags & (TAG_ELEMENT | TAG_TRICK)) == 0)
		return NULL;
	return state;
}

static void
on_start(void *context, struct slice name, const struct html_attr *list, size_t count)
{
	struct renderer *r = context;
	struct tag_state *state;
	struct attrs attrs;

	if (r->result->is_broken)
		return;
	state = count_tag(r, name, 1);
	if (state == NULL)
		return;
	attrs_collect(&attrs, r, state->tag, list, count);
	if (state->tag->style != STYLE_NONE && !open_style(r, state->tag, &attrs, list, count)) {
		r->result->is_broken = true;
		return;
	}
	if (state->tag->space != SPACE_NONE)
		push_whitespace(r, state->tag->space);
	push_uris(r, state->tag, &attrs);
	note_start(r, state->tag, &attrs);
}

static void
on_end(void *context, struct slice name)
{
	struct renderer *r = context;
	struct tag_state *state;

	if (r->result->is_broken)
		return;
	state = count_tag(r, name, -1);
	if (state == NULL)
		return;
	if (state->tag->style != STYLE_NONE)
		html_styles_close(&r->styles, state->tag->style);
	if (state->tag->space != SPACE_NONE)
		push_whitespace(r, state->tag->space);
}

/* Length of "<word blanks/>" at s[at], word_end_r behind the word; 0 = none. */
static size_t
empty_tag_len(struct html_string s, size_t at, size_t *word_end_r)
{
	size_t begin = ++at;
	unsigned long code;

	while (at < s.text.len) {
		size_t len = next_char(s, at, &code);

		if (!is_word_code(code, s.wide))
			break;
		at += len;
	}
	*word_end_r = at;
	if (at == begin)
		return 0;
	while (at < s.text.len) {
		size_t len = next_char(s, at, &code);

		if (!is_space_code(code, s.wide))
			break;
		at += len;
	}
	return slice_starts(slice_from(s.text, at), SLICE("/>")) ? at + 3 - begin : 0;
}

/* "&nbsp;" becomes a blank first, then "<x/>" "<x>" and typographic quotes '"'. */
static size_t
prepare(unsigned char *buf, struct slice text, bool wide)
{
	size_t len = 0, out = 0, word_end, skip;
	struct html_string s;

	for (size_t at = 0; at < text.len;) {
		size_t amp = slice_find(text, SLICE("&nbsp;"), at);
		size_t end = amp == SLICE_NPOS ? text.len : amp;

		if (end > at)
			memcpy(buf + len, text.data + at, end - at);
		len += end - at;
		if (amp != SLICE_NPOS)
			buf[len++] = ' ';
		at = amp == SLICE_NPOS ? end : end + 6;
	}
	s = (struct html_string){slice_of(buf, len), wide};
	for (size_t at = 0; at < len;) {
		unsigned char c = buf[at];

		if (c == '<' && (skip = empty_tag_len(s, at, &word_end)) > 0) {
			memmove(buf + out, buf + at, word_end - at);
			out += word_end - at;
			buf[out++] = '>';
			at += skip;
		} else if (c == 0xe2 && at + 2 < len && buf[at + 1] == 0x80 &&
		           (buf[at + 2] & 0xfe) == 0x9c) {
			buf[out++] = '"';
			at += 3;
		} else {
			buf[out++] = c;
			at++;
		}
	}
	memset(buf + out, 0, HTML_PARSER_SPARE);
	return out;
}

/* Joins the pieces that `which` names; mixed ones become UTF-8. */
enum which { WHICH_ALL, WHICH_VISIBLE, WHICH_INVISIBLE };

static struct html_string
join(struct renderer *r, enum which which)
{
	struct html_string result = {SLICE(""), false};
	struct strbuf out;
	size_t total = 0, count = 0;
	bool wide = false;

	for (size_t i = 0; i < r->pieces.count; i++) {
		const struct piece *p = &r->pieces.items[i];

		if (which != WHICH_ALL && p->invisible != (which == WHICH_INVISIBLE))
			continue;
		count++;
		total += p->string.text.len;
		wide |= p->string.wide;
	}
	if (count == 0)
		return result;
	if (which == WHICH_VISIBLE && count == r->pieces.count)
		return r->result->rendered;
	strbuf_init(&out, r->arena, 0);
	if (!strbuf_reserve(&out, total + 1))
		r->limited = true;
	for (size_t i = 0; i < r->pieces.count; i++) {
		const struct piece *p = &r->pieces.items[i];

		if (which != WHICH_ALL && p->invisible != (which == WHICH_INVISIBLE))
			continue;
		strbuf_add(&out, wide && !p->string.wide
		                         ? html_latin1_to_utf8(r->arena, p->string.text)
		                         : p->string.text);
	}
	result.text = strbuf_slice(&out);
	result.wide = wide;
	return result;
}

static void
set_number(struct html_number *number, bool is_set, double value)
{
	number->is_set = is_set;
	number->value = is_set ? value : 0;
}

static void
finish_lists(struct renderer *r)
{
	struct html_result *result = r->result;

	for (size_t i = 0; i < r->anchors.count; i++) {
		const struct anchor *anchor = &r->anchors.items[i];
		struct html_string text = {strbuf_slice(&anchor->text), anchor->wide};

		(void)vec_push(r->arena, &result->anchors, text);
		(void)vec_push(r->arena, &r->anchor_uris.items[i]->anchor_texts, text);
	}
	for (size_t i = 0; i < r->titles.count; i++) {
		struct html_string text = {strbuf_slice(&r->titles.items[i]),
		                           r->title_wide.items[i]};

		(void)vec_push(r->arena, &result->titles, text);
	}
}

static void
finish_numbers(struct renderer *r)
{
	struct html_result *result = r->result;
	double pairs = 0;

	for (int i = 0; i < 8; i++)
		pairs += __builtin_popcount(r->backhair[i]);
	result->min_size = r->styles.min_size;
	result->max_size = r->styles.max_size;
	set_number(&result->closed_extra_ratio, r->tag_count > 0, r->closed_extra / r->tag_count);
	set_number(&result->bad_tag_ratio, r->any_element,
	           (r->tag_count - r->element_count) / r->tag_count);
	set_number(&result->non_element_ratio, r->any_seen_element,
	           (r->tags_seen - r->elements_seen) / r->tags_seen);
	set_number(&result->obfuscation_ratio, r->tag_count > 0 && r->obfuscation > 0,
	           r->obfuscation / r->tag_count);
	set_number(&result->backhair_count, pairs > 0, pairs);
}

static void
measure(struct html_result *result, size_t original_len)
{
	struct html_string s = result->rendered;
	double count = 0, blanks = 0;
	unsigned long code;

	for (size_t at = 0; at < s.text.len;) {
		at += next_char(s, at, &code);
		count++;
		if (is_space_code(code, s.wide) && (s.wide || code != '\f'))
			blanks++;
	}
	result->html_length = count;
	result->non_space_len = count - blanks;
	set_number(&result->ratio, original_len > 0,
	           ((double)original_len - count) / (double)original_len);
}

/* The reference gave up: what it would have noted at the end of the part is not there. */
static void
forget(struct html_result *result, struct arena *arena)
{
	result->uris.count = 0;
	result->anchors.count = result->titles.count = 0;
	result->scripts.count = result->comments.count = 0;
	result->uri_truncated = false;
	result->image_area = result->length = 0;
	hashmap_init(&result->inside, arena);
}

static void
run(struct renderer *r, unsigned char *buf, size_t len)
{
	static const struct html_handlers handlers = {on_text, on_start, on_end, on_comment,
	                                              on_declaration};
	struct html_parser parser;

	html_parser_init(&parser, r->arena, &handlers, r, buf, len);
	html_parser_run(&parser);
	for (int i = 0; i < 2 && !r->result->is_broken && is_inside(r->style); i++)
		html_parser_append(&parser, SLICE("</style>"));
	for (int i = 0; i < 2 && !r->result->is_broken && is_inside(r->script); i++)
		html_parser_append(&parser, SLICE("</script>"));
	if (!r->result->is_broken)
		html_parser_finish(&parser);
	/* Inside an ignored section the end of the document goes unheard too. */
	if (parser.section == SECTION_IGNORE)
		r->result->is_broken = true;
}

enum status
html_render(struct arena *arena, struct slice text, const struct html_options *options,
            struct html_result *result_r)
{
	struct renderer r = {.arena = arena, .options = options, .result = result_r};
	unsigned char *buf = arena_bytes(arena, text.len + HTML_PARSER_SPARE);

	*result_r = (struct html_result){.html = true, .min_size = 3, .max_size = 3};
	result_r->rendered.text = result_r->visible.text = result_r->invisible.text = SLICE("");
	hashmap_init(&result_r->inside, arena);
	hashmap_init(&r.uris, arena);
	html_styles_init(&r.styles, arena);
	if (buf == NULL)
		return STATUS_LIMIT;
	result_r->length = (double)(options->wide ? utf8_count(text) : text.len);
	run(&r, buf, prepare(buf, text, options->wide));
	if (result_r->is_broken) {
		forget(result_r, arena);
	} else {
		finish_lists(&r);
		finish_numbers(&r);
	}
	result_r->rendered = join(&r, WHICH_ALL);
	result_r->visible = join(&r, WHICH_VISIBLE);
	result_r->invisible = join(&r, WHICH_INVISIBLE);
	measure(result_r, options->original_len == 0 ? text.len : options->original_len);
	return r.limited || arena_is_spent(arena) ? STATUS_LIMIT : STATUS_OK;
}

bool
html_result_number(const struct html_result *result, struct slice name, double *value_r)
{
	const struct {
		const char *name;
		bool is_set;
		double value;
	} facts[] = {
		{"backhair_count", result->backhair_count.is_set, result->backhair_count.value},
		{"bad_tag_ratio", result->bad_tag_ratio.is_set, result->bad_tag_ratio.value},
		{"closed_extra_ratio", result->closed_extra_ratio.is_set,
	         result->closed_extra_ratio.value},
		{"embeds", result->embeds, 1},
		{"font_face_bad", result->font_face_bad, 1},
		{"font_invalid_color", result->font_invalid_color, 1},
		{"font_low_contrast", result->font_low_contrast, 1},
		{"form_action_mailto", result->form_action_mailto, 1},
		{"html", result->html, 1},
		{"html_length", true, result->html_length},
		{"image_area", !result->is_broken, result->image_area},
		{"length", !result->is_broken, result->length},
		{"max_size", !result->is_broken, result->max_size},
		{"min_size", !result->is_broken, result->min_size},
		{"non_element_ratio", result->non_element_ratio.is_set,
	         result->non_element_ratio.value},
		{"non_space_len", true, result->non_space_len},
		{"obfuscation_ratio", result->obfuscation_ratio.is_set,
	         result->obfuscation_ratio.value},
		{"ratio", result->ratio.is_set, result->ratio.value},
		{"uri_truncated", result->uri_truncated, 1},
	};

	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++) {
		if (slice_eq(name, slice_from_cstr(facts[i].name))) {
			*value_r = facts[i].is_set ? facts[i].value : 0;
			return facts[i].is_set;
		}
	}
	*value_r = 0;
	return false;
}

const html_strings *
html_result_list(const struct html_result *result, struct slice name)
{
	if (slice_eq(name, SLICE("anchor")))
		return &result->anchors;
	if (slice_eq(name, SLICE("title")))
		return &result->titles;
	if (slice_eq(name, SLICE("script")))
		return &result->scripts;
	return slice_eq(name, SLICE("comment")) ? &result->comments : NULL;
}

bool
html_result_inside(const struct html_result *result, struct slice tag, long *count_r)
{
	const long *count = hashmap_get(&result->inside, tag);

	*count_r = count == NULL ? 0 : *count;
	return count != NULL;
}
