/*
 * update_dns.h - TXT records, for a program that has nothing else to do
 *
 * Name servers of resolv.conf, or those that Net::DNS, the reference's resolver, takes from the
 * environment: RES_NAMESERVERS ("::1 192.0.2.1") and "port:N" in RES_OPTIONS.
 */
#ifndef WINNOW_CMD_UPDATE_DNS_H
#define WINNOW_CMD_UPDATE_DNS_H

#include "util/log.h"
#include "util/vec.h"

/*
 * Texts of the records, the strings of one joined by blanks.  STATUS_NONE, STATUS_IO: error says
 * why there are none.
 */
enum status update_dns_txt(struct arena *arena, const char *name, const struct log *log,
                           slice_vec *texts_r, struct error *error) WARN_UNUSED;

#endif
