/*
 * test_uri_vectors.c - every row of t/vectors/uris.jsonl.gz, with the tables of uris.cf
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/uri.h"
#include "t/vectors/jsonl.h"

#define PATTERNS_MAX 64

struct fixture {
	struct arena *arena;
	struct registry registry;
	struct uri_config config;
	pcre2_code *patterns[PATTERNS_MAX];
	int bad;
};

static bool
match(void *context, size_t index, struct slice uri, struct slice *target_r)
{
	const struct fixture *f = context;
	pcre2_match_data *data = pcre2_match_data_create(16, NULL);
	int rc = pcre2_match(f->patterns[index], uri.data, uri.len, 0, 0, data, NULL);

	if (rc > 1) {
		PCRE2_SIZE *o = pcre2_get_ovector_pointer(data);

		if (o[2] != PCRE2_UNSET)
			*target_r = slice_sub(uri, o[2], o[3] - o[2]);
	}
	pcre2_match_data_free(data);
	return rc > 0;
}

static void
load_line(struct fixture *f, char *line)
{
	struct slice rest = slice_trim(slice_from_cstr(line)), word, name;
	int level, error;
	PCRE2_SIZE offset;

	if (!slice_next_word(&rest, &word))
		return;
	level = slice_eq(word, SLICE("util_rb_tld"))    ? 1
	        : slice_eq(word, SLICE("util_rb_2tld")) ? 2
	        : slice_eq(word, SLICE("util_rb_3tld")) ? 3
	                                                : 0;
	while (level > 0 && slice_next_word(&rest, &name))
		assert_true(registry_add(&f->registry, level, name));
	if (slice_eq(word, SLICE("redirector_pattern"))) {
		struct slice s = slice_trim(rest);

		if (s.data[0] == 'm')
			s = slice_from(s, 1);
		s = slice_sub(s, 1, slice_rfind_byte(s, s.data[0]) - 1);
		f->patterns[f->config.redirectors.count] =
			pcre2_compile(s.data, s.len, PCRE2_CASELESS, &error, &offset, NULL);
		assert_non_null(f->patterns[f->config.redirectors.count++]);
	}
}

static void
load(struct fixture *f)
{
	FILE *in = fopen(VECTORS "/uris.cf", "r");
	char line[4096];

	assert_non_null(in);
	registry_init(&f->registry, f->arena);
	f->config.registry = &f->registry;
	f->config.redirectors.match = match;
	f->config.redirectors.context = f;
	while (fgets(line, sizeof(line), in) != NULL)
		load_line(f, line);
	fclose(in);
}

static int
compare(const void *a, const void *b)
{
	return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* The expected list is sorted. */
static bool
same(slice_vec list, const struct json *want)
{
	size_t i = 0;

	if (list.count > 0)
		qsort(list.items, list.count, sizeof(*list.items), compare);
	if (json_count(want) != list.count)
		return false;
	for (const struct json *item = want == NULL ? NULL : want->child; item != NULL;
	     item = item->next)
		if (!slice_eq(item->string, list.items[i++]))
			return false;
	return true;
}

static void
report(struct fixture *f, const char *what, struct slice text)
{
	f->bad++;
	print_message("# %s: %.*s\n", what, SLICE_FMT(text));
}

static void
check_name(struct fixture *f, struct arena *arena, const struct json *json)
{
	struct slice text = json_string(json, "text"), host = SLICE(""), domain = SLICE("");
	const struct json *want = json_get(json, "uri_to_domain");
	slice_vec uris;
	bool ok;

	if (uri_canonicalize(arena, &f->config, text, false, &uris) != STATUS_OK ||
	    !same(uris, json_get(json, "canonicalized")))
		report(f, "canonicalized", text);
	if (!slice_eq(idn_to_ascii(arena, text), json_string(json, "idn_to_ascii")))
		report(f, "idn_to_ascii", text);
	ok = registry_uri_domain(&f->registry, arena, text, &domain, &host);
	if (ok != (json_at(want, 0)->type == JSON_STRING) ||
	    (ok && (!slice_eq(domain, json_at(want, 0)->string) ||
	            !slice_eq(host, json_at(want, 1)->string))))
		report(f, "uri_to_domain", text);
	registry_split(&f->registry, arena, text, false, &host, &domain);
	want = json_get(json, "split_domain");
	if (!slice_eq(host, json_at(want, 0)->string) ||
	    !slice_eq(domain, json_at(want, 1)->string))
		report(f, "split_domain", text);
	if (registry_is_valid(&f->registry, arena, text, false) !=
	    (json_number(json, "is_domain_valid", 0) != 0))
		report(f, "is_domain_valid", text);
	if (fqdn_is_valid(arena, text, false) != (json_number(json, "is_fqdn_valid", 0) != 0))
		report(f, "is_fqdn_valid", text);
}

static bool
info_is(struct arena *arena, const struct uri_info *info, const struct json *want)
{
	const struct json *hosts = json_get(want, "hosts");
	slice_vec types = {.count = 0};

	for (unsigned bit = 0; bit < URI_TYPE_COUNT; bit++)
		if ((info->types >> bit & 1) != 0)
			(void)vec_push(arena, &types, slice_from_cstr(uri_type_name(bit)));
	for (size_t i = 0; i < info->hosts.count; i++) {
		char *host = arena_cstr(arena, info->hosts.items[i].host);

		if (!slice_eq(json_string(hosts, host), info->hosts.items[i].domain))
			return false;
	}
	return same(types, json_get(want, "types")) && json_count(hosts) == info->hosts.count &&
	       same(info->cleaned, json_get(want, "cleaned")) &&
	       same(info->domains, json_get(want, "domains"));
}

static void
check_text(struct fixture *f, struct arena *arena, const struct json *json)
{
	const struct json *want = json_get(json, "uris"), *detail = json_get(want, "detail");
	struct slice line = json_string(json, "line");
	slice_vec cleaned = {.count = 0};
	struct uri_list list;

	uri_list_init(&list, arena, &f->config);
	for (const struct json *l = json_get(json, "body")->child; l != NULL; l = l->next)
		uri_list_add_line(&list, l->string);
	for (size_t i = 0; i < list.cleaned.count; i++)
		(void)vec_push(arena, &cleaned, list.cleaned.entries[i].key);
	if (!same(cleaned, json_get(want, "list")) ||
	    list.truncated != (json_number(want, "truncated", 0) != 0))
		report(f, "list", line);
	if (json_count(detail) != list.uris.count)
		report(f, "number of URIs", line);
	for (size_t i = 0; i < list.uris.count; i++) {
		const struct uri_info *info = list.uris.items[i];
		const struct json *one = json_get(detail, arena_cstr(arena, info->raw));

		if (one == NULL || !info_is(arena, info, one))
			report(f, "detail", info->raw);
	}
}

static void
check_row(struct arena *arena, const struct json *json, void *ctx)
{
	if (slice_eq(json_string(json, "kind"), SLICE("name")))
		check_name(ctx, arena, json);
	else
		check_text(ctx, arena, json);
}

static void
test_vectors(void **state)
{
	struct fixture f = {.arena = arena_create(0)};
	int rows;

	(void)state;
	load(&f);
	rows = jsonl_each(VECTORS "/uris.jsonl.gz", check_row, &f);
	assert_true(rows > 0);
	print_message("# %d rows, %d bad\n", rows, f.bad);
	for (size_t i = 0; i < f.config.redirectors.count; i++)
		pcre2_code_free(f.patterns[i]);
	arena_destroy(&f.arena);
	assert_int_equal(f.bad, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
