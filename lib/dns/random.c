/*
 * random.c - unguessable bytes, bought in larger pieces
 */
#include "dns/random.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void
dns_random_take(struct dns_random *random, void *out, size_t size)
{
	unsigned char *to = out;

	while (size > 0) {
		size_t n;

		if (random->left == 0) {
			if (getrandom(random->bytes, sizeof(random->bytes), 0) !=
			    sizeof(random->bytes))
				abort();
			random->left = sizeof(random->bytes);
		}
		n = size < random->left ? size : random->left;
		memcpy(to, random->bytes + sizeof(random->bytes) - random->left, n);
		random->left -= n;
		to += n;
		size -= n;
	}
}
