/*
 * test_reputation_sql.c - lists of senders in a database: signers, recipients, two writers
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/reputation.h"
#include "store/sql.h"
#include "store/store.h"

static char file[] = "/tmp/winnow-senders-XXXXXX";
static char dsn[64];
static struct reputation_config config;
static struct error error;

static void
must(enum status status)
{
	if (status != STATUS_OK)
		fail_msg("%s: %s", status_name(status), error.text);
}

static struct reputation *
open_list(void)
{
	struct reputation *list;

	must(reputation_open(&config, true, &list, &error));
	must(reputation_begin(list, 1000, &error));
	return list;
}

static void
close_list(struct reputation *list)
{
	must(reputation_commit(list, &error));
	reputation_close(&list);
}

static struct reputation_key
key(const char *address, const char *ip, const char *signed_by)
{
	struct reputation_key k = {slice_from_cstr(address), slice_from_cstr(ip), SLICE_NULL};

	if (signed_by != NULL)
		k.signed_by = slice_from_cstr(signed_by);
	return k;
}

static struct reputation_entry
get(struct reputation *list, struct reputation_key k)
{
	struct reputation_entry entry;

	must(reputation_get(list, &k, &entry, &error));
	return entry;
}

static void
add(struct reputation *list, struct reputation_key k, double score)
{
	struct reputation_entry entry = get(list, k);

	must(reputation_add(list, &k, &entry, score, &error));
}

static void
assert_entry(struct reputation *list, struct reputation_key k, int64_t count, double total)
{
	struct reputation_entry entry = get(list, k);

	assert_int_equal(entry.count, count);
	assert_true(entry.total == total);
}

struct listing {
	char text[4000];
	size_t len;
};

static bool
list_one(void *data, const struct reputation_key *k, const struct reputation_entry *entry)
{
	struct listing *l = data;

	l->len +=
		(size_t)snprintf(l->text + l->len, sizeof(l->text) - l->len,
	                         "%.*s|%.*s|%.*s|%d|%g\n", SLICE_FMT(k->address), SLICE_FMT(k->ip),
	                         SLICE_FMT(k->signed_by), (int)entry->count, entry->total);
	return true;
}

static void
test_plain(void **state)
{
	struct reputation *list = open_list();
	struct listing l = {.len = 0};

	(void)state;
	add(list, key("a@x", "192.0", NULL), 2.5);
	add(list, key("a@x", "192.0", NULL), -1);
	add(list, key("a@x", "none", NULL), -100);
	add(list, key("j\xf6rg'; DROP TABLE awl@x", "192.0", NULL), 1);
	assert_entry(list, key("a@x", "192.0", NULL), 2, 1.5);
	assert_entry(list, key("a@x", "10.0", NULL), 0, 0);
	must(reputation_each(list, list_one, &l, &error));
	assert_string_equal(l.text, "a@x|192.0||2|1.5\na@x|none||1|-100\n"
	                            "j\xf6rg'; DROP TABLE awl@x|192.0||1|1\n");
	must(reputation_remove(
		list, &(struct reputation_key){SLICE("a@x"), SLICE("none"), SLICE_NULL}, &error));
	assert_entry(list, key("a@x", "192.0", NULL), 0, 0);
	close_list(list);
}

static void
test_signers(void **state)
{
	struct reputation *list;
	struct listing l = {.len = 0};

	(void)state;
	config.distinguishes_signed = true;
	config.user = SLICE("signers");
	list = open_list();
	add(list, key("a@x", "192.0", NULL), 1);
	add(list, key("a@x", "none", "X.example y.example"), 4);
	add(list, key("a@x", "none", "y.example"), 2);
	assert_entry(list, key("a@x", "192.0", NULL), 1, 1);
	assert_entry(list, key("a@x", "none", "x.example"), 1, 4);
	assert_entry(list, key("a@x", "none", "y.example"), 2, 6);
	must(reputation_each(list, list_one, &l, &error));
	assert_string_equal(l.text, "a@x|192.0||1|1\na@x|none|x.example|1|4\n"
	                            "a@x|none|y.example|2|6\n");
	close_list(list);
	/* Without: SPF's word alone names a signer. */
	config.distinguishes_signed = false;
	config.user = SLICE("spf");
	list = open_list();
	add(list, key("a@x", "none", "spf-x.example"), 3);
	add(list, key("a@x", "none", "x.example"), 5);
	l.len = 0;
	must(reputation_each(list, list_one, &l, &error));
	assert_string_equal(l.text, "a@x|none||1|5\na@x|none|spf-x.example|1|3\n");
	close_list(list);
}

static void
test_recipients(void **state)
{
	struct reputation *list;

	(void)state;
	config.welcomes_recipients = true;
	config.user = SLICE("out");
	list = open_list();
	add(list, key("a@x", "WELCOMELIST_OUT", NULL), -10);
	add(list, key("a@x", "192.0", NULL), 7);
	assert_entry(list, key("a@x", "192.0", NULL), 1, -10);
	assert_entry(list, key("x", "192.0", NULL), 0, 0);
	close_list(list);
	config.welcomes_recipients = false;
}

/* Both looked before either wrote: no message and no score is lost. */
static void
test_two_writers(void **state)
{
	struct reputation *a, *b;
	struct reputation_key k = key("a@x", "192.0", NULL);
	struct reputation_entry of_a, of_b;

	(void)state;
	config.user = SLICE("two");
	a = open_list();
	b = open_list();
	for (int i = 0; i < 3; i++) {
		of_a = get(a, k);
		of_b = get(b, k);
		must(reputation_add(a, &k, &of_a, 1, &error));
		must(reputation_add(b, &k, &of_b, 0.5, &error));
	}
	assert_entry(a, k, 6, 4.5);
	close_list(a);
	close_list(b);
}

static void
test_opening(void **state)
{
	struct store_keep keep = {NULL, NULL};
	struct reputation *list;
	void *connection;

	(void)state;
	config.keep = &keep;
	close_list(open_list());
	connection = keep.data;
	assert_non_null(connection);
	config.user = SLICE("another");
	list = open_list();
	assert_null(keep.data);
	add(list, key("a@x", "192.0", NULL), 1);
	close_list(list);
	assert_ptr_equal(keep.data, connection);
	store_keep_drop(&keep);
	config.keep = NULL;
	config.table = SLICE("awl; DROP TABLE awl");
	assert_int_equal(reputation_open(&config, true, &list, &error), STATUS_BAD);
	config.table = SLICE("awl");
	config.dsn = SLICE("");
	assert_int_equal(reputation_open(&config, true, &list, &error), STATUS_BAD);
	config.dsn = slice_from_cstr(dsn);
}

static int
set_up(void **state)
{
	static const char table[] =
		"CREATE TABLE awl (username text NOT NULL DEFAULT '', email text NOT NULL DEFAULT "
		"'', "
		"ip text NOT NULL DEFAULT '', msgcount integer, totscore real, signedby text NOT "
		"NULL "
		"DEFAULT '', last_hit text, PRIMARY KEY (username, email, signedby, ip))";
	struct sql_config c = {.dsn = SLICE_NULL};
	struct sql *sql;
	int fd = mkstemp(file);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(dsn, sizeof(dsn), "DBI:SQLite:dbname=%s;synchronous=OFF", file);
	config =
		(struct reputation_config){.factory = SLICE("Mail::SpamAssassin::SQLBasedAddrList"),
	                                   .path = "/nonexistent",
	                                   .user = SLICE("plain"),
	                                   .dsn = slice_from_cstr(dsn),
	                                   .table = SLICE("awl")};
	c.dsn = config.dsn;
	must(sql_open(&c, &sql, &error));
	must(sql_run(sql, table, NULL, 0, NULL, NULL, NULL, &error));
	sql_close(&sql);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return unlink(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),      cmocka_unit_test(test_signers),
		cmocka_unit_test(test_recipients), cmocka_unit_test(test_two_writers),
		cmocka_unit_test(test_opening),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
