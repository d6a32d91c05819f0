/*
 * update_gpg.c - who signed an archive
 */
#include "cmd/update_gpg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/child.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum { GPG_SECONDS = 60, OUTPUT_MAX = 1024 * 1024 };

void
update_gpg_init(struct update_gpg *gpg, struct arena *arena, const struct log *log,
                const char *home)
{
	*gpg = (struct update_gpg){.arena = arena, .log = log, .home = home};
	update_gpg_trust(gpg, SLICE("0C2B1D7175B852C64B3CDC716C55397824F434CE"));
	update_gpg_trust(gpg, SLICE("5E541DC959CB8BAC7C78DFDC4056A61A5244EC45"));
}

bool
update_gpg_is_there(void)
{
	const char *path = getenv("PATH");
	struct slice rest = slice_from_cstr(path == NULL ? "/usr/bin:/bin" : path), dir;
	char file[4096];

	while (slice_next(&rest, ':', &dir)) {
		snprintf(file, sizeof(file), "%.*s/gpg", SLICE_FMT(dir));
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

void
update_gpg_trust(struct update_gpg *gpg, struct slice key)
{
	unsigned char *upper = arena_bytes(gpg->arena, key.len + 1);
	bool good = key.len == 8 || key.len == 40;

	for (size_t i = 0; i < key.len && upper != NULL; i++) {
		good &= byte_is_xdigit(key.data[i]);
		upper[i] = byte_upper(key.data[i]);
	}
	if (!good || upper == NULL) {
		log_debug(gpg->log, "gpg", "invalid key id %.*s",
		          SLICE_FMT(log_quote(gpg->arena, key, 100)));
		return;
	}
	log_debug(gpg->log, "gpg", "adding key id %.*s", SLICE_FMT(slice_of(upper, key.len)));
	(void)vec_push(gpg->arena, &gpg->trusted, slice_of(upper, key.len));
}

/* ---- running it ---- */

/* What it says goes to one stream, status lines between the others.  false: it could not be run. */
static bool
run_gpg(const struct update_gpg *gpg, const char *const *arguments, struct child_result *result_r)
{
	const char *argv[16] = {"gpg",      "--homedir",     gpg->home, "--batch",
	                        "--no-tty", "--status-fd=1", "-q",      "--logger-fd=1"};
	size_t count = 8;
	struct child_options options = {
		.argv = argv,
		.input = SLICE(""),
		.deadline_ms = clock_monotonic_ms() + GPG_SECONDS * 1000,
		.cpu_s = GPG_SECONDS,
		.output_max = OUTPUT_MAX,
	};
	struct error error;
	struct child *child;

	while (*arguments != NULL && count < 15)
		argv[count++] = *arguments++;
	log_debug(gpg->log, "gpg", "calling gpg");
	child = child_start(gpg->arena, &options, &error);
	if (child == NULL) {
		log_warn(gpg->log, NULL, "fatal: couldn't execute gpg: %s", error.text);
		return false;
	}
	while (!child_step(child)) {
		struct pollfd fd = {child_wait_fd(child), POLLIN, 0};
		int64_t wait = child_wait_until(child) - clock_monotonic_ms();

		(void)poll(&fd, fd.fd >= 0, wait < 1 ? 1 : (int)wait);
	}
	child_result(child, result_r);
	return true;
}

/* ---- keys ---- */

static void
make_home(const struct update_gpg *gpg)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s", gpg->home);
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0700);
		*slash = '/';
	}
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		log_warn(gpg->log, NULL, "cannot mkpath %s: %s", gpg->home, strerror(errno));
}

int
update_gpg_import(const struct update_gpg *gpg, const char *file)
{
	const char *arguments[] = {"--import", "--", file, NULL};
	struct child_result result;
	struct slice line;

	make_home(gpg);
	if (!run_gpg(gpg, arguments, &result))
		return 255;
	while (slice_next_line(&result.output, &line)) {
		line = log_quote(gpg->arena, slice_rtrim(line), 500);
		log_debug(gpg->log, "gpg", "%.*s", SLICE_FMT(line));
		if (slice_starts(line, SLICE("gpg: ")))
			log_warn(gpg->log, NULL, "%.*s", SLICE_FMT(line));
	}
	if (result.status != 0)
		log_warn(gpg->log, "gpg", "gpg --import %s failed", file);
	return WIFEXITED(result.status) ? WEXITSTATUS(result.status) : 255;
}

void
update_gpg_prepare(const struct update_gpg *gpg, const char *default_keys)
{
	struct slice path = arena_printf(gpg->arena, "%s/trustdb.gpg", gpg->home);

	if (path.data == NULL || access((const char *)path.data, F_OK) == 0)
		return;
	if (default_keys == NULL) {
		log_debug(gpg->log, "gpg",
		          "import of default keyring failed, couldn't find sa-update-pubkey.txt");
		return;
	}
	log_debug(gpg->log, "gpg", "importing default keyring to %s", gpg->home);
	(void)update_gpg_import(gpg, default_keys);
}

/* ---- a signature ---- */

static bool
is_trusted(const struct update_gpg *gpg, struct slice key)
{
	for (size_t i = 0; i < gpg->trusted.count; i++)
		if (slice_ends(key, gpg->trusted.items[i]))
			return true;
	return false;
}

struct verdict {
	bool trusted, bad;
	struct strbuf missing;
};

/* "[GNUPG:] VALIDSIG 40-DIGITS ...": the signature is right, whatever the key's state. */
static void
read_line(const struct update_gpg *gpg, struct slice line, struct verdict *v)
{
	struct slice word, key;

	if (slice_starts(line, SLICE("gpg: fatal:")))
		log_warn(gpg->log, NULL, "%.*s", SLICE_FMT(line));
	if (!slice_starts(line, SLICE("[GNUPG:] ")))
		return;
	line = slice_from(line, 9);
	if (!slice_next_word(&line, &word))
		return;
	if (slice_eq(word, SLICE("BADSIG")) || slice_eq(word, SLICE("REVKEYSIG")))
		v->bad = true;
	if (!slice_next_word(&line, &key))
		return;
	if (slice_eq(word, SLICE("EXPKEYSIG")))
		log_warn(gpg->log, "gpg", "the key %.*s, which made the signature, has expired",
		         SLICE_FMT(key));
	if (slice_eq(word, SLICE("NO_PUBKEY"))) {
		strbuf_add(&v->missing, slice_from(key, key.len > 8 ? key.len - 8 : 0));
		strbuf_add_byte(&v->missing, ' ');
	}
	if (!slice_eq(word, SLICE("VALIDSIG")) || key.len != 40)
		return;
	log_debug(gpg->log, "gpg", "found signature made by key %.*s", SLICE_FMT(key));
	log_debug(gpg->log, "gpg", "key id %.*s is %srelease trusted", SLICE_FMT(key),
	          is_trusted(gpg, key) ? "" : "not ");
	v->trusted |= is_trusted(gpg, key);
}

void
update_gpg_verify(const struct update_gpg *gpg, const char *signature, const char *content,
                  struct update_signature *result_r)
{
	const char *arguments[] = {"--verify", "--", signature, content, NULL};
	struct verdict v = {0};
	struct child_result result;
	struct slice line;

	*result_r = (struct update_signature){0};
	strbuf_init(&v.missing, gpg->arena, 0);
	if (!run_gpg(gpg, arguments, &result))
		return;
	while (slice_next_line(&result.output, &line)) {
		line = log_quote(gpg->arena, slice_rtrim(line), 1000);
		log_debug(gpg->log, "gpg", "%.*s", SLICE_FMT(line));
		read_line(gpg, line, &v);
	}
	if (result.timed_out || result.status != 0)
		log_warn(gpg->log, "gpg", "process 'gpg' %s",
		         result.timed_out ? "took too long" : "found the signature not good");
	result_r->good = v.trusted && !v.bad && !result.timed_out;
	result_r->missing_keys = strbuf_slice(&v.missing);
}
