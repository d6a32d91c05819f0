/*
 * imageinfo.c - Mail::SpamAssassin::Plugin::ImageInfo: sizes of images
 *
 * Reads the header of base64 parts image/gif, image/png, image/jpeg.  Untrusted bytes: every read
 * is checked.
 */
#include <stdint.h>
#include <stdlib.h>

#include "plugins/args.h"

enum image_type { IMAGE_GIF, IMAGE_PNG, IMAGE_JPEG, IMAGE_TYPES };

static const char *const type_names[IMAGE_TYPES] = {"gif", "png", "jpeg"};

struct image {
	enum image_type type;
	uint32_t height, width;
	struct slice name; /* data NULL: none */
};

struct image_state {
	bool done;
	size_t count[IMAGE_TYPES];
	double area[IMAGE_TYPES];
	VEC(struct image) images;
};

/* ---- formats ---- */

static uint32_t
be32(struct slice s, size_t at)
{
	return (uint32_t)s.data[at] << 24 | (uint32_t)s.data[at + 1] << 16 |
	       (uint32_t)s.data[at + 2] << 8 | s.data[at + 3];
}

static uint32_t
be16(struct slice s, size_t at)
{
	return (uint32_t)s.data[at] << 8 | s.data[at + 1];
}

static bool
read_gif(struct slice s, struct image *image)
{
	if (s.len < 10 || (!slice_starts(s, SLICE("GIF87a")) && !slice_starts(s, SLICE("GIF89a"))))
		return false;
	image->width = (uint32_t)s.data[6] | (uint32_t)s.data[7] << 8;
	image->height = (uint32_t)s.data[8] | (uint32_t)s.data[9] << 8;
	return true;
}

/* The reference steps from one 8 byte word to the next until one looks like IHDR. */
static bool
read_png(struct slice s, struct image *image)
{
	if (!slice_starts(s, SLICE("\x89PNG\r\n\x1a\n")))
		return false;
	for (size_t at = 8; at + 8 <= s.len; at += 8) {
		struct slice type = slice_sub(s, at + 4, 4);

		if (slice_eq(type, SLICE("IEND")))
			return false;
		if (!slice_eq(type, SLICE("IHDR")) || be32(s, at) != 13)
			continue;
		if (at + 8 + 8 > s.len)
			return false;
		image->width = be32(s, at + 8);
		image->height = be32(s, at + 12);
		return true;
	}
	return false;
}

static bool
read_jpeg(struct slice s, struct image *image)
{
	size_t at = 2;

	if (!slice_starts(s, SLICE("\xff\xd8")))
		return false;
	while (at + 4 <= s.len && s.data[at] == 0xff) {
		unsigned mark = s.data[at + 1], len = be16(s, at + 2);

		if (mark == 0xda || mark == 0xd9 || len < 2)
			return false;
		at += 4;
		if (mark >= 0xc0 && mark <= 0xcf && mark != 0xc4 && mark != 0xc8 && mark != 0xcc) {
			if (at + 5 > s.len || len < 7)
				return false;
			image->height = be16(s, at + 1);
			image->width = be16(s, at + 3);
			return true;
		}
		at += len - 2;
	}
	return false;
}

static bool
find_type(struct slice type, enum image_type *type_r)
{
	static const struct {
		const char *name;
		enum image_type type;
	} names[] = {{"image/gif", IMAGE_GIF},
	             {"image/png", IMAGE_PNG},
	             {"image/jpeg", IMAGE_JPEG},
	             {"image/jpg", IMAGE_JPEG}};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(type, slice_from_cstr(names[i].name))) {
			*type_r = names[i].type;
			return true;
		}
	return false;
}

static void
look_at(struct scan *scan, struct image_state *state, struct part *part)
{
	struct image image = {.name = part->name};
	struct slice data;
	bool known;

	if (!slice_eq(part->cte, SLICE("base64")) || !find_type(part->type, &image.type))
		return;
	state->count[image.type]++;
	data = part_decoded(part);
	known = image.type == IMAGE_GIF   ? read_gif(data, &image)
	        : image.type == IMAGE_PNG ? read_png(data, &image)
	                                  : read_jpeg(data, &image);
	if (!known || image.height == 0 || image.width == 0)
		return;
	state->area[image.type] += (double)image.height * (double)image.width;
	(void)vec_push(scan->arena, &state->images, image);
}

static struct image_state *
images(struct scan *scan)
{
	struct image_state *state = scan_state(scan, &plugin_imageinfo);

	if (state == NULL || state->done)
		return state;
	state->done = true;
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part))
		look_at(scan, state, part);
	return state;
}

/* ---- evals ---- */

static bool
is_type(struct slice name, enum image_type type)
{
	return slice_eq(name, SLICE("all")) || slice_eq(name, slice_from_cstr(type_names[type]));
}

static bool
is_known_type(struct slice name)
{
	return is_type(name, IMAGE_GIF) || is_type(name, IMAGE_PNG) || is_type(name, IMAGE_JPEG);
}

static bool
in_range(const struct eval_call *call, size_t min_index, double value)
{
	if (call->arg_count <= min_index || value < eval_number(call, min_index))
		return false;
	return call->arg_count <= min_index + 1 ||
	       value <= perl_number(eval_arg(call, min_index + 1));
}

static int
image_count(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);
	double count = 0;

	for (int t = 0; state != NULL && t < IMAGE_TYPES; t++)
		if (is_type(eval_arg(call, 0), (enum image_type)t))
			count += (double)state->count[t];
	return is_known_type(eval_arg(call, 0)) && in_range(call, 1, count);
}

static double
area_of(const struct image_state *state, struct slice name)
{
	double area = 0;

	for (int t = 0; t < IMAGE_TYPES; t++)
		if (is_type(name, (enum image_type)t))
			area += state->area[t];
	return area;
}

static int
pixel_coverage(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);

	return state != NULL && is_known_type(eval_arg(call, 0)) &&
	       in_range(call, 1, area_of(state, eval_arg(call, 0)));
}

static int
image_to_text_ratio(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);
	double area, ratio;
	size_t text = 0;

	if (state == NULL || call->arg_count < 3)
		return 0;
	for (size_t i = 0; i < call->line_count; i++)
		text += call->lines[i].len;
	area = area_of(state, eval_arg(call, 0));
	if (text == 0 || area <= 0)
		return 0;
	ratio = (double)text / area;
	return in_range(call, 1, ratio) && ratio != eval_number(call, 2);
}

static int
image_size_exact(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);

	for (size_t i = 0; state != NULL && call->arg_count >= 3 && i < state->images.count; i++) {
		const struct image *image = &state->images.items[i];

		if (is_type(eval_arg(call, 0), image->type) &&
		    image->height == eval_number(call, 1) && image->width == eval_number(call, 2))
			return 1;
	}
	return 0;
}

static int
image_size_range(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);

	for (size_t i = 0; state != NULL && call->arg_count >= 3 && i < state->images.count; i++) {
		const struct image *image = &state->images.items[i];

		if (is_type(eval_arg(call, 0), image->type) &&
		    image->height >= eval_number(call, 1) && image->width >= eval_number(call, 2) &&
		    (call->arg_count < 4 || image->height <= eval_number(call, 3)) &&
		    (call->arg_count < 5 || image->width <= eval_number(call, 4)))
			return 1;
	}
	return 0;
}

static int
image_named(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);

	for (size_t i = 0; state != NULL && call->arg_count > 0 && i < state->images.count; i++)
		if (state->images.items[i].name.len > 0 &&
		    slice_eq(state->images.items[i].name, eval_arg(call, 0)))
			return 1;
	return 0;
}

/* The pattern is used as written: delimiters are part of it in the reference too. */
static enum status
prepare_name(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	if (rule->args.count == 0)
		return error_set(error, STATUS_BAD, "image_name_regex wants a pattern");
	rule->data = regex_create(reader->arena, rule->args.items[0], 0, error);
	return rule->data == NULL ? STATUS_BAD : STATUS_OK;
}

static int
image_name_regex(struct scan *scan, const struct eval_call *call)
{
	const struct image_state *state = images(scan);

	for (size_t i = 0; state != NULL && i < state->images.count; i++)
		if (state->images.items[i].name.len > 0 &&
		    regex_is_match(call->data, scan_regex_scratch(scan),
		                   state->images.items[i].name))
			return 1;
	return 0;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "image_count", EVAL_BODY, image_count, NULL },
	{ "image_name_regex", EVAL_BODY, image_name_regex, prepare_name },
	{ "image_named", EVAL_BODY, image_named, NULL },
	{ "image_size_exact", EVAL_BODY, image_size_exact, NULL },
	{ "image_size_range", EVAL_BODY, image_size_range, NULL },
	{ "image_to_text_ratio", EVAL_BODY, image_to_text_ratio, NULL },
	{ "pixel_coverage", EVAL_BODY, pixel_coverage, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_imageinfo = {
	.id = PLUGIN_ID_imageinfo,
	.class_name = "Mail::SpamAssassin::Plugin::ImageInfo",
	.module = {.name = "imageinfo"},
	.evals = evals,
	.state_size = sizeof(struct image_state),
};
