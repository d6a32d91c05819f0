/*
 * shortcircuit.h - which rules end a scan
 *
 * Data: `shortcircuit` lines -> shortcircuit_has() -> check/gates.c, which waits for such rules.
 */
#ifndef WINNOW_PLUGINS_SHORTCIRCUIT_H
#define WINNOW_PLUGINS_SHORTCIRCUIT_H

#include "plugins/plugin.h"

/* Some rule, or some score, ends scans of this configuration. */
bool shortcircuit_is_used(const struct conf *conf);
/* A hit of this rule may do so: a line names it, or the sum of scores decides. */
bool shortcircuit_has(const struct conf *conf, const struct rule *rule);

#endif
