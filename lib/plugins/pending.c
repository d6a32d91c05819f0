/*
 * pending.c - for plugins whose work is not there yet, and small parsers that several plugins share
 */
#include "plugins/pending.h"

int
plugin_eval_pending(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return EVAL_PENDING;
}

enum conf_result
plugin_parse_words(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct conf_table *table = (void *)((unsigned char *)data + d->offset);
	struct slice word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		struct slice lower = arena_dup_lower(reader->arena, word);

		if (!conf_table_set(reader, table, lower, lower))
			return CONF_FAILED;
	}
	return CONF_OK;
}

enum conf_result
plugin_keep_line(struct conf_reader *reader, void *data, const struct directive *d,
                 struct slice value)
{
	struct conf_words *words = (void *)((unsigned char *)data + d->offset);

	if (value.len == 0)
		return CONF_MISSING;
	return conf_words_add(reader, words, value) ? CONF_OK : CONF_FAILED;
}

size_t
plugin_word_count(struct slice value)
{
	struct slice word;
	size_t count = 0;

	while (slice_next_word(&value, &word))
		count++;
	return count;
}
