/*
 * fuzz_conf.c - configuration lines, as the site's or (first byte odd) as a user's
 *
 * Lines that name files are left out: what they read is not ours to fuzz.
 */
#include <stdlib.h>

#include "plugins/plugin.h"
#include "t/fuzz/fuzz.h"
#include "util/log.h"

static void
drop(void *data, enum log_level level, const char *area, struct slice text)
{
	(void)data, (void)level, (void)area, (void)text;
}

static struct slice
without_files(struct arena *arena, struct slice text)
{
	static const char *const words[] = {"include", "phish", "path", "geodb", "country_db"};
	struct slice line, rest = text;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_ifind(text, slice_from_cstr(words[i]), 0) != SLICE_NPOS)
			goto found;
	return text;
found:
	text = SLICE("");
	while (slice_next(&rest, '\n', &line)) {
		bool names = false;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			names |= slice_ifind(line, slice_from_cstr(words[i]), 0) != SLICE_NPOS;
		if (!names)
			text = arena_concat(arena, arena_concat(arena, text, line), SLICE("\n"));
	}
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log log = {.write = drop, .areas = "all"};
	struct arena *arena = arena_create(256 * 1024 * 1024);
	struct conf *conf = conf_create(arena);
	struct conf_reader reader;
	struct conf_env env;

	if (size == 0 || conf == NULL || conf_add_module(conf, &rules_module) == SIZE_MAX ||
	    conf_add_module(conf, &plugins_module) == SIZE_MAX)
		goto out;
	plugins_env_init(&env, conf);
	conf_reader_init(&reader, conf, &env, &log);
	conf_reader_set_locale(&reader, NULL, "de_DE.UTF-8", NULL, NULL);
	reader.local_tests_only = true;
	reader.lint = true;
	for (size_t i = 0; i < PLUGIN_COUNT && !(data[0] & 2); i++) {
		if (i == PLUGIN_ID_test)
			continue; /* speaks */
		struct slice line = arena_printf(arena, "loadplugin %s\n",
		                                 plugin_by_id((enum plugin_id)i)->class_name);

		conf_read_text(&reader, SLICE("(plugins)"), line);
	}
	reader.user_scope = data[0] & 1;
	reader.user_file = data[0] & 1;
	conf_read_text(&reader, SLICE("fuzz"), without_files(arena, slice_of(data + 1, size - 1)));
	plugins_finish_start(&reader);
	ruleset_finish(&reader, conf_rules(conf));
	plugins_bind_evals(&reader);
	plugins_finish_end(&reader);
out:
	arena_destroy(&arena);
	return 0;
}
