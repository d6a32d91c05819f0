/*
 * dkim_canon.c - canonical forms that signatures are made over
 */
#include "auth/dkim_canon.h"

#include <stdlib.h>

#include "util/strbuf.h"

static bool
is_wsp(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* ---- header fields ---- */

/* No fold, runs of blanks become one, none at the end. */
static void
add_unfolded(struct strbuf *out, struct slice s)
{
	bool blank = false;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = s.data[i];

		if (c == '\r' && i + 2 < s.len && s.data[i + 1] == '\n' && is_wsp(s.data[i + 2])) {
			i++;
			continue;
		}
		if (is_wsp(c)) {
			blank = true;
			continue;
		}
		if (blank)
			strbuf_add_byte(out, ' ');
		blank = false;
		strbuf_add_byte(out, c);
	}
}

static struct slice
relaxed_header(struct arena *arena, struct slice field)
{
	size_t colon = slice_find_byte(field, ':', 0), name_end;
	struct strbuf out;
	struct slice text, name;

	strbuf_init(&out, arena, 0);
	if (!strbuf_reserve(&out, field.len + 1))
		return SLICE_NULL;
	add_unfolded(&out, field);
	if (strbuf_is_bad(&out))
		return SLICE_NULL;
	text = strbuf_slice(&out);
	if (colon == 0 || colon == SLICE_NPOS)
		return text;
	colon = slice_find_byte(text, ':', 0);
	for (size_t i = 0; i < colon; i++)
		out.data[i] = byte_lower(out.data[i]);
	name = slice_sub(text, 0, colon);
	for (name_end = 0; name_end < name.len && !byte_is_space(name.data[name_end]);)
		name_end++;
	if (name_end == 0 || slice_ltrim(slice_from(name, name_end)).len > 0)
		return text;
	text = slice_ltrim(slice_from(text, colon + 1));
	out.data[name_end] = ':';
	memmove(out.data + name_end + 1, text.data, text.len);
	return slice_of(out.data, name_end + 1 + text.len);
}

static struct slice
bare_header(struct arena *arena, struct slice field, bool lower_name)
{
	unsigned char *out = arena_bytes(arena, field.len + 1);
	size_t len = 0;
	bool in_name = lower_name && slice_find_byte(field, ':', 0) != SLICE_NPOS;

	if (out == NULL)
		return SLICE_NULL;
	for (size_t i = 0; i < field.len; i++) {
		unsigned char c = field.data[i];

		if (is_wsp(c) || c == '\r' || c == '\n')
			continue;
		if (c == ':')
			in_name = false;
		out[len++] = in_name ? byte_lower(c) : c;
	}
	return slice_of(out, len);
}

struct slice
dkim_canon_header(struct arena *arena, enum dkim_canon canon, struct slice field)
{
	switch (canon) {
	case DKIM_CANON_RELAXED:
	case DKIM_CANON_SEAL:
		return relaxed_header(arena, field);
	case DKIM_CANON_NOWSP:
		return bare_header(arena, field, true);
	case DKIM_CANON_DK_NOFWS:
		return bare_header(arena, field, false);
	case DKIM_CANON_SIMPLE:
	case DKIM_CANON_SIMPLE_ENDED:
	case DKIM_CANON_DK_SIMPLE:
		break;
	}
	return field;
}

/* ---- body ---- */

/* Canonical bytes go to a digest through a block; wanted lengths are cut out on the way. */
struct sink {
	EVP_MD_CTX *digest;
	struct dkim_body_hash *hashes; /* whose limit has not come yet */
	size_t count;
	size_t total; /* bytes that the digest has */
	bool any;     /* a line that is not empty came */
	size_t used;
	unsigned char block[4096];
};

static void
finish_hash(EVP_MD_CTX *digest, struct dkim_body_hash *hash)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	unsigned len = 0;

	if (copy != NULL && EVP_MD_CTX_copy_ex(copy, digest) == 1 &&
	    EVP_DigestFinal_ex(copy, hash->digest, &len) == 1)
		hash->digest_bytes = len;
	EVP_MD_CTX_free(copy);
}

static void
sink_digest(struct sink *sink, struct slice s)
{
	while (sink->count > 0 && sink->hashes->limit - sink->total <= s.len) {
		size_t part = sink->hashes->limit - sink->total;

		(void)EVP_DigestUpdate(sink->digest, s.data, part);
		sink->total += part;
		s = slice_from(s, part);
		finish_hash(sink->digest, sink->hashes);
		sink->hashes++, sink->count--;
	}
	if (s.len > 0)
		(void)EVP_DigestUpdate(sink->digest, s.data, s.len);
	sink->total += s.len;
}

static void
sink_flush(struct sink *sink)
{
	sink_digest(sink, slice_of(sink->block, sink->used));
	sink->used = 0;
}

static void
sink_add(struct sink *sink, struct slice s)
{
	if (s.len > sizeof(sink->block) - sink->used)
		sink_flush(sink);
	if (s.len > sizeof(sink->block)) {
		sink_digest(sink, s);
		return;
	}
	if (s.len > 0)
		memcpy(sink->block + sink->used, s.data, s.len);
	sink->used += s.len;
}

static void
add_relaxed_line(struct sink *sink, struct slice line)
{
	size_t at = 0;

	while (line.len > 0 && is_wsp(line.data[line.len - 1]))
		line.len--;
	while (at < line.len) {
		size_t end = at;

		while (end < line.len && !is_wsp(line.data[end]))
			end++;
		sink_add(sink, slice_sub(line, at, end - at));
		if (end == line.len)
			break;
		sink_add(sink, SLICE(" "));
		for (at = end; is_wsp(line.data[at]);)
			at++;
	}
}

static void
add_line_without(struct sink *sink, struct slice line, const char *bytes)
{
	size_t at = 0;

	while (at < line.len) {
		size_t end = slice_find_any(line, bytes, at);

		if (end == SLICE_NPOS)
			end = line.len;
		sink_add(sink, slice_sub(line, at, end - at));
		at = end + 1;
	}
}

/* nofws: standalone CR goes, and LF after anything but CR (which the same pattern keeps). */
static bool
is_line_empty(enum dkim_canon canon, struct slice line)
{
	if (canon == DKIM_CANON_RELAXED)
		return slice_span(line, " \t", 0) == SLICE_NPOS;
	if (canon == DKIM_CANON_DK_NOFWS)
		return slice_span(line, " \t\r\n", 0) == SLICE_NPOS;
	return line.len == 0;
}

static void
add_line(struct sink *sink, enum dkim_canon canon, struct slice line)
{
	switch (canon) {
	case DKIM_CANON_RELAXED:
		add_relaxed_line(sink, line);
		break;
	case DKIM_CANON_NOWSP:
	case DKIM_CANON_DK_NOFWS:
		add_line_without(sink, line, " \t\r\n");
		break;
	case DKIM_CANON_SIMPLE:
	case DKIM_CANON_SIMPLE_ENDED:
	case DKIM_CANON_DK_SIMPLE:
	case DKIM_CANON_SEAL:
		sink_add(sink, line);
		break;
	}
}

/* Line without its end; *ended_r: it had one. */
static bool
next_line(struct slice *rest, bool is_crlf, struct slice *line_r, bool *ended_r)
{
	size_t at = 0, lf;

	if (rest->len == 0)
		return false;
	while ((lf = slice_find_byte(*rest, '\n', at)) != SLICE_NPOS && is_crlf &&
	       (lf == 0 || rest->data[lf - 1] != '\r'))
		at = lf + 1;
	*ended_r = lf != SLICE_NPOS;
	if (!*ended_r) {
		*line_r = *rest;
		*rest = slice_from(*rest, rest->len);
		return true;
	}
	*line_r = slice_sub(*rest, 0, is_crlf ? lf - 1 : lf);
	*rest = slice_from(*rest, lf + 1);
	return true;
}

static void
canon_body(const struct dkim_body *body, enum dkim_canon canon, struct sink *sink)
{
	struct slice rest = body->bytes, line;
	size_t empty = canon == DKIM_CANON_DK_SIMPLE || canon == DKIM_CANON_DK_NOFWS;
	bool ended = false;

	if (canon == DKIM_CANON_SEAL)
		return;
	while (next_line(&rest, body->is_crlf, &line, &ended)) {
		bool is_bare = canon == DKIM_CANON_NOWSP;

		if (!is_bare && is_line_empty(canon, line)) {
			empty++;
			continue;
		}
		for (; empty > 0; empty--)
			sink_add(sink, SLICE("\r\n"));
		sink->any = true;
		add_line(sink, canon, line);
		if (!is_bare &&
		    (ended || canon == DKIM_CANON_RELAXED || canon == DKIM_CANON_SIMPLE_ENDED))
			sink_add(sink, SLICE("\r\n"));
	}
}

void
dkim_hash_body(const struct dkim_body *body, struct dkim_body_hash *hashes, size_t count)
{
	enum dkim_canon canon = hashes[0].canon;
	struct sink sink = {.hashes = hashes, .count = count};
	bool is_simple = canon == DKIM_CANON_SIMPLE || canon == DKIM_CANON_SIMPLE_ENDED;

	sink.digest = EVP_MD_CTX_new();
	if (sink.digest != NULL &&
	    EVP_DigestInit_ex(sink.digest, hashes[0].is_sha1 ? EVP_sha1() : EVP_sha256(), NULL) ==
	            1) {
		canon_body(body, canon, &sink);
		if (is_simple && !sink.any)
			sink_add(&sink, SLICE("\r\n"));
		sink_flush(&sink);
		for (; sink.count > 0; sink.hashes++, sink.count--) {
			finish_hash(sink.digest, sink.hashes);
			sink.hashes->is_short = sink.hashes->limit != SIZE_MAX;
		}
	}
	EVP_MD_CTX_free(sink.digest);
}

void
dkim_digest_body(const struct dkim_body *body, enum dkim_canon canon, EVP_MD_CTX *digest)
{
	struct sink sink = {.digest = digest};

	canon_body(body, canon, &sink);
	sink_flush(&sink);
}

static int
compare_hashes(const void *va, const void *vb)
{
	const struct dkim_body_hash *a = va, *b = vb;

	if (a->canon != b->canon)
		return a->canon < b->canon ? -1 : 1;
	if (a->is_sha1 != b->is_sha1)
		return a->is_sha1 < b->is_sha1 ? -1 : 1;
	return a->limit < b->limit ? -1 : a->limit > b->limit;
}

void
dkim_hash_bodies(const struct dkim_body *body, struct dkim_body_hash *hashes, size_t count)
{
	size_t begin = 0;

	if (count > 1)
		qsort(hashes, count, sizeof(hashes[0]), compare_hashes);
	for (size_t i = 1; i <= count; i++)
		if (i == count || hashes[i].canon != hashes[begin].canon ||
		    hashes[i].is_sha1 != hashes[begin].is_sha1) {
			dkim_hash_body(body, hashes + begin, i - begin);
			begin = i;
		}
}
