/*
 * date.c - dates of header fields
 *
 * The reference cuts piece after piece out of the text with patterns; here the same pieces are
 * found among blank-separated words.
 */
#include "mail/date.h"

#include <time.h>

#include "mail/header.h"
#include "util/strbuf.h"

#define DATE_MAX_BYTES 8192

struct zone {
	char name[5];
	short minutes;
};

/* clang-format off */
static const struct zone zones[] = {
	{ "ACDT", 630 },  { "ACST", 570 },  { "ADT", -180 },  { "AEDT", 660 },  { "AEST", 600 },
	{ "AKDT", -480 }, { "AKST", -540 }, { "AST", -240 },  { "AWST", 480 },  { "BRST", -120 },
	{ "BRT", -180 },  { "BST", 60 },    { "CDT", -300 },  { "CEST", 120 },  { "CET", 60 },
	{ "CST", -360 },  { "EDT", -240 },  { "EEST", 180 },  { "EET", 120 },   { "EST", -300 },
	{ "GMT", 0 },     { "HADT", -540 }, { "HAST", -600 }, { "HKT", 480 },   { "HST", -600 },
	{ "IDT", 180 },   { "IST", 60 },    { "JST", 540 },   { "KST", 540 },   { "MDT", -360 },
	{ "MEST", 120 },  { "MESZ", 120 },  { "MET", 60 },    { "MEZ", 60 },    { "MSD", 240 },
	{ "MSK", 180 },   { "MST", -420 },  { "NDT", -150 },  { "NST", -210 },  { "NZDT", 780 },
	{ "NZST", 720 },  { "PDT", -420 },  { "PHT", 480 },   { "PST", -480 },  { "SGT", 480 },
	{ "UT", 0 },      { "UTC", 0 },     { "WEST", 60 },   { "WET", 0 },
};
/* clang-format on */

struct date {
	unsigned long day, year, hour, minute, second;
	int month; /* 1 - 12 */
};

/* Blanks and commas (with blanks after) become one blank; one blank at either end. */
static struct slice
date_flatten(struct slice text, unsigned char out[DATE_MAX_BYTES + 2])
{
	size_t n = 0;

	text = slice_sub(text, 0, DATE_MAX_BYTES);
	out[n++] = ' ';
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c != ',' && !byte_is_space(c))
			out[n++] = c;
		else if (out[n - 1] != ' ')
			out[n++] = ' ';
	}
	if (out[n - 1] != ' ')
		out[n++] = ' ';
	return slice_of(out, n);
}

static bool
all_digits(struct slice word, size_t least, size_t most)
{
	if (word.len < least || word.len > most)
		return false;
	for (size_t i = 0; i < word.len; i++)
		if (!byte_is_digit(word.data[i]))
			return false;
	return true;
}

static unsigned long
number_of(struct slice word)
{
	unsigned long v = 0;

	for (size_t i = 0; i < word.len && v < 100000000; i++)
		v = v * 10 + (unsigned long)(word.data[i] - '0');
	return v;
}

static int
month_of(struct slice word)
{
	static const char months[] = "janfebmaraprmayjunjulaugsepoctnovdec";

	if (word.len != 3)
		return 0;
	for (int i = 0; i < 12; i++)
		if (slice_ieq(word, slice_of(months + i * 3, 3)))
			return i + 1;
	return 0;
}

/* d:d:d of any length */
static bool
is_clock(struct slice word)
{
	size_t fields = 0;
	struct slice piece;

	while (slice_next(&word, ':', &piece)) {
		fields++;
		if (!all_digits(piece, 1, DATE_MAX_BYTES))
			return false;
	}
	return fields == 3;
}

/* Cuts `words` words at w (and the blank before them) out of the text. */
static void
words_remove(slice_vec *words, size_t at, size_t count)
{
	memmove(&words->items[at], &words->items[at + count],
	        (words->count - at - count) * sizeof(words->items[0]));
	words->count -= count;
}

/* form 0: "5 Jan 2001", 1: "Jan 5 10:11:12 2001", 2: "5 Jan 01" */
static bool
day_find(slice_vec *words, int form, struct date *date)
{
	size_t need = form == 1 ? 4 : 3;

	for (size_t i = 0; i + need <= words->count; i++) {
		const struct slice *w = &words->items[i];
		struct slice day = form == 1 ? w[1] : w[0], month = form == 1 ? w[0] : w[1];
		struct slice year = w[need - 1];

		if (!all_digits(day, 1, DATE_MAX_BYTES) || month_of(month) == 0 ||
		    !all_digits(year, form == 2 ? 2 : 4, form == 2 ? 3 : 4) ||
		    (form == 1 && !is_clock(w[2])))
			continue;
		date->day = number_of(day);
		date->month = month_of(month);
		date->year = number_of(year);
		if (year.len == 2 && date->year < 50)
			date->year += 2000;
		else if (year.len != 4)
			date->year += 1900;
		words_remove(words, i, need);
		return true;
	}
	return false;
}

/* hh:mm or hh:mm:ss */
static void
clock_find(slice_vec *words, struct date *date)
{
	for (size_t i = 0; i < words->count; i++) {
		struct slice w = words->items[i], f[4] = {{0}}, rest = w;
		size_t n = 0;

		while (n < 4 && slice_next(&rest, ':', &f[n]))
			n++;
		if ((n != 2 && n != 3) || !all_digits(f[0], 1, 2) || !all_digits(f[1], 2, 2) ||
		    (n == 3 && !all_digits(f[2], 2, 2)))
			continue;
		date->hour = number_of(f[0]);
		date->minute = number_of(f[1]);
		date->second = n == 3 ? number_of(f[2]) : 0;
		words_remove(words, i, 1);
		return;
	}
}

/* First run of two to four capitals with word boundaries ("-DST" may follow) decides. */
static bool
zone_named(struct slice text, long *minutes_r)
{
	for (size_t i = 0; i < text.len; i++) {
		size_t n = i;
		struct slice name;

		if (i > 0 && byte_is_word(text.data[i - 1]))
			continue;
		while (n < text.len && byte_is_upper(text.data[n]))
			n++;
		if (n - i < 2 || n - i > 4 || (n < text.len && byte_is_word(text.data[n])))
			continue;
		name = slice_sub(text, i, n - i);
		if (slice_starts(slice_from(text, n), SLICE("-DST")) &&
		    (n + 4 >= text.len || !byte_is_word(text.data[n + 4])))
			return false;
		for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++)
			if (slice_eq(name, slice_from_cstr(zones[z].name))) {
				*minutes_r = zones[z].minutes;
				return true;
			}
		return false;
	}
	return false;
}

static long
zone_find(const slice_vec *words)
{
	long minutes = 0;

	for (size_t i = 0; i < words->count; i++) {
		struct slice w = words->items[i];

		if (w.len == 5 && (w.data[0] == '-' || w.data[0] == '+') &&
		    all_digits(slice_from(w, 1), 4, 4)) {
			minutes = (long)(number_of(slice_sub(w, 1, 2)) * 60 +
			                 number_of(slice_from(w, 3)));
			return w.data[0] == '-' ? -minutes : minutes;
		}
	}
	for (size_t i = 0; i < words->count; i++) {
		struct slice w = words->items[i];
		bool has_capitals = false;

		for (size_t k = 0; k + 1 < w.len; k++)
			has_capitals |= byte_is_upper(w.data[k]) && byte_is_upper(w.data[k + 1]);
		if (!has_capitals)
			continue;
		if (zone_named(w, &minutes))
			return minutes;
		/* A word that has such a run but is no zone ends the search. */
		for (size_t k = 0; k < w.len; k++) {
			size_t n = k;

			while (n < w.len && byte_is_upper(w.data[n]))
				n++;
			if (n - k >= 2 && n - k <= 4 && (k == 0 || !byte_is_word(w.data[k - 1])) &&
			    (n == w.len || !byte_is_word(w.data[n])))
				return 0;
			if (n > k)
				k = n - 1;
		}
	}
	return 0;
}

static void
date_clamp(struct date *date)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned long last = days[date->month - 1];

	if (date->second > 59)
		date->second = 59;
	if (date->minute > 59)
		date->minute = 59;
	if (date->hour > 23)
		date->hour = 23;
	if (date->month == 2 && date->year % 4 == 0 &&
	    (date->year % 100 != 0 || date->year % 400 == 0))
		last = 29;
	if (date->day > last) {
		date->day = 1;
		if (++date->month > 12) {
			date->month = 1;
			date->year++;
		}
	}
	if (date->year > 2037)
		date->year = 2037;
	else if (date->year < 1970)
		date->year = 1970;
}

bool
date_parse(struct slice text, int64_t *seconds_r)
{
	unsigned char flat[DATE_MAX_BYTES + 2];
	struct slice items[256], rest = date_flatten(text, flat), word;
	slice_vec words = {items, 0, 256};
	struct date date = {0};
	struct tm tm = {0};
	int64_t seconds;
	long minutes;

	while (words.count < 256 && slice_next_word(&rest, &word))
		items[words.count++] = word;
	if (!day_find(&words, 0, &date) && !day_find(&words, 1, &date) &&
	    !day_find(&words, 2, &date))
		return false;
	clock_find(&words, &date);
	minutes = zone_find(&words);
	date_clamp(&date);
	if (date.day == 0)
		return false;
	tm.tm_year = (int)date.year - 1900;
	tm.tm_mon = date.month - 1;
	tm.tm_mday = (int)date.day;
	tm.tm_hour = (int)date.hour;
	tm.tm_min = (int)date.minute;
	tm.tm_sec = (int)date.second;
	seconds = (int64_t)timegm(&tm);
	if (minutes > 0 && seconds < minutes * 60)
		seconds = 0;
	else
		seconds -= minutes * 60;
	*seconds_r = seconds;
	return true;
}

static bool
first_date(const struct slice *values, size_t count, int64_t *seconds_r)
{
	for (size_t i = 0; i < count; i++)
		if (date_parse(values[i], seconds_r) && *seconds_r != 0)
			return true;
	return false;
}

/* "qmail 12 invoked by uid 3" anywhere. */
static bool
is_qmail_local(struct slice value)
{
	static const struct slice words[] = {SLICE("invoked"), SLICE("by"), SLICE("uid")};
	size_t at = 0;

	while ((at = slice_find(value, SLICE("qmail "), at)) != SLICE_NPOS) {
		struct slice rest = slice_from(value, at + 6), word;
		bool good = slice_next_word(&rest, &word) && all_digits(word, 1, 1000);

		for (size_t i = 0; good && i < 3; i++)
			good = slice_next_word(&rest, &word) && slice_eq(word, words[i]);
		if (good && slice_next_word(&rest, &word) && byte_is_digit(word.data[0]))
			return true;
		at += 6;
	}
	return false;
}

/* "from localhost " or 127.0.0.1 in the first three words after "from". */
static bool
is_from_localhost(struct slice value)
{
	size_t at = 0;

	while ((at = slice_find(value, SLICE("from "), at)) != SLICE_NPOS) {
		struct slice rest = slice_from(value, at + 5), word;

		if (at > 0 && byte_is_word(value.data[at - 1])) {
			at += 5;
			continue;
		}
		if (slice_starts(rest, SLICE("localhost")) && rest.len > 9 &&
		    byte_is_space(rest.data[9]))
			return true;
		for (int i = 0; i < 3 && slice_next(&rest, ' ', &word); i++) {
			size_t ip = slice_find(word, SLICE("127.0.0.1"), 0);

			if (i > 0 && ip != SLICE_NPOS &&
			    (ip == 0 || !byte_is_word(word.data[ip - 1])) &&
			    (ip + 9 >= word.len || !byte_is_word(word.data[ip + 9])))
				return true;
			if (word.len == 0)
				break;
		}
		at += 5;
	}
	return false;
}

static bool
is_fetchmail(struct slice value)
{
	size_t at = slice_find(value, SLICE("by localhost with "), 0), open;

	if (at == SLICE_NPOS || (at > 0 && byte_is_word(value.data[at - 1])))
		return false;
	open = slice_find(value, SLICE(" (fetchmail-"), at + 18);
	return open != SLICE_NPOS && open > at + 18 && open + 12 < value.len &&
	       (byte_is_digit(value.data[open + 12]) || value.data[open + 12] == '.');
}

/* Value of the first field of that name in unfolded raw form. */
static bool
date_of_field(struct message *m, struct slice name, int64_t *seconds_r)
{
	const struct header_name *known = header_list_find(&m->root->headers, name);

	return known != NULL &&
	       date_parse(m->root->headers.fields.items[known->first].raw, seconds_r) &&
	       *seconds_r != 0;
}

static bool
date_of_from_line(struct message *m, int64_t *seconds_r)
{
	const struct header_name *known = header_list_find(&m->root->headers, SLICE("x-from-line"));

	if (m->mbox_separator.data != NULL)
		return date_parse(slice_from(m->mbox_separator, 5), seconds_r) && *seconds_r != 0;
	return known != NULL &&
	       date_parse(m->root->headers.fields.items[known->first].raw, seconds_r) &&
	       *seconds_r != 0;
}

int64_t
message_receive_date(struct message *m, int64_t now_s)
{
	const struct header_name *known = header_list_find(&m->root->headers, SLICE("received"));
	slice_vec received = {0};
	struct slice local = SLICE_NULL;
	size_t next = 0;
	int64_t seconds;

	for (size_t i = known == NULL ? 0 : known->first + 1; i != 0;
	     i = m->root->headers.fields.items[i - 1].next)
		if (vec_push(m->arena, &received, m->root->headers.fields.items[i - 1].raw) == NULL)
			break;
	if (received.count > 0) {
		if (is_qmail_local(received.items[0]) || is_from_localhost(received.items[0]))
			local = received.items[next++];
		if (next < received.count && is_fetchmail(received.items[next])) {
			if (local.data == NULL)
				local = received.items[next];
			next++;
		} else if (local.data != NULL) {
			local = SLICE_NULL;
			next = 0;
		}
	}
	if (next < received.count && first_date(&received.items[next++], 1, &seconds))
		return seconds;
	if (local.data != NULL && first_date(received.items, next < 2 ? next : 2, &seconds))
		return seconds;
	if (date_of_from_line(m, &seconds))
		return seconds;
	if (next < received.count &&
	    first_date(received.items + next, received.count - next, &seconds))
		return seconds;
	if (date_of_field(m, SLICE("resent-date"), &seconds) ||
	    date_of_field(m, SLICE("date"), &seconds))
		return seconds;
	return now_s;
}
