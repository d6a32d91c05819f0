/*
 * test_ident.c - answers of ident services
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "spamd/ident.h"

struct row {
	const char *answer;
	enum status status;
	const char *name;
};

static const struct row rows[] = {
	{"6193, 23 : USERID : UNIX : stjohns\r\n", STATUS_OK, "stjohns"},
	{"6193,23:USERID:UNIX:a b\n", STATUS_OK, "a b"},
	{" 6193 , 23 : userid : UNIX , US-ASCII : me", STATUS_OK, "me"},
	{"6193, 23 : USERID : UNIX : a:b\r\n", STATUS_OK, "a:b"},
	{"6193, 23 : USERID : OTHER : token\r\n", STATUS_NONE, NULL},
	{"6193, 23 : USERID : UNIX : \r\n", STATUS_NONE, NULL},
	{"6193, 23 : ERROR : NO-USER\r\n", STATUS_NONE, NULL},
	{"6193, 24 : USERID : UNIX : x\r\n", STATUS_BAD, NULL},
	{"23, 6193 : USERID : UNIX : x\r\n", STATUS_BAD, NULL},
	{"6193, 000000000023 : USERID : UNIX : x\r\n", STATUS_BAD, NULL},
	{"6193, -23 : USERID : UNIX : x\r\n", STATUS_BAD, NULL},
	{"6193 : USERID : UNIX : x\r\n", STATUS_BAD, NULL},
	{"6193, 23 : USERID : UNIX\r\n", STATUS_BAD, NULL},
	{"6193, 23\r\n", STATUS_BAD, NULL},
	{"", STATUS_BAD, NULL},
	{"\n6193, 23 : USERID : UNIX : x\r\n", STATUS_BAD, NULL},
	{"6193, 23 : USERID : UNIX : a\nb\r\n", STATUS_OK, "a"},
};

static void
test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		struct slice name;
		enum status status = ident_parse(slice_from_cstr(row->answer), 6193, 23, &name);

		if (status != row->status)
			fail_msg("%s: %d instead of %d", row->answer, (int)status,
			         (int)row->status);
		if (row->name == NULL)
			assert_null(name.data);
		else
			assert_true(slice_eq(name, slice_from_cstr(row->name)));
	}
}

static void
test_long(void **state)
{
	char text[1000] = "6193, 23 : USERID : UNIX : ";
	struct slice name;

	(void)state;
	memset(text + strlen(text), 'x', 900);
	assert_int_equal(ident_parse(slice_of((const unsigned char *)text, 900), 6193, 23, &name),
	                 STATUS_NONE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
