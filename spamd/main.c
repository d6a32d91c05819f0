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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/paths.h"
#include "plugins/senders.h"
#include "spamd/daemon.h"
#include "spamd/listener.h"
#include "spamd/logger.h"
#include "spamd/metrics.h"
#include "spamd/options.h"
#include "spamd/pool.h"
#include "spamd/systemd.h"
#include "spamd/user.h"
#include "spamd/sandbox.h"
#include "spamd/warm.h"
#include "spamd/worker.h"
#include "store/sql.h"
#include "util/clock.h"

enum { TICK_MS = 200, DRAIN_SECONDS = 10 };

struct server {
	struct arena *arena;
	struct spamd_options options;
	struct logger logger;
	const struct log *log;
	struct filter *filter;
	struct match_scratch *match; /* warm, for the workers to come */
	bool sandboxed;              /* workers enter the sandbox */
	unsigned bad_databases;      /* that the configuration names and that cannot be used */
	struct listener_set listeners, metrics_listeners;
	struct metrics metrics; /* slots NULL: none */
	pid_t metrics_pid;      /* the process that serves them */
	int64_t metrics_again_ms;
	struct tls_server *tls; /* NULL: no listener wants it */
	struct allowed allowed;
	struct pool pool;
	int life[2]; /* pipe whose writing end only the parent holds */
	int signals[2];
	int ready; /* to the process that waits in the foreground; -1: none */
	int64_t watchdog_ms, next_sign_ms; /* of life, for systemd; 0: none */
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

static bool
learns(const struct server *server)
{
	const struct core_settings *core = conf_core(server->filter->conf);

	return conf_plugins(server->filter->conf)->loaded[PLUGIN_ID_bayes] != NULL &&
	       core->use_bayes && core->use_learner;
}

/* Where SQLite has it; len 0: it has not. */
static struct slice
sqlite_file(const struct server *server)
{
	const struct core_settings *core = conf_core(server->filter->conf);

	return store_backend_find(core->bayes_store_module) == &store_sql
	               ? sql_dsn_file(server->arena, core->bayes_sql_dsn)
	               : SLICE("");
}

/* Is what was learned somewhere else than in files? */
static bool
asks_store(const struct server *server)
{
	const struct store_backend *backend =
		store_backend_find(conf_core(server->filter->conf)->bayes_store_module);

	return learns(server) && backend != NULL && backend->is_remote &&
	       sqlite_file(server).len == 0;
}

/* The same of senders. */
static bool
asks_senders(const struct server *server)
{
	struct slice dsn = sender_list_dsn(server->filter->conf);

	return dsn.data != NULL && sql_dsn_file(server->arena, dsn).len == 0;
}

/* Of a file: absolute, or "" where it depends on whose mail comes. */
static const char *
directory_of(struct server *server, struct slice path)
{
	struct slice directory;
	const char *text;

	if (path.len == 0 || path.data[0] != '/' ||
	    slice_find(path, SLICE("__userstate__"), 0) != SLICE_NPOS)
		return "";
	directory = slice_sub(path, 0, slice_rfind_byte(path, '/'));
	text = directory.len == 0 ? "/" : arena_cstr(server->arena, directory);
	return text == NULL ? "" : text;
}

static unsigned
prepare_store(const struct server *server)
{
	const struct learner_user nobody = {.home = "/"};
	struct arena *arena = arena_create(0);
	struct store_config config;
	struct error error = {"no memory"};
	bool good;

	if (!learns(server)) {
		arena_destroy(&arena);
		return 0;
	}
	good = arena != NULL &&
	       learner_config(arena, conf_core(server->filter->conf), &nobody, server->log, &config,
	                      &error) == STATUS_OK &&
	       store_prepare(&config, &error) == STATUS_OK;
	if (!good)
		log_error(server->log, "bayes", "%s", error.text);
	arena_destroy(&arena);
	return !good;
}

/* What names no database of ours is said. */
static unsigned
prepare_senders(const struct server *server)
{
	const struct sql_config config = {.dsn = sender_list_dsn(server->filter->conf)};
	struct error problem;
	struct sql *sql;
	bool good;

	if (config.dsn.data == NULL)
		return 0;
	good = sql_open(&config, &sql, &problem) == STATUS_OK;
	if (!good)
		log_error(server->log, "config", "user_awl_dsn: %s", problem.text);
	sql_close(&sql);
	return !good;
}

/*
 * Modules are loaded before workers are forked and confined; nothing is connected to.  How many
 * cannot be used: said, and messages are scored without.
 */
static unsigned
prepare_databases(const struct server *server)
{
	unsigned bad = prepare_store(server) + prepare_senders(server);
	enum user_scores_source source;
	struct user_scores *scores;
	struct error problem;

	if (!user_asks_database(&server->options, &source))
		return bad;
	scores = user_scores_open(conf_core(server->filter->conf), source, server->log, &problem);
	if (scores != NULL && problem.text[0] != '\0') {
		log_error(server->log, "config", "%s", problem.text);
		bad++;
	}
	user_scores_close(&scores);
	return bad;
}

/*
 * Where workers write what they learn, of words and of senders; NULL: nowhere.  "": it depends on
 * whose mail comes, or they are two places.
 */
static const char *
find_store_directory(struct server *server)
{
	const struct conf *conf = server->filter->conf;
	struct slice dsn = sender_list_dsn(conf),
		     senders = dsn.data == NULL ? sender_list_path(conf)
	                                        : sql_dsn_file(server->arena, dsn);
	const char *words = NULL, *list;

	if (plugins_write_files(conf))
		return "";
	if (learns(server) && !asks_store(server))
		words = directory_of(server, sqlite_file(server).len > 0
		                                     ? sqlite_file(server)
		                                     : conf_core(conf)->bayes_path);
	if (senders.data == NULL || asks_senders(server))
		return words;
	list = directory_of(server, senders);
	return words == NULL || strcmp(words, list) == 0 ? list : "";
}

/* Says why not, when not. */
static bool
decide_sandbox(const struct server *server)
{
	const char *plugin = plugins_running_programs(server->filter->conf);
	unsigned parts = sandbox_parts();

	if (!server->options.sandbox)
		log_info(server->log, "spamd", "sandbox: switched off by --no-sandbox");
	else if (plugin != NULL)
		log_info(server->log, "spamd", "sandbox: off, %s runs outside programs", plugin);
	else if (parts != (SANDBOX_SECCOMP | SANDBOX_LANDLOCK))
		log_info(server->log, "spamd", "sandbox: this system has no%s%s",
		         parts & SANDBOX_SECCOMP ? "" : " seccomp",
		         parts & SANDBOX_LANDLOCK ? "" : " Landlock");
	return server->options.sandbox && plugin == NULL;
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
		.dns_family = o->ipv4_only   ? AF_INET
	                      : o->ipv6_only ? AF_INET6
	                                     : AF_UNSPEC,
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
	if (!o->check_config)
		server->sandboxed = decide_sandbox(server);
	load_user_database(server);
	server->bad_databases = prepare_databases(server);
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

static enum status
open_pipes(struct server *server, struct error *error)
{
	if (pipe2(server->life, O_CLOEXEC) != 0 ||
	    pipe2(server->signals, O_CLOEXEC | O_NONBLOCK) != 0)
		return error_set(error, STATUS_IO, "pipe: %s", strerror(errno));
	return STATUS_OK;
}

static void
install_signals(struct server *server)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR2};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	signal_fd = server->signals[1];
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaction(numbers[i], &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
write_pid(const struct server *server)
{
	struct error error;

	if (server->options.pid_file != NULL &&
	    daemon_write_pid(server->options.pid_file, &error) != STATUS_OK)
		log_warn(server->log, "spamd", "%s", error.text);
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
	write_pid(server);
	log_info(server->log, "spamd", "server pid: %ld", (long)getpid());
}

/* ---- workers ---- */

static void
run_worker(void *data, struct worker_slot *slot)
{
	struct server *server = data;
	struct worker_config config = {
		.options = &server->options,
		.filter = server->filter,
		.match = server->match,
		.log = server->log,
		.listeners = &server->listeners,
		.tls = server->tls,
		.allowed = &server->allowed,
		.slot = slot,
		.metrics = metrics_writer(&server->metrics, slot),
		.parent_pipe = server->life[0],
	};
	enum user_scores_source source;
	const struct sandbox_needs needs = {
		.local_sockets = server->options.user_config || server->options.auth_ident ||
	                         server->logger.kind == LOGGER_SYSLOG,
		.network = !server->filter->env.local_tests_only || server->options.auth_ident ||
	                   asks_store(server) || asks_senders(server) ||
	                   user_asks_database(&server->options, &source),
		.compiles = conf_core(server->filter->conf)->allow_user_rules,
		.creates_files = server->options.create_prefs,
		.store_directory = find_store_directory(server),
	};
	struct error error;
	int code;

	config.sandbox = server->sandboxed ? &needs : NULL;
	signal(SIGCHLD, SIG_DFL);
	signal(SIGUSR2, SIG_IGN);
	close(server->life[1]);
	close(server->signals[0]);
	close(server->signals[1]);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	user_set_home(&server->options);
	if (user_drop(&server->options, server->log, &error) != STATUS_OK) {
		log_error(server->log, "spamd", "%s", error.text);
		_exit(71);
	}
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* By whom it is to be written, and before the sandbox names it. */
	if (needs.store_directory != NULL && needs.store_directory[0] != '\0' &&
	    !user_changes(&server->options))
		(void)mkdir(needs.store_directory, 0700);
	code = worker_run(&config);
	_exit(code);
}

/* ---- metrics ---- */

static enum status
open_metrics(struct server *server, struct error *error)
{
	struct spamd_options options = server->options;
	enum status status;

	if (options.metrics_listen.count == 0)
		return STATUS_OK;
	options.listen = options.metrics_listen;
	options.socket_path = SLICE_NULL;
	options.port = SLICE("9783");
	options.ssl = false;
	status = listener_open_all(server->arena, &options, server->log, 0,
	                           &server->metrics_listeners, error);
	if (status == STATUS_OK)
		status = metrics_init(&server->metrics, server->pool.slots, server->pool.slot_count,
		                      error);
	if (status == STATUS_OK)
		metrics_set_rules(&server->metrics, conf_rules(server->filter->conf));
	return status;
}

/* Confined like a worker, and never root. */
static void
run_metrics(struct server *server)
{
	static const int numbers[] = {SIGTERM, SIGCHLD, SIGUSR2};
	const struct sandbox_needs needs = {.local_sockets = server->logger.kind == LOGGER_SYSLOG};
	struct spamd_options options = server->options;
	struct error error;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		signal(numbers[i], SIG_DFL);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	close(server->life[1]);
	close(server->signals[0]);
	close(server->signals[1]);
	listener_close_all(&server->listeners, false);
	options.user_config = options.paranoid = false;
	if (options.username == NULL)
		options.username = geteuid() == 0 ? options.default_user : NULL;
	if (user_drop(&options, server->log, &error) != STATUS_OK) {
		log_error(server->log, "spamd", "metrics: %s", error.text);
		_exit(71);
	}
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	sandbox_confine(server->options.sandbox ? &needs : NULL, server->log);
	metrics_serve(&server->metrics, conf_rules(server->filter->conf),
	              &server->metrics_listeners, &server->allowed, server->life[0], server->log);
	_exit(0);
}

/* It is started again when it has ended, whyever, once a second at most. */
static void
keep_metrics(struct server *server, int64_t now_ms)
{
	if (server->metrics.slots == NULL || now_ms < server->metrics_again_ms ||
	    (server->metrics_pid > 0 && kill(server->metrics_pid, 0) == 0))
		return;
	server->metrics_again_ms = now_ms + 1000;
	server->metrics_pid = fork();
	if (server->metrics_pid == 0)
		run_metrics(server);
}

static void
end_metrics(struct server *server)
{
	if (server->metrics_pid > 0)
		kill(server->metrics_pid, SIGTERM);
	server->metrics_pid = 0;
	server->metrics_again_ms = 0;
}

static const char *
signal_name(int number)
{
	const char *name = sigabbrev_np(number);

	return name == NULL ? "?" : name;
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
	systemd_notify_reloading();
	logger_reopen(&server->logger);
	if (load_filter(server, &error) != STATUS_OK) {
		log_error(server->log, "spamd", "new configuration not used: %s", error.text);
		server->filter = old;
		systemd_notify("READY=1");
		return;
	}
	if (load_tls(server, listener_any_tls(&server->listeners), &error) != STATUS_OK)
		log_error(server->log, "spamd", "new TLS keys not used: %s", error.text);
	if (server->metrics.slots != NULL)
		metrics_set_rules(&server->metrics, conf_rules(server->filter->conf));
	server->metrics.reloads++;
	end_metrics(server);
	pool_signal(&server->pool, SIGTERM);
	pool_fill(&server->pool, clock_monotonic_ms());
	log_started(server);
	systemd_notify("READY=1");
	match_scratch_destroy(&old_match);
	filter_destroy(&old);
}

/* SIGTERM or SIGINT is among the signals that came meanwhile. */
static bool
asked_again(struct server *server, int timeout_ms)
{
	struct pollfd fd = {.fd = server->signals[0], .events = POLLIN};
	unsigned char bytes[64];
	ssize_t n = poll(&fd, 1, timeout_ms) > 0 ? read(fd.fd, bytes, sizeof(bytes)) : 0;

	for (ssize_t i = 0; i < n; i++)
		if (bytes[i] == SIGTERM || bytes[i] == SIGINT)
			return true;
	return false;
}

/* The addresses are free at once; messages in hand get their time, unless we are asked twice. */
static void
drain(struct server *server)
{
	long limit_s = server->options.timeout_child_s > 0 ? server->options.timeout_child_s
	                                                   : DRAIN_SECONDS;
	int64_t deadline = clock_monotonic_ms() + limit_s * 1000;

	systemd_notify("STOPPING=1");
	listener_close_all(&server->listeners, true);
	if (server->options.pid_file != NULL)
		daemon_remove_pid(server->options.pid_file);
	pool_signal(&server->pool, SIGTERM);
	while (pool_reap(&server->pool) > 0 && clock_monotonic_ms() < deadline)
		if (asked_again(server, 100) &&
		    deadline > clock_monotonic_ms() + DRAIN_SECONDS * 1000)
			deadline = clock_monotonic_ms() + DRAIN_SECONDS * 1000;
	pool_signal(&server->pool, SIGKILL);
	listener_close_all(&server->metrics_listeners, true);
	end_metrics(server);
	pool_reap(&server->pool);
}

static void
show_life(struct server *server, int64_t now_ms)
{
	if (server->watchdog_ms == 0 || now_ms < server->next_sign_ms)
		return;
	server->next_sign_ms = now_ms + server->watchdog_ms;
	systemd_notify("WATCHDOG=1");
}

/* SIGUSR2: which worker has what in hand. */
static void
log_workers(const struct server *server)
{
	for (size_t i = 0; i < server->pool.slot_count; i++) {
		const struct worker_slot *slot = &server->pool.slots[i];

		if (atomic_load(&slot->pid) != 0)
			log_info(server->log, "spamd",
			         "caught SIGUSR2: child [%d] has %d connections, %d messages in "
			         "hand%s",
			         atomic_load(&slot->pid), atomic_load(&slot->connections),
			         atomic_load(&slot->scans),
			         atomic_load(&slot->draining) ? ", ends after them" : "");
	}
}

static int
serve(struct server *server)
{
	struct pollfd fd = {.fd = server->signals[0], .events = POLLIN};

	for (;;) {
		unsigned char bytes[64];
		ssize_t n;
		bool hup = false;

		pool_fill(&server->pool, clock_monotonic_ms());
		keep_metrics(server, clock_monotonic_ms());
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
			if (bytes[i] == SIGUSR2)
				log_workers(server);
		}
		pool_reap(&server->pool);
		if (hup)
			reload(server);
		pool_scale(&server->pool, clock_monotonic_ms());
		show_life(server, clock_monotonic_ms());
	}
}

static enum status
start(struct server *server, struct error *error)
{
	enum status status = user_check(&server->options, error);

	if (status == STATUS_OK)
		status = allowed_init(&server->allowed, server->arena, &server->options.allowed_ips,
		                      error);

	if (status == STATUS_OK)
		status = listener_open_all(server->arena, &server->options, server->log,
		                           systemd_sockets(), &server->listeners, error);
	if (status == STATUS_OK)
		status = load_tls(server, listener_any_tls(&server->listeners), error);
	if (status == STATUS_OK)
		status = load_filter(server, error);
	server->pool = (struct pool){
		.options = &server->options, .log = server->log, .run = run_worker, .data = server};
	if (status == STATUS_OK)
		status = pool_init(&server->pool, error);
	if (status == STATUS_OK)
		status = open_metrics(server, error);
	if (status == STATUS_OK && server->options.daemonize)
		status = daemon_start(&server->ready, error);
	if (status == STATUS_OK && server->options.daemonize)
		logger_detach(&server->logger);
	if (status == STATUS_OK)
		status = open_pipes(server, error);
	return status;
}

/* ---- --check-config ---- */

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

	bad += is_bad(
		server,
		allowed_init(&server->allowed, server->arena, &server->options.allowed_ips, &error),
		&error);
	bad += is_bad(server, listener_check_all(server->arena, &server->options, &tls, &error),
	              &error);
	bad += is_bad(server, load_tls(server, tls, &error), &error);
	bad += is_bad(server, user_check(&server->options, &error), &error);
	if (!is_bad(server, load_filter(server, &error), &error))
		bad += server->filter->errors + server->bad_databases;
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

/* Options that are not to run anything; -1: go on. */
static int
exit_code_of(enum options_result result)
{
	switch (result) {
	case OPTIONS_EXIT_OK:
		return 0;
	case OPTIONS_EXIT_USAGE:
		return 64;
	case OPTIONS_EXIT_REMOVED:
		return 2;
	case OPTIONS_RUN:
		break;
	}
	return -1;
}

int
main(int argc, char **argv)
{
	struct server server = {.arena = arena_create(0), .ready = -1};
	struct error error = {""};
	int code;

	if (server.arena == NULL)
		return 71;
	code = exit_code_of(spamd_options_parse(server.arena, argc, argv, &server.options));
	if (code >= 0) {
		arena_destroy(&server.arena);
		return code;
	}
	if (server.options.check_config)
		server.options.syslog = "stderr";
	if (!logger_open(&server.logger, &server.options))
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
	server.watchdog_ms = systemd_watchdog_ms();
	systemd_notify("READY=1");
	if (server.ready >= 0)
		daemon_ready(server.ready);
	code = serve(&server);
	match_scratch_destroy(&server.match);
	filter_destroy(&server.filter);
	tls_server_destroy(&server.tls);
	logger_close(&server.logger);
	arena_destroy(&server.arena);
	return code;
}
