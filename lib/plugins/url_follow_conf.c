/*
 * url_follow_conf.c - directives and arguments that both plugins have
 */
#include "plugins/args.h"
#include "plugins/url_follow.h"

static enum conf_result
add_domains(struct conf_reader *reader, struct follow_settings *settings, struct slice value,
            const char *method)
{
	struct slice word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_table_set(reader, &settings->domains,
		                    arena_dup_lower(reader->arena, word), slice_from_cstr(method)))
			return CONF_FAILED;
	return CONF_OK;
}

enum conf_result
follow_parse_head(struct conf_reader *reader, void *data, const struct directive *d,
                  struct slice value)
{
	(void)d;
	return add_domains(reader, data, value, "1");
}

enum conf_result
follow_parse_get(struct conf_reader *reader, void *data, const struct directive *d,
                 struct slice value)
{
	(void)d;
	return add_domains(reader, data, value, "2");
}

enum conf_result
follow_parse_clear(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct follow_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		conf_table_clear(&settings->domains);
	while (slice_next_word(&value, &word))
		conf_table_remove(reader, &settings->domains, arena_dup_lower(reader->arena, word));
	return CONF_OK;
}

unsigned
follow_code(struct slice text)
{
	unsigned long long code;

	return text.len == 3 && slice_to_u64(text, 999, &code) ? (unsigned)code : FOLLOW_NO_CODE;
}
