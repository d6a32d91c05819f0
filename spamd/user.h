/*
 * user.h - whose message it is: privileges, home directories, preferences
 *
 * Owns: what a User header means.  Source: handle_user_*, do_user_handling, seteuid_to_user of
 * 4.0.1, and SECURITY.md 2.3, 2.4 (F34-F36).  A name from outside is a key for getpwnam(), or a
 * cleaned part of a path; it is never a path, a pattern or a command line.
 *
 * Started as root without -u, a message runs in a process of its own that becomes the user for good
 * (user_become); otherwise the worker has become one user at its start (user_drop).
 */
#ifndef WINNOW_SPAMD_USER_H
#define WINNOW_SPAMD_USER_H

#include "check/prefs.h"
#include "conf/user_scores.h"
#include "plugins/learner.h"
#include "spamd/options.h"

/* A message and its User header. */
struct user_request {
	const struct spamd_options *options;
	const struct filter *filter;
	const struct log *log;
	struct arena *arena; /* of the message */
	bool has_name;
	struct slice name;          /* as sent */
	struct user_scores *scores; /* of this process; NULL: there is no database to be asked */
	/* Set by user_prefs(): where what is learned of this user's mail is. */
	struct learner_user learner;
};

/* At the start: -u and -g name somebody whom we can become. */
enum status user_check(const struct spamd_options *options, struct error *error) WARN_UNUSED;
/* Does a message run as the user it belongs to?  Then workers keep root for that alone. */
bool user_changes(const struct spamd_options *options);
/* Does a message need a process of its own (above, or programs are asked about its user)? */
bool user_needs_process(const struct spamd_options *options);
/* Are there preferences in a database, and in which? */
bool user_asks_database(const struct spamd_options *options, enum user_scores_source *source_r);
/* The worker becomes -u, or --default-user; no way back.  Nothing to do when not root, or when
 * user_changes(). */
enum status user_drop(const struct spamd_options *options, const struct log *log,
                      struct error *error) WARN_UNUSED;
/* HOME of helper programs (-H, -u). */
void user_set_home(const struct spamd_options *options);

/*
 * In the message's own process: becomes the user, --default-user when there is none such or it is
 * root (the request then has no name any more).  STATUS_BAD: the connection is to be closed without
 * an answer; said why.
 */
enum status user_become(struct user_request *request) WARN_UNUSED;
/* The user's preferences, NULL when there are none.  STATUS_BAD: as above (--paranoid); STATUS_IO:
 * they cannot be had, and without them the message is not to be scored: said. */
enum status user_prefs(struct user_request *request, const struct prefs **prefs_r) WARN_UNUSED;

#endif
