/*
 * headereval_date.h - what the Date field says against what the relays say
 */
#ifndef WINNOW_PLUGINS_HEADEREVAL_DATE_H
#define WINNOW_PLUGINS_HEADEREVAL_DATE_H

#include "plugins/scan.h"

struct header_dates {
	bool done;
	int64_t difference_s; /* Date minus the nearest Received time; 0 when one is missing */
	int64_t received_s;   /* median of the guesses, 0: none */
};

/* Once a message. */
void header_dates_find(struct scan *scan, struct header_dates *dates);
/* Is the time in an Outlook Message-Id far from both Date and the last Received field? */
bool header_dates_outlook_differs(struct scan *scan, long long token);

#endif
