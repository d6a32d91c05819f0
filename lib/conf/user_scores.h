/*
 * user_scores.h - users' preferences from a database or a directory
 *
 * Owns: struct user_scores: one process's way there.  Source: Conf/SQL.pm, Conf/LDAP.pm of 4.0.1:
 * each row (preference, value), each value of the attribute, is a line as in a user's own file, and
 * no more than such a file may say is taken (prefs.h).  Names of users are values of statements,
 * and escaped in filters (RFC 4515), never parts of them. Data: core.h (user_scores_*) ->
 * store/sql.h or the module for LDAP -> text -> check/prefs.h
 *
 * A question takes at most USER_SCORES_WAIT_MS, twice for a new connection; what is not there is
 * not asked again for a while.
 */
#ifndef WINNOW_CONF_USER_SCORES_H
#define WINNOW_CONF_USER_SCORES_H

#include "conf/core.h"

enum { USER_SCORES_WAIT_MS = 1000, USER_SCORES_BYTES_MAX = 1024 * 1024 };

enum user_scores_source { USER_SCORES_SQL, USER_SCORES_LDAP };

struct user_scores;

/*
 * Loads what the source needs, connects to nothing.  *problem_r is filled ("": none) when it cannot
 * be used: no user_scores_dsn, or no such module; reading then fails.  NULL: no memory.
 */
struct user_scores *user_scores_open(const struct core_settings *core,
                                     enum user_scores_source source, const struct log *log,
                                     struct error *problem_r);
void user_scores_close(struct user_scores **scores);

/*
 * The lines of one user.  STATUS_NONE: there are none.  STATUS_IO, STATUS_LIMIT, STATUS_BAD: not to
 * be had; STATUS_AGAIN: for a reason that was given less than a minute ago.
 */
enum status user_scores_read(struct user_scores *scores, struct arena *arena, struct slice user,
                             struct slice *text_r, struct error *error) WARN_UNUSED;

/* For tests: the URL with a user's name in its filter; data NULL: no memory. */
struct slice user_scores_url(struct arena *arena, struct slice dsn, struct slice user);

#endif
