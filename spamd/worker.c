/*
 * worker.c - one poll loop over many clients
 */
#include "spamd/worker.h"

#include <errno.h>
#include <malloc.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/resolver.h"
#include "spamd/user.h"
#include "util/clock.h"

enum {
	SESSIONS_MAX = 4096,
	CROWD = 64,       /* clients */
	ACCEPT_MOST = 32, /* in one turn, when there is a crowd */
	FIXED_FDS = 2,    /* the parent's pipe, the resolver's */
	/* Messages that wait for DNS besides those that are worked on: a worker that dies takes
	 * them along, and each holds its memory. */
	WAITING_MAX = 1000,
	WAITING_BYTES_MAX = 512 * 1024 * 1024,
	/* What messages took goes back to the host, so many ms later: pages that go at once must be
	 * faulted in again by the next one, which costs more than the scan. */
	TRIM_MS = 1000,
	/* blocks below this stay with the process from message to message */
	KEEP_BYTES = 64 * 1024 * 1024
};

struct worker {
	const struct worker_config *config;
	struct session_env env;
	struct session *sessions[SESSIONS_MAX];
	size_t session_count, session_max;
	size_t scans, scanning;        /* those in hand; those of them that do not wait */
	size_t waiting, waiting_bytes; /* others: they wait for DNS alone */
	size_t next_scan;
	unsigned long served;
	struct resolver_counts counted; /* for the metrics */
	bool stopping;
	int64_t trim_at_ms; /* INT64_MAX: nothing to give back */
	bool accept_paused; /* out of descriptors until a session ends */
	struct pollfd *fds;
	sigset_t open_mask; /* while it sleeps */
};

static volatile sig_atomic_t stop_asked;

static void
on_stop(int signal_number)
{
	(void)signal_number;
	stop_asked = 1;
}

/* ---- accepting ---- */

static void
describe_peer(struct session *s, const struct listener *listener,
              const struct sockaddr_storage *addr, socklen_t len)
{
	if (listener->is_unix) {
		snprintf(s->peer_host, sizeof(s->peer_host), "localhost");
		snprintf(s->peer_addr, sizeof(s->peer_addr), "127.0.0.1");
		snprintf(s->peer_port, sizeof(s->peer_port), "%.*s", SLICE_FMT(listener->name));
		return;
	}
	if (getnameinfo((const struct sockaddr *)addr, len, s->peer_addr, sizeof(s->peer_addr),
	                s->peer_port, sizeof(s->peer_port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(s->peer_addr, sizeof(s->peer_addr), "unknown");
	/* No name is looked up: a slow resolver would hold everybody. */
	if (strcmp(s->peer_addr, "127.0.0.1") == 0 || strcmp(s->peer_addr, "::1") == 0)
		snprintf(s->peer_host, sizeof(s->peer_host), "localhost");
	else
		snprintf(s->peer_host, sizeof(s->peer_host), "%s", s->peer_addr);
}

/* false: not served. */
static bool
admit(const struct worker *w, struct session *s)
{
	if (!s->listener->is_unix &&
	    !allowed_has(w->config->allowed, slice_from_cstr(s->peer_addr))) {
		session_log_connection(s, false);
		return false;
	}
	if (s->listener->is_tls)
		return session_start_tls(s, w->config->tls);
	session_log_connection(s, true);
	return true;
}

/* false: nobody is waiting, or may not be let in now. */
static bool
accept_one(struct worker *w, const struct listener *listener, int64_t now_ms)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	int fd =
		accept4(listener->fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct session *s;

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warn(w->env.log, "spamd", "accept: %s: waiting for a connection to end",
			         strerror(errno));
			w->accept_paused = true;
		}
		return false;
	}
	s = session_create(&w->env, fd, now_ms);
	if (s == NULL)
		return false;
	s->listener = listener;
	metrics_count(&w->env.metrics, connections);
	describe_peer(s, listener, &addr, len);
	if (!admit(w, s)) {
		session_destroy(&s);
		return false;
	}
	w->sessions[w->session_count++] = s;
	atomic_store(&w->config->slot->connections, (int)w->session_count);
	/* Most clients have sent their request by now. */
	session_ready(s, now_ms);
	return true;
}

static bool
may_accept(const struct worker *w)
{
	return !w->stopping && !w->accept_paused && w->waiting < WAITING_MAX &&
	       w->waiting_bytes < WAITING_BYTES_MAX &&
	       w->scans < (size_t)w->config->options->max_scans_per_child;
}

/* With many clients a turn of the loop is dear: then it lets in more than one. */
static void
accept_some(struct worker *w, const struct listener *listener, int64_t now_ms)
{
	size_t most = w->session_count < CROWD ? 1 : ACCEPT_MOST;

	for (size_t n = 0; n < most && w->session_count < w->session_max && may_accept(w); n++)
		if (!accept_one(w, listener, now_ms))
			break;
}

/* Oldest clients that have not sent their request yet: make room when the table is full. */
static void
drop_idle(struct worker *w)
{
	size_t dropped = 0;

	for (size_t i = 0; i < w->session_count && dropped < ACCEPT_MOST; i++)
		if (w->sessions[i]->state <= SESSION_BODY) {
			w->sessions[i]->state = SESSION_CLOSED;
			dropped++;
		}
}

/* ---- the loop ---- */

static void
sweep(struct worker *w)
{
	size_t kept = 0, scans = 0, scanning = 0, waiting = 0, waiting_bytes = 0;
	bool trim = false;

	for (size_t i = 0; i < w->session_count; i++) {
		struct session *s = w->sessions[i];

		if (s->state == SESSION_CLOSED) {
			trim = true;
			w->served++;
			session_destroy(&s);
			w->accept_paused = false;
			continue;
		}
		if (session_waits_for_answers(s)) {
			waiting++;
			waiting_bytes += session_bytes(s);
		} else {
			scans += s->state == SESSION_SCAN || s->state == SESSION_AWAY;
		}
		scanning += s->state == SESSION_SCAN && !s->waiting;
		w->sessions[kept++] = s;
	}
	w->session_count = kept;
	w->scans = scans;
	w->scanning = scanning;
	w->waiting = waiting;
	w->waiting_bytes = waiting_bytes;
	atomic_store(&w->config->slot->connections, (int)kept);
	atomic_store(&w->config->slot->scans, (int)scans);
	if (scans + waiting > 0)
		atomic_store(&w->config->slot->was_busy, 1);
	if (trim && w->trim_at_ms == INT64_MAX)
		w->trim_at_ms = clock_monotonic_ms() + TRIM_MS;
}

static void
give_back(struct worker *w, int64_t now_ms)
{
	if (now_ms < w->trim_at_ms)
		return;
	w->trim_at_ms = INT64_MAX;
	malloc_trim(0);
}

static int
poll_timeout(const struct worker *w, int64_t now_ms)
{
	int64_t nearest = now_ms + 60000;

	if (w->scanning > 0)
		return 0;
	if (w->trim_at_ms < nearest)
		nearest = w->trim_at_ms;
	for (size_t i = 0; i < w->session_count; i++) {
		const struct session *s = w->sessions[i];
		int64_t next = s->waiting ? s->check->scan.wait.until_ms : s->deadline_ms;

		if (next < nearest)
			nearest = next;
	}
	if (nearest <= now_ms)
		return 0;
	return w->env.resolver == NULL ? (int)(nearest - now_ms)
	                               : resolver_wait_ms(w->env.resolver, (int)(nearest - now_ms));
}

static size_t
fill_fds(struct worker *w)
{
	const struct listener_set *listeners = w->config->listeners;
	size_t n = 0;

	w->fds[n++] = (struct pollfd){.fd = w->config->parent_pipe, .events = POLLIN};
	w->fds[n++] =
		(struct pollfd){.fd = w->env.resolver == NULL ? -1 : resolver_fd(w->env.resolver),
	                        .events = POLLIN};
	for (size_t i = 0; i < listeners->items.count; i++)
		w->fds[n++] = (struct pollfd){
			.fd = may_accept(w) ? listeners->items.items[i].fd : -1, .events = POLLIN};
	for (size_t i = 0; i < w->session_count; i++) {
		short events = session_events(w->sessions[i]);

		w->fds[n++] = (struct pollfd){.fd = events != 0 ? session_fd(w->sessions[i]) : -1,
		                              .events = events};
	}
	return n;
}

static void
serve_ready(struct worker *w, int64_t now_ms)
{
	size_t listeners = w->config->listeners->items.count, count = w->session_count;
	const struct pollfd *fds = w->fds + FIXED_FDS;

	if (w->fds[0].revents != 0)
		w->stopping = true; /* the parent is gone: finish what is in hand */
	for (size_t i = 0; i < count; i++)
		if (fds[listeners + i].revents != 0 || session_is_due(w->sessions[i], now_ms))
			session_ready(w->sessions[i], now_ms);
	for (size_t i = 0; i < listeners; i++) {
		if (fds[i].revents == 0 || !may_accept(w))
			continue;
		if (w->session_count >= w->session_max) {
			drop_idle(w);
			continue;
		}
		accept_some(w, &w->config->listeners->items.items[i], now_ms);
	}
	for (size_t i = 0; i < w->session_count; i++)
		if (w->sessions[i]->deadline_ms <= now_ms &&
		    w->sessions[i]->state != SESSION_CLOSED)
			session_timeout(w->sessions[i]);
}

/* Steps of scans, in turn, for some milliseconds at most. */
static void
scan_some(struct worker *w)
{
	int64_t until = clock_coarse_ms() + 5; /* a step is short: the coarse clock will do */

	while (w->scanning > 0 && clock_coarse_ms() < until) {
		struct session *s = w->sessions[w->next_scan++ % w->session_count];

		if (s->state != SESSION_SCAN || s->waiting)
			continue;
		session_step(s, 0);
		if (s->waiting) {
			w->scanning--;
		} else if (s->state != SESSION_SCAN) {
			w->scanning--;
			session_ready(s, clock_monotonic_ms());
		}
	}
}

static bool
is_used_up(const struct worker *w)
{
	long limit = w->config->options->max_conn_per_child;

	return limit > 0 && w->served >= (unsigned long)limit;
}

/* So that the address is free while the last messages are scanned. */
static void
stop_listening(struct worker *w)
{
	struct listener_set *set = w->config->listeners;

	for (size_t i = 0; i < set->items.count && set->items.items[i].fd >= 0; i++) {
		close(set->items.items[i].fd);
		set->items.items[i].fd = -1;
	}
}

static void
loop(struct worker *w)
{
	while (!(w->stopping && w->session_count == 0)) {
		int64_t now_ms = clock_monotonic_ms();
		size_t n = fill_fds(w);
		int timeout_ms = poll_timeout(w, now_ms);
		struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
		/* Signals come here and nowhere else: none is missed on the way to sleep. */
		int ready = ppoll(w->fds, n, &timeout, &w->open_mask);

		now_ms = clock_monotonic_ms();
		if (w->env.resolver != NULL) {
			resolver_step(w->env.resolver);
			metrics_count_dns(&w->env.metrics, resolver_counts(w->env.resolver),
			                  &w->counted);
		}
		if (ready > 0 || w->scanning == 0)
			serve_ready(w, now_ms);
		sweep(w);
		scan_some(w);
		sweep(w);
		give_back(w, now_ms);
		sandbox_report(w->env.log);
		if (stop_asked || atomic_load(&w->config->slot->draining) || is_used_up(w)) {
			stop_listening(w);
			w->stopping = true;
			atomic_store(&w->config->slot->draining, 1);
		}
	}
}

/* In a process that a message has for itself. */
static void
leave_others(void *data, const struct session *own)
{
	struct worker *w = data;

	stop_listening(w);
	for (size_t i = 0; i < w->session_count; i++)
		if (w->sessions[i] != own)
			close(w->sessions[i]->fd);
	close(w->config->parent_pipe);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigprocmask(SIG_SETMASK, &w->open_mask, NULL);
}

static size_t
session_limit(size_t fixed)
{
	struct rlimit limit;
	size_t max = SESSIONS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < max + fixed + 32)
		max = limit.rlim_cur > fixed + 40 ? (size_t)limit.rlim_cur - fixed - 32 : 8;
	return max;
}

int
worker_run(const struct worker_config *config)
{
	struct sigaction stop = {.sa_handler = on_stop};
	struct worker *w = calloc(1, sizeof(*w));
	size_t fixed = FIXED_FDS + config->listeners->items.count;

	if (w == NULL)
		return 1;
	w->config = config;
	w->trim_at_ms = INT64_MAX;
	w->session_max = session_limit(fixed);
	w->fds = calloc(fixed + SESSIONS_MAX, sizeof(*w->fds));
	w->env = (struct session_env){.options = config->options,
	                              .filter = config->filter,
	                              .log = config->log,
	                              .metrics = config->metrics,
	                              .uid = (unsigned long)geteuid(),
	                              .own_process = user_needs_process(config->options),
	                              .leave_others = leave_others,
	                              .worker = w};
	w->env.match = config->match != NULL ? config->match : match_scratch_create();
	if (w->fds == NULL || w->env.match == NULL)
		return 1;
	mallopt(M_MMAP_THRESHOLD, KEEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	signal(SIGINT, SIG_IGN); /* the parent decides */
	sigemptyset(&w->open_mask);
	signal(SIGPIPE, SIG_IGN);
	if (w->env.own_process) {
		w->env.sandbox = config->sandbox;
	} else {
		w->env.resolver = check_resolver(config->filter);
		sandbox_confine(config->sandbox, config->log);
	}
	loop(w);
	for (size_t i = 0; i < w->env.spare_count; i++)
		arena_destroy(&w->env.spare[i]);
	resolver_destroy(&w->env.resolver);
	learner_destroy(&w->env.learner);
	user_scores_close(&w->env.scores);
	match_scratch_destroy(&w->env.match);
	free(w->fds);
	free(w);
	return 0;
}
