/*
 * reputation_import.c - the reference's lists of senders, as files
 */
#include "store/reputation_import.h"

#include <math.h>
#include <stdlib.h>

#include "store/bdb_hash.h"

enum { KEY_BYTES_MAX = 16000, NUMBER_BYTES = 63 };

bool
reputation_import_knows(struct slice head)
{
	static const unsigned char little[] = {0x61, 0x15, 0x06, 0x00},
				   big[] = {0x00, 0x06, 0x15, 0x61};

	return head.len >= 16 &&
	       (memcmp(head.data + 12, little, 4) == 0 || memcmp(head.data + 12, big, 4) == 0);
}

/* A number as Perl reads text: as far as it goes. */
static double
number(struct slice text)
{
	char copy[NUMBER_BYTES + 1];
	double value;

	text = slice_sub(text, 0, NUMBER_BYTES);
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	value = strtod(copy, NULL);
	return isfinite(value) ? value : 0;
}

struct import {
	const struct bdb_hash *db;
	reputation_fn fn;
	void *data;
};

static bool
take(void *data, struct slice key, struct slice value)
{
	static const struct slice end = {(const unsigned char *)"|totscore", 9};
	struct import *import = data;
	unsigned char other[KEY_BYTES_MAX + 9];
	size_t at = slice_find(key, SLICE("|ip="), 0);
	struct slice total;
	double count = number(value);

	if (at == SLICE_NPOS || slice_ends(key, end) || key.len > KEY_BYTES_MAX || count < 1 ||
	    count > 1e15)
		return true;
	memcpy(other, key.data, key.len);
	memcpy(other + key.len, end.data, end.len);
	total = bdb_hash_get(import->db, slice_of(other, key.len + end.len));
	return import->fn(import->data,
	                  &(const struct reputation_key){.address = slice_sub(key, 0, at),
	                                                 .ip = slice_from(key, at + 4)},
	                  &(const struct reputation_entry){(int64_t)count,
	                                                   total.data == NULL ? 0 : number(total)});
}

enum status
reputation_import(struct slice file, reputation_fn fn, void *data, struct error *error)
{
	struct bdb_hash db;
	struct import import = {&db, fn, data};
	enum status status = bdb_hash_open(file, &db, error);

	if (status != STATUS_OK)
		return status;
	return bdb_hash_each(&db, take, &import)
	               ? STATUS_OK
	               : error_set(error, STATUS_LIMIT, "no memory for the old list");
}
