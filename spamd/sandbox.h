/*
 * sandbox.h - what a process that reads mail can still do to the host
 *
 * Owns: the last step before a worker sees a byte from outside: no_new_privs, Landlock (nothing is
 * written or executed in the file system, no TCP connection made or port bound, no signal sent
 * outside), seccomp (an allow list of system calls, found by running the test suite under strace).
 * Entered after root is given up, never left.  A call that is not on the list fails with EPERM and
 * is logged; one that only an attack makes (execve, ptrace, ...) ends the process.
 *
 * What the kernel does not have is left out: sandbox_parts() says what there is.
 */
#ifndef WINNOW_SPAMD_SANDBOX_H
#define WINNOW_SPAMD_SANDBOX_H

#include "util/log.h"

/* What the configuration needs beyond reading files and talking to connected clients. */
struct sandbox_needs {
	bool local_sockets; /* connects to Unix sockets: syslog, user databases */
	bool network;       /* asks other hosts */
	bool compiles;      /* patterns of users become machine code */
	bool creates_files; /* users' preferences */
	/* Learns: writes files below this directory; "" anywhere (whose mail it is decides); NULL:
	 * no. */
	const char *store_directory;
};

enum { SANDBOX_SECCOMP = 1U << 0, SANDBOX_LANDLOCK = 1U << 1 };
/* Which of them this kernel and build have. */
unsigned sandbox_parts(void);

/* No way back.  STATUS_IO: the kernel has a part but refuses it. */
enum status sandbox_enter(const struct sandbox_needs *needs, struct error *error) WARN_UNUSED;
/* The same, and says why when it cannot; needs may be NULL: nothing to do. */
void sandbox_confine(const struct sandbox_needs *needs, const struct log *log);
/* Logs refused calls since the last time; nearly free when there were none. */
void sandbox_report(const struct log *log);

#endif
