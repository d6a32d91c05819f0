/*
 * tags.h - _TAGS_ in templates
 *
 * Source: compat/tags.tsv; PerMsgStatus.pm of 4.0.1.  One pass, results are not expanded again;
 * unknown names stay.
 */
#ifndef WINNOW_CHECK_TAGS_H
#define WINNOW_CHECK_TAGS_H

#include "check/check.h"

/* Value of one tag; false: no such tag. */
bool tags_value(struct check *check, struct slice name, struct slice args, bool has_args,
                struct slice *value_r);
/* Replaces all tags of a template. */
struct slice tags_replace(struct check *check, struct slice text);
/* Sorted names of the rules hit (a name comes once per hit), joined; subtests: those of __ rules.
 * "none" if empty. */
struct slice tags_tests(struct check *check, bool subtests, struct slice separator);
/* The score as reports show it: "%2.1f", never at or above the required score for ham. */
struct slice tags_score(struct check *check);
/* RFC 5322 date of now in local time. */
struct slice tags_date(struct arena *arena, int64_t now_s);

#endif
