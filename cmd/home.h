/*
 * home.h - the invoking user's directory of preferences
 *
 * Source: get_and_create_userstate_dir, create_default_prefs of 4.0.1: ~/.spamassassin is made
 * (mode 0700), user_prefs copied from the template when it is not there.
 */
#ifndef WINNOW_CMD_HOME_H
#define WINNOW_CMD_HOME_H

#include "util/arena.h"
#include "util/log.h"

/* $HOME when it is a path, else that of the password file; NULL: none. */
const char *home_find(struct arena *arena);
/*
 * The preferences file to read: prefs_path, or ~/.spamassassin/user_prefs; made from the template
 * when `create` is set and it does not exist.  NULL: there is none.
 */
const char *home_prefs(struct arena *arena, const char *prefs_path, bool create,
                       const struct log *log);

#endif
