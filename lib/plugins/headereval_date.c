/*
 * headereval_date.c - what the Date field says against what the relays say
 */
#include "plugins/headereval_date.h"

#include <math.h>
#include <stdlib.h>

#include "mail/date.h"

enum { TIMES_MAX = 64 };

struct times {
	int64_t at[TIMES_MAX];
	size_t count;
};

/* Length of \S+ at i. */
static size_t
word_end(struct slice s, size_t i)
{
	while (i < s.len && !byte_is_space(s.data[i]))
		i++;
	return i;
}

static size_t
digits_end(struct slice s, size_t i)
{
	while (i < s.len && byte_is_digit(s.data[i]))
		i++;
	return i;
}

/* "\d+ \S\S\S \d+ \d+:\d+:\d+ \S+" at i; end, or 0. */
static size_t
date_end(struct slice s, size_t i)
{
	size_t at = digits_end(s, i);

	if (at == i || at + 4 >= s.len || s.data[at] != ' ' || word_end(s, at + 1) < at + 4 ||
	    s.data[at + 4] != ' ')
		return 0;
	i = at + 5;
	at = digits_end(s, i);
	if (at == i || at >= s.len || s.data[at] != ' ')
		return 0;
	for (int part = 0; part < 3; part++) {
		i = at + 1;
		at = digits_end(s, i);
		if (at == i || at >= s.len || s.data[at] != (part < 2 ? ':' : ' '))
			return 0;
	}
	i = at + 1;
	at = word_end(s, i);
	return at > i ? at : 0;
}

/* First "(\s.?DATE)" of text. */
static bool
find_date(struct slice text, struct slice *date_r)
{
	for (size_t i = 0; i + 1 < text.len; i++) {
		size_t end;

		if (!byte_is_space(text.data[i]))
			continue;
		/* .? is greedy: one byte that is no line end first, then none */
		end = text.data[i + 1] != '\n' ? date_end(text, i + 2) : 0;
		if (end == 0)
			end = date_end(text, i + 1);
		if (end != 0) {
			*date_r = slice_sub(text, i, end - i);
			return true;
		}
	}
	return false;
}

static bool
date_header(struct scan *scan, int64_t *time_r)
{
	static const char *const names[] = {"resent-date", "date"};
	struct header_list *headers = &scan->message->root->headers;

	for (size_t n = 0; n < 2; n++) {
		const struct header_name *name =
			header_list_find(headers, slice_from_cstr(names[n]));

		for (size_t at = name == NULL ? 0 : name->first + 1; at != 0;
		     at = headers->fields.items[at - 1].next)
			if (date_parse(header_field_decoded(headers, at - 1), time_r))
				return true;
	}
	return false;
}

static bool
is_local_hop(struct slice line)
{
	size_t at = slice_find(line, SLICE("from "), 0);

	for (; at != SLICE_NPOS; at = slice_find(line, SLICE("from "), at + 1)) {
		struct slice rest = slice_from(line, at + 5);
		size_t end;

		if (at > 0 && byte_is_word(line.data[at - 1]))
			continue;
		if (slice_starts(rest, SLICE("localhost")) && rest.len > 9 &&
		    byte_is_space(rest.data[9]))
			return true;
		/* one or two words, then a word that holds 127.0.0.1 between word boundaries */
		end = word_end(rest, 0);
		for (int words = 0; words < 2 && end > 0 && end < rest.len && rest.data[end] == ' ';
		     words++) {
			size_t next = word_end(rest, end + 1), ip;
			struct slice word = slice_sub(rest, end + 1, next - end - 1);

			ip = slice_find(word, SLICE("127.0.0.1"), 0);
			if (ip != SLICE_NPOS && (ip == 0 || !byte_is_word(word.data[ip - 1])) &&
			    (ip + 9 == word.len || !byte_is_word(word.data[ip + 9])))
				return true;
			if (next == end + 1)
				break;
			end = next;
		}
	}
	at = slice_find(line, SLICE("qmail "), 0);
	if (at != SLICE_NPOS) {
		size_t end = digits_end(line, at + 6);

		return end > at + 6 &&
		       slice_starts(slice_from(line, end), SLICE(" invoked by uid ")) &&
		       digits_end(line, end + 16) > end + 16;
	}
	return false;
}

/* "by localhost with WORD (fetchmail-1.2" */
static bool
is_fetchmail(struct slice line)
{
	struct slice mark = SLICE("by localhost with ");
	size_t at = slice_find(line, mark, 0), end;

	if (at == SLICE_NPOS || (at > 0 && byte_is_word(line.data[at - 1])))
		return false;
	at += mark.len;
	end = at;
	while (end < line.len && byte_is_word(line.data[end]))
		end++;
	mark = SLICE(" (fetchmail-");
	return end > at && slice_starts(slice_from(line, end), mark) && end + mark.len < line.len &&
	       (byte_is_digit(line.data[end + mark.len]) || line.data[end + mark.len] == '.');
}

static void
add_time(struct times *times, struct slice line, bool past_only, int64_t now_s)
{
	struct slice date;
	int64_t at;

	if (find_date(line, &date) && date_parse(date, &at) && (!past_only || now_s >= at) &&
	    times->count < TIMES_MAX)
		times->at[times->count++] = at;
}

static void
received_times(struct scan *scan, struct times *hops, struct times *fetched)
{
	struct slice rest = scan_header(scan, SLICE("Received")), line;
	slice_vec lines = {0};
	size_t first = 0, local_end = 0;

	while (rest.len > 0 && slice_next(&rest, '\n', &line))
		if (slice_trim(line).len > 0)
			(void)vec_push(scan->arena, &lines, line);
	if (lines.count > 0 && is_local_hop(lines.items[0]))
		first = 1;
	if (first < lines.count && is_fetchmail(lines.items[first]))
		local_end = first = first + 1;
	else
		first = 0;
	for (size_t i = 0; i < local_end; i++)
		add_time(fetched, lines.items[i], true, scan->now_s);
	for (size_t i = first; i < lines.count; i++)
		add_time(hops, lines.items[i], false, scan->now_s);
}

static int64_t
nearest_difference(int64_t date, const struct times *hops)
{
	size_t count = hops->count;
	int64_t best;

	/* the last hop often only repeats Date */
	if (count > 1 && date == hops->at[count - 1])
		count--;
	best = date - hops->at[0];
	for (size_t i = 1; i < count; i++)
		if (llabs(date - hops->at[i]) < llabs(best))
			best = date - hops->at[i];
	return best;
}

static int
newest_first(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x < y) - (x > y);
}

void
header_dates_find(struct scan *scan, struct header_dates *dates)
{
	struct times hops = {.count = 0}, fetched = {.count = 0};
	int64_t date = 0, guesses[4];
	size_t count = 0;
	bool has_date;

	if (dates->done)
		return;
	dates->done = true;
	has_date = date_header(scan, &date);
	received_times(scan, &hops, &fetched);
	if (has_date && hops.count > 0)
		dates->difference_s = nearest_difference(date, &hops);
	if (has_date)
		guesses[count++] = date;
	if (hops.count > 0)
		guesses[count++] = hops.at[0];
	if (fetched.count > 0) {
		qsort(fetched.at, fetched.count, sizeof(fetched.at[0]), newest_first);
		guesses[count++] = fetched.at[0];
	}
	if (has_date && hops.count > 0)
		guesses[count++] = date - dates->difference_s;
	if (count == 0)
		return;
	qsort(guesses, count, sizeof(guesses[0]), newest_first);
	dates->received_s = guesses[(count - 1) / 2];
}

/* Outlook writes the high half of a Windows file time. */
static long long
outlook_token(int64_t seconds)
{
	return (long long)((double)seconds * 0.0023283064365387 + 27111902.8329849);
}

bool
header_dates_outlook_differs(struct scan *scan, long long token)
{
	enum { FUDGE = 250 };
	struct slice received = scan_header(scan, SLICE("Received"));
	int64_t at = 0;

	if (!date_parse(scan_header(scan, SLICE("Date")), &at))
		at = 0;
	if (llabs(token - outlook_token(at)) < FUDGE)
		return false;
	/* the whole field list is read as a date, as there: its first date counts */
	if (!date_parse(received, &at))
		at = 0;
	return llabs(token - outlook_token(at)) >= FUDGE;
}
