/*
 * blob.h - keyed blobs in one read-only file, used where they are mapped
 *
 * Owns: struct blob_hash (128 bits over what a blob was made from), struct blob_out (arrays laid
 * out one behind the other), struct blob_writer and struct blob_file. Data: builder -> blob_out ->
 * blob_writer_finish -> file -> blob_file_open -> slices into the mapping; blob_array takes an
 * array out of one.
 *
 * File: struct header, directory (key, place, length, checksum of each blob), blobs at multiples of
 * 64.  All numbers are those of the machine: `identity` holds the byte order, sizes and versions
 * that the contents depend on, a file of another identity is no file.
 * Trust: only a regular file that nobody but root and the reader's own user can write is opened, so
 * contents are as good as the configuration itself; the checksums find what was cut or decayed.
 * Offsets and indices inside a blob are checked by who reads it all the same.  A file is only ever
 * replaced by rename, never written in place: a mapping stays whole.
 */
#ifndef WINNOW_UTIL_BLOB_H
#define WINNOW_UTIL_BLOB_H

#include <stdint.h>
#include <stdio.h>

#include "util/arena.h"
#include "util/slice.h"
#include "util/status.h"
#include "util/strbuf.h"

struct blob_key {
	uint64_t a;
	uint64_t b;
};

struct blob_hash {
	uint64_t a;
	uint64_t b;
};

void blob_hash_init(struct blob_hash *hash);
/* The length counts too: "ab","c" is not "a","bc". */
void blob_hash_add(struct blob_hash *hash, struct slice bytes);
void blob_hash_number(struct blob_hash *hash, uint64_t number);
struct blob_key blob_hash_finish(const struct blob_hash *hash);
int blob_key_compare(const struct blob_key *x, const struct blob_key *y);

/* ---- making ---- */

struct blob_out {
	struct strbuf bytes;
};

void blob_out_init(struct blob_out *out, struct arena *arena);
/* Appends count items at a multiple of 16; their offset.  NULL: zeroes. */
uint64_t blob_out_add(struct blob_out *out, const void *items, size_t count, size_t size);
/* Over what is there already. */
void blob_out_set(struct blob_out *out, uint64_t at, const void *bytes, size_t len);

struct blob_writer;

struct blob_writer *blob_writer_create(struct arena *arena);
/* The bytes must live until the file is written.  false: no memory, or the blob is bad. */
bool blob_writer_add(struct blob_writer *writer, struct blob_key key, const struct blob_out *out);
size_t blob_writer_count(const struct blob_writer *writer);
struct slice blob_writer_bytes(const struct blob_writer *writer, size_t index);
/* The file's bytes; false: some could not be written. */
bool blob_writer_write(const struct blob_writer *writer, FILE *file, struct blob_key identity);
/*
 * Into a temporary file beside `path`, synced and renamed: readers see the old file or the new one.
 */
enum status blob_writer_finish(const struct blob_writer *writer, const char *path,
                               struct blob_key identity, struct error *error) WARN_UNUSED;

/* ---- reading ---- */

struct blob_file;

/*
 * STATUS_NONE: there is no such file; STATUS_BAD with the reason: it is not to be used.  Unmapped
 * when the arena is reset.
 */
enum status blob_file_open(struct arena *arena, const char *path, struct blob_key identity,
                           const struct blob_file **file_r, struct error *error) WARN_UNUSED;
/* The same for bytes in memory (at a multiple of 64): everything but ownership is checked. */
enum status blob_file_view(struct arena *arena, struct slice bytes, struct blob_key identity,
                           const struct blob_file **file_r, struct error *error) WARN_UNUSED;
bool blob_file_has(const struct blob_file *file, struct blob_key key);
/* data NULL: not there, or not as it was written. */
struct slice blob_file_find(const struct blob_file *file, struct blob_key key);

/* count items at offset `at` of a blob; NULL when they are not wholly inside. */
const void *blob_array(struct slice blob, uint64_t at, uint64_t count, size_t size);

#endif
