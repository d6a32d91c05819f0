/*
 * value.c - directive values by type
 */
#include "conf/value.h"

#include <stdlib.h>

#include "conf/addrlist.h"

enum conf_result
conf_parse_bool(struct slice value, bool *value_r)
{
	if (value.len == 0)
		return CONF_MISSING;
	if (slice_ieq(value, SLICE("yes")) || slice_eq(value, SLICE("1")))
		*value_r = true;
	else if (slice_ieq(value, SLICE("no")) || slice_eq(value, SLICE("0")))
		*value_r = false;
	else
		return CONF_INVALID;
	return CONF_OK;
}

/* digits[.[digits]] at the start of s; its length, 0 when there is none. */
static size_t
number_len(struct slice s)
{
	size_t i = 0;

	while (i < s.len && byte_is_digit(s.data[i]))
		i++;
	if (i == 0)
		return 0;
	if (i < s.len && s.data[i] == '.')
		i++;
	while (i < s.len && byte_is_digit(s.data[i]))
		i++;
	return i;
}

static bool
to_double(struct slice s, double *value_r)
{
	char text[64];

	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	*value_r = strtod(text, NULL);
	return true;
}

enum conf_result
conf_parse_numeric(struct slice value, double *value_r)
{
	struct slice digits = value;

	if (value.len == 0)
		return CONF_MISSING;
	if (digits.data[0] == '+' || digits.data[0] == '-')
		digits = slice_from(digits, 1);
	if (digits.len == 0 || number_len(digits) != digits.len || !to_double(value, value_r))
		return CONF_INVALID;
	return CONF_OK;
}

enum conf_result
conf_parse_duration(struct slice value, double *value_r)
{
	static const struct {
		unsigned char unit;
		double seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	struct slice unit;
	size_t len;
	double number;

	if (value.len == 0)
		return CONF_MISSING;
	if (value.data[0] == '+')
		value = slice_from(value, 1);
	len = number_len(value);
	if (len == 0 || !to_double(slice_sub(value, 0, len), &number))
		return CONF_INVALID;
	unit = slice_ltrim(slice_from(value, len));
	if (unit.len == 0 && len == value.len) {
		*value_r = number;
		return CONF_OK;
	}
	for (size_t i = 0; unit.len == 1 && i < sizeof(units) / sizeof(units[0]); i++)
		if (byte_lower(unit.data[0]) == units[i].unit) {
			*value_r = number * units[i].seconds;
			return CONF_OK;
		}
	return CONF_INVALID;
}

struct slice
conf_split(struct slice value, struct slice *rest_r)
{
	struct slice word;

	(void)slice_next_word(&value, &word);
	*rest_r = slice_ltrim(value);
	return word;
}

static enum conf_result
parse_words(struct conf_reader *reader, struct conf_words *words, struct slice value)
{
	struct slice word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_words_add(reader, words, word))
			return CONF_FAILED;
	return CONF_OK;
}

static enum conf_result
parse_addrlist(struct conf_reader *reader, struct addrlist *list, struct slice value)
{
	struct slice word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (addrlist_add(list, reader->arena, word) == NULL)
			return CONF_FAILED;
	return CONF_OK;
}

static enum conf_result
parse_table(struct conf_reader *reader, struct conf_table *table, struct slice value)
{
	struct slice text, key = conf_split(value, &text);

	if (text.len == 0)
		return CONF_MISSING;
	return conf_table_set(reader, table, key, text) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
parse_template(struct conf_reader *reader, struct slice *text, struct slice value)
{
	struct slice line;

	if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
		value = slice_sub(value, 1, value.len - 2);
	line = arena_concat(reader->arena, value, SLICE("\n"));
	*text = arena_concat(reader->arena, *text, line);
	return text->data == NULL ? CONF_FAILED : CONF_OK;
}

enum conf_result
conf_value_parse(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	void *at = (unsigned char *)settings + d->offset;
	enum conf_result result = CONF_FAILED;

	switch (d->type) {
	case CONF_BOOL:
		result = conf_parse_bool(value, at);
		break;
	case CONF_NUMERIC:
		result = conf_parse_numeric(value, at);
		break;
	case CONF_DURATION:
		result = conf_parse_duration(value, at);
		break;
	case CONF_STRING:
		result = value.len == 0 ? CONF_MISSING : CONF_OK;
		if (result == CONF_OK)
			*(struct slice *)at = value;
		break;
	case CONF_WORDS:
		result = parse_words(reader, at, value);
		break;
	case CONF_TABLE:
		result = parse_table(reader, at, value);
		break;
	case CONF_ADDRLIST:
		result = parse_addrlist(reader, at, value);
		break;
	case CONF_TEMPLATE:
		result = parse_template(reader, at, value);
		break;
	case CONF_NOARGS:
		return value.len > 0 ? CONF_INVALID : d->parse(reader, settings, d, value);
	case CONF_CUSTOM:
		return d->parse(reader, settings, d, value);
	}
	if (result == CONF_OK && d->parse != NULL)
		result = d->parse(reader, settings, d, value);
	return result;
}
