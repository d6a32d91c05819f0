/*
 * rewrite.h - the message with the verdict in it
 *
 * Source: PerMsgStatus.pm rewrite_mail and markup; Markup removal as spamassassin -d.  The body and
 * every header field that is not ours stay byte for byte; own headers never come twice.
 */
#ifndef WINNOW_CHECK_REWRITE_H
#define WINNOW_CHECK_REWRITE_H

#include "check/check.h"

/* The whole message: headers added, or (spam, report_safe 1 or 2) wrapped in a report.  data NULL:
 * no memory. */
struct slice rewrite_message(struct check *check);
/* The header lines that would be added, with LF line ends ("X-Spam-Status: ...\n"). */
struct slice rewrite_added_headers(struct check *check, bool spam);
/* RFC 2047 form of a header text, line by line; ASCII stays as it is. */
struct slice rewrite_encode_header(struct arena *arena, struct slice text);

#endif
