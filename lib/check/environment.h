/*
 * environment.h - what scans share besides rules: networks, registry, redirectors
 *
 * Fills parts of struct scan_env from the settings of the reader's conf; for the filter, and again
 * for a user whose preferences change them.  Results live in the reader's arena.
 */
#ifndef WINNOW_CHECK_ENVIRONMENT_H
#define WINNOW_CHECK_ENVIRONMENT_H

#include "plugins/scan.h"

void environment_networks(struct scan_env *env, struct conf_reader *reader);
void environment_registry(struct scan_env *env, struct conf_reader *reader);
void environment_redirectors(struct scan_env *env, struct conf_reader *reader);

#endif
