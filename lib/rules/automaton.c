#include "rules/automaton.h"

#include <stdlib.h>

enum {
	PROGRAM_MAX = 65535, /* steps are numbered in 16 bits */
	PROGRAM_MIN = 16,    /* below, PCRE2 is as cheap */
	COPY_STEPS = 50000,  /* steps that the copies of one counted repeat may take */
	COPIES_MAX = 64,
	EXACT_STEPS = 0, /* optional copies up to this much are not made unbounded */
	STATES_MAX = 6000,
	POOL_MAX = 300000, /* members of all states of one automaton */
	GIVE_UP_AFTER =
		4, /* overflows close to one another before an automaton is no longer asked */
	CLOSE_RUNS = 100,
	TABLE_MIN = 64,
	/* What a cache may hold besides what it held when it was settled. */
	OWN_BYTES_MAX = 3 << 20,
	OWN_BYTES_LEFT = OWN_BYTES_MAX / 8 * 7,
	LANES = 4,
	/* An automaton that says "maybe" to three of four texts is left out for a while. */
	TRIAL = 64,
	HOLIDAY = 2000,
	/* Idle stretches that are longer than this on average are skipped faster than stepped. */
	LONG_IDLE = 10
};

/* Rows are numbered in units of entries, so that 16 bits name them and the processor scales them.
 */
enum { GO_UNKNOWN = 0, GO_ACCEPT = 1, GO_DEAD = 2, GO_STATE = 3, UNIT = 4, UNITS_MAX = 65535 - 3 };

enum op { OP_CLASS, OP_SPLIT, OP_JUMP, OP_BOL, OP_BOL_LINES, OP_ACCEPT };

struct step {
	uint8_t op;
	uint16_t cls;
	uint32_t to; /* SPLIT: the other way besides the next step; JUMP */
};

struct automaton {
	struct step *steps;
	uint32_t count;
	struct byte_set *classes;
	uint32_t class_count;
	uint8_t map[256]; /* bytes that no class tells apart are one column */
	uint8_t sample[256];
	uint32_t columns;
	uint32_t units; /* of a row of a table */
	bool has_lines; /* ^ under /m: a match may begin later though nothing is under way */
};

/* ---- compiling ---- */

struct compiler {
	struct arena *arena;
	const struct pattern *pattern;
	VEC(struct step) steps;
	uint16_t any; /* class of all bytes */
	bool failed;
};

static void compile(struct compiler *c, uint32_t n);

static uint32_t
add_step(struct compiler *c, enum op op, uint16_t cls)
{
	if (c->steps.count >= PROGRAM_MAX ||
	    vec_push(c->arena, &c->steps, (struct step){(uint8_t)op, cls, 0}) == NULL) {
		c->failed = true;
		return 0;
	}
	return (uint32_t)c->steps.count - 1;
}

static void
land(struct compiler *c, uint32_t step)
{
	if (!c->failed)
		c->steps.items[step].to = (uint32_t)c->steps.count;
}

static void
compile_alternatives(struct compiler *c, uint32_t first)
{
	VEC(uint32_t) jumps = {0};

	for (uint32_t n = first; n != 0 && !c->failed; n = pattern_node(c->pattern, n)->next) {
		bool last = pattern_node(c->pattern, n)->next == 0;
		uint32_t split = last ? 0 : add_step(c, OP_SPLIT, 0), jump;

		compile(c, n);
		if (last)
			break;
		jump = add_step(c, OP_JUMP, 0);
		if (vec_push(c->arena, &jumps, jump) == NULL)
			c->failed = true;
		land(c, split);
	}
	for (size_t i = 0; i < jumps.count; i++)
		land(c, jumps.items[i]);
}

static void
compile_star(struct compiler *c, uint32_t child)
{
	uint32_t split = add_step(c, OP_SPLIT, 0), jump;

	compile(c, child);
	jump = add_step(c, OP_JUMP, 0);
	if (c->failed)
		return;
	c->steps.items[jump].to = split;
	land(c, split);
}

static void
compile_repeat(struct compiler *c, const struct pattern_node *node)
{
	uint32_t begin = (uint32_t)c->steps.count, size = 1, copies = 0, split;

	for (; copies < node->min && !c->failed; copies++) {
		if (copies > 0 && (copies >= COPIES_MAX || (copies + 1) * size > COPY_STEPS))
			break;
		compile(c, node->child);
		if (copies == 0)
			size = (uint32_t)c->steps.count - begin;
		if (size == 0)
			return;
	}
	if (node->max == copies || node->max == 0)
		return;
	if (copies == node->min && node->max != PATTERN_INFINITE &&
	    (node->max - copies) * size <= (node->max - copies <= 3 ? 200 : EXACT_STEPS)) {
		for (; copies < node->max && !c->failed; copies++) {
			split = add_step(c, OP_SPLIT, 0);
			compile(c, node->child);
			land(c, split);
		}
		return;
	}
	compile_star(c, node->child);
}

static void
compile_any(struct compiler *c)
{
	uint32_t split = add_step(c, OP_SPLIT, 0), jump;

	add_step(c, OP_CLASS, c->any);
	jump = add_step(c, OP_JUMP, 0);
	if (c->failed)
		return;
	c->steps.items[jump].to = split;
	land(c, split);
}

/* Characters are classes behind those of the pattern: 256 + 256 of them, with and without fold. */
static uint16_t
class_of_char(const struct compiler *c, const struct pattern_node *node)
{
	return (uint16_t)(c->pattern->classes.count + node->value + (node->fold != 0 ? 256U : 0));
}

static void
compile(struct compiler *c, uint32_t n)
{
	const struct pattern_node *node = pattern_node(c->pattern, n);

	if (c->failed)
		return;
	switch ((enum pattern_kind)node->kind) {
	case PATTERN_EMPTY:
		return;
	case PATTERN_CHAR:
		add_step(c, OP_CLASS, class_of_char(c, node));
		return;
	case PATTERN_CLASS:
		add_step(c, OP_CLASS, node->value);
		return;
	case PATTERN_ASSERT:
		if (node->value == PATTERN_BOL)
			add_step(c, OP_BOL, 0);
		else if (node->value == PATTERN_BOL_LINES)
			add_step(c, OP_BOL_LINES, 0);
		return;
	case PATTERN_CAT:
		for (uint32_t k = node->child; k != 0; k = pattern_node(c->pattern, k)->next)
			compile(c, k);
		return;
	case PATTERN_ALT:
		compile_alternatives(c, node->child);
		return;
	case PATTERN_GROUP:
		if (node->value < PATTERN_AHEAD)
			compile(c, node->child);
		return;
	case PATTERN_REPEAT:
		compile_repeat(c, node);
		return;
	case PATTERN_RECURSE:
	case PATTERN_COND:
		compile_any(c);
		return;
	case PATTERN_BACKREF: /* would nearly always say maybe */
	case PATTERN_VERB:
		c->failed = true;
		return;
	}
}

/* Renumbers classes to those in use. */
static bool
collect_classes(struct automaton *a, struct compiler *c, struct arena *arena)
{
	size_t all = c->pattern->classes.count + 513;
	uint16_t *number = arena_new_array(c->arena, uint16_t, all);
	struct byte_set *sets = arena_new_array(c->arena, struct byte_set, all);

	if (number == NULL || sets == NULL)
		return false;
	for (size_t i = 0; i < c->steps.count; i++) {
		struct step *s = &c->steps.items[i];
		size_t cls = s->cls;
		struct byte_set *set;

		if (s->op != OP_CLASS)
			continue;
		if (number[cls] == 0) {
			set = &sets[a->class_count++];
			number[cls] = (uint16_t)a->class_count;
			if (cls < c->pattern->classes.count) {
				*set = c->pattern->classes.items[cls];
			} else if (cls == c->any) {
				memset(set, 0xff, sizeof(*set));
			} else {
				size_t b = cls - c->pattern->classes.count;
				byte_set_add(set, (unsigned)(b & 255));
				if (b > 255)
					byte_set_add(set,
					             byte_other_case((unsigned char)b, BYTE_AA));
			}
		}
		s->cls = (uint16_t)(number[cls] - 1);
	}
	a->classes = arena_new_array(arena, struct byte_set, a->class_count + 1);
	if (a->classes != NULL)
		memcpy(a->classes, sets, a->class_count * sizeof(*sets));
	return a->classes != NULL;
}

/* Columns that `set` holds only a part of are split in two. */
static void
split_columns(struct automaton *a, uint16_t total[256], const struct byte_set *set)
{
	uint8_t touched[256], inside[256] = {0};
	uint16_t in[256] = {0};
	unsigned touched_count = 0;

	for (unsigned w = 0; w < 4; w++)
		for (uint64_t m = set->bits[w]; m != 0; m &= m - 1) {
			uint8_t col = a->map[w * 64 + (unsigned)__builtin_ctzll(m)];

			if (in[col]++ == 0)
				touched[touched_count++] = col;
		}
	for (unsigned i = 0; i < touched_count; i++) {
		uint8_t col = touched[i];

		inside[col] = col;
		if (in[col] == total[col])
			continue;
		inside[col] = (uint8_t)a->columns;
		total[a->columns++] = in[col];
		total[col] = (uint16_t)(total[col] - in[col]);
	}
	for (unsigned w = 0; w < 4; w++)
		for (uint64_t m = set->bits[w]; m != 0; m &= m - 1) {
			unsigned byte = w * 64 + (unsigned)__builtin_ctzll(m);

			a->map[byte] = inside[a->map[byte]];
		}
}

/* Splits the bytes until no class holds only a part of a column. */
static void
make_columns(struct automaton *a)
{
	struct byte_set newline = {{1U << '\n'}};
	uint16_t total[256] = {256};

	a->columns = 1;
	for (uint32_t k = 0; k < a->class_count && a->columns < 256; k++)
		split_columns(a, total, &a->classes[k]);
	if (a->columns < 256)
		split_columns(a, total, &newline);
	for (unsigned b = 256; b-- > 0;)
		a->sample[a->map[b]] = (uint8_t)b;
	a->units = (a->columns + UNIT - 1) / UNIT;
}

struct automaton *
automaton_create(struct arena *arena, const struct pattern *pattern)
{
	struct compiler c = {.arena = pattern->arena, .pattern = pattern};
	struct automaton *a;
	unsigned min, max;

	pattern_width(pattern, pattern->root, &min, &max);
	if (min == 0 || pattern->classes.count > 60000)
		return NULL;
	c.any = (uint16_t)(pattern->classes.count + 512);
	compile(&c, pattern->root);
	add_step(&c, OP_ACCEPT, 0);
	a = c.failed || c.steps.count < PROGRAM_MIN ? NULL : arena_new(arena, struct automaton);
	if (a == NULL || !collect_classes(a, &c, arena))
		return NULL;
	a->count = (uint32_t)c.steps.count;
	a->steps = arena_new_array(arena, struct step, a->count);
	if (a->steps == NULL)
		return NULL;
	memcpy(a->steps, c.steps.items, a->count * sizeof(*a->steps));
	for (uint32_t i = 0; i < a->count; i++)
		a->has_lines |= a->steps[i].op == OP_BOL_LINES;
	make_columns(a);
	return a;
}

size_t
automaton_size(const struct automaton *a)
{
	return a->count;
}

size_t
automaton_bytes(const struct automaton *a)
{
	return sizeof(*a) + a->count * sizeof(*a->steps) + a->class_count * sizeof(*a->classes);
}

/* ---- in a file ---- */

struct automaton_file {
	uint64_t steps_at;
	uint64_t classes_at;
	uint32_t count;
	uint32_t class_count;
	uint32_t columns;
	uint32_t has_lines;
	uint8_t map[256];
	uint8_t sample[256];
};

void
automaton_identity(struct blob_hash *hash)
{
	blob_hash_number(hash, sizeof(struct automaton_file));
	blob_hash_number(hash, sizeof(struct step));
	blob_hash_number(hash, UNIT);
}

uint64_t
automaton_save(const struct automaton *a, struct blob_out *out)
{
	struct automaton_file file = {.count = a->count,
	                              .class_count = a->class_count,
	                              .columns = a->columns,
	                              .has_lines = a->has_lines};
	uint64_t at = blob_out_add(out, NULL, 1, sizeof(file));

	file.steps_at = blob_out_add(out, NULL, a->count, sizeof(*a->steps));
	for (uint32_t i = 0; i < a->count; i++) {
		struct step step;

		/* What lies between the fields, too: equal rules make equal files. */
		memset(&step, 0, sizeof(step));
		step.op = a->steps[i].op;
		step.cls = a->steps[i].cls;
		step.to = a->steps[i].to;
		blob_out_set(out, file.steps_at + i * sizeof(step), &step, sizeof(step));
	}
	file.classes_at = blob_out_add(out, a->classes, a->class_count, sizeof(*a->classes));
	memcpy(file.map, a->map, sizeof(file.map));
	memcpy(file.sample, a->sample, sizeof(file.sample));
	blob_out_set(out, at, &file, sizeof(file));
	return at;
}

/* Every jump lands on a step, and what is behind a step is one, too. */
static bool
program_is_whole(const struct automaton *a)
{
	if (a->count == 0 || a->count > PROGRAM_MAX || a->steps[a->count - 1].op != OP_ACCEPT)
		return false;
	for (uint32_t i = 0; i < a->count; i++) {
		const struct step *s = &a->steps[i];

		if (s->op > OP_ACCEPT ||
		    ((s->op == OP_SPLIT || s->op == OP_JUMP) && s->to >= a->count))
			return false;
		if (s->op == OP_CLASS && s->cls >= a->class_count)
			return false;
	}
	if (a->columns == 0 || a->columns > 256)
		return false;
	for (unsigned b = 0; b < 256; b++)
		if (a->map[b] >= a->columns)
			return false;
	return true;
}

struct automaton *
automaton_load(struct arena *arena, struct slice blob, uint64_t at)
{
	const struct automaton_file *file = blob_array(blob, at, 1, sizeof(*file));
	struct automaton *a = arena_new(arena, struct automaton);
	const struct step *steps;
	const struct byte_set *classes;

	if (file == NULL || a == NULL)
		return NULL;
	steps = blob_array(blob, file->steps_at, file->count, sizeof(*steps));
	classes = blob_array(blob, file->classes_at, file->class_count, sizeof(*classes));
	if (steps == NULL || classes == NULL)
		return NULL;
	/* Never written to once made. */
	a->steps = (struct step *)(uintptr_t)steps;
	a->classes = (struct byte_set *)(uintptr_t)classes;
	a->count = file->count;
	a->class_count = file->class_count;
	a->columns = file->columns;
	a->units = (a->columns + UNIT - 1) / UNIT;
	a->has_lines = file->has_lines != 0;
	memcpy(a->map, file->map, sizeof(a->map));
	memcpy(a->sample, file->sample, sizeof(a->sample));
	return program_is_whole(a) ? a : NULL;
}

/* ---- states ---- */

struct state {
	uint32_t first; /* in pool */
	uint32_t count;
	uint32_t hash;
};

/* What one automaton has met so far. */
struct table {
	const struct automaton *automaton;
	uint16_t *go; /* states x units x UNIT: GO_STATE + first unit of the next state's row */
	struct state *states;
	uint32_t state_count;
	uint32_t state_size;
	uint16_t *pool;
	uint32_t pool_count;
	uint32_t pool_size;
	uint16_t *slots; /* hash of states, + 1 */
	uint32_t slot_count;
	uint32_t overflows;
	uint32_t runs; /* since the last of them */
	uint32_t asked;
	uint32_t maybes;  /* of these */
	uint32_t holiday; /* texts still to come that it is not asked for */
	/* Learned from the first TRIAL texts: idle most of the time, so it runs alone. */
	uint32_t trials;
	bool runs_alone;
	size_t bytes;
	size_t idle_bytes;
	size_t idle_runs;
	/* What a match that begins at this byte waits for: not stored in each state. */
	uint32_t *start;
	uint32_t start_count;
	bool start_accepts;
	/* The state in which nothing is under way, and the bytes that leave it so. */
	uint32_t idle;
	bool stays[256];
	uint32_t own_bytes; /* of what it holds; 0: nothing was added since the cache was settled */
	bool was_used;      /* since the hand of the cache came by */
};

struct table_slot {
	const struct automaton *automaton;
	struct table *table;
};

struct automaton_cache {
	struct table_slot *tables; /* by address of the automaton */
	size_t table_count;
	size_t table_size;
	uint16_t *mark; /* generation in which a step was last met */
	uint32_t *list;
	uint32_t *stack;
	uint32_t size;
	uint16_t generation;
	size_t own_bytes; /* of all tables */
	size_t hand;      /* slot that is next to be asked for its memory */
};

struct automaton_cache *
automaton_cache_create(void)
{
	struct automaton_cache *cache = calloc(1, sizeof(*cache));

	return cache;
}

static void
free_table(struct table *t)
{
	free(t->go);
	free(t->states);
	free(t->pool);
	free(t->slots);
	free(t->start);
	free(t);
}

void
automaton_cache_settle(struct automaton_cache *cache)
{
	for (size_t i = 0; i < cache->table_size; i++)
		if (cache->tables[i].table != NULL)
			cache->tables[i].table->own_bytes = 0;
	cache->own_bytes = 0;
}

size_t
automaton_cache_own_bytes(const struct automaton_cache *cache)
{
	return cache->own_bytes;
}

/* After its states grew: all of them are in memory of this process now. */
static void
count_bytes(struct automaton_cache *cache, struct table *t)
{
	size_t bytes =
		t->state_size * (t->automaton->units * UNIT * sizeof(*t->go) + sizeof(*t->states)) +
		t->pool_size * sizeof(*t->pool) + t->slot_count * sizeof(*t->slots);

	cache->own_bytes += bytes - t->own_bytes;
	t->own_bytes = (uint32_t)bytes;
}

void
automaton_cache_destroy(struct automaton_cache **cache)
{
	struct automaton_cache *c = *cache;

	if (c == NULL)
		return;
	for (size_t i = 0; i < c->table_size; i++)
		if (c->tables[i].table != NULL)
			free_table(c->tables[i].table);
	free(c->tables);
	free(c->mark);
	free(c->list);
	free(c->stack);
	free(c);
	*cache = NULL;
}

static inline size_t
first_slot(const struct automaton_cache *cache, const struct automaton *a)
{
	return ((uintptr_t)a >> 4) * 0x9e3779b97f4a7c15U >> 20 & (cache->table_size - 1);
}

static size_t
slot_of(const struct automaton_cache *cache, const struct automaton *a)
{
	size_t at = first_slot(cache, a);

	while (cache->tables[at].automaton != NULL && cache->tables[at].automaton != a)
		at = (at + 1) & (cache->table_size - 1);
	return at;
}

static bool
grow_tables(struct automaton_cache *cache)
{
	struct table_slot *old = cache->tables;
	size_t old_size = cache->table_size;

	cache->table_size = old_size > 0 ? old_size * 2 : TABLE_MIN;
	cache->tables = calloc(cache->table_size, sizeof(*cache->tables));
	if (cache->tables == NULL) {
		cache->tables = old;
		cache->table_size = old_size;
		return false;
	}
	for (size_t i = 0; i < old_size; i++)
		if (old[i].automaton != NULL)
			cache->tables[slot_of(cache, old[i].automaton)] = old[i];
	free(old);
	return true;
}

static bool
grow_scratch(struct automaton_cache *cache, uint32_t count)
{
	if (cache->size >= count)
		return true;
	free(cache->mark);
	free(cache->list);
	free(cache->stack);
	cache->mark = calloc(count, sizeof(*cache->mark));
	cache->list = calloc(count, sizeof(*cache->list));
	cache->stack = calloc((size_t)count * 2, sizeof(*cache->stack));
	cache->size =
		cache->mark != NULL && cache->list != NULL && cache->stack != NULL ? count : 0;
	cache->generation = 0;
	return cache->size > 0;
}

static struct table *
table_for(struct automaton_cache *cache, const struct automaton *a)
{
	struct table *t;
	size_t at;

	if (cache->table_count * 2 >= cache->table_size && !grow_tables(cache))
		return NULL;
	at = slot_of(cache, a);
	if (cache->tables[at].table != NULL)
		return cache->tables[at].table;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->automaton = a;
	t->slot_count = 64;
	t->slots = calloc(t->slot_count, sizeof(*t->slots));
	if (t->slots == NULL) {
		free(t);
		return NULL;
	}
	cache->tables[at] = (struct table_slot){a, t};
	cache->table_count++;
	return t;
}

/* Everything reachable from `pc` without a byte, into cache->list; true: accepts. */
static bool
close_over(struct automaton_cache *cache, const struct automaton *a, uint32_t pc, bool at_start,
           bool after_newline, uint32_t *count)
{
	uint32_t depth = 0;
	bool accepts = false;

	cache->stack[depth++] = pc;
	while (depth > 0) {
		const struct step *s;

		pc = cache->stack[--depth];
		if (cache->mark[pc] == cache->generation)
			continue;
		cache->mark[pc] = cache->generation;
		s = &a->steps[pc];
		switch ((enum op)s->op) {
		case OP_CLASS:
			cache->list[(*count)++] = pc;
			break;
		case OP_SPLIT:
			cache->stack[depth++] = s->to;
			cache->stack[depth++] = pc + 1;
			break;
		case OP_JUMP:
			cache->stack[depth++] = s->to;
			break;
		case OP_BOL:
			if (at_start)
				cache->stack[depth++] = pc + 1;
			break;
		case OP_BOL_LINES:
			if (at_start || after_newline)
				cache->stack[depth++] = pc + 1;
			break;
		case OP_ACCEPT:
			accepts = true;
			break;
		}
	}
	return accepts;
}

static int
compare_pcs(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
forget(struct table *t)
{
	t->state_count = t->pool_count = 0;
	t->idle = 0;
	memset(t->stays, 0, sizeof(t->stays));
	memset(t->slots, 0, t->slot_count * sizeof(*t->slots));
}

/* As when nothing was met yet; what it learned of its texts stays. */
static void
give_back(struct automaton_cache *cache, struct table *t)
{
	free(t->go);
	free(t->states);
	free(t->pool);
	t->go = NULL;
	t->states = NULL;
	t->pool = NULL;
	t->state_size = t->pool_size = 0;
	forget(t);
	cache->own_bytes -= t->own_bytes;
	t->own_bytes = 0;
}

/* The tables that no text asked for since the hand was there before, until there is room again.
 * Lanes must be idle. */
static void
give_back_some(struct automaton_cache *cache)
{
	for (size_t turns = cache->table_size * 2; turns > 0 && cache->own_bytes > OWN_BYTES_LEFT;
	     turns--) {
		struct table *t = cache->tables[cache->hand++ % cache->table_size].table;

		if (t == NULL || t->own_bytes == 0)
			continue;
		if (t->was_used)
			t->was_used = false;
		else
			give_back(cache, t);
	}
}

static bool
grow_states(struct table *t)
{
	uint32_t size = t->state_size + t->state_size / 2 + 8;
	struct state *states = realloc(t->states, size * sizeof(*states));
	uint16_t *go;

	if (states == NULL)
		return false;
	t->states = states;
	go = realloc(t->go, (size_t)size * t->automaton->units * UNIT * sizeof(*go));
	if (go == NULL)
		return false;
	t->go = go;
	t->state_size = size;
	return true;
}

static bool
grow_pool(struct table *t, uint32_t members)
{
	uint32_t size = t->pool_count + members, spare = size / 2 + 32;
	uint16_t *pool = realloc(t->pool, (size + spare) * sizeof(*pool));

	if (pool == NULL)
		return false;
	t->pool = pool;
	t->pool_size = size + spare;
	return true;
}

static bool
table_room(struct table *t, uint32_t members)
{
	if (t->state_count >= STATES_MAX ||
	    (t->state_count + 1) * t->automaton->units > UNITS_MAX ||
	    t->pool_count + members > POOL_MAX)
		return false;
	if (t->state_count == t->state_size && !grow_states(t))
		return false;
	return t->pool_count + members <= t->pool_size || grow_pool(t, members);
}

static bool
grow_slots(struct table *t)
{
	uint32_t count = t->slot_count * 2;
	uint16_t *slots = calloc(count, sizeof(*slots));

	if (slots == NULL)
		return false;
	for (uint32_t i = 0; i < t->state_count; i++) {
		uint32_t at = t->states[i].hash & (count - 1);
		while (slots[at] != 0)
			at = (at + 1) & (count - 1);
		slots[at] = (uint16_t)(i + 1);
	}
	free(t->slots);
	t->slots = slots;
	t->slot_count = count;
	return true;
}

static bool
has_members(const struct table *t, const struct state *s, const uint32_t *list)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (t->pool[s->first + i] != list[i])
			return false;
	return true;
}

static uint32_t
state_name(const struct table *t, uint32_t index)
{
	return index * t->automaton->units + GO_STATE;
}

static uint32_t
add_state(struct table *t, const uint32_t *list, uint32_t count, uint32_t hash)
{
	size_t row = (size_t)t->automaton->units * UNIT;
	uint32_t name = state_name(t, t->state_count);

	t->states[t->state_count] = (struct state){t->pool_count, count, hash};
	for (uint32_t i = 0; i < count; i++)
		t->pool[t->pool_count++] = (uint16_t)list[i];
	memset(t->go + t->state_count * row, 0, row * sizeof(*t->go));
	t->state_count++;
	if (count == 0)
		t->idle = name;
	return name;
}

/* The state of the members in `list`: known, new, or GO_UNKNOWN when there is no room. */
static uint32_t
intern_state(struct table *t, uint32_t *list, uint32_t count)
{
	uint32_t hash = 2166136261U, at;

	if (count == 0 && !t->automaton->has_lines && t->start_count == 0)
		return GO_DEAD;
	qsort(list, count, sizeof(*list), compare_pcs);
	for (uint32_t i = 0; i < count; i++)
		hash = (hash ^ list[i]) * 16777619U;
	hash ^= hash >> 15;
	if (t->state_count * 2 >= t->slot_count && !grow_slots(t))
		return GO_UNKNOWN;
	for (at = hash & (t->slot_count - 1); t->slots[at] != 0;
	     at = (at + 1) & (t->slot_count - 1)) {
		const struct state *s = &t->states[t->slots[at] - 1];

		if (s->hash == hash && s->count == count && has_members(t, s, list))
			return state_name(t, t->slots[at] - 1U);
	}
	if (!table_room(t, count))
		return GO_UNKNOWN;
	t->slots[at] = (uint16_t)(t->state_count + 1);
	return add_state(t, list, count, hash);
}

static void
next_generation(struct automaton_cache *cache)
{
	if (++cache->generation == 0) {
		memset(cache->mark, 0, cache->size * sizeof(*cache->mark));
		cache->generation = 1;
	}
}

/* The members of a match that begins in the middle, once for the table. false: no memory. */
static bool
prepare_start(struct automaton_cache *cache, struct table *t)
{
	if (t->start != NULL)
		return true;
	next_generation(cache);
	/* With ^ under /m it depends on the byte before: find_step asks each time. */
	if (!t->automaton->has_lines)
		t->start_accepts =
			close_over(cache, t->automaton, 0, false, false, &t->start_count);
	t->start = malloc(((size_t)t->start_count + 1) * sizeof(*t->start));
	if (t->start != NULL && t->start_count > 0)
		memcpy(t->start, cache->list, t->start_count * sizeof(*t->start));
	return t->start != NULL;
}

/* Marks what every state has anyway, so that it is not listed again. */
static bool
begin_closure(struct automaton_cache *cache, struct table *t, bool newline, uint32_t *count)
{
	next_generation(cache);
	*count = 0;
	if (t->automaton->has_lines)
		return close_over(cache, t->automaton, 0, false, newline, count);
	for (uint32_t i = 0; i < t->start_count; i++)
		cache->mark[t->start[i]] = cache->generation;
	return t->start_accepts;
}

static uint32_t
start_state(struct automaton_cache *cache, struct table *t)
{
	uint32_t count = 0;

	if (t->state_count > 0)
		return GO_STATE; /* it is always the first one made */
	if (begin_closure(cache, t, true, &count))
		return GO_ACCEPT;
	/* Only what is marked as a member is left out: the way to it is walked again. */
	if (close_over(cache, t->automaton, 0, true, true, &count))
		return GO_ACCEPT;
	return intern_state(t, cache->list, count);
}

static bool
step_member(struct automaton_cache *cache, const struct automaton *a, uint32_t pc,
            unsigned char byte, uint32_t *count)
{
	return byte_set_has(&a->classes[a->steps[pc].cls], byte) &&
	       close_over(cache, a, pc + 1, false, byte == '\n', count);
}

/* From what every state has and what is its own; true: accepts. */
static bool
step_all(struct automaton_cache *cache, const struct table *t, const struct state *s,
         unsigned char byte, uint32_t *count)
{
	for (uint32_t i = 0; i < t->start_count; i++)
		if (step_member(cache, t->automaton, t->start[i], byte, count))
			return true;
	for (uint32_t i = 0; i < s->count; i++)
		if (step_member(cache, t->automaton, t->pool[s->first + i], byte, count))
			return true;
	return false;
}

/* Where `state` goes with the bytes of a column; remembers it. */
static uint32_t
find_step(struct automaton_cache *cache, struct table *t, uint32_t from, uint32_t column)
{
	const struct automaton *a = t->automaton;
	unsigned char byte = a->sample[column];
	size_t index = (from - GO_STATE) / a->units;
	const struct state s = t->states[index];
	uint32_t count = 0, go;

	/* A match may begin at every byte. */
	if (begin_closure(cache, t, byte == '\n', &count) || step_all(cache, t, &s, byte, &count))
		go = GO_ACCEPT;
	else
		go = intern_state(t, cache->list, count);
	count_bytes(cache, t);
	if (go != GO_UNKNOWN)
		t->go[index * a->units * UNIT + column] = (uint16_t)go;
	for (unsigned b = 0; b < 256 && go == from && go == t->idle; b++)
		t->stays[b] |= a->map[b] == column;
	return go;
}

/* ---- running ---- */

/* A job under way. */
struct lane {
	struct automaton_job *job; /* NULL: free */
	struct table *table;
	const uint8_t *map;
	const uint16_t *go;
	const unsigned char *p;
	const unsigned char *end;
	uint32_t state;
};

static void
lane_finish(struct lane *lane, bool may_match)
{
	lane->job->may_match = may_match;
	lane->job = NULL;
	lane->table->maybes += may_match;
}

/* false: asking is not worth its price, for a while or for ever. */
static bool
is_worth_asking(struct table *t)
{
	if (t->overflows >= GIVE_UP_AFTER)
		return false;
	if (t->holiday > 0) {
		t->holiday--;
		return false;
	}
	if (t->asked == TRIAL) {
		t->holiday = t->maybes > TRIAL / 4 * 3 ? HOLIDAY : 0;
		t->asked = t->maybes = 0;
	}
	t->asked++;
	return true;
}

/* What a job a little later in the list needs first is on its way when its turn comes. */
static void
prefetch_job(const struct automaton_cache *cache, const struct automaton_job *jobs, size_t next,
             size_t count)
{
	if (cache->table_size == 0)
		return;
	if (next + 2 * LANES < count)
		__builtin_prefetch(
			&cache->tables[first_slot(cache, jobs[next + 2 * LANES].automaton)]);
	if (next + LANES < count) {
		const struct table *t =
			cache->tables[first_slot(cache, jobs[next + LANES].automaton)].table;

		if (t != NULL)
			__builtin_prefetch(t);
	}
	if (next + LANES / 2 < count) {
		const struct automaton *a = jobs[next + LANES / 2].automaton;
		const struct table *t = cache->tables[first_slot(cache, a)].table;

		__builtin_prefetch(&a->map[64]);
		__builtin_prefetch(&a->map[0]);
		if (t != NULL)
			__builtin_prefetch(t->go);
	}
}

/* false: answered already. */
static bool
lane_begin(struct lane *lane, struct automaton_cache *cache, struct automaton_job *job)
{
	struct table *t = table_for(cache, job->automaton);

	job->may_match = true;
	if (t == NULL || !is_worth_asking(t) || !grow_scratch(cache, job->automaton->count) ||
	    !prepare_start(cache, t))
		return false;
	t->runs++;
	t->was_used = true;
	lane->state = start_state(cache, t);
	if (lane->state < GO_STATE) {
		job->may_match = lane->state != GO_DEAD;
		t->maybes += job->may_match;
		return false;
	}
	lane->job = job;
	lane->table = t;
	lane->map = job->automaton->map;
	lane->go = t->go;
	lane->p = job->text.data;
	lane->end = job->text.data + job->text.len;
	return true;
}

/* The states are forgotten: what runs on them is answered "maybe". */
static void
lanes_overflow(struct lane lanes[LANES], struct table *t)
{
	t->overflows = t->runs < CLOSE_RUNS ? t->overflows + 1 : 0;
	t->runs = 0;
	forget(t);
	for (int i = 0; i < LANES; i++)
		if (lanes[i].job != NULL && lanes[i].table == t)
			lane_finish(&lanes[i], true);
}

static void
lanes_moved(struct lane lanes[LANES], const struct table *t)
{
	for (int i = 0; i < LANES; i++)
		if (lanes[i].job != NULL && lanes[i].table == t)
			lanes[i].go = t->go;
}

/* One byte, whatever comes of it. */
static void
lane_step(struct lane lanes[LANES], struct lane *lane, struct automaton_cache *cache)
{
	uint32_t column, state;

	if (lane->p == lane->end) {
		lane_finish(lane, false);
		return;
	}
	column = lane->map[*lane->p++];
	state = lane->go[(size_t)(lane->state - GO_STATE) * UNIT + column];
	if (state == GO_UNKNOWN) {
		state = find_step(cache, lane->table, lane->state, column);
		lanes_moved(lanes, lane->table);
	}
	lane->state = state;
	if (state == GO_UNKNOWN)
		lanes_overflow(lanes, lane->table);
	else if (state < GO_STATE)
		lane_finish(lane, state == GO_ACCEPT);
}

static const unsigned char *
skip_idle(struct table *t, const unsigned char *p, const unsigned char *end)
{
	const bool *stays = t->stays;
	const unsigned char *begin = p;

	while (end - p >= 4 && stays[p[0]] & stays[p[1]] & stays[p[2]] & stays[p[3]])
		p += 4;
	while (p < end && stays[*p])
		p++;
	t->idle_bytes += (size_t)(p - begin);
	t->idle_runs++;
	return p;
}

/* One job to its end: what is idle is skipped. */
static void
lane_run(struct lane lanes[LANES], struct lane *lane, struct automaton_cache *cache)
{
	struct table *t = lane->table;

	t->bytes += (size_t)(lane->end - lane->p);
	while (lane->job != NULL) {
		uint32_t state = lane->state, next = state;
		const unsigned char *p = lane->p;

		for (;;) {
			if (state == t->idle)
				p = skip_idle(t, p, lane->end);
			if (p == lane->end)
				break;
			next = lane->go[(size_t)(state - GO_STATE) * UNIT + lane->map[*p]];
			if (next < GO_STATE)
				break;
			state = next;
			p++;
		}
		lane->state = state;
		lane->p = p;
		lane_step(lanes, lane, cache);
	}
}

/* Is this text better run alone?  The first ones are, to learn how idle the automaton is. */
static bool
is_for_one(struct table *t)
{
	if (t->trials >= TRIAL)
		return t->runs_alone;
	if (++t->trials == TRIAL)
		t->runs_alone =
			t->idle_bytes > t->bytes / 2 && t->idle_bytes / LONG_IDLE > t->idle_runs;
	return true;
}

static size_t
least_left(const struct lane lanes[LANES])
{
	size_t n = (size_t)(lanes[0].end - lanes[0].p);

	for (int k = 1; k < LANES; k++)
		if ((size_t)(lanes[k].end - lanes[k].p) < n)
			n = (size_t)(lanes[k].end - lanes[k].p);
	return n;
}

/* As far as all lanes go from known state to known state. */
static void
lanes_run(struct lane lanes[LANES])
{
	const uint16_t *go[LANES];
	const uint8_t *map[LANES];
	const unsigned char *p[LANES];
	uint32_t state[LANES];
	size_t n = least_left(lanes), i;

	for (int k = 0; k < LANES; k++) {
		go[k] = lanes[k].go;
		map[k] = lanes[k].map;
		p[k] = lanes[k].p;
		state[k] = lanes[k].state;
	}
	for (i = 0; i < n; i++) {
		uint32_t next[LANES], odd = 0;

#pragma GCC unroll 8
		for (int k = 0; k < LANES; k++) {
			next[k] = go[k][(size_t)(state[k] - GO_STATE) * UNIT + map[k][p[k][i]]];
			odd |= next[k] - GO_STATE;
		}
		if (odd >> 31 != 0)
			break;
#pragma GCC unroll 8
		for (int k = 0; k < LANES; k++)
			state[k] = next[k];
	}
	for (int k = 0; k < LANES; k++) {
		lanes[k].state = state[k];
		lanes[k].p += i;
	}
}

static bool
all_busy(const struct lane lanes[LANES])
{
	for (int k = 0; k < LANES; k++)
		if (lanes[k].job == NULL)
			return false;
	return true;
}

void
automata_run(struct automaton_cache *cache, struct automaton_job *jobs, size_t count)
{
	struct lane lanes[LANES] = {0};
	size_t next = 0;

	if (cache->own_bytes > OWN_BYTES_MAX)
		give_back_some(cache);
	for (;;) {
		for (int k = 0; k < LANES; k++)
			while (lanes[k].job == NULL && next < count) {
				prefetch_job(cache, jobs, next, count);
				if (lane_begin(&lanes[k], cache, &jobs[next++]) &&
				    is_for_one(lanes[k].table))
					lane_run(lanes, &lanes[k], cache);
			}
		for (int k = 0; k < LANES; k++)
			lanes_moved(lanes, lanes[k].table);
		if (!all_busy(lanes))
			break;
		lanes_run(lanes);
		for (int k = 0; k < LANES; k++)
			if (lanes[k].job != NULL)
				lane_step(lanes, &lanes[k], cache);
	}
	for (int k = 0; k < LANES; k++)
		if (lanes[k].job != NULL)
			lane_run(lanes, &lanes[k], cache);
}

bool
automaton_may_match(const struct automaton *a, struct automaton_cache *cache, struct slice text)
{
	struct automaton_job job = {a, text, true};

	automata_run(cache, &job, 1);
	return job.may_match;
}
