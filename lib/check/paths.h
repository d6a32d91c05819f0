/*
 * paths.h - where configuration is looked for
 *
 * Source: search lists of the reference (rules: update directory, installed rules; site:
 * /etc/mail/spamassassin, /etc/spamassassin ...), with our own rules last.
 */
#ifndef WINNOW_CHECK_PATHS_H
#define WINNOW_CHECK_PATHS_H

#include "util/arena.h"
#include "util/log.h"

/* First directory that exists, NULL when none does. */
const char *paths_find_rules(void);
const char *paths_find_site(void);
/* The file of the table cache: $WINNOW_CACHE, else the system's. */
const char *paths_cache(void);
/* ~/.spamassassin/user_prefs of that home directory, in the arena. */
const char *paths_user_prefs(struct arena *arena, const char *home);
/* The user's preferences template, NULL when there is none. */
const char *paths_prefs_template(struct arena *arena, const char *site_dir, const char *rules_dir);
/*
 * Copies the template to a new file `name` of a directory (AT_FDCWD: a path), never through a link
 * that somebody put there.  `path` is its name for the log, which says why not, or that it is
 * there.
 */
bool paths_create_prefs(struct arena *arena, int directory, const char *name, unsigned mode,
                        const char *from, const char *path, const struct log *log);
/* A support file such as "languages" in the rules or update directory; NULL when none has it. */
const char *paths_support_file(struct arena *arena, const char *rules_dir, const char *name);

#endif
