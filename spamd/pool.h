/*
 * pool.h - how many workers there are
 *
 * Owns: the scoreboard (shared memory) and the rules of scaling.  Source: SpamdForkScaling of
 * 4.0.1: between --min-spare and --max-spare idle workers, within --min-children and
 * --max-children, one up or down at a time; its log lines.  Workers accept by themselves; a busy
 * one is one that holds messages, not connections.
 */
#ifndef WINNOW_SPAMD_POOL_H
#define WINNOW_SPAMD_POOL_H

#include "spamd/worker.h"

struct pool {
	const struct spamd_options *options;
	const struct log *log;
	struct worker_slot *slots; /* shared memory */
	size_t slot_count;
	size_t wanted; /* serving workers */
	/* In the new process; does not return. */
	void (*run)(void *data, struct worker_slot *slot);
	void *data;
	int64_t next_pass_ms, fork_again_ms;
	char states[128]; /* as logged last */
	bool at_limit;    /* said so */
};

enum status pool_init(struct pool *pool, struct error *error) WARN_UNUSED;
/* Starts workers until there are as many as wanted. */
void pool_fill(struct pool *pool, int64_t now_ms);
/* Workers that ended: logs and frees their slots.  How many processes there still are. */
size_t pool_reap(struct pool *pool);
/* More or fewer workers wanted? */
void pool_scale(struct pool *pool, int64_t now_ms);
/* SIGTERM: finish and end, others take over. */
void pool_signal(const struct pool *pool, int number);

#endif
