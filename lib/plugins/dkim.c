/*
 * dkim.c - Mail::SpamAssassin::Plugin::DKIM: DKIM and ARC signatures, signing practices
 *
 * Signatures are looked for and their keys asked for when DNS questions leave (launch), if any rule
 * wants to know; evals that come before the last key are kept and run again when it is there.
 * Practices (ADSP) of author domains are asked for at once when no signature can speak for the
 * author, else when the signatures are checked.
 *
 *   (nothing) --launch or eval--> VERIFYING --last key--> READY
 *   READY or VERIFYING --eval--> practices asked --last answer--> practices known
 *
 * What rules see is what 4.0.1 makes of Mail::DKIM's results (auth/dkim.h says where we differ).
 */
#include "plugins/dkim_scan.h"

#include "plugins/auth.h"

enum {
	KEY_TIMEOUT_S = 3, /* as the reference's resolver waits for an answer in line */
	AUTHORS_MAX = 100  /* domains whose practices are asked for */
};

/* ---- state of a message ---- */

struct dkim_state *
dkim_state_of(struct scan *scan)
{
	return scan_state(scan, &plugin_dkim);
}

const struct dkim_settings *
dkim_settings_of(const struct scan *scan)
{
	return plugin_settings(scan->conf, &plugin_dkim);
}

/* After the last @, blanks at the end off; data NULL: none. */
static struct slice
address_domain(struct arena *arena, struct slice address)
{
	size_t at = slice_rfind_byte(address, '@');
	struct slice domain = slice_from(address, at == SLICE_NPOS ? address.len : at + 1);

	while (domain.len > 1 &&
	       (domain.data[domain.len - 1] == ' ' || domain.data[domain.len - 1] == '\t'))
		domain.len--;
	return domain.len == 0 ? SLICE_NULL : arena_dup_lower(arena, domain);
}

static struct author *
find_author(const struct dkim_state *state, struct slice domain)
{
	for (size_t i = 0; domain.data != NULL && i < state->authors.count; i++)
		if (slice_eq(state->authors.items[i]->domain, domain))
			return state->authors.items[i];
	return NULL;
}

void
dkim_find_authors(struct scan *scan, struct dkim_state *state)
{
	if (state->has_authors)
		return;
	state->has_authors = true;
	state->addresses = scan_header_values(scan, SLICE("From:addr"));
	for (size_t i = 0; i < state->addresses.count; i++) {
		struct slice domain = address_domain(scan->arena, state->addresses.items[i]);
		struct author *author;

		if (domain.data == NULL || find_author(state, domain) != NULL ||
		    state->authors.count == AUTHORS_MAX)
			continue;
		author = arena_new(scan->arena, struct author);
		if (author == NULL)
			return;
		*author = (struct author){.domain = domain, .scan = scan};
		(void)vec_push(scan->arena, &state->authors, author);
	}
}

/* ---- signatures ---- */

bool
dkim_is_good(const struct dkim_signature *s)
{
	return s->result == DKIM_PASS && !s->is_expired;
}

/* Ed25519 keys are short and strong. */
bool
dkim_is_weak(const struct dkim_settings *settings, const struct dkim_signature *s)
{
	return settings->dkim_minimum_key_bits != 0 && !s->is_ed25519 && s->key_bits > 0 &&
	       (double)s->key_bits < settings->dkim_minimum_key_bits;
}

/* No minimum: the reference never learns the size, and no signature counts as the author's. */
static bool
is_strong(const struct dkim_settings *settings, const struct dkim_signature *s)
{
	return settings->dkim_minimum_key_bits != 0 && s->key_bits > 0 &&
	       !dkim_is_weak(settings, s);
}

static void
note_author(struct scan *scan, struct dkim_state *state, const struct dkim_signature *s)
{
	struct author *author = find_author(state, dkim_signer(scan->arena, s));

	if (author == NULL)
		return;
	author->has_any = true;
	if (dkim_is_good(s) && is_strong(dkim_settings_of(scan), s))
		author->has_valid = true;
	else if (s->is_temporary && s->result == DKIM_INVALID)
		author->has_tempfailed = true;
}

static void
log_signature(struct scan *scan, const struct dkim_state *state, const struct dkim_signature *s,
              const char *type)
{
	struct slice signer = dkim_signer(scan->arena, s);

	log_debug(scan->log, "dkim",
	          "%s%s%s %s, i=%.*s, d=%.*s, s=%.*s, a=%.*s, c=%.*s/%.*s, key_bits=%u, %.*s, %s%s",
	          dkim_is_good(s) ? "VALID" : "FAILED", s->is_expired ? " EXPIRED" : "",
	          dkim_is_weak(dkim_settings_of(scan), s) ? " WEAK" : "", type,
	          SLICE_FMT(log_quote(scan->arena, s->identity, 300)),
	          SLICE_FMT(log_quote(scan->arena, s->domain, 300)),
	          SLICE_FMT(log_quote(scan->arena, s->selector, 300)),
	          SLICE_FMT(log_quote(scan->arena, s->algorithm, 100)),
	          SLICE_FMT(log_quote(scan->arena, s->header_canon, 100)),
	          SLICE_FMT(log_quote(scan->arena, s->body_canon, 100)), s->key_bits,
	          SLICE_FMT(dkim_result_text(scan->arena, s)),
	          find_author(state, signer) != NULL ? "matches author domain"
	                                             : "does not match author domain",
	          s->is_authenticated ? ", key secured by DNSSEC" : "");
}

static bool
has_value(const slice_vec *values, struct slice value)
{
	for (size_t i = 0; i < values->count; i++)
		if (slice_eq(values->items[i], value))
			return true;
	return false;
}

static void
set_list_tag(struct scan *scan, const struct dkim_state *state, struct slice tag,
             struct slice (*value)(const struct dkim_signature *s))
{
	slice_vec values = {.count = 0};

	for (size_t i = 0; i < state->verifier->signatures.count; i++) {
		const struct dkim_signature *s = &state->verifier->signatures.items[i];
		struct slice text = value(s);

		if (dkim_is_good(s) && s->selector.len > 0 && text.len > 0 &&
		    !has_value(&values, text))
			(void)vec_push(scan->arena, &values, text);
	}
	scan_set_tag_values(scan, tag, &values);
}

static struct slice
identity_of(const struct dkim_signature *s)
{
	return s->identity;
}

static struct slice
domain_of(const struct dkim_signature *s)
{
	return s->domain;
}

static struct slice
selector_of(const struct dkim_signature *s)
{
	return s->selector;
}

/* What the RFCs say, where they and the reference may differ; and what DNSSEC vouches for. */
static void
set_result_tags(struct scan *scan, const struct dkim_verifier *v)
{
	slice_vec results = {.count = 0};

	for (size_t i = 0; i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];

		(void)vec_push(scan->arena, &results,
		               arena_printf(scan->arena, "%s:%.*s:%.*s%s", auth_result_name(s->rfc),
		                            SLICE_FMT(slice_sub(s->domain, 0, 255)),
		                            SLICE_FMT(slice_sub(s->selector, 0, 255)),
		                            s->is_authenticated ? ":secure" : ""));
	}
	if (results.count > 0)
		scan_set_tag_values(scan, SLICE("DKIMRESULT"), &results);
	if (v->arc->sets != NULL)
		scan_set_tag(scan, SLICE("ARCRESULT"),
		             slice_from_cstr(auth_result_name(v->arc->rfc)));
}

static void
take_signatures(struct scan *scan, struct dkim_state *state)
{
	const struct dkim_verifier *v = state->verifier;

	for (size_t i = 0; i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];

		state->is_signed = true;
		if (s->selector.len == 0)
			continue;
		state->is_valid |= dkim_is_good(s);
		note_author(scan, state, s);
		if (log_wants(scan->log, LOG_LEVEL_DEBUG, "dkim"))
			log_signature(scan, state, s, s->kind == DKIM_DOMAINKEY ? "DK" : "DKIM");
	}
	for (size_t i = 0; i < v->arc_signatures.count; i++) {
		const struct dkim_signature *s = &v->arc_signatures.items[i];

		state->arc_signed = true;
		state->arc_valid |= s->selector.len > 0 && dkim_is_good(s);
		if (log_wants(scan->log, LOG_LEVEL_DEBUG, "dkim"))
			log_signature(scan, state, s, "ARC");
	}
	if (state->is_valid) {
		set_list_tag(scan, state, SLICE("DKIMIDENTITY"), identity_of);
		set_list_tag(scan, state, SLICE("DKIMDOMAIN"), domain_of);
		set_list_tag(scan, state, SLICE("DKIMSELECTOR"), selector_of);
	}
	set_result_tags(scan, v);
}

static bool
is_truncated(struct scan *scan)
{
	const struct rule *rule = ruleset_find(scan->rules, SLICE("__TRUNCATED"));

	return rule != NULL && scan_has_hit(scan, rule);
}

void
dkim_run_waiters(struct scan *scan, const struct waiter *waiters, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int value = waiters[i].run(scan, &waiters[i].call);

		if (value != 0 && value != EVAL_PENDING)
			scan_hit(scan, waiters[i].call.rule,
			         waiters[i].call.rule->kind == RULE_FULL_EVAL ? "FULL: " : "",
			         value);
	}
}

static void
verified(struct dkim_verifier *v, void *context)
{
	struct scan *scan = context;
	struct dkim_state *state = dkim_state_of(scan);

	state->verifier = v;
	state->is_ready = true;
	state->is_dependable = v->signatures.count == 0 || !is_truncated(scan);
	dkim_find_authors(scan, state);
	take_signatures(scan, state);
	dkim_run_waiters(scan, state->waiters.items, state->waiters.count);
	for (size_t i = 0; i < state->listeners.count; i++)
		state->listeners.items[i].fn(scan, state->listeners.items[i].context);
}

struct dns_client *
dkim_key_client(struct scan *scan)
{
	double timeout = dkim_settings_of(scan)->dkim_timeout;
	struct lookup_request template_ = {.at_once = true};

	if (timeout <= 0 || timeout > KEY_TIMEOUT_S)
		timeout = KEY_TIMEOUT_S;
	template_.timeout_s = template_.timeout_min_s = timeout;
	return scan_dns_client(scan, &template_);
}

/* Looks for signatures and asks for their keys, once. */
void
dkim_begin(struct scan *scan, struct dkim_state *state)
{
	struct dkim_request request = {
		.message = scan->message->pristine,
		.is_crlf = scan->message->is_crlf,
		.now_s = scan->now_s,
		.done = verified,
		.context = scan,
	};
	struct dkim_verifier *v;

	if (state->begun)
		return;
	state->begun = true;
	if (!scan_dns_available(scan)) {
		log_debug(scan->log, "dkim",
		          "signature verification disabled, DNS resolving not available");
		return;
	}
	request.client = dkim_key_client(scan);
	log_debug(scan->log, "dkim", "performing public key lookups and signature verification");
	v = dkim_verify(scan->arena, &request);
	if (v == NULL)
		log_warn(scan->log, "dkim", "no memory: signatures are not looked at");
	else if (v->is_done)
		verified(v, scan);
	else
		state->verifier = v;
}

static bool
is_waiting(const struct dkim_state *state)
{
	return state->verifier != NULL && !state->is_ready;
}

/* Runs the eval now, or when the signatures are checked. */
int
dkim_when_verified(struct scan *scan, const struct eval_call *call,
                   int (*run)(struct scan *scan, const struct eval_call *call))
{
	struct dkim_state *state = dkim_state_of(scan);

	if (state == NULL)
		return 0;
	dkim_begin(scan, state);
	if (!is_waiting(state))
		return run(scan, call);
	(void)vec_push(scan->arena, &state->waiters, (struct waiter){*call, run});
	return EVAL_PENDING;
}

/* ---- who signed ---- */

/* "*.domain" and ".domain": the domain and what is below it; else the domain itself. */
bool
dkim_covers(struct slice pattern, struct slice domain)
{
	struct slice suffix = slice_from(pattern, slice_starts(pattern, SLICE("*.")));

	if (!slice_starts(suffix, SLICE(".")))
		return slice_ieq(pattern, domain);
	return slice_iends(domain, suffix) || slice_ieq(domain, slice_from(suffix, 1));
}

static bool
is_acceptable(struct slice signer, const struct slice *domains, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (dkim_covers(domains[i], signer))
			return true;
	return count == 0;
}

static bool
is_signed_by(struct scan *scan, bool must_be_valid, bool must_be_author,
             const struct slice *domains, size_t count)
{
	const struct dkim_state *state = dkim_state_of(scan);
	const struct dkim_verifier *v = state->verifier;

	for (size_t i = 0; i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];
		struct slice signer = dkim_signer(scan->arena, s);

		if ((must_be_valid &&
		     (!dkim_is_good(s) || dkim_is_weak(dkim_settings_of(scan), s))) ||
		    signer.data == NULL || (must_be_author && find_author(state, signer) == NULL))
			continue;
		if (is_acceptable(signer, domains, count))
			return true;
	}
	return false;
}

static int
decide_signed(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = dkim_state_of(scan);

	return state->is_signed && (call->arg_count == 0 ||
	                            is_signed_by(scan, false, false, call->args, call->arg_count));
}

static int
decide_valid(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = dkim_state_of(scan);

	return state->is_valid && (call->arg_count == 0 ||
	                           is_signed_by(scan, true, false, call->args, call->arg_count));
}

static int
decide_valid_author(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = dkim_state_of(scan);
	bool any = false;

	for (size_t i = 0; i < state->authors.count; i++)
		any |= state->authors.items[i]->has_valid;
	return any && is_signed_by(scan, true, true, call->args, call->arg_count);
}

static int
decide_valid_envelope(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = dkim_state_of(scan);
	struct slice address = scan_header(scan, SLICE("EnvelopeFrom:addr"));
	size_t at = slice_find_byte(address, '@', 0), end = 0;
	struct slice domain = slice_from(address, at == SLICE_NPOS ? address.len : at + 1);

	(void)call;
	while (end < domain.len && !byte_is_space(domain.data[end]))
		end++;
	domain.len = end;
	return end > 0 && state->is_valid && is_signed_by(scan, true, false, &domain, 1);
}

static int
decide_dependable(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return dkim_state_of(scan)->is_dependable;
}

static int
decide_arc_signed(struct scan *scan, const struct eval_call *call)
{
	return dkim_state_of(scan)->arc_signed && call->arg_count == 0;
}

static int
decide_arc_valid(struct scan *scan, const struct eval_call *call)
{
	return dkim_state_of(scan)->arc_valid && call->arg_count == 0;
}

#define DEFERRED(name, decide)                                                                     \
	static int name(struct scan *scan, const struct eval_call *call)                           \
	{                                                                                          \
		return dkim_when_verified(scan, call, decide);                                     \
	}
DEFERRED(check_dkim_signed, decide_signed)
DEFERRED(check_dkim_valid, decide_valid)
DEFERRED(check_dkim_valid_author_sig, decide_valid_author)
DEFERRED(check_dkim_valid_envelopefrom, decide_valid_envelope)
DEFERRED(check_dkim_dependable, decide_dependable)
DEFERRED(check_arc_signed, decide_arc_signed)
DEFERRED(check_arc_valid, decide_arc_valid)

static int
check_never(struct scan *scan, const struct eval_call *call)
{
	(void)scan, (void)call;
	return 0;
}

/* ---- the plugin ---- */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_arc_signed", EVAL_FULL, check_arc_signed, NULL },
	{ "check_arc_valid", EVAL_FULL, check_arc_valid, NULL },
	{ "check_dkim_adsp", EVAL_HEADER, dkim_check_adsp, NULL },
	{ "check_dkim_dependable", EVAL_FULL, check_dkim_dependable, NULL },
	{ "check_dkim_signall", EVAL_ANY, dkim_check_signall, NULL },
	{ "check_dkim_signed", EVAL_FULL, check_dkim_signed, NULL },
	{ "check_dkim_signsome", EVAL_ANY, check_never, NULL },
	{ "check_dkim_testing", EVAL_HEADER, check_never, NULL },
	{ "check_dkim_valid", EVAL_FULL, check_dkim_valid, NULL },
	{ "check_dkim_valid_author_sig", EVAL_FULL, check_dkim_valid_author_sig, NULL },
	{ "check_dkim_valid_envelopefrom", EVAL_FULL, check_dkim_valid_envelopefrom, NULL },
	{ "check_dkim_verified", EVAL_ANY, check_dkim_valid, NULL },
	{ "check_for_def_dkim_welcomelist_from", EVAL_HEADER, dkim_check_def_welcomelist, NULL },
	{ "check_for_def_dkim_whitelist_from", EVAL_HEADER, dkim_check_def_welcomelist, NULL },
	{ "check_for_dkim_welcomelist_from", EVAL_HEADER, dkim_check_welcomelist, NULL },
	{ "check_for_dkim_whitelist_from", EVAL_HEADER, dkim_check_welcomelist, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static bool
is_own_eval(const struct rule *rule)
{
	return rule_is_eval(rule->kind) && rule->eval.eval >= evals &&
	       rule->eval.eval < evals + sizeof(evals) / sizeof(evals[0]) &&
	       rule->eval.eval->run != check_never &&
	       rule->eval.eval->run != dkim_check_welcomelist &&
	       rule->eval.eval->run != dkim_check_def_welcomelist;
}

/* Rules that are to know of every message's signatures. */
static void
finish_end(struct conf_reader *reader, void *data)
{
	struct dkim_settings *settings = data;
	const struct ruleset *rules = conf_rules(reader->conf);
	const struct rule **own;

	own = arena_new_array(reader->arena, const struct rule *, rules->count + 1);
	if (own == NULL)
		return;
	settings->rules = own;
	settings->rule_count = 0;
	for (size_t i = 0; i < rules->count; i++)
		if (is_own_eval(rules->rules[i]))
			own[settings->rule_count++] = rules->rules[i];
}

static bool
is_wanted(const struct scan *scan)
{
	const struct dkim_settings *settings = dkim_settings_of(scan);

	for (size_t i = 0; i < settings->rule_count; i++)
		if (scan_rule_score(scan, scan->rules->rules[settings->rules[i]->number]) != 0)
			return true;
	return false;
}

/* Keys leave with all the other questions. */
static void
launch(struct scan *scan)
{
	struct dkim_state *state = dkim_state_of(scan);

	if (state != NULL && is_wanted(scan))
		dkim_begin(scan, state);
}

const struct dkim_verifier *
scan_dkim_verifier(struct scan *scan)
{
	const struct dkim_state *state =
		plugin_settings(scan->conf, &plugin_dkim) == NULL ? NULL : dkim_state_of(scan);

	return state == NULL ? NULL : state->verifier;
}

bool
scan_dkim_when_done(struct scan *scan, void (*fn)(struct scan *scan, void *context), void *context)
{
	const struct dkim_verifier *verifier = scan_dkim_verifier(scan);

	return verifier != NULL && !dkim_state_of(scan)->is_ready &&
	       vec_push(scan->arena, &dkim_state_of(scan)->listeners,
	                (struct listener){fn, context}) != NULL;
}

static const char *const features[] = {
	"has_arc",
	NULL,
};

static const char *const tags[] = {"DKIMIDENTITY", "DKIMDOMAIN", "DKIMSELECTOR", NULL};

static bool
has_waiter(const struct waiter *waiters, size_t count, const struct rule *rule)
{
	for (size_t i = 0; i < count; i++)
		if (waiters[i].call.rule->number == rule->number)
			return true;
	return false;
}

static bool
is_pending(const struct scan *scan, const struct rule *rule)
{
	const struct dkim_state *s = scan->plugin_state[PLUGIN_ID_dkim];

	return s != NULL &&
	       ((!s->is_ready && has_waiter(s->waiters.items, s->waiters.count, rule)) ||
	        (!s->practices_ready &&
	         has_waiter(s->practice_waiters.items, s->practice_waiters.count, rule)));
}

const struct plugin plugin_dkim = {
	.id = PLUGIN_ID_dkim,
	.class_name = "Mail::SpamAssassin::Plugin::DKIM",
	.module =
		{
			.name = "dkim",
			.settings_size = sizeof(struct dkim_settings),
			.directives = dkim_directives,
			.directive_count = DKIM_DIRECTIVES,
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.state_size = sizeof(struct dkim_state),
	.needs_network = true,
	.is_pending = is_pending,
	.finish_end = finish_end,
	.launch = launch,
};
