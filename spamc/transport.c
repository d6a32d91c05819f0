/*
 * transport.c - where the server is
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sysexits.h>
#include <syslog.h>

#include "spamc/private.h"

void
transport_init(struct transport *tp)
{
	*tp = (struct transport){.type = TRANSPORT_LOCALHOST, .port = 783, .retry_sleep = -1};
}

void
transport_cleanup(struct transport *tp)
{
	for (int i = 0; i < tp->nhosts; i++) {
		if (tp->hosts[i] != NULL)
			freeaddrinfo(tp->hosts[i]);
		tp->hosts[i] = NULL;
	}
}

static int
resolve(const struct transport *tp, const char *name, struct addrinfo **list_r)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
	int families = tp->flags & (SPAMC_USE_INET4 | SPAMC_USE_INET6);
	char port[8];

	if (families == SPAMC_USE_INET4)
		hints.ai_family = AF_INET;
	else if (families == SPAMC_USE_INET6)
		hints.ai_family = AF_INET6;
	snprintf(port, sizeof(port), "%u", tp->port);
	*list_r = NULL;
	return getaddrinfo(name, port, &hints, list_r);
}

/* Begins at a random host; which one matters to nobody. */
static void
rotate(struct transport *tp)
{
	struct addrinfo *old[TRANSPORT_MAX_HOSTS];
	unsigned random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		random = (unsigned)spamc_now_ms();
	memcpy(old, tp->hosts, sizeof(old));
	for (int i = 0; i < tp->nhosts; i++)
		tp->hosts[i] =
			old[((unsigned)i + random % (unsigned)tp->nhosts) % (unsigned)tp->nhosts];
}

/* Adds a host to the list; what went wrong is EX_TEMPFAIL, EX_NOHOST or EX_OSERR. */
static int
add_host(struct transport *tp, const char *name)
{
	struct addrinfo *list;
	int error = resolve(tp, name, &list);

	if (error == 0 && list != NULL) {
		tp->hosts[tp->nhosts++] = list;
		return EX_OK;
	}
	spamc_say(tp->flags, LOG_DEBUG, "getaddrinfo(%s) failed: %s", name, gai_strerror(error));
	if (error == EAI_AGAIN || error == 0)
		return EX_TEMPFAIL;
	return EX_NOHOST;
}

static int
set_up_tcp(struct transport *tp)
{
	char *names = strdup(tp->hostname), *rest = names, *name;
	int worst = EX_NOHOST;

	if (names == NULL)
		return EX_OSERR;
	tp->nhosts = 0;
	while ((name = strsep(&rest, ",")) != NULL) {
		if (tp->nhosts == TRANSPORT_MAX_HOSTS) {
			spamc_say(tp->flags, LOG_NOTICE,
			          "hit limit of %d hosts, ignoring remainder", TRANSPORT_MAX_HOSTS);
			break;
		}
		if (add_host(tp, name) == EX_TEMPFAIL)
			worst = EX_TEMPFAIL;
	}
	free(names);
	if (tp->nhosts == 0) {
		spamc_say(tp->flags, LOG_ERR, "could not resolve any hosts (%s): %s", tp->hostname,
		          worst == EX_TEMPFAIL ? "a temporary error occurred" : "no such host");
		return worst;
	}
	if ((tp->flags & SPAMC_RANDOMIZE_HOSTS) != 0 && tp->nhosts > 1)
		rotate(tp);
	/* no fallback: no second host either */
	if ((tp->flags & SPAMC_SAFE_FALLBACK) == 0) {
		for (int i = 1; i < tp->nhosts; i++)
			freeaddrinfo(tp->hosts[i]);
		tp->nhosts = 1;
	}
	return EX_OK;
}

int
transport_setup(struct transport *tp, int flags)
{
	int error;

	tp->flags = flags;
	switch (tp->type) {
	case TRANSPORT_UNIX:
		return tp->socketpath != NULL ? EX_OK : EX_OSERR;
	case TRANSPORT_LOCALHOST:
		/* no name: ::1 and 127.0.0.1, whatever /etc/hosts says */
		error = resolve(tp, NULL, &tp->hosts[0]);
		if (error != 0) {
			spamc_say(flags, LOG_ERR, "getaddrinfo for a loopback address failed: %s",
			          gai_strerror(error));
			return EX_OSERR;
		}
		tp->nhosts = 1;
		return EX_OK;
	case TRANSPORT_TCP:
		return set_up_tcp(tp);
	default:
		return EX_OSERR;
	}
}
