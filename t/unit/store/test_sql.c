/*
 * test_sql.c - DSNs, and statements over a real database
 *
 * SQLite by default; t/e2e/sql.py runs it over servers: WINNOW_TEST_DSN, _USER and _PASSWORD.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/sql_dsn.h"

static char file[] = "/tmp/winnow-sql-XXXXXX";
static char dsn[64];
static struct sql_config config;
static struct error error;

/* ---- data source names ---- */

struct row {
	const char *dsn;
	const char *expected; /* database|host|port|socket|options, or an error's text */
};

/* clang-format off */
static const struct row rows[] = {
	{ "DBI:Pg:dbname=mail;host=db.example;port=5432", "mail|db.example|5432||" },
	{ "dbi:pg:database=mail host=[2001:db8::1]", "mail|2001:db8::1|||" },
	{ "DBI:Pg(RaiseError=>1):db='a b';host=/run/pg; sslmode = verify-full", "a b|/run/pg|||sslmode=verify-full " },
	{ "DBI:Pg:dbname='it\\'s;x'", "it's;x||||" },
	{ "DBI:Pg:", "||||" },
	{ "DBI:Pg:dbname", "no = after 'dbname'" },
	{ "DBI:mysql:mail:db.example:3306", "mail|db.example|3306||" },
	{ "DBI:mysql:mail", "mail||||" },
	{ "DBI:mysql:mail;host=db.example", "mail|db.example|||" },
	{ "DBI:mysql:mail:[::1]:3307", "mail|::1|3307||" },
	{ "DBI:MariaDB:database=mail;hostname=[::1];port=3307;mariadb_ssl=1", "mail|::1|3307||ssl=1 " },
	{ "DBI:mysql:dbname=mail;mysql_socket=/run/m.sock;mysql_connect_timeout=2", "mail|||/run/m.sock|connect_timeout=2 " },
	{ "DBI:mysql:a:b:c:d", "says nothing of 'd'" },
	{ "DBI:SQLite:/var/lib/bayes.db", "/var/lib/bayes.db||||" },
	{ "DBI:SQLite:dbname=/var/lib/bayes.db", "/var/lib/bayes.db||||" },
	{ "DBI:SQLite:uri=file:/x?mode=ro", "||||uri=file:/x?mode=ro " },
	{ "DBI:SQLite:dbname=x;y", "no = after 'y'" },
	{ "DBI:Oracle:x", "'Oracle' is no database of ours" },
	{ "DBI:", "'' is no database of ours" },
	{ "", "it has to begin with" },
	{ "mysql:mail", "it has to begin with" },
};
/* clang-format on */

static void
describe(const struct sql_target *t, char *out, size_t size)
{
	const char *const fields[] = {t->database, t->host, t->port, t->socket};
	size_t len = 0;

	for (size_t i = 0; i < 4; i++)
		len += (size_t)snprintf(out + len, size - len, "%s|",
		                        fields[i] == NULL ? "" : fields[i]);
	for (size_t i = 0; i < t->option_count; i++)
		len += (size_t)snprintf(out + len, size - len, "%s=%s ", t->options[i].name,
		                        t->options[i].value);
}

static void
test_dsn(void **state)
{
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *arena = arena_create(0);
		struct sql_config c = {.dsn = slice_from_cstr(rows[i].dsn)};
		struct sql_target target;
		char text[600];
		bool good;

		if (sql_dsn_parse(arena, &c, &target, &error) == STATUS_OK) {
			describe(&target, text, sizeof(text));
			good = strcmp(text, rows[i].expected) == 0;
		} else {
			snprintf(text, sizeof(text), "%s", error.text);
			good = strstr(text, rows[i].expected) != NULL;
		}
		if (!good) {
			print_error("%s: %s, not %s\n", rows[i].dsn, text, rows[i].expected);
			bad++;
		}
		arena_destroy(&arena);
	}
	assert_int_equal(bad, 0);
}

static void
test_dsn_limits(void **state)
{
	struct arena *arena = arena_create(0);
	struct sql_config nul = {.dsn = SLICE("DBI:Pg:dbname=a\0b")};
	char text[1000] = "DBI:Pg:";
	struct sql_config many = {.dsn = SLICE_NULL};
	struct sql_target target;

	(void)state;
	assert_int_equal(sql_dsn_parse(arena, &nul, &target, &error), STATUS_BAD);
	for (int i = 0; i < 40; i++)
		snprintf(text + strlen(text), 16, "o%d=1;", i);
	many.dsn = slice_from_cstr(text);
	assert_int_equal(sql_dsn_parse(arena, &many, &target, &error), STATUS_BAD);
	arena_destroy(&arena);
}

/* ---- statements ---- */

static struct sql *
open_sql(void)
{
	struct sql *sql;

	if (sql_open(&config, &sql, &error) != STATUS_OK)
		fail_msg("%s", error.text);
	return sql;
}

static void
must(enum status status)
{
	if (status != STATUS_OK)
		fail_msg("%s: %s", status_name(status), error.text);
}

struct seen {
	size_t rows, count, stop_after;
	unsigned char bytes[5][5000];
	size_t lens[5];
	bool is_null[5];
};

static bool
take_row(void *data, const struct slice *fields, size_t count)
{
	struct seen *seen = data;

	seen->count = count;
	for (size_t i = 0; i < count && i < 5; i++) {
		seen->is_null[i] = fields[i].data == NULL;
		seen->lens[i] = fields[i].len;
		memcpy(seen->bytes[i], fields[i].len > 0 ? fields[i].data : (const void *)"",
		       fields[i].len);
	}
	return ++seen->rows != seen->stop_after;
}

static struct slice
field(const struct seen *seen, size_t i)
{
	return slice_of(seen->bytes[i], seen->lens[i]);
}

static void
make_table(struct sql *sql)
{
	static const char *const texts[] = {
		[SQL_POSTGRESQL] = "CREATE TABLE winnow_test (n integer PRIMARY KEY, t text, "
				   "b bytea, d double precision)",
		[SQL_MYSQL] = "CREATE TABLE winnow_test (n integer PRIMARY KEY, t text, "
			      "b blob, d double) ENGINE=InnoDB",
		[SQL_SQLITE] = "CREATE TABLE winnow_test (n integer PRIMARY KEY, t text, b blob, d "
			       "real)",
	};

	(void)!sql_run(sql, "DROP TABLE winnow_test", NULL, 0, NULL, NULL, NULL, &error);
	must(sql_run(sql, texts[sql_dialect(sql)], NULL, 0, NULL, NULL, NULL, &error));
}

static int64_t
count_rows(struct sql *sql)
{
	static struct seen seen;

	seen = (struct seen){0};
	must(sql_run(sql, "SELECT count(*) FROM winnow_test", NULL, 0, take_row, &seen, NULL,
	             &error));
	assert_int_equal(seen.rows, 1);
	return sql_field_integer(field(&seen, 0));
}

static void
put(struct sql *sql, int n)
{
	uint64_t affected = 0;

	must(sql_do(sql, "INSERT INTO winnow_test (n, t, b, d) VALUES (?, ?, ?, ?)", &affected,
	            &error, sql_integer(n), sql_text(SLICE("it's ? \"x\"")),
	            sql_bytes(SLICE("\x00\xff\\'\n")), sql_real(-2.625)));
	assert_int_equal(affected, 1);
}

static void
test_values(void **state)
{
	static struct seen seen;
	static unsigned char text[5000];
	struct sql *sql = open_sql();
	struct sql_value one = sql_integer(7);

	(void)state;
	make_table(sql);
	put(sql, 7);
	seen = (struct seen){0};
	must(sql_run(sql, "SELECT n, t, b, d, '?' FROM winnow_test WHERE n = ?", &one, 1, take_row,
	             &seen, NULL, &error));
	assert_int_equal(seen.rows, 1);
	assert_int_equal(seen.count, 5);
	assert_int_equal(sql_field_integer(field(&seen, 0)), 7);
	assert_true(slice_eq(field(&seen, 1), SLICE("it's ? \"x\"")));
	assert_true(slice_eq(field(&seen, 2), SLICE("\x00\xff\\'\n")));
	assert_true(sql_field_real(field(&seen, 3)) == -2.625);
	assert_true(slice_eq(field(&seen, 4), SLICE("?")));
	memset(text, 'x', sizeof(text));
	must(sql_do(sql, "INSERT INTO winnow_test (n, t, b, d) VALUES (?, ?, ?, ?)", NULL, &error,
	            sql_integer(-8), sql_text(slice_of(text, sizeof(text))),
	            (struct sql_value){.type = SQL_NULL}, sql_real(1e300)));
	seen = (struct seen){0};
	must(sql_run(sql, "SELECT n, t, b, d FROM winnow_test ORDER BY n DESC", NULL, 0, take_row,
	             &seen, NULL, &error));
	assert_int_equal(seen.rows, 2);
	assert_int_equal(sql_field_integer(field(&seen, 0)), -8);
	assert_int_equal(seen.lens[1], sizeof(text));
	assert_true(seen.is_null[2]);
	assert_true(sql_field_real(field(&seen, 3)) == 1e300);
	sql_close(&sql);
	assert_null(sql);
}

static void
test_transactions(void **state)
{
	struct sql *sql = open_sql();
	static struct seen seen;

	(void)state;
	make_table(sql);
	must(sql_begin(sql, 1000, &error));
	put(sql, 1);
	sql_rollback(sql);
	assert_int_equal(count_rows(sql), 0);
	must(sql_begin(sql, 1000, &error));
	for (int i = 0; i < 30; i++)
		put(sql, i);
	must(sql_commit(sql, &error));
	assert_int_equal(count_rows(sql), 30);
	/* Ended early, the connection is still good. */
	seen = (struct seen){.stop_after = 3};
	must(sql_run(sql, "SELECT n FROM winnow_test", NULL, 0, take_row, &seen, NULL, &error));
	assert_int_equal(seen.rows, 3);
	assert_int_equal(count_rows(sql), 30);
	/* What failed can only be rolled back. */
	must(sql_begin(sql, 1000, &error));
	put(sql, 100);
	assert_int_equal(sql_do(sql, "INSERT INTO winnow_test (n) VALUES (?)", NULL, &error,
	                        sql_integer(100)),
	                 STATUS_BAD);
	assert_int_equal(
		sql_do(sql, "DELETE FROM winnow_test WHERE n < ?", NULL, &error, sql_integer(5)),
		STATUS_IO);
	assert_int_equal(sql_commit(sql, &error), STATUS_IO);
	assert_int_equal(count_rows(sql), 30);
	sql_close(&sql);
}

static void
test_errors(void **state)
{
	struct sql *sql = open_sql();

	(void)state;
	assert_int_equal(
		sql_run(sql, "SELECT a FROM winnow_nothing", NULL, 0, NULL, NULL, NULL, &error),
		STATUS_BAD);
	assert_non_null(strstr(error.text, "winnow_nothing"));
	assert_non_null(strstr(error.text, sql_name(sql)));
	make_table(sql); /* the connection is good */
	/* More statements than are kept. */
	for (int i = 0; i < 60; i++) {
		char text[80];

		snprintf(text, sizeof(text), "INSERT INTO winnow_test (n, t) VALUES (?, '%d')", i);
		must(sql_do(sql, text, NULL, &error, sql_integer(i)));
	}
	assert_int_equal(count_rows(sql), 60);
	sql_close(&sql);
}

/* Two that want the same row: the second gives up in time. */
static void
test_locks(void **state)
{
	struct sql *a = open_sql(), *b = open_sql();
	enum status status;

	(void)state;
	make_table(a);
	put(a, 1);
	must(sql_begin(a, 1000, &error));
	must(sql_do(a, "UPDATE winnow_test SET d = ? WHERE n = 1", NULL, &error, sql_real(1)));
	status = sql_begin(b, 50, &error); /* one writer at a time, in SQLite */
	if (status == STATUS_OK)
		status = sql_do(b, "UPDATE winnow_test SET d = ? WHERE n = 1", NULL, &error,
		                sql_real(2));
	assert_int_equal(status, STATUS_AGAIN);
	sql_rollback(b);
	must(sql_commit(a, &error));
	must(sql_do(b, "UPDATE winnow_test SET d = ? WHERE n = 1", NULL, &error, sql_real(2)));
	sql_close(&a);
	sql_close(&b);
}

/* Not there: once it is tried, then not for a while. */
static void
test_absent(void **state)
{
	struct sql_config none = {.dsn = SLICE("DBI:SQLite:dbname=/nonexistent/x")}, no_file = none;
	struct sql *sql;

	(void)state;
	must(sql_open(&none, &sql, &error));
	assert_int_equal(sql_begin(sql, 0, &error), STATUS_IO);
	assert_non_null(strstr(error.text, "there is no such file"));
	assert_int_equal(sql_begin(sql, 0, &error), STATUS_AGAIN);
	assert_int_equal(sql_run(sql, "SELECT 1", NULL, 0, NULL, NULL, NULL, &error), STATUS_AGAIN);
	sql_close(&sql);
	no_file.dsn = SLICE("DBI:SQLite:uri=file:/x;foo=1");
	must(sql_open(&no_file, &sql, &error));
	assert_int_equal(sql_begin(sql, 0, &error), STATUS_BAD);
	assert_non_null(strstr(error.text, "'foo=1' is unknown"));
	sql_close(&sql);
}

static int
set_up(void **state)
{
	const char *given = getenv("WINNOW_TEST_DSN"), *user = getenv("WINNOW_TEST_USER"),
		   *password = getenv("WINNOW_TEST_PASSWORD");
	int fd = mkstemp(file);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(dsn, sizeof(dsn), "DBI:SQLite:dbname=%s", file);
	config.dsn = slice_from_cstr(given != NULL ? given : dsn);
	config.user = slice_from_cstr(user != NULL ? user : "");
	config.password = slice_from_cstr(password != NULL ? password : "");
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
		cmocka_unit_test(test_dsn),    cmocka_unit_test(test_dsn_limits),
		cmocka_unit_test(test_values), cmocka_unit_test(test_transactions),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_locks),
		cmocka_unit_test(test_absent),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
