#include "t/vectors/jsonl.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "util/strbuf.h"

struct reader {
	struct arena *arena;
	const unsigned char *p;
	const unsigned char *end;
	unsigned depth;
};

static struct json *read_value(struct reader *r);

static void
skip_space(struct reader *r)
{
	while (r->p < r->end && byte_is_space(*r->p))
		r->p++;
}

static bool
take(struct reader *r, unsigned char c)
{
	skip_space(r);
	if (r->p >= r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool
read_hex4(struct reader *r, unsigned long *value_r)
{
	*value_r = 0;
	for (int i = 0; i < 4; i++, r->p++) {
		if (r->p >= r->end || byte_hex_value(*r->p) < 0)
			return false;
		*value_r = *value_r * 16 + (unsigned long)byte_hex_value(*r->p);
	}
	return true;
}

static void
add_codepoint(struct strbuf *buf, unsigned long c)
{
	if (c < 0x100)
		strbuf_add_byte(buf, (unsigned char)c);
	else
		strbuf_add_utf8(buf, c);
}

static bool
read_escape(struct reader *r, struct strbuf *buf)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	unsigned char c = *r->p++;
	const char *at = c == '\0' ? NULL : strchr(from, c);
	unsigned long value, low;

	if (c != 'u') {
		strbuf_add_byte(buf, at != NULL ? (unsigned char)to[at - from] : c);
		return true;
	}
	if (!read_hex4(r, &value))
		return false;
	if (value >= 0xd800 && value < 0xdc00 && r->end - r->p >= 6 && r->p[0] == '\\' &&
	    r->p[1] == 'u') {
		r->p += 2;
		if (!read_hex4(r, &low))
			return false;
		value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
	}
	add_codepoint(buf, value);
	return true;
}

/* Raw UTF-8 in the file: two-byte sequences below U+0100 become the byte. */
static bool
read_string(struct reader *r, struct slice *string_r)
{
	struct strbuf buf;

	strbuf_init(&buf, r->arena, 0);
	while (r->p < r->end && *r->p != '"') {
		unsigned char c = *r->p++;

		if (c == '\\' && r->p < r->end) {
			if (!read_escape(r, &buf))
				return false;
		} else if ((c == 0xc2 || c == 0xc3) && r->p < r->end) {
			strbuf_add_byte(&buf, (unsigned char)((c & 3) << 6 | (*r->p++ & 0x3f)));
		} else {
			strbuf_add_byte(&buf, c);
		}
	}
	*string_r = buf.len == 0 ? SLICE("") : strbuf_slice(&buf);
	return !strbuf_is_bad(&buf) && take(r, '"');
}

static struct json *
read_list(struct reader *r, struct json *json, unsigned char close)
{
	struct json **tail = &json->child;

	if (take(r, close))
		return json;
	do {
		struct slice key = SLICE_NULL;

		if (close == '}' && (!take(r, '"') || !read_string(r, &key) || !take(r, ':')))
			return NULL;
		*tail = read_value(r);
		if (*tail == NULL)
			return NULL;
		(*tail)->key = key;
		tail = &(*tail)->next;
	} while (take(r, ','));
	return take(r, close) ? json : NULL;
}

static struct json *
read_word(struct reader *r, struct json *json)
{
	struct slice rest = slice_between(r->p, r->end);
	char buf[64];
	size_t n = 0;

	if (slice_starts(rest, SLICE("null"))) {
		r->p += 4;
		return json;
	}
	json->type = JSON_BOOL;
	json->number = 1;
	if (slice_starts(rest, SLICE("true"))) {
		r->p += 4;
		return json;
	}
	json->number = 0;
	if (slice_starts(rest, SLICE("false"))) {
		r->p += 5;
		return json;
	}
	json->type = JSON_NUMBER;
	while (r->p < r->end && n + 1 < sizeof(buf) && *r->p != '\0' &&
	       (byte_is_digit(*r->p) || strchr("+-.eE", *r->p) != NULL))
		buf[n++] = (char)*r->p++;
	buf[n] = '\0';
	json->number = strtod(buf, NULL);
	return n > 0 ? json : NULL;
}

static struct json *
read_value(struct reader *r)
{
	struct json *json = arena_new(r->arena, struct json), *out;

	if (json == NULL || ++r->depth > 100)
		return NULL;
	skip_space(r);
	if (take(r, '"')) {
		json->type = JSON_STRING;
		out = read_string(r, &json->string) ? json : NULL;
	} else if (take(r, '[')) {
		json->type = JSON_ARRAY;
		out = read_list(r, json, ']');
	} else if (take(r, '{')) {
		json->type = JSON_OBJECT;
		out = read_list(r, json, '}');
	} else {
		out = read_word(r, json);
	}
	r->depth--;
	return out;
}

struct json *
json_parse(struct arena *arena, struct slice text)
{
	struct reader r = {arena, text.data, text.data + text.len, 0};
	struct json *json = read_value(&r);

	skip_space(&r);
	return r.p == r.end ? json : NULL;
}

const struct json *
json_get(const struct json *object, const char *key)
{
	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (const struct json *m = object->child; m != NULL; m = m->next)
		if (slice_eq(m->key, slice_from_cstr(key)))
			return m;
	return NULL;
}

const struct json *
json_at(const struct json *array, size_t index)
{
	const struct json *e = array == NULL ? NULL : array->child;

	while (e != NULL && index-- > 0)
		e = e->next;
	return e;
}

size_t
json_count(const struct json *array)
{
	size_t n = 0;

	for (const struct json *e = array == NULL ? NULL : array->child; e != NULL; e = e->next)
		n++;
	return n;
}

struct slice
json_string(const struct json *object, const char *key)
{
	const struct json *m = json_get(object, key);

	return m != NULL && m->type == JSON_STRING ? m->string : SLICE_NULL;
}

double
json_number(const struct json *object, const char *key, double otherwise)
{
	const struct json *m = json_get(object, key);

	return m != NULL && (m->type == JSON_NUMBER || m->type == JSON_BOOL) ? m->number
	                                                                     : otherwise;
}

int
jsonl_each(const char *path, void (*row)(struct arena *arena, const struct json *json, void *ctx),
           void *ctx)
{
	gzFile f = gzopen(path, "rb"); /* reads plain files as well */
	size_t size = (size_t)1 << 23;
	char *line = malloc(size);
	int count = 0;

	if (f == NULL || line == NULL) {
		free(line);
		return -1;
	}
	while (count >= 0 && gzgets(f, line, (int)size) != NULL) {
		struct arena *arena = arena_create(0);
		struct json *json = json_parse(arena, slice_from_cstr(line));

		count = json == NULL ? -1 : count + 1;
		if (json != NULL)
			row(arena, json, ctx);
		arena_destroy(&arena);
	}
	free(line);
	gzclose(f);
	return count;
}
