/*
 * result.c - results of sender authentication
 */
#include "auth/result.h"

static const char *const names[] = {
	[AUTH_NONE] = "none",           [AUTH_PASS] = "pass",           [AUTH_FAIL] = "fail",
	[AUTH_SOFTFAIL] = "softfail",   [AUTH_NEUTRAL] = "neutral",     [AUTH_POLICY] = "policy",
	[AUTH_TEMPERROR] = "temperror", [AUTH_PERMERROR] = "permerror",
};

const char *
auth_result_name(enum auth_result result)
{
	return names[result];
}
