/*
 * address_strict.h - addresses by the grammar of RFC 5322
 *
 * Owns: nothing.  Source: RFC 5322 3.4 with the error handling of Email::Address::XS 1.05
 * (observed).
 */
#ifndef WINNOW_MAIL_ADDRESS_STRICT_H
#define WINNOW_MAIL_ADDRESS_STRICT_H

#include "mail/address.h"

/* false: the arena is spent. */
bool address_strict_parse(struct arena *arena, struct slice text, address_vec *addresses_r);

#endif
