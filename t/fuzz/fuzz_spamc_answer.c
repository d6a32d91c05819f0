/*
 * fuzz_spamc_answer.c - what a server, or somebody in its place, answers spamc
 *
 * Bytes arrive in two pieces, as they do from a network: what is enough of an answer must not
 * depend on where the cut is.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "spamc/answer.h"
#include "t/fuzz/fuzz.h"

static int
whole(struct spamc_answer *answer, size_t len, enum spamc_until until)
{
	answer->len = len;
	return spamc_answer_is_whole(answer, until);
}

static void
try(const uint8_t *data, size_t size, enum spamc_until until)
{
	struct spamc_answer in_one = {.bytes = malloc(size + 1)}, in_two = {0};
	int code;

	if (in_one.bytes == NULL)
		return;
	if (size > 0)
		memcpy(in_one.bytes, data, size);
	in_two.bytes = in_one.bytes;
	code = whole(&in_one, size, until);
	if (whole(&in_two, size / 2, until) == EX_IOERR && whole(&in_two, size, until) != code)
		abort();
	if ((code == EX_OK || in_one.body_at > 0) &&
	    spamc_answer_parse(&in_one, until, NULL, NULL) == EX_OK && in_one.body_at > size)
		abort();
	free(in_one.bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try(data, size, SPAMC_UNTIL_LINE);
	try(data, size, SPAMC_UNTIL_HEADERS);
	try(data, size, SPAMC_UNTIL_CLOSE);
	return 0;
}
