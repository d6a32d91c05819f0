/*
 * spf.c - Mail::SpamAssassin::Plugin::SPF: sender policy framework
 *
 * Data: the outermost relay and envelope sender -> auth/spf.h, or Received-SPF fields of internal
 * hosts -> facts (auth.h), hits.  The reference asks and waits inside the eval; here the eval is
 * pending and its rule hits when the answers are in.
 */

#include "auth/spf.h"
#include "conf/addrlist.h"
#include "plugins/auth.h"
#include "plugins/lookup.h"
#include "util/clock.h"

struct spf_settings {
	struct addrlist def_welcomelist_from_spf;
	bool do_not_use_mail_spf;
	bool do_not_use_mail_spf_query;
	bool ignore_received_spf_header;
	double spf_timeout;
	bool use_newest_received_spf_header;
	struct addrlist welcomelist_from_spf;
};

static enum conf_result
parse_unwelcomelist_from_spf(struct conf_reader *reader, void *data, const struct directive *d,
                             struct slice value)
{
	struct spf_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		(void)addrlist_remove(&settings->welcomelist_from_spf, reader->arena, word);
		(void)addrlist_remove(&settings->def_welcomelist_from_spf, reader->arena, word);
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct spf_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "def_welcomelist_from_spf", "def_whitelist_from_spf", CONF_ADDRLIST, CONF_USER, AT(def_welcomelist_from_spf), NULL, NULL },
	{ "do_not_use_mail_spf", NULL, CONF_BOOL, CONF_ADMIN, AT(do_not_use_mail_spf), "0", NULL },
	{ "do_not_use_mail_spf_query", NULL, CONF_BOOL, CONF_ADMIN, AT(do_not_use_mail_spf_query), "1", NULL },
	{ "ignore_received_spf_header", NULL, CONF_BOOL, CONF_ADMIN, AT(ignore_received_spf_header), "0", NULL },
	{ "spf_timeout", NULL, CONF_DURATION, CONF_ADMIN, AT(spf_timeout), "5", NULL },
	{ "unwelcomelist_from_spf", "unwhitelist_from_spf", CONF_CUSTOM, CONF_USER, 0, NULL, parse_unwelcomelist_from_spf },
	{ "use_newest_received_spf_header", NULL, CONF_BOOL, CONF_ADMIN, AT(use_newest_received_spf_header), "0", NULL },
	{ "welcomelist_from_spf", "whitelist_from_spf", CONF_ADDRLIST, CONF_USER, AT(welcomelist_from_spf), NULL, NULL },
};
/* clang-format on */

enum {
	QUESTION_MS = 3000 /* the resolver of the reference waits so long for each answer */
};

/* A rule that hits if the result is the one it wants. */
struct waiting_rule {
	const struct rule *rule;
	enum auth_result wanted;
	struct waiting_rule *next;
};

struct spf_check {
	struct scan *scan;
	struct spf_facts facts;
	enum spf_identity identity;
	struct slice comment; /* of a failure; data NULL: none */
	struct waiting_rule *waiting;
	struct spf_request request;
	struct dns_client client;
	struct spf *machine; /* NULL: none, or it has ended */
	int64_t deadline_ms;
	bool is_given_up;
};

struct spf_state {
	struct spf_check checks[SPF_IDENTITIES];
	bool is_prepared;    /* sender is known, headers were looked at */
	struct slice sender; /* lower case */
	bool has_sender;     /* it may be empty */
};

static const char *
identity_name(enum spf_identity identity)
{
	return identity == SPF_IDENTITY_HELO ? "helo" : "mfrom";
}

/* ---- results that internal hosts wrote ---- */

static bool
is_boundary(struct slice text, size_t at)
{
	bool before = at > 0 && byte_is_word(text.data[at - 1]);
	bool after = at < text.len && byte_is_word(text.data[at]);

	return before != after;
}

/* The result word that text begins with; false: none. */
static bool
take_result(struct slice *text, bool is_hardfail_known, enum auth_result *result_r)
{
	static const struct {
		struct slice word;
		enum auth_result result;
	} words[] = {
		{SLICE("pass"), AUTH_PASS},           {SLICE("neutral"), AUTH_NEUTRAL},
		{SLICE("softfail"), AUTH_SOFTFAIL},   {SLICE("fail"), AUTH_FAIL},
		{SLICE("temperror"), AUTH_TEMPERROR}, {SLICE("permerror"), AUTH_PERMERROR},
		{SLICE("none"), AUTH_NONE},           {SLICE("hardfail"), AUTH_FAIL},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) - !is_hardfail_known; i++)
		if (slice_istarts(*text, words[i].word)) {
			*result_r = words[i].result;
			*text = slice_from(*text, words[i].word.len);
			return true;
		}
	return false;
}

/* The last position of needle before end that begins a word, or SLICE_NPOS. */
static size_t
rfind_word(struct slice text, struct slice needle, size_t end)
{
	for (size_t i = end; i-- > 0;)
		if (i + needle.len <= text.len &&
		    slice_ieq(slice_sub(text, i, needle.len), needle) && is_boundary(text, i))
			return i;
	return SLICE_NPOS;
}

/* What stands behind the last "identity=", up to the end of a word; data NULL: nothing. */
static struct slice
find_identity(struct slice text)
{
	struct slice name = SLICE("identity=");
	size_t at = text.len;

	while ((at = rfind_word(text, name, at)) != SLICE_NPOS) {
		struct slice rest = slice_from(text, at + name.len);

		for (size_t len = 1; len <= rest.len && !byte_is_space(rest.data[len - 1]); len++)
			if ((len < rest.len && rest.data[len] == ';' &&
			     is_boundary(rest, len + 1)) ||
			    is_boundary(rest, len))
				return slice_sub(rest, 0, len);
	}
	return SLICE_NULL;
}

/* NAME of the first "smtp.NAME = value"; data NULL: none. */
static struct slice
find_property(struct slice text)
{
	struct slice name = SLICE("smtp.");

	for (size_t at = 0; (at = slice_ifind(text, name, at)) != SLICE_NPOS; at++) {
		struct slice rest = slice_from(text, at + name.len);
		size_t run = 0, equals;

		if (!is_boundary(text, at))
			continue;
		while (run < rest.len && !byte_is_space(rest.data[run]))
			run++;
		equals = run;
		while (equals < rest.len && byte_is_space(rest.data[equals]))
			equals++;
		if (run > 0 && equals + 1 < rest.len && rest.data[equals] == '=')
			return slice_sub(rest, 0, run);
		while (--run > 0 && run < rest.len)
			if (rest.data[run] == '=' && run + 1 < rest.len)
				return slice_sub(rest, 0, run);
	}
	return SLICE_NULL;
}

/* Which check an identity's name means; false: none that we make. */
static bool
find_check(struct scan *scan, struct slice name, enum spf_identity *identity_r)
{
	if (name.data == NULL || slice_ieq(name, SLICE("mfrom")) ||
	    slice_ieq(name, SLICE("mailfrom"))) {
		*identity_r = SPF_IDENTITY_MFROM;
		return true;
	}
	if (slice_ieq(name, SLICE("helo"))) {
		*identity_r = SPF_IDENTITY_HELO;
		return true;
	}
	log_debug(scan->log, "spf", "found unknown identity value, cannot use: %.*s",
	          SLICE_FMT(log_quote(scan->arena, name, 100)));
	return false;
}

static void
reuse(struct scan *scan, struct spf_state *state, struct slice name, enum auth_result result,
      const char *field)
{
	enum spf_identity identity;
	struct spf_facts *facts;

	if (!find_check(scan, name, &identity))
		return;
	facts = &state->checks[identity].facts;
	if (facts->is_checked)
		return;
	facts->is_checked = facts->has_result = facts->is_from_header = true;
	facts->result = facts->rfc = result;
	log_debug(scan->log, "spf", "re-using %s result from %s header: %s",
	          identity_name(identity), field, auth_result_name(result));
}

static void
read_received_spf(struct scan *scan, struct spf_state *state, struct slice value)
{
	enum auth_result result;

	value = slice_ltrim(value);
	if (!take_result(&value, false, &result) ||
	    (value.len > 0 && byte_is_word(value.data[0]))) {
		log_debug(scan->log, "spf",
		          "could not parse result from existing Received-SPF header");
		return;
	}
	reuse(scan, state, find_identity(value), result, "Received-SPF");
}

/* What follows the last "; spf =", up to the next semicolon; false: there is none. */
static bool
find_spf_result(struct slice value, struct slice *text_r)
{
	for (size_t at = value.len; at-- > 0;) {
		struct slice rest;

		if (value.data[at] != ';')
			continue;
		rest = slice_ltrim(slice_from(value, at + 1));
		if (!slice_istarts(rest, SLICE("spf")))
			continue;
		rest = slice_ltrim(slice_from(rest, 3));
		if (rest.len == 0 || rest.data[0] != '=')
			continue;
		rest = slice_ltrim(slice_from(rest, 1));
		*text_r = slice_sub(rest, 0, slice_find_byte(rest, ';', 0));
		return true;
	}
	return false;
}

static void
read_authentication_results(struct scan *scan, struct spf_state *state, struct slice value)
{
	enum auth_result result;
	struct slice text;

	if (!find_spf_result(value, &text))
		return;
	if (!take_result(&text, true, &result)) {
		log_debug(scan->log, "spf",
		          "could not parse result from existing Authentication-Results header");
		return;
	}
	reuse(scan, state, find_property(text), result, "Authentication-Results");
}

static void
read_field(struct scan *scan, struct spf_state *state, struct slice field)
{
	struct slice received = SLICE("Received-SPF:"), results = SLICE("Authentication-Results:");

	if (slice_istarts(field, received)) {
		read_received_spf(scan, state, slice_from(field, received.len));
		return;
	}
	if (slice_istarts(field, SLICE("ARC-")))
		field = slice_from(field, 4);
	if (slice_istarts(field, results))
		read_authentication_results(scan, state, slice_from(field, results.len));
}

static void
read_fields(struct scan *scan, struct spf_state *state, bool is_newest_first)
{
	slice_vec fields = scan_header_values(scan, SLICE("ALL-INTERNAL"));

	log_debug(scan->log, "spf",
	          "checking to see if the message has a Received-SPF header that we can use");
	for (size_t i = 0; i < fields.count; i++)
		read_field(scan, state, fields.items[is_newest_first ? i : fields.count - 1 - i]);
}

/* ---- the envelope sender ---- */

static struct slice
find_sender(struct scan *scan)
{
	const struct relay_list *relays = &scan->relays;
	slice_vec values;

	if (relays->external.count > 0 && relays->external.items[0]->has_envfrom) {
		log_debug(
			scan->log, "spf",
			"found EnvelopeFrom '%.*s' in first external Received header",
			SLICE_FMT(log_quote(scan->arena, relays->external.items[0]->envfrom, 300)));
		return relays->external.items[0]->envfrom;
	}
	if (relays->trusted.count > 0 && !scan->core->always_trust_envelope_sender) {
		log_debug(scan->log, "spf",
		          "relayed through one or more trusted relays, cannot use header-based "
		          "EnvelopeFrom");
		return SLICE_NULL;
	}
	values = scan_header_values(scan, SLICE("EnvelopeFrom:addr"));
	if (values.count == 0) {
		log_debug(scan->log, "spf", "EnvelopeFrom header not found");
		return SLICE_NULL;
	}
	log_debug(scan->log, "spf", "found EnvelopeFrom '%.*s' from header",
	          SLICE_FMT(log_quote(scan->arena, values.items[0], 300)));
	return values.items[0];
}

/* State of the message, with sender and what headers say; NULL without memory. */
static struct spf_state *
prepare(struct scan *scan)
{
	const struct spf_settings *settings = plugin_settings(scan->conf, &plugin_spf);
	struct spf_state *state = scan_state(scan, &plugin_spf);
	struct slice sender;

	if (state == NULL || state->is_prepared)
		return state;
	state->is_prepared = true;
	sender = find_sender(scan);
	state->has_sender = sender.data != NULL;
	if (state->has_sender)
		state->sender = arena_dup_lower(scan->arena, sender);
	else
		log_debug(scan->log, "spf", "cannot get EnvelopeFrom, cannot use SPF by DNS");
	for (unsigned i = 0; i < SPF_IDENTITIES; i++) {
		state->checks[i].scan = scan;
		state->checks[i].identity = (enum spf_identity)i;
	}
	if (settings->ignore_received_spf_header)
		log_debug(
			scan->log, "spf",
			"ignoring any Received-SPF headers from internal hosts, by admin setting");
	else
		read_fields(scan, state, settings->use_newest_received_spf_header);
	return state;
}

/* ---- answers ---- */

static void
settle(struct spf_check *check)
{
	struct scan *scan = check->scan;

	check->facts.is_running = false;
	check->machine = NULL;
	for (struct waiting_rule *w = check->waiting; w != NULL; w = w->next) {
		if (!check->facts.has_result || check->facts.result != w->wanted)
			continue;
		if (w->wanted == AUTH_FAIL && check->comment.data != NULL)
			scan_test_log(scan, w->rule, check->comment);
		scan_hit(scan, w->rule, "", 1);
	}
	check->waiting = NULL;
}

/* Time is over: no result at all, as when the reference's alarm goes off. */
static void
give_up(struct spf_check *check)
{
	check->is_given_up = true;
	if (check->machine != NULL)
		spf_cancel(check->machine);
	if (!check->facts.is_running)
		return;
	log_debug(check->scan->log, "spf", "%s check timed out", identity_name(check->identity));
	settle(check);
}

struct question {
	struct spf_check *check;
	dns_answered *answered;
	void *context;
	int64_t until_ms;
};

static void
pass_on(struct scan *scan, void *context, const struct dns_answer *answer)
{
	struct question *question = context;
	struct spf_check *check = question->check;
	int64_t now = clock_monotonic_ms();

	(void)scan;
	if (check->is_given_up)
		return;
	/* A time-out that comes early means that the scan ends. */
	if (now >= check->deadline_ms ||
	    (answer->outcome == DNS_TIMEOUT && now < question->until_ms - 100))
		give_up(check);
	else
		question->answered(question->context, answer);
}

static bool
ask(struct dns_client *client, struct slice name, unsigned type, dns_answered *answered,
    void *context)
{
	struct spf_check *check = client->data;
	struct question *question = arena_new(check->scan->arena, struct question);
	int64_t now = clock_monotonic_ms(), left_ms = check->deadline_ms - now;
	struct lookup_request request = {
		.name = name, .type = type, .done = pass_on, .context = question, .at_once = true};

	if (question == NULL || left_ms <= 0)
		return false;
	if (left_ms > QUESTION_MS)
		left_ms = QUESTION_MS;
	*question = (struct question){check, answered, context, now + left_ms};
	request.timeout_s = request.timeout_min_s = (double)left_ms / 1000;
	return scan_lookup(check->scan, &request);
}

/* Runs of white space become one blank. */
static struct slice
squeeze(struct arena *arena, struct slice text)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len; i++) {
		bool is_space = byte_is_space(text.data[i]);

		if (is_space && i > 0 && byte_is_space(text.data[i - 1]))
			continue;
		strbuf_add_byte(&out, is_space ? ' ' : text.data[i]);
	}
	return strbuf_slice(&out);
}

/* What the RFC says, and whether DNSSEC vouches for it: for headers and people, not for rules. */
static void
set_tags(struct spf_check *check)
{
	bool is_helo = check->identity == SPF_IDENTITY_HELO;
	struct scan *scan = check->scan;

	scan_set_tag(scan, is_helo ? SLICE("SPFHELO") : SLICE("SPFMFROM"),
	             slice_from_cstr(auth_result_name(check->facts.rfc)));
	scan_set_tag(scan, is_helo ? SLICE("SPFHELODNSSEC") : SLICE("SPFMFROMDNSSEC"),
	             check->facts.is_authenticated ? SLICE("secure") : SLICE("insecure"));
	log_debug(scan->log, "spf", "%s: by RFC 7208 %s, DNS answers %s",
	          identity_name(check->identity), auth_result_name(check->facts.rfc),
	          check->facts.is_authenticated ? "secure" : "insecure");
}

static void
take_strict(void *context, const struct spf_outcome *outcome)
{
	struct spf_check *check = context;

	check->facts.rfc = outcome->result;
	check->machine = NULL;
	set_tags(check);
}

static void
log_outcome(struct spf_check *check, const struct spf_outcome *outcome)
{
	struct scan *scan = check->scan;
	const struct spf_request *request = &check->request;
	bool is_helo = check->identity == SPF_IDENTITY_HELO;

	if (!log_wants(scan->log, LOG_LEVEL_DEBUG, "spf"))
		return;
	log_debug(scan->log, "spf",
	          "query for %.*s%s%.*s/%.*s: result: %s, comment: %.*s, text: %.*s",
	          SLICE_FMT(is_helo ? SLICE("") : log_quote(scan->arena, request->identity, 300)),
	          is_helo ? "" : "/", SLICE_FMT(net_addr_format(scan->arena, &request->ip)),
	          SLICE_FMT(log_quote(scan->arena, request->helo, 300)),
	          auth_result_name(outcome->result),
	          SLICE_FMT(log_quote(scan->arena, outcome->explanation, 500)),
	          SLICE_FMT(log_quote(scan->arena, outcome->text, 500)));
}

static void
take_outcome(void *context, const struct spf_outcome *outcome)
{
	struct spf_check *check = context;
	struct arena *arena = check->scan->arena;

	check->machine = NULL;
	if (outcome->is_broken || clock_monotonic_ms() >= check->deadline_ms) {
		settle(check);
		return;
	}
	check->facts.has_result = true;
	check->facts.result = check->facts.rfc = outcome->result;
	check->facts.is_authenticated = outcome->is_authenticated;
	if (outcome->result == AUTH_FAIL)
		check->comment = arena_printf(arena, "SPF failed: %.*s",
		                              SLICE_FMT(squeeze(arena, outcome->explanation)));
	log_outcome(check, outcome);
	settle(check);
	if (!outcome->departs) {
		set_tags(check);
		return;
	}
	check->request.is_strict = true;
	check->machine = spf_start(arena, &check->client, &check->request, take_strict, check);
}

/* ---- checks ---- */

/* Addresses and names of one label are no identity. */
static bool
is_helo_checkable(struct slice helo)
{
	size_t begin = 0, end = helo.len, dots = 0;
	bool is_digits = true, was_digit = false;

	if (!slice_has_byte(helo, '.'))
		return false;
	if (helo.data[0] == '[' || helo.data[0] == '!')
		begin++;
	if (end > begin && (helo.data[end - 1] == ']' || helo.data[end - 1] == '!'))
		end--;
	for (size_t i = begin; i < end; i++) {
		if (helo.data[i] == '.') {
			is_digits = is_digits && was_digit;
			dots++;
		} else if (!byte_is_digit(helo.data[i])) {
			is_digits = false;
		}
		was_digit = byte_is_digit(helo.data[i]);
	}
	return !(is_digits && was_digit && dots == 3);
}

/* The question to ask; false: there is nothing to check. */
static bool
make_request(struct spf_state *state, struct spf_check *check)
{
	struct scan *scan = check->scan;
	bool is_helo = check->identity == SPF_IDENTITY_HELO;
	struct spf_request *request = &check->request;
	const struct relay *relay;

	if (scan->relays.external.count == 0) {
		log_debug(scan->log, "spf",
		          "no suitable relay for spf use found, skipping SPF%s check",
		          is_helo ? "-helo" : "");
		return false;
	}
	relay = scan->relays.external.items[0];
	request->helo = relay->helo;
	if (is_helo && (relay->helo.len == 0 || slice_eq(relay->helo, SLICE("0")))) {
		log_debug(scan->log, "spf", "cannot check HELO, HELO value unknown");
		return false;
	}
	if (is_helo && !is_helo_checkable(relay->helo)) {
		log_debug(scan->log, "spf", "cannot check HELO of '%.*s', skipping",
		          SLICE_FMT(log_quote(scan->arena, relay->helo, 300)));
		return false;
	}
	request->identity = is_helo ? relay->helo : state->sender;
	if (request->identity.len == 0 || slice_eq(request->identity, SLICE("0")))
		return false;
	if (request->helo.len == 0 || slice_eq(request->helo, SLICE("0")))
		request->helo = SLICE("unknown");
	request->scope = is_helo ? SPF_SCOPE_HELO : SPF_SCOPE_MFROM;
	request->hostname = scan->env->hostname;
	request->now_s = scan->now_s;
	if (!net_addr_parse(relay->ip, &request->ip)) {
		log_debug(scan->log, "spf", "cannot check, no address: %.*s",
		          SLICE_FMT(log_quote(scan->arena, relay->ip, 100)));
		return false;
	}
	log_debug(scan->log, "spf", "checking %s (helo=%.*s, ip=%.*s, identity=%.*s)",
	          is_helo ? "HELO" : "EnvelopeFrom",
	          SLICE_FMT(log_quote(scan->arena, request->helo, 300)), SLICE_FMT(relay->ip),
	          SLICE_FMT(log_quote(scan->arena, request->identity, 300)));
	return true;
}

/* Makes the check, unless it was made; the state, NULL without memory. */
static struct spf_state *
check_identity(struct scan *scan, enum spf_identity identity)
{
	const struct spf_settings *settings = plugin_settings(scan->conf, &plugin_spf);
	struct spf_state *state = prepare(scan);
	struct spf_check *check;

	if (state == NULL || state->checks[identity].facts.is_checked || !scan_dns_available(scan))
		return state;
	check = &state->checks[identity];
	check->facts.is_checked = true;
	if (!make_request(state, check))
		return state;
	check->deadline_ms = clock_monotonic_ms() + (int64_t)(settings->spf_timeout * 1000);
	check->client = (struct dns_client){ask, check};
	check->facts.is_running = true;
	check->machine =
		spf_start(scan->arena, &check->client, &check->request, take_outcome, check);
	if (!check->facts.is_running)
		check->machine = NULL;
	else if (check->machine == NULL)
		check->facts.is_running = false;
	return state;
}

const struct spf_facts *
scan_spf_facts(struct scan *scan, enum spf_identity identity)
{
	const struct spf_state *state = scan->plugin_state[PLUGIN_ID_spf];

	return state == NULL ? NULL : &state->checks[identity].facts;
}

struct slice
scan_spf_sender(struct scan *scan)
{
	const struct spf_state *state =
		scan->plugins->loaded[PLUGIN_ID_spf] == NULL ? NULL : prepare(scan);

	return state != NULL && state->has_sender ? state->sender : SLICE_NULL;
}

/* ---- evals ---- */

static int
wait_for(struct scan *scan, struct spf_check *check, const struct rule *rule,
         enum auth_result wanted)
{
	struct waiting_rule *waiting = arena_new(scan->arena, struct waiting_rule);

	if (waiting == NULL)
		return 0;
	*waiting = (struct waiting_rule){rule, wanted, check->waiting};
	check->waiting = waiting;
	return EVAL_PENDING;
}

static int
check_result(struct scan *scan, const struct eval_call *call, enum spf_identity identity,
             enum auth_result wanted)
{
	struct spf_state *state = check_identity(scan, identity);
	struct spf_check *check;

	if (state == NULL)
		return 0;
	check = &state->checks[identity];
	if (check->facts.is_running)
		return wait_for(scan, check, call->rule, wanted);
	if (wanted == AUTH_FAIL && check->comment.data != NULL)
		scan_test_log(scan, call->rule, check->comment);
	return check->facts.has_result && check->facts.result == wanted;
}

#define RESULT_EVAL(name, identity, wanted)                                                        \
	static int name(struct scan *scan, const struct eval_call *call)                           \
	{                                                                                          \
		return check_result(scan, call, identity, wanted);                                 \
	}

RESULT_EVAL(mfrom_pass, SPF_IDENTITY_MFROM, AUTH_PASS)
RESULT_EVAL(mfrom_neutral, SPF_IDENTITY_MFROM, AUTH_NEUTRAL)
RESULT_EVAL(mfrom_none, SPF_IDENTITY_MFROM, AUTH_NONE)
RESULT_EVAL(mfrom_fail, SPF_IDENTITY_MFROM, AUTH_FAIL)
RESULT_EVAL(mfrom_softfail, SPF_IDENTITY_MFROM, AUTH_SOFTFAIL)
RESULT_EVAL(mfrom_permerror, SPF_IDENTITY_MFROM, AUTH_PERMERROR)
RESULT_EVAL(mfrom_temperror, SPF_IDENTITY_MFROM, AUTH_TEMPERROR)
RESULT_EVAL(helo_pass, SPF_IDENTITY_HELO, AUTH_PASS)
RESULT_EVAL(helo_neutral, SPF_IDENTITY_HELO, AUTH_NEUTRAL)
RESULT_EVAL(helo_none, SPF_IDENTITY_HELO, AUTH_NONE)
RESULT_EVAL(helo_fail, SPF_IDENTITY_HELO, AUTH_FAIL)
RESULT_EVAL(helo_softfail, SPF_IDENTITY_HELO, AUTH_SOFTFAIL)
RESULT_EVAL(helo_permerror, SPF_IDENTITY_HELO, AUTH_PERMERROR)
RESULT_EVAL(helo_temperror, SPF_IDENTITY_HELO, AUTH_TEMPERROR)

static int
skipped_noenvfrom(struct scan *scan, const struct eval_call *call)
{
	const struct spf_state *state = check_identity(scan, SPF_IDENTITY_MFROM);

	(void)call;
	return state != NULL && !state->has_sender;
}

/* The sender is on one of two lists, and SPF says that it is the sender. */
static int
check_lists(struct scan *scan, const struct eval_call *call, const struct addrlist *own,
            const struct addrlist *any)
{
	struct spf_state *state = prepare(scan);

	if (state == NULL || state->sender.len == 0 || slice_eq(state->sender, SLICE("0")) ||
	    (!addrlist_match(own, state->sender) && !addrlist_match(any, state->sender)))
		return 0;
	return check_result(scan, call, SPF_IDENTITY_MFROM, AUTH_PASS);
}

static int
welcomelist_from(struct scan *scan, const struct eval_call *call)
{
	const struct spf_settings *settings = plugin_settings(scan->conf, &plugin_spf);

	return check_lists(scan, call, &settings->welcomelist_from_spf,
	                   &scan->core->welcomelist_auth);
}

static int
def_welcomelist_from(struct scan *scan, const struct eval_call *call)
{
	const struct spf_settings *settings = plugin_settings(scan->conf, &plugin_spf);

	return check_lists(scan, call, &settings->def_welcomelist_from_spf,
	                   &scan->core->def_welcomelist_auth);
}

static bool
is_pending(const struct scan *scan, const struct rule *rule)
{
	const struct spf_state *state = scan->plugin_state[PLUGIN_ID_spf];

	for (unsigned i = 0; state != NULL && i < SPF_IDENTITIES; i++)
		for (const struct waiting_rule *w = state->checks[i].waiting; w != NULL;
		     w = w->next)
			if (w->rule->number == rule->number)
				return true;
	return false;
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_for_def_spf_welcomelist_from", EVAL_HEADER, def_welcomelist_from, NULL },
	{ "check_for_def_spf_whitelist_from", EVAL_HEADER, def_welcomelist_from, NULL },
	{ "check_for_spf_fail", EVAL_HEADER, mfrom_fail, NULL },
	{ "check_for_spf_helo_fail", EVAL_HEADER, helo_fail, NULL },
	{ "check_for_spf_helo_neutral", EVAL_HEADER, helo_neutral, NULL },
	{ "check_for_spf_helo_none", EVAL_HEADER, helo_none, NULL },
	{ "check_for_spf_helo_pass", EVAL_HEADER, helo_pass, NULL },
	{ "check_for_spf_helo_permerror", EVAL_HEADER, helo_permerror, NULL },
	{ "check_for_spf_helo_softfail", EVAL_HEADER, helo_softfail, NULL },
	{ "check_for_spf_helo_temperror", EVAL_HEADER, helo_temperror, NULL },
	{ "check_for_spf_neutral", EVAL_HEADER, mfrom_neutral, NULL },
	{ "check_for_spf_none", EVAL_HEADER, mfrom_none, NULL },
	{ "check_for_spf_pass", EVAL_HEADER, mfrom_pass, NULL },
	{ "check_for_spf_permerror", EVAL_HEADER, mfrom_permerror, NULL },
	{ "check_for_spf_softfail", EVAL_HEADER, mfrom_softfail, NULL },
	{ "check_for_spf_temperror", EVAL_HEADER, mfrom_temperror, NULL },
	{ "check_for_spf_welcomelist_from", EVAL_HEADER, welcomelist_from, NULL },
	{ "check_for_spf_whitelist_from", EVAL_HEADER, welcomelist_from, NULL },
	{ "check_spf_skipped_noenvfrom", EVAL_HEADER, skipped_noenvfrom, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"SPFHELO", "SPFHELODNSSEC", "SPFMFROM", "SPFMFROMDNSSEC", NULL};

static const char *const features[] = {
	"has_check_for_spf_errors",
	"has_check_spf_skipped_noenvfrom",
	NULL,
};

const struct plugin plugin_spf = {
	.id = PLUGIN_ID_spf,
	.class_name = "Mail::SpamAssassin::Plugin::SPF",
	.module =
		{
			.name = "spf",
			.settings_size = sizeof(struct spf_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
		},
	.evals = evals,
	.features = features,
	.tags = tags,
	.state_size = sizeof(struct spf_state),
	.needs_network = true,
	.is_pending = is_pending,
};
