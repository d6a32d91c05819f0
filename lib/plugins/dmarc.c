/*
 * dmarc.c - Mail::SpamAssassin::Plugin::DMARC: DMARC policies
 *
 * Data: From -> auth/dmarc.h (asks while rules run); SPF and DKIM results of their plugins (auth.h)
 * -> verdict when all answers are in (harvested hook) -> hits of the rules that asked.
 */

#include "auth/arc.h"
#include "auth/dmarc.h"
#include "plugins/auth.h"
#include "plugins/lookup.h"

struct dmarc_settings {
	bool dmarc_save_reports;
	struct public_suffixes *suffixes; /* NULL: none were found */
};

/* The list of the system first, as Debian's Mail::DMARC does. */
static const char *const suffix_paths[] = {
	"/usr/share/publicsuffix/public_suffix_list.dat",
	PKGDATADIR "/public_suffix_list.dat",
	NULL,
};

/* ---- configuration ---- */

static enum conf_result
parse_save_reports(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct dmarc_settings *settings = data;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (conf_parse_bool(value, &settings->dmarc_save_reports) != CONF_OK)
		return CONF_INVALID;
	if (settings->dmarc_save_reports)
		log_warn(reader->log, "dmarc",
		         "dmarc_save_reports: reports are not stored, a milter such as OpenDMARC "
		         "can do it");
	return CONF_OK;
}

#define AT(field) offsetof(struct dmarc_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "dmarc_save_reports", NULL, CONF_CUSTOM, CONF_ADMIN, AT(dmarc_save_reports), "0", parse_save_reports },
};
/* clang-format on */

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct dmarc_settings *settings = data;
	struct error error = {""};

	if (reader->local_tests_only || settings->suffixes != NULL)
		return;
	if (public_suffixes_load(reader->arena, suffix_paths, &settings->suffixes, &error) !=
	    STATUS_OK)
		log_info(reader->log, "dmarc",
		         "no public suffix list in %s (install the package publicsuffix): DMARC "
		         "rules decide nothing",
		         suffix_paths[0]);
}

/* ---- one message ---- */

enum dmarc_wish { WISH_PASS, WISH_REJECT, WISH_QUARANTINE, WISH_NONE, WISH_MISSING };

struct waiting_rule {
	const struct rule *rule;
	enum dmarc_wish wish;
	struct waiting_rule *next;
};

struct dmarc_state {
	bool is_begun, is_decided;
	struct dmarc *search; /* NULL: there is nothing to look for */
	struct slice mfrom_domain;
	struct waiting_rule *waiting;
	bool has_result;
	bool has_policy;
	struct dmarc_outcome outcome;
};

/* Net::DNS waits so long. */
enum { TIMEOUT_S = 5 };

/* The first value, data NULL: undefined. */
static struct slice
first_value(struct scan *scan, struct slice name)
{
	slice_vec values = scan_header_values(scan, name);

	return values.count == 0 ? SLICE_NULL : values.items[0];
}

/* What is looked for; the questions leave. */
static void
begin(struct scan *scan, struct dmarc_state *state)
{
	const struct dmarc_settings *settings = plugin_settings(scan->conf, &plugin_dmarc);
	const struct lookup_request template_ = {
		.timeout_s = TIMEOUT_S, .timeout_min_s = TIMEOUT_S, .at_once = true};
	struct dns_client *client;
	struct slice from;

	state->is_begun = true;
	if (settings->suffixes == NULL || !scan_dns_available(scan))
		return;
	if (scan->relays.external.count == 0) {
		log_debug(scan->log, "DMARC", "no external relay found, skipping DMARC check");
		return;
	}
	from = first_value(scan, SLICE("From:first:addr"));
	if (from.data == NULL || !slice_has_byte(from, '@'))
		return;
	state->mfrom_domain = first_value(scan, SLICE("EnvelopeFrom:first:addr:host"));
	if (state->mfrom_domain.data == NULL) {
		state->mfrom_domain = first_value(scan, SLICE("From:first:addr:domain"));
		if (state->mfrom_domain.data == NULL)
			return;
		log_debug(scan->log, "DMARC", "EnvelopeFrom header not found, using From");
	}
	client = scan_dns_client(scan, &template_);
	if (client != NULL)
		state->search = dmarc_start(scan->arena, client, settings->suffixes, from);
	if (state->search == NULL)
		log_debug(scan->log, "DMARC", "no domain to look for in %.*s",
		          SLICE_FMT(log_quote(scan->arena, from, 300)));
}

static bool
has_passed(struct scan *scan, enum spf_identity identity)
{
	const struct spf_facts *facts = scan_spf_facts(scan, identity);

	return facts != NULL && facts->has_result && facts->result == AUTH_PASS;
}

/* The message's own bytes decide whether pct= samples it: the same message, the same verdict. */
static unsigned
sample(struct scan *scan)
{
	return hash_bytes(scan_header(scan, SLICE("ALL"))) % 100;
}

static bool
add_domain(struct arena *arena, slice_vec *domains, struct slice domain)
{
	return vec_push(arena, domains, domain) != NULL;
}

/* Domains of signatures that pass. */
static void
add_signers(struct scan *scan, const struct dkim_verifier *verifier, slice_vec *domains)
{
	for (size_t i = 0; i < verifier->signatures.count; i++) {
		const struct dkim_signature *signature = &verifier->signatures.items[i];

		if (signature->kind != DKIM_SIGNATURE || signature->domain.data == NULL)
			continue;
		log_debug(scan->log, "DMARC", "DKIM result for domain %.*s: %s",
		          SLICE_FMT(log_quote(scan->arena, signature->domain, 300)),
		          dkim_result_name(signature->result));
		if (signature->result == DKIM_PASS)
			(void)add_domain(scan->arena, domains, signature->domain);
	}
}

/* Is the domain one of those in From? */
static bool
is_author_domain(struct scan *scan, struct slice domain)
{
	slice_vec authors = scan_header_values(scan, SLICE("From:addr"));

	for (size_t i = 0; i < authors.count; i++) {
		struct slice author = slice_rtrim(authors.items[i]);
		size_t at = slice_rfind_byte(author, '@');

		if (at != SLICE_NPOS &&
		    slice_eq(arena_dup_lower(scan->arena, slice_from(author, at + 1)), domain))
			return true;
	}
	return false;
}

/*
 * A failure is looked at again with what the first seal of an ARC chain says, which stands for the
 * envelope's domain.  false: the reference dies of it.
 */
static bool
add_seal(struct scan *scan, const struct dmarc_state *state, const struct dkim_verifier *verifier,
         slice_vec *domains)
{
	const struct dkim_signature *first = NULL;

	for (size_t i = 0; i < verifier->arc_signatures.count; i++) {
		const struct dkim_signature *seal = &verifier->arc_signatures.items[i];

		if (seal->kind == DKIM_ARC_SEAL && seal->domain.data != NULL &&
		    seal->instance != 0 && (first == NULL || seal->instance < first->instance))
			first = seal;
	}
	if (first == NULL || !is_author_domain(scan, state->mfrom_domain))
		return true;
	if (first->result == DKIM_UNDEFINED)
		return false;
	if (first->result == DKIM_PASS)
		(void)add_domain(scan->arena, domains, state->mfrom_domain);
	return true;
}

static void
set_tags(struct scan *scan, const struct dmarc_state *state)
{
	const struct dmarc_outcome *outcome = &state->outcome;
	enum auth_result rfc = outcome->result;

	if (outcome->has_many || outcome->is_unpublished)
		rfc = AUTH_PERMERROR;
	else if (rfc == AUTH_NONE && outcome->is_temporary)
		rfc = AUTH_TEMPERROR;
	scan_set_tag(scan, SLICE("DMARC"), slice_from_cstr(auth_result_name(rfc)));
	scan_set_tag(scan, SLICE("DMARCPOLICY"),
	             outcome->result == AUTH_PASS   ? outcome->published
	             : outcome->result == AUTH_FAIL ? outcome->disposition
	                                            : SLICE(""));
	scan_set_tag(scan, SLICE("DMARCDNSSEC"),
	             outcome->is_authenticated ? SLICE("secure") : SLICE("insecure"));
	log_debug(scan->log, "DMARC", "result: %s, disposition: %.*s, dkim: %s, spf: %s, policy %s",
	          auth_result_name(rfc), SLICE_FMT(outcome->disposition),
	          outcome->is_dkim_aligned ? "pass" : "fail",
	          outcome->is_spf_aligned ? "pass" : "fail",
	          outcome->is_authenticated ? "secure" : "insecure");
}

static void
decide(struct scan *scan, struct dmarc_state *state)
{
	const struct dkim_verifier *verifier = scan_dkim_verifier(scan);
	struct dmarc_input input = {.sample = sample(scan)};
	slice_vec domains = {0};
	bool has_arc = verifier != NULL && verifier->arc != NULL && verifier->arc->result != NULL;

	if (has_passed(scan, SPF_IDENTITY_MFROM))
		input.spf_domain = state->mfrom_domain;
	else if (has_passed(scan, SPF_IDENTITY_HELO))
		input.spf_domain = scan->relays.external.items[0]->lc_helo;
	if (verifier != NULL)
		add_signers(scan, verifier, &domains);
	for (unsigned round = 0; round < 2; round++) {
		input.dkim_domains = domains.items;
		input.dkim_count = domains.count;
		if (dmarc_evaluate(state->search, &input, &state->outcome) != STATUS_OK)
			return;
		if (state->outcome.result == AUTH_PASS || !has_arc || round > 0)
			break;
		if (!add_seal(scan, state, verifier, &domains))
			return;
	}
	state->has_result = true;
	/* That there were several records is forgotten where an ARC chain was looked at. */
	state->has_policy =
		state->outcome.result != AUTH_NONE && (!state->outcome.has_many || has_arc);
	set_tags(scan, state);
}

static bool
is_granted(const struct dmarc_state *state, enum dmarc_wish wish)
{
	bool has_failed = state->outcome.result == AUTH_FAIL && state->has_policy;
	struct slice disposition = state->outcome.disposition;

	if (!state->has_result)
		return false;
	switch (wish) {
	case WISH_PASS:
		return state->outcome.result == AUTH_PASS;
	case WISH_REJECT:
		return has_failed && slice_eq(disposition, SLICE("reject"));
	case WISH_QUARANTINE:
		return has_failed && slice_eq(disposition, SLICE("quarantine"));
	case WISH_NONE:
		return has_failed && slice_eq(disposition, SLICE("none"));
	case WISH_MISSING:
		return !state->has_policy;
	}
	return false;
}

static void
harvested(struct scan *scan)
{
	struct dmarc_state *state = scan->plugin_state[PLUGIN_ID_dmarc];

	if (state == NULL || state->is_decided)
		return;
	state->is_decided = true;
	if (state->search != NULL && dmarc_is_ready(state->search))
		decide(scan, state);
	for (struct waiting_rule *w = state->waiting; w != NULL; w = w->next)
		if (is_granted(state, w->wish))
			scan_hit(scan, w->rule, "", 1);
}

/* ---- evals ---- */

static int
check(struct scan *scan, const struct eval_call *call, enum dmarc_wish wish)
{
	struct dmarc_state *state = scan_state(scan, &plugin_dmarc);
	struct waiting_rule *waiting;

	if (state == NULL)
		return 0;
	if (!state->is_begun)
		begin(scan, state);
	if (state->is_decided)
		return is_granted(state, wish);
	waiting = arena_new(scan->arena, struct waiting_rule);
	if (waiting == NULL)
		return 0;
	*waiting = (struct waiting_rule){call->rule, wish, state->waiting};
	state->waiting = waiting;
	return EVAL_PENDING;
}

#define WISH_EVAL(name, wish)                                                                      \
	static int name(struct scan *scan, const struct eval_call *call)                           \
	{                                                                                          \
		return check(scan, call, wish);                                                    \
	}

WISH_EVAL(check_pass, WISH_PASS)
WISH_EVAL(check_reject, WISH_REJECT)
WISH_EVAL(check_quarantine, WISH_QUARANTINE)
WISH_EVAL(check_none, WISH_NONE)
WISH_EVAL(check_missing, WISH_MISSING)

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_dmarc_missing", EVAL_HEADER, check_missing, NULL },
	{ "check_dmarc_none", EVAL_HEADER, check_none, NULL },
	{ "check_dmarc_pass", EVAL_HEADER, check_pass, NULL },
	{ "check_dmarc_quarantine", EVAL_HEADER, check_quarantine, NULL },
	{ "check_dmarc_reject", EVAL_HEADER, check_reject, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"DMARC", "DMARCDNSSEC", "DMARCPOLICY", NULL};

const struct plugin plugin_dmarc = {
	.id = PLUGIN_ID_dmarc,
	.class_name = "Mail::SpamAssassin::Plugin::DMARC",
	.module =
		{
			.name = "dmarc",
			.settings_size = sizeof(struct dmarc_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.tags = tags,
	.state_size = sizeof(struct dmarc_state),
	.needs_network = true,
	.finish_end = finish_end,
	.harvested = harvested,
};
