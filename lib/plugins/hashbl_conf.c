/*
 * hashbl_conf.c - directives and arguments of HashBL
 */
#include "plugins/hashbl.h"

/* DOMAIN ALIAS...: addresses of an alias are looked up under DOMAIN. */
static enum conf_result
parse_domain_alias(struct conf_reader *reader, void *data, const struct directive *d,
                   struct slice value)
{
	struct hashbl_settings *settings = data;
	struct slice rest, domain = conf_split(arena_dup_lower(reader->arena, value), &rest), word;

	(void)d;
	if (domain.len == 0)
		return CONF_MISSING;
	if (rest.len == 0 || slice_has_byte(value, '@'))
		return CONF_INVALID;
	while (slice_next_word(&rest, &word))
		if (!conf_table_set(reader, &settings->hashbl_email_domain_alias, word, domain))
			return CONF_FAILED;
	return CONF_OK;
}

struct slice
hashbl_acl_key(struct arena *arena, struct slice name, struct slice domain)
{
	return arena_printf(arena, "%.*s %.*s", SLICE_FMT(name), SLICE_FMT(domain));
}

/* hashbl_acl_NAME domain !domain ...: what is excluded once stays so. */
static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct hashbl_settings *settings = data;
	struct slice prefix = SLICE("hashbl_acl_"), name, word;

	if (!slice_starts(key, prefix))
		return CONF_FAILED;
	name = arena_dup_lower(reader->arena, slice_from(key, prefix.len));
	if (name.len == 0 || name.len > 32 || value.len == 0)
		return CONF_FAILED;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_alnum(name.data[i]))
			return CONF_FAILED;
	if (!conf_table_set(reader, &settings->acl_names, name, SLICE("1")))
		return CONF_FAILED;
	while (slice_next_word(&value, &word)) {
		bool listed = word.data[0] != '!';
		struct slice domain =
			arena_dup_lower(reader->arena, listed ? word : slice_from(word, 1));
		struct slice entry = hashbl_acl_key(reader->arena, name, domain);

		if (listed && conf_table_get(&settings->acls, entry).data != NULL)
			continue;
		if (!conf_table_set(reader, &settings->acls, entry,
		                    listed ? SLICE("1") : SLICE("0")))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
check_regex(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct error error;

	(void)data, (void)d;
	return regex_create(reader->arena, value, 0, &error) == NULL ? CONF_INVALID : CONF_OK;
}

/* ---- arguments ---- */

static const struct {
	const char *word;
	size_t offset;
} switches[] = {
	{"case", offsetof(struct hashbl_rule, keep_case)},
	{"shuffle", offsetof(struct hashbl_rule, shuffle)},
	{"notag", offsetof(struct hashbl_rule, notag)},
	{"nodot", offsetof(struct hashbl_rule, nodot)},
	{"host", offsetof(struct hashbl_rule, host)},
	{"domain", offsetof(struct hashbl_rule, domain)},
	{"user", offsetof(struct hashbl_rule, user)},
	{"nouri", offsetof(struct hashbl_rule, nouri)},
	{"noquote", offsetof(struct hashbl_rule, noquote)},
	{"num", offsetof(struct hashbl_rule, num)},
	{"raw", offsetof(struct hashbl_rule, raw)},
	{"ip", offsetof(struct hashbl_rule, ip)},
	{"ipv4", offsetof(struct hashbl_rule, ipv4)},
	{"ipv6", offsetof(struct hashbl_rule, ipv6)},
	{"revip", offsetof(struct hashbl_rule, revip)},
	{"fqdn", offsetof(struct hashbl_rule, fqdn)},
	{"tld", offsetof(struct hashbl_rule, tld)},
	{"trim", offsetof(struct hashbl_rule, trim)},
};

static void
set_hash(struct hashbl_rule *rule, enum hash_kind kind, bool on)
{
	/* The strongest named counts. */
	if (on && kind > rule->hash)
		rule->hash = kind;
}

static void
set_option(struct hashbl_rule *rule, struct slice word)
{
	size_t at = slice_find_byte(word, '=', 0);
	struct slice key = slice_sub(word, 0, at == SLICE_NPOS ? word.len : at);
	struct slice value = at == SLICE_NPOS ? SLICE("1") : slice_from(word, at + 1);
	double number = perl_number(value);
	size_t count = number > 0 && number < 1e15 ? (size_t)number : 0;
	bool on = !perl_is_false(value);

	set_hash(rule, HASH_MD5, on && slice_eq(key, SLICE("md5")));
	set_hash(rule, HASH_SHA1, on && slice_eq(key, SLICE("sha1")));
	set_hash(rule, HASH_SHA256, on && slice_eq(key, SLICE("sha256")));
	if (slice_eq(key, SLICE("max")))
		rule->max = count;
	else if (slice_eq(key, SLICE("minsize")))
		rule->min_bytes = count;
	else if (slice_eq(key, SLICE("maxsize")))
		rule->max_bytes = count;
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (slice_eq(key, slice_from_cstr(switches[i].word)))
			*(bool *)((unsigned char *)rule + switches[i].offset) = on;
}

static void
set_options(struct arena *arena, struct hashbl_rule *rule, struct slice text, struct slice standard)
{
	struct slice rest = arena_dup_lower(arena, text.len == 0 ? standard : text), word;

	while (slice_next(&rest, '/', &word))
		set_option(rule, slice_trim(word));
	if (rule->max == 0)
		rule->max = 10;
	if (rule->trim)
		rule->fqdn = rule->tld = true;
}

/* "list/A", "list/TXT" or "list". */
static void
set_list(struct hashbl_rule *rule, struct slice text)
{
	rule->type = DNS_A;
	rule->list = text;
	if (slice_iends(text, SLICE("/TXT"))) {
		rule->type = DNS_TXT;
		rule->list = slice_sub(text, 0, text.len - 4);
	} else if (slice_iends(text, SLICE("/A"))) {
		rule->list = slice_sub(text, 0, text.len - 2);
	}
}

static struct slice
arg_of(const struct rule_eval *eval, size_t index)
{
	return index < eval->args.count ? eval->args.items[index] : SLICE("");
}

static struct hashbl_rule *
prepare(struct conf_reader *reader, struct rule_eval *eval, struct slice standard, size_t subtest,
        struct error *error)
{
	struct hashbl_rule *rule = arena_new(reader->arena, struct hashbl_rule);
	struct slice filter = arg_of(eval, subtest);

	if (rule == NULL)
		return NULL;
	if (eval->args.count == 0) {
		error_set(error, STATUS_BAD, "blocklist argument missing");
		return NULL;
	}
	set_list(rule, eval->args.items[0]);
	set_options(reader->arena, rule, arg_of(eval, 1), standard);
	if (!perl_is_false(filter)) {
		rule->subtest = regex_create(reader->arena, filter, 0, error);
		if (rule->subtest == NULL)
			return NULL;
	}
	eval->data = rule;
	return rule;
}

#define STANDARD_OPTIONS SLICE("sha1/max=10/shuffle")

static enum status
prepare_emails(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule =
		prepare(reader, eval, SLICE("sha1/notag/noquote/max=10/shuffle"), 3, error);

	if (rule == NULL)
		return STATUS_BAD;
	rule->source = arg_of(eval, 2);
	if (perl_is_false(rule->source))
		rule->source = SLICE("ALLFROM/Reply-To/body");
	if (eval->args.count > 4)
		rule->acl = eval->args.items[4];
	return STATUS_OK;
}

static enum status
prepare_values(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule = prepare(reader, eval, STANDARD_OPTIONS, 2, error);

	if (rule == NULL)
		return STATUS_BAD;
	return rule->raw ? error_set(error, STATUS_BAD, "raw option invalid") : STATUS_OK;
}

static enum status
prepare_bodyre(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule = prepare(reader, eval, STANDARD_OPTIONS, 3, error);

	if (rule == NULL)
		return STATUS_BAD;
	if (perl_is_false(arg_of(eval, 2)))
		return error_set(error, STATUS_BAD, "missing body regex");
	rule->pattern = regex_create(reader->arena, eval->args.items[2], 0, error);
	return rule->pattern == NULL ? STATUS_BAD : STATUS_OK;
}

static enum status
prepare_tag(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct hashbl_rule *rule = prepare(reader, eval, STANDARD_OPTIONS, 3, error);
	struct slice tag = arg_of(eval, 2);
	unsigned char *upper;

	if (rule == NULL)
		return STATUS_BAD;
	if (tag.len > 2 && tag.data[0] == '_' && tag.data[tag.len - 1] == '_')
		tag = slice_sub(tag, 1, tag.len - 2);
	if (tag.len == 0)
		return error_set(error, STATUS_BAD, "tag argument missing");
	upper = arena_bytes(reader->arena, tag.len);
	if (upper == NULL)
		return error_set(error, STATUS_BAD, "no memory");
	for (size_t i = 0; i < tag.len; i++)
		upper[i] = byte_is_lower(tag.data[i]) ? (unsigned char)(tag.data[i] - 'a' + 'A')
		                                      : tag.data[i];
	rule->source = slice_of(upper, tag.len);
	return STATUS_OK;
}

/* ---- the configuration is read ---- */

#define WORD "[a-z0-9!#\\$%&'*+\\/=?^_`{|}~-]"

static const char email_pattern[] = "(?i)(?=.{0,64}\\@)(?<!" WORD ")(" WORD "+(?:\\." WORD
				    "+)*\\@(?:[a-z0-9](?:[a-z0-9-]{0,59}[a-z0-9])?\\.){1,4}_TLDS_)";

static const char welcome_pattern[] =
	"(?i)^(?:abuse|support|sales|info|helpdesk|contact|kontakt|(?:post|host|domain)master"
	"|undisclosed.*|request-[a-f0-9]{16}|bounced?-"
	"|[a-f0-9]{8}(?:\\.[a-f0-9]{8}|-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12})"
	"|.+=.+=.+)\\@";

/* All top level domains as one pattern. */
static struct slice
tlds_pattern(struct conf_reader *reader)
{
	const struct hashmap *tlds = &conf_core(reader->conf)->util_rb_tld.map;
	struct strbuf buf;
	bool first = true;

	strbuf_init(&buf, reader->arena, 0);
	strbuf_add_cstr(&buf, "(?i:(?<![a-zA-Z0-9-])(?:");
	for (size_t i = 0; i < tlds->count; i++) {
		if (tlds->entries[i].value == NULL)
			continue;
		if (!first)
			strbuf_add_byte(&buf, '|');
		strbuf_add(&buf, regex_quote(reader->arena, tlds->entries[i].key));
		first = false;
	}
	strbuf_add_cstr(&buf, ")(?!(?:[a-zA-Z0-9-]|\\.[a-zA-Z0-9])))");
	return first ? SLICE("no_tlds_defined") : strbuf_slice(&buf);
}

static const struct regex *
with_tlds(struct conf_reader *reader, struct slice pattern, struct slice tlds, const char *before,
          const char *after)
{
	struct strbuf buf;
	struct error error;
	size_t at = 0, found;
	const struct regex *regex;

	strbuf_init(&buf, reader->arena, 0);
	strbuf_add_cstr(&buf, before);
	while ((found = slice_find(pattern, SLICE("_TLDS_"), at)) != SLICE_NPOS) {
		strbuf_add(&buf, slice_sub(pattern, at, found - at));
		strbuf_add(&buf, tlds);
		at = found + 6;
	}
	strbuf_add(&buf, slice_from(pattern, at));
	strbuf_add_cstr(&buf, after);
	regex = regex_create(reader->arena, strbuf_slice(&buf), 0, &error);
	if (regex == NULL)
		log_warn(reader->log, "HashBL", "a pattern for addresses is not usable: %s",
		         error.text);
	return regex;
}

static bool
wants_addresses(const struct ruleset *rules)
{
	for (size_t i = 0; i < rules->count; i++)
		if (rules->rules[i]->kind == RULE_HEADER_EVAL &&
		    slice_eq(rules->rules[i]->eval.function, SLICE("check_hashbl_emails")))
			return true;
	return false;
}

static void
make_patterns(struct conf_reader *reader, void *data)
{
	struct hashbl_settings *settings = data;
	struct slice email = settings->hashbl_email_regex;
	struct slice welcome = settings->hashbl_email_welcomelist, tlds;

	if (reader->local_tests_only || !wants_addresses(conf_rules(reader->conf)))
		return;
	if (email.len == 0)
		email = slice_from_cstr(email_pattern);
	if (welcome.len == 0)
		welcome = slice_from_cstr(welcome_pattern);
	tlds = tlds_pattern(reader);
	settings->email = with_tlds(reader, email, tlds, "", "");
	settings->quoted_email = with_tlds(reader, email, tlds, "(?i)<?(?<!mailto:)(?:",
	                                   ")(?:>|\\s{1,10}(?!(?:fa(?:x|csi)|tel|phone|e?-?mail))"
	                                   "[a-z]{2,11}:)");
	settings->welcome = with_tlds(reader, welcome, tlds, "", "");
}

#define AT(field) offsetof(struct hashbl_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "hashbl_email_domain_alias", NULL, CONF_CUSTOM, CONF_USER, AT(hashbl_email_domain_alias), NULL, parse_domain_alias },
	{ "hashbl_email_regex", NULL, CONF_STRING, CONF_USER, AT(hashbl_email_regex), NULL, check_regex },
	{ "hashbl_email_welcomelist", "hashbl_email_whitelist", CONF_STRING, CONF_USER, AT(hashbl_email_welcomelist), NULL, check_regex },
	{ "hashbl_ignore", NULL, CONF_CUSTOM, CONF_USER, AT(hashbl_ignore), NULL, plugin_parse_words },
};

static const struct plugin_eval evals[] = {
	{ "check_hashbl_attachments", EVAL_BODY, hashbl_check_attachments, prepare_values },
	{ "check_hashbl_bodyre", EVAL_BODY, hashbl_check_bodyre, prepare_bodyre },
	{ "check_hashbl_emails", EVAL_HEADER, hashbl_check_emails, prepare_emails },
	{ "check_hashbl_tag", EVAL_HEADER, hashbl_check_tag, prepare_tag },
	{ "check_hashbl_uris", EVAL_HEADER, hashbl_check_uris, prepare_values },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {
	"has_hashbl_attachments",
	"has_hashbl_bodyre",
	"has_hashbl_bodyre_num",
	"has_hashbl_email_domain",
	"has_hashbl_email_domain_alias",
	"has_hashbl_email_regex",
	"has_hashbl_email_welcomelist",
	"has_hashbl_email_whitelist",
	"has_hashbl_emails",
	"has_hashbl_ignore",
	"has_hashbl_sha256",
	"has_hashbl_tag",
	"has_hashbl_uris",
	NULL,
};

const struct plugin plugin_hashbl = {
	.id = PLUGIN_ID_hashbl,
	.class_name = "Mail::SpamAssassin::Plugin::HashBL",
	.module =
		{
			.name = "hashbl",
			.settings_size = sizeof(struct hashbl_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.evals = evals,
	.features = features,
	.state_size = sizeof(struct hashbl_state),
	.needs_network = true,
	.finish_end = make_patterns,
};
