#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/result.h"

static void
names_are_those_of_rfc_8601(void **state)
{
	(void)state;
	assert_string_equal(auth_result_name(AUTH_NONE), "none");
	assert_string_equal(auth_result_name(AUTH_PERMERROR), "permerror");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_those_of_rfc_8601),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
