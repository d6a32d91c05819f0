/*
 * html_link.c - relative references
 */
#include "mail/html_link.h"

#include "util/strbuf.h"

struct reference {
	struct slice scheme, authority, path, query, fragment; /* data NULL = not there */
};

static struct reference
reference_parse(struct slice s)
{
	struct reference r = {SLICE_NULL, SLICE_NULL, SLICE_NULL, SLICE_NULL, SLICE_NULL};
	size_t end = slice_find_any(s, ":/?#", 0);

	if (end != SLICE_NPOS && end > 0 && s.data[end] == ':') {
		r.scheme = slice_sub(s, 0, end);
		s = slice_from(s, end + 1);
	}
	if (slice_starts(s, SLICE("//"))) {
		s = slice_from(s, 2);
		end = slice_find_any(s, "/?#", 0);
		r.authority = slice_sub(s, 0, end);
		s = slice_from(s, end);
	}
	end = slice_find_any(s, "?#", 0);
	r.path = slice_sub(s, 0, end);
	s = slice_from(s, end);
	if (s.len > 0 && s.data[0] == '?') {
		end = slice_find_byte(s, '#', 1);
		r.query = slice_sub(s, 1, (end == SLICE_NPOS ? s.len : end) - 1);
		s = slice_from(s, end);
	}
	if (s.len > 0 && s.data[0] == '#')
		r.fragment = slice_sub(s, 1,
		                       (slice_find_byte(s, '\n', 1) == SLICE_NPOS
		                                ? s.len
		                                : slice_find_byte(s, '\n', 1)) -
		                               1);
	return r;
}

/* Is s "/dots" followed by "/" or the end? */
static bool
is_dots(struct slice s, struct slice dots)
{
	struct slice rest = slice_from(s, dots.len);

	return slice_starts(s, dots) &&
	       (rest.len == 0 || rest.data[0] == '/' || (rest.len == 1 && rest.data[0] == '\n'));
}

static struct slice
remove_dots(struct arena *arena, struct slice s)
{
	struct strbuf out;

	if (slice_find(s, SLICE("."), 0) == SLICE_NPOS)
		return slice_eq(s, SLICE("0")) ? slice_sub(s, 0, 0) : s;
	strbuf_init(&out, arena, 0);
	(void)strbuf_reserve(&out, s.len + 1);
	if (slice_starts(s, SLICE("./")))
		s = slice_from(s, 1);
	else if (slice_starts(s, SLICE("../")))
		s = slice_from(s, 2);
	while (s.len > 0) {
		size_t end;

		if (is_dots(s, SLICE("/."))) {
			s = s.len > 2 && s.data[2] == '/' ? slice_from(s, 2) : slice_sub(s, 0, 1);
			continue;
		}
		if (is_dots(s, SLICE("/.."))) {
			size_t cut = slice_rfind_byte(strbuf_slice(&out), '/');

			s = s.len > 3 && s.data[3] == '/' ? slice_from(s, 3) : slice_sub(s, 0, 1);
			out.len = cut == SLICE_NPOS ? 0 : cut;
			continue;
		}
		if (slice_eq(s, SLICE("0")))
			break;
		end = slice_find_byte(s, '/', 1);
		strbuf_add(&out, slice_sub(s, 0, end));
		s = slice_from(s, end);
	}
	return strbuf_slice(&out);
}

static struct slice
merge(struct arena *arena, const struct reference *base, struct slice path)
{
	size_t slash = slice_rfind_byte(base->path, '/');

	if (base->authority.data != NULL &&
	    (base->path.len == 0 || slice_eq(base->path, SLICE("0"))))
		return arena_concat(arena, SLICE("/"), path);
	if (slash == SLICE_NPOS)
		return path;
	return arena_concat(arena, slice_sub(base->path, 0, slash + 1), path);
}

/* "www." or "ftp." with digits before the dot. */
static bool
is_named(struct slice authority, struct slice name)
{
	size_t at = name.len;

	if (!slice_istarts(authority, name))
		return false;
	while (at < authority.len && byte_is_digit(authority.data[at]))
		at++;
	return at < authority.len && authority.data[at] == '.';
}

static struct slice
compose(struct arena *arena, const struct reference *r)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	(void)strbuf_reserve(&out, r->scheme.len + r->authority.len + r->path.len + r->query.len +
	                                   r->fragment.len + 16);
	if (r->scheme.len > 0 && !slice_eq(r->scheme, SLICE("0"))) {
		strbuf_add(&out, r->scheme);
		strbuf_add_byte(&out, ':');
	} else if (r->authority.data != NULL && is_named(r->authority, SLICE("www"))) {
		strbuf_add(&out, SLICE("http:"));
	} else if (r->authority.data != NULL && is_named(r->authority, SLICE("ftp"))) {
		strbuf_add(&out, SLICE("ftp:"));
	}
	if (r->authority.data != NULL) {
		strbuf_add(&out, SLICE("//"));
		strbuf_add(&out, r->authority);
	}
	strbuf_add(&out, r->path);
	if (r->query.data != NULL) {
		strbuf_add_byte(&out, '?');
		strbuf_add(&out, r->query);
	}
	if (r->fragment.data != NULL) {
		strbuf_add_byte(&out, '#');
		strbuf_add(&out, r->fragment);
	}
	return strbuf_slice(&out);
}

struct slice
html_link_resolve(struct arena *arena, struct slice base_text, struct slice link)
{
	struct reference r = reference_parse(link), base = reference_parse(base_text);

	if (base.path.data == NULL)
		base.path = SLICE("");
	if (r.scheme.data != NULL && base.scheme.data != NULL && slice_eq(r.scheme, base.scheme))
		r.scheme = SLICE_NULL;
	if (r.scheme.data != NULL) {
		r.path = remove_dots(arena, r.path);
		return compose(arena, &r);
	}
	r.scheme = base.scheme;
	if (r.authority.data != NULL) {
		r.path = remove_dots(arena, r.path);
		return compose(arena, &r);
	}
	r.authority = base.authority;
	if (r.path.len == 0) {
		r.path = base.path;
		if (r.query.data == NULL)
			r.query = base.query;
	} else {
		if (r.path.data[0] != '/')
			r.path = merge(arena, &base, r.path);
		r.path = remove_dots(arena, r.path);
	}
	return compose(arena, &r);
}

/* Where "name.ext" (ext of 2-4 bytes, no slash in either) at the end begins, not before `from`. */
static size_t
file_name_begin(struct slice s, size_t from)
{
	size_t dot = slice_rfind_byte(s, '.'), begin;

	if (dot == SLICE_NPOS || dot <= from || s.len - dot - 1 < 2 || s.len - dot - 1 > 4 ||
	    slice_find_byte(s, '/', dot) != SLICE_NPOS)
		return s.len;
	begin = dot;
	while (begin > from && s.data[begin - 1] != '/' && s.data[begin - 1] != '.')
		begin--;
	return begin == dot || slice_has_byte(slice_sub(s, from, begin - from), '\n') ? s.len
	                                                                              : begin;
}

struct slice
html_link_base(struct arena *arena, struct slice href)
{
	size_t at = 0;

	while (at < href.len && byte_is_alpha(href.data[at]))
		at++;
	at++; /* the colon: the caller knows the scheme */
	for (int i = 0; i < 2 && at < href.len && href.data[at] == '/'; i++)
		at++;
	at = slice_find_byte(href, '/', at + 1);
	if (at != SLICE_NPOS)
		href = slice_sub(href, 0, file_name_begin(href, at + 1));
	if (href.len > 0 && href.data[href.len - 1] == '/')
		return href;
	return arena_concat(arena, href, SLICE("/"));
}
