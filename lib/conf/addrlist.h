/*
 * addrlist.h - lists of address globs (welcomelist_from and its kin)
 *
 * Owns: struct addrlist.  Entries are lower-cased; * stands for any run, ? for any one byte, all
 * else is literal and the whole address must match; NUL, \ and ( in an entry become _ (reference:
 * Conf/Parser.pm add_to_addrlist). A match costs a few hash look-ups however long the list: exact
 * addresses, "*@domain", "*@*.domain" and ".domain" endings are indexed, only other globs are tried
 * one by one.
 */
#ifndef WINNOW_CONF_ADDRLIST_H
#define WINNOW_CONF_ADDRLIST_H

#include "util/arena.h"
#include "util/hashmap.h"
#include "util/slice.h"
#include "util/vec.h"

struct addrlist_entry {
	struct slice glob;
	bool removed;
	void *data; /* the caller's: relay domains of *_from_rcvd, signers of *_from_dkim */
};

struct addrlist {
	struct arena *arena; /* where it may be written; another arena is copied from first */
	VEC(struct addrlist_entry *) entries; /* in order of insertion */
	struct hashmap by_glob;
	struct hashmap by_domain; /* text after "*@" without wildcards -> entry */
	struct hashmap by_suffix; /* text after "*" in globs "*text": keyed by whole text */
	VEC(struct addrlist_entry *) others;
};

/* Adds or finds; NULL without memory. */
struct addrlist_entry *addrlist_add(struct addrlist *list, struct arena *arena, struct slice glob);
/* Removes the entry of identical lower-cased text; false when there was none. */
bool addrlist_remove(struct addrlist *list, struct arena *arena, struct slice glob);
static inline bool
addrlist_is_empty(const struct addrlist *list)
{
	return list->entries.count == 0;
}
/* addr must be lower case already. */
bool addrlist_match(const struct addrlist *list, struct slice addr);
/* Calls fn for every entry that matches, in order of insertion, until it returns true; returns
 * that. */
bool addrlist_each_match(const struct addrlist *list, struct slice addr,
                         bool (*fn)(void *data, const struct addrlist_entry *entry), void *data);
/* * and ? glob over the whole of text; linear but for back-tracking over one *. */
bool glob_match(struct slice glob, struct slice text);

#endif
