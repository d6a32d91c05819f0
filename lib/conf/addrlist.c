/*
 * addrlist.c - lists of address globs
 */
#include "conf/addrlist.h"

bool
glob_match(struct slice glob, struct slice text)
{
	size_t g = 0, t = 0, star = SLICE_NPOS, mark = 0;

	while (t < text.len) {
		if (g < glob.len && glob.data[g] == '*') {
			star = g++;
			mark = t;
		} else if (g < glob.len && (glob.data[g] == text.data[t] ||
		                            (glob.data[g] == '?' && text.data[t] != '\n'))) {
			g++;
			t++;
		} else if (star != SLICE_NPOS && text.data[mark] != '\n') {
			g = star + 1;
			t = ++mark;
		} else {
			/* Perl's $ also matches before a final line end. */
			break;
		}
	}
	while (g < glob.len && glob.data[g] == '*')
		g++;
	return g == glob.len && (t == text.len || (t + 1 == text.len && text.data[t] == '\n'));
}

static bool
has_wildcard(struct slice s)
{
	return slice_find_any(s, "*?", 0) != SLICE_NPOS;
}

static void
index_entry(struct addrlist *list, struct arena *arena, struct addrlist_entry *entry)
{
	struct slice glob = entry->glob;

	if (!has_wildcard(glob))
		return; /* by_glob finds it */
	if (slice_starts(glob, SLICE("*@")) && !has_wildcard(slice_from(glob, 2)))
		hashmap_set(&list->by_domain, slice_from(glob, 2), entry);
	else if (slice_starts(glob, SLICE("*@*.")) && !has_wildcard(slice_from(glob, 4)))
		hashmap_set(&list->by_suffix, slice_from(glob, 4), entry);
	else
		(void)vec_push(arena, &list->others, entry);
}

/* Entries of another arena (the site's) are shared; the indexes are made anew in this one. */
static void
own(struct addrlist *list, struct arena *arena)
{
	struct addrlist old = *list;

	if (list->arena == arena)
		return;
	*list = (struct addrlist){.arena = arena};
	hashmap_init(&list->by_glob, arena);
	hashmap_init(&list->by_domain, arena);
	hashmap_init(&list->by_suffix, arena);
	for (size_t i = 0; i < old.entries.count; i++) {
		struct addrlist_entry *entry = arena_new(arena, struct addrlist_entry);

		if (entry == NULL)
			return;
		*entry = *old.entries.items[i];
		if (vec_push(arena, &list->entries, entry) == NULL)
			return;
		hashmap_set(&list->by_glob, entry->glob, entry);
		index_entry(list, arena, entry);
	}
}

struct addrlist_entry *
addrlist_add(struct addrlist *list, struct arena *arena, struct slice glob)
{
	unsigned char *text;
	struct addrlist_entry *entry;

	own(list, arena);
	text = arena_bytes(arena, glob.len + 1);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < glob.len; i++) {
		unsigned char c = byte_lower(glob.data[i]);

		text[i] = c == '\0' || c == '\\' || c == '(' ? '_' : c;
	}
	entry = hashmap_get(&list->by_glob, slice_of(text, glob.len));
	if (entry != NULL) {
		entry->removed = false;
		return entry;
	}
	entry = arena_new(arena, struct addrlist_entry);
	if (entry == NULL)
		return NULL;
	entry->glob = slice_of(text, glob.len);
	if (!hashmap_set(&list->by_glob, entry->glob, entry) ||
	    vec_push(arena, &list->entries, entry) == NULL)
		return NULL;
	index_entry(list, arena, entry);
	return entry;
}

bool
addrlist_remove(struct addrlist *list, struct arena *arena, struct slice glob)
{
	struct addrlist_entry *entry;
	struct slice lower = arena_dup_lower(arena, glob);

	own(list, arena);
	entry = hashmap_get(&list->by_glob, lower);
	if (entry == NULL || entry->removed)
		return false;
	entry->removed = true;
	entry->data = NULL;
	return true;
}

struct match_state {
	bool (*fn)(void *data, const struct addrlist_entry *entry);
	void *data;
};

static bool
offer(const struct match_state *state, const struct addrlist_entry *entry)
{
	return entry != NULL && !entry->removed &&
	       (state->fn == NULL || state->fn(state->data, entry));
}

static bool
match_domains(const struct addrlist *list, struct slice addr, const struct match_state *state)
{
	/* "*@domain": the * may hold an @ too, so every @ starts a candidate. */
	for (size_t at = slice_find_byte(addr, '@', 0); at != SLICE_NPOS;
	     at = slice_find_byte(addr, '@', at + 1)) {
		struct slice domain = slice_from(addr, at + 1);

		if (list->by_domain.count > 0 &&
		    offer(state, hashmap_get(&list->by_domain, domain)))
			return true;
		if (list->by_suffix.count == 0)
			continue;
		for (size_t dot = slice_find_byte(domain, '.', 0); dot != SLICE_NPOS;
		     dot = slice_find_byte(domain, '.', dot + 1))
			if (offer(state,
			          hashmap_get(&list->by_suffix, slice_from(domain, dot + 1))))
				return true;
	}
	return false;
}

bool
addrlist_each_match(const struct addrlist *list, struct slice addr,
                    bool (*fn)(void *data, const struct addrlist_entry *entry), void *data)
{
	struct match_state state = {fn, data};
	struct addrlist_entry *entry;

	if (list->entries.count == 0)
		return false;
	entry = hashmap_get(&list->by_glob, addr);
	if (entry != NULL && !has_wildcard(entry->glob) && offer(&state, entry))
		return true;
	if (match_domains(list, addr, &state))
		return true;
	for (size_t i = 0; i < list->others.count; i++)
		if (glob_match(list->others.items[i]->glob, addr) &&
		    offer(&state, list->others.items[i]))
			return true;
	return false;
}

bool
addrlist_match(const struct addrlist *list, struct slice addr)
{
	return addrlist_each_match(list, addr, NULL, NULL);
}
