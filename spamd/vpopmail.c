/*
 * vpopmail.c - home directories of vpopmail's users
 */
#include "spamd/vpopmail.h"

#include <poll.h>
#include <string.h>

#include "util/child.h"
#include "util/clock.h"
#include "util/vec.h"

enum { ANSWER_MS = 5000, LOOKUPS_MAX = 32, OUTPUT_MAX = 64 * 1024 };

struct lookup {
	struct arena *arena;
	const char *directory;
	int64_t deadline_ms;
};

static bool
is_name(struct slice name)
{
	static const struct slice others = {(const unsigned char *)"-:,.=+_@~", 9};

	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_alnum(name.data[i]) &&
		    slice_find_byte(others, name.data[i], 0) == SLICE_NPOS)
			return false;
	return name.len > 0 && name.data[0] != '-';
}

/* What the program says; false: it failed. */
static bool
run(const struct lookup *l, const char *program, const char *flag, struct slice name,
    struct slice *output_r)
{
	struct slice path = arena_printf(l->arena, "%s/bin/%s%c", l->directory, program, '\0');
	const char *argv[] = {(const char *)path.data, flag, arena_cstr(l->arena, name), NULL};
	struct child_options options = {.argv = argv,
	                                .deadline_ms = l->deadline_ms,
	                                .cpu_s = ANSWER_MS / 1000,
	                                .output_max = OUTPUT_MAX};
	struct child_result result;
	struct error error;
	struct child *child;

	if (flag == NULL) {
		argv[1] = argv[2];
		argv[2] = NULL;
	}
	if (path.data == NULL || !is_name(name) ||
	    (child = child_start(l->arena, &options, &error)) == NULL)
		return false;
	while (!child_step(child)) {
		struct pollfd fd = {.fd = child_wait_fd(child), .events = POLLIN};
		int64_t left = child_wait_until(child) - clock_monotonic_ms();

		(void)poll(&fd, 1, left < 0 ? 0 : (int)left);
	}
	child_result(child, &result);
	*output_r = result.output;
	return result.status == 0 && !result.timed_out;
}

static const char *
mailbox(const struct lookup *l, struct slice name)
{
	struct slice output;

	if (!run(l, "vuserinfo", "-d", name, &output))
		return NULL;
	output = slice_trim(slice_sub(output, 0, slice_find_byte(output, '\n', 0)));
	return output.len > 0 && output.data[0] == '/' ? arena_cstr(l->arena, output) : NULL;
}

/* What stands behind "-> " or "-> &" in a line of valias. */
static struct slice
target_of(struct slice line)
{
	size_t at = slice_find(line, SLICE("-> "), 0);
	struct slice target = at == SLICE_NPOS ? SLICE("") : slice_from(line, at + 3);

	if (slice_starts(target, SLICE("&")))
		target = slice_from(target, 1);
	return slice_trim(target);
}

const char *
vpopmail_home(struct arena *arena, const char *directory, const char *name)
{
	struct lookup l = {arena, directory, clock_monotonic_ms() + ANSWER_MS};
	struct slice asked[LOOKUPS_MAX], output, line;
	size_t count = 1;
	const char *home = mailbox(&l, slice_from_cstr(name));

	asked[0] = slice_from_cstr(name);
	for (size_t i = 0; home == NULL && i < count; i++) {
		if (!run(&l, "valias", NULL, asked[i], &output))
			continue;
		while (home == NULL && slice_next(&output, '\n', &line)) {
			struct slice target = target_of(line);

			if (slice_starts(target, SLICE("/")) &&
			    slice_ends(target, SLICE("/Maildir/")))
				return arena_cstr(arena, slice_sub(target, 0, target.len - 9));
			if (slice_find_byte(target, '@', 0) == SLICE_NPOS || !is_name(target))
				continue;
			home = mailbox(&l, target);
			if (home == NULL && count < LOOKUPS_MAX)
				asked[count++] = target;
		}
	}
	return home;
}
