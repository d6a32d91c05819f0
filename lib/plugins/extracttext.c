/*
 * extracttext.c - Mail::SpamAssassin::Plugin::ExtractText: text of attachments by outside programs
 *
 * Configuration -> tools and what they are for.  Each message: parts without text, one after the
 * other, go to the tools that fit; what a tool writes becomes the text of the part.  A program runs
 * beside the scan (util/child.h): the hook says "not yet" and is called again.
 * The reference sees the last {NAME=VALUE} of a line only; here all of them count.
 */
#include <sys/wait.h>

#include "plugins/args.h"
#include "util/child.h"
#include "util/clock.h"
#include "util/strbuf.h"

enum { OUTPUT_MAX = 16 * 1024 * 1024 };

struct tool {
	struct slice name; /* lower case */
	const char **argv, **env;
};

struct use {
	bool by_name; /* else by type */
	const struct regex *regex;
	struct slice tool_name;
	size_t tool; /* index + 1 into tools, 0 = there is none */
};

struct extracttext_settings {
	VEC(struct tool) tools;
	VEC(struct use) uses;
	double max_parts;
	double timeout_s; /* of one program */
	double total_s;   /* of a message */
};

/* What was found in a message, in order; lists hold each entry once. */
struct extracttext_state {
	bool begun, done;
	int64_t begun_s;
	struct part *last, *part; /* part: being looked at */
	size_t part_count, use;
	bool *checked; /* by tool: has run on this part */
	const struct tool *tool;
	struct child *child;
	bool found;
	slice_vec tools, types, extensions, flags, uris;
	size_t chars;
	long words;
};

/* ---- configuration ---- */

static struct slice
single_backslashes(struct conf_reader *reader, struct slice key, struct slice value)
{
	struct strbuf out;

	if (slice_find(value, SLICE("\\\\"), 0) == SLICE_NPOS)
		return value;
	strbuf_init(&out, reader->arena, 0);
	for (size_t i = 0; i < value.len; i++) {
		strbuf_add_byte(&out, value.data[i]);
		i += value.data[i] == '\\' && i + 1 < value.len && value.data[i + 1] == '\\';
	}
	value = strbuf_slice(&out);
	log_warn(reader->log, "extracttext",
	         "DOUBLE BACKSLASHES DEPRECATED, change config to single backslashes, "
	         "autoconverted for backward compatibility: %.*s %.*s",
	         SLICE_FMT(key), SLICE_FMT(value));
	return value;
}

/* "tohtml" or "2html" at the end of a word. */
static bool
is_html_tool(struct slice value)
{
	for (size_t at = slice_find(value, SLICE("html"), 0); at != SLICE_NPOS;
	     at = slice_find(value, SLICE("html"), at + 4)) {
		struct slice before = slice_sub(value, 0, at);

		if ((slice_ends(before, SLICE("to")) || slice_ends(before, SLICE("2"))) &&
		    (at + 4 == value.len || !byte_is_word(value.data[at + 4])))
			return true;
	}
	return false;
}

static bool
is_extension(struct slice what)
{
	for (size_t i = 1; i < what.len; i++)
		if (!byte_is_alnum(what.data[i]))
			return false;
	return what.len > 1 && what.data[0] == '.';
}

/* TOOL WHAT...: a type when it has a slash, ".ext", else a name; patterns all of them. */
static enum conf_result
parse_use(struct conf_reader *reader, struct extracttext_settings *settings, struct slice value)
{
	struct slice what, name;

	if (!slice_next_word(&value, &name) || slice_trim(value).len == 0)
		return CONF_FAILED;
	name = arena_dup_lower(reader->arena, name);
	while (slice_next_word(&value, &what)) {
		struct use use = {.by_name = !slice_has_byte(what, '/'), .tool_name = name};
		struct slice text = arena_printf(reader->arena, "^(?i)%s%.*s$",
		                                 use.by_name && is_extension(what) ? ".*\\" : "",
		                                 SLICE_FMT(what));
		struct error error;

		use.regex = regex_create(reader->arena, text, 0, &error);
		if (use.regex == NULL) {
			log_warn(reader->log, "extracttext", "invalid regexp '%.*s': %s",
			         SLICE_FMT(what), error.text);
			return CONF_FAILED;
		}
		if (vec_push(reader->arena, &settings->uses, use) == NULL)
			return CONF_FAILED;
		log_debug(reader->log, "extracttext", "use: %.*s %s %.*s", SLICE_FMT(name),
		          use.by_name ? "name" : "type", SLICE_FMT(what));
	}
	return CONF_OK;
}

/* Takes each {NAME=VALUE} out of the line; "{}" is none. */
static struct slice
cut_environment(struct conf_reader *reader, struct slice value, const char ***env_r)
{
	VEC(const char *) env = {0};
	struct strbuf out;

	strbuf_init(&out, reader->arena, 0);
	for (size_t i = 0; i < value.len; i++) {
		size_t end = value.data[i] == '{' ? slice_find_byte(value, '}', i + 2) : SLICE_NPOS;
		struct slice text;

		if (end == SLICE_NPOS) {
			strbuf_add_byte(&out, value.data[i]);
			continue;
		}
		text = slice_sub(value, i + 1, end - i - 1);
		if (!slice_has_byte(text, '='))
			text = arena_concat(reader->arena, text, SLICE("="));
		(void)vec_push(reader->arena, &env, arena_cstr(reader->arena, text));
		strbuf_add_byte(&out, ' ');
		i = end;
	}
	if (vec_push(reader->arena, &env, NULL) == NULL)
		return SLICE("");
	*env_r = env.items;
	return strbuf_slice(&out);
}

static bool
has_tool(const struct extracttext_settings *settings, struct slice name, size_t *index_r)
{
	for (size_t i = 0; i < settings->tools.count; i++)
		if (slice_eq(settings->tools.items[i].name, name)) {
			*index_r = i + 1;
			return true;
		}
	return false;
}

/* TOOL COMMAND ARGUMENT... */
static enum conf_result
parse_external(struct conf_reader *reader, struct extracttext_settings *settings,
               struct slice value)
{
	VEC(const char *) argv = {0};
	struct tool tool = {0};
	struct slice word;
	size_t index;

	value = cut_environment(reader, value, &tool.env);
	if (!slice_next_word(&value, &word))
		return CONF_FAILED;
	tool.name = arena_dup_lower(reader->arena, word);
	while (slice_next_word(&value, &word))
		if (vec_push(reader->arena, &argv, arena_cstr(reader->arena, word)) == NULL)
			return CONF_FAILED;
	if (argv.count < 2)
		return CONF_FAILED;
	if (has_tool(settings, tool.name, &index)) {
		log_warn(reader->log, "extracttext", "duplicate tool defined: %.*s",
		         SLICE_FMT(tool.name));
		return CONF_FAILED;
	}
	if (vec_push(reader->arena, &argv, NULL) == NULL)
		return CONF_FAILED;
	tool.argv = argv.items;
	return vec_push(reader->arena, &settings->tools, tool) == NULL ? CONF_FAILED : CONF_OK;
}

static enum conf_result
parse_unknown(struct conf_reader *reader, void *data, struct slice key, struct slice value)
{
	bool external = slice_eq(key, SLICE("extracttext_external"));

	if ((!external && !slice_eq(key, SLICE("extracttext_use"))) || reader->user_scope)
		return CONF_FAILED;
	value = single_backslashes(reader, key, value);
	if (is_html_tool(value)) {
		log_warn(reader->log, "extracttext",
		         "HTML tools are not supported, plain text output is required. Please "
		         "remove: %.*s %.*s",
		         SLICE_FMT(key), SLICE_FMT(value));
		return CONF_OK;
	}
	return external ? parse_external(reader, data, value) : parse_use(reader, data, value);
}

/* SECONDS [TOTAL]: the second number only says that the first is the total too. */
static enum conf_result
parse_timeout(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct extracttext_settings *settings = data;
	struct slice rest, word = conf_split(value, &rest);
	unsigned long long seconds, total = 0;

	(void)reader, (void)d;
	if (value.len == 0)
		return CONF_MISSING;
	if (!slice_to_u64(word, 1000000, &seconds) ||
	    (rest.len > 0 && !slice_to_u64(rest, 1000000, &total)))
		return CONF_INVALID;
	settings->timeout_s = (double)seconds;
	settings->total_s = total > 0 || seconds > 10 ? (double)seconds : 10;
	return CONF_OK;
}

static void
find_tools(struct conf_reader *reader, void *data)
{
	struct extracttext_settings *settings = data;

	(void)reader;
	for (size_t i = 0; i < settings->uses.count; i++) {
		struct use *use = &settings->uses.items[i];

		(void)has_tool(settings, use->tool_name, &use->tool);
	}
}

/* ---- what a tool gave ---- */

static void
add_once(struct scan *scan, slice_vec *list, struct slice text)
{
	for (size_t i = 0; i < list->count; i++)
		if (slice_eq(list->items[i], text))
			return;
	(void)vec_push(scan->arena, list, text);
}

static bool
is_blank(struct slice text)
{
	return slice_trim(text).len == 0;
}

/* Pieces between runs of other than word characters, less one; empty ones at the end are none. */
static long
count_words(struct slice text)
{
	long pieces = 0;
	bool in_word = false;

	if (text.len > 0 && !byte_is_word(text.data[0]))
		pieces++;
	for (size_t i = 0; i < text.len; i++) {
		bool is_word = byte_is_word(text.data[i]);

		pieces += is_word && !in_word;
		in_word = is_word;
	}
	for (size_t i = 0; i < text.len; i++)
		if (byte_is_word(text.data[i]))
			return pieces - 1;
	return -1;
}

static const char *const patterns[] = {
	"<a(?:\\s+[^>]+)?\\s+href=\"([^\">]*)\"",
	"QR-Code\\:([^\\s]*)",
};

static void
add_extension(struct scan *scan, struct extracttext_state *state, struct slice name)
{
	size_t dot = slice_rfind_byte(name, '.');
	struct slice ext = dot == SLICE_NPOS ? SLICE("") : slice_from(name, dot + 1);

	if (!perl_is_false(ext) && !slice_has_byte(ext, '/') && !slice_has_byte(ext, '\\'))
		add_once(scan, &state->extensions, ext);
}

static void
add_text(struct scan *scan, struct extracttext_state *state, struct slice text)
{
	struct slice uri;

	if (is_blank(text)) {
		log_debug(scan->log, "extracttext", "No text extracted");
		add_once(scan, &state->flags, SLICE("NoText"));
		return;
	}
	if (scan_pattern(scan, &plugin_extracttext, 0, text)) {
		add_once(scan, &state->flags, SLICE("ActionURI"));
		add_once(scan, &state->uris, SLICE(""));
	} else if (scan_pattern_group(scan, &plugin_extracttext, 1, text, 1, &uri)) {
		add_once(scan, &state->flags, SLICE("QR-Code"));
		add_once(scan, &state->uris, uri);
	}
	if (slice_find(text, SLICE("NoText"), 0) != SLICE_NPOS)
		add_once(scan, &state->flags, SLICE("NoText"));
	state->chars += text.len;
	state->words += count_words(text);
	part_set_rendered(state->part, text, SLICE_NULL);
}

/* Complaints about mail, not about the tool. */
static bool
is_known_complaint(const struct tool *tool, int code, struct slice error)
{
	static const char *const beginnings[] = {
		"Syntax Warning: May not be a PDF file",
		"Syntax Error: May not be a PDF file",
		"Syntax Warning: Couldn't find trailer dictionary",
		"Syntax Error: Couldn't find trailer dictionary",
		"Error in findFileFormatStream: truncated file",
		"Error in findFileFormatStream: file not found",
		"Error in fopenReadStream: truncated file",
		"Error in fopenReadStream: file not found",
		"libpng error:",
		"Corrupt JPEG data:",
	};

	for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
		if (slice_starts(error, slice_from_cstr(beginnings[i])))
			return true;
	return slice_find(error, SLICE(" is not a Word Document"), 0) != SLICE_NPOS ||
	       (code == 4 && strstr(tool->argv[0], "zbarimg") != NULL);
}

static void
complain(struct scan *scan, const struct tool *tool, const struct child_result *result)
{
	int code = WIFEXITED(result->status) ? WEXITSTATUS(result->status) : -1;
	struct slice error = log_quote(scan->arena, result->error_line, 500);

	if (slice_find(error, SLICE("Usage:"), 0) != SLICE_NPOS ||
	    slice_find(error, SLICE("No such file or directory"), 0) != SLICE_NPOS)
		log_warn(scan->log, "extracttext",
		         "error from %s, please verify configuration: %.*s", tool->argv[0],
		         SLICE_FMT(error));
	else if (!is_known_complaint(tool, code, error) && perl_is_false(result->output))
		log_warn(scan->log, "extracttext", "error (%d) from %s: %.*s", code, tool->argv[0],
		         SLICE_FMT(error));
}

/* A program that was too slow counts with what it wrote until then. */
static void
use_result(struct scan *scan, struct extracttext_state *state)
{
	struct child_result result;

	child_result(state->child, &result);
	log_debug(scan->log, "extracttext", "(%s) finished: status %d%s, %zu bytes",
	          state->tool->argv[0], result.status, result.timed_out ? ", timed out" : "",
	          result.output.len);
	if (!result.timed_out && result.status != 0) {
		complain(scan, state->tool, &result);
		return;
	}
	state->found = true;
	add_text(scan, state, result.output);
	add_once(scan, &state->types, state->part->type);
	add_extension(scan, state, state->part->name);
	add_once(scan, &state->tools, state->tool->name);
}

/* ---- parts and tools in turn ---- */

static bool
next_part(struct scan *scan, const struct extracttext_settings *settings,
          struct extracttext_state *state)
{
	while ((state->last = message_leaf_next(scan->message, state->last)) != NULL) {
		if (settings->max_parts > 0 && (double)++state->part_count > settings->max_parts) {
			log_debug(scan->log, "extracttext",
			          "Skipping MIME parts exceeding the %.15gth", settings->max_parts);
			return false;
		}
		if ((double)(clock_wall_s() - state->begun_s) >= settings->total_s) {
			log_debug(scan->log, "extracttext",
			          "Skipping MIME parts, total execution timeout exceeded");
			return false;
		}
		if (part_rendered(state->last)->type.data != NULL)
			continue;
		state->part = state->last;
		state->use = 0;
		memset(state->checked, 0, settings->tools.count + 1);
		return true;
	}
	return false;
}

static bool
fits(struct scan *scan, const struct use *use, const struct part *part)
{
	struct slice text = use->by_name ? part->name : part->type;

	return text.data != NULL && regex_is_match(use->regex, scan_regex_scratch(scan), text);
}

static bool
start(struct scan *scan, const struct extracttext_settings *settings,
      struct extracttext_state *state)
{
	int64_t deadline = clock_monotonic_ms() + (int64_t)(settings->timeout_s * 1000);
	struct child_options options = {
		.argv = state->tool->argv,
		.env = state->tool->env,
		.input = part_decoded(state->part),
		.deadline_ms = deadline < scan->deadline_ms ? deadline : scan->deadline_ms,
		.cpu_s = (unsigned)settings->timeout_s + 1,
		.output_max = OUTPUT_MAX,
	};
	struct error error;

	state->child = child_start(scan->arena, &options, &error);
	if (state->child == NULL)
		log_warn(scan->log, "extracttext", "error from %s, please verify configuration: %s",
		         state->tool->argv[0], error.text);
	return state->child != NULL;
}

/* Starts the next program; false: all is done. */
static bool
start_next(struct scan *scan, const struct extracttext_settings *settings,
           struct extracttext_state *state)
{
	while (state->part != NULL || next_part(scan, settings, state)) {
		while (state->use < settings->uses.count) {
			const struct use *use = &settings->uses.items[state->use++];

			if (use->tool == 0 || state->checked[use->tool] ||
			    !fits(scan, use, state->part))
				continue;
			state->checked[use->tool] = true;
			state->tool = &settings->tools.items[use->tool - 1];
			if (start(scan, settings, state))
				return true;
		}
		state->part = NULL;
	}
	return false;
}

/* ---- pseudo headers and tags ---- */

static void
publish(struct scan *scan, const char *name, struct slice value)
{
	struct slice header = arena_printf(scan->arena, "X-ExtractText-%s", name);
	struct slice tag = arena_printf(scan->arena, "EXTRACTTEXT%s", name);
	unsigned char *upper = arena_bytes(scan->arena, tag.len);

	if (header.data == NULL || upper == NULL)
		return;
	for (size_t i = 0; i < tag.len; i++)
		upper[i] = byte_upper(tag.data[i]);
	scan_set_metadata(scan, header, value);
	scan_set_tag(scan, slice_of(upper, tag.len), value);
}

static struct slice
joined(struct scan *scan, const slice_vec *list)
{
	struct strbuf out;

	strbuf_init(&out, scan->arena, 0);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			strbuf_add_byte(&out, ' ');
		strbuf_add(&out, list->items[i]);
	}
	return out.len == 0 ? SLICE("") : strbuf_slice(&out);
}

static void
publish_all(struct scan *scan, const struct extracttext_state *state)
{
	publish(scan, "Words", arena_printf(scan->arena, "%ld", state->words));
	publish(scan, "Chars", arena_printf(scan->arena, "%zu", state->chars));
	publish(scan, "Tools", joined(scan, &state->tools));
	publish(scan, "Types", joined(scan, &state->types));
	publish(scan, "Extensions", joined(scan, &state->extensions));
	publish(scan, "Flags", joined(scan, &state->flags));
	publish(scan, "Uris", joined(scan, &state->uris));
}

/* ---- the hook ---- */

static bool
extract(struct scan *scan)
{
	const struct extracttext_settings *settings =
		plugin_settings(scan->conf, &plugin_extracttext);
	struct extracttext_state *state = scan_state(scan, &plugin_extracttext);

	if (state == NULL || settings->tools.count == 0 || settings->uses.count == 0)
		return true;
	if (!state->begun) {
		state->begun = true;
		state->begun_s = clock_wall_s();
		state->checked = arena_new_array(scan->arena, bool, settings->tools.count + 1);
		if (state->checked == NULL)
			return true;
	}
	do {
		if (state->child == NULL)
			continue;
		if (!child_step(state->child)) {
			scan->wait = (struct scan_wait){.fd = child_wait_fd(state->child),
			                                .until_ms = child_wait_until(state->child)};
			return false;
		}
		use_result(scan, state);
		state->child = NULL;
	} while (start_next(scan, settings, state));
	if (state->found)
		publish_all(scan, state);
	return true;
}

static bool
runs_programs(const void *settings)
{
	const struct extracttext_settings *own = settings;

	return own->tools.count > 0;
}

#define AT(field) offsetof(struct extracttext_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "extracttext_maxparts", NULL, CONF_NUMERIC, CONF_ADMIN, AT(max_parts), "10", NULL },
	{ "extracttext_timeout", NULL, CONF_CUSTOM, CONF_ADMIN, 0, "5", parse_timeout },
};
/* clang-format on */

static const char *const tags[] = {
	"EXTRACTTEXTWORDS",      "EXTRACTTEXTCHARS", "EXTRACTTEXTTOOLS", "EXTRACTTEXTTYPES",
	"EXTRACTTEXTEXTENSIONS", "EXTRACTTEXTFLAGS", "EXTRACTTEXTURIS",  NULL};

const struct plugin plugin_extracttext = {
	.id = PLUGIN_ID_extracttext,
	.class_name = "Mail::SpamAssassin::Plugin::ExtractText",
	.module =
		{
			.name = "extracttext",
			.settings_size = sizeof(struct extracttext_settings),
			.directives = directives,
			.directive_count = sizeof(directives) / sizeof(directives[0]),
			.unknown = parse_unknown,
		},
	.tags = tags,
	.patterns = patterns,
	.pattern_count = sizeof(patterns) / sizeof(patterns[0]),
	.state_size = sizeof(struct extracttext_state),
	.finish_end = find_tools,
	.message = extract,
	.runs_programs = runs_programs,
};
