/*
 * bayes_tokens.h - what the classifier sees of a message
 *
 * Owns: struct bayes_tokens.  Source: the tokens that Plugin/Bayes.pm of 4.0.1 makes of a message:
 * words of visible and invisible text, URIs, header fields, digests of parts; a token's key is the
 * last five bytes of its SHA-1.
 * Data: scan.h (text, URIs, fields, relays) -> bayes_tokens -> store/ (learning, scoring).
 *
 * Linear in the message but for the names below a domain, each of which is a token: those are at
 * most BAYES_LABELS_MAX a word.
 */
#ifndef WINNOW_PLUGINS_BAYES_TOKENS_H
#define WINNOW_PLUGINS_BAYES_TOKENS_H

#include "plugins/scan.h"
#include "store/store.h"

enum { BAYES_LABELS_MAX = 256 };

struct bayes_token_options {
	size_t max_length; /* bayes_max_token_length */
	const struct regex *const *stopwords;
	size_t stopword_count;
	/* A message that is scanned has lost its X-Spam fields and knows the domains of its author
	 * and sender; one that is only learned from has not. */
	bool is_scanned;
};

/* No two equal.  keys[i] belongs to texts[i]; in no useful order. */
struct bayes_tokens {
	struct store_key *keys;
	struct slice *texts;
	size_t count;
};

/* false: no memory; what was found until then is there. */
bool bayes_tokenize(struct scan *scan, const struct bayes_token_options *options,
                    struct bayes_tokens *tokens_r);

/* The patterns of the plugin, in the order of enum in the .c file. */
enum { BAYES_PATTERN_COUNT = 12 };
extern const char *const bayes_patterns[BAYES_PATTERN_COUNT];

#endif
