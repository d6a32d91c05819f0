/*
 * textcat.c - Mail::SpamAssassin::Plugin::TextCat: which language is this?
 *
 * Cavnar and Trenkle's method over the models of the file "languages": the most frequent n-grams of
 * the text, by rank, against those of each language.  The models are read when the configuration is
 * complete and never change.
 */
#include <stdlib.h>

#include "plugins/args.h"
#include "util/file.h"
#include "util/strbuf.h"

enum {
	FILE_BYTES_MAX = 16 * 1024 * 1024,
	MODELS_MAX = 1000,
	RESULTS_MAX = 20,
	TEXT_MAX = 10000,
	TEXT_MIN = 256,
	/* Links are taken out before the text is cut at TEXT_MAX: of more than this nothing is
	 * seen. */
	INPUT_MAX = 256 * 1024
};

struct rank {
	unsigned model;
	int rank;
};

struct ngram {
	VEC(struct rank) ranks;
};

struct models {
	struct hashmap ngrams; /* bytes -> struct ngram * */
	slice_vec names;       /* "en", "ru.koi8r" ... by model number */
};

struct textcat_settings {
	struct slice ok_languages, inactive_languages;
	double max_languages, optimal_ngrams, max_ngrams, acceptable_score;
	const struct models *models; /* NULL: no file */
};

enum { P_PREFIX, P_LINK, P_ADDRESS, P_WWW, P_EIGHT_BITS, P_COUNT };

static const char *const patterns[P_COUNT] = {
	[P_PREFIX] = "(?i)^(?:[a-z]{2,12}:\\s*){1,10}",
	[P_LINK] = "https?(?:\\:\\/\\/|:&#x2F;&#x2F;|%3A%2F%2F)\\S{1,1024}",
	[P_ADDRESS] = "\\S{1,64}?\\@[a-zA-Z]\\S{1,128}",
	[P_WWW] = "\\bwww\\.\\S{1,128}",
	[P_EIGHT_BITS] = "[\\x80-\\xff]{8}",
};

struct textcat_state {
	size_t length;
	slice_vec matches;
};

#define AT(field) offsetof(struct textcat_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "inactive_languages", NULL, CONF_STRING, CONF_USER, AT(inactive_languages), "bs cy eo et eu fy ga gd is la lt lv rm sa sco sl yi", NULL },
	{ "ok_languages", NULL, CONF_STRING, CONF_USER, AT(ok_languages), "all", NULL },
	{ "textcat_acceptable_score", NULL, CONF_NUMERIC, CONF_USER, AT(acceptable_score), "1.02", NULL },
	{ "textcat_max_languages", NULL, CONF_NUMERIC, CONF_USER, AT(max_languages), "3", NULL },
	{ "textcat_max_ngrams", NULL, CONF_NUMERIC, CONF_USER, AT(max_ngrams), "400", NULL },
	{ "textcat_optimal_ngrams", NULL, CONF_NUMERIC, CONF_USER, AT(optimal_ngrams), "0", NULL },
};
/* clang-format on */

/* ---- models ---- */

static bool
add_rank(struct arena *arena, struct models *models, struct slice bytes, int rank)
{
	struct hashmap_entry *entry = hashmap_put(&models->ngrams, bytes, NULL);
	unsigned model = (unsigned)models->names.count;
	struct ngram *ngram;

	if (entry == NULL)
		return false;
	if (entry->value == NULL)
		entry->value = arena_new(arena, struct ngram);
	ngram = entry->value;
	if (ngram == NULL)
		return false;
	if (ngram->ranks.count > 0 && ngram->ranks.items[ngram->ranks.count - 1].model == model) {
		ngram->ranks.items[ngram->ranks.count - 1].rank = rank;
		return true;
	}
	return vec_push(arena, &ngram->ranks, (struct rank){model, rank}) != NULL;
}

/* An n-gram a line, most frequent first; "0 NAME" ends a model. */
static struct models *
parse_models(struct arena *arena, struct slice text)
{
	struct models *models = arena_new(arena, struct models);
	struct slice line;
	int rank = 1;

	if (models == NULL)
		return NULL;
	hashmap_init(&models->ngrams, arena);
	while (slice_next(&text, '\n', &line)) {
		if (line.len > 2 && slice_starts(line, SLICE("0 "))) {
			if (models->names.count == MODELS_MAX ||
			    vec_push(arena, &models->names, slice_from(line, 2)) == NULL)
				return models;
			rank = 1;
		} else if (!add_rank(arena, models, line, rank++)) {
			return models;
		}
	}
	return models;
}

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct textcat_settings *settings = data;
	struct slice text;
	struct error error;

	settings->models = NULL;
	if (reader->languages_path == NULL) {
		log_warn(reader->log, "textcat", "languages filename not defined");
		return;
	}
	if (file_read(reader->arena, reader->languages_path, FILE_BYTES_MAX, &text, &error) !=
	    STATUS_OK) {
		log_warn(reader->log, "textcat", "cannot open languages file: %s", error.text);
		return;
	}
	settings->models = parse_models(reader->arena, text);
	if (settings->models == NULL || settings->models->names.count == 0)
		log_warn(reader->log, "textcat", "no language models loaded");
}

/* ---- n-grams of a text ---- */

static bool
is_separator(unsigned char c)
{
	return byte_is_space(c) || byte_is_digit(c) ||
	       (c != 0 && strchr("-!\"#$%&()*+,./:;<=>?@[\\]^_`{|}~", c) != NULL);
}

/* Letters of Latin-1, whatever the character set really is. */
static bool
is_letter(unsigned char c)
{
	return byte_is_alpha(c) || (c >= 0xc0 && c != 0xd7 && c != 0xdf && c != 0xf7 && c != 0xff);
}

static bool
is_to_lower(struct slice word)
{
	size_t run = 0;
	bool upper = false, four = false;

	for (size_t i = 0; i < word.len; i++) {
		upper |= byte_is_upper(word.data[i]);
		run = is_letter(word.data[i]) ? run + 1 : 0;
		four |= run >= 4;
	}
	return upper && four;
}

/* The word between NULs, in lower case when it is one that is written. */
static struct slice
frame_word(struct arena *arena, struct slice word)
{
	unsigned char *out = arena_bytes(arena, word.len + 2);
	bool lower = is_to_lower(word);

	if (out == NULL)
		return SLICE("");
	out[0] = out[word.len + 1] = 0;
	for (size_t i = 0; i < word.len; i++) {
		unsigned char c = word.data[i];

		if (lower && (byte_is_upper(c) || (c >= 0xc0 && c <= 0xde && c != 0xd7)))
			c = (unsigned char)(c + 0x20);
		out[i + 1] = c;
	}
	return slice_of(out, word.len + 2);
}

static void
count_ngrams(struct hashmap *counts, struct slice word)
{
	for (size_t i = 0; i < word.len; i++)
		for (size_t n = 1; n <= 5 && i + n <= word.len; n++) {
			struct hashmap_entry *entry =
				hashmap_put(counts, slice_sub(word, i, n), NULL);

			if (entry != NULL)
				entry->value = (void *)((uintptr_t)entry->value + 1);
		}
}

static int
by_count(const void *a, const void *b)
{
	const struct hashmap_entry *x = a, *y = b;

	if (x->value != y->value)
		return (uintptr_t)x->value > (uintptr_t)y->value ? -1 : 1;
	return slice_cmp(x->key, y->key);
}

/* Most frequent n-grams first; equal ones in byte order. */
static size_t
rank_text(struct scan *scan, const struct textcat_settings *settings, struct slice text,
          struct hashmap_entry **ngrams_r)
{
	struct hashmap counts;
	size_t at = 0, count;

	hashmap_init(&counts, scan->arena);
	while (at < text.len) {
		size_t start = at;

		while (at < text.len && !is_separator(text.data[at]))
			at++;
		if (at > start)
			count_ngrams(&counts,
			             frame_word(scan->arena, slice_sub(text, start, at - start)));
		else
			at++;
	}
	if (counts.count > 0)
		qsort(counts.entries, counts.count, sizeof(*counts.entries), by_count);
	*ngrams_r = counts.entries;
	count = counts.count;
	if (settings->optimal_ngrams > 0)
		while (count > 0 && !((double)(uintptr_t)counts.entries[count - 1].value >
		                      settings->optimal_ngrams))
			count--;
	if ((double)count > settings->max_ngrams && settings->max_ngrams >= 0)
		count = (size_t)settings->max_ngrams;
	return count;
}

/* ---- classes ---- */

struct result {
	struct slice language;
	double distance;
	size_t order;
};

static int
by_distance(const void *a, const void *b)
{
	const struct result *x = a, *y = b;

	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool
has_word(struct slice words, struct slice wanted)
{
	struct slice word;

	while (slice_next_word(&words, &word))
		if (slice_eq(word, wanted))
			return true;
	return false;
}

static void
add_result(struct result *results, size_t *count, struct slice language, double distance)
{
	for (size_t i = 0; i < *count; i++)
		if (slice_eq(results[i].language, language)) {
			if (distance < results[i].distance)
				results[i].distance = distance;
			return;
		}
	results[*count] = (struct result){language, distance, *count};
	++*count;
}

static double *
distances(struct scan *scan, const struct textcat_settings *settings,
          const struct hashmap_entry *ngrams, size_t count)
{
	const struct models *models = settings->models;
	double *distance = arena_new_array(scan->arena, double, models->names.count + 1);

	for (size_t m = 0; distance != NULL && m < models->names.count; m++)
		distance[m] = settings->max_ngrams * (double)count;
	for (size_t i = 0; distance != NULL && i < count; i++) {
		const struct ngram *ngram = hashmap_get(&models->ngrams, ngrams[i].key);

		for (size_t k = 0; ngram != NULL && k < ngram->ranks.count; k++) {
			const struct rank *rank = &ngram->ranks.items[k];

			if (rank->model < models->names.count)
				distance[rank->model] +=
					abs(rank->rank - (int)i) - settings->max_ngrams;
		}
	}
	return distance;
}

static void
set_results_tag(struct scan *scan, const struct result *results, size_t count)
{
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	for (size_t i = 0; i < count && i < RESULTS_MAX; i++) {
		strbuf_printf(&out, "%s%.*s:%.15g(", i == 0 ? "" : " ",
		              SLICE_FMT(results[i].language), results[i].distance);
		if (results[0].distance != 0)
			strbuf_printf(&out, "%.02f)", results[i].distance / results[0].distance);
		else
			strbuf_add_cstr(&out, "unknown)");
	}
	scan_set_tag(scan, SLICE("TEXTCATRESULTS"), out.len == 0 ? SLICE("") : strbuf_slice(&out));
}

static void
classify(struct scan *scan, const struct textcat_settings *settings, struct slice text,
         slice_vec *matches)
{
	const struct models *models = settings->models;
	struct hashmap_entry *ngrams;
	size_t count = rank_text(scan, settings, text, &ngrams), found = 0, near = 1;
	double *distance = distances(scan, settings, ngrams, count);
	struct result *results =
		arena_new_array(scan->arena, struct result, models->names.count + 1);

	if (distance == NULL || results == NULL)
		return;
	for (size_t m = 0; m < models->names.count; m++) {
		struct slice name = models->names.items[m],
			     brief = slice_sub(name, 0, slice_find_byte(name, '.', 0));
		size_t utf8 = slice_find(name, SLICE(".utf8"), 0);

		if (has_word(settings->inactive_languages, brief) &&
		    !has_word(settings->ok_languages, brief))
			continue;
		add_result(results, &found, utf8 != SLICE_NPOS && utf8 > 0 ? brief : name,
		           distance[m]);
	}
	if (found == 0)
		return;
	qsort(results, found, sizeof(*results), by_distance);
	set_results_tag(scan, results, found);
	while (near < found &&
	       results[near].distance < settings->acceptable_score * results[0].distance)
		near++;
	for (size_t i = 0; i < near && (double)near <= settings->max_languages; i++)
		(void)vec_push(scan->arena, matches, results[i].language);
}

/* ---- the message ---- */

/* Every match becomes one blank. */
static struct slice
blank_out(struct scan *scan, size_t pattern, struct slice text)
{
	struct regex_iter iter;
	struct strbuf out;
	size_t done = 0;

	strbuf_init(&out, scan->arena, 0);
	regex_iter_init(&iter, scan_pattern_regex(scan, &plugin_textcat, pattern),
	                scan_regex_scratch(scan), text);
	while (regex_iter_next(&iter) == REGEX_HIT) {
		struct regex_span span = regex_span(scan_regex_scratch(scan), 0);

		strbuf_add(&out, slice_sub(text, done, span.start - done));
		strbuf_add_byte(&out, ' ');
		done = span.end;
	}
	if (done == 0)
		return text;
	strbuf_add(&out, slice_from(text, done));
	return strbuf_slice(&out);
}

static struct slice
text_of(struct scan *scan)
{
	const struct text_lines *lines = scan_body(scan);
	struct strbuf body;
	struct slice text, prefix;

	strbuf_init(&body, scan->arena, 0);
	for (size_t i = 0; i < lines->count && body.len < INPUT_MAX; i++) {
		if (i > 0)
			strbuf_add_byte(&body, '\n');
		strbuf_add(&body, lines->items[i]);
	}
	text = body.len == 0 ? SLICE("") : strbuf_slice(&body);
	if (scan_pattern_group(scan, &plugin_textcat, P_PREFIX, text, 0, &prefix))
		text = slice_from(text, prefix.len);
	text = blank_out(scan, P_LINK, text);
	text = blank_out(scan, P_ADDRESS, text);
	text = blank_out(scan, P_WWW, text);
	return slice_sub(text, 0, TEXT_MAX);
}

static struct slice
join(struct arena *arena, const slice_vec *words)
{
	struct strbuf out;

	strbuf_init(&out, arena, 0);
	for (size_t i = 0; i < words->count; i++) {
		if (i > 0)
			strbuf_add_byte(&out, ' ');
		strbuf_add(&out, words->items[i]);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

static void
parsed(struct scan *scan)
{
	const struct textcat_settings *settings = plugin_settings(scan->conf, &plugin_textcat);
	struct textcat_state *state = scan_state(scan, &plugin_textcat);
	struct slice text, languages;

	if (state == NULL || settings->models == NULL)
		return;
	text = text_of(scan);
	state->length = text.len;
	scan_set_metadata(scan, SLICE("X-Languages-Length"),
	                  arena_printf(scan->arena, "%zu", text.len));
	if (text.len >= TEXT_MIN)
		classify(scan, settings, text, &state->matches);
	languages = join(scan->arena, &state->matches);
	scan_set_metadata(scan, SLICE("X-Languages"), languages);
	scan_set_tag(scan, SLICE("LANGUAGES"), languages);
}

/* ---- evals ---- */

/* Scots is easily found in short English texts. */
static struct slice
or_english(struct slice language, bool doubtful)
{
	return doubtful && slice_eq(language, SLICE("sco")) ? SLICE("en") : language;
}

static int
check_language(struct scan *scan, const struct eval_call *call)
{
	const struct textcat_settings *settings = call->settings;
	const struct textcat_state *state = scan_state(scan, &plugin_textcat);
	slice_vec found = {0};
	bool doubtful;

	if (state == NULL || settings->models == NULL || state->matches.count == 0 ||
	    has_word(settings->ok_languages, SLICE("all")))
		return 0;
	doubtful = state->length < 1024 * state->matches.count;
	for (size_t i = 0; i < state->matches.count; i++) {
		struct slice name = state->matches.items[i], rest = settings->ok_languages, word;

		name = or_english(slice_sub(name, 0, slice_find_byte(name, '.', 0)), doubtful);
		while (slice_next_word(&rest, &word))
			if (slice_eq(name, or_english(word, doubtful)))
				return 0;
		(void)vec_push(scan->arena, &found, name);
	}
	scan_test_log(scan, call->rule,
	              arena_concat(scan->arena, SLICE("Languages detected: "),
	                           join(scan->arena, &found)));
	return 1;
}

static int
check_body_8bits(struct scan *scan, const struct eval_call *call)
{
	static const char eight_bit[] =
		"all am ar be bg cs el et fa fi he hi hy is ja ka ko mr pt ru ta th tr uk vi yi zh";
	const struct textcat_settings *settings = call->settings;
	struct slice rest = settings->ok_languages, word;

	if (settings->models == NULL)
		return 0;
	while (slice_next_word(&rest, &word))
		if (has_word(slice_from_cstr(eight_bit), word))
			return 0;
	for (size_t i = 0; i < call->line_count; i++)
		if (scan_pattern(scan, &plugin_textcat, P_EIGHT_BITS, call->lines[i]))
			return 1;
	return 0;
}

static const struct plugin_eval evals[] = {
	{"check_body_8bits", EVAL_BODY, check_body_8bits, NULL},
	{"check_language", EVAL_ANY, check_language, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_textcat = {
	.id = PLUGIN_ID_textcat,
	.class_name = "Mail::SpamAssassin::Plugin::TextCat",
	.module = {.name = "textcat",
                   .settings_size = sizeof(struct textcat_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct textcat_state),
	.finish_end = finish_end,
	.parsed = parsed,
};
