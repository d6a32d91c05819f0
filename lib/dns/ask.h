/*
 * ask.h - how state machines ask DNS questions
 *
 * Owns: struct dns_client, the seam between what asks (auth/: SPF, DKIM, DMARC; plugins/) and what
 * answers (the resolver of a worker through plugins/lookup.h; a zone file in tests).
 *
 * ask() never calls back before it has returned; the answer, a time-out or a failure comes exactly
 * once, unless the message ends first.  false: it will never come (budget spent, DNS switched off).
 */
#ifndef WINNOW_DNS_ASK_H
#define WINNOW_DNS_ASK_H

#include "dns/answer.h"

/* answer and all it points to live as long as the arena of the message. */
typedef void dns_answered(void *context, const struct dns_answer *answer);

struct dns_client {
	bool (*ask)(struct dns_client *client, struct slice name, unsigned type,
	            dns_answered *answered, void *context);
	void *data; /* of the implementation */
};

static inline bool
dns_ask(struct dns_client *client, struct slice name, unsigned type, dns_answered *answered,
        void *context)
{
	return client->ask(client, name, type, answered, context);
}

#endif
