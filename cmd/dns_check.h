/*
 * dns_check.h - spamassassin --dns-check: do the name servers and the lists that rules ask work?
 *
 * Data: a loaded filter -> zones of its rules -> test points of RFC 5782 through each configured
 * name server -> a table, or JSON, on standard output.
 */
#ifndef WINNOW_CMD_DNS_CHECK_H
#define WINNOW_CMD_DNS_CHECK_H

#include "check/filter.h"

/* 0: every list works through every server; 1: something does not. */
int dns_check_run(const struct filter *filter, bool as_json);

#endif
