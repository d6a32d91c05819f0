#include "rules/match_table.h"

#include <stdlib.h>

enum {
	KEY_BITS = 24, /* four symbols; the length of a key is above them */
	HASH_FACTOR = 0x9e3779b1,
	/* Keys of a text that are looked up together, so that one's cache misses hide another's. */
	BATCH = 32,
	PAIRS = 1 << 12
};

/* Above that share of places where a key may end, asking pairs first costs more than it saves. */
#define SPARSE_P 0.25F

/* In pairs: a key of so many symbols ends there. */
#define PAIR_OF(len) (1U << ((len)-2))

/* In key_factors: the last factor of its key. */
#define LAST_FACTOR ((uint32_t)1 << 31)

struct match_slot_state {
	uint32_t epoch;
	uint32_t done; /* run in which nothing more is asked */
	uint8_t found; /* sets seen in this text, one bit each */
	uint8_t times[FACTOR_SETS];
};

/* What a rule waits for. */
struct table_rule {
	uint8_t needs; /* bits */
	uint8_t counted;
	uint8_t decides;
	uint8_t done_after_first;
	uint8_t times[FACTOR_SETS];
};

struct table_factor {
	uint64_t mask; /* of the first 8 bytes: (bytes & mask) == value or it is not there */
	uint64_t value;
	uint32_t slot;
	uint32_t classes; /* index into cls */
	uint32_t edges;   /* index into edge, 0: none */
	uint8_t bit;
	uint8_t n;
	int8_t key_at;
	uint8_t unsure; /* first position that mask and value do not decide alone */
};

struct key_slot {
	uint32_t key;   /* with its length; 0: free */
	uint32_t first; /* in key_factors; the last of them is marked */
};

struct match_table {
	uint8_t symbol_of[256];
	struct byte_set *sets;
	size_t set_count;
	struct table_rule *rules;
	size_t rule_count;
	struct table_factor *factors;
	size_t factor_count;
	uint16_t *cls;
	uint8_t *edge;
	size_t cls_count;
	size_t edge_count;
	uint32_t *key_factors;
	size_t key_count;
	struct key_slot *hash;
	uint32_t hash_size;
	uint8_t *pairs;    /* by the last two symbols: lengths of the keys that end so (PAIR_OF) */
	uint64_t *bits[2]; /* for keys of 4 and 3 symbols */
	unsigned shift[2];
	bool any[3]; /* keys of 4, 3, 2 symbols */
	bool sparse; /* few places of a text end a key: ask pairs first */
	size_t distinct;
};

struct match_builder {
	struct arena *temporary;
	struct factor_classes classes;
	struct table_rule *rules;
	size_t rule_count;
	VEC(struct table_factor) factors;
	VEC(uint16_t) cls;
	VEC(uint8_t) edge;
	VEC(uint64_t) keys; /* key << 32 | factor */
	bool failed;
};

/* ---- working memory ---- */

bool
match_seen_prepare(struct match_seen *seen, size_t slots)
{
	struct match_slot_state *more;

	if (++seen->run == 0) {
		memset(seen->slots, 0, seen->slot_count * sizeof(*seen->slots));
		seen->run = 1;
	}
	if (slots <= seen->slot_count)
		return true;
	more = calloc(slots, sizeof(*more));
	if (more == NULL)
		return false;
	free(seen->slots);
	seen->slots = more;
	seen->slot_count = slots;
	return true;
}

void
match_seen_free(struct match_seen *seen)
{
	free(seen->slots);
	free(seen->found);
	memset(seen, 0, sizeof(*seen));
}

static void
add_found(struct match_seen *seen, uint32_t slot, bool decided)
{
	if (seen->found_count == seen->found_size)
		return; /* cannot be: there is room for every slot once a text */
	seen->found[seen->found_count++] = (struct match_found){slot, decided};
}

/* ---- building ---- */

struct match_builder *
match_builder_create(struct arena *temporary, size_t slots, bool ascii, enum factor_model model)
{
	struct match_builder *b = arena_new(temporary, struct match_builder);

	if (b == NULL || !factor_classes_init(&b->classes, temporary, ascii, model))
		return NULL;
	b->temporary = temporary;
	b->rules = arena_new_array(temporary, struct table_rule, slots + 1);
	b->rule_count = slots;
	if (b->rules == NULL || vec_push(temporary, &b->edge, 0) == NULL)
		return NULL;
	return b;
}

struct factor_classes *
match_builder_classes(struct match_builder *builder)
{
	return &builder->classes;
}

static const struct byte_set *
builder_set(const struct match_builder *b, unsigned cls)
{
	return &b->classes.list.items[cls].set;
}

/* Which bits of a byte are the same in all members of the set; true: they tell the whole set. */
static bool
fixed_bits(const struct byte_set *set, uint8_t *mask, uint8_t *value)
{
	unsigned all_ones = 0xff, any_ones = 0;

	for (int w = 0; w < 4; w++)
		for (uint64_t m = set->bits[w]; m != 0; m &= m - 1) {
			unsigned c = (unsigned)w * 64 + (unsigned)__builtin_ctzll(m);
			all_ones &= c;
			any_ones |= c;
		}
	*mask = (uint8_t)(all_ones | ~any_ones);
	*value = (uint8_t)all_ones;
	return byte_set_count(set) == 1U << (8 - __builtin_popcount(*mask));
}

static void
add_keys(struct match_builder *b, uint32_t factor, const uint64_t *symbols, int len, uint32_t key,
         int total)
{
	if (len == 0) {
		uint64_t k = (uint64_t)(key | (uint32_t)(total - 1) << KEY_BITS) << 32 | factor;
		if (vec_push(b->temporary, &b->keys, k) == NULL)
			b->failed = true;
		return;
	}
	for (uint64_t m = *symbols; m != 0; m &= m - 1)
		add_keys(b, factor, symbols + 1, len - 1, key << 6 | (uint32_t)__builtin_ctzll(m),
		         total);
}

static void
add_factor(struct match_builder *b, uint32_t slot, unsigned bit, const struct factor *q)
{
	struct table_factor f = {.slot = slot, .bit = (uint8_t)bit, .n = q->n};
	struct factor_window w = factor_window(&b->classes, q);
	uint64_t symbols[4];
	bool edges = false, sure = true;

	f.key_at = (int8_t)w.at;
	f.classes = (uint32_t)b->cls.count;
	for (unsigned i = 0; i < q->n; i++) {
		uint8_t mask, value;
		if (i < 8) {
			sure &= fixed_bits(builder_set(b, q->cls[i]), &mask, &value);
			f.unsure += sure;
			f.mask |= (uint64_t)mask << (8 * i);
			f.value |= (uint64_t)value << (8 * i);
		}
		if (vec_push(b->temporary, &b->cls, q->cls[i]) == NULL)
			b->failed = true;
	}
	for (unsigned i = 0; i <= q->n; i++)
		edges |= q->edge[i] != 0;
	if (edges) {
		f.edges = (uint32_t)b->edge.count;
		for (unsigned i = 0; i <= q->n; i++)
			if (vec_push(b->temporary, &b->edge, q->edge[i]) == NULL)
				b->failed = true;
	}
	if (w.count == 0 || b->factors.count >= LAST_FACTOR ||
	    vec_push(b->temporary, &b->factors, f) == NULL) {
		b->failed = true;
		return;
	}
	for (int i = 0; i < w.len; i++)
		symbols[i] = factor_symbols(&b->classes, q, w.at + i);
	add_keys(b, (uint32_t)b->factors.count - 1, symbols, w.len, 0, w.len);
}

bool
match_builder_add(struct match_builder *b, uint32_t slot, const struct factor_need *need,
                  bool done_after_first)
{
	struct table_rule *rule = &b->rules[slot];

	rule->decides = need->kind == FACTOR_EXACT;
	rule->done_after_first = done_after_first;
	for (unsigned i = 0; i < need->set_count; i++) {
		rule->needs |= (uint8_t)(1U << i);
		rule->times[i] = need->sets[i].times > 1 ? need->sets[i].times : 0;
		rule->counted |= rule->times[i] != 0;
		for (uint32_t k = 0; k < need->sets[i].count; k++)
			add_factor(b, slot, i, &need->sets[i].items[k]);
	}
	return !b->failed;
}

/* By key, stable: two passes over 13 bits. */
static bool
sort_keys(struct match_builder *b)
{
	size_t n = b->keys.count;
	uint64_t *other = arena_new_array(b->temporary, uint64_t, n + 1), *from = b->keys.items;
	uint32_t *counts = arena_new_array(b->temporary, uint32_t, 8193);

	if (other == NULL || counts == NULL)
		return false;
	for (unsigned pass = 0; pass < 2; pass++) {
		unsigned shift = 32 + pass * 13;
		uint64_t *to = pass == 0 ? other : b->keys.items;

		memset(counts, 0, 8193 * sizeof(*counts));
		for (size_t i = 0; i < n; i++)
			counts[(from[i] >> shift & 8191) + 1]++;
		for (size_t i = 1; i < 8193; i++)
			counts[i] += counts[i - 1];
		for (size_t i = 0; i < n; i++)
			to[counts[from[i] >> shift & 8191]++] = from[i];
		from = to;
	}
	return true;
}

static inline uint32_t
hash_key(uint32_t key)
{
	return key * (uint32_t)HASH_FACTOR;
}

static unsigned
log2_above(size_t n, unsigned least, unsigned most)
{
	unsigned bits = least;

	while (bits < most && ((size_t)1 << bits) < n)
		bits++;
	return bits;
}

static bool
make_bitmaps(struct match_table *t, struct arena *arena, const size_t distinct[3])
{
	for (unsigned i = 0; i < 3; i++)
		t->any[i] = distinct[i] > 0;
	t->pairs = arena_new_array(arena, uint8_t, PAIRS);
	if (t->pairs == NULL)
		return false;
	for (unsigned i = 0; i < 2; i++) {
		unsigned bits = log2_above(distinct[i] * 16, 10, i == 0 ? 20 : 18);

		t->shift[i] = 32 - bits;
		t->bits[i] = arena_new_array(arena, uint64_t, ((size_t)1 << bits) / 64);
		if (t->bits[i] == NULL)
			return false;
	}
	return true;
}

static void
set_bit(struct match_table *t, uint32_t key)
{
	unsigned len = (key >> KEY_BITS) + 1;
	uint32_t v;

	t->pairs[key & (PAIRS - 1)] |= (uint8_t)PAIR_OF(len);
	if (len == 2)
		return;
	v = hash_key(key & ((1U << KEY_BITS) - 1)) >> t->shift[4 - len];
	t->bits[4 - len][v >> 6] |= (uint64_t)1 << (v & 63);
}

static bool
is_sparse(const struct match_table *t, const struct factor_classes *classes)
{
	float p = 0;

	for (unsigned i = 0; i < PAIRS; i++)
		if (t->pairs[i] != 0)
			p += classes->symbol_p[i >> 6] * classes->symbol_p[i & 63];
	return p < SPARSE_P;
}

static bool
make_hash(struct match_table *t, struct match_builder *b, struct arena *arena)
{
	size_t n = b->keys.count, distinct[3] = {0};

	t->key_factors = arena_new_array(arena, uint32_t, n + 1);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || b->keys.items[i] >> 32 != b->keys.items[i - 1] >> 32) {
			distinct[3 - (b->keys.items[i] >> (32 + KEY_BITS))]++;
			t->distinct++;
		}
	t->hash_size = (uint32_t)1 << log2_above(t->distinct * 2, 4, 30);
	t->hash = arena_new_array(arena, struct key_slot, t->hash_size);
	if (t->key_factors == NULL || t->hash == NULL || !make_bitmaps(t, arena, distinct))
		return false;
	t->key_count = n;
	for (size_t i = 0; i < n;) {
		uint32_t key = (uint32_t)(b->keys.items[i] >> 32), first = (uint32_t)i, at;

		for (; i < n && b->keys.items[i] >> 32 == key; i++)
			t->key_factors[i] = (uint32_t)b->keys.items[i];
		t->key_factors[i - 1] |= LAST_FACTOR;
		at = hash_key(key) >> 7 & (t->hash_size - 1);
		while (t->hash[at].key != 0)
			at = (at + 1) & (t->hash_size - 1);
		t->hash[at] = (struct key_slot){key, first};
		set_bit(t, key);
	}
	t->sparse = is_sparse(t, &b->classes);
	return true;
}

static void *
keep(struct arena *arena, const void *items, size_t count, size_t size)
{
	void *copy = arena_array(arena, count + 1, size, 64);

	if (copy != NULL && count > 0)
		memcpy(copy, items, count * size);
	return copy;
}

struct match_table *
match_builder_finish(struct match_builder *b, struct arena *arena)
{
	struct match_table *t = arena_new(arena, struct match_table);

	if (t == NULL || b->failed || !sort_keys(b) || !make_hash(t, b, arena))
		return NULL;
	memcpy(t->symbol_of, b->classes.symbol_of, sizeof(t->symbol_of));
	t->sets = arena_new_array(arena, struct byte_set, b->classes.list.count + 1);
	if (t->sets == NULL)
		return NULL;
	t->set_count = b->classes.list.count;
	for (size_t i = 0; i < t->set_count; i++)
		t->sets[i] = b->classes.list.items[i].set;
	t->rules = keep(arena, b->rules, b->rule_count, sizeof(*b->rules));
	t->factors = keep(arena, b->factors.items, b->factors.count, sizeof(*b->factors.items));
	t->cls = keep(arena, b->cls.items, b->cls.count, sizeof(*b->cls.items));
	t->edge = keep(arena, b->edge.items, b->edge.count, sizeof(*b->edge.items));
	t->rule_count = b->rule_count;
	t->factor_count = b->factors.count;
	t->cls_count = b->cls.count;
	t->edge_count = b->edge.count;
	if (t->rules == NULL || t->factors == NULL || t->cls == NULL || t->edge == NULL)
		return NULL;
	return t;
}

/* ---- scanning ---- */

struct scan {
	const struct match_table *table;
	struct match_seen *seen;
	const unsigned char *text;
	size_t len;
};

static bool
edge_holds(unsigned edge, const unsigned char *p, size_t len, size_t at)
{
	if ((edge & FACTOR_BOL) != 0 && at != 0)
		return false;
	if ((edge & FACTOR_BOL_LINES) != 0 && at != 0 && (p[at - 1] != '\n' || at == len))
		return false;
	if ((edge & FACTOR_EOL) != 0 && !(at == len || (at + 1 == len && p[at] == '\n')))
		return false;
	if ((edge & FACTOR_EOL_LINES) != 0 && !(at == len || p[at] == '\n'))
		return false;
	if ((edge & FACTOR_EOS) != 0 && at != len)
		return false;
	if ((edge & (FACTOR_WORD | FACTOR_NO_WORD)) != 0) {
		bool is_edge =
			(at > 0 && byte_is_word(p[at - 1])) != (at < len && byte_is_word(p[at]));
		if ((edge & FACTOR_WORD) != 0 && !is_edge)
			return false;
		if ((edge & FACTOR_NO_WORD) != 0 && is_edge)
			return false;
	}
	return true;
}

/* The first 8 bytes refuse it; else true proves nothing. */
static bool
factor_may_be_at(const struct scan *scan, const struct table_factor *f, size_t start)
{
	uint64_t bytes;

	if (start > scan->len || f->n > scan->len - start)
		return false;
	if (scan->len - start < sizeof(bytes))
		return true;
	memcpy(&bytes, scan->text + start, sizeof(bytes));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	bytes = __builtin_bswap64(bytes);
#endif
	return (bytes & f->mask) == f->value;
}

/* It is there, after factor_may_be_at(). */
static bool
factor_is_at(const struct scan *scan, const struct table_factor *f, size_t start)
{
	const struct match_table *t = scan->table;
	const unsigned char *p = scan->text + start;
	const uint16_t *cls = t->cls + f->classes;

	for (unsigned i = scan->len - start >= 8 ? f->unsure : 0; i < f->n; i++)
		if (!byte_set_has(&t->sets[cls[i]], p[i]))
			return false;
	if (f->edges == 0)
		return true;
	for (unsigned i = 0; i <= f->n; i++)
		if (t->edge[f->edges + i] != 0 &&
		    !edge_holds(t->edge[f->edges + i], scan->text, scan->len, start + i))
			return false;
	return true;
}

static void
factor_found(const struct scan *scan, const struct table_factor *f, struct match_slot_state *state)
{
	const struct table_rule *rule = &scan->table->rules[f->slot];
	struct match_seen *seen = scan->seen;

	if (state->epoch != seen->epoch) {
		state->epoch = seen->epoch;
		state->found = 0;
		memset(state->times, 0, sizeof(state->times));
	}
	if (rule->counted && ++state->times[f->bit] < rule->times[f->bit])
		return;
	state->found |= (uint8_t)(1U << f->bit);
	if (state->found != rule->needs)
		return;
	add_found(seen, f->slot, rule->decides != 0);
	if (rule->decides && rule->done_after_first)
		state->done = seen->run;
}

/* A key that may be in the table, and where its last symbol is. */
struct key_hit {
	uint32_t key; /* with its length */
	uint32_t at;  /* first: its place in the hash; then its first entry of key_factors */
	size_t end;
};

struct batch {
	struct key_hit hits[BATCH];
	unsigned count;
};

/* Where the factors of the hits are listed; drops those that are not in the table after all. */
static void
find_lists(const struct match_table *t, struct batch *batch)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		struct key_hit hit = batch->hits[i];

		while (t->hash[hit.at].key != hit.key && t->hash[hit.at].key != 0)
			hit.at = (hit.at + 1) & (t->hash_size - 1);
		if (t->hash[hit.at].key == 0)
			continue;
		hit.at = t->hash[hit.at].first;
		__builtin_prefetch(&t->key_factors[hit.at]);
		batch->hits[kept++] = hit;
	}
	batch->count = kept;
}

static void
try_factor(const struct scan *scan, const struct table_factor *f, const struct key_hit *hit)
{
	struct match_slot_state *state = &scan->seen->slots[f->slot];
	size_t start = hit->end - (hit->key >> KEY_BITS) - (size_t)(ptrdiff_t)f->key_at;

	/* First what needs nothing but the factor: it refuses most, and the slot is a cache line.
	 */
	if (!factor_may_be_at(scan, f, start))
		return;
	if (state->done == scan->seen->run ||
	    (state->epoch == scan->seen->epoch && (state->found >> f->bit & 1) != 0))
		return;
	if (factor_is_at(scan, f, start))
		factor_found(scan, f, state);
}

static void __attribute__((noinline)) take_batch(const struct scan *scan, struct batch *batch)
{
	const struct match_table *t = scan->table;

	find_lists(t, batch);
	for (unsigned i = 0; i < batch->count; i++) {
		const uint32_t *k = t->key_factors + batch->hits[i].at;

		for (; (*k & LAST_FACTOR) == 0; k++)
			__builtin_prefetch(&t->factors[*k]);
		__builtin_prefetch(&t->factors[*k & ~LAST_FACTOR]);
	}
	for (unsigned i = 0; i < batch->count; i++) {
		const uint32_t *k = t->key_factors + batch->hits[i].at;

		for (;; k++) {
			try_factor(scan, &t->factors[*k & ~LAST_FACTOR], &batch->hits[i]);
			if ((*k & LAST_FACTOR) != 0)
				break;
		}
	}
	batch->count = 0;
}

static inline void
key_found(const struct scan *scan, struct batch *batch, uint32_t key, unsigned key_len, size_t end)
{
	const struct match_table *t = scan->table;
	uint32_t full = key | (key_len - 1) << KEY_BITS;
	uint32_t at = hash_key(full) >> 7 & (t->hash_size - 1);

	__builtin_prefetch(&t->hash[at]);
	batch->hits[batch->count++] = (struct key_hit){full, at, end};
	if (batch->count == BATCH)
		take_batch(scan, batch);
}

static inline bool
has_bit(const uint64_t *bits, uint32_t at)
{
	return (bits[at >> 6] >> (at & 63) & 1) != 0;
}

/* Tables of few keys: most places of a text cost one look-up. */
static void
scan_sparse(const struct scan *scan)
{
	const struct match_table *t = scan->table;
	uint32_t key = (1U << KEY_BITS) - 1;
	struct batch batch;

	batch.count = 0;
	for (size_t i = 0; i <= scan->len; i++) {
		unsigned lengths;

		key = key << 6 | (i < scan->len ? t->symbol_of[scan->text[i]] : FACTOR_OUTSIDE);
		lengths = t->pairs[key & (PAIRS - 1)];
		if (__builtin_expect(lengths == 0, 1))
			continue;
		if ((lengths & PAIR_OF(4)) != 0 &&
		    has_bit(t->bits[0], hash_key(key & 0xffffff) >> t->shift[0]))
			key_found(scan, &batch, key & 0xffffff, 4, i);
		if ((lengths & PAIR_OF(3)) != 0 &&
		    has_bit(t->bits[1], hash_key(key & 0x3ffff) >> t->shift[1]))
			key_found(scan, &batch, key & 0x3ffff, 3, i);
		if ((lengths & PAIR_OF(2)) != 0)
			key_found(scan, &batch, key & 0xfff, 2, i);
	}
	take_batch(scan, &batch);
}

/* Specialised by the compiler for the key lengths that a table has. */
static inline __attribute__((always_inline)) void
scan_dense(const struct scan *scan, bool four, bool three)
{
	const struct match_table *t = scan->table;
	const uint64_t *b4 = t->bits[0], *b3 = t->bits[1];
	const unsigned s4 = t->shift[0], s3 = t->shift[1];
	uint32_t key = (1U << KEY_BITS) - 1;
	struct batch batch;

	batch.count = 0;
	for (size_t i = 0; i <= scan->len; i++) {
		bool hit4 = false, hit3 = false, hit2;

		key = key << 6 | (i < scan->len ? t->symbol_of[scan->text[i]] : FACTOR_OUTSIDE);
		if (four)
			hit4 = has_bit(b4, hash_key(key & 0xffffff) >> s4);
		if (three)
			hit3 = has_bit(b3, hash_key(key & 0x3ffff) >> s3);
		hit2 = (t->pairs[key & (PAIRS - 1)] & PAIR_OF(2)) != 0;
		if (__builtin_expect((hit4 | hit3 | hit2) == 0, 1))
			continue;
		if (four && hit4)
			key_found(scan, &batch, key & 0xffffff, 4, i);
		if (three && hit3)
			key_found(scan, &batch, key & 0x3ffff, 3, i);
		if (hit2)
			key_found(scan, &batch, key & 0xfff, 2, i);
	}
	take_batch(scan, &batch);
}

void
match_table_scan(const struct match_table *t, struct match_seen *seen, struct slice text)
{
	struct scan scan = {t, seen, text.data, text.len};

	seen->found_count = 0;
	if (seen->found_size < t->rule_count + 1) {
		struct match_found *more =
			realloc(seen->found, (t->rule_count + 1) * sizeof(*more));
		if (more == NULL)
			abort(); /* a lost candidate would be a lost hit */
		seen->found = more;
		seen->found_size = t->rule_count + 1;
	}
	if (++seen->epoch == 0) {
		memset(seen->slots, 0, seen->slot_count * sizeof(*seen->slots));
		seen->epoch = 1;
	}
	if (!t->any[0] && !t->any[1] && !t->any[2])
		return;
	if (t->sparse)
		scan_sparse(&scan);
	else if (t->any[0] && t->any[1])
		scan_dense(&scan, true, true);
	else if (t->any[0])
		scan_dense(&scan, true, false);
	else
		scan_dense(&scan, false, true);
}

const struct byte_set *
match_table_class(const struct match_table *table, unsigned cls)
{
	return &table->sets[cls];
}

size_t
match_table_bytes(const struct match_table *t)
{
	size_t bytes = sizeof(*t);

	bytes += t->set_count * sizeof(*t->sets) + t->rule_count * sizeof(*t->rules);
	bytes += t->factor_count * sizeof(*t->factors) + t->cls_count * sizeof(*t->cls);
	bytes += t->edge_count + t->key_count * sizeof(*t->key_factors);
	bytes += t->hash_size * sizeof(*t->hash);
	bytes += PAIRS;
	for (int i = 0; i < 2; i++)
		bytes += ((size_t)1 << (32 - t->shift[i])) / 8;
	return bytes;
}

struct slice
match_table_describe(const struct match_table *t, struct arena *arena)
{
	return arena_printf(arena, "%zu factors, %zu keys (%zu distinct), %zu bytes",
	                    t->factor_count, t->key_count, t->distinct, match_table_bytes(t));
}

/* ---- in a file ---- */

/* Arrays of a table, each as offset and count; key bitmaps have their counts from the shifts. */
enum table_part {
	PART_SETS,
	PART_RULES,
	PART_FACTORS,
	PART_CLS,
	PART_EDGE,
	PART_KEY_FACTORS,
	PART_HASH,
	PART_PAIRS,
	PART_BITS,
	PART_COUNT = PART_BITS + 2
};

struct table_file {
	struct {
		uint64_t at;
		uint64_t count;
	} parts[PART_COUNT];
	uint64_t distinct;
	uint32_t shift[2];
	uint8_t any[3];
	uint8_t sparse;
	uint8_t symbol_of[256];
};

struct table_array {
	void **items; /* of the struct match_table */
	size_t size;
	size_t count;
};

static void
table_arrays(struct match_table *t, struct table_array arrays[PART_COUNT])
{
	arrays[PART_SETS] = (struct table_array){(void **)&t->sets, sizeof(*t->sets), t->set_count};
	arrays[PART_RULES] =
		(struct table_array){(void **)&t->rules, sizeof(*t->rules), t->rule_count};
	arrays[PART_FACTORS] =
		(struct table_array){(void **)&t->factors, sizeof(*t->factors), t->factor_count};
	arrays[PART_CLS] = (struct table_array){(void **)&t->cls, sizeof(*t->cls), t->cls_count};
	arrays[PART_EDGE] =
		(struct table_array){(void **)&t->edge, sizeof(*t->edge), t->edge_count};
	arrays[PART_KEY_FACTORS] = (struct table_array){(void **)&t->key_factors,
	                                                sizeof(*t->key_factors), t->key_count};
	arrays[PART_HASH] = (struct table_array){(void **)&t->hash, sizeof(*t->hash), t->hash_size};
	arrays[PART_PAIRS] = (struct table_array){(void **)&t->pairs, sizeof(*t->pairs), PAIRS};
	for (int i = 0; i < 2; i++)
		arrays[PART_BITS + i] =
			(struct table_array){(void **)&t->bits[i], sizeof(*t->bits[i]),
		                             ((size_t)1 << (32 - t->shift[i])) / 64};
}

void
match_table_identity(struct blob_hash *hash)
{
	struct match_table t = {.shift = {20, 20}};
	struct table_array arrays[PART_COUNT];

	table_arrays(&t, arrays);
	for (int i = 0; i < PART_COUNT; i++)
		blob_hash_number(hash, arrays[i].size);
	blob_hash_number(hash, sizeof(struct table_file));
	blob_hash_number(hash, sizeof(struct match_table));
}

uint64_t
match_table_save(const struct match_table *table, struct blob_out *out)
{
	struct match_table t = *table;
	struct table_file file = {.distinct = t.distinct};
	struct table_array arrays[PART_COUNT];
	uint64_t at = blob_out_add(out, NULL, 1, sizeof(file));

	table_arrays(&t, arrays);
	for (int i = 0; i < PART_COUNT; i++) {
		file.parts[i].count = arrays[i].count;
		file.parts[i].at =
			blob_out_add(out, *arrays[i].items, arrays[i].count, arrays[i].size);
	}
	for (int i = 0; i < 2; i++)
		file.shift[i] = t.shift[i];
	for (int i = 0; i < 3; i++)
		file.any[i] = t.any[i];
	file.sparse = t.sparse;
	memcpy(file.symbol_of, t.symbol_of, sizeof(file.symbol_of));
	blob_out_set(out, at, &file, sizeof(file));
	return at;
}

static bool
factors_are_inside(const struct match_table *t)
{
	for (size_t i = 0; i < t->factor_count; i++) {
		const struct table_factor *f = &t->factors[i];

		if (f->slot >= t->rule_count || f->bit >= FACTOR_SETS || f->n > t->cls_count ||
		    f->classes > t->cls_count - f->n ||
		    (f->edges != 0 &&
		     (f->n + 1U > t->edge_count || f->edges > t->edge_count - f->n - 1)))
			return false;
	}
	for (size_t i = 0; i < t->cls_count; i++)
		if (t->cls[i] >= t->set_count)
			return false;
	return true;
}

/* And every list ends, and every search: there is a free place in the hash. */
static bool
keys_are_inside(const struct match_table *t)
{
	size_t taken = 0;

	for (size_t i = 0; i < t->key_count; i++)
		if ((t->key_factors[i] & ~LAST_FACTOR) >= t->factor_count)
			return false;
	if (t->key_count > 0 && (t->key_factors[t->key_count - 1] & LAST_FACTOR) == 0)
		return false;
	for (size_t i = 0; i < t->hash_size; i++) {
		if (t->hash[i].key == 0)
			continue;
		taken++;
		if (t->hash[i].first >= t->key_count)
			return false;
	}
	return taken < t->hash_size;
}

static bool
shifts_are_right(const struct table_file *file)
{
	for (int i = 0; i < 2; i++) {
		if (file->shift[i] < 6 || file->shift[i] > 26)
			return false;
		if (file->parts[PART_BITS + i].count != ((uint64_t)1 << (32 - file->shift[i])) / 64)
			return false;
	}
	return file->parts[PART_PAIRS].count == PAIRS;
}

struct match_table *
match_table_load(struct arena *arena, struct slice blob, uint64_t at, size_t slots)
{
	struct match_table *t = arena_new(arena, struct match_table);
	const struct table_file *file = blob_array(blob, at, 1, sizeof(*file));
	struct table_array arrays[PART_COUNT];

	if (t == NULL || file == NULL || !shifts_are_right(file))
		return NULL;
	table_arrays(t, arrays);
	for (int i = 0; i < PART_COUNT; i++) {
		const void *items =
			blob_array(blob, file->parts[i].at, file->parts[i].count, arrays[i].size);

		if (items == NULL)
			return NULL;
		*arrays[i].items = (void *)(uintptr_t)items; /* read-only once it is made */
	}
	t->set_count = (size_t)file->parts[PART_SETS].count;
	t->rule_count = (size_t)file->parts[PART_RULES].count;
	t->factor_count = (size_t)file->parts[PART_FACTORS].count;
	t->cls_count = (size_t)file->parts[PART_CLS].count;
	t->edge_count = (size_t)file->parts[PART_EDGE].count;
	t->key_count = (size_t)file->parts[PART_KEY_FACTORS].count;
	t->hash_size = (uint32_t)file->parts[PART_HASH].count;
	t->distinct = (size_t)file->distinct;
	for (int i = 0; i < 2; i++)
		t->shift[i] = file->shift[i];
	for (int i = 0; i < 3; i++)
		t->any[i] = file->any[i] != 0;
	t->sparse = file->sparse != 0;
	memcpy(t->symbol_of, file->symbol_of, sizeof(t->symbol_of));
	if (t->rule_count != slots || t->hash_size == 0 ||
	    file->parts[PART_HASH].count > UINT32_MAX || (t->hash_size & (t->hash_size - 1)) != 0 ||
	    !factors_are_inside(t) || !keys_are_inside(t))
		return NULL;
	return t;
}

size_t
match_table_classes(const struct match_table *t)
{
	return t->set_count;
}
