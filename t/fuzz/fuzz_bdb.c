/*
 * fuzz_bdb.c - Berkeley DB hash files
 */
#include <stdlib.h>

#include "store/bdb_hash.h"
#include "store/old_bayes.h"
#include "store/reputation_import.h"
#include "t/fuzz/fuzz.h"

static bool
take(void *data, const struct reputation_key *key, const struct reputation_entry *entry)
{
	(void)data;
	if (!(key->address.len < 65536 && key->ip.len < 65536 && entry->count > 0))
		abort();
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct slice keys[] = {{(const unsigned char *)"ok@example.com", 14},
	                                    {(const unsigned char *)"net", 3},
	                                    {(const unsigned char *)"nothing", 7}};
	FILE *text = fopen("/dev/null", "we");
	struct bdb_hash db;
	struct error error;

	if (bdb_hash_open(slice_of(data, size), &db, &error) == STATUS_OK)
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			(void)bdb_hash_get(&db, keys[i]);
	if (text != NULL) {
		(void)!old_bayes_dump(slice_of(data, size), slice_of(data, size), text, &error);
		fclose(text);
	}
	(void)!reputation_import(slice_of(data, size), take, NULL, &error);
	return 0;
}
