/*
 * dkim_tags.c - tag=value lists
 */
#include "auth/dkim_tags.h"

#include "util/hashmap.h"

static bool
parse_tag(struct slice raw, struct dkim_tag *tag_r)
{
	struct slice text = slice_trim(raw);
	size_t equals = slice_find_byte(text, '=', 0);

	*tag_r = (struct dkim_tag){.raw = raw, .is_empty = text.len == 0};
	if (tag_r->is_empty)
		return true;
	if (equals == SLICE_NPOS)
		return false;
	tag_r->name = slice_rtrim(slice_sub(text, 0, equals));
	tag_r->value = slice_ltrim(slice_from(text, equals + 1));
	return true;
}

static bool
count_names(struct arena *arena, struct dkim_tags *tags)
{
	struct hashmap names;

	hashmap_init(&names, arena);
	for (size_t i = 0; i < tags->items.count; i++) {
		bool added = false;

		if (tags->items.items[i].is_empty)
			continue;
		if (hashmap_put(&names, tags->items.items[i].name, &added) == NULL)
			return false;
		if (added)
			tags->distinct++;
		else
			tags->has_duplicate = true;
	}
	return true;
}

enum status
dkim_tags_parse(struct arena *arena, struct slice text, struct dkim_tags *tags_r)
{
	struct slice rest = text, raw;

	*tags_r = (struct dkim_tags){.distinct = 0};
	if (rest.data == NULL)
		rest = SLICE("");
	while (slice_next(&rest, ';', &raw)) {
		struct dkim_tag tag;

		if (!parse_tag(raw, &tag))
			return STATUS_BAD;
		if (vec_push(arena, &tags_r->items, tag) == NULL)
			return STATUS_LIMIT;
	}
	return count_names(arena, tags_r) ? STATUS_OK : STATUS_LIMIT;
}

const struct dkim_tag *
dkim_tags_find(const struct dkim_tags *tags, struct slice name)
{
	for (size_t i = tags->items.count; i > 0; i--)
		if (!tags->items.items[i - 1].is_empty &&
		    slice_eq(tags->items.items[i - 1].name, name))
			return &tags->items.items[i - 1];
	return NULL;
}

struct slice
dkim_tags_get(const struct dkim_tags *tags, struct slice name)
{
	const struct dkim_tag *tag = dkim_tags_find(tags, name);

	if (tag == NULL)
		return SLICE_NULL;
	return tag->value.data == NULL ? SLICE("") : tag->value;
}

bool
dkim_list_has(struct slice list, struct slice word)
{
	struct slice item;

	while (slice_next(&list, ':', &item))
		if (slice_eq(item, word))
			return true;
	return false;
}
