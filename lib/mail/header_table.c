/*
 * header_table.c - header names become numbers at load
 */
#include "mail/header_table.h"

#include <stdint.h>

void
header_table_init(struct header_table *table, struct arena *arena)
{
	*table = (struct header_table){.arena = arena};
	hashmap_init(&table->by_text, arena);
	hashmap_init_nocase(&table->fields, arena);
}

static unsigned
number_of(const struct hashmap_entry *entry)
{
	return entry == NULL ? HEADER_NONE : (unsigned)(uintptr_t)entry->value - 1;
}

static unsigned
add_field(struct header_table *table, struct slice name)
{
	struct hashmap_entry *entry = hashmap_put(&table->fields, name, NULL);

	if (entry != NULL && entry->value == NULL)
		entry->value = (void *)(uintptr_t)table->fields.count;
	return number_of(entry);
}

unsigned
header_table_add(struct header_table *table, struct slice text)
{
	struct hashmap_entry *known = hashmap_put(&table->by_text, text, NULL);
	struct header_entry entry = {.field = HEADER_NONE};
	struct slice name;

	if (known == NULL)
		return HEADER_NONE;
	if (known->value != NULL)
		return number_of(known);
	header_request_parse(text, &entry.request, NULL);
	entry.lower = arena_dup_lower(table->arena, entry.request.name);
	entry.lower_hash = hash_bytes(entry.lower);
	/* header_get trims the name for these only. */
	name = entry.request.modifiers & (HEADER_RAW | HEADER_ADDR | HEADER_NAME)
	               ? slice_trim(entry.request.name)
	               : entry.request.name;
	if (entry.request.kind == HEADER_NAMED)
		entry.field = add_field(table, name);
	if (vec_push(table->arena, &table->entries, entry) == NULL)
		return HEADER_NONE;
	known->value = (void *)(uintptr_t)table->entries.count;
	return number_of(known);
}

unsigned
header_table_find(const struct header_table *table, struct slice text)
{
	return number_of(hashmap_find(&table->by_text, text));
}

void
header_table_mark(const struct header_table *table, const struct header_list *list, bool *there)
{
	for (size_t i = 0; i < list->names.count; i++) {
		const struct hashmap_entry *name = &list->names.entries[i];
		unsigned field =
			number_of(hashmap_find_hashed(&table->fields, name->key, name->hash));

		if (field != HEADER_NONE)
			there[field] = true;
	}
}
