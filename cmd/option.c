/*
 * option.c - command lines as the reference's programs take them
 */
#include "cmd/option.h"

#include <stdio.h>
#include <string.h>

struct cursor {
	const struct cmd_options *options;
	char **argv;
	int argc;
	int next;
	bool good;
};

static void
problem(struct cursor *c, const char *before, const char *name, const char *after)
{
	char text[512];

	snprintf(text, sizeof(text), "%s%.200s%s", before, name, after);
	c->options->problem(c->options->data, text);
	c->good = false;
}

static bool
has_name(const char *names, const char *name, size_t len)
{
	while (*names != '\0') {
		size_t n = strcspn(names, "|");

		if (n == len && memcmp(names, name, len) == 0)
			return true;
		names += n + (names[n] == '|');
	}
	return false;
}

static const struct cmd_option *
find(const struct cmd_options *options, const char *name, size_t len, bool *on_r)
{
	*on_r = true;
	for (size_t i = 0; i < options->count; i++)
		if (has_name(options->rows[i].names, name, len))
			return &options->rows[i];
	if (len > 2 && name[0] == 'n' && name[1] == 'o') {
		size_t skip = name[2] == '-' ? 3 : 2;

		*on_r = false;
		for (size_t i = 0; i < options->count; i++)
			if (options->rows[i].arg == CMD_NEGATABLE &&
			    has_name(options->rows[i].names, name + skip, len - skip))
				return &options->rows[i];
	}
	return NULL;
}

static size_t
number_len(const char *s)
{
	size_t sign = *s == '-' || *s == '+';
	size_t digits = strspn(s + sign, "0123456789");

	return digits == 0 ? 0 : sign + digits;
}

static bool
looks_like_option(const char *word)
{
	return word[0] == '-' && word[1] != '\0';
}

/* Value of an option that is not glued to it. */
static const char *
next_word(struct cursor *c, const struct cmd_option *row)
{
	const char *word = c->next < c->argc ? c->argv[c->next] : NULL;

	switch (row->arg) {
	case CMD_TEXT:
		break;
	case CMD_MAYBE_TEXT:
		if (word == NULL || looks_like_option(word))
			return "";
		break;
	case CMD_MAYBE_NUMBER:
		if (word == NULL || number_len(word) == 0 || word[number_len(word)] != '\0')
			return "0";
		break;
	case CMD_NONE:
	case CMD_NEGATABLE:
		return NULL;
	}
	c->next++;
	return word;
}

static void
take(struct cursor *c, const struct cmd_option *row, const char *value, bool on)
{
	c->options->take(c->options->data, row, value, on);
}

static void
take_long(struct cursor *c, const char *name)
{
	size_t len = strcspn(name, "=");
	const char *glued = name[len] == '=' ? name + len + 1 : NULL, *value;
	char shown[201];
	bool on;
	const struct cmd_option *row = find(c->options, name, len, &on);

	snprintf(shown, sizeof(shown), "%.*s", (int)(len < 200 ? len : 200), name);
	if (row == NULL) {
		problem(c, "Unknown option: ", shown, "");
		return;
	}
	if (row->arg == CMD_NONE || row->arg == CMD_NEGATABLE) {
		if (glued != NULL)
			problem(c, "Option ", shown, " does not take an argument");
		else
			take(c, row, NULL, on);
		return;
	}
	value = glued != NULL ? glued : next_word(c, row);
	if (value == NULL || (glued != NULL && *glued == '\0' && row->arg == CMD_TEXT))
		problem(c, "Option ", shown, " requires an argument");
	else if (row->arg == CMD_MAYBE_NUMBER && value[number_len(value)] != '\0')
		problem(c, "Value \"", value, "\" invalid for option (number expected)");
	else
		take(c, row, value, on);
}

static void
take_letters(struct cursor *c, const char *letters)
{
	static char number[32];

	while (*letters != '\0') {
		char name[2] = {*letters++, '\0'};
		bool on;
		const struct cmd_option *row = find(c->options, name, 1, &on);
		const char *value = NULL;

		if (row == NULL) {
			problem(c, "Unknown option: ", name, "");
			continue;
		}
		if (row->arg == CMD_MAYBE_NUMBER && *letters != '\0') {
			snprintf(number, sizeof(number), "%.*s", (int)number_len(letters), letters);
			value = number[0] == '\0' ? "0" : number;
			letters += number_len(letters);
		} else if (row->arg != CMD_NONE && row->arg != CMD_NEGATABLE) {
			value = *letters != '\0' ? letters : next_word(c, row);
			letters = "";
			if (value == NULL) {
				problem(c, "Option ", name, " requires an argument");
				continue;
			}
		}
		take(c, row, value, on);
	}
}

bool
cmd_options_parse(const struct cmd_options *options, int argc, char **argv, int *count_r)
{
	struct cursor c = {options, argv, argc, 1, true};
	int count = 0;

	while (c.next < argc) {
		char *word = argv[c.next++];

		if (strcmp(word, "--") == 0) {
			while (c.next < argc)
				argv[count++] = argv[c.next++];
		} else if (!looks_like_option(word) && options->word != NULL) {
			options->word(options->data, word);
		} else if (!looks_like_option(word)) {
			argv[count++] = word;
		} else if (word[1] == '-') {
			take_long(&c, word + 2);
		} else {
			take_letters(&c, word + 1);
		}
	}
	*count_r = count;
	return c.good;
}
