/*
 * test_sandbox.c - what a process in the sandbox tries, and what comes of it
 *
 * Each attack runs in a process of its own that entered the sandbox: exit code 0 means that the
 * call failed as it should (errno is looked at), 1 that it went through.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "spamd/sandbox.h"

enum { PORT_OPEN = 1, ENTER_FAILED = 99 };

/* ---- attacks: true: it went through ---- */

static bool
refused(bool failed)
{
	return failed && (errno == EPERM || errno == EACCES);
}

static bool
write_file(const char *path)
{
	int fd = open(path, O_WRONLY);

	return !refused(fd < 0);
}

static bool
attack_write(void)
{
	return write_file("/dev/null");
}

static bool
attack_create(void)
{
	return !refused(open("/tmp/winnow-sandbox-test", O_RDONLY | O_CREAT, 0600) < 0);
}

static bool
attack_truncate(void)
{
	return !refused(open("/proc/self/comm", O_RDONLY | O_TRUNC) < 0);
}

static bool
attack_unlink(void)
{
	return !refused(unlink("/tmp/winnow-sandbox-none") != 0);
}

static bool
attack_inet4(void)
{
	return !refused(socket(AF_INET, SOCK_STREAM, 0) < 0);
}

static bool
attack_inet6_udp(void)
{
	return !refused(socket(AF_INET6, SOCK_DGRAM, 0) < 0);
}

static bool
attack_netlink(void)
{
	return !refused(socket(AF_NETLINK, SOCK_RAW, 0) < 0);
}

static bool
attack_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return !refused(pid < 0);
}

static bool
attack_kill_parent(void)
{
	return !refused(kill(getppid(), 0) != 0);
}

static bool
attack_code_written(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return !refused(page == MAP_FAILED);
}

static bool
attack_code_made(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return !refused(mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0);
}

static bool
attack_chroot(void)
{
	return !refused(chroot("/") != 0);
}

static bool
attack_limits(void)
{
	return !refused(syscall(SYS_prlimit64, getppid(), 7, &(uint64_t[2]){1, 1}, NULL) != 0);
}

static bool
attack_exec(void)
{
	execl("/bin/true", "true", (char *)NULL);
	return true;
}

static bool
attack_ptrace(void)
{
	ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
	return true;
}

static bool
attack_peek(void)
{
	syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0);
	return true;
}

static bool
attack_setuid(void)
{
	(void)!setuid(0);
	return true;
}

/* ---- what must still work ---- */

static bool
work(void)
{
	int pair[2], fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	char byte;
	void *memory = malloc(64 * 1024 * 1024);
	bool ok = fd >= 0 && read(fd, &byte, 1) == 1 && memory != NULL;

	if (!ok || pipe(pair) == 0)
		return false; /* a pipe is not on the list */
	memset(memory, 1, 64 * 1024 * 1024);
	free(memory);
	return close(fd) == 0 && getpid() > 0;
}

static bool
local_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "/nowhere/at/all"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	return fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 &&
	       errno == ENOENT;
}

static bool
inet_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) >= 0;
}

static bool
create_file(void)
{
	char path[] = "/tmp/winnow-sandbox-XXXXXX";
	int fd = mkstemp(path);

	/* Made, but for good. */
	return fd >= 0 && write(fd, "x", 1) == 1 && refused(unlink(path) != 0);
}

/* A listening socket that was inherited is not a way out either. */
static bool
reconnect(int fd)
{
	struct sockaddr_in addr = {.sin_family = AF_UNSPEC};

	(void)!connect(fd, (struct sockaddr *)&addr, sizeof(addr));
	addr.sin_family = AF_INET;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(PORT_OPEN);
	return !refused(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0);
}

/* ---- running them ---- */

static int
run(bool (*what)(void), struct sandbox_needs needs)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		struct error error;

		if (sandbox_enter(&needs, &error) != STATUS_OK) {
			fprintf(stderr, "# %s\n", error.text);
			_exit(ENTER_FAILED);
		}
		_exit(what());
	}
	assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
	return status;
}

static void
need_seccomp(void)
{
	if (!(sandbox_parts() & SANDBOX_SECCOMP))
		skip();
}

static void
test_refused(void **state)
{
	static bool (*const attacks[])(void) = {
		attack_write,       attack_create,       attack_truncate,  attack_unlink,
		attack_inet4,       attack_inet6_udp,    attack_netlink,   attack_fork,
		attack_kill_parent, attack_code_written, attack_code_made, attack_chroot,
		attack_limits,
	};

	(void)state;
	need_seccomp();
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		int status = run(attacks[i], (struct sandbox_needs){.local_sockets = true});

		if (status != 0)
			print_message("# attack %zu: status %x\n", i, (unsigned)status);
		assert_int_equal(status, 0);
	}
}

static void
test_deadly(void **state)
{
	static bool (*const attacks[])(void) = {attack_exec, attack_ptrace, attack_peek,
	                                        attack_setuid};

	(void)state;
	need_seccomp();
	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		int status = run(attacks[i], (struct sandbox_needs){0});

		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	}
}

static void
test_needs(void **state)
{
	(void)state;
	need_seccomp();
	assert_int_equal(WEXITSTATUS(run(work, (struct sandbox_needs){0})), 1);
	assert_int_equal(WEXITSTATUS(run(local_socket, (struct sandbox_needs){0})), 0);
	assert_int_equal(
		WEXITSTATUS(run(local_socket, (struct sandbox_needs){.local_sockets = true})), 1);
	assert_int_equal(WEXITSTATUS(run(inet_socket, (struct sandbox_needs){.network = true})), 1);
	assert_int_equal(
		WEXITSTATUS(run(attack_code_written, (struct sandbox_needs){.compiles = true})), 1);
	assert_int_equal(
		WEXITSTATUS(run(create_file, (struct sandbox_needs){.creates_files = true})), 1);
	assert_int_equal(system("rm -f /tmp/winnow-sandbox-??????"), 0);
}

static int inherited;

static bool
attack_reconnect(void)
{
	return reconnect(inherited);
}

static void
test_inherited_listener(void **state)
{
	(void)state;
	if (!(sandbox_parts() & SANDBOX_LANDLOCK))
		skip();
	inherited = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(inherited >= 0 && listen(inherited, 1) == 0);
	assert_int_equal(run(attack_reconnect, (struct sandbox_needs){.local_sockets = true}), 0);
	close(inherited);
}

/* A refused call is said once, with its name. */
static void
keep_line(void *data, enum log_level level, const char *area, struct slice text)
{
	(void)area;
	assert_int_equal(level, LOG_LEVEL_WARN);
	snprintf(data, 200, "%.*s", SLICE_FMT(text));
}

static bool
report(void)
{
	char line[200] = "";
	struct log log = {.write = keep_line, .data = line};

	sandbox_report(&log);
	if (line[0] != '\0' || attack_inet4() || attack_inet4())
		return false;
	sandbox_report(&log);
	if (strncmp(line, "sandbox: socket (", 17) != 0 || strstr(line, "2 times") == NULL)
		return false;
	line[0] = '\0';
	sandbox_report(&log);
	return line[0] == '\0';
}

static void
test_report(void **state)
{
	(void)state;
	need_seccomp();
	assert_int_equal(WEXITSTATUS(run(report, (struct sandbox_needs){0})), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused), cmocka_unit_test(test_deadly),
		cmocka_unit_test(test_needs),   cmocka_unit_test(test_inherited_listener),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
