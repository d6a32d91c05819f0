/*
 * redis_hiredis.c - the module for Redis: one connection, its bytes and replies
 *
 * hiredis takes the replies apart.  The socket is ours, not hiredis': its time limits are of a
 * single read, and its TLS is not in every version; here one deadline is of all that a call does,
 * and the addresses of both families are tried in turn.
 */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "store/redis_driver.h"
#include "util/clock.h"

enum { BLOCK_BYTES = 16 * 1024, ADDRESS_MS = 300 /* then the next one gets its chance */ };

struct connection {
	int fd;
	SSL_CTX *tls_context;
	SSL *tls;
	redisReader *reader;
	/* of the exchange under way */
	redis_value_fn fn;
	void *data;
	size_t reply;
	char name[128]; /* for messages */
};

/* ---- replies ---- */

/* hiredis wants an object for each; nothing is kept, so all are the same one. */
static void *
pass_on(const redisReadTask *task, struct redis_value value)
{
	struct connection *c = task->privdata;

	for (const redisReadTask *up = task->parent; up != NULL; up = up->parent)
		value.depth++;
	value.reply = c->reply;
	if (c->fn != NULL)
		c->fn(c->data, &value);
	return c;
}

static void *
on_string(const redisReadTask *task, char *text, size_t len)
{
	enum redis_type type = task->type == REDIS_REPLY_ERROR ? REDIS_ERROR : REDIS_TEXT;

	return pass_on(task, (struct redis_value){.type = type, .text = slice_of(text, len)});
}

#if HIREDIS_MAJOR >= 1
static void *
on_array(const redisReadTask *task, size_t count)
#else
static void *
on_array(const redisReadTask *task, int count)
#endif
{
	return pass_on(task, (struct redis_value){.type = REDIS_ARRAY, .integer = (int64_t)count});
}

static void *
on_integer(const redisReadTask *task, long long integer)
{
	return pass_on(task, (struct redis_value){.type = REDIS_INTEGER, .integer = integer});
}

static void *
on_nil(const redisReadTask *task)
{
	return pass_on(task, (struct redis_value){.type = REDIS_NIL});
}

static void
on_free(void *object)
{
	(void)object;
}

static redisReplyObjectFunctions functions = {
	.createString = on_string,
	.createArray = on_array,
	.createInteger = on_integer,
	.createNil = on_nil,
	.freeObject = on_free,
};

/* ---- sockets ---- */

static bool
wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd ready = {fd, events, 0};

	for (;;) {
		int64_t left = deadline_ms - clock_monotonic_ms();
		int n = poll(&ready, 1, left <= 0 ? 0 : (int)left);

		if (n >= 0 || errno != EINTR) {
			errno = n == 0 ? ETIMEDOUT : errno;
			return n > 0;
		}
	}
}

/* -1: errno says why not. */
static int
connect_to(const struct sockaddr *address, socklen_t len, int64_t deadline_ms)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, saved = 0;
	socklen_t size = sizeof(saved);

	if (fd < 0)
		return -1;
	if (connect(fd, address, len) != 0) {
		saved = errno;
		if (saved == EINPROGRESS)
			saved = !wait_for(fd, POLLOUT, deadline_ms) ||
			                        getsockopt(fd, SOL_SOCKET, SO_ERROR, &saved,
			                                   &size) != 0
			                ? errno
			                : saved;
	}
	if (saved == 0) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		return fd;
	}
	close(fd);
	errno = saved;
	return -1;
}

static enum status
connect_path(struct connection *c, const struct redis_target *target, int64_t deadline_ms,
             struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(target->path) >= sizeof(address.sun_path))
		return error_set(error, STATUS_BAD, "Redis server %s: the path is too long",
		                 target->name);
	memcpy(address.sun_path, target->path, strlen(target->path) + 1);
	c->fd = connect_to((const struct sockaddr *)&address, sizeof(address), deadline_ms);
	return c->fd >= 0 ? STATUS_OK
	                  : error_set(error, STATUS_IO, "Redis server %s: %s", target->name,
	                              strerror(errno));
}

static enum status
connect_host(struct connection *c, const struct redis_target *target, int64_t deadline_ms,
             struct error *error)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
	int saved = ENOENT, rc = getaddrinfo(target->host, target->port, &hints, &list);

	if (rc != 0)
		return error_set(error, STATUS_IO, "Redis server %s: %s", target->name,
		                 gai_strerror(rc));
	for (struct addrinfo *a = list; a != NULL && c->fd < 0; a = a->ai_next) {
		int64_t until =
			a->ai_next == NULL ? deadline_ms : clock_monotonic_ms() + ADDRESS_MS;

		c->fd = connect_to(a->ai_addr, a->ai_addrlen,
		                   until < deadline_ms ? until : deadline_ms);
		saved = errno;
	}
	freeaddrinfo(list);
	return c->fd >= 0 ? STATUS_OK
	                  : error_set(error, STATUS_IO, "Redis server %s: %s", target->name,
	                              strerror(saved));
}

/* ---- TLS ---- */

static enum status
tls_failed(const struct redis_target *target, enum status status, const char *what,
           struct error *error)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return error_set(error, status, "Redis server %s: %s: %s", target->name, what,
	                 why == NULL ? "no connection" : why);
}

static bool
load_ca(SSL_CTX *context, const char *ca)
{
	struct stat st;

	if (ca == NULL)
		return SSL_CTX_set_default_verify_paths(context) == 1;
	return stat(ca, &st) == 0 && S_ISDIR(st.st_mode)
	               ? SSL_CTX_load_verify_locations(context, NULL, ca) == 1
	               : SSL_CTX_load_verify_locations(context, ca, NULL) == 1;
}

static enum status
make_context(struct connection *c, const struct redis_target *target, struct error *error)
{
	const struct redis_tls *tls = &target->tls;
	SSL_CTX *context = c->tls_context = SSL_CTX_new(TLS_client_method());

	if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return tls_failed(target, STATUS_LIMIT, "TLS", error);
	if (!tls->no_verify) {
		if (!load_ca(context, tls->ca))
			return tls_failed(target, STATUS_BAD, "tls_ca cannot be used", error);
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	}
	if (tls->cert != NULL && SSL_CTX_use_certificate_chain_file(context, tls->cert) != 1)
		return tls_failed(target, STATUS_BAD, "tls_cert cannot be used", error);
	if (tls->cert != NULL &&
	    SSL_CTX_use_PrivateKey_file(context, tls->key != NULL ? tls->key : tls->cert,
	                                SSL_FILETYPE_PEM) != 1)
		return tls_failed(target, STATUS_BAD, "tls_key cannot be used", error);
	return STATUS_OK;
}

static bool
set_peer(SSL *tls, const struct redis_target *target)
{
	const char *host = target->host == NULL ? "localhost" : target->host;

	if (target->tls.no_verify)
		return true;
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1)
		return true;
	ERR_clear_error();
	return SSL_ctrl(tls, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
	                (void *)(uintptr_t)host) == 1 &&
	       SSL_set1_host(tls, host) == 1;
}

/* false: it failed; else waits until the socket is as OpenSSL wants it. */
static bool
tls_wait(struct connection *c, int rc, int64_t deadline_ms)
{
	int want = SSL_get_error(c->tls, rc);

	errno = want == SSL_ERROR_SYSCALL && errno != 0 ? errno : ECONNRESET;
	return (want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE) &&
	       wait_for(c->fd, want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms);
}

static enum status
begin_tls(struct connection *c, const struct redis_target *target, int64_t deadline_ms,
          struct error *error)
{
	enum status status = make_context(c, target, error);
	int rc;

	if (status != STATUS_OK)
		return status;
	c->tls = SSL_new(c->tls_context);
	if (c->tls == NULL || SSL_set_fd(c->tls, c->fd) != 1 || !set_peer(c->tls, target))
		return tls_failed(target, STATUS_LIMIT, "TLS", error);
	while ((rc = SSL_connect(c->tls)) != 1) {
		long verified = SSL_get_verify_result(c->tls);

		if (tls_wait(c, rc, deadline_ms))
			continue;
		if (verified != X509_V_OK)
			return error_set(error, STATUS_IO, "Redis server %s: its certificate: %s",
			                 target->name, X509_verify_cert_error_string(verified));
		return tls_failed(target, STATUS_IO, "TLS", error);
	}
	return STATUS_OK;
}

/* ---- connections ---- */

static void
disconnect(void *connection)
{
	struct connection *c = connection;

	if (c == NULL)
		return;
	SSL_free(c->tls);
	SSL_CTX_free(c->tls_context);
	if (c->fd >= 0)
		close(c->fd);
	if (c->reader != NULL)
		redisReaderFree(c->reader);
	free(c);
}

static enum status
connect_target(const struct redis_target *target, int64_t deadline_ms, void **connection_r,
               struct error *error)
{
	struct connection *c = calloc(1, sizeof(*c));
	enum status status;

	*connection_r = NULL;
	if (c == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for a connection to Redis");
	c->fd = -1;
	(void)snprintf(c->name, sizeof(c->name), "%s", target->name);
	c->reader = redisReaderCreateWithFunctions(&functions);
	if (c->reader == NULL)
		status = error_set(error, STATUS_LIMIT, "no memory for a connection to Redis");
	else if (target->path != NULL)
		status = connect_path(c, target, deadline_ms, error);
	else
		status = connect_host(c, target, deadline_ms, error);
	if (c->reader != NULL)
		c->reader->privdata = c;
	if (status == STATUS_OK && target->tls.is_on)
		status = begin_tls(c, target, deadline_ms, error);
	if (status == STATUS_OK)
		*connection_r = c;
	else
		disconnect(c);
	return status;
}

/* ---- bytes ---- */

/* 0: nothing now; -1: errno, or the end (ECONNRESET). */
static ssize_t
take_some(struct connection *c, void *block, size_t size)
{
	ssize_t n;
	int rc;

	if (c->tls == NULL) {
		do
			n = recv(c->fd, block, size, 0);
		while (n < 0 && errno == EINTR);
		if (n < 0 && errno == EAGAIN)
			return 0;
		errno = n == 0 ? ECONNRESET : errno;
		return n == 0 ? -1 : n;
	}
	errno = 0;
	rc = SSL_read(c->tls, block, (int)size);
	if (rc > 0)
		return rc;
	rc = SSL_get_error(c->tls, rc);
	errno = rc == SSL_ERROR_SYSCALL && errno != 0 ? errno : ECONNRESET;
	return rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static ssize_t
send_some(struct connection *c, struct slice bytes)
{
	ssize_t n;
	int rc;

	if (c->tls == NULL) {
		do
			n = send(c->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		return n < 0 && errno == EAGAIN ? 0 : n;
	}
	errno = 0;
	/* The same piece again after a wait, as OpenSSL wants it. */
	rc = SSL_write(c->tls, bytes.data, bytes.len > BLOCK_BYTES ? BLOCK_BYTES : (int)bytes.len);
	if (rc > 0)
		return rc;
	rc = SSL_get_error(c->tls, rc);
	errno = rc == SSL_ERROR_SYSCALL && errno != 0 ? errno : ECONNRESET;
	return rc == SSL_ERROR_WANT_READ || rc == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* Reads what is there.  STATUS_AGAIN: nothing was. */
static enum status
read_replies(struct connection *c, size_t replies, struct error *error)
{
	char block[BLOCK_BYTES];
	ssize_t n = take_some(c, block, sizeof(block));
	void *object;

	if (n == 0)
		return STATUS_AGAIN;
	if (n < 0)
		return error_set(error, STATUS_IO, "Redis server %s: %s", c->name, strerror(errno));
	if (redisReaderFeed(c->reader, block, (size_t)n) != REDIS_OK)
		return error_set(error, STATUS_IO, "Redis server %s: %s", c->name,
		                 c->reader->errstr);
	while (c->reply < replies) {
		object = NULL;
		if (redisReaderGetReply(c->reader, &object) != REDIS_OK)
			return error_set(error, STATUS_IO, "Redis server %s: %s", c->name,
			                 c->reader->errstr);
		if (object == NULL)
			break;
		c->reply++;
	}
	return STATUS_OK;
}

static bool
is_open(void *connection, bool is_owed)
{
	struct connection *c = connection;
	struct pollfd state = {c->fd, POLLIN | POLLRDHUP, 0};

	if (poll(&state, 1, 0) <= 0)
		return true;
	/* TLS says things of its own. */
	return (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0 &&
	       (is_owed || c->tls != NULL);
}

static enum status
exchange(void *connection, struct slice commands, size_t replies, redis_value_fn fn, void *data,
         int64_t deadline_ms, struct error *error)
{
	struct connection *c = connection;
	enum status status;

	c->fn = fn;
	c->data = data;
	c->reply = 0;
	while (commands.len > 0 || c->reply < replies) {
		bool is_stuck = true;

		if (commands.len > 0) {
			ssize_t n = send_some(c, commands);

			if (n < 0)
				return error_set(error, STATUS_IO, "Redis server %s: %s", c->name,
				                 strerror(errno));
			commands = slice_from(commands, (size_t)n);
			is_stuck = n == 0;
			if (commands.len == 0 && c->reply >= replies)
				break;
		}
		status = read_replies(c, replies, error);
		if (status != STATUS_OK && status != STATUS_AGAIN)
			return status;
		is_stuck = status == STATUS_AGAIN && (is_stuck || commands.len == 0);
		if (is_stuck ? !wait_for(c->fd, (short)(POLLIN | (commands.len > 0 ? POLLOUT : 0)),
		                         deadline_ms)
		             : clock_monotonic_ms() > deadline_ms)
			return error_set(error, STATUS_IO, "Redis server %s: no answer in time",
			                 c->name);
	}
	return STATUS_OK;
}

extern const struct redis_driver redis_driver_table;
const struct redis_driver redis_driver_table = {
	.version = REDIS_DRIVER_VERSION,
	.connect = connect_target,
	.disconnect = disconnect,
	.is_open = is_open,
	.exchange = exchange,
};
