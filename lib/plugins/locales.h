/*
 * locales.h - character sets that a reader's languages use
 *
 * Source: behaviour of Locales.pm of 4.0.1 (ok_locales, check_for_faraway_charset and its kin).
 */
#ifndef WINNOW_PLUGINS_LOCALES_H
#define WINNOW_PLUGINS_LOCALES_H

#include "plugins/scan.h"

/* ok_locales has "all": nothing is far away. */
bool locales_are_all(const struct core_settings *core);
bool locales_charset_is_ok(const struct core_settings *core, struct arena *arena,
                           struct slice charset);

#endif
