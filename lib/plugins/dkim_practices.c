/*
 * dkim_practices.c - signing practices of author domains (ADSP, RFC 5617)
 *
 * Asked for at once when no signature can speak for the author, else when the signatures are
 * checked.
 */
#include "plugins/dkim_scan.h"

#include "mail/registry.h"

static char
practice_char(struct slice word)
{
	if (slice_eq(word, SLICE("custom_low")))
		return '1';
	if (slice_eq(word, SLICE("custom_med")))
		return '2';
	if (slice_eq(word, SLICE("custom_high")))
		return '3';
	return (char)byte_upper(word.data[0]); /* N U A D */
}

/* The domain, then "*." and what is left of it, then "*". */
static char
overridden(const struct dkim_settings *settings, struct arena *arena, struct slice domain)
{
	struct slice found = conf_table_get(&settings->adsp_override, domain);
	size_t dot = slice_find_byte(domain, '.', 0);

	for (; found.data == NULL && dot != SLICE_NPOS;
	     dot = slice_find_byte(domain, '.', dot + 1)) {
		struct slice key = arena_concat(arena, SLICE("*"), slice_from(domain, dot));

		found = conf_table_get(&settings->adsp_override, key);
	}
	if (found.data == NULL)
		found = conf_table_get(&settings->adsp_override, SLICE("*"));
	return found.len > 0 ? practice_char(found) : 0;
}

/* Has a top-level domain of letters, and something before it. */
static bool
is_qualified(struct slice domain)
{
	size_t dot = slice_rfind_byte(domain, '.');

	if (dot == SLICE_NPOS || dot == 0 || domain.len - dot < 3)
		return false;
	for (size_t i = dot + 1; i < domain.len; i++)
		if (!byte_is_alpha(domain.data[i]) && domain.data[i] != '-')
			return false;
	return true;
}

/* dkim= of a record; data NULL: no record, or none that can be read. */
static struct slice
policy_of(struct slice record)
{
	struct slice rest = record, tag, policy = SLICE("unknown");

	if (perl_is_false(record))
		return SLICE_NULL;
	while (rest.len > 0 && rest.data[rest.len - 1] == ';')
		rest.len--;
	while (slice_next(&rest, ';', &tag)) {
		size_t equals;

		tag = slice_trim(tag);
		equals = slice_find_byte(tag, '=', 0);
		if (equals == SLICE_NPOS)
			return SLICE_NULL;
		if (slice_eq(slice_rtrim(slice_sub(tag, 0, equals)), SLICE("dkim")))
			policy = slice_ltrim(slice_from(tag, equals + 1));
	}
	return policy;
}

static char
published(const struct author *author)
{
	struct slice policy = policy_of(author->policy);

	if (policy.data == NULL)
		return author->no_such_domain ? 'N' : 'U';
	if (slice_eq(policy, SLICE("all")))
		return 'A';
	if (slice_eq(policy, SLICE("discardable")) || slice_eq(policy, SLICE("strict")))
		return 'D';
	return slice_ieq(policy, SLICE("nxdomain")) ? 'N' : 'U';
}

/* Is there a reason not to ask, or to forget the answer? */
static bool
is_spared(const struct dkim_state *state, const struct author *author)
{
	return author->has_valid || author->has_tempfailed ||
	       (author->has_any && !state->is_dependable) || !is_qualified(author->domain);
}

static void
finish_practices(struct scan *scan, struct dkim_state *state)
{
	if (state->practices_ready || !state->is_ready || state->practices_open > 0)
		return;
	state->practices_ready = true;
	for (size_t i = 0; i < state->authors.count; i++) {
		struct author *author = state->authors.items[i];
		char override = overridden(dkim_settings_of(scan), scan->arena, author->domain);

		if (is_spared(state, author))
			continue;
		author->practice = override != 0 ? override : published(author);
		log_debug(scan->log, "dkim", "adsp result: %c, author domain '%.*s'",
		          author->practice, SLICE_FMT(log_quote(scan->arena, author->domain, 300)));
	}
	dkim_run_waiters(scan, state->practice_waiters.items, state->practice_waiters.count);
}

static void
practice_came(struct scan *scan)
{
	struct dkim_state *state = dkim_state_of(scan);

	state->practices_open--;
	finish_practices(scan, state);
}

static void
policy_answered(void *context, const struct dns_answer *answer)
{
	struct author *author = context;

	if (answer->outcome == DNS_ANSWERED && answer->rcode == DNS_NOERROR)
		for (size_t i = 0; i < answer->record_count; i++)
			if (answer->records[i].type == DNS_TXT)
				author->policy = answer->records[i].text; /* the last counts */
	practice_came(author->scan);
}

static void
mx_answered(void *context, const struct dns_answer *answer)
{
	struct author *author = context;

	author->no_such_domain = answer->outcome == DNS_ANSWERED && answer->rcode == DNS_NXDOMAIN;
	practice_came(author->scan);
}

static void
ask_practice(struct scan *scan, struct dkim_state *state, struct author *author,
             struct dns_client *client)
{
	struct slice domain = idn_to_ascii(scan->arena, author->domain);
	struct slice name = arena_concat(scan->arena, SLICE("_adsp._domainkey."), domain);

	if (author->asked || is_spared(state, author) ||
	    overridden(dkim_settings_of(scan), scan->arena, author->domain) != 0)
		return;
	author->asked = true;
	if (client == NULL || domain.data == NULL || name.data == NULL)
		return;
	state->practices_open += 2;
	if (!dns_ask(client, name, DNS_TXT, policy_answered, author))
		state->practices_open--;
	if (!dns_ask(client, domain, DNS_MX, mx_answered, author))
		state->practices_open--;
}

/* Could a signature still turn out to be the author's? */
static bool
may_be_signed_by(struct scan *scan, const struct dkim_state *state, const struct author *author)
{
	const struct dkim_verifier *v = state->verifier;

	for (size_t i = 0; v != NULL && i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];

		if (s->kind == DKIM_DOMAINKEY ||
		    slice_eq(dkim_signer(scan->arena, s), author->domain))
			return true;
	}
	return false;
}

static void
ask_practices(struct scan *scan, struct dkim_state *state)
{
	struct dns_client *client = dkim_key_client(scan);

	for (size_t i = 0; i < state->authors.count; i++) {
		struct author *author = state->authors.items[i];

		if (state->is_ready || !may_be_signed_by(scan, state, author))
			ask_practice(scan, state, author, client);
	}
	finish_practices(scan, state);
}

/* Signatures are checked: what could not be asked before. */
static void
practices_after_keys(struct scan *scan, void *context)
{
	(void)context;
	ask_practices(scan, dkim_state_of(scan));
}

static void
begin_practices(struct scan *scan, struct dkim_state *state)
{
	if (state->practices_begun)
		return;
	state->practices_begun = true;
	dkim_find_authors(scan, state);
	if (!state->is_ready)
		(void)vec_push(scan->arena, &state->listeners,
		               (struct listener){practices_after_keys, NULL});
	ask_practices(scan, state);
}

static bool
names_author(const struct dkim_state *state, const struct slice *domains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < state->authors.count; k++)
			if (dkim_covers(domains[i], state->authors.items[k]->domain))
				return true;
	return count == 0;
}

static int
decide_practice(struct scan *scan, const struct eval_call *call, struct slice wanted)
{
	const struct dkim_state *state = dkim_state_of(scan);
	bool any = false;

	if (slice_eq(wanted, SLICE("*")))
		wanted = SLICE("NAD123");
	for (size_t i = 0; i < state->authors.count; i++)
		any |= state->authors.items[i]->practice != 0 &&
		       slice_has_byte(wanted, (unsigned char)state->authors.items[i]->practice);
	return any &&
	       (call->arg_count < 2 || names_author(state, call->args + 1, call->arg_count - 1));
}

static int
decide_adsp(struct scan *scan, const struct eval_call *call)
{
	return decide_practice(scan, call, eval_arg(call, 0));
}

static int
decide_signall(struct scan *scan, const struct eval_call *call)
{
	struct eval_call bare = *call;

	bare.arg_count = 0;
	return decide_practice(scan, &bare, SLICE("A"));
}

static int
when_practices_known(struct scan *scan, const struct eval_call *call,
                     int (*run)(struct scan *scan, const struct eval_call *call))
{
	struct dkim_state *state = dkim_state_of(scan);

	if (state == NULL)
		return 0;
	dkim_begin(scan, state);
	if (state->verifier == NULL)
		return 0;
	begin_practices(scan, state);
	if (state->practices_ready)
		return run(scan, call);
	(void)vec_push(scan->arena, &state->practice_waiters, (struct waiter){*call, run});
	return EVAL_PENDING;
}

int
dkim_check_adsp(struct scan *scan, const struct eval_call *call)
{
	return when_practices_known(scan, call, decide_adsp);
}

int
dkim_check_signall(struct scan *scan, const struct eval_call *call)
{
	return when_practices_known(scan, call, decide_signall);
}
