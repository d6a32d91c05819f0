/*
 * public_suffix.c - where a registry ends and an organisation begins
 */
#include "auth/public_suffix.h"

#include <idn2.h>

#include "net/addr.h"
#include "util/file.h"

enum {
	LIST_BYTES_MAX = 16 << 20,
	LABELS_MAX = 128, /* a name of 253 bytes has no more */
	LABEL_BYTES_MAX = 63
};

struct public_suffixes {
	struct hashmap names;
};

struct public_suffixes *
public_suffixes_create(struct arena *arena, struct slice text)
{
	struct public_suffixes *list = arena_new(arena, struct public_suffixes);
	struct slice line;

	if (list == NULL)
		return NULL;
	hashmap_init(&list->names, arena);
	while (slice_next_line(&text, &line)) {
		if (line.data[line.len - 1] == '\n')
			line.len--;
		if (line.len == 0 || line.data[0] == '/' || byte_is_space(line.data[0]))
			continue;
		if (!hashmap_set(&list->names, line, list))
			return NULL;
	}
	return list;
}

enum status
public_suffixes_load(struct arena *arena, const char *const *paths, struct public_suffixes **list_r,
                     struct error *error)
{
	struct slice text;
	enum status status = STATUS_NONE;

	for (; *paths != NULL && status != STATUS_OK; paths++)
		status = file_read(arena, *paths, LIST_BYTES_MAX, &text, error);
	if (status != STATUS_OK)
		return status;
	*list_r = public_suffixes_create(arena, text);
	return *list_r != NULL ? STATUS_OK : STATUS_LIMIT;
}

/* The list has names of other scripts in UTF-8, DNS has them as xn--. */
static struct slice
to_unicode(struct arena *arena, struct slice name)
{
	char *text, *unicode;
	struct slice result = name;

	if (slice_find(name, SLICE("xn--"), 0) == SLICE_NPOS ||
	    (text = arena_cstr(arena, name)) == NULL)
		return name;
	if (idn2_to_unicode_8z8z(text, &unicode, 0) != IDN2_OK)
		return name;
	result = arena_dup(arena, slice_from_cstr(unicode));
	idn2_free(unicode);
	return result;
}

bool
public_suffixes_has(const struct public_suffixes *list, struct arena *arena, struct slice name)
{
	size_t dot;

	name = to_unicode(arena, name);
	if (hashmap_get(&list->names, name) != NULL)
		return true;
	dot = slice_find_byte(name, '.', 0);
	if (dot == SLICE_NPOS)
		return false;
	return hashmap_get(&list->names, arena_concat(arena, SLICE("*"), slice_from(name, dot))) !=
	       NULL;
}

struct slice
public_suffixes_organization(const struct public_suffixes *list, struct arena *arena,
                             struct slice domain)
{
	struct slice name = arena_dup_lower(arena, domain);
	size_t starts[LABELS_MAX], count = 0, suffix = 0, end;

	while (name.len > 0 && name.data[name.len - 1] == '.')
		name.len--;
	end = name.len;
	for (size_t i = name.len + 1; i-- > 0 && count < LABELS_MAX;) {
		struct slice label;

		if (i > 0 && name.data[i - 1] != '.')
			continue;
		label = slice_sub(name, i, end - i);
		end = i > 0 ? i - 1 : 0;
		starts[count++] = i;
		if (label.len == 0 || slice_eq(label, SLICE("0")))
			continue;
		if (public_suffixes_has(list, arena, slice_from(name, i)))
			suffix = count;
	}
	return suffix == count ? domain : slice_from(name, starts[suffix]);
}

static bool
is_label(struct slice label)
{
	if (label.len == 0 || label.len > LABEL_BYTES_MAX || label.data[0] == '-' ||
	    label.data[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++)
		if (!byte_is_alnum(label.data[i]) && label.data[i] != '-')
			return false;
	return true;
}

/* Four numbers of an address in a row, anywhere: the expression of the reference refuses them. */
static bool
has_address(const struct slice *labels, size_t count)
{
	size_t run = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned long long number;

		run = labels[i].len <= 3 && slice_to_u64(labels[i], 255, &number) ? run + 1 : 0;
		if (run == 4)
			return true;
	}
	return false;
}

bool
public_suffixes_is_domain(const struct public_suffixes *list, struct arena *arena,
                          struct slice domain)
{
	struct slice labels[LABELS_MAX], rest = domain, label, last;
	size_t count = 0;

	if (domain.len == 0 || domain.data[domain.len - 1] == '.')
		return false;
	while (slice_next(&rest, '.', &label)) {
		if (count == LABELS_MAX || !is_label(label))
			return false;
		labels[count++] = label;
	}
	if (has_address(labels, count))
		return false;
	last = arena_dup_lower(arena, labels[count - 1]);
	if (public_suffixes_has(list, arena, last))
		return true;
	return count > 1 &&
	       public_suffixes_has(list, arena,
	                           slice_between(labels[count - 2].data,
	                                         labels[count - 1].data + labels[count - 1].len));
}
