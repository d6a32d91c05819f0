/*
 * core.c - settings of the core: directive table and the parsers of those with a syntax of their
 * own
 */
#include "conf/core.h"

#include "conf/value.h"

/* ---- headers and rewriting ---- */

static bool
own_headers(struct conf_reader *reader, struct core_header_list *list)
{
	size_t size = list->count < 8 ? 16 : list->count * 2;
	struct core_header *items;

	if (list->arena == reader->arena && list->count < list->size)
		return true;
	items = arena_new_array(reader->arena, struct core_header, size);
	if (items == NULL)
		return false;
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	*list = (struct core_header_list){reader->arena, items, list->count, size};
	return true;
}

static void
remove_header(struct conf_reader *reader, struct core_header_list *list, struct slice name)
{
	size_t kept = 0;

	if (!own_headers(reader, list))
		return;
	for (size_t i = 0; i < list->count; i++)
		if (!slice_ieq(list->items[i].name, name))
			list->items[kept++] = list->items[i];
	list->count = kept;
}

static void
set_header(struct conf_reader *reader, struct core_header_list *list, struct slice name,
           struct slice text)
{
	remove_header(reader, list, name);
	if (own_headers(reader, list))
		list->items[list->count++] = (struct core_header){name, text};
}

/* \\ is a backslash, \t a tab, \n a line end; any other backslash goes with its character. */
static struct slice
unescape(struct arena *arena, struct slice text)
{
	unsigned char *out = arena_bytes(arena, text.len + 1);
	size_t n = 0;

	if (out == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.data[i];

		if (c != '\\') {
			out[n++] = c;
			continue;
		}
		c = ++i < text.len ? text.data[i] : '\0';
		if (c == '\\')
			out[n++] = '\\';
		else if (c == 't')
			out[n++] = '\t';
		else if (c == 'n')
			out[n++] = '\n';
	}
	return slice_of(out, n);
}

static bool
is_header_kind(struct slice kind)
{
	return slice_eq(kind, SLICE("ham")) || slice_eq(kind, SLICE("spam")) ||
	       slice_eq(kind, SLICE("all"));
}

static bool
is_header_name(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_word(name.data[i]) && name.data[i] != '-')
			return false;
	return name.len > 0;
}

static enum conf_result
parse_add_header(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct core_settings *core = settings;
	struct slice rest, kind = conf_split(value, &rest), name, text;

	(void)d;
	name = conf_split(rest, &text);
	if (!is_header_kind(kind) || !is_header_name(name) || text.len == 0)
		return CONF_INVALID;
	if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
		text = slice_sub(text, 1, text.len - 2);
	text = unescape(reader->arena, text);
	if (!slice_eq(kind, SLICE("spam")))
		set_header(reader, &core->headers_ham, name, text);
	if (!slice_eq(kind, SLICE("ham")))
		set_header(reader, &core->headers_spam, name, text);
	return CONF_OK;
}

static enum conf_result
parse_remove_header(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	struct core_settings *core = settings;
	struct slice name, kind = conf_split(value, &name);

	(void)d;
	if (!is_header_kind(kind) || !is_header_name(name))
		return CONF_INVALID;
	if (slice_eq(name, SLICE("Checker-Version")))
		return CONF_OK;
	if (!slice_eq(kind, SLICE("spam")))
		remove_header(reader, &core->headers_ham, name);
	if (!slice_eq(kind, SLICE("ham")))
		remove_header(reader, &core->headers_spam, name);
	return CONF_OK;
}

/* Checker-Version always stays: by it a message is known to have been here. */
static enum conf_result
parse_clear_headers(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	struct core_settings *core = settings;
	const struct core_header *kept = NULL;

	(void)d, (void)value;
	for (size_t i = 0; i < core->headers_ham.count; i++)
		if (slice_eq(core->headers_ham.items[i].name, SLICE("Checker-Version")))
			kept = &core->headers_ham.items[i];
	core->headers_spam = core->headers_ham = (struct core_header_list){0};
	if (kept != NULL) {
		set_header(reader, &core->headers_ham, kept->name, kept->text);
		set_header(reader, &core->headers_spam, kept->name, kept->text);
	}
	return CONF_OK;
}

static enum conf_result
parse_rewrite_header(struct conf_reader *reader, void *settings, const struct directive *d,
                     struct slice value)
{
	struct core_settings *core = settings;
	struct slice text, name = conf_split(value, &text);
	unsigned char *copy;

	(void)d;
	if (name.len == 0)
		return CONF_MISSING;
	if (slice_ieq(name, SLICE("subject"))) {
		core->rewrite_subject = text;
		return CONF_OK;
	}
	if (!slice_ieq(name, SLICE("from")) && !slice_ieq(name, SLICE("to"))) {
		log_info(reader->log, "config",
		         "rewrite_header: ignoring %.*s, not From, Subject, or To",
		         SLICE_FMT(name));
		return CONF_INVALID;
	}
	/* The text becomes a comment in the header, so its parentheses may not end it. */
	copy = arena_bytes(reader->arena, text.len + 1);
	if (copy == NULL)
		return CONF_FAILED;
	for (size_t i = 0; i < text.len; i++)
		copy[i] = text.data[i] == '(' ? '[' : text.data[i] == ')' ? ']' : text.data[i];
	*(slice_ieq(name, SLICE("from")) ? &core->rewrite_from : &core->rewrite_to) =
		slice_of(copy, text.len);
	return CONF_OK;
}

static enum conf_result
parse_report_safe(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	struct core_settings *core = settings;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (value.len != 1 || value.data[0] < '0' || value.data[0] > '2')
		return CONF_INVALID;
	core->report_safe = value.data[0] - '0';
	if (core->report_safe != 0)
		return CONF_OK;
	for (size_t i = 0; i < core->headers_spam.count; i++)
		if (slice_eq(core->headers_spam.items[i].name, SLICE("Report")))
			return CONF_OK;
	set_header(reader, &core->headers_spam, SLICE("Report"), SLICE("_REPORT_"));
	return CONF_OK;
}

static enum conf_result
clear_template(struct conf_reader *reader, void *settings, const struct directive *d,
               struct slice value)
{
	(void)reader, (void)value;
	*(struct slice *)(void *)((unsigned char *)settings + d->offset) = SLICE_NULL;
	return CONF_OK;
}

static enum conf_result
parse_version_tag(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	struct core_settings *core = settings;
	struct slice lower;
	unsigned char *copy;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	lower = arena_dup_lower(reader->arena, value);
	copy = arena_bytes(reader->arena, lower.len + 1);
	if (copy == NULL)
		return CONF_FAILED;
	for (size_t i = 0; i < lower.len; i++)
		copy[i] =
			byte_is_alnum(lower.data[i]) || lower.data[i] == '.' ? lower.data[i] : '_';
	lower = slice_of(copy, lower.len);
	if (slice_find(core->version_tag, lower, 0) == SLICE_NPOS)
		core->version_tag =
			core->version_tag.len == 0
				? lower
				: arena_printf(reader->arena, "%.*s-%.*s",
		                               SLICE_FMT(core->version_tag), SLICE_FMT(lower));
	return CONF_OK;
}

/* ---- networks ---- */

static enum conf_result
parse_networks(struct conf_reader *reader, void *settings, const struct directive *d,
               struct slice value)
{
	struct core_networks *nets = (void *)((unsigned char *)settings + d->offset);
	struct slice word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_words_add(reader, &nets->nets, word))
			return CONF_FAILED;
	nets->configured = true;
	return CONF_OK;
}

static enum conf_result
clear_networks(struct conf_reader *reader, void *settings, const struct directive *d,
               struct slice value)
{
	(void)reader, (void)value;
	*(struct core_networks *)(void *)((unsigned char *)settings + d->offset) =
		(struct core_networks){0};
	return CONF_OK;
}

static enum conf_result
parse_originating(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_words_has(&core->originating_ip_headers, word, true) &&
		    !conf_words_add(reader, &core->originating_ip_headers, word))
			return CONF_FAILED;
	return CONF_OK;
}

static enum conf_result
clear_words(struct conf_reader *reader, void *settings, const struct directive *d,
            struct slice value)
{
	(void)reader, (void)value;
	conf_words_clear((void *)((unsigned char *)settings + d->offset));
	return CONF_OK;
}

static enum conf_result
clear_table(struct conf_reader *reader, void *settings, const struct directive *d,
            struct slice value)
{
	(void)reader, (void)value;
	conf_table_clear((void *)((unsigned char *)settings + d->offset));
	return CONF_OK;
}

/* ---- address and host lists ---- */

static enum conf_result
remove_from_list(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct addrlist *list = (void *)((unsigned char *)settings + d->offset);
	struct slice word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		(void)addrlist_remove(list, reader->arena, word);
	return CONF_OK;
}

static enum conf_result
remove_auth(struct conf_reader *reader, void *settings, const struct directive *d,
            struct slice value)
{
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		(void)addrlist_remove(&core->welcomelist_auth, reader->arena, word);
		(void)addrlist_remove(&core->def_welcomelist_auth, reader->arena, word);
	}
	return CONF_OK;
}

static enum conf_result
parse_from_rcvd(struct conf_reader *reader, void *settings, const struct directive *d,
                struct slice value)
{
	struct addrlist *list = (void *)((unsigned char *)settings + d->offset);
	struct slice rest, addr = conf_split(value, &rest), domain, extra;
	struct addrlist_entry *entry;
	struct conf_words *domains;

	if (value.len == 0)
		return CONF_MISSING;
	domain = conf_split(rest, &extra);
	if (domain.len == 0 || extra.len > 0)
		return CONF_INVALID;
	entry = addrlist_add(list, reader->arena, addr);
	domains = arena_new(reader->arena, struct conf_words);
	if (entry == NULL || domains == NULL)
		return CONF_FAILED;
	if (entry->data != NULL)
		*domains = *(struct conf_words *)entry->data;
	if (!conf_words_add(reader, domains, arena_dup_lower(reader->arena, domain)))
		return CONF_FAILED;
	entry->data = domains;
	return CONF_OK;
}

static enum conf_result
remove_from_rcvd(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		(void)addrlist_remove(&core->welcomelist_from_rcvd, reader->arena, word);
		(void)addrlist_remove(&core->def_welcomelist_from_rcvd, reader->arena, word);
	}
	return CONF_OK;
}

/* "(LIST) rest": the name between the parentheses, or data NULL. */
static struct slice
list_name(struct slice value, struct slice *rest_r)
{
	size_t close = slice_find_byte(value, ')', 0);

	if (value.len == 0 || value.data[0] != '(' || close == SLICE_NPOS || close < 2)
		return SLICE_NULL;
	*rest_r = slice_ltrim(slice_from(value, close + 1));
	return slice_sub(value, 1, close - 1);
}

static enum conf_result
parse_enlist_addrlist(struct conf_reader *reader, void *settings, const struct directive *d,
                      struct slice value)
{
	struct core_settings *core = settings;
	struct slice rest = SLICE_NULL, name = list_name(value, &rest), word;
	struct addrlist *list, *copy;

	(void)d;
	if (name.data == NULL || rest.len == 0)
		return CONF_MISSING;
	if (core->addrlists.arena != reader->arena) {
		struct hashmap old = core->addrlists;

		hashmap_init(&core->addrlists, reader->arena);
		for (size_t i = 0; i < old.count; i++)
			hashmap_set(&core->addrlists, old.entries[i].key, old.entries[i].value);
	}
	list = hashmap_get(&core->addrlists, name);
	if (list == NULL || list->arena != reader->arena) {
		copy = arena_new(reader->arena, struct addrlist);
		if (copy == NULL)
			return CONF_FAILED;
		if (list != NULL)
			*copy = *list;
		list = copy;
	}
	while (slice_next_word(&rest, &word))
		if (addrlist_add(list, reader->arena, word) == NULL)
			return CONF_FAILED;
	return hashmap_set(&core->addrlists, name, list) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
enlist_hosts(struct conf_reader *reader, struct core_settings *core, struct slice list,
             struct slice hosts)
{
	struct slice word;

	if (!conf_table_set(reader, &core->uri_host_lists, list, list))
		return CONF_FAILED;
	while (slice_next_word(&hosts, &word)) {
		bool listed = word.data[0] != '!';
		struct slice host =
			arena_dup_lower(reader->arena, listed ? word : slice_from(word, 1));
		struct slice key =
			arena_printf(reader->arena, "%.*s %.*s", SLICE_FMT(list), SLICE_FMT(host));

		if (!conf_table_set(reader, &core->uri_hosts, key,
		                    listed ? SLICE("1") : SLICE("0")))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
parse_enlist_uri_host(struct conf_reader *reader, void *settings, const struct directive *d,
                      struct slice value)
{
	struct slice rest = SLICE_NULL, name = list_name(value, &rest);

	(void)d;
	if (name.data == NULL)
		return CONF_MISSING;
	return enlist_hosts(reader, settings, name, rest);
}

static enum conf_result
parse_delist_uri_host(struct conf_reader *reader, void *settings, const struct directive *d,
                      struct slice value)
{
	struct core_settings *core = settings;
	struct slice rest = value, name = list_name(value, &rest), word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&rest, &word)) {
		struct slice host = arena_dup_lower(
			reader->arena, word.data[0] == '!' ? slice_from(word, 1) : word);

		for (size_t i = 0; i < core->uri_host_lists.map.count; i++) {
			struct slice list = core->uri_host_lists.map.entries[i].key;

			if (name.data == NULL || slice_eq(name, list))
				conf_table_remove(reader, &core->uri_hosts,
				                  arena_printf(reader->arena, "%.*s %.*s",
				                               SLICE_FMT(list), SLICE_FMT(host)));
		}
	}
	return CONF_OK;
}

static enum conf_result
parse_blocklist_uri_host(struct conf_reader *reader, void *settings, const struct directive *d,
                         struct slice value)
{
	return enlist_hosts(reader, settings, d->offset == 0 ? SLICE("BLOCK") : SLICE("WELCOME"),
	                    value);
}

const struct addrlist *
conf_addrlist(const struct core_settings *core, struct slice name)
{
	const struct addrlist *list = hashmap_get(&core->addrlists, name);

	if (list != NULL)
		return list;
	for (size_t i = 0; i < conf_core_module.directive_count; i++) {
		const struct directive *d = &conf_core_module.directives[i];

		if (d->type == CONF_ADDRLIST &&
		    (slice_eq(name, slice_from_cstr(d->name)) ||
		     (d->alias != NULL && slice_eq(name, slice_from_cstr(d->alias)))))
			return (const void *)((const unsigned char *)core + d->offset);
	}
	return NULL;
}

/* ---- registry boundaries ---- */

static enum conf_result
parse_util_rb(struct conf_reader *reader, void *settings, const struct directive *d,
              struct slice value)
{
	struct conf_table *table = (void *)((unsigned char *)settings + d->offset);
	size_t dots = slice_eq(slice_from_cstr(d->name), SLICE("util_rb_tld"))    ? 0
	              : slice_eq(slice_from_cstr(d->name), SLICE("util_rb_2tld")) ? 1
	                                                                          : 2;
	struct slice rest = value, word;

	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&rest, &word)) {
		size_t n = 0;

		for (size_t i = 0; i < word.len; i++)
			n += word.data[i] == '.';
		if (n != dots)
			return CONF_INVALID;
	}
	while (slice_next_word(&value, &word)) {
		struct slice lower = arena_dup_lower(reader->arena, word);

		if (!conf_table_set(reader, table, lower, lower))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
clear_util_rb(struct conf_reader *reader, void *settings, const struct directive *d,
              struct slice value)
{
	struct core_settings *core = settings;

	(void)reader, (void)d, (void)value;
	conf_table_clear(&core->util_rb_tld);
	conf_table_clear(&core->util_rb_2tld);
	conf_table_clear(&core->util_rb_3tld);
	return CONF_OK;
}

static enum conf_result
parse_redirector(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct core_settings *core = settings;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	return conf_words_add(reader, &core->redirector_patterns, value) ? CONF_OK : CONF_FAILED;
}

/* ---- choices ---- */

static enum conf_result
check_lock_method(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	(void)reader, (void)settings, (void)d;
	return slice_eq(value, SLICE("nfssafe")) || slice_eq(value, SLICE("flock")) ||
	                       slice_eq(value, SLICE("win32"))
	               ? CONF_OK
	               : CONF_INVALID;
}

static enum conf_result
check_dns_available(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	static const char *const words[] = {"yes", "1", "no", "0", "test"};

	(void)reader, (void)settings, (void)d;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_eq(value, slice_from_cstr(words[i])))
			return CONF_OK;
	return slice_starts(value, SLICE("test:")) ? CONF_OK : CONF_INVALID;
}

static enum conf_result
parse_allow_user_rules(struct conf_reader *reader, void *settings, const struct directive *d,
                       struct slice value)
{
	struct core_settings *core = settings;

	(void)reader, (void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (!slice_eq(value, SLICE("0")) && !slice_eq(value, SLICE("1")))
		return CONF_INVALID;
	core->allow_user_rules = value.data[0] == '1';
	return CONF_OK;
}

static enum conf_result
parse_octal_mode(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	(void)reader;
	if (value.len == 0)
		return CONF_MISSING;
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] < '0' || value.data[i] > '7')
			return CONF_INVALID;
	if (value.len != 3 && (value.len != 4 || value.data[0] != '0'))
		return CONF_INVALID;
	*(struct slice *)(void *)((unsigned char *)settings + d->offset) = value;
	return CONF_OK;
}

static enum conf_result
parse_enable_compat(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	(void)settings, (void)d;
	if (value.len == 0)
		return CONF_MISSING;
	for (size_t i = 0; i < value.len; i++)
		if (!byte_is_word(value.data[i]))
			return CONF_INVALID;
	if (value.len > 128)
		return CONF_INVALID;
	return hashmap_set(&reader->conf->compat, value, reader->conf) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
parse_ignore_header(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word))
		if (!conf_words_add(reader, &core->bayes_ignore_header,
		                    arena_dup_lower(reader->arena, word)))
			return CONF_FAILED;
	return CONF_OK;
}

static enum conf_result
parse_token_sources(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	static const char *const names[] = {"all",       "none", "header",  "visible",
	                                    "invisible", "uri",  "mimepart"};
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&value, &word)) {
		struct slice lower = arena_dup_lower(reader->arena, word), bare = lower;
		bool known = false;

		if (slice_starts(lower, SLICE("no")) && !slice_eq(lower, SLICE("none")))
			bare = slice_from(lower, 2);
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			known |= slice_eq(bare, slice_from_cstr(names[i]));
		if (!known)
			return CONF_INVALID;
		if (!conf_words_add(reader, &core->bayes_token_sources, lower))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
parse_store_module(struct conf_reader *reader, void *settings, const struct directive *d,
                   struct slice value)
{
	struct core_settings *core = settings;

	(void)reader, (void)d;
	for (size_t i = 0; i < value.len; i++)
		if (!byte_is_word(value.data[i]) && value.data[i] != ':')
			return CONF_INVALID;
	if (value.len == 0)
		return CONF_INVALID;
	core->bayes_store_module = value;
	return CONF_OK;
}

/* ---- DNS ---- */

static bool
is_port(struct slice s)
{
	unsigned long long port;

	return slice_to_u64(s, 65535, &port) && port > 0;
}

static bool
is_address_text(struct slice s)
{
	size_t at = slice_span(s, "0123456789abcdefABCDEF:.", 0);

	if (at != SLICE_NPOS && s.data[at] == '%')
		return at > 1 && at + 1 < s.len;
	return at == SLICE_NPOS && s.len > 1 && slice_find_any(s, ".:", 0) != SLICE_NPOS;
}

/* IP, IP:port, [IP], [IP%scope]:port; an unbracketed IPv6 address has no port. */
static enum conf_result
parse_dns_server(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct core_settings *core = settings;
	struct slice addr = value;
	size_t at;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (value.data[0] == '[') {
		at = slice_find_byte(value, ']', 0);
		if (at == SLICE_NPOS)
			return CONF_INVALID;
		addr = slice_sub(value, 1, at - 1);
		if (at + 1 < value.len &&
		    (value.data[at + 1] != ':' || !is_port(slice_from(value, at + 2))))
			return CONF_INVALID;
	} else if ((at = slice_find_byte(value, ':', 0)) != SLICE_NPOS &&
	           slice_rfind_byte(value, ':') == at) {
		addr = slice_sub(value, 0, at);
		if (!is_port(slice_from(value, at + 1)))
			return CONF_INVALID;
	}
	if (!is_address_text(addr))
		return CONF_INVALID;
	return conf_words_add(reader, &core->dns_servers, value) ? CONF_OK : CONF_FAILED;
}

static enum conf_result
parse_local_ports(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	struct core_settings *core = settings;
	struct slice kind = slice_from(slice_from_cstr(d->name), sizeof("dns_local_ports_") - 1);
	bool permit = slice_eq(kind, SLICE("permit"));
	size_t i = 0;

	if (!slice_eq(kind, SLICE("none")) && value.len == 0)
		return CONF_MISSING;
	while (i < value.len) {
		size_t end = slice_find_any(value, " \t,", i), dash;
		struct slice range = slice_sub(value, i, end == SLICE_NPOS ? SLICE_NPOS : end - i),
			     low, high;
		unsigned long long a, b;

		i = end == SLICE_NPOS ? value.len : end + 1;
		if (range.len == 0)
			continue;
		dash = slice_find_byte(range, '-', 0);
		low = slice_sub(range, 0, dash == SLICE_NPOS ? range.len : dash);
		high = dash == SLICE_NPOS ? low : slice_from(range, dash + 1);
		if (!slice_to_u64(low, 65535, &a) || !slice_to_u64(high, 65535, &b) ||
		    (permit && a == 0))
			return CONF_INVALID;
	}
	return conf_words_add(
		       reader, &core->dns_local_ports,
		       arena_printf(reader->arena, "%.*s %.*s", SLICE_FMT(kind), SLICE_FMT(value)))
	               ? CONF_OK
	               : CONF_FAILED;
}

static void
set_ports(unsigned char *bits, struct slice range, bool on)
{
	size_t dash = slice_find_byte(range, '-', 0);
	unsigned long long low, high;

	if (!slice_to_u64(slice_sub(range, 0, dash), 65535, &low) ||
	    !slice_to_u64(dash == SLICE_NPOS ? range : slice_from(range, dash + 1), 65535, &high))
		return;
	for (size_t port = (size_t)low; port <= high; port++) {
		unsigned char bit = (unsigned char)(1U << (port % 8));

		bits[port / 8] = (unsigned char)(on ? bits[port / 8] | bit : bits[port / 8] & ~bit);
	}
}

size_t
core_local_ports(const struct core_settings *core, unsigned char *bits)
{
	size_t count = 0;

	memset(bits, 0xff, CORE_PORTS_BYTES);
	memset(bits, 0, 1024 / 8); /* privileged ones */
	for (size_t i = 0; i < core->dns_local_ports.count; i++) {
		struct slice rest, verb = conf_split(core->dns_local_ports.items[i], &rest);
		bool permit = slice_eq(verb, SLICE("permit"));

		if (slice_eq(verb, SLICE("none")))
			memset(bits, 0, CORE_PORTS_BYTES);
		while (rest.len > 0) {
			size_t end = slice_find_any(rest, " \t,", 0);

			set_ports(bits, slice_sub(rest, 0, end), permit);
			rest = end == SLICE_NPOS ? SLICE_NULL : slice_from(rest, end + 1);
		}
	}
	for (size_t i = 0; i < CORE_PORTS_BYTES; i++)
		count += (size_t)__builtin_popcount(bits[i]);
	return count;
}

static enum conf_result
parse_dns_options(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	static const char *const names[] = {"rotate", "dns0x20", "v4", "v6", "edns", "edns0"};
	struct core_settings *core = settings;
	struct slice rest = arena_dup_lower(reader->arena, value), word;

	(void)d;
	while (rest.len > 0) {
		size_t end = slice_find_any(rest, " \t,", 0), eq;
		struct slice name, text = SLICE("1");
		bool known = false, off;
		unsigned long long size;

		word = slice_sub(rest, 0, end);
		rest = end == SLICE_NPOS ? SLICE_NULL : slice_from(rest, end + 1);
		if (word.len == 0)
			continue;
		eq = slice_find_byte(word, '=', 0);
		name = slice_sub(word, 0, eq);
		off = slice_starts(name, SLICE("no"));
		if (off)
			name = slice_from(name, 2), text = SLICE("0");
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			known |= slice_eq(name, slice_from_cstr(names[i]));
		if (!known || (eq != SLICE_NPOS && (off || !slice_starts(name, SLICE("edns")))))
			return CONF_INVALID;
		if (slice_eq(name, SLICE("edns0")))
			name = SLICE("edns");
		if (slice_eq(name, SLICE("edns")) && !off) {
			text = eq == SLICE_NPOS ? SLICE("1220") : slice_from(word, eq + 1);
			if (!slice_to_u64(text, 65535, &size))
				return CONF_INVALID;
			if (size == 0)
				text = SLICE("1220");
		}
		if (!conf_table_set(reader, &core->dns_options, name, text))
			return CONF_FAILED;
		if (slice_eq(name, SLICE("edns")) && !off && slice_to_u64(text, 65535, &size) &&
		    size < 512)
			return CONF_INVALID;
	}
	return CONF_OK;
}

static enum conf_result
parse_query_restriction(struct conf_reader *reader, void *settings, const struct directive *d,
                        struct slice value)
{
	struct core_settings *core = settings;
	struct slice rest, verb = conf_split(value, &rest), word;
	bool allow = slice_ieq(verb, SLICE("allow"));

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if ((!allow && !slice_ieq(verb, SLICE("deny"))) || rest.len == 0)
		return CONF_INVALID;
	while (slice_next_word(&rest, &word)) {
		struct slice domain = arena_dup_lower(reader->arena, word);

		if (domain.data[0] == '.')
			domain = slice_from(domain, 1);
		if (domain.len > 0 && domain.data[domain.len - 1] == '.')
			domain.len--;
		if (!conf_table_set(reader, &core->dns_query_restriction, domain,
		                    allow ? SLICE("1") : SLICE("0")))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
parse_block_rule(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct core_settings *core = settings;
	struct slice rest, rule = conf_split(value, &rest), word, before;

	(void)d;
	if (rest.len == 0)
		return CONF_MISSING;
	while (slice_next_word(&rest, &word)) {
		struct slice domain = arena_dup_lower(reader->arena, word);

		for (size_t i = 0; i < domain.len; i++)
			if (!byte_is_word(domain.data[i]) && domain.data[i] != '.' &&
			    domain.data[i] != '-')
				return CONF_INVALID;
		before = conf_table_get(&core->dns_block_rule, domain);
		if (!conf_table_set(reader, &core->dns_block_rule, domain,
		                    before.data == NULL
		                            ? rule
		                            : arena_printf(reader->arena, "%.*s %.*s",
		                                           SLICE_FMT(before), SLICE_FMT(rule))))
			return CONF_FAILED;
	}
	return CONF_OK;
}

/* T [T_min] [zone], kept as written for the resolver. */
static enum conf_result
parse_rbl_timeout(struct conf_reader *reader, void *settings, const struct directive *d,
                  struct slice value)
{
	struct core_settings *core = settings;
	struct slice rest, word = conf_split(value, &rest);
	double seconds;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (conf_parse_duration(word, &seconds) != CONF_OK)
		return CONF_INVALID;
	word = conf_split(rest, &rest);
	if (word.len > 0 && conf_parse_duration(word, &seconds) == CONF_OK)
		word = conf_split(rest, &rest);
	if (rest.len > 0 || (word.len > 0 && !byte_is_alpha(word.data[word.len - 1])))
		return CONF_INVALID;
	return conf_words_add(reader, &core->rbl_timeouts, value) ? CONF_OK : CONF_FAILED;
}

/* ---- geography ---- */

/* KIND[:PATH]...; without a path the kind is searched for again. */
static enum conf_result
parse_geodb_options(struct conf_reader *reader, void *settings, const struct directive *d,
                    struct slice value)
{
	static const char *const kinds[] = {"country", "city", "isp"};
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	while (slice_next_word(&value, &word)) {
		size_t colon = slice_find_byte(word, ':', 0);
		struct slice kind = slice_sub(word, 0, colon);
		bool known = false;

		if (slice_ieq(kind, SLICE("reset"))) {
			conf_table_clear(&core->geodb_options);
			continue;
		}
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			known |= slice_ieq(kind, slice_from_cstr(kinds[i]));
		if (!known)
			return CONF_INVALID;
		if (!conf_table_set(reader, &core->geodb_options,
		                    arena_dup_lower(reader->arena, kind),
		                    colon == SLICE_NPOS ? SLICE("") : slice_from(word, colon + 1)))
			return CONF_FAILED;
	}
	return CONF_OK;
}

static enum conf_result
parse_geodb_path(struct conf_reader *reader, void *settings, const struct directive *d,
                 struct slice value)
{
	struct core_settings *core = settings;
	struct slice word;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (slice_eq(value, SLICE("reset"))) {
		conf_words_clear(&core->geodb_search_path);
		return CONF_OK;
	}
	while (slice_next_word(&value, &word))
		if (!conf_words_add(reader, &core->geodb_search_path, word))
			return CONF_FAILED;
	return CONF_OK;
}

static enum conf_result
parse_country_db_type(struct conf_reader *reader, void *settings, const struct directive *d,
                      struct slice value)
{
	static const struct {
		const char *has, *module;
	} rows[] = {{"GeoIP2", "geoip2"}, {"Geo", "geoip"}, {"Fast", "fast"}};
	struct core_settings *core = settings;

	log_warn(reader->log, "config", "deprecated setting used, change %s to geodb_module",
	         d->name);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (slice_ifind(value, slice_from_cstr(rows[i].has), 0) != SLICE_NPOS) {
			core->geodb_module = slice_from_cstr(rows[i].module);
			return CONF_OK;
		}
	return CONF_INVALID;
}

static enum conf_result
parse_country_db_path(struct conf_reader *reader, void *settings, const struct directive *d,
                      struct slice value)
{
	struct core_settings *core = settings;
	bool isp = slice_find(slice_from_cstr(d->name), SLICE("isp"), 0) != SLICE_NPOS;

	log_warn(reader->log, "config", "deprecated setting used, change %s to geodb_options",
	         d->name);
	if (value.len == 0)
		return CONF_INVALID;
	return conf_table_set(reader, &core->geodb_options, isp ? SLICE("isp") : SLICE("country"),
	                      value)
	               ? CONF_OK
	               : CONF_FAILED;
}

static enum conf_result
parse_geodb_module(struct conf_reader *reader, void *settings, const struct directive *d,
                   struct slice value)
{
	static const struct {
		const char *name, *module;
	} rows[] = {
		{"maxmind::db::reader", "geoip2"},
		{"geoip2::database::reader", "geoip2"},
		{"geoip2", "geoip2"},
		{"geo::ip", "geoip"},
		{"geoip", "geoip"},
		{"ip::country::db_file", "dbfile"},
		{"db_file", "dbfile"},
		{"ip::country::fast", "fast"},
		{"fast", "fast"},
	};
	struct core_settings *core = settings;

	(void)reader, (void)d;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (slice_ieq(value, slice_from_cstr(rows[i].name))) {
			core->geodb_module = slice_from_cstr(rows[i].module);
			return CONF_OK;
		}
	return CONF_INVALID;
}

/* ---- the table ---- */

#define STANDARD_HEADER "all Checker-Version SpamAssassin _VERSION_ (_SUBVERSION_) on _HOSTNAME_"
#define AT(field) offsetof(struct core_settings, field)

/* clang-format off */
static const struct directive directives[] = {
	/* name, alias, type, scope, offset, default, parser */
	{ "add_header", NULL, CONF_CUSTOM, CONF_USER, 0, STANDARD_HEADER, parse_add_header },
	{ "all_spam_to", NULL, CONF_ADDRLIST, CONF_USER, AT(all_spam_to), NULL, NULL },
	{ "allow_user_rules", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_allow_user_rules },
	{ "always_trust_envelope_sender", NULL, CONF_BOOL, CONF_USER, AT(always_trust_envelope_sender), NULL, NULL },
	{ "bayes_auto_expire", NULL, CONF_BOOL, CONF_USER, AT(bayes_auto_expire), "1", NULL },
	{ "bayes_auto_learn", NULL, CONF_BOOL, CONF_USER, AT(bayes_auto_learn), "1", NULL },
	{ "bayes_expiry_max_db_size", NULL, CONF_NUMERIC, CONF_USER, AT(bayes_expiry_max_db_size), "150000", NULL },
	{ "bayes_file_mode", NULL, CONF_CUSTOM, CONF_ADMIN, AT(bayes_file_mode), "0700", parse_octal_mode },
	{ "bayes_ignore_from", NULL, CONF_ADDRLIST, CONF_USER, AT(bayes_ignore_from), NULL, NULL },
	{ "bayes_ignore_header", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_ignore_header },
	{ "bayes_ignore_to", NULL, CONF_ADDRLIST, CONF_USER, AT(bayes_ignore_to), NULL, NULL },
	{ "bayes_journal_max_size", NULL, CONF_NUMERIC, CONF_USER, AT(bayes_journal_max_size), "102400", NULL },
	{ "bayes_learn_during_report", NULL, CONF_BOOL, CONF_USER, AT(bayes_learn_during_report), "1", NULL },
	{ "bayes_learn_to_journal", NULL, CONF_BOOL, CONF_USER, AT(bayes_learn_to_journal), "0", NULL },
	{ "bayes_min_ham_num", NULL, CONF_NUMERIC, CONF_USER, AT(bayes_min_ham_num), "200", NULL },
	{ "bayes_min_spam_num", NULL, CONF_NUMERIC, CONF_USER, AT(bayes_min_spam_num), "200", NULL },
	{ "bayes_path", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_path), "__userstate__/bayes", NULL },
	{ "bayes_redis_database", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_redis_database), NULL, NULL },
	{ "bayes_redis_password", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_redis_password), NULL, NULL },
	{ "bayes_redis_prefix", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_redis_prefix), NULL, NULL },
	{ "bayes_redis_read_servers", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_redis_read_servers), NULL, NULL },
	{ "bayes_redis_write_server", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_redis_write_server), NULL, NULL },
	{ "bayes_seen_ttl", NULL, CONF_DURATION, CONF_USER, AT(bayes_seen_ttl), "8d", NULL },
	{ "bayes_sql_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_sql_dsn), NULL, NULL },
	{ "bayes_sql_override_username", NULL, CONF_STRING, CONF_USER, AT(bayes_sql_override_username), NULL, NULL },
	{ "bayes_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_sql_password), NULL, NULL },
	{ "bayes_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(bayes_sql_username), NULL, NULL },
	{ "bayes_sql_username_authorized", NULL, CONF_BOOL, CONF_ADMIN, AT(bayes_sql_username_authorized), NULL, NULL },
	{ "bayes_store_module", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_store_module },
	{ "bayes_token_sources", NULL, CONF_CUSTOM, CONF_USER, 0, "header visible invisible uri", parse_token_sources },
	{ "bayes_token_ttl", NULL, CONF_DURATION, CONF_USER, AT(bayes_token_ttl), "3w", NULL },
	{ "bayes_use_hapaxes", NULL, CONF_BOOL, CONF_USER, AT(bayes_use_hapaxes), "1", NULL },
	{ "blocklist_from", "blacklist_from", CONF_ADDRLIST, CONF_USER, AT(blocklist_from), NULL, NULL },
	{ "blocklist_to", "blacklist_to", CONF_ADDRLIST, CONF_USER, AT(blocklist_to), NULL, NULL },
	{ "blocklist_uri_host", "blacklist_uri_host", CONF_CUSTOM, CONF_USER, 0, NULL, parse_blocklist_uri_host },
	{ "body_part_scan_size", NULL, CONF_NUMERIC, CONF_ADMIN, AT(body_part_scan_size), "50000", NULL },
	{ "clear_dns_query_restriction", "clear_dns_query_restrictions", CONF_NOARGS, CONF_USER, AT(dns_query_restriction), NULL, clear_table },
	{ "clear_dns_servers", NULL, CONF_NOARGS, CONF_USER, AT(dns_servers), NULL, clear_words },
	{ "clear_headers", NULL, CONF_NOARGS, CONF_USER, 0, NULL, parse_clear_headers },
	{ "clear_internal_networks", NULL, CONF_NOARGS, CONF_USER, AT(internal_networks), NULL, clear_networks },
	{ "clear_msa_networks", NULL, CONF_NOARGS, CONF_USER, AT(msa_networks), NULL, clear_networks },
	{ "clear_originating_ip_headers", NULL, CONF_NOARGS, CONF_USER, AT(originating_ip_headers), NULL, clear_words },
	{ "clear_report_template", NULL, CONF_NOARGS, CONF_USER, AT(report), NULL, clear_template },
	{ "clear_trusted_networks", NULL, CONF_NOARGS, CONF_USER, AT(trusted_networks), NULL, clear_networks },
	{ "clear_unsafe_report_template", NULL, CONF_NOARGS, CONF_USER, AT(unsafe_report), NULL, clear_template },
	{ "clear_util_rb", NULL, CONF_NOARGS, CONF_USER, 0, NULL, clear_util_rb },
	{ "country_db_path", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_country_db_path },
	{ "country_db_type", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_country_db_type },
	{ "def_welcomelist_auth", "def_whitelist_auth", CONF_ADDRLIST, CONF_USER, AT(def_welcomelist_auth), NULL, NULL },
	{ "def_welcomelist_from_rcvd", "def_whitelist_from_rcvd", CONF_CUSTOM, CONF_USER, AT(def_welcomelist_from_rcvd), NULL, parse_from_rcvd },
	{ "delist_uri_host", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_delist_uri_host },
	{ "dns_available", NULL, CONF_STRING, CONF_USER, AT(dns_available), "yes", check_dns_available },
	{ "dns_block_rule", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_block_rule },
	{ "dns_block_time", NULL, CONF_NUMERIC, CONF_ADMIN, AT(dns_block_time), "300", NULL },
	{ "dns_cache_megabytes", NULL, CONF_NUMERIC, CONF_ADMIN, AT(dns_cache_megabytes), "0", NULL },
	{ "dns_local_ports_avoid", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_local_ports },
	{ "dns_local_ports_none", NULL, CONF_NOARGS, CONF_ADMIN, 0, NULL, parse_local_ports },
	{ "dns_local_ports_permit", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_local_ports },
	{ "dns_options", NULL, CONF_CUSTOM, CONF_USER, 0, "v4,v6,edns=4096", parse_dns_options },
	{ "dns_query_restriction", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_query_restriction },
	{ "dns_server", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_dns_server },
	{ "dns_test_interval", NULL, CONF_DURATION, CONF_USER, AT(dns_test_interval), "600", NULL },
	{ "enable_compat", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_enable_compat },
	{ "enlist_addrlist", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_enlist_addrlist },
	{ "enlist_uri_host", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_enlist_uri_host },
	{ "envelope_sender_header", NULL, CONF_STRING, CONF_USER, AT(envelope_sender_header), NULL, NULL },
	{ "fold_headers", NULL, CONF_BOOL, CONF_USER, AT(fold_headers), "1", NULL },
	{ "geodb_module", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_geodb_module },
	{ "geodb_options", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_geodb_options },
	{ "geodb_search_path", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_geodb_path },
	{ "ignore_always_matching_regexps", NULL, CONF_BOOL, CONF_ADMIN, AT(ignore_always_matching_regexps), NULL, NULL },
	{ "internal_networks", NULL, CONF_CUSTOM, CONF_USER, AT(internal_networks), NULL, parse_networks },
	{ "lock_method", NULL, CONF_STRING, CONF_USER, AT(lock_method), NULL, check_lock_method },
	{ "mbox_format_from_regex", NULL, CONF_STRING, CONF_USER, AT(mbox_format_from_regex), NULL, NULL },
	{ "more_spam_to", NULL, CONF_ADDRLIST, CONF_USER, AT(more_spam_to), NULL, NULL },
	{ "msa_networks", NULL, CONF_CUSTOM, CONF_USER, AT(msa_networks), NULL, parse_networks },
	{ "normalize_charset", NULL, CONF_BOOL, CONF_USER, AT(normalize_charset), "1", NULL },
	{ "ok_locales", NULL, CONF_STRING, CONF_USER, AT(ok_locales), "all", NULL },
	{ "originating_ip_headers", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_originating },
	{ "parse_dkim_uris", NULL, CONF_BOOL, CONF_USER, AT(parse_dkim_uris), "1", NULL },
	{ "rawbody_part_scan_size", NULL, CONF_NUMERIC, CONF_ADMIN, AT(rawbody_part_scan_size), "500000", NULL },
	{ "rbl_timeout", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_rbl_timeout },
	{ "redirector_pattern", NULL, CONF_CUSTOM, CONF_PRIV, 0, NULL, parse_redirector },
	{ "remove_header", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_remove_header },
	{ "report", NULL, CONF_TEMPLATE, CONF_USER, AT(report), NULL, NULL },
	{ "report_charset", NULL, CONF_STRING, CONF_USER, AT(report_charset), "UTF-8", NULL },
	{ "report_contact", NULL, CONF_STRING, CONF_USER, AT(report_contact), "the administrator of that system", NULL },
	{ "report_hostname", NULL, CONF_STRING, CONF_USER, AT(report_hostname), NULL, NULL },
	{ "report_safe", NULL, CONF_CUSTOM, CONF_USER, 0, "1", parse_report_safe },
	{ "report_safe_copy_headers", NULL, CONF_WORDS, CONF_USER, AT(report_safe_copy_headers), NULL, NULL },
	{ "report_wrap_width", NULL, CONF_NUMERIC, CONF_USER, AT(report_wrap_width), "75", NULL },
	{ "required_score", "required_hits", CONF_NUMERIC, CONF_USER, AT(required_score), "5", NULL },
	{ "rewrite_header", NULL, CONF_CUSTOM, CONF_USER, 0, NULL, parse_rewrite_header },
	{ "skip_rbl_checks", NULL, CONF_BOOL, CONF_USER, AT(skip_rbl_checks), "0", NULL },
	{ "time_limit", NULL, CONF_DURATION, CONF_USER, AT(time_limit), "300", NULL },
	{ "trusted_networks", NULL, CONF_CUSTOM, CONF_USER, AT(trusted_networks), NULL, parse_networks },
	{ "unblocklist_from", "unblacklist_from", CONF_CUSTOM, CONF_USER, AT(blocklist_from), NULL, remove_from_list },
	{ "unsafe_report", NULL, CONF_TEMPLATE, CONF_USER, AT(unsafe_report), NULL, NULL },
	{ "unwelcomelist_auth", "unwhitelist_auth", CONF_CUSTOM, CONF_USER, 0, NULL, remove_auth },
	{ "unwelcomelist_from", "unwhitelist_from", CONF_CUSTOM, CONF_USER, AT(welcomelist_from), NULL, remove_from_list },
	{ "unwelcomelist_from_rcvd", "unwhitelist_from_rcvd", CONF_CUSTOM, CONF_USER, 0, NULL, remove_from_rcvd },
	{ "uri_country_db_isp_path", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_country_db_path },
	{ "uri_country_db_path", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_country_db_path },
	{ "use_bayes", NULL, CONF_BOOL, CONF_USER, AT(use_bayes), "1", NULL },
	{ "use_bayes_rules", NULL, CONF_BOOL, CONF_USER, AT(use_bayes_rules), "1", NULL },
	{ "use_learner", NULL, CONF_BOOL, CONF_USER, AT(use_learner), "1", NULL },
	{ "user_scores_dsn", NULL, CONF_STRING, CONF_ADMIN, AT(user_scores_dsn), NULL, NULL },
	{ "user_scores_fallback_to_global", NULL, CONF_BOOL, CONF_ADMIN, AT(user_scores_fallback_to_global), "1", NULL },
	{ "user_scores_ldap_password", NULL, CONF_STRING, CONF_ADMIN, AT(user_scores_ldap_password), NULL, NULL },
	{ "user_scores_ldap_username", NULL, CONF_STRING, CONF_ADMIN, AT(user_scores_ldap_username), NULL, NULL },
	{ "user_scores_sql_custom_query", NULL, CONF_STRING, CONF_ADMIN, AT(user_scores_sql_custom_query), NULL, NULL },
	{ "user_scores_sql_password", NULL, CONF_STRING, CONF_ADMIN, AT(user_scores_sql_password), NULL, NULL },
	{ "user_scores_sql_username", NULL, CONF_STRING, CONF_ADMIN, AT(user_scores_sql_username), NULL, NULL },
	{ "util_rb_2tld", NULL, CONF_CUSTOM, CONF_ADMIN, AT(util_rb_2tld), NULL, parse_util_rb },
	{ "util_rb_3tld", NULL, CONF_CUSTOM, CONF_ADMIN, AT(util_rb_3tld), NULL, parse_util_rb },
	{ "util_rb_tld", NULL, CONF_CUSTOM, CONF_ADMIN, AT(util_rb_tld), NULL, parse_util_rb },
	{ "version_tag", NULL, CONF_CUSTOM, CONF_ADMIN, 0, NULL, parse_version_tag },
	{ "welcomelist_allows_relays", "whitelist_allows_relays", CONF_ADDRLIST, CONF_USER, AT(welcomelist_allows_relays), NULL, NULL },
	{ "welcomelist_auth", "whitelist_auth", CONF_ADDRLIST, CONF_USER, AT(welcomelist_auth), NULL, NULL },
	{ "welcomelist_from", "whitelist_from", CONF_ADDRLIST, CONF_USER, AT(welcomelist_from), NULL, NULL },
	{ "welcomelist_from_rcvd", "whitelist_from_rcvd", CONF_CUSTOM, CONF_USER, AT(welcomelist_from_rcvd), NULL, parse_from_rcvd },
	{ "welcomelist_to", "whitelist_to", CONF_ADDRLIST, CONF_USER, AT(welcomelist_to), NULL, NULL },
	{ "welcomelist_uri_host", "whitelist_uri_host", CONF_CUSTOM, CONF_USER, 1, NULL, parse_blocklist_uri_host },
};
/* clang-format on */

const struct conf_module conf_core_module = {
	.name = "core",
	.settings_size = sizeof(struct core_settings),
	.directives = directives,
	.directive_count = sizeof(directives) / sizeof(directives[0]),
};
