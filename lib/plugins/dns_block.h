/*
 * dns_block.h - lists that said "you ask too much" and are left alone for a while
 *
 * Owns: struct dns_blocks, the domains of dns_block_rule and until when each is not asked, in
 * memory that the workers of a server share; commands keep it in files dnsblock_DOMAIN, as the
 * reference does.  Data: a rule of dns_block_rule hits (check/) -> dns_blocks_note(); lookup.c asks
 * dns_blocks_has().
 */
#ifndef WINNOW_PLUGINS_DNS_BLOCK_H
#define WINNOW_PLUGINS_DNS_BLOCK_H

#include "plugins/scan.h"

/* with_files: of a command.  NULL: no memory. */
struct dns_blocks *dns_blocks_create(struct arena *arena, const struct core_settings *core,
                                     bool with_files);
/* Is this name (lower case) one of a domain that is left alone? */
bool dns_blocks_has(const struct dns_blocks *blocks, struct slice name, int64_t now_s);
/* All rules are settled: notes, and says once, which lists block us; how many did so. */
unsigned dns_blocks_note(struct dns_blocks *blocks, struct scan *scan);

#endif
