/*
 * warm.h - what the parent scans before it forks
 *
 * Automata fill their tables as they meet text.  Filled in the parent the pages are shared by all
 * workers; a worker adds what is new to it.
 */
#ifndef WINNOW_SPAMD_WARM_H
#define WINNOW_SPAMD_WARM_H

#include "check/filter.h"

/* Working memory that knows typical mail; NULL: no memory. */
struct match_scratch *warm_scratch(const struct filter *filter);

#endif
