/*
 * spf.c - the check of SPF as a state machine
 */
#include "auth/spf.h"

enum {
	VOID_MAX = 2,
	NAMES_MAX = 10,      /* of one mx or ptr */
	QUESTIONS_MAX = 300, /* a macro string may name %{p} as often as it likes */
	FRAMES_MAX = 32
};

enum spf_state {
	STATE_SELECT,
	STATE_SELECTED,
	STATE_TERM,
	STATE_TARGET,
	STATE_ADDRESS,
	STATE_MX_LIST,
	STATE_MX_NEXT,
	STATE_EXISTS,
	STATE_EXPAND,
	STATE_PTR_LIST,
	STATE_PTR_NEXT,
	STATE_PTR_ADDRESS,
	STATE_PTR_MECHANISM,
	STATE_MODIFIERS,
	STATE_EXP_TARGET,
	STATE_EXP_TEXT,
	STATE_REDIRECT,
	STATE_REDIRECT_TARGET,
	STATE_EXPLAIN,
	STATE_EXPLAINED,
	STATE_DONE
};

/* One record in evaluation; an include stands on the one that names it. */
struct spf_frame {
	struct spf_frame *outer;
	struct slice domain;     /* as macros see it */
	bool is_from_macro;      /* and so is cut to fit as a name */
	bool is_redirect_target; /* no record there is a permanent error */
	struct spf_record record;
	size_t term;
	struct slice explanation; /* macro string; data NULL: none */
};

/* The names of the client's address, for ptr and %{p}. */
struct spf_ptr {
	const struct dns_answer *names;
	size_t at;
	struct slice domain;
	bool is_any_wanted; /* %{p}: any name will do, the best is wanted */
	struct slice found;
	unsigned found_rank; /* 0: other, 1: below domain, 2: domain */
	enum spf_state next;
};

struct spf {
	struct arena *arena;
	struct dns_client *client;
	void (*done)(void *context, const struct spf_outcome *outcome);
	void *context;
	struct spf_request request;
	struct spf_macros macros;
	enum spf_state state;
	bool is_waiting;
	struct spf_frame *frame;
	unsigned frames, terms, voids;
	struct spf_expansion expansion;
	enum spf_state expanded; /* where the expansion goes */
	struct slice target;
	bool is_target_from_macro;
	const struct dns_answer *answer;
	bool is_answer_bad_name; /* it could not be asked: the name is none */
	const struct dns_answer *mx;
	size_t mx_at;
	struct spf_ptr ptr;
	bool is_default; /* no term matched */
	bool has_answers;
	struct spf_outcome outcome;
};

static const struct dns_answer unasked = {.outcome = DNS_FAILED};

static void spf_run(struct spf *spf);

/* ---- questions ---- */

static void
take_answer(void *context, const struct dns_answer *answer)
{
	struct spf *spf = context;

	if (spf->state == STATE_DONE)
		return;
	spf->answer = answer;
	spf->is_waiting = false;
	if (!answer->is_authenticated)
		spf->outcome.is_authenticated = false;
	spf->has_answers = true;
	spf_run(spf);
}

/* As the resolver of the reference takes them: labels of 1-63 bytes, 255 bytes in all. */
static bool
is_name(struct slice name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > 254)
		return false;
	for (size_t i = 0; i <= name.len; i++) {
		if (i < name.len && name.data[i] != '.') {
			label++;
			continue;
		}
		if (label == 0 || label > 63)
			return false;
		label = 0;
	}
	return true;
}

/* Asks, and goes to `next` with the answer (or with none, at once). */
static void
ask(struct spf *spf, struct slice name, bool is_from_macro, unsigned type, enum spf_state next)
{
	spf->state = next;
	spf->answer = &unasked;
	if (is_from_macro)
		name = spf_fit_name(spf->arena, name);
	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	spf->is_answer_bad_name = !is_name(name);
	if (spf->is_answer_bad_name || spf->outcome.questions >= QUESTIONS_MAX) {
		spf->outcome.departs = true;
		return;
	}
	spf->outcome.questions++;
	name = arena_dup_lower(spf->arena, name);
	spf->is_waiting = true;
	if (name.data == NULL || !dns_ask(spf->client, name, type, take_answer, spf))
		spf->is_waiting = false;
}

/* Neither an answer nor the word that there is none. */
static bool
is_error(const struct dns_answer *answer)
{
	return answer->outcome != DNS_ANSWERED ||
	       (answer->rcode != DNS_NOERROR && answer->rcode != DNS_NXDOMAIN);
}

static unsigned
address_type(const struct spf *spf)
{
	return net_addr_is_v4(&spf->request.ip) ? DNS_A : DNS_AAAA;
}

/* ---- ends ---- */

static void
finish(struct spf *spf)
{
	spf->state = STATE_DONE;
	if (!spf->has_answers)
		spf->outcome.is_authenticated = false;
	spf->done(spf->context, &spf->outcome);
}

static void
term_matched(struct spf *spf)
{
	const struct spf_term *term = &spf->frame->record.terms.items[spf->frame->term];

	spf->outcome.result = term->result;
	spf->outcome.text =
		arena_printf(spf->arena, "Mechanism '%.*s' matched", SLICE_FMT(term->text));
	spf->is_default = false;
	spf->state = STATE_MODIFIERS;
}

/* The frame ends with this result; what includes it goes on. */
static void
frame_end(struct spf *spf, enum auth_result result, const char *text)
{
	struct spf_frame *frame = spf->frame;

	if (text != NULL)
		spf->outcome.text = slice_from_cstr(text);
	if (frame->is_redirect_target && result == AUTH_NONE)
		result = AUTH_PERMERROR;
	spf->outcome.result = result;
	if (frame->outer == NULL) {
		spf->state = STATE_EXPLAIN;
		return;
	}
	spf->frame = frame->outer;
	spf->frames--;
	spf->is_default = false;
	switch (result) {
	case AUTH_PASS:
		term_matched(spf);
		return;
	case AUTH_FAIL:
	case AUTH_SOFTFAIL:
	case AUTH_NEUTRAL:
		spf->frame->term++;
		spf->state = STATE_TERM;
		return;
	case AUTH_NONE:
	case AUTH_POLICY:
		spf->outcome.result = AUTH_PERMERROR;
		spf->outcome.text = SLICE("Included domain has no applicable sender policy");
		break;
	case AUTH_TEMPERROR:
	case AUTH_PERMERROR:
		break;
	}
	spf->state = STATE_MODIFIERS;
}

/* One more term that asks DNS; false: one too many, the frame has ended. */
static bool
count_term(struct spf *spf)
{
	unsigned max = spf->request.is_strict ? SPF_TERMS_MAX_RFC : SPF_TERMS_MAX_REFERENCE;

	spf->terms++;
	if (spf->terms > SPF_TERMS_MAX_RFC)
		spf->outcome.departs = true;
	if (spf->terms <= max)
		return true;
	frame_end(spf, AUTH_PERMERROR, "Maximum DNS-interactive terms limit exceeded");
	return false;
}

/* Counts an empty answer; false: one too many, the frame has ended. */
static bool
count_void(struct spf *spf)
{
	if (spf->answer->record_count != 0 || ++spf->voids <= VOID_MAX)
		return true;
	if (spf->expanded != STATE_EXPLAINED)
		frame_end(spf, AUTH_PERMERROR, "Maximum void DNS look-ups limit exceeded");
	else if (spf->request.is_strict) {
		spf->frame->explanation = SLICE_NULL;
		spf->state = STATE_EXPLAIN;
	} else {
		spf->outcome.is_broken = true;
		finish(spf);
	}
	return false;
}

/* ---- the record of a domain ---- */

static void
step_select(struct spf *spf)
{
	struct spf_frame *frame = spf->frame;

	if (frame->outer == NULL && !slice_has_byte(frame->domain, '.')) {
		spf->outcome.departs = true;
		if (spf->request.is_strict) {
			frame_end(spf, AUTH_NONE, "Not a multi-label domain name");
			return;
		}
	}
	ask(spf, frame->domain, frame->is_from_macro, DNS_TXT, STATE_SELECTED);
}

/* The one record that counts. */
static enum status
select_record(struct spf *spf, struct spf_record *record_r)
{
	bool is_mfrom = spf->request.scope == SPF_SCOPE_MFROM;
	struct spf_record record;
	size_t found = 0;
	enum status status;

	for (size_t i = 0; i < spf->answer->record_count; i++) {
		const struct dns_record *rr = &spf->answer->records[i];

		if (rr->type != DNS_TXT)
			continue;
		status = spf_record_parse(spf->arena, rr->text, is_mfrom && !spf->request.is_strict,
		                          &record);
		if (status == STATUS_BAD || status == STATUS_LIMIT)
			return STATUS_BAD;
		if (status != STATUS_OK || !record.covers_mfrom)
			continue;
		spf->outcome.departs = spf->outcome.departs || record.is_v2;
		/* The first decides which version is read. */
		if (found == 0)
			*record_r = record;
		else if (record.is_v2 != record_r->is_v2)
			continue;
		found++;
	}
	return found == 0 ? STATUS_NONE : found == 1 ? STATUS_OK : STATUS_BAD;
}

static void
step_selected(struct spf *spf)
{
	if (is_error(spf->answer)) {
		if (spf->is_answer_bad_name && spf->request.is_strict)
			frame_end(spf, AUTH_NONE, "Malformed domain");
		else
			frame_end(spf, AUTH_TEMPERROR, "DNS error");
		return;
	}
	switch (select_record(spf, &spf->frame->record)) {
	case STATUS_OK:
		spf->frame->term = 0;
		spf->state = STATE_TERM;
		return;
	case STATUS_NONE:
		frame_end(spf, AUTH_NONE, "No applicable sender policy available");
		return;
	case STATUS_AGAIN:
	case STATUS_BAD:
	case STATUS_LIMIT:
	case STATUS_IO:
		frame_end(spf, AUTH_PERMERROR, "Redundant or malformed sender policy");
		return;
	}
}

/* ---- expansion ---- */

static void
expand(struct spf *spf, struct slice text, enum spf_state next)
{
	spf->macros.domain = spf->frame->domain;
	spf_expansion_init(&spf->expansion, spf->arena, &spf->macros, text);
	spf->expansion.is_explanation = next == STATE_EXPLAINED;
	spf->expanded = next;
	spf->ptr.found = SLICE_NULL;
	spf->state = STATE_EXPAND;
}

static void
ptr_start(struct spf *spf, struct slice domain, bool is_any_wanted, enum spf_state next)
{
	struct slice reversed =
		net_addr_reverse(spf->arena, net_addr_format(spf->arena, &spf->request.ip));

	spf->ptr = (struct spf_ptr){.domain = domain, .is_any_wanted = is_any_wanted, .next = next};
	ask(spf,
	    arena_concat(spf->arena, reversed,
	                 address_type(spf) == DNS_A ? SLICE(".in-addr.arpa") : SLICE(".ip6.arpa")),
	    false, DNS_PTR, STATE_PTR_LIST);
}

/* A macro string cannot be expanded. */
static void
expand_failed(struct spf *spf)
{
	if (spf->expanded == STATE_EXPLAINED) {
		spf->frame->explanation = SLICE_NULL;
		spf->state = STATE_EXPLAIN;
		return;
	}
	frame_end(spf, AUTH_PERMERROR, "Invalid macro string");
}

static void
step_expand(struct spf *spf)
{
	const struct slice *validated = spf->ptr.found.data != NULL ? &spf->ptr.found : NULL;
	enum status status = spf_expand(&spf->expansion, validated);

	spf->ptr.found = SLICE_NULL;
	if (spf->expansion.departs)
		spf->outcome.departs = true;
	if (status == STATUS_AGAIN) {
		ptr_start(spf, spf->frame->domain, true, STATE_EXPAND);
		return;
	}
	if (status != STATUS_OK) {
		expand_failed(spf);
		return;
	}
	spf->target = strbuf_slice(&spf->expansion.out);
	spf->is_target_from_macro = true;
	spf->state = spf->expanded;
}

/* ---- names of the client ---- */

static void
ptr_end(struct spf *spf)
{
	if (spf->ptr.is_any_wanted && spf->ptr.found.data == NULL)
		spf->ptr.found = SLICE("unknown");
	spf->state = spf->ptr.next;
}

static void
step_ptr_list(struct spf *spf)
{
	if (is_error(spf->answer)) {
		spf->outcome.departs = true;
		if (spf->ptr.is_any_wanted || spf->request.is_strict)
			ptr_end(spf);
		else
			frame_end(spf, AUTH_TEMPERROR, "DNS error on PTR lookup");
		return;
	}
	if (!count_void(spf))
		return;
	spf->ptr.names = spf->answer;
	spf->state = STATE_PTR_NEXT;
}

static unsigned
name_rank(struct slice name, struct slice domain)
{
	if (slice_ieq(name, domain))
		return 2;
	return name.len > domain.len && slice_iends(name, domain) &&
	                       name.data[name.len - domain.len - 1] == '.'
	               ? 1
	               : 0;
}

static void
step_ptr_next(struct spf *spf)
{
	struct spf_ptr *ptr = &spf->ptr;
	size_t count = ptr->names->record_count;

	if (count > NAMES_MAX)
		count = NAMES_MAX;
	for (; ptr->at < count; ptr->at++) {
		const struct dns_record *rr = &ptr->names->records[ptr->at];

		if (rr->type != DNS_PTR ||
		    (!ptr->is_any_wanted && name_rank(rr->target, ptr->domain) == 0))
			continue;
		ask(spf, rr->target, false, address_type(spf), STATE_PTR_ADDRESS);
		return;
	}
	ptr_end(spf);
}

static bool
has_address(const struct spf *spf, unsigned bits4, unsigned bits6)
{
	const struct dns_answer *answer = spf->answer;
	struct net_addr addr;

	for (size_t i = 0; i < answer->record_count; i++) {
		const struct dns_record *rr = &answer->records[i];
		unsigned bits = rr->type == DNS_A ? bits4 + 96 : bits6;

		if (rr->type == address_type(spf) && net_addr_parse(rr->text, &addr) &&
		    net_addr_has_prefix(&spf->request.ip, &addr, bits))
			return true;
	}
	return false;
}

static void
step_ptr_address(struct spf *spf)
{
	struct spf_ptr *ptr = &spf->ptr;
	struct slice name = ptr->names->records[ptr->at++].target;
	unsigned rank;

	spf->state = STATE_PTR_NEXT;
	if (is_error(spf->answer))
		return;
	if (!count_void(spf) || !has_address(spf, 32, 128))
		return;
	rank = name_rank(name, ptr->domain);
	if (ptr->found.data == NULL || rank > ptr->found_rank) {
		ptr->found = name;
		ptr->found_rank = rank;
	}
	if (!ptr->is_any_wanted || rank == 2)
		ptr_end(spf);
}

/* ---- terms ---- */

static void
term_failed(struct spf *spf)
{
	spf->frame->term++;
	spf->state = STATE_TERM;
}

static bool
is_in_network(struct spf *spf, const struct spf_term *term)
{
	const struct net_addr *ip = &spf->request.ip;
	unsigned bits = term->mechanism == SPF_IP4 ? term->bits4 + 96 : term->bits6;

	if (!net_addr_has_prefix(ip, &term->net, bits))
		return false;
	if (term->mechanism == SPF_IP4 || !net_addr_is_v4(ip))
		return true;
	/* An IPv4 client has no IPv6 address, but one that is mapped in the reference. */
	spf->outcome.departs = true;
	return !spf->request.is_strict;
}

static void
step_term(struct spf *spf)
{
	struct spf_frame *frame = spf->frame;
	const struct spf_term *term;

	if (frame->term == frame->record.terms.count) {
		spf->outcome.result = AUTH_NEUTRAL;
		spf->outcome.text = SLICE("Default neutral result due to no mechanism matches");
		spf->is_default = true;
		spf->state = STATE_MODIFIERS;
		return;
	}
	term = &frame->record.terms.items[frame->term];
	switch (term->mechanism) {
	case SPF_ALL:
		term_matched(spf);
		return;
	case SPF_IP4:
	case SPF_IP6:
		if (is_in_network(spf, term))
			term_matched(spf);
		else
			term_failed(spf);
		return;
	case SPF_INCLUDE:
	case SPF_A:
	case SPF_MX:
	case SPF_PTR:
	case SPF_EXISTS:
		break;
	}
	if (!count_term(spf))
		return;
	if (term->domain.data != NULL) {
		expand(spf, term->domain, STATE_TARGET);
		return;
	}
	spf->target = frame->domain;
	spf->is_target_from_macro = frame->is_from_macro;
	spf->state = STATE_TARGET;
}

/* The record of another domain: above the current one, or in its place. */
static void
frame_push(struct spf *spf, bool is_redirect)
{
	struct spf_frame *frame = arena_new(spf->arena, struct spf_frame);

	if (frame == NULL || (!is_redirect && ++spf->frames > FRAMES_MAX)) {
		frame_end(spf, AUTH_PERMERROR, "Too many records");
		return;
	}
	frame->outer = is_redirect ? spf->frame->outer : spf->frame;
	frame->domain = spf->target;
	frame->is_from_macro = true;
	frame->is_redirect_target = is_redirect;
	spf->frame = frame;
	spf->state = STATE_SELECT;
}

static void
step_target(struct spf *spf)
{
	const struct spf_term *term = &spf->frame->record.terms.items[spf->frame->term];
	bool is_macro = spf->is_target_from_macro;

	switch (term->mechanism) {
	case SPF_INCLUDE:
		frame_push(spf, false);
		return;
	case SPF_A:
		ask(spf, spf->target, is_macro, address_type(spf), STATE_ADDRESS);
		return;
	case SPF_MX:
		ask(spf, spf->target, is_macro, DNS_MX, STATE_MX_LIST);
		return;
	case SPF_PTR:
		ptr_start(spf, spf->target, false, STATE_PTR_MECHANISM);
		return;
	case SPF_EXISTS:
		ask(spf, spf->target, is_macro, DNS_A, STATE_EXISTS);
		return;
	case SPF_ALL:
	case SPF_IP4:
	case SPF_IP6:
		break;
	}
	term_failed(spf);
}

/* true: the answer is none, and what follows from that has happened. */
static bool
term_has_error(struct spf *spf)
{
	if (!is_error(spf->answer))
		return !count_void(spf);
	if (spf->is_answer_bad_name && spf->request.is_strict)
		term_failed(spf);
	else
		frame_end(spf, AUTH_TEMPERROR, "DNS error");
	return true;
}

static void
step_address(struct spf *spf)
{
	const struct spf_term *term = &spf->frame->record.terms.items[spf->frame->term];

	if (term_has_error(spf))
		return;
	if (has_address(spf, term->bits4, term->bits6))
		term_matched(spf);
	else if (term->mechanism == SPF_MX)
		spf->state = STATE_MX_NEXT;
	else
		term_failed(spf);
}

static void
step_mx_list(struct spf *spf)
{
	if (term_has_error(spf))
		return;
	if (spf->answer->record_count > NAMES_MAX) {
		spf->outcome.departs = true;
		if (spf->request.is_strict) {
			frame_end(spf, AUTH_PERMERROR, "Too many MX records");
			return;
		}
	}
	spf->mx = spf->answer;
	spf->mx_at = 0;
	spf->state = STATE_MX_NEXT;
}

static void
step_mx_next(struct spf *spf)
{
	size_t count = spf->mx->record_count < NAMES_MAX ? spf->mx->record_count : NAMES_MAX;

	while (spf->mx_at < count) {
		const struct dns_record *rr = &spf->mx->records[spf->mx_at++];

		if (rr->type == DNS_MX) {
			ask(spf, rr->target, false, address_type(spf), STATE_ADDRESS);
			return;
		}
	}
	term_failed(spf);
}

static void
step_exists(struct spf *spf)
{
	if (term_has_error(spf))
		return;
	for (size_t i = 0; i < spf->answer->record_count; i++)
		if (spf->answer->records[i].type == DNS_A) {
			term_matched(spf);
			return;
		}
	term_failed(spf);
}

static void
step_ptr_mechanism(struct spf *spf)
{
	if (spf->ptr.found.data != NULL)
		term_matched(spf);
	else
		term_failed(spf);
}

/* ---- modifiers ---- */

static void
step_modifiers(struct spf *spf)
{
	struct slice exp = spf->frame->record.exp;

	spf->state = STATE_REDIRECT;
	/* Whatever the result: a macro that may not stand there is an error of the record. */
	if (exp.data != NULL)
		expand(spf, exp, STATE_EXP_TARGET);
}

static void
step_exp_target(struct spf *spf)
{
	if (spf->outcome.result == AUTH_FAIL && spf->frame->outer == NULL)
		ask(spf, spf->target, true, DNS_TXT, STATE_EXP_TEXT);
	else
		spf->state = STATE_REDIRECT;
}

static void
step_exp_text(struct spf *spf)
{
	const struct dns_record *found = NULL;
	size_t count = 0;

	spf->state = STATE_REDIRECT;
	if (is_error(spf->answer))
		return;
	for (size_t i = 0; i < spf->answer->record_count; i++)
		if (spf->answer->records[i].type == DNS_TXT) {
			found = &spf->answer->records[i];
			count++;
		}
	if (count == 1)
		spf->frame->explanation = found->text;
}

static void
step_redirect(struct spf *spf)
{
	struct slice redirect = spf->frame->record.redirect;

	if (redirect.data == NULL || (spf->request.is_strict && !spf->is_default)) {
		frame_end(spf, spf->outcome.result, NULL);
		return;
	}
	/* It is counted even where it is not followed. */
	if (!count_term(spf))
		return;
	if (spf->is_default)
		expand(spf, redirect, STATE_REDIRECT_TARGET);
	else
		frame_end(spf, spf->outcome.result, NULL);
}

static bool
is_ascii(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= 0x80)
			return false;
	return true;
}

static void
step_explain(struct spf *spf)
{
	struct slice explanation = spf->frame->explanation;

	if (spf->outcome.result != AUTH_FAIL) {
		finish(spf);
		return;
	}
	if (explanation.data != NULL && (!spf->request.is_strict || is_ascii(explanation))) {
		expand(spf, explanation, STATE_EXPLAINED);
		return;
	}
	spf->outcome.explanation = SLICE("Rejected by SPF record");
	finish(spf);
}

static void
step_explained(struct spf *spf)
{
	spf->outcome.explanation = spf->target;
	finish(spf);
}

static void
step_redirect_target(struct spf *spf)
{
	frame_push(spf, true);
}

static void (*const steps[])(struct spf *spf) = {
	[STATE_SELECT] = step_select,
	[STATE_SELECTED] = step_selected,
	[STATE_TERM] = step_term,
	[STATE_TARGET] = step_target,
	[STATE_ADDRESS] = step_address,
	[STATE_MX_LIST] = step_mx_list,
	[STATE_MX_NEXT] = step_mx_next,
	[STATE_EXISTS] = step_exists,
	[STATE_EXPAND] = step_expand,
	[STATE_PTR_LIST] = step_ptr_list,
	[STATE_PTR_NEXT] = step_ptr_next,
	[STATE_PTR_ADDRESS] = step_ptr_address,
	[STATE_PTR_MECHANISM] = step_ptr_mechanism,
	[STATE_MODIFIERS] = step_modifiers,
	[STATE_EXP_TARGET] = step_exp_target,
	[STATE_EXP_TEXT] = step_exp_text,
	[STATE_REDIRECT] = step_redirect,
	[STATE_REDIRECT_TARGET] = step_redirect_target,
	[STATE_EXPLAIN] = step_explain,
	[STATE_EXPLAINED] = step_explained,
};

static void
spf_run(struct spf *spf)
{
	while (!spf->is_waiting && spf->state != STATE_DONE)
		steps[spf->state](spf);
}

/* ---- begin ---- */

/* Address -> local part and domain; a domain alone has postmaster. */
static void
split_identity(struct spf *spf)
{
	struct slice identity = spf->request.identity, domain = identity;
	struct slice local = SLICE("postmaster");
	size_t at = slice_rfind_byte(identity, '@');

	if (spf->request.scope == SPF_SCOPE_MFROM && at != SLICE_NPOS) {
		domain = slice_from(identity, at + 1);
		if (at != 0)
			local = slice_sub(identity, 0, at);
	}
	if (domain.len > 0 && domain.data[domain.len - 1] == '.')
		domain.len--;
	spf->macros.local_part = local;
	spf->macros.sender_domain = arena_dup_lower(spf->arena, domain);
}

struct spf *
spf_start(struct arena *arena, struct dns_client *client, const struct spf_request *request,
          void (*done)(void *context, const struct spf_outcome *outcome), void *context)
{
	struct spf *spf = arena_new(arena, struct spf);

	if (spf == NULL || (spf->frame = arena_new(arena, struct spf_frame)) == NULL)
		return NULL;
	spf->arena = arena;
	spf->client = client;
	spf->done = done;
	spf->context = context;
	spf->request = *request;
	spf->outcome.is_authenticated = true;
	split_identity(spf);
	spf->macros.scope = request->scope;
	spf->macros.sender = request->identity;
	spf->macros.helo = request->helo;
	spf->macros.hostname = request->hostname;
	spf->macros.ip = request->ip;
	spf->macros.now_s = request->now_s;
	spf->macros.is_strict = request->is_strict;
	spf->frame->domain = spf->macros.sender_domain;
	spf->frames = 1;
	spf->state = STATE_SELECT;
	spf_run(spf);
	return spf;
}

void
spf_cancel(struct spf *spf)
{
	spf->state = STATE_DONE;
}
