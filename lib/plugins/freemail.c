/*
 * freemail.c - Mail::SpamAssassin::Plugin::FreeMail: senders at free mail providers
 *
 * Addresses in the body are found by freemail_body.c, which also edits the body array as the
 * reference does.
 */
#include "conf/addrlist.h"
#include "plugins/freemail_body.h"
#include "plugins/scan.h"

struct freemail_settings {
	struct conf_table domains, welcomelist;
	struct conf_words globs;
	const struct regex *glob_regex; /* of globs; NULL: none */
	double max_body_emails, max_body_freemails, skip_when_over_max, skip_bulk_envfrom,
		add_describe_email;
	double import_welcomelist_auth, import_def_welcomelist_auth;
};

enum { P_ROLE, P_BULK, P_COUNT };

static const char *const patterns[P_COUNT] = {
	[P_ROLE] = "(?i)^(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)"
		   "master|undisclosed.*|"
		   "request-[a-f0-9]{16}|bounced?-|"
		   "[a-f0-9]{8}(?:\\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})"
		   "|.+=.+=.+)\\@",
	[P_BULK] = "(?i)(?:^(?:post|host|domain)master|^double-bounce|^(?:sentto|owner|return|(?:"
		   "gr)?bounced?)-.+|"
		   "-(?:request|bounces?|admin|owner)|\\b(?:do[._-t]?)?no[._-t]?repl(?:y|ies)|.+=.+"
		   ")\\@",
};

struct freemail_state {
	bool body_done, skip_body;
	slice_vec body;          /* free mail addresses of the body, lower case */
	struct hashmap verdicts; /* address -> is it one of a free mail service */
};

/* ---- configuration ---- */

static bool
is_domain_text(struct slice word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!byte_is_alnum(word.data[i]) && strchr(".*?-", word.data[i]) == NULL)
			return false;
	return word.len > 0;
}

static enum conf_result
parse_domains(struct conf_reader *reader, struct freemail_settings *settings, struct slice value)
{
	struct slice word;

	while (slice_next_word(&value, &word)) {
		struct slice lower = arena_dup_lower(reader->arena, word);

		if (!is_domain_text(word))
			log_warn(reader->log, "freemail", "invalid freemail_domains: %.*s",
			         SLICE_FMT(word));
		else if (slice_find_any(word, "*?", 0) != SLICE_NPOS)
			(void)conf_words_add(reader, &settings->globs, lower);
		else if (!conf_table_set(reader, &settings->domains, lower, lower))
			return CONF_FAILED;
	}
	return CONF_OK;
}

/* \w[.@]\w somewhere */
static bool
is_address_text(struct slice word)
{
	for (size_t i = 1; i + 1 < word.len; i++)
		if ((word.data[i] == '.' || word.data[i] == '@') &&
		    byte_is_word(word.data[i - 1]) && byte_is_word(word.data[i + 1]))
			return true;
	return false;
}

static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct freemail_settings *settings = data;
	struct slice word;

	if (slice_eq(key, SLICE("freemail_domains")))
		return parse_domains(reader, settings, value);
	if (!slice_eq(key, SLICE("freemail_welcomelist")) &&
	    !slice_eq(key, SLICE("freemail_whitelist")))
		return CONF_FAILED;
	while (slice_next_word(&value, &word)) {
		struct slice lower = arena_dup_lower(reader->arena, word);

		if (!is_address_text(word))
			log_warn(reader->log, "freemail", "invalid freemail_welcomelist: %.*s",
			         SLICE_FMT(word));
		else if (!conf_table_set(reader, &settings->welcomelist, lower, lower))
			return CONF_FAILED;
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct freemail_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "freemail_add_describe_email", NULL, CONF_NUMERIC, CONF_USER, AT(add_describe_email), "1", NULL },
	{ "freemail_import_def_welcomelist_auth", "freemail_import_def_whitelist_auth", CONF_NUMERIC, CONF_USER, AT(import_def_welcomelist_auth), "0", NULL },
	{ "freemail_import_welcomelist_auth", "freemail_import_whitelist_auth", CONF_NUMERIC, CONF_USER, AT(import_welcomelist_auth), "0", NULL },
	{ "freemail_max_body_emails", NULL, CONF_NUMERIC, CONF_USER, AT(max_body_emails), "5", NULL },
	{ "freemail_max_body_freemails", NULL, CONF_NUMERIC, CONF_USER, AT(max_body_freemails), "3", NULL },
	{ "freemail_skip_bulk_envfrom", NULL, CONF_NUMERIC, CONF_USER, AT(skip_bulk_envfrom), "1", NULL },
	{ "freemail_skip_when_over_max", NULL, CONF_NUMERIC, CONF_USER, AT(skip_when_over_max), "1", NULL },
};
/* clang-format on */

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct freemail_settings *settings = data;
	struct slice text = SLICE("");
	struct error error;

	for (size_t i = 0; i < settings->globs.count; i++) {
		struct slice glob = settings->globs.items[i];

		text = arena_concat(reader->arena, text, i == 0 ? SLICE("\\@(?:") : SLICE("|"));
		for (size_t k = 0; k < glob.len; k++)
			text = arena_concat(reader->arena, text,
			                    glob.data[k] == '.'   ? SLICE("\\.")
			                    : glob.data[k] == '?' ? SLICE(".")
			                    : glob.data[k] == '*' ? SLICE("[^.]*")
			                                          : slice_sub(glob, k, 1));
	}
	if (settings->globs.count > 0)
		settings->glob_regex = regex_create(
			reader->arena, arena_concat(reader->arena, text, SLICE(")$")), 0, &error);
}

static bool
is_available(const struct freemail_settings *settings)
{
	return settings->domains.map.count + settings->globs.count > 0;
}

/* ---- addresses ---- */

static bool
find_freemail(struct scan *scan, const struct freemail_settings *settings, struct slice addr)
{
	size_t at = slice_rfind_byte(addr, '@');
	struct slice domain = at == SLICE_NPOS ? addr : slice_from(addr, at + 1);

	if (addr.len == 0 || conf_table_get(&settings->welcomelist, addr).data != NULL ||
	    conf_table_get(&settings->welcomelist, domain).data != NULL)
		return false;
	if (scan_pattern(scan, &plugin_freemail, P_ROLE, addr))
		return false;
	if ((settings->import_welcomelist_auth != 0 &&
	     addrlist_match(&scan->core->welcomelist_auth, addr)) ||
	    (settings->import_def_welcomelist_auth != 0 &&
	     addrlist_match(&scan->core->def_welcomelist_auth, addr)))
		return false;
	if (conf_table_get(&settings->domains, domain).data != NULL)
		return true;
	return settings->glob_regex != NULL &&
	       regex_is_match(settings->glob_regex, scan_regex_scratch(scan), addr);
}

/* The same few addresses are asked for by several rules: looked up once. */
static bool
is_freemail(struct scan *scan, const struct freemail_settings *settings, struct slice addr)
{
	static const char yes, no;
	struct freemail_state *state = scan_state(scan, &plugin_freemail);
	struct hashmap_entry *known;

	if (state == NULL)
		return find_freemail(scan, settings, addr);
	if (state->verdicts.arena == NULL)
		hashmap_init(&state->verdicts, scan->arena);
	known = hashmap_put(&state->verdicts, addr, NULL);
	if (known == NULL)
		return find_freemail(scan, settings, addr);
	if (known->value == NULL)
		known->value =
			(void *)(uintptr_t)(find_freemail(scan, settings, addr) ? &yes : &no);
	return known->value == &yes;
}

static slice_vec
lower_all(struct scan *scan, slice_vec list)
{
	slice_vec lower = {0};

	for (size_t i = 0; i < list.count; i++)
		(void)vec_push(scan->arena, &lower, arena_dup_lower(scan->arena, list.items[i]));
	return lower;
}

static bool
any_freemail(struct scan *scan, const struct freemail_settings *settings, slice_vec list)
{
	for (size_t i = 0; i < list.count; i++)
		if (is_freemail(scan, settings, list.items[i]))
			return true;
	return false;
}

static bool
contains(slice_vec list, struct slice addr)
{
	for (size_t i = 0; i < list.count; i++)
		if (slice_eq(list.items[i], addr))
			return true;
	return false;
}

static struct slice
join(struct scan *scan, slice_vec list, const char *separator)
{
	struct slice text = SLICE("");

	for (size_t i = 0; i < list.count && i < 100; i++)
		text = arena_printf(scan->arena, "%.*s%s%.*s", SLICE_FMT(text),
		                    i == 0 ? "" : separator, SLICE_FMT(list.items[i]));
	return text;
}

/* The addresses for the report, their @ as (at). */
static void
report(struct scan *scan, const struct eval_call *call, struct slice text)
{
	const struct freemail_settings *settings = call->settings;
	struct slice out = SLICE(""), piece;

	if (settings->add_describe_email == 0)
		return;
	/* not by printf: there may be a NUL in it */
	for (bool first = true; slice_next(&text, '@', &piece); first = false) {
		if (!first)
			out = arena_concat(scan->arena, out, SLICE("(at)"));
		out = arena_concat(scan->arena, out, piece);
	}
	scan_test_log(scan, call->rule, out);
}

/* ---- body ---- */

/* false: too many addresses, the body is left out of it. */
static bool
parse_body(struct scan *scan, const struct freemail_settings *settings,
           struct freemail_state *state)
{
	slice_vec found = {0};
	double all = 0, free = 0;

	if (state->body_done)
		return !state->skip_body;
	state->body_done = true;
	freemail_body_find(scan, &found);
	for (size_t i = 0; i < found.count; i++) {
		if (++all == settings->max_body_emails && settings->skip_when_over_max != 0) {
			state->skip_body = true;
			return false;
		}
		if (!is_freemail(scan, settings, found.items[i]))
			continue;
		if (++free == settings->max_body_freemails && settings->skip_when_over_max != 0) {
			state->skip_body = true;
			return false;
		}
		(void)vec_push(scan->arena, &state->body, found.items[i]);
	}
	return true;
}

/* ---- evals ---- */

/* The argument at `index`, a pattern with or without delimiters; data stays NULL without one. */
static enum status
prepare_regex(struct conf_reader *reader, struct rule_eval *rule, size_t index, struct error *error)
{
	if (rule->args.count <= index)
		return STATUS_OK;
	rule->data = regex_create_rule(reader->arena, rule->args.items[index], REGEX_BARE_ALLOWED,
	                               error);
	return rule->data == NULL ? STATUS_BAD : STATUS_OK;
}

static enum status
prepare_first(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	return prepare_regex(reader, rule, 0, error);
}

static enum status
prepare_second(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	if (rule->args.count == 0)
		return error_set(error, STATUS_BAD,
		                 "check_freemail_header needs the name of a header");
	return prepare_regex(reader, rule, 1, error);
}

static bool
matches(struct scan *scan, const struct eval_call *call, struct slice addr)
{
	return call->data == NULL || regex_is_match(call->data, scan_regex_scratch(scan), addr);
}

static int
first_hit(struct scan *scan, const struct eval_call *call, slice_vec list)
{
	for (size_t i = 0; i < list.count; i++)
		if (is_freemail(scan, call->settings, list.items[i]) &&
		    matches(scan, call, list.items[i])) {
			report(scan, call, list.items[i]);
			return 1;
		}
	return 0;
}

static int
freemail_header(struct scan *scan, const struct eval_call *call)
{
	struct slice name;

	if (!is_available(call->settings))
		return 0;
	name = arena_concat(scan->arena, call->args[0], SLICE(":addr"));
	return first_hit(scan, call, lower_all(scan, scan_header_values(scan, name)));
}

static int
freemail_from(struct scan *scan, const struct eval_call *call)
{
	if (!is_available(call->settings))
		return 0;
	return first_hit(scan, call, lower_all(scan, scan_from_addrs(scan)));
}

static int
freemail_body(struct scan *scan, const struct eval_call *call)
{
	struct freemail_state *state = scan_state(scan, &plugin_freemail);

	if (state == NULL || !is_available(call->settings) ||
	    !parse_body(scan, call->settings, state))
		return 0;
	for (size_t i = 0; i < state->body.count; i++)
		if (matches(scan, call, state->body.items[i])) {
			report(scan, call,
			       call->data != NULL ? state->body.items[i]
			                          : join(scan, state->body, ", "));
			return 1;
		}
	return 0;
}

static int
compare_body(struct scan *scan, const struct eval_call *call, slice_vec reply)
{
	struct freemail_state *state = scan_state(scan, &plugin_freemail);

	if (state == NULL || !parse_body(scan, call->settings, state))
		return 0;
	for (size_t i = 0; i < state->body.count; i++)
		for (size_t k = 0; k < reply.count; k++)
			if (!slice_eq(state->body.items[i], reply.items[k])) {
				report(scan, call,
				       arena_printf(scan->arena, "%.*s, %.*s",
				                    SLICE_FMT(reply.items[k]),
				                    SLICE_FMT(state->body.items[i])));
				return 1;
			}
	return 0;
}

static enum status
prepare_what(struct conf_reader *reader, struct rule_eval *rule, struct error *error)
{
	(void)reader;
	if (rule->args.count == 0 || slice_eq(rule->args.items[0], SLICE("replyto")) ||
	    slice_eq(rule->args.items[0], SLICE("reply")))
		return STATUS_OK;
	return error_set(error, STATUS_BAD, "check_freemail_replyto takes 'replyto' or 'reply'");
}

static int
freemail_replyto(struct scan *scan, const struct eval_call *call)
{
	const struct freemail_settings *settings = call->settings;
	bool either = call->arg_count > 0 && slice_eq(call->args[0], SLICE("reply")), from_free,
	     reply_free, shared = false;
	slice_vec envelope = scan_header_values(scan, SLICE("EnvelopeFrom")), from, reply;

	if (!is_available(settings))
		return 0;
	if (settings->skip_bulk_envfrom != 0 && envelope.count > 0 &&
	    scan_pattern(scan, &plugin_freemail, P_BULK, envelope.items[0]))
		return 0;
	from = lower_all(scan, scan_header_values(scan, SLICE("From:addr")));
	reply = lower_all(scan, scan_header_values(scan, SLICE("Reply-To:addr")));
	from_free = any_freemail(scan, settings, from);
	reply_free = any_freemail(scan, settings, reply);
	for (size_t i = 0; i < from.count && i < 1000; i++)
		shared |= contains(reply, from.items[i]);
	if (from_free && reply_free && !shared) {
		report(scan, call,
		       arena_printf(scan->arena, "%.*s -> %.*s", SLICE_FMT(join(scan, from, ",")),
		                    SLICE_FMT(join(scan, reply, ","))));
		return 1;
	}
	if (!either && !reply_free)
		return 0;
	if (either && ((reply.count > 0 && !reply_free) || !from_free))
		return 0;
	return compare_body(scan, call, !either || reply_free ? reply : from);
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_freemail_body", EVAL_HEADER, freemail_body, prepare_first },
	{ "check_freemail_from", EVAL_HEADER, freemail_from, prepare_first },
	{ "check_freemail_header", EVAL_HEADER, freemail_header, prepare_second },
	{ "check_freemail_replyto", EVAL_HEADER, freemail_replyto, prepare_what },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_freemail = {
	.id = PLUGIN_ID_freemail,
	.class_name = "Mail::SpamAssassin::Plugin::FreeMail",
	.module = {.name = "freemail",
                   .settings_size = sizeof(struct freemail_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0]),
                   .unknown = parse_unknown},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct freemail_state),
	.finish_end = finish_end,
};
