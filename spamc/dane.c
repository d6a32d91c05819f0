/*
 * dane.c - which certificate a server has, by DNSSEC (part of spamc-tls.so)
 */
#include "spamc/dane.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	ANSWER_BYTES = 16384,
	NAME_BYTES = 256,
	QUESTION_BYTES = NAME_BYTES + 16,
	TLSA_HEAD = 3,
	TLSA = 52,
	WAIT_S = 2, /* for each of two tries, for each server */
	TRIES = 2
};

static bool
is_address(const char *name)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* Nobody between them and us can set the AD bit. */
static bool
are_all_local(const struct __res_state *r)
{
	for (int i = 0; i < r->nscount; i++) {
		const struct sockaddr_in *v4 = &r->nsaddr_list[i];
		const struct sockaddr_in6 *v6 = r->_u._ext.nsaddrs[i];

		if (v4->sin_family == AF_INET ? ntohl(v4->sin_addr.s_addr) >> 24 != 127
		                              : v6 == NULL || !IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr))
			return false;
	}
	return r->nscount > 0;
}

/* Records of one answer; -1: it is none. */
static int
take_records(const unsigned char *answer, int len, dane_taker take, void *data)
{
	ns_msg message;
	int found = 0;

	if (ns_initparse(answer, len, &message) != 0)
		return -1;
	if (!ns_msg_getflag(message, ns_f_ad))
		return 0;
	for (int i = 0; i < ns_msg_count(message, ns_s_an); i++) {
		ns_rr record;
		const unsigned char *bytes;

		if (ns_parserr(&message, ns_s_an, i, &record) != 0)
			return -1;
		if ((int)ns_rr_type(record) != TLSA || ns_rr_rdlen(record) <= TLSA_HEAD)
			continue;
		bytes = ns_rr_rdata(record);
		take(data, &(struct dane_record){bytes[0], bytes[1], bytes[2], bytes + TLSA_HEAD,
		                                 ns_rr_rdlen(record) - TLSA_HEAD});
		found++;
	}
	return found;
}

/* How many secure records a name has; -1: nobody knows. */
static int
ask_about(struct __res_state *r, const char *name, unsigned port, dane_taker take, void *data)
{
	unsigned char answer[ANSWER_BYTES];
	char question[QUESTION_BYTES];
	int len;

	snprintf(question, sizeof(question), "_%u._tcp.%s", port, name);
	len = res_nquery(r, question, ns_c_in, TLSA, answer, sizeof(answer));
	if (len > 0)
		return take_records(answer, len < ANSWER_BYTES ? len : ANSWER_BYTES, take, data);
	return r->res_h_errno == HOST_NOT_FOUND || r->res_h_errno == NO_DATA ? 0 : -1;
}

static int
ask_about_all(struct __res_state *r, const char *names, unsigned port, dane_taker take, void *data,
              char *error, size_t error_size)
{
	int known = 0;

	while (*names != '\0') {
		char name[NAME_BYTES];
		size_t len = strcspn(names, ",");
		int found;

		if (len > 0 && len < sizeof(name)) {
			memcpy(name, names, len);
			name[len] = '\0';
			found = is_address(name) ? 0 : ask_about(r, name, port, take, data);
			if (found < 0) {
				snprintf(error, error_size,
				         "the name server has no good answer for _%u._tcp.%s TLSA",
				         port, name);
				return -1;
			}
			known += found > 0;
		}
		names += len + (names[len] == ',');
	}
	return known;
}

int
dane_find(const char *names, unsigned port, dane_taker take, void *data, char *error,
          size_t error_size)
{
	struct __res_state r;
	int known = -1;

	memset(&r, 0, sizeof(r));
	if (res_ninit(&r) != 0) {
		snprintf(error, error_size, "/etc/resolv.conf cannot be used");
		return -1;
	}
	r.retrans = WAIT_S;
	r.retry = TRIES;
	r.options &= ~(unsigned long)(RES_DNSRCH | RES_DEFNAMES);
	if ((r.options & RES_TRUSTAD) == 0 && !are_all_local(&r)) {
		snprintf(error, error_size,
		         "--dane: no name server of this host in /etc/resolv.conf, nor options "
		         "trust-ad: nobody is believed");
	} else {
		r.options |= RES_TRUSTAD | RES_USE_EDNS0;
		known = ask_about_all(&r, names, port, take, data, error, error_size);
	}
	res_nclose(&r);
	return known;
}
