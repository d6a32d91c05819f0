/*
 * option.h - command lines as the reference's programs take them
 *
 * Owns: struct cmd_option (a row of a program's table), cmd_options_parse.  Source: Getopt::Long
 * with bundling, no abbreviation, case counts; options and paths may be mixed.
 */
#ifndef WINNOW_CMD_OPTION_H
#define WINNOW_CMD_OPTION_H

#include <stdbool.h>
#include <stddef.h>

enum cmd_arg {
	CMD_NONE,
	CMD_NEGATABLE,   /* --name, --noname, --no-name */
	CMD_TEXT,        /* a value, whatever it looks like */
	CMD_MAYBE_TEXT,  /* the next word unless it looks like an option; "" without */
	CMD_MAYBE_NUMBER /* the next word when it is a number; "0" without */
};

struct cmd_option {
	const char *names; /* "configpath|config-file|c|C" */
	enum cmd_arg arg;
	int id;        /* what to do with it, as the program says */
	size_t offset; /* where, in the program's options */
};

/*
 * Calls take for each option in order (value NULL: none; on: false for the negated form).  Other
 * words are moved to the front of argv; *count_r says how many.  problem is told what is wrong, as
 * Getopt::Long says it; false: there was something.
 */
struct cmd_options {
	const struct cmd_option *rows;
	size_t count;
	void (*take)(void *data, const struct cmd_option *row, const char *value, bool on);
	void (*problem)(void *data, const char *text);
	/* NULL, or: takes each other word, in its place among the options; none is moved. */
	void (*word)(void *data, const char *word);
	void *data;
};

bool cmd_options_parse(const struct cmd_options *options, int argc, char **argv, int *count_r);

#endif
