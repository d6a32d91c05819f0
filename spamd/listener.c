/*
 * listener.c - the sockets that spamd listens on
 */
#include "spamd/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, OPEN_TRIES = 10, INHERITED_FIRST = 3 };

struct opener {
	struct arena *arena;
	const struct spamd_options *options;
	const struct log *log;
	struct listener_set *set;
	struct error *error;
};

/* ---- Unix ---- */

/* Somebody answers there: not ours to take away. */
static bool
is_alive(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool alive = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;

	if (fd >= 0)
		close(fd);
	return alive;
}

static enum status
make_room(struct opener *o, const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? STATUS_OK
		                       : error_set(o->error, STATUS_IO, "%s: %s", addr->sun_path,
		                                   strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(o->error, STATUS_IO, "file %s exists but is no socket, exiting",
		                 addr->sun_path);
	if (is_alive(addr))
		return error_set(o->error, STATUS_AGAIN, "already running on %s, exiting",
		                 addr->sun_path);
	if (unlink(addr->sun_path) != 0)
		return error_set(o->error, STATUS_IO, "cannot remove stale socket %s: %s",
		                 addr->sun_path, strerror(errno));
	return STATUS_OK;
}

static enum status
set_owner(struct opener *o, const char *path)
{
	uid_t uid = (uid_t)-1;
	gid_t gid = (gid_t)-1;
	unsigned long mode = 0666;

	if (o->options->socket_owner.len > 0) {
		const struct passwd *pw = getpwnam((const char *)o->options->socket_owner.data);

		if (pw == NULL)
			return error_set(o->error, STATUS_BAD, "--socketowner: no user %.*s",
			                 SLICE_FMT(o->options->socket_owner));
		uid = pw->pw_uid;
	}
	if (o->options->socket_group.len > 0) {
		const struct group *gr = getgrnam((const char *)o->options->socket_group.data);

		if (gr == NULL)
			return error_set(o->error, STATUS_BAD, "--socketgroup: no group %.*s",
			                 SLICE_FMT(o->options->socket_group));
		gid = gr->gr_gid;
	}
	if (o->options->socket_mode.len > 0) {
		char *end;

		mode = strtoul((const char *)o->options->socket_mode.data, &end, 8);
		if (*end != '\0' || mode > 07777)
			return error_set(o->error, STATUS_BAD,
			                 "--socketmode: \"%.*s\" is no octal mode",
			                 SLICE_FMT(o->options->socket_mode));
	}
	if (((uid != (uid_t)-1 || gid != (gid_t)-1) && chown(path, uid, gid) != 0) ||
	    chmod(path, (mode_t)mode) != 0)
		return error_set(o->error, STATUS_IO, "%s: %s", path, strerror(errno));
	return STATUS_OK;
}

static enum status
open_unix(struct opener *o, struct slice path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct listener listener = {.is_unix = true};
	enum status status;
	struct stat st;

	if (path.len >= sizeof(addr.sun_path))
		return error_set(o->error, STATUS_BAD, "socket path longer than %zu bytes: %.*s",
		                 sizeof(addr.sun_path) - 1, SLICE_FMT(path));
	memcpy(addr.sun_path, path.data, path.len);
	status = make_room(o, &addr);
	if (status != STATUS_OK)
		return status;
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener.fd < 0)
		return error_set(o->error, STATUS_IO, "socket: %s", strerror(errno));
	if (bind(listener.fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(listener.fd, BACKLOG) != 0) {
		status = error_set(o->error, STATUS_IO, "cannot listen on %s: %s", addr.sun_path,
		                   strerror(errno));
		close(listener.fd);
		return status;
	}
	status = set_owner(o, addr.sun_path);
	if (status != STATUS_OK || lstat(addr.sun_path, &st) != 0) {
		close(listener.fd);
		return status == STATUS_OK ? STATUS_IO : status;
	}
	listener.device = st.st_dev;
	listener.inode = st.st_ino;
	listener.name = arena_dup(o->arena, path);
	return vec_push(o->arena, &o->set->items, listener) == NULL ? STATUS_LIMIT : STATUS_OK;
}

/* ---- TCP ---- */

static enum status
open_address(struct opener *o, const struct addrinfo *ai, bool tls)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	struct listener listener = {.is_tls = tls};
	int one = 1;

	listener.fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener.fd < 0)
		return errno == EAFNOSUPPORT
		               ? STATUS_NONE
		               : error_set(o->error, STATUS_IO, "socket: %s", strerror(errno));
	setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (ai->ai_family == AF_INET6)
		setsockopt(listener.fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), port, sizeof(port),
	                NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		memcpy(host, "?", 2), memcpy(port, "0", 2);
	if (bind(listener.fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
	    listen(listener.fd, BACKLOG) != 0) {
		int saved = errno;

		close(listener.fd);
		/* A host without that family has no such address: another one may do. */
		if (saved == EADDRNOTAVAIL || saved == EAFNOSUPPORT) {
			(void)error_set(o->error, STATUS_NONE, "cannot listen on [%s]:%s: %s", host,
			                port, strerror(saved));
			return STATUS_NONE;
		}
		return error_set(o->error, saved == EADDRINUSE ? STATUS_AGAIN : STATUS_IO,
		                 "cannot listen on [%s]:%s: %s", host, port, strerror(saved));
	}
	listener.name = arena_printf(o->arena, "[%s]:%s", host, port);
	listener.port = (unsigned)strtoul(port, NULL, 10);
	return vec_push(o->arena, &o->set->items, listener) == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status
open_host(struct opener *o, const char *host, const char *port, bool tls)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list, *ai;
	enum status status = STATUS_OK;
	size_t opened = 0;
	int rc;

	hints.ai_family = o->options->ipv4_only   ? AF_INET
	                  : o->options->ipv6_only ? AF_INET6
	                                          : AF_UNSPEC;
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0)
		return error_set(o->error, STATUS_BAD, "cannot listen on %s port %s: %s",
		                 host == NULL ? "*" : host, port, gai_strerror(rc));
	for (ai = list; ai != NULL && (status == STATUS_OK || status == STATUS_NONE);
	     ai = ai->ai_next) {
		status = open_address(o, ai, tls);
		opened += status == STATUS_OK;
	}
	freeaddrinfo(list);
	if (status == STATUS_NONE)
		status = opened > 0 ? STATUS_OK : STATUS_IO;
	return status;
}

/* Both loopback addresses, whatever the host's tables say; one of them is enough. */
static enum status
open_loopback(struct opener *o, const char *port, bool tls)
{
	enum status six = STATUS_NONE, four = STATUS_NONE;

	if (!o->options->ipv4_only)
		six = open_host(o, "::1", port, tls);
	if ((six == STATUS_OK || six == STATUS_NONE || six == STATUS_IO) && !o->options->ipv6_only)
		four = open_host(o, "127.0.0.1", port, tls);
	if (six == STATUS_OK || four == STATUS_OK)
		return six == STATUS_AGAIN || four == STATUS_AGAIN ? STATUS_AGAIN : STATUS_OK;
	return four != STATUS_NONE ? four : six;
}

/* Cuts [host|*][:port], [v6]:port, or a bare IPv6 address; port_r is left when there is none. */
static enum status
split_spec(struct opener *o, struct slice spec, struct slice *host_r, struct slice *port_r)
{
	size_t colon = slice_rfind_byte(spec, ':'), close;

	*host_r = spec;
	if (slice_starts(spec, SLICE("["))) {
		close = slice_find_byte(spec, ']', 0);
		if (close == SLICE_NPOS || (close + 1 < spec.len && spec.data[close + 1] != ':'))
			return error_set(o->error, STATUS_BAD,
			                 "Invalid socket specification syntax: %.*s",
			                 SLICE_FMT(spec));
		*host_r = slice_sub(spec, 1, close - 1);
		if (close + 2 < spec.len)
			*port_r = slice_from(spec, close + 2);
	} else if (colon != SLICE_NPOS && slice_find_byte(spec, ':', 0) == colon) {
		*host_r = slice_sub(spec, 0, colon);
		if (colon + 1 < spec.len)
			*port_r = slice_from(spec, colon + 1);
	}
	return STATUS_OK;
}

static enum status
open_inet(struct opener *o, struct slice spec, bool tls)
{
	struct slice host, port = tls ? o->options->ssl_port : SLICE("");
	char *host_text, *port_text;
	enum status status;

	if (port.len == 0)
		port = o->options->port.len > 0 ? o->options->port : SLICE("783");
	status = split_spec(o, spec, &host, &port);
	if (status != STATUS_OK)
		return status;
	host_text = host.len == 0 || slice_eq(host, SLICE("*")) ? NULL : arena_cstr(o->arena, host);
	port_text = arena_cstr(o->arena, port);
	if (port_text == NULL)
		return STATUS_LIMIT;
	if (slice_ieq(host, SLICE("localhost")))
		return open_loopback(o, port_text, tls);
	return open_host(o, host_text, port_text, tls);
}

static enum status
open_once(struct opener *o, struct slice spec)
{
	bool tls = slice_istarts(spec, SLICE("ssl:"));

	if (tls)
		spec = slice_from(spec, 4);
	if (slice_starts(spec, SLICE("/")))
		return open_unix(o, spec);
	return open_inet(o, spec, tls || o->options->ssl);
}

/* A server that is just ending may still hold the address: as the reference, wait for it. */
static enum status
open_spec(struct opener *o, struct slice spec)
{
	size_t had = o->set->items.count;
	enum status status = STATUS_OK;

	for (unsigned try = 1; try <= OPEN_TRIES; try++) {
		status = open_once(o, spec);
		if (status != STATUS_AGAIN)
			return status;
		while (o->set->items.count > had)
			close(o->set->items.items[--o->set->items.count].fd);
		if (try < OPEN_TRIES) {
			log_warn(o->log, NULL, "server socket setup failed, retry %u: spamd: %s",
			         try, o->error->text);
			sleep(1);
		}
	}
	return STATUS_IO;
}

/* ---- sockets that systemd opened ---- */

static enum status
adopt(struct opener *o, int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);
	char host[NI_MAXHOST], port[NI_MAXSERV];
	struct listener listener = {.fd = fd, .is_tls = o->options->ssl};

	if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return error_set(o->error, STATUS_IO, "inherited socket %d: %s", fd,
		                 strerror(errno));
	listener.is_unix = addr.ss_family == AF_UNIX;
	if (listener.is_unix) {
		/* device and inode stay 0: the path is systemd's to remove */
		listener.is_tls = false;
		listener.name = arena_printf(o->arena, "%s%c",
		                             ((struct sockaddr_un *)&addr)->sun_path, '\0');
		if (listener.name.len > 0)
			listener.name.len--;
	} else {
		if (getnameinfo((struct sockaddr *)&addr, len, host, sizeof(host), port,
		                sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
			return error_set(o->error, STATUS_BAD,
			                 "inherited socket %d is no listening socket", fd);
		listener.name = arena_printf(o->arena, "[%s]:%s", host, port);
		listener.port = (unsigned)strtoul(port, NULL, 10);
	}
	return vec_push(o->arena, &o->set->items, listener) == NULL ? STATUS_LIMIT : STATUS_OK;
}

enum status
listener_open_all(struct arena *arena, const struct spamd_options *options, const struct log *log,
                  unsigned inherited, struct listener_set *set_r, struct error *error)
{
	struct opener opener = {arena, options, log, set_r, error};
	enum status status = STATUS_OK;

	*set_r = (struct listener_set){0};
	for (unsigned i = 0; i < inherited && status == STATUS_OK; i++)
		status = adopt(&opener, INHERITED_FIRST + (int)i);
	for (size_t i = 0; i < options->listen.count && status == STATUS_OK; i++)
		status = open_spec(&opener, options->listen.items[i]);
	if (status == STATUS_OK && options->socket_path.len > 0)
		status = open_spec(&opener, options->socket_path);
	if (status == STATUS_OK && set_r->items.count == 0)
		status = open_spec(&opener, SLICE("localhost"));
	if (status != STATUS_OK)
		listener_close_all(set_r, true);
	return status;
}

/* ---- checks ---- */

static enum status
check_inet(struct opener *o, struct slice spec, bool tls)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	struct slice host, port = tls ? o->options->ssl_port : SLICE("");
	int rc;

	if (port.len == 0)
		port = o->options->port.len > 0 ? o->options->port : SLICE("783");
	if (split_spec(o, spec, &host, &port) != STATUS_OK)
		return STATUS_BAD;
	rc = getaddrinfo(host.len == 0 || slice_eq(host, SLICE("*")) ? NULL
	                                                             : arena_cstr(o->arena, host),
	                 arena_cstr(o->arena, port), &hints, &list);
	if (rc != 0)
		return error_set(o->error, STATUS_BAD, "cannot listen on %.*s: %s", SLICE_FMT(spec),
		                 gai_strerror(rc));
	freeaddrinfo(list);
	return STATUS_OK;
}

static enum status
check_spec(struct opener *o, struct slice spec, bool *tls_r)
{
	struct sockaddr_un addr;
	bool tls = slice_istarts(spec, SLICE("ssl:"));

	if (tls)
		spec = slice_from(spec, 4);
	if (!slice_starts(spec, SLICE("/"))) {
		tls |= o->options->ssl;
		*tls_r |= tls;
		return check_inet(o, spec, tls);
	}
	if (spec.len >= sizeof(addr.sun_path))
		return error_set(o->error, STATUS_BAD, "socket path longer than %zu bytes: %.*s",
		                 sizeof(addr.sun_path) - 1, SLICE_FMT(spec));
	return STATUS_OK;
}

enum status
listener_check_all(struct arena *arena, const struct spamd_options *options, bool *tls_r,
                   struct error *error)
{
	struct opener opener = {.arena = arena, .options = options, .error = error};
	enum status status = STATUS_OK;

	*tls_r = options->listen.count == 0 && options->socket_path.len == 0 && options->ssl;
	for (size_t i = 0; i < options->listen.count && status == STATUS_OK; i++)
		status = check_spec(&opener, options->listen.items[i], tls_r);
	if (status == STATUS_OK && options->socket_path.len > 0)
		status = check_spec(&opener, options->socket_path, tls_r);
	return status;
}

bool
listener_any_tls(const struct listener_set *set)
{
	for (size_t i = 0; i < set->items.count; i++)
		if (set->items.items[i].is_tls)
			return true;
	return false;
}

void
listener_close_all(struct listener_set *set, bool unlink_paths)
{
	for (size_t i = 0; i < set->items.count; i++) {
		struct listener *listener = &set->items.items[i];
		struct stat st;

		close(listener->fd);
		if (unlink_paths && listener->is_unix &&
		    lstat((const char *)listener->name.data, &st) == 0 &&
		    st.st_dev == listener->device && st.st_ino == listener->inode)
			unlink((const char *)listener->name.data);
	}
	set->items.count = 0;
}
