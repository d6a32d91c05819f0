/*
 * paths.h - where configuration is looked for
 *
 * Source: search lists of the reference (rules: update directory, installed rules; site:
 * /etc/mail/spamassassin, /etc/spamassassin ...), with our own rules last.
 */
#ifndef WINNOW_CHECK_PATHS_H
#define WINNOW_CHECK_PATHS_H

#include "util/arena.h"

/* First directory that exists, NULL when none does. */
const char *paths_find_rules(void);
const char *paths_find_site(void);
/* The file of the table cache: $WINNOW_CACHE, else the system's. */
const char *paths_cache(void);
/* ~/.spamassassin/user_prefs of that home directory, in the arena. */
const char *paths_user_prefs(struct arena *arena, const char *home);
/* The user's preferences template, NULL when there is none. */
const char *paths_prefs_template(struct arena *arena, const char *site_dir, const char *rules_dir);
/* A support file such as "languages" in the rules or update directory; NULL when none has it. */
const char *paths_support_file(struct arena *arena, const char *rules_dir, const char *name);

#endif
