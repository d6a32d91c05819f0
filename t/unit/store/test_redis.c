/*
 * test_redis.c - which Redis servers a configuration names, and commands as bytes
 *
 * The store itself: t/e2e/redis.py, over real servers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "store/redis_client.h"
#include "store/redis_config.h"

struct row {
	const char *dsn, *writer, *readers;
	const char
		*expected; /* writer > readers: host:port or path, user, password, database, tls */
};

/* clang-format off */
static const struct row rows[] = {
	{ "", "", "", "127.0.0.1:6379 > 127.0.0.1:6379" },
	{ "server=/run/r.sock;password=a=b;database=2", "", "", "/run/r.sock password a=b database 2 > /run/r.sock password a=b database 2" },
	{ "server=[2001:db8::1]:7", "", "", "2001:db8::1:7 > 2001:db8::1:7" },
	{ "server=h.example:7;user=u;tls=1;tls_verify=0", "", "", "h.example:7 user u tls unverified > h.example:7 user u tls unverified" },
	{ "server=a:1;tls=yes", "server=b:2", "", "b:2 tls > b:2 tls" },
	{ "server=a:1", "", "server=b:2, server=c:3;password=x", "a:1 > b:2 c:3 password x" },
	{ "", "server=w:1;database=3", "server=r:1", "w:1 database 3 > r:1" },
	{ "reconnect=1;;server=a:1", "", "", "a:1 > a:1" },
	{ "server=a", "", "", "bayes_sql_dsn: \"a\" is no server: host:port, [IPv6 address]:port or /path of a socket" },
	{ "server=::1:6379", "", "", "bayes_sql_dsn: \"::1:6379\" is no server: host:port, [IPv6 address]:port or /path of a socket" },
	{ "server=[::1:6379", "", "", "bayes_sql_dsn: \"[::1:6379\" is no server: host:port, [IPv6 address]:port or /path of a socket" },
	{ "server=:6379", "", "", "bayes_sql_dsn: \":6379\" is no server: host:port, [IPv6 address]:port or /path of a socket" },
	{ "server=", "", "", "bayes_sql_dsn: \"\" is no server: host:port, [IPv6 address]:port or /path of a socket" },
	{ "DBI:mysql:mail", "", "", "bayes_sql_dsn: \"DBI:mysql:mail\" is no option=value: server=host:port;password=...;database=..." },
	{ "", "tls=maybe", "", "bayes_redis_write_server: tls is 1 or 0, not \"maybe\"" },
	{ "", "", "server=a:1,b", "bayes_redis_read_servers: \"b\" is no option=value: server=host:port;password=...;database=..." },
};
/* clang-format on */

static size_t
describe(char *text, size_t size, const struct redis_target *t)
{
	int n = snprintf(
		text, size, "%s%s%s%s%s%s%s%s%s%s%s", t->path != NULL ? t->path : t->host,
		t->path != NULL ? "" : ":", t->path != NULL ? "" : t->port,
		t->user != NULL ? " user " : "", t->user != NULL ? t->user : "",
		t->password != NULL ? " password " : "", t->password != NULL ? t->password : "",
		t->database != NULL ? " database " : "", t->database != NULL ? t->database : "",
		t->tls.is_on ? " tls" : "", t->tls.no_verify ? " unverified" : "");

	return (size_t)n;
}

static void
servers_of_a_configuration(void **state)
{
	struct arena *arena = arena_create(0);
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_config config = {
			.dsn = slice_from_cstr(rows[i].dsn),
			.redis = {.write_server = slice_from_cstr(rows[i].writer),
		                  .read_servers = slice_from_cstr(rows[i].readers)}};
		struct redis_servers servers;
		struct error error = {""};
		char text[1024];
		size_t len;

		if (redis_config_parse(arena, &config, &servers, &error) == STATUS_OK) {
			len = describe(text, sizeof(text), &servers.writer);
			len += (size_t)snprintf(text + len, sizeof(text) - len, " >");
			for (size_t r = 0; r < servers.reader_count; r++) {
				text[len++] = ' ';
				len += describe(text + len, sizeof(text) - len,
				                &servers.readers[r]);
			}
		} else {
			snprintf(text, sizeof(text), "%s", error.text);
		}
		if (strcmp(text, rows[i].expected) != 0) {
			print_message("row %zu: %s\n", i, text);
			bad++;
		}
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

static void
commands_are_bytes(void **state)
{
	static const char expected[] = "*3\r\n$3\r\nSET\r\n$6\r\np:w:\0x\r\n$3\r\n-42\r\n"
				       "*1\r\n$0\r\n\r\n";
	static const char numbers[] = "*12345678901234567890\r\n$20\r\n-9223372036854775808\r\n"
				      "$19\r\n9223372036854775807\r\n$1\r\n0\r\n";
	struct redis_commands c = {0};

	(void)state;
	redis_commands_begin(&c, 3);
	redis_commands_argument(&c, SLICE("SET"));
	redis_commands_key(&c, SLICE("p:"), SLICE("w:"), SLICE("\0x"));
	redis_commands_number(&c, -42);
	redis_commands_begin(&c, 1);
	redis_commands_argument(&c, SLICE(""));
	assert_int_equal(c.count, 2);
	assert_int_equal(c.len, sizeof(expected) - 1);
	assert_memory_equal(c.data, expected, c.len);
	redis_commands_clear(&c);
	assert_int_equal(c.len, 0);
	redis_commands_begin(&c, 12345678901234567890U);
	redis_commands_number(&c, INT64_MIN);
	redis_commands_number(&c, INT64_MAX);
	redis_commands_number(&c, 0);
	assert_true(slice_eq(slice_of(c.data, c.len), slice_from_cstr(numbers)));
	redis_commands_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_of_a_configuration),
		cmocka_unit_test(commands_are_bytes),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
