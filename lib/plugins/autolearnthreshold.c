/*
 * autolearnthreshold.c - Mail::SpamAssassin::Plugin::AutoLearnThreshold
 */
#include "plugins/autolearnthreshold.h"

#include <math.h>

#include "util/strbuf.h"

struct autolearn_settings {
	double nonspam, spam;
	bool on_error;
};

#define AT(field) offsetof(struct autolearn_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "bayes_auto_learn_on_error", NULL, CONF_BOOL, CONF_USER, AT(on_error), "0", NULL },
	{ "bayes_auto_learn_threshold_nonspam", NULL, CONF_NUMERIC, CONF_USER, AT(nonspam), "0.1", NULL },
	{ "bayes_auto_learn_threshold_spam", NULL, CONF_NUMERIC, CONF_USER, AT(spam), "12", NULL },
};
/* clang-format on */

/* ---- points ---- */

enum side { SIDE_NONE, SIDE_HEAD, SIDE_BODY, SIDE_META };

static enum side
side_of(enum rule_kind kind)
{
	switch (kind) {
	case RULE_HEADER:
	case RULE_HEADER_EVAL:
		return SIDE_HEAD;
	case RULE_BODY:
	case RULE_BODY_EVAL:
	case RULE_RAWBODY:
	case RULE_RAWBODY_EVAL:
	case RULE_URI:
		return SIDE_BODY;
	case RULE_META:
		return SIDE_META;
	case RULE_NONE:
	case RULE_RBL_EVAL:
	case RULE_FULL:
	case RULE_FULL_EVAL:
	case RULE_EMPTY:
		break;
	}
	return SIDE_NONE;
}

static double
rounded(double value)
{
	return round(value * 1000) / 1000;
}

/* A meta's points are shared as the rules that it names are. */
static void
share_meta(const struct scan *scan, const struct rule *rule, double score,
           struct autolearn_points *points)
{
	size_t count = 0;
	const unsigned *deps = rule->meta == NULL ? NULL : meta_dependencies(rule->meta, &count);
	double head = 0, body = 0;

	for (size_t i = 0; i < count; i++) {
		enum side side = side_of(scan->rules->rules[deps[i]]->kind);

		head += side == SIDE_HEAD;
		body += side == SIDE_BODY;
	}
	if (head + body == 0)
		return;
	points->head += rounded(score * (head / (head + body)));
	points->body += rounded(score * (body / (head + body)));
}

static void
add_hit(const struct scan *scan, const struct scan_hit *hit, struct autolearn_points *points,
        struct strbuf *force)
{
	const struct rule *rule = hit->rule;
	unsigned flags = rule->tflags;
	enum side side = side_of(rule->kind);
	double score = hit->score;

	if (flags & (TFLAG_NOAUTOLEARN | TFLAG_USERCONF))
		return;
	if (flags & TFLAG_LEARN) {
		points->learned += score;
		return;
	}
	if (flags & TFLAG_AUTOLEARN_FORCE) {
		if (force->len > 0)
			strbuf_add_byte(force, ',');
		strbuf_add(force, rule->name);
	}
	/* A score given at run time holds in all sets. */
	if (score == scan_rule_score(scan, rule))
		score = rule->score[scan->score_set & 1];
	if (score == 0)
		return;
	if (flags & TFLAG_AUTOLEARN_HEADER)
		side = SIDE_HEAD;
	else if (flags & TFLAG_AUTOLEARN_BODY)
		side = SIDE_BODY;
	if (side == SIDE_HEAD)
		points->head += score;
	else if (side == SIDE_BODY)
		points->body += score;
	else if (side == SIDE_META)
		share_meta(scan, rule, score, points);
	points->all += score;
}

void
autolearn_points(struct scan *scan, struct autolearn_points *points_r)
{
	struct strbuf force;

	*points_r = (struct autolearn_points){.force_names = SLICE("")};
	strbuf_init(&force, scan->arena, 0);
	for (size_t i = 0; i < scan->hits.count; i++) {
		const struct scan_hit *hit = &scan->hits.items[i];

		if (slice_starts(hit->rule->name, SLICE("__")))
			continue;
		for (unsigned n = 0; n < hit->count; n++)
			add_hit(scan, hit, points_r, &force);
	}
	points_r->all = rounded(points_r->all);
	if (points_r->all == 0)
		points_r->all = 0; /* no negative zero */
	if (force.len > 0)
		points_r->force_names = strbuf_slice(&force);
}

const struct autolearn_points *
autolearn_points_kept(struct scan *scan)
{
	static const struct autolearn_points none = {.force_names = {(const unsigned char *)"", 0}};
	struct autolearn_points *points;

	if (scan->autolearn_points != NULL)
		return scan->autolearn_points;
	points = arena_new(scan->arena, struct autolearn_points);
	if (points == NULL)
		return &none;
	autolearn_points(scan, points);
	return scan->autolearn_points = points;
}

/* ---- decision ---- */

static bool
has_hit_named(const struct scan *scan, struct slice name)
{
	const struct rule *rule = ruleset_find(scan->rules, name);

	return rule != NULL && scan_has_hit(scan, rule);
}

/* Would it say something new?  Spam and ham must not contradict what is known or ruled. */
static enum autolearn
discriminate(const struct scan *scan, const struct autolearn_settings *settings, bool is_spam,
             const struct autolearn_points *points)
{
	if (points->all < settings->nonspam) {
		if (points->learned > 1 || is_spam)
			return AUTOLEARN_NO;
		return settings->on_error && has_hit_named(scan, SLICE("BAYES_00")) ? AUTOLEARN_NO
		                                                                    : AUTOLEARN_HAM;
	}
	if (points->all >= settings->spam) {
		double least = points->force_names.len > 0 ? -99 : 3;

		if (points->body < least || points->head < least || points->learned < -1 ||
		    !is_spam)
			return AUTOLEARN_NO;
		return settings->on_error && has_hit_named(scan, SLICE("BAYES_99"))
		               ? AUTOLEARN_NO
		               : AUTOLEARN_SPAM;
	}
	return AUTOLEARN_NO;
}

enum autolearn
autolearn_decide(struct scan *scan, bool is_spam, struct autolearn_points *points_r)
{
	const struct autolearn_settings *settings =
		plugin_settings(scan->conf, &plugin_autolearnthreshold);
	enum autolearn decision;

	if (scan->time_limit_exceeded)
		return AUTOLEARN_UNTRIED;
	if (!scan->core->bayes_auto_learn || !scan->core->use_bayes || scan->autolearn_disabled)
		return AUTOLEARN_DISABLED;
	*points_r = (struct autolearn_points){.force_names = SLICE("")};
	if (settings == NULL)
		return AUTOLEARN_NO;
	*points_r = *autolearn_points_kept(scan);
	decision = discriminate(scan, settings, is_spam, points_r);
	/* Who forced it is said of messages that are learned from. */
	if (decision == AUTOLEARN_NO)
		points_r->force_names = SLICE("");
	return decision;
}

const struct plugin plugin_autolearnthreshold = {
	.id = PLUGIN_ID_autolearnthreshold,
	.class_name = "Mail::SpamAssassin::Plugin::AutoLearnThreshold",
	.module = {.name = "autolearnthreshold",
                   .settings_size = sizeof(struct autolearn_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
};
