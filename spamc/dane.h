/*
 * dane.h - which certificate a server has, by DNSSEC
 *
 * Data: the server's names and port -> _PORT._tcp.NAME TLSA, through the name servers of
 * /etc/resolv.conf -> records for OpenSSL.  Source: RFC 6698, RFC 7671.  What is not signed counts
 * as not there; the AD bit is believed of name servers on this host, and of others where
 * resolv.conf has `options trust-ad`.
 */
#ifndef WINNOW_SPAMC_DANE_H
#define WINNOW_SPAMC_DANE_H

#include <stddef.h>

struct dane_record {
	unsigned char usage, selector, matching_type;
	const unsigned char *data; /* until the taker returns */
	size_t len;
};

typedef void (*dane_taker)(void *data, const struct dane_record *record);

/*
 * Takes all secure records of the names (commas between them; addresses are left out).  How many
 * names have some; -1: it cannot be known (the name server fails, an answer is bogus, or nobody
 * is believed), and error says why.  Blocks for some seconds at most.
 */
int dane_find(const char *names, unsigned port, dane_taker take, void *data, char *error,
              size_t error_size);

#endif
