#include "util/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/vec.h"

enum { ALIGN_BLOB = 64, ALIGN_ARRAY = 16, ENTRIES_MAX = 1 << 20 };

static const unsigned char magic[8] = {'W', 'I', 'N', 'N', 'O', 'W', 'T', 1};

struct header {
	unsigned char magic[8];
	uint64_t length; /* of the whole file */
	struct blob_key identity;
	struct blob_key directory_sum;
	uint64_t count;
	uint64_t reserved;
};

struct entry {
	struct blob_key key;
	struct blob_key sum;
	uint64_t at;
	uint64_t len;
};

/* ---- hashing ---- */

__extension__ typedef unsigned __int128 wide;

static const uint64_t constants[] = {0x9e3779b97f4a7c15U, 0xc2b2ae3d27d4eb4fU, 0x165667b19e3779f9U,
                                     0xd6e8feb86659fd93U};

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

void
blob_hash_init(struct blob_hash *hash)
{
	hash->a = constants[0];
	hash->b = constants[1];
}

static inline void
hash_words(struct blob_hash *hash, uint64_t x, uint64_t y)
{
	hash->a = fold(hash->a ^ x, constants[2] ^ y) + y;
	hash->b = fold(hash->b + y, constants[3] ^ x) ^ x;
}

void
blob_hash_number(struct blob_hash *hash, uint64_t number)
{
	hash_words(hash, number, constants[0]);
}

void
blob_hash_add(struct blob_hash *hash, struct slice bytes)
{
	uint64_t words[2];
	size_t i = 0;

	for (; i + 16 <= bytes.len; i += 16) {
		memcpy(words, bytes.data + i, 16);
		hash_words(hash, words[0], words[1]);
	}
	words[0] = words[1] = 0;
	if (i < bytes.len)
		memcpy(words, bytes.data + i, bytes.len - i);
	hash_words(hash, words[0], words[1]);
	blob_hash_number(hash, bytes.len);
}

struct blob_key
blob_hash_finish(const struct blob_hash *hash)
{
	struct blob_hash end = *hash;

	hash_words(&end, hash->b, hash->a);
	hash_words(&end, constants[2], end.b);
	return (struct blob_key){end.a, end.b};
}

int
blob_key_compare(const struct blob_key *x, const struct blob_key *y)
{
	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return x->b < y->b ? -1 : x->b > y->b;
}

static struct blob_key
sum_of(const void *bytes, size_t len)
{
	struct blob_hash hash;

	blob_hash_init(&hash);
	blob_hash_add(&hash, slice_of(bytes, len));
	return blob_hash_finish(&hash);
}

/* ---- making ---- */

void
blob_out_init(struct blob_out *out, struct arena *arena)
{
	strbuf_init(&out->bytes, arena, 0);
}

uint64_t
blob_out_add(struct blob_out *out, const void *items, size_t count, size_t size)
{
	static const unsigned char zeroes[ALIGN_ARRAY];
	struct strbuf *bytes = &out->bytes;
	size_t len = count * size;
	uint64_t at;

	strbuf_add(bytes, slice_of(zeroes, -bytes->len & (ALIGN_ARRAY - 1)));
	at = bytes->len;
	if (items != NULL)
		strbuf_add(bytes, slice_of(items, len));
	else
		for (size_t done = 0; done < len; done += ALIGN_ARRAY)
			strbuf_add(bytes, slice_of(zeroes, len - done < ALIGN_ARRAY ? len - done
			                                                            : ALIGN_ARRAY));
	return at;
}

void
blob_out_set(struct blob_out *out, uint64_t at, const void *bytes, size_t len)
{
	if (!strbuf_is_bad(&out->bytes))
		memcpy(out->bytes.data + at, bytes, len);
}

struct blob {
	struct blob_key key;
	struct slice bytes;
};

struct blob_writer {
	struct arena *arena;
	VEC(struct blob) blobs;
};

struct blob_writer *
blob_writer_create(struct arena *arena)
{
	struct blob_writer *writer = arena_new(arena, struct blob_writer);

	if (writer != NULL)
		writer->arena = arena;
	return writer;
}

bool
blob_writer_add(struct blob_writer *writer, struct blob_key key, const struct blob_out *out)
{
	struct blob blob = {key, strbuf_slice(&out->bytes)};

	for (size_t i = 0; i < writer->blobs.count; i++)
		if (blob_key_compare(&writer->blobs.items[i].key, &key) == 0)
			return true; /* the same rules again */
	return !strbuf_is_bad(&out->bytes) && vec_push(writer->arena, &writer->blobs, blob) != NULL;
}

size_t
blob_writer_count(const struct blob_writer *writer)
{
	return writer->blobs.count;
}

struct slice
blob_writer_bytes(const struct blob_writer *writer, size_t index)
{
	return writer->blobs.items[index].bytes;
}

static bool
put(FILE *file, const void *bytes, size_t len)
{
	return len == 0 || fwrite(bytes, len, 1, file) == 1;
}

static bool
put_padding(FILE *file, uint64_t len)
{
	static const unsigned char zeroes[ALIGN_BLOB];

	return put(file, zeroes, (size_t)(-len & (ALIGN_BLOB - 1)));
}

bool
blob_writer_write(const struct blob_writer *writer, FILE *file, struct blob_key identity)
{
	size_t count = writer->blobs.count;
	struct entry *entries = calloc(count + 1, sizeof(*entries));
	struct header header = {.identity = identity, .count = count};
	uint64_t at = sizeof(header) + count * sizeof(*entries);
	bool ok = entries != NULL;

	for (size_t i = 0; i < count && ok; i++) {
		struct slice bytes = writer->blobs.items[i].bytes;

		at += -at & (ALIGN_BLOB - 1);
		entries[i] = (struct entry){writer->blobs.items[i].key,
		                            sum_of(bytes.data, bytes.len), at, bytes.len};
		at += bytes.len;
	}
	memcpy(header.magic, magic, sizeof(magic));
	header.length = at;
	if (ok)
		header.directory_sum = sum_of(entries, count * sizeof(*entries));
	ok = ok && put(file, &header, sizeof(header)) &&
	     put(file, entries, count * sizeof(*entries));
	at = sizeof(header) + count * sizeof(*entries);
	for (size_t i = 0; i < count && ok; i++) {
		struct slice bytes = writer->blobs.items[i].bytes;

		ok = put_padding(file, at) && put(file, bytes.data, bytes.len);
		at = entries[i].at + entries[i].len;
	}
	free(entries);
	return ok;
}

/* The rename is on the disk, too. */
static void
sync_directory(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	struct slice dir =
		slash == NULL ? SLICE(".")
			      : slice_of((const unsigned char *)path, (size_t)(slash - path) + 1);
	const char *name = (const char *)arena_printf(arena, "%.*s", SLICE_FMT(dir)).data;
	int fd = name == NULL ? -1 : open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

enum status
blob_writer_finish(const struct blob_writer *writer, const char *path, struct blob_key identity,
                   struct error *error)
{
	char *name = (char *)(uintptr_t)arena_printf(writer->arena, "%s.XXXXXX", path).data;
	int fd = name == NULL ? -1 : mkstemp(name), problem;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
	bool ok = file != NULL;

	if (fd >= 0 && file == NULL)
		(void)close(fd);
	ok = ok && blob_writer_write(writer, file, identity) && fflush(file) == 0 &&
	     fchmod(fd, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) == 0 && fsync(fd) == 0;
	problem = errno;
	if (file != NULL && fclose(file) != 0 && ok) {
		problem = errno;
		ok = false;
	}
	if (ok && rename(name, path) != 0) {
		problem = errno;
		ok = false;
	}
	if (ok) {
		sync_directory(writer->arena, path);
		return STATUS_OK;
	}
	if (fd >= 0)
		(void)unlink(name);
	return error_set(error, STATUS_IO, "cannot write %s: %s", path, strerror(problem));
}

/* ---- reading ---- */

struct blob_file {
	struct slice bytes;
	const struct entry *entries;
	size_t count;
	bool is_mapped;
};

const void *
blob_array(struct slice blob, uint64_t at, uint64_t count, size_t size)
{
	if (at > blob.len || at % ALIGN_ARRAY != 0 || count > (blob.len - at) / size)
		return NULL;
	return blob.data + at;
}

static void
unmap(void *data)
{
	struct blob_file *file = data;

	if (file->is_mapped)
		(void)munmap((void *)(uintptr_t)file->bytes.data, file->bytes.len);
	file->is_mapped = false;
}

enum status
blob_file_view(struct arena *arena, struct slice bytes, struct blob_key identity,
               const struct blob_file **file_r, struct error *error)
{
	struct blob_file *file;
	struct header header;
	struct blob_key sum;

	if (bytes.len < sizeof(header))
		return error_set(error, STATUS_BAD, "too short");
	memcpy(&header, bytes.data, sizeof(header));
	if (memcmp(header.magic, magic, sizeof(magic)) != 0)
		return error_set(error, STATUS_BAD, "not a table cache");
	if (blob_key_compare(&header.identity, &identity) != 0)
		return error_set(error, STATUS_BAD, "written by another version");
	if (header.length != bytes.len || header.count > ENTRIES_MAX ||
	    header.count * sizeof(struct entry) > bytes.len - sizeof(header))
		return error_set(error, STATUS_BAD, "truncated");
	sum = sum_of(bytes.data + sizeof(header), (size_t)header.count * sizeof(struct entry));
	if (blob_key_compare(&header.directory_sum, &sum) != 0)
		return error_set(error, STATUS_BAD, "damaged");
	file = arena_new(arena, struct blob_file);
	if (file == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	file->bytes = bytes;
	file->count = (size_t)header.count;
	file->entries = (const struct entry *)(const void *)(bytes.data + sizeof(header));
	*file_r = file;
	return STATUS_OK;
}

static enum status
check_owner(int fd, struct stat *st, struct error *error)
{
	if (fstat(fd, st) != 0)
		return error_set(error, STATUS_BAD, "%s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return error_set(error, STATUS_BAD, "not a regular file");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return error_set(error, STATUS_BAD, "owned by another user");
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return error_set(error, STATUS_BAD, "others may write to it");
	if (st->st_size < (off_t)sizeof(struct header))
		return error_set(error, STATUS_BAD, "too short");
	return STATUS_OK;
}

enum status
blob_file_open(struct arena *arena, const char *path, struct blob_key identity,
               const struct blob_file **file_r, struct error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	void *map;
	enum status status;
	struct blob_file *file;

	if (fd < 0)
		return error_set(error, errno == ENOENT ? STATUS_NONE : STATUS_BAD, "%s",
		                 strerror(errno));
	status = check_owner(fd, &st, error);
	map = status == STATUS_OK ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
	                          : MAP_FAILED;
	(void)close(fd);
	if (status != STATUS_OK)
		return status;
	if (map == MAP_FAILED)
		return error_set(error, STATUS_BAD, "%s", strerror(errno));
	status = blob_file_view(arena, slice_of(map, (size_t)st.st_size), identity, file_r, error);
	if (status != STATUS_OK) {
		(void)munmap(map, (size_t)st.st_size);
		return status;
	}
	file = (struct blob_file *)(uintptr_t)*file_r;
	file->is_mapped = true;
	if (arena_on_reset(arena, unmap, file))
		return STATUS_OK;
	unmap(file);
	return error_set(error, STATUS_LIMIT, "no memory");
}

static const struct entry *
find_entry(const struct blob_file *file, struct blob_key key)
{
	for (size_t i = 0; i < file->count; i++)
		if (blob_key_compare(&file->entries[i].key, &key) == 0)
			return &file->entries[i];
	return NULL;
}

bool
blob_file_has(const struct blob_file *file, struct blob_key key)
{
	return find_entry(file, key) != NULL;
}

/* One call of the system instead of a fault for each page. */
static void
populate(const struct blob_file *file, struct slice blob)
{
#ifdef MADV_POPULATE_READ
	const uintptr_t page = 4095;
	uintptr_t from = (uintptr_t)blob.data & ~page;

	if (file->is_mapped)
		(void)madvise((void *)from, // NOLINT
		              ((uintptr_t)blob.data + blob.len - from + page) & ~page,
		              MADV_POPULATE_READ);
#else
	(void)file, (void)blob;
#endif
}

struct slice
blob_file_find(const struct blob_file *file, struct blob_key key)
{
	const struct entry *entry = find_entry(file, key);
	struct slice blob;
	struct blob_key sum;

	if (entry == NULL || entry->at % ALIGN_BLOB != 0 || entry->at > file->bytes.len ||
	    entry->len > file->bytes.len - entry->at)
		return SLICE_NULL;
	blob = slice_sub(file->bytes, (size_t)entry->at, (size_t)entry->len);
	populate(file, blob);
	sum = sum_of(blob.data, blob.len);
	return blob_key_compare(&sum, &entry->sum) == 0 ? blob : SLICE_NULL;
}
