/*
 * blocking.h - one question, for who has nothing else to do
 *
 * Owns: dns_ask_blocking().  Commands and reports wait for an answer; a worker that scans never
 * does (resolver.h).
 */
#ifndef WINNOW_DNS_BLOCKING_H
#define WINNOW_DNS_BLOCKING_H

#include "dns/resolver.h"

/*
 * The answer as read from its bytes, in arena; its outcome also when there is none: DNS_TIMEOUT
 * after wait_ms, DNS_FAILED when it could not be asked or made no sense.
 */
struct dns_answer dns_ask_blocking(struct resolver *resolver, struct arena *arena,
                                   struct slice name, unsigned type, int64_t wait_ms);

#endif
