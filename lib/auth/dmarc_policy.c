/*
 * dmarc_policy.c - DMARC records as text
 */
#include "auth/dmarc.h"

#include "util/strbuf.h"

/* Every `from` becomes `to`, left to right, without looking at the result again. */
static struct slice
replace(struct arena *arena, struct slice text, struct slice from, struct slice to)
{
	struct strbuf out;
	size_t at = 0, found;

	if (slice_find(text, from, 0) == SLICE_NPOS)
		return text;
	strbuf_init(&out, arena, 0);
	while ((found = slice_find(text, from, at)) != SLICE_NPOS) {
		strbuf_add(&out, slice_sub(text, at, found - at));
		strbuf_add(&out, to);
		at = found + from.len;
	}
	strbuf_add(&out, slice_from(text, at));
	return strbuf_slice(&out);
}

static struct slice
without_space(struct arena *arena, struct slice text)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is_space(text.data[i]))
			strbuf_add_byte(&out, text.data[i]);
	return strbuf_slice(&out);
}

/* Digits, and at most one of k m g t. */
static bool
is_size(struct slice text)
{
	if (text.len > 0 && slice_find_any(slice_from(text, text.len - 1), "kmgtKMGT", 0) == 0)
		return true;
	for (size_t i = 0; i < text.len; i++)
		if (!byte_is_digit(text.data[i]))
			return false;
	return text.len > 0;
}

/* How many URIs to report to there are; -1: a size that makes no sense. */
static int
count_uris(struct slice list)
{
	struct slice uri;
	int count = 0;

	while (slice_next(&list, ',', &uri)) {
		size_t bang = slice_find_byte(uri, '!', 0);

		if (bang != SLICE_NPOS) {
			struct slice size = slice_from(uri, bang + 1);

			if (!is_size(slice_sub(size, 0, slice_find_byte(size, '!', 0))))
				return -1;
			uri = slice_sub(uri, 0, bang);
		}
		if (slice_istarts(uri, SLICE("mailto:")) || slice_istarts(uri, SLICE("http:")) ||
		    slice_istarts(uri, SLICE("https:")))
			count++;
	}
	return count;
}

static void
take_tag(struct dmarc_policy *policy, struct slice *version, struct slice text)
{
	struct {
		struct slice name;
		struct slice *value;
	} tags[] = {
		{SLICE("v"), version},          {SLICE("p"), &policy->p},
		{SLICE("sp"), &policy->sp},     {SLICE("adkim"), &policy->adkim},
		{SLICE("aspf"), &policy->aspf}, {SLICE("pct"), &policy->pct},
		{SLICE("rua"), &policy->rua},
	};
	size_t sign = slice_find_any(text, "=:-", 0);

	if (sign == SLICE_NPOS || sign + 1 == text.len)
		return;
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (slice_ieq(slice_sub(text, 0, sign), tags[i].name))
			*tags[i].value = slice_from(text, sign + 1);
}

static bool
is_action(struct slice word)
{
	return slice_ieq(word, SLICE("none")) || slice_ieq(word, SLICE("quarantine")) ||
	       slice_ieq(word, SLICE("reject"));
}

enum status
dmarc_policy_parse(struct arena *arena, struct slice text, struct dmarc_policy *policy_r)
{
	struct dmarc_policy policy = {0};
	struct slice version = SLICE_NULL, rest, tag;

	rest = without_space(arena, text);
	rest = replace(arena, rest, SLICE("\\;"), SLICE(";"));
	rest = replace(arena, rest, SLICE(";;"), SLICE(";"));
	rest = replace(arena, rest, SLICE(";0;"), SLICE(";"));
	while (slice_next(&rest, ';', &tag))
		take_tag(&policy, &version, tag);
	if (!slice_ieq(version, SLICE("DMARC1")))
		return STATUS_BAD;
	if (policy.p.len == 0 || slice_eq(policy.p, SLICE("0"))) {
		if (policy.rua.len == 0 || count_uris(policy.rua) <= 0)
			return STATUS_BAD;
		policy.p = SLICE("none");
	}
	if (!is_action(policy.p))
		return STATUS_BAD;
	*policy_r = policy;
	return STATUS_OK;
}
