/*
 * headereval.c - Mail::SpamAssassin::Plugin::HeaderEval: header fields as forgers write them
 *
 * Dates live in headereval_date.c.
 */
#include <stdlib.h>

#include "mail/charset.h"
#include "util/utf8.h"
#include "plugins/headereval_date.h"
#include "plugins/locales.h"
#include "plugins/args.h"

#define IP                                                                                         \
	"(?:\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}|[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7})"
#define CAPS_CHARSETS                                                                              \
	"[-_a-z0-9]*(?:koi|jp|jis|euc|gb|big5|isoir|cp1251|windows-1251|georgianps|pt154|tis)[-_"  \
	"a-z0-9]*"

enum pattern {
	P_AOL_RELAY,
	P_AOL_OLD,
	P_AOL_ID,
	P_WORD_CHARSET,
	P_EZMLM,
	P_MAILING_LIST,
	P_QMAIL,
	P_MSN_GATE,
	P_HOTMAIL_PICKUP,
	P_IP,
	P_ORIGINATOR,
	P_HOTMAIL_1,
	P_HOTMAIL_2,
	P_HOTMAIL_3,
	P_HOTMAIL_4,
	P_HOTMAIL_5,
	P_HOTMAIL_6,
	P_HOTMAIL_CLAIM,
	P_FROM_HOTMAIL,
	P_MSN_TO,
	P_MSN_SERVER,
	P_FROM_EUDORA,
	P_WHOWHERE,
	P_FROM_YAHOO,
	P_YAHOO_TRUSTED,
	P_YAHOO_UNTRUSTED,
	P_YAHOO_1,
	P_YAHOO_2,
	P_YAHOO_3,
	P_YAHOO_4,
	P_YAHOO_BULK,
	P_YAHOO_REPLY,
	P_YAHOO_5,
	P_FROM_JUNO,
	P_JUNO_1,
	P_JUNO_2,
	P_JUNO_3,
	P_JUNO_MAILER_3,
	P_JUNO_4,
	P_JUNO_MAILER_4,
	P_FROM_GMAIL,
	P_GMAIL_1,
	P_GMAIL_2,
	P_GMAIL_3,
	P_GW05,
	P_SUBJECT_PREFIX,
	P_CAPS_WORD,
	P_OUTLOOK_ID,
	P_UNSUBSCRIBE,
	P_CWT,
	P_IPLANET,
	P_TEMPLATE,
	P_TEMPLATE_EXEMPT,
	P_NAME_ID,
	P_SRS,
	P_TO_PARTS,
	P_COUNT
};

static const char *const patterns[P_COUNT] = {
	[P_AOL_RELAY] = "(?i) rly-[a-z][a-z]\\d\\d\\.",
	[P_AOL_OLD] = "/AOL-\\d+\\.\\d+\\.\\d+\\)",
	[P_AOL_ID] = "ESMTP id (?:RELAY|MAILRELAY|MAILIN)",
	[P_WORD_CHARSET] = "=\\?(.+?)\\?.\\?.*?\\?=",
	[P_EZMLM] = "(?m)^contact \\S+\\@\\S+\\; run by ezmlm$",
	[P_MAILING_LIST] = "(?m)^mailing list \\S+\\@\\S+",
	[P_QMAIL] = "qmail \\d+ invoked (?:from network|by .{3,20})\\); \\d+ ... \\d+",
	[P_MSN_GATE] = "from groups\\.msn\\.com \\(\\S+\\.msn\\.com ",
	[P_HOTMAIL_PICKUP] = "from mail pickup service by hotmail\\.com with Microsoft SMTPSVC;",
	[P_IP] = IP,
	[P_ORIGINATOR] = "hotmail\\.com|msonline\\-outlook",
	[P_HOTMAIL_1] = "from (?:\\S*\\.)?hotmail.com \\(\\S+\\.hotmail(?:\\.msn)?\\.com[ \\)]",
	[P_HOTMAIL_2] = "from \\S*\\.outbound\\.protection\\.outlook\\.com "
			"\\(\\S+\\.outbound\\.protection\\.outlook\\.com[ \\)]",
	[P_HOTMAIL_3] = "from \\S*\\.(?:eur|nam)prd\\d+\\.prod\\.outlook\\.com \\(" IP "\\)",
	[P_HOTMAIL_4] = "from \\S*\\.hotmail.com \\(\\[" IP "\\][ \\):]",
	[P_HOTMAIL_5] = "from \\S+ by \\S+\\.hotmail(?:\\.msn)?\\.com with HTTP\\;",
	[P_HOTMAIL_6] = "from \\[66\\.218.\\S+\\] by \\S+\\.yahoo\\.com",
	[P_HOTMAIL_CLAIM] = "(?:from |HELO |helo=)\\S*hotmail\\.com\\b",
	[P_FROM_HOTMAIL] = "(?i)\\bhotmail\\.com$",
	[P_MSN_TO] = "(?i)<(\\S+)\\@groups\\.msn\\.com>",
	[P_MSN_SERVER] = "from mail pickup service by ((?:p\\d\\d\\.)groups\\.msn\\.com)\\b",
	[P_FROM_EUDORA] = "(?i)\\beudoramail\\.com$",
	[P_WHOWHERE] = "by \\S*whowhere.com\\;",
	[P_FROM_YAHOO] = "(?i)\\byahoo\\.com$",
	[P_YAHOO_TRUSTED] = " rdns=\\S+\\.yahoo\\.com ",
	[P_YAHOO_UNTRUSTED] = "^[^\\]]+ rdns=\\S+\\.yahoo\\.com ",
	[P_YAHOO_1] = "by web\\S+\\.mail\\S*\\.yahoo\\.com via HTTP",
	[P_YAHOO_2] = "by sonic\\S+\\.consmr\\.mail\\S*\\.yahoo\\.com with HTTP",
	[P_YAHOO_3] = "by smtp\\S+\\.yahoo\\.com with SMTP",
	[P_YAHOO_4] = "from \\[" IP "\\] by \\S+\\.(?:groups|scd|dcn)\\.yahoo\\.com with NNFMP",
	[P_YAHOO_BULK] = "\\bmailer\\d+\\.bulk\\.scd\\.yahoo\\.com\\b",
	[P_YAHOO_REPLY] = "(?i)\\@reply\\.yahoo\\.com$",
	[P_YAHOO_5] = "by \\w+\\.\\w+\\.yahoo\\.com \\(\\d+\\.\\d+\\.\\d+/\\d+\\.\\d+\\.\\d+\\)(?: "
		      "with ESMTP)? id \\w+",
	[P_FROM_JUNO] = "(?i)\\bjuno\\.com$",
	[P_JUNO_1] = "from.*\\b(?:juno|untd)\\.com.*[\\[\\(]" IP "[\\]\\)].*by",
	[P_JUNO_2] = " cookie\\.(?:juno|untd)\\.com ",
	[P_JUNO_3] = "from.*\\bmail\\.com.*\\[" IP "\\].*by",
	[P_JUNO_MAILER_3] = "\\bmail\\.com",
	[P_JUNO_4] = "from (webmail\\S+\\.untd\\.com) \\(\\1 \\[" IP "\\]\\) by",
	[P_JUNO_MAILER_4] = "^Webmail Version \\d",
	[P_FROM_GMAIL] = "(?i)\\bgmail\\.com$",
	[P_GMAIL_1] = "by 10\\.\\S+ with SMTP id \\S+",
	[P_GMAIL_2] = "by 2002\\:a\\d\\d\\:\\w+\\:\\S+ with SMTP id \\S+",
	[P_GMAIL_3] = "by smtp\\.googlemail\\.com with ESMTPSA id \\S+",
	[P_GW05] = "(?s)\\nfrom\\s(\\S+)\\sby\\s(\\S+)\\swith\\sESMTP\\;\\s+\\S\\S\\S,\\s+\\d+\\s+"
		   "\\S\\S\\S\\s+\\d{4}\\s+"
		   "\\d\\d:\\d\\d:\\d\\d\\s+[-+]*\\d{4}\\n$",
	[P_SUBJECT_PREFIX] = "(?i)^(?:(?:Re|Fwd|Fw|Aw|Antwort|WG|SV|VB|VS|VL):\\s*)+",
	[P_CAPS_WORD] = "(?i)=\\?" CAPS_CHARSETS "\\?",
	[P_OUTLOOK_ID] = "^<[0-9a-f]{4}([0-9a-f]{8})\\$[0-9a-f]{8}\\$[0-9a-f]{8}\\@",
	[P_UNSUBSCRIBE] = "(?i)<mailto:(?:leave-\\S+|\\S+-unsubscribe)\\@\\S+>$",
	[P_CWT] = "/CWT/DCE\\)",
	[P_IPLANET] = "iPlanet Messaging Server",
	[P_TEMPLATE] = "%[A-Z][A-Z_-]",
	[P_TEMPLATE_EXEMPT] =
		"(?i)^(?:X-VMS-To|X-UIDL|X-Face|To|Cc|From|Subject|References|In-Reply-To|"
		"(?:X-|Resent-|X-Original-)?Message-Id):",
	[P_NAME_ID] = "<[A-Z]{28}\\.([^>]+?)>",
	[P_SRS] = "(?i)^SRS\\d[=+-]",
	[P_TO_PARTS] = "^([^@]+)\\@(.+)$",
};

enum { SORTED_COUNT = 7, SIMILAR_COUNT = 5, RECIPIENTS_MAX = 256, GMAIL_TOKEN_MIN = 60 };

struct header_state {
	struct slice received; /* all of them, squeezed; data NULL: not yet */
	bool hotmail_done, hotmail_forged, hotmail_missing;
	bool recipients_done, sorted;
	double similar;
	struct header_dates dates;
};

static bool
is(struct scan *scan, enum pattern pattern, struct slice text)
{
	return scan_pattern(scan, &plugin_headereval, pattern, text);
}

static bool
is_undef(struct slice text)
{
	return slice_eq(text, SLICE("undef"));
}

/* All white space becomes one blank. */
static struct slice
squeeze(struct scan *scan, struct slice text)
{
	unsigned char *out = arena_bytes(scan->arena, text.len + 1);
	size_t n = 0;

	if (out == NULL)
		return SLICE("");
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is_space(text.data[i]))
			out[n++] = text.data[i];
		else if (i == 0 || !byte_is_space(text.data[i - 1]))
			out[n++] = ' ';
	return slice_of(out, n);
}

static struct slice
received(struct scan *scan)
{
	struct header_state *state = scan_state(scan, &plugin_headereval);

	if (state == NULL)
		return SLICE("");
	if (state->received.data == NULL)
		state->received = squeeze(scan, scan_header(scan, SLICE("Received")));
	return state->received;
}

/* ---- gateways ---- */

static bool
is_gated(struct scan *scan)
{
	struct slice rcvd = scan_header(scan, SLICE("Received"));

	if (is(scan, P_EZMLM, scan_header(scan, SLICE("Mailing-List"))) &&
	    is(scan, P_MAILING_LIST, scan_header(scan, SLICE("Delivered-To"))) &&
	    is(scan, P_QMAIL, rcvd))
		return true;
	return !scan_header_exists(scan, SLICE("Received")) || is(scan, P_MSN_GATE, rcvd);
}

static int
gated(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return is_gated(scan);
}

static int
fake_aol_relay(struct scan *scan, const struct eval_call *call)
{
	struct slice rcvd = received(scan);

	(void)call;
	return is(scan, P_AOL_RELAY, rcvd) && !is(scan, P_AOL_OLD, rcvd) &&
	       !is(scan, P_AOL_ID, rcvd);
}

/* ---- characters ---- */

static int
faraway_charset(struct scan *scan, const struct eval_call *call)
{
	static const char *const names[] = {"From:raw", "Subject:raw"};
	const struct regex *regex = scan_pattern_regex(scan, &plugin_headereval, P_WORD_CHARSET);

	(void)call;
	if (locales_are_all(scan->core))
		return 0;
	for (size_t n = 0; n < 2; n++) {
		slice_vec values = scan_header_values(scan, slice_from_cstr(names[n]));

		for (size_t i = 0; i < values.count; i++) {
			struct regex_iter iter;

			regex_iter_init(&iter, regex, scan_regex_scratch(scan), values.items[i]);
			while (regex_iter_next(&iter) == REGEX_HIT) {
				struct regex_span span = regex_span(scan_regex_scratch(scan), 1);

				if (!locales_charset_is_ok(scan->core, scan->arena,
				                           slice_sub(values.items[i], span.start,
				                                     span.end - span.start)))
					return 1;
			}
		}
	}
	return 0;
}

static int
never(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return 0;
}

static bool
is_control(unsigned char c)
{
	return c < 0x09 || c == 0x0b || c == 0x0c || (c >= 0x0e && c < 0x20);
}

static int
illegal_chars(struct scan *scan, const struct eval_call *call)
{
	struct slice name = eval_arg(call, 0), text;
	size_t illegal = 0, exempt = 0, high = 0, controls = 0, first = 0;

	if (!slice_ends(name, SLICE(":raw")))
		name = arena_concat(scan->arena, name, SLICE(":raw"));
	text = scan_header(scan, name);
	if (slice_trim(text).len == 0)
		return 0;
	while (first < text.len && text.data[first] < 0x7f && !is_control(text.data[first]))
		first++;
	for (size_t i = first; i < text.len; i++) {
		unsigned char c = text.data[i];

		high += c >= 0x80;
		controls += is_control(c);
		illegal += is_control(c) || c >= 0x7f;
		exempt += c == 0xa2 || c == 0xa3 || c == 0xae;
	}
	if (high > 0 && controls == 0 && utf8_is_valid(text))
		return 0;
	if (illegal > 0 && slice_ieq(name, SLICE("subject:raw")) && exempt == 1)
		illegal--;
	return (double)illegal / (double)text.len >= eval_number(call, 1) &&
	       (double)illegal >= eval_number(call, 2);
}

static int
subject_is_all_caps(struct scan *scan, const struct eval_call *call)
{
	struct slice subject = slice_trim(scan_header(scan, SLICE("Subject"))), prefix;
	size_t letters = 0;
	bool blank = false;

	(void)call;
	if (scan_pattern_group(scan, &plugin_headereval, P_SUBJECT_PREFIX, subject, 0, &prefix))
		subject = slice_from(subject, prefix.len);
	for (size_t i = 0; i < subject.len; i++) {
		unsigned char c = subject.data[i];

		blank |= byte_is_space(c);
		letters += byte_is_alpha(c);
		if (byte_is_lower(c))
			return 0;
	}
	if (!blank || subject.len < 10 || letters == 0)
		return 0;
	return !is(scan, P_CAPS_WORD, scan_header(scan, SLICE("Subject:raw")));
}

/* ---- providers ---- */

static bool
is_msn_group(struct scan *scan)
{
	struct slice list, server, id = scan_header(scan, SLICE("Message-Id")), envelope;

	if (!scan_pattern_group(scan, &plugin_headereval, P_MSN_TO, scan_header(scan, SLICE("To")),
	                        1, &list) ||
	    !scan_pattern_group(scan, &plugin_headereval, P_MSN_SERVER,
	                        scan_header(scan, SLICE("Received")), 1, &server))
		return false;
	if (!slice_starts(id, SLICE("<")))
		return false;
	if (slice_eq(list, SLICE("notifications"))) {
		size_t at = slice_find_byte(id, '@', 2);

		return at != SLICE_NPOS && slice_starts(slice_from(id, at + 1), server) &&
		       slice_starts(slice_from(id, at + 1 + server.len), SLICE(">"));
	}
	envelope = arena_printf(scan->arena, "%.*s-bounce@groups.msn.com", SLICE_FMT(list));
	return slice_starts(slice_from(id, 1), arena_concat(scan->arena, list, SLICE("-"))) &&
	       slice_find(id, SLICE("@groups.msn.com>"), list.len + 3) != SLICE_NPOS &&
	       slice_find(scan_header(scan, SLICE("EnvelopeFrom:addr")), envelope, 0) != SLICE_NPOS;
}

static int
msn_groups(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return is_msn_group(scan);
}

static bool
is_hotmail_path(struct scan *scan, struct slice rcvd)
{
	bool ip = is(scan, P_IP, scan_header(scan, SLICE("X-Originating-Ip")));
	bool originator = is(scan, P_ORIGINATOR, scan_header(scan, SLICE("X-OriginatorOrg")));

	return (ip && (is(scan, P_HOTMAIL_1, rcvd) || is(scan, P_HOTMAIL_4, rcvd) ||
	               is(scan, P_HOTMAIL_5, rcvd) || is(scan, P_HOTMAIL_6, rcvd))) ||
	       (originator && (is(scan, P_HOTMAIL_2, rcvd) || is(scan, P_HOTMAIL_3, rcvd)));
}

static struct header_state *
hotmail(struct scan *scan)
{
	struct header_state *state = scan_state(scan, &plugin_headereval);
	struct slice rcvd;

	if (state == NULL || state->hotmail_done)
		return state;
	state->hotmail_done = true;
	rcvd = received(scan);
	if (is(scan, P_HOTMAIL_PICKUP, rcvd) || is_msn_group(scan) || is_gated(scan) ||
	    is_hotmail_path(scan, rcvd))
		return state;
	if (is(scan, P_HOTMAIL_CLAIM, rcvd))
		state->hotmail_forged = true;
	else
		state->hotmail_missing =
			is(scan, P_FROM_HOTMAIL, scan_header(scan, SLICE("From:addr")));
	return state;
}

static int
forged_hotmail(struct scan *scan, const struct eval_call *call)
{
	const struct header_state *state = hotmail(scan);

	(void)call;
	return state != NULL && state->hotmail_forged;
}

static int
no_hotmail(struct scan *scan, const struct eval_call *call)
{
	const struct header_state *state = hotmail(scan);

	(void)call;
	return state != NULL && state->hotmail_missing;
}

static int
forged_eudoramail(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	if (!is(scan, P_FROM_EUDORA, scan_header(scan, SLICE("From:addr"))) || is_gated(scan))
		return 0;
	return !(is(scan, P_WHOWHERE, received(scan)) &&
	         is(scan, P_IP, scan_header(scan, SLICE("X-Sender-Ip"))));
}

static int
forged_yahoo(struct scan *scan, const struct eval_call *call)
{
	struct slice from = scan_header(scan, SLICE("From:addr")), rcvd;

	(void)call;
	if (!is(scan, P_FROM_YAHOO, from) || is_gated(scan))
		return 0;
	rcvd = received(scan);
	if (scan_header(scan, SLICE("Resent-From")).len > 0 &&
	    scan_header(scan, SLICE("Resent-To")).len > 0 &&
	    scan_header(scan, SLICE("X-Received")).len > 0)
		rcvd = squeeze(scan, scan_header(scan, SLICE("X-Received")));
	if (is(scan, P_YAHOO_TRUSTED, scan->relays.trusted_string) ||
	    is(scan, P_YAHOO_UNTRUSTED, scan->relays.untrusted_string))
		return 0;
	if (is(scan, P_YAHOO_1, rcvd) || is(scan, P_YAHOO_2, rcvd) || is(scan, P_YAHOO_3, rcvd) ||
	    is(scan, P_YAHOO_4, rcvd) || is(scan, P_YAHOO_5, rcvd))
		return 0;
	return !(is(scan, P_YAHOO_BULK, rcvd) && is(scan, P_YAHOO_REPLY, from));
}

static int
forged_juno(struct scan *scan, const struct eval_call *call)
{
	struct slice origin, mailer, rcvd;

	(void)call;
	if (!is(scan, P_FROM_JUNO, scan_header(scan, SLICE("From:addr"))) || is_gated(scan))
		return 0;
	origin = scan_header(scan, SLICE("X-Originating-IP"));
	mailer = scan_header(scan, SLICE("X-Mailer"));
	rcvd = scan_header(scan, SLICE("Received"));
	if (origin.len > 0)
		return (!is(scan, P_JUNO_1, rcvd) && !is(scan, P_JUNO_2, rcvd)) ||
		       slice_find(mailer, SLICE("Juno "), 0) == SLICE_NPOS;
	if (is(scan, P_JUNO_3, rcvd)) {
		if (!is(scan, P_JUNO_MAILER_3, mailer))
			return 1;
	} else if (!is(scan, P_JUNO_4, rcvd) || !is(scan, P_JUNO_MAILER_4, mailer)) {
		return 1;
	}
	/* without X-Originating-IP there is no address in it */
	return 1;
}

static int
forged_gmail(struct scan *scan, const struct eval_call *call)
{
	struct slice x_received;

	(void)call;
	if (!is(scan, P_FROM_GMAIL, scan_header(scan, SLICE("From:addr"))))
		return 0;
	x_received = scan_header(scan, SLICE("X-Received"));
	if (is(scan, P_GMAIL_1, x_received) || is(scan, P_GMAIL_2, x_received) ||
	    is(scan, P_GMAIL_3, scan_header(scan, SLICE("Received"))))
		return 0;
	return !(scan_header(scan, SLICE("X-Gm-Message-State")).len >= GMAIL_TOKEN_MIN &&
	         scan_header(scan, SLICE("X-Google-Smtp-Source")).len >= GMAIL_TOKEN_MIN);
}

static int
forged_gw05(struct scan *scan, const struct eval_call *call)
{
	struct slice by;

	(void)call;
	return scan_pattern_group(scan, &plugin_headereval, P_GW05,
	                          scan_header(scan, SLICE("Received")), 2, &by) &&
	       !slice_has_byte(by, '.');
}

/* ---- addresses ---- */

static int
matching_env_and_from(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return slice_ieq(scan_header(scan, SLICE("EnvelopeFrom:addr")),
	                 scan_header(scan, SLICE("From:addr")));
}

static int
missing_to(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return scan_header(scan, SLICE("To")).len == 0 &&
	       scan_header(scan, SLICE("Apparently-To")).len == 0;
}

/* Recipients, neighbours that are equal once; at most RECIPIENTS_MAX. */
static size_t
collect_recipients(struct scan *scan, struct slice *list)
{
	static const char *const names[] = {"ToCc:addr", "Bcc:addr"};
	struct slice previous = SLICE("");
	size_t count = 0, seen = 0;

	for (size_t n = 0; n < 2 && seen < SIMILAR_COUNT; n++) {
		slice_vec values = scan_header_values(scan, slice_from_cstr(names[n]));

		seen += values.count;
		for (size_t i = 0; i < values.count && count < RECIPIENTS_MAX; i++)
			if (!slice_ieq(values.items[i], previous))
				list[count++] = previous = values.items[i];
	}
	return count;
}

/* Perl keeps no slot for an address without @: later hosts move up, missing ones are undefined (""
 * here). */
static double
similarity(const struct slice *list, size_t count)
{
	struct slice hosts[RECIPIENTS_MAX];
	size_t host_count = 0, hits = 0, pairs = 0;

	for (size_t i = 0; i < count; i++) {
		size_t at = slice_find_byte(list[i], '@', 0);

		if (at != SLICE_NPOS)
			hosts[host_count++] = slice_from(list[i], at + 1);
	}
	for (size_t i = host_count; i < count; i++)
		hosts[i] = SLICE("");
	for (size_t i = 0; i < count; i++)
		for (size_t k = i + 1; k < count; k++) {
			hits += slice_eq(slice_sub(list[i], 0, 2), slice_sub(list[k], 0, 2));
			hits += slice_eq(slice_sub(hosts[i], 0, 2), slice_sub(hosts[k], 0, 2)) &&
			        !slice_eq(hosts[i], hosts[k]);
			pairs++;
		}
	return pairs == 0 ? 0 : (double)hits / (double)pairs;
}

static struct header_state *
recipients(struct scan *scan)
{
	struct header_state *state = scan_state(scan, &plugin_headereval);
	struct slice list[RECIPIENTS_MAX];
	size_t count;

	if (state == NULL || state->recipients_done)
		return state;
	state->recipients_done = true;
	count = collect_recipients(scan, list);
	state->sorted = count >= SORTED_COUNT;
	for (size_t i = 1; i < count && state->sorted; i++)
		state->sorted = slice_cmp(list[i - 1], list[i]) <= 0;
	if (count >= SIMILAR_COUNT)
		state->similar = similarity(list, count);
	return state;
}

static int
sorted_recipients(struct scan *scan, const struct eval_call *call)
{
	const struct header_state *state = recipients(scan);

	(void)call;
	return state != NULL && state->sorted;
}

static int
similar_recipients(struct scan *scan, const struct eval_call *call)
{
	const struct header_state *state = recipients(scan);
	struct slice min = eval_arg(call, 0), max = eval_arg(call, 1);

	return state != NULL && (is_undef(min) || state->similar >= perl_number(min)) &&
	       (is_undef(max) || state->similar < perl_number(max));
}

/* needle in text with word boundaries at both ends, case ignored */
static bool
has_words(struct slice text, struct slice needle)
{
	for (size_t at = slice_ifind(text, needle, 0); at != SLICE_NPOS;
	     at = slice_ifind(text, needle, at + 1)) {
		size_t end = at + needle.len;
		bool before = at > 0 && byte_is_word(text.data[at - 1]);
		bool after = end < text.len && byte_is_word(text.data[end]);

		if (before != byte_is_word(needle.data[0]) &&
		    after != byte_is_word(needle.data[needle.len - 1]))
			return true;
	}
	return false;
}

static bool
at_end(struct slice rest)
{
	return rest.len == 0 || slice_eq(rest, SLICE("\n"));
}

static bool
greets(struct slice subject, struct slice user)
{
	static const char marks[] = ",:;!?-";
	struct slice rest = subject, word;
	size_t n;

	/* "user," and the like, exactly as the address has it */
	if (slice_starts(subject, user)) {
		n = slice_span(subject, " \t\n\r\f\v", user.len);
		if (n != SLICE_NPOS && strchr(marks, subject.data[n]) != NULL &&
		    subject.data[n] != '\0' &&
		    (n + 1 == subject.len || byte_is_space(subject.data[n + 1])))
			return true;
	}
	if (slice_istarts(subject, user) && at_end(slice_from(subject, user.len)))
		return true;
	if (slice_starts(subject, SLICE(","))) {
		rest = slice_ltrim(slice_from(subject, 1));
		if (slice_istarts(rest, user) && rest.len > user.len &&
		    strchr(marks, rest.data[user.len]) != NULL &&
		    at_end(slice_from(rest, user.len + 1)))
			return true;
	}
	if (!slice_istarts(subject, SLICE("re:")) && !slice_istarts(subject, SLICE("fw:")))
		return false;
	rest = slice_ltrim(slice_from(subject, 3));
	if (slice_istarts(rest, user) && at_end(slice_from(rest, user.len)))
		return true;
	n = 0;
	while (n < rest.len && byte_is_word(rest.data[n]))
		n++;
	word = slice_from(rest, n);
	if (n == 0 || word.len == 0 || !byte_is_space(word.data[0]))
		return false;
	word = slice_ltrim(word);
	return slice_istarts(word, user) && at_end(slice_from(word, user.len));
}

static int
to_in_subject(struct scan *scan, const struct eval_call *call)
{
	struct slice to = scan_header(scan, SLICE("To:addr")),
		     subject = scan_header(scan, SLICE("Subject"));

	if (to.len == 0)
		return 0;
	if (slice_eq(eval_arg(call, 0), SLICE("address")))
		return has_words(subject, to);
	if (slice_eq(eval_arg(call, 0), SLICE("user")))
		return greets(subject, slice_sub(to, 0, slice_find_byte(to, '@', 0)));
	return 0;
}

/* Last two labels of what follows the last @. */
static struct slice
two_labels(struct slice addr)
{
	size_t at = slice_rfind_byte(addr, '@'), dot;
	struct slice domain = at == SLICE_NPOS ? SLICE("") : slice_from(addr, at + 1), tail;

	dot = slice_rfind_byte(domain, '.');
	if (dot == SLICE_NPOS || dot == 0 || dot + 1 == domain.len)
		return domain;
	tail = slice_sub(domain, 0, dot);
	dot = slice_rfind_byte(tail, '.');
	return dot == SLICE_NPOS || dot == 0 || dot + 1 == tail.len ? domain
	                                                            : slice_from(domain, dot + 1);
}

static int
equal_from_domains(struct scan *scan, const struct eval_call *call)
{
	struct slice from = two_labels(scan_header(scan, SLICE("From:addr")));
	struct slice envelope = two_labels(scan_header(scan, SLICE("EnvelopeFrom:addr")));

	(void)call;
	return from.len > 0 && envelope.len > 0 && !slice_ieq(from, envelope);
}

static int
ratware_envelope_from(struct scan *scan, const struct eval_call *call)
{
	struct slice to = scan_header(scan, SLICE("To:addr")),
		     from = scan_header(scan, SLICE("EnvelopeFrom:addr"));
	struct slice user, domain;
	const struct registry *registry = &scan->env->registry;

	(void)call;
	if (from.len == 0 || to.len == 0 || is(scan, P_SRS, from) ||
	    !scan_pattern_group(scan, &plugin_headereval, P_TO_PARTS, to, 2, &domain))
		return 0;
	user = slice_sub(to, 0, slice_find_byte(to, '@', 0));
	domain = registry_domain(registry, scan->arena, domain, false);
	if (!registry_is_valid(registry, scan->arena, domain, false))
		return EVAL_PENDING; /* the reference returns nothing: never decided */
	for (size_t at = slice_ifind(from, domain, 0); at != SLICE_NPOS;
	     at = slice_ifind(from, domain, at + 1)) {
		struct slice rest = slice_from(from, at + domain.len);

		if ((at > 0 && byte_is_word(from.data[at - 1])) || rest.len == 0)
			continue;
		rest = slice_from(rest, 1);
		if (slice_istarts(rest, user) &&
		    slice_starts(slice_from(rest, user.len), SLICE("@")))
			return 1;
	}
	return 0;
}

static int
ratware_name_id(struct scan *scan, const struct eval_call *call)
{
	struct slice id, from = scan_header(scan, SLICE("From")), wanted;

	(void)call;
	if (!scan_pattern_group(scan, &plugin_headereval, P_NAME_ID,
	                        scan_header(scan, SLICE("MESSAGEID")), 1, &id))
		return 0;
	wanted = arena_printf(scan->arena, "<%.*s>", SLICE_FMT(id));
	for (size_t at = slice_find(from, wanted, 0); at != SLICE_NPOS;
	     at = slice_find(from, wanted, at + 1)) {
		struct slice before = slice_rtrim(slice_sub(from, 0, at));
		size_t open;

		if (before.len < 3 || before.data[before.len - 1] != '"')
			continue;
		open = slice_rfind_byte(slice_sub(before, 0, before.len - 1), '"');
		if (open != SLICE_NPOS && open + 1 < before.len - 1)
			return 1;
	}
	return 0;
}

/* ---- others ---- */

static int
messageid_not_usable(struct scan *scan, const struct eval_call *call)
{
	struct slice rcvd = scan_header(scan, SLICE("Received"));

	(void)call;
	return is(scan, P_UNSUBSCRIBE, scan_header(scan, SLICE("List-Unsubscribe"))) ||
	       is_gated(scan) || is(scan, P_CWT, rcvd) || is(scan, P_IPLANET, rcvd);
}

static int
header_count_range(struct scan *scan, const struct eval_call *call)
{
	struct header_list *headers = &scan->message->root->headers;
	struct slice lower = arena_dup_lower(scan->arena, eval_arg(call, 0));
	const struct header_name *name = header_list_find(headers, lower);
	struct hashmap distinct;

	hashmap_init(&distinct, scan->arena);
	for (size_t at = name == NULL ? 0 : name->first + 1; at != 0;
	     at = headers->fields.items[at - 1].next)
		(void)hashmap_put(&distinct, header_field_decoded(headers, at - 1), NULL);
	return (double)distinct.count >= eval_number(call, 1) &&
	       (double)distinct.count <= eval_number(call, 2);
}

static int
unresolved_template(struct scan *scan, const struct eval_call *call)
{
	struct slice rest = scan_header(scan, SLICE("ALL")), line;

	(void)call;
	while (rest.len > 0 && slice_next(&rest, '\n', &line))
		if (slice_has_byte(line, '%') && is(scan, P_TEMPLATE, line) &&
		    !is(scan, P_TEMPLATE_EXEMPT, line))
			return 1;
	return 0;
}

/* ---- dates ---- */

static struct header_dates *
dates(struct scan *scan)
{
	struct header_state *state = scan_state(scan, &plugin_headereval);

	if (state == NULL)
		return NULL;
	header_dates_find(scan, &state->dates);
	return &state->dates;
}

static int
shifted_date(struct scan *scan, const struct eval_call *call)
{
	const struct header_dates *d = dates(scan);
	struct slice min = eval_arg(call, 0), max = eval_arg(call, 1);

	return d != NULL && (is_undef(min) || (double)d->difference_s >= 3600 * perl_number(min)) &&
	       (is_undef(max) || (double)d->difference_s < 3600 * perl_number(max));
}

static int
within_months(struct scan *scan, const struct eval_call *call)
{
	const struct header_dates *d = dates(scan);
	struct slice min = eval_arg(call, 0), max = eval_arg(call, 1);
	double age;

	if (d == NULL)
		return 0;
	age = (double)(scan->now_s - d->received_s);
	return (min.len == 0 || is_undef(min) || age >= 31556952 * (perl_number(min) / 12)) &&
	       (max.len == 0 || is_undef(max) || age < 31556952 * (perl_number(max) / 12));
}

static int
outlook_message_id(struct scan *scan, const struct eval_call *call)
{
	struct slice token;
	char hex[9];

	(void)call;
	if (!scan_pattern_group(scan, &plugin_headereval, P_OUTLOOK_ID,
	                        scan_header(scan, SLICE("MESSAGEID")), 1, &token) ||
	    token.len != 8)
		return 0;
	memcpy(hex, token.data, 8);
	hex[8] = '\0';
	return header_dates_outlook_differs(scan, strtoll(hex, NULL, 16));
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_equal_from_domains", EVAL_HEADER, equal_from_domains, NULL },
	{ "check_for_fake_aol_relay_in_rcvd", EVAL_HEADER, fake_aol_relay, NULL },
	{ "check_for_faraway_charset_in_headers", EVAL_HEADER, faraway_charset, NULL },
	{ "check_for_forged_eudoramail_received_headers", EVAL_HEADER, forged_eudoramail, NULL },
	{ "check_for_forged_gmail_received_headers", EVAL_HEADER, forged_gmail, NULL },
	{ "check_for_forged_gw05_received_headers", EVAL_HEADER, forged_gw05, NULL },
	{ "check_for_forged_hotmail_received_headers", EVAL_HEADER, forged_hotmail, NULL },
	{ "check_for_forged_juno_received_headers", EVAL_HEADER, forged_juno, NULL },
	{ "check_for_forged_yahoo_received_headers", EVAL_HEADER, forged_yahoo, NULL },
	{ "check_for_matching_env_and_hdr_from", EVAL_HEADER, matching_env_and_from, NULL },
	{ "check_for_missing_to_header", EVAL_HEADER, missing_to, NULL },
	{ "check_for_msn_groups_headers", EVAL_HEADER, msn_groups, NULL },
	{ "check_for_no_hotmail_received_headers", EVAL_HEADER, no_hotmail, NULL },
	{ "check_for_shifted_date", EVAL_HEADER, shifted_date, NULL },
	{ "check_for_to_in_subject", EVAL_HEADER, to_in_subject, NULL },
	{ "check_for_unique_subject_id", EVAL_HEADER, never, NULL },
	{ "check_header_count_range", EVAL_HEADER, header_count_range, NULL },
	{ "check_illegal_chars", EVAL_HEADER, illegal_chars, NULL },
	{ "check_messageid_not_usable", EVAL_HEADER, messageid_not_usable, NULL },
	{ "check_outlook_message_id", EVAL_HEADER, outlook_message_id, NULL },
	{ "check_ratware_envelope_from", EVAL_HEADER, ratware_envelope_from, NULL },
	{ "check_ratware_name_id", EVAL_HEADER, ratware_name_id, NULL },
	{ "check_unresolved_template", EVAL_HEADER, unresolved_template, NULL },
	{ "gated_through_received_hdr_remover", EVAL_HEADER, gated, NULL },
	{ "received_within_months", EVAL_HEADER, within_months, NULL },
	{ "similar_recipients", EVAL_HEADER, similar_recipients, NULL },
	{ "sorted_recipients", EVAL_HEADER, sorted_recipients, NULL },
	{ "subject_is_all_caps", EVAL_HEADER, subject_is_all_caps, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_headereval = {
	.id = PLUGIN_ID_headereval,
	.class_name = "Mail::SpamAssassin::Plugin::HeaderEval",
	.module = {.name = "headereval"},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct header_state),
};
