/*
 * bayes_combine.c - from counts to the probability of spam
 */
#include "plugins/bayes_combine.h"

#include <math.h>

/* Robinson's x (what an unknown word is worth) and s (how much that counts). */
static const double unknown = 0.538, unknown_weight = 0.030;

bool
bayes_token_probability(const struct bayes_corpus *corpus, double spam, double ham,
                        double *probability_r)
{
	double count = spam + ham, weighted = unknown * unknown_weight, p;

	if (corpus->spam == 0 || corpus->ham == 0 || count < (corpus->use_hapaxes ? 1 : 2))
		return false;
	p = (spam * corpus->ham) / (ham * corpus->spam + spam * corpus->ham);
	*probability_r = (weighted + count * p) / (unknown_weight + count);
	return true;
}

/* Upper tail of chi-square with 2 * half degrees of freedom. */
static double
chi2_tail(double x2, size_t half)
{
	double m = x2 / 2, term = exp(0 - m), sum = term;

	for (size_t i = 1; i < half; i++) {
		term *= m / (double)i;
		sum += term;
	}
	return sum < 1 ? sum : 1;
}

static void
rescale(double *value, int *exponent)
{
	int e;

	if (*value >= 1e-200)
		return;
	*value = frexp(*value, &e);
	*exponent += e;
}

bool
bayes_combine(const struct bayes_corpus *corpus, const double *probabilities, size_t count,
              double *score_r)
{
	double all = corpus->spam + corpus->ham, spam, ham, ln2 = log(2);
	int spam_exponent = 0, ham_exponent = 0;

	if (count == 0 || all == 0)
		return false;
	spam = corpus->spam / all;
	ham = corpus->ham / all;
	for (size_t i = 0; i < count; i++) {
		spam *= 1 - probabilities[i];
		ham *= probabilities[i];
		rescale(&spam, &spam_exponent);
		rescale(&ham, &ham_exponent);
	}
	spam = log(spam) + spam_exponent * ln2;
	ham = log(ham) + ham_exponent * ln2;
	spam = 1 - chi2_tail(-2 * spam, count);
	ham = 1 - chi2_tail(-2 * ham, count);
	*score_r = ((spam - ham) + 1) / 2;
	return true;
}

int
bayes_declassification_distance(const struct bayes_corpus *corpus, double spam, double ham,
                                double probability)
{
	bool is_spammy = probability > 0.5;
	double p = 0.5 - BAYES_STRENGTH_MIN, weighted = unknown * unknown_weight, a, b, c, root, d;
	/* a: of the sort that is missing, b: of the sort it has. */
	double all_a = is_spammy ? corpus->ham : corpus->spam,
	       all_b = is_spammy ? corpus->spam : corpus->ham, count_a = is_spammy ? ham : spam,
	       count_b = is_spammy ? spam : ham;

	if ((spam == 0 && ham == 0) || (!corpus->use_hapaxes && spam + ham < 2) ||
	    corpus->spam == 0 || corpus->ham == 0 || fabs(probability - 0.5) < BAYES_STRENGTH_MIN)
		return 0;
	a = all_b * (1 - p);
	b = all_b * (weighted + count_b * (1 - p) - p * unknown_weight) - p * all_a * count_b;
	c = all_a * count_b * (weighted - p * (unknown_weight + count_b));
	root = b * b - 4 * a * c;
	d = (1.0 - 1e-6 + (-b + sqrt(root < 0 ? 0 : root)) / (2 * a)) - count_a;
	return d < 1 ? 1 : d > 1e9 ? 1000000000 : (int)d;
}
