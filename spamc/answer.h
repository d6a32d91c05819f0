/*
 * answer.h - what a spamd answers
 *
 * Owns: struct spamc_answer.  Source: compat/protocol.tsv (client).  Bytes come from the network
 * and are believed only as far as they go: a line that is not understood where one is needed makes
 * the whole answer none.
 */
#ifndef WINNOW_SPAMC_ANSWER_H
#define WINNOW_SPAMC_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum { SPAMC_LINE_MAX = 8187 };

/* How much of an answer is waited for. */
enum spamc_until {
	SPAMC_UNTIL_LINE,    /* PING */
	SPAMC_UNTIL_HEADERS, /* CHECK, TELL */
	SPAMC_UNTIL_CLOSE
};

struct spamc_answer {
	char *bytes; /* malloc; lines are cut in place */
	size_t len;
	size_t seen;    /* looked at by spamc_answer_is_whole() */
	size_t body_at; /* begin of the body, once known */
	size_t line_at;
	int lines;

	char version[20];
	int code;
	int content_length; /* -1: none */
	int is_spam;        /* EX_TOOBIG: no Spam header */
	float score, threshold;
	unsigned did; /* SPAMC_SET_* and SPAMC_REMOVE_* */
};

typedef void (*spamc_unknown_fn)(void *data, const char *line, int len);

/* Looks at what has come since the last call: EX_OK enough has, EX_IOERR not yet, EX_TOOBIG a line
 * is too long. */
int spamc_answer_is_whole(struct spamc_answer *answer, enum spamc_until until);

/* The first line is there: is it one of a spamd?  Then nobody waits for more. */
bool spamc_answer_begins_well(const struct spamc_answer *answer);
/* Takes apart an answer of which enough has come: EX_OK or EX_PROTOCOL. */
int spamc_answer_parse(struct spamc_answer *answer, enum spamc_until until,
                       spamc_unknown_fn unknown, void *data);

#endif
