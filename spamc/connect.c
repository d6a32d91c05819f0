/*
 * connect.c - a connection to one of several addresses
 */
#include "spamc/connect.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

#include "spamc/private.h"

enum { STAGGER_MS = 250, HOST_STAGGER_MS = 2000, RETRIES = 3 };

struct candidate {
	const struct addrinfo *address;
	int host;
	int fd;
};

struct race {
	const struct transport *tp;
	struct candidate *list;
	struct pollfd *polls;
	size_t count, begun;
	int64_t begun_ms; /* the last attempt */
	int last_error;
	int number, of; /* for the log */
};

static int
code_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ETIMEDOUT:
	case ENETUNREACH:
		return EX_UNAVAILABLE;
	case EACCES:
		return EX_NOPERM;
	case ENOMEM:
	case ENFILE:
	case EMFILE:
	case ENOBUFS:
		return EX_OSERR;
	default:
		return EX_SOFTWARE;
	}
}

/* ---- candidates ---- */

static size_t
count_addresses(const struct transport *tp)
{
	size_t count = 0;

	for (int i = 0; i < tp->nhosts; i++)
		for (const struct addrinfo *ai = tp->hosts[i]; ai != NULL; ai = ai->ai_next)
			count++;
	return count;
}

/* The next of a host's addresses: of another family than the last one while there is one. */
static const struct addrinfo *
pick(const struct addrinfo **from, const struct addrinfo *other, int family)
{
	const struct addrinfo *ai = *from;

	for (; ai != NULL; ai = ai->ai_next)
		if ((ai->ai_family == family) == (other == NULL))
			break;
	*from = ai != NULL ? ai->ai_next : NULL;
	return ai;
}

/* Families take turns; within one the order is the resolver's. */
static void
add_host(struct race *race, const struct addrinfo *all, int host)
{
	int family = all->ai_family;
	const struct addrinfo *same = all, *others = all, *ai;
	bool turn = true;

	while (same != NULL || others != NULL) {
		ai = turn ? pick(&same, NULL, family) : pick(&others, all, family);
		turn = !turn;
		if (ai != NULL)
			race->list[race->count++] =
				(struct candidate){.address = ai, .host = host, .fd = -1};
	}
}

/* ---- attempts ---- */

static void
log_failure(struct race *race, const struct candidate *c, int error)
{
	char host[NI_MAXHOST];
	bool more = race->begun < race->count || race->number < race->of;

	if (getnameinfo(c->address->ai_addr, c->address->ai_addrlen, host, sizeof(host), NULL, 0,
	                NI_NUMERICHOST) != 0)
		strcpy(host, "?");
	/* a host that is down is no news while the list has others */
	spamc_say(race->tp->flags,
	          error == ECONNREFUSED && more && race->tp->nhosts > 1 ? LOG_DEBUG : LOG_ERR,
	          "connect to spamd on %s failed, retrying (#%d of %d): %s", host, race->number,
	          race->of, strerror(error));
}

static void
fail(struct race *race, struct candidate *c, int error)
{
	race->last_error = error;
	log_failure(race, c, error);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Tests need an address at which nobody ever answers. */
static bool
is_broadcast(const struct addrinfo *ai)
{
	const struct sockaddr_in *in = (const void *)ai->ai_addr;

	return ai->ai_family == AF_INET && in->sin_addr.s_addr == INADDR_BROADCAST;
}

static void
begin_attempt(struct race *race)
{
	struct candidate *c = &race->list[race->begun++];
	const struct addrinfo *ai = c->address;

	race->begun_ms = spamc_now_ms();
	if (is_broadcast(ai)) {
		spamc_say(race->tp->flags, LOG_ERR,
		          "connect to spamd on 255.255.255.255 failed, broadcast addr");
		return;
	}
	c->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		fail(race, c, errno);
	else if (connect(c->fd, ai->ai_addr, ai->ai_addrlen) != 0 && errno != EINPROGRESS)
		fail(race, c, errno);
}

/* A socket that is connected, taken out of the list, or -1. */
static int
settle(struct race *race)
{
	for (size_t i = 0; i < race->begun; i++) {
		struct candidate *c = &race->list[i];
		int error = 0, fd = c->fd;
		socklen_t len = sizeof(error);

		if (fd < 0 || race->polls[i].revents == 0)
			continue;
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
			c->fd = -1;
			return fd;
		}
		fail(race, c, error);
	}
	return -1;
}

static bool
set_polls(struct race *race)
{
	bool open = false;

	for (size_t i = 0; i < race->begun; i++) {
		race->polls[i] = (struct pollfd){.fd = race->list[i].fd, .events = POLLOUT};
		open |= race->list[i].fd >= 0;
	}
	return open;
}

/* When the next address gets its turn although the last one has not failed. */
static int64_t
next_turn(const struct race *race)
{
	const struct candidate *last = &race->list[race->begun - 1];

	if (race->begun == race->count)
		return INT64_MAX;
	return race->begun_ms + (last[1].host == last->host ? STAGGER_MS : HOST_STAGGER_MS);
}

/* One round over all addresses: a socket or -1. */
static int
run_race(struct race *race, int64_t deadline)
{
	int winner = -1;

	race->begun = 0;
	while (winner < 0) {
		int64_t now = spamc_now_ms(), until;

		if (now >= deadline)
			race->last_error = ETIMEDOUT;
		if (now >= deadline || (!set_polls(race) && race->begun == race->count))
			break;
		until = race->begun == 0 || !set_polls(race) ? now : next_turn(race);
		if (until <= now) {
			begin_attempt(race);
			continue;
		}
		until = until < deadline ? until : deadline;
		if (poll(race->polls, race->begun,
		         until - now > 60000 ? 60000 : (int)(until - now)) > 0)
			winner = settle(race);
	}
	for (size_t i = 0; i < race->begun; i++) {
		if (race->list[i].fd >= 0 && winner < 0)
			fail(race, &race->list[i], ETIMEDOUT);
		else if (race->list[i].fd >= 0)
			close(race->list[i].fd);
		race->list[i].fd = -1;
	}
	return winner;
}

/* As many attempts as asked for, and each host once at least. */
static int
run_rounds(struct race *race, int timeout_s)
{
	const struct transport *tp = race->tp;
	int tries = tp->connect_retries == 0 ? RETRIES : tp->connect_retries;
	int hosts = tp->nhosts > 0 ? tp->nhosts : 1;
	int rounds = tries < hosts ? 1 : (tries + hosts - 1) / hosts;
	int pause = tp->retry_sleep < 0 ? 1 : tp->retry_sleep, fd = -1;

	race->of = rounds;
	for (int i = 0; i < rounds && fd < 0; i++) {
		if (i > 0 && pause > 0)
			sleep((unsigned)pause);
		race->number = i + 1;
		fd = run_race(race, timeout_s > 0 ? spamc_now_ms() + (int64_t)timeout_s * 1000
		                                  : INT64_MAX);
	}
	if (fd < 0)
		spamc_say(tp->flags, LOG_ERR,
		          "connection attempt to spamd aborted after %d retries", tries);
	return fd;
}

static int
connect_tcp(const struct transport *tp, int timeout_s, int *fd_r)
{
	size_t count = count_addresses(tp);
	struct race race = {.tp = tp};

	race.list = calloc(count + 1, sizeof(*race.list));
	race.polls = calloc(count + 1, sizeof(*race.polls));
	if (race.list == NULL || race.polls == NULL) {
		free(race.list);
		free(race.polls);
		return EX_OSERR;
	}
	for (int i = 0; i < tp->nhosts; i++)
		if (tp->hosts[i] != NULL)
			add_host(&race, tp->hosts[i], i);
	*fd_r = run_rounds(&race, timeout_s);
	free(race.list);
	free(race.polls);
	return *fd_r >= 0 ? EX_OK : code_of(race.last_error);
}

/* ---- Unix sockets ---- */

static int
connect_unix(const struct transport *tp, int timeout_s, int *fd_r)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(tp->socketpath);
	int fd, error = 0;
	int64_t deadline = timeout_s > 0 ? spamc_now_ms() + (int64_t)timeout_s * 1000 : INT64_MAX;

	if (len < sizeof(address.sun_path))
		memcpy(address.sun_path, tp->socketpath, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || len >= sizeof(address.sun_path)) {
		error = fd < 0 ? errno : ENAMETOOLONG;
	} else {
		/* a full backlog shows as EAGAIN and nothing tells when it has room */
		while (connect(fd, (const void *)&address, sizeof(address)) != 0) {
			error = errno;
			if (error != EAGAIN || spamc_now_ms() >= deadline)
				break;
			usleep(20000);
			error = 0;
		}
	}
	if (error == 0) {
		*fd_r = fd;
		return EX_OK;
	}
	spamc_say(tp->flags, LOG_ERR, "connect(AF_UNIX) to spamd using --socket='%s' failed: %s",
	          tp->socketpath, strerror(error));
	if (fd >= 0)
		close(fd);
	return code_of(error == EAGAIN ? ETIMEDOUT : error);
}

int
spamc_connect(const struct transport *tp, int timeout_s, int *fd_r)
{
	return tp->socketpath != NULL ? connect_unix(tp, timeout_s, fd_r)
	                              : connect_tcp(tp, timeout_s, fd_r);
}
