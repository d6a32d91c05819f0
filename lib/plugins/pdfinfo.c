/*
 * pdfinfo.c - Mail::SpamAssassin::Plugin::PDFInfo: details of PDF attachments
 */
#include <openssl/evp.h>

#include "plugins/args.h"
#include "plugins/pdf.h"

enum { TAG_MAX = 2048 };

struct pdf_state {
	size_t count, image_count;
	double area; /* of the last file with images */
	bool has_area, encrypted;
	slice_vec names;
	VEC(struct pdf_image) sizes;
	slice_vec details[PDF_PROPERTIES];
	slice_vec md5, fuzzy_md5; /* upper case */
};

/* ---- reading ---- */

static struct slice
md5_of(struct arena *arena, struct slice data)
{
	unsigned char digest[EVP_MAX_MD_SIZE], *hex = arena_bytes(arena, 33);
	unsigned len = 0;

	if (hex == NULL || EVP_Digest(data.data, data.len, digest, &len, EVP_md5(), NULL) != 1 ||
	    len != 16)
		return SLICE("");
	for (size_t i = 0; i < 16; i++) {
		hex[2 * i] = (unsigned char)"0123456789ABCDEF"[digest[i] >> 4];
		hex[2 * i + 1] = (unsigned char)"0123456789ABCDEF"[digest[i] & 15];
	}
	return slice_of(hex, 32);
}

/* Values of a tag stand one after the other, up to a length. */
static void
append_tag(struct scan *scan, const char *name, struct slice value)
{
	const struct slice *values;
	size_t count = 0;
	struct slice tag = slice_from_cstr(name);

	if (value.len == 0)
		return;
	if (scan_tag_values(scan, tag, &values, &count) && count > 0) {
		if (values[0].len >= TAG_MAX)
			return;
		value = arena_printf(scan->arena, "%.*s %.*s", SLICE_FMT(values[0]),
		                     SLICE_FMT(value));
	}
	scan_set_tag(scan, tag, value);
}

static void
append_number(struct scan *scan, const char *name, double value)
{
	append_tag(scan, name, arena_printf(scan->arena, "%.15g", value));
}

static void
take_images(struct scan *scan, struct pdf_state *state, const struct pdf_facts *facts)
{
	for (size_t i = 0; i < facts->images.count; i++) {
		const struct pdf_image *image = &facts->images.items[i];

		(void)vec_push(scan->arena, &state->sizes, *image);
		append_tag(scan, "PDFIMGDIM",
		           arena_printf(scan->arena, "%.*sx%.*s", SLICE_FMT(image->height),
		                        SLICE_FMT(image->width)));
	}
	state->image_count += facts->images.count;
	if (facts->total_height > 0 && facts->total_width > 0)
		(void)vec_push(
			scan->arena, &state->sizes,
			(struct pdf_image){arena_printf(scan->arena, "%.15g", facts->total_height),
		                           arena_printf(scan->arena, "%.15g", facts->total_width)});
	if (facts->total_area > 0) {
		state->has_area = true;
		state->area = facts->total_area;
		append_number(scan, "PDFIMGAREA", facts->total_area);
	}
}

static void
take_details(struct scan *scan, struct pdf_state *state, const struct pdf_facts *facts)
{
	static const char *const tags[PDF_PROPERTIES] = {
		[PDF_AUTHOR] = "PDFAUTHOR",
		[PDF_CREATOR] = "PDFCREATOR",
		[PDF_PRODUCER] = "PDFPRODUCER",
		[PDF_TITLE] = "PDFTITLE",
	};

	for (size_t p = 0; p < PDF_PROPERTIES; p++)
		for (size_t i = 0; i < facts->properties[p].count; i++) {
			struct slice value = facts->properties[p].items[i];

			(void)vec_push(scan->arena, &state->details[p], value);
			if (tags[p] != NULL)
				append_tag(scan, tags[p], value);
		}
}

static void
take_digests(struct scan *scan, struct pdf_state *state, const struct pdf_facts *facts,
             struct slice data)
{
	struct slice md5 = md5_of(scan->arena, data), head = SLICE(""), names = SLICE("");

	if (!perl_is_false(facts->head))
		head = md5_of(scan->arena, facts->head);
	if (facts->names.len > 0)
		names = md5_of(scan->arena, facts->names);
	(void)vec_push(scan->arena, &state->md5, md5);
	/* 4.0.1 shows the fuzzy digest in both tags. */
	append_tag(scan, "PDFMD5", head);
	append_tag(scan, "PDFMD5FUZZY1", head);
	append_tag(scan, "PDFMD5FUZZY2", names);
	if (head.len > 0)
		(void)vec_push(scan->arena, &state->fuzzy_md5, head);
	if (names.len > 0)
		(void)vec_push(scan->arena, &state->fuzzy_md5, names);
}

static void
read_pdf(struct scan *scan, struct pdf_state *state, struct part *part, struct slice name)
{
	struct slice data = part_decoded(part);
	struct pdf_facts facts;

	if (slice_starts(data, SLICE("\xef\xbb\xbf")))
		data = slice_from(data, 3);
	if (!pdf_read(scan->arena, data, &facts))
		return;
	append_tag(scan, "PDFVERSION", facts.version);
	append_tag(scan, "PDFNAME", name);
	if (name.len > 0)
		(void)vec_push(scan->arena, &state->names, name);
	state->encrypted |= facts.encrypted;
	take_images(scan, state, &facts);
	take_details(scan, state, &facts);
	take_digests(scan, state, &facts, data);
	for (size_t i = 0; i < facts.uris.count; i++)
		scan_add_uri(scan, facts.uris.items[i], URI_TYPE_PARSED);
}

static void
parsed(struct scan *scan)
{
	struct pdf_state *state = scan_state(scan, &plugin_pdfinfo);

	if (state == NULL)
		return;
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part)) {
		bool pdf = slice_eq(part->type, SLICE("application/pdf")) ||
		           slice_eq(part->type, SLICE("image/pdf"));
		struct slice name = part->name.data == NULL || perl_is_false(part->name)
		                            ? SLICE("")
		                            : part->name;
		struct slice end = slice_from(name, name.len < 4 ? 0 : name.len - 4);

		if (!pdf && !slice_eq(part->type, SLICE("application/octet-stream")) &&
		    !slice_eq(part->type, SLICE("image/octet-stream")))
			continue;
		if (!pdf && !slice_ieq(end, SLICE(".pdf")) && !slice_ieq(end, SLICE(".fdf")))
			continue;
		read_pdf(scan, state, part, name);
		state->count++;
	}
	append_number(scan, "PDFCOUNT", (double)state->count);
	append_number(scan, "PDFIMGCOUNT", (double)state->image_count);
}

/* ---- evals ---- */

static struct pdf_state *
state_of(struct scan *scan)
{
	return scan_state(scan, &plugin_pdfinfo);
}

static bool
has_value(const slice_vec *list, struct slice value, bool ignore_case)
{
	for (size_t i = 0; i < list->count; i++)
		if (ignore_case ? slice_ieq(list->items[i], value)
		                : slice_eq(list->items[i], value))
			return true;
	return false;
}

static bool
in_range(const struct eval_call *call, double value)
{
	return eval_has_arg(call, 0) && value >= eval_number(call, 0) &&
	       (!eval_has_arg(call, 1) || value <= eval_number(call, 1));
}

static int
pdf_count(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && in_range(call, (double)state->count);
}

static int
pdf_image_count(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && in_range(call, (double)state->image_count);
}

static int
pdf_pixel_coverage(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && state->has_area && in_range(call, state->area);
}

static int
pdf_image_to_text_ratio(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);
	size_t len = 0;
	double ratio;

	if (state == NULL || !state->has_area || call->arg_count < 2)
		return 0;
	for (size_t i = 0; i < call->line_count; i++)
		len += call->lines[i].len;
	ratio = (double)len / state->area;
	return len > 0 && in_range(call, ratio) && ratio != eval_number(call, 1);
}

static int
pdf_is_empty_body(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);
	double bytes = 0;

	if (state == NULL || state->count == 0)
		return 0;
	for (size_t i = 1; i < call->line_count; i++) {
		if (slice_trim(call->lines[i]).len == 0)
			continue;
		bytes += (double)call->lines[i].len;
		if (bytes > eval_number(call, 0))
			return 0;
	}
	return 1;
}

static int
pdf_is_encrypted(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	(void)call;
	return state != NULL && state->encrypted;
}

static int
pdf_image_size_exact(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	for (size_t i = 0; state != NULL && call->arg_count > 1 && i < state->sizes.count; i++)
		if (slice_eq(state->sizes.items[i].height, eval_arg(call, 0)) &&
		    slice_eq(state->sizes.items[i].width, eval_arg(call, 1)))
			return 1;
	return 0;
}

static int
pdf_image_size_range(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	for (size_t i = 0; state != NULL && call->arg_count > 1 && i < state->sizes.count; i++) {
		double height = perl_number(state->sizes.items[i].height);
		double width = perl_number(state->sizes.items[i].width);

		if (height >= eval_number(call, 0) && width >= eval_number(call, 1) &&
		    (!eval_has_arg(call, 2) || height <= eval_number(call, 2)) &&
		    (!eval_has_arg(call, 3) || width <= eval_number(call, 3)))
			return 1;
	}
	return 0;
}

static int
pdf_named(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && eval_has_arg(call, 0) &&
	       has_value(&state->names, eval_arg(call, 0), false);
}

static int
pdf_match_md5(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && has_value(&state->md5, eval_arg(call, 0), true);
}

static int
pdf_match_fuzzy_md5(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && has_value(&state->fuzzy_md5, eval_arg(call, 0), true);
}

static int
any_matches(struct scan *scan, const struct regex *regex, const slice_vec *list)
{
	for (size_t i = 0; regex != NULL && i < list->count; i++)
		if (regex_is_match(regex, scan_regex_scratch(scan), list->items[i]))
			return 1;
	return 0;
}

static enum status
prepare_name(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	return eval_prepare_regex(reader, rule, 0, error);
}

static int
pdf_name_regex(struct scan *scan, const struct eval_call *call)
{
	const struct pdf_state *state = state_of(scan);

	return state != NULL && any_matches(scan, call->data, &state->names);
}

static enum status
prepare_details(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	return eval_prepare_regex(reader, rule, 1, error);
}

static int
pdf_match_details(struct scan *scan, const struct eval_call *call)
{
	static const char *const names[PDF_PROPERTIES] = {
		[PDF_AUTHOR] = "author",     [PDF_CREATOR] = "creator",   [PDF_CREATED] = "created",
		[PDF_MODIFIED] = "modified", [PDF_PRODUCER] = "producer", [PDF_TITLE] = "title",
	};
	const struct pdf_state *state = state_of(scan);

	for (size_t p = 0; state != NULL && p < PDF_PROPERTIES; p++)
		if (slice_eq(eval_arg(call, 0), slice_from_cstr(names[p])))
			return any_matches(scan, call->data, &state->details[p]);
	return 0;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "pdf_count", EVAL_BODY, pdf_count, NULL },
	{ "pdf_image_count", EVAL_BODY, pdf_image_count, NULL },
	{ "pdf_image_size_exact", EVAL_BODY, pdf_image_size_exact, NULL },
	{ "pdf_image_size_range", EVAL_BODY, pdf_image_size_range, NULL },
	{ "pdf_image_to_text_ratio", EVAL_BODY, pdf_image_to_text_ratio, NULL },
	{ "pdf_is_empty_body", EVAL_BODY, pdf_is_empty_body, NULL },
	{ "pdf_is_encrypted", EVAL_BODY, pdf_is_encrypted, NULL },
	{ "pdf_match_details", EVAL_BODY, pdf_match_details, prepare_details },
	{ "pdf_match_fuzzy_md5", EVAL_BODY, pdf_match_fuzzy_md5, NULL },
	{ "pdf_match_md5", EVAL_BODY, pdf_match_md5, NULL },
	{ "pdf_name_regex", EVAL_BODY, pdf_name_regex, prepare_name },
	{ "pdf_named", EVAL_BODY, pdf_named, NULL },
	{ "pdf_pixel_coverage", EVAL_BODY, pdf_pixel_coverage, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_pdfinfo = {
	.id = PLUGIN_ID_pdfinfo,
	.class_name = "Mail::SpamAssassin::Plugin::PDFInfo",
	.module = {.name = "pdfinfo"},
	.evals = evals,
	.state_size = sizeof(struct pdf_state),
	.parsed = parsed,
};
