/*
 * freemail_body.c - addresses in the text of a message
 */
#include "plugins/freemail_body.h"

#include "util/strbuf.h"

enum {
	LINKS_MAX = 20,
	ADDRS_MAX = 40,
	USER_MAX = 64,
	RUN_MAX = 255,
	LABEL_MAX = 61,
	LABELS_MAX = 5
};

static bool
is_user_byte(unsigned char c)
{
	return byte_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+/=?^_`{|}~-", c) != NULL);
}

static bool
is_host_byte(unsigned char c)
{
	return byte_is_alnum(c) || c == '-';
}

struct address_span {
	size_t start, end;
};

/* End of the domain that begins at i: 1 to 4 labels and a known TLD, nothing of a name after it; or
 * 0. */
static size_t
domain_end(const struct registry *registry, struct slice text, size_t i)
{
	unsigned labels = 0;

	for (;;) {
		size_t end = i;
		struct slice label;

		while (end < text.len && is_host_byte(text.data[end]))
			end++;
		label = slice_sub(text, i, end - i);
		if (label.len == 0 || ++labels > LABELS_MAX)
			return 0;
		if (end + 1 < text.len && text.data[end] == '.' &&
		    byte_is_alnum(text.data[end + 1])) {
			if (label.len > LABEL_MAX || label.data[0] == '-' ||
			    label.data[label.len - 1] == '-')
				return 0;
			i = end + 1;
			continue;
		}
		if (labels < 2 || label.len > 63)
			return 0;
		{
			unsigned char lower[64];

			for (size_t k = 0; k < label.len; k++)
				lower[k] = byte_lower(label.data[k]);
			return hashmap_get(&registry->tlds, slice_of(lower, label.len)) == NULL
			               ? 0
			               : end;
		}
	}
}

static bool
follows_mailto(struct slice text, size_t at)
{
	return at >= 7 && slice_ieq(slice_sub(text, at - 7, 7), SLICE("mailto:"));
}

/*
 * Leftmost start of an address whose @ is at `at`, not before `from`: atoms joined by single dots,
 * at most USER_MAX bytes, no such byte before it.  SLICE_NPOS: there is none.
 */
static size_t
user_start(struct slice text, size_t at, size_t from, bool not_mailto)
{
	size_t best = SLICE_NPOS, i = at;

	while (i > from && at - i < USER_MAX && is_user_byte(text.data[i - 1])) {
		while (i > from && is_user_byte(text.data[i - 1]) && at - i < USER_MAX)
			i--;
		/* a whole atom: what stands before it is none of its bytes */
		if ((i == 0 || !is_user_byte(text.data[i - 1])) &&
		    !(not_mailto && follows_mailto(text, i)))
			best = i;
		if (i < from + 2 || text.data[i - 1] != '.' || at - i + 1 >= USER_MAX)
			break;
		i--;
	}
	return best;
}

/* Next address at or after `from`; with a start that does not follow "mailto:" if asked. */
static bool
next_address(const struct registry *registry, struct slice text, size_t from, bool not_mailto,
             struct address_span *span_r)
{
	for (size_t at = slice_find_byte(text, '@', from); at != SLICE_NPOS;
	     at = slice_find_byte(text, '@', at + 1)) {
		size_t end = domain_end(registry, text, at + 1), start;

		if (end == 0)
			continue;
		start = user_start(text, at, from, not_mailto);
		if (start == SLICE_NPOS)
			continue;
		*span_r = (struct address_span){start, end};
		return true;
	}
	return false;
}

/* ---- taking out ---- */

/* Length of "https?://..@..." at i, 0: none. */
static size_t
link_len(struct slice text, size_t i)
{
	struct slice rest = slice_from(text, i);
	size_t start = slice_istarts(rest, SLICE("http://"))    ? 7
	               : slice_istarts(rest, SLICE("https://")) ? 8
	                                                        : 0;
	size_t last = 0, at_len = 0, end;

	if (start == 0)
		return 0;
	/* the last @ or %40 that RUN_MAX bytes can precede */
	for (end = start;
	     end < rest.len && !byte_is_space(rest.data[end]) && end <= start + RUN_MAX; end++) {
		if (rest.data[end] == '@') {
			last = end;
			at_len = 1;
		} else if (slice_starts(slice_from(rest, end), SLICE("%40"))) {
			last = end;
			at_len = 3;
		}
	}
	if (at_len == 0)
		return 0;
	end = last + at_len;
	for (size_t n = 0; n < RUN_MAX && end < rest.len && !byte_is_space(rest.data[end]); n++)
		end++;
	return end;
}

static struct slice
without_links(struct arena *arena, struct slice text)
{
	struct strbuf out;
	bool changed = false;

	if (slice_ifind(text, SLICE("http"), 0) == SLICE_NPOS)
		return text;
	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < text.len;) {
		size_t bracket = text.data[i] == '<' ? 1 : 0, len = link_len(text, i + bracket);

		if (len == 0) {
			strbuf_add_byte(&out, text.data[i++]);
			continue;
		}
		strbuf_add_byte(&out, ' ');
		i += bracket + len;
		changed = true;
	}
	return changed && !strbuf_is_bad(&out) ? strbuf_slice(&out) : text;
}

/* "fax", "facsi", "tel", "phone", "email", "e-mail", "mail", "-mail" at the start: a label, not a
 * quoter. */
static bool
is_contact_word(struct slice s)
{
	static const char *const words[] = {"fax",   "facsi",  "tel",   "phone",
	                                    "email", "e-mail", "-mail", "mail"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (slice_istarts(s, slice_from_cstr(words[i])))
			return true;
	return false;
}

/* End of ">" or of " wrote:" at i, 0: none. */
static size_t
quote_end(struct slice text, size_t i)
{
	size_t blanks = 0, letters = 0;

	if (i < text.len && text.data[i] == '>')
		return i + 1;
	while (i + blanks < text.len && byte_is_space(text.data[i + blanks]) && blanks <= 10)
		blanks++;
	if (blanks == 0 || blanks > 10)
		return 0;
	i += blanks;
	if (is_contact_word(slice_from(text, i)))
		return 0;
	while (i + letters < text.len && byte_is_alpha(text.data[i + letters]))
		letters++;
	if (letters < 2 || letters > 11 || i + letters >= text.len || text.data[i + letters] != ':')
		return 0;
	return i + letters + 1;
}

static struct slice
without_quoted(struct scan *scan, struct slice text)
{
	const struct registry *registry = &scan->env->registry;
	struct strbuf out;
	struct address_span span;
	size_t copied = 0, from = 0;
	bool changed = false;

	strbuf_init(&out, scan->arena, 0);
	while (next_address(registry, text, from, true, &span)) {
		size_t end = quote_end(text, span.end), start = span.start;

		if (end == 0) {
			from = span.end;
			continue;
		}
		if (start > copied && text.data[start - 1] == '<')
			start--;
		strbuf_add(&out, slice_sub(text, copied, start - copied));
		strbuf_add_byte(&out, ' ');
		copied = from = end;
		changed = true;
	}
	if (!changed)
		return text;
	strbuf_add(&out, slice_from(text, copied));
	return strbuf_is_bad(&out) ? text : strbuf_slice(&out);
}

/* ---- finding ---- */

static bool
add(struct scan *scan, slice_vec *found, struct slice addr)
{
	struct slice lower = arena_dup_lower(scan->arena, addr);

	for (size_t i = 0; i < found->count; i++)
		if (slice_eq(found->items[i], lower))
			return true;
	return vec_push(scan->arena, found, lower) != NULL;
}

static void
find_in_links(struct scan *scan, slice_vec *found)
{
	const struct uri_list *uris = scan_uris(scan);

	for (size_t i = 0; uris != NULL && i < uris->uris.count && found->count < LINKS_MAX; i++) {
		const struct uri_info *uri = uris->uris.items[i];
		struct slice rest;
		struct address_span span;

		if (!(uri->types & 1U << HTML_URI_A) || uri->types & URI_TYPE_PARSED ||
		    !slice_istarts(uri->raw, SLICE("mailto:")))
			continue;
		rest = slice_from(uri->raw, 7);
		if (next_address(&scan->env->registry, rest, 0, false, &span) && span.start == 0)
			(void)add(scan, found, slice_sub(rest, 0, span.end));
	}
}

void
freemail_body_find(struct scan *scan, slice_vec *found)
{
	const struct text_lines *body;
	struct slice *edited;

	find_in_links(scan, found);
	body = scan_body(scan);
	edited = arena_new_array(scan->arena, struct slice, body->count + 1);
	if (edited == NULL)
		return;
	if (body->count > 0)
		memcpy(edited, body->items, body->count * sizeof(*edited));
	for (size_t i = 0; i < body->count; i++) {
		struct address_span span;
		size_t from = 0;

		edited[i] = without_links(scan->arena, edited[i]);
		if (!slice_has_byte(edited[i], '@'))
			continue;
		edited[i] = without_quoted(scan, edited[i]);
		while (next_address(&scan->env->registry, edited[i], from, false, &span)) {
			(void)add(scan, found,
			          slice_sub(edited[i], span.start, span.end - span.start));
			from = span.end;
			if (found->count >= ADDRS_MAX)
				goto out;
		}
	}
out:
	scan->body_edited =
		(struct text_lines){.items = edited, .count = body->count, .done = true};
}
