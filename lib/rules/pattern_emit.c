/*
 * pattern_emit.c - the syntax tree as text for PCRE2
 *
 * Everything that Perl and PCRE2 read differently is gone in the tree; what is written here both
 * read alike: bytes, classes by their members, groups by number.  PCRE2 has no look-behind of
 * variable length: one is written as alternatives of fixed length.
 */
#include <stdio.h>

#include "rules/pattern.h"
#include "util/strbuf.h"

enum { EMIT_MAX_BEHIND = 200000 /* bytes of text that one look-behind may become */ };

struct emitter {
	const struct pattern *pattern;
	const bool *possessive; /* by node: repeats to be written so; or NULL */
	struct strbuf buf;
	bool caseless; /* state of (?i) at this place */
	bool lines;    /* state of (?m) */
	struct error *error;
	enum status status;
};

static void emit(struct emitter *em, uint32_t n);

/* ---- widths ---- */

static unsigned
clamp_width(unsigned long width)
{
	return width > PATTERN_INFINITE ? PATTERN_INFINITE : (unsigned)width;
}

static void
list_width(const struct pattern *pattern, const struct pattern_node *node, unsigned *min_r,
           unsigned *max_r)
{
	bool alt = node->kind == PATTERN_ALT;
	unsigned long low = 0, high = 0;

	for (uint32_t c = node->child, first = c; c != 0; c = pattern_node(pattern, c)->next) {
		unsigned min, max;
		pattern_width(pattern, c, &min, &max);
		if (!alt) {
			low += min;
			high += max;
		} else {
			low = c == first || min < low ? min : low;
			high = max > high ? max : high;
		}
	}
	*min_r = clamp_width(low);
	*max_r = clamp_width(high);
}

void
pattern_width(const struct pattern *pattern, uint32_t n, unsigned *min_r, unsigned *max_r)
{
	const struct pattern_node *node = pattern_node(pattern, n);
	unsigned min, max;

	*min_r = *max_r = 0;
	switch ((enum pattern_kind)node->kind) {
	case PATTERN_EMPTY:
	case PATTERN_ASSERT:
	case PATTERN_VERB:
		return;
	case PATTERN_CHAR:
	case PATTERN_CLASS:
		*min_r = *max_r = 1;
		return;
	case PATTERN_CAT:
	case PATTERN_ALT:
		list_width(pattern, node, min_r, max_r);
		return;
	case PATTERN_GROUP:
		if (node->value < PATTERN_AHEAD)
			pattern_width(pattern, node->child, min_r, max_r);
		return;
	case PATTERN_REPEAT:
		pattern_width(pattern, node->child, &min, &max);
		*min_r = clamp_width((unsigned long)min * node->min);
		*max_r = max > 0 && node->max == PATTERN_INFINITE
		                 ? PATTERN_INFINITE
		                 : clamp_width((unsigned long)max * node->max);
		return;
	case PATTERN_BACKREF:
	case PATTERN_RECURSE:
	case PATTERN_COND:
		*max_r = PATTERN_INFINITE;
		return;
	}
}

/* ---- bytes ---- */

static void
set_state(struct emitter *em, bool *state, bool wanted, char letter)
{
	if (*state == wanted)
		return;
	*state = wanted;
	strbuf_printf(&em->buf, wanted ? "(?%c)" : "(?-%c)", letter);
}

static void
add_literal(struct strbuf *buf, unsigned c)
{
	static const char hex[] = "0123456789abcdef";

	if (c == ' ' || byte_is_word((unsigned char)c)) {
		strbuf_add_byte(buf, (unsigned char)c);
	} else if (c > ' ' && c < 0x7f) {
		strbuf_add_byte(buf, '\\');
		strbuf_add_byte(buf, (unsigned char)c);
	} else {
		strbuf_add(buf, SLICE("\\x"));
		strbuf_add_byte(buf, (unsigned char)hex[c >> 4]);
		strbuf_add_byte(buf, (unsigned char)hex[c & 15]);
	}
}

static void
add_class(struct strbuf *buf, const struct byte_set *set)
{
	/* clang-format off */
	static const struct { struct byte_set set; char text[4]; } shorts[] = {
		{ { { 0x03ff000000000000, 0, 0, 0 } }, "\\d" },
		{ { { 0x03ff000000000000, 0x07fffffe87fffffe, 0, 0 } }, "\\w" },
		{ { { 0x0000000100003e00, 0, 0, 0 } }, "\\s" },
		{ { { ~(uint64_t)0x03ff000000000000, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0 } }, "\\D" },
		{ { { ~(uint64_t)0x03ff000000000000, ~(uint64_t)0x07fffffe87fffffe, ~(uint64_t)0,
		      ~(uint64_t)0 } }, "\\W" },
		{ { { ~(uint64_t)0x0000000100003e00, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0 } }, "\\S" },
		{ { { ~(uint64_t)0x400, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0 } }, "\\N" },
		{ { { ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0, ~(uint64_t)0 } }, "." },
	};
	/* clang-format on */
	struct byte_set out = *set;

	for (size_t i = 0; i < sizeof(shorts) / sizeof(shorts[0]); i++)
		if (byte_set_eq(set, &shorts[i].set)) {
			strbuf_add_cstr(buf, shorts[i].text);
			return;
		}
	if (byte_set_is_empty(set)) {
		strbuf_add(buf, SLICE("[^\\x00-\\xff]"));
		return;
	}
	strbuf_add_byte(buf, '[');
	if (byte_set_has(set, 0xff) && byte_set_has(set, 0)) {
		strbuf_add_byte(buf, '^');
		byte_set_invert(&out);
	}
	for (unsigned c = 0; c < 256; c++) {
		unsigned last = c;
		if (!byte_set_has(&out, c))
			continue;
		while (last < 255 && byte_set_has(&out, last + 1))
			last++;
		add_literal(buf, c);
		if (last > c) {
			if (last > c + 1)
				strbuf_add_byte(buf, '-');
			add_literal(buf, last);
		}
		c = last;
	}
	strbuf_add_byte(buf, ']');
}

static void
emit_class(struct emitter *em, const struct byte_set *set)
{
	struct byte_set folded = *set;

	byte_set_fold(&folded, BYTE_AA);
	if (!byte_set_eq(&folded, set))
		set_state(em, &em->caseless, false, 'i');
	add_class(&em->buf, set);
}

/* ---- assertions, references ---- */

static void
emit_assert(struct emitter *em, enum pattern_assert what)
{
	static const char word[] = "[0-9A-Za-z_\\xaa\\xb5\\xba\\xc0-\\xd6\\xd8-\\xf6\\xf8-\\xff]";

	switch (what) {
	case PATTERN_BOL:
		strbuf_add(&em->buf, SLICE("\\A"));
		return;
	case PATTERN_BOL_LINES:
	case PATTERN_EOL_LINES:
		set_state(em, &em->lines, true, 'm');
		strbuf_add_byte(&em->buf, what == PATTERN_BOL_LINES ? '^' : '$');
		return;
	case PATTERN_EOL:
		strbuf_add(&em->buf, SLICE("\\Z"));
		return;
	case PATTERN_EOS:
		strbuf_add(&em->buf, SLICE("\\z"));
		return;
	case PATTERN_WORD_EDGE:
		strbuf_add(&em->buf, SLICE("\\b"));
		return;
	case PATTERN_NO_WORD_EDGE:
		strbuf_add(&em->buf, SLICE("\\B"));
		return;
	case PATTERN_WORD_EDGE_U:
		strbuf_printf(&em->buf, "(?:(?<=%s)(?!%s)|(?<!%s)(?=%s))", word, word, word, word);
		return;
	case PATTERN_NO_WORD_EDGE_U:
		strbuf_printf(&em->buf, "(?:(?<=%s)(?=%s)|(?<!%s)(?!%s))", word, word, word, word);
		return;
	case PATTERN_START:
		strbuf_add(&em->buf, SLICE("\\G"));
		return;
	case PATTERN_KEEP:
		strbuf_add(&em->buf, SLICE("\\K"));
		return;
	}
}

/* First group of a name; the following ones from *index on. 0: no more. */
static unsigned
group_of_name(const struct pattern *pattern, struct slice name, size_t *index)
{
	for (; *index < pattern->names.count; (*index)++)
		if (slice_eq(pattern->names.items[*index].name, name))
			return pattern->names.items[(*index)++].group;
	return 0;
}

static void
emit_backref(struct emitter *em, const struct pattern_node *node)
{
	size_t index = 0, depth = 0;
	unsigned group = node->min, next;

	set_state(em, &em->caseless, node->fold != 0, 'i');
	if (node->value == 0) {
		strbuf_printf(&em->buf, "\\g{%u}", group);
		return;
	}
	/* Perl takes the first group of that name that is set. */
	group = group_of_name(em->pattern, em->pattern->referred.items[node->min], &index);
	while ((next = group_of_name(em->pattern, em->pattern->referred.items[node->min],
	                             &index)) != 0) {
		if (next == group)
			continue;
		strbuf_printf(&em->buf, "(?(%u)\\g{%u}|", group, group);
		group = next;
		depth++;
	}
	strbuf_printf(&em->buf, "\\g{%u}", group);
	while (depth-- > 0)
		strbuf_add_byte(&em->buf, ')');
}

static void
emit_recursion(struct emitter *em, const struct pattern_node *node)
{
	size_t index = 0;
	unsigned group = node->min;

	if (node->value == 1)
		group = group_of_name(em->pattern, em->pattern->referred.items[node->min], &index);
	strbuf_printf(&em->buf, "(?%u)", group);
}

static void
emit_condition(struct emitter *em, const struct pattern_node *node)
{
	uint32_t branch = node->child;
	size_t index = 0;
	bool caseless = em->caseless, lines = em->lines;

	switch ((enum pattern_cond)node->value) {
	case PATTERN_COND_GROUP:
		strbuf_printf(&em->buf, "(?(%u)", node->min);
		break;
	case PATTERN_COND_NAME:
		strbuf_printf(
			&em->buf, "(?(%u)",
			group_of_name(em->pattern, em->pattern->referred.items[node->min], &index));
		break;
	case PATTERN_COND_RECURSION:
		if (node->min == 0)
			strbuf_add(&em->buf, SLICE("(?(R)"));
		else
			strbuf_printf(&em->buf, "(?(R%u)", node->min);
		break;
	case PATTERN_COND_DEFINE:
		strbuf_add(&em->buf, SLICE("(?(DEFINE)"));
		break;
	case PATTERN_COND_LOOK:
		strbuf_add(&em->buf, SLICE("(?"));
		emit(em, branch);
		branch = pattern_node(em->pattern, branch)->next;
		break;
	}
	for (bool first = true; branch != 0; first = false) {
		if (!first)
			strbuf_add_byte(&em->buf, '|');
		emit(em, branch);
		branch = pattern_node(em->pattern, branch)->next;
	}
	strbuf_add_byte(&em->buf, ')');
	em->caseless = caseless;
	em->lines = lines;
}

/* ---- look-behind of variable length ---- */

static unsigned
count_captures(const struct pattern *pattern, uint32_t n)
{
	const struct pattern_node *node = pattern_node(pattern, n);
	unsigned count = node->kind == PATTERN_GROUP && node->value == PATTERN_CAPTURE;

	if (node->kind == PATTERN_CHAR || node->kind == PATTERN_CLASS)
		return 0;
	for (uint32_t c = node->child; c != 0; c = pattern_node(pattern, c)->next)
		count += count_captures(pattern, c);
	return count;
}

static bool
is_fixed(const struct pattern *pattern, uint32_t n)
{
	unsigned min, max;

	pattern_width(pattern, n, &min, &max);
	return min == max;
}

static void emit_exactly(struct emitter *em, uint32_t n, unsigned len);

/* The list of nodes from n on, in `len` bytes. */
static void
emit_list_exactly(struct emitter *em, uint32_t n, unsigned len)
{
	uint32_t next;
	unsigned min, max, rest_min = 0, rest_max = 0;
	bool first = true, caseless = em->caseless, lines = em->lines;

	if (n == 0 || em->status != STATUS_OK)
		return;
	next = pattern_node(em->pattern, n)->next;
	if (next == 0) {
		emit_exactly(em, n, len);
		return;
	}
	pattern_width(em->pattern, n, &min, &max);
	for (uint32_t c = next; c != 0; c = pattern_node(em->pattern, c)->next) {
		unsigned a, b;
		pattern_width(em->pattern, c, &a, &b);
		rest_min += a;
		rest_max += b;
	}
	if (min == max) {
		emit_exactly(em, n, min);
		emit_list_exactly(em, next, len - min);
		return;
	}
	strbuf_add(&em->buf, SLICE("(?|"));
	/* Longest first, as a greedy quantifier would. */
	for (unsigned k = max + 1; k-- > min;) {
		if (k > len || len - k < rest_min || len - k > rest_max)
			continue;
		if (!first)
			strbuf_add_byte(&em->buf, '|');
		first = false;
		emit_exactly(em, n, k);
		emit_list_exactly(em, next, len - k);
	}
	strbuf_add_byte(&em->buf, ')');
	em->caseless = caseless;
	em->lines = lines;
	if (first)
		em->status = error_set(em->error, STATUS_BAD,
		                       "look-behind of variable length is too complicated");
}

static void
emit_alternatives_exactly(struct emitter *em, uint32_t c, unsigned len)
{
	bool first = true, caseless = em->caseless, lines = em->lines;

	strbuf_add(&em->buf, SLICE("(?|"));
	for (; c != 0; c = pattern_node(em->pattern, c)->next) {
		unsigned min, max, captures = count_captures(em->pattern, c);

		pattern_width(em->pattern, c, &min, &max);
		if ((len < min || len > max) && captures == 0)
			continue;
		if (!first)
			strbuf_add_byte(&em->buf, '|');
		first = false;
		if (len >= min && len <= max) {
			emit_exactly(em, c, len);
			continue;
		}
		/* Cannot match at this length, but its groups keep their numbers. */
		while (captures-- > 0)
			strbuf_add(&em->buf, SLICE("()"));
		strbuf_printf(&em->buf, "[^\\x00-\\xff]{%u}(?!)", len);
	}
	strbuf_add_byte(&em->buf, ')');
	em->caseless = caseless;
	em->lines = lines;
}

static void
emit_repeat_exactly(struct emitter *em, const struct pattern_node *node, unsigned count,
                    unsigned len)
{
	unsigned min, max;
	bool first = true, caseless = em->caseless, lines = em->lines;

	pattern_width(em->pattern, node->child, &min, &max);
	if (min == max) {
		unsigned times = min == 0 ? node->min : len / min;
		if (times > 0)
			emit_exactly(em, node->child, min);
		if (times > 1 && min > 0)
			strbuf_printf(&em->buf, "{%u}", times);
		return;
	}
	if (count_captures(em->pattern, node->child) > 0) {
		em->status = error_set(em->error, STATUS_BAD,
		                       "look-behind with a repeated group of variable length");
		return;
	}
	if (len == 0 && count >= node->min)
		return;
	strbuf_add(&em->buf, SLICE("(?:"));
	for (unsigned k = max + 1; k-- > min && em->status == STATUS_OK;) {
		unsigned long most = (unsigned long)(node->max - count - 1) * max;
		unsigned long least =
			count + 1 >= node->min ? 0 : (unsigned long)(node->min - count - 1) * min;
		if (k > len || len - k > most || len - k < least || (k == 0 && len > 0))
			continue;
		if (!first)
			strbuf_add_byte(&em->buf, '|');
		first = false;
		emit_exactly(em, node->child, k);
		if (count + 1 < node->max)
			emit_repeat_exactly(em, node, count + 1, len - k);
	}
	if (first)
		strbuf_printf(&em->buf, "[^\\x00-\\xff]{%u}(?!)", len);
	strbuf_add_byte(&em->buf, ')');
	em->caseless = caseless;
	em->lines = lines;
}

/* Node n where it takes exactly len bytes (which its width allows). */
static void
emit_exactly(struct emitter *em, uint32_t n, unsigned len)
{
	const struct pattern_node *node = pattern_node(em->pattern, n);

	if (em->status != STATUS_OK)
		return;
	if (em->buf.len > EMIT_MAX_BEHIND) {
		em->status = error_set(em->error, STATUS_BAD,
		                       "look-behind of variable length is too complicated");
		return;
	}
	switch ((enum pattern_kind)node->kind) {
	case PATTERN_CAT:
		emit_list_exactly(em, node->child, len);
		return;
	case PATTERN_ALT:
		emit_alternatives_exactly(em, node->child, len);
		return;
	case PATTERN_REPEAT:
		emit_repeat_exactly(em, node, 0, len);
		return;
	case PATTERN_GROUP:
		if (node->value >= PATTERN_AHEAD)
			break;
		strbuf_add_cstr(&em->buf, node->value == PATTERN_CAPTURE  ? "("
		                          : node->value == PATTERN_ATOMIC ? "(?>"
		                                                          : "(?:");
		bool caseless = em->caseless, lines = em->lines;
		emit_exactly(em, node->child, len);
		em->caseless = caseless;
		em->lines = lines;
		strbuf_add_byte(&em->buf, ')');
		return;
	case PATTERN_EMPTY:
	case PATTERN_CHAR:
	case PATTERN_CLASS:
	case PATTERN_ASSERT:
	case PATTERN_BACKREF:
	case PATTERN_RECURSE:
	case PATTERN_COND:
	case PATTERN_VERB:
		break;
	}
	emit(em, n);
}

static void
emit_behind_expanded(struct emitter *em, const struct pattern_node *node)
{
	bool negated = node->value == PATTERN_NOT_BEHIND;
	unsigned min, max;
	bool caseless = em->caseless, lines = em->lines;

	pattern_width(em->pattern, node->child, &min, &max);
	strbuf_add_cstr(&em->buf, negated ? "(?!(?|" : "(?=(?|");
	for (unsigned len = min; len <= max && em->status == STATUS_OK; len++) {
		strbuf_add_cstr(&em->buf, len > min ? "|(?<=" : "(?<=");
		/* Each alternative starts from the same state: the text sets it again. */
		em->caseless = caseless;
		em->lines = lines;
		emit_exactly(em, node->child, len);
		strbuf_add_byte(&em->buf, ')');
	}
	strbuf_add(&em->buf, SLICE("))"));
	em->caseless = caseless;
	em->lines = lines;
}

/* Does PCRE2 take it as it is: every alternative of fixed length? */
static bool
is_plain_behind(const struct pattern *pattern, const struct pattern_node *group)
{
	const struct pattern_node *inside = pattern_node(pattern, group->child);

	if (inside->kind != PATTERN_ALT)
		return is_fixed(pattern, group->child);
	for (uint32_t c = inside->child; c != 0; c = pattern_node(pattern, c)->next)
		if (!is_fixed(pattern, c))
			return false;
	return true;
}

/* ---- the rest ---- */

static void
emit_group(struct emitter *em, const struct pattern_node *node)
{
	static const char *const opens[] = {"(?:", "(", "(?>", "(?|", "(?=", "(?!", "(?<=", "(?<!"};
	bool caseless = em->caseless, lines = em->lines;

	if ((node->value == PATTERN_BEHIND || node->value == PATTERN_NOT_BEHIND) &&
	    !is_plain_behind(em->pattern, node)) {
		emit_behind_expanded(em, node);
		return;
	}
	strbuf_add_cstr(&em->buf, opens[node->value]);
	emit(em, node->child);
	strbuf_add_byte(&em->buf, ')');
	em->caseless = caseless;
	em->lines = lines;
}

static void
emit_repeat(struct emitter *em, uint32_t n)
{
	const struct pattern_node *node = pattern_node(em->pattern, n);
	const struct pattern_node *child = pattern_node(em->pattern, node->child);
	bool wrap = child->kind == PATTERN_ASSERT || child->kind == PATTERN_VERB ||
	            child->kind == PATTERN_REPEAT || child->kind == PATTERN_EMPTY ||
	            (child->kind == PATTERN_GROUP && child->value >= PATTERN_AHEAD);
	bool caseless = em->caseless, lines = em->lines;

	if (wrap)
		strbuf_add(&em->buf, SLICE("(?:"));
	emit(em, node->child);
	if (wrap) {
		strbuf_add_byte(&em->buf, ')');
		em->caseless = caseless;
		em->lines = lines;
	}
	if (node->max == PATTERN_INFINITE && node->min <= 1)
		strbuf_add_byte(&em->buf, node->min == 0 ? '*' : '+');
	else if (node->min == 0 && node->max == 1)
		strbuf_add_byte(&em->buf, '?');
	else if (node->min == node->max)
		strbuf_printf(&em->buf, "{%u}", node->min);
	else if (node->max == PATTERN_INFINITE)
		strbuf_printf(&em->buf, "{%u,}", node->min);
	else
		strbuf_printf(&em->buf, "{%u,%u}", node->min, node->max);
	if (node->value == PATTERN_POSSESSIVE || (em->possessive != NULL && em->possessive[n]))
		strbuf_add_byte(&em->buf, '+');
	else if (node->value == PATTERN_LAZY)
		strbuf_add_byte(&em->buf, '?');
}

static void
emit(struct emitter *em, uint32_t n)
{
	const struct pattern_node *node = pattern_node(em->pattern, n);

	switch ((enum pattern_kind)node->kind) {
	case PATTERN_EMPTY:
		return;
	case PATTERN_CHAR:
		if (byte_other_case((unsigned char)node->value, BYTE_AA) != node->value)
			set_state(em, &em->caseless, node->fold != 0, 'i');
		add_literal(&em->buf, node->value);
		return;
	case PATTERN_CLASS:
		emit_class(em, &em->pattern->classes.items[node->value]);
		return;
	case PATTERN_ASSERT:
		emit_assert(em, (enum pattern_assert)node->value);
		return;
	case PATTERN_CAT:
		for (uint32_t c = node->child; c != 0; c = pattern_node(em->pattern, c)->next)
			emit(em, c);
		return;
	case PATTERN_ALT:
		for (uint32_t c = node->child; c != 0; c = pattern_node(em->pattern, c)->next) {
			if (c != node->child)
				strbuf_add_byte(&em->buf, '|');
			emit(em, c);
		}
		return;
	case PATTERN_GROUP:
		emit_group(em, node);
		return;
	case PATTERN_REPEAT:
		emit_repeat(em, n);
		return;
	case PATTERN_BACKREF:
		emit_backref(em, node);
		return;
	case PATTERN_RECURSE:
		emit_recursion(em, node);
		return;
	case PATTERN_COND:
		emit_condition(em, node);
		return;
	case PATTERN_VERB:
		if (node->value != 0)
			strbuf_add(&em->buf, SLICE("(*PRUNE)"));
		else
			strbuf_add(&em->buf, slice_sub(em->pattern->text, node->min, node->max));
		return;
	}
}

enum status
pattern_emit(const struct pattern *pattern, struct arena *arena, struct slice *text_r,
             struct error *error)
{
	struct emitter em = {.pattern = pattern, .error = error, .status = STATUS_OK};

	em.possessive = pattern_find_possessive(pattern, arena);
	strbuf_init(&em.buf, arena, 0);
	emit(&em, pattern->root);
	if (em.status != STATUS_OK)
		return em.status;
	if (strbuf_is_bad(&em.buf))
		return error_set(error, STATUS_LIMIT, "no memory for regexp");
	*text_r = strbuf_slice(&em.buf);
	return STATUS_OK;
}
