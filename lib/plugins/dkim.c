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
#include "auth/arc.h"

#include "conf/addrlist.h"
#include "mail/registry.h"
#include "plugins/args.h"
#include "plugins/auth.h"
#include "plugins/lookup.h"
#include "plugins/pending.h"

enum {
	KEY_TIMEOUT_S = 3, /* as the reference's resolver waits for an answer in line */
	AUTHORS_MAX = 100  /* domains whose practices are asked for */
};

/* Signers that an entry of welcomelist_from_dkim names. */
struct signer {
	struct slice domain; /* lower case; "": the author's own */
	const struct signer *next;
};

struct dkim_settings {
	struct conf_table adsp_override;
	struct addrlist def_welcomelist_from_dkim;
	double dkim_minimum_key_bits;
	double dkim_timeout;
	struct addrlist welcomelist_from_dkim;
	const struct rule *const *rules; /* that call one of the evals */
	size_t rule_count;
};

/* ---- configuration ---- */

static bool
has_signer(const struct signer *signer, struct slice domain)
{
	for (; signer != NULL; signer = signer->next)
		if (slice_eq(signer->domain, domain))
			return true;
	return false;
}

/* ADDRGLOB [SDID] */
static enum conf_result
parse_from_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                struct slice value)
{
	struct addrlist *list = (void *)((unsigned char *)data + d->offset);
	struct addrlist_entry *entry;
	struct signer *signer;
	struct slice glob, domain = SLICE("");

	if (value.len == 0)
		return CONF_MISSING;
	if (plugin_word_count(value) > 2 || !slice_next_word(&value, &glob))
		return CONF_INVALID;
	(void)slice_next_word(&value, &domain);
	entry = addrlist_add(list, reader->arena, glob);
	signer = arena_new(reader->arena, struct signer);
	domain = arena_dup_lower(reader->arena, domain);
	if (entry == NULL || signer == NULL || domain.data == NULL)
		return CONF_FAILED;
	if (has_signer(entry->data, domain))
		return CONF_OK;
	*signer = (struct signer){domain, entry->data};
	entry->data = signer;
	return CONF_OK;
}

/* Takes one signer off an entry; the entry goes with its last one. */
static bool
remove_signer(struct conf_reader *reader, struct addrlist *list, struct slice glob,
              struct slice domain)
{
	const struct signer *kept = NULL;
	struct addrlist_entry *entry;
	bool any = false;

	for (size_t i = 0; i < list->entries.count; i++)
		any |= slice_eq(list->entries.items[i]->glob, glob) &&
		       !list->entries.items[i]->removed;
	if (!any)
		return true;
	entry = addrlist_add(list, reader->arena, glob);
	if (entry == NULL)
		return false;
	for (const struct signer *s = entry->data; s != NULL; s = s->next) {
		struct signer *copy;

		if (slice_eq(s->domain, domain))
			continue;
		copy = arena_new(reader->arena, struct signer);
		if (copy == NULL)
			return false;
		*copy = (struct signer){s->domain, kept};
		kept = copy;
	}
	entry->data = (void *)(uintptr_t)kept;
	if (kept == NULL)
		(void)addrlist_remove(list, reader->arena, glob);
	return true;
}

static enum conf_result
parse_unwelcomelist_from_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                              struct slice value)
{
	struct dkim_settings *settings = data;
	struct slice glob, domain = SLICE("");

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (plugin_word_count(value) > 2 || !slice_next_word(&value, &glob))
		return CONF_INVALID;
	(void)slice_next_word(&value, &domain);
	glob = arena_dup_lower(reader->arena, glob);
	domain = arena_dup_lower(reader->arena, domain);
	return remove_signer(reader, &settings->welcomelist_from_dkim, glob, domain) &&
	                       remove_signer(reader, &settings->def_welcomelist_from_dkim, glob,
	                                     domain)
	               ? CONF_OK
	               : CONF_FAILED;
}

static bool
is_override_domain(struct slice domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (!byte_is_alnum(domain.data[i]) && strchr("*._-", domain.data[i]) == NULL)
			return false;
	return domain.len > 0;
}

/* [@]domain [what] */
static enum conf_result
parse_adsp_override(struct conf_reader *reader, void *data, const struct directive *d,
                    struct slice value)
{
	static const char *const words[] = {"nxdomain",   "unknown",    "all",        "discardable",
	                                    "custom_low", "custom_med", "custom_high"};
	struct dkim_settings *settings = data;
	struct slice rest, domain = conf_split(arena_dup_lower(reader->arena, value), &rest);
	bool known = rest.len == 0;

	(void)d;
	if (domain.len == 0)
		return CONF_MISSING;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		known |= slice_eq(rest, slice_from_cstr(words[i]));
	if (domain.data[0] == '@')
		domain = slice_from(domain, 1);
	if (!known || !is_override_domain(domain))
		return CONF_INVALID;
	return conf_table_set(reader, &settings->adsp_override, domain,
	                      rest.len == 0 ? SLICE("discardable") : rest)
	               ? CONF_OK
	               : CONF_FAILED;
}

#define AT(field) offsetof(struct dkim_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "adsp_override", NULL, CONF_CUSTOM, CONF_USER, AT(adsp_override), NULL, parse_adsp_override },
	{ "def_welcomelist_from_dkim", "def_whitelist_from_dkim", CONF_CUSTOM, CONF_USER, AT(def_welcomelist_from_dkim), NULL, parse_from_dkim },
	{ "dkim_minimum_key_bits", NULL, CONF_NUMERIC, CONF_USER, AT(dkim_minimum_key_bits), "1024", NULL },
	{ "dkim_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(dkim_timeout), "5", NULL },
	{ "unwelcomelist_from_dkim", "unwhitelist_from_dkim", CONF_CUSTOM, CONF_USER, 0, NULL, parse_unwelcomelist_from_dkim },
	{ "welcomelist_from_dkim", "whitelist_from_dkim", CONF_CUSTOM, CONF_USER, AT(welcomelist_from_dkim), NULL, parse_from_dkim },
};
/* clang-format on */

/* ---- state of a message ---- */

struct author {
	struct slice domain; /* lower case */
	bool has_any, has_valid, has_tempfailed;
	/* practices: N U A D 1 2 3; 0: unknown to us */
	char practice;
	bool asked, policy_came, mx_came, no_such_domain;
	struct slice policy; /* the ADSP record; data NULL: none */
	struct scan *scan;
};

struct waiter {
	struct eval_call call;
	int (*run)(struct scan *scan, const struct eval_call *call);
};

struct listener {
	void (*fn)(struct scan *scan, void *context);
	void *context;
};

enum welcome_list { LIST_DEF_DKIM, LIST_DEF_AUTH, LIST_DKIM, LIST_AUTH, LIST_COUNT };

/* Who may sign for an author, by which list. */
struct acceptable {
	struct slice author_domain;
	struct slice signer; /* "": the author's own domain */
	enum welcome_list list;
};

struct dkim_state {
	bool begun, is_ready, is_dependable;
	struct dkim_verifier *verifier;
	bool is_signed, is_valid, arc_signed, arc_valid;

	bool has_authors;
	slice_vec addresses;
	VEC(struct author *) authors; /* distinct domains */

	bool practices_begun, practices_ready;
	size_t practices_open;

	bool welcome_checked;
	VEC(struct acceptable) acceptable;
	bool welcomes[LIST_COUNT];

	VEC(struct waiter) waiters, practice_waiters;
	VEC(struct listener) listeners;
};

static struct dkim_state *
state_of(struct scan *scan)
{
	return scan_state(scan, &plugin_dkim);
}

static const struct dkim_settings *
settings_of(const struct scan *scan)
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

static void
find_authors(struct scan *scan, struct dkim_state *state)
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

static bool
is_valid(const struct dkim_signature *s)
{
	return s->result == DKIM_PASS && !s->is_expired;
}

/* Ed25519 keys are short and strong. */
static bool
is_weak(const struct dkim_settings *settings, const struct dkim_signature *s)
{
	return settings->dkim_minimum_key_bits != 0 && !s->is_ed25519 && s->key_bits > 0 &&
	       (double)s->key_bits < settings->dkim_minimum_key_bits;
}

/* No minimum: the reference never learns the size, and no signature counts as the author's. */
static bool
is_strong(const struct dkim_settings *settings, const struct dkim_signature *s)
{
	return settings->dkim_minimum_key_bits != 0 && s->key_bits > 0 && !is_weak(settings, s);
}

static void
note_author(struct scan *scan, struct dkim_state *state, const struct dkim_signature *s)
{
	struct author *author = find_author(state, dkim_signer(scan->arena, s));

	if (author == NULL)
		return;
	author->has_any = true;
	if (is_valid(s) && is_strong(settings_of(scan), s))
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
	          is_valid(s) ? "VALID" : "FAILED", s->is_expired ? " EXPIRED" : "",
	          is_weak(settings_of(scan), s) ? " WEAK" : "", type,
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

		if (is_valid(s) && s->selector.len > 0 && text.len > 0 && !has_value(&values, text))
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
		state->is_valid |= is_valid(s);
		note_author(scan, state, s);
		if (log_wants(scan->log, LOG_LEVEL_DEBUG, "dkim"))
			log_signature(scan, state, s, s->kind == DKIM_DOMAINKEY ? "DK" : "DKIM");
	}
	for (size_t i = 0; i < v->arc_signatures.count; i++) {
		const struct dkim_signature *s = &v->arc_signatures.items[i];

		state->arc_signed = true;
		state->arc_valid |= s->selector.len > 0 && is_valid(s);
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

static void
run_waiters(struct scan *scan, const struct waiter *waiters, size_t count)
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
	struct dkim_state *state = state_of(scan);

	state->verifier = v;
	state->is_ready = true;
	state->is_dependable = v->signatures.count == 0 || !is_truncated(scan);
	find_authors(scan, state);
	take_signatures(scan, state);
	run_waiters(scan, state->waiters.items, state->waiters.count);
	for (size_t i = 0; i < state->listeners.count; i++)
		state->listeners.items[i].fn(scan, state->listeners.items[i].context);
}

static struct dns_client *
key_client(struct scan *scan)
{
	double timeout = settings_of(scan)->dkim_timeout;
	struct lookup_request template_ = {.at_once = true};

	if (timeout <= 0 || timeout > KEY_TIMEOUT_S)
		timeout = KEY_TIMEOUT_S;
	template_.timeout_s = template_.timeout_min_s = timeout;
	return scan_dns_client(scan, &template_);
}

/* Looks for signatures and asks for their keys, once. */
static void
begin(struct scan *scan, struct dkim_state *state)
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
	request.client = key_client(scan);
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
static int
when_verified(struct scan *scan, const struct eval_call *call,
              int (*run)(struct scan *scan, const struct eval_call *call))
{
	struct dkim_state *state = state_of(scan);

	if (state == NULL)
		return 0;
	begin(scan, state);
	if (!is_waiting(state))
		return run(scan, call);
	(void)vec_push(scan->arena, &state->waiters, (struct waiter){*call, run});
	return EVAL_PENDING;
}

/* ---- who signed ---- */

/* "*.domain" and ".domain": the domain and what is below it; else the domain itself. */
static bool
covers(struct slice pattern, struct slice domain)
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
		if (covers(domains[i], signer))
			return true;
	return count == 0;
}

static bool
is_signed_by(struct scan *scan, bool must_be_valid, bool must_be_author,
             const struct slice *domains, size_t count)
{
	const struct dkim_state *state = state_of(scan);
	const struct dkim_verifier *v = state->verifier;

	for (size_t i = 0; i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];
		struct slice signer = dkim_signer(scan->arena, s);

		if ((must_be_valid && (!is_valid(s) || is_weak(settings_of(scan), s))) ||
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
	const struct dkim_state *state = state_of(scan);

	return state->is_signed && (call->arg_count == 0 ||
	                            is_signed_by(scan, false, false, call->args, call->arg_count));
}

static int
decide_valid(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = state_of(scan);

	return state->is_valid && (call->arg_count == 0 ||
	                           is_signed_by(scan, true, false, call->args, call->arg_count));
}

static int
decide_valid_author(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = state_of(scan);
	bool any = false;

	for (size_t i = 0; i < state->authors.count; i++)
		any |= state->authors.items[i]->has_valid;
	return any && is_signed_by(scan, true, true, call->args, call->arg_count);
}

static int
decide_valid_envelope(struct scan *scan, const struct eval_call *call)
{
	const struct dkim_state *state = state_of(scan);
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
	return state_of(scan)->is_dependable;
}

static int
decide_arc_signed(struct scan *scan, const struct eval_call *call)
{
	return state_of(scan)->arc_signed && call->arg_count == 0;
}

static int
decide_arc_valid(struct scan *scan, const struct eval_call *call)
{
	return state_of(scan)->arc_valid && call->arg_count == 0;
}

#define DEFERRED(name, decide)                                                                     \
	static int name(struct scan *scan, const struct eval_call *call)                           \
	{                                                                                          \
		return when_verified(scan, call, decide);                                          \
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

/* ---- signing practices ---- */

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
		char override = overridden(settings_of(scan), scan->arena, author->domain);

		if (is_spared(state, author))
			continue;
		author->practice = override != 0 ? override : published(author);
		log_debug(scan->log, "dkim", "adsp result: %c, author domain '%.*s'",
		          author->practice, SLICE_FMT(log_quote(scan->arena, author->domain, 300)));
	}
	run_waiters(scan, state->practice_waiters.items, state->practice_waiters.count);
}

static void
practice_came(struct scan *scan)
{
	struct dkim_state *state = state_of(scan);

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
	    overridden(settings_of(scan), scan->arena, author->domain) != 0)
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
	struct dns_client *client = key_client(scan);

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
	ask_practices(scan, state_of(scan));
}

static void
begin_practices(struct scan *scan, struct dkim_state *state)
{
	if (state->practices_begun)
		return;
	state->practices_begun = true;
	find_authors(scan, state);
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
			if (covers(domains[i], state->authors.items[k]->domain))
				return true;
	return count == 0;
}

static int
decide_practice(struct scan *scan, const struct eval_call *call, struct slice wanted)
{
	const struct dkim_state *state = state_of(scan);
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
	struct dkim_state *state = state_of(scan);

	if (state == NULL)
		return 0;
	begin(scan, state);
	if (state->verifier == NULL)
		return 0;
	begin_practices(scan, state);
	if (state->practices_ready)
		return run(scan, call);
	(void)vec_push(scan->arena, &state->practice_waiters, (struct waiter){*call, run});
	return EVAL_PENDING;
}

static int
check_dkim_adsp(struct scan *scan, const struct eval_call *call)
{
	return when_practices_known(scan, call, decide_adsp);
}

static int
check_dkim_signall(struct scan *scan, const struct eval_call *call)
{
	return when_practices_known(scan, call, decide_signall);
}

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

/* ---- welcome lists ---- */

struct gathering {
	struct scan *scan;
	struct dkim_state *state;
	struct slice author_domain;
	enum welcome_list list;
};

static bool
gather(void *data, const struct addrlist_entry *entry)
{
	struct gathering *g = data;
	struct acceptable a = {.author_domain = g->author_domain, .list = g->list};

	if (g->list == LIST_AUTH || g->list == LIST_DEF_AUTH) {
		a.signer = SLICE("");
		(void)vec_push(g->scan->arena, &g->state->acceptable, a);
		return false;
	}
	for (const struct signer *s = entry->data; s != NULL; s = s->next) {
		a.signer = s->domain;
		(void)vec_push(g->scan->arena, &g->state->acceptable, a);
	}
	return false;
}

/* Entries of all lists that name an author. */
static void
gather_acceptable(struct scan *scan, struct dkim_state *state)
{
	const struct dkim_settings *settings = settings_of(scan);
	const struct addrlist *lists[LIST_COUNT] = {
		[LIST_DEF_DKIM] = &settings->def_welcomelist_from_dkim,
		[LIST_DEF_AUTH] = &scan->core->def_welcomelist_auth,
		[LIST_DKIM] = &settings->welcomelist_from_dkim,
		[LIST_AUTH] = &scan->core->welcomelist_auth,
	};

	for (unsigned list = 0; list < LIST_COUNT; list++)
		for (size_t i = 0; i < state->addresses.count; i++) {
			struct slice author =
				arena_dup_lower(scan->arena, state->addresses.items[i]);
			size_t at = slice_rfind_byte(author, '@');
			struct gathering g = {
				.scan = scan,
				.state = state,
				.author_domain =
					slice_from(author, at == SLICE_NPOS ? author.len : at + 1),
				.list = (enum welcome_list)list,
			};

			if (!addrlist_is_empty(lists[list]))
				(void)addrlist_each_match(lists[list], author, gather, &g);
		}
}

static bool
may_sign(const struct acceptable *a, struct slice signer)
{
	struct slice wanted = a->signer;
	size_t at = slice_rfind_byte(wanted, '@');

	if (wanted.len == 0)
		return slice_eq(signer, a->author_domain);
	if (at != SLICE_NPOS)
		wanted = slice_from(wanted, at + 1);
	if (slice_starts(wanted, SLICE("*.")))
		wanted = slice_from(wanted, 1);
	if (slice_starts(wanted, SLICE(".")))
		return slice_iends(signer, wanted);
	return slice_ieq(signer, wanted);
}

static void
match_acceptable(struct scan *scan, struct dkim_state *state)
{
	const struct dkim_verifier *v = state->verifier;

	for (size_t i = 0; i < v->signatures.count; i++) {
		const struct dkim_signature *s = &v->signatures.items[i];
		struct slice signer = dkim_signer(scan->arena, s);

		if (s->selector.len == 0 || signer.data == NULL || !is_valid(s) ||
		    is_weak(settings_of(scan), s))
			continue;
		for (size_t k = 0; k < state->acceptable.count; k++)
			if (may_sign(&state->acceptable.items[k], signer))
				state->welcomes[state->acceptable.items[k].list] = true;
	}
}

static int
decide_welcome(struct scan *scan, enum welcome_list first, enum welcome_list second)
{
	struct dkim_state *state = state_of(scan);

	if (!state->welcome_checked) {
		state->welcome_checked = true;
		if (state->is_valid)
			match_acceptable(scan, state);
	}
	return state->welcomes[first] || state->welcomes[second];
}

static int
decide_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return decide_welcome(scan, LIST_DKIM, LIST_AUTH);
}

static int
decide_def_welcomelist(struct scan *scan, const struct eval_call *call)
{
	(void)call;
	return decide_welcome(scan, LIST_DEF_DKIM, LIST_DEF_AUTH);
}

/* No entry names an author: signatures need not be looked at. */
static int
when_welcome_known(struct scan *scan, const struct eval_call *call,
                   int (*run)(struct scan *scan, const struct eval_call *call))
{
	struct dkim_state *state = state_of(scan);

	if (state == NULL)
		return 0;
	find_authors(scan, state);
	if (state->acceptable.size == 0) {
		gather_acceptable(scan, state);
		if (state->acceptable.count == 0)
			return 0;
	}
	return when_verified(scan, call, run);
}

static int
check_for_dkim_welcomelist_from(struct scan *scan, const struct eval_call *call)
{
	return when_welcome_known(scan, call, decide_welcomelist);
}

static int
check_for_def_dkim_welcomelist_from(struct scan *scan, const struct eval_call *call)
{
	return when_welcome_known(scan, call, decide_def_welcomelist);
}

/* ---- the plugin ---- */

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_arc_signed", EVAL_FULL, check_arc_signed, NULL },
	{ "check_arc_valid", EVAL_FULL, check_arc_valid, NULL },
	{ "check_dkim_adsp", EVAL_HEADER, check_dkim_adsp, NULL },
	{ "check_dkim_dependable", EVAL_FULL, check_dkim_dependable, NULL },
	{ "check_dkim_signall", EVAL_ANY, check_dkim_signall, NULL },
	{ "check_dkim_signed", EVAL_FULL, check_dkim_signed, NULL },
	{ "check_dkim_signsome", EVAL_ANY, check_never, NULL },
	{ "check_dkim_testing", EVAL_HEADER, check_never, NULL },
	{ "check_dkim_valid", EVAL_FULL, check_dkim_valid, NULL },
	{ "check_dkim_valid_author_sig", EVAL_FULL, check_dkim_valid_author_sig, NULL },
	{ "check_dkim_valid_envelopefrom", EVAL_FULL, check_dkim_valid_envelopefrom, NULL },
	{ "check_dkim_verified", EVAL_ANY, check_dkim_valid, NULL },
	{ "check_for_def_dkim_welcomelist_from", EVAL_HEADER, check_for_def_dkim_welcomelist_from, NULL },
	{ "check_for_def_dkim_whitelist_from", EVAL_HEADER, check_for_def_dkim_welcomelist_from, NULL },
	{ "check_for_dkim_welcomelist_from", EVAL_HEADER, check_for_dkim_welcomelist_from, NULL },
	{ "check_for_dkim_whitelist_from", EVAL_HEADER, check_for_dkim_welcomelist_from, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static bool
is_own_eval(const struct rule *rule)
{
	return rule_is_eval(rule->kind) && rule->eval.eval >= evals &&
	       rule->eval.eval < evals + sizeof(evals) / sizeof(evals[0]) &&
	       rule->eval.eval->run != check_never &&
	       rule->eval.eval->run != check_for_dkim_welcomelist_from &&
	       rule->eval.eval->run != check_for_def_dkim_welcomelist_from;
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
	const struct dkim_settings *settings = settings_of(scan);

	for (size_t i = 0; i < settings->rule_count; i++)
		if (scan_rule_score(scan, scan->rules->rules[settings->rules[i]->number]) != 0)
			return true;
	return false;
}

/* Keys leave with all the other questions. */
static void
launch(struct scan *scan)
{
	struct dkim_state *state = state_of(scan);

	if (state != NULL && is_wanted(scan))
		begin(scan, state);
}

const struct dkim_verifier *
scan_dkim_verifier(struct scan *scan)
{
	const struct dkim_state *state =
		plugin_settings(scan->conf, &plugin_dkim) == NULL ? NULL : state_of(scan);

	return state == NULL ? NULL : state->verifier;
}

bool
scan_dkim_when_done(struct scan *scan, void (*fn)(struct scan *scan, void *context), void *context)
{
	const struct dkim_verifier *verifier = scan_dkim_verifier(scan);

	return verifier != NULL && !state_of(scan)->is_ready &&
	       vec_push(scan->arena, &state_of(scan)->listeners, (struct listener){fn, context}) !=
	               NULL;
}

static const char *const features[] = {
	"has_arc",
	NULL,
};

static const char *const tags[] = {"DKIMIDENTITY", "DKIMDOMAIN", "DKIMSELECTOR", NULL};

const struct plugin plugin_dkim = {
	.id = PLUGIN_ID_dkim,
	.class_name = "Mail::SpamAssassin::Plugin::DKIM",
	.module =
		{
			.name = "dkim",
			.settings_size = sizeof(struct dkim_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
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
