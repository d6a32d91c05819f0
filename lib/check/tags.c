/*
 * tags.c - _TAGS_ in templates
 */
#include "check/tags.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "check/report.h"
#include "plugins/autolearnthreshold.h"
#include "util/strbuf.h"

#define SUB_VERSION "2024-03-25"

/* ---- names of hits ---- */

static int
by_name(const void *a, const void *b)
{
	return slice_cmp((*(const struct scan_hit *const *)a)->rule->name,
	                 (*(const struct scan_hit *const *)b)->rule->name);
}

/* Hits of one kind, sorted by name. */
static const struct scan_hit **
sorted_hits(struct check *check, bool subtests, size_t *count_r)
{
	const struct scan *scan = &check->scan;
	const struct scan_hit **list =
		arena_new_array(scan->arena, const struct scan_hit *, scan->hits.count + 1);
	size_t count = 0;

	*count_r = 0;
	if (list == NULL)
		return NULL;
	for (size_t i = 0; i < scan->hits.count; i++)
		if (slice_starts(scan->hits.items[i].rule->name, SLICE("__")) == subtests)
			list[count++] = &scan->hits.items[i];
	qsort(list, count, sizeof(*list), by_name);
	*count_r = count;
	return list;
}

struct slice
tags_tests(struct check *check, bool subtests, struct slice separator)
{
	struct strbuf out;
	size_t count;
	const struct scan_hit **list = sorted_hits(check, subtests, &count);

	strbuf_init(&out, check->scan.arena, 0);
	for (size_t i = 0; i < count; i++)
		for (unsigned n = 0; n < list[i]->count; n++) {
			if (out.len > 0)
				strbuf_add(&out, separator);
			strbuf_add(&out, list[i]->rule->name);
		}
	return out.len == 0 ? SLICE("none") : strbuf_slice(&out);
}

static struct slice
subtests_collapsed(struct check *check)
{
	struct strbuf out;
	size_t count;
	const struct scan_hit **list = sorted_hits(check, true, &count);

	strbuf_init(&out, check->scan.arena, 0);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			strbuf_add_byte(&out, ',');
		strbuf_add(&out, list[i]->rule->name);
		if (list[i]->count > 1)
			strbuf_printf(&out, "(%u)", list[i]->count);
	}
	return out.len == 0 ? SLICE("none") : strbuf_slice(&out);
}

static struct slice
tests_scores(struct check *check, struct slice separator)
{
	struct strbuf out;
	size_t count;
	const struct scan_hit **list = sorted_hits(check, false, &count);

	strbuf_init(&out, check->scan.arena, 0);
	for (size_t i = 0; i < count; i++)
		for (unsigned n = 0; n < list[i]->count; n++) {
			if (out.len > 0)
				strbuf_add(&out, separator);
			strbuf_add(&out, list[i]->rule->name);
			strbuf_add_byte(&out, '=');
			if (list[i]->is_rounded)
				strbuf_printf(&out, "%.3f", list[i]->score);
			else
				strbuf_add_double(&out, list[i]->score);
		}
	return out.len == 0 ? SLICE("none") : strbuf_slice(&out);
}

/* ---- values ---- */

struct tag_call {
	struct slice args;
	bool has_args; /* given, not empty and not "0" */
};

static struct slice
tag_yesno(struct check *check, const struct tag_call *call)
{
	size_t comma = slice_find_byte(call->args, ',', 0);

	if (call->args.data == NULL)
		return check->is_spam ? SLICE("Yes") : SLICE("No");
	if (check->is_spam)
		return call->args.len == 0 ? SLICE("Yes") : slice_sub(call->args, 0, comma);
	return comma == SLICE_NPOS ? SLICE("No") : slice_from(call->args, comma + 1);
}

static struct slice
tag_yesnocaps(struct check *check, const struct tag_call *call)
{
	struct slice value = tag_yesno(check, call);
	unsigned char *copy = arena_bytes(check->scan.arena, value.len + 1);

	if (copy == NULL)
		return value;
	for (size_t i = 0; i < value.len; i++)
		copy[i] = byte_upper(value.data[i]);
	return slice_of(copy, value.len);
}

struct slice
tags_score(struct check *check)
{
	char score[64], required[64];
	double s, r;

	if (check->score_text.data != NULL)
		return check->score_text;
	snprintf(score, sizeof(score), "%2.1f", check->score);
	snprintf(required, sizeof(required), "%2.1f", check->required_score);
	s = strtod(score, NULL);
	r = strtod(required, NULL);
	check->score_text = !check->is_spam && s >= r
	                            ? arena_printf(check->scan.arena, "%.15g", r - 0.1)
	                            : arena_dup(check->scan.arena, slice_from_cstr(score));
	return check->score_text;
}

static struct slice
tag_score(struct check *check, const struct tag_call *call)
{
	struct slice score = tags_score(check), pad = call->args;
	size_t want;

	if (pad.len == 0 || (pad.data[0] != '0' && pad.data[0] != ' '))
		return score;
	for (size_t i = 1; i < pad.len; i++)
		if (pad.data[i] != pad.data[0])
			return score;
	want = pad.len + 3;
	return want > score.len
	               ? arena_concat(check->scan.arena, slice_sub(pad, 0, want - score.len), score)
	               : score;
}

static struct slice
tag_reqd(struct check *check, const struct tag_call *call)
{
	(void)call;
	return arena_printf(check->scan.arena, "%2.1f", check->scan.core->required_score);
}

static struct slice
tag_version(struct check *check, const struct tag_call *call)
{
	struct slice tag = check->scan.core->version_tag;

	(void)call;
	return tag.len == 0 ? SLICE(CONF_SA_VERSION_TEXT)
	                    : arena_printf(check->scan.arena, CONF_SA_VERSION_TEXT "-%.*s",
	                                   SLICE_FMT(tag));
}

static struct slice
tag_subversion(struct check *check, const struct tag_call *call)
{
	(void)check, (void)call;
	return SLICE(SUB_VERSION);
}

static struct slice
tag_rulesversion(struct check *check, const struct tag_call *call)
{
	(void)call;
	return check->filter->rules_version;
}

static struct slice
tag_hostname(struct check *check, const struct tag_call *call)
{
	(void)call;
	return check->scan.core->report_hostname.len > 0 ? check->scan.core->report_hostname
	                                                 : check->filter->hostname;
}

/* Set by a server before the scan as an ordinary tag; else the machine itself. */
static struct slice
remote(struct check *check, const char *name, struct slice standard)
{
	const struct slice *values;
	size_t count;

	if (scan_tag_values(&check->scan, slice_from_cstr(name), &values, &count) && count > 0)
		return values[0];
	return standard;
}

static struct slice
tag_remotehostname(struct check *check, const struct tag_call *call)
{
	(void)call;
	return remote(check, "REMOTEHOSTNAME", SLICE("localhost"));
}

static struct slice
tag_remotehostaddr(struct check *check, const struct tag_call *call)
{
	(void)call;
	return remote(check, "REMOTEHOSTADDR", SLICE("127.0.0.1"));
}

static const struct relay *
first_trusted(const struct check *check)
{
	const relay_vec *relays = &check->scan.relays.trusted;

	return relays->count == 0 ? NULL : relays->items[relays->count - 1];
}

static const struct relay *
last_external(const struct check *check)
{
	const relay_vec *relays = &check->scan.relays.external;

	return relays->count == 0 ? NULL : relays->items[0];
}

static struct slice
tag_firsttrustedip(struct check *check, const struct tag_call *call)
{
	const struct relay *relay = first_trusted(check);

	(void)call;
	return relay == NULL ? SLICE("") : relay->ip;
}

static struct slice
tag_firsttrustedrevip(struct check *check, const struct tag_call *call)
{
	return net_addr_reverse(check->scan.arena, tag_firsttrustedip(check, call));
}

static struct slice
tag_lastexternalip(struct check *check, const struct tag_call *call)
{
	const struct relay *relay = last_external(check);

	(void)call;
	return relay == NULL ? SLICE("") : relay->ip;
}

static struct slice
tag_lastexternalrevip(struct check *check, const struct tag_call *call)
{
	return net_addr_reverse(check->scan.arena, tag_lastexternalip(check, call));
}

static struct slice
tag_lastexternalrdns(struct check *check, const struct tag_call *call)
{
	const struct relay *relay = last_external(check);

	(void)call;
	return relay == NULL ? SLICE("") : relay->rdns;
}

static struct slice
tag_lastexternalhelo(struct check *check, const struct tag_call *call)
{
	const struct relay *relay = last_external(check);

	(void)call;
	return relay == NULL ? SLICE("") : relay->helo;
}

static struct slice
tag_contactaddress(struct check *check, const struct tag_call *call)
{
	(void)call;
	return check->scan.core->report_contact;
}

static struct slice
tag_bayes(struct check *check, const struct tag_call *call)
{
	struct slice text = bayes_score_text(&check->scan);

	(void)call;
	return text.data == NULL ? SLICE("0.5") : text;
}

struct slice
tags_date(struct arena *arena, int64_t now_s)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t now = (time_t)now_s;
	struct tm tm;
	long zone;

	if (localtime_r(&now, &tm) == NULL)
		return SLICE("");
	zone = tm.tm_gmtoff / 60;
	return arena_printf(arena, "%s, %02d %s %4d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday],
	                    tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	                    tm.tm_sec, zone < 0 ? '-' : '+', labs(zone) / 60, labs(zone) % 60);
}

static struct slice
tag_date(struct check *check, const struct tag_call *call)
{
	(void)call;
	return tags_date(check->scan.arena, check->scan.now_s);
}

static struct slice
tag_stars(struct check *check, const struct tag_call *call)
{
	struct slice star = call->has_args ? call->args : SLICE("*");
	struct strbuf out;
	int n = check->score >= 50 ? 50 : (int)check->score;

	strbuf_init(&out, check->scan.arena, 0);
	for (int i = 0; i < n; i++)
		strbuf_add(&out, star);
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

static struct slice
tag_autolearn(struct check *check, const struct tag_call *call)
{
	const char *word = "unavailable";

	(void)call;
	switch (check->autolearn) {
	case AUTOLEARN_DISABLED:
		return SLICE("disabled");
	case AUTOLEARN_UNTRIED:
		return SLICE("unavailable");
	case AUTOLEARN_NO:
		return SLICE("no autolearn_force=no");
	case AUTOLEARN_HAM:
	case AUTOLEARN_SPAM:
		if (check->did_learn == BAYES_DONE)
			word = check->autolearn == AUTOLEARN_SPAM ? "spam" : "ham";
		break;
	}
	if (check->autolearn_forced.len == 0)
		return arena_printf(check->scan.arena, "%s autolearn_force=no", word);
	return arena_printf(check->scan.arena, "%s autolearn_force=yes (%.*s)", word,
	                    SLICE_FMT(check->autolearn_forced));
}

static struct slice
tag_autolearnscore(struct check *check, const struct tag_call *call)
{
	(void)call;
	return arena_printf(check->scan.arena, "%.15g", autolearn_points_kept(&check->scan)->all);
}

static struct slice
separator_of(const struct tag_call *call)
{
	return call->has_args ? call->args : SLICE(",");
}

static struct slice
tag_tests(struct check *check, const struct tag_call *call)
{
	return tags_tests(check, false, separator_of(call));
}

static struct slice
tag_subtests(struct check *check, const struct tag_call *call)
{
	return tags_tests(check, true, separator_of(call));
}

static struct slice
tag_subtestscollapsed(struct check *check, const struct tag_call *call)
{
	(void)call;
	return subtests_collapsed(check);
}

static struct slice
tag_testsscores(struct check *check, const struct tag_call *call)
{
	return tests_scores(check, separator_of(call));
}

static struct slice
tag_preview(struct check *check, const struct tag_call *call)
{
	(void)call;
	return report_preview(check);
}

static struct slice
tag_report(struct check *check, const struct tag_call *call)
{
	(void)call;
	return arena_concat(check->scan.arena, SLICE("\n"), report_hits(check));
}

static struct slice
tag_summary(struct check *check, const struct tag_call *call)
{
	(void)call;
	return report_summary(check);
}

static struct slice
tag_subjprefix(struct check *check, const struct tag_call *call)
{
	(void)call;
	return check->scan.subjprefix;
}

static struct slice
tag_header(struct check *check, const struct tag_call *call)
{
	return call->has_args ? scan_header(&check->scan, call->args) : SLICE("");
}

static struct slice
tag_timing(struct check *check, const struct tag_call *call)
{
	(void)check, (void)call;
	return SLICE("total 0 ms - ");
}

/* clang-format off */
static const struct {
	struct slice name;
	struct slice (*value)(struct check *check, const struct tag_call *call);
} common_tags[] = {
	{ SLICE("AUTOLEARN"), tag_autolearn },
	{ SLICE("AUTOLEARNSCORE"), tag_autolearnscore },
	{ SLICE("BAYES"), tag_bayes },
	{ SLICE("CONTACTADDRESS"), tag_contactaddress },
	{ SLICE("DATE"), tag_date },
	{ SLICE("FIRSTTRUSTEDIP"), tag_firsttrustedip },
	{ SLICE("FIRSTTRUSTEDREVIP"), tag_firsttrustedrevip },
	{ SLICE("HEADER"), tag_header },
	{ SLICE("HITS"), tag_score },
	{ SLICE("HOSTNAME"), tag_hostname },
	{ SLICE("LASTEXTERNALHELO"), tag_lastexternalhelo },
	{ SLICE("LASTEXTERNALIP"), tag_lastexternalip },
	{ SLICE("LASTEXTERNALRDNS"), tag_lastexternalrdns },
	{ SLICE("LASTEXTERNALREVIP"), tag_lastexternalrevip },
	{ SLICE("PREVIEW"), tag_preview },
	{ SLICE("REMOTEHOSTADDR"), tag_remotehostaddr },
	{ SLICE("REMOTEHOSTNAME"), tag_remotehostname },
	{ SLICE("REPORT"), tag_report },
	{ SLICE("REQD"), tag_reqd },
	{ SLICE("RULESVERSION"), tag_rulesversion },
	{ SLICE("SCORE"), tag_score },
	{ SLICE("STARS"), tag_stars },
	{ SLICE("SUBJPREFIX"), tag_subjprefix },
	{ SLICE("SUBTESTS"), tag_subtests },
	{ SLICE("SUBTESTSCOLLAPSED"), tag_subtestscollapsed },
	{ SLICE("SUBVERSION"), tag_subversion },
	{ SLICE("SUMMARY"), tag_summary },
	{ SLICE("TESTS"), tag_tests },
	{ SLICE("TESTSSCORES"), tag_testsscores },
	{ SLICE("TIMING"), tag_timing },
	{ SLICE("VERSION"), tag_version },
	{ SLICE("YESNO"), tag_yesno },
	{ SLICE("YESNOCAPS"), tag_yesnocaps },
};

/* Tags of plugins that may not be loaded: known, and empty until set. */
static const char *const predeclared[] = {
	"ASN", "ASNCIDR", "AWL", "AWLMEAN", "AWLCOUNT", "AWLPRESCORE", "DCCB", "DCCR", "DCCREP", "EXTRACTTEXTCHARS",
	"EXTRACTTEXTWORDS", "EXTRACTTEXTTOOLS", "EXTRACTTEXTTYPES", "EXTRACTTEXTEXTENSIONS", "EXTRACTTEXTFLAGS",
	"EXTRACTTEXTURIS", "PYZOR", "RBL",
};
/* clang-format on */

static struct slice
join(struct arena *arena, const struct slice *values, size_t count)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			strbuf_add_byte(&out, ' ');
		strbuf_add(&out, values[i]);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

bool
tags_value(struct check *check, struct slice name, struct slice args, bool has_args,
           struct slice *value_r)
{
	struct tag_call call = {has_args ? args : SLICE_NULL,
	                        has_args && args.len > 0 && !slice_eq(args, SLICE("0"))};
	const struct slice *values;
	size_t count;

	for (size_t i = 0; i < sizeof(common_tags) / sizeof(common_tags[0]); i++)
		if (slice_eq(name, common_tags[i].name)) {
			*value_r = common_tags[i].value(check, &call);
			return true;
		}
	for (size_t i = 0; i < check->scan.plugins->with_tag.count; i++)
		if (check->scan.plugins->with_tag.items[i]->tag(&check->scan, name, call.args,
		                                                value_r))
			return true;
	if (scan_tag_values(&check->scan, name, &values, &count)) {
		*value_r = join(check->scan.arena, values, count);
		return true;
	}
	for (size_t i = 0; i < sizeof(predeclared) / sizeof(predeclared[0]); i++)
		if (slice_eq(name, slice_from_cstr(predeclared[i]))) {
			*value_r = SLICE("");
			return true;
		}
	return false;
}

/* [A-Z][A-Z0-9]*(_[A-Z0-9]+)* at the start of s, as long as a "_" or "(...)_" can follow. */
static bool
parse_tag(struct slice s, struct slice *name_r, struct slice *args_r, bool *has_args_r,
          size_t *len_r)
{
	size_t i = 0, best = 0;

	if (s.len == 0 || !byte_is_upper(s.data[0]))
		return false;
	for (;;) {
		while (i < s.len && (byte_is_upper(s.data[i]) || byte_is_digit(s.data[i])))
			i++;
		if (i < s.len && s.data[i] == '(') {
			size_t line = slice_find_byte(s, '\n', i),
			       end = slice_find(s, SLICE(")_"), i);

			if (end != SLICE_NPOS && (line == SLICE_NPOS || end < line)) {
				*name_r = slice_sub(s, 0, i);
				*args_r = slice_sub(s, i + 1, end - i - 1);
				*has_args_r = true;
				*len_r = end + 2;
				return true;
			}
		}
		if (i >= s.len || s.data[i] != '_')
			break;
		best = i; /* the name may end here, or go on: the longest wins */
		i++;
		if (i >= s.len || (!byte_is_upper(s.data[i]) && !byte_is_digit(s.data[i])))
			break;
	}
	if (best == 0)
		return false;
	*name_r = slice_sub(s, 0, best);
	*args_r = SLICE_NULL;
	*has_args_r = false;
	*len_r = best + 1;
	return true;
}

struct slice
tags_replace(struct check *check, struct slice text)
{
	struct strbuf out;

	strbuf_init(&out, check->scan.arena, 0);
	while (text.len > 0) {
		size_t at = slice_find_byte(text, '_', 0), len;
		struct slice name, args, value;
		bool has_args;

		strbuf_add(&out, slice_sub(text, 0, at));
		if (at == SLICE_NPOS)
			break;
		text = slice_from(text, at);
		if (parse_tag(slice_from(text, 1), &name, &args, &has_args, &len)) {
			if (tags_value(check, name, args, has_args, &value))
				strbuf_add(&out, value);
			else
				strbuf_add(&out, slice_sub(text, 0, len + 1));
			text = slice_from(text, len + 1);
		} else {
			strbuf_add_byte(&out, '_');
			text = slice_from(text, 1);
		}
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}
