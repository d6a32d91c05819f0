/*
 * fuzz_tables.c - match tables out of a file that is not what was written
 *
 * The first byte chooses: the rest is the file; or the rest is pairs (place, byte) that change the
 * blobs of a good file, under checksums that are right, so that nothing but the reader's own checks
 * stands between a wrong index and memory.  A set with such tables may find nothing, or too much,
 * but only reads what is its own.
 */
#include <assert.h>
#include <stdlib.h>

#include "rules/match_set.h"
#include "t/fuzz/fuzz.h"

static const char *const patterns[] = {
	"(?i)viagra",
	"\\bfree (?:money|offer|gift|trial) (?:now|today|inside|for you)\\b",
	"(?:a|b|c|d|e|f)(?:very|really|quite) long (?:x|y|z){3,8} alternation (?:of|with) words",
	"^From:.{1,20}\\d{4,9}$",
	"[A-Z]{16,}",
	"(?m)^begin\\s+\\d+",
	"e",
	"(?:[\\xe3\\xe8]i[a-f]{2,5}){2} tail (?:one|two|three|four|five|six|seven|eight)",
};

static const struct slice texts[] = {
	SLICE("free offer now, VIAGRA for a very long xyz alternation of words"),
	SLICE("From: somebody1234567\nbegin 644 x\nABCDEFGHIJKLMNOPQRSTUVW\n"),
	SLICE("\xe3iabc\xe8"
              "ief tail three\xff\x80"),
	SLICE(""),
};

static const struct blob_key identity = {1, 2};

static struct match_set *
make_set(struct arena *arena)
{
	struct match_set *set = match_set_create(arena);

	for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct error error;
		struct regex *regex = regex_create(arena, slice_from_cstr(patterns[i]), 0, &error);

		assert(regex != NULL);
		match_set_add(set, i, regex, i == 5 ? MATCH_MULTIPLE : 0, 0);
	}
	return set;
}

static void
run_set(struct arena *arena, const struct match_set *set)
{
	struct match_scratch *scratch = match_scratch_create();
	struct match_run *run =
		match_run_create(arena, set, scratch, texts, sizeof(texts) / sizeof(texts[0]), 0);

	for (size_t s = 0; run != NULL && (s = match_run_next(run, NULL, s)) != MATCH_NONE; s++) {
		struct match_hit hit;

		(void)match_run_rule(run, s, &hit);
	}
	match_scratch_destroy(&scratch);
}

static void
use_file(struct arena *arena, const unsigned char *bytes, size_t size)
{
	void *copy = NULL;
	const struct blob_file *file;
	struct error error;
	struct match_set *set = make_set(arena);

	if (posix_memalign(&copy, 64, size + 1) != 0)
		return;
	memcpy(copy, bytes, size);
	if (blob_file_view(arena, slice_of(copy, size), identity, &file, &error) == STATUS_OK &&
	    match_set_use(set, file) &&
	    match_set_build(set, MATCH_BUILD_TABLES | MATCH_BUILD_OTHER, &error) == STATUS_OK)
		run_set(arena, set);
	free(copy);
}

/* Pairs of 24 bits of place and 8 bits of value. */
static void
change(struct slice blob, const uint8_t *data, size_t size)
{
	for (; size >= 4; data += 4, size -= 4) {
		size_t at = (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];

		((unsigned char *)(uintptr_t)blob.data)[at % blob.len] = data[3];
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_create(0);
	struct match_set *set = make_set(arena);
	struct blob_writer *writer = blob_writer_create(arena);
	struct error error;
	char *bytes = NULL;
	size_t length = 0;
	FILE *stream;

	if (size > 0 && data[0] % 2 == 0) {
		use_file(arena, data + 1, size - 1);
		arena_destroy(&arena);
		return 0;
	}
	if (match_set_build(set, MATCH_BUILD_TABLES | MATCH_BUILD_OTHER, &error) != STATUS_OK ||
	    !match_set_save(set, writer, arena))
		abort();
	for (size_t i = 0; i < blob_writer_count(writer) && size > 2; i++)
		if (data[1] % 4 == 3 || data[1] % 4 == i)
			change(blob_writer_bytes(writer, i), data + 2, size - 2);
	stream = open_memstream(&bytes, &length);
	if (stream == NULL || !blob_writer_write(writer, stream, identity) || fclose(stream) != 0)
		abort();
	use_file(arena, (const unsigned char *)bytes, length);
	free(bytes);
	arena_destroy(&arena);
	return 0;
}
