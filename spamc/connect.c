/*
 * connect.c - a connection to one of several addresses
 */
#include "spamc/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 64, STAGGER_MS = 250 };

struct addresses {
	struct sockaddr_storage at[ADDRESSES_MAX];
	socklen_t len[ADDRESSES_MAX];
	size_t count;
};

int64_t
spamc_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
code_of(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return SPAMC_NOPERM;
	case ENOMEM:
	case ENFILE:
	case EMFILE:
	case ENOBUFS:
		return SPAMC_OSERR;
	case EAFNOSUPPORT:
	case EBADF:
	case EFAULT:
	case ENOTSOCK:
	case EPROTONOSUPPORT:
	case EINVAL:
		return SPAMC_SOFTWARE;
	default:
		return SPAMC_UNAVAILABLE;
	}
}

/* ---- names ---- */

/* Adds the addresses of a host, families taking turns. */
static int
resolve(const struct spamc_target *target, const char *host, struct addresses *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = 0}, *list,
			*sorted[ADDRESSES_MAX];
	size_t count = 0, used = 0;
	int rc, family = AF_UNSPEC;

	hints.ai_family = target->ipv4_only ? AF_INET : target->ipv6_only ? AF_INET6 : AF_UNSPEC;
	rc = getaddrinfo(host, target->port, &hints, &list);
	if (rc != 0)
		return rc == EAI_AGAIN    ? SPAMC_TEMPFAIL
		       : rc == EAI_MEMORY ? SPAMC_OSERR
		                          : SPAMC_NOHOST;
	for (struct addrinfo *ai = list; ai != NULL && count < ADDRESSES_MAX; ai = ai->ai_next)
		sorted[count++] = ai;
	while (used < count && out->count < ADDRESSES_MAX) {
		size_t pick = count;

		/* the first that is left of another family than the last one, else the first that
		 * is left */
		for (size_t i = 0; i < count; i++)
			if (sorted[i] != NULL &&
			    (pick == count ||
			     (sorted[pick]->ai_family == family && sorted[i]->ai_family != family)))
				pick = i;
		memcpy(&out->at[out->count], sorted[pick]->ai_addr, sorted[pick]->ai_addrlen);
		out->len[out->count++] = sorted[pick]->ai_addrlen;
		family = sorted[pick]->ai_family;
		sorted[pick] = NULL;
		used++;
	}
	freeaddrinfo(list);
	return SPAMC_OK;
}

static int
collect(const struct spamc_target *target, struct addresses *out)
{
	size_t hosts = target->one_host && target->host_count > 1 ? 1 : target->host_count,
	       offset = 0;
	int code = SPAMC_NOHOST;
	unsigned random = 0;

	if (target->host_count == 0)
		return resolve(target, "localhost", out);
	if (target->randomize &&
	    getrandom(&random, sizeof(random), GRND_NONBLOCK) == (ssize_t)sizeof(random))
		offset = random % target->host_count;
	for (size_t i = 0; i < hosts; i++) {
		int rc = resolve(target, target->hosts[(i + offset) % target->host_count], out);

		if (rc == SPAMC_OK || code == SPAMC_NOHOST)
			code = rc;
	}
	return out->count > 0 ? SPAMC_OK : code;
}

/* ---- attempts ---- */

struct race {
	struct pollfd fds[ADDRESSES_MAX];
	size_t begun;
	int last_error;
};

static void
begin_attempt(struct race *race, const struct addresses *list)
{
	size_t i = race->begun++;
	struct pollfd *p = &race->fds[i];

	*p = (struct pollfd){.fd = -1, .events = POLLOUT};
	p->fd = socket(list->at[i].ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0) {
		race->last_error = errno;
		return;
	}
	if (connect(p->fd, (const struct sockaddr *)&list->at[i], list->len[i]) != 0 &&
	    errno != EINPROGRESS && errno != EAGAIN) {
		race->last_error = errno;
		close(p->fd);
		p->fd = -1;
	}
}

/* Index of a socket that is connected, or -1; those that failed are closed. */
static int
settle(struct race *race)
{
	for (size_t i = 0; i < race->begun; i++) {
		int error = 0;
		socklen_t len = sizeof(error);

		if (race->fds[i].fd < 0 || race->fds[i].revents == 0)
			continue;
		if (getsockopt(race->fds[i].fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
		    error == 0)
			return (int)i;
		race->last_error = error;
		close(race->fds[i].fd);
		race->fds[i].fd = -1;
	}
	return -1;
}

static bool
has_open(const struct race *race)
{
	for (size_t i = 0; i < race->begun; i++)
		if (race->fds[i].fd >= 0)
			return true;
	return false;
}

static int
run_race(const struct spamc_target *target, const struct addresses *list, int *fd_r)
{
	struct race race = {.begun = 0, .last_error = ECONNREFUSED};
	int64_t deadline = target->connect_timeout_s > 0
	                           ? spamc_now_ms() + target->connect_timeout_s * 1000
	                           : INT64_MAX;
	int winner = -1;

	while (winner < 0) {
		int64_t now = spamc_now_ms();
		int wait = -1;

		if (!has_open(&race)) {
			if (race.begun == list->count)
				break;
			begin_attempt(&race, list);
			continue;
		}
		if (now >= deadline) {
			race.last_error = ETIMEDOUT;
			break;
		}
		if (race.begun < list->count)
			wait = STAGGER_MS;
		if (deadline != INT64_MAX && (wait < 0 || deadline - now < wait))
			wait = deadline - now > 60000 ? 60000 : (int)(deadline - now);
		if (poll(race.fds, race.begun, wait) == 0 && race.begun < list->count)
			begin_attempt(&race, list);
		winner = settle(&race);
	}
	for (size_t i = 0; i < race.begun; i++)
		if ((int)i != winner && race.fds[i].fd >= 0)
			close(race.fds[i].fd);
	if (winner < 0) {
		errno = race.last_error;
		return code_of(race.last_error);
	}
	*fd_r = race.fds[winner].fd;
	return SPAMC_OK;
}

static int
unix_address(const struct spamc_target *target, struct addresses *list)
{
	struct sockaddr_un *addr = (struct sockaddr_un *)(void *)&list->at[0];

	if (strlen(target->unix_path) >= sizeof(addr->sun_path))
		return SPAMC_SOFTWARE;
	addr->sun_family = AF_UNIX;
	memcpy(addr->sun_path, target->unix_path, strlen(target->unix_path) + 1);
	list->len[0] = sizeof(*addr);
	list->count = 1;
	return SPAMC_OK;
}

int
spamc_connect(const struct spamc_target *target, int *fd_r, spamc_log_fn log, void *log_data)
{
	struct addresses *list = calloc(1, sizeof(*list));
	long tries = target->unix_path != NULL || target->connect_retries < 1
	                     ? 1
	                     : target->connect_retries;
	int code;

	if (list == NULL)
		return SPAMC_OSERR;
	code = target->unix_path != NULL ? unix_address(target, list) : collect(target, list);
	for (long i = 0; code == SPAMC_OK && i < tries; i++) {
		code = run_race(target, list, fd_r);
		if (code == SPAMC_OK || code != SPAMC_UNAVAILABLE || i + 1 == tries)
			break;
		log(log_data, "connect to spamd failed, retrying (#%ld of %ld): %s", i + 1, tries,
		    strerror(errno));
		if (target->retry_sleep_s > 0)
			sleep((unsigned)target->retry_sleep_s);
		code = SPAMC_OK;
	}
	if (code != SPAMC_OK)
		log(log_data, "connection attempt to spamd aborted after %ld retries", tries);
	free(list);
	return code;
}
