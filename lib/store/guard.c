/*
 * guard.c - reading a mapped file that may be damaged
 */
#include "store/guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdint.h>

/* A signal handler gets no argument of ours: the one place for it. */
static struct {
	sigjmp_buf jump;
	uintptr_t begin, end;
	volatile sig_atomic_t is_armed;
} guard;

static void
on_fault(int number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	if (guard.is_armed && at >= guard.begin && at < guard.end) {
		guard.is_armed = 0;
		siglongjmp(guard.jump, 1);
	}
	/* Ours: it happens again, without us. */
	signal(number, SIG_DFL);
}

void
guard_leave(void)
{
	if (!guard.is_armed)
		return;
	guard.is_armed = 0;
	siglongjmp(guard.jump, 1);
}

bool
guard_run(const void *begin, size_t size, void (*fn)(void *data), void *data)
{
	static const int signals[] = {SIGBUS, SIGSEGV};
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old[2];
	volatile bool good = false;

	if (guard.is_armed) { /* inside another one already */
		fn(data);
		return true;
	}
	for (int i = 0; i < 2; i++)
		sigaction(signals[i], &action, &old[i]);
	guard.begin = (uintptr_t)begin;
	guard.end = guard.begin + size;
	if (sigsetjmp(guard.jump, 1) == 0) {
		guard.is_armed = 1;
		fn(data);
		good = true;
	}
	guard.is_armed = 0;
	for (int i = 0; i < 2; i++)
		sigaction(signals[i], &old[i], NULL);
	return good;
}
