/*
 * dcc.c - Mail::SpamAssassin::Plugin::DCC: checksums of bulk mail
 *
 * The daemon dccifd is asked over its socket, or else the program dccproc.  Either answers with an
 * X-DCC header field: how often the body's checksums were seen, and the sender's reputation.
 * dcc_learn_score is read and has no effect: nothing is told to DCC but by reporting.
 */
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/args.h"
#include "plugins/dccifd.h"
#include "plugins/report.h"
#include "util/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

struct dcc_settings {
	double dcc_body_max;
	struct slice dcc_dccifd_path;
	double dcc_fuz1_max;
	double dcc_fuz2_max;
	struct slice dcc_home;
	double dcc_learn_score;
	struct slice dcc_options;
	struct slice dcc_path;
	double dcc_rep_percent;
	double dcc_timeout;
	struct slice dccifd_options;
	bool use_dcc;
	bool use_dcc_rep;
	/* found when all is read */
	bool is_on;         /* network tests */
	const char *socket; /* of dccifd, which may come and go; NULL: it listens on TCP */
	struct dccifd_place tcp;
	const char *program; /* dccproc; NULL: none */
};

struct waiting {
	const struct rule *rule;
	bool is_range;
	double min, max;
};

struct dcc_state {
	bool begun, ended;
	bool has_talk; /* with dccifd, else with dccproc */
	struct dccifd_talk talk;
	struct program program;
	VEC(struct waiting) waiting;
	bool is_listed;
	double reputation; /* < 0: unknown */
};

/* ---- configuration ---- */

static enum conf_result
parse_options(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (!byte_is_alnum(value.data[i]) && strchr(" ,._/-", value.data[i]) == NULL) {
			log_info(reader->log, "config",
			         "%s '%.*s' contains impermissible characters", d->name,
			         SLICE_FMT(value));
			return CONF_INVALID;
		}
	if (value.len == 0)
		return CONF_INVALID;
	*(struct slice *)((char *)data + d->offset) = arena_dup(reader->arena, value);
	return CONF_OK;
}

static bool
is_dir(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static enum conf_result
parse_home(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	const char *path;

	if (value.len == 0)
		return CONF_MISSING;
	path = arena_cstr(reader->arena, value);
	if (path == NULL || !is_dir(path)) {
		log_info(reader->log, "config", "dcc_home \"%.*s\" is not a directory",
		         SLICE_FMT(value));
		return CONF_INVALID;
	}
	*(struct slice *)((char *)data + d->offset) = slice_from_cstr(path);
	return CONF_OK;
}

/* HOST:PORT or [HOST]:PORT; false: it is a path. */
static bool
split_host(struct slice value, struct slice *host_r, struct slice *port_r)
{
	size_t colon = slice_rfind_byte(value, ':');

	if (colon == SLICE_NPOS)
		return false;
	*host_r = slice_sub(value, 0, colon);
	*port_r = slice_from(value, colon + 1);
	if (slice_starts(*host_r, SLICE("[")) && slice_ends(*host_r, SLICE("]"))) {
		*host_r = slice_sub(*host_r, 1, host_r->len - 2);
		return !slice_has_byte(*host_r, ']');
	}
	return !slice_has_byte(*host_r, ':');
}

static enum conf_result
parse_dccifd(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct dcc_settings *settings = data;
	struct slice host, port;
	unsigned long long number;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (split_host(value, &host, &port) &&
	    (host.len == 0 || !slice_to_u64(port, 65535, &number) || number == 0)) {
		log_info(reader->log, "config",
		         "missing or bad host name or TCP port number in dcc_dccifd_path '%.*s'",
		         SLICE_FMT(value));
		return CONF_INVALID;
	}
	settings->dcc_dccifd_path = arena_dup(reader->arena, value);
	return CONF_OK;
}

static void
find_dccifd(struct conf_reader *reader, struct dcc_settings *settings, const char *home)
{
	struct slice host, port, value = settings->dcc_dccifd_path;

	if (value.len == 0)
		settings->socket =
			(const char *)arena_printf(reader->arena, "%s/dccifd", home).data;
	else if (!split_host(value, &host, &port))
		settings->socket = arena_cstr(reader->arena, value);
	else if (!dccifd_place_tcp(&settings->tcp, arena_cstr(reader->arena, host),
	                           arena_cstr(reader->arena, port)))
		log_warn(reader->log, "dcc", "dcc_dccifd_path %.*s: the host has no address",
		         SLICE_FMT(value));
}

static bool
has_dccifd(const struct dcc_settings *settings)
{
	struct stat st;

	if (settings->socket == NULL)
		return settings->tcp.length > 0;
	return stat(settings->socket, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       access(settings->socket, R_OK | W_OK) == 0;
}

static void
find_dcc(struct conf_reader *reader, void *data)
{
	struct dcc_settings *settings = data;
	const char *home = "/var/dcc";
	const char *dirs[] = {
		NULL, "/var/dcc/libexec", "/usr/local/bin", "/usr/local/dcc", "/var/dcc", NULL};

	settings->is_on = !reader->local_tests_only && settings->use_dcc;
	if (!settings->is_on)
		return;
	if (settings->dcc_learn_score > 0)
		log_warn(reader->log, "dcc",
		         "dcc_learn_score has no effect: report spam with spamassassin -r");
	if (settings->dcc_home.len > 0)
		home = arena_cstr(reader->arena, settings->dcc_home);
	else
		settings->dcc_home = slice_from_cstr(home);
	dirs[0] = (const char *)arena_printf(reader->arena, "%s/bin", home).data;
	find_dccifd(reader, settings, home);
	settings->program = settings->dcc_path.len > 0
	                            ? arena_cstr(reader->arena, settings->dcc_path)
	                            : program_find(reader->arena, "dccproc", dirs);
	if (settings->program == NULL && !has_dccifd(settings))
		log_info(reader->log, "dcc",
		         "neither dccifd nor dccproc found: DCC is not asked before dccifd "
		         "listens on %s; install DCC, or set dcc_home, dcc_path or "
		         "dcc_dccifd_path",
		         settings->socket);
}

static bool
runs_programs(const void *data)
{
	const struct dcc_settings *settings = data;

	return settings->is_on && (settings->program != NULL || has_dccifd(settings));
}

/* ---- the X-DCC header field ---- */

/* The number behind "Body=", "many" and "ok" in it; false: none is there. */
static bool
find_count(struct slice header, struct slice label, double *count_r)
{
	for (size_t at = slice_find(header, label, 0); at != SLICE_NPOS;
	     at = slice_find(header, label, at + 1)) {
		struct slice value = slice_from(header, at + label.len), digits;
		unsigned long long number;

		if (at > 0 && byte_is_word(header.data[at - 1]))
			continue;
		digits = slice_sub(value, 0, slice_span(value, "0123456789", 0));
		if (slice_istarts(value, SLICE("many")))
			*count_r = 999999;
		else if (slice_istarts(value, SLICE("ok")))
			*count_r = 0;
		else if (slice_to_u64(digits, 1ULL << 53, &number))
			*count_r = (double)number;
		else
			continue;
		return true;
	}
	return false;
}

static void
set_tags(struct scan *scan, struct slice header)
{
	size_t end = slice_find(header, SLICE("-Metrics: "), 0);
	struct slice brand = slice_sub(header, 6, end - 6);

	if (!slice_starts(header, SLICE("X-DCC-")) || end == SLICE_NPOS ||
	    slice_has_byte(brand, ':'))
		return;
	scan_set_tag(scan, SLICE("DCCB"), brand);
	scan_set_tag(scan, SLICE("DCCR"), slice_from(header, end + 10));
}

static void
read_header(struct scan *scan, struct dcc_state *state, struct slice header)
{
	const struct dcc_settings *settings = plugin_settings(scan->conf, &plugin_dcc);
	double body = 0, fuz1 = 0, fuz2 = 0, reputation = 0;

	set_tags(scan, header);
	(void)find_count(header, SLICE("Body="), &body);
	(void)find_count(header, SLICE("Fuz1="), &fuz1);
	(void)find_count(header, SLICE("Fuz2="), &fuz2);
	if (settings->use_dcc_rep && find_count(header, SLICE("rep="), &reputation)) {
		state->reputation = reputation;
		scan_set_tag(scan, SLICE("DCCREP"), arena_printf(scan->arena, "%.0f", reputation));
	}
	state->is_listed = body >= settings->dcc_body_max || fuz1 >= settings->dcc_fuz1_max ||
	                   fuz2 >= settings->dcc_fuz2_max ||
	                   reputation >= settings->dcc_rep_percent;
	if (state->is_listed)
		log_debug(scan->log, "dcc",
		          "listed: BODY=%.0f/%.15g FUZ1=%.0f/%.15g FUZ2=%.0f/%.15g REP=%.0f/%.15g",
		          body, settings->dcc_body_max, fuz1, settings->dcc_fuz1_max, fuz2,
		          settings->dcc_fuz2_max, reputation, settings->dcc_rep_percent);
}

/* The first line and what is folded behind it; data NULL: there is none. */
static struct slice
header_of(struct scan *scan, struct slice response, bool is_dccifd)
{
	struct slice line;
	struct strbuf header;

	/* status and status of the recipient */
	for (int i = 0; is_dccifd && i < 2; i++)
		(void)slice_next_line(&response, &line);
	if (!slice_next_line(&response, &line))
		return SLICE_NULL;
	strbuf_init(&header, scan->arena, 0);
	strbuf_add(&header,
	           slice_ends(line, SLICE("\n")) ? slice_sub(line, 0, line.len - 1) : line);
	while (slice_next_line(&response, &line) && line.len > 2 && line.data[0] == '\t' &&
	       slice_ends(line, SLICE("\n"))) {
		strbuf_add_byte(&header, ' ');
		strbuf_add(&header, slice_sub(line, 1, line.len - 2));
	}
	if (!slice_starts(strbuf_slice(&header), SLICE("X-DCC")))
		log_info(scan->log, "dcc", "instead of X-DCC header, %s returned '%.*s'",
		         is_dccifd ? "dccifd" : "dccproc",
		         SLICE_FMT(log_quote(scan->arena, strbuf_slice(&header), 300)));
	return strbuf_slice(&header);
}

/* ---- asking ---- */

static const struct relay *
first_external(const struct scan *scan)
{
	return scan->relays.external.count > 0 ? scan->relays.external.items[0] : NULL;
}

static struct slice
make_request(struct scan *scan, const struct dcc_settings *settings, struct slice text,
             bool is_report)
{
	const struct relay *relay = first_external(scan);
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	/* dccifd before 1.3.123 (2010) did not know them */
	strbuf_add_cstr(&out, is_report ? "header spam grey-off " : "cksums grey-off ");
	strbuf_add(&out, settings->dccifd_options);
	strbuf_add_byte(&out, '\n');
	if (relay != NULL) {
		strbuf_add(&out, relay->ip);
		strbuf_add_byte(&out, '\r');
		strbuf_add(&out, relay->rdns);
	}
	strbuf_add_byte(&out, '\n');
	if (relay != NULL)
		strbuf_add(&out, relay->helo);
	strbuf_add_cstr(&out, "\n\nunknown\n\n");
	strbuf_add(&out, text);
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

static const char *const *
make_argv(struct scan *scan, const struct dcc_settings *settings, bool is_report)
{
	const struct relay *relay = first_external(scan);
	const char *argv[16] = {settings->program, "-C", "-x", "0"};
	size_t n = 4;

	if (settings->dcc_home.len > 0) {
		argv[n++] = "-h";
		argv[n++] = arena_cstr(scan->arena, settings->dcc_home);
	}
	if (is_report) {
		argv[n++] = "-t";
		argv[n++] = "many";
	}
	argv[n++] = relay != NULL && relay->ip.len > 0 ? "-a" : "-R";
	if (relay != NULL && relay->ip.len > 0)
		argv[n++] = arena_cstr(scan->arena, relay->ip);
	argv[n++] = "-w";
	argv[n++] = "whiteclnt";
	return program_argv(scan->arena, argv, settings->dcc_options, NULL);
}

static bool
begin_talk(struct scan *scan, const struct dcc_settings *settings, struct dccifd_talk *talk,
           struct slice text, bool is_report)
{
	struct dccifd_place place = settings->tcp;
	struct slice request = make_request(scan, settings, text, is_report);
	int64_t deadline = program_deadline(scan, settings->dcc_timeout);

	if (!has_dccifd(settings) || request.data == NULL ||
	    (settings->socket != NULL && !dccifd_place_unix(&place, settings->socket)))
		return false;
	if (dccifd_begin(talk, scan->arena, &place, request, deadline)) {
		log_debug(scan->log, "dcc", "connecting to dccifd");
		return true;
	}
	log_info(scan->log, "dcc", "failed to connect to dccifd: %s", strerror(errno));
	return false;
}

static void
begin(struct scan *scan, const struct dcc_settings *settings, struct dcc_state *state)
{
	struct slice text = scan->message->pristine;

	state->begun = true;
	state->reputation = -1;
	state->program.area = "dcc";
	scan_set_tag(scan, SLICE("DCCB"), SLICE(""));
	scan_set_tag(scan, SLICE("DCCR"), SLICE(""));
	scan_set_tag(scan, SLICE("DCCREP"), SLICE(""));
	if (text.len == 0) {
		log_debug(scan->log, "dcc", "empty message; skipping dcc check");
		state->ended = true;
		return;
	}
	state->has_talk = begin_talk(scan, settings, &state->talk, text, false);
	if (!state->has_talk &&
	    (settings->program == NULL ||
	     !program_start(scan, &state->program, make_argv(scan, settings, false), text,
	                    settings->dcc_timeout)))
		state->ended = true;
}

/* ---- the scan ---- */

static void
settle(struct scan *scan, const struct dcc_state *state, const struct waiting *w)
{
	if (w->is_range ? state->reputation >= 0 && state->reputation >= w->min &&
	                          state->reputation <= w->max
	                : state->is_listed)
		scan_hit(scan, w->rule, "", 1);
}

static int
wait_for(struct scan *scan, const struct dcc_settings *settings, const struct waiting *waiting)
{
	struct dcc_state *state;

	if (!settings->is_on || !settings->use_dcc || scan->env->local_tests_only ||
	    (state = scan_state(scan, &plugin_dcc)) == NULL)
		return 0;
	if (!state->begun)
		begin(scan, settings, state);
	if (!state->ended)
		(void)vec_push(scan->arena, &state->waiting, *waiting);
	return EVAL_PENDING;
}

static int
check_dcc(struct scan *scan, const struct eval_call *call)
{
	const struct waiting waiting = {.rule = call->rule};

	return wait_for(scan, call->settings, &waiting);
}

/* MIN, MAX */
static int
check_dcc_reputation_range(struct scan *scan, const struct eval_call *call)
{
	const struct dcc_settings *settings = call->settings;
	struct waiting waiting = {call->rule, true, 0, 100};

	if (!settings->use_dcc_rep)
		return 0;
	if (call->arg_count > 0)
		(void)slice_to_decimal(call->args[0], &waiting.min);
	if (call->arg_count > 1)
		(void)slice_to_decimal(call->args[1], &waiting.max);
	return wait_for(scan, settings, &waiting);
}

/* false: not yet. */
static bool
step(struct scan *scan, struct dcc_state *state, struct slice *response_r)
{
	struct child_result result;

	*response_r = SLICE("");
	if (!state->has_talk) {
		if (!program_step(scan, &state->program, &result))
			return false;
		if (result.timed_out)
			log_info(scan->log, "dcc", "dccproc timed out");
		else
			*response_r = result.output;
		return true;
	}
	if (!dccifd_step(&state->talk)) {
		int64_t soon = clock_monotonic_ms() + 10;

		scan->wait = (struct scan_wait){.fd = state->talk.fd,
		                                .until_ms = state->talk.deadline_ms};
		if (state->talk.sent < state->talk.request.len && soon < scan->wait.until_ms)
			scan->wait.until_ms = soon;
		return false;
	}
	*response_r = strbuf_slice(&state->talk.response);
	return true;
}

static bool
outside(struct scan *scan, bool give_up)
{
	struct dcc_state *state = scan_state(scan, &plugin_dcc);
	struct slice response, header;

	if (state == NULL || !state->begun || state->ended)
		return true;
	if (give_up) {
		log_debug(scan->log, "dcc", "bailing out due to deadline/shortcircuit");
		program_end(&state->program);
		if (state->has_talk)
			dccifd_end(&state->talk);
		state->ended = true;
		return true;
	}
	if (!step(scan, state, &response))
		return false;
	state->ended = true;
	header = header_of(scan, response, state->has_talk);
	if (header.data == NULL) {
		log_info(scan->log, "dcc", "no answer from %s",
		         state->has_talk ? "dccifd" : "dccproc");
		return true;
	}
	log_debug(scan->log, "dcc", "parsed response: %.*s",
	          SLICE_FMT(log_quote(scan->arena, header, 500)));
	read_header(scan, state, header);
	for (size_t i = 0; i < state->waiting.count; i++)
		settle(scan, state, &state->waiting.items[i]);
	return true;
}

/* ---- reporting ---- */

static bool
report_by_dccifd(struct scan *scan, const struct dcc_settings *settings, struct slice text)
{
	struct dccifd_talk *talk = arena_new(scan->arena, struct dccifd_talk);

	if (talk == NULL || !begin_talk(scan, settings, talk, text, true))
		return false;
	while (!dccifd_step(talk)) {
		struct pollfd fd = {talk->fd, POLLIN, 0};

		if (talk->sent < talk->request.len)
			fd.events |= POLLOUT;
		(void)poll(&fd, 1, 100);
	}
	return header_of(scan, strbuf_slice(&talk->response), true).data != NULL;
}

static void
report(struct scan *scan, struct report *report)
{
	const struct dcc_settings *settings = plugin_settings(scan->conf, &plugin_dcc);

	if (!settings->is_on || !settings->use_dcc || report->is_revoke)
		return;
	if (has_dccifd(settings) && report_by_dccifd(scan, settings, report->text))
		report_result(scan, report, "DCC", true);
	else if (settings->program != NULL)
		report_by_program(scan, report, "DCC", make_argv(scan, settings, true),
		                  settings->dcc_timeout);
	else if (has_dccifd(settings))
		report_result(scan, report, "DCC", false);
}

#define AT(field) offsetof(struct dcc_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "dcc_body_max", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_body_max), "999999", NULL },
	{ "dcc_dccifd_path", NULL, CONF_CUSTOM, CONF_ADMIN, AT(dcc_dccifd_path), NULL, parse_dccifd },
	{ "dcc_fuz1_max", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_fuz1_max), "999999", NULL },
	{ "dcc_fuz2_max", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_fuz2_max), "999999", NULL },
	{ "dcc_home", NULL, CONF_CUSTOM, CONF_ADMIN, AT(dcc_home), NULL, parse_home },
	{ "dcc_learn_score", NULL, CONF_NUMERIC, CONF_ADMIN, AT(dcc_learn_score), NULL, NULL },
	{ "dcc_options", NULL, CONF_CUSTOM, CONF_ADMIN, AT(dcc_options), NULL, parse_options },
	{ "dcc_path", NULL, CONF_CUSTOM, CONF_ADMIN, AT(dcc_path), NULL, program_parse_path },
	{ "dcc_rep_percent", NULL, CONF_NUMERIC, CONF_USER, AT(dcc_rep_percent), "90", NULL },
	{ "dcc_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(dcc_timeout), "5", NULL },
	{ "dccifd_options", NULL, CONF_CUSTOM, CONF_ADMIN, AT(dccifd_options), NULL, parse_options },
	{ "use_dcc", NULL, CONF_BOOL, CONF_USER, AT(use_dcc), "1", NULL },
	{ "use_dcc_rep", NULL, CONF_BOOL, CONF_USER, AT(use_dcc_rep), "1", NULL },
};
static const struct plugin_eval evals[] = {
	{ "check_dcc", EVAL_FULL, check_dcc, NULL },
	{ "check_dcc_reputation_range", EVAL_FULL, check_dcc_reputation_range, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"DCCB", "DCCR", "DCCREP", NULL};

const struct plugin plugin_dcc = {
	.id = PLUGIN_ID_dcc,
	.class_name = "Mail::SpamAssassin::Plugin::DCC",
	.module =
		{
			.name = "dcc",
			.settings_size = sizeof(struct dcc_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.tags = tags,
	.state_size = sizeof(struct dcc_state),
	.needs_network = true,
	.finish_end = find_dcc,
	.outside = outside,
	.report = report,
	.runs_programs = runs_programs,
};
