/*
 * update_tar.c - the files of a .tar.gz, in memory
 */
#include "cmd/update_tar.h"

#include <stdint.h>
#include <zlib.h>

#include "util/hashmap.h"
#include "util/strbuf.h"

enum { BLOCK = 512, NAME_MAX_BYTES = 255 };

/* ---- gzip ---- */

static enum status
inflate_all(z_stream *z, struct strbuf *out, struct error *error)
{
	int rc;

	for (;;) {
		if (!strbuf_reserve(out, 64 * 1024))
			return error_set(error, STATUS_LIMIT, "more than %d bytes unpacked",
			                 UPDATE_TAR_BYTES_MAX);
		z->next_out = out->data + out->len;
		z->avail_out = (uInt)(out->size - out->len);
		rc = inflate(z, Z_NO_FLUSH);
		out->len = (size_t)(z->next_out - out->data);
		if (rc == Z_STREAM_END && z->avail_in == 0)
			return STATUS_OK;
		if (rc == Z_STREAM_END) /* one more member */
			rc = inflateReset(z);
		if (rc != Z_OK && !(rc == Z_BUF_ERROR && z->avail_out == 0))
			return error_set(error, STATUS_BAD, "%s",
			                 rc == Z_BUF_ERROR ? "it ends too early"
			                                   : "it is damaged, or no gzip file");
	}
}

static enum status
unpack(struct arena *arena, struct slice packed, struct slice *tar_r, struct error *error)
{
	z_stream z = {0};
	struct strbuf out;
	enum status status;

	if (packed.len > UPDATE_TAR_BYTES_MAX)
		return error_set(error, STATUS_LIMIT, "more than %d bytes", UPDATE_TAR_BYTES_MAX);
	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return error_set(error, STATUS_LIMIT, "no memory");
	strbuf_init(&out, arena, UPDATE_TAR_BYTES_MAX);
	/* zlib only reads there */
	z.next_in = (Bytef *)(uintptr_t)packed.data;
	z.avail_in = (uInt)packed.len;
	status = inflate_all(&z, &out, error);
	inflateEnd(&z);
	*tar_r = strbuf_slice(&out);
	return status;
}

/* ---- headers ---- */

/* A field that ends with the first NUL, or nowhere. */
static struct slice
field(struct slice header, size_t at, size_t len)
{
	struct slice s = slice_sub(header, at, len);

	return slice_sub(s, 0, slice_find_byte(s, '\0', 0));
}

static bool
octal(struct slice text, uint64_t *value_r)
{
	uint64_t value = 0;

	text = slice_trim(text);
	if (text.len == 0 || text.len > 12)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '7')
			return false;
		value = value * 8 + (text.data[i] - '0');
	}
	*value_r = value;
	return true;
}

/* The sum is over the header with blanks in place of the sum. */
static bool
has_good_sum(struct slice header)
{
	uint64_t wanted, sum = 8 * ' ';

	for (size_t i = 0; i < BLOCK; i++)
		if (i < 148 || i >= 156)
			sum += header.data[i];
	return octal(field(header, 148, 8), &wanted) && wanted == sum;
}

static bool
is_zero(struct slice block)
{
	for (size_t i = 0; i < block.len; i++)
		if (block.data[i] != 0)
			return false;
	return true;
}

/* "LEN path=NAME\n" among the records of a pax header. */
static bool
pax_path(struct slice records, struct slice *name_r)
{
	while (records.len > 0) {
		size_t blank = slice_find_byte(records, ' ', 0);
		unsigned long long len;
		struct slice record;

		if (!slice_to_u64(slice_sub(records, 0, blank), records.len, &len) ||
		    len < blank + 2 || records.data[len - 1] != '\n')
			return false;
		record = slice_sub(records, blank + 1, (size_t)len - blank - 2);
		if (slice_starts(record, SLICE("path=")))
			*name_r = slice_from(record, 5);
		records = slice_from(records, (size_t)len);
	}
	return true;
}

static bool
is_plain_name(struct slice name)
{
	if (name.len == 0 || name.len > NAME_MAX_BYTES || slice_eq(name, SLICE(".")) ||
	    slice_eq(name, SLICE("..")))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_word(name.data[i]) && name.data[i] != '-' && name.data[i] != '.' &&
		    name.data[i] != ',')
			return false;
	return true;
}

/* ---- entries ---- */

struct reader {
	struct arena *arena;
	struct slice rest;
	struct slice long_name; /* of the next entry; data NULL: none */
	struct hashmap names;
	update_file_vec files;
};

static enum status
add_file(struct reader *r, struct slice name, struct slice text, struct error *error)
{
	struct update_file file = {name, text};
	bool is_new;

	while (slice_starts(name, SLICE("./")))
		name = slice_from(name, 2);
	if (!is_plain_name(name))
		return error_set(error, STATUS_BAD, "a file with a name that is not allowed");
	file.name = arena_dup(r->arena, name);
	if (file.name.data == NULL || hashmap_put(&r->names, file.name, &is_new) == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	if (!is_new)
		return error_set(error, STATUS_BAD, "two files named %.*s", SLICE_FMT(file.name));
	if (r->files.count >= UPDATE_FILES_MAX || text.len > UPDATE_FILE_BYTES_MAX)
		return error_set(error, STATUS_LIMIT, "too many files, or one is too large");
	return vec_push(r->arena, &r->files, file) == NULL
	               ? error_set(error, STATUS_LIMIT, "no memory")
	               : STATUS_OK;
}

static enum status
read_entry(struct reader *r, struct slice header, struct error *error)
{
	unsigned char type = header.data[156];
	struct slice name = field(header, 0, 100), text;
	uint64_t size;

	if (!has_good_sum(header) || !octal(field(header, 124, 12), &size))
		return error_set(error, STATUS_BAD, "a header of it is damaged");
	if (size > r->rest.len)
		return error_set(error, STATUS_BAD, "it ends too early");
	text = slice_sub(r->rest, 0, (size_t)size);
	r->rest = slice_from(r->rest, ((size_t)size + BLOCK - 1) / BLOCK * BLOCK);
	if (type == 'L') {
		r->long_name = field(text, 0, text.len);
		return STATUS_OK;
	}
	if (type == 'x')
		return pax_path(text, &r->long_name)
		               ? STATUS_OK
		               : error_set(error, STATUS_BAD, "a header of it is damaged");
	if (type == 'g')
		return STATUS_OK;
	if (r->long_name.data != NULL)
		name = r->long_name;
	else if (header.data[345] != '\0' && slice_starts(slice_from(header, 257), SLICE("ustar")))
		name = SLICE("/"); /* a prefix is a directory */
	r->long_name = SLICE_NULL;
	if (type == '5')
		return STATUS_OK;
	if (type != '0' && type != '\0' && type != '7')
		return error_set(error, STATUS_BAD, "it has something else than plain files");
	return add_file(r, name, text, error);
}

enum status
update_tar_read(struct arena *arena, struct slice packed, update_file_vec *files_r,
                struct error *error)
{
	struct reader r = {.arena = arena};
	enum status status = unpack(arena, packed, &r.rest, error);

	hashmap_init(&r.names, arena);
	while (status == STATUS_OK) {
		struct slice header = slice_sub(r.rest, 0, BLOCK);

		if (header.len < BLOCK)
			return error_set(error, STATUS_BAD, "it ends too early");
		r.rest = slice_from(r.rest, BLOCK);
		if (is_zero(header))
			break;
		status = read_entry(&r, header, error);
	}
	if (status == STATUS_OK)
		*files_r = r.files;
	return status;
}
