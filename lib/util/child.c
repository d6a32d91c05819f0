/*
 * child.c - an outside program that reads a file and writes text
 */
#include "util/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/file.h"
#include "util/strbuf.h"

enum {
	READ_BYTES = 8192,
	ERROR_BYTES = 1024,
	FILE_BYTES_MAX = 64 * 1024 * 1024,
	KILL_AFTER_MS = 500,
	REAP_EVERY_MS = 2
};

struct child {
	pid_t pid; /* 0: reaped */
	int out, err;
	char *path; /* of the input; NULL: removed */
	int64_t deadline_ms, term_ms;
	bool timed_out, killed;
	int status;
	struct strbuf output;
	size_t output_max;
	unsigned char error[ERROR_BYTES];
	size_t error_len;
};

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
remove_input(struct child *child)
{
	if (child->path != NULL)
		(void)unlink(child->path);
	child->path = NULL;
}

static void
destroy(void *data)
{
	struct child *child = data;

	if (child->pid > 0) {
		(void)kill(-child->pid, SIGKILL);
		(void)waitpid(child->pid, NULL, 0);
		child->pid = 0;
	}
	close_fd(&child->out);
	close_fd(&child->err);
	remove_input(child);
}

void
child_end(struct child *child)
{
	destroy(child);
}

/* ---- start ---- */

static bool
make_input(struct child *child, struct arena *arena, struct slice input)
{
	const char *dir = getenv("TMPDIR");
	struct slice path = arena_printf(arena, "%s/.spamassassin-XXXXXX",
	                                 dir == NULL || dir[0] == '\0' ? "/tmp" : dir);
	char *name = path.data == NULL ? NULL : arena_cstr(arena, path);
	int fd = name == NULL ? -1 : mkostemp(name, O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	child->path = name;
	ok = file_write_all(fd, input);
	return close(fd) == 0 && ok;
}

/* argv with the file's name in it. */
static char **
make_argv(struct arena *arena, const char *const *argv, const char *path)
{
	size_t count = 0;
	char **out;

	while (argv[count] != NULL)
		count++;
	out = arena_new_array(arena, char *, count + 1);
	for (size_t i = 0; out != NULL && i < count; i++) {
		struct slice text = slice_from_cstr(argv[i]);
		size_t at = slice_find(text, SLICE("{}"), 0);
		struct slice named =
			at == SLICE_NPOS ? text
					 : arena_concat(arena,
		                                        arena_concat(arena, slice_sub(text, 0, at),
		                                                     slice_from_cstr(path)),
		                                        slice_from(text, at + 2));

		out[i] = named.data == NULL ? NULL : arena_cstr(arena, named);
		if (out[i] == NULL)
			return NULL;
	}
	return out;
}

static bool
has_name_of(const char *const *env, const char *line)
{
	struct slice name = slice_from_cstr(line);

	name = slice_sub(name, 0, slice_find_byte(name, '=', 0));
	for (; env != NULL && *env != NULL; env++) {
		struct slice other = slice_from_cstr(*env);

		if (slice_eq(slice_sub(other, 0, slice_find_byte(other, '=', 0)), name))
			return true;
	}
	return false;
}

static char **
make_env(struct arena *arena, const char *const *env)
{
	size_t count = 0, n = 0;
	char **out;

	for (char **e = environ; *e != NULL; e++)
		count++;
	for (const char *const *e = env; e != NULL && *e != NULL; e++)
		count++;
	out = arena_new_array(arena, char *, count + 1);
	if (out == NULL)
		return NULL;
	for (const char *const *e = env; e != NULL && *e != NULL; e++)
		out[n++] = arena_cstr(arena, slice_from_cstr(*e));
	for (char **e = environ; *e != NULL; e++)
		if (!has_name_of(env, *e))
			out[n++] = *e;
	return out;
}

static int
spawn(struct child *child, int out, const char *in, char **argv, char **env)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attr)) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
	                                        POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setpgroup(&attr, 0);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	if ((rc = posix_spawn_file_actions_addopen(&actions, 0, in, O_RDONLY, 0)) == 0 &&
	    (rc = posix_spawn_file_actions_adddup2(&actions, out, 1)) == 0 &&
	    (rc = posix_spawn_file_actions_adddup2(&actions, child->err, 2)) == 0 &&
	    (rc = posix_spawn_file_actions_addclosefrom_np(&actions, 3)) == 0)
		rc = posix_spawnp(&child->pid, argv[0], &actions, &attr, argv, env);
	if (rc != 0)
		child->pid = 0;
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

static void
set_limits(const struct child *child, unsigned cpu_s)
{
	struct rlimit cpu = {cpu_s, cpu_s + 1}, size = {FILE_BYTES_MAX, FILE_BYTES_MAX},
		      core = {0, 0};

	(void)prlimit(child->pid, RLIMIT_CPU, &cpu, NULL);
	(void)prlimit(child->pid, RLIMIT_FSIZE, &size, NULL);
	(void)prlimit(child->pid, RLIMIT_CORE, &core, NULL);
}

struct child *
child_start(struct arena *arena, const struct child_options *options, struct error *error)
{
	struct child *child = arena_new(arena, struct child);
	char **argv, **env;
	int pipes[2], rc;

	if (child == NULL) {
		(void)error_set(error, STATUS_LIMIT, "no memory");
		return NULL;
	}
	*child = (struct child){.out = -1,
	                        .err = -1,
	                        .deadline_ms = options->deadline_ms,
	                        .output_max = options->output_max};
	strbuf_init(&child->output, arena, 0);
	if (!arena_on_reset(arena, destroy, child) || !make_input(child, arena, options->input) ||
	    (argv = make_argv(arena, options->argv, child->path)) == NULL ||
	    (env = make_env(arena, options->env)) == NULL) {
		remove_input(child);
		(void)error_set(error, STATUS_LIMIT, "failed to create a temporary file: %s",
		                strerror(errno));
		return NULL;
	}
	child->err = memfd_create("stderr", MFD_CLOEXEC);
	if (child->err < 0 || pipe2(pipes, O_CLOEXEC) != 0) {
		(void)error_set(error, STATUS_LIMIT, "%s", strerror(errno));
		destroy(child);
		return NULL;
	}
	child->out = pipes[0];
	rc = spawn(child, pipes[1], options->input_is_stdin ? child->path : "/dev/null", argv, env);
	(void)close(pipes[1]);
	if (rc != 0) {
		(void)error_set(error, STATUS_NONE, "%s: %s", argv[0], strerror(rc));
		destroy(child);
		return NULL;
	}
	(void)fcntl(child->out, F_SETFL, O_NONBLOCK);
	set_limits(child, options->cpu_s);
	return child;
}

/* ---- steps ---- */

static void
read_output(struct child *child)
{
	while (child->out >= 0) {
		size_t room = child->output_max - child->output.len;
		ssize_t n;

		if (room == 0 || !strbuf_reserve(&child->output, READ_BYTES)) {
			close_fd(&child->out); /* what more there is, is not wanted */
			return;
		}
		n = read(child->out, child->output.data + child->output.len,
		         room < READ_BYTES ? room : READ_BYTES);
		if (n > 0)
			child->output.len += (size_t)n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			close_fd(&child->out);
		else if (errno == EAGAIN)
			return;
	}
}

static void
read_error(struct child *child)
{
	ssize_t n = pread(child->err, child->error, ERROR_BYTES, 0);

	child->error_len = n < 0 ? 0 : (size_t)n;
	close_fd(&child->err);
}

static void
check_deadline(struct child *child, int64_t now_ms)
{
	if (!child->timed_out && now_ms >= child->deadline_ms) {
		child->timed_out = true;
		child->term_ms = now_ms;
		/* Whole blocks only, as a reader of whole blocks would have had. */
		if (child->out >= 0)
			child->output.len -= child->output.len % READ_BYTES;
		close_fd(&child->out);
		(void)kill(-child->pid, SIGTERM);
	} else if (child->timed_out && !child->killed && now_ms >= child->term_ms + KILL_AFTER_MS) {
		child->killed = true;
		(void)kill(-child->pid, SIGKILL);
	}
}

bool
child_step(struct child *child)
{
	if (child->pid == 0)
		return true;
	read_output(child);
	check_deadline(child, clock_monotonic_ms());
	if (child->out >= 0)
		return false;
	/* An error: somebody else has reaped it. */
	if (waitpid(child->pid, &child->status, WNOHANG) == 0)
		return false;
	/* What it may have left behind in its group goes with it. */
	(void)kill(-child->pid, SIGKILL);
	child->pid = 0;
	read_error(child);
	remove_input(child);
	return true;
}

int
child_wait_fd(const struct child *child)
{
	return child->out;
}

int64_t
child_wait_until(const struct child *child)
{
	return child->out >= 0 ? child->deadline_ms : clock_monotonic_ms() + REAP_EVERY_MS;
}

void
child_result(const struct child *child, struct child_result *result_r)
{
	struct slice error = slice_of(child->error, child->error_len);

	*result_r = (struct child_result){
		.timed_out = child->timed_out,
		.status = child->status,
		.output = strbuf_slice(&child->output),
		.error_line = slice_sub(error, 0, slice_find_byte(error, '\n', 0)),
	};
}
