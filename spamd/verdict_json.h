/*
 * verdict_json.h - a verdict for programs
 *
 * Owns: the JSON text of doc/json.md, which a request with "Verdict: json" gets in the place of its
 * body.  Bytes that are not UTF-8 become U+FFFD, so that the text is always valid.
 */
#ifndef WINNOW_SPAMD_VERDICT_JSON_H
#define WINNOW_SPAMD_VERDICT_JSON_H

#include "check/check.h"

/* What the server knows besides. */
struct verdict_facts {
	struct slice message_id, user;
	struct slice score, required; /* as reports show them */
	size_t bytes;                 /* of the message */
	int64_t us;                   /* since the connection */
};

/* data NULL: no memory. */
struct slice verdict_json(struct check *check, const struct verdict_facts *facts);

#endif
