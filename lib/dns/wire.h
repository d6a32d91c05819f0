/*
 * wire.h - DNS messages as bytes
 *
 * Owns: the writer of questions and the reader of answers.  Source: RFC 1035 4, RFC 6891 (OPT), RFC
 * 2308 (negative TTL).  Data: name, type -> question -> server; server's bytes -> struct
 * dns_answer. No I/O, no clock.
 */
#ifndef WINNOW_DNS_WIRE_H
#define WINNOW_DNS_WIRE_H

#include "dns/answer.h"

enum {
	DNS_NAME_BYTES_MAX = 255,
	DNS_HEADER_BYTES = 12,
	DNS_QUESTION_MAX = DNS_HEADER_BYTES + DNS_NAME_BYTES_MAX + 4 + 11
};

struct dns_question {
	unsigned char bytes[DNS_QUESTION_MAX];
	size_t len;
	size_t name_len; /* of the name in wire form, at DNS_HEADER_BYTES */
};

struct dns_question_options {
	unsigned id;
	unsigned edns_bytes;   /* what we take over UDP; up to 512: no OPT record */
	bool wants_signatures; /* DO bit */
	bool no_checking;      /* CD bit: bogus answers too */
	/* Bits that choose the case of letters, one each (0x20); NULL: lower case. */
	const unsigned char *case_bits;
};

/*
 * A name as text: labels of 1-63 bytes taken as they are (no escapes), final full stops ignored.
 * STATUS_BAD: an empty or too long label, or the whole too long.
 */
enum status dns_question_write(struct slice name, unsigned type,
                               const struct dns_question_options *options,
                               struct dns_question *question_r) WARN_UNUSED;

/* Is this an answer to that question: id, QR, name (letter for letter when is_exact), type, class?
 */
bool dns_answer_is_for(struct slice bytes, const struct dns_question *question, bool is_exact);

/*
 * Reads an answer; name and type are those asked.  All text lives in the arena.  STATUS_BAD: no DNS
 * message; STATUS_LIMIT: the arena is spent.  What breaks off in the middle gives the records
 * before it, as Net::DNS does, unless it broke off in the header or the question.
 */
enum status dns_answer_read(struct arena *arena, struct slice bytes, struct slice name,
                            unsigned type, struct dns_answer *answer_r) WARN_UNUSED;

#endif
