/*
 * dmarc.c - the search for a policy, and what it means for a message
 */
#include "auth/dmarc.h"

#include "util/strbuf.h"

enum level { LEVEL_DOMAIN, LEVEL_ORGANIZATION, LEVELS };

enum dmarc_state { STATE_POLICIES, STATE_EXISTS, STATE_READY };

static const unsigned host_types[] = {DNS_MX, DNS_NS, DNS_A, DNS_AAAA};

enum { HOST_TYPES = sizeof(host_types) / sizeof(host_types[0]) };

/* One question; NULL until it is answered. */
struct question {
	struct dmarc *dmarc;
	bool is_asked;
	const struct dns_answer *answer;
};

struct dmarc {
	struct arena *arena;
	struct dns_client *client;
	const struct public_suffixes *suffixes;
	enum dmarc_state state;
	struct slice domains[LEVELS];
	unsigned levels; /* 1: the domain is its own organisation */
	struct question policies[LEVELS];
	struct question hosts[LEVELS][HOST_TYPES];
	enum level level;  /* whose hosts are looked for */
	size_t count;      /* of records at the level that has any */
	struct slice text; /* the record, when there is one */
	enum level found;  /* where */
	bool exists;
	bool is_temporary;
};

static const struct dns_answer unasked = {.outcome = DNS_FAILED};

static void advance(struct dmarc *dmarc);

static void
take_answer(void *context, const struct dns_answer *answer)
{
	struct question *question = context;

	question->answer = answer;
	advance(question->dmarc);
}

static void
ask(struct dmarc *dmarc, struct question *question, struct slice name, unsigned type)
{
	if (question->is_asked)
		return;
	question->dmarc = dmarc;
	question->is_asked = true;
	if (name.data == NULL || !dns_ask(dmarc->client, name, type, take_answer, question))
		question->answer = &unasked;
}

/* ---- the record ---- */

/* Records of a level; false: nobody answered, and the search ends here. */
static bool
count_records(struct dmarc *dmarc, enum level level)
{
	const struct dns_answer *answer = dmarc->policies[level].answer;

	if (answer->outcome != DNS_ANSWERED) {
		dmarc->is_temporary = true;
		return false;
	}
	if (answer->rcode != DNS_NOERROR && answer->rcode != DNS_NXDOMAIN)
		dmarc->is_temporary = true;
	for (size_t i = 0; i < answer->record_count; i++) {
		const struct dns_record *record = &answer->records[i];

		/* The version stands in the first string, the rest may go over several. */
		if (record->type != DNS_TXT || record->string_count == 0 ||
		    !slice_istarts(record->strings[0], SLICE("v=DMARC1")))
			continue;
		if (dmarc->count++ == 0)
			dmarc->text = record->text;
		dmarc->found = level;
	}
	return true;
}

static void
step_policies(struct dmarc *dmarc)
{
	for (unsigned level = 0; level < dmarc->levels && dmarc->count == 0; level++)
		if (!count_records(dmarc, (enum level)level))
			break;
	dmarc->state = dmarc->count != 0 ? STATE_EXISTS : STATE_READY;
}

/* ---- the domain ---- */

static bool
has_records(const struct dns_answer *answer, unsigned type)
{
	if (answer->outcome != DNS_ANSWERED || answer->rcode != DNS_NOERROR)
		return false;
	for (size_t i = 0; i < answer->record_count; i++)
		if (answer->records[i].type == type)
			return true;
	return false;
}

/* Most domains have MX records: the rest is asked for when there are none. */
static void
step_exists(struct dmarc *dmarc)
{
	struct question *hosts = dmarc->hosts[dmarc->level];
	struct slice name = dmarc->domains[dmarc->level];
	bool is_open = false;

	ask(dmarc, &hosts[0], name, DNS_MX);
	if (hosts[0].answer == NULL)
		return;
	if (has_records(hosts[0].answer, DNS_MX)) {
		dmarc->exists = true;
		dmarc->state = STATE_READY;
		return;
	}
	for (size_t i = 1; i < HOST_TYPES; i++) {
		ask(dmarc, &hosts[i], name, host_types[i]);
		if (hosts[i].answer == NULL)
			is_open = true;
		else if (has_records(hosts[i].answer, host_types[i]))
			dmarc->exists = true;
	}
	if (dmarc->exists)
		dmarc->state = STATE_READY;
	else if (!is_open && dmarc->level + 1 < dmarc->levels)
		dmarc->level = LEVEL_ORGANIZATION;
	else if (!is_open)
		dmarc->state = STATE_READY;
}

/* Goes on as far as the answers that are there allow. */
static void
advance(struct dmarc *dmarc)
{
	enum dmarc_state state;
	enum level level;

	do {
		state = dmarc->state;
		level = dmarc->level;
		switch (state) {
		case STATE_POLICIES:
			for (unsigned i = 0; i < dmarc->levels; i++)
				if (dmarc->policies[i].answer == NULL)
					return;
			step_policies(dmarc);
			break;
		case STATE_EXISTS:
			step_exists(dmarc);
			break;
		case STATE_READY:
			return;
		}
	} while (state != dmarc->state || level != dmarc->level);
}

/* ---- begin ---- */

/* The domain of an address: what is behind the last @, up to a blank or an angle. */
static struct slice
from_domain(struct arena *arena, struct slice address)
{
	struct slice domain;
	size_t at;

	while (address.len > 0 && address.data[address.len - 1] == '@')
		address.len--;
	at = slice_rfind_byte(address, '@');
	domain = at == SLICE_NPOS ? address : slice_from(address, at + 1);
	domain = slice_sub(domain, 0, slice_find_any(domain, " \t\n\v\f\r>", 0));
	return arena_dup_lower(arena, domain);
}

struct dmarc *
dmarc_start(struct arena *arena, struct dns_client *client, const struct public_suffixes *suffixes,
            struct slice from_address)
{
	struct slice domain = from_domain(arena, from_address);
	struct dmarc *dmarc;

	if (domain.data == NULL || !public_suffixes_is_domain(suffixes, arena, domain) ||
	    (dmarc = arena_new(arena, struct dmarc)) == NULL)
		return NULL;
	dmarc->arena = arena;
	dmarc->client = client;
	dmarc->suffixes = suffixes;
	dmarc->domains[LEVEL_DOMAIN] = domain;
	dmarc->domains[LEVEL_ORGANIZATION] = public_suffixes_organization(suffixes, arena, domain);
	dmarc->levels = slice_eq(domain, dmarc->domains[LEVEL_ORGANIZATION]) ? 1 : 2;
	for (unsigned i = 0; i < dmarc->levels; i++)
		ask(dmarc, &dmarc->policies[i],
		    arena_concat(arena, SLICE("_dmarc."), dmarc->domains[i]), DNS_TXT);
	ask(dmarc, &dmarc->hosts[LEVEL_DOMAIN][0], domain, DNS_MX);
	advance(dmarc);
	return dmarc;
}

bool
dmarc_is_ready(const struct dmarc *dmarc)
{
	return dmarc->state == STATE_READY;
}

struct slice
dmarc_from_domain(const struct dmarc *dmarc)
{
	return dmarc->domains[LEVEL_DOMAIN];
}

/* ---- what it means ---- */

static bool
is_strict(struct slice alignment)
{
	return slice_ieq(alignment, SLICE("s"));
}

static bool
is_same_organization(const struct dmarc *dmarc, struct slice domain)
{
	return slice_eq(public_suffixes_organization(dmarc->suffixes, dmarc->arena, domain),
	                public_suffixes_organization(dmarc->suffixes, dmarc->arena,
	                                             dmarc->domains[LEVEL_DOMAIN]));
}

static bool
is_spf_aligned(const struct dmarc *dmarc, const struct dmarc_policy *policy, struct slice domain)
{
	if (domain.len == 0)
		return false;
	if (slice_eq(domain, dmarc->domains[LEVEL_DOMAIN]))
		return true;
	return !is_strict(policy->aspf) && is_same_organization(dmarc, domain);
}

static bool
is_dkim_aligned(const struct dmarc *dmarc, const struct dmarc_policy *policy, struct slice domain)
{
	if (slice_ieq(domain, dmarc->domains[LEVEL_DOMAIN]))
		return true;
	return !is_strict(policy->adkim) && is_same_organization(dmarc, domain);
}

static bool
is_action(struct slice word)
{
	return slice_ieq(word, SLICE("none")) || slice_ieq(word, SLICE("quarantine")) ||
	       slice_ieq(word, SLICE("reject"));
}

/* As Perl reads a number. */
static double
percentage(struct slice text)
{
	double value = 0;
	size_t len = 0;

	while (len < text.len && len < 6 && byte_is_digit(text.data[len]))
		value = value * 10 + (text.data[len++] - '0');
	return value;
}

static enum status
apply(const struct dmarc *dmarc, const struct dmarc_policy *policy, const struct dmarc_input *input,
      struct dmarc_outcome *outcome)
{
	struct slice action = policy->p;

	if (dmarc->found == LEVEL_ORGANIZATION && policy->sp.data != NULL)
		action = policy->sp;
	if (slice_ieq(action, SLICE("none")))
		return STATUS_OK;
	if (!is_action(action))
		return STATUS_BAD;
	if (policy->pct.data == NULL || input->sample < percentage(policy->pct)) {
		outcome->disposition = action;
		return STATUS_OK;
	}
	outcome->is_sampled_out = true;
	if (slice_eq(action, SLICE("reject")))
		outcome->disposition = SLICE("quarantine");
	return STATUS_OK;
}

static bool
is_authenticated(const struct dmarc *dmarc)
{
	for (unsigned level = 0; level <= (unsigned)dmarc->found; level++)
		if (dmarc->policies[level].answer == NULL ||
		    !dmarc->policies[level].answer->is_authenticated)
			return false;
	return dmarc->count != 0;
}

enum status
dmarc_evaluate(struct dmarc *dmarc, const struct dmarc_input *input,
               struct dmarc_outcome *outcome_r)
{
	struct dmarc_outcome outcome = {.result = AUTH_FAIL,
	                                .disposition = SLICE("none"),
	                                .is_temporary = dmarc->is_temporary,
	                                .is_authenticated = is_authenticated(dmarc)};
	struct dmarc_policy policy;
	enum status status = STATUS_OK;

	if (dmarc->count == 0 || !dmarc->exists) {
		outcome.result = AUTH_NONE;
	} else if (dmarc->count > 1) {
		outcome.has_many = true;
	} else if (dmarc_policy_parse(dmarc->arena, dmarc->text, &policy) != STATUS_OK ||
	           (policy.sp.data != NULL && !is_action(policy.sp))) {
		/* With sp= of another word the reference looks whether reports are welcome. */
		outcome.is_unpublished = true;
	} else {
		outcome.is_spf_aligned = is_spf_aligned(dmarc, &policy, input->spf_domain);
		for (size_t i = 0; i < input->dkim_count && !outcome.is_dkim_aligned; i++)
			outcome.is_dkim_aligned =
				is_dkim_aligned(dmarc, &policy, input->dkim_domains[i]);
		if (outcome.is_spf_aligned || outcome.is_dkim_aligned) {
			outcome.result = AUTH_PASS;
			outcome.published = policy.p;
		} else {
			status = apply(dmarc, &policy, input, &outcome);
		}
	}
	if (status == STATUS_OK)
		*outcome_r = outcome;
	return status;
}
