/*
 * tokens.c - the tokens that we learn of messages, as t/compat/tokens.pl prints the reference's
 *
 *   tokens [--cf LINE] FILE ...
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check/learn.h"
#include "check/markup.h"
#include "mail/date.h"
#include "plugins/bayes_tokens.h"
#include "util/file.h"
#include "util/strbuf.h"

static int
by_text(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void
print_tokens(struct check *check, const char *path)
{
	struct slice ids[2];
	struct bayes_tokens tokens;

	learn_prepare(check);
	(void)bayes_tokens_of(&check->scan, false, &tokens);
	bayes_message_ids(&check->scan, ids);
	qsort(tokens.texts, tokens.count, sizeof(*tokens.texts), by_text);
	printf("== %s %.*s,%.*s %lld\n", path, SLICE_FMT(ids[0]), SLICE_FMT(ids[1]),
	       (long long)message_receive_date(check->scan.message, time(NULL)));
	for (size_t i = 0; i < tokens.count; i++) {
		struct slice t = tokens.texts[i];

		for (size_t k = 0; k < t.len; k++)
			if (t.data[k] < 0x21 || t.data[k] > 0x7e || t.data[k] == '\\')
				printf("\\x%02x", t.data[k]);
			else
				putchar(t.data[k]);
		putchar('\n');
	}
}

static struct slice
without_markup(struct arena *arena, const struct filter *filter, struct slice text)
{
	const struct core_settings *core = conf_core(filter->conf);
	struct message *m = message_parse(arena, text, &MESSAGE_OPTIONS_DEFAULT);

	return m == NULL || header_list_find(&m->root->headers, SLICE("x-spam-checker-version")) ==
	                               NULL
	               ? text
	               : markup_remove(arena, core, m);
}

int
main(int argc, char **argv)
{
	struct log log = {.write = log_to_stderr, .least = LOG_LEVEL_WARN};
	struct arena *arena = arena_create(0), *conf_arena = arena_create(0);
	struct strbuf cf;
	struct filter_options options = {.local_tests_only = true, .log = &log};
	struct match_scratch *match = match_scratch_create();
	struct filter *filter;
	struct error error;
	int i = 1;

	strbuf_init(&cf, conf_arena, 0);
	for (; i + 1 < argc && strcmp(argv[i], "--cf") == 0; i += 2)
		strbuf_printf(&cf, "%s\n", argv[i + 1]);
	options.post_text = cf.len == 0 ? NULL : arena_cstr(conf_arena, strbuf_slice(&cf));
	filter = filter_create(&options, &error);
	if (filter == NULL) {
		fprintf(stderr, "tokens: %s\n", error.text);
		return 1;
	}
	for (; i < argc; i++) {
		struct slice text;
		struct check *check;

		arena_reset(arena);
		if (file_read(arena, argv[i], SIZE_MAX / 4, &text, &error) != STATUS_OK) {
			fprintf(stderr, "tokens: %s\n", error.text);
			return 1;
		}
		check = check_create(filter, arena, match, without_markup(arena, filter, text),
		                     NULL);
		if (check != NULL)
			print_tokens(check, argv[i]);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
