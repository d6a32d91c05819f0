/*
 * fromnamespoof.c - Mail::SpamAssassin::Plugin::FromNameSpoof: an address in the display name
 */
#include "plugins/args.h"

#include "auth/dkim.h"
#include "conf/addrlist.h"
#include "plugins/auth.h"

struct spoof_list {
	struct slice owner;
	struct addrlist addrs;
};

struct fromnamespoof_settings {
	struct hashmap lists; /* lower-case name -> struct spoof_list * */
	double extra_chars, check;
	struct conf_table ignore_dkim;
	struct conf_words ignore_headers;
};

static const char *const patterns[] = {
	"(?i)\\b([\\w\\.\\!\\#\\$\\%\\&\\'\\*\\+\\/"
	"\\=\\?\\^\\_\\`\\{\\|\\}\\~-]+\\@\\w[\\w-]*\\.\\w[\\w.-]++)\\b",
};

struct spoof_waiter {
	struct eval_call call;
	int (*run)(struct scan *scan, const struct eval_call *call);
};

struct spoof_state {
	bool done, has_address, address_differs, domain_differs, owner_differs, is_reply_to, is_to;
	VEC(struct spoof_waiter) waiters; /* for fns_ignore_dkim */
};

/* ---- configuration ---- */

/* "(NAME) addr ..." */
static bool
split_list(struct slice value, struct slice *name_r, struct slice *addrs_r)
{
	/* At least one byte in the name, white space after the parenthesis, something behind it. */
	for (size_t close = slice_find_byte(value, ')', 2); close != SLICE_NPOS;
	     close = slice_find_byte(value, ')', close + 1)) {
		struct slice rest = slice_from(value, close + 1);

		if (value.data[0] != '(')
			return false;
		*addrs_r = slice_ltrim(rest);
		if (addrs_r->len == rest.len || addrs_r->len == 0)
			continue;
		*name_r = slice_sub(value, 1, close - 1);
		return true;
	}
	return false;
}

static struct spoof_list *
own_list(struct conf_reader *reader, struct fromnamespoof_settings *settings, struct slice name)
{
	struct hashmap_entry *entry;

	if (settings->lists.arena == NULL)
		hashmap_init(&settings->lists, reader->arena);
	entry = hashmap_put(&settings->lists, arena_dup_lower(reader->arena, name), NULL);
	if (entry == NULL)
		return NULL;
	if (entry->value == NULL) {
		struct spoof_list *list = arena_new(reader->arena, struct spoof_list);

		if (list != NULL)
			list->owner = entry->key;
		entry->value = list;
	}
	return entry->value;
}

static enum conf_result
parse_list(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	bool remove = d->offset != 0;
	struct slice name, addrs, addr;
	struct spoof_list *list;

	if (!split_list(value, &name, &addrs))
		return CONF_MISSING;
	list = own_list(reader, data, name);
	while (list != NULL && slice_next_word(&addrs, &addr)) {
		addr = arena_dup_lower(reader->arena, addr);
		if (remove)
			(void)!addrlist_remove(&list->addrs, reader->arena, addr);
		else if (addrlist_add(&list->addrs, reader->arena, addr) == NULL)
			return CONF_FAILED;
	}
	return list == NULL ? CONF_FAILED : CONF_OK;
}

static enum conf_result
parse_check(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct fromnamespoof_settings *settings = data;

	(void)reader, (void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (value.len != 1 || value.data[0] < '0' || value.data[0] > '2')
		return CONF_INVALID;
	settings->check = value.data[0] - '0';
	return CONF_OK;
}

static enum conf_result
parse_ignore_headers(struct conf_reader *reader, void *data, const struct directive *d,
                     struct slice value)
{
	struct fromnamespoof_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_words_add(reader, &settings->ignore_headers, word))
			return CONF_FAILED;
	return CONF_OK;
}

static enum conf_result
parse_ignore_dkim(struct conf_reader *reader, void *data, const struct directive *d,
                  struct slice value)
{
	struct fromnamespoof_settings *settings = data;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		word = arena_dup_lower(reader->arena, word);
		if (!conf_table_set(reader, &settings->ignore_dkim, word, word))
			return CONF_FAILED;
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct fromnamespoof_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "fns_add_addrlist", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_list },
	{ "fns_check", NULL, CONF_CUSTOM, CONF_USER, AT(check), "1", parse_check },
	{ "fns_extrachars", NULL, CONF_NUMERIC, CONF_USER, AT(extra_chars), "50", NULL },
	{ "fns_ignore_dkim", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_ignore_dkim },
	{ "fns_ignore_headers", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_ignore_headers },
	{ "fns_remove_addrlist", NULL, CONF_CUSTOM, CONF_USER, 1, NULL, parse_list },
};
/* clang-format on */

/* ---- the two addresses ---- */

struct address {
	struct slice addr, domain, owner;
};

/* The registered domain; false: it has none. */
static bool
find_domain(struct scan *scan, struct address *a)
{
	struct slice uri = arena_concat(scan->arena, SLICE("mailto:"), a->addr), host;

	return registry_uri_domain(&scan->env->registry, scan->arena, uri, &a->domain, &host);
}

static bool
find_listed(const struct fromnamespoof_settings *settings, struct slice addr, struct slice *owner_r)
{
	for (size_t i = 0; i < settings->lists.count; i++) {
		const struct spoof_list *list = settings->lists.entries[i].value;

		if (list != NULL && addrlist_match(&list->addrs, addr)) {
			*owner_r = list->owner;
			return true;
		}
	}
	return false;
}

/* A list's name, by the address or by user@registered-domain; else the domain's first label. */
static void
find_owner(struct scan *scan, const struct fromnamespoof_settings *settings, struct address *a)
{
	size_t sign = slice_find_byte(a->addr, '@', 0), dot;

	if (find_listed(settings, a->addr, &a->owner))
		return;
	if (sign != SLICE_NPOS && sign > 0 && sign + 1 < a->addr.len &&
	    !slice_eq(slice_from(a->addr, sign + 1), a->domain) &&
	    find_listed(settings,
	                arena_concat(scan->arena, slice_sub(a->addr, 0, sign + 1), a->domain),
	                &a->owner))
		return;
	dot = slice_find_byte(a->domain, '.', 0);
	a->owner = dot == 0 ? a->domain : slice_sub(a->domain, 0, dot);
}

static bool
is_ignored(struct scan *scan, const struct fromnamespoof_settings *settings)
{
	const struct slice *values;
	size_t count;

	if (scan_tag_values(scan, SLICE("DKIMDOMAIN"), &values, &count))
		for (size_t i = 0; i < count; i++)
			if (conf_table_get(&settings->ignore_dkim,
			                   arena_dup_lower(scan->arena, values[i]))
			            .data != NULL)
				return true;
	for (size_t i = 0; i < settings->ignore_headers.count; i++)
		if (!perl_is_false(scan_header(scan, settings->ignore_headers.items[i])))
			return true;
	return false;
}

static size_t
count_odd(struct slice s)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += !byte_is_lower(s.data[i]) && !byte_is_digit(s.data[i]);
	return count;
}

static void
set_tags(struct scan *scan, const struct address *name, const struct address *from)
{
	scan_set_tag(scan, SLICE("FNSFNAMEADDR"), name->addr);
	scan_set_tag(scan, SLICE("FNSFNAMEDOMAIN"), name->domain);
	scan_set_tag(scan, SLICE("FNSFNAMEOWNER"), name->owner);
	scan_set_tag(scan, SLICE("FNSFADDRADDR"), from->addr);
	scan_set_tag(scan, SLICE("FNSFADDRDOMAIN"), from->domain);
	scan_set_tag(scan, SLICE("FNSFADDROWNER"), from->owner);
}

static void
compare(struct scan *scan, struct spoof_state *state, const struct address *name,
        const struct address *from)
{
	slice_vec to = scan_to_addrs(scan);

	state->address_differs = !slice_eq(name->addr, from->addr);
	state->domain_differs = !slice_eq(name->domain, from->domain);
	state->owner_differs = !slice_eq(name->owner, from->owner);
	state->is_reply_to = slice_ieq(name->addr, scan_header(scan, SLICE("Reply-To:addr")));
	for (size_t i = 0; i < to.count && !state->is_to; i++)
		state->is_to = slice_eq(name->addr, to.items[i]);
	if (state->address_differs || state->owner_differs)
		set_tags(scan, name, from);
}

static const struct spoof_state *
spoof(struct scan *scan)
{
	const struct fromnamespoof_settings *settings =
		plugin_settings(scan->conf, &plugin_fromnamespoof);
	struct spoof_state *state = scan_state(scan, &plugin_fromnamespoof);
	struct address name, from;
	struct slice text;
	double extra;

	if (state == NULL || state->done)
		return state;
	state->done = true;
	if (is_ignored(scan, settings))
		return state;
	from.addr = arena_dup_lower(scan->arena, scan_header(scan, SLICE("From:addr")));
	if (!find_domain(scan, &from))
		return state;
	text = arena_dup_lower(scan->arena, scan_header(scan, SLICE("From:name")));
	if (!scan_pattern_group(scan, &plugin_fromnamespoof, 0, text, 1, &name.addr) ||
	    !find_domain(scan, &name))
		return state;
	state->has_address = true;
	extra = (double)text.len + (double)count_odd(text) - (double)count_odd(name.addr) -
	        (double)name.addr.len;
	if (!(extra <= settings->extra_chars))
		return state;
	find_owner(scan, settings, &name);
	find_owner(scan, settings, &from);
	compare(scan, state, &name, &from);
	return state;
}

/* ---- evals ---- */

static void
signatures_came(struct scan *scan, void *context)
{
	const struct spoof_state *state = scan_state(scan, &plugin_fromnamespoof);

	(void)context;
	for (size_t i = 0; i < state->waiters.count; i++) {
		const struct spoof_waiter *waiter = &state->waiters.items[i];
		int value = waiter->run(scan, &waiter->call);

		if (value != 0)
			scan_hit(scan, waiter->call.rule, "", value);
	}
}

/* Now, or when it is known who signed: fns_ignore_dkim wants to know. */
static int
run_informed(struct scan *scan, const struct eval_call *call,
             int (*run)(struct scan *scan, const struct eval_call *call))
{
	const struct fromnamespoof_settings *settings = call->settings;
	struct spoof_state *state = scan_state(scan, &plugin_fromnamespoof);
	const struct dkim_verifier *verifier =
		settings->ignore_dkim.map.count == 0 ? NULL : scan_dkim_verifier(scan);

	if (state == NULL || verifier == NULL || verifier->is_done)
		return run(scan, call);
	if (state->waiters.count == 0 && !scan_dkim_when_done(scan, signatures_came, NULL))
		return run(scan, call);
	(void)vec_push(scan->arena, &state->waiters, (struct spoof_waiter){*call, run});
	return EVAL_PENDING;
}

static int
decide_spoof(struct scan *scan, const struct eval_call *call)
{
	const struct fromnamespoof_settings *settings = call->settings;
	const struct spoof_state *state = spoof(scan);
	struct slice arg = eval_arg(call, 0);
	double level = arg.len == 1 && arg.data[0] >= '0' && arg.data[0] <= '2' ? arg.data[0] - '0'
	                                                                        : settings->check;

	if (state == NULL || !state->address_differs)
		return 0;
	return level == 0 || (level == 1 ? state->owner_differs : state->domain_differs);
}

static int
check_spoof(struct scan *scan, const struct eval_call *call)
{
	return run_informed(scan, call, decide_spoof);
}

#define SPOOF_EVAL(function, field)                                                                \
	static int decide_##field(struct scan *scan, const struct eval_call *call)                 \
	{                                                                                          \
		const struct spoof_state *state = spoof(scan);                                     \
                                                                                                   \
		(void)call;                                                                        \
		return state != NULL && state->field;                                              \
	}                                                                                          \
	static int function(struct scan *scan, const struct eval_call *call)                       \
	{                                                                                          \
		return run_informed(scan, call, decide_##field);                                   \
	}
SPOOF_EVAL(check_different, address_differs)
SPOOF_EVAL(check_domain_differ, domain_differs)
SPOOF_EVAL(check_owners_differ, owner_differs)
SPOOF_EVAL(check_contains_email, has_address)
SPOOF_EVAL(check_equals_to, is_to)
SPOOF_EVAL(check_equals_replyto, is_reply_to)

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_fromname_contains_email", EVAL_HEADER, check_contains_email, NULL },
	{ "check_fromname_different", EVAL_HEADER, check_different, NULL },
	{ "check_fromname_domain_differ", EVAL_HEADER, check_domain_differ, NULL },
	{ "check_fromname_equals_replyto", EVAL_HEADER, check_equals_replyto, NULL },
	{ "check_fromname_equals_to", EVAL_HEADER, check_equals_to, NULL },
	{ "check_fromname_owners_differ", EVAL_HEADER, check_owners_differ, NULL },
	{ "check_fromname_spoof", EVAL_HEADER, check_spoof, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

const struct plugin plugin_fromnamespoof = {
	.id = PLUGIN_ID_fromnamespoof,
	.class_name = "Mail::SpamAssassin::Plugin::FromNameSpoof",
	.module = {.name = "fromnamespoof",
                   .settings_size = sizeof(struct fromnamespoof_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = 1,
	.state_size = sizeof(struct spoof_state),
};
