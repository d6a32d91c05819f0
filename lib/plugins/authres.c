/*
 * authres.c - Mail::SpamAssassin::Plugin::AuthRes: what trusted hosts wrote about authentication
 *
 * Parses (ARC-)Authentication-Results (RFC 8601) as 4.0.1 does: any syntax error, unknown method,
 * result or property drops the whole field.  Untrusted bytes: a cursor that checks every read,
 * linear.
 */
#include "plugins/args.h"
#include "plugins/pending.h"

enum networks { NETWORKS_INTERNAL, NETWORKS_TRUSTED, NETWORKS_ALL };

struct authres_settings {
	enum networks networks;
	struct conf_table trusted, ignored;
};

/* clang-format off */
static const struct method {
	const char *name;
	const char *results;
	const char *properties;
} methods[] = {
	{ "arc", "fail none pass", "smtp.remote-ip header.oldest-pass arc.chain" },
	{ "auth", "fail none pass permerror temperror", "smtp.auth smtp.mailfrom" },
	{ "dkim", "fail neutral none pass permerror policy temperror", "header.d header.i header.b header.a header.s" },
	{ "dkim-adsp", "discard fail none nxdomain pass permerror temperror unknown", "header.from" },
	{ "dkim-atps", "fail none pass permerror temperror neutral", "header.from" },
	{ "dmarc", "bestguesspass fail none pass permerror temperror", "header.from policy.dmarc" },
	{ "dnswl", "none pass permerror temperror", "dns.zone dns.sec policy.ip policy.txt" },
	{ "domainkeys", "fail neutral none permerror policy pass temperror", "header.d header.from header.sender" },
	{ "iprev", "fail pass permerror temperror", "policy.iprev" },
	{ "rrvs", "fail none pass permerror temperror unknown", "smtp.rcptto" },
	{ "sender-id", "fail hardfail neutral none pass permerror policy softfail temperror", "header.*" },
	{ "smime", "fail neutral none pass permerror policy temperror", "body.smime-part body.smime-identifer body.smime-serial body.smime-issuer" },
	{ "spf", "fail hardfail neutral none pass permerror policy softfail temperror", "smtp.mailfrom smtp.mfrom smtp.helo smtp.rcpttodomain" },
	{ "vbr", "fail none pass permerror temperror", "header.md header.mv" },
};
/* clang-format on */

enum { METHOD_COUNT = sizeof(methods) / sizeof(methods[0]), FOUND_MAX = 100 };

struct authres_state {
	struct slice result[METHOD_COUNT]; /* data NULL: none */
};

/* ---- configuration ---- */

static enum conf_result
parse_networks(struct conf_reader *reader, void *data, const struct directive *d,
               struct slice value)
{
	struct authres_settings *settings = data;

	(void)reader, (void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (slice_ieq(value, SLICE("internal")))
		settings->networks = NETWORKS_INTERNAL;
	else if (slice_ieq(value, SLICE("trusted")))
		settings->networks = NETWORKS_TRUSTED;
	else if (slice_ieq(value, SLICE("all")))
		settings->networks = NETWORKS_ALL;
	else
		return CONF_INVALID;
	return CONF_OK;
}

#define AT(field) offsetof(struct authres_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "authres_ignored_authserv", NULL, CONF_CUSTOM, CONF_ADMIN, AT(ignored), NULL, plugin_parse_words },
	{ "authres_networks", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_networks },
	{ "authres_trusted_authserv", NULL, CONF_CUSTOM, CONF_ADMIN, AT(trusted), NULL, plugin_parse_words },
};
/* clang-format on */

/* ---- cursor ---- */

struct cursor {
	struct slice s;
	size_t at;
};

typedef bool (*byte_class)(unsigned char c);

static bool
is_token_byte(unsigned char c)
{
	return c > ' ' && c < 0x80 && strchr("()<>@,;:/[]?=\"", c) == NULL;
}

static bool
is_atom_byte(unsigned char c)
{
	return byte_is_alnum(c) || (c != 0 && strchr("@!#$%&\\'*+-/=?^_`{|}~", c) != NULL);
}

static bool
is_name_byte(unsigned char c)
{
	return byte_is_word(c) || c == '-';
}

static bool
is_digit_byte(unsigned char c)
{
	return byte_is_digit(c);
}

static bool
is_word_byte(unsigned char c)
{
	return byte_is_word(c);
}

static bool
at_end(const struct cursor *c)
{
	return c->at >= c->s.len;
}

static size_t
run_end(const struct cursor *c, size_t at, byte_class is)
{
	while (at < c->s.len && is(c->s.data[at]))
		at++;
	return at;
}

/* One or more bytes of the class. */
static bool
take(struct cursor *c, byte_class is, struct slice *piece_r)
{
	size_t end = run_end(c, c->at, is);
	bool found = end > c->at;

	*piece_r = slice_sub(c->s, c->at, end - c->at);
	c->at = end;
	return found;
}

static bool
take_byte(struct cursor *c, unsigned char byte)
{
	if (at_end(c) || c->s.data[c->at] != byte)
		return false;
	c->at++;
	return true;
}

/* The word, not as the beginning of a longer one. */
static bool
take_word(struct cursor *c, struct slice word, bool ignore_case)
{
	struct slice here = slice_sub(c->s, c->at, word.len);
	size_t end = c->at + word.len;

	if ((ignore_case ? !slice_ieq(here, word) : !slice_eq(here, word)) ||
	    (end < c->s.len && byte_is_word(c->s.data[end])))
		return false;
	c->at = end;
	return true;
}

static void
skip_space(struct cursor *c)
{
	while (!at_end(c) && byte_is_space(c->s.data[c->at]))
		c->at++;
}

/* White space and one comment; false: the comment does not end. */
static bool
skip_cfws(struct cursor *c)
{
	unsigned depth = 0;

	skip_space(c);
	if (at_end(c) || c->s.data[c->at] != '(')
		return true;
	for (; !at_end(c); c->at++) {
		if (c->s.data[c->at] == '(')
			depth++;
		else if (c->s.data[c->at] == ')' && --depth == 0)
			break;
	}
	if (at_end(c))
		return false;
	c->at++;
	skip_space(c);
	return true;
}

/* A quoted string here; its closing quote may be missing. */
static bool
take_quoted(struct cursor *c)
{
	size_t at = c->at + 1;

	if (at_end(c) || c->s.data[c->at] != '"')
		return false;
	while (at < c->s.len && c->s.data[at] != '"') {
		if (c->s.data[at] == '\\' && at + 1 >= c->s.len)
			break;
		at += c->s.data[at] == '\\' ? 2 : 1;
	}
	if (at < c->s.len && c->s.data[at] == '"')
		at++;
	c->at = at;
	return true;
}

/* A quoted string here, or the next token wherever it is. */
static bool
take_text(struct cursor *c)
{
	size_t at = c->at;

	if (take_quoted(c))
		return true;
	while (at < c->s.len && !is_token_byte(c->s.data[at]))
		at++;
	if (at == c->s.len)
		return false;
	c->at = run_end(c, at, is_token_byte);
	return true;
}

/* Atoms with single dots between them. */
static size_t
dot_atom_end(const struct cursor *c, size_t at)
{
	size_t end = run_end(c, at, is_atom_byte);

	if (end == at)
		return at;
	while (end + 1 < c->s.len && c->s.data[end] == '.' && is_atom_byte(c->s.data[end + 1]))
		end = run_end(c, end + 1, is_atom_byte);
	return end;
}

static bool
is_value_end(const struct cursor *c, size_t at)
{
	return at >= c->s.len || c->s.data[at] == ';' || byte_is_space(c->s.data[at]);
}

/* A quoted string here, or the next dot-atom or token that a blank, ";" or the end follows. */
static bool
take_value(struct cursor *c)
{
	size_t atom_end = c->at, token_end = c->at;

	if (take_quoted(c))
		return true;
	/* What failed from one byte of a run fails from the others too: each run is read once. */
	for (size_t at = c->at; at < c->s.len; at++) {
		if (at >= atom_end) {
			atom_end = dot_atom_end(c, at);
			if (atom_end > at && is_value_end(c, atom_end)) {
				c->at = atom_end;
				return true;
			}
		}
		if (at >= token_end) {
			token_end = run_end(c, at, is_token_byte);
			if (token_end > at && is_value_end(c, token_end)) {
				c->at = token_end;
				return true;
			}
		}
	}
	return false;
}

/* ---- grammar ---- */

struct found {
	size_t method;
	struct slice result;
};

struct parser {
	struct cursor c;
	struct arena *arena;
	struct slice authserv;
	struct found found[FOUND_MAX];
	size_t count;
	const char *problem; /* why the server's field is not looked at; NULL: its form */
};

static bool
has_word(const char *words, struct slice wanted)
{
	struct slice rest = slice_from_cstr(words), word;

	while (slice_next_word(&rest, &word))
		if (slice_eq(word, wanted))
			return true;
	return false;
}

static bool
is_property(const struct method *method, struct slice type, struct slice property)
{
	struct slice rest = slice_from_cstr(method->properties), word;

	while (slice_next_word(&rest, &word)) {
		size_t dot = slice_find_byte(word, '.', 0);
		struct slice name = slice_from(word, dot + 1);

		if (slice_ieq(slice_sub(word, 0, dot), type) &&
		    (slice_ieq(name, property) || slice_eq(name, SLICE("*"))))
			return true;
	}
	return false;
}

/* "i=N;" that begins an ARC field. */
static bool
parse_instance(struct cursor *c)
{
	struct slice digits;
	unsigned long long number;

	return take_word(c, SLICE("i"), false) && skip_cfws(c) && take_byte(c, '=') &&
	       skip_cfws(c) && take(c, is_digit_byte, &digits) &&
	       slice_to_u64(digits, 50, &number) && number >= 1 && skip_cfws(c) &&
	       take_byte(c, ';') && skip_cfws(c);
}

static bool
parse_server(struct parser *p, const struct authres_settings *settings)
{
	struct slice name, version;

	if (!take(&p->c, is_token_byte, &name) || take_byte(&p->c, '='))
		return false;
	p->authserv = arena_dup_lower(p->arena, name);
	if (settings->trusted.map.count > 0 &&
	    conf_table_get(&settings->trusted, p->authserv).data == NULL) {
		p->problem = "authserv not trusted: ";
		return false;
	}
	if (conf_table_get(&settings->ignored, p->authserv).data != NULL) {
		p->problem = "ignored authserv: ";
		return false;
	}
	if (!skip_cfws(&p->c))
		return false;
	if (take(&p->c, is_digit_byte, &version) && !skip_cfws(&p->c))
		return false;
	return take_byte(&p->c, ';') && skip_cfws(&p->c);
}

/* "reason=text", "action=text". */
static bool
parse_remark(struct cursor *c, struct slice name)
{
	if (!take_word(c, name, true))
		return true;
	return skip_cfws(c) && take_byte(c, '=') && skip_cfws(c) && take_text(c) && skip_cfws(c);
}

/* *done_r: the ";" or the end came. */
static bool
parse_property(struct cursor *c, const struct method *method, bool *done_r)
{
	struct slice type, property;

	*done_r = true;
	if (take_byte(c, ';'))
		return skip_cfws(c);
	if (!take(c, is_name_byte, &type) || !skip_cfws(c) || !take_byte(c, '.') || !skip_cfws(c) ||
	    !take(c, is_name_byte, &property) || !is_property(method, type, property) ||
	    !skip_cfws(c) || !take_byte(c, '=') || !skip_cfws(c) || !take_value(c) || !skip_cfws(c))
		return false;
	if (at_end(c))
		return true;
	if (take_byte(c, ';'))
		return skip_cfws(c);
	*done_r = false;
	return true;
}

/* The server's name may be repeated before a method. */
static bool
skip_server(struct parser *p)
{
	struct cursor c = p->c;

	if (!slice_starts(slice_from(c.s, c.at), p->authserv))
		return true;
	c.at += p->authserv.len;
	skip_space(&c);
	if (!take_byte(&c, ';'))
		return true;
	p->c = c;
	return skip_cfws(&p->c);
}

static bool
parse_method(struct parser *p)
{
	struct cursor *c = &p->c;
	struct slice name, text;
	size_t m = 0;
	bool done = false;

	if (!skip_server(p) || take_word(c, SLICE("none"), true) || !take(c, is_name_byte, &name))
		return false;
	while (m < METHOD_COUNT && !slice_ieq(name, slice_from_cstr(methods[m].name)))
		m++;
	if (m == METHOD_COUNT || !skip_cfws(c))
		return false;
	if (take_byte(c, '/') && (!skip_cfws(c) || !take(c, is_digit_byte, &text) || !skip_cfws(c)))
		return false;
	if (!take_byte(c, '=') || !skip_cfws(c) || !take(c, is_word_byte, &text) ||
	    !has_word(methods[m].results, text) || !skip_cfws(c))
		return false;
	if (!parse_remark(c, SLICE("reason")) || !parse_remark(c, SLICE("action")))
		return false;
	while (!done && !at_end(c))
		if (!parse_property(c, &methods[m], &done))
			return false;
	if (p->count < FOUND_MAX)
		p->found[p->count++] = (struct found){m, text};
	return true;
}

static void
parse_field(struct scan *scan, struct authres_state *state, const struct authres_settings *settings,
            struct slice value, bool is_arc)
{
	struct parser p = {.c = {.s = value}, .arena = scan->arena};

	if ((is_arc && !parse_instance(&p.c)) || !parse_server(&p, settings)) {
		log_debug(scan->log, "authres", "skipping header, %s%.*s",
		          p.problem == NULL ? "invalid authserv" : p.problem,
		          SLICE_FMT(p.authserv));
		return;
	}
	while (!at_end(&p.c))
		if (!parse_method(&p)) {
			log_debug(scan->log, "authres", "skipping header, invalid at %zu", p.c.at);
			return;
		}
	for (size_t i = 0; i < p.count; i++) {
		struct slice *result = &state->result[p.found[i].method];

		if (result->data == NULL || slice_eq(p.found[i].result, SLICE("pass")))
			*result = p.found[i].result;
	}
}

/* Field name and ":" at the start of a line of ALL; the value follows white space. */
static bool
take_field_name(struct slice *line, struct slice name)
{
	if (!slice_istarts(*line, name))
		return false;
	*line = slice_ltrim(slice_from(*line, name.len));
	return line->len > 0;
}

static void
log_results(struct scan *scan, const struct authres_state *state)
{
	struct slice text = SLICE("");

	for (size_t m = 0; m < METHOD_COUNT; m++)
		if (state->result[m].data != NULL)
			text = arena_printf(scan->arena, "%.*s%s%s=%.*s", SLICE_FMT(text),
			                    text.len > 0 ? " " : "", methods[m].name,
			                    SLICE_FMT(state->result[m]));
	if (text.len > 0)
		log_debug(scan->log, "authres", "results: %.*s", SLICE_FMT(text));
	else
		log_debug(scan->log, "authres", "no results");
}

static void
log_field(struct scan *scan, struct slice field)
{
	if (log_wants(scan->log, LOG_LEVEL_DEBUG, "authres"))
		log_debug(scan->log, "authres", "parsing %.*s",
		          SLICE_FMT(log_quote(scan->arena, field, 1000)));
}

static void
parsed(struct scan *scan)
{
	static const char *const words[] = {"internal", "trusted", "all"};
	static const char *const blocks[] = {"ALL-INTERNAL", "ALL-TRUSTED", "ALL"};
	const struct authres_settings *settings = plugin_settings(scan->conf, &plugin_authres);
	struct authres_state *state = scan_state(scan, &plugin_authres);
	struct slice rest = scan_header(scan, slice_from_cstr(blocks[settings->networks])), line;
	bool any = false;

	while (state != NULL && slice_next(&rest, '\n', &line)) {
		struct slice field = line;
		bool is_arc = take_field_name(&line, SLICE("ARC-Authentication-Results:"));

		if (!is_arc && !take_field_name(&line, SLICE("Authentication-Results:")))
			continue;
		any = true;
		log_field(scan, field);
		parse_field(scan, state, settings, line, is_arc);
	}
	if (!any)
		log_debug(scan->log, "authres", "no Authentication-Results headers found from %s",
		          words[settings->networks]);
	else
		log_results(scan, state);
}

/* ---- eval ---- */

static int
check_authres_result(struct scan *scan, const struct eval_call *call)
{
	const struct authres_state *state = scan_state(scan, &plugin_authres);
	struct slice result = SLICE_NULL;

	for (size_t m = 0; state != NULL && m < METHOD_COUNT; m++)
		if (slice_eq(eval_arg(call, 0), slice_from_cstr(methods[m].name)))
			result = state->result[m];
	if (slice_ieq(eval_arg(call, 1), SLICE("missing")))
		return result.data == NULL;
	return result.data != NULL &&
	       slice_eq(arena_dup_lower(scan->arena, eval_arg(call, 1)), result);
}

static const struct plugin_eval evals[] = {
	{"check_authres_result", EVAL_HEADER, check_authres_result, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_authres = {
	.id = PLUGIN_ID_authres,
	.class_name = "Mail::SpamAssassin::Plugin::AuthRes",
	.module = {.name = "authres",
                   .settings_size = sizeof(struct authres_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
	.state_size = sizeof(struct authres_state),
	.parsed = parsed,
};
