/*
 * fuzz_spamc_answer.c - what a server, or somebody in its place, answers spamc
 */
#include <stdlib.h>

#include "spamc/client.h"
#include "t/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spamc_answer answer = {.len = size, .bytes = malloc(size + 1)};

	if (answer.bytes == NULL)
		return 0;
	memcpy(answer.bytes, data, size);
	if (spamc_answer_parse(&answer) == SPAMC_OK && answer.body.len > size)
		abort();
	free(answer.bytes);
	return 0;
}
