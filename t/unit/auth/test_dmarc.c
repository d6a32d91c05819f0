/*
 * test_dmarc.c - organisational domains, policies as text, verdicts
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/dmarc.h"
#include "t/unit/auth/zone_client.h"

static const char list_text[] = "// a comment\n"
				"\n"
				"com\n"
				"org\n"
				"uk\n"
				"co.uk\n"
				"*.ck\n"
				"!www.ck\n"
				"xn--nope\n"
				"\xe5\x85\xac\xe5\x8f\xb8.cn\n"
				"cn\n"
				"blogspot.com\n";

struct domain_row {
	const char *domain, *organization;
	bool is_domain;
};

/* What Mail::DMARC 1.20211209 says with this list. */
static void
organizations(void **state)
{
	static const struct domain_row rows[] = {
		{"example.com", "example.com", true},
		{"a.b.Example.COM", "example.com", true},
		{"com", "com", true},
		{"a.example.co.uk", "example.co.uk", true},
		{"co.uk", "co.uk", true},
		{"x.y.blogspot.com", "y.blogspot.com", true},
		{"www.ck", "www.ck", true},
		{"a.www.ck", "a.www.ck", true},
		{"b.a.www.ck", "a.www.ck", true},
		{"a.example.test", "test", false},
		{"example.test", "test", false},
		{"a.xn--55qx5d.cn", "a.xn--55qx5d.cn", true},
		{"b.a.xn--55qx5d.cn", "a.xn--55qx5d.cn", true},
		{"example.com.", "example.com", false},
		{"a_b.com", "a_b.com", false},
		{"-a.com", "-a.com", false},
		{"1.2.3.4.com", "4.com", false},
		{"0.com", "0.com", true},
		{"a..com", ".com", false},
		{"", "", false},
	};
	struct arena *arena = arena_create(0);
	struct public_suffixes *list =
		public_suffixes_create(arena, slice_of(list_text, sizeof(list_text) - 1));
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice domain = slice_from_cstr(rows[i].domain);
		struct slice found = public_suffixes_organization(list, arena, domain);
		bool is_domain = public_suffixes_is_domain(list, arena, domain);

		if (!slice_eq(found, slice_from_cstr(rows[i].organization)) ||
		    is_domain != rows[i].is_domain) {
			print_message("# %s: %.*s %d\n", rows[i].domain, SLICE_FMT(found),
			              is_domain);
			bad++;
		}
	}
	arena_destroy(&arena);
	assert_int_equal(bad, 0);
}

struct verdict_row {
	const char *from, *record, *organization_record;
	const char *spf, *dkim; /* domains that pass */
	enum auth_result result;
	const char *disposition;
};

static void
add(struct zone_client *zone, const char *name, const char *record)
{
	if (record != NULL)
		zone_add(zone, name, "TXT", record);
}

static void
verdicts(void **state)
{
	static const struct verdict_row rows[] = {
		{"x@example.com", "v=DMARC1; p=reject", NULL, "example.com", "", AUTH_PASS, ""},
		{"x@example.com", "v=DMARC1; p=reject", NULL, "a.example.com", "", AUTH_PASS, ""},
		{"x@example.com", "v=DMARC1; p=reject; aspf=s", NULL, "a.example.com", "",
	         AUTH_FAIL, "reject"},
		{"x@example.com", "v=DMARC1; p=reject; aspf=s", NULL, "", "a.example.com",
	         AUTH_PASS, ""},
		{"x@example.com", "v=DMARC1; p=reject; adkim=S", NULL, "", "a.example.com",
	         AUTH_FAIL, "reject"},
		{"x@example.com", "v=DMARC1; p=Reject", NULL, "", "", AUTH_FAIL, "Reject"},
		{"x@example.com", "v=dmarc1; p=quarantine;", NULL, "", "other.com", AUTH_FAIL,
	         "quarantine"},
		{"x@example.com", "v=DMARC1; p=none", NULL, "", "", AUTH_FAIL, "none"},
		{"x@example.com", "v=DMARC1; rua=mailto:a@example.com", NULL, "", "", AUTH_FAIL,
	         "none"},
		{"x@example.com", "v=DMARC1; p=bogus", NULL, "example.com", "", AUTH_FAIL, "none"},
		{"x@example.com", "v=DMARC1", NULL, "example.com", "", AUTH_FAIL, "none"},
		{"x@example.com", "v=DMARC1; p=reject; pct=50", NULL, "", "", AUTH_FAIL, "reject"},
		{"x@example.com", "v=DMARC1; p=reject; pct=49", NULL, "", "", AUTH_FAIL,
	         "quarantine"},
		{"x@example.com", "v=DMARC1; p=quarantine; pct=0", NULL, "", "", AUTH_FAIL, "none"},
		{"x@example.com", "spf1", NULL, "", "", AUTH_NONE, "none"},
		{"x@example.com", NULL, NULL, "example.com", "", AUTH_NONE, "none"},
		{"x@sub.example.com", NULL, "v=DMARC1; p=reject; sp=quarantine", "", "", AUTH_FAIL,
	         "quarantine"},
		{"x@sub.example.com", NULL, "v=DMARC1; p=reject", "", "", AUTH_FAIL, "reject"},
		{"x@sub.example.com", "v=DMARC1; p=reject; sp=none", NULL, "", "", AUTH_FAIL,
	         "reject"},
		{"x@gone.org", "v=DMARC1; p=reject", NULL, "gone.org", "", AUTH_NONE, "none"},
	};
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *arena = arena_create(0);
		struct public_suffixes *list =
			public_suffixes_create(arena, slice_of(list_text, sizeof(list_text) - 1));
		const char *domain = strchr(rows[i].from, '@') + 1;
		struct slice signer = slice_from_cstr(rows[i].dkim);
		struct dmarc_input input = {.spf_domain = slice_from_cstr(rows[i].spf),
		                            .dkim_domains = &signer,
		                            .dkim_count = signer.len > 0,
		                            .sample = 49};
		struct dmarc_outcome outcome = {0};
		struct zone_client zone;
		struct dmarc *dmarc;
		struct slice disposition;

		zone_client_init(&zone, arena);
		add(&zone, arena_cstr(arena, arena_printf(arena, "_dmarc.%s", domain)),
		    rows[i].record);
		add(&zone, "_dmarc.example.com", rows[i].organization_record);
		zone_add(&zone, "example.com", "A", "192.0.2.1");
		dmarc = dmarc_start(arena, &zone.client, list, slice_from_cstr(rows[i].from));
		assert_non_null(dmarc);
		zone_run(&zone);
		assert_true(dmarc_is_ready(dmarc));
		assert_int_equal(dmarc_evaluate(dmarc, &input, &outcome), STATUS_OK);
		disposition = outcome.result == AUTH_PASS ? SLICE("") : outcome.disposition;
		if (outcome.result != rows[i].result ||
		    !slice_eq(disposition, slice_from_cstr(rows[i].disposition))) {
			print_message("# row %zu %s: %s %.*s\n", i, rows[i].from,
			              auth_result_name(outcome.result), SLICE_FMT(disposition));
			bad++;
		}
		arena_destroy(&arena);
	}
	assert_int_equal(bad, 0);
}

static void
several_records_and_silence(void **state)
{
	struct arena *arena = arena_create(0);
	struct public_suffixes *list =
		public_suffixes_create(arena, slice_of(list_text, sizeof(list_text) - 1));
	struct dmarc_input input = {0};
	struct dmarc_outcome outcome;
	struct zone_client zone;
	struct dmarc *dmarc;

	(void)state;
	zone_client_init(&zone, arena);
	zone.is_authenticated = true;
	zone_add(&zone, "_dmarc.two.com", "TXT", "v=DMARC1; p=none");
	zone_add(&zone, "_dmarc.two.com", "TXT", "v=DMARC1; p=reject");
	zone_add(&zone, "two.com", "MX", "10 mx.two.com");
	zone_add(&zone, "_dmarc.mute.com", "TXT", "TIMEOUT");
	dmarc = dmarc_start(arena, &zone.client, list, SLICE("a@two.com"));
	assert_false(dmarc_is_ready(dmarc));
	zone_run(&zone);
	assert_int_equal(dmarc_evaluate(dmarc, &input, &outcome), STATUS_OK);
	assert_true(outcome.has_many);
	assert_true(outcome.is_authenticated);
	assert_int_equal(outcome.result, AUTH_FAIL);
	dmarc = dmarc_start(arena, &zone.client, list, SLICE("a@mute.com"));
	zone_run(&zone);
	assert_int_equal(dmarc_evaluate(dmarc, &input, &outcome), STATUS_OK);
	assert_int_equal(outcome.result, AUTH_NONE);
	assert_true(outcome.is_temporary);
	assert_null(dmarc_start(arena, &zone.client, list, SLICE("a@no.such.suffix")));
	arena_destroy(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(organizations),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(several_records_and_silence),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
