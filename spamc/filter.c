/*
 * filter.c - a message and what a spamd says of it
 *
 * An answer is whole or it is none: before the last of its bytes is there and fits, m->out stays
 * the message itself.
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "spamc/answer.h"
#include "spamc/helper.h"
#include "spamc/private.h"
#include "spamc/stream.h"

enum {
	HEAD_MAX = 8188,
	EXTRA_MAX = 1024,
	ANSWER_HEAD_MAX = 65536, /* all lines in front of the body */
	FIRST_READ = 32768
};

struct request {
	struct transport *tp;
	struct message *m;
	int flags;
	char head[HEAD_MAX];
	size_t head_len;
	const char *body;
	size_t body_len;
	char *deflated;
	enum spamc_until until;
};

/* ---- head of a request ---- */

static bool __attribute__((format(printf, 2, 3))) add(struct request *r, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(r->head + r->head_len, sizeof(r->head) - r->head_len, fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(r->head) - r->head_len)
		return false;
	r->head_len += (size_t)len;
	return true;
}

/* A user name with a line end would be further headers. */
static bool
add_user(struct request *r, const char *username)
{
	return username == NULL ||
	       (strpbrk(username, "\r\n") == NULL && add(r, "User: %s\r\n", username));
}

/* Lines of the program's own; only whole ones. */
static bool
add_extra(struct request *r)
{
	char extra[EXTRA_MAX] = "";
	size_t len;

	if (r->m->priv->spamc_header_callback == NULL)
		return true;
	r->m->priv->spamc_header_callback(r->m, r->flags, extra, EXTRA_MAX);
	extra[EXTRA_MAX - 1] = '\0';
	len = strlen(extra);
	return len < 2 || strcmp(extra + len - 2, "\r\n") != 0 ||
	       strstr(extra, "\r\n\r\n") != NULL || add(r, "%s", extra);
}

static void
deflate_body(struct request *r)
{
	const struct spamc_deflate *helper = spamc_load_deflate(r->flags);

	if (helper != NULL)
		r->deflated = helper->deflate(r->body, r->body_len, &r->body_len);
	if (r->deflated != NULL)
		r->body = r->deflated;
	else
		r->body_len = (size_t)r->m->msg_len; /* goes as it is */
}

static const char *
verb_of(int flags)
{
	return (flags & SPAMC_CHECK_ONLY) != 0      ? "CHECK"
	       : (flags & SPAMC_REPORT_IFSPAM) != 0 ? "REPORT_IFSPAM"
	       : (flags & SPAMC_REPORT) != 0        ? "REPORT"
	       : (flags & SPAMC_SYMBOLS) != 0       ? "SYMBOLS"
	       : (flags & SPAMC_PING) != 0          ? "PING"
	       : (flags & SPAMC_HEADERS) != 0       ? "HEADERS"
	                                            : "PROCESS";
}

static int
make_filter_head(struct request *r, const char *username)
{
	bool fits = add(r, "%s SPAMC/1.5\r\n", verb_of(r->flags));

	if ((r->flags & SPAMC_PING) != 0) {
		r->body_len = 0;
		return add(r, "\r\n") ? EX_OK : EX_DATAERR;
	}
	if (!add_user(r, username))
		return EX_OSERR;
	if ((r->flags & SPAMC_USE_ZLIB) != 0)
		deflate_body(r);
	if (r->deflated != NULL)
		fits &= add(r, "Compress: zlib\r\n");
	fits &= add_extra(r) && add(r, "Content-length: %zu\r\n\r\n", r->body_len);
	return fits && r->m->msg_len <= SPAMC_MAX_MESSAGE_LEN ? EX_OK : EX_DATAERR;
}

static bool
add_places(struct request *r, const char *name, bool local, bool remote)
{
	return (!local && !remote) || add(r, "%s: %s%s%s\r\n", name, local ? "local" : "",
	                                  local && remote ? "," : "", remote ? "remote" : "");
}

static int
make_tell_head(struct request *r, const char *username, int msg_class, unsigned what)
{
	bool fits = add(r, "TELL SPAMC/1.5\r\n");

	if (msg_class != 0)
		fits &= add(r, "Message-class: %s\r\n",
		            msg_class == SPAMC_MESSAGE_CLASS_SPAM ? "spam" : "ham");
	fits &= add_places(r, "Set", (what & SPAMC_SET_LOCAL) != 0, (what & SPAMC_SET_REMOTE) != 0);
	fits &= add_places(r, "Remove", (what & SPAMC_REMOVE_LOCAL) != 0,
	                   (what & SPAMC_REMOVE_REMOTE) != 0);
	if (!add_user(r, username))
		return EX_OSERR;
	fits &= add_extra(r) && add(r, "Content-length: %zu\r\n\r\n", r->body_len);
	return fits && r->m->msg_len <= SPAMC_MAX_MESSAGE_LEN ? EX_OK : EX_DATAERR;
}

/* ---- the exchange ---- */

static bool
make_room(struct spamc_answer *a, size_t *size, size_t most)
{
	size_t bigger = *size == 0 ? FIRST_READ : *size * 2;
	char *grown;

	if (a->len < *size)
		return true;
	grown = realloc(a->bytes, bigger < most ? bigger : most);
	if (grown == NULL)
		return false;
	a->bytes = grown;
	*size = bigger < most ? bigger : most;
	return true;
}

/* Reads until enough is there; the end of the stream is enough when the body runs up to it. */
static int
receive(struct request *r, struct spamc_stream *s, struct spamc_answer *a)
{
	size_t size = 0, most = (size_t)r->m->max_len + SPAMC_EXPANSION + 1 + ANSWER_HEAD_MAX;

	for (;;) {
		bool had_line;
		ssize_t n;
		int code;

		if (a->len == most || (a->body_at == 0 && a->len > ANSWER_HEAD_MAX))
			return EX_TOOBIG;
		if (!make_room(a, &size, most))
			return EX_OSERR;
		n = spamc_stream_read(s, a->bytes + a->len, size - a->len);
		if (n <= 0 && a->body_at == 0)
			return EX_IOERR;
		if (n <= 0)
			return EX_OK; /* its length tells whether it was cut */
		a->len += (size_t)n;
		had_line = a->lines > 0;
		code = spamc_answer_is_whole(a, r->until);
		if (!had_line && a->lines > 0 && !spamc_answer_begins_well(a))
			return EX_PROTOCOL;
		if (code != EX_IOERR)
			return code;
	}
}

static void
hand_over_header(void *data, const char *line, int len)
{
	struct request *r = data;

	if (r->m->priv->spamd_header_callback != NULL)
		r->m->priv->spamd_header_callback(r->m, r->flags, line, len);
}

static int
exchange(struct request *r, struct spamc_answer *a)
{
	struct spamc_stream s;
	int code = spamc_stream_open(&s, r->tp, r->flags, r->m);

	if (code != EX_OK)
		return code;
	if (spamc_stream_write(&s, r->head, r->head_len, r->body_len > 0))
		spamc_stream_write(&s, r->body, r->body_len, false);
	spamc_stream_end_writing(&s);
	code = receive(r, &s, a);
	spamc_stream_close(&s);
	if (code == EX_TOOBIG)
		spamc_say(r->flags, LOG_ERR, "spamd's answer is too long");
	if (code == EX_OK) {
		code = spamc_answer_parse(a, r->until, hand_over_header, r);
		if (code != EX_OK)
			spamc_say(r->flags, LOG_ERR, "spamd's answer makes no sense: '%.200s'",
			          a->bytes);
	}
	return code;
}

/* Another host first. */
static void
rotate_hosts(struct transport *tp)
{
	struct addrinfo *first = tp->hosts[0];

	if (tp->nhosts < 2)
		return;
	memmove(tp->hosts, tp->hosts + 1, (size_t)(tp->nhosts - 1) * sizeof(*tp->hosts));
	tp->hosts[tp->nhosts - 1] = first;
}

/* A server that gave up or said nothing is asked again, as often as the transport says. */
static int
exchange_with_retries(struct request *r, struct spamc_answer *a)
{
	int tries = r->tp->filter_retries, pause = r->tp->filter_retry_sleep, code;

	for (int i = 1;; i++) {
		*a = (struct spamc_answer){0};
		code = exchange(r, a);
		if (code == EX_OK)
			return code;
		free(a->bytes);
		a->bytes = NULL;
		if (code != EX_IOERR || i >= tries)
			return code;
		rotate_hosts(r->tp);
		sleep(pause < 0 ? 1 : (unsigned)pause);
	}
}

/* ---- answers ---- */

static void
give_message_back(struct message *m)
{
	free(m->outbuf);
	m->outbuf = NULL;
	m->out = m->msg;
	m->out_len = m->msg_len;
}

/* "5.1/5.0" in front of the body, where the lines of the answer were; they are longer. */
static int
put_score(struct message *m, const struct spamc_answer *a, size_t *at)
{
	char line[64];
	int len =
		snprintf(line, sizeof(line), "%.1f/%.1f\n", (double)a->score, (double)a->threshold);

	for (int i = 0; i < len; i++)
		if (line[i] == ',') /* whatever the locale */
			line[i] = '.';
	if (len < 0 || (size_t)len > *at)
		return EX_PROTOCOL;
	*at -= (size_t)len;
	memcpy(m->outbuf + *at, line, (size_t)len);
	return EX_OK;
}

static size_t
find_body(const char *p, size_t len)
{
	for (const char *nl = p; (nl = memchr(nl, '\n', len - (size_t)(nl - p))) != NULL; nl++) {
		size_t left = len - (size_t)(nl - p);

		if (left > 1 && nl[1] == '\n')
			return (size_t)(nl - p) + 2;
		if (left > 2 && nl[1] == '\r' && nl[2] == '\n' && nl > p && nl[-1] == '\r')
			return (size_t)(nl - p) + 3;
	}
	return 0;
}

/* HEADERS: the body was never sent back. */
static int
append_body(struct message *m, const struct spamc_answer *a)
{
	size_t body = find_body(m->msg, (size_t)m->msg_len), len = a->len - a->body_at, left;
	char *out;

	if (body == 0) {
		spamc_say(m->priv->flags, LOG_ERR, "failed to find end-of-headers");
		give_message_back(m);
		return EX_OK;
	}
	left = (size_t)m->msg_len - body;
	out = malloc(len + left + 1);
	if (out == NULL)
		return EX_OSERR;
	memcpy(out, a->bytes + a->body_at, len);
	memcpy(out + len, m->msg + body, left);
	free(m->outbuf);
	m->outbuf = m->out = out;
	m->out_len = (int)(len + left);
	return EX_OK;
}

/* Whether the body is all of it, and can stand for the message. */
static int
check_body(const struct request *r, const struct spamc_answer *a)
{
	size_t len = a->len - a->body_at;
	bool whole_message = strcmp(verb_of(r->flags), "PROCESS") == 0 ||
	                     strcmp(verb_of(r->flags), "HEADERS") == 0;

	if (a->code != 0 || a->content_length < 0)
		return EX_PROTOCOL;
	if (len > (size_t)r->m->max_len + SPAMC_EXPANSION)
		return EX_TOOBIG;
	if (len != (size_t)a->content_length) {
		spamc_say(r->flags, LOG_ERR,
		          "failed sanity check, %d bytes claimed, %zu bytes seen",
		          a->content_length, len);
		return EX_PROTOCOL;
	}
	return whole_message && len == 0 ? EX_PROTOCOL : EX_OK;
}

static int
take_ping(struct message *m, const struct spamc_answer *a)
{
	m->out_len =
		snprintf(m->outbuf, strlen(a->version) + 24, "SPAMD/%s %d\n", a->version, a->code);
	m->out = m->outbuf;
	m->is_spam = EX_NOTSPAM;
	return EX_OK;
}

static int
take_answer(struct request *r, const struct spamc_answer *a)
{
	struct message *m = r->m;
	size_t at = a->body_at;
	int code = EX_OK;

	m->outbuf = a->bytes;
	if (r->until == SPAMC_UNTIL_LINE)
		return take_ping(m, a);
	m->score = a->score;
	m->threshold = a->threshold;
	m->content_length = a->content_length;
	m->is_spam = a->is_spam;
	if (r->until == SPAMC_UNTIL_HEADERS) {
		code = a->is_spam == EX_TOOBIG || a->code != 0 ? EX_PROTOCOL : put_score(m, a, &at);
		m->out_len = (int)(a->body_at - at);
	} else {
		code = check_body(r, a);
		if (code == EX_OK && a->is_spam != EX_TOOBIG &&
		    ((r->flags & SPAMC_REPORT) != 0 ||
		     ((r->flags & SPAMC_REPORT_IFSPAM) != 0 && a->is_spam == EX_ISSPAM)))
			code = put_score(m, a, &at);
		m->out_len = (int)(a->len - at);
		if (code == EX_OK)
			m->content_length = m->out_len; /* with the score in it */
	}
	m->out = m->outbuf + at;
	if (code == EX_OK && (r->flags & SPAMC_HEADERS) != 0 && r->until == SPAMC_UNTIL_CLOSE)
		code = append_body(m, a);
	return code;
}

/* ---- the interface ---- */

static struct request *
begin(struct transport *tp, int flags, struct message *m)
{
	struct request *r = malloc(sizeof(*r));

	give_message_back(m);
	m->is_spam = EX_TOOBIG;
	if (r == NULL)
		return NULL;
	r->tp = tp;
	r->m = m;
	r->flags = flags;
	r->head_len = 0;
	r->body = m->msg;
	r->body_len = (size_t)m->msg_len;
	r->deflated = NULL;
	r->until = SPAMC_UNTIL_CLOSE;
	return r;
}

int
message_filter(struct transport *tp, const char *username, int flags, struct message *m)
{
	struct request *r = begin(tp, flags, m);
	struct spamc_answer answer;
	int code;

	if (r == NULL)
		return EX_OSERR;
	if ((flags & SPAMC_PING) != 0)
		r->until = SPAMC_UNTIL_LINE;
	else if ((flags & SPAMC_CHECK_ONLY) != 0)
		r->until = SPAMC_UNTIL_HEADERS;
	code = make_filter_head(r, username);
	if (code == EX_OK)
		code = exchange_with_retries(r, &answer);
	if (code == EX_OK)
		code = take_answer(r, &answer);
	if (code != EX_OK)
		give_message_back(m);
	free(r->deflated);
	free(r);
	return code;
}

int
message_tell(struct transport *tp, const char *username, int flags, struct message *m,
             int msg_class, unsigned int tellflags, unsigned int *didtellflags)
{
	struct request *r = begin(tp, flags, m);
	struct spamc_answer answer = {0};
	int code;

	if (r == NULL)
		return EX_OSERR;
	r->until = SPAMC_UNTIL_HEADERS;
	code = make_tell_head(r, username, msg_class, tellflags);
	if (code == EX_OK)
		code = exchange(r, &answer);
	if (code == EX_OK && didtellflags != NULL)
		*didtellflags |= answer.did;
	free(answer.bytes);
	free(r);
	return code;
}
