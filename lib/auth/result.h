/*
 * result.h - results of sender authentication
 *
 * Owns: enum auth_result, shared by SPF, DKIM, ARC and DMARC.  Source: RFC 8601 2.7.
 */
#ifndef WINNOW_AUTH_RESULT_H
#define WINNOW_AUTH_RESULT_H

enum auth_result {
	AUTH_NONE,
	AUTH_PASS,
	AUTH_FAIL,
	AUTH_SOFTFAIL,
	AUTH_NEUTRAL,
	AUTH_POLICY,
	AUTH_TEMPERROR,
	AUTH_PERMERROR
};

/* "none", "pass", ... as Authentication-Results writes it. */
const char *auth_result_name(enum auth_result result);

#endif
