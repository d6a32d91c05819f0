/*
 * main.c - spamd: the parent
 *
 * Reads the configuration, opens the sockets, gives up root, keeps workers running.  Parses no
 * mail.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <malloc.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/paths.h"
#include "spamd/listener.h"
#include "spamd/logger.h"
#include "spamd/options.h"
#include "spamd/warm.h"
#include "spamd/worker.h"
#include "util/clock.h"

enum { WORKERS_MAX = 1024, TICK_MS = 200, DRAIN_SECONDS = 10 };

struct server {
	struct arena *arena;
	struct spamd_options options;
	struct logger logger;
	const struct log *log;
	struct filter *filter;
	struct match_scratch *match; /* warm, for the workers to come */
	struct listener_set listeners;
	struct tls_server *tls; /* NULL: no listener wants it */
	struct netset allowed;
	struct worker_slot *slots; /* shared memory */
	size_t slot_count;
	size_t wanted; /* workers */
	int life[2];   /* pipe whose writing end only the parent holds */
	int signals[2];
};

static int signal_fd = -1;

static void
on_signal(int number)
{
	int saved = errno;
	unsigned char byte = (unsigned char)number;
	ssize_t n = write(signal_fd, &byte, 1);

	(void)n;
	errno = saved;
}

/* ---- start ---- */

static enum status
make_allowed(struct server *server, struct error *error)
{
	static const struct slice loopback[] = {{(const unsigned char *)"127.0.0.1", 9},
	                                        {(const unsigned char *)"::1", 3}};
	const struct slice *items = server->options.allowed_ips.items;
	size_t count = server->options.allowed_ips.count;

	netset_init(&server->allowed, server->arena);
	if (count == 0) {
		items = loopback;
		count = 2;
	}
	for (size_t i = 0; i < count; i++)
		if (netset_add(&server->allowed, items[i], error) == STATUS_BAD)
			return STATUS_BAD;
	return STATUS_OK;
}

/* What looking up users takes (libraries, pages) is loaded once, here, and shared by the workers.
 */
static void
load_user_database(const struct server *server)
{
	const struct spamd_options *o = &server->options;
	const struct passwd *pw;
	gid_t groups[64];
	int count = 64;

	if (geteuid() != 0)
		return;
	pw = getpwnam(o->username != NULL ? o->username : o->default_user);
	if (pw != NULL)
		(void)getgrouplist(pw->pw_name, pw->pw_gid, groups, &count);
}

static enum status
load_filter(struct server *server, struct error *error)
{
	const struct spamd_options *o = &server->options;
	struct filter_options options = {
		.rules_path = o->config_path,
		.site_path = o->site_path,
		.pre_text = o->pre_text.len > 0 ? (const char *)o->pre_text.data : NULL,
		.post_text = o->cf_text.len > 0 ? (const char *)o->cf_text.data : NULL,
		.local_tests_only = o->local_only,
		.for_server = true,
		.lint = o->check_config,
		.cache_path = paths_cache(),
		.no_prefilter = getenv("WINNOW_NO_PREFILTER") != NULL,
		.log = server->log,
	};

	server->filter = filter_create(&options, error);
	if (server->filter == NULL)
		return STATUS_BAD;
	server->match = warm_scratch(server->filter);
	load_user_database(server);
	(void)malloc_trim(0); /* what building took */
	return STATUS_OK;
}

/* Keys are read while the parent still may. */
static enum status
load_tls(struct server *server, bool wanted, struct error *error)
{
	const struct spamd_options *o = &server->options;
	const char *site = o->site_path != NULL ? o->site_path : paths_find_site();
	struct tls_server_options options = {.key = o->server_key,
	                                     .cert = o->server_cert,
	                                     .ca_file = o->ssl_ca_file,
	                                     .ca_path = o->ssl_ca_path,
	                                     .verify = o->ssl_verify};
	char key[4096], cert[4096];
	struct tls_server *tls;

	if (!wanted)
		return STATUS_OK;
	snprintf(key, sizeof(key), "%s/certs/server-key.pem", site == NULL ? "" : site);
	snprintf(cert, sizeof(cert), "%s/certs/server-cert.pem", site == NULL ? "" : site);
	if (options.key == NULL)
		options.key = key;
	if (options.cert == NULL)
		options.cert = cert;
	tls = tls_server_create(&options, error);
	if (tls == NULL)
		return STATUS_BAD;
	tls_server_destroy(&server->tls);
	server->tls = tls;
	return STATUS_OK;
}

static const char *
user_to_become(const struct server *server)
{
	if (server->options.username != NULL)
		return server->options.username;
	if (geteuid() != 0)
		return NULL;
	log_warn(server->log, "spamd",
	         "still running as root: user not specified with -u, not found, or set to root, "
	         "falling back to %s",
	         server->options.default_user);
	return server->options.default_user;
}

/* In the worker, before it sees a byte of mail; no way back. */
static enum status
drop_privileges(const char *user, const char *group, struct error *error)
{
	const struct passwd *pw;
	gid_t gid;

	if (user == NULL || geteuid() != 0)
		return STATUS_OK;
	pw = getpwnam(user);
	if (pw == NULL)
		return error_set(error, STATUS_BAD, "no user %s", user);
	if (pw->pw_uid == 0)
		return error_set(error, STATUS_BAD,
		                 "cannot run as root: choose another user with -u");
	gid = pw->pw_gid;
	if (group != NULL) {
		const struct group *gr = getgrnam(group);

		if (gr == NULL)
			return error_set(error, STATUS_BAD, "no group %s", group);
		gid = gr->gr_gid;
	}
	if (initgroups(user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0)
		return error_set(error, STATUS_IO, "cannot become %s: %s", user, strerror(errno));
	if (setuid(0) == 0)
		return error_set(error, STATUS_IO, "root could be regained: refusing to run");
	return STATUS_OK;
}

static enum status
write_pid_file(const struct server *server, struct error *error)
{
	const char *path = server->options.pid_file;
	char temporary[4096];
	FILE *file;
	int fd;

	if (path == NULL)
		return STATUS_OK;
	snprintf(temporary, sizeof(temporary), "%s.%ld", path, (long)getpid());
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL)
		return error_set(error, STATUS_IO, "cannot write pid file %s: %s", path,
		                 strerror(errno));
	fprintf(file, "%ld\n", (long)getpid());
	if (fclose(file) != 0 || rename(temporary, path) != 0) {
		unlink(temporary);
		return error_set(error, STATUS_IO, "cannot write pid file %s: %s", path,
		                 strerror(errno));
	}
	return STATUS_OK;
}

static enum status
make_scoreboard(struct server *server, struct error *error)
{
	if (server->options.max_children > WORKERS_MAX / 2)
		server->options.max_children = WORKERS_MAX / 2;
	/* as many again that drain: they hold clients, but accept none */
	server->slot_count = (size_t)server->options.max_children * 2;
	server->slots = mmap(NULL, server->slot_count * sizeof(*server->slots),
	                     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (server->slots == MAP_FAILED)
		return error_set(error, STATUS_IO, "no memory for the scoreboard: %s",
		                 strerror(errno));
	if (pipe2(server->life, O_CLOEXEC) != 0 ||
	    pipe2(server->signals, O_CLOEXEC | O_NONBLOCK) != 0)
		return error_set(error, STATUS_IO, "pipe: %s", strerror(errno));
	server->wanted = (size_t)server->options.min_children;
	return STATUS_OK;
}

static void
install_signals(struct server *server)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	signal_fd = server->signals[1];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
log_started(const struct server *server)
{
	struct slice text = SLICE("");

	for (size_t i = 0; i < server->listeners.items.count; i++) {
		const struct listener *l = &server->listeners.items.items[i];

		text = arena_printf(server->arena, "%.*s%s%s%.*s", SLICE_FMT(text),
		                    i == 0 ? "" : ", ",
		                    l->is_unix  ? "UNIX domain socket "
		                    : l->is_tls ? "IO::Socket::SSL "
		                                : "IO::Socket::IP ",
		                    SLICE_FMT(l->name));
	}
	log_info(server->log, "spamd", "server started on %.*s (running version %s)",
	         SLICE_FMT(text), CONF_SA_VERSION_TEXT);
	log_info(server->log, "spamd", "server pid: %ld", (long)getpid());
}

/* ---- workers ---- */

static void
run_worker(struct server *server, struct worker_slot *slot)
{
	struct worker_config config = {
		.options = &server->options,
		.filter = server->filter,
		.match = server->match,
		.log = server->log,
		.listeners = &server->listeners,
		.tls = server->tls,
		.allowed = &server->allowed,
		.slot = slot,
		.parent_pipe = server->life[0],
	};
	struct error error;
	int code;

	signal(SIGCHLD, SIG_DFL);
	close(server->life[1]);
	close(server->signals[0]);
	close(server->signals[1]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (drop_privileges(user_to_become(server), server->options.groupname, &error) !=
	    STATUS_OK) {
		log_error(server->log, "spamd", "%s", error.text);
		_exit(71);
	}
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	code = worker_run(&config);
	_exit(code);
}

static void
start_worker(struct server *server, struct worker_slot *slot)
{
	pid_t pid = fork();

	if (pid == 0)
		run_worker(server, slot);
	if (pid < 0) {
		log_error(server->log, "spamd", "cannot fork a worker: %s: trying again",
		          strerror(errno));
		return;
	}
	atomic_store(&slot->draining, 0);
	atomic_store(&slot->pid, (int)pid);
	log_info(server->log, "spamd", "server successfully spawned child process, pid %ld",
	         (long)pid);
}

static bool
is_serving(const struct worker_slot *slot)
{
	return atomic_load(&slot->pid) != 0 && atomic_load(&slot->draining) == 0;
}

/* A worker more when all of those there are have messages in hand. */
static void
scale_up(struct server *server)
{
	size_t running = 0, busy = 0;

	for (size_t i = 0; i < server->slot_count; i++) {
		if (!is_serving(&server->slots[i]))
			continue;
		running++;
		busy += atomic_load(&server->slots[i].scans) > 0;
	}
	if (running == server->wanted && busy == running &&
	    server->wanted < (size_t)server->options.max_children) {
		server->wanted++;
		log_info(server->log, "prefork",
		         "adjust: 0 idle children less than 1 minimum idle children.  "
		         "Increasing spamd children");
	}
}

static void
fill_slots(struct server *server)
{
	size_t running = 0;

	for (size_t i = 0; i < server->slot_count; i++)
		running += is_serving(&server->slots[i]);
	for (size_t i = 0; i < server->slot_count && running < server->wanted; i++)
		if (atomic_load(&server->slots[i].pid) == 0) {
			start_worker(server, &server->slots[i]);
			running++;
		}
}

static const char *
signal_name(int number)
{
	const char *name = sigabbrev_np(number);

	return name == NULL ? "?" : name;
}

static void
log_exit(const struct server *server, pid_t pid, int status)
{
	if (WIFSIGNALED(status))
		log_info(server->log, "spamd",
		         "handled cleanup of child pid [%ld] due to SIG%s: %s, signal %d (%04x)",
		         (long)pid, signal_name(WTERMSIG(status)), "KILLED", WTERMSIG(status),
		         (unsigned)status);
	else
		log_info(server->log, "spamd", "handled cleanup of child pid [%ld]: exit %d",
		         (long)pid, WEXITSTATUS(status));
}

static size_t
reap(struct server *server)
{
	size_t running = 0;
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < server->slot_count; i++)
			if (atomic_load(&server->slots[i].pid) == (int)pid) {
				log_exit(server, pid, status);
				atomic_store(&server->slots[i].scans, 0);
				atomic_store(&server->slots[i].connections, 0);
				atomic_store(&server->slots[i].draining, 0);
				atomic_store(&server->slots[i].pid, 0);
			}
	for (size_t i = 0; i < server->slot_count; i++)
		running += atomic_load(&server->slots[i].pid) != 0;
	return running;
}

static void
tell_workers(const struct server *server, int number)
{
	for (size_t i = 0; i < server->slot_count; i++) {
		int pid = atomic_load(&server->slots[i].pid);

		if (pid <= 0)
			continue;
		if (number == SIGTERM)
			atomic_store(&server->slots[i].draining, 1);
		kill(pid, number);
	}
}

/* New workers get the new filter; old ones finish what they have.  A broken configuration changes
 * nothing. */
static void
reload(struct server *server)
{
	struct filter *old = server->filter;
	struct match_scratch *old_match = server->match;
	struct error error;

	log_info(server->log, "spamd", "server hit by SIGHUP, restarting");
	if (load_filter(server, &error) != STATUS_OK) {
		log_error(server->log, "spamd", "new configuration not used: %s", error.text);
		server->filter = old;
		return;
	}
	if (load_tls(server, listener_any_tls(&server->listeners), &error) != STATUS_OK)
		log_error(server->log, "spamd", "new TLS keys not used: %s", error.text);
	tell_workers(server, SIGTERM);
	match_scratch_destroy(&old_match);
	filter_destroy(&old);
}

static void
drain(struct server *server)
{
	int64_t deadline = clock_monotonic_ms() + DRAIN_SECONDS * 1000;
	struct pollfd fd = {.fd = server->signals[0], .events = POLLIN};

	tell_workers(server, SIGTERM);
	while (reap(server) > 0 && clock_monotonic_ms() < deadline) {
		unsigned char bytes[64];

		if (poll(&fd, 1, 100) > 0 && read(server->signals[0], bytes, sizeof(bytes)) < 0)
			continue;
	}
	tell_workers(server, SIGKILL);
	reap(server);
}

static int
serve(struct server *server)
{
	struct pollfd fd = {.fd = server->signals[0], .events = POLLIN};

	for (;;) {
		unsigned char bytes[64];
		ssize_t n;
		bool hup = false;

		fill_slots(server);
		poll(&fd, 1, TICK_MS);
		n = read(server->signals[0], bytes, sizeof(bytes));
		for (ssize_t i = 0; i < n; i++) {
			if (bytes[i] == SIGTERM || bytes[i] == SIGINT) {
				log_info(server->log, "spamd",
				         "server killed by SIG%s, shutting down",
				         signal_name(bytes[i]));
				drain(server);
				return 0;
			}
			hup |= bytes[i] == SIGHUP;
		}
		reap(server);
		if (hup)
			reload(server);
		scale_up(server);
	}
}

static bool
go_background(void)
{
	pid_t pid = fork();
	int null;

	if (pid < 0)
		return false;
	if (pid > 0)
		_exit(0);
	setsid();
	null = open("/dev/null", O_RDWR);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (null > 2)
			close(null);
	}
	return true;
}

static enum status
start(struct server *server, struct error *error)
{
	enum status status = make_allowed(server, error);

	if (status == STATUS_OK)
		status = listener_open_all(server->arena, &server->options, server->log, 0,
		                           &server->listeners, error);
	if (status == STATUS_OK)
		status = load_tls(server, listener_any_tls(&server->listeners), error);
	if (status == STATUS_OK)
		status = load_filter(server, error);
	if (status == STATUS_OK)
		status = make_scoreboard(server, error);
	if (status == STATUS_OK && server->options.daemonize && !go_background())
		status = error_set(error, STATUS_IO, "cannot go to the background: %s",
		                   strerror(errno));
	if (status == STATUS_OK)
		status = write_pid_file(server, error);
	return status;
}

/* ---- --check-config ---- */

static enum status
check_users(const struct spamd_options *o, struct error *error)
{
	const struct passwd *pw;

	if (o->username != NULL && (pw = getpwnam(o->username)) == NULL)
		return error_set(error, STATUS_BAD, "no user %s", o->username);
	if (o->username != NULL && geteuid() == 0 && pw->pw_uid == 0)
		return error_set(error, STATUS_BAD,
		                 "cannot run as root: choose another user with -u");
	if (o->groupname != NULL && getgrnam(o->groupname) == NULL)
		return error_set(error, STATUS_BAD, "no group %s", o->groupname);
	return STATUS_OK;
}

/* Says so too. */
static bool
is_bad(const struct server *server, enum status status, const struct error *error)
{
	if (status == STATUS_OK)
		return false;
	log_error(server->log, "spamd", "%s", error->text);
	return true;
}

/* All that a start loads and nothing that it opens; every step, so that one run says it all. */
static int
check_config(struct server *server)
{
	struct error error;
	bool tls = false;
	unsigned bad = 0;

	bad += is_bad(server, make_allowed(server, &error), &error);
	bad += is_bad(server, listener_check_all(server->arena, &server->options, &tls, &error),
	              &error);
	bad += is_bad(server, load_tls(server, tls, &error), &error);
	bad += is_bad(server, check_users(&server->options, &error), &error);
	if (!is_bad(server, load_filter(server, &error), &error))
		bad += server->filter->errors;
	else
		bad++;
	if (bad > 0)
		log_error(server->log, "spamd", "configuration: %u problem%s", bad,
		          bad == 1 ? "" : "s");
	match_scratch_destroy(&server->match);
	filter_destroy(&server->filter);
	tls_server_destroy(&server->tls);
	arena_destroy(&server->arena);
	return bad > 0 ? 78 : 0; /* EX_CONFIG */
}

int
main(int argc, char **argv)
{
	struct server server = {.arena = arena_create(0)};
	struct error error = {""};
	int code = 0;

	if (server.arena == NULL)
		return 71;
	switch (spamd_options_parse(server.arena, argc, argv, &server.options)) {
	case OPTIONS_EXIT_OK:
		return 0;
	case OPTIONS_EXIT_USAGE:
		return 64;
	case OPTIONS_EXIT_REMOVED:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	if (server.options.check_config)
		server.options.syslog = "stderr";
	if (!logger_open(&server.logger, server.options.syslog, server.options.debug_areas))
		return 71;
	server.log = &server.logger.log;
	umask(0077);
	if (server.options.check_config)
		return check_config(&server);
	if (start(&server, &error) != STATUS_OK) {
		log_error(server.log, "spamd", "%s", error.text);
		if (server.logger.kind != LOGGER_STDERR)
			fprintf(stderr, "spamd: %s\n", error.text);
		listener_close_all(&server.listeners, true);
		return 71;
	}
	install_signals(&server);
	log_started(&server);
	code = serve(&server);
	listener_close_all(&server.listeners, true);
	if (server.options.pid_file != NULL)
		unlink(server.options.pid_file);
	match_scratch_destroy(&server.match);
	filter_destroy(&server.filter);
	tls_server_destroy(&server.tls);
	logger_close(&server.logger);
	arena_destroy(&server.arena);
	return code;
}
