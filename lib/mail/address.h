/*
 * address.h - addresses of From, To, Cc... and their names
 *
 * Owns: struct address.  Source: RFC 5322 3.4, and where fields break it, the two parsers that
 * SpamAssassin 4.0.1 combines: a relaxed one of its own, and a strict one (Email::Address::XS 1.05)
 * that is asked when the first finds fewer addresses than commas or when comments nest.
 * Data: a raw field value -> addresses -> header.h (:addr, :name), evals.
 * Linear in the length of the value.
 */
#ifndef WINNOW_MAIL_ADDRESS_H
#define WINNOW_MAIL_ADDRESS_H

#include "util/vec.h"

struct address {
	/* data NULL = undefined */
	struct slice phrase;  /* display name, else comment */
	struct slice address; /* user@host */
	struct slice user, host;
	struct slice comment;
	bool invalid;
};
typedef VEC(struct address) address_vec;

/* Addresses that one field may give; more are dropped. */
#define ADDRESS_MAX 100000

enum address_parser { ADDRESS_PARSER_BOTH, ADDRESS_PARSER_INTERNAL, ADDRESS_PARSER_STRICT };

/* STATUS_LIMIT: the arena is spent, what was found until then is there. */
enum status address_parse(struct arena *arena, struct slice value, enum address_parser parser,
                          address_vec *addresses_r);

#endif
