/*
 * session.c - one client of spamd
 */
#include "spamd/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "check/learn.h"
#include "check/markup.h"
#include "check/report.h"
#include "check/rewrite.h"
#include "check/tags.h"
#include "dns/resolver.h"
#include "plugins/lookup.h"
#include "spamd/ident.h"
#include "spamd/proof.h"
#include "spamd/verdict_json.h"
#include "util/clock.h"
#include "spamd/user.h"
#include "util/strbuf.h"

enum {
	READ_BYTES = 1024 * 1024,
	WRITE_SECONDS = 60,
	AWAY_GRACE_MS = 5000, /* over the time limit, before a message's process is killed */
	LAST_SEND_BYTES = 16 * 1024,
	LEARN_WAIT_MS = 1000, /* others wait meanwhile */
	ARENA_BYTES_BASE =
		64 * 1024 * 1024, /* budget of a message: this and so many times its size */
	ARENA_TIMES = 40
};

static const char tell_is_off[] = "TELL commands are not enabled, set the --allow-tell switch.";

struct session *
session_create(struct session_env *env, int fd, int64_t now_ms)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		close(fd);
		return NULL;
	}
	s->env = env;
	s->fd = fd;
	s->state = SESSION_LINE;
	s->begun_us = clock_monotonic_us();
	s->deadline_ms = env->options->timeout_tcp_s > 0
	                         ? now_ms + env->options->timeout_tcp_s * 1000
	                         : INT64_MAX;
	return s;
}

static void
give_back_arena(struct session *s)
{
	struct session_env *env = s->env;

	if (s->arena == NULL)
		return;
	if (env->spare_count < sizeof(env->spare) / sizeof(env->spare[0])) {
		arena_reset(s->arena);
		env->spare[env->spare_count++] = s->arena;
		s->arena = NULL;
	} else {
		arena_destroy(&s->arena);
	}
	s->check = NULL;
}

bool
session_start_tls(struct session *s, const struct tls_server *server)
{
	s->tls = tls_accept(server, s->fd);
	s->state = SESSION_HANDSHAKE;
	return s->tls != NULL;
}

void
session_log_connection(const struct session *s, bool is_allowed)
{
	char cipher[80] = "";

	if (s->listener->is_unix) {
		log_info(s->env->log, "spamd", "got connection over %s", s->peer_port);
		return;
	}
	if (s->tls != NULL) {
		memcpy(cipher, ", ", 3);
		tls_describe(s->tls, cipher + 2, sizeof(cipher) - 2);
	}
	log_write(s->env->log, is_allowed ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "spamd",
	          "%sconnection from %s [%s]:%s to port %u, fd %d%s",
	          is_allowed ? "" : "unauthorized ", s->peer_host, s->peer_addr, s->peer_port,
	          s->listener->port, s->listener->fd, cipher);
}

static void
log_handshake_failed(const struct session *s, const char *why)
{
	log_info(s->env->log, "spamd", "accept_a_conn: %s: %s [%s]:%s", why, s->peer_host,
	         s->peer_addr, s->peer_port);
}

void
session_destroy(struct session **session)
{
	struct session *s = *session;

	if (s == NULL)
		return;
	give_back_arena(s);
	free(s->in);
	free(s->inflated);
	proof_give_up(s);
	if (s->tls != NULL)
		tls_destroy(&s->tls);
	close(s->fd);
	free(s);
	*session = NULL;
}

size_t
session_bytes(const struct session *s)
{
	return s->in_size + (s->arena == NULL ? 0 : arena_used(s->arena));
}

static bool
take_arena(struct session *s)
{
	struct session_env *env = s->env;

	if (s->arena != NULL)
		return true;
	if (env->spare_count > 0)
		s->arena = env->spare[--env->spare_count];
	else
		s->arena = arena_create(0);
	if (s->arena == NULL)
		return false;
	arena_set_budget(s->arena, ARENA_BYTES_BASE + (s->in_len + s->message.len) * ARENA_TIMES);
	return true;
}

/* ---- answers ---- */

static void
answer(struct session *s, struct slice out)
{
	s->out = out;
	s->out_sent = 0;
	s->state = SESSION_WRITE;
	s->deadline_ms = clock_monotonic_ms() + WRITE_SECONDS * 1000;
}

/* "SPAMD/1.0 CODE WORDS: text": to the client and the log. */
static void
refuse(struct session *s, int code, const char *words, const char *log_words, struct slice text)
{
	struct strbuf out;

	if (!take_arena(s)) {
		s->state = SESSION_CLOSED;
		return;
	}
	metrics_count(&s->env->metrics, errors);
	log_warn(s->env->log, "spamd", "%s: %.*s", log_words,
	         SLICE_FMT(log_quote(s->arena, slice_trim(text), 500)));
	strbuf_init(&out, s->arena, 0);
	strbuf_printf(&out, "SPAMD/1.0 %d %s: ", code, words);
	strbuf_add(&out, text);
	strbuf_add(&out, SLICE("\r\n"));
	answer(s, strbuf_slice(&out));
}

static void
protocol_error(struct session *s, const char *text)
{
	refuse(s, 76, "Bad header line", "bad protocol: header error", slice_from_cstr(text));
}

static void
unavailable(struct session *s, const char *text)
{
	refuse(s, 69, "Service Unavailable", "service unavailable", slice_from_cstr(text));
}

/* ---- ids for the log ---- */

/* Comments out, outer brackets off, odd bytes to ?, brackets on. */
static struct slice
clean_id(struct arena *arena, struct slice value)
{
	unsigned char *out;
	size_t n = 0, depth = 0, open, close;

	if (value.data == NULL || (out = arena_bytes(arena, value.len + 3)) == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0)
			out[n++] = c;
	}
	value = slice_trim(slice_of(out, n));
	open = slice_find_byte(value, '<', 0);
	close = open == SLICE_NPOS ? SLICE_NPOS : slice_find_byte(value, '>', open);
	if (close != SLICE_NPOS)
		value = slice_sub(value, open + 1, close - open - 1);
	if (value.len == 0)
		return SLICE_NULL;
	out = arena_bytes(arena, value.len + 3);
	if (out == NULL)
		return SLICE_NULL;
	out[0] = '<';
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = value.data[i];

		out[i + 1] = c < 0x21 || c > 0x7e || c == '<' || c == '>' || c == ',' ? '?' : c;
	}
	out[value.len + 1] = '>';
	return slice_of(out, value.len + 2);
}

static void
log_begin(struct session *s)
{
	struct header_list *headers = &s->check->scan.message->root->headers;

	s->message_id = clean_id(s->arena, header_list_last(headers, SLICE("message-id")));
	s->resent_id = clean_id(s->arena, header_list_last(headers, SLICE("resent-message-id")));
	if (s->message_id.data == NULL)
		s->message_id = SLICE("(unknown)");
	log_info(s->env->log, "spamd", "%s message %.*s%s%.*s for %.*s:%lu",
	         s->request.verb == SPAMD_PROCESS ? "processing" : "checking",
	         SLICE_FMT(s->message_id), s->resent_id.data == NULL ? "" : " aka ",
	         SLICE_FMT(s->resent_id), SLICE_FMT(s->user), s->env->uid);
}

static void
log_result(struct session *s, struct slice score, struct slice required)
{
	struct check *check = s->check;
	double seconds = (double)(clock_monotonic_us() - s->begun_us) / 1e6;
	struct slice tests, autolearn, shortcircuit;
	bool has_autolearn, has_shortcircuit;

	if (!log_wants(s->env->log, LOG_LEVEL_INFO, "spamd"))
		return;
	tests = tags_tests(check, false, SLICE(","));
	has_autolearn = tags_value(check, SLICE("AUTOLEARN"), SLICE_NULL, false, &autolearn);
	has_shortcircuit = tags_value(check, SLICE("SCTYPE"), SLICE_NULL, false, &shortcircuit);
	log_info(s->env->log, "spamd", "%s (%.*s/%.*s) for %.*s:%lu in %.1f seconds, %zu bytes.",
	         check->is_spam ? "identified spam" : "clean message", SLICE_FMT(score),
	         SLICE_FMT(required), SLICE_FMT(s->user), s->env->uid, seconds, s->message.len);
	log_info(s->env->log, "spamd",
	         "result: %s %2d - %.*s "
	         "scantime=%.1f,size=%zu,user=%.*s,uid=%lu,required_score=%.*s,rhost=%s,"
	         "raddr=%s,rport=%s,mid=%.*s%s%.*s,autolearn=%.*s%s%.*s",
	         check->is_spam ? "Y" : ".", (int)check->score,
	         SLICE_FMT(slice_eq(tests, SLICE("none")) ? SLICE("") : tests), seconds,
	         s->message.len, SLICE_FMT(s->user), s->env->uid, SLICE_FMT(required), s->peer_host,
	         s->peer_addr, s->peer_port, SLICE_FMT(s->message_id),
	         s->resent_id.data == NULL ? "" : ",rmid=", SLICE_FMT(s->resent_id),
	         SLICE_FMT(has_autolearn ? autolearn : SLICE("unavailable")),
	         has_shortcircuit ? ",shortcircuit=" : "",
	         SLICE_FMT(has_shortcircuit ? shortcircuit : SLICE("")));
}

/* --timing: where the time of a request went. */
static void
log_timing(const struct session *s)
{
	int64_t now_us = clock_monotonic_us(), total = now_us - s->begun_us;
	int64_t read = s->read_us - s->begun_us, scan = s->scanned_us - s->read_us;
	int64_t write = now_us - s->scanned_us;
	double percent = total > 0 ? 100.0 / (double)total : 0;

	if (!s->env->options->timing || s->check == NULL)
		return;
	log_info(s->env->log, "timing",
	         "total %.1f ms - read: %.1f (%.1f%%), scan: %.1f (%.1f%%), answer: %.1f (%.1f%%)",
	         (double)total / 1e3, (double)read / 1e3, (double)read * percent,
	         (double)scan / 1e3, (double)scan * percent, (double)write / 1e3,
	         (double)write * percent);
}

/* ---- verdicts ---- */

/* Up to and with the first empty line. */
static struct slice
headers_only(struct slice message)
{
	for (size_t i = 0; (i = slice_find_byte(message, '\n', i)) != SLICE_NPOS; i++) {
		if (i + 1 < message.len && message.data[i + 1] == '\n')
			return slice_sub(message, 0, i + 2);
		if (i + 2 < message.len && message.data[i + 1] == '\r' &&
		    message.data[i + 2] == '\n')
			return slice_sub(message, 0, i + 3);
	}
	return message;
}

static struct slice
verdict_body(struct session *s)
{
	switch (s->request.verb) {
	case SPAMD_PROCESS:
		return rewrite_message(s->check);
	case SPAMD_HEADERS:
		return headers_only(rewrite_message(s->check));
	case SPAMD_REPORT:
		return report_text(s->check);
	case SPAMD_REPORT_IFSPAM:
		return s->check->is_spam ? report_text(s->check) : SLICE("");
	case SPAMD_SYMBOLS: {
		struct slice tests = tags_tests(s->check, false, SLICE(","));

		if (slice_eq(tests, SLICE("none")))
			tests = SLICE("");
		return s->request.version < 1.3 ? arena_concat(s->arena, tests, SLICE("\r\n"))
		                                : tests;
	}
	case SPAMD_NONE:
	case SPAMD_CHECK:
	case SPAMD_TELL:
	case SPAMD_SKIP:
	case SPAMD_PING:
		break;
	}
	return SLICE("");
}

/* A client that asks for it ("Verdict: json") has the verdict as JSON, whatever the verb. */
static void
answer_json(struct session *s, struct slice score, struct slice required)
{
	struct verdict_facts facts = {.message_id = s->message_id,
	                              .user = s->user,
	                              .score = score,
	                              .required = required,
	                              .bytes = s->message.len,
	                              .us = clock_monotonic_us() - s->begun_us};
	struct slice body = verdict_json(s->check, &facts), out;

	out = arena_printf(s->arena,
	                   "SPAMD/1.1 0 EX_OK\r\nContent-length: %zu\r\nContent-type: "
	                   "application/json\r\nSpam: %s ; %.*s / %.*s\r\n\r\n%.*s",
	                   body.len, s->check->is_spam ? "True" : "False", SLICE_FMT(score),
	                   SLICE_FMT(required), SLICE_FMT(body));
	if (body.data == NULL || out.data == NULL)
		unavailable(s, "no memory for the answer");
	else
		answer(s, out);
}

static void
note_verdict(struct session *s, struct slice score, struct slice required)
{
	metrics_count_scan(&s->env->metrics, s->check, s->message.len,
	                   clock_monotonic_us() - s->begun_us);
	log_result(s, score, required);
	if (s->env->options->timing)
		s->scanned_us = clock_monotonic_us();
}

/* The exact framing of each version is what clients parse: see FIELD.md 0.1. */
static void
answer_verdict(struct session *s)
{
	enum spamd_verb verb = s->request.verb;
	double version = s->request.version;
	bool whole = verb == SPAMD_PROCESS || verb == SPAMD_HEADERS;
	struct slice score = tags_score(s->check), required, body;
	const char *word = s->check->is_spam ? "True" : "False";
	struct strbuf out;

	(void)tags_value(s->check, SLICE("REQD"), SLICE_NULL, false, &required);
	if (verb == SPAMD_REPORT_IFSPAM)
		word = s->check->is_spam ? "Yes" : "No";
	scan_set_tag(&s->check->scan, SLICE("REMOTEHOSTNAME"), slice_from_cstr(s->peer_host));
	scan_set_tag(&s->check->scan, SLICE("REMOTEHOSTADDR"), slice_from_cstr(s->peer_addr));
	if (s->request.wants_json) {
		note_verdict(s, score, required);
		answer_json(s, score, required);
		return;
	}
	body = verdict_body(s);
	if (body.data == NULL) {
		unavailable(s, "no memory for the answer");
		return;
	}
	strbuf_init(&out, s->arena, 0);
	strbuf_printf(&out, "SPAMD/%s 0 EX_OK\r\n", whole && version < 1.2 ? "1.0" : "1.1");
	if (verb != SPAMD_CHECK && (version >= 1.3 || (whole && version >= 1.2)))
		strbuf_printf(&out, "Content-length: %zu\r\n", body.len);
	if (!whole || version >= 1.3)
		strbuf_printf(&out, "Spam: %s ; %.*s / %.*s\r\n", word, SLICE_FMT(score),
		              SLICE_FMT(required));
	if (!whole || version >= 1.2)
		strbuf_add(&out, SLICE("\r\n"));
	if (verb != SPAMD_CHECK)
		strbuf_add(&out, body);
	if (strbuf_is_bad(&out)) {
		unavailable(s, "no memory for the answer");
		return;
	}
	note_verdict(s, score, required);
	answer(s, strbuf_slice(&out));
}

void
session_step(struct session *s, int64_t now_ms)
{
	(void)now_ms;
	switch (check_run(s->check)) {
	case CHECK_DONE:
		answer_verdict(s);
		break;
	case CHECK_WAIT:
		s->waiting = true;
		break;
	case CHECK_AGAIN:
		break;
	}
}

/* ---- reading ---- */

/* Inflates the body; STATUS_LIMIT past the size cap. */
static enum status
inflate_body(struct session *s, struct slice body, const char **problem_r)
{
	z_stream z = {0};
	size_t size = body.len * 4 + 4096, used = 0;
	size_t most = (size_t)s->env->options->max_message_bytes;
	int rc = inflateInit(&z);

	/* The line ends are in the reference's texts too. */
	*problem_r = "zlib: inflateInit failed\n";
	if (rc != Z_OK)
		return STATUS_BAD;
	z.next_in = (unsigned char *)(uintptr_t)body.data;
	z.avail_in = (unsigned)body.len;
	for (;;) {
		unsigned char *grown = realloc(s->inflated, size + 1);

		if (grown == NULL)
			break;
		s->inflated = grown;
		z.next_out = s->inflated + used;
		z.avail_out = (unsigned)(size - used);
		rc = inflate(&z, Z_NO_FLUSH);
		used = size - z.avail_out;
		if (rc == Z_STREAM_END || (rc != Z_OK && rc != Z_BUF_ERROR) || z.avail_out > 0 ||
		    used >= most)
			break;
		size *= 2;
	}
	inflateEnd(&z);
	if (rc != Z_STREAM_END) {
		*problem_r = used >= most ? "zlib: message too large when inflated\n"
		                          : "zlib: failed to find end of zlib stream\n";
		return STATUS_BAD;
	}
	/* Lines are ended, also the last one; the block has a byte more. */
	if (used > 0 && s->inflated[used - 1] != '\n')
		s->inflated[used++] = '\n';
	s->message = slice_of(s->inflated, used);
	return STATUS_OK;
}

static void begin_here(struct session *s, struct user_request *user);
static void write_more(struct session *s);

/* ---- a message in a process of its own ---- */

static void
wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	int64_t left = until_ms - clock_monotonic_ms();

	(void)poll(&pollfd, 1, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
}

/* The whole life of that process: it becomes the user, scans, answers, ends. */
static void
run_away(struct session *s, struct user_request *user)
{
	s->env->leave_others(s->env->worker, s);
	if (user_become(user) != STATUS_OK)
		return;
	s->env->uid = (unsigned long)geteuid();
	begin_here(s, user);
	while (s->state == SESSION_SCAN) {
		session_step(s, 0);
		if (s->waiting)
			check_sleep(s->check);
		else if (s->state == SESSION_SCAN && scan_lookups_open(&s->check->scan) > 0)
			resolver_step(s->env->resolver);
		s->waiting = false;
	}
	sandbox_report(s->env->log);
	while (s->state == SESSION_WRITE && clock_monotonic_ms() < s->deadline_ms) {
		write_more(s);
		if (s->state == SESSION_WRITE)
			wait_for(s->fd, session_events(s), s->deadline_ms);
	}
}

/* The worker keeps the reading end of a pipe that the process holds: it ends with it. */
static void
begin_away(struct session *s, struct user_request *user)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
		unavailable(s, "no descriptor for the message's process");
		return;
	}
	s->away_pid = fork();
	if (s->away_pid == 0) {
		close(ends[0]);
		run_away(s, user);
		_exit(0);
	}
	close(ends[1]);
	if (s->away_pid < 0) {
		close(ends[0]);
		unavailable(s, "cannot fork a process for the message");
		return;
	}
	/* The client is the process's now. */
	close(s->fd);
	s->fd = ends[0];
	s->state = SESSION_AWAY;
	s->deadline_ms = s->env->options->timeout_child_s > 0
	                         ? clock_monotonic_ms() + s->env->options->timeout_child_s * 1000 +
	                                   AWAY_GRACE_MS
	                         : INT64_MAX;
	free(s->in);
	s->in = NULL;
	s->in_len = s->in_size = 0;
}

static void
end_away(struct session *s)
{
	int status = 0;

	while (waitpid(s->away_pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		log_error(s->env->log, "spamd",
		          "process [%ld] with a message for %.*s ended by signal %d: connection "
		          "closed",
		          (long)s->away_pid, SLICE_FMT(s->user), WTERMSIG(status));
	s->state = SESSION_CLOSED;
}

/* ---- TELL ---- */

/* What we wrote into it goes: it was learned without. */
static struct slice
without_markup(struct session *s)
{
	const struct core_settings *core = conf_core(s->env->filter->conf);
	struct message *message;
	struct slice clean;

	if (slice_ifind(s->message, SLICE("X-Spam-Checker-Version"), 0) == SLICE_NPOS)
		return s->message;
	message = message_parse(s->arena, s->message, &MESSAGE_OPTIONS_DEFAULT);
	if (message == NULL ||
	    header_list_find(&message->root->headers, SLICE("x-spam-checker-version")) == NULL)
		return s->message;
	clean = markup_remove(s->arena, core, message);
	return clean.data == NULL ? s->message : clean;
}

static bool
learn_as(struct session *s, const struct check_options *options, enum learn_action action)
{
	struct check *check =
		check_create(s->env->filter, s->arena, s->env->match, without_markup(s), options);

	return check != NULL && check->scan.core->use_bayes &&
	       check->scan.core->bayes_learn_during_report &&
	       learn_message(check, action, true) == BAYES_DONE;
}

static void
answer_tell(struct session *s, const struct check_options *options)
{
	const struct spamd_request *r = &s->request;
	bool set = r->set_local && learn_as(s, options, r->class_is_spam ? LEARN_SPAM : LEARN_HAM);
	bool removed = r->remove_local && learn_as(s, options, LEARN_FORGET);

	log_info(s->env->log, "spamd", "Tell:%s%s%sfor %.*s:%lu in %.1f seconds, %zu bytes",
	         set ? " Setting local " : "", removed ? " Removing local " : "",
	         set || removed ? "" : " Did nothing ", SLICE_FMT(s->user), s->env->uid,
	         (double)(clock_monotonic_us() - s->begun_us) / 1e6, s->message.len);
	answer(s,
	       arena_printf(s->arena, "SPAMD/1.1 0 EX_OK\r\n%s%s\r\n\r\n",
	                    set ? "DidSet: local\r\n" : "", removed ? "DidRemove: local\r\n" : ""));
}

static struct learner *
own_learner(struct session_env *env)
{
	if (env->learner == NULL)
		env->learner = learner_create(LEARN_WAIT_MS, env->log);
	return env->learner;
}

static struct user_scores *
own_scores(struct session_env *env)
{
	enum user_scores_source source;
	struct error problem;

	/* What is wrong with it, the server said at its start. */
	if (user_asks_database(env->options, &source) && env->scores == NULL)
		env->scores =
			user_scores_open(conf_core(env->filter->conf), source, env->log, &problem);
	return env->scores;
}

/* Inflates, reads the user's preferences, begins the scan or learns; or answers why not. */
static void
begin_here(struct session *s, struct user_request *user)
{
	struct check_options options = {.limit_ms = s->env->options->timeout_child_s * 1000};
	const char *problem;

	if (s->request.compressed && inflate_body(s, s->message, &problem) != STATUS_OK) {
		unavailable(s, problem);
		return;
	}
	user->scores = own_scores(s->env);
	switch (user_prefs(user, &options.prefs)) {
	case STATUS_OK:
		break;
	case STATUS_IO:
		unavailable(s, s->env->options->sql_config || s->env->options->setuid_with_sql
		                       ? "Error fetching user preferences via SQL"
		                       : "Error fetching user preferences via LDAP");
		return;
	case STATUS_AGAIN:
	case STATUS_NONE:
	case STATUS_BAD:
	case STATUS_LIMIT:
		s->state = SESSION_CLOSED;
		return;
	}
	if (s->env->own_process)
		s->env->resolver = check_resolver(s->env->filter);
	options.resolver = s->env->resolver;
	options.probe = &s->env->probe;
	options.learner = own_learner(s->env);
	options.learner_user = user->learner;
	sandbox_confine(s->env->sandbox, s->env->log);
	if (s->request.verb == SPAMD_TELL) {
		answer_tell(s, &options);
		return;
	}
	s->check = check_create(s->env->filter, s->arena, s->env->match, s->message, &options);
	if (s->check == NULL) {
		unavailable(s, "no memory for the message");
		return;
	}
	log_begin(s);
	if (s->env->options->timing)
		s->read_us = clock_monotonic_us();
	s->state = SESSION_SCAN;
	s->deadline_ms = INT64_MAX;
}

static void
begin_scan(struct session *s, struct slice body)
{
	struct user_request user;

	s->message = body;
	if (!take_arena(s)) {
		s->state = SESSION_CLOSED;
		return;
	}
	user = (struct user_request){
		.options = s->env->options,
		.filter = s->env->filter,
		.log = s->env->log,
		.arena = s->arena,
		.has_name = s->request.has_user,
		.name = slice_of(s->in + s->request.user_at, s->request.user_len)};
	s->user = user.has_name && user.name.len > 0 ? log_quote(s->arena, user.name, 256)
	                                             : SLICE("(unknown)");
	if (s->env->own_process)
		begin_away(s, &user);
	else
		begin_here(s, &user);
}

static void
follow_proof(struct session *s, enum proof proof)
{
	if (proof == PROOF_WAIT)
		s->state = SESSION_IDENT;
	else if (proof == PROOF_GOOD)
		begin_scan(s, s->message);
	else if (s->request.verb == SPAMD_TELL && !s->env->options->auth_ident)
		unavailable(s, tell_is_off);
	else
		refuse(s, 77, "Permission Denied", "permission denied",
		       SLICE("the user named is not known to be who asks"));
}

static void
body_complete(struct session *s, size_t end)
{
	struct slice body = slice_of(s->in + s->request.parsed, end - s->request.parsed);
	struct slice length = slice_of(s->in + s->request.length_at, s->request.length_len);
	char text[160];

	if (s->request.has_length && !s->request.compressed && s->request.length != body.len) {
		snprintf(text, sizeof(text),
		         "(Content-Length mismatch: Expected %.*s bytes, got %zu bytes)",
		         SLICE_FMT(slice_sub(length, 0, 64)), body.len);
		protocol_error(s, text);
		return;
	}
	s->message = body;
	follow_proof(s, proof_begin(s));
}

static void
expect_body(struct session *s)
{
	if (s->request.compressed && !s->request.has_length)
		unavailable(s, "Compress requires Content-length header");
	else
		s->state = SESSION_BODY;
}

static void
check_tell(struct session *s)
{
	const struct spamd_request *r = &s->request;

	if (!s->env->options->allow_tell)
		unavailable(s, tell_is_off);
	else if (r->set_local && r->remove_local)
		protocol_error(s, "Unable to set local and remove local in the same operation.");
	else if (r->set_remote && r->remove_remote)
		protocol_error(s, "Unable to set remote and remove remote in the same operation.");
	else
		expect_body(s);
}

static void
request_complete(struct session *s)
{
	switch (s->request.verb) {
	case SPAMD_PING:
		if (take_arena(s))
			answer(s, SLICE("SPAMD/1.5 0 PONG\r\n"));
		else
			s->state = SESSION_CLOSED;
		break;
	case SPAMD_SKIP:
		log_info(s->env->log, "spamd", "skipped large message in %3.1f seconds",
		         (double)(clock_monotonic_us() - s->begun_us) / 1e6);
		s->state = SESSION_CLOSED;
		break;
	case SPAMD_TELL:
		check_tell(s);
		break;
	case SPAMD_NONE:
	case SPAMD_CHECK:
	case SPAMD_SYMBOLS:
	case SPAMD_REPORT:
	case SPAMD_REPORT_IFSPAM:
	case SPAMD_PROCESS:
	case SPAMD_HEADERS:
		expect_body(s);
		break;
	}
}

/* What is no request is said back, whole. */
static void
refuse_line(struct session *s, struct slice received, const char *text)
{
	struct slice line = slice_sub(received, 0, slice_find_byte(received, '\n', 0));

	if (line.len < received.len && slice_ends(line, SLICE("\r")))
		line.len--;
	if (received.len == 0 || line.len > SPAMD_LINE_MAX)
		protocol_error(s, text);
	else
		refuse(s, 76, "Bad header line", "bad protocol: header error", line);
}

static void
advance(struct session *s, int64_t now_ms)
{
	struct slice received = slice_of(s->in, s->in_len);
	struct error error;
	enum status status;
	size_t end;

	if (s->state == SESSION_LINE || s->state == SESSION_HEADERS) {
		bool had_line = s->request.has_line;

		status = spamd_request_parse(&s->request, received, s->eof, &error);
		if (!had_line && s->request.has_line) {
			s->state = SESSION_HEADERS;
			s->deadline_ms = s->env->options->timeout_child_s > 0
			                         ? now_ms + s->env->options->timeout_child_s * 1000
			                         : INT64_MAX;
		}
		if (status == STATUS_OK)
			request_complete(s);
		else if (status != STATUS_AGAIN && s->request.verb != SPAMD_NONE)
			protocol_error(s, error.text);
		else if (status != STATUS_AGAIN)
			refuse_line(s, received, error.text);
	}
	if (s->state != SESSION_BODY)
		return;
	status = spamd_request_body(&s->request, received, s->eof, &end);
	if (status == STATUS_OK && s->is_cut && !s->request.has_length)
		protocol_error(s, "(message cut short: the TLS stream has no end)");
	else if ((status == STATUS_OK ? end : s->in_len) - s->request.parsed >
	         (size_t)s->env->options->max_message_bytes)
		unavailable(s, "message too large");
	else if (status == STATUS_OK)
		body_complete(s, end);
}

/* An idle client holds four kilobytes; a big message doubles what it has. */
static bool
make_room(struct session *s)
{
	size_t size = s->in_size == 0 ? 4096 : s->in_size * 2;
	unsigned char *grown;

	if (s->in_size - s->in_len >= 2048)
		return true;
	grown = realloc(s->in, size);
	if (grown == NULL)
		return false;
	s->in = grown;
	s->in_size = size;
	return true;
}

static ssize_t
receive(struct session *s, void *data, size_t size)
{
	ssize_t n;

	if (s->tls == NULL)
		return recv(s->fd, data, size, 0);
	n = tls_recv(s->tls, data, size);
	/* The peer just went away: what it sent counts only if it said how much that would be. */
	if (n < 0 && errno == ECONNABORTED) {
		s->is_cut = true;
		return 0;
	}
	return n;
}

static bool
may_read_more(const struct session *s, size_t before)
{
	if (s->eof)
		return false;
	return s->in_len - before < READ_BYTES || (s->tls != NULL && tls_has_pending(s->tls));
}

/* Reads what is there, at most READ_BYTES, so that one fast client cannot keep the others waiting.
 */
static void
read_more(struct session *s, int64_t now_ms)
{
	size_t before = s->in_len;

	while (may_read_more(s, before)) {
		ssize_t n;

		if (!make_room(s)) {
			unavailable(s, "no memory for the message");
			return;
		}
		n = receive(s, s->in + s->in_len, s->in_size - s->in_len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			s->state = SESSION_CLOSED;
			return;
		}
		s->eof = n == 0;
		s->in_len += (size_t)n;
		/* Less than there was room for: that was all, so far.  Of a TLS stream nothing is
		 * read behind the request: a missing end would spoil the answer. */
		if (s->in_len < s->in_size || s->tls != NULL) {
			advance(s, now_ms);
			if (s->tls == NULL || s->state < SESSION_LINE || s->state > SESSION_BODY)
				return;
		}
	}
	if (s->in_len > before || s->eof)
		advance(s, now_ms);
}

/*
 * The end of the answer waits for the FIN, which comes at once: one packet and one wake-up of the
 * client less.  By shutdown, not close: that would drop the answer if there is unread input.
 */
static void
write_more(struct session *s)
{
	while (s->out_sent < s->out.len) {
		size_t left = s->out.len - s->out_sent;
		ssize_t n = s->tls != NULL
		                    ? tls_send(s->tls, s->out.data + s->out_sent, left)
		                    : send(s->fd, s->out.data + s->out_sent, left,
		                           MSG_NOSIGNAL | (left <= LAST_SEND_BYTES ? MSG_MORE : 0));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		s->out_sent += (size_t)n;
	}
	if (s->tls != NULL)
		tls_end(s->tls);
	(void)shutdown(s->fd, SHUT_WR);
	log_timing(s);
	s->state = SESSION_CLOSED;
}

void
session_timeout(struct session *s)
{
	char text[128];

	metrics_count(&s->env->metrics, timeouts);
	if (s->state == SESSION_AWAY) {
		kill(s->away_pid, SIGKILL);
		end_away(s);
		return;
	}
	if (s->state == SESSION_IDENT) {
		proof_give_up(s);
		follow_proof(s, PROOF_BAD);
		return;
	}
	if (s->state == SESSION_WRITE || s->state == SESSION_HANDSHAKE) {
		if (s->state == SESSION_HANDSHAKE)
			log_handshake_failed(s, "peer does not go on");
		s->state = SESSION_CLOSED;
		return;
	}
	if (!s->request.has_line)
		snprintf(text, sizeof(text),
		         "(%ld second socket timeout reading input from client)",
		         s->env->options->timeout_tcp_s);
	else
		snprintf(text, sizeof(text), "(%ld second timeout while trying to %s)",
		         s->env->options->timeout_child_s, spamd_verb_name(s->request.verb));
	refuse(s, 79, "Timeout", "timeout", slice_from_cstr(text));
	if (s->state == SESSION_WRITE)
		write_more(s);
}

short
session_events(const struct session *s)
{
	switch (s->state) {
	case SESSION_HANDSHAKE:
		return tls_events(s->tls);
	case SESSION_LINE:
	case SESSION_HEADERS:
	case SESSION_BODY:
		return s->tls == NULL ? POLLIN : tls_events(s->tls);
	case SESSION_WRITE:
		return s->tls == NULL ? POLLOUT : tls_events(s->tls);
	case SESSION_SCAN:
		return s->waiting ? POLLIN : 0;
	case SESSION_AWAY:
		return POLLIN;
	case SESSION_IDENT:
		return ident_events(s->ident);
	case SESSION_CLOSED:
		break;
	}
	return 0;
}

int
session_fd(const struct session *s)
{
	if (s->state == SESSION_IDENT)
		return s->ident->fd;
	return s->waiting ? s->check->scan.wait.fd : s->fd;
}

bool
session_is_due(const struct session *s, int64_t now_ms)
{
	return s->waiting && (s->check->scan.wait.until_ms <= now_ms ||
	                      scan_lookups_have_answers(&s->check->scan));
}

bool
session_waits_for_answers(const struct session *s)
{
	return s->state == SESSION_SCAN && s->waiting && s->check->scan.wait.for_answers;
}

static void
shake_hands(struct session *s)
{
	struct error error;

	switch (tls_handshake(s->tls, &error)) {
	case STATUS_OK:
		s->state = SESSION_LINE;
		session_log_connection(s, true);
		break;
	case STATUS_AGAIN:
		break;
	case STATUS_NONE:
	case STATUS_BAD:
	case STATUS_LIMIT:
	case STATUS_IO:
		log_handshake_failed(s, error.text);
		s->state = SESSION_CLOSED;
		break;
	}
}

void
session_ready(struct session *s, int64_t now_ms)
{
	s->waiting = false;
	if (s->state == SESSION_HANDSHAKE)
		shake_hands(s);
	if (s->state == SESSION_AWAY) {
		end_away(s);
		return;
	}
	if (s->state == SESSION_WRITE)
		write_more(s);
	else if (s->state == SESSION_IDENT)
		follow_proof(s, proof_step(s));
	else if (s->state >= SESSION_LINE && s->state <= SESSION_BODY)
		read_more(s, now_ms);
	if (s->state == SESSION_WRITE)
		write_more(s);
}
