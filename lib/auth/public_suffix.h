/*
 * public_suffix.h - where a registry ends and an organisation begins
 *
 * Owns: struct public_suffixes.  Source: RFC 7489 3.2 as Mail::DMARC 1.20211209 reads the list of
 * publicsuffix.org: a line is a name, "*." in it stands for one label, lines with "!" match
 * nothing, and a name under no line at all ends at its last label.  For DMARC only: URIs are cut by
 * the tables of the rules (mail/registry.h).
 */
#ifndef WINNOW_AUTH_PUBLIC_SUFFIX_H
#define WINNOW_AUTH_PUBLIC_SUFFIX_H

#include "util/hashmap.h"
#include "util/status.h"

struct public_suffixes;

/* The list's text must live as long as the result.  NULL: no memory. */
struct public_suffixes *public_suffixes_create(struct arena *arena, struct slice text);
/* The first of the files that there is; STATUS_NONE: none. */
enum status public_suffixes_load(struct arena *arena, const char *const *paths,
                                 struct public_suffixes **list_r, struct error *error) WARN_UNUSED;
bool public_suffixes_has(const struct public_suffixes *list, struct arena *arena,
                         struct slice name);
/* Lower case, or the domain as it is when all of it is a suffix. */
struct slice public_suffixes_organization(const struct public_suffixes *list, struct arena *arena,
                                          struct slice domain);
/* Letters, digits and hyphens under a name that the list knows. */
bool public_suffixes_is_domain(const struct public_suffixes *list, struct arena *arena,
                               struct slice domain);

#endif
