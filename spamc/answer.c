/*
 * answer.c - what a spamd answers
 */
#include "spamc/answer.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>

#include "spamc/libspamc.h"

static const float SCORE_MAX = 1e10F;

/* ---- lines ---- */

int
spamc_answer_is_whole(struct spamc_answer *a, enum spamc_until until)
{
	while (a->body_at == 0 && a->seen < a->len) {
		const char *end = memchr(a->bytes + a->seen, '\n', a->len - a->seen);
		size_t at = end == NULL ? a->len : (size_t)(end - a->bytes);
		size_t len = at - a->line_at;

		if (len > SPAMC_LINE_MAX)
			return EX_TOOBIG;
		a->seen = at;
		if (end == NULL)
			break;
		a->seen = at + 1;
		a->lines++;
		if (until == SPAMC_UNTIL_LINE)
			return EX_OK;
		if (a->lines > 1 && (len == 0 || (len == 1 && a->bytes[a->line_at] == '\r')))
			a->body_at = at + 1;
		a->line_at = at + 1;
	}
	return a->body_at != 0 && until == SPAMC_UNTIL_HEADERS ? EX_OK : EX_IOERR;
}

/* The next line of the head, as a string; without its line end. */
static char *
cut_line(struct spamc_answer *a, size_t *at, size_t *len_r)
{
	char *line = a->bytes + *at, *end = memchr(line, '\n', a->len - *at);

	if (end == NULL)
		return NULL;
	*at = (size_t)(end - a->bytes) + 1;
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	*len_r = (size_t)(end - line);
	return line;
}

/* ---- words ---- */

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *
skip_spaces(const char *p)
{
	while (is_space(*p))
		p++;
	return p;
}

/* Behind `text`, in which a space stands for any number of them; NULL: something else is there. */
static const char *
behind(const char *p, const char *text)
{
	for (; p != NULL && *text != '\0'; text++) {
		if (*text == ' ')
			p = skip_spaces(p);
		else if (*p++ != *text)
			return NULL;
	}
	return p;
}

/* A word, or as much of it as fits. */
static const char *
take_word(const char *p, char *out, size_t size)
{
	size_t len = 0;

	if (p == NULL)
		return NULL;
	p = skip_spaces(p);
	while (p[len] != '\0' && !is_space(p[len]) && len + 1 < size) {
		out[len] = p[len];
		len++;
	}
	out[len] = '\0';
	return len > 0 ? p + len : NULL;
}

static const char *
take_int(const char *p, int *out)
{
	char *end;
	long value;

	if (p == NULL)
		return NULL;
	value = strtol(p, &end, 10);
	if (end == p)
		return NULL;
	*out = value > 0x7fffffff ? 0x7fffffff : value < -0x7fffffff ? -0x7fffffff : (int)value;
	return end;
}

/* A decimal number whatever the locale; no exponent. */
static float
to_float(const char *text)
{
	bool negative = *text == '-';
	double value = 0, scale = 1;

	if (*text == '-' || *text == '+')
		text++;
	for (; *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (*text - '0');
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++)
			value += (*text - '0') / (scale *= 10);
	if (value > (double)SCORE_MAX)
		value = (double)SCORE_MAX;
	return (float)(negative && value > 0 ? -value : value);
}

/* ---- headers ---- */

static bool
take_spam(struct spamc_answer *a, const char *line)
{
	char verdict[6], score[20], threshold[20];
	const char *p = take_word(behind(line, "Spam: "), verdict, sizeof(verdict));

	p = take_word(behind(p, " ; "), score, sizeof(score));
	if (take_word(behind(p, " / "), threshold, sizeof(threshold)) == NULL)
		return false;
	a->score = to_float(score);
	a->threshold = to_float(threshold);
	a->is_spam = strcasecmp(verdict, "true") == 0 ? EX_ISSPAM : EX_NOTSPAM;
	return true;
}

/* "DidSet: local,remote" */
static bool
take_did(struct spamc_answer *a, const char *line, const char *name, unsigned local,
         unsigned remote)
{
	char what[15];

	if (take_word(behind(line, name), what, sizeof(what)) == NULL)
		return false;
	a->did |= strstr(what, "local") != NULL ? local : 0;
	a->did |= strstr(what, "remote") != NULL ? remote : 0;
	return true;
}

static bool
take_header(struct spamc_answer *a, const char *line)
{
	return take_spam(a, line) ||
	       take_int(behind(line, "Content-length: "), &a->content_length) != NULL ||
	       take_did(a, line, "DidSet: ", SPAMC_SET_LOCAL, SPAMC_SET_REMOTE) ||
	       take_did(a, line, "DidRemove: ", SPAMC_REMOVE_LOCAL, SPAMC_REMOVE_REMOTE);
}

/* "SPAMD/1.1 0 EX_OK" */
static bool
take_status(struct spamc_answer *a, const char *line)
{
	const char *p = take_word(behind(line, "SPAMD/"), a->version, sizeof(a->version) - 1);

	return take_int(p, &a->code) != NULL && to_float(a->version) >= 1.0F;
}

bool
spamc_answer_begins_well(const struct spamc_answer *a)
{
	struct spamc_answer copy = *a;
	const char *end = memchr(a->bytes, '\n', a->len);
	size_t len = end == NULL ? a->len : (size_t)(end - a->bytes);
	char line[256];

	if (len >= sizeof(line))
		len = sizeof(line) - 1;
	memcpy(line, a->bytes, len);
	line[len] = '\0';
	return take_status(&copy, line);
}

int
spamc_answer_parse(struct spamc_answer *a, enum spamc_until until, spamc_unknown_fn unknown,
                   void *data)
{
	size_t at = 0, len;
	char *line = cut_line(a, &at, &len);

	a->content_length = -1;
	a->is_spam = EX_TOOBIG;
	if (line == NULL || !take_status(a, line))
		return EX_PROTOCOL;
	if (until == SPAMC_UNTIL_LINE)
		return EX_OK;
	while ((line = cut_line(a, &at, &len)) != NULL) {
		if (len == 0) {
			a->body_at = at;
			return EX_OK;
		}
		if (!take_header(a, line) && unknown != NULL)
			unknown(data, line, (int)len);
	}
	return EX_PROTOCOL;
}
