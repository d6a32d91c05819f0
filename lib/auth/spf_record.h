/*
 * spf_record.h - SPF records and macro strings as text
 *
 * Owns: struct spf_record, struct spf_expansion.  Source: RFC 7208 4.5, 4.6, 7 and 12; where 4.0.1
 * with Mail::SPF 2.9.0 departs from it (spf2.0 records count for the envelope sender, `R` is no
 * transformer, delimiters alone change nothing) as observed, unless is_strict.
 * Data: TXT records, macro strings -> spf.c.  Untrusted input: linear time, capped sizes, no I/O.
 */
#ifndef WINNOW_AUTH_SPF_RECORD_H
#define WINNOW_AUTH_SPF_RECORD_H

#include <stdint.h>

#include "auth/result.h"
#include "net/addr.h"
#include "util/strbuf.h"
#include "util/vec.h"

enum spf_mechanism { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS };

struct spf_term {
	enum spf_mechanism mechanism;
	enum auth_result result; /* what its qualifier says when it matches */
	struct slice domain;     /* macro string, lower case, no final full stop; data NULL: none */
	struct net_addr net;     /* SPF_IP4, SPF_IP6 */
	unsigned bits4, bits6;   /* prefix lengths */
	struct slice text;       /* as written */
};

enum spf_scope { SPF_SCOPE_HELO, SPF_SCOPE_MFROM };

struct spf_record {
	VEC(struct spf_term) terms;
	struct slice redirect, exp; /* macro strings; data NULL: none */
	bool is_v2;                 /* spf2.0 */
	bool covers_mfrom;          /* always true of v=spf1 */
};

/* "mx" ... */
const char *spf_mechanism_name(enum spf_mechanism mechanism);

/*
 * STATUS_NONE: no SPF record at all; STATUS_BAD: one that cannot be parsed (permerror);
 * STATUS_LIMIT: no memory.
 */
enum status spf_record_parse(struct arena *arena, struct slice text, bool is_v2_wanted,
                             struct spf_record *record_r) WARN_UNUSED;

/* What macros stand for. */
struct spf_macros {
	enum spf_scope scope;
	struct slice sender, local_part, sender_domain; /* s l o */
	struct slice domain;                            /* d: of the record in hand */
	struct slice helo, hostname;                    /* h r */
	struct net_addr ip;
	int64_t now_s; /* t */
	bool is_strict;
};

/* One macro string on its way: it stops at each %{p}, whose value needs DNS. */
struct spf_expansion {
	const struct spf_macros *macros;
	struct slice text;
	size_t at;
	bool is_explanation; /* c, r and t are allowed */
	bool departs;        /* the RFC would have it otherwise */
	struct strbuf out;
};

void spf_expansion_init(struct spf_expansion *expansion, struct arena *arena,
                        const struct spf_macros *macros, struct slice text);
/*
 * STATUS_OK: the text is in out; STATUS_AGAIN: call again with the validated name of the client;
 * STATUS_BAD: the macro string is wrong; STATUS_LIMIT: no memory, or it grows too long.
 * validated: NULL the first time.
 */
enum status spf_expand(struct spf_expansion *expansion, const struct slice *validated) WARN_UNUSED;

/* As a question's name: labels cut at 63 bytes, leading labels dropped over 253 (RFC 7208 7.3). */
struct slice spf_fit_name(struct arena *arena, struct slice name);

#endif
