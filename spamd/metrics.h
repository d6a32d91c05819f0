/*
 * metrics.h - figures for monitoring
 *
 * Owns: counters in shared memory and the process that answers --metrics-listen with them, as
 * Prometheus text over HTTP.  Data: sessions count into their worker's slot (plain atomic adds, no
 * lock; slots outlive workers) -> the metrics process sums slots up when somebody asks.  It serves
 * one client at a time, each for two seconds at most; mail never waits for it.
 *
 * Without --metrics-listen there is nothing to count into, and nothing is counted.
 */
#ifndef WINNOW_SPAMD_METRICS_H
#define WINNOW_SPAMD_METRICS_H

#include <stdatomic.h>

#include "check/check.h"
#include "spamd/allowed.h"
#include "spamd/listener.h"

struct worker_slot;

enum { METRICS_BUCKETS = 12 };

/* One worker's; shared memory. */
struct metrics_slot {
	atomic_ulong connections, spam, ham, errors, timeouts, limits, bytes, scan_us;
	atomic_ulong dns_asked, dns_answered, dns_failed, dns_blocked, dns_cached;
	atomic_ulong
		seconds[METRICS_BUCKETS]; /* scans by how long they took; the rest took longer */
};

struct metrics {
	const struct worker_slot *workers; /* the scoreboard */
	size_t slot_count;
	struct metrics_slot *slots;
	atomic_ulong *rule_hits; /* slot after slot, by rule number; NULL: no memory */
	size_t rule_count;
	long begun_s; /* wall clock */
	unsigned long reloads;
};

/* What a worker counts into; slot NULL: nothing is counted. */
struct metrics_writer {
	struct metrics_slot *slot;
	atomic_ulong *rule_hits;
	size_t rule_count;
};

enum status metrics_init(struct metrics *metrics, const struct worker_slot *workers,
                         size_t slot_count, struct error *error) WARN_UNUSED;
/* Other rules: their counters begin anew (workers that still run keep the old ones). */
void metrics_set_rules(struct metrics *metrics, const struct ruleset *rules);
struct metrics_writer metrics_writer(const struct metrics *metrics,
                                     const struct worker_slot *worker);

/* A message was scanned, in so long. */
void metrics_count_scan(const struct metrics_writer *writer, const struct check *check,
                        size_t bytes, int64_t us);
#define metrics_count(writer, what)                                                                \
	do {                                                                                       \
		if ((writer)->slot != NULL)                                                        \
			atomic_fetch_add_explicit(&(writer)->slot->what, 1, memory_order_relaxed); \
	} while (0)

struct resolver_counts;
/* How much DNS the worker did since it began; last_r: what was counted last. */
void metrics_count_dns(const struct metrics_writer *writer, const struct resolver_counts *counts,
                       struct resolver_counts *last);

/* The text; data NULL: no memory. */
struct slice metrics_text(const struct metrics *metrics, const struct ruleset *rules,
                          struct arena *arena);
/* The process: until parent_pipe ends. */
void metrics_serve(const struct metrics *metrics, const struct ruleset *rules,
                   const struct listener_set *listeners, const struct allowed *allowed,
                   int parent_pipe, const struct log *log);

#endif
