/*
 * answer.h - what a name server said
 *
 * Owns: struct dns_answer, struct dns_record.  Source: RFC 1035 4.1, 3597, 4035 3.2.3 (AD).
 * Data: bytes of a DNS message -> resolver.h -> plugins/, auth/.  Untrusted input: every length is
 * checked, compression pointers only go backwards, records and bytes are capped.
 *
 * Names and rdata are presentation text as Net::DNS prints them, because rules match on it: no
 * final full stop, case as received, odd bytes as \DDD.
 */
#ifndef WINNOW_DNS_ANSWER_H
#define WINNOW_DNS_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"

enum dns_type {
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_TLSA = 52,
	DNS_SPF = 99,
	DNS_ANY = 255
};

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5
};

enum dns_outcome {
	DNS_ANSWERED, /* a server answered; rcode says what */
	DNS_TIMEOUT,  /* nobody did in time */
	DNS_FAILED    /* it could not be asked, or all answers were malformed */
};

struct dns_record {
	unsigned type; /* enum dns_type, or any other number */
	uint32_t ttl_s;
	struct slice name; /* owner */
	/*
	 * The whole rdata as text: address, name, "10 mx.example.com" (MX), strings of TXT and SPF
	 * joined without anything between; other types as RFC 3597 text.
	 */
	struct slice text;
	unsigned preference; /* MX */
	struct slice target; /* MX, NS, CNAME, PTR, SOA (mname): the name alone */
	/* TXT, SPF: the strings as bytes. */
	const struct slice *strings;
	size_t string_count;
	struct slice rdata; /* bytes of the message, names compressed as they came */
};

struct dns_answer {
	enum dns_outcome outcome;
	unsigned rcode;        /* enum dns_rcode; 0 unless answered */
	bool is_authenticated; /* the AD bit: a validating resolver vouches for it */
	bool is_truncated;
	struct slice name; /* as asked */
	unsigned type;     /* as asked */
	/* The answer section in order, CNAMEs included. */
	const struct dns_record *records;
	size_t record_count;
	/* Primary server of the SOA record in the authority section; len 0: there is none. */
	struct slice zone_server;
	uint32_t ttl_s; /* how long it may be kept, negative answers (RFC 2308) too */
};

/* Upper-case mnemonic ("AAAA") to number, "TYPE65" too; 0: unknown. */
unsigned dns_type_parse(struct slice text);
/* "A", "TXT", ...; "TYPE65" for those without a name. */
struct slice dns_type_name(struct arena *arena, unsigned type);
/* "NOERROR", "NXDOMAIN", ... */
const char *dns_rcode_name(unsigned rcode);

#endif
