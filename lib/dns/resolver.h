/*
 * resolver.h - asks name servers, many questions at once
 *
 * Owns: struct resolver: a c-ares channel (ids, retries, TCP on truncation, server choice), the
 * questions in flight.  One per process that scans; never shared across fork().  Data: name, type
 * -> resolver_ask() -> server; answer's bytes -> resolver_query.answered().  Equal questions in
 * flight are one.
 *
 * An answer counts when it comes from the server asked and repeats id, name (letter for letter with
 * dns0x20), type and class of the question; others are dropped, and the wait goes on.
 *
 * Questions leave together, in resolver_step() and resolver_wait_ms(). The caller's loop waits
 * until resolver_fd() is readable or resolver_wait_ms() is over, then calls resolver_step().
 * Nothing blocks.
 */
#ifndef WINNOW_DNS_RESOLVER_H
#define WINNOW_DNS_RESOLVER_H

#include <stdint.h>

#include "dns/answer.h"
#include "dns/cache.h"
#include "util/log.h"

struct resolver;

struct resolver_options {
	/* "ADDRESS", "[ADDRESS]:PORT", "1.2.3.4:PORT"; count 0: those of /etc/resolv.conf */
	const struct slice *servers;
	size_t server_count;
	int family;          /* AF_INET, AF_INET6: only servers of it; AF_UNSPEC: all */
	bool rotates;        /* each question to another server first */
	bool mixes_case;     /* dns0x20 */
	bool no_checking;    /* takes what a validating server finds bogus */
	unsigned edns_bytes; /* 0: no EDNS */
	/* 65536 bits: local ports that may be used; NULL: the host chooses. */
	const unsigned char *ports;
	struct dns_cache *cache; /* shared with other processes; NULL: none */
	const struct log *log;
};

/* A question that somebody waits for; memory of the caller. */
struct resolver_query {
	/* Once: DNS_ANSWERED with bytes, or why there are none.  Not called after
	 * resolver_forget(). May be called from inside resolver_ask(). */
	void (*answered)(struct resolver_query *query, enum dns_outcome outcome,
	                 struct slice bytes);
	struct resolver_question *question; /* of the resolver; NULL: none in flight */
	struct resolver_query *next, **link;
};

struct resolver_counts {
	unsigned long asked, answered, failed; /* on the wire */
	unsigned long shared;                  /* that went with an equal one in flight */
	unsigned long cached;                  /* that somebody had asked before */
	unsigned long lied;                    /* answers that did not fit the question */
	size_t in_flight;
};

struct resolver *resolver_create(const struct resolver_options *options, struct error *error);
void resolver_destroy(struct resolver **resolver);

/* false: it will not be asked: no name, no memory. */
bool resolver_ask(struct resolver *resolver, struct resolver_query *query, struct slice name,
                  unsigned type);
void resolver_forget(struct resolver_query *query);

/* Readable when there is something to do. */
int resolver_fd(const struct resolver *resolver);
/*
 * What was asked leaves now, if no resolver_step() has sent it yet.  ms until resolver_step() is
 * due by time alone; most_ms when later or never.
 */
int resolver_wait_ms(struct resolver *resolver, int most_ms);
void resolver_step(struct resolver *resolver);

/* There is at least one server. */
size_t resolver_server_count(const struct resolver *resolver);
/* "[::1]:53, ..." for log lines. */
struct slice resolver_servers(const struct resolver *resolver, struct arena *arena);
const struct resolver_counts *resolver_counts(const struct resolver *resolver);

#endif
