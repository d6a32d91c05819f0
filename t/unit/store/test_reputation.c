/*
 * test_reputation.c - the embedded list of senders: entries, removal, long keys, transactions,
 * files that are none
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/reputation.h"

static char directory[] = "/tmp/winnow-senders-XXXXXX";
static char path[64];
static struct reputation_config config;
static struct error error;

static struct reputation *
open_new(void)
{
	struct reputation *list = NULL;

	(void)unlink(path);
	assert_int_equal(reputation_open(&config, true, &list, &error), STATUS_OK);
	return list;
}

static struct reputation_key
key(const char *address, const char *ip)
{
	return (struct reputation_key){.address = slice_from_cstr(address),
	                               .ip = slice_from_cstr(ip)};
}

static void
add(struct reputation *list, const char *address, const char *ip, double score)
{
	struct reputation_key k = key(address, ip);
	struct reputation_entry entry;

	assert_int_equal(reputation_begin(list, 100, &error), STATUS_OK);
	assert_int_equal(reputation_get(list, &k, &entry, &error), STATUS_OK);
	assert_int_equal(reputation_add(list, &k, &entry, score, &error), STATUS_OK);
	assert_int_equal(reputation_commit(list, &error), STATUS_OK);
}

static void
expect(struct reputation *list, const char *address, const char *ip, long long count, double total)
{
	struct reputation_key k = key(address, ip);
	struct reputation_entry entry;

	assert_int_equal(reputation_get(list, &k, &entry, &error), STATUS_OK);
	assert_int_equal(entry.count, count);
	assert_true(entry.total == total);
}

static void
scores_add_up(void **state)
{
	struct reputation *list = open_new();

	(void)state;
	expect(list, "a@example.com", "none", 0, 0);
	add(list, "a@example.com", "192.0", 1.5);
	add(list, "a@example.com", "192.0", -2.25);
	expect(list, "a@example.com", "192.0", 2, -0.75);
	/* 15 digits, as the reference's text has */
	add(list, "b@example.com", "none", 0.1);
	add(list, "b@example.com", "none", 0.2);
	expect(list, "b@example.com", "none", 2, 0.3);
	reputation_close(&list);
	assert_int_equal(reputation_open(&config, false, &list, &error), STATUS_OK);
	expect(list, "a@example.com", "192.0", 2, -0.75);
	reputation_close(&list);
}

static void
none_removes_all_of_an_address(void **state)
{
	struct reputation *list = open_new();
	struct reputation_key one = key("a@example.com", "192.0"),
			      all = key("a@example.com", "none");

	(void)state;
	add(list, "a@example.com", "192.0", 1);
	add(list, "a@example.com", "10.1", 1);
	add(list, "a@example.com", "none", 1);
	add(list, "a@example.co", "none", 1);
	add(list, "a@example.comm", "192.0", 1);
	assert_int_equal(reputation_begin(list, 100, &error), STATUS_OK);
	assert_int_equal(reputation_remove(list, &one, &error), STATUS_OK);
	assert_int_equal(reputation_commit(list, &error), STATUS_OK);
	expect(list, "a@example.com", "192.0", 0, 0);
	expect(list, "a@example.com", "10.1", 1, 1);
	assert_int_equal(reputation_begin(list, 100, &error), STATUS_OK);
	assert_int_equal(reputation_remove(list, &all, &error), STATUS_OK);
	assert_int_equal(reputation_commit(list, &error), STATUS_OK);
	expect(list, "a@example.com", "10.1", 0, 0);
	expect(list, "a@example.com", "none", 0, 0);
	expect(list, "a@example.co", "none", 1, 1);
	expect(list, "a@example.comm", "192.0", 1, 1);
	reputation_close(&list);
}

static bool
count_one(void *data, const struct reputation_key *k, const struct reputation_entry *entry)
{
	size_t *count = data;

	assert_true(entry->count > 0);
	assert_true(k->address.len > 0 && k->ip.len > 0);
	(*count)++;
	return true;
}

/* Addresses longer than a key may be are told apart, found again and removed. */
static void
long_addresses(void **state)
{
	struct reputation *list = open_new();
	struct reputation_key all;
	char a[3000], b[3000];
	size_t count = 0;

	(void)state;
	memset(a, 'a', sizeof(a));
	a[sizeof(a) - 1] = '\0';
	memcpy(b, a, sizeof(b));
	b[sizeof(b) - 2] = 'b';
	add(list, a, "192.0", 1);
	add(list, b, "192.0", 2);
	add(list, b, "10.0", 3);
	expect(list, a, "192.0", 1, 1);
	expect(list, b, "10.0", 1, 3);
	assert_int_equal(reputation_each(list, count_one, &count, &error), STATUS_OK);
	assert_int_equal(count, 3);
	all = key(b, "none");
	assert_int_equal(reputation_begin(list, 100, &error), STATUS_OK);
	assert_int_equal(reputation_remove(list, &all, &error), STATUS_OK);
	assert_int_equal(reputation_commit(list, &error), STATUS_OK);
	expect(list, a, "192.0", 1, 1);
	expect(list, b, "192.0", 0, 0);
	expect(list, b, "10.0", 0, 0);
	reputation_close(&list);
}

static void
what_is_not_committed_is_not_there(void **state)
{
	struct reputation *list = open_new();
	struct reputation_key k = key("a@example.com", "none");
	struct reputation_entry entry = {0};

	(void)state;
	assert_int_equal(reputation_begin(list, 100, &error), STATUS_OK);
	assert_int_equal(reputation_add(list, &k, &entry, 5, &error), STATUS_OK);
	expect(list, "a@example.com", "none", 1, 5);
	reputation_abort(list);
	expect(list, "a@example.com", "none", 0, 0);
	reputation_close(&list);
}

static void
other_files_stay(void **state)
{
	struct reputation *list = NULL;
	FILE *file;
	struct stat st;

	(void)state;
	(void)unlink(path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("this is a file that somebody still wants, and no list\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(reputation_open(&config, true, &list, &error), STATUS_BAD);
	assert_non_null(strstr(error.text, "move it away"));
	assert_null(list);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 54);
	(void)unlink(path);
	assert_int_equal(reputation_open(&config, false, &list, &error), STATUS_NONE);
}

static void
no_such_factory(void **state)
{
	struct reputation_config other = config;
	struct reputation *list = NULL;

	(void)state;
	other.factory = SLICE("Mail::SpamAssassin::NoSuchAddrList");
	assert_int_equal(reputation_open(&other, true, &list, &error), STATUS_BAD);
	assert_non_null(strstr(error.text, "NoSuchAddrList"));
	assert_non_null(reputation_backend_find(SLICE("Mail::SpamAssassin::DBBasedAddrList")));
}

static void
modes_and_mutex(void **state)
{
	struct reputation_config other = config;
	struct reputation *list;
	struct stat st;
	char mutex[80];

	(void)state;
	(void)unlink(path);
	other.file_mode = 0755;
	other.has_mutex = true;
	assert_int_equal(reputation_open(&other, true, &list, &error), STATUS_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	snprintf(mutex, sizeof(mutex), "%s.mutex", path);
	assert_int_equal(stat(mutex, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(reputation_begin(list, 100, &error), STATUS_OK);
	assert_int_equal(reputation_commit(list, &error), STATUS_OK);
	reputation_close(&list);
	(void)unlink(mutex);
}

static void
clean_up(void)
{
	char lock[80];

	snprintf(lock, sizeof(lock), "%s-lock", path);
	(void)unlink(path);
	(void)unlink(lock);
	(void)rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_add_up),
		cmocka_unit_test(none_removes_all_of_an_address),
		cmocka_unit_test(long_addresses),
		cmocka_unit_test(what_is_not_committed_is_not_there),
		cmocka_unit_test(other_files_stay),
		cmocka_unit_test(no_such_factory),
		cmocka_unit_test(modes_and_mutex),
	};
	int failed;

	if (mkdtemp(directory) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/senders", directory);
	config = (struct reputation_config){.path = path, .file_mode = 0700};
	failed = cmocka_run_group_tests_name("reputation", tests, NULL, NULL);
	clean_up();
	return failed;
}
