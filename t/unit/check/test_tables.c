/*
 * test_tables.c - our tables against the inventory of the reference's names
 *
 * t/compat/tables holds every directive, eval, feature, plugin and tag of 4.0.1.  What we lack must
 * stand in allow.tsv (kind, name, why); what stands there and is no longer lacking must go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "check/check.h"
#include "check/tags.h"
#include "util/file.h"
#include "util/strbuf.h"

/* Some tags are there when something is found: here it is. */
static const char message[] =
	"Return-Path: <ann@example.com>\n"
	"Received: from a.example.com (a.example.com [9.9.9.9]) by mx.example.net with ESMTP id 2;"
	" Mon, 1 Jan 2024 10:00:00 +0000\n"
	"Received: from b.example.com (b.example.com [8.8.8.8]) by a.example.com with ESMTP id 1;"
	" Mon, 1 Jan 2024 09:00:00 +0000\n"
	"From: \"bob@example.net\" <ann@example.com>\n"
	"MIME-Version: 1.0\n"
	"Content-Type: multipart/mixed; boundary=b\n\n"
	"--b\nContent-Type: text/plain\n\n"
	"The quick brown fox jumps over the lazy dog, and then it goes home to think of what it "
	"has\n"
	"done during this long and rather tiring day. The quick brown fox jumps over the lazy "
	"dog,\n"
	"and then it goes home to think of what it has done during this long and rather tiring "
	"day.\n"
	"--b\nContent-Type: application/pdf; name=a.pdf\n\n"
	"%PDF-1.4\n/Author (A)/Creator (B)/Producer (C)/Title (D)\n/Image\n2 0 0 2 0 0 cm\n"
	"--b--\n";

struct tables {
	struct arena *arena;
	struct filter *filter;
	struct hashmap allowed; /* "kind name" -> itself when it was lacking */
	size_t names, lacking, unexpected;
};

static void
drop(void *data, enum log_level level, const char *area, struct slice text)
{
	(void)data, (void)level, (void)area, (void)text;
}

static const struct log silent = {.write = drop, .least = LOG_LEVEL_ERROR};

static const char *
table_path(struct arena *arena, const char *name)
{
	const char *top = getenv("srcdir");

	return arena_cstr(
		arena, arena_printf(arena, "%s/t/compat/tables/%s", top == NULL ? "." : top, name));
}

static struct slice
read_table(struct tables *t, const char *name)
{
	struct slice text = SLICE("");
	struct error error;

	if (file_read(t->arena, table_path(t->arena, name), 16 * 1024 * 1024, &text, &error) !=
	    STATUS_OK)
		fail_msg("%s", error.text);
	return text;
}

/* Next row as columns; empty ones are "". */
static bool
next_row(struct slice *text, struct slice columns[5])
{
	struct slice line;

	if (!slice_next(text, '\n', &line))
		return false;
	for (size_t i = 0; i < 5; i++)
		if (!slice_next(&line, '\t', &columns[i]))
			columns[i] = SLICE("");
	return true;
}

static void
expect(struct tables *t, const char *kind, struct slice name, bool there)
{
	struct slice key = arena_printf(t->arena, "%s %.*s", kind, SLICE_FMT(name));
	struct hashmap_entry *allowed = hashmap_find(&t->allowed, key);

	t->names++;
	if (there)
		return;
	t->lacking++;
	if (allowed != NULL) {
		allowed->value = allowed;
		return;
	}
	t->unexpected++;
	print_message("lacking: %s\t%.*s\n", kind, SLICE_FMT(name));
}

static bool
is_note(struct slice name)
{
	return name.len == 0 || name.data[0] == '(';
}

static void
read_allowed(struct tables *t)
{
	struct slice text = read_table(t, "allow.tsv"), c[5];

	hashmap_init(&t->allowed, t->arena);
	while (next_row(&text, c))
		if (c[1].len > 0 && c[0].data[0] != '#')
			(void)hashmap_put(&t->allowed,
			                  arena_printf(t->arena, "%.*s %.*s", SLICE_FMT(c[0]),
			                               SLICE_FMT(c[1])),
			                  NULL);
}

/* All plugins that we have are loaded. */
static void
load(struct tables *t)
{
	struct slice text = read_table(t, "plugins.tsv"), c[5];
	struct strbuf pre;
	struct filter_options options = {
		.rules_path = table_path(t->arena, "."),
		.site_path = table_path(t->arena, "."),
		.post_text = "header T_ONE eval:check_fromname_spoof()\n"
			     "util_rb_tld com net\n"
			     "trusted_networks 9.9.9.9\ninternal_networks 9.9.9.9\n",
		.local_tests_only = true,
		.log = &silent,
	};
	struct error error;

	strbuf_init(&pre, t->arena, 0);
	while (next_row(&text, c))
		if (slice_eq(c[2], SLICE("plugin")))
			strbuf_printf(&pre, "loadplugin Mail::SpamAssassin::Plugin::%.*s\n",
			              SLICE_FMT(c[0]));
	strbuf_add_byte(&pre, '\0');
	options.pre_text = (const char *)pre.data;
	t->filter = filter_create(&options, &error);
	if (t->filter == NULL)
		fail_msg("%s", error.text);
}

static void
compare_plugins(struct tables *t)
{
	struct slice text = read_table(t, "plugins.tsv"), c[5];
	const struct conf *conf = t->filter->conf;
	struct conf_env env;

	plugins_env_init(&env, t->filter->conf);
	while (next_row(&text, c)) {
		const struct plugin *plugin;
		struct slice class_name =
			slice_eq(c[0], SLICE("core"))
				? SLICE("Mail::SpamAssassin::Conf")
				: arena_printf(t->arena, "Mail::SpamAssassin::Plugin::%.*s",
		                               SLICE_FMT(c[0]));
		struct slice full = arena_printf(t->arena, "%.*s::%.*s", SLICE_FMT(class_name),
		                                 SLICE_FMT(c[3]));

		if (is_note(c[3]) || slice_eq(c[3], SLICE("compat_NAME")))
			continue;
		if (slice_eq(c[2], SLICE("plugin")))
			expect(t, "plugin", c[0], env.is_plugin_loaded(env.data, class_name));
		else if (slice_eq(c[2], SLICE("eval")))
			expect(t, "eval", c[3],
			       plugins_find_eval(conf_plugins(conf), c[3], &plugin) != NULL);
		else if (slice_eq(c[2], SLICE("feature")))
			expect(t, "feature", full, env.has_feature(env.data, full, false));
	}
}

static void
compare_directives(struct tables *t)
{
	struct slice text = read_table(t, "directives.tsv"), c[5], alias;
	const struct hashmap *directives = &t->filter->conf->directives;

	(void)next_row(&text, c);
	while (next_row(&text, c)) {
		if (is_note(c[1]))
			continue;
		expect(t, "directive", c[1], hashmap_find(directives, c[1]) != NULL);
		while (slice_next_word(&c[2], &alias))
			expect(t, "directive", alias, hashmap_find(directives, alias) != NULL);
	}
}

static void
compare_tags(struct tables *t)
{
	struct slice text = read_table(t, "tags.tsv"), c[5], value, name;
	struct match_scratch *match = match_scratch_create();
	struct check *check =
		check_create(t->filter, t->arena, match, slice_from_cstr(message), NULL);

	assert_non_null(check);
	check_run_all(check);
	(void)next_row(&text, c);
	while (next_row(&text, c)) {
		if (is_note(c[0]))
			continue;
		while (slice_next_word(&c[0], &name))
			expect(t, "tag", name, tags_value(check, name, SLICE_NULL, false, &value));
	}
	match_scratch_destroy(&match);
}

static void
test_tables(void **state)
{
	struct tables t = {.arena = arena_create(0)};
	size_t stale = 0;

	(void)state;
	read_allowed(&t);
	load(&t);
	compare_plugins(&t);
	compare_directives(&t);
	compare_tags(&t);
	for (size_t i = 0; i < t.allowed.count; i++)
		if (t.allowed.entries[i].value == NULL) {
			stale++;
			print_message("not lacking any more, remove it from allow.tsv: %.*s\n",
			              SLICE_FMT(t.allowed.entries[i].key));
		}
	print_message("%zu names, %zu lacking, %zu of them unexpected\n", t.names, t.lacking,
	              t.unexpected);
	filter_destroy(&t.filter);
	arena_destroy(&t.arena);
	assert_int_equal(t.unexpected + stale, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
