/*
 * systemd.c - what a service manager wants to know
 */
#include "spamd/systemd.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* 0 unless the variable is a number. */
static unsigned long
number_of(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long value = text == NULL ? 0 : strtoul(text, &end, 10);

	return text == NULL || end == text || *end != '\0' ? 0 : value;
}

unsigned
systemd_sockets(void)
{
	unsigned long count = number_of("LISTEN_FDS");

	if (number_of("LISTEN_PID") != (unsigned long)getpid() || count > 1024)
		count = 0;
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDNAMES");
	return (unsigned)count;
}

void
systemd_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len < 2 || len >= sizeof(addr.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr,
	             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

void
systemd_notify_reloading(void)
{
	struct timespec now;
	char state[96];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
	         (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	systemd_notify(state);
}

int64_t
systemd_watchdog_ms(void)
{
	unsigned long us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");

	if (us == 0 || (pid != 0 && pid != (unsigned long)getpid()))
		return 0;
	return us < 4000 ? 1 : (int64_t)(us / 2000);
}
