/*
 * ruleset.c - names to rules, copies for overlays
 */
#include <stdint.h>

#include "rules/rule.h"

struct rule *
ruleset_find(const struct ruleset *set, struct slice name)
{
	uintptr_t at = (uintptr_t)hashmap_get(&set->by_name, name);

	return at == 0 ? NULL : set->rules[at - 1];
}

/* The vector and the name table move into the reader's arena before the first write. */
static bool
own_table(struct ruleset *set, struct arena *arena)
{
	struct hashmap old = set->by_name;
	struct rule **rules;

	if (set->arena == arena)
		return true;
	rules = arena_new_array(arena, struct rule *, set->count + 64);
	if (rules == NULL)
		return false;
	if (set->count > 0)
		memcpy(rules, set->rules, set->count * sizeof(*rules));
	set->rules = rules;
	set->size = set->count + 64;
	set->arena = arena;
	hashmap_init(&set->by_name, arena);
	for (size_t i = 0; i < old.count; i++)
		if (!hashmap_set(&set->by_name, old.entries[i].key, old.entries[i].value))
			return false;
	return true;
}

static struct rule *
add_rule(struct ruleset *set, struct slice name)
{
	struct rule *rule = arena_new(set->arena, struct rule);

	if (rule == NULL)
		return NULL;
	if (set->count == set->size) {
		size_t size = set->size * 2 + 64;
		struct rule **rules = arena_new_array(set->arena, struct rule *, size);

		if (rules == NULL)
			return NULL;
		if (set->count > 0)
			memcpy(rules, set->rules, set->count * sizeof(*rules));
		set->rules = rules;
		set->size = size;
	}
	rule->arena = set->arena;
	rule->name = arena_dup(set->arena, name);
	rule->number = (unsigned)set->count;
	set->rules[set->count++] = rule;
	return hashmap_set(&set->by_name, rule->name, (void *)(uintptr_t)set->count) ? rule : NULL;
}

struct rule *
ruleset_own(struct conf_reader *reader, struct slice name)
{
	struct ruleset *set = conf_rules(reader->conf);
	struct rule *rule, *copy;

	if (!own_table(set, reader->arena))
		return NULL;
	rule = ruleset_find(set, name);
	if (rule == NULL)
		return add_rule(set, name);
	if (rule->arena == reader->arena)
		return rule;
	copy = arena_new(reader->arena, struct rule);
	if (copy == NULL)
		return NULL;
	*copy = *rule;
	copy->arena = reader->arena;
	set->rules[rule->number] = copy;
	return copy;
}

bool
rule_name_is_valid(struct slice name)
{
	if (name.len == 0 || byte_is_digit(name.data[0]))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!byte_is_word(name.data[i]))
			return false;
	return true;
}

struct rule *
ruleset_define(struct conf_reader *reader, struct slice name, enum rule_kind kind,
               struct slice text)
{
	struct rule *rule;

	if (!rule_name_is_valid(name)) {
		conf_problem(reader, true,
		             "config: error: rule '%.*s' has invalid characters "
		             "(not Alphanumeric + Underscore + starting with a non-digit)",
		             SLICE_FMT(log_quote(reader->arena, name, 200)));
		return NULL;
	}
	if (name.len > 100) {
		conf_problem(reader, true,
		             "config: error: rule '%.*s' is too long (recommended maximum length "
		             "is 22 characters)",
		             SLICE_FMT(name));
		return NULL;
	}
	if (reader->lint && name.len > 40 && !slice_starts(name, SLICE("__")) &&
	    !slice_starts(name, SLICE("T_")))
		conf_problem(reader, true,
		             "config: warning: rule name '%.*s' is over 40 chars "
		             "(recommended maximum length is 22 characters)",
		             SLICE_FMT(name));
	rule = ruleset_own(reader, name);
	if (rule == NULL)
		return NULL;
	rule->kind = kind;
	rule->text = text;
	rule->file = reader->file;
	rule->line_number = reader->line_number;
	rule->user_defined = reader->user_scope;
	rule->header = rule->if_unset = SLICE_NULL;
	rule->negated = rule->exists = false;
	rule->regex = NULL;
	rule->meta = NULL;
	rule->eval = (struct rule_eval){0};
	rule->has_priority = true;
	return rule;
}

static bool
is_bare_arg_byte(unsigned char c)
{
	return byte_is_alnum(c) || c == '.' || c == ':' || c == '-';
}

/* One argument off *rest: quoted, or a bare word; then a comma or the end. */
static bool
parse_arg(struct slice *rest, struct slice *arg_r)
{
	struct slice s = slice_ltrim(*rest);
	size_t end;

	if (s.len == 0)
		return false;
	if (s.data[0] == '\'' || s.data[0] == '"') {
		/* The shortest quoted text that a comma or the end follows. */
		for (end = 1;; end++) {
			struct slice after;

			end = slice_find_byte(s, s.data[0], end);
			if (end == SLICE_NPOS)
				return false;
			after = slice_ltrim(slice_from(s, end + 1));
			if (after.len == 0 || after.data[0] == ',') {
				*arg_r = slice_sub(s, 1, end - 1);
				*rest = after;
				break;
			}
		}
	} else {
		for (end = 0; end < s.len && is_bare_arg_byte(s.data[end]);)
			end++;
		if (end == 0)
			return false;
		*arg_r = slice_sub(s, 0, end);
		*rest = slice_ltrim(slice_from(s, end));
	}
	if (rest->len == 0)
		return true;
	if (rest->data[0] != ',')
		return false;
	*rest = slice_ltrim(slice_from(*rest, 1));
	return true;
}

bool
rule_eval_parse(struct arena *arena, struct slice text, struct rule_eval *eval_r)
{
	struct rule_eval eval = {0};
	size_t open = slice_find_byte(text, '(', 0);
	struct slice args, arg;

	if (open == SLICE_NPOS || open == 0 || text.data[text.len - 1] != ')')
		return false;
	eval.function = slice_sub(text, 0, open);
	for (size_t i = 0; i < open; i++)
		if (!byte_is_word(text.data[i]))
			return false;
	args = slice_sub(text, open + 1, text.len - open - 2);
	if (slice_trim(args).len > 0)
		do {
			if (!parse_arg(&args, &arg) || vec_push(arena, &eval.args, arg) == NULL)
				return false;
		} while (args.len > 0);
	*eval_r = eval;
	return true;
}
