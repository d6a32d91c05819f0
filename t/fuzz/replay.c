/*
 * replay.c - runs a fuzz target over the files of its corpus, as an ordinary test
 *
 *   fuzz_NAME [FILE | DIRECTORY]...
 *
 * Each file is copied to a block of exactly its size, so that a sanitizer sees one byte too far.
 * Each is also cut at some lengths. No arguments: the empty input alone.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "t/fuzz/fuzz.h"
#include "util/file.h"

static void
run_one(struct slice text)
{
	size_t cuts[] = {text.len, text.len / 2, text.len - text.len / 3, text.len > 0 ? 1 : 0};

	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		unsigned char *copy = malloc(cuts[i] + (cuts[i] == 0));

		if (copy == NULL)
			abort();
		memcpy(copy, text.data == NULL ? (const unsigned char *)"" : text.data, cuts[i]);
		LLVMFuzzerTestOneInput(copy, cuts[i]);
		free(copy);
	}
}

static int
run_file(const char *path)
{
	struct arena *arena = arena_create(0);
	struct error error;
	struct slice text;
	int bad = file_read(arena, path, (size_t)64 << 20, &text, &error) != STATUS_OK;

	if (bad)
		fprintf(stderr, "%s\n", error.text);
	else
		run_one(text);
	arena_destroy(&arena);
	return bad;
}

static int
run_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];
	int bad = 0;

	if (dir == NULL)
		return 0; /* no corpus yet */
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		bad |= run_file(name);
	}
	closedir(dir);
	return bad;
}

int
main(int argc, char **argv)
{
	struct stat st;
	int bad = 0;

	run_one(slice_of("", 0));
	for (int i = 1; i < argc; i++)
		bad |= stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode) ? run_directory(argv[i])
		                                                      : run_file(argv[i]);
	return bad;
}
