/*
 * date.h - dates of header fields
 *
 * Owns: nothing.  Source: RFC 5322 3.3 with the leniency of SpamAssassin 4.0.1.
 */
#ifndef WINNOW_MAIL_DATE_H
#define WINNOW_MAIL_DATE_H

#include <stdint.h>

#include "mail/message.h"

/* Seconds since 1970; false when no day, month and year are there. */
bool date_parse(struct slice text, int64_t *seconds_r);
/* When the message arrived: Received, From_ line, Resent-Date, Date, else now_s. */
int64_t message_receive_date(struct message *message, int64_t now_s);

#endif
