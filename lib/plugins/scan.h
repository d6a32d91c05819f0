/*
 * scan.h - one message as plugins see it
 *
 * Owns: struct scan: the parsed message, what was derived of it so far, the hits.  check/ makes it,
 * drives the rules and ends it; plugins read it through the functions below, which render and parse
 * on first use. All text lives in scan->arena.
 */
#ifndef WINNOW_PLUGINS_SCAN_H
#define WINNOW_PLUGINS_SCAN_H

#include <stdint.h>

#include "conf/core.h"
#include "mail/header_table.h"
#include "mail/relay.h"
#include "mail/text.h"
#include "mail/uri.h"
#include "plugins/learner.h"
#include "plugins/plugin.h"
#include "rules/match_set.h"

/* What all scans of one configuration share; made by check/filter.c. */
struct scan_env {
	struct registry registry;
	struct uri_config uri_config;
	struct netset trusted, internal, msa;
	bool local_tests_only;
	bool may_learn;     /* score sets 2 and 3 are there */
	unsigned score_set; /* 0, 1; a scan adds 2 when Bayes is ready */
	unsigned address_parser;
	struct slice languages_path;         /* TextCat's file, data NULL: none found */
	const struct lookup_policy *lookups; /* rbl_timeout, for lookup.c */
	struct slice hostname;               /* of this host */
	struct dns_blocks *blocks;           /* of dns_block.c; shared by the workers */
};

struct scan_hit {
	const struct rule *rule;
	double score;     /* of one hit */
	unsigned count;   /* how often it was scored (tflags multiple) */
	const char *area; /* "BODY: " ... for reports */
	bool is_rounded;  /* the score is written with three decimals */
};

struct scan_log {
	const struct rule *rule;
	struct slice text;
};

struct scan_tag {
	slice_vec values; /* none: present but undefined */
};

/* What a scan that cannot go on waits for. */
struct scan_wait {
	int fd;           /* readable; -1: time alone */
	int64_t until_ms; /* monotonic */
	/* Or answers came: scan->resolver wants to be stepped meanwhile. */
	bool for_answers;
};

struct scan {
	struct arena *arena;
	const struct log *log;
	const struct scan_env *env;
	const struct conf *conf;
	const struct core_settings *core;
	const struct ruleset *rules;
	const struct plugin_set *plugins;
	struct match_scratch *match;
	int64_t deadline_ms; /* monotonic; INT64_MAX: none */
	int64_t now_s;       /* wall clock at the start */
	struct scan_wait wait;
	struct resolver *resolver;  /* of the process; NULL: none, or DNS does not work */
	struct lookup_set *lookups; /* of lookup.c, on first use */

	unsigned score_set;      /* in force for this message */
	struct learner *learner; /* NULL: nothing is known, nothing is learned */
	struct learner_user learner_user;

	struct message *message;
	struct relay_list relays;
	struct slice envelope_from; /* data NULL: unknown */
	bool has_envelope_from;

	double *values;            /* by rule number: 0, or the hit value (what metas see) */
	VEC(struct scan_hit) hits; /* in order of hitting */
	VEC(struct scan_log) logs; /* test_log texts of rules, in order */
	unsigned *hit_index;       /* rule number -> index + 1 into hits */
	double score;
	bool time_limit_exceeded, limit_logged;
	bool match_limit_exceeded; /* a pattern was given up before its end */
	bool autolearn_disabled;   /* a plugin says that nothing is to be learned of it */
	/* of autolearnthreshold.c, once somebody asked: later hits do not count; NULL: nobody did
	 */
	const struct autolearn_points *autolearn_points;

	struct hashmap tags;     /* name -> struct scan_tag * */
	struct hashmap metadata; /* lower-case name -> struct slice *: X-Languages ... */

	const struct header_table *header_table; /* of the configuration */
	struct cached_header **headers;          /* by number in header_table, on first use */
	struct cached_header *absent_header;     /* what they point to when there is none */
	bool *has_field;                         /* by field number: the message has it */
	struct hashmap header_cache;             /* the same for texts that are not in the table */

	/* made on first use */
	struct uri_list *uris;
	slice_vec from_addrs, to_addrs;
	bool has_from_addrs, has_to_addrs;
	void *plugin_state[PLUGIN_COUNT];
	struct text_lines body_edited; /* FreeMail's edit of the body array; items NULL: none */
	/* hits that came since the engine last looked for metas (rule numbers) */
	VEC(unsigned) fresh_hits;
	struct slice subjprefix; /* collected while a Subject rewrite is set */

	struct tag_wait *tag_waits; /* dnslist.c: what is to run when a tag comes */
	/* Value of a tag that nobody sets ("HEADER", "LASTEXTERNALIP"); by check/, NULL: none. */
	bool (*computed_tag)(struct scan *scan, struct slice name, struct slice args, bool has_args,
	                     struct slice *value_r);
};

/* ---- headers ---- */

/* What evals ask for joins the numbers at load. */
bool scan_headers_register(struct header_table *table);
/* When the message is parsed; and again when metadata changed: nothing looked up before stays. */
bool scan_headers_begin(struct scan *scan);

/* As the reference's get() in scalar context: "From:addr", "Received", "ALL", "EnvelopeFrom"; ""
 * when undefined. */
struct slice scan_header(struct scan *scan, struct slice name);
bool scan_header_exists(struct scan *scan, struct slice name);
/* All values (list context). */
slice_vec scan_header_values(struct scan *scan, struct slice name);
/* What a header rule's regex sees; false: undefined. */
bool scan_header_joined(struct scan *scan, struct slice name, struct slice *text_r);
/* The same two by number in scan->header_table. */
bool scan_header_number_exists(struct scan *scan, unsigned number);
bool scan_header_number_joined(struct scan *scan, unsigned number, struct slice *text_r);
/* Context for header_get, for the engine. */
void scan_header_context(struct scan *scan, struct header_context *context_r);

/* From-like addresses ("all from addrs"), lower or mixed case as written, distinct. */
slice_vec scan_from_addrs(struct scan *scan);
/* Recipients ("all to addrs"). */
slice_vec scan_to_addrs(struct scan *scan);

/* ---- text ---- */

const struct text_lines *scan_body(struct scan *scan);
const struct text_lines *scan_rawbody(struct scan *scan);
const struct uri_list *scan_uris(struct scan *scan);
/* Facts of all HTML parts in order. */
const struct html_result *const *scan_html(struct scan *scan, size_t *count_r);
/* Length as the reference counts it: characters where it holds characters, else bytes. */
size_t scan_string_length(const struct html_string *string);
/* A plugin found one more URI (PDF, OLE): joins what uri rules see when they have not run yet. */
void scan_add_uri(struct scan *scan, struct slice uri, unsigned types);

/* ---- hits, tags ---- */

/* A rule by name hits with value (at least 1); area "" or "BODY: " ...; ignored when its score is
 * 0. */
void scan_hit(struct scan *scan, const struct rule *rule, const char *area, double value);
void scan_hit_name(struct scan *scan, struct slice rule_name, const char *area, double value);
/* The same with a score of its own in place of the rule's. */
void scan_hit_score(struct scan *scan, const struct rule *rule, const char *area, double score);
/* The same; counts as a hit too where nothing is left of the score ("0.000"). */
void scan_hit_rounded(struct scan *scan, const struct rule *rule, const char *area, double score);
static inline bool
scan_has_hit(const struct scan *scan, const struct rule *rule)
{
	return scan->values[rule->number] != 0;
}
/* Score of a rule in the set in force. */
static inline double
scan_rule_score(const struct scan *scan, const struct rule *rule)
{
	return rule->score[scan->score_set];
}
/* Text for the report of a rule that hits (test_log): call before returning a hit. */
void scan_test_log(struct scan *scan, const struct rule *rule, struct slice text);

void scan_set_tag(struct scan *scan, struct slice name, struct slice value);
void scan_add_tag_value(struct scan *scan, struct slice name,
                        struct slice value); /* distinct values */
/* All of them, equal ones too; none: present but undefined. */
void scan_set_tag_values(struct scan *scan, struct slice name, const slice_vec *values);
/* Values of a tag; false: no such tag.  Count 0: present but undefined. */
bool scan_tag_values(struct scan *scan, struct slice name, const struct slice **values_r,
                     size_t *count_r);
void scan_set_metadata(struct scan *scan, struct slice name, struct slice value);
/* dnslist.c: what waits for the tag may run. */
void scan_tag_is_set(struct scan *scan, struct slice name);

/* ---- plugins ---- */

/* The plugin's per-message state, zeroed on first use; NULL without memory. */
void *scan_state(struct scan *scan, const struct plugin *plugin);
/* Does the plugin's pattern `index` match? */
bool scan_pattern(struct scan *scan, const struct plugin *plugin, size_t index, struct slice text);
/* The same with a capture group (data NULL: it took no part). */
bool scan_pattern_group(struct scan *scan, const struct plugin *plugin, size_t index,
                        struct slice text, unsigned group, struct slice *value_r);
const struct regex *scan_pattern_regex(const struct scan *scan, const struct plugin *plugin,
                                       size_t index);
struct regex_scratch *scan_regex_scratch(struct scan *scan);

/* Over the deadline? Evals with loops ask now and then and stop. */
bool scan_is_over(struct scan *scan);

#endif
