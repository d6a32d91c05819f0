/*
 * rule.h - the rule table
 *
 * Owns: struct rule, struct ruleset.  Every name that configuration mentions (a test, a score, a
 * describe, a dependency of a meta) is one struct rule with a dense number; kind RULE_NONE until a
 * test defines it. Data: directives.c (lines) -> ruleset -> finish.c (priorities, metas, defaults)
 * -> check/engine. Source: ruletypes.tsv; Conf.pm and Conf/Parser.pm of 4.0.1.
 *
 * A ruleset lives in a conf as the settings of rules_module.  In an overlay (one user's
 * preferences) rules are copied when they are first written, so the site's table stays as it is.
 */
#ifndef WINNOW_RULES_RULE_H
#define WINNOW_RULES_RULE_H

#include "conf/conf.h"
#include "rules/meta.h"
#include "rules/regex.h"

enum rule_kind {
	RULE_NONE, /* only named */
	RULE_HEADER,
	RULE_HEADER_EVAL,
	RULE_RBL_EVAL,
	RULE_BODY,
	RULE_BODY_EVAL,
	RULE_RAWBODY,
	RULE_RAWBODY_EVAL,
	RULE_FULL,
	RULE_FULL_EVAL,
	RULE_URI,
	RULE_META,
	RULE_EMPTY /* hit only by code */
};

enum rule_tflag {
	TFLAG_NET = 1U << 0,
	TFLAG_NICE = 1U << 1,
	TFLAG_USERCONF = 1U << 2,
	TFLAG_LEARN = 1U << 3,
	TFLAG_NOAUTOLEARN = 1U << 4,
	TFLAG_AUTOLEARN_FORCE = 1U << 5,
	TFLAG_AUTOLEARN_HEADER = 1U << 6,
	TFLAG_AUTOLEARN_BODY = 1U << 7,
	TFLAG_MULTIPLE = 1U << 8,
	TFLAG_NOSUBJECT = 1U << 9,
	TFLAG_NOLOG = 1U << 10,
	TFLAG_NOAWL = 1U << 11,
	TFLAG_IPS_ONLY = 1U << 12,
	TFLAG_DOMAINS_ONLY = 1U << 13,
	TFLAG_NS = 1U << 14,
	TFLAG_A = 1U << 15,
	TFLAG_NOTRIM = 1U << 16,
	TFLAG_CONCAT = 1U << 17
};

struct plugin_eval; /* plugins/plugin.h */

/* One call of an eval function as a rule makes it. */
struct rule_eval {
	struct slice function;
	slice_vec args;
	const struct plugin_eval *eval; /* NULL until the plugins are known, or when none has it */
	size_t block;                   /* settings of its plugin: index into conf->blocks */
	void *data;                     /* what the eval's prepare hook made of the arguments */
};

enum { RULE_SCORE_SETS = 4 };

struct rule {
	struct arena *arena; /* owner: another one means "copy before writing" */
	struct slice name;
	unsigned number;
	enum rule_kind kind;
	bool user_defined; /* by a user's preferences */

	struct slice text; /* as written after the name (for metas and -D) */
	struct slice file;
	unsigned line_number;

	/* header rules */
	struct slice header;   /* "From:addr", without a final colon */
	struct slice if_unset; /* data NULL: none */
	bool negated, exists;
	/* regex rules */
	const struct regex *regex;
	/* metas */
	struct meta *meta;
	bool meta_is_broken; /* part of a circle: always 0 */
	bool meta_never;     /* names a meta that never runs */
	/* evals */
	struct rule_eval eval;

	double score[RULE_SCORE_SETS];
	bool has_score; /* a score line was seen */
	int priority;   /* as written; 0 = not */
	bool has_priority;
	int effective_priority;
	unsigned tflags;
	unsigned maxhits;                  /* tflags maxhits=N, 0 = none */
	struct slice tflags_text;          /* as written */
	struct slice describe, subjprefix; /* data NULL: none */
};

struct ruleset {
	struct arena *arena; /* of `rules` and `by_name` */
	struct rule **rules;
	size_t count;
	size_t size;
	struct hashmap by_name; /* name -> &rules number + 1 as uintptr_t */
};

extern const struct conf_module rules_module;

static inline struct ruleset *
conf_rules(const struct conf *conf)
{
	return conf_settings(conf, &rules_module);
}

/* The rule of that name, NULL when nobody mentioned it. */
struct rule *ruleset_find(const struct ruleset *set, struct slice name);
/* Finds or makes; the result may be written.  NULL: no memory. */
struct rule *ruleset_own(struct conf_reader *reader, struct slice name);
/* A name as rules may have: \w, not a digit first. */
bool rule_name_is_valid(struct slice name);

/*
 * Defines or redefines a rule; a plugin's directive (mimeheader, uri_detail, askdns ...) calls it
 * with the kind it becomes.  Reports an invalid name and returns NULL.
 */
struct rule *ruleset_define(struct conf_reader *reader, struct slice name, enum rule_kind kind,
                            struct slice text);
/* Parses "function(args)" into eval; false on a syntax error. */
bool rule_eval_parse(struct arena *arena, struct slice text, struct rule_eval *eval_r);
/* Replaces the flags of a rule, as a tflags line does. */
void rule_set_tflags(struct rule *rule, struct slice text);

static inline bool
rule_is_eval(enum rule_kind kind)
{
	return kind == RULE_HEADER_EVAL || kind == RULE_RBL_EVAL || kind == RULE_BODY_EVAL ||
	       kind == RULE_RAWBODY_EVAL || kind == RULE_FULL_EVAL;
}

/*
 * After all lines are read: default scores, metas compiled, priorities pulled down by metas, net
 * inherited. Problems go through the reader.  local_tests_only is the reader's.
 */
void ruleset_finish(struct conf_reader *reader, struct ruleset *set);
/* The same for the rules that a user's preferences added to an overlay; the site's stay as they
 * are. */
void ruleset_finish_user(struct conf_reader *reader, struct ruleset *set);

#endif
