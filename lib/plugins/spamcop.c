/*
 * spamcop.c - Mail::SpamAssassin::Plugin::SpamCop: reports to SpamCop
 *
 * No rules: the report hook mails the message to SpamCop, by the mail servers of the address's
 * domain (port 587) or by spamcop_relayhost.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "conf/addrlist.h"
#include "dns/blocking.h"
#include "mail/date.h"
#include "plugins/report.h"
#include "plugins/smtp_send.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum { REPORT_DAYS = 2, DNS_WAIT_MS = 15 * 1000 };

struct spamcop_settings {
	struct slice spamcop_from_address;
	double spamcop_max_report_size;
	struct slice spamcop_relayhost; /* HOST:PORT */
	struct slice spamcop_to_address;
};

/* ---- configuration ---- */

/* The first run of bytes other than "<" and space that has an "@" inside. */
static bool
find_address(struct slice value, struct slice *address_r)
{
	size_t at = slice_find_byte(value, '@', 0), begin, end;

	for (; at != SLICE_NPOS; at = slice_find_byte(value, '@', at + 1)) {
		for (begin = at; begin > 0 && value.data[begin - 1] != '<' &&
		                 !byte_is_space(value.data[begin - 1]);
		     begin--)
			;
		for (end = at + 1;
		     end < value.len && value.data[end] != '>' && !byte_is_space(value.data[end]);
		     end++)
			;
		if (begin < at && end > at + 1) {
			*address_r = slice_sub(value, begin, end - begin);
			return true;
		}
	}
	return false;
}

static enum conf_result
parse_address(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct slice address;

	if (value.len == 0)
		return CONF_MISSING;
	if (!find_address(value, &address))
		return CONF_INVALID;
	*(struct slice *)((char *)data + d->offset) = arena_dup(reader->arena, address);
	return CONF_OK;
}

static enum conf_result
parse_relayhost(struct conf_reader *reader, void *data, const struct directive *d,
                struct slice value)
{
	struct spamcop_settings *settings = data;
	size_t colon = slice_rfind_byte(value, ':'), digits = value.len - colon - 1;
	unsigned long long port;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (colon == SLICE_NPOS || colon == 0 || digits < 2 || digits > 5 ||
	    !slice_to_u64(slice_from(value, colon + 1), 99999, &port) ||
	    slice_find_any(value, " \t", 0) != SLICE_NPOS)
		return CONF_INVALID;
	settings->spamcop_relayhost = arena_dup(reader->arena, value);
	return CONF_OK;
}

/* ---- where to ---- */

/* The servers of a domain, most preferred first. */
static slice_vec
find_servers(struct scan *scan, struct slice domain)
{
	struct dns_answer answer;
	slice_vec servers = {0};

	if (scan->resolver == NULL)
		return servers;
	answer = dns_ask_blocking(scan->resolver, scan->arena, domain, DNS_MX, DNS_WAIT_MS);
	for (unsigned preference = 0; servers.count < answer.record_count && preference <= 65535;) {
		unsigned next = 65536;

		for (size_t i = 0; i < answer.record_count; i++) {
			const struct dns_record *r = &answer.records[i];

			if (r->type != DNS_MX)
				continue;
			if (r->preference == preference)
				(void)vec_push(scan->arena, &servers, r->target);
			else if (r->preference > preference && r->preference < next)
				next = r->preference;
		}
		preference = next;
	}
	return servers;
}

/* ---- the report ---- */

static unsigned
random_number(void)
{
	unsigned number = 0;

	(void)!getrandom(&number, sizeof(number), 0);
	return number;
}

static const char *
own_host(struct scan *scan)
{
	char name[256] = "";

	if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0')
		return "unknown";
	return arena_cstr(scan->arena, slice_from_cstr(name));
}

static struct slice
sender(struct scan *scan, const struct spamcop_settings *settings)
{
	const struct passwd *pw;

	if (settings->spamcop_from_address.len > 0)
		return settings->spamcop_from_address;
	pw = getpwuid(geteuid());
	return arena_printf(scan->arena, "%s@%s", pw == NULL ? "unknown" : pw->pw_name,
	                    own_host(scan));
}

static struct slice
boundary_for(struct scan *scan, struct slice text)
{
	struct slice boundary = arena_printf(scan->arena, "----------=_%08llX.%08X",
	                                     (unsigned long long)clock_wall_s(), random_number());

	while (boundary.data != NULL && slice_find(text, boundary, 0) != SLICE_NPOS)
		boundary = arena_printf(scan->arena, "%.*s/%08X", SLICE_FMT(boundary),
		                        random_number());
	return boundary;
}

static void
add_head(struct scan *scan, struct strbuf *out, const struct spamcop_settings *settings,
         struct slice from, struct slice boundary)
{
	time_t now = (time_t)clock_wall_s();
	char date[64];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	strbuf_printf(out, "To: %.*s\nFrom: %.*s\nSubject: report spam\nDate: %s\n",
	              SLICE_FMT(settings->spamcop_to_address), SLICE_FMT(from), date);
	strbuf_printf(out, "Message-Id: <%08llX.%08X@%s>\nMIME-Version: 1.0\n",
	              (unsigned long long)now, random_number(), own_host(scan));
	strbuf_printf(out, "Content-Type: multipart/mixed; boundary=\"%.*s\"\n\n",
	              SLICE_FMT(boundary));
}

static struct slice
write_report(struct scan *scan, const struct spamcop_settings *settings, struct slice from,
             struct slice text)
{
	size_t most = (size_t)(settings->spamcop_max_report_size * 1024);
	struct slice boundary = boundary_for(scan, text);
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	add_head(scan, &out, settings, from, boundary);
	strbuf_printf(&out, "This is a multi-part message in MIME format.\n\n--%.*s\n",
	              SLICE_FMT(boundary));
	strbuf_add_cstr(&out, "Content-Type: message/rfc822; x-spam-type=report\n"
	                      "Content-Description: spam report via " CONF_SA_VERSION_TEXT "\n"
	                      "Content-Disposition: attachment\n"
	                      "Content-Transfer-Encoding: 8bit\nX-Spam-Relays-Trusted: ");
	strbuf_add(&out, scan->relays.trusted_string);
	strbuf_add_cstr(&out, "\nX-Spam-Relays-Untrusted: ");
	strbuf_add(&out, scan->relays.untrusted_string);
	strbuf_add_cstr(&out, "\n\n");
	strbuf_add(&out, slice_sub(text, 0, most));
	if (text.len > most)
		strbuf_add_cstr(&out, "\n[truncated by SpamAssassin]\n");
	strbuf_printf(&out, "\n--%.*s--\n\n", SLICE_FMT(boundary));
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

static bool
send_report(struct scan *scan, const struct spamcop_settings *settings, struct slice text)
{
	struct slice relay = settings->spamcop_relayhost, to = settings->spamcop_to_address;
	size_t colon = slice_rfind_byte(relay, ':');
	struct smtp_send job = {.port = "587", .hello = own_host(scan), .to = to};
	slice_vec servers = {0};
	struct error error;

	job.from = sender(scan, settings);
	job.text = write_report(scan, settings, job.from, text);
	if (relay.len > 0) {
		job.port = arena_cstr(scan->arena, slice_from(relay, colon + 1));
		(void)vec_push(scan->arena, &servers, slice_sub(relay, 0, colon));
	} else {
		servers = find_servers(scan, slice_from(to, slice_rfind_byte(to, '@') + 1));
	}
	if (servers.count == 0)
		log_warn(scan->log, "reporter", "failed to resolve SpamCop MX servers");
	for (size_t i = 0; i < servers.count && job.text.data != NULL; i++) {
		job.host = arena_cstr(scan->arena, servers.items[i]);
		if (job.host == NULL)
			break;
		if (smtp_send(scan->arena, &job, &error) == STATUS_OK) {
			if (i > 0)
				log_warn(scan->log, "reporter", "SpamCop report to %s succeeded",
				         job.host);
			return true;
		}
		log_warn(scan->log, "reporter", "SpamCop report to %s failed: %s", job.host,
		         error.text);
	}
	return false;
}

static void
report(struct scan *scan, struct report *report)
{
	const struct spamcop_settings *settings = plugin_settings(scan->conf, &plugin_spamcop);

	if (report->is_revoke)
		return;
	if (message_receive_date(scan->message, scan->now_s) <
	    scan->now_s - (int64_t)REPORT_DAYS * 86400) {
		log_warn(scan->log, "reporter", "SpamCop message older than 2 days, not reporting");
		report_result(scan, report, "SpamCop", false);
		return;
	}
	report_result(scan, report, "SpamCop", send_report(scan, settings, report->text));
}

#define AT(field) offsetof(struct spamcop_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "spamcop_from_address", NULL, CONF_CUSTOM, CONF_USER, AT(spamcop_from_address), NULL, parse_address },
	{ "spamcop_max_report_size", NULL, CONF_NUMERIC, CONF_USER, AT(spamcop_max_report_size), "50", NULL },
	{ "spamcop_relayhost", NULL, CONF_CUSTOM, CONF_USER, AT(spamcop_relayhost), NULL, parse_relayhost },
	{ "spamcop_to_address", NULL, CONF_CUSTOM, CONF_USER, AT(spamcop_to_address), "spamassassin-submit@spam.spamcop.net", parse_address },
};
/* clang-format on */

const struct plugin plugin_spamcop = {
	.id = PLUGIN_ID_spamcop,
	.class_name = "Mail::SpamAssassin::Plugin::SpamCop",
	.module =
		{
			.name = "spamcop",
			.settings_size = sizeof(struct spamcop_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.needs_network = true,
	.report = report,
};
