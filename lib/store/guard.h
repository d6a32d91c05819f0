/*
 * guard.h - reading a mapped file that may be damaged
 *
 * Owns: guard_run().  A file that is shorter than it says, or whose pages point anywhere, makes a
 * reader of its mapping fault.  guard_run() turns a fault inside the mapping into a result.  The
 * signal handlers are in place only while it runs; a fault elsewhere is our bug and ends the
 * process as ever.  One at a time in a process.
 */
#ifndef WINNOW_STORE_GUARD_H
#define WINNOW_STORE_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* false: fn faulted between begin and begin + size, or called guard_leave(). */
bool guard_run(const void *begin, size_t size, void (*fn)(void *data), void *data);
/* From inside fn: gives up, as a fault does.  Does nothing outside. */
void guard_leave(void);

#endif
