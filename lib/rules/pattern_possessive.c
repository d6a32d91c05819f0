/*
 * pattern_possessive.c - which repeats never need to give back what they took
 *
 * "[^\n]+\n": what follows begins with a byte that the repeat cannot have taken, so each way back
 * into it ends in failure.  Said to PCRE2 ("[^\n]++\n"), it does not try them.  PCRE2 sees this
 * itself inside one group; this looks over the ends of groups, where header rules need it:
 * "(?:[^\n]+\n+)*Subject:".
 */
#include "rules/pattern.h"

/* What the rest of the pattern can begin with; may_be_empty: it need not take a byte at all. */
struct follow {
	struct byte_set bytes;
	bool may_be_empty;
	bool is_known;
};

struct finder {
	const struct pattern *pattern;
	struct follow *firsts; /* by node, as found */
	bool *possessive;      /* by node */
};

static const struct follow follow_any = {
	{{~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0}}, true, true};

static struct follow first_of(struct finder *f, uint32_t n);

/* a, then what `after` says where a may be empty. */
static struct follow
joined(struct follow a, const struct follow *after)
{
	if (!a.may_be_empty)
		return a;
	byte_set_unite(&a.bytes, &after->bytes);
	a.may_be_empty = after->may_be_empty;
	return a;
}

static struct follow
first_of_list(struct finder *f, uint32_t c, bool alternatives)
{
	struct follow all = {.may_be_empty = !alternatives, .is_known = true};

	for (; c != 0; c = pattern_node(f->pattern, c)->next) {
		struct follow one = first_of(f, c);

		byte_set_unite(&all.bytes, &one.bytes);
		if (alternatives)
			all.may_be_empty = all.may_be_empty || one.may_be_empty;
		else if (!one.may_be_empty)
			return (struct follow){all.bytes, false, true};
	}
	return all;
}

/* The bytes of a node that takes exactly one; false: it is another kind of node. */
static bool
single_byte(const struct pattern *pattern, uint32_t n, struct byte_set *set_r)
{
	const struct pattern_node *node = pattern_node(pattern, n);

	*set_r = (struct byte_set){{0}};
	if (node->kind == PATTERN_CLASS) {
		*set_r = pattern->classes.items[node->value];
		return true;
	}
	if (node->kind != PATTERN_CHAR)
		return false;
	byte_set_add(set_r, node->value);
	if (node->fold != 0)
		byte_set_fold(set_r, BYTE_AA);
	return true;
}

static struct follow
find_first(struct finder *f, uint32_t n)
{
	const struct pattern_node *node = pattern_node(f->pattern, n);
	struct follow first = {.is_known = true};

	switch ((enum pattern_kind)node->kind) {
	case PATTERN_CHAR:
	case PATTERN_CLASS:
		(void)single_byte(f->pattern, n, &first.bytes);
		return first;
	case PATTERN_EMPTY:
	case PATTERN_ASSERT:
		first.may_be_empty = true;
		return first;
	case PATTERN_CAT:
	case PATTERN_ALT:
		return first_of_list(f, node->child, node->kind == PATTERN_ALT);
	case PATTERN_GROUP:
		if (node->value < PATTERN_AHEAD)
			return first_of(f, node->child);
		first.may_be_empty = true;
		return first;
	case PATTERN_REPEAT:
		first = first_of(f, node->child);
		first.may_be_empty = first.may_be_empty || node->min == 0;
		return first;
	case PATTERN_BACKREF:
	case PATTERN_RECURSE:
	case PATTERN_COND:
	case PATTERN_VERB:
		break;
	}
	return follow_any;
}

static struct follow
first_of(struct finder *f, uint32_t n)
{
	if (!f->firsts[n].is_known)
		f->firsts[n] = find_first(f, n);
	return f->firsts[n];
}

static void mark(struct finder *f, uint32_t n, const struct follow *after);

/* Each item of a list is followed by the first bytes of those behind it. */
static void
mark_list(struct finder *f, uint32_t c, const struct follow *after)
{
	for (uint32_t next; c != 0; c = next) {
		struct follow rest;

		next = pattern_node(f->pattern, c)->next;
		if (pattern_node(f->pattern, c)->child == 0)
			continue;
		rest = joined(first_of_list(f, next, false), after);
		mark(f, c, &rest);
	}
}

static void
mark_repeat(struct finder *f, uint32_t n, const struct follow *after)
{
	const struct pattern_node *node = pattern_node(f->pattern, n);
	struct byte_set bytes;
	struct follow again;

	if (single_byte(f->pattern, node->child, &bytes)) {
		bool meet = after->may_be_empty;

		for (int i = 0; i < 4; i++)
			meet = meet || (bytes.bits[i] & after->bytes.bits[i]) != 0;
		f->possessive[n] = !meet && node->min != node->max;
		return;
	}
	again = joined(first_of(f, node->child), after);
	byte_set_unite(&again.bytes, &after->bytes);
	again.may_be_empty = after->may_be_empty;
	mark(f, node->child, &again);
}

static void
mark(struct finder *f, uint32_t n, const struct follow *after)
{
	const struct pattern_node *node = pattern_node(f->pattern, n);

	switch ((enum pattern_kind)node->kind) {
	case PATTERN_CAT:
		mark_list(f, node->child, after);
		return;
	case PATTERN_ALT:
		for (uint32_t c = node->child; c != 0; c = pattern_node(f->pattern, c)->next)
			mark(f, c, after);
		return;
	case PATTERN_GROUP:
		/* An assertion or an atomic group is done at its end, whatever follows. */
		if (node->value < PATTERN_BEHIND)
			mark(f, node->child,
			     node->value == PATTERN_AHEAD || node->value == PATTERN_NOT_AHEAD ||
			                     node->value == PATTERN_ATOMIC
			             ? &follow_any
			             : after);
		return;
	case PATTERN_REPEAT:
		mark_repeat(f, n, after);
		return;
	case PATTERN_EMPTY:
	case PATTERN_CHAR:
	case PATTERN_CLASS:
	case PATTERN_ASSERT:
	case PATTERN_BACKREF:
	case PATTERN_RECURSE:
	case PATTERN_COND:
	case PATTERN_VERB:
		return;
	}
}

const bool *
pattern_find_possessive(const struct pattern *pattern, struct arena *arena)
{
	struct finder f = {.pattern = pattern};
	size_t count = pattern->nodes.count;

	if (pattern->needs_pcre2)
		return NULL;
	f.firsts = arena_new_array(arena, struct follow, count);
	f.possessive = arena_new_array(arena, bool, count);
	if (f.firsts == NULL || f.possessive == NULL)
		return NULL;
	mark(&f, pattern->root, &follow_any);
	return f.possessive;
}
