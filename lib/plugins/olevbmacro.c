/*
 * olevbmacro.c - Mail::SpamAssassin::Plugin::OLEVBMacro: macros in office files
 *
 * Looks for marks in the bytes, and into ZIP archives (zip.h) as far as the limits of the
 * configuration and a budget of unpacked bytes a message go.
 */
#include "plugins/args.h"
#include "plugins/zip.h"

enum {
	UNPACKED_MAX = 64 * 1024 * 1024, /* a message: what all archives may unpack to */
	DEPTH_MAX = 16,
	REDIRECTS_MAX = 10,
	MHTML_MAX = 5
};

struct ole_settings {
	double num_mime, num_zip, zip_depth, max_file;
	bool extended_scan, prefer_disposition;
	struct slice text[6]; /* patterns as written, data NULL: standard */
	const struct regex *regex[6];
};

enum setting { S_EXTS, S_MACRO_EXTS, S_SKIP_EXTS, S_SKIP_TYPES, S_ZIPS, S_DOWNLOAD, S_COUNT };

static const char *const standard[S_COUNT] = {
	[S_EXTS] = "(?:doc|docx|dot|pot|ppa|pps|ppt|rtf|sldm|xl|xla|xls|xlsx|xlt|xltx|xslb)$",
	[S_MACRO_EXTS] = "(?:docm|dotm|ppam|potm|ppst|ppsm|pptm|sldm|xlm|xlam|xlsb|xlsm|xltm|xps)$",
	[S_SKIP_EXTS] = "(?:dotx|potx|ppsx|pptx|sldx)$",
	[S_SKIP_TYPES] = "^(?:text\\/)",
	[S_ZIPS] = "(?:zip)$",
	[S_DOWNLOAD] = "(?:cmd(?:\\.exe)? \\/c ms\\^h\\^ta ht\\^tps?:\\/\\^\\/)",
};

enum {
	P_CSV,
	P_DOWNLOAD_EXE,
	P_ENCRYPTION,
	P_MALICE,
	P_MACRO_TYPE,
	P_RTF_NAME,
	P_RELATION,
	P_MHTML,
	P_HTTP,
	P_RELS_NAME,
	P_BIN_NAME,
	P_COUNT
};

static const char *const patterns[P_COUNT] = {
	[P_CSV] = "MSEXCEL\\|.{1,20}Windows\\\\System32\\\\cmd\\.exe",
	[P_DOWNLOAD_EXE] =
		"(?i)\\x00(https?://[-a-z0-9+&@#/%?=~_|!:,.;]{5,1000}[-a-z0-9+&@#/%=~_|]{5,1000}"
		"\\.(?:exe|cmd|bat))[\\x06|\\x00]",
	[P_ENCRYPTION] = "(?i)(?:<encryption xmlns)",
	[P_MALICE] = "(?i)(?:document|auto|workbook)_?open",
	[P_MACRO_TYPE] =
		"(?i)ContentType=[\"']application\\/vnd\\.ms-office\\.vbaProject[\"']|macroEnabled|"
		"application\\/vnd\\.ms-excel\\.(?:intl)?macrosheet",
	[P_RTF_NAME] = "^word\\/.{1,50}\\.rtf\\b",
	[P_RELATION] = "(?is)Target=\\\"([^\"]*)\\\".*?TargetMode=\\\"External\\\"",
	[P_MHTML] = "(?i)(?:^MHTML:&#x48;&#x54;&#x50;&#x3a;&#x5c;&#x5c;&#x31;&|^mhtml:https?://)",
	[P_HTTP] = "(?i)^https?:\\/\\/",
	[P_RELS_NAME] = ".*\\.rels",
	[P_BIN_NAME] = ".*\\.bin",
};

struct ole_state {
	bool macro, object, rtf_object, csv, malice, renamed, encrypted, zip_password, download;
	slice_vec redirects, mhtml;
	size_t budget;
};

/* One message under examination. */
struct look {
	struct scan *scan;
	const struct ole_settings *settings;
	struct ole_state *state;
	bool wants_csv, wants_download; /* some rule asks */
};

/* ---- configuration ---- */

static enum conf_result
parse_pattern(struct conf_reader *reader, void *data, const struct directive *d, struct slice value)
{
	struct ole_settings *settings = data;
	struct error error;
	const struct regex *regex;

	if (value.len == 0)
		return CONF_MISSING;
	regex = regex_create(reader->arena, value, 0, &error);
	if (regex == NULL)
		return CONF_INVALID;
	settings->text[d->offset] = value;
	return CONF_OK;
}

#define AT(field) offsetof(struct ole_settings, field)
/* clang-format off */
static const struct directive directives[] = {
	{ "olemacro_download_marker", NULL, CONF_CUSTOM, CONF_USER, S_DOWNLOAD, NULL, parse_pattern },
	{ "olemacro_extended_scan", NULL, CONF_BOOL, CONF_USER, AT(extended_scan), "0", NULL },
	{ "olemacro_exts", NULL, CONF_CUSTOM, CONF_USER, S_EXTS, NULL, parse_pattern },
	{ "olemacro_macro_exts", NULL, CONF_CUSTOM, CONF_USER, S_MACRO_EXTS, NULL, parse_pattern },
	{ "olemacro_max_file", NULL, CONF_NUMERIC, CONF_USER, AT(max_file), "1024000", NULL },
	{ "olemacro_num_mime", NULL, CONF_NUMERIC, CONF_USER, AT(num_mime), "5", NULL },
	{ "olemacro_num_zip", NULL, CONF_NUMERIC, CONF_USER, AT(num_zip), "8", NULL },
	{ "olemacro_prefer_contentdisposition", NULL, CONF_BOOL, CONF_USER, AT(prefer_disposition), "1", NULL },
	{ "olemacro_skip_ctypes", NULL, CONF_CUSTOM, CONF_USER, S_SKIP_TYPES, NULL, parse_pattern },
	{ "olemacro_skip_exts", NULL, CONF_CUSTOM, CONF_USER, S_SKIP_EXTS, NULL, parse_pattern },
	{ "olemacro_zip_depth", NULL, CONF_NUMERIC, CONF_USER, AT(zip_depth), "2", NULL },
	{ "olemacro_zips", NULL, CONF_CUSTOM, CONF_USER, S_ZIPS, NULL, parse_pattern },
};
/* clang-format on */

static void
finish_end(struct conf_reader *reader, void *data)
{
	struct ole_settings *settings = data;

	for (size_t i = 0; i < S_COUNT; i++) {
		struct slice text = settings->text[i].data != NULL ? settings->text[i]
		                                                   : slice_from_cstr(standard[i]);
		struct error error;

		settings->regex[i] = regex_create(reader->arena, text, 0, &error);
	}
}

/* ---- marks in bytes ---- */

static bool
matches(struct look *l, size_t pattern, struct slice text)
{
	return scan_pattern(l->scan, &plugin_olevbmacro, pattern, text);
}

static bool
is_named(struct look *l, enum setting which, struct slice name)
{
	const struct regex *regex = l->settings->regex[which];

	return regex != NULL && regex_is_match(regex, scan_regex_scratch(l->scan), name);
}

static bool
has(struct slice data, struct slice mark)
{
	return slice_find(data, mark, 0) != SLICE_NPOS;
}

static bool
is_office(struct slice data)
{
	return slice_starts(data, SLICE("\xd0\xcf\x11\xe0"));
}

static bool
has_byte_at(struct slice data, size_t at, unsigned char byte)
{
	return at < data.len && data.data[at] == byte;
}

static bool
is_encrypted(struct look *l, struct slice data)
{
	struct slice front = slice_sub(data, 0, 2000);

	if (!is_office(data))
		return false;
	if (matches(l, P_ENCRYPTION, data) ||
	    has(front, SLICE("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e")) ||
	    has(front, SLICE("E n c r y p t e d P a c k a g e")))
		return true;
	if (has(front, SLICE("W\0o\0r\0k\0b\0o\0o\0k\0")))
		return false;
	return has_byte_at(data, 0x208, 0xfe) || has_byte_at(data, 0x214, 0x2f) ||
	       has_byte_at(data, 0x20b, 0x13);
}

static bool
check_encrypted(struct look *l, struct slice data)
{
	if (!is_encrypted(l, data))
		return false;
	l->state->encrypted = true;
	return true;
}

static bool
has_macro_mark(struct slice data)
{
	if (is_office(data))
		return has(data, SLICE("\0Attribut\0")) ||
		       has(data, SLICE("\1\0O\0l\0e\0\x31\0\x30\0N\0a\0"));
	return has(data, SLICE("\\objemb")) || has(data, SLICE("\\objdat")) ||
	       has(data, SLICE("\\ objdat")) || has(data, SLICE("w:macrosPresent=\"yes\"")) ||
	       has(data, SLICE("vbaProject.bin.rels"));
}

static bool
check_old_type(struct look *l, struct slice data)
{
	if (!has_macro_mark(data))
		return false;
	l->state->macro = true;
	if (matches(l, P_MALICE, data))
		l->state->malice = true;
	return true;
}

/* 4.0.1 looks for the URL unless the file begins with the name of the function. */
static void
check_download(struct look *l, struct slice data)
{
	if (!l->wants_download)
		return;
	if ((!slice_starts(data, SLICE("URLDownloadToFileA")) &&
	     matches(l, P_DOWNLOAD_EXE, data)) ||
	    is_named(l, S_DOWNLOAD, data))
		l->state->download = true;
}

static void
check_csv(struct look *l, struct slice data)
{
	if (has(data, SLICE("cmd.exe")) && matches(l, P_CSV, data))
		l->state->csv = true;
}

/* ---- archives that are documents ---- */

static bool
is_archive(struct slice name, struct slice data)
{
	struct slice end = slice_from(name, name.len < 4 ? 0 : name.len - 4);

	return slice_starts(data, SLICE("PK")) || slice_ieq(end, SLICE(".zip"));
}

static bool
contents(struct look *l, const struct zip *zip, const struct zip_member *member,
         struct slice *data_r)
{
	return zip_contents(l->scan->arena, zip, member, &l->state->budget, data_r);
}

static bool
add_distinct(struct look *l, slice_vec *list, struct slice value, size_t max)
{
	for (size_t i = 0; i < list->count; i++)
		if (slice_eq(list->items[i], value))
			return false;
	return list->count < max && vec_push(l->scan->arena, list, value) != NULL;
}

static void
check_relation(struct look *l, struct slice relation)
{
	struct slice uri;

	if (!scan_pattern_group(l->scan, &plugin_olevbmacro, P_RELATION, relation, 1, &uri))
		return;
	if (matches(l, P_MHTML, uri))
		(void)add_distinct(l, &l->state->mhtml, uri, MHTML_MAX);
	if (slice_istarts(uri, SLICE("mhtml:")))
		uri = slice_from(uri, 6);
	if (matches(l, P_HTTP, uri) && add_distinct(l, &l->state->redirects, uri, REDIRECTS_MAX))
		scan_add_uri(l->scan, uri, URI_TYPE_PARSED);
}

/* false: nothing in it. */
static bool
check_relations(struct look *l, struct slice data)
{
	bool any = data.len > 0;

	while (data.len > 0) {
		size_t at = slice_find(data, SLICE("Relationship"), 0);

		while (at != SLICE_NPOS &&
		       (at + 12 >= data.len || !byte_is_space(data.data[at + 12])))
			at = slice_find(data, SLICE("Relationship"), at + 1);
		check_relation(l, slice_sub(data, 0, at));
		data = at == SLICE_NPOS ? SLICE_NULL : slice_from(data, at + 13);
	}
	return any;
}

static bool
has_macro_name(struct slice name)
{
	static const char *const names[] = {
		"word/vbaproject.bin", "macros/vba/_vba_project", "xl/vbaproject.bin",
		"_vba_project_cur/vba/_vba_project", "ppt/vbaproject.bin"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_eq(name, slice_from_cstr(names[i])))
			return true;
	return false;
}

/* What the names of members say. *macro_r: one holds macros. */
static bool
check_names(struct look *l, const struct zip *zip, bool *macro_r)
{
	bool document = false;

	*macro_r = false;
	for (size_t i = 0; i < zip->members.count; i++) {
		struct slice name = arena_dup_lower(l->scan->arena, zip->members.items[i].name);

		if (has_macro_name(name))
			document = *macro_r = l->state->macro = true;
		if (slice_starts(name, SLICE("xl/embeddings/")))
			document = l->state->object = true;
		if (slice_starts(name, SLICE("word/")) && matches(l, P_RTF_NAME, name))
			document = l->state->rtf_object = true;
	}
	return document;
}

static void
check_types(struct look *l, const struct zip *zip, const struct zip_member *member)
{
	struct slice data;

	if (!l->state->macro && contents(l, zip, member, &data) && matches(l, P_MACRO_TYPE, data))
		l->state->macro = true;
}

static bool
check_macro_type(struct look *l, struct slice name, struct slice data)
{
	bool document, macro, types_done = false;
	struct zip zip;
	struct slice text;

	if (data.len == 0 || !is_archive(name, data) || !zip_open(l->scan->arena, data, &zip))
		return false;
	document = check_names(l, &zip, &macro);
	for (size_t i = 0; i < zip.members.count && !types_done; i++) {
		types_done = slice_eq(zip.members.items[i].name, SLICE("[Content_Types].xml"));
		if (types_done)
			check_types(l, &zip, &zip.members.items[i]);
	}
	document |= types_done;
	for (size_t i = 0; i < zip.members.count; i++)
		if (matches(l, P_RELS_NAME, zip.members.items[i].name) &&
		    contents(l, &zip, &zip.members.items[i], &text))
			document |= check_relations(l, text);
	for (size_t i = 0; macro && !l->state->malice && i < zip.members.count; i++)
		if (matches(l, P_BIN_NAME, zip.members.items[i].name) &&
		    contents(l, &zip, &zip.members.items[i], &text) && matches(l, P_MALICE, text))
			l->state->malice = true;
	return document;
}

/* ---- files and archives of files ---- */

/* A file that is no plain archive; false: its name says nothing and it is not looked at. */
static bool
check_file(struct look *l, struct slice name, struct slice data)
{
	bool office;

	if (is_named(l, S_MACRO_EXTS, name)) {
		l->state->macro = true;
		(void)check_encrypted(l, data);
		(void)check_macro_type(l, name, data);
		check_download(l, data);
		return true;
	}
	if (is_named(l, S_EXTS, name)) {
		(void)check_encrypted(l, data);
		(void)check_old_type(l, data);
		(void)check_macro_type(l, name, data);
		check_download(l, data);
		return true;
	}
	if (!l->settings->extended_scan)
		return false;
	office = is_office(data);
	office |= check_encrypted(l, data);
	office |= check_old_type(l, data);
	office |= check_macro_type(l, name, data);
	if (office) {
		l->state->renamed = true;
		check_download(l, data);
	}
	return true;
}

struct level {
	struct zip zip;
	size_t next, looked_at;
};

struct stack {
	struct level levels[DEPTH_MAX];
	size_t depth;
};

static void
push_archive(struct look *l, struct stack *stack, struct slice name, struct slice data)
{
	struct level *level = &stack->levels[stack->depth];

	if (l->settings->num_zip == 0 || stack->depth >= DEPTH_MAX ||
	    (double)stack->depth >= l->settings->zip_depth || data.len == 0 ||
	    !is_archive(name, data))
		return;
	level->next = level->looked_at = 0;
	if (zip_open(l->scan->arena, data, &level->zip))
		stack->depth++;
}

/* false: the member does not count. */
static bool
check_member(struct look *l, struct stack *stack, const struct zip *zip,
             const struct zip_member *member)
{
	struct slice name = member->name, data = SLICE_NULL;
	bool read;

	if (is_named(l, S_SKIP_EXTS, name))
		return false;
	if (member->encrypted) {
		l->state->macro |= is_named(l, S_MACRO_EXTS, name);
		l->state->zip_password = true;
		return false;
	}
	if (!is_named(l, S_ZIPS, name) && !is_named(l, S_MACRO_EXTS, name) &&
	    !is_named(l, S_EXTS, name) && !l->settings->extended_scan &&
	    !slice_ieq(slice_from(name, name.len < 4 ? 0 : name.len - 4), SLICE(".csv")))
		return false;
	read = contents(l, zip, member, &data);
	if (l->wants_csv && read &&
	    slice_ieq(slice_from(name, name.len < 4 ? 0 : name.len - 4), SLICE(".csv")))
		check_csv(l, data);
	if (is_named(l, S_ZIPS, name)) {
		if (read)
			push_archive(l, stack, name, data);
		return true;
	}
	if (!read) {
		l->state->macro |= is_named(l, S_MACRO_EXTS, name);
		return is_named(l, S_MACRO_EXTS, name) || is_named(l, S_EXTS, name) ||
		       l->settings->extended_scan;
	}
	if (!check_file(l, name, data))
		return false;
	if (l->settings->extended_scan && !is_named(l, S_MACRO_EXTS, name) &&
	    !is_named(l, S_EXTS, name))
		push_archive(l, stack, name, data);
	return true;
}

/* An archive, those inside it before what follows them; no recursion. */
static void
check_archive(struct look *l, struct slice name, struct slice data)
{
	struct stack *stack = arena_new(l->scan->arena, struct stack);

	if (stack == NULL)
		return;
	push_archive(l, stack, name, data);
	while (stack->depth > 0) {
		struct level *level = &stack->levels[stack->depth - 1];

		if (level->next >= level->zip.members.count ||
		    (level->looked_at > 0 && (double)level->looked_at >= l->settings->num_zip)) {
			stack->depth--;
			continue;
		}
		if (check_member(l, stack, &level->zip, &level->zip.members.items[level->next++]))
			level->looked_at++;
	}
}

static bool
check_part(struct look *l, struct part *part)
{
	struct part_details details;
	struct slice name, data;

	if (is_named(l, S_SKIP_TYPES, part->type) ||
	    !part_details(part, l->settings->prefer_disposition, &details) ||
	    details.name.len == 0 || is_named(l, S_SKIP_EXTS, details.name))
		return false;
	name = details.name;
	data = part_decoded(part);
	if (l->settings->max_file > 0 && (double)data.len > l->settings->max_file)
		data.len = (size_t)l->settings->max_file;
	if (data.len == 0)
		return false;
	if (l->wants_csv &&
	    slice_ieq(slice_from(name, name.len < 4 ? 0 : name.len - 4), SLICE(".csv")))
		check_csv(l, data);
	if (is_named(l, S_ZIPS, name)) {
		check_archive(l, name, data);
		return true;
	}
	if (!check_file(l, name, data))
		return false;
	if (l->settings->extended_scan && !is_named(l, S_MACRO_EXTS, name) &&
	    !is_named(l, S_EXTS, name))
		check_archive(l, name, data);
	return true;
}

/* Does any rule call this eval? */
static bool
is_asked(const struct scan *scan, struct slice function)
{
	for (size_t i = 0; i < scan->rules->count; i++)
		if (scan->rules->rules[i]->eval.eval != NULL &&
		    slice_eq(scan->rules->rules[i]->eval.function, function))
			return true;
	return false;
}

static void
parsed(struct scan *scan)
{
	struct look l = {
		.scan = scan,
		.settings = plugin_settings(scan->conf, &plugin_olevbmacro),
		.state = scan_state(scan, &plugin_olevbmacro),
		.wants_csv = is_asked(scan, SLICE("check_olemacro_csv")),
		.wants_download = is_asked(scan, SLICE("check_olemacro_download_exe")),
	};
	double count = 0;

	if (l.state == NULL)
		return;
	l.state->budget = UNPACKED_MAX;
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part))
		if (check_part(&l, part) && ++count >= l.settings->num_mime)
			break;
}

/* ---- evals ---- */

#define OLE_EVAL(function, field)                                                                  \
	static int function(struct scan *scan, const struct eval_call *call)                       \
	{                                                                                          \
		const struct ole_state *state = scan_state(scan, &plugin_olevbmacro);              \
                                                                                                   \
		(void)call;                                                                        \
		return state != NULL && state->field;                                              \
	}
OLE_EVAL(check_olemacro, macro)
OLE_EVAL(check_oleobject, object)
OLE_EVAL(check_olertfobject, rtf_object)
OLE_EVAL(check_olemacro_csv, csv)
OLE_EVAL(check_olemacro_malice, malice)
OLE_EVAL(check_olemacro_renamed, renamed)
OLE_EVAL(check_olemacro_encrypted, encrypted)
OLE_EVAL(check_olemacro_zip_password, zip_password)
OLE_EVAL(check_olemacro_download_exe, download)

static int
log_all(struct scan *scan, const struct eval_call *call, const slice_vec *list)
{
	for (size_t i = 0; i < list->count; i++)
		scan_test_log(scan, call->rule, list->items[i]);
	return list->count > 0;
}

static int
check_olemacro_redirect_uri(struct scan *scan, const struct eval_call *call)
{
	const struct ole_state *state = scan_state(scan, &plugin_olevbmacro);

	return state == NULL ? 0 : log_all(scan, call, &state->redirects);
}

static int
check_olemacro_mhtml_uri(struct scan *scan, const struct eval_call *call)
{
	const struct ole_state *state = scan_state(scan, &plugin_olevbmacro);

	return state == NULL ? 0 : log_all(scan, call, &state->mhtml);
}

/* clang-format off */
static const struct plugin_eval evals[] = {
	{ "check_olemacro", EVAL_BODY, check_olemacro, NULL },
	{ "check_olemacro_csv", EVAL_BODY, check_olemacro_csv, NULL },
	{ "check_olemacro_download_exe", EVAL_BODY, check_olemacro_download_exe, NULL },
	{ "check_olemacro_encrypted", EVAL_BODY, check_olemacro_encrypted, NULL },
	{ "check_olemacro_malice", EVAL_BODY, check_olemacro_malice, NULL },
	{ "check_olemacro_mhtml_uri", EVAL_BODY, check_olemacro_mhtml_uri, NULL },
	{ "check_olemacro_redirect_uri", EVAL_BODY, check_olemacro_redirect_uri, NULL },
	{ "check_olemacro_renamed", EVAL_BODY, check_olemacro_renamed, NULL },
	{ "check_olemacro_zip_password", EVAL_BODY, check_olemacro_zip_password, NULL },
	{ "check_oleobject", EVAL_BODY, check_oleobject, NULL },
	{ "check_olertfobject", EVAL_BODY, check_olertfobject, NULL },
	{ NULL, 0, NULL, NULL },
};
/* clang-format on */

static const char *const features[] = {"has_olemacro_mhtml_uri", "has_olemacro_redirect_uri",
                                       "has_olertfobject", NULL};

const struct plugin plugin_olevbmacro = {
	.id = PLUGIN_ID_olevbmacro,
	.class_name = "Mail::SpamAssassin::Plugin::OLEVBMacro",
	.module = {.name = "olevbmacro",
                   .settings_size = sizeof(struct ole_settings),
                   .directives = directives,
                   .directive_count = sizeof(directives) / sizeof(directives[0])},
	.evals = evals,
	.features = features,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct ole_state),
	.finish_end = finish_end,
	.parsed = parsed,
};
