/*
 * prefs.h - one user's preferences over the site's configuration, for one message
 *
 * Owns: struct prefs.  Data: user_prefs text -> an overlay of the filter's conf (lists, scores,
 * templates are copied when first written), a scan environment of its own where networks or
 * registries changed, and the rules that the site's plan does not hold.
 * Source: parse_scores_only, user_conf_parsing of 4.0.1: scopes are enforced (privileged lines need
 * allow_user_rules, administrator's lines are never taken); a site's rule keeps its test.
 *
 * Everything lives in the message's arena; the shared filter is never written.
 */
#ifndef WINNOW_CHECK_PREFS_H
#define WINNOW_CHECK_PREFS_H

#include "check/filter.h"

struct prefs {
	const struct conf *conf;
	const struct scan_env *env;
	/* Rules to be run besides the plan's: the user's own, and those that only the user scores.
	 */
	const struct rule **extra;
	size_t extra_count;
	unsigned errors; /* bad lines, all of them left out */
};

enum { PREFS_BYTES_MAX = 1024 * 1024 };

/* What a user says in one place. */
struct prefs_text {
	struct slice file; /* its name, for log lines and `include` */
	struct slice text;
	unsigned owner; /* only files of this user are included */
};
enum { PREFS_NO_OWNER = -1 }; /* of what is no file: includes nothing */

/* One text after the other.  NULL: no memory. */
const struct prefs *prefs_create(const struct filter *filter, struct arena *arena,
                                 const struct prefs_text *texts, size_t count);
/*
 * Opens and reads HOME/.spamassassin/user_prefs safely (regular, owned by the user, no link, at
 * most PREFS_BYTES_MAX).  STATUS_NONE: there is none.
 */
enum status prefs_read_home(struct arena *arena, const char *home, unsigned owner,
                            struct slice *path_r, struct slice *text_r,
                            struct error *error) WARN_UNUSED;

#endif
