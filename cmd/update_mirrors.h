/*
 * update_mirrors.h - the mirrors of a channel
 *
 * Owns: struct update_mirror.  Source: MIRRORED.BY as sa-update 4.0.1 reads it: one URL a line,
 * then NAME=VALUE words, of which weight counts; "#" begins a comment.
 */
#ifndef WINNOW_CMD_UPDATE_MIRRORS_H
#define WINNOW_CMD_UPDATE_MIRRORS_H

#include "util/log.h"
#include "util/vec.h"

struct update_mirror {
	const char *url; /* without slash at its end */
	double weight;
};
typedef VEC(struct update_mirror) update_mirror_vec;

/* Only http and https; a mirror named twice counts once, with its last weight. */
void update_mirrors_parse(struct arena *arena, struct slice text, const struct log *log,
                          update_mirror_vec *mirrors_r);
/*
 * Takes one out of the list, by chance: each as often as its share of all weights.  NULL: none is
 * left.  random: 0 <= random < 1.
 */
const char *update_mirrors_take(update_mirror_vec *mirrors, double random);

#endif
