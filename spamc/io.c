/*
 * io.c - whole buffers through short reads and writes
 */
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "spamc/private.h"

int64_t
spamc_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
spamc_wait(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int64_t left = deadline_ms == INT64_MAX ? 60000 : deadline_ms - spamc_now_ms();
		int rc;

		if (left <= 0) {
			errno = ETIMEDOUT;
			return false;
		}
		rc = poll(&p, 1, left > 60000 ? 60000 : (int)left);
		if (rc > 0)
			return true;
		if (rc < 0 && errno != EINTR)
			return false;
	}
}

static bool
may_go_on(int fd, short events)
{
	return errno == EINTR ||
	       ((errno == EAGAIN || errno == EWOULDBLOCK) && spamc_wait(fd, events, INT64_MAX));
}

bool
spamc_write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && !may_go_on(fd, POLLOUT))
			return false;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return true;
}

int
spamc_read_all(int fd, char *bytes, size_t size, size_t *got_r)
{
	*got_r = 0;
	while (*got_r < size) {
		ssize_t n = read(fd, bytes + *got_r, size - *got_r);

		if (n < 0 && !may_go_on(fd, POLLIN))
			return -1;
		if (n == 0)
			return 0;
		if (n > 0)
			*got_r += (size_t)n;
	}
	return 0;
}
