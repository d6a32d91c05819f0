/*
 * factor.h - what a text must contain for a pattern to match it
 *
 * Owns: struct factor_need and the sequences of byte classes in it.
 * Data: pattern.h tree -> factor_analyse -> match_table.h.
 * A factor is a sequence of byte classes with zero-width assertions between them; a set of factors
 * is a necessary condition when one of them occurs in every match.  A need has up to FACTOR_SETS
 * such sets (all must occur, some several times), a run-length condition, and length bounds.  When
 * the pattern is nothing but one exact set, occurrence of a factor is a match (FACTOR_EXACT).
 * Every step here only ever weakens a condition: a text that matches always satisfies the need.
 * An analysis is for texts of ASCII only, or for any text.
 */
#ifndef WINNOW_RULES_FACTOR_H
#define WINNOW_RULES_FACTOR_H

#include "rules/pattern.h"

enum {
	FACTOR_MAX = 24, /* bytes in a sequence */
	FACTOR_SETS = 3, /* sets that a need keeps */
	FACTOR_SYMBOLS = 64,
	FACTOR_OUTSIDE = 63, /* the symbol of what lies before and after a text */
	FACTOR_NEWLINE = 45  /* the symbol of LF alone */
};

/* Assertions between two bytes of a sequence. */
enum factor_edge {
	FACTOR_BOL = 1,
	FACTOR_BOL_LINES = 2,
	FACTOR_EOL = 4,
	FACTOR_EOL_LINES = 8,
	FACTOR_EOS = 16,
	FACTOR_WORD = 32,
	FACTOR_NO_WORD = 64
};

struct factor {
	uint8_t n;
	uint8_t edge[FACTOR_MAX + 1]; /* edge[i]: before byte i; edge[n]: behind the last */
	uint16_t cls[FACTOR_MAX];
};

struct factor_set {
	struct factor *items;
	uint32_t count;
	uint8_t times; /* must occur so often; 0 and 1 are the same */
	bool is_look;  /* from a look-around: several iterations may share one occurrence */
	bool has_p;
	int8_t keyed; /* 0: not known yet; 1: every factor has a selective key; -1: no */
	float p;      /* expected occurrences per byte of text, by the byte model */
};

struct factor_class {
	struct byte_set set;
	uint64_t symbols;
	float p;
	float symbols_p; /* of all its symbols: what a key of them sees */
	uint8_t symbol_count;
};

enum factor_model { FACTOR_TEXT, FACTOR_RAW, FACTOR_HEADER, FACTOR_URI };

/* Classes are shared by all patterns of a table. */
struct factor_classes {
	struct arena *arena;
	VEC(struct factor_class) list;
	uint32_t *slots;
	uint32_t slot_count;
	float byte_p[256];
	float symbol_p[FACTOR_SYMBOLS];
	uint8_t symbol_of[256];
	uint64_t nonword; /* symbols that are no word character */
	enum factor_model model;
	bool ascii;
};

enum factor_kind {
	FACTOR_ALWAYS, /* no usable condition */
	FACTOR_NEEDS,  /* sets[0..set_count-1] */
	FACTOR_EXACT,  /* sets[0] decides */
	FACTOR_NEVER,  /* cannot match such a text */
	FACTOR_COUNT   /* one byte of class `count_class`, nothing else */
};

struct factor_need {
	enum factor_kind kind;
	unsigned set_count;
	struct factor_set sets[FACTOR_SETS];
	uint32_t min_len;
	uint32_t max_len; /* UINT32_MAX: no bound */
	uint16_t count_class;
	uint16_t run_class; /* run_len > 0: so many bytes of it in a row, run_times times */
	uint32_t run_len;
	uint32_t run_times;
};

/* Which key of a factor goes into the table: `len` symbols from position `at` (-1: the one before
 * the factor); count is the number of keys, 0 when there is none. */
struct factor_window {
	int at;
	int len;
	long count;
	float p;
};

bool factor_classes_init(struct factor_classes *classes, struct arena *arena, bool ascii,
                         enum factor_model model);
/* May a single hit decide (no captures, no counts wanted)?  Sets live in `arena`. */
void factor_analyse(struct factor_need *need, struct arena *arena, const struct pattern *pattern,
                    struct factor_classes *classes, bool may_decide);
struct factor_window factor_window(const struct factor_classes *classes,
                                   const struct factor *factor);
/* Symbols that may stand at a position of a factor; -1 and n are the neighbours. */
uint64_t factor_symbols(const struct factor_classes *classes, const struct factor *factor, int at);

#endif
