/*
 * bayes.c - Mail::SpamAssassin::Plugin::Bayes: scoring by what was learned, and learning
 */
#include "plugins/bayes.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "conf/addrlist.h"
#include "mail/date.h"
#include "plugins/bayes_combine.h"
#include "plugins/bayes_expire.h"
#include "plugins/bayes_tokens.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum {
	SIGNIFICANT_MAX = 150, /* tokens that decide */
	LANGUAGES_MAX = 16,
	TOUCH_AFTER_S = 3600, /* a token's time of last use is as exact as expiry needs */
	TOUCH_WAIT_MS = 20,   /* another message will touch them */
	FUTURE_MAX_S = 86400
};

struct stopwords {
	const struct regex *items[LANGUAGES_MAX];
	size_t count;
};

struct bayes_settings {
	struct conf_table stopwords; /* language -> pattern */
	double bayes_max_token_length;
	struct conf_words bayes_stopword_languages;
	struct stopwords enabled; /* once all is read */
};

/* A token that is there, and what it says. */
struct evidence {
	size_t token; /* index */
	struct store_counts counts;
	double probability, strength;
};

struct bayes_state {
	bool is_ready; /* asked at the beginning */
	struct bayes_corpus corpus;
	bool is_scored, has_score, has_tokens, has_evidence;
	double score;
	struct bayes_tokens tokens;
	size_t learned; /* tokens that are in the store */
	struct evidence *spammy, *hammy;
	size_t spammy_count, hammy_count;
};

/* ---- directives ---- */
/* bayes_stopword_xx REGEX [REGEX...]: the last one counts. */
static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	struct bayes_settings *settings = data;
	struct slice prefix = SLICE("bayes_stopword_"), language, word;
	struct error error;

	if (!slice_starts(key, prefix))
		return CONF_FAILED;
	language = slice_from(key, prefix.len);
	if (language.len != 2 || value.len == 0)
		return CONF_FAILED;
	while (slice_next_word(&value, &word)) {
		if (regex_create(reader->arena, word, 0, &error) == NULL) {
			log_warn(reader->log, "bayes", "invalid regex for bayes_stopword_%.*s: %s",
			         SLICE_FMT(language), error.text);
			return CONF_FAILED;
		}
		if (!conf_table_set(reader, &settings->stopwords,
		                    arena_dup(reader->arena, language), word))
			return CONF_FAILED;
	}
	return CONF_OK;
}

/* xx[,xx...] or "disable"; replaces the list. */
static enum conf_result
parse_languages(struct conf_reader *reader, void *data, const struct directive *d,
                struct slice value)
{
	struct bayes_settings *settings = data;
	struct slice rest = value;

	(void)d;
	if (value.len == 0)
		return CONF_MISSING;
	conf_words_clear(&settings->bayes_stopword_languages);
	while (rest.len > 0) {
		size_t end = slice_find_any(rest, " \t,", 0);
		struct slice word = arena_dup_lower(reader->arena, slice_sub(rest, 0, end));

		rest = end == SLICE_NPOS ? SLICE_NULL : slice_from(rest, end + 1);
		if (word.len == 0)
			continue;
		if (slice_eq(word, SLICE("disable")))
			return CONF_OK;
		if (word.len != 2 || !byte_is_alpha(word.data[0]) || !byte_is_alpha(word.data[1]))
			return CONF_INVALID;
		if (!conf_words_add(reader, &settings->bayes_stopword_languages, word))
			return CONF_FAILED;
	}
	return CONF_OK;
}

#define AT(field) offsetof(struct bayes_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "bayes_max_token_length", NULL, CONF_NUMERIC, CONF_USER, AT(bayes_max_token_length), "15", NULL },
	{ "bayes_stopword_languages", NULL, CONF_CUSTOM, CONF_USER, 0, "en", parse_languages },
};
/* clang-format on */

/*
 * What counts when no configuration says anything about English: anywhere in a word, and case
 * counts, other than what is configured.
 */
static const char english[] = "able|already|all|and|any|are|because|both|can|come|each|email|even|"
			      "few|first|for|from|give|have|"
			      "has|http|information|into|it's|just|know|like|long|look|made|mail|"
			      "make|many|more|most|much|need|"
			      "not|now|number|off|only|one|out|own|people|place|right|same|see|"
			      "such|that|this|through|the|time|"
			      "using|web|where|why|with|world|work|year|you";

static const struct regex *
compile_stopwords(struct conf_reader *reader, struct slice pattern)
{
	struct error error;
	const struct regex *regex = regex_create(reader->arena, pattern, REGEX_EAGER, &error);

	if (regex == NULL)
		log_warn(reader->log, "bayes", "invalid stopwords pattern: %s", error.text);
	return regex;
}

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct bayes_settings *settings = data;

	settings->enabled.count = 0;
	for (size_t i = 0; i < settings->bayes_stopword_languages.count; i++) {
		struct slice language = settings->bayes_stopword_languages.items[i],
			     pattern = conf_table_get(&settings->stopwords, language);
		const struct regex *regex;

		if (pattern.data != NULL) /* of a whole word, case ignored */
			pattern = arena_printf(reader->arena, "^(?i)%.*s$", SLICE_FMT(pattern));
		else if (slice_eq(language, SLICE("en")))
			pattern = slice_from_cstr(english);
		if (pattern.data == NULL) {
			log_warn(reader->log, "bayes",
			         "missing stopwords regexp for language '%.*s'",
			         SLICE_FMT(language));
			continue;
		}
		regex = compile_stopwords(reader, pattern);
		if (regex != NULL && settings->enabled.count < LANGUAGES_MAX)
			settings->enabled.items[settings->enabled.count++] = regex;
	}
}

/* ---- tokens of the message ---- */

static struct bayes_state *
state_of(struct scan *scan)
{
	return scan_state(scan, &plugin_bayes);
}

static bool
tokenize(struct scan *scan, struct bayes_state *state, bool is_scanned)
{
	const struct bayes_settings *settings = plugin_settings(scan->conf, &plugin_bayes);
	struct bayes_token_options options = {
		.max_length = settings->bayes_max_token_length > 0
	                              ? (size_t)settings->bayes_max_token_length
	                              : 0,
		.stopwords = settings->enabled.items,
		.stopword_count = settings->enabled.count,
		.is_scanned = is_scanned,
	};

	if (!state->has_tokens && !bayes_tokenize(scan, &options, &state->tokens))
		log_warn(scan->log, "bayes",
		         "message reached its memory budget: not all tokens were looked at");
	state->has_tokens = true;
	log_debug(scan->log, "bayes", "%zu tokens", state->tokens.count);
	return state->tokens.count > 0;
}

/* ---- may we? ---- */

bool
bayes_is_wanted(const struct conf *conf)
{
	const struct core_settings *core = conf_core(conf);

	return conf_plugins(conf)->loaded[PLUGIN_ID_bayes] != NULL && core->use_learner &&
	       core->use_bayes && core->use_bayes_rules;
}

static bool
is_learning_possible(const struct scan *scan)
{
	return scan->learner != NULL && scan->plugins->loaded[PLUGIN_ID_bayes] != NULL &&
	       scan->core->use_learner && scan->core->use_bayes;
}

static enum status
store_of(struct scan *scan, bool create, struct store **store_r)
{
	struct error error = {""};
	enum status status = learner_store(scan->learner, scan->core, &scan->learner_user, create,
	                                   store_r, &error);

	if (status != STATUS_OK && status != STATUS_NONE)
		learner_warn(scan->learner, &error);
	return status;
}

static bool
has_enough(const struct scan *scan, struct bayes_state *state,
           const struct store_variables *variables)
{
	double spam = (double)variables->spam_messages, ham = (double)variables->ham_messages;

	state->corpus = (struct bayes_corpus){spam, ham, scan->core->bayes_use_hapaxes};
	if (spam >= scan->core->bayes_min_spam_num && ham >= scan->core->bayes_min_ham_num)
		return true;
	log_debug(
		scan->log, "bayes",
		"not available for scanning, only %.0f spam(s) in bayes DB < %.0f or %.0f ham(s) < "
		"%.0f",
		spam, scan->core->bayes_min_spam_num, ham, scan->core->bayes_min_ham_num);
	return false;
}

bool
bayes_is_ready(struct scan *scan)
{
	struct bayes_state *state;
	struct store_variables variables;
	struct error error;
	struct store *store;

	if (!is_learning_possible(scan) || !scan->core->use_bayes_rules ||
	    (state = state_of(scan)) == NULL || store_of(scan, false, &store) != STATUS_OK)
		return false;
	if (store_variables(store, &variables, &error) != STATUS_OK) {
		learner_warn(scan->learner, &error);
		return false;
	}
	state->is_ready = has_enough(scan, state, &variables);
	return state->is_ready;
}

static bool
any_listed(struct scan *scan, const struct addrlist *list, slice_vec addrs)
{
	for (size_t i = 0; i < addrs.count; i++)
		if (addrlist_match(list, arena_dup_lower(scan->arena, addrs.items[i])))
			return true;
	return false;
}

bool
bayes_ignores(struct scan *scan)
{
	const struct core_settings *core = scan->core;
	bool is_listed = (!addrlist_is_empty(&core->bayes_ignore_from) &&
	                  any_listed(scan, &core->bayes_ignore_from, scan_from_addrs(scan))) ||
	                 (!addrlist_is_empty(&core->bayes_ignore_to) &&
	                  any_listed(scan, &core->bayes_ignore_to, scan_to_addrs(scan)));

	if (is_listed)
		log_debug(scan->log, "bayes", "not using bayes, bayes_ignore_from or _to rule");
	return is_listed;
}

/* ---- scoring ---- */

/* The strongest first; equals in the order of their keys, so that all runs agree. */
static int
by_strength(const void *a, const void *b)
{
	const struct evidence *x = a, *y = b;

	if (x->strength != y->strength)
		return x->strength > y->strength ? -1 : 1;
	return x->token < y->token ? -1 : x->token > y->token;
}

static uint32_t
message_time(struct scan *scan, int64_t latest)
{
	int64_t time = message_receive_date(scan->message, scan->now_s);

	if (time > latest)
		time = scan->now_s;
	return time < 0 ? 0 : time > UINT32_MAX ? UINT32_MAX : (uint32_t)time;
}

/* Tokens that were of use stay longer. */
static void
touch_tokens(struct scan *scan, struct store *store, const struct bayes_state *state,
             const struct evidence *list, size_t count)
{
	uint32_t now = message_time(scan, scan->now_s);
	struct store_key *keys = arena_new_array(scan->arena, struct store_key, count + 1);
	struct error error;
	enum status status;
	size_t stale = 0;

	for (size_t i = 0; keys != NULL && i < count; i++)
		if ((int64_t)list[i].counts.atime + TOUCH_AFTER_S <= now)
			keys[stale++] = state->tokens.keys[list[i].token];
	if (stale == 0)
		return;
	status = store_begin(store, TOUCH_WAIT_MS, &error);
	if (status == STATUS_OK &&
	    (status = store_touch(store, keys, stale, now, &error)) == STATUS_OK)
		status = store_commit(store, &error);
	if (status == STATUS_OK)
		return;
	store_abort(store);
	if (status == STATUS_AGAIN)
		log_debug(scan->log, "bayes", "%s: times of use not written", error.text);
	else
		learner_warn(scan->learner, &error);
}

static size_t
find_evidence(struct scan *scan, struct bayes_state *state, const struct store_counts *counts,
              struct evidence *list)
{
	size_t count = 0;

	for (size_t i = 0; i < state->tokens.count; i++) {
		struct evidence e = {.token = i, .counts = counts[i]};

		if (!bayes_token_probability(&state->corpus, counts[i].spam, counts[i].ham,
		                             &e.probability))
			continue;
		e.strength = fabs(e.probability - 0.5);
		list[count++] = e;
	}
	(void)scan;
	return count;
}

/* Of the strongest those that are strong: to the lists of the two kinds, and combined. */
static bool
weigh(struct scan *scan, struct bayes_state *state, struct evidence *list, size_t *count)
{
	double probabilities[SIGNIFICANT_MAX];
	size_t used = 0;

	qsort(list, *count, sizeof(*list), by_strength);
	if (*count > SIGNIFICANT_MAX)
		*count = SIGNIFICANT_MAX;
	state->spammy = arena_new_array(scan->arena, struct evidence, *count + 1);
	state->hammy = arena_new_array(scan->arena, struct evidence, *count + 1);
	if (state->spammy == NULL || state->hammy == NULL)
		return false;
	state->has_evidence = true;
	for (; used < *count && list[used].strength >= BAYES_STRENGTH_MIN; used++) {
		const struct evidence *e = &list[used];

		probabilities[used] = e->probability;
		if (e->probability < 0.5)
			state->hammy[state->hammy_count++] = *e;
		else
			state->spammy[state->spammy_count++] = *e;
		log_debug(scan->log, "bayes", "token '%.*s' => %.15g",
		          SLICE_FMT(log_quote(scan->arena, state->tokens.texts[e->token], 200)),
		          e->probability);
	}
	*count = used;
	return bayes_combine(&state->corpus, probabilities, used, &state->score);
}

static void
score_message(struct scan *scan, struct bayes_state *state, struct store *store)
{
	struct store_counts *counts;
	struct evidence *list;
	struct error error;
	size_t count;

	if (!tokenize(scan, state, true))
		return;
	counts = arena_new_array(scan->arena, struct store_counts, state->tokens.count + 1);
	list = arena_new_array(scan->arena, struct evidence, state->tokens.count + 1);
	if (counts == NULL || list == NULL)
		return;
	if (store_lookup(store, state->tokens.keys, state->tokens.count, counts, &error) !=
	    STATUS_OK) {
		learner_warn(scan->learner, &error);
		return;
	}
	count = state->learned = find_evidence(scan, state, counts, list);
	if (count == 0) {
		log_debug(scan->log, "bayes",
		          "cannot use bayes on this message; none of the tokens were found in the "
		          "database");
		return;
	}
	state->has_score = weigh(scan, state, list, &count);
	if (!state->has_score) {
		log_debug(scan->log, "bayes",
		          "cannot use bayes on this message; not enough usable tokens found");
		return;
	}
	log_debug(scan->log, "bayes", "score = %.15g", state->score);
	touch_tokens(scan, store, state, list, count);
}

static void
expire_if_due(struct scan *scan, struct store *store)
{
	struct store_variables variables;
	struct bayes_expiry expiry;
	struct error error;

	if (store_variables(store, &variables, &error) != STATUS_OK ||
	    !bayes_expiry_is_due(scan->core, &variables, scan->now_s))
		return;
	if (bayes_expire(store, scan->core, false, scan->now_s, TOUCH_WAIT_MS, scan->log, &expiry,
	                 &error) == STATUS_IO)
		learner_warn(scan->learner, &error);
}

static void
set_count_tag(struct scan *scan, const char *name, bool is_set, size_t count)
{
	scan_set_tag(scan, slice_from_cstr(name),
	             is_set ? arena_printf(scan->arena, "%zu", count) : SLICE_NULL);
}

static void
score_once(struct scan *scan, struct bayes_state *state)
{
	struct store *store;

	if (state->is_scored)
		return;
	state->is_scored = true;
	if (!bayes_ignores(scan) && state->is_ready && store_of(scan, false, &store) == STATUS_OK) {
		score_message(scan, state, store);
		expire_if_due(scan, store);
	}
	if (!state->has_score)
		log_debug(scan->log, "bayes", "not scoring message, returning undef");
	set_count_tag(scan, "BAYESTCHAMMY", true, state->hammy_count);
	set_count_tag(scan, "BAYESTCSPAMMY", true, state->spammy_count);
	set_count_tag(scan, "BAYESTCLEARNED", state->learned > 0, state->learned);
	set_count_tag(scan, "BAYESTC", state->learned > 0, state->tokens.count);
}

struct slice
bayes_score_text(struct scan *scan)
{
	const struct bayes_state *state = state_of(scan);

	return state == NULL || !state->has_score
	               ? SLICE_NULL
	               : arena_printf(scan->arena, "%3.4f", state->score);
}

/* ---- rules ---- */

struct bounds {
	double min, max;
	bool has_max;
};

static enum status
prepare_check(struct conf_reader *reader, struct rule_eval *eval, struct error *error)
{
	struct bounds *bounds = arena_new(reader->arena, struct bounds);

	if (bounds == NULL)
		return error_set(error, STATUS_LIMIT, "no memory");
	if (eval->args.count > 0)
		bounds->min = strtod(arena_cstr(reader->arena, eval->args.items[0]), NULL);
	bounds->has_max = eval->args.count > 1 && !slice_eq(eval->args.items[1], SLICE("undef"));
	if (bounds->has_max)
		bounds->max = strtod(arena_cstr(reader->arena, eval->args.items[1]), NULL);
	eval->data = bounds;
	return STATUS_OK;
}

static int
check_bayes(struct scan *scan, const struct eval_call *call)
{
	const struct bounds *bounds = call->data;
	struct bayes_state *state = state_of(scan);

	if (!is_learning_possible(scan) || !scan->core->use_bayes_rules || state == NULL ||
	    bounds == NULL || !state->is_ready)
		return 0;
	score_once(scan, state);
	if (!state->has_score || (bounds->min != 0 && state->score <= bounds->min) ||
	    (bounds->has_max && state->score > bounds->max))
		return 0;
	scan_test_log(scan, call->rule, arena_printf(scan->arena, "score: %3.4f", state->score));
	return 1;
}

/* ---- tags ---- */

enum list_format {
	FORMAT_SHORT,
	FORMAT_SHORT_WORDS,
	FORMAT_COMPACT,
	FORMAT_COMPACT_WORDS,
	FORMAT_MEDIUM,
	FORMAT_LONG,
	FORMAT_LONG_WORDS
};

static const char *const format_names[] = {"short",  "Short", "compact", "Compact",
                                           "medium", "long",  "Long"};

static const char *
digit_text(double value, char *text, size_t size)
{
	if (value > 9)
		return "+";
	snprintf(text, size, "%.0f", value);
	return text;
}

static void
write_evidence(struct scan *scan, const struct bayes_state *state, const struct evidence *e,
               enum list_format format, struct strbuf *out)
{
	struct slice token = state->tokens.texts[e->token];
	int distance = bayes_declassification_distance(&state->corpus, e->counts.spam,
	                                               e->counts.ham, e->probability);
	long long days = (scan->now_s - (int64_t)e->counts.atime) / 86400;
	char d[16], n[16];
	const char *distance_digit = digit_text(distance, d, sizeof(d));

	switch (format) {
	case FORMAT_SHORT:
		strbuf_add(out, token);
		break;
	case FORMAT_SHORT_WORDS:
		strbuf_printf(out, "Token: \"%.*s\"", SLICE_FMT(token));
		break;
	case FORMAT_COMPACT:
		strbuf_printf(out, "%.3f-%s--%.*s", e->probability, distance_digit,
		              SLICE_FMT(token));
		break;
	case FORMAT_COMPACT_WORDS:
		strbuf_printf(out,
		              "Probability %.3f -declassification distance %s (\"+\" means > 9) "
		              "--token: \"%.*s\"",
		              e->probability, distance_digit, SLICE_FMT(token));
		break;
	case FORMAT_MEDIUM:
		strbuf_printf(out, "%.3f-%s-%s--%.*s", e->probability, distance_digit,
		              digit_text((double)e->counts.spam + e->counts.ham, n, sizeof(n)),
		              SLICE_FMT(token));
		break;
	case FORMAT_LONG:
		strbuf_printf(out, "%.3f-%d--%uh-%us--%lldd--%.*s", e->probability, distance,
		              e->counts.ham, e->counts.spam, days, SLICE_FMT(token));
		break;
	case FORMAT_LONG_WORDS:
		strbuf_printf(out,
		              "Probability %.3f -declassification distance %d --in %u ham messages "
		              "-and %u spam messages --%lld days old--token:\"%.*s\"",
		              e->probability, distance, e->counts.ham, e->counts.spam, days,
		              SLICE_FMT(token));
		break;
	}
}

/* _SPAMMYTOKENS(N,FORMAT)_ */
static struct slice
list_tokens(struct scan *scan, const struct bayes_state *state, const struct evidence *list,
            size_t count, struct slice args)
{
	struct slice limit_text = args.len == 0 ? SLICE("5") : args, format_text = SLICE("compact");
	size_t comma = slice_find_byte(limit_text, ',', 0), limit, format;
	struct strbuf out;

	if (!state->has_evidence)
		return SLICE("Tokens not available.");
	if (comma != SLICE_NPOS && comma + 1 < limit_text.len) {
		struct slice rest = slice_from(limit_text, comma + 1);

		format_text = slice_sub(rest, 0, slice_find_byte(rest, ',', 0));
		if (format_text.len == 0 || slice_eq(format_text, SLICE("0")))
			format_text = SLICE("compact");
	}
	limit = strtoul(arena_cstr(scan->arena, slice_sub(limit_text, 0, comma)), NULL, 10);
	for (format = 0; format < sizeof(format_names) / sizeof(format_names[0]); format++)
		if (slice_eq(format_text, slice_from_cstr(format_names[format])))
			break;
	if (format == sizeof(format_names) / sizeof(format_names[0]))
		return SLICE("Invalid format, must be one of: short,Short,compact,Compact,medium,"
		             "long,Long");
	strbuf_init(&out, scan->arena, 0);
	for (size_t i = 0; i < count && i < limit; i++) {
		if (i > 0)
			strbuf_add(&out, SLICE(", "));
		write_evidence(scan, state, &list[i], (enum list_format)format, &out);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

static struct slice
summary(struct scan *scan, const struct bayes_state *state)
{
	size_t strong = state->hammy_count + state->spammy_count;

	if (state->learned == 0)
		return SLICE("Bayes not run.");
	return arena_printf(scan->arena, "Tokens: new, %zu; hammy, %zu; neutral, %zu; spammy, %zu.",
	                    state->tokens.count - state->learned, state->hammy_count,
	                    state->learned - strong, state->spammy_count);
}

static bool
tag(struct scan *scan, struct slice name, struct slice args, struct slice *value_r)
{
	const struct bayes_state *state = state_of(scan);

	if (state == NULL || !state->is_scored)
		return false;
	if (slice_eq(name, SLICE("HAMMYTOKENS")))
		*value_r = list_tokens(scan, state, state->hammy, state->hammy_count, args);
	else if (slice_eq(name, SLICE("SPAMMYTOKENS")))
		*value_r = list_tokens(scan, state, state->spammy, state->spammy_count, args);
	else if (slice_eq(name, SLICE("TOKENSUMMARY")))
		*value_r = summary(scan, state);
	else
		return false;
	return true;
}

/* ---- learning ---- */

struct message_ids {
	struct slice ids[2]; /* ours, and what the message says (data NULL: nothing) */
};

static void
add_hex(struct strbuf *out, struct slice text)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	(void)EVP_Digest(text.len == 0 ? "" : (const char *)text.data, text.len, digest, &len,
	                 EVP_sha1(), NULL);
	for (unsigned i = 0; i < len; i++)
		strbuf_printf(out, "%02x", digest[i]);
}

/* The reference hashes the field with its line end. */
static void
add_field(struct strbuf *out, struct header_list *headers, struct slice name)
{
	struct slice value = header_list_last(headers, name);

	strbuf_add(out, value);
	if (value.data != NULL)
		strbuf_add_byte(out, '\n');
	strbuf_add_byte(out, '\0');
}

/* Ours is made of what stays the same on the way: To, Date, body. */
static void
find_ids(struct scan *scan, struct message_ids *ids_r)
{
	struct header_list *headers = &scan->message->root->headers;
	struct strbuf text, id;

	strbuf_init(&text, scan->arena, 0);
	strbuf_init(&id, scan->arena, 0);
	add_field(&text, headers, SLICE("to"));
	add_field(&text, headers, SLICE("date"));
	add_hex(&text, message_body_lf(scan->message));
	add_hex(&id, strbuf_slice(&text));
	strbuf_add(&id, SLICE("@sa_generated"));
	ids_r->ids[0] = strbuf_slice(&id);
	ids_r->ids[1] = message_id(scan->message);
}

/* The first that was seen; STATUS_NONE: neither was. */
static enum status
find_seen(struct store *store, const struct message_ids *ids, struct slice *id_r, char *flag_r,
          struct error *error)
{
	for (int i = 0; i < 2; i++) {
		enum status status;

		if (ids->ids[i].data == NULL)
			continue;
		status = store_seen(store, ids->ids[i], flag_r, error);
		if (status == STATUS_OK && *flag_r != 's' && *flag_r != 'h')
			continue;
		*id_r = ids->ids[i];
		if (status != STATUS_NONE)
			return status;
	}
	return STATUS_NONE;
}

static enum status
forget_seen(struct scan *scan, struct store *store, struct bayes_state *state, struct slice id,
            char flag, struct error *error)
{
	int spam = flag == 's' ? -1 : 0, ham = flag == 'h' ? -1 : 0;
	enum status status = store_add_messages(store, spam, ham, error);

	(void)scan;
	if (status == STATUS_OK)
		status = store_add(store, state->tokens.keys, state->tokens.count, spam, ham, 0,
		                   error);
	return status == STATUS_OK ? store_put_seen(store, id, 0, error) : status;
}

/* STATUS_NONE: nothing to do. */
static enum status
learn(struct scan *scan, struct store *store, struct bayes_state *state, bool is_spam,
      unsigned flags, struct error *error)
{
	struct message_ids ids;
	struct slice id;
	enum status status;
	char flag = 0;

	find_ids(scan, &ids);
	status = find_seen(store, &ids, &id, &flag, error);
	if (status == STATUS_OK && (flag == 's') == is_spam) {
		log_debug(scan->log, "bayes", "%.*s already learnt correctly, not learning twice",
		          SLICE_FMT(id));
		return STATUS_NONE;
	}
	if (status == STATUS_OK && (flags & BAYES_NO_RELEARN)) {
		log_debug(scan->log, "bayes", "%.*s already learnt as opposite, not re-learning",
		          SLICE_FMT(id));
		return STATUS_NONE;
	}
	if (status != STATUS_OK && status != STATUS_NONE)
		return status;
	(void)tokenize(scan, state, flags & BAYES_SCANNED);
	if (status == STATUS_OK) {
		log_debug(scan->log, "bayes", "%.*s already learnt as opposite, forgetting first",
		          SLICE_FMT(id));
		status = forget_seen(scan, store, state, id, flag, error);
		if (status != STATUS_OK)
			return status;
	}
	status = store_add_messages(store, is_spam, !is_spam, error);
	if (status == STATUS_OK)
		status = store_add(store, state->tokens.keys, state->tokens.count, is_spam,
		                   !is_spam, message_time(scan, scan->now_s + FUTURE_MAX_S), error);
	if (status == STATUS_OK)
		status = store_put_seen(store, ids.ids[0], is_spam ? 's' : 'h', error);
	if (status == STATUS_OK)
		log_debug(scan->log, "bayes", "learned '%.*s'", SLICE_FMT(ids.ids[0]));
	return status;
}

static enum status
forget(struct scan *scan, struct store *store, struct bayes_state *state, struct error *error)
{
	struct message_ids ids;
	struct slice id;
	char flag = 0;
	enum status status;

	find_ids(scan, &ids);
	status = find_seen(store, &ids, &id, &flag, error);
	if (status == STATUS_NONE)
		log_debug(scan->log, "bayes",
		          "forget: no msgid from this message has been learnt, skipping message");
	if (status != STATUS_OK)
		return status;
	(void)tokenize(scan, state, false);
	return forget_seen(scan, store, state, id, flag, error);
}

/* Ends the transaction as the result says; in a batch, now and then. */
static enum bayes_result
end_transaction(struct scan *scan, struct store *store, enum status status, struct error *error)
{
	if (status == STATUS_OK || status == STATUS_NONE) {
		bool is_done = status == STATUS_OK;

		if (learner_batch_goes_on(scan->learner))
			return is_done ? BAYES_DONE : BAYES_NOTHING;
		if (!is_done && !learner_is_batch(scan->learner))
			store_abort(store);
		else
			status = store_commit(store, error);
		if (status == STATUS_OK || status == STATUS_NONE)
			return is_done ? BAYES_DONE : BAYES_NOTHING;
	}
	store_abort(store);
	learner_warn(scan->learner, error);
	return BAYES_FAILED;
}

static enum bayes_result
begin_learning(struct scan *scan, struct store **store_r)
{
	struct error error = {""};
	enum status status = store_of(scan, true, store_r);

	if (status == STATUS_OK && !(*store_r)->writing)
		status = store_begin(*store_r, learner_wait_ms(scan->learner), &error);
	else if (status != STATUS_OK)
		return BAYES_FAILED;
	if (status != STATUS_OK)
		learner_warn(scan->learner, &error);
	return status == STATUS_OK ? BAYES_DONE : BAYES_FAILED;
}

enum bayes_result
bayes_learn(struct scan *scan, bool is_spam, unsigned flags)
{
	struct bayes_state *state = state_of(scan);
	struct error error = {""};
	struct store *store;

	if (!is_learning_possible(scan) || state == NULL)
		return BAYES_FAILED;
	if ((flags & BAYES_USE_IGNORES) && bayes_ignores(scan))
		return BAYES_NOTHING;
	if (begin_learning(scan, &store) != BAYES_DONE)
		return BAYES_FAILED;
	return end_transaction(scan, store, learn(scan, store, state, is_spam, flags, &error),
	                       &error);
}

enum bayes_result
bayes_forget(struct scan *scan)
{
	struct bayes_state *state = state_of(scan);
	struct error error = {""};
	struct store *store;

	if (!is_learning_possible(scan) || state == NULL ||
	    begin_learning(scan, &store) != BAYES_DONE)
		return BAYES_FAILED;
	return end_transaction(scan, store, forget(scan, store, state, &error), &error);
}

bool
bayes_tokens_of(struct scan *scan, bool is_scanned, struct bayes_tokens *tokens_r)
{
	struct bayes_state *state = state_of(scan);

	*tokens_r = (struct bayes_tokens){0};
	if (state == NULL || plugin_settings(scan->conf, &plugin_bayes) == NULL)
		return false;
	(void)tokenize(scan, state, is_scanned);
	*tokens_r = state->tokens;
	return true;
}

void
bayes_message_ids(struct scan *scan, struct slice ids_r[2])
{
	struct message_ids ids;

	find_ids(scan, &ids);
	ids_r[0] = ids.ids[0];
	ids_r[1] = ids.ids[1];
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_bayes", EVAL_BODY, check_bayes, prepare_check },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const tags[] = {"BAYESTC",     "BAYESTCLEARNED", "BAYESTCSPAMMY", "BAYESTCHAMMY",
                                   "HAMMYTOKENS", "SPAMMYTOKENS",   "TOKENSUMMARY",  NULL};

const struct plugin plugin_bayes = {
	.id = PLUGIN_ID_bayes,
	.class_name = "Mail::SpamAssassin::Plugin::Bayes",
	.module =
		{
			.name = "bayes",
			.settings_size = sizeof(struct bayes_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.evals = evals,
	.tags = tags,
	.patterns = bayes_patterns,
	.pattern_count = BAYES_PATTERN_COUNT,
	.state_size = sizeof(struct bayes_state),
	.finish_end = finish_end,
	.tag = tag,
};
