#include "rules/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 0
#include <locale.h>
#include <pcre2.h>
#include <stdlib.h>

#include "rules/automaton.h"
#include "rules/pattern.h"
#include "util/utf8.h"
#include "util/strbuf.h"

enum {
	LIMIT_MATCH = 10000000,
	LIMIT_DEPTH = 10000000,
	LIMIT_HEAP_KIB = 20000,
	JIT_STACK_START = 32 * 1024,
	JIT_STACK_MAX = 4 * 1024 * 1024,
	PAIRS_AT_FIRST = 32,
	PCRE2_TOO_LARGE = 120 /* "regular expression is too large": more than 64 KB of code */
};

/* What changes when the pattern is first used; the rest of struct regex is constant. */
struct regex_code {
	pcre2_code_8 *code;
	pcre2_code_32 *wide; /* instead, when the pattern is too large for 16-bit links */
	bool failed;
	bool has_jit; /* of code */
};

struct regex {
	struct slice text;
	struct regex_code *code;
	struct pattern_name *names;
	size_t name_count;
	struct slice *templates;
	size_t template_count;
	struct automaton *guard; /* of templates: any text in their place */
	unsigned groups;
	unsigned least; /* bytes of its shortest match: a shorter text needs no PCRE2 */
	bool sets_tags;
	bool is_brief; /* lives for one message: machine code would cost more than it saves */
	bool characters;
};

struct regex_scratch {
	pcre2_match_data_8 *data;
	pcre2_match_context_8 *context;
	pcre2_jit_stack_8 *stack;
	/* Made when a wide pattern is first run. */
	pcre2_match_data_32 *wide_data;
	pcre2_match_context_32 *wide_context;
	pcre2_jit_stack_32 *wide_stack;
	uint32_t *wide_subject;
	size_t wide_size;
	uint32_t match;
	uint32_t depth;
	uint32_t heap_kib;
	uint32_t pairs;
	uint32_t wide_pairs;
	bool last_wide;
	int last_rc;
};

/* ---- making ---- */

static void
free_code(void *data)
{
	struct regex_code *code = data;

	pcre2_code_free_8(code->code);
	pcre2_code_free_32(code->wide);
	code->code = NULL;
	code->wide = NULL;
}

static bool
copy_pattern(struct regex *regex, struct arena *arena, const struct pattern *pattern)
{
	unsigned most;

	if (!pattern->needs_pcre2)
		pattern_width(pattern, pattern->root, &regex->least, &most);
	regex->groups = pattern->groups;
	regex->name_count = pattern->names.count;
	regex->names = arena_new_array(arena, struct pattern_name, pattern->names.count + 1);
	if (regex->names == NULL)
		return false;
	for (size_t i = 0; i < pattern->names.count; i++) {
		regex->names[i].group = pattern->names.items[i].group;
		regex->names[i].name = arena_dup(arena, pattern->names.items[i].name);
		if (regex->names[i].name.data == NULL)
			return false;
		regex->sets_tags |= byte_is_upper(regex->names[i].name.data[0]);
	}
	return true;
}

/* Is the end of `text` inside of [..]? */
static bool
ends_in_class(struct slice text)
{
	size_t open = slice_rfind_byte(text, '['), close = slice_rfind_byte(text, ']');

	return open != SLICE_NPOS && (close == SLICE_NPOS || close < open);
}

/*
 * The pattern with any text in place of its templates, as an automaton: what it refuses no value
 * can make match.  NULL: cannot be told.
 */
static struct automaton *
make_guard(struct arena *arena, struct arena *temporary, struct slice text)
{
	struct strbuf buf;
	struct pattern *pattern;
	size_t done = 0, at = 0;

	/* A bracket as the first member of a class would be taken for its end. */
	if (slice_find(text, SLICE("[]"), 0) != SLICE_NPOS ||
	    slice_find(text, SLICE("[^]"), 0) != SLICE_NPOS)
		return NULL;
	strbuf_init(&buf, temporary, 0);
	while ((at = slice_find(text, SLICE("%\\{"), at)) != SLICE_NPOS) {
		size_t end = slice_find(text, SLICE("\\}"), at);

		if (end == SLICE_NPOS || ends_in_class(slice_sub(text, 0, at)))
			return NULL;
		strbuf_add(&buf, slice_sub(text, done, at - done));
		strbuf_add(&buf, SLICE("(?:[\\s\\S]*)"));
		done = at = end + 2;
	}
	strbuf_add(&buf, slice_from(text, done));
	if (strbuf_is_bad(&buf))
		return NULL;
	pattern = pattern_parse(temporary, strbuf_slice(&buf), NULL);
	return pattern == NULL ? NULL : automaton_create(arena, pattern);
}

/* ---- patterns known from before ---- */

struct known_regex {
	struct blob_key key; /* of the text */
	uint64_t groups;
};

struct regex_memory {
	struct arena *arena;
	const struct known_regex *known; /* sorted */
	size_t known_count;
	VEC(struct known_regex) good;
};

void
regex_identity(struct blob_hash *hash)
{
	char version[64] = "";

	blob_hash_number(hash, sizeof(struct known_regex));
	(void)pcre2_config_8(PCRE2_CONFIG_VERSION, version);
	blob_hash_add(hash, slice_from_cstr(version));
}

static struct blob_key
memory_key(void)
{
	struct blob_hash hash;

	blob_hash_init(&hash);
	blob_hash_add(&hash, SLICE("regexes"));
	return blob_hash_finish(&hash);
}

struct regex_memory *
regex_memory_create(struct arena *arena, const struct blob_file *file)
{
	struct regex_memory *memory = arena_new(arena, struct regex_memory);
	struct slice blob = file == NULL ? SLICE_NULL : blob_file_find(file, memory_key());

	if (memory == NULL)
		return NULL;
	memory->arena = arena;
	memory->known_count = blob.len / sizeof(*memory->known);
	memory->known = blob_array(blob, 0, memory->known_count, sizeof(*memory->known));
	return memory;
}

size_t
regex_memory_count(const struct regex_memory *memory)
{
	return memory->known_count;
}

static int
compare_known(const void *a, const void *b)
{
	return blob_key_compare(&((const struct known_regex *)a)->key,
	                        &((const struct known_regex *)b)->key);
}

bool
regex_memory_save(const struct regex_memory *memory, struct blob_writer *writer)
{
	struct blob_out out;

	if (memory->good.count > 0)
		qsort(memory->good.items, memory->good.count, sizeof(*memory->good.items),
		      compare_known);
	blob_out_init(&out, memory->arena);
	(void)blob_out_add(&out, memory->good.items, memory->good.count,
	                   sizeof(*memory->good.items));
	return blob_writer_add(writer, memory_key(), &out);
}

static struct known_regex
known_of(const struct regex *regex)
{
	struct blob_hash hash;

	blob_hash_init(&hash);
	blob_hash_add(&hash, regex->text);
	return (struct known_regex){blob_hash_finish(&hash), regex->groups};
}

static bool
recall(const struct regex_memory *memory, struct regex *regex)
{
	struct known_regex want;
	const struct known_regex *known;

	if (memory == NULL || memory->known_count == 0 || regex->template_count > 0)
		return false;
	want = known_of(regex);
	known = bsearch(&want, memory->known, memory->known_count, sizeof(*known), compare_known);
	if (known == NULL)
		return false;
	regex->groups = (unsigned)known->groups;
	return true;
}

static void
remember(struct regex_memory *memory, const struct regex *regex)
{
	if (memory != NULL && regex->template_count == 0 && regex->name_count == 0)
		(void)vec_push(memory->arena, &memory->good, known_of(regex));
}

/* Everything but what the pattern itself has to say. */
static struct regex *
regex_begin(struct arena *arena, struct slice text, unsigned flags)
{
	struct regex *regex = arena_new(arena, struct regex);
	slice_vec names = {0};

	if (regex == NULL)
		return NULL;
	regex->text = arena_dup(arena, text);
	regex->characters = (flags & REGEX_CHARACTERS) != 0;
	if ((flags & REGEX_TEMPLATES) != 0 && regex->text.data != NULL &&
	    !pattern_mark_templates(arena, regex->text, &regex->text, &names))
		return NULL;
	regex->templates = names.items;
	regex->template_count = names.count;
	regex->code = arena_new(arena, struct regex_code);
	if (regex->text.data == NULL || regex->code == NULL ||
	    !arena_on_reset(arena, free_code, regex->code))
		return NULL;
	return regex;
}

static enum status
regex_parse(struct regex *regex, struct arena *arena, struct error *error)
{
	struct arena *temporary = arena_create(0);
	struct pattern *pattern;
	enum status status = STATUS_OK;

	if (temporary == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for regexp");
	pattern = pattern_parse(temporary, regex->text, error);
	if (pattern == NULL)
		status = STATUS_BAD;
	else if (!copy_pattern(regex, arena, pattern))
		status = error_set(error, STATUS_LIMIT, "no memory for regexp");
	else if (regex->template_count > 0)
		regex->guard = make_guard(arena, temporary, regex->text);
	arena_destroy(&temporary);
	return status;
}

struct regex *
regex_create(struct arena *arena, struct slice text, unsigned flags, struct error *error)
{
	return regex_create_known(NULL, arena, text, flags, error);
}

struct regex *
regex_create_known(struct regex_memory *memory, struct arena *arena, struct slice text,
                   unsigned flags, struct error *error)
{
	struct regex *regex = regex_begin(arena, text, flags);

	if (regex == NULL) {
		error_set(error, STATUS_LIMIT, "no memory for regexp");
		return NULL;
	}
	if (!recall(memory, regex)) {
		if (regex_parse(regex, arena, error) != STATUS_OK)
			return NULL;
		remember(memory, regex);
	}
	if ((flags & REGEX_EAGER) != 0 && regex_compile(regex, error) != STATUS_OK)
		return NULL;
	return regex;
}

struct regex *
regex_create_rule(struct arena *arena, struct slice text, unsigned flags, struct error *error)
{
	return regex_create_rule_known(NULL, arena, text, flags, error);
}

struct regex *
regex_create_rule_known(struct regex_memory *memory, struct arena *arena, struct slice text,
                        unsigned flags, struct error *error)
{
	struct slice bare;

	if (pattern_split_rule(arena, text, (flags & REGEX_BARE_ALLOWED) != 0,
	                       (flags & REGEX_REFUSE_ALWAYS) != 0, &bare, error) != STATUS_OK)
		return NULL;
	return regex_create_known(memory, arena, bare, flags, error);
}

/*
 * PCRE2's character tables with the 30 Latin-1 letter pairs: lower case first, then flipped case.
 * Made once per process and never changed after: PCRE2 code points into it.
 */
static const uint8_t *
case_tables(void)
{
	static const uint8_t *made;
	locale_t c = (locale_t)0, old;
	uint8_t *tables;

	if (made != NULL)
		return made;
	c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	if (c == (locale_t)0)
		return NULL;
	old = uselocale(c);
	/* The layout of both widths is the same. */
	tables = (uint8_t *)(uintptr_t)pcre2_maketables_8(NULL);
	uselocale(old);
	freelocale(c);
	if (tables == NULL)
		return NULL;
	for (unsigned i = 0xc0; i < 0x100; i++) {
		unsigned char other = byte_other_case((unsigned char)i, BYTE_AA);
		tables[i] = i < 0xe0 ? other : (uint8_t)i;
		tables[256 + i] = other;
	}
	made = tables;
	return made;
}

static enum status
compile_wide(const struct regex *regex, struct slice text, struct error *error)
{
	pcre2_compile_context_32 *context = pcre2_compile_context_create_32(NULL);
	uint32_t *wide = malloc((text.len + 1) * sizeof(*wide));
	int code = 0;
	PCRE2_SIZE at = 0;

	if (wide != NULL && context != NULL) {
		for (size_t i = 0; i < text.len; i++)
			wide[i] = text.data[i];
		pcre2_set_character_tables_32(context, case_tables());
		pcre2_set_newline_32(context, PCRE2_NEWLINE_LF);
		regex->code->wide = pcre2_compile_32(
			wide, text.len, PCRE2_DOTALL | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &code,
			&at, context);
	}
	free(wide);
	pcre2_compile_context_free_32(context);
	if (regex->code->wide == NULL)
		return error_set(error, STATUS_BAD, "PCRE2 cannot compile this regexp (error %d)",
		                 code);
	/* No JIT is no error: the interpreter takes over. */
	if (!regex->is_brief)
		(void)pcre2_jit_compile_32(regex->code->wide, PCRE2_JIT_COMPLETE);
	return STATUS_OK;
}

static enum status
compile_text(const struct regex *regex, struct slice text, struct error *error)
{
	pcre2_compile_context_8 *context = pcre2_compile_context_create_8(NULL);
	const uint8_t *tables = case_tables();
	int code = 0;
	PCRE2_SIZE at = 0;
	PCRE2_UCHAR8 words[200] = "";

	if (regex->characters && tables != NULL) {
		pcre2_compile_context_free_8(context);
		return compile_wide(regex, text, error);
	}
	if (context == NULL || tables == NULL) {
		pcre2_compile_context_free_8(context);
		return error_set(error, STATUS_LIMIT, "no memory for regexp");
	}
	pcre2_set_character_tables_8(context, tables);
	pcre2_set_newline_8(context, PCRE2_NEWLINE_LF);
	regex->code->code = pcre2_compile_8(text.data, text.len,
	                                    PCRE2_DOTALL | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP, &code,
	                                    &at, context);
	pcre2_compile_context_free_8(context);
	if (regex->code->code == NULL && code == PCRE2_TOO_LARGE)
		return compile_wide(regex, text, error);
	if (regex->code->code == NULL) {
		(void)pcre2_get_error_message_8(code, words, sizeof(words));
		return error_set(error, STATUS_BAD, "PCRE2 cannot compile this regexp: %s",
		                 (const char *)words);
	}
	if (!regex->is_brief)
		regex->code->has_jit =
			pcre2_jit_compile_8(regex->code->code, PCRE2_JIT_COMPLETE) == 0;
	return STATUS_OK;
}

enum status
regex_compile(const struct regex *regex, struct error *error)
{
	struct arena *temporary;
	struct pattern *pattern;
	struct slice text;
	enum status status = STATUS_LIMIT;

	if (regex->code->code != NULL || regex->code->wide != NULL)
		return STATUS_OK;
	temporary = arena_create(0);
	if (temporary == NULL)
		return error_set(error, STATUS_LIMIT, "no memory for regexp");
	pattern = pattern_parse(temporary, regex->text, error);
	if (pattern != NULL) {
		status = pattern_emit(pattern, temporary, &text, error);
		if (status == STATUS_OK)
			status = compile_text(regex, text, error);
	}
	arena_destroy(&temporary);
	regex->code->failed = status != STATUS_OK;
	return status;
}

struct slice
regex_text(const struct regex *regex)
{
	return regex->text;
}

unsigned
regex_group_count(const struct regex *regex)
{
	return regex->groups;
}

size_t
regex_name_count(const struct regex *regex)
{
	return regex->name_count;
}

struct slice
regex_name(const struct regex *regex, size_t index, unsigned *group_r)
{
	if (group_r != NULL)
		*group_r = regex->names[index].group;
	return regex->names[index].name;
}

bool
regex_sets_tags(const struct regex *regex)
{
	return regex->sets_tags;
}

/* ---- templates ---- */

size_t
regex_template_count(const struct regex *regex)
{
	return regex->template_count;
}

struct slice
regex_template(const struct regex *regex, size_t index)
{
	return regex->templates[index];
}

static void
add_quoted(struct strbuf *buf, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!byte_is_word(text.data[i]))
			strbuf_add_byte(buf, '\\');
		strbuf_add_byte(buf, text.data[i]);
	}
}

struct slice
regex_quote(struct arena *arena, struct slice text)
{
	struct strbuf buf;

	strbuf_init(&buf, arena, 0);
	add_quoted(&buf, text);
	return strbuf_is_bad(&buf) ? SLICE_NULL : strbuf_slice(&buf);
}

/* Replaces every %\{name\} by the alternatives. */
static struct slice
fill_template(struct arena *arena, struct slice text, struct slice name, const struct slice *values,
              size_t count)
{
	struct strbuf key, buf;
	size_t done = 0, at = 0;

	strbuf_init(&key, arena, 0);
	strbuf_add(&key, SLICE("%\\{"));
	strbuf_add(&key, name);
	strbuf_add(&key, SLICE("\\}"));
	strbuf_init(&buf, arena, 0);
	if (strbuf_is_bad(&key))
		return SLICE_NULL;
	while ((at = slice_find(text, strbuf_slice(&key), at)) != SLICE_NPOS) {
		if (at > 0 && text.data[at - 1] == '\\') {
			at++;
			continue;
		}
		strbuf_add(&buf, slice_sub(text, done, at - done));
		strbuf_add(&buf, SLICE("(?:"));
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				strbuf_add_byte(&buf, '|');
			add_quoted(&buf, values[i]);
		}
		strbuf_add_byte(&buf, ')');
		done = at = at + key.len;
	}
	strbuf_add(&buf, slice_from(text, done));
	return strbuf_is_bad(&buf) ? SLICE_NULL : strbuf_slice(&buf);
}

enum status
regex_instantiate(const struct regex *regex, struct arena *arena, regex_values_fn values, void *ctx,
                  struct regex **regex_r, struct error *error)
{
	struct slice text = regex->text;

	for (size_t i = 0; i < regex->template_count; i++) {
		const struct slice *list = NULL;
		size_t count = values(ctx, regex->templates[i], &list);

		if (count == 0)
			return STATUS_NONE;
		text = fill_template(arena, text, regex->templates[i], list, count);
		if (text.data == NULL)
			return error_set(error, STATUS_LIMIT, "no memory for regexp template");
	}
	*regex_r = regex_create(arena, text, 0, error);
	if (*regex_r == NULL)
		return STATUS_BAD;
	(*regex_r)->is_brief = true;
	return STATUS_OK;
}

bool
regex_has_values(const struct regex *regex, regex_values_fn values, void *ctx)
{
	const struct slice *list;

	for (size_t i = 0; i < regex->template_count; i++)
		if (values(ctx, regex->templates[i], &list) == 0)
			return false;
	return true;
}

const struct automaton *
regex_guard(const struct regex *regex)
{
	return regex->guard;
}

/* ---- matching ---- */

struct regex_scratch *
regex_scratch_create(void)
{
	struct regex_scratch *scratch = calloc(1, sizeof(*scratch));

	if (scratch == NULL)
		return NULL;
	scratch->context = pcre2_match_context_create_8(NULL);
	scratch->stack = pcre2_jit_stack_create_8(JIT_STACK_START, JIT_STACK_MAX, NULL);
	scratch->pairs = PAIRS_AT_FIRST;
	scratch->data = pcre2_match_data_create_8(scratch->pairs, NULL);
	if (scratch->context == NULL || scratch->data == NULL) {
		regex_scratch_destroy(&scratch);
		return NULL;
	}
	if (scratch->stack != NULL)
		pcre2_jit_stack_assign_8(scratch->context, NULL, scratch->stack);
	regex_scratch_set_limits(scratch, 0, 0, 0);
	return scratch;
}

void
regex_scratch_destroy(struct regex_scratch **scratch)
{
	struct regex_scratch *s = *scratch;

	if (s == NULL)
		return;
	pcre2_match_data_free_8(s->data);
	pcre2_match_context_free_8(s->context);
	pcre2_jit_stack_free_8(s->stack);
	pcre2_match_data_free_32(s->wide_data);
	pcre2_match_context_free_32(s->wide_context);
	pcre2_jit_stack_free_32(s->wide_stack);
	free(s->wide_subject);
	free(s);
	*scratch = NULL;
}

void
regex_scratch_set_limits(struct regex_scratch *scratch, uint32_t match, uint32_t depth,
                         uint32_t heap_kib)
{
	scratch->match = match != 0 ? match : LIMIT_MATCH;
	scratch->depth = depth != 0 ? depth : LIMIT_DEPTH;
	scratch->heap_kib = heap_kib != 0 ? heap_kib : LIMIT_HEAP_KIB;
	pcre2_set_match_limit_8(scratch->context, scratch->match);
	pcre2_set_depth_limit_8(scratch->context, scratch->depth);
	pcre2_set_heap_limit_8(scratch->context, scratch->heap_kib);
	if (scratch->wide_context == NULL)
		return;
	pcre2_set_match_limit_32(scratch->wide_context, scratch->match);
	pcre2_set_depth_limit_32(scratch->wide_context, scratch->depth);
	pcre2_set_heap_limit_32(scratch->wide_context, scratch->heap_kib);
}

static enum regex_result
result_of(struct regex_scratch *scratch, int rc, bool wide)
{
	scratch->last_rc = rc;
	scratch->last_wide = wide;
	if (rc >= 0)
		return REGEX_HIT;
	return rc == PCRE2_ERROR_NOMATCH ? REGEX_MISS : REGEX_LIMIT;
}

static bool
prepare_wide(struct regex_scratch *scratch, size_t len, uint32_t pairs)
{
	if (scratch->wide_context == NULL) {
		scratch->wide_context = pcre2_match_context_create_32(NULL);
		scratch->wide_stack =
			pcre2_jit_stack_create_32(JIT_STACK_START, JIT_STACK_MAX, NULL);
		if (scratch->wide_context == NULL)
			return false;
		if (scratch->wide_stack != NULL)
			pcre2_jit_stack_assign_32(scratch->wide_context, NULL, scratch->wide_stack);
		regex_scratch_set_limits(scratch, scratch->match, scratch->depth,
		                         scratch->heap_kib);
	}
	if (scratch->wide_pairs < pairs) {
		pcre2_match_data_free_32(scratch->wide_data);
		scratch->wide_data = pcre2_match_data_create_32(pairs, NULL);
		scratch->wide_pairs = scratch->wide_data == NULL ? 0 : pairs;
	}
	if (scratch->wide_size < len + 1) {
		free(scratch->wide_subject);
		scratch->wide_size = len * 2 + 256;
		scratch->wide_subject = malloc(scratch->wide_size * sizeof(uint32_t));
	}
	if (scratch->wide_subject == NULL || scratch->wide_data == NULL) {
		scratch->wide_size = scratch->wide_subject == NULL ? 0 : scratch->wide_size;
		return false;
	}
	return true;
}

static enum regex_result
run_wide(const struct regex *regex, struct regex_scratch *scratch, size_t len, size_t start,
         uint32_t options)
{
	int rc = pcre2_match_32(regex->code->wide, scratch->wide_subject, len, start, options,
	                        scratch->wide_data, scratch->wide_context);

	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match_32(regex->code->wide, scratch->wide_subject, len, start,
		                    options | PCRE2_NO_JIT, scratch->wide_data,
		                    scratch->wide_context);
	return result_of(scratch, rc, true);
}

static enum regex_result
match_wide(const struct regex *regex, struct regex_scratch *scratch, struct slice subject,
           size_t start, uint32_t options)
{
	if (!prepare_wide(scratch, subject.len, regex->groups + 1))
		return REGEX_LIMIT;
	for (size_t i = 0; i < subject.len; i++)
		scratch->wide_subject[i] = subject.data[i];
	return run_wide(regex, scratch, subject.len, start, options);
}

enum regex_result
regex_match(const struct regex *regex, struct regex_scratch *scratch, struct slice subject,
            size_t start, unsigned flags)
{
	uint32_t options = (flags & REGEX_NOT_EMPTY_AT_START) != 0 ? PCRE2_NOTEMPTY_ATSTART : 0;
	const struct regex_code *code = regex->code;
	const unsigned char *data = subject.data != NULL ? subject.data : (const unsigned char *)"";
	int rc;

	if (start > subject.len || subject.len - start < regex->least)
		return REGEX_MISS;
	if (code->code == NULL && code->wide == NULL &&
	    (code->failed || regex_compile(regex, NULL) != STATUS_OK))
		return REGEX_LIMIT;
	if (code->wide != NULL)
		return match_wide(regex, scratch, subject, start, options);
	if (regex->groups >= scratch->pairs) {
		pcre2_match_data_8 *more = pcre2_match_data_create_8(regex->groups + 1, NULL);
		if (more == NULL)
			return REGEX_LIMIT;
		pcre2_match_data_free_8(scratch->data);
		scratch->data = more;
		scratch->pairs = regex->groups + 1;
	}
	if (code->has_jit) /* the same without the checks of its arguments */
		rc = pcre2_jit_match_8(code->code, data, subject.len, start, options, scratch->data,
		                       scratch->context);
	else
		rc = pcre2_match_8(code->code, data, subject.len, start, options, scratch->data,
		                   scratch->context);
	if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
		rc = pcre2_match_8(code->code, data, subject.len, start, options | PCRE2_NO_JIT,
		                   scratch->data, scratch->context);
	return result_of(scratch, rc, false);
}

struct regex_span
regex_span(const struct regex_scratch *scratch, unsigned group)
{
	const PCRE2_SIZE *offsets = scratch->last_wide
	                                    ? pcre2_get_ovector_pointer_32(scratch->wide_data)
	                                    : pcre2_get_ovector_pointer_8(scratch->data);

	if (scratch->last_rc <= 0 || group >= (unsigned)scratch->last_rc ||
	    offsets[2 * group] == PCRE2_UNSET)
		return (struct regex_span){SLICE_NPOS, SLICE_NPOS};
	return (struct regex_span){offsets[2 * group], offsets[2 * group + 1]};
}

bool
regex_is_match(const struct regex *regex, struct regex_scratch *scratch, struct slice subject)
{
	return regex_match(regex, scratch, subject, 0, 0) == REGEX_HIT;
}

bool
regex_is_match_characters(const struct regex *regex, struct regex_scratch *scratch,
                          struct slice utf8)
{
	size_t count = 0;
	unsigned long code;

	if ((regex->code->wide == NULL &&
	     (regex->code->failed || regex_compile(regex, NULL) != STATUS_OK)) ||
	    regex->code->wide == NULL || !prepare_wide(scratch, utf8.len, regex->groups + 1))
		return false;
	for (size_t i = 0, len; i < utf8.len; i += len) {
		len = utf8_decode(utf8, i, &code);
		scratch->wide_subject[count++] = (uint32_t)code;
	}
	return run_wide(regex, scratch, count, 0, 0) == REGEX_HIT;
}

void
regex_iter_init(struct regex_iter *iter, const struct regex *regex, struct regex_scratch *scratch,
                struct slice subject)
{
	*iter = (struct regex_iter){regex, scratch, subject, 0, false};
}

enum regex_result
regex_iter_next(struct regex_iter *iter)
{
	enum regex_result result = regex_match(iter->regex, iter->scratch, iter->subject, iter->at,
	                                       iter->was_empty ? REGEX_NOT_EMPTY_AT_START : 0);
	struct regex_span span;

	if (result != REGEX_HIT)
		return result;
	span = regex_span(iter->scratch, 0);
	iter->at = span.end;
	iter->was_empty = span.start == span.end;
	return REGEX_HIT;
}
