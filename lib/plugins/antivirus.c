/*
 * antivirus.c - Mail::SpamAssassin::Plugin::AntiVirus: programs by name or first bytes
 */
#include "plugins/args.h"

enum {
	P_EXE_NAME,
	P_EXE_BASE64,
	P_EXE_UU,
	P_TEXT_NAME,
	P_TEXT_TYPE,
	P_IMAGE_NAME,
	P_IMAGE_TYPE,
	P_PROGRAM_NAME,
	P_DOC_TYPE,
	P_PPT_TYPE,
	P_XLS_TYPE,
	P_COUNT
};

static const char *const patterns[P_COUNT] = {
	[P_EXE_NAME] =
		"\\.(?:ade|adp|asx|bas|bat|chm|cmd|com|cpl|crt|dll|exe|hlp|hta|inf|ins|isp|js|jse|"
		"lnk|mda|mdb|mde|mdt|mdw|mdz|msc|msi|msp|mst|nws|ops|pcd|pif|prf|reg|scf|scr\\??|"
		"sct|shb|shs|shm|swf|url|vb|vbe|vbs|vbx|vxd|wsc|wsf|wsh)$",
	[P_EXE_BASE64] = "^TV[opqr].A..[AB].[AQgw][A-H].A",
	[P_EXE_UU] = "^M35[GHIJK].`..`..*````",
	[P_TEXT_NAME] = "^(?:txt|[px]?html?|xml)$",
	[P_TEXT_TYPE] = "^(?:text/(?:plain|[px]?html?|english|sgml|xml|enriched|richtext)|"
			"message/external-body)",
	[P_IMAGE_NAME] = "^(?:jpe?g|tiff?|gif|png)$",
	[P_IMAGE_TYPE] = "^(?:image/|application/mac-binhex)",
	[P_PROGRAM_NAME] = "^(?:bat|com|exe|pif|scr|swf|vbs)$",
	[P_DOC_TYPE] = "^application/.*word$",
	[P_PPT_TYPE] = "^application/.*(?:powerpoint|ppt)$",
	[P_XLS_TYPE] = "^application/.*excel$",
};

struct virus_state {
	bool done, executable, suspect;
};

static bool
matches(struct scan *scan, size_t pattern, struct slice text)
{
	return scan_pattern(scan, &plugin_antivirus, pattern, text);
}

static bool
has_program_line(struct scan *scan, struct slice raw, bool first_only, size_t pattern)
{
	while (raw.len > 0) {
		size_t end = slice_find_byte(raw, '\n', 0);
		struct slice line = slice_sub(raw, 0, end == SLICE_NPOS ? raw.len : end + 1);

		/* most lines cannot be it */
		if ((pattern == P_EXE_BASE64 || line.data[0] == 'M') &&
		    matches(scan, pattern, line))
			return true;
		if (first_only)
			break;
		raw = slice_from(raw, line.len);
	}
	return false;
}

/* "/x-" and "/vnd." are no part of the type. */
static struct slice
plain_type(struct arena *arena, struct slice type)
{
	size_t slash = slice_find_byte(type, '/', 0), skip = 0;

	for (; slash != SLICE_NPOS && skip == 0; slash = slice_find_byte(type, '/', slash + 1)) {
		struct slice rest = slice_from(type, slash + 1);

		skip = slice_starts(rest, SLICE("x-"))     ? 2
		       : slice_starts(rest, SLICE("vnd.")) ? 4
		                                           : 0;
		if (skip > 0)
			return arena_concat(arena, slice_sub(type, 0, slash + 1),
			                    slice_from(rest, skip));
	}
	return type;
}

static bool
is_suspect(struct scan *scan, struct slice name, struct slice type)
{
	size_t dot = slice_rfind_byte(name, '.');

	if (dot != SLICE_NPOS)
		name = slice_from(name, dot + 1);
	type = plain_type(scan->arena, type);
	return (matches(scan, P_TEXT_NAME, name) && !matches(scan, P_TEXT_TYPE, type)) ||
	       (matches(scan, P_IMAGE_NAME, name) && !matches(scan, P_IMAGE_TYPE, type)) ||
	       (slice_eq(name, SLICE("vcf")) && !slice_eq(type, SLICE("text/vcard"))) ||
	       (matches(scan, P_PROGRAM_NAME, name) &&
	        !slice_starts(type, SLICE("application/"))) ||
	       (slice_eq(name, SLICE("doc")) && !matches(scan, P_DOC_TYPE, type)) ||
	       (slice_eq(name, SLICE("ppt")) && !matches(scan, P_PPT_TYPE, type)) ||
	       (slice_eq(name, SLICE("xls")) && !matches(scan, P_XLS_TYPE, type));
}

static void
look_at(struct scan *scan, struct virus_state *state, struct part *part)
{
	struct content_type type;
	struct slice name, media;

	content_type_parse(scan->arena, header_list_last(&part->headers, SLICE("content-type")),
	                   &type);
	name = type.name.data == NULL ? SLICE("") : arena_dup_lower(scan->arena, type.name);
	media = arena_dup_lower(scan->arena, type.type);
	if (perl_is_false(name))
		name = SLICE("");
	if (name.len > 0 && matches(scan, P_EXE_NAME, name))
		state->executable = true;
	else if (slice_find(part->cte, SLICE("base64"), 0) != SLICE_NPOS &&
	         has_program_line(scan, part->raw, true, P_EXE_BASE64))
		state->executable = true;
	else if (slice_starts(media, SLICE("text")) &&
	         (media.len == 4 || !byte_is_word(media.data[4])) &&
	         has_program_line(scan, part->raw, false, P_EXE_UU))
		state->executable = true;
	if (name.len > 0 && !slice_eq(media, SLICE("application/octet-stream")) &&
	    is_suspect(scan, name, media))
		state->suspect = true;
}

static const struct virus_state *
attachments(struct scan *scan)
{
	struct virus_state *state = scan_state(scan, &plugin_antivirus);

	if (state == NULL || state->done)
		return state;
	state->done = true;
	for (struct part *part = message_leaf_next(scan->message, NULL); part != NULL;
	     part = message_leaf_next(scan->message, part))
		look_at(scan, state, part);
	return state;
}

static int
check_microsoft_executable(struct scan *scan, const struct eval_call *call)
{
	const struct virus_state *state = attachments(scan);

	(void)call;
	return state != NULL && state->executable;
}

static int
check_suspect_name(struct scan *scan, const struct eval_call *call)
{
	const struct virus_state *state = attachments(scan);

	(void)call;
	return state != NULL && state->suspect;
}

static const struct plugin_eval evals[] = {
	{"check_microsoft_executable", EVAL_BODY, check_microsoft_executable, NULL},
	{"check_suspect_name", EVAL_BODY, check_suspect_name, NULL},
	{NULL, 0, NULL, NULL},
};

const struct plugin plugin_antivirus = {
	.id = PLUGIN_ID_antivirus,
	.class_name = "Mail::SpamAssassin::Plugin::AntiVirus",
	.module = {.name = "antivirus"},
	.evals = evals,
	.patterns = patterns,
	.pattern_count = P_COUNT,
	.state_size = sizeof(struct virus_state),
};
