#include "rules/match_set.h"

#include <stdlib.h>

#include "rules/automaton.h"
#include "rules/match_table.h"

/* How one rule is decided on a text, in short.  Without gaps: saved as it is, and equal rules make
 * equal files. */
struct match_need {
	uint16_t kind; /* enum factor_kind */
	uint16_t count_class;
	uint16_t run_class;
	uint16_t zero;
	uint32_t min_len;
	uint32_t max_len;
	uint32_t run_len;
	uint32_t run_times;
};

enum { FOR_ASCII, FOR_OTHER, FOR_COUNT };

/* Many enough that lanes are rarely empty, few enough to stay in the nearest cache. */
enum { JOBS_AT_ONCE = 256 };

struct match_rule {
	const struct regex *regex;
	unsigned rule;
	unsigned flags;
	unsigned maxhits;
	struct automaton *automaton; /* asked before PCRE2, when there is one */
	bool wants_automaton;        /* made when it is first asked */
	struct match_need need[FOR_COUNT];
};

struct match_set {
	struct arena *arena;
	struct match_set
		*self;        /* to build tables at first use of a set that users see as constant */
	bool lazy[FOR_COUNT]; /* table to be built when the first such text comes */
	bool is_lazy;         /* MATCH_BUILD_LAZY */
	VEC(struct match_rule) rules;
	struct match_table *table[FOR_COUNT]; /* NULL: every rule is a candidate there */
	uint64_t *always[FOR_COUNT];          /* slots that are candidates without evidence */
	/* Slots without evidence that have an automaton: it is asked for each item. */
	uint32_t *asked[FOR_COUNT];
	size_t asked_count[FOR_COUNT];
	size_t words;
	size_t longest[FOR_COUNT];
	const struct blob_file *file; /* NULL: everything is made here */
	bool has_automata;            /* those of the file are attached */
	enum factor_model model;
};

struct match_scratch {
	struct regex_scratch *regex;
	struct automaton_cache *automata;
	struct match_seen seen;
	uint32_t *head; /* per slot: first of its chain, + 1; zero between runs */
	size_t head_count;
	struct chain_link {
		uint32_t item;
		uint32_t next; /* + 1 */
		bool decided;
	} * links;
	size_t link_count;
	size_t link_size;
	struct automaton_job *jobs; /* JOBS_AT_ONCE */
	uint64_t *limit_seen;       /* bits: rules that reached a limit before */
	size_t limit_words;
};

/* A slot that may match an item; sorted by slot, then item. */
struct candidate {
	uint32_t slot;
	uint32_t item;
	bool decided;
	bool checked; /* what need and automaton ask for is there */
};

/* What one piece of the items gave. */
struct candidates {
	struct candidate *items;
	size_t count;
	struct candidates *next; /* of the items after these */
};

struct match_run {
	struct arena *arena;
	const struct match_set *set;
	struct match_scratch *scratch;
	const struct slice *items;
	size_t item_count;
	size_t looked_at; /* items */
	bool *is_other;   /* per item: has bytes above 0x7f */
	uint64_t *bits;
	struct candidates *pieces, *last_piece;
	struct candidate *candidates; /* of all pieces, once all were looked at */
	size_t candidate_count;
	bool all;
};

/* ---- building ---- */

struct match_set *
match_set_create(struct arena *arena)
{
	struct match_set *set = arena_new(arena, struct match_set);

	if (set == NULL)
		return NULL;
	set->arena = arena;
	set->self = set;
	return set;
}

void
match_set_model(struct match_set *set, enum match_model model)
{
	set->model = (enum factor_model)model;
}

size_t
match_set_add(struct match_set *set, unsigned rule, const struct regex *regex, unsigned flags,
              unsigned maxhits)
{
	struct match_rule r = {.regex = regex, .rule = rule, .flags = flags, .maxhits = maxhits};

	for (int i = 0; i < FOR_COUNT; i++) {
		r.need[i].kind = FACTOR_ALWAYS;
		r.need[i].max_len = UINT32_MAX;
	}
	if (vec_push(set->arena, &set->rules, r) == NULL)
		return MATCH_NONE;
	return set->rules.count - 1;
}

static void
note_need(struct match_need *out, const struct factor_need *need)
{
	out->kind = (uint16_t)need->kind;
	out->count_class = need->count_class;
	out->run_class = need->run_class;
	out->min_len = need->min_len;
	out->max_len = need->max_len;
	out->run_len = need->run_len;
	out->run_times = need->run_times;
}

/* A command asks few of them: the tree is parsed again for those. */
static void
want_automaton(struct match_set *set, struct match_rule *rule, const struct pattern *pattern)
{
	rule->wants_automaton = set->is_lazy;
	if (!set->is_lazy)
		rule->automaton = automaton_create(set->arena, pattern);
}

static struct automaton *
make_automaton(struct match_set *set, size_t slot)
{
	struct match_rule *rule = &set->rules.items[slot];
	struct arena *temporary = arena_create(0);
	struct pattern *pattern = NULL;

	rule->wants_automaton = false;
	if (temporary != NULL)
		pattern = pattern_parse(temporary, regex_text(rule->regex), NULL);
	if (pattern != NULL)
		rule->automaton = automaton_create(set->arena, pattern);
	arena_destroy(&temporary);
	return rule->automaton;
}

/* NULL: there is none, ask PCRE2. */
static inline const struct automaton *
automaton_of(const struct match_set *set, const struct match_rule *rule)
{
	if (__builtin_expect(!rule->wants_automaton, 1))
		return rule->automaton;
	return make_automaton(set->self, (size_t)(rule - set->rules.items));
}

/* One rule's condition for one sort of text. */
static bool
analyse_rule(struct match_set *set, size_t slot, int which, struct match_builder *builder,
             const struct pattern *pattern, struct arena *temporary)
{
	struct match_rule *rule = &set->rules.items[slot];
	bool may_decide = (rule->flags & (MATCH_MULTIPLE | MATCH_CAPTURES)) == 0 &&
	                  regex_name_count(rule->regex) == 0;
	struct factor_need need;

	factor_analyse(&need, temporary, pattern, match_builder_classes(builder), may_decide);
	note_need(&rule->need[which], &need);
	if (rule->automaton == NULL && (need.kind == FACTOR_NEEDS || need.kind == FACTOR_ALWAYS))
		want_automaton(set, rule, pattern);
	return match_builder_add(builder, (uint32_t)slot, &need,
	                         may_decide && (rule->flags & MATCH_NOSUBJECT) == 0);
}

/* ---- tables in a file ---- */

enum set_part { PART_ASCII, PART_OTHER, PART_AUTOMATA };

static struct blob_key
set_key(const struct match_set *set, enum set_part part)
{
	struct blob_hash hash;

	blob_hash_init(&hash);
	blob_hash_number(&hash, (uint64_t)part);
	blob_hash_number(&hash, (uint64_t)set->model);
	blob_hash_number(&hash, set->rules.count);
	for (size_t i = 0; i < set->rules.count; i++) {
		blob_hash_number(&hash, set->rules.items[i].flags);
		blob_hash_add(&hash, regex_text(set->rules.items[i].regex));
	}
	return blob_hash_finish(&hash);
}

void
match_set_identity(struct blob_hash *hash)
{
	match_table_identity(hash);
	automaton_identity(hash);
	blob_hash_number(hash, sizeof(struct match_need));
	blob_hash_number(hash, sizeof(struct match_rule));
}

bool
match_set_use(struct match_set *set, const struct blob_file *file)
{
	set->file = file;
	if (set->rules.count == 0)
		return true;
	if (blob_file_has(file, set_key(set, PART_ASCII)))
		return true;
	set->file = NULL;
	return false;
}

/* In front of what a blob of a set holds. */
struct set_file {
	uint64_t needs_at; /* one for each rule; or offsets of automata, 0: none */
	uint64_t table_at;
};

static bool
save_table(const struct match_set *set, int which, struct blob_writer *writer, struct arena *arena)
{
	struct match_need *needs = arena_new_array(arena, struct match_need, set->rules.count + 1);
	struct set_file file;
	struct blob_out out;

	if (needs == NULL || set->table[which] == NULL)
		return false;
	for (size_t i = 0; i < set->rules.count; i++)
		needs[i] = set->rules.items[i].need[which];
	blob_out_init(&out, arena);
	(void)blob_out_add(&out, NULL, 1, sizeof(file));
	file.needs_at = blob_out_add(&out, needs, set->rules.count, sizeof(*needs));
	file.table_at = match_table_save(set->table[which], &out);
	blob_out_set(&out, 0, &file, sizeof(file));
	return blob_writer_add(writer, set_key(set, which == FOR_ASCII ? PART_ASCII : PART_OTHER),
	                       &out);
}

static bool
save_automata(const struct match_set *set, struct blob_writer *writer, struct arena *arena)
{
	uint64_t *places = arena_new_array(arena, uint64_t, set->rules.count + 1);
	struct set_file file = {0};
	struct blob_out out;

	if (places == NULL)
		return false;
	blob_out_init(&out, arena);
	(void)blob_out_add(&out, NULL, 1, sizeof(file));
	for (size_t i = 0; i < set->rules.count; i++)
		if (set->rules.items[i].automaton != NULL)
			places[i] = automaton_save(set->rules.items[i].automaton, &out);
	file.needs_at = blob_out_add(&out, places, set->rules.count, sizeof(*places));
	blob_out_set(&out, 0, &file, sizeof(file));
	return blob_writer_add(writer, set_key(set, PART_AUTOMATA), &out);
}

bool
match_set_save(const struct match_set *set, struct blob_writer *writer, struct arena *arena)
{
	if (set->rules.count == 0)
		return true;
	return save_table(set, FOR_ASCII, writer, arena) &&
	       save_table(set, FOR_OTHER, writer, arena) && save_automata(set, writer, arena);
}

static bool
need_is_right(const struct match_need *need, size_t classes)
{
	return need->kind <= FACTOR_COUNT &&
	       (need->kind != FACTOR_COUNT || need->count_class < classes) &&
	       (need->run_len == 0 || (need->run_class < classes && need->run_times > 0));
}

/* All of them, or none: a rule without its automaton would only be slower, but never found out. */
static bool
attach_automata(struct match_set *set)
{
	struct slice blob = blob_file_find(set->file, set_key(set, PART_AUTOMATA));
	const struct set_file *file = blob_array(blob, 0, 1, sizeof(*file));
	const uint64_t *places;

	if (set->has_automata)
		return true;
	if (blob.data == NULL || file == NULL)
		return false;
	places = blob_array(blob, file->needs_at, set->rules.count, sizeof(*places));
	if (places == NULL)
		return false;
	for (size_t i = 0; i < set->rules.count; i++) {
		struct match_rule *rule = &set->rules.items[i];

		if (places[i] == 0)
			continue;
		rule->automaton = automaton_load(set->arena, blob, places[i]);
		if (rule->automaton == NULL)
			return false;
	}
	set->has_automata = true;
	return true;
}

static bool
attach_table(struct match_set *set, int which)
{
	struct slice blob;
	const struct set_file *file;
	const struct match_need *needs;
	struct match_table *table;

	if (set->file == NULL || !attach_automata(set))
		return false;
	blob = blob_file_find(set->file,
	                      set_key(set, which == FOR_ASCII ? PART_ASCII : PART_OTHER));
	file = blob.data == NULL ? NULL : blob_array(blob, 0, 1, sizeof(*file));
	if (file == NULL)
		return false;
	needs = blob_array(blob, file->needs_at, set->rules.count, sizeof(*needs));
	table = match_table_load(set->arena, blob, file->table_at, set->rules.count);
	if (needs == NULL || table == NULL)
		return false;
	for (size_t i = 0; i < set->rules.count; i++)
		if (!need_is_right(&needs[i], match_table_classes(table)))
			return false;
	for (size_t i = 0; i < set->rules.count; i++)
		set->rules.items[i].need[which] = needs[i];
	set->table[which] = table;
	return true;
}

/* ---- building ---- */

static enum status
make_table(struct match_set *set, int which, struct error *error)
{
	struct arena *keep = arena_create(0), *each = arena_create(0);
	struct match_builder *builder = NULL;
	bool ok = keep != NULL && each != NULL;

	if (ok)
		builder = match_builder_create(keep, set->rules.count, which == FOR_ASCII,
		                               set->model);
	ok = builder != NULL;
	for (size_t slot = 0; slot < set->rules.count && ok; slot++) {
		struct pattern *pattern;

		arena_reset(each);
		pattern = pattern_parse(each, regex_text(set->rules.items[slot].regex), error);
		ok = pattern != NULL && analyse_rule(set, slot, which, builder, pattern, each);
	}
	if (ok) {
		set->table[which] = match_builder_finish(builder, set->arena);
		ok = set->table[which] != NULL;
	}
	arena_destroy(&each);
	arena_destroy(&keep);
	return ok ? STATUS_OK : error_set(error, STATUS_LIMIT, "no memory for rule tables");
}

static enum status
build_table(struct match_set *set, int which, struct error *error)
{
	if (attach_table(set, which))
		return STATUS_OK;
	return make_table(set, which, error);
}

static bool
is_waiting(const struct match_need *need)
{
	return need->kind == FACTOR_NEEDS || need->kind == FACTOR_EXACT ||
	       need->kind == FACTOR_NEVER;
}

static bool
has_automaton(const struct match_rule *rule, int which)
{
	return rule->need[which].kind != FACTOR_COUNT &&
	       (rule->automaton != NULL || rule->wants_automaton);
}

/* Rules that no table holds back are candidates without evidence, or their automaton is asked. */
static bool
note_always(struct match_set *set, int which)
{
	if (set->always[which] == NULL) {
		set->always[which] = arena_new_array(set->arena, uint64_t, set->words + 1);
		set->asked[which] = arena_new_array(set->arena, uint32_t, set->rules.count + 1);
	}
	if (set->always[which] == NULL || set->asked[which] == NULL)
		return false;
	memset(set->always[which], 0, (set->words + 1) * sizeof(uint64_t));
	set->asked_count[which] = 0;
	for (size_t s = 0; s < set->rules.count; s++) {
		if (set->table[which] != NULL && is_waiting(&set->rules.items[s].need[which]))
			continue;
		if (set->table[which] != NULL && has_automaton(&set->rules.items[s], which))
			set->asked[which][set->asked_count[which]++] = (uint32_t)s;
		else
			set->always[which][s / 64] |= (uint64_t)1 << (s % 64);
	}
	return true;
}

enum status
match_set_build(struct match_set *set, unsigned flags, struct error *error)
{
	const bool tables = (flags & MATCH_BUILD_TABLES) != 0 && set->rules.count > 0;
	const bool lazy = (flags & MATCH_BUILD_LAZY) != 0;
	enum status status = STATUS_OK;

	set->words = (set->rules.count + 63) / 64;
	set->is_lazy = lazy;
	set->lazy[FOR_ASCII] = set->lazy[FOR_OTHER] = tables && lazy;
	if (tables && !lazy) {
		status = build_table(set, FOR_ASCII, error);
		if (status == STATUS_OK && (flags & MATCH_BUILD_OTHER) != 0)
			status = build_table(set, FOR_OTHER, error);
	}
	for (int i = 0; i < FOR_COUNT && status == STATUS_OK; i++)
		if (!note_always(set, i))
			return error_set(error, STATUS_LIMIT, "no memory for rule tables");
	for (size_t s = 0; s < set->rules.count && status == STATUS_OK; s++)
		if ((flags & MATCH_BUILD_CODE) != 0)
			status = regex_compile(set->rules.items[s].regex, error);
	return status;
}

/* The first text of its sort: builds the table. Without it all rules stay candidates. */
static void
build_lazily(struct match_set *set, int which)
{
	set->lazy[which] = false;
	if (build_table(set, which, NULL) == STATUS_OK && note_always(set, which))
		return;
	set->table[which] = NULL;
	for (size_t w = 0; w < set->words; w++)
		set->always[which][w] = ~(uint64_t)0;
	if (set->rules.count % 64 != 0)
		set->always[which][set->words - 1] = ((uint64_t)1 << set->rules.count % 64) - 1;
}

size_t
match_set_count(const struct match_set *set)
{
	return set->rules.count;
}

size_t
match_set_words(const struct match_set *set)
{
	return set->words;
}

unsigned
match_set_rule(const struct match_set *set, size_t slot)
{
	return set->rules.items[slot].rule;
}

const struct regex *
match_set_regex(const struct match_set *set, size_t slot)
{
	return set->rules.items[slot].regex;
}

size_t
match_set_bytes(const struct match_set *set)
{
	size_t bytes = set->rules.count * sizeof(struct match_rule);

	for (int i = 0; i < FOR_COUNT; i++)
		if (set->table[i] != NULL)
			bytes += match_table_bytes(set->table[i]);
	for (size_t i = 0; i < set->rules.count; i++)
		if (set->rules.items[i].automaton != NULL)
			bytes += automaton_bytes(set->rules.items[i].automaton);
	return bytes;
}

struct slice
match_set_describe(const struct match_set *set, size_t slot, struct arena *arena)
{
	static const char *const kinds[] = {"always", "needs", "exact", "never", "count"};
	const struct match_need *n = set->rules.items[slot].need;

	const struct automaton *a = set->rules.items[slot].automaton;

	return arena_printf(arena, "%s/%s min %u run %u*%u steps %zu", kinds[n[0].kind],
	                    kinds[n[1].kind], n[0].min_len, n[0].run_len, n[0].run_times,
	                    a == NULL ? 0 : automaton_size(a));
}

struct slice
match_set_describe_tables(const struct match_set *set, struct arena *arena)
{
	struct slice ascii = SLICE("no table"), other = SLICE("no table");

	if (set->table[FOR_ASCII] != NULL)
		ascii = match_table_describe(set->table[FOR_ASCII], arena);
	if (set->table[FOR_OTHER] != NULL)
		other = match_table_describe(set->table[FOR_OTHER], arena);
	return arena_printf(arena, "ascii: %.*s; other: %.*s", SLICE_FMT(ascii), SLICE_FMT(other));
}

/* ---- scratch ---- */

struct match_scratch *
match_scratch_create(void)
{
	struct match_scratch *scratch = calloc(1, sizeof(*scratch));

	if (scratch == NULL)
		return NULL;
	scratch->regex = regex_scratch_create();
	scratch->automata = automaton_cache_create();
	if (scratch->regex == NULL || scratch->automata == NULL)
		match_scratch_destroy(&scratch);
	return scratch;
}

void
match_scratch_destroy(struct match_scratch **scratch)
{
	if (*scratch == NULL)
		return;
	regex_scratch_destroy(&(*scratch)->regex);
	automaton_cache_destroy(&(*scratch)->automata);
	match_seen_free(&(*scratch)->seen);
	free((*scratch)->head);
	free((*scratch)->links);
	free((*scratch)->jobs);
	free((*scratch)->limit_seen);
	free(*scratch);
	*scratch = NULL;
}

void
match_scratch_settle(struct match_scratch *scratch)
{
	automaton_cache_settle(scratch->automata);
}

struct regex_scratch *
match_scratch_regex(struct match_scratch *scratch)
{
	return scratch->regex;
}

bool
match_scratch_first_limit(struct match_scratch *scratch, unsigned rule)
{
	size_t word = rule / 64;
	uint64_t bit = (uint64_t)1 << (rule % 64);

	if (word >= scratch->limit_words) {
		uint64_t *more = realloc(scratch->limit_seen, (word + 1) * sizeof(*more));

		if (more == NULL)
			return true;
		memset(more + scratch->limit_words, 0,
		       (word + 1 - scratch->limit_words) * sizeof(*more));
		scratch->limit_seen = more;
		scratch->limit_words = word + 1;
	}
	if ((scratch->limit_seen[word] & bit) != 0)
		return false;
	scratch->limit_seen[word] |= bit;
	return true;
}

static bool
scratch_prepare(struct match_scratch *scratch, const struct match_set *set)
{
	size_t slots = set->rules.count;

	scratch->link_count = 0;
	if (scratch->head_count < slots) {
		uint32_t *more = calloc(slots, sizeof(*more));
		if (more == NULL)
			return false;
		free(scratch->head);
		scratch->head = more;
		scratch->head_count = slots;
	}
	return match_seen_prepare(&scratch->seen, slots);
}

/* ---- one pass over the items ---- */

static bool
has_high_byte(struct slice s)
{
	uint64_t any = 0;
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t word;
		memcpy(&word, s.data + i, 8);
		any |= word;
	}
	for (; i < s.len; i++)
		any |= s.data[i];
	return (any & 0x8080808080808080U) != 0;
}

static bool
add_link(struct match_run *run, uint32_t slot, uint32_t item, bool decided)
{
	struct match_scratch *scratch = run->scratch;

	if (scratch->link_count == scratch->link_size) {
		size_t size = scratch->link_size * 2 + 256;
		struct chain_link *more = realloc(scratch->links, size * sizeof(*more));
		if (more == NULL)
			return false;
		scratch->links = more;
		scratch->link_size = size;
	}
	/* Items come in order, so chains grow at the front and are read backwards. */
	scratch->links[scratch->link_count++] =
		(struct chain_link){item, scratch->head[slot], decided};
	scratch->head[slot] = (uint32_t)scratch->link_count;
	run->bits[slot / 64] |= (uint64_t)1 << (slot % 64);
	return true;
}

/* Appends what the scan of `item` found, and who is asked anyway, to the chains of the slots. */
static bool
take_found(struct match_run *run, uint32_t item, int which)
{
	const struct match_seen *seen = &run->scratch->seen;
	const struct match_set *set = run->set;

	for (size_t i = 0; i < seen->found_count; i++)
		if (!add_link(run, seen->found[i].slot, item, seen->found[i].decided))
			return false;
	for (size_t i = 0; i < set->asked_count[which]; i++)
		if (!add_link(run, set->asked[which][i], item, false))
			return false;
	return true;
}

static void
forget_chains(struct match_run *run)
{
	for (size_t w = 0; w < run->set->words; w++)
		for (uint64_t m = run->bits[w]; m != 0; m &= m - 1)
			run->scratch->head[w * 64 + (size_t)__builtin_ctzll(m)] = 0;
}

enum { LINKS_KEPT = 16384 }; /* what a larger message needed goes back */

/* Chains into one sorted array in the message's arena. */
static bool
keep_candidates(struct match_run *run, struct candidates *piece)
{
	struct match_scratch *scratch = run->scratch;
	size_t n = 0;

	piece->items = arena_new_array(run->arena, struct candidate, scratch->link_count + 1);
	if (piece->items == NULL) {
		forget_chains(run);
		return false;
	}
	for (size_t w = 0; w < run->set->words; w++)
		for (uint64_t m = run->bits[w]; m != 0; m &= m - 1) {
			uint32_t slot = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(m);
			size_t first = n;

			for (uint32_t l = scratch->head[slot]; l != 0;
			     l = scratch->links[l - 1].next)
				piece->items[n++] =
					(struct candidate){slot, scratch->links[l - 1].item,
				                           scratch->links[l - 1].decided, false};
			scratch->head[slot] = 0;
			for (size_t a = first, b = n; a + 1 < b; a++) {
				struct candidate c = piece->items[--b];
				piece->items[b] = piece->items[a];
				piece->items[a] = c;
			}
		}
	piece->count = n;
	scratch->link_count = 0;
	if (scratch->link_size > LINKS_KEPT) {
		free(scratch->links);
		scratch->links = NULL;
		scratch->link_size = scratch->link_count = 0;
	}
	return true;
}

/* run_times stretches of run_len bytes of the class, one behind the other. */
static bool
has_runs(const struct match_need *need, const struct byte_set *set, struct slice text)
{
	size_t i = 0;
	uint32_t times = need->run_times;

	while (i + need->run_len <= text.len) {
		size_t k = i + need->run_len;

		while (k > i && byte_set_has(set, text.data[k - 1]))
			k--;
		if (k > i) {
			i = k;
			continue;
		}
		if (--times == 0)
			return true;
		i += need->run_len;
	}
	return false;
}

/* What `need` asks for is in the item. */
static bool
is_possible(const struct match_run *run, const struct match_rule *rule, size_t item)
{
	int which = run->is_other[item] ? FOR_OTHER : FOR_ASCII;
	const struct match_need *need = &rule->need[which];
	struct slice text = run->items[item];

	if (item == 0 && (rule->flags & MATCH_NOSUBJECT) != 0)
		return false;
	if (text.len < need->min_len || text.len > need->max_len)
		return false;
	return need->run_len == 0 ||
	       has_runs(need, match_table_class(run->set->table[which], need->run_class), text);
}

/* Asks need and automaton of some candidates; jobs has room for all of them. */
static void
ask_candidates(const struct match_run *run, struct candidate *candidates, size_t count,
               struct automaton_job *jobs)
{
	size_t asked = 0;

	for (size_t i = 0; i < count; i++) {
		struct candidate *c = &candidates[i];
		const struct match_rule *rule = &run->set->rules.items[c->slot];
		const struct automaton *a;

		c->checked = !c->decided && is_possible(run, rule, c->item);
		a = c->checked ? automaton_of(run->set, rule) : NULL;
		if (a != NULL)
			jobs[asked++] = (struct automaton_job){a, run->items[c->item], true};
	}
	automata_run(run->scratch->automata, jobs, asked);
	asked = 0;
	for (size_t i = 0; i < count; i++)
		if (candidates[i].checked &&
		    run->set->rules.items[candidates[i].slot].automaton != NULL)
			candidates[i].checked = jobs[asked++].may_match;
}

/* Keeps the candidates that neither need nor automata refuse. */
static bool
check_candidates(struct match_run *run, struct candidates *piece)
{
	struct automaton_job *jobs = run->scratch->jobs;
	size_t kept = 0;

	if (jobs == NULL)
		jobs = run->scratch->jobs = calloc(JOBS_AT_ONCE, sizeof(*jobs));
	if (jobs == NULL)
		return false;
	for (size_t i = 0; i < piece->count; i += JOBS_AT_ONCE) {
		size_t left = piece->count - i;

		ask_candidates(run, piece->items + i, left < JOBS_AT_ONCE ? left : JOBS_AT_ONCE,
		               jobs);
	}
	memset(run->bits, 0, run->set->words * sizeof(*run->bits));
	for (size_t i = 0; i < piece->count; i++) {
		struct candidate c = piece->items[i];

		if (!c.decided && !c.checked)
			continue;
		piece->items[kept++] = c;
		run->bits[c.slot / 64] |= (uint64_t)1 << (c.slot % 64);
	}
	piece->count = kept;
	return true;
}

/*
 * The next items, about `bytes` of them.  Nothing of the run is left in the scratch, so that other
 * messages may use it before the next piece.
 */
static bool
scan_items(struct match_run *run, size_t bytes)
{
	const struct match_set *set = run->set;
	struct candidates *piece = arena_new(run->arena, struct candidates);
	size_t seen = 0;

	if (piece == NULL || !scratch_prepare(run->scratch, set))
		return false;
	if (run->looked_at > 0)
		memset(run->bits, 0, set->words * sizeof(*run->bits));
	for (; run->looked_at < run->item_count && seen < bytes; run->looked_at++) {
		size_t i = run->looked_at;
		int which = has_high_byte(run->items[i]) ? FOR_OTHER : FOR_ASCII;

		seen += run->items[i].len + 1;
		run->is_other[i] = which == FOR_OTHER;
		if (set->lazy[which])
			build_lazily(set->self, which);
		if (set->table[which] == NULL)
			continue;
		match_table_scan(set->table[which], &run->scratch->seen, run->items[i]);
		if (!take_found(run, (uint32_t)i, which)) {
			forget_chains(run);
			return false;
		}
	}
	if (!keep_candidates(run, piece) || !check_candidates(run, piece))
		return false;
	*(run->pieces == NULL ? &run->pieces : &run->last_piece->next) = piece;
	run->last_piece = piece;
	return true;
}

/* Several pieces, each sorted, into one array: slots are counted, then everything has its place. */
static bool
merge_pieces(struct match_run *run)
{
	size_t count = 0, *place = arena_new_array(run->arena, size_t, run->set->rules.count + 2);

	if (place == NULL)
		return false;
	for (const struct candidates *p = run->pieces; p != NULL; p = p->next) {
		for (size_t i = 0; i < p->count; i++)
			place[p->items[i].slot + 1]++;
		count += p->count;
	}
	for (size_t s = 0; s < run->set->rules.count; s++)
		place[s + 1] += place[s];
	run->candidates = arena_new_array(run->arena, struct candidate, count + 1);
	if (run->candidates == NULL)
		return false;
	memset(run->bits, 0, run->set->words * sizeof(*run->bits));
	for (const struct candidates *p = run->pieces; p != NULL; p = p->next)
		for (size_t i = 0; i < p->count; i++) {
			uint32_t slot = p->items[i].slot;

			run->candidates[place[slot]++] = p->items[i];
			run->bits[slot / 64] |= (uint64_t)1 << (slot % 64);
		}
	run->candidate_count = count;
	return true;
}

static void
add_always(struct match_run *run)
{
	const struct match_set *set = run->set;
	bool have[FOR_COUNT] = {false, false};

	for (size_t i = 0; i < run->item_count; i++)
		have[run->is_other[i] ? FOR_OTHER : FOR_ASCII] = true;
	for (int k = 0; k < FOR_COUNT; k++)
		for (size_t w = 0; w < set->words && have[k]; w++)
			run->bits[w] |= set->always[k][w];
}

struct match_run *
match_run_begin(struct arena *arena, const struct match_set *set, struct match_scratch *scratch,
                const struct slice *items, size_t item_count, unsigned flags)
{
	struct match_run *run = arena_new(arena, struct match_run);

	if (run == NULL || item_count > UINT32_MAX / 2)
		return NULL;
	run->arena = arena;
	run->set = set;
	run->scratch = scratch;
	run->items = items;
	run->item_count = item_count;
	run->all = (flags & MATCH_RUN_ALL) != 0;
	run->bits = arena_new_array(arena, uint64_t, set->words + 1);
	run->is_other = arena_new_array(arena, bool, item_count + 1);
	if (run->bits == NULL || run->is_other == NULL)
		return NULL;
	if (run->all) {
		run->looked_at = item_count;
		for (size_t s = 0; s < set->rules.count && item_count > 0; s++)
			run->bits[s / 64] |= (uint64_t)1 << (s % 64);
	}
	return run;
}

enum status
match_run_look(struct match_run *run, size_t bytes)
{
	bool is_first = run->pieces == NULL;

	if (run->all || (!is_first && run->looked_at == run->item_count))
		return STATUS_OK;
	if (!scan_items(run, bytes))
		return STATUS_LIMIT;
	if (run->looked_at < run->item_count)
		return STATUS_AGAIN;
	if (is_first) {
		run->candidates = run->pieces->items;
		run->candidate_count = run->pieces->count;
	} else if (!merge_pieces(run)) {
		return STATUS_LIMIT;
	}
	add_always(run);
	return STATUS_OK;
}

struct match_run *
match_run_create(struct arena *arena, const struct match_set *set, struct match_scratch *scratch,
                 const struct slice *items, size_t item_count, unsigned flags)
{
	struct match_run *run = match_run_begin(arena, set, scratch, items, item_count, flags);

	return run != NULL && match_run_look(run, SIZE_MAX) == STATUS_OK ? run : NULL;
}

size_t
match_run_next(const struct match_run *run, const uint64_t *mask, size_t from)
{
	size_t w = from / 64;
	uint64_t m;

	if (from >= run->set->rules.count)
		return MATCH_NONE;
	m = run->bits[w] & (mask == NULL ? ~(uint64_t)0 : mask[w]) & ~(uint64_t)0 << (from % 64);
	while (m == 0) {
		if (++w >= run->set->words)
			return MATCH_NONE;
		m = run->bits[w] & (mask == NULL ? ~(uint64_t)0 : mask[w]);
	}
	return w * 64 + (size_t)__builtin_ctzll(m);
}

/* ---- deciding one rule ---- */

struct decision {
	const struct regex *regex;
	struct match_scratch *scratch;
	unsigned flags;
	unsigned maxhits;
	match_capture_fn fn;
	void *ctx;
	struct match_hit *hit;
	size_t bytes; /* that may still be looked at in this call */
};

static bool
is_enough(const struct decision *d)
{
	if ((d->flags & MATCH_MULTIPLE) == 0)
		return d->hit->count > 0;
	return d->maxhits > 0 && d->hit->count >= d->maxhits;
}

static void
note_hit(struct decision *d, size_t item, struct regex_span span)
{
	if (d->hit->count++ > 0)
		return;
	d->hit->item = item;
	d->hit->at = span;
	d->hit->has_span = span.start != SLICE_NPOS;
}

static void
hand_captures(const struct decision *d, struct slice text)
{
	for (size_t i = 0; i < regex_name_count(d->regex); i++) {
		unsigned group;
		struct slice name = regex_name(d->regex, i, &group);
		struct regex_span span = regex_span(d->scratch->regex, group);

		if (span.start != SLICE_NPOS && span.end > span.start)
			d->fn(d->ctx, name, slice_sub(text, span.start, span.end - span.start));
	}
}

static void
decide_by_pcre2(struct decision *d, struct slice text, size_t item)
{
	struct regex_iter iter;
	enum regex_result result;

	regex_iter_init(&iter, d->regex, d->scratch->regex, text);
	while ((result = regex_iter_next(&iter)) == REGEX_HIT) {
		note_hit(d, item, regex_span(d->scratch->regex, 0));
		if (d->fn != NULL)
			hand_captures(d, text);
		if (is_enough(d))
			return;
	}
	if (result == REGEX_LIMIT)
		d->hit->limit = true;
}

static void
decide_by_count(struct decision *d, const struct byte_set *set, struct slice text, size_t item)
{
	for (size_t i = 0; i < text.len; i++)
		if (byte_set_has(set, text.data[i])) {
			note_hit(d, item, (struct regex_span){i, i + 1});
			if (is_enough(d))
				return;
		}
}

/* candidate: NULL for a rule without evidence. */
static void
decide_item(const struct match_run *run, struct decision *d, const struct match_rule *rule,
            size_t item, const struct candidate *candidate)
{
	int which = run->is_other[item] ? FOR_OTHER : FOR_ASCII;
	const struct match_need *need = &rule->need[which];
	const struct match_table *table = run->set->table[which];
	struct slice text = run->items[item];

	if (run->all || table == NULL) {
		if (item > 0 || (rule->flags & MATCH_NOSUBJECT) == 0)
			decide_by_pcre2(d, text, item);
		return;
	}
	if (candidate == NULL || !candidate->checked) {
		if (!is_possible(run, rule, item))
			return;
	}
	if (need->kind == FACTOR_COUNT && d->fn == NULL)
		decide_by_count(d, match_table_class(table, need->count_class), text, item);
	else if (candidate != NULL && candidate->decided && d->fn == NULL)
		note_hit(d, item, (struct regex_span){SLICE_NPOS, SLICE_NPOS});
	else
		decide_by_pcre2(d, text, item);
}

static size_t
first_candidate(const struct match_run *run, size_t slot)
{
	size_t low = 0, high = run->candidate_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (run->candidates[middle].slot < slot)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
needs_all_items(const struct match_run *run, size_t slot)
{
	uint64_t always =
		run->set->always[FOR_ASCII][slot / 64] | run->set->always[FOR_OTHER][slot / 64];

	return run->all || (always >> (slot % 64) & 1) != 0;
}

static bool
is_always(const struct match_run *run, size_t slot, size_t item)
{
	int which = run->is_other[item] ? FOR_OTHER : FOR_ASCII;

	return run->all || (run->set->always[which][slot / 64] >> (slot % 64) & 1) != 0;
}

/* Candidates one by one; false: not all were asked, d->bytes are spent. */
static bool
decide_candidates(const struct match_run *run, size_t slot, struct decision *d,
                  struct match_progress *at)
{
	const struct match_rule *rule = &run->set->rules.items[slot];

	for (; at->candidate < run->candidate_count &&
	       run->candidates[at->candidate].slot == slot && !is_enough(d);
	     at->candidate++) {
		const struct candidate *c = &run->candidates[at->candidate];
		size_t cost = run->items[c->item].len + 1;

		if (d->bytes == 0)
			return false;
		d->bytes -= cost < d->bytes ? cost : d->bytes;
		decide_item(run, d, rule, c->item, c);
	}
	return true;
}

/* As decide_candidates for a rule that asks for items without evidence too. */
static bool
decide_items(const struct match_run *run, size_t slot, struct decision *d,
             struct match_progress *at)
{
	const struct match_rule *rule = &run->set->rules.items[slot];

	for (; at->item < run->item_count && !is_enough(d); at->item++) {
		size_t i = at->item, c = at->candidate, cost = run->items[i].len + 1;
		bool is_candidate = c < run->candidate_count && run->candidates[c].slot == slot &&
		                    run->candidates[c].item == i;

		if (d->bytes == 0)
			return false;
		d->bytes -= cost < d->bytes ? cost : d->bytes;
		if (is_candidate || is_always(run, slot, i))
			decide_item(run, d, rule, i, is_candidate ? &run->candidates[c] : NULL);
		at->candidate += is_candidate;
	}
	return true;
}

bool
match_run_some(struct match_run *run, size_t slot, match_capture_fn fn, void *ctx,
               struct match_progress *at, size_t *bytes, struct match_hit *hit_r)
{
	const struct match_rule *rule = &run->set->rules.items[slot];
	struct decision d = {rule->regex, run->scratch, rule->flags, rule->maxhits,
	                     fn,          ctx,          hit_r,       *bytes};
	bool done;

	if (!at->is_begun) {
		memset(hit_r, 0, sizeof(*hit_r));
		if ((run->bits[slot / 64] >> (slot % 64) & 1) == 0)
			return true;
		*at = (struct match_progress){
			.candidate = run->all ? 0 : first_candidate(run, slot), .is_begun = true};
	}
	done = needs_all_items(run, slot) ? decide_items(run, slot, &d, at)
	                                  : decide_candidates(run, slot, &d, at);
	*bytes = d.bytes;
	return done;
}

bool
match_run_has_captures(const struct match_run *run, size_t slot)
{
	return (run->set->rules.items[slot].flags & MATCH_CAPTURES) != 0;
}

unsigned
match_run_captures(struct match_run *run, size_t slot, match_capture_fn fn, void *ctx,
                   struct match_hit *hit_r)
{
	struct match_progress at = {0};
	size_t bytes = SIZE_MAX;

	(void)match_run_some(run, slot, fn, ctx, &at, &bytes, hit_r);
	return hit_r->count;
}

unsigned
match_run_rule(struct match_run *run, size_t slot, struct match_hit *hit_r)
{
	return match_run_captures(run, slot, NULL, NULL, hit_r);
}

void
match_run_locate(struct match_run *run, size_t slot, struct match_hit *hit)
{
	const struct match_rule *rule = &run->set->rules.items[slot];

	if (hit->count == 0 || hit->has_span)
		return;
	if (regex_match(rule->regex, run->scratch->regex, run->items[hit->item], 0, 0) != REGEX_HIT)
		return;
	hit->at = regex_span(run->scratch->regex, 0);
	hit->has_span = true;
}

bool
match_may_hit(const struct automaton *guard, struct match_scratch *scratch,
              const struct slice *items, size_t item_count)
{
	for (size_t i = 0; i < item_count; i++)
		if (automaton_may_match(guard, scratch->automata, items[i]))
			return true;
	return false;
}

unsigned
match_items(const struct regex *regex, struct match_scratch *scratch, const struct slice *items,
            size_t item_count, unsigned flags, unsigned maxhits, match_capture_fn fn, void *ctx,
            struct match_hit *hit_r)
{
	struct decision d = {regex, scratch, flags, maxhits, fn, ctx, hit_r, SIZE_MAX};

	memset(hit_r, 0, sizeof(*hit_r));
	for (size_t i = (flags & MATCH_NOSUBJECT) != 0; i < item_count && !is_enough(&d); i++)
		decide_by_pcre2(&d, items[i], i);
	return hit_r->count;
}
