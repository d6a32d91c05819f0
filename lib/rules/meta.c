#include "rules/meta.h"

#include <math.h>

#include "util/strbuf.h"
#include "util/vec.h"

/*
 * The program is postfix: operands push, operators replace their operands by the result.
 * META_AND/META_OR/META_SELECT/META_JUMP jump, so that only what Perl would evaluate is evaluated.
 */
enum meta_op {
	META_NUMBER, /* push number */
	META_RULE,   /* push values[rule] */
	META_NOT,
	META_NEGATE,
	META_ADD,
	META_SUBTRACT,
	META_MULTIPLY,
	META_DIVIDE,
	META_LESS,
	META_GREATER,
	META_LESS_EQUAL,
	META_GREATER_EQUAL,
	META_EQUAL,
	META_NOT_EQUAL,
	META_XOR,
	META_AND,    /* top false: jump, keep it; else drop it */
	META_OR,     /* top true: jump, keep it; else drop it */
	META_SELECT, /* take top; false: jump */
	META_JUMP
};

static const char *const op_names[] = {
	"number", "rule", "!",  "neg", "+", "-",   "*",  "/",      "<",   ">",
	"<=",     ">=",   "==", "!=",  "^", "and", "or", "select", "jump"};

struct meta_step {
	enum meta_op op;
	unsigned arg; /* rule, or where to jump */
	double number;
};

struct meta {
	struct meta_step *steps;
	size_t step_count;
	unsigned *deps;
	size_t dep_count;
	bool is_empty;
};

enum { META_MAX_NESTING = 200, META_MAX_STACK = 64 };

enum token_kind { TOKEN_END, TOKEN_NUMBER, TOKEN_NAME, TOKEN_GLOB, TOKEN_OP };

struct token {
	enum token_kind kind;
	struct slice text;
};

struct compiler {
	struct arena *arena;
	const struct meta_env *env; /* NULL: only checking */
	struct slice name;
	VEC(struct token) tokens;
	size_t at;
	unsigned nesting;
	VEC(struct meta_step) steps;
	VEC(unsigned) deps;
	bool failed;
	struct error *error;
	struct slice text;
};

static void
fail(struct compiler *c, const char *what)
{
	if (!c->failed)
		error_set(c->error, STATUS_BAD, "invalid expression for rule %.*s: \"%.*s\": %s",
		          SLICE_FMT(c->name), SLICE_FMT(c->text), what);
	c->failed = true;
}

/* ---- tokens ---- */

static bool
is_rule_name(struct slice s)
{
	if (s.len == 0 || s.len > 128 || byte_is_digit(s.data[0]))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!byte_is_word(s.data[i]))
			return false;
	return true;
}

/* \d+(\.\d+)? */
static bool
is_number(struct slice s)
{
	size_t i = 0, dot;

	while (i < s.len && byte_is_digit(s.data[i]))
		i++;
	if (i == 0 || i == s.len)
		return i > 0;
	if (s.data[i] != '.')
		return false;
	dot = ++i;
	while (i < s.len && byte_is_digit(s.data[i]))
		i++;
	return i == s.len && i > dot;
}

static bool
is_punctuation(struct slice s)
{
	if (s.len == 0 || s.len > 2)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] <= ' ' || s.data[i] >= 0x7f || byte_is_alnum(s.data[i]))
			return false;
	return true;
}

static size_t
run_length(struct slice s, const char *extra, bool words)
{
	size_t n = 0;

	while (n < s.len && s.data[n] != '\0' &&
	       ((words ? byte_is_word(s.data[n]) : byte_is_digit(s.data[n])) ||
	        strchr(extra, s.data[n]) != NULL))
		n++;
	return n;
}

static size_t
operator_length(struct slice s)
{
	static const char *const two[] = {"||", "&&", ">=", "<=", "==", "!="};

	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
		if (slice_starts(s, slice_from_cstr(two[i])))
			return 2;
	return s.data[0] != '\0' && strchr("()^!><*/?:", s.data[0]) != NULL;
}

/* rules_matching(GLOB) at s, not behind a word character: its length and the glob. */
static size_t
glob_length(struct slice s, struct slice *glob_r)
{
	size_t i = sizeof("rules_matching(") - 1, begin;

	if (!slice_starts(s, SLICE("rules_matching(")))
		return 0;
	while (i < s.len && byte_is_space(s.data[i]))
		i++;
	begin = i;
	while (i < s.len && (byte_is_word(s.data[i]) || s.data[i] == '*' || s.data[i] == '?'))
		i++;
	*glob_r = slice_sub(s, begin, i - begin);
	if (glob_r->len == 0 || glob_r->len > 128 || byte_is_digit(glob_r->data[0]))
		return 0;
	while (i < s.len && byte_is_space(s.data[i]))
		i++;
	return i < s.len && s.data[i] == ')' ? i + 1 : 0;
}

static bool
push_token(struct compiler *c, enum token_kind kind, struct slice text)
{
	if (vec_push(c->arena, &c->tokens, (struct token){kind, text}) != NULL)
		return true;
	fail(c, "out of memory");
	return false;
}

/*
 * The reference's lexer: a run of digits, dots, plus and minus is one "number"; what it does not
 * know is skipped.  Every token must then be a name, a number or one or two punctuation marks.
 */
static void
tokenize(struct compiler *c)
{
	struct slice s = c->text, glob;

	for (size_t i = 0; i < s.len && !c->failed;) {
		struct slice rest = slice_from(s, i);
		size_t n = (i == 0 || !byte_is_word(s.data[i - 1])) ? glob_length(rest, &glob) : 0;
		enum token_kind kind = TOKEN_OP;

		if (n > 0) {
			push_token(c, TOKEN_GLOB, glob);
			i += n;
			continue;
		}
		n = run_length(rest, "-+.", false);
		if (n == 0 && byte_is_word(rest.data[0]))
			n = run_length(rest, ":", true);
		if (n == 0)
			n = operator_length(rest);
		if (n == 0) {
			i++;
			continue;
		}
		rest.len = n;
		i += n;
		if (is_rule_name(rest))
			kind = TOKEN_NAME;
		else if (is_number(rest))
			kind = TOKEN_NUMBER;
		else if (!is_punctuation(rest)) {
			if (!c->failed)
				error_set(c->error, STATUS_BAD, "invalid meta %.*s token: %.*s",
				          SLICE_FMT(c->name), SLICE_FMT(rest));
			c->failed = true;
			return;
		}
		/* "+-" and the like are two operators in one token. */
		if (kind == TOKEN_OP && n == 2 && (rest.data[0] == '+' || rest.data[0] == '-')) {
			if (rest.data[0] == rest.data[1] || rest.data[1] == '.') {
				fail(c, "syntax error");
				return;
			}
			push_token(c, kind, slice_sub(rest, 0, 1));
			rest = slice_from(rest, 1);
		}
		push_token(c, kind, rest);
	}
	push_token(c, TOKEN_END, SLICE(""));
}

/* ---- compiling ---- */

static void parse_ternary(struct compiler *c);

static bool
next_is(const struct compiler *c, const char *op)
{
	const struct token *t = &c->tokens.items[c->at];

	return t->kind == TOKEN_OP && slice_eq(t->text, slice_from_cstr(op));
}

static bool
accept(struct compiler *c, const char *op)
{
	if (!next_is(c, op))
		return false;
	c->at++;
	return true;
}

static size_t
add_step(struct compiler *c, enum meta_op op, unsigned arg, double number)
{
	if (vec_push(c->arena, &c->steps, (struct meta_step){op, arg, number}) == NULL) {
		fail(c, "out of memory");
		return 0;
	}
	return c->steps.count - 1;
}

static void
patch(struct compiler *c, size_t step)
{
	if (!c->failed)
		c->steps.items[step].arg = (unsigned)c->steps.count;
}

static void
add_dependency(struct compiler *c, unsigned rule)
{
	for (size_t i = 0; i < c->deps.count; i++)
		if (c->deps.items[i] == rule)
			return;
	if (vec_push(c->arena, &c->deps, rule) == NULL)
		fail(c, "out of memory");
}

struct glob_sum {
	struct compiler *c;
	size_t count;
};

static void
add_to_sum(void *ctx, unsigned rule)
{
	struct glob_sum *sum = ctx;

	add_dependency(sum->c, rule);
	add_step(sum->c, META_RULE, rule, 0);
	if (sum->count++ > 0)
		add_step(sum->c, META_ADD, 0, 0);
}

static double
number_of(struct slice text)
{
	double value = 0, scale = 1;
	bool dot = false;

	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '.') {
			dot = true;
			continue;
		}
		value = value * 10 + (text.data[i] - '0');
		if (dot)
			scale *= 10;
	}
	return value / scale;
}

static void
parse_primary(struct compiler *c)
{
	const struct token *t = &c->tokens.items[c->at];
	struct glob_sum sum = {c, 0};

	c->at++;
	switch (t->kind) {
	case TOKEN_NUMBER:
		add_step(c, META_NUMBER, 0, number_of(t->text));
		return;
	case TOKEN_GLOB:
		if (c->env != NULL && c->env->expand != NULL)
			c->env->expand(c->env->ctx, t->text, add_to_sum, &sum);
		if (sum.count == 0)
			add_step(c, META_NUMBER, 0, 0);
		return;
	case TOKEN_NAME:
		if (c->env == NULL) {
			add_step(c, META_NUMBER, 0, 0);
		} else if (slice_eq(t->text, SLICE("local_tests_only"))) {
			add_step(c, META_NUMBER, 0, c->env->local_tests_only);
		} else {
			unsigned rule = c->env->resolve(c->env->ctx, t->text);
			add_dependency(c, rule);
			add_step(c, META_RULE, rule, 0);
		}
		return;
	case TOKEN_OP:
		if (slice_eq(t->text, SLICE("("))) {
			parse_ternary(c);
			if (!accept(c, ")"))
				fail(c, "syntax error");
			return;
		}
		break;
	case TOKEN_END:
		c->at--;
		break;
	}
	fail(c, "syntax error");
}

static void
parse_unary(struct compiler *c)
{
	enum meta_op ops[META_MAX_NESTING];
	unsigned n = 0;

	for (; !c->failed; n++) {
		bool plus = false;

		if (n >= META_MAX_NESTING) {
			fail(c, "nested too deeply");
			return;
		}
		if (accept(c, "!"))
			ops[n] = META_NOT;
		else if (accept(c, "-"))
			ops[n] = META_NEGATE;
		else if ((plus = accept(c, "+")))
			n--;
		else
			break;
	}
	parse_primary(c);
	while (n-- > 0)
		add_step(c, ops[n], 0, 0);
}

struct binary {
	const char *text;
	enum meta_op op;
};

/* The operator of `table` that comes next, taken; NULL: none. */
static const struct binary *
accept_any(struct compiler *c, const struct binary *table, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (accept(c, table[i].text))
			return &table[i];
	return NULL;
}

static void
parse_product(struct compiler *c)
{
	static const struct binary ops[] = {{"*", META_MULTIPLY}, {"/", META_DIVIDE}};
	const struct binary *b;

	parse_unary(c);
	while (!c->failed && (b = accept_any(c, ops, 2)) != NULL) {
		parse_unary(c);
		add_step(c, b->op, 0, 0);
	}
}

static void
parse_sum(struct compiler *c)
{
	static const struct binary ops[] = {{"+", META_ADD}, {"-", META_SUBTRACT}};
	const struct binary *b;

	parse_product(c);
	while (!c->failed && (b = accept_any(c, ops, 2)) != NULL) {
		parse_product(c);
		add_step(c, b->op, 0, 0);
	}
}

/*
 * a < b < c is a < b && b < c (Perl 5.32).  Values have no side effects, so the steps of b are
 * simply repeated.
 */
static void
parse_chain(struct compiler *c, const struct binary *ops, size_t count,
            void (*operand)(struct compiler *))
{
	const struct binary *b;
	size_t begin, end, ands[META_MAX_NESTING], n = 0;

	operand(c);
	b = accept_any(c, ops, count);
	if (b == NULL || c->failed)
		return;
	for (;;) {
		begin = c->steps.count;
		operand(c);
		end = c->steps.count;
		add_step(c, b->op, 0, 0);
		b = c->failed ? NULL : accept_any(c, ops, count);
		if (b == NULL)
			break;
		if (n >= META_MAX_NESTING || end - begin > 1000) {
			fail(c, "nested too deeply");
			break;
		}
		ands[n++] = add_step(c, META_AND, 0, 0);
		for (size_t i = begin; i < end && !c->failed; i++) {
			struct meta_step step = c->steps.items[i];
			if (step.op >= META_AND)
				step.arg += (unsigned)(c->steps.count - i);
			add_step(c, step.op, step.arg, step.number);
		}
	}
	while (n-- > 0)
		patch(c, ands[n]);
}

static void
parse_relation(struct compiler *c)
{
	static const struct binary ops[] = {{"<", META_LESS},
	                                    {">", META_GREATER},
	                                    {"<=", META_LESS_EQUAL},
	                                    {">=", META_GREATER_EQUAL}};

	parse_chain(c, ops, 4, parse_sum);
}

static void
parse_equality(struct compiler *c)
{
	static const struct binary ops[] = {{"==", META_EQUAL}, {"!=", META_NOT_EQUAL}};

	parse_chain(c, ops, 2, parse_relation);
}

static void
parse_xor(struct compiler *c)
{
	parse_equality(c);
	while (!c->failed && accept(c, "^")) {
		parse_equality(c);
		add_step(c, META_XOR, 0, 0);
	}
}

static void
parse_and(struct compiler *c)
{
	size_t step;

	parse_xor(c);
	while (!c->failed && accept(c, "&&")) {
		step = add_step(c, META_AND, 0, 0);
		parse_xor(c);
		patch(c, step);
	}
}

static void
parse_or(struct compiler *c)
{
	size_t step;

	parse_and(c);
	while (!c->failed && accept(c, "||")) {
		step = add_step(c, META_OR, 0, 0);
		parse_and(c);
		patch(c, step);
	}
}

static void
parse_ternary(struct compiler *c)
{
	size_t select, jump;

	if (++c->nesting > META_MAX_NESTING) {
		fail(c, "nested too deeply");
		return;
	}
	parse_or(c);
	if (!c->failed && accept(c, "?")) {
		select = add_step(c, META_SELECT, 0, 0);
		parse_ternary(c);
		jump = add_step(c, META_JUMP, 0, 0);
		patch(c, select);
		if (!accept(c, ":"))
			fail(c, "syntax error");
		parse_ternary(c);
		patch(c, jump);
	}
	c->nesting--;
}

/* Greatest depth of the stack, by walking all steps in order (jumps keep the depth equal). */
static size_t
stack_depth(const struct compiler *c)
{
	size_t depth = 0, most = 0;

	for (size_t i = 0; i < c->steps.count; i++) {
		switch (c->steps.items[i].op) {
		case META_NUMBER:
		case META_RULE:
			depth++;
			break;
		case META_NOT:
		case META_NEGATE:
			break;
		case META_JUMP: /* the other branch starts where this one started */
		case META_ADD:
		case META_SUBTRACT:
		case META_MULTIPLY:
		case META_DIVIDE:
		case META_LESS:
		case META_GREATER:
		case META_LESS_EQUAL:
		case META_GREATER_EQUAL:
		case META_EQUAL:
		case META_NOT_EQUAL:
		case META_XOR:
		case META_AND:
		case META_OR:
		case META_SELECT:
			depth--;
			break;
		}
		most = depth > most ? depth : most;
	}
	return most;
}

/* ---- evaluating ---- */

typedef double (*value_fn)(void *ctx, unsigned rule);

static double
integer_xor(double a, double b)
{
	/* Perl: both become integers, negative ones wrap. */
	unsigned long long x = a < 0 ? (unsigned long long)(long long)a : (unsigned long long)a;
	unsigned long long y = b < 0 ? (unsigned long long)(long long)b : (unsigned long long)b;

	return (double)(x ^ y);
}

static double
apply(enum meta_op op, double a, double b, bool *divided_by_zero)
{
	switch (op) {
	case META_ADD:
		return a + b;
	case META_SUBTRACT:
		return a - b;
	case META_MULTIPLY:
		return a * b;
	case META_DIVIDE:
		if (b == 0) {
			*divided_by_zero = true;
			return 0;
		}
		return a / b;
	case META_LESS:
		return a < b;
	case META_GREATER:
		return a > b;
	case META_LESS_EQUAL:
		return a <= b;
	case META_GREATER_EQUAL:
		return a >= b;
	case META_EQUAL:
		return a == b;
	case META_NOT_EQUAL:
		return a != b;
	case META_XOR:
		if (fabs(a) > 9e18 || fabs(b) > 9e18)
			return 0;
		return integer_xor(a, b);
	case META_NUMBER:
	case META_RULE:
	case META_NOT:
	case META_NEGATE:
	case META_AND:
	case META_OR:
	case META_SELECT:
	case META_JUMP:
		break;
	}
	return 0;
}

static double
run(const struct meta_step *steps, size_t count, const double *values, value_fn value, void *ctx,
    bool *zero_r)
{
	double stack[META_MAX_STACK + 1];
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const struct meta_step *s = &steps[i];

		switch (s->op) {
		case META_NUMBER:
			stack[n++] = s->number;
			break;
		case META_RULE:
			stack[n++] = values != NULL ? values[s->arg] : value(ctx, s->arg);
			break;
		case META_NOT:
			stack[n - 1] = stack[n - 1] == 0;
			break;
		case META_NEGATE:
			stack[n - 1] = -stack[n - 1];
			break;
		case META_AND:
			if (stack[n - 1] == 0)
				i = s->arg - 1;
			else
				n--;
			break;
		case META_OR:
			if (stack[n - 1] != 0)
				i = s->arg - 1;
			else
				n--;
			break;
		case META_SELECT:
			if (stack[--n] == 0)
				i = s->arg - 1;
			break;
		case META_JUMP:
			i = s->arg - 1;
			break;
		case META_ADD:
		case META_SUBTRACT:
		case META_MULTIPLY:
		case META_DIVIDE:
		case META_LESS:
		case META_GREATER:
		case META_LESS_EQUAL:
		case META_GREATER_EQUAL:
		case META_EQUAL:
		case META_NOT_EQUAL:
		case META_XOR:
			n--;
			stack[n - 1] = apply(s->op, stack[n - 1], stack[n], zero_r);
			if (*zero_r)
				return 0;
			break;
		}
	}
	return n > 0 ? stack[n - 1] : 0;
}

/* ---- public ---- */

static bool
is_declaration(const struct compiler *c)
{
	return c->tokens.count == 3 && slice_eq(c->tokens.items[0].text, SLICE("(")) &&
	       slice_eq(c->tokens.items[1].text, SLICE(")"));
}

static bool
has_forbidden(struct slice text)
{
	return slice_find(text, SLICE("::"), 0) != SLICE_NPOS ||
	       slice_find(text, SLICE("->"), 0) != SLICE_NPOS ||
	       slice_find_any(text, "$@%;{}", 0) != SLICE_NPOS;
}

/* false: refused, c->error is set.  Declarations leave no steps. */
static bool
compile(struct compiler *c)
{
	bool zero = false;

	if (has_forbidden(c->text)) {
		error_set(c->error, STATUS_BAD, "invalid meta %.*s rule: %.*s", SLICE_FMT(c->name),
		          SLICE_FMT(c->text));
		return false;
	}
	tokenize(c);
	if (c->failed || is_declaration(c))
		return !c->failed;
	parse_ternary(c);
	if (!c->failed && c->tokens.items[c->at].kind != TOKEN_END)
		fail(c, "syntax error");
	if (!c->failed && stack_depth(c) > META_MAX_STACK)
		fail(c, "nested too deeply");
	if (c->failed)
		return false;
	/* The reference tries it with all rules zero. */
	if (c->env == NULL)
		(void)run(c->steps.items, c->steps.count, NULL, NULL, NULL, &zero);
	if (zero)
		fail(c, "division by zero possible");
	return !c->failed;
}

enum status
meta_check(struct slice name, struct slice text, struct error *error)
{
	struct arena *arena = arena_create(0);
	struct compiler c = {.arena = arena, .name = name, .text = text, .error = error};
	bool ok;

	if (arena == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for meta");
	ok = compile(&c);
	arena_destroy(&arena);
	return ok ? STATUS_OK : STATUS_BAD;
}

struct meta *
meta_compile(struct arena *arena, struct slice name, struct slice text, const struct meta_env *env,
             struct error *error)
{
	struct compiler c = {
		.arena = arena, .env = env, .name = name, .text = text, .error = error};
	struct meta *meta = arena_new(arena, struct meta);

	if (meta == NULL) {
		error_set(error, STATUS_LIMIT, "no memory for meta");
		return NULL;
	}
	if (meta_check(name, text, error) != STATUS_OK || !compile(&c))
		return NULL;
	meta->steps = c.steps.items;
	meta->step_count = c.steps.count;
	meta->deps = c.deps.items;
	meta->dep_count = c.deps.count;
	meta->is_empty = c.steps.count == 0;
	return meta;
}

const unsigned *
meta_dependencies(const struct meta *meta, size_t *count_r)
{
	*count_r = meta->dep_count;
	return meta->deps;
}

bool
meta_is_empty(const struct meta *meta)
{
	return meta->is_empty;
}

double
meta_eval(const struct meta *meta, const double *values)
{
	bool zero = false;

	return run(meta->steps, meta->step_count, values, NULL, NULL, &zero);
}

double
meta_eval_fn(const struct meta *meta, double (*value)(void *ctx, unsigned rule), void *ctx)
{
	bool zero = false;

	return run(meta->steps, meta->step_count, NULL, value, ctx, &zero);
}

struct meta_programs {
	struct meta_step *steps;
	uint32_t *begin; /* by meta; one more: the end */
};

struct meta_programs *
meta_programs_create(struct arena *arena, const struct meta *const *metas, size_t count)
{
	struct meta_programs *programs = arena_new(arena, struct meta_programs);
	size_t steps = 0;

	for (size_t i = 0; i < count; i++)
		steps += metas[i]->step_count;
	if (programs == NULL || steps > UINT32_MAX)
		return NULL;
	programs->steps = arena_new_array(arena, struct meta_step, steps + 1);
	programs->begin = arena_new_array(arena, uint32_t, count + 1);
	if (programs->steps == NULL || programs->begin == NULL)
		return NULL;
	steps = 0;
	for (size_t i = 0; i < count; i++) {
		programs->begin[i] = (uint32_t)steps;
		if (metas[i]->step_count > 0)
			memcpy(programs->steps + steps, metas[i]->steps,
			       metas[i]->step_count * sizeof(*programs->steps));
		steps += metas[i]->step_count;
	}
	programs->begin[count] = (uint32_t)steps;
	return programs;
}

double
meta_programs_eval(const struct meta_programs *programs, size_t index, const double *values)
{
	uint32_t begin = programs->begin[index];
	bool zero = false;

	return run(programs->steps + begin, programs->begin[index + 1] - begin, values, NULL, NULL,
	           &zero);
}

struct slice
meta_dump(struct arena *arena, const struct meta *meta)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	for (size_t i = 0; i < meta->step_count; i++) {
		const struct meta_step *s = &meta->steps[i];
		if (s->op == META_NUMBER)
			strbuf_printf(&buf, "%zu %g\n", i, s->number);
		else if (s->op == META_RULE || s->op >= META_AND)
			strbuf_printf(&buf, "%zu %s %u\n", i, op_names[s->op], s->arg);
		else
			strbuf_printf(&buf, "%zu %s\n", i, op_names[s->op]);
	}
	return strbuf_is_bad(&buf) ? SLICE_NULL : strbuf_slice(&buf);
}

bool
meta_glob_match(struct slice glob, struct slice name)
{
	size_t g = 0, n = 0, star = SLICE_NPOS, mark = 0;

	while (n < name.len) {
		if (g < glob.len && glob.data[g] == '*') {
			star = g++;
			mark = n;
		} else if (g < glob.len && (glob.data[g] == '?' || glob.data[g] == name.data[n])) {
			g++;
			n++;
		} else if (star != SLICE_NPOS) {
			g = star + 1;
			n = ++mark;
		} else {
			return false;
		}
	}
	while (g < glob.len && glob.data[g] == '*')
		g++;
	return g == glob.len;
}
