/*
 * part_details.c - name and types of an attachment, as plugins ask for them
 */
#include "mail/encoded_word.h"
#include "mail/message.h"

static struct slice
decoded_field(struct part *part, struct slice name)
{
	struct slice value = header_list_last(&part->headers, name);
	struct arena *arena = part->message->arena;
	unsigned char *out;
	size_t n = 0;

	if (value.len == 0)
		return SLICE("");
	value = encoded_word_decode(arena, value, name);
	if (!slice_has_byte(value, '\n') || (out = arena_bytes(arena, value.len)) == NULL)
		return value;
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] != '\n' &&
		    !(value.data[i] == '\r' && i + 1 < value.len && value.data[i + 1] == '\n'))
			out[n++] = value.data[i];
	return slice_of(out, n);
}

/* What follows the first `key` and "=", up to a quote or ";". */
static struct slice
parameter(struct slice value, struct slice key)
{
	for (size_t at = slice_ifind(value, key, 0); at != SLICE_NPOS;
	     at = slice_ifind(value, key, at + 1)) {
		struct slice rest = slice_ltrim(slice_from(value, at + key.len));

		if (rest.len == 0 || rest.data[0] != '=')
			continue;
		rest = slice_ltrim(slice_from(rest, 1));
		if (rest.len > 0 && (rest.data[0] == '"' || rest.data[0] == '\''))
			rest = slice_from(rest, 1);
		return slice_rtrim(slice_sub(rest, 0, slice_find_any(rest, "\"';", 0)));
	}
	return SLICE("");
}

bool
part_details(struct part *part, bool prefer_disposition, struct part_details *details_r)
{
	struct slice of_type, of_disposition;

	if (header_list_find(&part->headers, SLICE("content-type")) == NULL ||
	    (!slice_eq(part->cte, SLICE("base64")) &&
	     !slice_eq(part->cte, SLICE("quoted-printable"))))
		return false;
	*details_r = (struct part_details){
		.content_type = decoded_field(part, SLICE("content-type")),
		.content_disposition = decoded_field(part, SLICE("content-disposition")),
		.cte = part->cte,
	};
	of_type = parameter(details_r->content_type, SLICE("name"));
	of_disposition = parameter(details_r->content_disposition, SLICE("filename"));
	if (of_disposition.len == 0)
		details_r->name = of_type;
	else if (of_type.len == 0 || prefer_disposition || slice_ieq(of_type, of_disposition))
		details_r->name = of_disposition;
	else
		details_r->name = of_type;
	return true;
}
