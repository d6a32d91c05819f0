/*
 * deflate.c - spamc-deflate.so: zlib for requests with "Compress: zlib"
 */
#include <stdlib.h>
#include <zlib.h>

#include "spamc/helper.h"

enum { LEVEL = 3 };

static char *
deflate_bytes(const char *bytes, size_t len, size_t *len_r)
{
	uLongf size = compressBound(len);
	char *out = malloc(size);

	if (out != NULL &&
	    compress2((Bytef *)out, &size, (const Bytef *)bytes, len, LEVEL) != Z_OK) {
		free(out);
		out = NULL;
	}
	*len_r = size;
	return out;
}

extern const struct spamc_deflate spamc_deflate_table;
const struct spamc_deflate spamc_deflate_table = {
	.version = SPAMC_HELPER_VERSION,
	.deflate = deflate_bytes,
};
