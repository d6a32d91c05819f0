/*
 * test_store.c - the embedded store: counts, messages, transactions, dumps, damaged files
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/dump.h"

static char directory[] = "/tmp/winnow-store-XXXXXX";
static char path[64], file[80];
static struct store_config config;
static struct error error;

static struct store *
open_new(void)
{
	struct store *store = NULL;

	assert_int_equal(store_remove(&config, &error), STATUS_OK);
	assert_int_equal(store_open(&config, true, &store, &error), STATUS_OK);
	return store;
}

static struct store_key
key(unsigned number)
{
	return (struct store_key){{(unsigned char)(number >> 8), (unsigned char)number, 3, 4, 5}};
}

static void
add(struct store *store, unsigned from, unsigned to, int spam, int ham, uint32_t atime)
{
	struct store_key keys[600];
	size_t count = 0;

	for (unsigned i = from; i < to && count < 600; i++)
		keys[count++] = key(i);
	assert_int_equal(store_add(store, keys, count, spam, ham, atime, &error), STATUS_OK);
}

static struct store_counts
counts_of(struct store *store, unsigned number)
{
	struct store_key k = key(number);
	struct store_counts counts;

	assert_int_equal(store_lookup(store, &k, 1, &counts, &error), STATUS_OK);
	return counts;
}

static void
counts_go_up_and_down(void **state)
{
	struct store *store = open_new();
	struct store_variables v;

	(void)state;
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	add(store, 1, 4, 1, 0, 100);
	add(store, 3, 5, 0, 2, 50);
	assert_int_equal(store_add_messages(store, 1, 2, &error), STATUS_OK);
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	assert_int_equal(counts_of(store, 3).spam, 1);
	assert_int_equal(counts_of(store, 3).ham, 2);
	assert_int_equal(counts_of(store, 3).atime, 100);
	assert_int_equal(counts_of(store, 9).spam, 0);
	assert_int_equal(store_variables(store, &v, &error), STATUS_OK);
	assert_int_equal(v.tokens, 4);
	assert_int_equal(v.oldest_atime, 50);
	assert_int_equal(v.newest_atime, 100);
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	add(store, 1, 4, -5, 0, 0);
	assert_int_equal(store_add_messages(store, -9, 0, &error), STATUS_OK);
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	assert_int_equal(store_variables(store, &v, &error), STATUS_OK);
	assert_int_equal(v.tokens, 2);
	assert_int_equal(v.spam_messages, 0);
	assert_int_equal(v.ham_messages, 2);
	store_close(&store);
}

static void
what_is_aborted_was_never_there(void **state)
{
	struct store *store = open_new();
	char flag = 0;

	(void)state;
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	add(store, 1, 100, 1, 0, 100);
	assert_int_equal(store_put_seen(store, SLICE("id"), 's', &error), STATUS_OK);
	assert_int_equal(store_seen(store, SLICE("id"), &flag, &error), STATUS_OK);
	store_abort(store);
	assert_int_equal(counts_of(store, 5).spam, 0);
	assert_int_equal(store_seen(store, SLICE("id"), &flag, &error), STATUS_NONE);
	store_close(&store);
}

static void
message_ids_of_any_length(void **state)
{
	struct store *store = open_new();
	char id[9000], flag = 0;

	(void)state;
	memset(id, 'x', sizeof(id));
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	for (size_t len = 1; len < sizeof(id); len = len * 3 + 1) {
		id[len - 1] = 'y';
		assert_int_equal(store_put_seen(store, slice_of(id, len), 'h', &error), STATUS_OK);
		assert_int_equal(store_seen(store, slice_of(id, len), &flag, &error), STATUS_OK);
		assert_int_equal(flag, 'h');
	}
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	assert_int_equal(store_seen(store, slice_of(id, 700), &flag, &error), STATUS_NONE);
	store_close(&store);
}

static void
two_writers_wait_for_each_other(void **state)
{
	struct store *store = open_new();
	int ends[2], status;
	char byte;
	pid_t pid;

	(void)state;
	store_close(&store);
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		struct store *other = NULL;

		if (store_open(&config, false, &other, &error) != STATUS_OK ||
		    store_begin(other, 0, &error) != STATUS_OK || write(ends[1], "x", 1) != 1)
			_exit(1);
		pause(); /* killed while it writes */
		_exit(0);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(store_open(&config, false, &store, &error), STATUS_OK);
	assert_int_equal(store_begin(store, 30, &error), STATUS_AGAIN);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(store_begin(store, 1000, &error), STATUS_OK);
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	close(ends[0]);
	close(ends[1]);
	store_close(&store);
}

static void
old_tokens_go(void **state)
{
	struct store *store = open_new();
	struct store_variables v;

	(void)state;
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	add(store, 0, 500, 1, 0, 1000);
	add(store, 500, 1000, 1, 0, 2000);
	add(store, 1000, 1100, 0, 1, 9000);
	assert_int_equal(store_expire(store, 1500, 8000, &error), STATUS_OK);
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	assert_int_equal(store_variables(store, &v, &error), STATUS_OK);
	assert_int_equal(v.tokens, 600);
	assert_int_equal(v.oldest_atime, 2000);
	assert_int_equal(counts_of(store, 3).spam, 0);
	assert_int_equal(counts_of(store, 1003).atime, 8000);
	store_close(&store);
}

static void
a_dump_comes_back(void **state)
{
	struct store *store = open_new();
	char *first = NULL, *second = NULL;
	size_t first_len, second_len;
	struct dump_result result;
	FILE *stream = open_memstream(&first, &first_len);

	(void)state;
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	add(store, 1, 500, 3, 1, 1700);
	assert_int_equal(store_add_messages(store, 7, 8, &error), STATUS_OK);
	assert_int_equal(store_put_seen(store, SLICE("a b@c"), 's', &error), STATUS_OK);
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	assert_int_equal(dump_write(store, stream, &error), STATUS_OK);
	fclose(stream);
	store_close(&store);
	store = open_new();
	stream = fmemopen(first, first_len, "r");
	assert_int_equal(dump_restore(store, stream, 5000, 0, false, &result, &error), STATUS_OK);
	fclose(stream);
	assert_int_equal(result.tokens, 499);
	stream = open_memstream(&second, &second_len);
	assert_int_equal(dump_write(store, stream, &error), STATUS_OK);
	fclose(stream);
	assert_string_equal(first, second);
	/* What is no dump changes nothing. */
	stream = fmemopen((char[]){"t\t1\t0\t5\t0000000000\n"}, 18, "r");
	assert_int_equal(dump_restore(store, stream, 5000, 0, false, &result, &error), STATUS_BAD);
	fclose(stream);
	assert_int_equal(counts_of(store, 7).spam, 3);
	free(first);
	free(second);
	store_close(&store);
}

static void
lines_of_dumps(void **state)
{
	static const struct {
		const char *text;
		enum dump_kind kind;
		unsigned spam, ham, atime;
	} rows[] = {
		{"v\t3\tdb_version # this must be the first line!!!\n", DUMP_VERSION, 0, 0, 0},
		{"v 12 num_spam", DUMP_SPAM, 0, 0, 0},
		{"v\t12\tnum_nonspam\n", DUMP_HAM, 0, 0, 0},
		{"v\t12\tother\n", DUMP_OTHER, 0, 0, 0},
		{"t\t1\t2\t30\t0123456789\n", DUMP_TOKEN, 1, 2, 30},
		{"t\t-1\t2\t99999999999\tABCDEFabcd", DUMP_TOKEN, 0, 2, 1000},
		{"t\t1\t2\t30\t01234567\n", DUMP_OTHER, 1, 2, 30},
		{"t\t1\t2\t30\t01234567xx\n", DUMP_OTHER, 1, 2, 30},
		{"t\t1", DUMP_OTHER, 1, 0, 0},
		{"s\th\tid with blanks\n", DUMP_SEEN, 0, 0, 0},
		{"s\tx\tid\n", DUMP_OTHER, 0, 0, 0},
		{"s\th\t\n", DUMP_OTHER, 0, 0, 0},
		{"", DUMP_OTHER, 0, 0, 0},
		{"\n", DUMP_OTHER, 0, 0, 0},
		{"x\ty\n", DUMP_OTHER, 0, 0, 0},
	};
	unsigned failed = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dump_line line;

		dump_line_parse(slice_from_cstr(rows[i].text), 3, 1000, &line);
		if (line.kind == rows[i].kind && line.token.counts.spam == rows[i].spam &&
		    line.token.counts.ham == rows[i].ham &&
		    line.token.counts.atime == rows[i].atime)
			continue;
		print_message("# bad row: %s\n", rows[i].text);
		failed++;
	}
	assert_int_equal(failed, 0);
}

/* Bytes are changed and pieces cut off; whatever the store says, the process goes on. */
static void
damaged_files_end_nothing(void **state)
{
	struct store *store = open_new();
	unsigned bad = 0, rounds = 60;
	unsigned char *whole;
	struct stat st;
	FILE *stream;

	(void)state;
	assert_int_equal(store_begin(store, 0, &error), STATUS_OK);
	for (unsigned i = 0; i < 20000; i += 600)
		add(store, i, i + 600, 1, 2, 1700);
	assert_int_equal(store_commit(store, &error), STATUS_OK);
	store_close(&store);
	assert_int_equal(stat(file, &st), 0);
	whole = malloc((size_t)st.st_size);
	stream = fopen(file, "r");
	assert_int_equal(fread(whole, 1, (size_t)st.st_size, stream), (size_t)st.st_size);
	fclose(stream);
	srand48(7);
	for (unsigned round = 0; round < rounds; round++) {
		size_t len = (size_t)st.st_size;
		unsigned char *copy = malloc(len);
		struct store_variables v;
		enum status status = STATUS_OK;

		memcpy(copy, whole, len);
		if (round % 3 == 0)
			len = (size_t)(drand48() * (double)len);
		else
			for (int i = 0; i < 200; i++)
				copy[(size_t)(drand48() * (double)len)] = (unsigned char)lrand48();
		stream = fopen(file, "w");
		fwrite(copy, 1, len, stream);
		fclose(stream);
		free(copy);
		status = store_open(&config, false, &store, &error);
		for (unsigned i = 0; status == STATUS_OK && i < 20000; i += 50) {
			struct store_key k = key(i);
			struct store_counts counts;

			status = store_lookup(store, &k, 1, &counts, &error);
		}
		if (status == STATUS_OK)
			status = store_variables(store, &v, &error);
		bad += status != STATUS_OK;
		store_close(&store);
	}
	free(whole);
	assert_true(bad > rounds / 2);
	assert_int_equal(store_remove(&config, &error), STATUS_OK);
	store = open_new();
	store_close(&store);
}

static int
make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/bayes", directory);
	snprintf(file, sizeof(file), "%s.lmdb", path);
	config = (struct store_config){.path = path, .file_mode = 0700};
	return 0;
}

static int
remove_directory(void **state)
{
	(void)state;
	(void)!store_remove(&config, &error);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_go_up_and_down),
		cmocka_unit_test(what_is_aborted_was_never_there),
		cmocka_unit_test(message_ids_of_any_length),
		cmocka_unit_test(two_writers_wait_for_each_other),
		cmocka_unit_test(old_tokens_go),
		cmocka_unit_test(a_dump_comes_back),
		cmocka_unit_test(lines_of_dumps),
		cmocka_unit_test(damaged_files_end_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
