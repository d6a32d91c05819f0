/*
 * program.c - outside programs that plugins ask about a message
 */
#include "plugins/program.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"

/* REST_MS: what is left of the scan's time for the verdict. */
enum { OUTPUT_MAX = 1024 * 1024, REST_MS = 200 };

/* ---- finding ---- */

bool
program_is_executable(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static const char *
in_dir(struct arena *arena, struct slice dir, const char *name)
{
	struct slice path = arena_printf(arena, "%.*s/%s", SLICE_FMT(dir), name);

	return path.data != NULL && program_is_executable((const char *)path.data)
	               ? (const char *)path.data
	               : NULL;
}

const char *
program_find(struct arena *arena, const char *name, const char *const *dirs)
{
	const char *path = getenv("PATH"), *found;
	struct slice rest = slice_from_cstr(path == NULL ? "/usr/bin:/bin" : path), dir;

	while (slice_next(&rest, ':', &dir))
		if (dir.len > 0 && dir.data[0] == '/' && (found = in_dir(arena, dir, name)) != NULL)
			return found;
	for (; dirs != NULL && *dirs != NULL; dirs++)
		if ((found = in_dir(arena, slice_from_cstr(*dirs), name)) != NULL)
			return found;
	return NULL;
}

const char **
program_argv(struct arena *arena, const char *const *argv, struct slice options, const char *last)
{
	VEC(const char *) out = {0};
	struct slice word;

	for (; *argv != NULL; argv++)
		(void)vec_push(arena, &out, *argv);
	while (options.data != NULL && slice_next_word(&options, &word))
		(void)vec_push(arena, &out, arena_cstr(arena, word));
	if (last != NULL)
		(void)vec_push(arena, &out, last);
	return vec_push(arena, &out, NULL) == NULL ? NULL : out.items;
}

/* ---- running ---- */

int64_t
program_deadline(const struct scan *scan, double timeout_s)
{
	int64_t deadline = clock_monotonic_ms() + (int64_t)(timeout_s * 1000);

	return deadline > scan->deadline_ms - REST_MS ? scan->deadline_ms - REST_MS : deadline;
}

bool
program_start(struct scan *scan, struct program *program, const char *const *argv,
              struct slice input, double timeout_s)
{
	struct child_options options = {
		.argv = argv,
		.input = input,
		.input_is_stdin = true,
		.deadline_ms = program_deadline(scan, timeout_s),
		.cpu_s = timeout_s < 1e6 ? (unsigned)timeout_s + 2 : 1000000,
		.output_max = OUTPUT_MAX,
	};
	struct error error;

	if (argv == NULL)
		return false;
	program->path = argv[0];
	program->child = child_start(scan->arena, &options, &error);
	if (program->child == NULL)
		log_info(scan->log, program->area, "%s could not be started: %s", argv[0],
		         error.text);
	else
		log_debug(scan->log, program->area, "started %s", argv[0]);
	return program->child != NULL;
}

bool
program_step(struct scan *scan, struct program *program, struct child_result *result_r)
{
	char ending[64];

	if (!child_step(program->child)) {
		scan->wait = (struct scan_wait){.fd = child_wait_fd(program->child),
		                                .until_ms = child_wait_until(program->child)};
		return false;
	}
	child_result(program->child, result_r);
	program->child = NULL;
	log_debug(scan->log, program->area, "%s %s, %zu bytes", program->path,
	          program_ending(result_r, ending, sizeof(ending)), result_r->output.len);
	return true;
}

void
program_end(struct program *program)
{
	if (program->child != NULL)
		child_end(program->child);
	program->child = NULL;
}

bool
program_run(struct scan *scan, struct program *program, const char *const *argv, struct slice input,
            double timeout_s, struct child_result *result_r)
{
	if (!program_start(scan, program, argv, input, timeout_s))
		return false;
	while (!program_step(scan, program, result_r)) {
		struct pollfd fd = {.fd = scan->wait.fd, .events = POLLIN};
		int64_t left = scan->wait.until_ms - clock_monotonic_ms();

		(void)poll(&fd, 1, left < 0 ? 0 : left > 1000 ? 1000 : (int)left);
	}
	return true;
}

const char *
program_ending(const struct child_result *result, char *text, size_t size)
{
	if (result->timed_out)
		snprintf(text, size, "took too long");
	else if (WIFSIGNALED(result->status))
		snprintf(text, size, "killed by signal %d", WTERMSIG(result->status));
	else
		snprintf(text, size, "exited with %d", WEXITSTATUS(result->status));
	return text;
}

/* ---- configuration ---- */

void
program_rules_first(struct conf_reader *reader, const char *const *evals)
{
	struct ruleset *rules = conf_rules(reader->conf);

	for (size_t i = 0; i < rules->count; i++) {
		const struct rule *rule = rules->rules[i];
		struct rule *own;

		if (!rule_is_eval(rule->kind))
			continue;
		for (const char *const *name = evals; *name != NULL; name++) {
			if (!slice_eq(rule->eval.function, slice_from_cstr(*name)) ||
			    rule->priority == -100 ||
			    (own = ruleset_own(reader, rule->name)) == NULL)
				continue;
			own->priority = -100;
			own->has_priority = true;
		}
	}
}

enum conf_result
program_parse_path(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	const char *path;

	if (value.len == 0)
		return CONF_MISSING;
	path = arena_cstr(reader->arena, value);
	if (path == NULL || !program_is_executable(path)) {
		log_info(reader->log, "config", "%s \"%.*s\" isn't an executable", d->name,
		         SLICE_FMT(value));
		return CONF_INVALID;
	}
	*(struct slice *)((char *)data + d->offset) = slice_from_cstr(path);
	return CONF_OK;
}
