/*
 * name.h - does the name service answer?
 *
 * Libraries of databases and directories ask getaddrinfo() for the addresses of their servers,
 * which takes as long as it takes: half a minute where no name server answers.  Who may not wait
 * that long asks here first.
 */
#ifndef WINNOW_DNS_NAME_H
#define WINNOW_DNS_NAME_H

#include <stdbool.h>
#include <stdint.h>

/*
 * false: nobody could say within wait_ms whether there is such a host.  true: somebody said that
 * there is, or is not; it is no name (NULL, an address, a path).
 */
bool dns_name_is_answered(const char *host, int64_t wait_ms);

#endif
