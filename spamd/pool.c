/*
 * pool.c - how many workers there are
 */
#include "spamd/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS_MAX = 512, PASS_MS = 2000, FORK_AGAIN_MS = 1000 };

/* ---- slots ---- */

static bool
is_serving(const struct worker_slot *slot)
{
	return atomic_load(&slot->pid) != 0 && atomic_load(&slot->draining) == 0;
}

static size_t
count_serving(const struct pool *pool)
{
	size_t count = 0;

	for (size_t i = 0; i < pool->slot_count; i++)
		count += is_serving(&pool->slots[i]);
	return count;
}

enum status
pool_init(struct pool *pool, struct error *error)
{
	const struct spamd_options *o = pool->options;
	long max = o->max_children < WORKERS_MAX ? o->max_children : WORKERS_MAX;
	long wanted = max;

	/* as many again that drain: they hold clients, but accept none */
	pool->slot_count = (size_t)max * 2;
	pool->slots = mmap(NULL, pool->slot_count * sizeof(*pool->slots), PROT_READ | PROT_WRITE,
	                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (pool->slots == MAP_FAILED)
		return error_set(error, STATUS_IO, "no memory for the scoreboard: %s",
		                 strerror(errno));
	if (!o->round_robin && wanted > o->max_spare)
		wanted = o->max_spare;
	if (wanted < o->min_children)
		wanted = o->min_children;
	pool->wanted = (size_t)(wanted < 1 ? 1 : wanted > max ? max : wanted);
	return STATUS_OK;
}

/* 0: it could not be. */
static pid_t
start_worker(struct pool *pool, int64_t now_ms)
{
	struct worker_slot *slot = NULL;
	sigset_t signals, before;
	pid_t pid;

	for (size_t i = 0; i < pool->slot_count && slot == NULL; i++)
		if (atomic_load(&pool->slots[i].pid) == 0)
			slot = &pool->slots[i];
	if (slot == NULL || now_ms < pool->fork_again_ms)
		return 0;
	/* The worker opens its ears when it can act on what it hears. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, &before);
	atomic_store(&slot->draining, 0);
	pid = fork();
	if (pid == 0)
		pool->run(pool->data, slot);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		if (pool->fork_again_ms == 0)
			log_error(pool->log, "spamd", "fork: %s: trying again every second",
			          strerror(errno));
		pool->fork_again_ms = now_ms + FORK_AGAIN_MS;
		return 0;
	}
	pool->fork_again_ms = 0;
	atomic_store(&slot->pid, (int)pid);
	log_info(pool->log, "spamd", "server successfully spawned child process, pid %ld",
	         (long)pid);
	return pid;
}

void
pool_fill(struct pool *pool, int64_t now_ms)
{
	for (size_t n = count_serving(pool); n < pool->wanted; n++)
		if (start_worker(pool, now_ms) == 0)
			break;
}

/* ---- ends ---- */

static const char *
word_for(int number)
{
	switch (number) {
	case SIGHUP:
		return "HANGUP";
	case SIGINT:
		return "interrupted";
	case SIGABRT:
		return "ABORTED";
	case SIGKILL:
		return "KILLED";
	case SIGTERM:
		return "TERMINATED";
	default:
		return "DIED";
	}
}

static void
log_exit(const struct pool *pool, const struct worker_slot *slot, pid_t pid, int status)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;
	int scans = atomic_load(&slot->scans);

	if (!WIFSIGNALED(status)) {
		log_info(pool->log, "spamd",
		         "handled cleanup of child pid [%ld] due to SIGCHLD: exit %d", (long)pid,
		         WEXITSTATUS(status));
		return;
	}
	log_info(pool->log, "spamd",
	         "handled cleanup of child pid [%ld] due to SIG%s: %s, signal %d (%04x)", (long)pid,
	         name == NULL ? "?" : name, word_for(WTERMSIG(status)), WTERMSIG(status),
	         (unsigned)status);
	if (scans > 0)
		log_warn(pool->log, "spamd",
		         "child [%ld] had %d messages in hand: their clients see the connection "
		         "closed",
		         (long)pid, scans);
}

size_t
pool_reap(struct pool *pool)
{
	size_t running = 0;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < pool->slot_count; i++) {
			struct worker_slot *slot = &pool->slots[i];

			if (atomic_load(&slot->pid) != (int)pid)
				continue;
			log_exit(pool, slot, pid, status);
			atomic_store(&slot->scans, 0);
			atomic_store(&slot->was_busy, 0);
			atomic_store(&slot->connections, 0);
			atomic_store(&slot->draining, 0);
			atomic_store(&slot->pid, 0);
		}
	for (size_t i = 0; i < pool->slot_count; i++)
		running += atomic_load(&pool->slots[i].pid) != 0;
	return running;
}

void
pool_signal(const struct pool *pool, int number)
{
	for (size_t i = 0; i < pool->slot_count; i++) {
		int pid = atomic_load(&pool->slots[i].pid);

		if (pid <= 0)
			continue;
		if (number == SIGTERM)
			atomic_store(&pool->slots[i].draining, 1);
		kill(pid, number);
	}
}

/* ---- scaling ---- */

static int
compare_pids(const void *a, const void *b)
{
	const struct worker_slot *const *x = a, *const *y = b;

	return atomic_load(&(*x)->pid) - atomic_load(&(*y)->pid);
}

/* One letter for each, by pid, when it is not what it was: I idle, B busy, K on its way out. */
static void
log_states(struct pool *pool)
{
	const struct worker_slot *slots[2 * WORKERS_MAX];
	char states[sizeof(pool->states)];
	size_t count = 0, n = 0;

	for (size_t i = 0; i < pool->slot_count; i++)
		if (atomic_load(&pool->slots[i].pid) != 0)
			slots[count++] = &pool->slots[i];
	qsort(slots, count, sizeof(slots[0]), compare_pids);
	for (size_t i = 0; i < count && n < sizeof(states) - 1; i++)
		states[n++] = atomic_load(&slots[i]->draining)   ? 'K'
		              : atomic_load(&slots[i]->was_busy) ? 'B'
		                                                 : 'I';
	states[n] = '\0';
	if (strcmp(states, pool->states) == 0)
		return;
	memcpy(pool->states, states, sizeof(states));
	log_info(pool->log, "prefork", "child states: %s", states);
}

static void
grow(struct pool *pool, size_t idle, int64_t now_ms)
{
	pid_t pid;

	if (pool->wanted >= pool->slot_count / 2) {
		if (!pool->at_limit)
			log_info(pool->log, "prefork",
			         "server reached --max-children setting, consider raising it");
		pool->at_limit = true;
		return;
	}
	pid = start_worker(pool, now_ms);
	if (pid == 0)
		return;
	pool->wanted++;
	log_info(pool->log, "prefork",
	         "adjust: %zu idle children less than %ld minimum idle children.  Increasing spamd "
	         "children: %ld started.",
	         idle, pool->options->min_spare, (long)pid);
}

/* The idle one with the highest pid goes. */
static void
shrink(struct pool *pool, size_t idle)
{
	struct worker_slot *last = NULL;

	for (size_t i = 0; i < pool->slot_count; i++) {
		struct worker_slot *slot = &pool->slots[i];

		if (is_serving(slot) && !atomic_load(&slot->was_busy) &&
		    (last == NULL || atomic_load(&slot->pid) > atomic_load(&last->pid)))
			last = slot;
	}
	if (last == NULL)
		return;
	pool->wanted--;
	atomic_store(&last->draining, 1);
	kill(atomic_load(&last->pid), SIGTERM);
	log_info(pool->log, "prefork",
	         "adjust: %zu idle children more than %ld maximum idle children. Decreasing spamd "
	         "children: %d killed.",
	         idle, pool->options->max_spare, atomic_load(&last->pid));
}

/*
 * Up at once when too few are idle at this moment; down every two seconds, when too many were idle
 * all the time since.
 */
void
pool_scale(struct pool *pool, int64_t now_ms)
{
	size_t serving = 0, idle = 0, rested = 0;

	for (size_t i = 0; i < pool->slot_count; i++) {
		if (!is_serving(&pool->slots[i]))
			continue;
		serving++;
		idle += atomic_load(&pool->slots[i].scans) == 0;
		rested += atomic_load(&pool->slots[i].was_busy) == 0;
	}
	if (!pool->options->round_robin && serving == pool->wanted &&
	    idle < (size_t)pool->options->min_spare)
		grow(pool, idle, now_ms);
	if (now_ms < pool->next_pass_ms)
		return;
	pool->next_pass_ms = now_ms + PASS_MS;
	log_states(pool);
	if (idle >= (size_t)pool->options->min_spare)
		pool->at_limit = false;
	if (!pool->options->round_robin && serving == pool->wanted &&
	    rested > (size_t)pool->options->max_spare &&
	    serving > (size_t)pool->options->min_children)
		shrink(pool, rested);
	for (size_t i = 0; i < pool->slot_count; i++)
		atomic_store(&pool->slots[i].was_busy, 0);
}
