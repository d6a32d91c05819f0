/*
 * html_style.c - colours, sizes and visibility of text
 */
#include "mail/html_style.h"

#include <stdio.h>

#include "util/utf8.h"

/* HTML 4 and CSS 3 colours, sorted. */
static const struct {
	const char *name;
	unsigned rgb;
} colors[] = {
	/* clang-format off */
	{ "aliceblue", 0xf0f8ff },
	{ "antiquewhite", 0xfaebd7 },
	{ "aqua", 0x00ffff },
	{ "aquamarine", 0x7fffd4 },
	{ "azure", 0xf0ffff },
	{ "beige", 0xf5f5dc },
	{ "bisque", 0xffe4c4 },
	{ "black", 0x000000 },
	{ "blanchedalmond", 0xffebcd },
	{ "blue", 0x0000ff },
	{ "blueviolet", 0x8a2be2 },
	{ "brown", 0xa52a2a },
	{ "burlywood", 0xdeb887 },
	{ "cadetblue", 0x5f9ea0 },
	{ "chartreuse", 0x7fff00 },
	{ "chocolate", 0xd2691e },
	{ "coral", 0xff7f50 },
	{ "cornflowerblue", 0x6495ed },
	{ "cornsilk", 0xfff8dc },
	{ "crimson", 0xdc143c },
	{ "cyan", 0x00ffff },
	{ "darkblue", 0x00008b },
	{ "darkcyan", 0x008b8b },
	{ "darkgoldenrod", 0xb8860b },
	{ "darkgray", 0xa9a9a9 },
	{ "darkgreen", 0x006400 },
	{ "darkgrey", 0xa9a9a9 },
	{ "darkkhaki", 0xbdb76b },
	{ "darkmagenta", 0x8b008b },
	{ "darkolivegreen", 0x556b2f },
	{ "darkorange", 0xff8c00 },
	{ "darkorchid", 0x9932cc },
	{ "darkred", 0x8b0000 },
	{ "darksalmon", 0xe9967a },
	{ "darkseagreen", 0x8fbc8f },
	{ "darkslateblue", 0x483d8b },
	{ "darkslategray", 0x2f4f4f },
	{ "darkslategrey", 0x2f4f4f },
	{ "darkturquoise", 0x00ced1 },
	{ "darkviolet", 0x9400d3 },
	{ "deeppink", 0xff1493 },
	{ "deepskyblue", 0x00bfff },
	{ "dimgray", 0x696969 },
	{ "dimgrey", 0x696969 },
	{ "dodgerblue", 0x1e90ff },
	{ "firebrick", 0xb22222 },
	{ "floralwhite", 0xfffaf0 },
	{ "forestgreen", 0x228b22 },
	{ "fuchsia", 0xff00ff },
	{ "gainsboro", 0xdcdcdc },
	{ "ghostwhite", 0xf8f8ff },
	{ "gold", 0xffd700 },
	{ "goldenrod", 0xdaa520 },
	{ "gray", 0x808080 },
	{ "green", 0x008000 },
	{ "greenyellow", 0xadff2f },
	{ "grey", 0x808080 },
	{ "honeydew", 0xf0fff0 },
	{ "hotpink", 0xff69b4 },
	{ "indianred", 0xcd5c5c },
	{ "indigo", 0x4b0082 },
	{ "ivory", 0xfffff0 },
	{ "khaki", 0xf0e68c },
	{ "lavender", 0xe6e6fa },
	{ "lavenderblush", 0xfff0f5 },
	{ "lawngreen", 0x7cfc00 },
	{ "lemonchiffon", 0xfffacd },
	{ "lightblue", 0xadd8e6 },
	{ "lightcoral", 0xf08080 },
	{ "lightcyan", 0xe0ffff },
	{ "lightgoldenrodyellow", 0xfafad2 },
	{ "lightgray", 0xd3d3d3 },
	{ "lightgreen", 0x90ee90 },
	{ "lightgrey", 0xd3d3d3 },
	{ "lightpink", 0xffb6c1 },
	{ "lightsalmon", 0xffa07a },
	{ "lightseagreen", 0x20b2aa },
	{ "lightskyblue", 0x87cefa },
	{ "lightslategray", 0x778899 },
	{ "lightslategrey", 0x778899 },
	{ "lightsteelblue", 0xb0c4de },
	{ "lightyellow", 0xffffe0 },
	{ "lime", 0x00ff00 },
	{ "limegreen", 0x32cd32 },
	{ "linen", 0xfaf0e6 },
	{ "magenta", 0xff00ff },
	{ "maroon", 0x800000 },
	{ "mediumaquamarine", 0x66cdaa },
	{ "mediumblue", 0x0000cd },
	{ "mediumorchid", 0xba55d3 },
	{ "mediumpurple", 0x9370db },
	{ "mediumseagreen", 0x3cb371 },
	{ "mediumslateblue", 0x7b68ee },
	{ "mediumspringgreen", 0x00fa9a },
	{ "mediumturquoise", 0x48d1cc },
	{ "mediumvioletred", 0xc71585 },
	{ "midnightblue", 0x191970 },
	{ "mintcream", 0xf5fffa },
	{ "mistyrose", 0xffe4e1 },
	{ "moccasin", 0xffe4b5 },
	{ "navajowhite", 0xffdead },
	{ "navy", 0x000080 },
	{ "oldlace", 0xfdf5e6 },
	{ "olive", 0x808000 },
	{ "olivedrab", 0x6b8e23 },
	{ "orange", 0xffa500 },
	{ "orangered", 0xff4500 },
	{ "orchid", 0xda70d6 },
	{ "palegoldenrod", 0xeee8aa },
	{ "palegreen", 0x98fb98 },
	{ "paleturquoise", 0xafeeee },
	{ "palevioletred", 0xdb7093 },
	{ "papayawhip", 0xffefd5 },
	{ "peachpuff", 0xffdab9 },
	{ "peru", 0xcd853f },
	{ "pink", 0xffc0cb },
	{ "plum", 0xdda0dd },
	{ "powderblue", 0xb0e0e6 },
	{ "purple", 0x800080 },
	{ "red", 0xff0000 },
	{ "rosybrown", 0xbc8f8f },
	{ "royalblue", 0x4169e1 },
	{ "saddlebrown", 0x8b4513 },
	{ "salmon", 0xfa8072 },
	{ "sandybrown", 0xf4a460 },
	{ "seagreen", 0x2e8b57 },
	{ "seashell", 0xfff5ee },
	{ "sienna", 0xa0522d },
	{ "silver", 0xc0c0c0 },
	{ "skyblue", 0x87ceeb },
	{ "slateblue", 0x6a5acd },
	{ "slategray", 0x708090 },
	{ "slategrey", 0x708090 },
	{ "snow", 0xfffafa },
	{ "springgreen", 0x00ff7f },
	{ "steelblue", 0x4682b4 },
	{ "tan", 0xd2b48c },
	{ "teal", 0x008080 },
	{ "thistle", 0xd8bfd8 },
	{ "tomato", 0xff6347 },
	{ "turquoise", 0x40e0d0 },
	{ "violet", 0xee82ee },
	{ "wheat", 0xf5deb3 },
	{ "white", 0xffffff },
	{ "whitesmoke", 0xf5f5f5 },
	{ "yellow", 0xffff00 },
	{ "yellowgreen", 0x9acd32 },
	/* clang-format on */
};

static void
color_set(struct style_color *color, const char *text)
{
	color->len = (unsigned char)snprintf(color->text, sizeof(color->text), "%s", text);
	if (color->len >= sizeof(color->text))
		color->len = sizeof(color->text) - 1;
}

static bool
color_is(const struct style_color *color, const char *text)
{
	return strcmp(color->text, text) == 0;
}

static bool
color_by_name(struct slice name, struct style_color *color_r)
{
	size_t low = 0, high = sizeof(colors) / sizeof(*colors);

	while (low < high) {
		size_t mid = (low + high) / 2;
		int r = slice_icmp(name, slice_from_cstr(colors[mid].name));

		if (r == 0) {
			color_r->len = (unsigned char)snprintf(color_r->text, sizeof(color_r->text),
			                                       "#%06x", colors[mid].rgb & 0xffffff);
			return true;
		}
		if (r < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return false;
}

static struct slice
take_digits(struct slice *s)
{
	size_t len = 0;

	while (len < s->len && byte_is_digit(s->data[len]))
		len++;
	struct slice digits = slice_sub(*s, 0, len);
	*s = slice_from(*s, len);
	return digits;
}

static double
digits_value(struct slice digits)
{
	double value = 0;

	for (size_t i = 0; i < digits.len; i++)
		value = value * 10 + (digits.data[i] - '0');
	return value;
}

/* Three numbers, each behind it `suffix`, commas between, ")" at the end. */
static bool
parse_rgb_at(struct slice s, bool percent, double values[3])
{
	for (int i = 0; i < 3; i++) {
		struct slice digits = take_digits(&s);

		if (digits.len == 0)
			return false;
		values[i] = digits_value(digits);
		if (percent) {
			if (s.len == 0 || s.data[0] != '%')
				return false;
			s = slice_from(s, 1);
		}
		if (i < 2) {
			if (s.len == 0 || s.data[0] != ',')
				return false;
			s = slice_from(s, 1);
		}
		s = slice_ltrim(s);
	}
	return s.len > 0 && s.data[0] == ')';
}

static bool
parse_rgb(struct slice s, bool percent, double values[3])
{
	for (size_t at = 0; (at = slice_ifind(s, SLICE("rgb("), at)) != SLICE_NPOS; at++)
		if (parse_rgb_at(slice_from(s, at + 4), percent, values))
			return true;
	return false;
}

/* "rgb(" with nothing but digits, "%", "," and blanks up to ")". */
static bool
has_rgb_shape(struct slice s)
{
	for (size_t at = 0; (at = slice_ifind(s, SLICE("rgb("), at)) != SLICE_NPOS; at++) {
		size_t end = at + 4;

		while (end < s.len && (byte_is_digit(s.data[end]) || s.data[end] == '%' ||
		                       s.data[end] == ',' || s.data[end] == ' '))
			end++;
		if (end < s.len && s.data[end] == ')')
			return true;
	}
	return false;
}

static bool
is_hash_hex(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] != '#' && !byte_is_xdigit(s.data[i]))
			return false;
	return true;
}

/* Hexadecimal digits of "#..." brought to six: cut, or each of three doubled. */
static void
color_from_hex(struct slice s, struct style_color *color_r)
{
	char hex[8];
	size_t len = 0;

	for (size_t i = 0; i < s.len && len < 6; i++)
		if (byte_is_xdigit(s.data[i]))
			hex[len++] = (char)byte_lower(s.data[i]);
	if (len > 3 && len < 6)
		len = 3;
	while (len % 3 != 0)
		hex[len++] = '0';
	hex[len] = '\0';
	if (len == 3)
		color_r->len = (unsigned char)snprintf(color_r->text, sizeof(color_r->text),
		                                       "#%c%c%c%c%c%c", hex[0], hex[0], hex[1],
		                                       hex[1], hex[2], hex[2]);
	else
		color_r->len =
			(unsigned char)snprintf(color_r->text, sizeof(color_r->text), "#%s", hex);
}

static void
color_parse(struct slice text, struct style_color *color_r)
{
	char hex[64];
	double rgb[3];

	text = slice_trim(text);
	if (color_by_name(text, color_r))
		return;
	if (is_hash_hex(text) || has_rgb_shape(text)) {
		bool percent = parse_rgb(text, true, rgb);

		if (percent || parse_rgb(text, false, rgb)) {
			unsigned v[3];

			for (int i = 0; i < 3; i++) {
				double value = percent ? rgb[i] / 100 * 255 : rgb[i];

				v[i] = value < 4e9 ? (unsigned)value : 0xffffffffu;
			}
			(void)snprintf(hex, sizeof(hex), "#%02x%02x%02x", v[0], v[1], v[2]);
			text = slice_from_cstr(hex);
		}
		if (text.len > 0 && text.data[0] == '#') {
			color_from_hex(text, color_r);
			return;
		}
	}
	color_set(color_r, "invalid");
}

/* CSS "rgb..." of a style property: the first three numbers, each at most 255. */
static void
color_parse_css_rgb(struct slice value, struct style_color *color_r)
{
	double v[3] = {0, 0, 0};
	int i = 0;

	for (size_t at = 0; at < value.len && i < 3; at++) {
		unsigned char c = value.data[at];

		if (c == ',')
			i++;
		else if (byte_is_digit(c) && v[i] < 1000)
			v[i] = v[i] * 10 + (c - '0');
	}
	for (i = 0; i < 3; i++)
		if (v[i] > 255)
			v[i] = 255;
	color_r->len = (unsigned char)snprintf(color_r->text, sizeof(color_r->text),
	                                       "#%02x%02x%02x", (unsigned)v[0] & 255,
	                                       (unsigned)v[1] & 255, (unsigned)v[2] & 255);
}

/*
 * The value behind a property's colon: blanks off, no line break inside.  A value of blanks alone
 * is its last blank that is no LF.  false: no value.
 */
static bool
property_value(struct slice rest, struct slice *value_r)
{
	struct slice value = slice_trim(rest);

	if (value.len > 0) {
		*value_r = value;
		return !slice_has_byte(value, '\n');
	}
	for (size_t i = rest.len; i > 0; i--) {
		if (rest.data[i - 1] != '\n') {
			*value_r = slice_sub(rest, i - 1, 1);
			return true;
		}
	}
	return false;
}

static void
apply_color(struct text_style *style, bool background, struct slice value)
{
	struct style_color *color = background ? &style->bg : &style->fg;
	struct slice bare = value;

	if (slice_iends(bare, SLICE("important"))) {
		bare = slice_rtrim(slice_sub(bare, 0, bare.len - 9));
		if (bare.len > 0 && bare.data[bare.len - 1] == '!')
			value = slice_rtrim(slice_sub(bare, 0, bare.len - 1));
	}
	if (slice_ifind(value, SLICE("rgb"), 0) != SLICE_NPOS)
		color_parse_css_rgb(value, color);
	else if (slice_ieq(value, SLICE("inherit")))
		return;
	else if (slice_ieq(value, SLICE("transparent")))
		color_set(color, "transparent");
	else
		color_parse(value, color);
}

/* Token boundaries of a CSS background value: blanks outside of brackets and quotes. */
enum css_state { CSS_PLAIN, CSS_BRACKET, CSS_QUOTED };

static size_t
css_token_end(struct slice s, size_t at, bool *closed_r)
{
	enum css_state state = CSS_PLAIN, outer = CSS_PLAIN;
	unsigned char quote = 0;

	*closed_r = false;
	for (; at < s.len; at++) {
		unsigned char c = s.data[at];

		if (state == CSS_QUOTED) {
			if (c == quote)
				state = outer;
		} else if (c == '"' || c == '\'') {
			outer = state;
			state = CSS_QUOTED;
			quote = c;
		} else if (state == CSS_BRACKET) {
			if (c == ')') {
				*closed_r = true;
				return at + 1;
			}
		} else if (c == '(') {
			state = CSS_BRACKET;
		} else if (c == ' ' || c == ',') {
			break;
		}
	}
	return at;
}

/* The bottom layer's first colour.  false: a value without any layer. */
static bool
apply_background(struct text_style *style, struct slice value)
{
	struct style_color color, in_layer = {"", 0}, bottom = {"", 0};
	bool any_token = false, any_layer = false;

	for (size_t at = 0; at < value.len;) {
		bool closed;
		size_t end = css_token_end(value, at, &closed);

		if (end > at) {
			any_token = true;
			color_parse(slice_sub(value, at, end - at), &color);
			if (in_layer.len == 0 && !color_is(&color, "invalid"))
				in_layer = color;
		}
		at = end;
		if (closed || at >= value.len)
			continue;
		if (value.data[at++] == ',') {
			bottom = in_layer;
			in_layer.len = 0;
			any_token = false;
			any_layer = true;
		}
	}
	if (any_token)
		bottom = in_layer;
	if (bottom.len != 0)
		style->bg = bottom;
	return any_layer || any_token;
}

static bool
apply_property(struct text_style *style, struct slice part)
{
	struct slice rest = slice_ltrim(part), value, name;
	bool background = slice_istarts(rest, SLICE("background-color:"));
	size_t len = 0;

	if (background || slice_istarts(rest, SLICE("color:"))) {
		if (property_value(slice_from(rest, background ? 17 : 6), &value)) {
			apply_color(style, background, value);
			return true;
		}
	} else if (slice_starts(rest, SLICE("background:"))) {
		if (property_value(slice_from(rest, 11), &value))
			return apply_background(style, value);
	}
	while (len < rest.len &&
	       (byte_is_alpha(rest.data[len]) || rest.data[len] == '_' || rest.data[len] == '-'))
		len++;
	name = slice_sub(rest, 0, len);
	rest = slice_ltrim(slice_from(rest, len));
	if (name.len == 0 || rest.len == 0 || rest.data[0] != ':')
		return true;
	value = slice_trim(slice_from(rest, 1));
	if (value.len == 0 || slice_has_byte(value, '\n'))
		return true;
	if (slice_eq(name, SLICE("display")))
		style->display_none = slice_ieq(value, SLICE("none"));
	else if (slice_eq(name, SLICE("visibility")))
		style->visibility_hidden = slice_ieq(value, SLICE("hidden"));
	return true;
}

static bool
apply_style(struct text_style *style, const struct text_style *parent, struct slice css)
{
	struct slice part;

	while (slice_next(&css, ';', &part))
		if (!apply_property(style, part))
			return false;
	if (color_is(&style->bg, "transparent"))
		style->bg = parent->bg;
	if (color_is(&style->fg, "transparent"))
		style->fg = style->bg;
	return true;
}

static struct text_style *
top(const struct html_styles *styles)
{
	return &styles->stack.items[styles->stack.count - 1];
}

static void
pop(struct html_styles *styles)
{
	styles->open[top(styles)->tag]--;
	styles->stack.count--;
}

void
html_styles_init(struct html_styles *styles, struct arena *arena)
{
	struct text_style base = {.tag = STYLE_NONE, .size = 3};

	*styles = (struct html_styles){.arena = arena, .basefont = 3, .min_size = 3, .max_size = 3};
	color_set(&base.fg, "#000000");
	color_set(&base.bg, "#ffffff");
	(void)vec_push(arena, &styles->stack, base);
}

/* A new cell or row closes the one before; only when one was opened at all. */
static void
close_cells(struct html_styles *styles, enum style_tag tag)
{
	if (styles->open[tag] == 0)
		return;
	for (;;) {
		enum style_tag t = top(styles)->tag;

		if (t != STYLE_FONT && t != STYLE_TD && !(tag == STYLE_TR && t == STYLE_TR))
			return;
		pop(styles);
	}
}

static void
apply_size(struct html_styles *styles, struct text_style *style, struct slice value, bool wide)
{
	unsigned long code = 0;
	bool minus, relative;
	struct slice digits;

	value = slice_ltrim(value);
	minus = value.len > 0 && value.data[0] == '-';
	relative = minus || (value.len > 0 && value.data[0] == '+');
	value = slice_from(value, relative ? 1 : 0);
	if (wide && value.len > 0)
		utf8_decode(value, 0, &code);
	digits = take_digits(&value);
	if (digits.len == 0 && (code < 0x80 || !utf8_is_digit(code)))
		return;
	if (relative)
		style->size = styles->basefont + (minus ? -1 : 1) * digits_value(digits);
	else
		style->size = digits_value(digits);
}

static void
note_size(struct html_styles *styles, double size)
{
	if (size > styles->max_size)
		styles->max_size = size;
	else if (size < styles->min_size)
		styles->min_size = size;
}

bool
html_styles_open(struct html_styles *styles, enum style_tag tag, const struct style_attrs *attrs)
{
	struct text_style style;
	struct slice size = slice_ltrim(attrs->size);

	if (styles->stack.count == 0)
		return true;
	if (tag == STYLE_BASEFONT && size.len > 0 && byte_is_digit(size.data[0])) {
		styles->basefont = digits_value(take_digits(&size));
		return true;
	}
	if (tag == STYLE_TD || tag == STYLE_TR)
		close_cells(styles, tag);
	style = *top(styles);
	style.tag = tag;
	if (tag == STYLE_BIG || tag == STYLE_SMALL) {
		style.size += tag == STYLE_BIG ? 1 : -1;
	} else {
		if (attrs->text.data != NULL)
			color_parse(attrs->text, &style.fg);
		if (attrs->color.data != NULL)
			color_parse(attrs->color, &style.fg);
		if (attrs->style.data != NULL && !apply_style(&style, top(styles), attrs->style))
			return false;
		if (attrs->size.data != NULL)
			apply_size(styles, &style, attrs->size, attrs->wide);
		if (attrs->text.data != NULL || attrs->color.data != NULL ||
		    attrs->style.data != NULL || attrs->size.data != NULL || attrs->has_other)
			note_size(styles, style.size);
	}
	if (vec_push(styles->arena, &styles->stack, style) != NULL)
		styles->open[tag]++;
	return true;
}

void
html_styles_close(struct html_styles *styles, enum style_tag tag)
{
	if (tag == STYLE_BODY || styles->open[tag] == 0)
		return;
	while (top(styles)->tag != tag)
		pop(styles);
	pop(styles);
}

static bool
color_values(const struct style_color *color, double rgb[3])
{
	unsigned v[3];

	if (color->len != 7 || color->text[0] != '#')
		return false;
	for (int i = 0; i < 3; i++) {
		int high = byte_hex_value((unsigned char)color->text[1 + 2 * i]);
		int low = byte_hex_value((unsigned char)color->text[2 + 2 * i]);

		if (high < 0 || low < 0)
			return false;
		v[i] = (unsigned)(high * 16 + low);
		rgb[i] = v[i];
	}
	return true;
}

/* Distance of two colours weighed by brightness, squared; 191 is black against white. */
static double
contrast_squared(const double a[3], const double b[3])
{
	static const double weight[3] = {0.2126, 0.7152, 0.0722};
	double sum = 0;

	for (int i = 0; i < 3; i++) {
		double d = weight[i] * (a[i] - b[i]);

		sum += d * d;
	}
	return sum;
}

static struct slice
color_tail(const struct style_color *color)
{
	struct slice s = slice_of(color->text, color->len);

	return s.len > 6 ? slice_from(s, s.len - 6) : s;
}

enum style_visibility
html_styles_visibility(const struct html_styles *styles)
{
	const struct text_style *style;
	double fg[3], bg[3];

	if (styles->stack.count == 0)
		return STYLE_VISIBLE;
	style = top(styles);
	if (slice_eq(color_tail(&style->fg), color_tail(&style->bg)))
		return STYLE_LOW_CONTRAST;
	if (color_values(&style->fg, fg) && color_values(&style->bg, bg) &&
	    contrast_squared(fg, bg) < 12.0 * 12.0)
		return STYLE_LOW_CONTRAST;
	if (color_is(&style->fg, "invalid") || color_is(&style->bg, "invalid"))
		return STYLE_INVALID_COLOR;
	if (style->size <= 1 || style->display_none || style->visibility_hidden)
		return STYLE_HIDDEN;
	return STYLE_VISIBLE;
}
