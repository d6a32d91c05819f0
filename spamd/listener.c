/*
 * listener.c - the sockets that spamd listens on
 */
#include "spamd/listener.h"

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

struct opener {
	struct arena *arena;
	const struct spamd_options *options;
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
		return error_set(o->error, STATUS_IO,
		                 "%s exists but is no socket: choose another path", addr->sun_path);
	if (is_alive(addr))
		return error_set(o->error, STATUS_IO, "%s: another server is listening there",
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
open_address(struct opener *o, const struct addrinfo *ai)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	struct listener listener = {0};
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
		return error_set(o->error, STATUS_IO, "cannot listen on [%s]:%s: %s", host, port,
		                 strerror(saved));
	}
	listener.name = arena_printf(o->arena, "[%s]:%s", host, port);
	listener.port = (unsigned)strtoul(port, NULL, 10);
	return vec_push(o->arena, &o->set->items, listener) == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status
open_host(struct opener *o, const char *host, const char *port)
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
		status = open_address(o, ai);
		opened += status == STATUS_OK;
	}
	freeaddrinfo(list);
	if (status == STATUS_NONE)
		status = opened > 0 ? STATUS_OK : STATUS_IO;
	return status;
}

/* [host|*][:port], [v6]:port, or a bare IPv6 address. */
static enum status
open_spec(struct opener *o, struct slice spec)
{
	struct slice host = spec, port = o->options->port;
	char *host_text, *port_text;

	if (spec.data[0] == '/')
		return open_unix(o, spec);
	if (slice_istarts(spec, SLICE("ssl:")))
		return error_set(o->error, STATUS_BAD, "TLS listeners are not there yet: %.*s",
		                 SLICE_FMT(spec));
	if (spec.data[0] == '[') {
		size_t close = slice_find_byte(spec, ']', 0);

		if (close == SLICE_NPOS)
			return error_set(o->error, STATUS_BAD, "missing ] in %.*s",
			                 SLICE_FMT(spec));
		host = slice_sub(spec, 1, close - 1);
		if (close + 1 < spec.len && spec.data[close + 1] == ':')
			port = slice_from(spec, close + 2);
	} else {
		size_t colon = slice_rfind_byte(spec, ':');

		if (colon != SLICE_NPOS && slice_find_byte(spec, ':', 0) == colon) {
			host = slice_sub(spec, 0, colon);
			port = slice_from(spec, colon + 1);
		}
	}
	if (port.len == 0)
		port = o->options->port;
	host_text = host.len == 0 || slice_eq(host, SLICE("*")) ? NULL : arena_cstr(o->arena, host);
	port_text = arena_cstr(o->arena, port);
	return port_text == NULL ? STATUS_LIMIT : open_host(o, host_text, port_text);
}

enum status
listener_open_all(struct arena *arena, const struct spamd_options *options,
                  struct listener_set *set_r, struct error *error)
{
	struct opener opener = {arena, options, set_r, error};
	enum status status = STATUS_OK;

	*set_r = (struct listener_set){0};
	for (size_t i = 0; i < options->listen.count && status == STATUS_OK; i++)
		status = open_spec(&opener, options->listen.items[i]);
	if (status == STATUS_OK && options->socket_path.len > 0)
		status = open_unix(&opener, options->socket_path);
	if (status == STATUS_OK && options->listen.count == 0 && options->socket_path.len == 0)
		status = open_spec(&opener, SLICE("localhost"));
	if (status != STATUS_OK)
		listener_close_all(set_r, true);
	return status;
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
