/*
 * received.c - Received header fields into relays
 *
 * A field is tried against shapes in order, the first that fits decides; servers differ in whether
 * the first name is what the client said (HELO) or what DNS says.
 */
#include "mail/received.h"

#include "mail/template.h"
#include "net/addr.h"
#include "util/strbuf.h"

#define LOOKED_UP                                                                                  \
	1u /* this server looks the client's name up: a missing one means there is none            \
	    */
#define HELO_IS_RDNS 2u /* no HELO in this shape: the name stands for both */
#define UNKNOWN_NONE 4u /* rdns "unknown" means none */
#define IN_SUB 8u       /* helo= and ident= inside `sub` */
#define RDNS_IDENT 16u  /* user@ before the name is an ident answer */
#define SOFTDNSERR 32u  /* rdns "softdnserr": the look-up failed */
#define NO_ID 64u       /* the id found so far is none */
#define XMAIL 128u      /* id and sender in brackets */
#define QMAIL_NAME 256u /* rdns "unknown" means that nothing was looked up */
#define IGNORE 512u     /* not a hand-over between hosts */
#define OBTUSE 1024u    /* looked up unless rdns is UNKNOWN */
#define NO_BY 2048u
#define QMAIL_SCAN 4096u

struct shape {
	const char *template;
	unsigned flags;
};

struct parse {
	struct arena *arena;
	struct slice text; /* behind "from " once that is off */
	struct slice ip, rdns, helo, by, id, ident, envfrom, auth;
	bool looked_up;
	struct slice *qmail_envfrom_r;
};

enum outcome { GO_ON, ENOUGH, SKIP, FETCHER };

/* clang-format off */
static const struct shape smtpsvc_shapes[] = {
	{ "%H ([%i]%4) by %b with Microsoft SMTPSVC",         0 },
	{ "mail pickup service by %_ with Microsoft SMTPSVC%$", IGNORE },
	{ NULL, 0 }
};
static const struct shape exchange_shapes[] = {
	{ "%h (%o[%i%z%o]) by %b ",                           NO_ID },
	{ NULL, 0 }
};
static const struct shape xmail_shapes[] = {
	{ "%h (%o[%i%o]:%#) by %b (%_) with [XMail",          XMAIL },
	{ "%h (%o[%i%o]:%#) by %b with [XMail",               XMAIL },
	{ NULL, 0 }
};
static const struct shape ecelerity_shapes[] = {
	{ "([%i:%#] helo=%h) by %b ",                         0 },
	{ "%_ ([%i:%#]) by %b ",                              0 },
	{ NULL, 0 }
};
static const struct shape exim_shapes[] = {
	{ "[%i] (%s) by %b ",                                 IN_SUB },
	{ "%r ([%i]%s) by %b ",                               IN_SUB | HELO_IS_RDNS },
	{ "%r [%i]:%# by %b ",                                HELO_IS_RDNS },
	{ "%r [%i] by %b ",                                   HELO_IS_RDNS },
	{ NULL, 0 }
};
static const struct shape postfix_shapes[] = {
	{ "%h (%r [%i]) by %b ",                              LOOKED_UP | UNKNOWN_NONE },
	{ "%h (%r[%i]) by %b ",                               LOOKED_UP | UNKNOWN_NONE },
	{ NULL, 0 }
};
static const struct shape scalix_shapes[] = {
	{ "%h (%o %i) by %b",                                 0 },
	{ NULL, 0 }
};
static const struct shape domino_shapes[] = {
	{ "%h ([%i]) by %b (Lotus",                           0 },
	{ NULL, 0 }
};
static const struct shape http_shapes[] = {
	{ "%i ([%I]) by %b",                                  0 },
	{ NULL, 0 }
};
static const struct shape sendmail_shapes[] = {
	{ "%h (%r [%i]%*) by %b (",                           LOOKED_UP | RDNS_IDENT },
	{ NULL, 0 }
};
static const struct shape early_shapes[] = {
	{ "%h (%r [%i]) by %b with %_ (",                     LOOKED_UP },
	{ "%r ([%i] helo=%h) by %b with ",                    0 },
	{ "%h (<unknown%0>[%i]) by %b ",                      0 },
	{ "%h (%q[%i]) by %b ",                               LOOKED_UP },
	{ "%h (%D@[%i]%*) by %b (",                           LOOKED_UP },
	{ NULL, 0 }
};
static const struct shape before_qmail_shapes[] = {
	{ "%r (%E %H) (%i) by %b (qpsmtpd/%_) with %M",       0 },
	{ "%r (LHLO %H) (%i) by %b with LMTP",                0 },
	{ "%r (%E %H) [%i] by %b (%)) with %M",               0 },
	{ "%h ([%i]) by %b via smtpd (for %_) with SMTP(",    0 },
	{ NULL, 0 }
};
static const struct shape qmail_shapes[] = {
	{ "%r (%E %X) (%D@%o[%i%o]) (envelope-sender <%_>) by %b", QMAIL_NAME },
	{ "%r (%E %X) (%D@%o[%i%o]) by %b",                   QMAIL_NAME },
	{ "%r (%E %X) (%o[%i%o]) (envelope-sender <%_>) by %b", QMAIL_NAME },
	{ "%r (%E %X) (%o[%i%o]) by %b",                      QMAIL_NAME },
	{ "%r (%D@%o[%i%o]) (envelope-sender <%_>) by %b",    QMAIL_NAME | HELO_IS_RDNS },
	{ "%r (%D@%o[%i%o]) by %b",                           QMAIL_NAME | HELO_IS_RDNS },
	{ "%r (%o[%i%o]) (envelope-sender <%_>) by %b",       QMAIL_NAME | HELO_IS_RDNS },
	{ "%r (%o[%i%o]) by %b",                              QMAIL_NAME | HELO_IS_RDNS },
	{ NULL, 0 }
};
static const struct shape middle_shapes[] = {
	{ "[%i] by %b via HTTP%$",                            0 },
	{ "%_ ( [%i])%? by %b ",                              0 },
	{ "(%h [%i]) by %b ",                                 0 },
	{ "[%i] by %b ",                                      0 },
	{ "(%o[%i%o]) by %b ",                                0 },
	{ "%h [%i] by %b [%I] with ",                         LOOKED_UP },
	{ "%h [(%i)] by %b (%I) ",                            0 },
	{ "%h ([%i]) by %b (",                                LOOKED_UP },
	{ "%h (%r [%i])%? by %b%w",                           LOOKED_UP | SOFTDNSERR },
	{ "%h ([%i%p])%? by %b ",                             LOOKED_UP },
	{ "%h (%r [%i]) (authenticated bits=%#) by %b (",     LOOKED_UP },
	{ "%h (%r [%i]) by %b (",                             LOOKED_UP },
	{ NULL, 0 }
};
static const struct shape late_shapes[] = {
	{ "%r (%E %x) (%D@%o[%i%o])%* by %b ",                LOOKED_UP },
	{ "%r (%E %x) (%o[%i%o])%* by %b ",                   LOOKED_UP },
	{ "%r (%D@%o[%i%o])%* by %b ",                        LOOKED_UP | HELO_IS_RDNS },
	{ "%r (%o[%i%o])%* by %b ",                           LOOKED_UP | HELO_IS_RDNS },
	{ "%r(%i) by %b via smap ",                           LOOKED_UP },
	{ "%r(%i, %E %H) by %b via smap ",                    LOOKED_UP },
	{ "%i by %b (SMTPL%w",                                0 },
	{ "%i by %b (InterScan%w",                            0 },
	{ "%_ by %_ with BSMTP",                              IGNORE },
	{ "%h (%r [%i]) by %b with ",                         LOOKED_UP },
	{ "%r (%E %H) (%d@%i%?) by %b with ",                 LOOKED_UP },
	{ "%r (%E %H) (%i%?) by %b with ",                    LOOKED_UP },
	{ "[%i] (account %_ %E %H) by %b (",                  0 },
	{ "[%i] (%E %H) by %b (",                             0 },
	{ NULL, 0 }
};
static const struct shape communigate_shapes[] = {
	{ "%r ([%i] verified) by %b (",                       LOOKED_UP | HELO_IS_RDNS },
	{ NULL, 0 }
};
static const struct shape last_shapes[] = {
	{ "%_ (%_) by %_ (Content Technologies ",             IGNORE },
	{ "%h ([%i] [%_]) by %b with ",                       0 },
	{ "%i by %b with ",                                   0 },
	{ "%h (%r[%i]) by %b ",                               LOOKED_UP },
	{ "[%i]%_ (%E %H) by %b ",                            0 },
	{ "%i (%E %H) by %b ",                                0 },
	{ "%h [%i] by %b ",                                   0 },
	{ "%r(%i) by %b ",                                    0 },
	{ "%h (unverified [%i]) by %b ",                      0 },
	{ "%i (%a) by %b with ",                              0 },
	{ "[%i] (%t) by %b ",                                 IN_SUB },
	{ "%r(%i), claiming to be \"%h\" via %_ by %b,",      OBTUSE },
	{ "%r(%i) via %_ by %b,",                             OBTUSE },
	{ "%h (%_@%i with login) by %y with SMTP",            0 },
	{ "X-Originating-IP: %i%$",                           NO_BY },
	/* no TCP hand-over, or one without an address */
	{ "%_ (%u@%L) by %_ (",                               IGNORE },
	{ "%_ %_ by %_ with local-esmtp ",                    IGNORE },
	{ "%_ %_ by %_ with local-smtp ",                     IGNORE },
	{ "127.0.0.1 (AVG SMTP %_ [%_])",                     IGNORE },
	{ "%_@%_ by %_ by uid %_ ",                           IGNORE },
	{ "%_@%_ by %_ ",                                     IGNORE },
	{ "Unknown/Local (",                                  IGNORE },
	{ "%L (%_@%L)",                                       IGNORE },
	{ "%L (%_@%L[",                                       IGNORE },
	{ "%L (%L)",                                          IGNORE },
	{ "%L (%L[",                                          IGNORE },
	{ "%_ (%_@%L) ",                                      IGNORE },
	{ "%_ (%L) ",                                         IGNORE },
	{ "%_ (%_@%_ [%L]) ",                                 IGNORE },
	{ "(AUTH: %_) by %_ with ",                           IGNORE },
	{ "localhost (localhost [[UNIX: localhost]]) by ",    IGNORE },
	{ "%_.amazon.com by %_.amazon.com with ESMTP (peer crosscheck: ", IGNORE },
	{ "%k by %_ with Novell_GroupWise",                   IGNORE },
	{ "no.name.available by %_ via smtpd (for ",          IGNORE },
	{ "%_ by %_ (%5) with qmail-scanner",                 IGNORE | QMAIL_SCAN },
	{ "%_ by %_ with local",                              IGNORE },
	{ "%_ ([unix socket]) by %_ (Cyrus v%9.%9.%9) with LMTPA", IGNORE },
	{ "%_ by %_ with",                                    IGNORE },
	{ "%_ by %_ via",                                     IGNORE },
	{ "%_ by %_ for",                                     IGNORE },
	{ "%_ by %_ (",                                       IGNORE },
	{ "%_ with %_ by%w",                                  IGNORE },
	{ "%_ via %_ by%w",                                   IGNORE },
	{ "%_ for %_ by%w",                                   IGNORE },
	{ "%_ (unverified) by%w",                             IGNORE },
	{ "%_ (unknown) by %_ (SG) with %w",                  IGNORE },
	{ "%_ (%_ [local]) by %_ (OpenSMTPD) with %w",        IGNORE },
	{ NULL, 0 }
};
static const struct shape final_shapes[] = {
	{ "([%L]) with MailEnable ",                          IGNORE },
	{ "facebook.com (%)) by facebook.com with Thrift id %_%$", IGNORE },
	{ "%_ named %_ by gmailapi.google.com with HTTPREST%$", IGNORE },
	{ "%_ id %_%$",                                       IGNORE },
	{ "[<%? (Jetsend",                                    IGNORE },
	{ NULL, 0 }
};
static const struct shape paren_shapes[] = {
	{ "%H [%i]) by %b (NAVGW %?) with ",                  0 },
	{ "%_@localhost) by %_ ",                             IGNORE },
	{ "%u@%)) by %_(jqueuemail) id %;",                   IGNORE },
	{ NULL, 0 }
};
/* clang-format on */

static bool
has(struct slice s, const char *needle)
{
	return slice_find(s, slice_from_cstr(needle), 0) != SLICE_NPOS;
}

static bool
is_word_at(struct slice s, size_t at)
{
	return at < s.len && byte_is_word(s.data[at]);
}

static bool
is_boundary(struct slice s, size_t at)
{
	return (at > 0 && is_word_at(s, at - 1)) != is_word_at(s, at);
}

/* The needle with word boundaries where the flags ask for them. */
static bool
has_word(struct slice s, const char *needle, bool before, bool behind)
{
	struct slice n = slice_from_cstr(needle);

	for (size_t at = 0; (at = slice_find(s, n, at)) != SLICE_NPOS; at++)
		if ((!before || is_boundary(s, at)) && (!behind || is_boundary(s, at + n.len)))
			return true;
	return false;
}

/* Cuts "key" and the word behind it out of *s; false when it is not there (or no word follows). */
static bool
cut_value(struct arena *arena, struct slice *s, const char *key, bool may_be_empty,
          struct slice *value_r)
{
	struct slice k = slice_from_cstr(key);

	for (size_t at = 0; (at = slice_find(*s, k, at)) != SLICE_NPOS; at++) {
		size_t begin = at + k.len, end = begin;

		while (end < s->len && !byte_is_space(s->data[end]))
			end++;
		if (end == begin && !may_be_empty)
			continue;
		*value_r = slice_sub(*s, begin, end - begin);
		*s = arena_concat(arena, slice_sub(*s, 0, at), slice_from(*s, end));
		return true;
	}
	return false;
}

/* "<word>" behind `key`. */
static void
bracketed(struct slice s, const char *key, struct slice *value_r)
{
	struct slice k = slice_from_cstr(key);

	for (size_t at = 0; (at = slice_find(s, k, at)) != SLICE_NPOS; at++) {
		size_t begin = at + k.len, end = begin;

		while (end < s.len && !byte_is_space(s.data[end]))
			end++;
		while (end > begin && !(end < s.len && s.data[end] == '>'))
			end--;
		if (end > begin) {
			*value_r = slice_sub(s, begin, end - begin);
			return;
		}
	}
}

static void
cut_ident(struct parse *p)
{
	size_t at;

	if (slice_starts(p->rdns, SLICE("IDENT:"))) {
		at = slice_find_byte(p->rdns, '@', 0);
		if (at != SLICE_NPOS) {
			p->ident = slice_sub(p->rdns, 6, at - 6);
			p->rdns = slice_from(p->rdns, at + 1);
		}
	}
	at = slice_find_byte(p->rdns, '@', 0);
	if (at != SLICE_NPOS) {
		p->ident = slice_sub(p->rdns, 0, at);
		p->rdns = slice_from(p->rdns, at + 1);
	}
}

static void
take(struct slice *field, struct slice value)
{
	if (value.data != NULL)
		*field = value;
}

static void
apply_names(struct parse *p, unsigned flags, struct slice sub)
{
	if ((flags & HELO_IS_RDNS) != 0)
		p->helo = p->rdns;
	if ((flags & IN_SUB) != 0) {
		(void)cut_value(p->arena, &sub, "helo=", false, &p->helo);
		(void)cut_value(p->arena, &sub, "ident=", true, &p->ident);
	}
	if ((flags & UNKNOWN_NONE) != 0 && slice_eq(p->rdns, SLICE("unknown")))
		p->rdns = SLICE("");
	if ((flags & RDNS_IDENT) != 0)
		cut_ident(p);
	if ((flags & XMAIL) != 0) {
		bracketed(p->text, " id <", &p->id);
		bracketed(p->text, " from <", &p->envfrom);
	}
	if ((flags & NO_ID) != 0)
		p->id = SLICE("");
	if ((flags & NO_BY) != 0)
		p->by = SLICE("");
}

static enum outcome
apply(struct parse *p, unsigned flags, const struct template_match *m)
{
	struct slice rdns = p->rdns;

	if ((flags & QMAIL_SCAN) != 0 && p->qmail_envfrom_r != NULL && p->envfrom.data != NULL)
		*p->qmail_envfrom_r = p->envfrom;
	if ((flags & IGNORE) != 0)
		return SKIP;
	if ((flags & LOOKED_UP) != 0)
		p->looked_up = true;
	take(&p->ip, m->ip);
	take(&p->helo, m->helo);
	take(&p->rdns, m->rdns);
	take(&p->by, m->by);
	take(&p->ident, m->ident);
	apply_names(p, flags, m->sub);
	if ((flags & SOFTDNSERR) != 0 && slice_eq(m->rdns, SLICE("softdnserr"))) {
		p->rdns = rdns;
		p->looked_up = false;
	}
	if ((flags & QMAIL_NAME) != 0) {
		if (slice_eq(p->rdns, SLICE("unknown")))
			p->rdns = SLICE("");
		else
			p->looked_up = true;
	}
	if ((flags & OBTUSE) != 0) {
		if (m->helo.data == NULL)
			p->helo = SLICE("");
		if (!slice_eq(p->rdns, SLICE("UNKNOWN")))
			p->looked_up = true;
	}
	return ENOUGH;
}

static enum outcome
try_shapes(struct parse *p, const struct shape *shapes)
{
	for (; shapes->template != NULL; shapes++) {
		struct template_match m = {.end = 0};

		if (template_match_at(shapes->template, p->text, 0, &m))
			return apply(p, shapes->flags, &m);
	}
	return GO_ON;
}

/* "%i ... 10 to 80 bytes ... by NAME with HTTP" of web mailers. */
static bool
try_webmail(struct parse *p)
{
	struct slice s = p->text;

	for (size_t at = 0; at < s.len; at++) {
		size_t len = net_addr_scan(s, at), end = at + len;

		if (len == 0 || !is_boundary(s, end) ||
		    (end < s.len && (s.data[end] == '.' || s.data[end] == '-')))
			continue;
		for (size_t gap = 80; gap >= 10; gap--) {
			struct template_match m = {.end = 0};

			if (end + gap < s.len &&
			    template_match_at("by %b with HTTP", s, end + gap, &m)) {
				p->ip = slice_sub(s, at, len);
				p->by = m.by;
				return true;
			}
		}
	}
	return false;
}

/* " with Microsoft SMTP Server (...) id 1.2.3.4" and "mapi id": is it there? */
static bool
has_exchange_mark(struct slice s)
{
	static const char *const marks[] = {" with Microsoft SMTP Server ", " with mapi id "};

	for (size_t i = 0; i < 2; i++) {
		struct slice mark = slice_from_cstr(marks[i]);

		for (size_t at = 0; (at = slice_find(s, mark, at)) != SLICE_NPOS; at++) {
			struct template_match m = {.end = 0};

			if (template_match_at("(%)) %#.%#.%#.%#", s, at + mark.len, &m) ||
			    template_match_at("%#.%#.%#.%#", s, at + mark.len, &m)) {
				if (m.end == s.len || s.data[m.end] == ' ')
					return true;
			}
		}
	}
	return false;
}

/* \bwith local, an optional -word, a blank */
static bool
has_exim_local(struct slice s)
{
	for (size_t at = 0; (at = slice_find(s, SLICE("with local"), at)) != SLICE_NPOS; at++) {
		struct template_match m = {.end = 0};

		if (is_boundary(s, at) && (template_match_at(" ", s, at + 10, &m) ||
		                           template_match_at("-%_ ", s, at + 10, &m)))
			return true;
	}
	return false;
}

static enum outcome
try_exim(struct parse *p)
{
	struct template_match m = {.end = 0};
	enum outcome outcome;

	if (has_exim_local(p->text))
		return SKIP;
	outcome = try_shapes(p, exim_shapes);
	if (outcome != GO_ON)
		return outcome;
	/* Odd ones: pick up what there is. */
	if (template_match_at("%r ", p->text, 0, &m))
		p->rdns = m.rdns;
	if (template_search(" (%h) ", p->text, 0, &m))
		p->helo = m.helo;
	for (size_t at = 0; (at = slice_find(p->text, SLICE(" ["), at)) != SLICE_NPOS; at++) {
		if (template_match_at(" [%i.%#] ", p->text, at, &m) ||
		    template_match_at(" [%i] ", p->text, at, &m)) {
			p->ip = m.ip;
			break;
		}
	}
	if (template_search("by %b ", p->text, 0, &m)) {
		p->by = m.by;
		if (p->ip.len > 0)
			return ENOUGH;
	}
	return GO_ON;
}

/* Shapes of servers that name themselves. */
static enum outcome
try_named_server(struct parse *p)
{
	struct slice s = p->text;

	if (has(s, " SMTPSVC"))
		return try_shapes(p, smtpsvc_shapes);
	if (has_exchange_mark(s))
		return try_shapes(p, exchange_shapes);
	if (has(s, "[XMail "))
		return try_shapes(p, xmail_shapes);
	if (has_word(s, "(ecelerity", false, true))
		return try_shapes(p, ecelerity_shapes);
	if (has(s, "Exim"))
		return try_exim(p);
	if (has(s, " (Postfix) with"))
		return try_shapes(p, postfix_shapes);
	if (has(s, "(Scalix SMTP Relay"))
		return try_shapes(p, scalix_shapes);
	return has(s, " (Lotus Domino ") ? try_shapes(p, domino_shapes) : GO_ON;
}

static bool
is_qmail_ldap(struct slice s)
{
	for (size_t at = 0; (at = slice_find(s, SLICE(" by "), at)) != SLICE_NPOS; at++) {
		struct template_match m = {.end = 0};

		if (template_match_at(" by %_ (qmail-%_) with ", s, at, &m))
			return true;
	}
	return false;
}

/* Behind the server's name: comments, " with ", perhaps words, SMTP or QMQP (no id behind it). */
static bool
is_qmail_protocol(struct slice s)
{
	size_t at = 0;

	if (slice_starts(s, SLICE(" ("))) {
		at = slice_find(s, SLICE(") with "), 3);
		if (at == SLICE_NPOS)
			return false;
		at++;
	}
	s = slice_from(s, at);
	if (!slice_starts(s, SLICE(" with ")))
		return false;
	for (at = 5; at != SLICE_NPOS; at = slice_find_byte(s, ' ', at + 1)) {
		struct slice word = slice_from(s, at + 1);

		if ((slice_starts(word, SLICE("SMTP")) || slice_starts(word, SLICE("QMQP"))) &&
		    !slice_starts(slice_from(word, 4), SLICE(" id ")))
			return true;
	}
	return false;
}

static enum outcome
try_qmail(struct parse *p)
{
	static const char *const outer[] = {
		"%_ (%E %0) (%_@%o[%I%o]) (envelope-sender <%_>) by %_",
		"%_ (%E %0) (%_@%o[%I%o]) by %_",
		"%_ (%E %0) (%o[%I%o]) (envelope-sender <%_>) by %_",
		"%_ (%E %0) (%o[%I%o]) by %_",
		"%_ (%_@%o[%I%o]) (envelope-sender <%_>) by %_",
		"%_ (%_@%o[%I%o]) by %_",
		"%_ (%o[%I%o]) (envelope-sender <%_>) by %_",
		"%_ (%o[%I%o]) by %_",
	};

	for (size_t i = 0; i < sizeof(outer) / sizeof(*outer); i++) {
		struct template_match m = {.end = 0};

		if (!template_match_at(outer[i], p->text, 0, &m) ||
		    !is_qmail_protocol(slice_from(p->text, m.end)))
			continue;
		if (try_shapes(p, qmail_shapes) == GO_ON) {
			if (slice_eq(p->rdns, SLICE("unknown")))
				p->rdns = SLICE("");
			else
				p->looked_up = true;
		}
		return ENOUGH;
	}
	return GO_ON;
}

static enum outcome
try_hotmail(struct parse *p)
{
	struct template_match m = {.end = 0};

	if (!has(p->text, ".hotmail.msn.com ") || !template_search("by %m ", p->text, 0, &m))
		return GO_ON;
	p->by = m.by;
	m = (struct template_match){.end = 0};
	if (template_match_at("%i ", p->text, 0, &m))
		p->ip = m.ip;
	return ENOUGH;
}

/* The first word, up to its last byte that a name would not have. */
static void
guess_helo(struct parse *p)
{
	struct slice s = p->text;
	size_t end = 0;

	while (end < s.len && s.data[end] != ' ')
		end++;
	for (; end > 0; end--) {
		unsigned char c = end < s.len ? s.data[end] : 'a';

		if (!byte_is_alnum(c) && c != '-' && c != '.') {
			p->helo = slice_sub(s, 0, end);
			return;
		}
	}
}

/* "hostA (hostB [1.2.3.4]) BY hostC ID x" of a server that shouts. */
static enum outcome
try_shouted(struct parse *p)
{
	static const char *const shapes[] = {"%h (%r [%i]) BY %b (%)) WITH SMTP ID %o<",
	                                     "%h (%r [%i]) BY %b ID %o<"};

	for (size_t i = 0; i < 2; i++) {
		struct template_match m = {.end = 0};
		struct slice id, rest;

		if (!template_match_at(shapes[i], p->text, 0, &m))
			continue;
		rest = slice_from(p->text, m.end);
		id = slice_sub(rest, 0, slice_find_byte(rest, ' ', 0));
		rest = slice_from(rest, id.len);
		if (rest.len > 0 && (!slice_starts(rest, SLICE(" FOR <")) || rest.len < 8 ||
		                     slice_find_byte(rest, '>', 6) != rest.len - 1))
			continue;
		if (id.len > 1 && id.data[id.len - 1] == '>')
			id.len--;
		if (id.len == 0)
			continue;
		(void)apply(p, LOOKED_UP, &m);
		p->id = id;
		if (slice_eq(p->rdns, SLICE("unverified")))
			p->rdns = SLICE("");
		return ENOUGH;
	}
	return GO_ON;
}

/* A field that began with "from ". */
static enum outcome
try_from(struct parse *p)
{
	struct slice s = p->text;
	struct template_match m = {.end = 0};
	enum outcome outcome;

	if ((has(s, " (SquirrelMail authenticated user ") ||
	     has(s, " (NaSMail authenticated user ")) &&
	    try_webmail(p))
		return ENOUGH;
	if (has(s, "aol.com") && has(s, "with HTTP (WebMailUI)") &&
	    template_search("%i by %b (%I) with HTTP (WebMailUI)", s, 0, &m)) {
		p->ip = m.ip;
		p->by = m.by;
		return ENOUGH;
	}
	outcome = try_named_server(p);
	if (outcome == GO_ON && has_word(s, "with HTTP", true, true))
		outcome = try_shapes(p, http_shapes);
	if (outcome == GO_ON && !is_qmail_ldap(s))
		outcome = try_shapes(p, sendmail_shapes);
	if (outcome == GO_ON)
		outcome = try_shapes(p, early_shapes);
	if (outcome == GO_ON)
		outcome = try_hotmail(p);
	if (outcome == GO_ON)
		outcome = try_shapes(p, before_qmail_shapes);
	if (outcome == GO_ON)
		outcome = try_qmail(p);
	if (outcome == GO_ON)
		outcome = try_shapes(p, middle_shapes);
	if (outcome == GO_ON && (has(s, "with POP3") || has(s, "with IMAP")))
		return FETCHER;
	if (outcome == GO_ON)
		outcome = try_shapes(p, late_shapes);
	if (outcome == GO_ON && has(s, " (CommuniGate Pro"))
		outcome = try_shapes(p, communigate_shapes);
	if (outcome == GO_ON)
		outcome = try_shapes(p, last_shapes);
	if (outcome == GO_ON)
		outcome = has(s, "(LSMTP for") ? SKIP : try_shapes(p, final_shapes);
	if (outcome == GO_ON && p->helo.len == 0)
		guess_helo(p);
	return outcome;
}

/* Blanks become one each, none at the ends, no ";" at the end. */
static struct slice
normalize(struct arena *arena, struct slice value)
{
	unsigned char *out = arena_bytes(arena, value.len + 2);
	size_t len = 0;

	if (out == NULL)
		return SLICE("");
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		if (!byte_is_space(c))
			out[len++] = c;
		else if (len > 0 && out[len - 1] != ' ')
			out[len++] = ' ';
	}
	if (len > 0 && out[len - 1] == ' ')
		len--;
	while (len > 0 && out[len - 1] == ';') {
		len--;
		if (len > 0 && out[len - 1] == ' ')
			len--;
	}
	return slice_of(out, len);
}

static bool
is_month(struct slice s)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (size_t i = 0; s.len == 3 && i < 36; i += 3)
		if (memcmp(s.data, months + i, 3) == 0)
			return true;
	return false;
}

static bool
is_weekday(struct slice s)
{
	static const char days[] = "Mon,Tue,Wed,Thu,Fri,Sat,Sun,";

	for (size_t i = 0; s.len == 4 && i < 28; i += 4)
		if (memcmp(s.data, days + i, 4) == 0)
			return true;
	return false;
}

static bool
is_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!byte_is_digit(s.data[i]))
			return false;
	return s.len > 0;
}

static bool
is_time(struct slice s)
{
	struct slice part;
	int count = 0;

	while (slice_next(&s, ':', &part)) {
		if (!is_digits(part))
			return false;
		count++;
	}
	return count == 2 || count == 3;
}

/* The word before s[*end], *end is set to where it begins less its blank; false at the start. */
static bool
word_before(struct slice s, size_t *end, struct slice *word_r)
{
	size_t begin = *end;

	while (begin > 0 && s.data[begin - 1] != ' ')
		begin--;
	if (begin == 0 || begin == *end)
		return false;
	*word_r = slice_sub(s, begin, *end - begin);
	*end = begin - 1;
	return true;
}

/* "; Tue, 23 May 2006 13:06:35 -0400" off the end. */
static struct slice
cut_date(struct slice s)
{
	struct slice zone, time, year, month;
	size_t end = s.len, begin, day;

	if (!word_before(s, &end, &zone) || !word_before(s, &end, &time) || !is_time(time) ||
	    !word_before(s, &end, &year) || !is_digits(year) || !word_before(s, &end, &month) ||
	    !is_month(month))
		return s;
	begin = end;
	while (begin > 0 && byte_is_digit(s.data[begin - 1]))
		begin--;
	if (begin == end || begin == 0 || (s.data[begin - 1] != ' ' && s.data[begin - 1] != ';'))
		return s;
	day = begin;
	if (day >= 5 && s.data[day - 1] == ' ' && is_weekday(slice_sub(s, day - 5, 4)) &&
	    day >= 6 && (s.data[day - 6] == ' ' || s.data[day - 6] == ';'))
		begin = day - 5;
	while (begin > 0 && (s.data[begin - 1] == ' ' || s.data[begin - 1] == ';'))
		begin--;
	return slice_sub(s, 0, begin);
}

static struct slice
space_out_by(struct arena *arena, struct slice s)
{
	size_t at = slice_find(s, SLICE(")by "), 0);

	if (at == SLICE_NPOS)
		return s;
	return arena_concat(arena, arena_concat(arena, slice_sub(s, 0, at + 1), SLICE(" ")),
	                    slice_from(s, at + 1));
}

static void
find_id(struct parse *p)
{
	struct slice s = p->text;

	for (size_t at = 0; (at = slice_find(s, SLICE(" id "), at)) != SLICE_NPOS; at++) {
		size_t begin = at + 4, end;

		if (begin < s.len && s.data[begin] == '<')
			begin++;
		end = begin;
		while (end < s.len && !byte_is_space(s.data[end]) && s.data[end] != '<' &&
		       s.data[end] != '>' && s.data[end] != ';')
			end++;
		if (end - begin >= 3) {
			p->id = slice_sub(s, begin, end - begin);
			return;
		}
	}
}

static bool
is_helo_byte(unsigned char c)
{
	return byte_is_alnum(c) || (c != '\0' && strchr("-.^+_&:=?!@%*$\\/", c) != NULL);
}

static bool
find_helo(struct parse *p, const char *key)
{
	struct slice s = p->text, k = slice_from_cstr(key);

	for (size_t at = 0; (at = slice_find(s, k, at)) != SLICE_NPOS; at++) {
		size_t begin = at + k.len, end = begin;

		if (!is_boundary(s, at))
			continue;
		while (end < s.len && is_helo_byte(s.data[end]))
			end++;
		if (end > begin) {
			p->helo = slice_sub(s, begin, end - begin);
			return true;
		}
	}
	return false;
}

/* Of "HELO x" and "EHLO x" the first. */
static void
find_helo_verb(struct parse *p)
{
	struct parse ehlo = *p;
	bool helo = find_helo(p, "HELO ");

	if (find_helo(&ehlo, "EHLO ") && (!helo || ehlo.helo.data < p->helo.data))
		p->helo = ehlo.helo;
}

static void
find_by(struct parse *p)
{
	struct slice s = p->text;

	for (size_t at = 0; (at = slice_find(s, SLICE(" by "), at)) != SLICE_NPOS; at++) {
		size_t begin = at + 4, end = begin;

		while (end < s.len && s.data[end] != ' ')
			end++;
		if (end > begin) {
			p->by = slice_sub(s, begin, end - begin);
			return;
		}
	}
}

static bool
is_auth_protocol(struct slice s)
{
	static const char *const words[] = {"ESMTPA",    "ESMTPSA",    "LMTPA",     "LMTPSA",
	                                    "UTF8SMTPA", "UTF8SMTPSA", "UTF8LMTPA", "UTF8LMTPSA",
	                                    "ASMTP",     "HTTP",       "HTTPS",     "HTTPU"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (slice_ieq(s, slice_from_cstr(words[i])))
			return true;
	return false;
}

/* RFC 3848 names and HTTP. */
static bool
auth_protocol(struct parse *p)
{
	struct slice s = p->text;

	if (slice_ifind(s, SLICE(" by "), 0) == SLICE_NPOS || !has(s, " by "))
		return false;
	for (size_t at = 0; (at = slice_ifind(s, SLICE(" with "), at)) != SLICE_NPOS; at++) {
		struct slice word = slice_from(s, at + 6);

		word = slice_sub(word, 0, slice_find_any(word, " ;", 0));
		if (is_auth_protocol(word)) {
			p->auth = word;
			return true;
		}
	}
	return false;
}

static bool
is_lower_alnum(unsigned char c)
{
	return byte_is_lower(c) || byte_is_digit(c);
}

/* "ab12sm345678abc.12.2013.01.02.03.04.05" as Gmail numbers its submissions. */
static bool
is_gmail_id(struct slice s)
{
	for (size_t n = 1; n <= 4 && n < s.len; n++) {
		size_t at = n, digits = 0, tail;
		bool ok = true;

		for (size_t i = 0; i < n; i++)
			ok = ok && is_lower_alnum(s.data[i]);
		if (!ok || !slice_starts(slice_from(s, at), SLICE("sm")))
			continue;
		at += 2;
		while (at < s.len && byte_is_digit(s.data[at])) {
			at++;
			digits++;
		}
		if (digits < 2 || digits > 9 || at + 4 > s.len || !byte_is_lower(s.data[at]) ||
		    !byte_is_lower(s.data[at + 1]) || !byte_is_lower(s.data[at + 2]) ||
		    s.data[at + 3] != '.')
			continue;
		at += 4;
		tail = at;
		while (at < s.len && byte_is_digit(s.data[at]))
			at++;
		if (at == tail || at - tail > 3 || at >= s.len || s.data[at] != '.')
			continue;
		at++;
		if (at + 4 >= s.len || !is_digits(slice_sub(s, at, 4)) || s.data[at + 4] != '.')
			continue;
		at += 5;
		for (int i = 0; i < 5 && ok; i++) {
			ok = at + 2 <= s.len && s.data[at] >= '0' && s.data[at] <= '6' &&
			     byte_is_digit(s.data[at + 1]) &&
			     (i == 4 || (at + 2 < s.len && s.data[at + 2] == '.'));
			at += 3;
		}
		if (ok)
			return true;
	}
	return false;
}

static bool
auth_gmail(struct parse *p)
{
	struct slice s = p->text, mark = SLICE(" by mx.google.com with ESMTPS id ");
	struct slice version, cipher;
	bool found = false;

	for (size_t at = 0; !found && (at = slice_find(s, mark, at)) != SLICE_NPOS; at++)
		found = is_gmail_id(slice_from(s, at + mark.len));
	for (size_t at = 0; found && (at = slice_find(s, SLICE("(version="), at)) != SLICE_NPOS;
	     at++) {
		version = slice_from(s, at + 9);
		version = slice_sub(version, 0, slice_find_byte(version, ' ', 0));
		cipher = slice_from(s, at + 9 + version.len);
		if (version.len == 0 || !slice_starts(cipher, SLICE(" cipher=")))
			continue;
		cipher = slice_from(cipher, 8);
		if (slice_find_byte(cipher, ')', 0) == SLICE_NPOS ||
		    slice_find_byte(cipher, ')', 0) == 0)
			continue;
		cipher = slice_sub(cipher, 0, slice_find_byte(cipher, ')', 0));
		p->auth = arena_printf(p->arena, "GMail - transport=%.*s cipher=%.*s",
		                       SLICE_FMT(version), SLICE_FMT(cipher));
		return true;
	}
	return false;
}

/* Behind "(AUTH: TYPE ": a user name, perhaps more, ") by ". */
static bool
is_courier_user(struct slice s)
{
	size_t end = slice_find_byte(s, ' ', 0);
	struct slice word = slice_sub(s, 0, end), rest;

	if (word.len < 2 || end == SLICE_NPOS)
		return false;
	rest = slice_from(s, end);
	if (word.data[word.len - 1] == ')' && slice_starts(rest, SLICE(" by ")))
		return true;
	return word.data[word.len - 1] == ',' && has(slice_from(rest, 1), ") by ");
}

static bool
auth_courier(struct parse *p)
{
	static const char *const types[] = {"LOGIN", "PLAIN", "DIGEST-MD5", "CRAM-MD5"};
	struct slice s = p->text;

	if (!slice_starts(s, SLICE("from ")))
		return false;
	for (size_t at = 5; (at = slice_find(s, SLICE(" (AUTH: "), at)) != SLICE_NPOS; at++) {
		struct slice before = slice_sub(s, 5, at - 5), rest = slice_from(s, at + 8);

		if (!slice_ends(before, SLICE("])")) && !slice_ends(before, SLICE(")]")))
			continue;
		for (size_t i = 0; i < 4; i++) {
			struct slice type = slice_from_cstr(types[i]);

			if (slice_starts(rest, type) && rest.len > type.len &&
			    rest.data[type.len] == ' ' &&
			    is_courier_user(slice_from(rest, type.len + 1))) {
				p->auth = slice_sub(rest, 0, type.len);
				return true;
			}
		}
	}
	return false;
}

/* Where the first "...])", "...] (...))" or "...)]" with a blank behind it ends. */
static size_t
find_host_end(struct slice s)
{
	for (size_t at = 5; at < s.len; at++) {
		struct slice rest = slice_from(s, at);

		if (slice_starts(rest, SLICE("]) ")) || slice_starts(rest, SLICE(")] ")))
			return at + 3;
		if (slice_starts(rest, SLICE("] ("))) {
			size_t end = slice_find_byte(rest, ')', 3);

			if (end == SLICE_NPOS)
				continue;
			if (slice_starts(slice_from(rest, end), SLICE(")) ")))
				return at + end + 3;
		}
	}
	return SLICE_NPOS;
}

static bool
auth_sendmail(struct parse *p)
{
	struct slice s = p->text;
	size_t at;

	if (!has(s, "authenticated") || !slice_starts(s, SLICE("from ")))
		return false;
	at = find_host_end(s);
	if (at != SLICE_NPOS)
		at = slice_find_byte(s, '(', at);
	if (at != SLICE_NPOS)
		at = slice_find(s, SLICE("authenticated"), at + 1);
	if (at != SLICE_NPOS)
		at = slice_find_byte(s, ')', at + 13);
	if (at == SLICE_NPOS || slice_find(s, SLICE(" by"), at + 1) == SLICE_NPOS)
		return false;
	p->auth = SLICE("Sendmail");
	return true;
}

/* "(4.3.123.4) (authenticated as x) id" */
static bool
is_critical_path(struct slice s)
{
	size_t by = slice_find(s, SLICE(") by "), 0), at;

	if (by == SLICE_NPOS)
		return false;
	for (at = by + 6; (at = slice_find(s, SLICE(" ("), at)) != SLICE_NPOS; at++) {
		struct slice part[4], rest = slice_from(s, at + 2), version;
		size_t count = 0, end = slice_find_byte(rest, ')', 0);

		if (end == SLICE_NPOS)
			return false;
		version = slice_sub(rest, 0, end);
		rest = slice_from(rest, end);
		while (count < 4 && slice_next(&version, '.', &part[count]))
			if (!is_digits(part[count++]))
				count = 9;
		if (count < 3 || count > 4 || version.len > 0 || part[0].len > 2 ||
		    part[1].len != 1 || part[2].len != 3 || (count == 4 && part[3].len > 3))
			continue;
		if (slice_starts(rest, SLICE(") (authenticated as ")) &&
		    slice_find(rest, SLICE(") id "), 21) != SLICE_NPOS)
			return true;
	}
	return false;
}

static bool
auth_gmx(struct parse *p)
{
	struct template_match m = {.end = 0};

	if (!has(p->text, "mail.gmx.") ||
	    !template_search("from %0 (%E %0) [%I] by %g (%)) with %M", p->text, 0, &m))
		return false;
	p->auth = arena_printf(p->arena, "GMX (%.*s / %.*s)", SLICE_FMT(m.sub), SLICE_FMT(m.name));
	return true;
}

static bool
auth_postfix(struct parse *p)
{
	struct template_match m = {.end = 0};

	if (!has(p->text, ") (Authenticated sender: ") ||
	    !template_search(") (Authenticated sender: %_) by %_ (%N) with ", p->text, 0, &m))
		return false;
	p->auth = slice_eq(m.name, SLICE("Postfix"))
	                  ? m.name
	                  : arena_printf(p->arena, "Postfix (%.*s)", SLICE_FMT(m.name));
	return true;
}

static bool
auth_via_http(struct parse *p)
{
	struct slice s = p->text;

	for (size_t at = 0; (at = slice_ifind(s, SLICE(" (via HTTP"), at)) != SLICE_NPOS; at++) {
		for (size_t extra = 0; extra < 2; extra++) {
			size_t end = at + 10 + (1 - extra);

			if (end < s.len && s.data[end] == ')' &&
			    (end + 1 == s.len || s.data[end + 1] == ' ' ||
			     s.data[end + 1] == ';')) {
				p->auth = slice_sub(s, at + 6, end - at - 6);
				return true;
			}
		}
	}
	return false;
}

static void
find_auth(struct parse *p)
{
	struct slice s = p->text;

	if (auth_protocol(p) || auth_gmail(p) || auth_courier(p) || auth_sendmail(p) || auth_gmx(p))
		return;
	if (has(s, " (authenticated as ") && is_critical_path(s))
		p->auth = SLICE("CriticalPath");
	else if (auth_postfix(p))
		return;
	else if ((has(s, "CommuniGate Pro HTTP") || has(s, "CommuniGate Pro SMTP") ||
	          has(s, "CommuniGate Pro XIMSS") || has(s, "CommuniGate Pro IMAP")) &&
	         has(s, " (account "))
		p->auth = SLICE("Communigate");
	else if (has_word(s, " with Microsoft Exchange Server HTTP-DAV", false, true))
		p->auth = SLICE("HTTP-DAV");
	else if (slice_ifind(s, SLICE(" by "), 0) != SLICE_NPOS && has(s, " by "))
		(void)auth_via_http(p);
}

/* Length of "return-path: " and the like at s[at], or 0. */
static size_t
envfrom_key(struct slice s)
{
	if (slice_istarts(s, SLICE("return-path: ")))
		return 13;
	if (slice_istarts(s, SLICE("return-path ")))
		return 12;
	if (slice_istarts(s, SLICE("envelope-sender ")) ||
	    slice_istarts(s, SLICE("envelope-sender=")))
		return 16;
	if (slice_istarts(s, SLICE("envelope-from ")) || slice_istarts(s, SLICE("envelope-from=")))
		return 14;
	return 0;
}

static void
find_envfrom(struct parse *p)
{
	struct slice s = p->text;

	for (size_t at = 0; at < s.len; at++) {
		unsigned char c = byte_lower(s.data[at]);
		size_t len = c == 'r' || c == 'e' ? envfrom_key(slice_from(s, at)) : 0, end;

		if (len == 0)
			continue;
		end = at + len;
		while (end < s.len && s.data[end] != ' ')
			end++;
		while (end > at + len && !is_boundary(s, end))
			end--;
		if (end > at + len) {
			p->envfrom = slice_sub(s, at + len, end - at - len);
			return;
		}
	}
}

/* Bytes that would break the relay string become "!". */
static struct slice
clean(struct arena *arena, struct slice s)
{
	unsigned char *out;
	size_t i = 0;
	const char *bad = "#[]()<>|";

	while (i < s.len && s.data[i] != '\0' && !byte_is_space(s.data[i]) &&
	       strchr(bad, s.data[i]) == NULL)
		i++;
	if (i == s.len)
		return s.data == NULL ? SLICE("") : s;
	out = arena_bytes(arena, s.len);
	if (out == NULL)
		return SLICE("");
	for (i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		out[i] = c == '\0' || byte_is_space(c) || strchr(bad, c) != NULL ? '!' : c;
	}
	return slice_of(out, s.len);
}

/* Angle brackets and blanks off. */
static struct slice
trim_envfrom(struct slice s)
{
	size_t end;

	s = slice_ltrim(s);
	while (s.len > 0 && s.data[0] == '<')
		s = slice_from(s, 1);
	end = slice_rtrim(s).len;
	while (end > 0 && s.data[end - 1] == '>')
		end--;
	return slice_sub(s, 0, end);
}

static struct slice
trim_ip(struct slice ip)
{
	size_t at;
	struct net_addr addr;

	if (slice_istarts(ip, SLICE("ipv6:")))
		ip = slice_from(ip, 5);
	if (ip.len > 0 && ip.data[0] == '[')
		ip = slice_from(ip, 1);
	if (ip.len > 0 && ip.data[ip.len - 1] == ']')
		ip.len--;
	at = slice_find_byte(ip, '%', 0);
	ip = slice_sub(ip, 0, at);
	/* "::ffff:1.2.3.4" with nothing but zeros before */
	at = slice_rfind_byte(ip, ':');
	if (at != SLICE_NPOS && at >= 5 && slice_ieq(slice_sub(ip, at - 4, 4), SLICE("ffff")) &&
	    slice_has_byte(ip, '.')) {
		struct slice zeros = slice_sub(ip, 0, at - 4);
		size_t colons = 0;

		for (size_t i = 0; i < zeros.len; i++) {
			colons += zeros.data[i] == ':';
			if (zeros.data[i] != ':' && zeros.data[i] != '0')
				return ip;
		}
		if (colons >= 2 && zeros.data[zeros.len - 1] == ':' &&
		    net_addr_parse_v4(slice_from(ip, at + 1), &addr))
			return slice_from(ip, at + 1);
	}
	return ip;
}

void
relay_make_string(struct arena *arena, struct relay *r)
{
	const struct {
		const char *key;
		struct slice value;
	} items[] = {
		{"[ ip=", r->ip},
		{" rdns=", r->rdns},
		{" helo=", r->helo},
		{" by=", r->by},
		{" ident=", r->ident},
		{" envfrom=", r->envfrom},
		{" intl=", r->internal ? SLICE("1") : SLICE("0")},
		{" id=", r->id},
		{" auth=", r->auth},
		{" msa=", r->msa ? SLICE("1") : SLICE("0")},
	};
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++) {
		strbuf_add_cstr(&buf, items[i].key);
		if (i != 5 || !slice_eq(items[i].value, SLICE("0")))
			strbuf_add(&buf, items[i].value);
	}
	strbuf_add_cstr(&buf, " ]");
	r->as_string = strbuf_slice(&buf);
}

static void
finish(struct parse *p, struct relay *r)
{
	struct arena *arena = p->arena;
	struct slice rdns = p->rdns;

	while (rdns.len > 0 && rdns.data[rdns.len - 1] == '.')
		rdns.len--;
	if (slice_ieq(rdns, SLICE("unknown")) || (rdns.len > 0 && rdns.data[0] == '['))
		rdns = SLICE("");
	if (p->by.len > 0 && p->by.data[p->by.len - 1] == ';')
		p->by.len--;
	*r = (struct relay){.has_envfrom = p->envfrom.data != NULL};
	r->ip = clean(arena, trim_ip(p->ip));
	r->rdns = clean(arena, rdns);
	r->helo = clean(arena, p->helo);
	r->by = clean(arena, p->by);
	r->ident = clean(arena, p->ident);
	r->id = p->id;
	r->auth = p->auth;
	r->envfrom = clean(arena, trim_envfrom(p->envfrom));
	r->lc_by = arena_dup_lower(arena, r->by);
	r->lc_helo = arena_dup_lower(arena, r->helo);
	r->lc_rdns = arena_dup_lower(arena, r->rdns);
	if (r->rdns.len == 0) {
		r->no_reverse_dns = p->looked_up;
		r->rdns_not_in_headers = !p->looked_up;
	}
	r->ip_private = net_addr_is_private(r->ip);
	relay_make_string(arena, r);
}

/* Hand-overs without TCP, known by their beginning. */
static bool
is_local(struct slice s)
{
	struct template_match m = {.end = 0};
	struct slice name;

	for (size_t at = 0; (at = slice_find(s, SLICE("with local for"), at)) != SLICE_NPOS; at++)
		if (is_boundary(s, at) && is_boundary(s, at + 14))
			return true;
	/* "from NAME by NAME ;" with nothing else, unless NAME is an address in brackets */
	if (!slice_istarts(s, SLICE("from ")) || !template_match_at("%n", s, 5, &m))
		return false;
	name = m.name;
	s = slice_from(s, m.end);
	if (!slice_istarts(s, SLICE(" by ")) || !template_match_at("%;", s, 4, &m))
		return false;
	s = slice_from(s, m.end);
	if (!slice_starts(s, SLICE(";")) && !slice_starts(s, SLICE(" ;")))
		return false;
	if (name.len > 2 && name.data[0] == '[' && name.data[name.len - 1] == ']')
		return slice_span(slice_sub(name, 1, name.len - 2), "0123456789.", 0) != SLICE_NPOS;
	return true;
}

static enum outcome
parse_shape(struct parse *p)
{
	struct slice s = p->text;
	enum outcome outcome = GO_ON;

	if (slice_starts(s, SLICE("from "))) {
		p->text = slice_from(s, 5);
		find_envfrom(p);
		outcome = try_from(p);
	} else if (slice_starts(s, SLICE("FROM "))) {
		p->text = slice_from(s, 5);
		outcome = try_shouted(p);
	} else if (slice_starts(s, SLICE("(from "))) {
		p->text = slice_from(s, 6);
		outcome = try_shapes(p, paren_shapes);
	}
	if (outcome == GO_ON) {
		struct template_match m = {.end = 0};

		if (p->ip.len == 0 && template_search("[%i]", p->text, 0, &m))
			p->ip = m.ip;
		if (p->ip.len > 0 && !slice_eq(p->ip, SLICE("0")) && p->by.len > 0 &&
		    !slice_eq(p->by, SLICE("0")))
			outcome = ENOUGH;
	}
	return outcome;
}

enum received_status
received_parse(struct arena *arena, struct slice value, struct relay *relay_r,
               struct slice *qmail_envfrom_r)
{
	struct slice none = SLICE("");
	struct parse p = {.arena = arena,
	                  .ip = none,
	                  .rdns = none,
	                  .helo = none,
	                  .by = none,
	                  .id = none,
	                  .ident = none,
	                  .auth = none,
	                  .qmail_envfrom_r = qmail_envfrom_r};

	if (qmail_envfrom_r != NULL)
		*qmail_envfrom_r = SLICE_NULL;
	p.text = normalize(arena, value);
	if (!slice_istarts(p.text, SLICE("from ")) && !slice_istarts(p.text, SLICE("(from ")))
		return RECEIVED_IGNORED;
	if (is_local(p.text))
		return RECEIVED_IGNORED;
	p.text = space_out_by(arena, cut_date(p.text));
	find_id(&p);
	if (!find_helo(&p, "helo="))
		find_helo_verb(&p);
	find_by(&p);
	find_auth(&p);
	switch (parse_shape(&p)) {
	case SKIP:
		if (qmail_envfrom_r != NULL && qmail_envfrom_r->data != NULL)
			*qmail_envfrom_r = clean(arena, trim_envfrom(*qmail_envfrom_r));
		return RECEIVED_IGNORED;
	case FETCHER:
		return RECEIVED_FETCHER;
	case GO_ON:
		return RECEIVED_UNPARSEABLE;
	case ENOUGH:
		break;
	}
	finish(&p, relay_r);
	return RECEIVED_RELAY;
}
