#include "rules/factor.h"

#include <math.h>
#include <stdlib.h>

enum {
	CAP = 256,           /* factors in a set while it grows */
	CAP_UNION = 4 * CAP, /* and in a union that is only a condition */
	CONDITIONS = 10,     /* sets that are carried along */
	KEY_CAP = 200,       /* keys of one factor */
	SET_KEYS = 60000,    /* keys of one set */
	MERGE_CAP = 96,
	TIMES_MAX = 30,
	RUN_MIN = 5,
	REDUCE_ABOVE = 24,
	REDUCE_MARGIN = 2,
	COMMON_FACTORS = 32, /* of a set are held against common_text */
	WIDTH_MAX = 1 << 24
};

#define WIDE_P 0.12F   /* a class this common at the end of a factor is dropped */
#define USABLE_P 0.01F /* a set more common than this is no condition */
#define KEY_P 0.01F
#define TEXT_LENGTH 300.0F
#define COMMON_P (1 / TEXT_LENGTH) /* once in every text */

/* What is known of a node: see join() for how two follow one another. */
struct info {
	bool exact;            /* pre == suf == all that it can match */
	bool tight;            /* and an occurrence of one of them is a match */
	struct factor_set pre; /* one of these begins every match */
	struct factor_set suf; /* one of these ends every match */
	struct factor_set cond[CONDITIONS];
	unsigned conds;
	unsigned min;
	unsigned max;
	uint16_t run_class;
	uint32_t run_len;
	uint32_t run_times;
};

struct analysis {
	struct arena *arena;
	struct factor_classes *classes;
	const struct pattern *pattern;
	uint16_t *class_map;  /* of pattern->classes, + 1 */
	struct factor *empty; /* shared by all sets of one empty factor */
	bool spent;
};

static void analyse(struct analysis *an, uint32_t n, struct info *out);

/* ---- classes ---- */

static const char model_text[4][600] = {
	/* Bytes about as often as they come, for each model; the rest is rare. */
	"                  "
	"eeeeeeeeeeeettttttttaaaaaaaooooooonnnnnniiiiiirrrrrrssssssllllhhhhddddccc"
	"uuummmppfffggyywwbbvkETAOINSRLHDCUMPFGYWBV..,,-::0012345//xj",
	"             "
	"\n\n\n\neeeeeeeettttttaaaaaooooonnnniiiirrrrsssslllhhhdddcccuummmppppffggyywwbbvk"
	"ETAOINSRLHDCUMPFGBVW<<<<>>>>////==\"\"\"\"..,--::00112233445566778899;&_xj",
	"           "
	"\n\neeeeeettttaaaaoooonnniiiirrrrsssslllhhdddcccuummmmpppfggyywwbbvkETAOINSRLHDCUMPFG"
	"BVW<>[]()@@......,,---:::;;==000111222333444555666777888999//__xj",
	"eeeeettttttttaaaaoooonniiirrrsssslllhhhhddcccccuummmmppppppffggyyywwwwwbbvkETAOINSRLHDCUM"
	"........//////::---==??&&%%00112233445566778899__xj",
};

/*
 * What nearly every text of a kind holds.  The bytes of formulaic text do not come by chance, so a
 * set that is found here is taken to be in every text: others are asked for beside it.
 */
static const char *const common_text[4] = {
	" the and you your for this that with have from will are not our can please email message "
	"if to be removed from free click here http://www.example.com/ all new one get out more "
	"information wrote: it's don't i'm re: subject of in on at is as by or an we he was but my "
	"1. 2. 10 100 2000 $ ... -- ",
	"<html><head><title></title><meta http-equiv=\"Content-Type\" content=\"text/html; "
	"charset=iso-8859-1\"></head>\n<body bgcolor=\"#ffffff\"><table width=\"100%\" "
	"border=\"0\" cellspacing=\"0\" cellpadding=\"0\" align=\"center\">\n<tr>\n<td><font "
	"face=\"Arial\" size=\"2\" color=\"#000000\"><a href=\"http://www.example.com/index.html\">"
	"<img src=\"http://www.example.com/a.gif\" width=\"1\" height=\"1\" "
	"border=\"0\"></a></font>"
	"</td></tr></table>\n<p><br><b>&nbsp;</b></p>\n<div style=\"\"><span></span></div>\n</body>"
	"</html>\n the and you your for this from ",
	"[ ip=10.1.2.3 rdns=mail.example.com helo=mail.example.com by=mx.example.org ident= "
	"envfrom= intl=0 id=A1B2C3 auth= msa=0 ]\nReceived: from mail.example.com "
	"(mail.example.com [10.1.2.3])\n\tby mx.example.org (Postfix) with ESMTP id ABC123 for "
	"<user@example.org>; Thu, 22 Aug 2002 12:36:16 +0100 (EDT)\nMessage-Id: <123@example.com>\n"
	"From: User <user@example.com>\nTo: user@example.org\nCc: \nSubject: Re: \nDate: \n"
	"Reply-To: \nSender: \nReturn-Path: <\nDelivered-To: \nMIME-Version: 1.0\nContent-Type: "
	"text/plain; charset=\"us-ascii\"\nContent-Transfer-Encoding: 7bit\nX-Mailer: \nList-Id: "
	"<\n"
	"In-Reply-To: <\nReferences: <\nPrecedence: bulk\n",
	"http://www.example.com/index.html https://example.com/ mailto:user@example.com",
};

static void
init_symbols(struct factor_classes *classes)
{
	static const char alone[] = "/@.=:-";

	for (unsigned b = 0; b < 256; b++) {
		unsigned char c = (unsigned char)b;
		const char *at;
		unsigned s;

		if (byte_is_alpha(c))
			s = byte_lower(c) - 'a';
		else if (byte_is_digit(c))
			s = 26U + c - '0';
		else if (c == '_')
			s = 36;
		else if (c >= 0x80)
			s = 37 + ((c >> 4) & 7U);
		else if (c == '\n')
			s = FACTOR_NEWLINE;
		else if (c <= ' ' || c == 127)
			s = 46;
		else if (c == '<' || c == '>')
			s = 47;
		else if ((at = strchr(alone, c)) != NULL)
			s = 48 + (unsigned)(at - alone);
		else
			s = 54;
		classes->symbol_of[b] = (uint8_t)s;
	}
	for (unsigned s = 37; s <= 54; s++)
		classes->nonword |= (uint64_t)1 << s;
}

bool
factor_classes_init(struct factor_classes *classes, struct arena *arena, bool ascii,
                    enum factor_model model)
{
	float total = 0;

	memset(classes, 0, sizeof(*classes));
	classes->arena = arena;
	classes->ascii = ascii;
	classes->model = model;
	classes->slot_count = 1 << 15;
	classes->slots = arena_new_array(arena, uint32_t, classes->slot_count);
	init_symbols(classes);
	for (unsigned b = 0; b < 256; b++)
		classes->byte_p[b] = b < 0x80 ? 0.05F : ascii ? 0.0F : 0.08F;
	for (const char *p = model_text[model]; *p != '\0'; p++)
		classes->byte_p[(unsigned char)*p] += 1.0F;
	for (unsigned b = 0; b < 256; b++)
		total += classes->byte_p[b];
	for (unsigned b = 0; b < 256; b++) {
		classes->byte_p[b] /= total;
		classes->symbol_p[classes->symbol_of[b]] += classes->byte_p[b];
	}
	classes->symbol_p[FACTOR_OUTSIDE] = 0.01F;
	return classes->slots != NULL;
}

static void
weigh_symbols(const struct factor_classes *classes, uint64_t symbols, float *p_r, uint8_t *count_r)
{
	float p = 0;

	for (uint64_t m = symbols; m != 0; m &= m - 1)
		p += classes->symbol_p[__builtin_ctzll(m)];
	*p_r = p;
	*count_r = (uint8_t)__builtin_popcountll(symbols);
}

static uint16_t
intern(struct analysis *an, struct byte_set set)
{
	struct factor_classes *classes = an->classes;
	struct factor_class cls = {.set = set};
	uint64_t h;
	uint32_t i;

	if (classes->ascii)
		cls.set.bits[2] = cls.set.bits[3] = 0;
	h = cls.set.bits[0] * 0x9e3779b97f4a7c15U ^ cls.set.bits[1] * 0xc2b2ae3d27d4eb4fU ^
	    cls.set.bits[2] * 0x165667b19e3779f9U ^ cls.set.bits[3] * 0xd6e8feb86659fd93U;
	for (i = (uint32_t)(h >> 49); classes->slots[i] != 0;
	     i = (i + 1) & (classes->slot_count - 1))
		if (byte_set_eq(&classes->list.items[classes->slots[i] - 1].set, &cls.set))
			return (uint16_t)(classes->slots[i] - 1);
	for (unsigned b = 0; b < 256; b++)
		if (byte_set_has(&cls.set, b)) {
			cls.p += classes->byte_p[b];
			cls.symbols |= (uint64_t)1 << classes->symbol_of[b];
		}
	weigh_symbols(classes, cls.symbols, &cls.symbols_p, &cls.symbol_count);
	if (classes->list.count >= classes->slot_count / 2 || classes->list.count >= 65000 ||
	    vec_push(classes->arena, &classes->list, cls) == NULL) {
		an->spent = true;
		return 0;
	}
	classes->slots[i] = (uint32_t)classes->list.count;
	return (uint16_t)(classes->list.count - 1);
}

static const struct factor_class *
class_of(const struct factor_classes *classes, unsigned cls)
{
	return &classes->list.items[cls];
}

/* ---- sets ---- */

static struct factor_set
set_new(struct analysis *an, size_t room)
{
	struct factor_set set = {0};
	unsigned char *bytes =
		arena_bytes(an->arena, (room + 1) * sizeof(struct factor) + alignof(struct factor));

	if (bytes == NULL) {
		an->spent = true;
		return set;
	}
	/* Not zeroed: these are many and large, and every factor is written as a whole. */
	bytes += -(uintptr_t)bytes & (alignof(struct factor) - 1);
	set.items = (struct factor *)(void *)bytes;
	return set;
}

/* The set of one empty factor; not to be written to. */
static struct factor_set
set_empty(struct analysis *an)
{
	return (struct factor_set){.items = an->empty, .count = 1};
}

/* A set of one empty factor of its own. */
static struct factor_set
set_one(struct analysis *an)
{
	struct factor_set set = set_new(an, 1);

	if (set.items != NULL) {
		memset(set.items, 0, sizeof(*set.items));
		set.count = 1;
	}
	return set;
}

static int
compare_factors(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct factor));
}

static void
set_unique(struct factor_set *set)
{
	uint32_t n = 1;

	if (set->count < 2)
		return;
	qsort(set->items, set->count, sizeof(*set->items), compare_factors);
	for (uint32_t i = 1; i < set->count; i++)
		if (memcmp(&set->items[n - 1], &set->items[i], sizeof(*set->items)) != 0)
			set->items[n++] = set->items[i];
	set->count = n;
}

/* Position in which two factors differ: -1 none, -2 more than one or not comparable. */
static int
only_difference(const struct factor *x, const struct factor *y)
{
	int at = -1;

	if (x->n != y->n || x->n == 0 || memcmp(x->edge, y->edge, sizeof(x->edge)) != 0)
		return -2;
	for (int k = 0; k < x->n; k++) {
		if (x->cls[k] == y->cls[k])
			continue;
		if (at >= 0)
			return -2;
		at = k;
	}
	return at;
}

/* Unites factors that differ in one position only: the union of the two is exactly that. */
static void
set_merge(struct analysis *an, struct factor_set *set)
{
	bool again = set->count >= 2 && set->count <= MERGE_CAP;

	while (again) {
		again = false;
		for (uint32_t i = 0; i < set->count; i++)
			for (uint32_t j = i + 1; j < set->count; j++) {
				struct factor *x = &set->items[i], *y = &set->items[j];
				int at = only_difference(x, y);
				if (at == -2)
					continue;
				if (at >= 0) {
					struct byte_set both =
						class_of(an->classes, x->cls[at])->set;
					byte_set_unite(&both,
					               &class_of(an->classes, y->cls[at])->set);
					x->cls[at] = intern(an, both);
				}
				*y = set->items[--set->count];
				j--;
				again = true;
			}
	}
	set->has_p = false;
	set->keyed = 0;
}

static unsigned
set_longest(const struct factor_set *set)
{
	unsigned most = 0;

	for (uint32_t i = 0; i < set->count; i++)
		most = set->items[i].n > most ? set->items[i].n : most;
	return most;
}

static bool
is_only_empty(const struct factor_set *set)
{
	return set->count == 1 && set->items[0].n == 0 && set->items[0].edge[0] == 0;
}

/* Every factor of a followed by every one of b; false: too many or too long. */
static bool
cross(struct analysis *an, const struct factor_set *a, const struct factor_set *b,
      struct factor_set *out)
{
	if ((unsigned long)a->count * b->count > CAP ||
	    set_longest(a) + set_longest(b) > FACTOR_MAX)
		return false;
	if (is_only_empty(a) || is_only_empty(b)) {
		*out = is_only_empty(a) ? *b : *a;
		out->times = 0;
		out->is_look = a->is_look || b->is_look;
		return true;
	}
	*out = set_new(an, (size_t)a->count * b->count);
	out->is_look = a->is_look || b->is_look;
	if (an->spent)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		for (uint32_t j = 0; j < b->count; j++) {
			struct factor *q = &out->items[out->count++];
			const struct factor *y = &b->items[j];

			*q = a->items[i];
			q->edge[q->n] |= y->edge[0];
			for (unsigned k = 0; k < y->n; k++) {
				q->cls[q->n + k] = y->cls[k];
				q->edge[q->n + k + 1] = y->edge[k + 1];
			}
			q->n = (uint8_t)(q->n + y->n);
		}
	if (out->count > 1 && (a->count > 1 && b->count > 1))
		set_unique(out);
	return true;
}

static float
factor_p(const struct factor_classes *classes, const struct factor *q)
{
	float p = 1;

	for (unsigned k = 0; k < q->n; k++)
		p *= class_of(classes, q->cls[k])->p;
	for (unsigned k = 0; k <= q->n; k++) {
		if ((q->edge[k] & (FACTOR_BOL | FACTOR_EOL | FACTOR_EOS)) != 0)
			p *= 0.01F;
		else if ((q->edge[k] & (FACTOR_BOL_LINES | FACTOR_EOL_LINES)) != 0)
			p *= 0.03F;
		if ((q->edge[k] & FACTOR_WORD) != 0)
			p *= 0.4F;
	}
	return p;
}

static float
set_p(struct analysis *an, struct factor_set *set)
{
	if (set->has_p)
		return set->p;
	set->has_p = true;
	set->p = 0;
	for (uint32_t i = 0; i < set->count && set->p < 1; i++)
		set->p += set->items[i].n == 0 ? 1 : factor_p(an->classes, &set->items[i]);
	if (set->p > 1)
		set->p = 1;
	return set->p;
}

/* Drops wide classes at the ends of a factor; two positions stay. */
static void
trim_factor(struct analysis *an, const struct factor *q, bool lead, bool trail, struct factor *out)
{
	unsigned b = 0, e = q->n;
	bool any = false;

	for (unsigned k = 0; k < q->n; k++)
		any |= class_of(an->classes, q->cls[k])->p <= WIDE_P;
	if (any) {
		while (lead && b < e && class_of(an->classes, q->cls[b])->p > WIDE_P &&
		       (q->edge[b + 1] & ~FACTOR_WORD) == 0)
			b++;
		while (trail && e > b && class_of(an->classes, q->cls[e - 1])->p > WIDE_P &&
		       (q->edge[e - 1] & ~FACTOR_WORD) == 0)
			e--;
		if (e - b < 2) {
			if (b > 0)
				b--;
			else if (e < q->n)
				e++;
		}
	}
	memset(out, 0, sizeof(*out));
	out->n = (uint8_t)(e - b);
	memcpy(out->edge, q->edge + b, e - b + 1);
	memcpy(out->cls, q->cls + b, (e - b) * sizeof(q->cls[0]));
}

static struct factor_set
set_trim(struct analysis *an, const struct factor_set *set, bool lead, bool trail)
{
	struct factor_set out;
	bool any = false;

	for (uint32_t i = 0; i < set->count && !any; i++) {
		const struct factor *q = &set->items[i];
		any = q->n > 2 && ((lead && class_of(an->classes, q->cls[0])->p > WIDE_P) ||
		                   (trail && class_of(an->classes, q->cls[q->n - 1])->p > WIDE_P));
	}
	if (!any)
		return *set;
	out = set_new(an, set->count);
	out.times = set->times;
	out.is_look = set->is_look;
	if (an->spent)
		return *set;
	for (uint32_t i = 0; i < set->count; i++)
		trim_factor(an, &set->items[i], lead, trail, &out.items[out.count++]);
	set_unique(&out);
	return out;
}

/* ---- keys ---- */

static bool
is_word_class(const struct factor_classes *classes, unsigned cls)
{
	const struct factor_class *c = class_of(classes, cls);

	return (c->symbols & classes->nonword) == 0;
}

uint64_t
factor_symbols(const struct factor_classes *classes, const struct factor *q, int at)
{
	const uint64_t outside = (uint64_t)1 << FACTOR_OUTSIDE;
	const uint64_t newline = (uint64_t)1 << FACTOR_NEWLINE;
	unsigned edge;

	if (at >= 0 && at < q->n)
		return class_of(classes, q->cls[at])->symbols;
	edge = q->edge[at < 0 ? 0 : q->n];
	if (at < 0) {
		if ((edge & FACTOR_BOL) != 0)
			return outside;
		if ((edge & FACTOR_BOL_LINES) != 0)
			return outside | newline;
		if ((edge & FACTOR_WORD) != 0 && q->n > 0 && is_word_class(classes, q->cls[0]))
			return classes->nonword | outside;
		return 0;
	}
	if ((edge & FACTOR_EOS) != 0)
		return outside;
	if ((edge & (FACTOR_EOL | FACTOR_EOL_LINES)) != 0)
		return outside | newline;
	if ((edge & FACTOR_WORD) != 0 && q->n > 0 && is_word_class(classes, q->cls[q->n - 1]))
		return classes->nonword | outside;
	return 0;
}

/* A factor's positions, as far as keys are concerned; -1 and n are the neighbours. */
struct key_view {
	float p[FACTOR_MAX + 2]; /* of position k: p[k + 1] */
	int count[FACTOR_MAX + 2];
	int lo, hi;
};

static bool
view_edge(const struct factor_classes *classes, const struct factor *q, int at,
          struct key_view *view)
{
	uint64_t symbols;
	uint8_t count;

	if (q->edge[at < 0 ? 0 : q->n] == 0)
		return false;
	symbols = factor_symbols(classes, q, at);
	if (symbols == 0)
		return false;
	weigh_symbols(classes, symbols, &view->p[at + 1], &count);
	view->count[at + 1] = count;
	return true;
}

static void
key_view(const struct factor_classes *classes, const struct factor *q, struct key_view *view)
{
	view->lo = view_edge(classes, q, -1, view) ? -1 : 0;
	view->hi = view_edge(classes, q, q->n, view) ? q->n + 1 : q->n;
	for (int k = 0; k < q->n; k++) {
		const struct factor_class *cls = class_of(classes, q->cls[k]);

		view->p[k + 1] = cls->symbols_p;
		view->count[k + 1] = cls->symbol_count;
	}
}

/* The longest of the cheapest, the first of these. */
static inline void
consider(struct factor_window *best, float *best_cost, int at, int len, long keys, float p)
{
	float cost = p + (float)keys * 1e-7F;

	if (keys > KEY_CAP || cost > *best_cost || (cost == *best_cost && len <= best->len))
		return;
	*best_cost = cost;
	*best = (struct factor_window){at, len, keys, p};
}

struct factor_window
factor_window(const struct factor_classes *classes, const struct factor *q)
{
	struct factor_window best = {0, 0, 0, 1};
	float best_cost = 1e9F;
	struct key_view view;

	if (q->n == 0)
		return best;
	key_view(classes, q, &view);
	for (int k = view.lo; k + 2 <= view.hi; k++) {
		const int *count = &view.count[k + 1];
		const float *p = &view.p[k + 1];
		long keys = count[0];
		float prob = p[0];

		for (int j = 1; j < 4 && k + j < view.hi && keys <= KEY_CAP; j++) {
			keys *= count[j];
			prob *= p[j];
			consider(&best, &best_cost, k, j + 1, keys, prob);
		}
	}
	return best;
}

static bool
set_is_keyed(struct analysis *an, struct factor_set *set)
{
	long total = 0;

	if (set->keyed != 0)
		return set->keyed > 0;
	set->keyed = 1;
	for (uint32_t i = 0; i < set->count && set->keyed > 0; i++) {
		struct factor_window w = factor_window(an->classes, &set->items[i]);
		total += w.count;
		if (w.count == 0 || w.p > KEY_P || total > SET_KEYS)
			set->keyed = -1;
	}
	return set->keyed > 0;
}

/* ---- info ---- */

static void
add_cond(struct analysis *an, struct info *out, const struct factor_set *given)
{
	struct factor_set set = set_trim(an, given, true, true);
	unsigned worst = 0;

	if (set_p(an, &set) > 0.3F)
		return;
	for (unsigned i = 0; i < out->conds; i++)
		if (out->cond[i].count == set.count && out->cond[i].times >= set.times &&
		    (out->cond[i].items == set.items ||
		     memcmp(out->cond[i].items, set.items, sizeof(*set.items) * set.count) == 0))
			return;
	if (out->conds < CONDITIONS) {
		out->cond[out->conds++] = set;
		return;
	}
	for (unsigned i = 1; i < CONDITIONS; i++)
		if (out->cond[i].p > out->cond[worst].p)
			worst = i;
	if (set.p < out->cond[worst].p)
		out->cond[worst] = set;
}

static void
info_empty(struct analysis *an, struct info *out)
{
	out->exact = out->tight = true;
	out->pre = out->suf = set_empty(an);
	out->conds = out->min = out->max = 0;
	out->run_class = 0;
	out->run_len = out->run_times = 0;
}

/* Anything at all. */
static void
info_any(struct analysis *an, struct info *out)
{
	info_empty(an, out);
	out->exact = out->tight = false;
	out->max = WIDTH_MAX;
}

static void
info_class(struct analysis *an, struct info *out, uint16_t cls)
{
	info_empty(an, out);
	out->min = out->max = 1;
	out->pre = set_one(an);
	if (an->spent)
		return;
	if (byte_set_is_empty(&class_of(an->classes, cls)->set)) {
		out->pre.count = 0;
		out->suf = out->pre;
		return;
	}
	out->pre.items[0].n = 1;
	out->pre.items[0].cls[0] = cls;
	out->suf = out->pre;
}

static void
info_assert(struct analysis *an, struct info *out, enum pattern_assert what)
{
	static const uint8_t edges[] = {
		[PATTERN_BOL] = FACTOR_BOL, [PATTERN_BOL_LINES] = FACTOR_BOL_LINES,
		[PATTERN_EOL] = FACTOR_EOL, [PATTERN_EOL_LINES] = FACTOR_EOL_LINES,
		[PATTERN_EOS] = FACTOR_EOS, [PATTERN_WORD_EDGE] = FACTOR_WORD,
		[PATTERN_KEEP] = 0,         [PATTERN_NO_WORD_EDGE] = FACTOR_NO_WORD};

	info_empty(an, out);
	out->pre = set_one(an);
	if (an->spent)
		return;
	if (what == PATTERN_WORD_EDGE_U || what == PATTERN_NO_WORD_EDGE_U ||
	    what == PATTERN_START || what == PATTERN_KEEP)
		out->tight = false;
	else
		out->pre.items[0].edge[0] = edges[what];
	out->suf = out->pre;
}

/* How often a run condition is met by chance: the smaller the better. */
static float
run_p(const struct analysis *an, const struct info *x)
{
	float p;

	if (x->run_len == 0)
		return 1e9F;
	p = class_of(an->classes, x->run_class)->p;
	return powf(powf(p, (float)x->run_len) * (1 - p) * TEXT_LENGTH, (float)x->run_times);
}

static void
take_run(const struct analysis *an, struct info *out, const struct info *x, unsigned times)
{
	struct info y;

	if (x->run_len == 0)
		return;
	y = *x;
	y.run_times = y.run_times * times > 20 ? 20 : y.run_times * times;
	if (out->run_len != 0 && run_p(an, &y) >= run_p(an, out))
		return;
	out->run_class = y.run_class;
	out->run_len = y.run_len;
	out->run_times = y.run_times;
}

static unsigned
add_width(unsigned a, unsigned b)
{
	return a + b > WIDTH_MAX ? WIDTH_MAX : a + b;
}

/* s followed by x, into s. */
static void
join(struct analysis *an, struct info *s, const struct info *x)
{
	struct factor_set out;

	for (unsigned i = 0; i < x->conds; i++)
		add_cond(an, s, &x->cond[i]);
	s->tight = s->tight && x->tight;
	s->min = add_width(s->min, x->min);
	s->max = add_width(s->max, x->max);
	take_run(an, s, x, 1);
	if (x->exact && cross(an, &s->suf, &x->suf, &out)) {
		if (s->exact)
			s->pre = out;
		s->suf = out;
		return;
	}
	if (x->exact) {
		struct factor_set trimmed = set_trim(an, &s->suf, true, false);
		if (trimmed.count < s->suf.count && cross(an, &trimmed, &x->suf, &out)) {
			if (s->exact)
				s->pre = s->suf;
			s->suf = out;
			s->exact = false;
			return;
		}
	}
	if (!x->exact && cross(an, &s->suf, &x->pre, &out)) {
		if (s->exact)
			s->pre = out;
		else
			add_cond(an, s, &out);
	} else {
		if (s->exact)
			s->pre = s->suf;
		else
			add_cond(an, s, &s->suf);
		add_cond(an, s, &x->pre);
	}
	s->suf = x->suf;
	s->exact = false;
}

/* The rarest set that every match of x has; false: none is worth it. */
static bool
best_set(struct analysis *an, struct info *x, struct factor_set *out)
{
	struct factor_set *best = NULL;

	for (unsigned i = 0; i < x->conds + 2; i++) {
		struct factor_set *c = i == 0 ? &x->pre : i == 1 ? &x->suf : &x->cond[i - 2];

		if (set_p(an, c) > 0.3F ||
		    (best != NULL &&
		     (c->p > best->p || (c->p == best->p && c->count >= best->count))))
			continue;
		if (set_is_keyed(an, c))
			best = c;
	}
	if (best == NULL)
		return false;
	*out = *best;
	return true;
}

/* Union of one set of each branch; `which`: 0 pre, 1 suf, 2 the best conditions. */
static struct factor_set
unite(struct analysis *an, const struct factor_set *const *sets, size_t count)
{
	struct factor_set out;
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += sets[i]->count;
	out = set_new(an, total);
	if (an->spent)
		return out;
	for (size_t i = 0; i < count; i++) {
		memcpy(out.items + out.count, sets[i]->items, sets[i]->count * sizeof(*out.items));
		out.count += sets[i]->count;
		out.is_look |= sets[i]->is_look;
	}
	set_unique(&out);
	return out;
}

static size_t
total_count(const struct factor_set *const *sets, size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += sets[i]->count;
	return total;
}

/* What is kept of a branch while the others are analysed. */
struct branch {
	struct factor_set pre;
	struct factor_set suf;
	struct factor_set best;
	bool exact;
	bool has_best;
};

static void
alternatives_inexact(struct analysis *an, struct info *out, struct branch *branches, size_t count,
                     const struct factor_set **sets)
{
	bool all = true;

	out->exact = out->tight = false;
	for (size_t i = 0; i < count && all; i++) {
		struct branch *b = &branches[i];
		if (b->exact) {
			b->best = b->pre;
			b->has_best = set_p(an, &b->best) <= 0.3F && set_is_keyed(an, &b->best);
		}
		all = b->has_best;
		sets[i] = &b->best;
	}
	if (all && total_count(sets, count) <= CAP_UNION) {
		struct factor_set u = unite(an, sets, count);
		if (!an->spent && set_p(an, &u) < 0.3F)
			out->cond[out->conds++] = u;
	}
	for (int end = 0; end < 2; end++) {
		for (size_t i = 0; i < count; i++)
			sets[i] = end == 0 ? &branches[i].pre : &branches[i].suf;
		if (total_count(sets, count) <= CAP)
			*(end == 0 ? &out->pre : &out->suf) = unite(an, sets, count);
	}
}

static void
analyse_branch(struct analysis *an, uint32_t n, struct info *out, struct branch *b)
{
	struct info x;

	analyse(an, n, &x);
	if (an->spent)
		return;
	out->tight = out->tight && x.tight;
	out->min = x.min < out->min ? x.min : out->min;
	out->max = x.max > out->max ? x.max : out->max;
	b->pre = x.pre;
	b->suf = x.suf;
	b->exact = x.exact;
	if (!x.exact)
		b->has_best = best_set(an, &x, &b->best);
}

static void
analyse_alternatives(struct analysis *an, const struct pattern_node *node, struct info *out)
{
	struct branch *branches;
	const struct factor_set **sets;
	size_t count = 0, i = 0;
	bool exact = true;

	for (uint32_t c = node->child; c != 0; c = pattern_node(an->pattern, c)->next)
		count++;
	info_empty(an, out);
	branches = arena_new_array(an->arena, struct branch, count);
	sets = arena_new_array(an->arena, const struct factor_set *, count);
	if (branches == NULL || sets == NULL) {
		an->spent = true;
		return;
	}
	out->min = WIDTH_MAX;
	for (uint32_t c = node->child; c != 0; c = pattern_node(an->pattern, c)->next, i++) {
		analyse_branch(an, c, out, &branches[i]);
		if (an->spent)
			return;
		exact = exact && branches[i].exact;
		sets[i] = &branches[i].pre;
	}
	if (exact && total_count(sets, count) <= CAP) {
		out->pre = unite(an, sets, count);
		set_merge(an, &out->pre);
		out->suf = out->pre;
		return;
	}
	alternatives_inexact(an, out, branches, count, sets);
}

/* x{min,max} spelled out; false: too much of it. */
static bool
expand_repeat(struct analysis *an, const struct info *x, unsigned min, unsigned max,
              struct factor_set *out)
{
	const struct factor_set *sets[16];
	struct factor_set power[16];
	size_t n = 0;

	if (!x->exact || max - min > 4 || max > 12)
		return false;
	power[0] = set_empty(an);
	for (unsigned k = 0; k <= max; k++) {
		if (an->spent || (k > 0 && !cross(an, &power[k - 1], &x->pre, &power[k])))
			return false;
		if (k >= min)
			sets[n++] = &power[k];
	}
	if (total_count(sets, n) > CAP)
		return false;
	*out = unite(an, sets, n);
	set_merge(an, out);
	return !an->spent;
}

static bool
is_one_class(const struct info *x)
{
	return x->exact && x->pre.count == 1 && x->pre.items[0].n == 1 &&
	       x->pre.items[0].edge[0] == 0 && x->pre.items[0].edge[1] == 0;
}

static void
repeat_conditions(struct analysis *an, struct info *out, const struct info *x, unsigned min)
{
	unsigned times = min > 8 ? 8 : min;

	for (unsigned i = 0; i < x->conds + 2; i++) {
		struct factor_set set = i < x->conds ? x->cond[i] : i == x->conds ? x->pre : x->suf;
		unsigned had = set.times > 1 ? set.times : 1;

		if (i >= x->conds && (x->exact || min < 2))
			break;
		/* Iterations follow one another, so each has an occurrence of its own. */
		if (min > 1 && !set.is_look && x->min > 0)
			set.times = (uint8_t)(had * times > TIMES_MAX ? TIMES_MAX : had * times);
		add_cond(an, out, &set);
	}
}

static void
analyse_repeat(struct analysis *an, const struct pattern_node *node, struct info *out)
{
	unsigned min = node->min, max = node->max;
	struct factor_set set;
	struct info x;

	if (max == 0) {
		info_empty(an, out);
		return;
	}
	analyse(an, node->child, &x);
	if (an->spent)
		return;
	if (min == 1 && max == 1) {
		*out = x;
		out->tight = x.tight && node->value != PATTERN_POSSESSIVE;
		return;
	}
	info_any(an, out);
	out->min = (unsigned)((uint64_t)x.min * min > WIDTH_MAX ? WIDTH_MAX : x.min * min);
	out->max = max == PATTERN_INFINITE || (uint64_t)x.max * max > WIDTH_MAX ? WIDTH_MAX
	                                                                        : x.max * max;
	if (max == PATTERN_INFINITE && x.max == 0)
		out->max = 0;
	if (min > 0)
		take_run(an, out, &x, x.min > 0 ? min : 1);
	if (min >= RUN_MIN && is_one_class(&x)) {
		struct info y = {
			.run_class = x.pre.items[0].cls[0], .run_len = min, .run_times = 1};
		take_run(an, out, &y, 1);
	}
	if (expand_repeat(an, &x, min, max, &set)) {
		out->pre = out->suf = set;
		out->exact = true;
		out->tight = x.tight && node->value != PATTERN_POSSESSIVE;
		return;
	}
	if (min == 0 || an->spent)
		return;
	out->pre = x.pre;
	out->suf = x.suf;
	if (x.exact) {
		for (unsigned k = 2; k <= min && k <= 8; k++) {
			if (out->pre.count * x.pre.count > 64 ||
			    !cross(an, &out->pre, &x.pre, &set))
				break;
			out->pre = set;
		}
		out->suf = out->pre;
	}
	repeat_conditions(an, out, &x, min);
}

/* A positive look-around: what it sees is in the text, somewhere. */
static void
analyse_look(struct analysis *an, const struct pattern_node *node, struct info *out)
{
	struct info inside;

	info_empty(an, out);
	out->tight = false;
	if (node->value != PATTERN_AHEAD && node->value != PATTERN_BEHIND)
		return;
	analyse(an, node->child, &inside);
	if (an->spent)
		return;
	inside.pre.is_look = inside.suf.is_look = true;
	for (unsigned i = 0; i < inside.conds; i++) {
		inside.cond[i].is_look = true;
		add_cond(an, out, &inside.cond[i]);
	}
	add_cond(an, out, &inside.pre);
	add_cond(an, out, &inside.suf);
}

static void
analyse_group(struct analysis *an, const struct pattern_node *node, struct info *out)
{
	if (node->value >= PATTERN_AHEAD) {
		analyse_look(an, node, out);
		return;
	}
	analyse(an, node->child, out);
	if (node->value == PATTERN_ATOMIC)
		out->tight = false;
}

static uint16_t
pattern_class(struct analysis *an, const struct pattern_node *node)
{
	struct byte_set set = {{0}};
	uint16_t *known;

	if (node->kind == PATTERN_CLASS) {
		known = &an->class_map[node->value];
		if (*known == 0)
			*known =
				(uint16_t)(intern(an, an->pattern->classes.items[node->value]) + 1);
		return (uint16_t)(*known - 1);
	}
	byte_set_add(&set, node->value);
	if (node->fold != 0)
		byte_set_add(&set, byte_other_case((unsigned char)node->value, BYTE_AA));
	return intern(an, set);
}

/* As many plain bytes and classes from *c on as fit one factor; moves *c behind them. */
static void
analyse_run(struct analysis *an, uint32_t *c, struct info *out)
{
	struct factor *q;

	info_empty(an, out);
	out->pre = set_one(an);
	if (an->spent)
		return;
	q = &out->pre.items[0];
	while (*c != 0 && q->n < FACTOR_MAX) {
		const struct pattern_node *node = pattern_node(an->pattern, *c);
		uint16_t cls;

		if (node->kind != PATTERN_CHAR && node->kind != PATTERN_CLASS)
			break;
		cls = pattern_class(an, node);
		if (an->spent)
			return;
		if (byte_set_is_empty(&class_of(an->classes, cls)->set))
			out->pre.count = 0;
		q->cls[q->n++] = cls;
		out->min = ++out->max;
		*c = node->next;
	}
	out->suf = out->pre;
}

static void
analyse(struct analysis *an, uint32_t n, struct info *out)
{
	const struct pattern_node *node = pattern_node(an->pattern, n);
	uint32_t c = node->child;
	struct info x;

	switch ((enum pattern_kind)node->kind) {
	case PATTERN_EMPTY:
		info_empty(an, out);
		return;
	case PATTERN_CHAR:
	case PATTERN_CLASS:
		info_class(an, out, pattern_class(an, node));
		return;
	case PATTERN_ASSERT:
		info_assert(an, out, (enum pattern_assert)node->value);
		return;
	case PATTERN_CAT:
		info_empty(an, out);
		while (c != 0 && !an->spent) {
			uint8_t kind = pattern_node(an->pattern, c)->kind;
			if (kind == PATTERN_CHAR || kind == PATTERN_CLASS) {
				analyse_run(an, &c, &x);
			} else {
				analyse(an, c, &x);
				c = pattern_node(an->pattern, c)->next;
			}
			if (!an->spent)
				join(an, out, &x);
		}
		return;
	case PATTERN_ALT:
		analyse_alternatives(an, node, out);
		return;
	case PATTERN_GROUP:
		analyse_group(an, node, out);
		return;
	case PATTERN_REPEAT:
		analyse_repeat(an, node, out);
		return;
	case PATTERN_BACKREF:
	case PATTERN_RECURSE:
	case PATTERN_COND:
	case PATTERN_VERB:
		info_any(an, out);
		return;
	}
}

/* ---- the need ---- */

static bool
has_verb(const struct pattern *pattern)
{
	for (size_t i = 1; i < pattern->nodes.count; i++)
		if (pattern->nodes.items[i].kind == PATTERN_VERB)
			return true;
	return false;
}

/* Anchored at both ends: no text is longer than the pattern, but for a final newline. */
static uint32_t
greatest_length(const struct info *x)
{
	if (x->max >= WIDTH_MAX || x->pre.count == 0 || x->suf.count == 0)
		return UINT32_MAX;
	for (uint32_t i = 0; i < x->pre.count; i++)
		if ((x->pre.items[i].edge[0] & FACTOR_BOL) == 0)
			return UINT32_MAX;
	for (uint32_t i = 0; i < x->suf.count; i++)
		if ((x->suf.items[i].edge[x->suf.items[i].n] & (FACTOR_EOL | FACTOR_EOS)) == 0)
			return UINT32_MAX;
	return x->max + 1;
}

static float
repeated_p(const struct factor_set *set)
{
	float p = set->p, q = p;

	for (unsigned k = 1; k < set->times; k++)
		q *= p * TEXT_LENGTH < 0.5F ? p * TEXT_LENGTH : 0.5F;
	return q;
}

static bool
is_common_factor(const struct factor_classes *classes, const struct factor *q)
{
	const unsigned char *text = (const unsigned char *)common_text[classes->model];
	size_t len = strlen(common_text[classes->model]);

	for (size_t at = 0; at + q->n <= len; at++) {
		unsigned k = 0;

		while (k < q->n && byte_set_has(&class_of(classes, q->cls[k])->set, text[at + k]))
			k++;
		if (k == q->n)
			return true;
	}
	return false;
}

static bool
is_common(const struct analysis *an, const struct factor_set *set)
{
	for (uint32_t i = 0; i < set->count && i < COMMON_FACTORS; i++)
		if (is_common_factor(an->classes, &set->items[i]))
			return true;
	return false;
}

/*
 * Large sets that PCRE2 confirms anyway: only the surroundings of each key, so that factors fall
 * together.
 */
static struct factor_set
reduce(struct analysis *an, const struct factor_set *set)
{
	struct factor_set out = set_new(an, set->count);

	out.times = set->times;
	if (an->spent)
		return *set;
	for (uint32_t i = 0; i < set->count; i++) {
		const struct factor *q = &set->items[i];
		struct factor *z = &out.items[out.count++];
		struct factor_window w = factor_window(an->classes, q);
		int b = w.at - REDUCE_MARGIN, e = w.at + w.len + REDUCE_MARGIN;

		b = b < 0 ? 0 : b;
		e = e > q->n ? q->n : e;
		memset(z, 0, sizeof(*z));
		z->n = (uint8_t)(e - b);
		memcpy(z->edge, q->edge + b, (size_t)(e - b) + 1);
		memcpy(z->cls, q->cls + b, (size_t)(e - b) * sizeof(q->cls[0]));
	}
	set_unique(&out);
	set_merge(an, &out);
	return set_is_keyed(an, &out) ? out : *set;
}

static void
choose_sets(struct analysis *an, struct factor_need *need, struct info *x)
{
	bool used[CONDITIONS] = {false}, weighed[CONDITIONS] = {false};
	float chance = 1;

	add_cond(an, x, &x->pre);
	add_cond(an, x, &x->suf);
	while (need->set_count < FACTOR_SETS && chance >= 1e-4F) {
		unsigned best = CONDITIONS;

		for (unsigned i = 0; i < x->conds; i++) {
			struct factor_set *c = &x->cond[i];
			if (used[i] || set_p(an, c) > USABLE_P || !set_is_keyed(an, c))
				continue;
			if (best == CONDITIONS || repeated_p(c) < repeated_p(&x->cond[best]) ||
			    (repeated_p(c) == repeated_p(&x->cond[best]) &&
			     c->count < x->cond[best].count))
				best = i;
		}
		if (best == CONDITIONS)
			break;
		if (!weighed[best]) {
			weighed[best] = true;
			if (is_common(an, &x->cond[best]) && x->cond[best].p < COMMON_P) {
				x->cond[best].p = COMMON_P;
				continue;
			}
		}
		used[best] = true;
		chance *= repeated_p(&x->cond[best]) * TEXT_LENGTH;
		need->sets[need->set_count++] = x->cond[best].count > REDUCE_ABOVE
		                                        ? reduce(an, &x->cond[best])
		                                        : x->cond[best];
	}
	need->kind = need->set_count > 0 ? FACTOR_NEEDS : FACTOR_ALWAYS;
}

static bool
is_impossible(const struct info *x)
{
	if (x->pre.count == 0 || x->suf.count == 0)
		return true;
	for (unsigned i = 0; i < x->conds; i++)
		if (x->cond[i].count == 0)
			return true;
	return false;
}

void
factor_analyse(struct factor_need *need, struct arena *arena, const struct pattern *pattern,
               struct factor_classes *classes, bool may_decide)
{
	struct analysis an = {arena, classes, pattern, NULL, NULL, false};
	struct info x;

	memset(need, 0, sizeof(*need));
	need->kind = FACTOR_ALWAYS;
	need->max_len = UINT32_MAX;
	an.class_map = arena_new_array(arena, uint16_t, pattern->classes.count + 1);
	an.empty = arena_new(arena, struct factor);
	if (an.class_map == NULL || an.empty == NULL || has_verb(pattern))
		return;
	analyse(&an, pattern->root, &x);
	if (an.spent)
		return;
	need->min_len = x.min;
	need->max_len = greatest_length(&x);
	if (is_impossible(&x)) {
		need->kind = FACTOR_NEVER;
		return;
	}
	if (x.run_len != 0 && run_p(&an, &x) < 1e4F) {
		need->run_class = x.run_class;
		need->run_len = x.run_len;
		need->run_times = x.run_times;
	}
	if (x.exact && x.tight && is_one_class(&x) && !pattern->needs_pcre2) {
		need->kind = FACTOR_COUNT;
		need->count_class = x.pre.items[0].cls[0];
		return;
	}
	if (x.exact && x.tight && may_decide && !pattern->needs_pcre2 &&
	    set_p(&an, &x.pre) < USABLE_P && set_is_keyed(&an, &x.pre)) {
		need->kind = FACTOR_EXACT;
		need->sets[0] = x.pre;
		need->sets[0].times = 0;
		need->set_count = 1;
		return;
	}
	choose_sets(&an, need, &x);
}
