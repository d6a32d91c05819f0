/*
 * conf.c - modules, defaults, overlays, lists and tables
 */
#include "conf/conf.h"

#include <stdint.h>

#include "conf/core.h"
#include "conf/value.h"

struct conf *
conf_create(struct arena *arena)
{
	struct conf *conf = arena_new(arena, struct conf);

	if (conf == NULL)
		return NULL;
	conf->arena = arena;
	hashmap_init(&conf->directives, arena);
	hashmap_init(&conf->compat, arena);
	return conf_add_module(conf, &conf_core_module) == SIZE_MAX ? NULL : conf;
}

static bool
add_name(struct conf *conf, const char *name, const struct directive *directive, size_t block)
{
	struct conf_entry *entry = arena_new(conf->arena, struct conf_entry);

	if (entry == NULL)
		return false;
	*entry = (struct conf_entry){directive, block};
	return hashmap_set(&conf->directives, slice_from_cstr(name), entry);
}

size_t
conf_add_module(struct conf *conf, const struct conf_module *module)
{
	size_t index = conf->blocks.count;
	struct conf_reader reader = {.conf = conf, .arena = conf->arena};
	unsigned char *settings =
		arena_alloc(conf->arena, module->settings_size + 1, alignof(max_align_t));

	if (settings == NULL ||
	    vec_push(conf->arena, &conf->blocks, (struct conf_block){module, settings}) == NULL)
		return SIZE_MAX;
	for (size_t i = 0; i < module->directive_count; i++) {
		const struct directive *d = &module->directives[i];

		if (!add_name(conf, d->name, d, index) ||
		    (d->alias != NULL && !add_name(conf, d->alias, d, index)))
			return SIZE_MAX;
		if (d->standard != NULL)
			(void)conf_value_parse(&reader, settings, d, slice_from_cstr(d->standard));
	}
	return index;
}

void *
conf_settings(const struct conf *conf, const struct conf_module *module)
{
	for (size_t i = 0; i < conf->blocks.count; i++)
		if (conf->blocks.items[i].module == module)
			return conf->blocks.items[i].settings;
	return NULL;
}

struct conf *
conf_overlay(const struct conf *conf, struct arena *arena)
{
	struct conf *copy = arena_new(arena, struct conf);

	if (copy == NULL)
		return NULL;
	*copy = *conf;
	copy->arena = arena;
	copy->blocks.items = arena_new_array(arena, struct conf_block, conf->blocks.count + 1);
	copy->blocks.size = conf->blocks.count;
	if (copy->blocks.items == NULL)
		return NULL;
	for (size_t i = 0; i < conf->blocks.count; i++) {
		const struct conf_block *block = &conf->blocks.items[i];
		void *settings =
			arena_alloc(arena, block->module->settings_size + 1, alignof(max_align_t));

		if (settings == NULL)
			return NULL;
		memcpy(settings, block->settings, block->module->settings_size);
		copy->blocks.items[i] = (struct conf_block){block->module, settings};
	}
	return copy;
}

bool
conf_words_add(struct conf_reader *reader, struct conf_words *words, struct slice word)
{
	struct arena *arena = reader->arena;

	if (words->arena != arena || words->count == words->size) {
		size_t size = words->count < 4 ? 8 : words->count * 2;
		struct slice *items = arena_new_array(arena, struct slice, size);

		if (items == NULL)
			return false;
		if (words->count > 0)
			memcpy(items, words->items, words->count * sizeof(*items));
		*words = (struct conf_words){arena, items, words->count, size};
	}
	words->items[words->count++] = word;
	return true;
}

bool
conf_words_has(const struct conf_words *words, struct slice word, bool ignore_case)
{
	for (size_t i = 0; i < words->count; i++)
		if (ignore_case ? slice_ieq(words->items[i], word)
		                : slice_eq(words->items[i], word))
			return true;
	return false;
}

void
conf_words_clear(struct conf_words *words)
{
	*words = (struct conf_words){0};
}

static bool
own_table(struct conf_table *table, struct arena *arena)
{
	struct hashmap old = table->map;

	if (old.arena == arena)
		return true;
	hashmap_init(&table->map, arena);
	for (size_t i = 0; i < old.count; i++)
		if (!hashmap_set(&table->map, old.entries[i].key, old.entries[i].value))
			return false;
	return true;
}

bool
conf_table_set(struct conf_reader *reader, struct conf_table *table, struct slice key,
               struct slice value)
{
	struct slice *copy = arena_new(reader->arena, struct slice);

	if (copy == NULL || !own_table(table, reader->arena))
		return false;
	*copy = value;
	return hashmap_set(&table->map, key, copy);
}

struct slice
conf_table_get(const struct conf_table *table, struct slice key)
{
	const struct slice *value = hashmap_get(&table->map, key);

	return value == NULL ? SLICE_NULL : *value;
}

void
conf_table_remove(struct conf_reader *reader, struct conf_table *table, struct slice key)
{
	if (hashmap_get(&table->map, key) != NULL && own_table(table, reader->arena))
		hashmap_set(&table->map, key, NULL);
}

void
conf_table_clear(struct conf_table *table)
{
	*table = (struct conf_table){0};
}
