/*
 * metrics.c - figures for monitoring
 */
#include "spamd/metrics.h"

#include <config.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "spamd/sandbox.h"
#include "spamd/worker.h"
#include "dns/resolver.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum { CLIENT_MS = 2000, REQUEST_BYTES_MAX = 4096, RULES_SHOWN = 200, LISTENERS_MAX = 32 };

/* Upper bounds of the histogram, in us. */
static const int64_t bounds_us[METRICS_BUCKETS] = {
	500, 1000, 2500, 5000, 10000, 25000, 100000, 500000, 1000000, 2500000, 5000000, 10000000};

/* ---- counting ---- */

static void *
shared_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

enum status
metrics_init(struct metrics *metrics, const struct worker_slot *workers, size_t slot_count,
             struct error *error)
{
	*metrics = (struct metrics){
		.workers = workers, .slot_count = slot_count, .begun_s = (long)time(NULL)};
	metrics->slots = shared_memory(slot_count * sizeof(*metrics->slots));
	if (metrics->slots == NULL)
		return error_set(error, STATUS_IO, "no memory for the metrics: %s",
		                 strerror(errno));
	return STATUS_OK;
}

void
metrics_set_rules(struct metrics *metrics, const struct ruleset *rules)
{
	size_t row = sizeof(*metrics->rule_hits) * metrics->slot_count;

	if (metrics->rule_hits != NULL)
		munmap(metrics->rule_hits, row * metrics->rule_count);
	metrics->rule_count = rules->count;
	metrics->rule_hits = shared_memory(row * rules->count);
}

struct metrics_writer
metrics_writer(const struct metrics *metrics, const struct worker_slot *worker)
{
	size_t at = (size_t)(worker - metrics->workers);

	if (metrics->slots == NULL)
		return (struct metrics_writer){0};
	return (struct metrics_writer){.slot = metrics->slots + at,
	                               .rule_hits = metrics->rule_hits == NULL
	                                                    ? NULL
	                                                    : metrics->rule_hits +
	                                                              at * metrics->rule_count,
	                               .rule_count = metrics->rule_count};
}

static void
add(atomic_ulong *counter, unsigned long n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void
metrics_count_scan(const struct metrics_writer *w, const struct check *check, size_t bytes,
                   int64_t us)
{
	size_t bucket = 0;

	if (w->slot == NULL)
		return;
	while (bucket < METRICS_BUCKETS && us > bounds_us[bucket])
		bucket++;
	if (bucket < METRICS_BUCKETS)
		add(&w->slot->seconds[bucket], 1);
	add(check->is_spam ? &w->slot->spam : &w->slot->ham, 1);
	add(&w->slot->bytes, bytes);
	add(&w->slot->scan_us, (unsigned long)us);
	if (check->scan.time_limit_exceeded || check->scan.limit_logged)
		add(&w->slot->limits, 1);
	if (check->lists_blocked > 0)
		add(&w->slot->dns_blocked, check->lists_blocked);
	for (size_t i = 0; w->rule_hits != NULL && i < check->scan.hits.count; i++) {
		unsigned number = check->scan.hits.items[i].rule->number;

		if (number < w->rule_count)
			add(&w->rule_hits[number], 1);
	}
}

void
metrics_count_dns(const struct metrics_writer *w, const struct resolver_counts *counts,
                  struct resolver_counts *last)
{
	if (w->slot == NULL || counts->asked + counts->answered + counts->failed ==
	                               last->asked + last->answered + last->failed)
		return;
	add(&w->slot->dns_asked, counts->asked - last->asked);
	add(&w->slot->dns_cached, counts->cached - last->cached);
	add(&w->slot->dns_answered, counts->answered - last->answered);
	add(&w->slot->dns_failed, counts->failed - last->failed);
	*last = *counts;
}

/* ---- text ---- */

static unsigned long
get(const atomic_ulong *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

struct totals {
	unsigned long connections, spam, ham, errors, timeouts, limits, bytes, scan_us;
	unsigned long dns_asked, dns_answered, dns_failed, dns_blocked, dns_cached;
	unsigned long seconds[METRICS_BUCKETS];
	int open, idle, busy, draining;
};

static void
sum_up(const struct metrics *m, struct totals *t)
{
	for (size_t i = 0; i < m->slot_count; i++) {
		const struct metrics_slot *s = &m->slots[i];
		const struct worker_slot *worker = &m->workers[i];

		t->connections += get(&s->connections);
		t->spam += get(&s->spam);
		t->ham += get(&s->ham);
		t->errors += get(&s->errors);
		t->timeouts += get(&s->timeouts);
		t->limits += get(&s->limits);
		t->dns_asked += get(&s->dns_asked);
		t->dns_answered += get(&s->dns_answered);
		t->dns_failed += get(&s->dns_failed);
		t->dns_blocked += get(&s->dns_blocked);
		t->dns_cached += get(&s->dns_cached);
		t->bytes += get(&s->bytes);
		t->scan_us += get(&s->scan_us);
		for (size_t k = 0; k < METRICS_BUCKETS; k++)
			t->seconds[k] += get(&s->seconds[k]);
		if (atomic_load(&worker->pid) == 0)
			continue;
		t->open += atomic_load(&worker->connections);
		t->draining += atomic_load(&worker->draining) != 0;
		if (atomic_load(&worker->draining) == 0 && atomic_load(&worker->scans) > 0)
			t->busy++;
		else if (atomic_load(&worker->draining) == 0)
			t->idle++;
	}
}

static void
add_head(struct strbuf *out, const char *name, const char *type, const char *help)
{
	strbuf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
add_counter(struct strbuf *out, const char *name, const char *help, unsigned long value)
{
	add_head(out, name, "counter", help);
	strbuf_printf(out, "%s %lu\n", name, value);
}

static void
add_histogram(struct strbuf *out, const struct totals *t)
{
	unsigned long sum = 0, count = t->spam + t->ham;

	add_head(out, "spamd_scan_seconds", "histogram",
	         "Time from the connection to the verdict.");
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		sum += t->seconds[i];
		strbuf_printf(out, "spamd_scan_seconds_bucket{le=\"%g\"} %lu\n",
		              (double)bounds_us[i] / 1e6, sum);
	}
	/* Counted one after the other: never less than the buckets before. */
	strbuf_printf(out,
	              "spamd_scan_seconds_bucket{le=\"+Inf\"} %lu\nspamd_scan_seconds_sum "
	              "%.6f\nspamd_scan_seconds_count %lu\n",
	              count < sum ? sum : count, (double)t->scan_us / 1e6,
	              count < sum ? sum : count);
}

struct rule_total {
	const struct rule *rule;
	unsigned long hits;
};

static int
by_hits(const void *a, const void *b)
{
	const struct rule_total *x = a, *y = b;

	if (x->hits != y->hits)
		return x->hits < y->hits ? 1 : -1;
	return slice_cmp(x->rule->name, y->rule->name);
}

static void
add_rules(struct strbuf *out, const struct metrics *m, const struct ruleset *rules,
          struct arena *arena)
{
	size_t count = m->rule_count < rules->count ? m->rule_count : rules->count, hit = 0;
	struct rule_total *totals = arena_new_array(arena, struct rule_total, count);

	if (totals == NULL || m->rule_hits == NULL)
		return;
	for (size_t i = 0; i < count; i++) {
		struct rule_total total = {.rule = rules->rules[i]};

		for (size_t k = 0; k < m->slot_count; k++)
			total.hits += get(&m->rule_hits[k * m->rule_count + i]);
		if (total.hits > 0)
			totals[hit++] = total;
	}
	qsort(totals, hit, sizeof(*totals), by_hits);
	add_head(out, "spamd_rule_hits_total", "counter",
	         "Messages that a rule hit, of the rules that hit most; from 0 after a reload.");
	for (size_t i = 0; i < hit && i < RULES_SHOWN; i++)
		strbuf_printf(out, "spamd_rule_hits_total{rule=\"%.*s\"} %lu\n",
		              SLICE_FMT(totals[i].rule->name), totals[i].hits);
}

static void
add_messages(struct strbuf *out, const struct totals *t)
{
	add_head(out, "spamd_messages_total", "counter", "Messages scanned, by verdict.");
	strbuf_printf(out,
	              "spamd_messages_total{verdict=\"spam\"} "
	              "%lu\nspamd_messages_total{verdict=\"ham\"} %lu\n",
	              t->spam, t->ham);
	add_counter(out, "spamd_message_bytes_total", "Bytes of messages scanned.", t->bytes);
	add_counter(out, "spamd_errors_total", "Requests answered by an error.", t->errors);
	add_counter(out, "spamd_timeouts_total", "Requests that took too long to arrive.",
	            t->timeouts);
	add_counter(out, "spamd_limits_total", "Messages whose scan spent its time.", t->limits);
	add_counter(out, "spamd_dns_questions_total", "Questions sent to name servers.",
	            t->dns_asked);
	add_counter(out, "spamd_dns_cached_total",
	            "Questions that were not sent: dns_cache_megabytes had the answer.",
	            t->dns_cached);
	add_counter(out, "spamd_dns_answers_total", "Those that were answered.", t->dns_answered);
	add_counter(out, "spamd_dns_failures_total", "Those that were given up.", t->dns_failed);
	add_counter(out, "spamd_dns_blocked_total",
	            "Answers of lists that block this resolver (dns_block_rule).", t->dns_blocked);
	add_counter(out, "spamd_connections_total", "Connections accepted.", t->connections);
	add_histogram(out, t);
}

struct slice
metrics_text(const struct metrics *m, const struct ruleset *rules, struct arena *arena)
{
	struct totals t = {0};
	struct strbuf out;

	sum_up(m, &t);
	strbuf_init(&out, arena, 0);
	add_head(&out, "spamd_build_info", "gauge", "Versions.");
	strbuf_printf(&out, "spamd_build_info{version=\"%s\",spamassassin=\"%s\"} 1\n",
	              PACKAGE_VERSION, CONF_SA_VERSION_TEXT);
	add_head(&out, "spamd_start_time_seconds", "gauge", "When the server was started.");
	strbuf_printf(&out, "spamd_start_time_seconds %ld\n", m->begun_s);
	add_counter(&out, "spamd_reloads_total", "New configurations taken.", m->reloads);
	add_messages(&out, &t);
	add_head(&out, "spamd_open_connections", "gauge", "Connections open.");
	strbuf_printf(&out, "spamd_open_connections %d\n", t.open);
	add_head(&out, "spamd_workers", "gauge", "Worker processes.");
	strbuf_printf(&out,
	              "spamd_workers{state=\"idle\"} %d\nspamd_workers{state=\"busy\"} "
	              "%d\nspamd_workers{state=\"draining\"} %d\n",
	              t.idle, t.busy, t.draining);
	add_rules(&out, m, rules, arena);
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

/* ---- HTTP ---- */

static bool
wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd pollfd = {.fd = fd, .events = events};
	int64_t left = until_ms - clock_monotonic_ms();

	return left > 0 && poll(&pollfd, 1, (int)left) > 0;
}

/* Up to the empty line; false: it did not come. */
static bool
read_request(int fd, char *text, size_t size, int64_t until_ms)
{
	size_t len = 0;

	while (len + 1 < size && wait_for(fd, POLLIN, until_ms)) {
		ssize_t n = recv(fd, text + len, size - len - 1, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, "\r\n\r\n") != NULL || strstr(text, "\n\n") != NULL)
			return true;
	}
	return false;
}

static void
send_all(int fd, struct slice text, int64_t until_ms)
{
	while (text.len > 0 && wait_for(fd, POLLOUT, until_ms)) {
		ssize_t n = send(fd, text.data, text.len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		text = slice_from(text, n < 0 ? 0 : (size_t)n);
	}
}

static bool
asks_for(const char *request, const char *method, const char *path)
{
	size_t method_len = strlen(method), len = strlen(path);

	return strncmp(request, method, method_len) == 0 &&
	       strncmp(request + method_len, path, len) == 0 &&
	       (request[method_len + len] == ' ' || request[method_len + len] == '?');
}

static struct slice
answer_for(const struct metrics *m, const struct ruleset *rules, struct arena *arena,
           const char *request)
{
	bool head = strncmp(request, "HEAD ", 5) == 0;
	const char *method = head ? "HEAD " : "GET ";
	const char *status = "200 OK";
	struct slice body = SLICE("ok\n");

	if (strncmp(request, method, strlen(method)) != 0)
		status = "405 Method Not Allowed", body = SLICE("GET only\n");
	else if (asks_for(request, method, "/metrics") || asks_for(request, method, "/"))
		body = metrics_text(m, rules, arena);
	else
		status = "404 Not Found", body = SLICE("/metrics\n");
	return arena_printf(arena,
	                    "HTTP/1.1 %s\r\nContent-Type: text/plain; version=0.0.4; "
	                    "charset=utf-8\r\nContent-Length: %zu\r\nConnection: "
	                    "close\r\n\r\n%.*s",
	                    status, body.len, SLICE_FMT(head ? SLICE("") : body));
}

static void
serve_one(const struct metrics *m, const struct ruleset *rules, int fd)
{
	int64_t until_ms = clock_monotonic_ms() + CLIENT_MS;
	struct arena *arena = arena_create(0);
	char request[REQUEST_BYTES_MAX];

	if (arena != NULL && read_request(fd, request, sizeof(request), until_ms)) {
		send_all(fd, answer_for(m, rules, arena, request), until_ms);
		(void)shutdown(fd, SHUT_WR);
	}
	if (arena != NULL)
		arena_destroy(&arena);
}

static bool
may_ask(const struct listener *listener, const struct allowed *allowed,
        const struct sockaddr_storage *addr, socklen_t len)
{
	char text[NI_MAXHOST];

	if (listener->is_unix)
		return true;
	if (getnameinfo((const struct sockaddr *)addr, len, text, sizeof(text), NULL, 0,
	                NI_NUMERICHOST) != 0)
		return false;
	return allowed_has(allowed, slice_from_cstr(text));
}

void
metrics_serve(const struct metrics *m, const struct ruleset *rules,
              const struct listener_set *listeners, const struct allowed *allowed, int parent_pipe,
              const struct log *log)
{
	struct pollfd fds[LISTENERS_MAX + 1] = {{.fd = parent_pipe, .events = POLLIN}};
	size_t count =
		listeners->items.count < LISTENERS_MAX ? listeners->items.count : LISTENERS_MAX;

	for (size_t i = 0; i < count; i++)
		fds[i + 1] = (struct pollfd){.fd = listeners->items.items[i].fd, .events = POLLIN};
	for (;;) {
		if (poll(fds, count + 1, -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents != 0)
			return;
		for (size_t i = 0; i < count; i++) {
			struct sockaddr_storage addr;
			socklen_t len = sizeof(addr);
			int fd;

			if (fds[i + 1].revents == 0)
				continue;
			fd = accept4(fds[i + 1].fd, (struct sockaddr *)&addr, &len,
			             SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd < 0)
				continue;
			if (may_ask(&listeners->items.items[i], allowed, &addr, len))
				serve_one(m, rules, fd);
			close(fd);
		}
		sandbox_report(log);
	}
}
