/*
 * sources.c - the files that a configuration was read from
 */
#include "conf/sources.h"

#include <time.h>

static struct conf_source
describe(const char *path, const struct stat *st)
{
	struct conf_source source = {.path = path};

	if (st == NULL)
		return source;
	source.dev = st->st_dev;
	source.ino = st->st_ino;
	/* A directory's size depends on who looks, with some file systems. */
	source.size = S_ISDIR(st->st_mode) ? 0 : st->st_size;
	source.mtime = st->st_mtim;
	source.ctime = st->st_ctim;
	return source;
}

static bool
is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool
is_same(const struct conf_source *a, const struct conf_source *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       is_same_time(a->mtime, b->mtime) && is_same_time(a->ctime, b->ctime);
}

void
conf_sources_note(struct conf_sources *sources, const char *path, const struct stat *st)
{
	struct slice kept;

	if (sources == NULL)
		return;
	kept = arena_printf(sources->arena, "%s", path);
	if (kept.data != NULL)
		(void)vec_push(sources->arena, &sources->items,
		               describe((const char *)kept.data, st));
}

const char *
conf_sources_changed(const struct conf_sources *sources)
{
	for (size_t i = 0; i < sources->items.count; i++) {
		const struct conf_source *was = &sources->items.items[i];
		struct stat st;
		struct conf_source now =
			describe(was->path, stat(was->path, &st) == 0 ? &st : NULL);

		if (!is_same(was, &now))
			return was->path;
	}
	return NULL;
}

int64_t
conf_sources_age_ms(const struct conf_sources *sources)
{
	int64_t youngest = INT64_MAX;
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return youngest;
	for (size_t i = 0; i < sources->items.count; i++) {
		struct timespec then = sources->items.items[i].ctime;
		int64_t age = (int64_t)(now.tv_sec - then.tv_sec) * 1000 +
		              (now.tv_nsec - then.tv_nsec) / 1000000;

		if (age >= 0 && age < youngest)
			youngest = age;
	}
	return youngest;
}
