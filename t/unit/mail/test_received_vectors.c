/*
 * test_received_vectors.c - every row of t/vectors/received.jsonl.gz
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/received.h"
#include "t/vectors/jsonl.h"

static void
check_row(struct arena *arena, const struct json *json, void *ctx)
{
	struct slice value = json_string(json, "h"), status = json_string(json, "s");
	struct relay relay = {.ip_private = false};
	enum received_status got = received_parse(arena, value, &relay, NULL);
	bool ok;

	if (got == RECEIVED_RELAY)
		ok = slice_eq(status, SLICE("relay")) &&
		     slice_eq(relay.as_string, json_string(json, "r")) &&
		     relay.ip_private == (json_number(json, "ip_private", 0) != 0) &&
		     relay.no_reverse_dns == (json_number(json, "no_rdns", 0) != 0);
	else
		ok = slice_eq(status, got == RECEIVED_UNPARSEABLE ? SLICE("unparseable")
		                                                  : SLICE("ignored"));
	if (ok)
		return;
	++*(int *)ctx;
	print_message("# %.*s\n#   got %d %.*s\n", SLICE_FMT(value), (int)got,
	              SLICE_FMT(relay.as_string));
}

static void
test_vectors(void **state)
{
	const char *path = getenv("RECEIVED_VECTORS");
	int bad = 0;
	int rows = jsonl_each(path != NULL ? path : VECTORS "/received.jsonl.gz", check_row, &bad);

	(void)state;
	assert_true(rows > 0);
	print_message("# %d rows, %d bad\n", rows, bad);
	assert_int_equal(bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
