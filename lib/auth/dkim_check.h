/*
 * dkim_check.h - is a signature well formed, and is it good?
 *
 * Source: RFC 6376 6.1; order and wording of Mail::DKIM::Verifier.
 */
#ifndef WINNOW_AUTH_DKIM_CHECK_H
#define WINNOW_AUTH_DKIM_CHECK_H

#include "auth/dkim.h"

/* Before its key is asked for: why it is invalid; NULL: nothing is wrong so far. */
const char *dkim_signature_problem(const struct dkim_signature *signature, int64_t now_s,
                                   bool *is_expired_r);
/* All keys are there: fills result, detail, rfc of all signatures. */
void dkim_check(struct dkim_verifier *v);

#endif
