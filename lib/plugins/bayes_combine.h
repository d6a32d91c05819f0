/*
 * bayes_combine.h - from counts to the probability of spam
 *
 * Source: Robinson's f(w) and the chi-square combination, with the constants of 4.0.1
 * (Plugin/Bayes.pm, Bayes/CombineChi.pm); sums in the same order, so that the doubles are the same.
 */
#ifndef WINNOW_PLUGINS_BAYES_COMBINE_H
#define WINNOW_PLUGINS_BAYES_COMBINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bayes_corpus {
	double spam, ham; /* messages learned */
	bool use_hapaxes;
};

#define BAYES_STRENGTH_MIN 0.346

/* false: the token is too rare to say anything. */
bool bayes_token_probability(const struct bayes_corpus *corpus, double spam, double ham,
                             double *probability_r);
/* false: nothing to combine. */
bool bayes_combine(const struct bayes_corpus *corpus, const double *probabilities, size_t count,
                   double *score_r);
/* How many messages of the other sort would make the token neutral. */
int bayes_declassification_distance(const struct bayes_corpus *corpus, double spam, double ham,
                                    double probability);

#endif
