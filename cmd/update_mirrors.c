/*
 * update_mirrors.c - the mirrors of a channel
 */
#include "cmd/update_mirrors.h"

#include <string.h>

/* Digits and a fraction; what is no number weighs nothing. */
static double
parse_weight(struct slice text)
{
	double weight;

	return slice_to_decimal(text, &weight) && weight > 0 ? weight : 0;
}

static struct update_mirror *
find(update_mirror_vec *mirrors, struct slice url)
{
	for (size_t i = 0; i < mirrors->count; i++)
		if (slice_eq(slice_from_cstr(mirrors->items[i].url), url))
			return &mirrors->items[i];
	return NULL;
}

static void
parse_line(struct arena *arena, struct slice line, const struct log *log,
           update_mirror_vec *mirrors)
{
	struct slice url, word;
	struct update_mirror *mirror;

	line = slice_trim(slice_sub(line, 0, slice_find_byte(line, '#', 0)));
	if (!slice_istarts(line, SLICE("http://")) && !slice_istarts(line, SLICE("https://"))) {
		if (line.len > 0)
			log_debug(log, "channel", "skipping non-HTTP mirror: %.*s",
			          SLICE_FMT(log_quote(arena, line, 200)));
		return;
	}
	log_debug(log, "channel", "found mirror %.*s", SLICE_FMT(log_quote(arena, line, 200)));
	(void)slice_next_word(&line, &url);
	while (slice_ends(url, SLICE("/")))
		url.len--;
	mirror = find(mirrors, url);
	if (mirror == NULL)
		mirror =
			vec_push(arena, mirrors, (struct update_mirror){arena_cstr(arena, url), 1});
	if (mirror == NULL)
		return;
	mirror->weight = 1;
	while (slice_next_word(&line, &word))
		if (slice_starts(word, SLICE("weight=")))
			mirror->weight = parse_weight(slice_from(word, 7));
}

void
update_mirrors_parse(struct arena *arena, struct slice text, const struct log *log,
                     update_mirror_vec *mirrors_r)
{
	enum { MIRRORS_MAX = 1000 };
	struct slice line;

	*mirrors_r = (update_mirror_vec){0};
	while (slice_next_line(&text, &line) && mirrors_r->count < MIRRORS_MAX)
		parse_line(arena, line, log, mirrors_r);
}

const char *
update_mirrors_take(update_mirror_vec *mirrors, double random)
{
	double total = 0;
	size_t i = 0;
	const char *url;

	if (mirrors->count == 0)
		return NULL;
	for (size_t m = 0; m < mirrors->count; m++)
		total += mirrors->items[m].weight;
	for (random *= total; i + 1 < mirrors->count && random >= mirrors->items[i].weight; i++)
		random -= mirrors->items[i].weight;
	url = mirrors->items[i].url;
	mirrors->count--;
	memmove(&mirrors->items[i], &mirrors->items[i + 1],
	        (mirrors->count - i) * sizeof(mirrors->items[0]));
	return url;
}
