/*
 * fixture.h - a filter of a few lines of configuration, and messages through it
 */
#ifndef WINNOW_T_UNIT_CHECK_FIXTURE_H
#define WINNOW_T_UNIT_CHECK_FIXTURE_H

#include "check/check.h"

struct fixture {
	struct filter *filter;
	struct arena *arena; /* of messages */
	struct match_scratch *match;
};

/* rules: text of the one .cf file; false: something is missing. */
bool fixture_open(struct fixture *fixture, const char *rules);
/* The same with network tests. */
bool fixture_open_network(struct fixture *fixture, const char *rules);
void fixture_close(struct fixture *fixture);
/* Scans to the end; prefs: text of a user's preferences or NULL. */
struct check *fixture_scan(struct fixture *fixture, const char *message, const char *prefs);

#endif
