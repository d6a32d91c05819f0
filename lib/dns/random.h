/*
 * random.h - unguessable bytes, bought in larger pieces
 *
 * Owns: struct dns_random, a store of the kernel's random bytes.  One per resolver; never shared
 * across fork().  Data: getrandom(2) -> ids, letters' case, local ports.
 */
#ifndef WINNOW_DNS_RANDOM_H
#define WINNOW_DNS_RANDOM_H

#include <stddef.h>

struct dns_random {
	unsigned char bytes[256];
	size_t left;
};

/* Aborts where the kernel has none: guessable ids would be worse. */
void dns_random_take(struct dns_random *random, void *out, size_t size);

#endif
