/*
 * list.h - all plugins, one line each: X(identifier)
 *
 * Adding a plugin is its own file, which defines `const struct plugin plugin_IDENTIFIER`, one line
 * here and one in Makefile.inc.
 */
#ifndef WINNOW_PLUGINS_LIST_H
#define WINNOW_PLUGINS_LIST_H

/* clang-format off */
#define PLUGIN_LIST(X) \
	X(replacetags)
/* clang-format on */

#endif
