/*
 * dkim_fields.c - header fields as signatures are made over them
 */
#include "auth/dkim_fields.h"

#include "util/strbuf.h"

/* The field without its last line end, folds as CRLF. */
static struct slice
field_text(struct arena *arena, struct slice raw, bool is_crlf)
{
	struct strbuf out;
	struct slice line;

	if (slice_ends(raw, is_crlf ? SLICE("\r\n") : SLICE("\n")))
		raw.len -= is_crlf ? 2 : 1;
	if (is_crlf || !slice_has_byte(raw, '\n'))
		return raw;
	strbuf_init(&out, arena, 0);
	if (!strbuf_reserve(&out, raw.len + raw.len / 32 + 16))
		return SLICE_NULL;
	for (bool first = true; slice_next(&raw, '\n', &line); first = false) {
		if (!first)
			strbuf_add(&out, SLICE("\r\n"));
		strbuf_add(&out, line);
	}
	return strbuf_is_bad(&out) ? SLICE_NULL : strbuf_slice(&out);
}

/* Length of the next line with its end. */
static size_t
line_length(struct slice s, bool is_crlf)
{
	size_t lf, at = 0;

	while ((lf = slice_find_byte(s, '\n', at)) != SLICE_NPOS && is_crlf &&
	       (lf == 0 || s.data[lf - 1] != '\r'))
		at = lf + 1;
	return lf == SLICE_NPOS ? s.len : lf + 1;
}

static bool
add_field(struct dkim_verifier *v, struct slice raw)
{
	struct dkim_field field = {.text = field_text(v->arena, raw, v->is_crlf)};
	size_t colon = slice_find_byte(field.text, ':', 0);
	struct hashmap_entry *entry;

	if (field.text.data == NULL)
		return false;
	if (colon != SLICE_NPOS) {
		struct slice name = slice_rtrim(slice_sub(field.text, 0, colon));

		field.name = arena_dup_lower(v->arena, name);
		field.is_plain_name = name.len > 0;
		for (size_t i = 0; i < name.len; i++)
			field.is_plain_name &= !byte_is_space(name.data[i]);
	}
	if (field.is_plain_name) {
		entry = hashmap_put(&v->by_name, field.name, NULL);
		if (entry == NULL)
			return false;
		field.above = (size_t)(uintptr_t)entry->value;
		entry->value = (void *)(uintptr_t)(v->fields.count + 1);
	}
	return vec_push(v->arena, &v->fields, field) != NULL;
}

bool
dkim_fields_read(struct dkim_verifier *v, struct slice message)
{
	struct slice rest = message, end = v->is_crlf ? SLICE("\r\n") : SLICE("\n");

	hashmap_init(&v->by_name, v->arena);
	while (rest.len > 0) {
		size_t len;

		if (slice_starts(rest, end)) {
			rest = slice_from(rest, end.len);
			break;
		}
		len = line_length(rest, v->is_crlf);
		while (len < rest.len && (rest.data[len] == ' ' || rest.data[len] == '\t'))
			len += line_length(slice_from(rest, len), v->is_crlf);
		if (!add_field(v, slice_sub(rest, 0, len)))
			return false;
		rest = slice_from(rest, len);
	}
	v->body = rest;
	return true;
}

/* ---- digests ---- */

bool
dkim_walk_init(struct dkim_walk *walk, struct dkim_verifier *v)
{
	*walk = (struct dkim_walk){.v = v};
	walk->next = arena_new_array(v->arena, size_t, v->by_name.count + 1);
	walk->turn = arena_new_array(v->arena, unsigned, v->by_name.count + 1);
	walk->left = arena_new_array(v->arena, unsigned, v->by_name.count + 1);
	return walk->next != NULL && walk->turn != NULL && walk->left != NULL;
}

static size_t
walk_slot(struct dkim_walk *walk, struct slice name)
{
	const struct hashmap_entry *entry = hashmap_find(&walk->v->by_name, name);
	size_t slot;

	if (entry == NULL)
		return SLICE_NPOS;
	slot = (size_t)(entry - walk->v->by_name.entries);
	if (walk->turn[slot] != walk->now) {
		walk->turn[slot] = walk->now;
		walk->next[slot] = (size_t)(uintptr_t)entry->value;
		walk->left[slot] = 0;
	}
	return slot;
}

static struct slice
canonical(struct dkim_verifier *v, size_t index, enum dkim_canon canon)
{
	struct dkim_field *field = &v->fields.items[index];

	if (canon != DKIM_CANON_RELAXED && canon != DKIM_CANON_SEAL)
		return dkim_canon_header(v->arena, canon, field->text);
	if (field->relaxed.data == NULL)
		field->relaxed = dkim_canon_header(v->arena, canon, field->text);
	return field->relaxed;
}

void
dkim_digest_field(struct dkim_verifier *v, size_t index, enum dkim_canon canon, EVP_MD_CTX *digest)
{
	struct slice text = canonical(v, index, canon);

	(void)EVP_DigestUpdate(digest, text.data, text.len);
	(void)EVP_DigestUpdate(digest, "\r\n", 2);
}

struct slice
dkim_header_list(struct arena *arena, struct slice h)
{
	return dkim_is_true(h) ? arena_dup_lower(arena, h) : SLICE("");
}

void
dkim_digest_listed(struct dkim_walk *walk, struct slice list, enum dkim_canon canon,
                   EVP_MD_CTX *digest)
{
	struct slice name;

	walk->now++;
	while (slice_next(&list, ':', &name)) {
		size_t slot = walk_slot(walk, slice_trim(name)), at;

		if (slot == SLICE_NPOS || walk->next[slot] == 0)
			continue;
		at = walk->next[slot] - 1;
		walk->next[slot] = walk->v->fields.items[at].above;
		dkim_digest_field(walk->v, at, canon, digest);
	}
}

typedef VEC(size_t) index_vec;

static void
take_below(struct dkim_walk *walk, size_t slot, size_t below, bool all, index_vec *taken)
{
	while (walk->next[slot] > below + 1) {
		size_t at = walk->next[slot] - 1;

		walk->next[slot] = walk->v->fields.items[at].above;
		(void)vec_push(walk->v->arena, taken, at);
		if (!all)
			return;
	}
}

/*
 * From the end of the list: what is named more than once gives its lowest fields one by one, its
 * first mention all that are left.  The order is turned round in the end.
 */
static void
choose_listed(struct dkim_walk *walk, struct slice list, size_t below, index_vec *taken)
{
	slice_vec names = {.count = 0};
	struct slice name;

	walk->now++;
	while (slice_next(&list, ':', &name)) {
		size_t slot = walk_slot(walk, slice_trim(name));

		(void)vec_push(walk->v->arena, &names, slice_trim(name));
		if (slot != SLICE_NPOS)
			walk->left[slot]++;
	}
	while (names.count > 0 && names.items[names.count - 1].len == 0)
		names.count--; /* Perl's split leaves them out */
	for (size_t i = names.count; i > 0 && dkim_is_true(names.items[i - 1]); i--) {
		size_t slot = walk_slot(walk, names.items[i - 1]);

		if (slot != SLICE_NPOS)
			take_below(walk, slot, below, --walk->left[slot] == 0, taken);
	}
}

void
dkim_digest_below(struct dkim_walk *walk, struct slice list, size_t below, enum dkim_canon canon,
                  EVP_MD_CTX *digest, struct slice *sender_r, struct slice *from_r)
{
	struct dkim_verifier *v = walk->v;
	index_vec taken = {.count = 0};

	*sender_r = *from_r = SLICE_NULL;
	if (list.len > 0)
		choose_listed(walk, list, below, &taken);
	else
		for (size_t i = v->fields.count; i > below + 1; i--)
			(void)vec_push(v->arena, &taken, i - 1);
	for (size_t i = taken.count; i > 0; i--) {
		const struct dkim_field *field = &v->fields.items[taken.items[i - 1]];
		size_t colon = slice_find_byte(field->text, ':', 0);
		struct slice value = slice_from(field->text, colon + 1);

		dkim_digest_field(v, taken.items[i - 1], canon, digest);
		if (colon == SLICE_NPOS || slice_has_byte(value, '\n'))
			continue;
		if (slice_eq(field->name, SLICE("sender")))
			*sender_r = value;
		else if (slice_eq(field->name, SLICE("from")))
			*from_r = value;
	}
}
