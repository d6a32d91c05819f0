/*
 * fuzz_meta.c - any meta expression: no crash; the program gives what a plain walk over the text
 * gives
 *
 * The walk is a recursive evaluator over the same text, written apart from meta.c; it knows no
 * rules_matching and is asked only where meta.c accepts.  Values: a name is worth the number of its
 * letters modulo 4.
 */
#include <math.h>
#include <stdlib.h>

#include "rules/meta.h"
#include "t/fuzz/fuzz.h"

struct walk {
	const uint8_t *p;
	const uint8_t *end;
	bool by_zero;
};

static double ternary(struct walk *w, bool live);

static void
skip(struct walk *w)
{
	while (w->p < w->end) {
		uint8_t c = *w->p, d = w->p + 1 < w->end ? w->p[1] : 0;
		if (byte_is_word(c) || strchr("()^!><+-*/?:.", c) != NULL)
			if (c != '\0')
				return;
		if ((c == '|' && d == '|') || (c == '&' && d == '&') || (c == '=' && d == '='))
			return;
		w->p++;
	}
}

static bool
eat(struct walk *w, const char *op)
{
	size_t n = strlen(op);

	skip(w);
	if ((size_t)(w->end - w->p) < n || memcmp(w->p, op, n) != 0)
		return false;
	/* A longer operator is not its beginning. */
	if (n == 1 && (*op == '<' || *op == '>' || *op == '!') && w->p + 1 < w->end &&
	    w->p[1] == '=')
		return false;
	w->p += n;
	return true;
}

static double
primary(struct walk *w)
{
	double value = 0, scale = 0;
	unsigned n = 0;

	if (eat(w, "(")) {
		value = ternary(w, true);
		(void)eat(w, ")");
		return value;
	}
	skip(w);
	if (w->p < w->end && byte_is_digit(*w->p)) {
		for (; w->p < w->end && (byte_is_digit(*w->p) || *w->p == '.'); w->p++) {
			if (*w->p == '.') {
				scale = 1;
				continue;
			}
			value = value * 10 + (*w->p - '0');
			scale *= 10;
		}
		return scale > 0 ? value / scale : value;
	}
	for (; w->p < w->end && byte_is_word(*w->p); w->p++)
		n++;
	return n % 4;
}

static double
unary(struct walk *w)
{
	if (eat(w, "!"))
		return unary(w) == 0;
	if (eat(w, "-"))
		return -unary(w);
	if (eat(w, "+"))
		return unary(w);
	return primary(w);
}

static double
product(struct walk *w)
{
	double a = unary(w), b;

	for (;;) {
		if (eat(w, "*")) {
			a *= unary(w);
		} else if (eat(w, "/")) {
			b = unary(w);
			w->by_zero |= b == 0;
			a = b == 0 ? 0 : a / b;
		} else {
			return a;
		}
	}
}

static double
sum(struct walk *w)
{
	double a = product(w);

	for (;;) {
		if (eat(w, "+"))
			a += product(w);
		else if (eat(w, "-"))
			a -= product(w);
		else
			return a;
	}
}

static double
relation(struct walk *w)
{
	double a = sum(w), b, all = 1;
	bool any = false;

	for (;; a = b) {
		if (eat(w, "<=")) {
			b = sum(w);
			all = all != 0 && a <= b;
		} else if (eat(w, ">=")) {
			b = sum(w);
			all = all != 0 && a >= b;
		} else if (eat(w, "<")) {
			b = sum(w);
			all = all != 0 && a < b;
		} else if (eat(w, ">")) {
			b = sum(w);
			all = all != 0 && a > b;
		} else {
			return any ? all : a;
		}
		any = true;
	}
}

static double
equality(struct walk *w)
{
	double a = relation(w), b, all = 1;
	bool any = false;

	for (;; a = b) {
		if (eat(w, "==")) {
			b = relation(w);
			all = all != 0 && a == b;
		} else if (eat(w, "!=")) {
			b = relation(w);
			all = all != 0 && a != b;
		} else {
			return any ? all : a;
		}
		any = true;
	}
}

static double
exclusive(struct walk *w)
{
	double a = equality(w), b;

	while (eat(w, "^")) {
		b = equality(w);
		a = fabs(a) > 9e18 || fabs(b) > 9e18 ? 0
		                                     : (double)((unsigned long long)(long long)a ^
		                                                (unsigned long long)(long long)b);
	}
	return a;
}

static double
both(struct walk *w)
{
	double a = exclusive(w);

	while (eat(w, "&&")) {
		double b = exclusive(w);
		a = a != 0 ? b : a;
	}
	return a;
}

static double
either(struct walk *w)
{
	double a = both(w);

	while (eat(w, "||")) {
		double b = both(w);
		a = a != 0 ? a : b;
	}
	return a;
}

static double
ternary(struct walk *w, bool live)
{
	double a = either(w), b, c;

	(void)live;
	if (!eat(w, "?"))
		return a;
	b = ternary(w, true);
	(void)eat(w, ":");
	c = ternary(w, true);
	return a != 0 ? b : c;
}

static unsigned
resolve(void *ctx, struct slice name)
{
	(void)ctx;
	return (unsigned)(name.len % 4);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const double values[] = {0, 1, 2, 3};
	const struct meta_env env = {NULL, resolve, NULL, false};
	struct arena *arena = arena_create(64 * 1024 * 1024);
	struct slice text = slice_of(data, size);
	struct walk walk = {data, data + size, false};
	struct error error;
	struct meta *meta = NULL;
	double value;

	if (size < 2000)
		meta = meta_compile(arena, SLICE("M"), text, &env, &error);
	if (meta != NULL && slice_find(text, SLICE("rules_matching"), 0) == SLICE_NPOS &&
	    slice_find(text, SLICE("local_tests_only"), 0) == SLICE_NPOS) {
		value = ternary(&walk, true);
		if (!walk.by_zero && value == value && value != meta_eval(meta, values))
			abort();
		(void)meta_dump(arena, meta);
	}
	arena_destroy(&arena);
	return 0;
}
