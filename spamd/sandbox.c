/*
 * sandbox.c - what a process that reads mail can still do to the host
 */
#include "spamd/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

/* ---- refused calls ---- */

/* Of a signal handler: the last refused call + 1, and how many there were. */
static volatile sig_atomic_t refused_call, refused_count;

#ifdef ARCH
static void
on_refused(int number, siginfo_t *info, void *data)
{
	ucontext_t *context = data;

	(void)number;
	refused_call = info->si_syscall + 1;
	refused_count = refused_count + 1;
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = -EPERM;
#else
	context->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
}
#endif

static const char *
call_name(int number)
{
	switch (number) {
	case SYS_socket:
		return "socket";
	case SYS_connect:
		return "connect";
	case SYS_openat:
		return "openat for writing";
	case SYS_clone:
		return "clone";
	case SYS_mprotect:
		return "mprotect";
	case SYS_kill:
		return "kill";
	case SYS_unlinkat:
		return "unlinkat";
	default:
		return "system call";
	}
}

void
sandbox_report(const struct log *log)
{
	int call = refused_call, count = refused_count;

	if (call == 0)
		return;
	refused_call = 0;
	refused_count = 0;
	log_warn(log, "spamd", "sandbox: %s (%d) refused, %d time%s", call_name(call - 1), call - 1,
	         count, count == 1 ? "" : "s");
}

/* ---- seccomp ---- */

#ifdef ARCH
/* clang-format off */
static const int allowed[] = {
	SYS_read, SYS_readv, SYS_pread64, SYS_write, SYS_writev, SYS_close, SYS_lseek,
	SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg, SYS_sendto, SYS_sendmsg, SYS_sendmmsg,
	SYS_accept4, SYS_shutdown, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt,
	SYS_ppoll, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_faccessat, SYS_readlinkat, SYS_getdents64,
	SYS_getcwd, SYS_fcntl, SYS_dup, SYS_dup3, SYS_munmap, SYS_mremap, SYS_madvise, SYS_brk,
	SYS_futex, SYS_set_robust_list, SYS_sched_yield, SYS_sched_getaffinity, SYS_getrandom,
	SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_clock_nanosleep, SYS_nanosleep,
	SYS_getpid, SYS_getppid, SYS_gettid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid,
	SYS_getgroups, SYS_getrusage, SYS_uname, SYS_sysinfo,
	SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall,
	SYS_exit, SYS_exit_group,
#ifdef SYS_rseq
	SYS_rseq,
#endif
#ifdef SYS_faccessat2
	SYS_faccessat2,
#endif
#ifdef __x86_64__ /* old names */
	SYS_poll, SYS_stat, SYS_lstat, SYS_access, SYS_readlink, SYS_dup2, SYS_time, SYS_arch_prctl,
#endif
};

/* What the embedded store and SQLite do; where they may is Landlock's affair. */
static const int storing[] = {
	SYS_pwrite64, SYS_pwritev, SYS_fdatasync, SYS_fstatfs, SYS_fsync, SYS_ftruncate, SYS_flock, SYS_umask, SYS_msync,
	SYS_fchmod, SYS_unlinkat,
#ifdef __x86_64__
	SYS_mkdir, SYS_unlink,
#endif
};

/* Of no use to a worker: only something that took one over asks for them. */
static const int deadly[] = {
	SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
	SYS_init_module, SYS_finit_module, SYS_bpf, SYS_mount, SYS_setuid, SYS_setresuid,
};
/* clang-format on */

enum { PROGRAM_MAX = 360, WORD = sizeof(uint32_t) };

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short count;
};

static void
emit(struct program *p, unsigned code, uint32_t k, unsigned yes, unsigned no)
{
	if (p->count < PROGRAM_MAX)
		p->code[p->count++] = (struct sock_filter){(unsigned short)code, (unsigned char)yes,
		                                           (unsigned char)no, k};
}

static void
load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static size_t
argument(unsigned number) /* its low half: both machines are little endian */
{
	return offsetof(struct seccomp_data, args) + number * sizeof(uint64_t);
}

static void
on_call(struct program *p, int call, uint32_t action)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1);
	emit(p, BPF_RET | BPF_K, action, 0, 0);
}

/* call: `yes` if its argument has one of the bits, else `no`. */
static void
on_bits(struct program *p, int call, unsigned number, uint32_t bits, uint32_t yes, uint32_t no)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
	load(p, argument(number));
	emit(p, BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1);
	emit(p, BPF_RET | BPF_K, yes, 0, 0);
	emit(p, BPF_RET | BPF_K, no, 0, 0);
}

/* call: allowed if its argument is `value`, else `no`. */
static void
on_value(struct program *p, int call, unsigned number, uint32_t value, uint32_t no)
{
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 4);
	load(p, argument(number));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	emit(p, BPF_RET | BPF_K, no, 0, 0);
}

static void
add_files(struct program *p, const struct sandbox_needs *needs)
{
	const uint32_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;

	if (needs->store_directory != NULL)
		for (size_t i = 0; i < sizeof(storing) / sizeof(storing[0]); i++)
			on_call(p, storing[i], SECCOMP_RET_ALLOW);
	if (needs->creates_files || needs->store_directory != NULL) {
		on_call(p, SYS_openat, SECCOMP_RET_ALLOW);
		on_call(p, SYS_mkdirat, SECCOMP_RET_ALLOW);
		return;
	}
	on_bits(p, SYS_openat, 2, writing, SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW);
#ifdef SYS_open
	on_bits(p, SYS_open, 1, writing, SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW);
#endif
}

/* Memory is written or executed, not both; libraries (user databases) may still be loaded. */
static void
add_memory(struct program *p, const struct sandbox_needs *needs)
{
	const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

	if (needs->compiles) {
		on_call(p, SYS_mmap, SECCOMP_RET_ALLOW);
		on_call(p, SYS_mprotect, SECCOMP_RET_ALLOW);
		return;
	}
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5);
	load(p, argument(2));
	emit(p, BPF_ALU | BPF_AND | BPF_K, PROT_WRITE | PROT_EXEC, 0, 0);
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, PROT_WRITE | PROT_EXEC, 0, 1);
	emit(p, BPF_RET | BPF_K, refused, 0, 0); /* PCRE2 goes on without machine code */
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	on_bits(p, SYS_mprotect, 2, PROT_EXEC, SECCOMP_RET_TRAP, SECCOMP_RET_ALLOW);
}

static void
add_sockets(struct program *p, const struct sandbox_needs *needs)
{
	if (needs->network)
		on_call(p, SYS_socket, SECCOMP_RET_ALLOW);
	else if (needs->local_sockets)
		on_value(p, SYS_socket, 0, AF_UNIX, SECCOMP_RET_TRAP);
	if (needs->network || needs->local_sockets)
		on_call(p, SYS_connect, SECCOMP_RET_ALLOW);
	if (needs->network) {
		on_call(p, SYS_bind, SECCOMP_RET_ALLOW);
		on_call(p, SYS_socketpair, SECCOMP_RET_ALLOW); /* libcurl wakes itself */
		on_call(p, SYS_epoll_create1, SECCOMP_RET_ALLOW);
		on_call(p, SYS_epoll_ctl, SECCOMP_RET_ALLOW);
		on_call(p, SYS_epoll_pwait, SECCOMP_RET_ALLOW);
#ifdef SYS_epoll_wait
		on_call(p, SYS_epoll_wait, SECCOMP_RET_ALLOW);
#endif
	}
}

/* Calls that a library tries and does well without. */
static void
add_harmless(struct program *p)
{
	on_call(p, SYS_prctl, SECCOMP_RET_ERRNO | EINVAL);
	on_call(p, SYS_ioctl, SECCOMP_RET_ERRNO | ENOTTY);
#ifdef SYS_clone3
	on_call(p, SYS_clone3, SECCOMP_RET_ERRNO | ENOSYS);
#endif
#ifdef SYS_openat2
	on_call(p, SYS_openat2, SECCOMP_RET_ERRNO | ENOSYS);
#endif
}

static void
make_program(struct program *p, const struct sandbox_needs *needs)
{
	const uint32_t self = (uint32_t)getpid();

	load(p, offsetof(struct seccomp_data, arch));
	emit(p, BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0);
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	load(p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		on_call(p, allowed[i], SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		on_call(p, deadly[i], SECCOMP_RET_KILL_PROCESS);
	add_files(p, needs);
	add_memory(p, needs);
	add_sockets(p, needs);
	add_harmless(p);
	on_value(p, SYS_prlimit64, 2, 0, SECCOMP_RET_TRAP);
	on_value(p, SYS_tgkill, 0, self, SECCOMP_RET_TRAP);
	on_value(p, SYS_kill, 0, self, SECCOMP_RET_TRAP);
	emit(p, BPF_RET | BPF_K, SECCOMP_RET_TRAP, 0, 0);
}

static enum status
enter_seccomp(const struct sandbox_needs *needs, struct error *error)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO};
	struct program program = {.count = 0};
	struct sock_fprog filter;

	make_program(&program, needs);
	if (program.count >= PROGRAM_MAX)
		return error_set(error, STATUS_LIMIT, "seccomp: the filter is too long");
	filter = (struct sock_fprog){program.count, program.code};
	if (sigaction(SIGSYS, &action, NULL) != 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
	            &filter) != 0)
		return error_set(error, STATUS_IO, "seccomp: %s", strerror(errno));
	return STATUS_OK;
}
#endif

/* ---- Landlock ---- */

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* Of linux/landlock.h, whose version here may be older than the kernel; since version n. */
#define FS_WRITES UINT64_C(0x1ff3)             /* execute, write, remove, make: all but read */
#define FS_CREATES UINT64_C(0x182)             /* write, make files and directories */
#define FS_REFER UINT64_C(0x2000)              /* 2 */
#define FS_TRUNCATE UINT64_C(0x4000)           /* 3 */
#define FS_IOCTL_DEV UINT64_C(0x8000)          /* 5 */
enum { NET_BIND = 1, NET_CONNECT = 2 };        /* 4 */
enum { SCOPE_ABSTRACT = 1, SCOPE_SIGNAL = 2 }; /* 6 */
enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };
/* write, remove, make: what a store does in its directory */
#define FS_STORES UINT64_C(0x1a2)

struct ruleset {
	uint64_t fs, net, scoped;
};

static long
landlock_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
}

struct path_rule {
	uint64_t allowed;
	int32_t fd;
} __attribute__((packed));

/* What is below that directory may be written. */
static int
allow_directory(int ruleset, const char *directory, uint64_t access)
{
	struct path_rule rule = {access, open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC)};
	int rc = 0;

	/* Not there: nothing can be learned, which the store says. */
	if (rule.fd < 0)
		return 0;
	rc = (int)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	close(rule.fd);
	return rc;
}

static enum status
enter_landlock(const struct sandbox_needs *needs, struct error *error)
{
	long version = landlock_version();
	struct ruleset rules = {.fs = FS_WRITES};
	size_t size = version < 4 ? 8 : version < 6 ? 16 : 24;
	int fd, rc;

	const char *stores = needs->store_directory;

	if (needs->creates_files)
		rules.fs &= ~FS_CREATES;
	if (stores != NULL && *stores == '\0')
		rules.fs &= ~FS_STORES;
	rules.fs |= version >= 2 ? FS_REFER : 0;
	rules.fs |= version >= 3 && (stores == NULL || *stores != '\0') ? FS_TRUNCATE : 0;
	rules.fs |= version >= 5 ? FS_IOCTL_DEV : 0;
	rules.net = needs->network ? NET_BIND : NET_BIND | NET_CONNECT;
	rules.scoped = SCOPE_SIGNAL | SCOPE_ABSTRACT;
	fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	rc = fd < 0 ? -1 : 0;
	if (rc == 0 && stores != NULL && *stores != '\0')
		rc = allow_directory(fd, stores, (FS_STORES | FS_TRUNCATE) & rules.fs);
	if (rc == 0)
		rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	if (rc != 0)
		(void)error_set(error, STATUS_IO, "landlock: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return rc == 0 ? STATUS_OK : STATUS_IO;
}

/* ---- both ---- */

unsigned
sandbox_parts(void)
{
	unsigned parts = 0;

#ifdef ARCH
	uint32_t action = SECCOMP_RET_TRAP;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		parts |= SANDBOX_SECCOMP;
#endif
	if (landlock_version() > 0)
		parts |= SANDBOX_LANDLOCK;
	return parts;
}

enum status
sandbox_enter(const struct sandbox_needs *needs, struct error *error)
{
	unsigned parts = sandbox_parts();
	enum status status = STATUS_OK;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return error_set(error, STATUS_IO, "no_new_privs: %s", strerror(errno));
	if (parts & SANDBOX_LANDLOCK)
		status = enter_landlock(needs, error);
#ifdef ARCH
	if (status == STATUS_OK && (parts & SANDBOX_SECCOMP))
		status = enter_seccomp(needs, error);
#endif
	return status;
}

void
sandbox_confine(const struct sandbox_needs *needs, const struct log *log)
{
	struct error error;

	if (needs != NULL && sandbox_enter(needs, &error) != STATUS_OK)
		log_warn(log, "spamd", "sandbox: %s: going on without", error.text);
}
