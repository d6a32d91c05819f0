/*
 * condition.c - the expressions of `if` and `ifplugin`
 *
 * A precedence climber over tokens, as Perl would evaluate them.  Depth is bounded: the text is the
 * administrator's, but may come from a channel.
 */
#include "conf/condition.h"

#include <stdlib.h>

enum { DEPTH_MAX = 100 };

struct parser {
	struct conf_reader *reader;
	struct slice rest;
	struct slice token; /* len 0: end */
	unsigned depth;
	bool bad;     /* syntax: the condition is false and that is said */
	bool refused; /* a word that is not allowed: the whole line is ignored */
};

struct condition_op {
	const char *text;
	int precedence; /* higher binds tighter */
};

/* Perl's precedence; ^ is bitwise exclusive or, as the reference hands it to Perl. */
static const struct condition_op operators[] = {
	{"||", 1}, {"&&", 2}, {"^", 3}, {"==", 4}, {"!=", 4}, {"<", 5}, {">", 5},
	{"<=", 5}, {">=", 5}, {"+", 6}, {"-", 6},  {"*", 7},  {"/", 7},
};

static bool
is_number_byte(unsigned char c)
{
	return byte_is_digit(c) || c == '.' || c == '-' || c == '+';
}

static size_t
token_len(struct slice s)
{
	unsigned char c = s.data[0], d = s.len > 1 ? s.data[1] : 0;
	size_t i = 1;

	if (is_number_byte(c)) {
		while (i < s.len && is_number_byte(s.data[i]))
			i++;
		return i;
	}
	if (byte_is_word(c)) {
		while (i < s.len && (byte_is_word(s.data[i]) || s.data[i] == ':'))
			i++;
		return i;
	}
	if ((c == '|' && d == '|') || (c == '&' && d == '&') || (c == '=' && d == '=') ||
	    ((c == '!' || c == '<' || c == '>') && d == '='))
		return 2;
	return c != 0 && strchr("()^!<>*/?:", c) != NULL ? 1 : 0;
}

static void
next_token(struct parser *p)
{
	p->token = SLICE_NULL;
	while (p->rest.len > 0) {
		size_t len = token_len(p->rest);

		if (len > 0) {
			p->token = slice_sub(p->rest, 0, len);
			p->rest = slice_from(p->rest, len);
			return;
		}
		p->rest =
			slice_from(p->rest, 1); /* bytes that are no token are skipped, as there */
	}
}

static bool
token_is(const struct parser *p, const char *text)
{
	return slice_eq(p->token, slice_from_cstr(text));
}

static bool
is_class_name(struct slice s)
{
	struct slice part;
	unsigned parts = 0;

	for (;;) {
		size_t at = slice_find(s, SLICE("::"), 0);

		part = slice_sub(s, 0, at == SLICE_NPOS ? s.len : at);
		if (part.len == 0 || slice_has_byte(part, ':') || ++parts > 11)
			return false;
		if (at == SLICE_NPOS)
			return true;
		s = slice_from(s, at + 2);
	}
}

static struct slice
renamed_class(struct slice name)
{
	if (slice_eq(name, SLICE("Mail::SpamAssassin::Plugin::Dmarc")))
		return SLICE("Mail::SpamAssassin::Plugin::DMARC");
	if (slice_eq(name, SLICE("Mail::SpamAssassin::Plugin::WhiteListSubject")))
		return SLICE("Mail::SpamAssassin::Plugin::WelcomeListSubject");
	return name;
}

static double
call(struct parser *p, struct slice function)
{
	const struct conf_env *env = p->reader->env;
	struct slice name = SLICE_NULL;
	bool is_can = slice_eq(function, SLICE("can"));

	if (token_is(p, "(")) {
		next_token(p);
		if (p->token.len > 0 && !token_is(p, ")")) {
			name = renamed_class(p->token);
			if (!is_class_name(name)) {
				conf_problem(p->reader, true,
				             "config: not allowed value '%.*s' in %.*s (line %u)",
				             SLICE_FMT(name), SLICE_FMT(p->reader->file),
				             p->reader->line_number);
				p->refused = true;
			}
			next_token(p);
		}
		if (token_is(p, ")"))
			next_token(p);
		else
			p->bad = true;
	}
	if (p->refused || p->bad)
		return 0;
	if (slice_eq(function, SLICE("plugin")))
		return slice_eq(name, SLICE("Mail::SpamAssassin::Plugin::RaciallyCharged")) ||
		       (env != NULL && env->is_plugin_loaded(env->data, name));
	if (is_can && p->reader->user_file)
		return 0;
	if (name.len == 0 || slice_find(name, SLICE("::"), 0) == SLICE_NPOS) {
		conf_problem(p->reader, true, "config: bad 'if' line, %s in %.*s (line %u)",
		             name.len == 0 ? "no argument to can() or has()"
		                           : "cannot find '::' in the name",
		             SLICE_FMT(p->reader->file), p->reader->line_number);
		return 0;
	}
	return env != NULL && env->has_feature(env->data, name, is_can);
}

static double
number(struct parser *p, struct slice text)
{
	char buffer[64], *end;
	double value;

	if (text.len >= sizeof(buffer)) {
		p->bad = true;
		return 0;
	}
	memcpy(buffer, text.data, text.len);
	buffer[text.len] = '\0';
	value = strtod(buffer, &end);
	if (*end != '\0')
		p->bad = true;
	return value;
}

static double evaluate(struct parser *p, int least);

static double
primary(struct parser *p)
{
	struct slice token = p->token;
	double value = 0;

	if (token.len == 0 || ++p->depth > DEPTH_MAX) {
		p->bad = true;
		return 0;
	}
	next_token(p);
	if (slice_eq(token, SLICE("("))) {
		value = evaluate(p, 0);
		if (!token_is(p, ")"))
			p->bad = true;
		next_token(p);
	} else if (slice_eq(token, SLICE("!"))) {
		value = !(primary(p) != 0);
	} else if (slice_eq(token, SLICE("plugin")) || slice_eq(token, SLICE("can")) ||
	           slice_eq(token, SLICE("has"))) {
		value = call(p, token);
	} else if (slice_eq(token, SLICE("version"))) {
		value = number(p, SLICE(CONF_SA_VERSION));
	} else if (slice_eq(token, SLICE("perl_version"))) {
		value = 5.036; /* of the reference's platform: rules ask for "at least" */
	} else if (slice_eq(token, SLICE("local_tests_only"))) {
		value = p->reader->local_tests_only;
	} else if (is_number_byte(token.data[0])) {
		value = number(p, token);
	} else {
		conf_problem(p->reader, true, "config: unparseable value '%.*s' in %.*s (line %u)",
		             SLICE_FMT(token), SLICE_FMT(p->reader->file), p->reader->line_number);
		p->refused = true;
	}
	p->depth--;
	return value;
}

static double
apply(struct parser *p, const char *op, double a, double b)
{
	switch (op[0]) {
	case '|':
		return a != 0 ? a : b;
	case '&':
		return a != 0 ? b : a;
	case '^':
		return (double)((unsigned long long)a ^ (unsigned long long)b);
	case '=':
		return a == b;
	case '!':
		return a != b;
	case '<':
		return op[1] == '=' ? a <= b : a < b;
	case '>':
		return op[1] == '=' ? a >= b : a > b;
	case '+':
		return a + b;
	case '-':
		return a - b;
	case '*':
		return a * b;
	default:
		if (b == 0)
			p->bad = true;
		return b == 0 ? 0 : a / b;
	}
}

static const struct condition_op *
find_operator(const struct parser *p)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (token_is(p, operators[i].text))
			return &operators[i];
	return NULL;
}

static double
evaluate(struct parser *p, int least)
{
	double value = primary(p);

	while (!p->bad && !p->refused && p->token.len > 0) {
		const struct condition_op *op = find_operator(p);

		if (op == NULL && token_is(p, "?") && least == 0) {
			double yes, no;

			next_token(p);
			yes = evaluate(p, 0);
			if (!token_is(p, ":"))
				p->bad = true;
			next_token(p);
			no = evaluate(p, 0);
			return value != 0 ? yes : no;
		}
		if (op == NULL || op->precedence < least)
			break;
		next_token(p);
		value = apply(p, op->text, value, evaluate(p, op->precedence + 1));
	}
	return value;
}

enum condition_result
condition_evaluate(struct conf_reader *reader, struct slice expression)
{
	struct parser p = {.reader = reader, .rest = expression};
	double value;

	next_token(&p);
	value = evaluate(&p, 0);
	if (p.refused)
		return CONDITION_BAD;
	if (p.bad || p.token.len > 0) {
		conf_problem(reader, false,
		             "config: error parsing conditional in %.*s (line %u): %.*s",
		             SLICE_FMT(reader->file), reader->line_number, SLICE_FMT(expression));
		return CONDITION_FALSE;
	}
	return value != 0 ? CONDITION_TRUE : CONDITION_FALSE;
}
