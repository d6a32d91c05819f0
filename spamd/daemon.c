/*
 * daemon.c - running in the background, and the pid file
 */
#include "spamd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY_MS = 180 * 1000, EXIT_NOT_READY = 255 };

/* The process that was started: does not return. */
static _Noreturn void
wait_for_ready(pid_t pid, int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	char byte, how[64] = "still running";
	int rc, status;

	while ((rc = poll(&pollfd, 1, READY_MS)) < 0 && errno == EINTR)
		;
	if (rc > 0 && read(fd, &byte, 1) == 1)
		_exit(0);
	if (rc > 0 && waitpid(pid, &status, 0) == pid) {
		if (WIFEXITED(status))
			snprintf(how, sizeof(how), "exit %d", WEXITSTATUS(status));
		else
			snprintf(how, sizeof(how), "DIED, signal %d (%04x)", WTERMSIG(status),
			         (unsigned)status);
	}
	fprintf(stderr,
	        "child process [%ld] exited or timed out without signaling production of a PID "
	        "file: %s\n",
	        (long)pid, how);
	_exit(EXIT_NOT_READY);
}

enum status
daemon_start(int *ready_r, struct error *error)
{
	int ends[2], null;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		return error_set(error, STATUS_IO, "cannot go to the background: %s",
		                 strerror(errno));
	if (pid > 0) {
		close(ends[1]);
		wait_for_ready(pid, ends[0]);
	}
	close(ends[0]);
	*ready_r = ends[1];
	setsid();
	null = chdir("/") == 0 ? open("/dev/null", O_RDWR) : -1;
	if (null < 0)
		return error_set(error, STATUS_IO, "cannot go to the background: %s",
		                 strerror(errno));
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
	return STATUS_OK;
}

void
daemon_ready(int ready)
{
	ssize_t n = write(ready, "1", 1);

	(void)n;
	close(ready);
}

enum status
daemon_write_pid(const char *path, struct error *error)
{
	char temporary[4096];
	FILE *file;
	int fd;

	snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
	unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL)
		return error_set(error, STATUS_IO, "cannot write to PID file %s: %s", path,
		                 strerror(errno));
	(void)fchmod(fd, 0644);
	fprintf(file, "%ld\n", (long)getpid());
	if (fclose(file) != 0 || rename(temporary, path) != 0) {
		unlink(temporary);
		return error_set(error, STATUS_IO, "cannot write to PID file %s: %s", path,
		                 strerror(errno));
	}
	return STATUS_OK;
}

void
daemon_remove_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[32] = "";

	if (file == NULL)
		return;
	if (fgets(line, sizeof(line), file) != NULL && strtol(line, NULL, 10) == (long)getpid())
		unlink(path);
	fclose(file);
}
