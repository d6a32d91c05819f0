/*
 * uri.c - URIs of a message
 *
 * Text is searched the way a mail reader finds what to underline: a known scheme or "www.", a mail
 * address, or a bare host name under a known top level domain.  Ends of words are found once and
 * remembered, so that a line costs little more than its length.
 */
#include "mail/uri.h"

#include "util/strbuf.h"
#include "util/utf8.h"

#define SCHEME_BYTES_MAX 2048
#define MAIL_BYTES_MAX 251
#define HOST_BYTES_MAX 252

/* Byte classes of the scanner. */
#define START_DELIM 1u /* a URI may begin behind it */
#define HOST_DELIM 2u  /* a bare host name may begin behind it */
#define END_DELIM 4u   /* ends a URI */
#define MAIL_DELIM 8u  /* ends a mail address */
#define MARK 16u       /* every URI has one of . : @ before the first MAIL_DELIM */

#define ANY_DELIM (START_DELIM | HOST_DELIM | END_DELIM | MAIL_DELIM)

/* clang-format off */
static const unsigned char byte_classes[256] = {
	['\t'] = ANY_DELIM, ['\n'] = ANY_DELIM, ['\v'] = ANY_DELIM, ['\f'] = ANY_DELIM,
	['\r'] = ANY_DELIM, [' '] = ANY_DELIM, [0x1b] = ANY_DELIM, [0xa0] = ANY_DELIM,
	['"'] = ANY_DELIM, ['<'] = ANY_DELIM, ['>'] = ANY_DELIM, ['['] = ANY_DELIM,
	['`'] = ANY_DELIM, ['{'] = ANY_DELIM, ['|'] = ANY_DELIM,
	[']'] = HOST_DELIM | END_DELIM | MAIL_DELIM, ['}'] = HOST_DELIM | END_DELIM | MAIL_DELIM,
	['\''] = START_DELIM | HOST_DELIM | MAIL_DELIM, ['('] = START_DELIM | HOST_DELIM | MAIL_DELIM,
	[','] = START_DELIM | HOST_DELIM | MAIL_DELIM,
	['!'] = HOST_DELIM, ['#'] = HOST_DELIM, ['$'] = HOST_DELIM, ['&'] = HOST_DELIM,
	[')'] = HOST_DELIM, ['*'] = HOST_DELIM, ['+'] = HOST_DELIM, ['/'] = HOST_DELIM,
	[':'] = HOST_DELIM | MARK, [';'] = HOST_DELIM, ['='] = HOST_DELIM, ['?'] = HOST_DELIM,
	['@'] = HOST_DELIM | MARK, ['.'] = MARK, ['\\'] = HOST_DELIM, ['^'] = HOST_DELIM, ['~'] = HOST_DELIM,
	[0x80 ... 0x9f] = MAIL_DELIM, [0xa1 ... 0xff] = MAIL_DELIM,
};
/* clang-format on */

struct scanner {
	struct slice line;
	size_t end_delim;  /* first one at or behind the last place asked for */
	size_t mail_delim; /* the same for mail delimiters and "@" */
	size_t end_from, mail_from;
};

enum found { FOUND_NONE, FOUND_SCHEME, FOUND_MAIL, FOUND_HOST };

struct candidate {
	struct slice text, host;
	enum found kind;
};

static size_t
find_class(const struct scanner *s, size_t at, unsigned class)
{
	while (at < s->line.len && (byte_classes[s->line.data[at]] & class) == 0)
		at++;
	return at;
}

static size_t
next_end(struct scanner *s, size_t at)
{
	if (at < s->end_from || at > s->end_delim) {
		s->end_delim = find_class(s, at, END_DELIM);
		s->end_from = at;
	}
	return s->end_delim;
}

/* End of what may stand before "@". */
static size_t
next_mail_end(struct scanner *s, size_t at)
{
	if (at < s->mail_from || at > s->mail_delim) {
		s->mail_from = at;
		while (at < s->line.len && s->line.data[at] != '@' &&
		       (byte_classes[s->line.data[at]] & MAIL_DELIM) == 0)
			at++;
		s->mail_delim = at;
	}
	return s->mail_delim;
}

static bool
is_word_at(struct slice s, size_t at)
{
	return at < s.len && byte_is_word(s.data[at]);
}

static bool
may_start(const struct scanner *s, size_t at)
{
	struct slice line = s->line;

	if ((at > 0 && is_word_at(line, at - 1)) != is_word_at(line, at))
		return true;
	if (at > 0 && (byte_classes[line.data[at - 1]] & START_DELIM) != 0)
		return true;
	/* behind the shift sequence of ISO 2022, ESC ( and a byte */
	return at >= 3 && line.data[at - 3] == 0x1b && line.data[at - 2] == '(' &&
	       line.data[at - 1] != '\n';
}

/* Bytes of "https://", "www2." and the like at `at`, or 0. */
static size_t
scheme_len(struct slice line, size_t at)
{
	struct slice s = slice_from(line, at);
	size_t len = 3;

	switch (byte_lower(line.data[at])) {
	case 'h':
		if (slice_istarts(s, SLICE("http://")))
			return 7;
		return slice_istarts(s, SLICE("https://")) ? 8 : 0;
	case 'f':
		if (slice_istarts(s, SLICE("ftp://")))
			return 6;
		return slice_istarts(s, SLICE("ftp.")) ? 4 : 0;
	case 'w':
		if (!slice_istarts(s, SLICE("www")))
			return 0;
		while (len < s.len && len < 5 && byte_is_digit(s.data[len]))
			len++;
		return len < s.len && s.data[len] == '.' ? len + 1 : 0;
	default:
		return 0;
	}
}

static bool
try_scheme(struct scanner *s, size_t at, struct candidate *found)
{
	size_t prefix = scheme_len(s->line, at), begin = at + prefix, end;

	if (prefix == 0)
		return false;
	end = next_end(s, begin);
	if (end == begin || end - begin > SCHEME_BYTES_MAX) {
		/* "ftp://" can be read as no scheme but nothing else fits either */
		return false;
	}
	*found = (struct candidate){slice_sub(s->line, at, end - at), SLICE_NULL, FOUND_SCHEME};
	return true;
}

static bool
try_mail(struct scanner *s, size_t at, struct candidate *found)
{
	size_t end, local;

	if (slice_istarts(slice_from(s->line, at), SLICE("mailto:"))) {
		end = find_class(s, at + 7, MAIL_DELIM);
		if (end > at + 7 && end - at - 7 <= SCHEME_BYTES_MAX)
			goto out;
	}
	local = next_mail_end(s, at);
	if (local >= s->line.len || s->line.data[local] != '@' || local == at ||
	    local - at > MAIL_BYTES_MAX)
		return false;
	end = local + 1;
	while (end < s->line.len && end - local <= MAIL_BYTES_MAX + 1 &&
	       (byte_classes[s->line.data[end]] & MAIL_DELIM) == 0)
		end++;
	if (end == local + 1 || end - local - 1 > MAIL_BYTES_MAX)
		return false;
out:
	*found = (struct candidate){slice_sub(s->line, at, end - at), SLICE_NULL, FOUND_MAIL};
	return true;
}

static bool
is_end(struct scanner *s, size_t at)
{
	return at >= s->line.len || (byte_classes[s->line.data[at]] & END_DELIM) != 0;
}

/* What may follow a bare host: a dot, a port, a path; true when a delimiter comes then. */
static bool
match_host_tail(struct scanner *s, size_t at, size_t *end_r)
{
	struct slice line = s->line;

	for (int dot = at < line.len && line.data[at] == '.'; dot >= 0; dot--) {
		size_t from = at + (size_t)dot, port = from;

		if (port < line.len && line.data[port] == ':') {
			port++;
			while (port < line.len && port - from <= 5 &&
			       byte_is_digit(line.data[port]))
				port++;
			if (port == from + 1)
				port = from;
		}
		for (;;) {
			size_t end = port;

			if (end < line.len && line.data[end] == '/') {
				end = next_end(s, end + 1);
				if (end - port - 1 >= 1 && end - port - 1 <= SCHEME_BYTES_MAX) {
					*end_r = end;
					return true;
				}
			}
			if (is_end(s, port)) {
				*end_r = port;
				return true;
			}
			if (port == from)
				break;
			port = from;
		}
	}
	return false;
}

static bool
is_host_byte(unsigned char c)
{
	return byte_is_alnum(c) || c == '.' || c == '_' || c == '-';
}

static bool
is_tld(const struct registry *registry, struct slice s)
{
	unsigned char lower[64];

	if (s.len == 0 || s.len > registry->tld_max_len || s.len > sizeof(lower))
		return false;
	for (size_t i = 0; i < s.len; i++)
		lower[i] = byte_lower(s.data[i]);
	return hashmap_get(&registry->tlds, slice_of(lower, s.len)) != NULL;
}

static bool
try_host(struct scanner *s, const struct registry *registry, size_t at, struct candidate *found)
{
	struct slice line = s->line;
	size_t run = at, end;

	if (at > 0 && (byte_classes[line.data[at - 1]] & HOST_DELIM) == 0)
		return false;
	if (!byte_is_alnum(line.data[at]))
		return false;
	while (run < line.len && run - at <= HOST_BYTES_MAX && is_host_byte(line.data[run]))
		run++;
	for (size_t dot = run - at > HOST_BYTES_MAX ? at + HOST_BYTES_MAX : run; dot > at; dot--) {
		size_t tld = dot + 1, tld_end = tld;

		if (dot >= line.len || line.data[dot] != '.')
			continue;
		while (tld_end < line.len && tld_end - tld <= registry->tld_max_len &&
		       (byte_is_alnum(line.data[tld_end]) || line.data[tld_end] == '-'))
			tld_end++;
		if (tld_end + 1 < line.len && line.data[tld_end] == '.' &&
		    byte_is_alnum(line.data[tld_end + 1]))
			continue;
		if (!is_tld(registry, slice_sub(line, tld, tld_end - tld)) ||
		    !match_host_tail(s, tld_end, &end))
			continue;
		*found = (struct candidate){slice_sub(line, at, end - at),
		                            slice_sub(line, at, tld_end - at), FOUND_HOST};
		return true;
	}
	return false;
}

/* ")" ends a URI that has no "(" before it; punctuation at the end is none of it. */
static struct slice
trim_candidate(struct slice s)
{
	size_t open = slice_find_byte(s, '(', 0);
	size_t close = slice_rfind_byte(slice_sub(s, 0, open), ')');

	if (close != SLICE_NPOS)
		s = slice_sub(s, 0, close);
	while (s.len > 0 && s.data[s.len - 1] != '\0' &&
	       strchr("-~!@#^&*()_+=:;'?,.", s.data[s.len - 1]) != NULL)
		s.len--;
	return s;
}

static bool
is_bare_scheme(struct slice s)
{
	size_t len = 0, slashes = 0;

	while (len < s.len && byte_is_word(s.data[len]))
		len++;
	if (len == 0 || len >= s.len || s.data[len] != ':')
		return false;
	len++;
	while (len < s.len && s.data[len] == '/' && slashes < 2) {
		len++;
		slashes++;
	}
	return len == s.len;
}

static bool
has_known_scheme(struct slice s)
{
	return slice_istarts(s, SLICE("http:")) || slice_istarts(s, SLICE("https:")) ||
	       slice_istarts(s, SLICE("ftp:")) || slice_istarts(s, SLICE("mailto:"));
}

static bool
is_www(struct slice s)
{
	size_t len = 3;

	if (!slice_istarts(s, SLICE("www")))
		return false;
	while (len < s.len && len < 5 && byte_is_digit(s.data[len]))
		len++;
	return len < s.len && s.data[len] == '.';
}

/* "skype:", "e-mail:", ":" and the like before an address are a misreading. */
static struct slice
strip_label(struct slice s)
{
	static const char *const labels[] = {"skype", "e-mail", "email", "-mail", "mail", ""};

	for (size_t i = 0; i < sizeof(labels) / sizeof(*labels); i++) {
		struct slice label = slice_from_cstr(labels[i]), rest = slice_from(s, label.len);

		if (!slice_istarts(s, label) || rest.len == 0 || rest.data[0] != ':')
			continue;
		while (rest.len > 0 && rest.data[0] == ':')
			rest = slice_from(rest, 1);
		return rest;
	}
	return s;
}

/* A scheme for what has none.  data NULL: no URI after all. */
static struct slice
add_scheme(struct arena *arena, struct slice s, unsigned *types)
{
	size_t slash = slice_find_byte(s, '/', 0), at = slice_find_byte(s, '@', 0);

	if (has_known_scheme(s))
		return s;
	*types |= URI_TYPE_SCHEMELESS;
	if (slice_istarts(s, SLICE("ftp.")))
		return arena_concat(arena, SLICE("ftp://"), s);
	if (is_www(s) || (slash != SLICE_NPOS && slice_find_byte(s, '@', slash + 2) != SLICE_NPOS))
		return arena_concat(arena, SLICE("http://"), s);
	if (at != SLICE_NPOS) {
		if (slice_find_byte(s, '.', at + 2) == SLICE_NPOS ||
		    slice_find(s, SLICE("&nbsp;"), 0) != SLICE_NPOS)
			return SLICE_NULL;
		return arena_concat(arena, SLICE("mailto:"), strip_label(s));
	}
	if (!slice_has_byte(s, '.'))
		return SLICE_NULL;
	*types |= URI_TYPE_UNLINKED;
	return arena_concat(arena, SLICE("http://"), s);
}

static bool
has_escape(struct slice s)
{
	for (size_t at = 0; (at = slice_find_byte(s, '%', at)) != SLICE_NPOS; at++)
		if (at + 2 < s.len && byte_is_xdigit(s.data[at + 1]) &&
		    byte_is_xdigit(s.data[at + 2]))
			return true;
	return false;
}

/* A mail address counts when its domain has a known top level. */
static bool
check_mail(struct uri_list *list, struct slice *uri)
{
	struct slice host;
	size_t at;

	if (!slice_istarts(*uri, SLICE("mailto:")))
		return true;
	if (has_escape(*uri))
		*uri = uri_decode(list->arena, *uri, false);
	at = slice_find_byte(*uri, '@', 0);
	if (at == SLICE_NPOS)
		return false;
	host = slice_from(*uri, at + 1);
	host = slice_sub(host, 0, slice_find_any(host, "?&>", 0));
	while (slice_ends(host, SLICE("%20")))
		host.len -= 3;
	return registry_is_valid(list->config->registry, list->arena, host, false);
}

static void
take(struct uri_list *list, const struct candidate *found)
{
	struct slice raw = trim_candidate(found->text), uri;
	unsigned types = URI_TYPE_PARSED;
	bool added;

	if (hashmap_put(&list->seen, raw.data == NULL ? SLICE("") : raw, &added) == NULL || !added)
		return;
	if (found->kind == FOUND_MAIL && !slice_has_byte(raw, '@'))
		return;
	if (found->kind == FOUND_HOST && !fqdn_is_valid(list->arena, found->host, true))
		return;
	if (slice_istarts(raw, SLICE("cid:")) || slice_istarts(raw, SLICE("mid:")) ||
	    is_bare_scheme(raw))
		return;
	uri = add_scheme(list->arena, raw, &types);
	if (uri.data != NULL && check_mail(list, &uri))
		(void)uri_list_add(list, uri, false, types, true);
}

/* The next place from `at` on where a URI may begin, before the mark at *mark_r. */
static size_t
next_start(const struct scanner *s, size_t at, size_t *mark_r)
{
	size_t start = at;

	for (; at < s->line.len; at++) {
		unsigned class = byte_classes[s->line.data[at]];

		if (class & MARK) {
			*mark_r = at;
			return start;
		}
		if (class & MAIL_DELIM)
			start = at + 1;
	}
	return at;
}

void
uri_list_add_line(struct uri_list *list, struct slice line)
{
	struct scanner s = {.line = line};
	struct candidate found;
	size_t at = 0, mark = 0;

	s.end_from = s.mail_from = SLICE_NPOS;
	while (at < line.len) {
		if (at >= mark && (at = next_start(&s, at, &mark)) == line.len)
			break;
		if (may_start(&s, at) && (try_scheme(&s, at, &found) || try_mail(&s, at, &found) ||
		                          try_host(&s, list->config->registry, at, &found))) {
			at += found.text.len;
			take(list, &found);
		} else {
			at++;
		}
	}
}

void
uri_list_add_text(struct uri_list *list, const struct slice *lines, size_t count)
{
	for (size_t i = 0; i < count; i++)
		uri_list_add_line(list, lines[i]);
}

void
uri_list_init(struct uri_list *list, struct arena *arena, const struct uri_config *config)
{
	*list = (struct uri_list){.arena = arena, .config = config};
	hashmap_init(&list->by_raw, arena);
	hashmap_init(&list->seen, arena);
	hashmap_init(&list->cleaned, arena);
}

const char *
uri_type_name(unsigned bit)
{
	static const char *const names[] = {"parsed",     "unlinked", "schemeless",
	                                    "domainkeys", "nocanon",  "noclean"};

	if (bit < HTML_URI_TYPES)
		return html_uri_type_name((enum html_uri_type)bit);
	return bit < URI_TYPE_COUNT ? names[bit - HTML_URI_TYPES] : "";
}

static void
add_unique(struct arena *arena, slice_vec *vec, struct slice s)
{
	for (size_t i = 0; i < vec->count; i++)
		if (slice_eq(vec->items[i], s))
			return;
	(void)vec_push(arena, vec, s);
}

static void
add_host(struct arena *arena, struct uri_info *info, struct slice host, struct slice domain)
{
	for (size_t i = 0; i < info->hosts.count; i++) {
		if (slice_eq(info->hosts.items[i].host, host)) {
			info->hosts.items[i].domain = domain;
			return;
		}
	}
	(void)vec_push(arena, &info->hosts, (struct uri_host){host, domain});
}

static struct slice
cut(struct uri_list *list, struct slice uri, bool wide)
{
	unsigned long code;
	size_t len = 0;

	if (uri.len <= URI_MAX_BYTES || (wide && utf8_count(uri) <= URI_MAX_BYTES))
		return uri;
	list->truncated = true;
	for (int i = 0; i < URI_MAX_BYTES && len < uri.len; i++)
		len += wide ? utf8_decode(uri, len, &code) : 1;
	return slice_sub(uri, 0, len);
}

static struct uri_info *
info_of(struct uri_list *list, struct slice uri, bool wide)
{
	struct hashmap_entry *entry;
	struct uri_info *info;
	bool added;

	entry = hashmap_put(&list->by_raw, uri.data == NULL ? SLICE("") : uri, &added);
	if (entry == NULL)
		return NULL;
	if (entry->value != NULL)
		return entry->value;
	info = arena_new(list->arena, struct uri_info);
	if (info == NULL)
		return NULL;
	info->raw = entry->key;
	info->wide = wide;
	entry->value = info;
	(void)vec_push(list->arena, &list->uris, info);
	return info;
}

struct uri_info *
uri_list_add(struct uri_list *list, struct slice uri, bool wide, unsigned types, bool need_domain)
{
	struct uri_info found = {.types = types}, *info;
	slice_vec uris = {.count = 0};
	struct slice domain, host;

	if ((types & URI_TYPE_NOCANON) != 0)
		(void)vec_push(list->arena, &uris, uri);
	else
		(void)uri_canonicalize(list->arena, list->config, uri, wide, &uris);
	for (size_t i = 0; i < uris.count; i++) {
		struct slice cleaned = cut(list, uris.items[i], wide);

		add_unique(list->arena, &found.cleaned, cleaned);
		if (registry_uri_domain(list->config->registry, list->arena, cleaned, &domain,
		                        &host)) {
			add_unique(list->arena, &found.domains, domain);
			add_host(list->arena, &found, host, domain);
		}
	}
	if (found.cleaned.count == 0 || (need_domain && found.domains.count == 0))
		return NULL;
	info = info_of(list, uri, wide);
	if (info == NULL)
		return NULL;
	info->types |= types;
	for (size_t i = 0; (types & URI_TYPE_NOCLEAN) == 0 && i < found.cleaned.count; i++) {
		struct slice s = found.cleaned.items[i];

		add_unique(list->arena, &info->cleaned, s);
		(void)hashmap_put(&list->cleaned, s.data == NULL ? SLICE("") : s, NULL);
	}
	for (size_t i = 0; i < found.domains.count; i++)
		add_unique(list->arena, &info->domains, found.domains.items[i]);
	for (size_t i = 0; i < found.hosts.count; i++)
		add_host(list->arena, info, found.hosts.items[i].host, found.hosts.items[i].domain);
	return info;
}

/* Texts of the anchors, equal ones of this part once. */
static void
add_anchor_texts(struct uri_list *list, struct uri_info *info, const html_strings *texts)
{
	struct hashmap seen;

	hashmap_init(&seen, list->arena);
	for (size_t i = 0; i < texts->count; i++) {
		struct slice s = texts->items[i].text;
		bool added;

		if (hashmap_put(&seen, s.data == NULL ? SLICE("") : s, &added) != NULL && added)
			(void)vec_push(list->arena, &info->anchor_texts, texts->items[i]);
	}
}

void
uri_list_add_html(struct uri_list *list, const struct html_result *html)
{
	list->truncated |= html->uri_truncated;
	for (size_t i = 0; i < html->uris.count; i++) {
		const struct html_uri *uri = html->uris.items[i];
		unsigned types = uri->types == 0 ? URI_TYPE_PARSED : uri->types;
		struct uri_info *info =
			uri_list_add(list, uri->raw.text, uri->raw.wide, types, false);

		if (info != NULL)
			add_anchor_texts(list, info, &uri->anchor_texts);
	}
}

/* The value of "d=" at s[at], up to ";", blanks taken out. */
static void
add_dkim_domain(struct uri_list *list, struct slice value)
{
	struct strbuf out;

	strbuf_init(&out, list->arena, 0);
	strbuf_add(&out, SLICE("domainkeys:"));
	for (size_t i = 0; i < value.len; i++)
		if (!byte_is_space(value.data[i]))
			strbuf_add_byte(&out, value.data[i]);
	(void)uri_list_add(list, strbuf_slice(&out), false,
	                   URI_TYPE_DOMAINKEYS | URI_TYPE_NOCANON | URI_TYPE_NOCLEAN, true);
}

void
uri_list_add_dkim(struct uri_list *list, struct slice value)
{
	for (size_t at = 0; at < value.len; at++) {
		struct slice rest;
		size_t end;

		if (value.data[at] != 'd' || (at > 0 && is_word_at(value, at - 1)))
			continue;
		rest = slice_ltrim(slice_from(value, at + 1));
		if (rest.len == 0 || rest.data[0] != '=')
			continue;
		rest = slice_ltrim(slice_from(rest, 1));
		end = slice_find_byte(rest, ';', 0);
		rest = slice_sub(rest, 0, end);
		if (rest.len == 0)
			continue;
		add_dkim_domain(list, rest);
		at = (size_t)(rest.data - value.data) + rest.len;
	}
}
