/*
 * update_rewrite.h - what sa-update changes in the rule files of a channel
 *
 * Source: taint_safe_archive_extract of sa-update 4.0.1: @@MACROS@@, lines that load or run code,
 * dns_server, scores by --score-multiplier and --score-limit.  Result equal byte for byte.
 */
#ifndef WINNOW_CMD_UPDATE_REWRITE_H
#define WINNOW_CMD_UPDATE_REWRITE_H

#include "util/arena.h"

struct update_rewrite {
	const struct update_macro {
		const char *name;
		const char *value;
	} * macros; /* ends with name NULL */
	bool allow_plugins;
	double multiplier, limit; /* 0: none */
};

/* Is it a file that configuration is read from? */
bool update_is_config(struct slice name);
/* data NULL: no memory. */
struct slice update_rewrite(struct arena *arena, const struct update_rewrite *how,
                            struct slice text);

#endif
